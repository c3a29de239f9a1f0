/* SPDX-License-Identifier: MIT
 *
 * The parent's half of a spawn: the outcome pipe, the signal mask, the clone.
 *
 * FP_SPAWN_CLONE is clone with CLONE_VM but without CLONE_VFORK: the child has
 * its own stack in the parent's memory, and nobody waits for it.  The rules
 * that the child must follow are in child.c.
 *
 * A child that gets its descriptors by a handover (handover.h) also shares the
 * descriptor table until it has left it.
 *
 * Ids are changed only in a child with memory of its own: the kernel marks the
 * memory of a process that changes them as not dumpable, which would affect the
 * parent, and sharing memory across users allows attacks.  oom_score_adj applies
 * to all processes that share memory, unless one is waited for as after vfork.
 */
#include "posix/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "posix/child.h"
#include "posix/fd.h"
#include "posix/refusal.h"
#include "posix/retry.h"
#include "posix/sys.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#define CLEAR_HANDLERS UINT64_C(0x100000000) /* CLONE_CLEAR_SIGHAND, Linux 5.5, clone3 only */
#define INTO_CGROUP UINT64_C(0x200000000)    /* CLONE_INTO_CGROUP, Linux 5.7 */

/* All signals, also those that the C library keeps to itself and leaves out of its sets. */
static void block_signals(sigset_t *before)
{
#if FP_HAVE_RAW_CALLS
    const uint64_t all = ~UINT64_C(0);
    sigemptyset(before);
    SYS4(rt_sigprocmask, SIG_SETMASK, &all, before, SYS_SIGSET_SIZE);
#else
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
#endif
}

static void restore_signals(const sigset_t *before)
{
#if FP_HAVE_RAW_CALLS
    SYS4(rt_sigprocmask, SIG_SETMASK, before, NULL, SYS_SIGSET_SIZE);
#else
    pthread_sigmask(SIG_SETMASK, before, NULL);
#endif
}

#if FP_HAVE_RAW_CALLS
static bool needs_own_memory(const struct fp_spawn_request *request)
{
    return request->set_groups || request->set_gid || request->set_uid;
}

/* The score applies to all that share the memory, so the thread is suspended until the child has
 * its own. */
static bool sets_oom_score(const struct fp_spawn_request *request)
{
    return fp_attributes_have(request->attributes, FP_ATTRIBUTE_OOM_SCORE_ADJ);
}

FP_IN_CHILD static void run_child(void *request)
{
    fp_child_main(request);
}

struct clone3_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    uint64_t set_tid, set_tid_size, cgroup; /* Linux 5.7; an older one wants none of these */
};

/* Whether to try the other way into a cgroup, if only because its error names the cgroup. */
static bool may_be_the_cgroups(long err)
{
    return err < 0 && err != -EAGAIN && err != -ENOMEM && err != -EMFILE && err != -ENFILE;
}

/* Uses clone3, or clone where a sandbox has forbidden clone3.  A pid or -errno. */
static long clone_child(struct fp_spawn_request *request, uint64_t flags, int *pidfd)
{
    struct clone3_arguments args = {
        .flags = flags | CLONE_PIDFD | CLEAR_HANDLERS,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
    };
    size_t size = offsetof(struct clone3_arguments, set_tid);
    bool shares_memory = (flags & CLONE_VM) != 0,
         has_cgroup = fp_attributes_have(request->attributes, FP_ATTRIBUTE_CGROUP);
    if (has_cgroup) {
        args.flags |= INTO_CGROUP;
        args.cgroup = (uint64_t)request->attributes->cgroup;
        size = sizeof args;
    }
    if (shares_memory) {
        args.stack = (uint64_t)(uintptr_t)request->stack;
        args.stack_size = request->stack_size;
    }
    request->reset_handlers = request->enters_cgroup = false;
    long pid;
    if (shares_memory) {
        pid = sys_clone_to(SYS_clone3, (long)&args, (long)size, 0, run_child, request);
    } else {
        pid = SYS2(clone3, &args, size);
        if (pid == 0)
            fp_child_main(request);
    }
    if (!fp_is_refusal(pid) && !(has_cgroup && may_be_the_cgroups(pid)))
        return pid;
    if (has_cgroup && (flags & CLONE_FILES)) /* it would lose the descriptor with the table */
        return -ENOSYS;

    request->enters_cgroup = has_cgroup;
    request->reset_handlers = true;
    flags |= CLONE_PIDFD | SIGCHLD;
    if (shares_memory) {
        unsigned char *top = request->stack + request->stack_size;
        pid = sys_clone_to(SYS_clone, (long)flags, (long)top, (long)pidfd, run_child, request);
    } else {
        pid = SYS3(clone, flags, 0, pidfd);
        if (pid == 0)
            fp_child_main(request);
    }
    return pid;
}
#endif

/* A real fork; calls the child's hook in the child.  The caller calls the other hooks.  A pid or
 * -errno. */
static long fork_child(struct fp_spawn_request *request)
{
    const struct fp_fork_hooks *hooks = request->hooks;
    request->reset_handlers = hooks == NULL;
    request->enters_cgroup = fp_attributes_have(request->attributes, FP_ATTRIBUTE_CGROUP);
    pid_t pid = fork();
    if (pid == 0) {
        if (hooks != NULL)
            hooks->in_child(hooks->context);
        fp_child_main(request);
    }
    return pid < 0 ? -errno : pid;
}

/* A pid or -errno; stores the method that was used in *method. */
static long start(struct fp_spawn_request *request, enum fp_spawn_method *method, int *pidfd)
{
#if FP_HAVE_RAW_CALLS
    long pid = -ENOSYS;
    uint64_t vfork;
    if (request->hooks != NULL)
        return fork_child(request);
    if (needs_own_memory(request)) {
        pid = clone_child(request, 0, pidfd);
        return fp_is_refusal(pid) || pid == -EMFILE ? fork_child(request)
                                                    : pid; /* fork: without a pidfd */
    }
    for (;;) {
        switch (*method) {
        case FP_SPAWN_CLONE:
            vfork = sets_oom_score(request) ? CLONE_VFORK : 0;
            pid = clone_child(request, CLONE_VM | vfork, pidfd);
            break;
        case FP_SPAWN_VFORK:
            pid = clone_child(request, CLONE_VM | CLONE_VFORK, pidfd);
            break;
        case FP_SPAWN_FORK:
            pid = clone_child(request, 0, pidfd);
            return fp_is_refusal(pid) || pid == -EMFILE ? fork_child(request) : pid;
        }
        if (!fp_is_refusal(pid))
            return pid;
        *method = *method == FP_SPAWN_CLONE ? FP_SPAWN_VFORK : FP_SPAWN_FORK;
    }
#else
    (void)pidfd;
    *method = FP_SPAWN_FORK;
    return fork_child(request);
#endif
}

#if FP_HAVE_RAW_CALLS
/* Sends the child its descriptors, if it can do without a copy of the table: the outcome pipe's
 * end, the descriptors that become 0, 1 and 2, and the directory to begin in. */
static bool hand_over(const struct fp_spawn_request *request, enum fp_spawn_method method)
{
    int fds[FP_HANDOVER_MOST] = {request->outcome_fd}, count = 1;
    if (request->handover == NULL || method != FP_SPAWN_CLONE || request->hooks != NULL ||
        needs_own_memory(request) || sets_oom_score(request) || !request->close_fds ||
        request->pass_fd_count > 0)
        return false;
    for (int fd = 0; fd < 3; fd++) {
        int from = request->stdio[fd];
        if (from < -1 || from == request->outcome_fd || request->close_stdio[fd])
            return false; /* an error, for place_stdio() to find; or nothing is to be there */
        if (from < 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC))
            return false; /* close-on-exec, or closed: the child does not get it */
        fds[count++] = from >= 0 ? from : fd;
    }
    if (request->begin_in != NULL)
        fds[count++] = *request->begin_in;
    return fp_handover_send(request->handover, fds, count) == 0;
}

/* A pid; or -errno, with everything as it was before. */
static long start_sharing(struct fp_spawn_request *request, int *pidfd)
{
    int outcome_fd = fp_fd_take(&request->outcome_fd);
    request->shares_table = true;
    long pid = clone_child(request, CLONE_VM | CLONE_FILES, pidfd);
    if (pid < 0) {
        fp_handover_take_back(request->handover);
        request->shares_table = false;
        request->outcome_fd = outcome_fd;
    }
    return pid;
}

/* Tries all that a child does to leave a shared table, so that no real child fails at it.  1, 0 or
 * -errno. */
static int try_to_share(const struct fp_handover *handover, int sent)
{
    enum { NO_SIGNAL = 0 }; /* at its exit: code that waits for any child then does not find it */
    _Alignas(16) unsigned char stack[FP_SPAWN_STACK];
    struct fp_spawn_request request = {.handover = handover, .outcome_fd = -1};
    const int fds[] = {sent, sent, sent, sent};
    sigset_t before;
    int status = 0;
    int err = fp_handover_send(handover, fds, sizeof fds / sizeof *fds);
    if (err < 0)
        return err;
    block_signals(&before);
    long pid = sys_clone_to(SYS_clone, CLONE_VM | CLONE_VFORK | CLONE_FILES | NO_SIGNAL,
                            (long)(stack + sizeof stack), 0, fp_child_try_to_leave, &request);
    restore_signals(&before);
    if (pid < 0)
        return (int)pid;
    pid_t ended;
    do
        ended = waitpid((pid_t)pid, &status, __WALL);
    while (ended < 0 && errno == EINTR);
    return ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int fp_spawn_can_share_table(void)
{
    struct fp_handover handover;
    int null = fp_fd_null();
    if (null < 0)
        return null;
    int result = fp_handover_open(&handover);
    if (result == 0) {
        result = try_to_share(&handover, null);
        fp_handover_close(&handover);
    }
    fp_fd_close(&null);
    return fp_is_refusal(result) ? 0 : result;
}
#else
int fp_spawn_can_share_table(void)
{
    return 0;
}
#endif

#if FP_HAVE_RAW_CALLS
/* Uses vfork and no outcome pipe: the child writes its error into the request.  So it needs no
 * descriptor except its pidfd, and a debugger does not take it for a process with its own memory.
 * A pid or -errno. */
static long start_and_wait(struct fp_spawn_request *request, enum fp_spawn_method method,
                           int *pidfd)
{
    if (!request->waits || method == FP_SPAWN_FORK || request->hooks != NULL ||
        needs_own_memory(request))
        return -ENOSYS;
    request->outcome_fd = -1;
    block_signals(&request->caller_mask);
    long pid = clone_child(request, CLONE_VM | CLONE_VFORK, pidfd);
    restore_signals(&request->caller_mask);
    return pid;
}
#endif

int fp_spawn_start(struct fp_spawn_request *request, enum fp_spawn_method *method,
                   struct fp_spawned *child)
{
    int ends[2];
    long pid = -ENOSYS;
    *child = (struct fp_spawned){.pid = -1, .pidfd = -1, .outcome_fd = -1};
    request->early_error = (struct fp_spawn_error){0};
    request->shares_table = false;
    if (request->attributes != NULL)
        request->parent = getpid();
#if FP_HAVE_RAW_CALLS
    pid = start_and_wait(request, *method, &child->pidfd);
    if (!fp_is_refusal(pid)) {
        child->pid = pid < 0 ? -1 : (pid_t)pid;
        return pid < 0 ? (int)pid : 0;
    }
#endif
    int err = fp_fd_pipe_nonblocking(ends); /* what the child writes fits, so it never waits */
    if (err < 0)
        return err;
    request->outcome_fd = ends[1];

    /* The hooks may start threads, which are not to have all signals blocked for ever. */
    const struct fp_fork_hooks *hooks = request->hooks;
    if (hooks != NULL)
        hooks->before(hooks->context);
    block_signals(&request->caller_mask);
#if FP_HAVE_RAW_CALLS
    if (hand_over(request, *method))
        pid = start_sharing(request, &child->pidfd);
#endif
    if (!request->shares_table)
        pid = start(request, method, &child->pidfd);
    restore_signals(&request->caller_mask);
    if (hooks != NULL)
        hooks->in_parent(hooks->context);
    if (pid < 0) {
        err = (int)pid;
        child->pidfd = -1;
        goto close_pipe;
    }
    child->pid = (pid_t)pid;
    child->outcome_fd = ends[0];
    fp_fd_close(&ends[1]); /* the child has its own; EOF means that it is gone */
    return 0;

close_pipe:
    fp_fd_close(&ends[0]);
    fp_fd_close(&ends[1]);
    return err;
}

enum fp_spawn_outcome fp_spawn_outcome(int outcome_fd, struct fp_spawn_error *error)
{
    for (;;) {
        struct fp_spawn_error record;
        ssize_t size = fp_fd_read(outcome_fd, &record, sizeof record);
        if (size == -EAGAIN)
            return FP_OUTCOME_PENDING;
        if (size < 0) /* no pipe does that; but silence would mean success */
            *error = (struct fp_spawn_error){.err = (int)-size, .stage = FP_STAGE_SETUP};
        if (size != (ssize_t)sizeof record)
            return FP_OUTCOME_GONE;
        *error = record; /* it still has to leave: its stack is in use until EOF */
    }
}

enum fp_spawn_method fp_spawn_best_method(void)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL)
        return FP_SPAWN_FORK; /* valgrind gives up on a clone that is neither thread nor fork */
    return FP_HAVE_RAW_CALLS ? FP_SPAWN_CLONE : FP_SPAWN_FORK;
}
