"""Deploying on agentcored: code and images, the next version, what fails and what is interrupted; nothing is left
half made."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from cli_harness import ABSENT, AGENT, DEADLINE, INTERRUPTED, PROGRAM, USAGE, CliCase, build_path

AGENT_SOURCE = """import http.server, json, os
class H(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def answer(self, code, value):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self): self.answer(200, {"status": "Healthy"})
    def do_POST(self):
        r = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if r["prompt"] == "fail": self.answer(500, {"error": "it went wrong"})
        else: self.answer(200, {"edition": EDITION, "level": os.environ.get("LEVEL"), "prompt": r["prompt"],
                                "custom": self.headers.get("X-Amzn-Bedrock-AgentCore-Runtime-Custom-Team")})
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), H).serve_forever()
"""


class Deploy(CliCase):
    def setUp(self):
        super().setUp()
        self.start_daemon()

    def edition(self, number):
        self.write("agent.py", f"EDITION = {number}\n{AGENT_SOURCE}")

    def stored(self):
        """What lies where agentcored looks for what is deployed."""
        return [name for folder in ("images", "buckets") for name in self.tree(self.data / folder)]

    def test_python_code_and_its_next_version(self):
        self.edition(1)
        made = self.ok("deploy", "--name", "plain", "--env", "LEVEL=3", "--json").json()
        self.assertEqual((made["name"], made["version"], made["status"]), ("plain", "1", "READY"))
        self.assertEqual(self.ok("invoke", "plain", "x", "--json").json()["answer"],
                         {"edition": 1, "level": "3", "prompt": "x", "custom": None})
        self.edition(2)
        again = self.ok("deploy", "--json").json()  # .agentcore.json remembers the name
        self.assertEqual((again["arn"], again["version"]), (made["arn"], "2"))
        answer = self.ok("invoke", "x", "-H", "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Team: blue", "--json").json()
        self.assertEqual(answer["answer"], {"edition": 2, "level": "3", "prompt": "x", "custom": "blue"})
        project = json.loads((self.work / ".agentcore.json").read_text())
        self.assertEqual(project, {"name": "plain", "language": "python", "entry": "agent.py", "protocol": "HTTP",
                                   "deployed": {"local": {"arn": made["arn"]}}})
        self.assertEqual(self.stored(), ["agents", "agents/plain.zip"])

    def test_settings_of_others_stay(self):
        self.edition(1)
        made = self.ok("deploy", "--name", "kept", "--json").json()
        self.ok("call", "UpdateAgentRuntime", json.dumps({
            "agentRuntimeId": made["id"], "roleArn": "arn:aws:iam::123456789012:role/other", "description": "mine",
            "networkConfiguration": {"networkMode": "PUBLIC"}, "environmentVariables": {"LEVEL": "9"},
            "lifecycleConfiguration": {"idleRuntimeSessionTimeout": 77, "maxLifetime": 99},
            "metadataConfiguration": {"requireMMDSV2": True},
            "agentRuntimeArtifact": self.ok("call", "GetAgentRuntime", json.dumps({"agentRuntimeId": made["id"]}))
                                        .json()["agentRuntimeArtifact"]}))
        self.edition(2)
        time_out = time.monotonic() + DEADLINE
        while self.ok("status", "kept", "--json").json()["runtime"]["status"] != "READY":
            self.assertLess(time.monotonic(), time_out)
        self.ok("deploy")
        runtime = self.ok("status", "kept", "--json").json()["runtime"]
        self.assertEqual((runtime["description"], runtime["roleArn"], runtime["environmentVariables"],
                          runtime["lifecycleConfiguration"]["maxLifetime"], runtime["agentRuntimeVersion"]),
                         ("mine", "arn:aws:iam::123456789012:role/other", {"LEVEL": "9"}, 99, "3"))
        self.assertEqual(runtime.get("metadataConfiguration"), {"requireMMDSV2": True})

    def test_a_protocol_stays(self):
        self.edition(1)
        self.ok("deploy", "--name", "speaks", "--protocol", "MCP")
        (self.work / ".agentcore.json").unlink()  # as for an agent that something else has deployed
        self.edition(2)
        self.ok("deploy", "--name", "speaks")
        runtime = self.ok("status", "speaks", "--json").json()["runtime"]
        self.assertEqual((runtime["agentRuntimeVersion"], runtime["protocolConfiguration"]),
                         ("2", {"serverProtocol": "MCP"}))

    def test_any_program(self):
        subprocess.run(["gcc", "-x", "c", "-", "-o", "prog"], input="int main(void) { return 3; }\n", text=True,
                       cwd=self.work, check=True, env=self.env)
        made = self.ok("deploy", "--name", "Short", "--entry", "prog", "--json").json()
        self.fails(AGENT, "invoke", "Short", "x", says=".")
        self.assertEqual(self.stored()[0], "short")
        self.ok("delete", made["arn"], "--yes")
        self.assertEqual(self.stored(), [])
        # What `create` makes of "my - agent (2)"; no image may be named so.
        self.ok("deploy", "--name", "my___agent__2_", "--entry", "prog")
        self.assertEqual(self.stored()[0], "my_agent_2")
        self.fails(ABSENT, "status", "my___agent__2_", "--endpoint", "nope", says="no endpoint 'nope'")
        self.ok("delete", "my___agent__2_", "--yes")
        self.assertEqual(self.stored(), [])

    def test_the_agent_fails(self):
        self.edition(1)
        self.ok("deploy", "--name", "failing")
        self.fails(AGENT, "invoke", "failing", "fail", says="it went wrong")
        self.fails(ABSENT, "stop-session", "failing", "0" * 36, says="was not found")
        self.assertIn("session started", self.ok("logs", "failing").out)
        line = json.loads(self.ok("logs", "failing", "--json").lines()[-1])
        self.assertEqual(set(line), {"time", "session", "text"})

    def test_what_cannot_be_deployed(self):
        self.write("agent.py", "print()\n")
        self.write("package.json", '{"dependencies": {"express": "5"}}')
        self.write("agent.js", "")
        self.fails(USAGE, "deploy", "--name", "no-hyphens", says="--name no_hyphens")
        self.fails(ABSENT, "deploy", "--entry", "other.py", says="there is no file other.py")
        self.fails(1, "deploy", "--entry", "agent.js", says="run: npm install")
        self.fails(USAGE, "deploy", "--protocol", "SMTP", says="HTTP, MCP, A2A or AGUI")
        self.fails(USAGE, "deploy", "--env", "x", says="--env takes NAME=VALUE")
        self.fails(ABSENT, "deploy", "--packages", "nowhere", says="no directory nowhere")
        self.fails(1, "deploy", "--runtime", "PYTHON_2_7", says="PYTHON_2_7|runtime")
        self.assertEqual(self.ok("list", "--json").json(), [])
        self.assertNotIn("agents/work.zip", self.stored())
        self.assertFalse((self.work / ".agentcore.json").exists())

    def test_a_build_that_fails(self):
        self.ok("create", "broken")
        source = self.work / "broken/agent.c"
        source.write_text(source.read_text() + "int\n")
        done = self.run_cli("deploy", cwd=self.work / "broken", code=1)
        self.assertIn("error:", done.err)
        self.assertEqual(done.err.splitlines()[-1], "agentcore: the build failed: see above")
        self.assertEqual((self.ok("list", "--json").json(), self.stored()), ([], []))

    def test_without_the_library(self):
        self.ok("create", "lonely")
        wrong = {"PKG_CONFIG_LIBDIR": str(self.folder), "PKG_CONFIG_PATH": str(self.folder)}
        copy = self.folder / "agentcore"  # outside of the tree it was built in
        shutil.copy(PROGRAM, copy)
        done = subprocess.run([copy, "deploy"], cwd=self.work / "lonely", env={
            **self.env, **wrong, "AGENTCORED": build_path("agentcored"),
            "LD_LIBRARY_PATH": build_path("src")}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr.splitlines()[-1], "^agentcore: libagentcore is not found: install it .*make")
        self.assertNotIn("build", self.tree(self.work / "lonely"))

    def test_a_deployment_that_fails(self):
        """The service refuses what it is given: nothing of it stays."""
        self.edition(1)
        os.symlink("/etc/passwd", self.work / "out")  # leads out of the zip file
        self.fails(1, "deploy", "--name", "bad", says="bad was not deployed: .*out")
        self.assertEqual((self.ok("list", "--json").json(), self.stored()), ([], ["agents"]))
        # An agent that is there stays as it was.
        os.unlink(self.work / "out")
        self.ok("deploy", "--name", "bad")
        os.symlink("/etc/passwd", self.work / "out")
        self.fails(1, "deploy", says="bad was not deployed")
        self.assertEqual(self.ok("invoke", "bad", "x", "--json").json()["answer"]["edition"], 1)

    def interrupt(self, moment):
        """Deploy, and send SIGINT when a file shows up that says how far it is."""
        p = subprocess.Popen([PROGRAM, "deploy", "--name", "cut"], cwd=self.work, env=self.env, stderr=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + DEADLINE
        while not moment() and p.poll() is None:
            self.assertLess(time.monotonic(), end)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=DEADLINE)
        return p.returncode, out, err

    def test_interrupted(self):
        self.edition(1)
        with open(self.work / "large.bin", "wb") as f:  # gives time to interrupt
            for _ in range(96):
                f.write(os.urandom(1 << 20))
        folder = self.data / "buckets/agents"
        code, _, err = self.interrupt(lambda: folder.exists() and any(folder.iterdir()))
        self.assertEqual((code, err), (INTERRUPTED, "agentcore: interrupted\n"))
        self.assertEqual((self.ok("list", "--json").json(), self.stored()), ([], ["agents"]))
        self.assertFalse((self.work / ".agentcore.json").exists())

        # While the service is at work: the runtime is taken back.
        code, _, err = self.interrupt(lambda: self.ok("list", "--json").json() != [])
        self.assertIn(code, (INTERRUPTED, 0))  # it may have been ready already
        if code == INTERRUPTED:
            self.assertEqual(err, "agentcore: interrupted\n")
            self.assertEqual((self.ok("list", "--json").json(), self.stored()), ([], ["agents"]))


if __name__ == "__main__":
    unittest.main()
