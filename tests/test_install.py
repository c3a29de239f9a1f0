"""install(), uninstall(), installed() and the pytest plugin."""

import asyncio
import asyncio.subprocess
import gc
import importlib.metadata
import inspect
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from unittest import mock

import pytest
from support import TIMEOUT, Aio, uvloop

import _fastproc

CREATE = ("create_subprocess_exec", "create_subprocess_shell")
METHODS = ("subprocess_exec", "subprocess_shell")
PLACES = [(owner, name) for owner in (asyncio, asyncio.subprocess) for name in CREATE]
PLACES += [(asyncio.SelectorEventLoop, name) for name in METHODS]
if uvloop is not None:
    PLACES += [(uvloop.Loop, name) for name in METHODS]
LOOPS = ["stdlib"] + ["uvloop"] * (uvloop is not None)


def what_is_there():
    return [vars(owner).get(name, "inherited") for owner, name in PLACES]


BEFORE = what_is_there()


def is_installed():
    now = what_is_there()
    new = [value is not before for value, before in zip(now, BEFORE)]
    assert all(new) or not any(new), list(zip(PLACES, now))
    return all(new)


@pytest.fixture(autouse=True)
def restored():
    yield
    _fastproc.uninstall()
    assert not is_installed()


def run(main, loop_name="stdlib"):
    return Aio("asyncio", loop_name).run(main)


def python(source, *flags, **kwds):
    """A Python process of its own; what it printed."""
    command = [sys.executable, *flags, "-c", textwrap.dedent(source)]
    where = str(Path(_fastproc.__file__).resolve().parent.parent)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([where, *sys.path])}
    options = {"capture_output": True, "text": True, "timeout": TIMEOUT, "env": env}
    done = subprocess.run(command, **(options | kwds))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Protocol(asyncio.SubprocessProtocol):
    def __init__(self):
        self.output = b""
        self.ended = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd, data):
        self.output += data

    def connection_lost(self, exc):
        self.ended.set_result(None)


# What is replaced


def test_install_replaces_and_uninstall_puts_back_the_very_same():
    assert not is_installed()
    _fastproc.install()
    assert is_installed()
    _fastproc.uninstall()
    assert not is_installed()
    assert all(now is before for now, before in zip(what_is_there(), BEFORE))


def test_both_are_idempotent():
    _fastproc.uninstall()
    for _ in range(3):
        _fastproc.install()
        assert is_installed()
    for _ in range(3):
        _fastproc.uninstall()
        assert not is_installed()


def test_what_somebody_else_had_put_there_is_put_back(monkeypatch):
    def another():
        pass

    monkeypatch.setattr(asyncio, "create_subprocess_exec", another)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "subprocess_exec", another, raising=False)
    with _fastproc.installed():
        assert asyncio.create_subprocess_exec is not another
    assert asyncio.create_subprocess_exec is another
    assert vars(asyncio.SelectorEventLoop)["subprocess_exec"] is another


def test_with_installed():
    with _fastproc.installed():
        assert is_installed()
        with _fastproc.installed():
            assert is_installed()
        assert is_installed()
    assert not is_installed()


def test_with_installed_leaves_installed_what_was():
    _fastproc.install()
    with _fastproc.installed():
        pass
    assert is_installed()
    _fastproc.uninstall()
    with _fastproc.installed():
        _fastproc.install()
    assert is_installed()


def test_with_installed_ends_with_an_exception_too():
    with pytest.raises(ZeroDivisionError), _fastproc.installed():
        raise ZeroDivisionError
    assert not is_installed()


def test_uninstall_within_ends_it_there():
    with _fastproc.installed():
        _fastproc.uninstall()
        assert not is_installed()
    assert not is_installed()


def test_the_last_thread_to_leave_takes_it_away():
    barrier = threading.Barrier(4)
    wrong = []

    def use(n):
        barrier.wait()
        for _ in range(200):
            with _fastproc.installed():
                if asyncio.create_subprocess_exec is BEFORE[0]:
                    wrong.append(n)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    barrier.wait()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not is_installed()


# What it does


@pytest.mark.parametrize("loop_name", LOOPS)
def test_unmodified_programs_use_it(loop_name):
    async def main():
        for create, args in [
            (asyncio.create_subprocess_exec, ("echo", "x")),
            (asyncio.subprocess.create_subprocess_shell, ("echo x",)),
        ]:
            proc = await create(*args, stdout=asyncio.subprocess.PIPE)
            assert type(proc) is _fastproc.Process
            assert isinstance(proc, asyncio.subprocess.Process)
            assert await proc.communicate() == (b"x\n", None)

    with _fastproc.installed():
        run(main, loop_name)


@pytest.mark.parametrize("loop_name", LOOPS)
def test_the_loops_methods_use_it(loop_name):
    async def main():
        loop = asyncio.get_running_loop()
        for create, args in [
            (loop.subprocess_exec, ("echo", "x")),
            (loop.subprocess_shell, ("echo x",)),
        ]:
            transport, protocol = await create(Protocol, *args)
            assert type(transport) is _fastproc.SubprocessTransport
            await protocol.ended
            assert protocol.output == b"x\n"

    with _fastproc.installed():
        run(main, loop_name)


def test_names_imported_before_stay_what_they_were():
    imported = asyncio.create_subprocess_exec

    async def main():
        proc = await imported("true")
        assert type(proc) is asyncio.subprocess.Process
        assert await proc.wait() == 0
        for name in ("Process", "SubprocessStreamProtocol"):
            assert getattr(asyncio.subprocess, name).__module__ == "asyncio.subprocess"

    with _fastproc.installed():
        asyncio_loop_exec = asyncio.SelectorEventLoop.subprocess_exec
        try:  # without the loop level it would be half and half
            del asyncio.SelectorEventLoop.subprocess_exec
            run(main)
        finally:
            asyncio.SelectorEventLoop.subprocess_exec = asyncio_loop_exec


def test_a_create_function_imported_before_is_served_at_the_loop_level():
    imported = asyncio.create_subprocess_exec

    async def main():
        proc = await imported("echo", "x", stdout=-1)
        assert type(proc) is asyncio.subprocess.Process
        assert type(proc._transport) is _fastproc.SubprocessTransport
        assert await proc.communicate() == (b"x\n", None)

    with _fastproc.installed():
        run(main)


def test_inspect_takes_them_for_coroutine_functions():
    with _fastproc.installed():
        for owner, name in PLACES:
            assert inspect.iscoroutinefunction(getattr(owner, name))
        for name in CREATE:
            with mock.patch(f"asyncio.{name}") as mocked:
                assert isinstance(mocked, mock.AsyncMock)


def test_a_call_that_is_wrong_says_so_like_asyncios():
    async def main():
        with pytest.raises(TypeError, match="create_subprocess_exec.* missing 1 .* 'program'"):
            await asyncio.create_subprocess_exec()
        with pytest.raises(ValueError, match="^cmd must be a string$"):
            await asyncio.create_subprocess_shell(["true"])
        with pytest.raises(FileNotFoundError) as caught:
            await asyncio.create_subprocess_exec("/no/such/program")
        assert caught.value.filename == "/no/such/program"

    run(main)
    with _fastproc.installed():
        run(main)


def test_they_have_the_signatures_of_asyncios():
    names = ("stdin", "stdout", "stderr", "limit")
    before = [inspect.signature(getattr(owner, name)) for owner, name in PLACES[:4]]
    with _fastproc.installed():
        assert [inspect.signature(getattr(owner, name)) for owner, name in PLACES[:4]] == before
        for owner, name in PLACES[4:]:
            parameters = inspect.signature(getattr(owner, name)).parameters
            assert all(parameters[pipe].default == -1 for pipe in names[:3])


def test_a_loop_with_methods_of_its_own_is_asked_itself():
    called = []

    class Loop(asyncio.SelectorEventLoop):
        async def subprocess_exec(self, protocol_factory, *args, **kwds):
            called.append(args[0])
            return await super().subprocess_exec(protocol_factory, *args, **kwds)

    async def main():
        proc = await asyncio.create_subprocess_exec("echo", "x", stdout=-1)
        assert await proc.communicate() == (b"x\n", None)
        return type(proc._transport)

    with _fastproc.installed(), asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(main()) is _fastproc.SubprocessTransport
    assert called == ["echo"]


def test_a_loop_that_inherits_nothing_needs_no_methods_of_its_own():
    """asyncio.AbstractEventLoop's say that they are not implemented."""

    class Loop(asyncio.SelectorEventLoop):
        subprocess_exec = asyncio.AbstractEventLoop.subprocess_exec

    async def main():
        proc = await asyncio.create_subprocess_exec("true")
        await proc.wait()
        return type(proc)

    with _fastproc.installed(), asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(main()) is _fastproc.Process


# Classes of asyncio that a program patches

WHEN = ["before"] + ["after"] * (sys.version_info >= (3, 12))


@pytest.mark.parametrize("installed", [False, True])
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    "where",
    ["subprocess.Process.communicate", "StreamReader.readline", "StreamWriter.drain"],
)
def test_patch_of_a_class_is_seen(installed, when, where):
    """By the next child, and from 3.12 on by those that there are."""
    name = where.rpartition(".")[2]

    async def call(proc):
        owner = proc if "Process" in where else proc.stdout if "Reader" in where else proc.stdin
        return await getattr(owner, name)()

    async def main():
        def create():
            return asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)

        proc = await create() if when == "after" else None
        with mock.patch(f"asyncio.{where}", return_value="canned"):
            proc = proc or await create()
            assert await call(proc) == "canned"
        if when == "before":
            proc.kill()
            await proc.wait()
            proc = await create()
        if name == "communicate":
            assert await proc.communicate(b"line\n") == (b"line\n", None)
        else:
            proc.stdin.write(b"line\n")
            assert await call(proc) in (b"line\n", None)
            proc.stdin.close()
            await proc.stdout.read()
        await proc.wait()
        return type(proc).__module__

    if installed:
        with _fastproc.installed():
            assert run(main) == "_fastproc"
    else:
        assert run(main) == "asyncio.subprocess"


def test_patch_that_calls_what_was_there(monkeypatch):
    waited = []
    before = asyncio.subprocess.Process.wait

    async def wait(self):
        waited.append(self.pid)
        return await before(self)

    async def main():
        monkeypatch.setattr(asyncio.subprocess.Process, "wait", wait)
        proc = await asyncio.create_subprocess_exec("true")
        assert await proc.wait() == 0 and waited == [proc.pid]

    with _fastproc.installed():
        run(main)


def test_patch_of_a_property_of_a_class():
    async def main():
        with mock.patch.object(
            asyncio.subprocess.Process, "returncode", new_callable=mock.PropertyMock
        ) as returncode:
            returncode.return_value = 7
            proc = await asyncio.create_subprocess_exec("true")
            assert proc.returncode == 7
        again = await asyncio.create_subprocess_exec("true")
        assert await proc.wait() == 0 and proc.returncode == 0
        await again.wait()

    with _fastproc.installed():
        run(main)


def test_patch_is_of_no_consequence_where_nothing_is_installed(monkeypatch):
    async def wait(self):
        raise AssertionError

    ours = dict(vars(_fastproc.Process))
    with _fastproc.installed():
        monkeypatch.setattr(asyncio.subprocess.Process, "wait", wait)
        _fastproc._install.follow_patches()
        assert "wait" not in vars(_fastproc.Process)
    assert dict(vars(_fastproc.Process)) == ours


def test_what_popen_calls_may_be_replaced(monkeypatch):
    """As debugpy does, to follow the children."""
    fork_exec = subprocess._fork_exec

    def fork_another(args, *others):
        return fork_exec([*args, "mine"], *others)

    async def main():
        proc = await asyncio.create_subprocess_exec("echo", "x", stdout=-1)
        assert await proc.communicate() == (b"x mine\n", None)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(Protocol, "echo", "x")
        await protocol.ended
        assert protocol.output == b"x mine\n"
        transport.close()
        monkeypatch.setattr(subprocess, "_fork_exec", fork_exec)
        again = await asyncio.create_subprocess_exec("echo", "x", stdout=-1)
        assert await again.communicate() == (b"x\n", None)
        return type(again)

    monkeypatch.setattr(subprocess, "_fork_exec", fork_another)
    with _fastproc.installed():
        assert run(main) is _fastproc.Process


def test_popen_itself_may_be_replaced(monkeypatch):
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *args, **kwds):
            started.append(args[0])
            super().__init__(*args, **kwds)

    async def main():
        proc = await asyncio.create_subprocess_exec("echo", "x", stdout=-1)
        assert await proc.communicate() == (b"x\n", None)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    with _fastproc.installed():
        run(main)
    assert started == [("echo", "x")]


# At odd moments


def test_the_garbage_collector_may_leave_it_in_the_midst_of_another(monkeypatch):
    class Bomb:
        pass

    def left_in_a_cycle():
        left = _fastproc.installed()
        left.__enter__()
        bomb = Bomb()
        bomb.itself, bomb.left = bomb, left

    replace = _fastproc._install.replace

    def replace_and_collect(*args):
        gc.collect()
        replace(*args)

    left_in_a_cycle()
    _fastproc.uninstall()
    left_in_a_cycle()
    _fastproc.uninstall()
    monkeypatch.setattr(_fastproc._install, "replace", replace_and_collect)
    with _fastproc.installed():
        assert is_installed()
    assert not is_installed()


@pytest.mark.skipif(uvloop is None, reason="uvloop is not installed")
def test_uvloop_half_imported_by_another_thread():
    source = """
        import builtins, sys, threading, _fastproc
        installing, imported = threading.Event(), builtins.__import__

        def slow(name, globals=None, *args):
            if globals and globals.get("__name__") == "uvloop" and not begun.is_set():
                begun.set()
                installing.wait(5)
            return imported(name, globals, *args)

        begun = threading.Event()
        builtins.__import__ = slow
        thread = threading.Thread(target=imported, args=("uvloop",))
        thread.start()
        begun.wait(5)
        assert not hasattr(sys.modules["uvloop"], "Loop")
        threading.Timer(0.05, installing.set).start()
        _fastproc.install()
        thread.join()
        print("subprocess_exec" in vars(sys.modules["uvloop"].Loop))
        print(_fastproc._install.UVLOOP_FINDER in sys.meta_path)
        """
    assert python(source).split() == ["True", "False"]


@pytest.mark.skipif(uvloop is None, reason="uvloop is not installed")
def test_uvloop_imported_lazily():
    source = """
        import importlib.util, sys, _fastproc
        _fastproc.install()
        spec = importlib.util.find_spec("uvloop")
        assert spec.loader.get_source and spec.loader.get_data(spec.origin)
        spec.loader = importlib.util.LazyLoader(spec.loader)
        uvloop = sys.modules["uvloop"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(uvloop)
        _fastproc.uninstall()
        _fastproc.install()
        print("subprocess_exec" in vars(uvloop.Loop))
        """
    assert python(source).split() == ["True"]


@pytest.mark.skipif(uvloop is None, reason="uvloop is not installed")
def test_uvloop_may_be_imported_later():
    print_all = """
        import asyncio, importlib.util, sys, _fastproc
        finders = list(sys.meta_path)
        _fastproc.install()
        assert "uvloop" not in sys.modules
        assert importlib.util.find_spec("uvloop").name == "uvloop"
        {between}
        import uvloop
        assert sys.meta_path == finders
        for thing in (uvloop.__loader__, uvloop.__spec__.loader):
            assert thing.__class__.__module__ != "_fastproc._install"
        print("subprocess_exec" in vars(uvloop.Loop))
        async def main():
            proc = await asyncio.create_subprocess_exec("true")
            await proc.wait()
            return type(proc).__module__
        print(uvloop.new_event_loop().run_until_complete(main()))
        _fastproc.uninstall()
        print("subprocess_exec" in vars(uvloop.Loop))
        """
    assert python(print_all.format(between="")).split() == ["True", "_fastproc", "False"]
    between = "_fastproc.uninstall(); assert sys.meta_path == finders"
    assert python(print_all.format(between=between)).split() == [
        "False",
        "asyncio.subprocess",
        "False",
    ]


def test_without_uvloop_its_import_fails_as_ever(tmp_path):
    source = """
        import sys
        import _fastproc
        sys.path[:] = [path for path in sys.path if "site-packages" not in path]
        _fastproc.install()
        try:
            import uvloop
        except ModuleNotFoundError as error:
            print(error.name)
        """
    assert python(source).split() == ["uvloop"]


# The pytest plugin

ENTRY_POINTS = {point.name: point for point in importlib.metadata.entry_points(group="pytest11")}
BY_HAND = ["-p", "pytest_fastproc"]
if "fastproc" in ENTRY_POINTS and ENTRY_POINTS["fastproc"].value == "pytest_fastproc":
    BY_HAND = []
SUITE = """
    import asyncio
    import sys
    from asyncio import create_subprocess_exec  # a name of its own, imported early

    def test_it():
        async def main():
            proc = await create_subprocess_exec("echo", "x", stdout=asyncio.subprocess.PIPE)
            assert await proc.communicate() == (b"x\\n", None)
            print("by", type(proc).__module__)
            print("imported", "_fastproc" in sys.modules)
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(main())
    """


def pytest_run(folder, *options):
    command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", *BY_HAND, *options]
    package = Path(_fastproc.__file__).resolve().parent
    path = [str(package.parent), str(package / "plugin"), *sys.path]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path), "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=TIMEOUT
    )


@pytest.mark.parametrize(
    "name", ["conftest.py", pytest.param("test_suite.py", marks=pytest.mark.slow)]
)
def test_the_plugin_is_off_unless_asked_for(tmp_path, name):
    """Also for names that a conftest.py imports, which is the first to be loaded."""
    (tmp_path / name).write_text(textwrap.dedent(SUITE))
    if name == "conftest.py":
        (tmp_path / "test_suite.py").write_text("from conftest import test_it\n")
    done = pytest_run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by asyncio.subprocess" in done.stdout and "fastproc:" not in done.stdout
    assert "imported False" in done.stdout
    done = pytest_run(tmp_path, "--fastproc")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by _fastproc" in done.stdout
    header = [line for line in done.stdout.splitlines() if line.startswith("fastproc: ")]
    assert len(header) == 1 and _fastproc.__version__ in header[0]


@pytest.mark.slow("the test above sees whether it is imported")
@pytest.mark.parametrize("options", [[], ["--fastproc"]])
def test_the_plugin_imports_the_package_only_when_asked_for(tmp_path, options):
    (tmp_path / "test_suite.py").write_text(
        f"import sys\ndef test_it(): assert ('_fastproc' in sys.modules) is {bool(options)}\n"
    )
    done = pytest_run(tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow("that is for pytest to do")
def test_the_plugin_may_be_turned_on_in_the_settings(tmp_path):
    (tmp_path / "test_suite.py").write_text(textwrap.dedent(SUITE))
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --fastproc\n")
    assert "by _fastproc" in pytest_run(tmp_path).stdout


@pytest.mark.skipif("fastproc" not in ENTRY_POINTS, reason="_fastproc is not installed with pip")
def test_the_plugin_is_found_by_its_entry_point():
    where = ENTRY_POINTS["fastproc"].value
    assert where == "pytest_fastproc", "installed from an older checkout: pip install -e . again"
