"""Counts the system calls of the parent per child, with strace: figures without noise."""

import shutil
import subprocess
import tempfile

from .report import simple_table

WORKLOADS = {"spawn": "spawn, wait", "pipes": "echo, two pipes", "cat": "cat, stdin, stdout"}
CONTENDERS = ("asyncio", "uvloop", "fastproc", "floor")
FEW, MANY = 50, 250

# Each call of ours, and why it is made.
REASONS = {
    "clone3": "the child, with its pidfd",
    "pipe2": "the outcome of the exec, and each pipe that was asked for",
    "fcntl": "our end of each of those, made non-blocking: the child's must not be",
    "rt_sigprocmask": "no handler of ours may run in a child that shares our memory",
    "close": "both ends of the outcome pipe and of each other pipe, the pidfd",
    "epoll_ctl": "outcome pipe, pidfd and pipes: added; removed, as a new child may hold a copy",
    "epoll_wait": "for each turn of the loop one of its own and one of the hub's",
    "read": "the outcome; output; the end of a pipe that was not seen to hang up",
    "write": "the input",
    "waitid": "exit status and resource usage",
}


def count_once(command, workload, amount):
    """{system call: how often}, of the process itself."""
    with tempfile.NamedTemporaryFile("r") as output:
        traced = ["strace", "-c", "-o", output.name, *command, workload, str(amount)]
        subprocess.run(traced, check=True, stdout=subprocess.DEVNULL)
        rows = [line.split() for line in output]
    counted = {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit()}
    counted.pop("total", None)
    return counted


def count(command, workload):
    """{system call: how often per child}"""
    few, many = (count_once(command, workload, amount) for amount in (FEW, MANY))
    counts = {name: (many[name] - few.get(name, 0)) / (MANY - FEW) for name in many}
    return {name: n for name, n in counts.items() if n >= 0.05}


def measure(contenders):
    """{workload: {contender: {system call: number}}}; empty without strace."""
    if shutil.which("strace") is None:
        return {}
    names = [name for name in CONTENDERS if name in contenders]
    return {
        workload: {name: count(contenders[name], workload) for name in names}
        for workload in WORKLOADS
    }


def shown(number):
    return f"{number:.1f}".removesuffix(".0") if number else ""


def table_rows(workload, counts):
    """Ours first, call by call; the interpreter's own and what others need besides in one row."""
    names = list(counts)
    yield [WORKLOADS[workload], *names, "why"]
    ours = [call for call in REASONS if call in counts["fastproc"]]
    for call in ours:
        yield [call, *(shown(counts[name].get(call, 0)) for name in names), REASONS[call]]
    rest = {name: sum(n for c, n in counts[name].items() if c not in ours) for name in names}
    if any(rest.values()):
        yield ["other", *(shown(rest[name]) for name in names), ""]
    yield ["together", *(shown(sum(counts[name].values())) for name in names), ""]


def lines(counts):
    """The tables, as lines of reStructuredText."""
    head = ["", "System calls of the parent per child (strace -c):", ""] if counts else []
    tables = ([*simple_table(list(table_rows(*item))), ""] for item in counts.items())
    return head + [line for table in tables for line in table]
