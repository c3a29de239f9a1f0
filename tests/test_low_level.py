"""subprocess_exec and subprocess_shell: transports, protocols and the order of their callbacks."""

import asyncio
import contextvars
import errno
import gc
import os
import signal
import subprocess
import weakref
from pathlib import Path

import pytest
from support import (
    busy_pollers,
    children,
    driven,
    exited,
    finish,
    iterate,
    pattern,
    pipe,
    state,
    until,
    until_blocking,
)

pytestmark = [pytest.mark.every_path, pytest.mark.telling_paths("thread", "plain")]
VARIABLE = contextvars.ContextVar("variable", default="nobody's")
NULL = {"stdin": None, "stdout": None, "stderr": None}
CALLBACKS = "connection_made pipe_data_received pipe_connection_lost process_exited connection_lost"
CALLBACKS = CALLBACKS.split()


class Recorder(asyncio.SubprocessProtocol):
    """Notes its callbacks, and does in them what a test asks for."""

    def __init__(self, **actions):
        self.actions = actions
        self.told = []
        self.transport = None
        self.ended = asyncio.get_running_loop().create_future()

    def note(self, name, *args):
        self.told.append((name, *args))
        if name in self.actions:
            self.actions[name](self, *args)

    def connection_made(self, transport):
        self.transport = transport
        self.note("connection_made", transport)

    def pipe_data_received(self, fd, data):
        self.note("pipe_data_received", fd, data)

    def pipe_connection_lost(self, fd, exc):
        self.note("pipe_connection_lost", fd, exc)

    def process_exited(self):
        self.note("process_exited")

    def pause_writing(self):
        self.note("pause_writing")

    def resume_writing(self):
        self.note("resume_writing")

    def connection_lost(self, exc):
        self.ended.set_result(None)
        self.note("connection_lost", exc)

    def names(self):
        return [name for name, *_ in self.told]

    def data(self, fd=1):
        return b"".join(call[2] for call in self.told if call[:2] == ("pipe_data_received", fd))


async def start(aio, script, *args, protocol=None, **kwds):
    """A child of the low level that runs a script, and its Recorder."""
    factory = Recorder if protocol is None else lambda: protocol
    return await aio.subprocess_exec(factory, "/bin/sh", "-c", script, "sh", *args, **kwds)


async def stopped_with_a_full_pipe(aio, protocol):
    """A child that reads on when it is continued, and its stdin, to which more was written than it
    takes. There is nothing for the loop to see."""
    transport, _ = await start(aio, "exec cat >/dev/null", protocol=protocol)
    await until(lambda: "pipe_connection_lost" in protocol.names())  # by the shell
    transport.send_signal(signal.SIGSTOP)
    until_blocking(lambda: state(transport.get_pid()) == "T")
    into = transport.get_pipe_transport(0)
    into.set_write_buffer_limits(high=1000)
    into.write(bytes((1 << 16) + 5000))
    assert "pause_writing" in protocol.names()
    await until(lambda: not busy_pollers())
    return transport, into


async def end(transport, protocol):
    await protocol.ended
    transport.close()
    await iterate(3)


def check_order(protocol, pipes=(0, 1, 2)):
    """Of everything once, connection_made first, connection_lost last, no data behind an end."""
    names = protocol.names()
    for name in ("connection_made", "process_exited", "connection_lost"):
        assert names.count(name) == 1, names
    assert names[0] == "connection_made"
    assert protocol.told[-1] == ("connection_lost", None)
    for fd in pipes:
        of_fd = [name for name, *args in protocol.told if args and args[0] == fd]
        assert of_fd.count("pipe_connection_lost") == 1
        assert of_fd[-1] == "pipe_connection_lost"


# Which callbacks come, and when


def test_everything_is_told_in_order(aio):
    async def main():
        transport, protocol = await start(aio, "cat; echo err >&2; exit 3")
        assert isinstance(transport, asyncio.SubprocessTransport) or not aio.is_fastproc
        assert protocol.told == [("connection_made", transport)]
        transport.get_pipe_transport(0).write(b"hello")
        transport.get_pipe_transport(0).write_eof()
        await end(transport, protocol)
        check_order(protocol)
        assert (protocol.data(1), protocol.data(2)) == (b"hello", b"err\n")
        assert ("pipe_connection_lost", 0, None) in protocol.told
        assert transport.get_returncode() == 3

    aio.run(main)


@pytest.mark.differs("uvloop", "tells of the end before the pipes'")
def test_a_command_in_a_shell(aio):
    async def main():
        transport, protocol = await aio.subprocess_shell(Recorder, "echo $0; exit 7", stdin=None)
        await end(transport, protocol)
        check_order(protocol, pipes=(1, 2))
        assert protocol.data().strip().endswith(b"sh")
        assert transport.get_returncode() == 7

    aio.run(main)


def test_without_pipes_there_are_only_beginning_and_end(aio):
    async def main():
        transport, protocol = await start(aio, "exit 1", **NULL)
        assert [transport.get_pipe_transport(fd) for fd in range(-1, 4)] == [None] * 5
        await end(transport, protocol)
        assert protocol.names() == ["connection_made", "process_exited", "connection_lost"]

    aio.run(main)


def test_the_returncode_is_known_when_the_exit_is_told(aio):
    def look(self):
        self.seen = self.transport.get_returncode()

    async def main():
        protocol = Recorder(process_exited=look)
        transport, _ = await start(aio, "exit 9", protocol=protocol)
        await end(transport, protocol)
        assert protocol.seen == 9

    aio.run(main)


def test_pipes_held_by_a_grandchild_keep_the_connection(aio):
    async def main():
        transport, protocol = await start(aio, "exec 3<&0; cat <&3 & exit 4", stderr=None)
        await until(lambda: "process_exited" in protocol.names())
        assert await transport._wait() == 4
        assert "connection_lost" not in protocol.names()
        transport.get_pipe_transport(0).close()
        await end(transport, protocol)
        check_order(protocol, pipes=(0, 1))

    aio.run(main)


def test_all_of_a_long_output_arrives(aio):
    async def main():
        transport, protocol = await start(aio, "head -c 3000000 /dev/zero; echo end >&2")
        await end(transport, protocol)
        check_order(protocol)
        assert protocol.data() == bytes(3000000)
        assert protocol.data(2) == b"end\n"

    aio.run(main)


@pytest.mark.differs("asyncio", "warns of transports that nobody closes")
def test_children_whose_objects_nobody_keeps(aio):
    ended = []

    async def main():
        for n in range(5):
            action = {"connection_lost": lambda self, exc: ended.append(self.data())}
            await start(aio, f"sleep 0.05; echo {n}", protocol=Recorder(**action), stdin=None)
        gc.collect()
        await until(lambda: len(ended) == 5)

    aio.run(main)
    assert sorted(ended) == [b"%d\n" % n for n in range(5)]


@pytest.mark.differs("uvloop", "keeps it in its handles for a while")
def test_nothing_keeps_a_protocol_after_its_end(aio):
    async def main():
        transport, protocol = await start(aio, "echo x")
        await end(transport, protocol)
        assert transport.get_protocol() is None
        gone = weakref.ref(protocol)
        del protocol
        gc.collect()
        assert gone() is None

    aio.run(main)


# Contexts


@pytest.mark.differs("uvloop", "runs some in the context of the loop")
def test_callbacks_run_in_a_copy_of_the_context_of_the_create_call(aio):
    seen = []

    def look(self, *args):
        seen.append(VARIABLE.get())
        VARIABLE.set("the callback's")

    async def main():
        VARIABLE.set("the call's")
        protocol = Recorder(**dict.fromkeys(CALLBACKS, look))
        transport, _ = await start(aio, "cat; echo x >&2", protocol=protocol)
        assert VARIABLE.get() == "the call's"
        VARIABLE.set("later")
        transport.get_pipe_transport(0).write(b"x")
        transport.get_pipe_transport(0).close()
        await end(transport, protocol)
        assert len(protocol.told) == len(seen) == 8
        # asyncio tells of the exit in its child watcher's, and of an end in that of who closes.
        allowed = {"the call's"} if aio.is_fastproc else {"the call's", "nobody's", "later"}
        assert set(seen) <= allowed and "the call's" in seen

    aio.run(main)


@pytest.mark.differs("uvloop", "runs it in the context of the loop")
def test_resume_writing_runs_in_that_context_too(aio):
    seen = []

    async def main():
        VARIABLE.set("the call's")
        look = {"resume_writing": lambda self: seen.append(VARIABLE.get())}
        transport, protocol = await start(aio, "cat >/dev/null", protocol=Recorder(**look))
        VARIABLE.set("the writer's")
        transport.get_pipe_transport(0).write(bytes(1 << 20))
        transport.get_pipe_transport(0).close()
        await end(transport, protocol)
        assert seen == ["the call's"] if aio.is_fastproc else len(seen) == 1

    aio.run(main)


# Protocols that misbehave


@pytest.mark.parametrize("where", CALLBACKS)
@pytest.mark.differs("uvloop", "create fails, or the loop ends")
def test_a_callback_that_raises_is_the_exception_handlers_business(aio, where):
    errors = []

    def fail(self, *args):
        raise ZeroDivisionError(where)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
        protocol = Recorder(**{where: fail})
        transport, result = await start(aio, "echo x", protocol=protocol, stdin=None)
        assert result is protocol
        await end(transport, protocol)
        check_order(protocol, pipes=(1, 2))
        assert protocol.data() == b"x\n"
        assert errors and all(str(error) == where for error in errors)
        assert len(errors) == protocol.names().count(where)
        assert await transport._wait() == 0

    aio.run(main)


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, GeneratorExit])
@pytest.mark.parametrize("where", ["pause_writing", "resume_writing"])
@pytest.mark.differs("uvloop", "tells nothing more of it")
def test_flow_control_that_raises_is_the_exception_handlers_business(aio, where, error):
    errors = []

    def fail(self, *args):
        raise error(where)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        protocol = Recorder(**{where: fail})
        transport, _ = await start(aio, "cat", protocol=protocol)
        transport.get_pipe_transport(0).write(bytes(1 << 20))
        transport.get_pipe_transport(0).close()
        await end(transport, protocol)
        assert len(protocol.data()) == 1 << 20
        (context,) = errors
        assert context["message"] == f"protocol.{where}() failed"
        assert str(context["exception"]) == where
        assert context["transport"] is not None

    aio.run(main)


@pytest.mark.may_warn("ZeroDivisionError|AttributeError")
@pytest.mark.parametrize("protocol", [None, object(), "connection_made"])
@pytest.mark.differs("asyncio", "create fails, or reading does, and a child is left")
def test_a_protocol_that_has_no_callbacks(aio, protocol):
    async def main():
        heard = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
        transport, result = await aio.subprocess_exec(lambda: protocol, "/bin/echo", stdin=None)
        assert result is protocol
        assert await transport._wait() == 0
        await until(lambda: len(heard) >= 5)
        assert {type(context["exception"]) for context in heard} == {AttributeError}
        transport.close()

    aio.run(main)


@pytest.mark.parametrize("where", CALLBACKS)
@pytest.mark.differs("uvloop", "tells nothing more")
def test_the_transport_may_be_closed_in_any_callback(aio, where):
    async def main():
        protocol = Recorder(**{where: lambda self, *args: self.transport.close()})
        transport, _ = await start(aio, "echo x; exec cat", protocol=protocol)
        if where not in ("connection_made", "pipe_data_received"):
            transport.get_pipe_transport(0).close()
        await end(transport, protocol)
        assert transport.is_closing()
        check_order(protocol)
        assert transport.get_returncode() in (0, -signal.SIGKILL)
        await until(lambda: transport.get_pid() not in children())

    aio.run(main)


@pytest.mark.parametrize("fd", [0, 1, 2])
@pytest.mark.parametrize("where", ["connection_made", "pipe_data_received"])
@pytest.mark.differs("uvloop", "tells nothing more")
def test_a_pipe_may_be_closed_in_a_callback(aio, where, fd):
    def close(self, *args):
        self.transport.get_pipe_transport(fd).close()

    async def main():
        protocol = Recorder(**{where: close})
        transport, _ = await start(aio, "trap '' PIPE; echo x; exec cat", protocol=protocol)
        if fd == 1 or where == "connection_made":
            transport.get_pipe_transport(0).close()
        await asyncio.sleep(0)
        if fd == 2:
            transport.get_pipe_transport(0).close()
        await end(transport, protocol)
        check_order(protocol)

    aio.run(main)


def test_the_transport_may_be_closed_when_a_callback_is_only_looked_up(aio):
    class Closing(Recorder):
        @property
        def process_exited(self):
            self.transport.close()
            return super().process_exited

    async def main():
        protocol = Closing()
        with pipe() as (hold, _):
            fd = hold.fileno()
            script = f"read x; read x </dev/fd/{fd} & :"  # so that at the exit the pipes are open
            transport, _ = await start(aio, script, protocol=protocol, pass_fds=[fd])
            transport.get_pipe_transport(0).write(b"\n")
            await protocol.ended
        await iterate(3)
        names = protocol.names()
        for name in ("connection_made", "process_exited", "connection_lost"):
            assert names.count(name) == 1, names

    aio.run(main)


@pytest.mark.differs("uvloop", "loses what follows")
def test_a_protocol_may_replace_itself(aio):
    async def main():
        second = Recorder()
        first = Recorder(pipe_data_received=lambda self, *args: self.transport.set_protocol(second))
        transport, protocol = await start(aio, "echo x; read y; echo y", protocol=first)
        assert protocol is first
        assert transport.get_protocol() is first or not aio.is_fastproc  # asyncio reads earlier
        await until(first.data)
        assert transport.get_protocol() is second
        transport.get_pipe_transport(0).write(b"\n")
        await end(transport, second)
        assert first.names() == ["connection_made", "pipe_data_received"]
        assert second.names()[0] == "pipe_data_received" or aio.on_uvloop
        assert second.told[-1] == ("connection_lost", None)
        assert second.data() == b"y\n"

    aio.run(main)


@pytest.mark.parametrize("what", ["transport", "pipe"])
@pytest.mark.parametrize("size", [100, 300000])
@pytest.mark.differs("asyncio", "may have read it all before it calls")
def test_who_takes_over_is_told_the_rest(aio, what, size):
    """Though the child has written it all and is gone by then."""

    def hand_over(self, fd, data):
        if what == "transport":
            self.transport.set_protocol(self.heir)
        else:
            pipe = self.transport.get_pipe_transport(1)
            pipe.set_protocol(PipeRecorder(behind=pipe.get_protocol()))

    async def main():
        first = Recorder(pipe_data_received=hand_over)
        first.heir = Recorder() if what == "transport" else first
        script = f"exec head -c {size} /dev/zero"
        transport, _ = await start(aio, script, protocol=first, stdin=None, pipesize=1 << 20)
        until_blocking(lambda: exited(transport.get_pid()))
        await first.heir.ended
        told = first.told + (first.heir.told if what == "transport" else [])
        assert sum(len(call[2]) for call in told if call[0] == "pipe_data_received") == size
        if what == "transport" and aio.is_fastproc:  # asyncio may have read on
            assert first.names().count("pipe_data_received") == 1
        assert ("pipe_connection_lost", 1, None) in first.heir.told
        assert first.heir.told[-1] == ("connection_lost", None)
        transport.close()

    aio.run(main)


@pytest.mark.parametrize("what", ["pause", "close the pipe", "close the transport"])
@pytest.mark.differs("asyncio", "delivers what it has read")
def test_no_more_data_after(aio, what):
    """Though the child has written it all and is gone by then."""

    def stop(self, fd, data):
        pipe = self.transport.get_pipe_transport(1)
        {"pause": pipe.pause_reading, "close the pipe": pipe.close}.get(
            what, self.transport.close
        )()

    async def main():
        protocol = Recorder(pipe_data_received=stop)
        script = "exec head -c 600000 /dev/zero"
        transport, _ = await start(aio, script, protocol=protocol, stdin=None, pipesize=1 << 20)
        until_blocking(lambda: exited(transport.get_pid()))
        await transport._wait() if what == "pause" and aio.is_fastproc else await asyncio.sleep(
            0.02
        )
        await iterate(10)
        assert protocol.names().count("pipe_data_received") == 1
        assert (("pipe_connection_lost", 1, None) in protocol.told) == (what != "pause")
        transport.close()
        await protocol.ended

    aio.run(main)


# Reading


def test_paused_in_connection_made_nothing_is_lost(aio):
    def pause(self, transport):
        transport.get_pipe_transport(1).pause_reading()

    async def main():
        protocol = Recorder(connection_made=pause)
        transport, _ = await start(aio, "printf 123; read x; printf 45", protocol=protocol)
        pipe = transport.get_pipe_transport(1)
        assert not pipe.is_reading()
        transport.get_pipe_transport(0).write(b"\n")
        await transport._wait() if aio.is_fastproc else await asyncio.sleep(0.1)
        await iterate(5)
        if aio.is_fastproc:  # asyncio may have read some before
            assert protocol.data() == b""
        assert ("pipe_connection_lost", 1, None) not in protocol.told
        pipe.resume_reading()
        assert pipe.is_reading()
        await end(transport, protocol)
        assert protocol.data() == b"12345"
        assert not pipe.is_reading()

    aio.run(main)


def test_pausing_stops_a_child_that_writes_forever(aio):
    async def main():
        transport, protocol = await start(aio, "exec yes")
        pipe = transport.get_pipe_transport(1)
        await until(protocol.data)
        pipe.pause_reading()
        pipe.pause_reading()
        await iterate(3)
        held = len(protocol.data())
        await asyncio.sleep(0.05)
        assert len(protocol.data()) == held
        pipe.resume_reading()
        pipe.resume_reading()
        await until(lambda: len(protocol.data()) > held)
        transport.close()
        await end(transport, protocol)
        assert transport.get_returncode() == -signal.SIGKILL

    aio.run(main)


@pytest.mark.differs("uvloop", "raises")
def test_a_closed_read_pipe_neither_reads_nor_resumes(aio):
    async def main():
        transport, protocol = await start(aio, "exec cat")
        pipe = transport.get_pipe_transport(1)
        pipe.close()
        pipe.close()
        pipe.pause_reading()
        pipe.resume_reading()
        assert pipe.is_closing() and not pipe.is_reading()
        transport.close()
        await end(transport, protocol)
        check_order(protocol)

    aio.run(main)


# Writing


def test_flow_control_is_told_once_each_way(aio):
    async def main():
        transport, protocol = await start(aio, "read x; cat")
        pipe = transport.get_pipe_transport(0)
        data = pattern(1 << 20)
        assert pipe.get_write_buffer_size() == 0
        pipe.write(b"\n" + data)
        assert protocol.names().count("pause_writing") == 1
        assert pipe.get_write_buffer_size() > pipe.get_write_buffer_limits()[1]
        pipe.write(b"")
        await until(lambda: "resume_writing" in protocol.names())
        assert protocol.names().count("pause_writing") == 1
        pipe.write_eof()
        await end(transport, protocol)
        assert protocol.names().count("resume_writing") == 1
        assert protocol.data() == data

    aio.run(main)


@pytest.mark.differs("asyncio", "fails when the pipe is closed there")
def test_more_may_be_written_in_resume_writing(aio):
    def more(self):
        pipe = self.transport.get_pipe_transport(0)
        if self.names().count("resume_writing") < 3:
            pipe.write(bytes(300000))
        else:
            pipe.close()

    async def main():
        protocol = Recorder(resume_writing=more)
        transport, _ = await start(aio, "cat", protocol=protocol)
        transport.get_pipe_transport(0).write(bytes(300000))
        await end(transport, protocol)
        flow = [name for name in protocol.names() if name.endswith("_writing")]
        assert flow == ["pause_writing", "resume_writing"] * 3
        assert protocol.data() == bytes(900000)

    aio.run(main)


@pytest.mark.differs("asyncio", "has a registration of its own for each pipe")
def test_stale_event_of_a_pipe_closed_meanwhile_reaches_no_other(aio):
    """One that was closed in a callback, while its end was waiting behind in the same turn."""

    def close_one_and_open_another(self):
        dead._transport.get_pipe_transport(1).close()
        live._transport.get_pipe_transport(1).resume_reading()

    async def main():
        nonlocal dead, live
        script = "read x; echo one; echo there >&2; read x; echo two"
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        live = await aio.create_subprocess_exec("/bin/sh", "-c", script, **pipes)
        live._transport.get_pipe_transport(1).pause_reading()
        live.stdin.write(b"\n")
        assert await live.stderr.readline() == b"there\n"
        with pipe() as (hold, release):
            dead = await aio.create_subprocess_exec("cat", stdin=hold, stdout=aio.PIPE)
            protocol = Recorder(resume_writing=close_one_and_open_another)
            transport, into = await stopped_with_a_full_pipe(aio, protocol)
            transport.send_signal(signal.SIGCONT)
            until_blocking(busy_pollers)  # there is room again
            release.write(b"unread")
            release.close()
            until_blocking(lambda: exited(dead.pid))
        await until(lambda: "resume_writing" in protocol.names())
        live.stdin.write(b"\n")
        assert await live.stdout.read() == b"one\ntwo\n"
        into.close()
        await end(transport, protocol)
        for proc in dead, live:
            assert await finish(proc) == 0

    dead = live = None
    aio.run(main)


@pytest.mark.differs("asyncio", "has a registration of its own for each pipe")
def test_stale_event_of_a_closed_stdin_reaches_no_child_that_has_just_started(aio):
    """Whose stdin has its place in the hub by then, in the same turn."""

    async def main():
        dead = await aio.create_subprocess_exec("sleep", "60", stdin=aio.PIPE)
        stdin = dead._transport.get_pipe_transport(0)
        protocol = Recorder(resume_writing=lambda self: dead._transport.close())  # at once
        transport, into = await stopped_with_a_full_pipe(aio, protocol)
        # What the hub sees in its next turn, in this order
        transport.send_signal(signal.SIGCONT)
        until_blocking(busy_pollers)  # there is room again
        before = children()
        create = aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE)
        waiting = create.send(None)
        (pid,) = children().keys() - before.keys()
        until_blocking(lambda: Path(f"/proc/{pid}/comm").read_text() == "cat\n")
        os.kill(dead.pid, signal.SIGKILL)
        until_blocking(lambda: exited(dead.pid))
        live = await driven(create, waiting)
        assert "resume_writing" in protocol.names() and stdin.is_closing()
        assert await live.communicate(b"data") == (b"data", None)
        into.close()
        await end(transport, protocol)
        for proc in dead, live:
            await finish(proc)

    aio.run(main)


@pytest.mark.differs("uvloop", "has others")
def test_write_marks(aio):
    async def main():
        transport, protocol = await start(aio, "read x; cat")
        pipe = transport.get_pipe_transport(0)
        assert pipe.get_write_buffer_limits() == (16384, 65536)
        pipe.set_write_buffer_limits(high=1000)
        assert pipe.get_write_buffer_limits() == (250, 1000)
        pipe.set_write_buffer_limits(low=10)
        assert pipe.get_write_buffer_limits() == (10, 40)
        with pytest.raises(ValueError, match="must be >= 0"):
            pipe.set_write_buffer_limits(high=1, low=2)
        pipe.set_write_buffer_limits(0)
        pipe.write(bytes(100000))
        assert protocol.names().count("pause_writing") == 1
        pipe.write(b"\n")
        pipe.close()
        await end(transport, protocol)
        assert protocol.names().count("resume_writing") == 1

    aio.run(main)


@pytest.mark.differs("uvloop", "does not look")
def test_a_child_that_closes_its_input_is_noticed(aio):
    async def main():
        transport, protocol = await start(aio, "exec <&-; read x <&1; exec sleep 60", stdout=None)
        await until(lambda: ("pipe_connection_lost", 0, None) in protocol.told)
        transport.kill()
        await end(transport, protocol)

    aio.run(main)


def test_a_child_that_dies_with_input_pending_breaks_the_pipe(aio):
    async def main():
        transport, protocol = await start(aio, "exec sleep 60")
        transport.get_pipe_transport(0).write(bytes(1 << 20))
        transport.kill()
        await end(transport, protocol)
        check_order(protocol)
        (exception,) = [
            call[2] for call in protocol.told if call[:2] == ("pipe_connection_lost", 0)
        ]
        assert isinstance(exception, BrokenPipeError)
        assert transport.get_returncode() == -signal.SIGKILL

    aio.run(main)


def test_abort_drops_what_is_queued(aio):
    async def main():
        transport, protocol = await start(aio, "sleep 0.05; wc -c")
        pipe = transport.get_pipe_transport(0)
        pipe.write(bytes(1 << 20))
        pipe.abort()
        assert pipe.is_closing()
        pipe.write(b"silently dropped")
        if aio.is_fastproc:  # asyncio fails the second time
            pipe.abort()
        await end(transport, protocol)
        check_order(protocol)
        assert ("pipe_connection_lost", 0, None) in protocol.told
        assert 0 < int(protocol.data()) < 1 << 20

    aio.run(main)


@pytest.mark.differs("uvloop", "closes later")
def test_the_rest_of_the_write_surface(aio):
    async def main():
        transport, protocol = await start(aio, "cat")
        pipe = transport.get_pipe_transport(0)
        assert pipe.can_write_eof() is True
        assert pipe.is_closing() is False
        pipe.writelines([b"a", bytearray(b"b"), memoryview(b"c")])
        pipe.write(bytearray(b"d"))
        pipe.write_eof()
        pipe.write_eof()
        assert pipe.is_closing() is True
        await end(transport, protocol)
        assert protocol.data() == b"abcd"

    aio.run(main)


# Protocols of a pipe


class PipeRecorder(asyncio.Protocol):
    def __init__(self, behind=None):
        self.behind = behind
        self.told = []

    def data_received(self, data):
        self.told.append(data)
        if self.behind is not None:
            self.behind.data_received(data)

    def eof_received(self):
        self.told.append("eof")

    def connection_lost(self, exc):
        self.told.append(("lost", exc))
        if self.behind is not None:
            self.behind.connection_lost(exc)


@pytest.mark.differs("uvloop", "pipes have no set_protocol()")
def test_a_pipe_may_be_given_a_protocol_of_its_own(aio):
    async def main():
        transport, protocol = await start(aio, "read x; echo $x; echo err >&2")
        pipe, own = transport.get_pipe_transport(1), PipeRecorder()
        before = pipe.get_protocol()
        assert before.fd == 1 and before.pipe is pipe and before.proc is transport
        assert pipe.get_protocol() is before
        pipe.set_protocol(own)
        assert pipe.get_protocol() is own
        transport.get_pipe_transport(0).write(b"line\n")
        await until(lambda: ("lost", None) in own.told)
        assert own.told == [b"line\n", "eof", ("lost", None)]
        await until(lambda: ("pipe_connection_lost", 2, None) in protocol.told)
        await until(lambda: "process_exited" in protocol.names())
        await iterate(5)
        assert protocol.data() == b"" and protocol.data(2) == b"err\n"
        assert "connection_lost" not in protocol.names()  # the end of 1 was never reported
        before.connection_lost(None)
        await end(transport, protocol)
        check_order(protocol)

    aio.run(main)


@pytest.mark.differs("uvloop", "pipes have no set_protocol()")
def test_a_pipes_protocol_may_be_wrapped(aio):
    async def main():
        transport, protocol = await start(aio, "echo x")
        for fd in (1, 2):
            pipe = transport.get_pipe_transport(fd)
            pipe.set_protocol(PipeRecorder(behind=pipe.get_protocol()))
        await end(transport, protocol)
        check_order(protocol)
        assert protocol.data() == b"x\n"

    aio.run(main)


@pytest.mark.may_warn("no attribute '_pipe_")
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("fd", [0, 1])
@pytest.mark.differs("uvloop", "pipes have no set_protocol()")
def test_a_pipes_protocol_that_is_told_of_the_end_too_early(aio, fd, own):
    """By a wrapper that has gone wrong; asyncio may tell no more of the pipe, and logs an error."""

    async def main():
        transport, protocol = await start(aio, "read x; echo $x; exit 3")
        pipe = transport.get_pipe_transport(fd)
        inner = pipe.get_protocol()
        if own:
            pipe.set_protocol(PipeRecorder())
        inner.connection_lost(None)
        if aio.is_fastproc:
            inner.connection_lost(None)
        transport.get_pipe_transport(0).write(b"line\n")
        assert await transport._wait() == 3 if aio.is_fastproc else True
        await end(transport, protocol)
        check_order(protocol)

    aio.run(main)


@pytest.mark.differs("uvloop", "pipes have no set_protocol()")
def test_a_process_is_told_through_protocols_put_into_its_transports(aio):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes)
        pipe = proc._transport.get_pipe_transport(1)
        wrapper = PipeRecorder(behind=pipe.get_protocol())
        pipe.set_protocol(wrapper)
        proc.stdin.write(b"x\n")
        assert await proc.stdout.readline() == b"x\n"
        proc.stdin.close()
        assert await proc.stdout.read() == b""
        assert await proc.wait() == 0
        await iterate(3)
        assert wrapper.told == [b"x\n", "eof", ("lost", None)]

    aio.run(main)


@pytest.mark.differs("uvloop", "tells it of less")
def test_a_process_whose_transport_is_given_a_protocol(aio):
    async def main():
        pipes = {"stdin": aio.PIPE, "stdout": aio.PIPE}
        proc = await aio.create_subprocess_exec("cat", **pipes)
        protocol = Recorder()
        protocol.transport = proc._transport
        proc._transport.set_protocol(protocol)
        proc.stdin.write(b"x\n")
        proc.stdin.close()
        await end(proc._transport, protocol)
        assert protocol.data() == b"x\n"
        assert protocol.told[-1] == ("connection_lost", None)
        assert proc.returncode == 0

    aio.run(main)


@pytest.mark.differs("uvloop", "are of its own")
def test_pipe_transports_are_of_asyncios_classes(aio):
    async def main():
        transport, protocol = await start(aio, "cat")
        into, out = transport.get_pipe_transport(0), transport.get_pipe_transport(1)
        assert isinstance(into, asyncio.Transport) and isinstance(into, asyncio.WriteTransport)
        assert isinstance(out, asyncio.ReadTransport)
        assert not isinstance(out, asyncio.WriteTransport)
        for method in (into.pause_reading, into.resume_reading, into.is_reading):
            with pytest.raises(NotImplementedError):
                method()
        assert not hasattr(out, "write")
        into.close()
        await end(transport, protocol)

    aio.run(main)


# The transport


@pytest.mark.differs("uvloop", "has no Popen")
def test_the_transport_knows_the_child(aio):
    async def main():
        transport, protocol = await start(aio, "read x; exit 5")
        assert transport.get_pid() in children()
        assert transport.get_returncode() is None
        assert transport.is_closing() is False
        assert transport.get_protocol() is protocol
        assert transport.get_extra_info("subprocess").pid == transport.get_pid()
        assert transport.get_extra_info("nothing", 1) == 1
        assert str(transport.get_pid()) in repr(transport)
        transport.get_pipe_transport(0).write(b"\n")
        assert await transport._wait() == 5
        await end(transport, protocol)
        assert transport.is_closing()

    aio.run(main)


@pytest.mark.differs("uvloop", "are not of asyncio's classes")
def test_transports_take_weak_references_and_attributes(aio):
    async def main():
        transport, protocol = await start(aio, "cat")
        pipes = [transport.get_pipe_transport(fd) for fd in range(3)]
        gone = []
        for each in (transport, *pipes):
            each.note = "mine"
            assert vars(each)["note"] == "mine"
            gone.append(weakref.ref(each))
            assert gone[-1]() is each
        pipes[0].close()
        await end(transport, protocol)
        del each, pipes, transport, protocol
        gc.collect()
        return gone

    gone = aio.run(main)
    gc.collect()
    if aio.is_fastproc:  # a thread of asyncio's child watcher may still have it
        assert [ref() for ref in gone] == [None] * 4


# The Popen of get_extra_info("subprocess")


@pytest.mark.differs("uvloop", "has no Popen")
@pytest.mark.differs("asyncio", "loses the status")
def test_the_popen_sees_the_end_before_the_loop_does(aio):
    async def main():
        transport, protocol = await start(aio, "read x; exit 5", stdout=None)
        popen = transport.get_extra_info("subprocess")
        assert transport.get_extra_info("subprocess") is popen
        assert (popen.pid, popen.poll(), popen.returncode) == (transport.get_pid(), None, None)
        assert popen.args[0] == "/bin/sh"
        with pytest.raises(subprocess.TimeoutExpired) as caught:
            popen.wait(timeout=0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            popen.wait(float("nan"))
        assert caught.value.timeout == 0.01 and list(caught.value.cmd) == list(popen.args)
        transport.get_pipe_transport(0).write(b"\n")
        assert popen.wait() == 5 == popen.wait(1) == popen.poll()
        assert transport.get_returncode() is None
        await end(transport, protocol)
        assert transport.get_returncode() == 5 == popen.wait(0) == popen.returncode

    aio.run(main)


@pytest.mark.differs("asyncio", "has a Popen that reaps")
def test_the_popen_signals_and_is_told_from_other_signals(aio):
    async def main():
        transport, protocol = await start(aio, "exec sleep 60")
        popen = transport.get_extra_info("subprocess")
        popen.send_signal(0)
        popen.terminate()
        assert popen.wait(5) == -signal.SIGTERM
        popen.kill()  # not reaped yet, so no error
        await end(transport, protocol)
        with pytest.raises(ProcessLookupError):
            popen.kill()

    aio.run(main)


@pytest.mark.differs("uvloop", "has no Popen")
def test_close_kills_by_the_popen_that_somebody_has_patched(aio):
    called = []

    async def main():
        transport, protocol = await start(aio, "exec sleep 60")
        popen = transport.get_extra_info("subprocess")
        kill = popen.kill
        popen.kill = lambda: called.append(kill())
        transport.close()
        assert called == [None]
        await end(transport, protocol)
        assert transport.get_returncode() == -signal.SIGKILL

    aio.run(main)


# Signals


@pytest.mark.parametrize(
    "name, args, signum",
    [
        ("kill", (), signal.SIGKILL),
        ("terminate", (), signal.SIGTERM),
        ("send_signal", (signal.SIGUSR1,), signal.SIGUSR1),
    ],
)
@pytest.mark.differs("asyncio", "no error at the end, or another")
def test_signals(aio, name, args, signum):
    async def main():
        transport, protocol = await start(aio, "exec sleep 60")
        getattr(transport, name)(*args)
        await end(transport, protocol)
        assert transport.get_returncode() == -signum
        with pytest.raises(ProcessLookupError):
            getattr(transport, name)(*args)

    aio.run(main)


@pytest.mark.differs("uvloop", "tells nothing more")
def test_close_kills_and_tells_to_the_end(aio):
    async def main():
        transport, protocol = await start(aio, "exec sleep 60")
        transport.close()
        transport.close()
        assert transport.is_closing()
        await end(transport, protocol)
        check_order(protocol)
        assert transport.get_returncode() == -signal.SIGKILL

    aio.run(main)


# asyncio's own classes over this transport


def test_asyncios_streams_and_process_work_over_it(aio):
    async def main():
        loop = asyncio.get_running_loop()
        stream_protocol = asyncio.subprocess.SubprocessStreamProtocol
        transport, protocol = await aio.subprocess_exec(
            lambda: stream_protocol(limit=1 << 16, loop=loop), "cat"
        )
        proc = asyncio.subprocess.Process(transport, protocol, loop)
        assert proc.pid == transport.get_pid() and proc.returncode is None
        proc.stdin.write(b"line\n")
        await proc.stdin.drain()
        assert await proc.stdout.readline() == b"line\n"
        out, err = await proc.communicate(pattern(1 << 20))
        assert (out, err) == (pattern(1 << 20), b"")
        assert proc.returncode == 0 == await proc.wait()
        await proc.stdin.wait_closed()
        await until(transport.is_closing)

    aio.run(main)


@pytest.mark.differs("asyncio", "wait() may wait for a pipe that is paused")
def test_asyncios_process_over_a_child_that_is_killed(aio):
    async def main():
        loop = asyncio.get_running_loop()
        transport, protocol = await aio.subprocess_exec(
            lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=10, loop=loop), "cat"
        )
        proc = asyncio.subprocess.Process(transport, protocol, loop)
        proc.stdin.write(bytes(1 << 20))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(proc.stdin.drain(), 0.05)
        proc.kill()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await proc.stdin.drain()
        assert await proc.wait() == -signal.SIGKILL
        transport.close()
        await iterate(5)

    aio.run(main)


# Bad input and trouble


def raised_by(create, aio, *args, **kwds):
    """What a create call raises that must not start anything."""

    async def main():
        before = children()
        try:
            await getattr(aio, create)(*args, **kwds)
        except BaseException as error:
            assert children() == before
            return error

    return aio.run(main)


@pytest.mark.parametrize(
    "kwds, message",
    [
        ({"text": True}, "text must be False"),
        ({"universal_newlines": True}, "universal_newlines must be False"),
        ({"encoding": "utf-8"}, "encoding must be None"),
        ({"errors": "strict"}, "errors must be None"),
        ({"bufsize": 1}, "bufsize must be 0"),
        ({"shell": True}, "shell must be False"),
    ],
)
@pytest.mark.differs("uvloop", "other words")
def test_what_is_refused(aio, kwds, message):
    error = raised_by("subprocess_exec", aio, Recorder, "true", **kwds)
    assert isinstance(error, ValueError) and str(error) == message


@pytest.mark.differs("uvloop", "other words")
def test_a_command_is_a_string_in_a_shell(aio):
    for cmd, kwds, message in [
        (["true"], {}, "cmd must be a string"),
        ("true", {"shell": False}, "shell must be True"),
    ]:
        error = raised_by("subprocess_shell", aio, Recorder, cmd, **kwds)
        assert isinstance(error, ValueError) and str(error) == message


@pytest.mark.parametrize("keyword", ["limit", "nonsense"])
@pytest.mark.differs("uvloop", "other words")
def test_an_unknown_keyword_is_named(aio, keyword):
    error = raised_by("subprocess_exec", aio, Recorder, "true", **{keyword: 1})
    assert isinstance(error, TypeError) and f"'{keyword}'" in str(error)


@pytest.mark.parametrize(
    "args, kwds",
    [
        ((), {}),
        ((Recorder,), {}),
        ((Recorder, "true"), {"protocol_factory": Recorder}),
        (("not callable", "true"), {}),
        ((Recorder, 5), {}),
    ],
)
def test_wrong_calls_are_type_errors(aio, args, kwds):
    assert isinstance(raised_by("subprocess_exec", aio, *args, **kwds), TypeError)


def test_arguments_by_name(aio):
    async def main():
        call = {"protocol_factory": Recorder, "program": "true"}
        await end(*await aio.subprocess_exec(**call))
        call = {"protocol_factory": Recorder, "cmd": "true"}
        await end(*await aio.subprocess_shell(**call))

    aio.run(main)
    error = raised_by("subprocess_shell", aio, Recorder, "true", "more")
    assert isinstance(error, TypeError)


def test_a_program_that_is_not_there_tells_the_protocol_nothing(aio):
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    error = raised_by("subprocess_exec", aio, factory, "/no/such/program")
    assert isinstance(error, FileNotFoundError) and error.errno == errno.ENOENT
    assert error.filename == "/no/such/program" or aio.name == "asyncio" and aio.on_uvloop
    assert made[0].told == []


def test_a_factory_that_raises_starts_nothing(aio):
    def factory():
        raise ZeroDivisionError

    assert isinstance(raised_by("subprocess_exec", aio, factory, "true"), ZeroDivisionError)


def test_a_factory_that_raises_stop_iteration(aio):
    error = raised_by("subprocess_exec", aio, iter(()).__next__, "true")
    assert isinstance(error, RuntimeError) and "StopIteration" in str(error)
    assert isinstance(error.__cause__, StopIteration)


@pytest.mark.differs("asyncio", "calls it first")
def test_input_that_cannot_be_converted_never_reaches_the_factory(aio):
    called = []
    error = raised_by("subprocess_exec", aio, lambda: called.append(1), "true", "a\0b")
    assert isinstance(error, ValueError) and not called


@pytest.mark.differs("asyncio", "tells the protocol of a child that its caller never got")
def test_cancelling_the_create_call_ends_the_child(aio):
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    async def main():
        for turns in range(6):
            before = children()
            task = asyncio.create_task(aio.subprocess_exec(factory, "sleep", "60"))
            await iterate(turns)
            if not task.done():
                task.cancel()
            try:
                transport, _ = await task
            except asyncio.CancelledError:
                await until(lambda before=before: children() == before)
            else:
                transport.close()
                await made[-1].ended
        await iterate(3)
        assert made
        for protocol in made:
            assert protocol.told == [] or protocol.told[-1] == ("connection_lost", None)

    aio.run(main)


@pytest.mark.may_warn("subprocess \\d+ is still running|unclosed transport|Unknown child")
@pytest.mark.differs("asyncio", "leaves the child")
def test_a_loop_closed_with_a_live_child_tells_nothing(aio):
    protocols = []

    async def main():
        transport, protocol = await start(aio, "exec cat")
        protocols.append(protocol)
        return transport.get_pid()

    pid = aio.run(main)
    assert pid in children()
    assert protocols[0].names() == ["connection_made"]
    pipe = protocols[0].transport.get_pipe_transport(0)
    pipe.write(b"x")
    pipe.close()
    protocols[0].transport.close()
    assert protocols[0].names() == ["connection_made"]
    del pipe, protocols[:]
    gc.collect()
    assert pid not in children()


@pytest.mark.may_warn("still running|was destroyed but it is pending|unclosed event|never awaited")
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("how", ["close", "drop"])
@pytest.mark.differs("asyncio", "leaves the child")
def test_a_loop_that_ends_while_children_are_created_tells_nothing(aio, how, turns):
    told = []

    async def create():
        transport, protocol = await start(aio, "exec cat")
        told.append(protocol)

    loop = aio.new_loop()
    tasks = [loop.create_task(create()) for _ in range(3)]
    for _ in range(turns):
        loop.run_until_complete(asyncio.sleep(0.005))
    if how == "close" or aio.on_uvloop:  # which warns of a loop that was not closed
        loop.close()
    del loop, tasks
    gc.collect()
    for protocol in told:
        assert protocol.names() == ["connection_made"]


def test_many_at_once(aio):
    async def main():
        started = [start(aio, "cat; echo $1 >&2", str(n)) for n in range(50)]
        pairs = await asyncio.gather(*started)
        for transport, _ in pairs:
            transport.get_pipe_transport(0).write(b"data")
            transport.get_pipe_transport(0).close()
        for n, (transport, protocol) in enumerate(pairs):
            await end(transport, protocol)
            check_order(protocol)
            assert (protocol.data(1), protocol.data(2)) == (b"data", b"%d\n" % n)

    aio.run(main)


def test_redirections(aio, tmp_path):
    async def main():
        with open(tmp_path / "out", "wb") as file:
            transport, protocol = await start(
                aio, "echo out; echo err >&2", stdin=subprocess.DEVNULL, stdout=file
            )
            await end(transport, protocol)
        assert protocol.data(2) == b"err\n"
        transport, protocol = await start(aio, "echo out; echo err >&2", stderr=subprocess.STDOUT)
        assert transport.get_pipe_transport(2) is None
        await end(transport, protocol)
        assert protocol.data() == b"out\nerr\n"

    aio.run(main)
    assert (tmp_path / "out").read_bytes() == b"out\n"


@pytest.mark.differs("asyncio", "is one")
def test_on_a_loop_that_is_named(aio):
    """As a method of the loop, which is how install() uses it."""

    async def main():
        loop = asyncio.get_running_loop()
        pair = await aio.core.loop_subprocess_exec(loop, Recorder, "echo", "x")
        await end(*pair)
        assert pair[1].data() == b"x\n"
        pair = await aio.core.loop_subprocess_shell(loop, Recorder, "echo y")
        await end(*pair)
        assert pair[1].data() == b"y\n"
        with pytest.raises(NotImplementedError, match="add_reader"):
            await aio.core.loop_subprocess_exec(os, Recorder, "echo")

    aio.run(main)


@pytest.mark.may_warn("ResourceWarning: (unclosed|subprocess)")
@pytest.mark.may_warn("Task was destroyed but it is pending")
@pytest.mark.parametrize("alive", [False, True], ids=["ended", "alive"])
@pytest.mark.differs("asyncio", "it leaves the child")
@pytest.mark.not_on("uvloop", "uvloop keeps a loop that has run")
def test_cycles_through_protocol_transport_and_loop_are_collected(aio, alive):
    """With the loop, which nobody closes; a live child goes with it."""
    collected = []

    class Protocol(asyncio.SubprocessProtocol):
        def connection_made(self, transport):
            self.all = [self, transport, asyncio.get_running_loop()]
            self.pipes = [transport.get_pipe_transport(fd) for fd in range(3)]
            self.popen = transport.get_extra_info("subprocess")
            transport.protocol = self
            self.pipes[0].me = self

        def process_exited(self):
            self.ended.set_result(None)

    async def life():
        loop = asyncio.get_running_loop()
        transport, protocol = await aio.subprocess_exec(Protocol, "cat")
        protocol.ended = loop.create_future()
        weakref.finalize(protocol, collected.append, "protocol")
        weakref.finalize(transport, collected.append, "transport")
        weakref.finalize(loop, collected.append, "loop")
        loop.me = [loop, protocol]
        if not alive:
            protocol.pipes[0].close()
            await protocol.ended

    def leave_behind():
        loop = aio.new_loop()
        loop.run_until_complete(life())

    leave_behind()
    for _ in range(3):
        gc.collect()
    assert sorted(collected) == ["loop", "protocol", "transport"]
    assert all(map(exited, children()))
