"""The bench agent on Starlette and uvicorn alone, what the Python SDK stands on: agent_starlette.py PORT [MODE].

Modes: echo, sse, idle-sse, ws.  Everything runs on the event loop, without threads and without logging: the least
that a Python agent can cost."""

import asyncio
import json
import sys
import time

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

EVENTS_PER_REPLY = 100

mode = sys.argv[2] if len(sys.argv) > 2 else "echo"


def event(i):
    return f"data: {json.dumps({'chunk': i, 'text': f'Processing chunk {i}...'})}\n\n".encode()


async def stream():
    if mode == "idle-sse":
        yield event(0)
        await asyncio.Event().wait()
    for i in range(EVENTS_PER_REPLY):
        yield event(i)


async def ping(request):
    return JSONResponse({"status": "Healthy", "time_of_last_update": int(time.time())})


async def invocations(request):
    payload = await request.json()
    if mode in ("sse", "idle-sse"):
        return StreamingResponse(stream(), media_type="text/event-stream")
    return JSONResponse({"response": payload.get("prompt", "No prompt provided")})


async def echo_messages(websocket):
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(message)


app = Starlette(
    routes=[
        Route("/ping", ping, methods=["GET"]),
        Route("/invocations", invocations, methods=["POST"]),
        WebSocketRoute("/ws", echo_messages),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
