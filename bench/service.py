#!/usr/bin/python3
"""service.py - measure agentcored beside moto's server, in one run on one machine, and print one table.

    bench/service.py [--markdown FILE] [--json FILE] [--python PATH] [--program FILE] [--store URL] [--check]

Requests are signed before a run and sent by bench/replay.c over kept-alive connections, so the load costs the servers
little of the machine.  agentcored runs as it does for everybody: signatures verified, inputs validated, every creation
on disk before it is answered, access log on.  Its operations are GetWorkloadIdentity and CreateWorkloadIdentity.

moto has no workload identities; there it is GetMemory and CreateMemory of the same service, the smallest resource it
has of it.  moto verifies no signature, keeps everything in memory and closes each connection behind its answer.

Environment: BENCH_SECONDS (2) per run, BENCH_ROUNDS (3), BENCH_MOTO_PYTHON: a Python that has moto[server]."""

import argparse
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

from harness import READY_SECONDS, BenchError, Load, Server, free_port
from report import machine

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.append(str(ROOT / "tests" / "blackbox"))
from sigv4 import Signer  # noqa: E402

CLIENTS = [1, 32]
IDENTITIES = 500  # that are there for Get
STARTS = 20
STARTS_MOTO = 5
PIP_SECONDS = 300
FASTEST = 25000  # creations per second that are prepared for; a run ends early when they are used up
FASTEST_MOTO = 2500
AIM_RATIO = 50
AIM_READY_MS = 30
AIM_BYTES = 15e6
HEADINGS = ["What", "agentcored", "moto", "Ratio", "Aim", "Result"]


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


# ---- the servers ----


class Service(Server):
    """A server that answers GET of ready_path with 200 once it is ready.  Words of command may hold {port}."""

    name = ""
    ready_path = "/"

    def __init__(self, command, cwd):
        self.port = free_port()
        self.cwd = cwd
        self.process = subprocess.Popen(
            [word.format(port=self.port) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=cwd,
        )
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while self._status() != 200:
            if self.process.poll() is not None:
                raise BenchError(f"{self.name} ended at start with code {self.process.returncode}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} was not ready in time")
            time.sleep(0.02)

    def _status(self):
        try:
            return self.ask("GET", self.ready_path)[0]
        except (OSError, http.client.HTTPException):
            return None

    def ask(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def signer(self):
        access_key, secret_key, region = self.keys
        return Signer(access_key, secret_key, region, f"127.0.0.1:{self.port}")


class Ours(Service):
    name = "agentcored"
    ready_path = "/health"
    fastest = FASTEST

    def __init__(self, program, folder, store):
        self.data = os.path.join(folder, "data")
        super().__init__(self.command(program, self.data, store), folder)
        text = subprocess.run(
            [program, "env", "--json", "--data-dir", self.data], capture_output=True, text=True, check=True
        ).stdout
        found = json.loads(text)
        self.keys = found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"], found["AWS_REGION"]

    @staticmethod
    def command(program, data, store):
        words = [program, "--data-dir", data, "--listen", "127.0.0.1:{port}"]
        return words + (["--store", store] if store else [])

    def create(self, signer, name):
        return signer.request("POST", "/identities/CreateWorkloadIdentity", b'{"name": "%s"}' % name.encode())

    def gets(self, signer, replay):
        """Requests for resources that are there, made beforehand."""
        names = [f"bench-{i}" for i in range(IDENTITIES)]
        replay.all(self, [self.create(signer, name) for name in names])
        path = "/identities/GetWorkloadIdentity"
        return [signer.request("POST", path, b'{"name": "%s"}' % name.encode()) for name in names]


class Moto(Service):
    name = "moto"
    ready_path = "/moto-api/"
    fastest = FASTEST_MOTO
    keys = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-west-2"

    def create(self, signer, name):
        members = {"name": name.replace("-", "_"), "eventExpiryDuration": 30, "clientToken": name.ljust(36, "0")}
        return signer.request("POST", "/memories/create", json.dumps(members).encode())

    def gets(self, signer, replay):
        replay.all(self, [self.create(signer, f"bench-{i}") for i in range(50)])
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        raw = signer.request("POST", "/memories/", b"{}")
        headers = dict(line.split(": ", 1) for line in raw.decode().split("\r\n\r\n")[0].split("\r\n")[1:])
        connection.request("POST", "/memories/", b"{}", headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        ids = [entry["id"] for entry in answer["memories"]]
        if not ids:
            raise BenchError("moto lists no memories")
        return [signer.request("GET", f"/memories/{memory}/details") for memory in ids]


def write_requests(path, requests):
    """The file that replay reads: each request behind a line with its length."""
    with open(path, "wb") as f:
        for request in requests:
            f.write(b"%d\n" % len(request))
            f.write(request)


class Replay:
    def __init__(self, program, folder):
        self.program = program
        self.file = os.path.join(folder, "requests")

    def run(self, server, requests, clients, seconds, loop=False, *options):
        write_requests(self.file, requests)
        command = [self.program, "--port", str(server.port), "--file", self.file]
        command += ["--conns", str(clients), "--seconds", str(seconds)] + (["--loop"] if loop else [])
        command += options
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 60)
        result = json.loads(done.stdout) if done.stdout else {}
        if done.returncode != 0 or result.get("refused") or result.get("errors"):
            raise BenchError(f"{server.name}: {done.stderr.strip() or result}")
        return result

    def all(self, server, requests):
        """Send each once, whatever the time."""
        self.run(server, requests, 8, 120)


# ---- measuring ----


def measure(server, replay, args, number, results):
    """One round on one server."""
    if number == 0:
        server.get_requests = server.gets(server.signer(), replay)
    for clients in CLIENTS:
        if number > 0:
            sample = replay.run(server, server.get_requests, clients, args.seconds, loop=True)
            results.setdefault((server.name, "get", clients), []).append(sample)
        signer = server.signer()
        seconds = args.seconds if number > 0 else 0.5
        count = int(server.fastest * seconds) if clients > 1 else int(server.fastest * seconds / 2)
        requests = [server.create(signer, f"bench-{number}-{clients}-{i}") for i in range(count)]
        sample = replay.run(server, requests, clients, seconds)
        if number > 0:
            results.setdefault((server.name, "create", clients), []).append(sample)


def traffic(servers, replay, args, results):
    """Round after round, all servers in turn; round 0 warms up."""
    for number in range(args.rounds + 1):
        note(f"requests: round {number} of {args.rounds}" if number else "requests: warming up")
        for server in list(servers):
            try:
                measure(server, replay, args, number, results)
            except BenchError as problem:
                note(str(problem))
                servers.remove(server)


def start_times(load, name, command, path, count):
    note(f"start: {name}, {count} times")
    port = free_port()
    return load.start_times_on(port, [word.format(port=port) for word in command], path, count)["median_ms"]


# ---- moto ----


def find_moto(args, missing):
    """The command of moto's server, or None."""
    python = args.python or os.environ.get("BENCH_MOTO_PYTHON")
    folder = ROOT / "build/bench-moto-venv"
    if not python:
        python = str(folder / "bin/python")
        if not os.path.exists(python):
            note(f"installing moto into {folder}")
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "15"]
            steps = [
                [sys.executable, "-m", "venv", str(folder)],
                pip + ["--retries", "1", "-r", str(HERE / "reference/requirements-service.txt")],
            ]
            for step in steps:
                try:
                    good = subprocess.run(step, capture_output=True, timeout=PIP_SECONDS).returncode == 0
                except (OSError, subprocess.TimeoutExpired):
                    good = False
                if not good:
                    shutil.rmtree(folder, ignore_errors=True)
                    missing.append("moto (pip could not install it)")
                    return None, ""
    script = "import importlib.metadata as m; print(m.version('moto'), 'werkzeug', m.version('werkzeug'))"
    try:
        found = subprocess.run([python, "-c", script], capture_output=True, text=True).stdout.strip()
    except OSError:
        found = ""
    if not found:
        missing.append("moto (cannot be imported)")
        return None, ""
    return [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", "{port}"], "moto " + found


# ---- the table ----


def median(samples, member):
    return statistics.median(sample[member] for sample in samples)


def rate_rows(results):
    for what in ("get", "create"):
        for clients in CLIENTS:
            ours, theirs = (results.get((name, what, clients)) for name in ("agentcored", "moto"))
            if not ours:
                continue
            title = f"{what.title()}, {clients} client{'s' if clients > 1 else ''}"
            rate = median(ours, "rps")
            row = [f"{title}: requests/s", f"{rate:,.0f}/s", "-", "", f">= {AIM_RATIO}x", ""]
            if theirs:
                ratio = rate / median(theirs, "rps")
                row[2:4] = [f"{median(theirs, 'rps'):,.0f}/s", f"{ratio:.1f}x"]
                row[5] = "met" if ratio >= AIM_RATIO else "MISS"
            yield row
            for member, name in (("p50_us", "p50"), ("p99_us", "p99")):
                mine = median(ours, member) / 1000
                row = [f"{title}: {name}", f"{mine:,.2f} ms", "-", "", "", ""]
                if theirs:
                    other = median(theirs, member) / 1000
                    row[2:4] = [f"{other:,.2f} ms", f"{other / mine:.1f}x less"]
                yield row


def bound_row(title, ours, theirs, aim, form):
    if ours is None:
        return [title, "-", "-", "", f"<= {form(aim)}", "not measured"]
    row = [title, form(ours), "-", "", f"<= {form(aim)}", "met" if ours <= aim else "MISS"]
    if theirs is not None:
        row[2:4] = [form(theirs), f"{theirs / ours:.1f}x less"]
    return row


def print_table(rows, lines):
    widths = [max(len(row[i]) for row in [HEADINGS] + rows) for i in range(len(HEADINGS))]
    for row in [HEADINGS, ["-" * width for width in widths]] + rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print("\n" + "\n".join(lines))


def write_markdown(path, rows, lines):
    with open(path, "w") as f:
        f.write("| " + " | ".join(HEADINGS) + " |\n|---|---:|---:|---:|---:|---|\n")
        f.writelines("| " + " | ".join(row) + " |\n" for row in rows)
        f.write("\n" + "\n\n".join(lines) + "\n")


# ---- the command ----


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCH_SECONDS", 2)))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("BENCH_ROUNDS", 3)))
    parser.add_argument("--program", default=str(ROOT / "build/agentcored"))
    parser.add_argument("--bin", default=str(ROOT / "build/bench"), help="where load and replay are")
    parser.add_argument("--store", help="a PostgreSQL URL, instead of SQLite")
    parser.add_argument("--folder", default=str(ROOT / "build"), help="on the disk that data directories are to be on")
    parser.add_argument("--python", help="a Python that has moto[server] (also: BENCH_MOTO_PYTHON)")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there too")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when an aim is missed")
    args = parser.parse_args()
    for program in (args.program, f"{args.bin}/load", f"{args.bin}/replay"):
        if not os.access(program, os.X_OK):
            parser.error(f"there is no program {program}: build first (make build)")
    if args.rounds < 1 or not 0 < args.seconds <= 60:
        parser.error("rounds or seconds out of range")
    return args


def measure_all(args, moto, folder, results, numbers):
    load, replay = Load(f"{args.bin}/load"), Replay(f"{args.bin}/replay", folder)
    data = os.path.join(folder, "start")
    numbers["agentcored start"] = start_times(
        load, "agentcored", Ours.command(args.program, data, args.store), Ours.ready_path, STARTS
    )
    if moto:
        numbers["moto start"] = start_times(load, "moto", moto, Moto.ready_path, STARTS_MOTO)
    running = []
    try:
        running.append(Ours(args.program, folder, args.store))
        if moto:
            running.append(Moto(moto, folder))
        for server in running:
            numbers[f"{server.name} memory"] = server.settled_rss_bytes()
        traffic(list(running), replay, args, results)
        for server in running:
            numbers[f"{server.name} memory behind"] = server.settled_rss_bytes()
    finally:
        for server in running:
            server.stop()


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    missing, results, numbers = [], {}, {}
    moto, version = find_moto(args, missing)
    folder = tempfile.mkdtemp(prefix="bench-", dir=args.folder)
    try:
        measure_all(args, moto, folder, results, numbers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = list(rate_rows(results))
    rows.append(
        bound_row("Resident memory, idle", numbers.get("agentcored memory"), numbers.get("moto memory"), AIM_BYTES,
                  lambda v: f"{v / 1e6:,.1f} MB")
    )  # fmt: skip
    rows.append(
        bound_row("Start to ready, median", numbers.get("agentcored start"), numbers.get("moto start"), AIM_READY_MS,
                  lambda v: f"{v:,.1f} ms")
    )  # fmt: skip
    lines = [
        f"Machine: {machine()}.",
        f"Medians of {args.rounds} interleaved rounds of {args.seconds:g} s; nothing pinned; requests signed "
        f"beforehand; store {'PostgreSQL' if args.store else 'SQLite, every creation on disk before its answer'}.",
        f"{version or 'moto'}: GetMemory and CreateMemory of the same service, since it has no workload "
        "identities; it verifies no signatures, keeps everything in memory, and closes each connection.",
        "Resident memory after all requests: "
        + ", ".join(f"{k.split()[0]} {v / 1e6:,.1f} MB" for k, v in numbers.items() if k.endswith("behind")) + ".",
    ] + (["Missing: " + "; ".join(missing) + "."] if missing else [])  # fmt: skip
    print_table(rows, lines)
    if args.markdown:
        write_markdown(args.markdown, rows, lines)
    if args.json:
        samples = [{"server": k[0], "load": k[1], "clients": k[2], "samples": v} for k, v in results.items()]
        pathlib.Path(args.json).write_text(json.dumps({"numbers": numbers, "results": samples}, indent=1))
    return 1 if args.check and any(row[5] != "met" for row in rows if row[4]) else 0


if __name__ == "__main__":
    sys.exit(main())
