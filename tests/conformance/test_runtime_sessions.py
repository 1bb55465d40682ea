"""StopRuntimeSession, InvokeAgentRuntimeCommand and GetAgentCard through boto3, and runtimes of other protocols."""

import sys
import unittest
import uuid

from deployed import HERE, AgentTest, bearer_client, session_id

sys.path.insert(1, str(HERE.parent / "blackbox"))
from issuer import Issuer  # noqa: E402


class Stop(AgentTest):
    def test_stopped(self):
        session = session_id()
        life = self.echo(session=session)["life"]
        answer = self.stop(session, clientToken=str(uuid.uuid4()))
        self.assertStatus(answer, 200)
        self.assertEqual((answer["runtimeSessionId"], answer["statusCode"]), (session, 200))
        self.assertNotEqual(self.echo(session=session)["life"], life)

    def test_asked_again(self):
        """As clients do whose answer was lost: the same request, the same answer, and nothing else is stopped."""
        session, other = session_id(), session_id()
        token = str(uuid.uuid4())
        for name in (session, other):
            self.invoke(session=name)
        self.assertStatus(self.stop(session, clientToken=token), 200)
        self.assertEqual(self.stop(session, clientToken=token)["runtimeSessionId"], session)
        life = self.echo(session=session)["life"]
        self.assertStatus(self.stop(session, clientToken=token), 200)
        self.assertEqual(self.echo(session=session)["life"], life)
        answer = self.assertFails("ValidationException", 400, self.stop, other, clientToken=token)
        self.assertEqual(answer["reason"], "IdempotentParameterMismatchException")
        self.assertEqual(self.ask({"do": "state"}, other)["invocations"], 2)

    def test_of_an_endpoint(self):
        """The same id is another session at each endpoint."""
        runtime_id = self.arn.rsplit("/", 1)[1]
        self.client.create_agent_runtime_endpoint(agentRuntimeId=runtime_id, name="prod")
        self.wait(lambda: self.endpoint(runtime_id, "prod"))
        session = session_id()
        lives = [self.echo(session=session, qualifier=name)["life"] for name in ("DEFAULT", "prod")]
        self.assertNotEqual(*lives)
        self.stop(session, qualifier="prod")
        self.assertEqual(self.echo(session=session)["life"], lives[0])
        self.assertFails("ResourceNotFoundException", 404, self.stop, session, qualifier="prod")

    def test_missing(self):
        session = session_id()
        self.assertFails("ResourceNotFoundException", 404, self.stop, session)
        self.invoke(session=session)
        self.stop(session)
        self.assertFails("ResourceNotFoundException", 404, self.stop, session)
        self.assertFails("ResourceNotFoundException", 404, self.stop, session, self.arn[:-10] + "0000000000")
        self.assertFails("ResourceNotFoundException", 404, self.stop, session, qualifier="nowhere")

    def test_in_the_middle_of_a_stream(self):
        session = session_id()
        answer = self.invoke({"do": "stream", "count": 2, "gate": "g"}, session)
        self.stop(session)
        with self.assertRaises(Exception):
            answer["response"].read()


class Commands(AgentTest):
    def test_output_and_exit(self):
        self.assertEqual(
            self.shell("echo out; echo err >&2; exit 3", session_id()),
            ("out\n", "err\n", {"exitCode": 3, "status": "COMPLETED"}),
        )

    def test_beside_the_agent(self):
        session = session_id()
        life = self.echo(session=session)["life"]
        self.assertEqual(self.shell("echo kept > /tmp/note", session)[2]["exitCode"], 0)
        self.assertEqual(self.shell("cat /tmp/note; pwd", session)[0], "kept\n/var/task\n")
        self.assertEqual(self.echo(session=session)["life"], life)
        self.assertEqual(self.shell("cat /tmp/note", session_id())[2]["exitCode"], 1, "another session's /tmp")

    def test_output_comes_as_it_is_written(self):
        """The command goes on only when the first line has been read."""
        session = session_id()
        answer = self.data.invoke_agent_runtime_command(
            agentRuntimeArn=self.arn,
            runtimeSessionId=session,
            body={"command": "echo first; while [ ! -e /tmp/go ]; do sleep 0.01; done; echo second"},
        )
        self.assertEqual((answer["runtimeSessionId"], answer["statusCode"]), (session, 200))
        events = (event["chunk"] for event in answer["stream"])
        self.assertEqual([next(events), next(events)], [{"contentStart": {}}, {"contentDelta": {"stdout": "first\n"}}])
        self.shell("touch /tmp/go", session)
        self.assertEqual(next(events), {"contentDelta": {"stdout": "second\n"}})
        self.assertEqual(list(events), [{"contentStop": {"exitCode": 0, "status": "COMPLETED"}}])

    def test_much_output(self):
        out, err, end = self.shell("seq 1 200000; printf 'ž%.0s' $(seq 1 9999) >&2", session_id())
        self.assertEqual(out.split(), [str(i) for i in range(1, 200001)])
        self.assertEqual((err, end["exitCode"]), ("ž" * 9999, 0))

    def test_time_out(self):
        out, _, end = self.shell("echo begun; sleep 100", session_id(), timeout=3)
        self.assertEqual((out, end["status"]), ("begun\n", "TIMED_OUT"))

    def test_time_out_of_range(self):
        for seconds in (0, -1, 3601):
            answer = self.assertFails("ValidationException", 400, self.command, "true", session_id(), timeout=seconds)
            self.assertIn("timeout", answer["Error"]["Message"])

    def test_killed(self):
        self.assertEqual(self.shell("kill -9 $$", session_id())[2], {"exitCode": 137, "status": "COMPLETED"})

    def test_missing(self):
        for arn in (self.arn[:-10] + "0000000000", self.arn.replace(":123456789012:", ":210987654321:")):
            self.assertFails("ResourceNotFoundException", 404, self.command, "true", session_id(), arn)


class Protocols(AgentTest):
    plain = True

    def deploy_protocol(self, protocol, port):
        return self.deploy_agent(
            protocolConfiguration={"serverProtocol": protocol}, environmentVariables={"AGENT_PORT": str(port)}
        )

    def test_mcp(self):
        seen = self.echo(arn=self.deploy_protocol("MCP", 8000), mcpSessionId="m1", accept="application/json")
        self.assertEqual((seen["method"], seen["path"], seen["headers"]["mcp-session-id"]), ("POST", "/mcp", "m1"))

    def test_agui(self):
        self.assertEqual(self.echo(arn=self.deploy_protocol("AGUI", 8080))["path"], "/invocations")

    def test_a2a(self):
        arn = self.deploy_protocol("A2A", 9000)
        session = session_id()
        seen = self.echo(arn=arn, session=session)
        self.assertEqual(seen["path"], "/")
        answer = self.data.get_agent_card(agentRuntimeArn=arn, runtimeSessionId=session)
        self.assertStatus(answer, 200)
        self.assertEqual((answer["runtimeSessionId"], answer["statusCode"]), (session, 200))
        card = answer["agentCard"]
        self.assertEqual(card, {"name": "the tests' agent", "url": seen["environment"]["AGENTCORE_RUNTIME_URL"]})
        self.assertTrue(self.data.get_agent_card(agentRuntimeArn=arn, qualifier="DEFAULT")["agentCard"])

    def test_no_card(self):
        card = self.data.get_agent_card
        self.assertFails("ValidationException", 400, card, agentRuntimeArn=self.arn)
        for what in ({"agentRuntimeArn": self.arn[:-10] + "0000000000"},
                     {"agentRuntimeArn": self.arn, "qualifier": "nowhere"}):  # fmt: skip
            self.assertFails("ResourceNotFoundException", 404, card, **what)


class Bearer(AgentTest):
    """A runtime that wants OAuth tokens, called by boto3 with one in place of its signature."""

    options = ("--oidc-allow-http", "on")

    @classmethod
    def setUpClass(cls):
        cls.issuer = Issuer()
        cls.addClassCleanup(cls.issuer.close)
        super().setUpClass()
        cls.arn = cls.deploy_agent(
            authorizerConfiguration=cls.issuer.authorizer(),
            requestHeaderConfiguration={"requestHeaderAllowlist": ["Authorization"]},
        )

    def test_every_operation(self):
        token = self.issuer.token()
        client = bearer_client(self.daemon, token)
        session = session_id()
        seen = self.echo(session=session, client=client)
        self.assertEqual(seen["headers"]["authorization"], f"Bearer {token}")
        answer = client.invoke_agent_runtime_command(
            agentRuntimeArn=self.arn, runtimeSessionId=session, body={"command": "exit 4"}
        )
        self.assertEqual(list(answer["stream"])[-1]["chunk"]["contentStop"]["exitCode"], 4)
        self.assertStatus(client.stop_runtime_session(agentRuntimeArn=self.arn, runtimeSessionId=session), 200)

    def test_users_differ(self):
        tokens = set()
        for subject in ("alice", "bob"):
            client = bearer_client(self.daemon, self.issuer.token(sub=subject))
            tokens.add(self.echo(client=client)["headers"]["workloadaccesstoken"])
        self.assertEqual(len(tokens), 2)

    def test_refused(self):
        for token in (
            self.issuer.token(aud="others"),
            self.issuer.token(exp=1),
            self.issuer.token(iss="http://127.0.0.1:1"),
            self.issuer.token()[:-4] + "AAAA",
            "x",
        ):
            with self.subTest(token=token[:20]):
                client = bearer_client(self.daemon, token)
                self.assertFails("AccessDeniedException", 403, self.invoke, client=client)

    def test_a_signature_is_no_token(self):
        self.assertFails("AccessDeniedException", 403, self.invoke)


if __name__ == "__main__":
    unittest.main()
