"""A loop that is closed or dropped, and what becomes of its children, their pipes and who waits."""

import asyncio
import contextlib
import gc
import os
import sys
import time
import warnings

import pytest
from support import (
    LINUX,
    KeepingLoop,
    children,
    descriptors,
    exited,
    iterate,
    pipe,
    shell_output,
    until_blocking,
)

pytestmark = [pytest.mark.every_path, pytest.mark.telling_paths("fork", "thread")]
linux = pytest.mark.skipif(not LINUX, reason="looks into /proc")
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


def close_with(aio, *args, **kwds):
    """The pid of a child whose loop was closed and everything forgotten."""
    loop = aio.new_loop()
    proc = loop.run_until_complete(aio.create_subprocess_exec(*args, **kwds))
    pid = proc.pid
    loop.close()
    del loop, proc
    gc.collect()
    return pid


@pytest.mark.parametrize("kwds", [{}, PIPES], ids=["plain", "piped"])
@pytest.mark.differs("asyncio", "it leaves the child")
def test_loop_closed_with_a_live_child(aio, kwds):
    with pytest.warns(ResourceWarning) as caught:
        pid = close_with(aio, "sleep", "100", **kwds)
    assert [str(w.message) for w in caught] == [f"subprocess {pid} is still running"]
    assert caught[0].source.get_pid() == pid
    assert not children()


@pytest.mark.differs("asyncio", "it leaves the children")
def test_loop_closed_with_many_live_children(aio):
    async def main():
        return await asyncio.gather(
            *(aio.create_subprocess_exec("sleep", "100", **PIPES) for _ in range(20))
        )

    with pytest.warns(ResourceWarning) as caught:
        procs = aio.run(main)
        pids = {proc.pid for proc in procs}
        assert not caught.list
        procs.clear()
        gc.collect()
    assert {str(w.message) for w in caught} == {
        f"subprocess {pid} is still running" for pid in pids
    }
    assert not children()


# A child whose loop has ended.  asyncio leaves a pidfd and a zombie then, so what it does as well is
# looked at in a process of its own.

SURVIVORS = """
    import gc
    warnings.simplefilter("ignore")
    PIPES = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)

    def alive(proc):
        return state(proc.pid) != "Z" and proc.returncode is None

    def end_of(proc):
        return os.waitid(os.P_PID, proc.pid, os.WEXITED | os.WNOWAIT).si_status
"""


TAKEN_BY_A_THREAD = pytest.mark.differs(
    "asyncio", "a thread takes the status, before 3.12", when=sys.version_info < (3, 12)
)


@pytest.mark.only_paths("thread", "fork")
@pytest.mark.parametrize("how", ["close", "drop", "SystemExit", "KeyboardInterrupt", "ValueError"])
@pytest.mark.differs("uvloop", "its signals do not reach the child then")
@pytest.mark.not_on("uvloop", "keeps a loop that has run", when=lambda how: how == "drop")
@TAKEN_BY_A_THREAD
def test_child_outlives_its_loop_as_long_as_the_program_refers_to_it(aio, how):
    """Whatever ends the loop, and although a traceback holds the handle that has raised it."""
    aio.script(
        SURVIVORS
        + """
    how = sys.argv[1]

    async def main(kept, woken_by, kwds):
        kept.append(await aio.create_subprocess_exec("sleep", "100", **kwds))
        if woken_by == "child":
            assert await (await aio.create_subprocess_exec("true")).wait() == 0
        else:
            await asyncio.sleep(0.01)
        if how not in ("close", "drop"):
            raise eval(how)

    def end(*args):
        loop = aio.new_loop()
        loop.run_until_complete(main(*args))
        if how == "close":
            loop.close()

    for woken_by in "child", "timer":
        for kwds in {}, PIPES:
            kept = []
            try:
                if how in ("close", "drop"):
                    end(kept, woken_by, kwds)
                else:
                    aio.run(main, kept, woken_by, kwds)
            except BaseException as error:
                assert type(error).__name__ == how, error
                assert alive(kept[0])
            gc.collect()
            assert alive(kept[0])
            kept[0].terminate()
            assert end_of(kept[0]) == signal.SIGTERM
    os._exit(0)
    """,
        how,
    )


@TAKEN_BY_A_THREAD
@pytest.mark.differs("uvloop", "its pipes end with the loop")
def test_pipes_outlive_their_loop(aio):
    """A server's log is not to break because the loop has gone that started it."""
    aio.script(
        SURVIVORS
        + """
    def fails(use):
        other = aio.new_loop()
        try:
            use(other)
        except RuntimeError:
            return True
        finally:
            other.close()

    def flood(_):
        for _ in range(20):  # more than goes through at once
            proc.stdin.write(bytes(1 << 16))

    loop = aio.new_loop()
    script = "echo begun; read line; echo $line; exec sleep 100"
    proc = loop.run_until_complete(aio.create_subprocess_exec("/bin/sh", "-c", script, **PIPES))
    assert loop.run_until_complete(proc.stdout.readline()) == b"begun\\n"
    loop.close()
    proc.stdin.write(b"written\\n")
    until_blocking(lambda: Path(f"/proc/{proc.pid}/comm").read_text() == "sleep\\n")
    assert fails(lambda other: other.run_until_complete(proc.stdout.readline()))
    assert fails(lambda other: other.run_until_complete(proc.wait()))
    assert fails(flood)
    assert alive(proc)
    proc.kill()
    assert end_of(proc) == signal.SIGKILL
    os._exit(0)
    """
    )


@pytest.mark.parametrize("last", ["process", "transport", "popen", "coroutine"])
@pytest.mark.differs("asyncio", "it leaves a zombie, and complains of its pipes")
def test_child_that_outlives_its_loop_ends_with_the_last_reference(aio, last):
    loop = aio.new_loop()
    proc = loop.run_until_complete(aio.create_subprocess_exec("sleep", "100", **PIPES))
    pid = proc.pid
    keep = {
        "process": lambda proc: proc,
        "transport": lambda proc: proc._transport,
        "popen": lambda proc: proc._transport.get_extra_info("subprocess"),
        "coroutine": lambda proc: proc.wait(),
    }[last](proc)
    loop.close()
    del proc, loop
    gc.collect()
    assert list(children()) == [pid]
    with pytest.warns(ResourceWarning, match=f"subprocess {pid} is still running"):
        if last == "coroutine":
            keep.close()
        del keep
        gc.collect()
    assert not children()


@pytest.mark.differs("asyncio", "it leaves a zombie, and complains of its pipes")
def test_child_that_ends_after_its_loop_is_reaped_with_the_last_reference(aio):
    loop = aio.new_loop()
    proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
    loop.close()
    proc.stdin.close()
    assert proc._transport.get_extra_info("subprocess").wait() == 0
    assert proc.returncode is None
    proc.kill()  # no error, as it was not reaped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del proc
        gc.collect()
    assert not children()


@pytest.mark.differs("asyncio", "it leaves some to their fate")
def test_output_read_to_its_end_and_wait_forgotten(aio):
    """The child needs a moment more to exit than to close its pipes: no warning, no SIGKILL."""

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.close()
        await proc.stdout.read()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(30):
            aio.run(main)
            gc.collect()
    assert not children()


@pytest.mark.differs("asyncio", "it leaves the child")
def test_child_that_has_closed_its_pipes_holds_the_end_up_for_a_moment_only(aio):
    async def main():
        script = "exec sleep 100 >&- 2>&-"
        for _ in range(3):
            kwds = {"stdout": aio.PIPE, "stderr": aio.PIPE}
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **kwds)
            await proc.stdout.read()
            await proc.stderr.read()
        return time.monotonic()

    with pytest.warns(ResourceWarning, match="is still running") as caught:
        begun = aio.run(main)
        gc.collect()
    assert time.monotonic() - begun < 5
    assert len(caught) == 3
    assert not children()


@pytest.mark.differs("asyncio", "it leaves the child")
def test_loop_that_keeps_its_callbacks_ends_all_the_same(aio):
    before = descriptors()
    loop = KeepingLoop()
    create = aio.create_subprocess_exec("sleep", "100", **PIPES)
    pid = loop.run_until_complete(create).pid
    gc.collect()
    assert list(children()) == [pid]
    with pytest.warns(ResourceWarning, match=f"subprocess {pid} is still running"):
        loop.close()
        gc.collect()
    assert not children()
    assert descriptors() == before


def test_close_of_a_loop_is_its_own_but_while_it_has_children(aio):
    """What stands in for it meanwhile does what it does, errors included."""
    loop = aio.new_loop()
    close = loop.close

    async def main():
        with pytest.raises(RuntimeError, match="running"):
            loop.close()
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        with pytest.raises(RuntimeError, match="running"):
            loop.close()
        with pytest.raises(TypeError):
            loop.close(1)
        assert await proc.communicate(b"x") == (b"x", None)
        await iterate(3)
        assert loop.close == close

    loop.run_until_complete(main())
    loop.close()
    assert loop.is_closed()
    loop.close()


@pytest.mark.differs("asyncio", "it leaves the child")
def test_close_that_was_refused_comes_again(aio):
    loop = KeepingLoop()

    async def main():
        proc = await aio.create_subprocess_exec("sleep", "100")
        with pytest.raises(RuntimeError, match="running"):
            loop.close()
        return proc.pid

    pid = loop.run_until_complete(main())
    with pytest.warns(ResourceWarning, match=f"subprocess {pid} is still running"):
        loop.close()
    assert not children()


@pytest.mark.differs("asyncio", "it kills its parent's child")
def test_child_of_an_ended_loop_is_not_touched_by_a_forked_process(aio):
    loop = aio.new_loop()
    procs = [loop.run_until_complete(aio.create_subprocess_exec("sleep", "100", **PIPES))]
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forking beside threads
        forked = os.fork()
    if forked == 0:
        try:
            procs[0]._transport.close()
            procs.clear()
            gc.collect()
        finally:
            os._exit(0)
    os.waitpid(forked, 0)
    pid = procs[0].pid
    assert list(children()) == [pid]
    with pytest.warns(ResourceWarning, match=f"subprocess {pid} is still running"):
        procs.clear()
    assert not children()


@pytest.mark.parametrize("when", ["before", "after"])
def test_close_of_a_loop_that_somebody_has_set_stays(aio, when):
    loop = aio.new_loop()
    closed = []

    def close():
        closed.append(True)
        type(loop).close(loop)

    async def main():
        if when == "before":
            loop.close = close
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        if when == "after":
            loop.close = close
        assert await proc.communicate(b"x") == (b"x", None)
        await iterate(3)

    loop.run_until_complete(main())
    loop.close()
    assert closed == [True] and loop.is_closed()


@pytest.mark.may_warn("^subprocess .* is still running$")
@pytest.mark.parametrize("kwds", [{}, PIPES], ids=["plain", "piped"])
@pytest.mark.differs("asyncio", "it leaves the child")
def test_loop_closed_with_a_live_child_and_warnings_as_errors(aio, kwds):
    """No exception comes of it, raised or unraisable; that it is logged then is all right."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        close_with(aio, "sleep", "100", **kwds)
    assert not children()


@pytest.mark.differs("asyncio", "it leaves a zombie, or warns")
def test_loop_closed_with_a_child_that_has_exited_unnoticed(aio):
    loop = aio.new_loop()
    proc = loop.run_until_complete(aio.create_subprocess_exec("true"))
    pid = proc.pid
    until_blocking(lambda: exited(pid))
    with warnings.catch_warnings(record=True):
        loop.close()
        del loop, proc
        gc.collect()
    assert not children()


@pytest.mark.differs("asyncio", "its destructors want the loop")
def test_what_outlives_its_loop_is_harmless(aio):
    loop = aio.new_loop()
    proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
    coros = [proc.wait(), proc.communicate(), proc.stdout.read(), proc.stdin.drain()]
    started = proc.stdout.readline(), proc.wait()
    loop.run_until_complete(start(*started))
    loop.close()
    del loop
    gc.collect()
    assert proc.returncode is None
    assert repr(proc) and repr(proc.stdin) and repr(proc.stdout)
    use_after_the_end(proc)
    for coro in [*coros, *started]:
        coro.close()
    del proc, coro, coros, started
    gc.collect()
    assert not children()


def use_after_the_end(proc):
    """Whatever it does, it does not crash."""
    for use in (
        proc.kill,
        lambda: proc.stdin.write(b"x"),
        proc.stdin.close,
        proc._transport.close,
        lambda: proc.stdout.feed_data(b"x"),
    ):
        with contextlib.suppress(RuntimeError, OSError, AssertionError):
            use()


async def start(*coros):
    for coro in coros:
        coro.send(None)


@pytest.mark.may_warn("Task was destroyed but it is pending|subprocess .* is still running")
@pytest.mark.may_warn("coroutine .* was never awaited")
@pytest.mark.only_paths("thread")
@pytest.mark.parametrize("steps", range(7))
@pytest.mark.parametrize("what", ["create", "wait", "read", "communicate", "drain"])
@pytest.mark.differs("asyncio", "it leaves the child")
def test_loop_closed_while_something_is_pending(aio, what, steps):
    loop = aio.new_loop()

    async def main():
        if what == "create":
            asyncio.create_task(aio.create_subprocess_exec("sleep", "100", **PIPES))
        else:
            proc = await aio.create_subprocess_exec("sleep", "100", **PIPES)
            proc.stdin.write(bytes(1 << 20))
            coro = {
                "wait": proc.wait,
                "read": proc.stdout.read,
                "communicate": proc.communicate,
                "drain": proc.stdin.drain,
            }[what]()
            asyncio.create_task(coro)
        await iterate(steps)

    loop.run_until_complete(main())
    loop.close()
    del loop
    gc.collect()
    assert not children()


@linux
@pytest.mark.may_warn("subprocess .* is still running")
@pytest.mark.differs("asyncio", "starts all at once, and leaves them")
def test_loop_closed_with_children_that_wait_to_be_started(aio):
    before = descriptors()
    count = 3 + aio.core.machine()["gate"]
    loop = aio.new_loop()
    creating = [aio.create_subprocess_exec("sleep", "100", stdin=1) for _ in range(count)]
    loop.run_until_complete(start(*creating))
    loop.close()
    assert len(children()) < count
    if not aio.on_uvloop and aio.name != "fastproc-thread":  # whose threads have pipes
        new = {fd: name for fd, name in descriptors().items() if fd not in before}
        assert not [name for name in new.values() if "pidfd" not in name]
    for coro in creating:
        coro.close()
    del creating, coro
    assert not children()
    if not aio.on_uvloop:  # which closes some of its own in its destructor
        assert descriptors() == before


@linux
@pytest.mark.differs("asyncio", "leaves it open")
def test_loop_closed_with_a_pipe_that_outlives_its_child(aio):
    """Held by a grandchild: what was read of it is not all, and nothing stays open."""
    with pipe() as (hold, release):
        fd = hold.fileno()
        before = descriptors()
        loop = aio.new_loop()

        async def main():
            script = f"echo line; read x </dev/fd/{fd} & :"
            kwds = {"stdout": aio.PIPE, "pass_fds": [fd]}
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **kwds)
            assert await proc.stdout.readexactly(2) == b"li"
            assert await proc.wait() == 0
            return proc

        proc = loop.run_until_complete(main())
        loop.close()
        del proc
        if not aio.on_uvloop:
            assert descriptors() == before


@pytest.mark.may_warn("subprocess .* is still running")
@pytest.mark.differs("asyncio", "it leaves the child")
def test_loops_closed_in_a_row(aio):
    for _ in range(20):
        close_with(aio, "sleep", "100", **PIPES)
    assert aio.run(shell_output(aio, "echo fine")) == b"fine\n"
    assert not children()


def test_memory_of_what_a_closed_loop_had_is_used_for_other_things(aio):
    """Here for zeros, in blocks of every size, so that who looks there would crash."""
    aio.script("""
        import gc
        aio.run(shell_output(aio, "echo before"))
        gc.collect()
        zeros = [bytes(size) for size in range(64, 4096, 8) for _ in range(8)]
        assert aio.run(shell_output(aio, "echo after")) == b"after\\n"
    """)


def test_loop_that_stands_still_for_a_while(aio):
    loop = aio.new_loop()
    try:
        create = aio.create_subprocess_exec("/bin/sh", "-c", "echo x; exit 5", stdout=aio.PIPE)
        proc = loop.run_until_complete(create)
        until_blocking(lambda: exited(proc.pid))
        assert loop.run_until_complete(proc.communicate()) == (b"x\n", None)
        assert proc.returncode == 5
        assert loop.run_until_complete(proc.wait()) == 5
    finally:
        loop.close()


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
@pytest.mark.differs("asyncio", "leaves them all")
def test_child_that_cannot_be_killed_when_its_loop_closes(aio):
    """It runs on, and its end is reported to nobody."""
    aio.script(
        """
        loop = aio.new_loop()
        proc = loop.run_until_complete(aio.create_subprocess_exec("sleep", "60"))
        os.setresuid(65534, 65534, 0)  # may signal no process of root's
        warnings.simplefilter("ignore")
        loop.close()
        assert proc.returncode is None and not exited(proc.pid)
        os.setresuid(0, 0, 0)
        os.kill(proc.pid, signal.SIGKILL)
        assert os.waitpid(proc.pid, 0)[0] == proc.pid
        """
    )


@pytest.mark.differs("asyncio", "leaves the child")
@pytest.mark.not_on("uvloop", "uvloop keeps a loop that has run")
def test_loop_that_is_dropped_while_somebody_waits_is_collected(aio):
    aio.script(  # in a process of its own, where nobody keeps the warnings and what they name
        """
        import gc, weakref
        warnings.simplefilter("ignore")
        def leave_behind():
            async def main():
                proc = await aio.create_subprocess_exec("sleep", "30")
                waiting.append(asyncio.ensure_future(proc.wait()))
                await iterate(2)
            loop = aio.new_loop()
            waiting = []
            loop.run_until_complete(main())
            return weakref.ref(loop)
        loop = leave_behind()
        for _ in range(3):
            gc.collect()
        assert loop() is None
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
        else:
            sys.exit("the child is left")
        """
    )
