"""Runs every scenario again and again and says what grows.

    python tests/leaks/run.py [--warm-up N] [--runs N] [--loop stdlib|uvloop] [--one-loop] [--part K/N] [TEXT ...]

With texts: the scenarios whose names contain one of them. Each is run on one loop, and again with a
new loop for each run; `--one-loop` leaves out the second. `--part` is for running N processes at
once. On a debug build of CPython references are counted too. The last line, which begins with
SUMMARY, is one in JSON. The exit status is 1 if anything grows.
"""

import argparse
import json
import os
import sys
from pathlib import Path

# What glibc keeps per thread for its next malloc() would be counted as given out.
UNCACHED = "glibc.malloc.tcache_count=0"
if os.environ.get("GLIBC_TUNABLES") != UNCACHED:
    os.environ["GLIBC_TUNABLES"] = UNCACHED
    os.execv(sys.executable, sys.orig_argv)

sys.path[:0] = map(str, (Path(__file__).parents[1], Path(__file__).parents[2]))

from leaks import measure, scenarios, sweeps  # noqa: E402
from support import Aio  # noqa: E402


def choose(args):
    part, parts = map(int, args.part.split("/"))
    names = list(scenarios.SCENARIOS)[part - 1 :: parts]
    if args.loop == "uvloop":
        names = [name for name in names if name not in sweeps.STDLIB_ONLY]
    return [name for name in names if not args.texts or any(text in name for text in args.texts)]


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--loop", choices=["stdlib", "uvloop"], default="stdlib")
    parser.add_argument("--one-loop", action="store_true")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("texts", nargs="*")
    args = parser.parse_args(arguments)
    new_loop = Aio("fastproc", args.loop).new_loop
    ways = measure.WAYS[: 1 if args.one_loop else 2]
    names, leaking = choose(args), []
    for name in names:
        scenario = scenarios.SCENARIOS[name]
        found = measure.leaks(scenario, new_loop, args.warm_up, args.runs, ways)
        if found:
            leaking.append(name)
            what = ", ".join(f"{number:+.1f} {quantity}" for quantity, number in found.items())
            print(f"{name} leaks per run: {what}", flush=True)
    counted = measure.Counter().quantities()
    print("SUMMARY", json.dumps({"scenarios": names, "leaking": leaking, "counted": counted}))
    return 1 if leaking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
