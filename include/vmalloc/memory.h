/* SPDX-License-Identifier: MIT */
/*
 * memory.h - a machine that pages (<vmalloc/machine.h>), when its memory is short and when its kernel needs some: groups
 * with a limit, pins, ranges that are reserved, compaction; and the kernel's own memory: caches of objects, kmalloc,
 * vmalloc, kmap.
 *
 * Blanket contract as in <vmalloc/machine.h>: 0 or a negative enum vk_error; a call that fails changes nothing but what
 * reclaim has already done for it. Frames are numbers; the kernel's addresses are 64 bits wide on every host.
 */
#ifndef VMALLOC_MEMORY_H
#define VMALLOC_MEMORY_H

#include <vmalloc/machine.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- groups, pins ----------------------------------------------------------------------------------------- */

struct vk_group;
enum { VK_NO_LIMIT = -1 }; /* as uint64_t */

int vk_group_create(struct vk_machine *machine, uint64_t limit_bytes, struct vk_group **group);

/* VK_EAGAIN: what is above it cannot be reclaimed. */
int vk_group_resize(struct vk_machine *machine, struct vk_group *group, uint64_t limit_bytes);

/* VK_EBUSY: it has pages already. */
int vk_mm_join(struct vk_mm *mm, struct vk_group *group);

/* The one that it is in; there is always one. */
const struct vk_group *vk_mm_group(const struct vk_mm *mm);

struct vk_group_usage {
    uint64_t limit, charged, charged_most, swapped, active, inactive; /* pages */
    uint64_t n_failed, n_killed; /* charges that met the limit; address spaces ended for want of memory */
};
struct vk_group_usage vk_group_usage(struct vk_machine *machine, const struct vk_group *group);

/* The page at the address stays in its frame, until as many unpins. VK_EFAULT: it has none, or no
   such pin; VK_EAGAIN: it has 65535. */
int vk_page_pin(struct vk_mm *mm, vk_va at, uint64_t *frame);
int vk_page_unpin(struct vk_machine *machine, uint64_t frame);

/* --- frames in a row --------------------------------------------------------------------------------------- */

/* Out of what vk_machine_config.cma_bytes reserved. VK_EBUSY: something there cannot move; VK_ENOMEM: no such range. */
int vk_range_take(struct vk_machine *machine, uint64_t n_frames, uint64_t *frame);

/* VK_EINVAL: they were not taken so. */
int vk_range_give(struct vk_machine *machine, uint64_t frame, uint64_t n_frames);

/* Moves pages until a block of 2^order frames is free. VK_ENOMEM: there is none after that. */
int vk_frames_compact(struct vk_machine *machine, unsigned order);

/* --- the kernel's own memory -------------------------------------------------------------------------------- */

struct vk_cache;

struct vk_cache_wanted {
    const char *name;      /* up to VK_NAME_MOST bytes of it are kept */
    uint64_t bytes, align; /* align 0: 8 */
    uint64_t mark;         /* what a constructor writes to the start of each object; 0: there is none */
};

int vk_objects_create(struct vk_machine *machine, const struct vk_cache_wanted *wanted,
                      struct vk_cache **cache);

int vk_object_take(struct vk_machine *machine, struct vk_cache *cache, uint64_t *address);
int vk_object_give(struct vk_machine *machine, struct vk_cache *cache, uint64_t address);

struct vk_cache_usage {
    uint64_t full, partial, free; /* slabs */
    uint64_t used, constructed;   /* objects: now; by the constructor, ever */
    uint64_t in_slab, colours;
};
struct vk_cache_usage vk_cache_usage(struct vk_machine *machine, const struct vk_cache *cache);

/* Gives slabs without an object back; returns how many frames. */
uint64_t vk_objects_reap(struct vk_machine *machine);

/* Memory in a row, physically too, in the direct mapping. */
int vk_kernel_alloc(struct vk_machine *machine, uint64_t bytes, enum vk_from from, uint64_t *address);
int vk_kernel_free(struct vk_machine *machine, uint64_t address);

/* Memory in a row by page tables, with a guard page behind it. VK_EINVAL: the machine's layout has no place for it. */
int vk_pages_alloc(struct vk_machine *machine, uint64_t bytes, uint64_t *address);
int vk_pages_free(struct vk_machine *machine, uint64_t address);

/* An address for a frame: for as long as it is needed, or (the latest is given back first) for a moment. */
int vk_frame_map(struct vk_machine *machine, uint64_t frame, uint64_t *address);
int vk_frame_unmap(struct vk_machine *machine, uint64_t address);
int vk_frame_map_briefly(struct vk_machine *machine, uint64_t frame, uint64_t *address);
int vk_frame_unmap_briefly(struct vk_machine *machine, uint64_t address);

/* What the kernel does with its addresses, by the direct mapping or its page tables; `kind` READ or WRITE. */
int vk_kernel_access(struct vk_machine *machine, uint64_t at, size_t bytes, enum vk_prot kind, void *buffer);

/* The frame behind an address of the kernel's. False: none. */
bool vk_kernel_frame_of(struct vk_machine *machine, uint64_t at, uint64_t *frame);

/* From now on each vk_kernel_access is looked up in a shadow of what is given out. Needs: nothing is. */
int vk_shadow_begin(struct vk_machine *machine);

/* --- what it says of itself --------------------------------------------------------------------------------- */

struct vk_memory_counts {
    uint64_t n_swap_outs, n_swap_ins, n_slots, n_slots_used;
    uint64_t n_scanned, n_stolen, n_dropped, n_activated, n_deactivated;
    uint64_t n_migrated, n_compactions, n_compacted, n_ranges_busy;
    uint64_t n_kills;
    uint64_t n_findings;    /* of the shadow */
    uint64_t n_wrong_frees; /* of kernel memory */
    uint64_t n_vmalloc_pages, n_kmap_flushes;
    const struct vk_mm *victim; /* the last one that was ended; it may be gone */
};
struct vk_memory_counts vk_memory_counts(struct vk_machine *machine);

/* In the shape of /proc/vmstat, slabinfo and vmallocinfo; what the shadow found last. */
void vk_machine_report_vmstat(struct vk_machine *machine, const struct vk_writer *writer);
void vk_machine_report_slabinfo(struct vk_machine *machine, const struct vk_writer *writer);
void vk_machine_report_vmallocinfo(struct vk_machine *machine, const struct vk_writer *writer);
void vk_machine_report_finding(struct vk_machine *machine, const struct vk_writer *writer);

#ifdef __cplusplus
}
#endif

#endif
