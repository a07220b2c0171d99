# SPDX-License-Identifier: MIT
"""Why a bar is not met where it is not, as far as it is known: {key of the bar: {workload: reason}}. Kept by hand: who changes
what a workload costs looks here, too. Shown beside the workload only in runs in which the bar is not met there."""

START = "Most of it is there before the first call: the C library, the loader, code and tables"

REASONS = {
    "time-worst": {
        "cache": "Compound blocks (0030): a third more time than without them, for 1.00 of glibc's memory in place of 1.65",
        "large": "Page faults: beyond a bound freed pages go back to the kernel (0024); tcmalloc gives none back, and keeps its peak to the "
        "end",
        "phases": "Compound blocks (0030), in part: a tenth more time than without them, for 1.19 of glibc's memory in place of 1.55",
        "trees": "Page faults, in part: the break moves down where more than 128 KiB are free at its end, as with glibc; without "
        "(VMALLOC_TRIM_THRESHOLD=1G) they are fewer than half as many",
    },
    "threads": {
        "server": "With one thread the blocks are in the caches, and it is far ahead of all peers; with eight they are not. The library's share "
        "of the time is the same with both",
    },
    "rest": {
        "churn": START,
        "pipeline": "Empty slabs that the heaps keep for their next blocks, and dirty free pages below the bound (0006, 0024), in equal parts "
        "(VMALLOC_STATS=text)",
        "symbolic": START,
        "trees": START,
    },
}
