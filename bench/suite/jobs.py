# SPDX-License-Identifier: MIT
"""What a job is, and the workloads of bench/workloads as jobs.

A job runs on one allocator and returns its figures, a dictionary: seconds (by the clock) and cpu, rss_peak, rss_end and
rss_floor in KiB as far as it knows them, perhaps samples (seconds, live bytes, RSS in KiB), and a checksum, which must be
the same on every allocator and in each run. It raises Failure if anything went wrong.
"""
import contextlib
import os
import threading
from dataclasses import dataclass
from typing import Callable

from .process import Failure, key_values

WORKLOAD, PROGRAM = "workload", "program"
GROUPS = {WORKLOAD: "workloads", PROGRAM: "real programs"}
TEXTS = ("name", "checksum", "status")


@dataclass
class Job:
    name: str
    group: str
    imitates: str
    why: str
    run: Callable
    time_key: str = "cpu"  # which figure is compared: seconds where threads wait for each other
    missing: str = ""  # why it cannot be run here
    program: object = None  # of a workload: the path
    threads: int = 0  # how many it takes unless told otherwise; 0: one, and it cannot be told otherwise
    prepare: Callable = lambda: None  # once before the first round


def workload_programs(machinery):
    folder = machinery.build / "bench/workloads"
    return sorted(path for path in folder.glob("*") if path.is_file() and os.access(path, os.X_OK))


def workloads(machinery, quick):
    """The programs of bench/workloads, each described by itself."""
    found = []
    for program in workload_programs(machinery):
        about = key_values(machinery.run(None, [program, "--describe"], timeout=60).check(program.name).stdout)
        arguments = quick_argument(quick)
        n_threads = int(about.get("threads", 0))
        found.append(
            Job(
                name=about["name"],
                group=WORKLOAD,
                imitates=about["imitates"],
                why=about["why"] + (f" (after {about['after']})" if about.get("after") else ""),
                run=lambda allocator, program=program, arguments=arguments: run_workload(
                    machinery, allocator, program, arguments
                ),
                program=program,
                threads=n_threads,
                time_key="seconds" if n_threads > 0 else "cpu",
            )
        )
    return found


def quick_argument(quick):
    return ["--quick"] if quick else []


def run_workload(machinery, allocator, program, arguments):
    """One run of a program with the key=value interface; its samples come through a pipe of their own."""
    reading, writing = os.pipe()
    lines = []

    def collect():
        with open(reading, encoding="ascii") as file:
            lines.extend(file)

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        with contextlib.closing(os.fdopen(writing, "wb")):
            environment = {"VMBENCH_SAMPLES": str(writing)}
            outcome = machinery.run(allocator, [program, *arguments], env=environment, pass_fds=(writing,))
    finally:
        collector.join()
    figures = figures_of(outcome, program.name)
    samples = [line.split()[1:] for line in lines if line.startswith("sample ")]
    figures["samples"] = [[float(word) for word in sample] for sample in samples]
    return figures


def figures_of(outcome, name):
    """What a program told on its standard output, if it says that it is well."""
    told = key_values(outcome.stdout)
    status = told.get("status", "")
    if status.startswith("failed"):
        raise Failure(status)
    outcome.check(name)
    if status != "ok":
        raise Failure("it does not say that it is ready")
    figures = {key: float(value) for key, value in told.items() if key not in TEXTS}
    figures["checksum"] = told.get("checksum", "")
    return figures
