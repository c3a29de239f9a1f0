"""The fault matrix: every call that can fail, made to fail, once each.

    python tests/faults/run.py [--quick] [--jobs N] [--mode MODE] [SCENARIO ...]

Builds the extension with a seam (build.py), runs each scenario (scenarios.py) again and again with
another call failing each time (matrix.py), and ends with a table.  --quick: the default paths, one
errno for each call of the system, and of Python's memory only what is asked for directly.  Exit status 0 if all is
well, 1 if not, 77 if this machine cannot build it.  With $FASTPROC_SANITIZE, as for setup.py, under
sanitizers, whose runtime is gcc's.
"""

import argparse
import collections
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOT_HERE = 77
sys.path.insert(0, str(HERE))

import build  # noqa: E402

MODES = "system system-child system-thread memory memory-child memory-thread python".split()
QUICK_MODES = ["system", "system-child", "memory"]


class Row:
    """What came of one scenario on one path and loop, with one kind of call failing."""

    def __init__(self, scenario, path, loop, mode):
        self.key = scenario, path, loop, mode
        self.points = []
        self.broken = []  # texts

    @property
    def name(self):
        return " ".join(self.key)

    def run(self, folder, options):
        first = 0
        while first is not None:
            first = self.run_from(first, folder, options)
        return self

    def run_from(self, first, folder, options):
        """None, or from where to go on after a crash."""
        command = [sys.executable, HERE / "matrix.py", folder, *self.key]
        command += ["--from", str(first)] + ["--quick"] * options.quick
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=options.environment,
        )
        begun = None
        for line in done.stdout.splitlines():
            fact = json.loads(line)
            if "begin" in fact:
                begun = fact
            elif "at" in fact:
                begun = None
                if fact["there"]:
                    self.points.append(fact)
                if fact["wrong"]:
                    self.broken.append(
                        f"{fact['at']}.{fact['which']} {fact['hit']}: {fact['wrong']}"
                    )
        if done.returncode == 0:
            return None
        self.broken.append(f"died ({done.returncode}) at {begun}: {done.stderr[-3000:]}")
        if begun is None or len(self.broken) > 20:
            return None
        return begun["begin"] + 1

    def count(self, outcome):
        return sum(point["outcome"] == outcome for point in self.points)


def resolve(extension, addresses):
    """{address: "file.c:line"} of where calls return to."""
    addresses = sorted(addresses)
    if not addresses:
        return {}
    places = {}
    for address in addresses:
        command = ["addr2line", "-i", "-e", extension, f"{address - 1:x}"]
        frames = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(
            "\n"
        )
        ours = [frame for frame in frames if "_fastproc/" in frame]
        places[address] = ours[0].partition(" ")[0].rpartition("_fastproc/")[2] if ours else "?"
    return places


def environment(options):
    """What sees memory that is written to where, or when, it should not be."""
    if not os.environ.get("FASTPROC_SANITIZE"):
        return os.environ | ({} if options.quick else {"PYTHONMALLOC": "debug"})
    command = [*build.compiler(), "-print-file-name=libasan.so"]
    runtime = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return os.environ | {
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",
    }


def list_runs(folder, options):
    """scenarios.all_runs(), asked of a process that can import the extension."""
    source = "import json, scenarios; print(json.dumps(list(scenarios.all_runs())))"
    path = os.pathsep.join([folder, str(HERE)])
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=options.environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def all_rows(options, runs):
    modes = [options.mode] if options.mode else QUICK_MODES if options.quick else MODES
    for scenario, path, loop in runs:
        if options.scenarios and scenario not in options.scenarios:
            continue
        if options.quick and (path != "clone" or loop != "stdlib"):
            continue
        for mode in modes:
            if mode.endswith("-thread") and path != "thread":
                continue
            if mode == "memory-child" and not scenario.startswith("preexec"):
                continue
            if mode == "python" and (path != "clone" or scenario.startswith("preexec")):
                continue  # a hook of register_at_fork() not called leaves locks held, as os.fork() does
            yield Row(scenario, path, loop, mode)


def print_table(rows, places):
    table = collections.defaultdict(collections.Counter)
    for row in rows:
        kind = row.key[3].partition("-")[0]
        total = table[row.key[0]]
        total[kind] += len(row.points)
        for outcome in "raised", "correct":
            total[outcome] += row.count(outcome)
        total["broken"] += len(row.broken)
    columns = "system memory python raised correct broken".split()
    print(f"{'scenario':26}" + "".join(f"{column:>9}" for column in columns))
    everything = collections.Counter()
    for name, total in table.items():
        everything += total
        print(f"{name:26}" + "".join(f"{total[column]:9}" for column in columns))
    print(f"{'all':26}" + "".join(f"{everything[column]:9}" for column in columns))
    points = sum(everything[kind] for kind in columns[:3])
    print(
        f"{points} faults at {len(set(places.values()))} places in the C code that call what can fail:"
        f" {everything['raised']} were raised, {everything['correct']} made no difference,"
        f" {everything['broken']} broke something"
    )


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    options = parser.parse_args(arguments)
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        print("the seam is written for Linux on x86-64", file=sys.stderr)
        return NOT_HERE
    for tool in build.compiler()[0], "nm", "addr2line":
        if shutil.which(tool) is None:
            print(f"there is no {tool}", file=sys.stderr)
            return NOT_HERE
    options.environment = environment(options)
    with tempfile.TemporaryDirectory() as folder:
        extension = build.build(folder)
        rows = list(all_rows(options, list_runs(folder, options)))
        with ThreadPoolExecutor(options.jobs) as pool:
            for row in pool.map(lambda row: row.run(folder, options), rows):
                for text in row.broken:
                    print(f"FAILED {row.name} {text}", flush=True)
        addresses = {p["hit"][2] for row in rows for p in row.points if p["hit"]} - {0}
        places = resolve(extension, addresses)
        print_table(rows, places)
        for row in rows:
            for point in row.points:
                if point["wrong"] and point["hit"] and point["hit"][2]:
                    print(row.name, point["at"], point["hit"][0], places[point["hit"][2]])
    return 1 if any(row.broken for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
