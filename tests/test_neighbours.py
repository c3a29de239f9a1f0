"""Other children of the same process: of os.fork, multiprocessing, Popen and asyncio itself."""

import asyncio
import concurrent.futures
import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import subprocess
import sys

import pytest
from support import busy_pollers, finish, kill_and_wait, pipe, running, shell_output, until

PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


@pytest.mark.every_path
@pytest.mark.may_warn("use of fork")
@pytest.mark.parametrize("status", [0, -signal.SIGKILL])
def test_a_forked_process_that_lives_on_hides_no_exit(aio, status):
    """It has copies of all descriptors, also of those that report a child's exit."""
    aio.uvloop_differs("does not survive a fork")

    async def main():
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", "read line", stdin=aio.PIPE)
        with pipe() as (hold, release):
            forked = os.fork()
            if forked == 0:
                release.close()
                hold.read(1)
                os._exit(0)
            if status:
                proc.kill()
            else:
                proc.stdin.write(b"go on\n")
            assert await proc.wait() == status
            await finish(proc)
            release.close()
            assert os.waitpid(forked, 0) == (forked, 0)

    aio.run(main)


@pytest.mark.may_warn("use of fork")
def test_copies_in_a_forked_process_keep_no_loop_busy(aio):
    """Of a pipe that is closed here, whose events are nobody's any more."""
    aio.uvloop_differs("does not survive a fork")

    async def main():
        async with running(
            aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE
        ):  # so that there is a poller
            script = "read line; echo line"
            pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **pipes)
            with pipe() as (hold, release):
                forked = os.fork()
                if forked == 0:
                    release.close()
                    hold.read(1)
                    os._exit(0)
                proc._transport.get_pipe_transport(1).close()
                proc.stdin.write(b"go on\n")
                assert await proc.wait() == 0  # it could write, as the copy is open
                await until(lambda: not busy_pollers())
                await finish(proc)
                release.close()
                assert os.waitpid(forked, 0) == (forked, 0)

    aio.run(main)


def work(n):
    """In a worker of multiprocessing, which has children of its own."""
    out = subprocess.check_output(["/bin/sh", "-c", f"echo {n}"])
    return os.getpid(), out


def work_with_asyncio(n):
    """The same by asyncio, on a new loop."""
    import _fastproc

    async def main():
        pipes = {"stdin": _fastproc.PIPE, "stdout": _fastproc.PIPE}
        proc = await _fastproc.create_subprocess_exec("cat", **pipes)
        return (await proc.communicate(b"%d\n" % n))[0]

    return os.getpid(), asyncio.run(main())


@pytest.mark.may_warn("use of fork")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_multiprocessing_beside_live_children(aio, method):
    """In both directions: its workers run children, and ours live through all of it."""
    aio.uvloop_differs("does not survive a fork", when=method == "fork")
    if method == "spawn":
        aio.oracle_differs("slow; the point is ours")
        if aio.on_uvloop:
            pytest.skip("slow; one loop is enough")

    async def main():
        async with running(aio, "cat", **PIPES) as proc:
            context = multiprocessing.get_context(method)
            loop = asyncio.get_running_loop()
            with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
                jobs = [loop.run_in_executor(pool, work, n) for n in range(4)]
                jobs += [loop.run_in_executor(pool, work_with_asyncio, n) for n in range(4)]
                ours = [shell_output(aio, f"echo {n}") for n in range(8)]
                results, outputs = await asyncio.gather(
                    asyncio.gather(*jobs), asyncio.gather(*ours)
                )
            assert [out for _, out in results] == [b"%d\n" % n for n in range(4)] * 2
            assert os.getpid() not in {pid for pid, _ in results}
            assert outputs == [b"%d\n" % n for n in range(8)]
            proc.stdin.write(b"alive\n")
            assert await proc.stdout.readline() == b"alive\n"

    aio.run(main)
    multiprocessing.resource_tracker._resource_tracker._stop()  # else it lives as long as we do


@pytest.mark.may_warn("use of fork")
def test_a_worker_that_inherits_live_children_and_is_killed_or_ends_leaves_them_alone(aio):
    """multiprocessing ends a worker by os._exit() after its finalizers: nothing of ours is among them."""
    aio.uvloop_differs("does not survive a fork")

    async def main():
        async with running(aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE) as proc:
            context = multiprocessing.get_context("fork")
            for ending in (sys.exit, os.abort, lambda: os.kill(os.getpid(), signal.SIGTERM)):
                worker = context.Process(target=quietly, args=(ending,))
                worker.start()
                await until(lambda: worker.exitcode is not None)  # noqa: B023
                worker.close()
                proc.stdin.write(b"alive\n")
                assert await proc.stdout.readline() == b"alive\n"
            assert proc.returncode is None

    aio.run(main)


def quietly(ending):
    import faulthandler
    import resource

    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ending()


@pytest.mark.may_warn("use of fork")
def test_all_kinds_of_children_at_once_each_get_their_own_status(aio):
    aio.uvloop_differs("takes the children of others", when=sys.version_info < (3, 12))

    async def ours(create, n):
        proc = await create("/bin/sh", "-c", f"cat >&2; exit {n}", **PIPES)
        _, err = await proc.communicate(b"%d" % n)
        assert (err, proc.returncode) == (b"%d" % n, n)

    async def popen(n):
        child = subprocess.Popen(["/bin/sh", "-c", f"exit {n}"])
        while child.poll() is None:
            await asyncio.sleep(0.001)
        assert child.returncode == n

    async def forked(n):
        pid = os.fork()
        if pid == 0:
            os._exit(n)
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            await asyncio.sleep(0.001)

    async def killed(create, n):
        proc = await create("cat", stdin=asyncio.subprocess.PIPE)
        await kill_and_wait(proc)
        assert proc.returncode == -signal.SIGKILL

    async def main():
        creates = aio.create_subprocess_exec, asyncio.create_subprocess_exec
        jobs = [job(create, n) for n in range(8) for create in creates for job in (ours, killed)]
        jobs += [popen(n) for n in range(8)]
        if not aio.on_uvloop:  # which does not survive a fork
            jobs += [forked(n) for n in range(8)]
        await asyncio.gather(*jobs)

    aio.run(main)
