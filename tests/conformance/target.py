"""target.py - agentcored as the conformance tests see it: a process, a data directory, and what `env` prints.

Daemons listen on a port of the kernel's choice and say on standard output when they are ready; nothing here waits for
an amount of time.  run.py chooses the store (STORE) for all tests of a round; each test module starts a daemon of its
own, so that no module sees another's resources."""

import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time
from urllib.parse import urlsplit

READY_SECONDS = 60
STOP_SECONDS = 60
READY_TEXT = " is ready on "

PROGRAM = os.environ.get("AGENTCORED", str(pathlib.Path(__file__).resolve().parents[2] / "build/agentcored"))


class TargetError(Exception):
    """agentcored did not do what it must before a test can begin."""


# ---- stores ----


class Sqlite:
    """The embedded store: nothing to prepare."""

    name = "sqlite"

    def new_url(self):
        return None


class Postgres:
    """A server that somebody else runs; every call of new_url makes an empty database on it."""

    name = "postgresql"

    def __init__(self, url):
        self.url = url
        self.made = 0

    def new_url(self):
        self.made += 1
        name = f"conformance_{os.getpid()}_{self.made}"
        done = subprocess.run(
            ["psql", "--no-psqlrc", "--quiet", "--dbname", self.url, "--command", f'CREATE DATABASE "{name}"'],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise TargetError(f"no database: {done.stderr.strip()}")
        parts = urlsplit(self.url)
        return parts._replace(path="/" + name).geturl()


STORE = Sqlite()


def use_store(store):
    global STORE
    STORE = store


# ---- processes ----


class Daemon:
    """One agentcored on a data directory, which it outlives."""

    def __init__(self, data_dir, store_url=None, options=()):
        self.data_dir = data_dir
        self.store_url = store_url
        self.options = list(options)
        self.process = None
        self.url = None
        self.env = {}

    def start(self):
        command = [PROGRAM, "--data-dir", self.data_dir, "--listen", "127.0.0.1:0", "--access-log", "off"]
        if self.store_url:
            command += ["--store", self.store_url]
        with open(os.path.join(self.data_dir, "..", "log"), "ab") as log:
            self.process = subprocess.Popen(
                command + self.options, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        try:
            line = self._read_line()
            if READY_TEXT not in line:
                raise TargetError(f"agentcored did not become ready: {line!r}\n{self.log_end()}")
            self.url = line.split(READY_TEXT, 1)[1].split()[0]
            self.env = self._read_env()
        except BaseException:
            self.kill()
            raise
        return self

    def _read_line(self):
        """The first line of standard output; what there is of it when the process ends or takes too long."""
        deadline, line = time.monotonic() + READY_SECONDS, b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                break
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                break
            line += byte
        return line.decode(errors="replace")

    def _read_env(self):
        """What `eval "$(agentcored env)"` makes of an empty environment."""
        script = 'text=$("$1" env --data-dir "$2") || exit 1; eval "$text"; env -0'
        done = subprocess.run(
            ["env", "-i", f"PATH={os.environ['PATH']}", "sh", "-c", script, "sh", PROGRAM, self.data_dir],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=READY_SECONDS,
        )
        if done.returncode != 0:
            raise TargetError(f"agentcored env failed: {done.stderr.decode(errors='replace')}")
        pairs = (entry.split("=", 1) for entry in done.stdout.decode().split("\0") if "=" in entry)
        return {name: value for name, value in pairs if name.startswith(("AWS_", "NODE_"))}

    @property
    def access_key(self):
        return self.env["AWS_ACCESS_KEY_ID"]

    @property
    def secret_key(self):
        return self.env["AWS_SECRET_ACCESS_KEY"]

    @property
    def region(self):
        return self.env["AWS_REGION"]

    def log_end(self):
        try:
            text = pathlib.Path(self.data_dir, "..", "log").read_text(errors="replace")
        except OSError:
            return ""
        return text[-2000:]

    def kill(self):
        """SIGKILL: as if the machine had lost the process."""
        if self.process:
            self.process.kill()
            self._reap()

    def stop(self):
        """SIGTERM, and the exit code."""
        if not self.process:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self._reap()

    def _reap(self):
        code = self.process.wait()
        self.process.stdout.close()
        self.process = None
        return code


@contextlib.contextmanager
def folder():
    """A directory for a daemon, with a `data` in it and room for its log beside that."""
    path = tempfile.mkdtemp(prefix="agentcored-")
    os.chmod(path, 0o711)  # started by root, sessions run under another user and must reach what is deployed
    data = os.path.join(path, "data")
    os.mkdir(data, 0o700)
    try:
        yield data
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(options=()):
    """A daemon on an empty store of the kind that is being tested; it must end well when it is told to."""
    with folder() as data:
        daemon = Daemon(data, STORE.new_url(), options)
        daemon.start()
        try:
            yield daemon
            code = daemon.stop()
            if code:
                raise TargetError(f"agentcored ended with code {code}\n{daemon.log_end()}")
        finally:
            daemon.kill()
