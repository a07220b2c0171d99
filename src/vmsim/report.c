/* SPDX-License-Identifier: MIT */
/* report.c - see report.h. One table of figures, two ways to print it. */
#include "vmsim/report.h"
#include <inttypes.h>
#include <stdio.h>
#include "vmsim/machine.h"

/* One row a figure. */
struct figure {
    const char *key, *about;
    size_t offset;
};

#define FIGURE(key, about)                                                                                   \
    {                                                                                                        \
#key, about, offsetof(struct replay_result, key)                                                     \
    }

#define MACHINE_FIGURE(key, about)                                                                           \
    {                                                                                                        \
#key, about, offsetof(struct replay_result, figures.key)                                             \
    }

static const struct figure figures[] = {
    FIGURE(page_bytes, "bytes of a page"),
    FIGURE(n_ops, "operations"),
    FIGURE(n_threads, "threads"),
    FIGURE(live_blocks_most, "live blocks, at most"),
    FIGURE(live_bytes_most, "live bytes as requested, at most"),
    FIGURE(live_blocks, "live blocks at the end"),
    FIGURE(live_bytes, "live bytes at the end"),
    FIGURE(virtual_bytes_most, "bytes of addresses, at most"),
    FIGURE(virtual_bytes, "bytes of addresses at the end"),
    {"resident_least_most", "resident bytes at most, at least",
     offsetof(struct replay_result, resident_most.least)},
    {"resident_most_most", "resident bytes at most, at most",
     offsetof(struct replay_result, resident_most.most)},
    FIGURE(peak, "operation at which it was so"),
    {"resident_least_end", "resident bytes at the end, at least",
     offsetof(struct replay_result, resident.least)},
    {"resident_most_end", "resident bytes at the end, at most",
     offsetof(struct replay_result, resident.most)},
    FIGURE(internal_permille, "of 1000 bytes in blocks, not asked for"),
    FIGURE(external_permille, "of 1000 bytes of arenas and mappings, in no block"),
    FIGURE(external_permille_end, "the same at the end"),
    FIGURE(n_refused, "requests refused"),
    FIGURE(first_refused, "operation that was refused first"),
    FIGURE(killed_at, "operation at which the process was ended"),
    MACHINE_FIGURE(minor_faults, "minor faults"),
    MACHINE_FIGURE(zero_faults, "of them, of the page of zeroes"),
    MACHINE_FIGURE(major_faults, "major faults"),
    MACHINE_FIGURE(tlb_reach_bytes, "bytes that the TLB reaches"),
    MACHINE_FIGURE(tlb_hits, "hits of the TLB"),
    MACHINE_FIGURE(tlb_misses, "misses of the TLB"),
    MACHINE_FIGURE(walk_reads, "reads of page tables for them"),
    MACHINE_FIGURE(table_pages_most, "page-table pages, at most"),
    MACHINE_FIGURE(swap_outs, "pages swapped out"),
    MACHINE_FIGURE(swap_ins, "pages swapped in"),
    MACHINE_FIGURE(swapped_bytes, "bytes in swap at the end"),
    MACHINE_FIGURE(struck, "failed by the plan"),
};
enum { N_FIGURES = sizeof figures / sizeof *figures };

static uint64_t value_of(const struct replay_result *result, const struct figure *figure)
{
    return *(const uint64_t *)(const void *)((const char *)result + figure->offset);
}

static uint64_t count_of(const struct replay_result *result, int i)
{
    return ((const uint64_t *)(const void *)&result->counts)[i];
}

void report_text(const char *machine, const struct replay_result *result)
{
    printf("%-52s %14s\n", "machine", machine);
    for (int i = 0; i < N_FIGURES; i++)
        printf("%-52s %14" PRIu64 "\n", figures[i].about, value_of(result, &figures[i]));
    for (int i = 0; i < N_MACHINE_COUNTS; i++)
        printf("calls of the kernel: %-31s %14" PRIu64 "\n", machine_count_names[i], count_of(result, i));
    printf("digest %58" PRIx64 "\n", result->digest);
}

void report_json(const char *machine, const struct replay_result *result)
{
    printf("{\n  \"machine\": \"%s\",\n", machine);
    for (int i = 0; i < N_FIGURES; i++)
        printf("  \"%s\": %" PRIu64 ",\n", figures[i].key, value_of(result, &figures[i]));
    puts("  \"calls\": {");
    for (int i = 0; i < N_MACHINE_COUNTS; i++)
        printf("    \"%s\": %" PRIu64 "%s\n", machine_count_names[i], count_of(result, i),
               i + 1 < N_MACHINE_COUNTS ? "," : "");
    printf("  },\n  \"digest\": \"%016" PRIx64 "\"\n}", result->digest);
}
