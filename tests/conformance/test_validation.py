"""Every limit in the API table of every operation that is served: the answer names the member, and only it."""

import re

import table
import test_memory_control
import test_runtime_replays
from botocore.exceptions import ClientError
from clients import DATA, DaemonTest, Request, encode, make_client, unique


# Served, and tested by others: boto3 has no WebSockets.
ELSEWHERE = ("InvokeAgentRuntimeWithWebSocketStream",)


def snake(operation):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def path_of(operation):
    """The method and path of an operation, with the good labels and what must be in the query filled in."""
    method, path = table.OPERATIONS[operation]["http"].split(" ", 1)
    query = []
    for name, member in table.members_of(operation).items():
        if not isinstance(member, dict):
            continue
        good = table.GOOD[operation].get(name)
        if "label" in member:
            path = path.replace("{" + member["label"] + "}", encode(good))
        if "query" in member and name in table.required_of(operation) and isinstance(good, str):
            query.append(f"{member['query']}={encode(good)}")
    return method, path + ("?" + "&".join(query) if query else "")


def headers_of(operation):
    """The good headers."""
    members = ((name, member) for name, member in table.members_of(operation).items() if isinstance(member, dict))
    return {member["header"]: table.GOOD[operation][name] for name, member in members if "header" in member}


class Members(DaemonTest):
    """A test for each operation is added below."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.planes = {"control": cls.unchecked, "data": make_client(cls.daemon, DATA, validate=False)}

    def check_boto3(self, operation, path, what, broken):
        with self.subTest(operation=operation, member=path[:60], what=what):
            try:
                answer = getattr(self.planes[table.plane_of(operation)], snake(operation))(**broken)
                self.fail(f"accepted: {str(broken)[:200]} -> {answer}")
            except ClientError as error:
                answer = error.response
            told = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"])
            self.assertEqual(told, ("ValidationException", 400), answer)
            self.assertInvalid(answer, path)
            self.assertRequestId(answer)

    def check_raw(self, operation, path, what, body):
        method, target = path_of(operation)
        with self.subTest(operation=operation, member=path, what=what):
            reply = Request(method, target, body, headers_of(operation)).sign(self.daemon).send(self.daemon)
            self.assertEqual((reply.status, reply.error), (400, "ValidationException"), reply)
            self.assertInvalid(reply.json, path)
            self.assertTrue(reply.headers.get("x-amzn-requestid"), reply.headers)


def add_tests():
    for operation in table.GOOD:

        def limits(self, operation=operation):
            for case in list(table.limit_cases(operation)) + list(table.absent_cases(operation)):
                self.check_boto3(*case)

        def types(self, operation=operation):
            for case in table.type_cases(operation):
                self.check_raw(*case)

        setattr(Members, f"test_{snake(operation)}_limits", limits)
        if any(True for _ in table.type_cases(operation)):
            setattr(Members, f"test_{snake(operation)}_types", types)


add_tests()


class Bodies(DaemonTest):
    def send(self, body, operation="CreateWorkloadIdentity", **headers):
        method, target = path_of(operation)
        return Request(method, target, body, headers).sign(self.daemon).send(self.daemon)

    def test_nothing_of_a_refused_call_is_done(self):
        name = unique()
        self.assertEqual(self.send({"name": name, "tags": {"!": "v"}}).status, 400)
        self.assertFails("ResourceNotFoundException", 404, self.client.get_workload_identity, name=name)

    def test_several_at_once(self):
        reply = self.send({"name": "a", "tags": {"ok": 7}, "allowedResourceOauth2ReturnUrls": ["nothing"]})
        names = {entry["name"] for entry in reply.json["fieldList"]}
        self.assertEqual(names, {"name", "tags.ok", "allowedResourceOauth2ReturnUrls[0]"}, reply)

    def test_not_json(self):
        for body in (b"{", b"nothing", b'{"name": "abc"', b'{"name": "abc"} x', b"\xff\xfe", b'{"name": "\xff"}'):
            with self.subTest(body=body):
                reply = self.send(body)
                self.assertEqual((reply.status, reply.error), (400, "ValidationException"), reply)
                self.assertEqual(reply.json.get("reason"), "CannotParse", reply)

    def test_not_an_object(self):
        for body in (b"[]", b"7", b'"abc"', b"null"):
            with self.subTest(body=body):
                reply = self.send(body)
                self.assertEqual((reply.status, reply.error), (400, "ValidationException"), reply)

    def test_very_deep(self):
        for body in (b'{"name": ' + b"[" * 100000 + b"]" * 100000 + b"}", b'{"x":' * 5000 + b"1" + b"}" * 5000):
            with self.subTest(bytes=len(body)):
                reply = self.send(body)
                self.assertEqual((reply.status, reply.error), (400, "ValidationException"), reply)
        self.assertStatus(self.client.list_browsers(), 200)

    def test_unknown_members_are_ignored(self):
        name = unique()
        reply = self.send({"name": name, "color": "red", "more": {"deep": [1]}})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.json["name"], name)

    def test_null_is_absent(self):
        reply = self.send({"name": unique(), "tags": None, "allowedResourceOauth2ReturnUrls": None})
        self.assertEqual(reply.status, 201, reply)

    def test_no_body_is_an_empty_object(self):
        reply = self.send(b"", "ListWorkloadIdentities")
        self.assertEqual(reply.status, 200, reply)
        reply = self.send(b"", "GetWorkloadIdentity")
        self.assertEqual((reply.status, reply.error), (400, "ValidationException"), reply)
        self.assertInvalid(reply.json, "name")

    def test_number_in_the_query(self):
        for text in ("five", "5x", "", "1e1", "0x5", "99999999999999999999"):
            with self.subTest(text=text):
                reply = Request("POST", f"/browsers?maxResults={text}").sign(self.daemon).send(self.daemon)
                self.assertEqual((reply.status, reply.error), (400, "ValidationException"), reply)
                self.assertInvalid(reply.json, "maxResults")


class Coverage(DaemonTest):
    def test_replays_are_tested_of_all_that_take_a_client_token(self):
        taking = set()
        for operation in table.CONTROL.keys() & table.GOOD.keys():
            for member in table.members_of(operation).values():
                if isinstance(member, dict) and member.get("token"):
                    taking.add(operation)
        tested = [*test_runtime_replays.Replays.OPERATIONS, *test_memory_control.Good.REPLAYED]
        self.assertEqual(taking, set(tested))

    def test_served_is_what_is_tested(self):
        """Everything else in the table is answered with 501, so a new operation cannot be left out here."""
        for operation, description in table.OPERATIONS.items():
            method, path = description["http"].split(" ", 1)
            target = re.sub(r"\{[^}]+\}", "x", path)
            reply = Request(method, target).sign(self.daemon).send(self.daemon)
            with self.subTest(operation=operation):
                self.assertEqual(reply.status != 501, operation in table.GOOD or operation in ELSEWHERE, reply)
