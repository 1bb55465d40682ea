"""Knowledge drawn from events: that it is, once, from what it should be, and soon.  What exactly an engine draws is
tested beside the engines; here it is enough that a record holds the word that was said."""

import json
import pathlib
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer

from memories import RECORD_SECONDS, MemoryTest, at, said, semantic, strategy, wait_for

SUPERSEDED = "x-amz-agentcore-supersededBy"


def texts(records):
    return [record["content"]["text"] for record in records]


class Drawn(MemoryTest):
    def facts(self, memory_id, actor="actor"):
        return self.records(memory_id, f"/facts/{actor}/")

    def wait_for_word(self, memory_id, word, namespace="/facts/actor/"):
        return self.wait_for_record(memory_id, namespace, lambda text: word in text)

    def test_a_fact(self):
        made = self.make_memory(semantic())
        self.event(made["id"], said("I love eating apples."), when=at())
        found = self.wait_for_word(made["id"], "apples")
        self.assertEqual(found["memoryStrategyId"], made["strategies"][0]["strategyId"])
        self.assertEqual(found["namespaces"], ["/facts/actor/"])
        self.assertEqual(found["metadata"]["x-amz-agentcore-engine"], {"stringValue": "builtin"})
        self.assertIsTime(found["createdAt"])

    def test_from_a_message_in_json(self):
        """As Strands keeps it.  What only looks like one is read as it is, and nothing is drawn from calls of tools."""
        made = self.make_memory(semantic())
        content = [{"toolUse": {"name": "x"}}, {"text": "I love eating apples."}, {"text": "I live in Reykjavik."}]
        for message in ({"role": "user", "content": content[:1]}, {"role": "user", "content": content}, "I", {}):
            self.event(made["id"], said(json.dumps({"message": message, "message_id": 0})))
        self.wait_for_word(made["id"], "Reykjavik")
        self.assertIn("apples", self.wait_for_word(made["id"], "apples")["content"]["text"])
        self.assertFalse([text for text in texts(self.facts(made["id"])) if "{" in text])

    def test_soon(self):
        made = self.make_memory(semantic())
        self.event(made["id"], said("I live in Reykjavik."))
        wait_for(
            lambda: any("Reykjavik" in text for text in texts(self.search(made["id"], "Reykjavik"))),
            RECORD_SECONDS,
            "found",
        )

    def test_every_kind(self):
        made = self.make_memory(
            semantic(),
            strategy("summaryMemoryStrategy", "sums", "/sums/{actorId}/{sessionId}/"),
            strategy("userPreferenceMemoryStrategy", "likes", "/likes/{actorId}/"),
            strategy(
                "episodicMemoryStrategy",
                "epis",
                "/epis/{actorId}/{sessionId}/",
                reflectionConfiguration={"namespaceTemplates": ["/reflections/{actorId}/"]},
            ),
        )
        self.event(
            made["id"],
            said("I really prefer hiking in the mountains to swimming. Can you plan a trip to the Dolomites?"),
            said("I have planned a hiking trip to the Dolomites for you.", "ASSISTANT"),
            said("Thank you, that is perfect!"),
        )
        self.wait_for_record(made["id"], "/facts/actor/", lambda text: "hiking" in text)
        self.wait_for_record(made["id"], "/sums/actor/session/", lambda text: "<topic" in text)
        like = self.wait_for_record(made["id"], "/likes/actor/", lambda text: "hiking" in text)
        self.assertIn("preference", json.loads(like["content"]["text"]))
        self.wait_for_record(made["id"], "/epis/actor/session/", lambda text: "Dolomites" in text)

    def test_nothing_is_drawn_twice(self):
        made = self.make_memory(semantic())
        for number, word in enumerate(["cherries", "walnuts", "oranges"]):
            self.event(made["id"], said(f"I love eating {word}."), when=at(number))
            self.wait_for_word(made["id"], word)
        found = texts(self.facts(made["id"]))
        self.assertEqual(len(found), len(set(found)), found)
        self.assertEqual(len(found), 3, found)

    def test_what_is_not_extracted(self):
        made = self.make_memory(semantic())
        self.event(made["id"], said("I love eating plums."), extractionMode="SKIP")
        self.event(made["id"], {"blob": "I love eating grapes."})
        self.event(made["id"], said("I love eating melons."))
        self.wait_for_word(made["id"], "melons")
        self.assertFalse([t for t in texts(self.facts(made["id"])) if "plums" in t or "grapes" in t])

    def test_a_new_strategy_begins_with_new_events(self):
        made = self.make_memory()
        self.event(made["id"], said("I love eating pears."))
        self.client.update_memory(
            memoryId=made["id"], memoryStrategies={"addMemoryStrategies": [semantic("late", "/facts/{actorId}/")]}
        )
        self.settled(made["id"])
        self.event(made["id"], said("I love eating figs."))
        self.wait_for_word(made["id"], "figs")
        self.assertFalse([t for t in texts(self.facts(made["id"])) if "pears" in t])

    def test_a_strategy_that_is_gone(self):
        made = self.make_memory(semantic(), semantic("other", "/other/{actorId}/"))
        self.client.update_memory(
            memoryId=made["id"],
            memoryStrategies={
                "deleteMemoryStrategies": [{"memoryStrategyId": made["strategies"][0]["strategyId"]}]
            },
        )
        self.settled(made["id"])
        self.event(made["id"], said("I love eating dates."))
        self.wait_for_word(made["id"], "dates", "/other/actor/")
        self.assertEqual(self.facts(made["id"]), [])

    def test_actors_are_apart(self):
        made = self.make_memory(semantic())
        for actor in ("anna", "ben"):
            self.event(made["id"], said(f"I love the city of {actor.title()}ville."), actor=actor)
        for actor in ("anna", "ben"):
            found = self.wait_for_word(made["id"], f"{actor.title()}ville", f"/facts/{actor}/")
            self.assertEqual(found["namespaces"], [f"/facts/{actor}/"])
            self.assertEqual(len(self.facts(made["id"], actor)), 1)

    def test_metadata_of_events(self):
        schema = {
            "metadataSchema": [
                {"key": "channel", "type": "STRING", "extractionType": "STRICTLY_CONSISTENT"},
                {"key": "rank", "type": "NUMBER", "extractionType": "STRICTLY_CONSISTENT"},
            ]
        }
        made = self.make_memory(
            semantic(memoryRecordSchema=schema), indexedKeys=[{"key": "channel", "type": "STRING"}]
        )
        self.event(
            made["id"],
            said("I love eating limes."),
            metadata={"channel": {"stringValue": "phone"}, "rank": {"stringValue": "7"}},
        )
        found = self.wait_for_word(made["id"], "limes")
        self.assertEqual(found["metadata"]["channel"], {"stringValue": "phone"})
        self.assertEqual(found["metadata"]["rank"], {"numberValue": 7.0})

    def test_a_long_conversation(self):
        made = self.make_memory(semantic())
        words = [f"Town{chr(97 + i // 26)}{chr(97 + i % 26)}ville" for i in range(150)]
        for number, word in enumerate(words):
            self.event(made["id"], said(f"I once lived in {word}."), when=at(number))

        def look():
            found = " ".join(texts(self.facts(made["id"])))
            return all(word in found for word in words)

        wait_for(look, RECORD_SECONDS, "all of them")
        self.assertEqual(len(self.facts(made["id"])), len(words))

    def test_many_sessions_at_once(self):
        made = self.make_memory(semantic())

        def talk(session):
            for number in range(5):
                self.event(made["id"], said(f"I love eating fruit{session}x{number}."), session=f"s{session}")

        threads = [threading.Thread(target=talk, args=(session,)) for session in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: len(self.facts(made["id"])) >= 40, RECORD_SECONDS, "forty facts")
        found = texts(self.facts(made["id"]))
        self.assertEqual(len(found), len(set(found)))

    def test_no_failed_jobs(self):
        made = self.make_memory(semantic())
        self.event(made["id"], said("I love eating kiwis."))
        self.wait_for_word(made["id"], "kiwis")
        self.assertEqual(self.data.list_memory_extraction_jobs(memoryId=made["id"])["jobs"], [])
        self.assertFails(
            "ResourceNotFoundException",
            404,
            self.data.start_memory_extraction_job,
            memoryId=made["id"],
            extractionJob={"jobId": "77"},
        )


class Notices(BaseHTTPRequestHandler):
    """The receiver of notices; what it answers is taken from server.answers."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.notices.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *unused):
        pass


class Receiver:
    def __enter__(self):
        self.server = HTTPServer(("127.0.0.1", 0), Notices)
        self.server.notices, self.server.answers = [], []
        self.url = f"http://127.0.0.1:{self.server.server_port}/sns"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self.server

    def __exit__(self, *unused):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def self_managed(*triggers, history=2):
    return {
        "customMemoryStrategy": {
            "name": "own",
            "configuration": {
                "selfManagedConfiguration": {
                    "triggerConditions": list(triggers),
                    "invocationConfiguration": {
                        "topicArn": "arn:aws:sns:us-west-2:123456789012:notices",
                        "payloadDeliveryBucketName": "payloads",
                    },
                    "historicalContextWindowSize": history,
                }
            },
        }
    }


class SelfManaged(MemoryTest):
    """Payloads in the data directory, notices there and to a receiver."""

    @classmethod
    def setUpClass(cls):
        receiver = Receiver()
        cls.receiver = cls.enterClassContext(receiver)
        cls.options = ("--memory-notices-url", receiver.url)
        super().setUpClass()

    def notices(self, memory_id):
        found = [(path, headers, body, json.loads(body["Message"])) for path, headers, body in self.receiver.notices]
        return [notice for notice in found if notice[3]["memoryId"] == memory_id]

    def payload(self, message):
        place = message["s3PayloadLocation"].removeprefix("s3://")
        return json.loads(pathlib.Path(self.daemon.data_dir, "buckets", place).read_text())

    def wait_for_notices(self, memory_id, count):
        return wait_for(
            lambda: self.notices(memory_id) if len(self.notices(memory_id)) >= count else None,
            RECORD_SECONDS,
            "notices",
        )

    def test_messages(self):
        made = self.make_memory(self_managed({"messageBasedTrigger": {"messageCount": 3}}))
        for number in range(7):
            self.event(made["id"], said(f"message {number}"), {"blob": "not me"}, when=at(number))
        path, headers, body, message = self.wait_for_notices(made["id"], 1)[0]
        self.assertEqual(path, "/sns/notices")
        self.assertEqual(headers["x-amz-sns-message-type"], "Notification")
        self.assertEqual(body["TopicArn"], "arn:aws:sns:us-west-2:123456789012:notices")
        self.assertEqual(message["strategyId"], made["strategies"][0]["strategyId"])
        kept = pathlib.Path(self.daemon.data_dir, "topics", "notices", message["jobId"] + ".json")
        self.assertEqual(json.loads(kept.read_text()), body)
        seen = []
        for *_, told in self.wait_for_notices(made["id"], 1):
            payload = self.payload(told)
            self.assertEqual((payload["actorId"], payload["sessionId"]), ("actor", "session"))
            current = [turn["content"]["text"] for turn in payload["currentContext"]]
            history = [turn["content"]["text"] for turn in payload["historicalContext"]]
            self.assertGreaterEqual(len(current), 3)
            self.assertEqual(history, seen[-2:])
            self.assertEqual(payload["currentContext"][0]["role"], "USER")
            seen += current
        self.assertEqual(seen, [f"message {number}" for number in range(len(seen))])

    def test_tokens(self):
        made = self.make_memory(self_managed({"tokenBasedTrigger": {"tokenCount": 100}}, history=0))
        self.event(made["id"], said("short"))
        self.event(made["id"], said("long " * 200))
        message = self.wait_for_notices(made["id"], 1)[0][3]
        self.assertEqual(len(self.payload(message)["currentContext"]), 2)
        self.assertEqual(self.payload(message)["historicalContext"], [])

    def test_silence(self):
        made = self.make_memory(self_managed({"timeBasedTrigger": {"idleSessionTimeout": 10}}))
        began = time.monotonic()
        self.event(made["id"], said("and then nothing"))
        message = self.wait_for_notices(made["id"], 1)[0][3]
        self.assertGreater(time.monotonic() - began, 9)
        self.assertEqual(len(self.payload(message)["currentContext"]), 1)

    def test_a_receiver_that_fails_at_first(self):
        made = self.make_memory(self_managed({"messageBasedTrigger": {"messageCount": 1}}))
        self.receiver.answers += [500]
        self.event(made["id"], said("try again"))
        self.wait_for_notices(made["id"], 1)
        self.assertEqual(len(self.notices(made["id"])), 1)

    def test_what_owners_do_next(self):
        made = self.make_memory(self_managed({"messageBasedTrigger": {"messageCount": 1}}))
        self.event(made["id"], said("the capital of Peru is Lima"))
        message = self.wait_for_notices(made["id"], 1)[0][3]
        text = self.payload(message)["currentContext"][0]["content"]["text"]
        place = "/" + uuid.uuid4().hex
        self.put(made["id"], text, namespace=place, memoryStrategyId=message["strategyId"])
        self.assertEqual(texts(self.search(made["id"], "Lima", namespace=place)), [text])


class Refusing(BaseHTTPRequestHandler):
    """A model service that takes nobody's key."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        body = b'{"error": {"message": "no such key"}}'
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


class Failing(MemoryTest):
    """Jobs that fail are listed, and can be started again."""

    @classmethod
    def setUpClass(cls):
        cls.server = HTTPServer(("127.0.0.1", 0), Refusing)
        cls.server.asked = 0
        thread = threading.Thread(target=cls.server.serve_forever, daemon=True)
        thread.start()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        url = f"http://127.0.0.1:{cls.server.server_port}/v1"
        cls.options = ("--model", "openai", "--model-url", url, "--model-name", "any")
        super().setUpClass()

    def failed(self, memory_id, **more):
        pages = self.data.get_paginator("list_memory_extraction_jobs").paginate(memoryId=memory_id, **more)
        return [job for page in pages for job in page["jobs"]]

    def wait_for_failed(self, memory_id, count):
        return wait_for(
            lambda: self.failed(memory_id) if len(self.failed(memory_id)) == count else None, 30, "failed jobs"
        )

    def test_failed_jobs(self):
        made = self.make_memory(semantic())
        strategy_id = made["strategies"][0]["strategyId"]
        event = self.event(made["id"], {"blob": 1}, said("I love eating apples."))
        self.event(made["id"], said("I love eating pears."), session="other")
        jobs = self.wait_for_failed(made["id"], 2)
        (job,) = [job for job in jobs if job["sessionId"] == "session"]
        self.assertEqual((job["status"], job["strategyId"], job["actorId"]), ("FAILED", strategy_id, "actor"))
        self.assertTrue(job["failureReason"])
        self.assertEqual(job["messages"]["messagesList"], [{"eventId": event["eventId"], "messageIndex": 1}])
        self.assertEqual(self.failed(made["id"], filter={"sessionId": "other"})[0]["sessionId"], "other")
        self.assertEqual(len(self.failed(made["id"], filter={"strategyId": strategy_id, "actorId": "actor"})), 2)
        self.assertEqual(self.failed(made["id"], filter={"actorId": "nobody"}), [])
        self.assertEqual(len(self.failed(made["id"], PaginationConfig={"PageSize": 1})), 2)
        before = self.server.asked
        started = self.data.start_memory_extraction_job(
            memoryId=made["id"], extractionJob={"jobId": job["jobID"]}
        )
        self.assertEqual(started["jobId"], job["jobID"])
        wait_for(lambda: self.server.asked > before, 30, "asked again")
        self.wait_for_failed(made["id"], 2)
        self.assertFails(
            "ResourceNotFoundException",
            404,
            self.data.start_memory_extraction_job,
            memoryId=self.make_memory()["id"],
            extractionJob={"jobId": job["jobID"]},
        )
