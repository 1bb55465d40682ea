"""Python in the code interpreter, over signed HTTP: values, figures, interruptions, a system of one's own, and what
happens to code that does not behave."""

import re
import shutil
import signal
import subprocess
import sys
import time

from code_harness import CodeCase, Conn, Result, check, os, read_frames, unittest
from harness import DEADLINE, wait_until

HAS_MATPLOTLIB = os.path.exists("/usr/lib/python3/dist-packages/matplotlib")
PNG = "iVBORw0KGgo"  # how base64 of one begins


class Python(CodeCase):
    options = ("--code-output", "4096")

    def test_print(self):
        r = self.session().run("print(1)")
        self.assertEqual(r.events, [{
            "content": [{"type": "text", "text": "1"}],
            "structuredContent": {"stdout": "1\n", "stderr": "", "exitCode": 0,
                                  "executionTime": r.structured["executionTime"]},
            "isError": False,
        }])
        self.assertLess(r.structured["executionTime"], DEADLINE)

    def test_variables_stay(self):
        s = self.session()
        s.run("x = 41\ndef f(): return x + 1")
        self.assertEqual(s.run("f()").stdout, "42\n")

    def test_last_expression(self):
        s = self.session()
        for code, shown in (("1 + 1", "2\n"), ("'a'", "'a'\n"), ("None", ""), ("x = 3", ""), ("x;", ""), ("_", "'a'\n"),
                            ("print('p')\n[1, 2]", "p\n[1, 2]\n"), ("", ""), ("# only words", "")):
            with self.subTest(code=code):
                self.assertEqual(s.run(code).stdout, shown)

    def test_code_with_a_margin(self):
        s = self.session()
        for code, shown in (("\n        x = 1\n        for i in range(2):\n            print(i)\n    ", "0\n1\n"),
                            ("    # words\n    1 + 1", "2\n"), ("\t\n\tif x:\n\t\tx\n", ""), ("  # w\nx", "1\n"),
                            ("x = '''\n  a'''\nx", "'\\n  a'\n"), ("   ", ""), ("    'a'\\\n'b'", "'ab'\n")):
            with self.subTest(code=code):
                self.assertEqual(s.run(code).stdout, shown)
        self.assertRegex(s.run("\n    if x:\n        1 / 0").stderr, r'line 3, in <module>\n    1 / 0\n')
        self.assertIn("IndentationError", s.run("  x\n    x").stderr)

    def test_clear_context(self):
        s = self.session()
        s.run("x = 1")
        self.assertFalse(s.run("# Context cleared", clearContext=True).error)
        r = s.run("x")
        self.assertTrue(r.error)
        self.assertIn("NameError", r.stderr)

    def test_traceback(self):
        r = self.session().run("def f():\n    return 1 / 0\n\nprint('before')\nf()")
        self.assertTrue(r.error)
        self.assertEqual(r.code, 1)
        self.assertEqual(r.stdout, "before\n")
        self.assertRegex(r.stderr, r'(?s)^Traceback .*File "<cell 1>", line 5.*    f\(\)\n.*line 2, in f\n'
                                   r'    return 1 / 0\n.*ZeroDivisionError: division by zero\n$')
        self.assertNotIn("kernel.py", r.stderr)
        self.assertTrue(r.text.startswith("before\nTraceback"))

    def test_syntax_error(self):
        s = self.session()
        self.assertRegex(s.run("def f(:\n  pass").stderr, r'(?s)File "<cell 1>", line 1.*SyntaxError')
        self.assertEqual(s.run("1").stdout, "1\n")

    def test_exceptions_that_cause_others(self):
        r = self.session().run("try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e")
        self.assertRegex(r.stderr, r"(?s)KeyError.*direct cause.*ValueError: b")
        self.assertNotIn("kernel.py", r.stderr)

    def test_exit(self):
        s = self.session()
        s.run("x = 1")
        for code, number in (("import sys; sys.exit(3)", 3), ("exit()", 0), ("raise SystemExit('words')", 1)):
            r = s.run(code)
            self.assertEqual((r.code, r.error), (number, number != 0), r)
        self.assertEqual(s.run("x").stdout, "1\n")

    def test_await(self):
        r = self.session().run("import asyncio\nawait asyncio.sleep(0)\nasync def f(): return 5\nawait f()")
        self.assertEqual(r.stdout, "5\n")

    def test_error_output(self):
        r = self.session().run("import sys; _ = sys.stderr.write('e'); print('o')")
        self.assertEqual((r.stdout, r.stderr, r.error), ("o\n", "e", False))
        self.assertEqual(r.text, "o")

    def test_children_are_reaped(self):
        s = self.session()
        r = s.run("import subprocess\nprint(subprocess.run(['sh', '-c', 'echo child; exit 3'], text=True))\n"
                  "print(subprocess.check_output(['echo', 'x']))")
        self.assertEqual(r.stdout, "child\nCompletedProcess(args=['sh', '-c', 'echo child; exit 3'], returncode=3)\n"
                                   "b'x\\n'\n")
        s.run("import os\nfor i in range(20):\n    if os.fork() == 0: os._exit(0)\nfor i in range(20): os.wait()")
        self.assertNotIn("defunct", s.shell("ps -ef").stdout)

    def test_child_that_comes_back(self):
        s = self.session()
        self.assertEqual(s.run("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('p' if pid else 'c')")
                         .stdout, "c\np\n")
        self.assertEqual(s.run("2").stdout, "2\n")

    def test_binary_output(self):
        s = self.session()
        r = s.run("import sys\n_ = sys.stdout.buffer.write(bytes(range(256)))")
        self.assertIn("\ufffd", r.stdout)
        self.assertIn("\x00\x01", r.stdout)
        self.assertEqual(s.run("'\\ud800'").stdout, "'\\ud800'\n")
        s.run("print('\\ud800')")
        self.assertEqual(s.run("print('é')").stdout, "é\n")

    def test_code_that_closes_its_pipes(self):
        s = self.session()
        for code in ("import os; os.close(1); os.close(2)", "import sys; sys.stdout.close(); sys.stderr.close()",
                     "import sys; sys.stdout = None; del sys.stderr", "import os; os.dup2(0, 1)"):
            with self.subTest(code=code):
                s.run(code)
                r = s.run("import sys; print('out'); print('err', file=sys.stderr)")
                self.assertEqual((r.stdout, r.stderr), ("out\n", "err\n"))

    def test_code_whose_pipes_do_not_wait(self):
        s = self.session()
        s.run("import os; os.set_blocking(1, False); os.set_blocking(2, False)")
        self.assertEqual(s.run("os.get_blocking(1), os.get_blocking(2)").stdout, "(True, True)\n")

    def test_code_that_closes_everything(self):
        s = self.session()
        r = s.run("import os; os.closerange(0, 4096)")
        self.assertTrue(r.error)
        self.assertIn("lost", r.stderr)
        self.assertEqual(s.run("print(2)").stdout, "2\n")

    def test_lost_kernel(self):
        s = self.session()
        s.run("x = 1")
        for code in ("import os; os._exit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
                     "import ctypes; ctypes.string_at(0)",
                     "import os, time\nif os.fork() == 0: time.sleep(60)\nos._exit(3)"):
            with self.subTest(code=code):
                r = s.run("print('said', flush=True)\n" + code)
                self.assertTrue(r.error)
                self.assertEqual(r.stdout, "said\n")
                self.assertIn("The interpreter was lost", r.stderr)
                self.assertEqual(s.run("print('again')").stdout, "again\n")

    def test_client_that_leaves(self):
        s = self.session()
        conn = Conn(self.daemon.port)
        s.send(conn, "executeCode", code="x = 1\nimport time\ntime.sleep(60)")
        wait_until(lambda: s.invoke("getTask", taskId="1").error, "the daemon")
        conn.reset()
        begun = time.monotonic()
        r = s.run("print('mine')")  # its turn comes when the other is interrupted
        self.assertEqual(r.stdout, "mine\n")
        self.assertLess(time.monotonic() - begun, DEADLINE)

    def test_client_that_leaves_before_the_last_words(self):
        """What code says when it is interrupted for want of a client is nobody's, and least of all the next call's."""
        s = self.session()
        conn = Conn(self.daemon.port)
        s.send(conn, "executeCode", code="import sys, time\nx = 1\nopen('begun', 'w').close()\n"
               "try: time.sleep(60)\nexcept KeyboardInterrupt: print('o' * 200000); print('e', file=sys.stderr)")
        wait_until(lambda: s.shell("test -e begun").code == 0, "the code")
        conn.reset()
        r = s.run("print(x)")
        self.assertEqual((r.stdout, r.stderr), ("1\n", ""))

    def test_output_is_cut(self):
        r = self.session().run("print('x' * 100000)")
        self.assertEqual(r.stdout, "x" * 4096)
        self.assertIn("[standard output was cut after 4096 bytes]", r.stderr)
        self.assertFalse(r.error)

    def test_calls_take_turns(self):
        s = self.session()
        conns = []
        for i in range(3):
            conn = Conn(self.daemon.port)
            self.addCleanup(conn.close)
            s.send(conn, "executeCode", code=f"import time\nx = {i}\ntime.sleep(0.2)\nprint(x)")
            conns.append(conn)
        for i, conn in enumerate(conns):
            self.assertEqual(Result(read_frames(check(conn.read_response()).body)).stdout, f"{i}\n")

    def test_streamed_output(self):
        s = self.session()
        s.run("import os, time")
        with Conn(self.daemon.port) as conn:
            s.send(conn, "executeCode", [("X-Agentcored-Output", "stream")],
                   code="print('first')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('second')")
            conn.read_head()
            (_, first), = read_frames(conn.read_chunk())
            self.assertEqual(first, {"content": [{"type": "text", "text": "first\n"}],
                                     "structuredContent": {"stdout": "first\n"}, "isError": False})
            s.write(go="")
            rest = b""
            while piece := conn.read_chunk():
                rest += piece
            events = [event for _, event in read_frames(rest)]
        self.assertEqual(events[0]["structuredContent"], {"stdout": "second\n"})
        self.assertEqual(events[-1]["structuredContent"]["stdout"], "first\nsecond\n")
        self.assertEqual(events[-1]["structuredContent"]["exitCode"], 0)

    def test_fresh_identity(self):
        """Two sessions, and two contexts of one, have nothing random in common."""
        code = ("import random, uuid, os, secrets, tempfile\n"
                "print(random.random(), uuid.uuid4(), secrets.token_hex(8), os.urandom(8), tempfile.mktemp(), "
                "hash('a'))")
        s, other = self.session(), self.session()
        first, second = s.run(code).stdout.split(), other.run(code).stdout.split()
        again = s.run(code, clearContext=True).stdout.split()
        for one, two in ((first, second), (first[:-1], again[:-1])):
            self.assertFalse(set(one) & set(two))

    def test_images(self):
        r = self.session().run("class I:\n    def _repr_png_(self): return b'\\x89PNG'\nI()")
        self.assertEqual(r.content[1:], [{"type": "image", "data": "iVBORw==", "mimeType": "image/png"}])

    def test_image_that_is_too_large(self):
        s = self.session()
        r = s.run("x = 1\nclass I:\n    def _repr_png_(self): return b'\\x89PNG' + bytes(5 << 20)\nI()")
        self.assertEqual((r.error, len(r.content)), (False, 1), r)
        self.assertIn("an image of 5242884 bytes was left out", r.stderr)
        self.assertEqual(s.run("x").stdout, "1\n")


class Timeouts(CodeCase):
    options = ("--code-timeout", "2s")

    def test_timeout(self):
        s = self.session()
        s.run("x = 1")
        begun = time.monotonic()
        r = s.run("print('said')\nwhile True: pass")
        self.assertLess(time.monotonic() - begun, DEADLINE)
        self.assertEqual((r.error, r.code, r.stdout), (True, 124, "said\n"))
        self.assertRegex(r.stderr, r"KeyboardInterrupt\n.*took longer than 2 s and was interrupted; variables are kept")
        self.assertEqual(s.run("x").stdout, "1\n")

    def test_end_that_is_noticed_late(self):
        """What has ended in time has, though whoever watches it could not look until the time was over."""
        s = self.session()
        code = ("import builtins, time\nprint('begun')\ntime.sleep(0.3)\n"
                "for _ in range(3): builtins.agentcore_image(b'x')")
        with Conn(self.daemon.port) as c:
            s.send(c, "executeCode", [("X-Agentcored-Output", "stream")], code=code, language="python")
            c.read_head()
            received = c.read_chunk()
            supervisor = self.daemon.named("agentcore-code")[0]
            os.kill(supervisor, signal.SIGSTOP)
            try:
                c.readable(2.1)
            finally:
                os.kill(supervisor, signal.SIGCONT)
            while piece := c.read_chunk():
                received += piece
        r = Result(read_frames(received))
        self.assertEqual((r.last["structuredContent"]["exitCode"], len(r.last["content"])), (0, 4), r)

    def test_timeout_of_code_that_resists(self):
        s = self.session()
        r = s.run("import time\nwhile True:\n    try: time.sleep(60)\n    except BaseException: pass")
        self.assertEqual((r.error, r.code), (True, 124))
        self.assertIn("killed", r.stderr)
        self.assertEqual(s.run("print(3)").stdout, "3\n")


class Figures(CodeCase):
    @unittest.skipUnless(HAS_MATPLOTLIB, "matplotlib is not installed")
    def test_figures(self):
        s = self.session()
        for code in ("import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);", "plt.bar([1], [2]); plt.show()"):
            r = s.run(code)
            images = [block for block in r.content if block["type"] == "image"]
            self.assertEqual([i["mimeType"] for i in images], ["image/png"], r)
            self.assertTrue(images[0]["data"].startswith(PNG))
            self.assertFalse(r.error)
        self.assertEqual(s.run("plt.get_fignums()").stdout, "[]\n")


class Root(CodeCase):
    """--code-root: a system of one's own; here the least that Python needs."""

    @classmethod
    def start_daemons(cls):
        root = os.path.join(cls.folder, "root")
        libraries = subprocess.run(["ldd", "/usr/bin/python3"], capture_output=True, text=True, check=True).stdout
        for path in ["/usr/bin/python3", "/bin/sh", *re.findall(r"(/\S+) \(0x", libraries)]:
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            shutil.copy(path, root + path)
        version = "python%d.%d" % sys.version_info[:2]
        shutil.copytree(f"/usr/lib/{version}", f"{root}/usr/lib/{version}", symlinks=True,
                        ignore=shutil.ignore_patterns("*.a", "config-*", "test", "lib2to3", "idlelib"))
        with open(f"{root}/usr/own", "w", encoding="utf-8") as f:
            f.write("own")
        cls.options = ("--code-root", root)
        super().start_daemons()

    def test_own_system(self):
        s = self.session()
        r = s.run("import os, json\nopen('/usr/own').read(), os.path.exists('/usr/bin/env')")
        self.assertEqual(r.stdout, "('own', False)\n")
        self.assertEqual(s.shell("echo x > a; read y < a; echo $y").stdout, "x\n")
        self.assertIn("node is not installed", s.run("1", "javascript").stderr)


if __name__ == "__main__":
    unittest.main()
