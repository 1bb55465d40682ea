"""What the tests of the command line share: running `agentcore`, on pipes and on a terminal of its own, in a fresh
directory with a data directory of its own."""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "blackbox"))

from harness import DEADLINE, SANITIZER, build_path, free_port  # noqa: E402
from runtime_harness import sandboxes_missing  # noqa: E402

PROGRAM = build_path("agentcore")
SECONDS = 120  # for one command; some build a project
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\r")
USAGE, UNREACHABLE, ABSENT, AGENT, INTERRUPTED = 2, 3, 4, 5, 130  # exit codes


def clean_environment(**more):
    """The environment without what could tell the programs something."""
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith(("AGENTCORE", "AWS_", "XDG_", "PKG_CONFIG", "NO_COLOR", "DOCKER_"))}
    return {**kept, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "xterm", "LC_ALL": "C.UTF-8", **more}


def sanitized():
    """Whether the libraries are built with a sanitizer: programs that others build cannot use them then."""
    library = pathlib.Path(build_path("src", "libagentcore.so"))
    return library.exists() and b"libasan.so" in library.read_bytes()


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def lines(self):
        return self.out.splitlines()

    def __repr__(self):
        return f"<code {self.code}, out {self.out[-2000:]!r}, err {self.err[-2000:]!r}>"


class Terminal:
    """A program on a pseudo-terminal, as a person has it."""

    def __init__(self, argv, cwd, env):
        self.text, self.at = "", 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                os.execve(argv[0], argv, env)
            finally:
                os._exit(127)

    def read(self, seconds):
        """Take what comes within that time; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other end is closed
            data = b""
        self.text += ESCAPES.sub("", data.decode("utf-8", "replace"))
        return bool(data)

    def expect(self, pattern, seconds=SECONDS):
        """Wait until a pattern comes behind what was expected before."""
        end = time.monotonic() + seconds
        while True:
            match = re.compile(pattern).search(self.text, self.at)
            if match:
                self.at = match.end()
                return match
            if time.monotonic() > end or not self.read(0.2):
                raise AssertionError(f"{pattern!r} did not come; after it was: {self.text[self.at:]!r}")

    def send(self, text):
        os.write(self.fd, text.encode())

    def wait(self, seconds=SECONDS):
        """Its exit code, with all it has said."""
        end = time.monotonic() + seconds
        while self.read(0.2):
            if time.monotonic() > end:
                self.kill()
                raise AssertionError(f"it did not end: {self.text!r}")
        _, status = os.waitpid(self.pid, 0)
        self.close()
        return os.waitstatus_to_exitcode(status)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd, self.pid = -1, 0

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.close()


class CliCase(unittest.TestCase):
    """A directory to work in, and nothing else that a command could find."""

    def setUp(self):
        if not os.path.exists(PROGRAM):
            self.skipTest(f"{PROGRAM} is not built")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="agentcore-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o711)  # root's sandboxes run under users of their own
        self.data = self.folder / "data"
        self.work = self.folder / "work"
        self.work.mkdir()
        self.env = clean_environment(HOME=str(self.folder), AGENTCORED_DATA_DIR=str(self.data))
        self.addCleanup(self.stop_daemon)

    def stop_daemon(self):
        if (self.data / "endpoint").exists():
            self.run_cli("down", "--now")

    def run_cli(self, *arguments, cwd=None, env=None, stdin="", code=None):
        """Run a command to its end.  code: what it must end with."""
        done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=cwd or self.work, env={**self.env, **(env or {})},
                              input=stdin, capture_output=True, text=True, timeout=SECONDS)
        result = Done(done.returncode, done.stdout, done.stderr)
        if SANITIZER.search(done.stderr):
            raise AssertionError(done.stderr)
        if code is not None and done.returncode != code:
            raise AssertionError(f"agentcore {' '.join(map(str, arguments))}: {result}")
        return result

    def ok(self, *arguments, **more):
        return self.run_cli(*arguments, code=0, **more)

    def fails(self, code, *arguments, says, **more):
        """It fails with this code and one line that says so."""
        done = self.run_cli(*arguments, **more)
        self.assertEqual(done.code, code, done)
        self.assertRegex(done.err, says, done)
        self.assertEqual(len(done.err.splitlines()), 1, done)
        self.assertTrue(done.err.startswith("agentcore: "), done)
        return done

    def terminal(self, *arguments, cwd=None, env=None):
        t = Terminal([PROGRAM, *map(str, arguments)], cwd or self.work, {**self.env, **(env or {})})
        self.addCleanup(t.kill)
        return t

    def start_daemon(self, *options):
        reason = sandboxes_missing()
        if reason:
            self.skipTest(reason)
        return self.ok("up", "--listen", "127.0.0.1:0", "--json", *options).json()

    def write(self, name, text, mode=0o644):
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def tree(self, path):
        """All that lies below."""
        return sorted(str(p.relative_to(path)) for p in pathlib.Path(path).rglob("*"))


__all__ = ["ABSENT", "AGENT", "CliCase", "DEADLINE", "Done", "HERE", "INTERRUPTED", "PROGRAM", "SECONDS", "Terminal",
           "UNREACHABLE", "USAGE", "build_path", "clean_environment", "free_port", "sanitized"]
