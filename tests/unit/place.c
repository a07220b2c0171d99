/* SPDX-License-Identifier: MIT */
/*
 * place.c - the lowest place at which pages fit, the tightest, and the blocks of the buddy system, against a model that looks
 * at every page. Runs within groups and across them, short and long, growing from both ends, taken from their middle.
 */
#include "pool/place.h"
#include <stdlib.h>
#include <string.h>
#include "unit.h"

enum { GROUP = VM_PLACE_GROUP_PAGES, N_PAGES = 9 * GROUP + 100, N_GROUPS = N_PAGES / GROUP + 1 };

static struct place_group groups[N_GROUPS];
static struct place place;
static bool is_free[N_PAGES];
static uint32_t n_pages;
static uint64_t seed;

static void start(uint32_t n, uint64_t first)
{
    memset(groups, 0, sizeof groups);
    memset(is_free, 0, sizeof is_free);
    place = (struct place){.group = groups};
    vm_place_resize(&place, n);
    n_pages = n;
    seed = first;
}

static void give(uint32_t index, uint32_t n)
{
    for (uint32_t i = index; i < index + n; i++) {
        assert_false(is_free[i]);
        is_free[i] = true;
    }
    vm_place_give(&place, index, n);
}

static void take(uint32_t index, uint32_t n)
{
    for (uint32_t i = index; i < index + n; i++) {
        assert_true(is_free[i]);
        is_free[i] = false;
    }
    vm_place_take(&place, index, n);
}

static uint32_t lowest(uint32_t n, uint32_t align)
{
    uint32_t run = 0; /* free pages that end below i */
    for (uint32_t i = 0; i < n_pages; i++) {
        run = is_free[i] ? run + 1 : 0;
        if (run < n)
            continue;
        const uint32_t first = (i + 1 - run + align - 1) / align * align;
        if (first <= i && i + 1 - first >= n)
            return first;
    }
    return VM_PLACE_NONE;
}

/* What vm_place_find_tight says of itself, page by page. */
static uint32_t tightest(uint32_t n, uint32_t align)
{
    uint32_t found = VM_PLACE_NONE, shortest = UINT32_MAX, n_runs = 0;
    for (uint32_t i = 0, end; i < n_pages && n_runs < VM_TIGHT_RUNS; i = end + 1) {
        for (end = i; end < n_pages && is_free[end];)
            end++;
        const uint32_t first = (i + align - 1) / align * align;
        if (first + n > end || (end == n_pages && n_runs > 0))
            continue;
        n_runs++;
        if (end - first < shortest) {
            shortest = end - first;
            found = first;
        }
    }
    return found;
}

static uint32_t find(uint32_t n, unsigned align_order)
{
    const uint32_t index = vm_place_find(&place, n, align_order);
    assert_int_equal(index, lowest(n, 1U << align_order));
    assert_int_equal(vm_place_find_tight(&place, n, align_order), tightest(n, 1U << align_order));
    return index;
}

/* Of 1 to `most`, small ones more often. */
static uint32_t size_below(uint32_t most)
{
    return 1 + (uint32_t)unit_below(&seed, 1 + unit_below(&seed, 1 + unit_below(&seed, most)));
}

static void step_take(uint32_t most)
{
    const uint32_t n = size_below(most);
    const uint32_t index = find(n, (unsigned)unit_below(&seed, 1 + unit_below(&seed, VM_N_ORDERS)));
    if (index != VM_PLACE_NONE)
        take(index, n);
}

/* Free pages from wherever, as when exact pages are claimed or the arena is cut off. */
static void step_claim(uint32_t most)
{
    const uint32_t index = (uint32_t)unit_below(&seed, n_pages);
    const uint32_t n_most = size_below(most);
    uint32_t n = 0;
    while (n < n_most && index + n < n_pages && is_free[index + n])
        n++;
    take(index, n);
}

static void step_give(uint32_t most)
{
    const uint32_t index = (uint32_t)unit_below(&seed, n_pages);
    const uint32_t n_most = size_below(most);
    uint32_t n = 0;
    while (n < n_most && index + n < n_pages && !is_free[index + n])
        n++;
    give(index, n);
}

static void compare_top(void)
{
    uint32_t n_top = 0;
    while (n_top < n_pages && is_free[n_pages - 1 - n_top])
        n_top++;
    assert_int_equal(place.n_top, n_top);
}

/* Whether the block of 2^order pages from `index` on is there and free, by looking at each page. */
static bool is_block_free(uint32_t index, unsigned order)
{
    for (uint32_t i = index; i < index + (1U << order); i++)
        if (i >= n_pages || !is_free[i])
            return false;
    return true;
}

/* Merged with its buddy as often as that is free, too. */
static void compare_block(uint32_t index)
{
    unsigned order = 0, found_order;
    uint32_t block = index;
    for (; order < VM_ORDER_MAX && is_block_free(block ^ 1U << order, order); order++)
        block &= ~(1U << order);
    assert_int_equal(vm_place_block(&place, index, &found_order), block);
    assert_int_equal(found_order, order);
}

/* A block is counted if it is free, and not in a larger one. */
static void compare_blocks(void)
{
    uint32_t n_blocks[VM_N_ORDERS], n_free = 0;
    vm_place_count_blocks(&place, n_blocks);
    for (unsigned order = 0; order < VM_N_ORDERS; order++) {
        uint32_t n = 0;
        for (uint32_t index = 0; index < n_pages; index += 1U << order) {
            const uint32_t twice = index & ~(1U << order);
            n += is_block_free(index, order) && (order == VM_ORDER_MAX || !is_block_free(twice, order + 1));
        }
        assert_int_equal(n_blocks[order], n);
        n_free += n << order;
    }
    assert_int_equal(place.n_free, n_free);
}

static void compare_range(uint32_t index, uint32_t n)
{
    bool are_free = true;
    for (uint32_t i = index; i < index + n; i++)
        are_free = are_free && is_free[i];
    assert_int_equal(vm_place_is_free(&place, index, n), are_free);
}

static void check_harmed(void *argument)
{
    start(2 * GROUP - 7, 27);
    give(5, 100);
    switch (*(int *)argument) {
    case 1:
        groups[0].free[0] &= ~(vm_word)1 << 5; /* P1 */
        break;
    case 2:
        groups[1].free[0] |= 1; /* P1 */
        break;
    case 3:
        groups[1].free[VM_PLACE_GROUP_WORDS - 1] |= (vm_word)1
                                                    << (VM_WORD_BITS - 1); /* P1: there is no such page */
        break;
    case 4:
        groups[0].longest = 99; /* P2 */
        break;
    case 5:
        place.lowest[6] = 1; /* P3 */
        break;
    case 6:
        place.n_free++; /* P1 */
        break;
    case 7:
        place.n_top++; /* P4 */
        break;
    default:
        break;
    }
    vm_place_check(&place);
}

static void checker(void **state)
{
    (void)state;
    unit_assert_harms_found(check_harmed, 7, "internal check failed");
}

static void random_steps(uint32_t n, uint32_t most, unsigned n_steps, uint64_t first)
{
    start(n, first);
    give(0, n / 2);
    for (unsigned i = 0; i < n_steps; i++) {
        const size_t dice = unit_below(&seed, 100);
        if (dice < 40)
            step_take(most);
        else if (dice < 50)
            step_claim(most);
        else
            step_give(dice < 55 ? n : most);
        compare_top();
        const uint32_t index = (uint32_t)unit_below(&seed, n_pages);
        compare_range(index, 1 + (uint32_t)unit_below(&seed, vm_min_size(n_pages - index, most)));
        if (is_free[index])
            compare_block(index);
        if (i % 64 == 0)
            compare_blocks();
        find(size_below(most), 0);
    }
}

static void one_group(void **state)
{
    (void)state;
    random_steps(GROUP, 64, unit_is_slow() ? 5000 : 50000, 21);
    random_steps(GROUP - 3, GROUP, unit_is_slow() ? 5000 : 50000, 22);
    random_steps(1, 1, 100, 23);
}

static void groups_of_many(void **state)
{
    (void)state;
    random_steps(N_PAGES, 300, unit_is_slow() ? 500 : 5000, 24);
    random_steps(N_PAGES, 5 * GROUP, unit_is_slow() ? 500 : 5000, 25);
}

/* A run that lies in many groups, whose first part goes, and comes back. */
static void long_runs(void **state)
{
    (void)state;
    start(N_PAGES, 26);
    give(10, 7 * GROUP);
    assert_int_equal(find(6 * GROUP, 0), 10);
    assert_int_equal(find(7 * GROUP + 1, 0), VM_PLACE_NONE);
    take(10, GROUP + 5);
    assert_int_equal(find(5 * GROUP, 0), GROUP + 15);
    take(GROUP + 15, 1000);
    assert_int_equal(find(5 * GROUP, VM_ORDER_MAX), 2 * GROUP);
    take(4 * GROUP, 1);
    assert_int_equal(find(3 * GROUP, 0), 4 * GROUP + 1);
    give(4 * GROUP, 1);
    assert_int_equal(find(4 * GROUP, 0), GROUP + 1015);
    for (uint32_t i = 7 * GROUP + 10; i < N_PAGES; i += 4) /* upwards: the run's beginning is far */
        give(i, i + 4 < N_PAGES ? 4 : N_PAGES - i);
    assert_int_equal(find(7 * GROUP, 0), GROUP + 1015);
    for (uint32_t i = GROUP + 1015; i > 0; i--) /* downwards: it begins elsewhere each time */
        give(i - 1, 1);
    assert_int_equal(find(N_PAGES, 0), 0);
    take(0, N_PAGES);
    assert_int_equal(find(1, 0), VM_PLACE_NONE);
    give(N_PAGES - 1, 1);
    assert_int_equal(find(1, 0), N_PAGES - 1);
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_group),
        cmocka_unit_test(groups_of_many),
        cmocka_unit_test(long_runs),
        cmocka_unit_test(checker),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
