"""Each example answers as its Python twin in the guide does."""

import json
import subprocess
import unittest

from harness import SESSION, Example, TestCase, build_path, wait_until
from wsclient import WebSocket


class Examples(TestCase):
    def start(self, name, *args):
        example = Example(name, *args)
        self.addCleanup(example.stop)
        return example

    def minimal(self, name):
        agent = self.start(name)
        self.assert_json(agent.invoke({"prompt": "hello"}), 200, '{"response": "You said: hello"}')
        self.assert_json(agent.invoke({}), 200, '{"response": "You said: No prompt provided"}')
        long = "\u4e16" * 1000
        self.assert_json(agent.invoke({"prompt": long}), 200, f'{{"response": "You said: {long}"}}')
        self.assertEqual(agent.ping()["status"], "Healthy")
        self.assertTrue(agent.logged("Received"))

    def test_minimal(self):
        self.minimal("minimal_agent")

    def test_cpp(self):
        self.minimal("cpp_agent")

    def test_sync(self):
        self.assert_json(self.start("sync_agent").invoke({}), 200, '{"response": "Hello from sync handler"}')

    def test_streaming(self):
        r = self.start("streaming_agent").invoke({"prompt": "go"})
        values = [{"chunk": i, "text": f"Processing chunk {i}..."} for i in range(5)]
        values.append({"chunk": "final", "text": "Done!"})
        self.assertEqual(r.header("Content-Type"), "text/event-stream; charset=utf-8")
        self.assertEqual(r.text, "".join(f"data: {json.dumps(v)}\n\n" for v in values))

    def test_websocket(self):
        agent = self.start("websocket_agent")
        with WebSocket(agent.port, {SESSION: "my-session"}) as ws:
            ws.text('{"action": "echo", "message": "hi"}')
            self.assertEqual(json.loads(ws.read_text()),
                             {"type": "echo_response", "message": "hi", "session_id": "my-session"})
            ws.text('{"action": "stream", "count": 2}')
            self.assertEqual([json.loads(ws.read_text()) for _ in range(3)],
                             [{"type": "stream_chunk", "chunk_id": 0, "data": "Chunk 1 of 2"},
                              {"type": "stream_chunk", "chunk_id": 1, "data": "Chunk 2 of 2"},
                              {"type": "stream_complete"}])
            ws.text('{"action": "stream"}')
            self.assertEqual(len([ws.read_text() for _ in range(4)]), 4)
            ws.text('{"action": "close"}')
            self.assertEqual(ws.read_close()[0], 1000)
            ws.send_close()
            self.assertTrue(ws.ends())

    def test_async_tasks(self):
        agent = self.start("async_tasks_agent")
        self.assert_json(agent.invoke({"method": "manual"}), 200, '{"status": "completed"}')
        self.assertEqual(agent.ping()["status"], "Healthy")
        self.assert_json(agent.invoke({"method": "background", "seconds": 3}), 200, '{"status": "started"}')
        self.assertEqual(agent.ping()["status"], "HealthyBusy")
        wait_until(lambda: agent.ping()["status"] == "Healthy", "the task to end")
        self.assertEqual(agent.invoke({"method": "dance"}).status, 400)

    def test_custom_ping(self):
        agent = self.start("async_tasks_agent", "custom-ping")
        self.assertEqual(agent.ping()["status"], "Healthy")
        self.assert_json(agent.invoke({"method": "busy", "busy": True}), 200, '{"busy": true}')
        self.assertEqual(agent.ping()["status"], "HealthyBusy")

    def test_context(self):
        agent = self.start("context_agent")
        got = agent.invoke({}, {SESSION: "s1", "X-User": "alice", "Cookie": "no", "Authorization": "Bearer x"}).json()
        self.assertEqual((got["session_id"], got["user"]), ("s1", "alice"))
        self.assertTrue(got["request_id"])
        headers = {name.lower(): value for name, value in got["headers"].items()}
        self.assertEqual(headers, {"x-user": "alice", "authorization": "Bearer x"})
        got = agent.invoke({}).json()
        self.assertEqual((got["session_id"], got["user"], got["headers"]), (None, None, {}))

    def test_unit_test_example(self):
        done = subprocess.run([build_path("examples", "test_agent")], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_bad_port(self):
        for name in ("minimal_agent", "cpp_agent", "websocket_agent"):
            for port in ("x", "", "0", "65536", "-1", "80 80", "99999999999999999999"):
                done = subprocess.run([build_path("examples", name), port], capture_output=True, timeout=60)
                self.assertEqual(done.returncode, 2, (name, port))
                self.assertIn(b"is not a port", done.stderr)


if __name__ == "__main__":
    unittest.main()
