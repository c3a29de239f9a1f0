/* SPDX-License-Identifier: MIT
 *
 * See freelist.h.
 */
#include "python/freelist.h"

PyObject *freelist_take(struct freelist *list, PyTypeObject *type)
{
    if (list->count == 0)
        return NULL;
    return PyObject_Init(list->kept[--list->count], type);
}

bool freelist_keep(struct freelist *list, PyObject *dead)
{
    const int room = sizeof list->kept / sizeof list->kept[0];
    if (!COMPAT_HAS_FREELISTS || list->off || list->count == room)
        return false;
    list->kept[list->count++] = dead;
    Py_DECREF(Py_TYPE(dead));
    return true;
}

void freelist_drop(struct freelist *list, bool off)
{
    list->off = off;
    while (list->count > 0)
        PyObject_GC_Del(list->kept[--list->count]);
}
