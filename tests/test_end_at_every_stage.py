"""The end of a loop, its thread or the interpreter at every stage of a child's life."""

import asyncio
import contextlib
import gc
import os
import re
import resource
import signal
import threading
import warnings
import weakref

import pytest
from child_stages import STAGES, begin, freeze
from support import LINUX, children, exited, until_blocking

pytestmark = [
    pytest.mark.every_path,
    pytest.mark.telling_paths("thread"),
    pytest.mark.skipif(not LINUX, reason="looks into /proc"),
    pytest.mark.may_warn("Task was destroyed but it is pending"),
    pytest.mark.may_warn("subprocess .* is still running"),
    pytest.mark.may_warn("never (awaited|retrieved)|unclosed event loop"),
]
KERNEL = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
PLAINEST = pytest.mark.only_paths("fork", "thread")  # vfork suspends us


def in_thread(function, *args):
    """Its result, from a thread that has ended."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)))
    thread.start()
    thread.join()
    return results[0]


def stop_and_go_on(aio, stage):
    loop, go_on = begin(aio, stage)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.run_until_complete(asyncio.wait_for(go_on(), 20))
    loop.close()


def go_on_in_another_thread(aio, stage):
    loop, go_on = in_thread(begin, aio, stage)
    loop.run_until_complete(asyncio.wait_for(go_on(), 20))
    loop.close()


def close(aio, stage):
    loop, _ = begin(aio, stage)
    loop.close()


def close_within_a_thread(aio, stage):
    in_thread(close, aio, stage)


def close_in_another_thread(aio, stage):
    loop, _ = in_thread(begin, aio, stage)
    loop.close()


def close_and_go_on(aio, stage):
    """What waits is an error, or has what was there; never a hang, never a crash."""
    loop, go_on = begin(aio, stage)
    loop.close()
    other = aio.new_loop()
    try:
        other.run_until_complete(asyncio.wait_for(go_on(), 0.05))
    except (RuntimeError, OSError, ValueError, AssertionError, TimeoutError, EOFError):
        pass
    other.close()


ENDS = [
    stop_and_go_on,
    go_on_in_another_thread,
    close,
    close_within_a_thread,
    close_in_another_thread,
    close_and_go_on,
]


@PLAINEST
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@pytest.mark.differs("asyncio", "it leaves the child")
def test_loop_that_ends(aio, end, stage):
    end(aio, stage)
    gc.collect()
    assert not children()


@PLAINEST
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGQUIT", "SIGSEGV"])
@pytest.mark.differs("asyncio", "has no such stage")
def test_child_that_is_killed_between_clone_and_exec(aio, name):
    """Also by what dumps core, while it shares our memory: it ends by that signal, and alone."""
    dumps_core = name in ("SIGQUIT", "SIGSEGV")
    if dumps_core and KERNEL < (5, 16) and aio.name != "fastproc-fork":
        pytest.skip("ends all that share the memory before Linux 5.16, see DIFFERENCES.rst")
    number = getattr(signal, name)
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, limits[1]))

    async def main():
        task, pid = await freeze(aio)
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)
        proc = await task
        assert proc.pid == pid
        assert await proc.communicate(b"x" * 100_000) == (b"", b"")
        assert proc.returncode == -number

    try:
        aio.run(main)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limits)


# Without a GIL the loop's own sockets may be collected before the loop closes itself.
@pytest.mark.may_warn(
    "ValueError.'Invalid file descriptor: -1'. in <function BaseEventLoop.__del__"
)
@pytest.mark.only_paths("thread")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("threaded", [False, True], ids=["here", "thread"])
@pytest.mark.differs("asyncio", "it leaves the child")
@pytest.mark.not_on("uvloop", "uvloop keeps a loop that has run")
def test_loop_that_is_dropped(aio, stage, threaded):
    """With its thread, or not: collected with all its children."""

    def drop():
        loop, _ = begin(aio, stage)
        asyncio.set_event_loop(None)
        return weakref.ref(loop)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the record of one keeps the loop, in CPython 3.15
        loop = in_thread(drop) if threaded else drop()
        for _ in range(3):
            gc.collect()
    assert loop() is None
    assert not children()


@pytest.mark.only_paths("thread")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("where", ["here", "thread", "thread-in-the-loop"])
@pytest.mark.differs("asyncio", "it prints from destructors")
@pytest.mark.meaningless(
    "enough of them",
    when=lambda aio, where: where != "here" and repr(aio) != "fastproc-stdlib",
)
def test_interpreter_that_ends(aio, stage, where, tmp_path):
    """Quietly; and without its children, unless a thread or uvloop has the loop still."""
    source = """
        import asyncio, gc, logging, os, sys, threading, time
        from support import Aio, children
        from child_stages import begin
        gc.unfreeze()  # as in a fresh interpreter

        def run():
            global kept
            loop, _ = kept = begin(aio, sys.argv[1])
            with open(sys.argv[3], "w") as file:
                file.write(" ".join(map(str, children())))
            ready.set()
            if sys.argv[2] == "thread-in-the-loop":
                loop.run_forever()
            elif sys.argv[2] == "thread":
                time.sleep(100)

        logging.disable()  # of asyncio's own pending tasks
        ready = threading.Event()
        if sys.argv[2] == "here":
            run()
        else:
            threading.Thread(target=run, daemon=True).start()
        ready.wait()
    """
    pids = tmp_path / "pids"
    said = tmp_path / "said"
    with open(said, "wb") as file:  # no pipe, of which a child may keep a copy
        done = aio.script(source, stage, where, pids, check=False, output=file)
    assert (done.returncode, said.read_bytes()) == (0, b"")
    left = [int(pid) for pid in pids.read_text().split()]
    assert bool(left) == (stage != "pipes_open")
    for pid in left if where != "here" or aio.on_uvloop else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until_blocking(lambda: all(map(exited, left)))
