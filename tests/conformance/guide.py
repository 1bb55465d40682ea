"""guide.py BLOCK[+BLOCK...] REPLACEMENTS [GIVEN SHOWN] - run code blocks of the guide as they stand in guide/, one after
the other.

REPLACEMENTS, a JSON object of texts by the texts they replace, is all that is changed in them.  Endpoint, region and
credentials come from the environment.  A block without imports goes on from others and gets their imports; a block may
wait at its top level, as in a notebook.  What they leave in `presigned_url` is printed.

GIVEN, a JSON object, has the names that the guide takes for given; SHOWN is an expression, whose value is printed as
JSON when the blocks have ended."""

import ast
import asyncio
import inspect
import json
import pathlib
import sys

GUIDE = pathlib.Path(__file__).resolve().parent / "guide"
IMPORTS = "import asyncio\nimport websockets\nfrom bedrock_agentcore.runtime import AgentCoreRuntimeClient\n"
MEMORY_IMPORTS = "from bedrock_agentcore.memory.constants import RetrievalConfig\n"


def plain(value):
    """What JSON has no form for: the package's wrappers of objects, times."""
    return getattr(value, "_data", None) or str(value)


def run(block, text, names):
    if "import" not in text:
        exec(MEMORY_IMPORTS if block.startswith("3.3") else IMPORTS, names)
    made = eval(compile(text, block, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(made):
        asyncio.run(made)


def main():
    blocks, replacements = sys.argv[1].split("+"), json.loads(sys.argv[2])
    given, shown = sys.argv[3:] or ("{}", None)
    texts = [(GUIDE / block).read_text() for block in blocks]
    for old, new in replacements.items():
        if not any(old in text for text in texts):
            sys.exit(f"{blocks} have no {old}")
        texts = [text.replace(old, new) for text in texts]
    names = {"__name__": "__main__", **json.loads(given)}
    for block, text in zip(blocks, texts):
        run(block, text, names)
    if shown:
        print(json.dumps(eval(shown, names), default=plain))
    elif "presigned_url" in names:
        print(names["presigned_url"])


if __name__ == "__main__":
    main()
