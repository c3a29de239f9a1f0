/* SPDX-License-Identifier: MIT
 *
 * See hub.h.  How the hub of a loop is found is in hub_of_loop.c, how it ends in
 * hub_end.c.
 */
#include "loop/hub.h"

bool hub_is_forked_off(const HubObject *hub)
{
    return hub->fork_generation != hub->state->fork_generation;
}

bool hub_is_alive(const HubObject *hub)
{
    return !hub->closed && !hub_is_forked_off(hub);
}

PyObject *hub_loop(HubObject *hub)
{
    PyObject *loop = compat_weakref_target(hub->loop_ref);
    if (loop == NULL)
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
    return loop;
}

void hub_report(PyObject *about)
{
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(about);
}

/* Does nothing if another hub is listed by now. */
void hub_unlist(HubObject *hub)
{
    if (hub->state->hubs == NULL || hub->table_ref == NULL)
        return;
    PyObject *listed = compat_dict_get(hub->state->hubs, hub->loop_id);
    if (listed == hub->table_ref)
        PyDict_DelItem(hub->state->hubs, hub->loop_id);
    Py_XDECREF(listed);
}
