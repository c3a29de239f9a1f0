/* SPDX-License-Identifier: MIT
 *
 * stream/buffer against an array that is moved down at every turn.
 */
#include "fuzz.h"

#include <string.h>

enum { MOST = 1 << 16, LONGEST = 5 };

static struct fp_buffer buffer;
static uint8_t model[4 * MOST];
static size_t length; /* of the model */

/* Few different bytes, so that there is something to find. */
static void fill(struct input *input, uint8_t *to, size_t count)
{
    uint8_t seed = take_byte(input);
    for (size_t i = 0; i < count; i++)
        to[i] = "abcab\n"[(seed + i * (i >> 3)) % 6];
}

static void check_same(void)
{
    CHECK(buffer.start <= buffer.end && buffer.end <= buffer.size);
    CHECK((buffer.block != NULL) == (buffer.size > 0));
    CHECK(fuzz_blocks == (buffer.block != NULL));
    CHECK(fp_buffer_length(&buffer) == length);
    CHECK(fp_buffer_room(&buffer) == buffer.size - buffer.end);
    CHECK(length == 0 || memcmp(fp_buffer_bytes(&buffer), model, length) == 0);
}

static void lose_everything(void)
{
    CHECK(buffer.block == NULL && buffer.size == 0);
    length = 0;
}

static void reserve_and_commit(struct input *input)
{
    size_t most = sizeof model - length < MOST ? sizeof model - length : MOST;
    size_t more = take_size(input, most), used = take_size(input, more);
    if (more == 0)
        return;
    unsigned char *to = fp_buffer_reserve(&buffer, &fuzz_memory, more);
    if (to == NULL) {
        lose_everything();
        return;
    }
    CHECK(to == buffer.block + buffer.end && fp_buffer_room(&buffer) >= more);
    memset(to, 'x', more); /* all of it is ours */
    fill(input, model + length, used);
    memcpy(to, model + length, used);
    fp_buffer_commit(&buffer, used);
    length += used;
}

static void reserve_too_much(struct input *input)
{
    size_t more = SIZE_MAX >> take_byte(input) % 34;
    CHECK(fp_buffer_reserve(&buffer, &fuzz_memory, more) == NULL);
    lose_everything();
}

static void append(struct input *input)
{
    size_t most = sizeof model - length < MOST ? sizeof model - length : MOST;
    size_t count = take_size(input, most);
    fill(input, model + length, count);
    if (fp_buffer_append(&buffer, &fuzz_memory, model + length, count))
        length += count;
    else
        lose_everything();
}

static void consume(struct input *input)
{
    size_t count = take_size(input, length);
    if (count == 0) /* of a program that goes on: nearly all, so that little is left */
        count = length - take_size(input, length);
    fp_buffer_consume(&buffer, count);
    length -= count;
    memmove(model, model + count, length);
}

static ssize_t find_simply(const uint8_t *separator, size_t size, size_t from)
{
    for (size_t at = from; size > 0 && size <= length && at <= length - size; at++)
        if (memcmp(model + at, separator, size) == 0)
            return (ssize_t)at;
    return -1;
}

static void find(struct input *input)
{
    uint8_t separator[LONGEST];
    size_t size = take_byte(input) % (LONGEST + 1), from = take_size(input, length + 2);
    fill(input, separator, size);
    CHECK(fp_buffer_find(&buffer, separator, size, from) == find_simply(separator, size, from));
}

static void take_block(void)
{
    size_t start = buffer.start;
    unsigned char *block = fp_buffer_take_block(&buffer);
    CHECK(length == 0 || memcmp(block + start, model, length) == 0);
    lose_everything();
    if (block != NULL)
        fuzz_memory.resize(block, 0);
}

static void step(struct input *input)
{
    switch (take_byte(input) % 16) {
    case 0:
        take_block();
        break;
    case 1:
        fp_buffer_free(&buffer, &fuzz_memory);
        lose_everything();
        break;
    case 2:
        reserve_too_much(input);
        break;
    case 3:
        fuzz_refusals = 1;
        break;
    case 4:
    case 5:
    case 6:
        reserve_and_commit(input);
        break;
    case 7:
    case 8:
    case 9:
        append(input);
        break;
    case 10:
    case 11:
    case 12:
        consume(input);
        break;
    default:
        find(input);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    length = 0;
    fuzz_refusals = 0;
    while (input.left > 0) {
        step(&input);
        check_same();
    }
    fp_buffer_free(&buffer, &fuzz_memory);
    CHECK(fuzz_blocks == 0);
    return 0;
}
