/* SPDX-License-Identifier: MIT */
/*
 * sizeclass.h - size <-> class.
 *
 * The rule: classes 1..64 are the multiples of 16 up to 1024 bytes, so that a small request wastes at most 15
 * bytes and its class is a shift away; above, each doubling has 8 evenly spaced classes, up to 32 KiB, so
 * that a request wastes less than 1/8 of itself. Class 0 is empty: no request leads to it but size 0, which
 * the slow path turns into size 1.
 */
#ifndef VM_SLAB_SIZECLASS_H
#define VM_SLAB_SIZECLASS_H

#include "base/bits.h"
#include "base/config.h"

enum { VM_CLASS_STEP_SHIFT = 3, VM_SMALL_MAX_SHIFT = 10 };
_Static_assert(1 << VM_CLASS_STEP_SHIFT == VM_CLASS_STEPS && 1 << VM_SMALL_MAX_SHIFT == VM_SMALL_MAX,
               "shifts");

/* Class of a request. Needs size <= VM_SMALL_MAX; size 0 gives 0. */
VM_INLINE unsigned vm_class_of_small(size_t size)
{
    return (unsigned)((size + VM_BLOCK_ALIGN - 1) >> VM_BLOCK_ALIGN_SHIFT);
}

/* Class of a request. Needs VM_SMALL_MAX < size <= VM_SLAB_BLOCK_MAX. Blocks of the class are of step + 1 steps of
   2^(doubling - VM_CLASS_STEP_SHIFT) bytes. */
VM_INLINE unsigned vm_class_of_middle(size_t size)
{
    const unsigned doubling = vm_floor_log2(size - 1);
    const size_t step =
        (size - 1) >> (doubling - VM_CLASS_STEP_SHIFT); /* VM_CLASS_STEPS.. 2 * VM_CLASS_STEPS - 1 */
    return (unsigned)step + doubling * VM_CLASS_STEPS -
           (VM_SMALL_MAX_SHIFT * VM_CLASS_STEPS + VM_CLASS_STEPS - 1 - VM_N_SMALL_CLASSES);
}

/* Block bytes of that class. */
VM_INLINE size_t vm_class_bytes_of_middle(size_t size)
{
    const unsigned step_shift = vm_floor_log2(size - 1) - VM_CLASS_STEP_SHIFT;
    return (((size - 1) >> step_shift) + 1) << step_shift;
}

/* Class of a request. Needs 1 <= size <= VM_SLAB_BLOCK_MAX. */
VM_INLINE unsigned vm_class_of(size_t size)
{
    if (size <= VM_SMALL_MAX)
        return vm_class_of_small(size);
    return vm_class_of_middle(size);
}

/* Block bytes of a class: the largest request it serves. */
VM_INLINE size_t vm_class_bytes(unsigned class_index)
{
    if (class_index <= VM_N_SMALL_CLASSES)
        return (size_t)class_index << VM_BLOCK_ALIGN_SHIFT;
    const unsigned above = class_index - 1 - VM_N_SMALL_CLASSES;
    const unsigned doubling = VM_SMALL_MAX_SHIFT + above / VM_CLASS_STEPS;
    return (size_t)(VM_CLASS_STEPS + 1 + above % VM_CLASS_STEPS) << (doubling - VM_CLASS_STEP_SHIFT);
}

/*
 * Bytes of the largest slabs of the class: the smallest of 16, 32 .. 256 KiB with room for 64 blocks (small
 * classes), 16 (up to 8 KiB) or 8; a page at least. Where memory is little, they begin at 1/256 of it instead of 16 KiB,
 * and end at 1/16 of it, unless that has no room for 2 blocks. A power of two, and the slab is aligned to it.
 */
size_t vm_class_slab_bytes(unsigned class_index);

/* The same of the smallest slabs, which have room for 2 blocks: what a heap begins a class with. */
size_t vm_class_slab_bytes_least(unsigned class_index);

#endif
