/* SPDX-License-Identifier: MIT
 *
 * See buffer.h.
 */
#include "stream/buffer.h"

#include <string.h>

static void forget(struct fp_buffer *buffer)
{
    *buffer = (struct fp_buffer){0};
}

/* At least `needed`, and growing by halves, so that n bytes cost O(n) copying in the worst
 * case; large blocks are moved by the kernel's page tables, not copied. */
static size_t next_size(size_t size, size_t needed)
{
    size_t grown = size + size / 2;
    return grown > needed ? grown : needed;
}

unsigned char *fp_buffer_reserve(struct fp_buffer *buffer, const struct fp_memory *memory,
                                 size_t more)
{
    if (buffer->size - buffer->end >= more)
        return buffer->block + buffer->end;
    size_t length = fp_buffer_length(buffer);
    /* Slide down when that frees at least as much as it moves: amortised O(1) a byte. */
    if (buffer->start >= length && buffer->size - length >= more) {
        memmove(buffer->block, buffer->block + buffer->start, length);
    } else {
        if (more > (size_t)-1 / 4 - buffer->end) {
            fp_buffer_free(buffer, memory);
            return NULL;
        }
        size_t size = next_size(buffer->size, buffer->end + more);
        unsigned char *block = memory->resize(buffer->block, size);
        if (block == NULL) {
            forget(buffer);
            return NULL;
        }
        buffer->block = block;
        buffer->size = size;
        return block + buffer->end;
    }
    buffer->start = 0;
    buffer->end = length;
    return buffer->block + length;
}

bool fp_buffer_append(struct fp_buffer *buffer, const struct fp_memory *memory, const void *from,
                      size_t count)
{
    if (count == 0)
        return true;
    unsigned char *to = fp_buffer_reserve(buffer, memory, count);
    if (to == NULL)
        return false;
    memcpy(to, from, count);
    buffer->end += count;
    return true;
}

void fp_buffer_consume(struct fp_buffer *buffer, size_t count)
{
    buffer->start += count;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

unsigned char *fp_buffer_take_block(struct fp_buffer *buffer)
{
    unsigned char *block = buffer->block;
    forget(buffer);
    return block;
}

void fp_buffer_free(struct fp_buffer *buffer, const struct fp_memory *memory)
{
    if (buffer->block != NULL)
        memory->resize(buffer->block, 0);
    forget(buffer);
}

ssize_t fp_buffer_find(const struct fp_buffer *buffer, const void *separator, size_t size,
                       size_t from)
{
    size_t length = fp_buffer_length(buffer);
    if (size == 0 || from > length || size > length - from)
        return -1;
    const unsigned char *bytes = fp_buffer_bytes(buffer);
    const unsigned char *found =
        size == 1 ? memchr(bytes + from, *(const unsigned char *)separator, length - from)
                  : memmem(bytes + from, length - from, separator, size);
    return found != NULL ? found - bytes : -1;
}
