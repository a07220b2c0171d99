/* SPDX-License-Identifier: MIT */
/*
 * quick.h - the quick list: middle blocks that were freed of late, whole, for the next request of their length or little less.
 *
 * To coalesce a block with its neighbours, and to cut it out of them again, takes three locks each time; a buffer that comes
 * and goes needs none of it (deferred coalescing: P. R. Wilson and others, Dynamic Storage Allocation: A Survey and Critical
 * Review, IWMM 1995). The list is one for all threads, and short; its pages count as dirty ones. It is emptied before an arena
 * grows, so that pages are sought among all that are free, coalesced.
 *
 * Some blocks may be put without room: a debt, which the next request pays, as it needs the pool's locks anyway. So a free
 * is seldom the call that waits for them.
 *
 *   a middle block          who may act                      next
 *   live                    the first to set x_is_quick      in a slot, if there is room; else it is none any more
 *   in a slot, x_is_quick   who takes it out of the slot     live, x_is_quick being 0 again; or it is none any more
 *
 * Lock: none.
 */
#ifndef VM_POOL_QUICK_H
#define VM_POOL_QUICK_H

#include "pool/span.h"

/* Frees a MIDDLE span: into the list, if need be in the place of another; for good, if there is no room even so. False: it is
   free already, another thread was quicker. Lock: none held. */
bool vm_quick_free(struct span *span);

/* Whether a span of span_bytes will do where `bytes`, whole pages, are needed: it is not longer than that by more than an
   eighth. */
VM_INLINE bool vm_quick_fits(size_t span_bytes, size_t bytes)
{
    return span_bytes - bytes <= bytes >> 3;
}

/* Out of the list: the shortest MIDDLE span that fits. NULL: there is none. */
struct span *vm_quick_take(size_t bytes);

/* Frees what is in the list for good. Returns whether there was anything. Lock: none held. */
bool vm_quick_flush(void);

/*
 * What may be put from now on; nothing, until this was called. A block that ends at `top` only as long as all that is put from
 * now on is no more than `top_bytes`, and once there is such a block in the list, or if `top` is NULL, the same holds for all
 * blocks.
 */
struct quick_room {
    size_t bytes;
    size_t debt_bytes; /* and so many more as debts */
    size_t top_bytes;
    const char *top;
};
void vm_quick_set_room(struct quick_room room);

/* Frees as many blocks for good as were put without room. Lock: none held. */
void vm_quick_pay_debts(void);

struct quick_totals {
    size_t n, bytes, bytes_max; /* blocks, their bytes, and those of the longest */
};

/* What is in the list at this moment, of one arena, or with SPAN_NO_ARENA of all. */
struct quick_totals vm_quick_totals(size_t arena_index);

/* The bytes of one arena in it. */
size_t vm_quick_bytes(size_t arena_index);

/* For a fork child: see front/fork.c. */
void vm_quick_reset_in_child(void);

#endif
