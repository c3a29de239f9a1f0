"""Mixed work for a few seconds; `python tests/soak.py 600` is the same for ten minutes."""

import os
import subprocess
import sys
from pathlib import Path

from support import TIMEOUT


def test_churn_leaves_memory_descriptors_threads_and_children_as_they_were(slow):
    seconds = os.environ.get("FASTPROC_SOAK", "5" if slow else "2")
    soak = Path(__file__).with_name("soak.py")
    done = subprocess.run(
        [sys.executable, str(soak), seconds],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=float(seconds) * 2 + 2 * TIMEOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(" children churned, flat\n")
