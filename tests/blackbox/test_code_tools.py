"""The tools of the code interpreter, over signed HTTP: code in three languages, commands, tasks, files, and what
happens to code that does not behave."""

import re
import shutil
import subprocess
import sys
import time

from code_harness import CodeCase, Conn, Result, check, os, read_frames, unittest
from harness import DEADLINE, wait_until

HAS_NODE = os.path.exists("/usr/bin/node")
HAS_ESBUILD = os.path.exists("/usr/bin/esbuild")
HAS_DENO = any(os.path.exists(f"{place}/deno") for place in ("/usr/bin", "/usr/local/bin"))
HAS_MATPLOTLIB = os.path.exists("/usr/lib/python3/dist-packages/matplotlib")
PNG = "iVBORw0KGgo"  # how base64 of one begins


class Python(CodeCase):
    options = ("--code-timeout", "2s", "--code-output", "4096")

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

    def test_timeout(self):
        s = self.session()
        s.run("x = 1")
        begun = time.monotonic()
        r = s.run("print('said')\nwhile True: pass")
        self.assertLess(time.monotonic() - begun, DEADLINE)
        self.assertEqual((r.error, r.code, r.stdout), (True, 124, "said\n"))
        self.assertRegex(r.stderr, r"KeyboardInterrupt\n.*took longer than 2 s and was interrupted; variables are kept")
        self.assertEqual(s.run("x").stdout, "1\n")

    def test_timeout_of_code_that_resists(self):
        s = self.session()
        r = s.run("import time\nwhile True:\n    try: time.sleep(60)\n    except BaseException: pass")
        self.assertEqual((r.error, r.code), (True, 124))
        self.assertIn("killed", r.stderr)
        self.assertEqual(s.run("print(3)").stdout, "3\n")

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


@unittest.skipUnless(HAS_NODE, "node is not installed")
class JavaScript(CodeCase):
    options = ("--code-timeout", "2s")

    def js(self, s, code, language="javascript", **more):
        return s.run(code, language, runtime="nodejs", **more)

    def test_values(self):
        s = self.session()
        for code, shown in (("1 + 1", "2\n"), ("'a'", "'a'\n"), ("undefined", ""),
                            ("const a = {b: [1]}; a", "{ b: [ 1 ] }\n"),
                            ("console.log('x')", "x\n"), ("let z", ""), ("10n ** 20n", "100000000000000000000n\n"),
                            ("NaN", "NaN\n"), ("new Map([[1, 2]])", "Map(1) { 1 => 2 }\n")):
            with self.subTest(code=code):
                self.assertEqual(self.js(s, code).stdout, shown)

    def test_variables_stay_and_may_be_declared_again(self):
        s = self.session()
        self.js(s, "const x = 1; let y = 2; function f() { return x + y } class C {}")
        self.assertEqual(self.js(s, "f()").stdout, "3\n")
        self.assertEqual(self.js(s, "const x = 5; x").stdout, "5\n")
        self.assertTrue(self.js(s, "x", clearContext=True).error)

    def test_await_and_import(self):
        s = self.session()
        r = self.js(s, "import fs from 'fs';\nimport { join as j, basename } from 'node:path';\n"
                       "import * as os from 'os'\nawait new Promise(r => setTimeout(r, 5));\n"
                       "[typeof fs.readFileSync, j('a', 'b'), typeof os.cpus]")
        self.assertEqual(r.stdout, "[ 'function', 'a/b', 'function' ]\n")
        self.assertEqual(self.js(s, "basename('/x/y')").stdout, "'y'\n")
        s.write(**{"own.mjs": "export const v = 7; export default 8"})
        self.assertEqual(self.js(s, "import d, { v } from './own.mjs'; d + v").stdout, "15\n")
        r = self.js(s, "// import(\nconst f = async (name) => (await import(name)).v; (await import('fs')).F_OK + "
                       "`${await f('./own.mjs')}` + \"'import('\"")
        self.assertEqual(r.stdout, '''"07'import('"\n''')
        self.assertEqual(self.js(s, "require('path').sep").stdout, "'/'\n")

    def test_errors(self):
        s = self.session()
        r = self.js(s, "function f() {\n  throw new TypeError('boom')\n}\nf()")
        self.assertEqual((r.error, r.code), (True, 1))
        self.assertRegex(r.stderr, r"^TypeError: boom\n    at f \(cell 1:2:9\)\n    at cell 1:4:1\n$")
        self.assertIn("SyntaxError", self.js(s, "let = ;").stderr)
        self.assertIn("Uncaught 'text'", self.js(s, "throw 'text'").stderr)
        self.assertIn("later", self.js(s, "setTimeout(() => { throw new Error('later') }, 1); "
                                          "await new Promise(r => setTimeout(r, 50))").stderr)
        self.assertEqual(self.js(s, "1").stdout, "1\n")

    def test_timeout(self):
        s = self.session()
        self.js(s, "const kept = 1")
        for code in ("while (true) {}", "await new Promise(() => {})", "while (true) console.log('o'.repeat(5000))"):
            with self.subTest(code=code):
                r = self.js(s, code)
                self.assertEqual((r.error, r.code), (True, 124))
                self.assertIn("Interrupted", r.stderr)
                self.assertEqual(self.js(s, "kept").stdout, "1\n")

    def test_lost_kernel(self):
        s = self.session()
        self.assertIn("lost", self.js(s, "process.exit(0)").stderr)
        self.assertEqual(self.js(s, "2").stdout, "2\n")

    def test_more_output_than_a_pipe_holds(self):
        s = self.session()
        r = self.js(s, "console.log('o'.repeat(300000)); console.error('e'.repeat(300000)); "
                       "process.stdout.write(Buffer.from('last'), () => {})")
        self.assertEqual((r.stdout, r.stderr), ("o" * 300000 + "\nlasttrue\n", "e" * 300000 + "\n"))
        self.assertEqual(self.js(s, "2").stdout, "2\n")

    @unittest.skipUnless(HAS_ESBUILD, "esbuild is not installed")
    def test_typescript(self):
        s = self.session()
        r = self.js(s, "interface P { x: number }\nenum E { A = 1, B }\nconst p: P = { x: 2 };\n(p.x as number) + E.B",
                    "typescript")
        self.assertEqual(r.stdout, "4\n")
        self.assertEqual(self.js(s, "p.x satisfies number", "typescript").stdout, "2\n")
        self.assertIn("ERROR", self.js(s, "let x: = 3", "typescript").stderr)
        self.assertEqual(self.js(s, f"const s: string = '{'s' * (1 << 20)}'; s.length", "typescript").stdout, "1048576\n")
        self.assertEqual(self.js(s, "import { sep } from 'path';\nsep as string", "typescript").stdout, "'/'\n")

    @unittest.skipIf(HAS_DENO, "deno is installed")
    def test_no_deno(self):
        s = self.session()
        r = s.run("1", "javascript", runtime="deno")
        self.assertTrue(r.error)
        self.assertIn("deno is not installed", r.text)
        self.assertEqual(s.run("1", "javascript").stdout, "1\n")


class Commands(CodeCase):
    options = ("--code-timeout", "2s")

    def test_command(self):
        s = self.session()
        r = s.shell("echo out; echo err >&2; pwd; exit 3")
        self.assertEqual((r.stdout, r.stderr, r.code, r.error), ("out\n/home/agent\n", "err\n", 3, True))
        r = s.shell("true")
        self.assertEqual((r.text, r.code, r.error), ("", 0, False))
        self.assertEqual(s.shell("no-such-program").code, 127)
        self.assertEqual(s.shell("kill -9 $$").code, 137)

    def test_timeout(self):
        s = self.session()
        begun = time.monotonic()
        r = s.shell("echo said; sleep 60")
        self.assertEqual((r.code, r.stdout, r.error), (124, "said\n", True))
        self.assertIn("took longer than 2 s", r.stderr)
        r = s.shell("trap '' TERM; while :; do :; done")
        self.assertEqual(r.code, 124)
        self.assertLess(time.monotonic() - begun, DEADLINE)

    def test_background(self):
        s = self.session()
        r = s.shell("sleep 60 & echo done")
        self.assertEqual((r.stdout, r.code), ("done\n", 0))  # 124 had it waited
        # Not with ps, which a small Debian does not have.
        self.assertIn("sleep 60", s.shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout)

    def test_shares_files_with_code(self):
        s = self.session()
        s.run("open('a.txt', 'w').write('1')")
        self.assertEqual(s.shell("cat a.txt").stdout, "1")

    def test_task(self):
        s = self.session()
        command = "echo out; echo err >&2; while [ ! -e go ]; do sleep 0.02; done; exit 4"
        r = s.invoke("startCommandExecution", command=command)
        self.assertEqual(r.structured, {"taskId": r.structured["taskId"], "taskStatus": "submitted"})
        task = r.structured["taskId"]
        wait_until(lambda: s.invoke("getTask", taskId=task).stderr == "err\n", "its output")
        r = s.invoke("getTask", taskId=task)
        self.assertEqual((r.structured["taskStatus"], r.stdout, r.error), ("working", "out\n", False))
        self.assertNotIn("exitCode", r.structured)
        s.write(go="")
        wait_until(lambda: s.invoke("getTask", taskId=task).structured["taskStatus"] == "failed", "its end")
        r = s.invoke("getTask", taskId=task)
        self.assertEqual((r.code, r.stdout, r.stderr), (4, "out\n", "err\n"))

    def test_task_that_is_stopped(self):
        s = self.session()
        task = s.invoke("startCommandExecution", command="sleep 60").structured["taskId"]
        self.assertEqual(s.invoke("stopTask", taskId=task).structured["taskStatus"], "canceled")
        wait_until(lambda: "exitCode" in s.invoke("getTask", taskId=task).structured, "its end")
        self.assertEqual(s.invoke("getTask", taskId=task).structured["taskStatus"], "canceled")
        wait_until(lambda: "sleep 60" not in s.shell("ps -ef").stdout, "the end of its process")

    def test_many_tasks(self):
        s = self.session()
        tasks = [s.invoke("startCommandExecution", command=f"echo {i}").structured["taskId"] for i in range(100)]
        self.assertEqual(len(set(tasks)), 100)
        wait_until(lambda: s.invoke("getTask", taskId=tasks[-1]).code == 0, "the last")
        self.assertEqual(s.invoke("getTask", taskId=tasks[-1]).stdout, "99\n")
        self.assertTrue(s.invoke("getTask", taskId=tasks[0]).error)

    def test_task_output_is_bounded(self):
        s = self.session()
        task = s.invoke("startCommandExecution", command="seq 1 200000; echo end").structured["taskId"]
        wait_until(lambda: s.invoke("getTask", taskId=task).structured["taskStatus"] == "completed", "its end")
        out = s.invoke("getTask", taskId=task).stdout
        self.assertLessEqual(len(out), 1 << 18)
        self.assertTrue(out.endswith("200000\nend\n"))

    def test_unknown_task(self):
        s = self.session()
        for tool in ("getTask", "stopTask"):
            for task in ("77", "x", "-1", "0"):
                r = s.invoke(tool, taskId=task)
                self.assertTrue(r.error)
                self.assertIn("There is no task", r.text)


class Files(CodeCase):
    options = ("--session-disk", "64M")

    def test_round_trip(self):
        s = self.session()
        files = {"a.txt": b"text\n", "b.bin": bytes(range(256)), "d/e/f.csv": b"a,b\n1,2\n", "empty": b"",
                 "é b.txt": b"x"}
        r = s.write_all(files)
        self.assertEqual((r.text, r.error), ("Successfully wrote all 5 files", False))
        self.assertNotIn("structuredContent", r.last)
        self.assertEqual(s.read(*files), files)
        self.assertEqual(s.shell("wc -c < b.bin").stdout.strip(), "256")

    def test_content(self):
        s = self.session()
        s.write_all({"a.csv": "x", "b.png": b"\x89PNG\0"})
        self.assertEqual(s.invoke("readFiles", paths=["a.csv", "b.png"]).content, [
            {"type": "resource", "resource": {"type": "text", "uri": "file:///a.csv", "mimeType": "text/csv",
                                              "text": "x"}},
            {"type": "resource", "resource": {"type": "blob", "uri": "file:///b.png", "mimeType": "image/png",
                                              "blob": "iVBORwA="}}])

    def test_overwrite(self):
        s = self.session()
        s.write_all({"a": "long text"})
        s.write_all({"a": "short"})
        self.assertEqual(s.read("a"), {"a": b"short"})

    def test_large(self):
        s = self.session()
        data = os.urandom(10 << 20)
        self.assertFalse(s.write_all({"large": data}).error)
        self.assertEqual(s.read("large")["large"], data)
        text = "line\n" * (2 << 20)
        s.write_all({"text": text, "small": "1"})
        found = s.read("small", "text", "large")
        self.assertEqual((len(found["text"]), found["small"], found["large"] == data), (len(text), b"1", True))

    def test_too_large_to_read(self):
        s = self.session()
        s.shell("head -c 17000000 /dev/zero > large")
        r = s.invoke("readFiles", paths=["large"])
        self.assertTrue(r.error)
        self.assertIn("17000000 bytes", r.text)

    def test_missing(self):
        s = self.session()
        s.write_all({"there": "1"})
        for paths in (["nope"], ["there", "nope"]):
            r = s.invoke("readFiles", paths=paths)
            self.assertTrue(r.error)
            self.assertEqual(r.text, "Could not read file 'nope': there is no such file")
            self.assertEqual(len(r.content), 1)
        self.assertTrue(s.invoke("removeFiles", paths=["nope"]).error)
        self.assertTrue(s.invoke("listFiles", path="nope").error)
        self.assertIn("directory", s.invoke("readFiles", paths=["."]).text)

    def test_all_or_nothing(self):
        s = self.session()
        s.shell("mkdir d")
        r = s.write_all({**{str(n): "1" for n in range(500)}, "d": "2", "two": "3"})
        self.assertTrue(r.error)
        self.assertEqual([b["name"] for b in s.invoke("listFiles", path="").content], ["d"])

    def test_full_disk(self):
        s = self.session()
        r = s.write_all({"large": b"x" * (70 << 20)})
        self.assertTrue(r.error)
        self.assertIn("No space left", r.text)
        self.assertEqual(s.shell("ls -A").stdout, "")

    def test_list(self):
        s = self.session()
        s.write_all({"a.txt": "12", "d/b.py": "1"})
        self.assertEqual(s.invoke("listFiles", path="").content, [
            {"type": "resource_link", "uri": "file:///a.txt", "name": "a.txt", "description": "File",
             "mimeType": "text/plain", "size": 2},
            {"type": "resource_link", "uri": "file:///d", "name": "d", "description": "Directory"}])
        for arguments in ({}, {"path": "."}, {"directoryPath": ""}, {"path": "/home/agent"}):
            self.assertEqual([b["name"] for b in s.invoke("listFiles", **arguments).content], ["a.txt", "d"])
        for path in ("d", "d/", "./d", "/home/agent/d"):
            self.assertEqual([b["name"] for b in s.invoke("listFiles", directoryPath=path).content], ["b.py"])
        self.assertEqual(s.invoke("listFiles", directoryPath="d").content[0]["uri"], "file:///d/b.py")

    def test_remove(self):
        s = self.session()
        s.write_all({"a": "1", "d/e/f": "2", "g": "3"})
        self.assertEqual(s.invoke("removeFiles", paths=["a", "d"]).text, "Successfully removed all 2 files")
        self.assertEqual(s.shell("ls -A").stdout, "g\n")
        for path in (".", "..", "/", "", "g/.."):
            with self.subTest(path=path):
                self.assertTrue(s.invoke("removeFiles", paths=[path]).error)
        self.assertEqual(s.shell("ls -A").stdout, "g\n")

    def test_absolute_paths(self):
        s = self.session()
        self.assertFalse(s.write_all({"/home/agent/in": "1"}).error)
        self.assertEqual(s.read("in"), {"in": b"1"})
        for name, arguments in (("readFiles", {"paths": ["/etc/passwd"]}), ("removeFiles", {"paths": ["/tmp/x"]}),
                                ("writeFiles", {"content": [{"path": "/tmp/x", "text": "1"}]}),
                                ("listFiles", {"path": "/"}), ("readFiles", {"paths": ["/home/agent2/x"]})):
            with self.subTest(tool=name):
                r = s.invoke(name, **arguments)
                self.assertTrue(r.error)
                self.assertIn("Path must be relative, not absolute. Got: /", r.text)


class BadInput(CodeCase):
    def test_arguments(self):
        s = self.session()
        for name, arguments in (("noTool", {}), ("executeCode", {}), ("executeCode", {"code": 1}),
                                ("executeCode", {"code": "1", "language": "cobol"}), ("executeCommand", {}),
                                ("executeCommand", {"command": ""}), ("executeCommand", {"command": "a\0b"}),
                                ("readFiles", {}), ("readFiles", {"paths": []}),
                                ("readFiles", {"paths": ["a\0"]}), ("readFiles", {"paths": ["a" * 4096]}),
                                ("readFiles", {"paths": ["a"] * 513}), ("writeFiles", {"content": []}),
                                ("writeFiles", {"content": [{"path": "a"}]}),
                                ("writeFiles", {"content": [{"path": "a", "text": "", "blob": ""}]}),
                                ("writeFiles", {"content": [{"path": "a", "blob": "?"}]}),
                                ("writeFiles", {"content": [{"text": "a"}]}), ("getTask", {}),
                                ("executeCode", {"code": "1", "language": "python", "runtime": "nodejs"}),
                                ("executeCode", {"code": "1", "runtime": "x"})):
            with self.subTest(tool=name, arguments=str(arguments)[:80]):
                self.assert_fails("ValidationException", s.invoke, name, **arguments)
        self.assertEqual(s.run("1").stdout, "1\n")

    def test_sessions(self):
        s = self.session()
        gone = s.id
        s.id = "0123456789abcdef"
        self.assert_fails("ResourceNotFoundException", s.run, "1")
        s.id = "not an id"
        self.assert_fails("ValidationException", s.run, "1")
        s.id = gone
        s.stop()
        self.assertIn("TERMINATED", self.assert_fails("ConflictException", s.run, "1"))
        s.interpreter = "mine-0123456789"
        self.assert_fails("ResourceNotFoundException", s.run, "1")

    def test_without_a_session(self):
        r = check(self.daemon.call("POST", f"/code-interpreters/{self.closed()}/tools/invoke",
                                   {"name": "executeCode", "arguments": {"code": "print(5)"}}))
        self.assertEqual(Result(read_frames(r.body)).stdout, "5\n")
        self.assertRegex(r.header("x-amzn-code-interpreter-session-id"), "^[0-9a-f]{32}$")

    def test_header(self):
        s = self.session()
        with Conn(self.daemon.port) as c:
            s.send(c, "executeCode", code="1")
            r = c.read_response()
        self.assertEqual(r.header("x-amzn-code-interpreter-session-id"), s.id)
        self.assertEqual(r.header("Content-Type"), "application/vnd.amazon.eventstream")


if __name__ == "__main__":
    unittest.main()
