# SPDX-License-Identifier: MIT
"""How far apart two results are: the noise of the suite, or the effect of a change."""
from .analysis import MEMORY, TIME, summarise
from .jobs import GROUPS
from .process import Failure


def compare(one, other):
    """Prints each geometric mean of both results, and the difference in per cent; status 0."""
    names = [row["name"] for row in one["allocators"] if row["name"] in {row["name"] for row in other["allocators"]}]
    shared = {job["name"] for job in one["jobs"]} & {job["name"] for job in other["jobs"]}
    if not shared or len(names) < 2:
        raise Failure("the two results have nothing to compare in common")
    means = [
        summarise([job for job in results["jobs"] if job["name"] in shared], results["series"], names)["means"]
        for results in (one, other)
    ]
    print(f"{len(shared)} workloads and programs in common; geometric means, ratios to glibc")
    for figure, title in ((TIME, "time"), (MEMORY, "peak RSS")):
        for group in (*GROUPS, "all"):
            for name in names[1:]:
                first, second = (mean[group][name][figure] for mean in means)
                if first and second:
                    difference = (second["ratio"] / first["ratio"] - 1) * 100
                    print(
                        f"{title:9} {GROUPS.get(group, group):14} {name:10} {first['ratio']:6.3f} "
                        f"{second['ratio']:6.3f} {difference:+6.2f} %"
                    )
    return 0
