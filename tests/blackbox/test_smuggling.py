"""Requests that two parsers could read differently: refused, the connection closed, nothing behind them executed."""

import unittest

from harness import Closed, TestCase, post

# What an attacker hopes to have executed: /ping would stay HealthyBusy.
SMUGGLED = post({"do": "force", "status": 2})

POST = b"POST /invocations HTTP/1.1\r\nHost: t\r\n"
BODY = b'{"a": 1}'
CHUNKED_BODY = b"8\r\n" + BODY + b"\r\n0\r\n\r\n"


def with_headers(*lines, body=BODY):
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunks(body):
    return with_headers(b"Transfer-Encoding: chunked", body=body)


FRAMING = {
    "length and chunked": with_headers(b"Content-Length: 8", b"Transfer-Encoding: chunked", body=CHUNKED_BODY),
    "chunked and length": with_headers(b"Transfer-Encoding: chunked", b"Content-Length: 8", body=CHUNKED_BODY),
    "two lengths": with_headers(b"Content-Length: 8", b"Content-Length: 9"),
    "two equal lengths": with_headers(b"Content-Length: 8", b"Content-Length: 8"),
    "list of lengths": with_headers(b"Content-Length: 8, 8"),
    "list of different lengths": with_headers(b"Content-Length: 8, 9"),
    "length with plus": with_headers(b"Content-Length: +8"),
    "length with minus": with_headers(b"Content-Length: -8"),
    "length in hex": with_headers(b"Content-Length: 0x8"),
    "length with letters": with_headers(b"Content-Length: 8a"),
    "length with space": with_headers(b"Content-Length: 8 8"),
    "length with point": with_headers(b"Content-Length: 8.0"),
    "length empty": with_headers(b"Content-Length:"),
    "length too large": with_headers(b"Content-Length: 18446744073709551624"),
    "unknown coding": with_headers(b"Transfer-Encoding: xchunked", body=CHUNKED_BODY),
    "gzip": with_headers(b"Transfer-Encoding: gzip", body=CHUNKED_BODY),
    "gzip then chunked": with_headers(b"Transfer-Encoding: gzip, chunked", body=CHUNKED_BODY),
    "chunked then identity": with_headers(b"Transfer-Encoding: chunked, identity", body=CHUNKED_BODY),
    "chunked then gzip": with_headers(b"Transfer-Encoding: chunked, gzip", body=CHUNKED_BODY),
    "identity": with_headers(b"Transfer-Encoding: identity", body=CHUNKED_BODY),
    "chunked twice": with_headers(b"Transfer-Encoding: chunked, chunked", body=CHUNKED_BODY),
    "two codings in two lines": with_headers(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
                                             body=CHUNKED_BODY),
    "quoted coding": with_headers(b'Transfer-Encoding: "chunked"', body=CHUNKED_BODY),
    "coding with parameter": with_headers(b"Transfer-Encoding: chunked;q=1", body=CHUNKED_BODY),
    "coding with control byte": with_headers(b"Transfer-Encoding: \x0bchunked", body=CHUNKED_BODY),
    "coding empty": with_headers(b"Transfer-Encoding:", body=CHUNKED_BODY),
    "coding on 1.0": with_headers(b"Transfer-Encoding: chunked", body=CHUNKED_BODY).replace(b"HTTP/1.1", b"HTTP/1.0"),
}

CHUNKS = {
    "plus": chunks(b"+8\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "minus": chunks(b"-8\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "0x": chunks(b"0x8\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "overflow": chunks(b"10000000000000008\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "overflow by much": chunks(b"f" * 40 + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "space before": chunks(b" 8\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "space after": chunks(b"8 \r\n" + BODY + b"\r\n0\r\n\r\n"),
    "space inside": chunks(b"0 8\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "empty size": chunks(b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "no size": chunks(b";a=b\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "not hex": chunks(b"g\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "bare LF after size": chunks(b"8\n" + BODY + b"\r\n0\r\n\r\n"),
    "bare CR after size": chunks(b"8\r" + BODY + b"\r\n0\r\n\r\n"),
    "bare LF after data": chunks(b"8\r\n" + BODY + b"\n0\r\n\r\n"),
    "no CRLF after data": chunks(b"8\r\n" + BODY + b"0\r\n\r\n"),
    "more data than size": chunks(b"7\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "bare LF in extension": chunks(b"8;a\nb\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "bare CR in extension": chunks(b"8;a\rb\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "NUL in extension": chunks(b"8;a\0b\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "bare LF after the last": chunks(b"8\r\n" + BODY + b"\r\n0\n\n"),
    "bare LF after trailers": chunks(b"8\r\n" + BODY + b"\r\n0\r\nX: y\n\n"),
    "bad trailer": chunks(b"8\r\n" + BODY + b"\r\n0\r\nX y\r\n\r\n"),
}

HEADS = {
    "no Host": b"GET /ping HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two equal Hosts": b"GET /ping HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "Host with space": b"GET /ping HTTP/1.1\r\nHost: a b\r\n\r\n",
    "Host with path": b"GET /ping HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with user": b"GET /ping HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "space before colon": with_headers(b"Content-Length : 8"),
    "tab before colon": with_headers(b"Content-Length\t: 8"),
    "space before name": with_headers(b" Content-Length: 8"),
    "first line is folded": b"GET /ping HTTP/1.1\r\n Host: t\r\n\r\n",
    "folded line": with_headers(b"X-A: b\r\n c", b"Content-Length: 8"),
    "folded coding": with_headers(b"Transfer-Encoding:\r\n chunked", body=CHUNKED_BODY),
    "empty name": with_headers(b": x", b"Content-Length: 8"),
    "no colon": with_headers(b"X-A", b"Content-Length: 8"),
    "name with space": with_headers(b"X A: b", b"Content-Length: 8"),
    "name with NUL": with_headers(b"X\0A: b", b"Content-Length: 8"),
    "name with control byte": with_headers(b"X\x01A: b", b"Content-Length: 8"),
    "name with parenthesis": with_headers(b"X(A): b", b"Content-Length: 8"),
    "name not ASCII": with_headers(b"X\xe9A: b", b"Content-Length: 8"),
    "value with NUL": with_headers(b"X-A: b\0c", b"Content-Length: 8"),
    "value with control byte": with_headers(b"X-A: b\x01c", b"Content-Length: 8"),
    "value with DEL": with_headers(b"X-A: b\x7fc", b"Content-Length: 8"),
    "value with bare CR": with_headers(b"X-A: b\rContent-Length: 8"),
    "value with bare LF": with_headers(b"X-A: b\nContent-Length: 8"),
    "bare LF everywhere": b"GET /ping HTTP/1.1\nHost: t\n\n",
    "bare LF at the end": b"GET /ping HTTP/1.1\r\nHost: t\r\n\n",
    "bare CR at the end": b"GET /ping HTTP/1.1\r\nHost: t\r\n\rX",
    "bare LF after request line": b"GET /ping HTTP/1.1\nHost: t\r\n\r\n",
    "version 2.0": b"GET /ping HTTP/2.0\r\nHost: t\r\n\r\n",
    "version 1.2": b"GET /ping HTTP/1.2\r\nHost: t\r\n\r\n",
    "version 0.9": b"GET /ping HTTP/0.9\r\nHost: t\r\n\r\n",
    "version of one digit": b"GET /ping HTTP/1\r\nHost: t\r\n\r\n",
    "version of three digits": b"GET /ping HTTP/1.10\r\nHost: t\r\n\r\n",
    "version in lower case": b"GET /ping http/1.1\r\nHost: t\r\n\r\n",
    "version of another protocol": b"GET /ping ICE/1.0\r\nHost: t\r\n\r\n",
    "no version": b"GET /ping\r\n\r\n",
    "tab instead of space": b"GET\t/ping HTTP/1.1\r\nHost: t\r\n\r\n",
    "space in target": b"GET /pi ng HTTP/1.1\r\nHost: t\r\n\r\n",
    "NUL in target": b"GET /pi\0ng HTTP/1.1\r\nHost: t\r\n\r\n",
    "control byte in target": b"GET /pi\x01ng HTTP/1.1\r\nHost: t\r\n\r\n",
    "target without slash": b"GET ping HTTP/1.1\r\nHost: t\r\n\r\n",
    "space at the end of the line": b"GET /ping HTTP/1.1 \r\nHost: t\r\n\r\n",
    "method in lower case": b"get /ping HTTP/1.1\r\nHost: t\r\n\r\n",
    "very long method": b"G" * 3000 + b" /ping HTTP/1.1\r\nHost: t\r\n\r\n",
    "only LF": b"\n\n\n\nX\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 500,
}

# Other codes that are right for what is asked.
CODES = {
    "unknown coding": [400, 501],
    "gzip": [400, 501],
    "gzip then chunked": [400, 501],
    "identity": [400, 501],
    "chunked then identity": [400, 501],
    "chunked then gzip": [400, 501],
    "coding empty": [400, 501],
    "length too large": [400, 413],
    "overflow": [400, 413],
    "overflow by much": [400, 413],
    "version 2.0": [400, 505],
    "version 1.2": [400, 505],
    "version 0.9": [400, 505],
    "no version": [400, 505],
    "HTTP/2 preface": [400, 505],
    "very long method": [400, 431, 501],
    "method in lower case": [400, 501],
}


class Smuggling(TestCase):
    def attack(self, table):
        server = self.serve()
        handled = server.stats()["handled"]
        for name, request in table.items():
            for tail in (SMUGGLED, b""):
                with self.subTest(name, smuggled=bool(tail)):
                    self.refuse(server, name, request, tail)
        self.assertEqual(server.ping()["status"], "Healthy", "a smuggled request was executed")
        self.assertEqual(server.stats()["handled"], handled + 1, "a handler ran")

    def refuse(self, server, name, request, tail):
        with server.connect() as c:
            c.try_send(request + tail)
            if not tail:
                c.half_close()
            try:
                self.assert_refused(c, CODES.get(name, 400))
            except Closed:
                # Without anything behind it, some are simply unfinished: closing without an answer is right then.
                self.assertFalse(tail, "closed without an answer")

    def test_framing(self):
        self.attack(FRAMING)

    def test_chunks(self):
        self.attack(CHUNKS)

    def test_heads(self):
        self.attack(HEADS)

    def test_split_at_every_byte(self):
        """Where a packet ends must not change what is refused."""
        server = self.serve()
        for name in ("length and chunked", "folded coding", "two lengths"):
            request = {**FRAMING, **HEADS}[name] + SMUGGLED
            for at in range(1, len(request) - len(SMUGGLED), 3):
                with self.subTest(name, at=at), server.connect() as c:
                    c.send(request[:at])
                    c.try_send(request[at:])
                    self.assert_refused(c, 400)
        self.assertEqual(server.ping()["status"], "Healthy")

    def test_after_a_good_request(self):
        server = self.serve()
        for bad in (FRAMING["two lengths"], CHUNKS["plus"], HEADS["value with NUL"]):
            with self.subTest(bad), server.connect() as c:
                c.send(post([1]) + bad + SMUGGLED)
                self.assertEqual(c.read_response().text, "[1]")
                self.assert_refused(c, 400)
        self.assertEqual(server.ping()["status"], "Healthy")

    def test_refusals_tell_nothing_of_the_request(self):
        server = self.serve()
        with server.connect() as c:
            c.send(b"GET /ping HTTP/1.1\r\nHost: a\r\nHost: <script>alert(1)</script>\r\n\r\n")
            self.assertNotIn(b"script", c.read_response().body)


if __name__ == "__main__":
    unittest.main()
