"""Runs something again and again, and says what there is more of each time.

`references` are counted on a debug build of CPython only; `blocks` are those of Python's own
allocator, `heap` are the bytes that malloc() has given out, `mapped` are the bytes of address space.
"""

import array
import asyncio
import contextlib
import ctypes
import gc
import inspect
import resource
import sys

from support import TIMEOUT, children, descriptors, threads

# The least that counts as one thing more; malloc() gives out no less than 32 bytes, but sometimes
# 16 more than it was asked for.
UNITS = {"heap": 32, "mapped": resource.getpagesize()}


class Mallinfo(ctypes.Structure):
    """struct mallinfo2 of glibc 2.33 and later."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def heap_reader():
    """A function that gives the bytes in use of malloc(); None where the C library has none."""
    here = ctypes.CDLL(None)
    if not hasattr(here, "mallinfo2"):
        return None
    here.mallinfo2.restype = Mallinfo
    return lambda: (lambda found: found.uordblks + found.hblkhd)(here.mallinfo2())


class Counter:
    """Counts what this process holds, without making any of it itself."""

    def __init__(self):
        # A sanitizer has an allocator of its own, which keeps what is freed.
        self.sanitized = hasattr(ctypes.CDLL(None), "__asan_init")
        self.heap = None if self.sanitized else heap_reader()
        self.references = getattr(sys, "gettotalrefcount", None)
        self.page = resource.getpagesize()

    def quantities(self):
        names = ["blocks", "descriptors", "threads", "children", "mapped"]
        return names + ["heap"] * bool(self.heap) + ["references"] * bool(self.references)

    def put_into(self, row):
        """The numbers, in the order of quantities()."""
        ctypes.pythonapi.PyType_ClearCache()  # it keeps names that are made for one call
        gc.collect()
        row[1], row[2], row[3] = len(descriptors()), len(threads()), len(children())
        if not self.sanitized:
            with open("/proc/self/statm", "rb") as file:
                row[4] = int(file.read().split()[0]) * self.page
        if self.heap:
            row[5] = self.heap()
        if self.references:
            row[-1] = self.references()
        row[0] = sys.getallocatedblocks()


def rows(counter, once, runs):
    """What is held at first, and after each run; in arrays, which take no new objects."""
    table = [array.array("q", bytes(8 * len(counter.quantities()))) for _ in range(runs + 1)]
    counter.put_into(table[0])
    for row in table[1:]:
        once()
        counter.put_into(row)
    return table


def grows(numbers, unit):
    """Whether there is more by at least every second run, and did not come at one time."""
    steps = [(after - before) // unit for before, after in zip(numbers, numbers[1:])]
    needed = len(steps) / 2
    return sum(steps) >= needed and sum(step > 0 for step in steps) >= needed


def growth(once, warm_up, runs, tries=6):
    """{quantity: how much more there is per run} of what grows; {} if nothing does.

    What grows has to do so every time it is tried, so that what Python fills once (a cache, a free
    list) is not taken for a leak.
    """
    counter = Counter()
    for _ in range(warm_up):
        once()
    gc.collect()
    gc.freeze()  # so that collecting is quick
    try:
        for _ in range(tries):
            found = {}
            for name, numbers in zip(counter.quantities(), zip(*rows(counter, once, runs))):
                if grows(numbers, UNITS.get(name, 1)):
                    found[name] = (numbers[-1] - numbers[0]) / runs
            if not found:
                break
        return found
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def living_loop(new_loop):
    """A function that runs a coroutine function on a loop, always the same."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        yield runner.run


@contextlib.contextmanager
def fresh_loops(new_loop):
    """The same, on a new loop each time."""

    def run(coro):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(coro)

    yield run


WAYS = living_loop, fresh_loops


def leaks(scenario, new_loop, warm_up, runs, ways=WAYS):
    """{quantity: growth per run} of one scenario; on a loop for all its runs, and on one for each."""
    if not inspect.iscoroutinefunction(scenario):
        return growth(scenario, warm_up, runs)

    async def bounded():
        async with asyncio.timeout(TIMEOUT):
            await scenario()

    found = {}
    for way in ways:
        with way(new_loop) as run:
            found |= growth(lambda: run(bounded()), warm_up, runs)
    return found
