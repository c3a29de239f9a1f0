"""Builds posix/ and stream/ with the native tests, without any header of Python's, and runs them.

    python tests/native/run.py [plain | sanitized | threads | valgrind] [TEXT ...]

`sanitized` (AddressSanitizer, UndefinedBehaviorSanitizer, leaks) is the default, `threads` has
ThreadSanitizer, `valgrind` the plain build under memcheck. With texts: the tests whose names contain
one of them. $CC chooses the compiler. Exit status 0 if all passed, 1 if a test failed, 2 if the build
failed, 77 if this machine has no such compiler, sanitizer or tool.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "_fastproc"
FLAGS = f"-std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Werror -I{PACKAGE} -I{HERE}".split()
VARIANTS = {
    "plain": ["-O2"],
    "sanitized": [
        "-O1",
        "-fno-omit-frame-pointer",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ],
    "threads": ["-O1", "-fno-omit-frame-pointer", "-fsanitize=thread"],
    "valgrind": ["-O1"],
}
# What it says is an error; a thread that is started by a test's own process, after its fork, is not.
THREADS = "halt_on_error=1:die_after_fork=0:allocator_may_return_null=1"
VALGRIND = f"""
    valgrind -q --error-exitcode=99 --leak-check=full --suppressions={HERE}/valgrind.supp
    --errors-for-leak-kinds=definite,indirect,possible
""".split()
# It knows no clone that is neither fork nor thread, and is itself what /proc/self/exe runs.
NOT_BY_VALGRIND = "spawn_"
# As in setup.py: what runs between clone and exec is not to be instrumented.
CHILD_FLAGS = ["-fno-stack-protector", "-fno-sanitize=all", "-U_FORTIFY_SOURCE"]
NOT_HERE = 77


def compiler():
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def can_build(command, folder):
    """Whether the compiler exists and can link (and the runtime of the sanitizers is there)."""
    trial = folder / "trial.c"
    trial.write_text("int main(void) { return 0; }\n")
    try:
        done = subprocess.run([*command, trial, "-o", folder / "trial"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def build(variant, folder):
    """The test program's path; SystemExit if it does not build."""
    command = [*compiler(), "-pthread", *VARIANTS[variant]]
    if not can_build(command, folder):
        print(f"no compiler for the {variant} build: {shlex.join(command)}", file=sys.stderr)
        sys.exit(NOT_HERE)
    sources = sorted([*PACKAGE.glob("posix/*.c"), *PACKAGE.glob("stream/*.c"), *HERE.glob("*.c")])

    def compile_one(source):
        target = folder / f"{source.parent.name}_{source.stem}.o"
        special = CHILD_FLAGS if source.match("posix/child*.c") else []
        done = subprocess.run([*command, *FLAGS, *special, "-c", source, "-o", target])
        return target if done.returncode == 0 else None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
    program = folder / "tests"
    if None in objects or subprocess.run([*command, *objects, "-o", program]).returncode != 0:
        sys.exit(2)
    return program


def tests(variant):
    """The names of the tests that a variant can run."""
    stated = re.compile(r"^TEST\((\w+)\)", re.MULTILINE)
    names = [name for file in HERE.glob("test_*.c") for name in stated.findall(file.read_text())]
    if variant == "valgrind":
        return [name for name in names if not name.startswith(NOT_BY_VALGRIND)]
    return names


def main(arguments):
    variant = "sanitized"
    if arguments and arguments[0] in VARIANTS:
        variant = arguments.pop(0)
    prefix = []
    if variant == "valgrind":
        prefix, arguments = VALGRIND, arguments or tests(variant)
        if not shutil.which(prefix[0]):
            print("no valgrind", file=sys.stderr)
            return NOT_HERE
    with tempfile.TemporaryDirectory() as folder:
        program = build(variant, Path(folder))
        env = os.environ | {"TSAN_OPTIONS": THREADS}
        return subprocess.run([*prefix, program, *arguments], env=env).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
