/* SPDX-License-Identifier: MIT
 *
 * See hub_of_loop.h.
 */
#include "loop/hub_of_loop.h"

#include "loop/loop_methods.h"

/* How long to wait for children that have closed their output and have not exited.  500 times
 * `true` needed 0.02 to 0.09 ms from the end of their output to their exit (Popen, read to the end,
 * poll the pidfd; two idle processors); the rest is for busy machines. */
enum { PATIENCE_MS = 100 };

/* The hub registered under this id: a new reference, or NULL.  The references in state->hubs are
 * weak, because strong ones would keep a loop alive through the tasks that wait in it; a hub
 * removes its own when it ends. */
static HubObject *find_hub(struct fp_state *state, PyObject *loop_id)
{
    PyObject *ref = state->hubs != NULL ? compat_dict_get(state->hubs, loop_id) : NULL;
    PyObject *hub = ref != NULL ? compat_weakref_target(ref) : NULL;
    Py_XDECREF(ref);
    return (HubObject *)hub;
}

static HubObject *make_hub(struct fp_state *state, PyObject *loop, PyObject *loop_id)
{
    HubObject *hub = PyObject_GC_New(HubObject, (PyTypeObject *)state->hub_type);
    if (hub == NULL)
        return NULL;
    memset((char *)hub + sizeof(PyObject), 0, sizeof *hub - sizeof(PyObject));
    hub->state = state;
    hub->poller.fd = -1;
    hub->first_free = -1;
    hub->fork_generation = state->fork_generation;
    hub->loop_id = Py_NewRef(loop_id);
    PyObject_GC_Track(hub);
    hub->patience_ms = PATIENCE_MS;
    hub->loop_ref = PyWeakref_NewRef(loop, NULL);
    if (hub->loop_ref == NULL)
        goto error;
    hub->table_ref = PyWeakref_NewRef((PyObject *)hub, NULL);
    if (hub->table_ref == NULL || PyDict_SetItem(state->hubs, loop_id, hub->table_ref) < 0)
        goto error;
    return hub;

error:
    hub->closed = true;
    Py_DECREF(hub);
    return NULL;
}

static bool belongs_to(HubObject *hub, PyObject *loop)
{
    PyObject *target = compat_weakref_target(hub->loop_ref);
    Py_XDECREF(target);
    return target == loop;
}

static HubObject *get_or_make_hub(struct fp_state *state, PyObject *loop)
{
    PyObject *loop_id = PyLong_FromVoidPtr(loop);
    if (loop_id == NULL)
        return NULL;
    HubObject *hub = find_hub(state, loop_id);
    if (hub == NULL || !hub_is_alive(hub) || !belongs_to(hub, loop)) {
        Py_XDECREF(hub);
        hub = PyErr_Occurred() ? NULL : make_hub(state, loop, loop_id);
    }
    Py_DECREF(loop_id);
    if (COMPAT_HAS_GIL)
        state->last_hub = hub;
    return hub;
}

HubObject *hub_of_loop(struct fp_state *state, PyObject *loop)
{
    HubObject *last = COMPAT_HAS_GIL ? state->last_hub : NULL;
    if (last != NULL && hub_is_alive(last) && belongs_to(last, loop))
        return (HubObject *)Py_NewRef((PyObject *)last);
    PyObject *behind = loop_behind(state, loop);
    HubObject *hub = get_or_make_hub(state, behind);
    Py_DECREF(behind);
    return hub;
}
