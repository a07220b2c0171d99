/* SPDX-License-Identifier: MIT */
/*
 * perturb.h - M_PERTURB: fresh blocks filled with one byte, freed ones with its complement.
 *
 * The fast paths know nothing of it. While it is on, bins are empty after each block, and no slab has a heap
 * whose thread may free into it without asking; so every call takes the slow path, which fills.
 */
#ifndef VM_HEAP_PERTURB_H
#define VM_HEAP_PERTURB_H

#include "heap/heap.h"

/* Settings of the heaps, single words read with relaxed loads; see front/tune.c. */
struct heap_policy {
    uint32_t x_perturb;       /* M_PERTURB: the byte that freed blocks are filled with; 0 for no filling */
    size_t retired_bytes_max; /* most bytes of slabs that ran empty and a heap keeps; constant once set up */
    size_t worn_bytes_min;    /* of them in slabs that are worn, whatever is live; the same */
    uint32_t x_n_own_max;     /* M_ARENA_MAX: most threads that have a heap of their own; 0 for no limit */
};
extern struct heap_policy vm_heap_policy;

/*
 * Sets x_perturb, and has the slow paths serve what the calling thread does from now on. Another thread first
 * uses up the groups that its bins have, 64 blocks a class at most, without filling. Lock: none held.
 */
void vm_heap_set_perturb(unsigned char byte);

/* The owner may free into the slab by the fast path, unless blocks are filled or joined. Needs: to act as owner. */
VM_INLINE void vm_heap_allow_fast(struct slab *slab)
{
    struct heap *const heap = vm_load_relaxed(&slab->x_heap);
    const bool is_slow = vm_load_relaxed(&vm_heap_policy.x_perturb) || vm_load_relaxed(&slab->x_is_joined);
    vm_store_relaxed(&slab->x_fast_heap, is_slow ? NULL : heap);
}

#endif
