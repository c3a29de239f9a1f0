/* SPDX-License-Identifier: MIT
 *
 * See spares.h.
 */
#include "binding/spares.h"

PyObject *spares_take(struct spares *spares, PyTypeObject *type)
{
    if (spares->count == 0)
        return NULL;
    return PyObject_Init(spares->kept[--spares->count], type);
}

bool spares_keep(struct spares *spares, PyObject *dead)
{
    const int room = sizeof spares->kept / sizeof spares->kept[0];
    if (!COMPAT_CAN_KEEP_SPARES || spares->off || spares->count == room)
        return false;
    spares->kept[spares->count++] = dead;
    Py_DECREF(Py_TYPE(dead));
    return true;
}

void spares_drop(struct spares *spares, bool off)
{
    spares->off = off;
    while (spares->count > 0)
        PyObject_GC_Del(spares->kept[--spares->count]);
}
