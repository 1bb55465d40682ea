"""Two daemons on one PostgreSQL: a session is found through either, wherever it runs."""

import base64
import json
import os
import signal
import subprocess
import unittest
from urllib.parse import unquote, urlsplit

from harness import SESSION, Closed, wait_until
from runtime_harness import Agentcored, RuntimeCase, Signer, ends_broken, in_parallel, session_id

PEER = "X-Agentcored-Peer"
STORE = os.environ.get("AC_TEST_POSTGRES")


def psql(statement):
    """What a statement selects, in the database that the daemons share."""
    url = urlsplit(STORE)
    folder = unquote(url.query.removeprefix("host="))
    done = subprocess.run(["psql", "-h", folder, "-U", url.username, "-d", url.path[1:], "-Atqc", statement],
                          capture_output=True, text=True, check=True)
    return done.stdout.split()


class Peers(RuntimeCase):
    @classmethod
    def setUpClass(cls):
        if not STORE:
            raise unittest.SkipTest("PostgreSQL is not installed")
        super().setUpClass()

    @classmethod
    def start_daemons(cls):
        cls.first = cls.serve("first", "--store", STORE)
        cls.second = cls.serve("second", "--store", STORE)
        artifact = cls.first.put_agent()
        cls.second.put_agent()  # each machine has its own copy
        cls.agent = cls.first.deploy(artifact)
        cls.other = cls.agent.through(cls.second)
        wait_until(lambda: cls.other.invoke(b"{}", session_id()).status == 200, "the second to know the runtime")

    def setUp(self):
        self.other.daemon.keys = self.second.keys

    def test_one_session(self):
        session, here = session_id(), self.first.sessions_now()
        life = self.agent.life(session)
        there = self.second.sessions_now()
        self.assertEqual(self.other.life(session), life)
        self.assertEqual((self.first.sessions_now(), self.second.sessions_now()), (here + 1, there))
        got = self.other.echo(session, headers={"traceparent": "t"}, query=[("qualifier", "DEFAULT")])
        self.assertIn(["traceparent", "t"], got["headers"])
        self.assertIn([SESSION, session], got["headers"])
        self.assertNotIn(PEER.lower(), [name.lower() for name, _ in got["headers"]])
        r = self.other.invoke(b"\x00\xff", session, {"Content-Type": "application/octet-stream"})
        self.assertEqual((r.status, r.body, r.header(SESSION)), (200, b"\x00\xff", session))
        self.assertEqual(len(r.all("x-amzn-RequestId")), 1)

    def test_started_by_both_at_once(self):
        for _ in range(5):
            session = session_id()
            lives = in_parallel(8, lambda i, s=session: (self.agent, self.other)[i % 2].life(s))
            self.assertEqual(len(set(lives)), 1)

    def test_large_both_ways(self):
        session = session_id()
        self.agent.life(session)
        payload = os.urandom(1 << 20) * 20
        r = self.other.invoke(payload, session, {"Content-Type": "application/octet-stream"})
        self.assertTrue(r.status == 200 and r.body == payload)

    def test_stream(self):
        session = session_id()
        life = self.agent.life(session)
        c = self.conn(self.other, {"do": "stream", "count": 2, "gate": "g"}, session)
        head = c.read_head()
        self.assertEqual((head.status, head.header("Content-Type"), head.header(SESSION)),
                         (200, "text/event-stream", session))
        for i in range(2):
            self.assertFalse(c.readable(0.05))
            self.agent.do("open", session, gate="g")
            self.assertEqual(json.loads(c.read_event().removeprefix(b"data: ")), {"event": i, "life": life})
        self.assertEqual(c.read_event(), b"")
        c = self.other.open({"do": "stream", "count": 2, "gate": "g"}, session)
        c.read_head()
        c.close()
        wait_until(lambda: self.agent.do("state", session)["gone"] == 1, "the agent to be told")

    def test_errors_pass(self):
        session = session_id()
        life = self.agent.life(session)
        r = self.other.invoke({"do": "status", "status": 500, "body": '{"error": "mine"}'}, session)
        self.assert_agent_error(r, "500", "mine")
        c = self.conn(self.other, {"do": "stream", "count": 3, "die": 1}, session)
        c.read_head()
        self.assertTrue(ends_broken(c))
        self.assertNotEqual(self.other.life_after_death(session), life)
        self.assert_agent_error(self.other.invoke({"do": "leave", "words": "farewell"}, session), "farewell")

    def test_web_socket(self):
        session = session_id()
        life = self.agent.life(session)
        for how in ("headers", "presigned"):
            ws = self.ws(self.other, session, how, query=[("user_type", "premium")])
            ws.text("who")
            got = json.loads(ws.read_text())
            self.assertEqual((got["life"], got["path"]), (life, "/ws?user_type=premium"))
            ws.binary(bytes(100000))
            self.assertEqual(ws.read_message()[1], bytes(100000))
        ws.text("close 4567 over")
        self.assertEqual(ws.read_close(), (4567, "over"))

    def test_command(self):
        session = session_id()
        self.agent.life(session)
        here = self.second.sessions_now()
        self.assertEqual(self.other.command("echo x > /tmp/mark; cat /tmp/mark", session), ("x\n", 0))
        self.assertEqual(self.agent.command("cat /tmp/mark", session), ("x\n", 0))
        self.assertEqual(self.second.sessions_now(), here)

    def test_stop_through_the_other(self):
        session, here = session_id(), self.first.sessions_now()
        life = self.agent.life(session)
        self.assertEqual(self.other.stop(session).status, 200)
        for agent in (self.agent, self.other):
            self.assert_error(agent.stop(session), 404, "ResourceNotFoundException")
        wait_until(lambda: psql(f"SELECT count(*) FROM sessions WHERE id = '{session}'") == ["0"], "its row to go")
        self.assertNotEqual(self.other.life(session), life)
        self.assertLessEqual(self.first.sessions_now(), here, "now it is the other one's")
        self.assertEqual(self.agent.stop(session).status, 200)

    def test_owner_is_killed(self):
        third = self.serve("third", "--store", STORE)
        third.put_agent()
        agent, session = self.agent.through(third), session_id()
        wait_until(lambda: agent.invoke(b"{}", session).status == 200, "the third to know the runtime")
        life = agent.life(session)
        ws = self.ws(self.other, session)
        ws.text("who")
        ws.read_text()
        third.signal(signal.SIGKILL)
        with self.assertRaises(Closed):
            ws.read_frame()
        third.finish(code=None)
        r = self.other.invoke(b"{}", session)
        self.assert_error(r, 409, "RetryableConflictException")
        left = int(psql(f"SELECT lease_ms - now_ms() FROM sessions WHERE id = '{session}'")[0])
        self.assertTrue(0 < left <= 30000, left)
        psql(f"UPDATE sessions SET lease_ms = now_ms() - 1 WHERE id = '{session}'")  # the time passes
        self.assertNotEqual(self.other.life(session), life)
        self.assertEqual(self.agent.life(session), self.other.life(session))

    def test_owner_is_stopped(self):
        third = Agentcored(os.path.join(self.folder, "fourth"), "--store", STORE)
        self.addCleanup(third.stop)
        third.put_agent()
        agent, session = self.agent.through(third), session_id()
        wait_until(lambda: agent.invoke(b"{}", session).status == 200, "the runtime")
        life = agent.life(session)
        third.stop()
        self.assertEqual(psql(f"SELECT count(*) FROM sessions WHERE id = '{session}'"), ["0"])
        self.assertNotEqual(self.other.life(session), life)

    def test_forged_peers(self):
        session = session_id()
        self.agent.life(session)
        path = self.agent.path + "/invocations"
        token = self.agent.echo(session)["environment"]["AWS_SESSION_TOKEN"]
        workload = dict(self.agent.echo(session)["headers"])["WorkloadAccessToken"]
        lookalike = base64.urlsafe_b64encode(f"POST\0{path}\0123456789012\0us-west-2\0AKIA\0".encode()).decode()
        for forged in ("", "x", "agentcored-peer.", "agentcored-peer." + "A" * 200, "agentcored-peer." + lookalike,
                       token, workload, token.replace("session", "peer", 1),
                       "agentcored-peer." + token.split(".", 1)[1], "agentcored-peer." + workload.split(".", 1)[1]):
            with self.subTest(forged[:40]):
                for signed in (False, True):
                    r = self.first.call("POST", path, b"{}", (), {PEER: forged, SESSION: session}, signed=signed)
                    self.assertEqual(r.status, 403, r)
        alone = Agentcored(os.path.join(self.folder, "alone"))
        self.addCleanup(alone.stop)
        self.assertEqual(alone.call("GET", "/runtimes/x/", headers={PEER: "x"}, signed=False).status, 403)

    def test_sealed_for_one_request(self):
        """What one daemon says to the other is good for that request only: caught on its way, it opens nothing."""
        session, path = session_id(), self.agent.path
        caught = self.catch(session)
        for method, target, body in [("POST", path + "/stopruntimesession", b"{}"),
                                     ("POST", path + "/invocations?qualifier=other", b"{}"),
                                     ("POST", "/identities/ListWorkloadIdentities", b"{}")]:
            r = self.first.call(method, target, body, (), {PEER: caught, SESSION: session}, signed=False)
            self.assertEqual(r.status, 403, r)

    def catch(self, session):
        """The header that the second daemon sends to one that claims to have a session."""
        import socket

        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            self.agent.life(session)
            psql(f"UPDATE sessions SET url = '{url}' WHERE id = '{session}'")
            conn = self.conn(self.other, b"{}", session)
            server.settimeout(10)
            peer, _ = server.accept()
            with peer:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += peer.recv(65536)
            self.assert_error(conn.read_response(), 409, "RetryableConflictException")
        found = [line.split(b": ", 1)[1] for line in data.split(b"\r\n")
                 if line.lower().startswith(PEER.lower().encode())]
        self.assertEqual(len(found), 1)
        return found[0].decode()


if __name__ == "__main__":
    unittest.main()
