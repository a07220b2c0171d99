/* SPDX-License-Identifier: MIT */
/* swap.c - slots that hold what user frames held: see reclaim.h. A slot is free or has one owner, as a frame does. */
#include "base/check.h"
#include "sim/plan.h"
#include "sim/reclaim.h"

uint32_t vk_swap_store(struct vk_reclaim *reclaim, uint32_t pfn)
{
    const uint32_t number = reclaim->free_slot;
    if (number == VK_NO_SLOT)
        return VK_NO_SLOT;
    const struct vk_frame *const frame = &reclaim->phys->frame[pfn];
    if (vk_plan_strikes(reclaim->phys, FAULT_SWAPOUT, vk_phys_page_bytes(reclaim->phys), vk_owner(frame)))
        return VK_NO_SLOT;
    struct vk_slot *const slot = &reclaim->slot[number];
    reclaim->free_slot = slot->next_free;
    reclaim->n_slots_used++;
    *slot = (struct vk_slot){
        .space = vk_owner(frame),
        .vpn = frame->vpn,
        .content = vk_content_out(reclaim->phys, pfn),
        .next_free = VK_NO_SLOT,
    };
    slot->space->n_swapped++;
    slot->space->group->n_swapped++;
    reclaim->counts.n_swap_outs++;
    return number;
}

static struct vk_slot *used_slot(struct vk_reclaim *reclaim, uint32_t number)
{
    VM_CHECK(number < reclaim->n_slots && reclaim->slot[number].space);
    return &reclaim->slot[number];
}

/* The slot is free; its content has gone elsewhere. */
static void release(struct vk_reclaim *reclaim, uint32_t number)
{
    struct vk_slot *const slot = &reclaim->slot[number];
    slot->space->n_swapped--;
    slot->space->group->n_swapped--;
    *slot = (struct vk_slot){.next_free = reclaim->free_slot};
    reclaim->free_slot = number;
    reclaim->n_slots_used--;
}

uint32_t vk_swap_in(struct vk_reclaim *reclaim, uint32_t number)
{
    struct vk_slot *const slot = used_slot(reclaim, number);
    if (vk_plan_strikes(reclaim->phys, FAULT_SWAPIN, vk_phys_page_bytes(reclaim->phys), slot->space))
        return VK_NO_FRAME;
    const uint32_t pfn = vk_user_take(reclaim, slot->space, slot->vpn);
    if (pfn == VK_NO_FRAME)
        return VK_NO_FRAME;
    vk_content_in(reclaim->phys, pfn, slot->content);
    release(reclaim, number);
    reclaim->counts.n_swap_ins++;
    return pfn;
}

void vk_swap_free(struct vk_reclaim *reclaim, uint32_t number)
{
    vk_content_drop(reclaim->phys, used_slot(reclaim, number)->content);
    release(reclaim, number);
}

void vk_swap_moved(struct vk_reclaim *reclaim, uint32_t number, uint64_t vpn)
{
    used_slot(reclaim, number)->vpn = vpn;
}
