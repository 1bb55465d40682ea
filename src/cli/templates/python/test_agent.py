"""The agent's test; it needs no port: .venv/bin/python -m unittest"""

import unittest

from agent import invoke


class Agent(unittest.TestCase):
    def test_answers(self):
        self.assertEqual(invoke({"prompt": "Hello!"}), {"response": "You said: Hello!"})

    def test_streams(self):
        self.assertEqual(list(invoke({"prompt": "one two", "stream": True})), [{"word": "one"}, {"word": "two"}])


if __name__ == "__main__":
    unittest.main()
