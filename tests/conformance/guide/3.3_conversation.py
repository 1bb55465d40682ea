# Reference: src/bedrock_agentcore/memory/README.md (Quick Start)
from bedrock_agentcore.memory import MemorySessionManager
from bedrock_agentcore.memory.constants import ConversationalMessage, MessageRole

manager = MemorySessionManager(
    memory_id="your-memory-id",
    region_name="us-east-1"
)

session = manager.create_memory_session(
    actor_id="user-123",
    session_id="session-456"
)

# Add conversation turns — stored as events in the Memory service
session.add_turns([
    ConversationalMessage("I love eating apples and cherries", MessageRole.USER),
    ConversationalMessage("Apples are very good for you!", MessageRole.ASSISTANT),
])

# Retrieve recent conversation
turns = session.get_last_k_turns(k=10)
