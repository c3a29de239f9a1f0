"""Builds the one extension module, _fastproc._core; everything else is said in pyproject.toml.

Two settings in the environment, for development builds:

    FASTPROC_DEV=1                        more warnings, every warning an error, debug information
    FASTPROC_SANITIZE=address,undefined   sanitizers (preload their runtime to import the module)
"""

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import PlatformError

ROOMS = ("posix", "stream", "python", "loop", "pipe", "child", ".")

# Not -Wpedantic: slots of types hold functions as void pointers, which ISO C does not have.
WARNINGS = """
    -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
    -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
    -Wpointer-arith -Wvla -Wimplicit-fallthrough
    -Werror
""".split()

# posix/child*.c run in the parent's memory, on a borrowed stack and with the parent's thread-local
# storage: what the compiler adds on its own account could touch those.
CHILD_FLAGS = ["-fno-stack-protector", "-fno-sanitize=all", "-U_FORTIFY_SOURCE"]


def files(suffix):
    found = (path for room in ROOMS for path in Path("_fastproc", room).glob(f"*.{suffix}"))
    return sorted(map(str, found))


def obstacle():
    """What keeps this machine from building, in one sentence; None if nothing does."""
    if sys.platform == "win32":
        return "_fastproc does not build on Windows, which lacks POSIX processes and signals."
    if sys.platform != "linux":
        return f"_fastproc builds on Linux only so far, and this is {sys.platform}."
    if sys.implementation.name != "cpython":
        return f"_fastproc builds for CPython only, and this is {sys.implementation.name}."
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "_fastproc needs Python's C headers to build (python3-dev or python3-devel)."
    return None


class BuildExt(build_ext):
    def run(self):
        reason = obstacle()
        if reason:
            raise PlatformError(reason)
        super().run()

    def build_extension(self, ext):
        compile_one = self.compiler._compile

        def compile_by_rule(obj, src, suffix, cc_args, extra_args, pp_opts):
            if Path(src).match("posix/child*.c"):
                extra_args = [*extra_args, *CHILD_FLAGS]
            compile_one(obj, src, suffix, cc_args, extra_args, pp_opts)

        self.compiler._compile = compile_by_rule
        super().build_extension(ext)


def wants_debug_information():
    """CPython's own flags ask for it as well, and it is four fifths of the file."""
    flags = os.environ.get("CFLAGS", "").split()
    return "FASTPROC_SANITIZE" in os.environ or any(
        flag.startswith("-g") and flag != "-g0" for flag in flags
    )


compile_args = ["-std=c11", "-fvisibility=hidden", "-pthread"]
# The child may not enter the dynamic linker, so every symbol is bound when the module is loaded.
link_args = ["-Wl,-z,now", "-pthread"]
if os.environ.get("FASTPROC_DEV") == "1":
    compile_args += WARNINGS
elif not wants_debug_information():
    compile_args += ["-g0"]
    link_args += ["-s"]
if sanitizers := os.environ.get("FASTPROC_SANITIZE"):
    compile_args += [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-g"]
    # CPython's own flags say that integers wrap around, and then no overflow is looked for.
    compile_args += ["-fno-wrapv"]
    link_args += [f"-fsanitize={sanitizers}"]

setup(
    cmdclass={"build_ext": BuildExt},
    options={"egg_info": {"egg_base": "."}},  # not beside the plugin
    ext_modules=[
        Extension(
            "_fastproc._core",
            sources=files("c"),
            depends=files("h"),
            include_dirs=["_fastproc"],
            define_macros=[("_GNU_SOURCE", None)],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
    ],
)
