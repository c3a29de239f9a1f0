"""Every part of the API leaves nothing behind, however often it is used; see leaks/scenarios.py."""

import inspect
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from leaks import apis, measure, scenarios, sweeps

import _fastproc

RUN = Path(__file__).parent / "leaks" / "run.py"
PARTS = 2


def run(*args):
    """(exit status, output, what the last line says) of run.py."""
    done = subprocess.run(
        [sys.executable, RUN, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
    )
    last = done.stdout.splitlines()[-1] if done.stdout else ""
    assert last.startswith("SUMMARY "), done.stdout
    return done.returncode, done.stdout, json.loads(last.removeprefix("SUMMARY "))


def test_nothing_is_left_by_any_use(slow):
    """A few runs of each, so that it is quick; .ci/refleaks has more, on debug builds."""
    few = ["--warm-up", "1", "--runs", "3"] + ["--one-loop"] * (not slow)
    with ThreadPoolExecutor(PARTS) as pool:
        parts = [f"--part={part}/{PARTS}" for part in range(1, PARTS + 1)]
        results = list(pool.map(lambda part: run(*few, part), parts))
    assert [status for status, _, _ in results] == [0] * PARTS, "".join(
        out for _, out, _ in results
    )
    ran = [name for _, _, summary in results for name in summary["scenarios"]]
    assert sorted(ran) == sorted(scenarios.SCENARIOS)


# The list is complete


def touched(kind=None):
    """What the scenarios are there for, of one kind ("bad", "keyword", "states"), or by hand."""
    found = set()
    for names in scenarios.TOUCHED.values():
        for name in names:
            head, colon, rest = name.rpartition(":")
            if head == (kind or ""):
                found.add(rest)
    return found


def test_every_api_has_a_scenario():
    assert touched() == apis.apis()


def test_every_api_is_given_bad_input():
    assert touched("bad") == apis.apis() - sweeps.NOT_BY_HAND


def test_what_the_stub_states_is_an_api():
    assert apis.stated() and apis.stated() <= apis.apis()


def test_every_keyword_is_used():
    assert touched("keyword") == apis.keywords() and len(apis.keywords()) > 15


def test_every_awaitable_is_used_in_every_state():
    coroutine_function = apis.types()["CoroutineFunction"]
    owners = {"": _fastproc, **{f"{name}.": of for name, of in apis.types().items()}}
    found = {
        prefix + name
        for prefix, owner in owners.items()
        for name, value in vars(owner).items()
        if isinstance(value, coroutine_function)
    }
    # Which are methods as asyncio's are, and return an awaitable all the same.
    found |= {"StreamReader.__anext__", "SubprocessTransport._wait"}
    found |= {"Process._next_output", "StreamReader._next_line"}
    found |= {name for name in apis.functions() if "subprocess" in name}
    assert touched("states") == found


# What is used by a syntax of its own.
SYNTAX = {
    "__setattr__": "= None",
    "__del__": "del |__del__",
    "__delattr__": "del ",
    "__getattribute__": ".",
    "__aiter__": "async for",
    "__aenter__": "async with",
    "__aexit__": "async with",
    "__call__": "callback()|__call__",
    "__next__": "next(",
    "__await__": "await |__await__",
    "__anext__": "async for",
    "__iter__": "iter(",
    "__enter__": "with group",
    "__exit__": "with group",
    "__init__": "Cgroup(|StreamReader(",
    "__new__": "StreamReader(",
    "__repr__": "repr(|!r",
}


def test_a_scenario_does_what_it_is_there_for():
    """It is easily forgotten when one is changed; its text has at least to name it."""
    for api in apis.apis():
        name = api.rpartition(".")[2]
        texts = [
            inspect.getsource(scenarios.SCENARIOS[scenario]).partition("def ")[2]
            for scenario, covered in scenarios.TOUCHED.items()
            if api in covered
        ]
        words = SYNTAX.get(name, name).split("|")
        assert any(word in text for text in texts for word in words), api


# The measuring itself


KEPT = []


def keeps_something():
    KEPT.append(object())


def keeps_once():
    KEPT[:] = [object()]


def test_growth_is_found():
    try:
        assert measure.growth(keeps_something, warm_up=1, runs=6)["blocks"] >= 1
        assert measure.growth(keeps_once, warm_up=1, runs=6) == {}
    finally:
        KEPT.clear()
