"""Programs that know nothing of _fastproc, run on asyncio and on _fastproc: the same result.

A program whose library is not installed is skipped, but fails if FASTPROC_INTEGRATION is 1.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
SUITE = HERE / "suite"
TIMEOUT = 60  # seconds, only to turn a hang into a failure

# program: the modules it needs
NEEDS = {
    "anyio_processes": ["anyio"],
    "anyio_workers": ["anyio"],
    "browser_driver": ["playwright"],
    "build_tests": ["mesonbuild"],
    "language_server": ["pygls", "jedi_language_server"],
    "mcp_calls": ["mcp"],
    "notebook_background": ["IPython"],
    "notebook_scripts": ["IPython"],
    "shell_pipelines": ["shellous"],
    "ssh_proxy": ["asyncssh"],
}
CHOOSE_THEIR_LOOP = {"build_tests", "notebook_background", "notebook_scripts"}
CASES = [
    (program, loop)
    for program in NEEDS
    for loop in ("stdlib", "uvloop")
    if loop == "stdlib" or program not in CHOOSE_THEIR_LOOP
]

# What must not be on stderr, whatever else a library writes there.
TROUBLE = re.compile(r"Traceback|Exception ignored|never awaited|never retrieved|Warning")


def need(*modules):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("FASTPROC_INTEGRATION") == "1":
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


class Outcome:
    """Of one run: status, what it printed, and who started its children."""

    def __init__(self, folder, *args):
        folder.mkdir()
        counts = folder / "counts.json"
        env = os.environ | {
            "FASTPROC_COUNTS": str(counts),
            "PYTHONPATH": os.pathsep.join([str(HERE / "site"), str(HERE.parent.parent)]),
            "TMPDIR": str(folder),
            "PYTEST_ADDOPTS": "",
        }
        command = [sys.executable, "-W", "always::ResourceWarning", *map(str, args)]
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        done = subprocess.run(command, env=env, cwd=folder, timeout=TIMEOUT, **options)
        self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.started = json.loads(counts.read_text()) if counts.exists() else None

    @property
    def result(self):
        return self.status, self.stdout

    def check(self):
        assert self.status == 0, self.stdout + self.stderr
        assert not TROUBLE.search(self.stderr), self.stderr
        assert self.started["left"] == 0


def check_who_started(on_asyncio, on_fastproc, loop):
    """uvloop starts children in a way of its own, which nothing counts."""
    assert on_asyncio.started["fastproc"] == on_fastproc.started["asyncio"] == 0
    assert on_fastproc.started["fastproc"] > 0
    if loop == "stdlib":
        assert on_fastproc.started["fastproc"] == on_asyncio.started["asyncio"]
    assert on_fastproc.started["other"] == on_asyncio.started["other"]


def test_every_program_is_listed():
    assert sorted(NEEDS) == sorted(
        path.stem for path in PROGRAMS.glob("*.py") if path.stem != "loops"
    )


@pytest.mark.parametrize("program, loop", CASES)
def test_program(program, loop, tmp_path):
    need(*NEEDS[program], *(["uvloop"] * (loop == "uvloop")))
    command = [PROGRAMS / f"{program}.py"] + [loop] * (loop != "stdlib")
    on_asyncio = Outcome(tmp_path / "asyncio", *command)
    on_asyncio.check()
    on_fastproc = Outcome(tmp_path / "fastproc", "-m", "_fastproc", *command)
    assert on_fastproc.result == on_asyncio.result, on_fastproc.stderr
    on_fastproc.check()
    check_who_started(on_asyncio, on_fastproc, loop)


def verdicts(outcome):
    """{test: PASSED or the like} of a verbose pytest."""
    return dict(re.findall(r"(\w+\.py::\S+) ([A-Z]+)", outcome.stdout))


def test_pytest_asyncio_suite(tmp_path):
    need("pytest_asyncio")
    command = ["-m", "pytest", "-v", "-p", "no:cacheprovider", "-c", SUITE / "pytest.ini", SUITE]
    on_asyncio = Outcome(tmp_path / "asyncio", *command)
    on_asyncio.check()
    on_fastproc = Outcome(tmp_path / "fastproc", *command, "--fastproc")
    on_fastproc.check()
    assert verdicts(on_fastproc) == verdicts(on_asyncio) != {}
    assert re.search(r"^fastproc: ", on_fastproc.stdout, re.MULTILINE)
    assert not re.search(r"^fastproc: ", on_asyncio.stdout, re.MULTILINE)
    check_who_started(on_asyncio, on_fastproc, "stdlib")
