"""Builds the extension, its sources unchanged, with the seam of the fault matrix in it.

    build(folder)  makes folder/_fastproc, a package to import from there

$FASTPROC_SANITIZE, as for setup.py, adds sanitizers.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "_fastproc"
FLAGS = "-std=c11 -D_GNU_SOURCE -g -O1 -fPIC -pthread -fvisibility=hidden -U_FORTIFY_SOURCE".split()
# Nothing may hide who called.
FLAGS += ["-fno-optimize-sibling-calls", "-fno-omit-frame-pointer"]
CHILD_FLAGS = ["-fno-stack-protector", "-fno-sanitize=all"]

CANNOT_FAIL = """
    # Looks, compares, moves bytes; or a failure that no valid argument brings about.
    Py_IsFinalizing _Py_IsFinalizing PyBuffer_IsContiguous PyBuffer_Release PyBool_FromLong
    PyDict_DelItem PyDict_GetItemWithError PyDict_Next PyErr_Clear PyErr_ExceptionMatches
    PyErr_Fetch PyErr_GetRaisedException PyErr_GivenExceptionMatches PyErr_NoMemory
    PyErr_NormalizeException PyErr_Occurred PyErr_Restore PyErr_SetObject PyErr_SetRaisedException
    PyErr_WriteUnraisable PyEval_RestoreThread PyEval_SaveThread PyException_GetTraceback
    PyException_SetCause PyException_SetContext PyException_SetTraceback PyFloat_AsDouble
    PyContext_Enter PyContext_Exit PyLong_AsLong PyLong_AsLongLongAndOverflow PyLong_AsVoidPtr PyModuleDef_Init
    PyThreadState_Get _PyTrash_begin _PyTrash_cond _PyTrash_end
    _PyTrash_thread_deposit_object _PyTrash_thread_destroy_chain
    PyModule_GetState PyOS_AfterFork_Child PyOS_AfterFork_Parent PyOS_BeforeFork
    PyObject_CallFinalizerFromDealloc PyObject_CheckBuffer PyObject_ClearManagedDict
    PyObject_ClearWeakRefs PyObject_GC_Del PyObject_GC_IsTracked PyObject_GC_Track PyObject_GC_UnTrack
    PyObject_GenericSetDict PyObject_VisitManagedDict PyType_GetModuleByDef PyType_IsSubtype
    PyUnicode_CompareWithASCIIString PyWeakref_GetObject PyWeakref_GetRef
    _PyErr_BadInternalCall _PyObject_ClearManagedDict _PyObject_GetDictPtr
    _PyObject_VisitManagedDict _Py_DECREF_DecRefTotal _Py_INCREF_IncRefTotal _Py_NegativeRefcount
    _Py_Dealloc _Py_FatalErrorFunc PyLong_AsSize_t
    PyByteArray_Size PyEval_GetFrame PyFrame_GetCode PyImport_GetModuleDict PyIndex_Check
    PyLong_AsLongAndOverflow PyLong_AsUnsignedLongLong PyLong_AsUnsignedLongMask PyModule_GetDict
    PyOS_snprintf PyObject_SelfIter PyType_ClearWatcher PyType_GetDict PyType_Modified PyType_Watch
    PyUnstable_Type_AssignVersionTag _PyByteArray_empty_string
    # Refused, it is only done later.
    Py_AddPendingCall
    # Of a CPython without a GIL
    PyCriticalSection_Begin PyCriticalSection_End PyThread_get_thread_ident _Py_DecRefShared
    _Py_MergeZeroLocalRefcount
    PyDict_GetItemRef PyInterpreterState_Get PyInterpreterState_Main PyObject_Init PyType_GetModuleState
    # Asked for by asyncio's task when it begins to wait: without memory for that it never wakes,
    # whatever it waits for.
    PyObject_GenericGetAttr PyObject_GenericSetAttr
    # A signal of the user's; not a matter of this matrix.
    PyErr_CheckSignals
    # The C library
    __assert_fail __environ environ __errno_location __sched_cpucount alarm clock_gettime free
    getenv getpid getrlimit memchr memcmp memcpy memmem memmove memset pause pthread_attr_destroy
    pthread_detach pthread_join pthread_sigmask qsort sigaddset sigemptyset sigfillset strcat strchr strcmp
    strcpy strcspn strlen strncmp strrchr strspn strstr strtol strtoll strtok_r
    snprintf sscanf __isoc99_sscanf __isoc23_sscanf
    cfmakeraw PyOS_snprintf PyUnicode_GetLength
    # Counted, not failed
    PyMem_Free PyMem_RawFree
"""
DATA = re.compile(r"PyExc_\w+|_?Py\w+_Type|_Py_\w+Struct|_GLOBAL_OFFSET_TABLE_|_PyRuntime")
OWN = re.compile(r"__(asan|ubsan|tsan)_\w+|_?_?(fp|seam)_\w+")


def fallible():
    """The names in calls.h."""
    return re.findall(r"^CALL\((\w+),", (HERE / "calls.h").read_text(), re.MULTILINE)


def infallible():
    lines = (line.partition("#")[0] for line in CANNOT_FAIL.splitlines())
    return {word for line in lines for word in line.split()}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def symbols(objects, option):
    """The names that nm --defined-only or --undefined-only lists."""
    listed = run(["nm", option, *objects])
    return {line.split()[-1] for line in listed.splitlines() if len(line.split()) in (2, 3)}


def unknown_calls(objects):
    """What the sources call that nobody has said of whether it can fail."""
    called = symbols(objects, "--undefined-only") - symbols(objects, "--defined-only")
    known = set(fallible()) | infallible()
    return {name for name in called - known if not DATA.fullmatch(name) and not OWN.match(name)}


def compiler():
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def build(folder):
    folder = Path(folder)
    command = compiler()
    include = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
    flags = [*FLAGS, *(f"-I{path}" for path in include), f"-I{PACKAGE}"]
    sanitizers = os.environ.get("FASTPROC_SANITIZE")
    sanitize = [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"] if sanitizers else []

    def compile_one(source):
        target = folder / f"{source.parent.name}_{source.stem}.o"
        seam = source.parent == HERE
        special = CHILD_FLAGS if seam or source.match("posix/child*.c") else sanitize
        front = [] if seam else ["-include", HERE / "seam.h"]
        run([*command, *flags, *special, *front, "-c", source, "-o", target])
        return target

    sources = sorted(PACKAGE.rglob("*.c"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
        seam = list(pool.map(compile_one, HERE.glob("*.c")))
    if unknown := unknown_calls(objects):
        raise RuntimeError(f"not in tests/faults/calls.h, nor known not to fail: {sorted(unknown)}")
    wrapped = [*fallible(), "free", "PyMem_Free", "PyMem_RawFree"]
    package = folder / "_fastproc"
    package.mkdir()
    extension = package / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
    wrap = [f"-Wl,--wrap={name}" for name in wrapped]
    whole = folder / "whole.o"  # so that the seam itself calls what it stands in front of
    run([*command, "-r", "-nostdlib", *wrap, *objects, "-o", whole])
    link = ["-shared", "-pthread", "-Wl,-z,now", *sanitize]
    run([*command, *link, whole, *seam, "-ldl", "-o", extension])
    for source in PACKAGE.glob("*.py"):
        shutil.copy(source, package)
    return extension


if __name__ == "__main__":
    print(build(sys.argv[1]))
