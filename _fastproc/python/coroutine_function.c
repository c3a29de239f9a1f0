/* SPDX-License-Identifier: MIT
 *
 * See coroutine_function.h.
 */
#include "python/coroutine_function.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function; /* the callable: a method descriptor or a function of the module */
    PyObject *looks;    /* asyncio's Python function */
    PyObject *dict;     /* with an inspect.Signature if that is not the one of `looks`; or NULL */
    PyObject *weakrefs;
} CoroutineFunctionObject;

static PyObject *call(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *names)
{
    return PyObject_Vectorcall(((CoroutineFunctionObject *)op)->function, args, nargsf, names);
}

/* A new reference or NULL. */
static PyObject *coroutine_function_new(struct fp_state *state, PyObject *function, PyObject *looks)
{
    PyTypeObject *type = (PyTypeObject *)state->coroutine_function_type;
    CoroutineFunctionObject *self = PyObject_GC_New(CoroutineFunctionObject, type);
    if (self == NULL)
        return NULL;
    self->vectorcall = call;
    self->function = Py_NewRef(function);
    self->looks = Py_NewRef(looks);
    self->dict = self->weakrefs = NULL;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static bool is_coroutine_function(PyObject *object)
{
    return object != NULL && PyFunction_Check(object) &&
           (((PyCodeObject *)PyFunction_GET_CODE(object))->co_flags & CO_COROUTINE);
}

int coroutine_functions_in_type(struct fp_state *state, PyObject *type, PyObject *base)
{
    for (PyMethodDef *method = ((PyTypeObject *)type)->tp_methods;
         method != NULL && method->ml_name != NULL; method++) {
        PyObject *looks = PyObject_GetAttrString(base, method->ml_name);
        if (looks == NULL)
            PyErr_Clear(); /* a method of our own */
        int result = 0;
        if (is_coroutine_function(looks)) {
            PyObject *function = PyObject_GetAttrString(type, method->ml_name);
            PyObject *dressed =
                function != NULL ? coroutine_function_new(state, function, looks) : NULL;
            result = dressed != NULL ? PyObject_SetAttrString(type, method->ml_name, dressed) : -1;
            Py_XDECREF(function);
            Py_XDECREF(dressed);
        }
        Py_XDECREF(looks);
        if (result < 0)
            return -1;
    }
    return 0;
}

int coroutine_functions_in_module(struct fp_state *state, PyObject *module)
{
    static const char *const names[] = {"create_subprocess_exec", "create_subprocess_shell"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        PyObject *looks = import_attribute("asyncio.subprocess", names[i]);
        PyObject *function = looks != NULL ? PyObject_GetAttrString(module, names[i]) : NULL;
        PyObject *dressed = NULL;
        if (function != NULL)
            dressed = coroutine_function_new(state, function, looks);
        Py_XDECREF(looks);
        Py_XDECREF(function);
        int result = dressed != NULL ? PyModule_AddObjectRef(module, names[i], dressed) : -1;
        Py_XDECREF(dressed);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* ---- the type ---- */

/* Like a Python function: binds to the instance on which it is looked up. */
static PyObject *coroutine_function_get(PyObject *op, PyObject *instance, PyObject *Py_UNUSED(type))
{
    return instance == NULL || instance == Py_None ? Py_NewRef(op) : PyMethod_New(op, instance);
}

static PyObject *of_function(PyObject *op, void *name)
{
    return PyObject_GetAttrString(((CoroutineFunctionObject *)op)->function, name);
}

static PyObject *of_looks(PyObject *op, void *name)
{
    return PyObject_GetAttrString(((CoroutineFunctionObject *)op)->looks, name);
}

/* By __class__, unittest.mock and inspect.isfunction() tell functions from other callables. */
static PyObject *get_class(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef((PyObject *)&PyFunction_Type);
}

/* Copied and pickled by its name, as functions are. */
static PyObject *coroutine_function_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return of_function(op, "__qualname__");
}

static PyObject *coroutine_function_repr(PyObject *op)
{
    return PyObject_Repr(((CoroutineFunctionObject *)op)->function);
}

static int coroutine_function_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((CoroutineFunctionObject *)op)->function);
    Py_VISIT(((CoroutineFunctionObject *)op)->looks);
    Py_VISIT(((CoroutineFunctionObject *)op)->dict);
    return 0;
}

static int coroutine_function_clear(PyObject *op)
{
    Py_CLEAR(((CoroutineFunctionObject *)op)->function);
    Py_CLEAR(((CoroutineFunctionObject *)op)->looks);
    Py_CLEAR(((CoroutineFunctionObject *)op)->dict);
    return 0;
}

static void coroutine_function_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, coroutine_function_dealloc);
    if (((CoroutineFunctionObject *)op)->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    coroutine_function_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyMemberDef coroutine_function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(CoroutineFunctionObject, vectorcall), READONLY,
     NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(CoroutineFunctionObject, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(CoroutineFunctionObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define GETTER(name, get)                                                                          \
    {                                                                                              \
        name, get, NULL, NULL, name                                                                \
    }

static PyGetSetDef coroutine_function_getset[] = {
    GETTER("__name__", of_function),
    GETTER("__qualname__", of_function),
    GETTER("__doc__", of_function),
    GETTER("__code__", of_looks),
    GETTER("__defaults__", of_looks),
    GETTER("__kwdefaults__", of_looks),
    GETTER("__annotations__", of_looks),
    GETTER("__globals__", of_looks),
    GETTER("__closure__", of_looks),
    GETTER("__type_params__", of_looks),
    {"__class__", get_class, NULL, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef coroutine_function_methods[] = {
    {"__reduce__", coroutine_function_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot coroutine_function_slots[] = {
    {Py_tp_dealloc, coroutine_function_dealloc}, {Py_tp_traverse, coroutine_function_traverse},
    {Py_tp_clear, coroutine_function_clear},     {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, coroutine_function_get},   {Py_tp_getset, coroutine_function_getset},
    {Py_tp_repr, coroutine_function_repr},       {Py_tp_members, coroutine_function_members},
    {Py_tp_methods, coroutine_function_methods}, {0, NULL},
};

static PyType_Spec coroutine_function_spec = {
    .name = "_fastproc.CoroutineFunction",
    .basicsize = sizeof(CoroutineFunctionObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .slots = coroutine_function_slots,
};

int coroutine_function_init(PyObject *module, struct fp_state *state)
{
    return state_add_type(module, &coroutine_function_spec, NULL, 0,
                          &state->coroutine_function_type, NULL);
}
