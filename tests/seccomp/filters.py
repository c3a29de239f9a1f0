"""What sandboxes refuse, as rules for launch.c; test_seccomp.py runs a part of the suite in each.

`python tests/seccomp/filters.py NAME COMMAND ...` runs a command in the sandbox of that name.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from errno import EACCES, EINVAL, ENOSYS, EPERM
from pathlib import Path

HERE = Path(__file__).resolve().parent
CANNOT = 125  # the launcher's exit status if the kernel takes no filter

P_PIDFD = 3
CLONE_PIDFD = 0x1000
TO_GROUP = 4  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9
CLOSE_RANGE_UNSHARE, CLOSE_RANGE_CLOEXEC = 2, 4
SOCK_TYPES, SOCK_DGRAM = 0xF, 2
NAMESPACES = 0x7E020000  # the flags of clone() that make one


def flag(argument, bits):
    return f"{argument}:{bits}:{bits}"


def equal(argument, value, mask=0xFFFFFFFF):
    return f"{argument}:{mask}:{value}"


# docker's default profile of 2019: what it allows. It knows neither clone3 nor pidfds, close_range,
# faccessat2 nor openat2, and kcmp only for who may trace.
DOCKER_2019 = """
    accept accept4 access adjtimex alarm arch_prctl bind brk capget capset chdir chmod chown chroot
    clock_getres clock_gettime clock_nanosleep close connect copy_file_range creat dup dup2 dup3
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd eventfd2 execve execveat exit
    exit_group faccessat fadvise64 fallocate fanotify_mark fchdir fchmod fchmodat fchown fchownat
    fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstatfs fsync
    ftruncate futex futimesat getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups
    getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid
    getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid
    gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
    io_cancel ioctl io_destroy io_getevents ioprio_get ioprio_set io_setup io_submit ipc kill lchown
    lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat madvise
    memfd_create mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap modify_ldt mprotect
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink mremap msgctl msgget msgrcv
    msgsnd msync munlock munlockall munmap nanosleep newfstatat open openat pause pipe pipe2 poll
    ppoll prctl pread64 preadv preadv2 prlimit64 pselect6 ptrace pwrite64 pwritev pwritev2 read
    readahead readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr rename
    renameat renameat2 restart_syscall rmdir rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_getaffinity
    sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
    sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield seccomp select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto
    setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid
    setreuid setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid
    setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 socket socketpair
    splice stat statfs statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
    timer_create timer_delete timerfd_create timerfd_gettime timerfd_settime timer_getoverrun
    timer_gettime timer_settime times tkill truncate umask uname unlink unlinkat utime utimensat
    utimes vfork vmsplice wait4 waitid write writev
""".split()

FILTERS = {
    # one call that a kernel or a profile does not know
    "clone3 ENOSYS": [f"clone3={ENOSYS}"],
    "pidfd_open ENOSYS": [f"pidfd_open={ENOSYS}"],
    "pidfd_open EPERM": [f"pidfd_open={EPERM}"],
    "pidfd_send_signal EPERM": [f"pidfd_send_signal={EPERM}"],
    "pidfd_send_signal ENOSYS": [f"pidfd_send_signal={ENOSYS}"],
    "pidfd_send_signal to groups EINVAL": [f"pidfd_send_signal={EINVAL}:{flag(3, TO_GROUP)}"],
    "waitid of pidfds EPERM": [f"waitid={EPERM}:{equal(0, P_PIDFD)}"],
    "waitid of pidfds EINVAL": [f"waitid={EINVAL}:{equal(0, P_PIDFD)}"],
    "waitid ENOSYS": [f"waitid={ENOSYS}"],
    "close_range ENOSYS": [f"close_range={ENOSYS}"],
    "close_range CLOEXEC EINVAL": [f"close_range={EINVAL}:{flag(2, CLOSE_RANGE_CLOEXEC)}"],
    "close_range UNSHARE EPERM": [f"close_range={EPERM}:{flag(2, CLOSE_RANGE_UNSHARE)}"],
    "recvmsg and sendmsg EPERM": [f"recvmsg={EPERM}", f"sendmsg={EPERM}"],
    # a loop has a pair of stream sockets, and ours for children are of datagrams
    "socketpair of datagrams EACCES": [f"socketpair={EACCES}:{equal(1, SOCK_DGRAM, SOCK_TYPES)}"],
    "madvise EINVAL": [f"madvise={EINVAL}"],
    "kcmp and statx EPERM": [f"kcmp={EPERM}", f"statx={EPERM}"],
    "prlimit64 and fchdir EPERM": [f"prlimit64={EPERM}", f"fchdir={EPERM}"],
    # whole sandboxes
    "kernel 5.2": [  # before pidfd_open, clone3, close_range and waitid of pidfds
        f"clone3={ENOSYS}",
        f"pidfd_open={ENOSYS}",
        f"close_range={ENOSYS}",
        f"waitid={EINVAL}:{equal(0, P_PIDFD)}",
    ],
    "gVisor": [
        f"clone3={ENOSYS}",
        f"clone={EINVAL}:{flag(0, CLONE_PIDFD)}",
        f"pidfd_open={ENOSYS}",
        f"pidfd_send_signal={ENOSYS}",
        f"pidfd_getfd={ENOSYS}",
        f"waitid={EINVAL}:{equal(0, P_PIDFD)}",
        f"close_range={ENOSYS}",
        f"kcmp={ENOSYS}",
    ],
    # With clone3=ENOSYS as container runtimes of later answer, because today's C library starts no
    # thread where it is refused in another way.
    "docker of 2019": [
        f"only={EPERM}",
        f"clone:0:{NAMESPACES}:0",
        f"clone3={ENOSYS}",
        *DOCKER_2019,
    ],
    "docker of 2019, all ENOSYS": [f"only={ENOSYS}", f"clone:0:{NAMESPACES}:0", *DOCKER_2019],
    "strict": [
        f"clone3={ENOSYS}",
        *(
            f"{name}={EPERM}"
            for name in (
                "pidfd_open pidfd_send_signal pidfd_getfd waitid close_range kcmp statx madvise "
                "prlimit64 recvmsg sendmsg fchdir dup3 ptrace setpriority sched_setaffinity"
            ).split()
        ),
        f"socketpair={EPERM}:{equal(1, SOCK_DGRAM, SOCK_TYPES)}",
    ],
}
# In every run of the suite; the others with --slow.
QUICK = ["docker of 2019", "strict"]


class CannotBuild(Exception):
    pass


def build(folder):
    """The launcher, in folder."""
    command = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(command[0]) is None:
        raise CannotBuild("no C compiler")
    program = Path(folder, "launch")
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror"]
    command += [*flags, str(HERE / "launch.c"), "-o", str(program), "-lseccomp"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        if "seccomp.h" in done.stderr or "-lseccomp" in done.stderr:
            raise CannotBuild("libseccomp and its header are not here (libseccomp-dev)")
        raise RuntimeError(done.stderr)
    return program


def in_sandbox(launcher, name, command):
    return [str(launcher), *FILTERS[name], "--", *map(str, command)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(subprocess.call(in_sandbox(build(folder), sys.argv[1], sys.argv[2:])))
