"""The code interpreter's client in C (tests/client/code_client.c) and its examples, against a real agentcored."""

import contextlib
import http.server
import json
import struct
import subprocess
import threading
import zlib

from agentcored import clean_environment
from code_harness import CodeCase, check, os, unittest
from harness import DEADLINE, build_path
from runtime_harness import network_options

HAS_NODE = os.path.exists("/usr/bin/node")
HAS_PANDAS = all(os.path.exists(f"/usr/lib/python3/dist-packages/{name}") for name in ("pandas", "matplotlib", "pip"))


def frame(kind, name, payload):
    """One message of an event stream."""
    pairs = ((":message-type", kind), (":exception-type" if kind == "exception" else ":event-type", name),
             (":content-type", "application/json"))
    text = b"\x07"  # the type of a header's value
    headers = b"".join(struct.pack("B", len(k)) + k.encode() + text + struct.pack(">H", len(v)) + v.encode()
                       for k, v in pairs)
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    return prelude + headers + body + struct.pack(">I", zlib.crc32(prelude + headers + body))


def result(*texts, **more):
    return frame("event", "result", {"content": [{"type": "text", "text": t} for t in texts], "isError": False, **more})


OUTPUTS = {"stdout": "all of it\n", "stderr": "and this\n", "exitCode": 0, "executionTime": 0.5}
BROKEN = {"type": "blob", "uri": "file:///x", "blob": "!"}
SAID = {
    "two": result("first", structuredContent=OUTPUTS) + result("second"),
    "throttled": frame("exception", "throttlingException", {"message": "later"}),
    "cut": result("first")[:-5],
    "nothing": b"",
    None: frame("event", "result", {"content": [{"type": "resource", "resource": BROKEN}], "isError": False}),
}


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A service that is not agentcored."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = SAID[asked["arguments"].get("code")]
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.amazon.eventstream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def elsewhere():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Client(CodeCase):
    options = network_options()

    def program(self, *command, code=0, **environment):
        done = subprocess.run(command, env=clean_environment(**{**self.daemon.env(), **environment}), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=2 * DEADLINE, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def step(self, name, **environment):
        return self.program(build_path("tests", "code_client"), name, self.closed(), **environment).stdout

    def example(self, name, *arguments, **more):
        return self.program(build_path("examples", name), *arguments, **more)

    def test_sessions(self):
        self.step("sessions")

    def test_session_that_is_freed(self):
        session = self.step("leave").strip()
        found = check(self.daemon.call("GET", f"/code-interpreters/{self.closed()}/sessions/get",
                                       query=[("sessionId", session)])).json()
        self.assertEqual(found["status"], "TERMINATED")

    def test_code(self):
        self.step("code", **({"HAVE_NODE": "1"} if HAS_NODE else {}))

    def test_output(self):
        self.step("output")

    def test_output_of_another_service(self):
        with elsewhere() as url:
            names = [name for name in self.daemon.env() if name.startswith("AWS_ENDPOINT_URL")]
            self.step("elsewhere", **{name: url for name in [*names, "AWS_ENDPOINT_URL"]})

    def test_tasks(self):
        self.step("tasks")

    def test_packages(self):
        self.step("packages")

    def test_files(self):
        self.step("files")

    def test_interpreters(self):
        self.closed()
        self.step("interpreters")

    # ---- examples ----

    @unittest.skipUnless(HAS_PANDAS, "pip, pandas and matplotlib are not installed")
    def test_example(self):
        said = self.example("code_interpreter", self.closed()).stdout
        self.assertTrue(said.startswith("Hello from sandbox!\n"), said)
        self.assertRegex(said, r"mean +150\.0")

    def test_example_fails(self):
        done = self.example("code_interpreter", "gone-0123456789", code=1)
        self.assertEqual(done.stderr, "ResourceNotFoundException: There is no code interpreter 'gone-0123456789'\n")

    def test_config_example(self):
        for mode in ("SANDBOX", "VPC"):
            with self.subTest(mode):
                done = self.example("code_interpreter_config", f"counts_{mode}", mode)
                self.assertEqual((done.stdout, done.stderr), ("0\n1\n2\n", ""))
        done = self.example("code_interpreter_config", "counts", "MOON", code=1)
        self.assertIn("network_mode must be 'PUBLIC', 'SANDBOX' or 'VPC', got 'MOON'", done.stderr)
        listed = self.daemon.control("POST", "/code-interpreters", {}, 200)["codeInterpreterSummaries"]
        self.assertNotIn("counts", " ".join(found["codeInterpreterId"] for found in listed))


if __name__ == "__main__":
    unittest.main()
