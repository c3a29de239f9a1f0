# SPDX-License-Identifier: MIT
"""What users read: signatures and docstrings of everything public, the texts, README's examples."""

import asyncio
import contextlib
import inspect
import io
import os
import re
import shutil
import signal
import time
from pathlib import Path

import docutils.core
import pytest
from support import LINUX

import _fastproc

CLASSES = {
    "Process": asyncio.subprocess.Process,
    "StreamReader": asyncio.StreamReader,
    "StreamWriter": asyncio.StreamWriter,
    "SubprocessTransport": asyncio.SubprocessTransport,
}
METHODS = [
    (cls, name)
    for cls in CLASSES
    for name, member in vars(getattr(_fastproc, cls)).items()
    if callable(member) and not name.startswith("_")
]
OURS = [(cls, name) for cls, name in METHODS if not hasattr(CLASSES[cls], name)]
METHODS = [method for method in METHODS if method not in OURS]
FUNCTIONS = ["create_subprocess_exec", "create_subprocess_shell"]


def parameters(function):
    return [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "self"
    ]


@pytest.mark.parametrize("cls, name", METHODS)
def test_method_has_the_signature_of_asyncios(cls, name):
    ours = getattr(getattr(_fastproc, cls), name)
    theirs = getattr(CLASSES[cls], name)
    shared = len(parameters(theirs))
    assert parameters(ours)[:shared] == parameters(theirs)
    assert all(kind == inspect.Parameter.KEYWORD_ONLY for _, kind, _ in parameters(ours)[shared:])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_has_the_signature_of_asyncios(name):
    assert parameters(getattr(_fastproc, name)) == parameters(getattr(asyncio, name))


@pytest.mark.parametrize("cls, name", METHODS)
def test_method_says_what_it_returns_and_which_asyncio_function_it_stands_for(cls, name):
    doc = getattr(getattr(_fastproc, cls), name).__doc__
    assert doc.startswith("-> ")
    named = re.search(r"asyncio\.[\w.]+\.(\w+)\.$", doc)
    assert named and named[1] == name
    assert hasattr(CLASSES[cls], name)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_public_method_of_asyncios_class_is_ours(cls):
    missing = {
        name
        for name in vars(CLASSES[cls])
        if not name.startswith("_") and name not in vars(getattr(_fastproc, cls))
    }
    # start_tls() is for sockets; asyncio's own fails on a pipe in the same way.
    assert missing <= {"start_tls"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_names_the_asyncio_function(name):
    assert f"asyncio.{name}." in getattr(_fastproc, name).__doc__


@pytest.mark.parametrize("name", ["subprocess_exec", "subprocess_shell"])
def test_low_level_function_is_that_of_the_loop(name):
    ours = inspect.signature(getattr(_fastproc, name)).parameters
    theirs = inspect.signature(getattr(asyncio.BaseEventLoop, name)).parameters
    shared = [name for name in theirs if name in ours]
    assert shared == ["protocol_factory", *list(ours)[1:-1]] and list(ours)[-1] == "kwds"
    assert all(ours[name].default == theirs[name].default for name in shared)
    assert all(ours[name].kind == theirs[name].kind for name in shared)
    assert f"asyncio.loop.{name}." in getattr(_fastproc, name).__doc__


@pytest.mark.parametrize("name", ["install", "installed", "run", "run_shell", "uninstall"])
def test_function_of_our_own_is_documented(name):
    assert len(getattr(_fastproc, name).__doc__) > 80


@pytest.mark.parametrize("cls, name", OURS)
def test_method_of_our_own_is_documented_and_says_so(cls, name):
    doc = inspect.getdoc(getattr(getattr(_fastproc, cls), name))
    summary, _, rest = doc.partition("\n\n")
    assert len(summary.splitlines()) == 1 and summary.endswith(".")
    assert "Returns " in rest and rest.endswith("Not in asyncio.")
    assert max(map(len, doc.splitlines())) <= 100


@pytest.mark.parametrize("name", ["run", "run_shell"])
def test_help_of_run_tells_every_parameter(name):
    doc = inspect.getdoc(getattr(_fastproc, name))
    if name == "run_shell":
        assert "run()" in doc
        return
    for parameter in inspect.signature(getattr(_fastproc, name)).parameters:
        assert re.search(rf"^[\w, ]*\b{parameter}\b[\w, ]*:", doc, re.MULTILINE), parameter


def test_run_shell_takes_the_keywords_of_run():
    runs = inspect.signature(_fastproc.run).parameters
    shells = inspect.signature(_fastproc.run_shell).parameters
    assert list(runs.values())[2:] == list(shells.values())[1:]


ROOT = Path(__file__).parent.parent
FOLDERS = ["", ".github/", "_fastproc/", "tests/", "tests/bench/", "tests/bench/results/"]
TEXTS = [path for folder in FOLDERS for path in sorted(ROOT.glob(f"{folder}*.rst"))]


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_text_is_what_docutils_reads_without_a_word(file):
    warnings = io.StringIO()
    settings = {"warning_stream": warnings, "report_level": 2}
    docutils.core.publish_doctree(file.read_text(), settings_overrides=settings)
    assert warnings.getvalue() == ""


def test_every_text_is_read():
    found = {path for path in ROOT.rglob("*.rst") if "site-packages" not in path.parts}
    assert found == set(TEXTS)


def test_readme_is_short():
    lines = (ROOT / "README.rst").read_text().splitlines()
    assert len(lines) <= 200
    assert [line for line in lines if len(line) > 120] == []


# Files, tests and folders that a text names.
NAMED = re.compile(r"``((?:[\w.-]+/)*(?:[\w-]+\.(?:py|pyi|rst|[ch]|md|js|go|svg|toml)|[\w-]+/))``")


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_files_that_a_text_names_are_there(file):
    folders = [ROOT, ROOT / "_fastproc", ROOT / "tests", file.parent]
    if file.parent == ROOT / "_fastproc":  # where a file is found by its name alone
        folders += [path for path in file.parent.iterdir() if path.is_dir()]
    named = NAMED.findall(file.read_text())
    missing = {name for name in named if not any((at / name).exists() for at in folders)}
    assert missing <= {"program.py", "posix/poller_NAME.c"}


def readme_examples():
    text = (ROOT / "README.rst").read_text()
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text)
    return [re.sub(r"^    ", "", block, flags=re.M) for block in blocks]


def run_example(source, **replaced):
    """The namespace that it leaves."""
    for old, new in replaced.items():
        assert old in source
        source = source.replace(old, new)
    namespace = {}
    exec(compile(source, "README.rst", "exec"), namespace)
    return namespace


# A grandchild holds the pipes of each command, also after the child has ended.
def test_readme_example_of_lines_runs(capsys):
    lines, _, _ = readme_examples()
    command = '"sh", "-c", "(sleep 0.2; echo two) & echo one"'
    run_example(lines, **{'"git", "log", "--oneline"': command})
    assert capsys.readouterr().out == "one\ntwo\nexit code 0\n"


@pytest.fixture
def collect():
    """The example, with one second in the place of ten: its result, and how long it took."""
    _, source, _ = readme_examples()
    function = run_example(source, **{"timeout=10": "timeout=1"})["collect"]

    def collect(command):
        began = time.monotonic()
        return asyncio.run(function(command, "text")), time.monotonic() - began

    return collect


def test_readme_example_of_a_time_limit_runs(collect):
    result, _ = collect("(sleep 0.1; echo late) & cat; exit 3")
    assert result == (3, "textlate\n")


def is_alive(pid):
    """Not one that has ended, and whose new parent does not look for that."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
@pytest.mark.parametrize("end", ["exec sleep 60", "wait"])
def test_readme_example_of_a_time_limit_keeps_it(collect, end, tmp_path):
    result, took = collect(f"sleep 60 & echo $! >{tmp_path}/pid; echo early; {end}")
    assert result == ("too long", "early\n")
    assert 1 <= took < 6
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_readme_example_of_a_time_limit_does_not_wait_for_a_grandchild(collect):
    """One that goes on behind a child that has ended, and holds its pipes."""
    result, took = collect("sleep 6 & echo early; exit 3")
    assert result == (3, "early\n")
    assert took < 5


@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid")
@pytest.mark.parametrize("end", ["exit 3", "exec sleep 60"])
def test_readme_example_of_a_time_limit_keeps_it_beside_a_daemon(collect, end, tmp_path):
    """Which has a session of its own and holds the pipes."""
    _, took = collect(f"setsid sh -c 'echo $$ >{tmp_path}/pid; exec sleep 60' & sleep 0.1; {end}")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert took < 5


def test_readme_example_of_install_runs():
    _, _, install = readme_examples()
    create = asyncio.create_subprocess_exec
    run_example(install)
    assert asyncio.create_subprocess_exec is not create
    _fastproc.uninstall()
    assert asyncio.create_subprocess_exec is create
