"""What programs do with the private attributes of asyncio's streams, and asyncio's own functions
called with ours."""

import asyncio
import gc
import weakref

import pytest
from support import finish, iterate, pattern, running, silent_reader, until

pytestmark = pytest.mark.one_loop("attributes are no matter of the loop")


BASE = asyncio.StreamReader


def on_reader(aio, use, **kwds):
    """Run use(reader) on the reader of a child that writes nothing, and on one made by hand."""

    async def main():
        async with silent_reader(aio, **kwds) as reader:
            await use(reader)
        await use(aio.StreamReader(**kwds))

    aio.run(main)


async def started(coro):
    """A task that has begun to wait."""
    task = asyncio.ensure_future(coro)
    await iterate(2)
    assert not task.done()
    return task


# StreamReader._buffer


def test_buffer_is_the_living_one(aio):
    async def use(reader):
        buffer = reader._buffer
        assert type(buffer) is bytearray and not buffer
        reader.feed_data(b"one\ntwo\n")
        assert buffer == b"one\ntwo\n" and reader._buffer is buffer
        assert b"two" in buffer and buffer.find(b"\n") == 3 and buffer[4:7] == b"two"
        assert await reader.readline() == b"one\n"
        assert buffer == b"two\n" and "4 bytes" in repr(reader)
        buffer.clear()
        reader.feed_data(b"three\nfour\n")
        assert await reader.readline() == b"three\n"
        del buffer[:2]
        assert await reader.readline() == b"ur\n"
        buffer.extend(b"five")
        buffer += b"\nsix"
        assert await reader.readuntil(b"\n") == b"five\n"
        assert await reader.readexactly(2) == b"si"
        assert await reader.read(100) == b"x"
        assert not buffer and reader._buffer is buffer

    on_reader(aio, use)


def test_buffer_that_is_asked_for_late_has_all(aio):
    async def use(reader):
        reader.feed_data(b"taken, kept")
        assert await reader.readexactly(7) == b"taken, "
        assert reader._buffer == b"kept"
        assert await reader.read(2) == b"ke"
        assert reader._buffer == b"pt"

    on_reader(aio, use)


def test_buffer_that_is_emptied_is_at_eof(aio):
    async def main():
        reader = aio.StreamReader()
        reader.feed_data(b"data")
        buffer = reader._buffer
        reader.feed_eof()
        assert not reader.at_eof()
        buffer.clear()
        assert reader.at_eof() and "bytes" not in repr(reader)
        assert await reader.read() == b""

    aio.run(main)


def test_buffer_can_be_replaced(aio):
    async def use(reader):
        reader.feed_data(b"old")
        reader._buffer = mine = bytearray(b"new ")
        reader.feed_data(b"data")
        assert mine == b"new data" and reader._buffer is mine
        reader._buffer = bytearray()
        assert mine == b"new data"
        reader.feed_data(b"more")
        assert await reader.read(100) == b"more"

    on_reader(aio, use)


@pytest.mark.differs("asyncio", "takes anything, and fails later")
def test_buffer_must_be_a_bytearray(aio):
    async def use(reader):
        reader.feed_data(b"kept")
        for other in (b"", None, [], memoryview(b"")):
            with pytest.raises(TypeError, match="_buffer must be a bytearray, not "):
                reader._buffer = other
        with pytest.raises(AttributeError):
            del reader._buffer
        assert await reader.read(10) == b"kept"

    on_reader(aio, use)


def test_buffer_of_a_subclass(aio):
    class Counting(bytearray):
        def __iadd__(self, data):
            raise NotImplementedError

    async def use(reader):
        reader._buffer = mine = Counting(b"ab")
        reader.feed_data(b"cd")
        assert type(reader._buffer) is Counting and mine == b"abcd"
        assert await reader.readexactly(3) == b"abc"

    on_reader(aio, use)


@pytest.mark.parametrize("look", [False, True])
def test_shell_that_is_polled_through_the_buffer(aio, look):
    """A persistent shell as agents keep one: look until a word is there, then clear the buffer."""
    end = "<<done>>"

    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
        async with running(aio, "/bin/sh", **pipes) as shell:
            for n in range(5):
                shell.stdin.write(f"echo answer {n}; echo '{end}'\n".encode())
                while end not in (text := shell.stdout._buffer.decode()):
                    await asyncio.sleep(0.001)
                assert text.partition(end)[0] == f"answer {n}\n"
                if look:
                    assert await shell.stdout.readuntil(end.encode() + b"\n")
                else:
                    shell.stdout._buffer.clear()

    aio.run(main)


def test_buffer_of_much(aio):
    """What comes while somebody reads, who has looked at the buffer before."""
    data = pattern(3 << 20)

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        buffer = proc.stdout._buffer

        async def feed():
            proc.stdin.write(data)
            await proc.stdin.drain()
            proc.stdin.close()

        feeding = asyncio.ensure_future(feed())
        pieces = []
        for n in (10, 100_000, 1 << 20):
            pieces.append(await proc.stdout.readexactly(n))
            pieces.append(bytes(buffer))
            buffer.clear()
        pieces.append(await proc.stdout.read())
        await feeding
        assert b"".join(pieces) == data
        assert await proc.wait() == 0

    aio.run(main)


def test_communicate_after_the_buffer_was_looked_at(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.write(b"first ")
        await until(lambda: len(proc.stdout._buffer) == 6)
        assert await proc.communicate(b"second") == (b"first second", None)
        assert not proc.stdout._buffer

    aio.run(main)


@pytest.mark.differs("asyncio", "searches on from where it was")
def test_buffer_that_is_cleared_while_somebody_waits(aio):
    async def use(reader):
        reader.feed_data(b"no separator here")
        task = await started(reader.readuntil(b"\n"))
        reader._buffer.clear()
        reader.feed_data(b"yes\n")
        assert await task == b"yes\n"
        task = await started(reader.readexactly(4))
        reader.feed_data(b"abc")
        reader._buffer.clear()
        reader.feed_data(b"defg")
        assert await task == b"defg"

    on_reader(aio, use)


def test_transport_is_paused_by_the_living_buffer(aio):
    async def main():
        async with running(aio, "cat", "/dev/zero", stdout=aio.PIPE, limit=1000) as proc:
            reader = proc.stdout
            pipe = reader._transport
            await until(lambda: len(reader._buffer) > 2000)
            await until(lambda: reader._paused and not pipe.is_reading())
            size = len(reader._buffer)
            await asyncio.sleep(0.01)
            assert len(reader._buffer) == size
            reader._maybe_resume_transport()
            assert reader._paused
            reader._buffer.clear()
            reader._maybe_resume_transport()
            assert not reader._paused and pipe.is_reading()
            await until(lambda: len(reader._buffer) > 2000)

    aio.run(main)


def test_line_over_the_limit_is_dropped_by_hand(aio):
    """The way that asyncio's readline() goes, taken by programs that call readuntil()."""
    lines = [b"x" * 3000, b"short", b"y" * 5000, b"end"]

    async def main():
        async with silent_reader(aio, limit=1000) as reader:
            reader.feed_data(b"\n".join(lines))
            reader.feed_eof()
            got, overruns = [], 0
            while overruns < 10:
                try:
                    got.append(await reader.readuntil(b"\n"))
                except asyncio.LimitOverrunError as error:
                    overruns += 1
                    if reader._buffer.startswith(b"\n", error.consumed):
                        del reader._buffer[: error.consumed + 1]
                    else:
                        reader._buffer.clear()
                    reader._maybe_resume_transport()
                except asyncio.IncompleteReadError as error:
                    got.append(error.partial)
                    break
            assert (got, overruns) == ([b"short\n", b"end"], 2)

    aio.run(main)


@pytest.mark.parametrize(
    "read",
    [
        lambda reader: reader.read(2),
        lambda reader: reader.readexactly(2),
        lambda reader: reader.readline(),
        lambda reader: reader.readuntil(b"\n"),
    ],
    ids=["read", "readexactly", "readline", "readuntil"],
)
def test_buffer_that_somebody_has_a_view_of(aio, read):
    """Nothing can be taken out of it then, and nothing is lost."""

    async def use(reader):
        reader.feed_data(b"a\nb\n")
        with memoryview(reader._buffer) as view:
            with pytest.raises(BufferError):
                await read(reader)
            assert view == b"a\nb\n"
        assert await read(reader) == b"a\n"
        assert reader._buffer == b"b\n"

    on_reader(aio, use)


@pytest.mark.differs("asyncio", "loses it")
def test_data_that_comes_while_somebody_has_a_view(aio):
    async def use(reader):
        reader.feed_data(b"early ")
        with memoryview(reader._buffer) as view:
            reader.feed_data(b"late ")
            reader.feed_data(b"later")
            assert view == b"early "
            with pytest.raises(BufferError):
                await reader.read(100)
        assert reader._buffer == b"early late later"
        assert await reader.read(100) == b"early late later"
        with memoryview(reader._buffer):
            task = await started(reader.read(100))
            reader.feed_data(b"more")
            with pytest.raises(BufferError):
                await task
        assert await reader.read(100) == b"more"

    on_reader(aio, use)


def test_line_over_the_limit_that_somebody_has_a_view_of(aio):
    async def main():
        reader = aio.StreamReader(limit=10)
        reader.feed_data(b"x" * 100 + b"\nline\n")
        with memoryview(reader._buffer), pytest.raises(BufferError):
            await reader.readline()
        with pytest.raises(ValueError, match="chunk is longer than limit"):
            await reader.readline()
        assert await reader.readline() == b"line\n"

    aio.run(main)


def test_buffer_in_a_cycle_is_collected():
    import _fastproc

    class Buffer(bytearray):
        pass

    async def main():
        reader = _fastproc.StreamReader()
        reader._buffer = Buffer()
        reader._buffer.reader = reader
        return weakref.ref(reader._buffer)

    ref = asyncio.run(main())
    gc.collect()
    assert ref() is None


# The other attributes


def test_flags_can_be_set(aio):
    async def main():
        reader = aio.StreamReader()
        reader.feed_data(b"data")
        reader._eof = True
        assert reader._eof is True and not reader.at_eof()
        assert await reader.read() == b"data" and reader.at_eof()
        reader._eof = False
        assert not reader.at_eof()
        reader.feed_data(b"more")
        error = ValueError("mine")
        reader._exception = error
        assert reader.exception() is error
        with pytest.raises(ValueError, match="mine"):
            await reader.read(10)
        reader._exception = None
        assert await reader.read(10) == b"more"
        assert reader._loop is asyncio.get_running_loop()
        assert reader._waiter is None and reader._transport is None and reader._paused is False

    aio.run(main)


def test_eof_that_is_taken_back(aio):
    """Done to read on after the end, for instance of a pipe that is opened anew."""

    async def main():
        reader = aio.StreamReader()
        reader.feed_eof()
        assert await reader.read(1) == b""
        reader._eof = False
        task = await started(reader.read(1))
        reader.feed_data(b"x")
        assert await task == b"x"

    aio.run(main)


def test_wakeup_waiter(aio):
    async def use(reader):
        task = await started(reader.readline())
        assert reader._waiter is not None
        reader._buffer.extend(b"by hand\n")
        reader._wakeup_waiter()
        assert await task == b"by hand\n"
        assert reader._waiter is None
        reader._wakeup_waiter()

    on_reader(aio, use)


def test_wait_for_data(aio):
    async def use(reader):
        task = await started(reader._wait_for_data("look"))
        with pytest.raises(RuntimeError, match=r"^read\(\) called while another coroutine"):
            await reader.read(1)
        with pytest.raises(RuntimeError, match=r"^look\(\) called while another coroutine"):
            await reader._wait_for_data("look")
        reader.feed_data(b"x")
        await task
        assert reader._buffer == b"x" and reader._waiter is None
        assert await reader.read(10) == b"x"
        task = await started(reader._wait_for_data("look"))
        reader.set_exception(ValueError("mine"))
        with pytest.raises(ValueError, match="mine"):
            await task
        reader._exception = None
        task = await started(reader._wait_for_data("look"))
        task.cancel()
        await asyncio.wait([task])
        assert reader._waiter is None

    on_reader(aio, use)


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError, asyncio.CancelledError(), ValueError("x")]
)
def test_waiter_that_is_ended_by_hand(aio, error):
    """Done by players and proxies to get a reader out of the way of communicate()."""

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        reading = await started(proc.stdout.read(100))
        waiter, proc.stdout._waiter = proc.stdout._waiter, None
        assert not waiter.done()
        waiter.set_exception(error)
        with pytest.raises(asyncio.InvalidStateError):
            waiter.set_result(None)
        assert await proc.communicate(b"data") == (b"data", None)
        await asyncio.wait([reading])
        if isinstance(error, ValueError):
            assert reading.exception() is error
        else:
            assert reading.cancelled()

    aio.run(main)


@pytest.mark.differs("asyncio", "takes it, and it is never woken")
def test_waiter_of_another_is_not_taken_away(aio):
    """asyncio's _wait_for_data() clears the attribute when it goes on, even if another waits by then."""

    async def use(reader):
        looking = await started(reader._wait_for_data("look"))
        reader.feed_data(b"x")
        assert await reader.read(1) == b"x"
        reading = reader.read(1)
        reading.send(None)
        assert reader._waiter is not None
        await looking
        assert reader._waiter is not None
        reading.close()
        assert reader._waiter is None

    on_reader(aio, use)


def test_subclass_with_a_buffer_of_its_own(aio):
    class Reader(aio.StreamReader):
        def __init__(self, **kwds):
            super().__init__(**kwds)
            self.seen = []

        def feed_data(self, data):
            self.seen.append(bytes(data))
            super().feed_data(data)

        async def readall(self):
            while not self._eof:
                await self._wait_for_data("readall")
            data = bytes(self._buffer)
            self._buffer.clear()
            return data

    async def main():
        reader = Reader(limit=1e6)
        task = await started(reader.readall())
        reader.feed_data(b"one ")
        await iterate(2)
        reader.feed_data(b"two")
        reader.feed_eof()
        assert await task == b"one two"
        assert reader.seen == [b"one ", b"two"]

    aio.run(main)


# asyncio's own functions


@pytest.mark.parametrize("living", [False, True])
def test_functions_of_the_base_class_on_a_child(aio, living):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        reader = proc.stdout
        if living:
            assert reader._buffer == b""
        line = await started(BASE.readline(reader))
        proc.stdin.write(b"one\ntwo\nthr")
        assert await line == b"one\n"
        assert await BASE.readuntil(reader, b"\n") == b"two\n"
        exactly = await started(BASE.readexactly(reader, 6))
        proc.stdin.write(b"ee\nfour")
        assert await exactly == b"three\n"
        assert await BASE.read(reader, 2) == b"fo"
        assert await reader.read(2) == b"ur"
        some = await started(BASE.read(reader, 100))
        proc.stdin.write(b"five\nsix")
        assert await some == b"five\nsix"
        rest = await started(BASE.read(reader))
        proc.stdin.write(b"rest")
        proc.stdin.close()
        assert await rest == b"rest" and BASE.at_eof(reader)
        assert await BASE.read(reader) == b""
        assert await finish(proc) == 0

    aio.run(main)


def test_functions_of_the_base_class_that_feed(aio):
    async def use(reader):
        task = await started(reader.readline())
        BASE.feed_data(reader, b"one\n")
        assert await task == b"one\n"
        task = await started(BASE.readline(reader))
        reader.feed_data(b"two\n")
        assert await task == b"two\n"
        assert "StreamReader" in BASE.__repr__(reader)
        assert BASE.exception(reader) is None
        BASE._maybe_resume_transport(reader)
        BASE.set_exception(reader, ValueError("mine"))
        with pytest.raises(ValueError, match="mine"):
            await reader.read()
        reader._exception = None

    async def ending(reader):
        task = await started(reader.read())
        BASE.feed_data(reader, b"all")
        BASE.feed_eof(reader)
        assert await task == b"all"

    on_reader(aio, use)
    aio.run(lambda: ending(aio.StreamReader()))


def test_much_by_functions_of_the_base_class(aio):
    data = pattern(3 << 20)

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)

        async def feed():
            proc.stdin.write(data)
            await proc.stdin.drain()
            proc.stdin.close()

        feeding = asyncio.ensure_future(feed())
        pieces = [await BASE.readexactly(proc.stdout, 1 << 20)]
        while piece := await BASE.read(proc.stdout, 100_000):
            pieces.append(piece)
        await feeding
        assert b"".join(pieces) == data
        assert await proc.wait() == 0

    aio.run(main)


def test_base_init_on_ours(aio):
    async def use(reader):
        reader.feed_data(b"old")
        BASE.__init__(reader, limit=5, loop=asyncio.get_running_loop())
        assert reader._buffer == b"" and reader._limit == 5
        reader.feed_data(b"new\n")
        assert await reader.readline() == b"new\n"

    aio.run(lambda: use(aio.StreamReader()))
