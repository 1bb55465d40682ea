#!/usr/bin/python3
"""runtime.py - measure what agentcored adds to an agent: to its answers, its streams, its start; and what it costs.

    bench/runtime.py [--only call,sse,start,memory] [--markdown FILE] [--json FILE] [--program FILE] [--check]

The agent is bench_agent: deployed as an image, with a sandbox for each session; and the same program started here and
called over loopback, with the same requests.  Requests are signed beforehand and sent by bench/replay.c over kept-alive
connections; agentcored verifies them, and logs them as it does for everybody.  Short runs on both go in turn, and what
is added is the difference of two that are neighbours.

Environment: BENCH_SECONDS (2) per round, BENCH_ROUNDS (3)."""

import argparse
import datetime
import http.client
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
import zipfile
from urllib.parse import quote

from harness import BenchError, Load, Server
from report import machine
from service import Ours, Replay

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PHASES = ["call", "sse", "start", "memory"]
SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"
PYTHON = "/usr/bin/python3"
PROMPT = b'{"prompt": "Hello!"}'
CLIENTS, SESSIONS = 32, 8
STREAMS = 8  # at once
EVENTS_PER_REPLY = 100
SLICES = 4  # of a round: so often do the two servers take turns in it
WARM = 8  # sandboxes that are kept started
IDLE_SESSIONS = 32
DEPLOY_SECONDS = 60
SETTLE_SECONDS = 30
STARTS = {"bench_agent": 16, "Python": 8}  # one at a time, in a round
HEADINGS = ["What", "agentcored", "Direct", "Ratio", "Must", "Aim", "Result"]


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


# ---- processes ----


def processes():
    """pid -> (parent, name) of all that there are."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = pathlib.Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            comm, rest = text.split("(", 1)[1].rsplit(")", 1)
            found[int(name)] = (int(rest.split()[1]), comm)
    return found


def family(pid):
    """pid -> name of a process and all below it."""
    everybody = processes()
    found, grown = {pid: everybody[pid][1]}, True
    while grown:
        grown = False
        for child, (parent, name) in everybody.items():
            if parent in found and child not in found:
                found[child], grown = name, True
    return found


def memory_of(pids):
    """Their memory, where what several share counts in parts; so sums are right."""
    total = 0
    for pid in pids:
        try:
            lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # it has ended
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


# ---- agentcored with agents ----


class Service(Ours):
    """An agentcored with a data directory of its own."""

    def __init__(self, program, folder, *options):
        self.options = list(options)
        super().__init__(program, folder, None)
        self.sign = self.signer()

    def command(self, program, data, store):
        return super().command(program, data, store) + self.options

    def control(self, method, path, body=None):
        text = json.dumps(body).encode() if body is not None else b""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"content-type": "application/json"} if text else {}
            connection.request(method, path, text, self.signer().headers(method, path, (), headers, text))
            answer = connection.getresponse()
            got = answer.read()
        finally:
            connection.close()
        if answer.status not in (200, 202):
            raise BenchError(f"{method} {path}: {answer.status} {got.decode(errors='replace')[:300]}")
        return json.loads(got) if got else {}

    def deploy(self, name, artifact):
        """The path of a runtime's calls, once it is READY."""
        made = self.control("PUT", "/runtimes/", {
            "agentRuntimeName": name,
            "agentRuntimeArtifact": artifact,
            "roleArn": "arn:aws:iam::123456789012:role/agent",
            "networkConfiguration": {"networkMode": "PUBLIC"},
        })  # fmt: skip
        deadline = time.monotonic() + DEPLOY_SECONDS
        while (found := self.control("GET", f"/runtimes/{made['agentRuntimeId']}/"))["status"] != "READY":
            if found["status"] != "CREATING" or time.monotonic() > deadline:
                raise BenchError(f"{name}: {found['status']} {found.get('failureReason', '')}")
            time.sleep(0.05)
        return f"/runtimes/{quote(made['agentRuntimeArn'], safe='')}"

    def deploy_image(self, program, mode):
        layout = os.path.join(self.data, "images", "bench")
        os.makedirs(os.path.dirname(layout), exist_ok=True)
        subprocess.run(
            [ROOT / "scripts/make-image", program, layout, "--tag", mode, "--arg", "8080", "--arg", mode],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        artifact = {"containerConfiguration": {"containerUri": f"bench:{mode}"}}
        return self.deploy("bench_" + mode.replace("-", "_"), artifact)

    def deploy_python(self):
        path = os.path.join(self.data, "buckets", "bench", "agent.zip")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with zipfile.ZipFile(path, "w") as z:
            z.write(HERE / "reference/agent_stdlib.py", "agent.py")
        where = {"s3": {"bucket": "bench", "prefix": "agent.zip"}}
        code = {"code": where, "runtime": "PYTHON_3_11", "entryPoint": ["agent.py"]}
        return self.deploy("bench_python", {"codeConfiguration": code})

    def requests(self, path, sessions, action="/invocations"):
        """One for each session id."""
        return [self.sign.request("POST", path + action, PROMPT, (), {SESSION: session}) for session in sessions]

    def sandboxes(self):
        return sum(name == "agentcore-init" for name in family(self.process.pid).values())

    def await_sandboxes(self, count):
        deadline = time.monotonic() + SETTLE_SECONDS
        while (now := self.sandboxes()) != count:
            if time.monotonic() > deadline:
                raise BenchError(f"{now} sandboxes, where {count} were to be")
            time.sleep(0.02)

    def stop_sessions(self, replay, path, sessions):
        """End them, and wait until nothing is left of them."""
        replay.run(self, self.requests(path, sessions, "/stopruntimesession"), min(8, len(sessions)), 60)


def new_sessions(count):
    return [f"bench-{uuid.uuid4()}" for _ in range(count)]


def straight(requests, path):
    """The same requests as the agent itself takes them."""
    return [request.replace(path.encode(), b"", 1) for request in requests]


class Bench:
    def __init__(self, args, folder):
        self.args = args
        self.folder = folder
        self.replay = Replay(f"{args.bin}/replay", folder)
        self.agent = f"{args.bin}/bench_agent"
        self.samples = {}

    def record(self, name, value):
        self.samples.setdefault(name, []).append(value)

    def median(self, name):
        values = self.samples.get(name)
        return statistics.median(values) if values else None

    def service(self, name, *options):
        folder = os.path.join(self.folder, name)
        os.mkdir(folder, 0o711)
        return Service(self.args.program, folder, *options)

    def timed(self, server, requests, clients, *options):
        """One slice on one server, with the CPU time of the server's own process."""
        before = server.cpu_seconds()
        result = self.replay.run(server, requests, clients, self.args.seconds / SLICES, True, *options)
        result["cpu_s"] = server.cpu_seconds() - before
        return result

    def pairs(self, what, daemon, direct, requests, path, clients, *options):
        """Slices on both in turn, the first two to warm up."""
        own = straight(requests, path)
        for i in range(SLICES * self.args.rounds + 1):
            if i % SLICES == 1:
                note(f"{what}: round {i // SLICES + 1} of {self.args.rounds}")
            theirs = self.timed(direct, own, clients, *options)
            mine = self.timed(daemon, requests, clients, *options)
            if i > 0:
                yield mine, theirs

    # ---- phases ----

    def call(self):
        with self.service("call") as daemon, Server("agent", [self.agent, "PORT", "loop"]) as direct:
            path = daemon.deploy_image(self.agent, "loop")
            requests = daemon.requests(path, new_sessions(SESSIONS) * (CLIENTS // SESSIONS))
            self.replay.run(daemon, requests, 1, 60)
            for mine, theirs in self.pairs("call, 1 client", daemon, direct, requests[:1], path, 1):
                for quantile in ("p50_us", "p99_us"):
                    self.record(f"call {quantile}", mine[quantile])
                    self.record(f"call direct {quantile}", theirs[quantile])
                    self.record(f"call added {quantile}", mine[quantile] - theirs[quantile])
            what = f"call, {CLIENTS} clients"
            for mine, theirs in self.pairs(what, daemon, direct, requests, path, CLIENTS):
                self.record("load rps", mine["rps"])
                self.record("load direct rps", theirs["rps"])
                self.record("load p99_us", mine["p99_us"])
                self.record("load direct p99_us", theirs["p99_us"])
                self.record("load cpu_us", mine["cpu_s"] / mine["total"] * 1e6)
                self.record("load direct cpu_us", theirs["cpu_s"] / theirs["total"] * 1e6)
            self.record("memory behind", memory_of([daemon.process.pid]))

    def sse(self):
        with self.service("sse") as daemon:
            self.streams(daemon)
            self.delays(daemon)

    def streams(self, daemon):
        with Server("agent", [self.agent, "PORT", "sse"]) as direct:
            path = daemon.deploy_image(self.agent, "sse")
            requests = daemon.requests(path, new_sessions(STREAMS))
            self.replay.run(daemon, requests, 1, 60)
            for mine, theirs in self.pairs("sse", daemon, direct, requests, path, STREAMS):
                for sample in mine, theirs:
                    if sample["total_events"] != EVENTS_PER_REPLY * sample["total"]:
                        raise BenchError(f"{sample['total_events']} events in {sample['total']} answers")
                self.record("sse events_per_s", mine["events_per_s"])
                self.record("sse direct events_per_s", theirs["events_per_s"])
                self.record("sse cpu_us", mine["cpu_s"] / mine["total_events"] * 1e6)
                self.record("sse direct cpu_us", theirs["cpu_s"] / theirs["total_events"] * 1e6)

    def delays(self, daemon):
        with Server("agent", [self.agent, "PORT", "sse-paced"]) as direct:
            path = daemon.deploy_image(self.agent, "sse-paced")
            requests = daemon.requests(path, new_sessions(1))
            self.replay.run(daemon, requests, 1, 60)
            for mine, theirs in self.pairs("sse, delay", daemon, direct, requests, path, 1, "--stamps"):
                for quantile in ("age_p50_us", "age_p99_us"):
                    self.record(f"sse {quantile}", mine[quantile])
                    self.record(f"sse direct {quantile}", theirs[quantile])
                    self.record(f"sse added {quantile}", mine[quantile] - theirs[quantile])

    def start_once(self, name, daemon, path, count, clients, warm=0):
        """First requests of new sessions; none of them is left behind."""
        sessions = new_sessions(count)
        result = self.replay.run(daemon, daemon.requests(path, sessions), clients, 120)
        if name:
            self.record(f"start {name} p50_us", result["p50_us"])
            self.record(f"start {name} max_us", result["max_us"])
        daemon.stop_sessions(self.replay, path, sessions)
        daemon.await_sandboxes(warm)
        time.sleep(0.5 if warm else 0)  # the last ones start, and are to be ready

    def agents(self, daemon):
        """Each with its path."""
        yield "bench_agent", daemon.deploy_image(self.agent, "loop")
        if os.path.exists(PYTHON):
            yield "Python", daemon.deploy_python()

    def start(self):
        self.own_starts()
        with self.service("start") as daemon:
            paths = dict(self.agents(daemon))
            for number in range(self.args.rounds + 1):
                note(f"start: round {number} of {self.args.rounds}" if number else "start: warming up")
                for agent, path in paths.items():
                    count = STARTS[agent]
                    self.start_once(number and f"{agent} 1", daemon, path, count, 1)
                    self.start_once(number and f"{agent} 8", daemon, path, max(count, 8), 8)
        for agent in paths:
            self.warm_start(agent)

    def own_starts(self):
        load = Load(f"{self.args.bin}/load")
        for _ in range(self.args.rounds):
            self.record("start bench_agent own", load.start_times([self.agent, "PORT", "loop"], 10)["median_ms"] * 1000)

    def warm_start(self, agent):
        with self.service(f"warm-{agent}", "--warm-sessions", str(WARM)) as daemon:
            path = dict(self.agents(daemon))[agent]
            for number in range(self.args.rounds + 1):
                note(f"start, warm: {agent}, round {number} of {self.args.rounds}")
                self.start_once(number and f"{agent} warm 1", daemon, path, 4, 1, WARM)
                self.start_once(number and f"{agent} warm 8", daemon, path, WARM, WARM, WARM)

    def memory(self):
        note("memory")
        with self.service("memory") as daemon:
            daemon.settled_rss_bytes()
            self.record("memory idle", memory_of(self.helpers(daemon)))
            self.record("memory idle rss", daemon.rss_bytes())
            path = daemon.deploy_image(self.agent, "loop")
            self.replay.run(daemon, daemon.requests(path, new_sessions(1)), 1, 60)
            daemon.settled_rss_bytes()
            before = memory_of(self.helpers(daemon))
            self.replay.run(daemon, daemon.requests(path, new_sessions(IDLE_SESSIONS)), 1, 60)
            daemon.settled_rss_bytes()
            self.record("memory session", (memory_of(self.helpers(daemon)) - before) / IDLE_SESSIONS)
            everybody = family(daemon.process.pid)
            for name in ("bench_agent", "agentcore-init", "bwrap"):
                pids = [pid for pid, comm in everybody.items() if comm == name]
                self.record(f"memory {name}", memory_of(pids) / (IDLE_SESSIONS + 1))

    @staticmethod
    def helpers(daemon):
        """agentcored and what it keeps beside it: the spawner, and processes that will become sandboxes."""
        return [pid for pid, name in family(daemon.process.pid).items() if name.startswith("agentcored")]


# ---- the table ----


def micro(v):
    return f"{v:,.0f} us"


def milli(v):
    return f"{v / 1000:,.1f} ms"


def rate(v):
    return f"{v:,.0f}/s"


def mega(v):
    return f"{v / 1e6:,.2f} MB"


def fine(v):
    return f"{v:,.2f} us"


def kilo(v):
    return f"{v / 1e3:,.0f} kB"


# What, how it is written, ours, the direct call's, must, aim.
ROWS = [
    ("InvokeAgentRuntime, added to a direct call, p50", micro, "call added p50_us", None, 300, 100),
    ("the same, p99", micro, "call added p99_us", None, None, None),
    ("InvokeAgentRuntime, 1 client, p50", micro, "call p50_us", "call direct p50_us", None, None),
    ("the same, p99", micro, "call p99_us", "call direct p99_us", None, None),
    (f"{CLIENTS} clients over {SESSIONS} sessions: requests/s", rate, "load rps", "load direct rps", None, None),
    ("the same: p99", micro, "load p99_us", "load direct p99_us", None, None),
    ("the same: CPU per request, of agentcored; of the agent", fine, "load cpu_us", "load direct cpu_us", None, None),
    (f"100-event SSE, {STREAMS} at once: events/s", rate, "sse events_per_s", "sse direct events_per_s", None, None),
    ("the same: CPU per event, of agentcored; of the agent", fine, "sse cpu_us", "sse direct cpu_us", None, None),
    ("SSE, from agent to client, p50", micro, "sse age_p50_us", "sse direct age_p50_us", None, None),
    ("the same: added by agentcored, p50", micro, "sse added age_p50_us", None, None, None),
    ("the same: added by agentcored, p99", micro, "sse added age_p99_us", None, None, None),
    ("session start, C agent, one at a time, p50", milli, "start bench_agent 1 p50_us", "start bench_agent own",
     60000, 20000),
    ("the same, 8 at a time", milli, "start bench_agent 8 p50_us", None, None, None),
    ("session start, Python agent, one at a time, p50", milli, "start Python 1 p50_us", None, None, None),
    ("the same, 8 at a time", milli, "start Python 8 p50_us", None, None, None),
    (f"session start, C agent, --warm-sessions {WARM}, one at a time, p50", milli, "start bench_agent warm 1 p50_us",
     None, None, None),
    ("the same, 8 at a time", milli, "start bench_agent warm 8 p50_us", None, None, None),
    (f"session start, Python agent, --warm-sessions {WARM}, one at a time, p50", milli, "start Python warm 1 p50_us",
     None, None, None),
    ("the same, 8 at a time", milli, "start Python warm 8 p50_us", None, None, None),
    ("idle memory, with the processes that make sandboxes", mega, "memory idle", None, 30e6, 15e6),
    ("resident memory of the daemon's process alone", mega, "memory idle rss", None, 30e6, 15e6),
    ("the same behind the calls above", mega, "memory behind", None, None, None),
    ("memory of agentcored for each idle session", kilo, "memory session", None, None, None),
    ("of a C agent in its sandbox", kilo, "memory bench_agent", None, None, None),
    ("of agentcore-init beside it", kilo, "memory agentcore-init", None, None, None),
    ("of bwrap beside it", kilo, "memory bwrap", None, None, None),
]  # fmt: skip


def make_row(row, bench):
    what, form, ours, theirs, must, aim = row
    mine, other = bench.median(ours), bench.median(theirs) if theirs else None
    if mine is None:
        return None
    cells = [what, form(mine), "", "", "", "", ""]
    if other is not None:
        cells[2:4] = [form(other), f"{mine / other:.2f}x"]
    if must is not None:
        cells[4:6] = [f"<= {form(must)}", f"<= {form(aim)}"]
        cells[6] = "aim met" if mine <= aim else "must met" if mine <= must else "MISS"
    return cells


def print_table(rows, lines):
    widths = [max(len(row[i]) for row in [HEADINGS] + rows) for i in range(len(HEADINGS))]
    for row in [HEADINGS, ["-" * width for width in widths]] + rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print("\n" + "\n".join(lines))


def write_markdown(path, rows, lines):
    with open(path, "w") as f:
        f.write("| " + " | ".join(HEADINGS) + " |\n|---|" + "---:|" * 5 + "---|\n")
        f.writelines("| " + " | ".join(row) + " |\n" for row in rows)
        f.write("\n" + "\n\n".join(lines) + "\n")


# ---- the command ----


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", default=",".join(PHASES), help="phases, comma separated: " + ", ".join(PHASES))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCH_SECONDS", 2)))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("BENCH_ROUNDS", 3)))
    parser.add_argument("--program", default=str(ROOT / "build/agentcored"))
    parser.add_argument("--bin", default=str(ROOT / "build/bench"), help="where load, replay and bench_agent are")
    parser.add_argument("--folder", default=str(ROOT / "build"), help="on the disk that data directories are to be on")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there too")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a must is missed")
    args = parser.parse_args()
    args.phases = [phase for phase in args.only.split(",") if phase]
    unknown = set(args.phases) - set(PHASES)
    if unknown:
        parser.error("unknown phase: " + ", ".join(sorted(unknown)))
    for program in (args.program, f"{args.bin}/load", f"{args.bin}/replay", f"{args.bin}/bench_agent"):
        if not os.access(program, os.X_OK):
            parser.error(f"there is no program {program}: build first (make build)")
    if args.rounds < 1 or not 0 < args.seconds <= 60:
        parser.error("rounds or seconds out of range")
    return args


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder, failures = tempfile.mkdtemp(prefix="bench-", dir=args.folder), []
    os.chmod(folder, 0o711)  # what is deployed is reached by sandboxes' users
    bench, busy = Bench(args, folder), os.getloadavg()[0]
    try:
        for phase in args.phases:
            try:
                getattr(bench, phase)()
            except BenchError as problem:
                note(f"{phase}: {problem}")
                failures.append(f"{phase} ({problem})")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = [cells for cells in (make_row(row, bench) for row in ROWS) if cells]
    lines = [
        f"Machine: {machine()}. Date: {datetime.date.today().isoformat()}.",
        f"Medians of {args.rounds} rounds of {args.seconds:g} s, in which the two take turns {SLICES} times; nothing "
        f"pinned; {'with other work on the machine' if busy > 0.5 else 'the machine was idle before'}.",
        "Direct is the same program called over loopback; beside a session's start, that program's start until it "
        "answers. Memory is what processes share in parts (PSS), but where it says resident.",
    ]
    lines += ["Not measured: " + "; ".join(failures) + "."] if failures else []
    print_table(rows, lines)
    if args.markdown:
        write_markdown(args.markdown, rows, lines)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(bench.samples, indent=1))
    return 1 if args.check and (failures or any(row[6] == "MISS" for row in rows)) else 0


if __name__ == "__main__":
    sys.exit(main())
