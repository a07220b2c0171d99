/* SPDX-License-Identifier: MIT */
/* remote.h - frees into slabs that are not the calling thread's: the whole cross-thread protocol (see
   remote.c). */
#ifndef VM_HEAP_REMOTE_H
#define VM_HEAP_REMOTE_H

#include "heap/heap.h"

/* Frees block `index` of a slab whose heap is not the calling thread's. Ends the process if it is free. */
void vm_remote_free(struct slab *slab, size_t index);

/* The same of a block in what may be its slab, if that is another thread's, and the thread lives. False: nothing happened. */
bool vm_remote_free_live(struct slab *slab, const void *block);

/* Marks blocks of group i, a bit each, as freed by another thread than the owner. Needs: they are the caller's to free. Returns
   those that were marked already, which nobody may do twice. */
vm_word vm_remote_mark(struct slab *slab, size_t i, vm_word blocks);

/* Pushes a slab whose x_is_queued the caller has set onto its heap's queue. */
void vm_remote_queue(struct slab *slab);

/*
 * Acts on a heap from outside: gives slabs back that are wholly free and not CURRENT, for a live heap, and
 * all that is free, for an abandoned one. Of what others freed in a live heap's CURRENT slabs, vm_remote_look notes how much it
 * is; vm_remote_visit purges it if it has become worth that (heap/asleep.h). Lock: takes the heap's.
 */
void vm_remote_look(struct heap *heap);
void vm_remote_visit(struct heap *heap);

#endif
