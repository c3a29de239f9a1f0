"""A sandbox that refuses system calls: what asyncio does there is done.

The list of the calls that _fastproc makes and asyncio does not, or not so, each refused with every
errno that kernels and sandboxes give. (posix/refusal.h; native tests have the child's part.)
"""

import errno
import os
from pathlib import Path

import pytest
from support import LINUX, REFUSE

import _fastproc

pytestmark = [
    pytest.mark.skipif(not LINUX, reason="refuses calls of Linux"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's"),
    pytest.mark.one_loop("system calls of the loop are not refused"),
]

# What is done instead. Where both columns of a test would be one way, they are several calls.
CALLS = {
    "clone3": [435],  # clone
    "pidfd_send_signal": [424],  # kill, while the child is not reaped
    "waitid": [247],  # wait4
    "pidfd_open": [434],  # clone gives the pidfd
    "pidfd_open, waitid": [434, 247],
    "pidfd_send_signal, waitid": [424, 247],
    "socketpair": [53],  # the child copies the table of descriptors, and so for the next three
    "sendmsg": [46],
    "recvmsg": [47],
    "recvfrom": [45],
    "close_range": [436],  # what /proc lists is closed, or every number
    "fchdir": [81],  # chdir to /proc/self/fd/N
    "dup3": [292],  # dup2
    "kcmp": [312],  # fcntl, or the looks of the file
    "statx": [332],  # the mount is not compared
    "madvise": [28],  # memory comes at the first write
    "ioctl": [16],  # the status that somebody else took is lost, 255 as with asyncio
    "prlimit64": [302],  # no limit on descriptors is known
    "nanosleep": [35],
}
ERRNOS = ["ENOSYS", "EPERM", "EACCES", "EINVAL"]
EVERYTHING = os.environ.get("FASTPROC_REFUSALS")

DOCUMENT = Path(_fastproc.__file__).parent / "SANDBOXES.rst"


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the documents are in the sources only")
def test_document_has_the_same_list():
    table = DOCUMENT.read_text().split("\n=====")[3]
    assert [line.split("  ")[0] for line in table.splitlines()[1:]] == list(CALLS)


LIFE = """
async def life(**kwds):
    proc = await aio.create_subprocess_exec("cat", stdin=aio.PIPE, stdout=aio.PIPE, **kwds)
    assert await proc.communicate(b"through") == (b"through", None)
    assert proc.returncode == 0
    try:
        await aio.create_subprocess_exec("/nowhere", **kwds)
    except FileNotFoundError:
        pass
    else:
        sys.exit("it was found")
    proc = await aio.create_subprocess_exec("sleep", "60", **kwds)
    proc.terminate()
    assert await asyncio.wait_for(proc.wait(), 10) == -signal.SIGTERM
    try:
        proc.kill()
    except ProcessLookupError:
        pass
    else:
        sys.exit("it was killed twice")
    proc = await aio.create_subprocess_exec("sh", "-c", "exit 7", **kwds)
    assert await asyncio.wait_for(proc.wait(), 10) == 7
    procs = [aio.create_subprocess_exec("true", **kwds) for _ in range(12)]
    for proc in await asyncio.gather(*procs):
        assert await asyncio.wait_for(proc.wait(), 10) == 0
    cancelled = asyncio.ensure_future(aio.create_subprocess_exec("sleep", "60", **kwds))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    if not cancelled.cancelled():
        await kill_and_wait(cancelled.result())
    await iterate(5)
    if aio.is_fastproc:
        assert not children(), children()

async def main():
    refuse(int(sys.argv[1]), *map(int, sys.argv[2].split()))
    await life(stderr=2)  # which may be another by the time that a child could be started again
    await life(cwd="/")

aio.run(main)
"""


@pytest.mark.every_path
@pytest.mark.only_paths("shared", "thread", "vfork")
@pytest.mark.telling_paths("shared")
@pytest.mark.slow(
    "this path makes these calls, and otherwise those of the first",
    when=lambda aio, calls: aio.name == "fastproc-shared" and calls not in ("recvmsg", "sendmsg"),
)
@pytest.mark.parametrize("error", ERRNOS)
@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.differs("asyncio", "it does not make them, or fails")
@pytest.mark.not_on("uvloop", "it makes some of them itself")
@pytest.mark.meaningless(
    "the C library needs ENOSYS to start a thread without it",
    when=lambda aio, calls: (aio.name, calls) == ("fastproc-thread", "clone3"),
)
@pytest.mark.meaningless(
    "takes minutes: FASTPROC_REFUSALS=1",
    when=lambda aio, error: (
        not EVERYTHING and (aio.name == "fastproc") != (error in ("ENOSYS", "EACCES"))
    ),
)
def test_whole_lives_without(aio, calls, error):
    aio.script(REFUSE + LIFE, getattr(errno, error), " ".join(map(str, CALLS[calls])))


@pytest.mark.parametrize("calls", ["clone3", "pidfd_send_signal", "waitid", "close_range"])
@pytest.mark.meaningless("is about asyncio", when=lambda aio: repr(aio) != "asyncio-stdlib")
def test_asyncio_lives_too(aio, calls):
    """So that the list asks for no more than it does."""
    aio.script(REFUSE + LIFE, errno.ENOSYS, " ".join(map(str, CALLS[calls])))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
@pytest.mark.differs("uvloop", "no user=")
@pytest.mark.not_on("uvloop", "the loop makes no difference")
def test_child_that_is_not_ours_to_signal_is_still_an_error(aio):
    """Which a sandbox that refuses pidfd_send_signal() does not hide."""
    aio.script(
        REFUSE
        + """
async def main():
    refuse(1, 424)
    proc = await aio.create_subprocess_exec("sleep", "60")
    os.setresuid(65534, 65534, 0)
    try:
        proc.kill()
    except PermissionError:
        pass
    else:
        sys.exit("it was killed")
    os.seteuid(0)
    os.setuid(0)
    proc.kill()
    assert await proc.wait() == -signal.SIGKILL
aio.run(main)
"""
    )


@pytest.mark.differs("asyncio", "has no such function")
def test_machine_has_pidfds_of_clone(aio):
    aio.script(
        REFUSE
        + """
had = aio.core.machine()["pidfd"]
refuse(1, 434)
assert aio.core.machine()["pidfd"] == had
"""
    )


# Calls for which there is nothing else, which asyncio needs too.

NEEDED_CALLS = {  # on x86-64
    "pipe2": [293],
    "clone": [435, 56],
    "clone, fork": [435, 56, 57, 58],
    "epoll_ctl": [233],
}


@pytest.mark.every_path
@pytest.mark.telling_paths("fork")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")
@pytest.mark.parametrize(
    "calls, error",
    [
        ("pipe2", "EMFILE"),
        ("pipe2", "ENOMEM"),
        ("clone", "EAGAIN"),
        ("clone, fork", "EAGAIN"),
        ("clone, fork", "ENOMEM"),
        ("epoll_ctl", "ENOMEM"),
    ],
)
@pytest.mark.differs("asyncio", "has other calls")
@pytest.mark.not_on(
    "uvloop", "uvloop itself cannot do without", when=lambda calls: calls == "epoll_ctl"
)
def test_refusal_by_the_kernel_is_an_oserror_and_leaves_nothing(aio, calls, error):
    aio.script(
        REFUSE
        + """
async def main():
    async def go(n):
        try:
            return await aio.create_subprocess_exec(
                "cat", stdin=aio.PIPE, stdout=aio.PIPE, stderr=aio.PIPE)
        except OSError as exc:
            return exc.errno
    proc = await go(0)
    await proc.communicate()
    await iterate(3)
    fds = os.listdir("/proc/self/fd")
    refuse(int(sys.argv[1]), *map(int, sys.argv[2].split()))
    results = await asyncio.gather(*map(go, range(5)))
    assert results == [int(sys.argv[1])] * 5, results
    assert os.listdir("/proc/self/fd") == fds
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    else:
        sys.exit("a child is left")
aio.run(main)
""",
        getattr(errno, error),
        " ".join(map(str, NEEDED_CALLS[calls])),
    )
