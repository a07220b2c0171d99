# SPDX-License-Identifier: MIT
"""Ratios, medians, means, intervals.

A round runs all allocators on a job one after the other, so that what slows the machine down slows all of them. The
figure of a job is the median, over the rounds, of the ratio to the base within the round. Its interval comes from
resampling the rounds (bootstrap): 95 % of the medians of resampled rounds lie in it. The geometric mean over jobs is
resampled job by job, as the jobs are measured independently.
"""
import math
import random
import statistics

RESAMPLES = 1000
SEED = 20


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def paired_ratios(runs, base_runs, key):
    """The ratios of one figure, round by round; rounds in which either is missing are left out."""
    base = {run["round"]: run[key] for run in base_runs if run.get(key)}
    return [run[key] / base[run["round"]] for run in runs if run.get(key) and run["round"] in base]


def differences(runs, base_runs, key):
    """Median and interval of what runs take more than the base's of the same round; None if there are none."""
    base = {run["round"]: run[key] for run in base_runs}
    values = [run[key] - base[run["round"]] for run in runs if run["round"] in base]
    if not values:
        return None
    low, high = interval(resampled_medians(values, random.Random(SEED)))
    return {"more": statistics.median(values), "low": low, "high": high, "rounds": len(values)}


def resampled_medians(ratios, generator):
    return [statistics.median(generator.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES)]


def interval(values):
    """Where 95 % of the values lie."""
    ordered = sorted(values)
    edge = len(ordered) // 40
    return ordered[edge], ordered[-1 - edge]


def estimate(ratios):
    """Median and interval of the ratios of one job; None if there are none."""
    if not ratios:
        return None
    low, high = interval(resampled_medians(ratios, random.Random(SEED)))
    return {"ratio": statistics.median(ratios), "low": low, "high": high, "rounds": len(ratios)}


def mean_estimate(ratios_of_jobs):
    """Geometric mean over jobs, with its interval; None if there are no jobs."""
    if not ratios_of_jobs:
        return None
    generator = random.Random(SEED)
    columns = [resampled_medians(ratios, generator) for ratios in ratios_of_jobs]
    low, high = interval([geometric_mean(row) for row in zip(*columns)])
    mean = geometric_mean([statistics.median(ratios) for ratios in ratios_of_jobs])
    return {"ratio": mean, "low": low, "high": high, "jobs": len(ratios_of_jobs)}


def spread(values):
    """How far apart the middle half of the values lies, as a part of the median: the noise of the machine."""
    if len(values) < 2:
        return None
    quarters = statistics.quantiles(values, n=4, method="inclusive")
    return (quarters[2] - quarters[0]) / statistics.median(values)
