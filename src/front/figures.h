/* SPDX-License-Identifier: MIT */
/*
 * figures.h - a picture of the whole allocator, which everything that reports is drawn from.
 *
 * Every figure is counted by whoever changes it, under the lock that he holds anyway or with one store; blocks are
 * not counted at all, but read off the slabs' bitmaps. Cost: one pass over all slab descriptors, under one heap's
 * lock at a time, and one over each arena's lists.
 *
 * Exact if nothing allocates meanwhile. Else: a block that lives all the time is counted, once; what is counted
 * lived at some time; so in-use bytes are off by the calls in flight and no more. No figure wraps. Meanwhile no thread
 * adopts slabs of dead ones' heaps: it makes new ones.
 */
#ifndef VM_FRONT_FIGURES_H
#define VM_FRONT_FIGURES_H

#include "base/config.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "pool/meta.h"
#include "pool/pagemap.h"
#include "pool/pool.h"

/* What mallinfo needs. Bytes, except counts. system_bytes = in_use_bytes + free_bytes. */
struct sums {
    size_t n_arenas;
    size_t system_bytes, system_bytes_max; /* of the arenas */
    size_t in_use_bytes;                   /* of these, in live blocks: of slabs, and middle ones */
    size_t free_bytes;                     /* all others: free blocks, free pages, remainders of slabs */
    size_t n_free;                         /* in how many pieces */
    size_t top_free_bytes;                 /* below the break of arena 0 */
    struct large_totals large;
};

/* The slabs of a class. n_full + n_partial + n_empty = n_slabs; n_live + n_free = the blocks of them all. */
struct class_figures {
    size_t n_slabs, n_empty, n_partial, n_full;
    size_t slab_bytes, n_live, n_free;
};

struct arena_figures {
    enum arena_kind kind;
    struct arena_totals totals;
    size_t in_use_bytes; /* as in struct sums */
    size_t n_slabs, slab_bytes, slab_live_bytes;
    size_t n_remainders, remainder_bytes; /* what is left of slabs, too little for one block more */
    size_t remainder_bytes_max;           /* the largest of them */
    uint32_t n_free_of_class[VM_N_CLASSES];
};

struct figures {
    struct sums sums;
    size_t n_live_heaps, n_shared_heaps, n_abandoned_heaps, n_frozen_heaps;
    size_t n_retired, retired_bytes; /* slabs that ran empty and are kept for a while */
    struct meta_totals meta;
    struct pagemap_totals map;
    size_t record_bytes; /* mapped for all arenas' tables of pages */
    size_t mark_bytes;   /* the page by which a fork child knows that it is one */
    size_t
        metadata_bytes; /* all mappings of the kinds above; what is in the library's own data is not among them */
    size_t reserved_bytes; /* inaccessible addresses above private breaks */
    struct kernel_counts kernel;
    struct vm_kernel_region region; /* of the backend; all zero: it has none */
    struct class_figures class[VM_N_CLASSES];
    struct arena_figures
        arena[VM_N_ARENAS_MAX]; /* the first sums.n_arenas; one, all zero, if there is none yet */
};

/* Lock: none held. Needs little stack, so that a thread with the smallest may ask. */
struct sums vm_figures_sum(void);

/* A picture, to be given to vm_figures_drop. NULL: another is in use, and the kernel refuses memory. Lock: none
   held. */
struct figures *vm_figures_take(void);
void vm_figures_drop(struct figures *figures);

/* Bytes of free blocks in the arena's slabs. */
size_t vm_figures_slab_free_bytes(const struct arena_figures *arena);

/* Taken pages that are in no slab and no block that was seen: on their way between the rooms at that moment, or, in
   a fork child, of a heap that is frozen. */
size_t vm_figures_unseen_bytes(const struct arena_figures *arena);

/* Free bytes of the arena in whatever form. */
size_t vm_figures_free_bytes(const struct arena_figures *arena);

#endif
