/* SPDX-License-Identifier: MIT
 *
 * Runs a program in a sandbox that refuses system calls.
 *
 *     launch RULE ... -- PROGRAM ARGUMENT ...
 *
 *     NAME=ERRNO                     the call NAME fails with this number
 *     NAME=ERRNO:ARG:MASK:VALUE      if its argument ARG (from 0), masked, has this value
 *     only=ERRNO                     all calls fail with this number but those that are
 *     NAME                           allowed by their names, or
 *     NAME:ARG:MASK:VALUE            by name and argument
 *
 * "only" stands first. A name that this machine does not have is ignored. Exit status 125 if the
 * sandbox cannot be made. Root keeps its right to change ids, because tests do that.
 */
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CANNOT 125

static int add_rule(scmp_filter_ctx sandbox, const char *rule)
{
    char name[64];
    size_t length = strcspn(rule, "=:");
    if (length >= sizeof name)
        return -1;
    memcpy(name, rule, length);
    name[length] = '\0';
    uint32_t action = SCMP_ACT_ALLOW;
    char *rest = (char *)rule + length;
    if (*rest == '=')
        action = SCMP_ACT_ERRNO((uint32_t)strtoul(rest + 1, &rest, 10));
    int call = seccomp_syscall_resolve_name(name);
    if (call < 0)
        return 0;
    if (*rest != ':')
        return seccomp_rule_add(sandbox, action, call, 0);
    unsigned argument = (unsigned)strtoul(rest + 1, &rest, 0);
    uint64_t mask = strtoull(rest + 1, &rest, 0);
    uint64_t value = strtoull(rest + 1, &rest, 0);
    struct scmp_arg_cmp compared = SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value);
    return seccomp_rule_add_array(sandbox, action, call, 1, &compared);
}

int main(int argc, char **argv)
{
    static const char only[] = "only=";
    uint32_t otherwise = SCMP_ACT_ALLOW;
    int next = 1;
    if (next < argc && strncmp(argv[next], only, strlen(only)) == 0)
        otherwise = SCMP_ACT_ERRNO((uint32_t)strtoul(argv[next++] + strlen(only), NULL, 10));
    scmp_filter_ctx sandbox = seccomp_init(otherwise);
    if (!sandbox)
        return CANNOT;
    if (geteuid() == 0 && seccomp_attr_set(sandbox, SCMP_FLTATR_CTL_NNP, 0) < 0)
        return CANNOT;
    for (; next < argc && strcmp(argv[next], "--") != 0; next++) {
        if (add_rule(sandbox, argv[next]) < 0) {
            fprintf(stderr, "bad rule: %s\n", argv[next]);
            return CANNOT;
        }
    }
    if (next + 1 >= argc || seccomp_load(sandbox) < 0)
        return CANNOT;
    seccomp_release(sandbox);
    execvp(argv[next + 1], argv + next + 1);
    perror(argv[next + 1]);
    return CANNOT;
}
