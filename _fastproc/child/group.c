/* SPDX-License-Identifier: MIT
 *
 * See group.h.
 */
#include "child/group.h"

#include <errno.h>
#include <signal.h>

#include "child/process.h"
#include "posix/fd.h"
#include "posix/group.h"
#include "python/arguments.h"
#include "python/errors.h"

void group_begin(TransportObject *self)
{
    const struct spawn_plan *plan = self->plan;
    if (plan->request.new_session || plan->request.process_group == 0)
        self->group = GROUP_LED;
    else if (plan->preexec_fn != NULL)
        self->group = GROUP_UNKNOWN; /* it may be os.setsid */
}

/* Whether the child leads a group, or has led one when it was last possible to tell. */
static bool is_led(TransportObject *self)
{
    if (self->group != GROUP_LED && fp_group_is_led_by(&self->child))
        self->group = GROUP_LED;
    return self->group == GROUP_LED;
}

int group_signal(TransportObject *self, int signum)
{
    if (self->phase == TRANSPORT_FAILED) {
        PyErr_SetNone(PyExc_ProcessLookupError);
        return -1;
    }
    if (!is_led(self)) {
        PyErr_SetString(PyExc_ValueError, "the child does not lead a process group");
        return -1;
    }
    int err = fp_group_signal(&self->child, signum);
    if (err == -ESRCH && self->phase == TRANSPORT_EXITED && !self->zombie)
        fp_fd_close(&self->child.fd); /* it is empty, and stays so */
    return err < 0 ? raise_errno(err) : 0;
}

void group_kill(TransportObject *self)
{
    if (self->group != GROUP_NONE && is_led(self))
        fp_group_signal(&self->child, SIGKILL);
}

bool group_needs_leader(TransportObject *self)
{
    if (self->group == GROUP_NONE || self->phase != TRANSPORT_RUNNING || self->abandoned ||
        !is_led(self))
        return false;
    return (self->holds_group || !self->given) && !fp_group_outlives(&self->child);
}

enum fp_reap group_peek(TransportObject *self, struct fp_exit_status *status)
{
    enum fp_reap reap = fp_exit_peek(&self->child, &status->returncode);
    self->zombie = reap == FP_REAP_DONE;
    bool by_others = reap == FP_REAP_LOST || reap == FP_REAP_INFO; /* so there is no zombie */
    return by_others ? fp_exit_reap(&self->child, status) : reap;
}

void group_leader_has_exited(TransportObject *self)
{
    if (self->zombie || (self->group == GROUP_LED && fp_group_outlives(&self->child)))
        return;
    fp_fd_close(&self->child.fd);
}

void group_let_go(TransportObject *self)
{
    struct fp_exit_status status;
    self->holds_group = false;
    if (!self->zombie)
        return;
    self->zombie = false;
    if (fp_exit_reap(&self->child, &status) == FP_REAP_DONE)
        transport_keep_usage(self, &status.usage);
    fp_fd_close(&self->child.fd);
}

PyObject *process_signal_group(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *names)
{
    PyObject *number = arguments_one("signal_group", "signal", true, args, nargs, names);
    int signum;
    if (number == NULL || arguments_int(number, &signum) < 0 ||
        group_signal(((ProcessObject *)op)->transport, signum) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *process_hold_group(PyObject *op, PyObject *hold)
{
    TransportObject *transport = ((ProcessObject *)op)->transport;
    int truth = PyObject_IsTrue(hold);
    if (truth < 0)
        return NULL;
    if (truth)
        transport->holds_group = true;
    else
        group_let_go(transport);
    Py_RETURN_NONE;
}
