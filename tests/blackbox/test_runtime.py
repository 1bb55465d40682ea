"""Calls to agents that are deployed: payloads, headers both ways, streams, WebSockets, protocols, who may call."""

import hashlib
import json
import os
import signal
import unittest
import uuid

from harness import REQUEST_ID, SESSION, Closed, Conn, wait_until
from issuer import Issuer, base64url
from runtime_harness import ACCOUNT, REGION, RuntimeCase, Signer, session_id
from wsclient import BINARY, TEXT

CUSTOM = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-"
USER = "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"
TOKEN = "X-Amz-Bedrock-AgentCore-Identity-WAT"
LARGEST = 100_000_000


def header_map(pairs):
    return {name.lower(): value for name, value in pairs}


class Invoke(RuntimeCase):
    def test_any_payload(self):
        session = session_id()
        for payload, kind in [
            (b"\x00\xff\r\n\r\n0\r\n", "application/octet-stream"),
            ("žluťoučký kůň".encode(), "text/plain; charset=utf-8"),
            (b"{", "application/vnd.something+json"),
        ]:
            r = self.agent.invoke(payload, session, {"Content-Type": kind, "Accept": "*/*"})
            self.assertEqual((r.status, r.body, r.header("Content-Type")), (200, payload, kind))

    def test_largest_payload(self):
        payload = hashlib.shake_256(b"payload").digest(1 << 20) * 96
        payload = payload[:LARGEST]
        r = self.agent.invoke(payload, session_id(), {"Content-Type": "application/octet-stream"})
        self.assertEqual(r.status, 200, r)
        self.assertTrue(r.body == payload, "it came back changed")

    def test_too_large_payload(self):
        with Conn(self.daemon.port) as c:
            c.send(f"POST {self.agent.path}/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {(100 << 20) + 1}\r\n\r\n")
            self.assertEqual(c.read_response().status, 413)

    def test_large_answer(self):
        size = 20_000_001
        r = self.agent.do("give", session_id(), bytes=size)
        self.assertEqual(len(r.body), size)

    def test_events_come_one_by_one(self):
        session = session_id()
        c = self.conn(self.agent, {"do": "stream", "count": 3, "gate": "g"}, session)
        head = c.read_head()
        self.assertEqual((head.status, head.header("Content-Type"), head.header("Transfer-Encoding"),
                          head.header(SESSION)), (200, "text/event-stream", "chunked", session))
        for i in range(3):
            self.assertFalse(c.readable(0.05), "an event that was not sent yet")
            self.agent.do("open", session, gate="g")
            self.assertEqual(json.loads(c.read_event().removeprefix(b"data: "))["event"], i)
        self.assertEqual(c.read_event(), b"")
        self.agent.do("open", session, gate="g")  # the connection serves the next request
        self.daemon.send(c, "POST", self.agent.path + "/invocations", b"{}", (), {SESSION: session})
        self.assertEqual(c.read_response().status, 200)

    def test_agent_is_told_that_the_client_has_gone(self):
        session = session_id()
        before = self.agent.do("state", session)
        c = self.agent.open({"do": "stream", "count": 2, "gate": "g"}, session)
        c.read_head()
        c.close()
        wait_until(lambda: self.agent.do("state", session)["gone"] == 1, "the agent to notice")
        self.assertEqual(self.agent.do("state", session)["life"], before["life"])
        # Before the head, too.
        c = self.agent.open({"do": "wait", "gate": "h"}, session)
        wait_until(lambda: self.agent.do("state", session)["waiting"].get("h") == 1, "the request")
        c.reset()
        wait_until(lambda: self.agent.do("state", session)["waiting"]["h"] == 0, "the agent to notice")

    def test_command(self):
        session = session_id()
        life = self.agent.life(session)
        self.assertEqual(self.agent.command("echo $((6 * 7)); pwd; exit 3", session), ("42\n/var/task\n", 3))
        self.assertEqual(self.agent.life(session), life)


class Headers(RuntimeCase):
    @classmethod
    def start_daemons(cls):
        cls.daemon = cls.serve("data")
        cls.agent = cls.daemon.deploy(
            requestHeaderConfiguration={"requestHeaderAllowlist": ["X-Tenant", "Authorization"]})

    def test_to_the_agent(self):
        passed = {
            "Accept": "text/event-stream", "Mcp-Session-Id": "m1", "Mcp-Protocol-Version": "2025-06-18",
            "Mcp-Method": "tools/call", "Mcp-Name": "t", "X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b",
            "baggage": "k=v", "Last-Event-ID": "7", CUSTOM + "Colour": "blue", "X-Tenant": "t1",
        }
        kept_back = {"X-Other": "1", "Cookie": "a=b", "X-Amz-Meta": "m", "X-Forwarded-For": "10.0.0.1"}
        session = session_id()
        got = header_map(self.agent.echo(session, headers={**passed, **kept_back, USER: "alice"})["headers"])
        for name, value in passed.items():
            self.assertEqual(got.get(name.lower()), value, name)
        for name in [*kept_back, USER, "Authorization", "X-Amz-Date", "X-Amz-Content-Sha256"]:
            self.assertNotIn(name.lower(), got)
        self.assertEqual(got[SESSION.lower()], session)
        self.assertEqual(str(uuid.UUID(got[REQUEST_ID.lower()])), got[REQUEST_ID.lower()])

    def test_what_a_client_cannot_forge(self):
        got = self.agent.echo(session_id(), headers={
            "WorkloadAccessToken": "forged", TOKEN: "forged", REQUEST_ID: "forged", "Host": self.daemon.host})
        self.assertNotIn("forged", [value for _, value in got["headers"]])

    def test_custom_header_without_an_allow_list(self):
        plain = self.daemon.deploy()
        got = header_map(plain.echo(session_id(), headers={CUSTOM + "A": "b", "X-Tenant": "t1"})["headers"])
        self.assertEqual(got[(CUSTOM + "A").lower()], "b")
        self.assertNotIn("x-tenant", got)

    def test_limits(self):
        session = session_id()
        self.assertEqual(len(header_map(self.agent.echo(session, headers={CUSTOM + "A": "x" * 4096})["headers"])
                             [(CUSTOM + "A").lower()]), 4096)
        for headers in ({CUSTOM + "A": "x" * 4097}, {"X-Tenant": "x" * 4097},
                        {CUSTOM + str(i): "x" for i in range(100)}):
            self.assert_error(self.agent.invoke(b"{}", session, headers), 400, "ValidationException")
        for name, size in (("traceparent", 129), ("tracestate", 513), ("baggage", 8193), (USER, 1025)):
            self.assert_error(self.agent.invoke(b"{}", session, {name: "x" * size}), 400, "ValidationException")

    def test_from_the_agent(self):
        back = {"Mcp-Session-Id": "m2", "Mcp-Protocol-Version": "1", "X-Amzn-Trace-Id": "t", "traceparent": "p",
                "tracestate": "s", "baggage": "b"}
        private = {"Set-Cookie": "a=b", "X-Private": "1", "Server": "me", "x-amzn-RequestId": "mine",
                   SESSION: "another", "x-amzn-ErrorType": "Nonsense"}
        session = session_id()
        wanted = {"status": 202, "body": "[1]", "type": "text/x-own", "headers": {**back, **private}}
        r = self.agent.invoke({"do": "status", **wanted}, session)
        self.assertEqual((r.status, r.body, r.header("Content-Type")), (202, b"[1]", "text/x-own"))
        for name, value in back.items():
            self.assertEqual(r.all(name), [value], name)
        for name in ("Set-Cookie", "X-Private", "Server", "x-amzn-ErrorType"):
            self.assertEqual(r.all(name), [], name)
        self.assertEqual(r.all(SESSION), [session])
        self.assertNotIn("mine", r.all("x-amzn-RequestId"))

    def test_trace_headers_come_back(self):
        trace = {"X-Amzn-Trace-Id": "Root=1-2-3", "traceparent": "p", "tracestate": "s", "baggage": "b"}
        r = self.agent.invoke(b"{}", session_id(), trace)
        self.assertEqual({name: r.header(name) for name in trace}, trace)

    def test_users_token(self):
        session = session_id()
        tokens = []
        for headers in ({}, {USER: "alice"}, {USER: "bob"}):
            got = header_map(self.agent.echo(session, headers=headers)["headers"])
            self.assertEqual(got["workloadaccesstoken"], got[TOKEN.lower()])
            tokens.append(got["workloadaccesstoken"])
        self.assertEqual(len(set(tokens)), 3)


class Targets(RuntimeCase):
    def test_session_ids(self):
        r = self.agent.invoke()
        made = r.header(SESSION)
        self.assertEqual(str(uuid.UUID(made)), made)
        self.assertEqual(self.agent.life(made), r.json()["life"])
        self.assertEqual(header_map(r.json()["headers"])[SESSION.lower()], made)
        for session in ("s" * 33, "s" * 256):
            self.assertEqual(self.agent.invoke(b"{}", session).header(SESSION), session)
        for session in ("s", "s" * 32, "s" * 257):
            self.assert_error(self.agent.invoke(b"{}", session), 400, "ValidationException")
            self.assert_error(self.agent.stop(session), 400, "ValidationException")
            self.assert_error(self.agent.invoke({"command": "true"}, session, path="/commands"), 400,
                              "ValidationException")

    def test_qualifier(self):
        agent = self.daemon.deploy(environment={"GENERATION": "one"})
        self.daemon.control("PUT", f"/runtimes/{agent.id}/runtime-endpoints/",
                            {"name": "prod", "agentRuntimeVersion": "1"}, 202)
        artifact = self.daemon.code()
        self.daemon.control("PUT", f"/runtimes/{agent.id}/", {
            "agentRuntimeArtifact": artifact, "roleArn": f"arn:aws:iam::{ACCOUNT}:role/agent",
            "networkConfiguration": {"networkMode": "PUBLIC"}, "environmentVariables": {"GENERATION": "two"}}, 202)
        self.daemon.wait_deployed(agent.id)

        def generation(session, **more):
            return agent.echo(session, **more)["environment"]["GENERATION"]

        session = session_id()
        wait_until(lambda: generation(session_id()) == "two", "DEFAULT to follow")
        self.assertEqual(generation(session), "two")
        self.assertEqual(generation(session, query=[("qualifier", "DEFAULT")]), "two")
        wait_until(lambda: agent.invoke(b"{}", session, query=[("qualifier", "prod")]).status == 200, "prod")
        self.assertEqual(generation(session, query=[("qualifier", "prod")]), "one")  # another session of that name
        self.assertNotEqual(agent.life(session), agent.life(session, query=[("qualifier", "prod")]))
        self.assert_error(agent.invoke(b"{}", session, query=[("qualifier", "none")]), 404,
                          "ResourceNotFoundException")
        self.assertEqual(agent.stop(session, [("qualifier", "prod")]).status, 200)
        self.assertEqual(agent.stop(session).status, 200)

    def test_ways_to_name_a_runtime(self):
        session = session_id()
        life = self.agent.life(session)
        by_id = self.agent.through(self.daemon)
        by_id.path = f"/runtimes/{self.agent.id}"
        self.assertEqual(by_id.life(session, query=[("accountId", ACCOUNT)]), life)
        self.assert_error(by_id.invoke(b"{}", session), 400, "ValidationException")
        self.assert_error(by_id.invoke(b"{}", session, query=[("accountId", "210987654321")]), 404,
                          "ResourceNotFoundException")
        by_id.path = f"/runtimes/{self.agent.id[:-10]}0000000000"
        self.assert_error(by_id.invoke(b"{}", session, query=[("accountId", ACCOUNT)]), 404,
                          "ResourceNotFoundException")

    def test_unsigned_and_wrongly_signed(self):
        path = self.agent.path + "/invocations"
        self.assertEqual(self.daemon.call("POST", path, b"{}", signed=False).status, 403)
        with Conn(self.daemon.port) as c:
            c.send(Signer(self.daemon.keys[0], "wrong", REGION, self.daemon.host).request("POST", path, b"{}"))
            self.assertEqual(c.read_response().status, 403)
        for words in ("/invocations", "/ws", "/commands", "/stopruntimesession"):
            with Conn(self.daemon.port) as c:
                r = c.request("GET" if words == "/ws" else "POST", self.agent.path + words, b"{}")
                self.assertEqual(r.status, 403, r)


class AgentErrors(RuntimeCase):
    def test_status(self):
        session = session_id()
        for status, body, words in [
            (500, '{"error": "it went wrong"}', ("500", "it went wrong")),
            (404, '{"message": "no such tool"}', ("404", "no such tool")),
            (429, "plain words", ("429", "plain words")),
            (503, "", ("503",)),
            (302, "elsewhere", ("302",)),
        ]:
            r = self.agent.invoke({"do": "status", "status": status, "body": body}, session)
            self.assert_agent_error(r, *words)
        r = self.agent.invoke({"do": "status", "status": 500, "body": "x" * 100000}, session)
        self.assert_agent_error(r, "500")
        self.assertLess(len(r.body), 5000)
        self.assertEqual(self.agent.do("state", session)["invocations"], 7, "one session, each request once")

    def test_no_answer(self):
        session = session_id()
        life = self.agent.life(session)
        self.assert_agent_error(self.agent.invoke({"do": "hang-up"}, session))
        self.assertEqual(self.agent.life(session), life)

    def test_death(self):
        session = session_id()
        life = self.agent.life(session)
        r = self.agent.invoke({"do": "leave", "code": 9, "words": "out of luck"}, session)
        self.assert_agent_error(r, "code 9", "out of luck")
        self.assertNotEqual(self.agent.life(session), life)

    def test_death_whose_news_is_late(self):
        """On a busy machine it comes some time after the connection has broken; the answer waits for it."""
        session = session_id()
        self.agent.life(session)
        teller = self.daemon.named("agentcored-spaw")[0]
        os.kill(teller, signal.SIGSTOP)
        try:
            c = self.conn(self.agent, {"do": "leave", "code": 9}, session)
            self.assertFalse(c.readable(1.2), "an answer without the news")
        finally:
            os.kill(teller, signal.SIGCONT)
        self.assert_agent_error(c.read_response(), "code 9")


class Service(RuntimeCase):
    """The agent's own way to agentcored, with the credentials that it is lent."""

    def test_from_inside(self):
        session = session_id()
        name = f"identity-{uuid.uuid4().hex}"
        self.daemon.control("POST", "/identities/CreateWorkloadIdentity", {"name": name}, 201)
        for variable in ("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL"):
            got = self.agent.do("service", session, method="POST", path="/identities/ListWorkloadIdentities",
                                variable=variable)
            self.assertEqual(got["status"], 200, got)
            self.assertIn(name, got["body"])
        for method, path, given in [
            ("POST", "/identities/CreateWorkloadIdentity", {"name": name + "-own"}),
            ("DELETE", f"/runtimes/{self.agent.id}/", {}),
        ]:
            got = self.agent.do("service", session, method=method, path=path, input=given)
            self.assertEqual(got["status"], 403, got)
        environment = self.agent.echo(session)["environment"]
        self.assertEqual(self.agent.stop(session).status, 200)
        lent = [environment[f"AWS_{n}"] for n in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
        self.assertNotIn(lent[0], self.daemon.keys)

        def status(key, secret, token):
            path = "/identities/ListWorkloadIdentities"
            with Conn(self.daemon.port) as c:
                c.send(Signer(key, secret, REGION, self.daemon.host, token).request("POST", path, b"{}"))
                return c.read_response().status

        self.assertEqual(status(*lent), 200, "good beyond the session's end, for what was signed there")
        self.assertEqual(status(lent[0], lent[1], None), 403)
        self.assertEqual(status(lent[0], lent[1], lent[2][:-2] + "xx"), 403)
        self.assertEqual(status(lent[0], lent[1][::-1], lent[2]), 403)
        self.assertEqual(status(self.daemon.keys[0], lent[1], lent[2]), 403)

    def test_own_credentials_win(self):
        own = {"AWS_ACCESS_KEY_ID": "AKIAMINE", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_REGION": "eu-west-1", "HOME": "/tmp"}
        environment = self.daemon.deploy(environment=own).echo(session_id())["environment"]
        for name, value in own.items():
            self.assertEqual(environment[name], value)
        self.assertNotIn("AWS_SESSION_TOKEN", environment)

    def test_surroundings(self):
        got = self.agent.echo(session_id())
        self.assertEqual((got["user"], got["directory"], got["argv"]), ([1000, 1000], "/var/task", ["main.py"]))
        self.assertNotIn("AGENTCORED", " ".join(got["environment"]))
        self.assertEqual(got["environment"]["AWS_REGION"], REGION)


class Protocols(RuntimeCase):
    def deploy(self, protocol, port):
        return self.daemon.deploy(environment={"AGENT_PORT": str(port)},
                                  protocolConfiguration={"serverProtocol": protocol})

    def test_mcp(self):
        agent, session = self.deploy("MCP", 8000), session_id()
        got = agent.echo(session, headers={"Mcp-Session-Id": "m", "Accept": "application/json, text/event-stream"})
        self.assertEqual((got["path"], header_map(got["headers"])["mcp-session-id"]), ("/mcp", "m"))
        with self.assertRaisesRegex(AssertionError, "ValidationException"):
            agent.ws(session)

    def test_a2a(self):
        agent, session = self.deploy("A2A", 9000), session_id()
        self.assertEqual(agent.echo(session)["path"], "/")
        r = self.daemon.call("GET", f"{agent.path}/invocations/.well-known/agent-card.json", headers={SESSION: session})
        self.assertEqual((r.status, r.header(SESSION)), (200, session))
        self.assertEqual(r.json()["url"], f"{self.daemon.url}{agent.path}/invocations/")

    def test_agui(self):
        agent, session = self.deploy("AGUI", 8080), session_id()
        self.assertEqual(agent.echo(session)["path"], "/invocations")
        agent.ws(session).close()

    def test_http_has_no_card(self):
        r = self.daemon.call("GET", f"{self.agent.path}/invocations/.well-known/agent-card.json",
                             headers={SESSION: session_id()})
        self.assert_error(r, 400, "ValidationException")


class WebSockets(RuntimeCase):
    @classmethod
    def start_daemons(cls):
        cls.issuer = Issuer()
        cls.addClassCleanup(cls.issuer.close)
        cls.daemon = cls.serve("data", "--oidc-allow-http", "on")
        cls.agent = cls.daemon.deploy()
        cls.guarded = cls.daemon.deploy(authorizerConfiguration=cls.issuer.authorizer(),
                                        requestHeaderConfiguration={"requestHeaderAllowlist": ["Authorization"]})

    def who(self, ws):
        ws.text("who")
        got = json.loads(ws.read_text())
        return got, header_map(got["headers"])

    def test_signed_headers(self):
        session = session_id()
        ws = self.ws(self.agent, session, query=[("user_type", "premium"), ("qualifier", "DEFAULT")],
                     headers={CUSTOM + "A": "b"})
        got, headers = self.who(ws)
        self.assertEqual((got["path"], got["life"]), ("/ws?user_type=premium", self.agent.life(session)))
        self.assertEqual((headers[SESSION.lower()], headers[(CUSTOM + "A").lower()]), (session, "b"))
        self.assertIn("workloadaccesstoken", headers)
        self.assertNotIn("authorization", headers)

    def test_presigned(self):
        session = session_id()
        ws = self.ws(self.agent, session, "presigned", query=[("user_type", "pre mium"), ("qualifier", "DEFAULT")])
        got, headers = self.who(ws)
        self.assertEqual(got["path"], "/ws?user_type=pre%20mium", "nothing of the signature's")
        self.assertEqual(headers[SESSION.lower()], session)
        self.assertEqual(got["life"], self.agent.life(session))

    def test_presigned_is_for_one_session(self):
        session, other = session_id(), session_id()
        ws = self.ws(self.agent, session, "presigned", headers={SESSION: other})
        self.assertEqual(self.who(ws)[1][SESSION.lower()], session)

    def test_bearer(self):
        session, token = session_id(), self.issuer.token()
        ws = self.ws(self.guarded, session, "bearer", token=token)
        got, headers = self.who(ws)
        self.assertEqual((got["path"], headers["authorization"]), ("/ws", f"Bearer {token}"))
        self.assertEqual(headers[SESSION.lower()], session)

    def test_browser(self):
        session, sentinel = session_id(), "base64UrlBearerAuthorization"
        encoded = base64url(self.issuer.token().encode())
        for offer in (f"{sentinel}.{encoded}, {sentinel}", f"{sentinel}, {sentinel}.{encoded}"):
            ws = self.ws(self.guarded, session, "browser", protocols=offer)
            self.assertEqual(ws.response.all("Sec-WebSocket-Protocol"), [sentinel])
            got, headers = self.who(ws)
            self.assertEqual(headers[SESSION.lower()], session)
            self.assertNotIn(encoded, json.dumps(got), "the token is not for the agent")

    def test_refusals(self):
        session, token = session_id(), self.issuer.token()
        for agent, how, options in [
            (self.guarded, "bearer", {"token": token[:-4] + "AAAA"}),
            (self.guarded, "bearer", {"token": self.issuer.token(aud="others")}),
            (self.guarded, "bearer", {"token": self.issuer.token(exp=1)}),
            (self.guarded, "browser", {"protocols": "base64UrlBearerAuthorization.bm90aGluZw"}),
            (self.agent, "bearer", {"token": token}),
            (self.agent, "browser", {}),
        ]:
            with self.assertRaisesRegex(AssertionError, "AccessDeniedException|Response 403"):
                agent.ws(session, how, **options)
        with self.assertRaisesRegex(AssertionError, "ValidationException"):
            self.agent.ws("../../etc/passwd", "presigned")
        r = self.daemon.call("GET", self.agent.path + "/ws", headers={SESSION: session})
        self.assert_error(r, 400, "ValidationException", "WebSocket")

    def test_presigned_and_expired(self):
        signer = self.daemon.signer()
        for target, status in [
            (signer.presign(self.agent.path + "/ws", seconds=300).replace("Expires=300", "Expires=301"), 403),
            (signer.presign(self.agent.path + "/ws", seconds=604801), 403),
        ]:
            with Conn(self.daemon.port) as c:
                r = c.request("GET", target, headers={
                    "Host": self.daemon.host, "Upgrade": "websocket", "Connection": "Upgrade",
                    "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})
                self.assertEqual(r.status, status, r)

    def test_messages(self):
        ws = self.ws(self.agent, session_id())
        for opcode, data in [(TEXT, b"hello"), (BINARY, bytes(range(256)) * 128), (BINARY, b"\xaa" * 1_000_000), (TEXT, b"")]:
            ws.send_frame(opcode, data)
            self.assertTrue(ws.read_message() == (opcode, data))

    def test_close_codes(self):
        session = session_id()
        ws = self.ws(self.agent, session)
        ws.text("close 4321 that is all")
        self.assertEqual(ws.read_close(), (4321, "that is all"))
        ws = self.ws(self.agent, session)
        ws.send_close(4000, b"mine")
        self.assertEqual(ws.read_close(), (4000, "mine"))
        wait_until(lambda: self.agent.do("state", session)["ended"] == 1, "the agent's end")

    def test_client_vanishes(self):
        session = session_id()
        ws = self.ws(self.agent, session)
        self.who(ws)
        ws.reset()
        wait_until(lambda: self.agent.do("state", session)["gone"] == 1, "the agent to notice")

    def test_agent_dies(self):
        session = session_id()
        life = self.agent.life(session)
        ws = self.ws(self.agent, session)
        self.who(ws)
        ws.text("die")
        with self.assertRaises(Closed):
            ws.read_frame()
        self.assertNotEqual(self.agent.life_after_death(session), life)

    def test_session_without_an_id(self):
        ws = self.ws(self.agent, None)
        made = ws.response.header(SESSION)
        self.assertEqual(self.who(ws)[1][SESSION.lower()], made)
        self.assertEqual(str(uuid.UUID(made)), made)

    def test_invoke_with_a_token(self):
        session, token = session_id(), self.issuer.token()
        got = header_map(self.guarded.echo(session, token=token)["headers"])
        self.assertEqual(got["authorization"], f"Bearer {token}")
        self.assertEqual(self.guarded.stop(session, token=token).status, 200)
        for bad in (self.issuer.token(aud="others"), token[:-4] + "AAAA", "x"):
            r = self.guarded.invoke(b"{}", session, token=bad)
            self.assertIn(r.status, (401, 403), r)
        self.assertIn(self.agent.invoke(b"{}", session, token=token).status, (401, 403))
        self.assertEqual(self.daemon.call("POST", self.guarded.path + "/invocations", signed=False).status, 403)


if __name__ == "__main__":
    unittest.main()
