"""The examples in C, deployed as container images (scripts/make-image) and called through boto3, the package
websockets, and the examples that call."""

import json
import unittest

from deployed import EXAMPLES, session_id
from sdk import SdkTest

CHUNKS = [{"chunk": i, "text": f"Processing chunk {i}..."} for i in range(5)] + [{"chunk": "final", "text": "Done!"}]


class Images(SdkTest):
    plain = False

    def test_minimal(self):
        arn = self.deploy_image("minimal_agent")
        session = session_id()
        self.assertEqual(self.ask({"prompt": "Hello!"}, session, arn), {"response": "You said: Hello!"})
        self.assertEqual(self.ask({}, session, arn), {"response": "You said: No prompt provided"})
        answer = self.assertFails("RuntimeClientError", 424, self.invoke, b"not json", session, arn)
        self.assertIn("400", answer["Error"]["Message"])

    def test_cpp(self):
        if not (EXAMPLES / "cpp_agent").exists():
            self.skipTest("the C++ example is not built")
        arn = self.deploy_image("cpp_agent")
        self.assertEqual(self.ask({"prompt": "Hello!"}, arn=arn), {"response": "You said: Hello!"})

    def test_sync(self):
        self.assertEqual(
            self.ask({}, arn=self.deploy_image("sync_agent")), {"response": "Hello from sync handler"}
        )

    def test_streaming(self):
        arn = self.deploy_image("streaming_agent")
        answer = self.invoke({"prompt": "go"}, arn=arn)
        self.assertEqual(answer["contentType"], "text/event-stream; charset=utf-8")
        lines = filter(None, answer["response"].iter_lines())
        self.assertEqual([json.loads(line.removeprefix(b"data: ")) for line in lines], CHUNKS)
        done = self.as_program(str(EXAMPLES / "invoke_streaming"), arn)
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], CHUNKS, done.stderr)

    def test_websocket(self):
        arn = self.deploy_image("websocket_agent")
        session = session_id()
        ws = self.connect(*self.sdk.generate_ws_connection(arn, session))
        ws.send('{"action": "echo", "message": "hi"}')
        self.assertEqual(
            json.loads(ws.recv()), {"type": "echo_response", "message": "hi", "session_id": session}
        )
        ws.send('{"action": "stream", "count": 2}')
        self.assertEqual([json.loads(ws.recv())["type"] for _ in range(3)], ["stream_chunk"] * 2 + ["stream_complete"])
        ws.send('{"action": "close"}')
        with self.assertRaises(Exception) as caught:
            ws.recv()
        self.assertEqual(caught.exception.rcvd.code, 1000)

    def test_tasks(self):
        arn = self.deploy_image("async_tasks_agent")
        session = session_id()
        self.assertEqual(self.ask({"method": "manual"}, session, arn), {"status": "completed"})
        self.assertEqual(self.ask({"method": "background", "seconds": 1}, session, arn), {"status": "started"})
        self.assertFails("RuntimeClientError", 424, self.invoke, {"method": "dance"}, session, arn)
        arn = self.deploy_image("async_tasks_agent", "8080", "custom-ping")
        self.assertEqual(self.ask({"method": "busy", "busy": True}, session, arn), {"busy": True})

    def test_context(self):
        arn = self.deploy_image(
            "context_agent", requestHeaderConfiguration={"requestHeaderAllowlist": ["X-User"]}
        )
        session = session_id()
        self.data.meta.events.register(
            "before-sign.bedrock-agentcore.InvokeAgentRuntime", self.add_user, unique_id="user"
        )
        self.addCleanup(
            self.data.meta.events.unregister,
            "before-sign.bedrock-agentcore.InvokeAgentRuntime", self.add_user, unique_id="user",
        )  # fmt: skip
        seen = self.ask({}, session, arn)
        self.assertEqual((seen["session_id"], seen["user"]), (session, "alice"))
        self.assertTrue(seen["request_id"])

    @staticmethod
    def add_user(request, **_):
        request.headers.add_header("X-User", "alice")

    def test_command(self):
        arn = self.deploy_image("minimal_agent", environmentVariables={"COLOUR": "blue"})
        self.assertEqual(self.shell("echo $COLOUR; pwd", session_id(), arn)[0], "blue\n/app\n")

    def test_unknown_tag(self):
        self.deploy_image("sync_agent")
        made = self.client.create_agent_runtime(
            agentRuntimeName="other_tag",
            agentRuntimeArtifact={"containerConfiguration": {"containerUri": "sync-agent:v2"}},
            roleArn="arn:aws:iam::123456789012:role/agent",
            networkConfiguration={"networkMode": "PUBLIC"},
        )
        found = self.wait(lambda: self.get(made["agentRuntimeId"]), "CREATE_FAILED")
        self.assertIn("v2", found["failureReason"])


if __name__ == "__main__":
    unittest.main()
