"""Memory search with an embeddings service: what no word says is found by nearness, and without the service words are
enough."""

import json
import os
import subprocess
import unittest

from model_server import ModelServer, hang_up, raw

BUILD = os.environ.get("AC_BUILD_DIR", "build")

# Made-up directions: texts that hold one of the words point there.
DIRECTIONS = [("cat", "feline", "kitten"), ("boat", "vessel", "sailing"), ("bread", "bakery", "loaf")]


def vector_of(text):
    return [1.0 if any(word in text.lower() for word in words) else 0.01 for words in DIRECTIONS] + [0.1]


def answer(request):
    data = [{"index": i, "embedding": vector_of(text)} for i, text in enumerate(request.json["input"])]
    return raw(200, {"data": data})


class MemoryVectorsTest(unittest.TestCase):
    def setUp(self):
        self.server = ModelServer()
        self.addCleanup(self.server.close)

    def search(self, records, queries, script, **more):
        """For each version and query: the ids that were found; all lines as they came in self.lines."""
        self.server.script = script
        asked = {"url": self.server.url, "records": records, "queries": queries, **more}
        done = subprocess.run(
            [os.path.join(BUILD, "tests/search_probe")],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=50,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.lines = [json.loads(line) for line in done.stdout.splitlines()]
        return [[hit["id"] for hit in line] for line in self.lines[: len(records) * len(queries)]]

    RECORDS = [
        {"id": "a", "text": "The user has a kitten."},
        {"id": "b", "text": "The user goes sailing."},
        {"id": "c", "text": "The user bakes every loaf at home."},
    ]

    def test_nearness(self):
        found = self.search([self.RECORDS], ["feline", "a vessel at sea", "bakery"], [answer])
        self.assertEqual([ids[:1] for ids in found], [["a"], ["b"], ["c"]])
        for line in self.lines:
            self.assertGreater(line[0]["score"], 0.5)
            self.assertTrue(all(hit["score"] < line[0]["score"] / 2 for hit in line[1:]))

    def test_changes_and_batches(self):
        many = [{"id": f"r{i}", "text": f"Nothing of the kind, number {i}"} for i in range(100)]
        found = self.search([many, self.RECORDS, [{"id": "a", "text": "The user owns a boat."}]], ["feline"], [answer])
        self.assertEqual(found[1][0], "a")
        self.assertNotIn("a", found[2][:1])
        sizes = [len(r.json["input"]) for r in self.server.requests]
        self.assertEqual(sizes, [1, 64, 36, 1, 3, 1, 1, 1])  # the number of dimensions; then records and queries in turn

    def test_without_the_service(self):
        found = self.search([self.RECORDS], ["feline", "loaf of bread"], [hang_up()])
        self.assertEqual(found, [[], ["c"]])
        self.assertLess(len(self.server.requests), 5)  # after a failure it is left in peace for a while

    def test_failing_in_the_middle(self):
        many = [{"id": f"r{i}", "text": f"sushi number {i}"} for i in range(70)]
        found = self.search([many], ["number 69"], [answer, answer, hang_up()])
        self.assertEqual(found[0][0], "r69")

    def test_nearest(self):
        texts = ["A feline sleeps.", "The user sails a boat.", "Nothing"]
        self.search([self.RECORDS], ["kitten"], [answer], nearest=texts)
        scores = self.lines[-1]
        self.assertGreater(scores[0], 0.5)
        self.assertLess(max(scores[1:]), scores[0] / 2)


if __name__ == "__main__":
    unittest.main()
