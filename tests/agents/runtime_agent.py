"""The agent that the tests of agentcored's runtime deploy: the standard library alone, HTTP and WebSocket, and every
way to misbehave.

POST /invocations with {"do": ACTION, ...} (also /mcp and /, for the other protocols).  A body that is not JSON comes
back as it is.  Where something is to happen in steps, it waits at a gate that another request opens.

AGENT_START says how it starts: "never" opens no port, "exit" ends with code 7.  AGENT_PORT: another port than 8080."""

import base64
import errno
import hashlib
import http.server
import json
import os
import select
import signal
import struct
import sys
import threading
import time
import uuid

LIFE = uuid.uuid4().hex  # tells one start of the program from another: process ids are the same in every sandbox
GATE_SECONDS = 60
PIECE = b"0123456789abcdef" * 4096
seen = {"invocations": 0, "gone": 0, "written": 0, "ended": 0}
ping = {"status": "Healthy"}


class Gates:
    def __init__(self):
        self.changed = threading.Condition()
        self.passes = {}
        self.waiting = {}

    def open(self, name, count=1):
        with self.changed:
            self.passes[name] = self.passes.get(name, 0) + count
            self.changed.notify_all()

    def wait(self, name, abandoned=lambda: False):
        """False when whoever would be told has gone."""
        end = time.monotonic() + GATE_SECONDS
        with self.changed:
            self.waiting[name] = self.waiting.get(name, 0) + 1
            try:
                while not self.passes.get(name):
                    if abandoned() or time.monotonic() > end:
                        return False
                    self.changed.wait(0.02)
                self.passes[name] -= 1
                return True
            finally:
                self.waiting[name] -= 1


gates = Gates()


def say(text):
    print(text, flush=True)


# ---- actions: each gets the handler and the request's object ----


def echo(h, r):
    del r
    h.json({
        "life": LIFE,
        "method": h.command,
        "path": h.path,
        "headers": [[name, value] for name, value in h.headers.items()],
        "environment": dict(os.environ),
        "length": len(h.body),
        "sha256": hashlib.sha256(h.body).hexdigest(),
        "user": [os.getuid(), os.getgid()],
        "directory": os.getcwd(),
        "argv": sys.argv,
    })


def status(h, r):
    body = r.get("body", "").encode()
    h.answer(r["status"], body, r.get("type", "application/json"), r.get("headers", {}))


def state(h, r):
    del r
    h.json({"life": LIFE, "waiting": gates.waiting, **seen})


def open_gate(h, r):
    gates.open(r["gate"], r.get("count", 1))
    h.json({})


def wait(h, r):
    h.json({"passed": gates.wait(r["gate"], h.gone), "life": LIFE})


def stream(h, r):
    """Server-Sent Events, each behind the gate, or so many seconds after another; "die": the program ends behind so
    many."""
    h.begin("text/event-stream")
    for i in range(r["count"]):
        time.sleep(r.get("pause", 0) if i else 0)
        if r.get("gate") and not gates.wait(r["gate"], h.gone):
            seen["gone"] += 1
            return
        if i == r.get("die", -1):
            say("dying in the middle of a stream")
            os._exit(5)
        h.chunk(b"data: " + json.dumps({"event": i, "life": LIFE}).encode() + b"\n\n")
    h.chunk(b"")
    seen["ended"] += 1


def flood(h, r):
    """Write without end."""
    del r
    h.begin("application/octet-stream")
    try:
        while True:
            h.chunk(PIECE)
            seen["written"] += len(PIECE)
    except OSError:
        seen["gone"] += 1


def give(h, r):
    """So many bytes, whose digest is in a header."""
    whole, rest = divmod(r["bytes"], len(PIECE))
    h.send_response(200)
    h.send_header("Content-Type", "application/octet-stream")
    h.send_header("Content-Length", str(r["bytes"]))
    h.end_headers()
    for _ in range(whole):
        h.wfile.write(PIECE)
    h.wfile.write(PIECE[:rest])


def set_ping(h, r):
    ping["status"] = r["status"]
    h.json({})


def leave(h, r):
    del h
    say(r.get("words", "these are my last words"))
    os._exit(r.get("code", 3))


def hang_up(h, r):
    """No answer: the connection is closed."""
    del r
    h.close_connection = True
    h.connection.close()


def eat(h, r):
    del h, r
    say("eating memory")
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20) * 8))


def fork(h, r):
    """Processes without end, as many as there may be; "stay": they are left behind."""
    children, failure = [], None
    while len(children) < r.get("most", 100000):
        try:
            child = os.fork()
        except OSError as e:
            failure = errno.errorcode[e.errno]
            break
        if child == 0:
            while True:
                signal.pause()
        children.append(child)
    if not r.get("stay"):
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    h.json({"made": len(children), "failure": failure, "life": LIFE})


def fill(h, r):
    written, failure, path = 0, None, os.path.join(r["where"], "full")
    with open(path, "wb", buffering=0) as f:
        while written < 1 << 32:
            try:
                written += f.write(PIECE)
            except OSError as e:
                failure = errno.errorcode[e.errno]
                break
    if not r.get("keep"):
        os.unlink(path)
    h.json({"written": written, "failure": failure})


def chatter(h, r):
    """Lines on standard output."""
    for i in range(r["lines"]):
        sys.stdout.write(r.get("text", "line") + f" {i}\n")
    sys.stdout.flush()
    h.json({})


def service(h, r):
    """Call AgentCore with what the environment says, as an SDK does."""
    import http.client
    from urllib.parse import urlsplit

    from sigv4 import Signer

    url = urlsplit(os.environ[r.get("variable", "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE")])
    signer = Signer(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["AWS_REGION"],
                    url.netloc, os.environ.get("AWS_SESSION_TOKEN"))
    body = json.dumps(r.get("input", {})).encode()
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    connection.request(r["method"], r["path"], body,
                       signer.headers(r["method"], r["path"], (), {"content-type": "application/json"}, body))
    answer = connection.getresponse()
    h.json({"status": answer.status, "body": answer.read().decode()})
    connection.close()


actions = {
    "echo": echo, "status": status, "state": state, "open": open_gate, "wait": wait, "stream": stream, "flood": flood,
    "give": give, "ping": set_ping, "leave": leave, "hang-up": hang_up, "eat": eat, "fork": fork, "fill": fill,
    "chatter": chatter, "service": service,
}


# ---- WebSocket ----


class Socket:
    """The server's side of RFC 6455, for messages in one frame."""

    def __init__(self, h):
        self.h = h

    def accept(self):
        key = self.h.headers["Sec-WebSocket-Key"]
        digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self.h.send_response(101)
        self.h.send_header("Upgrade", "websocket")
        self.h.send_header("Connection", "Upgrade")
        self.h.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        offered = self.h.headers.get("Sec-WebSocket-Protocol")
        if offered:
            self.h.send_header("Sec-WebSocket-Protocol", offered.split(",")[0].strip())
        self.h.end_headers()

    def exactly(self, count):
        data = self.h.rfile.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def receive(self):
        first, second = self.exactly(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.exactly(8))[0]
        mask = self.exactly(4)
        data = self.exactly(size)
        pattern = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        return first & 15, (int.from_bytes(data, "big") ^ pattern).to_bytes(size, "big")

    def send(self, opcode, data):
        size = len(data)
        if size < 126:
            head = struct.pack(">BB", 0x80 | opcode, size)
        elif size < 65536:
            head = struct.pack(">BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 127, size)
        self.h.wfile.write(head + data)

    def close(self, code, reason=""):
        self.send(8, struct.pack(">H", code) + reason.encode())


def serve_socket(h):
    s = Socket(h)
    s.accept()
    h.close_connection = True
    try:
        while True:
            opcode, data = s.receive()
            if opcode == 8:
                seen["ended"] += 1
                s.send(8, data)
                return
            if opcode == 1 and data == b"who":
                headers = [[name, value] for name, value in h.headers.items()]
                s.send(1, json.dumps({"life": LIFE, "path": h.path, "headers": headers}).encode())
            elif opcode == 1 and data.startswith(b"close "):
                code, reason = data.decode().split(" ", 2)[1:]
                s.close(int(code), reason)
                return
            elif opcode == 1 and data == b"die":
                os._exit(6)
            else:
                s.send(opcode, data)
    except (EOFError, OSError):
        seen["gone"] += 1


# ---- HTTP ----


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def answer(self, code, body, kind="application/json", headers=()):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def json(self, value):
        self.answer(200, json.dumps(value).encode())

    def begin(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def gone(self):
        """Whether the other side has closed."""
        try:
            return bool(select.select([self.connection], [], [], 0)[0])
        except (OSError, ValueError):
            return True

    def do_GET(self):
        if self.path == "/ping":
            self.json({**ping, "time_of_last_update": int(time.time())})
        elif self.path.startswith("/ws") and self.headers.get("Upgrade"):
            serve_socket(self)
        elif self.path == "/.well-known/agent-card.json":
            self.json({"name": "the tests' agent", "url": os.environ["AGENTCORE_RUNTIME_URL"]})
        else:
            self.answer(404, b"{}")

    def do_POST(self):
        seen["invocations"] += 1
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Type", "").split(";")[0] != "application/json":
            self.answer(200, self.body, self.headers.get("Content-Type", "application/octet-stream"))
            return
        request = json.loads(self.body or b"{}")
        actions[request.get("do", "echo")](self, request)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def handle_error(self, request, client_address):
        say(f"error: {sys.exc_info()[1]!r}")


def main():
    start = os.environ.get("AGENT_START", "")
    if start:
        say(f"starting in the way {start}")
    if start == "never":
        threading.Event().wait()
    if start == "exit":
        say("there is no configuration for me")
        sys.exit(7)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Server(("127.0.0.1", int(os.environ.get("AGENT_PORT", "8080"))), Handler).serve_forever()


if __name__ == "__main__":
    main()
