/* model_prompts.h - what a model is told, and the form its answers must have. */
#ifndef MEMORY_EXTRACT_MODEL_PROMPTS_H
#define MEMORY_EXTRACT_MODEL_PROMPTS_H

typedef struct model_prompt {
    const char *system;
    const char *schema; /* of the answer, as JSON text */
    const char *name;   /* of the schema */
} model_prompt;

extern const model_prompt prompt_facts, prompt_preferences, prompt_consolidation, prompt_summary, prompt_episodes,
    prompt_reflections;

#endif
