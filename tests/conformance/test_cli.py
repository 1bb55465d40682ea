"""`agentcore` with unmodified Python agents and the published package: the guide's 2.1, 2.3 and 2.4 as they stand,
each in a directory of its own, deployed as code, called, read and deleted; and the project that `agentcore create`
makes."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import target
from deployed import GUIDE, VENDORED, AgentTest

PROGRAM = os.environ.get("AGENTCORE", str(pathlib.Path(target.PROGRAM).parent / "agentcore"))
SECONDS = 120


@unittest.skipUnless(VENDORED, "the packages of Python agents are not installed")
class CommandLine(AgentTest):
    plain = False

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="agentcore-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "AGENTCORED_"))}
        self.env = {**kept, "AGENTCORED_DATA_DIR": str(self.daemon.data_dir), "AGENTCORED": target.PROGRAM}

    def agentcore(self, *arguments, stdin="", cwd=None):
        done = subprocess.run([PROGRAM, *arguments], cwd=cwd or self.folder, env=self.env, input=stdin, text=True,
                              capture_output=True, timeout=SECONDS)
        self.assertEqual(done.returncode, 0, f"agentcore {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def lines(self, *arguments, **more):
        return [json.loads(line) for line in self.agentcore(*arguments, **more).splitlines()]

    def deploy_guide(self, block, name):
        """A code block of the guide as agent.py of an otherwise empty directory."""
        shutil.copyfile(GUIDE / block, self.folder / "agent.py")
        begin = time.monotonic()
        made = json.loads(self.agentcore("deploy", "--name", name, "--packages", VENDORED, "--json"))
        self.addCleanup(self.agentcore, "delete", made["arn"], "--yes")
        self.assertEqual(made["status"], "READY")
        print(f"\n{block}: deployed in {time.monotonic() - begin:.2f} s", flush=True)

    def test_minimal(self):
        self.deploy_guide("2.1_minimal.py", "cli_minimal")
        self.assertEqual(self.lines("invoke", "Hello!"), [{"response": "You said: Hello!"}])
        self.assertEqual(self.lines("invoke", "cli_minimal", "{}"), [{"response": "You said: No prompt provided"}])
        self.assertIn("Received payload", self.agentcore("logs"))

    def test_streaming(self):
        self.deploy_guide("2.3_streaming.py", "cli_streaming")
        events = [{"chunk": i, "text": f"Processing chunk {i}..."} for i in range(5)]
        events.append({"chunk": "final", "text": "Done!"})
        self.assertEqual(self.lines("invoke", "x"), events)
        self.assertEqual([line["data"] for line in self.lines("invoke", "x", "--json")], events)

    def test_websocket(self):
        self.deploy_guide("2.4_websocket.py", "cli_websocket")
        session = "command-line-session-0123456789-0123456789"
        said = '{"action": "echo", "message": "hi"}\n{"action": "stream", "count": 2}\n{"action": "close"}\n'
        self.assertEqual(
            self.lines("ws", "--session", session, stdin=said),
            [
                {"type": "echo_response", "message": "hi", "session_id": session},
                {"type": "stream_chunk", "chunk_id": 0, "data": "Chunk 1 of 2"},
                {"type": "stream_chunk", "chunk_id": 1, "data": "Chunk 2 of 2"},
                {"type": "stream_complete"},
            ],
        )

    def test_new_project(self):
        self.agentcore("create", "made", "--lang", "python")
        project = self.folder / "made"
        subprocess.run(["/usr/bin/python3", "-m", "unittest"], cwd=project, env={**self.env, "PYTHONPATH": VENDORED},
                       check=True, capture_output=True)
        port = str(free_port())
        dev = subprocess.Popen([PROGRAM, "dev", "--port", port, "--packages", VENDORED], cwd=project, env=self.env,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(dev.stdout.close)
        self.addCleanup(dev.kill)
        said = ""
        while "is ready on" not in said:
            line = dev.stdout.readline()
            self.assertTrue(line, said)
            said += line
        self.assertEqual(self.lines("invoke", "--local", "--port", port, "Hello!"), [{"response": "You said: Hello!"}])
        dev.send_signal(signal.SIGINT)
        self.assertEqual(dev.wait(SECONDS), 0)
        made = json.loads(self.agentcore("deploy", "--packages", VENDORED, "--json", cwd=project))
        self.addCleanup(self.agentcore, "delete", made["arn"], "--yes")
        self.assertEqual(self.lines("invoke", '{"prompt": "a b", "stream": true}', cwd=project),
                         [{"word": "a"}, {"word": "b"}])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


if __name__ == "__main__":
    unittest.main()
