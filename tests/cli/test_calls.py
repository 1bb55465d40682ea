"""Calls whose other end the test plays: what arrives there, what is printed of the answer, and what is said when the
input or the output cannot be had."""

import base64
import binascii
import hashlib
import json
import os
import socket
import struct
import subprocess
import threading
import unittest

from cli_harness import DEADLINE, PROGRAM, UNREACHABLE, USAGE, CliCase, free_port

ARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/hello-1234567890"
SESSION = "0" * 36


class Peer:
    """One server socket; each connection is given to function(connection, head, body) on a thread."""

    def __init__(self, case, function):
        self.function, self.heads = function, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        case.addCleanup(self.server.close)
        case.addCleanup(self.server.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self.talk, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def talk(self, connection):
        with connection, connection.makefile("rb") as lines:
            connection.settimeout(DEADLINE)
            head = {"line": lines.readline().decode("latin-1").rsplit(" ", 1)[0]}
            for line in iter(lines.readline, b"\r\n"):
                if not line:
                    return
                name, _, value = line.decode("latin-1").partition(":")
                head[name.lower()] = value.strip()
            self.heads.append(head)
            try:
                self.function(connection, head, lines.read(int(head.get("content-length", 0))))
            except OSError:
                pass


def answer(content_type, body):
    return (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + content_type +
            f"\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def absent():
    return (b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"x-amzn-ErrorType: ResourceNotFoundException\r\nContent-Length: 2\r\n\r\n{}")


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def stream_event(name, value):
    """A message of application/vnd.amazon.eventstream."""
    headers = b""
    for key, text in ((":message-type", "event"), (":event-type", name), (":content-type", "application/json")):
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
    payload = json.dumps(value).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))


class Calls(CliCase):
    def peer(self, function):
        peer = Peer(self, function)
        self.env.update(AWS_ENDPOINT_URL=peer.url, AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret",
                        AWS_MAX_ATTEMPTS="1", no_proxy="*")
        return peer

    def test_a_token_from_a_file_stops_a_session(self):
        peer = self.peer(lambda connection, *_: connection.sendall(answer(b"application/json", b"{}")))
        self.write("token", "opaque-token\n")
        self.ok("stop-session", ARN, SESSION, "--bearer", "@token")
        self.assertEqual(peer.heads[-1]["authorization"], "Bearer opaque-token")

    def agent_with_endpoints(self, ends):
        """A service with 150 endpoints of an agent, on two pages; what is deleted ends, or never does."""
        deleted = []

        def service(connection, head, body):
            method, path = head["line"].split()
            last = path.partition("?")[0].rstrip("/").rsplit("/", 1)[-1]
            names = [f"e{i}" for i in range(150)]
            if method == "DELETE":
                deleted.append(last)
            if method == "POST":
                page = slice(100, None) if b"nextToken" in body or "nextToken" in path else slice(0, 100)
                value = {"runtimeEndpoints": [{"name": n} for n in names[page]],
                         **({"nextToken": "t"} if page.start == 0 else {})}
            else:
                value = {"agentRuntimeId": "hello-1234567890", "status": "DELETING"}
            gone = method == "GET" and ends and last in deleted
            connection.sendall(absent() if gone else answer(b"application/json", json.dumps(value).encode()))

        self.peer(service)
        return deleted

    def test_all_endpoints_are_deleted(self):
        deleted = self.agent_with_endpoints(True)
        self.ok("delete", ARN, "--yes")
        self.assertEqual(deleted, [f"e{i}" for i in range(150)] + ["hello-1234567890"])

    def test_a_deletion_that_takes_too_long(self):
        """The service answers, so nobody is to look whether it runs."""
        self.agent_with_endpoints(False)
        self.fails(1, "delete", ARN, "--yes", "--timeout", "1",
                   says="hello is not deleted yet .*within 1 seconds.*agentcore status hello")

    def test_the_status_of_what_the_environment_names(self):
        none = answer(b"application/json", b'{"agentRuntimes": []}')
        peer = self.peer(lambda connection, *_: connection.sendall(none))
        self.assertEqual(self.ok("status", "--json").json(), {"running": True, "url": peer.url})
        self.assertIn(f"{peer.url} answers", self.ok("status").out)
        self.fails(UNREACHABLE, "status", "--data-dir", self.data, says="agentcored is not running for")
        self.fails(UNREACHABLE, "status", env={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"},
                   says="the environment names this endpoint")

    def test_what_is_not_utf8(self):
        """A text cannot be made JSON then; an event is shown as it came."""
        self.fails(USAGE, "invoke", "hello", "caf\udce9", says="not UTF-8")
        peer = self.peer(lambda connection, *_: connection.sendall(answer(b"text/event-stream",
                                                                          b"event: \xe9\ndata: 1\n\n")))
        done = subprocess.run([PROGRAM, "invoke", "--local", "--port", str(peer.port), "x", "--json"], cwd=self.work,
                              env=self.env, capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b'"data":1', done.stdout)

    def test_a_stream_that_nobody_reads_on(self):
        """`agentcore call ... | head -n 1` ends with what reads it, not with the stream."""
        closed, over = threading.Event(), threading.Event()
        self.addCleanup(over.set)

        def stream(connection, *_):
            event = stream_event("result", {"content": [{"type": "text", "text": "x"}]})
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n" + chunk(event))
            closed.wait(DEADLINE)
            connection.sendall(chunk(event))
            over.wait(2 * DEADLINE)

        self.peer(stream)
        call = json.dumps({"codeInterpreterIdentifier": "aws.codeinterpreter.v1", "sessionId": SESSION,
                           "name": "listFiles", "arguments": {}})
        p = subprocess.Popen([PROGRAM, "call", "InvokeCodeInterpreter", call], cwd=self.work, env=self.env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.assertIn('"text":"x"', p.stdout.readline())
        p.stdout.close()
        closed.set()
        self.assertEqual(p.wait(DEADLINE), 1)
        self.assertIn("cannot write to standard output", p.stderr.read())
        p.stderr.close()

    def test_output_that_is_closed(self):
        """What is printed goes nowhere, and not into a socket that has got its descriptor."""
        peer = self.peer(lambda connection, *_: connection.sendall(answer(b"text/plain", b"the answer")))
        script = 'exec "$0" invoke --local --port "$1" Hello >&-'
        done = subprocess.run(["sh", "-c", script, PROGRAM, str(peer.port)], cwd=self.work, env=self.env,
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(done.stderr, "agentcore: cannot write to standard output: Bad file descriptor\n")


class WebSocket(CliCase):
    def serve(self, connection, head, _):
        key = head["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        while connection.recv(4096):
            pass

    def test_a_line_that_cannot_be_sent(self):
        """It is said, and at once: what stands behind it was not sent either."""
        peer = Peer(self, self.serve)
        done = subprocess.run([PROGRAM, "ws", "--local", "--port", str(peer.port), "--wait", str(3 * DEADLINE),
                               "--bearer", "opaque-token", "--session", SESSION], cwd=self.work, env=self.env,
                              input=b"one\n\xff\ntwo\n", capture_output=True, timeout=2 * DEADLINE)
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(done.stderr, b"agentcore: a message could not be sent: a text message must be UTF-8\n")
        self.assertEqual(peer.heads[0]["authorization"], "Bearer opaque-token")
        self.assertEqual(peer.heads[0]["x-amzn-bedrock-agentcore-runtime-session-id"], SESSION)


class Logs(CliCase):
    def daemon(self, script):
        """An agentcored that does nothing but this."""
        self.env["AGENTCORED"] = str(self.write("agentcored", f"#!/bin/sh\n{script}\n", 0o755))

    def test_an_output_that_is_full(self):
        self.daemon("echo 2026-01-01T00:00:00Z session text")
        for command in (["logs", "hello"], ["--help"], ["--version"], ["help", "list"], ["list", "--help"], []):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([PROGRAM, *command], cwd=self.work, env=self.env, stdout=full,
                                      stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, done.stderr),
                             (1, "agentcore: cannot write to standard output: No space left on device\n"), command)

    def test_followed_by_nobody(self):
        """`agentcore logs -f | head -n 1` ends with the next line, not with the one after it."""
        os.mkfifo(self.work / "more")
        self.daemon('echo "t s one"; read -r line <more; echo "t s $line"; exec sleep 60')
        p = subprocess.Popen([PROGRAM, "logs", "hello", "-f"], cwd=self.work, env=self.env, stdout=subprocess.PIPE,
                             text=True)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.assertEqual(p.stdout.readline(), "t s one\n")
        p.stdout.close()
        (self.work / "more").write_text("two\n")
        self.assertEqual(p.wait(DEADLINE), 0)


if __name__ == "__main__":
    unittest.main()
