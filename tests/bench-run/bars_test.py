# SPDX-License-Identifier: MIT
"""The bars' table: on made-up results of which each bar in turn is met, not met, and not measured."""
import copy
import tempfile
import unittest
from pathlib import Path

from suite import analysis, bars, docs, report
from suite.allocators import PACKAGES
from suite.jobs import PROGRAM, WORKLOAD
from suite.reasons import REASONS

NAMES = ("glibc", "vmalloc", *PACKAGES)
LOOPS = [*bars.ROWS, *(f"malloc({size}), free, at once" for size in bars.PAIR_SIZES)]


def run(number, name, factor):
    """A round of a job on one library: factor is how much slower and larger than vmalloc."""
    figures = {"round": number, "cpu": 1.0 * factor, "seconds": 1.0 * factor, "rss_peak": 100000 * factor, "checksum": "a"}
    if name != "lua":
        figures.update(live_end=0, rss_own=64, rss_floor=1500, rss_end=1500, threads_end=1)
    for function in analysis.FUNCTIONS if name == "mixed" else ():
        figures.update({f"{function}_{one}_ns": 100 * factor for one in analysis.PERCENTILES})
    return figures


def good():
    """Results in which every bar is met."""
    jobs = [
        {"name": name, "group": group, "imitates": "", "why": "", "time_key": "cpu"}
        for name, group in (("mixed", WORKLOAD), ("server", WORKLOAD), ("lua", PROGRAM))
    ]
    series = {
        job["name"]: {
            name: {
                "runs": [run(number, job["name"], 1 if name == "vmalloc" else 1.25) for number in (1, 2)],
                "samples": [],
                "failure": "",
            }
            for name in NAMES
        }
        for job in jobs
    }
    return {
        "machine": {"date": "", "processor": "", "cores": 2, "memory": "", "system": "", "kernel": "", "huge pages": "",
                    "compiler": ""},
        "settings": {"rounds": 2, "seed": 1, "quick": False, "only": []},
        "allocators": [{"name": name, "version": ""} for name in NAMES],
        "absent": {},
        "skipped": {},
        "jobs": jobs,
        "series": series,
        "extras": {section: [row for name in NAMES for row in rows(name)] for section, rows in SECTIONS.items()},
        "interrupted": False,
    }  # fmt: skip


def instructions(name):
    if name == "scudo":
        return [{"name": "all loops", "allocator": name, "unavailable": "valgrind"}]
    return [{"name": loop, "allocator": name, "instructions": 50 if name == "vmalloc" else 60} for loop in LOOPS]


def start(name, number):
    more = {"glibc": 0, "vmalloc": 1}.get(name, 5)
    return {"name": "true", "allocator": name, "round": number, "cpu": 0.001 + 0.0001 * more, "seconds": 0.002,
            "rss_exit": 1000 + 100 * more, "rss_peak": 1500}  # fmt: skip


SECTIONS = {
    "instructions": instructions,
    "threads": lambda name: [
        {"name": job, "allocator": name, "round": 1, "threads": number, "ops": 1000, "seconds": 1 / number}
        for job in ("mixed", "server")
        for number in (1, 16)
    ],
    "return": lambda name: [
        {"name": "idle, 1 thread", "allocator": name, "return_peak": 100000, "return_floor": 1500,
         "samples": [[-1, 100, 100000], [0, 0, 1500], [1, 0, 1500]]}
    ],
    "startup": lambda name: [start(name, number) for number in range(50)],
    "idle-threads": lambda name: [
        {"name": "threads", "allocator": name, "round": 1, "idle_threads": 10000, "waiting_bytes": 5000, "ended_bytes": 4000,
         "freed_bytes": 3000}
    ],
    "heap-sizes": lambda name: [
        {"name": str(live), "allocator": name, "round": 1, "live": live, "look": look, "replace": replace}
        for live, look, replace in ((1024, 1, 9), (2**30, 20, 200))
    ],
}  # fmt: skip


def judged(results, *keys):
    """{key: verdict} of these bars, or of all."""
    return {bar.key: bars.judge(bar, results) for bar in bars.BARS if bar.key in keys or not keys}


def changed(results, section, key, value, **where):
    """Sets a key of our rows of a section of the extras."""
    for row in results["extras"][section]:
        if row["allocator"] == "vmalloc" and all(row[name] == wanted for name, wanted in where.items()):
            row[key] = value


def changed_runs(results, job, key, value, name="vmalloc"):
    for one in results["series"][job][name]["runs"]:
        one[key] = value


def without(results, section):
    del results["extras"][section]


def without_key(results, key):
    for of_job in results["series"].values():
        for one in of_job.values():
            for figures in one["runs"]:
                figures.pop(key, None)


def without_peer(results, name):
    results["allocators"] = [one for one in results["allocators"] if one["name"] != name]


def with_means(results, peer, key):
    """Our figure in all jobs equal to a peer's."""
    for job in results["series"]:
        for ours, theirs in zip(*(results["series"][job][name]["runs"] for name in ("vmalloc", peer))):
            theirs[key] = ours[key] / (1.01 if key == "rss_peak" else 1)


def part_of_jobs(results):
    results["settings"]["only"] = ["mixed", "server"]


# {bar: (what makes it not met, what makes it not measured)}
CASES = {
    "time-mimalloc": (lambda r: with_means(r, "mimalloc", "cpu"), lambda r: without_peer(r, "mimalloc")),
    "time-jemalloc": (lambda r: with_means(r, "jemalloc", "cpu"), part_of_jobs),
    "time-worst": (lambda r: changed_runs(r, "server", "cpu", 1.4), lambda r: without_peer(r, "tcmalloc")),
    "memory-mean": (lambda r: with_means(r, "glibc", "rss_peak"), part_of_jobs),
    "memory-worst": (lambda r: changed_runs(r, "lua", "rss_peak", 160000), part_of_jobs),
    "rest": (lambda r: changed_runs(r, "server", "rss_floor", 11000), lambda r: without(r, "return")),
    "own-threads": (lambda r: changed_runs(r, "mixed", "threads_end", 2), lambda r: without_key(r, "threads_end")),
    **{
        f"instructions-{number}": (
            lambda r, loop=loop: changed(r, "instructions", "instructions", bars.ROWS[loop] + 1, name=loop),
            lambda r, loop=loop: changed(r, "instructions", "name", "another", name=loop),
        )
        for number, loop in enumerate(bars.ROWS, 1)
    },
    **{
        f"pair-{size}": (
            lambda r, size=size: changed(r, "instructions", "instructions", 61, name=f"malloc({size}), free, at once"),
            lambda r, size=size: changed(r, "instructions", "name", "another", name=f"malloc({size}), free, at once"),
        )
        for size in bars.PAIR_SIZES
    },
    "latency-malloc": (
        lambda r: changed_runs(r, "mixed", "malloc64_p99.99_ns", 126),
        lambda r: without_key(r, "malloc64_p99.99_ns"),
    ),
    "latency-free": (
        lambda r: changed_runs(r, "mixed", "free_p99.99_ns", 126),
        lambda r: without_key(r, "free_p99.99_ns"),
    ),
    "threads": (
        lambda r: changed(r, "threads", "seconds", 1.2, name="server", threads=16),
        lambda r: changed(r, "threads", "threads", 8, name="server", threads=16),
    ),
    "heap-sizes": (
        lambda r: changed(r, "heap-sizes", "replace", 271, live=2**30),
        lambda r: changed(r, "heap-sizes", "live", 2**29, live=2**30),
    ),
    "idle-threads": (
        lambda r: changed(r, "idle-threads", "ended_bytes", 4097),
        lambda r: changed(r, "idle-threads", "idle_threads", 9999),
    ),
    "startup-time": (lambda r: changed(r, "startup", "cpu", 0.0013), lambda r: without(r, "startup")),
    "startup-memory": (lambda r: changed(r, "startup", "rss_exit", 1151), lambda r: without(r, "startup")),
}


class Bars(unittest.TestCase):
    def test_all_are_met_by_results_that_meet_them(self):
        for key, one in judged(good()).items():
            self.assertEqual(one.word, bars.MET, f"{key}: {one.figure}")

    def test_each_has_its_cases(self):
        self.assertEqual([bar.key for bar in bars.BARS], list(CASES))

    def test_the_loops_are_those_of_the_script(self):
        script = (Path(bars.__file__).parents[1] / "instructions").read_text(encoding="utf-8")
        for loop in bars.ROWS:
            self.assertIn(f":{loop}'", script)
        self.assertIn(f"for size in {' '.join(map(str, bars.PAIR_SIZES))}; do", script)
        self.assertIn('"pair-$size:malloc($size), free, at once"', script)

    def test_a_figure_above_the_limit_is_not_met(self):
        for key, (worse, _) in CASES.items():
            results = good()
            worse(results)
            self.assertEqual(judged(results, key)[key].word, bars.NOT_MET, key)

    def test_a_missing_figure_is_not_measured(self):
        for key, (_, less) in CASES.items():
            results = good()
            less(results)
            self.assertEqual(judged(results, key)[key].word, bars.NOT_MEASURED, key)

    def test_what_is_there_can_fail_although_a_part_is_missing(self):
        for key in ("time-worst", "memory-worst", "rest", "threads", "heap-sizes", "idle-threads"):
            worse, less = CASES[key]
            results = good()
            worse(results)
            less(results)
            self.assertEqual(judged(results, key)[key].word, bars.NOT_MET, key)

    def test_nothing_is_measured_without_the_library(self):
        results = good()
        without_peer(results, "vmalloc")
        self.assertEqual({one.word for one in judged(results).values()}, {bars.NOT_MEASURED})

    def test_nothing_is_met_in_an_empty_run(self):
        results = {**good(), "jobs": [], "series": {}, "extras": {}}
        self.assertEqual({one.word for one in judged(results).values()}, {bars.NOT_MEASURED})

    def test_an_interrupted_run_has_no_means(self):
        results = {**good(), "interrupted": True}
        self.assertEqual(judged(results, "time-mimalloc")["time-mimalloc"].word, bars.NOT_MEASURED)

    def test_our_failure_is_not_met_and_a_peers_gives_no_ratio(self):
        results = good()
        results["series"]["server"]["vmalloc"]["failure"] = "crashed"
        for key in ("time-mimalloc", "time-worst", "memory-mean", "memory-worst", "rest"):
            self.assertEqual(judged(results, key)[key].word, bars.NOT_MET, key)
        results = good()
        results["series"]["server"]["mimalloc"]["failure"] = "crashed"
        found = judged(results, "time-mimalloc", "time-jemalloc")
        self.assertEqual(found["time-mimalloc"].word, bars.NOT_MEASURED)
        self.assertIn("mimalloc failed in server", found["time-mimalloc"].figure)
        self.assertEqual(found["time-jemalloc"].word, bars.MET)

    def test_the_limit_itself_is_met(self):
        results = good()
        changed(results, "instructions", "instructions", 55, name=bars.PAIR)
        changed(results, "startup", "rss_exit", 1150)
        changed(results, "idle-threads", "ended_bytes", 4096)
        found = judged(results, "instructions-1", "startup-memory", "idle-threads")
        self.assertEqual({one.word for one in found.values()}, {bars.MET})

    def test_live_memory_is_no_rest(self):
        results = good()
        changed_runs(results, "server", "rss_floor", 11000)
        changed_runs(results, "server", "rss_own", 1500)
        self.assertEqual(judged(results, "rest")["rest"].word, bars.MET)

    def test_the_best_peer_is_the_best_of_that_job(self):
        """tcmalloc is twice as fast as we in one job, and jemalloc alone has a figure in another."""
        results = good()
        changed_runs(results, "lua", "cpu", 0.5, "tcmalloc")
        above = judged(results, "time-worst")["time-worst"].above
        self.assertEqual([(item.name, item.value) for item in above], [("lua", 2)])
        self.assertIn("tcmalloc", above[0].text)

    def test_one_better_peer_is_enough(self):
        results = good()
        for row in results["extras"]["instructions"]:
            if row["allocator"] == "tcmalloc":
                row["instructions"] = 49
        changed_runs(results, "mixed", "free_p99.99_ns", 99, "jemalloc")
        for key, peer in (("pair-16", "tcmalloc's 49"), ("latency-free", "jemalloc's 99")):
            found = judged(results, key)[key]
            self.assertEqual(found.word, bars.NOT_MET, key)
            self.assertIn(peer, found.figure)

    def test_what_idle_processes_keep_counts_and_busy_ones_may(self):
        for name, word in (("idle, 4 threads", bars.NOT_MET), ("busy, 4 threads", bars.MET)):
            results = good()
            changed(results, "return", "name", name)
            changed(results, "return", "samples", [[-1, 100, 100000], [0.9, 0, 11000], [1.1, 0, 1500]])
            self.assertEqual(judged(results, "rest")["rest"].word, word, name)
            changed(results, "return", "rss_own", 2000)
            self.assertEqual(judged(results, "rest")["rest"].word, bars.MET, name)

    def test_the_steadiest_peer_is_named(self):
        results = good()
        CASES["threads"][0](results)
        for row in results["extras"]["threads"]:
            if row["name"] == "server" and row["threads"] == 16 and row["allocator"] not in ("vmalloc", "scudo"):
                row["seconds"] = 2
        self.assertIn("server: 17% less with 16 than with 1; least of the peers': 0%, scudo's", judged(results, "threads")["threads"].figure)

    def test_threads_of_some_workloads_are_a_part(self):
        """Unless none of the chosen ones takes any number: then the section takes all."""
        results = good()
        part_of_jobs(results)
        self.assertEqual(judged(results, "threads")["threads"].word, bars.NOT_MEASURED)
        results["jobs"] = [job for job in results["jobs"] if job["name"] == "lua"]
        self.assertEqual(judged(results, "threads")["threads"].word, bars.MET)

    def test_peers_without_a_figure_are_named(self):
        self.assertIn("no figure of scudo", judged(good(), "pair-16")["pair-16"].figure)


class Tables(unittest.TestCase):
    def test_workloads_above_a_limit_are_listed_with_the_reason(self):
        results = good()
        changed_runs(results, "server", "cpu", 1.4)
        REASONS["time-worst"]["server"] = "a made-up reason"
        try:
            found = list(judged(results, "time-worst").values())
            listed, words, page = bars.lists(found), bars.text(found), docs.the_bars(results)
        finally:
            del REASONS["time-worst"]["server"]
        self.assertEqual(listed[0][1], [("server", "1.12 (1.12..1.12) of glibc's", "a made-up reason")])
        for text in (page, words):
            self.assertIn("a made-up reason", text)
        self.assertIn("1 not met", words)

    def test_the_page_in_docs_has_all_sections(self):
        results = good()
        summary = analysis.summarise(results["jobs"], results["series"], NAMES)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "page.md"
            docs.write(results, summary, path)
            page = path.read_text(encoding="utf-8")
        for line in (
            "24 bars: 24 met, 0 not met, 0 not measured.",
            "| geometric mean, all (3) |",
            "Of these jobs: workloads: mixed, server; real programs: lua.",
            "| vmalloc | 100 (100..100) | 0 (0..0) | 100 (100..100) |",  # of start-up
            "| vmalloc | 5000 | 4000 | 3000 |",  # of threads that allocate once
            "| vmalloc | 9.0 | 200.0 | 22.2 | 20.0 |",  # of heaps of any size
            "Not run by valgrind: scudo.",
            "| `malloc(64)` in `mixed`, ns |",
        ):
            self.assertIn(line, page.replace("\n", " ") if line.endswith(".") else page)

    def test_the_report_shows_each_bar_and_marks_its_word(self):
        results = good()
        changed_runs(results, "server", "cpu", 1.4)
        without(results, "startup")
        page = report.the_bars(results)
        self.assertEqual(page.count('<td class="verdict met">met</td>'), len(bars.BARS) - 4)
        self.assertEqual(page.count('<td class="verdict failed">not met</td>'), 2)  # that of the job, and a mean
        self.assertEqual(page.count("<td class=verdict>not measured</td>"), 2)

    def test_reasons_are_given_for_bars_that_list_workloads(self):
        self.assertLessEqual(set(REASONS), {bar.key for bar in bars.BARS})

    def test_the_results_of_a_test_are_its_own(self):
        """What one test changes no other sees."""
        one = good()
        before = copy.deepcopy(one)
        changed_runs(good(), "server", "cpu", 99)
        self.assertEqual(one, before)


if __name__ == "__main__":
    unittest.main()
