/* SPDX-License-Identifier: MIT */
/*
 * reserve.c - where arenas begin, and addresses for private breaks: many where they cost nothing, so that there are few
 * arenas, and no more than will be used soon where they are memory. Owns nothing.
 */
#include "base/atomic.h"
#include "pool/pool.h"

size_t vm_arena_alignment(void)
{
    return vm_max_size(vm_kernel_share(vm_pages_to_bytes((size_t)1 << VM_ORDER_MAX), 4),
                       vm_kernel.page_bytes);
}

size_t vm_pool_granule(void)
{
    return vm_max_size(vm_kernel_share(VM_GRANULE, 8), vm_kernel.page_bytes);
}

/* Bytes of the smallest arenas, and what is left to the tables that go with one. */
static size_t least_bytes(void)
{
    return vm_max_size(vm_kernel_share(VM_PRIVATE_ARENA_BYTES_MIN, 3), vm_kernel.page_bytes);
}

/* What an arena gets if addresses are not short. Where the memory grows by that, it grows by a quarter. */
static size_t wanted_bytes(void)
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
    char *const room = vm_kernel_map(least_bytes(), vm_kernel.page_bytes, VM_ACCESS_NONE);
    return room && vm_kernel_unmap(room, least_bytes());
}

/* `bytes` of them or, where they are short, a half of that, a quarter, down to `least`. */
static char *reserve_addresses(size_t *bytes, size_t least, size_t granule)
{
    for (;;) {
        char *const start = vm_kernel_map(*bytes, granule, VM_ACCESS_NONE);
        const size_t half = vm_round_down(*bytes / 2, granule);
        if (half < least || (start && is_room_for_tables()) || (start && !vm_kernel_unmap(start, *bytes)))
            return start;
        *bytes = half;
    }
}

char *vm_arena_reserve(size_t n_pages, size_t *bytes)
{
    const size_t granule = vm_pool_granule();
    const size_t least = vm_round_up(vm_max_size(vm_pages_to_bytes(n_pages), least_bytes()), granule);
    *bytes = vm_round_up(vm_max_size(wanted_bytes(), least), granule);
    return reserve_addresses(bytes, least, granule);
}
