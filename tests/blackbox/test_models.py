"""The model port against a model server that says what it is told to: what goes out per kind, what is made of answers,
and of garbage, halves, refusals and silence."""

import json
import os
import subprocess
import time
import unittest

import harness
import model_server
from model_server import ModelServer, busy, garbage, half, hang_up, raw, refuse, say, say_json, silence

KINDS = ("openai", "anthropic", "bedrock")
KEY = "sk-secret-0123456789"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
TOOL = {
    "name": "weather",
    "description": "The weather somewhere",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
USER = [{"role": "user", "text": "Hi"}]
AWS = {
    "AWS_ACCESS_KEY_ID": model_server.ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": model_server.SECRET_KEY,
    "AWS_SESSION_TOKEN": model_server.SESSION_TOKEN,
}


class ModelCase(unittest.TestCase):
    def setUp(self):
        self.server = ModelServer()
        self.addCleanup(self.server.close)

    def probe(self, kind, environment=(), **question):
        url = self.server.url + ("/v1" if kind == "openai" else "")
        question = {"kind": kind, "url": url, "model": "some.model:1", "messages": USER, **question}
        if kind != "bedrock":
            question.setdefault("key", KEY)
        environment = {**os.environ, **AWS, "AWS_REGION": "eu-west-1", "no_proxy": "*", **dict(environment)}
        environment.pop("AWS_PROFILE", None)
        ran = subprocess.run(
            [harness.build_path("tests", "model_probe")],
            input=json.dumps(question).encode(),
            capture_output=True,
            timeout=60,
            env=environment,
        )
        self.assertIsNone(harness.SANITIZER.search(ran.stderr.decode()), ran.stderr.decode())
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertNotIn(KEY, ran.stdout.decode() + ran.stderr.decode())
        answers = [json.loads(line) for line in ran.stdout.splitlines()]
        return answers if question.get("times") else answers[0]

    def wait_requests(self, count):
        """That so many have come and no more; the server may read one when its sender has given up already."""
        harness.wait_until(lambda: len(self.server.requests) >= count, f"{count} requests")
        self.assertEqual(len(self.server.requests), count)

    def each(self, streams=(False, True)):
        for kind in KINDS:
            for stream in streams:
                with self.subTest(kind=kind, stream=stream):
                    self.server.requests.clear()
                    yield kind, stream


class Asking(ModelCase):
    def test_text(self):
        for kind, stream in self.each():
            self.server.script = [say("Hello, Grüße!")]
            answer = self.probe(kind, stream=stream)
            self.assertEqual(answer["status"], "AC_OK", answer)
            self.assertEqual((answer["text"], answer["stop"]), ("Hello, Grüße!", "end"))
            self.assertEqual(answer["tokens"], [11, 7])
            self.assertEqual("".join(answer["pieces"]), "Hello, Grüße!" if stream else "")
            self.assertEqual(len(answer["pieces"]) > 2, stream)

    def test_what_goes_out(self):
        messages = [
            {"role": "system", "text": "Be brief."},
            {"role": "user", "text": "Weather in Oslo?"},
            {"role": "assistant", "calls": [{"id": "c1", "name": "weather", "arguments": '{"city": "Oslo"}'}]},
            {"role": "tool", "text": "rain", "call_id": "c1"},
            {"role": "user", "text": "And in Rome?"},
        ]
        more = {"messages": messages, "tools": [TOOL], "max_tokens": 50, "temperature": 0.5, "stops": ["END"]}
        for kind, _ in self.each([False]):
            self.assertEqual(self.probe(kind, **more)["status"], "AC_OK")
        self.probe("openai", **more)
        sent = self.server.requests[-1]
        self.assertEqual(sent.path, "/v1/chat/completions")
        self.assertEqual(sent.headers["authorization"], f"Bearer {KEY}")
        self.assertEqual([m["role"] for m in sent.json["messages"]], ["system", "user", "assistant", "tool", "user"])
        self.assertEqual(json.loads(sent.json["messages"][2]["tool_calls"][0]["function"]["arguments"]), {"city": "Oslo"})
        self.assertEqual(sent.json["messages"][3]["tool_call_id"], "c1")
        self.assertEqual(sent.json["tools"][0]["function"]["parameters"], TOOL["parameters"])
        self.assertEqual((sent.json["max_tokens"], sent.json["temperature"], sent.json["stop"]), (50, 0.5, ["END"]))

        self.probe("anthropic", **more)
        sent = self.server.requests[-1]
        self.assertEqual(sent.path, "/v1/messages")
        self.assertEqual((sent.headers["x-api-key"], sent.headers["anthropic-version"]), (KEY, "2023-06-01"))
        self.assertEqual(sent.json["system"], [{"type": "text", "text": "Be brief."}])
        self.assertEqual([m["role"] for m in sent.json["messages"]], ["user", "assistant", "user"])
        self.assertEqual([b["type"] for b in sent.json["messages"][2]["content"]], ["tool_result", "text"])

        self.probe("bedrock", **more)
        sent = self.server.requests[-1]
        self.assertEqual(sent.path, "/model/some.model%3A1/converse")
        self.assertIsNone(model_server.signature_flaw(sent))
        self.assertIn("/eu-west-1/bedrock/", sent.headers["authorization"])
        self.assertEqual(sent.json["system"], [{"text": "Be brief."}])
        self.assertEqual(sent.json["messages"][1]["content"][0]["toolUse"]["input"], {"city": "Oslo"})
        self.assertEqual([list(b)[0] for b in sent.json["messages"][2]["content"]], ["toolResult", "text"])
        self.assertEqual(
            sent.json["inferenceConfig"], {"maxTokens": 50, "temperature": 0.5, "stopSequences": ["END"]}
        )

    def test_another_model_for_one_call(self):
        for kind, _ in self.each([False]):
            self.probe(kind, asked_model="other")
            sent = self.server.requests[-1]
            self.assertIn("other", sent.json.get("model", sent.path))

    def test_bedrock_by_bearer_key(self):
        self.probe("bedrock", key=KEY)
        self.assertEqual(self.server.requests[-1].headers["authorization"], f"Bearer {KEY}")

    def test_bedrock_endpoint_of_the_environment(self):
        more = {"url": None, "environment": {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.server.url}}
        self.assertEqual(self.probe("bedrock", **more)["status"], "AC_OK")

    def test_tools(self):
        for kind, stream in self.each():
            self.server.script = [say(calls=[("c9", "weather", '{"city": "Oslo"}'), ("c10", "weather", "{}")])]
            answer = self.probe(kind, stream=stream, tools=[TOOL], choice=2)
            self.assertEqual(answer["stop"], "tools", answer)
            self.assertEqual([c[:2] for c in answer["calls"]], [["c9", "weather"], ["c10", "weather"]])
            self.assertEqual([json.loads(c[2]) for c in answer["calls"]], [{"city": "Oslo"}, {}])

    def test_schema(self):
        for kind, stream in self.each():
            self.server.script = [say_json({"n": 3})]
            answer = self.probe(kind, stream=stream, schema=SCHEMA)
            self.assertEqual((json.loads(answer["text"]), answer["stop"]), ({"n": 3}, "end"), answer)
            self.assertEqual(answer["calls"], [])
            sent = self.server.requests[-1].json
            self.assertIn(SCHEMA, [
                sent.get("response_format", {}).get("json_schema", {}).get("schema"),
                (sent.get("tools") or [{}])[0].get("input_schema"),
                (sent.get("toolConfig", {}).get("tools") or [{"toolSpec": {"inputSchema": {}}}])[0]
                ["toolSpec"]["inputSchema"].get("json"),
            ])

    def test_stop_reasons(self):
        for kind, stream in self.each():
            for said, heard in (("length", "tokens"), ("refused", "refused")):
                self.server.script = [say("x", stop=said)]
                self.assertEqual(self.probe(kind, stream=stream)["stop"], heard)

    def test_builtin_says_what_it_is(self):
        messages = [
            {"role": "user", "text": "I like sushi with tuna. My car is red."},
            {"role": "assistant", "text": "Noted."},
            {"role": "user", "text": "Which sushi do I like?"},
        ]
        answer = self.probe("builtin", url=None, messages=messages)
        self.assertTrue(answer["text"].startswith("builtin, which is no language model, found: I like sushi with tuna."))
        self.assertEqual(answer["tokens"], [0, 0])
        self.assertEqual(self.probe("builtin", schema=SCHEMA)["status"], "AC_ERR_UNSUPPORTED")
        self.assertEqual(self.server.requests, [])


class Misbehaving(ModelCase):
    def test_busy_then_well(self):
        for kind, stream in self.each():
            self.server.script = [busy(retry_after=0), busy(status=503), say("well")]
            self.assertEqual(self.probe(kind, stream=stream).get("text"), "well")
            self.assertEqual(len(self.server.requests), 3)

    def test_retry_after_is_waited_for_but_not_for_ever(self):
        self.server.script = [busy(retry_after=1), say("well")]
        begun = time.monotonic()
        self.assertEqual(self.probe("openai", backoff_max_ms=5000).get("text"), "well")
        self.assertGreaterEqual(time.monotonic() - begun, 1.0)
        self.server.script = [busy(retry_after=3600), say("well")]
        self.assertEqual(self.probe("openai", backoff_max_ms=50).get("text"), "well")

    def test_busy_for_good(self):
        for kind, stream in self.each():
            self.server.script = [busy()]
            answer = self.probe(kind, stream=stream)
            self.assertEqual((answer["status"], answer["http"]), ("AC_ERR_THROTTLED", 429))
            self.assertIn("slow down", answer["message"])
            self.assertEqual(len(self.server.requests), 3)

    def test_overloaded(self):
        self.server.script = [busy(status=529), say("well")]
        self.assertEqual(self.probe("anthropic").get("text"), "well")

    def test_connections_that_break(self):
        for kind, stream in self.each():
            self.server.script = [hang_up(), say("well")]
            self.assertEqual(self.probe(kind, stream=stream).get("text"), "well")

    def test_half_an_answer(self):
        for kind, stream in self.each([False]):
            self.server.script = [half("hello"), say("well")]
            self.assertEqual(self.probe(kind, stream=stream).get("text"), "well")

    def test_half_a_stream_is_no_answer(self):
        for kind, stream in self.each([True]):
            self.server.script = [half("hello, this is cut"), say("not asked for again")]
            answer = self.probe(kind, stream=stream)
            self.assertEqual(answer["status"], "AC_ERR_PROTOCOL", answer)
            self.assertEqual(len(self.server.requests), 1)

    def test_garbage(self):
        for kind, _ in self.each([False]):
            self.server.script = [garbage()]
            answer = self.probe(kind)
            self.assertEqual(answer["status"], "AC_ERR_PROTOCOL")
            self.assertEqual(len(self.server.requests), 3)

    def test_json_that_is_no_answer(self):
        for body in ({}, [], "x", {"choices": []}, {"content": 3}, {"output": {"message": {"content": {}}}}):
            for kind, _ in self.each([False]):
                self.server.script = [raw(200, body)]
                self.assertEqual(self.probe(kind)["status"], "AC_ERR_PROTOCOL")

    def test_silence(self):
        for kind, stream in self.each():
            self.server.script = [silence()]
            answer = self.probe(kind, stream=stream, timeout_ms=150, attempts=2)
            self.assertEqual(answer["status"], "AC_ERR_TIMEOUT")
            self.wait_requests(2)

    def test_given_up(self):
        self.server.script = [silence()]
        begun = time.monotonic()
        self.assertEqual(self.probe("openai", give_up_ms=1000)["status"], "AC_ERR_CLOSED")
        self.assertLess(time.monotonic() - begun, harness.DEADLINE)
        self.wait_requests(1)

    def test_given_up_between_pieces(self):
        for kind, stream in self.each([True]):
            self.server.script = [say("one two three four five six")]
            answer = self.probe(kind, stream=stream, give_up_after=2)
            self.assertEqual((answer["status"], len(answer["pieces"])), ("AC_ERR_CLOSED", 2))

    def test_too_large(self):
        for kind, stream in self.each():
            self.server.script = [say("x" * 20000)]
            self.assertEqual(self.probe(kind, stream=stream, answer_bytes_max=10000)["status"], "AC_ERR_TOO_LARGE")

    def test_refusals(self):
        statuses = {400: "AC_ERR_INVALID", 401: "AC_ERR_UNAUTHORIZED", 403: "AC_ERR_DENIED", 404: "AC_ERR_INVALID",
                    413: "AC_ERR_TOO_LARGE", 418: "AC_ERR_IO"}
        for status, name in statuses.items():
            for kind, stream in self.each():
                self.server.script = [refuse(status, "because\nsecond line")]
                answer = self.probe(kind, stream=stream)
                self.assertEqual((answer["status"], answer["http"]), (name, status))
                self.assertNotIn("second line", answer["message"])
                self.assertEqual(len(self.server.requests), 1)

    def test_the_key_is_not_told_again(self):
        for status in (400, 401, 403):
            self.server.script = [refuse(status, f"Incorrect API key provided: {KEY}")]
            self.assertEqual(self.probe("openai")["http"], status)  # probe looks for the key

    def test_money_is_out(self):
        self.server.script = [refuse(429, "You exceeded your current quota", "insufficient_quota")]
        self.assertEqual(self.probe("openai")["status"], "AC_ERR_QUOTA")
        self.assertEqual(len(self.server.requests), 1)

    def test_exceptions_in_an_event_stream(self):
        for name, status in (("throttlingException", "AC_ERR_THROTTLED"), ("internalServerException", "AC_ERR_IO")):
            self.server.script = [{**say("hello there"), "exception": (name, "no more")}]
            answer = self.probe("bedrock", stream=True)
            self.assertEqual(answer["status"], status)
            self.assertIn("no more", answer["message"])

    def test_parameters_that_a_server_does_not_know(self):
        def picky(request):
            for word in ("temperature", "stream_options"):
                if word in request.json:
                    return refuse(400, f"Unknown parameter: '{word}'")
            if "max_tokens" in request.json:
                return refuse(400, "'max_tokens' is not supported. Use 'max_completion_tokens' instead.")
            if request.json.get("response_format", {}).get("type") == "json_schema":
                return refuse(400, "response_format json_schema is unavailable now")
            return say_json({"n": 4})

        self.server.script = [picky]
        more = {"temperature": 0, "max_tokens": 9, "schema": SCHEMA, "stream": True}
        answers = self.probe("openai", times=2, **more)
        self.assertEqual([json.loads(a["text"]) for a in answers], [{"n": 4}] * 2)
        self.assertEqual(len(self.server.requests), 6)  # it has learnt
        self.assertEqual(self.server.requests[-1].json["max_completion_tokens"], 9)


class Wrong(ModelCase):
    def test_options(self):
        for more in ({"url": "ftp://x"}, {"url": "nothing"}, {"model": ""}, {"key": "a\nb"}, {"url": "http://u:p@h/"}):
            with self.subTest(more=more):
                self.assertEqual(self.probe("openai", **more)["status"], "AC_ERR_INVALID")
        self.assertEqual(self.probe("bedrock", region="no region")["status"], "AC_ERR_INVALID")

    def test_requests(self):
        system = {"role": "system", "text": "x"}
        for messages in ([], [system], [USER[0], system], [{"role": "tool", "text": "x"}], [{"role": "user"}],
                         [{"role": "user", "text": "x", "calls": [{"id": "1", "name": "n"}]}]):
            with self.subTest(messages=messages):
                self.assertEqual(self.probe("openai", messages=messages)["status"], "AC_ERR_INVALID")
        self.assertEqual(self.probe("openai", tools=[{"name": "a b"}])["status"], "AC_ERR_INVALID")
        self.assertEqual(self.probe("anthropic", tools=[TOOL], schema=SCHEMA)["status"], "AC_ERR_INVALID")
        self.assertEqual(self.server.requests, [])

    def test_no_credentials(self):
        nothing = {name: "" for name in AWS}
        more = {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
        answer = self.probe("bedrock", environment={**nothing, **more})
        self.assertEqual(answer["status"], "AC_ERR_NOT_FOUND", answer)


if __name__ == "__main__":
    unittest.main()
