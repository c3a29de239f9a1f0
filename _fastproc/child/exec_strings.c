/* SPDX-License-Identifier: MIT
 *
 * See exec_strings.h.
 */
#include "child/exec_strings.h"

#include <string.h>

#include "child/path_search.h"
#include "python/lists.h"

/* A new bytes object without NUL, or NULL. */
static PyObject *to_bytes(PyObject *value)
{
    PyObject *bytes = NULL;
    return PyUnicode_FSConverter(value, &bytes) ? bytes : NULL;
}

static PyObject *convert_list(PyObject *values)
{
    PyObject *list = PyList_New(0);
    if (list == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values); i++) {
        PyObject *value =
            Py_NewRef(PyList_GET_ITEM(values, i)); /* __fspath__ may change the list */
        int result = list_append_stolen(list, to_bytes(value));
        Py_DECREF(value);
        if (result < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

/* b"KEY=VALUE" or NULL. */
static PyObject *convert_entry(PyObject *item)
{
    PyObject *entry = NULL, *key = NULL, *value = NULL;
    PyObject *pair = PySequence_Tuple(item);
    if (pair == NULL)
        return NULL;
    if (PyTuple_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_ValueError, "env.items() must give pairs");
        goto done;
    }
    key = to_bytes(PyTuple_GET_ITEM(pair, 0));
    if (key == NULL)
        goto done;
    if (memchr(PyBytes_AS_STRING(key), '=', (size_t)PyBytes_GET_SIZE(key)) != NULL) {
        PyErr_SetString(PyExc_ValueError, "illegal environment variable name");
        goto done;
    }
    value = to_bytes(PyTuple_GET_ITEM(pair, 1));
    if (value != NULL)
        entry = PyBytes_FromFormat("%s=%s", PyBytes_AS_STRING(key), PyBytes_AS_STRING(value));
done:
    Py_DECREF(pair);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return entry;
}

static PyObject *convert_env(PyObject *env)
{
    PyObject *items = PyMapping_Items(env);
    PyObject *list = items != NULL ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = Py_NewRef(PyList_GET_ITEM(items, i));
        if (list_append_stolen(list, convert_entry(pair)) < 0)
            Py_CLEAR(list);
        Py_DECREF(pair);
    }
    Py_XDECREF(items);
    return list;
}

int exec_strings_gather(struct exec_strings *strings, PyObject *argv, PyObject *executable,
                        PyObject *cwd, PyObject *env)
{
    *strings = (struct exec_strings){0};
    PyObject *program = NULL;
    strings->argv = convert_list(argv);
    if (strings->argv == NULL)
        goto error;
    if (cwd != NULL && (strings->cwd = to_bytes(cwd)) == NULL)
        goto error;
    if (env != NULL && (strings->env = convert_env(env)) == NULL)
        goto error;
    program = to_bytes(executable);
    if (program == NULL)
        goto error;
    strings->paths = path_search(program, strings->env);
    if (strings->paths == NULL)
        goto error;
    Py_DECREF(program);
    return 0;

error:
    Py_XDECREF(program);
    exec_strings_drop(strings);
    return -1;
}

void exec_strings_drop(struct exec_strings *strings)
{
    Py_CLEAR(strings->argv);
    Py_CLEAR(strings->env);
    Py_CLEAR(strings->cwd);
    Py_CLEAR(strings->paths);
}

/* ---- packing ---- */

static size_t list_size(PyObject *list)
{
    size_t size = sizeof(char *);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
        size += sizeof(char *) + (size_t)PyBytes_GET_SIZE(PyList_GET_ITEM(list, i)) + 1;
    return size;
}

size_t exec_strings_size(const struct exec_strings *strings)
{
    size_t size = list_size(strings->argv) + list_size(strings->paths);
    if (strings->cwd != NULL)
        size += (size_t)PyBytes_GET_SIZE(strings->cwd) + 1;
    if (strings->env != NULL)
        return size + list_size(strings->env);
    return size;
}

/* Where the next pointers and the next characters go. */
struct packer {
    char **pointers;
    char *characters;
};

static char *pack_string(struct packer *packer, const char *text, size_t length)
{
    char *packed = packer->characters;
    memcpy(packed, text, length);
    packed[length] = '\0';
    packer->characters += length + 1;
    return packed;
}

static char *const *pack_list(struct packer *packer, PyObject *list)
{
    char **first = packer->pointers;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *item = PyList_GET_ITEM(list, i);
        *packer->pointers++ =
            pack_string(packer, PyBytes_AS_STRING(item), (size_t)PyBytes_GET_SIZE(item));
    }
    *packer->pointers++ = NULL;
    return first;
}

void exec_strings_pack(const struct exec_strings *strings, struct fp_spawn_request *request,
                       char *room)
{
    size_t env_count = strings->env != NULL ? (size_t)PyList_GET_SIZE(strings->env) + 1 : 0;
    size_t pointers = (size_t)PyList_GET_SIZE(strings->argv) +
                      (size_t)PyList_GET_SIZE(strings->paths) + env_count + 2;
    struct packer packer = {(char **)room, room + pointers * sizeof(char *)};
    request->argv = pack_list(&packer, strings->argv);
    request->paths = pack_list(&packer, strings->paths);
    if (strings->env != NULL)
        request->envp = pack_list(&packer, strings->env);
    request->cwd = NULL;
    if (strings->cwd != NULL)
        request->cwd = pack_string(&packer, PyBytes_AS_STRING(strings->cwd),
                                   (size_t)PyBytes_GET_SIZE(strings->cwd));
}
