"""Starting and stopping: signals, draining, deadlines, ports, and what is left behind."""

import json
import signal
import socket
import struct
import subprocess
import time
import unittest

from harness import DEADLINE, Conn, Program, TestCase, build_path, post, wait_until
from wsclient import CLOSE, WebSocket, frame


def refused(port):
    try:
        Conn(port).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # accepted by the kernel just before the port was closed
        pass
    return False


class Draining(TestCase):
    def serve(self, *options, **more):
        # One loop: what a client has sent is read before a later /ping is answered, so its connection is not idle.
        return super().serve("loops=1", *options, **more)

    def drain(self, *options, number=signal.SIGTERM):
        """A server with a handler at the gate, told to stop."""
        server = self.serve(*options)
        c = self.connect(server)
        c.send(post({"do": "wait", "gate": "last"}))
        server.wait_at_gate("last", 1)
        idle = self.connect(server)
        opener = self.connect(server)
        self.assertEqual(opener.invoke([1]).status, 200)
        # The stop closes idle connections, so the request that opens the gate is already half here.
        request = post({"do": "open", "gate": "last"})
        opener.send(request[:-1])
        server.request("GET", "/ping")
        server.signal(number)
        wait_until(lambda: refused(server.port), "new connections to be refused")
        return server, c, idle, lambda: opener.send(request[-1:])

    def test_running_request_finishes(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server, c, idle, open_gate = self.drain(number=number)
            self.assertEqual(idle.read_to_end(), b"", "an idle connection is closed")
            self.assertTrue(server.running())
            open_gate()
            r = c.read_response()
            self.assertEqual((r.status, r.text), (200, '{"waited": "last"}'))
            self.assertEqual((r.header("Connection") or "").lower(), "close")
            self.assertEqual(c.read_to_end(), b"")
            server.finish(0)
            self.assertIn(b"stopped", server.output)

    def test_running_stream_finishes(self):
        server = self.serve()
        c = self.connect(server)
        c.send(post({"do": "stream", "count": 3, "gate": "beat"}))
        opener = self.connect(server)
        self.assertEqual(opener.invoke({"do": "open", "gate": "beat", "count": 1}).status, 200)
        self.assertEqual((c.read_head().status, c.read_event()), (200, b'data: {"i": 0}'))
        request = post({"do": "open", "gate": "beat"})
        opener.send(request[:-1])
        server.request("GET", "/ping")
        server.signal()
        wait_until(lambda: refused(server.port), "the drain")
        opener.send(request[-1:])
        self.assertEqual([c.read_event() for _ in range(3)], [b'data: {"i": 1}', b'data: {"i": 2}', b""])
        server.finish(0)

    def test_deadline(self):
        server = self.serve("drain_timeout_ms=300")
        c = self.connect(server)
        c.send(post({"do": "until_gone"}))
        wait_until(lambda: server.stats()["handled"] >= 1 and server.threads() > 1, "the handler")
        start = time.monotonic()
        server.signal()
        c.closed_by_server()
        server.finish(0)
        self.assertTrue(0.25 < time.monotonic() - start < DEADLINE)

    def test_second_signal_ends_the_wait(self):
        server = self.serve("drain_timeout_ms=60000")
        c = self.connect(server)
        c.send(post({"do": "until_gone"}))
        server.stats()  # answered on the same loop, so the request before it is with its handler
        server.signal()
        wait_until(lambda: refused(server.port), "the drain")
        self.assertTrue(server.running())
        server.signal()
        c.closed_by_server()
        server.finish(0)

    def test_stop_from_a_handler(self):
        server = self.serve()
        self.assert_json(server.do("stop"), 200, '{"stopping": true}')
        server.finish(0)

    def test_websockets_are_told(self):
        for mode in ("ws=worker", "ws=events"):
            server = self.serve(mode)
            sockets = [WebSocket(server.port) for _ in range(3)]
            server.signal()
            for ws in sockets:
                self.assertEqual(ws.read_close()[0], 1001)
                ws.try_send(frame(CLOSE, struct.pack(">H", 1001)))
                self.assertTrue(ws.ends())
                ws.close()
            server.finish(0)

    def test_websocket_that_does_not_answer(self):
        server = self.serve("drain_timeout_ms=400")
        with WebSocket(server.port) as ws:
            server.signal()
            self.assertEqual(ws.read_close()[0], 1001)
            server.finish(0)

    def test_tasks_are_waited_for(self):
        server = self.serve("drain_timeout_ms=20000")
        opener = self.connect(server)
        self.assertEqual(opener.invoke({"do": "task_run", "gate": "task"}).status, 200)
        server.wait_at_gate("task", 1)
        request = post({"do": "open", "gate": "task"})
        opener.send(request[:-1])
        server.request("GET", "/ping")
        server.signal()
        wait_until(lambda: refused(server.port), "the drain")
        self.assertTrue(server.running())
        opener.send(request[-1:])
        self.assertEqual(opener.read_response().status, 200)
        server.finish(0)

    def test_deferred_replies_are_waited_for(self):
        server = self.serve("loops=1")
        c, opener = self.connect(server), self.connect(server)
        c.send(post({"do": "defer", "gate": "d", "value": "kept"}))
        server.wait_at_gate("d", 1)
        request = post({"do": "open", "gate": "d"})
        opener.send(request[:-1])
        server.request("GET", "/ping")
        server.signal()
        wait_until(lambda: refused(server.port), "the drain")
        opener.send(request[-1:])
        self.assertEqual(c.read_response().text, '"kept"')
        server.finish(0)

    def test_clients_in_all_states(self):
        server = self.serve("drain_timeout_ms=500")
        parts = (b"", b"GET /pi", b"POST /invocations HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n[",
                 post({"do": "stream", "count": 10**9}), post([1]))
        for part in parts:
            self.connect(server).send(part)
        server.request("GET", "/ping")
        server.signal()
        server.finish(0)


class Starting(TestCase):
    def test_port_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            program = Program(build_path("tests", "contract_agent"), port)
            program.finish(code=1)
        self.assertIn(str(port), program.stderr())
        self.assertIn("in use", program.stderr())
        self.assertEqual(len(program.stderr().strip().splitlines()), 1, program.stderr())

    def test_two_servers_do_not_share_a_port(self):
        server = self.serve()
        other = Program(build_path("tests", "contract_agent"), server.port)
        other.finish(code=1)
        self.assertIn(str(server.port), other.stderr())
        self.assert_alive(server)

    def test_port_is_free_again_at_once(self):
        port = 0
        for _ in range(3):
            server = self.serve(port=port)
            port = port or server.port
            self.assertEqual(server.port, port)
            c = self.connect(server)
            self.assertEqual(c.invoke({}).status, 200)
            server.stop()

    def test_no_handler_at_all(self):
        program = Program(build_path("tests", "contract_agent"), 0, "entrypoint=0", "ws=none")
        program.finish(code=1)
        self.assertTrue(program.stderr().strip())

    def test_on_start_fails(self):
        program = Program(build_path("tests", "contract_agent"), 0, "start=fail")
        program.finish(code=1)
        self.assertTrue(program.stderr().strip())
        self.assertNotIn(b"listening", program.output)

    def test_start_is_quick(self):
        times = []
        for _ in range(5):
            start = time.monotonic()
            server = self.serve()
            self.assertEqual(server.request("GET", "/ping").status, 200)
            times.append(time.monotonic() - start)
            quick = not server.sanitized()
            server.stop()
        if quick:
            self.assertLess(min(times), 5)


class Ending(TestCase):
    def test_killed_during_a_stream(self):
        """The client sees the break: a chunked body without its end."""
        server = self.serve()
        c = self.connect(server)
        c.send(post({"do": "stream", "count": 10**9}))
        c.read_head()
        server.process.kill()
        self.assertFalse(c.read_to_end().endswith(b"0\r\n\r\n"))
        server.finish(code=-signal.SIGKILL)

    def test_descriptors_come_back(self):
        server = self.serve("loops=1")  # a loop takes a spare descriptor with its first connection
        server.request("GET", "/ping")
        self.assertEqual(server.do("stream").status, 200)
        before = server.settled_descriptors()
        for _ in range(20):
            server.invoke({})
            server.do("stream", count=100)
            server.do("fail", message="x")
            WebSocket(server.port).close()
        wait_until(lambda: server.descriptors() <= before, "the descriptors")

    def test_broken_standard_error_does_not_stop_it(self):
        # A reader of the log that has gone away.
        process = subprocess.Popen([build_path("tests", "contract_agent"), "0"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        try:
            port = int(process.stdout.readline().split()[1])
            process.stderr.close()
            for _ in range(20):
                with Conn(port) as c:
                    self.assertEqual(c.invoke({"do": "log", "message": "nobody reads this"}).status, 200)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(DEADLINE), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_stuck_standard_error_does_not_stop_it(self):
        process = subprocess.Popen([build_path("tests", "contract_agent"), "0"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        try:
            port = int(process.stdout.readline().split()[1])
            with Conn(port) as c:
                for _ in range(3000):  # far more than a pipe holds
                    self.assertEqual(c.invoke({"do": "log", "message": "x" * 200}).status, 200)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(DEADLINE), 0)
            for line in process.stderr.read().splitlines():
                json.loads(line)  # whole lines only
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()


if __name__ == "__main__":
    unittest.main()
