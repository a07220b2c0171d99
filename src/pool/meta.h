/* SPDX-License-Identifier: MIT */
/*
 * meta.h - memory for our own descriptors, never through malloc and never inside user memory.
 *
 * Objects of one size share a chunk of 64 KiB with a bitmap of what is taken. Addresses stay readable for
 * ever: a lookup that races with the end of a descriptor reads an old or a zero descriptor, never an unmapped
 * page. Pages of a chunk that ran empty go back to the kernel and read as zero.
 *
 * Where all memory is little (below 16 MiB: vm_kernel.memory_bytes), chunks are of a page or less, and what is larger has
 * pages of its own.
 */
#ifndef VM_POOL_META_H
#define VM_POOL_META_H

#include "base/compiler.h"

enum { VM_META_UNIT = 64, VM_META_OBJECT_MAX = 8192 };

/* A zeroed object, aligned to VM_META_UNIT. Needs 0 < bytes <= VM_META_OBJECT_MAX. NULL: out of memory. */
void *vm_meta_alloc(size_t bytes);

/* Gives an object back; `bytes` is what it was asked with. Needs, if it is so large that it may have pages of its
   own: nobody else looks at it any more. */
void vm_meta_free(void *object, size_t bytes);

/* Where memory is little and nobody else can be looking, gives the empty chunks' addresses back, too. Whether
   there were any. Lock: none held. */
bool vm_meta_trim(void);

struct meta_totals {
    size_t mapped_bytes; /* addresses taken from the kernel */
    size_t used_bytes;   /* in objects that exist */
};
struct meta_totals vm_meta_totals(void);

/* For a fork child: if another thread was changing this room, its chunks are left alone from now on. */
void vm_meta_reset_in_child(void);

void vm_meta_check(void);

#endif
