"""What the black-box tests share: starting programs, raw HTTP over sockets, waiting for conditions.

Every server that is started here is stopped with SIGTERM and must then have ended with code 0 and without a word from
a sanitizer on its standard error: memory that leaks fails the test that leaked it.
"""

import json
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD_DIR = os.environ.get("AC_BUILD_DIR") or os.path.join(HERE, "..", "..", "build")
DEADLINE = 30  # seconds that any single condition may take, also under a sanitizer

TSAN_OPTIONS = "halt_on_error=0"

SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
REQUEST_ID = "X-Amzn-Bedrock-AgentCore-Runtime-Request-Id"

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: \w+Sanitizer|Sanitizer: CHECK failed")


def build_path(*parts):
    return os.path.join(BUILD_DIR, *parts)


def wait_until(condition, what, seconds=DEADLINE):
    """Wait for a condition and return its value; a test that waits longer than the deadline fails."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.003)


def free_port():
    """One that is free, and that nobody is given who asks the system for any."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        first = int(f.read().split()[0])
    while True:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.randrange(first // 2, first) if first > 4096 else 0))
                return s.getsockname()[1]
            except OSError:
                pass


# ---- HTTP ----------------------------------------------------------------------------------------------------------


class Response:
    def __init__(self, version, status, reason, headers):
        self.version, self.status, self.reason, self.headers = version, status, reason, headers
        self.body = b""
        self.chunks = []
        self.trailers = []

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name):
        values = self.all(name)
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json.loads(self.body)

    def events(self):
        """The data of each Server-Sent Event; anything that is not one is an error."""
        found = []
        for block in self.text.split("\n\n")[:-1]:
            if block.startswith(":"):
                continue
            if not block.startswith("data: "):
                raise AssertionError(f"not an event: {block!r}")
            found.append(block[len("data: "):])
        if not self.text.endswith("\n\n") and self.text:
            raise AssertionError(f"unfinished event: {self.text[-80:]!r}")
        return found

    def __repr__(self):
        return f"<Response {self.status} {self.headers} {self.body[:200]!r}>"


class Closed(Exception):
    """The server closed the connection before what was waited for had come."""


class Conn:
    """One TCP connection, byte by byte under the test's control."""

    def __init__(self, port, receive_buffer=None, timeout=DEADLINE):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(("127.0.0.1", port))
        except OSError:
            self.sock.close()
            raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.error = None  # of the read that ended the connection

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def try_send(self, data):
        """Send to a server that may have closed already."""
        try:
            self.send(data)
        except OSError:
            pass

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def reset(self):
        """Vanish with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def fill(self):
        """Read some more; False at the end of the stream (a reset counts as one)."""
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError) as error:
            self.error = error
            return False
        self.buffer += data
        return bool(data)

    def read_until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise Closed(f"closed before {mark!r}; got {self.buffer[:300]!r}")
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def read_exactly(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise Closed(f"closed after {len(self.buffer)} of {count} bytes")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_to_end(self):
        while self.fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def readable(self, seconds):
        return bool(self.buffer) or bool(select.select([self.sock], [], [], seconds)[0])

    def read_head(self):
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/(1\.[01]) (\d{3}) ([^\r\n]*)", lines[0])
        if not match:
            raise AssertionError(f"bad status line {lines[0]!r}")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise AssertionError(f"bad header line {line!r}")
            headers.append((name, value.strip()))
        return Response(match[1], int(match[2]), match[3], headers)

    def read_chunk(self):
        """One chunk of a chunked body; b"" is the last."""
        size = int(self.read_until(b"\r\n").split(b";")[0], 16)
        if size == 0:
            self.read_until(b"\r\n")
            return b""
        data = self.read_exactly(size)
        if self.read_exactly(2) != b"\r\n":
            raise AssertionError("a chunk does not end in CRLF")
        return data

    def read_event(self):
        """One Server-Sent Event of a chunked stream whose head was read (b"" at its end)."""
        if not hasattr(self, "stream"):
            self.stream = b""
        while b"\n\n" not in self.stream:
            chunk = self.read_chunk()
            if not chunk:
                return b""
            self.stream += chunk
        event, self.stream = self.stream.split(b"\n\n", 1)
        return event

    def read_response(self, head=False):
        response = self.read_head()
        if head or response.status in (204, 304) or response.status < 200:
            return response
        lengths = response.all("Content-Length")
        if response.all("Transfer-Encoding"):
            if lengths or response.all("Transfer-Encoding") != ["chunked"]:
                raise AssertionError(f"ambiguous framing: {response.headers}")
            while chunk := self.read_chunk():
                response.chunks.append(chunk)
            response.body = b"".join(response.chunks)
        elif lengths:
            if len(lengths) != 1:
                raise AssertionError(f"two lengths: {response.headers}")
            response.body = self.read_exactly(int(lengths[0]))
        else:
            response.body = self.read_to_end()
        return response

    def request(self, method, target, body=None, headers=(), version="1.1"):
        self.send(request_bytes(method, target, body, headers, version))
        return self.read_response(head=method == "HEAD")

    def invoke(self, payload, headers=()):
        return self.request("POST", "/invocations", payload, headers)

    def closed_by_server(self):
        """Wait until the server has closed; what it sent before is dropped."""
        self.read_to_end()
        return True


def to_bytes(body):
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body).encode()


def request_bytes(method, target, body=None, headers=(), version="1.1"):
    body = to_bytes(body)
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    names = {name.lower() for name, _ in pairs}
    if "host" not in names:
        pairs.insert(0, ("Host", "test"))
    if body is not None and "content-length" not in names and "transfer-encoding" not in names:
        pairs.append(("Content-Length", str(len(body))))
    head = f"{method} {target} HTTP/{version}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in pairs) + "\r\n"
    return head.encode("utf-8") + (body or b"")


def post(payload, headers=()):
    return request_bytes("POST", "/invocations", payload, headers)


# ---- programs ------------------------------------------------------------------------------------------------------


class Program:
    """A started program with its output."""

    def __init__(self, path, *args, env=None):
        if not os.path.exists(path):
            raise unittest.SkipTest(f"{path} is not built")
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [path, *[str(a) for a in args]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, "TSAN_OPTIONS": TSAN_OPTIONS, **(env or {})},
        )
        self.pid = self.process.pid
        self.stopped = False

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode("utf-8", "replace")

    def log_lines(self):
        """The JSON log lines so far."""
        lines = []
        for line in self.stderr().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                pass
        return lines

    def logged(self, text):
        return [line for line in self.log_lines() if text in line.get("message", "")]

    def running(self):
        return self.process.poll() is None

    def wait(self, seconds=DEADLINE):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program did not end within {seconds} s") from None

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def finish(self, code=0, seconds=DEADLINE):
        """Wait for the end and check how it ended."""
        if self.stopped:
            return
        self.stopped = True
        try:
            ended = self.wait(seconds)
        finally:
            if self.running():
                self.process.kill()
                self.process.wait()
            self.output = self.process.stdout.read()
            self.process.stdout.close()
            errors = self.stderr()
            self.errors.close()
            self.stderr = lambda: errors
        if SANITIZER.search(errors):
            raise AssertionError("a sanitizer complained:\n" + errors[-8000:])
        if code is not None and ended != code:
            raise AssertionError(f"ended with {ended} instead of {code}:\n{errors[-4000:]}")

    def stop(self, code=0):
        if not self.stopped:
            if self.running():
                self.signal()
                self.signal_again_if_it_was_lost()
            self.finish(code)

    def signal_again_if_it_was_lost(self):
        """The thread sanitizer of gcc 12 now and then swallows a signal: neither handler of the program ever runs.  The
        other builds must end at the first one."""
        try:
            with open(f"/proc/{self.pid}/maps", encoding="ascii", errors="replace") as f:
                if "libtsan" not in f.read():
                    return
            self.process.wait(DEADLINE / 3)
        except (OSError, subprocess.TimeoutExpired):
            if self.running():
                self.signal()

    def kill(self):
        if not self.stopped:
            self.process.kill()
            self.finish(code=None)

    # what the kernel knows about it

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def settled_descriptors(self):
        """How many there are once the connections that clients have just closed are gone."""
        seen = []
        wait_until(lambda: seen.append(self.descriptors()) or len(set(seen[-20:])) == 1 and len(seen) >= 20, "quiet")
        return seen[-1]

    def status_number(self, name):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return int(re.search(rf"^{name}:\s+(\d+)", f.read(), re.M)[1])

    def rss_kb(self):
        return self.status_number("VmRSS")

    def threads(self):
        return self.status_number("Threads")

    def sanitized(self):
        """Whether it runs under a sanitizer, whose memory cannot be compared with anything."""
        with open(f"/proc/{self.pid}/maps", encoding="ascii", errors="replace") as f:
            return bool(re.search(r"lib(asan|tsan|ubsan)\.so|clang_rt", f.read()))


class Server(Program):
    """The contract agent on a free port."""

    def __init__(self, *options, env=None, port=0):
        super().__init__(build_path("tests", "contract_agent"), port, *options, env=env)
        try:
            self.port = self.read_port()
            self.wait_until_it_serves()
        except BaseException:
            self.process.kill()
            self.finish(code=None)
            raise

    def read_port(self):
        out = self.process.stdout
        if not select.select([out], [], [], DEADLINE)[0]:
            raise AssertionError("the server did not start listening")
        line = out.readline().decode()
        if not line.startswith("listening "):
            raise AssertionError(f"the server said {line!r} and {self.stderr()[-3000:]}")
        return int(line.split()[1])

    def wait_until_it_serves(self):
        """The port is open a moment before the loops run; the thread sanitizer can lose a signal in between."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as s:
            try:
                s.sendall(b"GET /none HTTP/1.0\r\n\r\n")
                while s.recv(4096):
                    pass
            except ConnectionError:  # a short time-out of the test's has struck: the loop runs
                pass

    def connect(self, **options):
        return Conn(self.port, **options)

    def request(self, method, target, body=None, headers=(), version="1.1"):
        with self.connect() as c:
            return c.request(method, target, body, headers, version)

    def invoke(self, payload, headers=()):
        return self.request("POST", "/invocations", payload, headers)

    def do(self, action, /, http=(), **arguments):
        """Invoke an action of the contract agent; http are headers of the request."""
        return self.invoke({"do": action, **arguments}, http)

    def stats(self):
        return self.do("stats").json()

    def ping(self):
        return self.request("GET", "/ping").json()

    def open_gate(self, gate, count=-1):
        self.do("open", gate=gate, count=count)

    def wait_at_gate(self, gate, count):
        wait_until(lambda: self.do("waiting", gate=gate).json()["waiting"] >= count, f"{count} handlers at {gate}")

    def wait_stat(self, name, value):
        wait_until(lambda: self.stats()[name] == value, f"{name} == {value}")


class Example(Program):
    """An example program on a port picked by the test."""

    def __init__(self, name, *args, env=None):
        self.port = free_port()
        super().__init__(build_path("examples", name), self.port, *args, env=env)
        try:
            wait_until(self.accepts, f"{name} to listen")
        except BaseException:
            self.process.kill()
            self.finish(code=None)
            raise

    def accepts(self):
        if not self.running():
            raise AssertionError(f"ended early: {self.stderr()[-3000:]}")
        try:
            Conn(self.port).close()
            return True
        except ConnectionRefusedError:
            return False

    request = Server.request
    invoke = Server.invoke
    connect = Server.connect
    ping = Server.ping


class TestCase(unittest.TestCase):
    """A test that may start servers; each is stopped and checked at its end."""

    maxDiff = 4000

    def serve(self, *options, **more):
        server = Server(*options, **more)
        self.addCleanup(server.stop)
        return server

    def connect(self, server, **options):
        c = server.connect(**options)
        self.addCleanup(c.close)
        return c

    def assert_json(self, response, status, body):
        """Status, exact JSON text, content type and length of an answer."""
        self.assertEqual((response.status, response.text), (status, body))
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(response.all("Content-Length"), [str(len(response.body))])

    def assert_refused(self, conn, status):
        """The connection was answered once, with this status (a list: one of them), and closed."""
        wanted = status if isinstance(status, (list, tuple)) else [status]
        response = conn.read_response()
        self.assertIn(response.status, wanted)
        self.assertEqual((response.header("Connection") or "").lower(), "close")
        self.assertEqual(conn.read_to_end(), b"", "something came after the refusal")
        return response

    def assert_alive(self, server):
        self.assertTrue(server.running(), "the server ended")
        self.assertEqual(server.request("GET", "/ping").status, 200)
