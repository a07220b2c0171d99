# SPDX-License-Identifier: MIT
"""The figures as text: results.csv, and the tables that the terminal, the report and the page in docs/ show."""
import csv

from .allocators import BASE
from .analysis import MEMORY, TIME
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
                    f"geometric mean, {GROUPS.get(group, group)}",
                    [mean_cell(means[name], figure) for name in allocators],
                )
            )
    return rows


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
