/* episodes.h - what somebody wanted, what was done about it and how it went: cut out of a session's turns. */
#ifndef MEMORY_EXTRACT_EPISODES_H
#define MEMORY_EXTRACT_EPISODES_H

#include "daemon/memory/extract/builtin.h"

#define EPISODES_MAX 64 /* of one window; later ones wait for the next */
#define ACTIONS_MAX 16  /* of one episode */

typedef struct episode {
    size_t first, last;             /* turns */
    const extract_known *continues; /* the record that it began in, when its first turns are out of the window */
    const char *situation;
    const char *intent;
    const char *actions[ACTIONS_MAX];
    size_t action_count;
    bool closed;
    bool success;
    const char *evidence; /* what the user said at the end */
} episode;

/* A record's text taken apart; strings live in the arena.  False: it is none of ours, or no memory. */
bool episode_read(const char *text, arena *a, episode *ret_episode);

/* Its JSON text; NULL when memory runs out. */
const char *episode_text(const episode *e, arena *a);

/* reflections.c: what the episode and its likes from other sessions teach, added to the plan. */
ac_status episode_reflect(plan *p, const episode *e, const char *since, int64_t stated_ms, size_t known_max,
                          ac_error *err) AC_MUST_USE;

#endif
