"""Small uses of every part of the API, none of which may leave anything behind.

A scenario says with @covers which attributes it is there for. Those that are generated (bad input
to every callable, every keyword, every awaitable in every state) are in sweeps.py.
"""

import asyncio
import contextlib
import gc
import inspect
import os
import resource
import signal
import subprocess
import sys
import threading
import types
import warnings

from support import Aio, children, iterate, output_of, running, threads, until, until_blocking

import _fastproc

FASTPROC = Aio("fastproc", "stdlib")
PIPE, DEVNULL, STDOUT = _fastproc.PIPE, _fastproc.DEVNULL, _fastproc.STDOUT
PIPES = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}
SLEEP = ("/bin/sleep", "1000")
TOUCHED = {}  # {scenario's name: what it covers}
SCENARIOS = {}  # {name: function}; one that is no coroutine function makes its loops itself


def scenario(function, apis):
    name = function.__name__
    assert name not in SCENARIOS, name
    SCENARIOS[name] = function
    TOUCHED[name] = set(apis.split())
    return function


def covers(apis):
    return lambda function: scenario(function, apis)


def sleeping(**kwds):
    """`async with` a child that reads and writes nothing."""
    return running(FASTPROC, *SLEEP, **(PIPES | kwds))


def cat(**kwds):
    return running(FASTPROC, "/bin/cat", **(PIPES | kwds))


@contextlib.contextmanager
def refused(*errors):
    """Within, one of these is raised; its traceback goes at once."""
    try:
        yield
    except errors as error:
        error.__traceback__ = None
    else:
        raise AssertionError(f"none of {errors} raised")


@contextlib.contextmanager
def quiet(text=""):
    """Warnings of that text are expected here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", text)
        yield


async def gone():
    """Nothing is left of any child; what is still under way ends by itself."""
    await until(lambda: not children())
    await iterate(5)


class Protocol(asyncio.SubprocessProtocol):
    """Of the low level; knows when it has ended."""

    def __init__(self):
        self.ended = asyncio.get_running_loop().create_future()
        self.told = []

    def pipe_data_received(self, fd, data):
        self.told.append((fd, data))

    def connection_lost(self, exc):
        self.ended.set_result(None)


@contextlib.asynccontextmanager
async def connected(*command, **kwds):
    """(transport, protocol) of a child of the low level that is killed in the end."""
    command = command or SLEEP
    transport, protocol = await _fastproc.subprocess_exec(Protocol, *command, **kwds)
    try:
        yield transport, protocol
    finally:
        transport.close()
        await protocol.ended
        await gone()


# Creating


@covers("create_subprocess_exec Process.wait Process.pid Process.returncode Process.__repr__")
async def create_and_wait():
    proc = await _fastproc.create_subprocess_exec("/bin/true")
    assert f"{proc!r}" == f"<Process {proc.pid}>"
    assert await proc.wait() == proc.returncode == 0


@covers("create_subprocess_shell Process.communicate")
async def create_by_shell_and_communicate():
    proc = await _fastproc.create_subprocess_shell("cat; echo $0 >&2", **PIPES)
    out, err = await proc.communicate(b"in")
    assert (out, bool(err)) == (b"in", True)


@covers("subprocess_exec loop_subprocess_exec Process._loop")
async def create_on_the_low_level():
    loop = asyncio.get_running_loop()
    for create in (
        _fastproc.subprocess_exec,
        lambda *a: _fastproc._core.loop_subprocess_exec(loop, *a),
    ):
        transport, protocol = await create(Protocol, "/bin/echo", "hello")
        await protocol.ended
        assert protocol.told == [(1, b"hello\n")]
        transport.close()
    proc = await _fastproc.create_subprocess_exec("/bin/true")
    assert proc._loop is loop
    await proc.wait()


@covers("subprocess_shell loop_subprocess_shell")
async def create_by_shell_on_the_low_level():
    loop = asyncio.get_running_loop()
    for create in (
        _fastproc.subprocess_shell,
        lambda *a: _fastproc._core.loop_subprocess_shell(loop, *a),
    ):
        _, protocol = await create(Protocol, "echo hello")
        await protocol.ended
        assert protocol.told == [(1, b"hello\n")]


@covers("")
async def create_with_options():
    options = {"rlimits": {resource.RLIMIT_CORE: 0}, "nice": 3, "parent_death_signal": 9}
    options |= {"cpu_affinity": os.sched_getaffinity(0), "no_new_privileges": True}
    options |= {"ignore_signals": {1}, "default_signals": {2}, "oom_score_adj": 500}
    proc = await _fastproc.create_subprocess_exec("/bin/true", **options)
    assert await proc.wait() == 0
    with refused(FileNotFoundError):
        await _fastproc.create_subprocess_exec("/nowhere", **options)
    options["rlimits"] = {resource.RLIMIT_NOFILE: 1 << 40}
    with refused(PermissionError):
        await _fastproc.create_subprocess_exec("/bin/true", **options)


@covers(
    "Cgroup.__init__ Cgroup.__enter__ Cgroup.__exit__ Cgroup.__repr__ Cgroup.__del__ Cgroup._fd"
    " Cgroup.fileno Cgroup.pids Cgroup.kill Cgroup.close Cgroup.path Process._cgroup"
)
async def run_in_a_cgroup():
    try:
        group = _fastproc.Cgroup()
    except (OSError, NotImplementedError):
        return  # not here
    with group:
        assert repr(group) and group.pids() == [] and group.fileno() >= 0
        await _fastproc.run("/bin/true", cgroup=group.path)
        with refused(_fastproc.TimeoutExpired):
            await _fastproc.run(*SLEEP, cgroup=group, timeout=0.01)
        proc = await _fastproc.create_subprocess_exec(*SLEEP, cgroup=group)
        assert proc._cgroup is not None
        group.kill()
        await proc.wait()
    assert group._fd is None
    group.close()
    unclosed = _fastproc.Cgroup()
    with quiet("unclosed"):
        path = unclosed.path
        del unclosed
    os.rmdir(path)


@covers("install uninstall installed")
async def create_while_installed():
    _fastproc.install()
    proc = await asyncio.create_subprocess_exec("/bin/true")
    assert isinstance(proc, _fastproc.Process) and await proc.wait() == 0
    _fastproc.uninstall()
    with _fastproc.installed():
        proc = await asyncio.create_subprocess_shell("true")
        assert isinstance(proc, _fastproc.Process) and await proc.wait() == 0


@covers("install uninstall installed")
def install_and_take_away():
    for _ in range(2):
        _fastproc.install()
    with _fastproc.installed(), _fastproc.installed():
        assert asyncio.create_subprocess_exec is not _fastproc.create_subprocess_exec
    for _ in range(2):
        _fastproc.uninstall()


@covers("machine configure")
async def create_in_every_way():
    core = _fastproc._core
    gate = core.machine()["gate"]
    try:
        for spawn, reap in [
            ("vfork", "auto"),
            ("fork", "auto"),
            ("clone", "pidfd"),
            ("auto", "thread"),
        ]:
            core.configure(spawn=spawn, reap=reap)
            assert core.machine()["reap"] == reap
            proc = await _fastproc.create_subprocess_exec("/bin/cat", **PIPES)
            assert await proc.communicate(b"data") == (b"data", b"")
            with refused(FileNotFoundError):
                await _fastproc.create_subprocess_exec("/nowhere/at/all", **PIPES)
            await gone()
            await until(lambda: len(threads()) <= 1)
        core.configure(spawn="auto", reap="auto", gate=1)
        many = (_fastproc.create_subprocess_exec("/bin/true") for _ in range(4))
        for proc in await asyncio.gather(*many):
            await proc.wait()
    finally:
        core.configure(spawn="auto", reap="auto", gate=gate)


@covers("create_subprocess_exec")
async def create_in_a_burst_that_is_cancelled():
    many = [
        asyncio.ensure_future(_fastproc.create_subprocess_exec(*SLEEP, **PIPES)) for _ in range(8)
    ]
    await iterate(2)
    for task in many:
        task.cancel()
    for result in await asyncio.gather(*many, return_exceptions=True):
        if isinstance(result, _fastproc.Process):
            result.kill()
    del result
    many.clear()
    await gone()


@covers("create_subprocess_exec")
async def creating_fails():
    for kwds, error in [
        ({"executable": "/nowhere"}, FileNotFoundError),
        ({"cwd": "/nowhere"}, FileNotFoundError),
        ({"executable": "/etc/passwd"}, PermissionError),
        ({"preexec_fn": lambda: 1 / 0}, subprocess.SubprocessError),
        ({"process_group": 999_999_999}, OSError),
        ({"limit": 0}, ValueError),
        ({"stdout": STDOUT}, ValueError),
    ]:
        with refused(error):
            await _fastproc.create_subprocess_exec("/bin/true", **(PIPES | kwds))
    with refused(FileNotFoundError):
        await _fastproc.subprocess_exec(Protocol, "/nowhere/at/all")
    with refused(ZeroDivisionError):
        await _fastproc.subprocess_exec(lambda: 1 / 0, "/bin/true")
    await gone()


@covers("create_subprocess_exec create_subprocess_shell subprocess_exec subprocess_shell")
def create_without_a_loop():
    for create in (
        _fastproc.create_subprocess_exec("/bin/true"),
        _fastproc.create_subprocess_shell("true"),
        _fastproc.subprocess_exec(asyncio.SubprocessProtocol, "/bin/true"),
        _fastproc.subprocess_shell(asyncio.SubprocessProtocol, "true"),
    ):
        with refused(RuntimeError):
            create.send(None)


# A process


@covers("Process.send_signal Process.terminate Process.kill Process.resource_usage")
async def signals():
    def by_number(proc):
        proc.send_signal(signal.SIGUSR1)

    sending = [
        (by_number, signal.SIGUSR1),
        (_fastproc.Process.terminate, signal.SIGTERM),
        (_fastproc.Process.kill, signal.SIGKILL),
    ]
    for send, number in sending:
        proc = await _fastproc.create_subprocess_exec(*SLEEP)
        assert proc.resource_usage is None
        send(proc)
        assert await proc.wait() == -number
        assert proc.resource_usage.ru_maxrss >= 0
        with refused(ProcessLookupError):
            send(proc)


@covers("Process.stdin Process.stdout Process.stderr Process._transport")
async def streams_of_a_process():
    async with sleeping() as proc:
        for name in "stdin", "stdout", "stderr":
            stream = getattr(proc, name)
            setattr(proc, name, None)
            setattr(proc, name, stream)
            assert getattr(proc, name) is stream
            with refused(TypeError, AttributeError):
                setattr(proc, name, "something else")
        assert proc._transport.get_pid() == proc.pid


@covers("Process.wait")
async def many_wait_and_some_are_cancelled():
    proc = await _fastproc.create_subprocess_exec(*SLEEP)
    tasks = [asyncio.ensure_future(proc.wait()) for _ in range(5)]
    await iterate(1)
    for task in tasks[::2]:
        task.cancel()
    proc.kill()
    await asyncio.wait(tasks)
    assert await proc.wait() == -9


@covers("Process.communicate")
async def communicate_is_cancelled_and_called_again():
    held, holding = os.pipe()  # so that not everything is done before the cancellation
    cat = ("/bin/cat", "-", f"/dev/fd/{held}")
    proc = await _fastproc.create_subprocess_exec(*cat, **PIPES, pass_fds=[held])
    os.close(held)
    proc.stdin.write(b"one")
    task = asyncio.ensure_future(proc.communicate(b"two"))
    await iterate(3)
    task.cancel()
    await asyncio.wait([task])
    os.close(holding)
    assert await proc.communicate() == (b"onetwo", b"")
    assert await proc.communicate() == (b"", b"")


@covers("Process.communicate")
async def communicate_much():
    proc = await _fastproc.create_subprocess_exec("/bin/cat", **PIPES)
    out, _ = await proc.communicate(bytes(300_000))
    assert len(out) == 300_000


@covers("Process.communicate StreamWriter.drain")
async def child_that_reads_nothing():
    proc = await _fastproc.create_subprocess_exec("/bin/true", **PIPES)
    assert await proc.communicate(bytes(300_000)) == (b"", b"")
    proc = await _fastproc.create_subprocess_exec("/bin/true", stdin=PIPE)
    await proc.wait()
    proc.stdin.write(bytes(300_000))
    with refused(BrokenPipeError, ConnectionResetError):
        for _ in range(100):
            await proc.stdin.drain()
            await iterate(1)
    await gone()


@covers("Process.wait")
async def process_that_is_dropped():
    await _fastproc.create_subprocess_exec("/bin/true", **PIPES)
    await gone()


@covers("Process.wait")
async def process_in_a_cycle_of_garbage():
    proc = await _fastproc.create_subprocess_exec("/bin/cat", **PIPES)
    transport = proc._transport
    transport.get_extra_info("subprocess").itself = proc
    transport.get_pipe_transport(1).itself = [proc, transport]
    transport.itself = proc.stdout
    transport.close()
    del proc, transport
    gc.collect()
    await gone()


@covers("Process.wait")
def loop_is_closed_with_live_children():
    loop = FASTPROC.new_loop()
    with quiet("subprocess .* is still running"):
        procs = [
            loop.run_until_complete(_fastproc.create_subprocess_exec(*SLEEP, **kwds))
            for kwds in ({}, PIPES)
        ]
        waiting = procs[0].wait(), procs[1].communicate(), procs[1].stdin.drain()
        for coro in waiting:
            loop.call_soon(coro.send, None)
        loop.run_until_complete(iterate(2))
        loop.close()
        for coro in waiting:
            coro.close()
        del procs, waiting, loop, coro
        gc.collect()


@covers("SubprocessTransport.__del__")
def child_that_outlives_its_loop():
    loop = FASTPROC.new_loop()
    with quiet("subprocess .* is still running"):
        proc = loop.run_until_complete(_fastproc.create_subprocess_exec(*SLEEP, **PIPES))
        proc._transport.__del__()
        loop.close()
        gc.collect()
        assert proc.returncode is None
        proc._transport.__del__()
        assert proc.returncode == -9


@covers("Process.wait")
def loop_is_collected_with_a_live_child():
    loop = FASTPROC.new_loop()
    with quiet():
        proc = loop.run_until_complete(_fastproc.create_subprocess_exec(*SLEEP, **PIPES))
        task = loop.create_task(proc.wait())
        loop.run_until_complete(iterate(1))
        task._log_destroy_pending = False
        del loop, proc, task
        gc.collect()


@covers("Process.wait")
async def status_is_stolen():
    proc = await _fastproc.create_subprocess_exec("/bin/true")
    os.waitpid(proc.pid, 0)
    assert await proc.wait() in (0, 255)


@covers("create_subprocess_exec")
def loop_in_a_thread():
    async def main():
        assert await output_of(FASTPROC, "/bin/echo", "x") == b"x\n"

    thread = threading.Thread(target=FASTPROC.run, args=(main,))
    thread.start()
    thread.join()
    until_blocking(lambda: len(threads()) <= 1)  # the system's, too


@covers("create_subprocess_exec")
async def process_that_forks_off():
    async with sleeping():
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)


# A reader


@covers(
    "StreamReader.read StreamReader.readline StreamReader.readexactly StreamReader.readuntil"
    " StreamReader.at_eof"
)
async def read_in_every_way():
    async with cat() as proc:
        proc.stdin.write(b"line\n12345a;b,rest")
        proc.stdin.close()
        reader = proc.stdout
        assert await reader.readline() == b"line\n"
        assert await reader.readexactly(5) == b"12345"
        assert await reader.readuntil(b";") == b"a;"
        assert await reader.readuntil((b",", b"-")) == b"b,"
        assert await reader.read(2) == b"re"
        assert await reader.read() == b"st"
        assert await reader.read(10) == b"" == await reader.readline()
        assert reader.at_eof()


@covers("StreamReader.__aiter__ StreamReader.__anext__")
async def iterate_over_lines():
    async with cat() as proc:
        proc.stdin.writelines([b"a\n", b"b\n", b"c"])
        proc.stdin.close()
        assert [line async for line in proc.stdout] == [b"a\n", b"b\n", b"c"]


@covers("StreamReader.readuntil StreamReader.readline StreamReader.readexactly")
async def reads_that_fail():
    async with cat(limit=10) as proc:
        proc.stdin.write(bytes(30) + b"\n")
        for _ in range(2):
            with refused(asyncio.LimitOverrunError):
                await proc.stdout.readuntil(b"\n")
        with refused(ValueError):
            await proc.stdout.readline()
        with refused(ValueError):
            await proc.stdout.readexactly(-1)
        with refused(ValueError):
            await proc.stdout.readuntil(b"")
        proc.stdin.close()
        with refused(asyncio.IncompleteReadError):
            await proc.stdout.readexactly(100)
        with refused(asyncio.IncompleteReadError):
            await proc.stdout.readuntil()


@covers("StreamReader.read StreamReader._waiter")
async def two_read_at_once():
    async with cat() as proc:
        task = asyncio.ensure_future(proc.stdout.read(5))
        await iterate(1)
        assert proc.stdout._waiter is not None
        for method in proc.stdout.readline, proc.stdout.read, lambda: proc.stdout.readexactly(1):
            with refused(RuntimeError):
                await method()
        task.cancel()
        await asyncio.wait([task])
        assert proc.stdout._waiter is None


@covers(
    "StreamReader.__new__ StreamReader.__init__ StreamReader.__repr__ StreamReader.feed_data"
    " StreamReader.feed_eof StreamReader._buffer StreamReader._limit StreamReader._eof"
    " StreamReader._loop StreamReader._exception"
)
async def reader_of_ones_own():
    reader = _fastproc.StreamReader(limit=5)
    reader.__init__(limit=7, loop=asyncio.get_running_loop())
    reader.feed_data(b"some")
    reader._limit = reader._limit + 1
    assert reader._buffer == b"some" and "bytes" in repr(reader)
    task = asyncio.ensure_future(reader.read())
    await iterate(1)
    reader.feed_eof()
    assert await task == b"some" and reader._eof and reader._exception is None
    assert reader._loop is asyncio.get_running_loop()
    for bad in {"limit": 0}, {"limit": "x"}, {"loop": 3, "more": 4}:
        with refused(ValueError, TypeError):
            _fastproc.StreamReader(**bad)


class Transport(asyncio.ReadTransport):
    """Outside of what uses it, as Raising: CPython 3.13 without a GIL keeps each class for ever."""

    def pause_reading(self):
        pass

    resume_reading = pause_reading


@covers(
    "StreamReader.exception StreamReader.set_exception StreamReader.set_transport"
    " StreamReader._transport StreamReader._paused"
)
async def reader_with_another_transport():
    reader = _fastproc.StreamReader(limit=2)
    reader.set_transport(Transport())
    reader.feed_data(b"abcdef")
    assert reader._paused
    assert await reader.read(5) == b"abcde" and not reader._paused
    task = asyncio.ensure_future(reader.readexactly(5))
    await iterate(1)
    reader.set_exception(OSError("told"))
    with refused(OSError):
        await task
    assert isinstance(reader.exception(), OSError)
    reader._transport = None
    reader._transport = Transport()
    with refused(OSError):
        await reader.read()


@covers("StreamReader.set_exception")
async def reader_with_an_exception_that_knows_it():
    reader = _fastproc.StreamReader()
    error = ValueError("told")
    error.reader = reader
    reader.set_exception(error)
    reader.itself = reader


@covers("StreamReader.read ReadPipeTransport.pause_reading")
async def reader_that_pauses_its_pipe():
    async with running(FASTPROC, "/bin/cat", "/dev/zero", stdout=PIPE, limit=1000) as proc:
        transport = proc._transport.get_pipe_transport(1)
        while transport.is_reading():
            await iterate(1)
        assert len(await proc.stdout.readexactly(100_000)) == 100_000
        proc.kill()


# A writer


@covers(
    "StreamWriter.write StreamWriter.writelines StreamWriter.drain StreamWriter.close"
    " StreamWriter.is_closing StreamWriter.wait_closed StreamWriter.write_eof"
    " StreamWriter.can_write_eof StreamWriter.__repr__ StreamWriter.start_tls"
)
async def write_in_every_way():
    async with cat() as proc:
        writer = proc.stdin
        for data in b"a", bytearray(b"b"), memoryview(b"c-d")[::2]:
            writer.write(data)
        writer.writelines([b"e", memoryview(b"f")])
        await writer.drain()
        assert repr(writer) and not writer.is_closing() and writer.can_write_eof()
        with refused(Exception):
            await writer.start_tls(None)
        writer.write_eof()
        writer.close()
        assert writer.is_closing()
        await writer.wait_closed()
        writer.write(b"late")
        with refused(ConnectionResetError):
            await writer.drain()
        assert await proc.stdout.read() == b"abcdef"


@covers(
    "StreamWriter.transport StreamWriter._transport StreamWriter._protocol StreamWriter._reader"
    " StreamWriter._loop StreamWriter.get_extra_info FlowControlView._paused"
    " FlowControlView._connection_lost"
)
async def look_at_a_writer():
    async with sleeping() as proc:
        writer = proc.stdin
        assert writer.transport is writer._transport
        assert writer._loop is asyncio.get_running_loop() and writer._reader is None
        assert writer.get_extra_info("pipe").fileno() > 2
        assert writer.get_extra_info("nothing", default=3) == 3
        view = writer._protocol
        assert (view._paused, view._connection_lost) == (False, False)
        writer.write(bytes(1_000_000))
        assert view._paused
    assert view._connection_lost


@covers("StreamWriter.drain WritePipeTransport.set_write_buffer_limits")
async def drain_that_waits():
    async with cat() as proc:
        proc.stdin.transport.set_write_buffer_limits(high=10, low=0)
        proc.stdin.write(bytes(300_000))
        tasks = [asyncio.ensure_future(proc.stdin.drain()) for _ in range(3)]
        await iterate(1)
        tasks.pop().cancel()
        assert len(await proc.stdout.readexactly(300_000)) == 300_000
        await asyncio.gather(*tasks)


@covers("StreamWriter.wait_closed StreamWriter.__del__")
async def writer_whose_child_dies():
    async with sleeping() as proc:
        proc.stdin.write(bytes(1_000_000))
        tasks = [
            asyncio.ensure_future(coro) for coro in (proc.stdin.drain(), proc.stdin.wait_closed())
        ]
        await iterate(1)
        proc.kill()
        await asyncio.wait(tasks)
        for task in tasks:
            assert isinstance(task.exception(), OSError)
        proc.stdin.__del__()


@covers("StreamWriter.__del__")
async def writer_that_is_dropped():
    proc = await _fastproc.create_subprocess_exec("/bin/cat", stdin=PIPE)
    proc.stdin.close()
    proc.stdin = None
    await proc.wait()


# Transports and what belongs to them


@covers(
    "SubprocessTransport.get_pid SubprocessTransport.get_returncode SubprocessTransport.close"
    " SubprocessTransport.get_pipe_transport SubprocessTransport.is_closing"
    " SubprocessTransport.get_extra_info SubprocessTransport.get_protocol"
    " SubprocessTransport.set_protocol SubprocessTransport.__repr__ SubprocessTransport._wait"
)
async def look_at_a_transport():
    async with connected() as (transport, protocol):
        assert transport.get_pid() > 0 and transport.get_returncode() is None
        assert [transport.get_pipe_transport(fd) is None for fd in range(4)] == [False] * 3 + [True]
        assert not transport.is_closing() and repr(transport)
        assert transport.get_extra_info("subprocess").pid == transport.get_pid()
        assert transport.get_extra_info("nothing", 5) == 5
        assert transport.get_protocol() is protocol
        transport.set_protocol(protocol)
        transport.something = transport
        transport.close()
        assert transport.is_closing()
        assert await transport._wait() == -9


@covers(
    "SubprocessTransport.send_signal SubprocessTransport.terminate SubprocessTransport.kill"
    " SubprocessTransport._call_connection_lost"
)
async def signals_by_a_transport():
    for send in (
        lambda transport: transport.send_signal(signal.SIGTERM),
        lambda transport: transport.terminate(),
        lambda transport: transport.kill(),
    ):
        async with connected() as (transport, protocol):
            send(transport)
            await protocol.ended
            with refused(ProcessLookupError):
                send(transport)
    with refused(Exception):
        transport._call_connection_lost("too", "many")


@covers(
    "ReadPipeTransport.pause_reading ReadPipeTransport.resume_reading ReadPipeTransport.close"
    " ReadPipeTransport.is_reading ReadPipeTransport.is_closing ReadPipeTransport.get_extra_info"
    " ReadPipeTransport.get_protocol ReadPipeTransport.set_protocol ReadPipeTransport.fileno"
    " ReadPipeTransport.__repr__"
)
async def look_at_a_read_pipe():
    async with connected() as (transport, _):
        pipe = transport.get_pipe_transport(1)
        assert pipe.is_reading() and repr(pipe)
        pipe.pause_reading()
        assert not pipe.is_reading()
        pipe.resume_reading()
        assert pipe.get_extra_info("pipe").fileno() == pipe.fileno()
        pipe.set_protocol(pipe.get_protocol())
        pipe.close()
        assert pipe.is_closing()


@covers(
    "WritePipeTransport.write WritePipeTransport.writelines WritePipeTransport.write_eof"
    " WritePipeTransport.can_write_eof WritePipeTransport.get_write_buffer_size"
    " WritePipeTransport.get_write_buffer_limits WritePipeTransport.set_write_buffer_limits"
    " WritePipeTransport.is_closing WritePipeTransport.close WritePipeTransport.get_extra_info"
    " WritePipeTransport.get_protocol WritePipeTransport.set_protocol WritePipeTransport.fileno"
    " WritePipeTransport.__repr__ WritePipeTransport.is_reading"
    " WritePipeTransport.pause_reading WritePipeTransport.resume_reading"
)
async def use_a_write_pipe():
    async with connected("/bin/cat") as (transport, protocol):
        pipe = transport.get_pipe_transport(0)
        pipe.write(bytearray(b"one"))
        pipe.writelines([b"two", b""])
        assert pipe.can_write_eof() and pipe.get_write_buffer_size() >= 0
        pipe.set_write_buffer_limits(low=1, high=5)
        assert pipe.get_write_buffer_limits() == (1, 5)
        assert pipe.get_extra_info("pipe").fileno() == pipe.fileno()
        pipe.set_protocol(pipe.get_protocol())
        for not_of_its_kind in pipe.is_reading, pipe.pause_reading, pipe.resume_reading:
            with refused(NotImplementedError):
                not_of_its_kind()
        pipe.write_eof()
        pipe.close()
        assert repr(pipe) and pipe.is_closing()
        await protocol.ended
        assert b"".join(data for _, data in protocol.told) == b"onetwo"


@covers("WritePipeTransport.abort")
async def abort_a_write_pipe():
    async with connected() as (transport, _):
        pipe = transport.get_pipe_transport(0)
        pipe.write(bytes(1_000_000))
        assert pipe.get_write_buffer_size() > 0
        pipe.abort()
        await iterate(2)
        assert pipe.get_write_buffer_size() == 0


@covers(
    "PopenView.args PopenView.pid PopenView.poll PopenView.returncode PopenView.stdin"
    " PopenView.stdout PopenView.stderr PopenView.wait PopenView.send_signal PopenView.terminate"
    " PopenView.kill"
)
async def what_stands_for_a_popen():
    for send in "terminate", "kill", "send_signal":
        async with connected() as (transport, protocol):
            popen = transport.get_extra_info("subprocess")
            assert popen.args == list(SLEEP) and popen.pid == transport.get_pid()
            assert popen.poll() is None is popen.returncode
            assert popen.stdin and popen.stdout and popen.stderr
            with refused(subprocess.TimeoutExpired):
                popen.wait(0)
            popen.something = popen
            getattr(popen, send)(*[signal.SIGTERM] * (send == "send_signal"))
            await protocol.ended
            assert popen.poll() == popen.wait() == popen.returncode < 0


@covers(
    "PipeProtocol.connection_made PipeProtocol.data_received PipeProtocol.eof_received"
    " PipeProtocol.connection_lost PipeProtocol.pause_writing PipeProtocol.resume_writing"
    " PipeProtocol.pipe PipeProtocol.proc PipeProtocol.fd PipeProtocol.disconnected"
    " PipeProtocol.__repr__"
)
async def protocol_of_a_pipe():
    async with connected() as (transport, protocol):
        pipe = transport.get_pipe_transport(1).get_protocol()
        assert (pipe.fd, pipe.disconnected, pipe.proc) == (1, False, transport)
        assert pipe.pipe is transport.get_pipe_transport(1) and repr(pipe)
        pipe.connection_made(pipe.pipe)
        pipe.data_received(b"told")
        pipe.eof_received()
        pipe.pause_writing()
        pipe.resume_writing()
        pipe.connection_lost(None)
        assert pipe.disconnected


class Raising(Protocol):
    def pipe_data_received(self, fd, data):
        raise ValueError(fd)

    def pipe_connection_lost(self, fd, exc):
        raise ValueError(fd)

    def process_exited(self):
        raise ValueError


@covers("subprocess_exec")
async def protocol_that_raises_everywhere():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    hook, sys.unraisablehook = sys.unraisablehook, lambda args: None
    try:
        _, protocol = await _fastproc.subprocess_exec(Raising, "/bin/echo", "x")
        await protocol.ended
        await gone()
    finally:
        sys.unraisablehook = hook
        loop.set_exception_handler(None)


# The hub, seen from the loop


def token():
    """What the loop calls when something is to be read: of the standard library's loop."""
    handles = (key.data[0] for key in asyncio.get_running_loop()._selector.get_map().values())
    return next(h._callback for h in handles if type(h._callback).__name__ == "HubToken")


def hub_of(callback):
    return next(o for o in gc.get_referents(callback) if type(o).__name__ == "Hub")


@covers("HubToken.__call__ HubToken.__repr__ HubToken.__del__")
async def token_of_the_hub():
    async with sleeping():
        callback = token()
        callback()
        assert repr(callback)
    callback()  # the hub rests by now
    await gone()
    callback.__del__()


@covers("Hub.__call__")
async def hub_that_is_called():
    async with sleeping():
        hub = hub_of(token())
        hub.__call__()
    hub.__call__()
    await gone()


@covers("watch_base_classes base_classes_changed")
def patched_base_classes():
    _fastproc._core.watch_base_classes(True)
    _fastproc._core.base_classes_changed()
    _fastproc._core.watch_base_classes(False)


@covers(
    "StreamReader._wakeup_waiter FlowControlView._drain_helper FlowControlView._get_close_waiter"
)
async def what_functions_of_asyncio_call():
    async with sleeping() as proc:
        proc.stdout._wakeup_waiter()
        await proc.stdin._protocol._drain_helper()
        closed = proc.stdin._protocol._get_close_waiter(proc.stdin)
        proc.stdin.close()
        await closed


# Awaitables


LOOKS = "__class__ __name__ __qualname__ __repr__ cr_await cr_code cr_frame cr_origin cr_running"
LOOKS += " cr_suspended _begun __await__ send throw close __del__"
LOOKS += " cr_state" if hasattr(types.CoroutineType, "cr_state") else ""  # from 3.15 on


@covers(" ".join(f"Awaitable.{name}" for name in LOOKS.split()))
async def use_an_awaitable_as_a_coroutine():
    async with sleeping() as proc:
        coro = proc.wait()
        coro.__name__, coro.__qualname__ = "wait", "Process.wait"
        assert (coro.__name__, coro.__qualname__) == ("wait", "Process.wait") and repr(coro)
        assert (coro.cr_await, coro.cr_running, coro.cr_origin) == (None, False, None)
        assert coro.__class__ is types.CoroutineType and coro.cr_code and coro.cr_frame
        assert inspect.getcoroutinestate(coro) == "CORO_CREATED"  # cr_state
        assert coro.send(None) is not None and coro.cr_suspended and coro.cr_await is not None
        with refused(ValueError):
            coro.throw(ValueError("thrown"))
        coro.close()
        coro.__del__()
        coro.__repr__()
        proc.wait().__await__().close()


@covers(" ".join(f"Awaited.{name}" for name in [*LOOKS.split(), "__iter__", "__next__"]))
async def use_an_awaitable_that_is_awaited():
    async with sleeping() as proc:
        coro = iter(proc.wait().__await__())
        coro.__name__, coro.__qualname__ = "wait", "Process.wait"
        assert (coro.__name__, coro.__qualname__) == ("wait", "Process.wait") and repr(coro)
        assert (coro.cr_await, coro.cr_running, coro.cr_origin) == (None, False, None)
        assert coro.__class__ is types.CoroutineType and coro.cr_code and coro.cr_frame
        assert inspect.getcoroutinestate(coro) == "CORO_CREATED"  # cr_state
        assert next(coro) is not None and coro.cr_suspended and coro.cr_await is not None
        with refused(RuntimeError):
            coro.__await__()
        coro.send(None)
        with refused(ValueError):
            coro.throw(ValueError("thrown"))
        coro.close()
        coro.__del__()


@covers(
    "Wakeup.__await__ Wakeup.__repr__ Wakeup._asyncio_future_blocking Wakeup.add_done_callback"
    " Wakeup.cancel Wakeup.cancelled Wakeup.done Wakeup.get_loop Wakeup.remove_done_callback"
    " Wakeup.result Wakeup.__getattribute__ Wakeup.__setattr__ Wakeup.__delattr__"
    " Wakeup.set_result Wakeup.set_exception"
)
async def use_a_wakeup_as_a_future():
    async with sleeping() as proc:
        coro = proc.wait()
        future = coro.send(None)
        future._asyncio_future_blocking = future._asyncio_future_blocking
        with refused(AttributeError):
            future.other = None
        del future._asyncio_future_blocking
        assert asyncio.isfuture(future) and repr(future)
        assert future.get_loop() is asyncio.get_running_loop()
        heard = []
        for callback in print, heard.append:
            future.add_done_callback(callback)
        assert future.remove_done_callback(print) == 1
        with refused(asyncio.InvalidStateError):
            future.result()
        waiting = future.__await__()
        waiting.send(None)
        assert not future.done() and future.cancel(msg="why")
        await iterate(2)
        assert future.cancelled() and future.done() and len(heard) == 1
        with refused(asyncio.CancelledError):
            future.result()
        with refused(asyncio.InvalidStateError):
            future.set_result(None)
        waiting.close()
        coro.close()
        coro = proc.wait()
        future = coro.send(None)
        future.set_exception(ValueError("of somebody"))
        with refused(ValueError):
            future.result()
        coro.close()


@covers(
    "CoroutineFunction.__call__ CoroutineFunction.__get__ CoroutineFunction.__repr__"
    " CoroutineFunction.__name__ CoroutineFunction.__qualname__ CoroutineFunction.__code__"
    " CoroutineFunction.__defaults__ CoroutineFunction.__kwdefaults__"
    " CoroutineFunction.__annotations__ CoroutineFunction.__class__"
    " CoroutineFunction.__closure__ CoroutineFunction.__globals__ CoroutineFunction.__reduce__"
    " CoroutineFunction.__type_params__"
)
async def look_at_a_coroutine_function():
    async with sleeping() as proc:
        function = _fastproc.Process.__dict__["wait"]
        assert (function.__name__, function.__qualname__) == ("wait", "Process.wait")
        assert inspect.iscoroutinefunction(function) and repr(function)
        assert isinstance(function.__code__, types.CodeType)
        assert function.__defaults__ is None and function.__kwdefaults__ is None
        assert function.__annotations__ == {}
        assert function.__class__ is types.FunctionType and function.__globals__
        assert function.__closure__ is None and function.__reduce__()
        with contextlib.suppress(AttributeError):  # before 3.12
            assert function.__type_params__ == ()
        assert inspect.signature(_fastproc.Process.communicate).parameters["linger"]
        function.__get__(proc, type(proc))().close()
        function.__call__(proc).close()
        function(proc).close()
        with refused(TypeError):
            function()
        with refused(TypeError):
            function(proc, unknown=1)


@covers("Awaitable._begun Awaited._begun")
async def run_is_cancelled_while_its_child_starts():
    task = asyncio.create_task(_fastproc.run("sleep", "1000"))
    await asyncio.sleep(0)
    task.cancel()
    with refused(asyncio.CancelledError):
        await task
    coro = _fastproc.create_subprocess_exec("sleep", "1000")
    assert coro._begun is None and coro.send(None) is not None
    coro.throw(ZeroDivisionError())
    assert isinstance(coro._begun, _fastproc.Process)
    coro.close()


@covers("run run_shell")
async def run_to_the_end():
    for kwds in {}, {"max_output": 3}, {"text": True, "timeout": 60}, {"kill_orphans": True}:
        done = await _fastproc.run("/bin/echo", "text", **kwds)
        assert done.returncode == 0 and done.stdout and repr(done)
    done = await _fastproc.run_shell("cat", input=bytes(100_000), tee=lambda *piece: None)
    assert len(done.stdout) == 100_000
    with refused(subprocess.CalledProcessError):
        await _fastproc.run_shell("echo; exit 1", check=True)
    with refused(_fastproc.TimeoutExpired):
        await _fastproc.run_shell("echo; sleep 1000 & wait", timeout=0.02)
    with refused(ZeroDivisionError):
        await _fastproc.run("/bin/echo", tee=lambda *piece: 1 / 0)
    task = asyncio.ensure_future(_fastproc.run(*SLEEP))
    await iterate(5)
    task.cancel()
    with refused(asyncio.CancelledError):
        await task
    await gone()
    for _ in range(200):  # as many as make asyncio forget the timers that run() has cancelled
        asyncio.get_running_loop().call_later(60, int).cancel()
    await iterate(3)


@covers(
    "Process.stop Process.signal_group Process.close Process.__aenter__ Process.__aexit__"
    " Process._hold_group"
)
async def stop_children():
    for kwds in {}, {"start_new_session": True}:
        proc = await _fastproc.create_subprocess_exec(*SLEEP, **PIPES, **kwds)
        proc._hold_group(True)
        with contextlib.suppress(ValueError):
            proc.signal_group(0)
        await asyncio.gather(proc.stop(), proc.stop(grace=60))
        proc._hold_group(False)
        proc.close()
    async with await _fastproc.create_subprocess_exec(*SLEEP, **PIPES) as proc:
        proc.stdin.write(bytes(200_000))
        with refused(ValueError):
            proc.signal_group(0)


@covers(
    "Process.lines Process._next_output Process._set_linger Process._lingered"
    " StreamReader.lines StreamReader._next_line"
)
async def lines_of_any_length():
    script = "(exec sleep 1000) & echo out; echo err >&2; printf tail"
    for encoding in None, "utf-8":
        kwds = {"start_new_session": True, "limit": None}
        proc = await _fastproc.create_subprocess_shell(script, **(PIPES | kwds))
        proc._set_linger(0.01)
        assert len([line async for line in proc.lines(encoding=encoding)]) == 3
        assert proc._lingered and await proc._next_output(1) is None
        with contextlib.suppress(ProcessLookupError):
            proc.signal_group(signal.SIGKILL)
        proc.close()
        await proc.wait()
        async with cat() as proc:
            proc.stdin.write(b"one\nmuch longer\ntail")
            proc.stdin.close()
            lines = proc.stdout.lines(encoding=encoding, max_line=5)
            assert len([line async for line in lines]) == 5
            assert await proc.stdout._next_line(None, True) == b""
            assert await proc.communicate(linger=1) == (b"", b"")


@covers("Process.set_terminal_size")
async def children_at_terminals():
    PTY = _fastproc.PTY
    for kwds in {}, {"terminal_size": (2, 3)}, {"terminal_size": os.terminal_size((3, 2))}:
        proc = await _fastproc.create_subprocess_exec("/bin/cat", stdin=PTY, stdout=PTY, **kwds)
        proc.set_terminal_size(rows=5, columns=6)
        with refused(TypeError, ValueError):
            proc.set_terminal_size(-1, None)
        proc.stdin.write(b"text")
        proc.stdin.write_eof()
        assert await proc.communicate() == (b"texttext", None)
        with refused(ProcessLookupError):
            proc.set_terminal_size(5, 6)
    for kwds in {"stdin": PTY}, {"stdout": PTY}, {"stdin": PTY, "stderr": PTY}:
        proc = await _fastproc.create_subprocess_exec(*SLEEP, **kwds, terminal_raw=True)
        if proc.stdin is not None:
            with refused(NotImplementedError):
                proc.stdin.write_eof()
            proc.stdin.close()
        proc.close()
        assert await proc.wait() == -signal.SIGHUP
    for kwds in (
        {"terminal_raw": True},
        {"terminal_size": (1, 2)},
        {"stdin": PTY, "process_group": 0},
    ):
        with refused(ValueError):
            await _fastproc.create_subprocess_exec("/bin/true", **kwds)
    with refused(FileNotFoundError):
        await _fastproc.create_subprocess_exec("/nonexistent", stdin=PTY)
    done = await _fastproc.run("/bin/cat", input=b"text", stdin=PTY)
    assert done.stdout == b"text"


@covers("Process.wait Process.communicate")
async def tasks_and_timeouts():
    async with sleeping() as proc:
        for coro in proc.wait(), proc.communicate(), proc.stdout.read():
            with refused(TimeoutError):
                await asyncio.wait_for(coro, 0.0001)
        async with asyncio.TaskGroup() as group:
            group.create_task(proc.wait())
            group.create_task(proc.communicate())
            proc.kill()
