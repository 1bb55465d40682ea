"""The bench agent on the Python SDK, as its documentation writes one: agent_sdk.py PORT [echo|sse|idle-sse|ws]."""

import asyncio
import sys

from bedrock_agentcore import BedrockAgentCoreApp

EVENTS_PER_REPLY = 100

app = BedrockAgentCoreApp()


async def echo(payload):
    return {"response": payload.get("prompt", "No prompt provided")}


def stream(payload):
    for i in range(EVENTS_PER_REPLY):
        yield {"chunk": i, "text": f"Processing chunk {i}..."}


async def stream_and_stay(payload):
    yield {"chunk": 0, "text": "Processing chunk 0..."}
    await asyncio.Event().wait()


@app.websocket
async def echo_messages(websocket, context):
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


if __name__ == "__main__":
    mode = sys.argv[2] if len(sys.argv) > 2 else "echo"
    app.entrypoint({"sse": stream, "idle-sse": stream_and_stay}.get(mode, echo))
    app.run(port=int(sys.argv[1]), host="127.0.0.1")
