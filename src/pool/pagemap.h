/* SPDX-License-Identifier: MIT */
/*
 * pagemap.h - from an address to the span it belongs to: the answer to "is this pointer ours". Reading takes
 * no lock and follows no pointer that is not ours, whatever the address is.
 *
 *   root[address >> 30] -> leaf[address >> 14] -> span of the whole granule (16 KiB), or
 *                                               -> the one span that starts in it, or
 *                                               -> split granule -> span that starts in this page of it
 *
 * Slabs cover whole granules, and every granule of theirs leads to them. Other spans are found by their first
 * page only, so that a mapping of a terabyte costs one entry.
 *
 * Where all memory is one bounded range (vm_kernel.memory), a window takes the place of root and leaves there: one
 * slot for each of its pages, so that the map is as small as the memory, and slabs may be smaller than granules.
 *
 * The near map is a direct-mapped table of slabs by granule number: one load for free's lookup. Its entries
 * are distances from an empty descriptor before the table, so that a zero entry leads to "no slab" without a
 * test. Two granules 4 GiB apart share an entry; who loses is found through the root.
 */
#ifndef VM_POOL_PAGEMAP_H
#define VM_POOL_PAGEMAP_H

#include "base/atomic.h"
#include "base/config.h"
#include "pool/span.h"

struct near_map {
    VM_ALIGNED(VM_CACHE_LINE) char no_slab[256]; /* an all-zero descriptor: its heap is nobody's */
    VM_ALIGNED(VM_NEAR_ALIGN) uintptr_t x_slab_distance[VM_NEAR_ENTRIES];
};
extern struct near_map vm_near_map;

/* Of each leaf that there may be: where it is, and how many of its entries are not 0. Two tables, as one would be larger:
   they are in RLIMIT_DATA. */
extern struct leaf *vm_pagemap_x_root[VM_ROOT_ENTRIES];
extern uint32_t vm_pagemap_n_used[VM_ROOT_ENTRIES];

/* Probably the slab of this address, else an arbitrary or the empty slab: the caller verifies. Never
   faults. */
VM_INLINE struct span *vm_pagemap_near(const void *address)
{
    const struct near_map *const map = VM_OPAQUE(&vm_near_map);
    /* 32 bits, so that the shift alone does where entries are distinct for 4 GiB. */
    const uint32_t slot = (uint32_t)(uintptr_t)address >> VM_GRANULE_SHIFT & (VM_NEAR_ENTRIES - 1);
    const uintptr_t *const table = map->x_slab_distance;
    /* Pairs with enter_near in pagemap.c. Relaxed: for a live block, whoever passed the pointer on ordered
       it. */
    return (struct span *)vm_plus_relaxed((uintptr_t)map->no_slab, &table[slot]);
}

/* The span of a slab's address, or of the first page of another span; NULL for anything else. */
struct span *vm_pagemap_find(const void *address);

/* Makes a span findable. False: no memory for the map, nothing changed. */
bool vm_pagemap_add(struct span *span);

/* The span that starts nearest below the address, or at it, and contains it: a search, for messages. NULL:
   none. */
struct span *vm_pagemap_search(const void *address);

/* Calls visit for each span, those of the window first, else in order of address: for checkers, which look at it while
   nothing changes. */
void vm_pagemap_walk(void (*visit)(struct span *span, void *context), void *context);

/* The span is not found any more; whatever else was added at its addresses since they became free still
   is. */
void vm_pagemap_remove(struct span *span);

/* Nothing is at these addresses any more: gives the map's own pages for them back to the kernel, if all is
   empty. */
void vm_pagemap_forget(const char *start, const char *end);

struct pagemap_totals {
    size_t mapped_bytes; /* of the leaves */
    size_t static_bytes; /* root and near map: in the library's own data */
};
struct pagemap_totals vm_pagemap_totals(void);

/* For a fork child: see front/fork.c. */
void vm_pagemap_reset_in_child(void);

#endif
