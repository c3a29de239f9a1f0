/* SPDX-License-Identifier: MIT
 *
 * The harness itself.  Tests of a floor's file go into test_FILE.c beside this one.
 */
#include "check.h"

#include <unistd.h>

TEST(check_counts_descriptors)
{
    int before = check_open_descriptors();
    CHECK(before >= 0);
    int fd = dup(STDERR_FILENO);
    CHECK(check_open_descriptors() == before + 1);
    close(fd);
    CHECK(check_open_descriptors() == before);
}
