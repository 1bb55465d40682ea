"""Long-term records, and finding them, through boto3."""

import random
import uuid

from memories import DAY, MemoryTest, at, semantic, wait_for

KEYS = [
    {"key": "topic", "type": "STRING"},
    {"key": "tags", "type": "STRINGLIST"},
    {"key": "stars", "type": "NUMBER"},
    {"key": "when", "type": "STRING"},
]
GOOD = 0.3
CREATED = "x-amz-agentcore-memory-createdAt"


def where(key, operator, **value):
    found = {"left": {"metadataKey": key}, "operator": operator}
    return {**found, "right": {"metadataValue": value}} if value else found


def texts(records):
    return [record["content"]["text"] for record in records]


class Good(MemoryTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        made = cls.make_memory(semantic(), indexedKeys=KEYS)
        cls.memory_id = made["id"]
        cls.strategy_id = made["strategies"][0]["strategyId"]

    def setUp(self):
        self.place = f"/{uuid.uuid4().hex}/"

    def get(self, record_id):
        return self.data.get_memory_record(memoryId=self.memory_id, memoryRecordId=record_id)["memoryRecord"]

    def test_create_get_delete(self):
        metadata = {
            "topic": {"stringValue": "food"},
            "tags": {"stringListValue": ["a", "b"]},
            "stars": {"numberValue": 4.5},
            "when": {"dateTimeValue": at(1.25)},
        }
        answer = self.data.batch_create_memory_records(
            memoryId=self.memory_id,
            records=[
                {
                    "requestIdentifier": "one",
                    "namespaces": [self.place],
                    "content": {"text": "likes sushi"},
                    "timestamp": at(),
                    "memoryStrategyId": self.strategy_id,
                    "metadata": metadata,
                }
            ],
        )
        self.assertStatus(answer, 201)
        (made,) = answer["successfulRecords"]
        self.assertEqual((made["status"], made["requestIdentifier"]), ("SUCCEEDED", "one"))
        self.assertRegex(made["memoryRecordId"], "^mem-[a-f0-9-]{36}$")
        found = self.get(made["memoryRecordId"])
        self.assertEqual(found["content"], {"text": "likes sushi"})
        self.assertEqual(found["namespaces"], [self.place])
        self.assertEqual(found["memoryStrategyId"], self.strategy_id)
        self.assertEqual(found["metadata"], metadata)
        self.assertIsTime(found["createdAt"])
        (listed,) = self.records(self.memory_id, self.place)
        self.assertEqual(listed, found)
        gone = self.data.delete_memory_record(memoryId=self.memory_id, memoryRecordId=made["memoryRecordId"])
        self.assertEqual(gone["memoryRecordId"], made["memoryRecordId"])
        self.assertFails("ResourceNotFoundException", 404, self.get, made["memoryRecordId"])
        self.assertEqual(self.records(self.memory_id, self.place), [])

    def test_a_hundred_at_once(self):
        made = self.put(self.memory_id, *[f"fact {i}" for i in range(100)], namespace=self.place)
        found = self.records(self.memory_id, self.place, PaginationConfig={"PageSize": 30})
        self.assertEqual([record["memoryRecordId"] for record in found], made[::-1])
        done = self.data.batch_delete_memory_records(
            memoryId=self.memory_id, records=[{"memoryRecordId": record} for record in made]
        )
        self.assertEqual((len(done["successfulRecords"]), done["failedRecords"]), (100, []))
        self.assertEqual(self.records(self.memory_id, self.place), [])

    def test_update(self):
        (made,) = self.put(self.memory_id, "old", namespace=self.place)
        before = self.get(made)
        elsewhere = self.place + "elsewhere/"
        answer = self.data.batch_update_memory_records(
            memoryId=self.memory_id,
            records=[
                {
                    "memoryRecordId": made,
                    "timestamp": at(9),
                    "content": {"text": "new"},
                    "namespaces": [elsewhere],
                    "metadata": {"topic": {"stringValue": "t"}},
                },
                {"memoryRecordId": "mem-" + str(uuid.uuid4()), "timestamp": at()},
            ],
        )
        self.assertEqual([entry["memoryRecordId"] for entry in answer["successfulRecords"]], [made])
        (failed,) = answer["failedRecords"]
        self.assertEqual((failed["status"], failed["errorCode"]), ("FAILED", 404))
        after = self.get(made)
        self.assertEqual(after["content"]["text"], "new")
        self.assertEqual(after["namespaces"], [elsewhere])
        self.assertEqual(after["createdAt"], before["createdAt"])
        self.data.batch_update_memory_records(
            memoryId=self.memory_id, records=[{"memoryRecordId": made, "timestamp": at(10)}]
        )
        self.assertEqual(self.get(made), after)

    def test_replays(self):
        record = {"requestIdentifier": "r", "namespaces": [self.place], "content": {"text": "x"}, "timestamp": at()}
        call = {"memoryId": self.memory_id, "records": [record], "clientToken": uuid.uuid4().hex}
        first = self.data.batch_create_memory_records(**call)["successfulRecords"]
        self.assertEqual(self.data.batch_create_memory_records(**call)["successfulRecords"], first)
        self.assertEqual(len(self.records(self.memory_id, self.place)), 1)

    def test_namespaces(self):
        base = self.place
        names = ["a", "a/", "a/b", "a/b/", "ab", "a-b", "b/a", "a/b/c"]
        for name in names:
            self.put(self.memory_id, name, namespace=base + name)

        def by(**how):
            pages = self.data.get_paginator("list_memory_records").paginate(memoryId=self.memory_id, **how)
            return sorted(texts(record for page in pages for record in page["memoryRecordSummaries"]))

        self.assertEqual(by(namespace=base + "a"), sorted(name for name in names if name.startswith("a")))
        self.assertEqual(by(namespace=base + "a/"), ["a/", "a/b", "a/b/", "a/b/c"])
        for path in ("a", "a/"):
            self.assertEqual(by(namespacePath=base + path), ["a", "a/", "a/b", "a/b/", "a/b/c"])
        self.assertEqual(by(namespacePath=base + "a/b"), ["a/b", "a/b/", "a/b/c"])
        self.assertEqual(by(namespacePath=base), sorted(names))
        self.assertEqual(by(namespace=base + "zzz"), [])
        self.assertEqual(by(namespace=base + "*"), [])

    def test_metadata_filters(self):
        for number in range(5):
            metadata = {"stars": {"numberValue": number}, "when": {"dateTimeValue": at(number)}}
            if number:
                metadata["topic"] = {"stringValue": "odd" if number % 2 else "even"}
                metadata["tags"] = {"stringListValue": ["all", str(number)]}
            self.put(self.memory_id, str(number), namespace=self.place, metadata=metadata)

        def found(*filters):
            return sorted(texts(self.records(self.memory_id, self.place, metadataFilters=list(filters))))

        for filters, expected in (
            ([where("topic", "EQUALS_TO", stringValue="odd")], "13"),
            ([where("topic", "EXISTS")], "1234"),
            ([where("topic", "NOT_EXISTS")], "0"),
            ([where("tags", "CONTAINS", stringValue="3")], "3"),
            ([where("tags", "EQUALS_TO", stringListValue=["all", "2"])], "2"),
            ([where("stars", "GREATER_THAN", numberValue=3)], "4"),
            ([where("stars", "GREATER_THAN_OR_EQUALS", numberValue=3)], "34"),
            ([where("stars", "LESS_THAN", numberValue=1)], "0"),
            ([where("stars", "LESS_THAN_OR_EQUALS", numberValue=1)], "01"),
            ([where("stars", "EQUALS_TO", numberValue=2)], "2"),
            ([where("when", "BEFORE", dateTimeValue=at(2))], "01"),
            ([where("when", "AFTER", dateTimeValue=at(2))], "34"),
            ([where(CREATED, "AFTER", dateTimeValue=at())], "01234"),
            ([where(CREATED, "BEFORE", dateTimeValue=at())], ""),
            ([where("topic", "EQUALS_TO", stringValue="even"), where("stars", "GREATER_THAN", numberValue=2)], "4"),
        ):
            with self.subTest(filters=filters):
                self.assertEqual(found(*filters), list(expected))

    def test_strategy_filter(self):
        self.put(self.memory_id, "with", namespace=self.place, memoryStrategyId=self.strategy_id)
        self.put(self.memory_id, "without", namespace=self.place)
        found = self.records(self.memory_id, self.place, memoryStrategyId=self.strategy_id)
        self.assertEqual(texts(found), ["with"])

    def test_without_a_namespace(self):
        answer = self.data.batch_create_memory_records(
            memoryId=self.memory_id,
            records=[{"requestIdentifier": "r", "namespaces": [], "content": {"text": "x"}, "timestamp": at()}],
        )
        self.assertEqual(self.get(answer["successfulRecords"][0]["memoryRecordId"])["namespaces"], [])


class Search(MemoryTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        made = cls.make_memory(semantic(), indexedKeys=KEYS)
        cls.memory_id = made["id"]
        cls.strategy_id = made["strategies"][0]["strategyId"]

    def setUp(self):
        self.place = f"/{uuid.uuid4().hex}/"

    def find(self, query, **more):
        return self.search(self.memory_id, query, **{"namespace": self.place, **more})

    def hits(self, query, **more):
        """What holds what is asked for; there is more, with less in common, when there is room."""
        return [record for record in self.find(query, **more) if record["score"] > GOOD]

    def test_the_best_come_first(self):
        self.put(
            self.memory_id,
            "Anna likes sushi with tuna",
            "Ben repaired the old bicycle",
            "Clara lives in Lisbon",
            namespace=self.place,
        )
        found = self.find("sushi with tuna")
        self.assertEqual(texts(found)[0], "Anna likes sushi with tuna")
        scores = [record["score"] for record in found]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertTrue(all(0 < score <= 1 for score in scores), scores)
        self.assertEqual(texts(self.find("Who has repaired a bicycle?"))[0], "Ben repaired the old bicycle")

    def test_what_changes_is_found_as_it_is(self):
        made, other = self.put(self.memory_id, "a violin in the attic", "a kayak in the shed", namespace=self.place)
        self.assertEqual(texts(self.hits("violin")), ["a violin in the attic"])
        self.data.batch_update_memory_records(
            memoryId=self.memory_id,
            records=[{"memoryRecordId": made, "timestamp": at(-9e6), "content": {"text": "a trumpet in the attic"}}],
        )
        self.assertEqual(self.hits("violin"), [])
        self.assertEqual(texts(self.hits("trumpet")), ["a trumpet in the attic"])
        self.data.delete_memory_record(memoryId=self.memory_id, memoryRecordId=other)
        self.assertEqual(self.hits("kayak"), [])
        self.put(self.memory_id, "a telescope on the roof", namespace=self.place)
        self.assertEqual(texts(self.hits("telescope")), ["a telescope on the roof"])

    def test_a_record_that_moves(self):
        (made,) = self.put(self.memory_id, "a lantern", namespace=self.place + "one/")
        self.assertEqual(texts(self.hits("lantern", namespace=self.place + "one/")), ["a lantern"])
        for there, gone in (("two/", "one/"), ("one/", "two/")):
            self.data.batch_update_memory_records(
                memoryId=self.memory_id,
                records=[{"memoryRecordId": made, "timestamp": at(), "namespaces": [self.place + there]}],
            )
            self.assertEqual(texts(self.hits("lantern", namespace=self.place + there)), ["a lantern"])
            self.assertEqual(self.hits("lantern", namespace=self.place + gone), [])

    def test_namespaces(self):
        for name in ("a", "a/b/", "ab"):
            self.put(self.memory_id, f"the compass of {name}", namespace=self.place + name)
        self.assertEqual(len(self.hits("compass", namespace=self.place + "a")), 3)
        self.assertEqual(len(self.search(self.memory_id, "compass", namespacePath=self.place + "a")), 2)
        self.assertEqual(self.hits("compass", namespace="/nowhere/"), [])

    def test_top_k_and_pages(self):
        self.put(self.memory_id, *[f"ladder number {i}" for i in range(30)], namespace=self.place)
        self.assertEqual(len(self.find("ladder", topK=7)), 7)
        self.assertEqual(len(self.find("ladder")), 10)
        call = {
            "memoryId": self.memory_id,
            "namespace": self.place,
            "searchCriteria": {"searchQuery": "ladder", "topK": 25},
        }
        first = self.data.retrieve_memory_records(**call)
        second = self.data.retrieve_memory_records(**call, nextToken=first["nextToken"])
        seen = texts(first["memoryRecordSummaries"] + second["memoryRecordSummaries"])
        self.assertEqual((len(first["memoryRecordSummaries"]), len(set(seen))), (20, 25))
        self.assertNotIn("nextToken", second)

    def test_pages_of_a_long_query(self):
        """As long as a query may be, and of any characters."""
        made = self.put(self.memory_id, *[f"violin number {i}" for i in range(3)], namespace=self.place)
        for query in ("violin " + "x" * 9993, "violin " + "\U0001f3bb" * 9993, "violin " + "\x01" * 9993):
            call = {
                "memoryId": self.memory_id,
                "namespace": self.place,
                "searchCriteria": {"searchQuery": query, "topK": 3},
                "maxResults": 2,
            }
            first = self.data.retrieve_memory_records(**call)
            second = self.data.retrieve_memory_records(**call, nextToken=first["nextToken"])
            found = first["memoryRecordSummaries"] + second["memoryRecordSummaries"]
            self.assertEqual({record["memoryRecordId"] for record in found}, set(made))
            self.assertNotIn("nextToken", second)
            call["searchCriteria"]["searchQuery"] = query[:-1]
            self.assertFails(
                "ValidationException", 400, self.data.retrieve_memory_records, **call, nextToken=first["nextToken"]
            )

    def test_filters(self):
        for number in range(4):
            more = {"memoryStrategyId": self.strategy_id} if number % 2 else {}
            self.put(
                self.memory_id,
                f"mirror {number}",
                namespace=self.place,
                metadata={"stars": {"numberValue": number}},
                **more,
            )
        found = self.hits("mirror", metadataFilters=[where("stars", "GREATER_THAN", numberValue=1)])
        self.assertEqual(sorted(texts(found)), ["mirror 2", "mirror 3"])
        found = self.hits("mirror", memoryStrategyId=self.strategy_id)
        self.assertEqual(sorted(texts(found)), ["mirror 1", "mirror 3"])

    def test_random_changes(self):
        """Whatever is done to records, a search for a word finds exactly those that hold it."""
        seed = random.randrange(1 << 30)
        chance, there = random.Random(seed), {}
        words = [f"word{chr(97 + i) * 3}" for i in range(6)]
        for number in range(60):
            self.change(chance, there, words)
            if number % 3 == 0:
                word = chance.choice(words)
                found = {record["memoryRecordId"] for record in self.hits(word, topK=100, maxResults=100)}
                expected = {record for record, text in there.items() if word in text}
                self.assertEqual(found, expected, f"seed {seed}, step {number}, {word}")

    def change(self, chance, there, words):
        text = " ".join(chance.sample(words, 2))
        step = chance.random()
        if step < 0.5 or not there:
            there[self.put(self.memory_id, text, namespace=self.place)[0]] = text
            return
        record = chance.choice(list(there))
        if step < 0.75:
            there[record] = text
            self.data.batch_update_memory_records(
                memoryId=self.memory_id,
                records=[{"memoryRecordId": record, "timestamp": at(DAY * next(self.days)), "content": {"text": text}}],
            )
        else:
            del there[record]
            self.data.batch_delete_memory_records(
                memoryId=self.memory_id, records=[{"memoryRecordId": record}]
            )


class Refused(MemoryTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.memory_id = cls.make_memory(semantic(), indexedKeys=KEYS[:1])["id"]

    def create(self, **more):
        record = {"requestIdentifier": "r", "namespaces": ["/x"], "content": {"text": "x"}, "timestamp": at(), **more}
        return self.unchecked_data.batch_create_memory_records(memoryId=self.memory_id, records=[record])

    def tearDown(self):
        self.assertEqual(self.records(self.memory_id, "/"), [], "something was stored")

    def test_missing(self):
        absent = "mem-" + str(uuid.uuid4())
        for call in (self.data.get_memory_record, self.data.delete_memory_record):
            self.assertFails(
                "ResourceNotFoundException", 404, call, memoryId=self.memory_id, memoryRecordId=absent
            )
        done = self.data.batch_delete_memory_records(
            memoryId=self.memory_id, records=[{"memoryRecordId": absent}]
        )
        self.assertEqual((done["successfulRecords"], done["failedRecords"][0]["errorCode"]), ([], 404))
        memory = "absent_memory-0123456789"
        self.assertFails("ResourceNotFoundException", 404, self.records, memory)
        self.assertFails("ResourceNotFoundException", 404, self.search, memory, "x")

    def test_fields(self):
        for field, more in {
            "records[0].requestIdentifier": {"requestIdentifier": "a b"},
            "records[0].namespaces": {"namespaces": ["/a", "/b"]},
            "records[0].content.text": {"content": {"text": "x" * 16001}},
            "records[0].metadata": {"metadata": {f"k{i}": {"numberValue": i} for i in range(21)}},
            "records[0].metadata.k.stringListValue": {"metadata": {"k": {"stringListValue": ["x"] * 6}}},
        }.items():
            with self.subTest(field=field):
                self.assertInvalid(self.assertFails("ValidationException", 400, self.create, **more), field)

    def test_single_records(self):
        for code, more in (
            (404, {"memoryStrategyId": "facts-0123456789"}),
            (400, {"metadata": {"x-amz-agentcore-engine": {"stringValue": "me"}}}),
            (400, {"timestamp": at(-60 * 60 * 24 * 366 * 100)}),
            (400, {"content": {"text": "a\u0000b"}}),
        ):
            with self.subTest(more=more):
                done = self.create(**more)
                self.assertEqual(done["successfulRecords"], [])
                self.assertEqual([entry["errorCode"] for entry in done["failedRecords"]], [code])

    def test_namespace_or_path(self):
        call = {"memoryId": self.memory_id, "searchCriteria": {"searchQuery": "x"}}
        for more in ({}, {"namespace": "/a", "namespacePath": "/a"}):
            self.assertFails("ValidationException", 400, self.data.retrieve_memory_records, **call, **more)
            self.assertFails(
                "ValidationException", 400, self.data.list_memory_records, memoryId=self.memory_id, **more
            )

    def test_filters(self):
        for wrong in (
            where("stars", "EXISTS"),
            where("topic", "EQUALS_TO"),
            where("topic", "EXISTS", stringValue="x"),
            where("topic", "GREATER_THAN", stringValue="x"),
            where("topic", "BEFORE", numberValue=1),
            where("topic", "CONTAINS", numberValue=1),
        ):
            with self.subTest(wrong=wrong):
                self.assertFails(
                    "ValidationException", 400, self.records, self.memory_id, metadataFilters=[wrong]
                )
                self.assertFails(
                    "ValidationException", 400, self.search, self.memory_id, "x", metadataFilters=[wrong]
                )

    def test_limits(self):
        for more in ({"topK": 101}, {"topK": 0}, {"searchQuery": "x" * 10001}):
            call = {"memoryId": self.memory_id, "namespace": "/", "searchCriteria": {"searchQuery": "x", **more}}
            self.assertFails("ValidationException", 400, self.unchecked_data.retrieve_memory_records, **call)

    def test_page_tokens(self):
        call = {"memoryId": self.memory_id, "namespace": "/", "nextToken": "x"}
        self.assertFails("ValidationException", 400, self.data.list_memory_records, **call)


class Waiting(MemoryTest):
    def test_a_memory_that_is_deleted_takes_its_records(self):
        made = self.make_memory()
        self.put(made["id"], *["x"] * 10)
        self.client.delete_memory(memoryId=made["id"])

        def look():
            try:
                self.client.get_memory(memoryId=made["id"])
            except self.client.exceptions.ResourceNotFoundException:
                return True
            return False

        wait_for(look, 10, "deleted")
        again = self.client.create_memory(name=made["name"], eventExpiryDuration=30)["memory"]
        self.settled(again["id"])
        self.assertEqual(self.records(again["id"]), [])
