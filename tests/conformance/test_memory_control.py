"""The five operations on memories, through boto3."""

import uuid

from memories import MemoryTest, semantic, strategy, wait_for

TEMPLATE = "/strategies/{memoryStrategyId}/actors/{actorId}"
KINDS = {
    "semanticMemoryStrategy": ("SEMANTIC", TEMPLATE),
    "summaryMemoryStrategy": ("SUMMARIZATION", TEMPLATE + "/sessions/{sessionId}"),
    "userPreferenceMemoryStrategy": ("USER_PREFERENCE", TEMPLATE),
    "episodicMemoryStrategy": ("EPISODIC", TEMPLATE + "/sessions/{sessionId}"),
}
BLOCK = {"appendToPrompt": "Only facts about food.", "modelId": "some.model"}
SELF_MANAGED = {
    "invocationConfiguration": {
        "topicArn": "arn:aws:sns:us-west-2:123456789012:memories",
        "payloadDeliveryBucketName": "payloads",
    }
}


def name():
    return "n_" + uuid.uuid4().hex[:20]


def custom(label, **configuration):
    return {"customMemoryStrategy": {"name": label, "configuration": configuration}}


class Good(MemoryTest):
    REPLAYED = ("CreateMemory", "UpdateMemory", "DeleteMemory")

    def test_create_and_get(self):
        called = name()
        answer = self.client.create_memory(name=called, description="d", eventExpiryDuration=3, tags={"a": "b"})
        self.assertStatus(answer, 202)
        made = answer["memory"]
        self.assertEqual(made["status"], "CREATING")
        self.assertRegex(made["id"], f"^{called}-[a-zA-Z0-9]{{10}}$")
        self.assertTrue(made["arn"].endswith(f":memory/{made['id']}"), made)
        found = self.settled(made["id"])
        for member, value in {"name": called, "description": "d", "eventExpiryDuration": 3, "strategies": []}.items():
            self.assertEqual(found[member], value, member)
        self.assertIsTime(found["createdAt"])
        self.assertIsTime(found["updatedAt"])
        self.assertEqual(self.client.list_tags_for_resource(resourceArn=made["arn"])["tags"], {"a": "b"})

    def test_waiter(self):
        made = self.client.create_memory(name=name(), eventExpiryDuration=3)["memory"]
        self.client.get_waiter("memory_created").wait(memoryId=made["id"])

    def test_the_first_look_finds_it_active(self):
        made = self.client.create_memory(name=name(), eventExpiryDuration=3, memoryStrategies=[semantic()])["memory"]
        self.assertEqual(self.client.get_memory(memoryId=made["id"])["memory"]["status"], "ACTIVE")

    def test_strategies_of_every_kind(self):
        found = self.make_memory(*[strategy(kind, kind[:8], description="x") for kind in KINDS])["strategies"]
        self.assertEqual(len(found), len(KINDS))
        for made, (kind, (expected, template)) in zip(found, KINDS.items()):
            self.assertEqual(made["type"], expected)
            self.assertEqual(made["name"], kind[:8])
            self.assertEqual(made["status"], "ACTIVE")
            self.assertRegex(made["strategyId"], f"^{kind[:8]}-[a-zA-Z0-9]{{10}}$")
            self.assertEqual(made["namespaces"], [template])
            self.assertEqual(made["namespaceTemplates"], [template])
            self.assertIsTime(made["createdAt"])
            self.assertNotIn("afterEvent", made)

    def test_namespaces_by_either_name(self):
        old = {"semanticMemoryStrategy": {"name": "old", "namespaces": ["support/facts/{sessionId}/"]}}
        found = self.make_memory(old, semantic("new", "/n/{actorId}"))["strategies"]
        self.assertEqual([s["namespaceTemplates"] for s in found], [["support/facts/{sessionId}/"], ["/n/{actorId}"]])
        self.assertEqual([s["namespaces"] for s in found], [["support/facts/{sessionId}/"], ["/n/{actorId}"]])

    def test_overrides(self):
        made = self.make_memory(
            custom("sem", semanticOverride={"extraction": BLOCK, "consolidation": BLOCK}),
            custom("sum", summaryOverride={"consolidation": BLOCK}),
            custom("pref", userPreferenceOverride={"extraction": BLOCK, "consolidation": BLOCK}),
            custom(
                "epi",
                episodicOverride={
                    "extraction": BLOCK,
                    "consolidation": BLOCK,
                    "reflection": {**BLOCK, "namespaceTemplates": ["/r/{actorId}/"]},
                },
            ),
        )["strategies"]
        self.assertEqual([s["type"] for s in made], ["CUSTOM"] * 4)
        stems = ["semantic", "summary", "userPreference", "episodic"]
        types = ["SEMANTIC_OVERRIDE", "SUMMARY_OVERRIDE", "USER_PREFERENCE_OVERRIDE", "EPISODIC_OVERRIDE"]
        for found, stem, kind in zip(made, stems, types):
            configuration = found["configuration"]
            self.assertEqual(configuration["type"], kind)
            outer = configuration["consolidation"]["customConsolidationConfiguration"]
            self.assertEqual(outer, {f"{stem}ConsolidationOverride": BLOCK})
            if stem != "summary":
                outer = configuration["extraction"]["customExtractionConfiguration"]
                self.assertEqual(outer, {f"{stem}ExtractionOverride": BLOCK})
        reflection = made[3]["configuration"]["reflection"]["customReflectionConfiguration"]
        self.assertEqual(reflection["episodicReflectionOverride"]["namespaceTemplates"], ["/r/{actorId}/"])
        self.assertEqual(reflection["episodicReflectionOverride"]["appendToPrompt"], BLOCK["appendToPrompt"])

    def test_reflections(self):
        made = self.make_memory(
            {"episodicMemoryStrategy": {"name": "e", "reflectionConfiguration": {"namespaces": ["/r/{actorId}/"]}}}
        )["strategies"][0]
        reflection = made["configuration"]["reflection"]["episodicReflectionConfiguration"]
        self.assertEqual(reflection["namespaceTemplates"], ["/r/{actorId}/"])

    def test_self_managed_defaults(self):
        made = self.make_memory(custom("own", selfManagedConfiguration=SELF_MANAGED))["strategies"][0]
        found = made["configuration"]["selfManagedConfiguration"]
        self.assertEqual(made["configuration"]["type"], "SELF_MANAGED")
        self.assertEqual(found["historicalContextWindowSize"], 4)
        self.assertEqual(len(found["triggerConditions"]), 3)
        self.assertEqual(found["invocationConfiguration"], SELF_MANAGED["invocationConfiguration"])

    def test_indexed_keys_and_streams(self):
        keys = [{"key": "topic", "type": "STRING"}, {"key": "stars", "type": "NUMBER"}]
        stream = {
            "resources": [
                {
                    "kinesis": {
                        "dataStreamArn": "arn:aws:kinesis:us-west-2:123456789012:stream/s",
                        "contentConfigurations": [{"type": "MEMORY_RECORDS", "level": "FULL_CONTENT"}],
                    }
                }
            ]
        }
        made = self.make_memory(indexedKeys=keys, streamDeliveryResources=stream)
        self.assertEqual(made["indexedKeys"], keys)
        self.assertEqual(made["streamDeliveryResources"], stream)
        more = [{"key": "tags", "type": "STRINGLIST"}]
        self.client.update_memory(memoryId=made["id"], addIndexedKeys=more)
        self.assertEqual(self.settled(made["id"])["indexedKeys"], keys + more)

    def test_update(self):
        made = self.make_memory(semantic("stays"), semantic("goes", "/g/"))
        stays, goes = (s["strategyId"] for s in made["strategies"])
        answer = self.client.update_memory(
            memoryId=made["id"],
            description="new",
            eventExpiryDuration=7,
            memoryStrategies={
                "addMemoryStrategies": [strategy("userPreferenceMemoryStrategy", "comes")],
                "modifyMemoryStrategies": [
                    {"memoryStrategyId": stays, "description": "changed", "namespaceTemplates": ["/c/{actorId}"]}
                ],
                "deleteMemoryStrategies": [{"memoryStrategyId": goes}],
            },
        )
        self.assertStatus(answer, 202)
        self.assertEqual(answer["memory"]["status"], "UPDATING")
        found = self.settled(made["id"])
        self.assertEqual([s["name"] for s in found["strategies"]], ["stays", "comes"])
        self.assertEqual({s["status"] for s in found["strategies"]}, {"ACTIVE"})
        self.assertEqual(found["strategies"][0]["namespaces"], ["/c/{actorId}"])
        self.assertEqual(found["strategies"][0]["description"], "changed")
        self.assertEqual((found["description"], found["eventExpiryDuration"]), ("new", 7))
        self.assertEqual(found["createdAt"], made["createdAt"])
        self.assertGreater(found["updatedAt"], made["updatedAt"])

    def test_modify_configurations(self):
        made = self.make_memory(
            custom("sem", semanticOverride={"extraction": BLOCK}), custom("own", selfManagedConfiguration=SELF_MANAGED)
        )
        sem, own = (s["strategyId"] for s in made["strategies"])
        other = {"appendToPrompt": "Other.", "modelId": "other.model"}
        self.client.update_memory(
            memoryId=made["id"],
            memoryStrategies={
                "modifyMemoryStrategies": [
                    {
                        "memoryStrategyId": sem,
                        "configuration": {
                            "extraction": {"customExtractionConfiguration": {"semanticExtractionOverride": other}}
                        },
                    },
                    {
                        "memoryStrategyId": own,
                        "configuration": {
                            "selfManagedConfiguration": {
                                "historicalContextWindowSize": 9,
                                "invocationConfiguration": {"payloadDeliveryBucketName": "elsewhere"},
                            }
                        },
                    },
                ]
            },
        )
        one, two = (s["configuration"] for s in self.settled(made["id"])["strategies"])
        extraction = one["extraction"]["customExtractionConfiguration"]["semanticExtractionOverride"]
        self.assertEqual(extraction, other)
        managed = two["selfManagedConfiguration"]
        self.assertEqual(managed["historicalContextWindowSize"], 9)
        self.assertEqual(managed["invocationConfiguration"]["payloadDeliveryBucketName"], "elsewhere")
        self.assertEqual(
            managed["invocationConfiguration"]["topicArn"], SELF_MANAGED["invocationConfiguration"]["topicArn"]
        )

    def test_delete(self):
        made = self.make_memory(semantic())
        self.event(made["id"], {"blob": "x"})
        self.put(made["id"], "something")
        answer = self.client.delete_memory(memoryId=made["id"])
        self.assertStatus(answer, 202)
        self.assertEqual((answer["memoryId"], answer["status"]), (made["id"], "DELETING"))
        self.assertFails("ResourceNotFoundException", 404, self.events, made["id"])
        gone = self.client.exceptions.ResourceNotFoundException

        def look():
            try:
                self.client.get_memory(memoryId=made["id"])
            except gone:
                return True
            return False

        wait_for(look, 10, "deleted")
        self.assertFails("ResourceNotFoundException", 404, self.client.delete_memory, memoryId=made["id"])
        self.assertNotIn(made["id"], [m["id"] for m in self.client.list_memories(maxResults=100)["memories"]])
        self.client.create_memory(name=made["name"], eventExpiryDuration=30)

    def test_list(self):
        made = {self.make_memory()["id"] for _ in range(5)}
        pages = list(self.client.get_paginator("list_memories").paginate(PaginationConfig={"PageSize": 2}))
        seen = [memory["id"] for page in pages for memory in page["memories"]]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual(made, set(seen))
        self.assertTrue(all(len(page["memories"]) <= 2 for page in pages))
        self.assertEqual(set(pages[0]["memories"][0]), {"arn", "id", "status", "createdAt", "updatedAt"})

    def test_replays(self):
        parameters = {"name": name(), "eventExpiryDuration": 3, "clientToken": uuid.uuid4().hex * 2}
        first = self.client.create_memory(**parameters)["memory"]
        again = self.client.create_memory(**parameters)["memory"]
        self.assertEqual(first["id"], again["id"])
        answer = self.assertFails(
            "ValidationException", 400, self.client.create_memory, **{**parameters, "eventExpiryDuration": 4}
        )
        self.assertEqual(answer["reason"], "IdempotentParameterMismatchException")
        self.settled(first["id"])
        token = uuid.uuid4().hex * 2
        more = {"addMemoryStrategies": [semantic()]}
        for _ in range(2):
            self.client.update_memory(memoryId=first["id"], memoryStrategies=more, clientToken=token)
        self.assertEqual(len(self.settled(first["id"])["strategies"]), 1)
        gone = [self.client.delete_memory(memoryId=first["id"], clientToken=token)["status"] for _ in range(2)]
        self.assertEqual(gone, ["DELETING"] * 2)


class Refused(MemoryTest):
    def test_missing(self):
        missing = "absent_memory-0123456789"
        for call in (self.client.get_memory, self.client.delete_memory, self.client.update_memory):
            self.assertFails("ResourceNotFoundException", 404, call, memoryId=missing)

    def test_name_taken(self):
        made = self.make_memory()
        answer = self.assertFails(
            "ValidationException", 400, self.client.create_memory, name=made["name"], eventExpiryDuration=30
        )
        self.assertIn("already exists", answer["Error"]["Message"])

    def test_fields(self):
        for field, parameters in {
            "name": {"name": "1x"},
            "eventExpiryDuration": {"eventExpiryDuration": 366},
            "memoryStrategies[0].semanticMemoryStrategy.namespaceTemplates[0]": {
                "memoryStrategies": [semantic(template="/x/{somebody}/")]
            },
            "indexedKeys[0].type": {"indexedKeys": [{"key": "a", "type": "DATE"}]},
        }.items():
            with self.subTest(field=field):
                answer = self.assertFails(
                    "ValidationException",
                    400,
                    self.unchecked.create_memory,
                    **{"name": name(), "eventExpiryDuration": 3, **parameters},
                )
                self.assertInvalid(answer, field)
        self.assertFails("ValidationException", 400, self.unchecked.get_memory, memoryId="x" * 20)

    def test_nothing_is_stored(self):
        called = name()
        self.assertFails(
            "ValidationException",
            400,
            self.client.create_memory,
            name=called,
            eventExpiryDuration=3,
            memoryStrategies=[semantic("twice"), semantic("twice")],
        )
        self.client.create_memory(name=called, eventExpiryDuration=3)

    def test_quotas(self):
        seven = [semantic(f"s{i}") for i in range(7)]
        self.assertFails(
            "ServiceQuotaExceededException",
            402,
            self.client.create_memory,
            name=name(),
            eventExpiryDuration=3,
            memoryStrategies=seven,
        )
        made = self.make_memory(*seven[:6], indexedKeys=[{"key": str(i), "type": "STRING"} for i in range(10)])
        for parameters in (
            {"memoryStrategies": {"addMemoryStrategies": seven[6:]}},
            {"addIndexedKeys": [{"key": "more", "type": "STRING"}]},
        ):
            self.assertFails(
                "ServiceQuotaExceededException", 402, self.client.update_memory, memoryId=made["id"], **parameters
            )
        self.assertEqual(self.settled(made["id"]), made)

    def test_update(self):
        made = self.make_memory(semantic(), indexedKeys=[{"key": "a", "type": "STRING"}])
        there = made["strategies"][0]["strategyId"]
        override = {"customExtractionConfiguration": {"semanticExtractionOverride": BLOCK}}
        for error, status, parameters in (
            ("ResourceNotFoundException", 404, {"deleteMemoryStrategies": [{"memoryStrategyId": "facts-0123456789"}]}),
            ("ValidationException", 400, {"addMemoryStrategies": [semantic()]}),
            (
                "ValidationException",
                400,
                {
                    "modifyMemoryStrategies": [
                        {"memoryStrategyId": there, "configuration": {"extraction": override}}
                    ]
                },
            ),
        ):
            with self.subTest(parameters=parameters):
                self.assertFails(
                    error, status, self.client.update_memory, memoryId=made["id"], memoryStrategies=parameters
                )
        self.assertFails(
            "ValidationException",
            400,
            self.client.update_memory,
            memoryId=made["id"],
            addIndexedKeys=[{"key": "a", "type": "NUMBER"}],
        )
        self.assertEqual(self.settled(made["id"]), made)

    def test_a_page_token_of_something_else(self):
        self.assertFails("ValidationException", 400, self.client.list_memories, nextToken="abc")
