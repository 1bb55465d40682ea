"""guide.py BLOCK REPLACEMENTS [GIVEN SHOWN] - run a code block of the guide as it stands in guide/.

REPLACEMENTS, a JSON object of texts by the texts they replace, is all that is changed in it.  Endpoint, region and
credentials come from the environment.  A block without imports goes on from 6.2 and gets its imports; a block may wait
at its top level, as in a notebook.  What it leaves in `presigned_url` is printed.

GIVEN, a JSON object, has the names that the guide takes for given; SHOWN is an expression, whose value is printed as
JSON when the block has ended."""

import ast
import asyncio
import inspect
import json
import pathlib
import sys

GUIDE = pathlib.Path(__file__).resolve().parent / "guide"
IMPORTS = "import asyncio\nimport websockets\nfrom bedrock_agentcore.runtime import AgentCoreRuntimeClient\n"


def main():
    block, replacements = sys.argv[1], json.loads(sys.argv[2])
    text = (GUIDE / block).read_text()
    for old, new in replacements.items():
        if old not in text:
            sys.exit(f"{block} has no {old}")
        text = text.replace(old, new)
    given, shown = sys.argv[3:] or ("{}", None)
    names = {"__name__": "__main__", **json.loads(given)}
    if "import" not in text:
        exec(IMPORTS, names)
    made = eval(compile(text, block, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(made):
        asyncio.run(made)
    if "presigned_url" in names:
        print(names["presigned_url"])
    if shown:
        print(json.dumps(eval(shown, names)))


if __name__ == "__main__":
    main()
