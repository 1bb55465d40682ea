"""deployed.py - what tests that call agents have in common: agents in zip files and images, and a client of the data
plane.

Sandboxes are made for real.  Where this machine cannot make them, the tests are skipped and say what is missing."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import unittest
import uuid
import zipfile

import boto3
import botocore
import target
from botocore.config import Config
from clients import DATA, make_client
from runtimes import BUCKET, ROLE, WAIT_SECONDS, RuntimeTest, code, unique_name

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GUIDE = HERE / "guide"  # code blocks of the guide as they stand there, each named by its section
PLAIN_AGENT = HERE.parent / "agents/runtime_agent.py"  # the standard library alone: see its head
EXAMPLES = pathlib.Path(os.environ.get("CONFORMANCE_EXAMPLES", pathlib.Path(target.PROGRAM).parent / "examples"))
VENDORED = os.environ.get("CONFORMANCE_VENDORED")  # a directory of the packages that Python agents import
# What the guide leaves off where it shows a handler alone.
BEFORE_HANDLER = "from bedrock_agentcore import BedrockAgentCoreApp\n\napp = BedrockAgentCoreApp()\n\n"
AFTER_HANDLER = "\napp.run()\n"
NEEDED = ("user-namespaces", "mount-namespaces", "pid-namespaces", "network-namespaces", "seccomp", "bubblewrap")


def session_id():
    return f"conformance-session-{uuid.uuid4()}"


def sandboxes_missing():
    """Why no agent can be run here; None: it can."""
    with target.folder() as data:
        done = subprocess.run(
            [target.PROGRAM, "check", "--json", "--data-dir", data],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    for item in json.loads(done.stdout)["items"]:
        if item["name"] in NEEDED and item["state"] == "missing":
            return f"no sandbox can be made here: {item['name']}: {item['detail']}"
    return None if os.path.exists("/usr/bin/python3") else "the agents need /usr/bin/python3"


def python_runtime():
    """The name of /usr/bin/python3 in AgentCore."""
    text = "import sys; print('PYTHON_3_%d' % sys.version_info[1])"
    return subprocess.run(["/usr/bin/python3", "-c", text], capture_output=True, text=True, check=True).stdout.strip()


def bearer_client(daemon, token):
    """A boto3 client of the data plane that brings an OAuth token in place of a signature."""
    client = boto3.session.Session(region_name=daemon.region).client(
        DATA,
        endpoint_url=daemon.url,
        verify=daemon.env.get("AWS_CA_BUNDLE"),
        config=Config(signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1, "mode": "standard"}),
    )
    client.meta.events.register(
        f"before-send.{DATA}",
        lambda request, **_: request.headers.__setitem__("Authorization", f"Bearer {token}"),
    )
    return client


# ---- artifacts ----


def put_plain_agent(daemon, key="plain.zip"):
    """The tests' agent, as a zip file in the data directory."""
    path = pathlib.Path(daemon.data_dir, "buckets", BUCKET, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(PLAIN_AGENT, "main.py")


def agent_of(block):
    """A program out of a code block of the guide: the block, and around a handler that stands alone what is missing."""
    text = (GUIDE / block).read_text()
    return text if "app.run()" in text else BEFORE_HANDLER + text + AFTER_HANDLER


def put_guide_agents(daemon, blocks, key="guide.zip"):
    """These blocks, with the packages they import, as one zip file; the entry point says which one runs."""
    base = pathlib.Path(VENDORED + ".zip")
    if not base.exists():
        packed = pathlib.Path(shutil.make_archive(f"{VENDORED}-{os.getpid()}", "zip", VENDORED))
        packed.rename(base)
    path = pathlib.Path(daemon.data_dir, "buckets", BUCKET, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base, path)
    with zipfile.ZipFile(path, "a") as archive:
        for block in blocks:
            archive.writestr(block, agent_of(block))


def shared_libraries(program):
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", shown)


def put_image(daemon, program, *arguments):
    """An example in C, or another program, as an image with a shell in it (as bash and sh): its reference."""
    files = [("/bin/bash", "/bin/bash"), ("/bin/bash", "/bin/sh")]
    files += [(os.path.realpath(library), library) for library in shared_libraries("/bin/bash")]
    repository = "-".join([pathlib.Path(program).name, *arguments]).replace("_", "-")
    layout = pathlib.Path(daemon.data_dir, "images", repository)
    layout.parent.mkdir(parents=True, exist_ok=True)
    command = [ROOT / "scripts/make-image", EXAMPLES / program, layout]
    for source, place in files:
        command += ["--file", f"{source}:{place}"]
    for text in arguments:
        command += ["--arg", text]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return f"{repository}:latest"


# ---- tests ----


class AgentTest(RuntimeTest):
    """A daemon with the tests' agent deployed; self.data is a boto3 client of the data plane."""

    plain = True
    stores = ("sqlite",)  # nothing of this differs on the other one

    @classmethod
    def setUpClass(cls):
        reason = sandboxes_missing()
        if reason:
            raise unittest.SkipTest(reason)
        super().setUpClass()
        cls.data = make_client(cls.daemon, DATA)
        cls.unchecked_data = make_client(cls.daemon, DATA, validate=False)
        if cls.plain:
            put_plain_agent(cls.daemon)
            cls.arn = cls.deploy_agent()

    @classmethod
    def deploy_agent(cls, artifact=None, **more):
        """A runtime that is READY: its ARN."""
        made = cls.client.create_agent_runtime(
            agentRuntimeName=unique_name(),
            agentRuntimeArtifact=artifact or code("plain.zip"),
            roleArn=ROLE,
            networkConfiguration={"networkMode": "PUBLIC"},
            **more,
        )
        deadline = time.monotonic() + WAIT_SECONDS
        while (found := cls.client.get_agent_runtime(agentRuntimeId=made["agentRuntimeId"]))["status"] != "READY":
            if found["status"] != "CREATING" or time.monotonic() > deadline:
                raise AssertionError(found)
            time.sleep(0.01)
        return made["agentRuntimeArn"]

    @classmethod
    def deploy_block(cls, name, **more):
        """A code block of the guide that put_guide_agents has put there."""
        return cls.deploy_agent(code("guide.zip", entryPoint=[name], runtime=python_runtime()), **more)

    @classmethod
    def deploy_image(cls, example, *arguments, **more):
        """One of examples/*.c."""
        reference = put_image(cls.daemon, example, *arguments)
        return cls.deploy_agent({"containerConfiguration": {"containerUri": reference}}, **more)

    # ---- calls ----

    def invoke(self, payload=b"{}", session=None, arn=None, client=None, **more):
        """What boto3 makes of an answer."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        if session:
            more["runtimeSessionId"] = session
        more.setdefault("contentType", "application/json")
        return (client or self.data).invoke_agent_runtime(agentRuntimeArn=arn or self.arn, payload=body, **more)

    def ask(self, payload=b"{}", *args, **more):
        """The JSON of an answer."""
        answer = self.invoke(payload, *args, **more)
        self.assertStatus(answer, 200)
        return json.loads(answer["response"].read())

    def echo(self, *args, **more):
        """What the tests' agent has seen, with lower-case names of headers."""
        seen = self.ask({"do": "echo"}, *args, **more)
        seen["headers"] = {name.lower(): value for name, value in seen["headers"]}
        return seen

    def command(self, text, session, arn=None, **body):
        """The events of a shell command."""
        more = {"runtimeSessionId": session} if session else {}
        answer = self.data.invoke_agent_runtime_command(
            agentRuntimeArn=arn or self.arn, body={"command": text, **body}, **more
        )
        self.assertStatus(answer, 200)
        return [event["chunk"] for event in answer["stream"]]

    def shell(self, text, session, arn=None, **body):
        """(standard output, standard error, how it ended) of a shell command."""
        events = self.command(text, session, arn, **body)
        self.assertEqual([list(event) for event in events[:1]], [["contentStart"]], events)
        deltas = [event["contentDelta"] for event in events if "contentDelta" in event]
        outputs = ("".join(delta.get(name, "") for delta in deltas) for name in ("stdout", "stderr"))
        self.assertEqual(len(deltas), len(events) - 2, events)
        return (*outputs, events[-1]["contentStop"])

    def stop(self, session, arn=None, **more):
        return self.data.stop_runtime_session(agentRuntimeArn=arn or self.arn, runtimeSessionId=session, **more)
