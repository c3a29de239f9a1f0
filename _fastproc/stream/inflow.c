/* SPDX-License-Identifier: MIT
 *
 * See inflow.h.
 */
#include "stream/inflow.h"

#include <errno.h>

#include "posix/fd.h"

enum {
    GULP = 64 * 1024,     /* a pipe's capacity: more cannot be there, unless it was enlarged */
    BIG_GULP = 32 * 1024, /* from here on a copy costs more than a reservation */
};

enum fp_flow fp_inflow_read(struct fp_inflow *inflow, struct fp_buffer *buffer,
                            const struct fp_memory *memory, const struct fp_scratch *scratch)
{
    size_t room = fp_buffer_room(buffer);
    unsigned char *to;
    bool direct = inflow->bulk || room >= BIG_GULP;
    if (direct) {
        to = fp_buffer_reserve(buffer, memory, GULP);
        if (to == NULL) {
            inflow->err = ENOMEM;
            return FP_FLOW_ERROR;
        }
        room = fp_buffer_room(buffer);
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
    inflow->bulk = size >= BIG_GULP;
    inflow->full = (size_t)size >= GULP;
    if (direct) {
        fp_buffer_commit(buffer, (size_t)size);
    } else if (!fp_buffer_append(buffer, memory, to, (size_t)size)) {
        inflow->err = ENOMEM;
        return FP_FLOW_ERROR;
    }
    return FP_FLOW_DATA;
}
