"""The guide's code interpreter (3.2) and configuration of tools (3.5) as they stand (guide.py), and their twins in C.

Each is a program that is told where the daemon is by the environment alone."""

import json
import os
import subprocess
import sys
import unittest

from deployed import EXAMPLES, HERE
from interpreted import PackageTest

PROGRAM_SECONDS = 120
HAS_PANDAS = all(os.path.exists(f"/usr/lib/python3/dist-packages/{name}") for name in ("pandas", "matplotlib", "pip"))
CSV = "month,revenue\nJanuary,100\nFebruary,140\nMarch,210\n"


class GuideTools(PackageTest):
    def program(self, *command):
        environment = {"PATH": os.environ["PATH"], **self.daemon.env, "AWS_EC2_METADATA_DISABLED": "true"}
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PROGRAM_SECONDS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def block(self, name, shown, **given):
        """A block of the guide with what it takes for given, and what it leaves in a name, as JSON."""
        return json.loads(self.program(sys.executable, str(HERE / "guide.py"), name, "{}", json.dumps(given), shown))

    def sessions(self):
        return self.data.list_code_interpreter_sessions(codeInterpreterIdentifier="aws.codeinterpreter.v1")["items"]

    @unittest.skipUnless(HAS_PANDAS, "pip, pandas and matplotlib are not installed")
    def test_3_2(self):
        before = len(self.sessions())
        (said,) = self.block("3.2_code_interpreter.py", "[e['result'] for e in result['stream']]", csv_content=CSV)
        self.assertFalse(said["isError"], said)
        self.assertRegex(said["structuredContent"]["stdout"], r"mean +150\.0")
        self.assertEqual([s["status"] for s in self.sessions()], ["TERMINATED"] * (before + 1))

    @unittest.skipUnless(HAS_PANDAS, "pip, pandas and matplotlib are not installed")
    def test_3_2_in_c(self):
        said = self.program(str(EXAMPLES / "code_interpreter"))
        self.assertTrue(said.startswith("Hello from sandbox!\n"), said)
        self.assertRegex(said, r"mean +150\.0")
        self.assertEqual({s["status"] for s in self.sessions()}, {"TERMINATED"})

    def test_3_5(self):
        config = self.block("3.5_config.py", "config.to_dict()")
        self.assertEqual(config["networkConfiguration"], {"networkMode": "PUBLIC"})
        self.assertEqual(config["recording"], {"enabled": True, "s3Location": {"bucket": "my-recordings"}})
        self.assertEqual(config["browserSigning"], {"enabled": True})

    def test_3_5_in_c(self):
        """The same pattern on a code interpreter, which is made, used and deleted."""
        self.assertEqual(self.program(str(EXAMPLES / "code_interpreter_config"), "counts"), "0\n1\n2\n")
        self.assertEqual(self.program(str(EXAMPLES / "code_interpreter_config"), "counts", "VPC"), "0\n1\n2\n")


if __name__ == "__main__":
    unittest.main()
