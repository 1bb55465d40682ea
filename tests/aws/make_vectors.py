#!/usr/bin/env python3
"""Computes tests/aws/vectors/*.txt with botocore, which must be importable (pip install botocore):

    python3 tests/aws/make_vectors.py

Values are written with \\xNN for what is not printable ASCII; a vector ends with an empty line."""

import datetime
import pathlib
import struct
import sys
import zlib
from unittest import mock

import botocore.auth
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer

OUT = pathlib.Path(__file__).resolve().parent / "vectors"
KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLXdlc3QtMiJHMEUCIQD+/=="
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
ARN = "arn%3Aaws%3Abedrock-agentcore%3Aus-west-2%3A123456789012%3Aruntime%2Fmy_agent-AbCdEf1234"
JSON = ("Content-Type", "application/json")


def escape(data):
    raw = data.encode() if isinstance(data, str) else bytes(data)
    text = "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in raw)
    if text[:1] == " ":
        text = "\\x20" + text[1:]
    return text[:-1] + "\\x20" if text.endswith(" ") else text


class Case:
    def __init__(self, name, method="GET", path="/", query="", headers=(), body=b"", host="localhost:8080", **more):
        self.name, self.method, self.path, self.query = name, method, path, query
        self.headers, self.body, self.host = list(headers), body, host
        self.token = more.pop("token", None)
        self.region = more.pop("region", "us-west-2")
        self.expires = more.pop("expires", None)
        self.signed_host = more.pop("signed_host", host)
        self.when = more.pop("when", NOW)
        self.secret = more.pop("secret", SECRET)
        self.service = more.pop("service", "bedrock-agentcore")
        assert not more, more

    def request(self):
        scheme = "http" if self.service == "s3" else "https"  # botocore signs S3's bodies only without TLS
        url = f"{scheme}://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")
        request = AWSRequest(method=self.method, url=url, data=self.body)
        request.headers["Host"] = self.signed_host
        for name, value in self.headers:
            request.headers[name] = value
        return request

    def sign(self):
        credentials = Credentials(KEY, self.secret, self.token)
        request = self.request()
        with mock.patch.object(botocore.auth, "get_current_datetime", lambda *a, **k: self.when.replace(tzinfo=None)):
            if self.expires:
                SigV4QueryAuth(credentials, "bedrock-agentcore", self.region, self.expires).add_auth(request)
                return "presigned", request.url.split("?", 1)[1]
            if self.service == "s3":
                S3SigV4Auth(credentials, "s3", self.region).add_auth(request)
                self.headers.append(("X-Amz-Content-SHA256", request.headers["X-Amz-Content-SHA256"]))
                return "authorization", request.headers["Authorization"]
            SigV4Auth(credentials, "bedrock-agentcore", self.region).add_auth(request)
            return "authorization", request.headers["Authorization"]

    def lines(self):
        kind, expected = self.sign()
        yield "case", self.name
        yield "method", self.method
        yield "path", self.path
        if self.query:
            yield "query", self.query
        yield "header", f"Host: {self.host}"
        if self.signed_host != self.host:
            yield "signed-host", self.signed_host
        for name, value in self.headers:
            yield "header", name + ": " + value
        if self.body:
            yield "body", self.body
        yield "secret", self.secret
        if self.token:
            yield "token", self.token
        yield "region", self.region
        if self.service != "bedrock-agentcore":
            yield "service", self.service
        yield "time", str(int(self.when.timestamp()))
        if self.expires:
            yield "expires", str(self.expires)
        yield kind, expected


def paths():
    for name, path in [
        ("root", "/"), ("plain", "/memories/create"), ("trailing-slash", "/runtimes/"),
        ("encoded-arn", f"/runtimes/{ARN}/invocations"), ("encoded-arn-ws", f"/runtimes/{ARN}/ws"),
        ("encoded-arn-lower-hex", f"/runtimes/{ARN.replace('%3A', '%3a').replace('%2F', '%2f')}/invocations"),
        ("arn-with-raw-colons", "/tags/arn:aws:bedrock-agentcore:us-west-2:123456789012:memory/m-0123456789"),
        ("unreserved", "/a-b_c.d~e/F0"), ("encoded-space", "/a%20b"), ("plus", "/a+b"), ("sub-delims", "/!$&'()*,;=@"),
        ("encoded-percent", "/100%25"), ("encoded-utf8", "/%E2%98%83/%C3%A9"), ("raw-utf8", "/\u2603/\u00e9"),
        ("encoded-slash", "/a%2Fb%2F"), ("dot", "/a/./b"), ("dot-dot", "/a/../b"), ("dot-dot-end", "/a/b/.."),
        ("dot-dot-slash-end", "/a/b/../"), ("too-many-dot-dots", "/../../b"), ("double-slash", "/a//b///c"),
        ("all-gone", "/a/.."), ("slashes-only", "///"), ("encoded-dots", "/%2E%2E/a"), ("dots-in-name", "/a..b/...c"),
    ]:
        yield Case("path-" + name, path=path)


def queries():
    for name, query in [
        ("one", "qualifier=DEFAULT"), ("unsorted", "b=2&a=1&c=3"), ("repeated", "tagKeys=b&tagKeys=a&tagKeys=c"),
        ("repeated-unsorted", "z=1&a=2&z=0&a=1"), ("empty-value", "a=&b="), ("no-equals", "flag&a=1"),
        ("only-name", "flag"), ("equals-in-value", "a=b=c&d==e"), ("encoded", "token=a%2Fb%3D%3D&name=x%20y"),
        ("encoded-names", "a%20b=1&a%21=2&a%2F=3"), ("case-of-names", "B=1&a=2&A=3&b=4"),
        ("prefix-names", "ab=1&a=2&a-b=3&a.b=4&a1=5"), ("plus", "a=x+y"), ("utf8", "name=%E2%98%83&na%C3%AFve=1"),
        ("empty-pairs", "a=1&&b=2&"), ("tilde", "a=~&b=-._~"), ("long", "&".join(f"k{i % 17}={i}" for i in range(90))),
        ("arn", "resourceArn=arn%3Aaws%3Abedrock-agentcore%3Aus-west-2%3A1%3Amemory%2Fm&maxResults=10"),
    ]:
        yield Case("query-" + name, query=query)


def headers():
    for name, fields in [
        ("inner-spaces", [("X-Custom", "a   b  c")]), ("outer-spaces", [("X-Custom", "  a b  ")]),
        ("tabs", [("X-Custom", "\ta\t \tb\t")]), ("quoted-spaces", [("X-Custom", '"a   b"')]),
        ("empty", [("X-Custom", "")]), ("only-spaces", [("X-Custom", "   ")]),
        ("repeated", [("X-Custom", "b"), ("X-Other", "o"), ("X-Custom", "a"), ("x-custom", "  c  d ")]),
        ("case", [("ZZ-Top", "1"), ("aa-Bottom", "2"), ("Mm-Mid", "3")]), ("prefix", [("X-A", "1"), ("X-A-B", "2")]),
        ("utf8", [("X-Custom", "caf\u00e9 \u2603")]), ("comma", [("X-Custom", "a, b,c ,d")]),
        ("amz", [("X-Amz-Target", "t"), ("X-Amz-Meta", "m")]),
        ("unsigned", [("User-Agent", "x/1"), ("Connection", "keep-alive"), ("X-Amzn-Trace-Id", "Root=1"),
                      ("Expect", "100-continue"), ("traceparent", "00-1"), ("Transfer-Encoding", "identity")]),
        ("session", [("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", "0" * 33), ("amz-sdk-request", "attempt=1")]),
    ]:
        yield Case("header-" + name, headers=fields)


def bodies():
    yield Case("body-empty-post", "POST", "/memories/create", headers=[JSON])
    yield Case("body-json", "POST", "/memories/create", headers=[JSON], body=b'{"name":"m"}')
    binary = [("Content-Type", "application/octet-stream")]
    yield Case("body-binary", "POST", "/x", headers=binary, body=bytes(range(256)))
    yield Case("body-utf8", "PUT", "/x", headers=[JSON], body='{"name":"\u2603"}'.encode())
    yield Case("body-long", "POST", "/x", body=b"0123456789abcdef" * 200)
    yield Case("body-hash-stated", "POST", "/x", body=b"abc", headers=[
        ("X-Amz-Content-SHA256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")])
    yield Case("body-unsigned", "POST", "/x", body=b"abc", headers=[("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")])
    yield Case("body-delete", "DELETE", "/memories/m-1/delete", query="clientToken=" + "t" * 36)


def hosts():
    for name, host, signed in [
        ("aws", "bedrock-agentcore.us-west-2.amazonaws.com", None), ("port", "127.0.0.1:9001", None),
        ("ipv6", "[::1]", None), ("ipv6-port", "[::1]:8080", None), ("port-unsigned", "localhost:8080", "localhost"),
        ("default-port-signed", "localhost", "localhost:443"), ("http-port-signed", "localhost", "localhost:80"),
        ("ipv6-port-unsigned", "[::1]:8080", "[::1]"),
    ]:
        yield Case("host-" + name, path=f"/runtimes/{ARN}/ws", host=host, signed_host=signed or host)


def others():
    yield Case("token", "POST", "/memories/create", headers=[JSON], body=b"{}", token=TOKEN)
    yield Case("token-and-arn", "POST", f"/runtimes/{ARN}/invocations", "qualifier=prod", [JSON], b"{}", token=TOKEN)
    yield Case("region", region="us-gov-west-1")
    yield Case("secret-long", secret="s" * 128)
    yield Case("leap-day", when=datetime.datetime(2028, 2, 29, 23, 59, 59, tzinfo=datetime.timezone.utc))
    yield Case("year-begin", when=datetime.datetime(2027, 1, 1, 0, 0, 0, tzinfo=datetime.timezone.utc))


def presigned():
    ws = f"/runtimes/{ARN}/ws"
    yield Case("presign-plain", path=ws, expires=300)
    yield Case("presign-query", path=ws, query="qualifier=DEFAULT&b=2&a=1", expires=300)
    yield Case("presign-token", path=ws, token=TOKEN, expires=60)
    yield Case("presign-session", path=ws, expires=300, token=TOKEN,
               query="qualifier=DEFAULT&X-Amzn-Bedrock-AgentCore-Runtime-Session-Id=" + "s" * 36)
    yield Case("presign-encoded", path="/x", query="name=a%2Fb+c%20d&e=%E2%98%83&f=%7E", expires=1)
    yield Case("presign-empty-value", path="/x", query="a=&b=1", expires=604800)
    yield Case("presign-headers", path="/x", headers=[("X-Custom", "a  b"), ("X-Amz-Meta", "m")], expires=300)
    yield Case("presign-host-without-port", path=ws, signed_host="localhost", expires=300)
    yield Case("presign-dots", path="/a/../b//c", expires=300)


def s3():
    """Paths as they are on the wire, neither normalised nor encoded again."""
    for name, path in [
        ("plain", "/agents/agent.zip"), ("root", "/"), ("encoded", "/my%20agents/caf%C3%A9%2Bx%3D1.zip"),
        ("colon", "/a%3Ab"), ("dots", "/a/../b/./c"), ("slashes", "//a///b/"), ("tilde", "/~a-b_c.d"),
        ("dot-dot-end", "/a/.."),
    ]:
        yield Case("s3-" + name, path=path, host="bucket.s3.eu-west-1.amazonaws.com", region="eu-west-1", service="s3")
    yield Case("s3-version", path="/bucket/agent.zip", query="versionId=3sL4kqtJlcpXroDTDmJ-rmSpXd3dIbrHY",
               service="s3")
    yield Case("s3-token", path="/bucket/agent.zip", token=TOKEN, service="s3")
    yield Case("s3-body", "PUT", "/bucket/agent%20x.zip", body=b"PK", service="s3")


def write_sigv4():
    cases = [c for make in (paths, queries, headers, bodies, hosts, others, presigned, s3) for c in make()]
    text = "\n".join("".join(f"{key} {escape(value)}".rstrip() + "\n" for key, value in c.lines()) for c in cases)
    (OUT / "sigv4.txt").write_text(text + "\n", encoding="ascii")
    return len(cases)


# ---- event stream: encoded here after the format, accepted and read by botocore ----

TYPES = {"true": 0, "false": 1, "byte": 2, "short": 3, "int": 4, "long": 5, "bytes": 6, "string": 7, "timestamp": 8,
         "uuid": 9}
FORMATS = {"byte": "!b", "short": "!h", "int": "!i", "long": "!q", "timestamp": "!q"}


def encode_header(name, kind, value):
    out = struct.pack("!B", len(name.encode())) + name.encode() + struct.pack("!B", TYPES[kind])
    if kind in FORMATS:
        return out + struct.pack(FORMATS[kind], value)
    if kind in ("bytes", "string"):
        raw = value.encode() if kind == "string" else value
        return out + struct.pack("!H", len(raw)) + raw
    return out + value if kind == "uuid" else out


def encode_message(headers, payload):
    block = b"".join(encode_header(*h) for h in headers)
    out = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    out += struct.pack("!I", zlib.crc32(out)) + block + payload
    return out + struct.pack("!I", zlib.crc32(out))


def event(kind, name, content_type=None):
    headers = [(":message-type", "string", kind), (f":{kind}-type", "string", name)]
    return headers + ([(":content-type", "string", content_type)] if content_type else [])


MESSAGES = [
    ("empty", [], b""),
    ("payload-only", [], b"hello"),
    ("event", event("event", "result", "application/json"), b'{"content":[],"isError":false}'),
    ("exception", event("exception", "throttlingException", "application/json"), b'{"message":"slow down"}'),
    ("error", [(":message-type", "string", "error"), (":error-code", "string", "InternalError"),
               (":error-message", "string", "it broke")], b""),
    ("true", [("t", "true", True)], b""),
    ("false", [("f", "false", False)], b""),
    ("byte", [("low", "byte", -128), ("high", "byte", 127)], b""),
    ("short", [("low", "short", -32768), ("high", "short", 32767)], b""),
    ("int", [("low", "int", -2**31), ("high", "int", 2**31 - 1)], b""),
    ("long", [("low", "long", -2**63), ("high", "long", 2**63 - 1), ("zero", "long", 0)], b""),
    ("bytes", [("b", "bytes", bytes(range(256))), ("none", "bytes", b"")], b"\x00\xff"),
    ("string", [("s", "string", "caf\u00e9 \u2603"), ("none", "string", "")], b""),
    ("timestamp", [("when", "timestamp", 1767323045123), ("before", "timestamp", -1)], b""),
    ("uuid", [("id", "uuid", bytes(range(16)))], b""),
    ("names", [("n" * 255, "true", True), ("\u00e9", "false", False)], b""),
    ("all", [("a", "true", True), ("b", "false", False), ("c", "byte", 1), ("d", "short", 2), ("e", "int", 3),
             ("f", "long", 4), ("g", "bytes", b"\x05"), ("h", "string", "6"), ("i", "timestamp", 7),
             ("j", "uuid", b"\x08" * 16)], b"payload"),
    ("long-payload", [], b"0123456789abcdef" * 300),
]


def read_with_botocore(frame):
    buffer = EventStreamBuffer()
    buffer.add_data(frame)
    (message,) = list(buffer)
    return message


def event_lines(name, headers, payload):
    frame = encode_message(headers, payload)
    message = read_with_botocore(frame)
    assert message.headers == {n: v for n, _, v in headers} and message.payload == payload, name
    yield "case", name
    for n, kind, value in headers:
        plain = "" if kind in ("true", "false") else escape(str(value) if kind in FORMATS else value)
        yield "header", f"{escape(n)} {kind} {plain}"
    if payload:
        yield "payload", escape(payload)
    yield "frame", frame.hex()


def write_eventstream():
    blocks = ["".join(f"{k} {v}".rstrip() + "\n" for k, v in event_lines(*m)) for m in MESSAGES]
    (OUT / "eventstream.txt").write_text("\n".join(blocks) + "\n", encoding="ascii")
    return len(MESSAGES)


def main(arguments):
    """With a file of frames as argument: says how many botocore reads from it."""
    if arguments:
        buffer = EventStreamBuffer()
        buffer.add_data(pathlib.Path(arguments[0]).read_bytes())
        print(len(list(buffer)), "messages")
        return
    OUT.mkdir(exist_ok=True)
    print(write_sigv4(), "signatures,", write_eventstream(), "messages")


if __name__ == "__main__":
    main(sys.argv[1:])
