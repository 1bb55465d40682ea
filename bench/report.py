"""report.py - one table out of what was measured: ours, the reference, the ratio, what is asked, and the verdict.

The rows are data (ROWS).  A row takes a value of one of our measurements and of a reference's, as medians over the
rounds; must and aim are bounds on the ratio, or on our own value where there is no reference to beat."""

import datetime
import os
import platform
import statistics

from harness import OTHERS_MAX

GB = 1e9


def cpu_us(sample):
    return sample["cpu_s"] / sample["total"] * 1e6


def cpu_event_us(sample):
    return sample["cpu_s"] / sample["total_events"] * 1e6


def value(name):
    return lambda sample: sample[name]


def per_gb(sample):
    return GB / max(sample["bytes_each"], 1)


# Kinds of comparison: how the ratio is made of ours and theirs, and how it is written.
LESS = (lambda ours, theirs: theirs / ours, "{:.2f}x less")
MORE = (lambda ours, theirs: ours / theirs, "{:.2f}x")

# What stands behind a number: how it is written.
MICRO = "{:,.2f} us"
RATE = "{:,.0f}/s"
MILLI = "{:,.2f} ms"
COUNT = "{:,.0f}"


def mega(v):
    return f"{v / 1e6:,.2f} MB"


def row(what, metric, form, ours, theirs, kind, must=None, aim=None):
    return {
        "what": what, "metric": metric, "form": form, "ours": ours, "theirs": theirs, "kind": kind,
        "must": must, "aim": aim,
    }  # fmt: skip


# ours and theirs name (phase, server, load).  must and aim: numbers that the ratio must reach; or, as ("<=", bound)
# and (">=", bound), what our own value must keep.
ROWS = [
    row("POST /invocations, loop handler: CPU per request, against the Python SDK", cpu_us, MICRO,
        ("http", "agent loop", "post"), ("http", "Python SDK", "post"), LESS, 12, 25),
    row("POST /invocations, worker handler: CPU per request, against the Python SDK", cpu_us, MICRO,
        ("http", "agent worker", "post"), ("http", "Python SDK", "post"), LESS, 6, 15),
    row("POST /invocations as in the guide, loop handler: requests/s, against a bare libuv responder", value("rps"),
        RATE, ("guide", "agent loop", "post"), ("guide", "bare responder", "post"), MORE, 0.7, 0.9),
    row("POST with a prompt of {bytes} bytes, loop handler: requests/s, against a bare libuv responder", value("rps"),
        RATE, ("http", "agent loop", "post"), ("http", "bare responder", "post"), MORE, 0.7, 0.9),
    row("100-event SSE, worker handler: events/s, against Node http", value("events_per_s"), RATE,
        ("sse", "agent sse", "sse"), ("sse", "Node http", "sse"), MORE, 4, 8),
    row("100-event SSE, loop handler: events/s, against Node http", value("events_per_s"), RATE,
        ("sse", "agent sse-loop", "sse"), ("sse", "Node http", "sse"), MORE, 4, 8),
    row("Resident memory idle, against the Python SDK", value("rss"), mega,
        ("memory", "agent loop", "idle"), ("memory", "Python SDK", "idle"), LESS, ("<=", 8e6), ("<=", 4e6)),
    row("Start to first /ping, median, against the Python SDK", value("median_ms"), MILLI,
        ("start", "agent loop", "start"), ("start", "Python SDK", "start"), LESS, ("<=", 15), ("<=", 5)),
    row("Idle SSE connections per GB, against Node http", per_gb, COUNT,
        ("memory", "agent idle-sse", "sse"), ("memory", "Node http", "sse"), MORE, (">=", 50000), (">=", 200000)),
    row("Idle WebSocket connections per GB (callbacks), against the Python SDK", per_gb, COUNT,
        ("memory", "agent ws-events", "ws"), ("memory", "Python SDK", "ws"), MORE, (">=", 50000), (">=", 200000)),
    # For information: no bound is set on these.
    row("GET /ping: CPU per request, against the Python SDK", cpu_us, MICRO,
        ("http", "agent loop", "get"), ("http", "Python SDK", "get"), LESS),
    row("GET /ping: CPU per request, against the bare responder", cpu_us, MICRO,
        ("http", "agent loop", "get"), ("http", "bare responder", "get"), LESS),
    row("POST as in the guide, loop handler: CPU per request, against the bare responder", cpu_us, MICRO,
        ("guide", "agent loop", "post"), ("guide", "bare responder", "post"), LESS),
    row("POST with a prompt of {bytes} bytes, loop handler: CPU per request, against the bare responder", cpu_us, MICRO,
        ("http", "agent loop", "post"), ("http", "bare responder", "post"), LESS),
    row("POST, loop handler: CPU per request, against Starlette + uvicorn", cpu_us, MICRO,
        ("http", "agent loop", "post"), ("http", "Starlette", "post"), LESS),
    row("POST, loop handler: CPU per request, against Node http", cpu_us, MICRO,
        ("http", "agent loop", "post"), ("http", "Node http", "post"), LESS),
    row("POST, loop handler: requests/s, against the Python SDK", value("rps"), RATE,
        ("http", "agent loop", "post"), ("http", "Python SDK", "post"), MORE),
    row("POST, worker handler: requests/s, against the Python SDK", value("rps"), RATE,
        ("http", "agent worker", "post"), ("http", "Python SDK", "post"), MORE),
    row("POST, loop handler: p50 under full load, against the Python SDK", value("p50_us"), MICRO,
        ("http", "agent loop", "post"), ("http", "Python SDK", "post"), LESS),
    row("POST, loop handler: p99 under full load, against the Python SDK", value("p99_us"), MICRO,
        ("http", "agent loop", "post"), ("http", "Python SDK", "post"), LESS),
    row("POST, worker handler: p99 under full load, against the Python SDK", value("p99_us"), MICRO,
        ("http", "agent worker", "post"), ("http", "Python SDK", "post"), LESS),
    row("100-event SSE, worker handler: CPU per event, against Node http", cpu_event_us, MICRO,
        ("sse", "agent sse", "sse"), ("sse", "Node http", "sse"), LESS),
    row("100-event SSE, loop handler: CPU per event, against Node http", cpu_event_us, MICRO,
        ("sse", "agent sse-loop", "sse"), ("sse", "Node http", "sse"), LESS),
    row("100-event SSE, worker handler: events/s, against the Python SDK", value("events_per_s"), RATE,
        ("sse", "agent sse", "sse"), ("sse", "Python SDK", "sse"), MORE),
    row("100-event SSE, worker handler: events/s, against Starlette + uvicorn", value("events_per_s"), RATE,
        ("sse", "agent sse", "sse"), ("sse", "Starlette", "sse"), MORE),
    row("WebSocket echo, callbacks: round trips/s, against the Python SDK", value("rps"), RATE,
        ("ws", "agent ws-events", "ws"), ("ws", "Python SDK", "ws"), MORE),
    row("WebSocket echo, blocking handler: round trips/s, against the Python SDK", value("rps"), RATE,
        ("ws", "agent ws", "ws"), ("ws", "Python SDK", "ws"), MORE),
    row("WebSocket echo, callbacks: CPU per round trip, against the Python SDK", cpu_us, MICRO,
        ("ws", "agent ws-events", "ws"), ("ws", "Python SDK", "ws"), LESS),
    row("Resident memory idle, against Node http", value("rss"), mega,
        ("memory", "agent loop", "idle"), ("memory", "Node http", "idle"), LESS),
    row("Start to first /ping, median, against Node http", value("median_ms"), MILLI,
        ("start", "agent loop", "start"), ("start", "Node http", "start"), LESS),
    row("Idle keep-alive connections per GB, against the Python SDK", per_gb, COUNT,
        ("memory", "agent loop", "keepalive"), ("memory", "Python SDK", "keepalive"), MORE),
    row("Idle WebSockets per GB, blocking handler (a thread each), against the Python SDK", per_gb, COUNT,
        ("memory", "agent ws", "ws"), ("memory", "Python SDK", "ws"), MORE),
]  # fmt: skip

HEADINGS = ["What", "Ours", "Reference", "Ratio", "Must", "Aim", "Result"]


def written(form, number):
    return form(number) if callable(form) else form.format(number)


def median_of(samples, metric):
    try:
        return statistics.median(metric(s) for s in samples)
    except ZeroDivisionError:
        return None


def bound_text(r, bound):
    if bound is None:
        return ""
    if isinstance(bound, tuple):
        sign, limit = bound
        return f"{sign} {written(r['form'], limit)}"
    return f">= {bound:g}x" + (" less" if r["kind"] is LESS else "")


def kept(bound, ours, ratio):
    if isinstance(bound, tuple):
        return ours <= bound[1] if bound[0] == "<=" else ours >= bound[1]
    return None if ratio is None else ratio >= bound


def verdict(r, ours, ratio, errors, marks):
    if r["must"] is None:
        return ""
    if "~" in marks:
        return "disturbed: measure again"
    must, aim = kept(r["must"], ours, ratio), kept(r["aim"], ours, ratio)
    if must is None:
        return "no reference"
    if errors:
        return "MISS (errors)"
    return "aim met" if aim else "must met" if must else "MISS"


def mark(samples):
    """What is wrong with a rate: "~", other work on the machine disturbed it, in most rounds and however often they
    were made again; "+", the server had time to spare in every round."""
    if statistics.median(s.get("others", 0) for s in samples) > OTHERS_MAX:
        return " ~"
    return " +" if all(s.get("busy", 1) < 0.95 for s in samples) else ""


def make_row(r, results, settings):
    """The cells of a row, or None when its phase was not run.  A measurement is a list of samples, or the reason why
    there is none."""
    ours, theirs = results.get(r["ours"]), results.get(r["theirs"])
    if ours is None and theirs is None:
        return None
    cells = [r["what"].format(**settings), "", "", "", bound_text(r, r["must"]), bound_text(r, r["aim"]), ""]
    numbers, errors = [None, None], [0, 0]
    for i, measured in enumerate((ours, theirs)):
        if isinstance(measured, list):
            numbers[i] = median_of(measured, r["metric"])
        if numbers[i] is None:
            cells[1 + i] = f"- ({measured if isinstance(measured, str) else 'not run'})"
            continue
        cells[1 + i] = written(r["form"], numbers[i])
        if r["form"] is RATE:
            cells[1 + i] += mark(measured)
        errors[i] = sum(s.get("errors", 0) for s in measured)
        if errors[i]:
            cells[1 + i] += f" ({errors[i]} errors)"
    ratio = r["kind"][0](*numbers) if all(numbers) else None
    if ratio is not None:
        cells[3] = r["kind"][1].format(ratio)
    if numbers[0] is None:
        cells[6] = "not measured" if r["must"] is not None else ""
    else:
        cells[6] = verdict(r, numbers[0], ratio, errors[0], cells[1][-1:] + cells[2][-1:])
    return cells


def machine():
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}"


def notes(settings, versions):
    lines = [
        f"Machine: {machine()}. Date: {datetime.date.today().isoformat()}.",
        f"Medians of {settings['rounds']} interleaved rounds of {settings['seconds']:g} s; {settings['pinning']}; "
        f"{settings['connections']} connections ({settings['ws_connections']} for WebSocket); "
        f"prompt of {settings['bytes']} bytes, or the guide's {{\"prompt\": \"Hello!\"}} where it is named.",
        "References: " + "; ".join(versions) + ".",
    ]
    if settings["missing"]:
        lines.append("Missing: " + "; ".join(settings["missing"]) + ".")
    lines += [
        "+ the server was less than 95 % busy: the load generator was the limit; ~ other work on the machine disturbed "
        "the run. In both cases compare the CPU rows.",
        "Memory per connection is resident memory of the process (1 GB = 10^9 bytes); the kernel's socket buffers "
        "come on top, and are the same for every server.",
    ]
    return lines


def table(results, settings):
    return [cells for cells in (make_row(r, results, settings) for r in ROWS) if cells]


def print_table(rows, lines):
    widths = [max(len(cells[i]) for cells in [HEADINGS] + rows) for i in range(len(HEADINGS))]
    for cells in [HEADINGS, ["-" * w for w in widths]] + rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())
    print()
    for line in lines:
        print(line)


def write_markdown(path, rows, lines):
    with open(path, "w") as f:
        f.write("| " + " | ".join(HEADINGS) + " |\n")
        f.write("|---|" + "---:|" * 5 + "---|\n")
        for cells in rows:
            f.write("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
        f.write("\n" + "\n\n".join(lines) + "\n")


def misses(rows):
    return [cells[0] for cells in rows if cells[6].startswith("MISS")]
