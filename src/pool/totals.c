/* SPDX-License-Identifier: MIT */
/* totals.c - what arenas and pool are made of, for statistics. Owns nothing; takes each arena's lock in turn, which
   does not count among the acquisitions that it reports. */
#include "pool/pool.h"
#include "pool/quick.h"
#include "pool/records.h"

/* Addresses between start and break that somebody else's sbrk took. */
static size_t foreign_bytes(const struct arena *arena)
{
    return vm_pages_to_bytes(arena->n_alien) -
           vm_pages_to_bytes(vm_bytes_to_pages((size_t)(arena->start - arena->base)));
}

/* Sets what middle blocks are. The counts run on meanwhile; in this order, what is put into the list in between was freed in
   between. */
static void count_middle(const struct arena *arena, struct arena_totals *totals)
{
    totals->quick = vm_quick_totals(arena->index);
    const size_t bytes = vm_load_relaxed(&arena->x_middle_bytes);
    totals->middle_bytes = bytes - vm_min_size(totals->quick.bytes, bytes);
}

static struct arena_totals totals_locked(const struct arena *arena)
{
    struct arena_totals totals = {
        .system_bytes = vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_pages)),
        .system_bytes_max = vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_pages_max)),
        .free_bytes = vm_pages_to_bytes(arena->place.n_free),
        .dirty_bytes = vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_dirty)),
        .top_free_bytes = vm_pages_to_bytes(arena->place.n_top),
        .foreign_bytes = foreign_bytes(arena),
        .reserved_bytes = arena->limit ? (size_t)(arena->limit - arena->break_end) : 0,
        .record_bytes = vm_records_bytes(arena),
        .counts = arena->counts,
    };
    count_middle(arena, &totals);
    vm_place_count_blocks(&arena->place, totals.n_free_of_order);
    return totals;
}

/* Nothing but single words that are always whole: the rest may have been in the middle of a change. */
static struct arena_totals totals_frozen(const struct arena *arena)
{
    const size_t system_bytes = vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_pages));
    struct arena_totals totals = {
        .system_bytes = system_bytes,
        .system_bytes_max = vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_pages_max)),
        .free_bytes = vm_min_size(vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_free)), system_bytes),
        .reserved_bytes = arena->limit ? (size_t)(arena->limit - arena->break_end) : 0,
        .record_bytes = vm_records_bytes(arena),
    };
    count_middle(arena, &totals);
    return totals;
}

struct arena_totals vm_arena_totals(struct arena *arena)
{
    vm_lock_acquire(&arena->lock);
    const bool is_frozen = vm_load_relaxed(&arena->x_is_frozen); /* in a fork child perhaps while it waited */
    const struct arena_totals totals = is_frozen ? totals_frozen(arena) : totals_locked(arena);
    vm_lock_release(&arena->lock);
    return totals;
}

struct pool_totals vm_pool_totals(void)
{
    struct pool_totals sums = {0};
    struct arena *arena;
    for (; (arena = vm_pool_arena(sums.n_arenas)); sums.n_arenas++) {
        const struct arena_totals totals = vm_arena_totals(arena);
        sums.arena_bytes += totals.system_bytes;
        sums.arena_bytes_max += totals.system_bytes_max;
        sums.free_bytes += totals.free_bytes;
        sums.dirty_bytes += totals.dirty_bytes;
        for (unsigned order = 0; order < VM_N_ORDERS; order++)
            sums.n_free_spans += totals.n_free_of_order[order];
        if (sums.n_arenas == 0)
            sums.top_free_bytes = totals.top_free_bytes;
    }
    return sums;
}
