"""One loop and several, each in a thread of its own: how much more is done in the same time.

    python -m tests.bench.threads [--rounds N] [--loops 1,2] [--amount N]

`spawn` runs /bin/true and waits for it, again and again; `relay` reads a large output by
read(64 KiB).  Each loop does the same amount.  Every measurement is a process of its own, the
contenders take turns, and the medians of the rounds are shown, with the throughput of several loops
as a multiple of that of one.  With CPython without a GIL, run it there.
"""

import argparse
import asyncio
import importlib
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
CONTENDERS = ("asyncio", "fastproc")
AMOUNTS = {"spawn": 400, "relay": 256}  # children, MiB
UNITS = {"spawn": "children/s", "relay": "MiB/s"}


def measure(contender, workload, loops, amount):
    """In this process: per second, of all loops."""
    from . import python_side

    api = importlib.import_module("_fastproc" if contender == "fastproc" else contender)
    start = threading.Barrier(loops + 1)
    end = threading.Barrier(loops + 1)

    async def main():
        await python_side.run_true(api)  # what is made once for a loop
        start.wait()
        if workload == "spawn":
            for _ in range(amount):
                await python_side.run_true(api)
        else:
            await python_side.read_by_pieces(api, amount)
        end.wait()  # so that no loop's end is measured

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(loops)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    end.wait()
    seconds = time.perf_counter() - began
    for thread in threads:
        thread.join()
    return loops * amount / seconds


def in_a_process(*arguments):
    command = [sys.executable, "-m", "tests.bench.threads", "--measure", *map(str, arguments)]
    done = subprocess.run(command, cwd=HERE.parent.parent, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--loops", default="1,2")
    parser.add_argument("--amount", type=float, default=1, help="of the usual amount, so much")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        contender, workload, loops, amount = options.measure
        print(json.dumps(measure(contender, workload, int(loops), int(amount))))
        return
    from .report import simple_table

    numbers = [int(number) for number in options.loops.split(",")]
    cells = [(c, w, n) for w in AMOUNTS for c in CONTENDERS for n in numbers]
    found = {cell: [] for cell in cells}
    for _ in range(options.rounds):
        for contender, workload, loops in cells:
            amount = max(1, round(AMOUNTS[workload] * options.amount))
            found[contender, workload, loops].append(
                in_a_process(contender, workload, loops, amount)
            )
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"CPython {sys.version.split()[0]}, {'with' if gil else 'without'} a GIL\n")
    heads = [f"{n} loop{'s' * (n > 1)}" for n in numbers]
    rows = [["", "unit", *heads, *(f"{n} / {numbers[0]}" for n in numbers[1:])]]
    for workload in AMOUNTS:
        for contender in CONTENDERS:
            rates = [statistics.median(found[contender, workload, n]) for n in numbers]
            times = [f"{rate / rates[0]:.2f}" for rate in rates[1:]]
            row = [f"{workload}, {contender}", UNITS[workload]]
            rows.append([*row, *(f"{rate:,.0f}" for rate in rates), *times])
    print("\n".join(simple_table(rows)))


if __name__ == "__main__":
    main()
