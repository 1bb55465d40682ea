"""The embeddings port against a scripted service: bodies, batches, order, lengths, signatures, retries, and answers
that are none."""

import json
import math
import os
import subprocess
import unittest

from model_server import (
    ACCESS_KEY,
    SECRET_KEY,
    SESSION_TOKEN,
    ModelServer,
    busy,
    garbage,
    hang_up,
    raw,
    silence,
    signature_flaw,
)

BUILD = os.environ.get("AC_BUILD_DIR", "build")
TITAN = "amazon.titan-embed-text-v2:0"


def number(text):
    return float(sum(text.encode()) % 97 + 1)


def vector_of(text):
    """Not of length 1; which text it is of can be told from it."""
    return [3.0, 4.0 * number(text)]


def answer(request, texts=None, backwards=False):
    data = [
        {"object": "embedding", "index": i, "embedding": vector_of(text)}
        for i, text in enumerate(request.json["input"] if texts is None else texts)
    ]
    return raw(200, {"data": data[::-1] if backwards else data, "model": "m"})


class EmbeddingsTest(unittest.TestCase):
    def setUp(self):
        self.server = ModelServer()
        self.addCleanup(self.server.close)

    def embed(self, texts, script, region="eu-west-1", **more):
        """What the probe says, each time it asked."""
        self.server.script = script
        asked = {"url": self.server.url + "/v1", "model": "m", "texts": texts, **more}
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_SESSION_TOKEN": SESSION_TOKEN,
            "AWS_REGION": region,
        }
        environment.pop("AWS_PROFILE", None)
        done = subprocess.run(
            [os.path.join(BUILD, "tests/embeddings_probe")],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=50,
            env=environment,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def assert_vectors(self, result, texts):
        self.assertEqual(result["status"], "AC_OK", result)
        self.assertEqual(len(result["vectors"]), len(texts))
        for vector, text in zip(result["vectors"], texts):
            if not text.strip():
                self.assertEqual(vector, [0, 0])
                continue
            self.assertAlmostEqual(math.hypot(*vector), 1, places=5)
            self.assertAlmostEqual(vector[1] / vector[0], 4 * number(text) / 3, delta=0.001 * number(text))

    def test_texts_and_order(self):
        texts = ["sushi", "tuna \u00e9 \U0001f363", 'quotes " and \\ and\nlines', "", "  \n"]
        [result] = self.embed(texts, [lambda r: answer(r, backwards=True)], key="secret")
        self.assert_vectors(result, texts)
        first, second = self.server.requests
        self.assertEqual(first.path, "/v1/embeddings")
        self.assertEqual(first.headers["authorization"], "Bearer secret")
        self.assertEqual(second.json, {"model": "m", "encoding_format": "float", "input": texts[:3]})

    def test_batches(self):
        texts = [f"text number {i}" for i in range(150)]
        [result] = self.embed(texts, [answer], dimensions=2)
        self.assert_vectors(result, texts)
        self.assertEqual([len(r.json["input"]) for r in self.server.requests], [64, 64, 22])
        self.assertEqual(self.server.requests[0].json["dimensions"], 2)

    def test_large_texts(self):
        texts = ["\u00e9" * 30000] * 12
        [result] = self.embed(texts, [answer], dimensions=2)
        self.assertEqual(result["status"], "AC_OK", result)
        sent = [text for r in self.server.requests for text in r.json["input"]]
        self.assertEqual({len(text.encode()) for text in sent}, {24 << 10})
        self.assertTrue(all(len(r.body) < 300000 for r in self.server.requests))
        self.assertGreater(len(self.server.requests), 1)

    def test_bedrock(self):
        def titan(request):
            return raw(200, {"embedding": vector_of(request.json["inputText"]), "inputTextTokenCount": 3})

        texts = ["sushi", "tuna", ""]
        [result] = self.embed(texts, [titan], kind="bedrock", url=self.server.url, model=None)
        self.assert_vectors(result, texts)
        for request in self.server.requests:
            self.assertIn(request.path, (f"/model/{TITAN}/invoke", f"/model/{TITAN.replace(':', '%3A')}/invoke"))
            self.assertIsNone(signature_flaw(request))
            self.assertIn("/eu-west-1/bedrock/aws4_request", request.headers["authorization"])
        self.assertEqual([r.json for r in self.server.requests[1:]], [{"inputText": "sushi"}, {"inputText": "tuna"}])

    def test_no_region(self):
        for kind, status in (("bedrock", "AC_ERR_INVALID"), ("openai", "AC_OK")):
            [result] = self.embed([], [answer], kind=kind, dimensions=2, region="no region")
            self.assertEqual(result["status"], status)

    def test_trying_again(self):
        script = [busy(retry_after=0), raw(503, {}), answer]
        [result] = self.embed(["sushi"], script, attempts=3, dimensions=2)
        self.assert_vectors(result, ["sushi"])
        self.assertEqual(len(self.server.requests), 3)

    def test_failures(self):
        cases = [
            (silence(), "AC_ERR_TIMEOUT"),
            (hang_up(), "AC_ERR_CLOSED"),
            (busy(retry_after=0), "AC_ERR_THROTTLED"),
            (raw(401, {"error": {"message": "no"}}), "AC_ERR_UNAUTHORIZED"),
            (raw(400, {"error": {"message": "no"}}), "AC_ERR_INVALID"),
            (garbage(), "AC_ERR_PROTOCOL"),
        ]
        for reply, status in cases:
            with self.subTest(status=status):
                # Short where it is waited for: any answer may take a while on a busy machine.
                [result] = self.embed(["sushi"], [reply], timeout_ms=300 if status == "AC_ERR_TIMEOUT" else 20000)
                self.assertEqual(result["status"], status, result)

    def test_answers_that_are_none(self):
        def data(*vectors):
            return {"data": [{"embedding": v} for v in vectors]}

        bodies = [
            {},
            [],
            {"data": {}},
            data(),
            data([1, 2]),
            data([1, 2], [1, 2], [1, 2]),
            data([1, 2], [1, 2, 3]),
            data([1, 2], [1, "2"]),
            data([1, 2], None),
            data([1, 2], [1, 1e30]),
            data([], []),
            data([0.5] * 5000, [0.5] * 5000),
            {"data": [{"index": 0, "embedding": [1, 2]}, {"index": 0, "embedding": [1, 2]}]},
            {"data": [{"index": 0, "embedding": [1, 2]}, {"index": 2, "embedding": [1, 2]}]},
            {"data": [{"index": -1, "embedding": [1, 2]}, {"index": 1, "embedding": [1, 2]}]},
        ]
        for body in bodies:
            with self.subTest(body=str(body)[:60]):
                [result] = self.embed(["a", "b"], [raw(200, body)], dimensions=2)
                self.assertEqual(result["status"], "AC_ERR_PROTOCOL", result)

    def test_dimensions_that_change(self):
        def other(request):
            return raw(200, {"data": [{"embedding": [1, 2, 3]}]})

        first, second = self.embed(["a"], [answer, answer, other], times=2)
        self.assertEqual((first["status"], second["status"]), ("AC_OK", "AC_ERR_PROTOCOL"))

    def test_options(self):
        for wrong in ({"url": "ftp://x"}, {"url": None}, {"model": ""}, {"dimensions": 100000}, {"key": "a\nb"}):
            with self.subTest(wrong):
                [result] = self.embed(["a"], [answer], **wrong)
                self.assertEqual(result["status"], "AC_ERR_INVALID")
        self.assertEqual(self.server.requests, [])


if __name__ == "__main__":
    unittest.main()
