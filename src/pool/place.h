/* SPDX-License-Identifier: MIT */
/*
 * place.h - which of an arena's pages are free, and where pages are taken: at the lowest address at which they fit.
 *
 * A buddy system without records: one bit a page, set = free, in groups of as many pages as the largest order has. A block
 * of order k is 2^k pages from a multiple of 2^k on; free buddies are merged as soon as they are two. So which blocks are
 * free follows from which pages are, and nobody has to write it down: free pages make the largest blocks that they can.
 *
 * The lowest place that fits keeps the heap short, and makes that pages which were in use before are used again before
 * others: what is free at high addresses stays untouched, and can go back to the kernel. Large spans go where they fit
 * tightly: a long run that one of them begins is lost for the next that is longer, which then needs pages that were never
 * used.
 *
 * Of each group it is known what the longest run beginning in it may be at most; and of each power of two below which group
 * no run so long begins. Both are bounds that searches make better, so that a search looks into few groups that have nothing
 * for it.
 *
 * Needs, all: the arena's lock, and pages that exist.
 */
#ifndef VM_POOL_PLACE_H
#define VM_POOL_PLACE_H

#include "base/bits.h"
#include "base/config.h"

enum { VM_PLACE_GROUP_PAGES = 1 << VM_ORDER_MAX, VM_PLACE_GROUP_WORDS = VM_PLACE_GROUP_PAGES / VM_WORD_BITS };

struct place_group {
    vm_word free[VM_PLACE_GROUP_WORDS];
    size_t longest; /* pages of the longest run that begins here, at most; it may end in a later group */
    size_t n_dirty; /* this and the next: see dirty.h, nothing here looks at them */
    vm_word dirty[VM_PLACE_GROUP_WORDS];
};

#define VM_PLACE_NONE UINT32_MAX

struct place {
    struct place_group *group; /* the owner's memory, zeroed; as many as the pages need */
    uint32_t n_pages, n_free;
    uint32_t n_top;               /* free ones at the end */
    uint32_t lowest[VM_N_ORDERS]; /* of 2^order pages or more: no run begins in a group below this one */
};

/* Groups that so many pages need. */
VM_INLINE size_t vm_place_groups(size_t n_pages)
{
    return n_pages / VM_PLACE_GROUP_PAGES + (n_pages % VM_PLACE_GROUP_PAGES != 0);
}

VM_INLINE struct place_group *vm_place_group(const struct place *place, uint32_t index)
{
    return &place->group[index / VM_PLACE_GROUP_PAGES];
}

/* Which word of its group's bits the page's is in. */
VM_INLINE size_t vm_place_word(uint32_t index)
{
    return index % VM_PLACE_GROUP_PAGES / VM_WORD_BITS;
}

/* From now on there are n_pages. New ones are taken. Needs: so are those that there are no more. */
void vm_place_resize(struct place *place, uint32_t n_pages);

/* Pages become free. Needs: none of them is. */
void vm_place_give(struct place *place, uint32_t index, uint32_t n_pages);

/* Pages are taken. Needs: all of them are free. */
void vm_place_take(struct place *place, uint32_t index, uint32_t n_pages);

/* Whether all of these pages are free. Cost: a step a word of bits. */
bool vm_place_is_free(const struct place *place, uint32_t index, uint32_t n_pages);

/* First page and order of the free block that page `index` is in. Needs: it is free. */
uint32_t vm_place_block(const struct place *place, uint32_t index, unsigned *order);

/* Writes how many free blocks there are of each order. Cost: one pass over all pages. */
void vm_place_count_blocks(const struct place *place, uint32_t n_blocks[VM_N_ORDERS]);

/* The lowest index, a multiple of 2^align_order, at which n_pages, 1 or more, are free. VM_PLACE_NONE: there is none.
   Cost: a step for each group between the lowest that may have such a run and the one that has, and in that a step a
   run. */
uint32_t vm_place_find(struct place *place, uint32_t n_pages, unsigned align_order);

/* Of the lowest VM_TIGHT_RUNS places, each in a run of its own, that in the shortest run; the run at the end, which can grow,
   only if there is no other. Cost: as above, and in each of these runs a step a word of bits. */
uint32_t vm_place_find_tight(struct place *place, uint32_t n_pages, unsigned align_order);

/* Verifies P1 to P4 (see place.c) and ends the process if one is broken. Cost: one pass over all pages. */
void vm_place_check(const struct place *place);

#endif
