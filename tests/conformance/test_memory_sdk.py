"""Memory through the Python package bedrock-agentcore, told nothing but what `agentcored env` prints."""

import os
from unittest import mock

from clients import unique
from memories import RECORD_SECONDS, MemoryTest, wait_for


class Package(MemoryTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(mock.patch.dict(os.environ, cls.daemon.env))
        from bedrock_agentcore.memory import MemoryClient

        cls.memories = MemoryClient(region_name=cls.daemon.region)

    def create(self, *strategies):
        name = unique("sdk").replace("-", "_")
        made = self.memories.create_memory_and_wait(name=name, strategies=list(strategies))
        self.assertEqual(made["status"], "ACTIVE")
        return name, made

    def session(self, memory_id, actor="user-1"):
        from bedrock_agentcore.memory.session import MemorySessionManager

        manager = MemorySessionManager(memory_id=memory_id, region_name=self.daemon.region)
        return manager, manager.create_memory_session(actor_id=actor, session_id="sess-1")

    def turn(self, *texts):
        from bedrock_agentcore.memory.constants import ConversationalMessage, MessageRole

        roles = (MessageRole.USER, MessageRole.ASSISTANT)
        return [ConversationalMessage(text, role) for text, role in zip(texts, roles)]

    def test_sessions(self):
        facts = {"name": "facts", "namespaces": ["support/facts/{sessionId}/"]}
        _, made = self.create({"semanticMemoryStrategy": facts})
        manager, session = self.session(made["id"])
        first = session.add_turns(self.turn("I love eating apples and cherries.", "Apples are very good for you!"))
        second = session.add_turns(self.turn("What is the weather like?", "It is sunny."))
        turns = session.get_last_k_turns(k=1)
        said = [message["content"]["text"] for message in turns[0]]
        self.assertEqual(said, ["What is the weather like?", "It is sunny."])
        session.fork_conversation(
            messages=self.turn("And tomorrow?"), root_event_id=first["eventId"], branch_name="tomorrow"
        )
        branches = {branch["name"]: branch["eventCount"] for branch in session.list_branches()}
        self.assertEqual(branches, {"main": 2, "tomorrow": 1})
        self.assertEqual(len(session.list_events()), 3)
        self.assertEqual(len(session.list_events(branch_name="tomorrow", include_parent_branches=True)), 2)
        found = wait_for(
            lambda: session.search_long_term_memories(
                query="what food does the user like", namespace_prefix="support/facts/sess-1/", top_k=3
            ),
            RECORD_SECONDS,
            "a memory",
        )
        self.assertIn("apples", found[0]["content"]["text"])
        self.assertEqual([actor["actorId"] for actor in manager.list_actors()], ["user-1"])
        self.assertEqual([each["sessionId"] for each in manager.list_actor_sessions("user-1")], ["sess-1"])
        session.delete_event(second["eventId"])
        self.assertEqual(len(session.list_events()), 2)
        gone = manager.delete_all_long_term_memories_in_namespace("support/facts/sess-1/")
        self.assertEqual(gone["failedRecords"], [])

    def test_a_turn_with_a_model(self):
        from bedrock_agentcore.memory.constants import RetrievalConfig

        likes = {"name": "likes", "namespaces": ["/likes/{actorId}/"]}
        _, made = self.create({"userPreferenceMemoryStrategy": likes})
        _, session = self.session(made["id"])
        session.add_turns(self.turn("I prefer window seats on trains.", "Noted."))
        self.wait_for_record(made["id"], "/likes/user-1/", lambda text: "window" in text)
        told = []

        def model(question, memories):
            told.extend(memories)
            return f"You asked: {question}"

        memories, answer, event = session.process_turn_with_llm(
            user_input="Which seats should I book?",
            llm_callback=model,
            retrieval_config={"/likes/{actorId}/": RetrievalConfig(top_k=3)},
        )
        self.assertTrue(any("window" in str(memory) for memory in told), told)
        self.assertEqual(answer, "You asked: Which seats should I book?")
        self.assertEqual(len(event["payload"]), 2)
        self.assertTrue(memories)

    def test_memories(self):
        name, made = self.create()
        self.assertEqual(self.memories.create_or_get_memory(name=name)["id"], made["id"])
        changed = self.memories.add_semantic_strategy_and_wait(made["id"], name="late")
        self.assertEqual([strategy["name"] for strategy in changed["strategies"]], ["late"])
        self.assertIn(made["id"], [memory["id"] for memory in self.memories.list_memories()])
        self.memories.delete_memory_and_wait(made["id"])
        self.assertNotIn(made["id"], [memory["id"] for memory in self.memories.list_memories()])
