/* SPDX-License-Identifier: MIT
 *
 * The type StreamWriter, an asyncio.StreamWriter over a write pipe, and the type
 * of its _protocol: a view with the two flags of asyncio's that other code reads.
 */
#include "pipe/writer.h"

#include "loop/awaitable.h"
#include "loop/exceptions.h"
#include "loop/future.h"
#include "pipe/end_of_input.h"
#include "python/arguments.h"
#include "python/coroutine_function.h"
#include "python/guard.h"

WriterObject *writer_new(struct fp_state *state, WritePipeObject *pipe)
{
    PyTypeObject *type = (PyTypeObject *)state->writer_type;
    WriterObject *self = (WriterObject *)type->tp_alloc(type, 0);
    if (self != NULL)
        self->pipe = (WritePipeObject *)Py_NewRef((PyObject *)pipe);
    return self;
}

static WritePipeObject *pipe_of(PyObject *op)
{
    return ((WriterObject *)op)->pipe;
}

/* Of an awaitable that belongs to a pipe. */
static PyObject *guard_of_pipe(AwaitableObject *self)
{
    return (PyObject *)((WritePipeObject *)self->owner)->base.hub;
}

/* ---- drain ---- */

/* AwaitableObject.stage */
enum {
    DRAIN_BEGUN,
    DRAIN_CLOSING, /* at the start; one turn later asyncio's protocol does not know it yet */
    DRAIN_YIELDED,
    DRAIN_WAITED,
};

static enum step drain_step(AwaitableObject *self, PyObject **result)
{
    WritePipeObject *pipe = (WritePipeObject *)self->owner;
    if (self->stage == DRAIN_BEGUN && pipe->closing) {
        /* Waits one turn, because a loop of writes would keep the event loop busy. */
        self->stage = pipe->lost ? DRAIN_YIELDED : DRAIN_CLOSING;
        return STEP_WAIT;
    }
    if (self->stage == DRAIN_WAITED) {
        if (pipe->lost && pipe->lost_to != NULL) {
            hub_raise_kept(pipe->base.hub, pipe->lost_to);
            return STEP_FAILED;
        }
    } else {
        if (pipe->lost && self->stage != DRAIN_CLOSING) {
            PyErr_SetString(PyExc_ConnectionResetError, "Connection lost");
            return STEP_FAILED;
        }
        if (pipe->paused && !pipe->lost) {
            self->stage = DRAIN_WAITED;
            self->future = future_new(pipe->base.hub);
            if (self->future == NULL || waiters_add(&pipe->drain_waiters, self->future) < 0)
                return STEP_FAILED;
            return STEP_WAIT;
        }
    }
    *result = Py_NewRef(Py_None);
    return STEP_DONE;
}

static void drain_forget(AwaitableObject *self)
{
    if (self->owner != NULL)
        waiters_discard(((WritePipeObject *)self->owner)->drain_waiters, self->future);
}

static const struct awaitable_ops drain_ops = {
    .name = "StreamWriter.drain",
    .step = drain_step,
    .forget = drain_forget,
    .guard = guard_of_pipe,
};

static PyObject *writer_drain(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    WritePipeObject *pipe = pipe_of(op);
    return awaitable_new(pipe->base.hub->state, &drain_ops, (PyObject *)pipe, NULL, DRAIN_BEGUN);
}

/* ---- wait_closed ---- */

static enum step wait_closed_step(AwaitableObject *self, PyObject **result)
{
    WritePipeObject *pipe = (WritePipeObject *)self->owner;
    if (!pipe->lost) {
        self->future = future_new(pipe->base.hub);
        if (self->future == NULL || waiters_add(&pipe->close_waiters, self->future) < 0)
            return STEP_FAILED;
        return STEP_WAIT;
    }
    if (pipe->lost_to != NULL) {
        hub_raise_kept(pipe->base.hub, pipe->lost_to);
        return STEP_FAILED;
    }
    *result = Py_NewRef(Py_None);
    return STEP_DONE;
}

static void wait_closed_forget(AwaitableObject *self)
{
    if (self->owner != NULL)
        waiters_discard(((WritePipeObject *)self->owner)->close_waiters, self->future);
}

static const struct awaitable_ops wait_closed_ops = {
    .name = "StreamWriter.wait_closed",
    .step = wait_closed_step,
    .forget = wait_closed_forget,
    .guard = guard_of_pipe,
};

static PyObject *writer_wait_closed(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    WritePipeObject *pipe = pipe_of(op);
    return awaitable_new(pipe->base.hub->state, &wait_closed_ops, (PyObject *)pipe, NULL, 0);
}

/* ---- what goes straight to the pipe ---- */

static PyObject *writer_write(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *names)
{
    PyObject *data = arguments_one("write", "data", true, args, nargs, names);
    if (data == NULL)
        return NULL;
    if (write_pipe_write(pipe_of(op), data) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *writer_writelines(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                   PyObject *names)
{
    PyObject *lines = arguments_one("writelines", "data", true, args, nargs, names);
    if (lines == NULL)
        return NULL;
    if (write_pipe_writelines(pipe_of(op), lines) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *writer_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    end_of_input_and_close(pipe_of(op));
    Py_RETURN_NONE;
}

static PyObject *writer_write_eof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (end_of_input_write(pipe_of(op)) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *writer_is_closing(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(pipe_of(op)->closing);
}

static PyObject *writer_can_write_eof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(end_of_input_is_there(pipe_of(op)));
}

static PyObject *writer_get_extra_info(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *otherwise;
    int known = arguments_extra_info(args, kwargs, "pipe", &otherwise);
    return known < 0 ? NULL : Py_NewRef(known ? (PyObject *)pipe_of(op) : otherwise);
}

static PyObject *writer_get_transport(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef((PyObject *)pipe_of(op));
}

static PyObject *writer_get_reader(PyObject *Py_UNUSED(op), void *Py_UNUSED(closure))
{
    Py_RETURN_NONE;
}

static PyObject *writer_get_loop(PyObject *op, void *Py_UNUSED(closure))
{
    return hub_loop(pipe_of(op)->base.hub);
}

static PyObject *writer_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<StreamWriter transport=%R>", pipe_of(op));
}

/* ---- _protocol ---- */

typedef struct {
    PyObject_HEAD
    WritePipeObject *pipe;
} ProtocolObject;

static PyObject *writer_get_protocol(PyObject *op, void *Py_UNUSED(closure))
{
    PyTypeObject *type = (PyTypeObject *)pipe_of(op)->base.hub->state->flow_control_type;
    ProtocolObject *protocol = PyObject_GC_New(ProtocolObject, type);
    if (protocol == NULL)
        return NULL;
    protocol->pipe = (WritePipeObject *)Py_NewRef((PyObject *)pipe_of(op));
    PyObject_GC_Track(protocol);
    return (PyObject *)protocol;
}

static PyObject *protocol_get_paused(PyObject *op, void *Py_UNUSED(closure))
{
    const WritePipeObject *pipe = ((ProtocolObject *)op)->pipe;
    bool paused;
    GUARD_BEGIN(pipe->base.hub);
    paused = pipe->paused;
    GUARD_END();
    return PyBool_FromLong(paused);
}

static PyObject *protocol_get_connection_lost(PyObject *op, void *Py_UNUSED(closure))
{
    const WritePipeObject *pipe = ((ProtocolObject *)op)->pipe;
    bool lost;
    GUARD_BEGIN(pipe->base.hub);
    lost = pipe->lost;
    GUARD_END();
    return PyBool_FromLong(lost);
}

/* The methods of a protocol that asyncio's own drain() and wait_closed() await. */
static PyObject *protocol_drain_helper(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    WritePipeObject *pipe = ((ProtocolObject *)op)->pipe;
    return awaitable_new(pipe->base.hub->state, &drain_ops, (PyObject *)pipe, NULL, DRAIN_YIELDED);
}

static PyObject *protocol_get_close_waiter(PyObject *op, PyObject *Py_UNUSED(stream))
{
    WritePipeObject *pipe = ((ProtocolObject *)op)->pipe;
    return awaitable_new(pipe->base.hub->state, &wait_closed_ops, (PyObject *)pipe, NULL, 0);
}

static PyMethodDef protocol_methods[] = {
    {"_drain_helper", protocol_drain_helper, METH_NOARGS, "What drain() waits for."},
    {"_get_close_waiter", protocol_get_close_waiter, METH_O, "What wait_closed() waits for."},
    {NULL, NULL, 0, NULL},
};

static int protocol_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((ProtocolObject *)op)->pipe);
    return 0;
}

static int protocol_clear(PyObject *op)
{
    Py_CLEAR(((ProtocolObject *)op)->pipe);
    return 0;
}

static void protocol_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, protocol_dealloc);
    protocol_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyGetSetDef protocol_getset[] = {
    {"_paused", protocol_get_paused, NULL, "Whether drain() would wait.", NULL},
    {"_connection_lost", protocol_get_connection_lost, NULL, "Whether the pipe is closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot protocol_slots[] = {
    {Py_tp_doc, "What a StreamWriter's _protocol gives: its flow control, to look at."},
    {Py_tp_dealloc, protocol_dealloc},
    {Py_tp_traverse, protocol_traverse},
    {Py_tp_clear, protocol_clear},
    {Py_tp_methods, protocol_methods},
    {Py_tp_getset, protocol_getset},
    {0, NULL},
};

static PyType_Spec protocol_spec = {
    .name = "_fastproc.FlowControlView",
    .basicsize = sizeof(ProtocolObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = protocol_slots,
};

/* ---- the type ---- */

GUARD_BY(pipe_of(op)->base.hub);
GUARD_FASTCALL(writer_write);
GUARD_FASTCALL(writer_writelines);
GUARD_METHOD(writer_close);
GUARD_METHOD(writer_is_closing);
GUARD_METHOD(writer_write_eof);
GUARD_METHOD(writer_can_write_eof);

static int writer_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(pipe_of(op));
    return compat_visit_dict(op, visit, arg);
}

static int writer_clear(PyObject *op)
{
    compat_clear_dict(op);
    return 0; /* the pipe stays to the end: methods need it, and it refers to no writer */
}

/* asyncio's writer closes the pipe here; our pipe lives as long as the hub or the child has it. */
static void writer_finalize(PyObject *Py_UNUSED(op))
{
}

static void writer_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, writer_dealloc);
    PyObject_ClearWeakRefs(op);
    writer_clear(op);
    Py_CLEAR(((WriterObject *)op)->pipe);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyMethodDef writer_methods[] = {
    {"write", FASTCALL(GUARDED(writer_write)),
     "write($self, /, data)\n--\n\n"
     "Write data to the child, and queue what the pipe does not take.\n\n"
     "Does nothing if the pipe is closed.\n\n"
     "data: bytes-like; the child gets what it holds now.\n"
     "Raises TypeError for anything else.\n\n"
     "Like asyncio.StreamWriter.write()."},
    {"writelines", FASTCALL(GUARDED(writer_writelines)),
     "writelines($self, /, data)\n--\n\n"
     "Write each item of an iterable.\n\n"
     "data: iterable of bytes-like objects.\n\n"
     "Like asyncio.StreamWriter.writelines()."},
    {"drain", writer_drain, METH_NOARGS,
     "drain($self, /)\n--\n\n"
     "Wait while more is queued than the high-water mark allows.\n\n"
     "Returns an awaitable of None.\n"
     "Raises ConnectionResetError if the pipe is closed, BrokenPipeError\n"
     "    if the child closed it while data was queued.\n\n"
     "Like asyncio.StreamWriter.drain()."},
    {"close", GUARDED(writer_close), METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Close the pipe as soon as everything is written.\n\n"
     "On a terminal the key for the end of file is typed first, as by\n"
     "write_eof(). It is not hung up while stdout or stderr is read.\n\n"
     "Like asyncio.StreamWriter.close()."},
    {"is_closing", GUARDED(writer_is_closing), METH_NOARGS,
     "is_closing($self, /)\n--\n\n"
     "Say whether the pipe is closed, or will be.\n\n"
     "Returns bool.\n\n"
     "Like asyncio.StreamWriter.is_closing()."},
    {"wait_closed", writer_wait_closed, METH_NOARGS,
     "wait_closed($self, /)\n--\n\n"
     "Wait until the pipe is closed.\n\n"
     "Returns an awaitable of None.\n"
     "Raises the error that closed the pipe, if there was one.\n\n"
     "Like asyncio.StreamWriter.wait_closed()."},
    {"write_eof", GUARDED(writer_write_eof), METH_NOARGS,
     "write_eof($self, /)\n--\n\n"
     "Close the pipe as soon as everything is written, as close() does.\n\n"
     "On a terminal the key for the end of file is typed instead, as its\n"
     "settings have it, twice if a line has begun. More can be written.\n\n"
     "Raises NotImplementedError if a terminal has none, as a raw one.\n\n"
     "Like asyncio.StreamWriter.write_eof()."},
    {"can_write_eof", GUARDED(writer_can_write_eof), METH_NOARGS,
     "can_write_eof($self, /)\n--\n\n"
     "Say whether write_eof() may be called.\n\n"
     "Returns bool; False only for a terminal without an end of file.\n\n"
     "Like asyncio.StreamWriter.can_write_eof()."},
    {"get_extra_info", (PyCFunction)(void (*)(void))writer_get_extra_info,
     METH_VARARGS | METH_KEYWORDS,
     "get_extra_info($self, /, name, default=None)\n--\n\n"
     "Ask the transport for optional information.\n\n"
     "name: str; 'pipe' and 'subprocess' are known.\n"
     "default: what to return for another name.\n"
     "Returns Any.\n\n"
     "Like asyncio.StreamWriter.get_extra_info()."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef writer_getset[] = {
    {"transport", writer_get_transport, NULL, "The pipe: an asyncio.WriteTransport.", NULL},
    {"_transport", writer_get_transport, NULL, "As transport.", NULL},
    {"_protocol", writer_get_protocol, NULL, "The flow control, to look at.", NULL},
    {"_reader", writer_get_reader, NULL, "None.", NULL},
    {"_loop", writer_get_loop, NULL, "The event loop.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot writer_slots[] = {
    {Py_tp_doc, "Writes to the stdin of a child: a subclass of asyncio.StreamWriter."},
    {Py_tp_dealloc, writer_dealloc},
    {Py_tp_finalize, writer_finalize},
    {Py_tp_traverse, writer_traverse},
    {Py_tp_clear, writer_clear},
    {Py_tp_repr, writer_repr},
    {Py_tp_methods, writer_methods},
    {Py_tp_getset, writer_getset},
    {0, NULL},
};

static PyType_Spec writer_spec = {
    .name = "_fastproc.StreamWriter",
    .basicsize = sizeof(WriterObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = writer_slots,
};

int writer_init(PyObject *module, struct fp_state *state)
{
    PyObject *base = import_attribute("asyncio", "StreamWriter");
    int result = -1;
    if (base != NULL)
        result = state_add_type(module, &writer_spec, base, offsetof(WriterObject, pipe),
                                &state->writer_type, "StreamWriter");
    if (result == 0)
        result = coroutine_functions_in_type(state, state->writer_type, base);
    Py_XDECREF(base);
    if (result < 0)
        return -1;
    return state_add_type(module, &protocol_spec, NULL, 0, &state->flow_control_type, NULL);
}
