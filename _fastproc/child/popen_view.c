/* SPDX-License-Identifier: MIT
 *
 * See popen_view.h.
 */
#include "child/popen_view.h"

#include <fcntl.h>
#include <poll.h>

#include "child/signals.h"
#include "posix/clock.h"
#include "posix/fd.h"
#include "python/arguments.h"
#include "python/errors.h"
#include "python/guard.h"

typedef struct {
    PyObject_HEAD
    TransportObject *transport;
    PyObject *dict; /* attributes that somebody has set, or NULL */
} PopenViewObject;

PyObject *popen_view_new(TransportObject *transport)
{
    PyTypeObject *type = (PyTypeObject *)transport->hub->state->popen_type;
    PopenViewObject *self = PyObject_GC_New(PopenViewObject, type);
    if (self == NULL)
        return NULL;
    self->transport = (TransportObject *)Py_NewRef((PyObject *)transport);
    self->dict = NULL;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

bool popen_view_is_unused(PyObject *op)
{
    PopenViewObject *self = (PopenViewObject *)op;
    return Py_REFCNT(op) == 1 && __atomic_load_n(&self->dict, __ATOMIC_ACQUIRE) == NULL;
}

bool popen_view_kills(PyObject *op)
{
    PopenViewObject *self = (PopenViewObject *)op;
    int returncode;
    if (__atomic_load_n(&self->dict, __ATOMIC_ACQUIRE) == NULL) /* the interpreter sets it */
        return false;
    if (fp_exit_peek(&self->transport->child, &returncode) != FP_REAP_RUNNING)
        return true;
    Py_XDECREF(PyObject_CallMethod(op, "kill", NULL));
    if (PyErr_Occurred() &&
        PyErr_ExceptionMatches(PyExc_OSError)) /* gone or setuid: not ours to worry about */
        PyErr_Clear();
    hub_report(op);
    return true;
}

static int popen_view_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((PopenViewObject *)op)->transport);
    Py_VISIT(((PopenViewObject *)op)->dict);
    return 0;
}

/* The transport stays: methods need it, and it has a tp_clear itself. */
static int popen_view_clear(PyObject *op)
{
    Py_CLEAR(((PopenViewObject *)op)->dict);
    return 0;
}

static void popen_view_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, popen_view_dealloc);
    popen_view_clear(op);
    Py_CLEAR(((PopenViewObject *)op)->transport);
    PyObject_GC_Del(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static TransportObject *transport_of(PyObject *op)
{
    return ((PopenViewObject *)op)->transport;
}

static PyObject *popen_view_get_pid(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(transport_of(op)->child.pid);
}

static PyObject *popen_view_get_args(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(transport_of(op)->args);
}

static PyObject *popen_view_get_returncode(PyObject *op, void *Py_UNUSED(closure))
{
    return transport_returncode(transport_of(op));
}

static PyObject *popen_view_get_pipe(PyObject *op, void *closure)
{
    PyObject *pipe = transport_of(op)->pipes[(intptr_t)closure];
    return Py_NewRef(pipe != NULL ? pipe : Py_None);
}

/* The returncode, if it is known or can be seen without taking the status.  The loop takes the
 * status later, so the transport's returncode does not change here.  A new reference. */
static PyObject *returncode_seen(TransportObject *transport)
{
    int returncode;
    if (transport->phase != TRANSPORT_RUNNING)
        return transport_returncode(transport);
    enum fp_reap seen = fp_exit_peek(&transport->child, &returncode);
    if (seen == FP_REAP_DONE || seen == FP_REAP_INFO)
        return PyLong_FromLong(returncode);
    Py_RETURN_NONE; /* also when the status is lost: the loop decides what that means */
}

static PyObject *popen_view_poll(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return returncode_seen(transport_of(op));
}

static PyObject *raise_timeout(TransportObject *transport, PyObject *timeout)
{
    PyObject *type = import_attribute("subprocess", "TimeoutExpired");
    PyObject *exception =
        type != NULL ? PyObject_CallFunctionObjArgs(type, transport->args, timeout, NULL) : NULL;
    if (exception != NULL)
        PyErr_SetObject(type, exception);
    Py_XDECREF(exception);
    Py_XDECREF(type);
    return NULL;
}

static double now(void)
{
    return (double)fp_clock_ns() / 1e9;
}

/* Blocks until the descriptor is readable or the time is over.  0, -ETIMEDOUT, or -1 with an
 * exception of a signal handler. */
static int wait_readable(int fd, double seconds)
{
    double deadline = now() + seconds;
    for (;;) {
        double left = deadline - now();
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        int count, milliseconds = left > 1e6 ? 1000000000 : left > 0 ? (int)(left * 1e3) + 1 : 0;
        Py_BEGIN_ALLOW_THREADS
        count = poll(&watched, 1, milliseconds);
        Py_END_ALLOW_THREADS
        if (count > 0)
            return 0;
        if (count < 0 && PyErr_CheckSignals() < 0)
            return -1;
        if (count == 0 && !(left > 0)) /* or not a number */
            return -ETIMEDOUT;
    }
}

static PyObject *popen_view_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                 PyObject *names)
{
    TransportObject *transport = transport_of(op);
    PyObject *timeout = arguments_one("wait", "timeout", false, args, nargs, names);
    double seconds = 1e9;
    if (timeout == NULL && PyErr_Occurred())
        return NULL;
    if (timeout != NULL && timeout != Py_None) {
        seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0 && PyErr_Occurred())
            return NULL;
    }
    if (transport->phase == TRANSPORT_RUNNING) {
        /* A copy: the loop may be running in another thread, reap the child and close its own. */
        int fd = fcntl(transport->child.fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
            raise_errno(-errno);
            return NULL;
        }
        int waited = wait_readable(fd, seconds);
        fp_fd_close(&fd);
        if (waited == -ETIMEDOUT)
            return raise_timeout(transport, timeout);
        if (waited < 0)
            return NULL;
    }
    return returncode_seen(transport);
}

static PyObject *popen_view_send_signal(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                        PyObject *names)
{
    return transport_send_signal_method((PyObject *)transport_of(op), args, nargs, names);
}

static PyObject *popen_view_terminate(PyObject *op, PyObject *ignored)
{
    return transport_terminate((PyObject *)transport_of(op), ignored);
}

static PyObject *popen_view_kill(PyObject *op, PyObject *ignored)
{
    return transport_kill((PyObject *)transport_of(op), ignored);
}

GUARD_BY(transport_of(op)->hub);
GUARD_GETTER(popen_view_get_pid);
GUARD_GETTER(popen_view_get_returncode);
GUARD_METHOD(popen_view_poll);
GUARD_FASTCALL(popen_view_wait);
GUARD_FASTCALL(popen_view_send_signal);
GUARD_METHOD(popen_view_terminate);
GUARD_METHOD(popen_view_kill);

static PyGetSetDef popen_view_getset[] = {
    {"pid", GUARDED(popen_view_get_pid), NULL, "int: the process id.", NULL},
    {"args", popen_view_get_args, NULL, "What was run: a list.", NULL},
    {"returncode", GUARDED(popen_view_get_returncode), NULL, "None while the child runs.", NULL},
    {"stdin", popen_view_get_pipe, NULL, "The pipe's transport, or None.", (void *)0},
    {"stdout", popen_view_get_pipe, NULL, "The pipe's transport, or None.", (void *)1},
    {"stderr", popen_view_get_pipe, NULL, "The pipe's transport, or None.", (void *)2},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef popen_view_methods[] = {
    {"poll", GUARDED(popen_view_poll), METH_NOARGS,
     "poll($self, /)\n--\n\n"
     "Say whether the child has exited, also before the loop knows.\n\n"
     "Returns int | None; its returncode.\n\n"
     "Like subprocess.Popen.poll()."},
    {"wait", FASTCALL(GUARDED(popen_view_wait)),
     "wait($self, /, timeout=None)\n--\n\n"
     "Block this thread until the child has exited.\n\n"
     "timeout: float, in seconds, or None.\n"
     "Returns int | None; the returncode, None if other code took the\n"
     "    status.\n"
     "Raises subprocess.TimeoutExpired.\n\n"
     "Like subprocess.Popen.wait()."},
    {"send_signal", FASTCALL(GUARDED(popen_view_send_signal)),
     "send_signal($self, /, signal)\n--\n\n"
     "Send a signal to the child.\n\n"
     "signal: int; its number.\n\n"
     "Like subprocess.Popen.send_signal()."},
    {"terminate", GUARDED(popen_view_terminate), METH_NOARGS,
     "terminate($self, /)\n--\n\n"
     "Send SIGTERM to the child.\n\n"
     "Like subprocess.Popen.terminate()."},
    {"kill", GUARDED(popen_view_kill), METH_NOARGS,
     "kill($self, /)\n--\n\n"
     "Send SIGKILL to the child.\n\n"
     "Like subprocess.Popen.kill()."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef popen_view_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(PopenViewObject, dict), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot popen_view_slots[] = {
    {Py_tp_doc,
     "What get_extra_info('subprocess') gives: a Popen that leaves the status to the loop."},
    {Py_tp_dealloc, popen_view_dealloc},
    {Py_tp_traverse, popen_view_traverse},
    {Py_tp_clear, popen_view_clear},
    {Py_tp_members, popen_view_members},
    {Py_tp_getset, popen_view_getset},
    {Py_tp_methods, popen_view_methods},
    {0, NULL},
};

static PyType_Spec popen_view_spec = {
    .name = "_fastproc.PopenView",
    .basicsize = sizeof(PopenViewObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = popen_view_slots,
};

int popen_view_init(PyObject *module, struct fp_state *state)
{
    return state_add_type(module, &popen_view_spec, NULL, 0, &state->popen_type, NULL);
}
