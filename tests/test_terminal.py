"""Children at a terminal: stdin, stdout or stderr is PTY."""

import asyncio
import contextlib
import errno
import fcntl
import gc
import os
import platform
import re
import shutil
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest
from support import (
    children,
    descriptors,
    exited,
    free_descriptors,
    iterate,
    until,
    until_blocking,
    until_reaped,
)

import _fastproc
from _fastproc import DEVNULL, PIPE, PTY, STDOUT, run, run_shell

pytestmark = [
    pytest.mark.differs("asyncio", "it has no terminals"),
    pytest.mark.telling_paths("vfork", "fork", "shared"),
]
every_path = pytest.mark.every_path
one_loop = pytest.mark.not_on("uvloop", "the loop has no part in it")
TERMINAL = {"stdin": PTY, "stdout": PTY, "stderr": PTY}
PYTHON = [sys.executable, "-S", "-s", "-c"]
IOCTL = {"x86_64": 16, "aarch64": 29}
DUMB = os.environ | {"TERM": "dumb", "PS1": "$ ", "HISTFILE": ""}


def at_terminal(aio, *command, **kwds):
    return aio.create_subprocess_exec(*command, **(TERMINAL | kwds))


def shell(aio, script, *args, **kwds):
    return at_terminal(aio, "/bin/sh", "-c", script, "sh", *args, **kwds)


class Dialogue:
    """What somebody sees who types at the terminal."""

    def __init__(self, proc):
        self.proc = proc
        self.seen = b""

    def type(self, text):
        self.proc.stdin.write(text)

    async def until(self, text):
        """All that is shown up to this, which must not have been seen before."""
        while text not in self.seen:
            more = await self.proc.stdout.read(1 << 16)
            assert more, f"ended without {text!r}: {self.seen!r}"
            self.seen += more
        before, found, self.seen = self.seen.partition(text)
        return before + found

    async def answer(self, text, until):
        self.type(text)
        return await self.until(until)

    async def end(self):
        """The rest, and the status."""
        rest = self.seen + await self.proc.stdout.read()
        return rest, await self.proc.wait()


def status(pid):
    """pgrp, session, tty_nr, tpgid as /proc has them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[2:6]]


# What the child finds


@every_path
def test_child_leads_a_session_at_the_terminal(aio):
    async def main():
        proc = await shell(aio, "tty; test -t 0 && test -t 1 && test -t 2 && echo all; read line")
        dialogue = Dialogue(proc)
        shown = await dialogue.until(b"all\r\n")
        assert re.fullmatch(rb"/dev/pts/\d+\r\nall\r\n", shown)
        group, session, terminal, foreground = status(proc.pid)
        assert group == session == foreground == proc.pid
        name = shown.split()[0]
        assert terminal == os.stat(name).st_rdev
        proc.signal_group(0)  # it leads one
        dialogue.type(b"\n")
        assert await dialogue.end() == (b"\r\n", 0)

    aio.run(main)


@pytest.mark.skipif(not shutil.which("ps"), reason="needs ps")
@one_loop
def test_ps_names_the_terminal(aio):
    async def main():
        proc = await shell(aio, "tty; ps -o tty= -p $$; stty size")
        tty, shown, size = (await proc.communicate())[0].split(b"\r\n")[:3]
        assert tty == b"/dev/" + shown.strip() and size == b"24 80"

    aio.run(main)


WHERE = """
exec 3>$1
for fd in 0 1 2; do
    what=other
    test -t $fd && what=$(readlink /proc/$$/fd/$fd)
    echo $what >&3
done
"""


@every_path
@pytest.mark.telling_paths("shared")
def test_all_that_are_terminals_are_one(aio, tmp_path):
    file = tmp_path / "where"

    async def main(wanted):
        kwds = {name: PTY if want else PIPE for name, want in zip(TERMINAL, wanted)}
        proc = await shell(aio, WHERE, file, **kwds)
        assert proc.stdin is not None and proc.stdout is not None
        assert (proc.stderr is None) == (wanted[1] and wanted[2])
        await proc.communicate()
        where = file.read_text().split()
        assert [place != "other" for place in where] == wanted
        assert len({place for place in where if place != "other"}) == 1

    for number in range(1, 8):
        aio.run(main, [bool(number & bit) for bit in (1, 2, 4)])


@one_loop
def test_which_stream_reads_the_terminal(aio):
    """stdout if that is one; what it shows comes in the order in which it was written."""

    async def main():
        script = "echo one; echo two >&2; echo three"
        for stderr in PTY, STDOUT:
            proc = await aio.create_subprocess_shell(script, stdout=PTY, stderr=stderr)
            assert proc.stdin is None and proc.stderr is None
            assert await proc.communicate() == (b"one\r\ntwo\r\nthree\r\n", None)
        proc = await aio.create_subprocess_shell(script, stdout=PIPE, stderr=PTY)
        assert await proc.communicate() == (b"one\nthree\n", b"two\r\n")
        proc = await aio.create_subprocess_shell("test -t 2", stdout=DEVNULL, stderr=PTY)
        assert await proc.communicate() == (None, b"") and proc.returncode == 0

    aio.run(main)


def test_preexec_fn_runs_at_the_terminal(aio):
    async def main():
        def preexec():
            os.close(os.open("/dev/tty", os.O_RDWR))

        proc = await at_terminal(aio, "true", preexec_fn=preexec)
        assert await proc.communicate() == (b"", None) and proc.returncode == 0

    aio.run(main)


@pytest.mark.skipif(os.getuid() != 0, reason="changes its user")
@every_path
@pytest.mark.telling_paths("shared")
def test_child_owns_its_terminal_when_it_is_another_user(aio):
    async def main():
        script = "stat -c %u $(tty); exec 3<>$(tty) && echo opened"
        proc = await shell(aio, script, user=65534, group=65534)
        assert await proc.communicate() == (b"65534\r\nopened\r\n", None)

    aio.run(main)


# Its size


def test_size_at_the_start(aio):
    async def main():
        for given, rows, columns in (
            (None, 24, 80),
            ((40, 132), 40, 132),
            ((0, 65535), 0, 65535),
            ((True, 7), 1, 7),
            (os.terminal_size((132, 40)), 40, 132),
        ):
            proc = await at_terminal(aio, "stty", "size", terminal_size=given)
            assert await proc.communicate() == (b"%d %d\r\n" % (rows, columns), None)

    aio.run(main)


RESIZED = """
import os, signal, time
def show(*args): os.write(1, b"%d %d\\n" % os.get_terminal_size())  # print() is not reentrant
signal.signal(signal.SIGWINCH, show)
print("ready", flush=True)
while True: time.sleep(0.01)
"""


@every_path
def test_resizing_signals_the_child(aio):
    async def main():
        proc = await at_terminal(aio, *PYTHON, RESIZED)
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        proc.set_terminal_size(50, 100)
        assert await dialogue.until(b"\n") == b"100 50\r\n"
        proc.set_terminal_size(columns=7, rows=9)
        assert await dialogue.until(b"\n") == b"7 9\r\n"
        dialogue.type(b"\x03")
        assert (await dialogue.end())[1] != 0

    aio.run(main)


@one_loop
def test_size_of_no_terminal(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true", stdout=PIPE)
        with pytest.raises(ValueError, match="^the child has no terminal$"):
            proc.set_terminal_size(1, 2)
        await proc.communicate()
        with pytest.raises(ValueError, match="^the child has no terminal$"):
            proc.set_terminal_size(1, 2)

        proc = await at_terminal(aio, "cat")
        for bad, error in ((-1, ValueError), (65536, ValueError), (1 << 80, ValueError)):
            for size in (bad, 1), (1, bad):
                with pytest.raises(error, match=r"^set_terminal_size\(\): .* between 0 and 65535$"):
                    proc.set_terminal_size(*size)
        for size in (1.5, 1), (1, "2"), (None, 1):
            with pytest.raises(TypeError, match="rows and columns must be ints, not "):
                proc.set_terminal_size(*size)
        with pytest.raises(TypeError):
            proc.set_terminal_size(1)
        proc.set_terminal_size(3, 4)
        await proc.communicate()
        with pytest.raises(ProcessLookupError, match="the terminal is closed"):
            proc.set_terminal_size(3, 4)

        proc = await at_terminal(aio, "sleep", "60")
        proc.close()
        with pytest.raises(ProcessLookupError, match="the terminal is closed"):
            proc.set_terminal_size(3, 4)
        assert await proc.wait() == -signal.SIGHUP

    aio.run(main)


# What is refused

NEEDS = "needs stdin, stdout or stderr to be PTY"
BAD = [
    ({"terminal_size": (24, 80)}, ValueError, f"terminal_size {NEEDS}"),
    ({"terminal_size": (24, 80), "stdout": PIPE}, ValueError, f"terminal_size {NEEDS}"),
    ({"terminal_raw": True}, ValueError, f"terminal_raw {NEEDS}"),
    ({"process_group": 0, "stdin": PTY}, ValueError, "process_group cannot be set with PTY"),
    ({"process_group": 7, "stderr": PTY}, ValueError, "process_group cannot be set with PTY"),
    ({"stdin": -5}, OSError, None),
]
BAD += [
    ({"terminal_size": size, "stdin": PTY}, TypeError, "^terminal_size must be a tuple: rows and ")
    for size in (24, "ab", [24, 80], (24,), (1, 2, 3), 1.5, b"ab")
]
BAD += [
    ({"terminal_size": size, "stdin": PTY}, TypeError, "^terminal_size: rows and columns must be i")
    for size in ((1.5, 2), ("1", 2), (2, None))
]
BAD += [
    ({"terminal_size": size, "stdin": PTY}, ValueError, "^terminal_size: rows and columns .* 65535")
    for size in ((-1, 2), (2, 65536), (1 << 70, 1))
]


@one_loop
def test_bad_values_start_nothing(aio):
    async def main():
        for kwds, error, message in BAD:
            for create in (
                lambda kwds: aio.create_subprocess_exec("true", **kwds),
                lambda kwds: aio.create_subprocess_shell("true", **kwds),
                lambda kwds: aio.subprocess_exec(asyncio.SubprocessProtocol, "true", **kwds),
                lambda kwds: run("true", **kwds),
            ):
                with pytest.raises(error, match=message):
                    await create(kwds)
                assert not children()

    aio.run(main)


def test_what_needs_no_terminal_and_what_goes_with_one(aio):
    async def main():
        proc = await aio.create_subprocess_exec("true", terminal_size=None, terminal_raw=False)
        assert await proc.wait() == 0
        for kwds in {"start_new_session": False}, {"process_group": None}, {"pipesize": 65536}:
            proc = await at_terminal(aio, "tty", **kwds)
            assert (await proc.communicate())[0].startswith(b"/dev/pts/")

        class Raising:
            def __bool__(self):
                raise ZeroDivisionError

        for kwds in {}, TERMINAL:
            with pytest.raises(ZeroDivisionError):
                await aio.create_subprocess_exec("true", terminal_raw=Raising(), **kwds)

    aio.run(main)


# Typing and reading


@every_path
def test_echo_and_newlines_as_a_terminal_has_them(aio):
    async def main():
        proc = await at_terminal(aio, "cat")
        dialogue = Dialogue(proc)
        assert await dialogue.answer(b"hello\n", b"hello\r\nhello\r\n")
        assert await dialogue.answer(b"a\x7fb\r", b"b\r\nb\r\n")  # erased; return is a newline
        proc.stdin.write_eof()
        assert await dialogue.end() == (b"", 0)
        assert proc.stdout.at_eof()

    aio.run(main)


@every_path
@pytest.mark.telling_paths("shared")
def test_raw_terminal_passes_every_byte(aio):
    async def main():
        data = bytes(range(256)) * 20
        proc = await at_terminal(aio, "head", "-c", str(len(data)), terminal_raw=True)
        proc.stdin.write(data)
        assert await proc.stdout.read() == data
        assert await proc.wait() == 0

    aio.run(main)


def test_large_input_goes_through_a_raw_terminal(aio, slow):
    async def main():
        data = os.urandom(1 << (20 if slow else 18))
        proc = await at_terminal(aio, "head", "-c", str(len(data)), terminal_raw=True)

        async def write():
            for start in range(0, len(data), 10_000):
                proc.stdin.write(data[start : start + 10_000])
                await proc.stdin.drain()

        out, _ = await asyncio.gather(proc.stdout.readexactly(len(data)), write())
        assert out == data and await proc.stdout.read() == b"" and await proc.wait() == 0

    aio.run(main)


def test_lines_of_a_terminal(aio):
    async def main():
        proc = await shell(aio, "echo one; echo two; printf three")
        assert await proc.stdout.readline() == b"one\r\n"
        assert await proc.stdout.readuntil(b"\r") == b"two\r"
        assert [line async for line in proc.stdout] == [b"\n", b"three"]
        assert await proc.wait() == 0
        proc = await shell(aio, "echo one; echo two")
        assert [line async for line in proc.stdout.lines(encoding="ascii")] == ["one\n", "two\n"]
        assert await proc.wait() == 0

    aio.run(main)


def test_line_beyond_what_a_terminal_takes_is_cut_and_nothing_hangs(aio):
    """By the kernel: 4,095 bytes of a line, as long as the terminal edits lines."""

    async def main():
        proc = await shell(aio, "stty -echo; echo ready; head -n 2")
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        dialogue.type(b"x" * 5000 + b"\nnext\n")
        shown, returncode = await dialogue.end()
        assert returncode == 0
        assert shown.replace(b"\a", b"") == b"x" * 4095 + b"\r\nnext\r\n"

    aio.run(main)


def test_child_that_writes_first_is_not_taken_for_one_that_closed_stdin(aio):
    async def main():
        proc = await shell(aio, "seq 2000; read line; echo got $line")
        dialogue = Dialogue(proc)
        await dialogue.until(b"\n2000\r\n")
        await iterate(5)
        assert not proc.stdin.is_closing()
        await dialogue.answer(b"it\n", b"got it\r\n")
        assert await dialogue.end() == (b"", 0)

    aio.run(main)


def test_what_is_typed_before_the_child_reads_waits_for_it(aio):
    async def main():
        proc = await shell(aio, "sleep 0.05; read a; read b; echo $b-$a")
        proc.stdin.write(b"one\ntwo\n")
        assert (await proc.stdout.read()).endswith(b"two-one\r\n")
        assert await proc.wait() == 0

    aio.run(main)


# The end of what is typed


def test_end_of_file_comes_once(aio):
    """Whether a line has begun or not; and the next program can read on."""

    async def one(typed, read):
        proc = await shell(aio, "stty -echo; echo ready; cat; echo ,; cat; echo .")
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        if typed:
            proc.stdin.write(typed)
        assert proc.stdin.can_write_eof() and proc.stdin.transport.can_write_eof()
        proc.stdin.write_eof()
        assert await dialogue.until(b",\r\n") == read.replace(b"\n", b"\r\n") + b",\r\n"
        assert not proc.stdin.is_closing()
        assert await dialogue.answer(b"more\n", b"more\r\n") == b"more\r\n"
        proc.stdin.transport.write_eof()
        assert await dialogue.end() == (b".\r\n", 0)

    async def main():
        await one(b"", b"")
        await one(b"line\n", b"line\n")
        await one(b"tail", b"tail")
        await one(b"line\ntail", b"line\ntail")
        await one(b"return\r", b"return\n")
        await one(b"killed\x15", b"")
        await one(b"begun\x04", b"begun")

    aio.run(main)


@one_loop
def test_end_of_file_is_the_key_that_the_settings_name(aio):
    async def main():
        proc = await shell(aio, "stty -echo eof ^E; echo ready; cat")
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        proc.stdin.write(b"\x04")
        proc.stdin.write_eof()
        assert await dialogue.end() == (b"\x04", 0)

        proc = await shell(aio, "stty -echo eof undef; echo ready; head -n 1")
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        assert not proc.stdin.can_write_eof()
        with pytest.raises(NotImplementedError):
            proc.stdin.write_eof()
        proc.stdin.write(b"x\n")
        assert await dialogue.end() == (b"x\r\n", 0)

    aio.run(main)


def test_program_that_reads_keys_gets_the_key_once(aio):
    async def main():
        script = "stty -icanon -echo; echo ready; printf %d. $(dd bs=1 count=2 2>/dev/null | od -An -tu1)"
        proc = await shell(aio, script)
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        proc.stdin.write(b"a")
        proc.stdin.write_eof()
        assert await dialogue.end() == (b"97.4.", 0)

    aio.run(main)


def test_raw_terminal_has_no_end_of_file(aio):
    async def main():
        proc = await at_terminal(aio, "head", "-c", "3", terminal_raw=True)
        assert not proc.stdin.can_write_eof() and not proc.stdin.transport.can_write_eof()
        for write_eof in proc.stdin.write_eof, proc.stdin.transport.write_eof:
            with pytest.raises(NotImplementedError, match="^a raw terminal has no end of file$"):
                write_eof()
        proc.stdin.write(b"abc")
        proc.stdin.close()
        await proc.stdin.wait_closed()
        proc.stdin.write_eof()  # silent, as on a closed pipe
        assert await proc.stdout.read() == b"abc" and await proc.wait() == 0

    aio.run(main)


def test_end_of_file_waits_behind_what_is_queued(aio):
    async def main():
        proc = await shell(aio, "stty -echo; echo ready; sleep 0.1; exec cat")
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        lines = b"".join(b"%d\n" % number for number in range(10_000))
        proc.stdin.write(lines)
        assert proc.stdin.transport.get_write_buffer_size() > 0
        proc.stdin.close()
        proc.stdin.close()
        shown, returncode = await dialogue.end()
        assert returncode == 0 and shown.replace(b"\r\n", b"\n") == lines

    aio.run(main)


def test_closing_stdin_ends_the_input_and_does_not_hang_up(aio):
    async def main():
        proc = await shell(
            aio, "stty -echo; echo ready; trap 'echo hup' HUP; cat; sleep 0.02; echo on"
        )
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        proc.stdin.write(b"tail")
        proc.stdin.close()
        await proc.stdin.wait_closed()
        assert proc.stdin.is_closing()
        with pytest.raises(ConnectionResetError):
            await proc.stdin.drain()
        assert await dialogue.end() == (b"tailon\r\n", 0)

    aio.run(main)


def test_end_of_input_and_close_is_one_end(aio):
    async def main():
        proc = await shell(aio, "stty -echo; echo ready; cat; cat; echo end")
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        proc.stdin.write_eof()
        proc.stdin.close()
        await proc.stdin.wait_closed()
        await asyncio.sleep(0.05)
        assert proc.returncode is None  # the second cat still reads
        proc.close()
        assert await proc.wait() == -signal.SIGHUP

    aio.run(main)


@one_loop
@pytest.mark.may_warn("use of fork")
@pytest.mark.parametrize("end", ["close", "write_eof", "collect"])
def test_forked_process_types_no_end_of_file(aio, end):
    """It has a copy of a terminal whose child is its parent's; as it only closes its copy of a pipe."""

    async def main():
        proc = await shell(aio, "stty -echo; echo ready; cat; echo end")
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        forked = os.fork()
        if forked == 0:
            if end == "close":
                proc.stdin.close()
            elif end == "write_eof":
                with contextlib.suppress(Exception):
                    proc.stdin.write_eof()
            else:
                del proc, dialogue
                gc.collect()
            os._exit(0)
        assert os.waitpid(forked, 0) == (forked, 0)
        assert await dialogue.answer(b"more\n", b"more\r\n") == b"more\r\n"
        proc.stdin.write_eof()
        assert await dialogue.end() == (b"end\r\n", 0)

    aio.run(main)


def test_abort_types_nothing(aio):
    async def main():
        proc = await shell(aio, "stty -echo; echo ready; cat; echo end")
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        proc.stdin.transport.abort()
        await proc.stdin.wait_closed()
        await asyncio.sleep(0.05)
        assert proc.returncode is None
        proc.kill()
        assert await dialogue.end() == (b"", -signal.SIGKILL)

    aio.run(main)


# The end of the child


@every_path
@pytest.mark.telling_paths("shared")
def test_what_is_written_last_is_never_lost(aio, slow):
    expected = b"".join(b"%d\r\n" % number for number in range(1, 20_001))  # 128 KB

    async def one(**kwds):
        proc = await aio.create_subprocess_exec("seq", "20000", stdout=PTY, **kwds)
        out, _ = await proc.communicate()
        assert out == expected and proc.returncode == 0

    async def slowly():
        proc = await aio.create_subprocess_exec("seq", "2000", stdout=PTY, limit=1)
        out = b""
        while piece := await proc.stdout.read(500):
            out += piece
            await asyncio.sleep(0)
        assert expected.startswith(out) and out.endswith(b"\n2000\r\n")
        assert await proc.wait() == 0

    async def main():
        for _ in range(10 if slow else 5):
            await asyncio.gather(*(one() for _ in range(6)))
        await slowly()

    aio.run(main)


def test_what_fits_the_terminal_is_there_after_the_exit(aio):
    """Read only when the child has gone."""

    async def main():
        for _ in range(20):
            proc = await aio.create_subprocess_exec("seq", "700", stdout=PTY)
            assert await proc.wait() == 0
            expected = b"".join(b"%d\r\n" % number for number in range(1, 701))
            assert await proc.stdout.read() == expected

    aio.run(main)


def test_child_that_leaves_its_terminal_goes_on(aio):
    """Its end is the end of stdout, and no hang-up."""

    async def main():
        script = "trap 'exit 1' HUP; echo text; exec </dev/null >/dev/null 2>&1; sleep 0.2; exit 7"
        proc = await shell(aio, script)
        assert await proc.stdout.read() == b"text\r\n"
        await proc.stdin.wait_closed()
        assert proc.returncode is None
        assert await proc.wait() == 7

    aio.run(main)


def test_background_process_that_keeps_the_terminal(aio):
    async def main():
        script = "trap '' HUP; sleep 60 & echo text"
        proc = await shell(aio, script)
        began = time.monotonic()
        out, _ = await proc.communicate(linger=0.05)
        assert time.monotonic() - began < 5 and out == b"text\r\n"
        assert proc.returncode == 0
        with contextlib.suppress(ProcessLookupError):  # before Linux 6.9
            proc.signal_group(signal.SIGKILL)

        done = await run_shell("trap '' HUP; sleep 60 & echo text", linger=0.05, **TERMINAL)
        assert done.stdout == b"text\r\n" and done.lingering
        done = await run_shell("trap '' HUP; sleep 60 & echo text", kill_orphans=True, **TERMINAL)
        assert done.stdout == b"text\r\n"
        done = await run_shell("sleep 60 & echo text", **TERMINAL)  # gets SIGHUP from the kernel
        assert done.stdout == b"text\r\n" and not done.lingering

    aio.run(main)


def test_writing_to_a_terminal_whose_child_is_gone(aio):
    async def main():
        proc = await at_terminal(aio, "true")
        await proc.wait()
        for _ in range(3):
            proc.stdin.write(b"text")
            proc.stdin.write_eof()
            await asyncio.sleep(0.001)
        await until(proc.stdin.is_closing)
        with contextlib.suppress(BrokenPipeError):
            await proc.stdin.wait_closed()
        with pytest.raises(ConnectionError):
            await proc.stdin.drain()
        await proc.stdout.read()

    aio.run(main)


# Hanging up


@every_path
@pytest.mark.telling_paths("shared")
def test_closing_both_hangs_up(aio):
    async def main():
        script = "trap 'echo hup >&2; exit 3' HUP; echo ready; while :; do sleep 0.01; done"
        for order in (0, 1), (1, 0):
            proc = await shell(aio, script, stderr=PIPE)
            assert await proc.stdout.readline() == b"ready\r\n"
            first, second = map(proc._transport.get_pipe_transport, order)
            first.close()
            await asyncio.sleep(0.03)
            assert proc.returncode is None
            proc.set_terminal_size(1, 1)
            second.close()
            assert await proc.stderr.read() == b"hup\n"
            assert await proc.wait() == 3

    aio.run(main)


def test_closing_the_only_stream_that_reads_hangs_up(aio):
    async def main():
        proc = await aio.create_subprocess_exec("sleep", "60", stdin=DEVNULL, stdout=PTY)
        proc._transport.get_pipe_transport(1).close()
        assert await proc.wait() == -signal.SIGHUP

    aio.run(main)


def test_close_and_stop_of_the_process(aio):
    async def main():
        proc = await at_terminal(aio, "sleep", "60")
        proc.close()
        assert await proc.wait() == -signal.SIGHUP
        async with await shell(aio, "trap '' HUP TERM; echo ready; sleep 60; sleep 60") as proc:
            await proc.stdout.readline()
            assert await proc.stop(grace=0.02) == -signal.SIGKILL
        proc = await at_terminal(aio, "sleep", "60")
        proc._transport.close()
        assert await proc.wait() == -signal.SIGKILL

    aio.run(main)


@one_loop
def test_parent_that_is_killed_hangs_up(aio):
    done = aio.script(
        """
        from _fastproc import PTY
        async def main():
            script = "trap 'echo hup >&2; exit' HUP; echo ready; while :; do sleep 0.01; done"
            proc = await aio.create_subprocess_shell(script, stdin=PTY, stdout=PTY)
            await proc.stdout.readline()
            os.kill(os.getpid(), signal.SIGKILL)
        aio.run(main)
        """,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL and done.stderr == b"hup\n"


def test_what_nobody_reads_is_dropped(aio):
    """So that the child does not wait for ever: when stdout is closed, and when there is none."""

    async def main():
        proc = await shell(aio, "read line; seq 20000; echo done >&2; read line", stderr=PIPE)
        proc._transport.get_pipe_transport(1).close()
        proc.stdin.write(b"begin\n")
        assert await proc.stderr.readline() == b"done\n"
        proc.stdin.write(b"end\n")
        assert await proc.wait() == 0

        script = "read line; echo got $line; seq 20000 >/dev/tty; read more || echo end"
        proc = await aio.create_subprocess_shell(script, stdin=PTY, stdout=PIPE)
        assert proc.stdout is not None
        proc.stdin.write(b"it\n")
        assert await proc.stdout.readline() == b"got it\n"
        proc.stdin.close()  # the terminal's only stream: its end, and no hang-up
        await proc.stdin.wait_closed()
        assert await proc.stdout.read() == b"end\n"
        assert await proc.wait() == 0

        proc = await aio.create_subprocess_exec("sleep", "60", stdin=PTY)
        proc.stdin.close()
        await asyncio.sleep(0.03)
        assert proc.returncode is None
        proc.close()
        assert await proc.wait() == -signal.SIGHUP

    aio.run(main)


# run() and communicate()


def test_communicate_types_its_input(aio):
    async def main():
        for data, shown in (b"line\n", b"line\r\nline\r\n"), (b"tail", b"tailtail"), (None, b""):
            proc = await at_terminal(aio, "cat")
            assert await proc.communicate(data) == (shown, None)
            assert proc.returncode == 0
        proc = await aio.create_subprocess_exec("cat", stdin=PTY, stdout=PIPE)
        assert await proc.communicate(b"line\n") == (b"line\n", None)
        proc = await at_terminal(aio, "cat")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(proc.communicate(b"x\n"), 0)
        out, _ = await proc.communicate()
        assert out in (b"", b"x\r\nx\r\n") and proc.returncode == 0

    aio.run(main)


def test_run_gives_colours(aio, tmp_path):
    (tmp_path / "folder").mkdir()
    env = os.environ | {"TERM": "xterm", "LS_COLORS": "di=01;34"}

    async def main():
        done = await run("ls", "--color=auto", tmp_path, stdout=PTY, env=env)
        assert b"\x1b[01;34mfolder\x1b[0m" in done.stdout and done.stderr == b""
        done = await run("ls", "--color=auto", tmp_path, env=env)
        assert done.stdout == b"folder\n"

    aio.run(main)


def test_run_at_a_terminal(aio):
    async def main():
        done = await run("cat", input=b"typed\n", stdin=PTY, stdout=PTY)
        assert (done.stdout, done.stderr, done.returncode) == (b"typed\r\ntyped\r\n", b"", 0)
        done = await run("cat", input="typed\n", stdin=PTY, stdout=PTY, text=True)
        assert done.stdout == "typed\ntyped\n"
        done = await run("cat", input=b"typed\n", stdin=PTY)
        assert done.stdout == b"typed\n"
        done = await run("cat", input=b"typed\n", stdout=PTY)  # by a pipe, and shown by a terminal
        assert done.stdout == b"typed\r\n"
        done = await run("cat", stdin=PTY, stdout=PTY)
        assert done.stdout == b"" and done.returncode == 0
        pieces = []
        for kwds in {"tee": lambda *piece: pieces.append(piece)}, {"max_output": 4}:
            done = await run("cat", input=b"typed\n", stdin=PTY, stdout=PTY, **kwds)
            assert done.stdout_bytes == 14 and b"typed\r\ntyped\r\n".endswith(done.stdout)
        assert {stream for stream, _ in pieces} == {1}
        done = await run("stty", "size", **TERMINAL, terminal_size=(5, 6))
        assert done.stdout == b"5 6\r\n" and done.stderr is None
        with pytest.raises(_fastproc.TimeoutExpired) as caught:
            await run_shell("echo text; sleep 60", timeout=0.1, **TERMINAL)
        assert caught.value.stdout == b"text\r\n"

    aio.run(main)


# Programs that people use at terminals


def test_interactive_python(aio):
    async def main():
        env = DUMB | {"PYTHON_BASIC_REPL": "1", "PYTHONSTARTUP": ""}
        proc = await at_terminal(aio, sys.executable, "-S", "-s", "-q", "-i", env=env)
        dialogue = Dialogue(proc)
        await dialogue.until(b">>> ")
        assert b"\n42\r\n" in await dialogue.answer(b"6 * 7\n", b">>> ")
        dialogue.type(b"while True: pass\n\n")
        await asyncio.sleep(0.05)
        assert b"KeyboardInterrupt" in await dialogue.answer(b"\x03", b"KeyboardInterrupt")
        await dialogue.until(b">>> ")
        proc.stdin.write_eof()
        assert (await dialogue.end())[1] in (0, -signal.SIGINT)  # it remembers the key

    aio.run(main)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@every_path
@pytest.mark.telling_paths("shared")
def test_job_control_of_bash(aio):
    async def main():
        proc = await at_terminal(aio, "bash", "--norc", "--noprofile", "-i", env=DUMB)
        dialogue = Dialogue(proc)
        assert b"no job control" not in await dialogue.until(b"$ ")
        assert re.search(rb"\n\[1\] \d+\r", await dialogue.answer(b"sleep 60 &\n", b"$ "))
        assert b"Running" in await dialogue.answer(b"jobs\n", b"\n$ ")
        await dialogue.answer(b"sed -u s/in/out/\n", b"/out/\r\n")
        await dialogue.answer(b"in\n", b"out\r\n")
        foreground = status(proc.pid)[3]
        assert foreground != proc.pid  # sed has the terminal
        dialogue.type(b"\x1a")
        assert b"Stopped" in await dialogue.until(b"$ ")
        assert status(proc.pid)[3] == proc.pid
        await dialogue.answer(b"fg\n", b"/out/\r\n")
        await dialogue.answer(b"in\n", b"out\r\n")
        await dialogue.answer(b"\x03", b"$ ")
        assert b"\n130\r\n" in await dialogue.answer(b"echo $?\n", b"\n$ ")
        await dialogue.answer(b"kill %1; wait\n", b"\n$ ")
        proc.set_terminal_size(30, 60)
        assert b"30 60" in await dialogue.answer(b"stty size\n", b"\n$ ")
        proc.stdin.write_eof()
        assert (await dialogue.end())[1] in (0, 143)

    aio.run(main)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@one_loop
def test_job_of_a_shell_that_is_stopped_is_hung_up(aio):
    """Though it is a group of its own, which stop() does not reach."""

    async def main():
        async with await at_terminal(aio, "bash", "--norc", "--noprofile", "-i", env=DUMB) as proc:
            dialogue = Dialogue(proc)
            await dialogue.until(b"$ ")
            await dialogue.answer(b"sh -c 'echo $$; exec sleep 60'\n", b"60'\r\n")
            job = int(await dialogue.until(b"\r\n"))
            assert await proc.stop(grace=0.02) == -signal.SIGKILL
            await until(lambda: exited(job))

    aio.run(main)


@pytest.mark.skipif(not shutil.which("less"), reason="needs less")
@one_loop
def test_less(aio, tmp_path):
    text = tmp_path / "text"
    text.write_text("".join(f"line {number}\n" for number in range(100)))

    async def main():
        env = os.environ | {"TERM": "vt100", "LESS": "", "LESSHISTFILE": "-"}
        proc = await at_terminal(aio, "less", text, env=env, terminal_size=(11, 40))
        dialogue = Dialogue(proc)
        shown = await dialogue.until(b"line 9\r\n")
        assert b"line 0\r\n" in shown
        await dialogue.answer(b" ", b"line 19\r\n")
        await dialogue.answer(b"G", b"line 99\r\n")
        dialogue.type(b"q")
        assert (await dialogue.end())[1] == 0

    aio.run(main)


def test_password_is_asked_for_at_the_terminal(aio):
    """Though stdin and stdout are something else: getpass opens /dev/tty."""
    asking = "import getpass; print('got', getpass.getpass('Password: '), input())"

    async def main():
        proc = await at_terminal(aio, *PYTHON, asking)
        dialogue = Dialogue(proc)
        assert await dialogue.until(b"Password: ") == b"Password: "
        assert await dialogue.answer(b"secret\n", b"\r\n") == b"\r\n"  # without an echo
        assert await dialogue.answer(b"x\n", b"got secret x\r\n")
        assert await dialogue.end() == (b"", 0)

        proc = await at_terminal(aio, *PYTHON, asking, stdin=PIPE, stdout=PTY, stderr=PIPE)
        proc.stdin.write(b"data\n")
        dialogue = Dialogue(proc)
        await dialogue.until(b"Password: ")
        os.write(proc._transport.get_pipe_transport(1).fileno(), b"secret\n")  # the master
        assert await dialogue.until(b"got secret data\r\n") == b"\r\ngot secret data\r\n"
        assert await dialogue.end() == (b"", 0)

    aio.run(main)


# What else holds


def pseudo_terminals():
    return [what for what in descriptors().values() if "/pts/" in what or "ptmx" in what]


@every_path
def test_no_other_child_inherits_an_end(aio):
    async def main():
        before = pseudo_terminals()
        proc = await at_terminal(aio, "cat")
        ours = pseudo_terminals()
        assert len(ours) - len(before) == 3 and not any("pts" in what for what in ours)
        for close_fds in True, False:
            listing = ["ls", "-l", "/proc/self/fd"]
            other = await aio.create_subprocess_exec(*listing, stdout=PIPE, close_fds=close_fds)
            out, _ = await other.communicate()
            assert b"ptmx" not in out and b"/pts/" not in out.replace(b"/dev/pts/ptmx", b"")
        out = (await run("ls", "/proc/self/fd", **TERMINAL)).stdout
        assert out.split() == [b"0", b"1", b"2", b"3"]  # the last is the folder's
        proc.stdin.close()
        assert await proc.stdout.read() == b"" and await proc.wait() == 0
        assert pseudo_terminals() == before

    aio.run(main)


@one_loop
def test_this_process_never_gets_the_terminal(aio):
    aio.script(
        """
        from _fastproc import PTY, run
        from pathlib import Path
        os.setsid()
        async def main():
            for kwds in {}, {"preexec_fn": os.getpid}, {"terminal_raw": True}:
                done = await run("tty", stdin=PTY, stdout=PTY, stderr=PTY, **kwds)
                assert done.stdout.startswith(b"/dev/pts/")
                fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
                assert fields[4] == "0", fields
        aio.run(main)
        """
    )


def test_many_terminals_at_a_time_and_one_after_the_other(aio):
    async def main():
        async def one(number):
            done = await run("sh", "-c", f"tty; echo {number}; ls -d /", **TERMINAL)
            tty, shown, folder = done.stdout.split()
            assert (int(shown), folder) == (number, b"/")
            return tty

        assert len(await asyncio.gather(*map(one, range(20)))) == 20
        for number in range(20):
            await one(number)

    aio.run(main)


@every_path
@pytest.mark.telling_paths("shared")
def test_failing_start_leaves_no_terminal(aio):
    async def main():
        for _ in range(5):
            with pytest.raises(FileNotFoundError) as caught:
                await at_terminal(aio, "/nonexistent/program")
            assert caught.value.filename == "/nonexistent/program"
            with pytest.raises(FileNotFoundError):
                await at_terminal(aio, "true", cwd="/nonexistent")
            assert not pseudo_terminals()

    aio.run(main)


@one_loop
def test_too_few_descriptors(aio):
    async def main():
        started = 0
        for count in range(14):
            with free_descriptors(count):
                try:
                    proc = await at_terminal(aio, "true", stderr=PIPE)
                except OSError as error:
                    assert error.errno == errno.EMFILE
                    assert started == 0
                    continue
            started += 1
            await proc.communicate()
            assert proc.returncode == 0
        assert started > 0

    aio.run(main)


@one_loop
def test_no_terminal_is_left(aio):
    """In a file system of terminals of its own, which has one only."""
    done = aio.script(
        """
        import ctypes, errno
        from _fastproc import PTY, run
        libc = ctypes.CDLL(None, use_errno=True)
        def must(result):
            if result != 0:
                print("cannot")
                os._exit(0)
        must(libc.unshare(0x00020000))
        must(libc.mount(b"none", b"/", None, 0x44000, None))
        must(libc.mount(b"devpts", b"/dev/pts", b"devpts", 0, b"newinstance,ptmxmode=0666,max=1"))
        must(libc.mount(b"/dev/pts/ptmx", b"/dev/ptmx", None, 4096, None))
        async def main():
            proc = await aio.create_subprocess_exec("cat", stdin=PTY, stdout=PTY)
            try:
                await aio.create_subprocess_exec("cat", stdin=PTY, stdout=PTY)
            except OSError as error:
                assert (error.errno, error.filename) == (errno.ENOSPC, "/dev/ptmx")
            else:
                raise AssertionError("started")
            assert await proc.communicate(b"x\\n") == (b"x\\r\\nx\\r\\n", None)
            done = await run("cat", stdin=PTY, stdout=PTY)
            assert done.returncode == 0
            # Its slaves cannot be found by name any more.
            must(libc.mount(b"none", b"/dev/pts", b"tmpfs", 0, None))
            try:
                done = await run("cat", stdin=PTY, stdout=PTY)
            except OSError as error:
                assert error.filename == "/dev/ptmx"
        aio.run(main)
        """
    )
    if done.stdout == b"cannot\n":
        pytest.skip("needs a mount namespace")


@pytest.mark.skipif(platform.machine() not in IOCTL, reason="knows no number of ioctl here")
@every_path
@pytest.mark.telling_paths("shared")
def test_sandbox_that_refuses_a_controlling_terminal_is_named(aio):
    aio.script(
        f"""
        import ctypes, struct
        from _fastproc import PTY, run
        libc = ctypes.CDLL(None)
        load, equal, give = 0x20, 0x15, 0x06
        code = struct.pack("HBBI", load, 0, 0, 0)
        code += struct.pack("HBBI", equal, 0, 3, {IOCTL.get(platform.machine())})
        code += struct.pack("HBBI", load, 0, 0, 16 + 8)
        code += struct.pack("HBBI", equal, 0, 1, {termios.TIOCSCTTY})
        code += struct.pack("HBBI", give, 0, 0, 0x00050000 | 1)
        code += struct.pack("HBBI", give, 0, 0, 0x7FFF0000)
        program = ctypes.create_string_buffer(code)
        filter = struct.pack("HP", 6, ctypes.addressof(program))
        assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
        async def main():
            try:
                await run("true", stdout=PTY)
            except PermissionError as error:
                assert error.filename == "PTY"
            else:
                raise AssertionError("it was not refused")
            assert (await run("true")).returncode == 0
        aio.run(main)
        """
    )


def test_cancelled_create_leaves_nothing(aio, slow):
    async def main():
        for turns in range(6 if slow else 4):
            task = asyncio.ensure_future(at_terminal(aio, "sleep", "60"))
            await iterate(turns)
            task.cancel()
            try:
                proc = await task
            except asyncio.CancelledError:
                continue
            proc.close()
            assert await proc.wait() in (-signal.SIGHUP, -signal.SIGKILL)
        await until_reaped()
        assert not pseudo_terminals()

    aio.run(main)


def test_cancelled_communicate_loses_nothing(aio):
    async def main():
        proc = await shell(aio, "stty -echo; echo begin; read line; echo end")
        stdin, proc.stdin = proc.stdin, None
        task = asyncio.ensure_future(proc.communicate())
        await asyncio.sleep(0.03)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        proc.stdin = stdin
        out, _ = await proc.communicate()
        assert out == b"begin\r\nend\r\n"

    aio.run(main)


@pytest.mark.may_warn("is still running")
def test_loop_that_closes_leaves_the_terminal_to_the_child(aio):
    proc = None

    async def main():
        nonlocal proc
        proc = await at_terminal(aio, "sleep", "60")

    aio.run(main)
    pid = proc.pid
    time.sleep(0.03)
    assert not exited(pid)
    proc.set_terminal_size(7, 8)
    proc = None
    gc.collect()
    until_blocking(lambda: exited(pid))
    assert not pseudo_terminals()


@pytest.mark.may_warn("is still running")
def test_loop_that_closes_ends_a_child_that_nobody_refers_to(aio):
    async def main():
        await at_terminal(aio, "sleep", "60")
        await aio.create_subprocess_exec("sleep", "60", stdin=PTY)

    aio.run(main)
    gc.collect()
    assert not children() and not pseudo_terminals()


def test_callbacks_of_the_low_level(aio):
    calls = []

    class Protocol(asyncio.SubprocessProtocol):
        def connection_made(self, transport):
            calls.append("made")
            self.ended = asyncio.get_running_loop().create_future()
            transport.get_pipe_transport(0).write(b"x\n")

        def pipe_data_received(self, fd, data):
            calls.append((fd, data))

        def pipe_connection_lost(self, fd, exc):
            calls.append((fd, exc))

        def process_exited(self):
            calls.append("exited")

        def connection_lost(self, exc):
            calls.append("lost")
            self.ended.set_result(exc)

    async def main():
        transport, protocol = await aio.subprocess_exec(Protocol, "head", "-n", "1", **TERMINAL)
        assert transport.get_pipe_transport(2) is None
        for fd in 0, 1:
            pipe = transport.get_pipe_transport(fd)
            master = pipe.get_extra_info("pipe").fileno()
            assert master == pipe.fileno() and os.isatty(master)
        assert await protocol.ended is None
        data = b"".join(call[1] for call in calls if isinstance(call, tuple) and call[1])
        assert data == b"x\r\nx\r\n"
        assert calls[0] == "made" and calls[-1] == "lost"
        assert {(0, None), (1, None), "exited"} <= set(calls)
        assert not pseudo_terminals()
        transport.close()

    aio.run(main)


def test_settings_can_be_changed_through_the_transport(aio):
    """As by termios on the descriptor of the master."""

    async def main():
        proc = await shell(aio, "echo ready; exec cat")
        dialogue = Dialogue(proc)
        await dialogue.until(b"ready\r\n")
        master = proc.stdin.get_extra_info("pipe").fileno()
        settings = termios.tcgetattr(master)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(master, termios.TCSANOW, settings)
        assert struct.unpack("HHHH", fcntl.ioctl(master, termios.TIOCGWINSZ, bytes(8)))[:2] == (
            24,
            80,
        )
        assert await dialogue.answer(b"once\n", b"once\r\n") == b"once\r\n"
        proc.stdin.close()
        assert await dialogue.end() == (b"", 0)

    aio.run(main)


def test_install_leaves_the_names_of_asyncio_alone(aio):
    with _fastproc.installed():
        assert not hasattr(asyncio.subprocess, "PTY")

        async def main():
            proc = await asyncio.create_subprocess_exec("tty", stdin=PTY, stdout=PTY)
            assert (await proc.communicate())[0].startswith(b"/dev/pts/")

        aio.run(main)
