# SPDX-License-Identifier: MIT
"""docs/benchmarks.md: what each workload imitates and why, how noise is handled, and the figures of one full run."""
import textwrap

from . import bars, tables
from .allocators import BASE
from .analysis import FUNCTIONS, PERCENTILES, failures, latencies, rows_by_name, speeds
from .jobs import GROUPS
from .statistic import estimate, paired_ratios

WIDTH = 120

INTRODUCTION = """\
<!-- SPDX-License-Identifier: MIT -->
# Benchmarks

Written by `bench/run --write-docs`: change the suite, not this page.

```
bench/run            # everything; ends with the name of report.html, which shows all figures
bench/run --quick    # under three minutes: a look, no figures to quote
bench/run --help     # rounds, other libraries (--lib NAME=PATH), parts (--only), comparing two results
```

It installs what is missing (as root), builds a release in `build-bench/`, and runs the same programs, which know nothing of
allocators, on each malloc library by `LD_PRELOAD`. Results go to `build-bench/results/`: `results.json`, `results.csv`, a picture
of each figure (SVG, with its gnuplot script) and one `report.html`.
"""

METHOD = f"""\
## How it is measured

**Rounds.** A round goes through the jobs in a random order, and runs each job on all libraries one after the other, again in a
random order. What slows the machine down for a while, so, hits all of them. The figure of a job is the median, over the rounds, of
the ratio to {BASE} *within* the round.

**Intervals.** The rounds are resampled a thousand times (bootstrap); 95 % of the medians lie in the interval that stands in brackets
or as a bar. The geometric means are resampled job by job. Jobs of which an interval is wider than a tenth after all rounds get up to as
many rounds again; who is ahead has no part in that. Two libraries whose intervals overlap are not told apart by this run.

**Noise.** The spread of {BASE}'s own runs is shown: the distance of the quartiles as a part of the median. `--lib again=PATH` with the
path of the C library itself shows what the whole suite makes of no difference at all, and `--compare A.json B.json` how far two runs
are apart.

**Time** is that of the processors, user and system, wherever nothing waits: programs of one thread, and servers, whose client runs
on the C library beside them. It hardly changes when other processes take the machine away for a while. Workloads of several threads
are compared by the clock, as threads that wait for each other take no processor time. Of programs of ours it is the measured phase
alone, without the start. **Memory** is the peak of the resident set (for servers with several processes the sum of PSS, sampled).
The starter of all commands is a tiny program of its own, as a process inherits the peak of the one that it was forked from.

**Right results.** Each program of ours checks the contents of its blocks; of real programs the output is compared with that on {BASE}.
A library that gives a wrong result, or crashes, has failed in that job, and has no geometric mean: leaving the job out could make
it look better. The loader must show that the library is in effect before anything is measured.

{BASE} itself is preloaded as all others are (its `libc.so.6`), so that programs that Debian links with another allocator, such as
redis with jemalloc, run on it.
"""


def write(results, summary, path):
    parts = [
        INTRODUCTION,
        METHOD,
        "## What is run\n\n" + what_is_run(results),
        "## Figures\n\n" + conditions(results, summary),
        the_bars(results),
        means(results, summary),
        *(jobs_table(results, summary, figure, group) for figure in tables.FIGURES for group in GROUPS),
        after_the_last_free(results, summary),
        memory_return(results),
        latency(results),
        threads(results),
        *(costs_table(one) for one in tables.of_costs(results)),
        instructions(results),
        micro(results),
        failed(results),
    ]
    path.write_text("\n".join(part.rstrip() + "\n" for part in parts if part), encoding="utf-8")


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def wrapped(text):
    return textwrap.fill(text, WIDTH, break_on_hyphens=False) + "\n"


def what_is_run(results):
    parts = []
    for group, title in GROUPS.items():
        rows = [(f"`{job['name']}`", job["imitates"], job["why"]) for job in results["jobs"] if job["group"] == group]
        if rows:
            parts.append(f"{title.capitalize()}:\n\n" + table(["name", "what it does", "why"], rows))
    skipped = [f"`{name}` ({why})" for name, why in results["skipped"].items()]
    if skipped:
        parts.append("Skipped in this run: " + ", ".join(skipped) + ".\n")
    return "\n".join(parts)


def conditions(results, summary):
    machine, settings = results["machine"], results["settings"]
    libraries = ", ".join(f"{one['name']} {one['version']}" for one in results["allocators"])
    text = (
        f"{machine['date']}; {machine['processor']}, {machine['cores']} cores, {machine['memory']}; {machine['system']}, "
        f"Linux {machine['kernel']}, huge pages: {machine['huge pages']}; {machine['compiler']}. {libraries}. "
        f"Rounds: {settings['rounds']}{', quick' if settings['quick'] else ''}. "
    )
    if results["absent"]:
        text += "Absent: " + ", ".join(f"{name} ({why})" for name, why in results["absent"].items()) + ". "
    noise = tables.noise(summary)
    text += f"Noise: {noise}." if noise else ""
    return wrapped(text)


def the_bars(results):
    """What is to be reached, and whether this run did."""
    found = bars.verdicts(results)
    text = f"What the library is to reach (`bench/suite/bars.py`), and what this run says of it. {bars.tally(found)}. A bar is met if its "
    text += "figure is at most the limit; the interval stands beside it. A bar of which the run lacks a part is never met: it is not "
    text += "measured, unless what there is does not meet it."
    if results["settings"]["quick"]:
        text += " This was a quick run: no figures to quote."
    parts = ["### Bars\n\n" + wrapped(text), table(["bar", "limit", "", "figure"], bars.rows(found))]
    for title, items in bars.lists(found):
        parts.append(wrapped(f"{title[0].upper()}{title[1:]}:") + "\n" + table(["", "figure", "why"], items))
    return "\n".join(parts)


def costs_table(one):
    return f"### {one.title}\n\n" + wrapped(one.text) + "\n" + table(one.header, [(first, *cells) for first, cells in one.rows])


def means(results, summary):
    names = tables.compared(results)
    parts = ["### Geometric means\n\n" + wrapped(f"Of these jobs: {tables.in_the_means(results)}.")]
    for figure, title in tables.FIGURES.items():
        rows = [(text, *cells) for text, cells in tables.mean_rows(summary, names, figure)]
        if rows:
            parts.append(table([f"{title}, ratio to {BASE}", *names], rows))
    return "\n".join(parts) if len(parts) > 1 else ""


def jobs_table(results, summary, figure, group):
    names = tables.compared(results)
    rows = [(f"`{text}`", *cells) for text, cells in tables.job_rows(results, summary, names, figure, group)]
    if not rows:
        return ""
    title = tables.FIGURES[figure]
    return f"### {title[0].upper() + title[1:]} of {GROUPS[group]}\n\n" + table([f"ratio to {BASE}", *names], rows)


def by_name(results, section, text, cell):
    """A table of a section of the extras: a row a name, a column an allocator; cell makes the text of its rows."""
    found = rows_by_name(results, section)
    if not found:
        return ""
    present = {name for by_allocator in found.values() for name in by_allocator}
    names = [name for name in ("floor", *(one["name"] for one in results["allocators"])) if name in present]
    rows = [
        (name, *(cell(by_allocator[one]) if one in by_allocator else "-" for one in names))
        for name, by_allocator in found.items()
    ]
    return text + "\n" + table(["", *names], rows)


def after_the_last_free(results, summary):
    """What stays of each job that frees everything before it ends."""
    names = [one["name"] for one in results["allocators"]]
    rows = []
    for job in results["jobs"]:
        cells = [summary["jobs"][job["name"]][name]["rss_floor_kib"] for name in names]
        if any(cells):
            own = summary["jobs"][job["name"]][BASE]["rss_own_kib"]
            rows.append((f"`{job['name']}`", *(tables.number(cell, "rss_floor_kib") for cell in (own, *cells))))
    if not rows:
        return ""
    text = (
        "RSS in MiB a second after the last free, with no call made meanwhile; of redis two seconds after FLUSHALL. Own is what of it "
        "is the program's static arrays, in which it keeps its blocks."
    )
    return "### After the last free\n\n" + wrapped(text) + "\n" + table(["MiB", "own", *names], rows)


def memory_return(results):
    def cell(rows):
        row = rows[0]
        seconds = f"{row['return_seconds']:.1f} s" if "return_seconds" in row else "never"
        return f"{seconds}, {row['return_floor'] / 1024:.1f} MiB"

    text = "A process fills 128 MiB and frees all of it in random order: seconds from the last free until nine tenths of what comes "
    text += f"back have come back, within {watched(results):.0f} seconds, and the least RSS after it. Never: at least half of it stays. Idle processes call "
    text += "nothing meanwhile, busy ones go on with a few small blocks in each thread."
    return by_name(results, "return", "### Memory that comes back\n\n" + wrapped(text), cell)


def watched(results):
    """How many seconds after the last free memory was looked at."""
    return max(
        (row["samples"][-1][0] for row in results["extras"].get("return", []) if row.get("samples")), default=0
    )


def latency(results):
    names = [one["name"] for one in results["allocators"]]
    parts = []
    for (job, function), by_allocator in latencies(results).items():
        rows = [(name, *(f"{value:.0f}" for value in by_allocator[name])) for name in names if name in by_allocator]
        parts.append(table([f"`{FUNCTIONS[function]}` in `{job}`, ns", *PERCENTILES], rows))
    return "### Latency\n\n" + "\n".join(parts) if parts else ""


def threads(results):
    def cell(rows):
        return ", ".join(f"{speed:.1f}" for _, speed in speeds({"": rows})[""])

    numbers = sorted({row["threads"] for row in results["extras"].get("threads", []) if "threads" in row})
    text = f"Million operations a second with {', '.join(map(str, numbers))} threads, on {results['machine']['cores']} cores."
    return by_name(results, "threads", "### Scaling over threads\n\n" + wrapped(text), cell)


def instructions(results):
    text = "Instructions of an iteration, counted by callgrind (`bench/instructions`)."
    silent = [row["allocator"] for row in results["extras"].get("instructions", []) if row.get("unavailable")]
    text += f" Not run by valgrind: {', '.join(silent)}." if silent else ""
    return by_name(
        results, "instructions", "### Instructions\n\n" + wrapped(text), lambda rows: rows[0]["instructions"]
    )


def micro(results):
    found = rows_by_name(results, "micro")
    names = tables.compared(results)
    rows = []
    for name, by_allocator in found.items():
        base = by_allocator.get(BASE, [])
        estimates = [estimate(paired_ratios(by_allocator.get(one, []), base, "nanoseconds")) for one in names]
        rows.append((f"`{name}`", *(f"{one['ratio']:.2f}" if one else "-" for one in estimates)))
    return "### Single operations\n\n" + table([f"time, ratio to {BASE}", *names], rows) if rows else ""


def failed(results):
    bad = failures(results["series"])
    return "### Failed\n\n" + "".join(f"- `{job}` on {name}: {why}\n" for job, name, why in bad) if bad else ""
