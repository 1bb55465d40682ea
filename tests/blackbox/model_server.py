"""A language model that says what a test wants it to say: a server on a free port of 127.0.0.1 that speaks as OpenAI's
chat completions, Anthropic's Messages and Bedrock's Converse, whole and streamed, and misbehaves as told.

    with ModelServer() as server:
        server.script = [busy(retry_after=0), say("hello")]
        ...
        server.requests[0].json["messages"]

Each request takes the next reply of the script; the last one is used again and again.  A reply may also be a function of
the request that returns one."""

import hashlib
import hmac
import http.server
import json
import re
import struct
import threading
import zlib
from urllib.parse import quote

ACCESS_KEY, SECRET_KEY, SESSION_TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/session+token=="


# ---- replies: dicts that the handler knows how to send -------------------------------------------------------------


def say(text="", calls=(), stop="end", tokens=(11, 7)):
    """An answer: text, or calls of tools as (id, name, arguments)."""
    return {"text": text, "calls": list(calls), "stop": "tools" if calls else stop, "tokens": tokens}


def say_json(value, **more):
    return say(json.dumps(value), **more)


def raw(status, body, headers=()):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"status": status, "body": body, "headers": dict(headers)}


def busy(retry_after=None, status=429, message="slow down"):
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return raw(status, {"error": {"message": message}, "message": message}, headers)


def refuse(status, message, code=None):
    return raw(status, {"error": {"message": message, "code": code}, "message": message})


def garbage():
    return raw(200, b"<html>\x00\xff please sign in</html>")


def half(text="hello"):
    """An answer that is cut in the middle: the head promises more than comes."""
    return {**say(text), "half": True}


def hang_up():
    return {"hang_up": True}


def silence():
    """Nothing, until the server is closed."""
    return {"silent": True}


# ---- how each kind says it ------------------------------------------------------------------------------------------

STOPS = {
    "openai": {"end": "stop", "length": "length", "tools": "tool_calls", "refused": "content_filter"},
    "anthropic": {"end": "end_turn", "length": "max_tokens", "tools": "tool_use", "refused": "refusal"},
    "bedrock": {"end": "end_turn", "length": "max_tokens", "tools": "tool_use", "refused": "content_filtered"},
}


def forced(kind, asked):
    """The name of the tool that stands for a schema."""
    if kind == "anthropic" and asked.get("tool_choice", {}).get("type") == "tool":
        return asked["tool_choice"]["name"]
    if kind == "bedrock":
        return asked.get("toolConfig", {}).get("toolChoice", {}).get("tool", {}).get("name")
    return None


def as_calls(kind, asked, reply):
    """A schema that was put as a tool is answered by calling it."""
    name = forced(kind, asked)
    if not name or reply["calls"]:
        return reply
    return {**reply, "text": "Let me see.", "calls": [("call_1", name, reply["text"])], "stop": "tools"}


def arguments(text):
    try:
        return json.loads(text)
    except ValueError:
        return {"no json": text}


def whole(kind, asked, reply):
    reply = as_calls(kind, asked, reply)
    stop, (read, written) = STOPS[kind][reply["stop"]], reply["tokens"]
    if kind == "openai":
        message = {"role": "assistant", "content": reply["text"]}
        if reply["calls"]:
            message["content"] = None
            message["tool_calls"] = [
                {"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in reply["calls"]
            ]
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        return {"choices": [{"index": 0, "message": message, "finish_reason": stop}], "usage": usage}
    if kind == "anthropic":
        blocks = [{"type": "text", "text": reply["text"]}] if reply["text"] else []
        blocks += [{"type": "tool_use", "id": i, "name": n, "input": arguments(a)} for i, n, a in reply["calls"]]
        usage = {"input_tokens": read, "output_tokens": written}
        return {"type": "message", "role": "assistant", "content": blocks, "stop_reason": stop, "usage": usage}
    blocks = [{"text": reply["text"]}] if reply["text"] else []
    blocks += [{"toolUse": {"toolUseId": i, "name": n, "input": arguments(a)}} for i, n, a in reply["calls"]]
    usage = {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}
    return {"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": stop, "usage": usage}


def pieces(text, size=4):
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


def frame(headers, payload):
    packed = b"".join(
        struct.pack(">B", len(name)) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack(">I", zlib.crc32(message))


def event(name, value):
    headers = {":message-type": "event", ":event-type": name, ":content-type": "application/json"}
    return frame(headers, json.dumps(value).encode())


def exception(name, message):
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return frame(headers, json.dumps({"message": message}).encode())


def data(value, name=None):
    line = f"event: {name}\n" if name else ""
    return f"{line}data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


def streamed_openai(reply, asked):
    def chunk(delta, stop=None):
        return data({"choices": [{"index": 0, "delta": delta, "finish_reason": stop}]})

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces(reply["text"]):
        yield chunk({"content": piece})
    for index, (call, name, text) in enumerate(reply["calls"]):
        begin = {"index": index, "id": call, "type": "function", "function": {"name": name, "arguments": ""}}
        yield chunk({"tool_calls": [begin]})
        for piece in pieces(text):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, STOPS["openai"][reply["stop"]])
    if asked.get("stream_options", {}).get("include_usage"):
        usage = {"prompt_tokens": reply["tokens"][0], "completion_tokens": reply["tokens"][1]}
        yield data({"choices": [], "usage": usage})
    yield data("[DONE]")


def streamed_anthropic(reply, asked):
    def named(value):
        return data(value, value["type"])

    yield named({"type": "message_start", "message": {"usage": {"input_tokens": reply["tokens"][0]}}})
    yield named({"type": "ping"})
    index = 0
    if reply["text"]:
        yield named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        for piece in pieces(reply["text"]):
            delta = {"type": "text_delta", "text": piece}
            yield named({"type": "content_block_delta", "index": 0, "delta": delta})
        yield named({"type": "content_block_stop", "index": 0})
        index = 1
    for call, name, text in reply["calls"]:
        block = {"type": "tool_use", "id": call, "name": name, "input": {}}
        yield named({"type": "content_block_start", "index": index, "content_block": block})
        for piece in pieces(text):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield named({"type": "content_block_delta", "index": index, "delta": delta})
        yield named({"type": "content_block_stop", "index": index})
        index += 1
    stop = {"stop_reason": STOPS["anthropic"][reply["stop"]]}
    yield named({"type": "message_delta", "delta": stop, "usage": {"output_tokens": reply["tokens"][1]}})
    yield named({"type": "message_stop"})


def streamed_bedrock(reply, asked):
    yield event("messageStart", {"role": "assistant"})
    for piece in pieces(reply["text"]) if reply["text"] else []:
        yield event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}})
    if reply["text"]:
        yield event("contentBlockStop", {"contentBlockIndex": 0})
    for index, (call, name, text) in enumerate(reply["calls"], 1):
        start = {"toolUse": {"toolUseId": call, "name": name}}
        yield event("contentBlockStart", {"contentBlockIndex": index, "start": start})
        for piece in pieces(text):
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}})
        yield event("contentBlockStop", {"contentBlockIndex": index})
    yield event("messageStop", {"stopReason": STOPS["bedrock"][reply["stop"]]})
    read, written = reply["tokens"]
    usage = {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}
    yield event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})


STREAMS = {"openai": streamed_openai, "anthropic": streamed_anthropic, "bedrock": streamed_bedrock}


# ---- signatures -----------------------------------------------------------------------------------------------------


def signature_flaw(request):
    """What is wrong with the AWS signature of a request; None when it is right."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
        request.headers.get("authorization", ""),
    )
    if not found:
        return "there is none"
    access_key, day, region, service, names, signature = found.groups()
    if access_key != ACCESS_KEY or service != "bedrock":
        return f"{access_key} for {service}"
    if request.headers.get("x-amz-security-token") != SESSION_TOKEN or "x-amz-security-token" not in names:
        return "no session token"
    canonical = "\n".join(
        ["POST", quote(request.path, safe="/-_.~"), ""]
        + [f"{name}:{request.headers[name].strip()}" for name in names.split(";")]
        + ["", names, hashlib.sha256(request.body).hexdigest()]
    )
    stamp, scope = request.headers["x-amz-date"], f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + SECRET_KEY).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return None if hmac.digest(key, text.encode(), "sha256").hex() == signature else "it does not match"


# ---- the server -----------------------------------------------------------------------------------------------------


class Request:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.json = json.loads(body)

    @property
    def kind(self):
        if self.path.startswith("/model/"):
            return "bedrock"
        return "anthropic" if self.path.endswith("/v1/messages") else "openai"

    @property
    def streamed(self):
        return self.path.endswith("/converse-stream") or bool(self.json.get("stream"))

    @property
    def prompt(self):
        """All that is said in it, as one text."""
        return json.dumps(self.json.get("messages", []) + [self.json.get("system")], ensure_ascii=False)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        request = Request(self.path, {n.lower(): v for n, v in self.headers.items()}, body)
        reply = self.server.owner.next_reply(request)
        if reply.get("silent"):
            self.server.owner.closing.wait()
            self.close_connection = True
        elif reply.get("hang_up"):
            self.close_connection = True
        elif "body" in reply:
            self.send_whole(reply["status"], reply["body"], reply["headers"])
        elif request.streamed:
            self.send_stream(request, reply)
        else:
            text = json.dumps(whole(request.kind, request.json, reply)).encode()
            self.send_whole(200, text, {}, reply.get("half"))

    def send_whole(self, status, body, headers, cut=False):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or bool(cut)

    def send_stream(self, request, reply):
        reply = as_calls(request.kind, request.json, reply)
        parts = list(STREAMS[request.kind](reply, request.json))
        if reply.get("half"):
            parts = parts[: len(parts) // 2]
        if "exception" in reply:
            parts = parts[:2] + [exception(*reply["exception"])]
        self.send_response(200)
        types = {"bedrock": "application/vnd.amazon.eventstream"}
        self.send_header("Content-Type", types.get(request.kind, "text/event-stream"))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args):
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """Clients that leave in the middle are part of the tests."""


class ModelServer:
    def __init__(self):
        self.script, self.requests = [say("hello")], []
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.server = QuietServer(("127.0.0.1", 0), Handler)
        self.server.owner = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def next_reply(self, request):
        with self.lock:
            self.requests.append(request)
            reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return reply(request) if callable(reply) else reply

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()
