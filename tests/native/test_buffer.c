/* SPDX-License-Identifier: MIT
 *
 * stream/buffer: the queue keeps every byte in order, through growing, sliding
 * and running out of memory.  Blocks end at a guard page (support.h), so reading
 * or writing one byte too far is a crash.
 */
#include "check.h"
#include "stream/buffer.h"
#include "support.h"

#include <stdint.h>
#include <string.h>

static struct fp_buffer buffer;

static void append(const void *bytes, size_t count)
{
    CHECK(fp_buffer_append(&buffer, &guarded_memory, bytes, count));
}

static void append_text(const char *text)
{
    append(text, strlen(text));
}

static bool holds(const char *text)
{
    size_t length = strlen(text);
    return fp_buffer_length(&buffer) == length &&
           memcmp(fp_buffer_bytes(&buffer), text, length) == 0;
}

static bool is_empty_without_block(void)
{
    return buffer.block == NULL && buffer.start == 0 && buffer.end == 0 && buffer.size == 0;
}

static void release(void)
{
    fp_buffer_free(&buffer, &guarded_memory);
    CHECK(is_empty_without_block());
    CHECK(guarded_block_size == 0);
}

static ssize_t find(const char *separator, size_t from)
{
    return fp_buffer_find(&buffer, separator, strlen(separator), from);
}

TEST(buffer_zeroed_is_empty_and_needs_no_memory)
{
    CHECK(fp_buffer_length(&buffer) == 0 && fp_buffer_room(&buffer) == 0);
    CHECK(fp_buffer_append(&buffer, &guarded_memory, "", 0));
    CHECK(fp_buffer_take_block(&buffer) == NULL);
    fp_buffer_consume(&buffer, 0);
    release();
    CHECK(guarded_resizes_done == 0);
}

TEST(buffer_keeps_bytes_in_order)
{
    append_text("one ");
    append_text("two ");
    append_text("three");
    CHECK(holds("one two three"));
    fp_buffer_consume(&buffer, 4);
    CHECK(holds("two three"));
    append_text("!");
    CHECK(holds("two three!"));
    release();
}

TEST(buffer_reserve_and_commit_take_what_was_written)
{
    unsigned char *to = fp_buffer_reserve(&buffer, &guarded_memory, 10);
    CHECK(to != NULL && fp_buffer_room(&buffer) >= 10 && fp_buffer_length(&buffer) == 0);
    memset(to, 'x', 10); /* ends at the guard page */
    memcpy(to, "abc", 3);
    fp_buffer_commit(&buffer, 3);
    CHECK(holds("abc"));
    to = fp_buffer_reserve(&buffer, &guarded_memory, 7);
    CHECK(to == fp_buffer_bytes(&buffer) + 3);
    CHECK(guarded_resizes_done == 1); /* the room was there */
    memcpy(to, "defghij", 7);
    fp_buffer_commit(&buffer, 7);
    CHECK(holds("abcdefghij"));
    release();
}

TEST(buffer_reserve_without_commit_changes_nothing)
{
    append_text("abc");
    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, 5000) != NULL);
    CHECK(holds("abc"));
    release();
}

TEST(buffer_first_block_is_no_larger_than_asked_for)
{
    append_text("hello");
    CHECK(guarded_block_size == 5);
    release();
}

TEST(buffer_growth_is_geometric)
{
    enum { STEP = 100, TOTAL = 1 << 20 };
    char piece[STEP];
    memset(piece, 'p', STEP);
    for (int total = 0; total < TOTAL; total += STEP)
        append(piece, STEP);
    CHECK(guarded_resizes_done < 40); /* log(TOTAL / STEP) / log(1.5) is 23 */
    CHECK(guarded_block_size < 2 * TOTAL);
    release();
}

TEST(buffer_consumed_to_the_end_starts_over)
{
    append_text("abcdef");
    fp_buffer_consume(&buffer, 2);
    CHECK(buffer.start == 2);
    fp_buffer_consume(&buffer, 4);
    CHECK(buffer.start == 0 && fp_buffer_length(&buffer) == 0 && fp_buffer_room(&buffer) == 6);
    append_text("ABCDEF");
    CHECK(holds("ABCDEF") && guarded_resizes_done == 1);
    release();
}

TEST(buffer_slides_instead_of_growing)
{
    append_text("0123456789");
    fp_buffer_consume(&buffer, 6);
    append_text("abc");
    CHECK(guarded_resizes_done == 1 && guarded_block_size == 10);
    CHECK(buffer.start == 0 && holds("6789abc"));
    release();
}

TEST(buffer_does_not_slide_more_than_that_frees)
{
    append_text("0123456789");
    fp_buffer_consume(&buffer, 1);
    append_text("a"); /* would fit, at the price of moving nine bytes for one */
    CHECK(guarded_resizes_done == 2);
    CHECK(holds("123456789a"));
    release();
}

TEST(buffer_used_as_a_queue_stays_small)
{
    enum { MOST = 3000 };
    char piece[1000];
    memset(piece, 'q', sizeof piece);
    for (int round = 0; round < 20000; round++) {
        while (fp_buffer_length(&buffer) + sizeof piece <= MOST)
            append(piece, sizeof piece);
        fp_buffer_consume(&buffer, 700);
    }
    CHECK(guarded_block_size <= 4 * MOST);
    CHECK(guarded_resizes_done < 10);
    release();
}

TEST(buffer_take_block_gives_the_block_and_forgets_it)
{
    append_text("abcdef");
    fp_buffer_consume(&buffer, 2);
    size_t start = buffer.start, length = fp_buffer_length(&buffer);
    unsigned char *block = fp_buffer_take_block(&buffer);
    CHECK(is_empty_without_block());
    CHECK(length == 4 && memcmp(block + start, "cdef", 4) == 0);
    CHECK(guarded_block_size == 6);
    CHECK(guarded_memory.resize(block, 0) == NULL);
    append_text("new");
    CHECK(holds("new"));
    release();
}

TEST(buffer_out_of_memory_at_first_is_empty)
{
    guarded_resizes_left = 0;
    CHECK(!fp_buffer_append(&buffer, &guarded_memory, "abc", 3));
    CHECK(is_empty_without_block());
    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, 1) == NULL);
    CHECK(is_empty_without_block());
    guarded_resizes_left = -1;
    append_text("again");
    CHECK(holds("again"));
    release();
}

TEST(buffer_out_of_memory_while_growing_is_empty)
{
    for (int by_append = 0; by_append < 2; by_append++) {
        append_text("content");
        fp_buffer_consume(&buffer, 1);
        guarded_resizes_left = 0;
        if (by_append)
            CHECK(!fp_buffer_append(&buffer, &guarded_memory, "more and more", 13));
        else
            CHECK(fp_buffer_reserve(&buffer, &guarded_memory, 13) == NULL);
        CHECK(is_empty_without_block() && guarded_block_size == 0);
        guarded_resizes_left = -1;
    }
    append_text("again");
    CHECK(holds("again"));
    release();
}

TEST(buffer_reserve_of_more_than_there_can_be_is_refused)
{
    append_text("abc");
    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, SIZE_MAX) == NULL);
    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, SIZE_MAX - 3) == NULL);
    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, SIZE_MAX / 2) == NULL);
    CHECK(guarded_resizes_done <= 1); /* no wrapped-around size was asked for */
    release();
}

TEST(buffer_find_one_byte_anywhere)
{
    append_text("\nab\ncd\n");
    CHECK(find("\n", 0) == 0);
    CHECK(find("\n", 1) == 3);
    CHECK(find("\n", 3) == 3);
    CHECK(find("\n", 4) == 6); /* the last byte before the guard page */
    CHECK(find("\n", 7) == -1);
    CHECK(find("x", 0) == -1);
    release();
}

TEST(buffer_find_many_bytes_anywhere)
{
    append_text("\r\nab\r\ncd\r\n");
    CHECK(find("\r\n", 0) == 0);
    CHECK(find("\r\n", 1) == 4);
    CHECK(find("\r\n", 5) == 8);
    CHECK(find("\r\n", 9) == -1);
    CHECK(find("\r\nab\r\ncd\r\n", 0) == 0);
    CHECK(find("\r\nab\r\ncd\r\nx", 0) == -1); /* longer than the bytes */
    CHECK(find("\n\r", 0) == -1);
    release();
}

TEST(buffer_find_is_not_fooled_by_a_beginning)
{
    append_text("aaab--ENDaab-EN");
    CHECK(find("aab", 0) == 1);
    CHECK(find("aab", 2) == 9);
    CHECK(find("--END-", 0) == -1);
    CHECK(find("END", 7) == -1); /* "EN" at the guard page */
    append_text("D");
    CHECK(find("END", 13) == 13);
    release();
}

TEST(buffer_find_separator_that_comes_in_two_pieces)
{
    static const char separator[] = "<sep>";
    for (size_t cut = 0; cut <= 5; cut++) {
        append_text("line");
        append(separator, cut);
        CHECK(find(separator, 0) == (cut == 5 ? 4 : -1));
        /* What the search has seen already, save a separator that may have begun. */
        size_t length = fp_buffer_length(&buffer), from = length < 4 ? 0 : length - 4;
        append(separator + cut, 5 - cut);
        CHECK(find(separator, from <= 4 ? from : 4) == 4);
        fp_buffer_consume(&buffer, 9);
    }
    release();
}

TEST(buffer_find_counts_from_the_start_of_the_bytes)
{
    append_text("a;b;c;");
    fp_buffer_consume(&buffer, 2);
    CHECK(find(";", 0) == 1 && find(";", 2) == 3 && find(";", 4) == -1);
    CHECK(find("a", 0) == -1); /* consumed */
    CHECK(find("b;c;", 0) == 0 && find("b;c;", 1) == -1);
    release();
}

TEST(buffer_find_takes_zero_bytes_for_bytes)
{
    append("a\0b\0\0c", 6);
    CHECK(fp_buffer_find(&buffer, "\0", 1, 0) == 1);
    CHECK(fp_buffer_find(&buffer, "\0", 1, 2) == 3);
    CHECK(fp_buffer_find(&buffer, "\0\0", 2, 0) == 3);
    CHECK(fp_buffer_find(&buffer, "\0c", 2, 0) == 4);
    release();
}

TEST(buffer_find_where_nothing_can_be)
{
    CHECK(find("\n", 0) == -1 && find("\r\n", 0) == -1); /* no block at all */
    append_text("abc");
    CHECK(fp_buffer_find(&buffer, "", 0, 0) == -1);
    CHECK(find("a", 3) == -1 && find("a", 4) == -1 && find("a", SIZE_MAX) == -1);
    CHECK(find("ab", SIZE_MAX) == -1);
    fp_buffer_consume(&buffer, 3);
    CHECK(find("a", 0) == -1);
    release();
}

/* The same operations on an array that is simply moved, in which nothing can be wrong. */
enum { MODEL_SIZE = 1 << 16 };
static unsigned char model[MODEL_SIZE];
static size_t model_length;

static void model_consume(size_t count)
{
    model_length -= count;
    memmove(model, model + count, model_length);
}

static ssize_t model_find(const unsigned char *separator, size_t size, size_t from)
{
    for (size_t at = from; size > 0 && at + size <= model_length; at++)
        if (memcmp(model + at, separator, size) == 0)
            return (ssize_t)at;
    return -1;
}

static size_t random_letters(uint64_t *seed, unsigned char *to, size_t most)
{
    size_t count = next_random(seed) % (most + 1);
    for (size_t i = 0; i < count; i++)
        to[i] = (unsigned char)('a' + next_random(seed) % 3); /* few, so that much is found */
    return count;
}

static void do_something(uint64_t *seed)
{
    static unsigned char piece[2048];
    size_t count;
    switch (next_random(seed) % 8) {
    case 0:
    case 1:
        count = random_letters(seed, piece, next_random(seed) % 8 ? 40 : sizeof piece);
        append(piece, count);
        break;
    case 2:
        count = random_letters(seed, piece, 200);
        unsigned char *to = fp_buffer_reserve(&buffer, &guarded_memory, sizeof piece);
        CHECK(to != NULL && fp_buffer_room(&buffer) >= sizeof piece);
        memset(to, '#', fp_buffer_room(&buffer));
        memcpy(to, piece, count);
        fp_buffer_commit(&buffer, count);
        break;
    case 3:
    case 4:
        count = next_random(seed) % (model_length + 1);
        fp_buffer_consume(&buffer, count);
        model_consume(count);
        return;
    case 5:
    case 6:
        count = 1 + random_letters(seed, piece, 6);
        piece[count - 1] = 'a';
        size_t from = next_random(seed) % (model_length + 2);
        CHECK(fp_buffer_find(&buffer, piece, count, from) == model_find(piece, count, from));
        return;
    default:
        if (next_random(seed) % 8 == 0) {
            size_t start = buffer.start;
            unsigned char *block = fp_buffer_take_block(&buffer);
            CHECK(model_length == 0 || memcmp(block + start, model, model_length) == 0);
            guarded_memory.resize(block, 0);
            model_length = 0;
        }
        return;
    }
    CHECK(model_length + count <= MODEL_SIZE);
    memcpy(model + model_length, piece, count);
    model_length += count;
}

TEST(buffer_does_as_a_plain_array_does)
{
    uint64_t seed = 20240607;
    for (int round = 0; round < 20000; round++) {
        do_something(&seed);
        CHECK(fp_buffer_length(&buffer) == model_length);
        CHECK(buffer.end <= buffer.size && buffer.size == guarded_block_size);
        CHECK(model_length == 0 || memcmp(fp_buffer_bytes(&buffer), model, model_length) == 0);
    }
    release();
}

TEST(buffer_that_cannot_grow_is_empty)
{
    struct fp_buffer buffer = {0};
    CHECK(fp_buffer_append(&buffer, &guarded_memory, "abc", 3));
    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, (size_t)-1) == NULL);
    CHECK(fp_buffer_length(&buffer) == 0 && buffer.block == NULL);
}
