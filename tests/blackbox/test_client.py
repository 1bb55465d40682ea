"""The C client against agentcored: a whole life of a resource, and what failures look like."""

import os
import subprocess
import tempfile
import unittest

from harness import DEADLINE, build_path
from test_agentcored_life import PROGRAM, Daemon, clean_environment, run

EXAMPLE = build_path("examples", "workload_identity")


@unittest.skipUnless(os.path.exists(PROGRAM) and os.path.exists(EXAMPLE), "agentcored is not built")
class Client(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = os.path.join(folder.name, "data")

    def begin(self, *options):
        daemon = Daemon(self.data, *options)
        self.addCleanup(daemon.stop)
        code, out, _ = run("env", "--data-dir", self.data)
        self.assertEqual(code, 0)
        lines = [line[len("export "):].split("=", 1) for line in out.splitlines() if line.startswith("export ")]
        return {name: value.strip("'") for name, value in lines}

    def call(self, env, *arguments):
        done = subprocess.run([EXAMPLE, *arguments], env=clean_environment(**env), text=True, capture_output=True,
                              timeout=DEADLINE, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_whole_life(self):
        env = self.begin()
        code, out, err = self.call(env, "agent-one")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("workload-identity/agent-one\n", out)
        self.assertIn("there are 1\n", out)
        self.assertIn("deleted agent-one\n", out)

    @unittest.skipUnless(os.path.exists(build_path("agentcore")), "agentcore is not built")
    def test_a_list_of_pages(self):
        env = self.begin()
        for i in range(21):  # a page has at most 20
            subprocess.run([build_path("agentcore"), "call", "CreateWorkloadIdentity", f'{{"name": "other-{i}"}}'],
                           env=clean_environment(**env), check=True, capture_output=True, timeout=DEADLINE)
        self.assertIn("there are 22\n", self.call(env, "agent-one")[1])

    def test_over_tls(self):
        env = self.begin("--tls")
        self.assertTrue(env["AWS_ENDPOINT_URL_BEDROCK_AGENTCORE"].startswith("https://"), env)
        self.assertEqual(self.call(env, "agent-two")[0], 0)
        del env["AWS_CA_BUNDLE"]
        code, _, err = self.call({**env, "AWS_MAX_ATTEMPTS": "1"}, "agent-two")
        self.assertEqual(code, 1)
        self.assertIn("certificate", err)

    def test_what_the_service_refuses(self):
        env = self.begin()
        self.assertIn("create: ValidationException: 1 validation error detected: Value at 'name'",
                      self.call(env, "!!!")[2])
        wrong = {**env, "AWS_SECRET_ACCESS_KEY": "x" * 40}
        self.assertIn("create: InvalidSignatureException: ", self.call(wrong, "agent")[2])
        unknown = {**env, "AWS_ACCESS_KEY_ID": "AKIAAAAAAAAAAAAAAAAA"}
        self.assertIn("create: UnrecognizedClientException: ", self.call(unknown, "agent")[2])

    def test_nobody_there(self):
        env = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1",
               "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
        code, _, err = self.call(env, "agent")
        self.assertEqual(code, 1)
        self.assertIn("127.0.0.1", err)


if __name__ == "__main__":
    unittest.main()
