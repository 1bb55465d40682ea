#!/usr/bin/python3
"""memory.py - measure the memory service of agentcored, and print one table.

    bench/memory.py [--markdown FILE] [--json FILE] [--program FILE] [--store URL] [--check]

CreateEvent as clients send it (signed, a clientToken each, 100 sessions), with 1 and 32 clients, each event on disk
before it is acknowledged: on a memory without strategies, and on one whose semantic strategy draws knowledge from every
event meanwhile.  RetrieveMemoryRecords with one client over a namespace of 10,000 records.  And how long it takes from
sending an event until a search finds what was drawn from it.

Environment: BENCH_SECONDS (2) per run, BENCH_ROUNDS (3)."""

import argparse
import datetime
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
import uuid

from report import machine
from service import ROOT, BenchError, Ours, Replay, median, note

RECORDS = 10000
QUERIES = 500
SESSIONS = 100
SEARCHABLE = 40  # events that are waited for
SEARCHABLE_SECONDS = 20
FASTEST = 40000  # events per second that are prepared for
HEADINGS = ["What", "Measured", "Must", "Aim", "Result"]

PEOPLE = "Anna Ben Clara David Emma Felix Grace Henry Iris Jonas Kate Liam Mia Noah Olga Paul".split()
VERBS = "likes visited bought repaired painted studied sold found lost cooked".split()
THINGS = (
    "sushi guitar bicycle telescope garden kitchen sailboat piano camera novel theatre museum mountain river bridge "
    "castle coffee chocolate sweater lantern clock mirror carpet violin puzzle kayak tent compass ladder engine"
).split()
PLACES = "Oslo Lisbon Kyoto Quito Cairo Perth Dublin Vienna Boston Nairobi Tallinn Zurich Havana Bergen".split()


def sentence(chance, number):
    who, verb, thing, place = (chance.choice(words) for words in (PEOPLE, VERBS, THINGS, PLACES))
    return f"{who} {verb} a {thing} in {place} on day {number} and told {chance.choice(PEOPLE)} about it."


class Memory:
    """A daemon's memory, over one connection."""

    def __init__(self, server, name, strategies=()):
        self.server = server
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        body = {"name": name, "eventExpiryDuration": 30, "memoryStrategies": list(strategies)}
        self.id = self.call("POST", "/memories/create", body)["memory"]["id"]
        while self.call("GET", f"/memories/{self.id}/details")["memory"]["status"] != "ACTIVE":
            time.sleep(0.01)

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        headers = self.server.signer().headers(method, path, body=data)
        self.connection.request(method, path, data, {**headers, "Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        if response.status > 299:
            raise BenchError(f"{path}: {response.status} {answer[:300]!r}")
        return json.loads(answer)

    def event(self, text, number):
        now = datetime.datetime.now(datetime.timezone.utc).timestamp()
        return {
            "actorId": f"actor-{number % SESSIONS // 2}",
            "sessionId": f"session-{number % SESSIONS}",
            "eventTimestamp": round(now, 3),
            "payload": [{"conversational": {"content": {"text": text}, "role": "USER"}}],
            "clientToken": str(uuid.uuid4()),
        }

    def event_requests(self, count, chance):
        signer = self.server.signer()
        path = f"/memories/{self.id}/events"
        bodies = (json.dumps(self.event(sentence(chance, i), i)).encode() for i in range(count))
        return [signer.request("POST", path, body) for body in bodies]

    def fill(self, chance):
        for first in range(0, RECORDS, 100):
            records = [
                {
                    "requestIdentifier": str(i),
                    "namespaces": ["/bench/records/"],
                    "content": {"text": sentence(chance, i)},
                    "timestamp": 1700000000 + 60 * i,
                }
                for i in range(first, first + 100)
            ]
            done = self.call("POST", f"/memories/{self.id}/memoryRecords/batchCreate", {"records": records})
            if len(done["successfulRecords"]) != 100:
                raise BenchError("records were refused")

    def retrieve_body(self, query, namespace="/bench/records/"):
        return {"namespace": namespace, "searchCriteria": {"searchQuery": query, "topK": 10}}

    def retrieve_requests(self, chance):
        signer = self.server.signer()
        path = f"/memories/{self.id}/retrieve"
        queries = (
            f"What did {chance.choice(PEOPLE)} do with the {chance.choice(THINGS)} in {chance.choice(PLACES)}?"
            for _ in range(QUERIES)
        )
        return [signer.request("POST", path, json.dumps(self.retrieve_body(query)).encode()) for query in queries]


def measure_events(memory, replay, args, clients, chance):
    count = int(FASTEST * args.seconds / (1 if clients > 1 else 4))
    return replay.run(memory.server, memory.event_requests(count, chance), clients, args.seconds)


def measure_searchable(memory, chance):
    """Milliseconds from sending an event until its record is found."""
    samples = []
    for number in range(SEARCHABLE):
        marker = f"zyx{number}q{chance.randrange(1 << 30):x}"
        text = f"I love the city of {marker} because of its old harbour."
        began = time.monotonic()
        memory.call("POST", f"/memories/{memory.id}/events", memory.event(text, number))
        path, body = f"/memories/{memory.id}/retrieve", memory.retrieve_body(marker, "/facts/")
        while not any(marker in r["content"]["text"] for r in memory.call("POST", path, body)["memoryRecordSummaries"]):
            if time.monotonic() - began > SEARCHABLE_SECONDS:
                raise BenchError("a record was never found")
        samples.append((time.monotonic() - began) * 1000)
    return samples


FACTS = {"semanticMemoryStrategy": {"name": "facts", "namespaceTemplates": ["/facts/{actorId}/"]}}


def measure(server, replay, args, results):
    chance = random.Random(1)
    plain, drawing = Memory(server, "plain"), Memory(server, "drawing", [FACTS])
    note("records: storing")
    plain.fill(chance)
    requests = plain.retrieve_requests(chance)
    replay.run(server, requests, 1, 1, loop=True)  # the index is built
    for number in range(args.rounds):
        note(f"round {number + 1} of {args.rounds}")
        results.setdefault("retrieve", []).append(replay.run(server, requests, 1, args.seconds, loop=True))
        for clients in (1, 32):
            for memory, name in ((plain, "events"), (drawing, "drawn")):
                sample = measure_events(memory, replay, args, clients, chance)
                results.setdefault((name, clients), []).append(sample)
    note("searchable")
    results["searchable"] = measure_searchable(Memory(server, "fresh", [FACTS]), chance)


def verdict(value, must, aim, more):
    if must is None:
        return ""
    good = (lambda bound: value >= bound) if more else (lambda bound: value <= bound)
    return "aim met" if good(aim) else "must met" if good(must) else "MISS"


def rate(title, value, must=None, aim=None):
    bounds = [f">= {must:,}/s", f">= {aim:,}/s"] if must else ["", ""]
    return [title, f"{value:,.0f}/s", *bounds, verdict(value, must, aim, True)]


def wait(title, value, must=None, aim=None):
    bounds = [f"<= {must:g} ms", f"<= {aim:g} ms"] if must else ["", ""]
    return [title, f"{value:,.2f} ms", *bounds, verdict(value, must, aim, False)]


def rows_of(results):
    yield rate("CreateEvent, 32 clients", median(results["events", 32], "rps"), 5000, 20000)
    yield rate("CreateEvent, 1 client", median(results["events", 1], "rps"))
    yield rate("CreateEvent, 32 clients, knowledge drawn meanwhile", median(results["drawn", 32], "rps"))
    yield rate("CreateEvent, 1 client, knowledge drawn meanwhile", median(results["drawn", 1], "rps"))
    yield wait("RetrieveMemoryRecords, 10,000 records: p50", median(results["retrieve"], "p50_us") / 1000, 5, 1)
    yield wait("RetrieveMemoryRecords, 10,000 records: p99", median(results["retrieve"], "p99_us") / 1000, 20, 5)
    yield wait("CreateEvent until its record is found: p50", statistics.median(results["searchable"]), 1000, 100)


def print_table(rows, lines):
    widths = [max(len(row[i]) for row in [HEADINGS] + rows) for i in range(len(HEADINGS))]
    for row in [HEADINGS, ["-" * width for width in widths]] + rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print("\n" + "\n".join(lines))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCH_SECONDS", 2)))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("BENCH_ROUNDS", 3)))
    parser.add_argument("--program", default=str(ROOT / "build/agentcored"))
    parser.add_argument("--bin", default=str(ROOT / "build/bench"), help="where replay is")
    parser.add_argument("--store", help="a PostgreSQL URL, instead of SQLite")
    parser.add_argument("--folder", default=str(ROOT / "build"), help="on the disk that data directories are to be on")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there too")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a requirement is missed")
    args = parser.parse_args()
    for program in (args.program, f"{args.bin}/replay"):
        if not os.access(program, os.X_OK):
            parser.error(f"there is no program {program}: build first (make build)")
    if args.rounds < 1 or not 0 < args.seconds <= 60:
        parser.error("rounds or seconds out of range")
    return args


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="bench-", dir=args.folder)
    results = {}
    try:
        server = Ours(args.program, folder, args.store)
        try:
            measure(server, Replay(f"{args.bin}/replay", folder), args, results)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = list(rows_of(results))
    lines = [
        f"Machine: {machine()}.",
        f"Medians of {args.rounds} rounds of {args.seconds:g} s; nothing pinned; requests signed beforehand; store "
        f"{'PostgreSQL' if args.store else 'SQLite, every event on disk before its answer'}.",
    ]
    print_table(rows, lines)
    if args.markdown:
        with open(args.markdown, "w") as f:
            f.write("| " + " | ".join(HEADINGS) + " |\n|---|---:|---:|---:|---|\n")
            f.writelines("| " + " | ".join(row) + " |\n" for row in rows)
            f.write("\n" + "\n\n".join(lines) + "\n")
    if args.json:
        named = {key if isinstance(key, str) else f"{key[0]} {key[1]}": value for key, value in results.items()}
        pathlib.Path(args.json).write_text(json.dumps(named, indent=1))
    return 1 if args.check and any(row[4] == "MISS" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
