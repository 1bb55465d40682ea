"""Agents that misbehave, and what is deployed or called with bad intent: one session suffers, and nobody else."""

import os
import shutil
import time
import unittest
import zipfile

from agentcored import run
from harness import SESSION, Conn, wait_until
from runtime_harness import RuntimeCase, ends_broken, read_frames, session_id

MEMORY_MIB, DISK_MIB, PROCESSES = 192, 16, 48
PIECE = 1 << 16  # of the agent's writing


class LateStart(RuntimeCase):
    options = ("--session-start", "4s")

    def test_never_opens_its_port(self):
        agent = self.daemon.deploy(environment={"AGENT_START": "never"})
        begin = time.monotonic()
        r = agent.invoke(b"{}", session_id())
        self.assert_agent_error(r, "not ready within 4 s", "port 8080", "starting in the way never")
        self.assertGreater(time.monotonic() - begin, 3.9)
        self.wait_sessions(self.daemon, 0)


class FailedStart(RuntimeCase):
    def test_exits_at_once(self):
        agent = self.daemon.deploy(environment={"AGENT_START": "exit"})
        session = session_id()
        for _ in range(2):
            self.assert_agent_error(agent.invoke(b"{}", session), "exited with code 7", "before it was ready",
                                    "there is no configuration for me")
        self.wait_sessions(self.daemon, 0)

    def test_has_no_such_program(self):
        self.daemon.put_zip("broken.zip", {"main.py": b"import nothing_of_this_name\n"})
        agent = self.daemon.deploy(self.daemon.code("broken.zip"))
        self.assert_agent_error(agent.invoke(b"{}", session_id()), "exited with code 1", "nothing_of_this_name")


class Greedy(RuntimeCase):
    options = ("--session-memory", f"{MEMORY_MIB}M", "--session-disk", f"{DISK_MIB}M", "--session-processes",
               str(PROCESSES))

    def setUp(self):
        self.session, self.other = session_id(), session_id()
        self.life, self.others = self.agent.life(self.session), self.agent.life(self.other)
        self.addCleanup(self.agent.stop, self.session)
        self.addCleanup(self.agent.stop, self.other)

    def tearDown(self):
        self.assertEqual(self.agent.life(self.other), self.others, "the other session goes on")

    def test_eats_memory(self):
        self.assert_agent_error(self.agent.invoke({"do": "eat"}, self.session),
                                f"used more memory than its limit of {MEMORY_MIB} MiB", "eating memory")
        self.assertNotEqual(self.agent.life_after_death(self.session), self.life)

    def test_forks_without_end(self):
        got = self.agent.do("fork", self.session)
        self.assertEqual(got["failure"], "EAGAIN")
        self.assertLess(got["made"], PROCESSES)
        got = self.agent.do("fork", self.session, stay=True)
        self.assertEqual((got["failure"], got["life"]), ("EAGAIN", self.life))
        processes = len(self.daemon.family())
        self.assertEqual(self.agent.stop(self.session).status, 200)
        wait_until(lambda: len(self.daemon.family()) <= processes - got["made"], "the end of all that it left")

    def test_fills_its_disk(self):
        for where in ("/tmp", "/home/agent", "/dev/shm"):
            got = self.agent.do("fill", self.session, where=where)
            self.assertEqual(got["failure"], "ENOSPC", where)
            self.assertLessEqual(got["written"], DISK_MIB << 20)
        got = self.agent.do("fill", self.session, where="/tmp", keep=True)
        self.assertEqual(got["failure"], "ENOSPC")
        self.assertEqual(self.agent.command("echo x >/tmp/x && cat /tmp/x", self.other), ("x\n", 0))
        self.assertEqual(self.agent.life(self.session), self.life)

    def test_writes_without_end(self):
        """Nobody reads: the agent has to wait, and what lies between is bounded."""
        memory = self.daemon.rss_kb()
        c = self.agent.open({"do": "flood"}, self.session, receive_buffer=4096)
        self.addCleanup(c.close)
        c.read_head()

        def written():
            return self.agent.do("state", self.session)["written"]

        last = [0, 0]

        def stuck():
            last[0], last[1] = last[1], written()
            time.sleep(0.05)
            return last[1] and last[0] == last[1] == written()

        wait_until(stuck, "the agent to be held back")
        self.assertLess(written(), 64 << 20)
        if not self.daemon.sanitized():
            self.assertLess(self.daemon.rss_kb() - memory, 16 << 10)
        c.read_exactly(1 << 20)
        c.close()
        wait_until(lambda: self.agent.do("state", self.session)["gone"] == 1, "the agent to be told")

    def test_dies_in_the_middle_of_a_stream(self):
        c = self.conn(self.agent, {"do": "stream", "count": 3, "die": 1}, self.session)
        self.assertEqual(c.read_head().status, 200)
        self.assertTrue(ends_broken(c))
        self.assertNotEqual(self.agent.life_after_death(self.session), self.life)

    def test_ends_while_nobody_asks(self):
        self.assertIn("python3", self.agent.command("cat /proc/2/comm", self.session)[0])
        self.agent.invoke({"command": "kill -9 2"}, self.session, path="/commands")
        self.assertNotEqual(self.agent.life_after_death(self.session), self.life)


class Commands(RuntimeCase):
    def test_both_outputs_and_time(self):
        session = session_id()
        r = self.agent.invoke({"command": "echo out; echo err >&2; exit 5"}, session, path="/commands")
        events = [event for _, event in read_frames(r.body)]
        self.assertIn({"contentStart": {}}, events)
        said = {}
        for event in events:
            for name, text in event.get("contentDelta", {}).items():
                said[name] = said.get(name, "") + text
        self.assertEqual(said, {"stdout": "out\n", "stderr": "err\n"})
        self.assertEqual(events[-1], {"contentStop": {"exitCode": 5, "status": "COMPLETED"}})
        r = self.agent.invoke({"command": "sleep 600", "timeout": 1}, session, path="/commands")
        self.assertEqual(read_frames(r.body)[-1][1], {"contentStop": {"exitCode": -1, "status": "TIMED_OUT"}})
        for body in ({"command": "true", "timeout": 0}, {"command": "true", "timeout": 3601}, {"command": ""}, {}):
            self.assert_error(self.agent.invoke(body, session, path="/commands"), 400, "ValidationException")

    def test_client_of_a_silent_command_vanishes(self):
        session = session_id()

        def runs():
            return "sleep" in self.agent.command("cat /proc/[0-9]*/comm", session)[0]

        self.assertFalse(runs())
        with Conn(self.daemon.port) as c:
            self.agent._send(c, {"command": "exec sleep 600"}, session, (), (), None, "/commands")
            wait_until(runs, "the command to run")
        wait_until(lambda: not runs(), "the command to be killed")


class Deployed(RuntimeCase):
    """What is refused, with a reason, and leaves nothing behind."""

    @classmethod
    def start_daemons(cls):
        cls.daemon = cls.serve("data")
        cls.agent = cls.daemon.deploy()

    def refused(self, artifact, *words, keeps=False):
        before = self.daemon.files()
        made = self.daemon.create(artifact)
        found = self.daemon.wait_deployed(made["agentRuntimeId"])
        self.assertEqual(found["status"], "CREATE_FAILED", found)
        for word in words:
            self.assertIn(word, found["failureReason"])
        self.assertTrue(keeps or self.daemon.files() == before, self.daemon.files() - before)
        r = self.daemon.call("POST", f"/runtimes/{made['agentRuntimeId']}/invocations", b"{}",
                             [("accountId", "123456789012")], {SESSION: session_id()})
        self.assert_error(r, 400, "ValidationException", "CREATE_FAILED", *words)

    def test_zips(self):
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        for name, files, words in [
            ("up.zip", {"main.py": b"", "../up": b"x"}, ["../up"]),
            ("root.zip", {"main.py": b"", "/etc/cron.d/x": b"x"}, ["/etc/cron.d/x"]),
            ("link.zip", {"main.py": b"", "link": (link, "/etc/passwd")}, ["link"]),
            ("bomb.zip", {"main.py": bytes(300 << 20)}, ["main.py"]),
        ]:
            with self.subTest(name):
                self.daemon.put_zip(name, files)
                self.refused(self.daemon.code(name), *words)
        self.daemon.put_zip("other.zip", {"other.py": b""})
        self.refused(self.daemon.code("other.zip"), "main.py", keeps=True)  # a good one, for another entry point
        with open(self.daemon.put_zip("junk.zip", {}), "wb") as f:
            f.write(os.urandom(10000))
        self.refused(self.daemon.code("junk.zip"), "zip")
        self.refused(self.daemon.code("nowhere.zip"), "nowhere.zip", "buckets")

    def test_images(self):
        for uri in ("nothing:latest", "../../etc:latest", "no thing"):
            with self.subTest(uri):
                r = self.daemon.call("PUT", "/runtimes/", {
                    "agentRuntimeName": f"image_{abs(hash(uri))}",
                    "agentRuntimeArtifact": {"containerConfiguration": {"containerUri": uri}},
                    "roleArn": "arn:aws:iam::123456789012:role/agent",
                    "networkConfiguration": {"networkMode": "PUBLIC"},
                })
                if r.status == 400:
                    self.assert_error(r, 400, "ValidationException")
                    continue
                found = self.daemon.wait_deployed(r.json()["agentRuntimeId"])
                self.assertEqual(found["status"], "CREATE_FAILED", found)

    def test_session_ids(self):
        """Whatever may be in a header, a session id is a name and no more."""
        before = self.daemon.files()
        for session in ("../" * 12, "a b" * 12, "%2e%2e%2f" * 4, "'; DROP TABLE sessions; --" * 2, '{"a": "b"}' * 4,
                        "\x80\xff" * 20, "/" * 256):
            r = self.agent.invoke(b"{}", session)
            self.assertIn(r.status, (200, 400), (session, r))
            if r.status == 200:
                self.assertEqual(r.header(SESSION), session.encode().decode("latin-1"))
                self.assertEqual(self.agent.stop(session).status, 200)
            else:
                self.assert_error(r, 400, "ValidationException")
        self.assertEqual(self.daemon.files(), before)


class Logs(RuntimeCase):
    def test_kept_and_readable(self):
        first, second = session_id(), session_id()
        for session, text in ((first, "from the first"), (second, "from the second")):
            self.agent.do("chatter", session, lines=150, text=text)
            self.agent.stop(session)

        def logs(*options):
            code, out, errors = run("logs", "--data-dir", self.daemon.data_dir, self.agent.id, *options)
            self.assertEqual(code, 0, errors)
            return out.splitlines()

        wait_until(lambda: any("from the second 149" in line for line in logs()), "the last line")
        self.assertEqual(len(logs()), 100)
        of_first = logs("--session", first)
        self.assertTrue(any(line.endswith("from the first 149") for line in of_first))
        self.assertFalse([line for line in of_first if "second" in line or first not in line])
        self.assertIn(self.agent.id, run("logs", "--data-dir", self.daemon.data_dir)[1])
        for folder, _, names in os.walk(os.path.join(self.daemon.data_dir, "logs")):
            for name in names:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o077, 0)


@unittest.skipUnless(shutil.which("node", path="/usr/local/bin:/usr/bin"), "there is no Node.js")
class Node(RuntimeCase):
    AGENT = b"""
import { createServer } from "node:http";
import { greeting } from "./greeting.js";

createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(request.url === "/ping" ? { status: "Healthy" } : { said: greeting + body }));
  });
}).listen(8080, "0.0.0.0");
"""

    @classmethod
    def start_daemons(cls):
        cls.daemon = cls.serve("data")
        cls.daemon.put_zip("node.zip", {"package.json": b'{"type": "module"}', "index.js": cls.AGENT,
                                        "greeting.js": b'export const greeting = "Hello, ";'})
        where = {"s3": {"bucket": "code", "prefix": "node.zip"}}
        cls.agent = cls.daemon.deploy(
            {"codeConfiguration": {"code": where, "runtime": "NODE_22", "entryPoint": ["index.js"]}})

    def test_answers(self):
        r = self.agent.invoke(b"Node", session_id(), {"Content-Type": "text/plain"})
        self.assertEqual((r.status, r.json()), (200, {"said": "Hello, Node"}))


if __name__ == "__main__":
    unittest.main()
