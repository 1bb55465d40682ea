#!/usr/bin/env python3
"""Makes the cases of test_api_cases from the API table: for every operation a smallest valid input, and for every limit
that can be reached in it an input that breaks this one limit.

    make_api_cases.py API-GENERATE API-DIRECTORY OUTPUT.json

Each case: operation, input, and for broken ones the name that must be the only one in the list of problems."""

import base64
import importlib.machinery
import importlib.util
import json
import re
import re._parser as regex
import sys

TIME_MS = 1767323045000
TIME_TEXT = "2026-01-02T03:04:05Z"
PROPERTIES = {"C": r"\x00-\x1f\x7f"}
REPEATS = (0, 1, 2, 3, 5, 8, 12, 20, 33, 64, 100, 200)


def load_generator(path):
    loader = importlib.machinery.SourceFileLoader("api_generate", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("api_generate", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def chars_of(items):
    """Characters of a [set], the plainest first."""
    negated = items and items[0][0] is regex.NEGATE
    found = set()
    for code in range(32, 127):
        text = chr(code)
        for kind, value in items[1:] if negated else items:
            hit = ((kind is regex.LITERAL and code == value)
                   or (kind is regex.RANGE and value[0] <= code <= value[1])
                   or (kind is regex.CATEGORY and in_category(value, text)))
            if hit:
                found.add(text)
                break
    pool = {chr(c) for c in range(32, 127)} - found if negated else found
    return sorted(pool, key=lambda c: (not c.isalnum(), c))


def in_category(category, text):
    words = {regex.CATEGORY_DIGIT: text.isdigit(), regex.CATEGORY_SPACE: text.isspace(),
             regex.CATEGORY_WORD: text.isalnum() or text == "_", regex.CATEGORY_NOT_SPACE: not text.isspace(),
             regex.CATEGORY_NOT_WORD: not (text.isalnum() or text == "_"),
             regex.CATEGORY_NOT_DIGIT: not text.isdigit()}
    return words[category]


def pattern_of(shape):
    """The pattern in Python's words, which lack classes by property; those of ASCII do for samples."""
    text = shape["pattern"]
    for name, chars in PROPERTIES.items():
        text = text.replace(f"\\p{{{name}}}", chars)
    return text


def sample(tree, repeat):
    out = ""
    for kind, value in tree:
        if kind is regex.LITERAL:
            out += chr(value)
        elif kind is regex.NOT_LITERAL:
            out += "a" if value != ord("a") else "b"
        elif kind is regex.ANY:
            out += "a"
        elif kind is regex.IN:
            out += chars_of(value)[0]
        elif kind is regex.BRANCH:
            out += sample(value[1][0], repeat)
        elif kind is regex.SUBPATTERN:
            out += sample(value[3], repeat)
        elif kind is regex.MAX_REPEAT:
            low, high, inner = value
            out += sample(inner, repeat) * min(max(low, repeat), high)
        elif kind is not regex.AT:
            raise ValueError(f"no sample for {kind}")
    return out


def fits(shape, text):
    return shape.get("min", 0) <= len(text) <= shape.get("max", 1 << 30)


def good_string(shape):
    if "enum" in shape:
        return shape["enum"][0]
    if "pattern" not in shape:
        return "a" * max(shape.get("min", 1), min(1, shape.get("max", 1)))
    tree = regex.parse(pattern_of(shape))
    for repeat in REPEATS:
        for text in (sample(tree, repeat), sample(tree, repeat) * 2):
            if text and fits(shape, text) and re.fullmatch(pattern_of(shape), text):
                return text
    low = shape.get("min", 1)
    for char in "a1-":
        if re.fullmatch(pattern_of(shape), char * low):
            return char * low
    raise ValueError(f"no text for {shape}")


def bad_pattern(shape):
    good = good_string(shape)
    for char in "!\u00e9 \u0001/#":
        for text in (char + good[1:], good[:-1] + char, char * len(good)):
            if fits(shape, text) and not re.fullmatch(pattern_of(shape), text):
                return text
    return None


class Operation:
    def __init__(self, name, operation, shapes):
        self.name, self.shapes, self.seen = name, shapes, set()
        self.input = {"type": "structure", **operation["input"]}
        self.payload = next((m for m, d in self.input["members"].items()
                             if isinstance(d, dict) and d.get("payload") and self.kind(d) == "blob"), None)

    def kind(self, member):
        return self.shapes[self.member_shape(member)]["type"]

    @staticmethod
    def member_shape(member):
        return member if isinstance(member, str) else member["shape"]

    def resolve(self, member):
        """A member's shape with what the member changes of it."""
        shape = dict(self.shapes[self.member_shape(member)])
        if isinstance(member, dict):
            shape.update({k: member[k] for k in ("relax", "timestampFormat") if k in member})
        return shape

    def good(self, shape, wire):
        kind = shape["type"]
        if shape.get("document"):
            return {"any": ["thing", 1, None]}
        if kind == "string":
            return good_string(shape)
        if kind in ("integer", "long", "float", "double"):
            return max(shape.get("min", 1), min(1, shape.get("max", 1)))
        if kind == "boolean":
            return True
        if kind == "timestamp":
            return (TIME_TEXT if shape.get("timestampFormat") == "iso8601" else TIME_MS // 1000) if wire else TIME_MS
        if kind == "blob":
            return base64.b64encode(b"x" * int(max(shape.get("min", 1), 1))).decode()
        if kind == "list":
            return [self.good(self.shapes[shape["member"]], wire) for _ in range(max(shape.get("min", 1), 1))]
        if kind == "map":
            return self.entries(shape, max(shape.get("min", 1), 1), wire)
        names = list(shape.get("required", [])) or (list(shape["members"])[:1] if shape.get("union") else [])
        return {name: self.good(self.resolve(shape["members"][name]), wire) for name in names}

    def entries(self, shape, count, wire):
        key = self.shapes[shape["key"]]
        first = good_string(key)
        keys = [first] + [k for k in (first + f"{i}" for i in range(1, count))]
        return {k: self.good(self.shapes[shape["value"]], wire) for k in keys[:count]}

    def broken(self, shape, path):
        """(value, name of what is wrong) for each limit below a shape; each kind of shape is broken once."""
        kind = shape["type"]
        if shape.get("document"):
            return
        mark = json.dumps(shape, sort_keys=True)
        if mark in self.seen:
            return
        self.seen.add(mark)
        if path:
            yield ({"string": 5, "blob": 7}.get(kind, "wrong type") if kind != "timestamp" else {}), path
        if kind == "string":
            yield from ((value, path) for value in self.broken_strings(shape))
        elif kind in ("integer", "long", "float", "double"):
            if "min" in shape:
                yield shape["min"] - 1, path
            if "max" in shape:
                yield shape["max"] + 1, path
        elif kind == "list":
            yield from self.broken_list(shape, path)
        elif kind == "map":
            yield from self.broken_map(shape, path)
        elif kind == "structure":
            yield from self.broken_structure(shape, path)

    @staticmethod
    def broken_strings(shape):
        good = good_string(shape)
        if shape.get("min", 0) > 0:
            yield good[: shape["min"] - 1]
        if "max" in shape and shape["max"] < 20000:
            yield good + good[-1:] * (shape["max"] + 1 - len(good))
            # Characters count, not bytes.
            if "pattern" not in shape and "enum" not in shape:
                yield "\u00e9" * (shape["max"] + 1)
        if "enum" in shape:
            yield shape["enum"][0] + "_not"
        if "pattern" in shape and not shape.get("relax"):
            bad = bad_pattern(shape)
            if bad is not None:
                yield bad

    def broken_list(self, shape, path):
        element = self.shapes[shape["member"]]
        one = self.good(element, True)
        if shape.get("min", 0) > 0:
            yield [one] * (shape["min"] - 1), path
        if "max" in shape:
            yield [one] * (shape["max"] + 1), path
        for bad, name in self.broken(element, f"{path}[0]"):
            yield [bad] + [one] * (shape.get("min", 1) - 1), name

    def broken_map(self, shape, path):
        key, value = self.shapes[shape["key"]], self.shapes[shape["value"]]
        if shape.get("min", 0) > 0:
            yield {}, path
        good = good_string(key)
        for bad, name in self.broken(value, f"{path}.{good}"):
            yield {good: bad}, name
        for bad in self.broken_strings(key):
            if len(bad) < 150:
                yield {bad: self.good(value, True)}, f"{path}.{bad}"

    def broken_structure(self, shape, path):
        whole = self.good(shape, True)
        for name, member in shape["members"].items():
            inner = f"{path}.{name}" if path else name
            if name == self.payload:
                continue
            if name in shape.get("required", []):
                yield {k: v for k, v in whole.items() if k != name}, inner
            base = {} if shape.get("union") else whole
            for bad, where in self.broken(self.resolve(member), inner):
                yield {**base, name: bad}, where
        if shape.get("union"):
            yield {}, path
            if len(shape["members"]) > 1:
                yield {n: self.good(self.resolve(m), True) for n, m in list(shape["members"].items())[:2]}, path


def main():
    generator = load_generator(sys.argv[1])
    planes, known, _ = generator.load(sys.argv[2])
    cases = []
    for operations, shapes in planes.values():
        for name, operation in operations.items():
            maker = Operation(name, operation, shapes)
            everything = {m: maker.good(maker.resolve(d), False) for m, d in operation["input"]["members"].items()}
            cases.append({"op": name, "input": maker.good(maker.input, False), "full": everything,
                          "bad": [{"input": bad, "name": where} for bad, where in maker.broken(maker.input, "")]})
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        json.dump({"cases": cases, "known": known}, out)


if __name__ == "__main__":
    main()
