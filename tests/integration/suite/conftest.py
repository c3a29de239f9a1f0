"""Fixtures of a small suite for pytest-asyncio."""

import asyncio
import sys
from asyncio.subprocess import PIPE

import pytest
import pytest_asyncio

ADDER = "import sys; [print(sum(map(int, line.split())), flush=True) for line in sys.stdin]"


@pytest.fixture
def python():
    return sys.executable


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def adder():
    """A child that answers each line of numbers with their sum, one for all tests of a module."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ADDER, stdin=PIPE, stdout=PIPE
    )

    async def add(*numbers):
        child.stdin.write(" ".join(map(str, numbers)).encode() + b"\n")
        await child.stdin.drain()
        return int(await child.stdout.readline())

    yield add
    child.stdin.close()
    assert await child.wait() == 0
