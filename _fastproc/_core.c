/* SPDX-License-Identifier: MIT
 *
 * The table of contents of the extension module _fastproc._core: its functions,
 * and the order in which the rooms set up their types.
 */
#include "child/create.h"
#include "child/options.h"
#include "child/process.h"
#include "configure.h"
#include "loop/wakeup.h"
#include "pipe/pipe_protocol.h"
#include "pipe/read_pipe.h"
#include "pipe/writer.h"
#include "python/class_patches.h"
#include "python/coroutine_function.h"
#include "python/forks.h"
#include "python/stop_iteration.h"

static PyMethodDef core_functions[] = {
    {"create_subprocess_exec", (PyCFunction)(void (*)(void))create_subprocess_exec,
     METH_VARARGS | METH_KEYWORDS,
     "create_subprocess_exec($module, /, program, *args, stdin=None, stdout=None, stderr=None, "
     "limit=65536, **kwds)\n--\n\n"
     "Start a program as a child process.\n\n"
     "program: str, bytes or path-like; searched in PATH if it has no\n"
     "    slash.\n"
     "args: str, bytes or path-like each.\n"
     "stdin: PIPE, PTY, DEVNULL, a descriptor, an object with fileno(),\n"
     "    or None, which lets the child inherit. All that are PTY are one\n"
     "    terminal, which stdin writes and stdout reads, or stderr if\n"
     "    stdout is something else.\n"
     "stdout: the same.\n"
     "stderr: the same, or STDOUT.\n"
     "limit: int, in bytes; reading from the child pauses at twice as\n"
     "    many. None is no limit.\n"
     "kwds: keywords of subprocess.Popen: preexec_fn, close_fds, pass_fds,\n"
     "    cwd, env, executable, restore_signals, start_new_session,\n"
     "    process_group, user, group, extra_groups, umask, and pipesize in\n"
     "    bytes. Not in asyncio:\n"
     "    rlimits: {resource.RLIMIT_...: int, or (soft, hard)}\n"
     "    parent_death_signal: int; the signal that the child gets when\n"
     "        the thread that started it ends.\n"
     "    cgroup: the one to start in: a Cgroup, the path of its\n"
     "        directory, or a descriptor.\n"
     "    nice: int, -20 to 19; the priority, as os.setpriority() sets it.\n"
     "    cpu_affinity: ints; the processors that may be used.\n"
     "    no_new_privileges: bool; whether set-uid programs are without\n"
     "        effect.\n"
     "    oom_score_adj: int, -1000 to 1000.\n"
     "    ignore_signals: ints; signals that the program ignores.\n"
     "    default_signals: ints; signals that it does not.\n"
     "    terminal_size: (rows, columns) of a PTY; None is (24, 80).\n"
     "    terminal_raw: bool; whether a PTY has no echo, line editing,\n"
     "        signal keys and other newlines.\n"
     "Returns an awaitable of Process.\n"
     "Raises OSError if the program cannot be started, or is not to have\n"
     "    what an option says; then its filename is the option's name.\n"
     "    ValueError or TypeError for arguments that make no sense,\n"
     "    NotImplementedError for options that this platform lacks,\n"
     "    RuntimeError without a running loop.\n\n"
     "Like asyncio.create_subprocess_exec()."},
    {"create_subprocess_shell", (PyCFunction)(void (*)(void))create_subprocess_shell,
     METH_VARARGS | METH_KEYWORDS,
     "create_subprocess_shell($module, /, cmd, stdin=None, stdout=None, stderr=None, limit=65536, "
     "**kwds)\n--\n\n"
     "Start a command line as a child process, in /bin/sh.\n\n"
     "cmd: str or bytes.\n"
     "stdin: PIPE, PTY, DEVNULL, a descriptor, an object with fileno(),\n"
     "    or None, which lets the child inherit. All that are PTY are one\n"
     "    terminal, which stdin writes and stdout reads, or stderr if\n"
     "    stdout is something else.\n"
     "stdout: the same.\n"
     "stderr: the same, or STDOUT.\n"
     "limit: int, in bytes; reading from the child pauses at twice as\n"
     "    many. None is no limit.\n"
     "kwds: as for create_subprocess_exec().\n"
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
     "stdin: PIPE (-1), PTY, DEVNULL, a descriptor, an object with\n"
     "    fileno(), or None, which lets the child inherit.\n"
     "stdout: the same.\n"
     "stderr: the same, or STDOUT.\n"
     "kwds: as for create_subprocess_exec().\n"
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
     "stdin: PIPE (-1), PTY, DEVNULL, a descriptor, an object with\n"
     "    fileno(), or None, which lets the child inherit.\n"
     "stdout: the same.\n"
     "stderr: the same, or STDOUT.\n"
     "kwds: as for create_subprocess_exec().\n"
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
    {"machine", configure_machine, METH_NOARGS,
     "machine($module, /)\n--\n\n"
     "Say what this machine offers, and how children are made.\n\n"
     "Returns dict: spawn, pidfd, exit_info, reap, poller, gate,\n"
     "    narrow_gate (the gate where few descriptors are left, or a start\n"
     "    suspends the loop), share_from."},
    {"configure", (PyCFunction)(void (*)(void))configure, METH_VARARGS | METH_KEYWORDS,
     "configure($module, /, *, spawn=..., reap=..., gate=..., share_from=..., "
     "shortcuts=..., lacking=..., tracer=...)\n--\n\n"
     "Force how the next children are made; for tests.\n\n"
     "spawn: 'auto', 'clone', 'vfork' or 'fork'.\n"
     "reap: 'auto', 'pidfd' (never ask for a status that other code took)\n"
     "    or 'thread' (do without pidfds).\n"
     "gate: int; how many children may be between clone and exec at a\n"
     "    time, where there are descriptors enough.\n"
     "share_from: int; the number of the highest descriptor from which on\n"
     "    children do not copy the table of descriptors.\n"
     "shortcuts: bool; False does without what is there for speed alone.\n"
     "lacking: str; options, with spaces, that this platform is not to\n"
     "    have.\n"
     "tracer: bool; False starts children under strace as without it.\n"
     "Raises ValueError for an unknown name or a gate below 1."},
    {NULL, NULL, 0, NULL},
};

static int core_exec(PyObject *module)
{
    struct fp_state *state = PyModule_GetState(module);
    if (state_init(state) < 0 || configure_from_environment(state) < 0)
        return -1;
    if (coroutine_function_init(module, state) < 0 || awaitable_init(module, state) < 0 ||
        stop_iteration_init(module, state) < 0 || wakeup_init(module, state) < 0 ||
        hub_init(module, state) < 0 || pipe_protocol_init(module, state) < 0 ||
        read_pipe_init(module, state) < 0 || write_pipe_init(module, state) < 0 ||
        reader_init(module, state) < 0 || writer_init(module, state) < 0 ||
        transport_init(module, state) < 0 || process_init(module, state) < 0 ||
        PyModule_AddIntConstant(module, "PTY", PTY) < 0 ||
        coroutine_functions_in_module(state, module) < 0)
        return -1;
    return forks_count(module);
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

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void)
{
    return state_define_module(core_functions, core_slots);
}
