"""Who may call: every way to sign wrongly is refused with the documented name, and nothing is done."""

import datetime
import unittest

import target
from botocore.exceptions import ClientError
from clients import DaemonTest, Request, encode, make_client, unique

CREATE = "/identities/CreateWorkloadIdentity"
MISMATCH = "InvalidSignatureException"
UNKNOWN = "UnrecognizedClientException"
UNSIGNED = "MissingAuthenticationTokenException"
INCOMPLETE = "IncompleteSignatureException"


def ago(**how_long):
    return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**how_long)


class Signed(DaemonTest):
    """What must be let in."""

    def test_host_with_and_without_port(self):
        """Some helpers sign the host without the port that their HTTP library then sends."""
        full = self.daemon.url.split("//")[1]
        bare = full.split(":")[0]
        for signed, sent in ((full, full), (bare, bare), (bare, full)):
            for expires in (None, 60):
                with self.subTest(signed=signed, sent=sent, expires=expires):
                    request = Request("POST", "/browsers", headers={"Host": signed})
                    request.sign(self.daemon, expires=expires)
                    request.headers["Host"] = sent
                    self.assertEqual(request.send(self.daemon).status, 200)

    def test_presigned(self):
        reply = Request("GET", "/browsers/aws.browser.v1").sign(self.daemon, expires=60).send(self.daemon)
        self.assertEqual(reply.status, 200, reply)

    def test_presigned_with_a_query_and_an_arn(self):
        arn = self.make_identity(tags={"a": "1", "b c": "2"})["workloadIdentityArn"]
        target_text = f"/tags/{encode(arn)}?tagKeys=b%20c&tagKeys=x"
        reply = Request("DELETE", target_text).sign(self.daemon, expires=60).send(self.daemon)
        self.assertEqual(reply.status, 204, reply)
        self.assertEqual(self.client.list_tags_for_resource(resourceArn=arn)["tags"], {"a": "1"})

    def test_a_clock_four_minutes_off(self):
        for minutes in (4, -4):
            reply = Request("POST", "/browsers").sign(self.daemon, when=ago(minutes=minutes)).send(self.daemon)
            self.assertEqual(reply.status, 200, reply)

    def test_another_region(self):
        reply = Request("POST", "/browsers").sign(self.daemon, region="eu-central-1").send(self.daemon)
        self.assertEqual(reply.status, 200, reply)

    def test_blanks_in_a_header_count_as_one(self):
        request = Request("POST", CREATE, {"name": unique()}, {"X-Extra": "two   words"}).sign(self.daemon)
        self.assertEqual(request.send(self.daemon).status, 201)


class Refused(DaemonTest):
    """Each test tries to create an identity; afterwards there is none."""

    def setUp(self):
        self.name = unique("refused")
        self.request = Request("POST", CREATE, {"name": self.name})

    def tearDown(self):
        with self.assertRaises(ClientError) as caught:
            self.client.get_workload_identity(name=self.name)
        self.assertEqual(caught.exception.response["Error"]["Code"], "ResourceNotFoundException")
        listed = self.client.get_paginator("list_workload_identities").paginate()
        self.assertNotIn(self.name, [entry["name"] for page in listed for entry in page["workloadIdentities"]])

    def refused(self, error, request=None):
        reply = (request or self.request).send(self.daemon)
        self.assertEqual((reply.status, reply.error), (403, error), reply)
        self.assertTrue(reply.json["message"], reply)
        self.assertTrue(reply.headers.get("x-amzn-requestid"), reply.headers)
        self.assertNotIn(self.daemon.secret_key.encode(), reply.body)

    def test_no_signature(self):
        self.refused(UNSIGNED)

    def test_wrong_secret(self):
        self.request.sign(self.daemon, secret_key="x" * 40)
        self.refused(MISMATCH)

    def test_wrong_secret_through_boto3(self):
        client = make_client(self.daemon, aws_secret_access_key="x" * 40)
        self.assertFails(MISMATCH, 403, client.create_workload_identity, name=self.name)

    def test_unknown_key(self):
        self.request.sign(self.daemon, access_key="AKIAIOSFODNN7EXAMPLE")
        self.refused(UNKNOWN)

    def test_unknown_key_through_boto3(self):
        client = make_client(self.daemon, aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
        self.assertFails(UNKNOWN, 403, client.create_workload_identity, name=self.name)

    def test_session_token_that_is_not_ours(self):
        self.request.sign(self.daemon, token="FwoGZXIvYXdzEXAMPLETOKEN")
        self.refused(UNKNOWN)

    def test_tampered_body(self):
        self.request.sign(self.daemon)
        self.request.body = self.request.body.replace(self.name.encode(), self.name[::-1].encode())
        self.refused(MISMATCH)

    def test_tampered_path(self):
        self.request.target = "/identities/GetWorkloadIdentity"
        self.request.sign(self.daemon)
        self.request.target = CREATE
        self.refused(MISMATCH)

    def test_tampered_method(self):
        self.request.method = "PUT"
        self.request.sign(self.daemon)
        self.request.method = "POST"
        self.refused(MISMATCH)

    def test_added_query(self):
        self.request.sign(self.daemon)
        self.request.target += "?x=1"
        self.refused(MISMATCH)

    def test_tampered_signed_header(self):
        self.request.headers["X-Purpose"] = "one"
        self.request.sign(self.daemon)
        self.request.headers["X-Purpose"] = "two"
        self.refused(MISMATCH)

    def test_signed_header_left_off(self):
        self.request.headers["X-Purpose"] = "one"
        self.request.sign(self.daemon)
        del self.request.headers["X-Purpose"]
        self.refused(MISMATCH)

    def test_tampered_date(self):
        self.request.sign(self.daemon)
        self.request.headers["X-Amz-Date"] = ago(seconds=1).strftime("%Y%m%dT%H%M%SZ")
        self.refused(MISMATCH)

    def test_another_host(self):
        self.request.headers["Host"] = "bedrock-agentcore-control.us-west-2.amazonaws.com"
        self.request.sign(self.daemon)
        self.request.headers["Host"] = self.daemon.url.split("//")[1]
        self.refused(MISMATCH)

    def test_clock_ten_minutes_off(self):
        for minutes in (10, -10):
            with self.subTest(minutes=minutes):
                request = Request("POST", CREATE, {"name": self.name})
                self.refused(MISMATCH, request.sign(self.daemon, ago(minutes=minutes)))

    def test_yesterday(self):
        self.request.sign(self.daemon, ago(days=1))
        self.refused(MISMATCH)

    def test_spoiled_authorization(self):
        self.request.sign(self.daemon)
        whole = self.request.headers["Authorization"]
        flipped = whole[:-1] + ("0" if whole[-1] != "0" else "1")
        for text, error in (
            (flipped, MISMATCH),
            (whole[:-1], INCOMPLETE),
            (whole.replace("bedrock-agentcore/", "s3/"), MISMATCH),
            (whole.split(", Signature=")[0], INCOMPLETE),
            (whole.split(" ")[0], INCOMPLETE),
            (whole.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), INCOMPLETE),
        ):
            with self.subTest(text=text[-40:]):
                self.request.headers["Authorization"] = text
                self.refused(error)

    def test_other_schemes(self):
        for text in ("Basic dXNlcjpwYXNz", "AWS4-ECDSA-P256-SHA256 Credential=x", "none", ""):
            with self.subTest(text=text):
                self.request.headers["Authorization"] = text
                reply = self.request.send(self.daemon)
                self.assertEqual(reply.status, 403, reply)
                self.assertIn(reply.error, (UNSIGNED, INCOMPLETE), reply)

    def test_bearer_where_none_is_taken(self):
        for token in ("abc", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "a.b.c"):
            with self.subTest(token=token):
                self.request.headers["Authorization"] = f"Bearer {token}"
                self.refused("AccessDeniedException")

    def test_unsigned_payload(self):
        self.request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
        self.request.sign(self.daemon)
        self.refused(MISMATCH)

    def test_unsigned_call_of_an_unknown_path(self):
        """Nobody learns which paths there are."""
        for target_text in ("/nothing/here", "/gateways/"):
            self.refused(UNSIGNED, Request("POST", target_text))


class RefusedPresigned(DaemonTest):
    """Each test tries to take a tag away by a presigned URL; it stays."""

    def setUp(self):
        self.arn = self.make_identity(tags={"keep": "me"})["workloadIdentityArn"]
        self.request = Request("DELETE", f"/tags/{encode(self.arn)}?tagKeys=keep")

    def tearDown(self):
        self.assertEqual(self.client.list_tags_for_resource(resourceArn=self.arn)["tags"], {"keep": "me"})

    def refused(self, *errors):
        reply = self.request.send(self.daemon)
        self.assertEqual(reply.status, 403, reply)
        self.assertIn(reply.error, errors, reply)

    def test_expired(self):
        self.request.sign(self.daemon, ago(seconds=90), expires=60)
        self.refused(MISMATCH)

    def test_from_the_future(self):
        self.request.sign(self.daemon, ago(minutes=-10), expires=60)
        self.refused(MISMATCH)

    def test_longer_life_than_was_signed(self):
        self.request.sign(self.daemon, ago(seconds=90), expires=60)
        self.request.target = self.request.target.replace("X-Amz-Expires=60", "X-Amz-Expires=300")
        self.refused(MISMATCH)

    def test_life_out_of_range(self):
        for expires in (0, -1, 604801):
            with self.subTest(expires=expires):
                self.request = Request("DELETE", f"/tags/{encode(self.arn)}?tagKeys=keep")
                self.request.sign(self.daemon, expires=expires)
                self.refused(MISMATCH, INCOMPLETE)

    def test_another_tag(self):
        self.request = Request("DELETE", f"/tags/{encode(self.arn)}?tagKeys=other").sign(self.daemon, expires=60)
        self.request.target = self.request.target.replace("tagKeys=other", "tagKeys=keep")
        self.refused(MISMATCH)

    def test_another_method(self):
        self.request.method = "GET"
        self.request.sign(self.daemon, expires=60)
        self.request.method = "DELETE"
        self.refused(MISMATCH)

    def test_foreign_token(self):
        self.request.sign(self.daemon, token="FwoGZXIvYXdzEXAMPLETOKEN", expires=60)
        self.refused(UNKNOWN)

    def test_unknown_key(self):
        self.request.sign(self.daemon, access_key="AKIAIOSFODNN7EXAMPLE", expires=60)
        self.refused(UNKNOWN)


class AfterRestart(unittest.TestCase):
    def test_keys_and_resources_stay(self):
        with target.running() as daemon:
            name, key = unique(), daemon.access_key
            make_client(daemon).create_workload_identity(name=name)
            self.assertEqual(daemon.stop(), 0, daemon.log_end())
            daemon.start()
            self.assertEqual(daemon.access_key, key)
            self.assertEqual(make_client(daemon).get_workload_identity(name=name)["name"], name)
