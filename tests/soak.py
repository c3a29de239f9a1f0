"""Churn for as long as one likes: mixed work, cancellations and errors, and flat memory.

    python tests/soak.py 600                # ten minutes; --seed N repeats one
    python tests/soak.py 5 --loops stdlib

Rounds of work on a fresh loop each, the standard library's and uvloop's in turn.  After every
round this process must hold what it held before: no descriptor, child, zombie or thread more; at
the end no more memory than after the first third.  Prints what it saw; status 1 if it is not flat.
"""

import argparse
import asyncio
import collections
import contextlib
import contextvars
import gc
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from support import (  # noqa: E402
    Aio,
    Holdings,
    children,
    finish,
    iterate,
    kill_and_wait,
    resident,
    uvloop,
)

MIB = 1 << 20
ALLOWED_GROWTH = 3 * MIB  # the allocator's own wandering; in ten minutes 8 bytes per child are more
WORKERS = 6
created = contextvars.ContextVar("created")  # by the job of this task
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


class Soak:
    """One run: the random numbers, the counts."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.done = collections.Counter()
        self.children = 0
        self.beats = 0
        self.longest_stall = 0.0
        self.signals = 0

    async def create(self, *args, **kwds):
        self.children += 1
        proc = await self.aio.create_subprocess_exec(*args, **kwds)
        created.get().append(proc)
        return proc

    def shell(self, script, **kwds):
        return self.create("/bin/sh", "-c", script, **kwds)

    # What is done, a few children each

    async def plain(self):
        for _ in range(4):
            proc = await self.create("/bin/true")
            assert await proc.wait() == 0

    async def talk(self):
        data = bytes(self.random.randrange(200_000))
        proc = await self.create("cat", **PIPES)
        assert await proc.communicate(data) == (data, b"")

    async def lines(self):
        proc = await self.create("cat", stdin=-1, stdout=-1, limit=self.random.randrange(10, 9999))
        for n in range(20):
            proc.stdin.write(b"%d\n" % n)
            await proc.stdin.drain()
            assert await proc.stdout.readline() == b"%d\n" % n
        proc.stdin.close()
        await proc.stdin.wait_closed()
        assert await proc.wait() == 0

    async def too_long_a_line(self):
        proc = await self.shell(
            "printf %5000d 1; printf '%9000d\\n' 2; echo 3", stdout=-1, limit=99
        )
        with contextlib.suppress(ValueError, asyncio.LimitOverrunError):
            await proc.stdout.readuntil(b"\n")
        with contextlib.suppress(ValueError):
            await proc.stdout.readline()
        await finish(proc)

    async def errors(self):
        for args, kwds, error in (
            (["/nowhere/at/all"], PIPES, FileNotFoundError),
            (["/etc/passwd"], {"stdout": -1}, PermissionError),
            (["true"], {"cwd": "/nowhere"}, FileNotFoundError),
            (["tr\0ue"], PIPES, ValueError),
            (["true"], {"nonsense": 1}, TypeError),
            (["true"], {"stdout": 987_654}, OSError),
        ):
            with contextlib.suppress(error):
                await self.create(*args, **kwds)
                raise AssertionError("was started")

    async def burst_cancelled_half_way(self):
        tasks = [asyncio.create_task(self.create("cat", **PIPES)) for _ in range(16)]
        await iterate(self.random.randrange(12))
        for task in tasks[::2]:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, self.aio.Process):
                assert (await result.communicate(b"x"))[0] == b"x"
            else:
                assert isinstance(result, asyncio.CancelledError), result

    async def cancelled_anywhere(self):
        job = self.random.choice([self.talk, self.lines, self.plain])
        created.set([])
        task = asyncio.create_task(job())
        await iterate(self.random.randrange(40))
        task.cancel()
        await asyncio.wait([task])
        for proc in created.get():
            await kill_and_wait(proc)

    async def timeout(self):
        proc = await self.shell("echo early; exec sleep 100", stdout=-1)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(proc.communicate(), 0.01)
        proc.kill()
        await proc.communicate()

    async def kill_race(self):
        for _ in range(4):
            proc = await self.create("/bin/true", stdout=-1)
            await iterate(self.random.randrange(8))
            with contextlib.suppress(ProcessLookupError):
                proc.kill()
            await proc.communicate()
            assert proc.returncode in (0, -signal.SIGKILL)

    async def endless(self):
        proc = await self.create("yes", stdout=-1, stderr=-1, limit=1000)
        for _ in range(50):
            assert await proc.stdout.read(1 << 16)
        proc._transport.close()
        assert await proc.wait() == -signal.SIGKILL

    async def stopped(self):
        proc = await self.create("cat", stdin=-1)
        proc.send_signal(signal.SIGSTOP)
        await iterate(3)
        proc.send_signal(signal.SIGCONT)
        proc.stdin.close()
        assert await proc.wait() == 0

    async def grandchild(self):
        proc = await self.shell("sleep 0.05 & exit 3", stdout=-1)
        assert await proc.wait() == 3
        await finish(proc)

    async def dropped(self):
        await self.create("cat", stdin=subprocess.DEVNULL, stdout=-1)
        await self.create("/bin/true")
        proc = await self.create("cat", stdin=-1, stdout=-1)
        created.get().clear()
        proc.stdout.me = [proc, proc.stdout, proc.stdin]
        proc.stdin.close()

    async def options(self):
        ends = os.pipe()
        try:
            proc = await self.shell(
                f"echo $X >/dev/fd/{ends[1]}; pwd; umask",
                stdout=-1,
                env={"X": "y" * self.random.randrange(5000)},
                cwd="/",
                umask=0o27,
                pass_fds=[ends[1]],
                start_new_session=True,
            )
            out, _ = await proc.communicate()
            assert out.startswith(b"/\n") and proc.returncode == 0
        finally:
            os.close(ends[0])
            os.close(ends[1])

    async def own_memory(self):
        kwds = {"preexec_fn": lambda: None}
        if os.geteuid() == 0 and self.random.random() < 0.5:
            kwds = {"user": 65534, "group": 65534, "extra_groups": []}
        proc = await self.create("cat", **PIPES, **kwds)
        assert (await proc.communicate(b"x"))[0] == b"x"

    async def stolen(self):
        """Somebody else takes the status: never a hang."""
        proc = await self.shell("exit 7", stdout=-1)
        os.waitpid(proc.pid, 0)
        assert (await proc.communicate())[0] == b"" and proc.returncode in (7, 255)

    async def neighbours(self):
        popen = subprocess.Popen(["/bin/true"])
        theirs = await asyncio.create_subprocess_exec("/bin/true")
        await self.plain()
        assert await theirs.wait() == 0
        assert popen.wait() == 0

    async def low_level(self):
        ended = asyncio.get_running_loop().create_future()

        class Protocol(asyncio.SubprocessProtocol):
            def connection_made(self, transport):
                self.transport = transport  # a cycle
                transport.get_pipe_transport(0).write(b"x" * 70_000)
                transport.get_pipe_transport(0).close()

            def connection_lost(self, exc):
                ended.set_result(None)

        self.children += 1
        transport, _ = await self.aio.subprocess_exec(Protocol, "cat")
        await ended
        transport.close()

    async def another_loop(self):
        """In a thread, and closed with a live child."""

        async def main():
            created.set([])
            proc = await self.create("cat", stdin=-1, stdout=-1)
            proc.stdin.write(b"x\n")
            assert await proc.stdout.readline() == b"x\n"

        def run():
            loop = self.aio.new_loop()
            try:
                loop.run_until_complete(main())
            finally:
                loop.close()

        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)
        thread.join()

    JOBS = (
        *[plain, talk, lines, kill_race] * 3,
        *[too_long_a_line, errors, burst_cancelled_half_way, cancelled_anywhere, timeout, endless],
        *[stopped, grandchild, dropped, options, own_memory, stolen, neighbours, low_level],
        another_loop,
    )

    # Rounds

    async def work(self, until):
        while time.monotonic() < until:
            job = self.random.choice(self.JOBS)
            created.set([])
            await job(self)
            self.done[job.__name__] += 1

    async def heart(self):
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            self.longest_stall = max(self.longest_stall, now - last)
            last = now
            self.beats += 1

    async def round(self, seconds):
        heart = asyncio.create_task(self.heart())
        until = time.monotonic() + seconds
        workers = [asyncio.create_task(self.work(until)) for _ in range(WORKERS)]
        await asyncio.gather(*workers)
        while children():  # the dropped ones
            await asyncio.sleep(0.001)
        heart.cancel()
        await iterate(5)

    def interrupted(self, *args):
        self.signals += 1

    def run(self, loops, seconds, report):
        rounds = max(6, min(120, int(seconds)))
        before, curve = None, []
        signal.signal(signal.SIGALRM, self.interrupted)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        try:
            for n in range(rounds):
                self.aio = Aio("fastproc", loops[n % len(loops)])
                self.aio.run(self.round(seconds / rounds), timeout=seconds + 60)
                gc.collect()
                if n < len(loops):  # the first of its kind: libuv keeps some things
                    before = Holdings()
                    gc.unfreeze()
                elif left := before.settled():
                    report(f"left after round {n} ({self.aio}): {left}")
                    return False
                curve.append(resident())
                if seconds >= 60:
                    report(f"round {n}: {self.children} children, {curve[-1] / MIB:.2f} MiB")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        third = max(1, rounds // 3)
        growth = max(curve[-third:]) - max(curve[:third])
        steps = curve[:: max(1, rounds // 10)] + curve[-1:]
        report("MiB of memory: " + " ".join(f"{size / MIB:.2f}" for size in steps))
        report(f"growth after the first third: {growth / MIB:.2f} MiB")
        return growth <= ALLOWED_GROWTH


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("seconds", type=float, nargs="?", default=5)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--loops", default="stdlib,uvloop" if uvloop else "stdlib")
    options = parser.parse_args()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed

    def report(text):
        print(text, flush=True)

    report(f"seed {seed}")
    warnings.filterwarnings("ignore", message="subprocess .* is still running")
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # fork beside threads
    soak = Soak(seed)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    flat = soak.run(options.loops.split(","), options.seconds, report)
    report(", ".join(f"{name} {count}" for name, count in sorted(soak.done.items())))
    stall = f"longest stall {soak.longest_stall * 1000:.0f} ms"
    report(f"{soak.beats} beats of the loop, {stall}, {soak.signals} signals")
    report(f"{soak.children} children churned, {'flat' if flat else 'NOT FLAT'}")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
