"""Calls that race with the exit of a child, in hundreds; thousands with FASTPROC_RACES."""

import asyncio
import contextlib
import os
import signal
import sys

import pytest
from support import children, iterate, until

every_path = pytest.mark.every_path
pytestmark = [
    pytest.mark.telling_paths("thread"),
    pytest.mark.one_loop("chance tells more than loops"),
]
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


@every_path
@pytest.mark.differs("asyncio", "it may take away the status", when=sys.version_info < (3, 13))
def test_kill_races_with_the_exit(aio):
    async def main():
        for n in range(60):
            proc = await aio.create_subprocess_exec("true")
            await iterate(n % 10)
            try:
                proc.kill()
            except ProcessLookupError:
                assert proc.returncode is not None
            assert await proc.wait() in (0, -signal.SIGKILL)

    aio.run(main)


RACES = int(os.environ.get("FASTPROC_RACES", "400"))


@every_path
@pytest.mark.only_paths("thread")
@pytest.mark.differs("uvloop", "is slow with many")
def test_burst_of_five_hundred_cancelled_half_way(aio):
    """When half of them have come: those are whole, of the others nothing is left."""

    async def main():
        before, come = children(), 0

        async def create():
            nonlocal come
            proc = await aio.create_subprocess_exec("/bin/true")
            come += 1
            return proc

        tasks = [asyncio.create_task(create()) for _ in range(500)]
        await until(lambda: come >= 250)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        procs = [result for result in results if isinstance(result, aio.Process)]
        assert len(procs) >= 250
        if aio.is_fastproc:
            assert len(procs) < 400
        assert all(isinstance(r, (aio.Process, asyncio.CancelledError)) for r in results)
        assert await asyncio.gather(*(proc.wait() for proc in procs)) == [0] * len(procs)
        await until(lambda: children().keys() <= before.keys())

    aio.run(main)


@pytest.mark.differs("asyncio", "it may take away the status")
def test_races_of_kill_communicate_and_the_exit(aio):
    """FASTPROC_RACES of them: 10,000 in the long run."""

    async def race(n):
        if n % 3 == 0:
            proc = await aio.create_subprocess_exec("cat", **PIPES)
        else:
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", ": $0", str(n), **PIPES)
        talk = asyncio.ensure_future(proc.communicate(bytes(n % 100_000)))
        await iterate(n % 11)
        killed = n % 2 == 0
        if killed:
            with contextlib.suppress(ProcessLookupError):
                (proc.kill, proc.terminate, proc._transport.close)[n % 5 % 3]()
        if n % 7 == 0:
            talk.cancel()
            await asyncio.wait([talk])
            with contextlib.suppress(ProcessLookupError):
                proc.kill()
            talk = proc.communicate()
        elif n % 7 == 1:
            await proc.wait() if killed or n % 3 else None
        await talk
        assert proc.returncode in (0, -signal.SIGKILL, -signal.SIGTERM)
        with pytest.raises(ProcessLookupError):
            proc.kill()

    async def main():
        numbers = iter(range(RACES))

        async def worker():
            for n in numbers:
                await race(n)

        await asyncio.gather(*(worker() for _ in range(12)))

    aio.run(main, timeout=30 + RACES / 20)
