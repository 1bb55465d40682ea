"""Clients that mean harm, or are many: the server keeps answering the others, and afterwards is as it was before."""

import random
import resource
import select
import socket
import time
import unittest

from harness import DEADLINE, Conn, TestCase, post, request_bytes, wait_until
from wsclient import PING, TEXT, WebSocket, frame

RSS_SLACK_KB = 6_000  # what an allocator may keep after a crowd has left

# glibc keeps large blocks in its arenas once it has seen a few freed.  With the threshold pinned they go back to the
# system, so that what is left is what the server holds.
PLAIN_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "131072"}


def raise_descriptor_limit():
    """As many descriptors as this process may have; returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class AbuseCase(TestCase):
    """Remembers what the server needed before, and compares afterwards."""

    def begin(self, *options):
        # Few loops: each takes a spare descriptor with its first connection, which it is to have had.
        server = self.serve("loops=2", *options, env=PLAIN_MALLOC)
        for _ in range(50):  # warm: threads, caches
            with server.connect() as c:
                self.assertEqual(c.invoke({"do": "stream"}, {"Connection": "close"}).status, 200)
                c.closed_by_server()
        self.descriptors, self.rss, self.threads = server.descriptors(), server.rss_kb(), server.threads()
        return server

    def end(self, server):
        self.assert_alive(server)
        wait_until(lambda: server.descriptors() <= self.descriptors, "the connections to be given back")
        if not server.sanitized():
            wait_until(lambda: self.excess_kb(server) <= 0, f"memory to return to {self.rss} kB")
        server.stop()

    def excess_kb(self, server):
        # Idle workers live on for some seconds, each with its stack.
        stacks = 40 * max(0, server.threads() - self.threads)
        return server.rss_kb() - self.rss - RSS_SLACK_KB - stacks


class Slow(AbuseCase):
    def test_byte_at_a_time(self):
        server = self.begin("header_timeout_ms=120000")  # a slow machine takes longer for the bytes of all
        request = post({"a": "b" * 20})
        crowd = [self.connect(server) for _ in range(100)]
        for byte in request:
            for c in crowd:
                c.send(bytes([byte]))
        for c in crowd:
            self.assertEqual(c.read_response().status, 200)
            c.close()
        self.end(server)

    def test_unfinished_heads_and_bodies(self):
        server = self.begin()
        crowd = []
        for i in range(400):
            c = self.connect(server)
            c.send((b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n[", b"GET /pi")[i % 2])
            crowd.append(c)
        start = time.monotonic()
        self.assert_alive(server)
        self.assertLess(time.monotonic() - start, DEADLINE)
        for c in crowd:
            c.close()
        self.end(server)

    def test_reader_that_never_reads(self):
        server = self.begin()
        crowd = []
        for pad in (0, 1000) * 10:
            c = self.connect(server, receive_buffer=4096)
            c.send(post({"do": "stream", "count": 10**8, "pad": pad}))
            crowd.append(c)
        for c in crowd:
            self.assertEqual(c.read_head().status, 200)
        self.assert_alive(server)
        if not server.sanitized():
            self.assertLess(server.rss_kb(), self.rss + 20 * 1024)
        for c in crowd:
            c.close()
        server.wait_stat("client_gone", 20)
        self.end(server)

    def test_pipeliner_that_never_reads(self):
        server = self.begin()
        c = self.connect(server, receive_buffer=4096)
        c.sock.setblocking(False)
        flood = post({"do": "big", "bytes": 20_000}) * 200
        sent, quiet_since = 0, time.monotonic()
        while sent < 50_000_000 and time.monotonic() - quiet_since < 0.5:
            if select.select([], [c.sock], [], 0.1)[1]:
                try:
                    sent += c.sock.send(flood)
                    quiet_since = time.monotonic()
                except BlockingIOError:
                    pass
        self.assertLess(sent, 50_000_000, "the server reads without end from a client that takes no answers")
        if not server.sanitized():
            self.assertLess(server.rss_kb(), self.rss + 20 * 1024)
        c.close()
        self.end(server)

    def test_ping_flood_without_reading(self):
        server = self.begin()
        ws = WebSocket(server.port, receive_buffer=4096)
        ws.sock.setblocking(False)
        flood = frame(PING, b"p" * 125) * 500
        sent, quiet_since = 0, time.monotonic()
        while sent < 30_000_000 and time.monotonic() - quiet_since < 0.5:
            if select.select([], [ws.sock], [], 0.1)[1]:
                try:
                    sent += ws.sock.send(flood)
                    quiet_since = time.monotonic()
                except BlockingIOError:
                    pass
                except OSError:
                    break  # being thrown out is fine too
        if not server.sanitized():
            self.assertLess(server.rss_kb(), self.rss + 20 * 1024)
        ws.close()
        self.end(server)


class Crowds(AbuseCase):
    def test_aborted_streams_beside_others(self):
        server = self.begin()
        good = [self.connect(server) for _ in range(50)]
        for c in good:
            c.send(post({"do": "stream", "count": 20, "gate": "beat"}))
        server.wait_at_gate("beat", 50)
        for _ in range(100):
            bad = self.connect(server)
            bad.send(post({"do": "stream", "count": 1_000_000, "pad": 100}))
            bad.read_head()
            bad.reset()
        server.wait_stat("client_gone", 100)
        server.open_gate("beat")
        for c in good:
            self.assertEqual(len(c.read_response().events()), 20)
            c.close()
        self.end(server)

    def test_blocked_handlers(self):
        server = self.begin()
        crowd = [self.connect(server) for _ in range(500)]
        for c in crowd:
            c.send(post({"do": "wait", "gate": "block"}))
        server.wait_at_gate("block", 500)
        start = time.monotonic()
        self.assertEqual(server.ping()["status"], "Healthy")
        self.assert_json(server.invoke([501]), 200, "[501]")
        self.assertLess(time.monotonic() - start, DEADLINE)
        server.open_gate("block")
        for c in crowd:
            self.assertEqual(c.read_response().text, '{"waited": "block"}')
            c.close()
        self.end(server)

    def test_idle_connections(self):
        # Both ends of a connection count against one process or the other; this one also holds the others' files.
        count = min(10_000, raise_descriptor_limit() - 200)
        server = self.begin("header_timeout_ms=120000")
        if server.sanitized():
            count = min(count, 2000)
        crowd = []
        for _ in range(count):
            s = socket.socket()
            self.addCleanup(s.close)
            s.connect(("127.0.0.1", server.port))
            crowd.append(s)
        wait_until(lambda: server.descriptors() >= self.descriptors + count, f"{count} connections")
        start = time.monotonic()
        for _ in range(100):
            self.assertEqual(server.invoke([1]).status, 200)
        self.assertLess(time.monotonic() - start, DEADLINE)
        if not server.sanitized():
            self.assertLess((server.rss_kb() - self.rss) / count, 8, "kB for an idle connection")
        for s in crowd[::7]:
            s.sendall(request_bytes("GET", "/ping"))
        for s in crowd[::7]:
            self.assertIn(b"200", s.recv(4096))
        for s in crowd:
            s.close()
        wait_until(lambda: server.descriptors() <= self.descriptors, "the crowd to leave")
        self.assert_alive(server)

    def test_connections_that_only_come_and_go(self):
        server = self.begin()
        for i in range(2000):
            c = server.connect()
            (c.reset if i % 2 else c.close)()
        self.end(server)

    def test_more_clients_than_descriptors(self):
        """Descriptors run out in the server: it waits or refuses, and lives.

        Two loops run out of them at once, which is worse than one; a few rounds, as it takes some luck."""
        for _ in range(5):
            self.run_out_of_descriptors()

    def run_out_of_descriptors(self):
        server = self.begin()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (self.descriptors + 20,) * 2)
        crowd = []
        for _ in range(60):
            s = socket.socket()
            self.addCleanup(s.close)
            s.settimeout(DEADLINE)
            s.connect(("127.0.0.1", server.port))
            crowd.append(s)
        wait_until(lambda: server.descriptors() >= self.descriptors + 10, "the limit to be near")
        ticks = self.cpu_ticks(server)
        select.select([], [], [], 0.3)
        self.assertLess(self.cpu_ticks(server) - ticks, 15, "it spins on a connection it cannot accept")
        for s in crowd:
            s.close()
        wait_until(lambda: self.answers(server), "answers after the crowd has left")
        self.end(server)

    def cpu_ticks(self, server):
        with open(f"/proc/{server.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def answers(self, server):
        try:
            with Conn(server.port, timeout=2) as c:
                return c.request("GET", "/ping").status == 200
        except Exception:  # refused, reset or silent: not yet
            return False


class Vanishing(AbuseCase):
    def phases(self, way):
        """Connections in every phase of their life."""
        # A handler that only asks whether the client is gone learns it from a reset, not from a half-close.
        if way == "reset":
            yield post({"do": "until_gone"})
            yield post({"do": "until_gone"}) + post([2]) * 3
        yield b""
        yield b"POST /invo"
        yield b"POST /invocations HTTP/1.1\r\nHost: t\r\n"
        yield b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n[1"
        yield b"POST /invocations HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n["
        yield post({"do": "defer", "gate": "late", "value": 1})
        yield post({"do": "wait", "gate": "late"})
        yield post({"do": "stream", "count": 10**9})
        yield post({"do": "stream", "count": 100, "gate": "late"})
        yield post({"do": "big", "bytes": 10_000_000})
        yield post([1]) * 50
        yield b"GET /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
        yield b"POST /invocations HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

    def test_reset_and_close_in_all_phases(self):
        server = self.begin()
        for way in ("reset", "close"):
            for data in self.phases(way):
                for wait_for_something in (False, True):
                    c = server.connect()
                    c.send(data)
                    if wait_for_something:
                        c.readable(0.02)
                    getattr(c, way)()
        server.open_gate("late")
        self.end(server)

    def test_websockets_in_all_phases(self):
        for mode in ("ws=worker", "ws=events"):
            server = self.begin(mode)
            for way in ("reset", "close"):
                for data in (b"", b"\x81", frame(TEXT, b"x" * 1000)[:500], frame(TEXT, b"a", fin=False),
                             frame(TEXT, b"!stream 100000"), frame(TEXT, b"!big 5000000"), frame(8, b"\x03\xe8"),
                             frame(TEXT, b"\xff"), frame(TEXT, b"!close 1000"), frame(TEXT, b"x") * 100):
                    ws = WebSocket(server.port)
                    ws.send(data)
                    getattr(ws, way)()
            server.wait_stat("websockets_open", 0)
            self.end(server)


class Garbage(AbuseCase):
    def test_random_bytes(self):
        rng = random.Random(7)
        server = self.begin()
        for _ in range(300):
            with server.connect() as c:
                c.try_send(rng.randbytes(rng.randint(1, 3000)))
                self.shut(c)
                c.closed_by_server()
        self.end(server)

    def shut(self, c):
        try:
            c.half_close()
        except OSError:
            pass

    def test_damaged_requests(self):
        rng = random.Random(11)
        server = self.begin()
        whole = (post({"a": [1, {"b": "c"}]}, {"X-A": "b"}) + b"POST /invocations HTTP/1.1\r\nHost: t\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n")
        for _ in range(500):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(len(data))
                choice = rng.random()
                if choice < 0.4:
                    data[at] = rng.randrange(256)
                elif choice < 0.7:
                    del data[at:at + rng.randint(1, 5)]
                else:
                    data[at:at] = rng.randbytes(rng.randint(1, 5))
            with server.connect() as c:
                c.try_send(bytes(data))
                self.shut(c)
                c.closed_by_server()
        self.end(server)

    def test_random_frames(self):
        rng = random.Random(13)
        server = self.begin()
        for i in range(300):
            with WebSocket(server.port, extensions="permessage-deflate" if i % 2 else None) as ws:
                for _ in range(rng.randint(1, 5)):
                    if rng.random() < 0.5:
                        data = rng.randbytes(rng.randint(1, 200))
                    else:
                        data = frame(rng.choice((0, 1, 2, 8, 9, 10)), rng.randbytes(rng.randint(0, 100)),
                                     fin=rng.random() < 0.7, rsv=rng.choice((0, 0, 0, 4)))
                    ws.try_send(data)
                self.shut(ws)
                ws.closed_by_server()
        server.wait_stat("websockets_open", 0)
        self.end(server)


if __name__ == "__main__":
    unittest.main()
