/* SPDX-License-Identifier: MIT
 *
 * posix/processors: limits of cgroups as kernels and containers have them, and
 * files that are not what they should be.
 */
#include "check.h"
#include "posix/processors.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/fp-cgroup-XXXXXX", path[512];

static const char *in_root(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* With the folders on the way to it. */
static void put(const char *name, const char *text)
{
    in_root(name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void set_up(const char *cgroups)
{
    CHECK(mkdtemp(root) != NULL);
    put("self/cgroup", cgroups);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static void tear_down(void)
{
    CHECK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static int limit(void)
{
    char self[512];
    snprintf(self, sizeof self, "%s", in_root("self"));
    return fp_processors_by_cgroup(self, in_root("fs"));
}

TEST(processors_of_a_container)
{
    set_up("0::/\n");
    CHECK(limit() == INT_MAX);
    put("fs/cpu.max", "max 100000\n");
    CHECK(limit() == INT_MAX);
    put("fs/cpu.max", "200000 100000\n");
    CHECK(limit() == 2);
    put("fs/cpu.max", "200001 100000\n");
    CHECK(limit() == 3);
    put("fs/cpu.max", "1000 100000\n");
    CHECK(limit() == 1);
    tear_down();
}

TEST(processors_of_the_cgroups_above)
{
    set_up("0::/a/b\n");
    put("fs/a/b/cpu.max", "400000 100000\n");
    CHECK(limit() == 4);
    put("fs/a/cpu.max", "300000 100000\n");
    CHECK(limit() == 3);
    put("fs/cpu.max", "200000 100000\n");
    CHECK(limit() == 2);
    put("cpu.max", "100000 100000\n"); /* of no cgroup */
    CHECK(limit() == 2);
    tear_down();
}

TEST(processors_of_a_container_that_sees_its_path_outside)
{
    set_up("0::/docker/0123/or/../so\n");
    put("fs/cpu.max", "500000 100000\n");
    CHECK(limit() == 5);
    tear_down();
}

TEST(processors_of_both_versions)
{
    set_up("12:cpuset:/x\n4:cpuacct,cpu:/x\n0::/y\n");
    put("fs/cpuacct,cpu/x/cpu.cfs_quota_us", "-1\n");
    put("fs/cpuacct,cpu/x/cpu.cfs_period_us", "50000\n");
    put("fs/unified/y/cgroup.procs", "");
    CHECK(limit() == INT_MAX);
    put("fs/cpuacct,cpu/x/cpu.cfs_quota_us", "150000\n");
    CHECK(limit() == 3);
    put("fs/unified/y/cpu.max", "100000 100000\n");
    CHECK(limit() == 1);
    put("fs/cpuset/x/cpu.max", "1 100000\n"); /* another controller's */
    put("fs/unified/y/cpu.max", "max 100000\n");
    CHECK(limit() == 3);
    tear_down();
}

TEST(processors_of_files_that_are_wrong)
{
    set_up("");
    CHECK(limit() == INT_MAX);
    static const char *const cgroups[] = {"0",  "0:",   "0::",      "0::x",
                                          "::", ":cpu", "0:cpu,:/", "\n\n:"};
    for (size_t n = 0; n < sizeof cgroups / sizeof *cgroups; n++) {
        put("self/cgroup", cgroups[n]);
        CHECK(limit() == INT_MAX);
    }
    put("self/cgroup", "0::/\n");
    static const char *const limits[] = {"",       "\n",        "x 100000",
                                         "100000", "100000 0",  "0 10",
                                         "-1 10",  "100000 -1", "9223372036854775807 1"};
    for (size_t n = 0; n < sizeof limits / sizeof *limits; n++) {
        put("fs/cpu.max", limits[n]);
        CHECK(limit() == INT_MAX);
    }
    static char long_path[5000] = "0::/";
    memset(long_path + 4, 'a', sizeof long_path - 5);
    put("self/cgroup", long_path);
    CHECK(limit() == INT_MAX);
    tear_down();
}

TEST(processors_decide_how_many_start_at_a_time)
{
    CHECK(fp_starts_at_a_time(1) == 12);
    CHECK(fp_starts_at_a_time(2) == 24);
    CHECK(fp_starts_at_a_time(3) == 24 && fp_starts_at_a_time(12) == 24); /* two for each of 12 */
    CHECK(fp_least_starts_at_a_time(1) == 2 && fp_least_starts_at_a_time(12) == 24);
    CHECK(fp_starts_at_a_time(13) == 26 && fp_starts_at_a_time(64) == 128);
}

#ifdef __linux__
TEST(processors_by_affinity)
{
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    CHECK(fp_processors() >= 1 && fp_processors() <= CPU_COUNT(&set));
    int first = 0;
    while (!CPU_ISSET(first, &set))
        first++;
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
    CHECK(fp_processors() == 1);
}
#endif
