"""What the fault matrix runs while calls fail: coroutines that check what they get.

Each is called again and again, with another call failing each time.  It may raise what the fault
raises; what it returns from without having raised has to have gone right.  It may leave children
behind, which the end of the loop then takes.
"""

import asyncio
import contextlib
import errno
import os
import resource
import signal
import subprocess
import tempfile

import _fastproc
from _fastproc import DEVNULL, PIPE, PTY, STDOUT, create_subprocess_exec, create_subprocess_shell

SCENARIOS = {}
DATA = bytes(range(256)) * 512  # twice a pipe's capacity
# What is forced by configure(), and what is refused as by an older kernel or a sandbox.
PATHS = {
    "clone": {},
    "vfork": {"spawn": "vfork"},
    "fork": {"spawn": "fork"},
    "shared": {"share_from": 0},
    "no-leaving": {"share_from": 0, "refuse": {"close_range": errno.ENOSYS}},
    "pidfd": {"reap": "pidfd"},
    "thread": {"reap": "thread"},
    "no-clone3": {"refuse": {"clone3": errno.EPERM}},
    "no-clone": {"refuse": {"clone3": errno.ENOSYS, "clone": errno.EINVAL}},
    "no-close-range": {"refuse": {"close_range": errno.ENOSYS}},
    "no-proc": {"refuse": {"close_range": errno.ENOSYS, "openat": errno.ENOENT}},
    "no-pidfd": {
        "refuse": {"clone3": errno.ENOSYS, "clone": errno.EINVAL, "pidfd_open": errno.ENOSYS}
    },
}
EVERY_PATH = list(PATHS)


class Scenario:
    def __init__(self, function, paths, loops, leaves_child):
        self.function = function
        self.name = function.__name__
        self.paths = paths
        self.loops = loops
        self.leaves_child = leaves_child


def scenario(*paths, loops=("stdlib",), leaves_child=False):
    def add(function):
        SCENARIOS[function.__name__] = Scenario(function, ("clone", *paths), loops, leaves_child)
        return function

    return add


BOTH = ("stdlib", "uvloop")


class Fault:
    """What fails in this run, for a scenario whose right result depends on it."""

    def __init__(self, errnos):
        self.errnos = errnos  # a function: those injected so far

    def was(self, *errnos):
        return bool(self.errnos() & set(errnos))

    @property
    def was_injected(self):
        return bool(self.errnos())

    @property
    def of_write(self):
        return self.was(errno.EPIPE, errno.EIO)


# Those where the child may open a file.
WITH_FILES = [path for path in EVERY_PATH[1:] if path != "no-proc"]


@scenario(*WITH_FILES, leaves_child=True)
async def create_with_options(fault):
    options = {
        "rlimits": {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: (100, 200)},
        "parent_death_signal": signal.SIGKILL,
        "nice": 3,
        "cpu_affinity": os.sched_getaffinity(0),
        "no_new_privileges": True,
        "oom_score_adj": 500,
        "ignore_signals": {signal.SIGUSR1},
        "default_signals": {signal.SIGUSR2},
    }
    script = "nice; ulimit -n; cat /proc/self/oom_score_adj"
    proc = await create_subprocess_exec("/bin/sh", "-c", script, stdout=PIPE, **options)
    output, _ = await proc.communicate()
    assert output == b"3\n100\n500\n"


@scenario(*WITH_FILES)
async def create_in_a_cgroup(fault):
    folder = next(
        (
            place
            for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
            if os.path.exists(f"{place}/cgroup.subtree_control")
        ),
        None,
    )
    if folder is None:
        return
    proc = await create_subprocess_exec("/bin/true", cgroup=folder)
    assert await proc.wait() == 0 or fault.was(errno.ECHILD)


@scenario(*EVERY_PATH[1:], loops=BOTH)
async def create_and_wait(fault):
    proc = await create_subprocess_exec("/bin/sh", "-c", "exit 7", stdin=DEVNULL)
    assert await proc.wait() == 7 or fault.was(errno.ECHILD) and proc.returncode == 255
    assert proc.returncode in (7, 255)
    usage = proc.resource_usage
    assert usage is None or usage.ru_maxrss > 0


@scenario(*EVERY_PATH[1:])
async def missing_program(fault):
    try:
        await create_subprocess_exec("/nonexistent/program", stdin=PIPE, stdout=PIPE)
    except FileNotFoundError as error:
        if error.filename != "/nonexistent/program" and not fault.was(errno.ENOENT):
            raise AssertionError("the wrong file") from error
    else:
        raise AssertionError("it started")


@scenario("thread")
async def missing_directory(fault):
    try:
        await create_subprocess_exec("true", cwd="/nonexistent/directory")
    except FileNotFoundError as error:
        assert error.filename == "/nonexistent/directory" or fault.was(errno.ENOENT)
    else:
        raise AssertionError("it started")


@scenario("vfork", "thread", loops=BOTH)
async def communicate(fault):
    proc = await create_subprocess_exec(
        "/bin/sh", "-c", "cat; echo error >&2", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    out, err = await proc.communicate(DATA)
    assert out == DATA or fault.of_write and DATA.startswith(out), len(out)
    assert err == b"error\n" and proc.returncode in (0, 255)
    assert await proc.communicate() == (b"", b"")


@scenario()
async def communicate_merged(fault):
    proc = await create_subprocess_exec(
        "/bin/sh", "-c", "echo out; echo err >&2", stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    assert await proc.communicate() == (b"out\nerr\n", None)


@scenario()
async def to_a_file(fault):
    with tempfile.TemporaryFile() as file:
        proc = await create_subprocess_exec("echo", "x", stdout=file, stderr=DEVNULL, pipesize=4096)
        assert await proc.wait() in (0, 255)
        file.seek(0)
        assert file.read() == b"x\n"


SHOW = 'pwd; echo "$KEY"; umask; cat <&"$FD"; cut -d " " -f 6 "/proc/$$/stat"; echo "$$"'


@scenario("vfork", "fork", "no-close-range", "no-proc")
async def surroundings(fault):
    read, write = os.pipe()
    try:
        os.write(write, b"given\n")
        os.close(write)
        proc = await create_subprocess_exec(
            "sh", "-c", SHOW, stdout=PIPE, cwd="/usr", umask=0o027, pass_fds=[read],
            env={"KEY": "value", "FD": str(read), "PATH": "/nonexistent:/usr/bin:/bin"},
            start_new_session=True,
        )  # fmt: skip
        out, _ = await proc.communicate()
    finally:
        os.close(read)
    *lines, session, pid = out.split()
    assert lines == [b"/usr", b"value", b"0027", b"given"], lines
    assert session == pid, "no session of its own"


@scenario()
async def descriptors_of_the_child(fault):
    inherited = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        proc = await create_subprocess_exec("ls", "/proc/self/fd", stdin=PIPE, stdout=PIPE)
        out, _ = await proc.communicate()
    finally:
        os.close(inherited)
    assert out.split() == [b"0", b"1", b"2", b"3"], out


@scenario()
async def shell(fault):
    proc = await create_subprocess_shell("echo $((1 + 1)); exit 3", stdout=PIPE, process_group=0)
    assert await proc.communicate() == (b"2\n", None)
    assert proc.returncode in (3, 255)


@scenario()
async def shell_that_is_missing(fault):
    try:
        await create_subprocess_shell("true", executable=b"nonexistent-shell")
    except FileNotFoundError:
        pass
    else:
        raise AssertionError("it started")


@scenario("no-clone3", "no-clone")
async def as_user(fault):
    ids = {"user": os.geteuid(), "group": os.getegid()}
    if os.geteuid() == 0:
        ids |= {"user": "root", "extra_groups": [os.getegid(), "daemon"]}
    proc = await create_subprocess_exec("id", "-u", stdout=PIPE, **ids)
    assert await proc.communicate() == (b"%d\n" % os.geteuid(), None)


@scenario("thread")
async def preexec(fault):
    proc = await create_subprocess_exec(
        "/bin/sh", "-c", "umask", stdout=PIPE, preexec_fn=lambda: os.umask(0o035)
    )
    assert await proc.communicate() == (b"0035\n", None)


@scenario()
async def preexec_that_raises(fault):
    try:
        await create_subprocess_exec("true", preexec_fn=lambda: 1 / 0)
    except subprocess.SubprocessError as error:
        assert "preexec_fn" in str(error)
    else:
        raise AssertionError("it started")


@scenario(loops=BOTH)
async def read_lines(fault):
    script = "printf 'one\\n12345;x|y|z\\nlast\\nend'"
    proc = await create_subprocess_exec("/bin/sh", "-c", script, stdout=PIPE)
    reader = proc.stdout
    assert await reader.readline() == b"one\n"
    assert await reader.readexactly(3) == b"123"
    assert await reader.readuntil(b";") == b"45;"
    assert await reader.readuntil((b"|", b"y")) == b"x|"
    assert await reader.read(2) == b"y|"
    assert [line async for line in reader] == [b"z\n", b"last\n", b"end"]
    assert await reader.read() == b"" and reader.at_eof()
    try:
        await reader.readexactly(5)
    except asyncio.IncompleteReadError as error:
        assert error.partial == b"" and error.expected == 5
    else:
        raise AssertionError("read beyond the end")
    assert await proc.wait() in (0, 255)


@scenario()
async def read_beyond_the_limit(fault):
    proc = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, limit=4)
    reader = proc.stdout
    proc.stdin.write(b"a" * 20 + b"\nbb\nccccccc;" + b"d" * 5000)
    proc.stdin.close()
    try:
        await reader.readline()
    except ValueError:
        pass
    else:
        assert fault.of_write, "too long a line"
    rest = await reader.read()
    assert (b"a" * 20 + b"\nbb\nccccccc;" + b"d" * 5000).endswith(rest) or fault.of_write
    assert await proc.wait() in (0, 255)


def nothing_is_left_of(pid):
    """Of the group that it has led."""
    left = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            state, _, group = file.read().rpartition(b")")[2].split()[:3]
            if int(group) == pid and state not in b"ZX":
                left.append(int(name))
    return not left


@scenario("thread", "pidfd", loops=BOTH)
async def run_to_the_end(fault):
    done = await _fastproc.run_shell(
        "cat; echo error >&2; exec sleep 1000 & exit 3", input=DATA, linger=0.02, kill_orphans=True
    )
    assert done.stdout == DATA or fault.of_write and DATA.startswith(done.stdout)
    assert done.stderr == b"error\n" and done.returncode in (3, 255)


@scenario("thread")
async def run_and_keep_some(fault):
    heard = bytearray()
    done = await _fastproc.run(
        "cat", input=DATA, max_output=1000, tee=lambda stream, data: heard.extend(data), timeout=60
    )
    assert heard == DATA or fault.of_write and DATA.startswith(heard)
    assert done.stdout == heard[-1000:] and done.stdout_bytes == len(heard)


@scenario("thread", "pidfd")
async def run_for_too_long(fault):
    pid = None

    def tee(stream, data):
        nonlocal pid
        pid = int(data)

    try:
        await _fastproc.run_shell(
            "echo $$; exec sleep 5 & exec sleep 5", tee=tee, timeout=0.05, grace=1
        )
    except _fastproc.TimeoutExpired as error:
        assert pid is None or error.output == b"%d\n" % pid
        # "no such process" and "no child of yours" are taken at their word
        unseen = fault.was(errno.EPERM, errno.ESRCH, errno.ECHILD)
        assert pid is None or nothing_is_left_of(pid) or unseen
    else:
        assert fault.was(errno.ENOMEM), "it ended"  # then the loop's timer may have failed


@scenario("thread", "pidfd")
async def stop(fault):
    proc = await create_subprocess_shell(
        "echo; sleep 30 2>/dev/null & exec sleep 30", stdout=PIPE, start_new_session=True
    )
    async with proc:
        await proc.stdout.readline()
        assert await proc.stop(grace=1) in (-signal.SIGTERM, -signal.SIGKILL, 255)
        assert nothing_is_left_of(proc.pid) or fault.was_injected


@scenario(loops=BOTH)
async def lines_of_both_streams(fault):
    script = "printf 'one\\r\\ntwo\\n'; echo error >&2; printf tail"
    proc = await create_subprocess_exec(
        "/bin/sh", "-c", script, stdout=PIPE, stderr=PIPE, limit=None
    )
    found = [pair async for pair in proc.lines(encoding="ascii")]
    assert sorted(found) == [(1, "one\n"), (1, "tail"), (1, "two\n"), (2, "error\n")], found
    assert await proc.communicate(linger=1) == (b"", b"")


@scenario()
async def lines_of_a_stream(fault):
    proc = await create_subprocess_exec("printf", "one\ntwo\nlonger", stdout=PIPE)
    found = [line async for line in proc.stdout.lines(max_line=4)]
    assert found == [b"one\n", b"two\n", b"long", b"er"], found
    assert await proc.wait() in (0, 255)


@scenario("vfork", "fork", "shared", loops=BOTH, leaves_child=True)
async def at_a_terminal(fault):
    """One that types, resizes, and closes."""
    kwds = {"stdin": PTY, "stdout": PTY, "stderr": PTY, "terminal_size": (5, 6)}
    proc = await create_subprocess_exec("/bin/sh", "-c", "stty size; cat", **kwds)
    proc.set_terminal_size(7, 8)
    proc.stdin.write(b"typed\n")
    proc.stdin.write_eof()
    proc.stdin.close()
    # What could not be read is taken for the end; what could not be typed the child waits for.
    try:
        out = await asyncio.wait_for(proc.stdout.read(), 2)
        whole = out.endswith(b"typed\r\n") and (b"5 6\r\n" in out or b"7 8\r\n" in out)
        assert whole or fault.was_injected, out
        assert await asyncio.wait_for(proc.wait(), 2) in (0, 255)
    except TimeoutError:
        assert fault.was_injected
        proc.close()
        assert await proc.wait() in (-signal.SIGHUP, 0, 255)


@scenario("shared")
async def terminal_that_nobody_reads(fault):
    script = "read line; seq 5000 >/dev/tty; echo $line"
    proc = await create_subprocess_exec(
        "/bin/sh", "-c", script, stdin=PTY, stdout=PIPE, terminal_raw=True
    )
    proc.stdin.write(b"typed\n")
    try:
        out, _ = await asyncio.wait_for(proc.communicate(), 2)
        assert out == b"typed\n" or fault.was_injected, out
        assert proc.returncode in (0, 255)
    except TimeoutError:
        assert fault.was_injected
        proc.close()
        assert await proc.wait() in (-signal.SIGHUP, 0, 255)


@scenario()
async def capture_in_volume(fault):
    """So much that its memory is provided ahead."""
    proc = await create_subprocess_exec("head", "-c", "3000000", "/dev/zero", stdout=PIPE)
    out, _ = await proc.communicate()
    assert len(out) == 3_000_000, len(out)


@scenario()
async def read_while_paused(fault):
    """A reader that is full pauses its pipe, which goes on when somebody reads."""
    proc = await create_subprocess_exec(
        "/bin/sh", "-c", "head -c 50000 /dev/zero", stdout=PIPE, limit=100
    )
    await proc.wait()
    total = 0
    while chunk := await proc.stdout.read(10_000):
        total += len(chunk)
    assert total == 50_000


@scenario("thread", loops=BOTH)
async def write(fault):
    """More than the pipe takes, and the child waits to be read."""
    proc = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, limit=1000)
    writer = proc.stdin
    writer.write(DATA)
    writer.write(bytearray(b"small"))
    writer.write(memoryview(b"a-b-c-")[::2])
    writer.writelines([DATA, b"end"])

    async def finish():
        try:
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (BrokenPipeError, ConnectionResetError):
            if not fault.was_injected:
                raise

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(proc.stdout.read())
        group.create_task(finish())
    out, all_of_it = reading.result(), DATA + b"smallabc" + DATA + b"end"
    assert out == all_of_it or fault.of_write and all_of_it.startswith(out), len(out)
    assert await proc.wait() in (0, 255)


@scenario()
async def write_to_the_dead(fault):
    proc = await create_subprocess_exec("true", stdin=PIPE)
    proc.stdin.write(DATA + DATA)
    try:
        await proc.stdin.drain()
        raise AssertionError("drained")
    except (BrokenPipeError, ConnectionResetError):
        pass
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await proc.stdin.wait_closed()
    assert await proc.wait() in (0, 255)


@scenario("pidfd", "thread", "no-clone")
async def signals(fault):
    expected = {"kill": -signal.SIGKILL, "terminate": -signal.SIGTERM, "interrupt": -signal.SIGINT}
    procs = [await create_subprocess_exec("sleep", "60") for _ in expected]
    procs[0].kill()
    procs[1].terminate()
    procs[2].send_signal(signal.SIGINT)
    got = [await proc.wait() for proc in procs]
    assert got == list(expected.values()) or 255 in got and fault.was(errno.ECHILD), got
    try:
        procs[0].kill()
    except ProcessLookupError:
        pass
    else:
        raise AssertionError("killed a dead one")


@scenario("vfork", "thread")
async def cancelled_create(fault):
    task = asyncio.ensure_future(
        create_subprocess_exec("sleep", "60", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    )
    await asyncio.sleep(0)
    try:
        task.cancel()
    except MemoryError:
        task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    else:
        raise AssertionError("not cancelled")


async def exit_with(code, file):
    return await create_subprocess_exec("/bin/sh", "-c", f"exit {code}", stdout=file)


@scenario("vfork", "thread", loops=BOTH)
async def crowd(fault):
    """Six at once through a gate of two, one of them cancelled, with descriptors held meanwhile."""
    _fastproc._core.configure(gate=2)
    with tempfile.TemporaryFile() as file:
        tasks = [asyncio.ensure_future(exit_with(i, file)) for i in range(6)]
        await asyncio.sleep(0)
        not_cancelled = None
        try:
            tasks[4].cancel()
        except MemoryError as error:
            not_cancelled = error
        procs = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [proc for proc in procs if isinstance(proc, BaseException)]
    for i, proc in enumerate(procs):
        if proc not in failed:
            assert await proc.wait() in (i, 255)
    if not isinstance(procs[4], asyncio.CancelledError):
        raise not_cancelled or procs[4]
    failed.remove(procs[4])
    if failed:
        raise failed[0]


@scenario("vfork", "fork", "thread", "no-pidfd", loops=BOTH, leaves_child=True)
async def left_to_the_loop(fault):
    """The loop closes while one child lives and others are being started."""
    _fastproc._core.configure(gate=2)
    proc = await create_subprocess_exec("sleep", "60", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    proc.stdin.write(DATA)
    for _ in range(4):
        create = create_subprocess_exec("sleep", "60", stdout=PIPE)
        with contextlib.closing(create):
            create.send(None)
    return proc


@scenario("thread")
async def status_taken_by_another(fault):
    proc = await create_subprocess_exec("/bin/sh", "-c", "exit 5")
    with contextlib.suppress(ChildProcessError):  # a start that waits for the exec lets us be first
        os.waitid(os.P_PID, proc.pid, os.WEXITED)
    assert await proc.wait() in (5, 255)


class Protocol(asyncio.SubprocessProtocol):
    def __init__(self):
        self.events, self.data = [], {1: b"", 2: b""}
        loop = asyncio.get_running_loop()
        self.ended = loop.create_future()
        loop.set_exception_handler(self.not_told)

    def not_told(self, loop, context):
        """What the loop's exception handler gets when a callback fails or cannot be called."""
        if not self.ended.done():
            self.ended.set_exception(context["exception"])

    def connection_made(self, transport):
        self.events.append("made")

    def pipe_data_received(self, fd, data):
        self.data[fd] += data

    def pipe_connection_lost(self, fd, exception):
        self.events.append(f"lost {fd}")

    def process_exited(self):
        self.events.append("exited")

    def connection_lost(self, exception):
        self.events.append("over")
        self.ended.set_result(None)


@scenario("thread", loops=BOTH)
async def low_level(fault):
    transport, protocol = await _fastproc.subprocess_exec(
        Protocol, "/bin/sh", "-c", "cat; echo error >&2", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    stdin = transport.get_pipe_transport(0)
    stdin.set_write_buffer_limits(high=100)
    stdin.write(DATA)
    stdin.write_eof()
    await protocol.ended
    out = protocol.data[1]
    read_failed = fault.was(errno.EIO) or fault.was(errno.ENOMEM)
    assert out == DATA or fault.of_write and DATA.startswith(out) or read_failed, len(out)
    assert protocol.data[2] == b"error\n" or read_failed
    assert sorted(protocol.events) == ["exited", "lost 0", "lost 1", "lost 2", "made", "over"]
    assert protocol.events[0] == "made" and protocol.events[-1] == "over"
    assert transport.get_returncode() in (0, 255, -13)


@scenario()
async def low_level_without_pipes(fault):
    transport, protocol = await _fastproc.subprocess_shell(
        Protocol, "exit 4", stdin=DEVNULL, stdout=DEVNULL, stderr=None
    )
    assert [transport.get_pipe_transport(fd) for fd in range(3)] == [None] * 3
    await protocol.ended
    assert protocol.events == ["made", "exited", "over"]
    assert transport.get_returncode() in (4, 255)


@scenario("thread")
async def transports(fault):
    proc = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    transport = proc._transport
    view = transport.get_extra_info("subprocess")
    assert view.pid == proc.pid and view.poll() is None and view.args == ["cat"]
    stdout = transport.get_pipe_transport(1)
    stdout.pause_reading()
    proc.stdin.write(b"x")
    stdout.resume_reading()
    try:
        assert await proc.stdout.readexactly(1) == b"x"
    except asyncio.IncompleteReadError:
        if not fault.of_write:
            raise
    transport.get_pipe_transport(0).abort()
    await asyncio.sleep(0)  # in the next turn it is closed, as by asyncio
    view.wait(20)
    assert view.poll() in (0, 255, None)
    assert await proc.wait() in (0, 255)
    transport.close()
    assert transport.is_closing()


def all_runs():
    """(name, path, loop) of all that there is to run."""
    for one in SCENARIOS.values():
        for loop in one.loops:
            for path in one.paths if loop == "stdlib" else one.paths[:1]:
                yield one.name, path, loop
