/* SPDX-License-Identifier: MIT */
/*
 * reclaim.c - see reclaim.h.
 *
 *      fault ->  inactive  <- aged, not accessed -  active
 *                  |  '-- accessed: second chance --^  |
 *                  v                                   '- accessed: to the front again
 *               swap slot
 *
 * Each group has its two lists; who is short of memory everywhere asks the groups by turns. The end of a list is looked
 * at in rounds, of a small part of it first and of more the less was found, as Linux does with its priorities.
 *
 * Invariants, which the checker cites:
 *   L1  each user frame with an owner is in the one list that its group and its flag say, and in no other
 *   L2  the owner's entry points back at the frame
 *   L3  groups and address spaces count what they have; a group's charge is its frames in lists and is within its limit
 *   L4  a slot is free and in the free list, or has an owner that counts it
 *   L5  frames whose contents are not wanted are counted
 */
#include "sim/reclaim.h"
#include "base/bits.h"
#include "base/check.h"
#include "sim/migrate.h"

enum {
    CLUSTER = 32, /* frames that are looked at, or wanted, at a time */
    PRIORITY_FIRST = 12,
    ROUNDS_AT_LAST = 2, /* over whole lists: the first clears the marks of what was accessed */
    BALANCE_FAILURES_MOST = 16
};

/* --- lists ------------------------------------------------------------------------------------------------ */

struct vk_frame_list *vk_lru_of(struct vk_reclaim *reclaim, uint32_t pfn)
{
    const struct vk_frame *const frame = &reclaim->phys->frame[pfn];
    struct vk_group *const group = vk_owner(frame)->group;
    return frame->flags & VK_FRAME_ACTIVE ? &group->active : &group->inactive;
}

void vk_lru_remove(struct vk_reclaim *reclaim, uint32_t pfn)
{
    vk_frames_remove(reclaim->phys, vk_lru_of(reclaim, pfn), pfn);
    reclaim->phys->frame[pfn].flags &= (uint8_t) ~(VK_FRAME_ON_LRU | VK_FRAME_ACTIVE);
}

void vk_lru_add(struct vk_reclaim *reclaim, uint32_t pfn, unsigned flag)
{
    reclaim->phys->frame[pfn].flags |= (uint8_t)(VK_FRAME_ON_LRU | flag);
    vk_frames_push_front(reclaim->phys, vk_lru_of(reclaim, pfn), pfn);
}

static void put_to_front(struct vk_reclaim *reclaim, uint32_t pfn, unsigned flag)
{
    vk_lru_remove(reclaim, pfn);
    vk_lru_add(reclaim, pfn, flag);
}

static bool was_accessed(const struct vk_reclaim *reclaim, uint32_t pfn)
{
    const struct vk_frame *const frame = &reclaim->phys->frame[pfn];
    struct vk_space *const space = vk_owner(frame);
    return space->ops->test_clear_accessed(space, frame->vpn);
}

static bool must_stay(const struct vk_reclaim *reclaim, uint32_t pfn)
{
    const struct vk_frame *const frame = &reclaim->phys->frame[pfn];
    struct vk_space *const space = vk_owner(frame);
    return frame->n_pins > 0 || space->ops->is_locked(space, frame->vpn);
}

/* --- user frames ------------------------------------------------------------------------------------------ */

/* Its contents are wanted, or nobody's. */
static void keep(struct vk_reclaim *reclaim, uint32_t pfn)
{
    uint8_t *const flags = &reclaim->phys->frame[pfn].flags;
    reclaim->n_unwanted -= (*flags & VK_FRAME_UNWANTED) != 0;
    *flags &= (uint8_t)~VK_FRAME_UNWANTED;
}

static void uncharge(struct vk_reclaim *reclaim, uint32_t pfn)
{
    struct vk_space *const space = vk_owner(&reclaim->phys->frame[pfn]);
    keep(reclaim, pfn);
    vk_lru_remove(reclaim, pfn);
    space->n_resident--;
    space->group->n_charged--;
}

/* Makes room for one frame more below the limit. */
static bool charge(struct vk_reclaim *reclaim, struct vk_group *group)
{
    while (group->n_charged >= group->limit) {
        group->n_failed++;
        if (!vk_reclaim_frames(reclaim, group, VK_ZONE_HIGHMEM, 1) && !vk_kill_one(reclaim, group))
            return false;
    }
    group->n_charged++;
    return true;
}

uint32_t vk_user_take(struct vk_reclaim *reclaim, struct vk_space *space, uint64_t vpn)
{
    struct vk_group *const group = space->group;
    if (!charge(reclaim, group))
        return VK_NO_FRAME;
    const uint32_t pfn = vk_alloc_pages(reclaim->phys, 0, VK_GFP_USER);
    if (pfn == VK_NO_FRAME) {
        group->n_charged--;
        return VK_NO_FRAME;
    }
    struct vk_frame *const frame = &reclaim->phys->frame[pfn];
    frame->kind = VK_FRAME_USER;
    frame->owner = space;
    frame->vpn = vpn;
    space->n_resident++;
    group->n_charged_most = (uint32_t)vm_max_size(group->n_charged_most, group->n_charged);
    vk_lru_add(reclaim, pfn, 0);
    return pfn;
}

static struct vk_frame *user_frame(struct vk_reclaim *reclaim, uint32_t pfn)
{
    VM_CHECK(pfn < reclaim->phys->n_frames && reclaim->phys->frame[pfn].kind == VK_FRAME_USER);
    return &reclaim->phys->frame[pfn];
}

void vk_user_give(struct vk_reclaim *reclaim, uint32_t pfn)
{
    struct vk_frame *const frame = user_frame(reclaim, pfn);
    uncharge(reclaim, pfn);
    frame->owner = NULL;
    if (!frame->n_pins)
        vk_free_pages(reclaim->phys, pfn);
}

void vk_user_moved(struct vk_reclaim *reclaim, uint32_t pfn, uint64_t vpn)
{
    user_frame(reclaim, pfn)->vpn = vpn;
}

void vk_user_unwanted(struct vk_reclaim *reclaim, uint32_t pfn)
{
    struct vk_frame *const frame = user_frame(reclaim, pfn);
    vk_lru_remove(reclaim, pfn);
    reclaim->n_unwanted += !(frame->flags & VK_FRAME_UNWANTED);
    frame->flags |= VK_FRAME_ON_LRU | VK_FRAME_UNWANTED;
    vk_frames_push_back(reclaim->phys, vk_lru_of(reclaim, pfn), pfn);
}

void vk_pin(struct vk_reclaim *reclaim, uint32_t pfn)
{
    struct vk_frame *const frame = user_frame(reclaim, pfn);
    VM_CHECK(frame->n_pins < UINT16_MAX);
    frame->n_pins++;
}

void vk_unpin(struct vk_reclaim *reclaim, uint32_t pfn)
{
    struct vk_frame *const frame = user_frame(reclaim, pfn);
    VM_CHECK(frame->n_pins > 0);
    if (--frame->n_pins == 0 && !frame->owner)
        vk_free_pages(reclaim->phys, pfn);
}

/* --- scanning --------------------------------------------------------------------------------------------- */

/* Ages the active list while it is the longer one. */
static void age(struct vk_reclaim *reclaim, struct vk_group *group, uint32_t n)
{
    while (n-- > 0 && group->active.n > group->inactive.n) {
        const uint32_t pfn = group->active.last;
        const bool stays = was_accessed(reclaim, pfn) || must_stay(reclaim, pfn);
        put_to_front(reclaim, pfn, stays ? VK_FRAME_ACTIVE : 0);
        *(stays ? &reclaim->counts.n_rotated : &reclaim->counts.n_deactivated) += 1;
    }
}

/* The contents go to a slot, the frame is freed. */
static bool swap_out(struct vk_reclaim *reclaim, uint32_t pfn)
{
    const struct vk_frame *const frame = &reclaim->phys->frame[pfn];
    const uint32_t slot = vk_swap_store(reclaim, pfn);
    if (slot == VK_NO_SLOT)
        return false;
    vk_owner(frame)->ops->swap_out(vk_owner(frame), frame->vpn, slot);
    vk_user_give(reclaim, pfn);
    return true;
}

/* An unwanted page, unless it was written to since: gone without a slot. */
static bool drop(struct vk_reclaim *reclaim, uint32_t pfn)
{
    const struct vk_frame *const frame = &reclaim->phys->frame[pfn];
    struct vk_space *const space = vk_owner(frame);
    if (!(frame->flags & VK_FRAME_UNWANTED))
        return false;
    keep(reclaim, pfn);
    if (space->ops->is_dirty(space, frame->vpn) || must_stay(reclaim, pfn))
        return false;
    space->ops->clear(space, frame->vpn);
    vk_user_give(reclaim, pfn);
    reclaim->counts.n_dropped++;
    return true;
}

/* What becomes of the last frame of the inactive list: true if it was freed. */
static bool reclaim_last(struct vk_reclaim *reclaim, struct vk_group *group, enum vk_zone_kind highest)
{
    const uint32_t pfn = group->inactive.last;
    reclaim->counts.n_scanned++;
    if (reclaim->phys->frame[pfn].zone > highest) {
        put_to_front(reclaim, pfn, 0);
    } else if (drop(reclaim, pfn)) {
        reclaim->counts.n_stolen++;
        return true;
    } else if (must_stay(reclaim, pfn) || was_accessed(reclaim, pfn)) {
        put_to_front(reclaim, pfn, VK_FRAME_ACTIVE);
        reclaim->counts.n_activated++;
    } else if (swap_out(reclaim, pfn)) {
        reclaim->counts.n_stolen++;
        return true;
    } else {
        put_to_front(reclaim, pfn, 0);
    }
    return false;
}

/* Looks at a part of the group's lists, 2^-priority of them. */
static uint32_t shrink_group(struct vk_reclaim *reclaim, struct vk_group *group, enum vk_zone_kind highest,
                             unsigned priority, uint32_t n_wanted)
{
    const uint32_t n_all = group->active.n + group->inactive.n;
    uint32_t n_looks = (n_all >> priority) + 1, n_freed = 0;
    age(reclaim, group, n_looks);
    for (; n_looks > 0 && n_freed < n_wanted && group->inactive.n > 0; n_looks--)
        n_freed += reclaim_last(reclaim, group, highest);
    return n_freed;
}

static struct vk_group *group_of(struct list_node *link)
{
    return VM_CONTAINER(link, struct vk_group, link);
}

/* The group whose turn it is, or the one that is meant. */
static struct vk_group *next_group(struct vk_reclaim *reclaim, struct vk_group *only)
{
    if (only)
        return only;
    struct vk_group *const group = reclaim->next_group;
    reclaim->next_group = group_of(group->link.next ? group->link.next : reclaim->groups.first);
    return group;
}

static uint32_t n_groups(const struct vk_reclaim *reclaim)
{
    uint32_t n = 0;
    for (const struct list_node *link = reclaim->groups.first; link; link = link->next)
        n++;
    return n;
}

uint32_t vk_reclaim_frames(struct vk_reclaim *reclaim, struct vk_group *group, enum vk_zone_kind highest,
                           uint32_t n_wanted)
{
    uint32_t n_freed = 0;
    for (int round = PRIORITY_FIRST; round > -ROUNDS_AT_LAST && n_freed < n_wanted; round--) {
        if (reclaim->free_slot == VK_NO_SLOT && !reclaim->n_unwanted)
            break;
        const uint32_t n_turns = group ? 1 : n_groups(reclaim);
        for (uint32_t turn = 0; turn < n_turns && n_freed < n_wanted; turn++)
            n_freed += shrink_group(reclaim, next_group(reclaim, group), highest,
                                    round > 0 ? (unsigned)round : 0, n_wanted - n_freed);
    }
    if (n_freed)
        reclaim->n_balance_failures = 0;
    return n_freed;
}

/* --- when memory is short --------------------------------------------------------------------------------- */

static bool is_balanced(const struct vk_phys *phys, unsigned gfp)
{
    for (unsigned kind = 0; kind <= vk_gfp_zone(gfp); kind++)
        if (vk_zone_is_above(&phys->zone[kind], phys->zone[kind].mark_high, 0, gfp))
            return true;
    return false;
}

/* What Linux's kswapd does when it is woken: until a zone that the request may use is above its high mark. */
static void balance(void *context, unsigned gfp)
{
    struct vk_reclaim *const reclaim = context;
    if (reclaim->n_balance_failures >= BALANCE_FAILURES_MOST)
        return;
    reclaim->counts.n_balances++;
    while (!is_balanced(reclaim->phys, gfp)) {
        if (!vk_reclaim_frames(reclaim, NULL, vk_gfp_zone(gfp), CLUSTER)) {
            reclaim->n_balance_failures++;
            return;
        }
        vk_phys_drain(reclaim->phys);
    }
}

static uint32_t shrink_caches(struct vk_reclaim *reclaim)
{
    uint32_t n_freed = 0;
    for (const struct list_node *link = reclaim->shrinkers.first; link; link = link->next) {
        const struct vk_shrinker *const shrinker = VM_CONTAINER(link, struct vk_shrinker, link);
        n_freed += shrinker->shrink(shrinker->context);
    }
    return n_freed;
}

static bool reclaim_for(void *context, unsigned order, unsigned gfp)
{
    struct vk_reclaim *const reclaim = context;
    reclaim->counts.n_direct++;
    const enum vk_zone_kind highest = vk_gfp_zone(gfp);
    if (order > 0 && !vk_has_block(reclaim->phys, highest, order) && vk_compact(reclaim, highest, order))
        return true;
    const bool is_freed =
        vk_reclaim_frames(reclaim, NULL, highest, CLUSTER) > 0 || shrink_caches(reclaim) > 0;
    vk_phys_drain(reclaim->phys);
    if (is_freed)
        return true;
    return order <= VK_COSTLY_ORDER && !(gfp & VK_GFP_MAYFAIL) && vk_kill_one(reclaim, NULL);
}

/* --- the beginning ---------------------------------------------------------------------------------------- */

int vk_reclaim_init(struct vk_reclaim *reclaim, struct vk_phys *phys, uint32_t n_slots)
{
    *reclaim = (struct vk_reclaim){.phys = phys, .n_slots = n_slots, .free_slot = VK_NO_SLOT};
    if (n_slots) {
        reclaim->slot = phys->config.more(phys->config.context, n_slots * sizeof *reclaim->slot);
        if (!reclaim->slot)
            return VK_ENOMEM;
    }
    for (uint32_t i = n_slots; i-- > 0; reclaim->free_slot = i)
        reclaim->slot[i] = (struct vk_slot){.next_free = reclaim->free_slot};
    vk_group_add(reclaim, &reclaim->root, UINT32_MAX);
    reclaim->next_group = &reclaim->root;
    phys->relief = (struct vk_relief){.balance = balance, .reclaim = reclaim_for, .context = reclaim};
    return 0;
}
