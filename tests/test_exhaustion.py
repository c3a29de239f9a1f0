"""Too few descriptors or processes: an OSError of that call, nothing left, and the loop goes on."""

import asyncio
import errno
import os
import sys

import pytest
from support import LINUX, Holdings, free_descriptors, iterate, output_of, running

every_path = pytest.mark.every_path
pytestmark = [
    pytest.mark.skipif(not LINUX, reason="looks into /proc"),
    pytest.mark.telling_paths("fork", "pidfd", "thread"),
    pytest.mark.one_loop("the steps of a create call are no matter of the loop"),
]
linux = pytest.mark.skipif(not LINUX, reason="looks into /proc")
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


@pytest.mark.every_path
@linux
@pytest.mark.parametrize("loop_is", ["fresh", "in-use"])
@pytest.mark.parametrize("kwds", [{}, {"preexec_fn": lambda: None}], ids=["plain", "preexec"])
@pytest.mark.differs("asyncio", "it may leave a child or a pipe")
def test_no_descriptor_left_at_any_step(aio, loop_is, kwds):
    """With 0, 1, 2... descriptors to be had, until create succeeds: each step fails once."""

    async def main(free):
        if loop_is == "fresh":
            return await attempt(free)
        async with running(aio, "sleep", "60"):
            return await attempt(free)

    async def attempt(free):
        before = Holdings()
        try:
            with free_descriptors(free):
                proc = await aio.create_subprocess_exec("cat", **PIPES, **kwds)
        except OSError as error:
            assert error.errno == errno.EMFILE
            await iterate(3)
            news = before.news()
            news.pop("closed descriptors", None)  # of which a hub has some only to be quicker
            assert not news
            assert await output_of(aio, "echo", "works") == b"works\n"
            return False
        assert (await proc.communicate(b"x"))[0] == b"x"
        return True

    failures = 0
    while not aio.run(main(failures)):
        failures += 1
        assert failures < 50
    assert failures >= 4, "three pipes have six ends; two may be got by closing an idle socket pair"


NO_PROCESSES = """
    import resource
    root = os.geteuid() == 0
    if root:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    async def main(limit):
        await iterate(3)
        before = Holdings()
        resource.setrlimit(resource.RLIMIT_NPROC, (limit, hard))
        try:
            proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        except OSError as error:
            assert isinstance(error, BlockingIOError), error
            await iterate(3)
            left = before.news()  # uvloop itself keeps /dev/null
            assert not left or not aio.is_fastproc and set(left) == {"descriptors"}, left
            return False
        finally:
            resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
        assert (await proc.communicate(b"x"))[0] == b"x"
        return True
    # As a user of its own it starts with no process at all, so that one more is one more step.
    limits = range(20) if root else [0]
    results = [aio.run(main(limit)) for limit in limits]
    assert not results[0], results
    assert results == sorted(results), results
    if root:
        assert results[-1]
    assert aio.run(main(soft))
"""


@pytest.mark.every_path
@linux
@pytest.mark.differs("asyncio", "its watcher has threads", when=sys.version_info < (3, 12))
def test_no_process_left_at_any_step(aio):
    aio.script(NO_PROCESSES)


@linux
@pytest.mark.parametrize("free", [5, 12, 40])
@every_path
@pytest.mark.only_paths("fork", "thread")
@pytest.mark.differs("asyncio", "it may leave a child or a pipe")
def test_burst_with_too_few_descriptors(aio, free):
    """Each create works or says why not, the loop lives, and everything comes back."""

    async def one(n):
        if n % 7 == 0:
            proc = await aio.create_subprocess_exec("/nowhere", **PIPES)
        proc = await aio.create_subprocess_exec("cat", **PIPES)
        await iterate(n % 5)
        assert (await proc.communicate(b"x"))[0] == b"x"
        return proc.returncode

    async def main():
        async with running(aio, "sleep", "60"):  # the loop is in use
            before = Holdings()
            with free_descriptors(free):
                results = await asyncio.gather(*map(one, range(80)), return_exceptions=True)
                assert all(type(r) in (int, OSError, FileNotFoundError) for r in results), results
                failures = [r for r in results if type(r) is OSError]
                assert {r.errno for r in failures} <= {errno.EMFILE}
                if free < 10:  # what one cat needs while it is started
                    assert failures
                else:  # one after the other there is room
                    assert await one(1) == 0
            await iterate(3)
            assert not (before.news() and before.settled())
            assert await output_of(aio, "echo", "works") == b"works\n"

    aio.run(main)


@linux
@every_path
@pytest.mark.only_paths("fork", "thread")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user of its own")
@pytest.mark.differs("asyncio", "its watcher has threads, or leaves pipes")
def test_burst_with_too_few_processes(aio):
    aio.script(
        """
        import resource
        uid = 61_000 + os.getpid() % 4000  # who has no process yet
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        pipes = dict(stdin=aio.PIPE, stdout=aio.PIPE, stderr=aio.PIPE)

        async def one(n):
            hook = dict(preexec_fn=int) if n % 9 == 0 else {}
            proc = await aio.create_subprocess_exec("cat", **pipes, **hook)
            await iterate(n % 40)
            assert (await proc.communicate(b"x"))[0] == b"x"
            return proc.returncode

        async def main():
            async with running(aio, "sleep", "60"):
                before = Holdings()
                resource.setrlimit(resource.RLIMIT_NPROC, (8, hard))
                results = await asyncio.gather(*map(one, range(60)), return_exceptions=True)
                resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
                assert {type(r) for r in results} == {int, BlockingIOError}, results
                await iterate(3)
                left = before.settled() if before.news() else {}
                kept = left.pop("descriptors", {})  # the sockets of a hub, for its next children
                assert all(what.startswith("socket:") for what in kept.values()), kept
                assert not left, left
                assert await output_of(aio, "echo", "works") == b"works\\n"

        aio.run(main)
        """
    )
