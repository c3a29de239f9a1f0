"""What a child, a line, a MiB and a round of ping-pong cost, in figures without noise.

    python -m tests.bench.costs              measures, and compares with costs.json; 1 if it is more
    python -m tests.bench.costs --refresh    measures, and writes costs.json
    python -m tests.bench.costs --only spawn,lines

Counted are the instructions of the parent (valgrind's callgrind) and its system calls (strace -c), on
one processor, so that parent and child take turns.  Which turn sees an exit or the end of a pipe is
still a matter of luck, so costs.json keeps the lowest and the highest of several measurements, for each
version of CPython.  A row that is above the highest by more than 3 % is counted again, a few times, and
must come below that once: what costs more costs it each time.  One that is as much below the lowest is
told, too, because then the file is to be refreshed.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import syscalls
from .report import simple_table

HERE = Path(__file__).parent
KEPT = HERE / "costs.json"
TOLERANCE = 0.03
RANGE = 3  # times a row is counted whose range is to be kept
TRIES = 5  # and at most one that seems to have become more

# workload: (its unit, how many that is, two amounts of them; what both have in common is no part of the cost)
WORKLOADS = {
    "spawn": ("child", 1, 50, 250),
    "pipes": ("child", 1, 50, 250),
    "cat": ("child", 1, 50, 250),
    "run": ("child", 1, 50, 250),
    "lines": ("1,000 lines", 1000, 20, 60),
    "readline": ("1,000 lines", 1000, 20, 60),
    "any_lines": ("1,000 lines", 1000, 20, 60),
    "relay": ("MiB", 1, 8, 40),
    "echo": ("MiB", 1, 8, 40),
    "pingpong": ("round", 1, 200, 1200),
}
LOOPS = ("fastproc", "fastproc-uvloop")
COUNTED = ("instructions", "system calls")


def command(contender, workload, amount):
    """Of one run, on one processor, with the same hashes each time."""
    return [sys.executable, str(HERE / "python_side.py"), contender, workload, str(amount)]


def instructions(contender, workload, amount):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
            + command(contender, workload, amount),
            capture_output=True,
            text=True,
            check=True,
        )
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def system_calls(contender, workload, amount):
    program, side, name, *_ = command(contender, workload, amount)
    return sum(syscalls.count_once([program, side, name], workload, amount).values())


def per_unit(count, contender, workload):
    _, size, few, many = WORKLOADS[workload]
    more = count(contender, workload, many * size) - count(contender, workload, few * size)
    return round(more / (many - few), 2)


def measure(row):
    """{"instructions": number, "system calls": number}, for one unit of a "workload, contender"."""
    workload, contender = row.split(", ")
    found = {
        name: per_unit(count, contender, workload)
        for name, count in zip(COUNTED, (instructions, system_calls))
    }
    print(f"{row}: {found} per {WORKLOADS[workload][0]}", file=sys.stderr)
    return found


def is_more(found, kept):
    return any(name in kept and verdict(found[name], kept[name]) == "more" for name in COUNTED)


def measure_all(rows, kept):
    """{row: what measure() returns}; the lowest of several where it is more than what was kept."""
    found = {row: measure(row) for row in rows}
    for row in rows:
        for _ in range(TRIES - 1):
            if not is_more(found[row], kept.get(row, {})):
                break
            found[row] = lowest(found[row], measure(row))
    return found


def lowest(*several):
    return {name: min(one[name] for one in several) for name in COUNTED}


def measure_ranges(rows):
    """{row: {name: [lowest, highest]}}"""
    several = {row: [measure(row) for _ in range(RANGE)] for row in rows}
    return {
        row: {name: [pick(one[name] for one in ones) for pick in (min, max)] for name in COUNTED}
        for row, ones in several.items()
    }


def verdict(now, before):
    """More, less or the same as [lowest, highest]; half a system call more or less is chance."""
    low, high = before
    if now > high + max(TOLERANCE * high, 0.5):
        return "more"
    return "less" if now < low - max(TOLERANCE * low, 0.5) else "same"


def compare(found, kept):
    """Rows of a table, and which of them cost more."""
    rows, more = [["", "counted", "before", "now", ""]], []
    for row, counts in found.items():
        for name, now in counts.items():
            before = kept.get(row, {}).get(name)
            if before is None:
                rows.append([row, name, "", f"{now:,.1f}", "new"])
                continue
            said = verdict(now, before)
            low, high = (f"{count:,.1f}" for count in before)
            shown = low if low == high else f"{low} to {high}"
            rows.append([row, name, shown, f"{now:,.1f}", said])
            if said == "more":
                more.append(f"{row}: {name}")
    return rows, more


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--refresh", action="store_true")
    parser.add_argument("--only", metavar="WORKLOAD,...", default=",".join(WORKLOADS))
    options = parser.parse_args()
    missing = [tool for tool in ("valgrind", "strace") if shutil.which(tool) is None]
    if missing:
        sys.exit("not here: " + ", ".join(missing))
    os.environ["PYTHONHASHSEED"] = "0"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    version = platform.python_version()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    rows = [f"{name}, {contender}" for name in options.only.split(",") for contender in LOOPS]
    if options.refresh:
        kept[version] = kept.get(version, {}) | measure_ranges(rows)
        KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        return
    found = measure_all(rows, kept.get(version, {}))
    table, more = compare(found, kept.get(version, {}))
    print("\n".join(simple_table(table)))
    if version not in kept:
        sys.exit(f"costs.json has no figures of CPython {version}: use --refresh")
    if more:
        sys.exit("costs: more than before: " + "; ".join(more))
    print(f"costs: CPython {version}, {len(found)} rows, none is above costs.json by more than 3 %")


if __name__ == "__main__":
    main()
