/* SPDX-License-Identifier: MIT
 *
 * See inflow.h.
 */
#include "stream/inflow.h"

#include <errno.h>

#include "posix/fd.h"

enum {
    LARGE = 2 * 1024 * 1024, /* from this block size on, memory for reads is announced */
};

/* Announces memory for the next gulp of a stream of volume, because the child is likely to fill its pipe
 * again, if only while the kernel provides the memory.  Does nothing while an earlier announcement has
 * room for a gulp like the last. */
static void announce(const struct fp_inflow *inflow, const struct fp_memory *memory,
                     struct fp_buffer *buffer)
{
    if (memory->expect == NULL || !fp_inflow_has_been_bulk(inflow) || buffer->size < LARGE)
        return;
    size_t from = buffer->expected > buffer->end ? buffer->expected : buffer->end;
    if (from - buffer->end >= inflow->last || from == buffer->size)
        return;
    size_t room = buffer->size - from;
    size_t size = inflow->largest < room ? inflow->largest : room;
    buffer->expected = from + size;
    memory->expect(buffer->block + from, size);
}

enum fp_flow fp_inflow_read(struct fp_inflow *inflow, struct fp_buffer *buffer,
                            const struct fp_memory *memory, const struct fp_scratch *scratch)
{
    size_t room = fp_buffer_room(buffer);
    unsigned char *to;
    bool direct = fp_inflow_is_bulk(inflow) || room >= FP_BIG_GULP || scratch->bytes == NULL;
    if (direct) {
        to = fp_buffer_reserve(buffer, memory, FP_GULP);
        if (to == NULL) {
            inflow->err = ENOMEM;
            return FP_FLOW_ERROR;
        }
        room = fp_buffer_room(buffer);
        announce(inflow, memory, buffer);
    } else {
        to = scratch->bytes;
        room = scratch->size;
    }
    ssize_t size = fp_fd_read(inflow->fd, to, room);
    if (size == -EAGAIN)
        return FP_FLOW_AGAIN;
    if (size == 0)
        return FP_FLOW_EOF;
    if (size < 0) {
        inflow->err = (int)-size;
        return FP_FLOW_ERROR;
    }
    inflow->last = (size_t)size;
    if (inflow->largest < inflow->last)
        inflow->largest = inflow->last;
    if (direct) {
        fp_buffer_commit(buffer, (size_t)size);
    } else if (!fp_buffer_append(buffer, memory, to, (size_t)size)) {
        inflow->err = ENOMEM;
        return FP_FLOW_ERROR;
    }
    return FP_FLOW_DATA;
}
