/* SPDX-License-Identifier: MIT
 *
 * See forks.h.
 */
#include "python/forks.h"

#include "python/state.h"

static PyObject *count_fork(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct fp_state *state = PyModule_GetState(module);
    state->fork_generation++;
    Py_RETURN_NONE;
}

int forks_count(PyObject *module)
{
    static PyMethodDef method = {"_after_fork", count_fork, METH_NOARGS, NULL};
    PyObject *callback = PyCFunction_NewEx(&method, module, NULL);
    PyObject *watch = import_attribute("os", "register_at_fork");
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
