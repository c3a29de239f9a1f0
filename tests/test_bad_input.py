"""What create calls refuse, in which words, and that nothing was started."""

import asyncio
import contextlib
import errno
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import LINUX, children, descriptors, iterate, kill_and_wait, running

import _fastproc

pytestmark = pytest.mark.one_loop("arguments are checked before a loop is used")


@pytest.fixture
def refused(aio, tmp_path):
    """refused(error, message, *args, **kwds): creating raises exactly that, nothing else happens.

    Without args the program is one that would leave a file behind, a shell command must be one;
    message None stands for any.
    """
    marker = tmp_path / "was-started"

    def check(error, message, /, *args, function=aio.create_subprocess_exec, **kwds):
        args = args or ("touch", str(marker))

        async def main():
            # What a loop opens once, for its first child, is no loss.
            await (await aio.create_subprocess_exec("true")).wait()
            await iterate(3)
            before = children(), descriptors()
            with pytest.raises(error) as caught:
                await function(*args, **kwds)
            assert message is None or str(caught.value) == message
            assert isinstance(error, tuple) or type(caught.value) is error
            del caught
            await iterate(3)  # what failed in a child leaves the loop in its next turn
            assert (children(), descriptors()) == before

        aio.run(main)
        assert not marker.exists()

    check.marker = marker
    return check


# Arguments that asyncio itself refuses


@pytest.mark.parametrize(
    "keyword, value, message",
    [
        ("text", True, "text must be False"),
        ("text", 1, "text must be False"),
        ("universal_newlines", True, "universal_newlines must be False"),
        ("encoding", "utf-8", "encoding must be None"),
        ("errors", "strict", "errors must be None"),
        ("bufsize", 1, "bufsize must be 0"),
        ("bufsize", -1, "bufsize must be 0"),
    ],
)
@pytest.mark.differs(
    "uvloop", "other words", when=lambda keyword: keyword not in ("bufsize", "universal_newlines")
)
def test_text_and_buffering(aio, refused, keyword, value, message):
    refused(ValueError, message, **{keyword: value})
    command = f"touch {refused.marker}"
    refused(ValueError, message, command, function=aio.create_subprocess_shell, **{keyword: value})


def test_shell_keyword_must_fit(aio, refused):
    refused(ValueError, "shell must be False", shell=True)
    command = f"touch {refused.marker}"
    function = aio.create_subprocess_shell
    refused(ValueError, "shell must be True", command, function=function, shell=False)


@pytest.mark.differs("uvloop", "does not know them")
def test_values_that_say_no_are_fine(aio):
    async def main():
        no = {"text": False, "universal_newlines": False, "encoding": None, "errors": None}
        no |= {"bufsize": 0}
        proc = await aio.create_subprocess_exec("true", **no, shell=False)
        assert await proc.wait() == 0
        proc = await aio.create_subprocess_shell("true", **no, shell=True)
        assert await proc.wait() == 0
        proc = await aio.create_subprocess_exec("true", text=None, universal_newlines=None)
        assert await proc.wait() == 0

    aio.run(main)


@pytest.mark.parametrize("command", [["true"], ("true",), 5, None, Path("/bin/true")], ids=repr)
@pytest.mark.differs("uvloop", "other words")
def test_shell_command_must_be_a_string(aio, refused, command):
    refused(ValueError, "cmd must be a string", command, function=aio.create_subprocess_shell)


def test_no_program_at_all(aio):
    async def main():
        with pytest.raises(TypeError):
            await aio.create_subprocess_exec()
        with pytest.raises(TypeError):
            await aio.create_subprocess_shell()

    aio.run(main)


@pytest.mark.parametrize("bad", [5, None, 1.5, ["x"], bytearray(b"x")], ids=repr)
@pytest.mark.parametrize("place", ["program", "argument"])
@pytest.mark.differs("uvloop", "other errors, or takes it")
def test_argument_of_another_type(aio, refused, place, bad):
    args = [bad, "x"] if place == "program" else ["touch", str(refused.marker), bad]
    refused(TypeError, None, *args)


@pytest.mark.differs("uvloop", "no PathLike")
def test_fspath_that_raises_or_returns_nonsense(aio, refused):
    class Bad:
        def __init__(self, result):
            self.result = result

        def __fspath__(self):
            if isinstance(self.result, Exception):
                raise self.result
            return self.result

    refused(ZeroDivisionError, None, "touch", str(refused.marker), Bad(ZeroDivisionError()))
    refused(TypeError, None, "touch", str(refused.marker), Bad(7))
    refused(ZeroDivisionError, None, cwd=Bad(ZeroDivisionError()))


@pytest.mark.differs("uvloop", "ValueError")
def test_unknown_keyword_is_named(aio, refused):
    refused(TypeError, None, no_such_keyword=1)
    with pytest.raises(TypeError, match="no_such_keyword"):
        aio.run(aio.create_subprocess_shell(f"touch {refused.marker}", no_such_keyword=1))
    assert not refused.marker.exists()


# NUL bytes and environment names


@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize("place", ["program", "argument", "cwd", "key", "value", "executable"])
@pytest.mark.differs("uvloop", "cuts there")
def test_nul(aio, refused, place, kind):
    bad = "a\0b" if kind is str else b"a\0b"
    if place == "program":
        refused(ValueError, "embedded null byte", bad)
    elif place == "argument":
        refused(ValueError, "embedded null byte", "touch", str(refused.marker), bad)
    elif place == "key":
        refused(ValueError, "embedded null byte", env={bad: "x"} | {"PATH": os.environ["PATH"]})
    elif place == "value":
        refused(ValueError, "embedded null byte", env={"X": bad, "PATH": os.environ["PATH"]})
    else:
        refused(ValueError, "embedded null byte", **{place: bad})


@pytest.mark.differs("uvloop", "cuts there")
def test_nul_in_a_shell_command(aio, refused):
    command, function = f"touch {refused.marker}\0", aio.create_subprocess_shell
    refused(ValueError, "embedded null byte", command, function=function)


@pytest.mark.parametrize("key", ["A=B", "A=", "=A", b"A=B", b"=A", "="])
@pytest.mark.differs("uvloop", "takes it")
@pytest.mark.differs(
    "asyncio",
    "a leading one was allowed",
    when=lambda key: key[:1] in ("=", b"=") and leading_equals_allowed(),
)
def test_equals_sign_in_an_environment_name(aio, refused, key):
    env = {key: "value", "PATH": os.environ["PATH"]}
    refused(ValueError, "illegal environment variable name", env=env)


@functools.cache
def leading_equals_allowed():
    try:
        subprocess.run(["true"], env={"=A": "", "PATH": os.environ["PATH"]})
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("env", [{1: "x"}, {"x": 1}, {"x": None}], ids=repr)
@pytest.mark.differs("uvloop", "other errors")
def test_environment_of_other_types(aio, refused, env):
    refused(TypeError, None, env=env | {"PATH": os.environ["PATH"]})


@pytest.mark.parametrize("env", [5, "A=B", [("A", "B")]], ids=repr)
@pytest.mark.differs("uvloop", "other errors")
def test_environment_that_is_no_mapping(aio, refused, env):
    refused((AttributeError, TypeError), None, env=env)


# Streams


@pytest.mark.parametrize("stderr", ["none", "pipe"])
@pytest.mark.differs(
    "asyncio", "before 3.13 it is a bad descriptor", when=sys.version_info < (3, 13)
)
@pytest.mark.differs("uvloop", "other words")
def test_stdout_cannot_be_stdout(aio, refused, stderr):
    streams = {"stdout": aio.STDOUT, "stderr": aio.PIPE if stderr == "pipe" else None}
    refused(ValueError, "STDOUT can only be used for stderr", **streams)


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
@pytest.mark.differs("uvloop", "other errors")
def test_stream_that_is_no_descriptor(aio, refused, stream):
    refused(AttributeError, "'object' object has no attribute 'fileno'", **{stream: object()})


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
@pytest.mark.differs("uvloop", "other errors")
def test_stream_whose_fileno_raises(aio, refused, stream):
    class Closed:
        def fileno(self):
            raise ZeroDivisionError("fileno")

    refused(ZeroDivisionError, "fileno", **{stream: Closed()}, **other_pipes(aio, stream))


def other_pipes(aio, but):
    """So that there are descriptors to lose."""
    return {stream: aio.PIPE for stream in ("stdin", "stdout", "stderr") if stream != but}


@pytest.mark.differs("uvloop", "other errors")
def test_descriptor_that_is_not_open_as_a_stream(aio, refused):
    refused(OSError, None, stdin=987654)


# Keywords


@pytest.mark.parametrize("pipesize", ["big", 1.5])
@pytest.mark.differs("uvloop", "no pipesize=")
def test_pipesize_must_be_an_integer(aio, refused, pipesize):
    refused(TypeError, "pipesize must be an integer", pipesize=pipesize, stdout=aio.PIPE)


@pytest.mark.parametrize("keyword", ["startupinfo", "creationflags"])
@pytest.mark.differs("uvloop", "does not know them")
def test_keywords_of_windows(aio, refused, keyword):
    refused(ValueError, f"{keyword} is only supported on Windows platforms", **{keyword: 1})


@pytest.mark.parametrize("limit", [0, -1])
@pytest.mark.differs("asyncio", "the child has started by then")
def test_limit_must_be_positive(aio, refused, limit):
    refused(ValueError, "Limit cannot be <= 0", limit=limit, stdout=aio.PIPE)
    refused(ValueError, "Limit cannot be <= 0", limit=limit)


@pytest.mark.parametrize("limit", ["x", 1j])
@pytest.mark.differs("asyncio", "the child has started by then")
def test_limit_must_be_a_number(aio, refused, limit):
    refused(TypeError, None, limit=limit, stdout=aio.PIPE)


@pytest.mark.parametrize("pass_fds", [5, ["x"], [None], [-1], [1 << 40]], ids=repr)
@pytest.mark.differs("uvloop", "ignores most")
def test_pass_fds_must_be_descriptors(aio, refused, pass_fds):
    refused((TypeError, ValueError, OverflowError), None, pass_fds=pass_fds)


@pytest.mark.parametrize(
    "keyword, value, error, message",
    [
        ("user", -1, ValueError, "User ID cannot be negative, got -1"),
        ("user", 1.5, TypeError, "User must be a string or an integer"),
        ("user", "no-such-user", KeyError, None),
        ("group", -1, ValueError, "Group ID cannot be negative, got -1"),
        ("group", [], TypeError, "Group must be a string or an integer, not <class 'list'>"),
        ("group", "no-such-group", KeyError, None),
        ("extra_groups", "wheel", ValueError, "Groups must be a list, not a string"),
        ("extra_groups", [-1], ValueError, "Group ID cannot be negative, got -1"),
        ("extra_groups", ["no-such-group"], KeyError, None),
        ("umask", "022", TypeError, None),
        ("process_group", "0", TypeError, None),
    ],
)
@pytest.mark.differs("uvloop", "does not know them")
def test_ids_are_checked(aio, refused, keyword, value, error, message):
    refused(error, message, **{keyword: value})


@pytest.mark.parametrize("keyword", ["user", "group", "extra_groups"])
@pytest.mark.differs("asyncio", "takes some of them")
def test_id_that_means_unchanged_is_refused(aio, refused, keyword):
    """The kernel takes it for "as it was", and the child would keep what it was to lose."""
    unchanged = 2**32 - 1
    value = [unchanged] if keyword == "extra_groups" else unchanged
    if keyword == "extra_groups":
        refused(ValueError, "invalid group id", **{keyword: value})
    else:
        refused(OverflowError, "user or group ID is too large", **{keyword: value})


@pytest.mark.differs("uvloop", "does not know them")
def test_wrong_user_beside_groups_that_are_right(aio, monkeypatch):
    """What was made of the groups is freed, and once."""
    monkeypatch.setenv("PYTHONMALLOC", "debug")
    aio.script(
        """
        async def main():
            for _ in range(3):
                try:
                    await aio.create_subprocess_exec("true", extra_groups=[1, 2], user="nobody at all")
                except KeyError:
                    continue
                sys.exit("taken")
        aio.run(main)
        """
    )


@pytest.mark.differs("uvloop", "other words")
def test_preexec_fn_must_be_callable(aio, refused):
    refused((TypeError, subprocess.SubprocessError), None, preexec_fn=5)


# Surroundings


def test_without_a_running_loop(aio, tmp_path):
    marker = tmp_path / "was-started"
    with pytest.raises(RuntimeError):
        aio.create_subprocess_exec("touch", str(marker), stdin=aio.PIPE).send(None)
    with pytest.raises(RuntimeError):
        aio.create_subprocess_shell(f"touch {marker}").send(None)
    assert not children() and not marker.exists()


@pytest.mark.differs("asyncio", "asyncio does not use add_reader()")
def test_loop_without_add_reader(aio, refused):
    class Loop(asyncio.SelectorEventLoop):
        def add_reader(self, fd, callback, *args):
            raise NotImplementedError

    async def main():
        with pytest.raises(NotImplementedError) as caught:
            await aio.create_subprocess_exec("touch", str(refused.marker), stdin=aio.PIPE)
        assert str(caught.value)
        assert not children()

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(asyncio.wait_for(main(), 30))
    assert not refused.marker.exists()


def test_loop_that_is_none_of_asyncios(aio, refused):
    """Something that steps a coroutine without being a loop."""
    with pytest.raises(RuntimeError):
        aio.create_subprocess_exec("touch", str(refused.marker)).__await__().send(None)
    assert not children() and not refused.marker.exists()


def test_refusals_in_a_row_leave_nothing(aio, refused):
    async def main():
        for _ in range(30):
            with pytest.raises(ValueError):
                await aio.create_subprocess_exec("touch", str(refused.marker), bufsize=5)
            with pytest.raises(TypeError):
                await aio.create_subprocess_exec("touch", 5, stdin=aio.PIPE, stdout=aio.PIPE)
            with pytest.raises(OSError):
                await aio.create_subprocess_exec("/nowhere", stdin=aio.PIPE, stdout=aio.PIPE)

    aio.run(main)
    assert not refused.marker.exists()


# What asyncio would see as well


@pytest.mark.parametrize("keyword", [1, b"x", (1, 2), None, object], ids=repr)
@pytest.mark.parametrize("name", ["subprocess_exec", "subprocess_shell"])
@pytest.mark.differs("asyncio", "is Python, which looks itself")
def test_keyword_that_is_no_string(aio, name, keyword):
    async def main():
        with pytest.raises(TypeError, match="keywords must be strings"):
            await getattr(_fastproc, name)(asyncio.SubprocessProtocol, "true", **{keyword: 1})
        with pytest.raises(TypeError, match="keywords must be strings"):
            await getattr(_fastproc, f"create_{name}")("true", **{keyword: 1})

    aio.run(main)


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
@pytest.mark.differs("uvloop", "inherits")
def test_stream_whose_fileno_is_none(aio, refused, stream):
    class Closed:
        def fileno(self):
            return None

    refused(
        TypeError, "'NoneType' object cannot be interpreted as an integer", **{stream: Closed()}
    )


@pytest.mark.differs("uvloop", "no umask=")
def test_umask_that_is_none(aio, refused):
    refused(TypeError, "'NoneType' object cannot be interpreted as an integer", umask=None)


@pytest.mark.differs("uvloop", "other errors")
def test_descriptor_to_pass_beyond_an_int(aio, refused):
    refused(ValueError, "bad value(s) in fds_to_keep", pass_fds=[2**40])


@pytest.mark.differs("uvloop", "no extra_groups=")
def test_too_many_groups(aio, refused):
    message = "too many extra_groups" if aio.is_fastproc else None  # asyncio's words vary
    refused(ValueError, message, extra_groups=range(65537))


@pytest.mark.differs("asyncio", "may take keys() and values()")
def test_environment_of_pairs_that_are_no_tuples(aio):
    class Env(dict):
        def items(self):
            return [["NAME", "value"], iter(["OTHER", "one"])]

    class Broken(dict):
        def items(self):
            return [("NAME",)]

    async def main():
        env = {"env": Env(), "stdout": aio.PIPE}
        proc = await aio.create_subprocess_exec("/usr/bin/env", **env)
        assert (await proc.communicate())[0] == b"NAME=value\nOTHER=one\n"
        with pytest.raises(ValueError):
            await aio.create_subprocess_exec("/usr/bin/env", env=Broken())

    aio.run(main)


# Numbers of descriptors that are closed


def closed_numbers():
    """Of which one's own pipes and more would get the lowest."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(os.devnull)) for _ in range(14)]
        return [file.fileno() for file in files]


@pytest.mark.parametrize("busy", [False, True], ids=["at once", "waiting"])
@pytest.mark.parametrize("name", ["pass_fds", "stdin", "stdout", "stderr"])
@pytest.mark.differs("uvloop", "ignores close_fds, or starts the child")
def test_descriptor_that_is_closed_is_an_error(aio, name, busy):
    """Before anything is started; not even a number that becomes our own is taken for one."""
    pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE} if name == "pass_fds" else {}

    async def create(fd, **kwds):
        kwds |= {name: [fd] if name == "pass_fds" else fd}
        proc = await aio.create_subprocess_exec("cat", **pipes, **kwds)
        await kill_and_wait(proc)

    async def main():
        async with running(aio, "sleep", "60"):
            fds = closed_numbers() if aio.is_fastproc else [1000]
            for fd in fds:
                before = children().keys()
                creating = [create(fd) for _ in range(20 if busy else 1)]
                for error in await asyncio.gather(*creating, return_exceptions=True):
                    assert type(error) is OSError and error.errno == errno.EBADF
                    assert error.filename is None
                assert children().keys() == before

    aio.run(main)


@pytest.mark.parametrize(
    "kwds",
    [{"cwd": "/nowhere"}, {"preexec_fn": sys.exit}, {"args": ["/nowhere"]}, {"env": {}}],
    ids=lambda kwds: next(iter(kwds)),
)
@pytest.mark.differs("uvloop", "has another order")
def test_descriptor_that_is_closed_comes_before_other_errors(aio, kwds):
    args = kwds.get("args", ["true"])
    kwds = {key: value for key, value in kwds.items() if key != "args"}

    async def main():
        with pytest.raises(OSError) as caught:
            await aio.create_subprocess_exec(*args, **kwds, pass_fds=[1000])
        assert caught.value.errno == errno.EBADF

    aio.run(main)


@pytest.mark.skipif(not LINUX, reason="closes 1")
@pytest.mark.not_on("uvloop", "it cannot bear low descriptors")
def test_stderr_to_a_stdout_that_is_closed(aio):
    aio.script(
        """
        async def create():
            return await aio.create_subprocess_exec("true", stderr=aio.STDOUT)
        async def main():
            os.close(1)
            creating = [create() for _ in range(12)]
            for error in await asyncio.gather(*creating, return_exceptions=True):
                assert isinstance(error, OSError) and error.errno == 9, error
        aio.run(main)
        """
    )


@pytest.mark.differs("uvloop", "ignores it")
def test_passing_a_closed_descriptor_is_an_error_at_once(aio):
    """Also one whose number is then used for a pipe of the spawn itself."""

    async def main():
        for offset in range(10):
            probe = os.dup(0)
            os.close(probe)
            try:
                proc = await asyncio.wait_for(
                    aio.create_subprocess_exec("sleep", "20", pass_fds=(probe + offset,)), 10
                )
            except OSError as exc:
                assert exc.errno == 9
            else:
                proc.kill()
                await proc.wait()

    aio.run(main)
