import contextlib
import faulthandler
import gc
import logging
import os
import re
import signal
import sys
import threading
import warnings

import pytest
from support import FORCED_PARAMETERS, PARAMETERS, Aio, Holdings, children, uvloop

# What a loop in debug mode logs on a busy machine.
SLOW = r"^Executing [\s\S]* took [0-9.]+ seconds$"
HANG = 240  # seconds after which a test that blocks the loop itself is shot, with a traceback


def pytest_addoption(parser):
    parser.addoption(
        "--impl",
        default="asyncio,fastproc",
        help="implementations to test, with commas (asyncio alone checks the tests themselves)",
    )


def pytest_configure(config):
    for signum, action in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
    ):
        if signal.getsignal(signum) == signal.SIG_IGN:  # as a shell's background jobs have it
            signal.signal(signum, action)
    for marker in (
        "every_path: run on the forced spawn and reap paths too",
        "only_paths(name, ...): of those only on these",
        "may_warn(regex): a warning, or a record of asyncio's logger, that is no failure",
    ):
        config.addinivalue_line("markers", marker)
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        stderr = os.dup(2)
    faulthandler.register(signal.SIGALRM, file=stderr, all_threads=True, chain=True)


def pytest_generate_tests(metafunc):
    if "aio" not in metafunc.fixturenames:
        return
    parameters = list(PARAMETERS)
    if metafunc.definition.get_closest_marker("every_path"):
        narrowed = metafunc.definition.get_closest_marker("only_paths")
        parameters += [p for p in FORCED_PARAMETERS if not narrowed or p[0] in narrowed.args]
    wanted = metafunc.config.getoption("impl").split(",")
    parameters = [(name, loop) for name, loop in parameters if name.split("-")[0] in wanted]
    ids = ["-".join(p) if "-" not in p[0] else p[0] for p in parameters]
    metafunc.parametrize("aio", parameters, ids=ids, indirect=True)


@pytest.fixture
def aio(request):
    """The implementation and loop under test."""
    name, loop_name = request.param
    if loop_name == "uvloop" and uvloop is None:
        pytest.skip("uvloop is not installed")
    aio = Aio(name, loop_name)
    aio.configure()
    yield aio
    aio.restore()


@pytest.fixture(scope="session", autouse=True)
def warm_up():
    """Open what libuv keeps for the life of the process before anything is counted.

    What exists by now is no leak of any test: leave it out of every later gc.collect().
    """

    async def nothing():
        pass

    for loop_name in ["stdlib"] + ["uvloop"] * (uvloop is not None):
        Aio("asyncio", loop_name).run(nothing)
    gc.collect()
    gc.freeze()


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
