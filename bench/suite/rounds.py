# SPDX-License-Identifier: MIT
"""Who runs when, and progress on the terminal.

A round goes through the jobs in a random order; each job runs on one allocator after the other, in a random order, too. So
whatever slows the machine for a while, or favours who runs first, hits all allocators alike. The orders come from a seed.

Jobs whose ratios are still uncertain after the rounds get up to as many again. Whether they do depends on the width of their
intervals alone, not on who is ahead.
"""
import random
import sys
import time

from .allocators import BASE
from .process import Failure
from .statistic import estimate, paired_ratios


REPEATS = 5  # of what is taken in rounds of its own, beside these; one with --quick
UNCERTAIN = 1.1  # the upper end of an interval, divided by the lower one


class Progress:
    """One line that is written over on a terminal; elsewhere a line whenever another job begins."""

    def __init__(self, title, n_steps):
        self.title, self.n_steps = title, n_steps
        self.done, self.began = 0, time.monotonic()
        self.terminal, self.last = sys.stderr.isatty(), ""

    def step(self, what, where):
        """Before each step: what is run, and on which library."""
        passed = time.monotonic() - self.began
        left = passed / self.done * (self.n_steps - self.done) if self.done else 0
        self.done += 1
        line = f"{self.title}: {self.done} of {self.n_steps}, {what}"
        if self.terminal:
            line += f" on {where}"
        if self.done > 1:
            line += f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"
        if self.terminal:
            sys.stderr.write(f"\r\x1b[K{line[:110]}")
            sys.stderr.flush()
        elif what != self.last:
            print(line, file=sys.stderr)
        self.last = what

    def say(self, line):
        """A line that stays."""
        if self.terminal:
            sys.stderr.write("\r\x1b[K")
        print(line, file=sys.stderr)

    def end(self):
        self.say(f"{self.title}: {self.done} steps in {time.monotonic() - self.began:.0f} s")


class Series:
    """The runs of one job on one allocator, the memory over time of the first, and why it failed, if it did."""

    def __init__(self, runs=(), samples=(), failure=""):
        self.runs, self.samples, self.failure = list(runs), list(samples), failure

    def as_dict(self):
        return {"runs": self.runs, "samples": self.samples, "failure": self.failure}

    def has(self, number):
        """Whether a round is behind it."""
        return any(run["round"] == number for run in self.runs)


def measure(jobs, allocators, rounds, seed, more=False, series=None, keep=lambda series: None):
    """Runs everything: {job: {allocator: Series}}, and whether Ctrl-C ended it. A failed pair is not run again. With more,
    uncertain jobs get further rounds. What is in series, from a run that was interrupted, is not run again; keep is called with
    all after each round."""
    generator = random.Random(seed)
    series = series or {job.name: {allocator.name: Series() for allocator in allocators} for job in jobs}
    progress = Progress("rounds", rounds * len(jobs) * len(allocators))
    interrupted = False
    try:
        prepare(jobs, series, progress)
        for number in range(1, rounds + 1):
            run_round(number, jobs, allocators, generator, series, progress)
            keep(series)
        for number in range(rounds + 1, 2 * rounds + 1) if more else ():
            left = [job for job in jobs if was_begun(number, series[job.name]) or is_uncertain(job, series[job.name])]
            progress.n_steps += len(left) * len(allocators)
            run_round(number, left, allocators, generator, series, progress)
            keep(series)
    except KeyboardInterrupt:
        interrupted = True
    progress.end()
    for job in jobs:
        compare_checksums(series[job.name], progress)
    return series, interrupted


def run_round(number, jobs, allocators, generator, series, progress):
    for job in generator.sample(jobs, len(jobs)):
        for allocator in generator.sample(allocators, len(allocators)):
            if series[job.name][allocator.name].has(number):
                progress.n_steps -= 1
                continue
            progress.step(f"round {number}, {job.name}", allocator.name)
            run_once(job, allocator, number, series[job.name][allocator.name], progress)


def was_begun(number, series):
    return any(one.has(number) for one in series.values())


def is_uncertain(job, series):
    base = series[BASE].runs
    found = [estimate(paired_ratios(one.runs, base, job.time_key)) for one in series.values()]
    return any(one["high"] > one["low"] * UNCERTAIN for one in found if one)


def prepare(jobs, series, progress):
    for job in jobs:
        try:
            job.prepare()
        except Failure as failure:
            for one in series[job.name].values():
                one.failure = f"cannot be prepared: {failure}"
            progress.say(f"failed: {job.name}: {failure}")


def run_once(job, allocator, number, series, progress):
    if series.failure:
        return
    try:
        figures = job.run(allocator)
    except Failure as failure:
        series.failure = str(failure)
        progress.say(f"failed: {job.name} on {allocator.name}: {failure}")
        return
    samples = figures.pop("samples", [])
    series.samples = series.samples or samples
    series.runs.append({"round": number, **figures})


def compare_checksums(series, progress):
    """A job whose result is not that of the base has failed, however fast it was."""
    base = next((run["checksum"] for run in series[BASE].runs), "")
    for name, one in series.items():
        wrong = [run for run in one.runs if run["checksum"] != base] if base else []
        if wrong and not one.failure:
            first = wrong[0]
            one.failure = f"round {first['round']}: its result {first['checksum']} is not {base}, that of {BASE}"
            progress.say(f"failed on {name}: {one.failure}")


def turns(allocators, quick, progress):
    """(round, allocator) for what is run on each allocator in turn, a few times."""
    repeats = 1 if quick else REPEATS
    progress.n_steps = repeats * len(allocators)
    for repeat in range(1, repeats + 1):
        for allocator in allocators:
            progress.step(f"round {repeat}", allocator.name)
            yield repeat, allocator
