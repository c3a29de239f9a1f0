"""Tests with children of their own, and one mocked."""

import asyncio
import signal
from asyncio.subprocess import PIPE
from unittest import mock

import pytest


async def run(*command, text=None):
    child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    output, _ = await child.communicate(text)
    return child.returncode, output


async def test_output(python):
    assert await run(python, "-c", "print('hello')") == (0, b"hello\n")


@pytest.mark.parametrize("size", [0, 1, 65536, 1_000_000])
async def test_copy(size):
    assert await run("cat", text=b"x" * size) == (0, b"x" * size)


async def test_together():
    results = await asyncio.gather(*(run("expr", str(n), "+", "1") for n in range(30)))
    assert [int(output) for _, output in results] == list(range(1, 31))


async def test_timeout():
    child = await asyncio.create_subprocess_exec("sleep", "60")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await child.wait()
    child.kill()
    assert await child.wait() == -signal.SIGKILL


async def test_missing():
    with pytest.raises(FileNotFoundError):
        await run("/no/such/program")


async def test_lines():
    child = await asyncio.create_subprocess_shell("seq 1000", stdout=PIPE)
    assert [int(line) async for line in child.stdout] == list(range(1, 1001))
    assert await child.wait() == 0


async def test_mocked():
    """As projects test code that runs children: nothing is started."""
    with mock.patch("asyncio.create_subprocess_exec") as create:
        create.return_value = child = mock.create_autospec(asyncio.subprocess.Process)
        child.communicate.return_value = b"output", None
        child.returncode = 0
        assert await run("anything") == (0, b"output")
    create.assert_awaited_once_with("anything", stdin=PIPE, stdout=PIPE)


@pytest.mark.xfail(strict=True)
async def test_expected_failure():
    assert await run("false") == (0, b"")
