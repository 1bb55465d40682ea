# Reference: tests_integ/agents/sample_agent.py
import asyncio
from bedrock_agentcore import BedrockAgentCoreApp

app = BedrockAgentCoreApp()

@app.entrypoint
async def invoke(payload):
    app.logger.info("Received payload: %s", payload)
    user_message = payload.get("prompt", "No prompt provided")
    # Your custom logic here — call an LLM API directly, run rules, etc.
    return {"response": f"You said: {user_message}"}

app.run()
