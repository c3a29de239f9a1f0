/* SPDX-License-Identifier: MIT
 *
 * The native tests' few needs.  A test file includes this header and states tests:
 *
 *     TEST(buffer_is_empty_at_first)
 *     {
 *         CHECK(fp_buffer_length(&buffer) == 0);
 *     }
 *
 * Every test runs in a process of its own (check.c), so a crash, a hang or a CHECK
 * that fails ends that test only.  A test that leaves a descriptor or a child behind
 * fails as well.
 */
#ifndef FP_TESTS_NATIVE_CHECK_H
#define FP_TESTS_NATIVE_CHECK_H

/* What failed goes to stderr and the test's process ends; for use in any process of it. */
#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#define TEST(name)                                                                                 \
    static void name(void);                                                                        \
    __attribute__((constructor)) static void register_##name(void)                                 \
    {                                                                                              \
        static struct check_test entry = {#name, name, 0};                                         \
        check_register(&entry);                                                                    \
    }                                                                                              \
    static void name(void)

struct check_test {
    const char *name;
    void (*run)(void);
    struct check_test *next;
};

void check_register(struct check_test *test);
_Noreturn void check_failed(const char *file, int line, const char *condition);

/* How many descriptors this process has open. */
int check_open_descriptors(void);

#endif
