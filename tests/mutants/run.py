"""Breaks the C code in one place after another, and says which test sees it.

    python tests/mutants/run.py [--jobs N] [--check] [NAME ...]

The faults are those of mutants.py, or of them only those that are named. In a copy of the checkout
everything is compiled once, the tests that are to see the faults are run without any, and then for
each fault its one file is compiled and its tests are run until one fails, or takes too long. They are
run without --slow, so that it is known what the plain suite sees; a few faults say that they need it.
--check only looks whether each fault still fits the sources. The exit status is 0 if every fault
was seen, 1 if one survived, 2 if the faults do not fit the sources, or a test fails without any.
"""

import argparse
import contextlib
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
FLAGS = "-std=c11 -D_GNU_SOURCE -g -O1 -fPIC -pthread -fvisibility=hidden".split()
# As in tests/native, because a fault that does not compile there would count as seen.
FLAGS += "-Wall -Wextra -Wno-missing-field-initializers -Werror".split()
CHILD_FLAGS = ["-fno-stack-protector", "-fno-sanitize=all", "-U_FORTIFY_SOURCE"]
LINK = ["-shared", "-pthread", "-Wl,-z,now"]
PATIENCE = 120  # seconds for what takes a few without a fault, on a busy machine
TOLD = re.compile(r"^(?:FAILED|ERROR|not ok) (\S.*)|^(\S+ leaks per run)", re.MULTILINE)


class Wrong(Exception):
    """The faults or the tests are not as they should be."""


def sources(checkout):
    return sorted((checkout / "_fastproc").rglob("*.c"))


def mutated(mutant, checkout):
    """The text of its file with the fault in it."""
    text = (checkout / "_fastproc" / mutant.file).read_text()
    if (count := text.count(mutant.old)) != 1:
        raise Wrong(f"{mutant.name}: {count} places in {mutant.file} read\n{mutant.old}")
    if mutant.new == mutant.old:
        raise Wrong(f"{mutant.name} changes nothing")
    return text.replace(mutant.old, mutant.new)


def split(test):
    """(what it begins with: a script, or a file of tests with "--slow" or without, the rest)."""
    words = test.split(" ")
    count = 2 if words[0] == "--slow" else 1
    return " ".join(words[:count]), " ".join(words[count:])


def command_of(test, checkout):
    """What runs a test as mutants.py names it."""
    first, rest = split(test)
    if first.endswith(".py"):
        *slow, file = first.split()
        # The loop is not what is broken, so one kind of it is enough.
        only = f"({rest}) and not uvloop" if rest else "not uvloop"
        options = ["-x", "-q", "-p", "no:cacheprovider", "--impl", "fastproc", *slow, "-k", only]
        return [sys.executable, "-m", "pytest", *options, checkout / "tests" / file]
    options = {
        "native": ["tests/native/run.py", "plain"],
        "sanitized": ["tests/native/run.py", "sanitized"],
        "leaks": ["tests/leaks/run.py", "--warm-up", "1", "--runs", "3"],
        "faults": ["tests/faults/run.py", "--quick", "--mode", "system"],
    }
    return [sys.executable, *options[first], *rest.split()]


class Place:
    """A copy of the checkout, in which one fault at a time is tried."""

    def __init__(self, folder, objects):
        self.folder, self.objects = folder, objects
        unwanted = shutil.ignore_patterns(".git", ".venv*", "*.so", "build", "__pycache__")
        shutil.copytree(ROOT, folder, ignore=unwanted)
        include = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
        self.compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
        self.flags = [*FLAGS, *(f"-isystem{path}" for path in include), "-I_fastproc"]

    def make(self, arguments):
        done = subprocess.run(
            [*self.compiler, *arguments], cwd=self.folder, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise Wrong(f"{shlex.join(map(str, arguments))}\n{done.stderr}")

    def compile(self, source, target):
        flags = list(self.flags)
        if source.parent.name not in ("posix", "stream"):  # Python's signatures have unused parts
            flags += ["-Wno-unused-parameter"]
        if source.match("posix/child*.c"):
            flags += CHILD_FLAGS
        self.make([*flags, "-c", source.relative_to(self.folder), "-o", target])
        return target

    def object_of(self, source):
        return self.objects / f"{source.parent.name}_{source.stem}.o"

    def compile_all(self):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda one: self.compile(one, self.object_of(one)), sources(self.folder)))

    def link(self, instead=None):
        """The extension; with `instead`, a pair (source, object), in place of what is compiled."""
        extension = self.folder / f"_fastproc/_core{sysconfig.get_config_var('EXT_SUFFIX')}"
        extension.unlink(missing_ok=True)
        objects = {source: self.object_of(source) for source in sources(self.folder)}
        if instead:
            objects[instead[0]] = instead[1]
        self.make([*LINK, *objects.values(), "-o", extension])

    def seen_by(self, test, patience=PATIENCE):
        """What fails, or None."""
        env = os.environ | {"PYTHONPATH": str(self.folder)}
        output = self.folder / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command_of(test, self.folder),
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
            try:
                status = process.wait(patience)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if status == 0:
            return None
        text = output.read_text(errors="replace")
        if status is None:
            return f"{test}: timeout"
        if status < 0:
            return f"{test}: {signal.Signals(-status).name}"
        if "! KeyboardInterrupt !" in text:  # it has ended pytest, which names no test then
            return f"{test}: KeyboardInterrupt"
        if split(test)[0].endswith(".py") and status != 1:
            raise Wrong(f"{test}: pytest's status {status}\n{text[-3000:]}")
        if found := TOLD.search(text):
            return (found[1] or found[2]).partition(" - ")[0]
        raise Wrong(f"{test}: status {status}\n{text[-3000:]}")

    def try_mutant(self, mutant):
        """What sees it, or None."""
        source = self.folder / "_fastproc" / mutant.file
        text = mutated(mutant, self.folder)
        before = source.read_text()
        source.write_text(text)  # there, because the native tests compile it themselves
        try:
            self.link((source, self.compile(source, self.folder / "mutant.o")))
            for test in mutant.tests:
                if found := self.seen_by(test):
                    return found
            return None
        finally:
            source.write_text(before)


def together(tests):
    """All of a file or script at once."""
    groups = {}
    for test in tests:
        first, rest = split(test)
        groups.setdefault(first, []).append(rest)
    for first, rests in groups.items():
        if "" in rests:
            yield first
        elif first.endswith(".py"):
            yield f"{first} {' or '.join(f'({rest})' for rest in rests)}"
        else:
            yield f"{first} {' '.join(rests)}"


def check_unbroken(places, tests, jobs):
    """Wrong if a test fails without any fault."""

    def one(test):
        place = places.get()
        try:
            return test, place.seen_by(test, 10 * PATIENCE)
        finally:
            places.put(place)

    with ThreadPoolExecutor(jobs) as pool:
        for test, failed in pool.map(one, together(tests)):
            if failed:
                raise Wrong(f"{test} fails without any fault: {failed}")


def try_all(places, mutants, jobs):
    """How many survived."""

    def one(mutant):
        place = places.get()
        try:
            return mutant, place.try_mutant(mutant)
        except Wrong as wrong:
            return mutant, wrong
        finally:
            places.put(place)

    survived, wrong = 0, []
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(one, mutant) for mutant in mutants]):
            mutant, found = done.result()
            survived += found is None
            wrong += [f"{mutant.name}: {found}"] * isinstance(found, Wrong)
            print(f"{mutant.name:36} {found or 'SURVIVED: ' + mutant.breaks}", flush=True)
    if wrong:
        raise Wrong("\n".join(wrong))
    return survived


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args(arguments)
    names = [mutant.name for mutant in MUTANTS]
    if unknown := set(options.names) - set(names) or {n for n in names if names.count(n) > 1}:
        raise Wrong(f"no such fault, or more than one: {sorted(unknown)}")
    chosen = [m for m in MUTANTS if not options.names or m.name in options.names]
    for mutant in chosen:
        mutated(mutant, ROOT)
    if options.check:
        return 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        objects = Path(folder, "objects")
        objects.mkdir()
        places = queue.Queue()
        for number in range(options.jobs):
            place = Place(Path(folder, f"place{number}"), objects)
            if number == 0:
                place.compile_all()
            place.link()
            places.put(place)
        tests = dict.fromkeys(test for mutant in chosen for test in mutant.tests)
        check_unbroken(places, tests, options.jobs)
        print(f"without a fault {len(tests)} choices of tests pass", flush=True)
        survived = try_all(places, chosen, options.jobs)
    caught, minutes = len(chosen) - survived, (time.monotonic() - started) / 60
    print(f"{minutes:.0f} minutes")
    print(f"mutants: {len(chosen)}, caught {caught}, survived {survived}")
    return 1 if survived else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(2)
