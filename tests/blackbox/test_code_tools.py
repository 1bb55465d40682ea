"""The other tools of the code interpreter, over signed HTTP: commands, tasks, files, and input that is no good."""

import time

from code_harness import CodeCase, Conn, Result, check, os, read_frames, unittest
from harness import DEADLINE, wait_until


class Timeouts(CodeCase):
    options = ("--code-timeout", "2s")

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


class Commands(CodeCase):
    def test_command(self):
        s = self.session()
        r = s.shell("echo out; echo err >&2; pwd; exit 3")
        self.assertEqual((r.stdout, r.stderr, r.code, r.error), ("out\n/home/agent\n", "err\n", 3, True))
        r = s.shell("true")
        self.assertEqual((r.text, r.code, r.error), ("", 0, False))
        self.assertEqual(s.shell("no-such-program").code, 127)
        self.assertEqual(s.shell("kill -9 $$").code, 137)

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

        def start(i):
            return s.invoke("startCommandExecution", command=f"echo {i}").structured["taskId"]

        tasks = [start(0)]
        wait_until(lambda: s.invoke("getTask", taskId=tasks[0]).code == 0, "the first, which is to make room first")
        tasks += [start(i) for i in range(1, 100)]
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
