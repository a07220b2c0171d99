/* SPDX-License-Identifier: MIT */
/* records.c - see records.h. Owns nothing. */
#include "pool/records.h"

/* The table is at least so large: what is untouched costs nothing. */
enum { BYTES_MIN = 128 * VM_KIB };

size_t vm_records_bytes(const struct arena *arena)
{
    return arena->group_bytes;
}

/* Pages that there can be: one more than the memory has, as who grows by a whole number of them asks for. */
static size_t n_pages_max(const struct arena *arena)
{
    const char *const memory_end = vm_kernel.memory_bytes ? vm_kernel.memory + vm_kernel.memory_bytes : NULL;
    const char *const end = arena->limit ? arena->limit : memory_end;
    return end ? ((size_t)(end - arena->base) >> vm_kernel.page_shift) + 1 : VM_PLACE_NONE - 1;
}

static size_t bytes_for(size_t n_pages)
{
    return vm_round_up(vm_place_groups(n_pages) * sizeof(struct place_group), vm_kernel.page_bytes);
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

/* The table is so large from the first that it seldom moves, and that no small mappings are made. */
static bool reserve_table(struct arena *arena, size_t n_pages)
{
    const size_t most = bytes_for(n_pages_max(arena)),
                 wanted = bytes_for(vm_max_size(n_pages, 2 * (size_t)arena->capacity)),
                 bytes = vm_min_size(vm_max_size(wanted, BYTES_MIN), most);
    struct place_group *const group =
        grown(arena->group_bytes ? arena->place.group : NULL, arena->group_bytes, bytes);
    if (!group)
        return false;
    if (arena->group_bytes == 0)
        __builtin_memcpy(group, arena->own_group, sizeof arena->own_group);
    arena->place.group = group;
    arena->group_bytes = bytes;
    arena->capacity = (uint32_t)vm_min_size(bytes / sizeof *group * VM_PLACE_GROUP_PAGES, VM_PLACE_NONE - 1);
    return true;
}

bool vm_records_reserve(struct arena *arena, size_t n_pages)
{
    if (n_pages <= arena->capacity)
        return true;
    if (n_pages > n_pages_max(arena))
        return false;
    if (n_pages > VM_ARENA_GROUPS * VM_PLACE_GROUP_PAGES)
        return reserve_table(arena, n_pages);
    arena->place.group = arena->own_group;
    arena->capacity = VM_ARENA_GROUPS * VM_PLACE_GROUP_PAGES;
    return true;
}
