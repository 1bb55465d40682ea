"""InvokeAgentRuntime through boto3: payloads and answers of any kind, streams, headers, sessions, endpoints."""

import functools
import hashlib
import json
import os
import socket
import unittest
import uuid
from unittest import mock

import botocore.exceptions
from clients import DATA, Request, encode, make_client
from deployed import AgentTest, bearer_client, session_id
from runtimes import ROLE, code

CUSTOM = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-"
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
LARGEST = 100_000_000
BINARY = "application/octet-stream"


def noise(size):
    """Bytes that look like nothing, the same every time."""
    piece = hashlib.shake_256(b"noise").digest(1 << 20)
    return (piece * (size // len(piece) + 1))[:size]


class Payloads(AgentTest):
    def assert_comes_back(self, payload, kind):
        answer = self.invoke(payload, contentType=kind, accept=kind)
        self.assertStatus(answer, 200)
        self.assertEqual((answer["contentType"], answer["statusCode"]), (kind, 200))
        self.assertTrue(answer["response"].read() == payload, "it came back changed")

    def test_json(self):
        answer = self.invoke({"do": "status", "status": 200, "body": '{"r": "ž"}'})
        self.assertStatus(answer, 200)
        self.assertEqual((answer["contentType"], answer["statusCode"]), ("application/json", 200))
        self.assertEqual(json.loads(answer["response"].read()), {"r": "ž"})

    def test_of_any_kind(self):
        for payload, kind in (
            (bytes(range(256)) * 3, BINARY),
            (b"\r\n\r\n0\r\n\r\n", "text/plain"),
            ("žluťoučký kůň".encode(), "text/plain; charset=utf-8"),
            (b"{", "application/vnd.something+json"),
        ):
            with self.subTest(kind=kind):
                self.assert_comes_back(payload, kind)

    def test_empty(self):
        self.assert_comes_back(b"", BINARY)
        self.assertEqual(self.ask(b"")["length"], 0)

    def test_large(self):
        self.assert_comes_back(noise(20_000_000), BINARY)
        text = json.dumps({"do": "echo", "filler": "x" * 20_000_000}).encode()
        seen = self.ask(text)
        self.assertEqual((seen["length"], seen["sha256"]), (len(text), hashlib.sha256(text).hexdigest()))

    def test_as_large_as_may_be(self):
        self.assert_comes_back(noise(LARGEST), BINARY)

    def test_too_large(self):
        answer = self.assertFails(
            "ValidationException", 400, self.invoke, noise(LARGEST + 1), contentType=BINARY, client=self.unchecked_data
        )
        self.assertInvalid(answer, "payload")

    def test_large_answer(self):
        answer = self.invoke({"do": "give", "bytes": 20_000_001})
        self.assertEqual(answer["contentType"], BINARY)
        self.assertEqual(sum(map(len, answer["response"].iter_chunks(1 << 16))), 20_000_001)

    def test_statuses_of_success(self):
        for status in (200, 201, 202):
            answer = self.invoke({"do": "status", "status": status, "body": "[1]", "type": "text/x-own"})
            self.assertStatus(answer, status)
            self.assertEqual((answer["statusCode"], answer["contentType"]), (status, "text/x-own"))
            self.assertEqual(answer["response"].read(), b"[1]")


class Streams(AgentTest):
    def open_gate(self, session):
        self.ask({"do": "open", "gate": "g"}, session)

    def test_events_come_one_by_one(self):
        """Each event is read before the agent is allowed to make the next one."""
        session = session_id()
        answer = self.invoke({"do": "stream", "count": 3, "gate": "g"}, session, accept="text/event-stream")
        self.assertEqual((answer["contentType"], answer["runtimeSessionId"]), ("text/event-stream", session))
        lines = filter(None, answer["response"].iter_lines(chunk_size=1))
        for i in range(3):
            self.open_gate(session)
            self.assertEqual(json.loads(next(lines).removeprefix(b"data: "))["event"], i)
        self.assertEqual(list(lines), [])
        self.assertEqual(self.ask({"do": "state"}, session)["ended"], 1)

    def test_all_at_once(self):
        answer = self.invoke({"do": "stream", "count": 1000})
        events = answer["response"].read().split(b"\n\n")
        self.assertEqual([json.loads(event[6:])["event"] for event in events[:-1]], list(range(1000)))

    def test_agent_dies_in_the_middle(self):
        session = session_id()
        answer = self.invoke({"do": "stream", "count": 5, "die": 2}, session)
        self.assertStatus(answer, 200)
        with self.assertRaises(
            (botocore.exceptions.ResponseStreamingError, botocore.exceptions.IncompleteReadError)
        ) as caught:
            answer["response"].read()
        self.assertIsNotNone(caught.exception)
        self.assertEqual(self.ask({"do": "state"}, session)["invocations"], 1, "a new one")

    def test_client_goes_away(self):
        session = session_id()
        answer = self.invoke({"do": "stream", "count": 3, "gate": "g"}, session)
        answer["response"].close()
        self.wait(lambda: {"status": self.ask({"do": "state"}, session)["gone"]}, 1)


class Headers(AgentTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.choosy = cls.deploy_agent(requestHeaderConfiguration={"requestHeaderAllowlist": ["X-Tenant"]})

    def client_with(self, headers, operation="InvokeAgentRuntime"):
        """A client that sends more headers, in the way boto3 has for it: they are signed as well."""
        client = make_client(self.daemon, DATA)
        client.meta.events.register(
            f"before-sign.bedrock-agentcore.{operation}",
            lambda request, **_: [request.headers.add_header(*pair) for pair in headers.items()],
        )
        return client

    def test_members(self):
        sent = {
            "accept": ("Accept", "text/event-stream"),
            "mcpSessionId": ("Mcp-Session-Id", "m-1"),
            "mcpProtocolVersion": ("Mcp-Protocol-Version", "2025-06-18"),
            "mcpMethod": ("Mcp-Method", "tools/call"),
            "mcpName": ("Mcp-Name", "tool"),
            "traceId": ("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793"),
            "traceParent": ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            "traceState": ("tracestate", "a=b"),
            "baggage": ("baggage", "k=v,l=w"),
        }
        seen = self.echo(**{name: value for name, (_, value) in sent.items()})["headers"]
        for header, value in sent.values():
            self.assertEqual(seen.get(header.lower()), value)
        self.assertEqual(seen["content-type"], "application/json")

    def test_of_the_callers_own(self):
        client = self.client_with({CUSTOM + "Colour": "blue", "X-Tenant": "t1", "X-Other": "1"})
        for arn, tenant in ((self.arn, None), (self.choosy, "t1")):
            seen = self.echo(arn=arn, client=client)["headers"]
            self.assertEqual(seen[(CUSTOM + "Colour").lower()], "blue")
            self.assertEqual(seen.get("x-tenant"), tenant)
            self.assertNotIn("x-other", seen)
            self.assertNotIn("authorization", seen, "a signature is not for the agent")

    def test_too_long(self):
        client = self.client_with({CUSTOM + "A": "x" * 4097})
        self.assertFails("ValidationException", 400, self.invoke, client=client)

    def test_from_the_agent(self):
        sent = {"Mcp-Session-Id": "m2", "Mcp-Protocol-Version": "1", "X-Amzn-Trace-Id": "t", "traceparent": "p"}
        answer = self.invoke(
            {"do": "status", "status": 200, "body": "", "headers": {**sent, "X-Private": "1", "Set-Cookie": "a=b"}}
        )
        told = {name: answer[name] for name in ("mcpSessionId", "mcpProtocolVersion", "traceId", "traceParent")}
        self.assertEqual(list(told.values()), list(sent.values()))
        for name in ("x-private", "set-cookie"):
            self.assertNotIn(name, answer["ResponseMetadata"]["HTTPHeaders"])

    def test_user(self):
        """Who the user is, the agent learns by a token; the same one in both headers."""
        tokens = set()
        for user in (None, "alice", "bob", "x" * 1024):
            seen = self.echo(**({"runtimeUserId": user} if user else {}))["headers"]
            self.assertEqual(seen["workloadaccesstoken"], seen["x-amz-bedrock-agentcore-identity-wat"])
            self.assertNotIn("x-amzn-bedrock-agentcore-runtime-user-id", seen)
            tokens.add(seen["workloadaccesstoken"])
        self.assertEqual(len(tokens), 4)


class Sessions(AgentTest):
    def test_made_by_boto3(self):
        answer = self.invoke()
        made = answer["runtimeSessionId"]
        self.assertEqual(str(uuid.UUID(made)), made)
        seen = json.loads(answer["response"].read())
        self.assertIn([SESSION, made], seen["headers"])
        self.assertEqual(self.echo(session=made)["life"], seen["life"])

    def test_made_by_the_service(self):
        """boto3 always sends one."""
        request = Request("POST", f"/runtimes/{encode(self.arn)}/invocations", b"{}")
        reply = request.sign(self.daemon).send(self.daemon)
        self.assertEqual(reply.status, 200, reply)
        made = reply.headers[SESSION.lower()]
        self.assertEqual(str(uuid.UUID(made)), made)
        self.assertEqual(self.echo(session=made)["life"], reply.json["life"])

    def test_kept(self):
        first, second = session_id(), session_id()
        lives = [self.echo(session=session)["life"] for session in (first, second, first, second)]
        self.assertEqual(lives[:2], lives[2:])
        self.assertNotEqual(*lives[:2])

    def test_lengths(self):
        for session in ("s" * 33, "s" * 256):
            self.assertEqual(self.invoke(session=session)["runtimeSessionId"], session)


class Targets(AgentTest):
    def generation(self, arn, session=None, **more):
        return self.echo(session=session, arn=arn, **more)["environment"]["GENERATION"]

    def test_endpoints_and_versions(self):
        arn = self.deploy_agent(environmentVariables={"GENERATION": "one"})
        runtime_id = arn.rsplit("/", 1)[1]
        self.client.create_agent_runtime_endpoint(agentRuntimeId=runtime_id, name="prod", agentRuntimeVersion="1")
        self.wait(lambda: self.endpoint(runtime_id, "prod"))
        session = session_id()
        self.assertEqual(self.generation(arn, session), "one")
        self.client.update_agent_runtime(
            agentRuntimeId=runtime_id,
            agentRuntimeArtifact=code("plain.zip"),
            roleArn=ROLE,
            networkConfiguration={"networkMode": "PUBLIC"},
            environmentVariables={"GENERATION": "two"},
        )
        self.wait(lambda: self.get(runtime_id))
        self.wait(lambda: self.endpoint(runtime_id))
        self.assertEqual(self.generation(arn, session), "one", "a session stays what it began as")
        self.assertEqual(self.generation(arn), "two")
        self.assertEqual(self.generation(arn, qualifier="DEFAULT"), "two")
        self.assertEqual(self.generation(arn, qualifier="prod"), "one")
        self.client.update_agent_runtime_endpoint(
            agentRuntimeId=runtime_id, endpointName="prod", agentRuntimeVersion="2"
        )
        self.wait(lambda: self.endpoint(runtime_id, "prod"))
        self.assertEqual(self.generation(arn, qualifier="prod"), "two")

    def test_by_id(self):
        runtime_id, account = self.arn.rsplit("/", 1)[1], self.arn.split(":")[4]
        session = session_id()
        life = self.echo(session=session)["life"]
        self.assertEqual(self.echo(session=session, arn=runtime_id, accountId=account)["life"], life)
        self.assertFails("ValidationException", 400, self.invoke, arn=runtime_id)
        self.assertFails(
            "ResourceNotFoundException", 404, self.invoke, arn=runtime_id, accountId="210987654321"
        )

    def test_missing(self):
        gone = self.deploy_agent()
        session = session_id()
        self.assertStatus(self.invoke(session=session, arn=gone), 200)
        self.delete(gone.rsplit("/", 1)[1])
        for what in (
            {"arn": gone, "session": session},
            {"arn": self.arn[:-10] + "0000000000"},
            {"arn": self.arn.replace(":123456789012:", ":210987654321:")},
            {"qualifier": "nowhere"},
        ):
            with self.subTest(what=what):
                self.assertFails("ResourceNotFoundException", 404, self.invoke, **what)

    def test_not_an_arn(self):
        for arn in ("arn:aws:s3:::bucket", self.arn.replace(":runtime/", ":memory/"), "arn:aws:bedrock-agentcore"):
            with self.subTest(arn=arn):
                with self.assertRaises(botocore.exceptions.ClientError) as caught:
                    self.invoke(arn=arn)
                told = caught.exception.response["Error"]["Code"]
                self.assertIn(told, ("ValidationException", "ResourceNotFoundException"))

    def test_failed_deployment(self):
        made = self.create(key="missing.zip")
        self.wait(lambda: self.get(made["agentRuntimeId"]), "CREATE_FAILED")
        answer = self.assertFails("ValidationException", 400, self.invoke, arn=made["agentRuntimeArn"])
        self.assertIn("CREATE_FAILED", answer["Error"]["Message"])

    def test_wrong_secret(self):
        stranger = make_client(self.daemon, DATA, aws_secret_access_key="x" * 40)
        self.assertFails("InvalidSignatureException", 403, self.invoke, client=stranger)

    def test_no_bearer_tokens_here(self):
        self.assertFails("AccessDeniedException", 403, self.invoke, client=bearer_client(self.daemon, "x.y.z"))


class NotYet(AgentTest):
    """A deployment that waits for an S3 that takes connections and says nothing."""

    plain = False

    @classmethod
    def setUpClass(cls):
        silent = cls.enterClassContext(socket.create_server(("127.0.0.1", 0)))
        cls.options = ("--s3", "on", "--s3-url", f"http://127.0.0.1:{silent.getsockname()[1]}")
        cls.enterClassContext(mock.patch.dict(os.environ, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b"))
        super().setUpClass()

    def test_invoke(self):
        made = self.create(key="missing.zip")
        stop, command = functools.partial(self.stop, session_id()), functools.partial(self.command, "true", None)
        for call in (self.invoke, stop, command):
            self.assertFails("RetryableConflictException", 409, call, arn=made["agentRuntimeArn"])


if __name__ == "__main__":
    unittest.main()
