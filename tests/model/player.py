"""Runs a program (see programs.py) and writes down what can be observed of it.

A step is one call, or one order to the child.  After it the loop runs until nothing is left to be
done, so what is observed does not depend on how many turns somebody takes.  A "quiet" step lets
the loop have no turn: the next one finds a child that has done something the loop has not seen yet.
What would make no sense, or depend on chance, is skipped: that is decided by what both have shown
so far, so it is decided alike.
"""

import array
import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
import tempfile
import termios
import types
import warnings

from support import children, descriptors

from . import additions, rules

PATIENCE = 30  # seconds: only turns a hang into a failure
FLOOD = 3 << 19  # bytes: more than pipe, reader and one gulp of asyncio's take
BLOCKED = 896 << 10  # while so much of a flood is left, the child is certain to be blocked
BIG_WRITE = 300_000  # bytes: more than a pipe and the high-water mark
HIGH_WATER = 64 << 10
ON_FILE = b"from a file\n" * 20


def flood_bytes(size):
    return (b"0123456789abcdefghijklmnopqrstuvwxyz-\n" * (size // 38 + 1))[:size]


FLOOD_BYTES = flood_bytes(FLOOD)
# What a program says by name, so that it can be read.
LONG = {
    "a line of 5000": b"z" * 5000 + b"\n",
    "2000 lines": b"line\n" * 2000,
    "12000 without a line": b"w" * 12000,
    "4000 lines": b"long line\n" * 4000,
    "a full pipe": b"v" * 65536,
}


class Noise(logging.Handler):
    """What is warned of, logged by asyncio or cannot be raised; nobody else hears it."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.heard = []

    def emit(self, record):
        text = record.getMessage()
        if text not in rules.UNHEARD and not text.startswith(rules.UNHEARD_IN_DEBUG_MODE):
            self.heard.append(text)

    def unraisable(self, args):
        self.heard.append(f"unraisable {args.exc_value!r}")

    def __enter__(self):
        logger = logging.getLogger("asyncio")
        self.before = sys.unraisablehook, logger.handlers, logger.propagate
        sys.unraisablehook, logger.handlers, logger.propagate = self.unraisable, [self], False
        self.catcher = warnings.catch_warnings(record=True)
        self.warnings = self.catcher.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *exc_info):
        self.catcher.__exit__(*exc_info)
        logger = logging.getLogger("asyncio")
        sys.unraisablehook, logger.handlers, logger.propagate = self.before
        self.heard += [f"{w.category.__name__}: {w.message}" for w in self.warnings]


def play(aio, puppets, program):
    """The trace of a program: a list of what each step showed."""
    player = Player(aio, puppets, program)
    held_before = descriptors().keys(), children().keys()
    with contextlib.ExitStack() as stack:
        if not aio.is_fastproc:
            stack.enter_context(rules.amended())
        noise = stack.enter_context(Noise())
        try:
            aio.run(player.play, timeout=2 * PATIENCE)
        except TimeoutError:
            player.trace.append(("hangs",))
            if not aio.is_fastproc:
                raise
        finally:
            player.clean_up()
        player.forget()
    left = descriptors().keys() - held_before[0], children().keys() - held_before[1]
    player.trace.append(("left", sorted(left[0]), len(left[1]), sorted(set(noise.heard))))
    return player.trace


def outcome(task):
    if task.cancelled():
        return ("cancelled",)
    error = task.exception()
    return ("returned", task.result()) if error is None else raised(error)


def raised(error):
    details = [getattr(error, name, None) for name in ("partial", "expected", "consumed")]
    return ("raised", type(error).__name__, error.args, *details)


async def go_on(coroutine, awaited):
    """The rest of a coroutine that was stepped once, and then awaited that."""
    return await rest_of_coroutine(coroutine, awaited)


@types.coroutine
def rest_of_coroutine(coroutine, awaited):
    while True:
        try:
            advance, value = coroutine.send, (yield awaited)
        except BaseException as error:
            advance, value = coroutine.throw, error
        try:
            awaited = advance(value)
        except StopIteration as stop:
            return stop.value


class Player:
    """One run of one program."""

    def __init__(self, aio, puppets, program):
        self.aio = aio
        self.puppets = puppets
        self.config, self.steps = program
        self.trace = []
        self.proc = self.puppet = self.holder = None
        self.pending = {}  # {name: task}
        self.completed = []  # (kind, name, outcome), in that order
        self.started = 0
        self.files = {}
        self.said = {1: bytearray(), 2: bytearray()}  # what went into each stream
        self.flooded = None  # the stream into which a blocked child writes
        self.flood_left = 0  # bytes of it that nobody has read
        self.torn = set()  # streams whose end depends on when the child was killed
        self.held = set()  # streams paused by hand
        self.ended = set()  # those that were fed their end by hand
        self.shut = set()  # those into which the child cannot write any more
        self.unheard = 0  # bytes written to the child that it has not read
        self.deaf = False  # it has closed its stdin, or stdin was closed roughly
        self.alive = self.stopped = False
        self.after_quiet = False  # the loop had no turn since the last step
        self.communicated = False  # communicate() was called
        self.grouped = (
            False  # there was a grandchild, which may be a zombie of the group for a while
        )
        self.spared = set()  # signals that it survives
        self.leads = self.config.get("leads", False)
        self.capacity = {-1: 65536}.get(self.config["pipesize"], self.config["pipesize"])
        self.room = self.capacity // 2 - 4096  # bytes that a pipe takes whatever their pieces

    # -- the world

    async def create(self):
        options = {name: self.stdio(name) for name in ("stdin", "stdout", "stderr")}
        options |= {"limit": self.config["limit"], "pipesize": self.config["pipesize"]}
        options["start_new_session"] = self.leads
        command = [self.puppets.program, self.puppets.address]
        if self.config["shell"]:
            line = f"exec {command[0]} {command[1]}"
            self.proc = await self.aio.create_subprocess_shell(line, **options)
        else:
            self.proc = await self.aio.create_subprocess_exec(*command, **options)
        self.puppet = self.puppets.accept()
        self.alive = True
        self.pipes = {fd: self.transport.get_pipe_transport(fd) for fd in range(4)}
        self.readers = {1: self.proc.stdout, 2: self.proc.stderr}

    def stdio(self, name):
        how = self.config[name]
        if how == "file":
            file = self.files[name] = tempfile.TemporaryFile()
            if name == "stdin":
                file.write(ON_FILE)
                file.seek(0)
            return file
        names = {"pipe": self.aio.PIPE, "null": self.aio.DEVNULL, "stdout": self.aio.STDOUT}
        return names.get(how)

    @property
    def transport(self):
        return self.proc._transport

    def stream_of(self, fd):
        """Where the child's descriptor leads to: 1, 2 or None if that is no pipe."""
        if fd == 2 and self.config["stderr"] == "stdout":
            fd = 1
        return fd if self.readers[fd] is not None else None

    def in_pipe(self, fd):
        """Bytes that the child has written and the parent not read."""
        pipe = self.pipes[fd]
        number = self.fileno(pipe) if pipe is not None else -1
        if number < 0:
            return 0
        count = array.array("i", [0])
        fcntl.ioctl(number, termios.FIONREAD, count)
        return count[0]

    def fileno(self, pipe):
        if pipe.is_closing():
            return -1
        return pipe.get_extra_info("pipe").fileno()

    def unread(self, fd):
        return len(self.readers[fd]._buffer) + self.in_pipe(fd)

    async def settle(self):
        """Lets the loop run until nothing is left to be done."""
        loop = asyncio.get_running_loop()
        while self.flooded is not None and self.pipes[self.flooded].is_reading():
            await asyncio.sleep(0)
        if self.aio.on_uvloop:
            for _ in range(16):
                await asyncio.sleep(0)
            return
        idle = 0
        while idle < 2:
            await asyncio.sleep(0)
            idle = 0 if loop._ready or loop._selector.select(0) else idle + 1

    async def answer(self, quiet=False):
        """What the child answers; the loop runs meanwhile, unless `quiet`."""
        while not quiet and not self.puppet.has_answered():
            await asyncio.sleep(0)
        return self.puppet.answer()

    async def order(self, *args, quiet=False, **kwds):
        """What the loop has not seen yet it sees together with this."""
        self.puppet.order(*args, **kwds)
        return await self.answer(quiet or self.after_quiet)

    @property
    def obeys(self):
        return self.alive and not self.stopped and self.flooded is None

    def died(self):
        """It is certain that the child ends: waits until it has, without the loop."""
        if self.flooded is not None:
            self.torn.add(self.flooded)
            self.flooded = None
        self.alive = self.stopped = False
        self.deaf = self.deaf or self.holder is None
        self.puppet.wait_until_gone(self.proc.pid)

    async def bounded(self, awaitable):
        async with asyncio.timeout(PATIENCE):
            return await awaitable

    # -- what is done with it

    def start(self, kind, call):
        """Begins an operation, whose outcome is written down when it completes."""

        async def operation():
            return await call()

        coroutine = operation()
        self.started += 1
        name = f"{kind} {self.started}"
        if self.after_quiet:  # its first step is before the loop sees anything, on any loop
            try:
                coroutine = go_on(coroutine, coroutine.send(None))
            except StopIteration as stop:
                self.completed.append((kind, name, ("returned", stop.value)))
                return
            except Exception as error:
                self.completed.append((kind, name, raised(error)))
                return
        task = self.pending[name] = asyncio.get_running_loop().create_task(coroutine)
        task.add_done_callback(lambda task: self.finished(kind, name, task))

    def finished(self, kind, name, task):
        del self.pending[name]
        self.completed.append((kind, name, outcome(task)))

    def pending_on(self, fd):
        return [name for name in self.pending if name.startswith((f"on {fd}", "communicate"))]

    def reads_all(self, fd):
        """Somebody waits for the end of the stream, and may have taken what there is so far."""
        return any("all" in name or "comm" in name for name in self.pending_on(fd))

    async def play(self):
        await self.create()
        quiet = False
        for index, step in enumerate(self.steps):
            self.after_quiet, quiet = quiet, step[-1] == "quiet"
            arguments = step[1:-1] if quiet else step[1:]
            method = getattr(self, "do_" + step[0])
            note = await method(*arguments, **({"quiet": True} if quiet else {}))
            if note == "skipped":
                quiet = self.after_quiet
                continue
            if not quiet:
                await self.settle()
            self.record(index, step, note, look=not quiet)
        await self.end()

    def record(self, *what, note=None, look=True):
        """Completions in their order; that among different kinds depends on the loop's turns."""
        completed, self.completed = sorted(self.completed, key=lambda c: c[0]), []
        self.trace.append((*what, note, completed, self.snapshot() if look else None))

    def snapshot(self):
        proc, transport = self.proc, self.transport
        shown = {"returncode": (proc.returncode, transport.get_returncode())}
        shown["transport"] = transport.is_closing()
        if proc.stdin is not None:
            shown["stdin"] = self.snapshot_of_writer()
        for fd, reader in self.readers.items():
            if reader is not None:
                shown[fd] = self.snapshot_of_reader(fd, reader)
        return shown

    def snapshot_of_writer(self):
        """Sizes are compared where they are certain: nothing is queued, or a lot."""
        writer = self.proc.stdin
        size = writer.transport.get_write_buffer_size()
        closing = writer.is_closing(), writer.transport.is_closing()
        if self.deaf:
            return (*closing, size)
        if self.unheard > self.room:
            return (*closing, size > 0, writer._protocol._paused)
        return (*closing, size, writer._protocol._paused)

    def snapshot_of_reader(self, fd, reader):
        shown = {"exception": repr(reader.exception())}
        if fd in self.torn:
            return shown
        pipe = self.pipes[fd]
        if fd != self.flooded:
            shown["in pipe"] = self.in_pipe(fd)
            if not self.reads_all(fd):
                shown["buffer"] = bytes(reader._buffer)
                shown["at_eof"] = reader.at_eof()
        if not self.reads_all(fd):
            shown["reading"] = pipe.is_reading(), pipe.is_closing()
        return shown

    # -- the child speaks

    async def do_say(self, fd, data, quiet=False):
        data = LONG.get(data, data)
        stream = self.stream_of(fd)
        if stream is None:
            if "inherit" in (self.config["stdout"], self.config["stderr"]) or not self.obeys:
                return "skipped"
            return await self.order("w", fd, data=data, quiet=quiet)
        before = self.in_pipe(stream)
        full = before + len(data) > (self.room if before else self.capacity)
        if not self.obeys or full or stream in self.ended:
            return "skipped"
        answer = await self.order("w", fd, data=data, quiet=quiet)
        if answer[0]:
            self.said[stream] += data
        return answer[:2]

    async def do_shut(self, fd, quiet=False):
        if not self.obeys:
            return "skipped"
        answer = await self.order("c", fd, quiet=quiet)
        if fd == 0 and self.holder is None:
            self.deaf = True
        self.shut.add(fd)
        if self.config["stderr"] == "stdout":
            self.shut |= {1, 2}
        return answer[:2]

    async def do_flood(self, fd):
        """Writes more than anybody takes who does not read."""
        fd = self.stream_of(fd)
        busy = fd is None or self.pending_on(fd) or fd in self.held | self.ended
        if busy or not self.obeys or self.pipes[fd].is_closing():
            return "skipped"
        if fd in self.shut or self.readers[fd].exception():
            return "skipped"
        if self.readers[fd]._paused and self.pipes[fd].is_reading():
            return "skipped"  # resumed by hand: it will not be paused any more
        if self.capacity + 2 * self.config["limit"] > BLOCKED // 2:
            return "skipped"
        self.flood_left = self.unread(fd) + FLOOD
        self.said[fd] += FLOOD_BYTES
        self.puppet.order("w", fd, data=FLOOD_BYTES)
        self.flooded = fd
        return None

    async def do_gulp(self, size):
        """Reads of the flood: some, or all of it."""
        fd = self.flooded
        if fd is None or self.stopped:
            return "skipped"
        if self.flood_left - size < BLOCKED:
            size = self.flood_left
        begin = len(self.said[fd]) - self.flood_left
        data = await self.bounded(self.readers[fd].readexactly(size))
        self.flood_left -= size
        if self.flood_left == 0:
            await self.end_of_flood()
        return data == self.said[fd][begin : begin + size]

    async def end_of_flood(self):
        await self.answer()
        self.flooded = None

    async def do_torrent(self, fd, turns, how):
        """A flood, and somebody who reads all of it and is cancelled in the midst of it."""
        busy = self.pending_on(1) or self.pending_on(2) or self.held
        if busy or any(reader and reader.exception() for reader in self.readers.values()):
            return "skipped"
        if how == "communicate" and any(r and r._paused for r in self.readers.values()):
            return "skipped"  # whether that is read on in so few turns
        if await self.do_flood(fd) == "skipped":
            return "skipped"
        fd = self.flooded
        reader = self.readers[fd]
        self.communicated = self.communicated or how == "communicate"
        task = asyncio.get_running_loop().create_task(
            self.proc.communicate() if how == "communicate" else reader.read()
        )
        await self.turns(turns)
        task.cancel()
        await asyncio.wait([task])
        if how == "communicate" and self.proc.stdin is not None:
            self.proc.stdin.close()  # which it did, if it came so far
        return await self.do_gulp(self.flood_left), task.cancelled()

    async def turns(self, count):
        for _ in range(count):
            await asyncio.sleep(0)

    # -- reading

    async def begin_read(self, fd, kind, call):
        if self.readers.get(fd) is None or fd in self.torn or fd == self.flooded:
            return "skipped"
        if self.reads_all(fd) or self.would_hide_a_separator(fd):
            return "skipped"
        if kind in ("line", "next", "until", "exactly") and self.stays_paused(fd):
            return "skipped"
        self.start(f"on {fd} {kind}", call)
        return None

    def would_hide_a_separator(self, fd):
        """asyncio's readuntil() goes on searching where it was, and not where that has moved to,
        when somebody reads meanwhile."""
        searches = [n for n in self.pending_on(fd) if n.split()[2] in ("line", "next", "until")]
        return searches and self.readers[fd]._buffer

    def stays_paused(self, fd):
        """asyncio resumes a pipe after most reads, but not after those that find too little at the
        end, which may be one that was fed by hand."""
        return self.readers[fd]._eof and self.readers[fd]._paused

    async def do_read(self, fd, size):
        if size >= 0:
            return await self.begin_read(fd, "some", lambda: self.readers[fd].read(size))
        if fd == self.flooded and not self.stopped:
            self.start(f"on {fd} all", self.readers[fd].read)
            return await self.end_of_flood()
        return await self.begin_read(fd, "all", lambda: self.readers[fd].read())

    async def do_readline(self, fd):
        return await self.begin_read(fd, "line", lambda: self.readers[fd].readline())

    async def do_anext(self, fd):
        return await self.begin_read(fd, "next", lambda: self.readers[fd].__anext__())

    async def do_line_of_any_length(self, fd):
        reader = self.readers[fd]
        if self.aio.is_fastproc:
            return await self.begin_read(fd, "line", lambda: anext(reader.lines()))
        return await self.begin_read(fd, "line", lambda: additions.next_line(reader))

    async def do_readexactly(self, fd, size):
        return await self.begin_read(fd, "exactly", lambda: self.readers[fd].readexactly(size))

    async def do_readuntil(self, fd, separator):
        if isinstance(separator, tuple) and not rules.TUPLES:
            return "skipped"
        return await self.begin_read(fd, "until", lambda: self.readers[fd].readuntil(separator))

    async def do_race(self, fd, how, argument, data, turns):
        """Data comes and the reader is cancelled, in whichever order: nothing may be lost."""
        fd = self.stream_of(fd)
        if fd is None or not self.obeys or self.pending_on(fd) or fd in self.held | self.ended:
            return "skipped"
        reader = self.readers[fd]
        if reader._eof or reader.exception() or self.unread(fd) or len(data) > self.config["limit"]:
            return "skipped"
        call = getattr(reader, how)
        coroutine = call() if argument is None else call(argument)
        task = asyncio.get_running_loop().create_task(coroutine)
        await self.settle()
        answer = await self.order("w", fd, data=data, quiet=True)
        await self.turns(turns)
        task.cancel()
        await asyncio.wait([task])
        await self.settle()
        if answer[0]:
            self.said[fd] += data
        got = b"" if task.cancelled() or task.exception() else task.result()
        while self.unread(fd):
            got += await self.bounded(reader.read(1 << 16))
        return answer[:2], got

    async def do_cancel(self, which):
        if any(len(said) > 2 * self.config["limit"] for said in self.said.values()):
            await self.settle()  # whether it pauses before more comes would depend on the loop
        if not self.pending:
            return "skipped"
        list(self.pending.values())[which % len(self.pending)].cancel()
        return None

    async def do_feed(self, fd, data):
        reader = self.readers[fd]
        if reader is None or fd in self.torn or fd == self.flooded or self.in_pipe(fd):
            return "skipped"
        self.said[fd] += data
        return self.note(reader.feed_data, data)

    async def do_feed_eof(self, fd):
        reader = self.readers[fd]
        if reader is None or fd in self.torn or fd == self.flooded or self.in_pipe(fd):
            return "skipped"
        self.ended.add(fd)
        return self.note(reader.feed_eof)

    async def do_set_exception(self, fd):
        reader = self.readers[fd]
        if reader is None or fd in self.torn or fd == self.flooded:
            return "skipped"
        if any(name.startswith("communicate") for name in self.pending):
            return "skipped"
        return self.note(reader.set_exception, ValueError("set by hand"))

    def note(self, call, *args):
        """What a plain call does."""
        try:
            return ("returned", call(*args))
        except Exception as error:
            return ("raised", type(error).__name__, error.args)

    # -- pipes and the transport

    async def do_pause(self, fd):
        pipe = self.pipes[fd]
        if self.readers[fd] is None or fd == self.flooded or fd in self.torn:
            return "skipped"
        self.held.add(fd)
        return self.note(pipe.pause_reading)

    async def do_resume(self, fd):
        pipe = self.pipes[fd]
        if self.readers[fd] is None or fd == self.flooded or fd in self.torn:
            return "skipped"
        self.held.discard(fd)
        return self.note(pipe.resume_reading)

    async def do_close_pipe(self, fd):
        if self.readers[fd] is None or fd == self.flooded:
            return "skipped"
        return self.note(self.pipes[fd].close)

    async def do_close_transport(self):
        if self.flooded is not None:
            self.torn.add(self.flooded)
        await self.settle()  # asyncio takes the status of a child whose exit it has not seen yet
        noted = self.note(self.transport.close)
        if self.alive:
            self.died()
        return noted

    async def do_transport(self):
        transport = self.transport
        pipes = [pipe is not None for pipe in self.pipes.values()]
        assert transport.get_pid() == self.proc.pid
        return pipes, repr(self.proc) == f"<Process {self.proc.pid}>"

    # -- writing

    async def do_write(self, size, how):
        writer = self.proc.stdin
        blocked = self.unheard > self.room
        if writer is None or (not blocked and self.unheard + size > self.room):
            return "skipped"
        data = self.written(size)
        if how == "lines":
            third = size // 3
            noted = self.note(writer.writelines, [data[:third], b"", data[third:]])
        else:
            make = {"bytes": bytes, "bytearray": bytearray, "memoryview": memoryview}[how]
            noted = self.note(writer.write, make(data))
        return noted

    def written(self, size):
        if not self.proc.stdin.is_closing() and not self.deaf:
            self.unheard += size
        return FLOOD_BYTES[self.unheard % 1000 :][:size]

    async def do_write_much(self):
        if self.proc.stdin is None or self.unheard > 1 << 20:
            return "skipped"
        return self.note(self.proc.stdin.write, self.written(BIG_WRITE))

    async def do_hear(self, size):
        """The child reads."""
        if not self.obeys:
            return "skipped"
        if self.deaf or self.config["stdin"] == "inherit":
            return "skipped"
        if self.proc.stdin is None:
            return await self.order("r", 0, size)
        size = min(size, self.unheard)
        left = self.unheard - size
        if self.room < left < self.capacity + HIGH_WATER + 4096:  # it would depend on chance
            size, left = self.unheard, 0
        self.puppet.order("r", 0, size)
        answer = await self.answer(quiet=self.after_quiet and self.unheard <= self.room)
        self.unheard = left
        return answer

    async def begin_write(self, kind, call):
        if self.proc.stdin is None:
            return "skipped"
        self.start(kind, call)
        return None

    async def do_drain(self):
        return await self.begin_write("drain", lambda: self.proc.stdin.drain())

    async def do_wait_closed(self):
        return await self.begin_write("wait_closed", lambda: self.proc.stdin.wait_closed())

    async def do_close(self):
        return "skipped" if self.proc.stdin is None else self.note(self.proc.stdin.close)

    async def do_write_eof(self):
        return "skipped" if self.proc.stdin is None else self.note(self.proc.stdin.write_eof)

    async def do_abort(self):
        """Not when it is closed: asyncio fails then, later, within the loop."""
        writer = self.proc.stdin
        if writer is None or writer.is_closing():
            return "skipped"
        self.deaf = True
        return self.note(writer.transport.abort)

    async def do_marks(self, high, low):
        if self.proc.stdin is None:
            return "skipped"
        return self.note(self.proc.stdin.transport.set_write_buffer_limits, high, low)

    # -- the process

    async def do_wait(self):
        self.start("wait", lambda: self.proc.wait())

    async def do_race_wait(self, code, turns):
        """The child exits and the waiter is cancelled: the next waiter gets the status all the same."""
        if not self.obeys:
            return "skipped"
        task = asyncio.get_running_loop().create_task(self.proc.wait())
        await self.settle()
        self.puppet.order("x", code)
        self.died()
        await self.turns(turns)
        task.cancel()
        await asyncio.wait([task])
        return await self.bounded(self.proc.wait())

    async def do_communicate(self, size, linger=None):
        if any(self.pending_on(fd) for fd in (1, 2)) or self.held or self.torn:
            return "skipped"
        refused = self.communicated and size  # perhaps: input after a call that was cancelled
        if self.flooded is not None and (self.stopped or refused):
            return "skipped"
        self.communicated = True
        if any(reader is not None and reader.exception() for reader in self.readers.values()):
            return "skipped"
        data = None
        if self.proc.stdin is not None:
            small = self.unheard + (size or 0) <= self.room
            if size is not None and (small or size >= BIG_WRITE):
                data = self.written(size)
        if self.aio.is_fastproc:
            self.start("communicate", lambda: self.proc.communicate(data, linger=linger))
        else:
            self.start("communicate", lambda: additions.communicate(self.proc, data, linger))
        if self.flooded is not None:
            await self.end_of_flood()
        return None

    async def do_stop(self, number, grace):
        """One that does not heed the signal would take its time."""
        if not self.alive or self.holder is not None or (grace and number in self.spared):
            return "skipped"
        if self.stopped and grace and number != signal.SIGKILL:
            return "skipped"  # the signal comes first, or SIGCONT does
        if self.flooded is not None:
            return "skipped"
        if self.aio.is_fastproc:
            self.start("stop", lambda: self.proc.stop(number, grace=grace))
        else:
            self.start("stop", lambda: additions.stop(self.proc, self.leads, number, grace))
        await asyncio.sleep(0)  # its first step, in which it sends the signal
        self.died()
        while any(name.startswith("stop") for name in self.pending):
            await asyncio.sleep(0.001)  # it looks at the group now and then
        return None

    async def do_signal_group(self, number):
        """Not with a grandchild, whose part the model does not play."""
        if self.grouped or (self.leads and self.stopped and number != signal.SIGKILL):
            return "skipped"
        deadly = number in (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)
        if self.aio.is_fastproc:
            note = self.note(self.proc.signal_group, number)
        else:
            note = self.note(additions.signal_group, self.proc, self.leads, number)
        if self.leads:
            self.signalled(number, deadly)
        return note

    async def do_close_all(self):
        if self.flooded is not None or self.held:
            return "skipped"
        if self.proc.stdin is not None:
            self.deaf = True
        close = self.proc.close if self.aio.is_fastproc else lambda: additions.close(self.proc)
        return self.note(close)

    async def do_signal(self, number):
        deadly = number in (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)
        if self.stopped and number not in (signal.SIGKILL, signal.SIGCONT, 0, 99):
            return "skipped"
        if number == 99 and self.after_quiet and not self.alive:
            return "skipped"  # some versions of asyncio first look whether the child lives
        note = self.note(self.proc.send_signal, number)
        self.signalled(number, deadly)
        return note

    def signalled(self, number, deadly):
        if not self.alive:
            return
        if number == signal.SIGSTOP:
            self.stopped = True
        elif number == signal.SIGCONT:
            self.stopped = False
        elif deadly and number not in self.spared:
            self.died()

    async def do_kill(self):
        note = self.note(self.proc.kill)
        self.signalled(signal.SIGKILL, True)
        return note

    async def do_terminate(self):
        if self.stopped:
            return "skipped"
        note = self.note(self.proc.terminate)
        self.signalled(signal.SIGTERM, True)
        return note

    async def do_spare(self, number, how):
        """The child ignores or handles a signal from now on."""
        if not self.obeys:
            return "skipped"
        self.spared.add(number)
        return await self.order("i" if how == "ignore" else "h", number)

    async def do_handled(self):
        """How many signals it has handled."""
        return await self.order("n") if self.obeys else "skipped"

    async def do_exit(self, code, quiet=False):
        if not self.obeys:
            return "skipped"
        self.puppet.order("x", code)
        self.died()
        return None

    async def do_hold(self):
        """Leaves a grandchild that holds the pipes."""
        if not self.obeys or self.holder is not None or self.shut:
            return "skipped"
        self.grouped = True
        answer = await self.order("g")
        self.holder = self.puppets.accept()
        return answer

    async def do_release(self):
        if self.holder is None:
            return "skipped"
        self.holder.release()
        self.holder = None
        self.deaf = self.deaf or not self.alive or 0 in self.shut
        return None

    # -- the end

    async def end(self):
        """Everything is read, closed and waited for, so that asyncio leaves nothing open either."""
        await self.do_release()
        for fd in sorted(self.held):
            self.pipes[fd].resume_reading()
        if self.stopped:
            self.proc.send_signal(signal.SIGCONT)
            self.stopped = False
        if self.flooded is not None:
            self.record("rest of the flood", await self.do_gulp(self.flood_left))
        if self.alive:
            await self.do_exit(0)
        await self.settle()
        self.record("exit")
        for fd, reader in self.readers.items():
            if reader is not None:
                self.record("rest", fd, await self.rest_of(fd, reader))
                self.pipes[fd].close()
                await self.settle()
        if self.proc.stdin is not None:
            self.proc.stdin.close()
            await self.settle()
        self.record("status", await self.bounded(self.proc.wait()))
        if self.proc.stdin is not None:
            self.start("wait_closed", lambda: self.proc.stdin.wait_closed())
        await self.settle()
        self.record("end", sorted(self.pending))
        for name, file in self.files.items():
            if name != "stdin":
                file.seek(0)
                self.record("file", name, file.read())

    async def rest_of(self, fd, reader):
        """What nobody has read yet; in the case of a torn stream, whether it is what was said."""
        if reader.exception() or self.pending_on(fd):
            return None
        data = await self.bounded(reader.read())
        if fd not in self.torn:
            return data
        begin = len(self.said[fd]) - self.flood_left
        return data == self.said[fd][begin : begin + len(data)]

    def forget(self):
        """So that nothing is kept open by what this object refers to."""
        self.proc = self.pipes = self.readers = None

    def clean_up(self):
        """Also after a failure."""
        for puppet in filter(None, (self.puppet, self.holder)):
            puppet.close()
        for file in self.files.values():
            file.close()
        if self.proc is not None and self.proc.returncode is None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.proc.pid, signal.SIGKILL)
                os.waitpid(self.proc.pid, 0)
