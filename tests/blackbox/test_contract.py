"""The AgentCore contract: what the Python SDK answers, to the byte, this server answers too."""

import json
import re
import time
import unittest

from harness import TestCase, post, wait_until

PING = re.compile(r'\{"status":"(Healthy|HealthyBusy)","time_of_last_update":(\d+)\}')


class Routes(TestCase):
    def test_ping(self):
        server = self.serve()
        before = int(time.time())
        r = server.request("GET", "/ping")
        match = PING.fullmatch(r.text)
        self.assertTrue(match, r.text)
        self.assertEqual((r.status, match[1], r.header("Content-Type")), (200, "Healthy", "application/json"))
        self.assertTrue(before - 60 <= int(match[2]) <= int(time.time()))
        self.assertEqual(r.all("Content-Length"), [str(len(r.body))])

    def test_head_of_ping(self):
        server = self.serve()
        get = server.request("GET", "/ping")
        r = server.request("HEAD", "/ping")
        self.assertEqual((r.status, r.body), (200, b""))
        self.assertEqual(r.header("Content-Length"), str(len(get.body)))

    def test_other_paths(self):
        server = self.serve()
        for line in ("GET /", "POST /ping/x", "GET /Ping", "POST /invocations2", "PUT /x"):
            method, path = line.split()
            r = server.request(method, path, b"{}")
            self.assertEqual((r.status, r.body), (404, b"Not Found"), path)
            self.assertEqual(r.header("Content-Type"), "text/plain; charset=utf-8")

    def test_wrong_method(self):
        server = self.serve()
        for method, path, allowed in (
            ("GET", "/invocations", {"POST"}),
            ("PUT", "/invocations", {"POST"}),
            ("DELETE", "/invocations", {"POST"}),
            ("POST", "/ping", {"GET", "HEAD"}),
        ):
            r = server.request(method, path, b"{}")
            self.assertEqual((r.status, r.body), (405, b"Method Not Allowed"), path)
            self.assertEqual(r.header("Content-Type"), "text/plain; charset=utf-8")
            self.assertEqual(set((r.header("Allow") or "").split(", ")), allowed)

    def test_query_does_not_matter(self):
        server = self.serve()
        r = server.request("POST", "/invocations?qualifier=DEFAULT&x=%20", {"do": "request"})
        self.assertEqual(r.json()["path"], "/invocations")
        self.assertEqual(r.json()["query"], "qualifier=DEFAULT&x=%20")
        self.assertEqual(server.request("GET", "/ping?a").status, 200)


class Bodies(TestCase):
    def test_any_json_value_with_python_separators(self):
        server = self.serve()
        for sent, text in (
            (b"null", "null"),
            (b"true", "true"),
            (b"[1,2,[3]]", "[1, 2, [3]]"),
            (b'"text"', '"text"'),
            (b'{"a":1,"b":{"c":[]},"d":{}}', '{"a": 1, "b": {"c": []}, "d": {}}'),
            (b"  \n 12 \t", "12"),
            (b"-0.5", "-0.5"),
            (b"9007199254740993", "9007199254740993"),
            (b"18446744073709551615", "18446744073709551615"),
            ('"h\u00e9 \u4e16 \U0001f600"'.encode(), '"h\u00e9 \u4e16 \U0001f600"'),
            (b'"\\u00e9\\ud83d\\ude00"', '"\u00e9\U0001f600"'),
            (b'"\\"\\\\\\/\\n\\t\\r\\b\\f\\u0001\\u001f\x7f"', '"\\"\\\\/\\n\\t\\r\\b\\f\\u0001\\u001f\x7f"'),
            (b'"a\\u0000b"', '"a\\u0000b"'),
        ):
            self.assert_json(server.request("POST", "/invocations", sent), 200, text)

    def test_content_type_is_not_checked(self):
        server = self.serve()
        for kind in ("text/plain", "application/x-www-form-urlencoded", "garbage"):
            r = server.request("POST", "/invocations", b'{"a":1}', {"Content-Type": kind})
            self.assert_json(r, 200, '{"a": 1}')

    def test_bad_json(self):
        server = self.serve()
        for sent in (b"{", b"{'a': 1}", b"[1,]", b"nul", b"1 2",
                     b'{"a":1}x', b"\xef\xbb\xbf{", b'"\n"', b"01", b'"\\x"',
                     b"NaN", b"1e400", b'"\\ud800"', b"[1 2]", b'"abc'):
            r = server.request("POST", "/invocations", sent)
            self.assertEqual(r.status, 400, sent)
            self.assertEqual(list(r.json()), ["error", "details"], sent)
            self.assertEqual(r.json()["error"], "Invalid JSON")
            self.assertRegex(r.json()["details"], r"\S.*: line \d+ column \d+ \(char \d+\)$")
            self.assertTrue(r.text.startswith('{"error":"Invalid JSON","details":"'), r.text)

    def test_empty_body(self):
        server = self.serve()
        expected = '{"error":"Invalid JSON","details":"Expecting value: line 1 column 1 (char 0)"}'
        self.assert_json(server.request("POST", "/invocations", b""), 400, expected)
        self.assert_json(server.request("POST", "/invocations"), 400, expected)

    def test_bad_utf8(self):
        server = self.serve()
        for sent, details in (
            (b'"a\xff"', "'utf-8' codec can't decode byte 0xff in position 2: invalid start byte"),
            (b'"\xc3("', "'utf-8' codec can't decode byte 0xc3 in position 1: invalid continuation byte"),
            (b'"a\xe4\xb8', "'utf-8' codec can't decode bytes in position 2-3: unexpected end of data"),
        ):
            r = server.request("POST", "/invocations", sent)
            self.assert_json(r, 400, f'{{"error":"Invalid encoding","details":"{details}"}}')

    def test_deep_nesting_is_refused_not_fatal(self):
        server = self.serve()
        self.assertEqual(server.request("POST", "/invocations", b"[" * 500 + b"]" * 500).status, 200)
        r = server.request("POST", "/invocations", b"[" * 200000 + b"]" * 200000)
        self.assertEqual((r.status, r.json()["error"]), (400, "Invalid JSON"))
        self.assert_alive(server)

    def test_string_with_nul_keeps_its_length(self):
        self.assert_json(self.serve().do("length", value="a\0bc"), 200, '{"length": 4}')


class Answers(TestCase):
    def test_no_answer_is_null(self):
        self.assert_json(self.serve().do("nothing"), 200, "null")

    def test_failures(self):
        server = self.serve()
        self.assert_json(server.do("fail", message="it broke"), 500, '{"error":"it broke"}')
        self.assert_json(server.do("fail", status=404, message="no order 7"), 404, '{"error":"no order 7"}')
        self.assert_json(server.do("fail", message='q"\u00e9\n'), 500, '{"error":"q\\"\u00e9\\n"}')
        for name in ("AC_ERR_TIMEOUT", "AC_ERR_INVALID", "AC_ERR_HANDLER"):
            r = server.do("return", status=name)
            self.assertEqual((r.status, list(r.json())), (500, ["error"]))
            self.assertTrue(r.json()["error"])

    def test_numbers_json_does_not_have(self):
        server = self.serve()
        self.assert_json(server.do("nan"), 200, "[null, null, 1.5]")
        self.assertTrue([line for line in server.log_lines() if line["level"] == "WARNING"])

    def test_bytes_that_are_not_utf8(self):
        self.assert_json(self.serve().do("bad_utf8"), 200, '"a\ufffdb\ufffd"')

    def test_status_and_headers(self):
        server = self.serve()
        r = server.do("answer", status=201, headers={"X-One": "1", "x-one": "2", "Location": "/here"}, body={"a": 1})
        self.assert_json(r, 201, '{"a": 1}')
        self.assertEqual((r.all("X-One"), r.header("Location")), (["2"], "/here"))
        r = server.do("answer", headers={"Content-Type": "application/problem+json"}, body={})
        self.assertEqual(r.all("Content-Type"), ["application/problem+json"])

    def test_headers_that_must_not_pass(self):
        server = self.serve()
        for name, value in (
            ("X-Bad", "a\r\nX-Injected: 1"),
            ("X-Bad", "a\nb"),
            ("X Bad", "1"),
            ("", "1"),
            ("X-Bad:", "1"),
            ("Content-Length", "1"),
            ("transfer-encoding", "chunked"),
            ("Connection", "close"),
            ("Date", "today"),
        ):
            r = server.do("answer", headers={name: value}, body=1)
            self.assert_json(r, 200, '{"status": "AC_ERR_INVALID"}')
            self.assertIsNone(r.header("X-Injected"))
        for status in (0, 99, 100, 101, 199, 600, -1):
            self.assert_json(server.do("answer", status=status, body=1), 200, '{"status": "AC_ERR_INVALID"}')

    def test_raw(self):
        server = self.serve()
        r = server.do("raw", text="<p>\u00e9</p>", content_type="text/html; charset=utf-8")
        self.assertEqual((r.status, r.text), (200, "<p>\u00e9</p>"))
        self.assertEqual(r.all("Content-Type"), ["text/html; charset=utf-8"])
        self.assertEqual(server.do("raw", text="").body, b"")

    def test_statuses_without_body(self):
        server = self.serve()
        with server.connect() as c:
            for status in (204, 304):
                r = c.invoke({"do": "answer", "status": status, "body": {"a": 1}})
                self.assertEqual((r.status, r.all("Transfer-Encoding")), (status, []))
            self.assert_json(c.invoke([1]), 200, "[1]")

    def test_second_answer_is_refused(self):
        server = self.serve()
        self.assert_json(server.do("twice"), 200, '{"answer": 1}')
        self.assertEqual(server.stats()["second_status"], "AC_ERR_STATE")

    def test_big_answer(self):
        r = self.serve().do("big", bytes=20_000_000)
        self.assertEqual((r.status, r.header("Content-Length")), (200, "20000000"))
        self.assertEqual(r.body.count(b"x"), 20_000_000)

    def test_server_headers(self):
        r = self.serve().invoke({})
        self.assertEqual(len(r.all("Date")), 1)
        self.assertRegex(r.header("Date"), r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")

    def test_deferred(self):
        server = self.serve()
        self.assert_json(server.do("defer", value=[1]), 200, "[1]")
        self.assert_json(server.do("defer"), 200, "null")
        self.assert_json(server.do("defer", message="later", status=409), 409, '{"error":"later"}')
        self.assertEqual(server.do("defer", count=2).events(), ['{"i": 0}', '{"i": 1}'])
        self.assertEqual(server.stats()["second_status"], "AC_OK")
        waiting = [self.connect(server) for _ in range(5)]
        for c in waiting:
            c.send(post({"do": "defer", "gate": "g", "value": "late"}))
        server.wait_at_gate("g", 5)
        server.open_gate("g")
        for c in waiting:
            self.assertEqual(c.read_response().text, '"late"')

    def test_loop_handler(self):
        server = self.serve("loop=1")
        self.assert_json(server.invoke({"a": 1}), 200, '{"a": 1}')
        self.assert_json(server.do("fail", status=400, message="no"), 400, '{"error":"no"}')
        self.assert_json(server.do("defer", value=1), 200, "1")
        self.assertEqual(len(server.do("stream", count=3).events()), 3)
        r = server.do("loop_stream", count=60000)
        self.assertEqual(r.events(), [f'{{"left": {i}}}' for i in range(60000, 0, -1)])

    def test_no_entrypoint(self):
        server = self.serve("entrypoint=0")
        self.assert_json(server.invoke({}), 500, '{"error":"No entrypoint defined"}')
        self.assertEqual(server.request("POST", "/invocations", b"{").json()["error"], "Invalid JSON")
        self.assertEqual(server.request("GET", "/ping").status, 200)


class Streams(TestCase):
    def test_events(self):
        server = self.serve()
        values = [{"a": 1}, "text\nwith lines", 3, None, [1, "\u00e9"], True]
        r = server.do("stream_values", values=values)
        self.assertEqual((r.status, r.header("Content-Type")), (200, "text/event-stream; charset=utf-8"))
        self.assertEqual((r.header("Transfer-Encoding"), r.all("Content-Length")), ("chunked", []))
        self.assertEqual(r.text, "".join(f"data: {json.dumps(v, ensure_ascii=False)}\n\n" for v in values))

    def test_events_come_as_they_are_sent(self):
        server = self.serve()
        with server.connect() as c:
            c.send(post({"do": "stream", "count": 3, "gate": "go"}))
            for i in range(3):
                server.open_gate("go", 1)
                if i == 0:
                    self.assertEqual(c.read_head().status, 200)
                self.assertEqual(c.read_event(), b'data: {"i": %d}' % i)
            self.assertEqual(c.read_event(), b"")

    def test_failure_in_a_stream(self):
        server = self.serve()
        r = server.do("stream", count=2, then_fail={"message": "lost it"})
        last = '{"error": "lost it", "error_type": "RuntimeError", "message": "An error occurred during streaming"}'
        self.assertEqual((r.status, r.events()), (200, ['{"i": 0}', '{"i": 1}', last]))
        r = server.do("stream", count=1, then_fail={"message": "bad", "type": "ValueError", "status": 404})
        self.assertEqual(r.status, 200)
        self.assertEqual(json.loads(r.events()[-1]), {"error": "bad", "error_type": "ValueError",
                                                      "message": "An error occurred during streaming"})
        r = server.do("stream", count=1, then_return={"status": "AC_ERR_TIMEOUT"})
        self.assertEqual(len(r.events()), 2)
        self.assertEqual(json.loads(r.events()[-1])["message"], "An error occurred during streaming")

    def test_failure_before_the_first_event(self):
        r = self.serve().do("stream", count=0, then_fail={"message": "never began", "status": 409})
        self.assert_json(r, 409, '{"error":"never began"}')

    def test_answer_after_a_stream_is_refused(self):
        server = self.serve()
        self.assertEqual(server.do("stream", count=1, then_answer=True).events(), ['{"i": 0}'])
        self.assertEqual(server.stats()["second_status"], "AC_ERR_STATE")

    def test_long_stream(self):
        server = self.serve()
        r = server.do("stream", count=20000)
        self.assertEqual([json.loads(e)["i"] for e in r.events()], list(range(20000)))
        r = server.do("stream", count=30, pad=500_000)
        self.assertEqual([len(json.loads(e)["pad"]) for e in r.events()], [500_000] * 30)

    def test_client_leaves(self):
        server = self.serve()
        gone = server.stats()["client_gone"]
        with server.connect() as c:
            c.send(post({"do": "stream", "count": 10000000}))
            c.read_head()
            c.read_event()
        server.wait_stat("client_gone", gone + 1)
        self.assertEqual(server.stats()["stream_status"], "AC_ERR_CLOSED")
        with server.connect() as c:
            # Of a client that only closes its end nothing is known while no answer is sent; a reset is unmistakable.
            c.send(post({"do": "until_gone"}))
            self.assertEqual(server.ping()["status"], "Healthy")
            c.reset()
        server.wait_stat("client_gone", gone + 2)


if __name__ == "__main__":
    unittest.main()
