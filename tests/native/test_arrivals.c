/* SPDX-License-Identifier: MIT
 *
 * stream/arrivals: the runs come out in the order in which they went in.
 */
#include "check.h"
#include "stream/arrivals.h"
#include "support.h"

static struct fp_arrivals *arrivals;

static void check_oldest(int stream, size_t count)
{
    const struct fp_run *run = fp_arrivals_oldest(arrivals);
    CHECK(run != NULL && run->stream == stream && run->count == count);
}

TEST(arrivals_of_one_stream_are_one_run)
{
    arrivals = fp_arrivals_new();
    CHECK(fp_arrivals_oldest(arrivals) == NULL);
    fp_arrivals_take(arrivals, 1);
    fp_arrivals_add(arrivals, 0, 10);
    fp_arrivals_add(arrivals, 0, 5);
    check_oldest(0, 15);
    fp_arrivals_add(arrivals, 1, 7);
    fp_arrivals_take(arrivals, 14);
    check_oldest(0, 1);
    fp_arrivals_take(arrivals, 1);
    check_oldest(1, 7);
    fp_arrivals_take(arrivals, 7);
    CHECK(fp_arrivals_oldest(arrivals) == NULL);
    fp_arrivals_drop(arrivals);
}

TEST(arrivals_are_kept_in_order_however_many)
{
    uint64_t state = 7;
    size_t added = 0, taken = 0;
    arrivals = fp_arrivals_new();
    for (int round = 0; round < 2000; round++) {
        for (uint64_t count = next_random(&state) % 12; count > 0; count--, added++)
            fp_arrivals_add(arrivals, (int)(added % 2), added % 5 + 1);
        for (uint64_t count = next_random(&state) % 10; count > 0 && taken < added; count--) {
            check_oldest((int)(taken % 2), taken % 5 + 1);
            fp_arrivals_take(arrivals, taken % 5 + 1);
            taken++;
        }
    }
    for (; taken < added; taken++) {
        check_oldest((int)(taken % 2), taken % 5 + 1);
        fp_arrivals_take(arrivals, taken % 5 + 1);
    }
    CHECK(fp_arrivals_oldest(arrivals) == NULL);
    fp_arrivals_drop(arrivals);
}

TEST(arrivals_that_nobody_takes_have_an_end)
{
    arrivals = fp_arrivals_new();
    for (int i = 0; i < 1 << 18; i++)
        fp_arrivals_add(arrivals, i % 2, 1);
    CHECK(arrivals->room == 1 << 17 && arrivals->used == arrivals->room);
    check_oldest(0, 1);
    fp_arrivals_drop(arrivals);
}

TEST(arrivals_have_as_many_owners_as_they_say)
{
    arrivals = fp_arrivals_new();
    arrivals->owners = 2;
    fp_arrivals_add(arrivals, 0, 1);
    fp_arrivals_drop(arrivals);
    check_oldest(0, 1);
    fp_arrivals_drop(arrivals);
    fp_arrivals_drop(NULL);
}
