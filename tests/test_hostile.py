"""Programs that do odd things at the wrong moment: signals, forks, and code called back."""

import array
import asyncio
import errno
import gc
import os
import signal
import sys
import time

import pytest
from support import REFUSE, TIMEOUT, Holdings, driven, iterate, until

import _fastproc


@pytest.mark.differs("asyncio", "may leave the loop unfit")
def test_interrupt_while_reading_ends_the_loop(aio):
    """Wherever the signal arrives, in the C or in the loop, its exception is not lost."""
    aio.script(
        """
        async def main():
            proc = await aio.create_subprocess_exec("yes", stdout=aio.PIPE)
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            while await proc.stdout.read(65536):
                pass
        for _ in range(10):
            loop = aio.new_loop()
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            try:
                loop.run_until_complete(main())
            except KeyboardInterrupt:
                pass
            else:
                sys.exit("no interrupt")
            warnings.simplefilter("ignore")
            if loop.is_running():  # interrupted in its own first or last steps, it stays so
                continue
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0.01))
            loop.close()
        """
    )


@pytest.mark.differs("asyncio", "kept private")
def test_interrupt_raised_by_a_woken_task_leaves_the_others_to_the_next_run(aio):
    async def waits(proc):
        return await proc.wait()

    async def raises(proc):
        await proc.wait()
        raise KeyboardInterrupt

    loop = aio.new_loop()
    proc = loop.run_until_complete(aio.create_subprocess_exec("true"))
    tasks = [loop.create_task(f(proc)) for f in (waits, raises, waits, waits)]
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert [task.result() for task in tasks[:1]] == [0]
    results = loop.run_until_complete(asyncio.gather(*tasks[2:]))
    assert results == [0, 0]
    with pytest.raises(KeyboardInterrupt):
        tasks[1].result()
    loop.close()


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


@pytest.mark.differs("asyncio", "its future has the returncode")
def test_awaiting_what_a_hand_driven_coroutine_yields(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true")
        wait = proc.wait()
        future = wait.send(None)
        assert await asyncio.wait_for(future, 10) is not NotImplemented
        with pytest.raises(StopIteration) as stop:
            wait.send(None)
        assert stop.value.value == 0

    aio.run(main)


@pytest.mark.differs("asyncio", "looks at them again")
def test_streams_set_to_none_while_communicate_runs(aio):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes)
        stdout = proc.stdout
        task = asyncio.ensure_future(proc.communicate(b"x" * 1_000_000))
        await iterate(2)
        proc.stdin = proc.stdout = proc.stderr = None
        assert await task == (b"x" * 1_000_000, b"")
        proc.stdout = stdout
        assert await proc.stdout.read() == b""

    aio.run(main)


def test_streams_can_be_none_and_back_and_nothing_else(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true", stdout=aio.PIPE)
        saved, proc.stdout = proc.stdout, None
        assert proc.stdout is None
        proc.stdout = saved
        assert await proc.stdout.read() == b""
        if aio.is_fastproc:
            with pytest.raises(TypeError):
                proc.stdout = object()
            with pytest.raises(TypeError):
                proc.stdin = saved
            with pytest.raises((TypeError, AttributeError)):
                del proc.stderr
        await proc.wait()

    aio.run(main)


@pytest.mark.differs("uvloop", "has no audit events")
def test_audit_hook_that_replaces_the_program(aio):
    aio.script(
        """
        def hook(event, args):
            if event == "subprocess.Popen":
                args[1][0] = "/bin/echo"
        sys.addaudithook(hook)
        async def main():
            for _ in range(20):
                proc = await aio.create_subprocess_shell("exit 3", stdout=aio.PIPE)
                await proc.communicate()
                assert proc.returncode == 3
        aio.run(main)
        """
    )


def test_writelines_of_any_iterable(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.writelines((b"a", b"b"))
        proc.stdin.writelines((b"c",))
        proc.stdin.writelines([])
        proc.stdin.writelines(bytes([n]) for n in b"de")
        proc.stdin.transport.writelines((b"f", b"g"))
        proc.stdin.close()
        assert await proc.communicate() == (b"abcdefg", None)

    aio.run(main)


@pytest.mark.differs("uvloop", "ignores it")
def test_passing_a_closed_descriptor_is_an_error_at_once(aio):
    """Also one whose number is then used for a pipe of the spawn itself."""

    async def main():
        for offset in range(10):
            probe = os.dup(0)
            os.close(probe)
            try:
                proc = await asyncio.wait_for(
                    aio.create_subprocess_exec("sleep", "20", pass_fds=(probe + offset,)), 10
                )
            except OSError as exc:
                assert exc.errno == 9
            else:
                proc.kill()
                await proc.wait()

    aio.run(main)


def test_queued_child_has_the_directory_and_descriptors_of_its_call(aio, tmp_path):
    before = os.getcwd()
    files = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("out", "other")]
    saved = os.dup(1)

    async def main():
        os.dup2(files[0], 1)
        creates = [
            asyncio.ensure_future(aio.create_subprocess_exec("sh", "-c", "pwd; pwd >&2", stderr=fd))
            for fd in files[:1] * 12
        ]
        await iterate(1)
        os.chdir("/")
        os.dup2(files[1], 1)
        for proc in await asyncio.gather(*creates):
            assert await proc.wait() == 0

    os.chdir(tmp_path)
    try:
        aio.run(main)
    finally:
        os.chdir(before)
        os.dup2(saved, 1)
        for fd in (*files, saved):
            os.close(fd)
    assert (tmp_path / "out").read_text() == f"{tmp_path}\n" * 24
    assert (tmp_path / "other").read_text() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_burst_in_a_directory_that_one_may_not_enter(aio, tmp_path):
    aio.script(
        """
        os.chmod(sys.argv[1], 0o700)
        os.chdir(sys.argv[1])
        os.setresuid(65534, 65534, 65534)
        async def main():
            create = lambda: aio.create_subprocess_exec("/bin/true")
            procs = await asyncio.gather(*(create() for _ in range(10)))
            assert await asyncio.gather(*(proc.wait() for proc in procs)) == [0] * 10
        aio.run(main)
        """,
        tmp_path,
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


# A reader in the hands of others


@pytest.mark.differs("asyncio", "AttributeError")
def test_reader_without_init_says_so(aio):
    class Careless(aio.StreamReader):
        def __init__(self):
            pass

    async def main():
        for reader in Careless(), aio.StreamReader.__new__(aio.StreamReader):
            with pytest.raises(RuntimeError, match="__init__"):
                await reader.read()

    aio.run(main)


@pytest.mark.differs("asyncio", "takes anything")
def test_exception_of_a_reader_must_be_one(aio):
    async def main():
        reader = aio.StreamReader()
        with pytest.raises(TypeError, match="an exception is required, not str"):
            reader.set_exception("no")
        reader.set_exception(ZeroDivisionError)
        with pytest.raises(ZeroDivisionError):
            await reader.read()

    aio.run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in 3.12")
@pytest.mark.differs("asyncio", "asks its length")
def test_separator_that_consumes_the_buffer(aio):
    async def main():
        reader = aio.StreamReader()
        reader.feed_data(b"x" * 9000 + b"\n")

        class Separator:
            def __buffer__(self, flags):
                with pytest.raises(StopIteration):
                    reader.read(9000).send(None)
                return memoryview(b"\n")

        assert await reader.readuntil(Separator()) == b"\n"

    aio.run(main)


@pytest.mark.differs("asyncio", "takes one, or a tuple from 3.13")
def test_separators_of_any_bytes_like_type(aio):
    async def main():
        reader = aio.StreamReader()
        reader.feed_data(b"a;b|c\n")
        separators = (memoryview(b";"), bytearray(b"|"), array.array("b", b"\n"))
        assert await reader.readuntil(separators) == b"a;"
        assert await reader.readuntil(separators) == b"b|"
        assert await reader.readuntil(separators) == b"c\n"
        with pytest.raises(TypeError, match="bytes-like separator"):
            await reader.readuntil("\n")

    aio.run(main)


@pytest.mark.parametrize(
    "wait", [("readline",), ("readuntil", b"\n"), ("readuntil", (b"\n", b"|"))]
)
@pytest.mark.differs("asyncio", "loses the wake-up")
def test_waiting_line_survives_another_readers_bite(aio, wait):
    async def main():
        reader = aio.StreamReader()
        reader.feed_data(b"before\nabc")
        assert await reader.readline() == b"before\n"
        line = asyncio.ensure_future(getattr(reader, wait[0])(*wait[1:]))
        await iterate(2)
        assert await reader.read(2) == b"ab"
        reader.feed_data(b"\n")
        assert await asyncio.wait_for(line, 10) == b"c\n"

    aio.run(main)


def test_transport_that_collects_its_reader_when_paused():
    class Transport(asyncio.ReadTransport):
        def pause_reading(self):
            readers.clear()
            gc.collect()

        def resume_reading(self):
            pass

    async def main():
        readers.append(_fastproc.StreamReader(limit=10))
        readers[0].set_transport(Transport())
        readers[0].feed_data(b"x" * 100)

    readers = []
    with asyncio.Runner() as runner:
        runner.run(main())
    assert readers == []


# A kernel that says no

CALLS = {  # on x86-64
    "pipe2": [293],
    "clone": [435, 56],
    "clone, fork": [435, 56, 57, 58],
    "epoll_ctl": [233],
}


@pytest.mark.every_path
@pytest.mark.telling_paths("fork")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")
@pytest.mark.parametrize(
    "calls, error",
    [
        ("pipe2", "EMFILE"),
        ("pipe2", "ENOMEM"),
        ("clone", "EAGAIN"),
        ("clone, fork", "EAGAIN"),
        ("clone, fork", "ENOMEM"),
        ("epoll_ctl", "ENOMEM"),
    ],
)
@pytest.mark.differs("asyncio", "has other calls")
@pytest.mark.not_on(
    "uvloop", "uvloop itself cannot do without", when=lambda calls: calls == "epoll_ctl"
)
def test_refusal_by_the_kernel_is_an_oserror_and_leaves_nothing(aio, calls, error):
    aio.script(
        REFUSE
        + """
async def main():
    async def go(n):
        try:
            return await aio.create_subprocess_exec(
                "cat", stdin=aio.PIPE, stdout=aio.PIPE, stderr=aio.PIPE)
        except OSError as exc:
            return exc.errno
    proc = await go(0)
    await proc.communicate()
    await iterate(3)
    fds = os.listdir("/proc/self/fd")
    refuse(int(sys.argv[1]), *map(int, sys.argv[2].split()))
    results = await asyncio.gather(*map(go, range(5)))
    assert results == [int(sys.argv[1])] * 5, results
    assert os.listdir("/proc/self/fd") == fds
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    else:
        sys.exit("a child is left")
aio.run(main)
""",
        getattr(errno, error),
        " ".join(map(str, CALLS[calls])),
    )


@pytest.mark.not_on("uvloop", "its loop cannot be run so")
def test_task_that_runs_the_loop_itself_while_others_have_been_woken(aio):
    """As nest_asyncio has it: the result of one of those can be had inside."""
    aio.script(
        """
        import asyncio.tasks as tasks
        import time

        # Tasks that may be left and entered, and one iteration of the loop, as nest_asyncio has them
        asyncio.Task = tasks.Task = tasks._PyTask
        for name in "current_task", "_enter_task", "_leave_task", "_register_task":
            setattr(tasks, name, getattr(tasks, "_py_" + name.lstrip("_"), getattr(tasks, name)))
        loop = aio.new_loop()

        def turn():
            loop._process_events(loop._selector.select(0 if loop._ready else 20))
            for _ in range(len(loop._ready)):
                if loop._ready:
                    handle = loop._ready.popleft()
                    if not handle._cancelled:
                        handle._run()

        def run(task):
            task = asyncio.ensure_future(task, loop=loop)
            outer = tasks._current_tasks.pop(loop, None)
            while not task.done():
                turn()
            if outer:
                tasks._current_tasks[loop] = outer
            return task.result()

        async def outer(proc, others):
            await proc.wait()
            return [run(other) for other in others]

        async def inner(proc):
            return await proc.wait()

        async def main():
            hold, release = os.pipe()
            procs = [await aio.create_subprocess_exec("cat", stdin=hold) for _ in range(3)]
            others = []
            task = asyncio.ensure_future(outer(procs[0], others))
            await iterate(1)
            others += [asyncio.ensure_future(inner(proc)) for proc in procs]
            await iterate(1)
            os.close(release)
            until_blocking(lambda: all(exited(proc.pid) for proc in procs))
            return await task

        asyncio._set_running_loop(loop)
        signal.alarm(20)
        assert run(main()) == [0, 0, 0]
        asyncio._set_running_loop(None)
        loop.run_until_complete(iterate(3))
        loop.close()
        """
    )


@pytest.mark.may_warn("took")
@pytest.mark.not_on("uvloop", "it does not look")
@pytest.mark.not_on("nested", "nest_asyncio does not look")
def test_debug_mode_names_the_task_that_is_slow(aio, caplog):
    async def slow():
        proc = await aio.create_subprocess_exec("true")
        await proc.wait()
        time.sleep(0.15)

    async def main():
        asyncio.get_running_loop().set_debug(True)
        await asyncio.create_task(slow(), name="the culprit")

    aio.run(main)
    assert any("the culprit" in r.getMessage() and "took" in r.getMessage() for r in caplog.records)


@pytest.mark.differs("asyncio", "has no hub")
@pytest.mark.not_on("uvloop", "its loop is C")
def test_loop_that_starts_a_child_when_it_is_asked_to_watch_the_first(aio):
    class Loop(asyncio.SelectorEventLoop):
        inner = None

        def add_reader(self, fd, callback, *args):
            if self.inner is None and type(callback).__name__ == "HubToken":
                self.inner = aio.create_subprocess_exec("true")
                self.inner.send(None)
            return super().add_reader(fd, callback, *args)

    async def main():
        before = Holdings()
        proc = await aio.create_subprocess_exec("true")
        assert await proc.wait() == 0
        asyncio.get_running_loop().inner.close()
        await until(lambda: not before.news())

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())


@pytest.mark.parametrize(
    "link",
    [
        "reader(aio).set_transport(last)",
        "reader(aio).set_exception(ended(aio, last))",
        "setattr(reader(aio), 'last', last)",
        "setattr(reader(Own), 'last', last)",
        "ended(aio, last)",
    ],
)
@pytest.mark.not_on("uvloop", "no matter of loops")
def test_long_chain_of_objects_is_freed_without_a_deep_stack(aio, link):
    aio.script(
        f"""
        full_of_results = "ended(aio, last)" == {link!r}
        class Own:
            class StreamReader(aio.StreamReader):
                pass
        def reader(api):
            made.append(api.StreamReader())
            return made[-1]
        def ended(api, context):
            try:
                full.read(1).__await__().__next__()
            except StopIteration as stop:
                stop.__context__, stop.__traceback__ = context, None
                made.append(stop)
                return stop
        async def main():
            global made, full
            full, last = aio.StreamReader(), None
            length = 500_000 if full_of_results else 200_000
            full.feed_data(b"x" * length)
            for _ in range(length):
                made = []
                {link}
                last = made[-1]
            made = []
            del last
        aio.run(main)
        """,
    )
