# Search long-term memories
memories = session.search_long_term_memories(
    query="what food does the user like",
    namespace_prefix="/preferences/user-123/",
    top_k=5
)
