"""harness.py - starting servers, pinning them, loading them, and reading what they cost.

Nothing is measured here that the server measures itself: CPU time comes from the kernel's clock of the process,
memory from /proc, rates and latencies from the load generator."""

import json
import os
import random
import signal
import socket
import subprocess
import time

READY_SECONDS = 30
TRIES = 4
OTHERS_MAX = 0.15  # cores; above it a run is made again
LOAD_EXTRA_SECONDS = 60  # beyond the run itself, before a load generator is given up


class BenchError(Exception):
    """A measurement that could not be made; the reason goes into the table."""


def cores():
    """The core for servers and the core for the load generator; None for both where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) >= 2 else (None, None)


def _pinned(core):
    return None if core is None else (lambda: os.sched_setaffinity(0, {core}))


def busy_seconds():
    """What all cores that we may use have worked so far, for whomever; stolen time counts as work for others."""
    usable = os.sched_getaffinity(0)
    ticks = 0
    with open("/proc/stat") as f:
        for line in f:
            fields = line.split()
            if fields[0][:3] == "cpu" and fields[0][3:].isdigit() and int(fields[0][3:]) in usable:
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
                ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port():
    """A free port below the ephemeral range: connecting in a loop to one inside it can connect to itself."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        top = int(f.read().split()[0])
    for _ in range(200):
        port = random.randrange(max(10000, top // 2), max(top, 20000))
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise BenchError("no free port")


def ping(port):
    """The status of GET /ping, or None while nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = s.recv(4096)
    except OSError:
        return None
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else None


class Server:
    """One server process.  command holds PORT where the port goes."""

    def __init__(self, name, command, core=None):
        self.name = name
        self.port = free_port()
        self.process = subprocess.Popen(
            [str(self.port) if word == "PORT" else word for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_pinned(core),
        )
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while ping(self.port) != 200:
            if self.process.poll() is not None:
                raise BenchError(f"{self.name} ended at start with code {self.process.returncode}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} did not answer /ping")
            time.sleep(0.01)

    def cpu_seconds(self):
        """CPU time of all its threads so far: to the nanosecond where the clock may be read, else in ticks."""
        if self.process.poll() is not None:
            raise BenchError(f"{self.name} died with code {self.process.returncode}")
        pid = self.process.pid
        try:
            return time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid gives for a process
        except OSError:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise BenchError(f"{self.name}: no VmRSS")

    def settled_rss_bytes(self):
        """Resident memory once it has stopped moving: the same within 1 % three times, 0.1 s apart; 3 s at most."""
        seen = [self.rss_bytes()]
        while len(seen) < 30 and (len(seen) < 3 or max(seen[-3:]) > 1.01 * min(seen[-3:])):
            time.sleep(0.1)
            seen.append(self.rss_bytes())
        return seen[-1]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()


class Load:
    """The load generator."""

    def __init__(self, program, core=None):
        self.program = program
        self.core = core

    def run(self, server, mode, seconds, connections, text_bytes):
        """One run against a server.  The generator's result, with cpu_s (of the server), busy (its share of a core) and
        others (what the rest of the machine took meanwhile, in cores) added.  A run that others disturbed is made
        again: they slow down one server and not the next, and the comparison would be of luck."""
        for _ in range(TRIES):
            result = self._run_once(server, mode, seconds, connections, text_bytes)
            if result["others"] <= OTHERS_MAX:
                break
            time.sleep(0.5)
        return result

    def _run_once(self, server, mode, seconds, connections, text_bytes):
        before, machine = server.cpu_seconds(), busy_seconds()
        result = self._call(
            [mode, "--port", str(server.port), "--seconds", str(seconds)]
            + ["--conns", str(connections), "--bytes", str(text_bytes)],
            seconds + LOAD_EXTRA_SECONDS,
            self.core,
        )
        result["cpu_s"] = server.cpu_seconds() - before
        result["busy"] = result["cpu_s"] / result["seconds"]
        others = busy_seconds() - machine - result["cpu_s"] - result["load_cpu_s"]
        result["others"] = max(others, 0) / result["seconds"]
        return result

    def start_times(self, command, count):
        port = free_port()
        return self.start_times_on(port, [str(port) if word == "PORT" else word for word in command], "/ping", count)

    def start_times_on(self, port, command, path, count):
        """Times from the start of a command, which listens on port, until it answers GET of path with 200."""
        arguments = ["start", "--port", str(port), "--path", path, "--count", str(count), "--"]
        return self._call(arguments + command, 25 * (count + 1), None)

    def hold_idle(self, server, kind, count):
        """Bytes of resident memory that each of count idle connections costs the server."""
        before = server.settled_rss_bytes()
        process = subprocess.Popen(
            [self.program, "idle", "--kind", kind, "--port", str(server.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            process.stdin.write(f"{count}\n")
            process.stdin.flush()
            held = json.loads(process.stdout.readline() or "{}")
            after = server.settled_rss_bytes()
            if held.get("open") == count:  # ask again: none may have been lost while the memory settled
                process.stdin.write(f"{count}\n")
                process.stdin.flush()
                held = json.loads(process.stdout.readline() or "{}")
        finally:
            _, why = process.communicate()
        if held.get("open") != count:
            reason = why.strip().replace("load: ", "") or "connections lost"
            raise BenchError(f"{server.name}: {held.get('open', 0)} of {count}: {reason}")
        return {"connections": count, "bytes_each": (after - before) / count, "rss_before": before, "rss_after": after}

    def _call(self, arguments, timeout, core):
        try:
            done = subprocess.run(
                [self.program] + arguments,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                preexec_fn=_pinned(core),
            )
        except subprocess.TimeoutExpired:
            raise BenchError("the load generator did not end") from None
        if done.returncode != 0:
            raise BenchError(done.stderr.strip().replace("load: ", "") or f"load ended with code {done.returncode}")
        return json.loads(done.stdout)
