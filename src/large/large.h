/* SPDX-License-Identifier: MIT */
/*
 * large.h - blocks with pages of their own: middle ones, whose pages come from the pool, and large ones, each
 * a mapping. A block starts at the first byte of its span and may use all of it.
 *
 * Large blocks follow glibc's rules: a request gets a mapping if, padded by glibc's header, it is at or above
 * the threshold and fewer than a maximum of mappings exist. While the threshold was not set by the user it
 * follows the program: freeing a mapped block moves it up to that block's size (at most 32 MiB; 16 MiB on
 * 32-bit systems), so that sizes that come and go are served from the pool.
 */
#ifndef VM_LARGE_LARGE_H
#define VM_LARGE_LARGE_H

#include "pool/span.h"

/* Tunables, in bytes; see front/tune.c. */
struct large_policy {
    size_t x_threshold; /* padded requests of this size or more get a mapping */
    size_t x_slab_max; /* largest request for slabs: what the threshold and the memory leave of the classes */
    size_t x_n_max;    /* most mappings at a time */
    uint32_t x_is_dynamic;
};
extern struct large_policy vm_large_policy;

/* Sets the threshold and what follows from it. Requests up to VM_SMALL_MAX are served by slabs whatever it
   is. */
void vm_large_set_threshold(size_t bytes);

/* A block of `size` bytes aligned to `alignment`, a power of two. NULL: out of memory. Needs size >= 1. Lock:
   none. */
void *vm_large_alloc(size_t size, size_t alignment);

/* Same, every byte zero. */
void *vm_large_alloc_zeroed(size_t size);

/* Frees the block that is the span. False: it is free already, another thread was quicker. Needs: the page map led from the
   block to the span. */
bool vm_large_free(struct span *span);

/* Resizes the block without copying: in place, or by moving its mapping. NULL: not possible, nothing
   changed. */
void *vm_large_resize(struct span *span, size_t size);

struct large_totals {
    size_t n_large, large_bytes, n_large_max, large_bytes_max; /* mappings now, and the most ever */
    size_t n_middle, middle_bytes;
    size_t n_quick, quick_bytes; /* free, in the quick list */
};

/* Counts of the moment; each is true, together they may be apart by the calls in flight. */
struct large_totals vm_large_totals(void);

/* Verifies the counts against the page map. Needs: nobody allocates meanwhile. */
void vm_large_check(void);

#endif
