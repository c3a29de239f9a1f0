"""anyio: run_process() and open_process(), their streams, cancellation and failures."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.text import TextReceiveStream, TextSendStream
from loops import UVLOOP

ECHO = "import sys; [print(line.strip().upper(), flush=True) for line in sys.stdin]"


def digest(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()[:16]}"


async def run():
    done = await anyio.run_process(["tr", "a-z", "A-Z"], input=b"some text\n")
    print("run", done.returncode, done.stdout, done.stderr)
    done = await anyio.run_process("echo out; echo err >&2; exit 3", check=False)
    print("shell", done.returncode, done.stdout, done.stderr)
    done = await anyio.run_process("echo err >&2; pwd", stderr=subprocess.STDOUT, cwd=os.sep)
    print("merged", done.stdout, done.stderr)
    done = await anyio.run_process(["env"], env={"NAME": "value"}, stdin=subprocess.DEVNULL)
    print("environment", done.stdout)
    done = await anyio.run_process(["cat"], input=bytes(range(256)) * (1 << 14))
    print("4 MiB", digest(done.stdout))
    try:
        await anyio.run_process("echo trouble >&2; exit 7")
    except subprocess.CalledProcessError as error:
        print("checked", error.returncode, error.stderr)
    try:
        await anyio.run_process(["/no/such/program"])
    except FileNotFoundError as error:
        print("missing", error.errno)


async def run_together(count):
    results = {}

    async def square(number):
        done = await anyio.run_process(["expr", str(number), "*", str(number)], check=False)
        results[number] = int(done.stdout)

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(square, number)
    print("together", [results[number] for number in range(count)])


async def converse():
    async with await anyio.open_process([sys.executable, "-c", ECHO]) as process:
        sending, receiving = TextSendStream(process.stdin), TextReceiveStream(process.stdout)
        for word in ("one", "two", "three"):
            await sending.send(word + "\n")
            answer = ""
            while not answer.endswith("\n"):
                answer += await receiving.receive()
            print("answer", repr(answer))
        await process.stdin.aclose()
        print("left", await process.wait(), process.returncode)
        print("rest", [text async for text in receiving])

    async with await anyio.open_process("printf '%s\n' a b c; printf tail") as process:
        lines = BufferedByteReceiveStream(process.stdout)
        print("line", await lines.receive_until(b"\n", 10))
        print("exactly", await lines.receive_exactly(4))
        print("rest", await lines.receive())
        try:
            await lines.receive()
        except anyio.EndOfStream:
            print("end of stream")


async def feed_and_collect(size):
    """Feeding and reading in two tasks, as they are written when the data is large."""
    received = bytearray()

    async def feed(stream):
        async with stream:
            for number in range(size // 1000):
                await stream.send(b"%9d\n" % number * 100)

    async with await anyio.open_process(["cat"]) as process, anyio.create_task_group() as group:
        group.start_soon(feed, process.stdin)
        async for data in process.stdout:
            received += data
    print("fed", digest(received), process.returncode)


async def cancel():
    with anyio.move_on_after(0.2) as scope:
        await anyio.run_process(["sleep", "60"])
    print("run_process cancelled", scope.cancelled_caught)

    with anyio.move_on_after(0.2) as scope:
        async with await anyio.open_process(["sleep", "60"]) as process:
            await process.wait()
    print("block cancelled", scope.cancelled_caught, process.returncode)

    async with await anyio.open_process(["cat"]) as process:
        with anyio.move_on_after(0.1) as scope:
            await process.stdout.receive()
        print("receive cancelled", scope.cancelled_caught, process.returncode)
        await process.stdin.send(b"still here")
        print("then", await process.stdout.receive())

    try:
        async with await anyio.open_process(["sleep", "60"]) as process:
            process.terminate()
            raise RuntimeError("trouble in the block")
    except RuntimeError as error:
        print("left by", error, process.returncode)

    async with await anyio.open_process(["sleep", "60"]) as process:
        process.send_signal(signal.SIGINT)
        print("signalled", await process.wait())
    async with await anyio.open_process(["yes"], stdin=subprocess.DEVNULL) as process:
        await process.stdout.receive(10)
    print("nobody read on", process.returncode != 0)


async def go_wrong():
    async with await anyio.open_process(["true"]) as process:
        await process.wait()
        try:
            for _ in range(100):
                await process.stdin.send(b"x" * 100_000)
        except anyio.BrokenResourceError as error:
            print("send to the dead:", type(error).__name__)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    async with await anyio.open_process(["cat"]) as process:
        await process.stdin.aclose()
        try:
            await process.stdin.send(b"x")
        except anyio.ClosedResourceError as error:
            print("send after close:", type(error).__name__)


async def main():
    await run()
    await run_together(40)
    await converse()
    await feed_and_collect(3_000_000)
    await cancel()
    await go_wrong()


anyio.run(main, backend_options={"use_uvloop": UVLOOP})
