# SPDX-License-Identifier: MIT
"""How far apart two results are: the noise of the suite, or the effect of a change."""
from .allocators import BASE
from .analysis import MEMORY, TIME, summarise
from .jobs import GROUPS
from .process import Failure

AGREED = 3  # per cent that the means over all jobs of two runs may be apart, on the same machine with the same libraries


def compare(one, other):
    """Prints each geometric mean of both results, and the difference in per cent; status 0."""
    names = [row["name"] for row in one["allocators"] if row["name"] in {row["name"] for row in other["allocators"]}]
    shared = [job["name"] for job in one["jobs"] if job["name"] in {job["name"] for job in other["jobs"]}]
    if not shared or len(names) < 2:
        raise Failure("the two results have nothing to compare in common")
    for title, results in (("first", one), ("second", other)):
        print(f"{title:6} {about(results)}")
    print(f"compared, in both ({len(shared)}): {', '.join(shared)}")
    for title, results in (("first", one), ("second", other)):
        left_out = [job["name"] for job in results["jobs"] if job["name"] not in shared]
        if left_out:
            print(f"left out, only in the {title}: {', '.join(left_out)}")
    print(f"\n{'ratio to ' + BASE:16} {'geometric mean of':18} {'library':10} {'first':>6} {'second':>6}  second to first")
    found = differences(one, other, names, shared)
    for figure, group, name, first, second, difference in found:
        print(f"{figure:16} {group:18} {name:10} {first:6.3f} {second:6.3f} {difference:+8.2f} %")
    print("\n" + conclusion([row for row in found if row[1] == "all"]))
    return 0


def about(results):
    settings = results["settings"]
    versions = ", ".join(f"{row['name']} {row['version']}" for row in results["allocators"] if row["name"] != BASE)
    quick = ", quick" if settings["quick"] else ""
    return f"{results['machine']['date']}, {settings['rounds']} rounds{quick}; {versions}"


def differences(one, other, names, shared):
    """(figure, group of jobs, library, first mean, second mean, difference in per cent)"""
    means = [
        summarise([job for job in results["jobs"] if job["name"] in shared], results["series"], names)["means"]
        for results in (one, other)
    ]
    rows = []
    for figure, title in ((TIME, "time"), (MEMORY, "peak RSS")):
        for group in (*GROUPS, "all"):
            for name in names[1:]:
                first, second = (mean[group][name][figure] for mean in means)
                if first and second:
                    difference = (second["ratio"] / first["ratio"] - 1) * 100
                    rows.append((title, GROUPS.get(group, group), name, first["ratio"], second["ratio"], difference))
    return rows


def conclusion(rows):
    if not rows:
        return "no library has a geometric mean over all jobs in both"
    figure, _, name, _, _, difference = max(rows, key=lambda row: abs(row[-1]))
    verdict = "agree" if abs(difference) < AGREED else "do not agree"
    return (
        f"over all jobs the two are at most {abs(difference):.2f} % apart ({figure} of {name}): they {verdict} "
        f"(limit for two runs of the same libraries: {AGREED} %)"
    )
