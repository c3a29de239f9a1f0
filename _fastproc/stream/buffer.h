/* SPDX-License-Identifier: MIT
 *
 * A growable queue of bytes in one piece of memory: bytes are committed at the
 * end and consumed at the front.
 *
 * The memory comes from the owner, through struct fp_memory, so that it can be
 * the payload of an object that is handed to the user without copying.
 */
#ifndef FP_STREAM_BUFFER_H
#define FP_STREAM_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fp_memory {
    /* Like realloc: NULL allocates, size 0 frees and returns NULL.  When it returns NULL
     * for another size, the old block is gone too. */
    void *(*resize)(void *block, size_t size);
    /* Or NULL: called with memory within a block that is about to be written, once for each byte. */
    void (*expect)(void *from, size_t size);
};

struct fp_buffer {
    unsigned char *block; /* NULL while there is nothing to hold */
    size_t start, end;    /* the bytes are block[start..end) */
    size_t size;          /* of block */
    size_t expected;      /* of block, from its start: memory->expect() was called for it */
};

static inline size_t fp_buffer_length(const struct fp_buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline unsigned char *fp_buffer_bytes(const struct fp_buffer *buffer)
{
    return buffer->block + buffer->start;
}

/* Makes room for `more` bytes (not 0) behind the end and returns where they go; NULL when out of
 * memory (the content is then lost, and the buffer empty). */
unsigned char *fp_buffer_reserve(struct fp_buffer *buffer, const struct fp_memory *memory,
                                 size_t more);

/* Bytes free behind the end, without a resize. */
static inline size_t fp_buffer_room(const struct fp_buffer *buffer)
{
    return buffer->size - buffer->end;
}

static inline void fp_buffer_commit(struct fp_buffer *buffer, size_t count)
{
    buffer->end += count;
}

/* Copies bytes in.  False when out of memory, as fp_buffer_reserve(). */
bool fp_buffer_append(struct fp_buffer *buffer, const struct fp_memory *memory, const void *from,
                      size_t count);

void fp_buffer_consume(struct fp_buffer *buffer, size_t count);

/* Gives the block away; the buffer is empty afterwards.  The bytes begin at block[start]. */
unsigned char *fp_buffer_take_block(struct fp_buffer *buffer);

void fp_buffer_free(struct fp_buffer *buffer, const struct fp_memory *memory);

/* Position, from the start of the bytes, of the first separator at or behind `from`; -1 if there
 * is none. */
ssize_t fp_buffer_find(const struct fp_buffer *buffer, const void *separator, size_t size,
                       size_t from);

#endif
