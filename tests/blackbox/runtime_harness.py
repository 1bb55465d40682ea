"""What the tests of deployed agents share: an agentcored with agents in it, signed calls to them, and a look at what
is left of their sessions.

Sandboxes are made for real.  Where this machine cannot make them, the tests are skipped and say what is missing."""

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import unittest
import uuid
import zipfile
from urllib.parse import quote

from agentcored import PROGRAM, REGION, Daemon, clean_environment
from harness import DEADLINE, HERE, SESSION, Closed, Conn, wait_until
from sigv4 import Signer, query_text
from wsclient import WebSocket

AGENT = os.path.join(HERE, "..", "agents", "runtime_agent.py")
MAKE_IMAGE = os.path.join(HERE, "..", "..", "scripts", "make-image")
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/agent"
PYTHON = "/usr/bin/python3"
DESCRIPTORS_SPARE = 24
SLOW_SECONDS = 120  # for an answer that many sessions are started before
WAITING = 4  # processes that are kept ready to become sandboxes
NEEDED = ("user-namespaces", "mount-namespaces", "pid-namespaces", "network-namespaces", "seccomp", "bubblewrap")
NETWORK = ("slirp4netns", "tun-device")


@functools.lru_cache(maxsize=None)
def missing_here(beneath=()):
    """What `agentcored check` finds missing, by name."""
    done = subprocess.run([*beneath, PROGRAM, "check", "--json", "--data-dir", "/nonexistent/data"], text=True,
                          env=clean_environment(), stdout=subprocess.PIPE, timeout=DEADLINE, check=False)
    return {item["name"]: item["detail"] for item in json.loads(done.stdout)["items"] if item["state"] == "missing"}


def sandboxes_missing():
    """Why no agent can be run here; None: it can."""
    if not os.path.exists(PROGRAM):
        return f"{PROGRAM} is not built"
    for name, detail in missing_here().items():
        if name in NEEDED:
            return f"no sandbox can be made here: {name}: {detail}"
    return None if os.path.exists(PYTHON) else f"agents of the tests need {PYTHON}"


def network_options(beneath=()):
    """Where no network can be made for sandboxes, agents do without."""
    return ("--session-network", "off") if set(NETWORK) & set(missing_here(beneath)) else ()


def session_id():
    return f"session-{uuid.uuid4()}"


def in_parallel(count, function):
    """Call function(0), function(1), ... at once; the results in order."""
    results, errors = [None] * count, []

    def one(i):
        try:
            results[i] = function(i)
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return results


class Agentcored(Daemon):
    """A daemon that agents are deployed to."""

    def __init__(self, data_dir, *options, env=None, beneath=()):
        if "--session-network" not in options:
            options += network_options(beneath)
        super().__init__(data_dir, *options, env=env, beneath=beneath)
        self.host = f"127.0.0.1:{self.port}"
        found = self.env()
        self.keys = found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]

    def signer(self):
        return Signer(*self.keys, REGION, self.host)

    def send(self, conn, method, path, body=b"", query=(), headers=(), signed=True):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if signed:
            conn.send(self.signer().request(method, path, body, query, headers))
            return
        target = f"{path}?{query_text(query)}" if query else path
        pairs = {"Host": self.host, "Content-Type": "application/json", "Content-Length": str(len(body)),
                 **dict(headers)}
        conn.send(f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in pairs.items()) + "\r\n")
        conn.send(body)

    def call(self, method, path, body=b"", query=(), headers=(), signed=True):
        with Conn(self.port) as c:
            self.send(c, method, path, body, query, headers, signed)
            return c.read_response()

    def control(self, method, path, body=None, status=200):
        """A call of the control plane that must have this status; its answer."""
        r = self.call(method, path, json.dumps(body).encode() if body is not None else b"")
        if r.status != status:
            raise AssertionError(f"{method} {path}: {r}")
        return r.json() if r.body else {}

    # ---- deploying ----

    def put_zip(self, key, files, bucket="code"):
        """files: what is in it, by name; an (info, data) tuple for entries that are special."""
        path = os.path.join(self.data_dir, "buckets", bucket, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
            for name, data in files.items():
                if not isinstance(data, tuple):  # the same bytes whenever it is made: its digest is what is deployed
                    info = zipfile.ZipInfo(name)
                    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                    data = info, data
                z.writestr(*data)
        return path

    def code(self, key="agent.zip", entry_point="main.py", bucket="code"):
        where = {"s3": {"bucket": bucket, "prefix": key}}
        return {"codeConfiguration": {"code": where, "runtime": "PYTHON_3_11", "entryPoint": [entry_point]}}

    def put_agent(self):
        """The zip file of the tests' agent."""
        files = {}
        for name, path in (("main.py", AGENT), ("sigv4.py", os.path.join(HERE, "sigv4.py"))):
            with open(path, "rb") as f:
                files[name] = f.read()
        self.put_zip("agent.zip", files)
        return self.code()

    def put_image(self, program, repository, *options):
        """An image of a program that needs no Python."""
        layout = os.path.join(self.data_dir, "images", repository)
        os.makedirs(os.path.dirname(layout), exist_ok=True)
        subprocess.run([MAKE_IMAGE, program, layout, *options], check=True, stdout=subprocess.DEVNULL)
        return {"containerConfiguration": {"containerUri": f"{repository}:latest"}}

    def create(self, artifact, environment=None, **configuration):
        name = f"agent_{uuid.uuid4().hex[:12]}"
        return self.control("PUT", "/runtimes/", {
            "agentRuntimeName": name,
            "agentRuntimeArtifact": artifact,
            "roleArn": ROLE,
            "networkConfiguration": {"networkMode": "PUBLIC"},
            "environmentVariables": environment or {},
            **configuration,
        }, 202)

    def wait_deployed(self, runtime_id):
        """What GetAgentRuntime says when the deployment is over."""
        def settled():
            found = self.control("GET", f"/runtimes/{runtime_id}/")
            return found if found["status"] not in ("CREATING", "UPDATING") else None

        return wait_until(settled, "the deployment")

    def deploy(self, artifact=None, environment=None, **configuration):
        """A runtime that is READY: the tests' agent when no artifact is given."""
        made = self.create(artifact or self.put_agent(), environment, **configuration)
        found = self.wait_deployed(made["agentRuntimeId"])
        if found["status"] != "READY":
            raise AssertionError(found)
        return Runtime(self, made["agentRuntimeId"], made["agentRuntimeArn"])

    # ---- what is left of sessions ----

    def family(self):
        """The processes below the daemon, as {pid: parent}."""
        parents = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                        parents[int(name)] = int(f.read().rsplit(")", 1)[1].split()[1])
                except OSError:
                    pass
        found, grown = {self.pid: 0}, True
        while grown:
            grown = False
            for pid, parent in parents.items():
                if parent in found and pid not in found:
                    found[pid] = parent
                    grown = True
        return found

    def cgroups(self):
        """Directories of its groups, in all hierarchies."""
        found = []
        for folder, names, _ in os.walk("/sys/fs/cgroup"):
            if any(f"agentcored-{pid}" in folder for pid in self.helpers):
                found += [os.path.join(folder, name) for name in names]
        return found

    def named(self, name):
        """Processes below the daemon whose program's name begins so."""
        pids = []
        for pid in self.family():
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
                    if f.read().startswith(name):
                        pids.append(pid)
            except OSError:
                pass
        return sorted(pids)

    @property
    def helpers(self):
        """The daemon and what stands between it and the sandboxes, which is there while it lives."""
        waiting = self.named("agentcored-run")
        return [pid for pid in self.named("agentcored") if pid not in waiting]

    def sessions_now(self):
        """How many sandboxes there are."""
        return len(self.named("agentcore-init"))

    def files(self):
        """All that lies in the data directory, but the store's own and logs."""
        found = set()
        for folder, folders, names in os.walk(self.data_dir):
            found.update(os.path.join(folder, name) for name in folders + names
                         if not re.search(r"\.db|/logs(/|$)", os.path.join(folder, name)))
        return found

    def footprint(self):
        """What is there because of sessions, counted from outside.  The processes that wait to become sandboxes are
        others each time, as many as before; each has its cgroups."""
        helpers, waiting = self.helpers, self.named("agentcored-run")
        descriptors = {}
        mounts = {}
        for pid in helpers:
            descriptors[pid] = len(os.listdir(f"/proc/{pid}/fd"))
            with open(f"/proc/{pid}/mounts", encoding="utf-8") as f:
                mounts[pid] = sum(1 for _ in f)
        with open("/proc/mounts", encoding="utf-8") as f:
            ours = sum(self.data_dir in line for line in f)
        return {"processes": sorted(pid for pid in self.family() if pid not in waiting), "waiting": len(waiting),
                "cgroups": len(self.cgroups()), "descriptors": descriptors, "mounts": mounts,
                "mounts of the machine": ours}


class Runtime:
    """A deployed agent, called through a daemon (which may be another than the one it was deployed with)."""

    def __init__(self, daemon, runtime_id, arn):
        self.daemon, self.id, self.arn = daemon, runtime_id, arn
        self.path = f"/runtimes/{quote(arn, safe='')}"

    def through(self, daemon):
        return Runtime(daemon, self.id, self.arn)

    def _send(self, conn, payload, session, headers, query, token, path):
        more = dict(headers)
        if session:
            more[SESSION] = session
        if token:
            more["Authorization"] = f"Bearer {token}"
        self.daemon.send(conn, "POST", self.path + path, payload, query, more, signed=not token)

    def invoke(self, payload=b"{}", session=None, headers=(), query=(), token=None, path="/invocations"):
        with Conn(self.daemon.port, timeout=SLOW_SECONDS) as c:
            self._send(c, payload, session, headers, query, token, path)
            return c.read_response()

    def do(self, action, session, /, headers=(), query=(), token=None, **arguments):
        """An action of the tests' agent that must succeed; its answer."""
        r = self.invoke({"do": action, **arguments}, session, headers, query, token)
        if r.status != 200:
            raise AssertionError(f"{action}: {r}")
        return r.json() if r.header("Content-Type") == "application/json" else r

    def echo(self, session, **more):
        return self.do("echo", session, **more)

    def life(self, session, **more):
        """What tells this start of the session from another."""
        return self.echo(session, **more)["life"]

    def life_after_death(self, session):
        """The life that follows when the agent has just died.  A request that still got through to its socket is lost
        with it, which its caller is told."""
        while True:
            r = self.invoke({"do": "echo"}, session)
            if r.status == 200:
                return r.json()["life"]
            if r.status != 424:
                raise AssertionError(r)

    def open(self, payload, session, headers=(), query=(), token=None, **options):
        """A connection on which the request was sent and nothing was read."""
        conn = Conn(self.daemon.port, **options)
        try:
            self._send(conn, payload, session, headers, query, token, "/invocations")
        except BaseException:
            conn.close()
            raise
        return conn

    def stop(self, session, query=(), token=None):
        return self.invoke(b"{}", session, (), query, token, "/stopruntimesession")

    def command(self, text, session, **more):
        """(stdout, exit code) of a shell command in a session."""
        r = self.invoke({"command": text, **more}, session, path="/commands")
        if r.status != 200:
            raise AssertionError(r)
        output, code = "", None
        for name, event in read_frames(r.body):
            if name != "chunk":
                raise AssertionError(f"{name}: {event}")
            output += event.get("contentDelta", {}).get("stdout", "")
            code = event.get("contentStop", {}).get("exitCode", code)
        return output, code

    def ws(self, session, how="headers", query=(), token=None, headers=(), protocols=None, **options):
        """A WebSocket to the agent.  how: "headers", "presigned", "bearer" or "browser"."""
        path, signer, more = self.path + "/ws", self.daemon.signer(), dict(headers)
        host = self.daemon.host
        target = f"{path}?{query_text(query)}" if query else path
        if how == "headers":
            signed = signer.headers("GET", path, query)
            more.update({n: v for n, v in signed.items() if n != "host"}, **({SESSION: session} if session else {}))
        elif how == "presigned":
            target = signer.presign(path, [*query, (SESSION, session)] if session else query)
        else:
            more.update({SESSION: session} if session and how == "bearer" else {})
            if how == "bearer":
                more["Authorization"] = f"Bearer {token}"
            elif session:
                target = f"{path}?{query_text([*query, (SESSION, session)])}"
        if protocols:
            more["Sec-WebSocket-Protocol"] = protocols
        return AgentSocket(self.daemon.port, more, path=target, host=host, **options)


class AgentSocket(WebSocket):
    def __init__(self, port, headers, path, host, **options):
        self.host = host
        super().__init__(port, headers, path=path, **options)

    def handshake(self, headers=None, extensions=None, path="/ws", key=None, **replace):
        return super().handshake(headers, extensions, path, key, Host=self.host, **replace)


def read_frames(data):
    """The events of an event stream, as (type, object)."""
    found = []
    while data:
        total, size = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        head, payload = data[12:12 + size], data[12 + size:total - 4]
        headers = {}
        while head:
            name, head = head[1:1 + head[0]].decode(), head[1 + head[0]:]
            length = int.from_bytes(head[1:3], "big")
            headers[name], head = head[3:3 + length].decode(), head[3 + length:]
        found.append((headers.get(":event-type") or headers.get(":exception-type"), json.loads(payload)))
        data = data[total:]
    return found


def ends_broken(conn):
    """Whether a chunked body ends without its last chunk."""
    try:
        while conn.read_chunk():
            pass
    except (Closed, ValueError):
        return True
    return False


class RuntimeCase(unittest.TestCase):
    """Tests that share one daemon with one agent; sessions are each test's own."""

    options = ()
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        reason = sandboxes_missing()
        if reason:
            raise unittest.SkipTest(reason)
        cls.folder = tempfile.mkdtemp(prefix="agentcored-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        os.chmod(cls.folder, 0o711)
        cls.start_daemons()

    @classmethod
    def start_daemons(cls):
        cls.daemon = cls.serve("data", *cls.options)
        cls.agent = cls.daemon.deploy()

    @classmethod
    def serve(cls, name, *options, **more):
        daemon = Agentcored(os.path.join(cls.folder, name), *options, **more)
        cls.addClassCleanup(daemon.stop)
        return daemon

    def conn(self, runtime, payload, session, **more):
        conn = runtime.open(payload, session, **more)
        self.addCleanup(conn.close)
        return conn

    def ws(self, runtime, session, *more, **options):
        ws = runtime.ws(session, *more, **options)
        self.addCleanup(ws.close)
        return ws

    def assert_error(self, response, status, name, *words):
        kind = (response.header("x-amzn-ErrorType") or "").split(":")[0]
        self.assertEqual((response.status, kind), (status, name), response)
        for word in words:
            self.assertIn(word, response.json()["message"])

    def assert_agent_error(self, response, *words):
        self.assert_error(response, 424, "RuntimeClientError", *words)

    def wait_sessions(self, daemon, count, seconds=DEADLINE):
        wait_until(lambda: daemon.sessions_now() == count, f"{count} sessions", seconds)

    @staticmethod
    def settled_footprint(daemon):
        """The footprint of a daemon without sessions."""
        wait_until(lambda: sorted(daemon.helpers + daemon.named("agentcored-run")) == sorted(daemon.family()) and
                   len(daemon.named("agentcored-run")) == WAITING, "the end of all sessions")
        return daemon.footprint()

    def assert_nothing_left(self, daemon, before):
        """Everything that sessions have made since `before` was taken goes by itself.  A few descriptors more are
        connections to the store."""

        def left():
            now = daemon.footprint()
            more = {pid: count for pid, count in now["descriptors"].items()
                    if count > before["descriptors"].get(pid, 0) + DESCRIPTORS_SPARE}
            return more or [what for what in before if what != "descriptors" and now[what] != before[what]]

        try:
            wait_until(lambda: not left(), "the end of what sessions have made")
        except AssertionError:
            self.assertEqual(daemon.footprint(), before)
            raise
