"""clients.py - the two ways to call agentcored: boto3 as it is, and requests made by hand around botocore's signer."""

import datetime
import http.client
import json
import unittest
import uuid
from unittest import mock
from urllib.parse import quote, urlsplit

import boto3
import target
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

CONTROL = "bedrock-agentcore-control"
DATA = "bedrock-agentcore"
SIGNING_NAME = "bedrock-agentcore"


def make_client(daemon, service=CONTROL, validate=True, **credentials):
    """A boto3 client without retries, which would hide failures."""
    keys = {"aws_access_key_id": daemon.access_key, "aws_secret_access_key": daemon.secret_key, **credentials}
    return boto3.session.Session(region_name=daemon.region, **keys).client(
        service,
        endpoint_url=daemon.url,
        verify=daemon.env.get("AWS_CA_BUNDLE"),
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            parameter_validation=validate,
            connect_timeout=10,
            read_timeout=30,
        ),
    )


# ---- by hand ----


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def error(self):
        """The name of the error as botocore reads it."""
        return self.headers.get("x-amzn-errortype", "").split(":")[0].split("#")[-1]

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.error} {self.body[:500]!r}"


class Request:
    """A request that can be signed and then spoiled.  target is raw: already encoded, with its query."""

    def __init__(self, method, target_text, body=b"", headers=None):
        self.method = method
        self.target = target_text
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = dict(headers or {})
        if self.body:
            self.headers.setdefault("Content-Type", "application/json")

    def sign(self, daemon, when=None, access_key=None, secret_key=None, token=None, expires=None, region=None):
        """With headers, or with expires (seconds) into the query.  when: the signer's idea of now."""
        keys = Credentials(access_key or daemon.access_key, secret_key or daemon.secret_key, token)
        request = AWSRequest(self.method, daemon.url + self.target, data=self.body, headers=dict(self.headers))
        where = (keys, SIGNING_NAME, region or daemon.region)
        signer = SigV4Auth(*where) if expires is None else SigV4QueryAuth(*where, expires=expires)
        if when:  # only then: threads that patch at the same time may leave the past behind, for all who sign later
            with mock.patch("botocore.auth.get_current_datetime", return_value=when.replace(tzinfo=None)):
                signer.add_auth(request)
        else:
            signer.add_auth(request)
        self.headers = dict(request.headers.items())
        parts = urlsplit(request.url)
        self.target = parts.path + ("?" + parts.query if parts.query else "")
        return self

    def send(self, daemon):
        connection = http.client.HTTPConnection(urlsplit(daemon.url).netloc, timeout=30)
        try:
            has_host = any(name.lower() == "host" for name in self.headers)
            connection.putrequest(self.method, self.target, skip_host=has_host, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            if self.body or self.method in ("POST", "PUT"):
                connection.putheader("Content-Length", str(len(self.body)))
            connection.endheaders(self.body)
            return Reply(connection.getresponse())
        finally:
            connection.close()


def encode(label):
    """A value as clients write it into a path."""
    return quote(label, safe="-._~")


# ---- a test with a daemon ----


def unique(prefix="conformance"):
    return f"{prefix}-{uuid.uuid4().hex[:16]}"


class DaemonTest(unittest.TestCase):
    """One daemon for all tests of a class; self.client is a boto3 client of its control plane."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.daemon = cls.enterClassContext(target.running(cls.options))
        cls.client = make_client(cls.daemon)
        cls.unchecked = make_client(cls.daemon, validate=False)

    def make_identity(self, name=None, **more):
        return self.client.create_workload_identity(name=name or unique(), **more)

    def missing_arn(self):
        """Well formed, in the right place, and of nothing."""
        arn = self.make_identity()["workloadIdentityArn"]
        return arn.rsplit("/", 1)[0] + "/" + unique("missing")

    def assertFails(self, error, status, call, /, *args, **kwargs):
        """The call is refused with this error; returns botocore's view of the answer."""
        with self.assertRaises(ClientError) as caught:
            call(*args, **kwargs)
        answer = caught.exception.response
        told = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"])
        self.assertEqual(told, (error, status), answer)
        self.assertTrue(answer["Error"].get("Message"), answer)
        self.assertRequestId(answer)
        return answer

    def assertInvalid(self, answer, field):
        """A validation error that names this member and no other."""
        self.assertEqual(answer.get("reason"), "FieldValidationFailed", answer)
        names = {entry["name"] for entry in answer.get("fieldList", [])}
        self.assertEqual(names, {field}, answer)
        for entry in answer["fieldList"]:
            self.assertTrue(entry.get("message"), answer)

    def assertRequestId(self, answer):
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        self.assertTrue(headers.get("x-amzn-requestid"), headers)

    def assertStatus(self, answer, status):
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status, answer)
        self.assertRequestId(answer)

    def assertIsTime(self, value):
        """A point in time of the last hour, as boto3 gives them."""
        self.assertIsInstance(value, datetime.datetime)
        age = datetime.datetime.now(datetime.timezone.utc) - value
        self.assertLess(abs(age.total_seconds()), 3600, value)
