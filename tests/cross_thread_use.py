"""Objects of one loop that other threads use all the time, which is wrong, and no crash.

Imported by scripts of tests.
"""

import asyncio
import contextlib
import random
import signal
import subprocess
import threading

from support import Aio, iterate

AT_ONCE = 5  # children
TURNS = 40  # of the loop that each child lives, at the least

# What may come of it.
EXPECTED = (
    OSError,
    RuntimeError,
    ValueError,
    EOFError,
    asyncio.LimitOverrunError,
    AssertionError,  # feed_data() after feed_eof()
    TypeError,  # another loop's stream
    StopIteration,
    StopAsyncIteration,
    asyncio.CancelledError,
    asyncio.InvalidStateError,
    subprocess.TimeoutExpired,
)


def step(awaitable):
    """One by hand; what it waits for is looked at as well."""
    look_at_wakeup(awaitable.send(None))


def look_at_wakeup(wakeup):
    if wakeup is not None:
        wakeup.add_done_callback(id)
        wakeup.remove_done_callback(id)
        repr(wakeup), wakeup.done(), wakeup.cancelled(), wakeup._asyncio_future_blocking


def set_and_put_back(proc, name):
    stream = getattr(proc, name)
    setattr(proc, name, None)
    setattr(proc, name, stream)


LOOKS = {
    "process": [
        lambda proc, rng: (proc.pid, proc.returncode, proc.resource_usage, repr(proc)),
        lambda proc, rng: (proc.stdin, proc.stdout, proc.stderr, proc._loop),
        lambda proc, rng: proc._transport.get_extra_info("subprocess").args,
    ],
    "transport": [
        lambda child, rng: (child.get_pid(), child.get_returncode(), repr(child)),
        lambda child, rng: (child.is_closing(), child.get_protocol(), child.get_pipe_transport(1)),
        lambda child, rng: child.get_extra_info("subprocess").poll(),
        lambda child, rng: child.__dict__.setdefault("key", rng),
    ],
    "reader": [
        lambda reader, rng: (reader.at_eof(), reader.exception(), repr(reader), reader._limit),
        lambda reader, rng: (reader._buffer, reader._eof, reader._paused, reader._waiter),
        lambda reader, rng: (reader._transport, reader._exception, reader._loop),
    ],
    "writer": [
        lambda writer, rng: (writer.is_closing(), writer.can_write_eof(), repr(writer)),
        lambda writer, rng: (writer._protocol._paused, writer._protocol._connection_lost),
        lambda writer, rng: writer.get_extra_info("pipe").fileno(),
    ],
    "read pipe": [
        lambda pipe, rng: (pipe.is_reading(), pipe.is_closing(), pipe.fileno(), repr(pipe)),
        lambda pipe, rng: pipe.get_protocol().disconnected,
        lambda pipe, rng: (pipe.get_protocol().proc, pipe.get_protocol().pipe),
    ],
    "write pipe": [
        lambda pipe, rng: (pipe.get_write_buffer_size(), pipe.get_write_buffer_limits()),
        lambda pipe, rng: (pipe.is_closing(), pipe.fileno(), repr(pipe)),
        lambda pipe, rng: repr(pipe.get_protocol()),
    ],
    "view": [
        lambda view, rng: (view.pid, view.returncode, view.args, view.poll()),
        lambda view, rng: (view.stdin, view.stdout, view.stderr),
    ],
    "awaitable": [
        lambda coro, rng: (coro.cr_running, coro.cr_suspended, coro.cr_await, repr(coro)),
    ],
}

MEDDLES = {
    "process": [
        lambda proc, rng: proc.send_signal(signal.SIGCONT),
        lambda proc, rng: rng.random() < 0.02 and proc.kill(),
        lambda proc, rng: set_and_put_back(proc, rng.choice(["stdin", "stdout", "stderr"])),
        lambda proc, rng: rng.random() < 0.02 and proc.close(),
        lambda proc, rng: proc.signal_group(0),
        lambda proc, rng: proc.set_terminal_size(rng.randrange(100), 80),
        lambda proc, rng: step(proc._next_output(rng.randrange(100_000))),
        lambda proc, rng: step(proc.wait()),
        lambda proc, rng: step(proc.communicate(b"x" * rng.randrange(100_000))),
    ],
    "transport": [
        lambda child, rng: child.send_signal(signal.SIGCONT),
        lambda child, rng: rng.random() < 0.02 and child.close(),
        lambda child, rng: step(child._wait()),
    ],
    "reader": [
        lambda reader, rng: reader.feed_data(b"x" * rng.randrange(10_000)),
        lambda reader, rng: rng.random() < 0.02 and reader.feed_eof(),
        lambda reader, rng: rng.random() < 0.02 and reader.set_exception(ValueError()),
        lambda reader, rng: step(reader.read(rng.randrange(100_000))),
        lambda reader, rng: step(reader.readline()),
        lambda reader, rng: step(reader._next_line(rng.randrange(1, 1000), rng.random() < 0.5)),
        lambda reader, rng: step(reader.readuntil((b"xx", b"y"))),
        lambda reader, rng: step(reader.readexactly(rng.randrange(100_000))),
        lambda reader, rng: setattr(reader, "_limit", rng.randrange(1, 100_000)),
        lambda reader, rng: setattr(reader, "_transport", reader._transport),
    ],
    "writer": [
        lambda writer, rng: writer.write(b"y" * rng.randrange(100_000)),
        lambda writer, rng: writer.writelines([b"1\n", bytearray(b"2\n")]),
        lambda writer, rng: step(writer.drain()),
        lambda writer, rng: step(writer.wait_closed()),
        lambda writer, rng: rng.random() < 0.02 and writer.close(),
    ],
    "read pipe": [
        lambda pipe, rng: pipe.pause_reading(),
        lambda pipe, rng: pipe.resume_reading(),
        lambda pipe, rng: pipe.get_protocol().data_received(b"z"),
        lambda pipe, rng: rng.random() < 0.02 and pipe.close(),
    ],
    "write pipe": [
        lambda pipe, rng: pipe.write(b"z" * rng.randrange(100_000)),
        lambda pipe, rng: pipe.set_write_buffer_limits(high=rng.randrange(100_000)),
        lambda pipe, rng: rng.random() < 0.02 and pipe.abort(),
    ],
    "view": [
        lambda view, rng: view.send_signal(signal.SIGCONT),
        lambda view, rng: view.wait(0),
        lambda view, rng: setattr(view, "mine", rng),
    ],
    "awaitable": [
        lambda coro, rng: step(coro),
        lambda coro, rng: coro.throw(ValueError),
        lambda coro, rng: coro.close(),
        lambda coro, rng: look_at_wakeup(coro.cr_await),
    ],
}


def parts_of(proc):
    """[(kind, object)] of a process and all that belongs to it."""
    child = proc._transport
    found = [("process", proc), ("transport", child)]
    found += [("view", child.get_extra_info("subprocess")), ("writer", proc.stdin)]
    found += [("reader", proc.stdout), ("reader", proc.stderr)]
    found += [("write pipe", child.get_pipe_transport(0))]
    found += [("read pipe", child.get_pipe_transport(fd)) for fd in (1, 2)]
    coros = [proc.wait(), proc.stdout.read(), proc.stdout.readline(), proc.stdin.drain()]
    coros += [proc.communicate(b"1"), proc.stderr.readexactly(9), proc.stdin.wait_closed()]
    return found + [("awaitable", coro) for coro in coros]


class Shared:
    def __init__(self, tables):
        self.tables = tables
        self.parts = []  # of all children that live
        self.over = False

    def meddle(self, seed):
        """What each of the other threads does."""
        rng = random.Random(seed)
        while not self.over:
            parts = self.parts
            if not parts:
                continue
            kind, part = rng.choice(parts)
            function = rng.choice(rng.choice(self.tables)[kind])
            with contextlib.suppress(EXPECTED):
                function(part, rng)

    async def live(self, aio, script):
        proc = await aio.create_subprocess_shell(script, stdin=-1, stdout=-1, stderr=-1)
        out, into = proc.stdout, proc.stdin
        parts = parts_of(proc)
        self.parts = self.parts + parts
        data = b"line\n" * 20_000
        try:
            return await self.talk(proc, into, out, data) == data
        finally:
            self.parts = [part for part in self.parts if part not in parts]
            with contextlib.suppress(ProcessLookupError):
                proc.kill()
            await proc.wait()
            proc._transport.close()
            for kind, part in parts:
                if kind == "awaitable":
                    with contextlib.suppress(EXPECTED):
                        part.close()

    async def talk(self, proc, into, out, data):
        into.write(data)
        await into.drain()
        await iterate(TURNS)
        into.close()
        return await out.read()


class Meddled(Shared):
    """By threads that do what they like: the loop is to come through."""

    async def talk(self, proc, into, out, data):
        tasks = [
            asyncio.ensure_future(coro)
            for coro in (super().talk(proc, into, out, data), proc.wait(), proc.stderr.read())
        ]
        await iterate(TURNS)
        with contextlib.suppress(ProcessLookupError):
            proc.kill()
        await proc.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            with contextlib.suppress(EXPECTED):
                task.result()


def share(shared, rounds, thread_count, script="cat"):
    """Children of one loop, some at a time, while as many threads use them."""
    aio = Aio("fastproc", "stdlib")

    async def tick():
        """Somebody else's call_soon() does not wake a loop that sleeps."""
        while True:
            await asyncio.sleep(0.001)

    async def main():
        answers, ticking = [], asyncio.create_task(tick())
        for _ in range(rounds):
            answers += await asyncio.gather(*(shared.live(aio, script) for _ in range(AT_ONCE)))
        ticking.cancel()
        return answers

    threads = [threading.Thread(target=shared.meddle, args=[n]) for n in range(thread_count)]
    for thread in threads:
        thread.start()
    try:
        return aio.run(main, timeout=120)
    finally:
        shared.over = True
        for thread in threads:
            thread.join()


def only_look(rounds, thread_count=4):
    """Who looks does not disturb: every child gives what it should."""
    assert all(share(Shared([LOOKS]), rounds, thread_count))


def meddle(rounds, thread_count=4):
    share(Meddled([LOOKS, MEDDLES]), rounds, thread_count)
