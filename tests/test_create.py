"""What a child is given: program, arguments, environment, descriptors, ids, directory."""

import asyncio
import errno
import grp
import itertools
import os
import pwd
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from types import MappingProxyType

import pytest
from support import (
    LINUX,
    children,
    descriptors,
    finish,
    output_of,
    pipe,
    running,
    shell_output,
)

pytestmark = [
    pytest.mark.every_path,
    pytest.mark.telling_paths("vfork", "fork", "shared"),
    pytest.mark.one_loop("what a child is given is no matter of the loop"),
]
linux = pytest.mark.skipif(not LINUX, reason="looks into /proc")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change ids")
NOBODY = 65534


class FspathArgument:
    """PathLike and nothing else."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def spellings(text):
    raw = os.fsencode(text)
    return [text, raw, FspathArgument(text), FspathArgument(raw)]


async def status_of_child(aio, *args, **kwds):
    """/proc/self/status of a child, as a dict."""
    lines = (await output_of(aio, "cat", "/proc/self/status", **kwds)).decode().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def signals(mask):
    return {n for n in range(1, 65) if int(mask, 16) >> n - 1 & 1}


# Program, arguments, shell


@pytest.mark.parametrize("index", range(4), ids=["str", "bytes", "path-str", "path-bytes"])
@pytest.mark.differs("uvloop", "no PathLike arguments", when=lambda index: index > 1)
def test_program_and_arguments_are_str_bytes_or_pathlike(aio, index):
    program = spellings(shutil.which("printf"))[index]
    words = [spellings(word)[index] for word in ("%s|", "", "a b", "ä\udcff", "$x")]
    assert aio.run(output_of(aio, program, *words)) == "|a b|ä\udcff|$x|".encode(
        "utf-8", "surrogateescape"
    )


def test_arguments_may_be_many_and_long(aio):
    words = ["x" * 1000] * 1000
    assert aio.run(shell_output(aio, 'printf "%s" "$#$1"', *words)) == b"1000" + b"x" * 1000


@pytest.mark.parametrize("command", ["echo $((6*7))", b"echo $((6*7))"])
def test_shell_command_is_str_or_bytes(aio, command):
    async def main():
        proc = await aio.create_subprocess_shell(command, stdout=aio.PIPE)
        return await proc.communicate()

    assert aio.run(main) == (b"42\n", None)


@pytest.mark.differs("uvloop", "no executable=")
def test_executable_is_run_under_the_name_of_the_program(aio):
    run = output_of(aio, "other-name", "-c", "echo $0", executable="/bin/sh")
    assert aio.run(run) == b"other-name\n"


@pytest.mark.parametrize("index", range(4), ids=["str", "bytes", "path-str", "path-bytes"])
@pytest.mark.differs("uvloop", "no executable=")
def test_executable_is_str_bytes_or_pathlike(aio, index):
    executable = spellings(shutil.which("printf"))[index]
    assert aio.run(output_of(aio, "name", "it", executable=executable)) == b"it"


@pytest.mark.differs("uvloop", "no executable=")
def test_executable_replaces_the_shell(aio, tmp_path):
    shell = tmp_path / "my-shell"
    shell.symlink_to("/bin/sh")

    async def main():
        proc = await aio.create_subprocess_shell("echo $0", stdout=aio.PIPE, executable=str(shell))
        return (await proc.communicate())[0]

    assert aio.run(main) == f"{shell}\n".encode()


# Working directory and environment


@pytest.mark.parametrize("index", range(4), ids=["str", "bytes", "path-str", "path-bytes"])
@pytest.mark.differs("uvloop", "no PathLike of its own kind", when=lambda index: index > 1)
def test_cwd_is_str_bytes_or_pathlike(aio, tmp_path, index):
    cwd = spellings(str(tmp_path))[index]
    assert aio.run(output_of(aio, "pwd", "-P", cwd=cwd)) == f"{tmp_path.resolve()}\n".encode()


def test_relative_program_is_found_from_the_new_cwd(aio, tmp_path):
    (tmp_path / "here").symlink_to("/bin/sh")
    assert aio.run(output_of(aio, "./here", "-c", "echo $0", cwd=tmp_path)) == b"./here\n"


@pytest.mark.parametrize("index", range(4), ids=["str", "bytes", "path-str", "path-bytes"])
@pytest.mark.differs("uvloop", "no PathLike in env", when=lambda index: index > 1)
def test_env_keys_and_values_are_str_bytes_or_pathlike(aio, index):
    env = {spellings("KEY")[index]: spellings("v=ä\udcff")[index]}
    out = aio.run(output_of(aio, shutil.which("env"), env=env))
    assert out == "KEY=v=ä\udcff\n".encode("utf-8", "surrogateescape")


def test_env_none_is_the_environment_of_now(aio, monkeypatch):
    monkeypatch.setenv("SET_JUST_NOW", "yes")
    assert aio.run(shell_output(aio, "echo $SET_JUST_NOW")) == b"yes\n"


@pytest.mark.differs("uvloop", "an empty env is none")
def test_env_may_be_empty_and_any_mapping(aio):
    env = shutil.which("env")
    assert aio.run(output_of(aio, env, env={})) == b""
    assert aio.run(output_of(aio, env, env=MappingProxyType({"A": "1"}))) == b"A=1\n"


# PATH


@pytest.fixture
def folders(tmp_path):
    """Three folders: an executable `tool` in the last, in the first a file that is none."""
    found = [tmp_path / name for name in ("plain", "empty", "bin")]
    for folder in found:
        folder.mkdir()
    (found[0] / "tool").write_text("#!/bin/sh\n")
    (found[2] / "tool").write_text("#!/bin/sh\necho found\n")
    (found[2] / "tool").chmod(0o755)
    return dict(zip(("plain", "empty", "bin"), found))


def path_of(*folders):
    return os.pathsep.join(map(str, folders))


@pytest.mark.parametrize("key", ["PATH", b"PATH"])
@pytest.mark.differs("uvloop", "searches its own PATH")
def test_program_is_searched_in_the_childs_path(aio, folders, key):
    value = path_of(folders["empty"], folders["bin"])
    env = {key: os.fsencode(value) if isinstance(key, bytes) else value}
    assert aio.run(output_of(aio, "tool", env=env)) == b"found\n"


def test_program_is_searched_in_our_path_without_env(aio, folders, monkeypatch):
    monkeypatch.setenv("PATH", path_of(folders["empty"], folders["bin"]))
    assert aio.run(output_of(aio, "tool")) == b"found\n"


@pytest.mark.differs("uvloop", "searches its own PATH")
def test_path_search_goes_on_after_a_file_that_cannot_run(aio, folders):
    env = {"PATH": path_of(folders["plain"], "/dev/null/not-a-folder", folders["bin"])}
    assert aio.run(output_of(aio, "tool", env=env)) == b"found\n"


@pytest.mark.differs("uvloop", "searches its own PATH")
def test_path_search_reports_the_first_real_error(aio, folders):
    looping = folders["empty"] / "tool"
    looping.symlink_to(looping)
    env = {"PATH": path_of("/dev/null/x", folders["plain"], folders["empty"], "/nowhere")}
    with pytest.raises(PermissionError) as caught:
        aio.run(output_of(aio, "tool", env=env))
    assert (caught.value.errno, caught.value.filename) == (errno.EACCES, "tool")


@pytest.mark.differs("uvloop", "searches its own PATH")
def test_path_search_has_a_default(aio):
    assert aio.run(output_of(aio, "echo", "hi", env={})) == b"hi\n"


@pytest.mark.differs("uvloop", "searches its own PATH")
def test_empty_entry_of_path_is_the_cwd(aio, folders):
    env = {"PATH": "/nowhere:"}
    assert aio.run(output_of(aio, "tool", env=env, cwd=folders["bin"])) == b"found\n"


def test_program_with_a_slash_is_not_searched(aio, folders):
    env = {"PATH": str(folders["bin"])}
    with pytest.raises(FileNotFoundError):
        aio.run(output_of(aio, "./tool", env=env, cwd=folders["empty"]))


# Standard streams


def test_streams_are_inherited_by_default(aio, capfd):
    async def main():
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", "echo to-out; echo to-err >&2")
        assert (proc.stdin, proc.stdout, proc.stderr) == (None, None, None)
        return await proc.wait()

    assert aio.run(main) == 0
    assert capfd.readouterr() == ("to-out\n", "to-err\n")


@linux
def test_stdin_is_inherited_by_default(aio):
    parent = os.readlink("/proc/self/fd/0")
    assert aio.run(output_of(aio, "readlink", "/proc/self/fd/0")) == f"{parent}\n".encode()


@linux
def test_devnull(aio):
    async def main(path):
        script = f"exec >{path}; readlink /proc/$$/fd/0 /proc/self/fd/2"
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), aio.DEVNULL)
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **streams)
        assert (proc.stdin, proc.stdout, proc.stderr) == (None, None, None)
        return await proc.wait()

    with pipe() as (out, into):
        os.set_inheritable(into.fileno(), True)
        assert aio.run(main(f"/proc/{os.getpid()}/fd/{into.fileno()}")) == 0
        assert os.read(out.fileno(), 100) == b"/dev/null\n/dev/null\n"


@pytest.mark.parametrize("as_object", [False, True], ids=["fd", "fileno"])
def test_streams_are_descriptors_or_objects_with_fileno(aio, tmp_path, as_object):
    (tmp_path / "in").write_bytes(b"from a file")
    with (
        open(tmp_path / "in", "rb") as stdin,
        open(tmp_path / "out", "wb") as stdout,
        open(tmp_path / "err", "wb") as stderr,
    ):
        files = stdin, stdout, stderr
        values = files if as_object else [file.fileno() for file in files]

        async def main():
            streams = dict(zip(("stdin", "stdout", "stderr"), values))
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", "cat; echo no >&2", **streams)
            assert (proc.stdin, proc.stdout, proc.stderr) == (None, None, None)
            return await proc.wait()

        assert aio.run(main) == 0
    assert (tmp_path / "out").read_bytes() == b"from a file"
    assert (tmp_path / "err").read_bytes() == b"no\n"


@pytest.mark.parametrize("target", ["pipe", "file", "inherited"])
def test_stderr_follows_stdout(aio, tmp_path, capfd, target):
    async def main(stdout):
        proc = await aio.create_subprocess_exec(
            "/bin/sh", "-c", "echo 1; echo 2 >&2; echo 3", stdout=stdout, stderr=aio.STDOUT
        )
        assert proc.stderr is None
        return (await proc.communicate())[0]

    if target == "pipe":
        result = aio.run(main(aio.PIPE))
    elif target == "file":
        with open(tmp_path / "both", "wb") as file:
            assert aio.run(main(file)) is None
        result = (tmp_path / "both").read_bytes()
    else:
        assert aio.run(main(None)) is None
        result = capfd.readouterr().out.encode()
    assert result == b"1\n2\n3\n"


@pytest.mark.differs("uvloop", "stdin is a socketpair")
@pytest.mark.differs("asyncio", "stdin was a socketpair", when=lambda: uses_socketpair())
def test_stdin_is_a_pipe_that_can_be_opened_again(aio):
    async def main():
        script = "test -p /dev/stdin && cat /dev/stdin"
        proc = await aio.create_subprocess_exec(
            "/bin/sh", "-c", script, stdin=aio.PIPE, stdout=aio.PIPE
        )
        out, _ = await proc.communicate(b"again")
        return out, proc.returncode

    assert aio.run(main) == (b"again", 0)


SHUFFLE = """
    # Descriptors 0, 1, 2 become three files; each child gets them in another order, and writes
    # to each of its own, so that the files tell which one it had where.
    results, base = os.dup(1), os.dup(2)
    names = [os.path.join(sys.argv[1], str(i)) for i in range(3)]
    async def main():
        wrong = []
        for fds in itertools.product(range(3), repeat=3):
            for name in names:
                open(name, "w").close()
            proc = await aio.create_subprocess_exec(
                "/bin/sh", "-c", "echo i >&0; echo o >&1; echo e >&2",
                **dict(zip(("stdin", "stdout", "stderr"), fds)))
            await proc.wait()
            expected = ["".join(w + "\\n" for w, fd in zip("ioe", fds) if fd == i) for i in range(3)]
            found = [open(name).read() for name in names]
            if found != expected:
                wrong.append((fds, found))
        return wrong
    for target, name in enumerate(names):
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(fd, target)
        os.close(fd)
    wrong = aio.run(main)
    os.dup2(base, 2)
    assert not wrong, wrong
"""


@pytest.mark.differs("uvloop", "refuses or loses low descriptors")
def test_streams_may_be_any_shuffle_of_0_1_2(aio, tmp_path):
    aio.script(SHUFFLE, tmp_path)


CLOSED = """
    async def main():
        proc = await aio.create_subprocess_exec(
            "/bin/sh", "-c", "cat; echo err >&2",
            stdin=aio.PIPE, stdout=aio.PIPE, stderr=aio.PIPE)
        out, err = await proc.communicate(b"through")
        await iterate(3)
        return out, err, proc.returncode
    base = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_RDWR), 100)
    wrong = {}
    for closed in itertools.chain.from_iterable(
            itertools.combinations(range(3), n) for n in range(4)):
        for before_loop in {False, not aio.on_uvloop}:  # libuv itself aborts on low descriptors
            for fd in range(3):
                os.dup2(100, fd, inheritable=True)
            async def close_and_main():
                for fd in closed * (not before_loop):
                    os.close(fd)
                return await main()
            for fd in closed * before_loop:
                os.close(fd)
            found = aio.run(close_and_main)
            if found != (b"through", b"err\\n", 0):
                wrong[closed, before_loop] = found
    os.dup2(base, 2)
    assert not wrong, wrong
"""


@pytest.mark.differs("uvloop", "loses low descriptors")
def test_closed_0_1_2_in_the_parent(aio):
    aio.script(CLOSED)


@pytest.mark.parametrize("size", [4096, 1 << 17])
@pytest.mark.differs("uvloop", "no pipesize=")
def test_pipesize(aio, size):
    fcntl = pytest.importorskip("fcntl")
    if not hasattr(fcntl, "F_GETPIPE_SZ"):
        pytest.skip("pipes cannot be sized here")

    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes, pipesize=size)
        ends = [proc._transport.get_pipe_transport(i).get_extra_info("pipe") for i in range(3)]
        sizes = [fcntl.fcntl(end.fileno(), fcntl.F_GETPIPE_SZ) for end in ends]
        await proc.communicate(b"")
        return sizes

    sizes = aio.run(main)
    if uses_socketpair() and not aio.is_fastproc:
        del sizes[0]
    assert set(sizes) == {size}


def uses_socketpair():
    """Whether this interpreter's asyncio feeds stdin through a socketpair."""
    import asyncio.unix_events
    import inspect

    source = inspect.getsource(asyncio.unix_events._UnixSubprocessTransport)
    return "socketpair()" in source and "aix" not in source


# Descriptors


@linux
@pytest.mark.parametrize("close_fds", [True, False])
@pytest.mark.differs("uvloop", "ignores close_fds")
def test_child_gets_its_streams_and_nothing_of_ours(aio, close_fds):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        async with running(aio, "cat", **pipes):
            proc = await aio.create_subprocess_exec(
                "ls", "/proc/self/fd", **pipes, close_fds=close_fds
            )
            return (await proc.communicate())[0].split()

    with pipe():
        inheritable = {fd for fd in descriptors() if fd > 2 and os.get_inheritable(fd)}
        expected = {0, 1, 2, 3} | (set() if close_fds else inheritable)
        assert set(map(int, aio.run(main))) - expected == set()


@pytest.mark.differs("uvloop", "ignores close_fds")
def test_close_fds_false_keeps_inheritable_descriptors(aio):
    async def main(fd):
        command = "/bin/sh", "-c", "echo kept >/dev/fd/$1", "sh", str(fd)
        closed = await aio.create_subprocess_exec(*command, stderr=aio.DEVNULL)
        assert await closed.wait() != 0
        kept = await aio.create_subprocess_exec(*command, close_fds=False)
        assert await kept.wait() == 0

    with pipe() as (out, into):
        os.set_inheritable(into.fileno(), True)
        aio.run(main(into.fileno()))
        assert os.read(out.fileno(), 100) == b"kept\n"


@pytest.mark.differs("uvloop", "ignores close_fds")
def test_pass_fds_are_the_only_ones_kept(aio):
    async def main(passed):
        script = 'for fd in "$@"; do echo $fd >/dev/fd/$fd; done; :'
        numbers = str(into.fileno()), str(other.fileno())
        command = "/bin/sh", "-c", script, "sh", *numbers
        proc = await aio.create_subprocess_exec(*command, stderr=aio.DEVNULL, pass_fds=passed)
        assert await proc.wait() == 0

    with pipe() as (out, into), pipe() as (other_out, other):
        os.set_inheritable(other.fileno(), True)
        os.set_blocking(other_out.fileno(), False)
        assert not os.get_inheritable(into.fileno())
        aio.run(main([into.fileno()]))
        assert os.read(out.fileno(), 100) == b"%d\n" % into.fileno()
        assert other_out.read(100) is None
        assert not os.get_inheritable(into.fileno())


@pytest.mark.may_warn("RuntimeWarning: pass_fds overriding close_fds")
@pytest.mark.differs("uvloop", "ignores close_fds")
def test_pass_fds_overrides_close_fds(aio):
    async def main(fd, other):
        script = f"echo 1 >/dev/fd/{fd} && ! echo 2 >/dev/fd/{other}"
        with pytest.warns(RuntimeWarning, match=r"^pass_fds overriding close_fds\.$"):
            proc = await aio.create_subprocess_exec(
                *("/bin/sh", "-c", script), stderr=aio.DEVNULL, pass_fds=(fd,), close_fds=False
            )
        assert await proc.wait() == 0

    with pipe() as (out, into), pipe() as (_, other):
        os.set_inheritable(other.fileno(), True)
        aio.run(main(into.fileno(), other.fileno()))
        assert os.read(out.fileno(), 10) == b"1\n"


def test_no_child_holds_the_pipes_of_another(aio):
    """Else the first cat would not see the end of its input while the second lives."""

    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
        first = await aio.create_subprocess_exec("cat", **pipes)
        async with running(aio, "cat", **pipes, close_fds=False):
            return await first.communicate(b"end")

    assert aio.run(main) == (b"end", None)


# Signals


@linux
@pytest.mark.parametrize("restore", [True, False])
@pytest.mark.differs("uvloop", "no restore_signals=", when=lambda restore: not restore)
def test_restore_signals(aio, restore):
    status = aio.run(status_of_child(aio, restore_signals=restore))
    python_ignores = {signal.SIGPIPE, signal.SIGXFSZ}
    assert signals(status["SigIgn"]) & python_ignores == (set() if restore else python_ignores)


@linux
@pytest.mark.differs("uvloop", "resets every signal")
def test_child_has_our_mask_and_our_ignored_signals_but_no_handlers(aio):
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    old = {signal.SIGUSR2: signal.signal(signal.SIGUSR2, signal.SIG_IGN)}
    old |= {signal.SIGHUP: signal.signal(signal.SIGHUP, lambda *args: None)}
    try:
        status = aio.run(status_of_child(aio))
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
        for number, handler in old.items():
            signal.signal(number, handler)
    assert mask == old_mask | {signal.SIGUSR1}
    assert signals(status["SigBlk"]) == mask
    assert signals(status["SigIgn"]) & {signal.SIGUSR2, signal.SIGHUP} == {signal.SIGUSR2}
    assert signals(status["SigCgt"]) == set()


@linux
@pytest.mark.differs("uvloop", "resets every signal")
def test_childs_signals_are_those_that_subprocess_gives(aio):
    fields = "SigBlk", "SigIgn", "SigCgt"
    popen = subprocess.run(["cat", "/proc/self/status"], stdout=subprocess.PIPE, check=True)
    expected = [line for line in popen.stdout.decode().splitlines() if line.startswith(fields)]
    status = aio.run(status_of_child(aio))
    assert [f"{field}:\t{status[field]}" for field in sorted(fields)] == sorted(expected)


# Session, group, ids


async def ids_of_child(aio, **kwds):
    """(pid, process group, session)"""
    stat = await output_of(aio, "cat", "/proc/self/stat", **kwds)
    pid = int(stat.split()[0])
    return (pid, *map(int, stat.rpartition(b")")[2].split()[2:4]))


@linux
def test_session_and_process_group_are_ours_by_default(aio):
    _, group, session = aio.run(ids_of_child(aio))
    assert (group, session) == (os.getpgrp(), os.getsid(0))


@linux
def test_start_new_session(aio):
    pid, group, session = aio.run(ids_of_child(aio, start_new_session=True))
    assert pid == group == session


@linux
@pytest.mark.differs("uvloop", "no process_group=")
def test_process_group_of_its_own(aio):
    pid, group, session = aio.run(ids_of_child(aio, process_group=0))
    assert (group, session) == (pid, os.getsid(0))


@linux
@pytest.mark.differs("uvloop", "no process_group=")
def test_process_group_of_another_child(aio):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE, process_group=0) as leader:
            _, group, _ = await ids_of_child(aio, process_group=leader.pid)
            return group - leader.pid

    assert aio.run(main) == 0


@pytest.mark.differs("uvloop", "no process_group=")
def test_session_of_its_own_is_not_in_the_group_of_another_child(aio):
    """It is made first, and who leads a session cannot leave its group."""

    async def main():
        async with running(aio, "cat", stdin=aio.PIPE, process_group=0) as leader:
            with pytest.raises(PermissionError):
                await aio.create_subprocess_exec(
                    "true", start_new_session=True, process_group=leader.pid
                )

    aio.run(main)


@linux
@as_root
@pytest.mark.parametrize("by_name", [False, True], ids=["number", "name"])
@pytest.mark.differs("uvloop", "no user=")
def test_user_group_and_extra_groups(aio, by_name):
    user, group = pwd.getpwuid(NOBODY), grp.getgrgid(pwd.getpwuid(NOBODY).pw_gid)
    status = aio.run(
        status_of_child(
            aio,
            user=user.pw_name if by_name else user.pw_uid,
            group=group.gr_name if by_name else group.gr_gid,
            extra_groups=[group.gr_name if by_name else 1234, 5],
        )
    )
    assert set(status["Uid"].split()) == {str(NOBODY)}
    assert set(status["Gid"].split()) == {str(group.gr_gid)}
    groups = {group.gr_gid if by_name else 1234, 5}
    assert set(map(int, status["Groups"].split())) == groups


@linux
@as_root
@pytest.mark.differs("uvloop", "no extra_groups=")
def test_extra_groups_may_be_none_at_all(aio):
    assert aio.run(status_of_child(aio, extra_groups=[]))["Groups"].split() == []


@linux
@pytest.mark.differs("uvloop", "no user=")
def test_ids_may_be_what_they_are(aio):
    status = aio.run(status_of_child(aio, user=os.getuid(), group=os.getgid()))
    assert status["Uid"].split()[0] == str(os.getuid())


@linux
@as_root
@pytest.mark.differs("uvloop", "no user=")
def test_changing_the_childs_ids_leaves_us_dumpable(aio):
    prctl = pytest.importorskip("ctypes").CDLL(None, use_errno=True).prctl
    get_dumpable, set_dumpable = 3, 4
    before = prctl(get_dumpable, 0, 0, 0, 0)
    assert prctl(set_dumpable, 1, 0, 0, 0) == 0
    try:
        aio.run(output_of(aio, "true", user=NOBODY, group=NOBODY))
        assert prctl(get_dumpable, 0, 0, 0, 0) == 1
    finally:
        prctl(set_dumpable, before, 0, 0, 0)


@pytest.mark.differs("uvloop", "no umask=")
def test_umask(aio):
    old = os.umask(0o022)
    try:
        assert aio.run(shell_output(aio, "umask", umask=0o027)).strip() in (b"027", b"0027")
        assert aio.run(shell_output(aio, "umask")).strip() in (b"022", b"0022")
    finally:
        assert os.umask(old) == 0o022


# preexec_fn


def test_preexec_fn_runs_in_the_child(aio):
    async def main(fd):
        return await output_of(
            aio, "true", preexec_fn=lambda: os.write(fd, b"%d" % os.getppid()), pass_fds=[fd]
        )

    with pipe() as (out, into):
        aio.run(main(into.fileno()))
        assert os.read(out.fileno(), 20) == b"%d" % os.getpid()


def test_preexec_fn_may_change_the_environment_that_is_inherited(aio):
    async def main():
        put = {"preexec_fn": lambda: os.putenv("FASTPROC_TEST", "put")}
        assert await shell_output(aio, 'printf "$FASTPROC_TEST"', **put) == b"put"
        given = {"env": {"FASTPROC_TEST": "given"}}
        assert await shell_output(aio, 'printf "$FASTPROC_TEST"', **put, **given) == b"given"
        assert await shell_output(aio, 'printf "$FASTPROC_TEST"') == b""

    aio.run(main)


@pytest.mark.differs("uvloop", "no umask= or process_group=")
def test_preexec_fn_runs_after_everything_but_the_closing_of_descriptors(aio, tmp_path):
    def report():
        mask = os.umask(0)
        found = [
            os.getcwd() == str(tmp_path.resolve()),
            mask == 0o031,
            os.getsid(0) == os.getpid(),
            os.path.sameopenfile(0, spare.fileno()),
            signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        ]
        os.write(1, repr(found).encode())

    with open(os.devnull, "rb") as spare:
        old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        try:
            out = aio.run(
                output_of(
                    aio,
                    "true",
                    stdin=spare,
                    preexec_fn=report,
                    cwd=tmp_path,
                    umask=0o031,
                    start_new_session=True,
                )
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
    assert out == repr([True] * 5).encode()


def test_preexec_fn_may_set_limits_for_the_child(aio):
    def limit():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    assert aio.run(shell_output(aio, "ulimit -c", preexec_fn=limit)) == b"0\n"


@pytest.mark.parametrize("error", ["ZeroDivisionError()", "SystemExit(3)", "KeyboardInterrupt()"])
@pytest.mark.differs("uvloop", "reports it in other words")
def test_preexec_fn_that_raises(aio, tmp_path, error):
    marker = tmp_path / "ran"

    def fail():
        raise eval(error)

    async def main():
        await aio.create_subprocess_exec("touch", str(marker), preexec_fn=fail)

    with pytest.raises(subprocess.SubprocessError) as caught:
        aio.run(main)
    assert str(caught.value) == "Exception occurred in preexec_fn."
    assert not marker.exists() and not children()


@pytest.mark.telling_paths()  # preexec_fn has one of its own
@pytest.mark.differs("uvloop", "runs none before")
def test_preexec_fn_runs_the_fork_hooks(aio):
    """Of the child: without them the interpreter there is in no state to run Python."""
    out = aio.script("""
        import threading
        os.register_at_fork(after_in_child=lambda: os.write(1, b"hook "))
        proc = output_of(aio, "true", stdout=None, preexec_fn=lambda: os.write(1, b"function "))
        aio.run(proc)
    """)
    assert out.stdout == b"hook function "


@pytest.mark.telling_paths("fork")
@pytest.mark.parametrize("hook", ["before", "after_in_parent"])
@pytest.mark.differs("uvloop", "runs none")
def test_fork_hooks_of_the_parent_run_with_its_signals(aio, hook):
    """A thread that one starts would have none for ever, and so would that thread's children."""
    out = aio.script(
        """
        def hook():
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
            print(len(blocked), flush=True)
        os.register_at_fork(**{sys.argv[1]: hook})
        aio.run(output_of(aio, "true", stdout=None, preexec_fn=lambda: None))
        """,
        hook,
    )
    assert out.stdout == b"0\n"


@linux
@pytest.mark.differs("uvloop", "leaves it open")
def test_stdin_of_the_parent_that_is_close_on_exec(aio):
    """Is closed in a child that inherits it, as with subprocess; one that had to wait included."""
    aio.script(
        """
        os.close(0)
        assert os.open("/etc/passwd", os.O_RDONLY | os.O_CLOEXEC) == 0
        command = ["/bin/sh", "-c", "test -e /proc/$$/fd/0"]
        assert subprocess.run(command).returncode == 1

        async def main():
            procs = [aio.create_subprocess_exec(*command) for _ in range(30)]
            for proc in await asyncio.gather(*procs):
                assert await proc.wait() == 1

        aio.run(main)
        """
    )


@pytest.mark.differs("uvloop", "clears it, for the parent as well")
def test_flags_of_inherited_streams_are_left_alone(aio):
    """O_NONBLOCK above all: it belongs to the open file, which the parent and others share."""
    aio.script(
        """
        ends = [os.pipe() for _ in range(2)]
        for fd in ends[0][0], ends[1][1]:
            os.set_blocking(fd, False)
        os.dup2(ends[0][0], 0), os.dup2(ends[1][1], 1)
        look = "import os; os._exit(any(os.get_blocking(fd) for fd in (0, 1)))"

        async def main():
            command = [sys.executable, "-S", "-c", look]
            procs = [aio.create_subprocess_exec(*command) for _ in range(8)]
            for proc in await asyncio.gather(*procs):
                assert await proc.wait() == 0
            given = await aio.create_subprocess_exec(*command, stdin=ends[0][0], stdout=ends[1][1])
            assert await given.wait() == 0

        aio.run(main)
        assert not os.get_blocking(0) and not os.get_blocking(1)
        """
    )


# Failures of exec


@pytest.mark.differs("uvloop", "does not wait")
def test_program_that_was_just_written_beside_others_that_start(aio, tmp_path):
    """They have the descriptor by which it was written until they have exec'd."""

    async def main():
        data = Path(shutil.which("true")).read_bytes()
        for n in range(20):
            path = tmp_path / f"program{n}"
            file = open(path, "wb")
            file.write(data)
            other = asyncio.ensure_future(aio.create_subprocess_exec("true"))
            await asyncio.sleep(0)
            file.close()
            path.chmod(0o755)
            proc = await aio.create_subprocess_exec(path)
            assert await proc.wait() == 0
            assert await (await other).wait() == 0

    aio.run(main)


@pytest.mark.differs("uvloop", "names no file")
def test_program_that_stays_open_for_writing(aio, tmp_path):
    async def main():
        path = tmp_path / "program"
        with open(path, "wb") as file:
            path.chmod(0o755)
            file.write(Path(shutil.which("true")).read_bytes())
            file.flush()
            creating = [aio.create_subprocess_exec(what) for what in ("true", path, "true")]
            first, error, last = await asyncio.gather(*creating, return_exceptions=True)
            assert [await first.wait(), await last.wait()] == [0, 0]
            assert isinstance(error, OSError) and error.errno == errno.ETXTBSY
            assert os.fspath(error.filename) == str(path)

    aio.run(main)


def both_fail(aio, *args, **kwds):
    """What Popen and the implementation raise for the same."""
    errors = []
    with pytest.raises(OSError) as caught:
        subprocess.Popen(args, **kwds)
    errors.append(caught.value)
    with pytest.raises(OSError) as caught:
        aio.run(output_of(aio, *args, **kwds))
    errors.append(caught.value)
    return errors


@pytest.mark.parametrize(
    "case",
    [
        "missing",
        "missing-bytes",
        "missing-path",
        "searched",
        "folder",
        "plain-file",
        "not-a-folder",
        "no-interpreter",
        "too-long",
        "looping",
        "cwd",
        "cwd-bytes",
        "cwd-file",
        "executable",
    ],
)
@pytest.mark.differs("uvloop", "tells a program in other words")
def test_failure_is_the_one_that_subprocess_reports(aio, tmp_path, case):
    plain = tmp_path / "plain"
    plain.write_text("neither script nor binary")
    script = tmp_path / "script"
    script.write_text("#!/nowhere/interpreter\n")
    script.chmod(0o755)
    looping = tmp_path / "looping"
    looping.symlink_to(looping)
    missing = str(tmp_path / "missing")
    program, kwds = {
        "missing": (missing, {}),
        "missing-bytes": (os.fsencode(missing), {}),
        "missing-path": (Path(missing), {}),
        "searched": ("no-such-program-anywhere", {}),
        "folder": (str(tmp_path), {}),
        "plain-file": (str(plain), {}),
        "not-a-folder": (str(plain / "x"), {}),
        "no-interpreter": (str(script), {}),
        "too-long": ("x" * 5000, {}),
        "looping": (str(looping), {}),
        "cwd": ("true", {"cwd": missing}),
        "cwd-bytes": ("true", {"cwd": os.fsencode(missing)}),
        "cwd-file": ("true", {"cwd": str(plain)}),
        "executable": ("true", {"executable": missing}),
    }[case]
    expected, found = both_fail(aio, program, **kwds)
    assert type(found) is type(expected)
    for attribute in "errno", "strerror", "filename2":
        assert getattr(found, attribute) == getattr(expected, attribute)
    if aio.is_fastproc:  # before 3.13 Popen gives the Path itself
        expected.filename = os.fspath(expected.filename)
    assert found.filename == expected.filename


def test_argument_list_too_long(aio):
    with pytest.raises(OSError) as caught:
        aio.run(output_of(aio, "true", "x" * 200_000))
    assert caught.value.errno == errno.E2BIG


@linux
@pytest.mark.differs("uvloop", "no process_group=")
def test_process_group_that_cannot_be_joined(aio):
    with pytest.raises(PermissionError):
        aio.run(output_of(aio, "true", process_group=1))


@linux
@pytest.mark.skipif(os.geteuid() == 0, reason="root may change ids")
@pytest.mark.differs("uvloop", "no user=")
def test_ids_that_cannot_be_taken(aio):
    with pytest.raises(PermissionError):
        aio.run(output_of(aio, "true", user=0))


def test_failed_create_leaves_the_implementation_working(aio):
    async def main():
        for _ in range(20):
            with pytest.raises(FileNotFoundError):
                await aio.create_subprocess_exec("/nowhere", stdin=aio.PIPE, stdout=aio.PIPE)
            assert await output_of(aio, "echo", "fine") == b"fine\n"
        assert not children()

    aio.run(main)


# Audit


@pytest.mark.telling_paths()  # it happens before a path is taken
@pytest.mark.differs("uvloop", "no audit events")
def test_audit_event(aio):
    aio.script("""
        heard = []
        sys.addaudithook(lambda name, args: heard.append(args) if name == "subprocess.Popen" else 0)
        async def main():
            proc = await aio.create_subprocess_exec(
                "echo", b"x", stdout=aio.DEVNULL, cwd="/", env={"PATH": os.environ["PATH"]})
            await proc.wait()
            proc = await aio.create_subprocess_exec("name", "-c", ":", executable="/bin/sh")
            await proc.wait()
            proc = await aio.create_subprocess_shell(":")
            await proc.wait()
        aio.run(main)
        expected = [
            ("echo", ["echo", b"x"], "/", {"PATH": os.environ["PATH"]}),
            ("/bin/sh", ["name", "-c", ":"], None, None),
            ("/bin/sh", ["/bin/sh", "-c", ":"], None, None),
        ]
        heard = [(program, list(args), *rest) for program, args, *rest in heard]
        assert heard == expected, heard
    """)


@pytest.mark.telling_paths()  # it happens before a path is taken
@pytest.mark.differs("uvloop", "no audit events")
def test_audit_hook_that_raises_prevents_the_spawn(aio, tmp_path):
    out = aio.script(
        """
        def veto(name, args):
            if name == "subprocess.Popen":
                raise LookupError("vetoed")
        async def main():
            before = descriptors()
            try:
                await aio.create_subprocess_exec("touch", sys.argv[1], stdin=aio.PIPE)
            except LookupError as error:
                print(error)
            assert not children() and descriptors().keys() <= before.keys() | loops_own()
            assert not os.path.exists(sys.argv[1])
        def loops_own():
            return {fd for fd, path in descriptors().items() if "eventpoll" in path}
        sys.addaudithook(veto)
        aio.run(main)
        """,
        tmp_path / "marker",
    )
    assert out.stdout == b"vetoed\n"


# Shape


def test_streams_that_are_piped_are_asyncios_types(aio):
    import asyncio

    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes)
        assert isinstance(proc, asyncio.subprocess.Process) and isinstance(proc, aio.Process)
        for reader in proc.stdout, proc.stderr:
            assert isinstance(reader, asyncio.StreamReader)
            assert isinstance(reader, aio.StreamReader)
        assert isinstance(proc.stdin, asyncio.StreamWriter)
        assert isinstance(proc.stdin, aio.StreamWriter)
        await finish(proc)

    aio.run(main)


@pytest.mark.parametrize("piped", list(itertools.product([False, True], repeat=3)))
def test_only_what_is_piped_has_a_stream(aio, piped):
    names = "stdin", "stdout", "stderr"

    async def main():
        streams = {n: aio.PIPE if p else aio.DEVNULL for n, p in zip(names, piped)}
        proc = await aio.create_subprocess_exec("cat", **streams)
        assert [getattr(proc, name) is not None for name in names] == list(piped)
        await finish(proc)

    aio.run(main)


def test_constants_are_those_of_subprocess(aio):
    assert (aio.PIPE, aio.STDOUT, aio.DEVNULL) == (-1, -2, -3)
    if aio.is_fastproc:
        import _fastproc

        found = _fastproc.PIPE, _fastproc.STDOUT, _fastproc.DEVNULL
        assert found == (subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL)


def test_changes_of_the_environment_reach_the_next_child_and_no_earlier_one(aio, monkeypatch):
    async def main():
        outputs, creates = [], []
        for value in ["one", "two", "two", "three", None, "four"]:
            if value is None:
                monkeypatch.delenv("FP_CHANGES")
            else:
                monkeypatch.setenv("FP_CHANGES", value)
            create = aio.create_subprocess_exec(
                "sh", "-c", "echo ${FP_CHANGES-none}", stdout=aio.PIPE
            )
            creates.append(asyncio.ensure_future(create))
            await asyncio.sleep(0)
        for proc in await asyncio.gather(*creates):
            outputs.append((await proc.communicate())[0].decode().strip())
        assert outputs == ["one", "two", "two", "three", "none", "four"]

    aio.run(main)


@pytest.mark.telling_paths()  # it happens before a path is taken
@pytest.mark.differs("uvloop", "has no audit events")
def test_audit_hook_that_replaces_the_program(aio):
    aio.script(
        """
        def hook(event, args):
            if event == "subprocess.Popen":
                args[1][0] = "/bin/echo"
        sys.addaudithook(hook)
        async def main():
            for _ in range(20):
                proc = await aio.create_subprocess_shell("exit 3", stdout=aio.PIPE)
                await proc.communicate()
                assert proc.returncode == 3
        aio.run(main)
        """
    )
