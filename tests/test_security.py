"""What a child is given and what it is not: descriptors, ids, signals; and what is revealed."""

import asyncio
import ctypes
import gc
import itertools
import logging
import os
import re
import signal
import subprocess
import traceback
import warnings

import pytest
from support import LINUX, free_descriptors, output_of

pytestmark = [
    pytest.mark.every_path,
    pytest.mark.only_paths("vfork", "fork"),
    pytest.mark.skipif(not LINUX, reason="looks into /proc"),
    pytest.mark.one_loop("what a child is given is no matter of the loop"),
]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}
NOBODY = 65534


# Descriptors


@pytest.mark.parametrize("close_fds", [True, False], ids=["close_fds", "inherit"])
@pytest.mark.differs("uvloop", "ignores close_fds")
def test_no_child_sees_a_descriptor_that_it_was_not_given(aio, tmp_path, close_fds):
    """While threads open and close all kinds, and other children with pipes are on their way."""
    aio.script(
        """
        import threading
        folder, close_fds = sys.argv[1], sys.argv[2] == "True"
        private, public = folder + "/private", folder + "/public"
        for name in private, public:
            open(name, "w").close()
        done = False

        def open_and_close():
            while not done:
                fds = [os.open(private, os.O_RDWR), os.open(public, os.O_RDWR), *os.pipe()]
                os.set_inheritable(fds[1], True)
                time.sleep(0.0001)
                for fd in fds:
                    os.close(fd)

        async def look(kwds):
            pipes = dict(stdin=aio.PIPE, stdout=aio.PIPE, stderr=aio.PIPE)
            script = "read go; exec ls -l /proc/self/fd"
            proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, **pipes, **kwds)
            own = set()
            for fd in 1, 2:
                transport = proc._transport.get_pipe_transport(fd)
                fileno = transport.get_extra_info("pipe").fileno()
                own.add(os.readlink(f"/proc/self/fd/{fileno}"))
            out, err = await proc.communicate(b"go\\n")
            assert (proc.returncode, err) == (0, b""), err
            seen = [line.split(" -> ") for line in out.decode().splitlines() if " -> " in line]
            seen = {int(left.split()[-1]): target for left, target in seen}
            assert seen.pop(0) not in own and {seen.pop(1), seen.pop(2)} == own
            listing = [fd for fd, target in seen.items() if target == f"/proc/{proc.pid}/fd"]
            assert len(listing) == 1, seen
            del seen[listing[0]]
            for fd in kwds.get("pass_fds", ()):
                assert seen.pop(fd) == private
            allowed = set() if close_fds or "pass_fds" in kwds else {public}
            assert set(seen.values()) <= allowed, seen
            return len(seen)

        async def main():
            fd = os.open(private, os.O_RDWR)
            passing, plain = {"pass_fds": (fd,)}, {"close_fds": close_fds}
            async with running(aio, "cat", stdin=aio.PIPE, stdout=aio.PIPE):
                for _ in range(4):
                    inherited.append(sum(await asyncio.gather(*map(look, [plain] * 7 + [passing]))))
            os.close(fd)

        inherited = []
        threads = [threading.Thread(target=open_and_close) for _ in range(8)]
        for thread in threads:
            thread.start()
        try:
            aio.run(main)
        finally:
            done = True
            for thread in threads:
                thread.join()
        assert close_fds or sum(inherited), "the test looks at nothing"
        """,
        tmp_path,
        close_fds,
    )


# Ids


def status_fields(status, names):
    lines = (line.partition(b":") for line in status.splitlines())
    return {name.decode(): value.split() for name, _, value in lines if name.decode() in names}


IDENTITY = "Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp".split()
IDS = {
    "user": {"user": NOBODY},
    "group": {"group": 1234},
    "extra_groups": {"extra_groups": [5, 1234]},
    "no-groups": {"extra_groups": []},
    "user-and-group": {"user": NOBODY, "group": 1234},
    "group-and-extra_groups": {"group": 1234, "extra_groups": [5]},
    "all": {"user": NOBODY, "group": 1234, "extra_groups": [5, 77]},
}


def dumpable():
    return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)


@as_root
@pytest.mark.slow(
    "some of these at once", when=lambda ids, hook: ids not in ("user-and-group", "all") and hook
)
@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("hook", [{}, {"preexec_fn": int}], ids=["plain", "preexec"])
@pytest.mark.differs("uvloop", "no user=")
def test_ids_are_those_that_subprocess_gives_and_cannot_be_had_back(aio, ids, hook):
    kwds = IDS[ids] | hook
    command = ["cat", "/proc/self/status"]
    before = os.getgroups()
    try:
        os.setgroups([3, 4])  # something to be dropped, or kept
        assert dumpable() == 1
        expected = status_fields(subprocess.check_output(command, **kwds), IDENTITY)
        found = status_fields(aio.run(output_of(aio, *command, **kwds)), IDENTITY)
        assert dumpable() == 1
    finally:
        os.setgroups(before)
    assert found == expected and found.keys() == set(IDENTITY)
    if "user" in kwds:  # real, effective, saved and of the file system
        assert found["Uid"] == [b"%d" % NOBODY] * 4
        assert {
            int(bits, 16) for name in ("CapPrm", "CapEff", "CapAmb") for bits in found[name]
        } == {0}
    if "group" in kwds:
        assert found["Gid"] == [b"1234"] * 4
    groups = kwds.get("extra_groups", [3, 4])
    assert sorted(map(int, found["Groups"])) == groups


@as_root
@pytest.mark.differs("uvloop", "no user=")
def test_ids_that_cannot_all_be_taken_leave_no_child_with_some(aio, tmp_path):
    """Without the right to, at the first, the second or the third of the three calls."""
    aio.script(
        """
        os.setgroups([])
        os.setresgid(1234, 1234, 1234)
        os.setresuid(65534, 65534, 65534)
        marker = sys.argv[1] + "/was-started"
        async def main():
            for kwds in (dict(extra_groups=[5]), dict(group=5), dict(user=5),
                         dict(group=1234, user=5), dict(user=0, group=0, extra_groups=[0])):
                try:
                    await aio.create_subprocess_exec("touch", marker, **kwds)
                except PermissionError:
                    pass
                else:
                    sys.exit(f"{kwds} was taken")
            assert not children()
        aio.run(main)
        assert not os.path.exists(marker)
        """,
        tmp_path,
    )


# Signals


SIGNALS = "SigPnd ShdPnd SigBlk SigIgn SigCgt".split()
HANDLED = (lambda *args: None,)
DISPOSITIONS = {
    "python's own": {},
    "handled": dict.fromkeys([signal.SIGUSR1, signal.SIGTERM, signal.SIGRTMIN + 1], HANDLED[0]),
    "ignored": dict.fromkeys([signal.SIGUSR2, signal.SIGINT, signal.SIGRTMAX], signal.SIG_IGN),
    "default": dict.fromkeys([signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT], signal.SIG_DFL),
    "mixed": {
        signal.SIGPIPE: HANDLED[0],
        signal.SIGXFSZ: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_IGN,
        signal.SIGRTMIN + 2: signal.SIG_IGN,
        signal.SIGRTMAX - 1: HANDLED[0],
    },
}
MASKS = {
    "none": set(),
    "some": {signal.SIGUSR1, signal.SIGPIPE, signal.SIGRTMIN, signal.SIGRTMAX},
    "all": signal.valid_signals(),
}


@pytest.mark.parametrize("hook", [{}, {"preexec_fn": int}], ids=["plain", "preexec"])
@pytest.mark.parametrize("dispositions", DISPOSITIONS)
@pytest.mark.differs("uvloop", "resets every signal")
def test_signals_are_those_that_subprocess_gives(aio, dispositions, hook):
    command = ["cat", "/proc/self/status"]
    changed = DISPOSITIONS[dispositions]
    old = {number: signal.signal(number, handler) for number, handler in changed.items()}
    found, expected = {}, {}
    try:
        for mask, restore in itertools.product(MASKS, (True, False)):
            kwds = {"restore_signals": restore} | hook
            old_mask = signal.pthread_sigmask(signal.SIG_SETMASK, MASKS[mask])
            try:
                status = subprocess.check_output(command, **kwds)
                expected[mask, restore] = status_fields(status, SIGNALS)
                status = aio.run(output_of(aio, *command, **kwds))
                found[mask, restore] = status_fields(status, SIGNALS)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    assert found == expected
    assert all(len(fields) == len(SIGNALS) for fields in found.values())


# What is revealed


SECRETS = "argv-s3cret", "env-s3cret"
SECRET = re.compile("s3cret")


@pytest.mark.may_warn(".")
@pytest.mark.differs("asyncio", "its transport shows the Popen with its arguments")
def test_arguments_and_environment_are_never_told(aio, caplog):
    """Not by logs in debug mode, representations, warnings, or exceptions and their tracebacks."""
    told = []

    def tell(*things):
        told.extend(map(repr, things))
        told.extend(str(thing) for thing in things)

    def tell_exception(error):
        tell(error, error.__dict__)
        told.extend(traceback.format_exception(error))

    class Protocol(asyncio.SubprocessProtocol):
        def connection_made(self, transport):
            self.ended = asyncio.Event()
            tell(transport, self)
            raise ZeroDivisionError("in a callback")

        def connection_lost(self, exc):
            self.ended.set()

    command, env = ["sh", "-c", ":", SECRETS[0]], {"KEY": SECRETS[1], "PATH": os.environ["PATH"]}
    kwds = {"env": env}

    async def failing(function, *args, **kwds):
        try:
            await function(*args, **kwds)
        except Exception as error:
            tell_exception(error)
        else:
            raise AssertionError("did not fail")

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0  # every one of them is logged
        create = aio.create_subprocess_exec(*command, **PIPES, **kwds)
        tell(create)
        proc = await create
        transport = proc._transport
        tell(proc, proc.stdin, proc.stdout, transport, proc.wait(), proc.communicate())
        tell(*(transport.get_pipe_transport(fd) for fd in range(3)))
        talk = asyncio.ensure_future(proc.communicate())
        tell(talk)
        await talk
        tell(proc, talk, transport, vars(proc))
        await (await aio.create_subprocess_shell(f": {SECRETS[0]}", **kwds)).wait()
        for bad in (
            {"cwd": "/nowhere"},
            {"nonsense": SECRETS[0]},
            {"preexec_fn": lambda: 1 / 0},
            {"stdout": 987_654},
            {"env": {"KEY": SECRETS[1] + "\0"}},
            {"env": {"KEY=": SECRETS[1]}},
            {"env": {"KEY": SECRETS[1], 5: SECRETS[1]}},
            {"process_group": 1},
        ):
            await failing(aio.create_subprocess_exec, *command, **kwds | bad)
        await failing(aio.create_subprocess_exec, "/nowhere", *command, **kwds)
        await failing(aio.create_subprocess_exec, *command, SECRETS[0] + "\0", **kwds)
        await failing(aio.create_subprocess_shell, SECRETS[0] + "\0", **kwds)
        with free_descriptors(3):
            await failing(aio.create_subprocess_exec, *command, **PIPES, **kwds)
        creating = asyncio.ensure_future(aio.create_subprocess_exec(*command, **kwds))
        await asyncio.sleep(0)
        tell(creating)
        creating.cancel()
        await asyncio.wait([creating])
        aio.create_subprocess_exec(*command, **kwds)  # never awaited
        transport, protocol = await aio.subprocess_exec(Protocol, *command, **kwds)
        await protocol.ended.wait()
        left = await aio.create_subprocess_exec("sh", "-c", "exec sleep 60", SECRETS[0], **kwds)
        tell(left)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with caplog.at_level(logging.DEBUG):
            aio.run(main)
            gc.collect()
    tell(*(warning.message for warning in caught))
    told.extend(record.getMessage() + str(record.exc_text) for record in caplog.records)
    told.append(caplog.text)
    assert any("is still running" in text for text in told)
    assert any("never awaited" in text for text in told)
    assert any("callback" in text for text in told)
    assert len(told) > 60
    assert not [text for text in told if SECRET.search(text)]
