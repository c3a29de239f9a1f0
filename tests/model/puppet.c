/* SPDX-License-Identifier: MIT
 *
 * The child of the model test: carries out orders that come over a socket, one at a time, and says
 * when it is done.  So the test knows what has happened, and never has to guess or to sleep.
 *
 *     puppet PATH      connects to the socket of that name
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct order {
    uint8_t what;
    uint8_t number; /* of a descriptor or signal, or an exit code */
    uint16_t unused;
    uint32_t count; /* of bytes; those to be written follow */
};

struct answer {
    uint32_t count;
    int32_t err;
    uint64_t hash; /* of what was read */
};

static int control;
static volatile sig_atomic_t handled;

static void handle(int signum)
{
    (void)signum;
    handled++;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        _exit(101);
    return fd;
}

/* Bytes read, fewer than asked for at the end; -1 in failure. */
static ssize_t read_all(int fd, void *to, size_t count)
{
    size_t done = 0;
    while (done < count) {
        ssize_t size = read(fd, (char *)to + done, count - done);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -1;
        if (size == 0)
            break;
        done += (size_t)size;
    }
    return (ssize_t)done;
}

static size_t write_all(int fd, const void *from, size_t count)
{
    size_t done = 0;
    while (done < count) {
        ssize_t size = write(fd, (const char *)from + done, count - done);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            break;
        done += (size_t)size;
    }
    return done;
}

/* All of the bytes are here before the first is passed on, so the sender is not held up. */
static void write_bytes(const struct order *order, struct answer *answer)
{
    char *bytes = malloc(order->count + 1);
    if (bytes == NULL || read_all(control, bytes, order->count) != (ssize_t)order->count)
        _exit(102);
    errno = 0;
    answer->count = (uint32_t)write_all(order->number, bytes, order->count);
    answer->err = errno;
    free(bytes);
}

static void read_bytes(const struct order *order, struct answer *answer)
{
    char *bytes = malloc(order->count + 1);
    errno = 0;
    ssize_t size = bytes != NULL ? read_all(0, bytes, order->count) : -1;
    answer->err = size < 0 ? errno : 0;
    answer->count = size > 0 ? (uint32_t)size : 0;
    answer->hash = 0xCBF29CE484222325u; /* FNV-1a */
    for (ssize_t i = 0; i < size; i++)
        answer->hash = (answer->hash ^ (unsigned char)bytes[i]) * 0x100000001B3u;
    free(bytes);
}

/* A grandchild that holds all descriptors until its own connection is closed. */
static void leave_a_holder(const char *path)
{
    char byte;
    if (fork() != 0)
        return;
    close(control);
    control = connect_to(path);
    read_all(control, &byte, 1);
    _exit(0);
}

static void obey(const char *path, const struct order *order)
{
    struct answer answer = {0};
    switch (order->what) {
    case 'w':
        write_bytes(order, &answer);
        break;
    case 'r':
        read_bytes(order, &answer);
        break;
    case 'c':
        answer.err = close(order->number) < 0 ? errno : 0;
        break;
    case 'x':
        _exit(order->number);
    case 'i':
        signal(order->number, SIG_IGN);
        break;
    case 'h':
        signal(order->number, handle);
        break;
    case 'n':
        answer.count = (uint32_t)handled;
        break;
    case 'g':
        leave_a_holder(path);
        break;
    default:
        _exit(103);
    }
    if (write_all(control, &answer, sizeof answer) != sizeof answer)
        _exit(104);
}

int main(int argc, char **argv)
{
    struct order order;
    if (argc < 2)
        return 100;
    signal(SIGPIPE, SIG_IGN);
    control = connect_to(argv[1]);
    while (read_all(control, &order, sizeof order) == sizeof order)
        obey(argv[1], &order);
    return 99; /* the test is gone */
}
