"""Several interpreters in one process: with a GIL of their own, and the older kind that shares one.

Each test is a process of its own.  There is no os.fork() here: in a process with several interpreters
CPython itself does not survive it, up to 3.15 at least.
"""

import importlib.util
import sys
import textwrap

import pytest
from support import Aio

OWN_GIL = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="interpreters have a GIL of their own from CPython 3.12 on"
)
OLD_KIND = pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None, reason="only CPython's _testcapi makes them"
)

# What an interpreter may leave behind: more of main() is to come when it ends.
LEAVINGS = {
    "nothing but the import": "",
    "a loop that was never used": "loop = asyncio.new_event_loop()",
    "a hub at rest": "until_over(output_of(aio, 'echo', 'x'))",
    "live children": "procs = until_over(start(5))",
    "live children that nobody has": "until_over(start(5))",
    "a child on its way": "create = until_over(half_created())",
    "a burst half started": "tasks = [loop.create_task(start(1)) for _ in range(40)]; turns(2)",
    "a burst just begun": "tasks = [loop.create_task(start(1)) for _ in range(40)]; turns(1)",
    "tasks that read": "tasks = [loop.create_task(reads()) for _ in range(5)]; turns(40)",
    "tasks that wait": "tasks = [loop.create_task(waits()) for _ in range(5)]; until_they_wait(5)",
    "tasks that write": "tasks = [loop.create_task(writes()) for _ in range(5)]; turns(40)",
    "children that exited unseen": "procs = until_over(start(3, 'true')); sleep(0.05)",
    "a cycle": "procs = until_over(start(2)); procs[0].self = procs; procs[1].stdout.loop = loop",
    "a half-read awaitable": "(proc,) = until_over(start(1)); r = proc.stdout.read(); r.send(None)",
    "a low-level transport": "pair = until_over(low())",
    "an installed one": "_fastproc.install(); procs = until_over(start(2))",
    "a closed loop": "procs = until_over(start(2)); warnings.simplefilter('ignore'); loop.close()",
}

LEAVER = """
import asyncio, logging, warnings
from time import sleep
import _fastproc
from support import *

aio = Aio("fastproc", "stdlib")
aio.configure()
logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # which complains of pending tasks
warnings.simplefilter("ignore", ResourceWarning)  # a debug build shows it
loop = asyncio.new_event_loop()
pipes = dict(stdin=aio.PIPE, stdout=aio.PIPE)

async def start(count, *command):
    command = command or ("sleep", "60")
    return [await aio.create_subprocess_exec(*command, **pipes) for _ in range(count)]

async def reads():
    (proc,) = await start(1)
    await proc.stdout.readline()

waiting = []

async def waits():
    (proc,) = await start(1)
    waiting.append(proc.pid)
    await asyncio.gather(proc.wait(), proc.wait())

async def writes():
    (proc,) = await start(1)
    await proc.communicate(bytes(1 << 20))

async def half_created():
    create = aio.create_subprocess_exec("sleep", "60")
    create.send(None)
    return create

async def low():
    return await aio.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "60")

def until_over(coro):
    return loop.run_until_complete(asyncio.wait_for(coro, 10))

def turns(count):
    loop.run_until_complete(iterate(count))

def until_they_wait(count):
    until_over(until(lambda: len(waiting) == count))
    turns(3)
"""


BOTH = pytest.mark.parametrize("name", ["asyncio", "fastproc"])


def script(source, *args, name="fastproc"):
    """Aio.script() with sub-interpreters at hand; no uvloop, which they cannot import."""
    prelude = "from subinterpreters import *\nfrom workload import *\n"
    prelude += "busy = 'from workload import *; be_busy({})'.format\n"
    end = "\nos._exit(0)" if sys.version_info < (3, 13) else ""  # it crashes at its end, in 3.12.1
    done = Aio(name, "stdlib").script(prelude + textwrap.dedent(source) + end, *args, timeout=120)
    assert done.stderr == b"", done.stderr.decode()


@OWN_GIL
def test_each_has_types_and_a_state_of_its_own():
    script("""
        import _fastproc
        before = _fastproc._core.machine()["gate"]
        for _ in range(3):
            read, write = os.pipe()
            with Interpreter() as one:
                one.run(f'''if True:
                    import os, _fastproc
                    _fastproc._core.configure(gate={before} + 5)
                    _fastproc.install()
                    os.write({write}, b"%d" % id(_fastproc.Process))
                ''')
                theirs = int(os.read(read, 100))
                assert theirs != id(_fastproc.Process)
                assert _fastproc._core.machine()["gate"] == before
                assert asyncio.create_subprocess_exec is not _fastproc.create_subprocess_exec
                assert asyncio.create_subprocess_exec.__module__ == "asyncio.subprocess"
            os.close(read), os.close(write)
            be_busy(0, rounds=1)
    """)


@OWN_GIL
@pytest.mark.slow("another seed", when=lambda seed: seed > 0)
@pytest.mark.parametrize("seed", range(2))
def test_several_are_busy_at_once(seed, slow):
    script(
        """
        seed = int(sys.argv[1])
        before = Holdings()

        def one_after_the_other(n):
            for i in range(int(sys.argv[2])):
                with Interpreter() as one:
                    one.run(busy(seed * 100 + 10 * n + i))

        in_threads(
            [lambda n=n: one_after_the_other(n) for n in range(4)]
            + [lambda: be_busy(seed * 100 + 99)]
        )
        assert not before.settled(), before.settled()
        """,
        seed,
        2 if slow else 1,
    )


@OWN_GIL
def test_several_loops_in_several_threads_of_one():
    script("""
        before = Holdings()
        with Interpreter() as one:
            one.run("from workload import *; in_threads([lambda n=n: be_busy(n) for n in range(4)])")
        assert not before.settled(), before.settled()
    """)


@OWN_GIL
@pytest.mark.slow(
    "all of them are in test_destroyed_while_others_are_busy",
    when=lambda what: what not in ("live children", "a burst half started", "tasks that wait"),
)
@pytest.mark.parametrize("what", LEAVINGS)
def test_what_one_leaves_behind_when_it_is_destroyed(what):
    script(
        """
        leaver = sys.argv[1]
        before = Holdings()
        for _ in range(2):
            with Interpreter() as one:
                one.run(leaver)
        assert not before.settled(), before.settled()
        in_threads([lambda: be_busy(0, rounds=1)])
        """,
        LEAVER + LEAVINGS[what],
    )


@OWN_GIL
def test_destroyed_while_others_are_busy():
    script(
        """
        leaver, leavings = sys.argv[1], sys.argv[2:]
        before = Holdings()

        def come_and_go(part):
            for leaving in part:
                with Interpreter() as one:
                    one.run(leaver + leaving)

        def stay():
            with Interpreter() as one:
                one.run(busy(7))

        in_threads([lambda n=n: come_and_go(leavings[n::3]) for n in range(3)] + [stay])
        assert not before.settled(), before.settled()
        """,
        LEAVER,
        *LEAVINGS.values(),
    )


@OWN_GIL
@pytest.mark.slow("interpreters differ in none of them", when=lambda method: method != "fork")
@pytest.mark.parametrize("method", ["clone", "vfork", "fork"])
def test_children_are_made_in_every_way(method):
    script(
        """
        before = Holdings()
        with Interpreter() as one:
            one.run(sys.argv[1])
        assert not before.settled(), before.settled()
        """,
        LEAVER + f"_fastproc._core.configure(spawn={method!r})\n"
        "for _ in range(3): assert until_over(output_of(aio, 'echo', 'x')) == b'x\\n'",
    )


REFUSED = """
async def main():
    before = children()
    try:
        await aio.create_subprocess_exec("true", preexec_fn=lambda: None)
    except RuntimeError as error:
        assert str(error) == "preexec_fn not supported within subinterpreters", error
    else:
        raise AssertionError("not refused")
    assert children() == before
    assert await output_of(aio, "echo", "x") == b"x\\n"
loop.run_until_complete(main())
"""


@OWN_GIL
@BOTH
def test_preexec_fn_is_refused_as_by_subprocess(name):
    script(
        """
        with Interpreter() as one:
            one.run(sys.argv[1])
        """,
        LEAVER.replace('fastproc"', f'{name}"') + REFUSED,
        name=name,
    )


# The older kind: one GIL for all


@OLD_KIND
def test_the_older_kind_is_served():
    script("""
        import _testcapi
        before = Holdings()
        for n in range(3):
            source = busy(n)
            assert _testcapi.run_in_subinterp(source) == 0
        assert not before.settled(), before.settled()
    """)


@OLD_KIND
@pytest.mark.parametrize("what", LEAVINGS)
@pytest.mark.slow
def test_what_one_of_the_older_kind_leaves_behind(what):
    script(
        """
        import _testcapi
        before = Holdings()
        for _ in range(2):
            assert _testcapi.run_in_subinterp(sys.argv[1]) == 0
        assert not before.settled(), before.settled()
        be_busy(0, rounds=1)
        """,
        LEAVER + LEAVINGS[what],
    )


@OLD_KIND
def test_preexec_fn_is_refused_in_the_older_kind():
    script(
        """
        import _testcapi
        assert _testcapi.run_in_subinterp(sys.argv[1]) == 0
        """,
        LEAVER + REFUSED,
    )
