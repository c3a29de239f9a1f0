"""Bursts of children where few descriptors can be open: what asyncio carries out is carried out.

And what a child that waits for its turn is started with, which is shared with others that wait.
"""

import asyncio
import contextlib
import errno
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import (
    LINUX,
    SLOWNESS,
    Holdings,
    children,
    descriptors,
    driven,
    free_descriptors,
    iterate,
    kill_and_wait,
    output_of,
    running,
)

pytestmark = [
    pytest.mark.skipif(not LINUX, reason="looks into /proc"),
    pytest.mark.one_loop("what waits for its turn is no matter of the loop"),
]
children_exit_soon = pytest.mark.skipif(
    SLOWNESS > 1, reason="a child that still runs holds descriptors, so another may find none"
)
KINDS = ["relative null", "alive", "alive pipe", "alive pipes", "alive null", "alive outputs cwd"]


def carried_out(name, loop, limit, count, kind):
    command = [sys.executable, Path(__file__).with_name("burst_under_limit.py")]
    command += [name, loop, str(limit), str(count), *kind.split()]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, timeout=120)
    assert done.returncode == 0 or name == "asyncio"
    return int(done.stdout.split()[0])


@pytest.mark.slow(
    "these have all that the others have, and little room",
    when=lambda limit, kind: limit == 256 or kind in ("relative null", "alive", "alive pipe", ""),
)
@pytest.mark.parametrize(
    "limit, count, kind",
    [(64, 80, kind) for kind in KINDS]
    + [(256, 300, "outputs"), (1024, 400, "input pipe"), (1024, 900, "")],
)
@pytest.mark.skipif(sys.version_info < (3, 12), reason="its asyncio has threads instead")
@pytest.mark.differs("asyncio", "it is what is compared with")
@pytest.mark.not_on("uvloop", "it has descriptors of its own")
def test_no_fewer_children_than_asyncio_carries_out(aio, limit, count, kind):
    theirs = carried_out("asyncio", "stdlib", limit, count, kind)
    assert theirs > 5
    assert carried_out(aio.name, aio.loop_name, limit, count, kind) >= theirs


@children_exit_soon
@pytest.mark.slow("the others have all that these have", when=lambda kind: kind in ("", "cwd"))
@pytest.mark.parametrize("kind", ["", "pipes", "cwd", "relative null"])
@pytest.mark.differs("asyncio", "starts all at once")
def test_children_that_need_no_files_of_the_program_need_only_their_turn(aio, kind):
    """However many: those that wait hold next to nothing."""
    assert carried_out(aio.name, aio.loop_name, 64, 300, kind) == 300


@pytest.mark.differs("asyncio", "nobody waits")
def test_children_that_wait_share_what_they_hold(aio):
    """0, 1, 2 and the directory, not once for each; nothing of that is left."""

    async def main():
        async with running(aio, "sleep", "60"):
            before = Holdings()
            creating = [
                asyncio.ensure_future(aio.create_subprocess_exec("true", stdin=aio.DEVNULL))
                for _ in range(200)
            ]
            await asyncio.sleep(0)
            gate = aio.core.machine()["gate"]
            # Of each that starts a pidfd and a pipe; of all that wait 1, 2 and the directory.
            assert len(before.news()["descriptors"]) <= 2 * gate + 3
            for proc in await asyncio.gather(*creating):
                assert await proc.wait() == 0
            await iterate(3)
            assert not before.news()

    aio.run(main)


async def run_many(aio, count):
    """Returns how many of them could be created."""

    async def run_one():
        proc = await aio.create_subprocess_exec(
            "true", stdin=aio.PIPE, stdout=aio.PIPE, stderr=aio.PIPE
        )
        await proc.communicate()

    outcomes = await asyncio.gather(*(run_one() for _ in range(count)), return_exceptions=True)
    return outcomes.count(None)


@children_exit_soon
@pytest.mark.differs("asyncio", "starts all at once")
def test_few_descriptors_that_are_low_numbers_are_few(aio):
    """Early connections were closed, and later ones are still open."""

    async def main():
        assert await run_many(aio, 1) == 1
        with free_descriptors(1000), contextlib.ExitStack() as held:
            early = [os.open(os.devnull, os.O_RDONLY) for _ in range(60)]
            with contextlib.suppress(OSError):
                while True:
                    held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
            for fd in early:
                os.close(fd)
            time.sleep(0.2)  # the limit is looked at every 100 ms
            assert await run_many(aio, 100) == 100

    aio.run(main)


@children_exit_soon
@pytest.mark.differs("asyncio", "starts all at once")
def test_limit_that_was_just_lowered_counts(aio):
    async def main():
        assert await run_many(aio, 1) == 1
        with free_descriptors(60):
            assert await run_many(aio, 100) == 100

    aio.run(main)


@pytest.mark.parametrize("left", [100, 2000])
@pytest.mark.differs("asyncio", "starts all at once")
def test_fewer_start_at_a_time_where_few_descriptors_are_left(aio, left):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 3000:
        pytest.skip("few are left anyway")
    gate = aio.core.machine()["gate"]
    narrow = aio.core.machine()["narrow_gate"]

    async def main():
        with free_descriptors(left):
            creating = [
                asyncio.ensure_future(aio.create_subprocess_exec("true")) for _ in range(2 * gate)
            ]
            await asyncio.sleep(0)
            assert len(children()) == (gate if left > 1000 else narrow)
            for proc in await asyncio.gather(*creating):
                assert await proc.wait() == 0

    aio.run(main)


@pytest.mark.differs("asyncio", "nobody waits")
def test_no_directory_is_held_for_who_goes_to_another(aio):
    async def main():
        async def create(**kwds):
            creating = [
                asyncio.ensure_future(aio.create_subprocess_exec("true", **kwds)) for _ in range(40)
            ]
            await asyncio.sleep(0)
            here = sum(what == os.getcwd() for what in descriptors().values())
            for proc in await asyncio.gather(*creating):
                assert await proc.wait() == 0
            return here

        assert await create() == 1
        assert await create(cwd=".") == 1
        assert await create(cwd="/usr") == 0

    aio.run(main)


@contextlib.contextmanager
def as_it_was():
    """The process' directory and its 0 and 1 are put back."""
    folder, saved = os.getcwd(), [os.dup(fd) for fd in (0, 1)]
    yield
    os.chdir(folder)
    for fd, copy in enumerate(saved):
        os.dup2(copy, fd)
        os.close(copy)


@pytest.mark.differs("uvloop", "leaves 0 open")
def test_each_child_has_what_there_was_at_its_own_call(aio, tmp_path):
    """While 0 comes and goes, 1 is another file, and the program walks about."""
    script = "test -e /proc/$$/fd/0 && zero=open; echo $1 ${PWD##*/} $zero"
    for folder in "abc":
        (tmp_path / folder).mkdir()
    null = os.open(os.devnull, os.O_RDONLY)

    async def one(number, file):
        """One step, with which others are mixed only between the calls."""
        os.chdir(tmp_path / "abc"[number % 3])
        os.dup2(file.fileno(), 1)
        os.dup2(null, 0, inheritable=number % 5 > 0)  # if not, the child has none
        proc = await aio.create_subprocess_exec("/bin/sh", "-c", script, "sh", str(number))
        assert await proc.wait() == 0

    async def main():
        with open(tmp_path / "even", "wb") as even, open(tmp_path / "odd", "wb") as odd:
            await asyncio.gather(*(one(n, (even, odd)[n % 2]) for n in range(60)))

    with as_it_was():
        aio.run(main)
    os.close(null)
    for first, name in enumerate(("even", "odd")):
        lines = sorted((tmp_path / name).read_text().splitlines(), key=lambda x: int(x.split()[0]))
        expected = [f"{n} {'abc'[n % 3]} {'open' if n % 5 else ''}" for n in range(first, 60, 2)]
        assert [line.rstrip() for line in lines] == [line.rstrip() for line in expected]


@pytest.mark.differs("asyncio", "the first step of its coroutine must be a task's")
def test_files_that_have_the_same_number_one_after_the_other(aio, tmp_path):
    """And one that is opened twice, so that each child writes at a place of its own."""

    async def main():
        for number in range(30):
            (tmp_path / str(number)).write_bytes(b"")
        # Not by gather(): each closes its file before the next opens one.
        creating = []
        for number in range(60):
            with open(tmp_path / str(number // 2), "r+b", buffering=0) as file:
                file.seek(100 * (number % 2))
                coro = aio.create_subprocess_exec("echo", str(number), stdout=file)
                creating.append(begun(coro))
        for future in creating:
            proc = await future
            assert await proc.wait() == 0

    def begun(coro):
        """A task whose first step was taken in another, as an eager one's."""
        return asyncio.ensure_future(rest_of(coro, coro.send(None)))

    async def rest_of(coro, future):
        return await driven(coro, future)

    aio.run(main)
    for number in range(30):
        data = (tmp_path / str(number)).read_bytes()
        assert data[:3].strip(b"\0\n") == b"%d" % (2 * number)
        assert data[100:] == b"%d\n" % (2 * number + 1)


@pytest.mark.parametrize("free", range(1, 9))
@pytest.mark.parametrize("pipes", range(4))
@pytest.mark.differs("asyncio", "it leaves a child or a pipe")
@pytest.mark.not_on("uvloop", "is about asyncio's loop")
def test_the_first_child_needs_no_more_than_asyncio(aio, free, pipes):
    """Where it has room for one, so have we."""
    kwds = dict.fromkeys(("stdin", "stdout", "stderr")[:pipes], aio.PIPE)

    async def main():
        many = [os.open(os.devnull, os.O_RDONLY) for _ in range(200)]  # for a limit that is not low
        with free_descriptors(free):
            await attempt()
        for fd in many:
            os.close(fd)

    async def attempt():
        try:
            proc = await aio.create_subprocess_exec("true", **kwds)
        except OSError as error:
            assert error.errno == errno.EMFILE
            assert free < 2 * pipes + 2
            return
        await proc.communicate()
        assert proc.returncode == 0

    aio.run(main)


@pytest.mark.differs("asyncio", "nobody waits")
def test_children_that_wait_behind_others_that_live_on(aio):
    """Where few descriptors are left, and no exit makes the loop look again."""

    async def main():
        with free_descriptors(70):
            creating = [aio.create_subprocess_exec("sleep", "60") for _ in range(50)]
            procs = await asyncio.wait_for(asyncio.gather(*creating), 10)
        for proc in procs:
            await kill_and_wait(proc)

    aio.run(main)


@children_exit_soon
@pytest.mark.differs("asyncio", "nobody waits")
def test_limit_that_is_lowered_while_children_wait(aio):
    """They are started all the same, with what there is."""

    async def main():
        async with running(aio, "sleep", "60"):
            creating = [
                asyncio.ensure_future(aio.create_subprocess_exec("true")) for _ in range(100)
            ]
            await asyncio.sleep(0)
            with free_descriptors(12):
                for proc in await asyncio.gather(*creating):
                    assert await proc.wait() == 0

    aio.run(main)


@pytest.mark.differs("asyncio", "takes them all")
def test_limit_that_has_just_been_raised(aio):
    """A burst goes by the limit of now, even if the last child was started by another a moment ago."""

    async def main():
        with free_descriptors(8):
            assert await (await aio.create_subprocess_exec("true")).wait() == 0
        with free_descriptors(100):
            creating = [
                asyncio.ensure_future(aio.create_subprocess_exec("true", stdout=aio.PIPE))
                for _ in range(300)
            ]
            for creation in creating:
                await (await creation).communicate()

    aio.run(main)


@children_exit_soon
@pytest.mark.differs("asyncio", "takes them all")
def test_a_descriptor_is_left_to_the_rest_of_the_program(aio, tmp_path):
    """In the burst's own turn, and while it goes on."""

    async def main():
        with free_descriptors(100):
            creating = [
                asyncio.ensure_future(aio.create_subprocess_exec("true", stdout=aio.PIPE))
                for _ in range(300)
            ]
            for _ in range(10):
                await asyncio.sleep(0)
                for pid in children():  # while they run they keep what is theirs
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
                files = [os.open(os.devnull, os.O_RDONLY) for _ in range(30)]
                for fd in files:
                    os.close(fd)
            for creation in creating:
                proc = await creation
                await proc.communicate()
            assert await output_of(aio, "echo", "works") == b"works\n"

    aio.run(main)


def test_queued_child_has_the_directory_and_descriptors_of_its_call(aio, tmp_path):
    before = os.getcwd()
    files = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("out", "other")]
    saved = os.dup(1)

    async def main():
        os.dup2(files[0], 1)
        creates = [
            asyncio.ensure_future(aio.create_subprocess_exec("sh", "-c", "pwd; pwd >&2", stderr=fd))
            for fd in files[:1] * 12
        ]
        await iterate(1)
        os.chdir("/")
        os.dup2(files[1], 1)
        for proc in await asyncio.gather(*creates):
            assert await proc.wait() == 0

    os.chdir(tmp_path)
    try:
        aio.run(main)
    finally:
        os.chdir(before)
        os.dup2(saved, 1)
        for fd in (*files, saved):
            os.close(fd)
    assert (tmp_path / "out").read_text() == f"{tmp_path}\n" * 24
    assert (tmp_path / "other").read_text() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_burst_in_a_directory_that_one_may_not_enter(aio, tmp_path):
    aio.script(
        """
        os.chmod(sys.argv[1], 0o700)
        os.chdir(sys.argv[1])
        os.setresuid(65534, 65534, 65534)
        async def main():
            create = lambda: aio.create_subprocess_exec("/bin/true")
            procs = await asyncio.gather(*(create() for _ in range(10)))
            assert await asyncio.gather(*(proc.wait() for proc in procs)) == [0] * 10
        aio.run(main)
        """,
        tmp_path,
    )
