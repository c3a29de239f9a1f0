# SPDX-License-Identifier: MIT
"""What users read: signatures and docstrings of everything public, the texts, README's examples."""

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import shutil
import signal
import sys
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
STUB = Path(_fastproc.__file__).with_name("__init__.pyi")


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


# A docstring: a summary, a blank line, perhaps more, then a line for each parameter, "Returns", "Raises"
# (longer ones go on indented), a blank line, and which function it is like.

LOW_LEVEL = ["subprocess_exec", "subprocess_shell"]
DOCUMENTED = [*METHODS, *OURS, *((None, name) for name in [*FUNCTIONS, *LOW_LEVEL])]
LIKE = {
    None: "asyncio",
    "Process": "asyncio.subprocess.Process",
    "StreamReader": "asyncio.StreamReader",
    "StreamWriter": "asyncio.StreamWriter",
    "SubprocessTransport": "asyncio.SubprocessTransport",
}


def member(cls, name):
    return getattr(getattr(_fastproc, cls) if cls else _fastproc, name)


def lines_of(doc):
    """With what is indented joined to the line before."""
    return re.sub(r"\n {4}", " ", inspect.cleandoc(doc)).split("\n")


def parameters_of(doc):
    return [found[1] for line in lines_of(doc) if (found := re.match(r"(\w+): ", line))]


@pytest.mark.parametrize("cls, name", DOCUMENTED)
def test_docstring_has_a_summary_and_names_the_function_of_asyncio(cls, name):
    doc = member(cls, name).__doc__
    summary, *_, blank, like = lines_of(doc)
    assert re.fullmatch(r"[A-Z][^.]*\.", summary)
    assert blank == ""
    if (cls, name) in OURS:
        assert like == "Not in asyncio."
        return
    named = re.fullmatch(r"Like (asyncio[\w.]*)\.(\w+)\(\)\.", like)
    assert named[2] == name
    if cls == "SubprocessTransport" and name not in vars(CLASSES[cls]):
        assert named[1] == "asyncio.BaseTransport"
    else:
        assert named[1] == LIKE[cls] + ".loop" * (name in LOW_LEVEL)


@pytest.mark.parametrize("cls, name", DOCUMENTED)
def test_docstring_describes_every_parameter_in_order(cls, name):
    described = parameters_of(member(cls, name).__doc__)
    assert described == [name for name, _, _ in parameters(member(cls, name))]


def result_in_stub(cls, name):
    """(whether it is awaited, the type) as the stub has it."""
    scope = ast.parse(STUB.read_text()).body
    if cls is not None:
        (scope,) = (node.body for node in scope if getattr(node, "name", None) == cls)
    function, *overloads = (node for node in scope if getattr(node, "name", None) == name)
    if overloads:
        pytest.skip("has several types")
    text = ast.unparse(function.returns)
    coroutine = re.fullmatch(r"Coroutine\[Any, Any, (.*)\]", text)
    if coroutine:
        return True, coroutine[1]
    return isinstance(function, ast.AsyncFunctionDef), text


@pytest.mark.parametrize("cls, name", DOCUMENTED)
def test_docstring_and_stub_agree_on_the_result(cls, name):
    doc = "\n".join(lines_of(member(cls, name).__doc__))
    said = re.search(r"^Returns (an awaitable of )?([^;]*?)(;.*)?\.?$", doc, re.MULTILINE)
    assert result_in_stub(cls, name) == ((bool(said[1]), said[2]) if said else (False, "None"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings_name_every_keyword_of_the_stub(name):
    (function,) = (
        node for node in ast.parse(STUB.read_text()).body if getattr(node, "name", None) == name
    )
    arguments = [arg.arg for arg in function.args.args + function.args.kwonlyargs]
    doc = _fastproc.create_subprocess_exec.__doc__ + _fastproc.create_subprocess_shell.__doc__
    assert [name for name in arguments if not re.search(rf"\b{name}\b", doc)] == []


def documented_objects():
    """Everything public that has a docstring of ours."""
    for name in _fastproc.__all__:
        value = getattr(_fastproc, name)
        if callable(value):
            yield name, value
            if isinstance(value, type):
                for attribute, member in vars(value).items():
                    if not attribute.startswith("_"):
                        yield f"{name}.{attribute}", member


PUBLIC = dict(documented_objects())


@pytest.mark.parametrize("name", PUBLIC)
def test_help_fits_eighty_columns(name):
    """Where it is indented most: a method, in the help of the whole package."""
    assert PUBLIC[name].__doc__
    assert [line for line in inspect.getdoc(PUBLIC[name]).splitlines() if len(line) > 80 - 11] == []


@pytest.mark.parametrize("cls", CLASSES)
def test_every_public_method_of_asyncios_class_is_ours(cls):
    missing = {
        name
        for name in vars(CLASSES[cls])
        if not name.startswith("_") and name not in vars(getattr(_fastproc, cls))
    }
    # start_tls() is for sockets; asyncio's own fails on a pipe in the same way.
    assert missing <= {"start_tls"}


@pytest.mark.parametrize("name", LOW_LEVEL)
def test_low_level_function_is_that_of_the_loop(name):
    ours = inspect.signature(getattr(_fastproc, name)).parameters
    theirs = inspect.signature(getattr(asyncio.BaseEventLoop, name)).parameters
    shared = [name for name in theirs if name in ours]
    assert shared == ["protocol_factory", *list(ours)[1:-1]] and list(ours)[-1] == "kwds"
    assert all(ours[name].default == theirs[name].default for name in shared)
    assert all(ours[name].kind == theirs[name].kind for name in shared)


@pytest.mark.parametrize("name", ["install", "installed", "run", "run_shell", "uninstall"])
def test_function_of_our_own_is_documented(name):
    assert len(getattr(_fastproc, name).__doc__) > 80


def test_docstring_of_run_describes_every_parameter_in_order():
    runs = _fastproc.run.__doc__
    assert parameters_of(runs) == [name for name, _, _ in parameters(_fastproc.run)]
    assert "those of run()." in " ".join(_fastproc.run_shell.__doc__.split())


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


def test_every_file_and_folder_of_tests_is_described():
    text = (ROOT / "tests" / "README.rst").read_text()
    files = {path.name for path in ROOT.glob("tests/*.py")}
    folders = {f"{path.parent.name}/" for path in ROOT.glob("tests/*/*") if path.is_file()}
    assert {
        name for name in files | folders - {"__pycache__/"} if f"``{name}``" not in text
    } == set()


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


def readme_examples(name="README.rst"):
    text = (ROOT / name).read_text()
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
@pytest.mark.slow("sh waits for sleep, as the first becomes it", when=lambda end: end == "wait")
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
@pytest.mark.slow("the time limit is kept above", when=lambda end: end != "exit 3")
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


# The five jobs


@pytest.fixture(scope="module")
def jobs():
    """The namespaces of the five examples."""
    return [run_example(source) for source in readme_examples("_fastproc/JOBS.rst")]


def test_jobs_are_five_and_short():
    sources = readme_examples("_fastproc/JOBS.rst")
    for source in sources:
        lines = [line for line in source.splitlines() if line and not line.startswith("import ")]
        assert len(lines) <= 12, source
    assert len(sources) == 5


def test_job_of_many_commands(jobs, capsys):
    results = asyncio.run(jobs[0]["run_all"]([f"echo {n}; sleep 0.01" for n in range(30)], 4))
    assert [done.stdout for done in results] == [b"%d\n" % n for n in range(30)]
    assert capsys.readouterr().out.count(" of 30: 0 in 0.") == 30


def test_job_of_a_server_that_is_started_again(jobs, tmp_path):
    server = tmp_path / "server"
    server.write_text("#!/bin/sh\nread line; echo $line; read line; echo $line\n")  # twice
    server.chmod(0o755)
    requests = [{"number": n, "text": "x" * 100_000} for n in range(5)]

    async def ask():
        return [answer async for _, answer in jobs[1]["ask_all"](server, requests[:])]

    assert asyncio.run(ask()) == requests


def test_job_of_a_build(jobs, capfd):
    asyncio.run(jobs[2]["build"]("sh", "-c", "echo seen"))
    assert "seen" in capfd.readouterr().out
    with pytest.raises(SystemExit, match="last words:\nbad"):
        asyncio.run(jobs[2]["build"]("sh", "-c", "echo bad >&2; exit 1"))


def test_job_of_many_machines(jobs):
    ssh = ("sh", "-c", 'echo "$0 $1"')
    results = asyncio.run(jobs[3]["on_each"]([f"host{n}" for n in range(20)], "uptime", ssh))
    assert results == [(f"host{n}", 0, f"host{n} uptime\n") for n in range(20)]


def test_job_of_a_server_that_is_stopped(jobs, capsys):
    script = "echo starting; sleep 60 & echo ready >&2; wait"
    serving = jobs[4]["serve"]("sh", "-c", script, until=lambda line: line == "ready\n")
    assert asyncio.run(serving) == -signal.SIGTERM
    assert capsys.readouterr().out == "server: starting\nserver! ready\n"


# Terminals


@pytest.mark.skipif(not LINUX, reason="has no terminals for children")
def test_examples_of_terminals_run(capsys):
    """It ends by asyncio.run() of each function, one of which asserts what it has read itself."""
    (source,) = readme_examples("_fastproc/OPTIONS.rst")
    run_example(source.replace('"python3"', repr(sys.executable)))
    output = capsys.readouterr().out
    assert "\x1b[" in output  # a colour
    assert "6 characters" in output
