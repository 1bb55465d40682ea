"""Two daemons on one PostgreSQL: a code interpreter's session is used, shown and stopped through either."""

import os
import signal
import unittest

from code_harness import CodeCase, Session, check
from harness import wait_until

STORE = os.environ.get("AC_TEST_POSTGRES")


class Peers(CodeCase):
    @classmethod
    def setUpClass(cls):
        if not STORE:
            raise unittest.SkipTest("PostgreSQL is not installed")
        super().setUpClass()

    @classmethod
    def start_daemons(cls):
        cls.daemon = cls.serve("first", "--store", STORE)
        cls.second = cls.serve("second", "--store", STORE)

    def through(self, daemon, s):
        """The same session, called through another daemon."""
        other = object.__new__(Session)
        other.daemon, other.interpreter, other.started, other.id = daemon, s.interpreter, s.started, s.id
        return other

    def test_one_session(self):
        s = self.session(name="mine")
        other = self.through(self.second, s)
        s.run("x = 41")
        self.assertEqual(other.run("x + 1").stdout, "42\n")
        data = os.urandom(3 << 20)
        other.write_all({"a": data})
        self.assertEqual(s.read("a"), {"a": data})
        self.assertEqual(other.get(), s.get())
        self.assertEqual(other.stop()["sessionId"], s.id)
        wait_until(lambda: s.get()["status"] == "TERMINATED", "the row")
        for each in (s, other):
            self.assert_fails("ConflictException", each.run, "1")
            self.assert_fails("ConflictException", each.stop)

    def test_interpreters_and_lists(self):
        s = self.session()
        other = check(self.second.call("POST", f"/code-interpreters/{s.interpreter}/sessions/list", {})).json()
        self.assertIn(s.id, [item["sessionId"] for item in other["items"]])
        self.assertEqual(check(self.second.call("GET", f"/code-interpreters/{s.interpreter}")).json()["status"], "READY")

    def test_daemon_that_is_killed(self):
        third = self.serve("third", "--store", STORE)
        s = Session(third, self.closed())
        s.run("1")
        os.kill(third.pid, signal.SIGKILL)
        third.process.wait()
        third.finish(code=None)
        other = self.through(self.second, s)
        self.assertEqual(other.get()["sessionId"], s.id)
        wait_until(lambda: self.ended(other), "the lease to end", 60)

    @staticmethod
    def ended(s):
        try:
            s.run("1")
        except Exception as e:
            return getattr(e, "name", "") == "ConflictException"
        return False


if __name__ == "__main__":
    unittest.main()
