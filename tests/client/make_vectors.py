#!/usr/bin/env python3
"""Computes tests/client/vectors/connections.txt with the Python SDK, which must be importable (pip install
bedrock-agentcore):

    python3 tests/client/make_vectors.py

A vector ends with an empty line.  The WebSocket key is random and left out; time, session ids and keys are given."""

import datetime
import logging
import pathlib
import sys
from unittest import mock

import boto3
import botocore.auth
from bedrock_agentcore._utils import endpoints
from bedrock_agentcore.runtime import agent_core_runtime_client as module

OUT = pathlib.Path(__file__).resolve().parent / "vectors" / "connections.txt"
KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLXdlc3QtMiJHMEUCIQD+/=="
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
ARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-AbCdEf1234"
GOV = "arn:aws-us-gov:bedrock-agentcore:us-gov-west-1:123456789012:runtime/my_agent-AbCdEf1234"
SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"
SESSION_NAME = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"


class FixedTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def call(case):
    session = boto3.Session(KEY, SECRET, case.get("token"), region_name=case["region"])
    client = module.AgentCoreRuntimeClient(region=case["region"], session=session)
    arguments = {"session_id": case["session"], "endpoint_name": case.get("qualifier")}
    kind = case["kind"]
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *a, **k: NOW.replace(tzinfo=None)), \
            mock.patch.object(module.datetime, "datetime", FixedTime), \
            mock.patch.object(endpoints, "DP_ENDPOINT_OVERRIDE", case.get("endpoint")):
        if kind == "presigned":
            url = client.generate_presigned_url(case["arn"], custom_headers=case.get("query"),
                                                expires=case.get("expires", 300), **arguments)
            return url, {}
        if kind == "oauth":
            return client.generate_ws_connection_oauth(case["arn"], case["bearer"], **arguments)
        return client.generate_ws_connection(case["arn"], **arguments)


def make(name, kind, **more):
    return {"name": name, "kind": kind, "arn": ARN, "region": "us-west-2", "session": SESSION, **more}


CASES = [
    make("signed", "signed"),
    make("signed-qualifier", "signed", qualifier="DEFAULT"),
    make("signed-token", "signed", qualifier="prod", token=TOKEN),
    make("signed-other-region", "signed", region="eu-central-1"),
    make("signed-gov", "signed", arn=GOV, region="us-gov-west-1"),
    make("signed-china", "signed", region="cn-north-1"),
    make("signed-short-session", "signed", session="my-session-id"),
    make("signed-odd-arn", "signed", arn="arn:aws:bedrock-agentcore:us-west-2:1:runtime/a b+c~d*e/f\u00e9%"),
    make("signed-endpoint", "signed", endpoint="https://vpce-1.bedrock-agentcore.us-west-2.vpce.amazonaws.com:8443/x"),
    make("oauth", "oauth", bearer="eyJhbGciOiJSUzI1NiJ9.e30.c2ln"),
    make("oauth-qualifier", "oauth", bearer="abc", qualifier="DEFAULT", session="s"),
    make("presigned", "presigned"),
    make("presigned-guide", "presigned", qualifier="DEFAULT", query={"user_type": "premium"}),
    make("presigned-token", "presigned", token=TOKEN, expires=60),
    make("presigned-one-second", "presigned", expires=1),
    make("presigned-many", "presigned", qualifier="DEFAULT",
         query={"z": "1", "a b": "c&d=e", "A": "/+~*", "m": "\u00e9"}),
    make("presigned-replaced", "presigned", qualifier="DEFAULT",
         query={"x": "1", "qualifier": "prod", SESSION_NAME: "theirs", "y": "2"}),
    make("presigned-other-region", "presigned", region="eu-central-1"),
    make("presigned-endpoint", "presigned",
         endpoint="https://vpce-1.bedrock-agentcore.us-west-2.vpce.amazonaws.com:8443/x"),
]


def escape(text):
    """Values are written with \\xNN for what is not printable ASCII."""
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in text.encode())


def lines(case):
    yield "case", case["name"]
    for key in ("kind", "arn", "region", "session", "qualifier", "token", "bearer", "expires", "endpoint"):
        if case.get(key) is not None:
            yield key, str(case[key])
    for name, value in (case.get("query") or {}).items():
        yield "query", f"{name}={value}"
    url, headers = call({**case, "query": dict(case["query"]) if "query" in case else None})
    yield "url", url
    for name, value in headers.items():
        if name != "Sec-WebSocket-Key":
            yield "header", f"{name}: {value}"


def main():
    logging.disable(logging.CRITICAL)
    OUT.parent.mkdir(exist_ok=True)
    blocks = ["".join(f"{key} {escape(value)}\n" for key, value in lines(case)) for case in CASES]
    text = f"secret {SECRET}\naccess {KEY}\ntime {int(NOW.timestamp())}\n\n" + "\n".join(blocks) + "\n"
    OUT.write_text(text, encoding="ascii")
    print(len(CASES), "connections")


if __name__ == "__main__":
    sys.exit(main())
