# Reference: src/bedrock_agentcore/memory/integrations/strands/README.md
from strands import Agent
from bedrock_agentcore.memory.integrations.strands.config import (
    AgentCoreMemoryConfig, RetrievalConfig
)
from bedrock_agentcore.memory.integrations.strands.session_manager import (
    AgentCoreMemorySessionManager
)

config = AgentCoreMemoryConfig(
    memory_id="your-memory-id",
    session_id="session-456",
    actor_id="user-123",
    retrieval_config={
        "/preferences/{actorId}/": RetrievalConfig(top_k=5, relevance_score=0.7),
        "/facts/{actorId}/": RetrievalConfig(top_k=10, relevance_score=0.3),
    }
)

session_manager = AgentCoreMemorySessionManager(
    agentcore_memory_config=config,
    region_name="us-east-1"
)

# Agent automatically uses AgentCore Memory for persistence
agent = Agent(
    system_prompt="You are a helpful assistant with memory.",
    session_manager=session_manager,
)

# Conversations are automatically persisted and memories retrieved
agent("I like sushi with tuna")
agent("What should I eat for lunch?")  # Remembers preferences
