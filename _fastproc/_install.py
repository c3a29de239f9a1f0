# SPDX-License-Identifier: MIT
"""install() and its kin: put the C functions where programs look for asyncio's, and take them away."""

import asyncio
import contextlib
import importlib
import subprocess as popen
import sys
import threading
import types
from asyncio import events, subprocess

from . import _core

LIMIT = 64 * 1024  # bytes, asyncio's default
PIPE = subprocess.PIPE

# What is put in place: coroutine functions, as asyncio's are.


def serves(loop, method):
    """Whether we start children on the loop; else asyncio's own functions do it.

    We do not if the loop has a method of its own.
    """
    return not calls_replaced_popen(loop) and getattr(type(loop), method.__name__, None) in (
        method,
        getattr(asyncio.AbstractEventLoop, method.__name__),
        None,
    )


def calls_replaced_popen(loop):
    """Whether asyncio would call a replacement of Popen, or of the function in it that forks, as
    debugpy puts there to follow children.
    """
    return isinstance(loop, asyncio.BaseEventLoop) and (
        type(popen._fork_exec) is not types.BuiltinFunctionType
        or popen.Popen.__module__ != "subprocess"
    )


def asyncios(name):
    """asyncio.subprocess's function of that name, as it is without the installation."""
    for owner, replaced_name, before in replaced:
        if owner is subprocess and replaced_name == name:
            return before
    return getattr(subprocess, name)


async def create_subprocess_exec(
    program, *args, stdin=None, stdout=None, stderr=None, limit=LIMIT, **kwds
):
    follow_patches()
    create = _core.create_subprocess_exec
    if not serves(events.get_running_loop(), subprocess_exec):
        create = asyncios("create_subprocess_exec")
    return await create(
        program, *args, stdin=stdin, stdout=stdout, stderr=stderr, limit=limit, **kwds
    )


async def create_subprocess_shell(cmd, stdin=None, stdout=None, stderr=None, limit=LIMIT, **kwds):
    follow_patches()
    create = _core.create_subprocess_shell
    if not serves(events.get_running_loop(), subprocess_shell):
        create = asyncios("create_subprocess_shell")
    return await create(cmd, stdin=stdin, stdout=stdout, stderr=stderr, limit=limit, **kwds)


async def subprocess_exec(
    self, protocol_factory, program, *args, stdin=PIPE, stdout=PIPE, stderr=PIPE, **kwds
):
    create = _core.loop_subprocess_exec
    if calls_replaced_popen(self):
        create = asyncio.BaseEventLoop.subprocess_exec
    return await create(
        self, protocol_factory, program, *args, stdin=stdin, stdout=stdout, stderr=stderr, **kwds
    )


async def subprocess_shell(
    self, protocol_factory, cmd, *, stdin=PIPE, stdout=PIPE, stderr=PIPE, **kwds
):
    create = _core.loop_subprocess_shell
    if calls_replaced_popen(self):
        create = asyncio.BaseEventLoop.subprocess_shell
    return await create(
        self, protocol_factory, cmd, stdin=stdin, stdout=stdout, stderr=stderr, **kwds
    )


FUNCTIONS = (create_subprocess_exec, create_subprocess_shell)
METHODS = (subprocess_exec, subprocess_shell)

for function in FUNCTIONS + METHODS:
    function.__doc__ = getattr(_core, function.__name__).__doc__

# Where they are put.  `holders` says what is wanted, `replaced` what is in place, and settle()
# makes `replaced` follow `holders`.  The thread that holds the lock may come here again, through
# the garbage collector or an import; then it only changes `holders`.

lock = threading.RLock()
settling = False
holders: set[object] = set()  # who wants it: INSTALL, and one object per `with installed()`
replaced: list[tuple] = []  # [(owner, name, what was there)]
INSTALL = object()
NOTHING = object()  # in `replaced`: the name was inherited


def settle():
    """Call it with the lock held."""
    global settling
    if settling:
        return
    settling = True
    try:
        while bool(holders) != bool(replaced):
            if holders:
                put_in_place()
            else:
                take_away()
    finally:
        settling = False


def replace(owner, function):
    name = function.__name__
    replaced.append((owner, name, vars(owner).get(name, NOTHING)))
    setattr(owner, name, function)


def put_in_place():
    for owner in (asyncio, subprocess):
        for function in FUNCTIONS:
            replace(owner, function)
    for method in METHODS:
        replace(asyncio.SelectorEventLoop, method)
    _core.watch_base_classes(True)
    follow_patches()
    sys.meta_path.insert(0, UVLOOP_FINDER)
    replace_in_uvloop()


def take_away():
    while replaced:
        owner, name, before = replaced.pop()
        if before is NOTHING:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
    _core.watch_base_classes(False)
    inherit_patches()
    forget_finder()


# A program, usually a test, may patch a class of asyncio's.  As long as an attribute of that class
# is not asyncio's own, our class inherits it.

OURS = {
    cls: {
        name: (own, vars(cls.__base__)[name])
        for name, own in vars(cls).items()
        if name in vars(cls.__base__) and not name.startswith("__")
    }
    for cls in (_core.Process, _core.StreamReader, _core.StreamWriter)
}


def follow_patches():
    if _core.base_classes_changed():
        inherit_patches()


def inherit_patches():
    with lock:
        for cls, attributes in OURS.items():
            for name, (own, asyncios_own) in attributes.items():
                patched = replaced and vars(cls.__base__).get(name) is not asyncios_own
                if not patched and name not in vars(cls):
                    setattr(cls, name, own)
                elif patched and name in vars(cls):
                    delattr(cls, name)


# uvloop may be imported later, or be half imported by another thread.


def replace_in_uvloop():
    loop_type = getattr(sys.modules.get("uvloop"), "Loop", None)
    if loop_type is None:
        return
    if not any(owner is loop_type for owner, _, _ in replaced):
        for method in METHODS:
            replace(loop_type, method)
    forget_finder()


def forget_finder():
    with contextlib.suppress(ValueError):
        sys.meta_path.remove(UVLOOP_FINDER)


def finish_uvloop():
    """Call it without the lock, because it waits for a thread that is importing uvloop."""
    if UVLOOP_FINDER in sys.meta_path and "uvloop" in sys.modules:
        with contextlib.suppress(ImportError):
            importlib.import_module("uvloop")
        uvloop_is_loaded()


def uvloop_is_loaded():
    with lock:
        if replaced:
            replace_in_uvloop()


class UvloopFinder:
    """Lets the other finders find uvloop, and wraps its loader to learn when it is loaded."""

    def find_spec(self, name, path=None, target=None):
        if name != "uvloop":
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None) if finder is not self else None
            spec = find(name, path, target) if find else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = UvloopLoader(spec.loader)
                return spec
        return None


class UvloopLoader:
    """Acts like the loader that it wraps, and puts it back before it loads the module."""

    def __init__(self, loader):
        self.loader = loader

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        uvloop_is_loaded()


UVLOOP_FINDER = UvloopFinder()

# The public functions.


def install():
    """Let programs that use asyncio's names use _fastproc, from now on.

    It replaces create_subprocess_exec and create_subprocess_shell in
    asyncio and asyncio.subprocess, and subprocess_exec and
    subprocess_shell of asyncio.SelectorEventLoop and of uvloop.Loop
    (which may be imported later).

    Names that a module imported from asyncio before stay what they are,
    and so does a loop class that defines these methods itself.
    Installing twice is like installing once.  Any thread may call it.
    """
    with lock:
        holders.add(INSTALL)
        settle()
    finish_uvloop()


def uninstall():
    """Put back exactly what was there before install() or installed().

    Does nothing if nothing is installed.  Any thread may call it.
    """
    with lock:
        holders.clear()
        settle()


@contextlib.contextmanager
def installed():
    """A context manager that installs, and uninstalls at its end.

    It may be nested, and used by several threads: the last one to leave
    puts back what was there, unless install() was called as well.
    """
    holder = object()
    with lock:
        holders.add(holder)
        settle()
    finish_uvloop()
    try:
        yield
    finally:
        with lock:
            holders.discard(holder)
            settle()
