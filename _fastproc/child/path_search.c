/* SPDX-License-Identifier: MIT
 *
 * See path_search.h.
 */
#include "child/path_search.h"

#include <string.h>

#include "python/lists.h"

extern char **environ;

#define DEFAULT_PATH "/bin:/usr/bin" /* os.defpath */

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

PyObject *path_search(PyObject *program, PyObject *env)
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
        if (list_append_stolen(list, candidate) < 0)
            goto error;
        if (directory[length] == '\0')
            return list;
        directory += length + 1;
    }

error:
    Py_DECREF(list);
    return NULL;
}
