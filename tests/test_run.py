"""run(), run_shell(), Process.stop() and signal_group(): the whole answer, and nothing left behind."""

import asyncio
import contextlib
import gc
import io
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
import types
import uuid
import weakref

import child_stages
import pytest
from support import (
    SLOWNESS,
    children,
    descriptors,
    iterate,
    pattern,
    resident,
    script_environment,
    state,
    trace,
    until,
    until_blocking,
    until_reaped,
)

import _fastproc
from _fastproc import PIPE, STDOUT, create_subprocess_exec, create_subprocess_shell, run, run_shell

every_path = pytest.mark.every_path
no_pidfd = pytest.mark.only_paths("pidfd", "thread")  # for the group, at least
SLACK = 5.0  # seconds that a busy machine may add
LIMIT = 0.3  # seconds: what the trees below are allowed


pytestmark = [
    pytest.mark.differs("asyncio", "it has none of these"),
    pytest.mark.telling_paths("thread"),
    pytest.mark.one_loop("run() is made of what other tests run on both loops"),
]


class Mark:
    """Marks a tree of processes by their environment, which children inherit."""

    def __init__(self):
        self.value = f"FASTPROC_TEST={uuid.uuid4()}"
        name, _, value = self.value.partition("=")
        self.env = os.environ | {name: value}

    def living(self):
        """{pid: state} of those that run."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
                if self.value.encode() in file.read().split(b"\0"):
                    found[int(pid)] = state(pid)
        return {pid: letter for pid, letter in found.items() if letter not in (None, "Z", "X")}


@pytest.fixture
def mark():
    mark = Mark()
    yield mark
    deadline = (
        time.monotonic() + 1
    )  # for those that are at their end; tests look at once where it matters
    while (left := mark.living()) and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left


# What comes back


@every_path
@no_pidfd
def test_output_and_status(aio):
    async def main():
        done = await run("sh", "-c", "echo out; echo err >&2; exit 3")
        assert isinstance(done, subprocess.CompletedProcess)
        assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 3)
        assert done.args == ["sh", "-c", "echo out; echo err >&2; exit 3"]
        assert (done.stdout_bytes, done.stderr_bytes, done.lingering) == (4, 4, False)
        assert isinstance(done.resource_usage, resource.struct_rusage)
        assert 0 < done.duration < SLACK
        with pytest.raises(subprocess.CalledProcessError) as raised:
            done.check_returncode()
        assert raised.value.stderr == b"err\n"
        done = await run("sh", "-c", "echo $((4321 + 1))")
        assert "4322" not in repr(done) and "returncode=0" in repr(done)

    aio.run(main)


def test_shell_takes_str_and_bytes(aio):
    async def main():
        assert (await run_shell("echo $((1 + 1))")).stdout == b"2\n"
        done = await run_shell(b"echo $0 >&2")
        assert (done.args, done.stdout, done.stderr) == (b"echo $0 >&2", b"", b"/bin/sh\n")

    aio.run(main)


def test_what_is_not_piped_is_none(aio):
    async def main():
        merged = await run_shell("echo out; echo err >&2", stderr=STDOUT)
        assert (merged.stdout, merged.stderr) == (b"out\nerr\n", None)
        nothing = await run_shell("echo out", stdout=subprocess.DEVNULL, stderr=None)
        assert (nothing.stdout, nothing.stderr, nothing.stdout_bytes) == (None, None, 0)

    aio.run(main)


def test_stdin_is_empty_unless_said_otherwise(aio):
    async def main():
        assert (await run("cat")).stdout == b""
        assert (await run("cat", stdin=PIPE)).stdout == b""
        with open("/proc/self/status") as file:
            assert (await run("cat", stdin=file)).stdout.startswith(b"Name:")
            with pytest.raises(ValueError, match="may not both"):
                await run("cat", stdin=file, input=b"x")

    aio.run(main)


@pytest.mark.parametrize("kwds", [{}, {"max_output": 1 << 30}], ids=["whole", "kept"])
@pytest.mark.parametrize("size", [0, 1, 5 << 20])
def test_input_of_any_kind_and_size(aio, size, kwds):
    data = pattern(size)

    async def main():
        for given in (data, bytearray(data), memoryview(data)):
            done = await run("cat", input=given, **kwds)
            assert done.stdout == data and done.stdout_bytes == size
        assert (await run("true", input=data, **kwds)).returncode == 0

    aio.run(main)


def test_check_raises_with_the_output_and_ends_what_is_left(aio, mark):
    async def main():
        assert (await run("true", check=True)).returncode == 0
        with pytest.raises(subprocess.CalledProcessError) as raised:
            await run_shell(
                "echo out; echo err >&2; sleep 100 >/dev/null 2>&1 & exit 7",
                check=True,
                env=mark.env,
            )
        error = raised.value
        assert (error.returncode, error.output, error.stderr) == (7, b"out\n", b"err\n")
        assert not mark.living()

    aio.run(main)


def test_program_that_does_not_exist(aio):
    async def main():
        for kwds in ({}, {"timeout": 10}, {"tee": print}):
            with pytest.raises(FileNotFoundError) as raised:
                await run("/nowhere/program", **kwds)
            assert raised.value.filename == "/nowhere/program"

    aio.run(main)


@pytest.mark.parametrize(
    "kwds, error",
    [
        ({"keep": "both", "max_output": 1}, ValueError),
        ({"max_output": -1}, ValueError),
        ({"grace": -1}, ValueError),
        ({"linger": -1}, ValueError),
        ({"linger": "x"}, TypeError),
        ({"timeout": "x"}, TypeError),
        ({"input": "str"}, TypeError),
        ({"input": b"bytes", "text": True}, TypeError),
        ({"encoding": "no-such"}, LookupError),
        ({"encoding": "hex"}, LookupError),
        ({"nonsense": 1}, TypeError),
    ],
    ids=str,
)
def test_wrong_arguments_leave_nothing(aio, mark, kwds, error):
    async def main():
        with pytest.raises(error):
            await run("sleep", "100", env=mark.env, **kwds)
        await until_reaped()

    aio.run(main)


def test_session_is_new_unless_the_caller_says_otherwise(aio):
    show = (
        "cut -d' ' -f1,5,6 /proc/self/stat; exit"  # pid, group, session: of cut, which is no leader
    )
    ours = (os.getpgid(0), os.getsid(0))

    async def ids(**kwds):
        return tuple(map(int, (await run_shell(show, **kwds)).stdout.split()))[1:]

    async def main():
        group, session = await ids()
        assert group == session and session != ours[1]
        assert await ids(start_new_session=False) == ours
        group, session = await ids(process_group=0)
        assert session == ours[1] and group != ours[0]

    aio.run(main)


# Text


def test_text_is_decoded_as_by_subprocess(aio):
    script = r"printf 'a\r\nb\rc\n\303\251'; printf 'x\r\n' >&2"

    async def main():
        for kwds in ({"text": True}, {"encoding": "utf-8"}, {"errors": "strict"}):
            ours = await run_shell(script, **kwds)
            theirs = subprocess.run(script, shell=True, capture_output=True, **kwds)
            assert (ours.stdout, ours.stderr) == (theirs.stdout, theirs.stderr)
            assert ours.stdout_bytes == 9
        assert (await run("cat", input="é\r\n", encoding="latin-1")).stdout == "é\n"
        with pytest.raises(UnicodeDecodeError):
            await run_shell(r"printf '\377'", encoding="utf-8")
        done = await run_shell(r"printf '\377'", encoding="utf-8", errors="replace")
        assert done.stdout == "\ufffd"

    aio.run(main)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "shift_jis"])
@pytest.mark.parametrize("keep", ["head", "tail"])
@pytest.mark.meaningless(
    "its bytes do not tell where a character begins",
    when=lambda encoding, keep: encoding == "shift_jis" and keep == "tail",
)
def test_characters_that_are_cut_are_left_out(aio, keep, encoding):
    text = "日本語" * 20

    async def main():
        for most in range(1, 12):
            done = await run("cat", input=text, encoding=encoding, max_output=most, keep=keep)
            assert len(done.stdout.encode(encoding)) > most - 4
            assert text.startswith(done.stdout) if keep == "head" else text.endswith(done.stdout)

    aio.run(main)


# So much and no more


@pytest.mark.parametrize("keep", ["head", "tail"])
@pytest.mark.parametrize("most", [0, 1, 1000, 65536, 1 << 20])
def test_so_many_bytes_are_kept(aio, most, keep):
    size = 300_000
    data = pattern(size)
    kept = data[:most] if keep == "head" else data[max(0, size - most) :]

    async def main():
        done = await run("cat", input=data, max_output=most, keep=keep)
        assert done.stdout == kept and done.stdout_bytes == size

    aio.run(main)


def test_memory_does_not_grow_with_the_output(aio):
    size = 256 << 20

    async def main():
        await run("head", "-c", "10000000", "/dev/zero", max_output=65536)
        before = resident()
        done = await run("head", "-c", str(size), "/dev/zero", max_output=65536)
        assert done.stdout_bytes == size and done.stdout == bytes(65536)
        assert resident() - before < 2 << 20

    aio.run(main)


def test_tee_is_called_with_all_that_comes(aio):
    heard = []

    async def main():
        done = await run_shell(
            "echo 1; sleep 0.05; echo 2 >&2; sleep 0.05; echo 3",
            tee=lambda stream, data: heard.append((stream, data)),
            max_output=1,
        )
        assert heard == [(1, b"1\n"), (2, b"2\n"), (1, b"3\n")]
        assert (done.stdout, done.stderr, done.stdout_bytes) == (b"\n", b"\n", 4)

    aio.run(main)


def test_tee_to_our_own_outputs(aio, capfdbinary, monkeypatch):
    async def main():
        with open(1, "w", closefd=False) as out, open(2, "w", closefd=False) as err:
            monkeypatch.setattr(sys, "stdout", out)
            monkeypatch.setattr(sys, "stderr", err)
            await run_shell(r"printf 'out\377'; printf err >&2", tee=True)
        assert capfdbinary.readouterr() == (b"out\xff", b"err")
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        await run("echo", "text", tee=True)
        assert sys.stdout.getvalue() == "text\n"

    aio.run(main)
    monkeypatch.undo()


def test_tee_to_a_stream_of_text_shows_a_character_that_comes_in_pieces(aio, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    aio.run(run_shell(r"printf '\303'; sleep 0.05; printf '\251'", tee=True))
    assert sys.stdout.getvalue() == "\u00e9"


def test_tee_without_an_output_of_our_own(aio, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert aio.run(run("echo", "text", tee=True)).stdout == b"text\n"


class TakesParts(io.RawIOBase):
    """As the raw file of `python -u`, where a signal has ended the system call."""

    def __init__(self):
        self.heard = b""
        self.is_full = False

    def writable(self):
        return True

    def write(self, data):
        if self.is_full:
            return None
        self.heard += bytes(data[:3])
        return len(data[:3])


@pytest.mark.one_loop("what is written does not depend on it")
def test_tee_to_a_raw_output_writes_all_of_it(aio, monkeypatch):
    raw = TakesParts()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, write_through=True))
    aio.run(run("echo", "0123456789", tee=True))
    assert raw.heard == b"0123456789\n"
    raw.is_full = True
    with pytest.raises(BlockingIOError):
        aio.run(run("echo", "0123456789", tee=True))


def test_tee_that_raises_ends_everything(aio, mark):
    async def main():
        def tee(stream, data):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await run_shell("echo; sleep 100 & sleep 100", tee=tee, env=mark.env)
        assert not mark.living() and not children()

        def tee_late(stream, data):
            time.sleep(0.1)  # the child has exited, and its pipes are held
            raise ZeroDivisionError

        before = descriptors()
        for function in tee, tee_late:
            with pytest.raises(ZeroDivisionError):
                await run_shell("echo; sleep 100 &", tee=function, linger=60, env=mark.env)
            await until(lambda: len(descriptors()) <= len(before))

    aio.run(main)


# The time limit

CHAIN = "f() { [ $1 -gt 0 ] || exit 0; sleep 0.01; f $(($1 - 1)) & }"
TREES = {
    "a child": "sleep 100; true",
    "a pipeline": "sleep 100 | cat",
    "nohup": "nohup sleep 100 >/dev/null 2>&1 & sleep 100",
    "one that ignores SIGTERM": "trap '' TERM; while :; do sleep 100; done",
    "a grandchild that ignores it": "sh -c 'trap \"\" TERM; while :; do sleep 100; done' & wait",
    "one that is stopped": "sleep 100 & kill -STOP $$",
    "one whose leader exits first": "sleep 100 & exit 0",
    "one that forks for ever": f"{CHAIN}; f 2000; sleep 100",
}
KINDS = [{}, {"max_output": 100}, {"text": True}]


@every_path
@no_pidfd
@pytest.mark.slow(
    "each tree once, each kind once, and two on the other path",
    when=lambda aio, tree, kwds: (
        (kwds and tree != "a child")
        or (
            aio.name == "fastproc-thread"
            and (kwds or tree not in ("a child", "one whose leader exits first"))
        )
    ),
)
@pytest.mark.parametrize("kwds", KINDS, ids=["whole", "kept", "text"])
@pytest.mark.parametrize("tree", TREES)
def test_nothing_of_a_tree_outlives_the_time_limit(aio, mark, tree, kwds):
    grace = 0.2

    async def main():
        began = time.monotonic()
        command = f"echo early; {TREES[tree]}"
        with pytest.raises(TimeoutError) as raised:
            await run_shell(command, timeout=LIMIT, grace=grace, linger=None, env=mark.env, **kwds)
        assert time.monotonic() - began < LIMIT + grace + SLACK
        assert not mark.living() and not children()
        error = raised.value
        assert isinstance(error, subprocess.TimeoutExpired)
        assert isinstance(error, _fastproc.TimeoutExpired)
        early = "early\n" if "text" in kwds else b"early\n"
        assert (error.cmd, error.timeout, error.output, error.stderr) == (
            command,
            LIMIT,
            early,
            type(early)(),
        )

    aio.run(main)


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_and_what_it_has_started_end_at_the_time_limit(aio, mark, tmp_path):
    (tmp_path / "Makefile").write_text("all:\n\t@echo early; sleep 100\n")

    async def main():
        with pytest.raises(TimeoutError) as raised:
            await run("make", cwd=tmp_path, env=mark.env, timeout=1)
        assert raised.value.output == b"early\n" and not mark.living()

    aio.run(main)


def test_grace_is_enough_for_one_that_cleans_up(aio, mark, tmp_path):
    cleaned = tmp_path / "cleaned"

    async def main():
        script = f"trap 'sleep 0.1; echo bye >{cleaned}; exit' TERM; sleep 100 & wait"
        with pytest.raises(TimeoutError):
            await run_shell(script, timeout=LIMIT, grace=20, env=mark.env)
        assert cleaned.read_text() == "bye\n"

    aio.run(main)


def test_no_grace_kills_at_once(aio, mark, tmp_path):
    cleaned = tmp_path / "cleaned"

    async def main():
        script = f"trap 'touch {cleaned}' TERM; while :; do sleep 0.01; done"
        with pytest.raises(TimeoutError):
            await run_shell(script, timeout=LIMIT, grace=0, env=mark.env)
        assert not cleaned.exists()

    aio.run(main)


def test_time_limit_counts_from_the_call(aio):
    """A child that waits for its turn is not started any more."""

    async def main():
        aio.core.configure(gate=1)
        others = children()
        first, pid = await child_stages.freeze(aio)
        with pytest.raises(TimeoutError) as raised:
            await run("sleep", "100", timeout=0.05)
        assert raised.value.output is None
        assert children().keys() - others.keys() == {pid}
        os.kill(pid, signal.SIGCONT)
        await child_stages.talk(await first)

    before = aio.core.machine()["gate"]
    try:
        aio.run(main)
    finally:
        aio.core.configure(gate=before)


def test_exceptions_can_be_sent_to_another_process():
    error = _fastproc.TimeoutExpired(["a"], 1.5, b"out", b"err")
    again = pickle.loads(pickle.dumps(error))
    assert (again.cmd, again.timeout, again.output, again.stderr) == (["a"], 1.5, b"out", b"err")
    done = asyncio.run(run("echo", "x"))
    again = pickle.loads(pickle.dumps(done))
    assert again.stdout == b"x\n" and again.resource_usage == done.resource_usage


# Those that stay


@every_path
@no_pidfd
@pytest.mark.slow(
    "the path changes the wait for the child alone",
    when=lambda aio, kwds: aio.name == "fastproc-thread" and kwds,
)
@pytest.mark.parametrize("kwds", [{}, {"max_output": 100}], ids=["whole", "kept"])
def test_pipes_that_others_hold_are_read_for_a_while(aio, mark, kwds):
    async def main():
        began = time.monotonic()
        done = await run_shell(
            "echo early; (sleep 0.1; echo late; exec sleep 100) & exit 3",
            linger=0.6,
            env=mark.env,
            **kwds,
        )
        assert 0.5 < time.monotonic() - began < 0.6 + SLACK
        assert done.lingering and (done.stdout, done.returncode) == (b"early\nlate\n", 3)
        assert len(mark.living()) == 1
        for pid in mark.living():
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not mark.living())

    aio.run(main)


@every_path
@no_pidfd
@pytest.mark.parametrize("kwds", [{}, {"max_output": 1 << 20}], ids=["whole", "kept"])
def test_all_that_the_child_has_written_is_read_without_lingering(aio, mark, kwds):
    size = 60_000  # a pipe holds it

    async def main():
        done = await run_shell(
            f"sleep 100 & head -c {size} /dev/zero; head -c {size} /dev/zero >&2",
            linger=0,
            kill_orphans=True,
            env=mark.env,
            **kwds,
        )
        assert (done.stdout_bytes, done.stderr_bytes) == (size, size)
        assert done.stdout == done.stderr == bytes(size)

    aio.run(main)


def test_what_is_in_a_paused_pipe_is_read_at_the_end(aio, mark):
    size = 350_000  # more than is buffered while nobody reads; the rest is in the pipe

    async def main():
        proc = await create_subprocess_shell(
            f"sleep 100 & head -c {size} /dev/zero",
            stdout=PIPE,
            pipesize=1 << 18,
            env=mark.env,
            start_new_session=True,
        )
        await until(lambda: proc.stdout._paused)
        assert await proc.wait() == 0
        proc._set_linger(0)
        await until(lambda: proc.stdout._eof)
        assert len(await proc.stdout.read()) == size and proc._lingered
        for pid in mark.living():
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not mark.living())

    aio.run(main)


def test_output_that_is_read_late_does_not_linger(aio):
    """Nobody but us has the pipe, so it ends when it was read, however late."""
    size = 350_000

    async def main():
        proc = await create_subprocess_exec(
            "head", "-c", str(size), "/dev/zero", stdout=PIPE, pipesize=1 << 18
        )
        await until(lambda: proc.stdout._paused)
        proc._set_linger(0)
        assert await proc.wait() == 0
        await asyncio.sleep(0.05)
        assert not proc._lingered and not proc.stdout._eof
        assert len(await proc.stdout.read()) == size and not proc._lingered

    aio.run(main)


def test_nobody_lingers_where_nobody_holds_a_pipe(aio):
    async def main():
        began = time.monotonic()
        assert not (await run("echo", linger=60)).lingering
        assert not (await run_shell("(sleep 0.1; echo late) & exit", linger=None)).lingering
        assert time.monotonic() - began < SLACK
        await iterate(3)

    aio.run(main)


@every_path
@no_pidfd
@pytest.mark.parametrize("kwds", [{}, {"max_output": 100}], ids=["whole", "kept"])
def test_orphans_are_ended_if_asked_for(aio, mark, kwds):
    async def main():
        began = time.monotonic()
        done = await run_shell(
            "echo early; sleep 100 & exit 3", kill_orphans=True, linger=60, env=mark.env, **kwds
        )
        assert not mark.living() and time.monotonic() - began < SLACK
        assert (done.stdout, done.returncode) == (b"early\n", 3)

    aio.run(main)


# The input, of which others have the pipe
MUCH = b"x" * (1 << 20)  # more than a pipe holds
HOLDER = "echo; exec 3<&0; { sleep 100 <&3 & } >/dev/null 2>&1; exit 3"
KEEPING_LESS = pytest.mark.parametrize("kwds", [{}, {"max_output": 9}], ids=["all", "less"])


@KEEPING_LESS
def test_input_that_nobody_reads_is_dropped_after_a_while(aio, mark, kwds):
    async def main():
        done = await run_shell(HOLDER, input=MUCH, linger=0.05, env=mark.env, **kwds)
        assert (done.stdout, done.returncode, done.lingering) == (b"\n", 3, True)
        assert 0.05 <= done.duration < SLACK
        (holder,) = mark.living()
        os.kill(holder, signal.SIGKILL)
        await until(lambda: not mark.living())

    aio.run(main)


@KEEPING_LESS
def test_who_holds_the_input_is_killed_as_an_orphan(aio, mark, kwds):
    async def main():
        done = await run_shell(HOLDER, input=MUCH, kill_orphans=True, env=mark.env, **kwds)
        assert (done.stdout, done.returncode) == (b"\n", 3)
        assert done.duration < SLACK and not mark.living()

    aio.run(main)


@KEEPING_LESS
def test_time_limit_while_others_hold_the_input(aio, mark, kwds):
    async def main():
        with pytest.raises(_fastproc.TimeoutExpired) as raised:
            await run_shell(HOLDER, input=MUCH, linger=60, timeout=LIMIT, env=mark.env, **kwds)
        assert (raised.value.stdout, raised.value.stderr) == (b"\n", b"")
        assert not mark.living()

    aio.run(main)


@KEEPING_LESS
@pytest.mark.parametrize("linger", [60, None])
def test_input_that_others_read_reaches_them(aio, tmp_path, linger, kwds):
    async def main():
        script = "exec 3<&0; { sleep 0.1; cat <&3 >got; mv got all; } >/dev/null 2>&1 & exit 0"
        done = await run_shell(script, input=MUCH, linger=linger, cwd=tmp_path, **kwds)
        assert not done.lingering
        await until((tmp_path / "all").exists)
        assert (tmp_path / "all").read_bytes() == MUCH

    aio.run(main)


@every_path
@no_pidfd
def test_communicate_with_linger(aio, mark):
    async def main():
        proc = await create_subprocess_shell(
            "echo early; sleep 100 & exit 3", stdout=PIPE, env=mark.env, start_new_session=True
        )
        assert await proc.communicate(linger=0.05) == (b"early\n", None)
        assert proc.returncode == 3
        with contextlib.suppress(ProcessLookupError):  # which older kernels say
            proc.signal_group(signal.SIGKILL)
        for pid in mark.living():
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not mark.living())

    aio.run(main)


def test_communicate_with_linger_drops_input_that_another_holds_and_does_not_read(aio, mark):
    async def main():
        script = "exec 3<&0; sleep 100 <&3 >/dev/null 2>&1 & exit 3"
        pipes = {"stdin": PIPE, "stdout": PIPE, "start_new_session": True}
        proc = await create_subprocess_shell(script, env=mark.env, **pipes)
        assert await proc.communicate(bytes(3 << 20), linger=0.05) == (b"", None)
        assert proc.returncode == 3 and proc._lingered
        for pid in mark.living():
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not mark.living())

        proc = await create_subprocess_shell("exit 4", stdin=PIPE, stdout=PIPE)
        assert await proc.communicate(bytes(3 << 20), linger=0) == (b"", None)
        assert proc.returncode == 4 and not proc._lingered  # nobody holds it

    aio.run(main)


def test_communicate_with_linger_cancelled_lets_others_read_on(aio):
    async def main():
        proc = await create_subprocess_shell("(sleep 0.4; echo late) & exit", stdout=PIPE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(proc.communicate(linger=0.2), 0.1)
        assert await proc.communicate() == (b"late\n", None)
        with pytest.raises(ValueError):
            proc.communicate(linger=-1)
        with pytest.raises(ValueError):
            proc.communicate(linger=float("nan"))
        with pytest.raises(TypeError):
            proc.communicate(linger="1")
        with pytest.raises(TypeError):
            proc.communicate(b"", b"")
        with pytest.raises(TypeError):
            proc.communicate(b"", linger=1, input=b"")
        assert await proc.communicate(linger=1, input=b"") == (b"", None)
        assert await proc.communicate(b"", linger=float("inf")) == (b"", None)
        assert await proc.communicate(input=None, linger=None) == (b"", None)

    aio.run(main)


# Cancelled


@types.coroutine
def interrupted(coro, places, error=asyncio.CancelledError):
    """Awaits a coroutine, and raises in it where it waits for the first, second ... time."""
    waits = 0
    step, value = coro.send, None
    while True:
        try:
            future = step(value)
        except StopIteration as stop:
            return stop.value
        waits += 1
        if waits in places:
            step, value = coro.throw, error()
            continue
        try:
            step, value = coro.send, (yield future)
        except BaseException as raised:
            step, value = coro.throw, raised


async def at_every_wait(begin, distance, error=asyncio.CancelledError):
    """Interrupts what begin() makes at its first, second ... wait, until it has no more of them.

    With a distance, it is interrupted again so many waits later.
    """
    for first in range(1, 60):
        places = {first, first + distance} if distance else {first}
        try:
            await interrupted(begin(), places, error)
        except error:
            yield first
        else:
            return
    raise AssertionError("it never ends")


JOBS = {
    "whole": {},
    "limited": {"timeout": 60},
    "kept": {"max_output": 10, "timeout": 60},
    "orphans": {"kill_orphans": True},
    "input": {"input": bytes(1 << 20)},
}


@every_path
@no_pidfd
@pytest.mark.parametrize("distance", [0, 1, 2, 3], ids=["once", "at-once", "soon", "later"])
@pytest.mark.parametrize("kind", JOBS)
@pytest.mark.telling_paths()
@pytest.mark.slow(
    "the way down is the same for all kinds, of which this one has most waits",
    when=lambda kind, distance: distance and kind != "limited",
)
def test_run_cancelled_wherever_it_waits_leaves_nothing(aio, mark, kind, distance):
    script = "trap '' TERM; sleep 0.2 & sleep 0.1; echo x; sleep 0.1"

    async def main():
        def begin():
            return run_shell(script, env=mark.env, grace=0.05, **JOBS[kind])

        async for _ in at_every_wait(begin, distance):
            assert not mark.living()
            await until_reaped()
        await until(
            lambda: not mark.living()
        )  # of the last, which was not interrupted, one may sleep

    aio.run(main)


@every_path
@no_pidfd
@pytest.mark.parametrize(
    "kwds", [{}, {"start_new_session": False, "preexec_fn": os.setsid}], ids=["usual", "preexec"]
)
@pytest.mark.telling_paths()
def test_run_cancelled_before_it_has_seen_its_child(aio, mark, kwds):
    """Its grandchildren, of which one has much memory to give back, are gone, too."""
    much = 64 << 20
    script = f"trap '' TERM; {{ head -c {much} /dev/zero; sleep 100; }} | tail >/dev/null"

    def has_begun():
        pages = [resident_of(pid) for pid in mark.living()]
        return pages and max(pages) > much

    async def main():
        for times in (1, 2):
            task = asyncio.create_task(run_shell(script, env=mark.env, **kwds))
            await asyncio.sleep(0)
            until_blocking(has_begun)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not mark.living() and not children()

    aio.run(main)


def resident_of(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
    return 0


@every_path
@pytest.mark.telling_paths("pidfd")
@pytest.mark.parametrize("how", ["stop", "limit", "cancel"])
def test_child_that_outlives_sigkill_is_given_up_and_named(aio, monkeypatch, how):
    """As one that is stuck in the kernel; here a tracer keeps its status."""
    monkeypatch.setattr(_fastproc._stop, "PATIENCE", 0.2)

    async def main():
        proc = await create_subprocess_exec("sleep", "100", start_new_session=True)
        tracer = await trace(aio, proc)
        if how == "stop":
            with pytest.raises(TimeoutError, match="does not end after SIGKILL"):
                await proc.stop(grace=0.05)
        else:
            monkeypatch.setattr(_fastproc._core, "create_subprocess_exec", already(proc))
            error, limit = {
                "limit": (_fastproc.TimeoutExpired, {"timeout": 0.05}),
                "cancel": (asyncio.CancelledError, {}),
            }[how]
            task = asyncio.create_task(run("sleep", "100", grace=0.05, **limit))
            if how == "cancel":
                await iterate(3)
                task.cancel()
            with pytest.raises(error) as raised:
                await task
            assert "could not be ended" in raised.value.__notes__[0]
        assert proc.returncode is None
        tracer.stdin.close()
        await tracer.wait()
        assert await proc.wait() == -signal.SIGKILL

    def already(proc):
        async def create(*args, **kwds):
            return proc

        return create

    aio.run(main)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, ZeroDivisionError])
def test_other_exceptions_that_come_while_it_waits(aio, mark, error):
    async def main():
        def begin():
            return run_shell("sleep 0.2 & sleep 0.1", env=mark.env, timeout=60)

        async for _ in at_every_wait(begin, 0, error):
            await until(lambda: not mark.living())
            await until_reaped()

    aio.run(main)


@every_path
@no_pidfd
@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_end_of_asyncio_run_ends_it(aio, mark, steps):
    async def main():
        task = asyncio.create_task(run_shell("sleep 100 & sleep 100", env=mark.env))
        await iterate(steps)
        return task

    assert aio.run(main).cancelled()
    assert not children()
    # A cancelled create call has killed the whole group, and waits for the child alone.
    until_blocking(lambda: not mark.living())


@every_path
@no_pidfd
@pytest.mark.may_warn("Task was destroyed but it is pending|is still running|never awaited")
@pytest.mark.parametrize("when", ["at once", "before the loop sees that it runs", "later"])
def test_end_of_the_loop_alone_ends_it(aio, mark, when):
    """Nobody steps the coroutine any more; it is collected."""

    def all_run():
        return len(mark.living()) == 3

    async def begin():
        task = asyncio.create_task(run_shell("sleep 100 & sleep 100", env=mark.env))
        await iterate(30 if when == "later" else 1)
        if when == "later":
            await until(all_run)
        return task

    loop = aio.new_loop()
    task = loop.run_until_complete(begin())
    if when == "before the loop sees that it runs":
        until_blocking(all_run)
    loop.close()
    del task
    deadline = time.monotonic() + SLACK
    while (mark.living() or children()) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert not mark.living() and not children()


@pytest.mark.parametrize("end", ["loop", "cancel"])
def test_a_group_that_is_made_while_its_end_is_begun(mark, end):
    """The child leads a group only after that was looked for, and has filled it before it is killed."""
    script = """if True:
        import asyncio, gc, sys
        from support import Aio, iterate
        from _fastproc import run_shell

        aio = Aio("fastproc-fork", "stdlib")
        aio.configure()

        async def main():
            task = asyncio.create_task(run_shell("sleep 100 & sleep 100"))
            await iterate(1)
            if sys.argv[1] == "cancel":
                task.cancel()
                await asyncio.wait([task])

        loop = aio.new_loop()
        loop.run_until_complete(main())
        loop.close()
    """
    slowed = "setsid:delay_enter=50000", "kill,pidfd_send_signal:delay_exit=300000"
    inject = [f"--inject={rule}" for rule in slowed]
    command = ["strace", "-f", "-o", os.devnull, *inject, sys.executable, "-c", script, end]
    environment = mark.env | script_environment()
    if not shutil.which("strace") or subprocess.run([*command[:4], "true"]).returncode != 0:
        pytest.skip("needs strace, and the right to trace")
    # It ends when all have ended that it follows.
    subprocess.run(command, env=environment, check=True, timeout=60, stderr=subprocess.DEVNULL)
    assert not mark.living()


@pytest.mark.parametrize("traced", [True, False])
def test_a_child_that_cannot_be_watched_is_ended_with_its_group(mark, traced):
    """Each registration fails in turn, when the child has started others."""
    script = f"""if True:
        import asyncio, sys
        from _fastproc import _core, run_shell

        _core.configure(tracer={traced})
        try:
            asyncio.run(run_shell("sleep 100 & sleep 100", timeout=0.5))
        except OSError as error:
            print(type(error).__name__)
    """
    strace = ["strace", "-o", os.devnull]
    if not shutil.which("strace") or subprocess.run([*strace, "true"]).returncode != 0:
        pytest.skip("needs strace, and the right to trace")
    environment = mark.env | script_environment()
    failed = []
    for number in range(3, 8):  # those before are the loop's own
        inject = f"--inject=epoll_ctl:error=ENOMEM:delay_enter=300000:when={number}"
        done = subprocess.run(
            [*strace, inject, sys.executable, "-c", script],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=60,
        )
        failed.append(done.stdout.strip())
        until_blocking(lambda: not mark.living())  # what was killed may take a moment
    assert "OSError" in failed and "TimeoutExpired" in failed, failed


USES_OF_PIPES = {
    "input that nobody reads": ("sleep 100", {"input": bytes(10 << 20)}),
    "outputs closed": ("exec >&- 2>&-; sleep 100", {}),
    "merged": ("echo early; sleep 100", {"stderr": STDOUT}),
    "nothing piped": ("sleep 100", {"stdout": None, "stderr": None}),
    "a tree with one pipe": ("yes | (yes | cat & cat) | sleep 100", {"max_output": 10}),
    "endless output": ("yes", {"max_output": 10}),
    "output to nobody": ("yes", {"tee": lambda *_: None, "max_output": 0}),
}


@pytest.mark.parametrize("kind", USES_OF_PIPES)
def test_time_limit_holds_whatever_the_child_does_with_its_pipes(aio, mark, kind):
    command, kwds = USES_OF_PIPES[kind]

    async def main():
        began = time.monotonic()
        with pytest.raises(_fastproc.TimeoutExpired):
            await run_shell(command, timeout=LIMIT, linger=None, env=mark.env, **kwds)
        assert time.monotonic() - began < LIMIT + SLACK
        assert not mark.living() and not children()

    aio.run(main)


def test_one_that_has_left_the_group_does_not_hold_the_call(aio, mark):
    """It is not ended, as the documents say, but its hold on the pipes counts no more."""

    async def main():
        began = time.monotonic()
        with pytest.raises(_fastproc.TimeoutExpired) as raised:
            await run_shell(
                "setsid sleep 100 & echo early; sleep 100",
                timeout=LIMIT,
                linger=None,
                env=mark.env,
            )
        assert raised.value.output == b"early\n"
        assert time.monotonic() - began < LIMIT + SLACK
        for pid in mark.living():
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not mark.living())

    aio.run(main)


@pytest.mark.parametrize("timeout", [-1, 0, 1e10, float("inf")])
def test_time_limits_at_the_edge(aio, mark, timeout):
    async def main():
        if timeout > 0:
            assert (await run("echo", timeout=timeout)).stdout == b"\n"
            return
        with pytest.raises(_fastproc.TimeoutExpired):
            await run("sleep", "100", timeout=timeout, env=mark.env)

    aio.run(main)


def test_task_that_was_limited_is_not_cancelled(aio):
    """The limit's cancellation is taken back, so that the caller's scopes do not see it."""

    async def main():
        with pytest.raises(_fastproc.TimeoutExpired):
            await run("sleep", "100", timeout=0.05)
        assert asyncio.current_task().cancelling() == 0
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run("echo", timeout=60)) for _ in range(3)]
        assert [task.result().stdout for task in tasks] == [b"\n"] * 3

    aio.run(main)


def test_cancellations_without_end_kill_and_end(aio, mark):
    """As anyio's scopes send them, in every turn of the loop while the task waits."""

    async def main():
        script = "trap '' TERM; sleep 100 & while :; do sleep 100; done"
        for turns in (1, 3, 20):
            task = asyncio.create_task(run_shell(script, grace=60, env=mark.env))
            await iterate(turns)
            if turns == 20:
                await until(lambda: len(mark.living()) == 3)
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)
            assert task.cancelled() and not mark.living() and not children()

    aio.run(main)


def test_interrupt_of_the_whole_program_ends_the_command(mark):
    """Ctrl-C does not reach the child's session, so it is for run() to end it."""
    source = """if True:
        import asyncio, os, signal, sys, threading, _fastproc
        async def main():
            def tee(stream, data):
                os.kill(os.getpid(), signal.SIGINT)
            await _fastproc.run_shell("echo; sleep 100 & sleep 100", tee=tee)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """
    done = subprocess.run([sys.executable, "-c", source], env=mark.env, capture_output=True)
    assert (done.stdout, done.stderr) == (b"interrupted\n", b"") and not mark.living()


def test_time_limit_of_the_caller(aio, mark):
    async def main():
        with pytest.raises(TimeoutError) as raised:
            async with asyncio.timeout(LIMIT):
                await run_shell("sleep 100 & sleep 100", env=mark.env, timeout=60)
        assert not isinstance(raised.value, subprocess.TimeoutExpired)
        assert not mark.living() and not children()

    aio.run(main)


def test_second_cancellation_kills_at_once(aio, mark):
    async def main():
        script = "trap '' TERM; echo; while :; do sleep 100; done"
        begun = asyncio.Event()
        task = asyncio.create_task(
            run_shell(script, env=mark.env, grace=60, tee=lambda *_: begun.set())
        )
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0.05)
        assert mark.living()
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < SLACK and not mark.living() and not children()

    aio.run(main)


def test_cancellation_is_not_lost_while_a_start_that_took_too_long_is_cleared_away(
    aio, monkeypatch
):
    remains, looks = ["something"], []

    def has_remains(process):
        looks.append(process)
        return bool(remains)

    async def main():
        monkeypatch.setattr(_fastproc._stop, "has_remains", has_remains)
        while not looks:  # the start may have been faster than the limit
            task = asyncio.create_task(run("sleep", "100", timeout=0))
            await until(lambda task=task: looks or task.done())
            if not looks:
                assert isinstance(task.exception(), _fastproc.TimeoutExpired)
        task.cancel()
        await iterate(3)
        assert not task.done()
        remains.clear()
        with pytest.raises(asyncio.CancelledError):
            await task

    aio.run(main)


def test_many_at_a_time(aio, mark):
    async def main():
        gate = asyncio.Semaphore(16)

        async def one(number):
            async with gate:
                slow = number % 5 == 0
                script = "sleep 100 & wait" if slow else f"echo {number}"
                try:
                    return (await run_shell(script, timeout=SLOWNESS, env=mark.env)).stdout
                except TimeoutError:
                    return None

        results = await asyncio.gather(*map(one, range(50)))
        assert results == [f"{n}\n".encode() if n % 5 else None for n in range(50)]

    aio.run(main)
    assert not mark.living()


# signal_group


@every_path
@no_pidfd
def test_signal_group_reaches_everybody(aio, mark):
    async def main():
        proc = await create_subprocess_shell(
            "sleep 100 & echo; wait", stdout=PIPE, env=mark.env, start_new_session=True
        )
        await proc.stdout.readline()
        proc.signal_group(0)
        proc.signal_group(signal=signal.SIGTERM)
        await until(lambda: not mark.living())
        assert await proc.wait() == -signal.SIGTERM

    aio.run(main)


def test_signal_group_when_the_child_has_exited(aio, mark):
    async def main():
        proc = await create_subprocess_shell("sleep 100 & ", env=mark.env, process_group=0)
        assert await proc.wait() == 0
        if not mark.living():
            return
        try:
            proc.signal_group(signal.SIGTERM)
        except ProcessLookupError:  # before Linux 6.9
            os.kill(*mark.living(), signal.SIGTERM)
        await until(lambda: not mark.living())

    aio.run(main)


@every_path
@no_pidfd
def test_signal_group_of_a_child_that_leads_none(aio):
    async def main():
        proc = await create_subprocess_exec("cat", stdin=PIPE)
        with pytest.raises(ValueError):
            proc.signal_group(signal.SIGTERM)
        proc.stdin.close()
        assert await proc.wait() == 0
        with pytest.raises(ValueError):
            proc.signal_group(signal.SIGTERM)

    aio.run(main)


@every_path
@no_pidfd
@pytest.mark.parametrize("kwds", [{"start_new_session": True}, {"preexec_fn": os.setsid}, {}])
def test_signal_group_of_a_child_that_has_become_a_leader(aio, kwds):
    make_leader = "import os; os.getpgid(0) == os.getpid() or os.setpgid(0, 0); "

    async def main():
        proc = await create_subprocess_exec(
            sys.executable,
            "-S",
            "-c",
            make_leader + "print(flush=True); input()",
            stdin=PIPE,
            stdout=PIPE,
            **kwds,
        )
        await proc.stdout.readline()
        proc.signal_group(0)
        with pytest.raises(OSError):
            proc.signal_group(10_000)
        with pytest.raises(TypeError):
            proc.signal_group()
        proc.signal_group(signal.SIGTERM)
        assert await proc.wait() == -signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            proc.signal_group(0)
        await proc.communicate()

    aio.run(main)


def test_group_leaders_that_have_ended_hold_no_descriptor(aio):
    async def main():
        before = descriptors()
        procs = [await create_subprocess_exec("true", start_new_session=True) for _ in range(30)]
        for proc in procs:
            await proc.wait()
        new = [name for fd, name in descriptors().items() if fd not in before]
        assert not [name for name in new if "pidfd" in name]

    aio.run(main)


# stop, async with, close


@every_path
@no_pidfd
def test_stop_ends_the_child_or_its_group(aio, mark):
    async def main():
        for kwds in ({}, {"start_new_session": True}):
            script = "exec sleep 100" if not kwds else "sleep 100 & echo; wait"
            proc = await create_subprocess_shell(script, env=mark.env, stdout=PIPE, **kwds)
            if kwds:
                await proc.stdout.readline()
            assert await proc.stop() == -signal.SIGTERM
            assert not mark.living() and proc.resource_usage is not None
            assert await proc.stop() == -signal.SIGTERM
            proc.close()

    aio.run(main)


@every_path
@no_pidfd
def test_stop_with_another_signal_and_a_child_that_heeds_none(aio, mark):
    async def main():
        proc = await create_subprocess_exec("sleep", "100", env=mark.env)
        assert await proc.stop(signal.SIGINT, grace=60) == -signal.SIGINT
        script = "trap '' TERM; echo; while :; do sleep 100; done"
        proc = await create_subprocess_shell(
            script, stdout=PIPE, env=mark.env, start_new_session=True
        )
        await proc.stdout.readline()
        began = time.monotonic()
        assert await proc.stop(grace=0.2) == -signal.SIGKILL
        assert 0.2 <= time.monotonic() - began < 0.2 + SLACK
        proc.close()
        proc = await create_subprocess_exec("sleep", "100")
        assert await proc.stop(grace=0) == -signal.SIGKILL
        with pytest.raises(ValueError):
            await proc.stop(grace=-1)

    aio.run(main)


def test_what_was_stopped_holds_nothing(aio, mark):
    async def main():
        before = descriptors().keys()
        script = "trap '' TERM; sleep 100 & trap - TERM; echo; wait"
        proc = await create_subprocess_shell(
            script, stdout=PIPE, env=mark.env, start_new_session=True
        )
        await proc.stdout.readline()
        assert await proc.stop(grace=0.1) == -signal.SIGTERM and not mark.living()
        proc.close()
        while not group_is_empty(proc):  # of zombies, too
            await asyncio.sleep(0.001)
        assert not [fd for fd, name in descriptors().items() if fd not in before and "pid" in name]
        gone = weakref.ref(proc)
        del proc
        assert gone() is None  # without the collector

    aio.run(main)


def group_is_empty(proc):
    try:
        proc.signal_group(0)
    except ProcessLookupError:
        return True
    return False


def test_stops_that_overlap_share_one_way_down(aio, mark):
    async def main():
        script = "trap 'echo term' TERM; echo ready; while :; do sleep 0.01; done"
        proc = await create_subprocess_shell(
            script, stdout=PIPE, env=mark.env, start_new_session=True
        )
        await proc.stdout.readline()
        stops = [asyncio.create_task(proc.stop(grace=60)) for _ in range(3)]
        await iterate(2)
        stops.pop().cancel()  # the others go on
        await asyncio.sleep(0.1)
        assert mark.living()
        stops.append(asyncio.create_task(proc.stop(grace=0.1)))
        assert await asyncio.gather(*stops) == [-signal.SIGKILL] * 3
        assert await proc.stdout.read() == b"term\n"

    aio.run(main)


@every_path
@no_pidfd
@pytest.mark.parametrize("distance", [0, 1, 2], ids=["once", "at-once", "soon"])
@pytest.mark.telling_paths()
def test_stop_cancelled_wherever_it_waits_kills(aio, mark, distance, slow):
    async def main():
        for first in range(1, 12 if slow else 7):
            script = "trap '' TERM; echo; sleep 100 & while :; do sleep 100; done"
            proc = await create_subprocess_shell(
                script, stdout=PIPE, env=mark.env, start_new_session=True
            )
            await proc.stdout.readline()
            places = {first, first + distance} if distance else {first}
            with pytest.raises(asyncio.CancelledError):
                await interrupted(proc.stop(grace=60), places)
            assert proc.returncode == -signal.SIGKILL and not mark.living()
            proc.close()

    aio.run(main)


@every_path
@no_pidfd
def test_async_with_stops_and_closes(aio, mark):
    async def main():
        async with await create_subprocess_shell(
            "sleep 100 & echo x; cat; sleep 100",
            stdin=PIPE,
            stdout=PIPE,
            env=mark.env,
            start_new_session=True,
        ) as proc:
            assert isinstance(proc, _fastproc.Process)
            assert await proc.stdout.readline() == b"x\n"
        assert proc.returncode == -signal.SIGTERM and not mark.living()
        assert proc.stdin.is_closing() and await proc.stdout.read() == b""
        with pytest.raises(ZeroDivisionError):
            async with await create_subprocess_exec("sleep", "100") as proc:
                raise ZeroDivisionError
        assert proc.returncode == -signal.SIGTERM

    aio.run(main)


def test_async_with_lets_one_that_has_closed_its_outputs_exit(aio):
    async def main():
        for _ in range(10):
            async with await create_subprocess_shell("echo x; exit 3", stdout=PIPE) as proc:
                assert await proc.stdout.read() == b"x\n"
            assert proc.returncode == 3

    aio.run(main)


@every_path
@no_pidfd
@pytest.mark.parametrize("distance", [0, 1, 2, 3], ids=["once", "at-once", "soon", "later"])
def test_async_with_cancelled_wherever_it_waits(aio, mark, distance):
    async def main():
        async def use():
            async with await create_subprocess_shell(
                "sleep 100 & echo; cat", stdin=PIPE, stdout=PIPE, env=mark.env, process_group=0
            ) as proc:
                await proc.stdout.readline()
                proc.stdin.close()
                await proc.wait()

        async for _ in at_every_wait(use, distance):
            await until_reaped()
            await until(
                lambda: not mark.living()
            )  # those of a cancelled create are killed, at least
        # It has not been interrupted, and its child had exited. A process shows no mark while it is in exec().
        await until(lambda: len(mark.living()) == 1)
        os.kill(*mark.living(), signal.SIGKILL)
        await until(lambda: not mark.living())

    aio.run(main)


@pytest.mark.may_warn("is still running")
def test_async_with_in_a_coroutine_that_is_closed(aio, mark):
    async def main():
        async def use():
            async with await create_subprocess_shell(
                "sleep 100 & sleep 100", env=mark.env, start_new_session=True
            ):
                await asyncio.Event().wait()

        task = asyncio.create_task(use())
        await until(lambda: len(mark.living()) == 3)
        task.get_coro().close()
        await until(lambda: not mark.living())
        await until_reaped()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    aio.run(main)


def test_close_closes_the_pipes_and_kills_nobody(aio):
    async def main():
        proc = await create_subprocess_shell(
            "echo x; echo y >&2; read line; sleep 0.1; exit 3", stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert await proc.stderr.readline() == b"y\n"
        proc.close()
        proc.close()
        assert await proc.stdout.read() == b"x\n" and proc.stdout.at_eof()
        assert proc.returncode is None
        assert await proc.wait() == 3

    aio.run(main)


def test_close_drops_what_was_not_written(aio):
    async def main():
        proc = await create_subprocess_exec("sleep", "0.2", stdin=PIPE)
        proc.stdin.write(bytes(1 << 20))
        proc.close()
        await proc.stdin.wait_closed()
        assert await proc.wait() == 0

    aio.run(main)
