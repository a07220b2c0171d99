/* SPDX-License-Identifier: MIT */
/*
 * buddy.c - see buddy.h. After K. C. Knowlton, "A Fast Storage Allocator" (1965), with the orders of Linux.
 *
 *   order 2:  |0 . . .|4 . . .|8 . . .|      block 0's buddy is 4, block 8's is 12: index XOR 2^order
 *   order 1:  |0 .|2 .|4 .|6 .|8 .|10.|
 *
 * Invariants, which the checker cites:
 *   B1  a free block of order k starts at a multiple of 2^k and ends within the system
 *   B2  free blocks do not overlap: inside a free block no other page has a FREE record
 *   B3  no two free buddies of the same order below the largest exist: they would have been merged
 *   B4  the list of order k holds exactly the FREE records of order k (of systems that share records: their lists
 *       together); counts agree
 * Theorem: by B3 a run of 2^(k+1) - 1 free pages always holds a free block of order k.
 */
#include "base/buddy.h"
#include "base/bits.h"
#include "base/check.h"

void vm_buddy_init(struct buddy *buddy, struct buddy_page *records)
{
    *buddy = (struct buddy){.page = records};
    for (unsigned order = 0; order < VM_N_ORDERS; order++)
        buddy->list[order].first = buddy->list[order].last = VM_BUDDY_NONE;
}

static void insert(struct buddy *buddy, uint32_t index, unsigned order, enum buddy_end end)
{
    struct buddy_list *const list = &buddy->list[order];
    struct buddy_page *const page = &buddy->page[index];
    page->state = BUDDY_FREE;
    page->order = (uint8_t)order;
    if (end == BUDDY_FRONT) {
        page->prev = VM_BUDDY_NONE;
        page->next = list->first;
        if (list->first != VM_BUDDY_NONE)
            buddy->page[list->first].prev = index;
        else
            list->last = index;
        list->first = index;
    } else {
        page->next = VM_BUDDY_NONE;
        page->prev = list->last;
        if (list->last != VM_BUDDY_NONE)
            buddy->page[list->last].next = index;
        else
            list->first = index;
        list->last = index;
    }
    list->count++;
    buddy->n_free_pages += 1U << order;
}

static void unlink_block(struct buddy *buddy, uint32_t index)
{
    struct buddy_page *const page = &buddy->page[index];
    struct buddy_list *const list = &buddy->list[page->order];
    VM_ASSERT(page->state == BUDDY_FREE);
    if (page->prev != VM_BUDDY_NONE)
        buddy->page[page->prev].next = page->next;
    else
        list->first = page->next;
    if (page->next != VM_BUDDY_NONE)
        buddy->page[page->next].prev = page->prev;
    else
        list->last = page->prev;
    list->count--;
    buddy->n_free_pages -= 1U << page->order;
    page->next = page->prev = 0;
    page->state = BUDDY_TAKEN;
    page->order = 0;
}

static bool is_free_block(const struct buddy *buddy, uint32_t index, unsigned order)
{
    return index < buddy->n_pages && buddy->n_pages - index >= 1U << order &&
           buddy->page[index].state == BUDDY_FREE && buddy->page[index].order == order;
}

/* Frees one aligned block, merging upwards as long as the buddy is free. */
static void give_block(struct buddy *buddy, uint32_t index, unsigned order, enum buddy_end end)
{
    while (order < VM_ORDER_MAX && is_free_block(buddy, index ^ 1U << order, order)) {
        unlink_block(buddy, index ^ 1U << order);
        index &= ~(1U << order);
        order++;
    }
    insert(buddy, index, order, end);
}

/* The largest order of a block that may start at `index` and fits in n_pages. */
static unsigned order_at(uint32_t index, uint32_t n_pages)
{
    const unsigned by_size = vm_floor_log2(n_pages);
    const unsigned by_index = index ? (unsigned)vm_bits_lowest(index) : VM_ORDER_MAX;
    const unsigned order = by_size < by_index ? by_size : by_index;
    return order < VM_ORDER_MAX ? order : VM_ORDER_MAX;
}

void vm_buddy_give(struct buddy *buddy, uint32_t index, uint32_t n_pages, enum buddy_end end)
{
    VM_ASSERT(index <= buddy->n_pages && n_pages <= buddy->n_pages - index);
    while (n_pages) {
        const unsigned order = order_at(index, n_pages);
        give_block(buddy, index, order, end);
        index += 1U << order;
        n_pages -= 1U << order;
    }
}

void vm_buddy_resize(struct buddy *buddy, uint32_t n_pages)
{
    buddy->n_pages = n_pages;
}

/* Takes n_pages from the free block at `index`; the rest of the block is freed again, at the front: it is
   likely to be as warm as what was taken. */
static void cut(struct buddy *buddy, uint32_t index, uint32_t n_pages)
{
    const uint32_t block_pages = 1U << buddy->page[index].order;
    unlink_block(buddy, index);
    vm_buddy_give(buddy, index + n_pages, block_pages - n_pages, BUDDY_FRONT);
}

uint32_t vm_buddy_take(struct buddy *buddy, uint32_t n_pages, unsigned align_order)
{
    VM_ASSERT(n_pages > 0 && n_pages <= 1U << VM_ORDER_MAX && align_order <= VM_ORDER_MAX);
    const unsigned needed = vm_ceil_log2(n_pages);
    for (unsigned order = needed > align_order ? needed : align_order; order < VM_N_ORDERS; order++) {
        const uint32_t index = buddy->list[order].first;
        if (index == VM_BUDDY_NONE)
            continue;
        cut(buddy, index, n_pages);
        return index;
    }
    return VM_BUDDY_NONE;
}

uint32_t vm_buddy_find(const struct buddy *buddy, uint32_t index, unsigned *order)
{
    for (*order = 0; *order < VM_N_ORDERS; ++*order) {
        const uint32_t start = index & ~((1U << *order) - 1);
        if (buddy->page[start].state == BUDDY_FREE)
            return start + (1U << buddy->page[start].order) > index
                       ? (*order = buddy->page[start].order, start)
                       : VM_BUDDY_NONE;
    }
    return VM_BUDDY_NONE;
}

bool vm_buddy_claim(struct buddy *buddy, uint32_t index, uint32_t n_pages)
{
    const uint32_t end = index + n_pages;
    unsigned order;
    for (uint32_t at = index; at < end;) {
        const uint32_t start = vm_buddy_find(buddy, at, &order);
        if (start == VM_BUDDY_NONE)
            return false;
        at = start + (1U << order);
    }
    for (uint32_t at = index; at < end;) {
        const uint32_t start = vm_buddy_find(buddy, at, &order);
        const uint32_t block_end = start + (1U << order);
        const uint32_t until = block_end < end ? block_end : end;
        unlink_block(buddy, start);
        vm_buddy_give(buddy, start, at - start, BUDDY_FRONT);
        vm_buddy_give(buddy, until, block_end - until, BUDDY_FRONT);
        at = until;
    }
    return true;
}

/* The blocks in the system's lists are free ones of that order; adds their number to n_blocks. */
VM_COLD static void check_lists(const struct buddy *buddy, uint32_t n_blocks[VM_N_ORDERS])
{
    uint32_t n_free = 0;
    for (unsigned order = 0; order < VM_N_ORDERS; order++) {
        const uint32_t most = buddy->n_pages >> order;
        uint32_t in_list = 0, prev = VM_BUDDY_NONE, index = buddy->list[order].first;
        for (; index != VM_BUDDY_NONE; prev = index, index = buddy->page[index].next) {
            VM_CHECK(is_free_block(buddy, index, order)); /* B4 */
            VM_CHECK(buddy->page[index].prev == prev);    /* B4 */
            VM_CHECK(++in_list <= most);                  /* B4 */
        }
        VM_CHECK(prev == buddy->list[order].last);     /* B4 */
        VM_CHECK(in_list == buddy->list[order].count); /* B4 */
        n_blocks[order] += in_list;
        n_free += in_list << order;
    }
    VM_CHECK(n_free == buddy->n_free_pages); /* B4 */
}

VM_COLD void vm_buddies_check(const struct buddy *buddies, size_t n)
{
    uint32_t count[VM_N_ORDERS] = {0}, in_lists[VM_N_ORDERS] = {0};
    for (uint32_t index = 0; index < buddies->n_pages;) {
        const struct buddy_page *const page = &buddies->page[index];
        if (page->state != BUDDY_FREE) {
            VM_CHECK(page->state == BUDDY_TAKEN); /* B2 */
            index++;
            continue;
        }
        const uint32_t n_pages = 1U << page->order;
        VM_CHECK(page->order < VM_N_ORDERS);                                           /* B1 */
        VM_CHECK((index & (n_pages - 1)) == 0 && buddies->n_pages - index >= n_pages); /* B1 */
        for (uint32_t inner = 1; inner < n_pages; inner++)
            VM_CHECK(buddies->page[index + inner].state == BUDDY_TAKEN); /* B2 */
        if (page->order < VM_ORDER_MAX)
            VM_CHECK(!is_free_block(buddies, index ^ n_pages, page->order)); /* B3 */
        count[page->order]++;
        index += n_pages;
    }
    for (size_t i = 0; i < n; i++)
        check_lists(&buddies[i], in_lists);
    for (unsigned order = 0; order < VM_N_ORDERS; order++)
        VM_CHECK(count[order] == in_lists[order]); /* B4 */
}
