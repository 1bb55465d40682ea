"""runtimes.py - what tests of agent runtimes have in common: code to deploy, and a daemon to deploy it on."""

import io
import pathlib
import time
import uuid
import zipfile

from botocore.exceptions import ClientError
from clients import DaemonTest

BUCKET = "conformance"
ROLE = "arn:aws:iam::123456789012:role/agent"
WAIT_SECONDS = 60
NOBODY = "nobody-a1B2c3D4e5"


def unique_name(prefix="agent"):
    """Names of runtimes have no hyphens."""
    return f"{prefix}_{uuid.uuid4().hex[:16]}"


def put_code(daemon, key, text="print('hello')\n"):
    """A zip file with a main.py where agentcored looks for s3://BUCKET/key."""
    path = pathlib.Path(daemon.data_dir, "buckets", BUCKET, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", text)
    path.write_bytes(packed.getvalue())


def code(key="agent.zip", **more):
    s3 = {"bucket": BUCKET, "prefix": key}
    made = {"code": {"s3": s3}, "runtime": "PYTHON_3_11", "entryPoint": ["main.py"], **more}
    return {"codeConfiguration": made}


class RuntimeTest(DaemonTest):
    """A daemon with agent.zip, which can be deployed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        put_code(cls.daemon, "agent.zip")

    def create(self, name=None, key="agent.zip", **more):
        return self.client.create_agent_runtime(
            agentRuntimeName=name or unique_name(),
            agentRuntimeArtifact=code(key),
            roleArn=ROLE,
            networkConfiguration={"networkMode": "PUBLIC"},
            **more,
        )

    def update(self, runtime_id, key="agent.zip", **more):
        return self.client.update_agent_runtime(
            agentRuntimeId=runtime_id,
            agentRuntimeArtifact=code(key),
            roleArn=ROLE,
            networkConfiguration={"networkMode": "PUBLIC"},
            **more,
        )

    def get(self, runtime_id, **more):
        return self.client.get_agent_runtime(agentRuntimeId=runtime_id, **more)

    def endpoint(self, runtime_id, name="DEFAULT"):
        return self.client.get_agent_runtime_endpoint(agentRuntimeId=runtime_id, endpointName=name)

    def wait(self, get, wanted="READY"):
        """Poll until something has a status; None: until it is not there."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                found = get()
                if found["status"] == wanted:
                    return found
            except ClientError as error:
                found = error.response
                if found["Error"]["Code"] != "ResourceNotFoundException" or wanted:
                    raise
                return None
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(0.01)

    def deploy(self, **more):
        """A runtime that is READY: its id."""
        runtime_id = self.create(**more)["agentRuntimeId"]
        self.wait(lambda: self.get(runtime_id))
        return runtime_id

    def deploy_next(self, runtime_id, **more):
        self.update(runtime_id, **more)
        self.wait(lambda: self.get(runtime_id))

    def delete(self, runtime_id):
        self.client.delete_agent_runtime(agentRuntimeId=runtime_id)
        self.wait(lambda: self.get(runtime_id), None)
