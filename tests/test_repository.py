"""The checkout itself: what lies at its top, and the scripts and settings for those who change it."""

import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import _fastproc

ROOT = Path(__file__).resolve().parent.parent
CI = ROOT / ".ci"
TOP = """
    _fastproc tests setup.py pyproject.toml MANIFEST.in README.rst LICENSE CHANGES.rst
    .ci .github .clang-format .clang-tidy .editorconfig .gitignore .pre-commit-config.yaml
""".split()

pytestmark = pytest.mark.skipif(not CI.exists(), reason="not in a checkout")


def committed():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("not in a checkout of git's")
    return done.stdout.split("\0")[:-1]


def test_the_top_level_stays_small():
    assert {name.partition("/")[0] for name in committed()} <= set(TOP)


@pytest.mark.parametrize("name", [path.name for path in CI.glob("*") if path.suffix != ".txt"])
def test_a_script_is_one_and_needs_nothing_from_outside(name):
    script = CI / name
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert text.startswith("#!/usr/bin/env ")
    assert "/../" not in text
    if "bash" in text.splitlines()[0]:
        subprocess.run(["bash", "-n", script], check=True)


def test_the_hook_of_pre_commit_runs_a_script_that_is_there():
    yaml = pytest.importorskip("yaml")
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (hook,) = (hook for repo in settings["repos"] for hook in repo["hooks"])
    assert (ROOT / hook["entry"].split()[0]).exists()


def test_mutants_fit_the_sources():
    script = ROOT / "tests" / "mutants" / "run.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_changes_begin_with_the_version_that_is_made():
    versions = re.findall(r"^(\d\S*)(?: \(.*\))?\n---", (ROOT / "CHANGES.rst").read_text(), re.M)
    assert versions[0] == _fastproc.__version__


# The workflow


@pytest.fixture(scope="module")
def jobs():
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    return workflow["jobs"]


def commands(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflow_runs_what_readme_says_on_every_version(jobs):
    readme = (ROOT / "README.rst").read_text()
    quick_start, tests = commands(jobs["tests"])
    assert f"\n    {quick_start}\n" in readme and f"\n    {tests}\n" in readme
    project = (ROOT / "pyproject.toml").read_text()
    versions = re.findall(r"Python :: (3\.\d+)", project)
    assert jobs["tests"]["strategy"]["matrix"]["python"] == versions


def test_the_workflow_is_made_of_shell_and_scripts_that_are_there(jobs):
    for name, job in jobs.items():
        assert job["timeout-minutes"] <= 40, name
        for command in commands(job):
            subprocess.run(["bash", "-n"], input=command, text=True, check=True)
            for script in re.findall(r"\.ci/[\w-]+", command):
                assert os.access(ROOT / script, os.X_OK), script


@pytest.mark.skipif(
    os.environ.get("FASTPROC_WORKFLOW") != "1", reason="minutes: FASTPROC_WORKFLOW=1 runs it"
)
@pytest.mark.parametrize("name", ["tests", "slow", "clang", "programs", "format"])
def test_a_job_of_the_workflow_succeeds(jobs, name, tmp_path):
    """In a clone, with this Python in the place of python3; tests are collected and not run.

    The job that builds the wheels is a stage of .ci/deep.
    """
    assert name in jobs
    if name == "clang" and shutil.which("clang") is None:
        pytest.skip("needs clang")
    subprocess.run(["git", "clone", "-q", "--no-local", ROOT, tmp_path / "clone"], check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(Path(sys.base_prefix, "bin", "python3"))
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTEST_ADDOPTS": "--collect-only -q"}
    environment |= jobs[name].get("env", {})
    for command in commands(jobs[name]):
        shell = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", command]
        done = subprocess.run(shell, cwd=tmp_path / "clone", env=environment, timeout=600)
        assert done.returncode == 0, command


# What a long check has said


@pytest.fixture
def record(tmp_path):
    """Runs a copy of .ci/record on a copy of the text; gives the text that it leaves."""
    text = tmp_path / "tests" / "README.rst"
    (tmp_path / ".ci").mkdir()
    text.parent.mkdir()
    shutil.copy(CI / "record", tmp_path / ".ci")
    shutil.copy(ROOT / "tests" / "README.rst", text)

    def record(*arguments):
        subprocess.run([sys.executable, tmp_path / ".ci" / "record", *arguments], check=True)
        return text.read_text()

    return record


@pytest.mark.parametrize("check", ["soak", "a new one"])
def test_a_long_check_has_one_line_in_the_table(record, check):
    before = (ROOT / "tests" / "README.rst").read_text()
    first = record(check, "abc1234", "7", "said something " * 30)
    second = record(check, "def5678", "12", "said something else")
    today = date.today().isoformat()
    row = rf"^{check} +{today}  def5678  12 +said something else$"
    assert len(re.findall(row, second, re.MULTILINE)) == 1
    assert "abc1234" in first and "abc1234" not in second
    untouched = [line for line in before.splitlines() if "  20" in line and check not in line]
    assert len(untouched) > 5
    squeezed = {" ".join(line.split()) for line in second.splitlines()}
    assert {" ".join(line.split()) for line in untouched} <= squeezed
    assert second.count("\n") - before.count("\n") == (check == "a new one")
