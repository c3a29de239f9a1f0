/* SPDX-License-Identifier: MIT
 *
 * stream/inflow against counters: what went into the pipe comes out of it, in order, and nothing
 * else; the end and errors are reported when they are there.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "posix/fd.h"
#include "stream/inflow.h"

enum { MOST = 1 << 17, SCRATCH = 1 << 16 };

static struct fp_buffer buffer;
static struct fp_inflow inflow;
static uint8_t scratch_bytes[SCRATCH];
static int ends[2];
/* Positions in the stream: written to the pipe, read from it, and the first one still buffered. */
static size_t sent, arrived, consumed;

static void open_ends(struct input *input)
{
    if (take_byte(input) & 1)
        CHECK(fp_fd_pipe_nonblocking(ends) == 0);
    else
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    inflow = (struct fp_inflow){.fd = ends[0]};
    sent = arrived = consumed = 0;
    fuzz_refusals = 0;
}

static void check_same(void)
{
    CHECK(fp_buffer_length(&buffer) == arrived - consumed);
    CHECK(arrived == consumed ||
          stream_holds(fp_buffer_bytes(&buffer), consumed, arrived - consumed));
    CHECK(fuzz_blocks == (buffer.block != NULL));
}

static void send_some(struct input *input)
{
    static uint8_t bytes[MOST];
    size_t count = take_size(input, MOST);
    if (ends[1] < 0)
        return;
    stream_fill(bytes, sent, count);
    ssize_t written = fp_fd_write(ends[1], bytes, count);
    CHECK(written >= 0 || written == -EAGAIN);
    sent += written > 0 ? (size_t)written : 0;
}

/* Memory ran out: what was buffered is gone, and perhaps what was read. */
static void resume_after_loss(void)
{
    CHECK(inflow.err == ENOMEM && fp_buffer_length(&buffer) == 0);
    /* Where the stream goes on, only the pipe can tell: empty it. */
    while (fp_fd_read(inflow.fd, scratch_bytes, SCRATCH) > 0)
        continue;
    consumed = arrived = sent;
}

static void read_once(struct input *input)
{
    struct fp_scratch scratch = {scratch_bytes, 1 + take_size(input, SCRATCH - 1)};
    bool refused = fuzz_refusals > 0 || buffer.size > FUZZ_MOST / 4;
    size_t before = fp_buffer_length(&buffer);
    inflow.err = 0;
    switch (fp_inflow_read(&inflow, &buffer, &fuzz_memory, &scratch)) {
    case FP_FLOW_DATA: {
        size_t got = fp_buffer_length(&buffer) - before;
        CHECK(got > 0 && got <= sent - arrived && inflow.err == 0);
        arrived += got;
        break;
    }
    case FP_FLOW_EOF:
        CHECK(ends[1] < 0 && arrived == sent);
        break;
    case FP_FLOW_AGAIN:
        CHECK(ends[1] >= 0 && arrived == sent);
        break;
    case FP_FLOW_ERROR:
        CHECK(refused);
        resume_after_loss();
        break;
    }
}

static void read_where_nothing_can_be_read(void)
{
    struct fp_scratch scratch = {scratch_bytes, SCRATCH};
    struct fp_inflow broken = inflow;
    broken.fd = -1;
    fuzz_refusals = 0;
    CHECK(fp_inflow_read(&broken, &buffer, &fuzz_memory, &scratch) == FP_FLOW_ERROR);
    CHECK(broken.err == EBADF);
}

static void consume(struct input *input)
{
    size_t count = take_size(input, arrived - consumed);
    if (count == 0)
        count = arrived - consumed;
    fp_buffer_consume(&buffer, count);
    consumed += count;
}

static void step(struct input *input)
{
    switch (take_byte(input) % 16) {
    case 0:
        read_where_nothing_can_be_read();
        break;
    case 1:
        fuzz_refusals = 1;
        break;
    case 2: /* as when all of it was read, and the reader lets go of its memory */
        fp_buffer_free(&buffer, &fuzz_memory);
        consumed = arrived;
        break;
    case 3:
        if (take_byte(input) < 32)
            fp_fd_close(&ends[1]);
        break;
    case 4:
    case 5:
    case 6:
        consume(input);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        send_some(input);
        break;
    default:
        read_once(input);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    open_ends(&input);
    while (input.left > 0) {
        step(&input);
        check_same();
    }
    fp_buffer_free(&buffer, &fuzz_memory);
    CHECK(fuzz_blocks == 0);
    fp_fd_close(&ends[0]);
    fp_fd_close(&ends[1]);
    return 0;
}
