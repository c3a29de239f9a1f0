# SPDX-License-Identifier: MIT
"""install() and its kin: put the C functions where programs look for asyncio's, and take them away."""

import asyncio
import contextlib
import importlib.abc
import sys
import threading

from . import _core

# What is put in place. Programs, and above all unittest.mock, ask whether these are coroutine
# functions; C functions are not, hence one line of Python around each.


async def create_subprocess_exec(program, *args, **kwds):
    return await _core.create_subprocess_exec(program, *args, **kwds)


async def create_subprocess_shell(cmd, *args, **kwds):
    return await _core.create_subprocess_shell(cmd, *args, **kwds)


async def subprocess_exec(self, protocol_factory, program, *args, **kwds):
    return await _core.loop_subprocess_exec(self, protocol_factory, program, *args, **kwds)


async def subprocess_shell(self, protocol_factory, cmd, **kwds):
    return await _core.loop_subprocess_shell(self, protocol_factory, cmd, **kwds)


FUNCTIONS = (create_subprocess_exec, create_subprocess_shell)
METHODS = (subprocess_exec, subprocess_shell)

for function in FUNCTIONS + METHODS:
    function.__doc__ = getattr(_core, function.__name__).__doc__

# Where they are put.

lock = threading.Lock()
holders: set[object] = (
    set()
)  # who wants it installed: INSTALL, and one object per `with installed()`
replaced: list[tuple] = []  # [(owner, name, what was there)], empty while it is not installed
INSTALL = object()
NOTHING = object()  # was there: the name was inherited


def replace(owner, function):
    name = function.__name__
    replaced.append((owner, name, vars(owner).get(name, NOTHING)))
    setattr(owner, name, function)


def replace_in_uvloop(uvloop):
    if not any(owner is uvloop.Loop for owner, _, _ in replaced):
        for method in METHODS:
            replace(uvloop.Loop, method)


def put_in_place():
    if replaced:
        return
    for owner in (asyncio, asyncio.subprocess):
        for function in FUNCTIONS:
            replace(owner, function)
    for method in METHODS:
        replace(asyncio.SelectorEventLoop, method)
    uvloop = sys.modules.get("uvloop")
    if hasattr(uvloop, "Loop"):
        replace_in_uvloop(uvloop)
    else:
        sys.meta_path.insert(0, UVLOOP_FINDER)


def take_away():
    while replaced:
        owner, name, before = replaced.pop()
        if before is NOTHING:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
    with contextlib.suppress(ValueError):
        sys.meta_path.remove(UVLOOP_FINDER)


# uvloop may be imported later.


class UvloopFinder(importlib.abc.MetaPathFinder):
    """Lets the other finders find uvloop, and has its loader tell us when it is loaded."""

    def find_spec(self, name, path, target=None):
        if name != "uvloop":
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = UvloopLoader(spec.loader)
                return spec
        return None


class UvloopLoader(importlib.abc.Loader):
    """Steps aside as soon as the module is loaded."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        with lock:
            if replaced:
                replace_in_uvloop(module)
            with contextlib.suppress(ValueError):
                sys.meta_path.remove(UVLOOP_FINDER)


UVLOOP_FINDER = UvloopFinder()

# The public functions.


def install():
    """Have unmodified programs use _fastproc, from now on.

    Replaces create_subprocess_exec and create_subprocess_shell in asyncio and asyncio.subprocess,
    and subprocess_exec and subprocess_shell of asyncio.SelectorEventLoop and of uvloop.Loop (which
    may be imported later).  Names that a module has imported from asyncio before stay what they
    are.  Installing twice is installing once.  May be called from any thread.
    """
    with lock:
        holders.add(INSTALL)
        put_in_place()


def uninstall():
    """Put back exactly what was there before install() or installed(); no more if not installed."""
    with lock:
        holders.clear()
        take_away()


@contextlib.contextmanager
def installed():
    """`with installed():` does install(), and at the end uninstall() unless it was installed before.

    May be nested, and used by several threads: the last to leave takes it away.
    """
    holder = object()
    with lock:
        holders.add(holder)
        put_in_place()
    try:
        yield
    finally:
        with lock:
            holders.discard(holder)
            if not holders:
                take_away()
