"""WebSocket: RFC 6455 and permessage-deflate (RFC 7692) from raw frames, blocking handlers and events."""

import asyncio
import json
import os
import struct
import time
import unittest

from harness import REQUEST_ID, SESSION, TestCase, wait_until
from wsclient import (BINARY, CLOSE, CONTINUATION, DEFLATE, PING, PONG, TEXT, WebSocket, close_code, deflate, frame,
                      inflate)

try:
    import websockets
except ImportError:
    websockets = None


class WebSocketCase(TestCase):
    def open(self, server, headers=None, extensions=None, **options):
        ws = WebSocket(server.port, headers, extensions, **options)
        self.addCleanup(ws.close)
        return ws

    def raw(self, server):
        return self.open(server, handshake=False)

    def assert_closed_with(self, ws, code):
        """The server closes with this code, then TCP."""
        got, _ = ws.read_close()
        self.assertEqual(got, code)
        if got != 1005:
            ws.try_send(frame(CLOSE, struct.pack(">H", got)))
        self.assertTrue(ws.ends(), "a frame after the close frame")

    def assert_echo(self, ws, text="still here"):
        ws.text(text)
        self.assertEqual(ws.read_text(), text)


class Handshake(WebSocketCase):
    def test_accepted(self):
        ws = self.open(self.serve())
        self.assertEqual(ws.response.all("Sec-WebSocket-Extensions"), [])
        self.assertEqual(ws.response.all("Sec-WebSocket-Protocol"), [])
        self.assertEqual((ws.response.all("Content-Length"), ws.response.all("Transfer-Encoding")), ([], []))
        self.assert_echo(ws)

    def test_tokens_in_any_case_and_company(self):
        server = self.serve()
        ws = self.raw(server)
        r = ws.handshake(Connection="keep-alive, UPGRADE", Upgrade="WebSocket")
        self.assertEqual(r.status, 101)
        self.assert_echo(ws)

    def test_frames_in_the_same_packet_as_the_request(self):
        ws = self.raw(self.serve())
        ws.send(b"GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n" + frame(TEXT, b"early") + frame(PING, b"p"))
        r = ws.read_response()
        self.assertEqual((r.status, r.header("Sec-WebSocket-Accept")), (101, "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="))
        frames = [ws.read_frame(), ws.read_frame()]
        self.assertEqual(sorted((f.opcode, f.payload) for f in frames), [(TEXT, b"early"), (PONG, b"p")])

    def test_no_handler(self):
        server = self.serve("ws=none")
        self.assertEqual(self.raw(server).handshake().status, 403)
        self.assert_alive(server)

    def test_refused_by_the_handler(self):
        server = self.serve()
        for mode in ("refuse", "close", "fail"):
            self.assertEqual(self.raw(server).handshake({"X-Mode": mode}).status, 403, mode)
        self.assertEqual(server.stats()["websockets_open"], 0)

    def test_other_path(self):
        self.assertIn(self.raw(self.serve()).handshake(path="/other").status, (403, 404))

    def test_wrong_version(self):
        server = self.serve()
        for version in ("12", "14", "x", ""):
            r = self.raw(server).handshake(Sec_WebSocket_Version=version)
            self.assertIn(r.status, (400, 426), version)
            if r.status == 426:
                self.assertEqual(r.header("Sec-WebSocket-Version"), "13")

    def test_not_quite_a_handshake(self):
        server = self.serve()
        for replace in (
            {"Sec_WebSocket_Key": None},
            {"Sec_WebSocket_Key": "short"},
            {"Sec_WebSocket_Key": "AQIDBAUGBwgJCgsMDQ4PEBE="},
            {"Sec_WebSocket_Key": "AQIDBAUGBwgJCgsMDQ4P!!=="},
            {"Sec_WebSocket_Version": None},
            {"Upgrade": None},
            {"Upgrade": "h2c"},
            {"Connection": "keep-alive"},
        ):
            r = self.raw(server).handshake(**replace)
            self.assertTrue(400 <= r.status < 500, (replace, r.status))
        self.assert_alive(server)

    def test_post_is_no_handshake(self):
        ws = self.raw(self.serve())
        ws.send(b"POST /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nContent-Length: 2\r\n\r\n{}")
        self.assertTrue(400 <= ws.read_response().status < 500)

    def test_plain_get(self):
        r = self.serve().request("GET", "/ws")
        self.assertTrue(400 <= r.status < 500, r)

    def test_subprotocol(self):
        server = self.serve()
        offer = {"X-Mode": "protocol", "Sec-WebSocket-Protocol": "a, chat ,b"}
        ws = self.open(server, {**offer, "X-Protocol": "chat"})
        self.assertEqual(ws.response.all("Sec-WebSocket-Protocol"), ["chat"])
        self.assert_echo(ws)
        r = self.raw(server).handshake({**offer, "X-Protocol": "cha"})
        self.assertEqual(r.status, 403, "a subprotocol that was not offered")

    def test_use_before_accept(self):
        ws = self.open(self.serve("ws=early"))
        self.assertEqual(json.loads(ws.read_text()),
                         {"receive": "AC_ERR_STATE", "send": "AC_ERR_STATE", "protocol": "AC_ERR_INVALID"})
        self.assert_closed_with(ws, 1000)

    def test_context(self):
        ws = self.open(self.serve(), {SESSION: "s-ws", REQUEST_ID: "r-ws", "X-Mine": "1"})
        ws.text("!context")
        got = json.loads(ws.read_text())
        self.assertEqual((got["session_id"], got["request_id"]), ("s-ws", "r-ws"))
        self.assertEqual({n.lower(): v for n, v in got["headers"].items()}, {"x-mine": "1"})
        ws.text("!header sec-websocket-VERSION")
        self.assertEqual(json.loads(ws.read_text()), {"header": "13"})


class Frames(WebSocketCase):
    def test_all_lengths(self):
        ws = self.open(self.serve())
        for size in (0, 1, 2, 3, 4, 124, 125, 126, 127, 128, 65535, 65536, 65537, 1_000_000):
            ws.binary(data := os.urandom(size))
            self.assertEqual(ws.read_message(), (BINARY, data), size)
            ws.text("t" * size)
            self.assertEqual(ws.read_message(), (TEXT, b"t" * size), size)

    def test_many_small_ones_in_one_packet(self):
        ws = self.open(self.serve())
        ws.send(b"".join(frame(TEXT, b"%d" % i) for i in range(500)))
        self.assertEqual([ws.read_text() for _ in range(500)], [str(i) for i in range(500)])

    def test_byte_by_byte(self):
        ws = self.open(self.serve())
        for byte in frame(TEXT, "h\u00e9llo".encode()) + frame(BINARY, b"b" * 130):
            ws.send(bytes([byte]))
        self.assertEqual(ws.read_text(), "h\u00e9llo")
        self.assertEqual(ws.read_message(), (BINARY, b"b" * 130))

    def test_fragments_with_control_frames_between(self):
        ws = self.open(self.serve())
        ws.send(frame(TEXT, b"one ", fin=False) + frame(PING, b"ping") + frame(CONTINUATION, b"", fin=False)
                + frame(PONG, b"unasked") + frame(CONTINUATION, b"two", fin=True))
        pong = ws.read_frame()
        self.assertEqual((pong.opcode, pong.payload), (PONG, b"ping"))
        self.assertEqual(ws.read_text(), "one two")

    def test_character_split_between_fragments(self):
        ws = self.open(self.serve())
        raw = "\U0001f600".encode()
        ws.send(b"".join(frame(TEXT if i == 0 else CONTINUATION, raw[i:i + 1], fin=i == 3) for i in range(4)))
        self.assertEqual(ws.read_text(), "\U0001f600")

    def test_a_thousand_fragments(self):
        ws = self.open(self.serve())
        ws.send(b"".join(frame(BINARY if i == 0 else CONTINUATION, b"%04d" % i, fin=i == 999) for i in range(1000)))
        self.assertEqual(ws.read_message()[1], b"".join(b"%04d" % i for i in range(1000)))

    def test_pings(self):
        ws = self.open(self.serve())
        for payload in (b"", b"a", b"\xff" * 125):
            ws.send_frame(PING, payload)
            f = ws.read_frame()
            self.assertEqual((f.opcode, f.payload, f.fin), (PONG, payload, True))

    def test_answers_are_not_fragmented_into_nonsense(self):
        ws = self.open(self.serve())
        ws.text("!big 3000000")
        self.assertEqual(ws.read_message(), (TEXT, b"x" * 3_000_000))


class Violations(WebSocketCase):
    def check(self, code, *data):
        server = self.server = getattr(self, "server", None) or self.serve()
        for raw in data:
            with self.subTest(raw[:40]):
                ws = self.open(server)
                ws.try_send(raw + frame(TEXT, b"after"))
                self.assert_closed_with(ws, code)
        self.assert_alive(server)

    def test_masks_are_required(self):
        self.check(1002, frame(TEXT, b"bare", mask=False), frame(PING, b"", mask=False),
                   frame(CLOSE, b"\x03\xe8", mask=False))

    def test_reserved(self):
        self.check(1002, *[frame(op, b"") for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)])
        self.check(1002, *[frame(TEXT, b"x", rsv=rsv) for rsv in range(1, 8)])
        self.check(1002, frame(PING, b"x", rsv=4), frame(CLOSE, b"", rsv=1))

    def test_control_frames(self):
        self.check(1002, frame(PING, b"x" * 126), frame(PONG, b"x" * 126), frame(PING, b"x", fin=False),
                   frame(CLOSE, b"\x03\xe8", fin=False), frame(CLOSE, b"\x03\xe8" + b"x" * 124))

    def test_fragment_order(self):
        self.check(1002, frame(CONTINUATION, b"x"), frame(CONTINUATION, b"x", fin=False),
                   frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
                   frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"))

    def test_lengths(self):
        self.check(1002, frame(TEXT, b"x" * 10, length_form=16), frame(TEXT, b"x" * 10, length_form=64),
                   frame(BINARY, b"x" * 60000, length_form=64), b"\x82\xff\x80" + b"\0" * 7 + b"mask")

    def test_bad_utf8(self):
        cases = [b"\xff", b"a\xc3(", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xf0\x80\x80\x80", b"ab\xe2\x82"]
        self.check(1007, *[frame(TEXT, c) for c in cases])
        self.check(1007, frame(TEXT, b"\xe2\x82", fin=False) + frame(CONTINUATION, b"a"))

    def test_bad_utf8_is_noticed_early(self):
        ws = self.open(self.serve())
        ws.send(frame(TEXT, b"abc\xff", fin=False))
        self.assert_closed_with(ws, 1007)

    def test_binary_may_be_anything(self):
        ws = self.open(self.serve())
        ws.binary(b"\xff\xfe\0")
        self.assertEqual(ws.read_message(), (BINARY, b"\xff\xfe\0"))

    def test_compressed_without_negotiation(self):
        self.check(1002, frame(TEXT, deflate(b"hello"), rsv=4))

    def test_too_big(self):
        server = self.serve("websocket_message_bytes_max=1000")
        ws = self.open(server)
        ws.binary(b"x" * 1000)
        self.assertEqual(len(ws.read_message()[1]), 1000)
        for raw in (frame(BINARY, b"x" * 1001), b"\x82\xfe\x27\x10mask", b"\x82\xff\x7f" + b"\xff" * 7 + b"mask",
                    frame(BINARY, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 600)):
            ws = self.open(server)
            ws.try_send(raw)
            self.assert_closed_with(ws, 1009)
        self.assert_alive(server)


class Closing(WebSocketCase):
    def test_echoes_the_code(self):
        server = self.serve()
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
            ws = self.open(server)
            ws.send_close(code, b"because")
            self.assertEqual(ws.read_close()[0], code)
            self.assertTrue(ws.ends())
            server.wait_stat("websocket_code", code)

    def test_without_code(self):
        server = self.serve()
        ws = self.open(server)
        ws.send_close(None)
        self.assertIn(ws.read_close()[0], (1000, 1005))
        self.assertTrue(ws.ends())
        server.wait_stat("websocket_code", 1005)

    def test_codes_that_may_not_be_sent(self):
        server = self.serve()
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
            ws = self.open(server)
            ws.send_frame(CLOSE, struct.pack(">H", code))
            with self.subTest(code):
                self.assertEqual(ws.read_close()[0], 1002)
                self.assertTrue(ws.ends())

    def test_bad_close_payloads(self):
        server = self.serve()
        for payload, code in ((b"\x03", 1002), (b"\x03\xe8\xff", 1007)):
            ws = self.open(server)
            ws.send_frame(CLOSE, payload)
            self.assertEqual(ws.read_close()[0], code)
            self.assertTrue(ws.ends())

    def test_nothing_is_read_after_close(self):
        server = self.serve()
        ws = self.open(server)
        ws.send(frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"late") + frame(PING, b"late"))
        self.assertEqual(ws.read_close()[0], 1000)
        self.assertTrue(ws.ends())

    def test_server_closes(self):
        server = self.serve()
        ws = self.open(server)
        ws.text("!close 4001 go away")
        self.assertEqual(ws.read_close(), (4001, "go away"))
        ws.send_close(4001)
        self.assertTrue(ws.ends())
        ws = self.open(server)
        ws.text("!close 0")
        self.assertEqual(ws.read_close()[0], 1000)
        for bad in ("999", "1005", "1006", "5000"):
            ws = self.open(server)
            ws.text("!close " + bad)
            self.assertEqual(json.loads(ws.read_text()), {"status": "AC_ERR_INVALID"}, bad)

    def test_return_and_failure(self):
        server = self.serve()
        ws = self.open(server)
        ws.text("!return")
        self.assert_closed_with(ws, 1000)
        ws = self.open(server)
        ws.text("!fail")
        self.assert_closed_with(ws, 1011)
        self.assertTrue([x for x in server.log_lines() if x["level"] == "ERROR"])

    def test_client_vanishes(self):
        server = self.serve()
        for way in ("close", "reset", "half_close"):
            before = server.stats()["websockets_closed"]
            ws = self.open(server)
            self.assert_echo(ws)
            getattr(ws, way)()
            server.wait_stat("websockets_closed", before + 1)
            self.assertEqual(server.stats()["websocket_code"], 1006)

    def test_messages_before_the_close_are_delivered(self):
        server = self.serve()
        ws = self.open(server)
        ws.send(b"".join(frame(TEXT, b"%d" % i) for i in range(20)))
        ws.send_close()
        got = []
        while (f := ws.read_frame()).opcode != CLOSE:
            got.append(f.payload)
        self.assertEqual(close_code(f), 1000)
        server.wait_stat("websockets_open", 0)


class Handlers(WebSocketCase):
    def test_json(self):
        ws = self.open(self.serve())
        ws.text("!json")
        ws.text('{"a":[1,"\\u00e9"]}')
        self.assertEqual(ws.read_text(), '{"got": {"a": [1, "\u00e9"]}}')
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
        ws = self.open(server)
        start = time.monotonic()
        self.assertEqual(ws.read_frame().opcode, PING)
        self.assertEqual(ws.read_close()[0], 1011)
        self.assertGreater(time.monotonic() - start, 0.2)
        server.wait_stat("websockets_open", 0)

    def test_idle_time_outs_of_http_do_not_apply(self):
        ws = self.open(self.serve("idle_timeout_ms=100", "header_timeout_ms=100", "body_timeout_ms=100"))
        self.assertFalse(ws.readable(0.4))
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
        ws.send(frame(TEXT, data[:7], fin=False, rsv=4) + frame(PING, b"mid") + frame(CONTINUATION, data[7:8], fin=False)
                + frame(CONTINUATION, data[8:], fin=True))
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
            with self.assertRaises(websockets.InvalidStatusCode) as caught:
                await websockets.connect(f"ws://127.0.0.1:{server.port}/ws")
            self.assertEqual(caught.exception.status_code, 403)

        asyncio.run(refused())


if __name__ == "__main__":
    unittest.main()
