"""Code interpreters: Create, Get, List, Delete, and their sessions: Start, Get, List, Stop."""

import json
import time
import uuid

from interpreted import BUILTIN, CLOSED, MISSING, InterpreterTest, interpreter_name

ROLE = "arn:aws:iam::123456789012:role/interpreter"
VPC = {"securityGroups": ["sg-0123456789abcdef0"], "subnets": ["subnet-0123456789abcdef0"]}
CERTIFICATE = {
    "location": {
        "secretsManager": {"secretArn": "arn:aws:secretsmanager:us-west-2:123456789012:secret:ca-AbCdEf"}
    }
}


class Interpreters(InterpreterTest):
    def get(self, interpreter):
        return self.client.get_code_interpreter(codeInterpreterId=interpreter)

    def test_create_and_get(self):
        name = interpreter_name()
        for network in (CLOSED, {"networkMode": "PUBLIC"}, {"networkMode": "VPC", "vpcConfig": VPC}):
            with self.subTest(**network):
                unique = f"{name}_{network['networkMode']}"[:48]
                made = self.create(unique, description="d", executionRoleArn=ROLE, networkConfiguration=network,
                                   tags={"team": "a"})
                self.assertStatus(made, 202)
                self.assertRegex(made["codeInterpreterId"], f"^{unique}-[a-zA-Z0-9]{{10}}$")
                kind, _, named = made["codeInterpreterArn"].split(":")[-1].partition("/")
                self.assertEqual((kind, named), ("code-interpreter-custom", made["codeInterpreterId"]))
                self.assertIn(made["status"], ("CREATING", "READY"))
                self.assertIsTime(made["createdAt"])
                found = self.get(made["codeInterpreterId"])
                self.assertStatus(found, 200)
                wanted = {"name": unique, "description": "d", "executionRoleArn": ROLE, "networkConfiguration": network,
                          "status": "READY", "createdAt": made["createdAt"]}
                self.assertEqual({key: found.get(key) for key in wanted}, wanted)
                self.assertIsTime(found["lastUpdatedAt"])
                tags = self.client.list_tags_for_resource(resourceArn=made["codeInterpreterArn"])["tags"]
                self.assertEqual(tags, {"team": "a"})

    def test_create_again(self):
        name, token = interpreter_name(), str(uuid.uuid4())
        made = self.create(name, clientToken=token)
        again = self.create(name, clientToken=token)
        self.assertEqual(again["codeInterpreterId"], made["codeInterpreterId"])
        self.assertFails("ConflictException", 409, self.create, name)

    def test_create_bad(self):
        create = self.unchecked.create_code_interpreter
        good = {"name": "good", "networkConfiguration": CLOSED}
        for field, bad in (
            ("name", {"name": "9nine"}),
            ("name", {"name": "a-b"}),
            ("name", {"name": "n" * 49}),
            ("networkConfiguration.networkMode", {"networkConfiguration": {"networkMode": "MOON"}}),
            ("executionRoleArn", {"executionRoleArn": ""}),
            ("description", {"description": ""}),
            ("description", {"description": "d" * 4097}),
            ("clientToken", {"clientToken": "short"}),
        ):
            with self.subTest(field, **bad):
                self.assertInvalid(self.assertFails("ValidationException", 400, create, **{**good, **bad}), field)
        for field in good:
            with self.subTest(missing=field):
                less = {key: value for key, value in good.items() if key != field}
                self.assertInvalid(self.assertFails("ValidationException", 400, create, **less), field)

    def test_certificates_are_refused(self):
        self.assertFails("ValidationException", 400, self.create, certificates=[CERTIFICATE])
        start = self.data.start_code_interpreter_session
        self.assertFails("ValidationException", 400, start, codeInterpreterIdentifier=self.interpreter,
                         certificates=[CERTIFICATE])

    def test_list_in_pages(self):
        made = {self.create()["codeInterpreterId"] for _ in range(3)}
        pages = list(self.client.get_paginator("list_code_interpreters").paginate(
            type="CUSTOM", PaginationConfig={"PageSize": 2}))
        self.assertGreater(len(pages), 1)
        seen = [entry["codeInterpreterId"] for page in pages for entry in page["codeInterpreterSummaries"]]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual(made, set(seen))
        self.assertNotIn(BUILTIN, seen)
        everything = self.client.list_code_interpreters(maxResults=100)["codeInterpreterSummaries"]
        self.assertIn(BUILTIN, [entry["codeInterpreterId"] for entry in everything])
        for entry in everything:
            self.assertEqual(entry["status"], "READY")
            self.assertTrue(entry["createdAt"].tzinfo)

    def test_list_bad(self):
        for field, bad in (("type", "MINE"), ("maxResults", 0), ("maxResults", 101)):
            with self.subTest(**{field: bad}):
                call = self.unchecked.list_code_interpreters
                self.assertInvalid(self.assertFails("ValidationException", 400, call, **{field: bad}), field)

    def test_delete(self):
        made = self.create()["codeInterpreterId"]
        session = self.start(made)
        gone = self.client.delete_code_interpreter(codeInterpreterId=made)
        self.assertStatus(gone, 202)
        self.assertEqual((gone["codeInterpreterId"], gone["status"]), (made, "DELETING"))
        self.assertIsTime(gone["lastUpdatedAt"])
        missing = ("ResourceNotFoundException", 404)
        self.assertFails(*missing, self.get, made)
        self.assertFails(*missing, self.client.delete_code_interpreter, codeInterpreterId=made)
        which = {"codeInterpreterIdentifier": made}
        self.assertFails(*missing, self.data.start_code_interpreter_session, **which)
        self.assertFails(*missing, self.data.invoke_code_interpreter, **which, sessionId=session, name="listFiles")

    def test_delete_refused(self):
        delete = self.client.delete_code_interpreter
        self.assertFails("AccessDeniedException", 403, delete, codeInterpreterId=BUILTIN)
        self.assertFails("ResourceNotFoundException", 404, delete, codeInterpreterId=MISSING)

    def test_ids_of_no_form(self):
        for call in (self.unchecked.get_code_interpreter, self.unchecked.delete_code_interpreter):
            for bad in ("x", "../x", "a b", "a-0123456789/x"):
                with self.subTest(call.__name__, id=bad):
                    with self.assertRaises(self.client.exceptions.ClientError) as caught:
                        call(codeInterpreterId=bad)
                    status = caught.exception.response["ResponseMetadata"]["HTTPStatusCode"]
                    self.assertIn(status, (400, 403, 404))


class Sessions(InterpreterTest):
    def get(self, session, interpreter=None):
        return self.data.get_code_interpreter_session(
            codeInterpreterIdentifier=interpreter or self.interpreter, sessionId=session)

    def listed(self, **more):
        return self.data.list_code_interpreter_sessions(codeInterpreterIdentifier=self.interpreter, **more)

    def test_start_and_get(self):
        made = self.data.start_code_interpreter_session(
            codeInterpreterIdentifier=self.interpreter, name="my session", sessionTimeoutSeconds=77)
        self.assertStatus(made, 200)
        self.assertEqual(made["codeInterpreterIdentifier"], self.interpreter)
        self.assertRegex(made["sessionId"], "^[0-9a-zA-Z]{1,40}$")
        found = self.get(made["sessionId"])
        self.assertStatus(found, 200)
        wanted = {"codeInterpreterIdentifier": self.interpreter, "sessionId": made["sessionId"], "name": "my session",
                  "sessionTimeoutSeconds": 77, "status": "READY", "createdAt": made["createdAt"]}
        self.assertEqual({key: found.get(key) for key in wanted}, wanted)
        self.assertIsTime(made["createdAt"])
        stopped = self.data.stop_code_interpreter_session(
            codeInterpreterIdentifier=self.interpreter, sessionId=made["sessionId"])
        self.assertStatus(stopped, 200)
        self.assertIsTime(stopped["lastUpdatedAt"])
        self.assertEqual(self.get(made["sessionId"])["status"], "TERMINATED")

    def test_times_are_iso(self):
        answers = []
        self.data.meta.events.register_last(
            "after-call.bedrock-agentcore.StartCodeInterpreterSession",
            lambda http_response, **_: answers.append(http_response.content),
        )
        self.start()
        self.assertRegex(json.loads(answers[0])["createdAt"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

    def test_start_again(self):
        token = {"codeInterpreterIdentifier": self.interpreter, "clientToken": str(uuid.uuid4())}
        first, again = (self.data.start_code_interpreter_session(**token)["sessionId"] for _ in range(2))
        self.assertEqual(first, again)
        self.end(codeInterpreterIdentifier=self.interpreter, sessionId=first)

    def test_default_timeout(self):
        self.assertEqual(self.get(self.start())["sessionTimeoutSeconds"], 900)

    def test_start_bad(self):
        start = self.unchecked_data.start_code_interpreter_session
        timeout = "sessionTimeoutSeconds"
        for field, bad in ((timeout, 0), (timeout, 28801), ("name", ""), ("name", "n" * 101)):
            with self.subTest(**{field: bad}):
                answer = self.assertFails("ValidationException", 400, start,
                                          codeInterpreterIdentifier=self.interpreter, **{field: bad})
                self.assertInvalid(answer, field)

    def test_missing(self):
        missing = ("ResourceNotFoundException", 404)
        elsewhere = self.create()["codeInterpreterId"]
        session = self.start()
        self.assertFails(*missing, self.data.start_code_interpreter_session, codeInterpreterIdentifier=MISSING)
        self.assertFails(*missing, self.data.list_code_interpreter_sessions, codeInterpreterIdentifier=MISSING)
        self.assertFails(*missing, self.get, "0" * 32)
        self.assertFails(*missing, self.get, session, elsewhere)
        for call in (self.data.stop_code_interpreter_session,):
            self.assertFails(*missing, call, codeInterpreterIdentifier=self.interpreter, sessionId="0" * 32)
            self.assertFails(*missing, call, codeInterpreterIdentifier=elsewhere, sessionId=session)
        self.assertEqual(self.get(session)["status"], "READY")

    def test_terminated(self):
        session = self.start()
        which = {"codeInterpreterIdentifier": self.interpreter, "sessionId": session}
        self.data.stop_code_interpreter_session(**which)
        conflict = ("ConflictException", 409)
        self.assertFails(*conflict, self.data.stop_code_interpreter_session, **which)
        self.assertFails(*conflict, self.call, session, "listFiles")

    def test_ends_with_its_time(self):
        session = self.start(sessionTimeoutSeconds=1)
        deadline = time.monotonic() + 20
        while self.get(session)["status"] == "READY":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assertFails("ConflictException", 409, self.call, session, "listFiles")

    def test_list(self):
        sessions = [self.start(name=f"s{i}") for i in range(3)]
        self.end(codeInterpreterIdentifier=self.interpreter, sessionId=sessions[0])
        seen, token = {}, {}
        while token is not None:
            page = self.listed(maxResults=1, **token)
            self.assertStatus(page, 200)
            self.assertLessEqual(len(page["items"]), 1)
            for entry in page["items"]:
                self.assertNotIn(entry["sessionId"], seen)
                seen[entry["sessionId"]] = entry
                self.assertIsTime(entry["createdAt"])
                self.assertIsTime(entry["lastUpdatedAt"])
            token = {"nextToken": page["nextToken"]} if "nextToken" in page else None
        self.assertEqual([seen[s]["status"] for s in sessions], ["TERMINATED", "READY", "READY"])
        self.assertEqual([seen[s]["name"] for s in sessions], ["s0", "s1", "s2"])
        for state, among, absent in (("READY", sessions[1], sessions[0]), ("TERMINATED", sessions[0], sessions[1])):
            found = [entry["sessionId"] for entry in self.listed(status=state, maxResults=100)["items"]]
            self.assertIn(among, found)
            self.assertNotIn(absent, found)

    def test_list_bad(self):
        which = {"codeInterpreterIdentifier": self.interpreter}
        call = self.unchecked_data.list_code_interpreter_sessions
        for field, bad in (("maxResults", 0), ("maxResults", 101), ("status", "ASLEEP")):
            with self.subTest(**{field: bad}):
                self.assertInvalid(self.assertFails("ValidationException", 400, call, **which, **{field: bad}), field)
        self.assertFails("ValidationException", 400, call, **which, nextToken="garbage")
