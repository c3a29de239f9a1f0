"""The same as python_side.py for trio: `python trio_side.py WORKLOAD AMOUNT`."""

import json
import subprocess
import sys
import time

import trio
from python_side import CAT, ECHO, HEARTBEAT, LINE, MIB, TRUE, Measured, written

PIPE = subprocess.PIPE


async def run_true():
    await trio.run_process([TRUE])


async def run_echo():
    done = await trio.run_process([ECHO, "hello"], capture_stdout=True, capture_stderr=True)
    assert (done.stdout, done.stderr) == (b"hello\n", b"")


async def run_cat():
    done = await trio.run_process([CAT], stdin=b"hello\n", capture_stdout=True)
    assert done.stdout == b"hello\n"


async def one_after_another(amount, run):
    for _ in range(20):
        await run()
    with Measured() as measured:
        for _ in range(amount):
            await run()
    return measured.figures()


async def spawn(amount):
    return await one_after_another(amount, run_true)


async def pipes(amount):
    return await one_after_another(amount, run_echo)


async def cat(amount):
    return await one_after_another(amount, run_cat)


async def run(amount):
    async def capture_true():
        await trio.run_process([TRUE], capture_stdout=True, capture_stderr=True)

    return await one_after_another(amount, capture_true)


async def at_once(count, times=1):
    async def worker():
        for _ in range(times):
            await run_true()

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(worker)


async def flight(amount):
    await at_once(100)
    with Measured() as measured:
        await at_once(100, amount // 100)
    return measured.figures()


async def burst(amount):
    longest = 0.0

    async def watch():
        nonlocal longest
        while True:
            before = time.perf_counter()
            await trio.sleep(HEARTBEAT)
            longest = max(longest, time.perf_counter() - before - HEARTBEAT)

    await at_once(20)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await trio.sleep(0.02)
        with Measured() as measured:
            await at_once(amount)
        await trio.sleep(2 * HEARTBEAT)
        nursery.cancel_scope.cancel()
    return measured.figures(stall=longest)


def writer_of(mib):
    return ["head", "-c", str(mib * MIB), "/dev/zero"]


async def capture(mib):
    await trio.run_process(writer_of(2), capture_stdout=True)
    with Measured() as measured:
        done = await trio.run_process(writer_of(mib), capture_stdout=True)
    assert len(done.stdout) == mib * MIB
    return measured.figures()


async def relay(mib):
    with Measured() as measured:
        size = 0
        async with trio.open_nursery() as nursery:
            proc = await nursery.start(
                lambda **kw: trio.run_process(writer_of(mib), stdout=PIPE, **kw)
            )
            while data := await proc.stdout.receive_some(64 * 1024):
                size += len(data)
    assert size == mib * MIB
    return measured.figures()


async def echo(mib):
    data = written(mib * MIB)
    with Measured() as measured:
        done = await trio.run_process([CAT], stdin=data, capture_stdout=True)
    assert len(done.stdout) == len(data)
    return measured.figures()


async def pingpong(rounds):
    async with trio.open_nursery() as nursery:
        proc = await nursery.start(
            lambda **kw: trio.run_process([CAT], stdin=PIPE, stdout=PIPE, **kw)
        )

        async def play(count):
            for _ in range(count):
                await proc.stdin.send_all(LINE + b"\n")
                answer = b""
                while not answer.endswith(b"\n"):
                    answer += await proc.stdout.receive_some()

        await play(100)
        with Measured() as measured:
            await play(rounds)
        await proc.stdin.aclose()
    return measured.figures()


if __name__ == "__main__":
    print(json.dumps(trio.run(globals()[sys.argv[1]], int(sys.argv[2]))))
