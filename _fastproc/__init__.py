# SPDX-License-Identifier: MIT
"""asyncio's subprocesses, in C: the same names, arguments, results and exceptions.

PYTEST_DONT_REWRITE: the distribution has a plugin for pytest, which would like to rewrite assertions
in all of its modules, and warns where the package is imported before pytest starts.
"""

from asyncio.subprocess import DEVNULL, PIPE, STDOUT

from ._core import (
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

__version__ = "0.1.0"

__all__ = (
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Process",
    "StreamReader",
    "StreamWriter",
    "SubprocessTransport",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "install",
    "installed",
    "subprocess_exec",
    "subprocess_shell",
    "uninstall",
)
