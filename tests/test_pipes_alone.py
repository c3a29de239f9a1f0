"""The room of pipes, linked without the room of children: a pipe belongs to any object."""

import asyncio
import importlib.machinery
import importlib.util
import os
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "_fastproc"
ROOMS = ("posix", "stream", "python", "loop", "pipe")
FLAGS = "-std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread -Werror=implicit".split()
FLAGS += ["-shared", "-Wl,-z,now"]


@pytest.fixture(scope="module")
def pipes_alone(objects, tmp_path_factory):
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    folder = tmp_path_factory.mktemp("pipes_alone")
    path = folder / f"pipes_alone{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = {sysconfig.get_path("include"), sysconfig.get_path("platinclude"), PACKAGE}
    flags = [*FLAGS, *(f"-I{path}" for path in include)]
    rooms = [target for name, target in objects.items() if name.rpartition("/")[0] in ROOMS]
    source = HERE / "pipes_alone/pipes_alone.c"
    subprocess.run([*compiler, *flags, source, *rooms, "-o", path], check=True)
    loader = importlib.machinery.ExtensionFileLoader("pipes_alone", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pipes_alone", loader))
    loader.exec_module(module)
    return module


class Owner:
    """Keeps what its pipes tell it."""

    def __init__(self, listens):
        self.listens = listens
        self.told = []
        self.changed = asyncio.Event()

    def __getattr__(self, name):
        def tell(*args):
            self.told.append((name, *args))
            self.changed.set()

        return tell

    async def until(self, *entry):
        while entry not in self.told:
            self.changed.clear()
            await self.changed.wait()


def open_pair(module, owner):
    """(reader, writer, what the reader reads, what the writer writes)."""
    readable, feed = os.pipe()
    drain, writable = os.pipe()
    for fd in (readable, writable, drain):
        os.set_blocking(fd, False)
    return (*module.open(owner, asyncio.get_running_loop(), readable, writable), feed, drain)


def run(main):
    asyncio.run(asyncio.wait_for(main, 30))


def test_a_reader_is_fed_for_an_owner_that_does_not_listen(pipes_alone):
    async def main():
        owner = Owner(listens=False)
        reader, writer, feed, drain = open_pair(pipes_alone, owner)
        os.write(feed, b"one\ntwo\nthree")
        assert await reader.readline() == b"one\n"
        assert await reader.readexactly(2) == b"tw"
        os.close(feed)
        assert await reader.read() == b"o\nthree"
        assert owner.told == [("end", 1, None), ("done",)]
        writer.write(b"answer")
        await writer.drain()
        assert os.read(drain, 100) == b"answer"
        writer.close()
        await writer.wait_closed()
        assert os.read(drain, 100) == b""
        assert owner.told[2:] == [("end", 0, None), ("done",)]
        os.close(drain)

    run(main())


def test_an_owner_that_listens_gets_data_and_the_end(pipes_alone):
    async def main():
        owner = Owner(listens=True)
        reader, writer, feed, drain = open_pair(pipes_alone, owner)
        os.write(feed, b"one")
        await owner.until("data", 1, b"one")
        os.write(feed, b"two")
        await owner.until("data", 1, b"two")
        os.close(feed)
        await owner.until("done")
        assert owner.told[2:] == [("end", 1, None), ("done",)]
        assert await reader.read() == b""  # it was told of the end too
        os.close(drain)
        await owner.until("end", 0, None)

    run(main())


def test_an_owner_that_listens_is_asked_to_pause_and_to_resume(pipes_alone):
    async def main():
        owner = Owner(listens=True)
        reader, writer, feed, drain = open_pair(pipes_alone, owner)
        data = b"x" * (1 << 20)
        writer.write(data)
        assert owner.told == [("pause_writing",)]
        received = 0
        while received < len(data):
            try:
                received += len(os.read(drain, 1 << 16))
            except BlockingIOError:
                await asyncio.sleep(0)
        assert owner.told == [("pause_writing",), ("resume_writing",)]
        await writer.drain()
        writer.close()
        reader._transport.close()
        await owner.until("end", 1, None)
        os.close(feed)
        os.close(drain)

    run(main())


def test_pipes_of_a_closed_loop_tell_their_owner_nothing(pipes_alone):
    owner = reader = None

    async def main():
        nonlocal owner, reader
        owner = Owner(listens=False)
        reader, writer, *ends = open_pair(pipes_alone, owner)
        return ends

    for fd in asyncio.run(main()):
        os.close(fd)
    assert owner.told == []
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        asyncio.run(reader.read())
