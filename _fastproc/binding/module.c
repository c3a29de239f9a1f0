/* SPDX-License-Identifier: MIT
 *
 * The module _fastproc._core: its state, its table of contents, and what the
 * tests force (configure) and what users see (machine).
 */
#include "binding/module.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "binding/class_patches.h"
#include "binding/coroutine_function.h"
#include "binding/create.h"
#include "binding/own_env.h"
#include "binding/pipes.h"
#include "binding/stop_iteration.h"

PyObject *module_import_attribute(const char *module_name, const char *attribute)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *value = module != NULL ? PyObject_GetAttrString(module, attribute) : NULL;
    Py_XDECREF(module);
    return value;
}

PyObject *module_call_in_events(struct fp_state *state, PyObject *name)
{
    PyObject *function = compat_dict_get(state->events, name);
    if (function == NULL && !PyErr_Occurred())
        PyErr_Format(PyExc_AttributeError, "module 'asyncio.events' has no attribute '%U'", name);
    PyObject *result = function != NULL ? PyObject_CallNoArgs(function) : NULL;
    Py_XDECREF(function);
    return result;
}

void module_log_warning(const char *format, int pid)
{
    PyObject *logger = module_import_attribute("asyncio.unix_events", "logger");
    PyObject *done =
        logger != NULL ? PyObject_CallMethod(logger, "warning", "si", format, pid) : NULL;
    Py_XDECREF(logger);
    Py_XDECREF(done);
}

int module_add_type(PyObject *module, PyType_Spec *spec, PyObject *base, size_t instance_room,
                    PyObject **slot, const char *name)
{
    if (base != NULL && (size_t)((PyTypeObject *)base)->tp_basicsize > instance_room) {
        PyErr_Format(PyExc_ImportError,
                     "instances of %.100s are larger than _fastproc was built for",
                     ((PyTypeObject *)base)->tp_name);
        return -1;
    }
    *slot = PyType_FromModuleAndSpec(module, spec, base);
    if (*slot == NULL)
        return -1;
    if (base != NULL && coroutine_functions_in_type(PyModule_GetState(module), *slot, base) < 0)
        return -1;
    return name != NULL ? PyModule_AddObjectRef(module, name, *slot) : 0;
}

/* ---- how children are made ---- */

static int processor_count(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 1 ? (int)count : 1;
}

/* How many children may be between clone and exec.  Twice the processors, because otherwise a
 * processor waits for the loop to start the next one; more take turns with this thread and stall
 * the loop for longer.  Measured for 1 to 100 on two processors: tests/bench/NOTES.rst. */
static int default_gate(void)
{
    return 2 * processor_count();
}

static const char *const spawn_names[] = {
    [FP_SPAWN_CLONE] = "clone",
    [FP_SPAWN_VFORK] = "vfork",
    [FP_SPAWN_FORK] = "fork",
};

static const char *const exit_names[] = {
    [FP_EXIT_AUTO] = "auto",
    [FP_EXIT_PIDFD_ONLY] = "pidfd",
    [FP_EXIT_THREAD] = "thread",
};

/* The index of a name, or -1 with ValueError. */
static int find_name(const char *const *names, int count, const char *name, const char *what)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    PyErr_Format(PyExc_ValueError, "unknown %s method: %.50s", what, name);
    return -1;
}

static int set_spawn(struct fp_state *state, const char *name)
{
    int method = strcmp(name, "auto") == 0 ? (int)fp_spawn_best_method()
                                           : find_name(spawn_names, 3, name, "spawn");
    if (method < 0)
        return -1;
    enum fp_spawn_method best = fp_spawn_best_method();
    state->spawn_method = method < (int)best ? best : (enum fp_spawn_method)method;
    return 0;
}

static int set_exit(struct fp_state *state, const char *name)
{
    int mode = find_name(exit_names, 3, name, "reap");
    if (mode < 0)
        return -1;
    state->exit_mode = (enum fp_exit_mode)mode;
    return 0;
}

static PyObject *core_configure(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"spawn", "reap", "gate", "share_from", "shortcuts", NULL};
    struct fp_state *state = PyModule_GetState(module);
    const char *spawn = NULL, *reap = NULL;
    int gate = state->gate, share_from = state->share_from, shortcuts = state->shortcuts;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$ssiip:configure", names, &spawn, &reap, &gate,
                                     &share_from, &shortcuts))
        return NULL;
    if (gate < 1) {
        PyErr_SetString(PyExc_ValueError, "gate must be positive");
        return NULL;
    }
    if ((spawn != NULL && set_spawn(state, spawn) < 0) ||
        (reap != NULL && set_exit(state, reap) < 0))
        return NULL;
    state->gate = gate;
    state->share_from = share_from;
    state->shortcuts = shortcuts;
    spares_drop(&state->spare_awaitables, !shortcuts);
    spares_drop(&state->spare_stops, !shortcuts);
    Py_RETURN_NONE;
}

static PyObject *core_machine(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct fp_state *state = PyModule_GetState(module);
    bool pidfd = fp_exit_has_pidfd();
    return Py_BuildValue("{s:s,s:N,s:N,s:s,s:s,s:i,s:i}", "spawn", spawn_names[state->spawn_method],
                         "pidfd", PyBool_FromLong(pidfd), "exit_info",
                         PyBool_FromLong(fp_exit_has_info()), "reap", exit_names[state->exit_mode],
                         "poller", "epoll", "gate", state->gate, "share_from", state->share_from);
}

static PyObject *core_after_fork(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct fp_state *state = PyModule_GetState(module);
    state->fork_generation++;
    Py_RETURN_NONE;
}

static PyMethodDef core_methods[] = {
    {"create_subprocess_exec", (PyCFunction)(void (*)(void))create_subprocess_exec,
     METH_VARARGS | METH_KEYWORDS,
     "create_subprocess_exec($module, /, program, *args, stdin=None, stdout=None, stderr=None, "
     "limit=65536, **kwds)\n--\n\n"
     "Start a program as a child process.\n\n"
     "program: str, bytes or path-like; searched in PATH if it has no\n"
     "    slash.\n"
     "args: str, bytes or path-like each.\n"
     "stdin: PIPE, DEVNULL, a descriptor, an object with fileno(), or\n"
     "    None, which lets the child inherit.\n"
     "stdout: the same.\n"
     "stderr: the same, or STDOUT.\n"
     "limit: int, in bytes; reading from the child pauses at twice as\n"
     "    many. None is no limit.\n"
     "kwds: keywords of subprocess.Popen: preexec_fn, close_fds, pass_fds,\n"
     "    cwd, env, executable, restore_signals, start_new_session,\n"
     "    process_group, user, group, extra_groups, umask, and pipesize in\n"
     "    bytes.\n"
     "Returns an awaitable of Process.\n"
     "Raises OSError if the program cannot be started, ValueError or\n"
     "    TypeError for arguments that make no sense, RuntimeError without\n"
     "    a running loop.\n\n"
     "Like asyncio.create_subprocess_exec()."},
    {"create_subprocess_shell", (PyCFunction)(void (*)(void))create_subprocess_shell,
     METH_VARARGS | METH_KEYWORDS,
     "create_subprocess_shell($module, /, cmd, stdin=None, stdout=None, stderr=None, limit=65536, "
     "**kwds)\n--\n\n"
     "Start a command line as a child process, in /bin/sh.\n\n"
     "cmd: str or bytes.\n"
     "stdin: PIPE, DEVNULL, a descriptor, an object with fileno(), or\n"
     "    None, which lets the child inherit.\n"
     "stdout: the same.\n"
     "stderr: the same, or STDOUT.\n"
     "limit: int, in bytes; reading from the child pauses at twice as\n"
     "    many. None is no limit.\n"
     "kwds: keywords of subprocess.Popen, as for create_subprocess_exec().\n"
     "Returns an awaitable of Process.\n"
     "Raises OSError if the shell cannot be started, ValueError or\n"
     "    TypeError for arguments that make no sense, RuntimeError without\n"
     "    a running loop.\n\n"
     "Like asyncio.create_subprocess_shell()."},
    {"subprocess_exec", (PyCFunction)(void (*)(void))subprocess_exec, METH_VARARGS | METH_KEYWORDS,
     "subprocess_exec($module, /, protocol_factory, program, *args, stdin=-1, stdout=-1, "
     "stderr=-1, **kwds)\n--\n\n"
     "Start a program on the running loop, for a protocol.\n\n"
     "protocol_factory: called without arguments; gives an\n"
     "    asyncio.SubprocessProtocol.\n"
     "program: str, bytes or path-like; searched in PATH if it has no\n"
     "    slash.\n"
     "args: str, bytes or path-like each.\n"
     "stdin: PIPE (-1), DEVNULL, a descriptor, an object with fileno(), or\n"
     "    None, which lets the child inherit.\n"
     "stdout: the same.\n"
     "stderr: the same, or STDOUT.\n"
     "kwds: keywords of subprocess.Popen, as for create_subprocess_exec().\n"
     "Returns an awaitable of tuple[SubprocessTransport, _Protocol].\n"
     "Raises OSError if the program cannot be started, ValueError or\n"
     "    TypeError for arguments that make no sense, RuntimeError without\n"
     "    a running loop.\n\n"
     "Like asyncio.loop.subprocess_exec()."},
    {"subprocess_shell", (PyCFunction)(void (*)(void))subprocess_shell,
     METH_VARARGS | METH_KEYWORDS,
     "subprocess_shell($module, /, protocol_factory, cmd, *, stdin=-1, stdout=-1, stderr=-1, "
     "**kwds)\n--\n\n"
     "Start a command line in /bin/sh on the running loop, for a protocol.\n\n"
     "protocol_factory: called without arguments; gives an\n"
     "    asyncio.SubprocessProtocol.\n"
     "cmd: str or bytes.\n"
     "stdin: PIPE (-1), DEVNULL, a descriptor, an object with fileno(), or\n"
     "    None, which lets the child inherit.\n"
     "stdout: the same.\n"
     "stderr: the same, or STDOUT.\n"
     "kwds: keywords of subprocess.Popen, as for create_subprocess_exec().\n"
     "Returns an awaitable of tuple[SubprocessTransport, _Protocol].\n"
     "Raises OSError if the shell cannot be started, ValueError or\n"
     "    TypeError for arguments that make no sense, RuntimeError without\n"
     "    a running loop.\n\n"
     "Like asyncio.loop.subprocess_shell()."},
    {"loop_subprocess_exec", (PyCFunction)(void (*)(void))loop_subprocess_exec,
     METH_VARARGS | METH_KEYWORDS, "subprocess_exec as a method of a loop."},
    {"loop_subprocess_shell", (PyCFunction)(void (*)(void))loop_subprocess_shell,
     METH_VARARGS | METH_KEYWORDS, "subprocess_shell as a method of a loop."},
    {"base_classes_changed", class_patches_changed, METH_NOARGS,
     "Whether asyncio's Process, StreamReader or StreamWriter was changed since the last call."},
    {"watch_base_classes", class_patches_watch, METH_O,
     "Call _install.follow_patches() when one of them is changed, or no more."},
    {"machine", core_machine, METH_NOARGS,
     "machine($module, /)\n--\n\n"
     "Say what this machine offers, and how children are made.\n\n"
     "Returns dict: spawn, pidfd, exit_info, reap, poller, gate,\n"
     "    share_from."},
    {"configure", (PyCFunction)(void (*)(void))core_configure, METH_VARARGS | METH_KEYWORDS,
     "configure($module, /, *, spawn=..., reap=..., gate=..., share_from=..., "
     "shortcuts=...)\n--\n\n"
     "Force how the next children are made; for tests.\n\n"
     "spawn: 'auto', 'clone', 'vfork' or 'fork'.\n"
     "reap: 'auto', 'pidfd' (never ask for a status that other code took)\n"
     "    or 'thread' (do without pidfds).\n"
     "gate: int; how many children may be between clone and exec at a\n"
     "    time.\n"
     "share_from: int; the number of the highest descriptor from which on\n"
     "    children do not copy the table of descriptors.\n"
     "shortcuts: bool; False does without what is there for speed alone.\n"
     "Raises ValueError for an unknown name or a gate below 1."},
    {NULL, NULL, 0, NULL},
};

/* ---- life ---- */

static int import_all(struct fp_state *state)
{
    static const struct {
        const char *module, *attribute;
        size_t offset;
    } imports[] = {
        {"asyncio.events", "__dict__", offsetof(struct fp_state, events)},
        {"asyncio.tasks", "__dict__", offsetof(struct fp_state, tasks)},
        {"_asyncio", "get_running_loop", offsetof(struct fp_state, get_running_loop)},
        {"_asyncio", "Task", offsetof(struct fp_state, Task)},
        {"asyncio.events", "Handle", offsetof(struct fp_state, Handle)},
        {"asyncio", "CancelledError", offsetof(struct fp_state, CancelledError)},
        {"asyncio", "InvalidStateError", offsetof(struct fp_state, InvalidStateError)},
        {"asyncio", "IncompleteReadError", offsetof(struct fp_state, IncompleteReadError)},
        {"asyncio", "LimitOverrunError", offsetof(struct fp_state, LimitOverrunError)},
        {"subprocess", "SubprocessError", offsetof(struct fp_state, SubprocessError)},
    };
    for (size_t i = 0; i < sizeof imports / sizeof imports[0]; i++) {
        PyObject *value = module_import_attribute(imports[i].module, imports[i].attribute);
        if (value == NULL)
            return -1;
        *(PyObject **)((char *)state + imports[i].offset) = value;
    }
    return 0;
}

static int intern_names(struct fp_state *state)
{
#define INTERN(name)                                                                               \
    if ((state->names.name = PyUnicode_InternFromString(#name)) == NULL)                           \
        return -1;
    FP_NAMES(INTERN)
#undef INTERN
    return 0;
}

/* Counts forks, so that a hub can tell that its poller is now the parent's. */
static int watch_forks(PyObject *module)
{
    static PyMethodDef method = {"_after_fork", core_after_fork, METH_NOARGS, NULL};
    PyObject *callback = PyCFunction_NewEx(&method, module, NULL);
    PyObject *watch = module_import_attribute("os", "register_at_fork");
    PyObject *no_args = PyTuple_New(0), *done = NULL;
    PyObject *kwargs = callback != NULL ? Py_BuildValue("{s:O}", "after_in_child", callback) : NULL;
    if (watch != NULL && no_args != NULL && kwargs != NULL)
        done = PyObject_Call(watch, no_args, kwargs);
    Py_XDECREF(callback);
    Py_XDECREF(watch);
    Py_XDECREF(no_args);
    Py_XDECREF(kwargs);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* The descriptor from which on it costs less to hand over what a child is to have than to copy
 * the table: tests/bench/NOTES.rst. */
enum { WORTH_SHARING = 1024 };

/* So that a whole test suite can be run on another path. */
static int configure_from_environment(struct fp_state *state)
{
    const char *spawn = getenv("FASTPROC_SPAWN"), *reap = getenv("FASTPROC_REAP");
    state->gate = default_gate();
    state->share_from = WORTH_SHARING;
    state->shortcuts = true;
    if (set_spawn(state, spawn != NULL ? spawn : "auto") < 0)
        return -1;
    return set_exit(state, reap != NULL ? reap : "auto");
}

static int core_exec(PyObject *module)
{
    struct fp_state *state = PyModule_GetState(module);
    state->hubs = PyDict_New();
    state->codes = PyDict_New();
    state->empty_bytes = PyBytes_FromStringAndSize(NULL, 0);
    state->context_keyword = Py_BuildValue("(s)", "context");
    if (state->hubs == NULL || state->codes == NULL || state->empty_bytes == NULL ||
        state->context_keyword == NULL)
        return -1;
    state->subprocess = PyImport_ImportModule("subprocess");
    if (state->subprocess == NULL)
        return -1;
    if (intern_names(state) < 0 || import_all(state) < 0 || configure_from_environment(state) < 0)
        return -1;
    if (coroutine_function_init(module, state) < 0 || awaitable_init(module, state) < 0 ||
        stop_iteration_init(module, state) < 0 || wakeup_init(module, state) < 0 ||
        hub_init(module, state) < 0 || transport_init(module, state) < 0 ||
        pipe_protocol_init(module, state) < 0 || read_pipe_init(module, state) < 0 ||
        write_pipe_init(module, state) < 0 || reader_init(module, state) < 0 ||
        writer_init(module, state) < 0 || process_init(module, state) < 0 ||
        coroutine_functions_in_module(state, module) < 0)
        return -1;
    return watch_forks(module);
}

static int core_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct fp_state *state = PyModule_GetState(module);
#define VISIT(name) Py_VISIT(state->name);
    FP_OBJECTS(VISIT)
#undef VISIT
    return 0;
}

static int core_clear(PyObject *module)
{
    struct fp_state *state = PyModule_GetState(module);
    class_patches_stop(state);
    spares_drop(&state->spare_awaitables, true); /* while their types are there */
    spares_drop(&state->spare_stops, true);
#define CLEAR(name) Py_CLEAR(state->name);
    FP_OBJECTS(CLEAR)
#undef CLEAR
#define CLEAR(name) Py_CLEAR(state->names.name);
    FP_NAMES(CLEAR)
#undef CLEAR
    own_env_release(state->own_env);
    state->own_env = NULL;
    return 0;
}

static void core_free(void *module)
{
    core_clear(module);
}

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
#ifdef Py_mod_multiple_interpreters /* each interpreter has a state of its own, and nothing else */
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil /* each loop's objects are guarded (guard.h), and the rest does not change */
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef fp_module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fastproc._core",
    .m_doc = "The C part of _fastproc.",
    .m_size = sizeof(struct fp_state),
    .m_methods = core_methods,
    .m_slots = core_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&fp_module_def);
}
