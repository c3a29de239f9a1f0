/* SPDX-License-Identifier: MIT
 *
 * See configure.h.
 */
#include "configure.h"

#include <stdlib.h>
#include <string.h>

#include "child/attributes.h"
#include "loop/handover_pool.h"
#include "loop/start_queue.h"

static const char *const spawn_names[] = {
    [FP_SPAWN_CLONE] = "clone",
    [FP_SPAWN_VFORK] = "vfork",
    [FP_SPAWN_FORK] = "fork",
};

static const char *const exit_names[] = {
    [FP_EXIT_AUTO] = "auto",
    [FP_EXIT_PIDFD_ONLY] = "pidfd",
    [FP_EXIT_THREAD] = "thread",
};

/* The index of a name, or -1 with ValueError. */
static int find_name(const char *const *names, int count, const char *name, const char *what)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    PyErr_Format(PyExc_ValueError, "unknown %s method: %.50s", what, name);
    return -1;
}

static int set_spawn(struct fp_state *state, const char *name)
{
    int method = strcmp(name, "auto") == 0 ? (int)fp_spawn_best_method()
                                           : find_name(spawn_names, 3, name, "spawn");
    if (method < 0)
        return -1;
    enum fp_spawn_method best = fp_spawn_best_method();
    state->spawn_method = method < (int)best ? best : (enum fp_spawn_method)method;
    return 0;
}

static int set_exit(struct fp_state *state, const char *name)
{
    int mode = find_name(exit_names, 3, name, "reap");
    if (mode < 0)
        return -1;
    state->exit_mode = (enum fp_exit_mode)mode;
    return 0;
}

static void set_gate(struct fp_state *state, int gate)
{
    int narrow = start_queue_narrow_width();
    state->start_width = gate;
    state->narrow_width = gate < narrow ? gate : narrow;
}

PyObject *configure(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"spawn",     "reap",    "gate",   "share_from",
                            "shortcuts", "lacking", "tracer", NULL};
    struct fp_state *state = PyModule_GetState(module);
    const char *spawn = NULL, *reap = NULL, *lacking = NULL;
    unsigned lacks = state->lacking;
    int gate = state->start_width, share_from = state->share_from, shortcuts = state->shortcuts,
        tracer = state->heeds_tracer;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$ssiipsp:configure", names, &spawn, &reap,
                                     &gate, &share_from, &shortcuts, &lacking, &tracer))
        return NULL;
    if (gate < 1) {
        PyErr_SetString(PyExc_ValueError, "gate must be positive");
        return NULL;
    }
    if ((spawn != NULL && set_spawn(state, spawn) < 0) ||
        (reap != NULL && set_exit(state, reap) < 0) ||
        (lacking != NULL && attributes_find(lacking, &lacks) < 0))
        return NULL;
    state->lacking = lacks;
    set_gate(state, gate);
    state->share_from = share_from;
    state->shortcuts = shortcuts;
    state->heeds_tracer = tracer;
    state->looked_at = 0;
    freelist_drop(&state->free_awaitables, !shortcuts);
    freelist_drop(&state->free_stops, !shortcuts);
    Py_RETURN_NONE;
}

PyObject *configure_machine(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct fp_state *state = PyModule_GetState(module);
    bool pidfd = fp_exit_has_pidfd();
    return Py_BuildValue(
        "{s:s,s:N,s:N,s:s,s:s,s:i,s:i,s:i}", "spawn", spawn_names[state->spawn_method], "pidfd",
        PyBool_FromLong(pidfd), "exit_info", PyBool_FromLong(fp_exit_has_info()), "reap",
        exit_names[state->exit_mode], "poller", "epoll", "gate", state->start_width, "narrow_gate",
        state->narrow_width, "share_from", state->share_from);
}

int configure_from_environment(struct fp_state *state)
{
    const char *spawn = getenv("FASTPROC_SPAWN"), *reap = getenv("FASTPROC_REAP");
    set_gate(state, start_queue_default_width());
    state->share_from = HANDOVER_POOL_SHARE_FROM;
    state->shortcuts = state->heeds_tracer = true;
    if (set_spawn(state, spawn != NULL ? spawn : "auto") < 0)
        return -1;
    return set_exit(state, reap != NULL ? reap : "auto");
}
