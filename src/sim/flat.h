/* SPDX-License-Identifier: MIT */
/*
 * flat.h - the memory behind an address space on a machine without paging: the frame of an address is that
 * address, in one of the regions that were handed over. Records of frames lie at the start of their region.
 */
#ifndef VM_SIM_FLAT_H
#define VM_SIM_FLAT_H

#include "base/buddy.h"
#include "sim/kernel.h"

/* What is known of a frame, in the tag of its record. */
enum frame_state {
    FRAME_ZERO = 0, /* not accessible since it was zero */
    FRAME_STALE,    /* not accessible; holds bytes that nobody may see */
    FRAME_LIVE      /* in use, accessible at some time: its contents are the program's */
};

struct flat_region {
    struct list_node link; /* by address */
    vk_va memory;          /* where all of it begins */
    vk_va start, end;      /* the frames there are */
    uint32_t n_pages_max;  /* those there are records for */
    struct buddy buddy;
    struct buddy_page frames[]; /* n_pages_max of them; behind them, records of areas */
};

extern const struct vk_backing vk_flat_backing;

/* A further region, or the continuation of one: region.c. */
int vk_flat_add(struct vk_kernel *kernel, const struct vk_region *region);

/* Verifies invariants F1..F4 (see flat.c); a broken one ends the process. */
void vk_flat_check(struct vk_kernel *kernel);

VM_INLINE struct flat_region *vk_flat_first(const struct vk_kernel *kernel)
{
    return kernel->regions.first ? VM_CONTAINER(kernel->regions.first, struct flat_region, link) : NULL;
}

VM_INLINE struct flat_region *vk_flat_next(const struct flat_region *region)
{
    return region->link.next ? VM_CONTAINER(region->link.next, struct flat_region, link) : NULL;
}

#endif
