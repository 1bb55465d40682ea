# Reference: tests_integ/runtime/test_websocket_agent.py (lines 17-54)
from bedrock_agentcore import BedrockAgentCoreApp

app = BedrockAgentCoreApp()

@app.websocket
async def websocket_handler(websocket, context):
    await websocket.accept()
    try:
        while True:
            data = await websocket.receive_json()
            if data.get("action") == "echo":
                await websocket.send_json({
                    "type": "echo_response",
                    "message": data.get("message"),
                    "session_id": context.session_id
                })
            elif data.get("action") == "stream":
                count = data.get("count", 3)
                for i in range(count):
                    await websocket.send_json({
                        "type": "stream_chunk",
                        "chunk_id": i,
                        "data": f"Chunk {i+1} of {count}"
                    })
                await websocket.send_json({"type": "stream_complete"})
            elif data.get("action") == "close":
                break
    finally:
        await websocket.close()

app.run()
