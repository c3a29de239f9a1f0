"""Children that misbehave: stopped, deaf to signals, daemons, endless output, dead at once."""

import asyncio
import os
import re
import signal
import sys

import pytest
from support import (
    LINUX,
    Holdings,
    finish,
    iterate,
    kill_and_wait,
    output_of,
    running,
    state,
    until,
)

linux = pytest.mark.skipif(not LINUX, reason="looks into /proc")
every_path = pytest.mark.every_path
pytestmark = pytest.mark.telling_paths("thread")
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}
MIB = 1 << 20


@every_path
@linux
def test_stopped_child_has_not_exited_and_can_be_killed(aio):
    """However often it is stopped; not even by itself, nor when the loop is closed."""

    async def main():
        script = "kill -STOP $$; read line"
        async with running(aio, "/bin/sh", "-c", script, stdin=aio.PIPE, stdout=aio.PIPE) as proc:
            waiting = asyncio.create_task(proc.wait())
            for _ in range(3):
                await until(lambda: state(proc.pid) == "T")
                await iterate(5)
                assert proc.returncode is None and not waiting.done()
                proc.send_signal(signal.SIGCONT)
                await until(lambda: state(proc.pid) != "T")
                proc.send_signal(signal.SIGSTOP)
            await until(lambda: state(proc.pid) == "T")
            proc.terminate()  # is not heard by who is stopped
            await iterate(5)
            assert state(proc.pid) == "T" and not waiting.done()
            proc.kill()
            assert await waiting == -signal.SIGKILL

    aio.run(main)


@every_path
@pytest.mark.only_paths("thread")
def test_child_that_hears_no_signal_but_kill(aio):
    async def main():
        script = "trap '' TERM INT HUP; echo ready; while :; do read x || sleep 0.01; done"
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **PIPES)
        assert await proc.stdout.readline() == b"ready\n"
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            proc.send_signal(number)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(proc.wait(), 0.05)
        proc.stdin.write(bytes(MIB))
        await kill_and_wait(proc)
        assert proc.returncode == -signal.SIGKILL

    aio.run(main)


@every_path
@pytest.mark.only_paths("thread")
@linux
@pytest.mark.parametrize("leave", ["setsid()", "setpgid(0, 0)"])
def test_child_that_leaves_its_session_or_group(aio, leave):
    """It is ours all the same: heard, signalled, waited for."""
    program = f"import os, sys; os.{leave}; print(os.getpgrp()); sys.stdout.flush(); input()"

    async def main():
        for number in signal.SIGTERM, None:
            proc = await aio.create_subprocess_exec(
                sys.executable, "-S", "-c", program, stdin=aio.PIPE, stdout=aio.PIPE
            )
            assert await proc.stdout.readline() == b"%d\n" % proc.pid
            if number:
                proc.send_signal(number)
            else:
                proc.stdin.write(b"\n")
            assert await finish(proc) == -(number or 0)

    aio.run(main)


@every_path
@pytest.mark.differs("uvloop", "waits for the pipes")
@pytest.mark.differs("asyncio", "may wait for the pipes")
def test_daemon_that_holds_all_three_pipes(aio):
    """The child's exit is heard at once, the daemon is talked to, and ends with its input."""

    async def main():
        script = "exec 3<&0; (setsid sh -c 'cat <&3; echo end >&2' &) & exit 4"
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **PIPES)
        assert await proc.wait() == 4
        with pytest.raises(ProcessLookupError):
            proc.kill()
        proc.stdin.write(b"to the daemon\n")
        assert await proc.stdout.readline() == b"to the daemon\n"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(proc.stdout.read(), 0.03)
        assert await proc.communicate() == (b"", b"end\n")

    aio.run(main)


def test_endless_noise_that_nobody_reads_takes_no_memory(aio):
    """On one pipe, while the other is used; the child waits."""

    async def main():
        script = "yes >&2 & pid=$!; cat; kill $pid"
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **PIPES, limit=4096)
        for n in range(50):
            proc.stdin.write(b"%d\n" % n)
            assert await proc.stdout.readline() == b"%d\n" % n
        await asyncio.sleep(0.02)
        buffered = re.search(r"(\d+) bytes", repr(proc.stderr))
        assert 0 < int(buffered[1]) < MIB
        proc.stdin.close()
        assert await finish(proc) == 0

    aio.run(main)


def test_full_disk_behind_a_redirection_is_the_childs_error(aio):
    """ENOSPC where its output goes: its exit status and its words, nothing of ours."""
    before = Holdings()

    async def main():
        with open("/dev/full", "wb", buffering=0) as full:
            for target in ("stdout", "stderr"):
                streams = PIPES | {target: full}
                script = f"/bin/echo lost >&{1 if target == 'stdout' else 2} || exit 9"
                proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **streams)
                out, err = await proc.communicate()
                assert proc.returncode == 9
                assert out in (None, b"") and (target == "stderr" or b"No space left" in err)
            both = {"stdout": full, "stderr": aio.STDOUT}
            proc = await aio.create_subprocess_exec("echo", "lost", **both)
            assert await proc.wait() != 0
            assert os.get_blocking(full.fileno()) and not os.get_inheritable(full.fileno())
        assert await output_of(aio, "echo", "works") == b"works\n"

    aio.run(main)
    assert not before.settled()


@every_path
@pytest.mark.differs("uvloop", "refuses to write to a closed pipe")
def test_children_that_die_at_once_while_being_written_to(aio):
    async def one(n):
        proc = await aio.create_subprocess_exec("false", **PIPES)
        out, err = await proc.communicate(bytes(n * 1000))
        assert (out, err, proc.returncode) == (b"", b"", 1)

    async def main():
        await asyncio.gather(*map(one, range(50)))

    aio.run(main)


@every_path
def test_endless_writers_beside_each_other(aio):
    async def main():
        procs = [await aio.create_subprocess_exec("yes", stdout=aio.PIPE) for _ in range(4)]
        got = [0] * 4
        while min(got) < 1 << 20:
            for n, proc in enumerate(procs):
                got[n] += len(await proc.stdout.read(1 << 16))
        for proc in procs:
            await kill_and_wait(proc)

    aio.run(main)
