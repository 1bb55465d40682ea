"""up, down, env, exec, call, help and completion; and what is said when something is wrong."""

import json
import os
import re
import signal
import socket
import subprocess
import unittest

from cli_harness import (ABSENT, DEADLINE, HERE, INTERRUPTED, UNREACHABLE, USAGE, CliCase, PROGRAM, Terminal,
                         free_port)


class Service(CliCase):
    def test_up_and_down(self):
        self.fails(UNREACHABLE, "status", says=f"is not running for {self.data}; start it with: agentcore up")
        first = self.ok("up", "--listen", "127.0.0.1:0", "--json").json()
        self.assertTrue(first["started"] and first["running"])
        again = self.ok("up", "--json").json()
        self.assertEqual((again["started"], again["pid"], again["url"]), (False, first["pid"], first["url"]))
        self.assertEqual(self.ok("status", "--json").json()["dataDirectory"], str(self.data))
        self.assertEqual(self.ok("down").out, "agentcored has stopped\n")
        self.assertEqual(self.run_cli("status").code, UNREACHABLE)
        self.assertEqual(self.ok("down").out, "agentcored was not running\n")
        other = self.folder / "other"
        self.ok("up", "--data-dir", other, "--listen", "127.0.0.1:0", "--", "--region", "eu-west-1")
        self.assertEqual(self.ok("env", "--json", "--data-dir", other).json()["AWS_REGION"], "eu-west-1")
        self.ok("down", "--data-dir", other)

    def test_up_that_fails(self):
        self.fails(1, "up", "--listen", "nowhere", says="did not start: .*expected an address and a port")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            self.fails(1, "up", "--listen", f"127.0.0.1:{s.getsockname()[1]}", says="did not start: .*in use")
        self.assertEqual(self.ok("down").out, "agentcored was not running\n")
        self.fails(ABSENT, "up", env={"AGENTCORED": "/nowhere/agentcored"}, says="cannot run /nowhere/agentcored")

    def test_up_that_is_interrupted(self):
        """What was started is ended again, and nothing is left of the way to hear from it."""
        os.mkfifo(self.work / "started")
        state = json.dumps({"running": False, "dataDirectory": str(self.data)})
        daemon = self.write("agentcored", f"#!/bin/sh\n[ \"$1\" != status ] || exec echo '{state}'\n"
                            "echo $$ $NOTIFY_SOCKET >started\nexec sleep 60\n", 0o755)
        p = subprocess.Popen([PROGRAM, "up"], cwd=self.work, env={**self.env, "AGENTCORED": str(daemon)},
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        pid, notify = (self.work / "started").read_text().split()
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.communicate(timeout=DEADLINE)[1], "agentcore: interrupted\n")
        self.assertEqual(p.returncode, INTERRUPTED)
        self.assertFalse(os.path.exists(os.path.dirname(notify)))
        with self.assertRaises(ProcessLookupError):
            os.kill(int(pid), 0)

    def test_env_and_exec(self):
        self.fails(UNREACHABLE, "env", says="start it with: agentcore up")
        self.fails(UNREACHABLE, "exec", "--", "true", says="start it with: agentcore up")
        url = self.ok("up", "--listen", "127.0.0.1:0", "--json").json()["url"]
        script = 'eval "$("$0" env --data-dir "$1")"; env; eval "$("$0" env --unset)"; echo END; env'
        out = subprocess.run(["sh", "-c", script, PROGRAM, self.data], env=self.env, capture_output=True, text=True,
                             check=True).stdout
        before, after = out.split("END\n")
        self.assertIn(f"AWS_ENDPOINT_URL_BEDROCK_AGENTCORE={url}\n", before)
        self.assertIn(f"AGENTCORED_DATA_DIR={self.data}\n", before)
        self.assertNotIn("AWS_", after)
        done = self.run_cli("exec", "--", "sh", "-c", "echo $AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL; exit 7")
        self.assertEqual((done.code, done.out), (7, f"{url}\n"))
        self.assertEqual(self.run_cli("exec", "sh", "-c", "exit 3").code, 3)
        self.fails(127, "exec", "--", "no-such-program", says="cannot run no-such-program")

    def test_the_environment_names_a_service(self):
        self.ok("up", "--listen", "127.0.0.1:0")
        env = self.ok("env", "--json").json()
        self.assertEqual(self.ok("list", "--json", env=env).json(), [])
        wrong = {**env, "AWS_SECRET_ACCESS_KEY": "wrong"}
        self.fails(1, "list", env=wrong, says=r'agentcore env')
        gone = dict.fromkeys(("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL"),
                             f"http://127.0.0.1:{free_port()}")
        self.fails(UNREACHABLE, "list", env={**env, **gone, "AWS_MAX_ATTEMPTS": "1"}, says="the environment names this")

    def test_call(self):
        self.ok("up", "--listen", "127.0.0.1:0")
        made = self.ok("call", "CreateWorkloadIdentity", '{"name": "agent-one"}').json()
        self.assertEqual(made["name"], "agent-one")
        path = self.write("input.json", '{"name": "agent-one"}')
        for argument, stdin in ((f"@{path}", ""), ("-", '{"name": "agent-one"}')):
            self.assertEqual(self.ok("call", "GetWorkloadIdentity", argument, stdin=stdin).json()["name"], "agent-one")
        self.fails(ABSENT, "call", "GetWorkloadIdentity", '{"name": "nobody"}', says="^agentcore: ResourceNotFound")
        self.fails(1, "call", "GetWorkloadIdentity", "{}", says="name")
        self.fails(USAGE, "call", "GetWorkloadIdentity", "{", says="not JSON: .*line 1 column 2")
        self.fails(USAGE, "call", "GetWorkloadIdentity", "[]", says="is an object")
        self.fails(ABSENT, "call", "GetWorkloadIdentity", "@nothing", says="cannot read nothing")
        self.fails(USAGE, "call", "GetWorkloadIdentiti", says="is GetWorkloadIdentity meant")
        self.fails(USAGE, "call", "Dance", says="agentcore call --help lists them")


class Help(CliCase):
    def commands(self):
        return re.findall(r"^  ([a-z-]+) {2,}\S", self.ok("--help").out, re.MULTILINE)

    def test_each_command(self):
        names = self.commands()
        self.assertEqual(len(names), 17)
        for name in names:
            text = self.ok(name, "--help").out
            self.assertTrue(text.startswith(f"agentcore {name} "), text)
            self.assertIn("Examples:", text)
            self.assertIn(f"agentcore {name}", text.split("Examples:")[1])
            self.assertNotIn("\x1b", text)

    def test_the_manual_and_the_page_know_all(self):
        root = HERE.parent.parent
        manual, page = (root / "packaging/agentcore.1").read_text(), (root / "docs/cli.md").read_text()
        for name in self.commands():
            self.assertIn(f".It Cm {name}", manual)
            self.assertIn(f"agentcore {name}", page)
            options = self.ok(name, "--help").out.split("Options:")[1].split("Examples")[0]
            for option in re.findall(r"--([a-z-]+)", options):
                self.assertRegex(manual, rf"Fl -{option}\b", f"{name} --{option}")

    def test_operations(self):
        text = self.ok("call", "--help").out
        for name in ("CreateAgentRuntime", "InvokeAgentRuntime", "CreateEvent", "InvokeCodeInterpreter"):
            self.assertIn(f"\n  {name}\n", text)
        text = self.ok("call", "CreateAgentRuntime", "--help").out
        self.assertIn("PUT /runtimes/ (control plane)", text)
        self.assertRegex(text, r"agentRuntimeName \(required\) +string, \[a-zA-Z\]\[a-zA-Z0-9_\]\{0,47\}")
        self.assertRegex(text, r"    serverProtocol \(required\) +string: MCP \| HTTP \| A2A \| AGUI")
        self.assertIn("ConflictException", text)
        schema = self.ok("call", "CreateAgentRuntime", "--help", "--json").json()["input"]
        self.assertEqual(schema["properties"]["agentRuntimeName"],
                         {"type": "string", "pattern": "[a-zA-Z][a-zA-Z0-9_]{0,47}"})
        self.assertEqual(set(schema["required"]), {"agentRuntimeName", "agentRuntimeArtifact", "roleArn"})

    def complete(self, *words):
        """What bash offers for the last of the words."""
        line = " ".join(f"'{w}'" for w in words)
        script = (f"{self.ok('completion', 'bash').out}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
                  "__agentcore; echo \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "-c", script], cwd=self.work, env=self.env, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout.split()

    def test_completion_in_bash(self):
        self.write("some.json", "{}")
        self.assertEqual(self.complete("agentcore", "de"), ["dev", "deploy", "delete"])
        self.assertEqual(self.complete("agentcore", "create", "x", "--lang", ""), ["c", "python", "node"])
        self.assertEqual(self.complete("agentcore", "call", "CreateAgentRuntimeE"), ["CreateAgentRuntimeEndpoint"])
        self.assertIn("--packages", self.complete("agentcore", "deploy", "--p"))
        self.assertEqual(self.complete("agentcore", "completion", ""), ["bash", "zsh"])
        self.assertEqual(self.complete("agentcore", "package", "so"), ["some.json"])

    def test_completion_in_zsh(self):
        """In a zsh of its own, on a terminal, with the script where zsh looks for it."""
        if not os.path.exists("/usr/bin/zsh"):
            self.skipTest("there is no zsh")
        self.write("_agentcore", self.ok("completion", "zsh").out)
        (self.folder / ".zshrc").write_text(f"PS1='ready> '\nfpath=({self.work} $fpath)\n"
                                            "autoload -Uz compinit && compinit -u -D\nbindkey '^I' complete-word\n")
        zsh = Terminal(["/usr/bin/zsh", "-i"], self.work, {**self.env, "TERM": "dumb"})
        self.addCleanup(zsh.kill)
        zsh.expect("ready> ")
        for typed, rest in (("agentcore dep", "loy"), ("agentcore create x --la", "ng"),
                            ("agentcore call CreateAgentRuntimeE", "ndpoint")):
            zsh.send(f"{typed}\t")
            zsh.expect(f"{rest} ")
            zsh.send("\x15")  # away with the line


class Mistakes(CliCase):
    def test_the_command_line(self):
        self.assertEqual(self.run_cli().code, USAGE)
        self.assertRegex(self.ok("--version").out, r"^agentcore \d+\.\d+\.\d+\n$")
        self.fails(USAGE, "depoly", says="is deploy meant")
        self.fails(USAGE, "fly", says="agentcore --help lists them")
        self.fails(USAGE, "invoke", says="usage: agentcore invoke")
        self.fails(USAGE, "list", "x", says="x is one argument too many")
        self.fails(USAGE, "list", "--jsn", says="is --json meant")
        self.fails(USAGE, "list", "--port", "1", says="list does not take --port")
        self.fails(USAGE, "list", "--json=yes", says="--json takes no value")
        self.fails(USAGE, "invoke", "--session", says="--session needs a value")
        self.fails(USAGE, "invoke", "x", "--local", "--port", "http", says="--port takes a number from 1 to 65535")
        self.fails(USAGE, "invoke", "x", "--local", "-H", "nothing", says="--header takes NAME:VALUE")
        self.fails(USAGE, "completion", "fish", says="not for fish")

    def test_nobody_there(self):
        port = free_port()
        self.fails(UNREACHABLE, "invoke", "--local", "--port", port, "x", says="no agent answers .*agentcore dev")
        self.fails(UNREACHABLE, "ws", "--local", "--port", port, says="no agent answers .*agentcore dev runs one")
        for command in (["list"], ["invoke", "a", "x"], ["ws", "a"], ["stop-session", "a", "s"],
                        ["delete", "a", "--yes"], ["call", "ListMemories"]):
            self.fails(UNREACHABLE, *command, says="agentcored is not running for .*agentcore up")
        self.write("agent.py", "")
        self.fails(UNREACHABLE, "deploy", says="agentcored is not running")
        self.assertEqual(self.tree(self.work), ["agent.py"])

    def test_payloads(self):
        self.fails(USAGE, "invoke", "a", "{not json", says="this is not JSON: .*line 1 column 2")
        self.fails(USAGE, "invoke", "a", "-", stdin="no json", says="this is not JSON")
        self.fails(ABSENT, "invoke", "a", "@nothing.json", says="cannot read nothing.json")
        self.fails(USAGE, "invoke", "--local", "a", "x", says="leave \"a\" out")

    def test_names(self):
        self.ok("up", "--listen", "127.0.0.1:0")
        self.fails(USAGE, "status", "--aws", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, says="which agent")
        for command in (["invoke", "nobody", "x"], ["ws", "nobody"], ["status", "nobody"],
                        ["delete", "nobody", "--yes"], ["stop-session", "nobody", "s"]):
            self.fails(ABSENT, *command, says="there is no agent named nobody; agentcore list")
        done = self.run_cli("logs", "nobody", code=ABSENT)
        self.assertIn("there is no log of a runtime nobody; agentcored logs shows those there are", done.err)
        self.fails(USAGE, "invoke", "x", says="which agent")
        arn = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/nobody-1234567890"
        self.fails(ABSENT, "invoke", arn, "x", says="agentcore list")

    def test_create(self):
        self.ok("create", "hello")
        before = self.tree(self.work)
        self.fails(1, "create", "hello", says="hello is there already")
        self.fails(1, "create", ".", says="this directory is not empty")
        self.fails(USAGE, "create", "other", "--lang", "cobol", says="c, python or node")
        self.fails(USAGE, "create", "123", says="no letters")
        self.fails(ABSENT, "create", "no/such/place", says="no/such/place")
        for name in ("test", "all", "test_agent"):  # which Meson would not build
            self.fails(USAGE, "create", name, says=f'"{name}" is a word of the build system .*another name')
        self.assertEqual(self.tree(self.work), before)
        (self.work / "empty").mkdir()
        made = self.ok("create", ".", "--lang", "python", "--json", cwd=self.work / "empty").json()
        self.assertEqual(made, {"directory": ".", "name": "empty", "language": "python"})
        self.assertIn("agent.py", self.tree(self.work / "empty"))
        self.assertEqual(self.ok("create", "my-agent", "--json").json()["name"], "my_agent")
        self.ok("create", "test", "--lang", "node")

    def test_create_in_a_file_system_of_its_own(self):
        """As in a container where it is mounted, with nothing of its own above it."""
        place = self.work / "mounted"
        place.mkdir()
        script = 'mount -t tmpfs none "$1" && cd "$1" || exit 77; "$0" create . && ls -A'
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script, PROGRAM, place], env=self.env,
                              capture_output=True, text=True)
        if done.returncode in (1, 77) and "agentcore: " not in done.stderr:
            self.skipTest(f"nothing can be mounted here: {done.stderr}")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(".agentcore.json\n", done.stdout)
        self.assertNotRegex(done.stdout, r"\.agentcore\.\w{6}\n")

    def test_project_file(self):
        self.fails(ABSENT, "dev", says="there is no agent in this directory")
        self.write(".agentcore.json", "{")
        self.fails(1, "dev", says=r"\.agentcore\.json is not a JSON object")
        self.write(".agentcore.json", json.dumps({"name": "x y", "entry": "agent.py"}))
        self.fails(USAGE, "dev", says='"x y" cannot be the name')
        self.write(".agentcore.json", json.dumps({"name": "x", "entry": "agent.py", "language": "perl"}))
        self.fails(1, "dev", says="not perl")


if __name__ == "__main__":
    unittest.main()
