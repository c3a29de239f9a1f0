# SPDX-License-Identifier: MIT
"""The end of a child, of its process group and of its cgroup: Process.stop(), `async with process`.

A signal, a time of grace, SIGKILL for what is left.  No kernel reports that a group has become
empty, so it is polled, at first after fractions of a millisecond.
"""

import asyncio.subprocess
import contextlib
import inspect
import os
from signal import SIGCONT, SIGKILL, SIGTERM
from time import monotonic

from . import _cgroup, _core

FIRST_PAUSE = 0.0005  # seconds between two looks at the group; each is twice the one before
LONGEST_PAUSE = 0.1
WORTH_A_SEARCH = (
    0.01  # from this pause on zombies are told from the living, which takes milliseconds
)
PATIENCE = 5.0  # seconds for what was killed to be gone; some processes are stuck in the kernel
MOMENT = 0.1  # seconds for a child that has closed its outputs to exit by itself


def send(process, signum):
    """Signal the group that the child leads, else the child, and all others in its cgroup."""
    if process._cgroup is not None:
        send_to_cgroup(process, signum)
    with contextlib.suppress(ProcessLookupError):
        try:
            process.signal_group(signum)
        except ValueError:  # it leads none
            process.send_signal(signum)


def send_to_cgroup(process, signum):
    def gets_it_anyway(pid):
        return pid == process.pid or os.getpgid(pid) == process.pid

    if signum == SIGKILL:
        _cgroup.kill(process._cgroup)
        return
    with contextlib.suppress(OSError):  # too few descriptors to list the cgroup
        if _cgroup.may_be_ended(process._cgroup):
            _cgroup.send(process._cgroup, signum, but_not=gets_it_anyway)


def kill_now(process):
    """Kill without waiting: the loop, or its end, reaps the zombie."""
    with contextlib.suppress(PermissionError):
        send(process, SIGKILL)


def is_running(process, search):
    """Whether the child or anything of its group runs; zombies count unless `search`."""
    if process.returncode is None:
        return True
    if process._cgroup is not None and _cgroup.has_to_be_ended(process._cgroup):
        return True
    try:
        process.signal_group(0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:  # only processes that now belong to another user are left
        return True
    return not search or has_living_member(process.pid)


def has_remains(process):
    """Whether anything of the group or cgroup of a child that was killed and reaped still runs."""
    if process._cgroup is not None and _cgroup.has_to_be_ended(process._cgroup):
        return True
    try:
        process.signal_group(0)
    except ValueError:  # it led none
        return False
    except PermissionError:
        return True
    except ProcessLookupError:  # before Linux 6.9 this only says that the child is reaped
        return process.pid > 0 and has_living_member(process.pid, if_unknown=False)
    return has_living_member(process.pid)


async def until_gone(process):
    """Wait until the processes are gone that an interrupted create call has killed.

    A cancellation does not end the wait, and is raised after it.
    """
    deadline = monotonic() + PATIENCE
    pause = FIRST_PAUSE
    child = asyncio.ensure_future(process.wait())
    cancelled = None
    try:
        while (not child.done() or has_remains(process)) and monotonic() < deadline:
            if process._cgroup is not None:
                _cgroup.kill(process._cgroup)
            try:
                await asyncio.sleep(pause)
            except asyncio.CancelledError as error:
                cancelled = error
            pause = min(2 * pause, LONGEST_PAUSE)
    finally:
        child.cancel()
    if cancelled is not None:
        raise cancelled


def has_living_member(group, if_unknown=True):
    """Whether the group has a member that is not a zombie.

    Zombies are members, too, and stay if their parent is a container's first process, which often
    reaps nobody.
    """
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return if_unknown
    if not names:
        return if_unknown
    for name in names:
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            state, _, its_group = file.read().rpartition(b")")[2].split()[:3]
            if int(its_group) == group and state not in b"ZX":
                return True
    return False


class Ladder:
    """The steps from the first signal to the end, shared by all who wait for the same child."""

    def __init__(self, process, signum, grace):
        self.process = process
        self.deadline = monotonic() + grace
        self.killed = False
        self.climbers = 0
        self.refusal = None  # the PermissionError of a child that may not be signalled
        if grace > 0:
            self.send(signum)
            self.send(SIGCONT)  # a stopped process notices no signal before
        else:
            self.kill()

    def send(self, signum):
        try:
            send(self.process, signum)
        except PermissionError as error:
            self.refusal = error

    def kill(self):
        if not self.killed:
            self.killed = True
            self.deadline = monotonic() + PATIENCE
            self.send(SIGKILL)

    def hasten(self, grace):
        if not self.killed:
            self.deadline = min(self.deadline, monotonic() + grace)

    async def climb(self):
        """Return when nothing is left.  If cancelled, kill at once, but raise only then."""
        cancelled = None
        pause = FIRST_PAUSE
        self.process._hold_group(True)
        self.climbers += 1
        try:
            while is_running(self.process, search=pause >= WORTH_A_SEARCH):
                left = self.deadline - monotonic()
                if left <= 0:
                    if self.killed:
                        break
                    self.kill()
                    pause = FIRST_PAUSE
                    continue
                if self.killed and self.process._cgroup is not None:
                    _cgroup.kill(self.process._cgroup)  # which may have failed before
                try:
                    await asyncio.sleep(min(pause, left))
                except asyncio.CancelledError as error:
                    if self.climbers > 1:  # the other calls go on to the end
                        raise
                    self.kill()
                    cancelled = error
                    pause = FIRST_PAUSE
                pause = min(2 * pause, LONGEST_PAUSE)
        except BaseException:
            if self.climbers == 1:
                kill_now(self.process)
            raise
        finally:
            self.climbers -= 1
            if self.climbers == 0:
                self.process._hold_group(False)
        if cancelled is not None:
            raise cancelled
        if self.process.returncode is None:
            raise self.refusal or TimeoutError(f"{self.process!r} does not end after SIGKILL")


async def climb(process, signum, grace):
    """Ends the child and its group, in one ladder with other calls that are ending it."""
    ladder = getattr(process, "_ladder", None)
    if ladder is not None and ladder.climbers > 0:
        ladder.hasten(grace)
    else:
        ladder = process._ladder = Ladder(process, signum, grace)
    try:
        await ladder.climb()
    finally:
        if ladder.climbers == 0:
            process._ladder = None  # they refer to each other


async def stop(self, signal=SIGTERM, *, grace=5.0):
    """End the child and the process group that it leads, and wait.

    It sends the signal, and SIGCONT for processes that are stopped,
    waits until nothing of the group runs, and kills what is left after
    the time of grace. Calls that overlap work together, and the
    shortest grace counts. A call that is cancelled kills at once and
    ends when that has had its effect, unless other calls wait as well.
    A process that has left the group, by setsid() for example, is not
    reached, unless the child was started with cgroup=: then all of the
    cgroup is ended.

    signal: int; what is sent first.
    grace: float, in seconds; 0 kills at once.
    Returns an awaitable of int; the returncode, at once if the child
        has exited before.
    Raises PermissionError for a child that may not be signalled,
        TimeoutError for one that outlives SIGKILL by 5 seconds,
        ValueError for a negative grace.

    Not in asyncio.
    """
    if grace < 0:
        raise ValueError("grace must not be negative")
    ladder = getattr(self, "_ladder", None)
    if self.returncode is None or (ladder is not None and ladder.climbers > 0):
        await climb(self, signal, grace)
    return self.returncode


async def aenter(self):
    """Return the process."""
    return self


async def aexit(self, exc_type, exc_value, traceback):
    """Call stop() if the child still runs, then close().

    A child whose outputs have ended gets 0.1 seconds to exit by itself.
    """
    if exc_type is GeneratorExit:  # nothing can be waited for
        kill_now(self)
        self.close()
        return
    try:
        if exc_type is None and outputs_have_ended(self):
            await exit_within(self, MOMENT)
        await self.stop()
    except GeneratorExit:
        kill_now(self)
        raise
    finally:
        self.close()


def outputs_have_ended(process):
    outputs = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    return bool(outputs) and all(stream.at_eof() for stream in outputs)


async def exit_within(process, seconds):
    deadline = monotonic() + seconds
    pause = FIRST_PAUSE
    try:
        while process.returncode is None and monotonic() < deadline:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE / 10)
    except asyncio.CancelledError:
        await process.stop(grace=0)
        raise


def become_methods():
    """And make communicate() show the parameter that asyncio's does not have."""
    like_asyncio = inspect.signature(asyncio.subprocess.Process.communicate)
    linger = inspect.Parameter("linger", inspect.Parameter.KEYWORD_ONLY, default=None)
    _core.Process.communicate.__signature__ = like_asyncio.replace(
        parameters=[*like_asyncio.parameters.values(), linger]
    )
    for name, function in {"stop": stop, "__aenter__": aenter, "__aexit__": aexit}.items():
        function.__name__ = name
        function.__qualname__ = f"Process.{name}"
        setattr(_core.Process, name, function)


become_methods()
