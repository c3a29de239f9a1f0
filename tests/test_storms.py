"""Children that misbehave, and many at once where there is room for few; races in thousands."""

import asyncio
import contextlib
import errno
import gc
import os
import re
import signal
import sys
import weakref

import pytest
from support import (
    LINUX,
    Holdings,
    children,
    exited,
    finish,
    free_descriptors,
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
RACES = int(os.environ.get("FASTPROC_RACES", "400"))


# Hostile children


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


# Storms


@linux
@pytest.mark.parametrize("free", [5, 12, 40])
@every_path
@pytest.mark.only_paths("fork", "thread")
@pytest.mark.differs("asyncio", "it may leave a child or a pipe")
def test_storm_for_which_there_are_too_few_descriptors(aio, free):
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
def test_storm_for_which_there_are_too_few_processes(aio):
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


# Cycles


@pytest.mark.may_warn("ResourceWarning: (unclosed|subprocess)")
@pytest.mark.differs("uvloop", "keeps them")
def test_cycles_through_process_streams_and_callbacks_are_collected(aio):
    async def life():
        proc = await aio.create_subprocess_exec("cat", **PIPES)
        loop = asyncio.get_running_loop()
        proc.stdout.cycle = proc.stdin.cycle = [proc, proc.stdin, proc.stdout, proc.stderr, loop]
        waiting = asyncio.ensure_future(proc.wait())
        waiting.add_done_callback(lambda task, proc=proc: None)
        reading = asyncio.ensure_future(proc.stdout.read())
        proc.stdout.tasks = [waiting, reading]
        proc.stdin.close()
        await asyncio.wait([waiting, reading])
        await finish(proc)
        return [weakref.ref(x) for x in (proc.stdout, proc.stdin, waiting)]

    async def main():
        refs = await life()
        await iterate(5)
        gc.collect()
        assert [ref() for ref in refs] == [None] * len(refs)

    aio.run(main)


@pytest.mark.may_warn("ResourceWarning: (unclosed|subprocess)")
@pytest.mark.may_warn("Task was destroyed but it is pending")
@pytest.mark.parametrize("alive", [False, True], ids=["ended", "alive"])
@pytest.mark.differs("asyncio", "it leaves the child")
@pytest.mark.not_on("uvloop", "uvloop keeps a loop that has run")
def test_cycles_through_protocol_transport_and_loop_are_collected(aio, alive):
    """With the loop, which nobody closes; a live child goes with it."""
    collected = []

    class Protocol(asyncio.SubprocessProtocol):
        def connection_made(self, transport):
            self.all = [self, transport, asyncio.get_running_loop()]
            self.pipes = [transport.get_pipe_transport(fd) for fd in range(3)]
            self.popen = transport.get_extra_info("subprocess")
            transport.protocol = self
            self.pipes[0].me = self

        def process_exited(self):
            self.ended.set_result(None)

    async def life():
        loop = asyncio.get_running_loop()
        transport, protocol = await aio.subprocess_exec(Protocol, "cat")
        protocol.ended = loop.create_future()
        weakref.finalize(protocol, collected.append, "protocol")
        weakref.finalize(transport, collected.append, "transport")
        weakref.finalize(loop, collected.append, "loop")
        loop.me = [loop, protocol]
        if not alive:
            protocol.pipes[0].close()
            await protocol.ended

    def leave_behind():
        loop = aio.new_loop()
        loop.run_until_complete(life())

    leave_behind()
    for _ in range(3):
        gc.collect()
    assert sorted(collected) == ["loop", "protocol", "transport"]
    assert all(map(exited, children()))
