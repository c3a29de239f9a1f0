"""The programs of the model test, as hypothesis draws them: a configuration and a list of steps.

A step is a tuple of the name of a method of Player, without its "do_", and its arguments; "quiet"
at its end lets the loop have no turn behind it.
"""

import math
import signal

from hypothesis import strategies as st

from .player import LONG

PIPESIZES = (-1, -1, -1, 32768, 131072)
LIMITS = (65536, 65536, 8, 1, 100, 4096)
FD = st.sampled_from((1, 1, 1, 2))

CONFIG = st.fixed_dictionaries(
    {
        "shell": st.sampled_from((False, False, False, True)),
        "stdin": st.sampled_from(("pipe",) * 9 + ("null", "file", "inherit")),
        "stdout": st.sampled_from(("pipe",) * 9 + ("null", "file", "inherit")),
        "stderr": st.sampled_from(("pipe",) * 6 + ("null", "file", "stdout", "inherit")),
        "leads": st.booleans(),
        "limit": st.sampled_from(LIMITS),
        "pipesize": st.sampled_from(PIPESIZES),
    }
)

PIECES = (b"a", b"\n", b"ab", b"line\n", b"two\nlines\n", b"; and;", b"\r\n", b"x" * 20, b"y" * 300)
SHORT = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map(b"".join)
DATA = st.one_of(SHORT, SHORT, SHORT, SHORT, st.sampled_from(tuple(LONG)))
SEPARATORS = (b"\n", b";", b"ab", b"\r\n", b"and;", (b"\n", b";"), (b"\r\n", b"\n"), (b"b", b"ab"))
SEPARATORS += (b"", (), (b"\n", b""))
COUNTS = st.sampled_from((0, 1, 3, 10, 25, 100, 5000, 40000))
TURNS = st.integers(0, 6)
SPARABLE = st.sampled_from((int(signal.SIGTERM), int(signal.SIGUSR1)))
DEADLY = tuple(map(int, (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)))
HARMLESS = tuple(map(int, (signal.SIGSTOP, signal.SIGCONT, signal.SIGCONT, 0, 99)))


def step(name, *arguments):
    strategies = [a if isinstance(a, st.SearchStrategy) else st.just(a) for a in arguments]
    return st.tuples(st.just(name), *strategies)


def maybe_quiet(strategy):
    return st.one_of(strategy, strategy, strategy.map(lambda drawn: (*drawn, "quiet")))


RACES = st.sampled_from(
    (
        ("read", 10),
        ("read", 1000),
        ("readline", None),
        ("readexactly", 3),
        ("readexactly", 40),
        ("readuntil", b"ab"),
    )
)

SAY = maybe_quiet(step("say", FD, DATA))
READ = st.one_of(
    step("read", FD, COUNTS),
    step("readline", FD),
    step("readexactly", FD, st.sampled_from((-1, 0, 1, 5, 30, 200, 6000))),
    step("readuntil", FD, st.sampled_from(SEPARATORS)),
    step("anext", FD),
    step("line_of_any_length", FD),
)
WRITE = st.one_of(
    step(
        "write",
        st.sampled_from((0, 1, 10, 1000, 5000)),
        st.sampled_from(("bytes", "bytearray", "memoryview", "lines")),
    ),
    step("hear", st.sampled_from((0, 1, 10, 6000, 100_000, 1 << 20))),
    step("drain"),
)
CANCEL = step("cancel", st.integers(0, 5))
LATER = st.one_of(
    step("read", FD, -1),
    step("write_much"),
    step("wait"),
    step("wait_closed"),
    step("marks", st.sampled_from((None, 0, 10, 65536)), st.sampled_from((None, 0, 5, 100))),
    step(
        "communicate",
        st.sampled_from((None, None, 0, 10, 3000, 300_000)),
        st.sampled_from((None, None, 60.0, math.inf)),
    ),
)
PIPE = st.one_of(step("pause", FD), step("resume", FD), step("resume", FD), step("feed", FD, SHORT))
CHILD = st.one_of(
    step("spare", SPARABLE, st.sampled_from(("ignore", "handle"))),
    step("handled"),
    step("signal", st.sampled_from(HARMLESS)),
    step("signal_group", st.sampled_from(HARMLESS)),
    step("transport"),
)
END_OF_STREAM = st.one_of(
    maybe_quiet(step("shut", st.sampled_from((0, 1, 2)))),
    step("close_pipe", FD),
    step("feed_eof", FD),
    step("set_exception", FD),
    step("close"),
    step("write_eof"),
    step("abort"),
    step("close_all"),
)
END = st.one_of(
    maybe_quiet(step("exit", st.sampled_from((0, 1, 7, 255)))),
    step("signal", st.sampled_from(DEADLY)),
    step("signal_group", st.sampled_from(DEADLY)),
    step("stop", st.sampled_from(DEADLY), st.sampled_from((0, 60))),
    step("terminate"),
    step("kill"),
    step("race_wait", st.sampled_from((0, 3)), TURNS),
    step("close_transport"),
)
WEIGHTS = ((SAY, 6), (READ, 6), (WRITE, 4), (LATER, 3), (CANCEL, 3), (PIPE, 3), (CHILD, 2))
WEIGHTS += ((END_OF_STREAM, 1), (END, 1))
# Not one_of(), which would give each of the many kinds of steps the same share.
STEP = st.sampled_from([group for group, share in WEIGHTS for _ in range(share)]).flatmap(
    lambda group: group
)


def in_a_row(*steps):
    """Steps that belong together; each may also be a list of steps."""
    drawn = [s if isinstance(s, st.SearchStrategy) else st.just(s) for s in steps]
    return st.tuples(*drawn).map(
        lambda row: [s for part in row for s in (part if isinstance(part, list) else [part])]
    )


GULPS = st.lists(step("gulp", st.sampled_from((1, 1000, 100_000))), max_size=3)
READ_ALL_THERE = step("read", FD, 65536)
RACE = st.tuples(st.just("race"), FD, RACES, SHORT, TURNS).map(
    lambda drawn: (*drawn[:2], *drawn[2], *drawn[3:])
)
TORRENT = step("torrent", FD, st.integers(0, 40), st.sampled_from(("read", "communicate")))
ROW = st.one_of(
    in_a_row(step("flood", FD), GULPS, st.lists(LATER, max_size=2), GULPS, ("gulp", 1 << 21)),
    in_a_row(step("flood", FD), GULPS, STEP),
    in_a_row(READ_ALL_THERE, RACE),
    in_a_row(READ_ALL_THERE, TORRENT),
    in_a_row(("hold",), st.lists(STEP, max_size=4), ("release",)),
    in_a_row(READ, SAY, CANCEL),
    in_a_row(step("write_much"), step("drain"), st.lists(STEP, max_size=2), ("hear", 1 << 20)),
)
PART = st.sampled_from((STEP, STEP, STEP, STEP, STEP, ROW)).flatmap(lambda group: group)
PARTS = st.lists(PART, max_size=30) | st.lists(PART, min_size=8, max_size=30)
PROGRAM = st.tuples(
    CONFIG,
    PARTS.map(lambda parts: [s for p in parts for s in (p if isinstance(p, list) else [p])]),
)
