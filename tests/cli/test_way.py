"""From an empty directory to a deployed agent, on a terminal, as a person goes that way; and how long it takes."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import unittest

from cli_harness import DEADLINE, PROGRAM, SECONDS, CliCase, free_port, sanitized
from harness import wait_until

ARN = r"arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/hello-\w{10}"


no_sanitizer = unittest.skipIf(sanitized(), "a project of its own cannot be built against a sanitizer's library")


class Way(CliCase):
    @no_sanitizer
    def test_c_on_a_terminal(self):
        t = self.terminal("create", "hello")
        t.expect("hello is made: an agent in C")
        t.expect("agentcore dev")
        self.assertEqual(t.wait(), 0)
        project = self.work / "hello"

        # dev: it runs, logs readably, starts again on a change, stays when the change does not compile.
        port = free_port()
        dev = self.terminal("dev", "--port", port, cwd=project)
        dev.expect(rf"hello is ready on http://127.0.0.1:{port}")
        answer = self.ok("invoke", "--local", "--port", port, "Hello!", cwd=project)
        self.assertEqual(answer.out, '{"response": "You said: Hello!"}\n')
        dev.expect(r"INFO +A prompt of 6 bytes")
        source = project / "agent.c"
        source.write_text(source.read_text().replace("You said", "You wrote"))
        dev.expect("a file has changed: starting again")
        dev.expect("hello is ready")
        self.assertIn("You wrote: Hi", self.ok("invoke", "--local", "--port", port, "Hi", cwd=project).out)
        source.write_text(source.read_text().replace("You wrote", 'You" broke'))
        dev.expect("agent.c:.*error")
        dev.expect("the agent that runs stays")
        self.assertIn("You wrote: Hi", self.ok("invoke", "--local", "--port", port, "Hi", cwd=project).out)
        source.write_text(source.read_text().replace('You" broke', "You said"))
        dev.expect("starting again")
        dev.expect("hello is ready")

        # Its own test passes as it is.
        subprocess.run(["meson", "test", "-C", "build"], cwd=project, env=self.env, check=True, capture_output=True)

        # Ctrl-C reaches the agent, which ends in order.
        dev.send("\x03")
        dev.expect("hello has ended")
        self.assertEqual(dev.wait(), 0)

        self.start_daemon()
        t = self.terminal("deploy", cwd=project)
        t.expect(r"hello is ready \(version 1\)")
        arn = t.expect(ARN)[0]
        t.expect("agentcore invoke hello 'Hello!'")
        self.assertEqual(t.wait(), 0)

        t = self.terminal("invoke", '{"prompt": "one two three", "stream": true}', cwd=project)
        for word in ("one", "two", "three"):
            t.expect(rf'{{"word": "{word}"}}\n')
        session = t.expect(r"session ([0-9a-f-]{36})")[1]
        self.assertEqual(t.wait(), 0)
        self.assertEqual(self.ok("invoke", arn, "Hi", "--session", session).out, '{"response": "You said: Hi"}\n')

        t = self.terminal("logs", "-f", cwd=project)
        t.expect(r"INFO +A prompt of 13 bytes")
        self.ok("invoke", "followed", cwd=project)
        t.expect(r"INFO +A prompt of 8 bytes")
        t.send("\x03")
        t.wait()

        self.assertIn(arn, self.ok("list").out)
        self.assertEqual(self.ok("status", "--json", cwd=project).json()["runtime"]["status"], "READY")
        self.ok("stop-session", session, cwd=project)

        t = self.terminal("delete", cwd=project)
        t.expect(r"Delete hello, its endpoints and sessions\? \[y/N\]")
        t.send("n\n")
        self.assertEqual(t.wait(), 1)
        t = self.terminal("delete", cwd=project)
        t.expect(r"\[y/N\]")
        t.send("y\n")
        t.expect("hello is deleted")
        self.assertEqual(t.wait(), 0)
        self.assertEqual(self.ok("list", "--json").json(), [])
        self.assertEqual(self.tree(self.data / "images"), [])
        self.assertNotIn("deployed", (project / ".agentcore.json").read_text())

    @no_sanitizer
    def test_how_long_it_takes(self):
        begin = time.monotonic()
        self.ok("create", "hello")
        self.start_daemon()
        self.ok("deploy", cwd=self.work / "hello")
        answer = self.ok("invoke", "Hello!", cwd=self.work / "hello")
        seconds = time.monotonic() - begin
        self.assertEqual(answer.out, '{"response": "You said: Hello!"}\n')
        print(f"from `agentcore create` to the first answer of the deployed agent, starting agentcored and building "
              f"included: {seconds:.2f} s")
        self.assertLess(seconds, 60)

    def serves_however_it_is_named(self, project):
        """Where it serves is taken, which is what it says then."""
        (self.work / "link").symlink_to(project)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            env = {**self.env, "HOST": "127.0.0.1", "PORT": str(taken.getsockname()[1])}
            for name in ("agent.mjs", ".", self.work / "link" / "agent.mjs"):
                done = subprocess.run(["node", name], cwd=project, env=env, capture_output=True, text=True,
                                      timeout=SECONDS)
                self.assertIn("EADDRINUSE", done.stderr, name)
                self.assertNotEqual(done.returncode, 0)

    def tells_whose_fault_it_is(self, project):
        """A mistake in the agent is not the caller's."""
        agent = project / "agent.mjs"
        good = agent.read_text()
        agent.write_text(good.replace("  // Your own logic", "  payload.tool.call();\n  // Your own logic"))
        script = """import { server } from "./agent.mjs";
            server.listen(0, "127.0.0.1", async () => {
                for (const body of ["{", "{}", '{"prompt": "x"}']) {
                    const url = `http://127.0.0.1:${server.address().port}/invocations`;
                    console.error((await fetch(url, { method: "POST", body })).status);
                }
                server.close(() => process.exit(0)).closeAllConnections();
            });"""
        done = subprocess.run(["node", "--input-type=module", "-e", script], cwd=project, env=self.env,
                              capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(done.stderr.split(), ["400", "400", "500"])
        agent.write_text(good)

    def stops_when_nobody_listens(self, project):
        """A stream whose reader has gone is not made on: the process can end."""
        agent = project / "agent.mjs"
        good = agent.read_text()
        agent.write_text(good.replace('for (const word of text.split(" ")) yield { word };', """try {
            for (;;) { yield { word: text }; await new Promise(setImmediate); }
          } finally { console.error("stopped"); }"""))
        script = """import { server } from "./agent.mjs";
            server.listen(0, "127.0.0.1", async () => {
                const url = `http://127.0.0.1:${server.address().port}/invocations`;
                const reading = new AbortController(), body = '{"prompt": "x", "stream": true}';
                const answer = await fetch(url, { method: "POST", body, signal: reading.signal });
                await answer.body.getReader().read();
                reading.abort();
                server.close();
            });"""
        done = subprocess.run(["node", "--input-type=module", "-e", script], cwd=project, env=self.env,
                              capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual((done.returncode, done.stderr), (0, "stopped\n"))
        agent.write_text(good)

    def test_node(self):
        try:
            subprocess.run(["node", "--version"], env=self.env, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest("there is no node")
        self.ok("create", "hello", "--lang", "node")
        project = self.work / "hello"
        subprocess.run(["node", "--test"], cwd=project, env=self.env, check=True, capture_output=True)
        self.serves_however_it_is_named(project)
        self.tells_whose_fault_it_is(project)
        self.stops_when_nobody_listens(project)
        port = free_port()
        dev = self.terminal("dev", "--port", port, cwd=project)
        dev.expect("hello is ready")
        self.assertEqual(self.ok("invoke", "--local", "--port", port, '{"prompt": "a b", "stream": true}').lines(),
                         ['{"word":"a"}', '{"word":"b"}'])
        dev.expect(r"INFO +A prompt of 3 characters")
        dev.send("\x03")
        self.assertEqual(dev.wait(), 0)
        self.start_daemon()
        self.ok("deploy", cwd=project)
        self.assertEqual(self.ok("invoke", "Hi", "--json", cwd=project).json()["answer"], {"response": "You said: Hi"})
        self.ok("delete", "--yes", cwd=project)
        self.assertEqual(self.tree(self.data / "buckets"), ["agents"])


class Dev(CliCase):
    AGENT = ("import http.server, os, signal, sys\n"
             "print('pid', os.getpid(), flush=True)\n"
             "class H(http.server.BaseHTTPRequestHandler):\n"
             "    def do_POST(self):\n"
             "        self.rfile.read(int(self.headers['Content-Length']))\n"
             "        self.send_response(200); self.end_headers(); self.wfile.write(os.environ['GREETING'].encode())\n"
             "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n")

    def test_any_script_with_its_environment(self):
        self.write("agent.py", self.AGENT)
        port = free_port()
        dev = self.terminal("dev", "--port", port, "--env", "GREETING=good day")
        pid = int(dev.expect(r"pid (\d+)")[1])
        dev.expect("is ready")
        self.assertEqual(self.ok("invoke", "--local", "--port", port, "x").out, "good day\n")
        os.kill(dev.pid, signal.SIGTERM)
        self.assertEqual(dev.wait(), 0)
        self.assert_ended(pid)

    def test_an_agent_that_ends_or_will_not_end(self):
        self.write("agent.py", "import sys\nprint('so short', flush=True)\nsys.exit(7)\n")
        port = free_port()
        dev = self.terminal("dev", "--port", port)
        dev.expect("so short")
        dev.expect("has ended with code 7")
        self.write("agent.py", "import signal, time\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\n"
                               "print('stubborn', flush=True)\nwhile True: time.sleep(60)\n")
        dev.expect("starting again")
        dev.expect("stubborn")
        dev.send("\x03")
        dev.expect(r"\^C")
        wait_until(lambda: not self.has_pending(dev.pid, signal.SIGINT), "dev to have taken it")
        dev.send("\x03")  # a second one does not wait
        dev.expect("is killed")
        self.assertEqual(dev.wait(), 0)

    @staticmethod
    def has_pending(pid, number):
        """Whether the process has the signal still to take: another of its kind would be the same one."""
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return any(int(mask, 16) >> (number - 1) & 1 for mask in re.findall(r"^S[ih][gd]Pnd:\s+(\w+)", status, re.M))

    def test_what_a_script_started_ends_with_it(self):
        """A child that the script does not end has the port; it ends before the next one starts, and at the end."""
        port = free_port()
        wrapper = ("import signal, subprocess, sys\n"
                   "child = subprocess.Popen([sys.executable, 'server.py', '%s'], stdout=subprocess.PIPE, text=True)\n"
                   "print(child.stdout.readline(), flush=True)\n%s\n")
        self.write("server.py", self.AGENT.replace("print('pid', ", "print('edition', sys.argv[1], 'pid', "))
        self.write("agent.py", wrapper % (1, "signal.pause()"))
        dev = self.terminal("dev", "--port", port, "--env", "GREETING=good day")
        children = [int(dev.expect(r"edition 1 pid (\d+)")[1])]
        dev.expect("is ready")
        self.write("agent.py", wrapper % (2, "signal.pause() # waits"))
        dev.expect("starting again")
        children.append(int(dev.expect(r"edition 2 pid (\d+)")[1]))
        dev.expect("is ready")
        self.assert_ended(children[0])
        self.write("agent.py", wrapper % (3, ""))  # ends, and leaves the child alone
        children.append(int(dev.expect(r"edition 3 pid (\d+)")[1]))
        dev.expect("has ended with code 0")
        dev.send("\x03")
        dev.expect("work has ended")
        self.assertEqual(dev.wait(), 0)
        for child in children:
            self.assert_ended(child)

    def assert_ended(self, pid):
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)

    def test_what_counts_as_a_change(self):
        self.write("agent.py", "import builder\nprint('edition', builder.EDITION, flush=True)\n")
        self.write("builder.py", "EDITION = 1\n")
        dev = self.terminal("dev", "--port", free_port())
        dev.expect("edition 1")
        dev.expect("has ended with code 0")
        self.write("agent.py~", "")
        self.write(".hidden", "")
        self.write("build/out.txt", "")
        self.write("builder.py", "EDITION = 2  # longer than before\n")
        dev.expect("starting again")
        dev.expect("edition 2")
        dev.expect("has ended with code 0")
        new = self.folder / "parts"  # a directory that is new, with what is in it: one change
        new.mkdir()
        (new / "one.py").write_text("")
        new.rename(self.work / "parts")
        dev.expect("edition 2")
        self.write("parts/one.py", "x = 1\n")
        dev.expect("edition 2")
        dev.send("\x03")
        dev.expect("work has ended")
        self.assertEqual(dev.text.count("starting again"), 3)
        self.assertEqual(dev.wait(), 0)

    def test_raw_lines(self):
        self.write("agent.py", "print('{\"level\": \"INFO\", \"message\": \"m\"}', flush=True)\n")
        done = subprocess.Popen([PROGRAM, "dev", "--json", "--port", str(free_port())], cwd=self.work, env=self.env,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(done.wait)
        self.addCleanup(done.terminate)
        self.assertEqual(done.stdout.readline(), '{"level": "INFO", "message": "m"}\n')
        done.stdout.close()

    def test_port_in_use(self):
        self.write("agent.py", "")
        self.start_daemon()
        url = self.ok("status", "--json").json()["url"]
        port = url.rsplit(":", 1)[1]
        self.fails(1, "dev", "--port", port, says=f"port {port} is in use.*--port")


if __name__ == "__main__":
    unittest.main()
