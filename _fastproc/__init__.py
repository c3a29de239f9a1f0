# SPDX-License-Identifier: MIT
"""asyncio's subprocesses, in C: the same names, arguments, results and exceptions.

PYTEST_DONT_REWRITE: the distribution has a plugin for pytest, so pytest would rewrite assertions in
all of its modules, and warn if the package is imported before pytest starts.
"""

from asyncio.subprocess import DEVNULL, PIPE, STDOUT

from . import _lines, _stop  # noqa: F401 (methods of the types that are written in Python)
from ._cgroup import Cgroup
from ._core import (
    PTY,
    Process,
    StreamReader,
    StreamWriter,
    SubprocessTransport,
    create_subprocess_exec,
    create_subprocess_shell,
    subprocess_exec,
    subprocess_shell,
)
from ._install import install, installed, uninstall
from ._run import CompletedProcess, TimeoutExpired, run, run_shell

__version__ = "0.1.0"

__all__ = (
    "DEVNULL",
    "PIPE",
    "PTY",
    "STDOUT",
    "Cgroup",
    "CompletedProcess",
    "Process",
    "StreamReader",
    "StreamWriter",
    "SubprocessTransport",
    "TimeoutExpired",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "install",
    "installed",
    "run",
    "run_shell",
    "subprocess_exec",
    "subprocess_shell",
    "uninstall",
)
