"""Faults to be put into the C code, one at a time, and who is to see each; see run.py.

A test is "file.py words", a file of tests/ and what pytest's -k understands, or a script and what to
give it: "native" and "sanitized" (tests/native/run.py), "leaks", "faults". The first that fails
ends it, so the quickest comes first. Only "--slow file.py words" is run with --slow.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    name: str
    file: str  # in _fastproc/
    old: str  # occurs once
    new: str
    breaks: str
    tests: tuple


MUTANTS = []


def mutant(name, file, old, new, breaks, *tests):
    MUTANTS.append(Mutant(name, file, old, new, breaks, tests))


# ---- posix: descriptors and the poller ----

mutant(
    "lifted_descriptor_left_open",
    "posix/fd.c",
    "    fp_fd_close(fd);\n    *fd = high;",
    "    *fd = high;",
    "a low descriptor stays open beside its copy",
    "native fd_lift",
)
mutant(
    "pipe_without_cloexec",
    "posix/fd.c",
    "pipe2(fds, O_CLOEXEC | flags)",
    "pipe2(fds, flags)",
    "other programs inherit our pipes",
    "native fd_pipe",
)
mutant(
    "null_without_cloexec",
    "posix/fd.c",
    'open("/dev/null", O_RDWR | O_CLOEXEC)',
    'open("/dev/null", O_RDWR)',
    "other programs inherit our /dev/null",
    "native fd_null",
)
mutant(
    "read_interrupted",
    "posix/fd.c",
    "FP_RETRY(n = read(fd, to, size));",
    "n = read(fd, to, size);",
    "a signal is taken for an error of the pipe",
    "native interruptions",
)
mutant(
    "writev_interrupted",
    "posix/fd.c",
    "FP_RETRY(n = writev(fd, parts, count));",
    "n = writev(fd, parts, count);",
    "a signal is taken for an error of the pipe",
    "native interruptions",
)
mutant(
    "close_changes_errno",
    "posix/fd.c",
    "        errno = saved;",
    "        (void)saved;",
    "the error that is reported is that of the cleaning up",
    "native fd_close",
)
mutant(
    "poller_without_cloexec",
    "posix/poller_epoll.c",
    "epoll_create1(EPOLL_CLOEXEC)",
    "epoll_create1(0)",
    "other programs inherit the poller",
    "native poller_is_not_inherited",
)
mutant(
    "poller_waits_for_no_room",
    "posix/poller_epoll.c",
    "((interest & FP_WANT_WRITE) ? EPOLLOUT : 0)",
    "0u",
    "what is queued is never written",
    "test_writer.py pending",
)
mutant(
    "poller_hides_a_broken_pipe",
    "posix/poller_epoll.c",
    "((got & EPOLLERR) ? FP_BROKEN : 0)",
    "0u",
    "a child that closes its stdin is not noticed",
    "test_writer.py noticed",
)

# ---- posix: the parent's half of a spawn ----

mutant(
    "mask_of_the_parent_not_restored",
    "posix/spawn.c",
    "    restore_signals(&request->caller_mask);\n    if (hooks",
    "    (void)restore_signals;\n    if (hooks",
    "the parent hears no signals any more",
    "native spawn_leaves_mask",
)
mutant(
    "signals_not_blocked",
    "posix/spawn.c",
    "const uint64_t all = ~UINT64_C(0);",
    "const uint64_t all = 0;",
    "signals that the caller has blocked are let in around the clone",
    "native spawn_child_never",
)
mutant(
    "outcome_pipe_kept_open",
    "posix/spawn.c",
    "    fp_fd_close(&ends[1]); /* the child has its own; EOF means that it is gone */\n",
    "",
    "the end of the exec is never seen",
    "native spawn_starts",
)
mutant(
    "handlers_kept_without_clone3",
    "posix/spawn.c",
    "    request->reset_handlers = true;",
    "    request->reset_handlers = false;",
    "handlers of the parent's run in the child, on its memory",
    "native without_clone3",
)
mutant(
    "handlers_kept_by_clone3",
    "posix/spawn.c",
    ".flags = flags | CLONE_PIDFD | CLEAR_HANDLERS,",
    ".flags = flags | CLONE_PIDFD,",
    "handlers of the parent's run in the child, on its memory",
    "native spawn_child_never",
)
mutant(
    "ids_changed_in_shared_memory",
    "posix/spawn.c",
    "request->set_groups || request->set_gid || request->set_uid;",
    "request->set_groups || request->set_gid;",
    "user= leaves the parent not dumpable",
    "test_security.py user",
)
mutant(
    "outcome_not_waited_for",
    "posix/spawn.c",
    "            return FP_OUTCOME_PENDING;",
    "            return FP_OUTCOME_GONE;",
    "a stack is freed that the child still runs on",
    "native spawn_outcome",
)
mutant(
    "failed_clone_leaves_a_pipe",
    "posix/spawn.c",
    "close_pipe:\n    fp_fd_close(&ends[0]);",
    "close_pipe:",
    "each refusal by the kernel costs a descriptor",
    "native too_many_processes",
)
mutant(
    "failure_of_the_child_not_heard",
    "posix/spawn.c",
    "        *error = record; /*",
    "        (void)record; /*",
    "a program that is not there seems to have started",
    "native spawn_of_a_missing",
)

# ---- posix: the child's half ----

mutant(
    "stdio_may_be_the_outcome_pipe",
    "posix/child.c",
    "            return -EBADF; /* closed",
    "            continue; /* closed",
    "a closed descriptor given as a stream is the internal pipe",
    "native spawn_never_redirects",
)
mutant(
    "stdio_in_place_not_inherited",
    "posix/child.c",
    "from[fd] == fd ? sys_set_inheritable(fd) : dup_to(from[fd], fd);",
    "from[fd] == fd ? 0 : dup_to(from[fd], fd);",
    "a descriptor that is in its place already is closed by the exec",
    "native spawn_stdio_on_its_own_place",
    "test_create.py shuffle",
)
mutant(
    "stdio_overwritten_in_a_shuffle",
    "posix/child.c",
    "from[fd] >= 0 && from[fd] < 3 && from[fd] != fd)",
    "from[fd] >= 0 && from[fd] < 1 && from[fd] != fd)",
    "stderr=1 is what stdout was made to be",
    "test_create.py shuffle",
)
mutant(
    "ignored_signals_reset",
    "posix/child.c",
    "                now.handler != (void *)SIG_IGN)",
    "                now.handler != (void *)1024)",
    "what the parent ignores the child does not, where there is no clone3",
    "native without_clone3",
    "native spawn_resets_handlers",
)
mutant(
    "sigpipe_not_restored",
    "posix/child.c",
    "        sys_sigaction(SIGPIPE, &to_default, NULL);",
    "        {}",
    "the child ignores SIGPIPE as Python does",
    "test_create.py restore_signals",
)
mutant(
    "mask_of_the_child_not_restored",
    "posix/child.c",
    "        sys_set_mask(&request->caller_mask);\n    fail(",
    "        {}\n    fail(",
    "the child hears no signals",
    "test_create.py mask",
)
mutant(
    "mask_restored_before_the_handlers",
    "posix/child.c",
    "    const struct sys_sigaction to_default = {0};\n    if",
    "    const struct sys_sigaction to_default = {0};\n    sys_set_mask(&request->caller_mask);\n    if",
    "handlers of the parent's run in the child, on its memory",
    "native spawn_child_never",
)
mutant(
    "pass_fds_not_kept",
    "posix/child.c",
    "long result = sys_set_inheritable(request->pass_fds[i]);",
    "long result = 0;",
    "the child is not given its pass_fds",
    "test_create.py overrides",
)
mutant(
    "session_after_the_group",
    "posix/child.c",
    "    if (request->new_session) /* fails only in a sandbox: a new child is no leader */\n"
    "        result = sys_setsid();\n    if (result >= 0 && request->process_group >= 0)\n"
    "        result = sys_setpgid(request->process_group);",
    "    if (request->process_group >= 0)\n        result = sys_setpgid(request->process_group);\n"
    "    if (result >= 0 && request->new_session)\n        result = sys_setsid();",
    "a child that leads a session is in another's group",
    "test_create.py session_of_its_own",
)
mutant(
    "uid_before_gid",
    "posix/child.c",
    "    if (result >= 0 && request->set_gid)\n        result = sys_setregid(request->gid);\n"
    "    if (result >= 0 && request->set_uid)\n        result = sys_setreuid(request->uid);",
    "    if (result >= 0 && request->set_uid)\n        result = sys_setreuid(request->uid);\n"
    "    if (result >= 0 && request->set_gid)\n        result = sys_setregid(request->gid);",
    "who is not root any more cannot change the group",
    "test_security.py ids",
)
mutant(
    "uid_before_the_groups",
    "posix/child.c",
    "    if (result >= 0 && request->set_groups)\n"
    "        result = sys_setgroups(request->group_count, request->groups);\n",
    "    if (result >= 0 && request->set_uid)\n        result = sys_setreuid(request->uid);\n"
    "    if (result >= 0 && request->set_groups)\n"
    "        result = sys_setgroups(request->group_count, request->groups);\n",
    "who is not root any more cannot change the groups",
    "test_security.py ids",
)
mutant(
    "failed_setregid_ignored",
    "posix/child.c",
    "        result = sys_setregid(request->gid);",
    "        sys_setregid(request->gid);",
    "a child runs with a group that it was to lose",
    "test_security.py ids",
    "native ids",
)
mutant(
    "no_groups_are_not_set",
    "posix/child.c",
    "if (result >= 0 && request->set_groups)",
    "if (result >= 0 && request->group_count > 0)",
    "extra_groups=[] keeps the parent's",
    "test_security.py groups",
)
mutant(
    "umask_ignored",
    "posix/child.c",
    "        sys_umask(request->umask);",
    "        {}",
    "umask= does nothing",
    "test_create.py umask",
)
mutant(
    "last_error_of_the_search_reported",
    "posix/child_exec.c",
    "if (last != -ENOENT && last != -ENOTDIR && telling == 0)",
    "if (last != -ENOENT && last != -ENOTDIR)",
    "of several errors of a PATH not the first is raised",
    "test_create.py path_search",
    "native spawn_over",
)
mutant(
    "one_descriptor_not_closed",
    "posix/child_close_fds.c",
    "sys_close_range(FIRST_EXTRA_FD, ~0U, CLOSE_RANGE_BY_EXEC)",
    "sys_close_range(FIRST_EXTRA_FD + 1, ~0U, CLOSE_RANGE_BY_EXEC)",
    "the child inherits descriptor 3",
    "native spawn_close_fds",
    "test_create.py nothing_of_ours",
    "test_security.py descriptor",
)
mutant(
    "failed_exec_is_silent",
    "posix/child.c",
    "    if (result < 0)\n        fail(request, FP_STAGE_SETUP, result);\n    if (request->begin_in",
    "    if (request->begin_in",
    "a stream that could not be placed is not reported",
    "native spawn_stdio_that_is_not_open",
)

# ---- posix: what a child is given that subprocess does not have ----

mutant(
    "options_after_the_ids",
    "posix/child.c",
    """    if (attributes != NULL) {
        result = fp_child_attributes_before_ids(attributes, &which);
        check_attribute(request, which, result);
    }
    if (request->hooks != NULL) /* which may set another */
        sys_set_mask(&request->caller_mask);
    if ((result = change_identity(request)) < 0)
        fail(request, FP_STAGE_SETUP, result);
""",
    """    if (request->hooks != NULL) /* which may set another */
        sys_set_mask(&request->caller_mask);
    if ((result = change_identity(request)) < 0)
        fail(request, FP_STAGE_SETUP, result);
    if (attributes != NULL) {
        result = fp_child_attributes_before_ids(attributes, &which);
        check_attribute(request, which, result);
    }
""",
    "a priority cannot be raised for another user",
    "test_child_options.py priority_is_raised",
)
mutant(
    "death_signal_before_the_ids",
    "posix/child.c",
    """    if ((result = change_identity(request)) < 0)
        fail(request, FP_STAGE_SETUP, result);
    if (attributes != NULL) {
        result = fp_child_attributes_after_ids(attributes, request->parent, &which);
        check_attribute(request, which, result);
    }
""",
    """    if (attributes != NULL) {
        result = fp_child_attributes_after_ids(attributes, request->parent, &which);
        check_attribute(request, which, result);
    }
    if ((result = change_identity(request)) < 0)
        fail(request, FP_STAGE_SETUP, result);
""",
    "the kernel forgets the signal when the ids change",
    "test_child_options.py goes_with_other_ids and death",
)
mutant(
    "option_that_is_refused_is_silent",
    "posix/child.c",
    "    if (result < 0)\n        fail(request, FP_STAGE_ATTRIBUTE + (int)which, result);",
    "    (void)result, (void)request, (void)which;",
    "the program runs without its limits",
    "native spawn_attributes_that_are_refused",
)
mutant(
    "orphan_goes_on",
    "posix/child_attributes.c",
    "return now == parent || now == 0 ? 0 :",
    "return now >= 0 || parent == 0 ? 0 :",
    "a child whose parent has died before it asked for the signal lives on",
    "native spawn_attributes_of_an_orphan",
)
mutant(
    "namespace_taken_for_the_parents_death",
    "posix/child_attributes.c",
    "return now == parent || now == 0 ? 0 :",
    "return now == parent ? 0 :",
    "a child in a pid namespace of its own kills itself",
    "test_child_options.py pid_namespace",
)
mutant(
    "signals_ignored_by_default",
    "posix/child_attributes.c",
    "set_signals(attributes->ignore_signals, (void *)SIG_IGN)",
    "set_signals(attributes->ignore_signals, (void *)SIG_DFL)",
    "a signal that was to be ignored ends the child",
    "native spawn_attributes_signals",
)
mutant(
    "signals_that_have_no_handler",
    "posix/child_attributes.c",
    " && signum != SIGKILL && signum != SIGSTOP",
    "",
    "default_signals=valid_signals() is refused",
    "native spawn_attributes_signals",
)
mutant(
    "limits_before_what_takes_a_descriptor",
    "posix/child_attributes.c",
    """    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_OOM_SCORE_ADJ))
        result = set_oom_score_adj(attributes);
    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_RLIMITS))
        result = set_limits(attributes);
""",
    """    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_RLIMITS))
        result = set_limits(attributes);
    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_OOM_SCORE_ADJ))
        result = set_oom_score_adj(attributes);
""",
    "a low limit on descriptors keeps oom_score_adj from being set",
    "test_child_options.py limit_does_not_keep",
)
mutant(
    "refused_write_is_silent",
    "posix/child_attributes.c",
    "    return result < 0 ? result : 0;\n}\n\nFP_IN_CHILD long fp_child_enter",
    "    return result < 0 ? 0 : 0;\n}\n\nFP_IN_CHILD long fp_child_enter",
    "an oom_score_adj that the kernel refuses is not noticed",
    "native spawn_attributes_that_are_refused",
)
mutant(
    "memory_score_of_the_parent",
    "posix/spawn.c",
    "vfork = sets_oom_score(request) ? CLONE_VFORK : 0;",
    "vfork = 0;",
    "oom_score_adj is set for this process as well",
    "test_child_options.py gives_what and memory",
)
mutant(
    "memory_score_of_the_parent_by_a_shared_table",
    "posix/spawn.c",
    "needs_own_memory(request) || sets_oom_score(request) ||",
    "needs_own_memory(request) ||",
    "oom_score_adj is set for this process as well, where many descriptors are open",
    "test_child_options.py gives_what and memory",
)
mutant(
    "fork_outside_of_the_cgroup",
    "posix/spawn.c",
    "request->enters_cgroup = fp_attributes_have(request->attributes, FP_ATTRIBUTE_CGROUP);",
    "request->enters_cgroup = false;",
    "a child with a preexec_fn is in no cgroup",
    "test_child_options.py preexec_fn_starts_in",
)
mutant(
    "cgroup_without_another_way",
    "posix/spawn.c",
    "!(has_cgroup && may_be_the_cgroups(pid))",
    "!(has_cgroup && may_be_the_cgroups(0))",
    "an old kernel's error is raised, which says nothing of the cgroup",
    "test_child_options.py enters_the_cgroup_itself",
)
mutant(
    "cgroup_lost_with_the_table",
    "posix/spawn.c",
    "    if (has_cgroup && (flags & CLONE_FILES)) /* it",
    "    if (has_cgroup && (flags & CLONE_FILES) && flags == 0) /* it",
    "a child that leaves the shared table cannot enter its cgroup",
    "test_child_options.py enters_the_cgroup_itself",
)
mutant(
    "parent_not_recorded",
    "posix/spawn.c",
    "        request->parent = getpid();",
    "        request->parent = 0;",
    "a child takes itself for an orphan",
    "test_child_options.py gives_what and death",
)

# ---- posix: the exit ----

mutant(
    "dead_childs_pid_is_signalled",
    "posix/exit.c",
    "        if (has_ended(child)) /* then",
    "        if (child->pid < 0) /* then",
    "in a sandbox another process that has the pid now is killed",
    "native exit_signal_without_waitid_hits_nobody_else",
)
mutant(
    "waiter_thread_reaps",
    "posix/exit.c",
    "wait_for(P_PID, waiter.pid, &info, WEXITED | WNOWAIT, NULL);",
    "wait_for(P_PID, waiter.pid, &info, WEXITED, NULL);",
    "the thread takes the status that it only was to wait for",
    "native exit_without_pidfds",
    "test_process.py exit_status",
)
mutant(
    "waiter_thread_takes_signals",
    "posix/exit.c",
    "sigfillset(&all); /* signals",
    "sigemptyset(&all); /* signals",
    "handlers run in a thread that Python does not know",
    "native exit_thread",
)
mutant(
    "waiter_thread_only_closes",
    "posix/exit.c",
    "    fp_fd_write(waiter.wake, &told, ended > 0 ? sizeof told : 1);",
    "    {}",
    "a process forked since hides the exit",
    "test_other_children.py hides_no_exit",
)
mutant(
    "signal_after_the_reap",
    "posix/exit.c",
    "    if (child->reaped || child->pid <= 0)",
    "    if (child->pid <= 0)",
    "a signal goes to the process that has the pid now",
    "native exit_signal",
    "test_signals.py pid",
)
mutant(
    "core_dump_taken_for_an_exit",
    "posix/exit.c",
    "info->si_code == CLD_EXITED ?",
    "info->si_code != CLD_KILLED ?",
    "a child that dumps core seems to have exited with the number of its signal",
    "test_process.py core_dump",
)
mutant(
    "pid_of_another_watched",
    "posix/exit.c",
    "if (err == 0 && (!by_pid || is_there(child)))",
    "if (err == 0 && (by_pid || !by_pid))",
    "a pidfd is opened for the process that has the pid now",
    "test_signals.py anothers",
    "native exit_",
)
mutant(
    "peek_takes_the_status",
    "posix/exit.c",
    "    int err = wait_for_child(child, &info, WEXITED | WNOHANG | WNOWAIT, NULL);",
    "    int err = wait_for_child(child, &info, WEXITED | WNOHANG, NULL);",
    "poll() of the Popen takes the status away from the loop",
    "test_low_level.py popen",
)
mutant(
    "destroyed_child_left_open",
    "posix/exit.c",
    "    leave_waiter(child);\n    fp_fd_close(&child->fd);\n    return err;",
    "    leave_waiter(child);\n    return err;",
    "the pidfd of a child that was put an end to stays open",
    "native exit_destroy",
)
mutant(
    "pidfd_dropped_in_failure",
    "posix/exit.c",
    "    fp_fd_close(&pidfd);\n    return start_waiter_thread",
    "    return start_waiter_thread",
    "a pidfd stays open when a thread watches instead",
    "native exit_watch",
    "native exit_",
)

# ---- stream ----

mutant(
    "buffer_one_byte_short",
    "stream/buffer.c",
    "    if (buffer->size - buffer->end >= more)",
    "    if (buffer->size - buffer->end + 1 >= more)",
    "one byte behind the block is written",
    "sanitized buffer",
)
mutant(
    "buffer_searched_beyond_its_end",
    "stream/buffer.c",
    "*(const unsigned char *)separator, length - from)",
    "*(const unsigned char *)separator, length)",
    "a separator is found behind the data",
    "native buffer",
)
mutant(
    "empty_buffer_does_not_start_over",
    "stream/buffer.c",
    "    if (buffer->start == buffer->end)\n        buffer->start = buffer->end = 0;",
    "",
    "a buffer that is emptied all the time grows",
    "native buffer_consumed",
)
mutant(
    "nothing_there_is_an_error",
    "stream/inflow.c",
    "        return FP_FLOW_AGAIN;",
    "        return FP_FLOW_EOF;",
    "an empty pipe is taken for one that has ended",
    "native inflow_with_nothing",
)
mutant(
    "expects_more_than_there_is_room",
    "stream/inflow.c",
    "inflow->largest < room ? inflow->largest : room",
    "inflow->largest > room ? inflow->largest : room",
    "memory that is not the buffer's is provided",
    "native inflow_of_volume_announces",
)
mutant(
    "processors_of_the_own_cgroup_alone",
    "posix/processors.c",
    "        *last = '\\0';\n    }",
    "        return least;\n    }",
    "the limit of a container's parent is not seen",
    "native processors_of_the_cgroups_above",
)
mutant(
    "processors_rounded_down",
    "posix/processors.c",
    "(int)((quota - 1) / period) + 1",
    "(int)(quota / period)",
    "a container with less than one processor has none, so nothing is ever started",
    "native processors_of_a_container",
)
mutant(
    "group_killed_before_it_is_made",
    "child/cancel_and_close.c",
    "        fp_exit_signal(&self->child, SIGKILL);\n    }\n    group_kill(self);",
    "        fp_exit_signal(&self->child, SIGKILL);\n    }",
    "a cancelled run() leaves what the child has started while it was looked for its group",
    "test_run.py group_that_is_made",
)
mutant(
    "group_of_the_reaped_is_a_bad_signal",
    "posix/group.c",
    "err == -ENOSYS || (err == -EINVAL && is_signal(signum))",
    "err == -ENOSYS || (is_signal(signum) && false)",
    "before Linux 6.9 a signal to the group of a child that was reaped is an invalid argument",
    "native group_signal_by_number",
)
mutant(
    "group_of_an_unwatched_child_left",
    "child/start.c",
    "    transport_kill_on_its_way(self);\n",
    "",
    "a child that cannot be watched is killed, and what it has started lives on",
    "test_run.py cannot_be_watched",
)
mutant(
    "expects_again",
    "stream/inflow.c",
    "if (from - buffer->end >= inflow->last || from == buffer->size)",
    "if (from == buffer->size)",
    "middling reads after large ones ask for the same pages again and again",
    "native inflow_of_volume_announces",
)
mutant(
    "expects_nothing_of_another_block",
    "stream/buffer.c",
    "    *buffer = (struct fp_buffer){0};",
    "    *buffer = (struct fp_buffer){.expected = buffer->expected};",
    "only the first of many outputs of a stream has its memory provided",
    "native inflow_of_volume_announces",
)
mutant(
    "expects_volume_of_any_stream",
    "stream/inflow.c",
    " || !fp_inflow_has_been_bulk(inflow) || buffer->size < LARGE)",
    " || buffer->size < LARGE)",
    "a stream of little gets a system call more for each read",
    "native inflow_of_volume_announces",
)
mutant(
    "starts_too_few_on_many_processors",
    "posix/processors.c",
    "return count > least ? count : least;",
    "return least > 0 ? count : least;",
    "most of 64 processors have nothing to do in a burst of children",
    "native processors_decide",
)
mutant(
    "starts_as_many_with_few_descriptors",
    "loop/start_queue.c",
    "may_widen(state) && fp_fd_has_room(PLENTY);",
    "may_widen(state);",
    "children that start use up the descriptors of those that wait for them",
    "test_few_descriptors.py few_descriptors_are_left or need_only_their_turn",
)
mutant(
    "free_ones_below_overlooked",
    "loop/start_queue.c",
    "fp_fd_has_room(PLENTY);",
    "state->most_fds - hub->latest_fd >= PLENTY;",
    "few descriptors count as many if they are low numbers",
    "test_few_descriptors.py low_numbers",
)
mutant(
    "room_that_is_not_known_is_large",
    "posix/fd_room.c",
    "    return count <= 0;",
    "    return true;",
    "before Linux 6.2 children that start use up the last descriptors",
    "native fd_room_is_counted",
)
mutant(
    "room_of_the_first_thread",
    "posix/fd_room.c",
    "/proc/thread-self/fd",
    "/proc/self/fd",
    "a loop in a thread with a table of its own goes by another table",
    "native fd_room_is_that",
)
mutant(
    "many_starts_that_suspend_the_loop",
    "loop/start_queue.c",
    "state->spawn_method == FP_SPAWN_CLONE",
    "state->spawn_method >= FP_SPAWN_CLONE",
    "where clone is refused, a burst stalls the loop several times as long",
    "test_scale.py suspends_the_loop",
)
mutant(
    "sockets_of_a_burst_kept",
    "loop/handover_pool.c",
    "        close_idle_from(hub, KEPT);",
    "        {}",
    "a burst leaves two descriptors for each child that started at the same time",
    "test_many_descriptors.py serves_one_child",
)
mutant(
    "pulls_for_any_time",
    "pipe/read_pipe.c",
    " &&\n           fp_clock_ns() < hub->pulls_until;",
    ";",
    "who works with each piece of a child's output starves the other tasks",
    "test_fast_paths.py out_of_turn or slow_reader",
)
mutant(
    "expects_nothing_after_a_small_gulp",
    "stream/inflow.c",
    "!fp_inflow_has_been_bulk(inflow)",
    "!fp_inflow_is_bulk(inflow)",
    "who keeps up with a child of volume pays for each page of memory by a fault",
    "native inflow_of_volume_announces",
)
mutant(
    "pulls_large_gulps_alone",
    "pipe/read_pipe.c",
    "fp_inflow_goes_on(&self->flow)",
    "fp_inflow_is_bulk(&self->flow)",
    "who keeps up with a child of volume pays for each read by a turn of the loop",
    "test_fast_paths.py out_of_turn",
)
mutant(
    "pulls_from_the_talkative",
    "pipe/read_pipe.c",
    "fp_inflow_goes_on(&self->flow) && self->slot >= 0",
    "self->slot >= 0",
    "a child that writes little is asked twice for each line",
    "test_fast_paths.py out_of_turn",
)
mutant(
    "pages_that_begin_before",
    "posix/pages.c",
    "((uintptr_t)from + page - 1) / page * page",
    "(uintptr_t)from / page * page",
    "a page that is partly somebody else's is provided",
    "native pages_within",
)
mutant(
    "inflow_without_memory",
    "stream/inflow.c",
    "            inflow->err = ENOMEM;\n            return FP_FLOW_ERROR;\n        }\n        room",
    "            return FP_FLOW_AGAIN;\n        }\n        room",
    "a reader without memory tries for ever",
    "native inflow_out_of_memory",
)
mutant(
    "partial_write_sent_twice",
    "stream/outflow.c",
    "            piece->bytes += left;\n",
    "",
    "what went through is sent once more",
    "native outflow_reuses",
)
mutant(
    "pending_not_counted_down",
    "stream/outflow.c",
    "    outflow->pending -= piece->count;\n",
    "",
    "drain() waits for what is written already",
    "native outflow_writes",
)
mutant(
    "owner_of_written_bytes_kept",
    "stream/outflow.c",
    "    if (owner != NULL)\n        outflow->release(owner);",
    "    (void)owner;",
    "what was written is never freed",
    "native outflow_keeps_a_reference",
)
mutant(
    "last_piece_not_forgotten",
    "stream/outflow.c",
    "    if (outflow->first == NULL)\n        outflow->last = NULL;\n",
    "",
    "the next write goes into memory that is free",
    "sanitized outflow",
)

# ---- binding: the hub ----

mutant(
    "closed_loop_spares_the_group_of_a_new_child",
    "child/end_without_loop.c",
    "            transport_kill_on_its_way(self);",
    "            (void)0;",
    "what a child has started before the loop saw its exec outlives the loop, without pidfds",
    "test_run.py end_of_the_loop_alone",
)
mutant(
    "generation_of_a_slot_kept",
    "loop/watch.c",
    "    freed->generation++;\n",
    "",
    "an event of a closed pipe reaches the next owner of its slot",
    "test_low_level.py stale_event_of_a_closed_stdin",
)
mutant(
    "closed_without_removing",
    "loop/watch.c",
    "        fp_poller_remove(&hub->poller, fd);",
    "        (void)fd;",
    "a copy in a forked process keeps the poller busy for ever",
    "test_other_children.py loop_busy",
)
mutant(
    "fork_not_noticed",
    "loop/hub.c",
    "    return hub->fork_generation != hub->state->fork_generation;",
    "    return hub == NULL;",
    "a forked process works on the parent's children and poller",
    "test_forks.py drops_a_create",
)
mutant(
    "refused_registration_keeps_its_slot",
    "loop/watch.c",
    "        Py_DECREF(free_slot(hub, slot)); /* not the last: the caller has one */\n",
    "",
    "what could not be watched is referred to for ever",
    "faults create_and_wait",
)
mutant(
    "removed_owner_kept",
    "loop/watch.c",
    "    PyObject *owner = free_slot(hub, removed);\n    Py_DECREF(owner);",
    "    (void)free_slot(hub, removed);",
    "every child and pipe is kept for ever",
    "test_low_level.py weak",
)
mutant(
    "interrupt_told_twice",
    "loop/exceptions.c",
    "    PyObject *interrupt = hub->interrupt;\n    hub->interrupt = NULL;",
    "    PyObject *interrupt = Py_XNewRef(hub->interrupt);",
    "a KeyboardInterrupt comes again in every turn",
    "test_signals.py interrupt_raised",
)
mutant(
    "token_of_a_loop_that_failed",
    "loop/watch.c",
    "    unregister_token(hub, loop, poller.fd); /* what was",
    "    /* what was",
    "a loop that was interrupted when it began to watch keeps on",
    "test_signals.py handler_that_raises",
)
mutant(
    "rest_leaves_the_poller_open",
    "loop/watch.c",
    "        fp_poller_close(&poller);\n",
    "",
    "a descriptor is lost whenever nothing is left to watch",
    "test_scale.py nothing_is_open",
    "test_process.py wait_returns",
)
mutant(
    "loop_closed_pipe_skipped",
    "pipe/read_pipe.c",
    "    read_pipe_loop_closed((ReadPipeObject *)op, forked_off);",
    "    (void)op;",
    "a pipe of an ended child outlives its loop",
    "test_loop_end.py outlives_its_child",
)
mutant(
    "loop_closed_queue_skipped",
    "loop/hub_end.c",
    "    start_queue_close(hub, forked_off);\n",
    "",
    "what waited to be started is kept when the loop ends",
    "test_loop_end.py wait_to_be_started",
)
mutant(
    "hub_of_another_loop",
    "loop/hub_of_loop.c",
    "if (hub == NULL || !hub_is_alive(hub) || !belongs_to(hub, loop)) {",
    "if (hub == NULL || !hub_is_alive(hub)) {",
    "a loop at the address of another gets its hub",
    "test_process.py address",
)
mutant(
    "last_hub_not_forgotten",
    "loop/hub_end.c",
    "        hub->state->last_hub = NULL;",
    "        {}",
    "the shortcut leads to a hub that is free",
    "test_loop_end.py memory_of_what_a_closed_loop_had",
)
mutant(
    "hub_not_taken_out",
    "loop/hub.c",
    "        PyDict_DelItem(hub->state->hubs, hub->loop_id);",
    "        {}",
    "a hub is found that is free",
    "test_process.py many_loops",
)

# ---- binding: starting ----

mutant(
    "gate_never_released",
    "child/start.c",
    "    self->hub->starting--;\n    self->settled_in",
    "    self->settled_in",
    "after a few children none is started any more",
    "test_communicate.py many_at_once",
)
mutant(
    "tail_of_the_queue_kept",
    "loop/start_queue.c",
    "            hub->queued = before;",
    "            {}",
    "the next child that has to wait is lost",
    "test_process.py burst",
)
mutant(
    "directory_of_the_call_forgotten",
    "child/spawn_plan.c",
    "directory != NULL ? &plan->directory : NULL;",
    "NULL;",
    "a child that waited starts in another directory",
    "test_few_descriptors.py queued_child",
)
mutant(
    "directory_looked_at_when_it_has_gone",
    "child/spawn_plan.c",
    "    plan->request.begin_in = directory",
    "    plan->request.begin_in = plan->request.begin_in != NULL ? plan->request.begin_in : directory",
    "a child that could not be started at first looks for a directory that is not held any more",
    "test_few_descriptors.py no_fewer and alive",
)
mutant(
    "held_descriptors_left_open",
    "posix/kept_fds.c",
    "    fp_fd_close(&released->fd);",
    "    {}",
    "a descriptor is lost for each burst",
    "native kept",
)
mutant(
    "held_not_shared",
    "posix/kept_fds.c",
    "    if (found != NULL && fp_kept_fd_is_current(found)) {",
    "    if (0) {",
    "each child that waits has copies of its own",
    "native kept",
)
mutant(
    "held_of_the_past",
    "posix/kept_fds.c",
    "    if (found != NULL && fp_kept_fd_is_current(found)) {",
    "    if (found != NULL) {",
    "a child that waits has what another was to have",
    "native kept",
)
mutant(
    "files_that_look_the_same",
    "posix/kept_fds.c",
    "           has_no_offset(&first) && ",
    "           (has_no_offset(&first) || 1) && ",
    "two children write at the same place of a file",
    "native kept",
)
mutant(
    "flags_of_files_not_compared",
    "posix/kept_fds.c",
    "fcntl(a, F_GETFL) == fcntl(b, F_GETFL)",
    "1",
    "the two ends of a pipe are taken for one",
    "native kept",
)
mutant(
    "directory_not_compared",
    "posix/kept_fds.c",
    "info.st_ino == kept->inode &&",
    "1 &&",
    "a child that waits begins where another was to begin",
    "native kept",
)
mutant(
    "directory_held_for_all",
    "child/spawn_plan.c",
    "    return plan->request.cwd != NULL && plan->request.cwd[0] == '/';",
    "    return false;",
    "a directory is held that nobody needs",
    "test_few_descriptors.py no_directory",
)
mutant(
    "room_not_looked_at",
    "child/spawn_plan.c",
    "        if (result >= room)\n            result = -EMFILE;\n    }\n    if (result >= 0 && plan",
    "    }\n    if (result >= 0 && plan",
    "children that wait take the descriptors that others need to run",
    "test_few_descriptors.py no_fewer and outputs",
)
mutant(
    "what_is_close_on_exec_is_held",
    "child/spawn_plan.c",
    "        plan->request.close_stdio[fd] = not_to_have;",
    "        {}",
    "a child that waited has a 0 that was closed when it was asked for",
    "test_few_descriptors.py at_its_own_call",
)
mutant(
    "closed_streams_left_open",
    "posix/child.c",
    "            sys_close(fd);\n    return 0;",
    "            {}\n    return 0;",
    "a child has a stream that it is not to have",
    "native leaves_standard",
)
mutant(
    "closed_numbers_not_looked_at",
    "child/start.c",
    "    if (spawn_plan_check_fds(self->plan) < 0)\n        return -1;",
    "    if (0)\n        return -1;",
    "a child gets our descriptor for one that was closed",
    "test_bad_input.py descriptor_that_is_closed",
)
mutant(
    "passed_numbers_not_looked_at",
    "child/spawn_plan.c",
    "        open = fcntl(plan->request.pass_fds[i], F_GETFD) >= 0;",
    "        {}",
    "a child gets our descriptor for one that was closed",
    "test_bad_input.py descriptor_that_is_closed",
)
mutant(
    "popens_not_reaped",
    "child/spawn_plan.c",
    "        done = PyObject_CallMethodNoArgs(state->subprocess, state->names._cleanup);",
    "        done = Py_NewRef(Py_None);",
    "the children of dropped Popen objects stay zombies",
    "test_other_children.py dropped_popens",
)
mutant(
    "tracer_not_seen",
    "child/tracer_and_limit.c",
    "state->heeds_tracer && is_traced();",
    "state->heeds_tracer && is_traced() && false;",
    "a debugger loses its breakpoints",
    "test_other_children.py debugger",
)
mutant(
    "limit_not_seen",
    "posix/fd_room.c",
    "        return (int)limit.rlim_cur;",
    "        {}",
    "children that wait take the last descriptors",
    "test_few_descriptors.py no_fewer and outputs",
)
mutant(
    "raised_limit_not_seen",
    "child/start.c",
    "!at_last && limit_has_changed(state)",
    "false",
    "a burst right after the limit was raised takes all descriptors, and fails",
    "test_few_descriptors.py just_been_raised",
)
mutant(
    "known_outcome_not_told",
    "child/start.c",
    "        settle_outcome(self);\n        hub_settle",
    "        hub_settle",
    "a child that was started with few descriptors is never told of",
    "test_few_descriptors.py behind_others",
)
mutant(
    "gate_stays_shut_after_known_outcomes",
    "child/start.c",
    "        start_queue_run(self->hub);",
    "        {}",
    "children wait for ever behind others that were started with few descriptors",
    "test_few_descriptors.py behind_others",
)
mutant(
    "nothing_let_go",
    "loop/start_queue.c",
    "        at->ops->let_go(at->owner);",
    "        {}",
    "what is held keeps children from running",
    "test_few_descriptors.py no_fewer and alive",
)
mutant(
    "outcome_pipes_kept",
    "child/start.c",
    "            any |= hurry((TransportObject *)hub->slots[slot].owner);",
    "            any |= false && hurry((TransportObject *)hub->slots[slot].owner);",
    "what tells of starts keeps children from running",
    "test_few_descriptors.py no_fewer and outputs",
)
mutant(
    "no_economy",
    "child/start.c",
    "    if ((err == -EMFILE || err == -ENFILE) && !sparingly)",
    "    if (0)",
    "the first child needs more descriptors than asyncio's",
    "test_few_descriptors.py first_child",
)
mutant(
    "refused_signal_believed",
    "posix/exit.c",
    "        /* Whether it may not be signalled, or a sandbox has no such call, the other tells. */",
    "        return -errno;",
    "a child cannot be killed in a sandbox that lacks pidfd_send_signal",
    "native exit_in_a_sandbox",
)
mutant(
    "refused_waitid_believed",
    "posix/exit.c",
    "    if (err < 0 && err != -ECHILD)\n        err = wait_plainly",
    "    if (0)\n        err = wait_plainly",
    "in a sandbox that lacks waitid every status is lost",
    "native exit_in_a_sandbox",
)
mutant(
    "status_of_the_thread_lost",
    "posix/exit.c",
    "ended > 0 ? sizeof told : 1",
    "1",
    "where a thread has to take the status it is lost",
    "native exit_in_a_sandbox",
)
mutant(
    "signal_after_the_thread_has_reaped",
    "posix/exit.c",
    "    return found != -ECHILD && !(found == -ENODATA && child->has_waiter);",
    "    return found != -ECHILD && found != 0;",
    "a child is taken for gone that lives",
    "native exit_in_a_sandbox",
)
mutant(
    "pidfd_of_clone_not_seen",
    "posix/exit.c",
    "        pid_t pid = start_idler(&fd);\n        if (pid > 0)",
    "        pid_t pid = 0;\n        if (pid > 0)",
    "machine() says that there are no pidfds where clone gives them",
    "native only_clone",
)
mutant(
    "sharing_tried_by_halves",
    "posix/child.c",
    "    long result = leave_table(request);\n    for (;;)",
    "    long result = sys_close_range(~0U, ~0U, CLOSE_RANGE_LEAVING);\n    (void)request;\n    for (;;)",
    "the first child fails that shares the table where it cannot receive",
    "test_sandbox.py recvmsg and shared",
)
mutant(
    "not_started_again",
    "child/start.c",
    "            if (start_again(self))\n                return;",
    "            if (0 && start_again(self))\n                return;",
    "a child fails that shares the table where a sandbox has begun to forbid it",
    "test_many_descriptors.py started_again",
)
mutant(
    "started_again_with_what_is_another_by_now",
    "child/start.c",
    "        if (plan->stdio[fd] == STDIO_FD)\n            return false;",
    "        if (0)\n            return false;",
    "a child that is started again has another file",
    "test_many_descriptors.py started_again",
)
mutant(
    "dup3_or_nothing",
    "posix/child.c",
    "        result = SYS2(dup2, fd, to);",
    "        {}",
    "no child starts in a sandbox that lacks dup3",
    "native without_dup3",
)
mutant(
    "fchdir_or_nothing",
    "posix/child.c",
    "        result = sys_chdir(path);",
    "        (void)path;",
    "children that waited do not start in a sandbox that lacks fchdir",
    "native without_fchdir",
)
mutant(
    "failed_setsid_ignored",
    "posix/child.c",
    "        result = sys_setsid();",
    "        sys_setsid();",
    "a child runs on in the session that it was to leave",
    "native without_setsid",
)
mutant(
    "childs_ends_left_open",
    "child/spawn_plan.c",
    "        fp_fd_close(&theirs[fd]);",
    "        {}",
    "the child's ends of the pipes stay open",
    "test_communicate.py both_pipes",
)
mutant(
    "environment_of_preexec_ignored",
    "child/spawn_plan.c",
    "        plan->request.envp = environ;",
    "        (void)environ;",
    "what preexec_fn puts into the environment is lost",
    "test_create.py preexec_fn_may_change",
)
mutant(
    "gone_into_the_wrong_stage",
    "child/spawn_error.c",
    "        filename = plan->cwd;",
    "        filename = plan->program;",
    "a missing cwd is reported as a missing program",
    "test_create.py failure_is",
)
mutant(
    "new_variables_not_seen",
    "posix/environ_snapshot.c",
    "    return environ[env->count] == NULL;",
    "    return true;",
    "children do not get variables that were added",
    "test_create.py environment",
)
mutant(
    "changed_variables_not_seen",
    "posix/environ_snapshot.c",
    "environ[i] == NULL || strcmp(environ[i], env->entries[i]) != 0)",
    "environ[i] == NULL)",
    "children do not get the new value of a variable",
    "test_create.py environment",
)
mutant(
    "environment_freed_too_early",
    "posix/environ_snapshot.c",
    "    (*latest)->references++;\n",
    "",
    "a child reads an environment that is free",
    "test_create.py environment",
    "test_process.py wait_returns",
)
mutant(
    "equals_sign_allowed",
    "child/exec_strings.c",
    "'=', (size_t)PyBytes_GET_SIZE(key)) != NULL",
    "'\\0', (size_t)PyBytes_GET_SIZE(key)) != NULL",
    "a name with = sets another variable",
    "test_bad_input.py equals",
)
mutant(
    "empty_entry_of_path_is_the_root",
    "child/path_search.c",
    "bool slash = length > 0 && directory[length - 1] != '/';",
    "bool slash = length == 0 || directory[length - 1] != '/';",
    "an empty entry of PATH means / and not the cwd",
    "test_create.py empty_entry",
)
mutant(
    "pointers_one_short",
    "child/exec_strings.c",
    "(size_t)PyList_GET_SIZE(strings->paths) + env_count + 2;",
    "(size_t)PyList_GET_SIZE(strings->paths) + env_count + 1;",
    "the end of a list lies on the first string",
    "test_create.py program",
)
mutant(
    "limit_of_zero",
    "pipe/reader.c",
    "is_plain ? plain <= 0 :",
    "is_plain ? plain < 0 :",
    "limit=0 is taken",
    "test_bad_input.py limit",
)
mutant(
    "cancelled_create_keeps_the_child",
    "child/create.c",
    "    self->done |= CHILD_GIVEN_UP;\n    transport_abandon(transport);",
    "    self->done |= CHILD_GIVEN_UP;",
    "the child of a cancelled create lives on",
    "test_cancel.py create",
)
mutant(
    "negative_pass_fds",
    "child/options.c",
    "if (result == 0 ? numbers[i] < 0 :",
    "if (result == 0 ? numbers[i] < -1 :",
    "pass_fds=[-1] is taken",
    "test_bad_input.py pass_fds",
)
mutant(
    "id_that_means_unchanged",
    "child/options.c",
    "value > UINT_MAX - 1LL)",
    "value > (long long)UINT_MAX)",
    "user=2**32-1 is taken, and keeps the parent's",
    "test_bad_input.py unchanged",
)
mutant(
    "groups_freed_twice",
    "child/options.c",
    "            PyMem_Free(*groups);\n            *groups = NULL;",
    "            PyMem_Free(*groups);",
    "extra_groups with a wrong user= frees memory twice",
    "test_bad_input.py wrong_user",
)
mutant(
    "pass_fds_with_close_fds_false",
    "child/options.c",
    "        plan->request.close_fds = true;",
    "        {}",
    "pass_fds does not override close_fds=False",
    "test_create.py overrides",
)

# ---- binding: the child's life ----

mutant(
    "pidfd_of_the_dead_left_open",
    "child/group.c",
    "    fp_fd_close(&self->child.fd);\n}\n\nvoid group_let_go",
    "}\n\nvoid group_let_go",
    "each child costs a descriptor",
    "test_scale.py nothing_is_open",
)
mutant(
    "lost_status_is_zero",
    "child/reap.c",
    "    self->returncode = reap == FP_REAP_LOST ? LOST_RETURNCODE : status.returncode;\n"
    "    self->phase = TRANSPORT_EXITED;",
    "    self->returncode = status.returncode;\n    self->phase = TRANSPORT_EXITED;",
    "a status that somebody else took seems a success",
    "test_reaping_by_others.py stolen",
)
mutant(
    "lost_status_not_told",
    "child/reap.c",
    "    if (reap == FP_REAP_LOST)\n        warn_of_lost_status(self);",
    "    (void)warn_of_lost_status;",
    "a status that somebody else took is made up without a word",
    "test_reaping_by_others.py stolen",
)
mutant(
    "forked_process_kills_the_children",
    "child/cancel_and_close.c",
    "    if (self->phase == TRANSPORT_RUNNING && !hub_is_forked_off(self->hub) &&",
    "    if (self->phase == TRANSPORT_RUNNING &&",
    "a forked process kills its parent's children by closing their transports",
    "test_loop_end.py forked",
)
mutant(
    "create_dropped_after_a_fork",
    "child/cancel_and_close.c",
    "if (self->abandoned || hub_is_forked_off(self->hub)) /* not",
    "if (self->abandoned) /* not",
    "a forked process that drops a create kills the parent's child",
    "test_forks.py drops_a_create",
)
mutant(
    "end_told_twice",
    "child/protocol.c",
    "    self->finished = true;\n",
    "",
    "connection_lost comes twice",
    "test_low_level.py looked_up",
)
mutant(
    "callbacks_in_another_context",
    "loop/protocol_calls.c",
    "context != NULL ? PyContext_Copy(context) : PyContext_CopyCurrent();\n    if",
    "PyContext_CopyCurrent();\n    if",
    "a protocol does not see the context variables of the create call",
    "test_low_level.py copy_of_the_context",
)
mutant(
    "end_of_a_pipe_told_twice",
    "pipe/pipe.c",
    "    pipe->disconnected = true;\n",
    "",
    "pipe_connection_lost comes twice, connection_lost never",
    "test_low_level.py told",
)
mutant(
    "popen_wait_keeps_a_copy",
    "child/popen_view.c",
    "        fp_fd_close(&fd);\n",
    "",
    "each wait() of the Popen costs a descriptor",
    "test_low_level.py popen",
)

# ---- binding: reading ----

mutant(
    "paused_pipe_read_on",
    "pipe/read_pipe.c",
    "    self->paused = true;\n    hub_remove(self->base.hub, &self->slot, self->flow.fd);\n",
    "    self->paused = true;\n",
    "a pipe that is paused is read all the same",
    "test_low_level.py pausing",
    "test_reader.py held_back",
)
mutant(
    "closed_before_removed",
    "pipe/read_pipe.c",
    "    hub_remove(self->base.hub, &self->slot, self->flow.fd);\n"
    "    fp_fd_close(&self->flow.fd);\n    pipe_give",
    "    fp_fd_close(&self->flow.fd);\n"
    "    hub_remove(self->base.hub, &self->slot, self->flow.fd);\n    pipe_give",
    "a copy in a forked process keeps the poller busy for ever",
    "test_other_children.py loop_busy",
)
mutant(
    "roomy_pipes_not_counted_down",
    "pipe/pipe_capacity.c",
    "        pipe->hub->roomy_pipes--;",
    "        {}",
    "after a few children no pipe is enlarged",
    "test_fast_paths.py pipe",
)
mutant(
    "roomy_input_not_given_back",
    "pipe/write_pipe.c",
    "    pipe_give_room_back(&self->base);\n    fp_outflow_clear",
    "    fp_outflow_clear",
    "after a few large inputs no pipe is enlarged",
    "test_fast_paths.py pipes_are_enlarged",
)
mutant(
    "input_of_a_chosen_size_enlarged",
    "pipe/write_pipe.c",
    "self->base.sized = sized || !state->shortcuts;",
    "",
    "a pipe of the size that the caller has chosen becomes larger",
    "test_fast_paths.py large_input",
)
mutant(
    "hangup_is_the_end_of_the_data",
    "pipe/read_pipe.c",
    "    int gulps = hangup ? GULPS_AT_HANGUP : GULPS_FOR_A_WAITER;",
    "    int gulps = hangup ? 1 : GULPS_FOR_A_WAITER;\n    if (hangup && fp_inflow_is_full(&self->flow))\n        return false;",
    "what an ended child has left in its pipe is read late or never",
    "test_reader.py has_left",
)
mutant(
    "pipe_closed_with_its_loop",
    "pipe/read_pipe.c",
    "    if (close || self->closing)\n        read_pipe_disconnect(self);",
    "    if (close || !close)\n        read_pipe_disconnect(self);",
    "a child that outlives its loop is broken by its output",
    "test_loop_end.py pipes_outlive",
)
mutant(
    "reader_and_pipe_of_an_ended_loop_keep_each_other",
    "pipe/read_pipe.c",
    "    Py_CLEAR(self->reader);\n    Py_DECREF(self);",
    "    Py_DECREF(self);",
    "a pipe outlives its loop and its child until the collector comes",
    "test_loop_end.py outlives_its_child",
)
mutant(
    "paused_at_twice_the_limit",
    "pipe/reader.c",
    "reader_length(self) > self->limit.mark;",
    "reader_length(self) >= self->limit.mark;",
    "reading pauses one byte too early",
    "test_reader.py paused",
)
mutant(
    "resumed_below_the_limit",
    "pipe/reader.c",
    "self->paused && reader_length(self) <= low &&",
    "self->paused && reader_length(self) < low &&",
    "reading goes on one byte too late",
    "test_reader.py paused",
)
mutant(
    "paused_pipe_waited_for",
    "pipe/reader.c",
    "    if (self->paused && resume_transport(self) < 0) /*",
    "    if (self->paused && self->limit.bytes == 0 && resume_transport(self) < 0) /*",
    "who wants more than the limits waits for ever",
    "test_reader.py deadlock",
)
mutant(
    "woken_a_byte_too_late",
    "pipe/reader.c",
    "return reader_length(self) >= self->wake_at ||",
    "return reader_length(self) > self->wake_at ||",
    "readexactly() waits with all its bytes there",
    "test_reader.py readexactly",
)
mutant(
    "waiter_not_told_of_a_bite",
    "pipe/reader.c",
    "        self->wake_at = self->wake_at > count ? self->wake_at - count : 1;",
    "        {}",
    "a reader that waits for a line does not get the rest",
    "test_reader.py bite",
)
mutant(
    "searched_too_far",
    "pipe/reader.c",
    "    self->scanned = self->scanned > count ? self->scanned - count : 0;\n",
    "",
    "lines are skipped over",
    "test_reader.py readline",
)
mutant(
    "block_given_without_resuming",
    "pipe/reader.c",
    "    resume_if_due(self);\n    return bytes;\n}\n\nstatic PyObject *take_living",
    "    return bytes;\n}\n\nstatic PyObject *take_living",
    "a paused pipe is not read on",
    "test_reader.py resumes_at_once",
)
mutant(
    "line_limit_off_by_one",
    "pipe/reader_read_methods.c",
    "    if ((search.found ? search.at : length) > reader->limit.bytes)",
    "    if ((search.found ? search.at : length) >= reader->limit.bytes)",
    "a line of just the limit is refused",
    "test_reader.py limit",
)
mutant(
    "separator_split_in_two_missed",
    "pipe/reader_read_methods.c",
    "size_t clear = length + 1 > longest ? length + 1 - longest : 0;",
    "size_t clear = length;",
    "a separator that comes in two pieces is not found",
    "test_reader.py readuntil",
)
mutant(
    "end_does_not_wake",
    "pipe/reader.c",
    "    self->eof = true;\n    future_wake(state_of(self), &self->waiter);",
    "    self->eof = true;",
    "who reads to the end waits for ever",
    "test_reader.py read_to_the_end",
)

# ---- binding: writing ----

mutant(
    "full_pipe_is_broken",
    "pipe/write_pipe.c",
    "        if (n < 0 && n != -EAGAIN) {",
    "        if (n < 0) {",
    "a pipe that is full is closed",
    "test_writer.py just_full",
)
mutant(
    "interest_in_room_kept",
    "pipe/write_pipe.c",
    "    if (self->out.pending == 0 && set_interest(self, FP_WANT_NOTHING) < 0) {\n",
    "    if (self->lost) {\n",
    "an empty pipe keeps the loop busy for ever",
    "test_writer.py idle",
)
mutant(
    "closed_pipe_waits_for_ever",
    "pipe/write_pipe.c",
    "    if (self->out.pending == 0 && self->closing)\n        lose(self, NULL);",
    "    {}",
    "stdin is not closed when all is written",
    "test_writer.py close_sends",
)
mutant(
    "paused_at_the_high_water_mark",
    "pipe/write_pipe.c",
    "self->out.pending > self->out.high_water)",
    "self->out.pending >= self->out.high_water)",
    "drain() waits a byte too early",
    "test_writer.py marks",
)
mutant(
    "resumed_below_the_low_water_mark",
    "pipe/write_pipe.c",
    "self->out.pending <= self->out.low_water)",
    "self->out.pending < self->out.low_water)",
    "with marks of 0 drain() waits for ever",
    "test_writer.py marks",
)
mutant(
    "wait_closed_not_woken",
    "pipe/write_pipe.c",
    "    future_wake_all(self->base.hub->state, &self->close_waiters);\n",
    "",
    "wait_closed() waits for ever",
    "test_writer.py wait_closed",
)
mutant(
    "drain_not_woken_by_the_end",
    "pipe/write_pipe.c",
    "    self->lost_to = Py_XNewRef(exception);\n"
    "    future_wake_all(self->base.hub->state, &self->drain_waiters);\n",
    "    self->lost_to = Py_XNewRef(exception);\n",
    "who drains into a child that dies waits for ever",
    "test_writer.py broken_pipe or dies",
)
mutant(
    "broken_without_anything_lost",
    "pipe/write_pipe.c",
    "        if (self->out.pending > 0 &&\n            (exception",
    "        if (self->fd >= 0 &&\n            (exception",
    "a child that closes its stdin is an error though nothing was lost",
    "test_writer.py noticed or drain_after",
    "test_low_level.py input",
)
mutant(
    "input_written_again",
    "child/communicate.c",
    "        self->done |= INPUT_WRITTEN;\n",
    "",
    "communicate() sends its input at every step",
    "test_communicate.py large_input",
)
mutant(
    "input_of_the_dead_waited_for",
    "child/communicate.c",
    "    if (pipe->paused && !pipe->lost) {",
    "    if (pipe->paused) {",
    "communicate() with a child that does not read waits for ever",
    "test_communicate.py does_not_read",
)
mutant(
    "cancelled_communicate_in_the_way",
    "child/communicate.c",
    "            reader_forget(output(self, which), self->future, self->phase == AWAITABLE_FINISHED);",
    "            {}",
    "after a cancelled communicate() nobody can read",
    "test_communicate.py cancelled",
)

# ---- binding: waking and results ----

mutant(
    "wake_up_lost_outside_a_turn",
    "loop/woken.c",
    "    if (!hub->dispatching || self->in_order) {",
    "    if (self->in_order) {",
    "who is woken by the program's own call is not woken",
    "test_awaitables.py call_of_ones_own",
)
mutant(
    "last_woken_not_forgotten",
    "loop/woken.c",
    "    if (hub->woken == NULL)\n        hub->last_woken = NULL;\n",
    "",
    "the second to be woken is lost",
    "test_create.py shuffle",
)
mutant(
    "cancelled_future_seems_done",
    "loop/wakeup_type.c",
    "    self->phase = WAKEUP_CANCELLED;\n",
    "    self->phase = WAKEUP_DONE;\n",
    "a cancellation is swallowed",
    "test_cancel.py wait",
)
mutant(
    "awaitable_is_an_iterable",
    "loop/awaitable.c",
    "    if (in_generator_based_coroutine())",
    "    if (in_generator_based_coroutine() || true)",
    "a forgotten await goes on in another way",
    "test_awaitables.py no_iterable",
)
mutant(
    "awaitable_looks_like_an_iterable",
    "loop/awaitable.c",
    "    return hide_iter((PyTypeObject *)state->awaitable_type);",
    "    (void)hide_iter;\n    return 0;",
    "what asks for __iter__ takes an awaitable for an iterable",
    "test_awaitables.py no_iterable",
)
mutant(
    "yield_from_refused",
    "loop/awaitable.c",
    "    if (in_generator_based_coroutine())",
    "    if (in_generator_based_coroutine() && false)",
    "@types.coroutine cannot yield from an awaitable",
    "test_awaitables.py generator_based",
)
mutant(
    "types_kept_by_each_await",
    "loop/awaitable.c",
    "        Py_DECREF(before);\n",
    "        (void)before;\n",
    "each await keeps a reference to the type",
    "test_fast_paths.py keeps_no_type",
)
mutant(
    "step_of_an_iteration_awaited_once",
    "pipe/reader_read_methods.c",
    "    .awaited_by_steps = true,\n",
    "",
    "anext() with a default fails when it has to wait",
    "test_awaitables.py anext",
)
mutant(
    "step_of_an_iteration_awaited_by_two",
    "loop/awaitable.c",
    "    if (done == 0)\n        raise_awaited_already();\n    return done > 0;",
    "    if (done == 0 && false)\n        raise_awaited_already();\n    return true;",
    "two tasks step one __anext__(), and one of them waits for ever",
    "test_awaitables.py being_awaited",
)
mutant(
    "frame_of_what_has_ended",
    "loop/awaitable_looks.c",
    "    if (self->phase == AWAITABLE_FINISHED)\n        Py_RETURN_NONE;\n",
    "",
    "one that has ended seems to be created",
    "test_awaitables.py coroutine or stack",
)
mutant(
    "weak_references_not_cleared",
    "loop/awaitable.c",
    "    if (self->weakrefs != NULL)\n        PyObject_ClearWeakRefs(op);\n",
    "",
    "a weak reference finds what is dead",
    "test_awaitables.py weak",
)

mutant(
    "function_with_a_name_of_its_own",
    "python/coroutine_function.c",
    '    return of_function(op, "__qualname__");',
    '    return of_function(op, "__name__");',
    "methods cannot be copied or pickled",
    "test_awaitables.py functions_to",
)
mutant(
    "function_is_no_function",
    "python/coroutine_function.c",
    "    return Py_NewRef((PyObject *)&PyFunction_Type);",
    "    return Py_NewRef((PyObject *)Py_TYPE(op));",
    "a mock with a signature takes any arguments",
    "test_awaitables.py functions_to or signatures",
)

mutant(
    "patch_of_a_class_not_noticed",
    "python/class_patches.c",
    "        changed = true;\n",
    "",
    "a method that a test patches is not called",
    "test_install.py patch_of_a_class",
)
mutant(
    "classes_not_watched",
    "python/class_patches.c",
    "            compat_watch_type(watcher, base_class(state, i));",
    "            (void)base_class(state, i);",
    "a patch is noticed with the next child only",
    "test_install.py patch_of_a_class",
)

mutant(
    "tuple_taken_apart",
    "loop/awaitable.c",
    "        PyErr_SetObject(PyExc_StopIteration, stop);",
    "        PyErr_SetObject(PyExc_StopIteration, value);",
    "of communicate()'s pair only stdout is returned by send()",
    "test_awaitables.py tuple",
)
mutant(
    "stop_iteration_passes_for_a_result",
    "loop/awaitable.c",
    "        replace_stop_iteration();\n",
    "        (void)replace_stop_iteration;\n",
    "a StopIteration of a factory's looks like the end of the create",
    "test_low_level.py stop_iteration",
)
mutant(
    "result_kept_by_a_spare",
    "python/stop_iteration.c",
    "    stop_clear(op);\n    ((",
    "    ((",
    "the last results are kept",
    "test_fast_paths.py kept",
    "leaks lines",
)
mutant(
    "spares_beyond_their_room",
    "python/freelist.c",
    "list->count == room)",
    "list->count == room + 1)",
    "one spare is written behind the array",
    "test_fast_paths.py results or used_again",
    "test_communicate.py many",
)
mutant(
    "type_kept_by_each_spare",
    "python/freelist.c",
    "    Py_DECREF(Py_TYPE(dead));\n",
    "",
    "the type and its module are never freed",
    "test_fast_paths.py keeps_no_type",
)

mutant(
    "chain_of_readers_freed_in_depth",
    "pipe/reader_type.c",
    "    Py_TRASHCAN_BEGIN(op, reader_dealloc);\n",
    "    Py_TRASHCAN_BEGIN(op, NULL);\n",
    "the end of a long chain of readers overflows the stack",
    "test_reader.py deep_stack",
)
mutant(
    "chain_of_results_freed_in_depth",
    "python/stop_iteration.c",
    "    Py_TRASHCAN_BEGIN(op, stop_dealloc);\n",
    "    Py_TRASHCAN_BEGIN(op, NULL);\n",
    "the end of a long chain of StopIterations overflows the stack",
    "test_reader.py deep_stack",
)

# ---- descriptors that are handed over ----

mutant(
    "table_not_left",
    "posix/child.c",
    "    long result = sys_close_range(socket + 1, ~0U, CLOSE_RANGE_LEAVING);",
    "    long result = 0;",
    "what a child closes is closed in its parent",
    "native handover",
)
mutant(
    "handed_over_in_the_wrong_order",
    "posix/child.c",
    "request->stdio[fd] = received[1 + fd];",
    "request->stdio[fd] = received[3 - fd];",
    "a child reads from its stderr",
    "native handover",
)
mutant(
    "directory_not_handed_over",
    "posix/child.c",
    "        request->begin_in = &request->received_directory;",
    "        {}",
    "a child that waited cannot start where many descriptors are open",
    "native handover_begins",
)
mutant(
    "not_received_is_not_told",
    "posix/child.c",
    "        request->early_error = record;",
    "        {}",
    "a child that could not start is taken for one that has",
    "test_many_descriptors.py cannot_receive",
)
mutant(
    "handover_never_returned",
    "loop/handover_pool.c",
    "        place->lent = false;",
    "        {}",
    "after 24 children each has the whole table copied",
    "test_many_descriptors.py one_socket",
)
mutant(
    "handovers_left_open",
    "loop/watch.c",
    "        handover_pool_close(hub);\n        unregister_token(hub, loop, poller.fd);",
    "        unregister_token(hub, loop, poller.fd);",
    "two descriptors are left by a loop that had many children",
    "test_many_descriptors.py one_socket",
)
mutant(
    "early_end_not_heard",
    "child/start.c",
    "    return watch_exit(self) < 0 || (is_known",
    "    return (is_known && watch_exit(self) < 0) || (is_known",
    "create waits for ever for a child that was killed before it had its descriptors",
    "test_many_descriptors.py killed",
)
mutant(
    "exit_in_the_turn_of_the_start",
    "child/reap.c",
    "    if (self->phase == TRANSPORT_RUNNING && self->settled_in == self->hub->turn)\n        return true;",
    "    if (false)\n        return true;",
    "a child may be reaped before who has started it knows of it",
    "test_many_descriptors.py already_exited",
)

# ---- what reviewers have found ----

mutant(
    "busy_program_given_up_at_once",
    "posix/child_exec.c",
    "err == -ETXTBSY && request->others_are_starting",
    "false",
    "a program that was just written cannot be run beside other children",
    "test_create.py just_written",
)
mutant(
    "waits_for_a_program_that_stays_busy",
    "child/start.c",
    "    plan->request.others_are_starting = hub->starting > 0;",
    "    plan->request.others_are_starting = false;",
    "the same",
    "test_create.py just_written",
)
mutant(
    "hooks_with_signals_blocked",
    "posix/spawn.c",
    "    if (hooks != NULL)\n        hooks->before(hooks->context);\n    block_signals(&request->caller_mask);",
    "    block_signals(&request->caller_mask);\n    if (hooks != NULL)\n        hooks->before(hooks->context);",
    "a thread that a fork hook starts never hears a signal",
    "test_create.py fork_hooks",
)
mutant(
    "others_wait_for_a_nested_loop",
    "loop/woken.c",
    "            hub_ask_for_turn(hub);",
    "            {}",
    "a task that runs the loop itself waits for others for ever",
    "test_loops.py takes_turns_of_the_loop",
)
mutant(
    "debug_mode_blames_the_hub",
    "loop/plain_loop.c",
    "is_still(attributes, state->names._debug, Py_False)",
    "attributes != NULL",
    "debug mode does not name a slow task",
    "test_loops.py debug_mode",
)
mutant(
    "interrupt_that_no_turn_raises",
    "loop/exceptions.c",
    "!hub->in_turn && hub_is_alive(hub) && !ask_for_turn(hub)",
    "false",
    "a Ctrl-C during close() is lost",
    "test_signals.py outside_a_turn",
)
mutant(
    "names_of_any_type",
    "child/create_calls.c",
    "        if (PyUnicode_Check(key))\n            continue;",
    "        if (value != NULL)\n            continue;",
    "a keyword that is no string crashes",
    "test_bad_input.py keyword",
)
mutant(
    "kept_arguments_of_any_length",
    "python/stop_iteration.c",
    "PyTuple_GET_SIZE(args) != 1",
    "false",
    "a result has the arguments of another",
    "test_fast_paths.py iterator_protocol",
)
mutant(
    "cancel_message_unpacked",
    "loop/wakeup_type.c",
    "PyObject_CallOneArg(state->CancelledError, message)",
    "PyObject_Call(state->CancelledError, PyTuple_Check(message) ? message : state->context_keyword, NULL)",
    "a tuple given to cancel() becomes several arguments",
    "test_cancel.py message",
)
mutant(
    "what_comes_before_the_socket_kept",
    "posix/child.c",
    "    if (result >= 0 && socket > FIRST_EXTRA_FD)",
    "    if (false)",
    "a child that cannot exec yet holds up others",
    "native handover_takes_along",
)
mutant(
    "early_error_not_looked_at",
    "child/start.c",
    "        plan->error = plan->request.early_error;",
    "        {}",
    "a child that could not have its descriptors is taken for one that runs",
    "test_many_descriptors.py cannot_receive",
)
mutant(
    "close_on_exec_stdin_handed_over",
    "posix/spawn.c",
    "        if (from < 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC))",
    "        if (false)",
    "a child has a descriptor that it was not given",
    "test_create.py close_on_exec",
)
mutant(
    "close_on_exec_stdin_held",
    "child/spawn_plan.c",
    "plan->stdio[fd] == STDIO_INHERIT && (fcntl(fd, F_GETFD) & FD_CLOEXEC);",
    "false;",
    "the same of a child that had to wait",
    "test_create.py close_on_exec",
)
# ---- the end of the loop ----

mutant(
    "close_of_the_loop_not_watched",
    "loop/watch.c",
    "        close_watch_begin(hub, loop);",
    "        {}",
    "the end of a loop is not learned while somebody keeps its callback",
    "test_loop_end.py keeps_its_callbacks",
)
mutant(
    "close_of_the_loop_watched_for_ever",
    "loop/watch.c",
    "        close_watch_end(hub, loop);",
    "        {}",
    "a loop without children has a close() that is not its own",
    "test_loop_end.py its_own_but",
)
mutant(
    "close_that_failed_not_watched_again",
    "loop/close_watch.c",
    "    else if (hub->token != NULL)",
    "    else if (hub->token == NULL)",
    "the end of a loop is not learned after a close() that was refused",
    "test_loop_end.py refused",
)
mutant(
    "close_of_somebody_else_replaced",
    "loop/close_watch.c",
    "    return has > 0;",
    "    return has > 1;",
    "a close() that somebody has set is lost",
    "test_loop_end.py somebody_has_set",
)
mutant(
    "dropped_child_not_named",
    "child/transport_type.c",
    "    if (self->hub != NULL && self->hub->closed) {",
    "    if (self->hub != NULL && !self->hub->closed) {",
    "the warning of a running child does not say which transport it is about",
    "test_loop_end.py with_a_live_child",
)
mutant(
    "no_moment_for_a_child_about_to_exit",
    "child/end_without_loop.c",
    "    if (reap == FP_REAP_RUNNING && has_closed_outputs(self))",
    "    if (false && has_closed_outputs(self))",
    "a child whose output was read to its end is killed because nobody waited",
    "test_loop_end.py wait_forgotten",
)
mutant(
    "a_moment_for_each_child",
    "posix/exit.c",
    "    *milliseconds = waited < *milliseconds ? *milliseconds - (int)waited : 0;",
    "    (void)milliseconds;",
    "many children that have closed their output hold the end of a loop up",
    "native exit_reap_within",
)
mutant(
    "scratch_kept",
    "loop/watch.c",
    "        hub_free_scratch(hub);\n",
    "",
    "a Process that is kept keeps 64 KiB",
    "test_scale.py kept_process",
)
mutant(
    "write_after_the_loop_queued",
    "pipe/write_pipe.c",
    "    if (self->base.hub->closed) {",
    "    if (false) {",
    "what is written after the end of the loop is lost without a word",
    "test_loop_end.py pipes_outlive",
)

# ---- what programs do with private attributes, and numbers of any kind ----

mutant(
    "living_buffer_is_a_copy",
    "pipe/reader_buffer_attribute.c",
    "    return Py_NewRef(self->living);",
    "    return PyByteArray_FromObject(self->living);",
    "who clears reader._buffer clears a copy",
    "test_private_attributes.py living_one or polled",
)
mutant(
    "living_buffer_begins_empty",
    "pipe/reader_buffer_attribute.c",
    """    if (living_absorb(self) < 0)
        PyErr_Clear();
    return""",
    "    return",
    "what was buffered is not seen in reader._buffer",
    "test_private_attributes.py asked_for_late",
)
mutant(
    "living_buffer_not_shortened",
    "pipe/reader_buffer_attribute.c",
    "result = delete_front(living, PyBytes_GET_SIZE(taken));",
    "result = 0;",
    "the same is read again and again",
    "test_private_attributes.py living_one",
)
mutant(
    "what_a_view_keeps_out_is_lost",
    "pipe/reader_buffer_attribute.c",
    "    if (grown == NULL)\n        put_back(self, piece);",
    "    if (grown == NULL && living == NULL)\n        put_back(self, piece);",
    "what comes while somebody has a view of reader._buffer is lost",
    "test_private_attributes.py comes_while",
)
mutant(
    "waits_for_the_length_that_was",
    "pipe/reader.c",
    "           (self->living != NULL && self->wake_at != SIZE_MAX);",
    "           false;",
    "readuntil() is not woken after reader._buffer was cleared",
    "test_private_attributes.py cleared_while",
)
mutant(
    "foreign_waiter_hears_of_no_exception",
    "pipe/reader.c",
    "    if (self->waiter != NULL && self->foreign_waiter)",
    "    if (false)",
    "asyncio's own functions do not see what set_exception() was given",
    "test_private_attributes.py wait_for_data",
)
mutant(
    "waiter_of_another_taken_away",
    "pipe/reader_private.c",
    "    if (value == Py_None && self->waiter != NULL && !self->foreign_waiter)",
    "    if (false)",
    "a reader is never woken after asyncio's own function has gone on",
    "test_private_attributes.py not_taken_away",
)
mutant(
    "limit_of_a_fraction_cut",
    "pipe/reader.c",
    "result = number_floor(twice, &limit->mark);",
    "result = number_floor(given, &limit->mark);",
    "the transport is paused at the limit, not at twice as much",
    "test_numbers.py exact",
)
mutant(
    "infinity_is_little",
    "python/numbers.c",
    "    if (!(value < too_many))\n        *count = SIZE_MAX;",
    "    if (!(value < too_many))\n        *count = 0;",
    "no line is within an infinite limit",
    "test_numbers.py limit_of_any_number",
)
mutant(
    "read_of_much_cut_by_type",
    "pipe/reader_read_methods.c",
    "    if (fewer <= 0)\n        return fewer;",
    "    if (fewer < 0)\n        return fewer;",
    "read(float('inf')) is refused",
    "test_numbers.py more_than_there_is",
)
mutant(
    "expected_is_another_number",
    "pipe/reader_read_methods.c",
    "        return raise_incomplete(reader, Py_NewRef(self->argument));",
    "        return raise_incomplete(reader, PyLong_FromSize_t(length + 1));",
    "IncompleteReadError.expected is not what was asked for",
    "test_numbers.py more_than_can_be",
)
mutant(
    "marks_in_the_wrong_order",
    "pipe/write_pipe_type.c",
    "        marks = PyTuple_Pack(2, low, high);",
    "        marks = PyTuple_Pack(2, high, low);",
    "get_write_buffer_limits() mixes them up",
    "test_numbers.py write_buffer_limits",
)
mutant(
    "low_mark_below_zero",
    "pipe/write_pipe_type.c",
    "        in_order = number_compare(low, 0, Py_GE);",
    "        in_order = 1;",
    "a low-water mark below zero is taken",
    "test_numbers.py write_buffer_limits",
)

# ---- the order of effects ----

mutant(
    "stdin_closed_at_once",
    "pipe/write_pipe.c",
    "    if (self->fd >= 0 && pipe_call_soon(&self->base, &end_method))\n        return;",
    "    if (self->fd < 0 && pipe_call_soon(&self->base, &end_method))\n        return;",
    "a child that is killed after stdin.close() may end by itself",
    "test_order_within_a_turn.py one_turn_later",
)
mutant(
    "reading_end_closed_at_once",
    "pipe/read_pipe.c",
    "    if (self->flow.fd < 0 || !pipe_call_soon(&self->base, &end_method)) {",
    "    if (self->flow.fd >= 0 || !pipe_call_soon(&self->base, &end_method)) {",
    "a child that is killed may see before that nobody reads",
    "test_order_within_a_turn.py reading_end_is_closed",
)
mutant(
    "abort_keeps_the_queue",
    "pipe/write_pipe.c",
    "    self->closing = true;\n    fp_outflow_clear(&self->out);",
    "    self->closing = true;",
    "abort() does not drop what is queued until the next turn",
    "test_order_within_a_turn.py abort_drops",
)
mutant(
    "drain_raises_while_closing",
    "pipe/writer.c",
    "self->stage = pipe->lost ? DRAIN_YIELDED : DRAIN_CLOSING;",
    "self->stage = DRAIN_YIELDED;",
    "drain() after close() raises a turn too early",
    "test_order_within_a_turn.py drain_after_close",
)
mutant(
    "more_input_dropped",
    "child/communicate.c",
    "    process->cut_short = true;",
    "    process->cut_short = false;",
    "input after a cancelled communicate() is dropped in silence",
    "test_communicate.py more_input",
)
mutant(
    "no_more_communicate_after_a_cancelled_one",
    "child/communicate.c",
    "    process->cut_short = *result == NULL;",
    "    ;",
    "communicate() is refused after one that came to its end",
    "test_communicate.py more_input",
)
mutant(
    "no_turn_for_a_reader_that_was_cancelled",
    "child/communicate.c",
    "    if (!(self->done & TURN_GIVEN) && somebody_reads(self)) {",
    "    if (!(self->done & TURN_GIVEN) && somebody_reads(self) && false) {",
    "communicate() right after cancelling a reader says that one is in the way",
    "test_communicate.py test_communicate or cancel",
    "test_cancel.py cancel",
)

# ---- loops that are not plain ----

mutant(
    "shortcut_on_every_loop",
    "loop/plain_loop.c",
    "    if (kind == LOOP_OTHER || !(kind == LOOP_UVLOOP || asyncio_is_plain(state)))\n",
    "    if (!(kind != LOOP_SELECTOR || asyncio_is_plain(state)))\n",
    "the hub calls tasks itself on a loop of any class",
    "test_loops.py subclass",
)
mutant(
    "patched_class_not_noticed",
    "loop/plain_loop.c",
    "        plain = is_asyncios_function(method);\n",
    "        plain = method != NULL;\n",
    "the hub calls tasks itself although the class of the loop is patched",
    "test_loops.py shortcut_is_taken",
)
mutant(
    "class_not_looked_at_again",
    "loop/plain_loop.c",
    "        if (state->loop_classes[kind] == number)\n",
    "        if (state->loop_classes[kind] != 0)\n",
    "what was once found of a class holds for all, and for ever",
    "test_loops.py shortcut_is_taken",
)
mutant(
    "patched_loop_not_noticed",
    "loop/plain_loop.c",
    "    bool plain = !hides_a_method(attributes);\n",
    "    bool plain = !hides_a_method(attributes) || attributes != NULL;\n",
    "the hub calls tasks itself although a method of the loop is replaced",
    "test_loops.py shortcut_is_taken",
)
mutant(
    "patched_handle_not_noticed",
    "loop/plain_loop.c",
    "    bool plain = is_asyncios_function(run);\n",
    "    bool plain = is_asyncios_function(run) || run != NULL;\n",
    "a tool that times what a loop calls does not see the tasks that a child woke",
    "test_loops.py shortcut_is_taken",
)
mutant(
    "patched_tasks_not_noticed",
    "loop/plain_loop.c",
    "is_still(state->tasks, state->names.Task, state->Task)",
    "state->tasks != NULL",
    "the hub calls tasks itself although there are others than asyncio's",
    "test_loops.py shortcut_is_taken",
)
mutant(
    "tasks_called_in_the_context_of_the_hub",
    "loop/woken.c",
    "    PyObject *context = now ? compat_leave_context() : NULL;\n",
    "    PyObject *context = NULL;\n",
    "a task that turns the loop by hand finds the hub's context in use",
    "test_loops.py by_hand",
)
mutant(
    "hub_called_in_an_empty_context",
    "loop/loop_methods.c",
    "    return hub->on_plain_loop ? PyContext_New()",
    "    return hub != NULL ? PyContext_New()",
    "a loop that is found by the context is not found in what it calls",
    "test_loops.py found_by_context",
)
mutant(
    "running_loop_of_the_import",
    "python/state.c",
    "    PyObject *function = compat_dict_get(state->events, name);\n",
    "    PyObject *function = name != NULL ? Py_NewRef(state->get_running_loop) : NULL;\n",
    "who replaces asyncio.get_running_loop() later is not asked",
    "test_loops.py looked_up",
)
mutant(
    "loop_behind_not_looked_for",
    "loop/loop_methods.c",
    "    if (behind != NULL && behind != loop && is_loop(state, behind))\n",
    "    if (behind != NULL && behind == loop && is_loop(state, behind))\n",
    "children of an object that stands for a loop have futures of that object",
    "test_loops.py passes_everything",
)
mutant(
    "stalled_descriptor_kept",
    "loop/turn.c",
    "    if (!progress) {\n",
    "    if (!progress && owner == NULL) {\n",
    "a dead child that a tracer keeps occupies the loop",
    "test_loops.py occupy",
)
mutant(
    "stalled_descriptor_never_looked_at",
    "loop/back_off.c",
    "        err = fp_poller_add(&hub->poller, slot->fd, slot->interest, cookie);\n",
    "        err = 0;\n",
    "the end of a child that was traced is never seen",
    "test_loops.py occupy",
)
mutant(
    "pipe_that_cannot_be_read_kept",
    "pipe/read_pipe.c",
    "            return progress;\n",
    "            return progress || ready != 0;\n",
    "a pipe that is ready and cannot be read occupies the loop",
    "test_loops.py cannot_be_read",
)


# ---- process groups, and what run() and lines() stand on ----

mutant(
    "group_of_a_reaped_leader_hit_by_number",
    "posix/group.c",
    "    if (!is_unreaped(leader)) /*",
    "    if (false) /*",
    "the group of a recycled number is signalled",
    "native group_",
)
mutant(
    "group_that_the_child_does_not_lead",
    "posix/group.c",
    "is_unreaped(child) && getpgid(child->pid) == child->pid",
    "is_unreaped(child)",
    "any child is taken for a leader",
    "native group_",
)
mutant(
    "group_signalled_by_the_pidfd_of_the_leader_alone",
    "posix/group.c",
    "enum { TO_GROUP = 1 << 2 };",
    "enum { TO_GROUP = 0 };",
    "a signal for the group reaches its leader only",
    "native group_",
)
mutant(
    "group_keeps_its_descriptor_when_it_is_empty",
    "child/group.c",
    "(self->group == GROUP_LED && fp_group_outlives(&self->child))",
    "self->group == GROUP_LED",
    "each ended child with a session of its own holds a descriptor",
    "test_run.py hold_no_descriptor",
)
mutant(
    "group_leader_reaped_too_early",
    "child/group.c",
    "(self->holds_group || !self->given) &&",
    "false &&",
    "without pidfds what the leader leaves behind is out of reach",
    "test_run.py outlives_the_time_limit and exits and thread",
)
mutant(
    "group_leader_stays_a_zombie",
    "child/group.c",
    "    if (fp_exit_reap(&self->child, &status) == FP_REAP_DONE)\n",
    "    if (false)\n",
    "a leader whose reap had to wait is never reaped",
    "test_run.py test_stop_ends and thread",
)
mutant(
    "group_outlives_the_loop_of_run",
    "child/end_without_loop.c",
    "        else if (self->holds_group) /* the call",
    "        else if (false) /* the call",
    "a loop that is closed while run() waits leaves what the command has started",
    "test_run.py end_of_the_loop_alone",
)
mutant(
    "cut_short_run_forgets_its_child",
    "child/create.c",
    "awaitable_keep_begun(self, self->argument) < 0",
    "false",
    "a run() that is cancelled while its child starts does not wait for what that has started",
    "test_run.py cancelled_before",
)
mutant(
    "cut_short_create_spares_what_setsid_has_made",
    "child/group.c",
    "self->group != GROUP_NONE && is_led(self)",
    "self->group == GROUP_LED",
    "a group that the child made by preexec_fn outlives a cancelled create call",
    "test_run.py cancelled_before",
)
mutant(
    "text_piece_longer_by_its_newline",
    "pipe/lines_of_any_length.c",
    'bytes_of(reader) + most - 1, "\\r\\n", 2)',
    'bytes_of(reader) + most, "\\n", 1)',
    "a piece of a line is longer than max_line allows",
    "test_lines.py error_of_decoding",
)
mutant(
    "empty_group_keeps_its_pidfd",
    "child/group.c",
    "if (err == -ESRCH &&",
    "if (false &&",
    "a child that led a group holds a descriptor although the group is known to be empty",
    "test_run.py stopped_holds_nothing",
)
mutant(
    "linger_without_an_end",
    "child/linger.c",
    "held_pipes(self) == 0)",
    "true)",
    "communicate(linger=) waits as long as anybody holds the pipe",
    "test_run.py communicate_with_linger",
    "test_run.py read_for_a_while",
)
mutant(
    "linger_for_nobody",
    "child/linger.c",
    "revents & (fd == 0 ? POLLERR | POLLHUP : POLLHUP))",
    "revents & 0)",
    "an output that nobody else holds is given up if it is read late, and said to linger",
    "test_run.py read_late",
)
mutant(
    "input_lingers_without_an_end",
    "child/linger.c",
    "    return input->lost || input->out.pending == 0 ? -1 : input->fd;",
    "    return input->lost || true ? -1 : input->fd;",
    "communicate(input, linger=) waits as long as anybody holds stdin and does not read it",
    "test_run.py input_that_another_holds",
)
mutant(
    "linger_drops_the_last_words",
    "pipe/read_pipe.c",
    "int gulps = GULPS_OF_A_PIPE; gulps > 0",
    "int gulps = 0; gulps > 0",
    "what is in the pipe when reading is ended is lost",
    "test_run.py paused_pipe",
)
mutant(
    "linger_goes_on_after_a_cancelled_communicate",
    "child/communicate.c",
    "        linger_set(((ProcessObject *)self->owner)->transport, -1);",
    "        linger_set(((ProcessObject *)self->owner)->transport, 0.05);",
    "the pipes are closed under the next reader",
    "test_run.py linger_cancelled",
)
mutant(
    "close_leaves_stdin_open",
    "child/output.c",
    "        write_pipe_abort((WritePipeObject *)transport->pipes[0]);",
    "        (void)transport->pipes[0];",
    "Process.close() does not close stdin",
    "test_run.py close_drops",
)
mutant(
    "arrivals_of_two_streams_taken_for_one",
    "stream/arrivals.c",
    "latest != NULL && latest->stream == stream",
    "latest != NULL",
    "lines of two streams do not come in order",
    "native arrivals",
    "test_lines.py order",
)
mutant(
    "arrivals_mixed_up_when_they_grow",
    "stream/arrivals.c",
    "        runs[i] = *run_at(arrivals, i);",
    "        runs[i] = arrivals->runs[i];",
    "a ring that has wrapped around is copied from its start",
    "native arrivals",
)
mutant(
    "line_with_two_ends",
    "pipe/lines_of_any_length.c",
    "    return bytes_of(reader)[0] == '\\n' ? reader_consume(reader, 1) : 0;",
    "    return 0;",
    "the newline after a carriage return is a line of its own",
    "test_lines.py carriage_return",
)
mutant(
    "line_searched_from_too_far_on",
    "pipe/lines_of_any_length.c",
    "    self->position = (Py_ssize_t)(reader->consumed + length);",
    "    self->position = (Py_ssize_t)(reader->consumed + length + 1);",
    "a newline that comes first is not seen",
    "test_lines.py may_come_alone",
)
mutant(
    "line_torn_between_its_two_ends",
    "pipe/lines_of_any_length.c",
    "        return end < length && bytes[end] == '\\n' ? end + 1 : end;",
    "        return end;",
    "carriage return and newline are two lines",
    "test_lines.py those_of_io",
)
mutant(
    "line_longer_than_its_limit",
    "pipe/lines_of_any_length.c",
    "    if (end == 0 && length >= most)\n",
    "    if (false)\n",
    "a line over max_line comes in one piece",
    "test_lines.py those_of_io",
)

# ---- what a child is given that subprocess does not have ----

mutant(
    "one_number_is_the_soft_limit_alone",
    "child/attributes.c",
    "limit->rlim_max = limit->rlim_cur;",
    "limit->rlim_max = RLIM_INFINITY;",
    "a child may raise the limit again",
    "test_child_options.py gives_what and number",
)
mutant(
    "soft_limit_above_the_hard",
    "child/attributes.c",
    "if (result == 0 && limit->rlim_cur > limit->rlim_max) {",
    "if (result == 0 && limit->rlim_cur > limit->rlim_max && result != 0) {",
    "a child is started to find that its limits make no sense",
    "test_child_options.py bad_value and rlimits",
)
mutant(
    "no_limit_is_a_negative_number",
    "child/attributes.c",
    "overflow == 0 && value < -1",
    "overflow == 0 && value < -2",
    "-2 is a very high limit",
    "test_child_options.py bad_value and rlimits",
)
mutant(
    "processor_in_the_wrong_word",
    "child/attributes.c",
    "UINT64_C(1) << cpu % FP_CPUS_IN_WORD",
    "UINT64_C(1) << (cpu + 1) % FP_CPUS_IN_WORD",
    "a child runs on another processor than was said",
    "test_child_options.py gives_what and processors",
)
mutant(
    "platform_has_everything",
    "child/attributes.c",
    "if (!are_here[which] || (state->lacking >> which & 1)) {",
    "if (!are_here[which]) {",
    "nobody is told that an option does nothing here",
    "test_child_options.py lacks_an_option",
)
mutant(
    "any_directory_is_a_cgroup",
    "child/attributes.c",
    "S_ISDIR(info.st_mode) && system.f_type == CGROUP2_SUPER_MAGIC",
    "S_ISDIR(info.st_mode)",
    "a child is started to find that its cgroup is none",
    "test_child_options.py bad_value and cgroup",
)
mutant(
    "cgroup_left_open_by_a_later_error",
    "child/spawn_plan.c",
    "        fp_fd_close(&parsed.cgroup);\n",
    "",
    "a call that is refused leaves a descriptor open",
    "test_child_options.py refused_closes_the_cgroup",
)
mutant(
    "cgroup_left_open_by_a_child_that_has_gone",
    "child/transport_type.c",
    "    fp_fd_close(&self->cgroup);\n",
    "",
    "each child leaves a descriptor open",
    "test_child_options.py starts_in_the_cgroup",
)
mutant(
    "cgroup_forgotten_after_the_start",
    "child/start.c",
    "    self->cgroup = fp_fd_take(&plan->cgroup);\n",
    "",
    "stop() does not end what has left the group",
    "test_child_options.py stop_ends_all",
)
mutant(
    "another_option_named",
    "child/spawn_error.c",
    "plan->error.stage - FP_STAGE_ATTRIBUTE",
    "plan->error.stage - FP_STAGE_ATTRIBUTE - 1",
    "the exception blames an option that was not given",
    "test_child_options.py kernel_refuses",
)

# ---- terminals ----

mutant(
    "terminal_not_taken",
    "posix/child.c",
    "    if (request->takes_terminal && (result",
    "    if (false && (result",
    "a child at a terminal has no job control, and gets no SIGWINCH",
    "native child_takes_the_terminal",
)
mutant(
    "terminal_inherited",
    "posix/pty.c",
    "SLAVE_FLAGS = O_RDWR | O_NOCTTY | O_CLOEXEC",
    "SLAVE_FLAGS = O_RDWR | O_NOCTTY",
    "other children hold the terminal open",
    "native pty_is_a_terminal",
)
mutant(
    "terminal_becomes_our_own",
    "posix/pty.c",
    "SLAVE_FLAGS = O_RDWR | O_NOCTTY | O_CLOEXEC",
    "SLAVE_FLAGS = O_RDWR | O_CLOEXEC",
    "a parent that leads a session without a terminal gets its child's",
    "test_terminal.py never_gets",
)
mutant(
    "end_of_file_typed_once_within_a_line",
    "posix/pty.c",
    "    return edits_lines && !begins_line(&settings, latest) ? 2 : 1;",
    "    return edits_lines && !begins_line(&settings, latest) ? 1 : 1;",
    "the end of file only ends the line that has begun",
    "native pty_end_of_file",
)
mutant(
    "forked_process_types",
    "pipe/end_of_input.c",
    "!pipe->closing && !hub_is_forked_off(pipe->base.hub)",
    "!pipe->closing",
    "the end of a forked process ends the input of its parent's child",
    "test_terminal.py forked_process_types",
)
mutant(
    "raw_terminal_made_cooked",
    "child/spawn_plan.c",
    "fp_pty_open(plan->terminal_size, plan->terminal_raw,",
    "fp_pty_open(plan->terminal_size, false,",
    "terminal_raw=True changes nothing",
    "test_terminal.py raw_terminal_passes",
)
mutant(
    "end_of_a_terminal_is_an_error",
    "pipe/read_pipe.c",
    "self->flow.err == EIO && pipe_is_terminal(&self->base);",
    "false;",
    "the end of a child at a terminal raises",
    "test_terminal.py echo",
)
mutant(
    "hang_up_of_a_terminal_not_noticed",
    "pipe/write_pipe.c",
    "    bool hung_up = pipe_is_terminal(&self->base) && (ready & FP_HANGUP);",
    "    bool hung_up = false;",
    "stdin stays open when the child has left its terminal",
    "test_terminal.py leaves_its_terminal",
)
mutant(
    "byte_typed_last_not_kept",
    "pipe/write_pipe.c",
    "        self->latest = (unsigned char)bytes[count - 1];",
    "        self->latest = -1;",
    "the end of file only ends the line that has begun",
    "test_terminal.py end_of_file_comes_once",
)
mutant(
    "end_of_file_typed_again_by_close",
    "pipe/end_of_input.c",
    "    if (may_type(pipe) && !pipe->ended && !is_stuck && type(pipe) < 0)",
    "    if (may_type(pipe) && !is_stuck && type(pipe) < 0)",
    "write_eof() and close() end two programs",
    "test_terminal.py is_one_end",
)
mutant(
    "terminal_hung_up_with_stdout",
    "child/terminal.c",
    "    if (!has_open_input(self))\n",
    "    if (!has_open_input(self) || true)\n",
    "closing stdout hangs up a terminal that is still typed at",
    "test_terminal.py closing_both",
)
mutant(
    "terminal_that_nobody_reads_fills_up",
    "child/terminal.c",
    "    return self->terminal >= 0 && output(self) == NULL ? drop_from_now_on(self) : 0;",
    "    return 0;",
    "a child that shows much waits for ever",
    "test_terminal.py nobody_reads",
)
mutant(
    "terminal_left_open_by_a_failed_start",
    "child/spawn_plan.c",
    "    fp_fd_close(&plan->master);\n",
    "",
    "each child that could not be started costs a terminal",
    "test_terminal.py failing_start",
)
mutant(
    "columns_taken_for_rows",
    "child/terminal_options.c",
    "    int result = type != NULL ? Py_IS_TYPE(pair, (PyTypeObject *)type) : -1;",
    "    int result = type != NULL ? 0 : -1;",
    "an os.terminal_size is turned round",
    "test_terminal.py size_at_the_start",
)
mutant(
    "refusal_of_a_terminal_not_named",
    "posix/child.c",
    "        fail(request, FP_STAGE_TERMINAL, result);",
    "        fail(request, FP_STAGE_SETUP, result);",
    "the exception of a sandbox does not say what it refuses",
    "test_terminal.py refuses_a_controlling",
)
