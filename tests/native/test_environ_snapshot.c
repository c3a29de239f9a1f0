/* SPDX-License-Identifier: MIT
 *
 * posix/environ_snapshot: a copy stays as it was taken, and is shared as long as
 * the environment is the same.
 */
#include "check.h"
#include "posix/environ_snapshot.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static const char *find(const struct fp_environ_snapshot *snapshot, const char *name)
{
    size_t length = strlen(name);
    for (char *const *entry = snapshot->entries; *entry != NULL; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

static bool has(const struct fp_environ_snapshot *snapshot, const char *name, const char *value)
{
    const char *found = find(snapshot, name);
    return found != NULL && strcmp(found, value) == 0;
}

TEST(environ_snapshot_stays_as_it_was)
{
    setenv("FP_WORD", "before", 1);
    struct fp_environ_snapshot *snapshot = fp_environ_snapshot_take(NULL);
    CHECK(snapshot != NULL);
    setenv("FP_WORD", "after", 1);
    CHECK(has(snapshot, "FP_WORD", "before"));
    CHECK(snapshot->entries[snapshot->count] == NULL);
    fp_environ_snapshot_release(snapshot);
}

TEST(environ_snapshot_is_shared_while_nothing_changes)
{
    struct fp_environ_snapshot *latest = NULL;
    setenv("FP_WORD", "one", 1);
    struct fp_environ_snapshot *first = fp_environ_snapshot_take(&latest);
    struct fp_environ_snapshot *second = fp_environ_snapshot_take(&latest);
    CHECK(first == second && latest == first);
    setenv("FP_WORD", "two", 1);
    struct fp_environ_snapshot *third = fp_environ_snapshot_take(&latest);
    CHECK(third != first && latest == third);
    CHECK(has(first, "FP_WORD", "one"));
    CHECK(has(third, "FP_WORD", "two"));
    unsetenv("FP_WORD");
    struct fp_environ_snapshot *fourth = fp_environ_snapshot_take(&latest);
    CHECK(find(fourth, "FP_WORD") == NULL);
    fp_environ_snapshot_release(first);
    fp_environ_snapshot_release(second);
    fp_environ_snapshot_release(third);
    fp_environ_snapshot_release(fourth);
    fp_environ_snapshot_release(latest);
}

TEST(environ_snapshot_of_no_environment_is_empty)
{
    environ = NULL;
    struct fp_environ_snapshot *latest = NULL;
    struct fp_environ_snapshot *snapshot = fp_environ_snapshot_take(&latest);
    CHECK(snapshot->count == 0 && snapshot->entries[0] == NULL);
    CHECK(fp_environ_snapshot_take(&latest) == snapshot);
    fp_environ_snapshot_release(snapshot);
    fp_environ_snapshot_release(snapshot);
    fp_environ_snapshot_release(latest);
    fp_environ_snapshot_release(NULL);
}
