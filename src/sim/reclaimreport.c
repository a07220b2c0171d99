/* SPDX-License-Identifier: MIT */
/* reclaimreport.c - user frames, swap slots and groups: as text in the shape of /proc/vmstat, and verified. */
#include "base/check.h"
#include "base/report.h"
#include "sim/reclaim.h"

static struct vk_group *group_of(struct list_node *link)
{
    return VM_CONTAINER(link, struct vk_group, link);
}

static struct vk_space *space_of(struct list_node *link)
{
    return VM_CONTAINER(link, struct vk_space, link);
}

void vk_reclaim_report(const struct vk_reclaim *reclaim, const struct vk_writer *writer)
{
    uint64_t n_active = 0, n_inactive = 0, n_free = 0;
    for (struct list_node *link = reclaim->groups.first; link; link = link->next) {
        n_active += group_of(link)->active.n;
        n_inactive += group_of(link)->inactive.n;
    }
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++)
        n_free += vk_zone_free(&reclaim->phys->zone[kind]);
    const struct vk_reclaim_counts *const counts = &reclaim->counts;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"nr_free_pages", n_free},
        {"nr_inactive_anon", n_inactive},
        {"nr_active_anon", n_active},
        {"pswpin", counts->n_swap_ins},
        {"pswpout", counts->n_swap_outs},
        {"pgactivate", counts->n_activated},
        {"pgdeactivate", counts->n_deactivated},
        {"pgrotated", counts->n_rotated},
        {"pgscan", counts->n_scanned},
        {"pgsteal", counts->n_stolen},
        {"pglazyfreed", counts->n_dropped},
        {"pageoutrun", counts->n_balances},
        {"allocstall", counts->n_direct},
        {"oom_kill", counts->n_kills},
        {"pgmigrate_success", counts->n_migrated},
        {"pgmigrate_fail", counts->n_not_migrated},
        {"compact_stall", counts->n_compactions},
        {"compact_success", counts->n_compacted},
        {"cma_alloc_success", counts->n_cma_taken},
        {"cma_alloc_fail", counts->n_cma_busy},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = {0};
        vm_message_text(&message, rows[i].name);
        vm_message_text(&message, " ");
        vm_message_unsigned(&message, rows[i].value);
        vm_message_text(&message, "\n");
        writer->write(writer->context, message.text, message.length);
    }
}

/* --- the checker ------------------------------------------------------------------------------------------ */

static void check_list(const struct vk_reclaim *reclaim, const struct vk_group *group,
                       const struct vk_frame_list *list, unsigned flag)
{
    uint32_t n = 0, prev = VK_NO_FRAME;
    for (uint32_t pfn = list->first; pfn != VK_NO_FRAME; pfn = reclaim->phys->frame[pfn].next, n++) {
        const struct vk_frame *const frame = &reclaim->phys->frame[pfn];
        VM_CHECK(n < list->n && frame->prev == prev && frame->kind == VK_FRAME_USER); /* L1 */
        VM_CHECK((frame->flags & VK_FRAME_ACTIVE) == flag);                           /* L1 */
        VM_CHECK(vk_owner(frame)->group == group);                                    /* L1 */
        prev = pfn;
    }
    VM_CHECK(n == list->n && list->last == prev); /* L1 */
}

/* Frames of the address space, or of all for NULL; each must be in a list and where its entry says. */
static uint32_t n_frames_of(const struct vk_reclaim *reclaim, const struct vk_space *space)
{
    uint32_t n = 0, n_unwanted = 0;
    for (uint32_t pfn = 0; pfn < reclaim->phys->n_frames; pfn++) {
        const struct vk_frame *const frame = &reclaim->phys->frame[pfn];
        if (frame->kind != VK_FRAME_USER || !frame->owner)
            continue;
        VM_CHECK(frame->flags & VK_FRAME_ON_LRU);                                  /* L1 */
        VM_CHECK(vk_owner(frame)->ops->frame_of(frame->owner, frame->vpn) == pfn); /* L2 */
        n += !space || frame->owner == space;
        n_unwanted += (frame->flags & VK_FRAME_UNWANTED) != 0;
    }
    VM_CHECK(n_unwanted == reclaim->n_unwanted); /* L5 */
    return n;
}

static uint32_t n_slots_of(const struct vk_reclaim *reclaim, const struct vk_space *space)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < reclaim->n_slots; i++)
        n += reclaim->slot[i].space == space;
    return n;
}

static void check_slots(const struct vk_reclaim *reclaim)
{
    uint32_t n = 0;
    for (uint32_t i = reclaim->free_slot; i != VK_NO_SLOT; i = reclaim->slot[i].next_free, n++)
        VM_CHECK(n < reclaim->n_slots && !reclaim->slot[i].space); /* L4 */
    VM_CHECK(n == n_slots_of(reclaim, NULL));                      /* L4 */
    VM_CHECK(n + reclaim->n_slots_used == reclaim->n_slots);       /* L4 */
}

void vk_reclaim_check(struct vk_reclaim *reclaim)
{
    uint32_t n_listed = 0, n_charged = 0, n_resident = 0;
    check_slots(reclaim);
    for (struct list_node *link = reclaim->groups.first; link; link = link->next) {
        const struct vk_group *const group = group_of(link);
        check_list(reclaim, group, &group->active, VK_FRAME_ACTIVE);
        check_list(reclaim, group, &group->inactive, 0);
        n_listed += group->active.n + group->inactive.n;
        n_charged += group->n_charged;
        VM_CHECK(group->n_charged == group->active.n + group->inactive.n); /* L3 */
        VM_CHECK(group->n_charged <= group->limit);                        /* L3 */
        VM_CHECK(group->n_charged_most >= group->n_charged);               /* L3 */
    }
    for (struct list_node *link = reclaim->spaces.first; link; link = link->next) {
        const struct vk_space *const space = space_of(link);
        VM_CHECK(space->n_resident == n_frames_of(reclaim, space)); /* L3 */
        VM_CHECK(space->n_swapped == n_slots_of(reclaim, space));   /* L3 */
        n_resident += space->n_resident;
    }
    VM_CHECK(n_listed == n_frames_of(reclaim, NULL)); /* L1 */
    VM_CHECK(n_resident == n_charged);                /* L3 */
}
