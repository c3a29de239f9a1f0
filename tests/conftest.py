import contextlib
import faulthandler
import gc
import inspect
import itertools
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import support
from script_server import ScriptServer
from script_server import is_possible as script_server_is_possible
from support import (
    FORCED_PARAMETERS,
    OTHER_LOOPS,
    PARAMETERS,
    SLOW_PARAMETERS,
    Aio,
    Holdings,
    children,
    uvloop,
)

with contextlib.suppress(ImportError):
    import ctypes  # noqa: F401 (before descriptors are counted: libffi keeps its own file open)

# What a loop in debug mode logs on a busy machine.
SLOW = r"^Executing [\s\S]* took [0-9.]+ seconds$"
HANG = 240  # seconds after which a test that blocks the loop itself is shot, with a traceback
WORKERS = 4  # at most: with more the run is not over earlier, because single tests take ten seconds


def pytest_addoption(parser):
    parser.addoption(
        "--impl",
        help="implementations to test, with commas: asyncio (which checks the tests themselves) and "
        "fastproc; without --slow the default is fastproc alone",
    )
    parser.addoption(
        "--loops",
        default="stdlib,uvloop",
        help="loops to test on, with commas; also keeping (a loop that keeps its callbacks), and, "
        "alone, nested (nest_asyncio applied to this process)",
    )
    parser.addoption(
        "--slow",
        action="store_true",
        help="every case on every path, and in full size what takes long",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """The whole suite is run by several processes; what is named, or debugged, in this one."""
    whole = config.args_source is config.ArgsSource.TESTPATHS
    one_of_several = "PYTEST_XDIST_WORKER" in os.environ  # which must not start more of them
    if (
        not whole or one_of_several or not hasattr(config.option, "numprocesses")
    ):  # or no pytest-xdist
        return
    option = config.option
    if option.numprocesses is None and not (
        option.usepdb or option.trace or option.capture == "no"
    ):
        processors = len(os.sched_getaffinity(0)) if support.LINUX else os.cpu_count()
        option.numprocesses = min(processors, WORKERS) if processors > 1 else 0
        if option.dist == "no":
            option.dist = "worksteal"


def pytest_configure(config):
    for signum, action in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(signum) == signal.SIG_IGN:  # as background jobs and nohup have it
            signal.signal(signum, action)
    for marker in (
        "slow(reason, when=True): only with --slow; without a condition the reason may be left out",
        "every_path: run on the forced spawn and reap paths too",
        "only_paths(name, ...): of those only on these",
        "telling_paths(name, ...): without --slow only on these, because the others cannot tell more",
        "one_loop(reason): without --slow only on the first of --loops, because the loop tells nothing",
        "differs(whose, reason, when=True): not on asyncio, or only not on asyncio on 'uvloop', which "
        "itself does not keep the contract",
        "not_on(loop, reason, when=True): not on that loop",
        "meaningless(reason, when=True): not this case",
        "may_warn(regex): a warning, or a record of asyncio's logger, that is no failure",
    ):
        config.addinivalue_line("markers", marker)
    if "nested" in (loops := config.getoption("loops").split(",")):
        if loops != ["nested"]:
            raise pytest.UsageError("--loops nested changes all loops, so it goes alone")
        import nest_asyncio

        nest_asyncio.apply()
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        stderr = os.dup(2)
    faulthandler.register(signal.SIGALRM, file=stderr, all_threads=True, chain=True)


def forced_parameters(definition, slow):
    """On which forced paths a test is run, by its markers."""
    if not definition.get_closest_marker("every_path"):
        return []
    wanted = FORCED_PARAMETERS
    for name in ["only_paths"] + ["telling_paths"] * (not slow):
        if narrowed := definition.get_closest_marker(name):
            names = [f"fastproc-{path}" for path in narrowed.args]
            wanted = [parameter for parameter in wanted if parameter[0] in names]
    return wanted


def pytest_generate_tests(metafunc):
    if "aio" not in metafunc.fixturenames:
        return
    slow = metafunc.config.getoption("slow")
    parameters = [p for p in PARAMETERS if slow or p not in SLOW_PARAMETERS]
    parameters += forced_parameters(metafunc.definition, slow)
    loops = metafunc.config.getoption("loops").split(",")
    if not slow and metafunc.definition.get_closest_marker("one_loop"):
        del loops[1:]
    others = [loop for loop in OTHER_LOOPS if loop in loops]
    parameters = [parameter for parameter in parameters if parameter[1] in loops]
    parameters += [(name, loop) for loop in others for name in ("asyncio", "fastproc")]
    wanted = metafunc.config.getoption("impl") or ("asyncio,fastproc" if slow else "fastproc")
    parameters = [
        (name, loop) for name, loop in parameters if name.split("-")[0] in wanted.split(",")
    ]
    ids = ["-".join(p) if "-" not in p[0] else p[0] for p in parameters]
    metafunc.parametrize("aio", parameters, ids=ids, indirect=True)


# Markers of cases that are not collected: whether one speaks of this implementation on this loop.
SPEAKS_OF = {
    "differs": lambda aio, whose: not aio.is_fastproc and whose in ("asyncio", aio.loop_name),
    "not_on": lambda aio, loop: aio.loop_name == loop,
    "meaningless": lambda aio: True,
}


def arguments_of(case):
    """Of a parametrised test, those of this case; `aio` as the test will get it, or None."""
    arguments = dict(case.callspec.params) if hasattr(case, "callspec") else {}
    return arguments | {"aio": Aio(*arguments["aio"]) if "aio" in arguments else None}


def applies(marker, arguments):
    """Whether its condition holds, which may be a function of the case's arguments."""
    when = marker.kwargs.get("when", True)
    if callable(when):
        when = when(*(arguments[name] for name in inspect.signature(when).parameters))
    return when


def has_meaning(case):
    """Whether no marker says otherwise."""
    arguments = arguments_of(case)
    aio = arguments["aio"]
    for marker in case.iter_markers():
        if marker.name not in SPEAKS_OF or (aio is None and marker.name != "meaningless"):
            continue
        speaks = SPEAKS_OF[marker.name](aio, *marker.args[:-1])  # the last is the reason
        if speaks and applies(marker, arguments):
            return False
    return True


def is_slow(case):
    arguments = arguments_of(case)
    return any(applies(marker, arguments) for marker in case.iter_markers("slow"))


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem():
    """What a parametrised case cannot mean is not collected, rather than skipped."""
    made = yield
    if not isinstance(made, list):
        return made
    return [one for one in made if not hasattr(one, "callspec") or has_meaning(one)]


def is_not_for_nested(item):
    """nest_asyncio's asyncio.run() leaves its loop open, and tests without `aio` go by the other."""
    return "aio" not in item.fixturenames


def pytest_collection_modifyitems(config, items):
    def leave_out(unwanted):
        out = [unwanted(item) for item in items]
        config.hook.pytest_deselected(items=list(itertools.compress(items, out)))
        items[:] = [item for item, is_out in zip(items, out) if not is_out]

    if not config.getoption("slow"):
        leave_out(is_slow)
    if config.getoption("loops") == "nested":
        leave_out(is_not_for_nested)


@pytest.fixture
def slow(request):
    """Whether what takes long is wanted in its full size."""
    return request.config.getoption("slow")


@pytest.fixture
def aio(request):
    """The implementation and loop under test."""
    aio = Aio(*request.param)
    aio.configure()
    yield aio
    aio.restore()


@pytest.fixture(scope="session", autouse=True)
def script_server(request):
    """Without --slow, what Aio.script() runs scripts by."""
    if request.config.getoption("slow") or not script_server_is_possible():
        yield
        return
    support.script_server = ScriptServer(support.script_environment())
    yield
    support.script_server.close()
    support.script_server = None


@pytest.fixture(scope="session", autouse=True)
def warm_up(script_server):
    """Open what libuv keeps for the life of the process before anything is counted.

    What exists by now is no leak of any test: leave it out of every later gc.collect().
    """

    async def nothing():
        pass

    for loop_name in ["stdlib"] + ["uvloop"] * (uvloop is not None):
        Aio("asyncio", loop_name).run(nothing)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def objects(tmp_path_factory):
    """{file of _fastproc/: its object file}, of all that is compiled."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if not all(map(shutil.which, (compiler[0], "nm", "objdump"))):
        pytest.skip("needs a compiler, nm and objdump")
    folder = tmp_path_factory.mktemp("objects")
    package = Path(__file__).parent.parent / "_fastproc"
    flags = "-std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread -w -Werror=implicit".split()
    include = {sysconfig.get_path("include"), sysconfig.get_path("platinclude"), package}
    flags += [f"-I{path}" for path in include]
    names = sorted(path.relative_to(package).as_posix() for path in package.rglob("*.c"))
    # Python's headers take most of the time, so they are read once.
    header = folder / "python.h"
    header.write_text("#include <Python.h>\n")
    as_header = [*compiler, *flags, "-x", "c-header", header, "-o", f"{header}.gch"]
    subprocess.run(as_header, check=True)

    def compile_one(name):
        target = folder / (name.replace("/", "_") + ".o")
        first = [] if name.startswith(("posix/", "stream/")) else ["-include", header]
        subprocess.run([*compiler, *flags, *first, "-c", package / name, "-o", target], check=True)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(names, pool.map(compile_one, names)))


class Noise(logging.Handler):
    """Collects warnings, unraisable exceptions and what asyncio logs while a test runs."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.heard = []

    def emit(self, record):
        self.heard.append(self.format(record))

    def unraisable(self, args):
        self.heard.append(f"unraisable {args.exc_value!r} in {args.object!r} {args.err_msg}")

    def in_thread(self, args):
        self.heard.append(f"thread died of {args.exc_value!r}")

    def __enter__(self):
        self.hooks = sys.unraisablehook, threading.excepthook
        sys.unraisablehook, threading.excepthook = self.unraisable, self.in_thread
        logging.getLogger("asyncio").addHandler(self)
        self.catcher = warnings.catch_warnings(record=True)
        self.warnings = self.catcher.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *exc_info):
        self.catcher.__exit__(*exc_info)
        logging.getLogger("asyncio").removeHandler(self)
        sys.unraisablehook, threading.excepthook = self.hooks

    def unexpected(self, allowed):
        texts = [f"{w.category.__name__}: {w.message}" for w in self.warnings] + self.heard
        return [text for text in texts if not any(re.search(p, text) for p in allowed)]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """After every test: no descriptor, child, zombie, thread, warning or logged error is left.

    A hook and not a fixture, because pytest puts warning filters back between the phases of a test.
    """
    allowed = [SLOW, *(marker.args[0] for marker in pyfuncitem.iter_markers("may_warn"))]
    if support.script_server is not None:
        support.script_server.revive()  # before its socket is counted
    before = Holdings()
    signal.alarm(HANG)
    try:
        with Noise() as noise:
            result = yield
            left = before.settled()
    finally:
        signal.alarm(0)
        kill_children(except_for=before.children)
    assert not left, f"left behind: {left}"
    heard = noise.unexpected(allowed)
    assert not heard, "unexpected: " + "; ".join(heard)
    return result


def kill_children(except_for):
    """So that a failed test does not disturb the next."""
    for pid in children().keys() - except_for.keys():
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
