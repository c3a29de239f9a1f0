/* SPDX-License-Identifier: MIT
 *
 * See child_close_fds.h.
 */
#include "posix/child_close_fds.h"

#include "posix/sys.h"

enum {
    FIRST_EXTRA_FD = 3,
    LAST_FD_GUESS = 65536, /* when there is nothing better than trying them one by one */
};

#define CLOSE_RANGE_BY_EXEC (1U << 2) /* CLOSE_RANGE_CLOEXEC, Linux 5.11 */

FP_IN_CHILD static bool is_kept(const struct fp_spawn_request *request, int fd)
{
    if (fd == request->outcome_fd)
        return true;
    for (size_t i = 0; i < request->pass_fd_count; i++)
        if (request->pass_fds[i] == fd)
            return true;
    return false;
}

#if FP_HAVE_RAW_CALLS
/* The kernel's directory record; read in place, so that nothing is copied or allocated. */
struct directory_record {
    unsigned long long inode;
    long long offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

FP_IN_CHILD static int parse_number(const char *text)
{
    int number = 0;
    /* The kernel has written it.  NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    if (*text < '0' || *text > '9')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (*text - '0');
    return number;
}

/* For Linux before 5.9 and for sandboxes.  False if there is no /proc to read, or not all of it. */
FP_IN_CHILD static bool close_listed(const struct fp_spawn_request *request)
{
    char records[1024] __attribute__((aligned(8)));
    bool whole = true;
    long directory = sys_open_directory("/proc/self/fd");
    if (directory < 0)
        return false;
    for (;;) {
        long size = sys_getdents(directory, records, sizeof records);
        if (size < 0)
            whole = false;
        if (size <= 0)
            break;
        for (long at = 0; at < size;) {
            const struct directory_record *record = (const void *)(records + at);
            int fd = parse_number(record->name);
            if (fd >= FIRST_EXTRA_FD && fd != directory && !is_kept(request, fd))
                sys_close(fd);
            at += record->size;
        }
    }
    sys_close(directory);
    return whole;
}

FP_IN_CHILD void fp_child_close_fds(const struct fp_spawn_request *request)
{
    if (sys_close_range(FIRST_EXTRA_FD, ~0U, CLOSE_RANGE_BY_EXEC) == 0 || close_listed(request))
        return;
    for (int fd = FIRST_EXTRA_FD; fd < LAST_FD_GUESS; fd++)
        if (!is_kept(request, fd))
            sys_close(fd);
}
#else
FP_IN_CHILD void fp_child_close_fds(const struct fp_spawn_request *request)
{
    long last = sysconf(_SC_OPEN_MAX);
    if (last < 0 || last > LAST_FD_GUESS ||
        fp_attributes_have(request->attributes, FP_ATTRIBUTE_RLIMITS)) /* may be below open fds */
        last = LAST_FD_GUESS;
    for (int fd = FIRST_EXTRA_FD; fd < last; fd++)
        if (!is_kept(request, fd))
            sys_close(fd);
}
#endif
