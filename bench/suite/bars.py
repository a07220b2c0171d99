# SPDX-License-Identifier: MIT
"""What the library is to reach, in one table, and whether it did in a run.

A bar is met if its figure is at most the limit. It is not measured, and never met, if the run has no figure for it, or only for
a part of what it asks for and no figure of that part is above the limit.
"""
import math
import statistics
from dataclasses import dataclass, field
from typing import Callable

from . import costs
from .allocators import BASE, PACKAGES
from .analysis import MEMORY, PERCENTILES, TIME, latencies, rows_by_name, speeds
from .reasons import REASONS
from .statistic import estimate, mean_estimate, paired_ratios

OURS = "vmalloc"
MET, NOT_MET, NOT_MEASURED = "met", "not met", "not measured"
MIB = 2**20
WIDTH = 76  # of a bar's text on the terminal


class Missing(Exception):
    """The run has no figure for the bar; the text says which."""


@dataclass
class Item:
    """One of the things that a bar asks about: a workload, a size."""

    name: str
    value: float
    text: str


@dataclass
class Found:
    """The figure of a bar: what is compared with the limit, and its words. Items are listed where they are above the limit;
    missing is what a full answer lacks."""

    value: float
    text: str
    items: list = field(default_factory=list)
    missing: str = ""


@dataclass(frozen=True)
class Bar:
    key: str
    text: str
    limit: float
    unit: str
    measure: Callable


@dataclass
class Verdict:
    bar: Bar
    word: str
    figure: str
    above: list  # items


class Run:
    """The results of a run as the bars ask for them."""

    def __init__(self, results):
        self.results = results
        self.jobs, self.series = results["jobs"], results["series"]
        self.names = [one["name"] for one in results["allocators"]]
        self.peers = [name for name in self.names if name != OURS]
        if OURS not in self.names:
            raise Missing(f"{OURS} is not in this run")

    def lacking_peers(self):
        """Peers of the suite that are not in this run."""
        lacking = [name for name in PACKAGES if name not in self.names]
        return f"without {', '.join(lacking)}" if lacking else ""

    def lacking_jobs(self):
        """Whether only some of the jobs were run. Those that cannot run on this machine are named with the figures."""
        settings = self.results["settings"]
        if any(pattern != "*" for pattern in settings["only"]) or self.results["interrupted"]:
            return "only a part of the jobs was run"
        return ""

    def ratios(self, job, peer, key):
        """Ours to the peer's, round by round; none if one of them failed."""
        one, other = self.series[job["name"]][OURS], self.series[job["name"]][peer]
        if one["failure"] or other["failure"]:
            return []
        return paired_ratios(one["runs"], other["runs"], key)

    def rows(self, section):
        """{name: {allocator: [rows]}}"""
        found = rows_by_name(self.results, section)
        if not found:
            raise Missing(f"no section {section}")
        return found

    def failed(self, section):
        """Why we have no figure in a section; empty if we have."""
        for row in self.results["extras"].get(section, []):
            if row["allocator"] == OURS and (row.get("failure") or row.get("unavailable")):
                return row.get("failure") or row["unavailable"]
        return ""


# ---- what the bars compare ----


def mean_against(peer, figure):
    """The geometric mean over all jobs of our ratio to a peer."""

    def measure(run):
        if not run.jobs:
            raise Missing("no workloads")
        if peer not in run.names:
            raise Missing(f"{peer} is not in this run")
        if run.lacking_jobs():
            raise Missing(run.lacking_jobs())
        columns = []
        for job in run.jobs:
            ours, other = (run.series[job["name"]][name] for name in (OURS, peer))
            if ours["failure"]:
                return Found(math.inf, f"failed in {job['name']}")
            if other["failure"]:
                raise Missing(f"{peer} failed in {job['name']}")
            columns.append(run.ratios(job, peer, key_of(job, figure)))
        if not all(columns):
            raise Missing("not every job has a figure")
        mean = mean_estimate(columns)
        text = f"{mean['ratio']:.3f} ({mean['low']:.3f}..{mean['high']:.3f}), {len(columns)} jobs"
        skipped = run.results["skipped"]
        return Found(mean["ratio"], text + (f" without {', '.join(skipped)}" if skipped else ""))

    return measure


def key_of(job, figure):
    return job["time_key"] if figure == TIME else "rss_peak"


def worst_time(run):
    """Each job against whichever other library of the run is best in it."""
    items = []
    for job in run.jobs:
        ratios = {peer: estimate(run.ratios(job, peer, job["time_key"])) for peer in run.peers}
        items += worst_of(run, job, {peer: one for peer, one in ratios.items() if one})
    return worst_item(items, run.lacking_jobs() or run.lacking_peers())


def worst_memory(run):
    items = []
    for job in run.jobs:
        one = estimate(run.ratios(job, BASE, "rss_peak"))
        items += worst_of(run, job, {BASE: one} if one else {})
    return worst_item(items, run.lacking_jobs())


def worst_of(run, job, ratios):
    """The item of a job: our ratio to the peer to which it is greatest."""
    if run.series[job["name"]][OURS]["failure"]:
        return [Item(job["name"], math.inf, "failed")]
    if not ratios:
        return []
    peer = max(ratios, key=lambda name: ratios[name]["ratio"])
    one = ratios[peer]
    return [Item(job["name"], one["ratio"], f"{one['ratio']:.2f} ({one['low']:.2f}..{one['high']:.2f}) of {peer}'s")]


def worst_item(items, missing):
    if not items:
        raise Missing(missing or "no workloads")
    worst = max(items, key=lambda item: item.value)
    return Found(worst.value, f"{worst.name}: {worst.text}", items, missing)


def rest(run):
    """What stays a second after the last free, with no call made. Live is what the program holds itself: blocks, and the
    static arrays that it keeps them in."""
    items = []
    for job in run.jobs:
        one = run.series[job["name"]][OURS]
        if not any("live_end" in found for found in run.series[job["name"]][BASE]["runs"]):
            continue  # a program that does not free everything
        if one["failure"]:
            items.append(Item(job["name"], math.inf, "failed"))
            continue
        middle = {
            key: statistics.median(found.get(key, 0) for found in one["runs"])
            for key in ("rss_floor", "rss_peak", "live_end", "rss_own")
        }
        live = middle["live_end"] + middle["rss_own"] * 1024
        items.append(rest_item(job["name"], middle["rss_floor"], live, middle["rss_peak"]))
    items += rest_of_return(run)
    missing = run.lacking_jobs() or ("" if run.results["extras"].get("return") else "no section return")
    return worst_item(items, missing)


def rest_of_return(run):
    """The idle processes of the section: the last look within a second."""
    items = []
    for name, by_allocator in rows_by_name(run.results, "return").items():
        for row in by_allocator.get(OURS, []):
            looks = [(at, live, rss) for at, live, rss in row["samples"] if 0 <= at <= 1]
            if looks and name.startswith("idle"):
                _, live, rss = looks[-1]
                own = row.get("rss_own", 0) * 1024
                items.append(rest_item(f"return, {name}", rss, live + own, row["return_peak"]))
    return items


def rest_item(name, rss_kib, live_bytes, peak_kib):
    allowed = max(2 * MIB, peak_kib * 1024 / 10)
    value = (rss_kib * 1024 - live_bytes) / allowed
    text = f"{rss_kib / 1024:.1f} MiB, {live_bytes / MIB:.1f} live, {allowed / MIB:.1f} allowed"
    return Item(name, value, text)


def threads_left(run):
    """Threads of the allocator's own after the last free; main's is not."""
    items = []
    for job in run.jobs:
        numbers = [found["threads_end"] for found in run.series[job["name"]][OURS]["runs"] if "threads_end" in found]
        if numbers:
            items.append(Item(job["name"], max(numbers) - 1, f"{max(numbers) - 1:.0f}"))
    if not items:
        raise Missing("no workload tells")
    return worst_item(items, run.lacking_jobs())


def instructions(loop):
    def measure(run):
        ours, text, _ = counted(run, loop)
        return Found(ours, text)

    return measure


def counted(run, loop):
    """Our instructions in a loop, as a number and in words, and those of the peers that valgrind runs."""
    found = run.rows("instructions").get(loop, {})
    if OURS not in found:
        raise Missing(run.failed("instructions") or "this loop was not counted")
    counts = {name: rows[0]["instructions"] for name, rows in found.items()}
    return counts[OURS], f"{counts[OURS]}", {name: counts[name] for name in run.peers if name in counts}


def instructions_against_best(loop):
    def measure(run):
        ours, text, peers = counted(run, loop)
        return against_best(ours, peers, f"{text} instructions", run, "callgrind")

    return measure


def against_best(ours, peers, text, run, who):
    """Our figure divided by the least of the peers'; those of the run that have none are named."""
    if not peers:
        raise Missing("no peer has a figure")
    best = min(peers, key=peers.get)
    text = f"{text}, {best}'s {peers[best]:.0f}"
    silent = [name for name in run.peers if name not in peers]
    text += f" (no figure of {', '.join(silent)} by {who})" if silent else ""
    return Found(ours / peers[best], text, missing=run.lacking_peers())


def latency(function, percentile):
    def measure(run):
        by_allocator = latencies(run.results).get(("mixed", function), {})
        if OURS not in by_allocator:
            raise Missing("mixed was not run, or does not tell")
        index = PERCENTILES.index(percentile)
        peers = {name: by_allocator[name][index] for name in run.peers if name in by_allocator}
        ours = by_allocator[OURS][index]
        return against_best(ours, peers, f"{ours:.0f} ns", run, "mixed")

    return measure


LEAST_THREADS, MOST_THREADS = 1, 16


def scaling(run):
    """How much less is done by more threads than by one, for each workload that takes any number; and with the peer that falls
    least, which shows how much of it is the workload's own."""
    items, most = [], MOST_THREADS
    for name, by_allocator in run.rows("threads").items():
        by_number = {one: dict(found) for one, found in speeds(by_allocator).items()}
        if LEAST_THREADS not in by_number.get(OURS, {}):
            raise Missing(run.failed("threads") or "no figure for one thread")
        most = min(most, max(by_number[OURS]))
        falls = {one: fall_of(found) for one, found in by_number.items() if LEAST_THREADS in found}
        fall, slowest = falls.pop(OURS)
        text = f"{fall:.0%} less with {slowest} than with {LEAST_THREADS}" if fall > 0 else "never less"
        if falls:
            steadiest = min(falls, key=falls.get)
            text += f"; least of the peers': {falls[steadiest][0]:.0%}, {steadiest}'s"
        items.append(Item(name, fall, text))
    if most < MOST_THREADS:
        missing = f"at most {most} threads"
    else:
        missing = run.failed("threads") or some_of_the_jobs(run, items)
    return worst_item(items, missing)


def fall_of(by_number):
    """The part of the speed with one thread that is lost where it is lowest, and with how many threads that is."""
    slowest = min(by_number, key=by_number.get)
    return 1 - by_number[slowest] / by_number[LEAST_THREADS], slowest


def some_of_the_jobs(run, items):
    """The section takes the jobs that were chosen, if any of them takes any number of threads, else all that do."""
    chosen = {job["name"] for job in run.jobs}
    return run.lacking_jobs() if any(item.name in chosen for item in items) else ""


LARGEST_HEAP = 2**30


def heap_factor(run):
    """What replacing a block takes in the dearest of all sizes of the heap, divided by the cheapest: as a multiple of the same
    for a mere look at a block, which is the machine's share."""
    times, looks = (costs.heap_times(run.rows("heap-sizes"), key).get(OURS, {}) for key in ("replace", "look"))
    if not times:
        raise Missing(run.failed("heap-sizes"))
    least, most = min(times, key=times.get), max(times, key=times.get)
    factor, of_looks = costs.dearest_to_cheapest(times), costs.dearest_to_cheapest(looks)
    text = ", ".join(f"{times[live]:.1f} ns with {costs.size_text(live)}" for live in (least, most))
    text = f"{factor / of_looks:.2f}: {text}, {factor:.1f} times as much; looks {of_looks:.1f} times"
    largest = max(times)
    return Found(factor / of_looks, text, missing="" if largest >= LARGEST_HEAP else f"at most {costs.size_text(largest)}")


N_IDLE_THREADS = 10000


def idle_thread(run):
    rows = run.rows("idle-threads").get("threads", {}).get(OURS, [])
    if not rows:
        raise Missing(run.failed("idle-threads"))
    ended, freed = (statistics.median(row[key] for row in rows) for key in ("ended_bytes", "freed_bytes"))
    number = min(row["idle_threads"] for row in rows)
    missing = "" if number >= N_IDLE_THREADS else f"only {number:.0f} threads"
    return Found(max(ended, freed), f"{ended:.0f} bytes while its block lives, {freed:.0f} after its free", missing=missing)


def startup(key, factor):
    def measure(run):
        if run.failed("startup"):
            return Found(math.inf, run.failed("startup"))
        more = costs.startup_differences(run.rows("startup").get("true", {}), BASE).get(OURS)
        if not more:
            raise Missing("no starts")
        one = {edge: more[key][edge] * factor for edge in ("more", "low", "high")}
        return Found(one["more"], f"{one['more']:.0f} ({one['low']:.0f}..{one['high']:.0f})")

    return measure


PAIR, BATCH, SMALL, CALLOC, MIDDLE = (
    "malloc(64), free, at once",
    "1000 mallocs, then 1000 frees (per pair)",
    "random replacement among 4096 blocks of 16..1024",
    "calloc(64), free",
    "random replacement among 256 blocks of 2..32 KiB",
)
ROWS = {PAIR: 55, BATCH: 50, SMALL: 57, CALLOC: 72, MIDDLE: 80}
PAIR_SIZES = (16, 256, 1024, 4096, 32768)

BARS = (
    Bar("time-mimalloc", "time, geometric mean, ratio to mimalloc", 0.92, "", mean_against("mimalloc", TIME)),
    Bar("time-jemalloc", "time, geometric mean, ratio to jemalloc", 0.85, "", mean_against("jemalloc", TIME)),
    Bar("time-worst", "time in any job, ratio to the best peer in it", 1.10, "", worst_time),
    Bar("memory-mean", f"peak RSS, geometric mean, ratio to {BASE}", 1.00, "", mean_against(BASE, MEMORY)),
    Bar("memory-worst", f"peak RSS in any job, ratio to {BASE}", 1.25, "", worst_memory),
    Bar("rest", "RSS 1 s after the last free: above live, of max(2 MiB, 10 % of the peak)", 1.00, "", rest),
    Bar("own-threads", "threads of the library's own after the last free", 0, "", threads_left),
    *(Bar(f"instructions-{number}", f"instructions: {loop}", limit, "", instructions(loop))
      for number, (loop, limit) in enumerate(ROWS.items(), 1)),
    *(Bar(f"pair-{size}", f"instructions: malloc({size}), free, ratio to the best peer", 1.00, "",
          instructions_against_best(f"malloc({size}), free, at once")) for size in PAIR_SIZES),
    Bar("latency-malloc", "p99.99 of malloc(64) in mixed, ratio to the best peer", 1.00, "", latency("malloc64", "p99.99")),
    Bar("latency-free", "p99.99 of free in mixed, ratio to the best peer", 1.00, "", latency("free", "p99.99")),
    Bar("threads", "fall of the speed from 1 to 16 threads, in any workload", 0.10, "", scaling),
    Bar("heap-sizes", "replacing a block, heaps of 1 KiB to 1 GiB, dearest to cheapest, ratio to looks", 1.5, "", heap_factor),
    Bar("idle-threads", "left of each of 10,000 threads that allocate once", 4096, "bytes", idle_thread),
    Bar("startup-time", f"a start of true, processor time above {BASE}'s", 200, "µs", startup("cpu", 1e6)),
    Bar("startup-memory", f"a start of true, RSS at its end above {BASE}'s", 150, "KiB", startup("rss_exit", 1)),
)  # fmt: skip


# ---- verdicts ----


def verdicts(results):
    return [judge(bar, results) for bar in BARS]


def judge(bar, results):
    try:
        found = bar.measure(Run(results))
    except Missing as missing:
        return Verdict(bar, NOT_MEASURED, str(missing), [])
    above = sorted((item for item in found.items if item.value > bar.limit), key=lambda item: -item.value)
    if found.value > bar.limit:
        return Verdict(bar, NOT_MET, found.text, above)
    if found.missing:
        return Verdict(bar, NOT_MEASURED, f"{found.text}; {found.missing}", above)
    return Verdict(bar, MET, found.text, above)


def limit_text(bar):
    return f"{bar.limit:.2f}" if isinstance(bar.limit, float) else f"{bar.limit} {bar.unit}".strip()


def rows(found):
    """(bar, limit, word, figure) of each verdict."""
    return [(one.bar.text, limit_text(one.bar), one.word, one.figure) for one in found]


def lists(found):
    """(title, [(workload, figure, reason)]) of each bar with several workloads above it."""
    return [
        (
            f"{one.bar.text}: above {limit_text(one.bar)}",
            [(item.name, item.text, REASONS.get(one.bar.key, {}).get(item.name, "not known yet")) for item in one.above],
        )
        for one in found
        if one.above
    ]


def text(found):
    """The table for the terminal."""
    lines = [f"{'bars':{WIDTH}} {'limit':>10}  {'':12} figure"]
    for bar, limit, word, figure in rows(found):
        lines.append(f"{bar:{WIDTH}} {limit:>10}  {word:12} {figure}")
    for title, items in lists(found):
        lines += ["", title, *(f"  {name:16} {figure}; why: {reason}" for name, figure, reason in items)]
    return "\n".join([*lines, "", tally(found)])


def tally(found):
    counts = [f"{sum(one.word == word for one in found)} {word}" for word in (MET, NOT_MET, NOT_MEASURED)]
    return f"{len(found)} bars: " + ", ".join(counts)
