"""Other children of the same process: of os.fork, multiprocessing, Popen and asyncio itself."""

import asyncio
import concurrent.futures
import contextlib
import gc
import multiprocessing
import multiprocessing.resource_tracker
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from support import (
    busy_pollers,
    children,
    exited,
    finish,
    kill_and_wait,
    pipe,
    running,
    shell_output,
    state,
    until,
    until_blocking,
)

PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


@pytest.mark.every_path
@pytest.mark.telling_paths("fork", "thread")
@pytest.mark.may_warn("use of fork")
@pytest.mark.parametrize("status", [0, -signal.SIGKILL])
@pytest.mark.differs("uvloop", "does not survive a fork")
def test_a_forked_process_that_lives_on_hides_no_exit(aio, status):
    """It has copies of all descriptors, also of those that report a child's exit."""

    async def main():
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", "read line", stdin=aio.PIPE)
        with pipe() as (hold, release):
            forked = os.fork()
            if forked == 0:
                release.close()
                hold.read(1)
                os._exit(0)
            if status:
                proc.kill()
            else:
                proc.stdin.write(b"go on\n")
            assert await proc.wait() == status
            await finish(proc)
            release.close()
            assert os.waitpid(forked, 0) == (forked, 0)

    aio.run(main)


@pytest.mark.may_warn("use of fork")
@pytest.mark.differs("uvloop", "does not survive a fork")
def test_copies_in_a_forked_process_keep_no_loop_busy(aio):
    """Of pipes that are closed here, whose events are nobody's any more."""

    async def main():
        async with running(
            aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE
        ):  # so that there is a poller
            script = "read line; echo line"
            pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **pipes)
            with pipe() as (hold, release):
                forked = os.fork()
                if forked == 0:
                    release.close()
                    hold.read(1)
                    os._exit(0)
                proc._transport.get_pipe_transport(1).close()
                proc.stdin.write(b"go on\n")
                assert await proc.wait() == 0  # it could write, as the copy is open
                assert await proc.stderr.read() == b""  # which is closed at its end
                await until(lambda: not busy_pollers())
                await finish(proc)
                release.close()
                assert os.waitpid(forked, 0) == (forked, 0)

    aio.run(main)


def work(n):
    """In a worker of multiprocessing, which has children of its own."""
    out = subprocess.check_output(["/bin/sh", "-c", f"echo {n}"])
    return os.getpid(), out


def work_with_asyncio(n):
    """The same by asyncio, on a new loop."""
    import _fastproc

    async def main():
        pipes = {"stdin": _fastproc.PIPE, "stdout": _fastproc.PIPE}
        proc = await _fastproc.create_subprocess_exec("cat", **pipes)
        return (await proc.communicate(b"%d\n" % n))[0]

    return os.getpid(), asyncio.run(main())


@pytest.mark.may_warn("use of fork")
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.differs("uvloop", "does not survive a fork", when=lambda method: method == "fork")
@pytest.mark.differs("asyncio", "slow; the point is ours", when=lambda method: method == "spawn")
@pytest.mark.not_on("uvloop", "slow; one is enough", when=lambda method: method == "spawn")
def test_processes_of_multiprocessing_beside_live_children(aio, method):
    """In both directions: its workers run children, and ours live through all of it."""

    async def main():
        async with running(aio, "cat", **PIPES) as proc:
            context = multiprocessing.get_context(method)
            loop = asyncio.get_running_loop()
            with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
                jobs = [loop.run_in_executor(pool, work, n) for n in range(4)]
                jobs += [loop.run_in_executor(pool, work_with_asyncio, n) for n in range(4)]
                ours = [shell_output(aio, f"echo {n}") for n in range(8)]
                results, outputs = await asyncio.gather(
                    asyncio.gather(*jobs), asyncio.gather(*ours)
                )
            assert [out for _, out in results] == [b"%d\n" % n for n in range(4)] * 2
            assert os.getpid() not in {pid for pid, _ in results}
            assert outputs == [b"%d\n" % n for n in range(8)]
            proc.stdin.write(b"alive\n")
            assert await proc.stdout.readline() == b"alive\n"

    aio.run(main)
    multiprocessing.resource_tracker._resource_tracker._stop()  # else it lives as long as we do


@pytest.mark.may_warn("use of fork")
@pytest.mark.differs("uvloop", "does not survive a fork")
def test_a_worker_that_inherits_live_children_and_is_killed_or_ends_leaves_them_alone(aio):
    """multiprocessing ends a worker by os._exit() after its finalizers: nothing of ours is among them."""

    async def main():
        async with running(aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE) as proc:
            context = multiprocessing.get_context("fork")
            for ending in (sys.exit, os.abort, lambda: os.kill(os.getpid(), signal.SIGTERM)):
                worker = context.Process(target=quietly, args=(ending,))
                worker.start()
                await until(lambda: worker.exitcode is not None)  # noqa: B023
                worker.close()
                proc.stdin.write(b"alive\n")
                assert await proc.stdout.readline() == b"alive\n"
            assert proc.returncode is None

    aio.run(main)


def quietly(ending):
    import faulthandler
    import resource

    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ending()


@pytest.mark.may_warn("use of fork")
@pytest.mark.differs("uvloop", "takes the children of others", when=sys.version_info < (3, 12))
def test_all_kinds_of_children_at_once_each_get_their_own_status(aio):
    async def ours(create, n):
        proc = await create("/bin/sh", "-c", f"cat >&2; exit {n}", **PIPES)
        _, err = await proc.communicate(b"%d" % n)
        assert (err, proc.returncode) == (b"%d" % n, n)

    async def popen(n):
        child = subprocess.Popen(["/bin/sh", "-c", f"exit {n}"])
        while child.poll() is None:
            await asyncio.sleep(0.001)
        assert child.returncode == n

    async def forked(n):
        pid = os.fork()
        if pid == 0:
            os._exit(n)
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            await asyncio.sleep(0.001)

    async def killed(create, n):
        proc = await create("cat", stdin=asyncio.subprocess.PIPE)
        await kill_and_wait(proc)
        assert proc.returncode == -signal.SIGKILL

    async def main():
        creates = aio.create_subprocess_exec, asyncio.create_subprocess_exec
        jobs = [job(create, n) for n in range(8) for create in creates for job in (ours, killed)]
        jobs += [popen(n) for n in range(8)]
        if not aio.on_uvloop:  # which does not survive a fork
            jobs += [forked(n) for n in range(8)]
        await asyncio.gather(*jobs)

    aio.run(main)


def dropped_popens(count):
    """Pids of children whose Popen was dropped before they ended; they have ended now."""
    procs = [subprocess.Popen(["cat"], stdin=subprocess.PIPE) for _ in range(count)]
    pids = [proc.pid for proc in procs]
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore", ResourceWarning)
        for proc in procs:
            stack.enter_context(proc.stdin)
        del proc, procs
        gc.collect()
    until_blocking(lambda: all(map(exited, pids)))
    return pids


@pytest.mark.differs("uvloop", "its children go by other ways")
def test_dropped_popens_are_reaped_by_the_next_child(aio):
    """As by the next Popen; by create_subprocess_*() and the low level."""

    async def main():
        for create in aio.create_subprocess_exec, aio.create_subprocess_shell:
            pids = dropped_popens(3)
            assert all(state(pid) == "Z" for pid in pids)
            proc = await create("true")
            assert [state(pid) for pid in pids] == [None] * 3
            assert await proc.wait() == 0

    aio.run(main)
    assert subprocess._active == []


@pytest.mark.differs("asyncio", "needs it")
def test_subprocess_that_has_no_list_of_dropped_popens(aio, monkeypatch):
    """Or another than CPython's."""
    calls = []
    monkeypatch.setattr(subprocess, "_cleanup", lambda: calls.append(1))

    async def run():
        proc = await aio.create_subprocess_exec("true")
        assert await proc.wait() == 0

    for active, count in ((None, 0), ([], 0), (["x"], 1), ({"x"}, 2)):
        monkeypatch.setattr(subprocess, "_active", active)
        aio.run(run)
        assert len(calls) == count
    monkeypatch.delattr(subprocess, "_active")
    aio.run(run)
    assert len(calls) == 2


@pytest.mark.differs("uvloop", "does not do it")
def test_what_reaping_dropped_popens_raises(aio, monkeypatch):
    """Nothing is started then."""

    def fail():
        raise ZeroDivisionError

    monkeypatch.setattr(subprocess, "_active", ["x"])
    monkeypatch.setattr(subprocess, "_cleanup", fail)

    async def main():
        with pytest.raises(ZeroDivisionError):
            await aio.create_subprocess_exec("true")
        assert not children()

    aio.run(main)


BREAKPOINTS = """
import gdb
gdb.execute("set breakpoint pending on")
gdb.execute("set pagination off")
class Counter(gdb.Breakpoint):
    hits = 0
    def stop(self):
        Counter.hits += 1
        return False
Counter("getpriority")
gdb.execute("run")
print("HITS", Counter.hits)
"""
DEBUGGED = """
import asyncio, os, signal, sys
from support import Aio
aio = Aio(*sys.argv[1:3])
# One that comes while gdb steps over a breakpoint makes it count that once more.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})

async def main():
    for options in {}, {"stdout": aio.PIPE}, {"stdin": aio.PIPE}, {}:
        os.getpriority(os.PRIO_PROCESS, 0)
        proc = await aio.create_subprocess_exec("true", **options)
        await proc.communicate()
        assert proc.returncode == 0
        try:
            await aio.create_subprocess_exec("/nowhere")
        except FileNotFoundError:
            pass
    await asyncio.gather(*(aio.create_subprocess_exec("true") for _ in range(10)))
    os.getpriority(os.PRIO_PROCESS, 0)
    print("done", flush=True)

aio.run(main)
os._exit(0)
"""


@pytest.mark.skipif(not shutil.which("gdb"), reason="needs gdb")
@pytest.mark.not_on("uvloop", "the loop makes no difference")
def test_debugger_keeps_its_breakpoints(aio, tmp_path):
    """Which it takes out of the memory of a process that it believes to have its own."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])  # gdb has a Python of its own
    commands = f"import gdb; gdb.execute('set environment PYTHONPATH {path}')" + BREAKPOINTS
    (tmp_path / "commands.py").write_text(commands)
    (tmp_path / "program.py").write_text(DEBUGGED)
    command = ["gdb", "-batch", "-x", "commands.py", "--args", sys.executable, "program.py"]
    done = subprocess.run(
        [*command, aio.name, aio.loop_name],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    lines = done.stdout.decode(errors="replace").splitlines()
    if "done" not in lines:
        pytest.skip("gdb cannot trace here: " + lines[-1])
    assert "HITS 5" in lines


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize("heeded", [True, False])
def test_tracer_is_heeded_unless_a_test_wants_to_see_what_happens_without_it(heeded, tmp_path):
    script = f"""
import asyncio, _fastproc
_fastproc._core.configure(tracer={heeded})
async def main():
    await (await _fastproc.create_subprocess_exec("true")).wait()
asyncio.run(main())
"""
    trace = tmp_path / "trace"
    command = ["strace", "-o", trace, "-e", "trace=clone3,clone"]
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("strace cannot trace here")
    subprocess.run([*command, sys.executable, "-c", script], check=True)
    started = [line for line in trace.read_text().splitlines() if line.startswith("clone")]
    assert started and all(("CLONE_VFORK" in line) == heeded for line in started)
