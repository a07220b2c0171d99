/* SPDX-License-Identifier: MIT */
/*
 * kmem.h - the kernel's small memory: caches of objects of one type, in slabs of a few frames in a row, and kmalloc
 * over caches of general sizes. Objects have addresses of the machine, in the kernel's direct mapping; what a slab knows
 * of its objects is in the machine's memory, too.
 *
 * Lock: the machine's. Blanket contract: VK_NO_ADDRESS is failure; what frees returns VK_EINVAL for an address that is
 * no object in use, and then changes nothing.
 */
#ifndef VM_SIM_KMEM_H
#define VM_SIM_KMEM_H

#include "sim/phys.h"

#define VK_NO_ADDRESS UINT64_MAX

enum { VK_N_GENERAL_CACHES = 13, VK_COLOUR_BYTES = 64, VK_SLAB_ORDER_MAX = 3 };

struct vk_kmem;
struct vk_shadow;

/* Makes an object ready once, when its slab is made; what it is when it is freed has to be the same. */
typedef void vk_constructor(void *context, struct vk_kmem *kmem, uint64_t object);

struct vk_cache_plan {
    const char *name; /* kept */
    size_t bytes;
    size_t align;              /* a power of two; 0: 8 */
    vk_constructor *construct; /* may be NULL */
    void *context;
};

struct vk_cache {
    struct list_node link;
    struct vk_kmem *kmem;
    struct vk_cache_plan plan;
    size_t step_bytes;     /* from object to object */
    size_t objects_offset; /* of the first one, without colour */
    unsigned order;        /* of a slab */
    uint32_t n_in_slab;
    uint32_t n_colours, colour;               /* how many there are, the next slab's */
    bool is_off_slab;                         /* the slab's record is an object of a general cache */
    struct vk_frame_list full, partial, free; /* slabs, by their first frame */
    uint32_t n_used;                          /* objects */
    uint64_t n_constructed, n_taken, n_reaped_slabs;
};

struct vk_kmem {
    struct vk_phys *phys;
    uint64_t direct_base; /* of the mapping of all frames but HIGHMEM's */
    struct list caches;
    struct vk_cache general[VK_N_GENERAL_CACHES];
    const void *frames_owner; /* of kernel frames that were given out as frames */
    struct vk_shadow *shadow; /* NULL: none; see shadow.h */
    uint64_t n_refused;       /* frees of what is no object in use */
};

void vk_kmem_init(struct vk_kmem *kmem, struct vk_phys *phys, uint64_t direct_base);

/* VK_EINVAL: an object is none, or larger than a slab can be. */
int vk_cache_create(struct vk_kmem *kmem, struct vk_cache *cache, const struct vk_cache_plan *plan);

/* VK_EBUSY: there are objects in use. */
int vk_cache_destroy(struct vk_cache *cache);

uint64_t vk_cache_alloc(struct vk_cache *cache, unsigned gfp);
int vk_cache_free(struct vk_cache *cache, uint64_t object);

/* Gives the slabs without an object in use back; returns their frames. */
uint32_t vk_cache_reap(struct vk_cache *cache);
uint32_t vk_kmem_reap(void *kmem); /* of all caches; may be a struct vk_shrinker's */

/* Memory in a row, physically too. With VK_GFP_DMA always whole frames. */
uint64_t vk_kmalloc(struct vk_kmem *kmem, size_t bytes, unsigned gfp);
int vk_kfree(struct vk_kmem *kmem, uint64_t address);

/* The cache that serves so many bytes, NULL: none does. */
struct vk_cache *vk_general_cache(struct vk_kmem *kmem, size_t bytes);

/* The object that the address is in: its start, its cache (NULL: from no cache) and whether it is in use. */
struct vk_object {
    uint64_t start;
    size_t bytes;
    const struct vk_cache *cache;
    bool is_used;
};
bool vk_object_at(struct vk_kmem *kmem, uint64_t address, struct vk_object *object);

/*
 * Copies to and from addresses of the direct mapping. VK_EFAULT: not all of them are, or there is something that was not
 * given out: free frames, page tables, what slabs know of their objects, stamps. The shadow, if there is one, is asked
 * first, and may report.
 */
int vk_kernel_read(struct vk_kmem *kmem, uint64_t from, void *to, size_t n);
int vk_kernel_write(struct vk_kmem *kmem, uint64_t to, const void *from, size_t n);

/* In the shape of /proc/slabinfo. */
void vk_kmem_report(const struct vk_kmem *kmem, const struct vk_writer *writer);

/* Verifies invariants C1..C4 (see kmem.c). */
void vk_kmem_check(struct vk_kmem *kmem);

VM_INLINE uint64_t vk_direct_address(const struct vk_kmem *kmem, uint32_t pfn)
{
    return kmem->direct_base + ((uint64_t)pfn << kmem->phys->config.page_shift);
}

/* --- for kmemreport.c ------------------------------------------------------------------------------------ */

/* What a slab knows, in the machine's memory: behind it, for each object, the next free one's number. */
struct vk_slab_record {
    uint32_t n_used, first_free, colour_bytes;
};

/* In place of a number: the last free one; in use; in use as the record of another slab, which nobody else may touch. */
enum { VK_SLAB_END = UINT16_MAX, VK_SLAB_USED = UINT16_MAX - 1, VK_SLAB_RECORD = UINT16_MAX - 2 };

void vk_slab_read(struct vk_phys *phys, uint32_t slab, struct vk_slab_record *record);
uint32_t vk_slab_next(struct vk_phys *phys, uint32_t slab, uint32_t object);

#endif
