/* SPDX-License-Identifier: MIT
 *
 * See child_exec.h.
 */
#include "posix/child_exec.h"

#include <errno.h>
#include <time.h>

#include "posix/sys.h"

enum {
    BUSY_PAUSE_NS = 1000000,
    BUSY_TRIES = 100, /* other children exec within a millisecond, or several on a busy machine */
};

/* exec fails with ETXTBSY for a program that was just written while another child, which has not
 * exec'd yet, holds a copy of the descriptor; so it is retried for 0.1 s.  Returns the error. */
FP_IN_CHILD static long exec_one(const struct fp_spawn_request *request, const char *path,
                                 int *tries)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
    long err = sys_execve(path, request->argv, request->envp);
    while (err == -ETXTBSY && request->others_are_starting && (*tries)-- > 0) {
        sys_sleep(&pause);
        err = sys_execve(path, request->argv, request->envp);
    }
    return err;
}

FP_IN_CHILD long fp_child_exec(const struct fp_spawn_request *request)
{
    long telling = 0, last = -ENOENT;
    int tries = BUSY_TRIES;
    for (char *const *path = request->paths; *path != NULL; path++) {
        last = exec_one(request, *path, &tries);
        if (last != -ENOENT && last != -ENOTDIR && telling == 0)
            telling = last;
    }
    return telling != 0 ? telling : last;
}
