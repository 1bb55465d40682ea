# Reference: docs/examples/agent_runtime_client_examples.md
import asyncio
import websockets
from bedrock_agentcore.runtime import AgentCoreRuntimeClient

async def main():
    client = AgentCoreRuntimeClient(region="us-west-2")

    # Generate SigV4-signed WebSocket URL and headers
    ws_url, headers = client.generate_ws_connection(
        runtime_arn="arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime",
        session_id="my-session-id",
        endpoint_name="DEFAULT"
    )

    async with websockets.connect(ws_url, extra_headers=headers) as ws:
        await ws.send('{"prompt": "Hello!"}')
        response = await ws.recv()
        print(f"Received: {response}")

asyncio.run(main())
