"""Random programs show on _fastproc what they show on asyncio; see model/."""

import faulthandler
import os
import signal
import time

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from model.player import play
from model.programs import PROGRAM
from model.puppet import Puppets
from model.recorded import RECORDED
from support import Aio, uvloop

# FASTPROC_MODEL=20000 runs so many programs, others each time unless FASTPROC_MODEL_SEED is given.
# FASTPROC_MODEL_SECONDS ends it earlier. Usually it is few, always the same, and none after half a
# minute.
DEEP = int(os.environ.get("FASTPROC_MODEL", "0"))
SEED = int(os.environ.get("FASTPROC_MODEL_SEED", time.time_ns() % 1_000_000 if DEEP else 0))
COUNT = 250  # with --slow, else a third of it
SECONDS = float(os.environ.get("FASTPROC_MODEL_SECONDS", "inf" if DEEP else 30))
# FASTPROC_MODEL_PATHS=1 also tries the other ways of starting and reaping a child.
OTHERS = (
    ("vfork", "fork", "shared", "pidfd", "thread") if os.environ.get("FASTPROC_MODEL_PATHS") else ()
)

ORACLE = Aio("asyncio", "stdlib")


def subjects():
    loops = ["stdlib"] + ["uvloop"] * (uvloop is not None)
    return [Aio("fastproc", loop) for loop in loops] + [
        Aio(f"fastproc-{path}", "stdlib") for path in OTHERS
    ]


@pytest.fixture(scope="module")
def puppets():
    puppets = Puppets()
    if not puppets.build():
        puppets.close()
        pytest.skip("no C compiler to build the child with")
    yield puppets
    puppets.close()


def depends_on_the_loop(program):
    """Whether it goes on before the loop has seen an exit: uvloop then sees it first, the
    standard library's loop first runs what was to be run."""
    return any(step[0] == "exit" and "quiet" in step for step in program[1])


def is_resumed_by_asyncio(program):
    """Whether a pipe that is paused by hand has its reader fed by hand, upon which a reader that
    waits has asyncio read on; here it stays paused."""
    steps = program[1]
    paused = [(n, step[1]) for n, step in enumerate(steps) if step[0] == "pause"]
    return any(step[0] == "feed" and step[1] == fd for at, fd in paused for step in steps[at + 1 :])


def compare(puppets, program):
    if is_resumed_by_asyncio(program):
        return
    expected = play(ORACLE, puppets, program)
    for aio in subjects():
        if aio.on_uvloop and depends_on_the_loop(program):
            continue
        aio.configure()
        try:
            shown = play(aio, puppets, program)
        finally:
            aio.restore()
        for before, entry, other in zip([None, *expected], [*expected, None], [*shown, None]):
            assert entry == other, "".join(
                f"\n{who}: {repr(what)[:2000]}"
                for who, what in (("before", before), ("asyncio", entry), (aio, other))
            )


@pytest.mark.parametrize("number", range(len(RECORDED)))
def test_program_that_once_found_something(puppets, number):
    compare(puppets, RECORDED[number])


@pytest.mark.may_warn("register_random")  # hypothesis's own, on 3.14
def test_random_programs_show_what_they_show_on_asyncio(puppets, number_of_programs, slow):
    deadline = time.monotonic() + SECONDS
    if DEEP:  # it may take its time
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()

    @seed(SEED)
    @settings(
        max_examples=DEEP or (COUNT if slow else COUNT // 3),
        database=None,
        deadline=None,
        print_blob=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(PROGRAM)
    def run(program):
        if time.monotonic() < deadline:
            number_of_programs.append(1)
            compare(puppets, program)

    run()
    assert number_of_programs


@pytest.fixture
def number_of_programs(request):
    """A list with one element for each that was run; the end of the run says how many."""
    runs = []
    yield runs
    plugins = request.config.pluginmanager
    with plugins.getplugin("capturemanager").global_and_fixture_disabled():
        plugins.getplugin("terminalreporter").write_line(
            f"\nmodel test: {len(runs)} programs, each on asyncio and {len(subjects())} more, "
            f"seed {SEED}"
        )
