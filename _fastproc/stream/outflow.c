/* SPDX-License-Identifier: MIT
 *
 * See outflow.h.
 */
#include "stream/outflow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "posix/fd.h"

enum {
    CHUNK = 4096 - 64, /* the least that a chunk of copies can hold */
    PARTS = 16,        /* of one writev; a pipe takes 64 KiB, so more would rarely go through */
};

struct fp_piece {
    struct fp_piece *next;
    const unsigned char *bytes; /* what is left to write */
    size_t count;
    size_t room; /* behind the bytes, in a chunk */
    void *owner; /* of referred bytes */
    unsigned char chunk[];
};

void fp_outflow_init(struct fp_outflow *outflow, void (*release)(void *owner))
{
    *outflow = (struct fp_outflow){
        .high_water = FP_HIGH_WATER,
        .low_water = FP_LOW_WATER,
        .release = release,
    };
}

static void append_piece(struct fp_outflow *outflow, struct fp_piece *piece)
{
    if (outflow->last != NULL)
        outflow->last->next = piece;
    else
        outflow->first = piece;
    outflow->last = piece;
}

int fp_outflow_copy(struct fp_outflow *outflow, const void *bytes, size_t count)
{
    struct fp_piece *last = outflow->last;
    const unsigned char *from = bytes;
    size_t total = count;
    if (count == 0)
        return 0;
    size_t fits = 0;
    if (last != NULL && last->owner == NULL)
        fits = last->room < count ? last->room : count;
    struct fp_piece *piece = NULL;
    if (count > fits) { /* get the memory first, so that a failure queues nothing */
        size_t capacity = count - fits > CHUNK ? count - fits : CHUNK;
        piece = malloc(sizeof *piece + capacity);
        if (piece == NULL)
            return -ENOMEM;
        *piece = (struct fp_piece){.bytes = piece->chunk, .room = capacity};
    }
    if (fits > 0) {
        memcpy((unsigned char *)last->bytes + last->count, from, fits);
        last->count += fits;
        last->room -= fits;
        from += fits;
        count -= fits;
    }
    if (piece != NULL) {
        memcpy(piece->chunk, from, count);
        piece->count = count;
        piece->room -= count;
        append_piece(outflow, piece);
    }
    outflow->pending += total;
    return 0;
}

int fp_outflow_refer(struct fp_outflow *outflow, const void *bytes, size_t count, void *owner)
{
    if (count == 0) {
        outflow->release(owner);
        return 0;
    }
    struct fp_piece *piece = malloc(sizeof *piece);
    if (piece == NULL)
        return -ENOMEM;
    *piece = (struct fp_piece){.bytes = bytes, .count = count, .owner = owner};
    append_piece(outflow, piece);
    outflow->pending += count;
    return 0;
}

/* Unlinks the first piece before anybody else's code can run. */
static void drop_first(struct fp_outflow *outflow)
{
    struct fp_piece *piece = outflow->first;
    outflow->first = piece->next;
    if (outflow->first == NULL)
        outflow->last = NULL;
    outflow->pending -= piece->count;
    void *owner = piece->owner;
    free(piece);
    if (owner != NULL)
        outflow->release(owner);
}

ssize_t fp_outflow_flush(struct fp_outflow *outflow, int fd)
{
    struct iovec parts[PARTS];
    int count = 0;
    for (struct fp_piece *piece = outflow->first; piece != NULL && count < PARTS;
         piece = piece->next) {
        parts[count].iov_base = (void *)piece->bytes;
        parts[count].iov_len = piece->count;
        count++;
    }
    if (count == 0)
        return 0;
    ssize_t written = fp_fd_writev(fd, parts, count);
    if (written < 0)
        return written;
    size_t left = (size_t)written;
    while (left > 0 && outflow->first != NULL) {
        struct fp_piece *piece = outflow->first;
        if (left < piece->count) {
            piece->bytes += left;
            piece->count -= left;
            outflow->pending -= left;
            break;
        }
        left -= piece->count;
        drop_first(outflow);
    }
    return written;
}

void fp_outflow_clear(struct fp_outflow *outflow)
{
    while (outflow->first != NULL)
        drop_first(outflow);
}
