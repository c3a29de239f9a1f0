"""Fuzzes stream/: each part of it against a simple model, under sanitizers.

    python tests/fuzz/run.py [SECONDS] [NAME ...]     by libFuzzer, so many seconds each (default 60)
    python tests/fuzz/run.py --plain [COUNT]          random programs, the same ones every time

NAME is buffer, inflow or outflow. --plain needs no clang: it builds with $CC and does without the
sanitizers if that has none. An input that fails is left in the working directory by libFuzzer; once
the fault is mended it belongs in corpus/NAME/, with which both begin. Exit status 0 if
nothing was found, 1 if something was, 2 if the build failed, 77 if there is no clang with libFuzzer
(or no compiler).
"""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "_fastproc"
FLAGS = f"-std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror -I{PACKAGE} -I{HERE}".split()
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
LIBFUZZER = "-fsanitize=fuzzer"
# What each is linked with; "malloc" is that in which malloc() can be refused.
FUZZERS = {
    "buffer": {"plain": ["stream/buffer.c"], "malloc": []},
    "inflow": {"plain": ["stream/buffer.c", "stream/inflow.c", "posix/fd.c"], "malloc": []},
    "outflow": {"plain": ["posix/fd.c"], "malloc": ["stream/outflow.c"]},
}
LONGEST = 2048  # bytes of an input
DEFAULT_SECONDS, DEFAULT_COUNT = 60, 1000
NOT_HERE = 77


def can_build(command, source, folder):
    """Whether the compiler exists and has what the options want."""
    trial = folder / "trial.c"
    trial.write_text(source)
    try:
        done = subprocess.run([*command, trial, "-o", folder / "trial"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def plain_compiler(folder):
    """With the sanitizers if there are any; None if there is no compiler."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    trial = "int main(void) { return 0; }\n"
    for options in (SANITIZERS, []):
        if can_build([*command, *options], trial, folder):
            return [*command, *options]
    return None


def libfuzzer_compiler(folder):
    command = ["clang", *SANITIZERS, LIBFUZZER]
    trial = "int LLVMFuzzerTestOneInput(const char *d, long n) { return !d && n; }\n"
    return command if can_build(command, trial, folder) else None


def build(name, command, folder):
    """The fuzzer's path; SystemExit if it does not build."""
    sources = FUZZERS[name]
    own = ["fuzz.c", f"fuzz_{name}.c"] + ["without_libfuzzer.c"] * (LIBFUZZER not in command)
    jobs = [(HERE / source, []) for source in own]
    jobs += [(PACKAGE / source, []) for source in sources["plain"]]
    jobs += [(PACKAGE / source, ["-Dmalloc=fuzz_malloc"]) for source in sources["malloc"]]
    objects = []
    for source, options in jobs:
        objects.append(folder / f"{name}_{source.stem}.o")
        line = [*command, *FLAGS, *options, "-c", source, "-o", objects[-1]]
        if subprocess.run(line).returncode != 0:
            sys.exit(2)
    program = folder / f"fuzz_{name}"
    if subprocess.run([*command, *objects, "-o", program]).returncode != 0:
        sys.exit(2)
    return program


def seeds(name):
    return sorted((HERE / "corpus" / name).glob("*"))


def fuzz(names, seconds, folder):
    """The status of the first that failed; all are run."""
    command = libfuzzer_compiler(folder)
    if command is None:
        print("no clang with libFuzzer", file=sys.stderr)
        return NOT_HERE
    worst, counts = 0, []
    for name in names:
        program = build(name, command, folder)
        found = folder / name
        found.mkdir()
        options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-print_final_stats=1"]
        line = [program, *options, f"-artifact_prefix=failed-{name}-", found]
        line += [folder for folder in [HERE / "corpus" / name] if folder.is_dir()]
        done = subprocess.run(line, stderr=subprocess.PIPE, text=True, errors="replace")
        executions = re.findall(r"number_of_executed_units: *(\d+)", done.stderr)
        counts.append(f"{name} {executions[-1] if executions else 'no'}")
        print(counts[-1], flush=True)
        if done.returncode != 0:
            print(done.stderr[-20000:], file=sys.stderr)
            worst = 1
    print(f"fuzz: executions of {', '.join(counts)}")
    return worst


def try_random(count, folder):
    command = plain_compiler(folder)
    if command is None:
        print("no compiler", file=sys.stderr)
        return NOT_HERE
    worst = 0
    for name in FUZZERS:
        program = build(name, command, folder)
        done = subprocess.run([program, str(count), *seeds(name)], stdout=subprocess.PIPE)
        print(f"{name}: {done.stdout.decode().strip()}", flush=True)
        worst = worst or int(done.returncode != 0)
    return worst


def main(arguments):
    with tempfile.TemporaryDirectory() as folder:
        if arguments[:1] == ["--plain"]:
            count = int(arguments[1]) if len(arguments) > 1 else DEFAULT_COUNT
            return try_random(count, Path(folder))
        seconds = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else DEFAULT_SECONDS
        return fuzz(arguments or list(FUZZERS), seconds, Path(folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
