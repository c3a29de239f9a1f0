"""Runs one workload on asyncio, uvloop or _fastproc and prints its raw figures as JSON.

python python_side.py CONTENDER WORKLOAD AMOUNT
"""

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from asyncio.subprocess import DEVNULL, PIPE

MIB = 1 << 20
TRUE, ECHO, CAT, SLEEP = (shutil.which(name) for name in ("true", "echo", "cat", "sleep"))
HEARTBEAT = 0.001  # seconds
LINE = b"a line of output, as long as such lines often are"


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Measured:
    """Wall and CPU time of a `with` block, in seconds."""

    def __enter__(self):
        gc.collect()
        self.wall, self.cpu = time.perf_counter(), cpu_seconds()
        return self

    def __exit__(self, *exc_info):
        self.wall, self.cpu = time.perf_counter() - self.wall, cpu_seconds() - self.cpu

    def figures(self, **more):
        return {"wall": self.wall, "cpu": self.cpu, **more}


async def run_true(api):
    proc = await api.create_subprocess_exec(TRUE)
    assert await proc.wait() == 0


async def run_echo(api):
    proc = await api.create_subprocess_exec(ECHO, "hello", stdout=PIPE, stderr=PIPE)
    assert await proc.communicate() == (b"hello\n", b"")


async def run_cat(api):
    proc = await api.create_subprocess_exec(CAT, stdin=PIPE, stdout=PIPE)
    assert await proc.communicate(b"hello\n") == (b"hello\n", None)


async def one_after_another(api, amount, run):
    for _ in range(20):
        await run(api)
    with Measured() as measured:
        for _ in range(amount):
            await run(api)
    return measured.figures()


async def spawn(api, amount):
    return await one_after_another(api, amount, run_true)


async def pipes(api, amount):
    return await one_after_another(api, amount, run_echo)


async def cat(api, amount):
    return await one_after_another(api, amount, run_cat)


def captures_true(api):
    """A call of the ready-made function that runs a program and captures its output."""
    if hasattr(api, "run_shell"):
        return lambda api: api.run(TRUE)
    import anyio

    return lambda api: anyio.run_process([TRUE], check=False)


async def run(api, amount):
    return await one_after_another(api, amount, captures_true(api))


async def run_by_hand(api, amount):
    async def capture_true(api):
        proc = await api.create_subprocess_exec(TRUE, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
        await proc.communicate()
        return proc.returncode

    return await one_after_another(api, amount, capture_true)


async def run_in_thread(api, amount):
    async def capture_true(api):
        await asyncio.to_thread(subprocess.run, [TRUE], stdin=DEVNULL, capture_output=True)

    return await one_after_another(api, amount, capture_true)


async def bigparent(api, amount, run=run_true):
    ballast = bytearray(1024 * MIB)
    ballast[:: resource.getpagesize()] = b"x" * (len(ballast) // resource.getpagesize())
    figures = await one_after_another(api, amount, run)
    assert len(ballast) == 1024 * MIB
    return figures


@contextlib.contextmanager
def threads_with_locks():
    """100 threads that take and release locks, mostly asleep."""
    ended, locks = threading.Event(), [threading.Lock() for _ in range(10)]

    def work(lock):
        while not ended.wait(0.05):
            with lock:
                time.sleep(0.001)

    threads = [threading.Thread(target=work, args=(locks[n % 10],)) for n in range(100)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


async def without_options(api, amount):
    with threads_with_locks():
        return await bigparent(api, amount)


async def with_options(api, amount):
    """The same, with limits and a parent's death signal; asyncio needs a preexec_fn for them."""
    limits = {resource.RLIMIT_CPU: (10, 12), resource.RLIMIT_CORE: 0}
    options = {"rlimits": limits, "parent_death_signal": signal.SIGKILL}
    if not hasattr(api, "run_shell"):
        prctl = ctypes.CDLL(None).prctl

        def preexec_fn():
            prctl(1, signal.SIGKILL, 0, 0, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (10, 12))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        options = {"preexec_fn": preexec_fn}

    async def run(api):
        proc = await api.create_subprocess_exec(TRUE, **options)
        assert await proc.wait() == 0

    with threads_with_locks():
        return await bigparent(api, amount, run)


async def descriptors(api, amount):
    """Of a parent that had 6,000 open before its first child."""
    opened = [os.dup(0) for _ in range(6000)]
    figures = await one_after_another(api, amount, run_true)
    for fd in opened:
        os.close(fd)
    return figures


async def flight(api, amount):
    async def worker(count):
        for _ in range(count):
            await run_true(api)

    await asyncio.gather(*(worker(1) for _ in range(100)))
    with Measured() as measured:
        await asyncio.gather(*(worker(amount // 100) for _ in range(100)))
    return measured.figures()


class Stalls:
    """The longest time without a turn of the loop in an `async with` block, in seconds; and the most
    that this thread itself worked in any, the rest being others' who had the processors."""

    longest = work = 0.0

    async def watch(self):
        while True:
            before, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(HEARTBEAT)
            self.longest = max(self.longest, time.perf_counter() - before - HEARTBEAT)
            self.work = max(self.work, time.thread_time() - worked)

    async def __aenter__(self):
        self.watching = asyncio.create_task(self.watch())
        await asyncio.sleep(20 * HEARTBEAT)
        self.longest = self.work = 0.0
        return self

    async def __aexit__(self, *exc_info):
        await asyncio.sleep(2 * HEARTBEAT)
        self.watching.cancel()


async def burst(api, amount):
    await asyncio.gather(*(run_true(api) for _ in range(20)))
    async with Stalls() as stalls:
        with Measured() as measured:
            await asyncio.gather(*(run_true(api) for _ in range(amount)))
    return measured.figures(stall=stalls.longest)


async def exits(api, amount):
    """Children that wait for the end of one pipe, all of them."""
    ours, theirs = os.pipe()[::-1]
    creating = (api.create_subprocess_exec(CAT, stdin=theirs) for _ in range(amount))
    procs = await asyncio.gather(*creating)
    os.close(theirs)
    waiting = [asyncio.create_task(proc.wait()) for proc in procs]
    async with Stalls() as stalls:
        with Measured() as measured:
            os.close(ours)
            assert await asyncio.gather(*waiting) == [0] * amount
    return measured.figures(stall=stalls.longest, work=stalls.work)


async def writer_of(api, mib):
    return await api.create_subprocess_exec("head", "-c", str(mib * MIB), "/dev/zero", stdout=PIPE)


async def capture(api, mib):
    await (await writer_of(api, 2)).communicate()
    with Measured() as measured:
        output, _ = await (await writer_of(api, mib)).communicate()
    assert len(output) == mib * MIB
    return measured.figures()


async def read_by_pieces(api, mib):
    proc, size = await writer_of(api, mib), 0
    while data := await proc.stdout.read(64 * 1024):
        size += len(data)
    assert await proc.wait() == 0
    assert size == mib * MIB


async def relay(api, mib):
    with Measured() as measured:
        await read_by_pieces(api, mib)
    return measured.figures()


async def tail(api, mib):
    """The last 64 KiB of the output."""
    kept = 64 * 1024
    command = ["head", "-c", str(mib * MIB), "/dev/zero"]
    with Measured() as measured:
        if hasattr(api, "run_shell"):
            last = (await api.run(*command, max_output=kept)).stdout
        else:
            proc, last = await api.create_subprocess_exec(*command, stdout=PIPE), bytearray()
            while data := await proc.stdout.read(64 * 1024):
                last += data
                del last[:-kept]
            await proc.wait()
    assert last == bytes(kept)
    return measured.figures()


def written(size):
    """Zeros in memory that was written before, as the data of most programs. The kernel does it,
    so that it is not counted as an instruction of ours."""
    with open("/dev/zero", "rb", buffering=0) as zeros:
        return zeros.read(size)


async def echo(api, mib):
    data = written(mib * MIB)
    with Measured() as measured:
        proc = await api.create_subprocess_exec(CAT, stdin=PIPE, stdout=PIPE)
        output, _ = await proc.communicate(data)
    assert len(output) == len(data)
    return measured.figures()


async def writer_of_lines(api, count):
    command = f"yes '{LINE.decode()}' | head -n {count}"
    return await api.create_subprocess_shell(command, stdout=PIPE)


async def lines(api, count):
    with Measured() as measured:
        proc, seen = await writer_of_lines(api, count), 0
        async for _ in proc.stdout:
            seen += 1
        await proc.wait()
    assert seen == count
    return measured.figures()


async def any_lines(api, count):
    with Measured() as measured:
        proc, seen = await writer_of_lines(api, count), 0
        async for _ in proc.stdout.lines():
            seen += 1
        await proc.wait()
    assert seen == count
    return measured.figures()


async def readline(api, count):
    with Measured() as measured:
        proc, seen = await writer_of_lines(api, count), 0
        while await proc.stdout.readline():
            seen += 1
        await proc.wait()
    assert seen == count
    return measured.figures()


async def pingpong(api, rounds):
    proc = await api.create_subprocess_exec(CAT, stdin=PIPE, stdout=PIPE)

    async def play(count):
        for _ in range(count):
            proc.stdin.write(LINE + b"\n")
            await proc.stdin.drain()
            assert await proc.stdout.readline() == LINE + b"\n"

    await play(100)
    with Measured() as measured:
        await play(rounds)
    proc.stdin.close()
    await proc.wait()
    return measured.figures()


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def live(api, count):
    async def one_more():
        return (await one_after_another(api, 50, run_true))["cpu"] / 50

    alone = await one_more()
    gc.collect()
    memory, descriptors = resident(), len(os.listdir("/proc/self/fd"))
    procs = []
    for _ in range(count):
        procs.append(await api.create_subprocess_exec(SLEEP, "600", stdout=PIPE, stderr=PIPE))
    gc.collect()
    memory = (resident() - memory) / count
    descriptors = (len(os.listdir("/proc/self/fd")) - descriptors) / count
    beside = await one_more()
    for proc in procs:
        proc.kill()
    await asyncio.gather(*(proc.wait() for proc in procs))
    return {"memory": memory, "descriptors": descriptors, "beside": beside, "alone": alone}


def measure_import(contender):
    gc.disable()  # a collection that is due takes as long
    began = time.perf_counter()
    __import__("_fastproc" if contender == "fastproc" else "uvloop")
    return {"wall": time.perf_counter() - began}


def main(contender, workload, amount):
    if workload == "import":
        return measure_import(contender)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    api, new_loop = asyncio, asyncio.SelectorEventLoop
    if contender.startswith("fastproc"):
        import _fastproc as api

        api._core.configure(tracer=False)  # so that strace counts what happens without it
    if contender.endswith("uvloop"):
        import uvloop

        new_loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(globals()[workload](api, amount))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
