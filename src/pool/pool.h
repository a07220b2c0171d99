/* SPDX-License-Identifier: MIT */
/*
 * pool.h - the page pool: all arenas' free spans. Takes and gives spans, makes arenas as they are needed, and
 * keeps the dirty free pages below a bound in each arena, whenever something is freed: see dirty.c.
 */
#ifndef VM_POOL_POOL_H
#define VM_POOL_POOL_H

#include "pool/arena.h"
#include "pool/span.h"

/*
 * Takes `bytes`, whole pages, aligned to `alignment` (a power of two up to the largest order's block), and
 * fills in start, bytes, arena and is_zeroed of the span, which may say that it is MIDDLE. False: out of memory.
 */
bool vm_pool_take(struct span *span, size_t bytes, size_t alignment);

/* Gives a span's pages back; the first dirty_bytes of them may have contents. May purge. Lock: none held. */
void vm_pool_give(const struct span *span, size_t dirty_bytes);

/* Less is live in the arena than before, though no pages came back: purges what is dirty beyond what may be. Lock: none
   held. */
void vm_pool_review(size_t arena_index);

/* Makes a taken span longer, to `bytes`, if the pages behind it are free; their contents are anything. */
bool vm_pool_extend(struct span *span, size_t bytes);

/* Shrinks a span to `bytes`, whole pages; its tail goes back. Lock: none held. */
void vm_pool_give_tail(struct span *span, size_t bytes);

/* Bytes of the smallest slabs, which arenas are made of and aligned to: VM_GRANULE, a page at least; less where memory is
   little. */
size_t vm_pool_granule(void);

/* The largest alignment that vm_pool_take serves, in bytes. */
size_t vm_pool_block_bytes_max(void);

/* Purges all free pages and moves the breaks down, keeping `pad` bytes at arena 0's. Whether anything went
   back. */
bool vm_pool_trim(size_t pad);

/* Counts middle blocks in the span's arena, or out of it, modulo 2^N. */
void vm_pool_count_middle(const struct span *span, size_t n, size_t bytes);

/* The span's pages are those of an empty slab that its heap keeps, or not any more: taken, but not live. Lock: none needed. */
void vm_pool_count_empty(const struct span *span, bool is_kept);

/* The same of a slab whose owner sleeps, after its free pages were purged. */
void vm_pool_count_asleep(const struct span *span, bool is_asleep);

/* Bytes that are live in the span's arena: in the pages that are taken, empty slabs left out. Lock: none needed. */
size_t vm_pool_live_bytes(const struct span *span);
size_t vm_pool_live_bytes_of_all(void);

/* Sums over all arenas, supplied by pool/totals.c. */
struct pool_totals {
    size_t n_arenas;
    size_t arena_bytes, arena_bytes_max, free_bytes, dirty_bytes;
    size_t n_free_spans;
    size_t top_free_bytes; /* of arena 0 */
};
struct pool_totals vm_pool_totals(void);

/* Arena number `index`, or NULL past the last. */
struct arena *vm_pool_arena(size_t index);

void vm_pool_reset_in_child(void);
void vm_pool_check(void);

#endif
