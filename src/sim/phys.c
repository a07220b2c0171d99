/* SPDX-License-Identifier: MIT */
/*
 * phys.c - see phys.h: pages are taken and given back.
 *
 *   request -> marks of each allowed zone, highest first -> this processor's list (single pages)
 *                                                        -> the buddy system of the mobility asked for
 *                                                        -> CMA's (movable), then that of the other mobility
 *
 * The buddy systems of a zone share one array of records. That is sound since a pageblock is as large as the largest
 * block: no merge and no split reaches across its ends, and a pageblock's free frames are all in the system of its
 * mobility.
 *
 * Invariants, which the checker (physreport.c) cites:
 *   P1  a frame is VK_FRAME_FREE exactly if it is in a free block of its zone's buddy systems
 *   P2  a free block is in the list of its pageblock's mobility
 *   P3  processors' lists hold exactly the frames that are VK_FRAME_CACHED; those of CMA's pageblocks are in CMA's
 *   P4  taken blocks are whole: one head, and tails of its kind up to 2^order frames
 * and those of the buddy systems, B1..B4.
 */
#include "sim/phys.h"
#include "base/bits.h"
#include "base/check.h"
#include "sim/plan.h"

/* Linux looks for a pageblock to convert if the block is at least half free. */
enum { CONVERT_FRAMES = VK_PAGEBLOCK_FRAMES / 2 };

enum vk_zone_kind vk_gfp_zone(unsigned gfp)
{
    return gfp & VK_GFP_DMA       ? VK_ZONE_DMA
           : gfp & VK_GFP_DMA32   ? VK_ZONE_DMA32
           : gfp & VK_GFP_HIGHMEM ? VK_ZONE_HIGHMEM
                                  : VK_ZONE_NORMAL;
}

static enum vk_mobility gfp_mobility(unsigned gfp)
{
    return gfp & VK_GFP_MOVABLE ? VK_MOVABLE : VK_UNMOVABLE;
}

static uint32_t block_of(const struct vk_zone *zone, uint32_t pfn)
{
    return (pfn - zone->base) >> VK_PAGEBLOCK_ORDER;
}

enum vk_mobility vk_pageblock_mobility(const struct vk_zone *zone, uint32_t pfn)
{
    return (enum vk_mobility)zone->mobility[block_of(zone, pfn)];
}

uint32_t vk_zone_free(const struct vk_zone *zone)
{
    return zone->buddy[VK_UNMOVABLE].n_free_pages + zone->buddy[VK_MOVABLE].n_free_pages +
           zone->buddy[VK_CMA].n_free_pages;
}

/* Frames that the request may take before the zone falls below the mark. */
static uint32_t n_above(const struct vk_zone *zone, uint32_t mark, unsigned gfp)
{
    uint32_t n_free = vk_zone_free(zone);
    if (!(gfp & VK_GFP_MOVABLE))
        n_free -= zone->buddy[VK_CMA].n_free_pages;
    const uint64_t kept = (uint64_t)mark + zone->reserve[vk_gfp_zone(gfp)];
    return n_free > kept ? n_free - (uint32_t)kept : 0;
}

bool vk_zone_is_above(const struct vk_zone *zone, uint32_t mark, unsigned order, unsigned gfp)
{
    return n_above(zone, mark, gfp) >= 1U << order;
}

/* --- lists of frames ------------------------------------------------------------------------------------- */

void vk_frames_init(struct vk_frame_list *list)
{
    *list = (struct vk_frame_list){.first = VK_NO_FRAME, .last = VK_NO_FRAME};
}

static void link_between(struct vk_phys *phys, struct vk_frame_list *list, uint32_t pfn, uint32_t prev,
                         uint32_t next)
{
    phys->frame[pfn].prev = prev;
    phys->frame[pfn].next = next;
    *(prev == VK_NO_FRAME ? &list->first : &phys->frame[prev].next) = pfn;
    *(next == VK_NO_FRAME ? &list->last : &phys->frame[next].prev) = pfn;
    list->n++;
}

void vk_frames_push_front(struct vk_phys *phys, struct vk_frame_list *list, uint32_t pfn)
{
    link_between(phys, list, pfn, VK_NO_FRAME, list->first);
}

void vk_frames_push_back(struct vk_phys *phys, struct vk_frame_list *list, uint32_t pfn)
{
    link_between(phys, list, pfn, list->last, VK_NO_FRAME);
}

void vk_frames_remove(struct vk_phys *phys, struct vk_frame_list *list, uint32_t pfn)
{
    struct vk_frame *const frame = &phys->frame[pfn];
    *(frame->prev == VK_NO_FRAME ? &list->first : &phys->frame[frame->prev].next) = frame->next;
    *(frame->next == VK_NO_FRAME ? &list->last : &phys->frame[frame->next].prev) = frame->prev;
    frame->next = frame->prev = VK_NO_FRAME;
    list->n--;
}

void vk_frames_replace(struct vk_phys *phys, struct vk_frame_list *list, uint32_t pfn, uint32_t by)
{
    const uint32_t prev = phys->frame[pfn].prev, next = phys->frame[pfn].next;
    vk_frames_remove(phys, list, pfn);
    link_between(phys, list, by, prev, next);
}

/* --- the buddy systems ------------------------------------------------------------------------------------ */

/* Writes into the records of a block what it is. */
static void set_block(struct vk_phys *phys, uint32_t pfn, unsigned order, enum vk_frame_kind kind)
{
    for (uint32_t i = 0; i < 1U << order; i++) {
        struct vk_frame *const frame = &phys->frame[pfn + i];
        frame->kind = (uint8_t)kind;
        frame->order = 0;
        frame->flags &= VK_FRAME_HAS_BYTES;
        if (i > 0 && kind != VK_FRAME_FREE)
            frame->flags |= VK_FRAME_TAIL;
    }
    phys->frame[pfn].order = kind == VK_FRAME_FREE ? 0 : (uint8_t)order;
}

static void give_to_buddy(struct vk_phys *phys, uint32_t pfn, unsigned order)
{
    struct vk_zone *const zone = vk_frame_zone(phys, pfn);
    set_block(phys, pfn, order, VK_FRAME_FREE);
    vm_buddy_give(&zone->buddy[vk_pageblock_mobility(zone, pfn)], pfn - zone->base, 1U << order, BUDDY_FRONT);
}

/* The first free block from `index` to the end of the pageblock that starts at block_start; its order. */
static uint32_t next_free(const struct buddy *buddy, uint32_t block_start, uint32_t index, unsigned *order)
{
    const uint32_t end = (uint32_t)vm_min_size(block_start + VK_PAGEBLOCK_FRAMES, buddy->n_pages);
    while (index < end && buddy->page[index].state != BUDDY_FREE)
        index++;
    if (index >= end)
        return VM_BUDDY_NONE;
    *order = buddy->page[index].order;
    return index;
}

static uint32_t n_free_in(const struct buddy *buddy, uint32_t block_start)
{
    uint32_t n_free = 0, index = block_start;
    for (unsigned order; (index = next_free(buddy, block_start, index, &order)) != VM_BUDDY_NONE;
         index += 1U << order)
        n_free += 1U << order;
    return n_free;
}

void vk_pageblock_change(struct vk_phys *phys, uint32_t pfn, enum vk_mobility mobility)
{
    struct vk_zone *const zone = vk_frame_zone(phys, pfn);
    const uint32_t block = block_of(zone, pfn);
    const uint32_t block_start = block << VK_PAGEBLOCK_ORDER;
    struct buddy *const from = &zone->buddy[zone->mobility[block]], *const to = &zone->buddy[mobility];
    zone->mobility[block] = (uint8_t)mobility;
    uint32_t index = block_start;
    for (unsigned order; (index = next_free(from, block_start, index, &order)) != VM_BUDDY_NONE;
         index += 1U << order) {
        vm_buddy_claim(from, index, 1U << order);
        vm_buddy_give(to, index, 1U << order, BUDDY_BACK);
    }
}

/* The largest free block of the mobility that is not too small, NONE if there is none. */
static uint32_t largest_free(const struct buddy *buddy, unsigned order_least)
{
    for (unsigned order = VM_N_ORDERS; order-- > order_least;)
        if (buddy->list[order].first != VM_BUDDY_NONE)
            return buddy->list[order].first;
    return VM_BUDDY_NONE;
}

/*
 * From the other mobility, in the largest block it has, so that as few pageblocks as can be become mixed. One that is
 * half free changes over with all its free frames.
 */
static uint32_t take_from_other(struct vk_phys *phys, struct vk_zone *zone, unsigned order,
                                enum vk_mobility mobility)
{
    struct buddy *const other = &zone->buddy[mobility == VK_MOVABLE ? VK_UNMOVABLE : VK_MOVABLE];
    const uint32_t index = largest_free(other, order);
    if (index == VM_BUDDY_NONE)
        return VM_BUDDY_NONE;
    const uint32_t block_start = index & ~(uint32_t)(VK_PAGEBLOCK_FRAMES - 1);
    phys->counts.n_fallbacks++;
    if (n_free_in(other, block_start) >= CONVERT_FRAMES) {
        phys->counts.n_stolen_blocks++;
        vk_pageblock_change(phys, zone->base + index, mobility);
        return vm_buddy_take(&zone->buddy[mobility], 1U << order, order);
    }
    vm_buddy_claim(other, index, 1U << order);
    return index;
}

/* Movable pages go to CMA's pageblocks when these hold more than half of what is free, so that the rest lasts. */
static uint32_t take_from_buddy(struct vk_phys *phys, struct vk_zone *zone, unsigned order,
                                enum vk_mobility mobility)
{
    struct buddy *const own = &zone->buddy[mobility], *const cma = &zone->buddy[VK_CMA];
    const uint32_t n = 1U << order;
    uint32_t index = VM_BUDDY_NONE;
    if (mobility == VK_MOVABLE && cma->n_free_pages > vk_zone_free(zone) / 2)
        index = vm_buddy_take(cma, n, order);
    if (index == VM_BUDDY_NONE)
        index = vm_buddy_take(own, n, order);
    if (index == VM_BUDDY_NONE && mobility == VK_MOVABLE)
        index = vm_buddy_take(cma, n, order);
    if (index == VM_BUDDY_NONE)
        index = take_from_other(phys, zone, order, mobility);
    return index == VM_BUDDY_NONE ? VK_NO_FRAME : zone->base + index;
}

/* --- processors' lists ------------------------------------------------------------------------------------ */

/* At most n_most frames, or a batch. Those of CMA's pageblocks have a list of their own; else a pageblock may change its
   mobility while frames of it are here. */
static void refill(struct vk_phys *phys, struct vk_zone *zone, enum vk_mobility mobility, uint32_t n_most)
{
    struct vk_cpu_lists *const lists = &zone->cpu[phys->cpu];
    const uint32_t n = (uint32_t)vm_min_size(phys->config.cpu_batch, n_most);
    phys->counts.n_cpu_refills++;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t pfn = take_from_buddy(phys, zone, 0, mobility);
        if (pfn == VK_NO_FRAME)
            return;
        const bool is_cma = vk_pageblock_mobility(zone, pfn) == VK_CMA;
        set_block(phys, pfn, 0, VK_FRAME_CACHED);
        vk_frames_push_back(phys, &lists->list[is_cma ? VK_CMA : mobility], pfn);
        lists->n++;
    }
}

static uint32_t take_cached(struct vk_phys *phys, struct vk_zone *zone, enum vk_mobility mobility)
{
    struct vk_cpu_lists *const lists = &zone->cpu[phys->cpu];
    struct vk_frame_list *list = &lists->list[mobility];
    if (list->n == 0 && mobility == VK_MOVABLE)
        list = &lists->list[VK_CMA];
    const uint32_t pfn = list->first;
    if (pfn == VK_NO_FRAME)
        return VK_NO_FRAME;
    vk_frames_remove(phys, list, pfn);
    lists->n--;
    return pfn;
}

static uint32_t take_single(struct vk_phys *phys, struct vk_zone *zone, unsigned gfp, uint32_t mark)
{
    const enum vk_mobility mobility = gfp_mobility(gfp);
    uint32_t pfn = take_cached(phys, zone, mobility);
    if (pfn != VK_NO_FRAME) {
        phys->counts.n_cpu_hits++;
        return pfn;
    }
    refill(phys, zone, mobility, n_above(zone, mark, gfp));
    return take_cached(phys, zone, mobility);
}

static void give_some(struct vk_phys *phys, struct vk_cpu_lists *lists, uint32_t n_left)
{
    for (unsigned mobility = 0; lists->n > n_left; mobility = (mobility + 1) % VK_ISOLATED) {
        const uint32_t pfn = lists->list[mobility].last;
        if (pfn == VK_NO_FRAME)
            continue;
        vk_frames_remove(phys, &lists->list[mobility], pfn);
        lists->n--;
        give_to_buddy(phys, pfn, 0);
    }
}

void vk_phys_drain(struct vk_phys *phys)
{
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++)
        for (unsigned cpu = 0; cpu < phys->config.n_cpus; cpu++)
            give_some(phys, &phys->zone[kind].cpu[cpu], 0);
}

static bool has_cpu_lists(const struct vk_phys *phys)
{
    return phys->config.cpu_batch != VK_CPU_LISTS_OFF;
}

static void give_single(struct vk_phys *phys, uint32_t pfn)
{
    struct vk_zone *const zone = vk_frame_zone(phys, pfn);
    const enum vk_mobility mobility = vk_pageblock_mobility(zone, pfn);
    if (!has_cpu_lists(phys) || mobility == VK_ISOLATED) {
        give_to_buddy(phys, pfn, 0);
        return;
    }
    struct vk_cpu_lists *const lists = &zone->cpu[phys->cpu];
    set_block(phys, pfn, 0, VK_FRAME_CACHED);
    vk_frames_push_front(phys, &lists->list[mobility], pfn);
    lists->n++;
    if (lists->n >= phys->config.cpu_high)
        give_some(phys, lists, lists->n - (uint32_t)vm_min_size(lists->n, phys->config.cpu_batch));
}

/* --- taking and giving ------------------------------------------------------------------------------------ */

enum mark { MARK_LOW, MARK_MIN, MARK_NONE };

static uint32_t mark_of(const struct vk_zone *zone, enum mark mark)
{
    return mark == MARK_LOW ? zone->mark_low : mark == MARK_MIN ? zone->mark_min : 0;
}

static uint32_t take_above(struct vk_phys *phys, unsigned order, unsigned gfp, enum mark wanted)
{
    for (unsigned kind = vk_gfp_zone(gfp) + 1U; kind-- > 0;) {
        struct vk_zone *const zone = &phys->zone[kind];
        const uint32_t mark = mark_of(zone, wanted);
        if (zone->start == zone->end || !vk_zone_is_above(zone, mark, order, gfp))
            continue;
        const uint32_t pfn = order == 0 && has_cpu_lists(phys)
                                 ? take_single(phys, zone, gfp, mark)
                                 : take_from_buddy(phys, zone, order, gfp_mobility(gfp));
        if (pfn != VK_NO_FRAME)
            return pfn;
    }
    return VK_NO_FRAME;
}

/* Below the low mark: what reclaim does in the background, then for the caller, who waits. */
static uint32_t take_slowly(struct vk_phys *phys, unsigned order, unsigned gfp)
{
    const struct vk_relief *const relief = &phys->relief;
    if (relief->balance)
        relief->balance(relief->context, gfp);
    uint32_t pfn = take_above(phys, order, gfp, gfp & VK_GFP_ATOMIC ? MARK_NONE : MARK_MIN);
    if (pfn != VK_NO_FRAME || gfp & (VK_GFP_ATOMIC | VK_GFP_NORETRY))
        return pfn;
    vk_phys_drain(phys);
    for (bool is_last = false;; is_last = order > VK_COSTLY_ORDER) {
        pfn = take_above(phys, order, gfp, MARK_MIN);
        if (pfn != VK_NO_FRAME || is_last || !relief->reclaim ||
            !relief->reclaim(relief->context, order, gfp))
            return pfn;
    }
}

uint32_t vk_alloc_pages(struct vk_phys *phys, unsigned order, unsigned gfp)
{
    if (order > VM_ORDER_MAX)
        return VK_NO_FRAME;
    const bool is_struck = vk_plan_strikes_page(phys, order, gfp);
    uint32_t pfn = is_struck ? VK_NO_FRAME : take_above(phys, order, gfp, MARK_LOW);
    if (pfn == VK_NO_FRAME && !is_struck)
        pfn = take_slowly(phys, order, gfp);
    if (pfn == VK_NO_FRAME) {
        phys->counts.n_failed++;
        return VK_NO_FRAME;
    }
    set_block(phys, pfn, order, VK_FRAME_KERNEL);
    phys->counts.n_taken += 1U << order;
    return pfn;
}

void vk_frames_become(struct vk_phys *phys, uint32_t pfn, enum vk_frame_kind kind)
{
    for (uint32_t i = 0; i < 1U << phys->frame[pfn].order; i++)
        phys->frame[pfn + i].kind = (uint8_t)kind;
}

void vk_free_pages(struct vk_phys *phys, uint32_t pfn)
{
    VM_CHECK(pfn < phys->n_frames);
    struct vk_frame *const frame = &phys->frame[pfn];
    VM_CHECK(frame->kind >= VK_FRAME_KERNEL);
    VM_CHECK(!(frame->flags & (VK_FRAME_TAIL | VK_FRAME_ON_LRU)) && frame->n_pins == 0);
    const unsigned order = frame->order;
    for (uint32_t i = 0; i < 1U << order; i++) {
        vk_frame_clear(phys, pfn + i);
        frame[i].owner = NULL;
        frame[i].vpn = 0;
    }
    phys->counts.n_given += 1U << order;
    if (order == 0)
        give_single(phys, pfn);
    else
        give_to_buddy(phys, pfn, order);
}

bool vk_claim_frames(struct vk_phys *phys, uint32_t pfn, uint32_t n)
{
    struct vk_zone *const zone = vk_frame_zone(phys, pfn);
    if (!vm_buddy_claim(&zone->buddy[vk_pageblock_mobility(zone, pfn)], pfn - zone->base, n))
        return false;
    for (uint32_t i = 0; i < n; i++)
        set_block(phys, pfn + i, 0, VK_FRAME_KERNEL);
    phys->counts.n_taken += n;
    return true;
}
