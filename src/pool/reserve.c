/* SPDX-License-Identifier: MIT */
/* reserve.c - where arenas begin, and addresses for private breaks. Owns nothing. */
#include "pool/arena.h"

size_t vm_arena_alignment(void)
{
    return vm_max_size(vm_kernel_share(vm_pages_to_bytes((size_t)1 << VM_ORDER_MAX), 4),
                       vm_kernel.page_bytes);
}

/* Bytes of the smallest arenas, and what is left to the tables that go with one. */
static size_t least_bytes(void)
{
    return vm_max_size(vm_kernel_share(VM_PRIVATE_ARENA_BYTES_MIN, 3), vm_kernel.page_bytes);
}

/* Whether a mapping could be made for the tables that go with an arena: a leaf of the page map, descriptors, records. */
static bool is_room_for_tables(void)
{
    char *const room = vm_kernel_map(least_bytes(), vm_kernel.page_bytes, VM_ACCESS_NONE);
    return room && vm_kernel_unmap(room, least_bytes());
}

/* `bytes` of them or, where they are short, a half of that, a quarter, down to `least`. */
static char *reserve_addresses(size_t *bytes, size_t least, size_t granule)
{
    for (;; *bytes /= 2) {
        char *const start = vm_kernel_map(*bytes, granule, VM_ACCESS_NONE);
        const bool is_least = *bytes / 2 < least;
        if (is_least || (start && is_room_for_tables()) || (start && !vm_kernel_unmap(start, *bytes)))
            return start;
    }
}

char *vm_arena_reserve(size_t n_pages, size_t *bytes)
{
    const size_t granule = vm_max_size(vm_kernel_share(VM_GRANULE, 8), vm_kernel.page_bytes);
    const size_t least = vm_round_up(vm_max_size(vm_pages_to_bytes(n_pages), least_bytes()), granule);
    *bytes = vm_max_size(vm_kernel_share(VM_PRIVATE_ARENA_BYTES, 1), least);
    return reserve_addresses(bytes, least, granule);
}
