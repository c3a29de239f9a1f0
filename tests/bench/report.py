"""From the values of a benchmark to a table in reStructuredText, a plot, and a file of pyperf's."""

import os
import platform
import subprocess
import sys
import textwrap
from datetime import date

TITLES = {
    "asyncio": "asyncio",
    "uvloop": "uvloop",
    "fastproc": "_fastproc",
    "fastproc-uvloop": "on uvloop",
    "trio": "trio",
    "node": "Node",
    "go": "Go",
    "floor": "C floor",
}


def bench_of(values, name="cell"):
    """pyperf's view of one cell, which brings the statistics; it takes no zero."""
    import pyperf

    metadata = {"name": name}
    values = [max(value, 1e-12) for value in values]
    runs = [pyperf.Run([v], metadata=metadata, collect_metadata=False) for v in values]
    return pyperf.Benchmark(runs)


def median(values):
    return bench_of(values).median()


def spread(values):
    """The median absolute deviation, as a part of the median."""
    bench = bench_of(values)
    return bench.median_abs_dev() / bench.median() if len(values) > 1 else 0.0


def rounded(number):
    if number >= 100:
        return f"{number:.0f}"
    return f"{number:.2f}" if number < 1 else f"{number:.3g}"


def ratio(row, name, other):
    """How many times more the other contender takes; 2.1 means 2.1 times as much."""
    if name not in row or other not in row:
        return ""
    return f"{median(row[other]) / median(row[name]):.2g}"


def table_rows(workloads, contenders, values):
    columns = [name for name in TITLES if name in contenders]
    yield [
        "",
        "unit",
        *(TITLES[name] for name in columns),
        "asyncio / ours",
        "ours / floor",
        "goal",
    ]
    for workload in workloads:
        for figure in workload.figures:
            row = values[workload.name, figure.title]
            cells = []
            for name in columns:
                cell = ""
                if name in row:
                    cell = rounded(median(row[name]) * figure.scale)
                    cell += f" ±{spread(row[name]) * 100:.0f}%"
                cells.append(cell)
            cells += [ratio(row, "fastproc", "asyncio"), ratio(row, "floor", "fastproc")]
            yield [figure.title, figure.unit, *cells, figure.goal]


def simple_table(rows):
    """The lines of a simple table of reStructuredText; the first row is its head."""
    rows = [[cell or "\\" for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    return [rule, lines[0].rstrip(), rule, *(line.rstrip() for line in lines[1:]), rule]


def table(workloads, contenders, values):
    return simple_table(list(table_rows(workloads, contenders, values)))


def version_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip().splitlines()[0]


def surroundings(rounds):
    """When, where and with what it was measured, in lines that fit a page."""
    versions = [f"CPython {platform.python_version()}"]
    for name in ("uvloop", "trio"):
        if module := sys.modules.get(name) or import_or_none(name):
            versions.append(f"{name} {module.__version__}")
    if node := version_of("node", "--version"):
        versions.append(f"Node {node.lstrip('v')}")
    if go := version_of("go", "version"):
        versions.append(go.replace("go version ", "").split()[0].replace("go", "Go "))
    system = f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}"
    text = (
        f"{date.today()}, {system}, {os.cpu_count()} CPUs, {', '.join(versions)}; "
        f"medians of {rounds} rounds, ± the median absolute deviation."
    )
    return textwrap.fill(text, 120)


def import_or_none(name):
    try:
        return __import__(name)
    except ImportError:
        return None


def plot(path, workloads, contenders, values):
    """Bars of the CPU time, asyncio's being 1, readable on a light and on a dark background."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "fastproc", "svg.fonttype": "none"}
    import matplotlib.pyplot as pyplot

    shown = [
        (workload, figure)
        for workload in workloads
        for figure in workload.figures
        if figure.title.endswith(": CPU") and "asyncio" in values[workload.name, figure.title]
    ]
    columns = [name for name in TITLES if name in contenders]
    gray, colours = "#808080", pyplot.get_cmap("tab10").colors
    height = 0.8 / len(columns)
    chart, axes = pyplot.subplots(figsize=(9, 0.9 * len(shown) + 1))
    for at, name in enumerate(columns):
        places, widths = [], []
        for line, (workload, figure) in enumerate(shown):
            row = values[workload.name, figure.title]
            if name in row:
                places.append(line + at * height)
                widths.append(median(row[name]) / median(row["asyncio"]))
        title = TITLES[name].lstrip("_")  # with which it would be left out of the legend
        axes.barh(places, widths, height, label=title, color=colours[at])
    axes.set_yticks(
        [line + 0.4 for line in range(len(shown))],
        [figure.title.removesuffix(": CPU") for _, figure in shown],
    )
    axes.set_ylim(len(shown), -0.2)
    axes.set_xlim(0, 2)
    axes.axvline(1, color=gray, linewidth=0.8)
    axes.set_xlabel(
        "CPU time of the parent, asyncio = 1 (what is longer than 2 is cut)", color=gray
    )
    axes.tick_params(colors=gray)
    for spine in axes.spines.values():
        spine.set_color(gray)
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.4, 1),
        ncols=4,
        labelcolor=gray,
        frameon=False,
    )
    chart.tight_layout()
    chart.savefig(path, transparent=True, metadata={"Date": None})


def write(folder, rounds, workloads, contenders, values):
    import pyperf

    folder.mkdir(parents=True, exist_ok=True)
    lines = table(workloads, contenders, values)
    text = "\n".join([surroundings(rounds), "", *lines, ""])
    (folder / "table.rst").write_text(text)
    plot(folder / "cpu.svg", workloads, contenders, values)
    benches = [
        bench_of(cell, f"{workload} | {title} | {name}")
        for (workload, title), row in values.items()
        for name, cell in row.items()
    ]
    pyperf.BenchmarkSuite(benches).dump(str(folder / "values.json"), replace=True)
