"""AgentCoreRuntimeClient of the published package, beyond the guide: sessions, endpoints, refusals, close codes."""

import base64
import json
import unittest
import uuid

import websockets.exceptions
from deployed import session_id
from sdk import SdkTest

SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
SENTINEL = "base64UrlBearerAuthorization"


class Connections(SdkTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deploy_guarded()

    def who(self, ws):
        """What the agent has seen of a connection."""
        ws.send("who")
        seen = json.loads(ws.recv())
        seen["headers"] = {name.lower(): value for name, value in seen["headers"]}
        return seen

    def refusal(self, url, headers=None, **options):
        with self.assertRaises(websockets.exceptions.InvalidStatusCode) as caught:
            self.connect(url, headers, **options)
        return caught.exception.status_code, caught.exception.headers["x-amzn-errortype"]

    # ---- ways in ----

    def test_signed(self):
        session = session_id()
        life = self.echo(session=session)["life"]
        url, headers = self.sdk.generate_ws_connection(self.arn, session_id=session, endpoint_name="DEFAULT")
        ws = self.connect(url, headers)
        self.assertEqual(ws.ws.response_headers.get_all(SESSION), [session])
        seen = self.who(ws)
        self.assertEqual((seen["life"], seen["path"], seen["headers"][SESSION.lower()]), (life, "/ws", session))
        self.assertNotIn("authorization", seen["headers"])

    def test_session_made_by_the_sdk(self):
        url, headers = self.sdk.generate_ws_connection(self.arn)
        seen = self.who(self.connect(url, headers))
        self.assertEqual(seen["headers"][SESSION.lower()], headers[SESSION])
        self.assertEqual(str(uuid.UUID(headers[SESSION])), headers[SESSION])

    def test_presigned(self):
        session = session_id()
        life = self.echo(session=session)["life"]
        url = self.sdk.generate_presigned_url(
            self.arn, session_id=session, endpoint_name="DEFAULT", custom_headers={"user type": "ü&="}, expires=60
        )
        seen = self.who(self.connect(url))
        self.assertEqual((seen["life"], seen["headers"][SESSION.lower()]), (life, session))
        self.assertEqual(seen["path"].replace("+", "%20"), "/ws?user%20type=%C3%BC%26%3D", "nothing of the signature's")

    def test_oauth(self):
        session, token = session_id(), self.issuer.token()
        url, headers = self.sdk.generate_ws_connection_oauth(self.guarded, token, session_id=session)
        seen = self.who(self.connect(url, headers))
        self.assertEqual(seen["headers"]["authorization"], f"Bearer {token}")
        self.assertEqual(seen["headers"][SESSION.lower()], session)

    def test_oauth_in_a_browser(self):
        """A page cannot set headers: its token is a subprotocol, and the answer chooses the other one."""
        encoded = base64.urlsafe_b64encode(self.issuer.token().encode()).rstrip(b"=").decode()
        url, _ = self.sdk.generate_ws_connection_oauth(self.guarded, "x")
        ws = self.connect(url, subprotocols=[f"{SENTINEL}.{encoded}", SENTINEL])
        self.assertEqual(ws.ws.subprotocol, SENTINEL)
        self.assertNotIn(encoded, json.dumps(self.who(ws)))

    def test_pinned_endpoint(self):
        runtime_id = self.arn.rsplit("/", 1)[1]
        self.client.create_agent_runtime_endpoint(agentRuntimeId=runtime_id, name="prod", agentRuntimeVersion="1")
        self.wait(lambda: self.endpoint(runtime_id, "prod"))
        session = session_id()
        life = self.echo(session=session, qualifier="prod")["life"]
        ws = self.connect(*self.sdk.generate_ws_connection(self.arn, session, "prod"))
        self.assertEqual(self.who(ws)["life"], life)

    # ---- what is said ----

    def test_messages_of_any_size(self):
        ws = self.connect(*self.sdk.generate_ws_connection(self.arn), max_size=None)
        for message in ("", "žluťoučký kůň", bytes(range(256)), b"\xaa" * 1_000_000):
            ws.send(message)
            self.assertTrue(ws.recv() == message)

    def test_agent_closes(self):
        ws = self.connect(*self.sdk.generate_ws_connection(self.arn))
        ws.send("close 4321 that is all")
        with self.assertRaises(websockets.exceptions.ConnectionClosed) as caught:
            ws.recv()
        self.assertEqual((caught.exception.rcvd.code, caught.exception.rcvd.reason), (4321, "that is all"))

    def test_agent_dies(self):
        ws = self.connect(*self.sdk.generate_ws_connection(self.arn))
        ws.send("die")
        with self.assertRaises(websockets.exceptions.ConnectionClosedError):
            ws.recv()

    def test_session_is_stopped(self):
        session = session_id()
        ws = self.connect(*self.sdk.generate_ws_connection(self.arn, session))
        self.who(ws)
        self.sdk.stop_runtime_session(agent_runtime_arn=self.arn, runtime_session_id=session)
        with self.assertRaises(websockets.exceptions.ConnectionClosed):
            ws.recv()

    # ---- what is refused ----

    def test_missing(self):
        for arn, endpoint in ((self.arn[:-10] + "0000000000", None), (self.arn, "nowhere")):
            for url, headers in (
                self.sdk.generate_ws_connection(arn, endpoint_name=endpoint),
                (self.sdk.generate_presigned_url(arn, endpoint_name=endpoint), None),
                self.sdk.generate_ws_connection_oauth(arn, self.issuer.token(), endpoint_name=endpoint),
            ):
                with self.subTest(url=url[:140]):
                    self.assertEqual(self.refusal(url, headers), (404, "ResourceNotFoundException"))

    def test_tampered(self):
        url, headers = self.sdk.generate_ws_connection(self.arn)
        self.assertEqual(self.refusal(url + "?user_type=premium", headers)[0], 403)
        url = self.sdk.generate_presigned_url(self.arn, custom_headers={"user_type": "free"})
        self.assertEqual(self.refusal(url.replace("=free", "=premium"))[0], 403)
        self.assertEqual(self.refusal(url.replace("Expires=300", "Expires=299"))[0], 403)
        self.assertEqual(self.refusal(url.split("?")[0])[0], 403)

    def test_tokens(self):
        for arn, token in (
            (self.guarded, self.issuer.token(aud="others")),
            (self.guarded, self.issuer.token(exp=1)),
            (self.guarded, "x"),
            (self.arn, self.issuer.token()),
        ):
            self.assertEqual(
                self.refusal(*self.sdk.generate_ws_connection_oauth(arn, token)), (403, "AccessDeniedException")
            )

    def test_a_signature_is_no_token(self):
        self.assertEqual(
            self.refusal(*self.sdk.generate_ws_connection(self.guarded)), (403, "AccessDeniedException")
        )

    def test_hostile_session(self):
        for session in ("../../etc", "a b", "x" * 257):
            url = self.sdk.generate_presigned_url(self.arn, session_id=session)
            self.assertEqual(self.refusal(url), (400, "ValidationException"))

    def test_agent_that_does_not_start(self):
        arn = self.deploy_agent(environmentVariables={"AGENT_START": "exit"})
        self.assertEqual(self.refusal(*self.sdk.generate_ws_connection(arn)), (424, "RuntimeClientError"))

    # ---- the SDK's other calls ----

    def test_invoke_and_stop(self):
        session = session_id()
        answer = self.sdk.invoke_agent_runtime(
            agent_runtime_arn=self.arn, runtime_session_id=session, payload=b'{"do": "state"}',
            content_type="application/json",
        )  # fmt: skip
        self.assertEqual(json.loads(answer["response"].read())["invocations"], 1)
        self.sdk.stop_runtime_session(agentRuntimeArn=self.arn, runtimeSessionId=session)
        self.assertFails(
            "ResourceNotFoundException", 404,
            self.sdk.stop_runtime_session, agentRuntimeArn=self.arn, runtimeSessionId=session,
        )  # fmt: skip


if __name__ == "__main__":
    unittest.main()
