"""What is not served, what is asked without a signature, and clients that were told nothing but the environment."""

import json
import os
import subprocess
import sys

from clients import DATA, DaemonTest, Request, make_client

PROGRAM = """
import boto3, json
control = boto3.client("bedrock-agentcore-control")
made = control.create_workload_identity(name="from-the-environment")
try:
    boto3.client("bedrock-agentcore").list_recommendations()
except Exception as error:
    print(json.dumps([made["name"], error.response["Error"]["Code"]]))
"""


class Unserved(DaemonTest):
    def test_known_operations_of_both_planes(self):
        data = make_client(self.daemon, DATA)
        for call, members in (
            (
                self.client.create_gateway,
                {"name": "g", "roleArn": "arn:aws:iam::123456789012:role/r", "protocolType": "MCP",
                 "authorizerType": "NONE"},
            ),
            (self.client.list_gateways, {}),
            (self.client.list_policy_engines, {}),
            (data.list_recommendations, {}),
        ):  # fmt: skip
            with self.subTest(call=call.__name__):
                answer = self.assertFails("NotImplementedException", 501, call, **members)
                operation = "".join(word.title() for word in call.__name__.split("_"))
                self.assertIn(operation, answer["Error"]["Message"])

    def test_unknown_paths(self):
        for method, path in (
            ("GET", "/nothing/here"),
            ("POST", "/"),
            ("GET", "/identities/CreateWorkloadIdentity"),
            ("POST", "/identities/CreateWorkloadIdentity/more"),
            ("POST", "/identities/createworkloadidentity"),
            ("PUT", "/browsers/aws.browser.v1"),
        ):
            with self.subTest(method=method, path=path):
                reply = Request(method, path).sign(self.daemon).send(self.daemon)
                self.assertEqual((reply.status, reply.error), (404, "UnknownOperationException"), reply)
                self.assertTrue(reply.json["message"], reply)
                self.assertTrue(reply.headers.get("x-amzn-requestid"), reply.headers)

    def test_trailing_slash(self):
        for path in ("/browsers", "/browsers/"):
            with self.subTest(path=path):
                reply = Request("POST", path).sign(self.daemon).send(self.daemon)
                self.assertEqual(reply.status, 200, reply)

    def test_arn_that_is_not_encoded(self):
        """A slash in a label must be encoded: otherwise the path has more segments than the operation."""
        arn = self.make_identity()["workloadIdentityArn"]
        reply = Request("GET", f"/tags/{arn}").sign(self.daemon).send(self.daemon)
        self.assertEqual((reply.status, reply.error), (404, "UnknownOperationException"), reply)

    def test_request_ids_differ(self):
        ids = {self.client.list_browsers()["ResponseMetadata"]["RequestId"] for _ in range(5)}
        self.assertEqual(len(ids), 5)


class Operators(DaemonTest):
    def test_health(self):
        reply = Request("GET", "/health").send(self.daemon)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.json["status"], "ok")

    def test_metrics(self):
        self.client.list_browsers()
        reply = Request("GET", "/metrics").send(self.daemon)
        self.assertEqual(reply.status, 200)
        self.assertTrue(reply.headers["content-type"].startswith("text/plain"), reply.headers)
        self.assertRegex(reply.body.decode(), r'(?m)^agentcored_\w+\{[^}]*ListBrowsers[^}]*\} [0-9.e+-]+$')


class Environment(DaemonTest):
    def test_boto3_that_was_told_nothing(self):
        """`agentcored env` is all that a program needs."""
        env = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", **self.daemon.env}
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=180)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout), ["from-the-environment", "NotImplementedException"])
        found = self.client.get_workload_identity(name="from-the-environment")
        self.assertEqual(found["name"], "from-the-environment")
