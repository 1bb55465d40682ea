"""The Python kernel of the code interpreter.

Started once for a session as a parent, which forks: each fork is a kernel with variables of its own.  The supervisor
(guest/code/) sends the parent three descriptors for each fork, and talks with the fork over the first of them, in
frames as src/daemon/code/protocol.h says: length, kind, payload.

How soon the first answer comes is what this file is made for.  A parent that nobody asks for a moment loads what code
mostly imports, says so, and is then asked for a kernel in advance.  One that somebody waits for forks at once; so it
imports nothing at first that is not built into the interpreter.

A kernel trusts nothing that code may have done to it meanwhile: its own descriptors are copies in high places, standard
output and error are put back before each call, and what a child of the code forgets to leave is left for it."""

import _ast
import _signal
import _socket
import builtins
import gc
import io
import os
import site
import sys

EXECUTE, READY, IMAGE, DONE = 128, 129, 130, 131
SUCCESS, FAILURE = 0, 1
HEAD_BYTES = 5
CODE_BYTES_MAX = 100_000_000
IMAGES_MAX = 16
IMAGE_BYTES_MAX = 4 << 20  # the supervisor takes a larger one for nonsense
PRIVATE = 900  # descriptors from here on are ours
IDLE_SECONDS = 0.25  # until a parent takes the time to load
DESCRIPTOR_BYTES = 4
CO_COROUTINE = 0x80
HERE = os.path.dirname(os.path.abspath(__file__))

# What code mostly imports, and what these import in turn; no more than loads quickly, since each session pays for it.
LOADED = """base64 bisect collections contextlib copy csv dataclasses datetime decimal enum functools glob hashlib heapq
inspect itertools json linecache math operator pathlib pickle random re shutil signal socket statistics string
subprocess tempfile textwrap threading time traceback typing urllib.parse uuid"""


# ---- the parent ----


def receive_descriptors(link):
    """Three descriptors, or None when the supervisor is gone."""
    space = _socket.CMSG_SPACE(3 * DESCRIPTOR_BYTES)
    data, ancillary, _, _ = link.recvmsg(1, space, _socket.MSG_CMSG_CLOEXEC)
    fds = []
    for level, kind, content in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            fds += [int.from_bytes(content[at:at + DESCRIPTOR_BYTES], sys.byteorder)
                    for at in range(0, len(content), DESCRIPTOR_BYTES)]
    return fds if data and len(fds) == 3 else None


def load(name):
    try:
        __import__(name)
    except ImportError:
        pass  # some systems have the library in parts


def await_descriptors(link):
    """The first ones.  Loads one module after the other meanwhile, when they do not come soon."""
    link.settimeout(IDLE_SECONDS)
    for name in LOADED.split():
        try:
            return receive_descriptors(link)
        except (TimeoutError, BlockingIOError):
            link.settimeout(0)
        load(name)
    gc.collect()
    gc.freeze()  # what is there now stays shared with the kernels
    link.settimeout(None)
    link.send(b"l")
    return receive_descriptors(link)


def serve(link):
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)  # nobody waits for kernels: the system reaps them
    fds = await_descriptors(link)
    link.settimeout(None)
    while fds:
        if os.fork() == 0:
            link.close()
            try:
                Kernel(*fds).live()
            finally:
                os._exit(1)
        for fd in fds:
            os.close(fd)
        fds = receive_descriptors(link)
    os._exit(0)


# ---- a kernel ----


def without_margin(source):
    """Code that is indented as a whole, as it stands in a program of somebody's, without that; other code as it is."""
    for line in source.split("\n"):
        text = line.lstrip(" \t")
        if text.strip() and not text.startswith("#"):
            break
    else:
        return source
    margin = line[:len(line) - len(text)]
    if not margin:
        return source
    return "\n".join(each[len(margin):] if each.startswith(margin) else each for each in source.split("\n"))


def to_private(fd):
    import fcntl

    private = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, PRIVATE)
    os.close(fd)
    return private


class Kernel:
    def __init__(self, control, output, error):
        os.setsid()
        self.pid = os.getpid()
        self.control = _socket.socket(fileno=to_private(control))
        self.output, self.error = to_private(output), to_private(error)
        self.count = 0
        self.running = False
        self.images = 0
        self.sources = {}  # of cells that linecache does not know yet
        self.module = type(sys)("__main__")
        self.module.__builtins__ = builtins
        sys.modules["__main__"] = self.module
        sys.argv = [""]
        sys.path[:] = ["", *(place for place in sys.path if place != HERE), HERE]
        builtins.agentcore_image = self.send_image  # for agentcore_figures.py
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        _signal.signal(_signal.SIGINT, self.on_interrupt)

    def on_interrupt(self, _number, _frame):
        if self.running and os.getpid() == self.pid:
            self.running = False  # once
            raise KeyboardInterrupt

    # ---- frames ----

    def send(self, kind, payload):
        self.control.sendall(len(payload).to_bytes(4, "big") + bytes([kind]) + payload)

    def receive_bytes(self, count):
        parts = []
        while count:
            part = self.control.recv(min(count, 1 << 20))
            if not part:
                os._exit(0)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def receive(self):
        head = self.receive_bytes(HEAD_BYTES)
        length, kind = int.from_bytes(head[:4], "big"), head[4]
        if kind != EXECUTE or not 5 <= length <= CODE_BYTES_MAX + 5:
            os._exit(1)
        data = self.receive_bytes(length)
        return data[:4], data[5:].decode("utf-8", "replace")

    def send_image(self, data, media_type="image/png"):
        if len(data) > IMAGE_BYTES_MAX:
            print(f"[an image of {len(data)} bytes was left out; {IMAGE_BYTES_MAX} are the most]", file=sys.stderr)
        elif self.images < IMAGES_MAX and os.getpid() == self.pid:
            self.images += 1
            self.send(IMAGE, media_type.encode() + b"\0" + data)

    # ---- standard streams ----

    def restore_streams(self):
        """As they were, whatever the last call has done to them."""
        for fd, private in ((1, self.output), (2, self.error)):
            os.set_blocking(private, True)  # Node, as a child, has them not wait, and leaves that behind
            os.dup2(private, fd)
        try:
            os.fstat(0)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
        for name, fd in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
            stream = getattr(sys, name, None)
            try:
                usable = stream is getattr(self, name, None) and not stream.closed and stream.fileno() == fd
            except Exception:
                usable = False
            if not usable:
                raw = open(fd, "rb" if fd == 0 else "wb", closefd=False)
                stream = io.TextIOWrapper(raw, "utf-8", "replace" if fd == 0 else "backslashreplace",
                                          line_buffering=True)
                setattr(self, name, stream)
                setattr(sys, name, stream)
                setattr(sys, f"__{name}__", stream)

    def flush(self):
        for fd, name in ((1, "stdout"), (2, "stderr")):
            try:
                getattr(sys, name).flush()
            except Exception:
                self.drop(fd, name)

    def drop(self, fd, name):
        """What a stream cannot get rid of is not to come out in the next call."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, fd)
        os.close(null)
        try:
            getattr(self, name).flush()
        except Exception:
            pass

    # ---- running code ----

    def compile(self, source, name):
        """What is run, and the expression at the end, whose value is shown; either may be None."""
        flags = _ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(source, name, "exec", flags | _ast.PyCF_ONLY_AST, dont_inherit=True)
        last = None
        if tree.body and isinstance(tree.body[-1], _ast.Expr) and not source.rstrip().endswith(";"):
            last = compile(_ast.Expression(tree.body.pop().value), name, "eval", flags, dont_inherit=True)
        first = compile(tree, name, "exec", flags, dont_inherit=True) if tree.body else None
        return first, last

    def run_one(self, code):
        value = eval(code, self.module.__dict__)
        if not code.co_flags & CO_COROUTINE:
            return value
        import asyncio

        return asyncio.run(value)

    def show(self, value):
        for name, media_type in (("_repr_png_", "image/png"), ("_repr_jpeg_", "image/jpeg")):
            method = None if isinstance(value, type) else getattr(value, name, None)
            data = method() if callable(method) else None
            if isinstance(data, bytes):
                self.send_image(data, media_type)
                return
        sys.displayhook(value)

    def run(self, source, name):
        """The exit code of code that wants to leave, or None."""
        try:
            self.running = True
            first, last = self.compile(source, name)
            if first:
                self.run_one(first)
            if last:
                self.show(self.run_one(last))
        except SystemExit as leave:
            if leave.code is None or isinstance(leave.code, int):
                return (leave.code or 0) & 0xFF
            print(leave.code, file=sys.stderr)
            return 1
        return 0

    def show_failure(self, failure):
        """As Python shows it, from the first line that is the code's own."""
        import traceback

        self.tell_sources()
        told = traceback.TracebackException.from_exception(failure, compact=True)
        seen, at = set(), [told]
        while at:
            each = at.pop()
            if each is None or id(each) in seen:
                continue
            seen.add(id(each))
            each.stack = traceback.StackSummary.from_list(
                [frame for frame in each.stack if frame.filename != __file__])
            at += [each.__cause__, each.__context__]
        sys.stderr.write("".join(told.format()))

    def tell_sources(self):
        """Let tracebacks, and inspect, have the lines of cells."""
        import linecache

        for name, source in self.sources.items():
            linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        self.sources.clear()

    def close_figures(self):
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot:
            from agentcore_figures import show

            show()

    def execute(self, source):
        self.count += 1
        self.images = 0
        name = f"<cell {self.count}>"
        source = without_margin(source)
        self.sources[name] = source
        if "linecache" in sys.modules:
            self.tell_sources()
        self.restore_streams()
        self.look_for_packages()
        outcome, code = SUCCESS, 0
        try:
            code = self.run(source, name)
            self.close_figures()
        except BaseException as failure:
            outcome, code = FAILURE, 1
            self.running = False
            try:
                self.show_failure(failure)
            except BaseException:
                os.write(self.error, f"{type(failure).__name__}\n".encode())
        finally:
            self.running = False
        if os.getpid() != self.pid:
            self.flush()
            os._exit(code)  # a child that came back from the code instead of ending
        self.flush()
        return (outcome if code == 0 else FAILURE), code

    def look_for_packages(self):
        """What was installed since the start is to be found."""
        place = site.getusersitepackages()
        if os.path.isdir(place):
            import importlib

            if place not in sys.path:
                site.addsitedir(place)
            importlib.invalidate_caches()

    def live(self):
        self.restore_streams()
        self.send(READY, self.pid.to_bytes(4, "big"))
        while True:
            number, source = self.receive()
            outcome, code = self.execute(source)
            self.send(DONE, number + bytes([outcome]) + code.to_bytes(4, "big"))


if __name__ == "__main__":
    try:
        serve(_socket.socket(fileno=3))
    except ConnectionError:
        os._exit(0)  # the supervisor is gone
