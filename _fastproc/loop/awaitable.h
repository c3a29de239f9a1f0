/* SPDX-License-Identifier: MIT
 *
 * The coroutine-like object that wait(), communicate(), read() and the others
 * return.  As with a coroutine, nothing happens before the first step, and it is
 * not iterable: only the iterator that its __await__() returns is.  A step that
 * finds its result returns it at once.  Otherwise it leaves a future to wait on,
 * and runs again when the future is done, whatever completed it, so no wake-up is
 * lost and none is trusted.
 */
#ifndef FP_LOOP_AWAITABLE_H
#define FP_LOOP_AWAITABLE_H

#include "python/state.h"

enum step {
    STEP_DONE,   /* *result is a new reference */
    STEP_WAIT,   /* wait on self->future; NULL: for one turn of the loop */
    STEP_FAILED, /* an exception is set */
};

struct AwaitableObject;

struct awaitable_ops {
    const char *name; /* as in "Process.wait" */
    enum step (*step)(struct AwaitableObject *self, PyObject **result);
    /* Forgets the future wherever step() has left it; called before every next step and at
     * the end.  May be NULL. */
    void (*forget)(struct AwaitableObject *self);
    /* An exception was thrown in (it is self->thrown).  STEP_WAIT holds it back for now: step()
     * goes on and raises it later.  NULL: it propagates at once. */
    enum step (*thrown)(struct AwaitableObject *self);
    /* The awaitable was closed or collected between its first step and its end.  May be NULL. */
    void (*abandoned)(struct AwaitableObject *self);
    /* The object whose lock all these functions need (guard.h), a borrowed reference.  NULL: the
     * awaitable's own lock is enough. */
    PyObject *(*guard)(struct AwaitableObject *self);
    /* __await__() may be called again for each step, as the built-in anext(iterator, default) does. */
    bool awaited_by_steps;
};

enum awaitable_phase {
    AWAITABLE_FRESH,
    AWAITABLE_SUSPENDED,
    AWAITABLE_RUNNING,
    AWAITABLE_FINISHED,
};

typedef struct AwaitableObject {
    PyObject_HEAD
    const struct awaitable_ops *ops;
    struct fp_state *state;
    PyObject *owner;    /* the process, reader, pipe ... it belongs to */
    PyObject *argument; /* of the operation */
    PyObject *future;   /* waited on; NULL between */
    PyObject *thrown;
    PyObject *rare; /* a dict of rarely used attributes (awaitable_looks.c), or NULL */
    PyObject *weakrefs;
    union {                  /* where the operation has come to */
        Py_ssize_t count;    /* how many bytes are wanted */
        Py_ssize_t position; /* in the stream: searched up to here */
        Py_ssize_t stage;    /* what comes next: one of an enum */
        Py_ssize_t done;     /* what has been done: bits */
    };
    enum awaitable_phase phase;
    bool finalized;
} AwaitableObject;

/* A new awaitable; takes new references to owner and argument (which may be NULL); `begin` is
 * the first value of the union. */
PyObject *awaitable_new(struct fp_state *state, const struct awaitable_ops *ops, PyObject *owner,
                        PyObject *argument, Py_ssize_t begin);

int awaitable_init(PyObject *module, struct fp_state *state);

#endif
