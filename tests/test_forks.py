"""os.fork() and multiprocessing: in a running loop, and beside threads that start children."""

import asyncio
import gc
import os
import signal
import sysconfig
import textwrap

import pytest
from support import TIMEOUT, Aio, driven, iterate

PRELUDE = """
import gc, threading, time
from workload import *

warnings.simplefilter("ignore")  # of forking beside threads

THREADS, FORKS, AT_A_TIME = 3, 60, 4

def fork(body):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(60)  # hung: killed, which the parent sees
            body()
            status = 0
        finally:
            os._exit(status)
    return pid

def reap(pid):
    assert os.waitpid(pid, 0) == (pid, 0)

def run_children():
    assert aio.run(output_of(aio, "echo", "forked")) == b"forked\\n"

def drop_everything():
    gc.collect()
    run_children()

"""


# One of twenty to some thousand forked processes then hangs in asyncio's table of running tasks, which
# is locked for good; with asyncio's own children, or none, as well. (CPython 3.13.5)
without_asyncio_in_it = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="a process forked off cannot use asyncio",
)


def script(source, *args):
    done = Aio("fastproc", "stdlib").script(PRELUDE + textwrap.dedent(source), *args, timeout=120)
    assert done.stderr == b"", done.stderr.decode()


@pytest.mark.slow("less of the same", when=lambda body: body in ("run_children", "lambda: None"))
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("run_children", marks=without_asyncio_in_it),
        pytest.param("drop_everything", marks=without_asyncio_in_it),
        "gc.collect",
        "lambda: None",
    ],
)
def test_forks_while_threads_start_children(body):
    script(f"""
        def forks():
            alive = []
            for _ in range(FORKS):
                alive.append(fork({body}))
                if len(alive) == AT_A_TIME:
                    reap(alive.pop(0))
            for pid in alive:
                reap(pid)
            done.set()

        def starts(seed):
            while not done.is_set():
                be_busy(seed)
                seed += THREADS

        done = threading.Event()
        before = Holdings()
        in_threads([forks] + [lambda n=n: starts(n) for n in range(THREADS)])
        assert not before.settled(), before.settled()
    """)


def test_forked_processes_that_stay_hold_nothing_up():
    """Only a child's stdin does not end before they do, as with asyncio."""
    script("""
        def forks():
            for _ in range(FORKS):
                alive.append(fork(lambda: os.read(read, 1)))
                time.sleep(0.003)  # so that they come at all times

        alive = []
        read, write = os.pipe()
        in_threads([forks] + [lambda n=n: be_busy(n, 4, WITHOUT_STDIN) for n in range(THREADS)])
        os.write(write, bytes(len(alive)))
        for pid in alive:
            reap(pid)
    """)


@without_asyncio_in_it
def test_forks_in_the_threads_that_start_children():
    script("""
        async def with_forks(seed):
            jobs = asyncio.create_task(some_jobs(aio, seed, 4, JOBS))
            proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
            while not jobs.done():
                reap(fork(lambda: (asyncio._set_running_loop(None), run_children())))
                await asyncio.sleep(0.001)
            await jobs
            assert await proc.communicate(b"all of it") == (b"all of it", None)

        before = Holdings()
        in_threads([lambda n=n: aio.run(with_forks(n)) for n in range(THREADS)])
        assert not before.settled(), before.settled()
    """)


@pytest.mark.parametrize(
    "method", [pytest.param("fork", marks=without_asyncio_in_it), "spawn", "forkserver"]
)
def test_multiprocessing_beside_live_children(method, tmp_path):
    (tmp_path / "worker.py").write_text(
        textwrap.dedent("""
        from support import *
        def work(n):
            aio = Aio("fastproc", "stdlib")
            assert aio.run(output_of(aio, "echo", str(n))) == b"%d\\n" % n
            return n
        """)
    )
    script(
        """
        import multiprocessing
        sys.path.insert(0, sys.argv[1])
        from worker import work

        async def main():
            proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
            with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:
                asked = pool.map_async(work, range(20))
                for _ in range(3):
                    proc.stdin.write(b"line\\n")
                    assert await proc.stdout.readline() == b"line\\n"
                    assert await output_of(aio, "echo", "x") == b"x\\n"
                await until(asked.ready)
                assert asked.get() == list(range(20))
            assert proc.returncode is None
            assert await proc.communicate(b"rest") == (b"rest", None)

        in_threads([lambda: aio.run(main())] + [lambda n=n: be_busy(n) for n in range(2)])
        """,
        tmp_path,
        method,
    )


@pytest.mark.every_path
@pytest.mark.telling_paths("fork", "thread")
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


@pytest.mark.every_path
@pytest.mark.telling_paths("fork", "thread")
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


@pytest.mark.may_warn("use of fork")
@pytest.mark.parametrize("turns", range(3))
@pytest.mark.differs("asyncio", "kills it, or hangs")
def test_forked_process_that_drops_a_create_leaves_the_child_alone(aio, turns):
    async def main():
        create = aio.create_subprocess_exec("sleep", "30")
        waiting = create.send(None)
        await iterate(turns)
        forked = os.fork()
        if forked == 0:
            del create, waiting
            gc.collect()
            os._exit(0)
        assert os.waitpid(forked, 0)[1] == 0
        proc = await driven(create, waiting)
        assert proc.returncode is None
        proc.terminate()
        assert await proc.wait() == -signal.SIGTERM

    aio.run(main)


@pytest.mark.may_warn("use of fork")
@pytest.mark.differs("asyncio", "hangs")
@pytest.mark.not_on("uvloop", "the poller that libuv empties is the parent's as well")
def test_forked_process_that_closes_the_loop_leaves_the_child_alone(aio):
    """One that was being started when it was forked off."""

    async def end():
        proc = await driven(create, waiting)
        assert proc.returncode is None
        proc.terminate()
        assert await proc.wait() == -signal.SIGTERM

    loop = aio.new_loop()
    create = aio.create_subprocess_exec("sleep", "30")
    asyncio._set_running_loop(loop)
    waiting = create.send(None)
    asyncio._set_running_loop(None)
    forked = os.fork()
    if forked == 0:
        status = 1
        try:
            loop.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(forked, 0)[1] == 0
    loop.run_until_complete(asyncio.wait_for(end(), TIMEOUT))
    loop.close()
