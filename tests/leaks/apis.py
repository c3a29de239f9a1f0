"""What there is to be used: the functions, and everything that the types in C have.

Names are as in "StreamReader.readline", for functions without a dot. With a leading underscore too:
asyncio has such names, and programs use them.
"""

import ast
from pathlib import Path

import _fastproc

STUB = Path(_fastproc.__file__).with_name("__init__.pyi")
# No use of these runs code of ours: they are Python's own, or where a type's parts lie.
EVERYWHERE = {"__doc__", "__module__", "__dict__", "__weakref__"}
EVERYWHERE |= {"__static_attributes__", "__firstlineno__"}
EVERYWHERE |= {"__dictoffset__", "__vectorcalloffset__", "__weaklistoffset__"}


def subclasses(base):
    for found in type.__subclasses__(base):
        yield found
        yield from subclasses(found)


def types():
    """{name: type} of all types in C, those that nobody makes included, and Cgroup."""
    return {
        found.__name__: found
        for found in subclasses(object)
        if found.__module__ == "_fastproc"
        and not issubclass(found, (BaseException, _fastproc.CompletedProcess))
    }


def attributes(of):
    """What the type defines, and what it inherits and does not hide."""
    own = vars(of).keys() - EVERYWHERE
    return own | {name for name in dir(of) if not name.startswith("_")}


def functions():
    everywhere = {name: getattr(_fastproc, name) for name in _fastproc.__all__}
    everywhere |= {name: getattr(_fastproc._core, name) for name in dir(_fastproc._core)}
    return {
        name
        for name, value in everywhere.items()
        if callable(value) and not isinstance(value, type) and not name.startswith("__")
    }


def apis():
    """The names of all of it."""
    found = functions()
    for name, of in types().items():
        found |= {f"{name}.{attribute}" for attribute in attributes(of)}
    return found


# What the stub says


def stub():
    return ast.parse(STUB.read_text())


def stated():
    """The names that the stub has."""
    found = set()
    for node in stub().body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if hasattr(part, "name")}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
    return found


def keywords():
    """The names of the keyword arguments that create_subprocess_exec takes."""
    for node in stub().body:
        if getattr(node, "name", None) == "create_subprocess_exec":
            return {argument.arg for argument in node.args.kwonlyargs}
    raise AssertionError("the stub has no create_subprocess_exec")
