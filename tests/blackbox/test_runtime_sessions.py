"""Sessions of deployed agents: how they begin and end, how many there can be, and that nothing is left of them."""

import json
import os
import signal
import sqlite3
import time
import unittest

from harness import Closed, build_path, wait_until
from runtime_harness import Agentcored, RuntimeCase, ends_broken, in_parallel, session_id

LONG = os.environ.get("AC_LONG_TESTS") == "1"  # as .ci/run has it
AT_ONCE = 200
IN_TURN = 2000 if LONG else 300
CLIENTS = 8
IDLE_S = 2
LIFE_S = 3


class Life(RuntimeCase):
    def test_one_per_id(self):
        first, second = session_id(), session_id()
        lives = in_parallel(24, lambda i: self.agent.life((first, second)[i % 2]))
        self.assertEqual(len(set(lives[0::2])), 1)
        self.assertEqual(len(set(lives[1::2])), 1)
        self.assertNotEqual(lives[0], lives[1])

    def test_stop(self):
        session = session_id()
        self.assert_error(self.agent.stop(session), 404, "ResourceNotFoundException")
        before = self.daemon.sessions_now()
        life = self.agent.life(session)
        r = self.agent.stop(session)
        self.assertEqual(r.status, 200)
        self.assertEqual(r.header("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"), session)
        self.wait_sessions(self.daemon, before)
        self.assert_error(self.agent.stop(session), 404, "ResourceNotFoundException")
        self.assertNotEqual(self.agent.life(session), life)

    def test_stop_while_it_streams(self):
        session = session_id()
        c = self.conn(self.agent, {"do": "stream", "count": 2, "gate": "g"}, session)
        c.read_head()
        life = self.agent.do("state", session)["life"]
        self.agent.do("open", session, gate="g")
        c.read_event()
        self.assertEqual(self.agent.stop(session).status, 200)
        self.assertTrue(ends_broken(c))
        self.assertNotEqual(self.agent.life(session), life)

    def test_stop_of_many_callers(self):
        session = session_id()
        self.agent.life(session)
        statuses = [r.status for r in in_parallel(8, lambda _: self.agent.stop(session))]
        self.assertIn(200, statuses)
        self.assertLessEqual(set(statuses), {200, 404, 409})

    def test_death_between_requests(self):
        session, other = session_id(), session_id()
        life, others = self.agent.life(session), self.agent.life(other)
        r = self.agent.invoke({"do": "leave", "code": 4, "words": "tired of all this"}, session)
        self.assert_agent_error(r, "exited with code 4", "tired of all this")
        self.assertNotEqual(self.agent.life(session), life)
        self.assertEqual(self.agent.life(other), others)

    def test_update_and_delete(self):
        agent = self.daemon.deploy(environment={"GENERATION": "one"})
        kept = session_id()
        life = agent.life(kept)
        self.daemon.control("PUT", f"/runtimes/{agent.id}/", {
            "agentRuntimeArtifact": self.daemon.code(), "roleArn": "arn:aws:iam::123456789012:role/agent",
            "networkConfiguration": {"networkMode": "PUBLIC"}, "environmentVariables": {"GENERATION": "two"}}, 202)
        self.daemon.wait_deployed(agent.id)
        wait_until(lambda: agent.echo(session_id())["environment"]["GENERATION"] == "two", "the new version")
        self.assertEqual(agent.life(kept), life, "a session stays what it is")
        here = self.daemon.sessions_now()
        self.daemon.control("DELETE", f"/runtimes/{agent.id}/", status=202)
        wait_until(lambda: self.daemon.call("GET", f"/runtimes/{agent.id}/").status == 404, "the deletion")
        wait_until(lambda: self.daemon.sessions_now() <= here - 2, "the end of its sessions")
        self.assert_error(agent.invoke(b"{}", kept), 404, "ResourceNotFoundException")


class Times(RuntimeCase):
    """Idle and life times, which the API has at 60 s or more: their numbers in the store are made smaller."""

    @classmethod
    def start_daemons(cls):
        daemon = Agentcored(os.path.join(cls.folder, "data"))
        try:
            idle, life = daemon.deploy(), daemon.deploy()
        finally:
            daemon.stop()
        cls.change(idle, "idleRuntimeSessionTimeout", IDLE_S)
        cls.change(life, "maxLifetime", LIFE_S)
        cls.daemon = cls.serve("data")
        cls.idle, cls.life = idle.through(cls.daemon), life.through(cls.daemon)

    @classmethod
    def change(cls, runtime, name, value):
        where = " WHERE kind = 'agent-runtime-version' AND parent = ?"
        db = sqlite3.connect(os.path.join(runtime.daemon.data_dir, "agentcore.db"))
        body = json.loads(db.execute("SELECT body FROM resources" + where, (runtime.id,)).fetchone()[0])
        body["lifecycleConfiguration"][name] = value
        db.execute("UPDATE resources SET body = ?" + where, (json.dumps(body), runtime.id))
        db.commit()
        db.close()

    def setUp(self):
        self.wait_sessions(self.daemon, 0)

    def test_idle(self):
        idle, busy, used = session_id(), session_id(), session_id()
        # Each is made what it is right after its start: that of the next may take as long as one may be idle.
        lives = {busy: self.idle.life(busy)}
        self.idle.do("ping", busy, status="HealthyBusy")
        lives[used] = self.idle.life(used)
        c = self.conn(self.idle, {"do": "stream", "count": 2, "gate": "g"}, used)
        c.read_head()
        started = time.monotonic()
        lives[idle] = self.idle.life(idle)
        self.wait_sessions(self.daemon, 2)
        self.assertGreater(time.monotonic() - started, IDLE_S - 0.1)
        wait_until(lambda: time.monotonic() - started > 2.5 * IDLE_S, "more than twice the idle time")
        self.assertEqual(self.daemon.sessions_now(), 2, "one is busy, one is in use")
        for session in (busy, used):
            self.assertEqual(self.idle.life(session), lives[session])
        c.close()
        self.idle.do("ping", busy, status="Healthy")
        self.wait_sessions(self.daemon, 0)
        self.assertNotEqual(self.idle.life(idle), lives[idle])
        self.assertEqual(self.idle.stop(idle).status, 200)

    def test_life(self):
        session = session_id()
        started = time.monotonic()
        life = self.life.life(session)
        c = self.conn(self.life, {"do": "stream", "count": 2, "gate": "g"}, session)
        c.read_head()
        self.assertTrue(ends_broken(c), "in use or not")
        self.assertGreater(time.monotonic() - started, LIFE_S - 0.2)
        self.assertNotEqual(self.life.life(session), life)
        self.assertEqual(self.life.stop(session).status, 200)


class Warm(RuntimeCase):
    options = ("--warm-sessions", "2")

    def test_pool(self):
        self.assertEqual(self.daemon.sessions_now(), 0, "nobody has asked for any")
        lives = set()
        for used in range(1, 5):
            session = session_id()
            got = self.agent.echo(session)
            self.assertIn(["X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", session], got["headers"])
            lives.add(got["life"])
            self.assertEqual(self.agent.life(session), got["life"])
            self.wait_sessions(self.daemon, used + 2)
        self.assertEqual(len(lives), 4)
        self.daemon.control("DELETE", f"/runtimes/{self.agent.id}/", status=202)
        self.wait_sessions(self.daemon, 0)


class Few(RuntimeCase):
    options = ("--max-sessions", "2")

    def test_room(self):
        sessions = [session_id() for _ in range(3)]
        lives = [self.agent.life(session) for session in sessions]
        self.assertEqual(self.daemon.sessions_now(), 2)
        self.assertEqual(self.agent.life(sessions[2]), lives[2])
        busy = [self.conn(self.agent, {"do": "stream", "count": 1, "gate": "g"}, session) for session in sessions[1:]]
        for c in busy:
            c.read_head()
        self.assert_error(self.agent.invoke(b"{}", sessions[0]), 402, "ServiceQuotaExceededException")
        self.agent.do("open", sessions[1], gate="g")
        self.assertNotEqual(busy[0].read_event(), b"")
        self.assertEqual(busy[0].read_event(), b"")
        self.assertNotEqual(self.agent.life(sessions[0]), lives[0])
        busy[1].close()

    def test_place_of_one_that_has_answered(self):
        for i in range(4):
            self.assertEqual(self.agent.command(f"echo {i}", session_id()), (f"{i}\n", 0))


class Many(RuntimeCase):
    @classmethod
    def start_daemons(cls):
        program = build_path("tests", "echo_agent")
        if not os.path.exists(program):
            raise unittest.SkipTest(f"{program} is not built")
        cls.daemon = cls.serve("data", "--access-log", "off")
        cls.agent = cls.daemon.deploy(cls.daemon.put_image(program, "echo"))
        cls.one_after_another(3 * CLIENTS)  # threads and connections to the store, which stay
        cls.before = cls.settled_footprint(cls.daemon)
        cls.files = cls.daemon.files()

    @classmethod
    def ask(cls, session):
        r = cls.agent.invoke({"prompt": session}, session)
        if r.status != 200 or r.json() != {"prompt": session}:
            raise AssertionError(r)

    @classmethod
    def stop(cls, session):
        r = cls.agent.stop(session)
        if r.status != 200:
            raise AssertionError(r)

    @classmethod
    def one_after_another(cls, count):
        def some(_):
            for _ in range(count // CLIENTS):
                session = session_id()
                cls.ask(session)
                cls.stop(session)

        in_parallel(CLIENTS, some)

    def stop_all(self, sessions):
        """What a test that has failed leaves is not to fail the next."""
        in_parallel(len(sessions), lambda i: self.agent.stop(sessions[i]))

    def assert_clean(self):
        self.assert_nothing_left(self.daemon, self.before)
        wait_until(lambda: self.daemon.files() == self.files, "the files of before")

    def test_at_once(self):
        sessions = [session_id() for _ in range(AT_ONCE)]
        self.addCleanup(self.stop_all, sessions)
        in_parallel(AT_ONCE, lambda i: self.ask(sessions[i]))
        self.assertEqual(self.daemon.sessions_now(), AT_ONCE)
        in_parallel(AT_ONCE, lambda i: self.ask(sessions[i]))
        self.assertEqual(self.daemon.sessions_now(), AT_ONCE)
        in_parallel(AT_ONCE, lambda i: self.stop(sessions[i]))
        self.assert_clean()
        sessions.clear()

    def test_one_after_another(self):
        memory = self.daemon.rss_kb()
        self.one_after_another(IN_TURN)
        self.assert_clean()
        if not self.daemon.sanitized():
            self.assertLess(self.daemon.rss_kb() - memory, 16 << 10)


class End(RuntimeCase):
    @classmethod
    def start_daemons(cls):
        pass

    def start(self):
        daemon = Agentcored(os.path.join(self.folder, self.id()))
        self.addCleanup(daemon.stop)
        return daemon

    @staticmethod
    def alive(pids):
        found = []
        for pid in pids:
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                    found += [pid] if f.read().rsplit(")", 1)[1].split()[0] != "Z" else []
            except OSError:
                pass
        return found

    def test_killed(self):
        daemon = self.start()
        agent = daemon.deploy()
        sessions = [session_id() for _ in range(4)]
        lives = in_parallel(4, lambda i: agent.life(sessions[i]))
        stream = self.conn(agent, {"do": "stream", "count": 1, "gate": "g"}, sessions[0])
        stream.read_head()
        family, groups = daemon.family(), daemon.cgroups()
        self.assertGreaterEqual(len(family), 4 + 2)
        daemon.kill()
        self.assertTrue(ends_broken(stream))
        wait_until(lambda: not self.alive(family), f"the end of all processes: {self.alive(family)}")
        wait_until(lambda: not [g for g in groups if os.path.exists(g)], "the end of all cgroups")
        again = Agentcored(daemon.data_dir)
        self.addCleanup(again.stop)
        agent = agent.through(again)
        self.assertEqual(again.control("GET", f"/runtimes/{agent.id}/")["status"], "READY")
        self.assertEqual(again.sessions_now(), 0)
        self.assert_error(agent.stop(sessions[1]), 404, "ResourceNotFoundException")
        self.assertNotIn(agent.life(sessions[0]), lives)

    def test_its_helper_killed(self):
        """Without what stands between the daemon and its sandboxes there are no sessions, and the daemon says so."""
        daemon = self.start()
        agent = daemon.deploy()
        session = session_id()
        agent.life(session)
        family = [pid for pid in daemon.family() if pid != daemon.pid]
        os.kill(daemon.named("agentcored-spaw")[0], signal.SIGKILL)
        wait_until(lambda: not self.alive(family), "the end of its sessions")
        r = agent.invoke(b"{}", session)
        self.assertIn(r.status, (424, 500, 503), r)
        self.assertEqual(daemon.control("GET", f"/runtimes/{agent.id}/")["status"], "READY")

    def test_drained(self):
        daemon = self.start()
        agent = daemon.deploy()
        sessions = [session_id() for _ in range(3)]
        for session in sessions:
            agent.life(session)
        family, groups = daemon.family(), daemon.cgroups()
        c = self.conn(agent, {"do": "stream", "count": 4, "pause": 0.2}, sessions[0])
        self.assertEqual(c.read_head().status, 200)
        c.read_event()
        daemon.signal(signal.SIGTERM)
        for i in range(1, 4):
            self.assertEqual(json.loads(c.read_event().removeprefix(b"data: "))["event"], i)
        self.assertEqual(c.read_event(), b"", "the stream ends well")
        daemon.finish(0)
        self.assertEqual(self.alive(family), [])
        self.assertEqual([g for g in groups if os.path.exists(g)], [])

    def test_drain_has_an_end(self):
        daemon = Agentcored(os.path.join(self.folder, self.id()), "--drain-timeout", "500ms")
        self.addCleanup(daemon.stop)
        agent = daemon.deploy()
        session = session_id()
        stream = self.conn(agent, {"do": "stream", "count": 1, "gate": "g"}, session)
        stream.read_head()
        ws = self.ws(agent, session)
        family = daemon.family()
        daemon.signal(signal.SIGTERM)
        daemon.finish(0)
        self.assertTrue(ends_broken(stream))
        with self.assertRaises(Closed):
            ws.read_frame()
        self.assertEqual(self.alive(family), [])


if __name__ == "__main__":
    unittest.main()
