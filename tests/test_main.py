"""python -m _fastproc: the comparison, and running a program as python itself would."""

import os
import py_compile
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import _fastproc

ROOT = Path(__file__).resolve().parent.parent

WHERE = """
import sys
main = sys.modules["__main__"]
print(sys.argv, sys.path[0], __name__, main.__dict__ is globals())
print(__package__, __spec__ and __spec__.name, globals().get("__file__"), type(__builtins__))
"""


def python(*args, cwd=ROOT, environment=(), **kwds):
    env = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment)
    command = [sys.executable, *map(str, args)]
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 100}
    return subprocess.run(command, cwd=cwd, env=env, **(options | kwds))


@pytest.fixture
def same(tmp_path):
    """Runs `python args` and `python -m _fastproc args`: one outcome, which it returns."""

    def same(*args, flags=(), **kwds):
        with_options = {"cwd": tmp_path, **kwds}
        plain = python(*flags, *args, **with_options)
        ours = python(*flags, "-m", "_fastproc", *args, **with_options)
        assert (plain.returncode, plain.stdout, plain.stderr) == (
            ours.returncode,
            ours.stdout,
            ours.stderr,
        )
        return ours

    return same


@pytest.fixture
def program(tmp_path):
    def program(source, name="program.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        return name

    return program


@pytest.mark.parametrize(
    "forced, sentences",
    [
        ({}, []),
        ({"FASTPROC_SPAWN": "fork"}, ["It starts children by fork: "]),
        (
            {"FASTPROC_REAP": "thread"},
            [
                "It waits for each child in a thread because FASTPROC_REAP asks for it.",
                "If other code takes the status of a child, it is reported as 255.",
            ],
        ),
    ],
    ids=["auto", "fork", "thread"],
)
def test_without_arguments_it_says_what_the_machine_offers_and_compares(forced, sentences):
    done = python("-m", "_fastproc", "--quick", environment=forced)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = " ".join(done.stdout.split())
    machine = _fastproc._core.machine()
    if not forced:
        sentences = [f"It starts children by {machine['spawn']}: "]
        if machine["pidfd"]:
            sentences.append("It learns of exits from pidfds, so ")
    sentences += [
        f"It starts at most {machine['gate']} children at once, and the others wait in line",
        f"From {machine['share_from']:,} open descriptors on",
        "Real children, the medians of 2 rounds ± the spread",
        "Lower is better.",
    ]
    assert [sentence for sentence in sentences if sentence not in said] == []
    table = done.stdout.rpartition("\n\n")[2].splitlines()
    assert table[0].split() == ["asyncio", "_fastproc", "asyncio", "takes"]
    assert len(table) == 6
    for row in table[1:]:
        assert re.search(r"(\d\S* ±\d+% +){2}(\d+\.\d times|-)$", row), row


def test_on_a_terminal_it_shows_its_progress():
    controller, terminal = os.openpty()
    done = python(
        "-m",
        "_fastproc",
        "--quick",
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        capture_output=False,
    )
    os.close(terminal)
    with open(controller, "rb", closefd=True, buffering=0) as stream:
        shown = stream.read(4096).decode()
    assert done.returncode == 0
    for number in (1, 2):
        assert f"comparing asyncio and _fastproc, round {number} of 2" in shown
    assert shown.endswith("\r\x1b[K")


def test_help_and_version():
    done = python("-m", "_fastproc", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: python -m _fastproc")
    done = python("-m", "_fastproc", "--version")
    assert done.stdout == f"_fastproc {_fastproc.__version__}\n"


@pytest.mark.parametrize("arguments", [["--nonsense"], ["-c"], ["-m"]])
def test_wrong_options_give_the_usage_and_status_2(arguments):
    done = python("-m", "_fastproc", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("usage:") and arguments[0] in done.stderr.splitlines()[-1]


CHILD = """
import asyncio
async def main():
    proc = await asyncio.create_subprocess_exec("true")
    print(type(proc).__module__, await proc.wait())
asyncio.run(main())
"""


def test_a_program_uses_it(program, tmp_path):
    name = program(CHILD)
    for how in ([name], ["-m", "program"], ["-c", CHILD]):
        done = python("-m", "_fastproc", *how, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "_fastproc 0\n"), done.stderr


def test_a_script_sees_its_own_arguments_namespace_and_path(same, program):
    assert "--help" in same(program(WHERE), "a", "--help", "-m").stdout


def test_a_script_elsewhere_or_behind_a_link(same, program, tmp_path):
    same(program(WHERE, "folder/program.py"))
    (tmp_path / "link.py").symlink_to(tmp_path / "folder/program.py")
    same("link.py")


def test_a_module_sees_its_own_arguments_namespace_and_path(same, program):
    program(WHERE, "module.py")
    program("", "package/__init__.py")
    program("from . import __name__ as name; print(name)" + WHERE, "package/__main__.py")
    same("-m", "module", "a", "--version")
    same("-m", "package")
    assert "No module named" in same("-m", "package.nothing").stderr


def test_code_sees_its_own_arguments_namespace_and_path(same):
    same("-c", WHERE, "a", "-c")


def test_a_folder_and_a_zip_file(same, program, tmp_path):
    program(WHERE, "folder/__main__.py")
    same("folder", "a")
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        archive.writestr("__main__.py", WHERE)
    same("zipped.zip", "a")


def test_a_compiled_program(same, program, tmp_path):
    py_compile.compile(tmp_path / program(WHERE), cfile=tmp_path / "compiled.pyc")
    same("compiled.pyc", "a")


def test_a_program_on_standard_input(same):
    same("-", "a", input=WHERE, stdin=None)


def test_an_option_and_its_argument_in_one_word(same, program):
    program(WHERE, "module.py")
    same("-mmodule", "a")
    same("-cprint(1)")


@pytest.mark.slow("test_main.py tries all ways with less", when=lambda way: way == "code")
@pytest.mark.parametrize("way", ["script", "code", "stdin"])
def test_the_namespace_has_what_python_gives_it(same, program, way):
    source = """
import sys
names = {name: type(value).__name__ for name, value in globals().items()}
print(sorted(names.items()))
print(getattr(__loader__, "name", __loader__), sys.excepthook is sys.__excepthook__)
"""
    how = {"script": [f"./{program(source)}"], "code": ["-c", source], "stdin": ["-"]}[way]
    same(*how, input=source, stdin=None)
    same(program("print(__file__, __loader__.get_data(__file__))"))
    same("./program.py")


def test_safe_path(same, program):
    same(program(WHERE, "folder/program.py"), flags=["-P"])
    same("-c", WHERE, flags=["-P"])


def test_no_such_script(same):
    assert same("nothing.py").returncode == 2


@pytest.mark.parametrize(
    "source, status",
    [
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('sentence')", 1),
        ("raise SystemExit", 0),
        ("def f():\n    1 / 0\n\n\nf()\n", 1),
        ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('x') from e\n", 1),
        ("raise ExceptionGroup('g', [ValueError(1)])\n", 1),
        ("if True\n", 1),
        ("raise KeyboardInterrupt\n", -signal.SIGINT),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import sys\nsys.excepthook = lambda *args: print(args[1])\n1 / 0\n", 1),
        ("import sys\nsys.excepthook = lambda *args: print(args[2].tb_lineno)\n1 / 0\n", 1),
        ("import sys\nsys.excepthook = lambda *args: 1 / 0\n[][0]\n", 1),
        ("import threading\nthreading.Timer(0.1, print, ['late']).start()\n1 / 0\n", 1),
        ("import atexit\natexit.register(lambda: print(late))\nlate = __name__\n", 0),
    ],
)
@pytest.mark.slow(
    "traceback and status of the simplest kind are enough to see that the exception is left alone",
    when=lambda source: any(word in source for word in ("from e", "Group", "[][0]", "tb_lineno")),
)
@pytest.mark.parametrize(
    "way", ["script", *(pytest.param(way, marks=pytest.mark.slow) for way in ("module", "code"))]
)
def test_status_and_traceback_are_those_of_python(same, program, way, source, status):
    name = program(source)
    how = {"script": [name], "module": ["-m", "program"], "code": ["-c", source]}[way]
    assert same(*how).returncode == status
