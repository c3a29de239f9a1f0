"""Lines of any length: limit=None, StreamReader.lines() and Process.lines()."""

import asyncio
import contextlib
import io
import itertools
import random

import pytest
from support import iterate, resident, until

from _fastproc import PIPE, StreamReader, create_subprocess_exec, create_subprocess_shell

pytestmark = [
    pytest.mark.differs("asyncio", "it has none of these"),
    pytest.mark.one_loop("lines are made of data that other tests get from both loops"),
]


@contextlib.asynccontextmanager
async def cat(**kwds):
    """A child that gives back what it gets, with a function that sends a piece and lets it arrive."""
    proc = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, **kwds)

    async def send(data):
        before = len(proc.stdout._buffer)
        proc.stdin.write(data)
        await until(lambda: len(proc.stdout._buffer) >= before + len(data))

    async with proc:
        yield proc, send


def pieces_of(data, seed):
    """The data, cut where chance wants."""
    source = random.Random(seed)
    while data:
        size = source.choice([1, 1, 2, 3, 10, 100, 5000])
        yield data[:size]
        data = data[size:]


TEXTS = {
    "newlines": b"a\nbc\n\n\nd\n",
    "universal": b"a\r\nb\rc\n\r\n\r\r\n\n\re",
    "no newline": b"abc",
    "empty": b"",
    "carriage at the end": b"abc\r",
    "long": b"x" * 300_000 + b"\n" + b"y" * 70_000 + b"\r\n" + b"z" * 200_000,
    "characters": "äöü\r\n日本語\n😀\r".encode() * 50,
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("of", ["stream", "process"])
def test_lines_are_those_of_io(aio, text, of):
    async def main():
        seeds = itertools.count()
        for encoding in (None, "utf-8", "latin-1"):
            for max_line in (None, 1, 2, 7, 100_000):
                await compare(TEXTS[text], of, encoding, max_line, next(seeds))

    aio.run(main)


async def compare(data, of, encoding, max_line, seed):
    if max_line is not None and max_line < 10:
        data = data[-500:]
    if encoding is None:
        expected = list(io.BytesIO(data))
    else:
        expected = list(io.TextIOWrapper(io.BytesIO(data), encoding, errors="replace"))
    keywords = {"encoding": encoding, "errors": "replace", "max_line": max_line}

    async def feed():
        for piece in pieces_of(data, seed):
            proc.stdin.write(piece)
            await asyncio.sleep(0)
        proc.stdin.close()

    async with await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE) as proc:
        feeding = asyncio.create_task(feed())
        if of == "stream":
            found = [line async for line in proc.stdout.lines(**keywords)]
        else:
            found = [line async for _, line in proc.lines(**keywords)]
        await feeding
    nothing = b"" if encoding is None else ""
    assert nothing.join(found) == nothing.join(expected)
    if max_line is None:
        assert found == expected
        return
    newline = "\n" if encoding else b"\n"
    for line in found:
        size = len(line.encode(encoding, "replace")) if encoding else len(line)
        assert size <= max_line + 3  # the rest of a character that was begun before
        assert newline not in line[:-1]


def test_a_line_is_taken_only_when_it_is_asked_for(aio):
    async def main():
        async with cat() as (proc, send):
            await send(b"one\ntwo\nthree\nrest")
            async for line in proc.stdout.lines():
                assert line == b"one\n"
                break
            assert await anext(proc.stdout.lines(encoding="ascii")) == "two\n"
            assert await proc.stdout.readline() == b"three\n"
            assert await proc.stdout.read(4) == b"rest"

    aio.run(main)


def test_a_cancelled_wait_for_a_line_loses_nothing(aio):
    async def main():
        async with cat() as (proc, send):
            lines = proc.stdout.lines(encoding="utf-8")
            await send("ä".encode()[:1])
            for _ in range(3):
                task = asyncio.ensure_future(lines.__anext__())
                await iterate(3)
                task.cancel()
                await asyncio.wait([task])
            await send("ä".encode()[1:] + b"\n")
            assert await anext(lines) == "ä\n"

    aio.run(main)


@pytest.mark.parametrize("encoding", [None, "ascii"])
def test_the_end_of_a_line_may_come_alone(aio, encoding):
    async def main():
        reader = StreamReader()
        lines = reader.lines(encoding=encoding)
        for end in (b"\n", b"rest\n"):
            task = asyncio.ensure_future(lines.__anext__())
            for piece in (b"a", b"bc", end):
                await iterate(3)
                assert not task.done()
                reader.feed_data(piece)
            line = await task
            assert line == (b"abc" + end if encoding is None else "abc" + end.decode())

    aio.run(main)


def test_a_line_that_ends_in_a_carriage_return_is_given_at_once(aio):
    """As of a progress bar; a newline that comes later is the rest of it."""

    async def main():
        async with cat() as (proc, send):
            lines = proc.stdout.lines(encoding="ascii")
            await send(b"10%\r")
            assert await anext(lines) == "10%\n"
            await send(b"\n20%\r")
            assert await anext(lines) == "20%\n"
            await send(b"30%\r")
            assert await anext(lines) == "30%\n"

    aio.run(main)


def test_a_tail_has_no_newline(aio):
    async def main():
        async with cat() as (proc, send):
            await send(b"one\ntail")
            proc.stdin.close()
            assert [line async for line in proc.stdout.lines()] == [b"one\n", b"tail"]
            assert [line async for line in proc.stdout.lines()] == []
            assert [line async for line in proc.stdout.lines(encoding="ascii")] == []

    aio.run(main)


@pytest.mark.parametrize("of", ["reader", "process"])
def test_reading_goes_on_after_an_error_of_decoding(aio, of):
    sent = (
        b"one\n\xff\ntwo\n\xc3("  # what comes is read at once, so one error may not take the rest
    )

    async def main():
        async with cat() as (proc, send):
            lines = (proc.stdout if of == "reader" else proc).lines(encoding="utf-8", max_line=3)
            await send(sent)
            await send(b"3\xc3")
            proc.stdin.close()
            found = []
            for _ in range(20):
                try:
                    line = await anext(lines)
                except UnicodeDecodeError:
                    line = "error"
                except StopAsyncIteration:
                    break
                found.append(line[1] if isinstance(line, tuple) else line)
            assert found == ["one", "\n", "error", "two", "\n", "error", "error"]

    aio.run(main)


def test_a_cancelled_wait_for_a_line_of_both_streams_loses_nothing(aio):
    async def main():
        async with cat() as (proc, send):
            lines = proc.lines()
            for count in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(lines), 0.01)
                await send(b"%d\n" % count)
                assert await anext(lines) == (1, b"%d\n" % count)
            await send(b"one\ntwo\nta")
            assert await anext(lines) == (1, b"one\n")
            async for pair in lines:
                assert pair == (1, b"two\n")
                break
            proc.stdin.close()
            assert [pair async for pair in lines] == [(1, b"ta")]
            assert [pair async for pair in lines] == []

    aio.run(main)


def test_errors_of_decoding(aio):
    async def main():
        async with cat() as (proc, send):
            await send(b"\xff\n")
            with pytest.raises(UnicodeDecodeError):
                await anext(proc.stdout.lines(encoding="utf-8"))
            await send(b"\xff\na\xe3")
            proc.stdin.close()
            found = [line async for line in proc.stdout.lines(encoding="utf-8", errors="replace")]
            assert found == ["\ufffd\n", "a\ufffd"]  # the last line is one, also if it was cut

    aio.run(main)


def test_wrong_arguments(aio):
    async def main():
        async with cat() as (proc, _):
            for lines in (proc.stdout.lines, proc.lines):
                with pytest.raises(LookupError):
                    lines(encoding="no-such")
                for encoding in ("utf-16", "utf-32"):
                    with pytest.raises(ValueError):
                        lines(encoding=encoding)
                with pytest.raises(ValueError):
                    lines(max_line=0)
                with pytest.raises(TypeError):
                    lines(None)

    aio.run(main)


def test_a_second_reader_is_refused(aio):
    async def main():
        async with cat() as (proc, send):
            reading = asyncio.ensure_future(proc.stdout.read(1))
            await iterate(2)
            for lines in (proc.stdout.lines(), proc.lines()):
                with pytest.raises(RuntimeError, match="lines"):
                    await anext(lines)
            proc.stdin.write(b"x")
            assert await reading == b"x"

    aio.run(main)


# Both streams


def test_lines_of_both_streams_come_in_order(aio):
    async def main():
        script = """
            for n in 1 2 3 4 5; do
                echo out $n; read answer; echo err $n >&2; read answer
            done
            printf 'tail of out'; printf 'tail of err' >&2
        """
        pipes = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}
        async with await create_subprocess_shell(script, **pipes) as proc:
            found = []
            async for stream, line in proc.lines(encoding="ascii"):
                found.append((stream, line))
                if line.endswith("\n"):
                    proc.stdin.write(b"\n")
            expected = [
                pair for n in range(1, 6) for pair in ((1, f"out {n}\n"), (2, f"err {n}\n"))
            ]
            assert found == [*expected, (1, "tail of out"), (2, "tail of err")]
            assert await proc.wait() == 0

    aio.run(main)


def test_order_is_kept_while_nobody_asks(aio):
    """What has come in the meantime is told apart, however it was buffered."""

    async def main():
        script = "for n in 1 2 3; do echo $n; read line; echo $n >&2; read line; done"
        pipes = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}
        async with await create_subprocess_shell(script, **pipes) as proc:
            lines = proc.lines()
            found = [await anext(lines)]
            for buffer in (proc.stderr, proc.stdout, proc.stderr, proc.stdout, proc.stderr):
                before = len(buffer._buffer)
                proc.stdin.write(b"\n")
                await until(lambda buffer=buffer, size=before: len(buffer._buffer) > size)
            proc.stdin.write(b"\n")
            found += [pair async for pair in lines]
            assert found == [(stream, b"%d\n" % n) for n in (1, 2, 3) for stream in (1, 2)]

    aio.run(main)


def test_neither_stream_is_read_ahead_of_its_back_pressure(aio):
    async def main():
        script = "yes out & yes err >&2"
        kwds = {"stdout": PIPE, "stderr": PIPE, "start_new_session": True}
        async with await create_subprocess_shell(script, **kwds) as proc:
            lines = proc.lines()
            seen = set()
            async for stream, line in lines:
                assert line == (b"out\n", b"err\n")[stream - 1]
                seen.add(stream)
                if seen == {1, 2}:
                    break
            before = resident()
            await asyncio.sleep(0.2)
            assert len(proc.stdout._buffer) <= 5 << 16 and len(proc.stderr._buffer) <= 5 << 16
            assert resident() - before < 4 << 20

    aio.run(main)


def test_streams_that_are_not_piped(aio):
    async def main():
        async with await create_subprocess_exec("echo", "x", stdout=PIPE) as proc:
            assert [pair async for pair in proc.lines()] == [(1, b"x\n")]
        async with await create_subprocess_exec("true") as proc:
            assert [pair async for pair in proc.lines()] == []

    aio.run(main)


# No limit


def test_without_limit_lines_are_as_long_as_they_are(aio):
    size = 5_000_000

    async def main():
        script = (
            f"head -c {size} /dev/zero; echo; echo short; head -c {size} /dev/zero; printf '\\0;'"
        )
        async with await create_subprocess_shell(script, stdout=PIPE, limit=None) as proc:
            assert await proc.stdout.readline() == bytes(size) + b"\n"
            assert await anext(proc.stdout) == b"short\n"
            assert await proc.stdout.readuntil(b"\0;") == bytes(size + 1) + b";"
            assert "limit=None" in repr(proc.stdout)

    aio.run(main)


def test_without_limit_the_flow_is_controlled(aio):
    async def main():
        kwds = {"stdout": PIPE, "limit": None, "start_new_session": True}
        async with await create_subprocess_shell("yes", **kwds) as proc:
            await until(lambda: proc.stdout._paused)
            assert (2 << 16) < len(proc.stdout._buffer) <= (5 << 16)
            for _ in range(200_000):
                assert await proc.stdout.readline() == b"y\n"
            await until(lambda: proc.stdout._paused)
            assert (2 << 16) < len(proc.stdout._buffer) <= (5 << 16)

    aio.run(main)
