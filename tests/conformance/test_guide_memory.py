"""The guide's section 3.3 as it stands but for the memory's id (guide.py), with the published package.

Each block is a program that is told where the daemon is by the environment alone.  The twins in C are tested in
tests/blackbox/test_memory_client.py."""

import importlib.util
import json
import os
import subprocess
import sys
import unittest

from deployed import HERE
from memories import MemoryTest, semantic, strategy

sys.path.insert(1, str(HERE.parent / "blackbox"))
from model_server import ModelServer, say  # noqa: E402

MEMORY = "your-memory-id"
PROGRAM_SECONDS = 180
ASKED = "What did we discuss about my preferences?"


class BlockTest(MemoryTest):
    # The region that the blocks name.
    options = ("--region", "us-east-1")

    def block(self, name, replacements, shown=None, **environment):
        """What one or more blocks of the guide leave in a variable."""
        command = [sys.executable, str(HERE / "guide.py"), name, json.dumps(replacements)]
        done = subprocess.run(
            command + (["{}", shown] if shown else []),
            env={"PATH": os.environ["PATH"], **self.daemon.env, "AWS_ENDPOINT_URL": self.daemon.url, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if shown else done.stdout


class GuideMemory(BlockTest):
    def preferring(self, template="/preferences/{actorId}/"):
        return self.make_memory(strategy("userPreferenceMemoryStrategy", "PreferenceLearner", template))["id"]

    def test_conversation(self):
        memory = self.make_memory()["id"]
        turns = self.block("3.3_conversation.py", {MEMORY: memory}, "turns")
        said = [[(message["role"], message["content"]["text"]) for message in turn] for turn in turns]
        expected = [
            ("USER", "I love eating apples and cherries"),
            ("ASSISTANT", "Apples are very good for you!"),
        ]
        self.assertEqual(said, [expected])
        (event,) = self.events(memory, "user-123", "session-456")
        self.assertEqual(len(event["payload"]), 2)

    def test_create_with_strategies(self):
        memory = self.block("3.3_create.py", {}, "memory")
        self.assertEqual((memory["status"], memory["name"]), ("ACTIVE", "SmartAgentMemory"))
        self.assertEqual(
            {made["name"]: made["namespaces"] for made in memory["strategies"]},
            {
                "SessionSummarizer": ["/summaries/{actorId}/{sessionId}/"],
                "PreferenceLearner": ["/preferences/{actorId}/"],
                "FactExtractor": ["/facts/{actorId}/"],
            },
        )

    def test_search(self):
        memory = self.preferring()
        self.block("3.3_conversation.py", {MEMORY: memory})
        self.wait_for_record(memory, "/preferences/user-123/", lambda text: "apples" in text)
        found = self.block("3.3_conversation.py+3.3_search.py", {MEMORY: memory}, "memories")
        self.assertTrue(1 <= len(found) <= 5)
        self.assertIn("apples", found[0]["content"]["text"])
        self.assertGreater(found[0]["score"], 0)

    def test_turn_with_a_model(self):
        memory = self.preferring("user/preferences/{actorId}/")
        self.block("3.3_conversation.py", {MEMORY: memory})
        self.wait_for_record(memory, "user/preferences/user-123/", lambda text: "apples" in text)
        response = self.block("3.3_conversation.py+3.3_llm_turn.py", {MEMORY: memory}, "response")
        self.assertTrue(response.endswith(f", here's my response to: {ASKED}"), response)
        newest = self.events(memory, "user-123", "session-456")[0]
        said = [item["conversational"]["content"]["text"] for item in newest["payload"]]
        self.assertEqual(said, [ASKED, response])


@unittest.skipUnless(importlib.util.find_spec("strands"), "the package strands-agents is not installed")
class GuideStrands(BlockTest):
    """The block with Strands; the model behind it is a server that says what it is told to."""

    def talk(self, memory, session="session-456"):
        """Run the block; what the model was sent, request by request."""
        with ModelServer() as model:
            model.script = [say("Sushi it is."), say("Have some tuna.")]
            self.block(
                "3.3_strands.py",
                {MEMORY: memory, "session-456": session},
                AWS_ENDPOINT_URL_BEDROCK_RUNTIME=model.url,
            )
            return model.requests

    def test_remembers(self):
        preferences = strategy("userPreferenceMemoryStrategy", "PreferenceLearner", "/preferences/{actorId}/")
        memory = self.make_memory(preferences, semantic("FactExtractor"))["id"]
        requests = self.talk(memory)
        self.assertEqual([len(request.json["messages"]) for request in requests], [1, 3])
        kept = [
            item["conversational"]["role"]
            for event in reversed(self.events(memory, "user-123", "session-456"))
            for item in event["payload"]
            if "conversational" in item
        ]
        self.assertEqual(kept, ["USER", "ASSISTANT"] * 2)
        # The package keeps messages as JSON: knowledge is drawn from what was said in it.
        self.wait_for_record(memory, "/facts/user-123/", lambda text: "sushi" in text)

        # The conversation goes on where it ended.
        requests = self.talk(memory)
        self.assertEqual([len(request.json["messages"]) for request in requests], [5, 7])
        self.assertIn("Have some tuna.", requests[0].prompt)

        # Another one knows what was learnt from the first.
        first, second = self.talk(memory, "session-789")
        self.assertEqual(len(first.json["messages"]), 1)
        self.assertNotIn("Have some tuna.", first.prompt)
        told = first.prompt.partition("<user_context>")[2].partition("</user_context>")[0]
        self.assertIn("sushi", told)
