# SPDX-License-Identifier: MIT
"""The figures as text: results.csv, and the tables that the terminal, the report and the page in docs/ show."""
import csv
import statistics
from dataclasses import dataclass

from . import costs
from .allocators import BASE
from .analysis import MEMORY, TIME, rows_by_name
from .jobs import GROUPS

FIGURES = {TIME: "time", MEMORY: "peak RSS"}


def write_csv(results, path):
    """All figures, one a line: section, name, allocator, round, key, value."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["section", "name", "allocator", "round", "key", "value"])
        for job, of_job in results["series"].items():
            for allocator, one in of_job.items():
                for run in one["runs"]:
                    for key, value in run.items():
                        if key != "round":
                            writer.writerow(["rounds", job, allocator, run["round"], key, value])
                if one["failure"]:
                    writer.writerow(["rounds", job, allocator, "", "failure", one["failure"]])
        for section, rows in results["extras"].items():
            for row in rows:
                for key, value in row.items():
                    if key not in ("name", "allocator", "round", "samples"):
                        writer.writerow([section, row["name"], row["allocator"], row.get("round", ""), key, value])


def ratio(figure):
    """A ratio with its interval, if it has any extent; the dash of a figure that is not there."""
    if not figure:
        return "-"
    if figure["low"] == figure["high"]:
        return f"{figure['ratio']:.2f}"
    return f"{figure['ratio']:.2f} ({figure['low']:.2f}..{figure['high']:.2f})"


def mean_rows(summary, allocators, figure):
    """(title, cells) for each group that has jobs, and for all."""
    rows = []
    for group in (*GROUPS, "all"):
        means = summary["means"][group]
        if any(means[name][figure] or means[name]["failed"] for name in allocators):
            rows.append(
                (
                    f"geometric mean, {GROUPS.get(group, group)} ({n_jobs(means)})",
                    [mean_cell(means[name], figure) for name in allocators],
                )
            )
    return rows


def n_jobs(means):
    """How many jobs the means are of; the base's is never missing but for its own failures."""
    mean = means[BASE][TIME] or means[BASE][MEMORY]
    return mean["jobs"] if mean else "failed"


def in_the_means(results):
    """Which jobs the geometric means are of, in words."""
    parts = []
    for group, title in GROUPS.items():
        names = [job["name"] for job in results["jobs"] if job["group"] == group]
        if names:
            parts.append(f"{title}: {', '.join(names)}")
    skipped = [f"{name} ({why})" for name, why in results["skipped"].items()]
    return "; ".join(parts) + (f"; skipped: {', '.join(skipped)}" if skipped else "")


def mean_cell(mean, figure):
    if mean["failed"]:
        return f"failed in {len(mean['failed'])}"
    return ratio(mean[figure])


def job_rows(results, summary, allocators, figure, group):
    return [
        (job["name"], [job_cell(summary["jobs"][job["name"]][name], figure) for name in allocators])
        for job in results["jobs"]
        if job["group"] == group
    ]


def job_cell(cell, figure):
    return "failed" if cell["failure"] else ratio(cell[figure])


def compared(results):
    """The names of all allocators but the base."""
    return [one["name"] for one in results["allocators"] if one["name"] != BASE]


def text(results, summary):
    """The summary for the terminal."""
    names = compared(results)
    if not results["jobs"] or not names:
        return ""
    lines = []
    for figure, title in FIGURES.items():
        rows = [row for group in GROUPS for row in job_rows(results, summary, names, figure, group)]
        rows += mean_rows(summary, names, figure)
        width = max(len(row[0]) for row in rows)
        lines.append("")
        lines.append(f"{title + f', ratio to {BASE}':{width}} " + " ".join(f"{name:>17}" for name in names))
        lines += [f"{name:{width}} " + " ".join(f"{cell:>17}" for cell in cells) for name, cells in rows]
    text_of_noise = noise(summary)
    return "\n".join(lines + (["", f"noise: {text_of_noise}"] if text_of_noise else []))


def noise(summary):
    """How much the base's own runs differ; empty if there is only one round."""
    values = sorted(value for value in summary["spread"].values() if value is not None)
    if not values:
        return ""
    return (
        f"the middle half of {BASE}'s runs differs by {values[len(values) // 2]:.1%} of its median "
        f"(middle workload), {values[-1]:.1%} (worst)"
    )


def number(value, key):
    """A figure of the summary as text: seconds, or KiB as MiB."""
    if value is None:
        return "-"
    return f"{value:.3f}" if key == "seconds" else f"{value / 1024:.1f}"


# ---- sections of the extras that are tables by nature ----


@dataclass
class Table:
    title: str
    text: str
    header: list
    rows: list  # of a first cell and a list of cells


def of_costs(results):
    """The tables of start-up, threads that allocate once, and heaps of all sizes, as far as they were measured."""
    return [one for one in (startup(results), idle_threads(results), heap_sizes(results)) if one.rows]


def startup(results):
    more = costs.startup_differences(rows_by_name(results, "startup").get("true", {}), BASE)
    rows = [
        (name, [amount(one["cpu"], 1e6), amount(one["seconds"], 1e6), amount(one["rss_exit"], 1), amount(one["rss_peak"], 1)])
        for name, one in more.items()
    ]
    return Table(
        "Start-up",
        f"What a library adds to a process that only starts and ends (`true`), above {BASE} preloaded alike: medians over starts that "
        "follow each other in turn. RSS at the end is counted page by page, in starts of their own; the kernel's count of the peak is "
        "rough, as each processor keeps a part of it to itself.",
        ["", "processor time, µs", "by the clock, µs", "RSS at the end, KiB", "peak RSS by the kernel's count, KiB"],
        rows,
    )


def amount(one, factor):
    return f"{one['more'] * factor:.0f} ({one['low'] * factor:.0f}..{one['high'] * factor:.0f})" if one else "-"


def idle_threads(results):
    keys = ("waiting_bytes", "ended_bytes", "freed_bytes")
    by_allocator = rows_by_name(results, "idle-threads").get("threads", {})
    rows = [
        (name, [f"{statistics.median(row[key] for row in found):.0f}" for key in keys])
        for name, found in by_allocator.items()
    ]
    number = min((row["idle_threads"] for found in by_allocator.values() for row in found), default=0)
    return Table(
        "Threads that allocate once",
        f"Bytes for each of {number:.0f} threads that are there at the same time and allocate one block of 64 bytes each, above what "
        "the same threads take that do not call malloc.",
        ["", "while they wait", "they have ended, the blocks live", "the blocks are freed"],
        rows,
    )


def heap_sizes(results):
    by_name = rows_by_name(results, "heap-sizes")
    times, looks = (costs.heap_times(by_name, key) for key in ("replace", "look"))
    sizes = sorted({live for one in times.values() for live in one})
    rows = [
        (name, [f"{one[live]:.1f}" if live in one else "-" for live in sizes]
               + [f"{costs.dearest_to_cheapest(which[name]):.1f}" for which in (times, looks)])
        for name, one in times.items()
    ]  # fmt: skip
    return Table(
        "Heaps of any size",
        "Nanoseconds of replacing a random block while so much is alive, in blocks of 16 to 1024 bytes: a look at it, free, malloc, and "
        "writing to the new one. Large heaps cost cache misses, small ones what is given up and taken again. Last: the dearest divided by "
        "the cheapest; and the same for a mere look at a random block, with its writing.",
        ["ns", *(costs.size_text(live) for live in sizes), "factor", "of looks"],
        rows,
    )
