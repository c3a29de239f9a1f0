/* SPDX-License-Identifier: MIT
 *
 * The Python type of a transport.
 */
#include "child/cancel_and_close.h"
#include "child/end_without_loop.h"
#include "child/group.h"
#include "child/pipe_owner.h"
#include "child/popen_view.h"
#include "child/signals.h"
#include "pipe/read_pipe.h"
#include "pipe/write_pipe.h"
#include "posix/fd.h"
#include "python/arguments.h"
#include "python/guard.h"
#include "python/numbers.h"

#include <limits.h>
#include <signal.h>

TransportObject *transport_new(struct fp_state *state, HubObject *hub, struct spawn_plan *plan)
{
    PyTypeObject *type = (PyTypeObject *)state->transport_type;
    TransportObject *self = (TransportObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->hub = (HubObject *)Py_NewRef((PyObject *)hub);
    PyObject *owner = (PyObject *)self;
    bool sized = plan->pipe_size > 0;
    self->child.fd = self->cgroup = -1;
    self->outcome_slot = self->exit_slot = self->terminal_slot = self->terminal = -1;
    self->has_terminal = plan->request.takes_terminal;
    for (int fd = 0; fd < 3; fd++) {
        if (!spawn_plan_has_pipe(plan, fd))
            continue;
        self->pipes[fd] =
            fd == 0 ? (PyObject *)write_pipe_new(state, hub, owner, &child_owns_pipe, sized)
                    : (PyObject *)read_pipe_new(state, hub, owner, &child_owns_pipe, fd, sized);
        if (self->pipes[fd] == NULL) {
            Py_DECREF(self);
            return NULL;
        }
        if (plan->stdio[fd] == STDIO_PTY)
            ((PipeObject *)self->pipes[fd])->kind =
                plan->terminal_raw ? PIPE_RAW_TERMINAL : PIPE_TERMINAL;
    }
    self->args = Py_NewRef(plan->args);
    self->plan = plan;
    group_begin(self);
    self->linger = -1;
    return self;
}

static PyObject *transport_get_pid(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(((TransportObject *)op)->child.pid);
}

static PyObject *transport_get_returncode(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return transport_returncode((TransportObject *)op);
}

static PyObject *transport_get_pipe_transport(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                              PyObject *names)
{
    PyObject *number = arguments_one("get_pipe_transport", "fd", true, args, nargs, names);
    if (number == NULL || PyObject_Hash(number) == -1) /* it is a key of a dict in asyncio */
        return NULL;
    for (size_t fd = 0; fd < 3; fd++) {
        int equal = number_compare(number, fd, Py_EQ);
        if (equal < 0)
            return NULL;
        PyObject *pipe = ((TransportObject *)op)->pipes[fd];
        if (equal > 0 && pipe != NULL)
            return Py_NewRef(pipe);
    }
    Py_RETURN_NONE;
}

static PyObject *transport_close_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    transport_close((TransportObject *)op);
    Py_RETURN_NONE;
}

static PyObject *transport_is_closing(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(((TransportObject *)op)->closing);
}

static PyObject *transport_get_extra_info(PyObject *op, PyObject *args, PyObject *kwargs)
{
    TransportObject *self = (TransportObject *)op;
    PyObject *otherwise;
    int known = arguments_extra_info(args, kwargs, "subprocess", &otherwise);
    if (known < 0)
        return NULL;
    if (!known)
        return Py_NewRef(otherwise);
    if (self->popen == NULL)
        self->popen = popen_view_new(self);
    return Py_XNewRef(self->popen);
}

static PyObject *transport_wait_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return transport_wait((TransportObject *)op);
}

static PyObject *transport_get_protocol(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *protocol = ((TransportObject *)op)->protocol;
    return Py_NewRef(protocol != NULL ? protocol : Py_None);
}

static PyObject *transport_set_protocol_method(PyObject *op, PyObject *const *args,
                                               Py_ssize_t nargs, PyObject *names)
{
    PyObject *protocol = arguments_one("set_protocol", "protocol", true, args, nargs, names);
    if (protocol == NULL || transport_set_protocol((TransportObject *)op, protocol) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* The loop calls this when all is over: a call of its own, as in asyncio, so that it reaches the
 * protocol of that moment. */
static PyObject *transport_call_connection_lost(PyObject *op, PyObject *exception)
{
    TransportObject *self = (TransportObject *)op;
    if (self->protocol == NULL)
        Py_RETURN_NONE;
    PyObject *protocol = Py_NewRef(self->protocol);
    PyObject *result =
        PyObject_CallMethodOneArg(protocol, self->hub->state->names.connection_lost, exception);
    Py_DECREF(protocol);
    Py_SETREF(self->protocol, Py_NewRef(Py_None));
    return result;
}

static PyObject *transport_repr(PyObject *op)
{
    TransportObject *self = (TransportObject *)op;
    int pid = (int)self->child.pid;
    const char *closed = self->closing ? " closed" : "";
    if (self->phase == TRANSPORT_EXITED)
        return PyUnicode_FromFormat("<SubprocessTransport%s pid=%d returncode=%d>", closed, pid,
                                    self->returncode);
    if (self->phase == TRANSPORT_RUNNING)
        return PyUnicode_FromFormat("<SubprocessTransport%s pid=%d running>", closed, pid);
    return PyUnicode_FromFormat("<SubprocessTransport%s not started>", closed);
}

GUARD_BY(((TransportObject *)op)->hub);
GUARD_METHOD(transport_get_pid);
GUARD_METHOD(transport_get_returncode);
GUARD_FASTCALL(transport_get_pipe_transport);
GUARD_FASTCALL(transport_send_signal_method);
GUARD_METHOD(transport_terminate);
GUARD_METHOD(transport_kill);
GUARD_METHOD(transport_close_method);
GUARD_METHOD(transport_is_closing);
GUARD_KEYWORDS(transport_get_extra_info);
GUARD_METHOD(transport_get_protocol);
GUARD_FASTCALL(transport_set_protocol_method);
GUARD_METHOD(transport_call_connection_lost);
GUARD_UNARY(transport_repr);

static int transport_traverse(PyObject *op, visitproc visit, void *arg)
{
    TransportObject *self = (TransportObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->extra);
    Py_VISIT(self->hub);
    for (int fd = 0; fd < 3; fd++)
        Py_VISIT(self->pipes[fd]);
    Py_VISIT(self->starter);
    Py_VISIT(self->exit_waiters);
    Py_VISIT(self->args);
    Py_VISIT(self->protocol);
    Py_VISIT(self->context);
    Py_VISIT(self->popen);
    Py_VISIT(self->linger_timer);
    Py_VISIT(self->dict);
    if (self->plan != NULL) {
        Py_VISIT(self->plan->program);
        Py_VISIT(self->plan->cwd);
        Py_VISIT(self->plan->args);
        Py_VISIT(self->plan->failure);
        Py_VISIT(self->plan->preexec_fn);
    }
    return 0;
}

static void transport_finalize(PyObject *op)
{
    TransportObject *self = (TransportObject *)op;
    if (self->hub != NULL && self->hub->closed) { /* else the hub refers to it, or is garbage too */
        GUARD_BEGIN(self->hub);
        transport_end_dropped(self);
        GUARD_END();
    }
}

/* Reached only without a child: see transport_finalize(). */
static int transport_clear(PyObject *op)
{
    TransportObject *self = (TransportObject *)op;
    for (int fd = 0; fd < 3; fd++)
        Py_CLEAR(self->pipes[fd]);
    Py_CLEAR(self->extra);
    Py_CLEAR(self->starter);
    Py_CLEAR(self->exit_waiters);
    Py_CLEAR(self->args);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->context);
    Py_CLEAR(self->popen);
    Py_CLEAR(self->linger_timer);
    Py_CLEAR(self->dict);
    if (self->plan != NULL && self->phase != TRANSPORT_STARTING) {
        struct spawn_plan *plan = self->plan;
        self->plan = NULL;
        spawn_plan_free(plan);
    }
    return 0;
}

static void transport_dealloc(PyObject *op)
{
    TransportObject *self = (TransportObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (self->phase == TRANSPORT_RUNNING && PyObject_CallFinalizerFromDealloc(op) < 0)
        return; /* a recorded warning keeps the object */
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, transport_dealloc);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    if (self->hub != NULL)
        transport_end_dropped(self); /* its finalizer came before the end of the hub */
    transport_clear(op);
    spawn_plan_free(self->plan);
    group_let_go(self);
    fp_fd_close(&self->child.fd);
    fp_fd_close(&self->cgroup);
    fp_fd_close(&self->terminal);
    PyMem_Free(self->usage);
    Py_CLEAR(self->hub);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyMethodDef transport_methods[] = {
    {"get_pid", GUARDED(transport_get_pid), METH_NOARGS,
     "get_pid($self, /)\n--\n\n"
     "Give the process id of the child.\n\n"
     "Returns int.\n\n"
     "Like asyncio.SubprocessTransport.get_pid()."},
    {"get_returncode", GUARDED(transport_get_returncode), METH_NOARGS,
     "get_returncode($self, /)\n--\n\n"
     "Give the returncode of the child.\n\n"
     "Returns int | None; -N if signal N ended it, None if it was not\n"
     "    reaped.\n\n"
     "Like asyncio.SubprocessTransport.get_returncode()."},
    {"get_pipe_transport", FASTCALL(GUARDED(transport_get_pipe_transport)),
     "get_pipe_transport($self, /, fd)\n--\n\n"
     "Give the transport of one of the child's pipes.\n\n"
     "fd: int; 0, 1 or 2.\n"
     "Returns asyncio.BaseTransport | None; None for what is not a pipe.\n\n"
     "Like asyncio.SubprocessTransport.get_pipe_transport()."},
    {"send_signal", FASTCALL(GUARDED(transport_send_signal_method)),
     "send_signal($self, /, signal)\n--\n\n"
     "Send a signal to the child.\n\n"
     "signal: int; its number.\n"
     "Raises ProcessLookupError if the child has exited and was reaped.\n\n"
     "Like asyncio.SubprocessTransport.send_signal()."},
    {"terminate", GUARDED(transport_terminate), METH_NOARGS,
     "terminate($self, /)\n--\n\n"
     "Send SIGTERM to the child.\n\n"
     "Raises ProcessLookupError if the child has exited and was reaped.\n\n"
     "Like asyncio.SubprocessTransport.terminate()."},
    {"kill", GUARDED(transport_kill), METH_NOARGS,
     "kill($self, /)\n--\n\n"
     "Send SIGKILL to the child.\n\n"
     "Raises ProcessLookupError if the child has exited and was reaped.\n\n"
     "Like asyncio.SubprocessTransport.kill()."},
    {"close", GUARDED(transport_close_method), METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Close the pipes, and kill the child if it still runs.\n\n"
     "Like asyncio.BaseTransport.close()."},
    {"is_closing", GUARDED(transport_is_closing), METH_NOARGS,
     "is_closing($self, /)\n--\n\n"
     "Say whether the transport is closed, or will be.\n\n"
     "Returns bool.\n\n"
     "Like asyncio.BaseTransport.is_closing()."},
    {"get_extra_info", (PyCFunction)(void (*)(void))GUARDED(transport_get_extra_info),
     METH_VARARGS | METH_KEYWORDS,
     "get_extra_info($self, /, name, default=None)\n--\n\n"
     "Give optional information about the child.\n\n"
     "name: str; 'subprocess' gives an object with the pid, args,\n"
     "    returncode, poll(), wait(), send_signal(), terminate() and\n"
     "    kill() of a Popen.\n"
     "default: what to return for another name.\n"
     "Returns Any.\n\n"
     "Like asyncio.BaseTransport.get_extra_info()."},
    {"get_protocol", GUARDED(transport_get_protocol), METH_NOARGS,
     "get_protocol($self, /)\n--\n\n"
     "Give the protocol of the child.\n\n"
     "Returns asyncio.BaseProtocol | None; None for a Process, whose\n"
     "    streams need no protocol, and at the end.\n\n"
     "Like asyncio.BaseTransport.get_protocol()."},
    {"set_protocol", FASTCALL(GUARDED(transport_set_protocol_method)),
     "set_protocol($self, /, protocol)\n--\n\n"
     "Set the protocol that is called from now on.\n\n"
     "protocol: asyncio.SubprocessProtocol.\n\n"
     "Like asyncio.BaseTransport.set_protocol()."},
    {"_call_connection_lost", GUARDED(transport_call_connection_lost), METH_O, NULL},
    {"_wait", transport_wait_method, METH_NOARGS, "What asyncio.subprocess.Process.wait awaits."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef transport_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef transport_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(TransportObject, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TransportObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot transport_slots[] = {
    {Py_tp_doc, "One child and its pipes: a subclass of asyncio.SubprocessTransport."},
    {Py_tp_dealloc, transport_dealloc},
    {Py_tp_finalize, transport_finalize},
    {Py_tp_traverse, transport_traverse},
    {Py_tp_clear, transport_clear},
    {Py_tp_repr, GUARDED(transport_repr)},
    {Py_tp_methods, transport_methods},
    {Py_tp_members, transport_members},
    {Py_tp_getset, transport_getset},
    {0, NULL},
};

static PyType_Spec transport_spec = {
    .name = "_fastproc.SubprocessTransport",
    .basicsize = sizeof(TransportObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = transport_slots,
};

int transport_init(PyObject *module, struct fp_state *state)
{
    PyObject *base = import_attribute("asyncio", "SubprocessTransport");
    int result = -1;
    if (base != NULL)
        result = state_add_type(module, &transport_spec, base, offsetof(TransportObject, hub),
                                &state->transport_type, "SubprocessTransport");
    Py_XDECREF(base);
    if (result < 0)
        return -1;
    return popen_view_init(module, state);
}
