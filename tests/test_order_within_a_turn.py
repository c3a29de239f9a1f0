"""What is done to a child within one turn of the loop takes effect in asyncio's order: descriptors
are closed in the next turn, after what was done in between."""

import asyncio
import os
import signal

import pytest
from support import iterate, kill_and_wait, running, until

ROUNDS = 30


async def echoing(aio):
    """A child that runs, and waits for its input."""
    proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
    proc.stdin.write(b"x")
    assert await proc.stdout.readexactly(1) == b"x"
    return proc


CLOSINGS = {
    "close": lambda proc: proc.stdin.close(),
    "write_eof": lambda proc: proc.stdin.write_eof(),
    "transport.close": lambda proc: proc.stdin.transport.close(),
    "transport.write_eof": lambda proc: proc.stdin.transport.write_eof(),
    "transport.abort": lambda proc: proc.stdin.transport.abort(),
}
closings = pytest.mark.parametrize("close", CLOSINGS.values(), ids=CLOSINGS)
ENDINGS = {
    "kill": lambda proc: proc.kill(),
    "transport.close": lambda proc: proc._transport.close(),
    "send_signal": lambda proc: proc.send_signal(signal.SIGKILL),
}
endings = pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)


@closings
@endings
@pytest.mark.differs("uvloop", "closes at once")
def test_closed_and_killed(aio, close, end):
    """It dies of the signal, and never sees the end of its input."""

    async def main():
        for _ in range(ROUNDS):
            proc = await echoing(aio)
            close(proc)
            end(proc)
            assert await proc.wait() == -signal.SIGKILL

    aio.run(main)


@closings
@pytest.mark.differs("uvloop", "closes at once")
def test_descriptor_is_closed_one_turn_later(aio, close):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            transport = proc.stdin.transport
            fd = transport.get_extra_info("pipe").fileno()
            close(proc)
            proc.stdin.close()
            assert transport.is_closing() and proc.stdin.is_closing()
            os.fstat(fd)
            proc.stdin.write(b"dropped in silence")
            assert transport.get_write_buffer_size() == 0
            await asyncio.sleep(0)
            with pytest.raises(OSError):
                os.fstat(fd)
            await proc.stdin.wait_closed()
            with pytest.raises(ConnectionResetError, match="Connection lost"):
                await proc.stdin.drain()

    aio.run(main)


def test_drain_after_close(aio):
    async def main():
        proc = await echoing(aio)
        proc.stdin.close()
        await proc.stdin.drain()
        await iterate(2)
        with pytest.raises(ConnectionResetError, match="Connection lost"):
            await proc.stdin.drain()
        assert await proc.wait() == 0

    aio.run(main)


@pytest.mark.differs("uvloop", "may write more")
def test_abort_drops_what_is_queued_at_once(aio):
    async def main():
        async with running(aio, "sleep", "60", stdin=aio.PIPE) as proc:
            transport = proc.stdin.transport
            proc.stdin.write(bytes(1 << 20))
            draining = asyncio.ensure_future(proc.stdin.drain())
            await iterate(2)
            assert not draining.done()
            transport.abort()
            assert transport.get_write_buffer_size() == 0 and transport.is_closing()
            await asyncio.wait([draining])
            await proc.stdin.wait_closed()

    aio.run(main)


@pytest.mark.differs("uvloop", "may write more")
def test_close_with_data_queued_and_abort(aio):
    async def main():
        async with running(aio, "sleep", "60", stdin=aio.PIPE) as proc:
            proc.stdin.write(bytes(1 << 20))
            proc.stdin.close()
            await iterate(3)
            assert proc.stdin.transport.get_write_buffer_size() > 0
            proc.stdin.transport.abort()
            await proc.stdin.wait_closed()

    aio.run(main)


@pytest.mark.differs("uvloop", "closes at once")
def test_reading_end_is_closed_one_turn_later(aio):
    """A child that writes is killed before it can see that nobody reads."""

    async def main():
        for _ in range(ROUNDS):
            proc = await aio.create_subprocess_exec("yes", stdout=aio.PIPE)
            await proc.stdout.readline()
            pipe = proc._transport.get_pipe_transport(1)
            fd = pipe.get_extra_info("pipe").fileno()
            pipe.close()
            assert pipe.is_closing() and not pipe.is_reading()
            os.fstat(fd)
            proc.kill()
            assert await proc.wait() == -signal.SIGKILL
            assert pipe.is_closing()
            await until(proc.stdout.at_eof if not proc.stdout._buffer else lambda: True)

    aio.run(main)


@pytest.mark.parametrize("paused", [False, True])
def test_reading_end_that_was_closed_is_at_its_end(aio, paused):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        pipe = proc._transport.get_pipe_transport(1)
        if paused:
            pipe.pause_reading()
        pipe.close()
        pipe.close()
        pipe.pause_reading()
        pipe.resume_reading()
        assert await proc.stdout.read() == b""
        proc.stdin.close()
        assert await proc.wait() == 0

    aio.run(main)


def test_loop_that_closes_before_the_descriptor(aio):
    """Nothing is left open, and nobody complains."""

    async def main():
        proc = await echoing(aio)
        proc.kill()
        await proc.wait()
        other = await echoing(aio)
        other.kill()
        await other.wait()
        return proc

    aio.run(main)

    async def closing():
        proc = await echoing(aio)
        proc.stdout._transport.close()
        proc.stdin.close()
        await kill_and_wait(proc)

    aio.run(closing)


# asyncio's own functions on our writer


def test_functions_of_the_base_class_on_stdin(aio):
    base = asyncio.StreamWriter

    async def main():
        async with running(aio, "sleep", "60", stdin=aio.PIPE) as proc:
            writer = proc.stdin
            await base.drain(writer)
            base.write(writer, bytes(1 << 20))
            draining = asyncio.ensure_future(base.drain(writer))
            await iterate(3)
            assert not draining.done() and not base.is_closing(writer)
            assert base.can_write_eof(writer) and base.get_extra_info(writer, "x", 5) == 5
            writer.transport.abort()
            await asyncio.wait([draining])
            await base.wait_closed(writer)
            assert base.is_closing(writer)
            base.close(writer)

    aio.run(main)


def test_functions_of_the_base_class_on_a_process(aio):
    base = asyncio.subprocess.Process

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        assert await base.communicate(proc, b"data") == (b"data", None)
        assert await base.wait(proc) == 0
        assert base.returncode.__get__(proc) == 0
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            base.send_signal(proc, 0)
            base.terminate(proc)
            assert await base.wait(proc) == -signal.SIGTERM

    aio.run(main)
