/* SPDX-License-Identifier: MIT
 *
 * How a child gives itself its attributes.  Runs between clone and exec, by the
 * rules of child.c.
 *
 * Each returns 0, or -errno with the attribute that failed in *which.
 */
#ifndef FP_POSIX_CHILD_ATTRIBUTES_H
#define FP_POSIX_CHILD_ATTRIBUTES_H

#include <sys/types.h>

#include "posix/attributes.h"

/* Before its descriptors are placed, while attributes->cgroup is open. */
long fp_child_enter_cgroup(const struct fp_attributes *attributes);
/* While the ids are still the parent's. */
long fp_child_attributes_before_ids(const struct fp_attributes *attributes,
                                    enum fp_attribute *which);
/* `parent` is the pid of the process that has started the child. */
long fp_child_attributes_after_ids(const struct fp_attributes *attributes, pid_t parent,
                                   enum fp_attribute *which);

#endif
