"""Agent runtimes: requests that are repeated, a daemon that is killed, and the Python SDK's own client."""

import os
import time
import unittest
import uuid
from unittest import mock

import boto3
import target
from clients import make_client
from runtimes import ROLE, RuntimeTest, code, put_code, unique_name


class Replays(RuntimeTest):
    """The same request with the same clientToken: one effect, one answer."""

    OPERATIONS = (
        "CreateAgentRuntime",
        "UpdateAgentRuntime",
        "DeleteAgentRuntime",
        "CreateAgentRuntimeEndpoint",
        "UpdateAgentRuntimeEndpoint",
        "DeleteAgentRuntimeEndpoint",
        "CreateCodeInterpreter",
        "DeleteCodeInterpreter",
    )

    def twice(self, call, *args, **kwargs):
        kwargs["clientToken"] = str(uuid.uuid4())
        answers = [call(*args, **kwargs) for _ in range(2)]
        for answer in answers:
            del answer["ResponseMetadata"]
        self.assertEqual(*answers)
        return kwargs

    def mismatch(self, call, *args, **kwargs):
        answer = self.assertFails("ValidationException", 400, call, *args, **kwargs)
        self.assertEqual(answer["reason"], "IdempotentParameterMismatchException")

    def test_runtimes(self):
        name = unique_name()
        used = self.twice(self.create, name)
        self.mismatch(self.create, unique_name(), clientToken=used["clientToken"])
        (runtime_id,) = (
            entry["agentRuntimeId"]
            for entry in self.client.list_agent_runtimes()["agentRuntimes"]
            if entry["agentRuntimeName"] == name
        )
        self.wait(lambda: self.get(runtime_id))
        used = self.twice(self.update, runtime_id)
        self.mismatch(self.update, runtime_id, description="other", clientToken=used["clientToken"])
        found = self.wait(lambda: self.get(runtime_id))
        self.assertEqual(found["agentRuntimeVersion"], "2")
        used = self.twice(self.client.delete_agent_runtime, agentRuntimeId=runtime_id)
        self.wait(lambda: self.get(runtime_id), None)
        again = self.client.delete_agent_runtime(**used)
        self.assertEqual(again["status"], "DELETING")

    def test_endpoints(self):
        runtime_id = self.deploy()
        used = self.twice(self.client.create_agent_runtime_endpoint, agentRuntimeId=runtime_id, name="prod")
        self.mismatch(self.client.create_agent_runtime_endpoint, **{**used, "name": "other"})
        where = {"agentRuntimeId": runtime_id, "endpointName": "prod"}
        used = self.twice(self.client.update_agent_runtime_endpoint, **where, description="x")
        self.mismatch(self.client.update_agent_runtime_endpoint, **{**used, "description": "y"})
        self.twice(self.client.delete_agent_runtime_endpoint, **where)

    def test_code_interpreters(self):
        made = {"name": unique_name(), "networkConfiguration": {"networkMode": "SANDBOX"}}
        used = self.twice(self.client.create_code_interpreter, **made)
        self.mismatch(self.client.create_code_interpreter, **{**used, "description": "other"})
        again = self.client.create_code_interpreter(**used)
        self.twice(self.client.delete_code_interpreter, codeInterpreterId=again["codeInterpreterId"])


class Restarts(unittest.TestCase):
    def test_a_deployment_outlives_the_daemon(self):
        with target.folder() as data:
            daemon = target.Daemon(data, target.STORE.new_url()).start()
            try:
                put_code(daemon, "agent.zip")
                made = make_client(daemon).create_agent_runtime(
                    agentRuntimeName=unique_name(), agentRuntimeArtifact=code(), roleArn=ROLE
                )
                daemon.kill()
                daemon.start()
                client = make_client(daemon)
                deadline = time.monotonic() + 60  # a lease of the killed one may have to run out
                while client.get_agent_runtime(agentRuntimeId=made["agentRuntimeId"])["status"] != "READY":
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
            finally:
                daemon.kill()


class Sdk(RuntimeTest):
    """bedrock_agentcore.runtime.AgentCoreRuntimeClient as it is; only its naps between two looks are shortened."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from bedrock_agentcore._utils import polling
        from bedrock_agentcore.runtime import AgentCoreRuntimeClient

        cls.enterClassContext(mock.patch.dict(os.environ, {"AWS_ENDPOINT_URL": cls.daemon.url}))
        nap = time.sleep
        cls.enterClassContext(mock.patch.object(polling.time, "sleep", lambda seconds: nap(min(seconds, 0.05))))
        session = boto3.Session(
            aws_access_key_id=cls.daemon.access_key,
            aws_secret_access_key=cls.daemon.secret_key,
            region_name=cls.daemon.region,
        )
        cls.sdk = AgentCoreRuntimeClient(region=cls.daemon.region, session=session)

    def make(self, key="agent.zip", **more):
        return self.sdk.create_agent_runtime_and_wait(
            agentRuntimeName=unique_name(), agentRuntimeArtifact=code(key), roleArn=ROLE, **more
        )

    def test_create_update_delete_and_wait(self):
        made = self.make()
        self.assertEqual(made["status"], "READY")
        runtime_id = made["agentRuntimeId"]
        changed = self.sdk.update_agent_runtime_and_wait(
            agent_runtime_id=runtime_id, agent_runtime_artifact=code(), role_arn=ROLE
        )
        self.assertEqual((changed["status"], changed["agentRuntimeVersion"]), ("READY", "2"))
        self.sdk.delete_agent_runtime_and_wait(agentRuntimeId=runtime_id)
        self.assertFails("ResourceNotFoundException", 404, self.get, runtime_id)

    def test_endpoints_and_wait(self):
        runtime_id = self.make()["agentRuntimeId"]
        made = self.sdk.create_agent_runtime_endpoint_and_wait(agentRuntimeId=runtime_id, name="prod")
        self.assertEqual((made["status"], made["liveVersion"]), ("READY", "1"))
        self.deploy_next(runtime_id)
        made = self.sdk.update_agent_runtime_endpoint_and_wait(
            agentRuntimeId=runtime_id, endpointName="prod", agentRuntimeVersion="2"
        )
        self.assertEqual((made["status"], made["liveVersion"]), ("READY", "2"))

    def test_a_failure_is_raised(self):
        with self.assertRaisesRegex(RuntimeError, "CREATE_FAILED"):
            self.make("missing.zip")

    def test_aggregated_status(self):
        runtime_id = self.make()["agentRuntimeId"]
        both = self.sdk.get_aggregated_status(runtime_id)
        self.assertEqual(both["runtime"]["status"], "READY")
        self.assertEqual(both["endpoint"]["name"], "DEFAULT")

    def test_teardown(self):
        runtime_id = self.make()["agentRuntimeId"]
        self.sdk.teardown_endpoint_and_runtime(runtime_id)
        self.assertFails("ResourceNotFoundException", 404, self.get, runtime_id)
        self.sdk.teardown_endpoint_and_runtime(runtime_id)


if __name__ == "__main__":
    unittest.main()
