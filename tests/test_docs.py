# SPDX-License-Identifier: MIT
"""What help() says: a signature and a docstring for everything public, README's examples that run."""

import asyncio
import inspect
import io
import re
from pathlib import Path

import docutils.core
import pytest

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
    assert parameters(ours) == parameters(theirs)


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


@pytest.mark.parametrize("name", ["install", "installed", "uninstall"])
def test_function_of_our_own_is_documented(name):
    assert len(getattr(_fastproc, name).__doc__) > 80


ROOT = Path(__file__).parent.parent
TEXTS = sorted([*ROOT.glob("*.rst"), *ROOT.glob("tests/bench/**/*.rst")])


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_text_is_what_docutils_reads_without_a_word(file):
    warnings = io.StringIO()
    settings = {"warning_stream": warnings, "report_level": 2}
    docutils.core.publish_doctree(file.read_text(), settings_overrides=settings)
    assert warnings.getvalue() == ""


def readme_examples():
    text = (ROOT / "README.rst").read_text()
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text)
    return [re.sub(r"^    ", "", block, flags=re.M) for block in blocks]


def test_readme_examples_run(capsys):
    lines, collect, install = readme_examples()
    lines = lines.replace('"git", "log", "--oneline"', '"printf", "one\\ntwo\\n"')
    exec(compile(lines, "README.rst", "exec"), {})
    assert capsys.readouterr().out == "one\ntwo\nexit code 0\n"

    namespace = {"asyncio": asyncio, "_fastproc": _fastproc}
    exec(compile(collect.replace("timeout(10)", "timeout(0.1)"), "README.rst", "exec"), namespace)
    assert asyncio.run(namespace["collect"]("cat; echo err >&2", "text")) == (b"text", b"err\n")
    slow = asyncio.run(namespace["collect"]("echo early; exec sleep 60", "text"))
    assert slow == (b"early\n", b"")

    create = asyncio.create_subprocess_exec
    exec(compile(install, "README.rst", "exec"), {})
    assert asyncio.create_subprocess_exec is not create
    _fastproc.uninstall()
    assert asyncio.create_subprocess_exec is create
