"""Interpreters and their sessions: the control plane, times, lists, ends; and what is left of sessions: nothing."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import uuid

from agentcored import run
from code_harness import BUILTIN, OPEN_NETWORK, CodeCase, Conn, Failed, Session, check, unittest
from harness import DEADLINE, build_path, wait_until
from runtime_harness import in_parallel

ISO = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"
ONE_AFTER_ANOTHER = int(os.environ.get("CODE_SESSIONS", "60"))  # in a row; 10000 takes minutes
AT_ONCE = int(os.environ.get("CODE_SESSIONS_AT_ONCE", "40"))


class Interpreters(CodeCase):
    def create(self, status=202, **more):
        body = {"name": f"i_{uuid.uuid4().hex[:12]}", "networkConfiguration": {"networkMode": "SANDBOX"}, **more}
        r = self.daemon.call("PUT", "/code-interpreters", body)
        self.assertEqual(r.status, status, r)
        return r.json(), body["name"]

    def get(self, interpreter):
        return check(self.daemon.call("GET", f"/code-interpreters/{interpreter}")).json()

    def list(self, **query):
        pairs = [(name, str(value)) for name, value in query.items()]
        return check(self.daemon.call("POST", "/code-interpreters", b"", query=pairs)).json()

    def test_life(self):
        made, name = self.create(description="words", executionRoleArn="arn:aws:iam::123456789012:role/r",
                                 tags={"a": "b"})
        self.assertRegex(made["codeInterpreterId"], f"^{name}-[a-zA-Z0-9]{{10}}$")
        self.assertRegex(made["codeInterpreterArn"],
                         "^arn:aws:bedrock-agentcore:us-west-2:123456789012:code-interpreter-custom/" + name)
        self.assertRegex(made["createdAt"], ISO)
        self.assertEqual(made["status"], "READY")
        got = self.get(made["codeInterpreterId"])
        self.assertEqual({k: got[k] for k in ("name", "description", "executionRoleArn", "networkConfiguration")},
                         {"name": name, "description": "words", "executionRoleArn": "arn:aws:iam::123456789012:role/r",
                          "networkConfiguration": {"networkMode": "SANDBOX"}})
        gone = check(self.daemon.call("DELETE", f"/code-interpreters/{made['codeInterpreterId']}"), 202).json()
        self.assertEqual(gone["status"], "DELETING")
        self.assert_fails("ResourceNotFoundException", self.get, made["codeInterpreterId"])
        r = self.daemon.call("DELETE", f"/code-interpreters/{made['codeInterpreterId']}")
        self.assert_error(r, 404, "ResourceNotFoundException")

    def test_names_are_taken(self):
        _, name = self.create()
        self.assert_error(self.daemon.call("PUT", "/code-interpreters", {
            "name": name, "networkConfiguration": {"networkMode": "PUBLIC"}}), 409, "ConflictException")

    def test_client_token(self):
        token = {"clientToken": str(uuid.uuid4()), "name": f"i_{uuid.uuid4().hex[:8]}"}
        first, _ = self.create(**token)
        again, _ = self.create(**token)
        self.assertEqual(first, again)
        self.assert_error(self.daemon.call("PUT", "/code-interpreters", {
            **token, "networkConfiguration": {"networkMode": "PUBLIC"}}), 400, "ValidationException")

    def test_bad_input(self):
        arn = "arn:aws:elasticfilesystem:us-west-2:123456789012:"
        efs = {"accessPointArn": f"{arn}access-point/fsap-12345678", "fileSystemArn": f"{arn}file-system/fs-12345678",
               "mountPath": "/mnt/x"}
        for body in ({}, {"name": "1x"}, {"networkConfiguration": {"networkMode": "OTHER"}},
                     {"networkConfiguration": {}}, {"filesystemConfigurations": [{"efsConfiguration": efs}]}):
            whole = {"name": "x", "networkConfiguration": {"networkMode": "SANDBOX"}, **body} if body else {}
            self.assert_error(self.daemon.call("PUT", "/code-interpreters", whole), 400, "ValidationException")

    def test_builtin(self):
        got = self.get(BUILTIN)
        self.assertEqual((got["status"], got["networkConfiguration"]), ("READY", {"networkMode": "PUBLIC"}))
        self.assert_error(self.daemon.call("DELETE", f"/code-interpreters/{BUILTIN}"), 403, "AccessDeniedException")

    def test_list(self):
        made = [self.create()[0]["codeInterpreterId"] for _ in range(3)]
        for kind in ({}, {"type": "CUSTOM"}):
            for size in (1, 2, 100):
                found, token, pages = [], None, 0
                while pages == 0 or token:
                    page = self.list(maxResults=size, **kind, **({"nextToken": token} if token else {}))
                    self.assertLessEqual(len(page["codeInterpreterSummaries"]), size)
                    found += [entry["codeInterpreterId"] for entry in page["codeInterpreterSummaries"]]
                    token, pages = page.get("nextToken"), pages + 1
                self.assertEqual(len(set(found)), len(found))
                self.assertEqual({i for i in found if i in made}, set(made))
                self.assertEqual(BUILTIN in found, not kind)
        system = self.list(type="SYSTEM")["codeInterpreterSummaries"]
        self.assertEqual([entry["codeInterpreterId"] for entry in system], [BUILTIN])
        self.assert_fails("ValidationException", self.list, nextToken="garbage")

    def test_delete_ends_sessions(self):
        interpreter = self.interpreter()
        s = Session(self.daemon, interpreter)
        s.run("1")
        check(self.daemon.call("DELETE", f"/code-interpreters/{interpreter}"), 202)
        wait_until(lambda: self.ended(s), "the session's end")
        self.assert_fails("ResourceNotFoundException", s.get)

    @staticmethod
    def ended(s):
        try:
            s.run("1")
        except Failed:
            return True
        return False


class Sessions(CodeCase):
    options = ("--code-warm", "1")

    def list(self, interpreter, **body):
        return check(self.daemon.call("POST", f"/code-interpreters/{interpreter}/sessions/list", body)).json()

    def test_life(self):
        s = self.session(name="mine", sessionTimeoutSeconds=60)
        self.assertRegex(s.id, "^[0-9a-zA-Z]{1,40}$")
        self.assertRegex(s.started["createdAt"], ISO)
        self.assertEqual(s.get(), {"codeInterpreterIdentifier": s.interpreter, "sessionId": s.id, "name": "mine",
                                   "createdAt": s.started["createdAt"], "sessionTimeoutSeconds": 60, "status": "READY"})
        stopped = s.stop()
        self.assertRegex(stopped["lastUpdatedAt"], ISO)
        self.assertEqual(s.get()["status"], "TERMINATED")
        self.assert_fails("ConflictException", s.stop)

    def test_defaults(self):
        got = self.session().get()
        self.assertEqual(got["sessionTimeoutSeconds"], 900)
        self.assertNotIn("name", got)

    def test_stop_with_a_token(self):
        s = self.session()
        token = str(uuid.uuid4())
        first = s.stop(clientToken=token)
        self.assertEqual(s.stop(clientToken=token), first)
        self.assert_fails("ConflictException", s.stop, clientToken=str(uuid.uuid4()))

    def test_start_with_a_token(self):
        token, before = str(uuid.uuid4()), self.daemon.sessions_now()
        first = self.session(clientToken=token)
        again = Session(self.daemon, first.interpreter, clientToken=token)
        self.assertEqual(again.started, first.started)
        again.run("x = 1")
        self.assertEqual(first.run("x").stdout, "1\n")
        self.assertGreater(self.daemon.sessions_now(), 0, before)
        self.assert_fails("ValidationException", self.session, clientToken=token, name="other")

    def test_list(self):
        interpreter = self.interpreter()
        self.assertEqual(self.list(interpreter), {"items": []})
        started = [self.session(interpreter, name=f"n{i}") for i in range(4)]
        ids = [s.id for s in reversed(started)]
        items = self.list(interpreter)["items"]
        self.assertEqual([i["sessionId"] for i in items], ids)
        self.assertEqual(items[0]["name"], "n3")
        self.assertRegex(items[0]["createdAt"], ISO)
        self.assertRegex(items[0]["lastUpdatedAt"], ISO)
        started[1].stop()
        ready = self.list(interpreter, status="READY")["items"]
        self.assertEqual([i["sessionId"] for i in ready], [i for i in ids if i != started[1].id])
        over = self.list(interpreter, status="TERMINATED")["items"]
        self.assertEqual([(i["sessionId"], i["status"]) for i in over], [(started[1].id, "TERMINATED")])
        found, token = [], None
        for _ in range(4):
            page = self.list(interpreter, maxResults=1, **({"nextToken": token} if token else {}))
            found += [i["sessionId"] for i in page["items"]]
            token = page.get("nextToken")
        self.assertEqual((found, token), (ids, None))
        self.assert_fails("ValidationException", self.list, interpreter, nextToken="garbage")
        self.assert_fails("ResourceNotFoundException", self.list, "other-0123456789")

    def test_times(self):
        """A session's time counts from its start, used or not; also of one that was started in advance."""
        self.session().run("1")
        s = self.session(sessionTimeoutSeconds=1)
        begun = time.monotonic()
        with self.assertRaises(Failed) as caught:
            while time.monotonic() - begun < DEADLINE:
                s.run("import time; time.sleep(0.2)")
        self.assertLess(time.monotonic() - begun, DEADLINE)
        self.assertIn(caught.exception.name, ("ConflictException", "ResourceNotFoundException"), caught.exception)
        wait_until(lambda: s.get()["status"] == "TERMINATED", "the row")
        for seconds in (0, 28801):
            self.assert_fails("ValidationException", self.session, sessionTimeoutSeconds=seconds)

    def test_bad_input(self):
        for path, body in (("aws.codeinterpreter.v2/sessions/start", {}), ("x/sessions/start", {}),
                           ("a%2Fb/sessions/start", {})):
            r = self.daemon.call("PUT", f"/code-interpreters/{path}", body)
            self.assertIn(r.status, (400, 404), r)
        self.assert_fails("ValidationException", self.session, name="")

    def test_a_session_that_ends_itself(self):
        s = self.session()
        with self.assertRaises(Failed) as caught:
            s.run("import os, time\nfor p in map(int, filter(str.isdigit, os.listdir('/proc'))):\n"
                  "    if p not in (1, os.getpid()): os.kill(p, 9)\ntime.sleep(5)")
        self.assertEqual(caught.exception.name, "ConflictException", caught.exception)
        wait_until(lambda: s.get()["status"] == "TERMINATED", "the row")

    def test_end_whose_news_is_late(self):
        """On a busy machine it comes some time after the call has broken off; the answer waits for it."""
        s = self.session()
        s.run("1")
        teller = self.daemon.named("agentcored-spaw")[0]
        os.kill(teller, signal.SIGSTOP)
        try:
            conn = Conn(self.daemon.port)
            self.addCleanup(conn.close)
            s.send(conn, "executeCommand", command="kill -9 -1")
            self.assertFalse(conn.readable(1.5), "an answer without the news")
        finally:
            os.kill(teller, signal.SIGCONT)
        self.assert_fails("ConflictException", check, conn.read_response())

    def test_accounts(self):
        """A session belongs to the account that started it, the built-in interpreter's, too."""
        s = self.session()
        theirs = self.daemon.keys
        code, out, errors = run("keys", "add", "--account", "210987654321", "--json",
                                "--data-dir", self.daemon.data_dir)
        self.assertEqual(code, 0, errors)
        key = json.loads(out)
        try:
            wait_until(lambda: self.seen_by(key, s), "the daemon to know the key")
        finally:
            self.daemon.keys = theirs

    def seen_by(self, key, s):
        """Whether the other account's key is known by now, and its call is answered as one for what is not there."""
        self.daemon.keys = key["accessKeyId"], key["secretAccessKey"]
        try:
            s.run("1")
        except Failed as e:
            if e.name == "ResourceNotFoundException":
                return True
            return False
        self.fail("another account has run code in this session")


class Few(CodeCase):
    options = ("--max-sessions", "1")

    def test_place_of_one_that_has_answered(self):
        """Whoever has an answer is no user of the session any more, which makes room then."""
        for i in range(8):
            s = self.session()
            self.assertEqual((s.shell(f"echo {i}") if i % 2 else s.run(f"print({i})")).stdout, f"{i}\n")


@unittest.skipUnless(OPEN_NETWORK, "there is no /dev/net/tun")
class Packages(CodeCase):
    def test_pip_gets_as_far_as_the_network(self):
        """There is no index that a test could reach: private addresses are refused by design.  So this shows that pip
        runs, installs into the home what it is given, and asks the network for the rest."""
        s = self.session(BUILTIN)
        if s.shell("pip --version").code:
            self.skipTest("pip is not installed")
        s.write_all({"p/pyproject.toml": "", "p/setup.py": "from setuptools import setup\n"
                     "setup(name='own-package', version='1', py_modules=['own_package'])",
                     "p/own_package.py": "value = 42\n"})
        r = s.shell("pip install --no-build-isolation --no-index ./p")
        if "No module named" not in r.stderr and not r.code:
            self.assertEqual(s.run("import own_package; own_package.value").stdout, "42\n")
        r = s.shell("pip install --retries 0 --timeout 2 --index-url http://203.0.113.1/simple no-such-package")
        self.assertTrue(r.error)
        self.assertRegex(r.stdout + r.stderr, "(?i)retry|connection|timed out|unreachable|no matching distribution")


class Many(CodeCase):
    options = ("--code-warm", "2", "--max-sessions", "300", "--session-memory", "256M")

    def one(self, i):
        with Session(self.daemon, self.closed()) as s:
            self.assertEqual(s.run(f"x = {i}\nx").stdout, f"{i}\n")

    def settle(self):
        """Until what is there is what stays: the sandboxes that are kept started."""
        wait_until(lambda: (self.daemon.sessions_now(), len(self.daemon.named("python3"))) == (2, 4),
                   "the sandboxes kept started, each with a kernel and its parent")

    def test_at_once(self):
        self.one(0)
        sessions = in_parallel(AT_ONCE, lambda i: Session(self.daemon, self.closed()))
        try:
            in_parallel(AT_ONCE, lambda i: sessions[i].run(f"x = {i}"))
            found = in_parallel(AT_ONCE, lambda i: sessions[i].run("x").stdout)
            self.assertEqual(found, [f"{i}\n" for i in range(AT_ONCE)])
        finally:
            in_parallel(AT_ONCE, lambda i: sessions[i].stop())
        self.settle()

    def test_nothing_is_left(self):
        for i in range(4):
            self.one(i)
        self.settle()
        before, files = self.daemon.footprint(), self.daemon.files()
        for i in range(ONE_AFTER_ANOTHER):
            self.one(i)
        self.settle()
        after = self.daemon.footprint()
        self.assertEqual(len(after["processes"]), len(before["processes"]))
        self.assertEqual(after["cgroups"], before["cgroups"])
        self.assertEqual(after["mounts of the machine"], before["mounts of the machine"])
        for what in ("mounts", "descriptors"):  # of the same processes, in the order of their making
            now, then = (list(dict(sorted(found[what].items())).values()) for found in (after, before))
            self.assertEqual(len(now), len(then))
            for a, b in zip(now, then):
                self.assertLessEqual(a, b + (24 if what == "descriptors" else 1), what)
        self.assertEqual(self.daemon.files(), files)


class Killed(CodeCase):
    def test_nothing_survives(self):
        s = Session(self.daemon, self.closed(), sessionTimeoutSeconds=600)
        s.shell("nohup setsid sleep 6000 >/dev/null 2>&1 &")
        family = set(self.daemon.family()) - {self.daemon.pid}
        self.assertGreater(len(family), 4)
        os.kill(self.daemon.pid, signal.SIGKILL)
        self.daemon.process.wait()
        wait_until(lambda: not [pid for pid in family if os.path.exists(f"/proc/{pid}") and not self.is_zombie(pid)],
                   "the end of all that it has started")
        self.daemon.finish(code=None)
        again = self.serve("data")
        s.daemon = again
        self.assertEqual(s.get()["status"], "TERMINATED")
        self.assert_fails("ConflictException", s.run, "1")
        self.assertEqual(Session(again, s.interpreter).run("1").stdout, "1\n")

    @staticmethod
    def is_zombie(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                return f.read().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True


class KernelParent(unittest.TestCase):
    def test_end_of_the_supervisor(self):
        """It is no failure, of which a traceback would be the session's last words."""
        ours, theirs = socket.socketpair()
        with ours, theirs, subprocess.Popen([sys.executable, "-c", "import os, sys; os.dup2(int(sys.argv[1]), 3); "
                                             "os.execv(sys.executable, [sys.executable, sys.argv[2]])",
                                             str(theirs.fileno()), build_path("guest", "kernel.py")],
                                            pass_fds=[theirs.fileno()], stderr=subprocess.PIPE) as parent:
            theirs.close()
            self.assertTrue(select.select([ours], [], [], DEADLINE)[0], "it has not loaded")
            ours.close()  # without having read what it says
            self.assertEqual((parent.communicate(timeout=DEADLINE)[1], parent.returncode), (b"", 0))


if __name__ == "__main__":
    unittest.main()
