"""What the functions return behaves like a coroutine, everywhere a coroutine is accepted."""

import asyncio
import collections.abc
import contextlib
import contextvars
import copy
import gc
import inspect
import io
import os
import pickle
import signal
import sys
import threading
import types
import weakref
from unittest import mock

import pytest
from support import children, driven, finish, iterate, output_of, running, until

pytestmark = pytest.mark.one_loop("how a coroutine is used is no matter of the loop")


METHODS = [
    "wait",
    "communicate",
    "read",
    "readline",
    "readexactly",
    "readuntil",
    "__anext__",
    "drain",
    "wait_closed",
]
ARGUMENTS = {"read": (5,), "readexactly": (5,)}


def echo(aio, text="hello", **kwds):
    return aio.create_subprocess_exec("echo", text, stdin=aio.PIPE, stdout=aio.PIPE, **kwds)


def call(proc, method):
    """proc.wait(), proc.stdout.readline(), ... not yet awaited."""
    for owner in proc, proc.stdout, proc.stdin:
        if hasattr(owner, method):
            return getattr(owner, method)(*ARGUMENTS.get(method, ()))
    raise AssertionError(method)


def with_cat(aio, use):
    """Run use(proc) on a live, silent child."""

    async def main():
        async with running(aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE) as proc:
            return await use(proc)

    return aio.run(main)


# The protocol


@pytest.mark.parametrize("method", METHODS)
def test_result_is_awaitable_and_a_coroutine(aio, method):
    async def use(proc):
        coro = call(proc, method)
        assert inspect.isawaitable(coro)
        assert asyncio.iscoroutine(coro)
        assert isinstance(coro, collections.abc.Coroutine)
        for name in ("send", "throw", "close", "__await__"):
            assert callable(getattr(coro, name))
        coro.close()

    with_cat(aio, use)


def test_creating_gives_a_coroutine_too(aio):
    async def main():
        for coro in aio.create_subprocess_exec("true"), aio.create_subprocess_shell("true"):
            assert inspect.isawaitable(coro) and asyncio.iscoroutine(coro)
            coro.close()
        assert not children()

    aio.run(main)


def test_inspect_takes_the_functions_for_coroutine_functions(aio):
    asked = [
        (aio, "create_subprocess_exec create_subprocess_shell"),
        (aio.Process, "wait communicate"),
        (aio.StreamReader, "read readline readexactly readuntil"),
        (aio.StreamWriter, "drain wait_closed"),
    ]
    for owner, names in asked:
        for name in names.split():
            assert inspect.iscoroutinefunction(getattr(owner, name)), name
    assert not inspect.iscoroutinefunction(aio.Process.kill)

    async def use(proc):
        for bound in (proc.wait, proc.stdout.readline, proc.stdin.drain):
            assert inspect.iscoroutinefunction(bound)
            assert bound.__self__ in (proc, proc.stdout, proc.stdin)
        assert not inspect.iscoroutinefunction(proc.stdin.write)
        with pytest.raises(TypeError):
            aio.Process.wait()
        if aio.is_fastproc:
            with pytest.raises(TypeError, match="doesn't apply to"):
                aio.Process.wait(proc.stdout)

    with_cat(aio, use)


def test_mocks_of_them_are_awaitable_where_they_have_to_be(aio):
    process = mock.create_autospec(aio.Process)
    for name in ("wait", "communicate"):
        assert isinstance(getattr(process, name), mock.AsyncMock)
    assert not isinstance(process.kill, mock.AsyncMock)


def test_the_functions_are_functions_to_whoever_copies_or_inspects(aio):
    for function in (
        aio.create_subprocess_exec,
        aio.Process.wait,
        aio.StreamReader.read,
        aio.StreamWriter.drain,
    ):
        assert inspect.isfunction(function) and inspect.getfile(function)
        assert copy.copy(function) is function and copy.deepcopy(function) is function
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(function, protocol)) is function
        assert weakref.ref(function)() is function
        assert function.__closure__ is None and isinstance(function.__globals__, dict)
        function.mark = "mine"
        assert vars(function)["mark"] == "mine"
        del function.mark
        assert inspect.isfunction(mock.create_autospec(function))
        if sys.version_info >= (3, 13):  # before, of no function
            assert inspect.iscoroutinefunction(mock.create_autospec(function))


def test_mocks_with_their_signatures_refuse_wrong_calls(aio):
    process = mock.create_autospec(aio.Process, instance=True)
    process.communicate.return_value = (b"canned", None)

    async def main():
        assert await process.communicate(b"input") == (b"canned", None)
        with pytest.raises(TypeError):
            process.communicate(b"input", b"more")
        with pytest.raises(TypeError):
            process.wait(1)

    aio.run(main)


def test_removing_the_first_callback_of_what_is_waited_on_keeps_the_others(aio):
    async def use(proc):
        coro = proc.wait()
        future = coro.send(None)
        heard = []
        for callback in print, heard.append:
            future.add_done_callback(callback)
        assert future.remove_done_callback(print) == 1
        os.kill(proc.pid, signal.SIGKILL)
        await until(lambda: heard)
        assert heard == [future]
        coro.close()

    with_cat(aio, use)


def test_what_is_waited_on_calls_back_after_a_call_of_ones_own(aio):
    async def use(proc):
        coro = proc.stdout.read(1)
        future = coro.send(None)
        heard = []
        future.add_done_callback(heard.append)
        await iterate(2)  # out of whatever woke this task
        proc.stdout.feed_data(b"x")
        await iterate(2)
        assert heard == [future]
        coro.close()

    with_cat(aio, use)


def test_tuple_that_send_returns_is_whole(aio):
    """Though an exception made with a tuple has its items for arguments."""

    async def main():
        proc = await aio.create_subprocess_exec("echo", "x", stdout=aio.PIPE)
        assert await driven(proc.communicate()) == (b"x\n", None)

    aio.run(main)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.may_warn("RuntimeWarning: coroutine .* was never awaited")
def test_result_is_no_iterable(aio, method):
    """A forgotten `await` is an error, and does nothing."""

    def unpack(coro):
        one, two = coro

    def take_from_a_generator(coro):
        def generator():
            yield from coro

        next(generator())

    async def use(proc):
        coro = call(proc, method)
        for abc in (collections.abc.Iterable, collections.abc.Iterator, collections.abc.Generator):
            assert not isinstance(coro, abc)
        assert not hasattr(coro, "__iter__") and not hasattr(coro, "__next__")
        for drive in (
            iter,
            list,
            next,
            unpack,
            "".join,
            lambda coro: [*coro],
            take_from_a_generator,
        ):
            with pytest.raises(TypeError):
                drive(coro)
        assert inspect.getcoroutinestate(coro) == inspect.CORO_CREATED
        coro.close()
        if method == "communicate":
            with pytest.raises(TypeError):
                out, err = proc.communicate(b"not written")
        await still_readable(proc)

    with_cat(aio, use)


@pytest.mark.parametrize("method", METHODS)
def test_only_what_its_await_method_gives_is_an_iterator(aio, method):
    async def use(proc):
        coro = call(proc, method)
        iterator = coro.__await__()
        assert isinstance(iterator, collections.abc.Iterator) and iter(iterator) is iterator
        iterator.close()
        with pytest.raises(RuntimeError):
            next(iterator)
        assert not hasattr(call_and_close(proc, method), "__next__")  # not the type of all

    with_cat(aio, use)


def call_and_close(proc, method):
    coro = call(proc, method)
    coro.close()
    return coro


def test_yield_from_in_a_generator_based_coroutine(aio):
    @types.coroutine
    def line_of(proc):
        return (yield from proc.stdout.readline())

    @types.coroutine
    def passed_on(proc):
        return proc.stdout.readline()

    class Line:
        def __init__(self, proc):
            self.proc = proc

        def __await__(self):
            return self.proc.stdout.readline().__await__()

    class Lines(Line):
        def __await__(self):
            return (yield from self.proc.stdout.readline().__await__())

    async def use(proc):
        for drive in (line_of, passed_on, Line, Lines):
            asyncio.get_running_loop().call_later(0.01, proc.stdin.write, b"one\ntwo\n")
            assert [await drive(proc) for _ in range(2)] == [b"one\n", b"two\n"]

    with_cat(aio, use)


def test_anext_with_a_default(aio):
    """Which awaits what it wraps anew for each step."""

    async def use(proc):
        soon = asyncio.get_running_loop().call_later
        soon(0.01, proc.stdin.write, b"one\ntwo\n")
        assert await anext(proc.stdout, None) == b"one\n"
        assert await anext(aiter(proc.stdout), None) == b"two\n"
        waiting = asyncio.create_task(forever(anext(proc.stdout, None)))
        await iterate(3)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        driven_by_hand = anext(proc.stdout, None).__await__()
        assert not driven_by_hand.send(None).done()
        with pytest.raises(ZeroDivisionError):
            driven_by_hand.throw(ZeroDivisionError)
        soon(0.01, proc.stdin.close)
        assert await anext(proc.stdout, b"the default") == b"the default"
        with pytest.raises(StopAsyncIteration):
            await anext(proc.stdout)

    async def forever(awaitable):
        return await awaitable

    with_cat(aio, use)


def test_awaiting_a_step_of_an_iteration_that_is_being_awaited_is_refused(aio):
    async def use(proc):
        step = proc.stdout.__anext__()
        task = asyncio.create_task(step)
        await iterate(2)
        with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
            await step
        proc.stdin.write(b"line\n")
        assert await task == b"line\n"

    with_cat(aio, use)


# What looks at coroutines


@pytest.mark.parametrize("method", METHODS)
def test_result_says_that_it_is_a_coroutine(aio, method):
    async def use(proc):
        coro = call(proc, method)
        assert inspect.iscoroutine(coro) and isinstance(coro, types.CoroutineType)
        assert coro.__class__ is types.CoroutineType
        assert not [
            name
            for name in dir(types.CoroutineType)
            if name.startswith("cr_") and not hasattr(coro, name)
        ]
        assert isinstance(coro.cr_code, types.CodeType) and coro.cr_code is coro.cr_code
        assert coro.cr_code.co_flags & inspect.CO_COROUTINE
        assert coro.cr_code.co_qualname == coro.__qualname__
        assert coro.cr_frame.f_code is coro.cr_code and coro.cr_frame is coro.cr_frame
        assert coro.cr_await is None and coro.cr_origin is None
        assert weakref.ref(coro)() is coro
        coro.__name__ = coro.__qualname__ = "mine"
        assert (coro.__name__, coro.__qualname__) == ("mine", "mine") and " mine at" in repr(coro)
        with pytest.raises(TypeError, match="__name__ must be set to a string object"):
            coro.__name__ = None
        coro.close()
        assert coro.cr_frame is None and inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED

    with_cat(aio, use)


def test_weak_reference_is_told_of_the_end(aio):
    async def use(proc):
        told = []
        for end in (lambda coro: coro.close(), lambda coro: coro.send(None)):
            coro = proc.stdout.read(0)
            ref = weakref.ref(coro, told.append)
            with contextlib.suppress(StopIteration):
                end(coro)
            assert ref() is coro
            del coro
            assert ref() is None and told.pop() is ref

    with_cat(aio, use)


@pytest.mark.parametrize("method", ["wait", "read", "readline"])
def test_states_and_stack_of_a_task_that_waits(aio, method):
    async def use(proc):
        coro = call(proc, method)
        frame = coro.cr_frame
        task = asyncio.create_task(coro)
        await iterate(2)
        await until(lambda: coro.cr_await is not None)
        assert inspect.getcoroutinestate(coro) == inspect.CORO_SUSPENDED
        assert task.get_stack() == [frame]
        text = io.StringIO()
        task.print_stack(file=text)
        assert f" in {method}\n" in text.getvalue()
        assert f"{coro.__qualname__}() running at " in repr(task)
        if hasattr(asyncio, "format_call_graph"):
            assert (
                f" in {'async ' * (not aio.is_fastproc)}{coro.__qualname__}()"
                in asyncio.format_call_graph(task)
            )
        task.cancel()
        await asyncio.wait([task])
        assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED
        assert task.get_stack() == []

    with_cat(aio, use)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
def test_eager_tasks(aio):
    async def use(proc):
        def begin():
            return asyncio.Task(
                proc.stdout.readline(), loop=asyncio.get_running_loop(), eager_start=True
            )

        first = begin()
        assert not first.done()
        proc.stdin.write(b"one\ntwo\n")
        assert await first == b"one\n"
        second = begin()
        assert second.done() and await second == b"two\n"

    with_cat(aio, use)


@pytest.mark.parametrize("method", METHODS)
def test_awaiting_twice_is_refused(aio, method):
    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        proc.stdin.write(b"hello\n")
        if method in ("wait", "communicate", "wait_closed"):
            proc.stdin.close()
        coro = call(proc, method)
        await coro
        with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
            await coro
        with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
            coro.send(None)
        await finish(proc)

    aio.run(main)


def test_awaiting_the_create_twice_is_refused(aio):
    async def main():
        coro = aio.create_subprocess_exec("true")
        proc = await coro
        with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
            await coro
        await proc.wait()

    aio.run(main)


@pytest.mark.parametrize("method", ["wait", "read", "readline"])
def test_awaiting_what_is_being_awaited_is_refused(aio, method):
    async def use(proc):
        coro = call(proc, method)
        task = asyncio.create_task(coro)
        await iterate(2)
        with pytest.raises(RuntimeError):
            await coro
        await iterate(2)
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    with_cat(aio, use)


def test_first_send_must_be_none(aio):
    async def use(proc):
        coro = proc.wait()
        with pytest.raises(TypeError):
            coro.send(1)
        coro.close()

    with_cat(aio, use)


@pytest.mark.parametrize("method", METHODS)
def test_throw_before_the_start_ends_it(aio, method):
    async def use(proc):
        coro = call(proc, method)
        with pytest.raises(ZeroDivisionError, match="mine"):
            coro.throw(ZeroDivisionError("mine"))
        with pytest.raises(RuntimeError):
            coro.send(None)

    with_cat(aio, use)


@pytest.mark.parametrize("method", ["wait", "communicate", "read", "readline", "readexactly"])
@pytest.mark.differs("asyncio", "its tasks read on", when=lambda method: method == "communicate")
def test_throw_while_it_waits_ends_it(aio, method):
    async def use(proc):
        coro = call(proc, method)
        future = coro.send(None)
        assert asyncio.isfuture(future) and not future.done()
        with pytest.raises(ZeroDivisionError, match="mine"):
            coro.throw(ZeroDivisionError("mine"))
        with pytest.raises(RuntimeError):
            coro.send(None)
        await iterate(2)
        await still_readable(proc, stdin_closed=method == "communicate")

    with_cat(aio, use)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.differs("asyncio", "its tasks read on", when=lambda method: method == "communicate")
def test_close_before_the_start_and_while_it_waits(aio, method):
    async def use(proc):
        call(proc, method).close()
        coro = call(proc, method)
        if method in ("drain", "wait_closed"):
            coro.close()
        else:
            coro.send(None)
            coro.close()
        coro.close()
        with pytest.raises(RuntimeError):
            coro.send(None)
        await still_readable(proc, stdin_closed=method == "communicate")

    with_cat(aio, use)


async def still_readable(proc, stdin_closed=False):
    if stdin_closed:
        assert await proc.communicate() == (b"", None)
    else:
        reading = asyncio.create_task(proc.stdout.read(5))
        proc.stdin.write(b"alive")
        assert await reading == b"alive"


def test_nothing_happens_before_the_first_step(aio, tmp_path):
    marker = tmp_path / "was-started"

    async def main():
        coro = aio.create_subprocess_exec("touch", str(marker))
        await iterate(5)
        assert not children() and not marker.exists()
        proc = await coro
        assert await proc.wait() == 0 and marker.exists()

    aio.run(main)


@pytest.mark.may_warn("RuntimeWarning: coroutine .* was never awaited")
@pytest.mark.differs("asyncio", "stdin stays open", when=sys.version_info < (3, 12))
def test_what_is_never_awaited_leaves_nothing(aio, tmp_path):
    marker = tmp_path / "was-started"

    async def main():
        aio.create_subprocess_exec("touch", str(marker), stdin=aio.PIPE)
        aio.create_subprocess_shell(f"touch {marker}", stdin=aio.PIPE)
        proc = await echo(aio)
        for method in METHODS:
            call(proc, method)
        gc.collect()
        await iterate(3)
        assert await proc.communicate() == (b"hello\n", None)

    aio.run(main)
    assert not marker.exists()


@pytest.mark.may_warn("RuntimeWarning: coroutine .* was never awaited")
def test_arguments_live_as_long_as_they_are_needed(aio):
    async def main():
        words = [str(i) * 50 for i in range(100)]
        coro = aio.create_subprocess_exec("echo", *words, stdout=aio.PIPE)
        expected = " ".join(words).encode() + b"\n"
        words.clear()
        gc.collect()
        proc = await coro
        del coro
        assert await proc.communicate() == (expected, None)

    aio.run(main)


# Everywhere a coroutine is accepted


def test_create_task(aio):
    async def main():
        proc = await asyncio.create_task(echo(aio), name="mine")
        reading = asyncio.create_task(proc.stdout.readline())
        waiting = asyncio.create_task(proc.wait())
        proc.stdin.close()
        assert repr(waiting) and str(waiting.get_coro())
        assert (await reading, await waiting) == (b"hello\n", 0)
        await iterate(3)

    aio.run(main)


def test_ensure_future_and_run_until_complete(aio):
    loop = aio.new_loop()
    try:
        proc = loop.run_until_complete(echo(aio))
        proc.stdin.close()
        assert loop.run_until_complete(proc.stdout.read()) == b"hello\n"
        assert loop.run_until_complete(asyncio.ensure_future(proc.wait(), loop=loop)) == 0
        loop.run_until_complete(iterate(3))
    finally:
        loop.close()


def test_runner_runs_it_directly(aio):
    with asyncio.Runner(loop_factory=aio.new_loop) as runner:
        proc = runner.run(aio.create_subprocess_exec("true"))
        assert runner.run(proc.wait()) == 0


@pytest.mark.parametrize("seconds", [20, None])
def test_wait_for_in_time(aio, seconds):
    async def main():
        proc = await asyncio.wait_for(echo(aio), seconds)
        assert await asyncio.wait_for(proc.stdout.readline(), seconds) == b"hello\n"
        proc.stdin.close()
        assert await asyncio.wait_for(proc.wait(), seconds) == 0
        await iterate(3)

    aio.run(main)


@pytest.mark.parametrize("seconds", [0, 0.01])
@pytest.mark.parametrize("method", ["wait", "read", "readline", "readexactly", "readuntil"])
def test_wait_for_too_long(aio, method, seconds):
    async def use(proc):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(proc, method), seconds)
        await still_readable(proc)

    with_cat(aio, use)


def test_timeout_context(aio):
    async def use(proc):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await proc.wait()
        assert proc.returncode is None

    with_cat(aio, use)


def test_gather(aio):
    async def main():
        procs = await asyncio.gather(*(echo(aio, str(n)) for n in range(10)))
        lines = await asyncio.gather(*(proc.stdout.readline() for proc in procs))
        assert lines == [b"%d\n" % n for n in range(10)]
        for proc in procs:
            proc.stdin.close()
        assert await asyncio.gather(*(proc.wait() for proc in procs)) == [0] * 10
        await iterate(3)

    aio.run(main)


def test_task_group(aio):
    async def main():
        async with asyncio.TaskGroup() as group:
            creating = [group.create_task(echo(aio, str(n))) for n in range(5)]
        procs = [task.result() for task in creating]
        for proc in procs:
            proc.stdin.close()
        async with asyncio.TaskGroup() as group:
            talks = [group.create_task(proc.communicate()) for proc in procs]
        assert [talk.result()[0] for talk in talks] == [b"%d\n" % n for n in range(5)]

    aio.run(main)


def test_task_group_cancels_what_waits_when_one_fails(aio):
    async def use(proc):
        async def fail():
            raise ZeroDivisionError

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(proc.wait()), group.create_task(proc.stdout.read())]
                group.create_task(fail())
        assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
        assert all(task.cancelled() for task in tasks)

    with_cat(aio, use)


def test_as_completed_and_wait(aio):
    async def main():
        procs = [await echo(aio) for _ in range(3)]
        for proc in procs:
            proc.stdin.close()
        assert [await done for done in asyncio.as_completed([p.wait() for p in procs])] == [0] * 3
        done, pending = await asyncio.wait([asyncio.ensure_future(p.wait()) for p in procs])
        assert (len(done), pending) == (3, set())
        for proc in procs:
            await finish(proc)

    aio.run(main)


def test_shield(aio):
    async def use(proc):
        inner = asyncio.ensure_future(proc.stdout.readline())
        outer = asyncio.ensure_future(asyncio.shield(inner))
        await iterate(2)
        outer.cancel()
        await asyncio.wait([outer])
        assert outer.cancelled() and not inner.done()
        proc.stdin.write(b"to the inner\n")
        assert await inner == b"to the inner\n"

    with_cat(aio, use)


def test_run_coroutine_threadsafe(aio):
    def in_thread(loop):
        def ask(coro):
            return asyncio.run_coroutine_threadsafe(coro, loop).result(20)

        proc = ask(echo(aio))
        loop.call_soon_threadsafe(proc.stdin.close)
        return ask(proc.stdout.readline()), ask(proc.stdout.read()), ask(proc.wait())

    async def main():
        result = await asyncio.to_thread(in_thread, asyncio.get_running_loop())
        assert result == (b"hello\n", b"", 0)
        await iterate(3)

    aio.run(main)


def test_in_a_loop_of_a_thread(aio):
    found = []

    async def main():
        found.append(await output_of(aio, "echo", "hello"))

    thread = threading.Thread(target=aio.run, args=[main])
    thread.start()
    thread.join()
    assert found == [b"hello\n"]


def test_context_variables_are_those_of_the_task(aio):
    name = contextvars.ContextVar("name")

    async def one(value):
        name.set(value)
        proc = await echo(aio, value)
        line = await proc.stdout.readline()
        assert name.get() == value
        proc.stdin.close()
        assert await proc.wait() == 0
        assert name.get() == value
        await finish(proc)
        return line.decode().strip()

    async def main():
        values = [f"task {n}" for n in range(5)]
        assert await asyncio.gather(*map(one, values)) == values

    aio.run(main)


def test_wrapped_in_a_coroutine_of_python(aio):
    async def level(n, coro):
        return await (level(n - 1, coro) if n else coro)

    async def main():
        proc = await level(5, echo(aio))
        assert await level(50, proc.stdout.readline()) == b"hello\n"
        await level(5, finish(proc))

    aio.run(main)


def test_wake_up_is_not_lost_between_steps(aio):
    """What arrives while the waiter's task is scheduled but has not run yet."""

    async def use(proc):
        for _ in range(50):
            reading = asyncio.create_task(proc.stdout.readexactly(4))
            proc.stdin.write(b"ab")
            await iterate(1)
            proc.stdin.write(b"cd")
            assert await reading == b"abcd"

    with_cat(aio, use)


def test_exit_between_the_call_and_the_await(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true")
        waiting = proc.wait()
        await until(lambda: proc.returncode is not None)
        assert await waiting == 0

    aio.run(main)


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
