"""The life and death of a child: pid, wait(), returncode, signals, dropped objects."""

import asyncio
import gc
import os
import signal
import sys
import threading
import weakref

import pytest
from support import (
    LINUX,
    children,
    exited,
    finish,
    iterate,
    kill_and_wait,
    pipe,
    read_end,
    running,
    shell_output,
    state,
    until,
    until_blocking,
    until_reaped,
)

pytestmark = [pytest.mark.every_path, pytest.mark.telling_paths("pidfd", "thread")]
linux = pytest.mark.skipif(not LINUX, reason="looks into /proc")
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


def exit_with(aio, status, **kwds):
    return aio.create_subprocess_exec("/bin/sh", "-c", f"exit {status}", **kwds)


# Attributes


def test_attributes_of_a_live_and_of_a_dead_child(aio):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes)
        pid = proc.pid
        assert type(pid) is int and pid in children()
        assert proc.returncode is None
        streams = proc.stdin, proc.stdout, proc.stderr
        assert None not in streams
        assert await finish(proc) == 0
        assert (proc.pid, proc.returncode) == (pid, 0)
        assert (proc.stdin, proc.stdout, proc.stderr) == streams

    aio.run(main)


def test_repr_names_the_pid(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true")
        assert repr(proc) == f"<Process {proc.pid}>"
        await proc.wait()
        assert repr(proc) == f"<Process {proc.pid}>"

    aio.run(main)


def test_there_is_no_poll(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true")
        assert not hasattr(proc, "poll")
        await proc.wait()

    aio.run(main)


def test_pid_and_returncode_cannot_be_set_to_lie(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true")
        with pytest.raises(AttributeError):
            proc.returncode = 7
        assert await proc.wait() == 0

    aio.run(main)


# Exit status


@pytest.mark.parametrize("status", [0, 1, 2, 127, 128, 255])
def test_wait_returns_the_exit_status(aio, status):
    async def main():
        proc = await exit_with(aio, status)
        assert await proc.wait() == status == proc.returncode

    aio.run(main)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGABRT", "SIGUSR1"])
def test_wait_returns_minus_n_for_signal_n(aio, name):
    number = signal.Signals[name]

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        proc.send_signal(number)
        assert await proc.wait() == -number == proc.returncode
        await finish(proc)

    aio.run(main)


def test_status_of_a_core_dump_is_its_signal(aio, tmp_path):
    async def main():
        script = "ulimit -c $(ulimit -H -c); kill -SEGV $$"
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, cwd=tmp_path)
        assert await proc.wait() == -signal.SIGSEGV

    aio.run(main)


def test_real_time_signals_have_their_numbers(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        proc.send_signal(signal.SIGRTMAX)
        assert await proc.wait() == -signal.SIGRTMAX
        await finish(proc)

    aio.run(main)


def test_every_child_has_its_own_status(aio):
    async def main():
        statuses = list(range(40))
        procs = [await exit_with(aio, status) for status in statuses]
        assert await asyncio.gather(*(proc.wait() for proc in procs)) == statuses

    aio.run(main)


# wait()


def needs_wait_on_exit(test):
    test = pytest.mark.differs("uvloop", "wait() may wait for the pipes")(test)
    before = sys.version_info < (3, 14)
    return pytest.mark.differs("asyncio", "wait() waits for the pipes", when=before)(test)


@needs_wait_on_exit
def test_wait_completes_on_exit_though_a_grandchild_holds_the_pipes(aio):
    async def main():
        with pipe() as (hold, release):
            proc = await aio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                f"cat </dev/fd/{hold.fileno()} & exit 3",
                stdout=aio.PIPE,
                pass_fds=[hold.fileno()],
            )
            assert await proc.wait() == 3
            assert not proc.stdout.at_eof()
            release.write(b"of the grandchild")
            release.close()
            assert await proc.stdout.read() == b"of the grandchild"

    aio.run(main)


@needs_wait_on_exit
def test_wait_completes_with_unread_output(aio):
    async def main():
        proc = await aio.create_subprocess_exec("echo", "unread", stdout=aio.PIPE)
        assert await proc.wait() == 0
        assert await proc.stdout.read() == b"unread\n"

    aio.run(main)


def test_wait_with_an_open_stdin(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true", stdin=aio.PIPE)
        assert await proc.wait() == 0
        await finish(proc)

    aio.run(main)


def test_many_wait_at_once(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        seen = []

        async def one():
            status = await proc.wait()
            seen.append(proc.returncode)
            return status

        waiters = [asyncio.create_task(one()) for _ in range(20)]
        await iterate(3)
        assert seen == []
        proc.stdin.close()
        assert await asyncio.gather(*waiters) == [0] * 20 == seen

    aio.run(main)


def test_cancelled_waiter_leaves_the_others(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        waiters = [asyncio.create_task(proc.wait()) for _ in range(4)]
        await iterate(2)
        for waiter in waiters[::2]:
            waiter.cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(proc.wait(), 0)
        proc.stdin.close()
        results = await asyncio.gather(*waiters, return_exceptions=True)
        assert results[1::2] == [0, 0]
        assert all(isinstance(r, asyncio.CancelledError) for r in results[::2])

    aio.run(main)


def test_wait_after_exit_is_immediate(aio):
    async def main():
        proc = await exit_with(aio, 5)
        await proc.wait()
        waiter = proc.wait()
        with pytest.raises(StopIteration) as caught:
            waiter.__await__().send(None)
        assert caught.value.value == 5
        assert await proc.wait() == 5

    aio.run(main)


def test_returncode_turns_without_anybody_waiting(aio):
    async def main():
        proc = await exit_with(aio, 4)
        await until(lambda: proc.returncode is not None)
        assert proc.returncode == 4
        assert not children()

    aio.run(main)


def test_returncode_turns_while_pipes_are_full_and_unread(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.write(bytes(1 << 20))
        proc.kill()
        await until(lambda: proc.returncode is not None)
        assert proc.returncode == -signal.SIGKILL
        await finish(proc)

    aio.run(main)


@linux
def test_stopping_and_continuing_is_no_exit(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        waiter = asyncio.create_task(proc.wait())
        proc.send_signal(signal.SIGSTOP)
        await until(lambda: state(proc.pid) == "T")
        proc.send_signal(signal.SIGCONT)
        await until(lambda: state(proc.pid) != "T")
        await iterate(5)
        assert proc.returncode is None and not waiter.done()
        proc.stdin.close()
        assert await waiter == 0

    aio.run(main)


# Signals


@pytest.mark.parametrize(
    "method, number", [("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)]
)
def test_terminate_and_kill(aio, method, number):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        assert getattr(proc, method)() is None
        assert await proc.wait() == -number
        await finish(proc)

    aio.run(main)


def test_signal_reaches_the_childs_handler(aio):
    async def main():
        script = "trap 'echo caught; exit 9' USR1; echo ready; while :; do read x; done"
        proc = await aio.create_subprocess_exec(
            "/bin/sh", "-c", script, stdin=aio.PIPE, stdout=aio.PIPE
        )
        assert await proc.stdout.readline() == b"ready\n"
        proc.send_signal(signal.SIGUSR1)
        proc.stdin.write(b"\n")
        assert await proc.stdout.readline() == b"caught\n"
        assert await finish(proc) == 9

    aio.run(main)


def test_signal_zero_only_asks(aio):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            assert proc.send_signal(0) is None
            await iterate(2)
            assert proc.returncode is None

    aio.run(main)


@pytest.mark.parametrize("bad", [12345, -1])
def test_signal_that_does_not_exist(aio, bad):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            with pytest.raises((OSError, ValueError)):
                proc.send_signal(bad)

    aio.run(main)


@pytest.mark.parametrize("bad", ["TERM", None, 1.5])
@pytest.mark.differs("uvloop", "rounds", when=lambda bad: bad == 1.5)
def test_signal_that_is_no_number(aio, bad):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            with pytest.raises(TypeError):
                proc.send_signal(bad)

    aio.run(main)


def test_signals_after_the_end_are_process_lookup_errors(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true")
        await proc.wait()
        await iterate(3)
        for send in (proc.kill, proc.terminate, lambda: proc.send_signal(signal.SIGHUP)):
            with pytest.raises(ProcessLookupError):
                send()

    aio.run(main)


@linux
@pytest.mark.differs("asyncio", "before 3.13 it is reaped", when=sys.version_info < (3, 13))
@pytest.mark.differs("uvloop", "finds no process")
def test_signals_to_a_child_that_nobody_has_reaped_yet_do_nothing(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true")
        until_blocking(lambda: exited(proc.pid))
        proc.kill()
        proc.terminate()
        proc.send_signal(0)
        assert await proc.wait() == 0

    aio.run(main)


@pytest.mark.differs("asyncio", "the transport lives as long as its pipes")
def test_once_reaped_it_is_gone_whether_or_not_pipes_are_open(aio):
    async def main():
        with pipe() as (hold, release):
            script = f"cat </dev/fd/{hold.fileno()} & exit 0"
            proc = await aio.create_subprocess_exec(
                "/bin/sh", "-c", script, stdout=aio.PIPE, pass_fds=[hold.fileno()]
            )
            await until(lambda: proc.returncode is not None)
            with pytest.raises(ProcessLookupError):
                proc.kill()
            release.close()
            await finish(proc)

    aio.run(main)


# Dropped objects


@pytest.mark.may_warn("ResourceWarning: unclosed")
@pytest.mark.parametrize("piped", [False, True])
def test_dropped_process_runs_on_and_is_reaped(aio, piped):
    async def main():
        with pipe() as (hold, release), pipe() as (said, say):
            script = "read line; echo $line >&2"
            streams = dict.fromkeys(["stdout"], aio.PIPE if piped else None)
            proc = await aio.create_subprocess_exec(
                "/bin/sh", "-c", script, stdin=hold, stderr=say, **streams
            )
            pid = proc.pid
            say.close()
            del proc
            gc.collect()
            await iterate(5)
            assert not exited(pid)
            release.write(b"alive\n")
            assert await read_end(said) == b"alive\n"
            await until_reaped()

    aio.run(main)


def test_dropped_process_can_still_be_read(aio):
    async def main():
        proc = await aio.create_subprocess_exec(
            "/bin/sh", "-c", "read x; echo $x", stdin=aio.PIPE, stdout=aio.PIPE
        )
        stdin, stdout = proc.stdin, proc.stdout
        del proc
        gc.collect()
        stdin.write(b"still here\n")
        assert await stdout.read() == b"still here\n"
        stdin.close()
        await until_reaped()
        await iterate(3)

    aio.run(main)


def test_dropped_waiter_is_no_harm(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        waiter = proc.wait().__await__()
        waiter.send(None)
        del waiter
        gc.collect()
        proc.stdin.close()
        assert await proc.wait() == 0

    aio.run(main)


def test_process_in_a_cycle_is_collected(aio):
    async def main():
        for _ in range(5):
            proc = await aio.create_subprocess_exec("echo", stdout=aio.PIPE)
            await finish(proc)
            proc.stdout.me = [proc, proc.stdout]
            del proc
        gc.collect()

    aio.run(main)


# The transport that existing programs reach for


@pytest.mark.differs("uvloop", "has no Popen")
def test_transport_facade(aio):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        transport = proc._transport
        assert transport.get_pid() == proc.pid
        assert transport.get_returncode() is None
        assert transport.get_extra_info("subprocess").pid == proc.pid
        assert transport.get_extra_info("nothing", 7) == 7
        assert transport.get_pipe_transport(0) is proc.stdin.transport
        assert transport.get_pipe_transport(1) is not None
        assert transport.get_pipe_transport(2) is None
        assert transport.is_closing() is False
        await finish(proc)
        assert transport.get_returncode() == 0
        await until(transport.is_closing)

    aio.run(main)


@pytest.mark.differs("uvloop", "closes later")
def test_closing_the_transport_kills_the_child_and_ends_its_streams(aio):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes)
        proc._transport.close()
        proc._transport.close()
        assert proc._transport.is_closing()
        assert await proc.wait() == -signal.SIGKILL
        assert await proc.stdout.read() == b"" == await proc.stderr.read()
        assert proc.stdin.is_closing()

    aio.run(main)


def test_closing_the_transport_after_the_end_is_no_harm(aio):
    async def main():
        proc = await exit_with(aio, 2, stdout=aio.PIPE)
        await finish(proc)
        proc._transport.close()
        assert proc.returncode == 2

    aio.run(main)


# Neighbours


def test_children_of_popen_and_asyncio_beside_ours(aio):
    import subprocess

    async def main():
        popens = [subprocess.Popen(["/bin/sh", "-c", f"exit {n}"]) for n in range(3)]
        ours = [await exit_with(aio, n) for n in range(3)]
        theirs = [
            await asyncio.create_subprocess_exec("/bin/sh", "-c", f"exit {n}") for n in range(3)
        ]
        for procs in ours, theirs:
            assert [await proc.wait() for proc in procs] == [0, 1, 2]
        assert [popen.wait() for popen in popens] == [0, 1, 2]

    aio.run(main)


def test_loop_after_loop(aio):
    for n in range(5):
        assert aio.run(shell_output(aio, f"echo {n}")) == b"%d\n" % n


def test_many_loops_at_once_leave_nothing_in_a_table(aio):
    def references():
        gc.collect()
        return sum(type(o) is weakref.ref and o() is None for o in gc.get_objects())

    def use_loops():
        loops = [aio.new_loop() for _ in range(30)]
        for loop in loops:
            assert loop.run_until_complete(shell_output(aio, "echo x")) == b"x\n"
        for loop in loops:
            loop.close()

    use_loops()
    before = references()
    use_loops()
    kept = [aio.new_loop() for _ in range(30)]  # so that others have other addresses
    use_loops()
    assert references() < before + 15
    for loop in kept:
        loop.close()


def test_loop_at_the_address_of_another_whose_child_is_kept(aio):
    kept, addresses = [], set()

    async def main():
        proc = await exit_with(aio, 3)
        assert await proc.wait() == 3
        await iterate(3)
        return proc

    for _ in range(10):
        loop = aio.new_loop()
        been_there = id(loop) in addresses
        addresses.add(id(loop))
        kept.append(loop.run_until_complete(main()))
        loop.close()
        del loop
        gc.collect()
        if been_there:
            break


def test_burst_after_burst(aio):
    async def main():
        for _ in range(3):
            procs = await asyncio.gather(*(exit_with(aio, n) for n in range(20)))
            assert await asyncio.gather(*(proc.wait() for proc in procs)) == [*range(20)]

    aio.run(main)


def test_kill_and_wait_in_a_row(aio):
    async def main():
        for _ in range(20):
            proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
            await kill_and_wait(proc)
            assert proc.returncode == -signal.SIGKILL
        assert not children()

    aio.run(main)


def test_pids_are_of_our_own_children(aio):
    async def main():
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", "echo $$ $PPID", stdout=aio.PIPE)
        out, _ = await proc.communicate()
        assert list(map(int, out.split())) == [proc.pid, os.getpid()]

    aio.run(main)


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


def test_loop_in_debug_mode(aio):
    async def main():
        asyncio.get_running_loop().set_debug(True)
        asyncio.get_running_loop().slow_callback_duration = 10
        proc = await aio.create_subprocess_exec("cat", **PIPES)
        assert await proc.communicate(b"debugged") == (b"debugged", b"")
        with pytest.raises(FileNotFoundError):
            await aio.create_subprocess_exec("/nowhere")

    aio.run(main)


@pytest.mark.may_warn("ResourceWarning: (unclosed|subprocess)")
@pytest.mark.differs("uvloop", "keeps them")
def test_cycles_through_process_streams_and_callbacks_are_collected(aio):
    async def life():
        proc = await aio.create_subprocess_exec("cat", **PIPES)
        loop = asyncio.get_running_loop()
        proc.stdout.cycle = proc.stdin.cycle = [proc, proc.stdin, proc.stdout, proc.stderr, loop]
        waiting = asyncio.ensure_future(proc.wait())
        waiting.add_done_callback(lambda task, proc=proc: None)
        reading = asyncio.ensure_future(proc.stdout.read())
        proc.stdout.tasks = [waiting, reading]
        proc.stdin.close()
        await asyncio.wait([waiting, reading])
        await finish(proc)
        return [weakref.ref(x) for x in (proc.stdout, proc.stdin, waiting)]

    async def main():
        refs = await life()
        await iterate(5)
        gc.collect()
        assert [ref() for ref in refs] == [None] * len(refs)

    aio.run(main)
