/* SPDX-License-Identifier: MIT
 *
 * The type Process: an asyncio.subprocess.Process.
 */
#include "child/process.h"

#include "child/group.h"
#include "child/signals.h"
#include "child/terminal.h"
#include "pipe/read_pipe.h"
#include "pipe/write_pipe.h"
#include "pipe/writer.h"
#include "python/arguments.h"
#include "python/coroutine_function.h"
#include "python/guard.h"

/* The reader of the pipe `fd`, or None: a new reference or NULL. */
static PyObject *make_reader(TransportObject *transport, int fd, const struct reader_limit *limit)
{
    ReadPipeObject *pipe = (ReadPipeObject *)transport->pipes[fd];
    if (pipe == NULL)
        Py_RETURN_NONE;
    return (PyObject *)read_pipe_make_reader(pipe, limit);
}

ProcessObject *process_new(struct fp_state *state, TransportObject *transport,
                           const struct reader_limit *limit)
{
    PyTypeObject *type = (PyTypeObject *)state->process_type;
    ProcessObject *self = (ProcessObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->transport = (TransportObject *)Py_NewRef((PyObject *)transport);
    WritePipeObject *input = (WritePipeObject *)transport->pipes[0];
    self->stdin_writer = input != NULL ? (PyObject *)writer_new(state, input) : Py_NewRef(Py_None);
    self->stdout_reader = make_reader(transport, 1, limit);
    self->stderr_reader = make_reader(transport, 2, limit);
    if (self->stdin_writer == NULL || self->stdout_reader == NULL || self->stderr_reader == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

static TransportObject *transport_of(PyObject *op)
{
    return ((ProcessObject *)op)->transport;
}

/* ---- methods ---- */

static PyObject *process_wait(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return transport_wait(transport_of(op));
}

static PyObject *process_send_signal(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *names)
{
    return transport_send_signal_method((PyObject *)transport_of(op), args, nargs, names);
}

static PyObject *process_terminate(PyObject *op, PyObject *ignored)
{
    return transport_terminate((PyObject *)transport_of(op), ignored);
}

static PyObject *process_kill(PyObject *op, PyObject *ignored)
{
    return transport_kill((PyObject *)transport_of(op), ignored);
}

static PyObject *process_repr(PyObject *op)
{
    PyObject *name = PyType_GetName(Py_TYPE(op));
    if (name == NULL)
        return NULL;
    PyObject *repr = PyUnicode_FromFormat("<%U %ld>", name, (long)transport_of(op)->child.pid);
    Py_DECREF(name);
    return repr;
}

/* ---- attributes ---- */

static PyObject *process_get_pid(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(transport_of(op)->child.pid);
}

static PyObject *process_get_returncode(PyObject *op, void *Py_UNUSED(closure))
{
    return transport_returncode(transport_of(op));
}

static PyObject *process_get_transport(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef((PyObject *)transport_of(op));
}

static PyObject *process_get_loop(PyObject *op, void *Py_UNUSED(closure))
{
    return hub_loop(transport_of(op)->hub);
}

static PyObject *process_get_cgroup(PyObject *op, void *Py_UNUSED(closure))
{
    int cgroup = transport_of(op)->cgroup;
    if (cgroup < 0)
        Py_RETURN_NONE;
    return PyLong_FromLong(cgroup);
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* resource.struct_rusage.  Looks in sys.modules first, because the module is usually there and the
 * usual way of asking for it takes longer than the rest.  A new reference or NULL. */
static PyObject *struct_rusage(struct fp_state *state)
{
    PyObject *module = compat_dict_get(PyImport_GetModuleDict(), state->names.resource);
    PyObject *type = module != NULL ? PyObject_GetAttr(module, state->names.struct_rusage) : NULL;
    Py_XDECREF(module);
    if (type != NULL)
        return type;
    PyErr_Clear();
    return import_attribute("resource", "struct_rusage");
}

static PyObject *process_get_resource_usage(PyObject *op, void *Py_UNUSED(closure))
{
    const struct rusage *usage = transport_of(op)->usage;
    if (usage == NULL)
        Py_RETURN_NONE;
    const double times[] = {seconds(usage->ru_utime), seconds(usage->ru_stime)};
    const long counts[] = {
        usage->ru_maxrss,  usage->ru_ixrss,  usage->ru_idrss,  usage->ru_isrss,
        usage->ru_minflt,  usage->ru_majflt, usage->ru_nswap,  usage->ru_inblock,
        usage->ru_oublock, usage->ru_msgsnd, usage->ru_msgrcv, usage->ru_nsignals,
        usage->ru_nvcsw,   usage->ru_nivcsw,
    };
    enum { TIMES = sizeof times / sizeof *times, COUNTS = sizeof counts / sizeof *counts };
    PyObject *type = struct_rusage(state_of(op));
    PyObject *fields = type != NULL ? PyTuple_New(TIMES + COUNTS) : NULL;
    for (int i = 0; fields != NULL && i < TIMES + COUNTS; i++) {
        PyObject *field =
            i < TIMES ? PyFloat_FromDouble(times[i]) : PyLong_FromLong(counts[i - TIMES]);
        if (field != NULL)
            PyTuple_SET_ITEM(fields, i, field);
        else
            Py_CLEAR(fields);
    }
    PyObject *result = fields != NULL ? PyObject_CallOneArg(type, fields) : NULL;
    Py_XDECREF(fields);
    Py_XDECREF(type);
    return result;
}

/* Whether one lock guards both (guard.h). */
static bool is_of_hub(PyObject *stream, const HubObject *hub)
{
    return COMPAT_HAS_GIL || (Py_IS_TYPE(stream, (PyTypeObject *)hub->state->reader_type)
                                  ? ((ReaderObject *)stream)->hub == hub
                                  : ((WriterObject *)stream)->pipe->base.hub == hub);
}

/* A stream may be replaced by None, as programs do when they are done with it, and put back.
 * Nothing else is allowed, because communicate() relies on its type. */
static int set_stream(PyObject *op, PyObject **stream, PyObject *value, PyObject *type)
{
    if (value == NULL || (value != Py_None && (!Py_IS_TYPE(value, (PyTypeObject *)type) ||
                                               !is_of_hub(value, transport_of(op)->hub)))) {
        PyErr_Format(PyExc_TypeError, "a stream of a process can be None or a %s",
                     ((PyTypeObject *)type)->tp_name);
        return -1;
    }
    Py_SETREF(*stream, Py_NewRef(value));
    return 0;
}

static PyObject *process_get_stdin(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((ProcessObject *)op)->stdin_writer);
}

static int process_set_stdin(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return set_stream(op, &((ProcessObject *)op)->stdin_writer, value, state_of(op)->writer_type);
}

static PyObject *process_get_stdout(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((ProcessObject *)op)->stdout_reader);
}

static int process_set_stdout(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return set_stream(op, &((ProcessObject *)op)->stdout_reader, value, state_of(op)->reader_type);
}

static PyObject *process_get_stderr(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((ProcessObject *)op)->stderr_reader);
}

static int process_set_stderr(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return set_stream(op, &((ProcessObject *)op)->stderr_reader, value, state_of(op)->reader_type);
}

GUARD_BY(((ProcessObject *)op)->transport->hub);
GUARD_GETTER(process_get_pid);
GUARD_GETTER(process_get_returncode);
GUARD_GETTER(process_get_resource_usage);
GUARD_GETTER(process_get_stdin);
GUARD_SETTER(process_set_stdin);
GUARD_GETTER(process_get_stdout);
GUARD_SETTER(process_set_stdout);
GUARD_GETTER(process_get_stderr);
GUARD_SETTER(process_set_stderr);
GUARD_FASTCALL(process_communicate);
GUARD_FASTCALL(process_send_signal);
GUARD_METHOD(process_terminate);
GUARD_METHOD(process_kill);
GUARD_FASTCALL(process_signal_group);
GUARD_METHOD(process_hold_group);
GUARD_METHOD(process_close);
GUARD_KEYWORDS(process_set_terminal_size);
GUARD_METHOD(process_next_output);
GUARD_METHOD(process_set_linger);
GUARD_GETTER(process_get_lingered);
GUARD_GETTER(process_get_cgroup);
GUARD_UNARY(process_repr);

static PyGetSetDef process_getset[] = {
    {"pid", GUARDED(process_get_pid), NULL, "int: the process id.", NULL},
    {"returncode", GUARDED(process_get_returncode), NULL,
     "int | None: the exit code, -N if signal N ended the child, None\n"
     "while it is not reaped.",
     NULL},
    {"stdin", GUARDED(process_get_stdin), GUARDED(process_set_stdin),
     "StreamWriter | None: None if it is neither a pipe nor a terminal.", NULL},
    {"stdout", GUARDED(process_get_stdout), GUARDED(process_set_stdout),
     "StreamReader | None: None if it is neither a pipe nor a terminal.", NULL},
    {"stderr", GUARDED(process_get_stderr), GUARDED(process_set_stderr),
     "StreamReader | None: None if it is not a pipe, nor a terminal that\n"
     "stdout is not.",
     NULL},
    {"resource_usage", GUARDED(process_get_resource_usage), NULL,
     "resource.struct_rusage | None: what the child has used; None while\n"
     "it is not reaped, or if other code reaped it.  Not in asyncio.",
     NULL},
    {"_cgroup", GUARDED(process_get_cgroup), NULL,
     "A descriptor of the cgroup that it was started in, or None.", NULL},
    {"_lingered", GUARDED(process_get_lingered), NULL, "Whether a pipe was ended by _set_linger().",
     NULL},
    {"_transport", process_get_transport, NULL, "The asyncio.SubprocessTransport.", NULL},
    {"_loop", process_get_loop, NULL, "The event loop.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- the type ---- */

static int process_traverse(PyObject *op, visitproc visit, void *arg)
{
    ProcessObject *self = (ProcessObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->transport);
    Py_VISIT(self->stdin_writer);
    Py_VISIT(self->stdout_reader);
    Py_VISIT(self->stderr_reader);
    return compat_visit_dict(op, visit, arg);
}

static int process_clear(PyObject *op)
{
    compat_clear_dict(op);
    return 0; /* nothing refers back to a Process, so no cycle goes through the rest */
}

static void process_dealloc(PyObject *op)
{
    ProcessObject *self = (ProcessObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, process_dealloc);
    PyObject_ClearWeakRefs(op);
    process_clear(op);
    Py_CLEAR(self->stdin_writer);
    Py_CLEAR(self->stdout_reader);
    Py_CLEAR(self->stderr_reader);
    Py_CLEAR(self->transport);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyMethodDef process_methods[] = {
    {"wait", process_wait, METH_NOARGS,
     "wait($self, /)\n--\n\n"
     "Wait until the child has exited, even if its pipes are still open.\n\n"
     "Returns an awaitable of int; -N if signal N ended the child.\n\n"
     "Like asyncio.subprocess.Process.wait()."},
    {"communicate", FASTCALL(GUARDED(process_communicate)),
     "communicate($self, /, input=None, *, linger=None)\n--\n\n"
     "Send input, close stdin, read all output, and wait for the exit.\n\n"
     "A call that is cancelled loses nothing: the next one returns what\n"
     "was read before as well.\n\n"
     "input: bytes-like, or None; ignored if stdin is not a pipe.\n"
     "linger: float, in seconds, or None; how long after the exit the\n"
     "    outputs are read on, and the input is written on, if another\n"
     "    process still holds their pipes, which are closed then.  None\n"
     "    is as long as it takes.  Not in asyncio.\n"
     "Returns an awaitable of tuple[bytes | None, bytes | None]; what the\n"
     "    child wrote to stdout and stderr, None for what is not a pipe.\n"
     "Raises RuntimeError if another task is reading stdout or stderr,\n"
     "    ValueError for new input after a call that was cancelled.\n\n"
     "Like asyncio.subprocess.Process.communicate()."},
    {"send_signal", FASTCALL(GUARDED(process_send_signal)),
     "send_signal($self, /, signal)\n--\n\n"
     "Send a signal to the child.\n\n"
     "signal: int; its number.\n"
     "Raises ProcessLookupError if the child has exited and was reaped.\n\n"
     "Like asyncio.subprocess.Process.send_signal()."},
    {"terminate", GUARDED(process_terminate), METH_NOARGS,
     "terminate($self, /)\n--\n\n"
     "Send SIGTERM to the child.\n\n"
     "Raises ProcessLookupError if the child has exited and was reaped.\n\n"
     "Like asyncio.subprocess.Process.terminate()."},
    {"kill", GUARDED(process_kill), METH_NOARGS,
     "kill($self, /)\n--\n\n"
     "Send SIGKILL to the child.\n\n"
     "Raises ProcessLookupError if the child has exited and was reaped.\n\n"
     "Like asyncio.subprocess.Process.kill()."},
    {"signal_group", FASTCALL(GUARDED(process_signal_group)),
     "signal_group($self, /, signal)\n--\n\n"
     "Send a signal to the process group that the child leads.\n\n"
     "A child leads one if it was started with start_new_session=True or\n"
     "process_group=0, or has called setsid() or setpgid() itself. The\n"
     "group can be reached after the child has exited, too: from Linux 6.9\n"
     "on always, before that until the child is reaped. Another group that\n"
     "got the same number is never hit.\n\n"
     "signal: int; its number. 0 sends nothing and says whether the group\n"
     "    has members, zombies included.\n"
     "Raises ValueError if the child does not lead a group,\n"
     "    ProcessLookupError if the group is empty, PermissionError if\n"
     "    none of its members may be signalled.\n\n"
     "Not in asyncio."},
    {"close", GUARDED(process_close), METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Close our ends of the pipes at once.\n\n"
     "What was written to stdin and did not go through is dropped. What\n"
     "was read from stdout and stderr can still be read, and then their\n"
     "end. The child gets no signal, and goes on unless it needs the\n"
     "pipes. A terminal is hung up: its session gets SIGHUP.\n\n"
     "Not in asyncio."},
    {"set_terminal_size", (PyCFunction)(void (*)(void))GUARDED(process_set_terminal_size),
     METH_VARARGS | METH_KEYWORDS,
     "set_terminal_size($self, /, rows, columns)\n--\n\n"
     "Set the size of the terminal of a child that was started with PTY.\n\n"
     "The process group in the foreground gets SIGWINCH if the size is\n"
     "another one.\n\n"
     "rows: int; 0 to 65535.\n"
     "columns: int; the same.\n"
     "Raises ValueError if the child has no terminal, ProcessLookupError\n"
     "    if that is closed, because the child has ended or by close().\n\n"
     "Not in asyncio."},
    {"_hold_group", GUARDED(process_hold_group), METH_O,
     "From now on signal_group() is to work after the exit, or (False) no longer needs to."},
    {"_next_output", GUARDED(process_next_output), METH_O,
     "-> awaitable of (1 | 2, bytes), or None at the end of both streams: the oldest bytes of one "
     "of them, so many at most."},
    {"_set_linger", GUARDED(process_set_linger), METH_O,
     "For how many seconds after the exit the outputs are read while others hold their pipes."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot process_slots[] = {
    {Py_tp_doc, "A child process: a subclass of asyncio.subprocess.Process.\n\n"
                "create_subprocess_exec() and create_subprocess_shell() make it."},
    {Py_tp_dealloc, process_dealloc},
    {Py_tp_traverse, process_traverse},
    {Py_tp_clear, process_clear},
    {Py_tp_repr, GUARDED(process_repr)},
    {Py_tp_methods, process_methods},
    {Py_tp_getset, process_getset},
    {0, NULL},
};

static PyType_Spec process_spec = {
    .name = "_fastproc.Process",
    .basicsize = sizeof(ProcessObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = process_slots,
};

int process_init(PyObject *module, struct fp_state *state)
{
    PyObject *base = import_attribute("asyncio.subprocess", "Process");
    int result = -1;
    if (base != NULL)
        result = state_add_type(module, &process_spec, base, offsetof(ProcessObject, transport),
                                &state->process_type, "Process");
    if (result == 0)
        result = coroutine_functions_in_type(state, state->process_type, base);
    Py_XDECREF(base);
    return result;
}
