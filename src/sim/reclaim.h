/* SPDX-License-Identifier: MIT */
/*
 * reclaim.h - user frames, and what happens when memory is short: two lists of frames a group with a second chance,
 * swap slots, limits of groups, and the end of the address space that takes most.
 *
 * How a pager uses it, at a fault: it says whom it serves, makes sure that the tables are there, takes a frame
 * (vk_user_take, or vk_swap_in for an entry that is a slot), and only then writes the entry, taking nothing in between:
 * from then on the frame may be taken away again. If it gets none, and space->is_killed, it ends the address space
 * itself; another one than that which is served is ended by its operation `kill`.
 *
 * Lock: the machine's. Blanket contract: counts are frames.
 */
#ifndef VM_SIM_RECLAIM_H
#define VM_SIM_RECLAIM_H

#include "sim/phys.h"

/* Address spaces with a limit on the frames that they have together. */
struct vk_group {
    struct list_node link;
    uint32_t id;
    uint32_t limit; /* UINT32_MAX: none */
    uint32_t n_charged, n_charged_most, n_swapped;
    uint64_t n_failed, n_killed; /* charges that met the limit; address spaces ended for it */
    struct vk_frame_list active, inactive;
};

struct vk_slot {
    struct vk_content content;
    struct vk_space *space; /* NULL: free */
    uint64_t vpn;
    uint32_t next_free;
};

struct vk_reclaim_counts {
    uint64_t n_scanned, n_stolen;                   /* of the inactive lists; those that were freed */
    uint64_t n_dropped;                             /* of these, whose contents nobody wanted */
    uint64_t n_activated, n_deactivated, n_rotated; /* accessed while inactive; aged; accessed while active */
    uint64_t n_swap_outs, n_swap_ins, n_kills, n_balances, n_direct;
    uint64_t n_migrated, n_not_migrated, n_compactions, n_compacted; /* runs, and those that made the block */
    uint64_t n_cma_taken, n_cma_busy; /* frames; ranges that could not be emptied */
};

/* Memory that caches could give back: asked before anybody is killed. */
struct vk_shrinker {
    struct list_node link;
    uint32_t (*shrink)(void *context); /* returns the frames that it gave back */
    void *context;
};

struct vk_reclaim {
    struct vk_phys *phys;
    struct list groups, spaces, shrinkers;
    struct vk_group root; /* of those without a limit */
    struct vk_group *next_group;
    struct vk_space *serving; /* written by the pager: for whom it works now; NULL: for none */
    struct vk_slot *slot;
    uint32_t n_slots, n_slots_used, free_slot, next_id;
    uint32_t n_unwanted;         /* frames that are VK_FRAME_UNWANTED */
    unsigned n_balance_failures; /* in a row */
    struct vk_reclaim_counts counts;
    void (*on_kill)(void *context, const struct vk_space *victim,
                    const struct vk_group *group); /* may be NULL */
    void *context;
};

/* Takes the place of phys->relief. VK_ENOMEM: the host has no memory for the records of slots. */
int vk_reclaim_init(struct vk_reclaim *reclaim, struct vk_phys *phys, uint32_t n_slots);

void vk_shrinker_add(struct vk_reclaim *reclaim, struct vk_shrinker *shrinker);

/* --- groups and address spaces --------------------------------------------------------------------------- */

void vk_group_add(struct vk_reclaim *reclaim, struct vk_group *group, uint32_t limit);

/* Reclaims what is above it; VK_EAGAIN: not all of that can be had, and the limit stays as it was. */
int vk_group_limit(struct vk_reclaim *reclaim, struct vk_group *group, uint32_t limit);

/* group NULL: the one without a limit. Needs: ops and id are filled in; all else is set here. */
void vk_space_add(struct vk_reclaim *reclaim, struct vk_space *space, struct vk_group *group);

/* Needs: it has neither frames nor slots. */
void vk_space_remove(struct vk_reclaim *reclaim, struct vk_space *space);

/* --- user frames ----------------------------------------------------------------------------------------- */

/* A frame that reads as zero for that page. VK_NO_FRAME: none; look at space->is_killed. */
uint32_t vk_user_take(struct vk_reclaim *reclaim, struct vk_space *space, uint64_t vpn);

/* The page has no entry any more. A frame that is pinned is freed when the last pin goes. */
void vk_user_give(struct vk_reclaim *reclaim, uint32_t pfn);

/* The page is now another one of that address space (remap). */
void vk_user_moved(struct vk_reclaim *reclaim, uint32_t pfn, uint64_t vpn);

/* What the page holds may be dropped when memory is short, and that before anything else, until it is written to. */
void vk_user_unwanted(struct vk_reclaim *reclaim, uint32_t pfn);

/* Pinned frames are neither moved nor swapped out. */
void vk_pin(struct vk_reclaim *reclaim, uint32_t pfn);
void vk_unpin(struct vk_reclaim *reclaim, uint32_t pfn);

/* A frame with the contents of the slot, which is free then. VK_NO_FRAME: as in vk_user_take; the slot stays. */
uint32_t vk_swap_in(struct vk_reclaim *reclaim, uint32_t slot);

/* The page has no entry any more: its contents in the slot are lost; or it is now another page. */
void vk_swap_free(struct vk_reclaim *reclaim, uint32_t slot);
void vk_swap_moved(struct vk_reclaim *reclaim, uint32_t slot, uint64_t vpn);

/* --- on demand ------------------------------------------------------------------------------------------- */

/* Tries to free n frames of zones up to that one; returns how many it did. group NULL: of any. */
uint32_t vk_reclaim_frames(struct vk_reclaim *reclaim, struct vk_group *group, enum vk_zone_kind highest,
                           uint32_t n);

/* Ends the address space that takes most, of the group or NULL of any. False: there is none, or it is being served. */
bool vk_kill_one(struct vk_reclaim *reclaim, struct vk_group *group);

/* Verifies invariants L1..L4 (see reclaim.c); a broken one ends the process. */
void vk_reclaim_check(struct vk_reclaim *reclaim);

/* In the shape of /proc/vmstat. */
void vk_reclaim_report(const struct vk_reclaim *reclaim, const struct vk_writer *writer);

/* --- for swap.c, migrate.c and the tests ------------------------------------------------------------------ */

/* swap.c: a free slot that takes the content of a frame, VK_NO_SLOT if there is none. */
uint32_t vk_swap_store(struct vk_reclaim *reclaim, uint32_t pfn);

/* The list that a user frame is in. */
struct vk_frame_list *vk_lru_of(struct vk_reclaim *reclaim, uint32_t pfn);

/* A user frame leaves its list, or comes to the front of one. */
void vk_lru_remove(struct vk_reclaim *reclaim, uint32_t pfn);
void vk_lru_add(struct vk_reclaim *reclaim, uint32_t pfn, unsigned flag); /* VK_FRAME_ACTIVE or 0 */

VM_INLINE struct vk_space *vk_owner(const struct vk_frame *frame)
{
    return frame->owner;
}

#endif
