"""The house rules of the C code: three floors, includes point down, no state outside modules."""

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "_fastproc"
MAY_INCLUDE = {
    "posix": {"posix"},
    "stream": {"posix", "stream"},
    "binding": {"posix", "stream", "binding"},
}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("*/*.[ch]"))
LINES = 500
# The loop's methods have one home; module.* holds their interned names, plain_loop.c compares them.
LOOP_METHODS = {"add_reader", "remove_reader", "call_soon", "create_future"}
LOOP_FILES = {"binding/hub.c", "binding/module.c", "binding/module.h", "binding/plain_loop.c"}
# Tables that CPython takes as pointers to non-const, and does not write to.
TABLES = "PyMethodDef PyGetSetDef PyMemberDef PyModuleDef PyModuleDef_Slot PyType_Slot PyType_Spec"
TABLES += " PyStructSequence_Field PyStructSequence_Desc"
KEYWORDS = r"char \*"  # what PyArg_ParseTupleAndKeywords takes

COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def floor(name):
    return name.partition("/")[0]


def text(name):
    return (PACKAGE / name).read_text()


def without_comments(name):
    return COMMENT_OR_STRING.sub(lambda m: m[0] if m[0][0] == '"' else " ", text(name))


def strings(name):
    return [s[1:-1] for s in COMMENT_OR_STRING.findall(text(name)) if s[0] == '"']


def test_there_is_something_to_check():
    assert {floor(name) for name in FILES} == set(MAY_INCLUDE)


@pytest.mark.parametrize("name", FILES)
def test_includes_point_down(name):
    for kind, included in INCLUDE.findall(without_comments(name)):
        if kind == '"':
            assert floor(included) in MAY_INCLUDE[floor(name)], included
            assert included in FILES, f"{included}: name it from the package's folder"
        if floor(name) != "binding":
            assert not re.match(r"Python\.h|cpython/|internal/|structmember", included)


@pytest.mark.parametrize("name", FILES)
def test_a_file_opens_with_what_it_is_and_its_licence(name):
    assert text(name).startswith(("/*", "//"))
    assert text(name).count("SPDX-License-Identifier:") == 1
    assert "SPDX-License-Identifier: MIT\n" in "\n".join(text(name).splitlines()[:20])


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_not_longer_than_one_can_read(name):
    length = len(text(name).splitlines())
    assert length <= LINES


def test_one_file_knows_python_versions():
    assert {name for name in FILES if "PY_VERSION_HEX" in without_comments(name)} <= {
        "binding/compat.h"
    }


def test_one_file_names_the_methods_of_the_loop():
    assert {name for name in FILES if LOOP_METHODS & set(strings(name))} <= LOOP_FILES


@pytest.fixture(scope="module")
def symbols(tmp_path_factory):
    """{file: [(is it global, section, symbol)]} of what each file defines."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if not shutil.which(compiler[0]) or not shutil.which("objdump"):
        pytest.skip("needs a compiler and objdump")
    folder = tmp_path_factory.mktemp("objects")
    include = {sysconfig.get_path("include"), sysconfig.get_path("platinclude"), PACKAGE}
    flags = ["-std=c11", "-D_GNU_SOURCE", "-fPIC", "-w", *(f"-I{path}" for path in include)]

    def symbols_of(name):
        target = folder / (name.replace("/", "_") + ".o")
        subprocess.run([*compiler, *flags, "-c", PACKAGE / name, "-o", target], check=True)
        table = subprocess.run(["objdump", "-t", target], check=True, capture_output=True).stdout
        row = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\t[0-9a-f]+ +(?:\.\w+ )?(\S+)$", re.MULTILINE)
        return [
            (flag[0] in "gu", section, symbol)
            for flag, section, symbol in row.findall(table.decode())
            if section != "*UND*" and symbol != section and flag[-1] != "f"
        ]

    sources = [name for name in FILES if name.endswith(".c")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(sources, pool.map(symbols_of, sources)))
    assert all(found.values())
    return found


def test_linkage_outside_a_file_is_named_fp(symbols):
    for name, defined in symbols.items():
        public = [symbol for is_global, _, symbol in defined if is_global]
        if floor(name) != "binding":
            assert [symbol for symbol in public if not symbol.startswith("fp_")] == [], name


def test_no_variable_outlives_its_function_or_module(symbols):
    types = "|".join([*TABLES.split(), KEYWORDS])
    table = re.compile(rf"\b(?:{types})\s*(\w+)\s*(?:\[\w*\]\s*)?=")
    for name, defined in symbols.items():
        tables = set(table.findall(without_comments(name)))
        writable = [
            symbol
            for _, section, symbol in defined
            if re.match(r"\.t?(data|bss)\b(?!\.rel\.ro)|\*COM\*", section)
            and symbol.partition(".")[0] not in tables
        ]
        assert writable == [], name
