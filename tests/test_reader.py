"""StreamReader: all of its methods, by hand and on a child's pipe."""

import array
import asyncio
import gc
import sys

import pytest
from support import (
    LINUX,
    exited,
    finish,
    iterate,
    kill_and_wait,
    pattern,
    running,
    silent_reader,
    until,
    until_blocking,
)

import _fastproc

MIB = 1 << 20
BUSY = r"^{}\(\) called while another coroutine is already waiting for incoming data$"


def on_reader(aio, use, **kwds):
    """Run use(reader) on a reader whose child writes nothing: all data is fed by hand."""

    async def main():
        async with silent_reader(aio, **kwds) as reader:
            return await use(reader)

    return aio.run(main)


def child(aio, script, **kwds):
    return aio.create_subprocess_exec("/bin/sh", "-c", script, stdout=aio.PIPE, **kwds)


tuple_separators = pytest.mark.differs(
    "asyncio", "no tuples before 3.13", when=sys.version_info < (3, 13)
)


async def answer(coro):
    """What a coroutine returns that must not wait."""
    step = coro.__await__()
    with pytest.raises(StopIteration) as caught:
        step.send(None)
    return caught.value.value


async def started(coro):
    """A task that has begun to wait."""
    task = asyncio.ensure_future(coro)
    await iterate(2)
    assert not task.done()
    return task


# read()


def test_read_n_returns_what_is_there(aio):
    async def use(reader):
        reader.feed_data(b"abcdef")
        assert await answer(reader.read(4)) == b"abcd"
        assert await answer(reader.read(4)) == b"ef"
        task = await started(reader.read(4))
        reader.feed_data(b"gh")
        assert await task == b"gh"

    on_reader(aio, use)


def test_read_zero_returns_nothing_at_once(aio):
    async def use(reader):
        assert await answer(reader.read(0)) == b""
        reader.feed_data(b"kept")
        assert await answer(reader.read(0)) == b""
        assert await answer(reader.read(10)) == b"kept"

    on_reader(aio, use)


@pytest.mark.parametrize("args", [(), (-1,), (-7,)], ids=str)
def test_read_to_the_end(aio, args):
    async def use(reader):
        reader.feed_data(b"one ")
        task = await started(reader.read(*args))
        reader.feed_data(b"two ")
        await iterate(3)
        assert not task.done()
        reader.feed_data(b"three")
        reader.feed_eof()
        assert await task == b"one two three"
        assert await reader.read(*args) == b"" == await reader.read(5)

    on_reader(aio, use)


def test_read_by_keyword(aio):
    async def use(reader):
        reader.feed_data(b"abc")
        assert await reader.read(n=1) == b"a"
        assert await reader.readexactly(n=1) == b"b"
        assert await reader.readuntil(separator=b"c") == b"c"

    on_reader(aio, use)


def test_read_at_the_end(aio):
    async def use(reader):
        reader.feed_eof()
        assert await answer(reader.read(5)) == b""

    on_reader(aio, use)


@pytest.mark.parametrize("bad", ["5", 1.5, None])
def test_read_of_what_is_no_number(aio, bad):
    async def use(reader):
        reader.feed_data(b"xyz")
        with pytest.raises(TypeError):
            await reader.read(bad)
        with pytest.raises(TypeError):
            await reader.readexactly(bad)

    on_reader(aio, use)


def test_everything_returned_is_bytes(aio):
    async def use(reader):
        reader.feed_data(bytearray(b"1\n2\n3456"))
        found = [await reader.readline(), await reader.readuntil(), await reader.read(1)]
        found.append(await reader.readexactly(1))
        reader.feed_eof()
        found.append(await reader.read())
        assert found == [b"1\n", b"2\n", b"3", b"4", b"56"]
        assert {type(item) for item in found} == {bytes}

    on_reader(aio, use)


# readline() and iteration


def test_readline(aio):
    async def use(reader):
        reader.feed_data(b"one\n\ntwo\nthr")
        assert await answer(reader.readline()) == b"one\n"
        assert await answer(reader.readline()) == b"\n"
        assert await answer(reader.readline()) == b"two\n"
        task = await started(reader.readline())
        reader.feed_data(b"ee")
        await iterate(2)
        assert not task.done()
        reader.feed_data(b"\nfour")
        assert await task == b"three\n"
        reader.feed_eof()
        assert await reader.readline() == b"four"
        assert await reader.readline() == b""

    on_reader(aio, use)


def test_lines_by_async_for(aio):
    async def use(reader):
        reader.feed_data(b"one\n\ntwo")
        reader.feed_eof()
        assert [line async for line in reader] == [b"one\n", b"\n", b"two"]
        assert [line async for line in reader] == []

    on_reader(aio, use)


def test_lines_of_a_child(aio):
    async def main():
        proc = await child(aio, "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done")
        lines = [line async for line in proc.stdout]
        assert lines == [b"line %d\n" % i for i in range(5000)]
        assert await proc.wait() == 0

    aio.run(main)


def test_line_that_comes_in_pieces(aio):
    async def use(reader):
        task = await started(reader.readline())
        for byte in b"slow line\n":
            assert not task.done()
            reader.feed_data(bytes([byte]))
            await iterate(1)
        assert await task == b"slow line\n"

    on_reader(aio, use)


def test_readline_over_the_limit_drops_the_line_that_has_an_end(aio):
    async def use(reader):
        reader.feed_data(b"much too long\nshort\n")
        with pytest.raises(ValueError, match="^Separator is found, but chunk is longer than limit"):
            await reader.readline()
        assert await reader.readline() == b"short\n"

    on_reader(aio, use, limit=8)


def test_readline_over_the_limit_drops_all_when_there_is_no_end(aio):
    async def use(reader):
        reader.feed_data(b"much too long")
        with pytest.raises(ValueError, match="^Separator is not found, and chunk exceed the limit"):
            await reader.readline()
        reader.feed_data(b"next\n")
        assert await reader.readline() == b"next\n"

    on_reader(aio, use, limit=8)


def test_readline_over_the_limit_while_waiting(aio):
    async def use(reader):
        task = await started(reader.readline())
        reader.feed_data(b"12345678")
        await iterate(2)
        assert not task.done()
        reader.feed_data(b"9")
        with pytest.raises(ValueError) as caught:
            await task
        assert type(caught.value) is ValueError
        reader.feed_data(b"ok\n")
        assert await reader.readline() == b"ok\n"

    on_reader(aio, use, limit=8)


def test_limit_counts_the_line_without_its_end(aio):
    async def use(reader):
        reader.feed_data(b"12345678\n")
        assert await reader.readline() == b"12345678\n"

    on_reader(aio, use, limit=8)


def test_async_for_raises_over_the_limit_and_goes_on(aio):
    async def use(reader):
        reader.feed_data(b"much too long\nshort\n")
        with pytest.raises(ValueError):
            async for _ in reader:
                raise AssertionError
        reader.feed_eof()
        assert [line async for line in reader] == [b"short\n"]

    on_reader(aio, use, limit=8)


def test_limit_of_a_real_child(aio):
    async def main():
        script = "head -c 100000 /dev/zero; echo; echo short"
        proc = await child(aio, script, limit=1000)
        with pytest.raises(ValueError):
            await proc.stdout.readline()
        rest = await proc.stdout.read()
        assert rest.endswith(b"\nshort\n") or rest in (b"\nshort\n", b"short\n")
        assert await proc.wait() == 0

    aio.run(main)


# readuntil()


@pytest.mark.parametrize("separator", [b"|", b"||", b"abab", b"\0\0\0", b"x" * 100])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_readuntil_whatever_the_pieces(aio, separator, step):
    texts = [b"", b"one", b"a", b"ab", b"aba", b"x" * 99, b"last one"]
    texts = [text for text in texts if separator not in text + separator[:-1]]
    data = b"".join(text + separator for text in texts)

    async def use(reader):
        async def feed():
            for start in range(0, len(data), step):
                reader.feed_data(data[start : start + step])
                await iterate(1)

        feeder = asyncio.create_task(feed())
        found = data
        while found:
            expected = found[: found.index(separator) + len(separator)]
            assert await reader.readuntil(separator) == expected
            found = found[len(expected) :]
        await feeder

    on_reader(aio, use)


def test_readuntil_at_the_end_gives_what_there_is(aio):
    async def use(reader):
        reader.feed_data(b"partial")
        task = await started(reader.readuntil(b"||"))
        reader.feed_data(b"|")
        reader.feed_eof()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await task
        assert (caught.value.partial, caught.value.expected) == (b"partial|", None)
        assert reader.at_eof()

    on_reader(aio, use)


def test_readuntil_over_the_limit_keeps_the_data(aio):
    async def use(reader):
        reader.feed_data(b"0123456789")
        for _ in range(2):
            with pytest.raises(asyncio.LimitOverrunError) as caught:
                await reader.readuntil(b"#")
            message = "Separator is not found, and chunk exceed the limit"
            assert (str(caught.value), caught.value.consumed) == (message, 10)
        reader.feed_data(b"#rest")
        with pytest.raises(asyncio.LimitOverrunError) as caught:
            await reader.readuntil(b"#")
        message = "Separator is found, but chunk is longer than limit"
        assert (str(caught.value), caught.value.consumed) == (message, 10)
        assert await reader.readexactly(11) == b"0123456789#"
        assert await reader.read(10) == b"rest"

    on_reader(aio, use, limit=8)


def test_readuntil_consumed_leaves_room_for_a_split_separator(aio):
    async def use(reader):
        reader.feed_data(b"0123456789##")
        with pytest.raises(asyncio.LimitOverrunError) as caught:
            await reader.readuntil(b"###")
        assert caught.value.consumed == 10
        assert await reader.read(caught.value.consumed) == b"0123456789"
        reader.feed_data(b"#")
        assert await reader.readuntil(b"###") == b"###"

    on_reader(aio, use, limit=8)


def test_readuntil_with_another_separator_after_a_failure(aio):
    """What was searched for one separator must not be skipped for another."""

    async def use(reader):
        reader.feed_data(b"a|b#c")
        task = await started(reader.readuntil(b"%"))
        task.cancel()
        await asyncio.wait([task])
        assert await reader.readuntil(b"|") == b"a|"
        assert await reader.readuntil(b"#") == b"b#"
        task = await started(reader.readuntil(b"cde"))
        task.cancel()
        await asyncio.wait([task])
        reader.feed_data(b"de\n")
        assert await reader.readuntil(b"cde") == b"cde"
        assert await reader.readline() == b"\n"

    on_reader(aio, use)


def test_readuntil_wants_a_separator(aio):
    async def use(reader):
        with pytest.raises(ValueError, match="^Separator should be at least one-byte string$"):
            await reader.readuntil(b"")

    on_reader(aio, use)


@pytest.mark.parametrize("bad", ["\n", 5, None, [b"x"]], ids=repr)
@pytest.mark.differs("asyncio", "fails somewhere", when=lambda bad: bad == [b"x"])
def test_readuntil_wants_bytes(aio, bad):
    async def use(reader):
        reader.feed_data(b"data")
        with pytest.raises(TypeError):
            await reader.readuntil(bad)

    on_reader(aio, use)


def test_readuntil_takes_any_bytes_like_separator(aio):
    async def use(reader):
        reader.feed_data(b"one|two|")
        assert await reader.readuntil(bytearray(b"|")) == b"one|"
        assert await reader.readuntil(memoryview(b"|")) == b"two|"

    on_reader(aio, use)


@pytest.mark.parametrize("step", [1, 2, 100])
@tuple_separators
def test_readuntil_tuple_takes_what_ends_first(aio, step):
    async def use(reader):
        data = b"one\rtwo\r\nthree\nAB-end--end"

        async def feed():
            for start in range(0, len(data), step):
                reader.feed_data(data[start : start + step])
                await iterate(1)

        feeder = asyncio.create_task(feed())
        ends = b"\n", b"\r\n", b"--end", b"-end"
        found = [await reader.readuntil(ends) for _ in range(4)]
        assert found == [b"one\rtwo\r\n", b"three\n", b"AB-end", b"--end"]
        await feeder

    on_reader(aio, use)


@tuple_separators
def test_readuntil_tuple_prefers_the_shortest_match(aio):
    async def use(reader):
        reader.feed_data(b"some dataSEPARATORrest")
        assert await reader.readuntil((b"SEPARATOR", b"EPARA", b"ATOR")) == b"some dataSEPARA"

    on_reader(aio, use)


@tuple_separators
def test_readuntil_tuple_over_the_limit(aio):
    async def use(reader):
        reader.feed_data(b"0123456789##")
        with pytest.raises(asyncio.LimitOverrunError) as caught:
            await reader.readuntil((b"%", b"###"))
        assert caught.value.consumed == 10
        assert await reader.read(100) == b"0123456789##"

    on_reader(aio, use, limit=8)


@tuple_separators
def test_readuntil_tuple_wants_separators(aio):
    async def use(reader):
        with pytest.raises(ValueError, match="^Separator should contain at least one element$"):
            await reader.readuntil(())
        with pytest.raises(ValueError, match="^Separator should be at least one-byte string$"):
            await reader.readuntil((b"x", b""))

    on_reader(aio, use)


# readexactly()


def test_readexactly(aio):
    async def use(reader):
        reader.feed_data(b"abcdef")
        assert await answer(reader.readexactly(0)) == b""
        assert await answer(reader.readexactly(4)) == b"abcd"
        task = await started(reader.readexactly(4))
        reader.feed_data(b"g")
        await iterate(2)
        assert not task.done()
        reader.feed_data(b"hij")
        assert await task == b"efgh"
        assert await reader.read(10) == b"ij"

    on_reader(aio, use)


def test_readexactly_too_short(aio):
    async def use(reader):
        task = await started(reader.readexactly(10))
        reader.feed_data(b"short")
        reader.feed_eof()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await task
        assert (caught.value.partial, caught.value.expected) == (b"short", 10)
        assert str(caught.value) == "5 bytes read on a total of 10 expected bytes"
        assert await reader.read() == b""
        assert await reader.readexactly(0) == b""

    on_reader(aio, use)


def test_readexactly_less_than_nothing(aio):
    async def use(reader):
        with pytest.raises(ValueError, match="^readexactly size can not be less than zero$"):
            await reader.readexactly(-1)

    on_reader(aio, use)


@pytest.mark.parametrize("limit", [1, 10, 1000])
def test_readexactly_beyond_the_limit_does_not_deadlock(aio, limit):
    data = pattern(300_000)

    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes, limit=limit)
        proc.stdin.write(data)
        proc.stdin.close()
        assert await proc.stdout.readexactly(100_000) == data[:100_000]
        assert await proc.stdout.readexactly(200_000) == data[100_000:]
        assert await finish(proc) == 0

    aio.run(main)


# State


def test_at_eof(aio):
    async def use(reader):
        assert reader.at_eof() is False
        reader.feed_data(b"x")
        reader.feed_eof()
        assert reader.at_eof() is False
        await reader.read(1)
        assert reader.at_eof() is True

    on_reader(aio, use)


def test_data_after_the_end_is_refused(aio):
    async def use(reader):
        reader.feed_eof()
        with pytest.raises(AssertionError, match="feed_data after feed_eof"):
            reader.feed_data(b"x")

    on_reader(aio, use)


def test_feeding_nothing_wakes_nobody(aio):
    async def use(reader):
        task = await started(reader.read(1))
        reader.feed_data(b"")
        await iterate(2)
        assert not task.done()
        reader.feed_data(b"x")
        assert await task == b"x"

    on_reader(aio, use)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_fed_data_is_copied(aio, kind):
    async def use(reader):
        source = bytearray(b"original")
        reader.feed_data(kind(source))
        source[:] = b"changed!"
        assert await reader.read(100) == b"original"

    on_reader(aio, use)


def test_set_exception_is_raised_by_every_read(aio):
    class Broken(Exception):
        pass

    async def use(reader):
        assert reader.exception() is None
        reader.feed_data(b"not returned\n")
        error = Broken("no more")
        reader.set_exception(error)
        assert reader.exception() is error
        for read in (reader.read(1), reader.read(), reader.readline(), reader.readexactly(1)):
            with pytest.raises(Broken) as caught:
                await read
            assert caught.value is error

    on_reader(aio, use)


@pytest.mark.parametrize(
    "method, args",
    [("read", (1,)), ("readline", ()), ("readexactly", (1,)), ("readuntil", ()), ("__anext__", ())],
)
def test_set_exception_wakes_who_waits(aio, method, args):
    async def use(reader):
        task = await started(getattr(reader, method)(*args))
        reader.set_exception(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await task

    on_reader(aio, use)


@pytest.mark.parametrize("first", ["read", "readline", "readuntil", "readexactly", "__anext__"])
@pytest.mark.parametrize("second", ["read", "readline", "readuntil", "readexactly"])
def test_second_reader_is_refused(aio, first, second):
    args = {"read": (1,), "readexactly": (1,)}
    name = second if second != "readline" else "read(?:line|until)"

    async def use(reader):
        task = await started(getattr(reader, first)(*args.get(first, ())))
        with pytest.raises(RuntimeError, match=BUSY.format(name)):
            await getattr(reader, second)(*args.get(second, ()))
        reader.feed_data(b"\n")
        assert await task == b"\n"

    on_reader(aio, use)


def test_transport_can_be_set_once(aio):
    async def use(reader):
        with pytest.raises(AssertionError, match="Transport already set"):
            reader.set_transport(object())

    on_reader(aio, use)


def test_repr_tells_the_state(aio):
    async def use(reader):
        assert repr(reader).startswith("<StreamReader")
        assert " limit=8 " in repr(reader) and " transport=<" in repr(reader)
        assert not {"eof", "bytes", "paused", "exception"} & set(
            repr(reader).split(" transport")[0]
        )
        reader.feed_data(b"x" * 17)
        assert "StreamReader 17 bytes " in repr(reader) and repr(reader).endswith(" paused>")
        waiting = await started(reader.readexactly(18))
        assert " waiter=<" in repr(reader) and "paused" not in repr(reader)
        reader.feed_eof()
        assert "StreamReader 17 bytes eof " in repr(reader)
        await asyncio.wait([waiting])
        reader.set_exception(waiting.exception())
        assert " exception=IncompleteReadError(" in repr(reader)

    on_reader(aio, use, limit=8)


def test_default_limit_is_not_in_the_repr(aio):
    async def use(reader):
        assert "limit=" not in repr(reader)

    on_reader(aio, use)


def test_readers_do_not_share_what_they_read(aio):
    async def main():
        proc = await child(aio, "echo out; echo err >&2", stderr=aio.PIPE)
        assert proc.stdout is not proc.stderr
        assert await proc.stderr.readline() == b"err\n"
        assert await proc.stdout.readline() == b"out\n"
        await finish(proc)

    aio.run(main)


# Flow control


def test_paused_above_twice_the_limit_and_resumed_at_the_limit(aio):
    def paused(reader):
        return repr(reader).endswith(" paused>")

    async def use(reader):
        reader.feed_data(b"x" * 200)
        assert not paused(reader)
        reader.feed_data(b"x")
        assert paused(reader)
        await reader.read(100)
        assert paused(reader)
        await reader.read(1)
        assert not paused(reader)

    on_reader(aio, use, limit=100)


def test_child_is_held_back_while_nobody_reads(aio):
    """What it writes after a megabyte does not come, however long its neighbours run."""

    async def main():
        script = f"head -c {MIB} /dev/zero; echo done >&2"
        proc = await child(aio, script, stderr=aio.PIPE, limit=1000)
        await until(lambda: "paused" in repr(proc.stdout))
        assert not proc._transport.get_pipe_transport(1).is_reading()
        for _ in range(5):
            neighbour = await child(aio, "echo")
            await neighbour.communicate()
        last_words = await started(proc.stderr.readline())
        assert proc.returncode is None
        assert await proc.stdout.read() == bytes(MIB)
        assert await last_words == b"done\n"
        assert await finish(proc) == 0

    aio.run(main)


def test_taking_all_that_is_there_resumes_at_once(aio):
    async def main():
        proc = await child(aio, f"head -c {MIB} /dev/zero", limit=1000)
        await until(lambda: "paused" in repr(proc.stdout))
        taken = await answer(proc.stdout.read(MIB))
        assert proc._transport.get_pipe_transport(1).is_reading()
        assert taken + await proc.stdout.read() == bytes(MIB)
        assert await finish(proc) == 0

    aio.run(main)


@pytest.mark.parametrize("limit", [1, 4096, 1 << 16])
@pytest.mark.parametrize("size", [1, 1000, 1 << 16, 1 << 22])
def test_all_data_comes_whatever_limit_and_size(aio, limit, size):
    total = 20_000 if size == 1 else 600_000
    data = pattern(total)

    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes, limit=limit)
        proc.stdin.write(data)
        proc.stdin.close()
        pieces = []
        while piece := await proc.stdout.read(size):
            assert len(piece) <= size
            pieces.append(piece)
        assert b"".join(pieces) == data
        assert await finish(proc) == 0

    aio.run(main)


def test_kinds_of_reads_mixed_on_a_stream(aio):
    lines = b"".join(b"%d:%s\n" % (i, b"x" * (i % 97)) for i in range(5000))

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.write(lines)
        proc.stdin.close()
        reader, pieces = proc.stdout, []
        for i in range(1000):
            pieces += [
                await reader.readline(),
                await reader.readexactly(i % 13),
                await reader.readuntil(b":"),
                await reader.read(7),
            ]
        pieces.append(await reader.read())
        assert b"".join(pieces) == lines
        assert await finish(proc) == 0

    aio.run(main)


# Ends


def test_data_stays_readable_after_the_exit(aio):
    async def main():
        proc = await child(aio, "echo 1; echo 2; exit 3")
        await until(lambda: proc.returncode is not None)
        await iterate(5)
        assert await proc.stdout.readline() == b"1\n"
        assert await proc.stdout.readline() == b"2\n"
        assert await proc.stdout.readline() == b""
        assert proc.stdout.at_eof()
        await finish(proc)

    aio.run(main)


@pytest.mark.skipif(not LINUX, reason="pipes have a fixed size")
@pytest.mark.differs("uvloop", "no pipesize=")
def test_all_that_an_ended_child_has_left_in_a_large_pipe(aio):
    async def main():
        proc = await child(aio, "head -c 600000 /dev/zero", pipesize=MIB)
        until_blocking(lambda: exited(proc.pid))
        assert await proc.stdout.read() == bytes(600_000)
        assert await finish(proc) == 0

    aio.run(main)


@pytest.mark.differs("uvloop", "sees the end of a pipe with the end of the child")
def test_end_of_a_pipe_that_the_child_closes(aio):
    async def main():
        proc = await child(aio, "echo bye; exec >&-; read x", stdin=aio.PIPE)
        assert await proc.stdout.read() == b"bye\n"
        assert proc.returncode is None and proc.stdout.at_eof()
        assert await finish(proc) == 1

    aio.run(main)


def test_end_of_a_killed_child(aio):
    async def main():
        proc = await child(aio, "echo partial; read x", stdin=aio.PIPE)
        assert await proc.stdout.readline() == b"partial\n"
        waiting = await started(proc.stdout.readline())
        await kill_and_wait_without_reading(proc)
        assert await waiting == b""
        await finish(proc)

    async def kill_and_wait_without_reading(proc):
        proc.kill()
        await until(lambda: proc.returncode is not None)

    aio.run(main)


def test_reader_of_a_closed_pipe_sees_the_end(aio):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE) as proc:
            waiting = await started(proc.stdout.read())
            proc._transport.get_pipe_transport(1).close()
            assert await waiting == b""

    aio.run(main)


def test_endless_output_does_not_starve_the_loop(aio):
    async def main():
        noisy = await child(aio, "exec yes")
        drain = asyncio.create_task(forever(noisy.stdout))
        quiet = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        for i in range(200):
            quiet.stdin.write(b"%d\n" % i)
            assert await quiet.stdout.readline() == b"%d\n" % i
        drain.cancel()
        await asyncio.wait([drain])
        await finish(quiet)
        await kill_and_wait(noisy)

    async def forever(reader):
        while await reader.read(1 << 16):
            pass

    aio.run(main)


@pytest.mark.every_path
@pytest.mark.telling_paths("plain")
@pytest.mark.skipif(not LINUX, reason="pipes have no packets")
@pytest.mark.parametrize("method", ["read", "communicate", "readexactly"])
@pytest.mark.differs("uvloop", "its pipes are sockets")
def test_all_that_an_ended_child_has_left_in_packets(aio, method):
    """A pipe whose writer has O_DIRECT gives one packet to a read, however many there are."""

    async def main():
        code = """if True:
            import fcntl, os
            fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_DIRECT)
            for _ in range(10):
                os.write(1, bytes(1000))
        """
        command = sys.executable, "-I", "-S", "-c", code
        proc = await aio.create_subprocess_exec(*command, stdout=aio.PIPE)
        until_blocking(lambda: exited(proc.pid))
        if method == "communicate":
            output, _ = await proc.communicate()
        elif method == "readexactly":
            output = await proc.stdout.readexactly(10_000)
        else:
            output = await proc.stdout.read()
        assert output == bytes(10_000)
        assert await finish(proc) == 0

    aio.run(main)


@pytest.mark.differs("asyncio", "waits before it resumes")
def test_reader_that_begins_while_another_resumes_the_transport(aio):
    """One is too many, whichever it is; the other is woken."""

    async def main():
        reader = aio.StreamReader(limit=1, loop=asyncio.get_running_loop())
        begun = []

        class Transport:
            def pause_reading(self):
                pass

            def resume_reading(self):
                if begun:
                    return
                begun.append(reader.readexactly(8))
                begun.append(begun[0].send(None))

        reader.set_transport(Transport())
        reader.feed_data(b"abcdef")
        with pytest.raises(RuntimeError, match="already waiting"):
            await reader.readexactly(100)
        reader.feed_data(b"gh")
        assert begun[1].done()
        with pytest.raises(StopIteration) as stop:
            begun[0].send(None)
        assert stop.value.value == b"abcdefgh"

    aio.run(main)


def test_feed_data_takes_any_bytes(aio):
    async def main():
        reader = aio.StreamReader(loop=asyncio.get_running_loop())
        for data in (b"a", bytearray(b"b"), memoryview(b"c"), [100, 101], (102,), iter([103]), b""):
            reader.feed_data(data)
        with pytest.raises((TypeError, ValueError)):
            reader.feed_data([300])
        with pytest.raises(TypeError):
            reader.feed_data("h")
        reader.feed_eof()
        assert await reader.read() == b"abcdefg"

    aio.run(main)


@pytest.mark.differs("asyncio", "AttributeError")
def test_reader_without_init_says_so(aio):
    class Careless(aio.StreamReader):
        def __init__(self):
            pass

    async def main():
        for reader in Careless(), aio.StreamReader.__new__(aio.StreamReader):
            with pytest.raises(RuntimeError, match="__init__"):
                await reader.read()

    aio.run(main)


@pytest.mark.differs("asyncio", "takes anything")
def test_exception_of_a_reader_must_be_one(aio):
    async def main():
        reader = aio.StreamReader()
        with pytest.raises(TypeError, match="an exception is required, not str"):
            reader.set_exception("no")
        reader.set_exception(ZeroDivisionError)
        with pytest.raises(ZeroDivisionError):
            await reader.read()

    aio.run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in 3.12")
@pytest.mark.differs("asyncio", "asks its length")
def test_separator_that_consumes_the_buffer(aio):
    async def main():
        reader = aio.StreamReader()
        reader.feed_data(b"x" * 9000 + b"\n")

        class Separator:
            def __buffer__(self, flags):
                with pytest.raises(StopIteration):
                    reader.read(9000).send(None)
                return memoryview(b"\n")

        assert await reader.readuntil(Separator()) == b"\n"

    aio.run(main)


@pytest.mark.differs("asyncio", "takes one, or a tuple from 3.13")
def test_separators_of_any_bytes_like_type(aio):
    async def main():
        reader = aio.StreamReader()
        reader.feed_data(b"a;b|c\n")
        separators = (memoryview(b";"), bytearray(b"|"), array.array("b", b"\n"))
        assert await reader.readuntil(separators) == b"a;"
        assert await reader.readuntil(separators) == b"b|"
        assert await reader.readuntil(separators) == b"c\n"
        with pytest.raises(TypeError, match="bytes-like separator"):
            await reader.readuntil("\n")

    aio.run(main)


@pytest.mark.parametrize(
    "wait", [("readline",), ("readuntil", b"\n"), ("readuntil", (b"\n", b"|"))]
)
@pytest.mark.differs("asyncio", "loses the wake-up")
def test_waiting_line_survives_another_readers_bite(aio, wait):
    async def main():
        reader = aio.StreamReader()
        reader.feed_data(b"before\nabc")
        assert await reader.readline() == b"before\n"
        line = asyncio.ensure_future(getattr(reader, wait[0])(*wait[1:]))
        await iterate(2)
        assert await reader.read(2) == b"ab"
        reader.feed_data(b"\n")
        assert await asyncio.wait_for(line, 10) == b"c\n"

    aio.run(main)


def test_transport_that_collects_its_reader_when_paused():
    class Transport(asyncio.ReadTransport):
        def pause_reading(self):
            readers.clear()
            gc.collect()

        def resume_reading(self):
            pass

    async def main():
        readers.append(_fastproc.StreamReader(limit=10))
        readers[0].set_transport(Transport())
        readers[0].feed_data(b"x" * 100)

    readers = []
    with asyncio.Runner() as runner:
        runner.run(main())
    assert readers == []


@pytest.mark.parametrize(
    "link",
    [
        "reader(aio).set_transport(last)",
        "reader(aio).set_exception(ended(aio, last))",
        "setattr(reader(aio), 'last', last)",
        "setattr(reader(Own), 'last', last)",
        "ended(aio, last)",
    ],
)
@pytest.mark.not_on("uvloop", "no matter of loops")
def test_long_chain_of_objects_is_freed_without_a_deep_stack(aio, link):
    aio.script(
        f"""
        full_of_results = "ended(aio, last)" == {link!r}
        class Own:
            class StreamReader(aio.StreamReader):
                pass
        def reader(api):
            made.append(api.StreamReader())
            return made[-1]
        def ended(api, context):
            try:
                full.read(1).__await__().__next__()
            except StopIteration as stop:
                stop.__context__, stop.__traceback__ = context, None
                made.append(stop)
                return stop
        async def main():
            global made, full
            full, last = aio.StreamReader(), None
            length = 500_000 if full_of_results else 200_000
            full.feed_data(b"x" * length)
            for _ in range(length):
                made = []
                {link}
                last = made[-1]
            made = []
            del last
        aio.run(main)
        """,
    )
