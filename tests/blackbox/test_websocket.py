"""WebSocket, the protocol: RFC 6455 from raw frames, right ones and wrong ones."""

import json
import os
import struct
import unittest

from harness import REQUEST_ID, SESSION
from wsclient import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocketCase, close_code, deflate, frame

UPGRADE = (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n")


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

    def test_lines_that_a_library_and_its_caller_both_write(self):
        """As when the headers that the Python SDK makes are given to a WebSocket library: its own come first."""
        ws = self.raw(self.serve())
        theirs = {"host": "test", "upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13",
                  "sec-websocket-key": "AQIDBAUGBwgJCgsMDQ4PEA=="}
        self.assertEqual(ws.handshake(theirs).status, 101)
        self.assert_echo(ws)
        self.assertEqual(self.raw(self.serve()).handshake({"host": "other"}).status, 400)

    def test_frames_in_the_same_packet_as_the_request(self):
        ws = self.raw(self.serve())
        ws.send(b"GET /ws HTTP/1.1\r\nHost: t\r\n" + UPGRADE + b"\r\n" + frame(TEXT, b"early") + frame(PING, b"p"))
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
        ws.send(b"POST /ws HTTP/1.1\r\nHost: t\r\n" + UPGRADE + b"Content-Length: 2\r\n\r\n{}")
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
        cases = [b"\xff",
                 b"a\xc3(", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xf0\x80\x80\x80", b"\xe2\x82"]
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


if __name__ == "__main__":
    unittest.main()
