"""Events, branches, actors and sessions, through boto3; and a walk of random operations beside a naive model."""

import datetime
import json
import random
import time
import uuid

from clients import Request, encode
from memories import UTC, MemoryTest, at, equals, said, semantic


def ids(events):
    return [event["eventId"] for event in events]


def exists(key, there=True):
    return {"left": {"metadataKey": key}, "operator": "EXISTS" if there else "NOT_EXISTS"}


def meta(**pairs):
    return {key: {"stringValue": value} for key, value in pairs.items()}


class Good(MemoryTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.memory_id = cls.make_memory()["id"]

    def setUp(self):
        self.actor = "user/" + uuid.uuid4().hex

    def say(self, *payload, **more):
        return self.event(self.memory_id, *payload, actor=self.actor, **more)

    def all(self, **more):
        return self.events(self.memory_id, actor=self.actor, **more)

    def get(self, event_id, session="session"):
        return self.data.get_event(memoryId=self.memory_id, actorId=self.actor, sessionId=session, eventId=event_id)

    def test_create_get_delete(self):
        payload = [said("hello"), said("hi", "ASSISTANT"), said("x", "TOOL"), said("y", "OTHER"), {"blob": {"a": [1]}}]
        made = self.say(*payload, when=at(1.5), metadata=meta(k="v"))
        self.assertRegex(made["eventId"], r"^\d{19}#[0-9a-f]{8}$")
        self.assertEqual(int(made["eventId"][:19]), int(at(1.5).timestamp() * 1000))
        expected = {
            "memoryId": self.memory_id,
            "actorId": self.actor,
            "sessionId": "session",
            "eventId": made["eventId"],
            "eventTimestamp": at(1.5),
            "payload": payload,
            "metadata": meta(k="v"),
        }
        self.assertEqual(made, expected)
        found = self.get(made["eventId"])
        self.assertStatus(found, 200)
        self.assertEqual(found["event"], expected)
        gone = self.data.delete_event(
            memoryId=self.memory_id, actorId=self.actor, sessionId="session", eventId=made["eventId"]
        )
        self.assertEqual(gone["eventId"], made["eventId"])
        self.assertFails("ResourceNotFoundException", 404, self.get, made["eventId"])
        self.assertEqual(self.all(), [])

    def test_by_arn(self):
        arn = self.client.get_memory(memoryId=self.memory_id)["memory"]["arn"]
        made = self.event(arn, said("x"), actor=self.actor)
        self.assertEqual(made["memoryId"], self.memory_id)
        self.assertEqual(ids(self.events(arn, actor=self.actor)), [made["eventId"]])

    def test_a_session_of_its_own(self):
        made = self.data.create_event(
            memoryId=self.memory_id, actorId=self.actor, eventTimestamp=at(), payload=[said("x")]
        )["event"]
        self.assertTrue(made["sessionId"])
        self.assertEqual(ids(self.all(session=made["sessionId"])), [made["eventId"]])

    def test_payloads_come_back_as_they_were(self):
        blobs = [
            "text",
            'he said "\\ \u0000 \u2028 \U0001f600"',
            1.5,
            -(1 << 53),
            True,
            [],
            {},
            {"": [None, {"deep": [[[["x"]]]]}]},
            "x" * 200000,
            json.dumps({"state": list(range(1000))}),
        ]
        for blob in blobs:
            with self.subTest(blob=str(blob)[:20]):
                made = self.say({"blob": blob})
                self.assertEqual(self.get(made["eventId"])["event"]["payload"], [{"blob": blob}])
        text = "\u00e4\n\t\u0000" * 25000
        made = self.say(*[said(text)] * 3)
        self.assertEqual(self.get(made["eventId"])["event"]["payload"], [said(text)] * 3)
        self.assertEqual(self.get(self.say()["eventId"])["event"]["payload"], [])

    def test_the_largest_event(self):
        payload = [said("x" * 100000)] * 100
        made = self.say(*payload, session="large")
        self.assertEqual(self.get(made["eventId"], "large")["event"]["payload"], payload)

    def test_order(self):
        times = [3, 1, 2, 2, 2, 1.001, 0.999]
        made = [self.say(said(str(i)), when=at(second)) for i, second in enumerate(times)]
        expected = sorted(range(len(times)), key=lambda i: (times[i], i), reverse=True)
        self.assertEqual(ids(self.all()), [made[i]["eventId"] for i in expected])

    def test_many_at_one_moment(self):
        made = [self.say({"blob": i}, when=at()) for i in range(30)]
        self.assertEqual(len(set(ids(made))), 30)
        self.assertEqual([event["payload"][0]["blob"] for event in self.all()], list(range(29, -1, -1)))

    def test_without_payloads(self):
        self.say(said("x"), metadata=meta(a="b"))
        (found,) = self.all(includePayloads=False)
        self.assertNotIn("payload", found)
        self.assertEqual(found["metadata"], meta(a="b"))

    def test_pages_are_stable_under_new_events(self):
        made = [self.say({"blob": i}, when=at(i)) for i in range(7)]
        where = {"memoryId": self.memory_id, "actorId": self.actor, "sessionId": "session", "maxResults": 3}
        first = self.data.list_events(**where)
        self.say({"blob": "newer"}, when=at(100))
        self.say({"blob": "older"}, when=at(-1))
        second = self.data.list_events(**where, nextToken=first["nextToken"])
        third = self.data.list_events(**where, nextToken=second["nextToken"])
        seen = first["events"] + second["events"] + third["events"]
        self.assertEqual(ids(seen)[:7], ids(made)[::-1])
        self.assertNotIn("nextToken", third)
        other = {**where, "sessionId": "other"}
        self.assertFails(
            "ValidationException", 400, self.data.list_events, **other, nextToken=first["nextToken"]
        )

    def test_metadata_filters(self):
        for i in range(6):
            more = {"metadata": meta(stateType="AGENT" if i % 2 else "SESSION", n=str(i))} if i else {}
            self.say({"blob": i}, when=at(i), **more)

        def numbers(*filters, **more):
            found = self.all(filter={"eventMetadata": list(filters)}, **more)
            return [event["payload"][0]["blob"] for event in found]

        self.assertEqual(numbers(equals("stateType", "AGENT")), [5, 3, 1])
        self.assertEqual(numbers(equals("stateType", "agent")), [])
        self.assertEqual(numbers(equals("stateType", "AGENT"), equals("n", "3")), [3])
        self.assertEqual(numbers(exists("stateType")), [5, 4, 3, 2, 1])
        self.assertEqual(numbers(exists("stateType", False)), [0])
        self.assertEqual(numbers(exists("n"), PaginationConfig={"PageSize": 2}), [5, 4, 3, 2, 1])

    def test_branches(self):
        main = [self.say({"blob": f"m{i}"}, when=at(i)) for i in range(3)]
        branch = {"name": "alt", "rootEventId": main[1]["eventId"]}
        alt = [self.say({"blob": f"a{i}"}, when=at(10 + i), branch=branch) for i in range(2)]
        deep = {"name": "deep", "rootEventId": alt[0]["eventId"]}
        self.say({"blob": "d0"}, when=at(20), branch=deep)

        def blobs(name=None, parents=None):
            wanted = {"name": name} if name else {}
            if parents is not None:
                wanted["includeParentBranches"] = parents
            found = self.all(**({"filter": {"branch": wanted}} if wanted else {}))
            return [event["payload"][0]["blob"] for event in found]

        self.assertEqual(blobs(), ["d0", "a1", "a0", "m2", "m1", "m0"])
        self.assertEqual(blobs("alt"), ["a1", "a0"])
        self.assertEqual(blobs("alt", True), ["a1", "a0", "m1", "m0"])
        self.assertEqual(blobs("deep", True), ["d0", "a0", "m1", "m0"])
        self.assertEqual(blobs("main"), ["m2", "m1", "m0"])
        self.assertEqual(blobs("absent"), [])
        by_id = {event["eventId"]: event for event in self.all()}
        self.assertTrue(all("branch" not in by_id[event["eventId"]] for event in main))
        self.assertEqual(by_id[alt[0]["eventId"]]["branch"], branch)
        self.data.delete_event(
            memoryId=self.memory_id, actorId=self.actor, sessionId="session", eventId=main[1]["eventId"]
        )
        self.assertEqual(blobs("alt", True), ["a1", "a0", "m0"])

    def test_a_branch_goes_on_without_its_root(self):
        root = self.say({"blob": "m"}, when=at())
        self.say({"blob": 0}, when=at(1), branch={"name": "b", "rootEventId": root["eventId"]})
        made = self.say({"blob": 1}, when=at(2), branch={"name": "b"})
        self.assertEqual(made["branch"], {"name": "b"})
        found = self.all(filter={"branch": {"name": "b", "includeParentBranches": True}})
        self.assertEqual([event["payload"][0]["blob"] for event in found], [1, 0, "m"])

    def test_replays(self):
        token = uuid.uuid4().hex
        same = {"when": at(5), "metadata": meta(a="b"), "clientToken": token}
        first = self.say(said("x"), {"blob": {"b": 1, "a": 2}}, **same)
        again = self.say(said("x"), {"blob": {"a": 2, "b": 1}}, **same)
        self.assertEqual(first, again)
        self.assertEqual(len(self.all()), 1)
        for different in ({"when": at(6)}, {"metadata": meta(a="c")}, {"session": "other"}):
            with self.subTest(different=different):
                answer = self.assertFails(
                    "ValidationException", 400, self.say, said("x"), {"blob": {"a": 2, "b": 1}}, **{**same, **different}
                )
                self.assertEqual(answer["reason"], "IdempotentParameterMismatchException")
        self.assertFails("ValidationException", 400, self.say, said("y"), **same)
        self.assertEqual(len(self.all()), 1)

    def test_actors_and_sessions(self):
        memory = self.make_memory()["id"]
        actors = [f"a{i}:x/{i}" for i in range(5)]
        for actor in actors:
            for number in range(3):
                self.event(memory, said("x"), actor=actor, session=f"s{number}")
        pages = list(self.data.get_paginator("list_actors").paginate(memoryId=memory, maxResults=2))
        self.assertEqual([entry["actorId"] for page in pages for entry in page["actorSummaries"]], actors)
        pages = list(
            self.data.get_paginator("list_sessions").paginate(memoryId=memory, actorId=actors[2], maxResults=2)
        )
        found = [entry for page in pages for entry in page["sessionSummaries"]]
        self.assertEqual([entry["sessionId"] for entry in found], ["s2", "s1", "s0"])
        self.assertEqual({entry["actorId"] for entry in found}, {actors[2]})
        self.assertIsTime(found[0]["createdAt"])

    def test_sessions_that_have_events(self):
        memory = self.make_memory()["id"]
        kept = self.event(memory, said("x"), session="kept")
        gone = self.event(memory, said("x"), session="gone")
        self.data.delete_event(memoryId=memory, actorId="actor", sessionId="gone", eventId=gone["eventId"])

        def sessions(**more):
            found = self.data.list_sessions(memoryId=memory, actorId="actor", **more)["sessionSummaries"]
            return [entry["sessionId"] for entry in found]

        self.assertEqual(sessions(filter={"eventFilter": "HAS_EVENTS"}), [kept["sessionId"]])
        self.assertEqual(sessions(), ["gone", "kept"])

    def test_unknown_actors_and_sessions_are_empty(self):
        self.assertEqual(self.events(self.memory_id, actor="nobody"), [])
        self.assertEqual(self.data.list_sessions(memoryId=self.memory_id, actorId="nobody")["sessionSummaries"], [])
        self.assertEqual(self.data.list_actors(memoryId=self.make_memory()["id"])["actorSummaries"], [])

    def test_read_after_write(self):
        for number in range(50):
            made = self.say({"blob": number}, when=at(number))
            self.assertEqual(ids(self.all(PaginationConfig={"MaxItems": 1}))[0], made["eventId"])


class Refused(MemoryTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.memory_id = cls.make_memory(semantic())["id"]

    def create(self, **more):
        parameters = {
            "memoryId": self.memory_id,
            "actorId": "actor",
            "sessionId": "session",
            "eventTimestamp": at(),
            "payload": [said("x")],
            **more,
        }
        return self.unchecked_data.create_event(**parameters)

    def tearDown(self):
        self.assertEqual(self.events(self.memory_id), [], "something was stored")

    def test_missing_memory(self):
        self.assertFails(
            "ResourceNotFoundException", 404, self.create, memoryId="absent_memory-0123456789", payload=[said("x")]
        )
        self.assertFails("ResourceNotFoundException", 404, self.events, "absent_memory-0123456789")
        arn = self.client.get_memory(memoryId=self.memory_id)["memory"]["arn"]
        other = arn.replace(arn.split(":")[4], "210987654321")
        self.assertFails("ResourceNotFoundException", 404, self.create, memoryId=other)

    def test_missing_event(self):
        for event_id in ("0000001700000000000#00000001", "1#1", "99999999999999999999999#1", "1#fffffffff"):
            self.assertFails(
                "ResourceNotFoundException",
                404,
                self.data.get_event,
                memoryId=self.memory_id,
                actorId="actor",
                sessionId="session",
                eventId=event_id,
            )

    def test_fields(self):
        sixteen = {f"k{i}": {"stringValue": "v"} for i in range(16)}
        for field, more in {
            "actorId": {"actorId": "-x"},
            "sessionId": {"sessionId": "x" * 101},
            "payload": {"payload": [said("x")] * 101},
            "payload[0].conversational.content.text": {"payload": [said("x" * 100001)]},
            "payload[1].conversational.role": {"payload": [said("x"), said("x", "BOSS")]},
            "metadata": {"metadata": sixteen},
            "metadata.k.stringValue": {"metadata": {"k": {"stringValue": "x" * 257}}},
            "branch.name": {"branch": {"name": "a b"}},
            "branch.rootEventId": {"branch": {"name": "a", "rootEventId": "x"}},
            "extractionMode": {"extractionMode": "ALWAYS"},
        }.items():
            with self.subTest(field=field):
                answer = self.assertFails("ValidationException", 400, self.create, **more)
                self.assertInvalid(answer, field)

    def test_times_that_cannot_be(self):
        for when in (
            datetime.datetime(1969, 12, 31, tzinfo=UTC),
            datetime.datetime(1000, 1, 1, tzinfo=UTC),
            datetime.datetime(2400, 1, 1, tzinfo=UTC),
            datetime.datetime(9999, 12, 31, tzinfo=UTC),
        ):
            with self.subTest(when=when):
                self.assertFails("ValidationException", 400, self.create, eventTimestamp=when)

    def test_a_large_blob(self):
        self.assertFails("ValidationException", 400, self.create, payload=[{"blob": "x" * 10_000_000}])

    def test_invalid_utf8(self):
        path = f"/memories/{encode(self.memory_id)}/events"
        body = json.dumps(
            {"actorId": "actor", "sessionId": "session", "eventTimestamp": 1.5, "payload": [{"blob": "@"}]}
        ).encode()
        reply = Request("POST", path, body.replace(b"@", b"\xff\xfe")).sign(self.daemon).send(self.daemon)
        self.assertEqual((reply.status, reply.error), (400, "ValidationException"))

    def test_roots_elsewhere(self):
        other = self.event(self.memory_id, said("x"), session="other", extractionMode="SKIP")
        for root in (other["eventId"], "0000001700000000000#00000001"):
            for name in ("b", "main"):
                self.assertFails("ValidationException", 400, self.create, branch={"name": name, "rootEventId": root})

    def test_filters(self):
        for wrong in (
            {"left": {"metadataKey": "k"}, "operator": "EQUALS_TO"},
            {**exists("k"), "right": {"metadataValue": {"stringValue": "v"}}},
        ):
            self.assertFails(
                "ValidationException", 400, self.events, self.memory_id, filter={"eventMetadata": [wrong]}
            )
        six = {"eventMetadata": [exists(f"k{i}") for i in range(6)]}
        self.assertFails("ValidationException", 400, self.events, self.memory_id, filter=six)

    def test_pages(self):
        where = {"memoryId": self.memory_id, "actorId": "actor", "sessionId": "session"}
        for more in ({"maxResults": 101}, {"maxResults": 0}, {"nextToken": "x"}):
            self.assertFails("ValidationException", 400, self.unchecked_data.list_events, **where, **more)


class Model:
    """Events of one session as a list, and everything asked of it in the simplest way."""

    def __init__(self):
        self.events = []  # in the order of arrival
        self.roots = {}  # branch -> (time, number, parent) of its root

    def add(self, event):
        self.events.append(event)
        branch = event["branch"]
        if branch and branch not in self.roots:
            self.roots[branch] = event["root"]

    def line(self, branch, parents):
        """What belongs to a branch: predicates."""
        parts, bound = [], None
        while True:
            parts.append((branch, bound))
            root = self.roots.get(branch) if branch else None
            if not parents or not root:
                return parts
            branch, bound = root["branch"], (root["at"], root["number"])

    def listed(self, branch=None, filtered=False, parents=False, conditions=()):
        def fits(event):
            if filtered and not any(
                event["branch"] == name and (bound is None or (event["at"], event["number"]) <= bound)
                for name, bound in self.line(branch, parents)
            ):
                return False
            return all(condition(event["metadata"]) for condition in conditions)

        order = sorted(self.events, key=lambda event: (event["at"], event["number"]), reverse=True)
        return [event["id"] for event in order if fits(event)]


class Property(MemoryTest):
    STEPS = 250
    SEEDS = 2

    def walk(self, memory, seed):
        chance, model, session = random.Random(seed), Model(), f"walk-{seed}"
        for number in range(self.STEPS):
            step = chance.random()
            if step < 0.55 or not model.events:
                self.add(chance, model, memory, session, number)
            elif step < 0.62:
                gone = model.events.pop(chance.randrange(len(model.events)))
                self.data.delete_event(memoryId=memory, actorId="actor", sessionId=session, eventId=gone["id"])
            else:
                self.compare(chance, model, memory, session, f"seed {seed}, step {number}")

    def add(self, chance, model, memory, session, number):
        more, root = {}, None
        branch = chance.choice([None, None, *model.roots, f"b{number}"])
        if branch:
            more["branch"] = {"name": branch}
            if branch not in model.roots and model.events:
                root = chance.choice(model.events)
                more["branch"]["rootEventId"] = root["id"]
        pairs = {key: chance.choice("xy") for key in "abc" if chance.random() < 0.5}
        if pairs:
            more["metadata"] = meta(**pairs)
        seconds = chance.randrange(20)
        made = self.event(memory, {"blob": number}, session=session, when=at(seconds), **more)
        model.add(
            {
                "id": made["eventId"],
                "at": seconds,
                "number": number,
                "branch": branch,
                "root": root,
                "metadata": pairs,
            }
        )

    def compare(self, chance, model, memory, session, where):
        asked, expected = {}, {}
        if chance.random() < 0.6:
            branch = chance.choice([None, *model.roots])
            parents = chance.random() < 0.5
            asked["branch"] = {"name": branch or "main", "includeParentBranches": parents}
            expected.update(branch=branch, filtered=True, parents=parents)
        filters, conditions = [], []
        for key in chance.sample("abc", chance.randrange(3)):
            value = chance.choice("xy")
            filters, conditions = self.condition(chance, key, value, filters, conditions)
        if filters:
            asked["eventMetadata"] = filters
        found = self.events(
            memory,
            session=session,
            includePayloads=chance.random() < 0.5,
            PaginationConfig={"PageSize": chance.choice([1, 3, 20, 100])},
            **({"filter": asked} if asked else {}),
        )
        self.assertEqual(ids(found), model.listed(conditions=conditions, **expected), f"{where}: {asked}")

    def condition(self, chance, key, value, filters, conditions):
        kind = chance.randrange(3)
        if kind == 0:
            return [*filters, equals(key, value)], [*conditions, lambda pairs: pairs.get(key) == value]
        there = kind == 1
        return [*filters, exists(key, there)], [*conditions, lambda pairs: (key in pairs) == there]

    def test_random_events_branches_and_filters(self):
        memory = self.make_memory()["id"]
        first = random.randrange(1 << 30)
        for seed in range(first, first + self.SEEDS):
            self.walk(memory, seed)


class Fast(MemoryTest):
    def test_an_event_takes_no_time(self):
        memory = self.make_memory()["id"]
        self.event(memory, said("x"))
        began = time.monotonic()
        for number in range(100):
            self.event(memory, said(str(number)))
        self.assertLess(time.monotonic() - began, 20, "a hundred events, one after the other")
