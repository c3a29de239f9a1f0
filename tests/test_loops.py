"""Loops that are not as asyncio and uvloop make them, and asyncio patched at run time.

On those two loops a task that a child wakes goes on inside the loop's call of the hub. A loop that is run
again inside a task, or found by the context of who asks, does not bear that: there the loop calls the
task. What is patched, is patched in a process of its own.
"""

import asyncio
import contextvars
import gc
import importlib.util
import os
import sys
import textwrap
import time
import weakref

import pytest
from support import (
    LINUX,
    Holdings,
    busy_pollers,
    children,
    finish,
    iterate,
    output_of,
    running,
    trace,
    until,
    uvloop,
)

HELPERS = """
import contextvars
from asyncio import events

def only(coro):
    with asyncio.Runner(debug=False, loop_factory=aio.new_loop) as runner:
        return runner.run(asyncio.wait_for(coro, 20))

async def output(*args):
    proc = await aio.create_subprocess_exec(*(args or ("echo", "hi")), stdout=-1)
    return (await proc.communicate())[0]

def by_the_hub():
    "Whether this task was called from inside the loop's call of the hub (on the stdlib's loop)."
    frame = sys._getframe()
    while frame.f_code.co_name != "_run" or "self" not in frame.f_locals:
        frame = frame.f_back
    return repr(frame.f_locals["self"]._callback) == "<_fastproc hub>"

async def woken_by_the_hub():
    proc = await aio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    starting = by_the_hub()
    proc.stdin.write(b"line\\n")
    assert await proc.stdout.readline() == b"line\\n"
    reading = by_the_hub()
    proc.stdin.close()
    assert await proc.wait() == 0
    waiting = by_the_hub()
    assert starting is reading is waiting
    return waiting
"""


def script(aio, source, *args):
    return aio.script(HELPERS + textwrap.dedent(source), *args).stdout.decode()


only_fastproc = pytest.mark.differs("asyncio", "has nothing to look into")
only_here = pytest.mark.meaningless("looks inside", when=lambda aio: repr(aio) != "fastproc-stdlib")


# ---- a loop that is run again inside a task ----


@pytest.fixture
def nest(aio):
    """What makes a loop run again inside a task; only the stdlib's can be made to."""
    if importlib.util.find_spec("nest_asyncio") is None:
        pytest.skip("needs nest_asyncio")
    if aio.on_uvloop:
        pytest.skip("uvloop cannot be patched")
    return "import warnings; warnings.simplefilter('ignore'); import nest_asyncio as nest\n"


@pytest.mark.parametrize("when", ["before", "inside", "after a child"])
def test_nested_run_inside_a_task_that_a_child_woke(aio, nest, when):
    source = """
    async def main():
        if when == "inside":
            nest.apply()
        assert await output() == b"hi\\n"
        if when == "after a child":
            nest.apply()
            assert await output() == b"hi\\n"
        loop = asyncio.get_running_loop()
        for depth in range(3):
            assert loop.run_until_complete(output()) == b"hi\\n"
            assert await output() == b"hi\\n"
        return loop.run_until_complete(deeper(3))

    async def deeper(depth):
        found = await output("seq", str(depth))
        return found + (asyncio.get_running_loop().run_until_complete(deeper(depth - 1))
                        if depth else b"")

    when = sys.argv[1]
    if when == "before":
        loop = aio.new_loop()
        asyncio.set_event_loop(loop)
        nest.apply(loop)
        found = loop.run_until_complete(main())
        loop.close()
    else:
        with asyncio.Runner(loop_factory=aio.new_loop) as runner:
            found = runner.run(main())
    assert found == b"1\\n2\\n3\\n" b"1\\n2\\n" b"1\\n", found
    print("done")
    """
    assert script(aio, nest + textwrap.dedent(source), when) == "done\n"


def test_nested_runs_of_several_tasks_that_are_woken_at_once(aio, nest):
    """Each runs the loop until another's child has ended, with much output, and nobody is forgotten."""
    source = """
    async def one(number):
        size = len(await output("head", "-c", "200000", "/dev/zero"))
        loop = asyncio.get_running_loop()
        size += len(loop.run_until_complete(output("head", "-c", "300000", "/dev/zero")))
        proc = await aio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        nested = loop.run_until_complete(proc.communicate(b"x" * 500_000))
        assert proc.returncode == 0
        return size + len(nested[0])

    async def main():
        nest.apply()
        return await asyncio.gather(*map(one, range(8)))

    with asyncio.Runner(loop_factory=aio.new_loop) as runner:
        assert runner.run(main()) == [1_000_000] * 8
    print("done")
    """
    assert script(aio, nest + textwrap.dedent(source)) == "done\n"


def test_nested_run_inside_a_callback_of_the_protocol(aio, nest):
    source = """
    heard = []

    class Protocol(asyncio.SubprocessProtocol):
        def pipe_data_received(self, fd, data):
            loop = asyncio.get_running_loop()
            heard.append((data, loop.run_until_complete(output())))
            ended.set_result(None)

    async def main():
        global ended
        nest.apply()
        ended = asyncio.get_running_loop().create_future()
        transport, _ = await aio.subprocess_exec(Protocol, "echo", "data", stdin=None)
        await ended
        transport.close()

    with asyncio.Runner(loop_factory=aio.new_loop) as runner:
        runner.run(main())
    assert heard == [(b"data\\n", b"hi\\n")], heard
    print("done")
    """
    assert script(aio, nest + textwrap.dedent(source)) == "done\n"


@pytest.mark.parametrize("others", [0, 3])
@pytest.mark.not_on("uvloop", "uvloop has no such method")
def test_loop_that_a_task_turns_by_hand(aio, others):
    """Unpatched; asyncio's tasks only want to know who runs."""

    async def turn_until_done(future):
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        asyncio.tasks._leave_task(loop, me)
        try:
            while not future.done():
                loop._run_once()
        finally:
            asyncio.tasks._enter_task(loop, me)
            for _ in range(100):  # the turn that this one is in has counted what was ready then
                loop.call_soon(int)
        return future.result()

    async def turning():
        assert await output_of(aio, "echo", "first") == b"first\n"
        inner = asyncio.ensure_future(output_of(aio, "echo", "second"))
        return await turn_until_done(inner)

    async def main():
        tasks = [output_of(aio, "echo", "second") for _ in range(others)]
        assert await asyncio.gather(turning(), *tasks) == [b"second\n"] * (others + 1)

    aio.run(main)


# ---- a loop that is found by the context of who asks ----

FOUND_BY_CONTEXT = """
    current = contextvars.ContextVar("current", default=None)

    def find():
        loop = current.get()
        if loop is None:
            raise RuntimeError("no running event loop")
        return loop

    class Loop(asyncio.SelectorEventLoop):
        def run_forever(self):
            token = current.set(self)
            try:
                super().run_forever()
            finally:
                current.reset(token)

        def add_reader(self, fd, callback, *args):
            assert current.get() is self
            return super().add_reader(fd, callback, *args)

    def find_by_context():
        events.get_running_loop = asyncio.get_running_loop = find

    aio.new_loop = lambda: Loop() if subclass else asyncio.SelectorEventLoop()
    subclass = sys.argv[1] == "subclass"
"""


@pytest.mark.parametrize("kind", ["subclass", "plain"])
@pytest.mark.not_on("uvloop", "is the same")
def test_loop_that_is_found_by_context(aio, kind):
    """As trio-asyncio's is. On another the patch alone is seen."""
    if sys.version_info < (3, 12):
        pytest.skip("asyncio of 3.11 itself looks for the loop elsewhere")
    source = """
    heard = []

    class Protocol(asyncio.SubprocessProtocol):
        def connection_made(self, transport):
            heard.append(asyncio.get_running_loop())
        def pipe_data_received(self, fd, data):
            heard.append(asyncio.get_running_loop())
        def process_exited(self):
            heard.append(asyncio.get_running_loop())
            raise ZeroDivisionError
        def connection_lost(self, exc):
            heard.append(asyncio.get_running_loop())
            ended.set_result(None)

    def handle(loop, context):
        heard.append(asyncio.get_running_loop())

    async def main():
        global ended
        loop = events._get_running_loop()
        current.set(loop)
        find_by_context()
        loop.set_exception_handler(handle)
        for _ in range(2):
            proc = await aio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            assert asyncio.get_running_loop() is loop
            proc.stdin.write(b"line\\n")
            await proc.stdout.readline()
            assert asyncio.get_running_loop() is loop
            proc.stdin.close()
            await proc.wait()
            assert asyncio.get_running_loop() is loop
            ended = loop.create_future()
            if aio.is_fastproc:
                await aio.subprocess_exec(Protocol, "echo", "data", stdin=None)
            else:
                await loop.subprocess_exec(Protocol, "echo", "data", stdin=None)
            await ended
            await asyncio.sleep(0.01)
        assert heard == [loop] * 10, heard
        print("done")

    events_found = events.get_running_loop, asyncio.get_running_loop
    with asyncio.Runner(loop_factory=aio.new_loop) as runner:
        try:
            runner.run(main())
        finally:
            events.get_running_loop, asyncio.get_running_loop = events_found
    """
    assert script(aio, textwrap.dedent(FOUND_BY_CONTEXT + source), kind) == "done\n"


@pytest.mark.differs("uvloop", "makes no difference")
def test_other_loop_does_not_keep_the_context_of_the_first_child_for_long(aio):
    class Loop(uvloop.Loop if aio.on_uvloop else asyncio.SelectorEventLoop):
        pass

    class Value:
        pass

    aio.new_loop = Loop
    variable = contextvars.ContextVar("variable")

    async def main():
        value = Value()
        seen = weakref.ref(value)

        async def child(value):
            variable.set(value)
            del value
            await output_of(aio, "echo")

        task = asyncio.create_task(child(value))
        del value
        await task
        del task
        await until(lambda: not children())
        await iterate(5)
        gc.collect()
        assert seen() is None

    aio.run(main)


# ---- who calls ----

PATCHES = {
    "nothing": ("", True),
    "installed": ("import _fastproc; _fastproc.install()", True),
    "a method of the class that runs nothing": (
        "Loop.getaddrinfo = lambda *args: None",
        True,
    ),
    "call_soon of the class": (
        "soon = Loop.call_soon\nLoop.call_soon = lambda *args, **kwds: soon(*args, **kwds)",
        False,
    ),
    "call_soon of a base": (
        "soon = asyncio.BaseEventLoop.call_soon\n"
        "asyncio.BaseEventLoop.call_soon = lambda *args, **kwds: soon(*args, **kwds)",
        False,
    ),
    "what turns the class": (
        "once = Loop._run_once\nLoop._run_once = lambda self: once(self)",
        False,
    ),
    "a method of the loop itself": (
        "soon = loop.call_soon\nloop.call_soon = lambda *args, **kwds: soon(*args, **kwds)",
        False,
    ),
    "another attribute of the loop": ("loop.name = 'mine'", True),
    "debug mode": ("loop.set_debug(True)", False),
    "debug mode and back": ("loop.set_debug(True); loop.set_debug(False)", True),
    "what calls": (
        "run = asyncio.Handle._run\nasyncio.Handle._run = lambda self: run(self)",
        False,
    ),
    "what finds the loop": (
        "found = events.get_running_loop\nevents.get_running_loop = lambda: found()",
        False,
    ),
    "tasks": ("asyncio.tasks.Task = asyncio.Task = asyncio.tasks._PyTask", False),
}


@pytest.mark.parametrize("patch", PATCHES)
@pytest.mark.parametrize("when", ["before", "after a child"])
@only_here
def test_shortcut_is_taken_while_nobody_has_patched_what_runs_the_loop(aio, patch, when):
    lines, taken = PATCHES[patch]
    source = f"""
Loop = asyncio.SelectorEventLoop

async def main():
    global loop
    loop = asyncio.get_running_loop()
    if {when == "after a child"}:
        assert await asyncio.create_task(woken_by_the_hub())
    exec({lines!r}, globals())
    for _ in range(2):
        assert await asyncio.create_task(woken_by_the_hub()) is {taken}
    loop.set_debug(False)

only(main())
print("done")
"""
    assert script(aio, source) == "done\n"


@only_here
def test_shortcut_is_taken_again_when_the_patch_has_gone(aio):
    source = """
    Loop = asyncio.SelectorEventLoop
    once = asyncio.BaseEventLoop._run_once

    async def main():
        for _ in range(3):
            Loop._run_once = lambda self: once(self)
            assert not await asyncio.create_task(woken_by_the_hub())
            del Loop._run_once
            assert await asyncio.create_task(woken_by_the_hub())
            asyncio.get_running_loop().set_debug(True)
            assert not await asyncio.create_task(woken_by_the_hub())
            asyncio.get_running_loop().set_debug(False)

    only(main())
    print("done")
    """
    assert script(aio, source) == "done\n"


@only_here
def test_shortcut_is_not_taken_on_a_subclass(aio):
    source = """
    class Loop(asyncio.SelectorEventLoop):
        pass

    aio.new_loop = Loop
    assert not only(woken_by_the_hub())
    aio.new_loop = asyncio.SelectorEventLoop
    assert only(woken_by_the_hub())
    print("done")
    """
    assert script(aio, source) == "done\n"


# ---- what only passes on to a loop ----


@pytest.mark.parametrize("weak", [True, False])
@pytest.mark.parametrize("how", ["running", "found"])
def test_object_that_passes_everything_on_to_a_loop(aio, how, weak):
    """Tasks and futures are of the loop behind it."""
    if how == "running" and sys.version_info >= (3, 14):
        pytest.skip("a task of 3.14 compares the running loop with its own")

    class Proxy:
        __slots__ = ("loop", "__weakref__") if weak else ("loop",)

        def __init__(self, loop):
            self.loop = loop

        def __getattr__(self, name):
            return getattr(self.loop, name)

    async def main():
        loop = asyncio.get_running_loop()
        found = asyncio.events.get_running_loop
        if how == "running":
            asyncio.events._set_running_loop(Proxy(loop))
        else:
            asyncio.events.get_running_loop = lambda: Proxy(loop)
        try:
            for _ in range(3):
                assert await output_of(aio, "echo", "hi") == b"hi\n"
        finally:
            asyncio.events.get_running_loop = found
            asyncio.events._set_running_loop(loop)
        async with running(aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE) as proc:
            proc.stdin.write(b"line\n")
            assert await proc.stdout.readline() == b"line\n"

    aio.run(main)


# ---- what is replaced after the import ----


@pytest.mark.parametrize("name", ["get_running_loop", "get_event_loop"])
@pytest.mark.differs(
    "asyncio",
    "calls an inner function",
    when=lambda name: name == "get_event_loop" and sys.version_info < (3, 12),
)
def test_functions_that_find_the_loop_are_looked_up_when_they_are_needed(aio, name, monkeypatch):
    found = getattr(asyncio.events, name)
    asked = []

    def find():
        asked.append(name)
        return found()

    async def main():
        monkeypatch.setattr(asyncio.events, name, find)
        if name == "get_event_loop":
            aio.StreamReader()
        else:
            await output_of(aio, "echo")
        monkeypatch.undo()
        assert asked

    aio.run(main)


def test_function_that_is_missing_is_an_error(aio, monkeypatch):
    async def main():
        monkeypatch.delattr(asyncio.events, "get_running_loop")
        with pytest.raises(AttributeError, match="get_running_loop"):
            await aio.create_subprocess_exec("true")
        monkeypatch.undo()

    aio.run(main)


@pytest.mark.differs("asyncio", "may know the status by its pid")
def test_lost_status_is_told_to_the_logger_of_now(aio, monkeypatch):
    told = []

    class Logger:
        def warning(self, message, *args):
            told.append(message % args)

    async def main():
        aio.core.configure(reap="pidfd")
        proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE)
        monkeypatch.setattr(asyncio.unix_events, "logger", Logger())
        proc.kill()
        os.waitpid(proc.pid, 0)
        assert await proc.wait() == 255
        monkeypatch.undo()
        assert told == [f"Unknown child process pid {proc.pid}, will report returncode 255"]

    aio.run(main)


def test_python_tasks_and_futures_wait_for_children(aio):
    """As nest_asyncio and tests of asyncio put them in place, before or after the import."""
    if sys.version_info >= (3, 14):
        pytest.skip("asyncio of 3.14 itself does not find such a task as the current one")
    source = """
    def put_in_place():
        asyncio.Task = asyncio.tasks.Task = asyncio.tasks._PyTask
        asyncio.Future = asyncio.futures.Future = asyncio.futures._PyFuture

    async def main():
        assert await output() == b"hi\\n"
        put_in_place()
        assert await asyncio.gather(*[output() for _ in range(3)]) == [b"hi\\n"] * 3
        assert await asyncio.wait_for(output(), 10) == b"hi\\n"

    if sys.argv[1] == "before":
        for name in [name for name in sys.modules if name.startswith("_fastproc")]:
            del sys.modules[name]
        put_in_place()
        aio = Aio(aio.name, aio.loop_name)
    only(main())
    print("done")
    """
    for when in ("before", "after"):
        assert script(aio, source, when) == "done\n"


# ---- what is ready, and comes to nothing ----


@pytest.mark.skipif(not LINUX, reason="has another ptrace()")
@pytest.mark.every_path
@pytest.mark.telling_paths("thread")
@pytest.mark.parametrize("how", ["plain", "closed meanwhile"])
@pytest.mark.differs("asyncio", "blocks the loop in waitpid() until then")
def test_dead_child_that_a_tracer_keeps_does_not_occupy_the_loop(aio, how):
    """Its status comes when the tracer lets go; the others are served all the time."""

    async def main():
        proc = await aio.create_subprocess_exec("sleep", "60", stdin=aio.PIPE)
        tracer = await trace(aio, proc)
        proc.kill()
        await until(lambda: children().get(proc.pid) == "Z")
        for _ in range(5):
            assert await output_of(aio, "echo", "served") == b"served\n"
        if how == "plain":
            await asyncio.sleep(0.2)
            busy = 0
            for _ in range(20):
                await asyncio.sleep(0.005)
                busy += bool(busy_pollers())
            assert busy < 15
        else:
            proc.stdin.close()
            proc._transport.close()
        assert proc.returncode is None
        tracer.stdin.close()
        assert await tracer.wait() == 0
        assert await asyncio.wait_for(proc.wait(), 5) == -9
        await finish(tracer)

    aio.run(main)


REFUSE_READ_OF = """
import ctypes, struct

def refuse_read_of(fd):
    "From now on read() of that descriptor fails with EAGAIN, in this process."
    load, equal, give = 0x20, 0x15, 0x06
    program = [(load, 0, 0, 0), (equal, 0, 3, 0), (load, 0, 0, 16), (equal, 0, 1, fd)]
    program += [(give, 0, 0, 0x00050000 | 11), (give, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    filter = struct.pack("HP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
"""


@pytest.mark.skipif(not (LINUX and os.uname().machine == "x86_64"), reason="a number of x86-64's")
@only_fastproc
def test_pipe_that_is_ready_and_cannot_be_read_does_not_occupy_the_loop(aio):
    """By a filter, in a process of its own: read() of one descriptor says EAGAIN for ever."""
    source = """
    import time

    async def main():
        proc = await aio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        other = await aio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        fd = proc._transport.get_pipe_transport(1).get_extra_info("pipe").fileno()
        refuse_read_of(fd)
        proc.stdin.write(b"line\\n")
        before = time.process_time()
        deadline = asyncio.get_running_loop().time() + 0.6
        while asyncio.get_running_loop().time() < deadline:
            other.stdin.write(b"line\\n")
            assert await other.stdout.readline() == b"line\\n"
            await asyncio.sleep(0.05)
        assert time.process_time() - before < 0.3
        reading = asyncio.ensure_future(proc.stdout.readline())
        await asyncio.sleep(0.05)
        assert not reading.done()
        reading.cancel()
        proc._transport.close()
        other.stdin.close()
        await other.communicate()
        await proc.wait()
        print("done")

    only(main())
    """
    assert script(aio, REFUSE_READ_OF + textwrap.dedent(source)) == "done\n"


# A task and three others, which wait for children that end together.
WOKEN_TOGETHER = """
async def inner(proc):
    return await proc.wait()

async def main():
    hold, release = os.pipe()
    procs = [await aio.create_subprocess_exec("cat", stdin=hold) for _ in range(3)]
    os.close(hold)
    others = []
    task = asyncio.ensure_future(outer(procs[0], others))
    await iterate(1)
    others += [asyncio.ensure_future(inner(proc)) for proc in procs]
    await iterate(1)
    os.close(release)
    until_blocking(lambda: all(exited(proc.pid) for proc in procs))
    return await task
"""


@pytest.mark.not_on("uvloop", "its loop cannot be run so")
def test_task_that_runs_the_loop_itself_while_others_have_been_woken(aio):
    """As nest_asyncio has it: the result of one of those can be had inside."""
    source = """
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

    asyncio._set_running_loop(loop)
    signal.alarm(20)
    assert run(main()) == [0, 0, 0]
    asyncio._set_running_loop(None)
    loop.run_until_complete(iterate(3))
    loop.close()
    """
    aio.script(WOKEN_TOGETHER + textwrap.dedent(source))


@pytest.mark.not_on("uvloop", "its turns cannot be taken so")
def test_task_that_takes_turns_of_the_loop_by_hand_while_others_have_been_woken(aio):
    """With nothing patched, as greenlets and trampolines do it: a task is left and entered again."""
    source = """
    async def outer(proc, others):
        await proc.wait()
        loop, itself = asyncio.get_running_loop(), asyncio.current_task()
        asyncio.tasks._leave_task(loop, itself)
        while not all(other.done() for other in others):
            loop._run_once()
        asyncio.tasks._enter_task(loop, itself)
        for _ in range(30):  # the turn under way has counted what was taken out of it
            loop.call_soon(int)
        return [other.result() for other in others]

    signal.alarm(20)
    assert aio.run(main) == [0, 0, 0]
    """
    aio.script(WOKEN_TOGETHER + textwrap.dedent(source))


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
