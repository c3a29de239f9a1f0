"""What threads and interpreters are kept busy with: children of all kinds, each checked.

Imported by scripts of tests.
"""

import asyncio
import contextlib
import random
import signal
import sys
import threading

from support import Aio, iterate, kill_and_wait, pattern, shell_output


def in_threads(functions):
    """Call each in a thread of its own, at once; the first exception of any is raised."""
    failures = []
    barrier = threading.Barrier(len(functions))

    def call(function):
        try:
            barrier.wait()
            function()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=call, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


# What to be busy with


async def a_burst(aio, rng):
    name = f"{rng.random()}"
    count = rng.randrange(5, 30)
    outputs = await asyncio.gather(
        *(shell_output(aio, 'echo "$1 $2"', name, str(i)) for i in range(count))
    )
    assert outputs == [f"{name} {i}\n".encode() for i in range(count)]


async def a_relay(aio, rng):
    data = pattern(rng.randrange(1, 1 << 18), rng.random())
    proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
    assert await proc.communicate(data) == (data, None)
    assert proc.returncode == 0


async def lines(aio, rng):
    count = rng.randrange(1, 500)
    proc = await aio.create_subprocess_exec("seq", str(count), stdout=aio.PIPE)
    assert [int(line) async for line in proc.stdout] == list(range(1, count + 1))
    assert await proc.wait() == 0


async def a_cancelled_create(aio, rng):
    task = asyncio.create_task(aio.create_subprocess_exec("sleep", "60", stdout=aio.PIPE))
    await iterate(rng.randrange(6))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await kill_and_wait(await task)


async def a_cancelled_communicate(aio, rng):
    proc = await aio.create_subprocess_shell("cat; exec sleep 60", stdin=aio.PIPE, stdout=aio.PIPE)
    task = asyncio.create_task(proc.communicate(b"x" * (1 << 17)))
    await iterate(rng.randrange(20))
    task.cancel()
    await asyncio.wait([task])
    proc.kill()
    assert (await proc.communicate())[0].strip(b"x") == b""
    assert proc.returncode == -signal.SIGKILL


async def a_kill_race(aio, rng):
    proc = await aio.create_subprocess_exec("true")
    await iterate(rng.randrange(10))
    with contextlib.suppress(ProcessLookupError):
        proc.kill()
    assert await proc.wait() in (0, -signal.SIGKILL)


async def a_failure(aio, rng):
    try:
        await aio.create_subprocess_exec("/nonexistent")
    except FileNotFoundError as error:
        assert error.filename == "/nonexistent"
    else:
        raise AssertionError


async def two_pipes(aio, rng):
    proc = await aio.create_subprocess_shell(
        "head -c 100000 /dev/zero; echo >&2 oops", stdout=aio.PIPE, stderr=aio.PIPE
    )
    assert await proc.communicate() == (bytes(100000), b"oops\n")


WITHOUT_STDIN = [a_burst, lines, a_kill_race, a_failure, two_pipes]
JOBS = [*WITHOUT_STDIN, a_relay]
if sys.version_info >= (3, 12):  # before, asyncio's CancelledError is that of another interpreter
    JOBS += [a_cancelled_create, a_cancelled_communicate]


async def some_jobs(aio, seed, rounds, jobs):
    """Several at a time, and others after them."""
    rng = random.Random(seed)
    for _ in range(rounds):
        await asyncio.gather(*(rng.choice(jobs)(aio, rng) for _ in range(12)))


def be_busy(seed, rounds=4, jobs=JOBS):
    """Run jobs on a fresh loop in this thread and interpreter."""
    aio = Aio("fastproc", "stdlib")
    aio.run(some_jobs(aio, seed, rounds, jobs), timeout=120)
