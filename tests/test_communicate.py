"""Process.communicate(): what it writes, reads and gives, at any size and in any order."""

import array
import asyncio
import contextlib
import mmap
import sys
import time

import pytest
from support import children, finish, iterate, pattern, pipe, running

MIB = 1 << 20


def shell(aio, script, **kwds):
    return aio.create_subprocess_exec("/bin/sh", "-c", script, **kwds)


closes_stdin_for_none = pytest.mark.differs(
    "asyncio", "before 3.12 communicate() left stdin open", when=sys.version_info < (3, 12)
)


def test_output_of_both_pipes(aio):
    async def main():
        proc = await shell(aio, "echo out; echo err >&2", stdout=aio.PIPE, stderr=aio.PIPE)
        assert await proc.communicate() == (b"out\n", b"err\n")
        assert proc.returncode == 0

    aio.run(main)


@pytest.mark.parametrize("piped", [(), ("stdout",), ("stderr",), ("stdin",)], ids="-".join)
def test_none_for_what_is_not_piped(aio, piped):
    async def main():
        streams = dict.fromkeys(["stdin", "stdout", "stderr"], aio.DEVNULL)
        proc = await shell(aio, "echo 1; echo 2 >&2", **streams | dict.fromkeys(piped, aio.PIPE))
        return await proc.communicate()

    expected = b"1\n" if "stdout" in piped else None, b"2\n" if "stderr" in piped else None
    assert aio.run(main) == expected


def test_result_is_bytes_and_a_tuple(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true", stdout=aio.PIPE, stderr=aio.PIPE)
        result = await proc.communicate()
        assert [type(result), *map(type, result)] == [tuple, bytes, bytes]
        assert result == (b"", b"")

    aio.run(main)


def test_input_goes_in_and_stdin_is_closed(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        assert await proc.communicate(input=b"round trip") == (b"round trip", None)
        assert proc.stdin.is_closing()

    aio.run(main)


@pytest.mark.parametrize("data", [None, b""])
@closes_stdin_for_none
def test_stdin_is_closed_for_nothing_too(aio, data):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        assert await proc.communicate(data) == (b"", None)
        assert proc.stdin.is_closing()

    aio.run(main)


@pytest.mark.differs("asyncio", "before 3.12 it is used unlooked", when=sys.version_info < (3, 12))
def test_input_is_ignored_when_stdin_is_not_piped(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.DEVNULL, stdout=aio.PIPE)
        assert await proc.communicate(b"nobody reads this") == (b"", None)

    aio.run(main)


@pytest.mark.differs("uvloop", "a socketpair cannot be opened as /dev/stderr")
def test_large_input_and_output_at_once(aio):
    data = pattern(4 * MIB)

    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await shell(aio, "tee /dev/stderr", **pipes)
        out, err = await proc.communicate(data)
        assert out == data and err == data

    aio.run(main)


def test_pipes_that_fill_one_after_the_other(aio):
    async def main():
        script = f"head -c {MIB} /dev/zero >&2; head -c {MIB} /dev/zero"
        proc = await shell(aio, script, stdout=aio.PIPE, stderr=aio.PIPE)
        out, err = await proc.communicate()
        assert out == err == bytes(MIB)

    aio.run(main)


@pytest.mark.parametrize("limit", [1, 100, 10 * MIB])
def test_limit_does_not_bound_the_output(aio, limit):
    data = pattern(MIB if limit > 1 else MIB // 4)

    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes, limit=limit)
        assert (await proc.communicate(data))[0] == data

    aio.run(main)


def bytes_likes():
    raw = pattern(1000)
    doubles = array.array("d", [1.5, 2.5, 3.5])
    mapped = mmap.mmap(-1, 5000)
    mapped.write(pattern(5000))
    found = {
        "bytearray": bytearray(raw),
        "memoryview": memoryview(raw)[10:500],
        "empty-bytearray": bytearray(),
        "array-B": array.array("B", raw),
        "array-d": doubles,
        "memoryview-d": memoryview(doubles),
        "mmap": mapped,
        "large-array": array.array("i", range(100_000)),
    }
    with contextlib.suppress(ImportError):  # a Python may have no ctypes
        import ctypes

        found["ctypes"] = (ctypes.c_int * 3)(7, 8, 9)
    return found


@pytest.mark.parametrize("kind", list(bytes_likes()))
@pytest.mark.differs(
    "asyncio",
    "counts items, not bytes, or wants bytes",
    when=lambda kind: kind not in {"bytearray", "memoryview", "empty-bytearray"},
)
def test_input_is_any_bytes_like_object(aio, kind):
    data = bytes_likes()[kind]

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        return (await proc.communicate(data))[0]

    assert aio.run(main) == memoryview(data).tobytes()


@pytest.mark.parametrize("bad", ["text", 5, [b"x"], object], ids=repr)
@pytest.mark.differs("asyncio", "asserts, or fails somewhere")
def test_input_that_is_not_bytes_like(aio, bad):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        with pytest.raises(TypeError):
            await proc.communicate(bad)
        await finish(proc)

    aio.run(main)


@pytest.mark.parametrize("script", ["exit 3", "exec <&-; exit 3", "read line; exit 3"])
@pytest.mark.differs("uvloop", "may refuse to write to a closed pipe")
def test_child_that_does_not_read_its_input(aio, script):
    async def main():
        proc = await shell(aio, script, stdin=aio.PIPE, stdout=aio.PIPE)
        assert await proc.communicate(b"line\n" + bytes(4 * MIB)) == (b"", None)
        assert proc.returncode == 3

    aio.run(main)


def test_child_killed_while_it_reads(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        talk = asyncio.create_task(proc.communicate(bytes(64 * MIB)))
        while not proc.stdin.transport.get_write_buffer_size():
            await asyncio.sleep(0)
        proc.kill()
        out, _ = await talk
        assert set(out) <= {0} and proc.returncode == -9

    aio.run(main)


@pytest.mark.differs("uvloop", "refuses to write to a closed pipe")
def test_second_call_returns_nothing(aio):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes)
        assert await proc.communicate(b"once") == (b"once", b"")
        assert await proc.communicate() == (b"", b"")
        assert await proc.communicate(b"ignored") == (b"", b"")

    aio.run(main)


@pytest.mark.differs("uvloop", "sees the end of a pipe with the end of the child")
def test_waits_for_the_exit(aio):
    async def main():
        with pipe() as (hold, release):
            proc = await shell(aio, "exec >&-; read x; exit 6", stdin=hold, stdout=aio.PIPE)
            talk = asyncio.create_task(proc.communicate())
            await proc.stdout.read(0)
            while not proc.stdout.at_eof():
                await asyncio.sleep(0)
            await iterate(5)
            assert not talk.done()
            release.write(b"go\n")
            assert await talk == (b"", None)
            assert proc.returncode == 6

    aio.run(main)


def test_after_exit_the_output_is_still_there(aio):
    async def main():
        proc = await shell(aio, "echo out; echo err >&2", stdout=aio.PIPE, stderr=aio.PIPE)
        while proc.returncode is None:
            await asyncio.sleep(0)
        await iterate(5)
        assert not children()
        assert await proc.communicate() == (b"out\n", b"err\n")

    aio.run(main)


def test_what_was_read_before_is_not_returned_again(aio):
    async def main():
        proc = await shell(aio, "echo 1; echo 2; echo 3", stdout=aio.PIPE)
        assert await proc.stdout.readline() == b"1\n"
        assert await proc.communicate() == (b"2\n3\n", None)

    aio.run(main)


def test_what_was_written_before_goes_first(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.write(b"x" * MIB)
        assert await proc.communicate(b"end") == (b"x" * MIB + b"end", None)

    aio.run(main)


@pytest.mark.differs("uvloop", "refuses to write to a closed pipe")
def test_after_stdin_was_closed(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.write(b"before")
        proc.stdin.close()
        assert await proc.communicate(b"too late") == (b"before", None)

    aio.run(main)


def test_many_at_once(aio):
    async def one(n):
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await shell(aio, f"cat; echo {n} >&2; exit {n}", **pipes)
        data = pattern(200_000, seed=n)
        out, err = await proc.communicate(data)
        return out == data, int(err), proc.returncode

    async def main():
        return await asyncio.gather(*map(one, range(20)))

    assert aio.run(main) == [(True, n, n) for n in range(20)]


# Cancelled


@pytest.mark.differs("asyncio", "what was read is lost")
def test_cancelled_output_is_returned_by_the_next_call(aio):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        with pipe() as (hold, release):
            fd = hold.fileno()
            script = f"echo early; echo error >&2; read x </dev/fd/{fd}; echo late"
            proc = await shell(aio, script, **pipes, pass_fds=[fd])
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(proc.communicate(), 0.05)
            release.write(b"go\n")
            assert await proc.communicate() == (b"early\nlate\n", b"error\n")

    aio.run(main)


@pytest.mark.differs("asyncio", "what was read is lost")
def test_cancelled_over_and_over_loses_nothing(aio):
    data = pattern(2 * MIB)

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.write(data)
        proc.stdin.close()
        for n in range(200):
            talk = asyncio.create_task(proc.communicate())
            await iterate(n % 7)
            talk.cancel()
            await asyncio.wait([talk])
            if not talk.cancelled():
                return talk.result()
        return await proc.communicate()

    assert aio.run(main) == (data, None)


def test_reader_that_was_cancelled_just_now_is_in_nobodys_way(aio):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE) as proc:
            task = asyncio.create_task(proc.stdout.read())
            await iterate(3)
            task.cancel()
            assert await proc.communicate(b"all of it") == (b"all of it", None)
            assert task.cancelled()

    aio.run(main)


def test_somebody_who_reads_already_is_in_the_way(aio):
    async def main():
        async with running(aio, "sleep", "60", stdout=aio.PIPE) as proc:
            task = asyncio.create_task(proc.stdout.readexactly(6))
            await iterate(3)
            with pytest.raises(RuntimeError, match="another coroutine is already waiting"):
                await proc.communicate()
            proc.kill()
            with pytest.raises(asyncio.IncompleteReadError):
                await task

    aio.run(main)


def test_nothing_is_done_before_it_is_known_who_reads(aio):
    """A loop that is busy meanwhile gives the child time to end, and with it the reader that is in the way."""

    async def main():
        async with running(aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE) as proc:
            reading = asyncio.ensure_future(proc.stdout.read())
            await iterate(3)
            before_it = asyncio.get_running_loop().create_future()
            busy = asyncio.ensure_future(be_busy(before_it))
            await before_it
            with pytest.raises(RuntimeError, match="another coroutine is already waiting"):
                await proc.communicate(b"x")
            busy.cancel()
            assert proc.stdin.is_closing()
            await reading

    async def be_busy(before_it):
        """In each turn of the loop after the task that waits for the future, before the events."""
        before_it.set_result(None)
        while True:
            await asyncio.sleep(0)
            time.sleep(0.05)

    aio.run(main)


# As CPython has decided in gh-139373, for 3.16.
NO_MORE_INPUT = "^Cannot send input after starting communication$"


@pytest.mark.differs("asyncio", "drops it, before 3.16")
def test_more_input_after_a_cancelled_call_is_refused(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        with pipe() as (hold, release):
            proc2 = await shell(
                aio, f"cat; read x </dev/fd/{hold.fileno()}", stdin=aio.PIPE, stdout=aio.PIPE,
                pass_fds=[hold.fileno()],
            )  # fmt: skip
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(proc2.communicate(b"first"), 0.05)
            coro = proc2.communicate(b"second")
            for _ in range(2):
                with pytest.raises(ValueError, match=NO_MORE_INPUT):
                    await coro
                coro = proc2.communicate(memoryview(b"second"))
            coro.close()
            release.write(b"go\n")
            assert await proc2.communicate(b"") == (b"first", None)
            assert await proc2.communicate(b"third") == (b"", None)
        assert await proc.communicate(b"own") == (b"own", None)

    aio.run(main)


def test_call_that_was_cancelled_before_it_began_does_not_count(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        task = asyncio.ensure_future(proc.communicate(b"first"))
        task.cancel()
        await asyncio.wait([task])
        assert await proc.communicate(b"second") == (b"second", None)

    aio.run(main)


@pytest.mark.differs("asyncio", "what was read is lost")
def test_input_that_was_not_written_by_a_cancelled_call_is_written_by_the_next(aio):
    data = pattern(MIB)

    async def main():
        with pipe() as (hold, release):
            fd = hold.fileno()
            script = f"read x </dev/fd/{fd}; cat"
            proc = await shell(aio, script, stdin=aio.PIPE, stdout=aio.PIPE, pass_fds=[fd])
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(proc.communicate(data), 0.05)
            release.write(b"go\n")
            assert await proc.communicate() == (data, None)

    aio.run(main)


@pytest.mark.differs("asyncio", "writes to None, before 3.12", when=sys.version_info < (3, 12))
def test_input_that_is_not_piped_is_ignored_after_a_cancelled_call_too(aio):
    async def main():
        proc = await aio.create_subprocess_exec("sleep", "0.2", stdout=aio.PIPE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(proc.communicate(b"first"), 0.01)
        assert await proc.communicate(b"second") == (b"", None)

    aio.run(main)


@pytest.mark.differs("asyncio", "what was read is lost")
def test_cancelled_output_can_be_read_too(aio):
    async def main():
        with pipe() as (hold, release):
            fd = hold.fileno()
            script = f"echo early; read x </dev/fd/{fd}; echo late"
            proc = await shell(aio, script, stdout=aio.PIPE, pass_fds=[fd])
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(proc.communicate(), 0.05)
            assert await proc.stdout.readline() == b"early\n"
            release.write(b"go\n")
            assert await proc.stdout.read() == b"late\n"
            assert await proc.wait() == 0

    aio.run(main)


def test_pipe_whose_end_was_fed_by_hand_is_closed(aio):
    async def main():
        with pipe() as (hold, go):
            fd = hold.fileno()
            script = f"trap '' PIPE; read x </dev/fd/{fd}; echo late 2>/dev/null || exit 3"
            proc = await shell(aio, script, stdout=aio.PIPE, pass_fds=[fd])
            proc.stdout.feed_eof()
            talk = asyncio.create_task(proc.communicate())
            await iterate(10)
            go.write(b"go\n")
            assert await talk == (b"", None)
            assert proc.returncode == 3

    aio.run(main)


@pytest.mark.differs("asyncio", "looks at them again")
def test_streams_set_to_none_while_communicate_runs(aio):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes)
        stdout = proc.stdout
        task = asyncio.ensure_future(proc.communicate(b"x" * 1_000_000))
        await iterate(2)
        proc.stdin = proc.stdout = proc.stderr = None
        assert await task == (b"x" * 1_000_000, b"")
        proc.stdout = stdout
        assert await proc.stdout.read() == b""

    aio.run(main)


def test_streams_can_be_none_and_back_and_nothing_else(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true", stdout=aio.PIPE)
        saved, proc.stdout = proc.stdout, None
        assert proc.stdout is None
        proc.stdout = saved
        assert await proc.stdout.read() == b""
        if aio.is_fastproc:
            with pytest.raises(TypeError):
                proc.stdout = object()
            with pytest.raises(TypeError):
                proc.stdin = saved
            with pytest.raises((TypeError, AttributeError)):
                del proc.stderr
        await proc.wait()

    aio.run(main)
