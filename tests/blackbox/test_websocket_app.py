"""WebSocket, the application's side: blocking handlers and events, keep-alive, permessage-deflate (RFC 7692)."""

import asyncio
import json
import os
import time
import unittest

from harness import SESSION, wait_until
from wsclient import BINARY, CONTINUATION, DEFLATE, PING, PONG, TEXT, WebSocketCase, deflate, frame, inflate

try:
    import websockets
except ImportError:
    websockets = None


class Handlers(WebSocketCase):
    def test_json(self):
        ws = self.open(self.serve())
        ws.text("!json")
        ws.text('{"a":[1,"\\u00e9"]}')
        self.assertEqual(ws.read_text(), '{"got":{"a":[1,"\u00e9"]}}')
        ws.text("!json")
        ws.text("{nope")
        self.assertEqual(json.loads(ws.read_text()), {"status": "AC_ERR_PROTOCOL"})
        self.assert_echo(ws)

    def test_receive_time_out(self):
        ws = self.open(self.serve())
        ws.text("!timeout 30")
        self.assertEqual(json.loads(ws.read_text()), {"status": "AC_ERR_TIMEOUT"})
        ws.send(frame(TEXT, b"!timeout 20000") + frame(TEXT, b"in time"))
        self.assertEqual(json.loads(ws.read_text()), {"status": "AC_OK"})

    def test_stream(self):
        ws = self.open(self.serve())
        ws.text("!stream 3000")
        self.assertEqual([json.loads(ws.read_text())["i"] for _ in range(3000)], list(range(3000)))

    def test_accept_twice_and_bad_text(self):
        ws = self.open(self.serve())
        ws.text("!accept")
        self.assertEqual(json.loads(ws.read_text()), {"status": "AC_ERR_STATE"})
        ws.text("!badtext")
        self.assertEqual(json.loads(ws.read_text()), {"status": "AC_ERR_INVALID"})
        ws.text("!code")
        self.assertEqual(json.loads(ws.read_text()), {"code": 0})

    def test_many_connections_at_once(self):
        server = self.serve()
        sockets = [self.open(server) for _ in range(50)]
        for ws in sockets:
            ws.text("!gate all")
        server.wait_at_gate("all", 50)
        server.open_gate("all")
        for ws in sockets:
            self.assertEqual(json.loads(ws.read_text()), {"status": "AC_OK"})
        for i, ws in enumerate(sockets):
            self.assert_echo(ws, f"number {i}")
        self.assertEqual(server.ping()["status"], "Healthy")

    def test_slow_reader_holds_only_itself(self):
        server = self.serve("write_timeout_ms=300")
        slow = self.open(server, receive_buffer=4096)
        slow.text("!stream 100000000")
        self.assert_echo(self.open(server))
        server.wait_stat("websockets_closed", 1)


class KeepAlive(WebSocketCase):
    def test_pings_when_silent(self):
        ws = self.open(self.serve("websocket_ping_interval_ms=100", "websocket_ping_timeout_ms=5000"))
        for _ in range(3):
            f = ws.read_frame()
            self.assertEqual(f.opcode, PING)
            ws.send_frame(PONG, f.payload)
        self.assert_echo_among_pings(ws)

    def assert_echo_among_pings(self, ws):
        ws.text("x")
        self.assertEqual(ws.read_text(), "x")

    def test_no_answer_to_the_ping(self):
        server = self.serve("websocket_ping_interval_ms=100", "websocket_ping_timeout_ms=200")
        start = time.monotonic()
        ws = self.open(server)
        self.assertEqual(ws.read_frame().opcode, PING)
        self.assertEqual(ws.read_close()[0], 1011)
        self.assertGreater(time.monotonic() - start, 0.2)
        server.wait_stat("websockets_open", 0)

    def test_idle_time_outs_of_http_do_not_apply(self):
        ws = self.open(self.serve("idle_timeout_ms=700", "header_timeout_ms=700", "body_timeout_ms=700"))
        self.assertFalse(ws.readable(1.2))
        self.assert_echo(ws)


class Deflate(WebSocketCase):
    LONG = "the same words again and again, " * 200

    def negotiated(self, offer, **options):
        return self.open(self.serve(), extensions=offer, **options)

    def test_both_ways(self):
        ws = self.negotiated(DEFLATE)
        answer = ws.response.header("Sec-WebSocket-Extensions")
        self.assertTrue(answer.startswith("permessage-deflate"))
        self.assertIn("server_no_context_takeover", answer)
        for _ in range(3):  # each message stands alone
            ws.send_frame(TEXT, deflate(self.LONG.encode()), rsv=4)
            f = ws.read_frame()
            self.assertEqual((f.opcode, f.rsv), (TEXT, 4))
            self.assertLess(len(f.payload), len(self.LONG) // 4)
            self.assertEqual(inflate(f.payload).decode(), self.LONG)

    def test_offers(self):
        server = self.serve()
        for offer, accepted in (
            ("permessage-deflate", True),
            ("permessage-deflate; client_max_window_bits", True),
            ("x-other, permessage-deflate; client_max_window_bits; server_max_window_bits=15", True),
            ("permessage-deflate; bogus, permessage-deflate", True),
            ("x-webkit-deflate-frame", False),
            ("permessage-deflate; bogus", False),
            ("permessage-deflate; server_max_window_bits=99", False),
            ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", False),
        ):
            with self.subTest(offer):
                ws = self.open(server, extensions=offer)
                answer = ws.response.header("Sec-WebSocket-Extensions")
                self.assertEqual((answer or "").startswith("permessage-deflate"), accepted, answer)
                self.assert_echo(ws)

    def test_uncompressed_stays_allowed(self):
        ws = self.negotiated(DEFLATE)
        ws.text("plain")
        f = ws.read_frame()
        self.assertEqual(inflate(f.payload) if f.rsv else f.payload, b"plain")

    def test_fragments_of_a_compressed_message(self):
        ws = self.negotiated(DEFLATE)
        data = deflate(self.LONG.encode(), level=9)
        ws.send(frame(TEXT, data[:7], fin=False, rsv=4) + frame(PING, b"mid")
                + frame(CONTINUATION, data[7:8], fin=False) + frame(CONTINUATION, data[8:], fin=True))
        self.assertEqual(ws.read_frame().opcode, PONG)
        self.assertEqual(ws.read_text(), self.LONG)

    def test_stored_blocks_and_emptiness(self):
        ws = self.negotiated(DEFLATE)
        ws.send_frame(BINARY, deflate(b"stored" * 100, level=0), rsv=4)
        self.assertEqual(ws.read_message(), (BINARY, b"stored" * 100))
        ws.send_frame(TEXT, deflate(b""), rsv=4)
        self.assertEqual(ws.read_message(), (TEXT, b""))
        ws.send_frame(TEXT, b"\0", rsv=4)
        self.assertEqual(ws.read_message(), (TEXT, b""))

    def test_violations(self):
        server = self.serve()
        for raw, codes in (
            (frame(CONTINUATION, b"x", rsv=4), (1002,)),
            (frame(TEXT, b"", fin=False, rsv=4) + frame(CONTINUATION, b"", rsv=4), (1002,)),
            (frame(TEXT, b"\xff\xff\xff\xff\xff", rsv=4), (1002, 1007)),
            (frame(TEXT, deflate(b"\xff\xfe"), rsv=4), (1007,)),
            (frame(PING, b"", rsv=4), (1002,)),
        ):
            ws = self.open(server, extensions=DEFLATE)
            ws.try_send(raw)
            self.assertIn(ws.read_close()[0], codes, raw)
        self.assert_alive(server)

    def test_bomb(self):
        server = self.serve("websocket_message_bytes_max=1000000")
        bomb = deflate(b"\0" * 200_000_000, level=9)  # 200 kB
        before = server.rss_kb()
        ws = self.open(server, extensions=DEFLATE)
        ws.try_send(frame(BINARY, bomb, rsv=4))
        self.assert_closed_with(ws, 1009)
        if not server.sanitized():
            self.assertLess(server.rss_kb() - before, 20_000)

    def test_switched_off(self):
        ws = self.open(self.serve("websocket_no_deflate=1"), extensions=DEFLATE)
        self.assertEqual(ws.response.all("Sec-WebSocket-Extensions"), [])
        self.assert_echo(ws, self.LONG)


class Events(WebSocketCase):
    def test_echo_and_greeting(self):
        server = self.serve("ws=events")
        ws = self.open(server, {"X-Greet": "1", SESSION: "ev"})
        self.assertEqual(json.loads(ws.read_text()), {"hello": "ev"})
        ws.send(b"".join(frame(TEXT, b"%d" % i) for i in range(100)))
        self.assertEqual([ws.read_text() for _ in range(100)], [str(i) for i in range(100)])
        ws.binary(b"\0" * 70000)
        self.assertEqual(ws.read_message(), (BINARY, b"\0" * 70000))

    def test_closes_once(self):
        server = self.serve("ws=events")
        ws = self.open(server)
        ws.text("!close 4002 bye")
        self.assertEqual(ws.read_close(), (4002, "bye"))
        ws.send_close(4002)
        self.assertTrue(ws.ends())
        server.wait_stat("websockets_closed", 1)
        ws = self.open(server)
        self.assert_echo(ws)
        ws.reset()
        server.wait_stat("websockets_closed", 2)
        self.assertEqual((server.stats()["websocket_code"], server.stats()["websockets_open"]), (1006, 0))

    def test_no_thread_each(self):
        server = self.serve("ws=events", "loops=1")
        self.assertEqual(server.invoke({}).status, 200)
        threads = server.threads()
        sockets = [self.open(server) for _ in range(300)]
        for i, ws in enumerate(sockets):
            self.assert_echo(ws, str(i))
        self.assertLessEqual(server.threads(), threads + 1)
        for ws in sockets:
            ws.close()
        server.wait_stat("websockets_closed", 300)

    def test_violation(self):
        ws = self.open(self.serve("ws=events"))
        ws.send(frame(TEXT, b"\xff"))
        self.assert_closed_with(ws, 1007)


@unittest.skipIf(websockets is None, "python3-websockets is not installed")
class OtherClient(WebSocketCase):
    """The same server through somebody else's client, which compresses by default."""

    def test_websockets_library(self):
        server = self.serve()

        async def talk():
            async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws", ping_interval=None) as ws:
                for message in ("hello", "", "\U0001f600" * 5000, b"\0\1", b"", os.urandom(200_000), "x" * 1_000_000):
                    await ws.send(message)
                    self.assertEqual(await ws.recv(), message)
                await asyncio.wait_for(await ws.ping(b"data"), 20)
                await ws.send(["frag", "ments", " here"])
                self.assertEqual(await ws.recv(), "fragments here")
                await ws.send("!close 4003 done")
                with self.assertRaises(websockets.ConnectionClosed) as caught:
                    await ws.recv()
                self.assertEqual((caught.exception.rcvd.code, caught.exception.rcvd.reason), (4003, "done"))

        asyncio.run(asyncio.wait_for(talk(), 30))
        wait_until(lambda: server.stats()["websockets_open"] == 0, "the handler to end")

    def test_refusal(self):
        server = self.serve("ws=none")

        async def refused():
            with self.assertRaises(websockets.InvalidHandshake) as caught:
                await websockets.connect(f"ws://127.0.0.1:{server.port}/ws")
            # The package has moved the number with its version 14, which Debian 13 has.
            self.assertEqual(getattr(caught.exception, "response", caught.exception).status_code, 403)

        asyncio.run(refused())


if __name__ == "__main__":
    unittest.main()
