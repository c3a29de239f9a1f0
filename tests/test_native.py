"""The floors below Python, tested from C; see native/run.py."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = Path(__file__).parent / "native"


@pytest.mark.parametrize("variant", ["plain", pytest.param("sanitized", marks=pytest.mark.slow)])
def test_native_tests_pass(variant):
    done = subprocess.run(
        [sys.executable, NATIVE / "run.py", variant], capture_output=True, text=True
    )
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    stated = {
        name
        for source in NATIVE.glob("test_*.c")
        for name in re.findall(r"^TEST\((\w+)\)", source.read_text(), re.MULTILINE)
    }
    assert stated == set(re.findall(r"^ok (\w+)$", done.stdout, re.MULTILINE))
