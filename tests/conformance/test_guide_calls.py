"""The guide's section 6 as it stands but for ids (guide.py), and the twin in C of each block (examples/).

Each is a program that is told where the daemon is by the environment alone."""

import functools
import json
import subprocess
import sys
import unittest
from urllib.parse import parse_qs, urlsplit

from deployed import EXAMPLES, HERE, bearer_client, session_id
from sdk import SdkTest

# The ids that the guide made up.
ARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime"
SESSION = "my-session-id"
TOKEN = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9..."
HELLO = 'Received: {"prompt": "Hello!"}\n'  # the tests' agent says what it was told
PACKED_HELLO = 'Received: {"prompt":"Hello!"}\n'
PAGE = """
const ws = new WebSocket(process.argv[1]);
ws.onopen = () => ws.send('{"prompt": "Hello!"}');
ws.onmessage = (event) => { console.log(`Received: ${event.data}`); ws.close(); };
ws.onerror = (event) => { console.error(event.message); process.exit(1); };
"""


@functools.cache
def websocket_of_node():
    """The options with which Node has the WebSocket of pages; (): there is none."""
    for options in (("--no-warnings",), ("--no-warnings", "--experimental-websocket")):
        try:
            done = subprocess.run(["node", *options, "--eval", "new WebSocket"], capture_output=True, text=True)
        except OSError:
            return ()
        if "TypeError" in done.stderr:  # an argument is missing, and nothing else
            return options
    return ()


class GuideCalls(SdkTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deploy_guarded()

    def block(self, name, replacements):
        """A block of the guide, run as a program."""
        return self.as_program(sys.executable, str(HERE / "guide.py"), name, json.dumps(replacements))

    def example(self, name, *arguments, **environment):
        return self.as_program(str(EXAMPLES / name), *arguments, **environment)

    def assertRan(self, done):
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def state(self, session, arn=None, **more):
        return self.ask({"do": "state"}, session, arn, **more)

    # ---- 6.1 ----

    def test_6_1_invoke(self):
        """The block reads the answer under a name that boto3 does not have (response["payload"]), here as on AWS; with
        the name that it has, it prints the agent's answer."""
        arn = self.deploy_image("minimal_agent")
        done = self.block("6.1_invoke.py", {ARN: arn})
        self.assertIn("KeyError: 'payload'", done.stderr)
        done = self.block("6.1_invoke.py", {ARN: arn, 'response["payload"]': 'response["response"]'})
        self.assertEqual(self.assertRan(done), "{'response': 'You said: Tell me a joke'}\n")

    def test_6_1_in_c(self):
        session = session_id()
        seen = json.loads(self.assertRan(self.example("invoke_agent", self.arn, "Tell me a joke", session)))
        self.assertEqual((seen["path"], seen["life"]), ("/invocations", self.echo(session=session)["life"]))
        done = self.example("invoke_agent", self.arn[:-10] + "0000000000")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ResourceNotFoundException: ", done.stderr)

    # ---- 6.2 ----

    def test_6_2_websocket(self):
        self.assertEqual(self.assertRan(self.block("6.2_websocket.py", {ARN: self.arn})), HELLO)

    def test_6_2_with_a_session(self):
        session = session_id()
        life = self.echo(session=session)["life"]
        self.assertEqual(self.assertRan(self.block("6.2_websocket.py", {ARN: self.arn, SESSION: session})), HELLO)
        self.assertEqual(self.state(session)["life"], life)
        self.wait(lambda: {"status": self.state(session)["ended"]}, 1)

    def test_6_2_in_c(self):
        session = session_id()
        self.assertEqual(self.assertRan(self.example("websocket_client", self.arn, session)), PACKED_HELLO)
        self.wait(lambda: {"status": self.state(session)["ended"]}, 1)

    # ---- 6.3 ----

    def check_presigned(self, url):
        query = parse_qs(urlsplit(url).query)
        self.assertEqual((query["user_type"], query["X-Amz-Expires"]), (["premium"], ["300"]))
        ws = self.connect(url)
        ws.send("who")
        seen = json.loads(ws.recv())
        self.assertEqual(seen["path"], "/ws?user_type=premium")
        return dict(seen["headers"])

    def test_6_3_presigned(self):
        url = self.assertRan(self.block("6.3_presigned.py", {ARN: self.arn})).strip()
        headers = self.check_presigned(url)
        (session,) = parse_qs(urlsplit(url).query)["X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"]
        self.assertEqual(headers["X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"], session)

    @unittest.skipUnless(websocket_of_node(), "there is no Node with a WebSocket")
    def test_6_3_in_javascript(self):
        """Its last line, which is a comment there: new WebSocket(presigned_url), as in a page."""
        url = self.assertRan(self.block("6.3_presigned.py", {ARN: self.arn})).strip()
        done = self.as_program("node", *websocket_of_node(), "--eval", PAGE, url)
        self.assertEqual(self.assertRan(done), HELLO)

    def test_6_3_in_c(self):
        self.check_presigned(self.assertRan(self.example("presigned_url", self.arn)).strip())
        done = self.example("presigned_url", self.arn, "301")
        self.assertEqual(done.returncode, 1)
        self.assertIn("300", done.stderr)

    # ---- 6.4 ----

    def test_6_4_oauth(self):
        done = self.block("6.4_oauth.py", {ARN: self.guarded, TOKEN: self.issuer.token()})
        self.assertEqual(self.assertRan(done), "")

    def test_6_4_with_a_session(self):
        """The block waits for no answer; by its session the agent can be asked what came of it."""
        session = session_id()
        named = {"endpoint_name=": f'session_id="{session}", endpoint_name='}
        self.assertRan(self.block("6.4_oauth.py", {ARN: self.guarded, TOKEN: self.issuer.token(), **named}))
        client = bearer_client(self.daemon, self.issuer.token())
        self.wait(lambda: {"status": self.state(session, self.guarded, client=client)["ended"]}, 1)

    def test_6_4_refused(self):
        for arn, token in ((self.guarded, self.issuer.token(aud="others")), (self.arn, self.issuer.token())):
            done = self.block("6.4_oauth.py", {ARN: arn, TOKEN: token})
            self.assertIn("HTTP 403", done.stderr)

    def test_6_4_in_c(self):
        done = self.example("oauth_websocket", self.guarded, BEARER_TOKEN=self.issuer.token())
        self.assertEqual(self.assertRan(done), HELLO)
        done = self.example("oauth_websocket", self.guarded, BEARER_TOKEN=self.issuer.token(exp=1))
        self.assertEqual(done.returncode, 1)
        self.assertIn("AccessDeniedException", done.stderr)


if __name__ == "__main__":
    unittest.main()
