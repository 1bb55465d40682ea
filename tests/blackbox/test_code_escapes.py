"""Attempts to get out of a code interpreter's session, or to harm what is outside.

Each attempt is code that runs in a session, written by somebody who knows how: it uses system calls directly where
libraries are in the way.  Whether it has worked is looked at from outside: secrets that lie about must not be in what
comes back, listeners on this machine must not have been spoken to, marks must not have been left, other sessions must
be as they were, and the daemon must go on.  An attempt that believes to have succeeded says ESCAPED, which
fails, too."""

import os
import re
import secrets
import shutil
import socket
import tempfile
import threading
import time
import unittest
from string import Template

from code_harness import BUILTIN, OPEN_NETWORK, CodeCase, Failed, Session
from harness import DEADLINE, HERE, wait_until
from runtime_harness import in_parallel


def host_address():
    """An address of this machine that is not loopback's; None where its name leads to none."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    except OSError:
        return None
    return next((a[4][0] for a in found if not a[4][0].startswith("127.")), None)


HOST_ADDRESS = host_address()

# The attempts, by group and name: sections "== GROUP NAME".  Words like $mark are of the baits below.
with open(os.path.join(HERE, "code_escapes.txt"), encoding="utf-8") as attempts_file:
    PRELUDE, *SECTIONS = [text.strip("\n") + "\n" for text in re.split("^== ", attempts_file.read(), flags=re.M)[1:]]
PRELUDE = PRELUDE.split("\n", 1)[1]
ATTEMPTS = {}
for section in SECTIONS:
    heading, attempt_code = section.split("\n", 1)
    ATTEMPTS[tuple(heading.split())] = attempt_code


def part(name, **words):
    """Code of a test that is more than one attempt."""
    return Template(ATTEMPTS["part", name]).substitute(words)


class Baits:
    """What lies about on this machine, for attempts to find."""

    def __init__(self, daemon, folder):
        self.secret = f"secret-{secrets.token_hex(16)}"
        self.mark = f"mark-{secrets.token_hex(8)}"
        self.spoken_to = []
        self.folder = tempfile.mkdtemp(prefix="agentcored-bait-")
        os.chmod(self.folder, 0o777)
        self.file = os.path.join(self.folder, "bait")
        for path in (self.file, os.path.join(daemon.data_dir, "bait")):
            with open(path, "w") as f:
                f.write(self.secret)
            os.chmod(path, 0o644)
        self.socket_file = os.path.join(self.folder, "socket")
        self.sockets = [self.listen(socket.AF_INET, ("0.0.0.0", 0)), self.listen(socket.AF_UNIX, f"\0{self.mark}"),
                        self.listen(socket.AF_UNIX, self.socket_file),
                        self.listen(socket.AF_INET, ("0.0.0.0", 0), socket.SOCK_DGRAM)]
        os.chmod(self.socket_file, 0o777)
        try:
            self.sockets.append(self.listen(socket.AF_INET6, ("::1", 0)))
            listener6 = self.sockets[-1].getsockname()[1]
        except OSError:
            listener6 = 9
        self.names = {"data_dir": daemon.data_dir, "bait": self.file, "folder": self.folder, "mark": self.mark,
                      "port": daemon.port, "listener": self.sockets[0].getsockname()[1], "listener6": listener6,
                      "datagrams": self.sockets[3].getsockname()[1], "socket_file": self.socket_file,
                      "host": HOST_ADDRESS or "127.0.0.2"}

    def listen(self, family, address, kind=socket.SOCK_STREAM):
        s = socket.socket(family, kind)
        s.bind(address)
        if kind == socket.SOCK_STREAM:
            s.listen()
        threading.Thread(target=self.watch, args=(s, kind), daemon=True).start()
        return s

    def watch(self, s, kind):
        while True:
            try:
                if kind == socket.SOCK_STREAM:
                    s.accept()[0].close()
                else:
                    s.recv(100)
            except OSError:
                return
            self.spoken_to.append(s.getsockname() if s.fileno() >= 0 else "closed")

    def marks(self):
        """Files of that name where an attempt could have left one."""
        places = ("/", "/usr", "/usr/bin", "/etc", "/bin", "/lib", "/opt", "/dev", "/tmp", "/var/lib", self.folder)
        return [p for place in places for p in (os.path.join(place, self.mark),) if os.path.lexists(p)]

    def close(self):
        for s in self.sockets:
            s.close()
        shutil.rmtree(self.folder)


class EscapeCase(CodeCase):
    options = ("--session-memory", "256M", "--session-disk", "32M", "--session-processes", "64", "--session-cpu", "100",
               "--code-output", "1M", "--code-warm", "1")
    mode = "SANDBOX"

    @classmethod
    def start_daemons(cls):
        os.environ["BAIT_IN_THE_ENVIRONMENT"] = environment_secret
        super().start_daemons()
        cls.baits = Baits(cls.daemon, cls.folder)
        cls.addClassCleanup(cls.baits.close)
        cls.used = None

    @classmethod
    def start(cls, interpreter=None):
        return Session(cls.daemon, interpreter or cls.closed(), sessionTimeoutSeconds=600)

    def fresh(self):
        s = self.start()
        self.addCleanup(s.__exit__)
        return s

    def shared(self):
        """A session for attempts that leave it as it was."""
        cls = type(self)
        if cls.used is None:
            cls.used = self.start(BUILTIN if self.mode == "PUBLIC" else None)
        return cls.used

    def look(self, *texts):
        """From outside."""
        for text in texts:
            self.assertNotIn("ESCAPED", text)
            self.assertNotIn(self.baits.secret, text)
            self.assertNotIn(environment_secret, text)
        self.assertEqual(self.baits.spoken_to, [])
        self.assertEqual(self.baits.marks(), [])
        self.assertEqual(self.daemon.get("/health").status, 200)

    def attempt(self, code, s=None):
        s = s or self.shared()
        try:
            r = s.run("exec(PRELUDE)\n" + Template(code).substitute(self.baits.names))
        except Failed as e:
            self.assertEqual(e.name, "ConflictException", e)
            type(self).used = None
            self.look(e.message)
            return None
        self.look(r.stdout, r.stderr)
        self.assertFalse(r.error, r.stderr)  # it was refused what it tried, and is not wrong itself
        return r

    def setUp(self):
        if self.used is None:
            self.shared()
        self.used.run(f"PRELUDE = {PRELUDE!r}")

    def usable(self, s, full=False):
        """The session is, or it has ended as a session may, or (full) what its code goes on doing leaves no room for
        more, which it says; and a new one is."""
        try:
            r = s.run("print('usable')")
            if not (full and r.error and r.stderr):
                self.assertEqual(r.stdout, "usable\n", r)
        except Failed as e:
            self.assertEqual(e.name, "ConflictException")
        with self.start() as other:
            self.assertEqual(other.run("1").stdout, "1\n")
        self.look()

    def bomb(self, command, tool="executeCommand", **arguments):
        s = self.fresh()
        try:
            r = s.invoke(tool, **(arguments or {"command": command}))
            self.look(r.stdout, r.stderr)
        except Failed as e:
            self.assertIn(e.name, ("ConflictException", "InternalServerException"), e)
            r = None
        return s, r


class Escapes(EscapeCase):
    def test_baits_are_noticed(self):
        """What these tests look at does change when somebody gets at it."""
        baits = Baits(self.daemon, self.folder)
        try:
            socket.create_connection(("127.0.0.1", baits.names["listener"])).close()
            for address in (f"\0{baits.mark}", baits.socket_file):
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(address)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"x", ("127.0.0.1", baits.names["datagrams"]))
            wait_until(lambda: len(baits.spoken_to) == 4, "all to be noticed")
            with open(os.path.join(baits.folder, baits.mark), "w"):
                self.assertEqual(len(baits.marks()), 1)
        finally:
            baits.close()

    # ---- more than one session, or the tools themselves ----

    def test_files_other_session(self):
        other, s = self.fresh(), self.fresh()
        other.write_all({"mine": self.baits.secret})
        other.shell(f"echo {self.baits.secret} > /tmp/mine; cp /tmp/mine /dev/shm/mine")
        other.invoke("startCommandExecution", command=f"sleep 600 # {self.baits.secret}")
        r = s.shell("cat /home/agent/* /tmp/* /dev/shm/*; ps -ef; cat /proc/*/cmdline /proc/*/environ; ls -R /home")
        self.look(r.stdout, r.stderr)
        self.assertTrue(s.invoke("readFiles", paths=["mine"]).error)
        self.assertTrue(s.invoke("getTask", taskId="1").error)

    def test_network_other_session(self):
        other, s = self.fresh(), self.fresh()
        other.write_all({"index.html": self.baits.secret})
        other.invoke("startCommandExecution", command="python3 -m http.server 8123")
        fetch = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:8123/\").read())'"
        wait_until(lambda: self.baits.secret in other.shell(fetch).stdout, "its server")
        r = s.shell(fetch)
        self.look(r.stdout, r.stderr)
        self.assertIn("refused", r.stderr)

    def test_kernel_other_session(self):
        """System V and POSIX memory and queues are each session's own."""
        other, s = self.fresh(), self.fresh()
        other.run("from multiprocessing import shared_memory as m\nx = m.SharedMemory('bait', True, 64)\n"
                  f"x.buf[:8] = b'{self.baits.secret[:8]}'")
        other.shell("ipcmk -Q; ipcmk -M 64")
        r = s.shell("ls -la /dev/shm /dev/mqueue; cat /dev/shm/*; ipcs")
        self.look(r.stdout, r.stderr)
        self.assertNotIn("bait", r.stdout)

    def test_tools_dot_dot(self):
        s = self.fresh()
        for path in ("../../" * 20 + self.baits.file.lstrip("/"), "..", "a/../../..", "./../.."):
            for tool, arguments in (("readFiles", {"paths": [path]}), ("listFiles", {"path": path}),
                                    ("removeFiles", {"paths": [path]}),
                                    ("writeFiles", {"content": [{"path": path + "/" + self.baits.mark, "text": "x"}]})):
                r = s.invoke(tool, **arguments)
                self.assertTrue(r.error, (tool, path))
                self.look(repr(r))

    def test_tools_symbolic_links(self):
        s = self.fresh()
        s.shell(f"ln -s {self.baits.file} file; ln -s / root; ln -s /proc/self/root proc; ln -s ../../.. up; "
                "ln -s /etc/passwd p; ln -s file twice; ln -s loop loop; ln -s /proc/1/environ env; mkdir in; "
                "ln -s in well; ln -s /tmp tmp")
        for path in ("file", "root" + self.baits.file, "proc" + self.baits.file, "up/etc/passwd", "p", "twice", "loop",
                     "env", "root/etc/hostname"):
            r = s.invoke("readFiles", paths=[path])
            self.assertTrue(r.error, path)
            self.look(repr(r))
        for path in ("root", "proc", "up", "tmp"):
            self.assertTrue(s.invoke("listFiles", path=path).error, path)
            r = s.write_all({f"{path}/{self.baits.mark}": "x"})
            self.assertTrue(r.error, path)
        self.assertFalse(s.write_all({"well/a": "1"}).error)
        self.assertEqual(s.read("in/a"), {"in/a": b"1"})
        self.assertEqual(s.shell(f"ls -A /tmp | grep {self.baits.mark}").stdout, "")

    def test_tools_write_over_a_link(self):
        s = self.fresh()
        s.shell("ln -s /tmp/target link; ln -s /etc/passwd passwd")
        s.write_all({"link": "new", "passwd": "new"})
        r = s.shell("cat /tmp/target; cat link; test -L link || echo file; head -1 /etc/passwd")
        self.assertEqual(r.stdout, "newfile\nroot:x:0:0:root:/root:/usr/sbin/nologin\n")

    def test_tools_remove_through_a_link(self):
        s = self.fresh()
        s.shell("mkdir /tmp/d; touch /tmp/d/kept; ln -s /tmp/d d; mkdir e; ln -s /tmp/d e/d; ln -s /usr e/usr")
        self.assertTrue(s.invoke("removeFiles", paths=["d/kept"]).error)
        self.assertFalse(s.invoke("removeFiles", paths=["d", "e"]).error)
        self.assertEqual(s.shell("ls /tmp/d; ls -A").stdout, "kept\n")

    def test_tools_race_of_links(self):
        """A path that changes between a file and a link to outside, as fast as it can, while it is read and written."""
        s = self.fresh()
        s.shell("mkdir real; echo inside > real/bait")
        s.shell(f"ln -s {self.baits.folder} out; ln -s real in")
        s.invoke("startCommandExecution",
                 command="while :; do for to in out in / /tmp; do ln -sfn $to x; done; done")
        for _ in range(150):
            self.look(repr(s.invoke("readFiles", paths=["x/bait"])))
            s.write_all({f"x/{self.baits.mark}": "x"})
        self.assertNotIn(self.baits.mark, s.shell("ls -A /tmp").stdout)

    def test_tools_special_files(self):
        s = self.fresh()
        s.run("import socket; socket.socket(socket.AF_UNIX).bind('sock')")
        s.shell("mkfifo fifo; ln -s /dev/zero zero; mkdir -p d")
        begun = time.monotonic()
        for path in ("fifo", "sock", "zero", "d"):
            self.assertTrue(s.invoke("readFiles", paths=[path]).error, path)
        self.assertFalse(s.write_all({"fifo": "1"}).error)
        self.assertEqual(s.read("fifo"), {"fifo": b"1"})
        self.assertLess(time.monotonic() - begun, DEADLINE)

    def test_tools_deep_and_strange_names(self):
        s = self.fresh()
        s.shell("p=.; for i in $(seq 1 300); do mkdir -p $p/d; cd $p/d; p=.; done")
        for path in ("d/" * 300 + "x", "a" * 300, "\x1b[31m", "a\nb", "-rf", "~", "$(id)", "`id`", "; id", "\u202e"):
            r = s.write_all({path: "x"})
            self.assertFalse("uid=" in repr(r))
        s.invoke("removeFiles", paths=["d"])
        self.assertFalse(s.invoke("listFiles").error)

    # ---- processes, signals, descriptors ----

    def test_processes_left_behind(self):
        """Nothing that a session has started outlives it."""
        before = set(self.daemon.family())
        s = self.start()
        s.shell("nohup setsid sleep 7777 >/dev/null 2>&1 & "
                "(setsid sh -c 'trap \"\" TERM INT HUP; sleep 7778 & wait' &)")
        s.run(part("left_behind"))
        s.stop()
        left = [pid for pid in set(self.daemon.family()) - before if self.command_of(pid).startswith("sleep")]
        self.assertEqual(left, [])

    @staticmethod
    def command_of(pid):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def test_processes_kill_everybody(self):
        s = self.fresh()
        try:
            self.look(s.shell("kill -9 -1; kill -9 1; kill -STOP 1").stdout)
        except Failed as e:
            self.assertEqual(e.name, "ConflictException")
        self.usable(s)

    def test_processes_signal_the_outside(self):
        s = self.fresh()
        inside = {self.daemon.pid, os.getpid(), os.getppid(), *self.daemon.helpers}
        s.run(part("signal_outside", pids=sorted(inside)))
        self.usable(s)

    def test_processes_forged_frames(self):
        """Code that speaks to the supervisor in its kernel's name."""
        s = self.fresh()
        for data in ("b'\\xff' * 100", "struct.pack('>IB', 9, 131) + b'\\0\\0\\0\\1\\0\\0\\0\\0\\0'",
                     "struct.pack('>IB', 1 << 31, 130)", "struct.pack('>IB', 3, 130) + b'abc'",
                     "struct.pack('>IB', 4, 129) + struct.pack('>I', 1)"):
            try:
                r = s.run(part("forged_frames", data=data))
                self.look(r.stdout, r.stderr)
            except Failed as e:
                self.assertEqual(e.name, "ConflictException", e)
            self.usable(s)

    def test_processes_forged_supervisor(self):
        """Code that ends the supervisor cannot take its place: the session ends with it."""
        s = self.fresh()
        with self.assertRaises(Failed) as caught:
            s.run(part("forged_supervisor"))
        self.assertEqual(caught.exception.name, "ConflictException")
        self.usable(s)

    def test_processes_supervisors_port(self):
        """Garbage sent to the supervisor by the code that it serves."""
        s = self.fresh()
        r = s.run(part("supervisors_port"))
        self.look(r.stdout, r.stderr)
        self.assertNotIn("root:x", r.stdout)
        self.usable(s)

    def test_output_terminal_escapes(self):
        s = self.fresh()
        text = "\x1b]0;owned\x07\x1b[2J\x9b31m"
        r = s.run(f"print({text!r})")
        self.assertEqual(r.stdout, text + "\n")
        s.write_all({text: "x"})
        s.invoke("readFiles", paths=[text + "/"])
        self.assertNotIn("\x1b", self.daemon.stderr())

    def test_output_forged_log_lines(self):
        s = self.fresh()
        s.run('import sys, os\nline = \'{"level": "ERROR", "message": "forged-%s"}\\n\'' % self.baits.mark +
              "\nprint(line); os.write(2, line.encode())\nos.system('echo forged > /dev/console')")
        self.assertNotIn(f"forged-{self.baits.mark}", self.daemon.stderr())


class Bombs(EscapeCase):
    """What takes all that there is.  Some of it ends only when its time is over."""

    options = (*EscapeCase.options, "--code-timeout", "5s")

    def test_resources_fork_bomb(self):
        s, _ = self.bomb("bomb() { bomb | bomb & }; bomb; sleep 3")
        self.assertLess(len(self.daemon.family()), 150)
        self.usable(s, full=True)

    def test_resources_thread_bomb(self):
        s, r = self.bomb(None, "executeCode", code=part("thread_bomb"))
        self.assertLess(int(r.stdout), 64)
        for _ in range(50):  # each takes the place of the thread that has just answered
            self.assertEqual(s.run("1").stdout, "1\n")
        self.usable(s)

    def test_resources_memory_bomb(self):
        s, r = self.bomb(None, "executeCode", code="x = []\nwhile True: x.append(bytearray(b'1' * (16 << 20)))")
        self.assertTrue(r is None or r.error, r)
        self.usable(s)

    def test_resources_memory_bomb_of_a_child(self):
        s, _ = self.bomb("python3 -c 'x = bytearray(b\"1\" * (1 << 30))'; echo $?; head -c 1G /dev/zero | tail | wc -c")
        self.usable(s)

    def test_resources_disk_bomb(self):
        s, r = self.bomb("head -c 1G /dev/zero > big; ls -l big | awk '{print $5}'; head -c 1G /dev/zero > /tmp/big; "
                         "head -c 1G /dev/zero > /dev/shm/big; df --output=avail . | tail -1")
        if r:
            self.assertIn("No space left", r.stderr)
            self.assertLessEqual(int(r.stdout.split()[0]), 32 << 20)
        self.usable(s)

    def test_resources_inode_bomb(self):
        s, _ = self.bomb(None, "executeCode", code="import os\nos.mkdir('d')\ni = 0\ntry:\n    while True:\n"
                         "        open(f'd/{i}', 'w').close(); i += 1\nexcept BaseException as e: print(i, type(e))")
        self.usable(s, full=True)  # its files are memory, which may leave none for a new kernel

    def test_resources_output_bomb(self):
        s, r = self.bomb("yes")
        self.assertEqual((len(r.stdout), r.code), (1 << 20, 124))
        s, r = self.bomb(None, "executeCode", code="import sys\nwhile True: sys.stderr.write('x' * 65536)")
        self.assertEqual(r.code, 124)
        self.assertLess(len(r.stderr), (1 << 20) + 4096)
        self.usable(s)

    def test_resources_image_bomb(self):
        code = "import builtins\nfor i in range(1000): builtins.agentcore_image(b'x' * (1 << 20))"
        s, r = self.bomb(None, "executeCode", code=code)
        self.assertLessEqual(len([b for b in r.content if b["type"] == "image"]), 16)
        self.usable(s)

    def test_resources_descriptor_bomb(self):
        s, _ = self.bomb(None, "executeCode", code=part("descriptor_bomb"))
        self.usable(s)

    def test_resources_processor(self):
        s, r = self.bomb("for i in 1 2 3 4; do (while :; do :; done) & done; sleep 3")
        begun = time.monotonic()
        with self.start() as other:
            other.run("1")
        self.assertLess(time.monotonic() - begun, DEADLINE)
        self.usable(s)

    def test_resources_many_tasks(self):
        s = self.fresh()
        for _ in range(80):
            s.invoke("startCommandExecution", command="sleep 600")
        self.assertTrue(s.invoke("startCommandExecution", command="sleep 600").error)
        self.look()
        self.usable(s, full=True)

    def test_resources_calls_at_once(self):
        s = self.fresh()

        def one(_):
            try:
                return s.shell("sleep 0.3; echo done").stdout
            except Failed as e:
                return e.name
        found = in_parallel(60, one)
        self.assertGreater(found.count("done\n"), 10)
        self.usable(s)

    def test_processes_stopped_kernel(self):
        s = self.fresh()
        r = s.run("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
        self.assertEqual(r.code, 124)
        self.usable(s)


environment_secret = f"secret-{secrets.token_hex(16)}"


@unittest.skipUnless(OPEN_NETWORK, "there is no /dev/net/tun")
class OpenEscapes(Escapes):
    """The attempts at the network once more, from a session that has one: private, loopback and link-local addresses
    are refused all the same."""

    mode = "PUBLIC"


def add(group, name, code):
    def test(self):
        self.attempt(code)
    setattr(Escapes, f"test_{group}_{name}", test)


for (each_group, each_name), each_code in ATTEMPTS.items():
    if each_group != "part":
        add(each_group, each_name, each_code)
for each_name in [n for n in dir(OpenEscapes) if n.startswith("test_") and not n.startswith("test_network_")]:
    setattr(OpenEscapes, each_name, None)

if __name__ == "__main__":
    unittest.main()
