/* SPDX-License-Identifier: MIT
 *
 * See kept_fds.h.
 */
#include "posix/kept_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posix/fd.h"

#ifdef __linux__
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#endif
#ifndef O_PATH
#define O_PATH 0
#endif

/* ---- the same open file? ---- */

/* A file that was opened twice has two offsets.  Pipes, sockets and terminals have none, so one
 * that was opened twice in the same way behaves like one open file. */
static bool has_no_offset(const struct stat *info)
{
    if (S_ISFIFO(info->st_mode) || S_ISSOCK(info->st_mode))
        return true;
#ifdef __linux__
    enum { MEMORY = 1, NULL_DEVICE = 3, TERMINAL = 4, FIRST_PTY = 136, LAST_PTY = 143 };
    unsigned major = major(info->st_rdev), minor = minor(info->st_rdev);
    return S_ISCHR(info->st_mode) &&
           ((major == MEMORY && minor == NULL_DEVICE) || major == TERMINAL ||
            (major >= FIRST_PTY && major <= LAST_PTY));
#else
    return false;
#endif
}

static bool looks_the_same(int a, int b)
{
    struct stat first, second;
    return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino && first.st_rdev == second.st_rdev &&
           has_no_offset(&first) && fcntl(a, F_GETFL) == fcntl(b, F_GETFL);
}

bool fp_kept_fd_is_same(int a, int b)
{
#ifdef __linux__
    enum { DUPFD_QUERY = 1024 + 3, COMPARE_FILES = 0 }; /* F_DUPFD_QUERY, KCMP_FILE */
    int same = fcntl(a, DUPFD_QUERY, b);                /* Linux 6.10 */
    if (same >= 0)
        return same == 1;
#ifdef SYS_kcmp
    long order = syscall(SYS_kcmp, getpid(), getpid(), COMPARE_FILES, a, b);
    if (order >= 0) /* most containers do not allow kcmp() */
        return order == 0;
#endif
#endif
    return looks_the_same(a, b);
}

/* ---- the same directory? ---- */

/* The mount counts too, because the parents of a directory depend on it; 0 on Linux before 5.8. */
static uint64_t mount_of_directory(void)
{
#if defined(__linux__) && defined(SYS_statx)
    enum { WANT_MOUNT = 0x1000, WORDS = 32 }; /* STATX_MNT_ID; of a struct statx */
    uint64_t info[WORDS] = {0};
    enum { MOUNT_AT = 0x90 / sizeof *info };
    if (syscall(SYS_statx, AT_FDCWD, ".", 0, WANT_MOUNT, info) == 0 &&
        ((uint32_t)info[0] & WANT_MOUNT))
        return info[MOUNT_AT];
#endif
    return 0;
}

bool fp_kept_fd_is_current(const struct fp_kept_fd *kept)
{
    struct stat info;
    if (kept->number != FP_KEPT_DIRECTORY)
        return fp_kept_fd_is_same(kept->fd, kept->number);
    return stat(".", &info) == 0 && info.st_dev == kept->device && info.st_ino == kept->inode &&
           mount_of_directory() == kept->mount;
}

/* ---- holding ---- */

static int copy_number(struct fp_kept_fd *kept)
{
    if (kept->number != FP_KEPT_DIRECTORY) {
        kept->fd = fcntl(kept->number, F_DUPFD_CLOEXEC, 3);
        return kept->fd < 0 ? -errno : 0;
    }
    struct stat info;
    kept->fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (kept->fd < 0)
        return -errno;
    int err = fp_fd_lift(&kept->fd);
    if (err == 0 && fstat(kept->fd, &info) < 0) {
        err = -errno;
        fp_fd_close(&kept->fd);
    }
    if (err == 0) {
        kept->device = info.st_dev;
        kept->inode = info.st_ino;
        kept->mount = mount_of_directory();
    }
    return err;
}

int fp_kept_fd_take(struct fp_kept_fds *set, int number, struct fp_kept_fd **kept)
{
    struct fp_kept_fd *found = set->latest;
    while (found != NULL && found->number != number)
        found = found->next;
    /* Older copies of that number are outdated. */
    if (found != NULL && fp_kept_fd_is_current(found)) {
        found->users++;
        *kept = found;
        return 0;
    }
    found = malloc(sizeof *found);
    if (found == NULL)
        return -ENOMEM;
    *found = (struct fp_kept_fd){.number = number, .users = 1, .next = set->latest};
    int err = copy_number(found);
    if (err < 0) {
        free(found);
        return err;
    }
    set->latest = *kept = found;
    return found->fd;
}

void fp_kept_fd_release(struct fp_kept_fds *set, struct fp_kept_fd **kept)
{
    struct fp_kept_fd *released = *kept;
    *kept = NULL;
    if (released == NULL || --released->users > 0)
        return;
    struct fp_kept_fd **at = &set->latest;
    while (*at != released)
        at = &(*at)->next;
    *at = released->next;
    fp_fd_close(&released->fd);
    free(released);
}
