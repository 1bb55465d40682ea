#!/usr/bin/env python3
"""Makes api_vectors.json: what botocore sends for an input, and what it reads out of an answer.

    make_api_vectors.py SCRIPTS/api-generate API-DIRECTORY OUTPUT.json      (with a Python that has botocore)

Inputs and outputs are in the plain form of src/aws/api.h.  Members that this botocore does not know (any more) are left
out, so the vectors hold whatever its version and the table have in common."""

import base64
import datetime
import json
import pathlib
import sys

import botocore.parsers
import botocore.serialize
import botocore.session
from botocore.awsrequest import prepare_request_dict

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import make_api_cases as cases  # noqa: E402

SERVICES = {"control": "bedrock-agentcore-control", "data": "bedrock-agentcore"}
SPICE = "a b/c:d?e&f=g+h%i#j~k_l.m-n*o\u00e9\u20ac\U0001f600\"\\'"
OPERATIONS = """
CreateAgentRuntime GetAgentRuntime DeleteAgentRuntime ListAgentRuntimes InvokeAgentRuntime InvokeAgentRuntimeCommand
StopRuntimeSession GetAgentCard GetAgentRuntimeEndpoint CreateMemory GetMemory UpdateMemory DeleteMemory ListMemories
CreateEvent GetEvent ListEvents DeleteEvent ListSessions RetrieveMemoryRecords ListMemoryRecords GetMemoryRecord
BatchCreateMemoryRecords StartMemoryExtractionJob CreateWorkloadIdentity DeleteWorkloadIdentity ListWorkloadIdentities
CreateOauth2CredentialProvider CreateApiKeyCredentialProvider SetTokenVaultCMK GetResourceOauth2Token
GetWorkloadAccessToken CreateBrowser ListBrowsers StartBrowserSession InvokeBrowser ListBrowserSessions
StopCodeInterpreterSession StartCodeInterpreterSession InvokeCodeInterpreter Evaluate CreateEvaluator
CreateOnlineEvaluationConfig StartBatchEvaluation ListBatchEvaluations CreateDataset GetDataset
PutResourcePolicy TagResource UntagResource ListTagsForResource
""".split()
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Spiced(cases.Operation):
    """Texts without a pattern hold every kind of character, except in headers."""

    def good(self, shape, wire):
        if shape["type"] == "string" and not {"pattern", "enum", "plain"} & shape.keys():
            text = (SPICE * (shape.get("min", 1) // len(SPICE) + 1))[: shape.get("max", 1 << 30)]
            return text[: max(shape.get("min", 0), len(SPICE))]
        return super().good(shape, wire)

    def resolve(self, member):
        shape = super().resolve(member)
        return {**shape, "plain": True} if isinstance(member, dict) and "header" in member else shape


def to_python(shape, value):
    """Plain form to what botocore's callers give; members it does not know are dropped."""
    if shape.type_name == "structure":
        if getattr(shape, "is_document_type", False):
            return value
        return {k: to_python(shape.members[k], v) for k, v in value.items() if k in shape.members}
    if shape.type_name == "list":
        return [to_python(shape.member, v) for v in value]
    if shape.type_name == "map":
        return {k: to_python(shape.value, v) for k, v in value.items()}
    if shape.type_name == "timestamp":
        return EPOCH + datetime.timedelta(milliseconds=value)
    return base64.b64decode(value) if shape.type_name == "blob" else value


def to_plain(value):
    if isinstance(value, dict):
        return {k: to_plain(v) for k, v in value.items() if k != "ResponseMetadata"}
    if isinstance(value, list):
        return [to_plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        return int((value - EPOCH) / datetime.timedelta(milliseconds=1))
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def known_part(shape, value):
    """The part of a plain value that botocore knows."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        return {k: known_part(shape.members[k], v) for k, v in value.items() if k in shape.members}
    if shape.type_name == "list":
        return [known_part(shape.member, v) for v in value]
    if shape.type_name == "map":
        return {k: known_part(shape.value, v) for k, v in value.items()}
    return value


def request_of(model, plain):
    serializer = botocore.serialize.create_serializer("rest-json", include_validation=False)
    request = serializer.serialize_to_request(to_python(model.input_shape, plain), model)
    prepare_request_dict(request, endpoint_url="http://localhost", context={})
    path, _, query = request["url"].removeprefix("http://localhost").partition("?")
    body = request["body"]
    body = body.encode() if isinstance(body, str) else body
    headers = {k: v if isinstance(v, str) else v.decode() for k, v in request["headers"].items()}
    headers.pop("User-Agent", None)
    return {"method": request["method"], "path": path, "query": sorted(query.split("&")) if query else [],
            "headers": headers, "body": base64.b64encode(body).decode()}


def wire_answer(operation, maker, output):
    """Status, headers and body text of an answer with all members, made from the table."""
    status, headers, body, whole = operation["status"], {}, {}, None
    for name, member in output["members"].items():
        shape = maker.resolve(member)
        place = member if isinstance(member, dict) else {}
        if "status" in place or shape.get("eventstream"):
            continue
        value = maker.good({**shape, "plain": True} if "header" in place else shape, True)
        if "header" in place:
            headers[place["header"]] = value
        elif place.get("payload"):
            whole = base64.b64decode(value) if shape["type"] == "blob" else json.dumps(value).encode()
        else:
            body[name] = value
    if whole is None and status != 204:
        whole = json.dumps(body).encode()
    return status, headers, whole or b""


def answer_of(model, operation, maker):
    status, headers, body = wire_answer(operation, maker, operation["output"])
    output = {}
    if not model.has_event_stream_output:
        response = {"status_code": status, "headers": botocore.awsrequest.HeadersDict(headers), "body": body}
        if model.has_streaming_output:
            response["body"] = Streaming(body)
        parsed = botocore.parsers.create_parser("rest-json").parse(response, model.output_shape)
        output = to_plain({k: v.content if isinstance(v, Streaming) else v for k, v in parsed.items()})
    return {"status": status, "headers": headers, "body": base64.b64encode(body).decode(), "output": output}


class Streaming:
    def __init__(self, content):
        self.content = content


def main():
    generator = cases.load_generator(sys.argv[1])
    planes, _, _ = generator.load(sys.argv[2])
    session = botocore.session.get_session()
    vectors = []
    for plane, (operations, shapes) in planes.items():
        service = session.get_service_model(SERVICES[plane])
        for name in (n for n in OPERATIONS if n in operations):
            operation, model = operations[name], service.operation_model(name)
            maker = Spiced(name, operation, shapes)
            plain = {m: maker.good(maker.resolve(d), False) for m, d in operation["input"]["members"].items()}
            plain = known_part(model.input_shape, plain)
            vector = {"op": name, "input": plain, "request": request_of(model, plain)}
            if not model.has_event_stream_output:
                vector["answer"] = answer_of(model, operation, maker)
            vectors.append(vector)
    text = "[\n" + ",\n".join(json.dumps(v, ensure_ascii=True) for v in vectors) + "\n]\n"
    pathlib.Path(sys.argv[3]).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
