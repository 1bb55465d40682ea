"""memories.py - what the tests of the memory service share: memories that are ready, events, waiting for records."""

import datetime
import itertools
import time
import uuid

from clients import DATA, DaemonTest, make_client

READY_SECONDS = 60
RECORD_SECONDS = 60

UTC = datetime.timezone.utc
DAY = 24 * 60 * 60


def at(seconds=0.0):
    """A point in time that many seconds from a fixed one, in milliseconds as the wire has them."""
    return datetime.datetime(2026, 1, 1, 12, tzinfo=UTC) + datetime.timedelta(milliseconds=round(seconds * 1000))


def said(text, role="USER"):
    return {"conversational": {"content": {"text": text}, "role": role}}


def strategy(kind, name, template=None, **more):
    members = {"name": name, **more}
    if template:
        members["namespaceTemplates"] = [template]
    return {kind: members}


def semantic(name="facts", template="/facts/{actorId}/", **more):
    return strategy("semanticMemoryStrategy", name, template, **more)


def equals(key, value):
    return {
        "left": {"metadataKey": key},
        "operator": "EQUALS_TO",
        "right": {"metadataValue": {"stringValue": value}},
    }


def wait_for(look, seconds, what):
    """The first true value of look()."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class MemoryTest(DaemonTest):
    """self.client is the control plane, self.data the data plane."""

    days = itertools.count()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = make_client(cls.daemon, DATA)
        cls.unchecked_data = make_client(cls.daemon, DATA, validate=False)

    @classmethod
    def make_memory(cls, *strategies, **more):
        name = "m_" + uuid.uuid4().hex[:20]
        if strategies:
            more["memoryStrategies"] = list(strategies)
        made = cls.client.create_memory(name=name, eventExpiryDuration=30, **more)["memory"]
        return cls.settled(made["id"])

    @classmethod
    def settled(cls, memory_id):
        def look():
            memory = cls.client.get_memory(memoryId=memory_id)["memory"]
            return memory if memory["status"] == "ACTIVE" else None

        return wait_for(look, READY_SECONDS, "ACTIVE")

    def event(self, memory_id, *payload, actor="actor", session="session", when=None, **more):
        return self.data.create_event(
            memoryId=memory_id,
            actorId=actor,
            sessionId=session,
            eventTimestamp=when or datetime.datetime.now(UTC),
            payload=list(payload),
            **more,
        )["event"]

    def events(self, memory_id, actor="actor", session="session", **more):
        pages = self.data.get_paginator("list_events").paginate(
            memoryId=memory_id, actorId=actor, sessionId=session, **more
        )
        return [event for page in pages for event in page["events"]]

    def put(self, memory_id, *texts, namespace="/records/", when=None, **more):
        """Records with these texts; their ids.  Each has a day of its own: what is near a hit in time may be found as
        its neighbour."""
        done = self.data.batch_create_memory_records(
            memoryId=memory_id,
            records=[
                {
                    "requestIdentifier": str(number),
                    "namespaces": [namespace],
                    "content": {"text": text},
                    "timestamp": when or at(DAY * next(self.days)),
                    **more,
                }
                for number, text in enumerate(texts)
            ],
        )
        self.assertEqual(done["failedRecords"], [])
        order = {entry["requestIdentifier"]: entry["memoryRecordId"] for entry in done["successfulRecords"]}
        return [order[str(number)] for number in range(len(texts))]

    def records(self, memory_id, namespace="/", **more):
        pages = self.data.get_paginator("list_memory_records").paginate(
            memoryId=memory_id, namespace=namespace, **more
        )
        return [record for page in pages for record in page["memoryRecordSummaries"]]

    def wait_for_record(self, memory_id, namespace, fits):
        def look():
            return [record for record in self.records(memory_id, namespace) if fits(record["content"]["text"])]

        return wait_for(look, RECORD_SECONDS, "a record")[0]

    def search(self, memory_id, query, **more):
        place = {} if "namespacePath" in more else {"namespace": more.pop("namespace", "/")}
        outer = {name: more.pop(name) for name in ("namespacePath", "maxResults", "nextToken") if name in more}
        return self.data.retrieve_memory_records(
            memoryId=memory_id, searchCriteria={"searchQuery": query, **more}, **place, **outer
        )["memoryRecordSummaries"]
