# SPDX-License-Identifier: MIT
"""run() and run_shell(): one command, its whole answer, and nothing left behind."""

import asyncio
import contextlib
import subprocess
from signal import SIGTERM
from subprocess import DEVNULL, PIPE
from time import monotonic

from . import _core
from ._kept_output import Codec, Kept, OurOwn
from ._stop import climb, kill_now, until_gone

CHUNK = 64 * 1024  # bytes: what a pipe holds


class TimeoutExpired(subprocess.TimeoutExpired, TimeoutError):
    """A command took longer than allowed, and was ended with its group.

    cmd: list or str; what was run.
    timeout: float, in seconds.
    output, stdout: bytes, or str in text mode; what was read until
        then, None for what was not captured.
    stderr: the same.

    Not in asyncio.
    """

    def __init__(self, cmd, timeout, output=None, stderr=None):
        super().__init__(cmd, timeout, output, stderr)
        self.args = (cmd, timeout)  # for the repr: OSError leaves it empty

    def __reduce__(self):
        return type(self), (self.cmd, self.timeout, self.output, self.stderr)


class CompletedProcess(subprocess.CompletedProcess):
    """What run() returns: a subprocess.CompletedProcess that knows more.

    args, returncode, stdout, stderr: as in subprocess.CompletedProcess.
    resource_usage: resource.struct_rusage of the child, or None if
        other code reaped it.
    duration: float, in seconds, from the call to the result.
    stdout_bytes, stderr_bytes: int; how many bytes came, which is more
        than were kept if max_output was less.
    lingering: bool; whether another process still held a pipe when
        reading was ended.

    Not in asyncio.
    """

    def __repr__(self):
        return (
            f"{type(self).__name__}(args={self.args!r}, returncode={self.returncode!r}, "
            f"duration={self.duration:.3f}, stdout_bytes={self.stdout_bytes}, "
            f"stderr_bytes={self.stderr_bytes}, lingering={self.lingering})"
        )


# Where users find them, and what tracebacks show.
CompletedProcess.__module__ = TimeoutExpired.__module__ = __package__


async def run(
    program,
    *args,
    input=None,
    stdin=DEVNULL,
    stdout=PIPE,
    stderr=PIPE,
    timeout=None,
    grace=2.0,
    linger=0.5,
    kill_orphans=False,
    max_output=None,
    keep="tail",
    tee=None,
    check=False,
    text=None,
    encoding=None,
    errors=None,
    **popen_keywords,
):
    """Run a program to its end and return what it has written.

    The child leads a new session, unless start_new_session or
    process_group say otherwise. If anything is raised, the child and
    its whole process group were ended before: by SIGTERM, and by
    SIGKILL after the time of grace. A second cancellation kills at
    once. Processes that have left the group (setsid(), daemons) are not
    reached, unless cgroup= is given: then all of the cgroup is ended.

    program: str, bytes or path-like; searched in PATH if it has no
        slash.
    args: str, bytes or path-like each.
    input: bytes-like, or str in text mode; what the child reads from
        its stdin, or what is typed at its terminal if stdin is PTY.
    stdin: PIPE, PTY, DEVNULL, a descriptor, an object with fileno(),
        or None, which lets the child inherit.
    stdout: the same.
    stderr: the same, or STDOUT.
    timeout: float, in seconds, from the call to the exit and the end of
        the outputs; None is no limit. What is left is ended after it.
    grace: float, in seconds, from SIGTERM to SIGKILL; 0 kills at once.
    linger: float, in seconds; how long the outputs are read on, and the
        input is written on, after the exit if another process still
        holds their pipes. None is as long as it takes.
    kill_orphans: bool; whether to end the process group, and the cgroup,
        when the child has exited. Then nothing lingers.
    max_output: int; how many bytes of each output are kept. The rest is
        read and dropped. None keeps everything.
    keep: 'tail' or 'head'; which bytes are kept.
    tee: True copies the outputs to sys.stdout and sys.stderr as they
        come; a function is called with (1 or 2, bytes).
    check: bool; whether to raise CalledProcessError if the returncode
        is not 0.
    text: bool; give str, with universal newlines, as subprocess.run()
        does.
    encoding: str, of text mode, which it turns on.
    errors: str; how text mode treats what it cannot decode. It turns
        text mode on.
    popen_keywords: the other keywords of create_subprocess_exec(),
        cgroup among them.
    Returns an awaitable of CompletedProcess.
    Raises TimeoutExpired, which is a TimeoutError as well,
        subprocess.CalledProcessError, and OSError if the program cannot
        be started.

    Not in asyncio.
    """
    job = Job(
        [program, *args], input, timeout, grace, linger, kill_orphans, check, text, encoding, errors
    )
    if max_output is not None or tee:
        job.keep_some(max_output, keep, tee)
    job.add_stdio(stdin, stdout, stderr, popen_keywords)
    return await job.run(_core.create_subprocess_exec, (program, *args), popen_keywords)


async def run_shell(
    cmd,
    *,
    input=None,
    stdin=DEVNULL,
    stdout=PIPE,
    stderr=PIPE,
    timeout=None,
    grace=2.0,
    linger=0.5,
    kill_orphans=False,
    max_output=None,
    keep="tail",
    tee=None,
    check=False,
    text=None,
    encoding=None,
    errors=None,
    **popen_keywords,
):
    """Run a command line in /bin/sh and return what it has written.

    cmd: str or bytes.

    The other parameters, the result and the exceptions are those of
    run().

    Not in asyncio.
    """
    job = Job(cmd, input, timeout, grace, linger, kill_orphans, check, text, encoding, errors)
    if max_output is not None or tee:
        job.keep_some(max_output, keep, tee)
    job.add_stdio(stdin, stdout, stderr, popen_keywords)
    return await job.run(_core.create_subprocess_shell, (cmd,), popen_keywords)


class Job:
    """One call of run() or run_shell()."""

    __slots__ = (
        "began",
        "check",
        "cmd",
        "codec",
        "creating",
        "grace",
        "input",
        "kept",
        "kill_orphans",
        "linger",
        "lingering",
        "outputs",
        "process",
        "tee",
        "timeout",
    )

    def __init__(
        self, cmd, input, timeout, grace, linger, kill_orphans, check, text, encoding, errors
    ):
        if grace < 0:
            raise ValueError("grace must not be negative")
        self.began = monotonic()
        self.cmd = cmd
        self.timeout = timeout
        self.grace = grace
        self.linger = 0 if kill_orphans else linger
        self.kill_orphans = kill_orphans
        self.check = check
        self.codec = None
        if text or encoding or errors:
            self.codec = Codec(encoding, errors)
            if input is not None:
                input = self.codec.encode(input)
        elif isinstance(input, str):
            raise TypeError("input must be bytes-like, not str, unless in text mode")
        self.input = input
        self.creating = self.process = None
        self.outputs = None
        self.lingering = False
        self.kept = None

    def keep_some(self, max_output, keep, tee):
        if keep not in ("head", "tail"):
            raise ValueError('keep must be "head" or "tail"')
        if max_output is not None and max_output < 0:
            raise ValueError("max_output must not be negative")
        self.kept = [None, Kept(max_output, keep), Kept(max_output, keep)]
        self.tee = OurOwn() if tee is True else tee

    def add_stdio(self, stdin, stdout, stderr, popen_keywords):
        """Add stdin, stdout, stderr and a new session to the keywords."""
        if self.input is not None:
            if stdin not in (DEVNULL, PIPE, _core.PTY):
                raise ValueError("stdin and input arguments may not both be used.")
            if stdin != _core.PTY:
                stdin = PIPE
        popen_keywords["stdin"] = stdin
        popen_keywords["stdout"] = stdout
        popen_keywords["stderr"] = stderr
        if "start_new_session" not in popen_keywords and "process_group" not in popen_keywords:
            popen_keywords["start_new_session"] = True

    async def run(self, create, args, popen_keywords):
        try:
            if self.timeout is None:
                await self.start_and_read(create, args, popen_keywords)
            else:
                with Limit(self.timeout):
                    await self.start_and_read(create, args, popen_keywords)
            process = self.process
            if self.kill_orphans or (self.check and process.returncode):
                await climb(process, SIGTERM, self.grace)
            result = self.result()
            process._hold_group(False)
            result.resource_usage = process.resource_usage
            result.duration = monotonic() - self.began
            return result
        except GeneratorExit:  # nothing can be waited for
            if self.process is not None:
                kill_now(self.process)
                self.process.close()
                self.process._hold_group(False)  # or the child would stay a zombie before Linux 6.9
            raise
        except LimitReached:
            trouble = await self.end()
            expired = TimeoutExpired(self.cmd, self.timeout, *await self.rest())
            note(expired, trouble)
            raise expired from None
        except BaseException as error:
            note(error, await self.end())
            raise

    async def start_and_read(self, create, args, popen_keywords):
        self.creating = create(*args, **popen_keywords)
        self.process = process = await self.creating
        process._hold_group(True)
        stdin = process.stdin
        if self.kept is not None:
            await self.read_some()
        else:
            self.outputs = await process.communicate(self.input, linger=self.linger)
        if stdin is not None and stdin.transport.get_write_buffer_size():
            await self.let_input_be_read(stdin)
        self.lingering |= process._lingered

    async def let_input_be_read(self, stdin):
        """Let other processes read it after the child's exit, as long as outputs are read on."""
        with contextlib.suppress(ConnectionError):
            if self.linger is None:
                await stdin.wait_closed()
                return
            try:
                with Limit(0 if self.process._lingered else self.linger):
                    await stdin.wait_closed()
            except LimitReached:
                self.process.close()
                self.lingering = True

    async def read_some(self):
        """Like communicate(), but look at each piece when it comes, and keep only some of them."""
        process, kept, tee = self.process, self.kept, self.tee
        process._set_linger(self.linger)
        if process.stdin is not None:
            if self.input is not None:
                process.stdin.write(self.input)
            process.stdin.close()
        try:
            while (piece := await process._next_output(CHUNK)) is not None:
                stream, data = piece
                kept[stream].add(data)
                if tee:
                    tee(stream, data)
            await process.wait()
        finally:
            process._set_linger(None)  # because its timer refers to the child
        self.outputs = self.all_kept()

    def all_kept(self):
        streams = (self.process.stdout, self.process.stderr)
        return [
            None if stream is None else kept.all() for stream, kept in zip(streams, self.kept[1:])
        ]

    def result(self):
        process, outputs = self.process, self.outputs
        if self.kept is None:
            out, err = outputs
            sizes = (len(out) if out else 0, len(err) if err else 0)
        else:
            sizes = (self.kept[1].count, self.kept[2].count)
        if self.codec is not None:
            outputs = self.decoded(outputs, sizes)
        returncode = process.returncode
        if self.check and returncode:
            raise subprocess.CalledProcessError(returncode, self.cmd, *outputs)
        result = CompletedProcess(self.cmd, returncode, *outputs)
        result.stdout_bytes, result.stderr_bytes = sizes
        result.lingering = self.lingering
        return result

    def decoded(self, outputs, sizes):
        return [
            output
            if output is None
            else self.codec.decode(output, size > len(output) and self.kept[1].keep)
            for output, size in zip(outputs, sizes)
        ]

    async def end(self):
        """End all that is left of the child.  Returns the exception if that failed, else None."""
        process = self.process
        if process is None:
            if self.creating is not None and self.creating._begun is not None:
                await until_gone(self.creating._begun)
            return None
        try:
            await climb(process, SIGTERM, self.grace)
        except (PermissionError, TimeoutError) as trouble:
            return trouble
        finally:
            process.close()

    async def rest(self):
        """What was read before the pipes were closed; [None, None] if there was no child."""
        process = self.process
        if process is None:
            return [None, None]
        outputs = self.outputs
        if outputs is None:
            if self.kept is None:
                self.keep_some(None, "tail", None)
            while (piece := await process._next_output(CHUNK)) is not None:
                stream, data = piece
                self.kept[stream].add(data)
            outputs = self.all_kept()
        if self.codec is not None:
            self.codec.errors = "replace"  # the outputs may end within a character
            outputs = self.decoded(outputs, [len(output or b"") for output in outputs])
        return outputs


def note(error, trouble):
    if trouble is not None:
        error.add_note(f"The child could not be ended: {trouble}")


class LimitReached(Exception):
    pass


class Limit:
    """Like asyncio.timeout(), in a third of the time."""

    __slots__ = ("task", "cancelling", "expired", "timer")

    def __init__(self, seconds):
        self.task = asyncio.current_task()
        if self.task is None:
            raise RuntimeError("a time limit needs a task")
        self.cancelling = self.task.cancelling()
        self.expired = False
        self.timer = asyncio.get_running_loop().call_later(seconds, self.expire)

    def expire(self):
        self.expired = True
        self.task.cancel()

    def __enter__(self):
        pass

    def __exit__(self, kind, error, traceback):
        self.timer.cancel()
        if not self.expired or self.task.uncancel() > self.cancelling:
            return
        if isinstance(error, asyncio.CancelledError):
            raise LimitReached
