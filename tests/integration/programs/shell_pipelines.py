"""shellous: commands, pipelines, redirections, a pseudo-terminal, timeouts and signals."""

import asyncio
import hashlib
import tempfile
from pathlib import Path

from loops import UVLOOP, run
from shellous import ResultError, sh


def digest(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()[:16]}"


async def pipelines(folder):
    print(repr(await sh("echo", "a b", "c")))
    print(repr(await (sh("printf", r"%s\n", "c", "a", "b", "a") | sh("sort") | sh("uniq", "-c"))))
    print(repr(await ("text from here" | sh("tr", "a-z", "A-Z"))))

    data = bytes(range(256)) * 4096
    copy = folder / "copy"
    await (data | sh("cat") | sh("cat") | sh("cat") | copy)
    print("1 MiB", digest(copy.read_bytes()))
    await (sh("echo", "appended") >> copy)
    print("appended", digest(copy.read_bytes()))
    print("from file", repr(await (copy | sh("wc", "-c"))))

    pipe = sh("seq", "5000") | sh("grep", "7$")
    print("lines", sum([int(line) async for line in pipe]))

    print("/dev/fd", repr(await sh("cat", sh("echo", "one"), sh("echo", "two"))))


async def results():
    result = await sh.result("sh", "-c", "echo out; echo err >&2; exit 3")
    print("result", result.exit_code, result.output_bytes, result.error_bytes)
    try:
        await sh("false")
    except ResultError as error:
        print("failed", error.result.exit_code)
    try:
        await sh("/no/such/program")
    except FileNotFoundError as error:
        print("missing", error.errno)
    merged = sh("sh", "-c", "echo out; echo err >&2").stderr(sh.STDOUT)
    print("merged", repr(await merged))


async def control():
    try:
        await sh("sleep", "60").set(timeout=0.2)
    except TimeoutError:
        print("timed out")
    stubborn = sh("sh", "-c", "trap '' TERM; exec sleep 60").set(timeout=0.3, cancel_timeout=0.2)
    try:
        async with stubborn as running:
            pass
    except TimeoutError:
        print("stubborn", running.returncode)

    endless = asyncio.ensure_future((sh("yes") | sh("cat") | sh.DEVNULL).coro())
    await asyncio.sleep(0.1)
    endless.cancel()
    try:
        await endless
    except asyncio.CancelledError:
        print("cancelled")

    async with sh("cat").stdin(sh.CAPTURE).stdout(sh.CAPTURE) as running:
        for word in (b"one\n", b"two\n"):
            running.stdin.write(word)
            await running.stdin.drain()
            print("answer", await running.stdout.readline())
        running.stdin.close()
    print("left", running.result().exit_code)


async def main():
    with tempfile.TemporaryDirectory() as folder:
        await pipelines(Path(folder))
    await results()
    await control()
    if UVLOOP:  # it cannot both read and write the terminal that shellous makes
        return
    terminal = sh("sh", "-c", "test -t 0 && test -t 1 && : </dev/tty && echo yes").set(pty=True)
    print("terminal", repr(await terminal))


run(main())
