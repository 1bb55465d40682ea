"""HTTP/1.0 and 1.1 as clients really speak it: connections, framing, pipelining, Expect, odd targets (RFC 9112)."""

import json
import unittest

from harness import TestCase, post, request_bytes


def chunked(*chunks, trailers=""):
    body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
    return body + b"0\r\n" + trailers.encode() + b"\r\n"


CHUNKED = {"Transfer-Encoding": "chunked"}


class Connections(TestCase):
    def test_keep_alive_is_the_default_of_1_1(self):
        c = self.connect(self.serve())
        for i in range(5):
            r = c.invoke({"i": i})
            self.assert_json(r, 200, f'{{"i": {i}}}')
            self.assertEqual(r.version, "1.1")
            self.assertNotEqual((r.header("Connection") or "").lower(), "close")

    def test_close_when_asked(self):
        c = self.connect(self.serve())
        r = c.invoke({}, {"Connection": "Close"})
        self.assertEqual((r.status, r.header("Connection").lower()), (200, "close"))
        self.assertEqual(c.read_to_end(), b"")

    def test_close_among_other_tokens(self):
        c = self.connect(self.serve())
        c.invoke({}, {"Connection": "x, close, y"})
        self.assertEqual(c.read_to_end(), b"")

    def test_1_0_closes(self):
        c = self.connect(self.serve())
        r = c.request("GET", "/ping", version="1.0")
        self.assertEqual(r.status, 200)
        self.assertEqual(c.read_to_end(), b"")

    def test_1_0_without_host(self):
        c = self.connect(self.serve())
        c.send(b"GET /ping HTTP/1.0\r\n\r\n")
        self.assertEqual(c.read_response().status, 200)
        self.assertEqual(c.read_to_end(), b"")

    def test_1_0_keep_alive(self):
        c = self.connect(self.serve())
        for _ in range(3):
            r = c.request("POST", "/invocations", {}, {"Connection": "Keep-Alive"}, version="1.0")
            self.assertEqual((r.status, r.header("Connection").lower()), (200, "keep-alive"))

    def test_1_0_stream_ends_with_the_connection(self):
        c = self.connect(self.serve())
        r = c.request("POST", "/invocations", {"do": "stream", "count": 3}, version="1.0")
        self.assertEqual((r.status, r.all("Transfer-Encoding"), r.all("Content-Length")), (200, [], []))
        self.assertEqual(len(r.events()), 3)

    def test_1_0_stream_is_never_kept_alive(self):
        c = self.connect(self.serve())
        r = c.request("POST", "/invocations", {"do": "stream"}, {"Connection": "keep-alive"}, version="1.0")
        self.assertNotEqual((r.header("Connection") or "").lower(), "keep-alive")
        self.assertEqual(len(r.events()), 3)

    def test_half_close_still_gets_its_answer(self):
        server = self.serve()
        for payload, length in (({"a": 1}, None), ({"do": "stream", "count": 50}, 50)):
            c = self.connect(server)
            c.send(post(payload))
            c.half_close()
            r = c.read_response()
            self.assertEqual(r.status, 200)
            if length:
                self.assertEqual(len(r.events()), length)
            self.assertEqual(c.read_to_end(), b"")

    def test_half_close_while_the_handler_waits(self):
        server = self.serve()
        c = self.connect(server)
        c.send(post({"do": "wait", "gate": "h"}))
        server.wait_at_gate("h", 1)
        c.half_close()
        self.assert_alive(server)
        server.open_gate("h")
        self.assert_json(c.read_response(), 200, '{"waited": "h"}')

    def test_half_close_in_the_middle_of_a_request(self):
        server = self.serve()
        for part in (b"POST /invoc", b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n{}"):
            c = self.connect(server)
            c.send(part)
            c.half_close()
            c.closed_by_server()
        self.assertEqual(server.stats()["handled"], 1)

    def test_empty_lines_before_a_request(self):
        c = self.connect(self.serve())
        c.send(b"\r\n\r\n" + post([1]))
        self.assert_json(c.read_response(), 200, "[1]")
        c.send(b"\r\n" + post([2]))
        self.assert_json(c.read_response(), 200, "[2]")

    def test_silent_connection_does_no_harm(self):
        server = self.serve()
        for _ in range(5):
            self.connect(server)
        self.connect(server).half_close()
        self.assert_alive(server)


class Pipelining(TestCase):
    def pipeline(self, *options):
        server = self.serve(*options)
        c = self.connect(server)
        c.send(b"".join(post({"n": n}) for n in range(200)))
        for n in range(200):
            self.assert_json(c.read_response(), 200, f'{{"n": {n}}}')
        return server

    def test_many_in_one_packet_worker(self):
        self.pipeline()

    def test_many_in_one_packet_loop(self):
        self.pipeline("loop=1")

    def test_mixed_in_order(self):
        server = self.serve()
        c = self.connect(server)
        c.send(post({"do": "wait", "gate": "p"}) + request_bytes("GET", "/ping") + post({"do": "stream", "count": 2})
               + request_bytes("HEAD", "/ping") + request_bytes("GET", "/none") + b"POST /invocations HTTP/1.1\r\n"
               b"Host: t\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"[", b"9]") + post("last"))
        server.wait_at_gate("p", 1)
        self.assertFalse(c.readable(0), "a later answer overtook the first")
        server.open_gate("p")
        self.assertEqual(c.read_response().text, '{"waited": "p"}')
        self.assertEqual(c.read_response().json()["status"], "Healthy")
        self.assertEqual(len(c.read_response().events()), 2)
        self.assertEqual(c.read_response(head=True).status, 200)
        self.assertEqual(c.read_response().status, 404)
        self.assertEqual(c.read_response().text, "[9]")
        self.assertEqual(c.read_response().text, '"last"')

    def test_nothing_after_close_is_executed(self):
        server = self.serve()
        c = self.connect(server)
        c.send(post({}, {"Connection": "close"}) + post({"do": "force", "status": 2}))
        self.assertEqual(c.read_response().text, "{}")
        self.assertEqual(c.read_to_end(), b"")
        self.assertEqual(server.ping()["status"], "Healthy")

    def test_half_close_after_a_pipeline(self):
        c = self.connect(self.serve())
        c.send(post(1) + post(2) + post(3))
        c.half_close()
        self.assertEqual([c.read_response().text for _ in range(3)], ["1", "2", "3"])
        self.assertEqual(c.read_to_end(), b"")

    def test_large_bodies_back_to_back(self):
        c = self.connect(self.serve())
        body = json.dumps({"do": "length", "value": "x" * 300_000}).encode()
        c.send(request_bytes("POST", "/invocations", body) * 8)
        for _ in range(8):
            self.assertEqual(c.read_response().json(), {"length": 300_000})


class Bodies(TestCase):
    def test_chunked(self):
        server = self.serve()
        for body in (chunked(b'{"a"', b": 1", b"}"), chunked(b'{"a": 1}'), chunked(*[bytes([b]) for b in b'{"a": 1}'])):
            r = server.request("POST", "/invocations", body, CHUNKED)
            self.assert_json(r, 200, '{"a": 1}')

    def test_chunk_sizes_extensions_trailers(self):
        server = self.serve()
        c = self.connect(server)
        for body in (
            b"0A\r\n{\"a\":   1}\r\n0\r\n\r\n",
            b"00000a\r\n{\"a\":   1}\r\n000\r\n\r\n",
            b"a;name=value\r\n{\"a\":   1}\r\n0;last\r\n\r\n",
            b"a;q=\"a b;c\"\r\n{\"a\":   1}\r\n0\r\n\r\n",
            b"a\r\n{\"a\":   1}\r\n0\r\nX-Trailer: yes\r\nOther: 1\r\n\r\n",
        ):
            self.assert_json(c.request("POST", "/invocations", body, CHUNKED), 200, '{"a": 1}')

    def test_trailers_are_not_headers(self):
        body = chunked(b'{"do": "request", "header": "x-late"}', trailers="X-Late: 1\r\n")
        r = self.serve().request("POST", "/invocations", body, CHUNKED)
        self.assertIsNone(r.json()["header"])

    def test_transfer_encoding_in_any_case(self):
        server = self.serve()
        for value in ("Chunked", "CHUNKED", " chunked "):
            r = server.request("POST", "/invocations", chunked(b"[1]"), {"TRANSFER-encoding": value})
            self.assert_json(r, 200, "[1]")

    def test_body_on_a_route_without_one(self):
        c = self.connect(self.serve())
        self.assertEqual(c.request("GET", "/ping", b"unexpected").status, 200)
        self.assertEqual(c.request("POST", "/none", b"x" * 100_000).status, 404)
        self.assert_json(c.invoke([1]), 200, "[1]")

    def test_big_body(self):
        server = self.serve()
        body = json.dumps({"do": "length", "value": "y" * 30_000_000}).encode()
        self.assertEqual(server.request("POST", "/invocations", body).json(), {"length": 30_000_000})
        pieces = [body[i:i + 65536] for i in range(0, len(body), 65536)]
        r = server.request("POST", "/invocations", chunked(*pieces), CHUNKED)
        self.assertEqual(r.json(), {"length": 30_000_000})

    def test_byte_by_byte(self):
        c = self.connect(self.serve())
        for byte in post({"a": [1, 2]}) + request_bytes("POST", "/invocations", chunked(b"[", b"1]"), CHUNKED):
            c.send(bytes([byte]))
        self.assert_json(c.read_response(), 200, '{"a": [1, 2]}')
        self.assert_json(c.read_response(), 200, "[1]")


class Expect(TestCase):
    HEAD = b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nExpect: %s\r\n\r\n"

    def test_continue(self):
        server = self.serve()
        c = self.connect(server)
        for word in (b"100-continue", b"100-Continue"):
            c.send(self.HEAD % word)
            self.assertEqual(c.read_response().status, 100)
            c.send(b"[1]")
            self.assert_json(c.read_response(), 200, "[1]")

    def test_no_continue_when_the_body_is_there(self):
        c = self.connect(self.serve())
        c.send(self.HEAD % b"100-continue" + b"[1]" + post([2]))
        r = c.read_response()
        if r.status == 100:  # allowed, only useless
            r = c.read_response()
        self.assert_json(r, 200, "[1]")
        self.assert_json(c.read_response(), 200, "[2]")

    def test_no_continue_for_1_0(self):
        c = self.connect(self.serve())
        c.send((self.HEAD % b"100-continue").replace(b"HTTP/1.1", b"HTTP/1.0"))
        self.assertFalse(c.readable(0.1))
        c.send(b"[1]")
        self.assert_json(c.read_response(), 200, "[1]")

    def test_too_big_is_refused_instead(self):
        c = self.connect(self.serve("body_bytes_max=2"))
        c.send(self.HEAD % b"100-continue")
        self.assert_refused(c, 413)

    def test_unknown_expectation(self):
        server = self.serve()
        c = self.connect(server)
        c.send(self.HEAD % b"sandwich")
        self.assert_refused(c, 417)
        self.assertEqual(server.stats()["handled"], 1)


class Targets(TestCase):
    def test_absolute_form(self):
        server = self.serve()
        self.assertEqual(server.request("GET", "http://any.example:99/ping").status, 200)
        r = server.request("POST", "http://any.example/invocations?x=1", {"do": "request"})
        self.assertEqual((r.json()["path"], r.json()["query"]), ("/invocations", "x=1"))
        self.assertEqual(server.request("GET", "http://any.example").status, 404)

    def test_percent_encoding(self):
        server = self.serve()
        self.assertEqual(server.request("GET", "/%70ing").status, 200)
        self.assertEqual(server.request("POST", "/invocation%73", b"[1]").text, "[1]")
        for path in ("/ping%00", "//ping", "/./ping", "/x/../ping", "/ping%3Fa", "/ping;a", "/p%zzng"):
            self.assertIn(server.request("GET", path).status, (400, 404), path)
        self.assert_alive(server)

    def test_slash_at_the_end(self):
        server = self.serve()
        for path in ("/ping/", "/ping%2F", "/invocations/", "/ping/?a=b"):
            r = server.request("GET", path)
            self.assertEqual((r.status, r.body), (307, b""))
            self.assertRegex(r.header("Location"), r"^(http://test)?/(ping|invocations)(\?a=b)?$")

    def test_odd_paths(self):
        server = self.serve()
        for path in ("/" + "a" * 8000, "/\u00e9", "/%C3%A9", "/%", "/%F", "/%FF", "/?", "/??", "/a?%"):
            self.assertIn(server.request("GET", path).status, (400, 404), path)
        self.assert_alive(server)

    def test_options_star(self):
        c = self.connect(self.serve())
        r = c.request("OPTIONS", "*")
        self.assertIn(r.status, (200, 204, 404, 405))
        self.assertEqual(c.request("GET", "/ping").status, 200)

    def test_star_is_for_options_alone(self):
        c = self.connect(self.serve())
        c.send(b"GET * HTTP/1.1\r\nHost: t\r\n\r\n")
        self.assertIn(c.read_response().status, (400, 404, 405))

    def test_connect_and_unknown_methods(self):
        server = self.serve()
        c = self.connect(server)
        c.send(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
        self.assertIn(c.read_response().status, (400, 404, 405, 501))
        c = self.connect(server)
        c.send(b"FROB /ping HTTP/1.1\r\nHost: t\r\n\r\n")
        self.assertIn(c.read_response().status, (400, 405, 501))
        self.assert_alive(server)

    def test_upgrade_elsewhere_is_ignored(self):
        c = self.connect(self.serve())
        r = c.request("GET", "/ping", headers={"Connection": "Upgrade", "Upgrade": "h2c"})
        self.assertEqual(r.status, 200)
        self.assertEqual(c.invoke([1], {"Connection": "Upgrade", "Upgrade": "websocket"}).text, "[1]")

    def test_head_of_other_routes(self):
        c = self.connect(self.serve())
        self.assertEqual(c.request("HEAD", "/none").status, 404)
        self.assertEqual(c.request("HEAD", "/invocations").status, 405)
        self.assertEqual(c.request("GET", "/ping").status, 200)


class Headers(TestCase):
    def value(self, line):
        server = self.serve()
        c = self.connect(server)
        body = b'{"do": "request", "header": "x-v"}'
        c.send(b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n%s\r\n\r\n%s" % (len(body), line, body))
        return c.read_response().json()["header"]

    def test_white_space_around_values(self):
        self.assertEqual(self.value(b"X-V: \t  a  b \t "), "a  b")
        self.assertEqual(self.value(b"X-V:a"), "a")
        self.assertEqual(self.value(b"X-V:"), "")
        self.assertEqual(self.value(b"X-V:   "), "")

    def test_odd_values(self):
        self.assertEqual(self.value(b"X-V: a:b\"c\";d,e"), "a:b\"c\";d,e")
        self.assertEqual(self.value(b"x-V: one\r\nX-v: two"), "one, two")
        self.assertEqual(self.value(b"X-V: \xc3\xa9"), "\u00e9")

    def test_many_headers(self):
        lines = b"".join(b"X-H%d: %d\r\n" % (i, i) for i in range(90))
        self.assertEqual(self.value(lines + b"X-V: last"), "last")

    def test_content_length_forms(self):
        server = self.serve()
        c = self.connect(server)
        c.send(b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 003\r\n\r\n[1]")
        self.assertIn(c.read_response().status, (200, 400))


if __name__ == "__main__":
    unittest.main()
