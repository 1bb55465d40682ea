#!/usr/bin/python3
"""with_postgres.py PROGRAM [ARGUMENT...] - run a program beside a PostgreSQL server of its own.

The server lives in a temporary directory, listens on a socket there and nowhere else, and is gone afterwards.  The
program finds it in AC_TEST_POSTGRES (a URL), can restart it with the command in AC_TEST_POSTGRES_RESTART, and is told
by AC_STORE_ENGINE=postgresql to use it.  Where PostgreSQL is not installed, the program has only the last of these, and
is to skip what needs the others.
"""
import glob
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from urllib.parse import quote


def server_user():
    """Whom to be for PostgreSQL, which refuses to run as root; None: who we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def find_binaries():
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    found.sort(key=lambda path: int(path.split("/")[4]) if path.split("/")[4].isdigit() else 0)
    if found:
        return os.path.dirname(found[-1])
    path = shutil.which("initdb")
    return os.path.dirname(os.path.realpath(path)) if path else None


class Server:
    def __init__(self, binaries, user):
        self.binaries = binaries
        self.user = user
        self.directory = tempfile.mkdtemp(prefix="ac-pg-", dir="/tmp")
        self.data = os.path.join(self.directory, "data")
        os.chmod(self.directory, 0o755)
        if user:
            os.chown(self.directory, user.pw_uid, user.pw_gid)

    def command(self, name, *arguments):
        words = [os.path.join(self.binaries, name), *arguments]
        if self.user:
            ids = [f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
            words = ["setpriv", *ids, *words]
        return words

    def run(self, name, *arguments):
        subprocess.run(self.command(name, *arguments), check=True, cwd=self.directory, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    def control(self, *arguments):
        log = os.path.join(self.directory, "log")
        return ["pg_ctl", "-D", self.data, "-w", "-s", "-l", log, *arguments]

    def start(self):
        self.run("initdb", "-D", self.data, "-U", "agentcore", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        options = f"-k {self.directory} -c listen_addresses='' -c fsync=off -c max_connections=60"
        options += " -c shared_buffers=16MB"
        self.run(*self.control("-o", options, "start"))

    def environment(self):
        restart = shlex.join(self.command(*self.control("-m", "immediate", "restart")))
        return {
            "AC_TEST_POSTGRES": f"postgresql://agentcore@/postgres?host={quote(self.directory, safe='')}",
            "AC_TEST_POSTGRES_RESTART": f"cd {shlex.quote(self.directory)} && {restart}",
        }

    def stop(self):
        if os.path.exists(os.path.join(self.data, "postmaster.pid")):
            subprocess.run(self.command(*self.control("-m", "immediate", "stop")), cwd=self.directory, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def main():
    os.environ["AC_STORE_ENGINE"] = "postgresql"
    binaries = find_binaries()
    if not binaries:
        os.execv(sys.argv[1], sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    server = Server(binaries, server_user())
    try:
        server.start()
        return subprocess.run(sys.argv[1:], env={**os.environ, **server.environment()}, check=False).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    code = main()
    sys.exit(code if code >= 0 else 128 - code)
