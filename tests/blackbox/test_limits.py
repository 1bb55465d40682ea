"""Every limit and time-out that the options name: the right answer, the connection closed, one line in the log."""

import json
import select
import socket
import time
import unittest

from harness import DEADLINE, TestCase, post, request_bytes, wait_until

CHUNKED = b"POST /invocations HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"


class LimitCase(TestCase):
    def assert_one_line(self, server, count=1):
        """The refusal was logged once, above INFO or at it, and nothing else was."""
        wait_until(lambda: len(self.refusals(server)) >= count, f"{count} log lines")
        self.assertEqual(len(self.refusals(server)), count, server.stderr())

    def refusals(self, server):
        return [x for x in server.log_lines() if not x["message"].startswith(("Invocation ", "Invalid JSON"))]


class Headers(LimitCase):
    def fill(self, size):
        """A request whose head is exactly this many bytes."""
        head = b"GET /ping HTTP/1.1\r\nHost: t\r\nX-Fill: %s\r\n\r\n"
        return head % (b"f" * (size - len(head) + 2))

    def test_at_and_above(self):
        server = self.serve("header_bytes_max=2048")
        c = self.connect(server)
        c.send(self.fill(2000))
        self.assertEqual(c.read_response().status, 200)
        c.send(self.fill(2200))
        self.assert_refused(c, 431)
        self.assert_one_line(server)

    def test_long_target(self):
        server = self.serve("header_bytes_max=2048")
        c = self.connect(server)
        c.try_send(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: t\r\n\r\n")
        self.assert_refused(c, [414, 431])

    def test_endless_headers(self):
        server = self.serve()
        before = server.rss_kb()
        c = self.connect(server)
        c.send(b"GET /ping HTTP/1.1\r\nHost: t\r\n")
        for i in range(2000):
            c.try_send(b"X-%d: %s\r\n" % (i, b"v" * 1000))
        response = c.read_response()
        self.assertEqual(response.status, 431)
        if not server.sanitized():
            self.assertLess(server.rss_kb(), before + 4000)

    def test_endless_name_and_line(self):
        server = self.serve("header_bytes_max=4096")
        for start in (b"GET /ping HTTP/1.1\r\nHost: t\r\nX", b"GET /ping HTTP/1.1\r\nHost: t\r\nX: ", b"G"):
            c = self.connect(server)
            c.try_send(start + b"E" * 100_000)
            self.assertIn(c.read_response().status, (400, 431), start)
        self.assert_alive(server)

    def test_endless_trailers_and_extensions(self):
        server = self.serve("header_bytes_max=4096")
        for tail in (b"1\r\n1\r\n0\r\n" + b"X-Trailer: 1\r\n" * 5000, b"1;" + b"e" * 100_000, b"0" * 100_000):
            c = self.connect(server)
            c.try_send(CHUNKED + tail)
            self.assertIn(c.read_response().status, (400, 413, 431), tail[:20])
        self.assert_alive(server)


class Bodies(LimitCase):
    def test_declared(self):
        server = self.serve("body_bytes_max=1000")
        c = self.connect(server)
        self.assertEqual(c.request("POST", "/invocations", b" " * 998 + b"[]").status, 200)
        c.send(b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\n\r\n")
        self.assert_refused(c, 413)  # before a byte of the body
        self.assert_one_line(server)

    def test_declared_beyond_all_numbers(self):
        server = self.serve()
        for length in (b"99999999999999999", b"18446744073709551615", b"18446744073709551616", b"9" * 100):
            c = self.connect(server)
            c.send(b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: %s\r\n\r\n" % length)
            self.assert_refused(c, [400, 413])

    def test_chunked(self):
        server = self.serve("body_bytes_max=1000")
        c = self.connect(server)
        c.send(CHUNKED + b"1f4\r\n" + b" " * 500 + b"\r\n1f4\r\n" + b" " * 500 + b"\r\n0\r\n\r\n")
        self.assertEqual(c.read_response().status, 400)  # white space is no JSON, but it is not too much
        c.send(CHUNKED + b"1f4\r\n" + b" " * 500 + b"\r\n1f5\r\n" + b" " * 501 + b"\r\n")
        self.assert_refused(c, 413)  # before the last chunk
        self.assert_one_line(server)

    def test_chunk_declared_too_large(self):
        server = self.serve("body_bytes_max=1000")
        for size in (b"100000", b"7fffffffffffffff", b"ffffffffffffffff", b"1" + b"0" * 16, b"f" * 40):
            c = self.connect(server)
            c.try_send(CHUNKED + size + b"\r\n" + b" " * 2000)
            self.assertIn(c.read_response().status, (400, 413), size)

    def test_refusal_arrives_although_the_client_keeps_sending(self):
        server = self.serve("body_bytes_max=1000")
        c = self.connect(server)
        c.send(b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 3000000\r\n\r\n")
        for _ in range(100):
            c.try_send(b"x" * 30_000)
        self.assertEqual(c.read_response().status, 413)

    def test_default_is_100_mb(self):
        server = self.serve()
        c = self.connect(server)
        c.send(b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 104857601\r\n\r\n")
        self.assert_refused(c, 413)
        c = self.connect(server)
        c.send(b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 104857600\r\n\r\n")
        self.assertFalse(c.readable(0.05))


class Timeouts(LimitCase):
    def test_header(self):
        # Long enough for something to be sent in it: until then it is a connection without a request.
        server, sent = self.serve("header_timeout_ms=800"), []
        for part in (b"G", b"GET /ping HTTP/1.1\r\n", b"GET /ping HTTP/1.1\r\nHost: t\r\nX-A: b"):
            start = time.monotonic()
            c = self.connect(server)
            c.send(part)
            sent.append((start, c))
        for start, c in sent:
            self.assert_refused(c, 408)
            self.assertGreater(time.monotonic() - start, 0.75)
        self.assert_one_line(server, 3)

    def test_header_drip_does_not_help(self):
        server = self.serve("header_timeout_ms=800")
        c = self.connect(server)
        start = time.monotonic()
        c.send(b"GET /ping HTTP/1.1\r\nHost: t\r\nX: ")
        while not c.readable(0.02):
            c.try_send(b"x")
            self.assertLess(time.monotonic() - start, DEADLINE, "drip feeding keeps the connection")
        self.assertEqual(c.read_response().status, 408)

    def test_body_silence(self):
        server = self.serve("body_timeout_ms=200")
        c = self.connect(server)
        c.send(b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n[")
        self.assert_refused(c, 408)
        c = self.connect(server)
        c.send(CHUNKED + b"5\r\n[")
        self.assert_refused(c, 408)
        self.assert_one_line(server, 2)

    def test_slow_body_with_progress_is_fine(self):
        server = self.serve("body_timeout_ms=1500")
        c = self.connect(server)
        body = b"[" + b" " * 4 + b"]"
        c.send(b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body))
        for byte in body:
            self.assertFalse(c.readable(0.3))
            c.send(bytes([byte]))
        self.assert_json(c.read_response(), 200, "[]")

    def test_idle(self):
        server = self.serve("idle_timeout_ms=200")
        c = self.connect(server)
        start = time.monotonic()
        c.invoke({})
        self.assertEqual(c.read_to_end(), b"", "an idle connection is closed without an answer")
        self.assertTrue(0.1 < time.monotonic() - start < DEADLINE)

    def test_never_used(self):
        server = self.serve("idle_timeout_ms=200", "header_timeout_ms=200")
        start = time.monotonic()
        c = self.connect(server)
        self.assertEqual(c.read_to_end(), b"", "a connection without a request is closed without an answer")
        self.assertTrue(0.1 < time.monotonic() - start < DEADLINE)

    def test_idle_does_not_count_while_a_handler_works(self):
        server = self.serve("idle_timeout_ms=700", "header_timeout_ms=700", "body_timeout_ms=700")
        c = self.connect(server)
        c.send(post({"do": "wait", "gate": "long"}))
        server.wait_at_gate("long", 1)
        self.assertFalse(c.readable(1.2))
        server.open_gate("long")
        self.assertEqual(c.read_response().text, '{"waited": "long"}')

    def test_write_of_a_whole_answer(self):
        server = self.serve("write_timeout_ms=300")
        c = self.connect(server, receive_buffer=4096)
        self.assertEqual(c.invoke({}).status, 200)
        before = server.descriptors()
        c.send(post({"do": "big", "bytes": 30_000_000}))
        wait_until(lambda: server.descriptors() < before, "the slow reader's connection to be closed")
        self.assertLess(len(c.read_to_end()), 30_000_000)
        self.assert_alive(server)

    def test_write_of_a_stream(self):
        server = self.serve("write_timeout_ms=300")
        c = self.connect(server, receive_buffer=4096)
        c.send(post({"do": "stream", "count": 1_000_000, "pad": 1000}))
        server.wait_stat("client_gone", 1)
        stats = server.stats()
        self.assertEqual(stats["stream_status"], "AC_ERR_TIMEOUT")
        self.assertLess(stats["streamed"], 20_000)
        c.closed_by_server()

    def test_slow_reader_with_progress_is_served(self):
        server = self.serve("write_timeout_ms=1000")
        c = self.connect(server, receive_buffer=4096)
        c.send(post({"do": "big", "bytes": 3_000_000}))
        end = time.monotonic() + 1.5
        while time.monotonic() < end:  # longer than the time-out, a little at a time
            c.buffer += c.sock.recv(1000)
            select.select([], [], [], 0.02)
        self.assertEqual(len(c.read_response().body), 3_000_000)


class Connections(LimitCase):
    def test_too_many(self):
        server = self.serve("connections_max=10")
        kept = [self.connect(server) for _ in range(10)]
        for c in kept:
            self.assertEqual(c.invoke({}).status, 200)
        extra = self.connect(server)
        extra.try_send(post({}))
        self.assert_refused(extra, 503)
        kept.pop().close()
        wait_until(lambda: self.one_more(server), "room for one more connection")
        self.assertEqual(kept[0].invoke({}).status, 200)

    def one_more(self, server):
        c = self.connect(server)
        c.try_send(post({}))
        ok = c.read_response().status == 200
        c.close()
        return ok

    def test_several_loops_share_the_limit(self):
        server = self.serve("connections_max=8", "loops=2")
        kept = [self.connect(server) for _ in range(8)]
        self.assertEqual([c.invoke({}).status for c in kept], [200] * 8)
        extra = self.connect(server)
        extra.try_send(post({}))
        self.assertEqual(extra.read_response().status, 503)

    def test_workers_max_queues(self):
        server = self.serve("workers_max=2", "loops=1", "drain_timeout_ms=1000")
        busy = [self.connect(server) for _ in range(2)]
        for c in busy:
            c.send(post({"do": "until_gone"}))
        self.assertEqual(server.ping()["status"], "Healthy")  # the one loop has read what came before
        queued = self.connect(server)
        queued.send(post([1]))
        self.assertEqual(server.ping()["status"], "Healthy")
        self.assertFalse(queued.readable(0.1))
        busy[0].reset()
        self.assertEqual(queued.read_response().text, "[1]")
        busy[1].reset()


class Backpressure(LimitCase):
    def test_stream_buffer_bounds_what_is_sent_ahead(self):
        server = self.serve("stream_buffer_bytes=20000")
        c = self.connect(server, receive_buffer=4096)
        c.send(post({"do": "stream", "count": 100_000, "pad": 1000}))
        head = c.read_head()
        self.assertEqual(head.status, 200)
        other = server.stats()  # answered although a stream is stuck
        self.assertEqual(other["streamed"], 0)
        c.close()
        server.wait_stat("client_gone", 1)
        self.assertLess(server.stats()["streamed"], 20_000)

    def test_loop_stream_waits_for_room(self):
        server = self.serve("loop=1", "loops=1", "stream_buffer_bytes=4096")
        c = self.connect(server, receive_buffer=4096)
        c.send(post({"do": "loop_stream", "count": 400_000}))
        self.assertEqual(c.read_head().status, 200)
        for _ in range(20):
            self.assertEqual(server.invoke({}).status, 200)
        self.assertEqual(c.read_event(), b'data: {"left": 400000}')
        left = 400_000
        while event := c.read_event():
            left -= 1
            self.assertEqual(event, b'data: {"left": %d}' % left)
        self.assertEqual(left, 1)


class OptionValues(LimitCase):
    def test_socket_options_are_sane(self):
        server = self.serve("loops=3")
        for _ in range(30):
            self.assertEqual(server.invoke({}).status, 200)
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            s.sendall(request_bytes("GET", "/ping"))
            self.assertIn(b"Healthy", s.recv(4096))
        self.assertEqual(json.loads(server.invoke([1]).body), [1])


if __name__ == "__main__":
    unittest.main()
