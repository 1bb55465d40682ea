"""table.py - bad inputs out of the API table (api/*.json): for every limit of every member, values that break it.

A case is (operation, path of the member, what is wrong, input).  The rest of an input is good, so that the path is the
only one an answer may name."""

import copy
import json
import pathlib
import re

from table_memory import MEMORY

API = pathlib.Path(__file__).resolve().parents[2] / "api"
ACCOUNT_ARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:"
IDENTITY_ARN = ACCOUNT_ARN + "workload-identity-directory/default/workload-identity/nobody"
RUNTIME_ID = "nobody-a1B2c3D4e5"
ENDPOINT = {"agentRuntimeId": RUNTIME_ID, "endpointName": "prod"}
RUNTIME_ARN = ACCOUNT_ARN + "runtime/" + RUNTIME_ID
SESSION = "session-c0ffee00-1111-4222-8333-444455556666"
TRACE = {"traceId": "t", "traceParent": "p", "traceState": "a=b", "baggage": "c=d"}
TOKEN = "c0ffee00-1111-4222-8333-444455556666"

INTERPRETER_ID = "nobody-a1B2c3D4e5"
INTERPRETER = {"codeInterpreterIdentifier": INTERPRETER_ID}
CERTIFICATES = [
    {"location": {"secretsManager": {"secretArn": "arn:aws:secretsmanager:us-west-2:123456789012:secret:ca-AbCdEf"}}}
]
FILE_SYSTEM_ARN = "arn:aws:elasticfilesystem:us-west-2:123456789012:"
FILE_SYSTEMS = [
    {
        "efsConfiguration": {
            "accessPointArn": FILE_SYSTEM_ARN + "access-point/fsap-01234567",
            "fileSystemArn": FILE_SYSTEM_ARN + "file-system/fs-01234567",
            "mountPath": "/mnt/data",
        }
    }
]

# What a runtime may be made of, all at once.
RUNTIME = {
    "agentRuntimeArtifact": {
        "codeConfiguration": {
            "code": {"s3": {"bucket": "code", "prefix": "agent.zip", "versionId": "one"}},
            "runtime": "PYTHON_3_12",
            "entryPoint": ["main.py"],
        }
    },
    "roleArn": "arn:aws:iam::123456789012:role/agent",
    "networkConfiguration": {
        "networkMode": "VPC",
        "networkModeConfig": {"securityGroups": ["sg-12345678"], "subnets": ["subnet-12345678"]},
    },
    "description": "nobody",
    "authorizerConfiguration": {
        "customJWTAuthorizer": {
            "discoveryUrl": "https://example.com/.well-known/openid-configuration",
            "allowedAudience": ["a"],
            "allowedClients": ["c"],
            "allowedScopes": ["s"],
            "customClaims": [
                {
                    "inboundTokenClaimName": "group",
                    "inboundTokenClaimValueType": "STRING",
                    "authorizingClaimMatchValue": {
                        "claimMatchOperator": "EQUALS",
                        "claimMatchValue": {"matchValueString": "blue"},
                    },
                }
            ],
        }
    },
    "requestHeaderConfiguration": {"requestHeaderAllowlist": ["X-One"]},
    "protocolConfiguration": {"serverProtocol": "HTTP"},
    "lifecycleConfiguration": {"idleRuntimeSessionTimeout": 60, "maxLifetime": 60},
    "environmentVariables": {"NAME": "value"},
    "filesystemConfigurations": [{"sessionStorage": {"mountPath": "/mnt/data"}}],
    "capacityProviderConfiguration": {"capacityProviderArn": ACCOUNT_ARN + "capacity-provider/nobody-a1B2c3D4e5"},
    "clientToken": TOKEN,
}

# Every operation that agentcored serves, with an input that the table allows.
GOOD = {
    "CreateWorkloadIdentity": {
        "name": "nobody",
        "allowedResourceOauth2ReturnUrls": ["https://example.com/a", "app:b"],
        "tags": {"team": "blue"},
    },
    "GetWorkloadIdentity": {"name": "nobody"},
    "UpdateWorkloadIdentity": {"name": "nobody", "allowedResourceOauth2ReturnUrls": ["https://example.com/a"]},
    "DeleteWorkloadIdentity": {"name": "nobody"},
    "ListWorkloadIdentities": {"maxResults": 5},
    "TagResource": {"resourceArn": IDENTITY_ARN, "tags": {"team": "blue"}},
    "UntagResource": {"resourceArn": IDENTITY_ARN, "tagKeys": ["team"]},
    "ListTagsForResource": {"resourceArn": IDENTITY_ARN},
    "PutResourcePolicy": {"resourceArn": IDENTITY_ARN, "policy": '{"Version":"2012-10-17","Statement":[]}'},
    "GetResourcePolicy": {"resourceArn": IDENTITY_ARN},
    "DeleteResourcePolicy": {"resourceArn": IDENTITY_ARN},
    "CreateAgentRuntime": {"agentRuntimeName": "nobody", "tags": {"team": "blue"}, **RUNTIME},
    "GetAgentRuntime": {"agentRuntimeId": RUNTIME_ID, "agentRuntimeVersion": "1"},
    "UpdateAgentRuntime": {
        "agentRuntimeId": RUNTIME_ID,
        "metadataConfiguration": {"requireMMDSV2": True},
        **RUNTIME,
    },
    "DeleteAgentRuntime": {"agentRuntimeId": RUNTIME_ID, "agentRuntimeVersion": "1", "clientToken": TOKEN},
    "ListAgentRuntimes": {"maxResults": 5},
    "ListAgentRuntimeVersions": {"agentRuntimeId": RUNTIME_ID, "maxResults": 5},
    "CreateAgentRuntimeEndpoint": {
        "agentRuntimeId": RUNTIME_ID,
        "name": "prod",
        "agentRuntimeVersion": "1",
        "description": "nobody",
        "clientToken": TOKEN,
        "tags": {"team": "blue"},
    },
    "GetAgentRuntimeEndpoint": ENDPOINT,
    "UpdateAgentRuntimeEndpoint": {
        **ENDPOINT,
        "agentRuntimeVersion": "1",
        "description": "nobody",
        "clientToken": TOKEN,
    },
    "DeleteAgentRuntimeEndpoint": {**ENDPOINT, "clientToken": TOKEN},
    "ListAgentRuntimeEndpoints": {"agentRuntimeId": RUNTIME_ID, "maxResults": 5},
    "InvokeAgentRuntime": {
        "agentRuntimeArn": RUNTIME_ARN,
        "contentType": "text/plain",
        "accept": "text/plain",
        "mcpSessionId": "m",
        "mcpProtocolVersion": "1",
        "mcpMethod": "tools/call",
        "mcpName": "tool",
        "runtimeSessionId": SESSION,
        "runtimeUserId": "alice",
        **TRACE,
        "qualifier": "DEFAULT",
        "accountId": "123456789012",
        "payload": "nothing",
    },
    "InvokeAgentRuntimeCommand": {
        "agentRuntimeArn": RUNTIME_ARN,
        "contentType": "application/json",
        "accept": "application/vnd.amazon.eventstream",
        "runtimeSessionId": SESSION,
        **TRACE,
        "qualifier": "DEFAULT",
        "accountId": "123456789012",
        "body": {"command": "true", "timeout": 1},
    },
    "StopRuntimeSession": {
        "agentRuntimeArn": RUNTIME_ARN,
        "runtimeSessionId": SESSION,
        "qualifier": "DEFAULT",
        "clientToken": TOKEN,
    },
    "GetAgentCard": {"agentRuntimeArn": RUNTIME_ARN, "runtimeSessionId": SESSION, "qualifier": "DEFAULT"},
    "GetBrowser": {"browserId": "aws.browser.v1"},
    "ListBrowsers": {"maxResults": 5, "type": "SYSTEM"},
    "GetCodeInterpreter": {"codeInterpreterId": "aws.codeinterpreter.v1"},
    "ListCodeInterpreters": {"maxResults": 5, "type": "SYSTEM"},
    "CreateCodeInterpreter": {
        "name": "nobody",
        "description": "nobody",
        "executionRoleArn": "arn:aws:iam::123456789012:role/interpreter",
        "networkConfiguration": {
            "networkMode": "VPC",
            "vpcConfig": {"securityGroups": ["sg-12345678"], "subnets": ["subnet-12345678"]},
        },
        "certificates": CERTIFICATES,
        "filesystemConfigurations": FILE_SYSTEMS,
        "clientToken": TOKEN,
        "tags": {"team": "blue"},
    },
    "DeleteCodeInterpreter": {"codeInterpreterId": INTERPRETER_ID, "clientToken": TOKEN},
    "StartCodeInterpreterSession": {
        **INTERPRETER,
        "traceId": "t",
        "traceParent": "p",
        "name": "nobody",
        "sessionTimeoutSeconds": 60,
        "certificates": CERTIFICATES,
        "filesystemConfigurations": FILE_SYSTEMS,
        "clientToken": TOKEN,
    },
    "GetCodeInterpreterSession": {**INTERPRETER, "sessionId": "0123456789abcdef"},
    "ListCodeInterpreterSessions": {**INTERPRETER, "maxResults": 5, "status": "READY"},
    "StopCodeInterpreterSession": {
        **INTERPRETER,
        "traceId": "t",
        "traceParent": "p",
        "sessionId": "0123456789abcdef",
        "clientToken": TOKEN,
    },
    "InvokeCodeInterpreter": {
        **INTERPRETER,
        "sessionId": "0123456789abcdef",
        "traceId": "t",
        "traceParent": "p",
        "name": "executeCode",
        "arguments": {"code": "print(1)", "language": "python", "runtime": "python"},
    },
    **MEMORY,
}


def load(plane):
    """(operations, shapes) of a plane."""
    operations, shapes = {}, {}
    for path in sorted((API / plane).glob("*.json")):
        part = json.loads(path.read_text(encoding="utf-8"))
        for name, operation in part.get("operations", {}).items():
            operations[name] = {**operation, "plane": plane}
        shapes.update(part.get("shapes", {}))
    return operations, shapes


CONTROL, CONTROL_SHAPES = load("control")
DATA, DATA_SHAPES = load("data")
OPERATIONS = {**CONTROL, **DATA}
SHAPES = {"control": CONTROL_SHAPES, "data": DATA_SHAPES}  # the same name may be something else in each


def shape_of(member, plane):
    """The description of a member's shape, and the member's own notes (label, query, token, ...)."""
    notes = member if isinstance(member, dict) else {"shape": member}
    shape = {**SHAPES[plane][notes["shape"]], "plane": plane}
    shape.setdefault("relax", notes.get("relax", False))
    return shape, notes


def members_of(operation):
    return OPERATIONS[operation]["input"]["members"]


def plane_of(operation):
    return OPERATIONS[operation]["plane"]


def required_of(operation):
    return OPERATIONS[operation]["input"].get("required", [])


LONG_BYTES_MAX = 1 << 20  # what is longer is a test of its own

# ---- values that break a limit: (what is wrong, value) ----


def stretch(good, length):
    """A text of this length that begins as good does."""
    return (good + "a" * length)[:length]


def bad_strings(shape, good):
    low, high = shape.get("min", 0), shape.get("max")
    if low > 0:
        yield "too short", stretch(good, low - 1)
    if high is not None and high <= LONG_BYTES_MAX:
        yield "too long", stretch(good, high + 1)
    if "enum" in shape:
        yield "not in the enum", "NO_SUCH_VALUE"
        yield "in the wrong case", shape["enum"][0].swapcase()
    if "pattern" not in shape or shape["relax"]:
        return
    pattern = re.compile(shape["pattern"], re.ASCII)
    for what, text in (
        ("against the pattern", good + "!{}"),
        ("a line end behind", good + "\n"),
        ("a space before", " " + good),
        ("other letters", good + "\u00e4\u4e2d"),
    ):
        if low <= len(text) <= (high or len(text)) and not pattern.fullmatch(text):
            yield what, text


def bad_integers(shape, good):
    if "min" in shape:
        yield "too small", shape["min"] - 1
        yield "negative", -1
    if "max" in shape:
        yield "too large", shape["max"] + 1
    yield "beyond 32 bits", 2**40


def bad_lists(shape, good, path):
    if "max" in shape:
        yield path, "too many", [good[0]] * (shape["max"] + 1)
    if shape.get("min", 0) > 0:
        yield path, "too few", []
    element, _ = shape_of(shape["member"], shape["plane"])
    for name, what, value in bad_values(element, good[0], f"{path}[0]"):
        yield name, "element " + what, [value]
    if shape.get("max", 2) >= 2:
        for name, what, value in bad_values(element, good[0], f"{path}[1]"):
            yield name, "second element " + what, [good[0], value]


def bad_maps(shape, good, path):
    key, value = next(iter(good.items()))
    if "max" in shape:
        yield path, "too many", {f"key-{number}": value for number in range(shape["max"] + 1)}
    for what, text in bad_strings(shape_of(shape["key"], shape["plane"])[0], key):
        yield f"{path}.{text}" if text else f"{path}.", "key " + what, {text: value}
    for name, what, bad in bad_values(shape_of(shape["value"], shape["plane"])[0], value, f"{path}.{key}"):
        yield name, "value " + what, {key: bad}


def bad_structures(shape, good, path):
    for name in shape.get("required", []):
        yield f"{path}.{name}", "absent", {key: value for key, value in good.items() if key != name}
    if shape.get("union"):
        yield path, "none of a union", {}
    for name, value in good.items():
        member, _ = shape_of(shape["members"][name], shape["plane"])
        for where, what, bad in bad_values(member, value, f"{path}.{name}"):
            yield where, what, {**good, name: bad}


def bad_values(shape, good, path):
    """(path, what is wrong, value) of a value of this shape."""
    kind = shape["type"]
    if shape.get("document"):
        return  # any JSON is as good as any other
    if kind == "string":
        yield from ((path, what, text) for what, text in bad_strings(shape, good))
    elif kind == "integer":
        yield from ((path, what, number) for what, number in bad_integers(shape, good))
    elif kind == "list":
        yield from bad_lists(shape, good, path)
    elif kind == "map":
        yield from bad_maps(shape, good, path)
    elif kind == "structure":
        yield from bad_structures(shape, good, path)


def sample_of(shape, good):
    """A good value for a member that the good input leaves out."""
    return good if good is not None else {"string": "sample", "integer": 1}[shape["type"]]


def limit_cases(operation):
    """What boto3 can send past its own checks."""
    for name, member in members_of(operation).items():
        shape, notes = shape_of(member, plane_of(operation))
        good = sample_of(shape, GOOD[operation].get(name))
        for path, what, value in bad_values(shape, good, name):
            if value == "" and {"label", "header"} & set(notes):
                continue  # another path, and so another operation or none; an empty header is as good as none
            if "header" in notes and not (value.isascii() and value == value.strip()):
                continue  # what cannot be a header, or is stripped on its way
            broken = copy.deepcopy(GOOD[operation])
            broken[name] = value
            yield operation, path, what, broken


def absent_cases(operation):
    """Required members that are not there; a label always is, and a body that is empty is one."""
    for name in required_of(operation):
        _, notes = shape_of(members_of(operation)[name], plane_of(operation))
        if not {"label", "payload"} & set(notes):
            broken = copy.deepcopy(GOOD[operation])
            del broken[name]
            yield operation, name, "absent", broken


WRONG_TYPES = {
    "string": [7, True, ["x"], {"x": "y"}],
    "integer": ["5", 1.5, True, [5], {"five": 5}],
    "list": ["x", 7, {"x": "y"}, True],
    "map": ["x", 7, ["x"], False],
    "structure": ["x", 7, ["x"], False],
    "timestamp": [True, ["x"], {"x": "y"}, "soon"],
    "boolean": [7, "x", ["x"], {"x": "y"}],
}


def type_cases(operation):
    """Wrong types in the body, which boto3 cannot be made to send: (operation, path, what, body)."""
    body = {}
    for name, member in members_of(operation).items():
        shape, notes = shape_of(member, plane_of(operation))
        if not {"label", "query", "header", "payload"} & set(notes) and name in GOOD[operation]:
            body[name] = GOOD[operation][name]
    for name, good in body.items():
        shape, _ = shape_of(members_of(operation)[name], plane_of(operation))
        for value in WRONG_TYPES[shape["type"]]:
            yield operation, name, f"is {json.dumps(value)}", {**body, name: value}
        if shape["type"] == "list":
            yield operation, f"{name}[0]", "element is 7", {**body, name: [7]}
            yield operation, f"{name}[1]", "element is null", {**body, name: [good[0], None]}
        if shape["type"] == "map":
            key = next(iter(good))
            yield operation, f"{name}.{key}", "value is 7", {**body, name: {key: 7}}
            yield operation, f"{name}.{key}", "value is null", {**body, name: {key: None}}
    for name in required_of(operation):
        if name in body:
            yield operation, name, "is null", {**body, name: None}
