"""sdk.py - the published package bedrock-agentcore as it is, against a daemon with TLS.

AgentCoreRuntimeClient makes wss URLs and takes only host names of AWS, so the daemon's certificate is for such a name
(--tls-name), and BEDROCK_AGENTCORE_DP_ENDPOINT leads there.  Nobody but these tests knows the name: programs see it in
an /etc/hosts of their own (as_program), and connections made here have their socket made for them (connect)."""

import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
from unittest import mock
from urllib.parse import urlsplit

import boto3
import websockets.sync.client
from deployed import HERE, AgentTest

sys.path.insert(1, str(HERE.parent / "blackbox"))
from issuer import Issuer  # noqa: E402

NAME = "agentcored.api.aws"
WAIT_SECONDS = 30
PROGRAM_SECONDS = 60


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
        return self.enterContext(
            websockets.sync.client.connect(
                url,
                additional_headers=headers,
                sock=socket.create_connection(("127.0.0.1", self.port), WAIT_SECONDS),
                ssl=self.ssl,
                open_timeout=WAIT_SECONDS,
                **options,
            )
        )

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
