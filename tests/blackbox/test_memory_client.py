"""The C memory client against agentcored: the examples of the guide's section 3.3, and the life of a memory."""

import os
import subprocess
import tempfile
import time
import unittest

from agentcored import PROGRAM, Daemon, clean_environment
from harness import DEADLINE, SESSION, Example, build_path

LIFE = build_path("tests", "memory_life")
ACTOR = "user-123"


def run_example(env, name, *arguments):
    done = subprocess.run([build_path("examples", name), *arguments], env=clean_environment(**env), text=True,
                          capture_output=True, timeout=DEADLINE, check=False)
    return done.returncode, done.stdout, done.stderr


@unittest.skipUnless(os.path.exists(PROGRAM), "agentcored is not built")
class MemoryClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        daemon = Daemon(os.path.join(folder.name, "data"))
        cls.addClassCleanup(daemon.stop)
        cls.env = daemon.env()

    def ran(self, name, *arguments):
        code, out, err = run_example(self.env, name, *arguments)
        self.assertEqual((code, err), (0, ""))
        return out

    def make_memory(self, name):
        memory_id = self.ran("memory_create", name).strip()
        self.assertRegex(memory_id, f"^{name}-[a-zA-Z0-9]{{10}}$")
        return memory_id

    def found(self, memory_id, query, namespace=f"/preferences/{ACTOR}/"):
        """What is found, once knowledge has been drawn."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            lines = self.ran("memory_search", memory_id, namespace, query).splitlines()
            if lines:
                return lines
            time.sleep(0.02)
        raise AssertionError("nothing was found")

    def test_conversation_and_search(self):
        memory_id = self.make_memory("Conversation")
        said = "USER: I love eating apples and cherries\nASSISTANT: Apples are very good for you!\n"
        self.assertEqual(self.ran("memory_conversation", memory_id), said)
        self.assertEqual(self.ran("memory_conversation", memory_id), said * 2)
        best = self.found(memory_id, "what food does the user like")[0]
        score, _, text = best.partition(" ")
        self.assertTrue(0 < float(score) <= 1, best)
        self.assertIn("apples", text)

    def test_agent_remembers(self):
        memory_id = self.make_memory("Remembering")
        agent = Example("memory_agent", env={**self.env, "MEMORY_ID": memory_id})
        self.addCleanup(agent.stop)
        session = {SESSION: "first-session"}
        answer = agent.invoke({"prompt": "I like sushi with tuna"}, session).json()
        self.assertEqual(answer, {"response": "You said: I like sushi with tuna"})
        self.found(memory_id, "what should the user eat", f"/facts/{ACTOR}/")
        answer = agent.invoke({"prompt": "Do I like sushi with tuna?"}, {SESSION: "another-session"}).json()
        self.assertIn("I remember: ", answer["response"])
        self.assertIn("sushi", answer["response"].split("I remember: ")[1])
        other = agent.invoke({"prompt": "Do I like sushi with tuna?", "user": "user-456"}, session).json()
        self.assertNotIn("I remember", other["response"])

    def test_llm_turn(self):
        memory_id = self.make_memory("Turns")
        out = self.ran("memory_llm_turn", memory_id)
        self.assertEqual(out, "Based on , here's my response to: What did we discuss about my preferences?\n")
        kept = self.ran("memory_conversation", memory_id)
        self.assertIn("USER: What did we discuss about my preferences?\nASSISTANT: Based on ", kept)

    def test_failures(self):
        missing = "Nothing-0123456789"
        for name in ("memory_conversation", "memory_search", "memory_llm_turn"):
            code, _, err = run_example(self.env, name, missing)
            self.assertEqual(code, 1)
            self.assertIn("ResourceNotFoundException: ", err)
            self.assertEqual(run_example(self.env, name)[0], 2)
        self.make_memory("Twice")
        code, _, err = run_example(self.env, "memory_create", "Twice")
        self.assertEqual(code, 1)
        self.assertIn("already exists", err)
        self.assertIn("Wildcards", run_example(self.env, "memory_search", missing, "/facts/*")[2])

    def test_life(self):
        done = subprocess.run([LIFE], env=clean_environment(**self.env), text=True, capture_output=True,
                              timeout=3 * DEADLINE, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
