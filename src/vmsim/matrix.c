/* SPDX-License-Identifier: MIT */
/* matrix.c - see matrix.h. */
#include "vmsim/matrix.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "vmsim/apart.h"
#include "vmsim/command.h"
#include "vmsim/options.h"
#include "vmsim/report.h"

enum { MACHINE_BYTES = 64 };

/* One row a column of the table: an offset into the result. */
static const struct column {
    const char *title;
    int width;
    size_t offset;
} columns[] = {
    {"page", 6, offsetof(struct replay_result, page_bytes)},
    {"addresses most", 15, offsetof(struct replay_result, virtual_bytes_most)},
    {"resident most", 14, offsetof(struct replay_result, resident_most.most)},
    {"minor faults", 13, offsetof(struct replay_result, figures.minor_faults)},
    {"major faults", 13, offsetof(struct replay_result, figures.major_faults)},
    {"TLB misses", 12, offsetof(struct replay_result, figures.tlb_misses)},
    {"walk reads", 12, offsetof(struct replay_result, figures.walk_reads)},
    {"tables most", 12, offsetof(struct replay_result, figures.table_pages_most)},
    {"refused", 8, offsetof(struct replay_result, n_refused)},
    {"ended at", 9, offsetof(struct replay_result, killed_at)},
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

static void print_titles(void)
{
    printf("%-14s", "machine");
    for (int i = 0; i < N_COLUMNS; i++)
        printf(" %*s", columns[i].width, columns[i].title);
    putchar('\n');
}

static void print_row(const char *machine, const struct replay_result *result)
{
    printf("%-14s", machine);
    for (int i = 0; i < N_COLUMNS; i++) {
        const char *const value = (const char *)result + columns[i].offset;
        printf(" %*" PRIu64, columns[i].width, *(const uint64_t *)(const void *)value);
    }
    putchar('\n');
}

/* Takes the next machine off the list. False: a complaint was printed. */
static bool next_machine(const char **list, char layout[MACHINE_BYTES], struct replay_plan *plan)
{
    const size_t length = strcspn(*list, ",");
    if (!length || length >= MACHINE_BYTES || strcmp(*list + length, ",") == 0) {
        vmsim_misused("--matrix: not layouts, with commas between them");
        return false;
    }
    memcpy(layout, *list, length);
    layout[length] = '\0';
    *list += length + ((*list)[length] == ',');
    char *const colon = strchr(layout, ':');
    if (colon)
        *colon = '\0';
    plan->machine.layout = layout;
    return !colon || option_size("matrix", colon + 1, &plan->machine.page_bytes);
}

int replay_matrix(struct trace *trace, const char *name, const struct replay_plan *plan, const char *machines,
                  bool is_json)
{
    int status = VMSIM_DONE;
    if (is_json)
        puts("[");
    else
        print_titles();
    do {
        char layout[MACHINE_BYTES];
        struct replay_plan here = *plan;
        struct replay_result result;
        if (!next_machine(&machines, layout, &here) || !replay_apart(trace, name, &here, &result))
            return VMSIM_WRONG;
        if (is_json)
            report_json(layout, &result);
        else
            print_row(layout, &result);
        if (is_json)
            puts(*machines ? "," : "");
        if (result.n_refused || result.killed_at)
            status = VMSIM_FAILED;
    } while (*machines);
    if (is_json)
        puts("]");
    return status;
}
