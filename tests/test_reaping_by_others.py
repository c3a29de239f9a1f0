"""Statuses that somebody else takes, and SIGCHLD ignored, handled or blocked."""

import asyncio
import contextlib
import os
import signal
import sys

import pytest
from support import (
    LINUX,
    finish,
    shell_output,
    until,
)

import _fastproc

pytestmark = [pytest.mark.every_path, pytest.mark.telling_paths("fork", "pidfd", "thread")]
linux = pytest.mark.skipif(not LINUX, reason="looks into /proc")
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


UNKNOWN = pytest.mark.may_warn("hild process pid .* will report returncode 255")


def unknown_child(aio, pid):
    """What is logged for it; the words of asyncio's own pidfd watcher are others."""
    if aio.is_fastproc or sys.version_info < (3, 12):
        return f"Unknown child process pid {pid}, will report returncode 255"
    return f"child process pid {pid} exit status already read:  will report returncode 255"


def logged(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "asyncio"]


@UNKNOWN
@pytest.mark.differs("asyncio", "its thread is faster", when=sys.version_info < (3, 12))
@pytest.mark.differs("uvloop", "hangs")
def test_stolen_status(aio, caplog):
    async def main():
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
        try:
            os.waitpid(proc.pid, 0)
            stolen = True
        except ChildProcessError:
            stolen = False  # a waiter thread was faster
        return proc.pid, stolen, await proc.wait()

    pid, stolen, status = aio.run(main)
    if not stolen or aio.knows_stolen_status:
        assert (status, logged(caplog)) == (7, [])
    else:
        assert (status, logged(caplog)) == (255, [unknown_child(aio, pid)])


@UNKNOWN
@pytest.mark.differs("asyncio", "hangs, or signals the process that has the pid now")
def test_stolen_status_of_a_killed_child(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        proc.terminate()
        try:
            os.waitpid(proc.pid, 0)
            expected = -signal.SIGTERM if aio.knows_stolen_status else 255
        except ChildProcessError:
            expected = -signal.SIGTERM
        assert await proc.wait() == expected
        with pytest.raises(ProcessLookupError):
            proc.kill()
        await finish(proc)

    aio.run(main)


@UNKNOWN
@pytest.mark.differs("uvloop", "hangs")
def test_status_wanted_by_two_threads_never_hangs(aio):
    def steal(pid):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)

    async def main():
        for _ in range(20):
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
            stealing = asyncio.to_thread(steal, proc.pid)
            status, _ = await asyncio.gather(proc.wait(), stealing)
            assert status in ((7,) if aio.knows_stolen_status else (7, 255))

    aio.run(main)


@pytest.mark.differs("asyncio", "create fails when the child is gone by then")
def test_thread_that_reaps_everything(aio):
    aio.script(f"""
        import logging, threading
        logging.disable()
        def reap():
            while not done:
                try:
                    os.waitpid(-1, 0)
                except ChildProcessError:
                    pass
        async def main():
            procs = [await aio.create_subprocess_exec("/bin/sh", "-c", f"exit {{n}}")
                     for n in range(30)]
            statuses = [await proc.wait() for proc in procs]
            wrong = [s for n, s in enumerate(statuses) if s not in (n, 255)]
            assert not wrong, wrong
            assert not {aio.knows_stolen_status} or statuses == list(range(30)), statuses
        done = False
        thread = threading.Thread(target=reap, daemon=True)
        thread.start()
        aio.run(main)
        done = True
        thread.join()
    """)


@pytest.fixture
def sigchld():
    """Sets SIGCHLD's disposition for one test."""
    old = signal.getsignal(signal.SIGCHLD)
    yield lambda handler: signal.signal(signal.SIGCHLD, handler)
    signal.signal(signal.SIGCHLD, old)


def test_ignored_sigchld_changes_nothing_in_what_the_machine_offers(sigchld, slow):
    machine = _fastproc._core.machine
    offered = machine()
    sigchld(signal.SIG_IGN)
    assert all(machine() == offered for _ in range(300 if slow else 50))


@UNKNOWN
@pytest.mark.differs("asyncio", "create fails when the child is gone by then")
def test_ignored_sigchld(aio, sigchld, caplog):
    sigchld(signal.SIG_IGN)

    async def main():
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", "echo x; exit 7", stdout=aio.PIPE)
        out, _ = await proc.communicate()
        assert out == b"x\n"
        return proc.pid, proc.returncode

    pid, status = aio.run(main)
    if aio.knows_stolen_status:
        assert (status, logged(caplog)) == (7, [])
    else:
        assert (status, logged(caplog)) == (255, [unknown_child(aio, pid)])


@pytest.mark.differs("uvloop", "sets its own handler")
def test_handled_sigchld(aio, sigchld):
    heard = []
    sigchld(lambda number, frame: heard.append(number))

    async def main():
        for _ in range(5):
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
            assert await proc.wait() == 7
        await until(lambda: heard)

    aio.run(main)


@linux
@pytest.mark.differs("uvloop", "needs the signal")
def test_blocked_sigchld(aio):
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        assert aio.run(shell_output(aio, "echo x")) == b"x\n"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
