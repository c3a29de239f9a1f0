/* SPDX-License-Identifier: MIT
 *
 * See tracer_and_limit.h.
 */
#include "child/tracer_and_limit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "posix/fd.h"
#include "posix/fd_room.h"

enum {
    LOOK_EVERY_MS = 100, /* a look takes less than a thousandth of that */
    SPARE = 32,          /* for a log file, a connection, an import of the program: a few each */
};

#ifdef __linux__
/* /proc/self/status says whether this process is traced, in its first half kilobyte. */
static bool is_traced(void)
{
    static const char field[] = "\nTracerPid:";
    char status[1024];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = fp_fd_read(fd, status, sizeof status - 1);
    fp_fd_close(&fd);
    status[size > 0 ? size : 0] = '\0';
    const char *line = strstr(status, field);
    return line != NULL && strtol(line + sizeof field - 1, NULL, 10) != 0;
}
#else
static bool is_traced(void)
{
    return false;
}
#endif

void tracer_and_limit_look(struct fp_state *state)
{
#ifdef CLOCK_MONOTONIC_COARSE
    clockid_t clock = CLOCK_MONOTONIC_COARSE;
#else
    clockid_t clock = CLOCK_MONOTONIC;
#endif
    struct timespec now;
    clock_gettime(clock, &now);
    long long milliseconds = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
    if (state->looked_at != 0 && milliseconds - state->looked_at < LOOK_EVERY_MS)
        return;
    state->looked_at = milliseconds;
    state->is_traced = state->heeds_tracer && is_traced();
    state->most_fds = fp_fd_limit();
}

bool limit_has_changed(struct fp_state *state)
{
    int before = state->most_fds;
    state->most_fds = fp_fd_limit();
    return state->most_fds != before;
}

int limit_spare_from(const struct fp_state *state)
{
    return state->most_fds - SPARE -
           state->narrow_width; /* children that start then, each with an outcome pipe */
}
