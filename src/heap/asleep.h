/* SPDX-License-Identifier: MIT */
/*
 * asleep.h - the slabs that a thread takes blocks from, while it sleeps: they are the one thing that nobody can take from it.
 *
 * A CURRENT slab stays its owner's though all its blocks were freed by others, one a class, with all pages that were written.
 * But what others freed is handed out again only after the owner has collected it. So whoever frees the last block of such a
 * slab may purge them: it takes the bits back, which makes the blocks its own, as if it had not freed them, purges their
 * pages with no lock held, and frees them once more, by the protocol of heap/remote.c.
 *
 *   x_is_asleep   who may act                                    what happens                                        then
 *   0             whoever took the remote bits, under the lock   purges; exchange to 1, before the bits are back   1
 *   1             whoever collects remote bits                   exchange to 0, after it took the bits             0
 *
 * It is not worth a call of the kernel at once. What visitors leave is noted, and is a bounded share of what else is live: as
 * more is left, or less is live, all of it goes.
 *
 * While x_is_asleep is 1 the slab does not count as live (vm_pool_count_asleep): it is counted once, as both are exchanges. Bits
 * of several groups come back one group after another, and the slab stays until the last; an owner that collects in between
 * ends it, though the other groups' pages are purged, too. A block that somebody frees twice meanwhile has its bit set when it
 * is freed again here, which is found as in any other free. A child that is forked in between has these blocks for live: a
 * slab's at most.
 */
#ifndef VM_HEAP_ASLEEP_H
#define VM_HEAP_ASLEEP_H

#include "heap/heap.h"
#include "pool/pool.h"

/* Bytes of blocks that others freed in a CURRENT slab, if all its blocks are free and that was not purged yet. Lock: the
   heap's. */
size_t vm_asleep_bytes(const struct slab *slab);

/* In the heap's CURRENT slabs there are so many of these bytes. Lock: the heap's. */
void vm_asleep_note_change(struct heap *heap, size_t bytes);
VM_INLINE void vm_asleep_note(struct heap *heap, size_t bytes)
{
    if (VM_UNLIKELY(vm_load_relaxed(&heap->x_put_off) != bytes))
        vm_asleep_note_change(heap, bytes);
}

/* What was noted of all heaps; a hint. */
extern size_t vm_asleep_x_put_off;

/* Purges what was noted of any heap, if all of that is worth it. Lock: none held; takes heaps'. */
void vm_asleep_review(void);

/* The same after more was noted, or less is live. */
VM_INLINE void vm_asleep_look(void)
{
    if (VM_UNLIKELY(vm_load_relaxed(&vm_asleep_x_put_off) >= VM_ASLEEP_BYTES_MIN))
        vm_asleep_review();
}

/* Purges them in the heap's CURRENT slabs, if it is live. Returns how many pages. Lock: none held; takes the heap's, but
   not while it purges. */
size_t vm_asleep_purge(struct heap *heap);

/* Remote bits of the slab were taken to be collected. */
void vm_asleep_end(struct slab *slab);
VM_INLINE void vm_asleep_wake(struct slab *slab)
{
    if (VM_UNLIKELY(vm_load_relaxed(&slab->span.x_is_asleep)))
        vm_asleep_end(slab);
}

#endif
