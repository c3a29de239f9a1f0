"""Runs the interpreter's own asyncio tests, from its own files, with _fastproc installed.

    python tests/cpython/run.py [--impl asyncio|fastproc] [--loop stdlib|uvloop]
                                [--listed leave-out|only|include] [--part K/N] [--ids]
                                MODULE [TEXT ...]

MODULE is test_subprocess or test_streams; with texts: the tests whose ids contain one of them.
`--listed` says what to do with the tests in exclusions.py (with asyncio they all run), `--part` is
for running N processes at once, `--ids` prints the ids of all tests and runs none.

The line that begins with SUMMARY is one in JSON. The exit status is 0 if all passed, 1 if not, 77
if this interpreter has no such tests, or there is no uvloop for it.
"""

import argparse
import asyncio
import asyncio.subprocess
import collections
import contextlib
import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import unittest
import warnings
from pathlib import Path

from exclusions import EXCLUSIONS

HANG = 100  # seconds, then the run ends with a traceback
NOT_HERE = 77
POPEN_FILE = subprocess.Popen.__init__.__code__.co_filename


def parse(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("module", choices=EXCLUSIONS)
    parser.add_argument("texts", nargs="*")
    parser.add_argument("--impl", choices=["asyncio", "fastproc"], default="fastproc")
    parser.add_argument("--loop", choices=["stdlib", "uvloop"], default="stdlib")
    parser.add_argument("--listed", choices=["leave-out", "only", "include"], default="leave-out")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--ids", action="store_true")
    return parser.parse_args(arguments)


def not_here(reason):
    print(reason, file=sys.stderr)
    sys.exit(NOT_HERE)


# What the tests run on


def use_uvloop():
    """Every loop that a test makes is uvloop's from now on."""
    try:
        import uvloop
    except ImportError as error:
        not_here(f"no uvloop: {error}")

    class Loop(uvloop.Loop):
        _default_executor = None  # the tests look at it before they close a loop

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.14, which has no other way yet

        class Policy(asyncio.DefaultEventLoopPolicy):
            _loop_factory = Loop

        asyncio.set_event_loop_policy(Policy())
    # Before 3.14 the tests attach child watchers to their loops.
    warnings.filterwarnings("ignore", "!!! asyncio is trying to install its ChildWatcher")


def use_fastproc(module):
    import _fastproc

    _fastproc.install()
    if module == "test_streams":  # those of sockets too
        asyncio.StreamReader = asyncio.streams.StreamReader = _fastproc.StreamReader


def count_children():
    """{"subprocess": children started by subprocess.Popen, "other": by anything else}."""
    started = collections.Counter({"subprocess": 0, "other": 0})

    def hook(event, _):
        if event == "subprocess.Popen":
            by_popen = sys._getframe(1).f_code.co_filename == POPEN_FILE
            started["subprocess" if by_popen else "other"] += 1

    sys.addaudithook(hook)
    return started


# The tests


def load(module):
    name = f"test.test_asyncio.{module}"
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        not_here(f"this interpreter has no {name}: {error}")
    except unittest.SkipTest as error:
        not_here(f"{name} is not for this interpreter: {error}")
    return list(flatten(unittest.defaultTestLoader.loadTestsFromModule(module)))


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def ids(test):
    """What a test may be listed as: Definer.method, Class.method, Class.*"""
    name, method = type(test).__name__, test._testMethodName
    return {getattr(test, method).__qualname__, f"{name}.{method}", f"{name}.*"}


def choose(tests, args):
    if args.impl == "fastproc" and args.listed != "include":
        only = args.listed == "only"
        listed = listed_here(args.module, args.loop, only)
        tests = [test for test in tests if only == (not listed.isdisjoint(ids(test)))]
    if args.texts:
        tests = [test for test in tests if any(text in test.id() for text in args.texts)]
    part, parts = map(int, args.part.split("/"))
    # One test in different classes takes equally long: spread over the parts.
    return sorted(tests, key=lambda test: test._testMethodName)[part - 1 :: parts]


def listed_here(module, loop, surely_failing):
    """The listed ids that count on this loop and machine."""
    from _fastproc import _core

    machine = _core.machine()
    lost_status = not machine["exit_info"] or machine["reap"] != "auto"
    return {
        name
        for name, entry in EXCLUSIONS[module].items()
        if entry.loop in (None, loop)
        and (not entry.lost_status or (lost_status and not surely_failing))
    }


def kill_children():
    """A test that fails may leave some."""
    pids = []
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # that thread has ended
            pids += map(int, children.read_text().split())
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def main(arguments):
    args = parse(arguments)
    faulthandler.dump_traceback_later(HANG, exit=True)
    sys.stdout.reconfigure(line_buffering=True)  # in order with what goes to stderr
    warnings.simplefilter("default")
    started = count_children()
    if args.loop == "uvloop":
        use_uvloop()
    if args.impl == "fastproc":
        use_fastproc(args.module)
    tests = load(args.module)
    if args.ids:
        print("\n".join(sorted(set().union(*map(ids, tests)))))
        return 0

    from test import support

    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2)
    if sys.version_info >= (3, 12):
        runner.durations = 5
    try:
        result = runner.run(unittest.TestSuite(choose(tests, args)))
    finally:
        kill_children()
    summary = {
        "run": result.testsRun,
        "skipped": len(result.skipped),
        "failed": sorted({test.id() for test, _ in result.failures + result.errors}),
        "altered": support.environment_altered,  # a test has left a thread or a child
        "started": started,
    }
    print("SUMMARY", json.dumps(summary))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
