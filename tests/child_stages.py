"""Children that are kept at one stage of their life, for whatever may end there.

Imports no pytest, for scripts.  Each function starts children on the running loop, leaves them at
its stage, and returns a coroutine function that lets them go on to their end; what its attribute
`meanwhile` does is to be done while the loop stands still.
"""

import asyncio
import contextlib
import os
import signal
import time

from support import children, exited, iterate, state, until, until_blocking

PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


def long_search():
    """An environment in which a search for a program takes some 20 ms; up to 0.2 s where a call is slow."""
    begin = time.perf_counter()
    for _ in range(20):
        with contextlib.suppress(FileNotFoundError):
            os.execv("/x/program", ["program"])
    each = (time.perf_counter() - begin) / 20  # of which most is Python's, on a quick machine
    tries = min(30_000, int(0.2 / each))
    return {"PATH": ":".join(["/x"] * tries + ["/bin", "/usr/bin"])}


LONG_SEARCH = long_search()


async def freeze(aio, program="cat"):
    """(task of a create call, pid), stopped by a signal between clone and exec."""
    while True:
        others = children()
        create = aio.create_subprocess_exec(program, **PIPES, env=LONG_SEARCH)
        task = asyncio.create_task(create)
        await asyncio.sleep(0)
        (pid,) = children().keys() - others.keys()
        os.kill(pid, signal.SIGSTOP)
        until_blocking(lambda: state(pid) in "TZ")  # noqa: B023
        if state(pid) == "T" and os.readlink(f"/proc/{pid}/exe") == os.readlink("/proc/self/exe"):
            return task, pid
        os.kill(pid, signal.SIGKILL)  # it was too fast
        await asyncio.wait([task])
        if task.exception() is None:
            await task.result().communicate()


async def talk(proc):
    assert (await proc.communicate(b"x"))[0] == b"x"
    assert proc.returncode == 0


async def starting(aio):
    task, pid = await freeze(aio)

    async def go_on():
        os.kill(pid, signal.SIGCONT)
        await talk(await task)

    return go_on


async def queued(aio):
    frozen = [await freeze(aio) for _ in range(aio.core.machine()["gate"])]
    before = children()
    tasks = [asyncio.create_task(aio.create_subprocess_exec("cat", **PIPES)) for _ in range(3)]
    await iterate(3)
    assert children().keys() == before.keys()

    async def go_on():
        for _, pid in frozen:  # first: each holds copies of what was open when it began
            os.kill(pid, signal.SIGCONT)
        for task in [task for task, _ in frozen] + tasks:
            await talk(await task)

    return go_on


async def failing(aio):
    """Could not exec, has exited, and the loop does not know."""
    task, pid = await freeze(aio, "there-is-no-such-program")

    async def go_on():
        try:
            await task
        except FileNotFoundError:
            return
        raise AssertionError("was found")

    def meanwhile():
        os.kill(pid, signal.SIGCONT)
        until_blocking(lambda: exited(pid))

    go_on.meanwhile = meanwhile
    return go_on


async def live(aio):
    proc = await aio.create_subprocess_exec("cat", **PIPES)
    proc.stdin.write(bytes(1 << 20))
    tasks = [asyncio.create_task(coro) for coro in (proc.wait(), proc.stdin.drain())]
    await iterate(2)

    async def go_on():
        proc.stdin.close()
        assert len(await proc.stdout.read()) == 1 << 20
        assert await asyncio.gather(*tasks) == [0, None]

    return go_on


async def unnoticed(aio):
    """Has exited, and the loop does not know."""
    script = "read go; echo out; exit 3"
    proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **PIPES)
    waiting = asyncio.create_task(proc.wait())
    await asyncio.sleep(0)

    async def go_on():
        assert await proc.communicate() == (b"out\n", b"")
        assert await waiting == 3

    def meanwhile():
        proc.stdin.write(b"go\n")  # at once: the pipe is empty
        until_blocking(lambda: exited(proc.pid))

    go_on.meanwhile = meanwhile
    return go_on


async def pipes_open(aio):
    """Has exited, is reaped, and a grandchild has its pipes."""
    script = "exec 3<&0; cat <&3 & exit 3"
    proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **PIPES)
    reading = asyncio.create_task(proc.stdout.read())
    await until(lambda: proc.returncode == 3)

    async def go_on():
        proc.stdin.write(b"late\n")
        proc.stdin.close()
        assert await reading == b"late\n"

    return go_on


def begin(aio, stage):
    """(a loop that is not running, what lets its children go on)"""
    loop = aio.new_loop()
    go_on = loop.run_until_complete(STAGES[stage](aio))
    if hasattr(go_on, "meanwhile"):
        go_on.meanwhile()
    return loop, go_on


STAGES = {f.__name__: f for f in (queued, starting, failing, live, unnoticed, pipes_open)}
