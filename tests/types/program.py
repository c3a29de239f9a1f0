"""A program of a user's, for type checkers only: nothing runs it.

assert_type() says what a checker has to find out; a comment "ignore" stands where it has to find a
mistake (one that is not needed is an error as well).
"""

import array
import asyncio
import mmap
import os
import resource
import signal
from pathlib import Path
from typing import assert_type

import _fastproc
from _fastproc import DEVNULL, PIPE, PTY, STDOUT


async def lines(command: str | bytes) -> list[bytes]:
    proc = await _fastproc.create_subprocess_shell(command, stdout=PIPE, stderr=STDOUT, limit=None)
    assert_type(proc, _fastproc.Process)
    assert_type(proc.pid, int)
    assert_type(proc.returncode, int | None)
    assert_type(proc.stdin, _fastproc.StreamWriter | None)
    assert_type(proc.stdout, _fastproc.StreamReader | None)
    assert_type(proc.stderr, _fastproc.StreamReader | None)
    proc.stdout.at_eof()  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    assert proc.stdout is not None
    found = [await proc.stdout.readuntil((b"\r", b"\n"))]
    found.append(await proc.stdout.readuntil(bytearray(b"\n")))
    found.append(await proc.stdout.readexactly(7) + await proc.stdout.read())
    async for line in proc.stdout:
        assert_type(line, bytes)
        found.append(line)
    assert_type(proc.stdout.exception(), Exception | None)
    assert_type(await proc.wait(), int)
    usage = proc.resource_usage
    assert_type(usage, resource.struct_rusage | None)
    if usage is not None:
        assert_type(usage.ru_maxrss, int)
    return found


async def collect(program: Path, folder: Path, text: bytes) -> bytes:
    environment: dict[str, str] = dict(os.environ)
    with open(os.devnull, "wb") as null:
        proc = await _fastproc.create_subprocess_exec(
            program,
            b"-v",
            "name",
            folder / "file",
            stdin=PIPE,
            stdout=PIPE,
            stderr=null,
            cwd=folder,
            env=environment,
            start_new_session=True,
            pass_fds=[3, 4],
        )
    async with asyncio.timeout(10):
        out, err = await proc.communicate(array.array("i", [1, 2, 3]))
    assert_type(out, bytes | None)
    assert_type(err, bytes | None)
    out.decode()  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    await proc.communicate("text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await proc.communicate(mmap.mmap(-1, 1))
    return out or b""


async def write(proc: _fastproc.Process) -> None:
    assert proc.stdin is not None
    assert_type(proc.stdin, _fastproc.StreamWriter)
    proc.stdin.write(memoryview(b"x"))
    proc.stdin.writelines([b"x", bytearray(b"y"), array.array("b", [1])])
    await proc.stdin.drain()
    proc.stdin.write("text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    proc.stdin.close()
    await proc.stdin.wait_closed()


def takes_asyncios(
    proc: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    proc.terminate()


async def together() -> None:
    """Ours are asyncio's, and what waits is a coroutine."""
    proc = await _fastproc.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    assert proc.stdin is not None and proc.stdout is not None
    takes_asyncios(proc, proc.stdout, proc.stdin)
    reading = asyncio.create_task(proc.stdout.readline())
    status, line = await asyncio.gather(proc.wait(), asyncio.wait_for(reading, 1))
    assert_type(status, int)
    assert_type(line, bytes)
    await _fastproc.create_subprocess_exec()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    await _fastproc.create_subprocess_exec("x", text=True)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    await _fastproc.create_subprocess_exec("x", 1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


class Protocol(asyncio.SubprocessProtocol):
    def pipe_data_received(self, fd: int, data: bytes) -> None:
        pass


async def low_level() -> None:
    loop = asyncio.get_running_loop()
    transport, protocol = await _fastproc.subprocess_exec(Protocol, "true", stdin=None)
    assert_type(transport, _fastproc.SubprocessTransport)
    assert_type(protocol, Protocol)
    assert_type(transport.get_returncode(), int | None)
    assert_type(transport.get_protocol(), asyncio.BaseProtocol | None)
    assert_type(transport.get_pipe_transport(1), asyncio.BaseTransport | None)
    transport.close()
    await _fastproc.subprocess_shell(lambda: protocol, "true")
    with _fastproc.installed():
        await loop.subprocess_exec(Protocol, "true")
    _fastproc.install()
    _fastproc.uninstall()


async def commands(folder: Path) -> str:
    done = await _fastproc.run("git", b"log", folder, cwd=folder, timeout=1.5, check=True)
    assert_type(done, _fastproc.CompletedProcess[bytes, bytes])
    assert_type(done.stdout, bytes)
    assert_type(done.returncode, int)
    assert_type(done.duration, float)
    text = await _fastproc.run_shell("a | b", text=True, input="x", max_output=1 << 16, keep="head")
    assert_type(text.stdout, str)
    assert_type((await _fastproc.run("x", encoding="utf-8")).stderr, str)
    merged = await _fastproc.run("x", errors="replace", stderr=STDOUT, tee=True)
    assert_type(merged.stdout, str)
    assert_type(merged.stderr, str | None)
    shown = await _fastproc.run(
        "x", stdout=None, tee=lambda stream, data: print(stream + len(data))
    )
    assert_type(shown.stdout, bytes | None)
    assert_type((await _fastproc.run("x", stdout=DEVNULL, stderr=DEVNULL)).stderr, bytes | None)
    await _fastproc.run("x", input="text")  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]
    await _fastproc.run("x", keep="both")  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]
    try:
        done.check_returncode()
    except TimeoutError as error:
        assert isinstance(error, _fastproc.TimeoutExpired)
        assert_type(error.timeout, float)
    return text.stdout


async def limited() -> None:
    with _fastproc.Cgroup(memory_max="64M", pids_max=64, cpu_max=0.5) as group:
        assert_type(group, _fastproc.Cgroup)
        assert_type(group.fileno(), int)
        with _fastproc.Cgroup(group) as inner:
            await _fastproc.run(
                "x", cgroup=inner, rlimits={resource.RLIMIT_CPU: 10, resource.RLIMIT_AS: (1, 2)}
            )
            await _fastproc.run("x", cgroup=inner.fileno(), nice=5, oom_score_adj=500)
        proc = await _fastproc.create_subprocess_exec(
            "x",
            cgroup=group.path,
            rlimits={resource.RLIMIT_CORE: 0},
            parent_death_signal=signal.SIGKILL,
            cpu_affinity={0, 1},
            no_new_privileges=True,
        )
        await proc.stop()
    await _fastproc.create_subprocess_shell("x", ignore_signals={1}, default_signals=[2])
    await _fastproc.run("x", nice="high")  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]


async def terminal() -> None:
    proc = await _fastproc.create_subprocess_exec(
        "x", stdin=PTY, stdout=PTY, stderr=PTY, terminal_size=(24, 80), terminal_raw=True
    )
    proc.set_terminal_size(30, 100)
    proc.set_terminal_size(rows=30, columns=100)
    done = await _fastproc.run("x", stdout=PTY, terminal_size=os.get_terminal_size(), text=True)
    assert_type(done.stdout, str | None)
    await _fastproc.run("x", stdin=PTY, terminal_size=80)  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]


async def server() -> None:
    proc = await _fastproc.create_subprocess_exec("x", stdout=PIPE, start_new_session=True)
    async with proc as same:
        assert_type(same, _fastproc.Process)
        proc.signal_group(1)
        out, _ = await proc.communicate(linger=0.5)
        assert_type(out, bytes | None)
        assert proc.stdout is not None
        async for line in proc.stdout.lines():
            assert_type(line, bytes)
        async for text in proc.stdout.lines(encoding="utf-8", max_line=100):
            assert_type(text, str)
        async for stream, text in proc.lines(encoding="utf-8"):
            assert_type(stream, int)
            assert_type(text, str)
        assert_type(await proc.stop(2, grace=1), int)
        proc.close()


asyncio.run(lines(b"ls"))
