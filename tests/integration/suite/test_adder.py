"""Tests that talk to one child of a module's fixture."""

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("numbers", [(1, 2), (3, 4, 5), range(1000)])
async def test_sum(adder, numbers):
    assert await adder(*numbers) == sum(numbers)


async def test_many_sums(adder):
    for number in range(200):
        assert await adder(number, number) == 2 * number


async def test_adder_while_others_run(adder):
    children = [asyncio.create_subprocess_exec("true") for _ in range(10)]
    for child in asyncio.as_completed(children):
        assert await (await child).wait() == 0
        assert await adder(1, 1) == 2
