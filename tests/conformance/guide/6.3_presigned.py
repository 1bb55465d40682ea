# Backend generates presigned URL
client = AgentCoreRuntimeClient(region="us-west-2")

presigned_url = client.generate_presigned_url(
    runtime_arn="arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime",
    endpoint_name="DEFAULT",
    custom_headers={"user_type": "premium"},
    expires=300  # 5 minutes
)

# Frontend JavaScript:
# const ws = new WebSocket(presigned_url);
