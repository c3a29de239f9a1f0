"""What is done for speed alone (_core.configure(shortcuts=False) does without): that it is done,
and that nothing else changes by it. The whole suite runs without, too: parameter fastproc-plain."""

import asyncio
import contextlib
import fcntl
import gc
import hashlib
import os
import random
import sys
import time

import pytest
from support import LINUX

GULP = 64 * 1024
ROOMY = 256 * 1024

only_fastproc = pytest.mark.differs("asyncio", "has nothing to look into")


def capacity(proc, fd=1):
    pipe = proc._transport.get_pipe_transport(fd).get_extra_info("pipe")
    return fcntl.fcntl(pipe.fileno(), fcntl.F_GETPIPE_SZ)


async def end(proc):
    proc.kill()
    await proc.communicate()


# ---- reads out of turn ----


@pytest.mark.every_path
@pytest.mark.only_paths("plain")
@pytest.mark.parametrize("method", ["read", "readexactly", "readuntil", "readline"])
@pytest.mark.differs("uvloop", "reads 2 MiB in a turn, and its reader takes more at times")
def test_endless_output_leaves_the_loop_to_others(aio, method):
    """However fast the child is: a reader that always finds something still lets the loop turn."""

    async def main():
        proc = await aio.create_subprocess_exec("yes", "x" * 1023, stdout=aio.PIPE)
        arguments = {"read": (GULP,), "readexactly": (1024,)}.get(method, ())
        turns = 0

        async def tick():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        read, behind = 0, 0
        while read < 16 << 20:
            before = turns
            size = len(await getattr(proc.stdout, method)(*arguments))
            read += size
            behind = 0 if turns > before else behind + size
            assert behind <= 2 << 20, "no turn of the loop for so many bytes"
        ticking.cancel()
        await end(proc)

    aio.run(main)


@pytest.mark.differs("uvloop", "reads all that is there in a turn")
@pytest.mark.parametrize("method, arguments, most", [("read", (GULP,), 4), ("readline", (), 40)])
def test_slow_reader_leaves_the_loop_to_others(aio, method, arguments, most):
    """Other tasks wait for about one read of the pipe, or two: a piece each by read(), all lines in it
    by readline(). Each is work for 4 ms here."""

    async def main():
        script = "while :; do head -c 4999 /dev/zero; echo; sleep 0.002; done"
        proc = await aio.create_subprocess_shell(script, stdout=aio.PIPE, pipesize=GULP)
        since, longest = 0, 0  # pieces

        async def tick():
            nonlocal since, longest
            while True:
                longest, since = max(longest, since), 0
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        for _ in range(100):
            await getattr(proc.stdout, method)(*arguments)
            since += 1
            time.sleep(0.004)
        assert 0 < longest <= most
        ticking.cancel()
        await end(proc)

    aio.run(main)


@pytest.mark.every_path
@pytest.mark.only_paths("plain")
@pytest.mark.parametrize("sizes", [[1], [100, 70_000], [GULP], [300_000, 1]])
def test_every_byte_arrives_once_whatever_is_asked_for(aio, sizes, slow):
    total = (8 if slow else 2) << 20

    async def main():
        script = f"seq 1 {total} | head -c {total}"
        proc = await aio.create_subprocess_shell(script, stdout=aio.PIPE)
        chunks, at = [], 0
        while chunk := await proc.stdout.read(sizes[at % len(sizes)] if at % 4 else 64 * 1024):
            chunks.append(chunk)
            at += 1
        assert await proc.wait() == 0
        data = b"".join(chunks)
        assert len(data) == total
        numbers = data.rpartition(b"\n")[0].split(b"\n")
        assert numbers == [b"%d" % n for n in range(1, len(numbers) + 1)]

    aio.run(main)


def test_two_readers_at_once_are_refused_under_volume_too(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", "/dev/zero", stdout=aio.PIPE)
        for _ in range(50):
            await proc.stdout.readexactly(GULP)
        waiting = asyncio.create_task(proc.stdout.readexactly(1 << 30))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another coroutine is already waiting"):
            await proc.stdout.readexactly(1 << 30)
        waiting.cancel()
        await end(proc)

    aio.run(main)


@pytest.mark.skipif(not LINUX, reason="has no /proc")
@pytest.mark.parametrize("shortcuts", [True, False])
@pytest.mark.parametrize("size, work", [(1, 0), (4095, 0), (4096, 0), (10_000, 0), (10_000, 0.002)])
@only_fastproc
def test_read_out_of_turn_follows_a_bufferful(aio, size, work, shortcuts):
    """A parent that keeps up with its child gets pieces of some thousand bytes; but if it works for
    long with each of them, other tasks have a turn in between."""

    async def reads_out_of_turn(stream, output):
        output.write(bytes(size))
        assert len(await stream.read(GULP)) == size
        time.sleep(work)
        output.write(b"more")
        reading = stream.read(GULP)
        try:
            reading.send(None)
        except StopIteration as stop:
            assert stop.value == b"more"
            return True
        reading.close()
        assert await stream.read(GULP) == b"more"
        return False

    async def main():
        proc = await aio.create_subprocess_exec("sleep", "600", stdout=aio.PIPE)
        with open(f"/proc/{proc.pid}/fd/1", "wb", buffering=0) as output:
            # Sometimes this process gets no processor for a millisecond.
            outcomes = {await reads_out_of_turn(proc.stdout, output) for _ in range(30)}
        assert (True in outcomes) == (size >= 4096 and work == 0 and shortcuts)
        await end(proc)

    aio.core.configure(shortcuts=shortcuts)
    aio.run(main)


@pytest.mark.may_warn("multi-threaded")
@only_fastproc
def test_forked_process_takes_nothing_out_of_the_pipe(aio):
    """It finds what its parent had in the buffer, and no more."""
    expected = b"".join(b"%d\n" % n for n in range(1, 1_000_001))

    async def main():
        proc = await aio.create_subprocess_exec("seq", "1000000", stdout=aio.PIPE)
        data = await proc.stdout.readexactly(1 << 20)
        pid = os.fork()
        if pid == 0:
            code, message = 1, "Event loop is closed"
            try:
                while True:
                    with contextlib.suppress(StopIteration):
                        proc.stdout.read(GULP).send(None)
            except RuntimeError as error:
                code = 0 if str(error) == message else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        data += (await proc.communicate())[0]
        assert data == expected

    aio.run(main)


# ---- roomy pipes ----


@pytest.mark.skipif(not LINUX, reason="pipes have a fixed size")
@pytest.mark.parametrize("pipesize", [-1, 64 * 1024, 128 * 1024])
@pytest.mark.parametrize("shortcuts", [True, False])
@only_fastproc
def test_pipe_that_is_kept_full_is_enlarged_once_unless_its_size_was_chosen(
    aio, pipesize, shortcuts
):
    aio.core.configure(shortcuts=shortcuts)

    async def main():
        proc = await aio.create_subprocess_exec(
            "cat", "/dev/zero", stdout=aio.PIPE, pipesize=pipesize
        )
        await proc.stdout.readexactly(8 << 20)
        wanted = ROOMY if shortcuts and pipesize < 0 else max(pipesize, 64 * 1024)
        assert capacity(proc) == wanted
        await end(proc)

    aio.run(main)


@pytest.mark.skipif(not LINUX, reason="pipes have a fixed size")
@pytest.mark.parametrize("pipesize", [-1, 64 * 1024, 128 * 1024])
@pytest.mark.parametrize("shortcuts", [True, False])
@only_fastproc
def test_pipe_of_a_large_input_is_enlarged_unless_its_size_was_chosen(aio, pipesize, shortcuts):
    aio.core.configure(shortcuts=shortcuts)

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, pipesize=pipesize)
        usual = max(pipesize, 64 * 1024)
        proc.stdin.write(bytes(900 << 10))
        assert capacity(proc, 0) == usual
        proc.stdin.write(bytes(300 << 10))
        assert capacity(proc, 0) == (ROOMY if shortcuts and pipesize < 0 else usual)
        await end(proc)

    aio.run(main)


@pytest.mark.skipif(not LINUX, reason="pipes have a fixed size")
@pytest.mark.parametrize("how", ["communicate", "drain", "write_eof", "close"])
@only_fastproc
def test_large_input_comes_whole_through_an_enlarged_pipe(aio, how):
    data = random.Random(5).randbytes(3 << 20)

    async def main():
        proc = await aio.create_subprocess_exec("md5sum", stdin=aio.PIPE, stdout=aio.PIPE)
        if how == "communicate":
            output, _ = await proc.communicate(data)
        else:
            proc.stdin.write(data)
            assert capacity(proc, 0) == ROOMY
            if how == "drain":
                await proc.stdin.drain()
            getattr(proc.stdin, "write_eof" if how == "write_eof" else "close")()
            output, _ = await proc.communicate()
        assert output.split()[0].decode() == hashlib.md5(data, usedforsecurity=False).hexdigest()

    aio.run(main)


@pytest.mark.skipif(not LINUX, reason="pipes have a fixed size")
@only_fastproc
def test_only_so_many_pipes_are_enlarged_at_a_time(aio):
    """Of both directions together."""

    async def firehose():
        proc = await aio.create_subprocess_exec("cat", "/dev/zero", stdout=aio.PIPE)
        await proc.stdout.readexactly(4 << 20)
        return proc

    async def fed():
        proc = await aio.create_subprocess_exec("sleep", "60", stdin=aio.PIPE)
        proc.stdin.write(bytes(2 << 20))
        return proc

    async def main():
        procs = [await firehose() for _ in range(9)] + [await fed() for _ in range(9)]
        sizes = [capacity(proc, int(proc.stdin is None)) for proc in procs]
        assert sizes.count(ROOMY) == 16
        await end(procs[0])
        procs.append(await fed())
        assert capacity(procs[-1], 0) == ROOMY
        await end(procs[-1])
        procs[-1] = await firehose()
        assert capacity(procs[-1]) == ROOMY
        for proc in procs[1:]:
            await end(proc)

    aio.run(main)


# ---- results ----


@pytest.mark.parametrize("value", [b"line\n", b""])
@only_fastproc
def test_results_by_the_iterator_protocol(aio, value):
    """Several at a time, each with its own value."""

    async def main():
        reader = aio.StreamReader(loop=asyncio.get_running_loop())
        reader.feed_data(b"one\ntwo\n" + value)
        reader.feed_eof()
        raised = []
        for _ in range(4):
            with pytest.raises(StopIteration) as caught:
                next(reader.readline().__await__())
            raised.append(caught.value)
        assert [stop.value for stop in raised] == [b"one\n", b"two\n", value, b""]
        assert all(stop.args == (stop.value,) and repr(stop) for stop in raised)
        assert len({id(stop) for stop in raised}) == 4

    aio.run(main)


@only_fastproc
def test_results_by_the_iterator_protocol_one_after_another(aio):
    """What is kept of one for the next is not seen there, its hash included."""

    async def main():
        reader = aio.StreamReader(loop=asyncio.get_running_loop())
        for value in (b"one\n", b"two\n", b"three\n"):
            reader.feed_data(value)
            with pytest.raises(StopIteration) as caught:
                next(reader.readline().__await__())
            assert caught.value.args == (value,)
            assert hash(caught.value.args) == hash((value,))
            assert gc.is_tracked(caught.value) and caught.value.value is caught.value.args[0]
            del caught

    aio.run(main)


@only_fastproc
def test_results_are_not_kept(aio):
    """By nothing of ours, once they were handed over."""

    async def main():
        reader = aio.StreamReader(loop=asyncio.get_running_loop())
        reader.feed_data(b"x" * 1000 + b"\n")
        line = await reader.readline()
        other = os.urandom(9)
        references = [sys.getrefcount(line), sys.getrefcount(other)]
        assert references[0] == references[1]
        proc = await aio.create_subprocess_exec("echo", "a word", stdout=aio.PIPE)
        output = await proc.communicate()
        other = (os.urandom(9), None)
        references = [sys.getrefcount(output[0]), sys.getrefcount(other[0])]
        assert references[0] == references[1]

    aio.run(main)


@only_fastproc
def test_what_is_kept_to_be_used_again_keeps_no_type(aio):
    async def main():
        reader = aio.StreamReader(loop=asyncio.get_running_loop())
        reader.feed_data(b"\n" * 100)
        coro = reader.readline()
        kinds = [type(coro), type(coro.__await__())]
        with pytest.raises(StopIteration) as caught:
            next(coro.__await__())
        kinds.append(caught.type)
        del coro, caught
        before = [sys.getrefcount(kind) for kind in kinds]
        for _ in range(50):
            await reader.readline()
        after = [sys.getrefcount(kind) for kind in kinds]
        assert all(now - then < 10 for then, now in zip(before, after))  # each spare is not one

    aio.run(main)


@only_fastproc
def test_awaitable_that_is_used_again_still_warns(aio):
    """If it is dropped without having been awaited, this time."""

    async def main():
        reader = aio.StreamReader(loop=asyncio.get_running_loop())
        reader.feed_data(b"\n" * 100)
        for _ in range(20):
            await reader.readline()
            with pytest.warns(RuntimeWarning, match="'StreamReader.readline' was never awaited"):
                reader.readline()
                gc.collect()

    aio.run(main)


def test_exception_raised_while_a_result_is_on_its_way(aio):
    """Results inside the handling of exceptions, whose context they must not become or keep."""

    async def main():
        reader = aio.StreamReader(loop=asyncio.get_running_loop())
        reader.feed_data(b"1\n2\n3\n")
        try:
            raise KeyError("outer")
        except KeyError as outer:
            assert await reader.readline() == b"1\n"
            with pytest.raises(ValueError) as caught:
                raise ValueError(await reader.readline()) from None
            assert caught.value.__context__ is outer
            assert outer.__context__ is None
        assert await reader.readline() == b"3\n"

    aio.run(main)


@only_fastproc
def test_results_by_the_iterator_protocol_with_arguments_of_somebody_else(aio):
    async def main():
        reader = aio.StreamReader(loop=asyncio.get_running_loop())
        reader.feed_data(b"one\ntwo\n")
        with pytest.raises(StopIteration) as caught:
            next(reader.readline().__await__())
        caught.value.args = tuple(range(2))
        gc.collect()  # which has no interest in such a tuple any more
        del caught
        with pytest.raises(StopIteration) as caught:
            next(reader.readline().__await__())
        assert caught.value.args == (b"two\n",)

    aio.run(main)
