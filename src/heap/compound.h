/* SPDX-License-Identifier: MIT */
/*
 * compound.h - blocks made of several free neighbours of a smaller class.
 *
 * A program whose sizes change leaves slabs of the old ones behind, with a few live blocks in each, and what is free
 * between them serves its class alone. So a heap that has nothing left for a class borrows: it looks for a sparse slab of
 * another class of which a few neighbouring blocks are hardly larger than the one that is wanted, and makes it the
 * class's host. Blocks come from there while there are runs long enough. Only large heaps do: what others
 * could save is not worth the longer way.
 *
 *   group of a host, with 16-byte blocks; A and B are compound blocks of 48 and 32 bytes, # is live, . is free
 *
 *     block    0  1  2  3  4  5  6  7
 *              #  A  A  A  .  #  B  B
 *     mask     0  0  0  0  1  0  0  0
 *     joined   0  1  1  0  0  0  1  0    the next one continues this one
 *     notify   1  1  0  0  1  1  1  0    the mask when all blocks, whatever their size, are free
 *
 * A compound block is freed by the bit of its first part. The owner adds the others at once; another thread sets that one
 * remote bit, and the owner adds them when it collects it. So joined is written as the mask is, and nobody else needs
 * to know but for two questions: whether an address is in the middle of a live block (vm_slab_is_continued), and how
 * large a live block is (vm_slab_bytes_at). Both are about bits that do not change while the block lives, and which were
 * written before its address was handed out. The fast path of free asks neither, hence S3: x_fast_heap is NULL
 * while blocks are joined.
 *
 * A host is CURRENT, in the place of the other class: its owner takes runs from it without a lock.
 *
 * In the child of a fork, what another thread was doing without a lock may be half done: joined but not yet taken, which
 * vm_compound_review mends; or no longer joined but not yet free: then the parts are lost, as is the block of
 * any free that the fork was faster than.
 */
#ifndef VM_HEAP_COMPOUND_H
#define VM_HEAP_COMPOUND_H

#include "heap/heap.h"

/* A block of the class from its host. NULL: it has none, or there is nothing left in it. Needs: to act as owner; no lock. */
void *vm_compound_take(struct heap *heap, unsigned class_index);

/* Finds a host for a class that has no current slab, and takes a block there. NULL: none was found. Needs: the lock, and
   to act as owner. */
void *vm_compound_take_from_next(struct heap *heap, unsigned class_index);

/* What of group `index` is free, if `free` is and these blocks are joined no more. Needs: to act as owner. */
vm_word vm_compound_split(struct slab *slab, size_t group_index, vm_word free);

/* Finds out whether blocks of the slab are joined still. Needs: to act as owner. */
void vm_compound_review(struct slab *slab);

/* Whether a CURRENT slab of the heap is a host. */
VM_INLINE bool vm_compound_is_host(const struct heap *heap, const struct slab *slab)
{
    return heap->current[slab->class_index] != slab;
}

#endif
