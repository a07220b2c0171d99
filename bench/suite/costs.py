# SPDX-License-Identifier: MIT
"""Sections of what an allocator costs where nothing much is done: a process that only starts, threads that allocate once,
and calls in heaps from small to large. Rows as those of extras."""
import statistics

from .jobs import quick_argument, run_workload
from .process import Failure
from .rounds import turns
from .statistic import differences

STARTS, QUICK_STARTS = 100, 50

STARTUP_KEYS = ("cpu", "seconds", "rss_exit", "rss_peak")


def startup(machinery, _jobs, allocators, quick, progress):
    """`true`, again and again on each library in turn; a row a start."""
    n_starts = QUICK_STARTS if quick else STARTS
    progress.n_steps = n_starts
    rows, failed = [], set()
    for number in range(n_starts):
        progress.step("starts", "all")
        turn = number % len(allocators)
        for allocator in allocators[turn:] + allocators[:turn]:
            if allocator.name not in failed:
                row = {"name": "true", "allocator": allocator.name, "round": number + 1}
                try:
                    row.update(machinery.run(allocator, ["true"], timeout=60).check("true").figures)
                    traced = machinery.run(allocator, ["true"], timeout=60, at_exit=True).check("true").figures
                    row["rss_exit"] = traced["rss_exit"]
                except Failure as failure:
                    row["failure"] = str(failure)
                    failed.add(allocator.name)
                rows.append(row)
    return rows


def startup_differences(by_allocator, base):
    """{allocator: {key of STARTUP_KEYS: figures}} of {allocator: rows}: medians of what each start takes more than that of the base
    in its turn, with their intervals."""
    return {
        name: {key: differences(rows, by_allocator[base], key) for key in STARTUP_KEYS}
        for name, rows in by_allocator.items()
        if name != base and base in by_allocator
    }


def idle_threads(machinery, _jobs, allocators, quick, progress):
    return repeated(machinery, "idle-threads", allocators, quick, progress, idle_threads_rows)


def idle_threads_rows(figures):
    keys = ("idle_threads", "waiting_bytes", "ended_bytes", "freed_bytes")
    return [{"name": "threads", **{key: figures[key] for key in keys}}]


def heap_sizes(machinery, _jobs, allocators, quick, progress):
    return repeated(machinery, "heap-sizes", allocators, quick, progress, heap_sizes_rows)


def heap_sizes_rows(figures):
    """A row a size."""
    sizes = sorted(int(key.split("_")[1]) for key in figures if key.startswith("look_"))
    rows = []
    for live in sizes:
        look, replace = figures[f"look_{live}_ns"], figures[f"replace_{live}_ns"]
        rows.append({"name": size_text(live), "live": live, "look": look, "replace": replace})
    return rows


def heap_times(by_name, key):
    """{allocator: {live bytes: nanoseconds}} of {name: {allocator: rows}}, medians over the rounds; of "replace" or "look".
    Their difference would not be what the calls cost: the processor goes on with them while it waits for the block."""
    found = {}
    for by_allocator in by_name.values():
        for allocator, rows in by_allocator.items():
            found.setdefault(allocator, {})[rows[0]["live"]] = statistics.median(row[key] for row in rows)
    return found


def dearest_to_cheapest(times):
    return max(times.values()) / min(times.values())


def size_text(size):
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:g} {unit}"
    return f"{size} bytes"


def repeated(machinery, name, allocators, quick, progress, rows_of):
    """A program of bench/growing on each library in turn, a few times."""
    program = machinery.build / "bench/growing" / name
    rows = []
    for repeat, allocator in turns(allocators, quick, progress):
        common = {"allocator": allocator.name, "round": repeat}
        try:
            figures = run_workload(machinery, allocator, program, quick_argument(quick))
            rows += [{**row, **common} for row in rows_of(figures)]
        except Failure as failure:
            rows.append({"name": name, **common, "failure": str(failure)})
    return rows
