/* SPDX-License-Identifier: MIT */
/*
 * migrate.c - see migrate.h. Compaction, as Linux's mm/compaction.c, has two scanners in a zone, which end where they
 * meet:
 *
 *   start |u.u.u.uu..u.u  ->           <-  .u.u.u.u.u| end
 *          pages to move                   free frames to move them to
 */
#include "sim/migrate.h"
#include "base/bits.h"
#include "base/check.h"

bool vk_migrate(struct vk_reclaim *reclaim, uint32_t from, uint32_t to)
{
    struct vk_phys *const phys = reclaim->phys;
    struct vk_frame *const source = &phys->frame[from], *const target = &phys->frame[to];
    if (source->kind != VK_FRAME_USER || !source->owner || source->n_pins > 0) {
        reclaim->counts.n_not_migrated++;
        return false;
    }
    struct vk_space *const space = vk_owner(source);
    vk_frames_replace(phys, vk_lru_of(reclaim, from), from, to);
    target->kind = VK_FRAME_USER;
    target->owner = space;
    target->vpn = source->vpn;
    target->flags |= source->flags & (VK_FRAME_ON_LRU | VK_FRAME_ACTIVE | VK_FRAME_UNWANTED);
    source->flags &= (uint8_t) ~(VK_FRAME_ON_LRU | VK_FRAME_ACTIVE | VK_FRAME_UNWANTED);
    source->owner = NULL;
    vk_content_in(phys, to, vk_content_out(phys, from));
    space->ops->replace(space, target->vpn, to);
    vk_free_pages(phys, from);
    reclaim->counts.n_migrated++;
    return true;
}

/* --- compaction ------------------------------------------------------------------------------------------- */

static bool zone_has_block(const struct vk_zone *zone, unsigned order)
{
    for (; order < VM_N_ORDERS; order++)
        if (zone->buddy[VK_UNMOVABLE].list[order].count || zone->buddy[VK_MOVABLE].list[order].count)
            return true;
    return false;
}

bool vk_has_block(const struct vk_phys *phys, enum vk_zone_kind highest, unsigned order)
{
    for (unsigned kind = 0; kind <= highest; kind++)
        if (phys->zone[kind].start < phys->zone[kind].end && zone_has_block(&phys->zone[kind], order))
            return true;
    return false;
}

static bool can_move(const struct vk_frame *frame)
{
    return frame->kind == VK_FRAME_USER && frame->owner && frame->n_pins == 0;
}

/* The next frame below `end` that is free and may hold a movable page, down to `least`; VK_NO_FRAME: none. */
static uint32_t next_target(const struct vk_phys *phys, const struct vk_zone *zone, uint32_t end,
                            uint32_t least)
{
    while (end-- > least) {
        const enum vk_mobility mobility = vk_pageblock_mobility(zone, end);
        if (phys->frame[end].kind == VK_FRAME_FREE && (mobility == VK_MOVABLE || mobility == VK_CMA))
            return end;
    }
    return VK_NO_FRAME;
}

static bool compact_zone(struct vk_reclaim *reclaim, struct vk_zone *zone, unsigned order)
{
    struct vk_phys *const phys = reclaim->phys;
    uint32_t target = zone->end;
    for (uint32_t pfn = zone->start; pfn < target && !zone_has_block(zone, order); pfn++) {
        if (!can_move(&phys->frame[pfn]))
            continue;
        target = next_target(phys, zone, target, pfn + 1);
        if (target == VK_NO_FRAME)
            break;
        vk_claim_frames(phys, target, 1);
        vk_migrate(reclaim, pfn, target);
        vk_phys_drain(phys); /* what was just freed is to merge */
    }
    return zone_has_block(zone, order);
}

bool vk_compact(struct vk_reclaim *reclaim, enum vk_zone_kind highest, unsigned order)
{
    VM_CHECK(order <= VM_ORDER_MAX);
    vk_phys_drain(reclaim->phys);
    reclaim->counts.n_compactions++;
    for (unsigned kind = highest + 1U; kind-- > 0;) {
        struct vk_zone *const zone = &reclaim->phys->zone[kind];
        if (zone->start < zone->end && compact_zone(reclaim, zone, order)) {
            reclaim->counts.n_compacted++;
            return true;
        }
    }
    return false;
}

/* --- ranges that someone has reserved ---------------------------------------------------------------------- */

static void change_range(struct vk_phys *phys, uint32_t start, uint32_t end, enum vk_mobility mobility)
{
    for (uint32_t pfn = start & ~(uint32_t)(VK_PAGEBLOCK_FRAMES - 1); pfn < end; pfn += VK_PAGEBLOCK_FRAMES)
        vk_pageblock_change(phys, pfn, mobility);
}

/* Moves what is in the range somewhere else. */
static bool empty_range(struct vk_reclaim *reclaim, uint32_t start, uint32_t end)
{
    struct vk_phys *const phys = reclaim->phys;
    for (uint32_t pfn = start; pfn < end; pfn++) {
        if (phys->frame[pfn].kind == VK_FRAME_FREE)
            continue;
        if (!can_move(&phys->frame[pfn]))
            return false;
        const uint32_t to = vk_alloc_pages(phys, 0, VK_GFP_USER | VK_GFP_MAYFAIL);
        if (to == VK_NO_FRAME)
            return false;
        if (can_move(&phys->frame[pfn])) /* it may just have been swapped out */
            vk_migrate(reclaim, pfn, to);
        else
            vk_free_pages(phys, to);
    }
    return true;
}

static void claim_range(struct vk_phys *phys, uint32_t start, uint32_t end)
{
    for (uint32_t pfn = start, until; pfn < end; pfn = until) {
        until = (uint32_t)vm_min_size((pfn | (VK_PAGEBLOCK_FRAMES - 1)) + 1, end);
        const bool is_free = vk_claim_frames(phys, pfn, until - pfn);
        VM_CHECK(is_free);
    }
}

/* Nothing is taken from the range's pageblocks while they are emptied. */
static bool take_range(struct vk_reclaim *reclaim, uint32_t start, uint32_t end)
{
    struct vk_phys *const phys = reclaim->phys;
    vk_phys_drain(phys);
    change_range(phys, start, end, VK_ISOLATED);
    const bool is_empty = empty_range(reclaim, start, end);
    if (is_empty)
        claim_range(phys, start, end);
    vk_phys_drain(phys);
    change_range(phys, start, end, VK_CMA);
    *(is_empty ? &reclaim->counts.n_cma_taken : &reclaim->counts.n_cma_busy) += is_empty ? end - start : 1;
    return is_empty;
}

/* The first frame of the range that was given out, the end if none was. */
static uint32_t first_given(const struct vk_phys *phys, uint32_t start, uint32_t end)
{
    while (start < end && phys->frame[start].kind != VK_FRAME_KERNEL)
        start++;
    return start;
}

int vk_cma_alloc(struct vk_reclaim *reclaim, uint32_t n, uint32_t *pfn)
{
    const struct vk_phys *const phys = reclaim->phys;
    if (n == 0)
        return VK_EINVAL;
    if (n > phys->cma_end - phys->cma_start)
        return VK_ENOMEM;
    const uint32_t step = 1U << vm_min_size(vm_ceil_log2(n), VM_ORDER_MAX);
    int result = VK_ENOMEM;
    for (uint32_t start = phys->cma_start; n <= phys->cma_end - start; start += step) {
        if (first_given(phys, start, start + n) < start + n)
            continue;
        if (take_range(reclaim, start, start + n)) {
            *pfn = start;
            return 0;
        }
        result = VK_EBUSY;
    }
    return result;
}

void vk_cma_free(struct vk_reclaim *reclaim, uint32_t pfn, uint32_t n)
{
    VM_CHECK(pfn >= reclaim->phys->cma_start && n <= reclaim->phys->cma_end - pfn);
    for (uint32_t i = 0; i < n; i++)
        vk_free_pages(reclaim->phys, pfn + i);
}
