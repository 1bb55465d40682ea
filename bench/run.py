#!/usr/bin/python3
"""run.py - measure the agent server beside reference programs, in one run on one machine, and print one table.

    bench/run.py [--only http,sse,ws,memory,start] [--markdown FILE] [--json FILE] [--python PATH] [--check]

Every server is started here, on a free loopback port, pinned to one core; the load generator has another.  Rounds go
over all servers in turn, so that a slow moment of the machine meets all of them.  What is missing (Node, the Python
packages, the net to install them from) is left out, and the table says so.

Environment: BENCH_SECONDS (2) per run, BENCH_ROUNDS (3), BENCH_PYTHON: a Python that has the packages of
reference/requirements.txt."""

import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys

import report
from harness import OTHERS_MAX, BenchError, Load, Server, cores

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PHASES = ["http", "sse", "ws", "memory", "start"]

CONNECTIONS = 64
WS_CONNECTIONS = 32
EVENTS_PER_REPLY = 100
WARM_SECONDS = 1.0  # before the first round: just-in-time compilers and allocators settle
GUIDE_BYTES = len("Hello!")  # the prompt of the guide's own request
IDLE_OURS = 8000
IDLE_BLOCKING = 1000  # WebSockets in blocking style: a thread each
IDLE_THEIRS = 2000
PIP_SECONDS = 240


def note(text):
    """Progress goes to standard error, the table alone to standard output."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


# ---- what can be measured here ----


def imports(python, module):
    try:
        done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def make_venv(folder):
    """A virtual environment with the references; the reason as text when it could not be made."""
    note(f"installing the Python references into {folder}")
    steps = [
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--timeout", "15", "--retries", "1", "-r", str(HERE / "reference/requirements.txt")],
    ]  # fmt: skip
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=PIP_SECONDS)
            failed = done.returncode != 0
        except (OSError, subprocess.TimeoutExpired):
            failed = True
        if failed:
            shutil.rmtree(folder, ignore_errors=True)
            return "venv not available" if "venv" in step else "pip could not install them"
    return None


def find_python(args, missing):
    """The Python for the references, or None; what is not there is appended to missing."""
    python = args.python or os.environ.get("BENCH_PYTHON")
    folder = ROOT / "build" / "bench-venv"
    if not python:
        why = None
        if not (folder / "bin/python").exists():
            why = make_venv(folder) if not args.no_venv else "no virtual environment, and none wanted"
        if why:
            missing.append(f"Python SDK and Starlette ({why})")
            return None
        python = str(folder / "bin/python")
    for module, name in (("starlette", "Starlette"), ("uvicorn", "uvicorn"), ("bedrock_agentcore", "Python SDK")):
        if not imports(python, module):
            missing.append(f"{name} ({module} cannot be imported)")
    return python


def version_of(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def find_programs(args, missing):
    """name -> (command without mode, True when it takes modes); and a line on each reference's version."""
    programs, versions = {}, ["bare libuv responder of this directory"]
    agent = pathlib.Path(args.agent) if args.agent else pathlib.Path(args.bin) / "bench_agent"
    if agent.exists():
        programs["agent"] = [str(agent), "PORT"]
    else:
        missing.append(f"{agent.name} (not built)")
    programs["bare responder"] = [str(pathlib.Path(args.bin) / "bare_responder"), "PORT"]
    python = find_python(args, missing)
    if python:
        names = "bedrock-agentcore", "starlette", "uvicorn"
        script = (
            "import importlib.metadata as m, platform\n"
            f"found = {{d.metadata['Name'].lower(): d.version for d in m.distributions()}}\n"
            f"found = [n + ' ' + found[n] for n in {names} if n in found]\n"
            "print('Python ' + platform.python_version(), *found, sep=', ')"
        )
        versions.append(version_of([python, "-c", script]))
        if imports(python, "starlette, uvicorn"):
            programs["Starlette"] = [python, str(HERE / "reference/agent_starlette.py"), "PORT"]
        if imports(python, "bedrock_agentcore"):
            programs["Python SDK"] = [python, str(HERE / "reference/agent_sdk.py"), "PORT"]
    node = shutil.which("node")
    if node:
        programs["Node http"] = [node, str(HERE / "reference/agent_node.js"), "PORT"]
        versions.append(f"Node {version_of([node, '--version'])}, its own http server")
    else:
        missing.append("Node (no node in PATH)")
    return programs, versions


# ---- the phases: each fills results[(phase, server, load)] with a list of samples, or the reason as text ----


class Bench:
    def __init__(self, args, programs, load):
        self.args = args
        self.programs = programs
        self.load = load
        self.results = {}

    def command(self, name, mode, loops, text_bytes=None):
        """The command of a server, or None where its program is missing.  Names that begin with "agent " are ours
        and carry their mode; the bare responder is told how much to answer, where others are told what to do."""
        if name.startswith("agent "):
            ours = self.programs.get("agent")
            return ours and ours + [name.removeprefix("agent ")] + ([str(loops)] if loops else [])
        theirs = self.programs.get(name)
        if name == "bare responder":
            mode = str(self.args.bytes if text_bytes is None else text_bytes)
        return theirs and theirs + [mode]

    def record(self, key, sample):
        if not isinstance(self.results.get(key), str):
            self.results.setdefault(key, []).append(sample)

    def fail(self, key, error):
        note(f"{key[1]}, {key[2]}: {error}")
        self.results[key] = str(error)

    def start(self, phase, names, mode, loads, text_bytes):
        """The servers of a phase, one thread of sockets each, pinned."""
        servers = {}
        for name in names:
            command = self.command(name, mode, 1, text_bytes)
            if command is None:
                continue
            try:
                servers[name] = Server(name, command, cores()[0])
            except (BenchError, OSError) as error:
                for load in loads:
                    self.fail((phase, name, load), error)
        return servers

    def traffic(self, phase, names, mode, loads, connections, text_bytes=None):
        """Round after round, every server under each load in turn."""
        text_bytes = self.args.bytes if text_bytes is None else text_bytes
        servers = self.start(phase, names, mode, loads, text_bytes)
        rounds = [WARM_SECONDS] + [self.args.seconds] * self.args.rounds
        try:
            for i, seconds in enumerate(rounds):
                note(f"{phase}: " + (f"round {i} of {self.args.rounds}" if i else "warming up"))
                for name, server in servers.items():
                    for load in loads:
                        key = (phase, name, load)
                        if isinstance(self.results.get(key), str):
                            continue
                        try:
                            sample = self.load.run(server, load, seconds, connections, text_bytes)
                            if load == "sse" and sample["total_events"] != EVENTS_PER_REPLY * sample["total"]:
                                raise BenchError(f"{sample['total_events']} events in {sample['total']} answers")
                        except BenchError as error:
                            self.fail(key, error)
                            continue
                        if sample["others"] > OTHERS_MAX:
                            note(f"{name}, {load}: other work took {sample['others']:.2f} cores meanwhile")
                        if i > 0:
                            self.record(key, sample)
        finally:
            for server in servers.values():
                server.stop()

    def http(self):
        names = ["agent loop", "agent worker", "bare responder", "Python SDK", "Starlette", "Node http"]
        self.traffic("http", names, "echo", ["get", "post"], CONNECTIONS)
        self.traffic("guide", ["agent loop", "bare responder"], "echo", ["post"], CONNECTIONS, GUIDE_BYTES)

    def sse(self):
        names = ["agent sse", "agent sse-loop", "Node http", "Python SDK", "Starlette"]
        self.traffic("sse", names, "sse", ["sse"], CONNECTIONS)

    def ws(self):
        self.traffic("ws", ["agent ws-events", "agent ws", "Python SDK", "Starlette"], "ws", ["ws"], WS_CONNECTIONS)

    def memory(self):
        """Unpinned and with the default number of loops: as an agent is run."""
        plan = [
            ("agent loop", "echo", ["idle", "keepalive"], IDLE_OURS),
            ("agent idle-sse", "idle-sse", ["sse"], IDLE_OURS),
            ("agent ws-events", "ws", ["ws"], IDLE_OURS),
            ("agent ws", "ws", ["ws"], IDLE_BLOCKING),
            ("Python SDK", "echo", ["idle", "keepalive"], IDLE_THEIRS),
            ("Python SDK", "ws", ["ws"], IDLE_THEIRS),
            ("Starlette", "echo", ["idle", "keepalive"], IDLE_THEIRS),
            ("Starlette", "idle-sse", ["sse"], IDLE_THEIRS),
            ("Node http", "echo", ["idle", "keepalive"], IDLE_THEIRS),
            ("Node http", "idle-sse", ["sse"], IDLE_THEIRS),
        ]
        for name, mode, kinds, count in plan:
            command = self.command(name, mode, 0)
            if command is None:
                continue
            note(f"memory: {name}, {', '.join(kinds)}")
            left = list(kinds)
            try:
                with Server(name, command) as server:
                    while left:
                        key = ("memory", name, left[0])
                        if left[0] == "idle":
                            self.record(key, {"rss": server.settled_rss_bytes()})
                        else:
                            self.record(key, self.load.hold_idle(server, left[0], count))
                        left.pop(0)
            except (BenchError, OSError) as error:
                for kind in left:
                    self.fail(("memory", name, kind), error)

    def start_up(self):
        plan = [("agent loop", 20), ("agent worker", 20), ("bare responder", 20), ("Node http", 20)]
        for name, count in plan + [("Starlette", 7), ("Python SDK", 7)]:
            command = self.command(name, "echo", 0)
            if command is None:
                continue
            note(f"start: {name}, {count} times")
            key = ("start", name, "start")
            try:
                self.record(key, self.load.start_times(command, count))
            except (BenchError, OSError) as error:
                self.fail(key, error)

    def run(self, phases):
        for phase in phases:
            {"http": self.http, "sse": self.sse, "ws": self.ws, "memory": self.memory, "start": self.start_up}[phase]()


# ---- the command ----


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", default=",".join(PHASES), help="phases, comma separated: " + ", ".join(PHASES))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCH_SECONDS", 2)))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("BENCH_ROUNDS", 3)))
    parser.add_argument("--bytes", type=int, default=1024, help="length of the prompt (0 to 8192); the guide's own "
                        "request is measured beside it")  # fmt: skip
    parser.add_argument("--python", help="a Python that has the references (also: BENCH_PYTHON)")
    parser.add_argument("--no-venv", action="store_true", help="do not install the references into build/bench-venv")
    parser.add_argument("--bin", default=str(ROOT / "build/bench"), help="where load and bare_responder are")
    parser.add_argument("--agent", help="another bench_agent than the one of --bin")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there too")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a must is missed")
    args = parser.parse_args()
    args.phases = [phase for phase in args.only.split(",") if phase]
    unknown = set(args.phases) - set(PHASES)
    if unknown:
        parser.error("unknown phase: " + ", ".join(sorted(unknown)))
    if args.rounds < 1 or args.seconds <= 0 or not 0 <= args.bytes <= 8192:
        parser.error("rounds, seconds or bytes out of range")
    for name in "load", "bare_responder":
        if not (pathlib.Path(args.bin) / name).exists():
            parser.error(f"{name} is not in {args.bin}: build first (make build)")
    return args


def main():
    args = parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    missing = []
    programs, versions = find_programs(args, missing)
    server_core, load_core = cores()
    bench = Bench(args, programs, Load(str(pathlib.Path(args.bin) / "load"), load_core))
    bench.run(args.phases)
    settings = {
        "seconds": args.seconds, "rounds": args.rounds, "bytes": args.bytes,
        "connections": CONNECTIONS, "ws_connections": WS_CONNECTIONS, "missing": missing,
        "pinning": "not pinned: there is one core" if server_core is None
        else f"servers pinned to core {server_core}, the load generator to core {load_core}",
    }  # fmt: skip
    rows, lines = report.table(bench.results, settings), report.notes(settings, versions)
    report.print_table(rows, lines)
    if args.markdown:
        report.write_markdown(args.markdown, rows, lines)
    if args.json:
        samples = [{"phase": k[0], "server": k[1], "load": k[2], "samples": v} for k, v in bench.results.items()]
        with open(args.json, "w") as f:
            json.dump({"settings": settings, "references": versions, "results": samples}, f, indent=1)
    return 1 if args.check and report.misses(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
