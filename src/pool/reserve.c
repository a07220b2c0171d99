/* SPDX-License-Identifier: MIT */
/*
 * reserve.c - addresses for an arena with a break of its own: many where they cost nothing, so that there are few arenas,
 * and no more than will be used soon where they are memory. Owns nothing.
 */
#include "base/atomic.h"
#include "base/bits.h"
#include "kernel/kernel.h"
#include "pool/pool.h"

static size_t bytes_min(void)
{
    return vm_kernel_share(VM_PRIVATE_ARENA_BYTES_MIN, 3);
}

/* Where the memory grows by what is reserved, it grows by a quarter. */
static size_t bytes_max(void)
{
    if (!vm_kernel.grows_on_demand)
        return vm_kernel_share(VM_PRIVATE_ARENA_BYTES, 1);
    size_t n_pages = 0;
    struct arena *arena;
    for (size_t index = 0; (arena = vm_pool_arena(index)); index++)
        n_pages += vm_load_relaxed(&arena->x_n_pages);
    return vm_min_size(vm_pages_to_bytes(n_pages / 4), VM_PRIVATE_ARENA_BYTES);
}

/* Whether a mapping could be made for the tables that go with an arena: a leaf of the page map, descriptors, records. Where
   that would take memory, they come when they are needed. */
static bool is_room_for_tables(void)
{
    if (vm_kernel.grows_on_demand)
        return true;
    char *const room = vm_kernel_map(bytes_min(), vm_kernel.page_bytes, VM_ACCESS_NONE);
    return room && vm_kernel_unmap(room, bytes_min());
}

/* Where addresses are short, a half of what is wanted, a quarter, and so on. */
char *vm_arena_reserve(size_t n_pages, size_t *bytes)
{
    const size_t granule = vm_max_size(vm_kernel_share(VM_GRANULE, 8), vm_kernel.page_bytes);
    const size_t least = vm_round_up(vm_max_size(vm_pages_to_bytes(n_pages), bytes_min()), granule);
    *bytes = vm_round_up(vm_max_size(bytes_max(), least), granule);
    for (;;) {
        char *const start = vm_kernel_map(*bytes, granule, VM_ACCESS_NONE);
        const size_t half = vm_round_down(*bytes / 2, granule);
        if (half < least || (start && is_room_for_tables()) || (start && !vm_kernel_unmap(start, *bytes)))
            return start;
        *bytes = half;
    }
}
