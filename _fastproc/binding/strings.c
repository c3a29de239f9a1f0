/* SPDX-License-Identifier: MIT
 *
 * See strings.h.
 */
#include "binding/strings.h"

#include <string.h>

extern char **environ;

#define DEFAULT_PATH "/bin:/usr/bin" /* os.defpath */

/* A new bytes object without NUL, or NULL. */
static PyObject *to_bytes(PyObject *value)
{
    PyObject *bytes = NULL;
    return PyUnicode_FSConverter(value, &bytes) ? bytes : NULL;
}

static int append_and_drop(PyObject *list, PyObject *item)
{
    int result = item != NULL ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return result;
}

static PyObject *convert_list(PyObject *values)
{
    PyObject *list = PyList_New(0);
    if (list == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values); i++) {
        PyObject *value =
            Py_NewRef(PyList_GET_ITEM(values, i)); /* __fspath__ may change the list */
        int result = append_and_drop(list, to_bytes(value));
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
        if (append_and_drop(list, convert_entry(pair)) < 0)
            Py_CLEAR(list);
        Py_DECREF(pair);
    }
    Py_XDECREF(items);
    return list;
}

/* The value of PATH that the search uses; NULL with ValueError if there are two. */
static const char *find_path(PyObject *env)
{
    const char *found = NULL;
    if (env == NULL) {
        for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
            if (strncmp(*entry, "PATH=", 5) == 0)
                return *entry + 5;
        return DEFAULT_PATH;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(env); i++) {
        const char *entry = PyBytes_AS_STRING(PyList_GET_ITEM(env, i));
        if (strncmp(entry, "PATH=", 5) != 0)
            continue;
        if (found != NULL) { /* a str key and a bytes key */
            PyErr_SetString(PyExc_ValueError, "env cannot contain 'PATH' and b'PATH' keys");
            return NULL;
        }
        found = entry + 5;
    }
    return found != NULL ? found : DEFAULT_PATH;
}

/* As os.execvpe: each directory of PATH joined with a program that has no slash. */
static PyObject *list_candidates(PyObject *program, PyObject *env)
{
    PyObject *list = PyList_New(0);
    if (list == NULL)
        return NULL;
    const char *name = PyBytes_AS_STRING(program);
    if (strchr(name, '/') != NULL) {
        if (PyList_Append(list, program) < 0)
            goto error;
        return list;
    }
    const char *directory = find_path(env);
    if (directory == NULL)
        goto error;
    for (;;) {
        size_t length = strcspn(directory, ":");
        bool slash = length > 0 && directory[length - 1] != '/';
        PyObject *candidate =
            PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(length + slash + strlen(name)));
        if (candidate != NULL) {
            char *to = PyBytes_AS_STRING(candidate);
            memcpy(to, directory, length);
            if (slash)
                to[length] = '/';
            memcpy(to + length + slash, name, strlen(name));
        }
        if (append_and_drop(list, candidate) < 0)
            goto error;
        if (directory[length] == '\0')
            return list;
        directory += length + 1;
    }

error:
    Py_DECREF(list);
    return NULL;
}

int strings_gather(struct strings *strings, PyObject *argv, PyObject *executable, PyObject *cwd,
                   PyObject *env)
{
    *strings = (struct strings){0};
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
    strings->paths = list_candidates(program, strings->env);
    if (strings->paths == NULL)
        goto error;
    Py_DECREF(program);
    return 0;

error:
    Py_XDECREF(program);
    strings_drop(strings);
    return -1;
}

void strings_drop(struct strings *strings)
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

size_t strings_size(const struct strings *strings)
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

void strings_pack(const struct strings *strings, struct fp_spawn_request *request, char *room)
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
