"""What _fastproc adds to asyncio, in terms of asyncio: the model of it.

Each function does to a process of asyncio what the method of its name does to one of ours.
"""

import errno
import math
import os
import signal


def signal_group(proc, leads, number):
    if not leads:
        raise ValueError("the child does not lead a process group")
    if proc.returncode is not None:  # nobody else is in it
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    os.killpg(proc.pid, number)


def close(proc):
    if proc.stdin is not None and not proc.stdin.is_closing():  # asyncio fails later otherwise
        proc.stdin.transport.abort()
    for fd in (1, 2):
        pipe = proc._transport.get_pipe_transport(fd)
        if pipe is not None:
            pipe.close()


async def stop(proc, leads, number, grace):
    """Of a child that obeys: without grace it is killed, with it the signal is enough."""
    if proc.returncode is None:
        numbers = (number, signal.SIGCONT) if grace > 0 else (signal.SIGKILL,)
        for number in numbers:
            os.killpg(proc.pid, number) if leads else proc.send_signal(number)
        await proc.wait()
    return proc.returncode


def communicate(proc, data, linger):
    """Nobody else holds the pipes, or for shorter than this."""
    assert linger is None or linger >= 60 or math.isinf(linger)
    return proc.communicate(data)


async def next_line(reader):
    """One line of any length."""
    while (end := reader._buffer.find(b"\n") + 1) == 0 and not reader._eof:
        if reader._exception is not None:
            raise reader._exception
        await reader._wait_for_data("lines")
    if not (line := await reader.read(end or len(reader._buffer))):
        raise StopAsyncIteration
    return line
