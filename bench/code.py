#!/usr/bin/python3
"""code.py - measure the code interpreter: from nothing to the first answer, calls in a session that runs, an upload.

    bench/code.py [--rounds N] [--markdown FILE] [--json FILE] [--program FILE] [--check]

Beside it: `python3 -c 'print(1)'`, which is walled in by nothing, and the same in a bare bubblewrap with namespaces of
its own, which is what a wall costs at least.  A first answer of ours is StartCodeInterpreterSession and executeCode,
signed, over HTTP, with the session written to disk; of theirs it is fork, exec, and the program's end.

Environment: BENCH_ROUNDS (3)."""

import argparse
import base64
import datetime
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from harness import BenchError
from report import machine
from runtime import Service, family, memory_of, note

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PYTHON = "/usr/bin/python3"
BUILTIN = "aws.codeinterpreter.v1"
SESSION = "x-amzn-code-interpreter-session-id"
STARTS = 25  # one after another, in a round
BURST = 100
CALLS = 200
UPLOADS = 5
UPLOAD_BYTES = 10_000_000
MUST_MS, AIM_MS = 60, 15
BARE = [PYTHON, "-c", "print(1)"]
WALLED = ["bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
          "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-all",
          "--die-with-parent", *BARE]
HEADINGS = ["What", "p50", "p95", "python3 -c", "bwrap python3 -c", "Must", "Aim", "Result"]


class Client:
    """A kept connection, as an SDK has it."""

    def __init__(self, service, interpreter):
        self.service, self.interpreter = service, interpreter
        self.signer = service.signer()
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
        self.connection.connect()
        self.ms = 0.0  # that the last call took, without its signing

    def call(self, method, path, body, query=(), headers=()):
        text = json.dumps(body).encode()
        path = f"/code-interpreters/{self.interpreter}/{path}"
        signed = {**self.signer.headers(method, path, query, dict(headers), text), **dict(headers),
                  "content-type": "application/json"}
        target = path + ("?" + "&".join(f"{k}={v}" for k, v in query) if query else "")
        begun = time.perf_counter()
        self.connection.request(method, target, text, signed)
        answer = self.connection.getresponse()
        got = answer.read()
        self.ms = (time.perf_counter() - begun) * 1e3
        if answer.status != 200:
            raise BenchError(f"{method} {path}: {answer.status} {got[:300]}")
        return got

    def start(self):
        self.session = json.loads(self.call("PUT", "sessions/start", {}))["sessionId"]
        return self.ms

    def invoke(self, name, **arguments):
        got = self.call("POST", "tools/invoke", {"name": name, "arguments": arguments}, (), [(SESSION, self.session)])
        if b'"isError":false' not in got:
            raise BenchError(got[:500])
        return self.ms

    def run(self):
        return self.invoke("executeCode", code="print(1)", language="python")

    def stop(self):
        self.call("PUT", "sessions/stop", {}, [("sessionId", self.session)])

    def first_answer(self):
        return self.start() + self.run()


def at_once(count, function):
    """The results of function(i) in so many threads, which begin together; and how long all of it took."""
    results, gate = [None] * count, threading.Barrier(count + 1)

    def one(i):
        gate.wait()
        results[i] = function(i)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    gate.wait()
    begun = time.perf_counter()
    for t in threads:
        t.join()
    if None in results:
        raise BenchError("a call of the burst has failed")
    return results, (time.perf_counter() - begun) * 1e3


def command_ms(command):
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1e3


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.samples, self.totals = {}, {}

    def keep(self, what, values):
        self.samples.setdefault(what, []).extend(values)

    def service(self, *options):
        folder = tempfile.mkdtemp(dir=self.folder)
        os.chmod(folder, 0o711)
        return Service(self.args.program, folder, *options)

    def settle(self, service, sandboxes):
        """Until so many are kept started, each with a kernel and its parent."""
        deadline = time.monotonic() + 30
        while True:
            names = list(family(service.process.pid).values())
            if (names.count("agentcore-code"), names.count("python3")) == (sandboxes, 2 * sandboxes):
                break
            if time.monotonic() > deadline:
                raise BenchError("the sandboxes that are kept started do not come")
            time.sleep(0.02)

    def interpreter(self, service, mode):
        if mode == "PUBLIC":
            return BUILTIN
        return service.control("PUT", "/code-interpreters", {
            "name": f"bench_{mode.lower()}", "networkConfiguration": {"networkMode": mode}})["codeInterpreterId"]

    def starts(self, service, interpreter, what, warm):
        client = Client(service, interpreter)
        client.first_answer()  # of an interpreter that nobody has used there are no sandboxes yet
        client.stop()
        for _ in range(STARTS):
            self.settle(service, warm)
            self.keep(what, [client.first_answer()])
            client.stop()

    def burst(self, service, interpreter):
        clients = [Client(service, interpreter) for _ in range(BURST)]
        try:
            values, total = at_once(BURST, lambda i: clients[i].first_answer())
        finally:
            at_once(BURST, lambda i: clients[i].stop() or True)
        self.keep("burst", values)
        self.totals.setdefault("burst", []).append(total)

    def calls(self, service, interpreter):
        client = Client(service, interpreter)
        client.first_answer()
        self.keep("call", [client.run() for _ in range(CALLS)])
        content = [{"path": "large", "blob": base64.b64encode(os.urandom(UPLOAD_BYTES)).decode()}]
        self.keep("upload", [client.invoke("writeFiles", content=content) for _ in range(UPLOADS)])
        client.stop()

    def ours(self):
        service = self.service()
        try:
            self.totals.setdefault("idle", []).append(memory_of([service.process.pid]))
            closed = self.interpreter(service, "SANDBOX")
            self.starts(service, closed, "start", 3)
            everything = family(service.process.pid)
            inside = [p for p, name in everything.items() if name.startswith(("agentcore-", "python3", "bwrap"))]
            self.totals.setdefault("warm", []).append(memory_of(inside) / 3)
            self.calls(service, closed)
            self.burst(service, closed)
        finally:
            service.stop()
        service = self.service("--code-warm", "0")
        try:
            self.starts(service, self.interpreter(service, "SANDBOX"), "cold", 0)
        finally:
            service.stop()

    def open_network(self):
        service = self.service()
        try:
            self.starts(service, BUILTIN, "open", 3)
        finally:
            service.stop()

    def others(self):
        for what, command in (("bare", BARE), ("walled", WALLED)):
            self.keep(what, [command_ms(command) for _ in range(STARTS)])
            values, total = at_once(BURST, lambda _, command=command: command_ms(command))
            self.keep(f"{what} burst", values)
            self.totals.setdefault(f"{what} burst", []).append(total)


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def make_row(bench, title, what, beside=None, bounds=None):
    values = bench.samples.get(what)
    if not values:
        return None
    cells = [title, *(f"{quantile(values, part):.1f} ms" for part in (0.5, 0.95))]
    for other in ("bare", "walled"):
        found = bench.samples.get(other + (beside or "")) if beside is not None else None
        cells.append(f"{quantile(found, 0.5):.1f} ms" if found else "")
    if not bounds:
        return [*cells, "", "", ""]
    p50 = quantile(values, 0.5)
    return [*cells, *(f"{b} ms" for b in bounds), "MISS" if p50 > bounds[0] else "aim" if p50 <= bounds[1] else "must"]


def make_rows(bench):
    rows = [
        make_row(bench, "Start and print(1), one after another", "start", "", (MUST_MS, AIM_MS)),
        make_row(bench, "the same, with a network (the built-in interpreter)", "open", "", (MUST_MS, AIM_MS)),
        make_row(bench, "the same, nothing kept started (`--code-warm 0`)", "cold", ""),
        make_row(bench, f"the same, {BURST} at once", "burst", " burst"),
        make_row(bench, "executeCode print(1) in a session that runs", "call"),
        make_row(bench, f"writeFiles of {UPLOAD_BYTES // 1_000_000} MB", "upload"),
    ]
    return [row for row in rows if row]


def print_table(rows, lines):
    widths = [max(len(row[i]) for row in [HEADINGS, *rows]) for i in range(len(HEADINGS))]
    for row in [HEADINGS, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print("\n" + "\n".join(lines))


def write_markdown(path, rows, lines):
    with open(path, "w", encoding="utf-8") as f:
        f.write("| " + " | ".join(HEADINGS) + " |\n|---|---:|---:|---:|---:|---:|---:|---|\n")
        f.writelines("| " + " | ".join(row) + " |\n" for row in rows)
        f.write("\n" + "\n\n".join(lines) + "\n")


def total_of(bench, what):
    values = bench.totals.get(what)
    return quantile(values, 0.5) if values else None


def make_lines(bench, failures, busy):
    state = "with other work on the machine" if busy > 0.5 else "the machine idle before"
    lines = [
        f"Machine: {machine()}. Date: {datetime.date.today().isoformat()}.",
        f"Of {bench.args.rounds} rounds, {state}. {BURST} at once: all had their answer after "
        f"{total_of(bench, 'burst') or 0:.0f} ms; python3 alone {total_of(bench, 'bare burst') or 0:.0f} ms, in bwrap "
        f"{total_of(bench, 'walled burst') or 0:.0f} ms.",
    ]
    if total_of(bench, "warm"):
        lines.append(f"A sandbox that is kept started takes {total_of(bench, 'warm') / 1e6:.1f} MB (PSS); agentcored, "
                     f"before the first use of an interpreter, {total_of(bench, 'idle') / 1e6:.1f} MB.")
    return lines + (["Not measured: " + "; ".join(failures) + "."] if failures else [])


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("BENCH_ROUNDS", "3")))
    parser.add_argument("--program", default=str(ROOT / "build/agentcored"))
    parser.add_argument("--folder", default=str(ROOT / "build"), help="on the disk that data directories are to be on")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there too")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a must is missed")
    args = parser.parse_args()
    if not os.access(args.program, os.X_OK):
        parser.error(f"there is no program {args.program}: build first (make build)")
    return args


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder, failures = tempfile.mkdtemp(prefix="bench-", dir=args.folder), []
    os.chmod(folder, 0o711)
    bench, busy = Bench(args, folder), os.getloadavg()[0]
    try:
        for i in range(args.rounds):
            for phase in ("others", "ours", "open_network"):
                note(f"round {i + 1}: {phase}")
                try:
                    getattr(bench, phase)()
                except (BenchError, OSError, subprocess.CalledProcessError) as problem:
                    failures.append(f"{phase} ({problem})")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows, lines = make_rows(bench), make_lines(bench, failures, busy)
    print_table(rows, lines)
    if args.markdown:
        write_markdown(args.markdown, rows, lines)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"ms": bench.samples, "totals": bench.totals}, indent=1))
    return 1 if args.check and (failures or any(row[-1] == "MISS" for row in rows)) else 0


if __name__ == "__main__":
    sys.exit(main())
