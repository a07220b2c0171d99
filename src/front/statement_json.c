/* SPDX-License-Identifier: MIT */
/* statement_json.c - our own report for programs: docs/statistics.schema.json describes it. A member that changes its
   meaning, or goes, raises SCHEMA; new ones do not. */
#include "base/atomic.h"
#include "front/stats.h"
#include "slab/sizeclass.h"
#include "vmalloc/vmalloc.h"

enum { SCHEMA = 1 };

/* A member of an object; those of an array have no name. */
struct member {
    const char *name;
    uint64_t value;
};

struct json {
    struct printer *printer;
    unsigned depth;
    bool has_members; /* what is open now */
};

static void begin_member(struct json *json, const char *name)
{
    vm_print_text(json->printer, json->has_members ? ",\n" : "\n");
    for (unsigned i = 0; i < json->depth; i++)
        vm_print_text(json->printer, " ");
    if (name) {
        vm_print_text(json->printer, "\"");
        vm_print_text(json->printer, name);
        vm_print_text(json->printer, "\": ");
    }
    json->has_members = true;
}

static void begin(struct json *json, const char *name, const char *bracket)
{
    if (json->depth)
        begin_member(json, name);
    vm_print_text(json->printer, bracket);
    json->depth++;
    json->has_members = false;
}

static void end(struct json *json, const char *bracket)
{
    vm_print_text(json->printer, bracket);
    json->depth--;
    json->has_members = true;
}

static void number(struct json *json, const char *name, uint64_t value)
{
    begin_member(json, name);
    vm_print_number(json->printer, value, 0);
}

/* Of text without quotes and backslashes. */
static void text(struct json *json, const char *name, const char *value)
{
    begin_member(json, name);
    vm_print_text(json->printer, "\"");
    vm_print_text(json->printer, value);
    vm_print_text(json->printer, "\"");
}

/* Up to a member without a name. */
static void numbers(struct json *json, const struct member *member)
{
    for (; member->name; member++)
        number(json, member->name, member->value);
}

static void object(struct json *json, const char *name, const struct member *members)
{
    begin(json, name, "{");
    numbers(json, members);
    end(json, "}");
}

static void print_arena(struct json *json, const struct arena_figures *arena)
{
    const struct arena_totals *const totals = &arena->totals;
    begin(json, NULL, "{");
    text(json, "kind", arena->kind == ARENA_PROCESS_BREAK ? "process break" : "private break");
    numbers(json, (const struct member[]){{"system_bytes", totals->system_bytes},
                                          {"system_bytes_max", totals->system_bytes_max},
                                          {"in_use_bytes", arena->in_use_bytes},
                                          {"free_bytes", vm_figures_free_bytes(arena)},
                                          {"slabs", arena->n_slabs},
                                          {"slab_bytes", arena->slab_bytes},
                                          {"slab_live_bytes", arena->slab_live_bytes},
                                          {"slab_free_bytes", vm_figures_slab_free_bytes(arena)},
                                          {"slab_remainder_bytes", arena->remainder_bytes},
                                          {"middle_bytes", totals->middle_bytes},
                                          {"middle_free_bytes", totals->quick.bytes},
                                          {"free_page_bytes", totals->free_bytes},
                                          {"dirty_page_bytes", totals->dirty_bytes},
                                          {"unseen_bytes", vm_figures_unseen_bytes(arena)},
                                          {"top_free_bytes", totals->top_free_bytes},
                                          {"foreign_bytes", totals->foreign_bytes},
                                          {"reserved_bytes", totals->reserved_bytes},
                                          {"spans_taken", totals->counts.n_taken},
                                          {"spans_given", totals->counts.n_given},
                                          {"break_grown", totals->counts.n_grown},
                                          {"break_trimmed", totals->counts.n_trimmed},
                                          {"blocks_purged", totals->counts.n_purged},
                                          {"dirty_pages_purged", totals->counts.n_purged_pages},
                                          {"lock_taken", totals->counts.n_locked},
                                          {0}});
    begin(json, "free_spans_of_order", "[");
    for (unsigned order = 0; order < VM_N_ORDERS; order++)
        number(json, NULL, totals->n_free_of_order[order]);
    end(json, "]");
    end(json, "}");
}

static void print_class(struct json *json, const struct class_figures *class, unsigned class_index)
{
    object(json, NULL,
           (const struct member[]){{"block_bytes", vm_class_bytes(class_index)},
                                   {"slabs", class->n_slabs},
                                   {"empty", class->n_empty},
                                   {"partial", class->n_partial},
                                   {"full", class->n_full},
                                   {"slab_bytes", class->slab_bytes},
                                   {"live_blocks", class->n_live},
                                   {"free_blocks", class->n_free},
                                   {0}});
}

static void print_region(struct json *json, const struct vm_kernel_region *region)
{
    object(json, "region",
           (const struct member[]){{"start", (uintptr_t)region->start},
                                   {"bytes", region->bytes},
                                   {"used_bytes", region->used_bytes},
                                   {"free_bytes", region->free_bytes},
                                   {"used_bytes_max", region->used_bytes_max},
                                   {0}});
}

static void print_sums(struct json *json, const struct figures *figures)
{
    const struct sums *const sums = &figures->sums;
    const struct large_totals *const large = &sums->large;
    object(json, "total",
           (const struct member[]){{"arena_bytes", sums->system_bytes},
                                   {"arena_bytes_max", sums->system_bytes_max},
                                   {"in_use_bytes", sums->in_use_bytes},
                                   {"free_bytes", sums->free_bytes},
                                   {"free_pieces", sums->n_free},
                                   {"top_free_bytes", sums->top_free_bytes},
                                   {"large_bytes", large->large_bytes},
                                   {"metadata_bytes", figures->metadata_bytes},
                                   {"reserved_bytes", figures->reserved_bytes},
                                   {0}});
    object(json, "large",
           (const struct member[]){{"blocks", large->n_large},
                                   {"bytes", large->large_bytes},
                                   {"blocks_max", large->n_large_max},
                                   {"bytes_max", large->large_bytes_max},
                                   {0}});
    object(json, "middle",
           (const struct member[]){{"blocks", large->n_middle}, {"bytes", large->middle_bytes}, {0}});
}

static void print_others(struct json *json, const struct figures *figures)
{
    object(json, "heaps",
           (const struct member[]){{"live", figures->n_live_heaps},
                                   {"shared", figures->n_shared_heaps},
                                   {"abandoned", figures->n_abandoned_heaps},
                                   {"frozen", figures->n_frozen_heaps},
                                   {"retired_slabs", figures->n_retired},
                                   {"retired_bytes", figures->retired_bytes},
                                   {0}});
    object(json, "metadata",
           (const struct member[]){{"descriptor_bytes", figures->meta.mapped_bytes},
                                   {"descriptor_bytes_used", figures->meta.used_bytes},
                                   {"record_bytes", figures->record_bytes},
                                   {"page_map_bytes", figures->map.mapped_bytes},
                                   {"fork_mark_bytes", figures->mark_bytes},
                                   {"static_bytes", figures->map.static_bytes},
                                   {0}});
    object(json, "settings",
           (const struct member[]){{"trim_threshold", vm_load_relaxed(&vm_arena_policy.x_trim_threshold)},
                                   {"top_pad", vm_load_relaxed(&vm_arena_policy.x_top_pad)},
                                   {"mmap_threshold", vm_load_relaxed(&vm_large_policy.x_threshold)},
                                   {"mmap_max", vm_load_relaxed(&vm_large_policy.x_n_max)},
                                   {0}});
    begin(json, "kernel_calls", "{");
    for (unsigned i = 0; i < VM_N_KERNEL_COUNTS; i++)
        number(json, vm_statement_kernel_names[i], ((const uint64_t *)&figures->kernel)[i]);
    end(json, "}");
}

void vm_statement_print_json(struct printer *printer, const struct figures *figures)
{
    struct json json = {.printer = printer};
    begin(&json, NULL, "{");
    number(&json, "schema", SCHEMA);
    text(&json, "version", VMALLOC_VERSION);
    text(&json, "backend", vm_kernel.name);
    number(&json, "page_bytes", vm_kernel.page_bytes);
    if (figures->region.bytes)
        print_region(&json, &figures->region);
    print_sums(&json, figures);
    begin(&json, "arenas", "[");
    for (size_t i = 0; i < figures->sums.n_arenas; i++)
        print_arena(&json, &figures->arena[i]);
    end(&json, "]");
    begin(&json, "classes", "[");
    for (unsigned i = 0; i < VM_N_CLASSES; i++)
        if (figures->class[i].n_slabs)
            print_class(&json, &figures->class[i], i);
    end(&json, "]");
    print_others(&json, figures);
    end(&json, "}");
    vm_print_text(printer, "\n");
}
