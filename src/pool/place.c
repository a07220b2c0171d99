/* SPDX-License-Identifier: MIT */
/*
 * place.c - see place.h. Owns nothing.
 *
 * Invariants:
 *   P1  a page's bit is set iff the page is in a free block of the buddy system
 *   P2  a run that begins in a group is not longer than the group's `longest`, which tells nothing of those that are LONG
 *   P3  a run of 2^order pages or more begins in no group below lowest[order]
 * A run begins where the page before it is not free. So when a run grows downwards into another group, or its first
 * pages are taken, it begins in another group than before: give and take look after that.
 */
#include "pool/place.h"
#include "base/check.h"

enum {
    LONG = 2 * VM_PLACE_GROUP_PAGES, /* runs of so many pages or more are not told apart */
    UNKNOWN = INT32_MAX
};

static size_t known_length(uint32_t n_pages)
{
    return n_pages < LONG ? n_pages : UNKNOWN;
}

static vm_word *word_of(const struct place *place, uint32_t index)
{
    return &vm_place_group(place, index)->free[vm_place_word(index)];
}

/* The first page from `index` on, and before `end`, that is free, or is not; `end` if there is none. */
VM_INLINE uint32_t next(const struct place *place, uint32_t index, uint32_t end, bool is_free)
{
    while (index < end) {
        const vm_word word = is_free ? *word_of(place, index) : ~*word_of(place, index);
        const vm_word rest = word >> (index % VM_WORD_BITS);
        if (rest) {
            index += (uint32_t)vm_bits_lowest(rest);
            return index < end ? index : end;
        }
        index = (index | (VM_WORD_BITS - 1)) + 1;
    }
    return end;
}

/* The first of the free pages right before `index`, at `least` or above. */
static uint32_t run_start(const struct place *place, uint32_t index, uint32_t least)
{
    while (index > least) {
        const uint32_t last = index - 1;
        const vm_word taken = ~*word_of(place, last) << (VM_WORD_BITS - 1 - last % VM_WORD_BITS);
        if (taken) {
            index -= VM_WORD_BITS - 1 - vm_floor_log2(taken);
            return index > least ? index : least;
        }
        index = last - last % VM_WORD_BITS;
    }
    return least;
}

/* Flips the bits of pages that are all free, or all taken. */
static void flip(struct place *place, uint32_t index, uint32_t n_pages)
{
    for (unsigned n; n_pages; index += n, n_pages -= n)
        *word_of(place, index) ^= vm_bits_from(index, n_pages, &n);
}

static unsigned order_of(size_t n_pages)
{
    const unsigned order = vm_floor_log2(n_pages);
    return order < VM_ORDER_MAX ? order : VM_ORDER_MAX;
}

void vm_place_give(struct place *place, uint32_t n_pages_of_all, uint32_t index, uint32_t n_pages)
{
    if (n_pages == 0)
        return;
    flip(place, index, n_pages);
    /* If the run begins further down, its group knows already that it is long. */
    const uint32_t start = run_start(place, index, index > LONG ? index - LONG : 0), end = index + n_pages,
                   most = n_pages_of_all - end > LONG ? end + LONG : n_pages_of_all,
                   n_run = next(place, end, most, false) - start, group = start / VM_PLACE_GROUP_PAGES;
    if (place->group[group].longest < known_length(n_run))
        place->group[group].longest = known_length(n_run);
    for (unsigned order = 0; order <= order_of(n_run); order++)
        if (place->lowest[order] > group)
            place->lowest[order] = group;
}

void vm_place_take(struct place *place, uint32_t n_pages_of_all, uint32_t index, uint32_t n_pages)
{
    if (n_pages == 0)
        return;
    flip(place, index, n_pages);
    const uint32_t end = index + n_pages;
    if (end < n_pages_of_all && *word_of(place, end) >> (end % VM_WORD_BITS) & 1)
        vm_place_group(place, end)->longest = UNKNOWN; /* the rest of the run begins here now */
}

uint32_t vm_place_top_free(const struct place *place, uint32_t n_pages_of_all, uint32_t enough)
{
    return n_pages_of_all -
           run_start(place, n_pages_of_all, n_pages_of_all > enough ? n_pages_of_all - enough : 0);
}

/* The lowest place in one group, at `from` or above; if it was looked at from its first page on and has no such run, its
   `longest` is exact then. */
static uint32_t find_in_group(struct place *place, uint32_t group, uint32_t from, uint32_t n_pages_of_all,
                              uint32_t n_pages, uint32_t align_mask)
{
    const uint32_t first = group * VM_PLACE_GROUP_PAGES, n_left = n_pages_of_all - first,
                   group_end = first + (n_left < VM_PLACE_GROUP_PAGES ? n_left : VM_PLACE_GROUP_PAGES);
    uint32_t longest = 0;
    for (uint32_t at = next(place, from > first ? from : first, group_end, true); at < group_end;) {
        const uint32_t aligned = (at + align_mask) & ~align_mask, enough = aligned + n_pages,
                       end = next(place, at, enough < n_pages_of_all ? enough : n_pages_of_all, false);
        if (end == enough)
            return aligned;
        if (end - at > longest)
            longest = end - at;
        at = next(place, end, group_end, true);
    }
    if (from <= first)
        place->group[group].longest = known_length(longest);
    return VM_BUDDY_NONE;
}

/* The lowest place at `from` or above. Needs: the page before `from` is not free. */
static uint32_t find_from(struct place *place, uint32_t from, uint32_t n_pages_of_all, uint32_t n_pages,
                          unsigned align_order)
{
    const unsigned order = order_of(n_pages);
    const uint32_t n_groups = (uint32_t)vm_place_groups(n_pages_of_all),
                   least = place->lowest[order] * VM_PLACE_GROUP_PAGES;
    bool is_first = from <= least; /* all groups so far have nothing of this order */
    for (uint32_t group = (is_first ? least : from) / VM_PLACE_GROUP_PAGES; group < n_groups; group++) {
        if (place->group[group].longest >= n_pages) {
            const uint32_t index =
                find_in_group(place, group, from, n_pages_of_all, n_pages, (1U << align_order) - 1);
            if (index != VM_BUDDY_NONE)
                return index;
        }
        is_first = is_first && place->group[group].longest < (size_t)1 << order;
        if (is_first)
            place->lowest[order] = group + 1;
    }
    return VM_BUDDY_NONE;
}

uint32_t vm_place_find(struct place *place, uint32_t n_pages_of_all, uint32_t n_pages, unsigned align_order)
{
    return find_from(place, 0, n_pages_of_all, n_pages, align_order);
}

uint32_t vm_place_find_tight(struct place *place, uint32_t n_pages_of_all, uint32_t n_pages,
                             unsigned align_order)
{
    uint32_t index = vm_place_find(place, n_pages_of_all, n_pages, align_order), tightest = index,
             shortest = UINT32_MAX;
    for (unsigned n = 0; index != VM_BUDDY_NONE && n < VM_TIGHT_RUNS && shortest > n_pages; n++) {
        const uint32_t end = next(place, index, n_pages_of_all, false);
        if (end == n_pages_of_all)
            break;
        if (end - index < shortest) {
            shortest = end - index;
            tightest = index;
        }
        index = find_from(place, end, n_pages_of_all, n_pages, align_order);
    }
    return tightest;
}

static void check_run(const struct place *place, uint32_t start, uint32_t n_pages)
{
    const uint32_t group = start / VM_PLACE_GROUP_PAGES;
    VM_CHECK(place->group[group].longest >= known_length(n_pages)); /* P2 */
    for (unsigned order = 0; order <= order_of(n_pages); order++)
        VM_CHECK(place->lowest[order] <= group); /* P3 */
}

void vm_place_check(const struct place *place, const struct buddy *buddy)
{
    uint32_t n_run = 0, n_in_block = 0;
    for (uint32_t index = 0; index < buddy->n_pages; index++) {
        if (n_in_block == 0 && buddy->page[index].state == BUDDY_FREE)
            n_in_block = 1U << buddy->page[index].order;
        const bool is_free = next(place, index, index + 1, true) == index;
        VM_CHECK(is_free == (n_in_block > 0)); /* P1 */
        if (is_free) {
            n_in_block--;
            n_run++;
        } else if (n_run) {
            check_run(place, index - n_run, n_run);
            n_run = 0;
        }
    }
    if (n_run)
        check_run(place, buddy->n_pages - n_run, n_run);
}
