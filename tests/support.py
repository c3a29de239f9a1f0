"""What the tests share: the implementation under test, and a look at what this process holds.

Nothing here imports pytest at the top, because helper scripts import this file too.
"""

import asyncio
import asyncio.subprocess
import contextlib
import fcntl
import gc
import inspect
import itertools
import os
import random
import resource
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

try:
    import uvloop
except ImportError:
    uvloop = None

LINUX = sys.platform.startswith("linux")
SLOWNESS = float(os.environ.get("FASTPROC_SLOWNESS", "1"))  # of an emulated machine
USUALLY = 30  # seconds: nothing takes that long, it only turns a hang into a failure
TIMEOUT = USUALLY * SLOWNESS
NAMES = "create_subprocess_exec create_subprocess_shell PIPE DEVNULL STDOUT".split()
TYPES = "Process StreamReader StreamWriter".split()

# How a fastproc parameter is configured; see _fastproc._core.configure().
DEFAULTS = {"spawn": "auto", "reap": "auto", "share_from": 1024, "shortcuts": True, "lacking": ""}
FORCED = {
    "fastproc": {},
    "fastproc-vfork": {"spawn": "vfork"},
    "fastproc-fork": {"spawn": "fork"},
    "fastproc-shared": {"share_from": 0},
    "fastproc-pidfd": {"reap": "pidfd"},
    "fastproc-thread": {"reap": "thread"},
    "fastproc-plain": {"shortcuts": False},
}
PARAMETERS = [
    ("asyncio", "stdlib"),
    ("asyncio", "uvloop"),
    ("fastproc", "stdlib"),
    ("fastproc", "uvloop"),
]
if uvloop is None:
    PARAMETERS = [p for p in PARAMETERS if p[1] != "uvloop"]
# Only with --slow: uvloop's own subprocesses tell nothing of ours that asyncio's do not.
SLOW_PARAMETERS = [("asyncio", "uvloop")]
FORCED_PARAMETERS = [(name, "stdlib") for name in FORCED if name != "fastproc"]
# Only when asked for by --loops.
OTHER_LOOPS = ("keeping", "nested")


class KeepingLoop(asyncio.SelectorEventLoop):
    """Keeps what it was given, as loops of others may."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def add_reader(self, fd, callback, *args):
        self.kept.append((fd, callback, args))
        return super().add_reader(fd, callback, *args)


def new_loop(kind):
    """A loop of the kind; "nested" is the standard library's after nest_asyncio.apply()."""
    if kind == "uvloop":
        return uvloop.new_event_loop()
    return KeepingLoop() if kind == "keeping" else asyncio.SelectorEventLoop()


class Aio:
    """One implementation of asyncio's subprocess API on one kind of loop."""

    PIPE = subprocess.PIPE
    DEVNULL = subprocess.DEVNULL
    STDOUT = subprocess.STDOUT

    def __init__(self, name, loop_name):
        self.name = name
        self.loop_name = loop_name
        self.is_fastproc = name != "asyncio"
        if self.is_fastproc:
            import _fastproc

            self.core = _fastproc._core
            sources = dict.fromkeys(NAMES + TYPES, _fastproc)
        else:
            self.core = None
            sources = dict.fromkeys(NAMES, asyncio.subprocess)
            sources |= {"Process": asyncio.subprocess}
            sources |= {"StreamReader": asyncio, "StreamWriter": asyncio}
        for attribute, source in sources.items():
            setattr(self, attribute, getattr(source, attribute))

    def __repr__(self):
        return f"{self.name}-{self.loop_name}"

    def subprocess_exec(self, *args, **kwds):
        """The low level, on the running loop."""
        if self.is_fastproc:
            return sys.modules["_fastproc"].subprocess_exec(*args, **kwds)
        return asyncio.get_running_loop().subprocess_exec(*args, **kwds)

    def subprocess_shell(self, *args, **kwds):
        """The same for a command."""
        if self.is_fastproc:
            return sys.modules["_fastproc"].subprocess_shell(*args, **kwds)
        return asyncio.get_running_loop().subprocess_shell(*args, **kwds)

    @property
    def on_uvloop(self):
        return self.loop_name == "uvloop"

    def configure(self):
        if self.is_fastproc:
            self.core.configure(**(DEFAULTS | FORCED[self.name]))

    def restore(self):
        if self.is_fastproc:
            self.core.configure(**DEFAULTS)

    @property
    def knows_stolen_status(self):
        """Whether a status that somebody else has taken can still be had from the kernel."""
        if not self.is_fastproc or "reap" in FORCED[self.name]:
            return False
        return bool(self.core.machine()["exit_info"])

    def new_loop(self):
        return new_loop(self.loop_name)

    def run(self, main, *args, timeout=USUALLY):
        """Run a coroutine, or a coroutine function, on a fresh loop that is closed afterwards."""

        async def bounded():
            coro = main if inspect.isawaitable(main) else main(*args)
            return await asyncio.wait_for(coro, timeout * SLOWNESS)

        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(bounded())

    def script(self, source, *args, check=True, timeout=USUALLY, output=None):
        """Run source in a Python process of its own, where `aio` is this same parameter.

        Without --slow it is forked off from one that has imported asyncio, which is much quicker.
        """
        prelude = textwrap.dedent(f"""
            import asyncio, os, signal, subprocess, sys, warnings
            from support import *
            aio = Aio({self.name!r}, {self.loop_name!r})
            aio.configure()
        """)
        source, args = prelude + textwrap.dedent(source), [str(arg) for arg in args]
        env, timeout = script_environment(), timeout * SLOWNESS
        if script_server is None or not script_server.fits(env):
            to = {"stdout": output, "stderr": output} if output else {"capture_output": True}
            command = [sys.executable, "-S", "-s", "-c", source, *args]
            null = subprocess.DEVNULL
            done = subprocess.run(command, stdin=null, env=env, timeout=timeout, **to)
        else:
            done = script_server.run(source, args, env, timeout, output)
        if check:
            said = (done.stdout or b"") + (done.stderr or b"")
            assert done.returncode == 0, said.decode(errors="replace")
        return done


script_server = None  # a ScriptServer, set by conftest.py


def script_environment():
    """In which scripts find this module and the package."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return os.environ | {"PYTHONPATH": path}


# For scripts: to be denied system calls, by their numbers.
REFUSE = """
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)

def refuse(errno, *calls):
    "From now on these system calls fail so, in this process and its children."
    load, equal, give = 0x20, 0x15, 0x06
    code = [struct.pack("HBBI", load, 0, 0, 0)]
    for call in calls:
        code.append(struct.pack("HBBI", equal, 0, 1, call))
        code.append(struct.pack("HBBI", give, 0, 0, 0x00050000 | errno))
    code.append(struct.pack("HBBI", give, 0, 0, 0x7FFF0000))
    program = ctypes.create_string_buffer(b"".join(code))
    filter = struct.pack("HP", len(code), ctypes.addressof(program))
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
"""


# Running children


async def until(predicate):
    """Wait for what nothing announces (the caller bounds it: Aio.run has a timeout)."""
    while not predicate():
        await asyncio.sleep(0.001)


TRACER = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(0x4206, int(sys.argv[1]), None, None):  # PTRACE_SEIZE
    sys.exit("errno %d" % ctypes.get_errno())
print("traced", flush=True)
sys.stdin.read()
"""


async def trace(aio, proc):
    """A process that keeps the status of proc to itself until its stdin is closed."""
    tracer = await aio.create_subprocess_exec(
        sys.executable, "-S", "-c", TRACER, str(proc.pid), stdin=aio.PIPE, stdout=aio.PIPE
    )
    if await tracer.stdout.readline() != b"traced\n":
        await tracer.communicate()
        proc.kill()
        await proc.communicate()
        import pytest

        pytest.skip("ptrace() is forbidden")
    return tracer


def until_blocking(predicate):
    """The same without letting the loop run."""
    deadline = time.monotonic() + TIMEOUT
    while not predicate():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.001)


async def driven(coro, future=None):
    """What a coroutine returns, by send() alone; if it was begun, the future that it waits for."""
    while True:
        if future is not None:
            await until(future.done)
        try:
            future = coro.send(None)
        except StopIteration as stop:
            return stop.value


async def iterate(times):
    """Let the loop run that many iterations."""
    for _ in range(times):
        await asyncio.sleep(0)


async def until_reaped():
    """Until no child is left, and no thread of asyncio's is about to tell the loop of one (3.11)."""

    def told():
        return not any("waitpid-" in thread.name for thread in threading.enumerate())

    await until(lambda: not children() and told())
    await iterate(3)


async def output_of(aio, *args, stdout=subprocess.PIPE, **kwds):
    """Run a program to its end; what it wrote, after a check that it succeeded."""
    proc = await aio.create_subprocess_exec(*args, stdout=stdout, **kwds)
    out, _ = await proc.communicate()
    assert proc.returncode == 0
    return out


async def shell_output(aio, script, *args, **kwds):
    """The same for a script, whose $1... are args."""
    return await output_of(aio, "/bin/sh", "-c", script, "sh", *args, **kwds)


async def kill_and_wait(proc):
    """By pid: before 3.13 asyncio's kill() may take away the status of a child that has exited."""
    if proc.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(proc.pid, signal.SIGKILL)
    await finish(proc)


async def finish(proc):
    """Wait for the end of a child and of its pipes, so that asyncio leaves nothing open either."""
    if proc.stdin is not None:
        proc.stdin.close()
    for reader in filter(None, (proc.stdout, proc.stderr)):
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
    return await proc.wait()


@contextlib.asynccontextmanager
async def running(aio, *args, **kwds):
    """A child that is killed and reaped in the end."""
    proc = await aio.create_subprocess_exec(*args, **kwds)
    try:
        yield proc
    finally:
        await kill_and_wait(proc)


@contextlib.asynccontextmanager
async def silent_reader(aio, **kwds):
    """The stdout of a live child that writes nothing: data comes from feed_data() alone."""
    pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
    proc = await aio.create_subprocess_exec("cat", **pipes, **kwds)
    try:
        yield proc.stdout
    finally:
        proc.stdin.close()
        assert await proc.wait() == 0
        await iterate(3)


@contextlib.contextmanager
def pipe():
    """(read end, write end) of a pipe that is the test's own; ends may be closed early."""
    ends = [open(fd, mode, buffering=0) for fd, mode in zip(os.pipe(), ("rb", "wb"))]
    try:
        yield ends
    finally:
        for end in ends:
            end.close()


async def read_end(end, size=65536):
    """os.read() of a pipe's end that lets the loop run meanwhile."""
    os.set_blocking(end.fileno(), False)
    data = None

    def ready():
        nonlocal data
        data = end.read(size)
        return data is not None

    await until(ready)
    return data


def pattern(size, seed=0):
    """size bytes in which no part is like another."""
    source, step = random.Random(seed), 1 << 24
    return b"".join(source.randbytes(min(step, size - done)) for done in range(0, size, step))


# What this process holds


def descriptors():
    """{fd: what it is open on}, without the one that lists them."""
    found = {}
    for name in os.listdir("/proc/self/fd" if LINUX else "/dev/fd"):
        with contextlib.suppress(OSError):
            fd = int(name)
            fcntl.fcntl(fd, fcntl.F_GETFD)
            found[fd] = os.readlink(f"/proc/self/fd/{fd}") if LINUX else ""
    return found


def busy_pollers():
    """The epoll descriptors that have something to tell: a loop that looks at one does not sleep."""
    poller = select.poll()
    for fd, what in descriptors().items():
        if what.endswith("[eventpoll]"):
            poller.register(fd, select.POLLIN)
    return [fd for fd, _ in poller.poll(0)]


def state(pid):
    """One letter as in ps, None for a process that does not exist."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except (FileNotFoundError, ProcessLookupError):
        return None


def exited(pid):
    return state(pid) in (None, "Z", "X")


def children():
    """{pid: state} of this process' children, zombies among them."""
    found = {}
    for thread in threads():
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/children", "rb") as file:
            found |= {pid: state(pid) for pid in map(int, file.read().split())}
    return {pid: letter for pid, letter in found.items() if letter is not None}


def is_the_kernels(thread):
    """It works for an io_uring, which libuv has, and comes and goes as the kernel likes."""
    try:
        with open(f"/proc/self/task/{thread}/comm", "rb") as file:
            return file.read().startswith(b"iou-")
    except (FileNotFoundError, ProcessLookupError):
        return False


def threads():
    found = os.listdir("/proc/self/task") if LINUX else []
    return {thread for thread in found if not is_the_kernels(thread)}


def resident():
    """Bytes of memory in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


class Holdings:
    """Descriptors, children and threads of this process, to be compared later."""

    def __init__(self):
        gc.collect()
        gc.freeze()  # what was here before the test need not be searched after it
        self.descriptors = descriptors()
        self.children = children()
        self.threads = threads()

    def news(self):
        """What is held now and was not then; {} if nothing."""
        now = descriptors()
        found = {
            "descriptors": dict(now.items() - self.descriptors.items()),
            "closed descriptors": self.descriptors.keys() - now.keys(),
            "children": {p: s for p, s in children().items() if p not in self.children},
            "threads": threads() - self.threads,
        }
        return {what: value for what, value in found.items() if value}

    def settled(self, patience=2.0):
        """news(), after a while for the threads of asyncio's child watcher to end."""
        deadline = time.monotonic() + patience
        gc.collect()
        while (found := self.news()) and time.monotonic() < deadline:
            time.sleep(0.002)
        return found


@contextlib.contextmanager
def free_descriptors(count):
    """Within, exactly count more descriptors can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = descriptors()
    free = (fd for fd in itertools.count() if fd not in used)
    limit = next(itertools.islice(free, count, None))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
