from bedrock_agentcore import BedrockAgentCoreApp

app = BedrockAgentCoreApp()

@app.entrypoint
async def stream_handler(payload):
    """Async generator for streaming responses."""
    prompt = payload.get("prompt", "")
    # Call any streaming LLM API
    for i in range(5):
        yield {"chunk": i, "text": f"Processing chunk {i}..."}
    yield {"chunk": "final", "text": "Done!"}

app.run()
