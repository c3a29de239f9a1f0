"""Many children and much data."""

import asyncio
import gc
import os
import resource
import subprocess
import sys

import pytest
from support import (
    Holdings,
    children,
    descriptors,
    exited,
    finish,
    iterate,
    pattern,
    pipe,
    resident,
    threads,
    until,
    until_blocking,
)

pytestmark = pytest.mark.one_loop("numbers tell more than loops")


MIB = 1 << 20


@pytest.mark.parametrize("count", [1, 2])
def test_twelve_start_at_a_time_for_each_of_two_processors(count):
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < count:
        pytest.skip("fewer processors, or none can be chosen")
    script = f"""if True:
        import os
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{count}])
        import _fastproc
        print(_fastproc._core.machine()["gate"])
    """
    # Containers may allow less time than one processor has.
    told = int(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE).stdout)
    assert told in {12 * n for n in range(1, count + 1)}


@pytest.fixture
def many_descriptors():
    """Room for three descriptors for each of a thousand children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 5000
    if hard not in (resource.RLIM_INFINITY,) and hard < wanted:
        pytest.skip(f"only {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("spawn", ["clone", "vfork", "fork"])
@pytest.mark.differs("asyncio", "starts all at once")
def test_fewer_start_at_a_time_where_a_start_suspends_the_loop(aio, spawn, many_descriptors):
    machine = aio.core.machine()
    if machine["spawn"] != "clone":
        pytest.skip("each start does here")

    async def main():
        creating = [
            asyncio.ensure_future(aio.create_subprocess_exec("true"))
            for _ in range(2 * machine["gate"])
        ]
        await asyncio.sleep(0)
        assert len(children()) == machine["gate" if spawn == "clone" else "narrow_gate"]
        for proc in await asyncio.gather(*creating):
            assert await proc.wait() == 0

    aio.core.configure(spawn=spawn)
    aio.run(main)


@pytest.mark.differs("uvloop", "is slow with many")
def test_thousand_children_at_once(aio, many_descriptors):
    async def main():
        before = threads()
        create = aio.create_subprocess_exec
        creating = (create("cat", stdin=aio.PIPE, stdout=aio.PIPE) for _ in range(1000))
        procs = await asyncio.gather(*creating)
        assert len({proc.pid for proc in procs}) == 1000 == len(children())
        if aio.is_fastproc:
            assert threads() <= before  # an earlier one of asyncio may end meanwhile
        for n, proc in enumerate(procs):
            proc.stdin.write(b"%d\n" % n)
        lines = await asyncio.gather(*(proc.stdout.readline() for proc in procs))
        assert lines == [b"%d\n" % n for n in range(1000)]
        for proc in procs:
            proc.stdin.close()
        assert await asyncio.gather(*(proc.wait() for proc in procs)) == [0] * 1000
        for proc in procs:
            await finish(proc)
        assert not children()

    aio.run(main, timeout=120)


@pytest.mark.every_path
@pytest.mark.telling_paths("thread")
@pytest.mark.differs("uvloop", "keeps some descriptors for later")
def test_nothing_is_open_between_children(aio):
    """Looked at from inside the running loop."""

    async def settled(before):
        await until(lambda: not before.news())

    async def main():
        before = Holdings()
        for kwds in ({}, {"stdout": aio.PIPE}, {"stdin": aio.PIPE, "stderr": aio.PIPE}) * 2:
            proc = await aio.create_subprocess_exec("true", **kwds)
            await proc.communicate()
            await settled(before)
        with pytest.raises(FileNotFoundError):
            await aio.create_subprocess_exec("/no/such/program")
        await settled(before)
        with pytest.raises(ValueError):
            await aio.create_subprocess_exec("true", "a\0b")
        assert not before.news()
        procs = [await aio.create_subprocess_exec("sleep", "60") for _ in range(3)]
        for proc in procs:
            proc.kill()
            await proc.wait()
        await settled(before)
        # A pipe that a grandchild holds, closed when the child has long exited.
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
        proc = await aio.create_subprocess_exec("sh", "-c", "exec 3<&0; cat <&3 &", **pipes)
        await until(lambda: proc.returncode == 0)
        await iterate(3)
        proc._transport.close()
        await settled(before)

    aio.run(main)


@pytest.mark.differs("uvloop", "keeps more")
def test_a_kept_process_is_small(aio):
    """Whatever it needed of its loop goes with that."""

    async def one():
        proc = await aio.create_subprocess_exec("head", "-c60000", "/dev/zero", stdout=aio.PIPE)
        assert len((await proc.communicate())[0]) == 60_000
        return proc

    kept = [aio.run(one) for _ in range(20)]
    before = resident()
    kept += [aio.run(one) for _ in range(100)]
    assert resident() - before < 100 * 20_000
    kept.clear()
    gc.collect()


@pytest.mark.every_path
@pytest.mark.telling_paths("thread")
@pytest.mark.differs("asyncio", "wait() may wait for the pipes")
def test_a_paused_pipe_is_read_on_after_everything_else_has_ended(aio):
    async def main():
        before = Holdings()
        proc = await aio.create_subprocess_exec("seq", "99", stdout=aio.PIPE, limit=10)
        assert await proc.wait() == 0
        await iterate(5)
        assert len(before.news()["descriptors"]) == 1
        assert await proc.stdout.read() == b"".join(b"%d\n" % n for n in range(1, 100))
        await iterate(3)
        assert not before.news()

    aio.run(main)


@pytest.mark.differs("asyncio", "slow; the point is ours")
@pytest.mark.not_on("uvloop", "one loop is enough")
def test_thousands_in_a_row_take_no_more_than_the_first(aio, slow):
    async def some(count):
        for _ in range(count):
            proc = await aio.create_subprocess_exec("/bin/true")
            assert await proc.wait() == 0

    async def main():
        await some(2000 if slow else 500)
        gc.collect()
        before, memory = Holdings(), resident()
        await some(18_000 if slow else 1000)
        gc.collect()
        assert not before.news()
        assert resident() - memory < (2 * MIB if slow else MIB // 4)

    aio.run(main, timeout=200)


@pytest.mark.differs("asyncio", "slow; the point is ours")
def test_a_thousand_with_pipes_in_a_row_leave_nothing(aio):
    async def some(count):
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        for _ in range(count):
            proc = await aio.create_subprocess_exec("cat", **pipes)
            assert await proc.communicate(b"x" * 1000) == (b"x" * 1000, b"")

    async def main():
        await some(200)
        gc.collect()
        fds, memory = descriptors(), resident()
        await some(800)
        gc.collect()
        assert descriptors() == fds
        assert resident() - memory < 2 * MIB

    aio.run(main)


@pytest.mark.differs("uvloop", "the same pipes as asyncio's, once is enough")
def test_a_quarter_gibibyte_both_ways_with_noise_beside_it(aio, slow):
    """Each block is the pattern with its number in front: any byte lost or moved is seen."""
    block, blocks = MIB, 256 if slow else 64
    body = pattern(block - 8)

    def numbered(n):
        return n.to_bytes(8, "big") + body

    async def write(writer):
        for n in range(blocks):
            writer.write(numbered(n))
            await writer.drain()
        writer.close()

    async def read(reader):
        for n in range(blocks):
            assert await reader.readexactly(block) == numbered(n)
        assert await reader.read() == b""

    async def listen(reader):
        heard = 0
        while noise := await reader.read(1 << 16):
            assert noise.strip(b"noise\n") == b""
            heard += len(noise)
        return heard

    async def main():
        script = "yes noise | head -c 67108864 >&2 & cat; wait"
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **pipes)
        jobs = write(proc.stdin), read(proc.stdout), listen(proc.stderr)
        _, _, heard = await asyncio.gather(*jobs)
        assert heard == 64 * MIB
        assert await finish(proc) == 0

    aio.run(main, timeout=120)


@pytest.mark.differs("asyncio", "slow; the point is ours")
def test_communicate_with_a_quarter_gibibyte(aio, slow):
    data = pattern((256 if slow else 64) * MIB)

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        out, _ = await proc.communicate(data)
        assert out == data

    aio.run(main, timeout=120)


@pytest.mark.differs("asyncio", "starts them all in one iteration")
def test_burst_keeps_the_loop_live(aio, many_descriptors):
    """The children of a burst are spread over many iterations of the loop, not started in one."""
    beats = 0

    async def heart():
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    async def main():
        beating = asyncio.create_task(heart())
        creating = (aio.create_subprocess_exec("/bin/true") for _ in range(500))
        procs = await asyncio.gather(*creating)
        during = beats
        assert await asyncio.gather(*(proc.wait() for proc in procs)) == [0] * 500
        beating.cancel()
        return during

    assert aio.run(main, timeout=60) >= 50


@pytest.mark.every_path
@pytest.mark.telling_paths("thread")
@pytest.mark.differs("asyncio", "may handle all in one iteration")
def test_exits_at_once_leave_the_loop_to_others(aio, many_descriptors):
    """However many children have exited, an iteration of the loop handles a bounded number."""
    count, bound = 300, 64

    async def main():
        with pipe() as (theirs, ours):
            creating = (aio.create_subprocess_exec("cat", stdin=theirs) for _ in range(count))
            procs = await asyncio.gather(*creating)
            waiting = [asyncio.create_task(proc.wait()) for proc in procs]
            await iterate(3)
            ours.close()
            until_blocking(lambda: all(exited(proc.pid) for proc in procs))
        told, most = 0, 0
        while told < count:
            await asyncio.sleep(0)
            now = sum(proc.returncode is not None for proc in procs)
            told, most = now, max(most, now - told)
        assert 0 < most <= bound
        assert await asyncio.gather(*waiting) == [0] * count

    aio.run(main, timeout=60)
