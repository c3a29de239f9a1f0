# SPDX-License-Identifier: MIT
"""Cgroup: a cgroup v2 of one's own for children, and how everything in one is ended.

A cgroup holds whatever its processes start, also what leaves their process group or session. Here a
cgroup is named by a descriptor of its directory, which never stands for a later cgroup of the same
name; each file in the directory is opened anew.
"""

import contextlib
import errno
import itertools
import os
import signal
import time
import warnings

PATIENCE = 5.0  # seconds for what was killed to be gone; some processes are stuck in the kernel
FIRST_PAUSE = 0.0005  # seconds between two looks; each is twice the one before
LONGEST_PAUSE = 0.05
PERIOD = 100_000  # microseconds, the kernel's own for cpu.max
SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # the answer is not known now, but later
NUMBERS = itertools.count(1)  # of the cgroups that this process has made


# Any cgroup


def read(cgroup, name):
    with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=cgroup)) as file:
        return file.read()


def write(cgroup, name, text):
    fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=cgroup)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def is_populated(cgroup):
    """Whether a process runs in it, or in one below it; zombies do not count."""
    try:
        return "populated 1" in read(cgroup, "cgroup.events")
    except OSError as error:  # removed; or the root, which is never ended
        return error.errno in SHORTAGE


def may_be_ended(cgroup):
    """False for the root, and for a cgroup that this process is in.  OSError in a shortage."""
    try:
        os.stat("cgroup.events", dir_fd=cgroup)
    except OSError:
        return False
    return os.getpid() not in members(cgroup)


def has_to_be_ended(cgroup):
    try:
        return is_populated(cgroup) and may_be_ended(cgroup)
    except OSError:
        return True


def members(cgroup):
    """The pids in it and below it.  OSError in a shortage, not an incomplete set."""
    pids = set()
    with unless_in_a_shortage():
        for *_, folder in os.fwalk(".", dir_fd=cgroup, onerror=raise_in_a_shortage):
            with unless_in_a_shortage():
                pids.update(map(int, read(folder, "cgroup.procs").split()))
    return pids - {0}  # 0 is a process outside of our pid namespace; for kill() it is our own group


def raise_in_a_shortage(error):
    if error.errno in SHORTAGE:
        raise error


@contextlib.contextmanager
def unless_in_a_shortage():
    """Suppresses other errors: what was there is gone, or we may not read it."""
    try:
        yield
    except OSError as error:
        raise_in_a_shortage(error)


def send(cgroup, signum, but_not=lambda pid: False):
    """Signal every process in it except where but_not(pid), and no later one with the same pid."""
    found = {}
    try:
        for pid in members(cgroup):
            found[pid] = pidfd_of(pid)
        # A pid that is still listed after its pidfd was opened was not reused outside meanwhile.
        for pid in found.keys() & members(cgroup):
            with contextlib.suppress(OSError):
                if but_not(pid):
                    continue
                if found[pid] is not None:
                    signal.pidfd_send_signal(found[pid], signum)
                else:
                    os.kill(pid, signum)
    finally:
        for fd in found.values():
            if fd is not None:
                os.close(fd)


def pidfd_of(pid):
    """A pidfd, or None where there are none."""
    with contextlib.suppress(OSError, AttributeError):
        return os.pidfd_open(pid)
    return None


def kill(cgroup):
    """Kill everything in it, without waiting."""
    with contextlib.suppress(OSError):
        if not may_be_ended(cgroup):
            return
        try:
            write(cgroup, "cgroup.kill", "1")
        except OSError:  # before Linux 5.14, or not ours to write
            kill_one_by_one(cgroup)


def kill_one_by_one(cgroup):
    """Kill until no new process is found: a frozen process starts none, and can be killed."""
    with contextlib.suppress(OSError):
        write(cgroup, "cgroup.freeze", "1")
    try:
        killed = set()
        while new := members(cgroup) - killed:
            send(cgroup, signal.SIGKILL)
            killed |= new
    finally:
        with contextlib.suppress(OSError):
            write(cgroup, "cgroup.freeze", "0")


# One of our own


def our_folder():
    """The directory of the cgroup that this process is in."""
    import pathlib  # here, because it would double the time that our own import takes

    with open("/proc/self/cgroup") as file:
        ours = [line.strip()[3:] for line in file if line.startswith("0::")]
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split() for line in file if " - cgroup2 " in line]
    if not ours or not mounts:
        raise NotImplementedError("Cgroup needs cgroup v2, which is not mounted here")
    root, point = mounts[0][3:5]
    try:
        inside = pathlib.PurePath(ours[0]).relative_to(root)
    except ValueError:
        inside = pathlib.PurePath("..")
    if ".." in inside.parts:
        raise NotImplementedError("the cgroup of this process is outside of what is mounted here")
    return pathlib.Path(point.encode().decode("unicode_escape")) / inside


SENTENCES = {
    errno.EROFS: "cgroups are mounted read-only, as in most containers",
    errno.EACCES: "this process may not make cgroups there",
    errno.EPERM: "this process may not make cgroups there",
    errno.EBUSY: "a cgroup with processes in it cannot hold others that have limits",
}


@contextlib.contextmanager
def explained(folder):
    try:
        yield
    except OSError as error:
        sentence = SENTENCES.get(error.errno, error.strerror)
        raise OSError(error.errno, sentence, str(folder)) from None


# Paths of cgroups are str, because pathlib interns the parts of each path, and CPython 3.12 never
# frees what it has interned.


def words_in(folder, name):
    with open(os.path.join(folder, name)) as file:
        return file.read().split()


def write_in(folder, name, text):
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)


def hand_down(folder, controllers):
    """Let cgroups in the folder have limits of these kinds."""
    try:
        have = set(words_in(folder, "cgroup.subtree_control"))
    except FileNotFoundError:
        if os.path.exists(folder):
            raise ValueError(f"{folder} is not a directory of cgroup v2") from None
        raise
    missing = sorted(controllers - have)
    if not missing:
        return
    for name in missing:
        if name not in words_in(folder, "cgroup.controllers"):
            raise NotImplementedError(
                f"{folder} has no {name} controller: cgroup v1 has it, or a cgroup above keeps it"
            )
    write_in(folder, "cgroup.subtree_control", " ".join(f"+{name}" for name in missing))


def make_in(folder, controllers):
    """A new directory in it."""
    with explained(folder):
        hand_down(folder, controllers)
        while True:
            new = os.path.join(folder, f"fastproc-{os.getpid()}-{next(NUMBERS)}")
            with contextlib.suppress(FileExistsError):
                os.mkdir(new)
                return new


def make_anywhere(controllers):
    """Make one in the cgroup of this process; or beside that, if it may have no limits in it."""
    ours = our_folder()
    try:
        return make_in(str(ours), controllers)
    except (OSError, NotImplementedError):
        if (ours.parent / "cgroup.subtree_control").exists():
            with contextlib.suppress(OSError, NotImplementedError):
                return make_in(str(ours.parent), controllers)
        raise


def cpu_text(cpu_max):
    """A number of processors, or what cpu.max takes."""
    if isinstance(cpu_max, (int, float)):
        return f"{max(1000, round(cpu_max * PERIOD))} {PERIOD}"
    return cpu_max if isinstance(cpu_max, str) else " ".join(map(str, cpu_max))


class Cgroup:
    """A new cgroup for children, with limits for all of them together.

    Give it as cgroup= when you start children, and use it in `with`: at
    the end everything in it is killed, and it is removed. It needs
    Linux with cgroup v2, and a cgroup that this process may write to.

    parent: Cgroup, str or path-like; the directory to make it in. None
        is the cgroup of this process, or the one above if that has no
        limits to hand down.
    memory_max: int, in bytes, or str as the file memory.max takes it.
        Where it is exceeded and nothing can be freed, the kernel kills
        a process in the cgroup.
    pids_max: int; how many processes and threads there may be.
    cpu_max: float; how many processors they may use together. Also a
        pair of microseconds: to use, in a period of so many.
    Raises NotImplementedError where cgroup v2 or a controller is not
        available, and OSError (PermissionError, for example) where this
        process may not make a cgroup; both say why in a sentence.

    Not in asyncio.
    """

    path = ""
    _fd = None  # a descriptor of that directory, until it is closed

    def __init__(self, parent=None, *, memory_max=None, pids_max=None, cpu_max=None):
        limits = {}
        if memory_max is not None:
            limits["memory.max"] = str(memory_max)
        if pids_max is not None:
            limits["pids.max"] = str(pids_max)
        if cpu_max is not None:
            limits["cpu.max"] = cpu_text(cpu_max)
        controllers = {name.partition(".")[0] for name in limits}
        if parent is None:
            folder = make_anywhere(controllers)
        else:
            parent = parent.path if isinstance(parent, Cgroup) else os.fsdecode(parent)
            folder = make_in(parent, controllers)
        self.path = folder
        self._owner = os.getpid()
        try:
            for name, text in limits.items():
                write_limit(folder, name, text)
            self._fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except BaseException:
            os.rmdir(folder)
            raise

    def __repr__(self):
        return f"<Cgroup {self.path}>"

    def fileno(self):
        """Return a descriptor of its directory.

        Returns int.
        Raises ValueError after close().

        Not in asyncio.
        """
        if self._fd is None:
            raise ValueError("the cgroup was closed")
        return self._fd

    def pids(self):
        """List the processes in it, and in cgroups in it.

        Returns list[int]; empty after close().

        Not in asyncio.
        """
        return sorted(members(self._fd)) if self._fd is not None else []

    def kill(self):
        """Kill everything in it, and in cgroups in it.

        Not in asyncio.
        """
        kill(self.fileno())

    def close(self):
        """Kill everything in it, wait until that is gone, and remove it.

        A second call, or one in a process forked off, does nothing.
        It takes milliseconds, during which the loop does not run.

        Raises OSError if it could not be removed in 5 seconds.

        Not in asyncio.
        """
        fd, self._fd = self._fd, None
        if fd is not None:
            try:
                if self._owner == os.getpid():
                    empty(fd)
                    remove(self.path)
            finally:
                os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def __del__(self):
        if self._fd is not None:
            os.close(self._fd)
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)


Cgroup.__module__ = __package__  # where users find it


def write_limit(folder, name, text):
    try:
        write_in(folder, name, text)
    except OSError as error:
        raise OSError(error.errno, f"{name} does not take {text!r}") from None


def empty(cgroup):
    """Kill and wait."""
    deadline = time.monotonic() + PATIENCE
    pause = FIRST_PAUSE
    while is_populated(cgroup) and time.monotonic() < deadline:
        kill(cgroup)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def remove(path):
    """Remove it, and the cgroups that processes have made in it."""
    for folder, *_ in os.walk(path, topdown=False, onerror=raise_in_a_shortage):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(folder)
