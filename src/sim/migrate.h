/* SPDX-License-Identifier: MIT */
/*
 * migrate.h - user frames that move: to make free frames touch (compaction), and to empty ranges that someone has
 * reserved (CMA). Pinned frames and the kernel's stay where they are. Contents, list and place in the list's order go
 * with the page; entries are told. Lock: the machine's.
 */
#ifndef VM_SIM_MIGRATE_H
#define VM_SIM_MIGRATE_H

#include "sim/reclaim.h"

/* Moves what a user frame holds to a frame that was taken. False: it is no user frame, or pinned; nothing changed. */
bool vk_migrate(struct vk_reclaim *reclaim, uint32_t from, uint32_t to);

/* Whether a request that is not for CMA's pageblocks finds a free block of the order in a zone up to that one. */
bool vk_has_block(const struct vk_phys *phys, enum vk_zone_kind highest, unsigned order);

/*
 * Moves pages of each zone up to `highest` towards its end, until a free block of that order exists or all has been
 * looked at. Whether it exists then.
 */
bool vk_compact(struct vk_reclaim *reclaim, enum vk_zone_kind highest, unsigned order);

/*
 * Takes n frames in a row out of CMA's, moving out what is there, aligned to as many frames (up to the largest order).
 * VK_EBUSY: something there cannot move, or has nowhere to go; what was moved stays where it is now. VK_ENOMEM: there is
 * no such range. Frames are the caller's, one by one, and go back with vk_cma_free.
 */
int vk_cma_alloc(struct vk_reclaim *reclaim, uint32_t n, uint32_t *pfn);
void vk_cma_free(struct vk_reclaim *reclaim, uint32_t pfn, uint32_t n);

#endif
