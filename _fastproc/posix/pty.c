/* SPDX-License-Identifier: MIT
 *
 * See pty.h.
 */
#include "posix/pty.h"

#include <errno.h>

#include "posix/fd.h"

#if FP_HAVE_PTY

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { SLAVE_FLAGS = O_RDWR | O_NOCTTY | O_CLOEXEC };

/* Of a master: the descriptor of its slave, or -errno. */
static int open_slave(int master)
{
    int fd = -1;
#ifdef TIOCGPTPEER /* Linux 4.13: works wherever devpts is mounted, or without it */
    fd = ioctl(master, TIOCGPTPEER, SLAVE_FLAGS);
#endif
    if (fd < 0) {
        char name[64];
        int err = ptsname_r(master, name, sizeof name);
        if (err != 0)
            return -err;
        fd = open(name, SLAVE_FLAGS);
    }
    if (fd < 0)
        return -errno;
    int err = fp_fd_lift(&fd);
    return err < 0 ? err : fd;
}

/* Passes bytes unchanged: no echo, no line editing, no signal keys, no newline translation. */
static int make_raw(int slave)
{
    struct termios settings;
    if (tcgetattr(slave, &settings) < 0)
        return -errno;
    cfmakeraw(&settings);
    return tcsetattr(slave, TCSANOW, &settings) < 0 ? -errno : 0;
}

int fp_pty_open(struct fp_pty_size size, bool raw, int *master, int *slave)
{
    *slave = -1;
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    int err = *master < 0 ? -errno : fp_fd_lift(master);
    if (err == 0 && unlockpt(*master) < 0)
        err = -errno;
    if (err == 0 && (*slave = open_slave(*master)) < 0)
        err = *slave;
    if (err == 0)
        err = fp_pty_set_size(*master, size);
    if (err == 0 && raw)
        err = make_raw(*slave);
    if (err < 0) {
        fp_fd_close(master);
        fp_fd_close(slave);
        *master = *slave = -1;
    }
    return err;
}

int fp_pty_set_size(int master, struct fp_pty_size size)
{
    const struct winsize native = {.ws_row = size.rows, .ws_col = size.columns};
    return ioctl(master, TIOCSWINSZ, &native) < 0 ? -errno : 0;
}

static bool is_key(const struct termios *settings, int key, int byte)
{
    return settings->c_cc[key] != _POSIX_VDISABLE && settings->c_cc[key] == byte;
}

/* Whether the line is empty after this byte.  Does not see that a line was erased byte by byte. */
static bool begins_line(const struct termios *settings, int latest)
{
    if (latest < 0)
        return true;
    if (latest == '\r' || latest == '\n') {
        bool swapped = (settings->c_iflag & (latest == '\r' ? ICRNL : INLCR)) != 0;
        return (latest == '\n') != swapped;
    }
    if ((settings->c_lflag & ISIG) && !(settings->c_lflag & NOFLSH) &&
        (is_key(settings, VINTR, latest) || is_key(settings, VQUIT, latest) ||
         is_key(settings, VSUSP, latest)))
        return true; /* the line is dropped */
    return is_key(settings, VEOF, latest) || is_key(settings, VEOL, latest) ||
           is_key(settings, VEOL2, latest) || is_key(settings, VKILL, latest);
}

int fp_pty_end_of_file(int master, bool raw, int latest, char keys[FP_PTY_MOST_KEYS])
{
    struct termios settings; /* the slave's: the master gives the same */
    if (tcgetattr(master, &settings) < 0)
        return -errno;
    bool edits_lines = (settings.c_lflag & ICANON) != 0;
    if (settings.c_cc[VEOF] == _POSIX_VDISABLE || (!edits_lines && raw))
        return 0;
    keys[0] = keys[1] = (char)settings.c_cc[VEOF];
    return edits_lines && !begins_line(&settings, latest) ? 2 : 1;
}

#else

int fp_pty_open(struct fp_pty_size size, bool raw, int *master, int *slave)
{
    (void)size;
    (void)raw;
    *master = *slave = -1;
    return -ENOSYS;
}

int fp_pty_set_size(int master, struct fp_pty_size size)
{
    (void)master;
    (void)size;
    return -ENOSYS;
}

int fp_pty_end_of_file(int master, bool raw, int latest, char keys[FP_PTY_MOST_KEYS])
{
    (void)master;
    (void)raw;
    (void)latest;
    (void)keys;
    return 0;
}
#endif
