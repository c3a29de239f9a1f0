"""A burst of children under a limit on open descriptors, for test_few_descriptors.py.

    burst_under_limit.py IMPLEMENTATION LOOP LIMIT COUNT WORDS

Prints how many were carried out. WORDS say what the children are: see kind_of().
"""

import asyncio
import contextlib
import itertools
import os
import resource
import sys
import tempfile

from support import Aio, descriptors, until_reaped


@contextlib.contextmanager
def kind_of(words, number, aio, folder):
    """The arguments and keywords of one child, whose files are open within."""
    command, kwds = ["true"], {}
    with contextlib.ExitStack() as stack:
        if "alive" in words:  # until all have been asked for
            command = ["sleep", "0.5"]
        if "relative" in words:
            command = [f"./{command[0]}", *command[1:]]
        if "cwd" in words:
            kwds["cwd"] = "/"
        if "pipe" in words:
            kwds["stdout"] = aio.PIPE
        if "pipes" in words:
            kwds |= {"stdin": aio.PIPE, "stdout": aio.PIPE, "stderr": aio.PIPE}
        if "null" in words:
            kwds |= {"stdin": aio.DEVNULL, "stdout": aio.DEVNULL, "stderr": aio.DEVNULL}
        if "input" in words:
            kwds["stdin"] = stack.enter_context(open("/etc/passwd"))
        if "outputs" in words:
            for name in "stdout", "stderr":
                file = open(f"{folder}/{name}{number}", "w")
                kwds[name] = stack.enter_context(file)
        yield command, kwds


async def one(words, number, aio, folder):
    with kind_of(words, number, aio, folder) as (command, kwds):
        proc = await aio.create_subprocess_exec(*command, **kwds)
    if "pipe" in words or "pipes" in words:
        await proc.communicate()
    assert await proc.wait() == 0


def main(name, loop, limit, count, *words):
    aio = Aio(name, loop)
    aio.configure()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if "relative" in words:
        os.chdir("/usr/bin" if os.path.exists("/usr/bin/true") else "/bin")

    async def burst(folder):
        before = descriptors()
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), hard))
        children = [one(words, number, aio, folder) for number in range(int(count))]
        results = await asyncio.gather(*children, return_exceptions=True)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        failures = set(map(repr, filter(None, results)))
        assert failures <= {"OSError(24, 'Too many open files')"} or "FileNotFound" not in str(
            failures
        ), failures
        print(results.count(None))
        if aio.is_fastproc:  # asyncio leaves children and pipes of those that failed
            await until_reaped()
            await asyncio.sleep(0)
            left = dict(itertools.islice((descriptors().items() - before.items()), 5))
            assert not left, left

    with tempfile.TemporaryDirectory() as folder:
        aio.run(burst(folder), timeout=100)


if __name__ == "__main__":
    main(*sys.argv[1:])
