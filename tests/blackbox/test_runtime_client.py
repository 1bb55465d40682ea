"""The examples that call deployed agents, against a stand-in for the service that keeps what it is sent.

Signatures are verified here once more, by a second reading of the Signature V4 text."""

import base64
import hashlib
import hmac
import json
import os
import select
import signal
import socket
import subprocess
import threading
import unittest
import urllib.parse

from harness import DEADLINE, SESSION, Program, build_path, wait_until
from test_agentcored_life import clean_environment

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//+/=="
ARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-AbCdEf1234"
PATH = "/runtimes/" + urllib.parse.quote(ARN, safe="")
AGENT_SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"


def digest(data):
    return hashlib.sha256(data).hexdigest()


def signature(date, scope, canonical):
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest(canonical.encode())}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def canonical_request(method, path, pairs, headers, names, body):
    query = "&".join(sorted(pairs))
    fields = "".join(f"{n}:{' '.join(headers[n].split())}\n" for n in names)
    encoded = urllib.parse.quote(path, safe="/-_.~")
    return f"{method}\n{encoded}\n{query}\n{fields}\n{';'.join(names)}\n{digest(body)}"


def header_signature_is_right(request):
    algorithm, _, rest = request.headers["authorization"].partition(" ")
    if algorithm != "AWS4-HMAC-SHA256":
        return False
    parts = dict(p.split("=", 1) for p in rest.split(", "))
    scope = parts["Credential"].split("/", 1)[1]
    names = parts["SignedHeaders"].split(";")
    canonical = canonical_request(request.method, request.path, request.pairs, request.headers, names, request.body)
    return parts["Signature"] == signature(request.headers["x-amz-date"], scope, canonical)


def presigned_signature_is_right(path, query, host):
    pairs = query.split("&")
    last = pairs.pop()
    values = dict(urllib.parse.parse_qsl(query))
    scope = values["X-Amz-Credential"].split("/", 1)[1]
    canonical = canonical_request("GET", path, pairs, {"host": host}, ["host"], b"")
    return last == "X-Amz-Signature=" + signature(values["X-Amz-Date"], scope, canonical)


class Request:
    def __init__(self, head, read):
        lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = lines[0].split(" ")
        self.path, _, query = target.partition("?")
        self.pairs = query.split("&") if query else []
        self.headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
        self.body = read(int(self.headers.get("content-length", "0")))


class Service(threading.Thread):
    """Takes connections one at a time; answer(connection, request) says the rest."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer, self.requests, self.flaws = answer, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                self.sock, _ = self.listener.accept()
            except OSError:
                return
            with self.sock:
                self.sock.settimeout(DEADLINE)
                try:
                    self.serve()
                except Exception as error:  # told by stop
                    self.flaws.append(repr(error))

    def serve(self):
        self.file = self.sock.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.file.readline()
            if not line:
                return
            head += line
        request = Request(head[:-4], self.file.read)
        self.requests.append(request)
        self.answer(self, request)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join(DEADLINE)
        if self.flaws:
            raise AssertionError(self.flaws)

    # what answers are made of

    def send(self, text):
        self.sock.sendall(text.encode() if isinstance(text, str) else text)

    def respond(self, status, body, *headers):
        fields = "".join(f"{h}\r\n" for h in headers)
        self.send(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{fields}\r\n{body}")

    def accept_websocket(self, request):
        guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1((request.headers["sec-websocket-key"] + guid).encode()).digest())
        self.send("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                  f"{accept.decode()}\r\n\r\n")

    def read_frame(self):
        first, second = self.file.read(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(self.file.read(2), "big")
        mask = self.file.read(4)
        return first & 0xF, bytes(b ^ mask[i % 4] for i, b in enumerate(self.file.read(length)))

    def send_frame(self, opcode, data):
        self.send(bytes([0x80 | opcode, len(data)]) + data)


def converse(service, request):
    """A WebSocket agent: one answer, and a close that is answered."""
    service.accept_websocket(request)
    _, data = service.read_frame()
    service.send_frame(1, json.dumps({"got": json.loads(data)}).encode())
    opcode, data = service.read_frame()
    assert (opcode, data[:2]) == (8, b"\x03\xe8"), (opcode, data)
    service.send_frame(8, data)


@unittest.skipUnless(os.path.exists(build_path("examples", "invoke_agent")), "the examples are not built")
class RuntimeClient(unittest.TestCase):
    def serve(self, answer):
        service = Service(answer)
        self.addCleanup(service.stop)
        return service

    def env(self, service=None, **more):
        endpoint = {"AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": f"http://127.0.0.1:{service.port}"} if service else {}
        return clean_environment(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="us-west-2",
                                 AWS_MAX_ATTEMPTS="1", **endpoint, **more)

    def run_example(self, env, name, *arguments):
        done = subprocess.run([build_path("examples", name), *arguments], env=env, text=True, capture_output=True,
                              timeout=DEADLINE, check=False)
        return done.returncode, done.stdout, done.stderr

    # ---- invoking

    def test_invoke(self):
        service = self.serve(lambda s, r: s.respond(200, '{"result": "a joke"}', "Content-Type: application/json"))
        code, out, err = self.run_example(self.env(service, AWS_SESSION_TOKEN=TOKEN), "invoke_agent", ARN, "hi",
                                          AGENT_SESSION)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(json.loads(out), {"result": "a joke"})
        request = service.requests[0]
        self.assertEqual((request.method, request.path, request.pairs), ("POST", PATH + "/invocations", []))
        self.assertEqual(json.loads(request.body), {"prompt": "hi"})
        self.assertEqual(request.headers[SESSION.lower()], AGENT_SESSION)
        self.assertEqual(request.headers["content-type"], "application/json")
        self.assertEqual(request.headers["x-amz-security-token"], TOKEN)
        self.assertIn(SESSION.lower(), request.headers["authorization"])
        self.assertTrue(header_signature_is_right(request))

    def test_the_agents_error(self):
        service = self.serve(lambda s, r: s.respond(424, '{"message": "the tool broke"}',
                                                    "x-amzn-ErrorType: RuntimeClientError"))
        code, out, err = self.run_example(self.env(service), "invoke_agent", ARN)
        self.assertEqual((code, out, err), (1, "", "RuntimeClientError: the tool broke\n"))

    def test_a_listing_that_fails(self):
        """Whether there is an agent of that name is not known then, so none is made."""
        service = self.serve(lambda s, r: s.respond(403, '{"message": "not yours"}',
                                                    "x-amzn-ErrorType: AccessDeniedException"))
        env = self.env(AWS_ENDPOINT_URL=f"http://127.0.0.1:{service.port}")
        self.assertEqual(self.run_example(env, "deploy_agent", "hello", "image"),
                         (1, "", "AccessDeniedException: not yours\n"))
        self.assertEqual([(r.method, r.path) for r in service.requests], [("POST", "/runtimes/")])

    def begin_streaming(self):
        go, gone_early, gone = threading.Semaphore(0), threading.Event(), threading.Event()

        def stream(service, _):
            service.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i in range(3):
                self.assertTrue(go.acquire(timeout=DEADLINE))
                if gone_early.is_set():
                    self.assertEqual(service.sock.recv(1), b"")
                    gone.set()
                    return
                event = f'data: {{"chunk": {i}}}\n\n'
                service.send(f"{len(event):x}\r\n{event}\r\n")
            service.send("0\r\n\r\n")

        service = self.serve(stream)
        program = Program(build_path("examples", "invoke_streaming"), ARN, env=self.env(service))
        self.addCleanup(program.kill)
        return program, go, gone, gone_early

    def read_line(self, program):
        self.assertTrue(select.select([program.process.stdout], [], [], DEADLINE)[0], "nothing was printed")
        return program.process.stdout.readline()

    def test_events_are_printed_before_the_next_is_sent(self):
        program, go, _, _ = self.begin_streaming()
        for i in range(3):
            go.release()
            self.assertEqual(self.read_line(program), b'{"chunk": %d}\n' % i)
        program.finish()

    def test_a_client_that_goes_away(self):
        program, go, gone, gone_early = self.begin_streaming()
        go.release()
        self.assertEqual(self.read_line(program), b'{"chunk": 0}\n')
        gone_early.set()
        program.signal(signal.SIGINT)
        program.finish(code=-signal.SIGINT)
        go.release()
        wait_until(gone.is_set, "the service to see it")

    # ---- WebSocket

    def test_websocket(self):
        service = self.serve(converse)
        code, out, err = self.run_example(self.env(service, AWS_SESSION_TOKEN=TOKEN), "websocket_client", ARN, "my-id")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, 'Received: {"got": {"prompt": "Hello!"}}\n')
        request = service.requests[0]
        self.assertEqual((request.path, request.pairs), (PATH + "/ws", ["qualifier=DEFAULT"]))
        self.assertEqual(request.headers[SESSION.lower()], "my-id")
        self.assertEqual(request.headers["user-agent"], "AgentCoreRuntimeClient/1.0")
        self.assertIn("SignedHeaders=host;x-amz-date;x-amz-security-token,", request.headers["authorization"])
        self.assertTrue(header_signature_is_right(request))

    def test_oauth_websocket(self):
        service = self.serve(converse)
        code, out, err = self.run_example(self.env(service, BEARER_TOKEN="e.y.J"), "oauth_websocket", ARN)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, 'Received: {"got": {"prompt": "Hello!"}}\n')
        self.assertEqual(service.requests[0].headers["authorization"], "Bearer e.y.J")
        self.assertEqual(service.requests[0].headers["user-agent"], "OAuth-WebSocket-Client/1.0")
        self.assertEqual(self.run_example(self.env(service), "oauth_websocket", ARN)[2],
                         "ValidationException: Bearer token cannot be empty\n")

    def test_websocket_refused(self):
        service = self.serve(lambda s, r: s.respond(403, "", "x-amzn-ErrorType: AccessDeniedException"))
        code, _, err = self.run_example(self.env(service), "websocket_client", ARN)
        self.assertEqual(code, 1)
        self.assertIn("AccessDeniedException: ", err)

    # ---- URLs

    def test_presigned_url(self):
        code, out, err = self.run_example(self.env(), "presigned_url", ARN)
        self.assertEqual((code, err), (0, ""))
        url = urllib.parse.urlsplit(out.strip())
        host = "bedrock-agentcore.us-west-2.amazonaws.com"
        self.assertEqual((url.scheme, url.netloc, url.path), ("wss", host, PATH + "/ws"))
        names = [n for n, _ in urllib.parse.parse_qsl(url.query)]
        self.assertEqual(names, ["qualifier", "user_type", SESSION, "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
                                 "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"])
        values = dict(urllib.parse.parse_qsl(url.query))
        self.assertEqual((values["user_type"], values["X-Amz-Expires"]), ("premium", "300"))
        self.assertEqual(len(values[SESSION]), 36)
        self.assertTrue(presigned_signature_is_right(url.path, url.query, host))

    def test_presigned_url_is_refused(self):
        for arguments, message in [
            ((ARN, "301"), "Expiry timeout cannot exceed 300 seconds, got 301"),
            (("my-agent",), "Invalid runtime ARN format: my-agent"),
            ((ARN.replace("123456789012", ""),), "ARN components cannot be empty"),
        ]:
            code, out, err = self.run_example(self.env(), "presigned_url", *arguments)
            self.assertEqual((code, out, err), (1, "", f"ValidationException: {message}\n"))

    def test_where_the_url_leads(self):
        def host_of(**variables):
            _, out, err = self.run_example(self.env(None, **variables), "presigned_url", ARN)
            return out.split("/runtimes/")[0] or err

        self.assertEqual(host_of(AWS_ENDPOINT_URL="http://localhost:9000"), "ws://localhost:9000")
        self.assertEqual(host_of(AWS_ENDPOINT_URL="https://agents.example:8443/base"), "wss://agents.example:8443/base")
        self.assertEqual(host_of(AWS_ENDPOINT_URL="http://localhost:9000",
                                 BEDROCK_AGENTCORE_DP_ENDPOINT="https://x.bedrock-agentcore.amazonaws.com"),
                         "wss://x.bedrock-agentcore.amazonaws.com")
        self.assertIn("Constructed endpoint resolves to non-AWS host: 'evil.example'",
                      host_of(BEDROCK_AGENTCORE_DP_ENDPOINT="https://evil.example"))

    def test_usage(self):
        for name in ("invoke_agent", "invoke_streaming", "websocket_client", "presigned_url", "oauth_websocket"):
            code, _, err = self.run_example(self.env(), name)
            self.assertEqual(code, 2)
            self.assertIn("usage: ", err)


if __name__ == "__main__":
    unittest.main()
