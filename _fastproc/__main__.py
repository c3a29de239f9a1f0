# SPDX-License-Identifier: MIT
"""python -m _fastproc: compares with asyncio on this machine, or runs a program on _fastproc."""

import asyncio
import builtins
import linecache
import os
import pkgutil
import platform
import resource
import runpy
import shutil
import statistics
import sys
import textwrap
import time
import types
from asyncio.subprocess import PIPE
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader

import _fastproc

HELP = """\
usage: python -m _fastproc [--quick]
       python -m _fastproc program.py [argument ...]
       python -m _fastproc -m module [argument ...]
       python -m _fastproc -c code [argument ...]
       python -m _fastproc - [argument ...]          (the program on standard input)

Without arguments: says what this machine offers, then runs real children through
asyncio and _fastproc side by side for some seconds and prints a table (--quick:
fewer of them, for a look only). With a program: runs it as python would, with
_fastproc in the place of asyncio's subprocess support.

  -h, --help   this text
  --version    the version of _fastproc
"""

# The comparison. An `api` is the module asyncio or the module _fastproc.

APIS = (asyncio, _fastproc)
TRUE = shutil.which("true") or "/bin/true"
HEARTBEAT = 0.001  # seconds between two looks at whether the loop is alive


def cpu_seconds():
    """The CPU time of this process, without its children."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def run_child(api):
    proc = await api.create_subprocess_exec(TRUE)
    await proc.wait()


async def run_together(api, children):
    await asyncio.gather(*(run_child(api) for _ in range(children)))


async def measure_sequence(api, children):
    wall, cpu = time.perf_counter(), cpu_seconds()
    for _ in range(children):
        await run_child(api)
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return {
        "one after another, µs per child": wall / children * 1e6,
        "    of which CPU of this process": cpu / children * 1e6,
    }


async def measure_together(api, children):
    wall = time.perf_counter()
    await run_together(api, children)
    wall = time.perf_counter() - wall
    return {f"{children} in flight, µs per child": wall / children * 1e6}


async def measure_capture(api, mib):
    cpu = cpu_seconds()
    proc = await api.create_subprocess_shell(f"head -c {mib << 20} /dev/zero | cat", stdout=PIPE)
    output, _ = await proc.communicate()
    cpu = cpu_seconds() - cpu
    assert len(output) == mib << 20
    return {"captured output, ms of CPU per MiB": cpu / mib * 1e3}


async def measure_stall(api, children):
    longest = 0.0

    async def watch():
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(HEARTBEAT)
            longest = max(longest, time.perf_counter() - before - HEARTBEAT)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(2 * HEARTBEAT)
    await run_together(api, children)
    await asyncio.sleep(2 * HEARTBEAT)  # a stall that lasted to the very end is seen too
    watching.cancel()
    return {f"longest stall, burst of {children}, ms": longest * 1e3}


WORK = (  # how to measure, how much of it, how much of it with --quick
    (measure_sequence, 100, 10),
    (measure_together, 100, 20),
    (measure_capture, 32, 2),
    (measure_stall, 200, 20),
)


def show_progress(text):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


async def measure_all(rounds, quick):
    """{row: {name of the api: [figure of each round]}}, the APIs take turns at going first."""
    for api in APIS:
        await run_together(api, 10)  # warm up
    table = {}
    for number in range(rounds):
        show_progress(f"comparing asyncio and _fastproc, round {number + 1} of {rounds}")
        for measure, amount, quick_amount in WORK:
            for api in APIS if number % 2 else reversed(APIS):
                for row, figure in (await measure(api, quick_amount if quick else amount)).items():
                    table.setdefault(row, {}).setdefault(api.__name__, []).append(figure)
    show_progress("")
    return table


SPAWN = {
    "clone": "It starts children by clone: a child shares the memory of this process until it runs"
    " its program, and the event loop goes on meanwhile.",
    "vfork": "It starts children by vfork: a child shares the memory of this process until it runs"
    " its program, and the thread of the event loop waits for that.",
    "fork": "It starts children by fork: a child gets a copy of the memory of this process, which"
    " takes longer in a large process.",
}


def describe(machine):
    """Sentences for what _core.machine() says."""
    yield SPAWN[machine["spawn"]]
    reap, why = machine["reap"], " because FASTPROC_REAP asks for it"
    if reap == "auto":
        reap, why = ("pidfd" if machine["pidfd"] else "thread"), ""
    yield {
        "pidfd": f"It learns of exits from pidfds{why}, so a signal never hits a process that was"
        " given the same pid later.",
        "thread": f"It waits for each child in a thread{why}.",
    }[reap]
    if machine["exit_info"] and reap == "pidfd" and not why:
        yield "If other code takes the status of a child, the kernel still tells it."
    else:
        yield "If other code takes the status of a child, it is reported as 255."
    yield f"It watches all children of an event loop through one {machine['poller']} descriptor."
    yield (
        f"It starts at most {machine['gate']} children at once, and the others wait in line, so that"
        " the event loop goes on."
    )
    yield (
        f"From {machine['share_from']:,} open descriptors on it hands a child its own instead of"
        " copying the table of them."
    )


def rounded(figure):
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.3g}"


def median_and_spread(figures):
    """As text: the median, and the median absolute deviation as a percentage of it."""
    median = statistics.median(figures)
    deviation = statistics.median(abs(figure - median) for figure in figures)
    spread = f"{deviation / median:.0%}" if median else "0%"
    return f"{rounded(median)} ±{spread}"


def compare(quick):
    sys.stdout.reconfigure(errors="replace")  # µ is not in every encoding
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"_fastproc {_fastproc.__version__} on {python}, {system}, {os.cpu_count()} CPUs\n")
    for sentence in describe(_fastproc._core.machine()):
        print(textwrap.fill(sentence, 79, subsequent_indent="  "), flush=True)

    rounds = 2 if quick else 5
    print(
        f"\nReal children, the medians of {rounds} rounds ± the spread (median absolute deviation)."
    )
    print("Lower is better.\n", flush=True)
    table = asyncio.run(measure_all(rounds, quick))
    print(f"{'':<34}{'asyncio':>13}{'_fastproc':>13}{'asyncio takes':>15}")
    for row, figures in table.items():
        asyncios, ours = (figures[api.__name__] for api in APIS)
        times = "-"
        if statistics.median(ours):
            times = f"{statistics.median(asyncios) / statistics.median(ours):.1f} times"
        print(f"{row:<34}{median_and_spread(asyncios):>13}{median_and_spread(ours):>13}{times:>15}")


# Running a program as the interpreter itself would.


CACHED = {"__cached__": None} if sys.version_info < (3, 15) else {}


def fresh_main(**names):
    """The namespace of a new module __main__, which replaces this one for good."""
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    names = {"__builtins__": builtins, "__loader__": BuiltinImporter} | names
    if sys.version_info < (3, 14):
        names["__annotations__"] = {}
    vars(module).update(names)
    return vars(module)


def set_first_path(path):
    if not sys.flags.safe_path:  # else python -m has put nothing there either
        sys.path[0] = path


def run_code(code):
    set_first_path("")
    if sys.version_info >= (3, 13):  # tracebacks show the lines of -c
        linecache.cache["<string>"] = len(code), None, code.splitlines(True), "<string>"
    exec(compile(code, "<string>", "exec", dont_inherit=True), fresh_main())


def run_stdin(_):
    set_first_path("")
    code = compile(sys.stdin.buffer.read(), "<stdin>", "exec", dont_inherit=True)
    exec(code, fresh_main(__file__="<stdin>", **CACHED))


def run_module(name):
    fresh_main()
    runpy._run_module_as_main(name)  # what `python -m` itself calls


def run_path(path):
    if pkgutil.get_importer(path):  # a folder or zip file that has a __main__
        set_first_path(os.path.abspath(path))
        fresh_main()
        runpy._run_module_as_main("__main__", alter_argv=False)
        return
    path = os.path.join(os.getcwd(), path)
    loader_type = SourcelessFileLoader if path.endswith(".pyc") else SourceFileLoader
    loader = loader_type("__main__", path)
    try:
        data = loader.get_data(path)
    except OSError as error:
        stop(f"can't open file {path!r}: [Errno {error.errno}] {error.strerror}")
    set_first_path(os.path.dirname(os.path.realpath(path)))
    namespace = fresh_main(__file__=path, __loader__=loader, **CACHED)
    if loader_type is SourceFileLoader:
        code = compile(data, path, "exec", dont_inherit=True)
    else:
        code = loader.get_code("__main__")
    exec(code, namespace)


def stop(reason):
    print(f"{sys.executable}: {reason}", file=sys.stderr)
    sys.exit(2)


def show_uncaught(error):
    """Show it as the interpreter would, without our frames, and let the interpreter show nothing."""
    trace = frame = error.__traceback__
    while frame:
        this, frame = frame, frame.tb_next
        if this.tb_frame.f_code.co_filename == main.__code__.co_filename:
            trace = frame
    try:
        sys.excepthook(type(error), error.with_traceback(trace), trace)
    except BaseException as failure:
        failure.__suppress_context__ = True
        print("Error in sys.excepthook:", file=sys.stderr)
        trace_of_failure = failure.__traceback__.tb_next
        sys.__excepthook__(
            type(failure), failure.with_traceback(trace_of_failure), trace_of_failure
        )
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, trace)
    sys.excepthook = lambda *args: None


def run_program(run, program, argv):
    _fastproc.install()
    sys.argv = argv
    try:
        run(program)
    except SystemExit:
        raise
    except BaseException as error:
        show_uncaught(error)
        raise


def main(arguments):
    match arguments:
        case [] | ["--quick"]:
            compare(quick=bool(arguments))
        case ["-h" | "--help", *_]:
            print(HELP, end="")
        case ["--version", *_]:
            print(f"_fastproc {_fastproc.__version__}")
        case ["-c", code, *_]:
            run_program(run_code, code, ["-c", *arguments[2:]])
        case ["-m", module, *_]:
            run_program(run_module, module, ["-m", *arguments[2:]])
        case ["-", *_]:
            run_program(run_stdin, None, arguments)
        case [option, *_] if option[:2] in ("-c", "-m") and len(option) > 2:
            main([option[:2], option[2:], *arguments[1:]])
        case [option, *_] if option.startswith("-"):
            print(HELP, end="", file=sys.stderr)
            stop(f"unknown option or missing argument: {option}")
        case [program, *_]:
            run_program(run_path, program, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
