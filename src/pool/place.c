/* SPDX-License-Identifier: MIT */
/*
 * place.c - see place.h. Owns nothing. After K. C. Knowlton, "A Fast Storage Allocator" (1965), with the orders of Linux.
 *
 *   order 2:  |0 . . .|4 . . .|8 . . .|      block 0's buddy is 4, block 8's is 12: index XOR 2^order
 *   order 1:  |0 .|2 .|4 .|6 .|8 .|10.|
 *
 * Invariants:
 *   P1  n_free bits are set, none of them beyond n_pages
 *   P2  a run that begins in a group is not longer than the group's `longest`, which tells nothing of those that are LONG
 *   P3  a run of 2^order pages or more begins in no group below lowest[order]
 *   P4  n_top pages are free at the end, and the one before them is not
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

/* Of one group's pages, the first from `index` on, and before `end`, that is free, or is not; `end` if there is none. */
VM_INLINE uint32_t next_in_group(const vm_word *free, uint32_t index, uint32_t end, bool is_free)
{
    while (index < end) {
        const vm_word word = free[index / VM_WORD_BITS] ^ (is_free ? 0 : ~(vm_word)0);
        const vm_word rest = word >> (index % VM_WORD_BITS);
        if (rest) {
            index += (uint32_t)vm_bits_lowest(rest);
            return index < end ? index : end;
        }
        index = (index | (VM_WORD_BITS - 1)) + 1;
    }
    return end;
}

static uint32_t min_pages(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The same of all pages. */
static uint32_t next(const struct place *place, uint32_t index, uint32_t end, bool is_free)
{
    while (index < end) {
        const uint32_t first = index - index % VM_PLACE_GROUP_PAGES,
                       n = min_pages(end - first, VM_PLACE_GROUP_PAGES),
                       found = next_in_group(vm_place_group(place, index)->free, index - first, n, is_free);
        if (found < n)
            return first + found;
        index = first + n;
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

void vm_place_resize(struct place *place, uint32_t n_pages)
{
    place->n_pages = n_pages;
    place->n_top = n_pages - run_start(place, n_pages, 0);
}

void vm_place_give(struct place *place, uint32_t index, uint32_t n_pages)
{
    if (n_pages == 0)
        return;
    flip(place, index, n_pages);
    VM_ASSERT(vm_place_is_free(place, index, n_pages)); /* none was free before */
    place->n_free += n_pages;
    if (index + n_pages == place->n_pages - place->n_top)
        place->n_top = place->n_pages - run_start(place, index, 0);
    /* If the run begins further down, its group knows already that it is long. */
    const uint32_t start = run_start(place, index, index > LONG ? index - LONG : 0), end = index + n_pages,
                   most = place->n_pages - end > LONG ? end + LONG : place->n_pages,
                   n_run = next(place, end, most, false) - start, group = start / VM_PLACE_GROUP_PAGES;
    if (place->group[group].longest < known_length(n_run))
        place->group[group].longest = known_length(n_run);
    for (unsigned order = 0; order <= order_of(n_run); order++)
        if (place->lowest[order] > group)
            place->lowest[order] = group;
}

void vm_place_take(struct place *place, uint32_t index, uint32_t n_pages)
{
    if (n_pages == 0)
        return;
    VM_ASSERT(vm_place_is_free(place, index, n_pages));
    flip(place, index, n_pages);
    place->n_free -= n_pages;
    const uint32_t end = index + n_pages;
    place->n_top = min_pages(place->n_top, place->n_pages - end);
    if (end < place->n_pages && vm_place_is_free(place, end, 1))
        vm_place_group(place, end)->longest = UNKNOWN; /* the rest of the run begins here now */
}

bool vm_place_is_free(const struct place *place, uint32_t index, uint32_t n_pages)
{
    for (unsigned n; n_pages; index += n, n_pages -= n)
        if (~*word_of(place, index) & vm_bits_from(index, n_pages, &n))
            return false;
    return true;
}

uint32_t vm_place_block(const struct place *place, uint32_t index, unsigned *order)
{
    /* A buddy beyond the last page is in the same group, and its bits are not set. */
    for (*order = 0; *order < VM_ORDER_MAX; ++*order) {
        const uint32_t n_pages = 1U << *order;
        if (!vm_place_is_free(place, index ^ n_pages, n_pages))
            break;
        index &= ~n_pages;
    }
    return index;
}

/* The largest order of a block that may start at `index` and fits in n_pages. */
static unsigned order_at(uint32_t index, uint32_t n_pages)
{
    const unsigned by_size = order_of(n_pages),
                   by_index = index ? (unsigned)vm_bits_lowest(index) : VM_ORDER_MAX;
    return by_size < by_index ? by_size : by_index;
}

VM_COLD void vm_place_count_blocks(const struct place *place, uint32_t n_blocks[VM_N_ORDERS])
{
    __builtin_memset(n_blocks, 0, VM_N_ORDERS * sizeof *n_blocks);
    for (uint32_t end, index = 0; (index = next(place, index, place->n_pages, true)) < place->n_pages;) {
        for (end = next(place, index, place->n_pages, false); index < end;) {
            const unsigned order = order_at(index, end - index);
            n_blocks[order]++;
            index += 1U << order;
        }
    }
}

/* The lowest place in one group, at `from` or above; if it was looked at from its first page on and has no such run, its
   `longest` is exact then. */
static uint32_t find_in_group(struct place *place, uint32_t group, uint32_t from, uint32_t n_pages,
                              uint32_t align_mask)
{
    const vm_word *const free = place->group[group].free;
    const uint32_t first = group * VM_PLACE_GROUP_PAGES,
                   n = min_pages(place->n_pages - first, VM_PLACE_GROUP_PAGES);
    uint32_t longest = 0;
    for (uint32_t at = next_in_group(free, from > first ? from - first : 0, n, true); at < n;) {
        const uint32_t aligned = (at + align_mask) & ~align_mask, enough = aligned + n_pages;
        uint32_t end = next_in_group(free, at, min_pages(enough, n), false);
        if (end == n && enough > n)
            end = next(place, first + n, min_pages(first + enough, place->n_pages), false) - first;
        if (end == enough)
            return first + aligned;
        if (end - at > longest)
            longest = end - at;
        at = next_in_group(free, end, n, true);
    }
    if (from <= first)
        place->group[group].longest = known_length(longest);
    return VM_PLACE_NONE;
}

/* The lowest place at `from` or above. Needs: the page before `from` is not free. */
static uint32_t find_from(struct place *place, uint32_t from, uint32_t n_pages, unsigned align_order)
{
    const unsigned order = order_of(n_pages);
    const uint32_t n_groups = (uint32_t)vm_place_groups(place->n_pages),
                   least = place->lowest[order] * VM_PLACE_GROUP_PAGES;
    bool is_first = from <= least; /* all groups so far have nothing of this order */
    for (uint32_t group = (is_first ? least : from) / VM_PLACE_GROUP_PAGES; group < n_groups; group++) {
        if (place->group[group].longest >= n_pages) {
            const uint32_t index = find_in_group(place, group, from, n_pages, (1U << align_order) - 1);
            if (index != VM_PLACE_NONE)
                return index;
        }
        is_first = is_first && place->group[group].longest < (size_t)1 << order;
        if (is_first)
            place->lowest[order] = group + 1;
    }
    return VM_PLACE_NONE;
}

uint32_t vm_place_find(struct place *place, uint32_t n_pages, unsigned align_order)
{
    return find_from(place, 0, n_pages, align_order);
}

uint32_t vm_place_find_tight(struct place *place, uint32_t n_pages, unsigned align_order)
{
    uint32_t index = vm_place_find(place, n_pages, align_order), tightest = index, shortest = UINT32_MAX;
    for (unsigned n = 0; index != VM_PLACE_NONE && n < VM_TIGHT_RUNS && shortest > n_pages; n++) {
        const uint32_t end = next(place, index, place->n_pages, false);
        if (end == place->n_pages)
            break;
        if (end - index < shortest) {
            shortest = end - index;
            tightest = index;
        }
        index = find_from(place, end, n_pages, align_order);
    }
    return tightest;
}

VM_COLD static void check_run(const struct place *place, uint32_t start, uint32_t n_pages)
{
    const uint32_t group = start / VM_PLACE_GROUP_PAGES;
    VM_CHECK(place->group[group].longest >= known_length(n_pages)); /* P2 */
    for (unsigned order = 0; order <= order_of(n_pages); order++)
        VM_CHECK(place->lowest[order] <= group); /* P3 */
}

VM_COLD void vm_place_check(const struct place *place)
{
    uint32_t n_free = 0;
    for (uint32_t end, index = 0; (index = next(place, index, place->n_pages, true)) < place->n_pages;
         index = end) {
        end = next(place, index, place->n_pages, false);
        check_run(place, index, end - index);
        n_free += end - index;
    }
    VM_CHECK(n_free == place->n_free);                                              /* P1 */
    VM_CHECK(place->n_top == place->n_pages - run_start(place, place->n_pages, 0)); /* P4 */
    const uint32_t n_bits = (uint32_t)vm_place_groups(place->n_pages) * VM_PLACE_GROUP_PAGES;
    VM_CHECK(next(place, place->n_pages, n_bits, true) == n_bits); /* P1 */
}
