# Reference: docs/examples/agent_runtime_client_examples.md (OAuth section)
client = AgentCoreRuntimeClient(region="us-west-2")

ws_url, headers = client.generate_ws_connection_oauth(
    runtime_arn="arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime",
    bearer_token="eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9...",
    endpoint_name="DEFAULT"
)

async with websockets.connect(ws_url, extra_headers=headers) as ws:
    await ws.send('{"prompt": "Hello!"}')
