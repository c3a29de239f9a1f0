"""Children where many descriptors are open: they are handed theirs instead of a copy of the table.

The path fastproc-shared of every other test starts all children so; this is about when it is done,
and about what a table that is shared for a moment could do to the parent.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import stat

import pytest
from support import (
    LINUX,
    REFUSE,
    Holdings,
    children,
    exited,
    finish,
    iterate,
    kill_and_wait,
    output_of,
    pipe,
    until,
    until_blocking,
)

pytestmark = [
    pytest.mark.skipif(not LINUX, reason="looks into /proc"),
    pytest.mark.one_loop("how descriptors are handed over is no matter of the loop"),
]
MANY = 1100  # the default is to begin at 1,024


@pytest.fixture
def shared(aio):
    """A function that has all children started so."""
    return lambda: aio.core.configure(share_from=0)


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        for _ in range(MANY):
            stack.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def datagram_sockets():
    """How many there are, which only handovers are here."""
    found = 0
    for fd in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                found += is_datagram(fd)
    return found


def is_datagram(fd):
    with socket.socket(fileno=os.dup(fd)) as sock:
        return sock.type == socket.SOCK_DGRAM


@pytest.mark.differs("asyncio", "copies the table")
def test_one_socket_serves_one_child_after_another(aio, many_descriptors):
    """Two ends; more only for children that start at once; none when the last child has ended."""

    async def main():
        before = Holdings()
        living = await aio.create_subprocess_exec("sleep", "60")  # so that the hub does not rest
        for _ in range(20):
            script = "ls /proc/$$/fd"
            out = await output_of(aio, "/bin/sh", "-c", script)
            assert out.split() == [b"0", b"1", b"2"]
            assert datagram_sockets() == 2
        await asyncio.gather(*(output_of(aio, "true") for _ in range(50)))
        assert 2 <= datagram_sockets() <= 16  # after the burst
        await kill_and_wait(living)
        await until(lambda: not before.news())

    aio.run(main)


@pytest.mark.differs("asyncio", "always copies")
def test_few_descriptors_are_copied(aio):
    async def main():
        living = await aio.create_subprocess_exec("sleep", "60")
        await output_of(aio, "true")
        assert datagram_sockets() == 0
        await kill_and_wait(living)

    aio.run(main)


@pytest.mark.differs("asyncio", "copies the table")
def test_descriptors_that_are_replaced_right_after_the_call(aio, shared):
    """The child has what they were at the call, as if they had been copied."""

    async def main():
        shared()
        null = os.open("/dev/null", os.O_WRONLY)
        for _ in range(100):
            with pipe() as (reading, writing):
                creating = aio.create_subprocess_exec("echo", "right", stdout=writing)
                task = asyncio.ensure_future(creating)
                await asyncio.sleep(0)
                os.dup2(null, writing.fileno())
                assert await finish(await task) == 0
                assert reading.read(100) == b"right\n"
        os.close(null)

    aio.run(main)


@pytest.mark.differs("asyncio", "copies the table")
@pytest.mark.not_on("keeping", "each step is a turn later, as in debug mode")
@pytest.mark.not_on("nested", "each step is a turn later, as in debug mode")
def test_child_that_has_already_exited_when_the_loop_hears_of_its_start(aio, shared):
    """It is not reaped before who has started it could do something with it."""

    async def main():
        asyncio.get_running_loop().set_debug(False)  # where each step is a turn later
        shared()
        for _ in range(20):
            task = asyncio.ensure_future(aio.create_subprocess_exec("true"))
            await asyncio.sleep(0)
            until_blocking(lambda: all(map(exited, children())))
            proc = await task
            assert proc.returncode is None
            proc.kill()
            assert await proc.wait() == 0

    aio.run(main)


@pytest.mark.differs("asyncio", "copies the table")
def test_killed_at_any_moment_before_the_exec(aio, shared):
    """By somebody else: create comes back, and the child's status is what it was ended by."""

    async def main():
        shared()
        early = 0
        for times in range(150):
            task = asyncio.ensure_future(aio.create_subprocess_exec("sleep", "60", stdin=aio.PIPE))
            await asyncio.sleep(0)
            (pid,) = children()
            for _ in range(times * 10):
                pass
            early += not task.done()
            os.kill(pid, signal.SIGKILL)
            proc = await asyncio.wait_for(task, 10)
            assert await asyncio.wait_for(proc.wait(), 10) == -signal.SIGKILL
            await finish(proc)
        assert early > 100

    aio.run(main)


@pytest.mark.differs("asyncio", "copies the table")
def test_cancelled_and_dropped_while_the_table_is_shared(aio, shared):
    async def main():
        shared()
        before = Holdings()
        for steps in range(90):
            creating = aio.create_subprocess_exec("sleep", "60", stdout=aio.PIPE, stderr=aio.PIPE)
            task = asyncio.ensure_future(creating)
            await iterate(steps % 3 + 1)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await kill_and_wait(await task)
        await until(lambda: not before.news() and not children())

    aio.run(main)


@pytest.mark.may_warn("subprocess .* is still running")
@pytest.mark.differs("asyncio", "copies the table")
def test_loop_closed_while_tables_are_shared(aio, shared):
    shared()
    before = Holdings()
    for _ in range(20):
        loop = aio.new_loop()
        creating = [aio.create_subprocess_exec("sleep", "60", stdin=aio.PIPE) for _ in range(3)]

        async def begin(creating=creating):
            for coro in creating:
                coro.send(None)

        loop.run_until_complete(begin())
        loop.close()
        for coro in creating:
            coro.close()
    assert not children()
    if not aio.on_uvloop:  # which closes some of its own in its destructor
        assert not before.news()


@pytest.mark.differs("asyncio", "copies the table")
def test_no_room_for_what_is_handed_over(aio):
    """Not even in a child's own table: copied, or an OSError of the call, but no child that never ran."""
    aio.script(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (1100, 1100))

        async def main():
            many = [os.open("/dev/null", os.O_RDONLY) for _ in range(1060)]
            living = await aio.create_subprocess_exec("sleep", "60")
            for free in [*range(5, 12), 5, 6]:
                try:
                    while True:
                        many.append(os.open("/dev/null", os.O_RDONLY))
                except OSError:
                    pass
                for _ in range(free):
                    os.close(many.pop())
                try:
                    proc = await aio.create_subprocess_exec("sh", "-c", "exit 7")
                except OSError as error:
                    assert error.errno in (24, 105), error
                else:
                    assert await proc.wait() == 7
            await kill_and_wait(living)

        aio.run(main)
        """
    )


@pytest.mark.parametrize("given", ["nothing", "given"])
@pytest.mark.differs("asyncio", "copies the table")
def test_child_that_cannot_receive_any_more_is_started_again(aio, given):
    """In a sandbox that has no recvmsg() from now on; unless it has what may be another by now."""
    if os.uname().machine != "x86_64":
        pytest.skip("the number is x86-64's")
    aio.script(
        REFUSE
        + """
async def main():
    aio.core.configure(share_from=0)
    assert await output_of(aio, "echo", "shared") == b"shared\\n"
    refuse(1, 47)
    if sys.argv[1] == "given":
        try:
            await aio.create_subprocess_exec("true", stdout=2)
        except PermissionError:
            pass
        else:
            sys.exit("it started")
    assert await output_of(aio, "echo", "again") == b"again\\n"
    try:
        await aio.create_subprocess_exec("/nowhere")
    except FileNotFoundError:
        pass
    assert await output_of(aio, "echo", "copied") == b"copied\\n"
    await iterate(3)
    assert not children()
aio.run(main)
""",
        given,
    )


@pytest.mark.may_warn("subprocess .* is still running")
@pytest.mark.differs("asyncio", "copies the table")
def test_child_is_killed_with_its_loop_before_its_input_ends(aio, shared, tmp_path):
    shared()
    for n in range(40):
        loop = aio.new_loop()
        script = f"read line; > {tmp_path / str(n)}"
        proc = loop.run_until_complete(aio.create_subprocess_shell(script, stdin=aio.PIPE))
        del proc
        loop.close()
        assert not children()
    assert os.listdir(tmp_path) == []
