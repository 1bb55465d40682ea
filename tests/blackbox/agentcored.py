"""Starting agentcored, for the black-box tests."""

import json
import os
import re
import select
import subprocess
import unittest

from harness import DEADLINE, Conn, Program, build_path

PROGRAM = build_path("agentcored")
REGION = "us-west-2"


def clean_environment(**more):
    """The environment without what could tell agentcored something."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AGENTCORED_", "AWS_", "XDG_"))}
    return {**kept, **more}


def run(*arguments, env=None, stdin=""):
    """Run agentcored to its end: (code, stdout, stderr)."""
    if not os.path.exists(PROGRAM):
        raise unittest.SkipTest(f"{PROGRAM} is not built")
    done = subprocess.run([PROGRAM, *arguments], env=clean_environment(**(env or {})), input=stdin, text=True,
                          capture_output=True, timeout=DEADLINE)
    return done.returncode, done.stdout, done.stderr


class Daemon(Program):
    def __init__(self, data_dir, *options, env=None, beneath=()):
        """beneath: a command that executes what it is given, in other circumstances."""
        self.data_dir = data_dir
        command = [*beneath, PROGRAM, "--data-dir", data_dir, "--listen", "127.0.0.1:0", *options]
        super().__init__(*command, env=env)
        try:
            out = self.process.stdout
            if not select.select([out], [], [], DEADLINE)[0]:
                raise AssertionError("the daemon is not ready")
            self.ready = out.readline().decode()
            match = re.match(r"agentcored is ready on ((https?)://127\.0\.0\.1:(\d+)) ", self.ready)
            if not match:
                raise AssertionError(f"it said {self.ready!r} and {self.stderr()[-3000:]}")
            self.url, self.scheme, self.port = match[1], match[2], int(match[3])
        except BaseException:
            self.process.kill()
            self.finish(code=None)
            raise

    def get(self, path):
        with Conn(self.port) as c:
            return c.request("GET", path)

    def env(self, *options):
        code, out, errors = run("env", "--json", "--data-dir", self.data_dir, *options)
        if code != 0:
            raise AssertionError(errors)
        return json.loads(out)
