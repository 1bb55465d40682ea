"""interpreted.py - what the tests of the code interpreter have in common: interpreters, sessions, and results.

Sandboxes are made for real.  Where this machine cannot make them, the tests are skipped and say what is missing."""

import contextlib
import os
import unittest
import uuid
from unittest import mock

import boto3
from clients import DATA, DaemonTest, make_client
from deployed import sandboxes_missing

BUILTIN = "aws.codeinterpreter.v1"
MISSING = "gone-0123456789"
CLOSED = {"networkMode": "SANDBOX"}


def interpreter_name():
    return f"conformance_{uuid.uuid4().hex[:12]}"


def results(answer):
    """The results of an answer's stream."""
    return [event["result"] for event in answer["stream"]]


def result(answer):
    """The one result of an answer's stream."""
    (found,) = results(answer)
    return found


class InterpreterTest(DaemonTest):
    """self.data is a boto3 client of the data plane, self.interpreter an interpreter without a network."""

    stores = ("sqlite",)  # nothing of this differs on the other one

    @classmethod
    def setUpClass(cls):
        reason = sandboxes_missing()
        if reason:
            raise unittest.SkipTest(reason)
        if not (os.path.exists("/usr/bin/slirp4netns") and os.path.exists("/dev/net/tun")):
            cls.options = (*cls.options, "--session-network", "off")
        super().setUpClass()
        cls.data = make_client(cls.daemon, DATA)
        cls.unchecked_data = make_client(cls.daemon, DATA, validate=False)
        cls.interpreter = cls.create()["codeInterpreterId"]

    @classmethod
    def create(cls, name=None, **more):
        more.setdefault("networkConfiguration", CLOSED)
        return cls.client.create_code_interpreter(name=name or interpreter_name(), **more)

    def start(self, interpreter=None, **more):
        """The id of a session, which ends with the test."""
        where = {"codeInterpreterIdentifier": interpreter or self.interpreter}
        session = self.data.start_code_interpreter_session(**where, **more)["sessionId"]
        self.addCleanup(self.end, sessionId=session, **where)
        return session

    def end(self, **which):
        gone = (self.data.exceptions.ConflictException, self.data.exceptions.ResourceNotFoundException)
        with contextlib.suppress(*gone):
            self.data.stop_code_interpreter_session(**which)

    def call(self, session, tool, client=None, **arguments):
        """What boto3 makes of a call of a tool."""
        return (client or self.data).invoke_code_interpreter(
            codeInterpreterIdentifier=self.interpreter, sessionId=session, name=tool, arguments=arguments
        )

    def tool(self, session, tool, **arguments):
        answer = self.call(session, tool, **arguments)
        self.assertStatus(answer, 200)
        self.assertEqual(answer["sessionId"], session)
        return result(answer)

    def assertTool(self, wanted, session, tool, **arguments):
        """The tool says just this, in the first block of its content."""
        found = self.tool(session, tool, **arguments)
        self.assertEqual((found["content"][0]["text"], found["isError"]), (wanted, False), found)
        return found

    def assertToolFails(self, word, session, tool, **arguments):
        found = self.tool(session, tool, **arguments)
        self.assertTrue(found["isError"], found)
        self.assertIn(word, found["content"][0]["text"])
        return found


class PackageTest(InterpreterTest):
    """The published package as it is; the environment alone says where the daemon is."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(mock.patch.dict(os.environ, AWS_ENDPOINT_URL=cls.daemon.url, **cls.daemon.env))

    def package(self, identifier=None):
        from bedrock_agentcore.tools.code_interpreter_client import CodeInterpreter

        client = CodeInterpreter(self.daemon.region, session=boto3.Session())
        client.start(identifier=identifier or self.interpreter)
        self.addCleanup(client.stop)
        return client
