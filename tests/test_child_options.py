"""Children described as data: limits, signals, priorities, cgroups, the death of the parent."""

import asyncio
import contextlib
import ctypes
import errno
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import MappingProxyType

import pytest
from support import (
    LINUX,
    REFUSE,
    children,
    exited,
    free_descriptors,
    output_of,
    running,
    state,
    until,
    until_blocking,
)

import _fastproc
from _fastproc import _cgroup

pytestmark = [
    pytest.mark.every_path,
    pytest.mark.only_paths("vfork", "fork", "shared"),
    pytest.mark.telling_paths("vfork", "fork", "shared"),
    pytest.mark.differs("asyncio", "has no such options"),
    pytest.mark.not_on("uvloop", "the loop makes no difference"),
    pytest.mark.skipif(not LINUX, reason="looks into /proc"),
]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change ids")
once = pytest.mark.only_paths()  # where the way of starting makes no difference
NOBODY = 65534
OTHER_USER = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
SET_DEATH_SIGNAL, SET_NO_NEW_PRIVILEGES = 1, 38  # of prctl()
NAMES = (
    "rlimits parent_death_signal cgroup nice cpu_affinity no_new_privileges oom_score_adj "
    "ignore_signals default_signals"
).split()

# What a child finds itself to have, and the preexec_fn that gives the same


def status(field):
    return "grep", f"^{field}:", "/proc/self/status"


def prctl(*args):
    ctypes.CDLL(None).prctl(*args, 0, 0)


def set_oom_score_adj():
    Path("/proc/self/oom_score_adj").write_text("321")


SMALL = resource.RLIMIT_CORE, (4096, 8192)
ONE_CPU = {min(os.sched_getaffinity(0))}
SAME = {
    "a limit": ({"rlimits": dict([SMALL])}, lambda: resource.setrlimit(*SMALL)),
    "one number": (
        {"rlimits": MappingProxyType({resource.RLIMIT_NOFILE: 100})},
        lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)),
    ),
    "priority": ({"nice": 7}, lambda: os.setpriority(os.PRIO_PROCESS, 0, 7)),
    "processors": ({"cpu_affinity": ONE_CPU}, lambda: os.sched_setaffinity(0, ONE_CPU)),
    "privileges": ({"no_new_privileges": True}, lambda: prctl(SET_NO_NEW_PRIVILEGES, 1, 0)),
    "memory": ({"oom_score_adj": 321}, set_oom_score_adj),
    "ignored": (
        {"ignore_signals": {signal.SIGUSR1, 1}},
        lambda: [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGUSR1, 1)],
    ),
    "death": ({"parent_death_signal": 9}, lambda: prctl(SET_DEATH_SIGNAL, 9, 0)),
}
REPORTS = {
    "a limit": ("cat", "/proc/self/limits"),
    "one number": ("cat", "/proc/self/limits"),
    "priority": ("nice",),
    "processors": status("Cpus_allowed"),
    "privileges": status("NoNewPrivs"),
    "memory": ("cat", "/proc/self/oom_score_adj"),
    "ignored": status("SigIgn"),
    "death": ("setpriv", "--dump"),
}


@pytest.fixture(scope="module")
def by_preexec():
    """What children report that were started with a preexec_fn, each asked once."""
    known = {}

    def ask(name):
        if name not in known:
            if shutil.which(REPORTS[name][0]) is None:
                pytest.skip(f"needs {REPORTS[name][0]}")
            if name == "processors" and os.sched_getaffinity(0) == ONE_CPU:
                pytest.skip("needs two processors")
            preexec_fn = SAME[name][1]
            report = telling(subprocess.check_output(REPORTS[name], preexec_fn=preexec_fn))
            assert report != telling(subprocess.check_output(REPORTS[name]))
            known[name] = report
        return known[name]

    return ask


def telling(report):
    """Of what setpriv says one line, which does not depend on the ids."""
    return re.findall(b"Parent death.*", report) or report


def our_own():
    return [
        *map(resource.getrlimit, (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)),
        os.getpriority(os.PRIO_PROCESS, 0),
        os.sched_getaffinity(0),
        Path("/proc/self/oom_score_adj").read_text(),
        re.findall("(?:NoNewPrivs|SigIgn):.*", Path("/proc/self/status").read_text()),
    ]


@pytest.mark.parametrize("name", SAME)
def test_option_gives_what_a_preexec_fn_gave(aio, name, by_preexec):
    """To the child, and not to this process, which shares its memory with it."""
    expected, before = by_preexec(name), our_own()
    assert telling(aio.run(output_of(aio, *REPORTS[name], **SAME[name][0]))) == expected
    assert our_own() == before


@as_root
@pytest.mark.only_paths("fork")
@pytest.mark.parametrize("name", SAME)
def test_option_goes_with_other_ids(aio, name, by_preexec):
    """parent_death_signal, too, which the kernel forgets when ids change."""
    expected = by_preexec(name)
    report = output_of(aio, *REPORTS[name], **SAME[name][0], **OTHER_USER)
    assert telling(aio.run(report)) == expected


def test_all_options_at_once_and_none(aio):
    async def main():
        options = {}
        for keywords, _ in SAME.values():
            options |= keywords
        assert await output_of(aio, "nice", **options) == b"7\n"
        assert await output_of(aio, "nice", **dict.fromkeys(NAMES)) == b"%d\n" % os.nice(0)

    aio.run(main)


# The order


@as_root
def test_priority_is_raised_before_the_ids_are_dropped(aio):
    assert aio.run(output_of(aio, "nice", nice=-3, **OTHER_USER)) == b"-3\n"


def test_limit_does_not_keep_the_other_options_from_a_descriptor(aio):
    options = {"rlimits": {resource.RLIMIT_NOFILE: 4}, "oom_score_adj": 5}
    assert aio.run(output_of(aio, "cat", "/proc/self/oom_score_adj", **options)) == b"5\n"


def test_limit_of_nothing_keeps_nothing_from_the_exec(aio):
    limits = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0, resource.RLIMIT_CPU: 1}
    assert aio.run(output_of(aio, "echo", "hi", rlimits=limits)) == b"hi\n"


@pytest.mark.only_paths("fork")
def test_limit_of_memory_does_not_hold_for_this_process(aio):
    """Nor does what this process has count, beside which the child runs."""
    ballast = bytearray(300 << 20)
    limits = {resource.RLIMIT_AS: 200 << 20}
    script = "ulimit -v; exec dd if=/dev/zero of=/dev/null bs=300M count=1"

    async def main():
        proc = await aio.create_subprocess_exec(
            "sh", "-c", script, stdout=aio.PIPE, stderr=aio.DEVNULL, rlimits=limits
        )
        out, _ = await proc.communicate()
        assert out == b"204800\n" and proc.returncode != 0

    aio.run(main)
    del ballast


def test_preexec_fn_comes_last(aio):
    def preexec_fn():
        assert os.getpriority(os.PRIO_PROCESS, 0) == 7
        os.nice(2)

    assert aio.run(output_of(aio, "nice", nice=7, preexec_fn=preexec_fn)) == b"9\n"


# Signals


def ignored(report):
    mask = int(report.split()[1], 16)
    return {n for n in range(1, 65) if mask >> n - 1 & 1}


@contextlib.contextmanager
def disposed(signum, handler):
    before = signal.signal(signum, handler)
    try:
        yield
    finally:
        signal.signal(signum, before)


def ignored_by_child(aio, **kwds):
    return ignored(aio.run(output_of(aio, *status("SigIgn"), **kwds)))


def test_default_signals_undo_what_is_inherited(aio):
    with disposed(signal.SIGUSR2, signal.SIG_IGN):
        assert signal.SIGUSR2 in ignored_by_child(aio)
        assert signal.SIGUSR2 not in ignored_by_child(aio, default_signals=[signal.SIGUSR2])


def test_all_signals_may_be_set_to_the_default(aio):
    options = {"default_signals": signal.valid_signals(), "restore_signals": False}
    # glibc's posix_spawn() starts a program with the signals ignored that glibc keeps to itself.
    assert ignored_by_child(aio, **options) & signal.valid_signals() == set()


def test_signal_is_ignored_whatever_this_process_does_with_it(aio):
    for handler in signal.SIG_IGN, signal.SIG_DFL, print:
        with disposed(signal.SIGUSR2, handler):
            assert signal.SIGUSR2 in ignored_by_child(aio, ignore_signals=(signal.SIGUSR2,))


def test_signals_come_after_restore_signals(aio):
    pipe = signal.SIGPIPE
    assert pipe not in ignored_by_child(aio)
    assert pipe in ignored_by_child(aio, ignore_signals={pipe})
    assert pipe in ignored_by_child(aio, restore_signals=False)
    assert pipe not in ignored_by_child(aio, restore_signals=False, default_signals={pipe})


def test_ignored_signal_does_not_end_the_child(aio):
    async def main():
        script = "kill -TERM $$; echo alive"
        assert await output_of(aio, "sh", "-c", script, ignore_signals={15}) == b"alive\n"

    aio.run(main)


# The death of the parent

FAMILY = """
async def main():
    procs = [
        await aio.create_subprocess_exec("sleep", "1000", parent_death_signal=9, **options)
        for _ in range(int(sys.argv[1]))
    ]
    print(*(proc.pid for proc in procs), flush=True)
    await asyncio.sleep(1000)

aio.run(main, timeout=1000)
"""


def end_family(aio, options, count):
    """Starts a parent of so many, kills it, and waits for the children, as a third process."""
    source = f"options = {options!r}" + FAMILY
    read, write = os.pipe()

    def be_parent():
        with open(write, "wb") as output:
            aio.script(source, count, check=False, output=output)

    thread = threading.Thread(target=be_parent)
    thread.start()
    with open(read) as file:
        pids = list(map(int, file.readline().split()))
        assert len(pids) == count and not any(map(exited, pids))
        (parent,) = {int(Path(f"/proc/{child}/stat").read_text().split()[3]) for child in pids}
        os.kill(parent, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not all(map(exited, pids)) and time.monotonic() < deadline:
            time.sleep(0.005)
    thread.join()
    return [state(pid) for pid in pids if not exited(pid)]


def test_parent_that_is_killed_takes_its_children_along(aio):
    assert end_family(aio, {}, 50) == []


@as_root
@once
def test_parent_that_is_killed_takes_children_of_another_user_along(aio):
    assert end_family(aio, OTHER_USER, 5) == []


@once
def test_death_signal_means_the_thread_that_has_the_loop(aio):
    """As the documentation warns."""
    aio.script("""
        import threading

        def run_and_leave_a_child():
            loop = aio.new_loop()
            create = aio.create_subprocess_exec("sleep", "1000", parent_death_signal=15)
            procs.append(loop.run_until_complete(create))
            loops.append(loop)

        procs, loops = [], []
        thread = threading.Thread(target=run_and_leave_a_child)
        thread.start()
        thread.join()
        assert os.waitpid(procs[0].pid, 0)[1] == signal.SIGTERM
        warnings.simplefilter("ignore")
        loops[0].close()
    """)


@as_root
@once
def test_child_in_a_pid_namespace_of_its_own_is_not_taken_for_an_orphan(aio):
    done = aio.script(
        """
        import ctypes
        if ctypes.CDLL(None).unshare(0x20000000) != 0:
            sys.exit(77)

        async def main():
            async with running(aio, "sleep", "60"):  # its first process, which nothing kills
                assert await output_of(aio, "echo", "hi", parent_death_signal=9) == b"hi\\n"

        aio.run(main)
        """,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("no pid namespaces here")
    assert done.returncode == 0, done.stderr.decode()


# What the kernel refuses

GOOD_VALUES = {
    "rlimits": {resource.RLIMIT_CORE: 0},
    "parent_death_signal": 9,
    "cgroup": "/",
    "nice": 1,
    "cpu_affinity": ONE_CPU,
    "no_new_privileges": True,
    "oom_score_adj": 1,
    "ignore_signals": {1},
    "default_signals": {1},
}


REFUSED = {
    "rlimits": ({resource.RLIMIT_NOFILE: 1 << 40}, errno.EPERM),  # not even to root
    "cpu_affinity": ({8190, 8191}, errno.EINVAL),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("more", [{}, OTHER_USER], ids=["as we", "as nobody"])
@pytest.mark.meaningless("only root", when=lambda more: more and os.geteuid() != 0)
def test_option_that_the_kernel_refuses_is_named(aio, name, more, tmp_path):
    value, number = REFUSED[name]

    async def main():
        with pytest.raises(OSError) as caught:
            await aio.create_subprocess_exec("touch", tmp_path / "ran", **{name: value}, **more)
        error = caught.value
        assert (error.errno, error.filename) == (number, name)
        assert str(error) == f"[Errno {number}] {os.strerror(number)}: '{name}'"
        assert not (tmp_path / "ran").exists()

    aio.run(main)


@as_root
@once
@pytest.mark.parametrize("name, value", [("nice", -5), ("oom_score_adj", -1)])
def test_option_that_takes_rights_is_named(aio, name, value):
    """In a process that has no rights any more."""
    aio.script(f"""
        os.setgroups([])
        os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
        os.setresuid({NOBODY}, {NOBODY}, {NOBODY})

        async def main():
            try:
                await aio.create_subprocess_exec("true", {name}={value})
            except PermissionError as error:
                assert error.filename == {name!r}, error
            else:
                sys.exit("it was not refused")

        aio.run(main)
    """)


@once
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")
def test_option_that_a_sandbox_refuses_is_named(aio):
    """There is no other way to it."""
    calls = {"rlimits": 160, "nice": 141, "cpu_affinity": 203}
    calls |= dict.fromkeys(("no_new_privileges", "parent_death_signal"), 157)
    options = {name: GOOD_VALUES[name] for name in calls}
    aio.script(
        REFUSE
        + f"""
refuse({errno.ENOSYS}, *{[*calls.values()]})

async def main():
    for name, value in {options}.items():
        try:
            await aio.create_subprocess_exec("true", **{{name: value}})
        except OSError as error:
            assert (error.errno, error.filename) == ({errno.ENOSYS}, name), error
        else:
            sys.exit("it was not refused")

aio.run(main)
"""
    )


# Bad values


class NoNumber:
    def __index__(self):
        raise ZeroDivisionError


RANGE = "signal number {} out of range [1; 64]"
NEGATIVE = "Cannot convert negative int"
NOT_INDEX = "'{}' object cannot be interpreted as an integer"
FD_WANTED = "argument must be an int, or have a fileno() method."
C_INT, C_LONG, C_LIMIT = (
    f"Python int too large to convert to C {t}" for t in ("int", "long", "rlim_t")
)
BAD = [
    ("rlimits", 5, TypeError, "rlimits must be a mapping, not int"),
    ("rlimits", [(1, 2)], TypeError, "rlimits must be a mapping, not list"),
    ("rlimits", {"a": 1}, TypeError, NOT_INDEX.format("str")),
    ("rlimits", {-1: 1}, ValueError, "invalid resource specified"),
    ("rlimits", {99: 1}, ValueError, "invalid resource specified"),
    ("rlimits", {2**31: 1}, OverflowError, C_INT),
    ("rlimits", {1: "ab"}, TypeError, NOT_INDEX.format("str")),
    ("rlimits", {1: None}, TypeError, "'NoneType' object is not iterable"),
    ("rlimits", {1: 1.5}, TypeError, "'float' object is not iterable"),
    ("rlimits", {1: (1, 2, 3)}, ValueError, "expected a tuple of 2 integers"),
    ("rlimits", {1: ()}, ValueError, "expected a tuple of 2 integers"),
    ("rlimits", {1: (1.5, 2)}, TypeError, NOT_INDEX.format("float")),
    ("rlimits", {1: (1, None)}, TypeError, NOT_INDEX.format("NoneType")),
    ("rlimits", {1: (5, 4)}, ValueError, "current limit exceeds maximum limit"),
    ("rlimits", {1: (-1, 4)}, ValueError, "current limit exceeds maximum limit"),
    ("rlimits", {1: -2}, ValueError, NEGATIVE),
    ("rlimits", {1: -(2**70)}, ValueError, NEGATIVE),
    ("rlimits", {1: 2**64}, OverflowError, C_LIMIT),
    ("rlimits", {1: NoNumber()}, ZeroDivisionError, ""),
    ("parent_death_signal", 0, ValueError, "signal number out of range"),
    ("parent_death_signal", 65, ValueError, "signal number out of range"),
    ("parent_death_signal", -9, ValueError, "signal number out of range"),
    ("parent_death_signal", "SIGKILL", TypeError, NOT_INDEX.format("str")),
    ("parent_death_signal", 2**40, OverflowError, C_INT),
    ("cgroup", 1.5, TypeError, FD_WANTED),
    ("cgroup", "", FileNotFoundError, "[Errno 2] No such file or directory: ''"),
    ("cgroup", "a\0b", ValueError, "embedded null byte"),
    ("cgroup", "/nowhere", FileNotFoundError, "[Errno 2] No such file or directory: '/nowhere'"),
    ("cgroup", "/dev/null", NotADirectoryError, "[Errno 20] Not a directory: '/dev/null'"),
    ("cgroup", Path("/"), ValueError, "cgroup must be a directory of cgroup v2"),
    ("cgroup", 0, ValueError, "cgroup must be a directory of cgroup v2"),
    ("cgroup", -1, ValueError, "file descriptor cannot be a negative integer (-1)"),
    ("cgroup", 1 << 20, OSError, "[Errno 9] Bad file descriptor: 'cgroup'"),
    ("nice", "1", TypeError, NOT_INDEX.format("str")),
    ("nice", 1.5, TypeError, NOT_INDEX.format("float")),
    ("nice", 2**31, OverflowError, C_INT),
    ("cpu_affinity", 5, TypeError, "'int' object is not iterable"),
    (
        "cpu_affinity",
        {"a"},
        TypeError,
        "expected an iterator of ints, but iterator yielded <class 'str'>",
    ),
    ("cpu_affinity", {-1}, ValueError, "negative CPU number"),
    ("cpu_affinity", [0, 2**31], OverflowError, "CPU number too large"),
    ("cpu_affinity", [2**70], OverflowError, C_LONG),
    ("cpu_affinity", (), OSError, "[Errno 22] Invalid argument: 'cpu_affinity'"),
    ("cpu_affinity", {10**6}, OSError, "[Errno 22] Invalid argument: 'cpu_affinity'"),
    ("oom_score_adj", 1001, ValueError, "oom_score_adj must be from -1000 to 1000"),
    ("oom_score_adj", -1001, ValueError, "oom_score_adj must be from -1000 to 1000"),
    ("oom_score_adj", "5", TypeError, NOT_INDEX.format("str")),
    ("oom_score_adj", 2**31, OverflowError, C_INT),
    ("ignore_signals", 1, TypeError, "'int' object is not iterable"),
    ("ignore_signals", {0}, ValueError, RANGE.format(0)),
    ("ignore_signals", {65}, ValueError, RANGE.format(65)),
    ("ignore_signals", {2**70}, ValueError, RANGE.format(-1)),
    ("ignore_signals", {"a"}, TypeError, NOT_INDEX.format("str")),
    ("ignore_signals", {9}, OSError, "[Errno 22] Invalid argument: 'ignore_signals'"),
    ("ignore_signals", [19, 1], OSError, "[Errno 22] Invalid argument: 'ignore_signals'"),
    ("ignore_signals", {32}, OSError, "[Errno 22] Invalid argument: 'ignore_signals'"),
    ("default_signals", None.__class__, TypeError, "'type' object is not iterable"),
    ("default_signals", [-1], ValueError, RANGE.format(-1)),
]


@once
@pytest.mark.parametrize("name, value, error, text", BAD)
def test_bad_value_is_refused_before_anything_is_started(aio, name, value, error, text):
    async def main():
        create = aio.create_subprocess_exec("true", **{name: value})
        with pytest.raises(error) as caught:
            create.send(None)  # the first step: no child could have reported by then
        assert type(caught.value) is error and str(caught.value) == text
        assert children() == {}

    aio.run(main)


@once
def test_signal_is_not_both_default_and_ignored(aio):
    async def main():
        with pytest.raises(ValueError, match="have a signal in common"):
            await aio.create_subprocess_exec("true", default_signals={1, 2}, ignore_signals={2})

    aio.run(main)


@once
def test_what_a_value_raises_is_raised(aio):
    class Bad:
        def __bool__(self):
            raise ZeroDivisionError

        __iter__ = __index__ = __fspath__ = items = __bool__

    async def main():
        for name in NAMES:
            with pytest.raises(ZeroDivisionError):
                await aio.create_subprocess_exec("true", **{name: Bad()})

    aio.run(main)


@once
@pytest.mark.parametrize("name", NAMES)
def test_platform_that_lacks_an_option_says_so(aio, name):
    aio.core.configure(lacking=f"  {name} ")

    async def main():
        create = aio.create_subprocess_exec("true", **{name: GOOD_VALUES[name]})
        with pytest.raises(NotImplementedError) as caught:
            create.send(None)
        assert str(caught.value) == f"{name} is not available on this platform"
        assert await output_of(aio, "true", **{name: None}) == b""

    aio.run(main)
    with pytest.raises(ValueError, match="unknown option: no"):
        aio.core.configure(lacking="nice no")


# Everywhere


@once
def test_options_are_keywords_of_every_function(aio):
    class Protocol(asyncio.SubprocessProtocol):
        def __init__(self):
            self.data = []
            self.lost = asyncio.get_running_loop().create_future()

        def pipe_data_received(self, fd, data):
            self.data.append(data)

        def connection_lost(self, exc):
            self.lost.set_result(None)

    async def low(function, *args):
        _, protocol = await function(Protocol, *args, nice=6)
        await protocol.lost
        return b"".join(protocol.data)

    async def main():
        shell = await aio.create_subprocess_shell("nice", stdout=aio.PIPE, nice=6)
        found = [
            await output_of(aio, "nice", nice=6),
            (await shell.communicate())[0],
            await low(aio.subprocess_exec, "nice"),
            await low(aio.subprocess_shell, "nice"),
            (await _fastproc.run("nice", nice=6)).stdout,
            (await _fastproc.run_shell("nice", nice=6)).stdout,
        ]
        with _fastproc.installed():
            found.append(await output_of(asyncio, "nice", nice=6))
            found.append(await low(asyncio.get_running_loop().subprocess_exec, "nice"))
        assert found == [b"6\n"] * 8

    aio.run(main)


@once
def test_audit_event_does_not_mention_them(aio):
    aio.script("""
        events = []
        sys.addaudithook(lambda name, args: name == "subprocess.Popen" and events.append(args))

        async def main():
            await output_of(aio, "true")
            await output_of(aio, "true", nice=3, rlimits={4: 0}, parent_death_signal=9)
            assert events == [("true", ["true"], None, None)] * 2

        aio.run(main)
    """)


def test_many_at_once_wait_for_their_turn(aio):
    """With what they were given, which they read later."""

    async def one(n):
        report = await output_of(aio, "nice", nice=n % 20, rlimits={resource.RLIMIT_CORE: n})
        assert report == b"%d\n" % (n % 20)

    async def main():
        await asyncio.gather(*map(one, range(40)))

    aio.run(main)


# Cgroups


def writable_cgroup():
    """None, or the sentence that says why there is none."""
    try:
        with _fastproc.Cgroup():
            return None
    except (OSError, NotImplementedError) as error:
        return str(error)


NO_CGROUP = writable_cgroup()
in_cgroup = pytest.mark.skipif(NO_CGROUP is not None, reason=str(NO_CGROUP))


@pytest.fixture
def group():
    with _fastproc.Cgroup() as group:
        yield group
    assert not Path(group.path).exists()


def name_of(group):
    return "/" + Path(group.path).name


async def cgroup_of_child(aio, **kwds):
    report = await output_of(aio, "cat", "/proc/self/cgroup", **kwds)
    return next(line[3:] for line in report.decode().split("\n") if line.startswith("0::"))


@in_cgroup
def test_child_starts_in_the_cgroup(aio, group):
    async def main():
        assert (await cgroup_of_child(aio, cgroup=group)).endswith(name_of(group))
        listed = await output_of(aio, "ls", "/proc/self/fd", cgroup=group)
        assert listed.split() == [b"0", b"1", b"2", b"3"]
        assert not (await cgroup_of_child(aio)).endswith(name_of(group))

    aio.run(main)


@in_cgroup
@once
@pytest.mark.parametrize("spelling", [str, os.fsencode, Path, "descriptor", "opened"])
def test_cgroup_is_a_path_or_a_descriptor(aio, group, spelling):
    async def main():
        cgroup = group.fileno() if spelling == "descriptor" else None
        with contextlib.ExitStack() as stack:
            if spelling == "opened":
                cgroup = os.open(group.path, os.O_RDONLY)
                stack.callback(os.close, cgroup)
            if cgroup is None:
                cgroup = spelling(group.path)
            assert (await cgroup_of_child(aio, cgroup=cgroup)).endswith(name_of(group))

    aio.run(main)


@in_cgroup
@as_root
def test_child_of_another_user_starts_in_the_cgroup(aio, group):
    """Which that may not enter itself."""
    report = cgroup_of_child(aio, cgroup=group, **OTHER_USER)
    assert aio.run(report).endswith(name_of(group))


@in_cgroup
def test_child_with_a_preexec_fn_starts_in_the_cgroup(aio, group):
    report = cgroup_of_child(aio, cgroup=group, preexec_fn=os.getpid)
    assert aio.run(report).endswith(name_of(group))


@in_cgroup
def test_many_in_one_cgroup_wait_for_their_turn(aio, group):
    async def main():
        reports = await asyncio.gather(*(cgroup_of_child(aio, cgroup=group) for _ in range(30)))
        assert all(report.endswith(name_of(group)) for report in reports)

    aio.run(main)


@in_cgroup
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")
@pytest.mark.only_paths("shared")
@pytest.mark.parametrize("error", [errno.ENOSYS, errno.E2BIG])
def test_child_enters_the_cgroup_itself_without_clone3(aio, group, error):
    aio.script(
        REFUSE
        + f"""
async def main():
    refuse({error}, 435)
    report = await output_of(aio, "cat", "/proc/self/cgroup", cgroup={group.path!r}, nice=4)
    assert {name_of(group)!r}.encode() in report

aio.run(main)
"""
    )


@in_cgroup
def test_cgroup_that_was_removed_is_an_error_that_names_it(aio):
    async def main():
        with _fastproc.Cgroup() as group:
            fd = os.open(group.path, os.O_PATH)
        try:
            with pytest.raises(OSError) as caught:
                await aio.create_subprocess_exec("true", cgroup=fd)
            assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, "cgroup")
        finally:
            os.close(fd)

    aio.run(main)


@in_cgroup
@once
def test_call_that_is_refused_closes_the_cgroup(aio, group):
    async def main():
        for more in {"env": {"a=b": "c"}}, {"cwd": "a\0b"}, {"nice": "none"}, {"umask": "none"}:
            with pytest.raises((ValueError, TypeError)):
                await aio.create_subprocess_exec("true", cgroup=group, **more)
        with pytest.raises(FileNotFoundError):
            await aio.create_subprocess_exec("/nowhere", cgroup=group)

    aio.run(main)


# A child, in a session of its own, that tells the pids of others, which are hidden from its group:
# one by setsid, one by a double fork.
HIDDEN = 'setsid sleep 1000 & (setsid sh -c "sleep 1001 & wait" &); sleep 0.05; '
needs_setsid = pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid")


@in_cgroup
@needs_setsid
@once
@pytest.mark.parametrize(
    "end, way",
    [
        ("exit 0", "cgroup.kill"),
        ("trap '' TERM; sleep 1003", "cgroup.kill"),
        ("trap '' TERM; sleep 1004", "one by one"),
    ],
)
def test_time_limit_ends_all_of_the_cgroup(aio, group, end, way, monkeypatch):
    if way == "one by one":
        write = _cgroup.write

        def write_as_before(cgroup, name, text):
            if name == "cgroup.kill":
                raise FileNotFoundError
            write(cgroup, name, text)

        monkeypatch.setattr(_cgroup, "write", write_as_before)

    async def main():
        try:
            await _fastproc.run(
                "sh", "-c", HIDDEN + end, cgroup=group, timeout=0.2, grace=0.05, linger=None
            )
        except TimeoutError as error:
            assert not hasattr(error, "__notes__")
        assert not _cgroup.is_populated(group.fileno()) and group.pids() == []

    aio.run(main)


@in_cgroup
@needs_setsid
@once
@pytest.mark.parametrize("has_pidfds", [True, False])
def test_stop_ends_all_of_the_cgroup(aio, group, has_pidfds, monkeypatch):
    if not has_pidfds:
        monkeypatch.setattr(_cgroup, "pidfd_of", lambda pid: None)

    async def main():
        proc = await aio.create_subprocess_exec(
            "sh", "-c", HIDDEN + "echo; exec sleep 1004", stdout=aio.PIPE, cgroup=group
        )
        assert await proc.stdout.readline() == b"\n"
        assert len(group.pids()) >= 3
        assert await proc.stop(grace=5) == -signal.SIGTERM
        assert group.pids() == []

    aio.run(main)


@in_cgroup
@once
def test_each_process_is_asked_once_before_it_is_killed(aio, group, tmp_path):
    script = f"""
        trap 'echo asked >>{tmp_path}/$$; exit' TERM
        [ "$1" ] || {{ setsid sh "$0" hidden & sh "$0" member & echo; }}
        echo >>{tmp_path}/$$
        while :; do sleep 0.01; done
    """
    file = tmp_path / "script"
    file.write_text(script)

    async def main():
        proc = await aio.create_subprocess_exec(
            "sh", file, stdout=aio.PIPE, cgroup=group, start_new_session=True
        )
        await until(lambda: len(list(tmp_path.iterdir())) == 4)
        await proc.stop(grace=5)
        answers = [path.read_text() for path in tmp_path.iterdir() if path != file]
        assert answers == ["\nasked\n"] * 3

    aio.run(main)


@in_cgroup
@once
def test_end_of_orphans_is_the_end_of_the_cgroup(aio, group):
    async def main():
        done = await _fastproc.run(
            "sh", "-c", HIDDEN + "echo done", cgroup=group, kill_orphans=True, grace=0
        )
        assert done.stdout == b"done\n" and group.pids() == []

    aio.run(main)


@in_cgroup
@needs_setsid
@once
def test_run_that_is_cancelled_while_it_starts_ends_the_cgroup(aio, group):
    """A child that has exec'd, which the loop has not heard of."""

    async def main():
        task = asyncio.ensure_future(_fastproc.run("sh", "-c", HIDDEN + "sleep 1006", cgroup=group))
        await asyncio.sleep(0)
        until_blocking(lambda: len(group.pids()) >= 4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert group.pids() == []

    aio.run(main)


@in_cgroup
@once
def test_run_that_is_dropped_with_its_loop_ends_the_cgroup(aio, group):
    loop = aio.new_loop()
    task = loop.create_task(_fastproc.run("sh", "-c", HIDDEN + "sleep 1005", cgroup=group))
    loop.run_until_complete(until(lambda: len(group.pids()) >= 4))
    task._log_destroy_pending = False
    with warnings.catch_warnings(action="ignore"):
        loop.close()
    task.get_coro().close()
    del task
    deadline = time.monotonic() + 5
    while _cgroup.is_populated(group.fileno()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert group.pids() == []


@in_cgroup
@once
def test_cgroup_that_this_process_is_in_is_not_ended(aio, group):
    """Nor the root."""
    aio.script(f"""
        from pathlib import Path
        from _fastproc import _cgroup
        Path({group.path!r}, "cgroup.procs").write_text("0")

        async def main():
            proc = await aio.create_subprocess_exec("sleep", "60", cgroup={group.path!r})
            assert await proc.stop() == -signal.SIGTERM
            assert not _cgroup.may_be_ended(os.open({str(Path(group.path).parent)!r}, os.O_PATH))

        aio.run(main)
    """)


@in_cgroup
@once
def test_cgroup_is_emptied_and_removed_at_its_end(aio):
    async def main():
        with _fastproc.Cgroup() as group:
            assert repr(group) == f"<Cgroup {group.path}>"
            inner = Path(group.path, "made by somebody")
            inner.mkdir()
            async with running(aio, "sleep", "1000", cgroup=inner) as proc:
                assert group.pids() == [proc.pid]
                group.kill()
                assert await proc.wait() == -signal.SIGKILL
            async with running(aio, "sleep", "1000", cgroup=inner) as proc:
                group.close()
                assert not inner.parent.exists()
                assert await proc.wait() == -signal.SIGKILL
            group.close()
            assert group.pids() == []
            with pytest.raises(ValueError, match="was closed"):
                group.fileno()

    aio.run(main)


@in_cgroup
@once
@pytest.mark.may_warn("unclosed <Cgroup")
def test_cgroup_that_is_dropped_warns(aio):
    group = _fastproc.Cgroup()
    path = Path(group.path)
    del group
    path.rmdir()


@in_cgroup
@once
@pytest.mark.may_warn("unclosed <Cgroup")
def test_cgroup_that_is_dropped_closes_its_descriptor_where_warnings_are_errors(aio):
    group = _fastproc.Cgroup()
    path, fd = Path(group.path), group.fileno()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del group
    with pytest.raises(OSError):
        os.fstat(fd)
    path.rmdir()


@in_cgroup
@needs_setsid
@once
def test_stop_ends_all_of_the_cgroup_as_soon_as_descriptors_are_free_again(aio, group):
    async def main():
        proc = await aio.create_subprocess_exec(
            "sh", "-c", HIDDEN + "echo; exec sleep 1004", stdout=aio.PIPE, cgroup=group
        )
        assert await proc.stdout.readline() == b"\n"
        with free_descriptors(0):
            stopping = asyncio.ensure_future(proc.stop(grace=0))
            await until(lambda: proc.returncode is not None)
            await asyncio.sleep(0.05)
            assert not stopping.done()
        await stopping
        assert group.pids() == []

    aio.run(main)


def test_cgroup_that_cannot_be_read_for_want_of_descriptors_may_be_ours(tmp_path, monkeypatch):
    """So it is not killed."""
    for name in ("cgroup.procs", "cgroup.events", "cgroup.kill"):
        (tmp_path / name).write_text("")
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    read = _cgroup.read

    def read_some(cgroup, name):
        if name == "cgroup.procs":
            raise OSError(errno.EMFILE, "Too many open files")
        return read(cgroup, name)

    try:
        _cgroup.kill(fd)
        assert (tmp_path / "cgroup.kill").read_text() == "1"
        (tmp_path / "cgroup.kill").write_text("")
        monkeypatch.setattr(_cgroup, "read", read_some)
        _cgroup.kill(fd)
        assert (tmp_path / "cgroup.kill").read_text() == ""
    finally:
        os.close(fd)


def test_signal_to_a_cgroup_does_not_hit_our_own_group(tmp_path, monkeypatch):
    """The kernel lists a process that is outside of our pid namespace as 0."""
    (tmp_path / "cgroup.procs").write_text("0\n")
    monkeypatch.setattr(os, "kill", lambda *args: pytest.fail(f"kill{args}"))
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        _cgroup.send(fd, signal.SIGTERM)
    finally:
        os.close(fd)


@in_cgroup
@once
def test_cgroup_in_a_cgroup(aio, group):
    async def main():
        for parent in group, group.path, Path(group.path):
            with _fastproc.Cgroup(parent) as inner:
                report = await cgroup_of_child(aio, cgroup=inner)
                assert report.endswith(name_of(group) + name_of(inner))

    aio.run(main)


# Where cgroups cannot be had, each reason in a sentence


@once
@pytest.mark.parametrize(
    "answers, error, sentence",
    [
        ({"mkdir": errno.EROFS}, OSError, "cgroups are mounted read-only, as in most containers"),
        ({"mkdir": errno.EACCES}, PermissionError, "this process may not make cgroups there"),
        (
            {"write cgroup.subtree_control": errno.EBUSY},
            OSError,
            "a cgroup with processes in it cannot hold others that have limits",
        ),
        (
            {"read cgroup.controllers": "cpu"},
            NotImplementedError,
            "/pretended has no memory controller: cgroup v1 has it, or a cgroup above keeps it",
        ),
    ],
)
def test_cgroup_that_cannot_be_made_says_why(aio, answers, error, sentence, monkeypatch):
    """By a directory whose files answer as is wanted."""
    usual = {"read cgroup.subtree_control": "", "read cgroup.controllers": "memory pids"}

    def fail(what):
        if number := answers.get(what):
            raise OSError(number, os.strerror(number))

    def words_in(folder, name):
        return (usual | answers)["read " + name].split()

    monkeypatch.setattr(_cgroup, "our_folder", lambda: Path("/pretended"))
    monkeypatch.setattr(_cgroup, "words_in", words_in)
    monkeypatch.setattr(_cgroup, "write_in", lambda folder, name, text: fail("write " + name))
    monkeypatch.setattr(os, "mkdir", lambda path: fail("mkdir"))
    with pytest.raises(error) as caught:
        _fastproc.Cgroup(memory_max=1 << 20)
    assert sentence in str(caught.value)


@once
def test_import_does_not_wait_for_what_cgroups_need(aio):
    source = "import asyncio, sys; before = 'pathlib' in sys.modules; import _fastproc\n"
    source += "sys.exit('pathlib' in sys.modules and not before)"  # asyncio of 3.15 needs it
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = {path!r}.split(':')\n"]
    command[-1] += source
    assert subprocess.run(command).returncode == 0


@once
def test_parent_of_a_cgroup_has_to_be_one(aio, tmp_path):
    with pytest.raises(ValueError, match=r"^/\S+ is not a directory of cgroup v2$"):
        _fastproc.Cgroup(tmp_path)
    with pytest.raises(FileNotFoundError):
        _fastproc.Cgroup(tmp_path / "nowhere")


@in_cgroup
@once
def test_limit_that_makes_no_sense_leaves_no_cgroup(aio):
    controller_or_skip("pids")
    parent = _cgroup.our_folder()
    before = set(parent.iterdir())
    with pytest.raises(OSError, match="pids.max does not take 'many'"):
        _fastproc.Cgroup(pids_max="many")
    assert set(parent.iterdir()) == before


# Limits of a cgroup, exceeded


def controller_or_skip(name):
    try:
        with _fastproc.Cgroup(**{f"{name}_max": "max"}):
            pass
    except (OSError, NotImplementedError) as error:
        pytest.skip(str(error))


@in_cgroup
@once
def test_fork_bomb_goes_off_in_its_cgroup(aio):
    controller_or_skip("pids")
    bomb = "bomb() { bomb | bomb & wait; }; while :; do bomb 2>/dev/null; done"

    async def main():
        with _fastproc.Cgroup(pids_max=64) as group:
            with pytest.raises(TimeoutError) as caught:
                await _fastproc.run("bash", "-c", bomb, cgroup=group, timeout=0.5, grace=0.2)
            assert not hasattr(caught.value, "__notes__")
            assert group.pids() == []
            events = Path(group.path, "pids.events").read_text()
        assert int(events.split()[1]) > 0
        assert not Path(group.path).exists()

    aio.run(main)


@in_cgroup
@once
def test_memory_hog_is_killed_in_its_cgroup(aio):
    controller_or_skip("memory")
    hog = "x = []\nwhile True: x.append(bytearray(1 << 20))"

    async def main():
        with _fastproc.Cgroup(memory_max=64 << 20) as group:
            done = await _fastproc.run(
                sys.executable, "-S", "-c", hog, cgroup=group, timeout=20, grace=0
            )
            assert done.returncode == -signal.SIGKILL
            assert "oom_kill 1" in Path(group.path, "memory.events").read_text()
        assert not Path(group.path).exists()

    aio.run(main)


@in_cgroup
@once
@pytest.mark.parametrize(
    "given, text", [(1.5, "150000 100000"), (0.001, "1000 100000"), ((5000, 10000), "5000 10000")]
)
def test_processors_of_a_cgroup_are_counted(aio, given, text):
    controller_or_skip("cpu")
    with _fastproc.Cgroup(cpu_max=given) as group:
        assert Path(group.path, "cpu.max").read_text() == text + "\n"
