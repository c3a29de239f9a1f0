"""The house rules of the C code: rooms, one way down, no circles, no state outside modules."""

import re
import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "_fastproc"
# Each room may use what stands to its left; "" is what lies beside the rooms, _core.c above all.
ROOMS = ("posix", "stream", "python", "loop", "pipe", "child", "")
WITHOUT_PYTHON = {"posix", "stream"}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.[ch]"))
SOURCES = [name for name in FILES if name.endswith(".c")]
LINES = 500  # a longer file is a smell, no crime
# Groups of files that are one thing, and may call each other in a circle.
ONE_THING = ()
# The methods of an event loop, by their interned names, and the one file that calls each.
LOOP_METHODS = {
    "add_reader": "loop/loop_methods.c",
    "call_exception_handler": "loop/loop_methods.c",
    "call_later": "loop/loop_methods.c",
    "call_soon": "loop/loop_methods.c",
    "create_future": "loop/loop_methods.c",
    "get_debug": "loop/plain_loop.c",
    "is_closed": "loop/loop_methods.c",
    "remove_reader": "loop/loop_methods.c",
}
# Tables that CPython takes as pointers to non-const, and does not write to.
TABLES = "PyMethodDef PyGetSetDef PyMemberDef PyModuleDef PyModuleDef_Slot PyType_Slot PyType_Spec"
TABLES += " PyStructSequence_Field PyStructSequence_Desc"
KEYWORDS = r"char \*"  # what PyArg_ParseTupleAndKeywords takes

COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
INTERNED = re.compile(r"\bnames\s*\.\s*(\w+)")
CALLED = re.compile(r'\b(?:CallMethod|GetAttrString)\w*\([^;"]*"(\w+)"')


def room(name):
    return name.rpartition("/")[0]


def may_use(name, other):
    return ROOMS.index(room(other)) <= ROOMS.index(room(name))


def text(name):
    return (PACKAGE / name).read_text()


def without_comments(name):
    return COMMENT_OR_STRING.sub(lambda m: m[0] if m[0][0] == '"' else " ", text(name))


def strings(name):
    return [s[1:-1] for s in COMMENT_OR_STRING.findall(text(name)) if s[0] == '"']


def circles(links):
    """The groups of names that can reach each other, each sorted; `links` is {name: names}."""
    reached = {}
    for start in links:
        reached[start], left = set(), [start]
        while left:
            for name in links.get(left.pop(), ()):
                if name not in reached[start]:
                    reached[start].add(name)
                    left.append(name)
    together = {
        tuple(sorted({a} | {b for b in reached[a] if a in reached.get(b, ())}))
        for a in links
        if a in reached[a]
    }
    return sorted(together)


def test_there_is_something_to_check():
    assert {room(name) for name in FILES} == set(ROOMS)


def test_includes_point_down():
    for name in FILES:
        for kind, included in INCLUDE.findall(without_comments(name)):
            if kind == '"':
                assert included in FILES, f"{name}: name {included} from the package's folder"
                assert may_use(name, included), (name, included)
            if room(name) in WITHOUT_PYTHON:
                assert not re.match(r"Python\.h|cpython/|internal/|structmember", included), name


def test_headers_include_each_other_in_no_circle():
    links = {
        name: {inner for kind, inner in INCLUDE.findall(without_comments(name)) if kind == '"'}
        for name in FILES
        if name.endswith(".h")
    }
    assert circles(links) == []


def test_a_file_opens_with_what_it_is_and_its_licence():
    for name in FILES:
        assert text(name).startswith(("/*", "//")), name
        assert text(name).count("SPDX-License-Identifier:") == 1, name
        assert "SPDX-License-Identifier: MIT\n" in "\n".join(text(name).splitlines()[:20]), name


def test_a_file_is_not_longer_than_one_can_read():
    assert [name for name in FILES if len(text(name).splitlines()) > LINES] == []


def test_each_file_is_described_in_the_list_of_files():
    described = (PACKAGE / "README.rst").read_text().partition("\nThe files\n")[2]
    rooms = dict(re.findall(r"^``(\w+)/``:.*\n((?:   - .*\n)+)", described, re.MULTILINE))
    for name in FILES:
        if room(name):
            stem = Path(name).stem
            assert f"``{stem}``" in rooms[room(name)], name


def test_one_file_knows_python_versions():
    assert {name for name in FILES if "PY_VERSION_HEX" in without_comments(name)} <= {
        "python/compat.h"
    }


def test_one_file_calls_a_method_of_a_loop():
    # By interned names, as all calls of methods are made, or spelled out.
    by_name = {name: set(INTERNED.findall(without_comments(name))) for name in FILES}
    spelled = {name: set(CALLED.findall(text(name))) for name in FILES}
    found = {
        method: [name for name in FILES if method in by_name[name] | spelled[name]]
        for method in LOOP_METHODS
    }
    assert found == {method: [file] for method, file in LOOP_METHODS.items()}


@pytest.fixture(scope="module")
def symbols(objects):
    """{file: [(is it global, section, symbol)]} of what each file defines."""
    row = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\t[0-9a-f]+ +(?:\.\w+ )?(\S+)$", re.MULTILINE)
    found = {}
    for name, target in objects.items():
        table = subprocess.run(["objdump", "-t", target], check=True, capture_output=True).stdout
        found[name] = [
            (flag[0] in "gu", section, symbol)
            for flag, section, symbol in row.findall(table.decode())
            if section != "*UND*" and symbol != section and flag[-1] != "f"
        ]
    assert all(found.values())
    return found


@pytest.fixture(scope="module")
def links(objects):
    """{file: {file: what the first uses of the second}}, as the linker sees it."""
    listed = {
        name: subprocess.run(["nm", target], check=True, capture_output=True, text=True).stdout
        for name, target in objects.items()
    }
    rows = {name: [line.split()[-2:] for line in out.splitlines()] for name, out in listed.items()}
    home = {symbol: name for name in rows for kind, symbol in rows[name] if kind in set("TDBRVW")}
    found = {name: {} for name in rows}
    for name in rows:
        for kind, symbol in rows[name]:
            if kind == "U" and symbol in home:
                found[name].setdefault(home[symbol], []).append(symbol)
    assert sum(map(len, found.values())) > len(found)
    return found


def test_calls_point_down(links):
    up = {
        f"{name} -> {other}": used
        for name in links
        for other, used in links[name].items()
        if not may_use(name, other)
    }
    assert up == {}


def test_no_files_call_each_other_in_a_circle(links):
    assert [group for group in circles(links) if group not in ONE_THING] == []


def test_linkage_outside_a_file_is_named_fp(symbols):
    for name, defined in symbols.items():
        public = [symbol for is_global, _, symbol in defined if is_global]
        if room(name) in WITHOUT_PYTHON:
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
