"""run() in the tasks of dask.distributed: what to do when one machine is not enough.

A cluster of processes on this machine runs 2,000 commands; some take too long, and a worker is killed
in the middle. Dask repeats what the killed worker was at; nothing of any command is left.
"""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROGRAM = HERE / "examples" / "dask_commands.py"
COMMANDS = 2000


def living(mark):
    """The processes that have inherited this entry of the environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark.encode() in environment and state not in "ZX":
            found.append(int(pid))
    return found


def test_two_thousand_commands_on_a_cluster(tmp_path):
    if importlib.util.find_spec("distributed") is None:
        if os.environ.get("FASTPROC_INTEGRATION") == "1":
            pytest.fail("not installed: distributed")
        pytest.skip("not installed: distributed")
    mark = f"FASTPROC_DASK={tmp_path}"
    environment = os.environ | dict([mark.split("=", 1)])
    environment |= {"PYTHONPATH": str(HERE.parent.parent), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, PROGRAM, str(COMMANDS), "--kill-a-worker"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    late = COMMANDS // 100
    assert done.stdout.splitlines()[-1] == f"{COMMANDS - late} done, {late} too long"
    deadline = time.monotonic() + 10
    while living(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(mark) == []
