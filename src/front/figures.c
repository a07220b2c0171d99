/* SPDX-License-Identifier: MIT */
/*
 * figures.c - see figures.h. Owns one picture, which the first to ask has; who asks meanwhile gets a mapping. So
 * a report needs neither the stack nor malloc, and is printed with no lock held: the stream may allocate.
 */
#include "front/figures.h"
#include "heap/moves.h"
#include "heap/thread.h"

static struct figures kept;
static uint32_t x_is_kept_taken;

/* What one pass over the heaps counts: the sums, and the rest unless it is NULL. */
struct tally {
    size_t live_bytes, n_free;
    struct figures *figures;
};

static void count_in_arena(struct arena_figures *arena, const struct slab *slab, size_t n_free)
{
    const size_t remainder = slab->span.bytes - slab->n_blocks * slab->span.block_bytes;
    arena->n_slabs++;
    arena->slab_bytes += slab->span.bytes;
    arena->slab_live_bytes += (slab->n_blocks - n_free) * slab->span.block_bytes;
    arena->n_free_of_class[slab->class_index] += (uint32_t)n_free;
    arena->n_remainders += remainder != 0;
    arena->remainder_bytes += remainder;
    arena->remainder_bytes_max = vm_max_size(arena->remainder_bytes_max, remainder);
}

static void count_in_class(struct class_figures *class, const struct slab *slab, size_t n_free)
{
    class->n_slabs++;
    class->slab_bytes += slab->span.bytes;
    class->n_live += slab->n_blocks - n_free;
    class->n_free += n_free;
    if (n_free == slab->n_blocks)
        class->n_empty++;
    else if (n_free)
        class->n_partial++;
    else
        class->n_full++;
}

static void count_slab(struct tally *tally, const struct slab *slab)
{
    const size_t n_free = vm_slab_count_free(slab), n_live = slab->n_blocks - n_free;
    tally->live_bytes += n_live * slab->span.block_bytes;
    tally->n_free += n_free + (slab->span.bytes > slab->n_blocks * slab->span.block_bytes);
    struct figures *const figures = tally->figures;
    const size_t arena_index = slab->span.arena_index;
    if (!figures || arena_index >= figures->sums.n_arenas)
        return; /* an arena that came after the picture was begun */
    count_in_arena(&figures->arena[arena_index], slab, n_free);
    count_in_class(&figures->class[slab->class_index], slab, n_free);
}

static void count_heap(struct figures *figures, const struct heap *heap)
{
    if (vm_load_relaxed(&heap->x_state) == HEAP_LIVE)
        figures->n_live_heaps++;
    else if (vm_load_relaxed(&heap->x_state) == HEAP_SHARED)
        figures->n_shared_heaps++;
    else
        figures->n_abandoned_heaps++;
    figures->n_retired += heap->n_retired;
    figures->retired_bytes += heap->retired_bytes;
}

static void visit_heap(struct tally *tally, struct heap *heap)
{
    struct figures *const figures = tally->figures;
    if (!vm_heap_enter(heap)) {
        if (figures)
            figures->n_frozen_heaps++;
        return;
    }
    if (figures)
        count_heap(figures, heap);
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        if (heap->current[i])
            count_slab(tally, heap->current[i]);
        for (struct list_node *node = heap->slabs[i].first; node; node = node->next)
            count_slab(tally, vm_slab_of_node(node));
    }
    vm_lock_release(&heap->lock);
}

static size_t count_arenas(void)
{
    size_t n = 0;
    while (vm_pool_arena(n))
        n++;
    return n;
}

/* All zero but for the arenas beyond the last, which nobody looks at. */
static void clear(struct figures *figures)
{
    const size_t n_arenas = vm_max_size(count_arenas(), 1);
    __builtin_memset(figures, 0, offsetof(struct figures, arena) + n_arenas * sizeof *figures->arena);
    figures->sums.n_arenas = n_arenas;
}

/* Once over all heaps. `figures` may be NULL. */
static struct tally tally_heaps(struct figures *figures)
{
    struct tally tally = {.figures = figures};
    vm_moves_hold();
    for (struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        visit_heap(&tally, heap);
    vm_moves_release();
    return tally;
}

static void add_arena(struct sums *sums, const struct arena_totals *totals)
{
    sums->system_bytes += totals->system_bytes;
    sums->system_bytes_max += totals->system_bytes_max;
    sums->n_free += totals->quick.n;
    for (unsigned order = 0; order < VM_N_ORDERS; order++)
        sums->n_free += totals->n_free_of_order[order];
}

/* Live bytes as seen, but never more than what was taken a moment later. */
static size_t in_use_bytes(const struct arena_totals *totals, size_t slab_live_bytes)
{
    return vm_min_size(slab_live_bytes + totals->middle_bytes, totals->system_bytes - totals->free_bytes);
}

struct sums vm_figures_sum(void)
{
    vm_heap_first_call();
    const struct tally tally = tally_heaps(NULL);
    struct sums sums = {.n_free = tally.n_free, .large = vm_large_totals()};
    struct arena_totals all = {0};
    struct arena *arena;
    for (; (arena = vm_pool_arena(sums.n_arenas)); sums.n_arenas++) {
        const struct arena_totals totals = vm_arena_totals(arena);
        if (sums.n_arenas == 0)
            sums.top_free_bytes = totals.top_free_bytes;
        add_arena(&sums, &totals);
        all.free_bytes += totals.free_bytes;
        all.middle_bytes += totals.middle_bytes;
    }
    all.system_bytes = sums.system_bytes;
    sums.in_use_bytes = in_use_bytes(&all, tally.live_bytes);
    sums.free_bytes = sums.system_bytes - sums.in_use_bytes;
    return sums;
}

static void fill_arenas(struct figures *figures)
{
    struct sums *const sums = &figures->sums;
    for (size_t i = 0; i < sums->n_arenas; i++) {
        struct arena_figures *const to = &figures->arena[i];
        struct arena *const arena = vm_pool_arena(i);
        if (!arena)
            break; /* there is none at all yet */
        to->kind = arena->kind;
        to->totals = vm_arena_totals(arena);
        to->in_use_bytes = in_use_bytes(&to->totals, to->slab_live_bytes);
        add_arena(sums, &to->totals);
        sums->in_use_bytes += to->in_use_bytes;
        figures->record_bytes += to->totals.record_bytes;
        figures->reserved_bytes += to->totals.reserved_bytes;
    }
    sums->top_free_bytes = figures->arena[0].totals.top_free_bytes;
    sums->free_bytes = sums->system_bytes - sums->in_use_bytes;
}

static struct kernel_counts kernel_counts(void)
{
    enum { N = sizeof(struct kernel_counts) / sizeof(uint64_t) };
    struct kernel_counts counts;
    for (unsigned i = 0; i < N; i++)
        ((uint64_t *)&counts)[i] = vm_load_relaxed(&((const uint64_t *)&vm_kernel_counts)[i]);
    return counts;
}

struct figures *vm_figures_take(void)
{
    vm_heap_first_call();
    uint32_t expected = 0;
    struct figures *figures = &kept;
    if (!vm_compare_exchange(&x_is_kept_taken, &expected, 1)) /* pairs with the store of vm_figures_drop */
        figures = vm_kernel_map(vm_round_up(sizeof *figures, vm_kernel.page_bytes), vm_kernel.page_bytes,
                                VM_ACCESS_READ_WRITE);
    if (!figures)
        return NULL;
    clear(figures);
    const struct tally tally = tally_heaps(figures);
    figures->sums.n_free = tally.n_free;
    figures->sums.large = vm_large_totals();
    fill_arenas(figures);
    figures->meta = vm_meta_totals();
    figures->map = vm_pagemap_totals();
    figures->mark_bytes = vm_process_mark_bytes();
    figures->metadata_bytes =
        figures->meta.mapped_bytes + figures->map.mapped_bytes + figures->record_bytes + figures->mark_bytes;
    figures->kernel = kernel_counts();
    figures->region = vm_kernel_describe();
    return figures;
}

void vm_figures_drop(struct figures *figures)
{
    if (figures == &kept)
        vm_store_release(&x_is_kept_taken, 0);
    else
        vm_kernel_unmap(figures, vm_round_up(sizeof *figures, vm_kernel.page_bytes));
}

size_t vm_figures_slab_free_bytes(const struct arena_figures *arena)
{
    return arena->slab_bytes - arena->slab_live_bytes - arena->remainder_bytes;
}

size_t vm_figures_unseen_bytes(const struct arena_figures *arena)
{
    const size_t taken = arena->totals.system_bytes - arena->totals.free_bytes;
    const size_t seen = arena->slab_bytes + arena->totals.middle_bytes + arena->totals.quick.bytes;
    return taken - vm_min_size(seen, taken);
}

size_t vm_figures_free_bytes(const struct arena_figures *arena)
{
    return arena->totals.system_bytes - arena->in_use_bytes;
}
