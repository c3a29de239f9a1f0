"""Where asyncio is not the model, each with its reason.

The oracle is the interpreter's own asyncio on the standard library's loop, amended within
amended(): what DIFFERENCES.rst lists is done to asyncio, so that all else can be compared
exactly and nothing has to be explained away afterwards.
"""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.base_subprocess import BaseSubprocessTransport as Transport
from asyncio.subprocess import Process, SubprocessStreamProtocol
from unittest import mock

Reader = asyncio.StreamReader

# asyncio logs the fifth write to a pipe that is closed; here it is silent, as the first is.
UNHEARD = ("pipe closed by peer or os.write(pipe, data) raised exception.",)

# What asyncio logs of a transport that is closed before its child has ended, in debug mode; here silent.
UNHEARD_IN_DEBUG_MODE = "Close running child process: kill "

# readuntil() takes a tuple on every interpreter; asyncio's from 3.13 on can be compared.
TUPLES = sys.version_info >= (3, 13)


def amended():
    """The context in which asyncio is the model."""
    stack = contextlib.ExitStack()
    for where, name, new in AMENDMENTS:
        stack.enter_context(mock.patch.object(where, name, new))
    if sys.version_info < (3, 12):
        stack.enter_context(
            mock.patch.object(asyncio.get_event_loop_policy(), "_watcher", watcher())
        )
    return stack


# Before 3.12 a thread waits for each child, and comes when it likes; the watcher of later ones is
# there already.


def watcher():
    class Watcher(asyncio.PidfdChildWatcher):
        def is_active(self):
            if self._loop is not asyncio.get_running_loop():
                self.attach_loop(asyncio.get_running_loop())
            return True

    return Watcher()


# A cancelled read() or communicate() loses nothing. asyncio's has put what it read into a list of
# its own; that goes back to where it came from.

plain_read, plain_communicate = Reader.read, Process.communicate
plain_read_stream = Process._read_stream


def give_back(reader, data):
    reader._buffer[:0] = data
    pause_if_due(reader)


async def read(self, n=-1):
    if n >= 0:
        return await plain_read(self, n)
    if self._exception is not None:
        raise self._exception
    blocks = []
    try:
        while block := await plain_read(self, 1 << 16):  # a byte at a time takes too long here
            blocks.append(block)
    except BaseException:
        give_back(self, b"".join(blocks))
        raise
    return b"".join(blocks)


async def read_stream(self, fd):
    self._read_so_far[fd] = await plain_read_stream(self, fd)
    return self._read_so_far[fd]


async def communicate(self, input=None):
    # New input after a call that was cancelled is refused, as CPython has decided (gh-139373).
    if getattr(self, "_cut_short", False) and self.stdin is not None and input:
        raise ValueError("Cannot send input after starting communication")
    self._cut_short = True
    self._read_so_far = {}
    if input is None and self.stdin is not None:
        input = b""  # before 3.12 stdin was left open otherwise
    try:
        result = await plain_communicate(self, input)
        self._cut_short = False
        return result
    except BaseException:
        for fd, data in self._read_so_far.items():
            give_back({1: self.stdout, 2: self.stderr}[fd], data)
        raise


# A pipe is paused when more is buffered than twice the limit and nobody waits. While somebody waits
# for more than that asyncio reads on, and so it does when he has been cancelled, until the next
# data comes; here he leaves it paused.

plain_wait_for_data = Reader._wait_for_data


def pause_if_due(reader):
    busy = reader._paused or reader._eof or reader._waiter is not None
    if reader._transport is None or busy or len(reader._buffer) <= 2 * reader._limit:
        return
    reader._transport.pause_reading()
    reader._paused = True


async def wait_for_data(self, function):
    try:
        await plain_wait_for_data(self, function)
    except BaseException:
        pause_if_due(self)
        raise


# wait() completes when the child exits; in asyncio before 3.14 when its pipes are closed as well.

plain_process_exited = Transport._process_exited


def process_exited(self, returncode):
    plain_process_exited(self, returncode)
    waiters = self._exit_waiters or []
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(returncode)
    waiters.clear()


# A signal to a child that was reaped is a ProcessLookupError at once, not only when its pipes are
# closed; and before 3.13 asyncio took the status of a child that has exited from its own watcher.


def send_signal(self, number):
    if self._proc is None or self._returncode is not None:
        raise ProcessLookupError()
    os.kill(self._pid, number)


def terminate(self):
    self.send_signal(signal.SIGTERM)


def kill(self):
    self.send_signal(signal.SIGKILL)


# A wait_closed() that is cancelled is alone in that; asyncio's are all the same future.


def get_close_waiter(self, stream):
    return asyncio.shield(self._stdin_closed)


AMENDMENTS = [
    (Reader, "read", read),
    (Reader, "_wait_for_data", wait_for_data),
    (Process, "communicate", communicate),
    (Process, "_read_stream", read_stream),
    (Transport, "_process_exited", process_exited),
    (Transport, "send_signal", send_signal),
    (Transport, "terminate", terminate),
    (Transport, "kill", kill),
    (SubprocessStreamProtocol, "_get_close_waiter", get_close_waiter),
]
