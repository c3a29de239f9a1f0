"""CPython's own tests of subprocesses and streams, from its own files; see cpython/run.py."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "cpython"
sys.path.insert(0, str(FOLDER))
try:
    from exclusions import EXCLUSIONS
finally:
    sys.path.remove(str(FOLDER))

NOT_HERE = 77
PARTS = {"test_subprocess": 4, "test_streams": 1}  # most of the time these tests sleep
AT_LEAST = {"test_subprocess": 60, "test_streams": 60}  # tests, so that it is known they ran
CHILDREN = {"test_subprocess": 80, "test_streams": 0}  # as many as _fastproc starts at least

on_each_loop = pytest.mark.parametrize(
    "loop", ["stdlib", pytest.param("uvloop", marks=pytest.mark.slow)]
)
of_each_module = pytest.mark.parametrize("module", EXCLUSIONS)


def run(*args):
    """(exit status, output) of run.py; skips where the tests are not to be had."""
    process = subprocess.Popen(
        [sys.executable, FOLDER / "run.py", *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # not reaped yet, so the group is ours
            output, _ = process.communicate()
    if process.returncode == NOT_HERE:
        if "no uvloop" not in output and os.environ.get("FASTPROC_REQUIRE_CPYTHON_TESTS") == "1":
            pytest.fail(output)
        pytest.skip(output.strip().splitlines()[-1])
    return process.returncode, output


def summary(output):
    (line,) = (line for line in output.splitlines() if line.startswith("SUMMARY "))
    return json.loads(line.removeprefix("SUMMARY "))


@on_each_loop
@of_each_module
def test_cpythons_own_tests_pass(module, loop):
    parts = PARTS[module]
    options = [(f"--loop={loop}", f"--part={part + 1}/{parts}", module) for part in range(parts)]
    with ThreadPoolExecutor(parts) as pool:
        done = list(pool.map(lambda option: run(*option), options))
    ran, started = 0, Counter()
    for status, output in done:
        assert status == 0, output
        assert not summary(output)["altered"], output
        ran += summary(output)["run"] - summary(output)["skipped"]
        started.update(summary(output)["started"])
    assert ran >= AT_LEAST[module]
    assert started["subprocess"] == 0
    assert started["other"] >= CHILDREN[module]


@of_each_module
def test_every_listed_test_exists(module):
    status, output = run("--ids", module)
    assert status == 0, output
    due = {name for name, e in EXCLUSIONS[module].items() if e.must_exist(sys.version_info[:3])}
    assert due - set(output.split()) == set()


@of_each_module
@pytest.mark.slow
def test_no_listed_test_would_pass(module):
    """Only for the interpreter's own loop: uvloop comes in any version."""
    _, output = run("--listed=only", module)
    result = summary(output)
    due = [e for e in EXCLUSIONS[module].values() if e.must_exist(sys.version_info[:3])]
    due = [e for e in due if e.loop != "uvloop" and not e.lost_status]
    assert result["run"] == len(result["failed"]) + result["skipped"] >= len(due), output


@of_each_module
def test_every_reason_is_one_line(module):
    assert all(0 < len(e.reason) < 90 and "\n" not in e.reason for e in EXCLUSIONS[module].values())
