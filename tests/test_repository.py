"""The checkout itself: what lies at its top, and the scripts and settings for those who change it."""

import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

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
