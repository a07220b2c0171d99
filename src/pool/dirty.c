/* SPDX-License-Identifier: MIT */
/*
 * dirty.c - see dirty.h. Owns nothing; keeps arena->x_n_dirty.
 */
#include "pool/dirty.h"
#include "base/check.h"

enum { TAG_DIRTY = 1, GROUP_PAGES = 1 << VM_ORDER_MAX };

static uint16_t *group_tag(const struct arena *arena, uint32_t index)
{
    return &arena->buddy.page[index & ~(uint32_t)(GROUP_PAGES - 1)].tag;
}

/* Pages until the end of the group, or of the range of n_pages. */
static uint32_t part_in_group(uint32_t index, uint32_t n_pages)
{
    const uint32_t n_left = GROUP_PAGES - (index & (GROUP_PAGES - 1));
    return n_pages < n_left ? n_pages : n_left;
}

uint32_t vm_dirty_count(const struct arena *arena, uint32_t index, uint32_t n_pages)
{
    uint32_t n_dirty = 0;
    while (n_pages) {
        const uint32_t n_part = part_in_group(index, n_pages), n_in_group = *group_tag(arena, index) >> 1;
        if (n_part == GROUP_PAGES)
            n_dirty += n_in_group;
        else if (n_in_group)
            for (uint32_t i = index; i < index + n_part; i++)
                n_dirty += arena->buddy.page[i].tag & TAG_DIRTY;
        index += n_part;
        n_pages -= n_part;
    }
    return n_dirty;
}

void vm_dirty_mark(struct arena *arena, uint32_t index, uint32_t n_pages)
{
    vm_counter_add(&arena->x_n_dirty, n_pages);
    while (n_pages) {
        const uint32_t n_part = part_in_group(index, n_pages);
        for (uint32_t i = index; i < index + n_part; i++) {
            VM_ASSERT(!(arena->buddy.page[i].tag & TAG_DIRTY));
            arena->buddy.page[i].tag |= TAG_DIRTY;
        }
        *group_tag(arena, index) += (uint16_t)(2 * n_part);
        index += n_part;
        n_pages -= n_part;
    }
}

static uint32_t clear_in_group(struct arena *arena, uint32_t index, uint32_t n_pages)
{
    uint32_t n_dirty = 0;
    for (uint32_t i = index; i < index + n_pages; i++) {
        n_dirty += arena->buddy.page[i].tag & TAG_DIRTY;
        arena->buddy.page[i].tag &= (uint16_t)~TAG_DIRTY;
    }
    *group_tag(arena, index) -= (uint16_t)(2 * n_dirty);
    return n_dirty;
}

uint32_t vm_dirty_clear(struct arena *arena, uint32_t index, uint32_t n_pages)
{
    uint32_t n_dirty = 0;
    while (n_pages) {
        const uint32_t n_part = part_in_group(index, n_pages);
        if (*group_tag(arena, index) >> 1)
            n_dirty += clear_in_group(arena, index, n_part);
        index += n_part;
        n_pages -= n_part;
    }
    vm_counter_add(&arena->x_n_dirty, 0U - n_dirty);
    return n_dirty;
}

/*
 * Dirty free pages will likely be used again, and until then are RSS that nobody uses. They may stay while all of the arena
 * that is resident is not more than 9/8 of what was live of late: a program that frees and allocates around one size of
 * its heap then goes without the kernel. But never more than what is live, so that RSS falls with the heap; where large
 * spans come and go, VM_DIRTY_SPANS_MAX times what is live of these, if they took as many dirty pages again of late.
 */
size_t vm_dirty_worth(const struct arena *arena)
{
    const size_t n_live = vm_load_relaxed(&arena->x_n_pages) - vm_load_relaxed(&arena->x_n_free);
    const size_t n_recent = vm_max_size(vm_load_relaxed(&arena->x_n_live_recent), n_live);
    const size_t n_reused = vm_load_relaxed(&arena->x_n_reused_recent);
    const size_t n_large = vm_load_relaxed(&arena->x_middle_bytes) >> vm_kernel.page_shift;
    return vm_min_size(n_recent + (n_recent >> VM_DIRTY_SHARE_SHIFT) - n_live,
                       vm_max_size(n_live, vm_min_size(n_reused, VM_DIRTY_SPANS_MAX * n_large)));
}

size_t vm_dirty_min(void)
{
    return vm_kernel_share(VM_DIRTY_BYTES_MIN, 5) >> vm_kernel.page_shift;
}

size_t vm_dirty_max(const struct arena *arena)
{
    return vm_max_size(vm_dirty_min(), vm_dirty_worth(arena));
}
