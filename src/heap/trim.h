/* SPDX-License-Identifier: MIT */
/* trim.h - what malloc_trim gives back of a heap: its empty slabs, and the free pages of the others. */
#ifndef VM_HEAP_TRIM_H
#define VM_HEAP_TRIM_H

#include "heap/heap.h"

/* Purges the whole pages from `start` to `end`. Returns how many. Lock: none held. */
size_t vm_trim_between(const char *start, const char *end);

/* Gives empty slabs of a heap, anybody's, back to the pool, but for a live thread's CURRENT ones. Lock: none
   held. */
void vm_heap_give_empties(struct heap *heap);

/*
 * Gives empty slabs of a heap, anybody's, back to the pool, and purges the pages of its other slabs that hold no
 * live block, but for blocks of a live thread's CURRENT slabs that it freed itself. Returns how many pages it purged. Lock: none
 * held. Kernel: a call for each run of free pages.
 */
size_t vm_heap_trim(struct heap *heap);

#endif
