# SPDX-License-Identifier: MIT
"""What each figure shows: from results to pictures, in the order in which the report shows them."""
from dataclasses import dataclass, field

from . import costs, plot
from .allocators import BASE
from .analysis import FUNCTIONS, MEMORY, PERCENTILES, TIME, latencies, rows_by_name, speeds
from .jobs import GROUPS
from .statistic import estimate, paired_ratios
from .tables import compared


@dataclass
class Section:
    """A heading of the report, what to know about its figures, and the figures."""

    title: str
    text: str
    pictures: list = field(default_factory=list)


def sections(results, summary, folder):
    """Draws everything that the results have; a list of Section."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.svg"), *folder.glob("*.gp")):
        old.unlink()
    found = [
        ratios(results, summary, folder),
        timeline(results, folder),
        memory_return(results, folder),
        latency(results, folder),
        threads(results, folder),
        heap_sizes(results, folder),
        instructions(results, folder),
        micro(results, folder),
    ]
    return [section for section in found if section.pictures]


def ratios(results, summary, folder):
    section = Section(
        "Time and memory",
        f"Each point is the median of the ratios to {BASE} within a round, its bar the interval that holds 95 % of the "
        "medians of resampled rounds. Left of 1 is faster, or leaner. Time is that of the processors; with several "
        "threads, the clock's.",
    )
    names = compared(results)
    titles = {TIME: ("time", "time"), MEMORY: ("memory", "peak RSS")}
    for figure, (file, title) in titles.items():
        for group, group_title in GROUPS.items():
            rows = [
                dot_row(job["name"], summary["jobs"][job["name"]], names, figure)
                for job in results["jobs"]
                if job["group"] == group
            ]
            if rows and names:
                rows.append(mean_row(summary["means"][group], names, figure))
                title_text = (
                    f"{title.capitalize() if figure == TIME else 'Peak RSS'} of {group_title}, ratio to {BASE}"
                )
                section.pictures.append(
                    plot.dots(
                        folder, f"{file}-{group}", title_text, f"{title}, ratio to {BASE} (logarithmic)", rows, BASE
                    )
                )
    points = scatter_points(summary["means"]["all"], [BASE, *names])
    if len(points) > 1:
        section.pictures.insert(0, plot.scatter(
            folder, "scatter", "Time against memory, geometric means of all workloads and programs",
            f"time, ratio to {BASE} (logarithmic)", f"peak RSS, ratio to {BASE} (logarithmic)", points,
        ))  # fmt: skip
    return section


def dot_row(name, of_job, names, figure):
    figures = {one: of_job[one][figure] for one in names if of_job[one][figure]}
    notes = {one: "failed" for one in names if of_job[one]["failure"]}
    return name, figures, notes, False


def mean_row(means, names, figure):
    figures = {one: means[one][figure] for one in names if means[one][figure]}
    notes = {one: f"failed in {len(means[one]['failed'])}" for one in names if means[one]["failed"]}
    return "geometric mean", figures, notes, True


def scatter_points(means, names):
    return {
        name: (means[name][TIME], means[name][MEMORY]) for name in names if means[name][TIME] and means[name][MEMORY]
    }


def memory_curves(folder, file, title, label, samples):
    """RSS over time, one line an allocator, and the live bytes of the base's run; samples: {allocator: samples}."""
    series = {name: [(at, rss / 1024) for at, _, rss in one] for name, one in samples.items() if len(one) > 1}
    area = [(at, live / 2**20) for at, live, _ in samples.get(BASE, [])]
    if not series:
        return []
    return [plot.curves(folder, file, title, plot.Axis(label), plot.Axis("RSS, MiB"), series, area)]


def timeline(results, folder):
    section = Section(
        "Memory over time",
        f"RSS in the first round, ten samples a second. Grey: the bytes that the program has asked for and not freed, in {BASE}'s "
        "run. The last second of each line comes after the last free, with no call made.",
    )
    for name, of_job in results["series"].items():
        samples = {allocator: one["samples"] for allocator, one in of_job.items()}
        section.pictures += memory_curves(folder, f"timeline-{name}", f"{name}: RSS over time", "seconds", samples)
    return section


def memory_return(results, folder):
    section = Section(
        "Memory that comes back",
        "A process fills 128 MiB and frees all of it in random order; time 0 is the last free. Idle: nothing is called after it. "
        "Busy: each thread goes on with a few small blocks.",
    )
    for name, by_allocator in rows_by_name(results, "return").items():
        file = "return-" + name.replace(", ", "-").replace(" ", "-")
        title = f"RSS around the last free, {name}"
        samples = {allocator: rows[0]["samples"] for allocator, rows in by_allocator.items()}
        section.pictures += memory_curves(folder, file, title, "seconds after the last free", samples)
    return section


def latency(results, folder):
    section = Section(
        "Latency",
        "How long single calls take: half of them at most what stands at p50, all but one in 100,000 what stands at p99.999. The "
        "last points are also the machine's: interrupts and other processes are in them.",
    )
    tics = tuple((name, index) for index, name in enumerate(PERCENTILES))
    units = ((1, "ns"), (1000, "µs"), (1000000, "ms"), (1000000000, "s"))
    times = tuple((f"{step} {unit}", step * factor) for factor, unit in units for step in (1, 10, 100))
    for (job, function), by_allocator in latencies(results).items():
        series = {
            name: [(index, max(value, 1)) for index, value in enumerate(values)]
            for name, values in by_allocator.items()
        }
        section.pictures.append(plot.curves(
            folder, f"latency-{job}-{function}", f"Latency of {FUNCTIONS[function]} in the workload {job}",
            plot.Axis("part of the calls that take at most so long", tics=tics),
            plot.Axis("time of a call (logarithmic)", log=True, tics=times), series,
        ))  # fmt: skip
    return section


def threads(results, folder):
    cores = results["machine"]["cores"]
    section = Section(
        "Scaling over threads",
        f"Operations a second, all threads together; higher is better. This machine has {cores} cores.",
    )
    for name, by_allocator in rows_by_name(results, "threads").items():
        series = speeds(by_allocator)
        numbers = sorted({number for one in series.values() for number, _ in one})
        if len(numbers) > 1:
            section.pictures.append(plot.curves(
                folder, f"threads-{name}", f"{name}: speed with more threads",
                plot.Axis("threads (logarithmic)", log=True, tics=tuple((str(number), number) for number in numbers)),
                plot.Axis("million operations a second"), series,
            ))  # fmt: skip
    return section


def heap_sizes(results, folder):
    section = Section(
        "Heaps of any size",
        "Time of replacing a random block while so much is alive, in blocks of 16 to 1024 bytes: a look at it, free, malloc, and writing "
        "to the new one. Large heaps cost cache misses.",
    )
    found = costs.heap_times(rows_by_name(results, "heap-sizes"), "replace")
    tics = tuple((costs.size_text(live), live) for live in sorted({live for one in found.values() for live in one}))
    if len(tics) > 1:
        times = tuple((f"{step} ns", step) for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000))
        section.pictures.append(plot.curves(
            folder, "heap-sizes", "Time of replacing a block in small and in large heaps",
            plot.Axis("live bytes (logarithmic)", log=True, tics=tics),
            plot.Axis("time of a step (logarithmic)", log=True, tics=times),
            {name: sorted(one.items()) for name, one in found.items()},
        ))  # fmt: skip
    return section


def plain_row(text, values, base):
    """A row of the dot figure from single values: the point of each allocator is its ratio to the base's."""
    figures = {
        name: {"ratio": value / base, "low": value / base, "high": value / base}
        for name, value in values.items()
        if name != BASE and value
    }
    return text, figures, {}, False


def instructions(results, folder):
    section = Section(
        "Instructions",
        "Instructions of one iteration of small loops, counted by callgrind, with the loop and the calls in it; floor is an allocator "
        "that does next to nothing. They do not depend on the noise of the machine, and say nothing of its caches.",
    )
    rows = []
    for name, by_allocator in rows_by_name(results, "instructions").items():
        values = {allocator: found[0]["instructions"] for allocator, found in by_allocator.items()}
        if values.get(BASE):
            rows.append(plain_row(name, values, values[BASE]))
    if rows:
        title = f"Instructions of an iteration, ratio to {BASE}"
        section.pictures.append(
            plot.dots(folder, "instructions", title, f"instructions, ratio to {BASE} (logarithmic)", rows, BASE)
        )
    return section


def micro(results, folder):
    section = Section(
        "Single operations",
        "By google-benchmark: medians over rounds of the ratio of times. Loops as short as these flatter an allocator that keeps "
        "the last block at hand; the workloads above are the better guide.",
    )
    rows = []
    for name, by_allocator in rows_by_name(results, "micro").items():
        figures = {
            allocator: estimate(paired_ratios(found, by_allocator.get(BASE, []), "nanoseconds"))
            for allocator, found in by_allocator.items()
            if allocator != BASE
        }
        rows.append((name, {key: value for key, value in figures.items() if value}, {}, False))
    for number, part in enumerate(parts(rows, 40)):
        title = f"Time of single operations, ratio to {BASE}" + (f" ({number + 1})" if len(rows) > 40 else "")
        section.pictures.append(
            plot.dots(folder, f"micro-{number + 1}", title, f"time, ratio to {BASE} (logarithmic)", part, BASE)
        )
    return section


def parts(rows, most):
    return [rows[start : start + most] for start in range(0, len(rows), most)]
