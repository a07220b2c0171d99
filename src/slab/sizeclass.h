/* SPDX-License-Identifier: MIT */
/*
 * sizeclass.h - size <-> class.
 *
 * The rule: classes 1..16 are the multiples of 16 up to 256 bytes; above, each doubling has 8 evenly spaced classes, up
 * to 32 KiB. So a request wastes at most 15 bytes, or less than 1/8 of itself. Class 0 is empty: no request leads to it
 * but size 0, which the slow path turns into size 1. Why not more classes: fewer share slabs better (decision 0035).
 *
 * Heaps have bins, which lead from a size to its class's blocks: one for each multiple of 16 up to 1 KiB, so that the
 * bin of a small request is an addition away; several belong to one class.
 */
#ifndef VM_SLAB_SIZECLASS_H
#define VM_SLAB_SIZECLASS_H

#include "base/bits.h"
#include "base/config.h"

enum { VM_CLASS_STEP_SHIFT = 3, VM_EVEN_MAX_SHIFT = 8 };
_Static_assert(1 << VM_CLASS_STEP_SHIFT == VM_CLASS_STEPS && 1 << VM_EVEN_MAX_SHIFT == VM_EVEN_MAX, "shifts");

/* Class of a request. Needs 1 <= size <= VM_SLAB_BLOCK_MAX. */
VM_INLINE unsigned vm_class_of(size_t size)
{
    if (size <= VM_EVEN_MAX)
        return (unsigned)((size + VM_BLOCK_ALIGN - 1) >> VM_BLOCK_ALIGN_SHIFT);
    /* Blocks of the class are of step + 1 steps of 2^(doubling - VM_CLASS_STEP_SHIFT) bytes; step is VM_CLASS_STEPS ..
       2 * VM_CLASS_STEPS - 1. */
    const unsigned doubling = vm_floor_log2(size - 1);
    const size_t step = (size - 1) >> (doubling - VM_CLASS_STEP_SHIFT);
    return (unsigned)step + doubling * VM_CLASS_STEPS -
           (VM_EVEN_MAX_SHIFT * VM_CLASS_STEPS + VM_CLASS_STEPS - 1 - VM_N_EVEN_CLASSES);
}

/* Block bytes of a class: the largest request it serves. */
VM_INLINE size_t vm_class_bytes(unsigned class_index)
{
    if (class_index <= VM_N_EVEN_CLASSES)
        return (size_t)class_index << VM_BLOCK_ALIGN_SHIFT;
    const unsigned above = class_index - 1 - VM_N_EVEN_CLASSES;
    const unsigned doubling = VM_EVEN_MAX_SHIFT + above / VM_CLASS_STEPS;
    return (size_t)(VM_CLASS_STEPS + 1 + above % VM_CLASS_STEPS) << (doubling - VM_CLASS_STEP_SHIFT);
}

/* The bin of a class above VM_SMALL_MAX: what vm_last_bin says, without the load. */
VM_INLINE unsigned vm_bin_of_middle(unsigned class_index)
{
    return class_index - VM_CLASS_OF_SMALL_MAX + VM_N_SMALL_BINS - 1;
}

/* The last bin of each class. Those of a class, 1, 2 or 4 of them, follow the last one of the class before. */
extern const uint8_t vm_last_bin[VM_N_CLASSES];

VM_INLINE unsigned vm_n_bins(unsigned class_index)
{
    return vm_last_bin[class_index] - (unsigned)vm_last_bin[class_index - 1];
}

/*
 * Bytes of the largest slabs of the class: the smallest of 16, 32 .. 1024 KiB with room for VM_SLAB_BLOCKS, but no more than
 * 2^VM_SLAB_DOUBLINGS_MAX of its smallest slabs (from 16 KiB on, 32 to 56 blocks); a page at least. Where memory is little, they
 * begin at 1/256 of it instead of 16 KiB, and end at 1/16 of it, unless that has no room for 2 blocks. A power of two, and the slab
 * is aligned to it.
 */
size_t vm_class_slab_bytes(unsigned class_index);

/* The same of the smallest slabs, which have room for 2 blocks: what a heap begins a class with. */
size_t vm_class_slab_bytes_least(unsigned class_index);

/* Both. */
struct slab_range {
    size_t least, most;
};
VM_INLINE struct slab_range vm_class_slab_range(unsigned class_index)
{
    return (struct slab_range){vm_class_slab_bytes_least(class_index), vm_class_slab_bytes(class_index)};
}

#endif
