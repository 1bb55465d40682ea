"""A small WebSocket client that can also do everything wrong (RFC 6455, RFC 7692), for the tests."""

import base64
import hashlib
import os
import struct
import zlib

from harness import Closed, Conn, TestCase

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
DEFLATE = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"


def accept_for(key):
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return base64.b64encode(digest).decode()


def frame(opcode, payload=b"", fin=True, mask=True, rsv=0, length_form=None):
    """The bytes of one frame.  length_form forces 7, 16 or 64 bits of length."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size = len(payload)
    form = length_form or (7 if size < 126 else 16 if size < 65536 else 64)
    bit = 0x80 if mask else 0
    if form == 7:
        head = struct.pack(">BB", first, bit | size)
    elif form == 16:
        head = struct.pack(">BBH", first, bit | 126, size)
    else:
        head = struct.pack(">BBQ", first, bit | 127, size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + apply_mask(payload, key)


def apply_mask(payload, key):
    size = len(payload)
    pattern = int.from_bytes(key * (size // 4 + 1), "big") >> (8 * (4 - size % 4)) if size else 0
    return (int.from_bytes(payload, "big") ^ pattern).to_bytes(size, "big") if size else b""


def deflate(payload, level=6):
    """A message as permessage-deflate sends it: raw deflate, sync flush, without its last four bytes."""
    z = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (z.compress(payload) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflate(payload):
    return zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")


class Frame:
    def __init__(self, fin, rsv, opcode, payload):
        self.fin, self.rsv, self.opcode, self.payload = fin, rsv, opcode, payload

    def __repr__(self):
        return f"<Frame fin={self.fin} rsv={self.rsv} opcode={self.opcode} {self.payload[:100]!r}>"


class WebSocket(Conn):
    """A connection that was upgraded."""

    def __init__(self, port, headers=None, extensions=None, path="/ws", handshake=True, **options):
        super().__init__(port, **options)
        if handshake:
            try:
                self.response = self.handshake(headers, extensions, path)
                if self.response.status != 101:
                    raise AssertionError(f"not accepted: {self.response}")
            except BaseException:
                self.close()
                raise

    def handshake(self, headers=None, extensions=None, path="/ws", key=None, **replace):
        """Send the upgrade request and return the answer.  replace: other values for the standard headers by name with
        underscores; None leaves one out."""
        key = key or base64.b64encode(os.urandom(16)).decode()
        standard = {
            "Host": "test",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            **{name.replace("_", "-"): value for name, value in replace.items()},
        }
        if extensions:
            standard["Sec-WebSocket-Extensions"] = extensions
        lines = [f"{n}: {v}\r\n" for n, v in standard.items() if v is not None]
        lines += [f"{n}: {v}\r\n" for n, v in (headers or {}).items()]
        self.send(f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n")
        response = self.read_response()
        if response.status == 101:
            got = [response.all(n) for n in ("Upgrade", "Connection", "Sec-WebSocket-Accept")]
            if [got[0][0].lower(), got[1][0].lower(), *got[2]] != ["websocket", "upgrade", accept_for(key)]:
                raise AssertionError(f"bad 101: {response}")
        return response

    def send_frame(self, *args, **kwargs):
        self.send(frame(*args, **kwargs))

    def text(self, text):
        self.send_frame(TEXT, text.encode())

    def binary(self, data):
        self.send_frame(BINARY, data)

    def read_frame(self):
        first, second = self.read_exactly(2)
        if second & 0x80:
            raise AssertionError("a server must not mask")
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.read_exactly(2))[0]
            if size < 126:
                raise AssertionError("length not in its shortest form")
        elif size == 127:
            size = struct.unpack(">Q", self.read_exactly(8))[0]
            if size < 65536:
                raise AssertionError("length not in its shortest form")
        return Frame(bool(first & 0x80), first >> 4 & 7, first & 15, self.read_exactly(size))

    def read_message(self):
        """The next text or binary message as (opcode, bytes); pings are answered on the way."""
        opcode, payload, compressed = None, b"", False
        while True:
            f = self.read_frame()
            if f.opcode == PING:
                self.send_frame(PONG, f.payload)
                continue
            if f.opcode == PONG:
                continue
            if f.opcode == CLOSE:
                raise Closed(f"closed with {close_code(f)}")
            if opcode is None:
                opcode, compressed = f.opcode, f.rsv == 4
            payload += f.payload
            if f.fin:
                return opcode, inflate(payload) if compressed else payload

    def read_text(self):
        opcode, payload = self.read_message()
        if opcode != TEXT:
            raise AssertionError(f"expected text, got opcode {opcode}")
        return payload.decode()

    def read_close(self):
        """Skip to the close frame and return (code, reason)."""
        while True:
            f = self.read_frame()
            if f.opcode == CLOSE:
                return close_code(f), f.payload[2:].decode()

    def send_close(self, code=1000, reason=b""):
        self.send_frame(CLOSE, struct.pack(">H", code) + reason if code else b"")

    def ends(self):
        """Whether the server closes TCP without sending another frame."""
        return self.read_to_end() == b""


def close_code(f):
    return struct.unpack(">H", f.payload[:2])[0] if f.payload else 1005


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
