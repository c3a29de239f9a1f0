/* SPDX-License-Identifier: MIT
 *
 * The room of pipes and all below it as a module of its own, without the room of
 * children: open() makes a pair of pipes that belong to any Python object.
 *
 * What a pipe tells its owner becomes a call of the owner's method of that name;
 * `listens` is an attribute.  See test_pipes_alone.py.
 */
#include "loop/awaitable.h"
#include "loop/hub_of_loop.h"
#include "loop/wakeup.h"
#include "pipe/pipe_protocol.h"
#include "pipe/read_pipe.h"
#include "pipe/reader.h"
#include "pipe/writer.h"
#include "python/coroutine_function.h"
#include "python/forks.h"
#include "python/stop_iteration.h"

/* Drops the result of a call that may raise nothing. */
static void settle(PyObject *owner, PyObject *result)
{
    if (result == NULL)
        PyErr_WriteUnraisable(owner);
    Py_XDECREF(result);
}

static bool listens(PyObject *owner)
{
    PyObject *answer = PyObject_GetAttrString(owner, "listens");
    bool truth = answer != NULL && PyObject_IsTrue(answer) > 0;
    settle(owner, answer);
    return truth;
}

static void data(PyObject *owner, int number, PyObject *bytes)
{
    settle(owner, PyObject_CallMethod(owner, "data", "iO", number, bytes));
}

static void end(PyObject *owner, int number, PyObject *exception)
{
    PyObject *why = exception != NULL ? exception : Py_None;
    settle(owner, PyObject_CallMethod(owner, "end", "iO", number, why));
}

static void done(PyObject *owner)
{
    settle(owner, PyObject_CallMethod(owner, "done", NULL));
}

static PyObject *pause_writing(PyObject *owner)
{
    return PyObject_CallMethod(owner, "pause_writing", NULL);
}

static PyObject *resume_writing(PyObject *owner)
{
    return PyObject_CallMethod(owner, "resume_writing", NULL);
}

static PyObject *context(PyObject *Py_UNUSED(owner))
{
    return NULL;
}

static const struct pipe_owner_ops any_object = {
    .listens = listens,
    .data = data,
    .end = end,
    .done = done,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
    .context = context,
};

static PyObject *open_pipes(PyObject *module, PyObject *args)
{
    PyObject *owner, *loop;
    int readable, writable;
    if (!PyArg_ParseTuple(args, "OOii", &owner, &loop, &readable, &writable))
        return NULL;
    struct fp_state *state = PyModule_GetState(module);
    ReadPipeObject *input = NULL;
    WritePipeObject *output = NULL;
    ReaderObject *reader = NULL;
    WriterObject *writer = NULL;
    PyObject *all = NULL;
    HubObject *hub = hub_of_loop(state, loop);
    if (hub == NULL)
        return NULL;
    input = read_pipe_new(state, hub, owner, &any_object, 1, false);
    output = write_pipe_new(state, hub, owner, &any_object, false);
    if (input == NULL || output == NULL)
        goto error;
    reader = read_pipe_make_reader(input, &reader_default_limit);
    writer = writer_new(state, output);
    if (reader == NULL || writer == NULL || read_pipe_connect(input, readable) < 0 ||
        write_pipe_connect(output, writable) < 0)
        goto error;
    all = PyTuple_Pack(2, (PyObject *)reader, (PyObject *)writer);

error:
    Py_XDECREF(input);
    Py_XDECREF(output);
    Py_XDECREF(reader);
    Py_XDECREF(writer);
    Py_DECREF(hub);
    return all;
}

static PyMethodDef functions[] = {
    {"open", open_pipes, METH_VARARGS,
     "open(owner, loop, readable, writable): (reader, writer) of two non-blocking descriptors, "
     "which they take."},
    {NULL, NULL, 0, NULL},
};

static int exec_module(PyObject *module)
{
    struct fp_state *state = PyModule_GetState(module);
    state->shortcuts = true;
    if (state_init(state) < 0 || coroutine_function_init(module, state) < 0 ||
        awaitable_init(module, state) < 0 || stop_iteration_init(module, state) < 0 ||
        wakeup_init(module, state) < 0 || hub_init(module, state) < 0 ||
        pipe_protocol_init(module, state) < 0 || read_pipe_init(module, state) < 0 ||
        write_pipe_init(module, state) < 0 || reader_init(module, state) < 0 ||
        writer_init(module, state) < 0)
        return -1;
    return forks_count(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec_module},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

PyMODINIT_FUNC PyInit_pipes_alone(void);

PyMODINIT_FUNC PyInit_pipes_alone(void)
{
    return state_define_module(functions, slots);
}
