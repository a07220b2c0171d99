/* SPDX-License-Identifier: MIT */
/*
 * buddy.h - a binary buddy system over page indices.
 *
 * Knows neither addresses nor locks nor a kernel: pages are numbers from 0 to n_pages - 1, each with a record
 * of 12 bytes in an array that the caller supplies and may move. A free block of order k is 2^k pages whose
 * first index is a multiple of 2^k. A page that is in no free block is taken; who has it is the caller's
 * business.
 *
 * Blanket contract: indices and counts are pages; ranges lie within the array; NONE means that nothing was
 * found. Cost: O(orders) for single blocks, plus one step a block for ranges.
 */
#ifndef VM_BASE_BUDDY_H
#define VM_BASE_BUDDY_H

#include "base/compiler.h"
#include "base/config.h"

#define VM_BUDDY_NONE UINT32_MAX

enum buddy_state { BUDDY_TAKEN = 0, BUDDY_FREE = 1 };

/* All zero but for the tag: taken, or inside a free block; only the first page of a free block says so. */
struct buddy_page {
    uint32_t next, prev; /* neighbours in the list of its order */
    uint8_t state;       /* enum buddy_state */
    uint8_t order;
    uint16_t tag; /* the caller's: no function here reads or changes it */
};
_Static_assert(sizeof(struct buddy_page) == 12, "12 bytes a page: 0.3 % of 4 KiB pages");

struct buddy_list {
    uint32_t first, last, count;
};

struct buddy {
    struct buddy_page *page;
    uint32_t n_pages, n_free_pages;
    struct buddy_list list[VM_N_ORDERS];
};

/* Which end of its order's list a given block goes to. Taking starts at the front. */
enum buddy_end { BUDDY_FRONT, BUDDY_BACK };

/* An empty system: n_pages is 0. Needs: records all zero. */
void vm_buddy_init(struct buddy *buddy, struct buddy_page *records);

/* Takes another number of pages. New ones are taken; pages cut off must be taken. Needs: zero records for
   them. */
void vm_buddy_resize(struct buddy *buddy, uint32_t n_pages);

/* Frees the taken pages [index, index + n_pages), merging with all free buddies. */
void vm_buddy_give(struct buddy *buddy, uint32_t index, uint32_t n_pages, enum buddy_end end);

/*
 * Takes n_pages consecutive pages whose first index is a multiple of 2^align_order, from the first of the smallest free
 * blocks that serve; what is left of the block stays free. Needs 1 <= n_pages <= 2^VM_ORDER_MAX, align_order <=
 * VM_ORDER_MAX.
 */
uint32_t vm_buddy_take(struct buddy *buddy, uint32_t n_pages, unsigned align_order);

/* Takes exactly these pages if all are free, else changes nothing and returns false. */
bool vm_buddy_claim(struct buddy *buddy, uint32_t index, uint32_t n_pages);

/* First page and order of the free block that page `index` is in, or NONE. */
uint32_t vm_buddy_find(const struct buddy *buddy, uint32_t index, unsigned *order);

/*
 * Verifies invariants B1..B4 (see buddy.c) of n systems that share their records, and ends the process if one is
 * broken. They may share them if each block of the largest order belongs to one of them alone. Cost: one pass over all
 * pages.
 */
void vm_buddies_check(const struct buddy *buddies, size_t n);

VM_INLINE void vm_buddy_check(const struct buddy *buddy)
{
    vm_buddies_check(buddy, 1);
}

#endif
