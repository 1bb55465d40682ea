"""The guide's Python agents (2.1, 2.3, 2.4) as they stand there, with the published package, deployed as code."""

import json
import unittest

from deployed import VENDORED, put_guide_agents, session_id
from sdk import SdkTest

BLOCKS = ("2.1_minimal.py", "2.1_sync.py", "2.3_streaming.py", "2.3_sync.py", "2.4_websocket.py")


@unittest.skipUnless(VENDORED, "the packages of Python agents are not installed")
class GuideAgents(SdkTest):
    plain = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        put_guide_agents(cls.daemon, BLOCKS)

    def events(self, answer):
        self.assertStatus(answer, 200)
        self.assertTrue(answer["contentType"].startswith("text/event-stream"), answer["contentType"])
        lines = [line for line in answer["response"].iter_lines() if line]
        return [json.loads(line.removeprefix(b"data: ")) for line in lines]

    def test_minimal(self):
        arn = self.deploy_block("2.1_minimal.py")
        session = session_id()
        self.assertEqual(self.ask({"prompt": "Hello!"}, session, arn), {"response": "You said: Hello!"})
        self.assertEqual(self.ask({}, session, arn), {"response": "You said: No prompt provided"})
        answer = self.assertFails("RuntimeClientError", 424, self.invoke, b"not json", session, arn)
        self.assertIn("Invalid JSON", answer["Error"]["Message"])
        self.stop(session, arn)

    def test_sync(self):
        arn = self.deploy_block("2.1_sync.py")
        self.assertEqual(self.ask({}, arn=arn), {"response": "Hello from sync handler"})

    def test_streaming(self):
        arn = self.deploy_block("2.3_streaming.py")
        wanted = [{"chunk": i, "text": f"Processing chunk {i}..."} for i in range(5)]
        self.assertEqual(
            self.events(self.invoke({"prompt": "x"}, arn=arn)), [*wanted, {"chunk": "final", "text": "Done!"}]
        )

    def test_sync_streaming(self):
        arn = self.deploy_block("2.3_sync.py")
        self.assertEqual(self.events(self.invoke({}, arn=arn)), [{"chunk": i} for i in range(5)])

    def test_websocket(self):
        arn = self.deploy_block("2.4_websocket.py")
        session = session_id()
        ws = self.connect(*self.sdk.generate_ws_connection(arn, session_id=session))
        ws.send(json.dumps({"action": "echo", "message": "hi"}))
        self.assertEqual(
            json.loads(ws.recv()), {"type": "echo_response", "message": "hi", "session_id": session}
        )
        ws.send(json.dumps({"action": "stream", "count": 2}))
        self.assertEqual(
            [json.loads(ws.recv()) for _ in range(3)],
            [
                {"type": "stream_chunk", "chunk_id": 0, "data": "Chunk 1 of 2"},
                {"type": "stream_chunk", "chunk_id": 1, "data": "Chunk 2 of 2"},
                {"type": "stream_complete"},
            ],
        )
        ws.send(json.dumps({"action": "close"}))
        with self.assertRaises(Exception) as caught:
            ws.recv()
        self.assertEqual(caught.exception.rcvd.code, 1000)


if __name__ == "__main__":
    unittest.main()
