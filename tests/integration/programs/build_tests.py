"""Meson: sets up a project and runs its tests, `meson test`, a few at a time."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from mesonbuild import mesonmain

PROJECT = """
project('integration')
sh = find_program('sh')
foreach number : range(20)
  test('quick @0@'.format(number), sh, args: ['-c', 'echo number @0@'.format(number)])
endforeach
test('fails', sh, args: ['-c', 'echo trouble >&2; exit 1'])
test('fails as it should', sh, args: ['-c', 'exit 2'], should_fail: true)
test('skipped', sh, args: ['-c', 'exit 77'])
test('in the environment', sh, args: ['-c', 'test "$NAME" = value'], env: ['NAME=value'])
test('too slow', sh, args: ['-c', 'trap "" TERM; sleep 60'], timeout: 1)
test('much output', sh, args: ['-c', 'seq 20000'])
test('a long line', sh, args: ['-c', 'head -c 300000 /dev/zero | tr "\\\\0" x'])
test('tap', sh, args: ['-c', 'printf "1..3\\nok 1\\nok 2\\nok 3\\n"'], protocol: 'tap')
test('alone', sh, args: ['-c', 'echo alone'], is_parallel: false)
"""


def meson(*args):
    """Its exit status. What it prints has times in it."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        return mesonmain.run(list(args), "meson")


def main():
    with tempfile.TemporaryDirectory() as folder:
        build = Path(folder, "build")
        Path(folder, "meson.build").write_text(PROJECT)
        print("setup", meson("setup", "--backend=none", str(build), folder))
        status = meson("test", "--no-rebuild", "--num-processes=4", "-C", str(build))
        print("test", status)
        lines = (build / "meson-logs" / "testlog.json").read_text().splitlines()
        for test in sorted(map(json.loads, lines), key=lambda test: test["name"]):
            print(test["name"], test["result"], test["returncode"], len(test.get("stdout", "")))


main()
