/* SPDX-License-Identifier: MIT
 *
 * See spawn_error.h.
 */
#include "child/spawn_error.h"

#include "child/attributes.h"
#include "python/errors.h"

void spawn_error_raise(struct fp_state *state, const struct spawn_plan *plan)
{
    PyObject *filename = NULL;
    if (plan->error.stage >= FP_STAGE_ATTRIBUTE) {
        attributes_raise(-plan->error.err,
                         (enum fp_attribute)(plan->error.stage - FP_STAGE_ATTRIBUTE));
        return;
    }
    switch ((enum fp_spawn_stage)plan->error.stage) {
    case FP_STAGE_PREEXEC:
        PyErr_SetString(state->SubprocessError, "Exception occurred in preexec_fn.");
        return;
    case FP_STAGE_CHDIR:
        filename = plan->cwd;
        break;
    case FP_STAGE_EXEC:
        filename = plan->program;
        break;
    case FP_STAGE_TERMINAL:
        raise_errno_naming(-plan->error.err, "PTY");
        return;
    case FP_STAGE_SETUP:
    case FP_STAGE_NONE:
    case FP_STAGE_ATTRIBUTE:
        break;
    }
    raise_errno_of(-plan->error.err, filename);
}
