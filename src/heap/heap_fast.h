/* SPDX-License-Identifier: MIT */
/*
 * heap_fast.h - the fast path and nothing else.
 *
 * A thread starts on a constant heap whose bins are all empty and which owns no slab, so that nothing here
 * asks whether anything is set up. Both functions touch only what their thread owns: no lock, no locked
 * instruction.
 */
#ifndef VM_HEAP_HEAP_FAST_H
#define VM_HEAP_HEAP_FAST_H

#include "heap/heap.h"
#include "pool/pagemap.h"
#include "slab/sizeclass.h"

/* The calling thread's heap: vm_heap_none before its first block, vm_heap_ended after its end began. */
extern VM_THREAD_LOCAL struct heap *vm_heap_self;

/* Supplied by the layer above: everything that is not below. */
void *vm_malloc_slow(size_t size);
void vm_free_slow(void *block);

/* Takes the lowest free block of the bin's group, whose mask, not 0, the caller has read. */
VM_INLINE void *vm_heap_take(const struct bin *bin, vm_word mask)
{
    struct slab_group *const group = bin->group;
    const size_t index = vm_bits_lowest(mask);
    vm_store_relaxed(&group->x_mask, mask & ~((vm_word)1 << index));
    return group->base + index * bin->block_bytes;
}

/* The bin of a small request; for size 0 one that never has blocks. */
VM_INLINE const struct bin *vm_heap_small_bin(size_t size)
{
    const size_t rounded = VM_OPAQUE_ASIDE(vm_round_up(size, VM_BLOCK_ALIGN));
    const size_t distance = rounded / (VM_BLOCK_ALIGN / sizeof(struct bin));
    return (const struct bin *)(const void *)((const char *)vm_heap_self->bin + distance);
}

VM_INLINE void *vm_heap_malloc_fast(size_t size)
{
    if (VM_UNLIKELY(size > VM_SMALL_MAX))
        return vm_malloc_slow(size);
    const struct bin *const bin = vm_heap_small_bin(size);
    const vm_word mask = vm_load_relaxed(&bin->group->x_mask);
    if (VM_UNLIKELY(mask == 0))
        return vm_malloc_slow(size);
    return vm_heap_take(bin, mask);
}

VM_INLINE void vm_heap_free_fast(void *block)
{
    struct slab *const slab = (struct slab *)vm_pagemap_near(block);
    size_t index;
    if (VM_UNLIKELY(vm_load_relaxed(&slab->x_fast_heap) != vm_heap_self) ||
        VM_UNLIKELY(!vm_slab_index(slab, block, &index))) {
        vm_free_slow(block); /* NULL, another thread's, one that another thread freed into, not a block */
        return;
    }
    struct slab_group *const group = vm_slab_group(slab, index);
    vm_word mask = vm_load_relaxed(&group->x_mask);
    if (VM_UNLIKELY(vm_bits_test_set(&mask, index))) {
        vm_free_slow(block); /* freed before */
        return;
    }
    vm_store_release(&group->x_mask, mask); /* our use of the block is over: vm_heap_is_slab_done acquires */
    if (VM_UNLIKELY(vm_is_relaxed(&group->x_notify, mask)))
        vm_heap_group_emptied(group, slab);
}

/* The calling thread's slab in which this is a live block, and one of the slab's own size, as x_fast_heap is NULL where blocks
   are joined (S3). NULL: none, or not to be told without the page map. */
VM_INLINE struct slab *vm_heap_find_fast(const void *block)
{
    struct slab *const slab = (struct slab *)vm_pagemap_near(block);
    size_t index;
    if (VM_UNLIKELY(vm_load_relaxed(&slab->x_fast_heap) != vm_heap_self) ||
        VM_UNLIKELY(!vm_slab_index(slab, block, &index)))
        return NULL;
    const bool is_free = vm_load_relaxed(&vm_slab_group(slab, index)->x_mask) & vm_slab_bit(index);
    return VM_LIKELY(!is_free) ? slab : NULL;
}

#endif
