"""Every call that can fail, made to fail: the quick part of faults/run.py, or all of it.

FASTPROC_FAULTS=quick runs it for some minutes, FASTPROC_FAULTS=all for the better part of an hour.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parent / "faults"
POINTS = 2500  # that the quick part hits at the least


@pytest.mark.skipif("FASTPROC_FAULTS" not in os.environ, reason="minutes: FASTPROC_FAULTS=quick")
def test_every_call_may_fail():
    everything = os.environ["FASTPROC_FAULTS"] == "all"
    arguments = [] if everything else ["--quick"]
    signal.alarm(0)  # conftest's; every row has a watchdog of its own
    done = subprocess.run(
        [sys.executable, FAULTS / "run.py", *arguments], capture_output=True, text=True
    )
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    raised, correct, broken = map(
        int, re.search(r"^all .* (\d+) +(\d+) +(\d+)$", done.stdout, re.M).groups()
    )
    assert raised + correct > POINTS and broken == 0
