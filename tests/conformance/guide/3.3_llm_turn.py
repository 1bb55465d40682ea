# Reference: src/bedrock_agentcore/memory/README.md (Enhanced LLM Integration)
def my_llm(user_input: str, memories: list) -> str:
    context = "\n".join([m.get('content', {}).get('text', '') for m in memories])
    # Call your LLM with context
    return f"Based on {context}, here's my response to: {user_input}"

retrieval_config = {
    "support/facts/{sessionId}/": RetrievalConfig(top_k=5, relevance_score=0.3),
    "user/preferences/{actorId}/": RetrievalConfig(top_k=3, relevance_score=0.5)
}

memories, response, event = session.process_turn_with_llm(
    user_input="What did we discuss about my preferences?",
    llm_callback=my_llm,
    retrieval_config=retrieval_config
)
