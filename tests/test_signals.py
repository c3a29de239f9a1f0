"""Signals that arrive all the time and handlers that raise; others who reap; recycled pids."""

import asyncio
import os
import signal
import sys

import pytest
from support import LINUX, Holdings, driven, iterate, output_of, until, until_reaped

every_path = pytest.mark.every_path
pytestmark = pytest.mark.telling_paths("pidfd", "thread")
plainest = pytest.mark.only_paths("thread")
linux = pytest.mark.skipif(not LINUX, reason="looks into /proc")
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


# Signals


@every_path
@plainest
@pytest.mark.parametrize("restart", [True, False], ids=["SA_RESTART", "EINTR"])
def test_signals_all_the_time(aio, restart):
    """By a timer and from a thread, in spawn, reads, writes and waits; none reaches a child."""
    aio.script(
        """
        import collections, threading
        heard = collections.Counter()
        def handler(number, frame):
            heard[number] += 1
        for number in signal.SIGALRM, signal.SIGUSR1, signal.SIGRTMIN + 3:
            signal.signal(number, handler)
            signal.siginterrupt(number, sys.argv[1] == "False")
        def send():
            while not done:
                os.kill(os.getpid(), signal.SIGUSR1)
                signal.pthread_kill(main_thread, signal.SIGRTMIN + 3)
                time.sleep(0.0003)

        async def main():
            for n in range(12):
                assert await output_of(aio, "echo", str(n)) == b"%d\\n" % n
                pipes = dict(stdin=aio.PIPE, stdout=aio.PIPE)
                proc = await aio.create_subprocess_exec("cat", **pipes)
                assert (await proc.communicate(bytes(100_000)))[0] == bytes(100_000)
                assert proc.returncode == 0
                try:
                    await aio.create_subprocess_exec("/nowhere", **pipes)
                except FileNotFoundError:
                    pass
                else:
                    sys.exit("was found")
            assert not children()

        done, main_thread = False, threading.get_ident()
        thread = threading.Thread(target=send)
        thread.start()
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        try:
            aio.run(main)
        finally:
            done = True
            thread.join()
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert len(heard) == 3 and min(heard.values()) > 5, heard
        """,
        restart,
    )


class Raised(Exception):
    pass


class Handler:
    """Raises at the nth event of Python code in or below these functions, as a signal's may."""

    def __init__(self, nth, *names):
        self.left, self.names = nth, names

    def __call__(self, frame, event, arg):
        above = frame
        while above is not None and above.f_code.co_name not in self.names:
            above = above.f_back
        if above is not None:
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise self.error
        return self

    error = Raised

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *exc_info):
        sys.settrace(self.before)

    @property
    def has_raised(self):
        return self.left <= 0


@pytest.mark.differs("asyncio", "may leave a child or the loop unfit")
@pytest.mark.not_on("uvloop", "the same calls, in C")
def test_handler_that_raises_within_create(aio):
    """At every step of what it calls: its exception comes out, and the loop is as it was."""
    raised = 0

    async def attempt(nth):
        create = aio.create_subprocess_exec("cat", **PIPES)
        handler = Handler(nth, "add_reader", "call_soon", "get_running_loop")
        try:
            with handler:
                waiting = create.send(None)
        except Raised:
            assert handler.has_raised
        else:
            assert not handler.has_raised, "the exception is lost"
            proc = await driven(create, waiting)
            assert (await proc.communicate(b"x"))[0] == b"x"
        return handler.has_raised

    async def main():
        nonlocal raised
        before = Holdings()
        watched = asyncio.get_running_loop()._selector.get_map()
        idle = set(watched)
        while await attempt(raised + 1):
            raised += 1
            await until(lambda: not before.news())
            assert set(watched) == idle
            for _ in range(2):  # on the same numbers of descriptors
                assert await output_of(aio, "echo", "works") == b"works\n"
            await iterate(3)
            assert not before.news()

    aio.run(main)
    assert raised > 10


@pytest.mark.parametrize("error", [Raised, KeyboardInterrupt, SystemExit])
@pytest.mark.differs("asyncio", "may leave the loop unfit")
@pytest.mark.not_on("uvloop", "the same calls, in C")
def test_handler_that_raises_when_the_last_child_has_ended(aio, error):
    """In the midst of leaving the loop: its exception is not lost, and the loop is as it was."""
    loop = aio.new_loop()
    heard = []
    loop.set_exception_handler(lambda loop, context: heard.append(context["exception"]))

    async def child():
        assert await output_of(aio, "echo", "works") == b"works\n"
        await iterate(3)

    def step():
        """A child's life, and whether an exception was raised in its last moment and came out."""
        heard.clear()
        task = loop.create_task(child())
        with handler:
            try:
                loop.run_until_complete(task)
            except (KeyboardInterrupt, SystemExit) as interrupt:
                heard.append(interrupt)
        loop.run_until_complete(task)
        loop.run_until_complete(iterate(3))
        assert [type(exception) for exception in heard] == [error] * handler.has_raised
        return handler.has_raised

    loop.run_until_complete(iterate(3))
    before = Holdings()
    nth = 1
    while True:
        handler = Handler(nth, "remove_reader")
        handler.error = error
        again = step()
        assert not before.news()
        if not again:
            break
        nth += 1
    loop.close()
    assert nth > 10


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.differs("asyncio", "has no hub")
@pytest.mark.not_on("uvloop", "its loop is C")
def test_interrupt_while_a_hub_asks_to_leave_comes_out(aio, error):
    class Loop(asyncio.SelectorEventLoop):
        asked = 0

        def call_soon(self, callback, *args, **kwds):
            if type(callback).__name__ == "Hub":
                self.asked += 1
                if self.asked == 1:
                    raise error
            return super().call_soon(callback, *args, **kwds)

    async def child():
        assert await output_of(aio, "echo", "works") == b"works\n"

    loop = Loop()
    with pytest.raises(error):
        loop.run_until_complete(child())
    loop.stop()  # which the task that was interrupted may have called for already
    loop.run_forever()
    loop.run_until_complete(child())
    loop.run_until_complete(iterate(3))
    assert loop.asked == 2
    loop.close()


# Others who reap


@linux
@every_path
@plainest
@pytest.mark.parametrize("how", ["handler", "ignored", "thread"])
@pytest.mark.differs("asyncio", "create fails when the child is gone by then, or hangs")
def test_somebody_else_takes_every_status(aio, how):
    """Of children that run, fail to, are cancelled or killed: never a hang, a wrong status, a rest."""
    aio.script(
        f"""
        import contextlib, logging, threading
        logging.disable()
        knows = {aio.knows_stolen_status}
        taken = 0

        def reap_all(*args):
            global taken
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    taken += 1

        def reap():
            while not done:
                reap_all()

        done = False
        thread = threading.Thread(target=reap)
        if sys.argv[1] == "handler":
            signal.signal(signal.SIGCHLD, reap_all)
        elif sys.argv[1] == "ignored":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        else:
            thread.start()
        pipes = dict(stdin=aio.PIPE, stdout=aio.PIPE)

        try:
            os.close(os.pidfd_open(os.getpid()))
            knows_of_forks = knows
        except OSError:  # a sandbox, where only clone() gives pidfds
            knows_of_forks = False

        def check(status, right, forked=False):
            may_be_lost = not (knows_of_forks if forked else knows)
            assert status == right or status == 255 and may_be_lost, status

        async def runs(n):
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", f"cat; exit {{n}}", **pipes)
            assert (await proc.communicate(b"x" * 70_000))[0] == b"x" * 70_000
            check(proc.returncode, n)

        async def fails(n):
            try:
                await aio.create_subprocess_exec("/nowhere", **pipes)
            except FileNotFoundError:
                return
            raise AssertionError("was found")

        async def is_cancelled(n):
            creating = asyncio.ensure_future(aio.create_subprocess_exec("cat", **pipes))
            await iterate(n % 6)
            creating.cancel()
            await asyncio.wait([creating])
            if not creating.cancelled():
                creating.result()._transport.close()
                check(await creating.result().wait(), -9)

        async def is_killed(n):
            hook = dict(preexec_fn=int) if n % 5 == 0 else {{}}
            proc = await aio.create_subprocess_exec("cat", **pipes, **hook)
            proc.kill()
            await iterate(n % 5)
            with contextlib.suppress(ProcessLookupError):
                proc.kill()
            await proc.communicate()
            check(proc.returncode, -9, forked=bool(hook))

        async def main():
            for _ in range(100):  # the thread may not be given a processor for a while
                kinds = runs, fails, is_cancelled, is_killed
                await asyncio.gather(*(job(n) for n in range(12) for job in kinds))
                if taken or sys.argv[1] == "ignored":
                    break
            warnings.simplefilter("ignore")
            await aio.create_subprocess_exec("sleep", "60", **pipes)  # when the loop is closed

        try:
            aio.run(main)
        finally:
            done = True
            if thread.ident:
                thread.join()
        assert not children()
        assert taken or sys.argv[1] == "ignored"
        """,
        how,
    )


# A pid that is used again


RECYCLE = """
import contextlib

def recycle(pid):
    "Another process has that pid, no child of ours: it tells that it lives when asked."
    answer, tell = os.pipe()
    ask, hold = os.pipe()
    if os.fork() == 0:
        for _ in range(100):
            with open("/proc/sys/kernel/ns_last_pid", "w") as last:
                last.write(str(pid - 1))
            if (child := os.fork()) == 0:
                os.close(hold)
                if os.getpid() != pid:
                    os._exit(1)
                os.write(tell, b"born")
                os.read(ask, 1)  # until we have gone, or say so
                os.write(tell, b"lives")
                os._exit(0)
            if child == pid:
                break
            os.waitpid(child, 0)
        os._exit(0)
    os.wait()
    os.close(tell)
    os.close(ask)
    born = os.read(answer, 4)
    return hold, answer, born == b"born"
"""


@linux
@every_path
@plainest
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root's rights")
@pytest.mark.parametrize("kind", ["plain", "preexec"])
@pytest.mark.differs("asyncio", "may kill it")
def test_signals_never_hit_another_process_that_has_the_pid_now(aio, kind):
    """The child has exited, somebody else has reaped it, and its pid is given to another process."""
    aio.script(
        RECYCLE
        + """
import logging
warnings.simplefilter("ignore")
logging.disable()
hook = {"preexec_fn": int} if sys.argv[1] == "preexec" else {}

async def main(send):
    while True:
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, **hook)
        os.kill(proc.pid, signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(proc.pid, 0)
        hold, answer, born = recycle(proc.pid)
        if born:  # nobody else was faster
            break
    if send == "kill":
        proc.kill()
        proc.send_signal(signal.SIGTERM)
    elif send == "close":
        proc._transport.close()
    if send != "loop-close":
        assert await proc.wait() in (-15, 255)
        with contextlib.suppress(ProcessLookupError):
            proc.kill()
            sys.exit("was found")
    return proc, hold, answer

for send in "kill", "close", "loop-close":
    loop = aio.new_loop()
    proc, hold, answer = loop.run_until_complete(main(send))
    loop.close()
    del proc
    os.close(hold)
    assert os.read(answer, 5) == b"lives", "it was killed"
""",
        kind,
        timeout=120,  # others that start processes are faster, again and again
    )


@linux
@every_path
@plainest
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root's rights")
@pytest.mark.parametrize("kind", ["plain", "preexec"])
@pytest.mark.differs("asyncio", "may kill it")
def test_child_whose_pid_is_anothers_before_the_loop_first_looks(aio, kind):
    """Reaped by somebody else right after its exec, or instead of it."""
    aio.script(
        RECYCLE
        + """
import logging
logging.disable()
knows = aio.knows_stolen_status and sys.argv[1] == "plain"
hook = {"preexec_fn": int} if sys.argv[1] == "preexec" else {}

async def begin(program):
    "The create call, what it waits on, and the pid, which is taken."
    while True:
        create = aio.create_subprocess_exec(program, stdin=aio.PIPE, **hook)
        waiting = create.send(None)
        (pid,) = children()
        os.waitpid(pid, 0)
        hold, answer, born = recycle(pid)
        if born:
            return create, waiting, hold, answer
        create.close()
        await iterate(3)

async def rest_of(create, waiting):
    while not waiting.done():
        await asyncio.sleep(0.001)
    try:
        create.send(None)
    except StopIteration as stop:
        return stop.value

async def main():
    create, waiting, hold, answer = await begin("true")
    proc = await rest_of(create, waiting)
    with contextlib.suppress(ProcessLookupError):
        proc.kill()
    assert await asyncio.wait_for(proc.wait(), 10) == (0 if knows else 255), proc.returncode
    proc._transport.close()
    os.close(hold)
    assert os.read(answer, 5) == b"lives", "it was killed"

    create, waiting, hold, answer = await begin("/nowhere")
    try:
        await rest_of(create, waiting)
    except FileNotFoundError:
        pass
    else:
        sys.exit("was found")
    os.close(hold)
    assert os.read(answer, 5) == b"lives", "it was killed"
    assert not children()

aio.run(main)
""",
        kind,
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.differs("asyncio", "raises it there, and leaves the pipe open")
@pytest.mark.not_on("uvloop", "its loop is C")
def test_interrupt_outside_a_turn_of_the_hub_comes_out(aio, error):
    """Of a handler that runs while a pipe is being closed; the loop is asked for a call then."""

    class Loop(asyncio.SelectorEventLoop):
        armed = False

        def call_soon(self, *args, **kwds):
            if self.armed:
                self.armed = False
                raise error
            return super().call_soon(*args, **kwds)

    class Protocol(asyncio.SubprocessProtocol):
        pass

    async def main():
        transport, _ = await aio.subprocess_exec(Protocol, "sleep", "60", stdin=-3, stderr=-3)
        transports.append(transport)
        asyncio.get_running_loop().armed = True
        transport.get_pipe_transport(1).close()
        await asyncio.sleep(5)
        raise AssertionError("it was lost")

    transports = []
    loop = Loop()
    with pytest.raises(error):
        loop.run_until_complete(main())
    transports[0].close()
    loop.call_later(0.1, loop.stop)
    loop.run_forever()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.run_until_complete(until_reaped())
    loop.close()


@pytest.mark.every_path
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
            asyncio._set_running_loop(None)  # interrupted in its own last steps, it forgets that
            if loop.is_running():  # or in its first ones, it stays so
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
