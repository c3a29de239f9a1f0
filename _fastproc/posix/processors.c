/* SPDX-License-Identifier: MIT
 *
 * See processors.h.
 */
#include "posix/processors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "posix/fd.h"

enum { LONGEST_PATH = 1024, LONGEST_LIST = 4096 };

/* Reads a file as a string, cut off at `size`.  False if there is no such file, or it is empty. */
static bool read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = fp_fd_read(fd, to, size - 1);
    fp_fd_close(&fd);
    if (got <= 0)
        return false;
    to[got] = '\0';
    return true;
}

static bool read_file_of(const char *folder, const char *name, char *to, size_t size)
{
    char path[LONGEST_PATH];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof path && read_file(path, to, size);
}

/* Reads a number and moves on behind it.  False if there is none. */
static bool parse_number(char **text, long long *number)
{
    char *end;
    errno = 0;
    *number = strtoll(*text, &end, 10);
    bool parsed = end != *text && errno == 0;
    *text = end;
    return parsed;
}

/* The quota of one cgroup, in processors; INT_MAX if it has none, which "max" and -1 mean. */
static int limit_of(const char *folder)
{
    char text[64], *at = text;
    long long quota = 0, period = 0;
    if (read_file_of(folder, "cpu.max", text, sizeof text)) {
        if (!parse_number(&at, &quota) || !parse_number(&at, &period))
            return INT_MAX;
    } else if (read_file_of(folder, "cpu.cfs_quota_us", text, sizeof text)) {
        if (!parse_number(&at, &quota) ||
            !read_file_of(folder, "cpu.cfs_period_us", text, sizeof text))
            return INT_MAX;
        at = text;
        if (!parse_number(&at, &period))
            return INT_MAX;
    }
    if (quota <= 0 || period <= 0 || quota / period >= INT_MAX)
        return INT_MAX;
    return (int)((quota - 1) / period) + 1;
}

/* The lowest quota of a cgroup and its ancestors, up to the one that is mounted at `mount`. */
static int limit_from(const char *mount, const char *cgroup)
{
    char folder[LONGEST_PATH];
    int length = snprintf(folder, sizeof folder, "%s%s", mount, cgroup);
    if (length < 0 || (size_t)length >= sizeof folder)
        return INT_MAX;
    int least = INT_MAX;
    for (;;) {
        int limit = limit_of(folder);
        least = limit < least ? limit : least;
        char *last = strrchr(folder, '/');
        if (last == NULL || last < folder + strlen(mount))
            return least;
        *last = '\0';
    }
}

static bool has_cpu(const char *controllers)
{
    size_t size;
    for (const char *name = controllers; *name != '\0'; name += size + (name[size] == ',')) {
        size = strcspn(name, ",");
        if (size == strlen("cpu") && memcmp(name, "cpu", size) == 0)
            return true;
    }
    return false;
}

int fp_processors_by_cgroup(const char *proc_self, const char *sys_fs_cgroup)
{
    char list[LONGEST_LIST], mount[LONGEST_PATH], *rest = NULL;
    if (!read_file_of(proc_self, "cgroup", list, sizeof list))
        return INT_MAX;
    int least = INT_MAX;
    /* NUMBER:CONTROLLERS:CGROUP; v2 has the number 0 and no controllers. */
    for (char *line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':');
        char *cgroup = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (cgroup == NULL || cgroup[1] != '/')
            continue;
        *cgroup++ = '\0';
        controllers++;
        bool is_v2 = *controllers == '\0';
        if (!is_v2 && !has_cpu(controllers))
            continue;
        const char *places[] = {is_v2 ? "" : controllers, is_v2 ? "unified" : NULL};
        for (int n = 0; n < 2 && places[n] != NULL; n++) {
            int length = snprintf(mount, sizeof mount, "%s%s%s", sys_fs_cgroup,
                                  *places[n] != '\0' ? "/" : "", places[n]);
            if (length < 0 || (size_t)length >= sizeof mount)
                continue;
            int limit = limit_from(mount, cgroup);
            least = limit < least ? limit : least;
        }
    }
    return least;
}

static int processors_by_affinity(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) /* not with more than 1,024 */
        return CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 1 ? (int)count : 1;
}

int fp_processors(void)
{
    int count = processors_by_affinity();
#ifdef __linux__
    int limit = fp_processors_by_cgroup("/proc/self", "/sys/fs/cgroup");
    count = limit < count ? limit : count;
#endif
    return count;
}

int fp_starts_at_a_time(int processors)
{
    enum { EACH = 12, ENOUGH = 24 }; /* tests/bench/NOTES.rst, "How many at a time" */
    int count = processors < ENOUGH / EACH ? EACH * processors : ENOUGH;
    int least = fp_least_starts_at_a_time(processors);
    return count > least ? count : least;
}

int fp_least_starts_at_a_time(int processors)
{
    return 2 * processors;
}
