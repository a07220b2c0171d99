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
 * While it is 1 the slab does not count as live (vm_pool_count_asleep): it is counted once, as both are exchanges. A block that
 * somebody frees twice meanwhile has its bit set when it is freed again here, which is found as in any other free. A child
 * that is forked in between has these blocks for live: a slab's at most.
 */
#ifndef VM_HEAP_ASLEEP_H
#define VM_HEAP_ASLEEP_H

#include "heap/heap.h"
#include "pool/pool.h"

/* Bytes of blocks that others freed in a CURRENT slab, if all its blocks are free and that was not purged yet. For slabs of one
   group; those of several have 16 KiB. Lock: the heap's. */
size_t vm_asleep_bytes(const struct slab *slab);

/* So many of them are worth a purge: a share of what is live, as of other dirty pages. `slab` is one of the heap's. */
size_t vm_asleep_bytes_min(const struct slab *slab);

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
