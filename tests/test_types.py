"""The stub as a user's type checker reads it: tests/types/program.py under mypy and pyright."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import _fastproc

PROGRAM = Path(__file__).resolve().parent / "types" / "program.py"
PACKAGE = Path(_fastproc.__file__).resolve().parent


def run(*command, **environment):
    return subprocess.run(
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | environment,
    )


@pytest.mark.slow(
    "one version is enough to see a wrong stub", when=lambda version: version == "3.11"
)
@pytest.mark.parametrize("version", ["3.11", "3.14"])
def test_a_program_is_right_in_the_eyes_of_mypy(version, tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    # What of the stub has to be ignored depends on the version.
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\n[mypy-_fastproc]\nwarn_unused_ignores = False\n")
    options = [f"--config-file={config}", "--strict", "--warn-unreachable"]
    options += [f"--python-version={version}"]
    path = {"MYPYPATH": str(PACKAGE.parent), "MYPY_CACHE_DIR": str(tmp_path)}
    done = run(sys.executable, "-m", "mypy", *options, PROGRAM, PACKAGE / "__init__.pyi", **path)
    assert done.returncode == 0, done.stdout + done.stderr


def pyright():
    """The command, or None.  The package pyright of PyPI is left out, as it asks npm for the program;
    basedpyright brings it along, and with it the same rules.
    """
    scripts = Path(sys.executable).parent
    if importlib.util.find_spec("basedpyright") is None:
        return None
    if node := shutil.which("node"):
        where = Path(importlib.util.find_spec("basedpyright").origin).parent
        return [node, where / "index.js"]
    return [scripts / "basedpyright"]


@pytest.mark.parametrize("version", ["3.11", "3.14"])
def test_a_program_is_right_in_the_eyes_of_pyright(version, tmp_path):
    command = pyright()
    if command is None:
        pytest.skip("basedpyright is not installed (the extra 'types')")
    settings = {
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "enableTypeIgnoreComments": False,  # those are for mypy
        "pythonVersion": version,
        "pythonPlatform": "Linux",
        "extraPaths": [str(PACKAGE.parent)],
        "include": [str(PROGRAM)],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = run(*command, "--project", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
