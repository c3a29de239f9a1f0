"""Bad surroundings: resources run out, somebody else reaps, the interpreter ends."""

import asyncio
import contextlib
import errno
import os
import re
import signal
import sys
import textwrap
import threading

import pytest
from support import (
    LINUX,
    Holdings,
    finish,
    free_descriptors,
    iterate,
    kill_and_wait,
    output_of,
    running,
    shell_output,
    until,
)

import _fastproc

pytestmark = [pytest.mark.every_path, pytest.mark.telling_paths("fork", "pidfd", "thread")]
linux = pytest.mark.skipif(not LINUX, reason="looks into /proc")
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


# Resources run out


@linux
@pytest.mark.parametrize("loop_is", ["fresh", "in-use"])
@pytest.mark.parametrize("kwds", [{}, {"preexec_fn": lambda: None}], ids=["plain", "preexec"])
@pytest.mark.differs("asyncio", "it may leave a child or a pipe")
def test_no_descriptor_left_at_any_step(aio, loop_is, kwds):
    """With 0, 1, 2... descriptors to be had, until create succeeds: each step fails once."""

    async def main(free):
        if loop_is == "fresh":
            return await attempt(free)
        async with running(aio, "sleep", "60"):
            return await attempt(free)

    async def attempt(free):
        before = Holdings()
        try:
            with free_descriptors(free):
                proc = await aio.create_subprocess_exec("cat", **PIPES, **kwds)
        except OSError as error:
            assert error.errno == errno.EMFILE
            await iterate(3)
            news = before.news()
            news.pop("closed descriptors", None)  # of which a hub has some only to be quicker
            assert not news
            assert await output_of(aio, "echo", "works") == b"works\n"
            return False
        assert (await proc.communicate(b"x"))[0] == b"x"
        return True

    failures = 0
    while not aio.run(main(failures)):
        failures += 1
        assert failures < 50
    assert failures >= 4, "three pipes have six ends; two may be got by closing an idle socket pair"


NO_PROCESSES = """
    import resource
    root = os.geteuid() == 0
    if root:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    async def main(limit):
        await iterate(3)
        before = Holdings()
        resource.setrlimit(resource.RLIMIT_NPROC, (limit, hard))
        try:
            proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        except OSError as error:
            assert isinstance(error, BlockingIOError), error
            await iterate(3)
            left = before.news()  # uvloop itself keeps /dev/null
            assert not left or not aio.is_fastproc and set(left) == {"descriptors"}, left
            return False
        finally:
            resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
        assert (await proc.communicate(b"x"))[0] == b"x"
        return True
    # As a user of its own it starts with no process at all, so that one more is one more step.
    limits = range(20) if root else [0]
    results = [aio.run(main(limit)) for limit in limits]
    assert not results[0], results
    assert results == sorted(results), results
    if root:
        assert results[-1]
    assert aio.run(main(soft))
"""


@linux
@pytest.mark.differs("asyncio", "its watcher has threads", when=sys.version_info < (3, 12))
def test_no_process_left_at_any_step(aio):
    aio.script(NO_PROCESSES)


def test_interrupted_by_signals_all_the_time(aio):
    """System calls that fail with EINTR are none of the program's business."""
    count = 0

    def handler(*args):
        nonlocal count
        count += 1

    async def main():
        n = 0
        while n < 60 or count < 20:
            n += 1
            assert await output_of(aio, "echo", str(n)) == b"%d\n" % n
            proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
            out, _ = await proc.communicate(bytes(100_000))
            assert (len(out), proc.returncode) == (100_000, 0)

    old = signal.signal(signal.SIGPROF, handler)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    try:
        aio.run(main)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


# The interpreter ends


ENDINGS = {
    "exit-in-the-loop": """
        async def main():
            global proc, waiting
            proc = await aio.create_subprocess_exec("cat", **PIPES)
            waiting = [asyncio.create_task(proc.wait()), asyncio.create_task(proc.stdout.read())]
            await iterate(2)
            sys.exit(0)
        run(main)
    """,
    "loop-never-closed": """
        loop = aio.new_loop()
        proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
    """,
    "loop-stopped-in-between": """
        loop = aio.new_loop()
        proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
        waiting = proc.wait()
        loop.call_soon(waiting.send, None)
        loop.call_soon(loop.stop)
        loop.run_forever()
    """,
    "loop-in-a-daemon-thread": """
        import threading
        ready = threading.Event()
        async def main():
            global proc
            proc = await aio.create_subprocess_exec("cat", **PIPES)
            ready.set()
            await proc.wait()
        threading.Thread(target=run, args=[main], daemon=True).start()
        ready.wait()
    """,
    "exit-in-a-callback": """
        async def main():
            global proc
            proc = await aio.create_subprocess_exec("cat", **PIPES)
            asyncio.get_running_loop().call_soon(sys.exit, 0)
            await proc.wait()
        run(main)
    """,
    "exit-while-creating": """
        async def main():
            global creating
            creating = [asyncio.create_task(aio.create_subprocess_exec("cat", **PIPES))
                        for _ in range(10)]
            await iterate(1)
            sys.exit(0)
        run(main)
    """,
    "in-atexit": """
        import atexit
        @atexit.register
        def at_exit():
            global proc, loop
            loop = aio.new_loop()
            proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
    """,
    "in-a-cycle-with-the-module": """
        loop = aio.new_loop()
        proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
        sys.modules["asyncio"].keep = sys.keep = [proc, proc.stdin, proc.stdout, loop]
        sys.keep.append(sys.keep)
    """,
}


@pytest.mark.only_paths("thread")
@pytest.mark.parametrize("ending", list(ENDINGS))
@pytest.mark.differs("asyncio", "it prints from destructors")
def test_interpreter_that_ends_with_live_children_ends_quietly(aio, ending):
    done = end_interpreter(aio, ending)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.only_paths("thread")
@pytest.mark.parametrize("ending", list(ENDINGS))
@pytest.mark.differs("asyncio", "it prints from destructors")
def test_interpreter_that_ends_with_live_children_and_warnings_as_errors(aio, ending):
    done = end_interpreter(aio, ending, "error")
    assert (done.returncode, done.stdout) == (0, b"")
    lines = done.stderr.decode().splitlines()
    assert all(re.fullmatch(r"subprocess \d+ is still running", line) for line in lines), lines


def end_interpreter(aio, ending, action=None):
    source = textwrap.dedent("""
        PIPES = dict.fromkeys(("stdin", "stdout", "stderr"), -1)
        def run(main):
            with asyncio.Runner(loop_factory=aio.new_loop) as runner:
                runner.run(main())
    """)
    if action:
        source += f"warnings.filterwarnings({action!r}, message='subprocess')\n"
    return aio.script(source + textwrap.dedent(ENDINGS[ending]), check=False)


# Threads and forks


@pytest.mark.differs("uvloop", "refuses to race with another loop")
def test_loops_in_several_threads_at_once(aio):
    results = {}

    async def main(n):
        outputs = await asyncio.gather(*(shell_output(aio, f"echo {n}.{i}") for i in range(10)))
        procs = [await aio.create_subprocess_exec("/bin/sh", "-c", f"exit {n}") for _ in range(5)]
        results[n] = outputs, [await proc.wait() for proc in procs]

    threads = [threading.Thread(target=aio.run, args=[main, n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: ([b"%d.%d\n" % (n, i) for i in range(10)], [n] * 5) for n in range(4)}


def test_loop_in_a_thread_without_any_set_up_in_the_main_thread(aio):
    aio.script("""
        import threading
        def run():
            assert aio.run(shell_output(aio, "echo $((6*7))")) == b"42\\n"
            results.append(True)
        results = []
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert results == [True]
    """)


@pytest.mark.differs("uvloop", "does not survive a fork")
def test_fork_in_a_running_loop_disturbs_neither_side(aio):
    aio.script("""
        import gc
        warnings.simplefilter("ignore")
        async def main():
            pipes = dict(stdin=aio.PIPE, stdout=aio.PIPE)
            proc = await aio.create_subprocess_exec("cat", **pipes)
            doomed = await aio.create_subprocess_exec("cat", **pipes)
            reading = asyncio.create_task(proc.stdout.readline())
            await iterate(2)
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    del proc, doomed, reading
                    gc.collect()
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(pid, 0) == (pid, 0)
            assert proc.returncode is None and not reading.done()
            proc.stdin.write(b"line\\n")
            assert await reading == b"line\\n"
            doomed.kill()
            assert await finish(doomed) == -9
            assert await finish(proc) == 0
            assert await shell_output(aio, "echo new") == b"new\\n"
        aio.run(main)
    """)


@pytest.mark.differs("uvloop", "does not survive a fork")
def test_forked_process_can_run_children_of_its_own(aio):
    aio.script("""
        warnings.simplefilter("ignore")
        async def main():
            proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    asyncio._set_running_loop(None)
                    assert aio.run(shell_output(aio, "echo inner")) == b"inner\\n"
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(pid, 0) == (pid, 0)
            assert (await proc.communicate(b"outer"))[0] == b"outer"
        aio.run(main)
    """)


# Somebody else takes the status


UNKNOWN = pytest.mark.may_warn("hild process pid .* will report returncode 255")


def unknown_child(aio, pid):
    """What is logged for it; the words of asyncio's own pidfd watcher are others."""
    if aio.is_fastproc or sys.version_info < (3, 12):
        return f"Unknown child process pid {pid}, will report returncode 255"
    return f"child process pid {pid} exit status already read:  will report returncode 255"


def logged(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "asyncio"]


@UNKNOWN
@pytest.mark.differs("asyncio", "its thread is faster", when=sys.version_info < (3, 12))
@pytest.mark.differs("uvloop", "hangs")
def test_stolen_status(aio, caplog):
    async def main():
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
        try:
            os.waitpid(proc.pid, 0)
            stolen = True
        except ChildProcessError:
            stolen = False  # a waiter thread was faster
        return proc.pid, stolen, await proc.wait()

    pid, stolen, status = aio.run(main)
    if not stolen or aio.knows_stolen_status:
        assert (status, logged(caplog)) == (7, [])
    else:
        assert (status, logged(caplog)) == (255, [unknown_child(aio, pid)])


@UNKNOWN
@pytest.mark.differs("asyncio", "hangs, or signals the process that has the pid now")
def test_stolen_status_of_a_killed_child(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        proc.terminate()
        try:
            os.waitpid(proc.pid, 0)
            expected = -signal.SIGTERM if aio.knows_stolen_status else 255
        except ChildProcessError:
            expected = -signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            assert await proc.wait() == expected
            proc.kill()
        await finish(proc)

    aio.run(main)


@UNKNOWN
@pytest.mark.differs("uvloop", "hangs")
def test_status_wanted_by_two_threads_never_hangs(aio):
    def steal(pid):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)

    async def main():
        for _ in range(20):
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
            stealing = asyncio.to_thread(steal, proc.pid)
            status, _ = await asyncio.gather(proc.wait(), stealing)
            assert status in ((7,) if aio.knows_stolen_status else (7, 255))

    aio.run(main)


@pytest.mark.differs("asyncio", "create fails when the child is gone by then")
def test_thread_that_reaps_everything(aio):
    aio.script(f"""
        import logging, threading
        logging.disable()
        def reap():
            while not done:
                try:
                    os.waitpid(-1, 0)
                except ChildProcessError:
                    pass
        async def main():
            procs = [await aio.create_subprocess_exec("/bin/sh", "-c", f"exit {{n}}")
                     for n in range(30)]
            statuses = [await proc.wait() for proc in procs]
            wrong = [s for n, s in enumerate(statuses) if s not in (n, 255)]
            assert not wrong, wrong
            assert not {aio.knows_stolen_status} or statuses == list(range(30)), statuses
        done = False
        thread = threading.Thread(target=reap, daemon=True)
        thread.start()
        aio.run(main)
        done = True
        thread.join()
    """)


@pytest.fixture
def sigchld():
    """Sets SIGCHLD's disposition for one test."""
    old = signal.getsignal(signal.SIGCHLD)
    yield lambda handler: signal.signal(signal.SIGCHLD, handler)
    signal.signal(signal.SIGCHLD, old)


def test_ignored_sigchld_changes_nothing_in_what_the_machine_offers(sigchld):
    machine = _fastproc._core.machine
    offered = machine()
    sigchld(signal.SIG_IGN)
    assert all(machine() == offered for _ in range(300))


@UNKNOWN
@pytest.mark.differs("asyncio", "create fails when the child is gone by then")
def test_ignored_sigchld(aio, sigchld, caplog):
    sigchld(signal.SIG_IGN)

    async def main():
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", "echo x; exit 7", stdout=aio.PIPE)
        out, _ = await proc.communicate()
        assert out == b"x\n"
        return proc.pid, proc.returncode

    pid, status = aio.run(main)
    if aio.knows_stolen_status:
        assert (status, logged(caplog)) == (7, [])
    else:
        assert (status, logged(caplog)) == (255, [unknown_child(aio, pid)])


@pytest.mark.differs("uvloop", "sets its own handler")
def test_handled_sigchld(aio, sigchld):
    heard = []
    sigchld(lambda number, frame: heard.append(number))

    async def main():
        for _ in range(5):
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
            assert await proc.wait() == 7
        await until(lambda: heard)

    aio.run(main)


@linux
@pytest.mark.differs("uvloop", "needs the signal")
def test_blocked_sigchld(aio):
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        assert aio.run(shell_output(aio, "echo x")) == b"x\n"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


# Hostile children


@pytest.mark.differs("uvloop", "refuses to write to a closed pipe")
def test_children_that_die_at_once_while_being_written_to(aio):
    async def one(n):
        proc = await aio.create_subprocess_exec("false", **PIPES)
        out, err = await proc.communicate(bytes(n * 1000))
        assert (out, err, proc.returncode) == (b"", b"", 1)

    async def main():
        await asyncio.gather(*map(one, range(50)))

    aio.run(main)


@pytest.mark.differs("asyncio", "it may take away the status", when=sys.version_info < (3, 13))
def test_kill_races_with_the_exit(aio):
    async def main():
        for n in range(60):
            proc = await aio.create_subprocess_exec("true")
            await iterate(n % 10)
            try:
                proc.kill()
            except ProcessLookupError:
                assert proc.returncode is not None
            assert await proc.wait() in (0, -signal.SIGKILL)

    aio.run(main)


def test_endless_writers_beside_each_other(aio):
    async def main():
        procs = [await aio.create_subprocess_exec("yes", stdout=aio.PIPE) for _ in range(4)]
        got = [0] * 4
        while min(got) < 1 << 20:
            for n, proc in enumerate(procs):
                got[n] += len(await proc.stdout.read(1 << 16))
        for proc in procs:
            await kill_and_wait(proc)

    aio.run(main)


def test_loop_in_debug_mode(aio):
    async def main():
        asyncio.get_running_loop().set_debug(True)
        asyncio.get_running_loop().slow_callback_duration = 10
        proc = await aio.create_subprocess_exec("cat", **PIPES)
        assert await proc.communicate(b"debugged") == (b"debugged", b"")
        with pytest.raises(FileNotFoundError):
            await aio.create_subprocess_exec("/nowhere")

    aio.run(main)


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
