/* SPDX-License-Identifier: MIT */
/* records.c - see records.h. Owns nothing. */
#include "pool/records.h"

/* There is room for so many pages, and such a table of groups, at first: what is untouched costs nothing. */
enum { PAGES_MIN = 16384, GROUP_BYTES_MIN = 128 * VM_KIB };

static size_t record_bytes(size_t capacity)
{
    return vm_round_up(capacity * sizeof(struct buddy_page), vm_kernel.page_bytes);
}

size_t vm_records_bytes(const struct arena *arena)
{
    return record_bytes(arena->capacity) + arena->group_bytes;
}

/* Records that there can be use for: one more than pages, as who grows by a whole number of them asks for. */
static size_t n_records_max(const struct arena *arena)
{
    const char *const memory_end = vm_kernel.memory_bytes ? vm_kernel.memory + vm_kernel.memory_bytes : NULL;
    const char *const end = arena->limit ? arena->limit : memory_end;
    return end ? ((size_t)(end - arena->base) >> vm_kernel.page_shift) + 1 : VM_BUDDY_NONE - 1;
}

/* The table with room for new_bytes, which may be elsewhere then. NULL: no memory. */
static void *grown(void *table, size_t old_bytes, size_t new_bytes)
{
    if (old_bytes && vm_kernel_resize(table, old_bytes, new_bytes))
        return table;
    void *const moved = vm_kernel_map_table(new_bytes);
    if (moved && old_bytes && !vm_kernel_move(table, old_bytes, moved, new_bytes)) {
        __builtin_memcpy(moved, table, old_bytes);
        vm_kernel_unmap(table, old_bytes);
    }
    return moved;
}

/* The first groups are in the arena itself. The table is so large from the first that it seldom moves, and that no small
   mappings are made. */
static bool reserve_groups(struct arena *arena, size_t capacity)
{
    if (vm_place_groups(capacity) <= VM_ARENA_GROUPS) {
        arena->place.group = arena->own_group;
        return true;
    }
    const size_t most = vm_place_groups(n_records_max(arena)) * sizeof(struct place_group),
                 wanted =
                     vm_max_size(vm_place_groups(capacity) * sizeof(struct place_group), GROUP_BYTES_MIN),
                 bytes = vm_round_up(vm_min_size(wanted, most), vm_kernel.page_bytes);
    if (bytes <= arena->group_bytes)
        return true;
    struct place_group *const group = grown(arena->place.group, arena->group_bytes, bytes);
    if (!group)
        return false;
    if (arena->group_bytes == 0)
        __builtin_memcpy(group, arena->own_group, sizeof arena->own_group);
    arena->place.group = group;
    arena->group_bytes = bytes;
    return true;
}

bool vm_records_reserve(struct arena *arena, size_t n_pages)
{
    if (n_pages <= arena->capacity)
        return true;
    if (n_pages > n_records_max(arena))
        return false;
    const size_t wanted = vm_max_size(vm_max_size(n_pages, 2 * (size_t)arena->capacity), PAGES_MIN);
    const size_t capacity = vm_min_size(wanted, n_records_max(arena));
    if (!reserve_groups(arena, capacity))
        return false;
    struct buddy_page *const records =
        grown(arena->buddy.page, record_bytes(arena->capacity), record_bytes(capacity));
    if (!records)
        return false;
    arena->buddy.page = records;
    arena->capacity = (uint32_t)capacity;
    return true;
}

static void purge_between(uintptr_t from, uintptr_t to)
{
    if (from < to && vm_kernel.purge_zeroes)
        vm_kernel_purge((void *)from, to - from);
}

void vm_records_purge_block(struct arena *arena, uint32_t index)
{
    const uint32_t n_pages = 1U << VM_ORDER_MAX;
    unsigned order;
    const uint32_t start = vm_buddy_find(&arena->buddy, index, &order);
    if (start == VM_BUDDY_NONE || order < VM_ORDER_MAX)
        return;
    purge_between(vm_round_up((uintptr_t)&arena->buddy.page[start + 1], vm_kernel.page_bytes),
                  vm_round_down((uintptr_t)&arena->buddy.page[start + n_pages], vm_kernel.page_bytes));
}

void vm_records_purge_above(struct arena *arena, uint32_t n_pages_before)
{
    purge_between(vm_round_up((uintptr_t)&arena->buddy.page[arena->buddy.n_pages], vm_kernel.page_bytes),
                  vm_round_up((uintptr_t)&arena->buddy.page[n_pages_before], vm_kernel.page_bytes));
}
