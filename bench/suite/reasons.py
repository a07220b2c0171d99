# SPDX-License-Identifier: MIT
"""Why a bar is not met where it is not, as far as it is known: {key of the bar: {workload: reason}}. Kept by hand: who changes
what a workload costs looks here, too. Shown beside the workload only in runs in which the bar is not met there."""

START = "Most of it is there before the first call: the C library, the loader, code and tables"

REASONS = {
    "time-worst": {
        "cache": "Compound blocks (0030): a third more time than without them, for 1.00 of glibc's memory in place of 1.65",
        "churn": "Page faults: 55,000, tcmalloc's 4,700; what is dirty stays below twice what is live (0057), tcmalloc keeps all",
        "large": "Page faults: what is resident stays below 9/8 of what was live of late (0024, 0033), in holes that the next buffer may not "
        "fit (0057); tcmalloc gives nothing back, and keeps its peak to the end",
        "mixed": "Page faults, in part: pages with contents go as spans below 1 MiB take clean ones beside them, 3 % of the time for a seventh "
        "of the peak (0060)",
        "phases": "Compound blocks (0030), in part: a tenth more time than without them, for 1.13 of glibc's memory in place of 1.55",
        "pipeline": "The consumers' first look at a message takes half as long again as with mimalloc, the library itself as long; and its "
        "threads wait for each other more often: 90,000 changes between them, mimalloc's 67,000 (0047)",
        "python-objects": "Its blocks die in the order in which they came: a new one is in no cache, where tcmalloc hands out the one that "
        "was freed last. Half of the wait is hidden (0041)",
        "trees": "The graph's exchanges of edges: the free blocks of a full heap are few in each word of bits, so that each fifth malloc is a "
        "slow call (0055), and come from other lines than those that were just freed (0047)",
    },
    "threads": {
        "churn": "Two threads' lives overlap, so that what is live ebbs to a third each time, not to an eighth, which would be a tide (0051): "
        "pages go back and are faulted in again, 290,000 times; 17,000 with one thread, 52,000 with four",
        "mixed": "Each thread fills a heap of its own first: 290 MiB with 16, 30 with one, and 83,000 page faults, 11,700 with one; "
        "tcmalloc's 73,000 and 10,300 (0047)",
        "pipeline": "What the consumers look at is no longer in the caches: more than half of the time with 16 threads (0047)",
        "server": "With one thread the blocks are in the caches, and it is far ahead of all peers; with eight they are not. The library's share "
        "of the time is the same with both",
    },
    "rest": {
        "churn": START,
        "pipeline": "Before the first call 1.4 MiB; of the slab of each class that a thread that sleeps may take from at any moment, empty by now, "
        "the pages in which it has collected blocks (0061), and a few dirty free ones (0024): VMALLOC_STATS=text",
        "symbolic": START,
        "trees": START,
    },
}
