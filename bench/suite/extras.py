# SPDX-License-Identifier: MIT
"""What is measured beside the rounds. Each section gives rows: {"name", "allocator", figures ...}.

A row with "failure" is one that counts as a failed workload; a row with "unavailable" only says why there is no figure.
"""
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from . import costs
from .allocators import BASE
from .jobs import quick_argument, run_workload
from .process import Failure, last_line
from .rounds import REPEATS, Progress, turns

SECTIONS = {
    "threads": "speed with 1 to 16 threads, of the workloads that take any number",
    "return": "how soon and how far RSS falls after the last free, idle and busy, with one thread and four",
    "startup": "what the library adds to the time and memory of `true`",
    "idle-threads": "what stays of 10,000 threads that allocate once",
    "heap-sizes": "time of replacing a block while 1 KiB to 1 GiB is alive",
    "instructions": "instructions of a pair of malloc and free, counted by callgrind",
    "micro": "single operations, by google-benchmark",
}
NOT_QUICK = ("threads", "micro")  # left out with --quick, unless --only names them
THREADS, QUICK_THREADS = (1, 2, 4, 8, 16), (1, 4)


def measure(machinery, sections, jobs, allocators, quick, rows, keep):
    """Fills rows, {section: rows}, with what is missing, and calls keep after each; whether it came to its end. jobs: the
    workloads that take any number of threads."""
    try:
        for section in sections:
            if section in rows:
                continue
            progress = Progress(section, 1)
            rows[section] = MEASURES[section](machinery, jobs, allocators, quick, progress)
            progress.end()
            keep()
    except KeyboardInterrupt:
        return False
    return True


def failures(extras):
    """(section and name, allocator, why)."""
    return [
        (f"{section}: {row['name']}", row["allocator"], row["failure"])
        for section, rows in extras.items()
        for row in rows
        if row.get("failure")
    ]


def threads(machinery, jobs, allocators, quick, progress):
    numbers = QUICK_THREADS if quick else THREADS
    repeats = 1 if quick else REPEATS
    progress.n_steps = len(jobs) * len(numbers) * len(allocators) * repeats
    rows = []
    for repeat in range(1, repeats + 1):
        for job in jobs:
            for number in numbers:
                for allocator in allocators:
                    progress.step(f"{job.name} with {number}", allocator.name)
                    row = {"name": job.name, "allocator": allocator.name, "round": repeat, "threads": number}
                    try:
                        figures = run_workload(
                            machinery, allocator, job.program, ["--quick", "--threads", str(number)]
                        )
                        row.update({key: figures[key] for key in ("ops", "seconds", "cpu", "rss_peak")})
                    except Failure as failure:
                        row["failure"] = str(failure)
                    rows.append(row)
    return rows


def memory_return(machinery, _jobs, allocators, quick, progress):
    """All allocators at the same time: hardly anything runs while the memory is watched."""
    cases = [(kind, number) for kind in ("idle", "busy") for number in (1, 4)]
    progress.n_steps = len(cases)
    rows = []
    for kind, number in cases:
        progress.step(f"{kind}, {number} threads", "all")
        program = machinery.build / f"bench/return/return-{kind}"
        arguments = [*quick_argument(quick), "--threads", str(number)]
        name = f"{kind}, {number} {'thread' if number == 1 else 'threads'}"

        def one(allocator, name=name, program=program, arguments=arguments):
            row = {"name": name, "allocator": allocator.name}
            try:
                figures = run_workload(machinery, allocator, program, arguments)
            except Failure as failure:
                return {**row, "failure": str(failure)}
            row.update({key: value for key, value in figures.items() if key.startswith("return_") or key == "rss_own"})
            row["samples"] = [
                [at - figures["freed_at"], live, rss]
                for at, live, rss in figures["samples"]
                if at <= figures["watched_until"]  # then the threads end, which gives memory back, too
            ]
            return row

        with ThreadPoolExecutor(len(allocators)) as pool:
            rows.extend(pool.map(one, allocators))
    return rows


def instructions(machinery, _jobs, allocators, quick, progress):
    """By bench/instructions, one library after the other; some do not run under valgrind."""
    names = {"floor": None, **{allocator.name: allocator.path for allocator in allocators}}
    progress.n_steps = len(names)
    rows = []
    for name, path in names.items():
        progress.step("loops", name)
        command = [machinery.root / "bench/instructions", "--csv", "--only", name]
        command += ["--lib", f"{name}={path}"] if path and name != BASE else []
        command += ["--loops", "pair"] if quick else []
        done = subprocess.run(
            command, env=machinery.environment, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode != 0:
            rows.append({"name": "all loops", "allocator": name, "unavailable": last_line(done.stderr)})
            continue
        for line in done.stdout.splitlines():
            loop, _, count = line.split("|")
            rows.append({"name": loop, "allocator": name, "instructions": int(count)})
    return rows


def micro(machinery, _jobs, allocators, quick, progress):
    """One row a benchmark, allocator and repeat, in nanoseconds: of the processor, unless the benchmark says otherwise."""
    program = machinery.build / "bench/micro"
    rows = []
    for repeat, allocator in turns(allocators, quick, progress):
        rows.extend(micro_rows(machinery, program, allocator, repeat, quick))
    return rows


def micro_rows(machinery, program, allocator, repeat, quick):
    arguments = ["--benchmark_format=json", f"--benchmark_min_time={0.01 if quick else 0.1}"]
    try:
        outcome = machinery.run(allocator, [program, *arguments]).check("micro")
    except Failure as failure:
        return [{"name": "all", "allocator": allocator.name, "round": repeat, "failure": str(failure)}]
    nanoseconds = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
    return [
        {
            "name": re.sub(r"/(real_time|manual_time|iterations:\d+)", "", one["name"]),
            "allocator": allocator.name,
            "round": repeat,
            "nanoseconds": one[time_of(one["name"])] * nanoseconds[one["time_unit"]],
        }
        for one in json.loads(outcome.stdout)["benchmarks"]
        if one.get("run_type", "iteration") == "iteration"
    ]


def time_of(name):
    """Which of its two times a benchmark is compared by: its name says so if it is the clock's, or one of its own."""
    return "real_time" if "/real_time" in name or "/manual_time" in name else "cpu_time"


MEASURES = {
    "threads": threads,
    "return": memory_return,
    "startup": costs.startup,
    "idle-threads": costs.idle_threads,
    "heap-sizes": costs.heap_sizes,
    "instructions": instructions,
    "micro": micro,
}
