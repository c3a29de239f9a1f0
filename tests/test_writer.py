"""StreamWriter: writing, draining, closing, and a child that closes its end."""

import array
import asyncio
import contextlib
import mmap

import pytest
from support import busy_pollers, finish, iterate, kill_and_wait, pattern, pipe, running, until

MIB = 1 << 20
HIGH_WATER = 64 * 1024


def cat(aio, **kwds):
    return aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE, **kwds)


def shell(aio, script, **kwds):
    return aio.create_subprocess_exec("/bin/sh", "-c", script, stdin=aio.PIPE, **kwds)


def echoed(aio, use):
    """What cat got from use(writer)."""

    async def main():
        proc = await cat(aio)
        reading = asyncio.create_task(proc.stdout.read())
        await use(proc.stdin)
        proc.stdin.close()
        out = await reading
        assert await finish(proc) == 0
        return out

    return aio.run(main)


def fill(writer, size=4 * MIB):
    """More than any pipe takes at once."""
    writer.write(bytes(size))
    assert writer.transport.get_write_buffer_size() > HIGH_WATER


async def blocked_drain(writer):
    task = asyncio.ensure_future(writer.drain())
    await iterate(3)
    assert not task.done()
    return task


# Writing


def test_write_and_drain(aio):
    async def use(writer):
        assert writer.write(b"one ") is None
        await writer.drain()
        writer.write(b"two")
        assert await writer.drain() is None

    assert echoed(aio, use) == b"one two"


def test_writes_keep_their_order(aio):
    data = pattern(3 * MIB)

    async def use(writer):
        for start in range(0, len(data), 50_001):
            writer.write(data[start : start + 50_001])

    assert echoed(aio, use) == data


def test_writelines(aio):
    async def use(writer):
        assert writer.writelines([b"a", bytearray(b"b"), memoryview(b"c")]) is None
        writer.writelines(word for word in [b"d", b"", b"e"])
        writer.writelines([])
        writer.writelines([b"x" * MIB, b"y" * MIB])

    assert echoed(aio, use) == b"abcde" + b"x" * MIB + b"y" * MIB


def test_writing_nothing(aio):
    async def use(writer):
        writer.write(b"")
        writer.write(bytearray())
        await writer.drain()

    assert echoed(aio, use) == b""


def test_close_sends_what_is_pending(aio):
    data = pattern(2 * MIB)

    async def use(writer):
        writer.write(data)
        writer.close()
        assert writer.is_closing()

    assert echoed(aio, use) == data


def bytes_likes():
    mapped = mmap.mmap(-1, 5000)
    mapped.write(pattern(5000))
    return {
        "bytearray": bytearray(b"abc" * 100),
        "memoryview": memoryview(b"0123456789")[2:7],
        "array-d": array.array("d", [1.0, 2.0]),
        "memoryview-d": memoryview(array.array("d", [1.0, 2.0])),
        "large-array": array.array("i", range(500_000)),
        "mmap": mapped,
    }


@pytest.mark.parametrize("kind", list(bytes_likes()))
@pytest.mark.differs(
    "asyncio",
    "counts items, not bytes, or wants bytes",
    when=lambda kind: kind not in {"bytearray", "memoryview"},
)
def test_write_takes_any_bytes_like_object(aio, kind):
    data = bytes_likes()[kind]

    async def use(writer):
        writer.write(data)
        writer.writelines([data, data])

    assert echoed(aio, use) == memoryview(data).tobytes() * 3


@pytest.mark.parametrize("size", [100, 2 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("how", ["bytearray", "memoryview", "writelines"])
@pytest.mark.differs("uvloop", "keeps the buffer, not its content")
def test_what_was_written_may_be_changed_at_once(aio, size, how):
    data = pattern(size)

    async def use(writer):
        source = bytearray(data)
        if how == "writelines":
            writer.writelines([source])
        else:
            writer.write(source if how == "bytearray" else memoryview(source))
        source[:] = bytes(size)

    assert echoed(aio, use) == data


@pytest.mark.parametrize("bad", ["text", 5, None, [b"x"]], ids=repr)
@pytest.mark.differs("asyncio", "asserts")
def test_write_of_what_is_not_bytes_like(aio, bad):
    async def use(writer):
        with pytest.raises(TypeError):
            writer.write(bad)
        with pytest.raises(TypeError):
            writer.writelines([b"", bad])
        with pytest.raises(TypeError):
            writer.writelines(7)
        writer.write(b"fine")

    assert echoed(aio, use) == b"fine"


# Flow control


def test_drain_returns_at_once_below_the_high_water_mark(aio):
    async def use(writer):
        writer.write(b"little")
        with pytest.raises(StopIteration):
            writer.drain().__await__().send(None)

    assert echoed(aio, use) == b"little"


def test_drain_waits_above_the_high_water_mark(aio):
    async def main():
        proc = await cat(aio)
        assert proc.stdin._protocol._paused is False
        fill(proc.stdin)
        assert proc.stdin._protocol._paused is True
        draining = await blocked_drain(proc.stdin)
        read = len(await proc.stdout.readexactly(4 * MIB - HIGH_WATER // 2))
        assert await draining is None
        assert proc.stdin._protocol._paused is False
        proc.stdin.close()
        assert read + len(await proc.stdout.read()) == 4 * MIB
        await finish(proc)

    aio.run(main)


@pytest.mark.differs("uvloop", "other numbers")
def test_write_buffer_limits(aio):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            transport = proc.stdin.transport
            assert transport.get_write_buffer_limits() == (HIGH_WATER // 4, HIGH_WATER)
            transport.set_write_buffer_limits(high=1000)
            assert transport.get_write_buffer_limits() == (250, 1000)
            transport.set_write_buffer_limits(high=1000, low=1)
            assert transport.get_write_buffer_limits() == (1, 1000)
            transport.set_write_buffer_limits(low=100)
            assert transport.get_write_buffer_limits() == (100, 400)
            with pytest.raises(ValueError):
                transport.set_write_buffer_limits(high=1, low=2)
            transport.set_write_buffer_limits()
            assert transport.get_write_buffer_limits() == (HIGH_WATER // 4, HIGH_WATER)

    aio.run(main)


def test_write_buffer_limits_decide_when_drain_waits(aio):
    async def main():
        async with running(aio, "sleep", "100", stdin=aio.PIPE) as proc:
            writer = proc.stdin
            writer.transport.set_write_buffer_limits(high=0)
            writer.write(b"x" * 2 * MIB)
            draining = await blocked_drain(writer)
            assert 0 < writer.transport.get_write_buffer_size() < 2 * MIB
            draining.cancel()
            await asyncio.wait([draining])
            writer.transport.abort()

    aio.run(main)


@contextlib.asynccontextmanager
async def cat_later(aio):
    """(child, let): it does not read before let() is called."""
    with pipe() as (hold, release):
        fd = hold.fileno()
        script = f"read x </dev/fd/{fd}; exec cat"
        proc = await shell(aio, script, stdout=aio.PIPE, pass_fds=[fd])
        yield proc, release.close
        assert await finish(proc) == 0


def test_pipe_that_is_just_full_takes_more(aio):
    async def main():
        async with cat_later(aio) as (proc, let):
            data = b""
            while not proc.stdin.transport.get_write_buffer_size() and len(data) < 4 * MIB:
                piece = pattern(4096, len(data))  # of which just so many fill a pipe
                proc.stdin.write(piece)
                data += piece
            let()
            await proc.stdin.drain()
            proc.stdin.close()
            assert await proc.stdout.read() == data

    aio.run(main)


def test_marks_are_to_the_byte(aio):
    """Above the high one there is waiting, and at the low one there is none any more."""

    async def main():
        async with cat_later(aio) as (proc, let):
            transport, protocol = proc.stdin.transport, proc.stdin._protocol
            transport.set_write_buffer_limits(high=4 * MIB)
            proc.stdin.write(bytes(2 * MIB))
            pending = transport.get_write_buffer_size()
            transport.set_write_buffer_limits(high=pending + 1000, low=0)
            proc.stdin.write(bytes(1000))
            assert not protocol._paused
            proc.stdin.write(b"x")
            assert protocol._paused
            let()
            reading = asyncio.create_task(proc.stdout.read())
            await until(lambda: transport.get_write_buffer_size() == 0)
            assert not protocol._paused
            proc.stdin.close()
            assert len(await reading) == 2 * MIB + 1001

    aio.run(main)


def test_several_drains_at_once(aio):
    async def main():
        proc = await cat(aio)
        fill(proc.stdin)
        drains = [await blocked_drain(proc.stdin) for _ in range(5)]
        drains[2].cancel()
        proc.stdin.close()
        assert len(await proc.stdout.read()) == 4 * MIB
        results = await asyncio.gather(*drains, return_exceptions=True)
        assert isinstance(results.pop(2), asyncio.CancelledError)
        assert results == [None] * 4
        await finish(proc)

    aio.run(main)


def test_writers_that_drain_in_turn(aio):
    async def main():
        proc = await cat(aio)

        async def write(byte):
            for _ in range(50):
                proc.stdin.write(byte * 20_000)
                await proc.stdin.drain()

        reading = asyncio.create_task(proc.stdout.read())
        await asyncio.gather(*map(write, (b"a", b"b", b"c")))
        proc.stdin.close()
        out = await reading
        assert [out.count(byte) for byte in (b"a", b"b", b"c")] == [1_000_000] * 3
        await finish(proc)

    aio.run(main)


# Closing


def test_close_and_wait_closed(aio):
    async def main():
        proc = await cat(aio)
        assert proc.stdin.is_closing() is False
        proc.stdin.close()
        proc.stdin.close()
        assert proc.stdin.is_closing() is True
        assert await proc.stdin.wait_closed() is None
        assert await proc.stdin.wait_closed() is None
        await finish(proc)

    aio.run(main)


def test_wait_closed_waits_for_what_is_pending(aio):
    async def main():
        proc = await cat(aio)
        fill(proc.stdin)
        proc.stdin.close()
        closed = asyncio.create_task(proc.stdin.wait_closed())
        await iterate(3)
        assert not closed.done()
        assert len(await proc.stdout.read()) == 4 * MIB
        assert await closed is None
        await finish(proc)

    aio.run(main)


def test_write_eof_closes(aio):
    async def main():
        proc = await cat(aio)
        assert proc.stdin.can_write_eof() is True
        proc.stdin.write(b"last")
        proc.stdin.write_eof()
        proc.stdin.write_eof()
        assert await proc.stdout.read() == b"last"
        assert await finish(proc) == 0

    aio.run(main)


@pytest.mark.differs("uvloop", "raises")
def test_write_after_close_is_silent(aio):
    async def main():
        proc = await cat(aio)
        proc.stdin.write(b"before")
        proc.stdin.close()
        proc.stdin.write(b"after")
        await proc.stdin.wait_closed()
        proc.stdin.write(b"long after")
        proc.stdin.writelines([b"and", b"again"])
        assert await proc.stdout.read() == b"before"
        await finish(proc)

    aio.run(main)


@pytest.mark.differs("uvloop", "does not")
def test_drain_after_close_raises(aio):
    async def main():
        proc = await cat(aio)
        proc.stdin.close()
        await proc.stdin.wait_closed()
        for _ in range(2):
            with pytest.raises(ConnectionResetError, match="^Connection lost$"):
                await proc.stdin.drain()
        await finish(proc)

    aio.run(main)


@pytest.mark.differs("uvloop", "sends it")
def test_abort_drops_what_is_pending(aio):
    async def main():
        proc = await cat(aio)
        fill(proc.stdin, 16 * MIB)
        proc.stdin.transport.abort()
        assert proc.stdin.is_closing()
        assert proc.stdin.transport.get_write_buffer_size() == 0
        assert len(await proc.stdout.read()) < 16 * MIB
        await finish(proc)

    aio.run(main)


# A child that does not listen


@pytest.mark.differs("uvloop", "notices when it writes")
def test_child_that_closes_stdin_is_noticed_though_nothing_is_written(aio):
    async def main():
        with pipe() as (hold, release):
            fd = hold.fileno()
            proc = await shell(aio, f"exec 0</dev/fd/{fd}; read x", pass_fds=[fd])
            await until(proc.stdin.is_closing)
            assert proc.returncode is None
            assert await proc.stdin.wait_closed() is None
            with pytest.raises(ConnectionResetError, match="^Connection lost$"):
                await proc.stdin.drain()
            release.close()
            await finish(proc)

    aio.run(main)


@pytest.mark.differs("uvloop", "ConnectionResetError")
def test_drain_raises_broken_pipe_if_data_was_pending(aio):
    async def main():
        async with running(aio, "sleep", "100", stdin=aio.PIPE) as proc:
            fill(proc.stdin)
            drains = [await blocked_drain(proc.stdin) for _ in range(2)]
            proc.kill()
            for drain in drains:
                with pytest.raises(BrokenPipeError):
                    await drain
            assert proc.stdin.is_closing()
            with pytest.raises(ConnectionResetError, match="^Connection lost$"):
                await proc.stdin.drain()

    aio.run(main)


@pytest.mark.differs("uvloop", "it resolves")
def test_wait_closed_raises_the_error_of_the_pipe(aio):
    async def main():
        async with running(aio, "sleep", "100", stdin=aio.PIPE) as proc:
            fill(proc.stdin)
            proc.kill()
            for _ in range(2):
                with pytest.raises(BrokenPipeError):
                    await proc.stdin.wait_closed()

    aio.run(main)


def test_error_of_the_pipe_that_nobody_awaits_is_not_logged(aio):
    async def main():
        proc = await aio.create_subprocess_exec("sleep", "100", stdin=aio.PIPE)
        fill(proc.stdin)
        proc.kill()
        await proc.wait()
        await until(proc.stdin.is_closing)
        await iterate(3)

    aio.run(main)


@pytest.mark.differs("uvloop", "raises")
def test_writing_to_a_dead_child_is_silent(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true", stdin=aio.PIPE)
        await proc.wait()
        for _ in range(4):
            proc.stdin.write(b"into the void")
        await until(proc.stdin.is_closing)
        await iterate(3)
        with pytest.raises(ConnectionError):
            await proc.stdin.drain()

    aio.run(main)


@pytest.mark.parametrize("size", [1, 100_000, MIB])
@pytest.mark.differs("uvloop", "RuntimeError")
def test_writing_in_a_loop_to_a_child_that_dies_ends(aio, size):
    async def main():
        proc = await shell(aio, "read x", stdout=aio.DEVNULL)
        with pytest.raises(ConnectionError):
            while True:
                proc.stdin.write(b"\n" * size)
                await proc.stdin.drain()
                await asyncio.sleep(0)
        await finish(proc)

    aio.run(main)


# State


@pytest.mark.differs("uvloop", "has no pipe")
def test_transport_and_extra_info(aio):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            writer = proc.stdin
            assert writer.transport is proc._transport.get_pipe_transport(0)
            assert isinstance(writer.get_extra_info("pipe").fileno(), int)
            assert writer.get_extra_info("peername") is None
            assert writer.get_extra_info("peername", 5) == 5
            assert writer.transport.is_closing() is False
            assert writer.transport.get_write_buffer_size() == 0

    aio.run(main)


def test_repr_names_the_transport(aio):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            text = repr(proc.stdin)
            assert text.startswith("<StreamWriter transport=<") and text.endswith(">>")

    aio.run(main)


def test_killed_with_data_pending_leaves_nothing(aio):
    async def main():
        for _ in range(10):
            proc = await cat(aio)
            fill(proc.stdin)
            await kill_and_wait(proc)

    aio.run(main)


def test_idle_pipe_keeps_no_loop_busy(aio):
    """That there is room is no news once all is written."""

    async def main():
        proc = await cat(aio)
        data = pattern(MIB)
        proc.stdin.write(data)
        assert proc.stdin.transport.get_write_buffer_size() > 0
        assert await proc.stdout.readexactly(MIB) == data
        await until(lambda: not busy_pollers())
        assert await finish(proc) == 0

    aio.run(main)


def test_line_by_line_conversation(aio):
    async def main():
        proc = await cat(aio)
        for i in range(500):
            proc.stdin.write(b"%d\n" % i)
            await proc.stdin.drain()
            assert await proc.stdout.readline() == b"%d\n" % i
        assert await finish(proc) == 0

    aio.run(main)


def test_writelines_of_any_iterable(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.writelines((b"a", b"b"))
        proc.stdin.writelines((b"c",))
        proc.stdin.writelines([])
        proc.stdin.writelines(bytes([n]) for n in b"de")
        proc.stdin.transport.writelines((b"f", b"g"))
        proc.stdin.close()
        assert await proc.communicate() == (b"abcdefg", None)

    aio.run(main)
