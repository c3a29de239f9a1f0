"""A part of the suite in sandboxes, each with the same on asyncio, which says what is expected."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from seccomp.filters import CANNOT, FILTERS, QUICK, CannotBuild, build, in_sandbox
from support import LINUX

HERE = Path(__file__).resolve().parent
ENOUGH = 600  # seconds
EVERYTHING = os.environ.get("FASTPROC_SANDBOXES") == "all"  # takes half an hour
# A life with its signals, a status of each kind, descriptors, ids; in seconds, without that.
FEW = """
    test_wait_returns_minus_n_for_signal_n or test_many_wait_at_once or test_terminate_and_kill
    or test_dropped_process_runs_on_and_is_reaped or test_closing_the_transport_kills_the_child_and
    or test_cwd_as_ or test_pass_fds or test_user_group_and_extra_groups or test_start_new_session
"""
FILES = {
    False: ["test_process.py", "test_create.py"],
    True: [
        f"test_{name}.py"
        for name in "process create signals reaping_by_others cancel communicate".split()
    ],
}
OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR) (\S+?::\w+)(?:\[(.*?)\])?(?: - .*)?$", re.M)
CASE = re.compile(r"\b(asyncio|fastproc)-[a-z]+")  # and the loop, or the way that is forced

# Where neither pidfds nor waitid can be had, a pid that others have reaped and that another process has
# by now cannot be told apart, and asyncio does not try. (_fastproc/DIFFERENCES.rst)
CANNOT_BE_TOLD = r"test_child_whose_pid_is_anothers_before_the_loop_first_looks"

pytestmark = pytest.mark.skipif(not LINUX, reason="seccomp is Linux'")


@pytest.fixture(scope="module")
def launcher(tmp_path_factory):
    try:
        return build(tmp_path_factory.mktemp("launch"))
    except CannotBuild as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def totals():
    counted = Counter()
    yield counted
    print(
        f"\nsandboxes: {counted['sandboxes']}; of tests in them asyncio {counted['asyncio']},"
        f" {counted['asyncio failed']} failed; fastproc {counted['fastproc']},"
        f" {counted['fastproc failed']} failed"
    )


def run_in_sandbox(launcher, name, command):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        in_sandbox(launcher, name, command),
        cwd=HERE.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ENOUGH,
    )
    if done.returncode == CANNOT:
        pytest.skip(f"no such sandbox here: {done.stderr}")
    return done


def run(launcher, name, tests):
    """{"asyncio" or "fastproc": {the test's name: whether it passed everywhere}}"""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA"]
    command += [
        "--impl",
        "asyncio,fastproc",
        "--loops",
        "stdlib",
        "--tb=line",
        "--no-header",
        *tests,
    ]
    done = run_in_sandbox(launcher, name, command)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    seen = {"asyncio": {}, "fastproc": {}}
    for outcome, test, case in OUTCOME.findall(done.stdout):
        found = CASE.search(case)
        whose = found[1] if found else "fastproc"
        name = test + CASE.sub("", case)
        seen[whose][name] = seen[whose].get(name, True) and outcome == "PASSED"
    return seen, done.stdout


@pytest.mark.parametrize("name", FILTERS if EVERYTHING else QUICK)
def test_suite_in_a_sandbox(launcher, name, totals):
    tests = [str(HERE / file) for file in FILES[EVERYTHING]]
    few = [] if EVERYTHING else ["-k", " ".join(FEW.split())]
    seen, output = run(launcher, name, [*tests, *few])
    failed = {
        whose: sorted(test for test, passed in tests.items() if not passed)
        for whose, tests in seen.items()
    }
    summary = "; ".join(
        f"{whose} {len(tests)}, {len(failed[whose])} failed" for whose, tests in seen.items()
    )
    print(f"\nsandbox {name}: {summary}")
    for whose, tests in seen.items():
        totals[whose] += len(tests)
        totals[f"{whose} failed"] += len(failed[whose])
    totals["sandboxes"] += 1
    assert len(seen["asyncio"]) > 10 and len(seen["fastproc"]) > 10, output
    blind = "waitid" in " ".join(rule for rule in FILTERS[name] if ":" not in rule)
    worse = set(failed["fastproc"]) - set(failed["asyncio"])
    worse = {test for test in worse if not (blind and CANNOT_BE_TOLD in test)}
    assert worse == set(), output[-20000:]


def test_process_groups_on_a_kernel_that_signals_none_by_pidfd(launcher):
    """Before Linux 6.9; asyncio has nothing of this."""
    tests = [HERE / "test_run.py", HERE / "test_terminal.py"]
    some = ["-k", "group or other_exceptions or keeps_the_terminal"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]
    name = "pidfd_send_signal to groups EINVAL"
    done = run_in_sandbox(launcher, name, [*command, *tests, *some])
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr
