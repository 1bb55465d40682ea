import boto3
import json

client = boto3.client("bedrock-agentcore", region_name="us-west-2")

response = client.invoke_agent_runtime(
    agentRuntimeArn="arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime",
    payload=json.dumps({"prompt": "Tell me a joke"}).encode()
)

result = json.loads(response["payload"].read().decode("utf-8"))
print(result)
