/* SPDX-License-Identifier: MIT
 *
 * What runs in the child between clone and exec.
 *
 * By default the child shares the parent's memory while the parent runs on, so
 * nothing here may write to memory other than its own stack, lock, allocate, or
 * touch the C library's state (errno included): only the raw calls of sys.h, on
 * data that the parent prepared.  All signals are blocked on entry; handlers
 * are reset to the default before the mask is restored, because a handler of
 * the parent's would run here, on the parent's memory.
 *
 * A child that also shares the parent's descriptor table leaves it first of
 * all, and writes the descriptors it receives into its request (handover.h).
 *
 * The order is that of subprocess: descriptors, chdir, umask, signals, session,
 * group, ids, hook, closing, exec; attributes.h says where the other steps come
 * in between.
 */
#include "posix/child.h"

#include <sys/socket.h>

#include "posix/child_attributes.h"
#include "posix/child_close_fds.h"
#include "posix/child_exec.h"
#include "posix/refusal.h"
#include "posix/sys.h"

enum {
    FIRST_EXTRA_FD = 3,
    NOT_EXECED_CODE = 255, /* never seen by the user: the record below is */
    MOST_TRIES = 1000,     /* to write the record */
};

#define CLOSE_RANGE_LEAVING (1U << 1) /* CLOSE_RANGE_UNSHARE */

#ifndef NSIG
#define NSIG 65
#endif

FP_IN_CHILD static _Noreturn void fail(struct fp_spawn_request *request, int stage, long err)
{
    struct fp_spawn_error record = {.err = (int)-err, .stage = stage};
    if (request->outcome_fd < 0)
        request->early_error = record;
    /* A pipe takes the record whole or not at all.  It refuses only when the kernel has no page of
     * memory; this tries again, because the parent would take silence for success. */
    for (int tries = 0; tries < MOST_TRIES && request->outcome_fd >= 0; tries++)
        if (sys_write(request->outcome_fd, &record, sizeof record) >= 0)
            break;
    for (;;)
        sys_exit(NOT_EXECED_CODE);
}

#if FP_HAVE_RAW_CALLS
/* Receives what was handed over.  0 or -errno. */
FP_IN_CHILD static long receive_descriptors(struct fp_spawn_request *request)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(FP_HANDOVER_MOST * sizeof(int))];
    } control;
    size_t sent = (1 + 3 + (request->begin_in != NULL)) * sizeof(int);
    char byte;
    struct iovec bytes = {&byte, 1};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    long size = sys_recvmsg(request->handover->childs, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0)
        return size;
    /* The kernel has written it.  NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    if (message.msg_controllen < CMSG_LEN(sent) || control.header.cmsg_len != CMSG_LEN(sent))
        return -EMFILE; /* that is why some are left out */
    const int *received = (const int *)(const void *)CMSG_DATA(&control.header);
    long outcome_fd = received[0];
    if (outcome_fd < FIRST_EXTRA_FD)
        outcome_fd = sys_dup_above(outcome_fd, FIRST_EXTRA_FD); /* stdio will replace the low one */
    for (int fd = 0; fd < 3; fd++)
        request->stdio[fd] = received[1 + fd];
    if (request->begin_in != NULL) {
        request->received_directory = received[1 + 3];
        request->begin_in = &request->received_directory;
    }
    request->outcome_fd = (int)outcome_fd;
    return outcome_fd < 0 ? outcome_fd : 0;
}

/* The new table gets all descriptors up to the socket, because the kernel copies them only together.
 * This closes those below it, because ends of another child's pipes may be among them. */
FP_IN_CHILD static long leave_table(struct fp_spawn_request *request)
{
    unsigned socket = (unsigned)request->handover->childs;
    long result = sys_close_range(socket + 1, ~0U, CLOSE_RANGE_LEAVING);
    if (result >= 0 && socket > FIRST_EXTRA_FD)
        result = sys_close_range(FIRST_EXTRA_FD, socket - 1, 0);
    return result < 0 ? result : receive_descriptors(request);
}

FP_IN_CHILD _Noreturn void fp_child_try_to_leave(void *request)
{
    long result = leave_table(request);
    for (;;)
        sys_exit(result < 0);
}
#endif

FP_IN_CHILD static long dup_to(int fd, int to)
{
    long result = sys_dup_to(fd, to);
#if FP_HAVE_RAW_CALLS && defined(SYS_dup2)
    if (fp_is_refusal(result))
        result = SYS2(dup2, fd, to);
#endif
    return result;
}

/* Changes to the directory that the child is to begin in. */
FP_IN_CHILD static long begin_in(int directory)
{
    long result = sys_fchdir(directory);
#if FP_HAVE_RAW_CALLS
    if (fp_is_refusal(result)) { /* use its name in /proc: the digits, from the last on */
        char path[] = "/proc/self/fd/0000000000";
        char *digit = path + sizeof path - 1;
        do
            *--digit = (char)('0' + directory % 10);
        while ((directory /= 10) > 0);
        while (*(digit - 1) == '0') /* leading zeros become slashes, which may repeat */
            *--digit = '/';
        result = sys_chdir(path);
    }
#endif
    return result;
}

/* Puts stdio[] on 0, 1 and 2, in any permutation of those. */
FP_IN_CHILD static long place_stdio(const struct fp_spawn_request *request)
{
    int from[3];
    for (int fd = 0; fd < 3; fd++) {
        from[fd] = request->stdio[fd];
        if (from[fd] >= 0 && from[fd] == request->outcome_fd)
            return -EBADF; /* closed when it was given, ours by now */
        if (from[fd] >= 0 && from[fd] < 3 && from[fd] != fd) {
            long copy = sys_dup_above(from[fd], FIRST_EXTRA_FD);
            if (copy < 0)
                return copy;
            from[fd] = (int)copy;
        }
    }
    for (int fd = 0; fd < 3; fd++) {
        if (from[fd] == -1)
            continue;
        long result = from[fd] == fd ? sys_set_inheritable(fd) : dup_to(from[fd], fd);
        if (result < 0)
            return result;
    }
    for (int fd = 0; fd < 3; fd++)
        if (from[fd] == -1 && request->close_stdio[fd])
            sys_close(fd);
    return 0;
}

FP_IN_CHILD static void reset_signals(const struct fp_spawn_request *request)
{
    const struct sys_sigaction to_default = {0};
    if (request->reset_handlers) {
        for (int signum = 1; signum < NSIG; signum++) {
            struct sys_sigaction now = {0};
            if (sys_sigaction(signum, NULL, &now) == 0 && now.handler != (void *)SIG_DFL &&
                now.handler != (void *)SIG_IGN)
                sys_sigaction(signum, &to_default, NULL);
        }
    }
    if (request->restore_signals) { /* the signals that Python ignores */
        sys_sigaction(SIGPIPE, &to_default, NULL);
#ifdef SIGXFSZ
        sys_sigaction(SIGXFSZ, &to_default, NULL);
#endif
    }
}

FP_IN_CHILD static long keep_passed(const struct fp_spawn_request *request)
{
    for (size_t i = 0; i < request->pass_fd_count; i++) {
        if (request->pass_fds[i] == request->outcome_fd)
            continue; /* named by chance: the parent waits for it to close */
        long result = sys_set_inheritable(request->pass_fds[i]);
        if (result < 0)
            return result;
    }
    return 0;
}

/* Session, group and ids: what is left of subprocess' order between signals and the hook. */
FP_IN_CHILD static long change_identity(const struct fp_spawn_request *request)
{
    long result = 0;
    if (request->new_session) /* fails only in a sandbox: a new child is no leader */
        result = sys_setsid();
    if (result >= 0 && request->process_group >= 0)
        result = sys_setpgid(request->process_group);
    if (result >= 0 && request->set_groups)
        result = sys_setgroups(request->group_count, request->groups);
    if (result >= 0 && request->set_gid)
        result = sys_setregid(request->gid);
    if (result >= 0 && request->set_uid)
        result = sys_setreuid(request->uid);
    return result;
}

/* Reports an attribute that failed, or the cgroup, which is entered before the others. */
FP_IN_CHILD static void check_attribute(struct fp_spawn_request *request, enum fp_attribute which,
                                        long result)
{
    if (result < 0)
        fail(request, FP_STAGE_ATTRIBUTE + (int)which, result);
}

FP_IN_CHILD _Noreturn void fp_child_main(struct fp_spawn_request *request)
{
    const struct fp_attributes *attributes = request->attributes;
    enum fp_attribute which = FP_ATTRIBUTE_CGROUP;
    long result = 0;
#if FP_HAVE_RAW_CALLS
    if (request->shares_table && (result = leave_table(request)) < 0)
        fail(request, FP_STAGE_SETUP, result);
#endif
    if (request->enters_cgroup)
        check_attribute(request, which, fp_child_enter_cgroup(attributes));
    result = place_stdio(request);
    if (result < 0)
        fail(request, FP_STAGE_SETUP, result);
    if (request->begin_in != NULL && (result = begin_in(*request->begin_in)) < 0)
        fail(request, FP_STAGE_CHDIR, result);
    if (request->cwd != NULL && (result = sys_chdir(request->cwd)) < 0)
        fail(request, FP_STAGE_CHDIR, result);
    if (request->umask >= 0)
        sys_umask(request->umask);
    reset_signals(request);
    if (attributes != NULL) {
        result = fp_child_attributes_before_ids(attributes, &which);
        check_attribute(request, which, result);
    }
    if (request->hooks != NULL) /* which may set another */
        sys_set_mask(&request->caller_mask);
    if ((result = change_identity(request)) < 0)
        fail(request, FP_STAGE_SETUP, result);
    if (attributes != NULL) {
        result = fp_child_attributes_after_ids(attributes, request->parent, &which);
        check_attribute(request, which, result);
    }
    if (request->takes_terminal && (result = sys_take_terminal(request->terminal)) < 0)
        fail(request, FP_STAGE_TERMINAL, result);
    if (request->hooks != NULL && request->hooks->preexec != NULL &&
        request->hooks->preexec(request->hooks->context) != 0)
        fail(request, FP_STAGE_PREEXEC, 0);
    if (request->close_fds)
        fp_child_close_fds(request);
    if ((result = keep_passed(request)) < 0)
        fail(request, FP_STAGE_SETUP, result);
    if (request->hooks ==
        NULL) /* not earlier: a signal that kills a child sharing memory may kill the parent */
        sys_set_mask(&request->caller_mask);
    fail(request, FP_STAGE_EXEC, fp_child_exec(request));
}
