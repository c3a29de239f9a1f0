"""Children in a crowd: the tables of NOTES.rst about many descriptors, children and starts.

    python -m tests.bench.crowds [--rounds N] [--only open,live,burst]
                                 [--open N,...] [--live N,...] [--burst N] [--gates N,...]

`open`: one more /bin/true beside so many open descriptors, from after the first child or before it,
and with two pipes. `live`: beside so many live children without pipes. Both in µs per child, of the
parent's CPU time and of wall time. `burst`: so many children wanted at once, by how many may start at
a time: the longest stall of another task, and the time until the last has ended; and CPU and wall time
per child (µs) when 100 tasks run one child after another.
Every measurement is a process of its own, and the medians of the rounds are shown.
"""

import argparse
import asyncio
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from . import python_side
from .report import simple_table

ROOT = Path(__file__).parent.parent.parent
MORE = 100  # children of one measurement of `open` and `live`
IN_FLIGHT = 400  # of 100 tasks


async def one_more(api, run=python_side.run_true):
    figures = await python_side.one_after_another(api, MORE, run)
    return {name: figures[name] / MORE * 1e6 for name in ("cpu", "wall")}


async def beside_open(api, count, when):
    if when != "before":
        await python_side.run_true(api)
    opened = [os.dup(0) for _ in range(count)]
    run = python_side.run_echo if when == "pipes" else python_side.run_true
    found = await one_more(api, run)
    for fd in opened:
        os.close(fd)
    return found


async def beside_live(api, count, when):
    procs = []
    for _ in range(count):
        procs.append(await api.create_subprocess_exec(python_side.SLEEP, "600"))
    found = await one_more(api)
    for proc in procs:
        proc.kill()
    for proc in procs:
        await proc.wait()
    return found


def set_gate(api, gate):
    if gate != "asyncio":
        api._core.configure(gate=int(gate))


async def burst(api, count, gate):
    set_gate(api, gate)
    async with python_side.Stalls() as stalls:
        with python_side.Measured() as measured:
            await asyncio.gather(*(python_side.run_true(api) for _ in range(count)))
    return {"stall": stalls.longest * 1e3, "wall": measured.wall * 1e3}


async def flight(api, count, gate):
    set_gate(api, gate)
    figures = await python_side.flight(api, count)
    return {name: figures[name] / count * 1e6 for name in ("cpu", "wall")}


KINDS = {"open": beside_open, "live": beside_live, "burst": burst, "flight": flight}


def measure(kind, contender, count, detail):
    """In this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    api = importlib.import_module("_fastproc" if contender == "fastproc" else contender)
    return asyncio.run(KINDS[kind](api, count, detail))


def medians(rounds, *arguments):
    command = [sys.executable, "-m", "tests.bench.crowds", "--measure", *map(str, arguments)]
    found = []
    for _ in range(rounds):
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
        found.append(json.loads(done.stdout))
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def shown(found):
    return f"{found['cpu']:.0f}, {found['wall']:.0f}"


def tables(options):
    rounds, only = options.rounds, options.only.split(",")
    if "open" in only:
        rows = [["open", "asyncio", "opened after", "before", "after, two pipes"]]
        for count in map(int, options.open.split(",")):
            cells = [medians(rounds, "open", "asyncio", count, "after")]
            cells += [
                medians(rounds, "open", "fastproc", count, w) for w in ("after", "before", "pipes")
            ]
            rows.append([f"{count:,}", *map(shown, cells)])
        yield rows
    if "live" in only:
        rows = [["live children", "asyncio", "_fastproc"]]
        for count in map(int, options.live.split(",")):
            cells = [medians(rounds, "live", name, count, "") for name in ("asyncio", "fastproc")]
            rows.append([f"{count:,}", *map(shown, cells)])
        yield rows
    if "burst" in only:
        rows = [
            ["gate", "burst: longest stall (ms)", "burst: all (ms)", "100 tasks: CPU, wall (µs)"]
        ]
        for gate in ["asyncio", *options.gates.split(",")]:
            name = "asyncio" if gate == "asyncio" else "fastproc"
            found = medians(rounds, "burst", name, options.burst, gate)
            in_flight = medians(rounds, "flight", name, IN_FLIGHT, gate)
            cells = [f"{found['stall']:.1f}", f"{found['wall']:,.0f}", shown(in_flight)]
            rows.append([gate, *cells])
        yield rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="open,live,burst")
    parser.add_argument("--open", default="0,1200,3000,10000,18000")
    parser.add_argument("--live", default="10,1000,3000,6000,10000")
    parser.add_argument("--burst", type=int, default=5000)
    parser.add_argument("--gates", default="1,2,4,16,128")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        kind, contender, count, detail = options.measure
        print(json.dumps(measure(kind, contender, int(count), detail)))
        return
    for rows in tables(options):
        print("\n".join(simple_table(rows)) + "\n")


if __name__ == "__main__":
    main()
