#!/usr/bin/python3
"""Talk to a WebSocket echo server with the Python library `websockets` (10.4, 15.0) and check every answer.

usage: ws_python_peer.py ws://127.0.0.1:PORT/ws [--max-bytes N]

The server sends every message back, text as text and binary as binary, answers pings, and lets messages of 1 MiB pass.
With --max-bytes, a message one byte larger than N must be refused with close code 1009.
Prints a line per check; exits 0 when all of them hold, 1 otherwise."""

import argparse
import asyncio
import os
import random
import sys

import websockets
from websockets.extensions import permessage_deflate

SIZES = [0, 1, 125, 126, 127, 255, 256, 4096, 65535, 65536, 1 << 20]
TIMEOUT_S = 20


def deflate(**options):
    return [permessage_deflate.ClientPerMessageDeflateFactory(**options)]


# name, what is given to connect(), whether the server has to agree to compress
MODES = [
    ("plain", {"compression": None}, False),
    ("deflate", {"compression": "deflate"}, True),
    ("deflate window 9", {"compression": None, "extensions": deflate(server_max_window_bits=9)}, True),
    (
        "deflate no context",
        {
            "compression": None,
            "extensions": deflate(server_no_context_takeover=True, client_no_context_takeover=True),
        },
        True,
    ),
]


def texts(size):
    """A text that compresses well and one that does not, of `size` bytes in UTF-8."""
    smooth = ("Grüße, 世界 😀 " * (size // 20 + 1)).encode()[:size].decode(errors="ignore")
    rough = "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size))
    return [smooth + "." * (size - len(smooth.encode())), rough]


class Checks:
    def __init__(self, url):
        self.url = url
        self.failed = 0

    async def run(self, name, check):
        try:
            await asyncio.wait_for(check, TIMEOUT_S)
            print(f"ok   {name}", flush=True)
        except Exception as error:  # every failure is a line, whatever it was
            self.failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)

    def connect(self, **options):
        return websockets.connect(self.url, max_size=None, ping_interval=None, **options)


async def echo(ws, message):
    await ws.send(message)
    answer = await ws.recv()
    assert type(answer) is type(message), f"sent {type(message).__name__}, got {type(answer).__name__}"
    assert answer == message, f"{len(message)} sent, {len(answer)} came back or differ"


async def check_agreed(checks, options, compressed):
    async with checks.connect(**options) as ws:
        extensions = [e.name for e in getattr(ws, "protocol", ws).extensions]
        assert ("permessage-deflate" in extensions) == compressed, f"extensions: {extensions}"


async def check_sizes(checks, options, size):
    async with checks.connect(**options) as ws:
        for text in texts(size):
            await echo(ws, text)
        await echo(ws, random.randbytes(size))
        await echo(ws, bytes(size))


async def check_fragments(checks, options):
    async with checks.connect(**options) as ws:
        for parts in (["a", "", "bé", "😀" * 300], ["x" * 70000, "y" * 70000], ["", ""]):
            await ws.send(parts)
            answer = await ws.recv()
            assert answer == "".join(parts)
        binary = [random.randbytes(n) for n in (1, 0, 126, 65536)]
        await ws.send(binary)
        assert await ws.recv() == b"".join(binary)


async def check_pings(checks, options):
    async with checks.connect(**options) as ws:
        for payload in (b"", b"p", bytes(125)):
            await (await ws.ping(payload))
        await ws.pong(b"nobody asked")
        await echo(ws, "after the pong")

        async def parts():
            yield "first "
            await (await ws.ping(b"between fragments"))
            yield "second"

        await ws.send(parts())
        assert await ws.recv() == "first second"


async def check_many(checks, options):
    async with checks.connect(**options) as ws:
        messages = [random.randbytes(random.randrange(600)) for _ in range(200)]

        async def send_all():
            for message in messages:
                await ws.send(message)

        sending = asyncio.ensure_future(send_all())
        for message in messages:
            assert await ws.recv() == message
        await sending


async def check_close(checks, code, reason):
    async with checks.connect() as ws:
        await echo(ws, "still here")
        await ws.close(code, reason)
        assert ws.close_code == code, f"close code {ws.close_code}"


async def refused(ws, code):
    try:
        await ws.recv()
    except websockets.ConnectionClosed:
        assert ws.close_code == code, f"close code {ws.close_code}, not {code}"
        return
    raise AssertionError("the server answered")


async def check_raw(checks, data, code):
    """Bytes that break the protocol are answered with a close frame."""
    async with checks.connect(compression=None) as ws:
        ws.transport.write(data)
        await refused(ws, code)


async def check_too_big(checks, options, limit):
    async with checks.connect(**options) as ws:
        try:
            await ws.send(bytes(limit + 1))
        except websockets.ConnectionClosed:
            pass
        await refused(ws, 1009)


# Client frames with a mask of zeros.
BROKEN = [
    ("reserved bit", b"\xa1\x80\0\0\0\0", 1002),
    ("unknown opcode", b"\x83\x80\0\0\0\0", 1002),
    ("no mask", b"\x81\x01x", 1002),
    ("continuation of nothing", b"\x80\x80\0\0\0\0", 1002),
    ("message inside a message", b"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b", 1002),
    ("fragmented ping", b"\x09\x80\0\0\0\0", 1002),
    ("long ping", b"\x89\xfe\x00\x7e\0\0\0\0" + bytes(126), 1002),
    ("text that is not UTF-8", b"\x81\x82\0\0\0\0\xc3\x28", 1007),
    ("bad close code", b"\x88\x82\0\0\0\0\x03\xed", 1002),
]


async def main(url, max_bytes):
    random.seed(6455)
    checks = Checks(url)
    for name, options, compressed in MODES:
        await checks.run(f"{name}: extension", check_agreed(checks, options, compressed))
        for size in SIZES:
            await checks.run(f"{name}: {size} bytes", check_sizes(checks, options, size))
        await checks.run(f"{name}: fragments", check_fragments(checks, options))
        await checks.run(f"{name}: pings", check_pings(checks, options))
        await checks.run(f"{name}: 200 messages", check_many(checks, options))
        if max_bytes:
            await checks.run(f"{name}: too big", check_too_big(checks, options, max_bytes))
    for code, reason in ((1000, ""), (1001, "going"), (1008, "é" * 61), (3000, "bye"), (4999, "x" * 123)):
        await checks.run(f"close {code}", check_close(checks, code, reason))
    for name, data, code in BROKEN:
        await checks.run(f"broken: {name}", check_raw(checks, data, code))
    print(f"{checks.failed} failed" if checks.failed else "all checks passed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    os.environ.pop("http_proxy", None)
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--max-bytes", type=int, default=0)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.url, arguments.max_bytes)))
