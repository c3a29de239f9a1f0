"""Scenarios that are generated: every attribute of every type with bad input, every keyword of the
create calls, every awaitable in every state. Errors are expected, what they leave behind is not.
"""

import asyncio
import contextlib
import inspect
import os
import resource
import sys

from leaks import apis
from leaks.scenarios import (
    PIPES,
    SLEEP,
    Protocol,
    gone,
    hub_of,
    quiet,
    scenario,
    token,
)
from support import iterate

import _fastproc

# Bad input


class Raising:
    """Raises whatever is asked of it."""

    def __getattr__(self, name):
        raise ZeroDivisionError(name)

    def fail(self, *args):
        raise ZeroDivisionError

    __index__ = __int__ = __float__ = __bool__ = __len__ = __iter__ = __getitem__ = fail
    __call__ = __fspath__ = __buffer__ = __eq__ = __hash__ = __await__ = fail


class Nonsense:
    """Answers with things of a wrong type."""

    def answer(self, *args):
        return Ellipsis

    __index__ = __bool__ = __len__ = __iter__ = __fspath__ = __buffer__ = __hash__ = answer
    __getitem__ = __call__ = fileno = keys = pause_reading = resume_reading = answer


BAD = [None, True, -1, 2**100, 1.5, "text", "nul\0", b"bytes", (), [1], {"a": 1}, object()]
BAD += [Raising(), Nonsense()]
ARGUMENTS = [(), *((value,) for value in BAD), *((1, value) for value in BAD), (None,) * 20]


async def give_up(result):
    """What a call returned: one step of it if it can be stepped, then its end."""
    if hasattr(result, "close") and hasattr(result, "send"):
        with contextlib.suppress(Exception, asyncio.CancelledError, StopIteration):
            result.send(None)
        with contextlib.suppress(Exception):
            result.close()


async def end_of(created):
    """What a create call returned: a process, or a transport and its protocol."""
    transport = created[0] if isinstance(created, tuple) else created._transport
    transport.close()
    await transport._wait()


async def bad_calls(function):
    for args in ARGUMENTS:
        with contextlib.suppress(Exception):
            await give_up(function(*args))
    with contextlib.suppress(Exception):
        await give_up(function(no_such_keyword=1))


async def bad_values(owner, name):
    for value in BAD:
        with contextlib.suppress(Exception):
            setattr(owner, name, value)
    with contextlib.suppress(Exception):
        delattr(owner, name)


@contextlib.contextmanager
def swallowed():
    """Drops warnings and unraisable errors: they are what these scenarios provoke."""
    loop = asyncio.get_running_loop()
    hook, sys.unraisablehook = sys.unraisablehook, lambda args: None
    loop.set_exception_handler(lambda loop, context: None)
    try:
        with quiet():
            yield
    finally:
        sys.unraisablehook = hook
        loop.set_exception_handler(None)


# Where one has an object of each type from


def live_wakeup(transport):
    coro = transport._wait()
    wakeup = coro.send(None)
    coro.close()
    return wakeup


async def live_process():
    return await _fastproc.create_subprocess_exec(*SLEEP, **PIPES)


LIVE = {
    # One that was closed, because not every machine lets another be made.
    "Cgroup": lambda proc: _fastproc.Cgroup.__new__(_fastproc.Cgroup),
    "Awaitable": lambda proc: proc.wait(),
    "Awaited": lambda proc: proc.wait().__await__(),
    "CoroutineFunction": lambda proc: vars(_fastproc.Process)["wait"],
    "FlowControlView": lambda proc: proc.stdin._protocol,
    "Hub": lambda proc: hub_of(token()),
    "HubToken": lambda proc: token(),
    "PipeProtocol": lambda proc: proc._transport.get_pipe_transport(1).get_protocol(),
    "PopenView": lambda proc: proc._transport.get_extra_info("subprocess"),
    "Process": lambda proc: proc,
    "ReadPipeTransport": lambda proc: proc._transport.get_pipe_transport(1),
    "StreamReader": lambda proc: proc.stdout,
    "StreamWriter": lambda proc: proc.stdin,
    "SubprocessTransport": lambda proc: proc._transport,
    "Wakeup": lambda proc: live_wakeup(proc._transport),
    "WritePipeTransport": lambda proc: proc._transport.get_pipe_transport(0),
}


# They look into the standard library's loop.
STDLIB_ONLY = {"token_of_the_hub", "hub_that_is_called"} | {
    f"bad input to {name}.{attribute}"
    for name in ("Hub", "HubToken")
    for attribute in apis.attributes(apis.types()[name])
}
BEFORE = {"PopenView.wait": lambda proc: proc.kill()}  # or it blocks for ever


def sweep(type_name, attribute):
    async def bad_input():
        with swallowed():
            proc = await live_process()
            transport = proc._transport
            owner = LIVE[type_name](proc)
            BEFORE.get(f"{type_name}.{attribute}", id)(proc)
            value = None
            with contextlib.suppress(Exception):
                value = getattr(owner, attribute)
            if callable(value):
                await bad_calls(value)
            else:
                await bad_values(owner, attribute)
            await give_up(owner)
            del owner, value, proc
            await iterate(2)
            transport.close()
            await transport._wait()
            await gone()

    bad_input.__name__ = f"bad input to {type_name}.{attribute}"
    scenario(bad_input, f"bad:{type_name}.{attribute}")


# Called by hand while the loop has it, it closes what the loop goes on to watch; the other would leave
# a directory.
NOT_BY_HAND = {"HubToken.__del__", "Cgroup.__init__"}

for type_name, of in apis.types().items():
    for attribute in sorted(apis.attributes(of)):
        if f"{type_name}.{attribute}" not in NOT_BY_HAND:
            sweep(type_name, attribute)


def sweep_function(name):
    function = getattr(_fastproc, name, None) or getattr(_fastproc._core, name)
    kwds = {"stderr": _fastproc.DEVNULL} if "subprocess" in name else {}

    async def bad_input():
        gate = _fastproc._core.machine()["gate"]
        with swallowed():
            try:
                for args in ARGUMENTS:
                    with contextlib.suppress(Exception):
                        result = function(*args, **kwds)
                        if inspect.isawaitable(result):
                            await end_of(await result)
            finally:
                _fastproc.uninstall()
                _fastproc._core.configure(spawn="auto", reap="auto", gate=gate)
            await gone()

    bad_input.__name__ = f"bad input to {name}"
    scenario(bad_input, f"bad:{name}")


for name in sorted(apis.functions()):
    sweep_function(name)


# Keywords of the create calls: values that are good, beside those that are bad for most

GOOD = {
    "stdin": [None, -1, -3, -4],
    "stdout": [None, -1, -3, -4],
    "stderr": [None, -1, -2, -3, -4],
    "limit": [1, 1 << 20, None],
    "preexec_fn": [None, os.getpid],
    "close_fds": [True, False],
    "pass_fds": [(), (0, 1), [2]],
    "cwd": [None, "/", b"/"],
    "env": [None, {}, {"A": "b"}, {b"A": b"b"}],
    "executable": [None, "/bin/true", b"/bin/true"],
    "restore_signals": [True, False],
    "start_new_session": [False, True],
    "process_group": [None, 0],
    "user": [None, os.getuid(), "root"],
    "group": [None, os.getgid(), "root"],
    "extra_groups": [None, [], [os.getgid()], ["root"]],
    "umask": [-1, 0o22],
    "pipesize": [-1, 8192],
    "rlimits": [None, {}, {resource.RLIMIT_NOFILE: 64, resource.RLIMIT_CORE: (0, 0)}],
    "parent_death_signal": [None, 9],
    "cgroup": [None],  # one that there is has a scenario of its own
    "nice": [None, 5],
    "cpu_affinity": [None, os.sched_getaffinity(0)],
    "no_new_privileges": [False, True],
    "oom_score_adj": [None, 500],
    "ignore_signals": [None, (), {1, 13}],
    "default_signals": [None, (), {1, 13}],
    "terminal_size": [None],
    "terminal_raw": [False],
}


def sweep_keyword(keyword):
    async def keyword_with_any_value():
        creating = [
            lambda **kwds: _fastproc.create_subprocess_exec("/bin/true", **kwds),
            lambda **kwds: _fastproc.create_subprocess_shell("true", **kwds),
            lambda **kwds: _fastproc.subprocess_exec(Protocol, "/bin/true", **kwds),
        ]
        with swallowed():
            for value in GOOD[keyword]:
                await end_of(await creating[0](**{keyword: value}))
            for n, value in enumerate(BAD):
                with contextlib.suppress(Exception):
                    await end_of(await creating[n % 3](**{keyword: value}))
            await gone()

    keyword_with_any_value.__name__ = f"keyword {keyword}"
    scenario(keyword_with_any_value, f"keyword:{keyword}")


for keyword in GOOD:
    sweep_keyword(keyword)


# Awaitables in every state

AWAITABLES = {
    "Process.wait": lambda proc: proc.wait(),
    "Process.communicate": lambda proc: proc.communicate(b"input"),
    "StreamReader.read": lambda proc: proc.stdout.read(5),
    "StreamReader.readline": lambda proc: proc.stdout.readline(),
    "StreamReader.readexactly": lambda proc: proc.stdout.readexactly(5),
    "StreamReader.readuntil": lambda proc: proc.stdout.readuntil((b"ab", b"c")),
    "StreamReader.__anext__": lambda proc: proc.stdout.__anext__(),
    "StreamReader._next_line": lambda proc: proc.stdout._next_line(5, True),
    "Process._next_output": lambda proc: proc._next_output(5),
    "StreamWriter.drain": lambda proc: proc.stdin.drain(),
    "StreamWriter.wait_closed": lambda proc: proc.stdin.wait_closed(),
    "SubprocessTransport._wait": lambda proc: proc._transport._wait(),
    "create_subprocess_exec": lambda proc: _fastproc.create_subprocess_exec(*SLEEP, **PIPES),
    "create_subprocess_shell": lambda proc: _fastproc.create_subprocess_shell("exec sleep 1000"),
    "subprocess_exec": lambda proc: _fastproc.subprocess_exec(Protocol, *SLEEP),
    "subprocess_shell": lambda proc: _fastproc.subprocess_shell(Protocol, "exec sleep 1000"),
    "loop_subprocess_exec": lambda proc: _fastproc._core.loop_subprocess_exec(
        asyncio.get_running_loop(), Protocol, *SLEEP
    ),
    "loop_subprocess_shell": lambda proc: _fastproc._core.loop_subprocess_shell(
        asyncio.get_running_loop(), Protocol, "exec sleep 1000"
    ),
}
THROWN = [ValueError, asyncio.CancelledError, GeneratorExit, Raising, None]


def closed(coro):
    coro.close()


def dropped(coro):
    pass


def thrown_into(error):
    def throw(coro):
        with contextlib.suppress(Exception, asyncio.CancelledError, GeneratorExit):
            coro.throw(error)
        coro.close()

    return throw


def sent_something(coro):
    with contextlib.suppress(Exception, StopIteration):
        coro.send("something")
    coro.close()


def in_itself(coro):
    with contextlib.suppress(Exception, StopIteration):
        next(iter(coro))
    coro.__repr__()
    coro.close()


ENDS = [closed, dropped, sent_something, in_itself, *map(thrown_into, THROWN)]


async def cancelled(coro, turns):
    task = asyncio.ensure_future(coro)
    await iterate(turns)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and task.exception() is None and not isinstance(task.result(), bytes):
        with contextlib.suppress(Exception):
            await end_of(task.result())


def sweep_awaitable(name, make):
    async def every_state():
        with swallowed():
            proc = await live_process()
            proc.stdin.write(bytes(200_000))  # so that drain() waits
            for steps in 0, 1, 2:
                for end in ENDS:
                    coro = make(proc)
                    with contextlib.suppress(Exception, StopIteration):
                        for _ in range(steps):
                            coro.send(None)
                    end(coro)
                    del coro
            for turns in 0, 1, 3:
                await cancelled(make(proc), turns)
            await end_of(proc)
            del proc
            await gone()

    every_state.__name__ = f"states of {name}"
    scenario(every_state, f"states:{name}")


for name, make in AWAITABLES.items():
    sweep_awaitable(name, make)
