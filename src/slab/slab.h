/* SPDX-License-Identifier: MIT */
/*
 * slab.h - a span cut into equal blocks of one size class, and who may do what to it.
 *
 *   span   |waste| block 0 | block 1 | block 2 | ......................... | block n-1 |
 *   groups        mask: one bit a block, set = free;  group 0: blocks 0..63, group 1: 64..127, ...
 *
 * What is free is told by bits outside user memory and by nothing else: a program that writes to a freed
 * block or past the end of a live one cannot harm the allocator; freeing a block twice finds its bit set, at
 * once; and a page whose bits are all set may be purged at any time. The waste lies in front, so that an
 * address behind the last block belongs to another span.
 *
 * Three sets of bits: mask (written by the owner alone), remote (set by other threads that free, taken by
 * the owner), and joined (written by the owner alone): blocks that the next one continues. Neighbours that are
 * joined are one compound block (heap/compound.h), freed by the bit of its first part. While a group is attached
 * to a heap's bin, the owner takes blocks from its mask without a lock.
 *
 * Ownership. slab->x_heap is the heap it belongs to, for ever or until the slab is moved to another heap
 * under the lock of the heap it leaves. The heap belongs to one live thread, or, abandoned, to whoever holds
 * its lock.
 *
 *   state     meaning                                    who may change it            next
 *   LOOSE     in no list: fresh, moving, or dying        whoever took it              LISTED CURRENT (pool)
 *   LISTED    in its heap's list of the class            holder of the heap's lock    CURRENT LOOSE
 *   CURRENT   one of its groups is in the bin, or it     owner, under the lock        LISTED LOOSE
 *             is a class's host (heap/compound.h)
 *
 * Invariants: S1 mask and remote have no common bit, unless a block was freed by two threads; S2 bits at
 * and above the group's block count are clear; S3 x_fast_heap is x_heap, or NULL while remote frees wait to
 * be collected, blocks are joined or the slab is on its way to another heap; S4 masks are written by the owner
 * alone, or under the heap's lock while the slab is LISTED and all its blocks are free (then nobody has anything
 * to free); S5 no part of a compound block is in mask, and of them remote has the first at most.
 */
#ifndef VM_SLAB_SLAB_H
#define VM_SLAB_SLAB_H

#include "base/atomic.h"
#include "base/bits.h"
#include "base/config.h"
#include "pool/span.h"
#include "slab/sizeclass.h"

struct heap;

enum slab_state { SLAB_LOOSE, SLAB_LISTED, SLAB_CURRENT };

/* Up to VM_WORD_BITS blocks. */
struct slab_group {
    vm_word x_mask;   /* free blocks; the owner's release stores pair with visitors' acquire loads */
    vm_word x_notify; /* the mask that calls for attention, vm_slab_group_notify; 0 if none does */
    char *base;       /* its first block */
};

struct slab {
    struct span span;
    struct heap *x_heap;
    struct slab *x_next_queued;
    uint8_t x_is_queued; /* in its heap's queue of slabs with remote frees, or about to be */
    uint8_t class_index, n_groups;
    uint8_t x_state;        /* enum slab_state; others guess by it, the lock's holder knows */
    uint8_t retired_at : 7; /* place in its heap's retired[], from 1 on; 0: has not run empty */
    uint8_t is_quiet : 1;   /* some x_notify is 0 */
    uint8_t x_is_joined;    /* blocks may be joined */
    uint16_t
        n_purged : 15; /* free blocks when malloc_trim last purged its free pages; 0: since then taken from */
    uint16_t
        is_worn : 1; /* has contents all over, as far as is known: some group was used up, or it was not the first */

    /* What malloc and free look at, in one cache line with the first group. */
    VM_ALIGNED(VM_CACHE_LINE)
    struct heap *x_fast_heap; /* whose thread may free into it without asking, or NULL */
    uint64_t reciprocal;      /* 2^64 / block_bytes, rounded up: see vm_slab_index */
    size_t n_blocks;
    struct slab_group group[]; /* n_groups of them; as many words each of vm_slab_remote and vm_slab_joined */
};

_Static_assert(VM_WORD_BITS == 32 || offsetof(struct slab, x_fast_heap) == VM_CACHE_LINE,
               "with one group, a descriptor is two cache lines");

/*
 * A slab of the class from the pool, all blocks free, in no list, of no heap. The first slabs of a heap are small,
 * and each is twice as large as the last, up to the class's bound: n_owned is how many the heap has. So a
 * thread with a few blocks of each size needs little, and one with many needs few slabs. NULL: out of memory.
 * Lock: none held below rank POOL.
 */
struct slab *vm_slab_create(unsigned class_index, unsigned n_owned);

/* Gives the slab's pages back to the pool, all of them counting as dirty. Needs: all blocks free, in no list,
   not queued (heap/remote.c says when that is certain). Lock: none held. */
void vm_slab_destroy(struct slab *slab);

/* Whether the slab's span and descriptor fit another class, whose vm_class_slab_range is `range`. */
bool vm_slab_can_recast(const struct slab *slab, unsigned class_index, struct slab_range range);

/* Makes an empty slab, which is in no list, one of another class. Needs: vm_slab_can_recast. */
void vm_slab_recast(struct slab *slab, unsigned class_index);

/* Bytes of the descriptor. */
size_t vm_slab_descriptor_bytes(const struct slab *slab);

void vm_slab_check(const struct slab *slab);

/* Number of free blocks, those freed by other threads included: of the moment. */
unsigned vm_slab_count_free(const struct slab *slab);

/* The slab whose place in a heap's list this is. */
VM_INLINE struct slab *vm_slab_of_node(struct list_node *node)
{
    return VM_CONTAINER(node, struct slab, span.node);
}

/* Of each group, the blocks that others freed and that are not in its mask yet. */
VM_INLINE vm_word *vm_slab_remote(const struct slab *slab)
{
    return (vm_word *)(uintptr_t)&slab->group[slab->n_groups];
}

/* Of each group, the blocks that the next one continues. */
VM_INLINE vm_word *vm_slab_joined(const struct slab *slab)
{
    return vm_slab_remote(slab) + slab->n_groups;
}

/* The mask of group `index` with all its blocks free. */
VM_INLINE vm_word vm_slab_group_full(const struct slab *slab, size_t group_index)
{
    const size_t n_left = slab->n_blocks - group_index * VM_WORD_BITS;
    return vm_bits_low_mask(n_left < VM_WORD_BITS ? (unsigned)n_left : VM_WORD_BITS);
}

/* The same without those that continue another: the mask when all blocks, whatever their size, are free. */
VM_INLINE vm_word vm_slab_group_notify(const struct slab *slab, size_t group_index)
{
    return vm_slab_group_full(slab, group_index) &
           ~(vm_load_relaxed(&vm_slab_joined(slab)[group_index]) << 1);
}

/*
 * Number of the block that starts at `address`; false if none does. By D. Lemire's exact division: with M =
 * ceil(2^64 / d), n is a multiple of d iff the low half of n * M is below M, and the high half is then n / d.
 */
VM_INLINE bool vm_slab_index(const struct slab *slab, const void *address, size_t *index)
{
    const uint64_t offset = (uint64_t)((uintptr_t)address - (uintptr_t)slab->group[0].base);
    uint64_t quotient;
    const uint64_t fraction = vm_multiply(offset, &slab->reciprocal, &quotient);
    *index = (size_t)quotient;
    return fraction < slab->reciprocal && quotient < slab->n_blocks;
}

VM_INLINE char *vm_slab_block(const struct slab *slab, size_t index)
{
    return slab->group[0].base + index * slab->span.block_bytes;
}

/* The group of block `index`. */
VM_INLINE struct slab_group *vm_slab_group(struct slab *slab, size_t index)
{
    return &slab->group[index >> VM_WORD_SHIFT];
}

/* Asks for the descriptor of the slab whose place in a list this is: both lines of it, if it has one group. */
VM_INLINE void vm_slab_prefetch(const struct list_node *node)
{
    if (!node)
        return;
    const struct slab *const slab = VM_CONTAINER(node, const struct slab, span.node);
    __builtin_prefetch(slab, 1);
    __builtin_prefetch(&slab->x_fast_heap, 1);
}

/* Asks for the first line of some of the free blocks that follow the group's first: in a large heap they are in no cache. No
   more than a refill gives there, and no branch, which would be guessed wrong; where neighbours are free, the processor
   foresees the others. */
VM_INLINE void vm_slab_prefetch_blocks(const struct slab *slab, const struct slab_group *group)
{
    enum { N_BLOCKS = 4 };
    const vm_word stop = (vm_word)1 << (VM_WORD_BITS - 1);
    vm_word mask = vm_load_relaxed(&group->x_mask);
#pragma GCC unroll 4
    for (unsigned n = 0; n < N_BLOCKS; n++) {
        mask &= mask - 1;
        __builtin_prefetch(group->base + vm_bits_lowest(mask | stop) * slab->span.block_bytes, 1);
    }
}

VM_INLINE vm_word vm_slab_bit(size_t index)
{
    return (vm_word)1 << (index & (VM_WORD_BITS - 1));
}

/* Free blocks, and with each that is joined to the next all of the compound block that it begins: the sum carries from
   the first of its ones to behind the last. */
VM_INLINE vm_word vm_slab_with_parts(vm_word free, vm_word joined)
{
    return free | ((joined + (free & joined)) ^ joined);
}

/* Whether block `index` continues the one before. Of a live block, or one in the middle of a live block, this does not
   change; so whoever has such a block may ask. */
VM_INLINE bool vm_slab_is_continued(const struct slab *slab, size_t index)
{
    return VM_UNLIKELY(vm_load_relaxed(&slab->x_is_joined)) &&
           (vm_load_relaxed(&vm_slab_joined(slab)[index >> VM_WORD_SHIFT]) << 1 & vm_slab_bit(index)) != 0;
}

/* Bytes of the live block that begins with block `index`. */
VM_INLINE size_t vm_slab_bytes_at(const struct slab *slab, size_t index)
{
    if (VM_LIKELY(!vm_load_relaxed(&slab->x_is_joined)))
        return slab->span.block_bytes;
    const vm_word joined = vm_load_relaxed(&vm_slab_joined(slab)[index >> VM_WORD_SHIFT]);
    return (1 + vm_bits_lowest(~(joined >> (index & (VM_WORD_BITS - 1))))) * slab->span.block_bytes;
}

#endif
