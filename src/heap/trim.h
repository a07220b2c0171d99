/* SPDX-License-Identifier: MIT */
/* trim.h - what malloc_trim gives back of a heap: its empty slabs, and the free pages of the others. */
#ifndef VM_HEAP_TRIM_H
#define VM_HEAP_TRIM_H

#include "heap/heap.h"

/* Gives empty slabs of a heap, anybody's, back to the pool, but for a live thread's CURRENT ones. Lock: none
   held. */
void vm_heap_give_empties(struct heap *heap);

/*
 * Gives empty slabs of a heap, anybody's, back to the pool, and purges the pages of its other slabs that hold no
 * live block, but for those of a live thread's CURRENT slabs. Returns how many pages it purged. Lock: none
 * held. Kernel: a call for each run of free pages.
 */
size_t vm_heap_trim(struct heap *heap);

#endif
