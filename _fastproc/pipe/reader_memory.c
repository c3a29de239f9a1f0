/* SPDX-License-Identifier: MIT
 *
 * See reader_memory.h.
 */
#include "pipe/reader_memory.h"

#include "posix/pages.h"

static void *resize_bytes(void *block, size_t size)
{
    PyObject *bytes = block != NULL ? reader_object_of_block(block) : NULL;
    if (size == 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    if (size > (size_t)PY_SSIZE_T_MAX / 2) {
        Py_XDECREF(bytes);
        return NULL;
    }
    if (bytes == NULL)
        bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    else
        _PyBytes_Resize(&bytes, (Py_ssize_t)size);
    if (bytes == NULL) {
        PyErr_Clear(); /* the caller reports it in its own way */
        return NULL;
    }
    return PyBytes_AS_STRING(bytes);
}

const struct fp_memory reader_memory = {.resize = resize_bytes};
const struct fp_memory reader_memory_in_volume = {resize_bytes, fp_pages_provide};
