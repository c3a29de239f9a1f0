/* SPDX-License-Identifier: MIT
 *
 * stream/outflow against counters: what was queued arrives, in order, whatever part of it a pipe
 * takes at a time; every owner is given up once, and not while its bytes are still to be written.
 *
 * outflow.c is compiled with malloc renamed to fuzz_malloc, so that it can be refused.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "posix/fd.h"
#include "stream/outflow.h"

enum { MOST = 1 << 16, OWNERS = 64, SMALL_PIPE = 4096 };

struct owner {
    uint8_t *bytes; /* freed when it is given up, so that a later use is seen */
    size_t end;     /* position in the stream behind the last of its bytes */
    bool used;
};

static struct fp_outflow out;
static struct owner owners[OWNERS];
static int owner_count;     /* so many refer to their bytes at the moment */
static size_t released_end; /* the last end of those that were given up of late */
static int ends[2];
/* Positions in the stream: queued, handed to the pipe, read from it. */
static size_t queued, written, read_back;

void *fuzz_malloc(size_t size);
void *fuzz_malloc(size_t size)
{
    if (fuzz_refusals > 0) {
        fuzz_refusals--;
        return NULL;
    }
    return malloc(size);
}

static void release(void *opaque)
{
    struct owner *owner = opaque;
    CHECK(owner >= owners && owner < owners + OWNERS && owner->used);
    if (owner->end > released_end)
        released_end = owner->end;
    free(owner->bytes);
    *owner = (struct owner){0};
    owner_count--;
}

static void open_ends(struct input *input)
{
    CHECK(fp_fd_pipe_nonblocking(ends) == 0);
    if (take_byte(input) & 1)
        CHECK(fcntl(ends[1], F_SETPIPE_SZ, SMALL_PIPE) >= 0);
    fp_outflow_init(&out, release);
    CHECK(out.high_water == FP_HIGH_WATER && out.low_water == FP_LOW_WATER);
    queued = written = read_back = 0;
    fuzz_refusals = 0;
}

static void check_same(void)
{
    CHECK(out.pending == queued - written);
    CHECK((out.first == NULL) == (out.last == NULL));
    CHECK((out.first == NULL) == (out.pending == 0));
    for (int i = 0; i < OWNERS; i++) /* given up as soon as they are written */
        CHECK(!owners[i].used || owners[i].end > written);
}

static void copy(struct input *input)
{
    static uint8_t bytes[MOST];
    size_t count = take_size(input, MOST);
    stream_fill(bytes, queued, count);
    int err = fp_outflow_copy(&out, bytes, count);
    memset(bytes, 0xEE, count); /* the copy is made by now */
    CHECK(err == 0 || err == -ENOMEM);
    if (err == 0)
        queued += count;
}

/* Many small writes in a row, which share a chunk. */
static void copy_often(struct input *input)
{
    size_t each = 1 + take_byte(input) % 64;
    for (int times = take_byte(input); times > 0; times--) {
        uint8_t bytes[64];
        stream_fill(bytes, queued, each);
        if (fp_outflow_copy(&out, bytes, each) == 0)
            queued += each;
    }
}

static struct owner *unused_owner(void)
{
    for (int i = 0; i < OWNERS; i++)
        if (!owners[i].used)
            return &owners[i];
    return NULL;
}

static void refer(struct input *input)
{
    struct owner *owner = unused_owner();
    size_t count = take_size(input, MOST);
    if (owner == NULL)
        return;
    *owner = (struct owner){malloc(count + 1), queued + count, true};
    CHECK(owner->bytes != NULL);
    owner_count++;
    stream_fill(owner->bytes, queued, count);
    int owners_before = owner_count;
    int err = fp_outflow_refer(&out, owner->bytes, count, owner);
    CHECK(err == 0 || err == -ENOMEM);
    if (err < 0) {
        CHECK(owner->used && owner_count == owners_before); /* still ours */
        release(owner);
        return;
    }
    CHECK(owner_count == owners_before - (count == 0)); /* nothing to hold on to */
    queued += count;
}

static void flush(void)
{
    size_t before = out.pending;
    released_end = 0;
    ssize_t result = fp_outflow_flush(&out, ends[1]);
    if (result < 0) {
        CHECK(result == (ends[0] < 0 ? -EPIPE : -EAGAIN));
        CHECK(before > 0 && out.pending == before);
        return;
    }
    CHECK((size_t)result <= before && (result > 0) == (before > 0));
    written += (size_t)result;
    CHECK(released_end <= written);
}

static void read_up_to(size_t count)
{
    static uint8_t bytes[MOST];
    if (ends[0] < 0)
        return;
    ssize_t size = fp_fd_read(ends[0], bytes, count);
    if (size == -EAGAIN) {
        CHECK(read_back == written);
        return;
    }
    CHECK(size > 0 && (size_t)size <= written - read_back);
    CHECK(stream_holds(bytes, read_back, (size_t)size));
    read_back += (size_t)size;
}

/* The rest is dropped, and the stream goes on where it was broken off. */
static void clear(void)
{
    fp_outflow_clear(&out);
    CHECK(owner_count == 0);
    queued = written;
}

static void step(struct input *input)
{
    switch (take_byte(input) % 16) {
    case 0:
        clear();
        break;
    case 1:
        fuzz_refusals = 1;
        break;
    case 2:
        if (take_byte(input) < 32)
            fp_fd_close(&ends[0]);
        break;
    case 3:
    case 4:
        copy_often(input);
        break;
    case 5:
    case 6:
        copy(input);
        break;
    case 7:
    case 8:
    case 9:
        refer(input);
        break;
    case 10:
    case 11:
    case 12:
        read_up_to(1 + take_size(input, MOST - 1));
        break;
    default:
        flush();
    }
}

/* What is queued in the end arrives, if somebody reads. */
static void flush_to_the_end(void)
{
    while (ends[0] >= 0 && read_back < queued) {
        size_t before = read_back;
        flush();
        check_same();
        read_up_to(MOST);
        CHECK(read_back > before);
    }
    CHECK(ends[0] < 0 || (out.pending == 0 && owner_count == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    signal(SIGPIPE, SIG_IGN);
    open_ends(&input);
    while (input.left > 0) {
        step(&input);
        check_same();
    }
    fuzz_refusals = 0;
    flush_to_the_end();
    clear();
    fp_fd_close(&ends[0]);
    fp_fd_close(&ends[1]);
    return 0;
}
