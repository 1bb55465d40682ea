"""The code interpreter's client in C (tests/client/code_client.c) and its examples, against a real agentcored."""

import subprocess

from agentcored import clean_environment
from code_harness import CodeCase, check, os, unittest
from harness import DEADLINE, build_path
from runtime_harness import network_options

HAS_NODE = os.path.exists("/usr/bin/node")
HAS_PANDAS = all(os.path.exists(f"/usr/lib/python3/dist-packages/{name}") for name in ("pandas", "matplotlib", "pip"))


class Client(CodeCase):
    options = network_options()

    def program(self, *command, code=0, **environment):
        done = subprocess.run(command, env=clean_environment(**self.daemon.env(), **environment), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=2 * DEADLINE, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def step(self, name, **environment):
        return self.program(build_path("tests", "code_client"), name, self.closed(), **environment).stdout

    def example(self, name, *arguments, **more):
        return self.program(build_path("examples", name), *arguments, **more)

    def test_sessions(self):
        self.step("sessions")

    def test_session_that_is_freed(self):
        session = self.step("leave").strip()
        found = check(self.daemon.call("GET", f"/code-interpreters/{self.closed()}/sessions/get",
                                       query=[("sessionId", session)])).json()
        self.assertEqual(found["status"], "TERMINATED")

    def test_code(self):
        self.step("code", **({"HAVE_NODE": "1"} if HAS_NODE else {}))

    def test_output(self):
        self.step("output")

    def test_tasks(self):
        self.step("tasks")

    def test_packages(self):
        self.step("packages")

    def test_files(self):
        self.step("files")

    def test_interpreters(self):
        self.closed()
        self.step("interpreters")

    # ---- examples ----

    @unittest.skipUnless(HAS_PANDAS, "pip, pandas and matplotlib are not installed")
    def test_example(self):
        said = self.example("code_interpreter", self.closed()).stdout
        self.assertTrue(said.startswith("Hello from sandbox!\n"), said)
        self.assertRegex(said, r"mean +150\.0")

    def test_example_fails(self):
        done = self.example("code_interpreter", "gone-0123456789", code=1)
        self.assertEqual(done.stderr, "ResourceNotFoundException: There is no code interpreter 'gone-0123456789'\n")

    def test_config_example(self):
        for mode in ("SANDBOX", "VPC"):
            with self.subTest(mode):
                done = self.example("code_interpreter_config", f"counts_{mode}", mode)
                self.assertEqual((done.stdout, done.stderr), ("0\n1\n2\n", ""))
        done = self.example("code_interpreter_config", "counts", "MOON", code=1)
        self.assertIn("network_mode must be 'PUBLIC', 'SANDBOX' or 'VPC', got 'MOON'", done.stderr)
        listed = self.daemon.control("POST", "/code-interpreters", {}, 200)["codeInterpreterSummaries"]
        self.assertNotIn("counts", " ".join(found["codeInterpreterId"] for found in listed))


if __name__ == "__main__":
    unittest.main()
