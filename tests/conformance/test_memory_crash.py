"""agentcored is killed while it takes in events and draws knowledge from them: what it acknowledged is there, in its
order and once; every job runs to its end; and no record comes twice."""

import collections
import datetime
import http.client
import itertools
import json
import random
import threading
import time
import unittest
import uuid
from urllib.parse import urlsplit

import target
from clients import DATA, Request, make_client
from memories import READY_SECONDS, UTC, said, semantic, strategy, wait_for

ROUNDS = 6
THREADS = 8
KILL_AFTER = (0.2, 1.0)  # seconds of work before the kill
DRAWN_SECONDS = 240

SELF_MANAGED = {
    "customMemoryStrategy": {
        "name": "own",
        "configuration": {
            "selfManagedConfiguration": {
                "triggerConditions": [{"messageBasedTrigger": {"messageCount": 1}}],
                "invocationConfiguration": {
                    "topicArn": "arn:aws:sns:us-west-2:123456789012:t",
                    "payloadDeliveryBucketName": "payloads",
                },
            }
        },
    }
}


def word_of(round_number, thread_number, number):
    """A town of its own for each event, that a search engine or an extractor takes for one word."""
    letters = "abcdefghij"
    digits = f"{round_number}{thread_number}{number:04}"
    return "Town" + "".join(letters[int(digit)] for digit in digits) + "ville"


class Writers:
    """Threads that create events on kept-alive connections until the daemon is gone."""

    def __init__(self, daemon, memory_id, round_number, pause=0.0):
        self.daemon = daemon
        self.memory_id = memory_id
        self.round_number = round_number
        self.pause = pause
        self.lock = threading.Lock()
        self.acknowledged = {}  # word -> (session, eventId)
        self.asked = set()
        self.wrong = []
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(THREADS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        for thread in self.threads:
            thread.join()

    def work(self, thread_number):
        connection = http.client.HTTPConnection(urlsplit(self.daemon.url).netloc, timeout=20)
        session = f"s{self.round_number}-{thread_number}"
        try:
            for number in itertools.count():
                self.one(connection, session, word_of(self.round_number, thread_number, number))
                time.sleep(self.pause)
        except (OSError, http.client.HTTPException):
            pass  # killed
        finally:
            connection.close()

    def one(self, connection, session, word):
        path = f"/memories/{self.memory_id}/events"
        body = {
            "actorId": "actor",
            "sessionId": session,
            "eventTimestamp": round(datetime.datetime.now(UTC).timestamp(), 3),
            "payload": [said(f"I once lived in {word}.")],
            "clientToken": str(uuid.uuid4()),
        }
        request = Request("POST", path, body).sign(self.daemon)
        with self.lock:
            self.asked.add(word)
        connection.request("POST", path, request.body, request.headers)
        response = connection.getresponse()
        answer = response.read()
        with self.lock:
            if response.status == 201:
                self.acknowledged[word] = (session, json.loads(answer)["event"]["eventId"])
            else:
                self.wrong.append((word, response.status, answer))


def word_in(text):
    return next(part.strip(".") for part in text.split() if part.startswith("Town"))


class Crash(unittest.TestCase):
    def setUp(self):
        self.seed = random.randrange(1 << 32)
        self.chance = random.Random(self.seed)
        data = self.enterContext(target.folder())
        self.daemon = target.Daemon(data, target.STORE.new_url())
        self.addCleanup(self.daemon.kill)
        self.kept, self.asked = {}, set()

    def make_memory(self, *strategies):
        self.daemon.start()
        control = make_client(self.daemon)
        made = control.create_memory(name="crash", eventExpiryDuration=30, memoryStrategies=list(strategies))["memory"]

        def look():
            return control.get_memory(memoryId=made["id"])["memory"]["status"] == "ACTIVE"

        wait_for(look, READY_SECONDS, "ACTIVE")
        return made["id"]

    def rounds(self, memory_id, count, pause=0.0):
        for number in range(count):
            if not self.daemon.process:
                self.daemon.start()
            with Writers(self.daemon, memory_id, number, pause) as writers:
                time.sleep(self.chance.uniform(*KILL_AFTER))
                self.daemon.kill()
            self.assertEqual(writers.wrong, [], f"seed {self.seed}")
            self.kept.update(writers.acknowledged)
            self.asked |= writers.asked
        self.daemon.start()

    def events(self, memory_id):
        """word -> (session, eventId) of all there are."""
        client, found = make_client(self.daemon, DATA), []
        sessions = client.get_paginator("list_sessions").paginate(memoryId=memory_id, actorId="actor", maxResults=100)
        for entry in (entry for page in sessions for entry in page["sessionSummaries"]):
            pages = client.get_paginator("list_events").paginate(
                memoryId=memory_id, actorId="actor", sessionId=entry["sessionId"], maxResults=100
            )
            listed = [event for page in pages for event in page["events"]]
            order = [(event["eventTimestamp"], event["eventId"]) for event in listed]
            self.assertEqual(order, sorted(order, reverse=True))
            found += listed
        there = {
            word_in(event["payload"][0]["conversational"]["content"]["text"]): (event["sessionId"], event["eventId"])
            for event in found
        }
        self.assertEqual(len(there), len(found), f"seed {self.seed}: an event is there twice")
        return there

    def records(self, memory_id, namespace):
        pages = make_client(self.daemon, DATA).get_paginator("list_memory_records").paginate(
            memoryId=memory_id, namespace=namespace, maxResults=100
        )
        return [record["content"]["text"] for page in pages for record in page["memoryRecordSummaries"]]

    def check_events(self, memory_id):
        there = self.events(memory_id)
        lost = sorted(set(self.kept.items()) - set(there.items()))
        self.assertEqual(lost, [], f"seed {self.seed}: acknowledged and lost")
        self.assertLessEqual(set(there), self.asked, f"seed {self.seed}: never asked for")
        return there

    def test_events(self):
        memory_id = self.make_memory()
        self.rounds(memory_id, ROUNDS)
        self.check_events(memory_id)
        self.assertGreater(len(self.kept), ROUNDS, "hardly anything was written, so nothing was tested")

    def test_extraction(self):
        memory_id = self.make_memory(
            semantic(), strategy("semanticMemoryStrategy", "sessions", "/sessions/{sessionId}/"), SELF_MANAGED
        )
        self.rounds(memory_id, 3, pause=0.02)
        there = self.check_events(memory_id)
        for namespace in ("/facts/", "/sessions/"):

            def drawn(where=namespace):
                return {word_in(text) for text in self.records(memory_id, where)} >= set(there)

            wait_for(drawn, DRAWN_SECONDS, f"seed {self.seed}: everything drawn in {namespace}")
            counts = collections.Counter(word_in(text) for text in self.records(memory_id, namespace))
            twice = [word for word, count in counts.items() if count > 1]
            self.assertEqual(twice, [], f"seed {self.seed}: drawn twice")
            self.assertEqual(set(counts), set(there))
        jobs = make_client(self.daemon, DATA).list_memory_extraction_jobs(memoryId=memory_id)["jobs"]
        self.assertEqual(jobs, [], f"seed {self.seed}")

    def test_a_retry_after_a_crash(self):
        memory_id = self.make_memory()
        call = {
            "memoryId": memory_id,
            "actorId": "actor",
            "sessionId": "s",
            "eventTimestamp": datetime.datetime(2026, 1, 1, tzinfo=UTC),
            "payload": [said("I once lived in Town.")],
            "clientToken": str(uuid.uuid4()),
        }
        first = make_client(self.daemon, DATA).create_event(**call)["event"]
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(make_client(self.daemon, DATA).create_event(**call)["event"], first)
        self.assertEqual(len(self.events(memory_id)), 1)
