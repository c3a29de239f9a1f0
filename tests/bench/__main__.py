"""Measures _fastproc beside asyncio, uvloop, trio, Node, Go and a C program.

    python -m tests.bench                    everything
    python -m tests.bench --quick            a look, some minutes
    python -m tests.bench --only spawn,burst --contenders asyncio,fastproc

Each workload runs in a process of its own, once per round for every contender, in an order that
changes from round to round; figures are medians of the rounds.  What is not on this machine (node,
go, a C compiler, trio, uvloop) is left out and named.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import report, syscalls
from .workloads import CHILDREN, WORKLOADS

HERE = Path(__file__).parent
PATIENCE = 300  # seconds for one run of one workload


def build(source, *command):
    """Whether the compiler is there; it must succeed then."""
    if shutil.which(command[0]) is None:
        return False
    subprocess.run([*command, str(HERE / source)], check=True)
    return True


def find_contenders(wanted, folder):
    """{contender: the command that runs it}, and those that are wanted but not here."""
    python = [sys.executable, str(HERE / "python_side.py")]
    have = {"asyncio": [*python, "asyncio"], "fastproc": [*python, "fastproc"]}
    if importlib.util.find_spec("uvloop"):
        have |= {name: [*python, name] for name in ("uvloop", "fastproc-uvloop")}
    if importlib.util.find_spec("trio"):
        have["trio"] = [sys.executable, str(HERE / "trio_side.py")]
    if "node" in wanted and shutil.which("node"):
        have["node"] = ["node", str(HERE / "node_side.js")]
    floor, go = str(folder / "floor"), str(folder / "go_side")
    flags = ["-O2", "-std=c11", "-fno-stack-protector", "-U_FORTIFY_SOURCE"]
    if "floor" in wanted and build("floor.c", "cc", *flags, "-o", floor):
        have["floor"] = [floor]
    if "go" in wanted and build("go_side.go", "go", "build", "-o", go):
        have["go"] = [go]
    have = {name: command for name, command in have.items() if name in wanted}
    return have, [name for name in wanted if name not in have]


@contextlib.contextmanager
def processors(workload):
    """This process, and with it what it runs, on those that the workload asks for."""
    if not workload.one_processor:
        yield
        return
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_of_them)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


def run_once(command, workload, amount):
    """The raw figures of one run."""
    done = subprocess.run(
        [*command, workload.function, str(amount)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if done.returncode != 0:
        sys.exit(f"{command} {workload.name} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def show(text):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def measure(workloads, contenders, rounds, quick):
    """{(workload, figure title): {contender: [value in the raw unit, one per round]}}"""
    values = {}
    began = time.monotonic()
    for number in range(rounds):
        for workload in workloads:
            amount = workload.quick if quick else workload.amount
            order = [name for name in workload.contenders if name in contenders]
            random.shuffle(order)
            for name in order:
                minutes = (time.monotonic() - began) / 60
                show(f"round {number + 1} of {rounds}, {minutes:.0f} min: {workload.name}, {name}")
                with processors(workload):
                    raw = run_once(contenders[name], workload, amount)
                for figure in workload.figures:
                    if figure.key not in raw:  # the floor holds no more than it has to
                        continue
                    value = raw[figure.key] / (amount if figure.per_unit else 1)
                    row = values.setdefault((workload.name, figure.title), {})
                    row.setdefault(name, []).append(value)
    show("")
    return values


def names(text):
    return text.split(",")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="less of everything, 3 rounds")
    parser.add_argument("--rounds", type=int, help="default: 7")
    parser.add_argument("--only", type=names, metavar="WORKLOAD,...", help="of the workloads")
    parser.add_argument("--contenders", type=names, default=CHILDREN, metavar="NAME,...")
    parser.add_argument("--syscalls", action="store_true", help="count system calls too (strace)")
    parser.add_argument("--output", type=Path, help="a folder for the figures, table and plots")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an import compiles only the first time
    workloads = [w for w in WORKLOADS if not options.only or w.name in options.only]
    if not hasattr(os, "sched_setaffinity"):
        workloads = [w for w in workloads if not w.one_processor]
    with tempfile.TemporaryDirectory() as folder:
        contenders, missing = find_contenders(options.contenders, Path(folder))
        if missing:
            print(f"not on this machine: {', '.join(missing)}", file=sys.stderr)
        rounds = options.rounds or (3 if options.quick else 7)
        values = measure(workloads, contenders, rounds, options.quick)
        counts = syscalls.measure(contenders) if options.syscalls else {}
    print(report.surroundings(rounds), *report.table(workloads, contenders, values), sep="\n")
    print(*syscalls.lines(counts), sep="\n")
    if options.output:
        report.write(options.output, rounds, workloads, contenders, values)
        if counts:
            text = "\n".join(syscalls.lines(counts))
            (options.output / "syscalls.rst").write_text(text)


if __name__ == "__main__":
    main()
