"""table.py - bad inputs out of the API table (api/*.json): for every limit of every member, values that break it.

A case is (operation, path of the member, what is wrong, input).  The rest of an input is good, so that the path is the
only one an answer may name."""

import copy
import json
import pathlib
import re

API = pathlib.Path(__file__).resolve().parents[2] / "api"
ACCOUNT_ARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:"
IDENTITY_ARN = ACCOUNT_ARN + "workload-identity-directory/default/workload-identity/nobody"

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
    "GetBrowser": {"browserId": "aws.browser.v1"},
    "ListBrowsers": {"maxResults": 5, "type": "SYSTEM"},
    "GetCodeInterpreter": {"codeInterpreterId": "aws.codeinterpreter.v1"},
    "ListCodeInterpreters": {"maxResults": 5, "type": "SYSTEM"},
}


def load():
    """(operations, shapes) of the control plane."""
    operations, shapes = {}, {}
    for path in sorted((API / "control").glob("*.json")):
        part = json.loads(path.read_text(encoding="utf-8"))
        operations.update(part.get("operations", {}))
        shapes.update(part.get("shapes", {}))
    return operations, shapes


OPERATIONS, SHAPES = load()


def shape_of(member):
    """The description of a member's shape, and the member's own notes (label, query, token, ...)."""
    notes = member if isinstance(member, dict) else {"shape": member}
    shape = dict(SHAPES[notes["shape"]])
    shape.setdefault("relax", notes.get("relax", False))
    return shape, notes


def members_of(operation):
    return OPERATIONS[operation]["input"]["members"]


def required_of(operation):
    return OPERATIONS[operation]["input"].get("required", [])


# ---- values that break a limit: (what is wrong, value) ----


def stretch(good, length):
    """A text of this length that begins as good does."""
    return (good + "a" * length)[:length]


def bad_strings(shape, good):
    low, high = shape.get("min", 0), shape.get("max")
    if low > 0:
        yield "too short", stretch(good, low - 1)
    if high is not None:
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
    if "max" in shape:
        yield "too large", shape["max"] + 1
    yield "negative", -1
    yield "beyond 32 bits", 2**40


def distinct_texts(count):
    return [f"key-{number}" for number in range(count)]


def bad_values(shape, good, path):
    """(path, what is wrong, value) of a value of this shape."""
    kind = shape["type"]
    if kind == "string":
        for what, text in bad_strings(shape, good):
            yield path, what, text
    elif kind == "integer":
        for what, number in bad_integers(shape, good):
            yield path, what, number
    elif kind == "list":
        if "max" in shape:
            yield path, "too many", distinct_texts(shape["max"] + 1)
        element, _ = shape_of(shape["member"])
        for what, text in bad_strings(element, good[0]):
            yield f"{path}[0]", "element " + what, [text]
            yield f"{path}[1]", "second element " + what, [good[0], text]
    elif kind == "map":
        if "max" in shape:
            yield path, "too many", {key: "v" for key in distinct_texts(shape["max"] + 1)}
        key_shape, _ = shape_of(shape["key"])
        value_shape, _ = shape_of(shape["value"])
        for what, text in bad_strings(key_shape, next(iter(good))):
            yield f"{path}.{text}" if text else f"{path}.", "key " + what, {text: "v"}
        for what, text in bad_strings(value_shape, "v"):
            yield f"{path}.team", "value " + what, {"team": text}


def sample_of(shape, good):
    """A good value for a member that the good input leaves out."""
    return good if good is not None else {"string": "sample", "integer": 1}[shape["type"]]


def limit_cases(operation):
    """What boto3 can send past its own checks."""
    for name, member in members_of(operation).items():
        shape, notes = shape_of(member)
        good = sample_of(shape, GOOD[operation].get(name))
        for path, what, value in bad_values(shape, good, name):
            if notes.get("label") and value == "":
                continue  # another path, and so another operation or none
            broken = copy.deepcopy(GOOD[operation])
            broken[name] = value
            yield operation, path, what, broken


def absent_cases(operation):
    """Required members that are not there; a label always is."""
    for name in required_of(operation):
        _, notes = shape_of(members_of(operation)[name])
        if not notes.get("label"):
            broken = copy.deepcopy(GOOD[operation])
            del broken[name]
            yield operation, name, "absent", broken


WRONG_TYPES = {
    "string": [7, True, ["x"], {"x": "y"}],
    "integer": ["5", 1.5, True, [5], {"five": 5}],
    "list": ["x", 7, {"x": "y"}, True],
    "map": ["x", 7, ["x"], False],
}


def type_cases(operation):
    """Wrong types in the body, which boto3 cannot be made to send: (operation, path, what, body)."""
    body = {}
    for name, member in members_of(operation).items():
        shape, notes = shape_of(member)
        if not {"label", "query", "header"} & set(notes) and name in GOOD[operation]:
            body[name] = GOOD[operation][name]
    for name, good in body.items():
        shape, _ = shape_of(members_of(operation)[name])
        for value in WRONG_TYPES[shape["type"]]:
            yield operation, name, f"is {json.dumps(value)}", {**body, name: value}
        if shape["type"] == "list":
            yield operation, f"{name}[0]", "element is 7", {**body, name: [7]}
            yield operation, f"{name}[1]", "element is null", {**body, name: [good[0], None]}
        if shape["type"] == "map":
            yield operation, f"{name}.team", "value is 7", {**body, name: {"team": 7}}
            yield operation, f"{name}.team", "value is null", {**body, name: {"team": None}}
    for name in required_of(operation):
        if name in body:
            yield operation, name, "is null", {**body, name: None}
