"""sdk.py - the published package bedrock-agentcore as it is, against a daemon with TLS.

AgentCoreRuntimeClient makes wss URLs and takes only host names of AWS, so the daemon's certificate is for such a name
(--tls-name), and BEDROCK_AGENTCORE_DP_ENDPOINT leads there.  Nobody but these tests knows the name: programs see it in
an /etc/hosts of their own (as_program), and connections made here are told the address beside it (connect)."""

import asyncio
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
from unittest import mock
from urllib.parse import urlsplit

import boto3
import websockets
from deployed import HERE, AgentTest

sys.path.insert(1, str(HERE.parent / "blackbox"))
from issuer import Issuer  # noqa: E402

NAME = "agentcored.api.aws"
WAIT_SECONDS = 60
PROGRAM_SECONDS = 180


async def opened(url, **options):
    try:
        return await websockets.connect(url, **options)
    except websockets.InvalidStatusCode as error:
        error.add_note(f"{error.headers.get('x-amzn-errortype')}: {url}")
        raise


class Socket:
    """websockets.connect(), step by step.  Not the package's own client for threads: it reads and writes a TLS
    connection at the same time, which OpenSSL does not allow, and loses the first request of one in fifty."""

    def __init__(self, url, **options):
        self.loop = asyncio.new_event_loop()
        try:
            self.ws = self.wait(lambda: opened(url, **options))
        except BaseException:
            self.loop.close()
            raise

    def wait(self, make):
        async def step():
            return await asyncio.wait_for(make(), WAIT_SECONDS)

        return self.loop.run_until_complete(step())

    def send(self, message):
        self.wait(lambda: self.ws.send(message))

    def recv(self):
        return self.wait(self.ws.recv)

    def close(self):
        self.wait(self.ws.close)
        self.loop.close()


class SdkTest(AgentTest):
    """self.sdk is an AgentCoreRuntimeClient; self.guarded the ARN of a runtime that wants OAuth tokens."""

    options = ("--tls", "--tls-name", NAME, "--tls-name", "127.0.0.1", "--oidc-allow-http", "on")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from bedrock_agentcore._utils import endpoints
        from bedrock_agentcore.runtime import AgentCoreRuntimeClient

        cls.port = urlsplit(cls.daemon.url).port
        cls.endpoint_url = f"https://{NAME}:{cls.port}"
        cls.ssl = ssl.create_default_context(cafile=cls.daemon.env["AWS_CA_BUNDLE"])
        cls.enterClassContext(mock.patch.dict(os.environ, AWS_ENDPOINT_URL=cls.daemon.url, **cls.daemon.env))
        # What it reads from the environment when it is imported, which other tests have done already.
        cls.enterClassContext(mock.patch.object(endpoints, "DP_ENDPOINT_OVERRIDE", cls.endpoint_url))
        cls.sdk = AgentCoreRuntimeClient(region=cls.daemon.region, session=boto3.Session())

    @classmethod
    def deploy_guarded(cls):
        cls.issuer = Issuer()
        cls.addClassCleanup(cls.issuer.close)
        cls.guarded = cls.deploy_agent(
            authorizerConfiguration=cls.issuer.authorizer(),
            requestHeaderConfiguration={"requestHeaderAllowlist": ["Authorization"]},
        )

    def connect(self, url, headers=None, **options):
        """A WebSocket of the package websockets; it is closed when the test ends."""
        ws = Socket(url, extra_headers=headers, host="127.0.0.1", port=self.port, ssl=self.ssl, **options)
        self.addCleanup(ws.close)
        return ws

    def as_program(self, *command, **environment):
        """A program that knows the daemon by its name, and nothing but the environment: what it printed.

        Only it sees this /etc/hosts: bubblewrap, which agentcored needs as well, gives it a mount namespace."""
        with tempfile.NamedTemporaryFile("w", prefix="hosts-") as hosts:
            hosts.write(pathlib.Path("/etc/hosts").read_text() + f"\n127.0.0.1 {NAME}\n")
            hosts.flush()
            return subprocess.run(
                ["bwrap", "--dev-bind", "/", "/", "--ro-bind", hosts.name, "/etc/hosts", "--die-with-parent", *command],
                env={
                    "PATH": os.environ["PATH"],
                    **self.daemon.env,
                    "AWS_EC2_METADATA_DISABLED": "true",
                    "SSL_CERT_FILE": self.daemon.env["AWS_CA_BUNDLE"],
                    "BEDROCK_AGENTCORE_DP_ENDPOINT": self.endpoint_url,
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PROGRAM_SECONDS,
            )
