/* SPDX-License-Identifier: MIT */
/*
 * retired.h - slabs that ran empty and that their heap keeps for a while. All functions need the heap's lock, and to act as
 * its owner.
 *
 * A slab whose last block is freed stays where it is, ready for the next malloc, and is retired. The retired slabs hold a
 * bounded number of bytes, and of these a smaller number in slabs that are worn, as these have contents all over: the others,
 * small ones of which no group was ever used up, are there so that a heap with nothing live has a block of each class at hand,
 * and cost the pages that those blocks lay in. The one at the highest address goes back to the pool if it still is empty, those
 * last whose giving back was regretted. While a slab is retired its groups' x_notify is 0, so that a program that frees and
 * allocates one block over and over is not asked each time.
 */
#ifndef VM_HEAP_RETIRED_H
#define VM_HEAP_RETIRED_H

#include "heap/heap.h"

/* All blocks of the slab are free: among the retired with it, and out with others while they are too many, to `emptied`.
   A host has its class's next blocks and stays what it is. */
void vm_retired_add(struct heap *heap, struct slab *slab, struct list *emptied);

/* The slab, retired or not, is retired no more. */
void vm_retired_forget(struct heap *heap, struct slab *slab);

/* None is, and none is missed. */
void vm_retired_forget_all(struct heap *heap);

/* A retired slab of whatever class, made one of this class, and LOOSE. NULL: none fits. */
struct slab *vm_retired_reuse(struct heap *heap, unsigned class_index);

/* A new slab is needed for the class. If a retired one of it went, the next goes after all others: else a program that frees
   and allocates the only block of a slab would make that slab anew each time. */
void vm_retired_note_regret(struct heap *heap, unsigned class_index);

/* As if no slab had ever gone. A heap that nobody knows yet needs no lock. */
void vm_retired_forget_regrets(struct heap *heap);

#endif
