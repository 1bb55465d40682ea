"""What the tests of the code interpreter share: an agentcored, sessions, and calls of their tools."""

import base64
import json
import os
import shutil
import tempfile
import unittest
import uuid
from urllib.parse import quote

from harness import Conn
from runtime_harness import Agentcored, RuntimeCase, read_frames, sandboxes_missing

BUILTIN = "aws.codeinterpreter.v1"
SLOW_SECONDS = 180  # for many at once on a machine that is busy
CODE_SESSION = "x-amzn-code-interpreter-session-id"
OPEN_NETWORK = os.path.exists("/dev/net/tun")


class Failed(Exception):
    """An answer that is an exception: its name, status, and message."""

    def __init__(self, name, status, message):
        super().__init__(f"{name} {status}: {message}")
        self.name, self.status, self.message = name, status, message


def check(response, status=200):
    if response.status == status:
        return response
    name = (response.header("x-amzn-ErrorType") or "").split(":")[0]
    raise Failed(name, response.status, response.json().get("message") if response.body else "")


class Result:
    """The result events of one call; the last one is the result."""

    def __init__(self, events):
        for name, event in events:
            if name != "result":
                raise Failed(name[0].upper() + name[1:], None, event.get("message"))
        self.events = [event for _, event in events]
        self.last = self.events[-1]
        self.content = [block for event in self.events for block in event["content"]]
        self.structured = self.last.get("structuredContent", {})
        self.error = self.last["isError"]
        self.text = self.content[0].get("text") if self.content else None
        self.stdout, self.stderr = self.structured.get("stdout"), self.structured.get("stderr")
        self.code = self.structured.get("exitCode")

    def __repr__(self):
        return json.dumps(self.events)[:3000]


class Session:
    def __init__(self, daemon, interpreter=BUILTIN, **arguments):
        self.daemon, self.interpreter = daemon, interpreter
        self.started = self.call("PUT", "sessions/start", arguments)
        self.id = self.started["sessionId"]

    def call(self, method, path, body=b"", query=()):
        with Conn(self.daemon.port, timeout=SLOW_SECONDS) as c:
            self.daemon.send(c, method, f"/code-interpreters/{self.interpreter}/{path}", body, query)
            return check(c.read_response()).json()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        except Failed as e:
            if e.name not in ("ConflictException", "ResourceNotFoundException"):
                raise

    def send(self, conn, name, headers=(), **arguments):
        more = {CODE_SESSION: self.id, **dict(headers)}
        self.daemon.send(conn, "POST", f"/code-interpreters/{self.interpreter}/tools/invoke",
                         {"name": name, "arguments": arguments}, (), more)

    def invoke(self, name, headers=(), **arguments):
        with Conn(self.daemon.port, timeout=SLOW_SECONDS) as c:
            self.send(c, name, headers, **arguments)
            return Result(read_frames(check(c.read_response()).body))

    def run(self, code, language="python", **more):
        return self.invoke("executeCode", code=code, language=language, **more)

    def shell(self, command):
        return self.invoke("executeCommand", command=command)

    def write(self, **files):
        """Files by name; bytes go as blobs."""
        return self.write_all(files)

    def write_all(self, files):
        content = [{"path": path, "text": data} if isinstance(data, str) else
                   {"path": path, "blob": base64.b64encode(data).decode()} for path, data in files.items()]
        return self.invoke("writeFiles", content=content)

    def read(self, *paths):
        """The contents by path, as bytes."""
        found = {}
        for block in self.invoke("readFiles", paths=list(paths)).content:
            if block["type"] == "resource":
                r = block["resource"]
                data = r["text"].encode() if r["type"] == "text" else base64.b64decode(r["blob"])
                found[r["uri"].removeprefix("file:///")] = data
        return found

    def get(self):
        return self.call("GET", "sessions/get", query=[("sessionId", self.id)])

    def stop(self, **arguments):
        return self.call("PUT", "sessions/stop", arguments, [("sessionId", self.id)])


class CodeCase(RuntimeCase):
    """Tests that share one daemon."""

    options = ()

    @classmethod
    def start_daemons(cls):
        cls.daemon = cls.serve("data", *cls.options)

    def session(self, interpreter=None, **arguments):
        s = Session(self.daemon, interpreter or self.closed(), **arguments)
        self.addCleanup(s.__exit__)
        return s

    @classmethod
    def closed(cls):
        """An interpreter without a network, which every machine can have."""
        if "closed_id" not in cls.__dict__:
            cls.closed_id = cls.interpreter("SANDBOX")
        return cls.closed_id

    @classmethod
    def interpreter(cls, mode="SANDBOX"):
        return cls.daemon.control("PUT", "/code-interpreters", {
            "name": f"i_{uuid.uuid4().hex[:12]}",
            "networkConfiguration": {"networkMode": mode}}, 202)["codeInterpreterId"]

    def assert_fails(self, name, function, /, *arguments, **more):
        with self.assertRaises(Failed) as caught:
            function(*arguments, **more)
        self.assertEqual(caught.exception.name, name, caught.exception)
        return caught.exception.message


__all__ = ["BUILTIN", "CODE_SESSION", "OPEN_NETWORK", "Agentcored", "CodeCase", "Conn", "Failed", "Result", "Session",
           "check", "json", "os", "quote", "read_frames", "sandboxes_missing", "shutil", "tempfile", "unittest"]
