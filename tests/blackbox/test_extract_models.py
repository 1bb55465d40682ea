"""The model engine of memory extraction against a model server that says what it is told to: what is asked, what is made of
good answers, and that nothing is made of bad ones."""

import json
import os
import subprocess
import unittest

import harness
from model_server import ModelServer, busy, garbage, half, say, say_json, silence

NOON = 1741435200000
KINDS = ("openai", "anthropic", "bedrock")


def turns(*texts):
    roles = ("USER", "ASSISTANT")
    return [
        {"role": roles[i % 2], "text": text, "at": NOON + 1000 * i, "event": f"{NOON + 1000 * i:019}#0000000{i}"}
        for i, text in enumerate(texts)
    ]


def facts(*texts):
    return say_json({"facts": [{"text": text} for text in texts]})


def decisions(*rows):
    """Rows of (candidate, action, known, text)."""
    names = ("candidate", "action", "known", "text")
    return say_json({"decisions": [dict(zip(names, row)) for row in rows]})


class ExtractCase(unittest.TestCase):
    def setUp(self):
        self.server = ModelServer()
        self.addCleanup(self.server.close)

    def extract(self, kind="SEMANTIC", service="openai", model=(), **task):
        url = self.server.url + ("/v1" if service == "openai" else "")
        task.setdefault("turns", turns("I love apples. I moved to Bergen yesterday."))
        task = {"model": {"kind": service, "url": url, "name": "a-model", **dict(model)}, "kind": kind, **task}
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "no_proxy": "*"}
        ran = subprocess.run(
            [harness.build_path("tests", "extract_probe")],
            input=json.dumps(task).encode(),
            capture_output=True,
            timeout=60,
            env=environment,
        )
        self.assertIsNone(harness.SANITIZER.search(ran.stderr.decode()), ran.stderr.decode())
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return json.loads(ran.stdout)

    def changes(self, *args, **more):
        answer = self.extract(*args, **more)
        self.assertEqual(answer["status"], "AC_OK", answer)
        return answer["changes"]

    def fails(self, status, *args, **more):
        answer = self.extract(*args, **more)
        self.assertEqual((answer["status"], answer.get("count")), (status, 0), answer)
        return answer["message"]


class Facts(ExtractCase):
    def test_added_when_nothing_is_known(self):
        for service in KINDS:
            with self.subTest(service=service):
                self.server.requests.clear()
                self.server.script = [facts("The user loves apples.", "The user lives in Bergen.")]
                made = self.changes(service=service)
                self.assertEqual([c["text"] for c in made], ["The user loves apples.", "The user lives in Bergen."])
                self.assertEqual({c["action"] for c in made}, {"ADD"})
                engine = made[0]["metadata"]["x-amz-agentcore-engine"]
                self.assertEqual(engine, {"stringValue": "model:a-model"})
                self.assertEqual(len(self.server.requests), 1)
                prompt = json.dumps(self.server.requests[0].json)
                self.assertIn("I love apples.", prompt)
                self.assertIn("2025-03-08T12:00 USER", prompt)

    def test_earlier_turns_are_told_apart(self):
        self.server.script = [facts()]
        self.assertEqual(self.changes(turns=turns("old", "older", "new"), first_new=2), [])
        asked = self.server.requests[0].json["messages"][1]["content"]
        self.assertIn("older\n--- NEW turns from here ---\n[3]", asked)

    def test_decisions_are_carried_out(self):
        self.server.script = [
            facts("F1", "F2", "F3", "F4"),
            decisions((1, "leave", None, ""), (2, "update", 1, "K1 and F2"), (3, "supersede", 2, ""), (4, "add", None, "")),
        ]
        known = [{"id": "mem-1", "text": "K1"}, {"id": "mem-2", "text": "K2"}]
        made = self.changes(known=known)
        self.assertEqual(
            [(c["action"], c["id"], c["text"]) for c in made],
            [("UPDATE", "mem-1", "K1 and F2"), ("ADD", None, "F3"), ("SUPERSEDE", "mem-2", None), ("ADD", None, "F4")],
        )
        self.assertEqual(made[2]["by"], 1)
        asked = self.server.requests[1].json["messages"][1]["content"]
        self.assertIn("[1] K1\n[2] K2\n", asked)
        self.assertIn("[4] F4", asked)

    def test_what_is_known_word_for_word_needs_no_question(self):
        self.server.script = [facts("K1"), facts("not asked")]
        self.assertEqual(self.changes(known=[{"id": "mem-1", "text": "K1"}]), [])
        self.assertEqual(len(self.server.requests), 1)

    def test_a_record_is_changed_once(self):
        self.server.script = [facts("F1", "F2"), decisions((1, "update", 1, "new"), (2, "supersede", 1, ""))]
        made = self.changes(known=[{"id": "mem-1", "text": "K1"}])
        self.assertEqual([(c["action"], c["text"]) for c in made], [("UPDATE", "new"), ("ADD", "F2")])

    def test_what_is_not_decided_is_added(self):
        self.server.script = [facts("F1"), decisions()]
        self.assertEqual([c["action"] for c in self.changes(known=[{"id": "mem-1", "text": "K1"}])], ["ADD"])

    def test_overrides(self):
        self.server.script = [facts("F1"), decisions((1, "add", None, ""))]
        prompts = {
            "extraction_prompt": "Only fruit.",
            "extraction_model": "model-e",
            "consolidation_prompt": "Be strict.",
            "consolidation_model": "model-c",
        }
        self.changes(known=[{"id": "mem-1", "text": "K1"}], prompts=prompts)
        first, second = (r.json for r in self.server.requests)
        self.assertEqual((first["model"], second["model"]), ("model-e", "model-c"))
        self.assertTrue(first["messages"][0]["content"].endswith("Only fruit."))
        self.assertTrue(second["messages"][0]["content"].endswith("Be strict."))

    def test_prose_and_fences_around_the_json(self):
        text = 'Here you are:\n```json\n{"facts": [{"text": "a } in \\"it\\""}]}\n```\nAnything else?'
        self.server.script = [say(text)]
        self.assertEqual(self.changes()[0]["text"], 'a } in "it"')

    def test_metadata_by_schema(self):
        def entry(key, kind, **validation):
            config = {"definition": f"the {key}", "validation": validation}
            config = {"llmExtractionConfig": config}
            return {"key": key, "type": kind, "extractionType": "LLM_INFERRED", "extractionConfig": config}

        schema = [
            entry("topic", "STRING", stringValidation={"allowedValues": ["fruit", "place"]}),
            entry("tags", "STRINGLIST", stringListValidation={"allowedValues": ["a", "b", "c"], "maxItems": 2}),
            entry("score", "NUMBER", numberValidation={"minValue": 0, "maxValue": 10}),
            entry("free", "STRING"),
        ]
        good = {"topic": "fruit", "tags": ["a", "x", "b", "c"], "score": 3, "free": "yes"}
        bad = {"topic": "animal", "tags": ["x"], "score": 11, "free": "no <tags>!", "more": 1}
        self.server.script = [say_json({"facts": [{"text": "F1", "metadata": good}, {"text": "F2", "metadata": bad}]})]
        first, second = self.changes(schema=schema)
        ours = {"x-amz-agentcore-engine", "x-amz-agentcore-statedAt"}
        told = {k: v for k, v in first["metadata"].items() if k not in ours}
        self.assertEqual(
            told,
            {
                "topic": {"stringValue": "fruit"},
                "tags": {"stringListValue": ["a", "b"]},
                "score": {"numberValue": 3},
                "free": {"stringValue": "yes"},
            },
        )
        self.assertEqual(set(second["metadata"]), ours)
        asked = self.server.requests[0].json
        item = asked["response_format"]["json_schema"]["schema"]["properties"]["facts"]["items"]
        self.assertEqual(item["required"], ["text", "metadata"])
        self.assertEqual(item["properties"]["metadata"]["properties"]["tags"]["items"]["enum"], ["a", "b", "c"])
        self.assertIn("- topic, a text (one of: fruit, place): the topic", asked["messages"][0]["content"])


class Preferences(ExtractCase):
    def test_text_is_json(self):
        told = {"context": "Said so.", "preference": "The user loves apples.", "categories": ["food"]}
        self.server.script = [say_json({"preferences": [told]})]
        self.assertEqual(json.loads(self.changes("USER_PREFERENCE")[0]["text"]), told)

    def test_an_update_keeps_the_form(self):
        told = {"context": "c", "preference": "p", "categories": []}
        for text, preference in (("no JSON", "p"), (json.dumps({**told, "preference": "better"}), "better")):
            self.server.script = [say_json({"preferences": [told]}), decisions((1, "update", 1, text))]
            made = self.changes("USER_PREFERENCE", known=[{"id": "mem-1", "text": "{}"}])
            self.assertEqual(json.loads(made[0]["text"])["preference"], preference)


class Sessions(ExtractCase):
    def test_summary(self):
        self.server.script = [say_json({"topics": [{"name": 'A "B"', "text": "x < y"}, {"name": "C", "text": "d"}]})]
        (made,) = self.changes("SUMMARY", turns=turns("one", "two"))
        text = '<topic name="A &quot;B&quot;">\nx &lt; y\n</topic>\n<topic name="C">\nd\n</topic>'
        self.assertEqual((made["action"], made["text"]), ("ADD", text))
        through = made["metadata"]["x-amz-agentcore-through"]
        known = [{"id": "mem-1", "text": text, "metadata": made["metadata"]}]
        self.assertEqual(through["stringValue"], f"{NOON + 1000:019}-00000001:0")

        self.assertEqual(self.changes("SUMMARY", turns=turns("one", "two"), of_session=known), [])
        self.assertEqual(len(self.server.requests), 1)
        (more,) = self.changes("SUMMARY", turns=turns("one", "two", "three"), first_new=2, of_session=known)
        self.assertEqual((more["action"], more["id"]), ("UPDATE", "mem-1"))
        asked = self.server.requests[-1].json["messages"][1]["content"]
        self.assertIn("Summary so far:\n" + text, asked)
        self.assertNotIn("[2]", asked)

    def episode(self, **more):
        episode = {
            "known": None,
            "first_turn": 1,
            "last_turn": 2,
            "situation": "s",
            "intent": "i",
            "actions": ["a", "b"],
            "outcome": "success",
            "evidence": "thanks",
        }
        return {**episode, **more}

    def test_episodes(self):
        self.server.script = [say_json({"episodes": [self.episode(outcome="open")]})]
        (made,) = self.changes("EPISODIC", turns=turns("one", "two"))
        self.assertEqual(json.loads(made["text"])["actions"], ["a", "b"])
        known = [{"id": "mem-1", "text": made["text"], "metadata": made["metadata"]}]
        self.assertEqual(self.changes("EPISODIC", turns=turns("one", "two"), of_session=known), [])
        for number in (1, None):
            self.server.script = [say_json({"episodes": [self.episode(known=number, last_turn=3)]})]
            (more,) = self.changes("EPISODIC", turns=turns("one", "two", "three"), first_new=2, of_session=known)
            self.assertEqual((more["action"], more["id"]), ("UPDATE", "mem-1"))
            self.assertEqual(json.loads(more["text"])["outcome"], "success")

    def test_reflections(self):
        lesson = {"known": 1, "title": "t", "use_cases": "u", "hints": ["h"], "confidence": 0.5}
        self.server.script = [
            say_json({"episodes": [self.episode()]}),
            say_json({"reflections": [lesson, {**lesson, "known": None, "title": "t2"}]}),
        ]
        made = self.changes(
            "EPISODIC",
            turns=turns("one", "two"),
            reflect=True,
            known=[{"id": "mem-1", "text": "earlier"}],
            reflections=[{"id": "mem-2", "text": "old lesson"}],
            prompts={"reflection_prompt": "Think.", "reflection_model": "model-r"},
        )
        self.assertEqual(
            [(c["action"], c["id"], c["reflection"]) for c in made],
            [("ADD", None, False), ("UPDATE", "mem-2", True), ("ADD", None, True)],
        )
        asked = self.server.requests[1].json
        self.assertEqual(asked["model"], "model-r")
        self.assertIn("- earlier\nKnown reflections:\n[1] old lesson", asked["messages"][1]["content"])


BAD_FACTS = [
    say(""),
    say("I'd rather not."),
    say("{"),
    say('{"facts": [{"text": "cut'),
    say_json([]),
    say_json({}),
    say_json({"facts": {}}),
    say_json({"facts": ["text"]}),
    say_json({"facts": [{"text": ""}]}),
    say_json({"facts": [{"text": 7}]}),
    say_json({"facts": [{"text": "x" * 16001}]}),
    say_json({"facts": [{"text": "a\0b"}]}),
    say_json({"facts": [{"text": "x"}] * 201}),
    say('{"facts": [{"text": "ok"}]}', stop="length"),
    say("[" * 100000),
    say('{"facts": ' + "[" * 1000 + "]" * 1000 + "}"),
]


class Bad(ExtractCase):
    def test_one_more_chance(self):
        for bad in BAD_FACTS:
            with self.subTest(bad=str(bad)[:80]):
                self.server.requests.clear()
                self.server.script = [bad, facts("F1")]
                self.assertEqual([c["text"] for c in self.changes()], ["F1"])
                told = self.server.requests[1].json["messages"]
                self.assertEqual([m["role"] for m in told], ["system", "user", "assistant", "user"])
                self.assertTrue(told[3]["content"].startswith("That answer cannot be used: "))

    def test_and_no_more(self):
        for bad in BAD_FACTS:
            with self.subTest(bad=str(bad)[:80]):
                self.server.requests.clear()
                self.server.script = [bad]
                self.assertIn("cannot be used", self.fails("AC_ERR_PROTOCOL"))
                self.assertEqual(len(self.server.requests), 2)

    def test_bad_decisions(self):
        rows = [
            (0, "add", None, ""),
            (2, "add", None, ""),
            (1, "explode", None, ""),
            (1, "update", None, "x"),
            (1, "update", 2, "x"),
            (1, "update", 1, ""),
            (1, "supersede", -1, ""),
            (1, "supersede", 99999999999, ""),
        ]
        for row in rows:
            with self.subTest(row=row):
                self.server.script = [facts("F1"), decisions(row)]
                self.fails("AC_ERR_PROTOCOL", known=[{"id": "mem-1", "text": "K1"}])

    def test_bad_sessions(self):
        episode = Sessions.episode(self)
        bad = [
            ("SUMMARY", {"topics": []}),
            ("SUMMARY", {"topics": [{"name": "n"}]}),
            ("SUMMARY", {"topics": [{"name": "n", "text": "x" * 9000}] * 2}),
            ("EPISODIC", {"episodes": [{**episode, "first_turn": 0}]}),
            ("EPISODIC", {"episodes": [{**episode, "last_turn": 9}]}),
            ("EPISODIC", {"episodes": [{**episode, "known": 1}]}),
            ("EPISODIC", {"episodes": [{**episode, "actions": [1]}]}),
            ("EPISODIC", {"episodes": [{**episode, "outcome": "so so"}]}),
            ("USER_PREFERENCE", {"preferences": [{"preference": "p"}]}),
            ("USER_PREFERENCE", {"preferences": [{"preference": "p", "context": "c", "categories": [1]}]}),
        ]
        for kind, answer in bad:
            with self.subTest(kind=kind, answer=str(answer)[:80]):
                self.server.script = [say_json(answer)]
                answer = self.extract(kind, turns=turns("one", "two"))
                self.assertIn(answer["status"], ("AC_ERR_PROTOCOL", "AC_ERR_TOO_LARGE"))
                self.assertEqual(answer["count"], 0)

    def test_numbers_that_are_none_of_the_known(self):
        """Those that no signed number holds, too."""
        episode = Sessions.episode(self)
        known = [{"id": "mem-1", "text": "K1", "metadata": {}}]
        for number in (0, -1, 2, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 2):
            with self.subTest(number=number):
                self.server.script = [say_json({"episodes": [{**episode, "known": number}]})]
                self.fails("AC_ERR_PROTOCOL", "EPISODIC", turns=turns("one", "two"), of_session=known)

    def test_a_number_that_nobody_asked_for(self):
        for number in (-1, 2**63 - 1, 2**64 - 1):
            with self.subTest(number=number):
                self.server.script = [facts("F1"), decisions((1, "add", number, ""))]
                self.assertEqual(len(self.changes(known=[{"id": "mem-1", "text": "K1"}])), 1)

    def test_services_that_fail(self):
        for reply, status in (
            (garbage(), "AC_ERR_PROTOCOL"),
            (half(), "AC_ERR_CLOSED"),
            (busy(), "AC_ERR_THROTTLED"),
            (silence(), "AC_ERR_TIMEOUT"),
            (say("", stop="refused"), "AC_ERR_PROTOCOL"),
        ):
            with self.subTest(status=status):
                self.server.script = [reply]
                self.fails(status, model={"timeout_ms": 200 if status == "AC_ERR_TIMEOUT" else 20000})

    def test_nothing_of_a_run_that_fails_in_the_middle(self):
        self.server.script = [facts("F1"), busy()]
        self.fails("AC_ERR_THROTTLED", known=[{"id": "mem-1", "text": "K1"}])


class Builtin(ExtractCase):
    def test_asks_nobody(self):
        answer = self.extract(service="builtin", turns=turns("I like sushi with tuna"))
        self.assertEqual(answer["engine"], "builtin")
        self.assertEqual([c["text"] for c in answer["changes"]], ["The user likes sushi with tuna."])
        self.assertEqual(self.server.requests, [])


if __name__ == "__main__":
    unittest.main()
