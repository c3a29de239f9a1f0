"""An interpreter that ends with live children ends quietly."""

import re
import textwrap

import pytest

pytestmark = [
    pytest.mark.every_path,
    pytest.mark.only_paths("thread"),
    pytest.mark.one_loop("loops end in test_loop_end.py"),
]

ENDINGS = {
    "exit-in-the-loop": """
        async def main():
            global proc, waiting
            proc = await aio.create_subprocess_exec("cat", **PIPES)
            waiting = [asyncio.create_task(proc.wait()), asyncio.create_task(proc.stdout.read())]
            await iterate(2)
            sys.exit(0)
        run(main)
    """,
    "loop-never-closed": """
        loop = aio.new_loop()
        proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
    """,
    "loop-stopped-in-between": """
        loop = aio.new_loop()
        proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
        waiting = proc.wait()
        loop.call_soon(waiting.send, None)
        loop.call_soon(loop.stop)
        loop.run_forever()
    """,
    "loop-in-a-daemon-thread": """
        import threading
        ready = threading.Event()
        async def main():
            global proc
            proc = await aio.create_subprocess_exec("cat", **PIPES)
            ready.set()
            await proc.wait()
        threading.Thread(target=run, args=[main], daemon=True).start()
        ready.wait()
    """,
    "exit-in-a-callback": """
        async def main():
            global proc
            proc = await aio.create_subprocess_exec("cat", **PIPES)
            asyncio.get_running_loop().call_soon(sys.exit, 0)
            await proc.wait()
        run(main)
    """,
    "exit-while-creating": """
        async def main():
            global creating
            creating = [asyncio.create_task(aio.create_subprocess_exec("cat", **PIPES))
                        for _ in range(10)]
            await iterate(1)
            sys.exit(0)
        run(main)
    """,
    "in-atexit": """
        import atexit
        @atexit.register
        def at_exit():
            global proc, loop
            loop = aio.new_loop()
            proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
    """,
    "in-a-cycle-with-the-module": """
        loop = aio.new_loop()
        proc = loop.run_until_complete(aio.create_subprocess_exec("cat", **PIPES))
        sys.modules["asyncio"].keep = sys.keep = [proc, proc.stdin, proc.stdout, loop]
        sys.keep.append(sys.keep)
    """,
}


def end_interpreter(aio, ending, action=None):
    source = textwrap.dedent("""
        import gc
        gc.unfreeze()  # as in a fresh interpreter
        PIPES = dict.fromkeys(("stdin", "stdout", "stderr"), -1)
        def run(main):
            with asyncio.Runner(loop_factory=aio.new_loop) as runner:
                runner.run(main())
    """)
    if action:
        source += f"warnings.filterwarnings({action!r}, message='subprocess')\n"
    return aio.script(source + textwrap.dedent(ENDINGS[ending]), check=False)


@pytest.mark.only_paths("thread")
@pytest.mark.parametrize("ending", list(ENDINGS))
@pytest.mark.differs("asyncio", "it prints from destructors")
def test_interpreter_that_ends_with_live_children_ends_quietly(aio, ending):
    done = end_interpreter(aio, ending)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.only_paths("thread")
@pytest.mark.parametrize("ending", list(ENDINGS))
@pytest.mark.differs("asyncio", "it prints from destructors")
def test_interpreter_that_ends_with_live_children_and_warnings_as_errors(aio, ending):
    done = end_interpreter(aio, ending, "error")
    assert (done.returncode, done.stdout) == (0, b"")
    lines = done.stderr.decode().splitlines()
    assert all(re.fullmatch(r"subprocess \d+ is still running", line) for line in lines), lines
