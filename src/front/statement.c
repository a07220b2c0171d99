/* SPDX-License-Identifier: MIT */
/*
 * statement.c - our own report for people: why the process is as big as it is. It begins with sums that can be held
 * against /proc/self/smaps, goes on to arenas, classes and metadata, and ends with glibc's malloc_stats.
 */
#include <errno.h>
#include "front/front.h"
#include "base/atomic.h"
#include "front/stats.h"
#include "slab/sizeclass.h"
#include "vmalloc/vmalloc.h"

const char *const vm_statement_kernel_names[VM_N_KERNEL_COUNTS] = {
    "break_grow",    "break_refused", "break_trim", "map",     "map_refused", "unmap",
    "unmap_refused", "resize",        "move",       "protect", "purge",
};

/* "  LABEL                         VALUE  NOTE" */
static void row(struct printer *printer, const char *label, size_t value, const char *note)
{
    enum { LABEL_WIDTH = 26 };
    size_t length = 0;
    while (label[length])
        length++;
    vm_print_text(printer, "  ");
    vm_print_text(printer, label);
    for (; length < LABEL_WIDTH; length++)
        vm_print_text(printer, " ");
    vm_print_number(printer, value, 16);
    vm_print_text(printer, "  ");
    vm_print_text(printer, note);
    vm_print_text(printer, "\n");
}

/* "  WORDS NUMBER WORDS NUMBER ...", ended by NULL words. */
struct count {
    const char *words;
    uint64_t value;
};

static void counts(struct printer *printer, const struct count *count)
{
    vm_print_text(printer, " ");
    for (; count->words; count++) {
        vm_print_text(printer, " ");
        vm_print_text(printer, count->words);
        vm_print_text(printer, " ");
        vm_print_number(printer, count->value, 0);
        vm_print_text(printer, count[1].words ? "," : "\n");
    }
}

/* What all arenas' free bytes are. */
struct parts {
    size_t slab_live, middle, slab_free, remainders, quick, unseen, dirty, clean;
};

static struct parts add_up(const struct figures *figures)
{
    struct parts parts = {0};
    for (size_t i = 0; i < figures->sums.n_arenas; i++) {
        const struct arena_figures *const arena = &figures->arena[i];
        parts.slab_live += arena->slab_live_bytes;
        parts.middle += arena->totals.middle_bytes;
        parts.slab_free += vm_figures_slab_free_bytes(arena);
        parts.remainders += arena->remainder_bytes;
        parts.quick += arena->totals.quick.bytes;
        parts.unseen += vm_figures_unseen_bytes(arena);
        parts.dirty += arena->totals.dirty_bytes;
        parts.clean +=
            arena->totals.free_bytes - vm_min_size(arena->totals.dirty_bytes, arena->totals.free_bytes);
    }
    return parts;
}

static void print_process(struct printer *printer, const struct figures *figures)
{
    const struct sums *const sums = &figures->sums;
    const struct parts parts = add_up(figures);
    const size_t mapped = sums->system_bytes + sums->large.large_bytes + figures->metadata_bytes;
    vm_print_text(printer, "vmalloc " VMALLOC_VERSION ", backend ");
    vm_print_text(printer, vm_kernel.name);
    vm_print_text(printer, ", page size ");
    vm_print_number(printer, vm_kernel.page_bytes, 0);
    vm_print_text(printer, "\n");
    vm_print_region(printer, "", &figures->region);
    vm_print_text(printer, "\nFrom the kernel, in bytes:\n");
    row(printer, "arenas", sums->system_bytes, "pages up to their breaks");
    row(printer, "large blocks", sums->large.large_bytes, "a mapping each");
    row(printer, "metadata", figures->metadata_bytes, "descriptors and maps, apart from all blocks");
    row(printer, "all accessible mappings", mapped, "the sum of these three");
    row(printer, "reserved", figures->reserved_bytes,
        "inaccessible addresses above private breaks: no memory");
    vm_print_text(printer, "The arenas consist of:\n");
    row(printer, "live blocks in slabs", parts.slab_live, "in use");
    row(printer, "live middle blocks", parts.middle, "in use");
    row(printer, "free blocks in slabs", parts.slab_free, "cached: the threads' next blocks");
    row(printer, "remainders of slabs", parts.remainders, "too little for one block more");
    row(printer, "free middle blocks", parts.quick, "cached: for the next of their length");
    row(printer, "dirty free pages", parts.dirty, "cached: with contents, until reused or purged");
    row(printer, "clean free pages", parts.clean, "purged or never used: no memory");
    row(printer, "unseen", parts.unseen, "on their way between owners, or lost in a fork");
    vm_print_text(printer, "So at most this is in memory:\n");
    row(printer, "in memory", mapped - vm_min_size(parts.clean, mapped),
        "all accessible mappings without clean pages");
}

static void print_arena(struct printer *printer, const struct arena_figures *arena, size_t index)
{
    const struct arena_totals *const totals = &arena->totals;
    vm_print_text(printer, "\nArena ");
    vm_print_number(printer, index, 0);
    vm_print_text(printer,
                  arena->kind == ARENA_PROCESS_BREAK ? ", the process's break:\n" : ", a private break:\n");
    counts(printer, (const struct count[]){{"system", totals->system_bytes},
                                           {"most ever", totals->system_bytes_max},
                                           {"in use", arena->in_use_bytes},
                                           {"free", vm_figures_free_bytes(arena)},
                                           {0}});
    counts(printer, (const struct count[]){{"free pages", totals->free_bytes},
                                           {"dirty", totals->dirty_bytes},
                                           {"at the break", totals->top_free_bytes},
                                           {"foreign", totals->foreign_bytes},
                                           {0}});
    counts(printer, (const struct count[]){{"slabs", arena->n_slabs},
                                           {"of bytes", arena->slab_bytes},
                                           {"live", arena->slab_live_bytes},
                                           {"middle blocks", totals->middle_bytes},
                                           {0}});
    counts(printer, (const struct count[]){{"spans taken", totals->counts.n_taken},
                                           {"given", totals->counts.n_given},
                                           {"break grown", totals->counts.n_grown},
                                           {"trimmed", totals->counts.n_trimmed},
                                           {0}});
    counts(printer, (const struct count[]){{"blocks purged", totals->counts.n_purged},
                                           {"dirty pages in them", totals->counts.n_purged_pages},
                                           {"lock taken", totals->counts.n_locked},
                                           {0}});
    vm_print_text(printer, "  free spans of 1, 2, 4 ... 1024 pages:");
    for (unsigned order = 0; order < VM_N_ORDERS; order++) {
        vm_print_text(printer, " ");
        vm_print_number(printer, totals->n_free_of_order[order], 0);
    }
    vm_print_text(printer, "\n");
}

static void print_class(struct printer *printer, const struct class_figures *class, unsigned class_index)
{
    const struct {
        size_t value;
        unsigned width;
    } columns[] = {
        {vm_class_bytes(class_index), 6},
        {class->n_slabs, 9},
        {class->n_empty, 9},
        {class->n_partial, 9},
        {class->n_full, 9},
        {class->n_live, 12},
        {class->n_free, 12},
    };
    for (unsigned i = 0; i < sizeof columns / sizeof *columns; i++)
        vm_print_number(printer, columns[i].value, columns[i].width);
    vm_print_text(printer, "\n");
}

static void print_classes(struct printer *printer, const struct figures *figures)
{
    vm_print_text(printer, "\nSlabs, by the size of their blocks:\n"
                           " bytes    slabs    empty  partial     full live blocks free blocks\n");
    for (unsigned i = 0; i < VM_N_CLASSES; i++)
        if (figures->class[i].n_slabs)
            print_class(printer, &figures->class[i], i);
}

static void print_kernel_calls(struct printer *printer, const struct kernel_counts *kernel)
{
    enum { IN_A_LINE = 6 };
    struct count calls[IN_A_LINE + 1] = {0};
    for (unsigned first = 0; first < VM_N_KERNEL_COUNTS; first += IN_A_LINE) {
        for (unsigned i = 0; i < IN_A_LINE; i++)
            calls[i] = first + i < VM_N_KERNEL_COUNTS ? (struct count){vm_statement_kernel_names[first + i],
                                                                       ((const uint64_t *)kernel)[first + i]}
                                                      : (struct count){0};
        counts(printer, calls);
    }
}

static void print_others(struct printer *printer, const struct figures *figures)
{
    const struct large_totals *const large = &figures->sums.large;
    /* The trim rule, and who gets a mapping. */
    vm_print_text(printer, "\nSettings in effect, in bytes:\n");
    counts(printer,
           (const struct count[]){{"a break moves down when so much is free there: trim_threshold",
                                   vm_load_relaxed(&vm_arena_policy.x_trim_threshold)},
                                  {"and leaves top_pad", vm_load_relaxed(&vm_arena_policy.x_top_pad)},
                                  {0}});
    counts(printer,
           (const struct count[]){
               {"blocks get a mapping from mmap_threshold", vm_load_relaxed(&vm_large_policy.x_threshold)},
               {"but at most mmap_max", vm_load_relaxed(&vm_large_policy.x_n_max)},
               {0}});
    vm_print_text(printer, "\nOther blocks, heaps, metadata, kernel calls:\n");
    counts(printer, (const struct count[]){{"middle blocks", large->n_middle},
                                           {"of bytes", large->middle_bytes},
                                           {"free ones", large->n_quick},
                                           {"large blocks", large->n_large},
                                           {"of bytes", large->large_bytes},
                                           {0}});
    counts(printer, (const struct count[]){{"heaps of threads", figures->n_live_heaps},
                                           {"shared", figures->n_shared_heaps},
                                           {"waiting for one", figures->n_abandoned_heaps},
                                           {"frozen by a fork", figures->n_frozen_heaps},
                                           {0}});
    counts(printer, (const struct count[]){
                        {"empty slabs kept", figures->n_retired}, {"of bytes", figures->retired_bytes}, {0}});
    counts(printer, (const struct count[]){{"descriptors", figures->meta.mapped_bytes},
                                           {"of them used", figures->meta.used_bytes},
                                           {"page records", figures->record_bytes},
                                           {"page map", figures->map.mapped_bytes},
                                           {"fork mark", figures->mark_bytes},
                                           {0}});
    counts(printer,
           (const struct count[]){{"in the library's own data: page map", figures->map.static_bytes}, {0}});
    print_kernel_calls(printer, &figures->kernel);
    vm_print_text(printer, "\n");
}

void vm_statement_print(struct printer *printer, const struct figures *figures)
{
    print_process(printer, figures);
    for (size_t i = 0; i < figures->sums.n_arenas; i++)
        print_arena(printer, &figures->arena[i], i);
    print_classes(printer, figures);
    print_others(printer, figures);
    vm_stats_print(printer, figures);
}

/* To a stream, or to standard error without stdio. */
static int print(FILE *stream, void (*form)(struct printer *, const struct figures *))
{
    struct figures *const figures = vm_figures_take();
    if (!figures)
        return ENOMEM;
    struct printer printer;
    vm_print_begin(&printer, stream);
    form(&printer, figures);
    vm_print_end(&printer);
    vm_figures_drop(figures);
    return 0;
}

void vm_stats_report(enum stats_format format)
{
    print(NULL, format == STATS_JSON    ? vm_statement_print_json
                : format == STATS_GLIBC ? vm_stats_print
                                        : vm_statement_print);
}

int vm_malloc_stats_print(FILE *stream, enum vm_stats_format format)
{
    if (format != VM_STATS_TEXT && format != VM_STATS_JSON)
        return EINVAL;
    return print(stream, format == VM_STATS_JSON ? vm_statement_print_json : vm_statement_print);
}

void vm_malloc_stats(void)
{
    print(stderr, vm_statement_print);
}
