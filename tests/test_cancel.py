"""Cancelling at every await point: nothing is left behind, nothing that was read is lost."""

import asyncio

import pytest
from support import (
    SLOWNESS,
    children,
    finish,
    iterate,
    kill_and_wait,
    pattern,
    pipe,
    running,
    silent_reader,
    until,
    until_reaped,
)

every_path = pytest.mark.every_path
pytestmark = pytest.mark.telling_paths("fork", "thread", "plain")
MIB = 1 << 20
STEPS = range(7)  # loop iterations between the start and the cancelling


async def cancelled_after(coro, steps, times=1):
    """(whether it was cancelled, its result) of a task cancelled after that many iterations."""
    task = asyncio.ensure_future(coro)
    await iterate(steps)
    for _ in range(times):
        task.cancel()
        await iterate(1)
    await asyncio.wait([task])
    return (True, None) if task.cancelled() else (False, task.result())


# create


CREATIONS = {
    "plain": {},
    "piped": {"stdin": -1, "stdout": -1, "stderr": -1},
    "preexec": {"preexec_fn": lambda: None, "stdout": -1},
}


@every_path
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("kind", list(CREATIONS))
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.differs("asyncio", "it gives up reaping", when=lambda times: times == 2)
def test_create(aio, steps, kind, times):
    async def main():
        creating = aio.create_subprocess_exec("sleep", "100", **CREATIONS[kind])
        cancelled, proc = await cancelled_after(creating, steps, times)
        if cancelled:
            await until_reaped()
        else:
            assert set(children()) == {proc.pid}
            await kill_and_wait(proc)
        await iterate(3)

    aio.run(main)


@every_path
def test_create_after_one_that_was_cancelled_while_others_are_on_their_way(aio):
    async def main():
        creating = [asyncio.create_task(cat()) for _ in range(12)]
        await iterate(1)
        creating.pop().cancel()
        await iterate(1)
        creating.append(asyncio.create_task(cat()))
        for proc in await asyncio.gather(*creating):
            assert await finish(proc) == 0
        await until_reaped()

    def cat():
        return aio.create_subprocess_exec("cat", stdin=aio.PIPE)

    aio.run(main)


@every_path
@pytest.mark.parametrize("steps", STEPS)
def test_create_of_a_program_that_does_not_exist(aio, steps):
    async def main():
        creating = aio.create_subprocess_exec("/nowhere", stdin=aio.PIPE, stdout=aio.PIPE)
        try:
            assert (await cancelled_after(creating, steps))[0]
        except FileNotFoundError:
            pass
        await until_reaped()

    aio.run(main)


@every_path
def test_create_cancelled_before_its_first_step_starts_nothing(aio, tmp_path):
    marker = tmp_path / "was-started"

    async def main():
        creating = asyncio.create_task(aio.create_subprocess_exec("touch", str(marker)))
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
        await iterate(5)
        assert not children()

    aio.run(main)
    assert not marker.exists()


@every_path
def test_create_in_a_burst_of_which_half_is_cancelled(aio):
    async def main():
        creating = [
            asyncio.create_task(aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE))
            for _ in range(60)
        ]
        for n, task in enumerate(creating):
            if n % 2:
                task.cancel()
            elif n % 8 == 0:
                await iterate(1)
        results = await asyncio.gather(*creating, return_exceptions=True)
        procs = [result for result in results if isinstance(result, aio.Process)]
        assert len(procs) >= 30
        assert all(isinstance(r, (aio.Process, asyncio.CancelledError)) for r in results)
        await until(lambda: children().keys() <= {proc.pid for proc in procs})
        for proc in procs:
            assert (await proc.communicate(b"still fine"))[0] == b"still fine"

    aio.run(main)


@every_path
def test_create_by_a_timeout_of_nothing(aio):
    async def main():
        for _ in range(10):
            with pytest.raises(TimeoutError):
                creating = aio.create_subprocess_exec("sleep", "100", stdin=aio.PIPE)
                await asyncio.wait_for(creating, 0)
        await until_reaped()

    aio.run(main)


# wait


@every_path
@pytest.mark.parametrize("steps", STEPS)
def test_wait(aio, steps):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            assert await cancelled_after(proc.wait(), steps, times=2) == (True, None)
            assert proc.returncode is None
            others = [asyncio.create_task(proc.wait()) for _ in range(2)]
            await cancelled_after(proc.wait(), steps)
            proc.stdin.close()
            assert [await other for other in others] == [0, 0]

    aio.run(main)


@every_path
@pytest.mark.parametrize("steps", STEPS)
def test_wait_while_the_child_exits(aio, steps):
    async def main():
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", "exit 3")
        cancelled, status = await cancelled_after(proc.wait(), steps)
        assert cancelled or status == 3
        assert await proc.wait() == 3

    aio.run(main)


# read


READS = {
    "read": ((), 6),
    "read-n": ((100,), None),
    "readline": ((), 6),
    "readuntil": ((b"#",), 6),
    "readexactly": ((20,), 6),
    "__anext__": ((), 6),
}


@pytest.mark.parametrize("kind", list(READS))
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.differs(
    "asyncio", "read() loses what it has collected", when=lambda kind: kind == "read"
)
def test_read_keeps_what_came(aio, kind, steps):
    method, args = kind.partition("-n")[0], READS[kind][0]

    async def main():
        async with silent_reader(aio) as reader:
            task = asyncio.ensure_future(getattr(reader, method)(*args))
            await iterate(1)
            if kind != "read-n":
                reader.feed_data(b"abc")
                await iterate(steps)
                reader.feed_data(b"def")
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            reader.feed_data(b"ghi\n")
            expected = b"ghi\n" if kind == "read-n" else b"abcdefghi\n"
            assert await reader.readline() == expected

    aio.run(main)


@pytest.mark.parametrize("method", ["read", "readline", "readexactly"])
def test_read_cancelled_in_the_iteration_in_which_data_comes(aio, method):
    """The wake-up is on its way already; what it announced stays for the next."""
    args = {"read": (4,), "readexactly": (4,)}.get(method, ())

    async def main():
        async with silent_reader(aio) as reader:
            task = asyncio.ensure_future(getattr(reader, method)(*args))
            await iterate(2)
            reader.feed_data(b"abc\n")
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert await reader.readline() == b"abc\n"

    aio.run(main)


def test_read_with_timeouts_all_the_time_loses_nothing(aio):
    data = pattern(400_000)

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE, limit=5000)
        proc.stdin.write(data)
        proc.stdin.close()
        pieces, n = [], 0
        while sum(map(len, pieces)) < len(data):
            n += 1
            reads = proc.stdout.read(1000), proc.stdout.readexactly(500)
            reads[(n + 1) % 2].close()
            try:
                cancelled, piece = await cancelled_after(reads[n % 2], n % 4)
            except asyncio.IncompleteReadError as error:
                cancelled, piece = False, error.partial
            pieces += [] if cancelled else [piece]
        assert b"".join(pieces) == data
        await finish(proc)

    aio.run(main)


def test_lines_with_timeouts_all_the_time_lose_nothing(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        lines, n = [], 0
        expected = [b"%d:%s\n" % (i, b"x" * (i % 50)) for i in range(2000)]
        proc.stdin.write(b"".join(expected))
        proc.stdin.close()
        while len(lines) < len(expected):
            n += 1
            cancelled, line = await cancelled_after(proc.stdout.readline(), n % 5)
            lines += [] if cancelled else [line]
        assert lines == expected
        await finish(proc)

    aio.run(main)


# drain


@pytest.mark.parametrize("steps", STEPS)
def test_drain(aio, steps):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.write(b"x" * 4 * MIB)
        other = asyncio.create_task(proc.stdin.drain())
        assert await cancelled_after(proc.stdin.drain(), steps, times=2) == (True, None)
        assert not other.done()
        proc.stdin.write(b"end")
        proc.stdin.close()
        assert await proc.stdout.read() == b"x" * 4 * MIB + b"end"
        assert await other is None
        await finish(proc)

    aio.run(main)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.differs("asyncio", "it cancels the future that all share")
def test_wait_closed(aio, steps):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.write(b"x" * 4 * MIB)
        proc.stdin.close()
        other = asyncio.create_task(proc.stdin.wait_closed())
        assert await cancelled_after(proc.stdin.wait_closed(), steps) == (True, None)
        assert await proc.stdout.read() == b"x" * 4 * MIB
        assert await other is None
        assert await proc.stdin.wait_closed() is None
        await finish(proc)

    aio.run(main)


# communicate


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("steps", STEPS)
def test_communicate(aio, steps, times):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        async with running(aio, "sleep", "100", **pipes) as proc:
            talk = proc.communicate(bytes(MIB))
            assert await cancelled_after(talk, steps, times) == (True, None)
            assert proc.returncode is None

    aio.run(main)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.differs("asyncio", "what was read is lost")
def test_communicate_that_has_read_something(aio, steps):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        with pipe() as (hold, release):
            fd = hold.fileno()
            script = f"echo early; echo error >&2; read x </dev/fd/{fd}; echo late"
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **pipes, pass_fds=[fd])
            assert await cancelled_after(proc.communicate(b""), steps) == (True, None)
            release.write(b"go\n")
            assert await proc.communicate() == (b"early\nlate\n", b"error\n")

    aio.run(main)


@every_path
@pytest.mark.differs("asyncio", "what was read is lost")
def test_communicate_then_kill_as_the_manual_says(aio):
    async def main():
        script = "echo before; exec sleep 100"
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, stdout=aio.PIPE)
        try:
            await asyncio.wait_for(proc.communicate(), 0.05 * SLOWNESS)
        except TimeoutError:
            proc.kill()
        out, _ = await proc.communicate()
        assert (out, proc.returncode) == (b"before\n", -9)

    aio.run(main)


# All at once


@every_path
def test_task_that_is_cancelled_anywhere_in_its_life(aio):
    async def life():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        try:
            for _ in range(3):
                proc.stdin.write(b"line\n")
                await proc.stdin.drain()
                await proc.stdout.readline()
            await proc.communicate(b"rest")
        except asyncio.CancelledError:
            await kill_and_wait(proc)
            raise

    async def main():
        for steps in range(40):
            await cancelled_after(life(), steps)
        await until_reaped()

    aio.run(main)


@pytest.mark.parametrize("message", [("a", "b"), (), asyncio.CancelledError("z"), "text", None])
def test_message_of_a_cancellation_stays_what_it_is(aio, message):
    async def main():
        async with running(aio, "sleep", "60", stdout=aio.PIPE) as proc:
            for coro in (proc.wait(), proc.stdout.read()):
                task = asyncio.ensure_future(coro)
                await iterate(2)
                task.cancel(message)
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
                assert caught.value.args == (() if message is None else (message,))

    aio.run(main)
