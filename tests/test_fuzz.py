"""stream/ under random programs, in any compiler's build; libFuzzer is for fuzz/run.py."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz"


def test_random_programs_of_stream_agree_with_their_models(slow):
    done = subprocess.run(
        [sys.executable, FUZZ / "run.py", "--plain", "1000" if slow else "300"],
        capture_output=True,
        text=True,
    )
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\w+): \d{3,} executions$", done.stdout, re.MULTILINE) == sorted(
        source.stem.removeprefix("fuzz_") for source in FUZZ.glob("fuzz_*.c")
    )
