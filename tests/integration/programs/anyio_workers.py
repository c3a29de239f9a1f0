"""anyio: functions run in worker processes, one of them cancelled."""

import math
import time

import anyio
from anyio import to_process
from loops import UVLOOP

SQUARES = 200


def divide(a, b):
    return a / b


def total(numbers):
    return sum(numbers)


async def main():
    limiter = anyio.CapacityLimiter(1)  # one worker, whatever the number of processors
    print(await to_process.run_sync(math.factorial, 50, limiter=limiter))
    print(await to_process.run_sync(total, list(range(100_000)), limiter=limiter))
    try:
        await to_process.run_sync(divide, 1, 0, limiter=limiter)
    except ZeroDivisionError as error:
        print(type(error).__name__, error)

    squares = {}

    async def square(number):
        squares[number] = await to_process.run_sync(pow, number, 2, limiter=limiter)

    async with anyio.create_task_group() as group:
        for number in range(SQUARES):
            group.start_soon(square, number)
    print(squares == {number: number**2 for number in range(SQUARES)})

    with anyio.move_on_after(0.2) as scope:
        await to_process.run_sync(time.sleep, 60, cancellable=True, limiter=limiter)
    print("cancelled", scope.cancelled_caught)
    print(await to_process.run_sync(divide, 1, 8, limiter=limiter))


if __name__ == "__main__":  # workers import this file
    anyio.run(main, backend_options={"use_uvloop": UVLOOP})
