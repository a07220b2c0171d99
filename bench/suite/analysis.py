# SPDX-License-Identifier: MIT
"""From runs to ratios: what the report and the page in docs/ say, as one dictionary."""
import statistics

from .allocators import BASE
from .jobs import GROUPS
from .statistic import estimate, mean_estimate, paired_ratios, spread

TIME, MEMORY = "time", "rss"
PERCENTILES = ("p50", "p90", "p99", "p99.9", "p99.99", "p99.999", "max")
FUNCTIONS = {"malloc": "malloc", "malloc64": "malloc(64)", "free": "free"}  # whose latencies are told


def summarise(jobs, series, allocators):
    """jobs: dictionaries with name, group, time_key; series: {job: {allocator: {"runs", "failure"}}}.

    Gives "jobs": {job: {allocator: {"time", "rss", "seconds", "rss_kib", "failure"}}}, "spread": {job: noise of the base},
    "means": {group: {allocator: {"time", "rss", "failed"}}} for each group and "all"."""
    ratios = {}
    table, noise = {}, {}
    for job in jobs:
        base = series[job["name"]][BASE]
        row = table[job["name"]] = {}
        noise[job["name"]] = spread([run[job["time_key"]] for run in base["runs"]])
        for name in allocators:
            one = series[job["name"]][name]
            bad = one["failure"] or (base["failure"] and f"{BASE} failed")
            keys = {TIME: job["time_key"], MEMORY: "rss_peak"}
            for figure, key in keys.items():
                ratios[job["name"], name, figure] = [] if bad else paired_ratios(one["runs"], base["runs"], key)
            row[name] = {
                "failure": bad or "",
                "seconds": median_of(one["runs"], job["time_key"]),
                "rss_kib": median_of(one["runs"], "rss_peak"),
                "rss_end_kib": median_of(one["runs"], "rss_end"),
                "rss_floor_kib": median_of(one["runs"], "rss_floor"),
                "rss_own_kib": median_of(one["runs"], "rss_own"),
                **{figure: estimate(ratios[job["name"], name, figure]) for figure in keys},
            }
    means = {group: means_of(of_group(jobs, group), table, ratios, allocators) for group in (*GROUPS, "all")}
    return {"jobs": table, "spread": noise, "means": means}


def of_group(jobs, group):
    return [job["name"] for job in jobs if group in ("all", job["group"])]


def means_of(names, table, ratios, allocators):
    """Geometric means. An allocator that failed in a job has none: leaving the job out could make it look better."""
    means = {}
    for allocator in allocators:
        failed = [name for name in names if table[name][allocator]["failure"]]
        means[allocator] = {"failed": failed}
        for figure in (TIME, MEMORY):
            columns = [ratios[name, allocator, figure] for name in names if ratios[name, allocator, figure]]
            means[allocator][figure] = None if failed else mean_estimate(columns)
    return means


def median_of(runs, key):
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def failures(series):
    """(job, allocator, why) of all that failed."""
    return [
        (job, allocator, one["failure"])
        for job, of_job in series.items()
        for allocator, one in of_job.items()
        if one["failure"]
    ]


def rows_by_name(results, section):
    """{name: {allocator: [rows]}} of a section of the extras."""
    found = {}
    for row in results["extras"].get(section, []):
        if not row.get("failure") and not row.get("unavailable"):
            found.setdefault(row["name"], {}).setdefault(row["allocator"], []).append(row)
    return found


def latencies(results):
    """{(job, function): {allocator: [nanoseconds at each percentile]}}, medians over the rounds."""
    found = {}
    for job, of_job in results["series"].items():
        for allocator, one in of_job.items():
            for function in FUNCTIONS:
                keys = [f"{function}_{percentile}_ns" for percentile in PERCENTILES]
                if one["runs"] and not one["failure"] and all(key in one["runs"][0] for key in keys):
                    values = [statistics.median(run[key] for run in one["runs"]) for key in keys]
                    found.setdefault((job, function), {})[allocator] = values
    return found


def speeds(by_allocator):
    """{allocator: [(threads, million operations a second)]}, medians over the rounds."""
    return {
        name: [
            (number, statistics.median(row["ops"] / row["seconds"] / 1e6 for row in rows if row["threads"] == number))
            for number in sorted({row["threads"] for row in rows})
        ]
        for name, rows in by_allocator.items()
    }
