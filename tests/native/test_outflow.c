/* SPDX-License-Identifier: MIT
 *
 * stream/outflow: bytes leave in the order in which they came, copied or
 * referred to, and each reference is given up exactly once.
 */
#include "check.h"
#include "posix/fd.h"
#include "stream/outflow.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* So that a huge malloc fails under the sanitizer as it does without. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

enum { OWNERS = 32, SMALL_PIPE = 4096, PARTS = 16 };

static struct fp_outflow out;
static int released[OWNERS]; /* how often each was; the owners are pointers into this */
static int ends[2];

static void release(void *owner)
{
    int *count = owner;
    CHECK(count >= released && count < released + OWNERS);
    ++*count;
}

static void set_up(void)
{
    CHECK(fp_fd_pipe(ends) == 0);
    CHECK(fp_fd_set_nonblocking(ends[0]) == 0 && fp_fd_set_nonblocking(ends[1]) == 0);
    fp_outflow_init(&out, release);
}

static void tear_down(void)
{
    fp_outflow_clear(&out);
    fp_fd_close(&ends[0]);
    fp_fd_close(&ends[1]);
}

static void copy(const char *text)
{
    CHECK(fp_outflow_copy(&out, text, strlen(text)) == 0);
}

static void refer(const char *text, int owner)
{
    CHECK(fp_outflow_refer(&out, text, strlen(text), &released[owner]) == 0);
}

static ssize_t flush(void)
{
    return fp_outflow_flush(&out, ends[1]);
}

/* That the pipe holds exactly this. */
static bool came(const char *text)
{
    char got[1024];
    ssize_t size = read(ends[0], got, sizeof got);
    if (size == -1 && errno == EAGAIN)
        size = 0;
    return size == (ssize_t)strlen(text) && memcmp(got, text, (size_t)size) == 0;
}

static bool is_empty(void)
{
    return out.first == NULL && out.last == NULL && out.pending == 0;
}

TEST(outflow_begins_empty_with_the_usual_marks)
{
    memset(&out, 0xff, sizeof out);
    fp_outflow_init(&out, release);
    CHECK(is_empty());
    CHECK(out.high_water == 65536 && out.low_water == 16384); /* asyncio's */
    CHECK(fp_outflow_flush(&out, -1) == 0);                   /* nothing to write is no error */
    fp_outflow_clear(&out);
    CHECK(is_empty());
}

TEST(outflow_writes_a_copy_of_what_it_was_given)
{
    char bytes[] = "abc";
    set_up();
    CHECK(fp_outflow_copy(&out, bytes, 3) == 0 && out.pending == 3);
    memset(bytes, 'x', 3);
    CHECK(flush() == 3 && came("abc") && is_empty());
    tear_down();
}

TEST(outflow_writes_what_it_refers_to_and_not_a_copy)
{
    char bytes[] = "abc";
    set_up();
    refer(bytes, 0);
    CHECK(out.pending == 3 && released[0] == 0);
    bytes[1] = 'X';
    CHECK(flush() == 3 && came("aXc") && is_empty() && released[0] == 1);
    tear_down();
}

TEST(outflow_of_nothing_queues_nothing)
{
    set_up();
    CHECK(fp_outflow_copy(&out, "", 0) == 0);
    CHECK(fp_outflow_copy(&out, NULL, 0) == 0);
    CHECK(is_empty() && flush() == 0);
    tear_down();
}

TEST(outflow_keeps_the_order_of_copies_and_references)
{
    set_up();
    copy("one ");
    refer("two ", 0);
    copy("three ");
    copy("four ");
    refer("five ", 1);
    refer("six ", 2);
    copy("seven");
    CHECK(out.pending == strlen("one two three four five six seven"));
    CHECK(flush() == (ssize_t)strlen("one two three four five six seven"));
    CHECK(came("one two three four five six seven") && is_empty());
    CHECK(released[0] == 1 && released[1] == 1 && released[2] == 1);
    tear_down();
}

TEST(outflow_gathers_small_copies_in_one_chunk)
{
    set_up();
    for (int i = 0; i < 1000; i++)
        copy("abc");
    CHECK(out.first == out.last && out.pending == 3000);
    CHECK(flush() == 3000);
    tear_down();
}

TEST(outflow_copies_do_not_go_into_referred_bytes)
{
    char bytes[] = "abcdef";
    set_up();
    CHECK(fp_outflow_refer(&out, bytes, 3, &released[0]) == 0);
    copy("XYZ");
    CHECK(strcmp(bytes, "abcdef") == 0);
    CHECK(flush() == 6 && came("abcXYZ"));
    CHECK(fp_outflow_refer(&out, bytes, 3, NULL) == 0); /* nobody to give a reference back to */
    copy("XYZ");
    CHECK(strcmp(bytes, "abcdef") == 0);
    CHECK(flush() == 6 && came("abcXYZ"));
    tear_down();
}

TEST(outflow_chunk_is_filled_up_and_then_followed_by_another)
{
    static char text[3000];
    char got[9000];
    set_up();
    for (int i = 0; i < 3; i++) {
        memset(text, 'a' + i, sizeof text);
        CHECK(fp_outflow_copy(&out, text, sizeof text) == 0);
    }
    CHECK(out.first != out.last && out.pending == 9000);
    CHECK(flush() == 9000 && read(ends[0], got, sizeof got) == 9000);
    for (int i = 0; i < 9000; i++)
        CHECK(got[i] == 'a' + i / 3000);
    tear_down();
}

TEST(outflow_reuses_a_chunk_that_is_partly_written)
{
    static char front[4000], got[SMALL_PIPE];
    char digits[200];
    set_up();
    CHECK(fp_fd_set_pipe_size(ends[1], SMALL_PIPE) == 0);
    for (int i = 0; i < 200; i++)
        digits[i] = (char)('0' + i % 10);
    CHECK(fp_outflow_refer(&out, front, sizeof front, &released[0]) == 0);
    CHECK(fp_outflow_copy(&out, digits, sizeof digits) == 0);
    CHECK(flush() == SMALL_PIPE); /* that is 96 bytes of the chunk */
    CHECK(released[0] == 1 && out.pending == 104);
    copy("tail");
    CHECK(out.first == out.last && out.pending == 108);
    CHECK(read(ends[0], got, sizeof got) == SMALL_PIPE);
    CHECK(memcmp(got + sizeof front, digits, 96) == 0);
    CHECK(flush() == 108 && is_empty() && read(ends[0], got, sizeof got) == 108);
    CHECK(memcmp(got, digits + 96, 104) == 0 && memcmp(got + 104, "tail", 4) == 0);
    tear_down();
}

TEST(outflow_one_flush_is_one_bounded_write)
{
    set_up();
    for (int i = 0; i < PARTS + 4; i++)
        refer("ab", i);
    CHECK(flush() == 2 * PARTS && out.pending == 8);
    for (int i = 0; i < PARTS + 4; i++)
        CHECK(released[i] == (i < PARTS));
    CHECK(flush() == 8 && is_empty());
    for (int i = 0; i < PARTS + 4; i++)
        CHECK(released[i] == 1);
    tear_down();
}

TEST(outflow_keeps_a_reference_until_its_last_byte_is_written)
{
    static char large[3 * SMALL_PIPE], sink[SMALL_PIPE];
    set_up();
    CHECK(fp_fd_set_pipe_size(ends[1], SMALL_PIPE) == 0);
    CHECK(fp_outflow_refer(&out, large, sizeof large, &released[0]) == 0);
    for (int left = 2; left >= 0; left--) {
        CHECK(flush() == SMALL_PIPE);
        CHECK(out.pending == (size_t)left * SMALL_PIPE);
        CHECK(released[0] == (left == 0));
        CHECK(read(ends[0], sink, sizeof sink) == SMALL_PIPE);
    }
    CHECK(is_empty());
    tear_down();
    CHECK(released[0] == 1);
}

TEST(outflow_of_a_full_pipe_loses_nothing)
{
    static char page[65536];
    set_up();
    while (write(ends[1], page, sizeof page) > 0)
        ;
    copy("abc");
    refer("def", 0);
    CHECK(flush() == -EAGAIN && flush() == -EAGAIN);
    CHECK(out.pending == 6 && released[0] == 0);
    while (read(ends[0], page, sizeof page) > 0)
        ;
    CHECK(flush() == 6 && came("abcdef") && released[0] == 1);
    tear_down();
}

TEST(outflow_without_a_reader_is_a_broken_pipe)
{
    signal(SIGPIPE, SIG_IGN);
    set_up();
    fp_fd_close(&ends[0]);
    copy("abc");
    refer("def", 0);
    CHECK(flush() == -EPIPE && flush() == -EPIPE);
    CHECK(out.pending == 6 && released[0] == 0);
    fp_outflow_clear(&out);
    CHECK(is_empty() && released[0] == 1);
    tear_down();
    CHECK(released[0] == 1);
}

TEST(outflow_clear_drops_all_and_releases_once)
{
    set_up();
    copy("a");
    for (int i = 0; i < OWNERS; i++)
        refer("x", i);
    copy("b");
    fp_outflow_clear(&out);
    CHECK(is_empty());
    fp_outflow_clear(&out);
    for (int i = 0; i < OWNERS; i++)
        CHECK(released[i] == 1);
    copy("usable");
    CHECK(flush() == 6 && came("usable"));
    tear_down();
}

/* What the owner's end may set off: more to write, in the middle of a flush. */
static void release_and_write_more(void *owner)
{
    release(owner);
    CHECK(fp_outflow_copy(&out, "more", 4) == 0);
}

TEST(outflow_release_may_queue_more)
{
    set_up();
    out.release = release_and_write_more;
    refer("abc", 0);
    CHECK(flush() == 3 && out.pending == 4 && released[0] == 1);
    CHECK(flush() == 4 && came("abcmore") && is_empty());
    refer("abc", 1);
    copy("def");
    CHECK(flush() == 6 && flush() == 4 && came("abcdefmore"));
    refer("abc", 2);
    refer("def", 3);
    fp_outflow_clear(&out);
    CHECK(is_empty() && released[2] == 1 && released[3] == 1);
    tear_down();
}

TEST(outflow_out_of_memory_queues_nothing)
{
    set_up();
    copy("abc");
    CHECK(fp_outflow_copy(&out, "def", SIZE_MAX / 2) == -ENOMEM);
    CHECK(out.pending == 3 && out.first == out.last);
    CHECK(flush() == 3 && came("abc") && is_empty());
    tear_down();
}

/* Byte number `at` of a stream in which no two stretches look alike. */
static char expected(size_t at)
{
    return (char)(at * 7 + at / 251 * 13);
}

static size_t read_and_compare(size_t received, size_t most)
{
    static char got[SMALL_PIPE];
    ssize_t size = read(ends[0], got, most);
    for (ssize_t i = 0; i < size; i++)
        CHECK(got[i] == expected(received + (size_t)i));
    return size > 0 ? (size_t)size : 0;
}

TEST(outflow_through_a_small_pipe_loses_and_swaps_nothing)
{
    enum { TOTAL = 1 << 20 };
    static char stream[TOTAL + SMALL_PIPE * 2];
    uint64_t seed = 4;
    size_t queued = 0, written = 0, received = 0;
    int referred = 0;
    set_up();
    CHECK(fp_fd_set_pipe_size(ends[1], SMALL_PIPE) == 0);
    for (size_t i = 0; i < sizeof stream; i++)
        stream[i] = expected(i);
    while (received < TOTAL) {
        size_t count = 1 + next_random(&seed) % (next_random(&seed) % 4 ? 50 : 2 * SMALL_PIPE);
        if (queued < TOTAL && next_random(&seed) % 4 == 0) {
            referred++;
            CHECK(fp_outflow_refer(&out, stream + queued, count, &released[0]) == 0);
            queued += count;
        } else if (queued < TOTAL) {
            CHECK(fp_outflow_copy(&out, stream + queued, count) == 0);
            queued += count;
        }
        ssize_t size = next_random(&seed) % 2 ? flush() : 0;
        CHECK(size >= 0 || size == -EAGAIN);
        written += size > 0 ? (size_t)size : 0;
        CHECK(out.pending == queued - written);
        received += read_and_compare(received, 1 + next_random(&seed) % SMALL_PIPE);
    }
    fp_outflow_clear(&out);
    CHECK(released[0] == referred);
    tear_down();
}

static void count_release(void *owner)
{
    ++*(int *)owner;
}

TEST(outflow_reference_to_nothing_is_given_up_at_once)
{
    struct fp_outflow outflow;
    int released = 0;
    fp_outflow_init(&outflow, count_release);
    CHECK(fp_outflow_refer(&outflow, "", 0, &released) == 0);
    CHECK(released == 1 && outflow.first == NULL && outflow.pending == 0);
}
