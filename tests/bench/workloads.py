"""The workloads: how much of each, in which unit, and what its goal is.

Every contender measures a workload in a process of its own and prints one line of JSON with raw
figures: wall and cpu in seconds (user and system time of that process, its children not counted)
and whatever else `figures` names.
"""

from dataclasses import dataclass

CHILDREN = ("asyncio", "uvloop", "fastproc", "fastproc-uvloop", "trio", "node", "go", "floor")
PYTHON = ("asyncio", "uvloop", "fastproc", "fastproc-uvloop")
STREAMS = (*PYTHON, "trio", "floor")


@dataclass(frozen=True)
class Figure:
    """One row of the report: `key` of the raw figures, divided by the amount, times `scale`."""

    title: str
    unit: str
    key: str = "cpu"
    scale: float = 1e6
    per_unit: bool = True
    goal: str = ""


@dataclass(frozen=True)
class Workload:
    name: str
    amount: int
    quick: int
    contenders: tuple
    figures: tuple
    one_processor: bool = False  # what the kernel does with two is most of the figure otherwise

    @property
    def function(self):
        """What the contenders call it."""
        return self.name.removesuffix("-pinned")


def per_child(name, amount, title, goal, contenders=CHILDREN):
    cpu = Figure(f"{title}: CPU", "µs per child", goal=goal)
    wall = Figure(f"{title}: wall", "µs per child", key="wall")
    return Workload(name, amount, 50, contenders, (cpu, wall))


def per_mib(name, amount, title, goal, contenders, one_processor=False):
    cpu = Figure(f"{title}: CPU", "µs per MiB", goal=goal)
    wall = Figure(f"{title}: wall", "µs per MiB", key="wall")
    return Workload(name, amount, 8, contenders, (cpu, wall), one_processor)


def pingpong(name, title, one_processor=False):
    cpu = Figure(f"{title}: CPU", "µs per round", goal="14; uvloop 7")
    wall = Figure(f"{title}: wall", "µs per round", key="wall")
    return Workload(name, 3000, 300, (*PYTHON, "trio", "floor"), (cpu, wall), one_processor)


WORKLOADS = (
    per_child("spawn", 300, "spawn and wait", "1.3 x floor"),
    per_child("pipes", 200, "echo, two pipes, communicate", "1.4 x floor"),
    per_child("cat", 200, "cat, stdin and stdout, communicate", "1.5 x floor", STREAMS),
    Workload(
        "flight",
        400,
        100,
        CHILDREN,
        (
            Figure("100 in flight: wall", "µs per child", key="wall", goal="ahead of every peer"),
            Figure("100 in flight: CPU", "µs per child"),
        ),
    ),
    Workload(
        "burst",
        500,
        100,
        (*PYTHON, "trio"),
        (
            Figure("burst of 500: longest stall", "ms", "stall", 1e3, False, goal="10"),
            Figure("burst of 500: total time", "ms", "wall", 1e3, False, goal="no worse"),
        ),
    ),
    Workload(
        "exits",
        1000,
        100,
        PYTHON,
        (
            Figure("1,000 exits at once: longest stall", "ms", "stall", 1e3, False),
            Figure("1,000 exits at once: the loop's part", "ms", "work", 1e3, False),
            Figure("1,000 exits at once: all have resumed", "ms", "wall", 1e3, False),
        ),
    ),
    per_mib("capture", 64, "output by communicate()", "1.15 x floor", (*STREAMS, "node")),
    per_mib("relay", 128, "output by read(64 KiB)", "1.4 x floor", STREAMS),
    per_mib("relay-pinned", 128, "read(64 KiB), one processor", "1.4 x floor", STREAMS, True),
    per_mib("tail", 1024, "the last 64 KiB of 1 GiB", "as read(64 KiB)", PYTHON),
    per_mib("echo", 64, "through cat and back", "1.15 x floor", STREAMS),
    Workload(
        "lines",
        200000,
        20000,
        PYTHON,
        (Figure("async for line: CPU", "µs per line", goal="0.12"),),
    ),
    Workload(
        "readline",
        200000,
        20000,
        PYTHON,
        (Figure("readline(): CPU", "µs per line", goal="0.10"),),
    ),
    Workload(
        "any_lines",
        200000,
        20000,
        ("fastproc", "fastproc-uvloop"),
        (Figure("async for line in lines(): CPU", "µs per line"),),
    ),
    pingpong("pingpong", "ping-pong with cat"),
    pingpong("pingpong-pinned", "ping-pong, one processor", one_processor=True),
    Workload(
        "live",
        1000,
        100,
        (*PYTHON, "floor"),
        (
            Figure("a live child, two pipes: memory", "KiB", "memory", 1 / 1024, False, goal="1.5"),
            Figure("a live child, two pipes: descriptors", "", "descriptors", 1, False),
            Figure("one more beside 1,000: CPU", "µs", "beside", 1e6, False, goal="as beside none"),
            Figure("the same beside none: CPU", "µs", "alone", 1e6, False),
        ),
    ),
    per_child("run", 200, "run(): anyio's, trio's, ours", "by hand + 25", (*PYTHON, "trio")),
    per_child("run_by_hand", 200, "the same by create and communicate", "", PYTHON),
    per_child("run_in_thread", 200, "subprocess.run() in a thread", "", ("asyncio", "uvloop")),
    per_child("descriptors", 200, "spawn beside 6,000 open files", "", (*PYTHON, "floor")),
    per_child("bigparent", 200, "spawn from a parent of 1 GiB", "within 10 %", (*PYTHON, "floor")),
    per_child("without_options", 300, "1 GiB and 100 threads: spawn", "", ("asyncio", "fastproc")),
    per_child(
        "with_options",
        300,
        "the same with limits, death signal",
        "within 10 %",
        ("asyncio", "fastproc"),
    ),
    Workload(
        "import",
        1,
        1,
        ("fastproc", "uvloop"),
        (Figure("import, beyond asyncio's", "ms", "wall", 1e3, False, goal="3"),),
    ),
)
