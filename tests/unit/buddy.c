/* SPDX-License-Identifier: MIT */
/*
 * buddy.c - the buddy system against a model: an array that says of each page who has it. After each of
 * many random steps the checker runs; the checker itself is tested on systems that were broken by hand.
 */
#include "base/buddy.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bits.h"
#include "unit.h"

enum { MAX_PAGES = 1 << VM_ORDER_MAX, N_PAGES_MAX = 9 * MAX_PAGES + 100 };

struct model {
    struct buddy buddy;
    struct buddy_page *records;
    uint32_t n_pages_max;
    bool is_free[N_PAGES_MAX];
    uint64_t seed;
};

static struct model model;

static void start(uint32_t n_pages_max, uint64_t seed)
{
    free(model.records);
    memset(&model, 0, sizeof model);
    model.records = calloc(n_pages_max, sizeof *model.records);
    assert_non_null(model.records);
    model.n_pages_max = n_pages_max;
    model.seed = seed;
    vm_buddy_init(&model.buddy, model.records);
    for (uint32_t i = 0; i < n_pages_max; i++)
        model.records[i].tag = (uint16_t)(i * 7); /* whoever writes to a tag is found out */
}

static void set_free(uint32_t index, uint32_t n_pages, bool is_free)
{
    for (uint32_t i = index; i < index + n_pages; i++) {
        assert_int_equal(model.is_free[i], !is_free);
        model.is_free[i] = is_free;
    }
}

static bool all_are(uint32_t index, uint32_t n_pages, bool is_free)
{
    for (uint32_t i = index; i < index + n_pages; i++)
        if (model.is_free[i] != is_free)
            return false;
    return true;
}

/* Whether the model has an aligned block of this order all free: by B3 it then is in one free block. */
static bool has_free_block(unsigned order)
{
    for (uint32_t i = 0; i + (1U << order) <= model.buddy.n_pages; i += 1U << order)
        if (all_are(i, 1U << order, true))
            return true;
    return false;
}

/* All that can be said of the system, page by page. */
static void compare(void)
{
    const struct buddy *const buddy = &model.buddy;
    uint32_t n_free = 0, run = 0;
    for (uint32_t i = 0; i < buddy->n_pages; i++) {
        unsigned order;
        const uint32_t start_of_block = vm_buddy_find(buddy, i, &order);
        assert_int_equal(start_of_block != VM_BUDDY_NONE, model.is_free[i]);
        assert_int_equal(buddy->page[i].tag, (uint16_t)(i * 7));
        if (start_of_block != i) { /* taken, or inside: all zero but for the tag */
            assert_int_equal(buddy->page[i].next | buddy->page[i].prev, 0);
            assert_int_equal(buddy->page[i].state | buddy->page[i].order, 0);
        }
        run = model.is_free[i] ? run + 1 : 0;
        n_free += model.is_free[i];
        if (start_of_block == VM_BUDDY_NONE)
            continue;
        assert_true(start_of_block <= i && i - start_of_block < 1U << order);
        assert_int_equal(start_of_block & ((1U << order) - 1), 0);
    }
    assert_int_equal(buddy->n_free_pages, n_free);
    /* The theorem at the head of buddy.c. */
    unsigned largest = 0;
    for (unsigned order = 0; order < VM_N_ORDERS; order++)
        if (buddy->list[order].count)
            largest = order;
    uint32_t longest = 0;
    run = 0;
    for (uint32_t i = 0; i < buddy->n_pages; i++) {
        run = model.is_free[i] ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (unsigned order = 0; order < VM_N_ORDERS; order++)
        if (longest >= (2U << order) - 1)
            assert_true(largest >= order);
}

static unsigned smallest_list(unsigned least)
{
    unsigned order = least;
    while (order < VM_N_ORDERS && !model.buddy.list[order].count)
        order++;
    return order;
}

static void step_take(uint32_t n_most)
{
    const uint32_t n_pages = 1 + (uint32_t)unit_below(&model.seed, 1 + unit_below(&model.seed, n_most));
    const unsigned align = (unsigned)unit_below(&model.seed, 1 + unit_below(&model.seed, VM_N_ORDERS));
    const unsigned needed = vm_ceil_log2(n_pages), least = needed > align ? needed : align;
    const unsigned order = smallest_list(least);
    const uint32_t first = order < VM_N_ORDERS ? model.buddy.list[order].first : VM_BUDDY_NONE;
    const uint32_t index = vm_buddy_take(&model.buddy, n_pages, align);
    assert_int_equal(index, first); /* the smallest that serves, from the front */
    if (index == VM_BUDDY_NONE) {
        assert_false(has_free_block(least));
        return;
    }
    assert_int_equal(index & ((1U << align) - 1), 0);
    set_free(index, n_pages, false);
}

static void step_give(void)
{
    const uint32_t n_pages = model.buddy.n_pages;
    uint32_t index = n_pages ? (uint32_t)unit_below(&model.seed, n_pages) : 0, end = index;
    const uint32_t most = 1 + (uint32_t)unit_below(&model.seed, 1 + unit_below(&model.seed, 4096));
    while (end < n_pages && end - index < most && !model.is_free[end])
        end++;
    if (index == end)
        return;
    vm_buddy_give(&model.buddy, index, end - index, unit_below(&model.seed, 2) ? BUDDY_FRONT : BUDDY_BACK);
    set_free(index, end - index, true);
}

static void step_claim(void)
{
    const uint32_t n_pages = model.buddy.n_pages;
    if (!n_pages)
        return;
    const uint32_t index = (uint32_t)unit_below(&model.seed, n_pages);
    const uint32_t most = n_pages - index;
    const uint32_t count = 1 + (uint32_t)unit_below(&model.seed, 1 + unit_below(&model.seed, most));
    const bool possible = all_are(index, count, true);
    const uint32_t n_free = model.buddy.n_free_pages;
    assert_int_equal(vm_buddy_claim(&model.buddy, index, count), possible);
    assert_int_equal(model.buddy.n_free_pages, possible ? n_free - count : n_free);
    if (possible)
        set_free(index, count, false);
}

static void step_resize(void)
{
    const uint32_t before = model.buddy.n_pages;
    const uint32_t after = (uint32_t)unit_below(&model.seed, model.n_pages_max + 1);
    if (after < before && after < before / 2)
        return; /* shrinks by a bit, so that the system stays of interest */
    for (uint32_t i = after; i < before; i++)
        if (model.is_free[i]) {
            assert_true(vm_buddy_claim(&model.buddy, i, 1));
            set_free(i, 1, false);
        }
    vm_buddy_resize(&model.buddy, after);
}

/* The caller may move the records. */
static void step_move(void)
{
    struct buddy_page *const moved = malloc(model.n_pages_max * sizeof *moved);
    assert_non_null(moved);
    memcpy(moved, model.records, model.n_pages_max * sizeof *moved);
    memset(model.records, 0xff, model.n_pages_max * sizeof *moved);
    free(model.records);
    model.buddy.page = model.records = moved;
}

static void step(uint32_t n_most)
{
    const size_t dice = unit_below(&model.seed, 100);
    if (dice < 45)
        step_take(n_most);
    else if (dice < 88)
        step_give();
    else if (dice < 97)
        step_claim();
    else if (dice < 99)
        step_resize();
    else
        step_move();
    vm_buddy_check(&model.buddy);
}

/* Everything given: only what the length of the system forbids is unmerged. */
static void give_all_and_compare(void)
{
    for (uint32_t i = 0; i < model.buddy.n_pages; i++)
        if (!model.is_free[i]) {
            vm_buddy_give(&model.buddy, i, 1, BUDDY_FRONT);
            set_free(i, 1, true);
        }
    compare();
    vm_buddy_check(&model.buddy);
    assert_int_equal(model.buddy.list[VM_ORDER_MAX].count, model.buddy.n_pages / MAX_PAGES);
    for (unsigned order = 0; order < VM_ORDER_MAX; order++)
        assert_int_equal(model.buddy.list[order].count, model.buddy.n_pages >> order & 1);
}

static void random_steps(uint32_t n_pages_max, uint32_t n_most, unsigned n_steps, uint64_t seed)
{
    start(n_pages_max, seed);
    vm_buddy_resize(&model.buddy, n_pages_max * 3 / 4);
    for (unsigned i = 1; i <= n_steps; i++) {
        step(n_most);
        if (i % 64 == 0)
            compare();
        if (i % (n_steps / 5) == 0)
            give_all_and_compare();
    }
}

static void small_system(void **state)
{
    (void)state;
    random_steps(300, 64, unit_is_slow() ? 10000 : 100000, 11);
    random_steps(1, 1, 500, 12);
}

static void system_of_many_blocks(void **state)
{
    (void)state;
    random_steps(N_PAGES_MAX, MAX_PAGES, unit_is_slow() ? 400 : 8000, 13);
}

static void ends_of_lists(void **state)
{
    (void)state;
    start(64, 15);
    vm_buddy_resize(&model.buddy, 64);
    vm_buddy_give(&model.buddy, 0, 1, BUDDY_BACK);
    vm_buddy_give(&model.buddy, 2, 1, BUDDY_BACK);
    vm_buddy_give(&model.buddy, 4, 1, BUDDY_FRONT);
    assert_int_equal(vm_buddy_take(&model.buddy, 1, 0), 4);
    assert_int_equal(vm_buddy_take(&model.buddy, 1, 0), 0);
    assert_int_equal(vm_buddy_take(&model.buddy, 1, 0), 2);
    assert_int_equal(vm_buddy_take(&model.buddy, 1, 0), VM_BUDDY_NONE);
}

/* --- the checker ---------------------------------------------------------------------------------------- */

/* Pages 0..15: 0-7 free (order 3), 8-9 free (order 1), 10 taken, 11 free (order 0), 12-15 taken. */
static void make_system(void)
{
    start(16, 16);
    vm_buddy_resize(&model.buddy, 16);
    vm_buddy_give(&model.buddy, 0, 10, BUDDY_BACK);
    vm_buddy_give(&model.buddy, 11, 1, BUDDY_BACK);
}

static void break_nothing(struct buddy *buddy)
{
    (void)buddy;
}

static void break_alignment(struct buddy *buddy)
{
    buddy->page[11].order = 1;
}

static void break_length(struct buddy *buddy)
{
    buddy->n_pages = 9;
}

static void break_inner(struct buddy *buddy)
{
    buddy->page[5].state = BUDDY_FREE;
}

static void break_state(struct buddy *buddy)
{
    buddy->page[12].state = 2;
}

/* Two free buddies side by side, listed and counted as if all were well. */
static void break_merging(struct buddy *buddy)
{
    vm_buddy_resize(buddy, 10);
    buddy->page[10] = (struct buddy_page){.next = 11, .prev = VM_BUDDY_NONE, .state = BUDDY_FREE};
    buddy->page[11].prev = 10;
    buddy->list[0].first = 10;
    buddy->list[0].count++;
    buddy->n_free_pages++;
    vm_buddy_resize(buddy, 16);
}

static void break_free_count(struct buddy *buddy)
{
    buddy->n_free_pages++;
}

static void break_list_count(struct buddy *buddy)
{
    buddy->list[3].count = 0;
}

static void break_first(struct buddy *buddy)
{
    buddy->list[1].first = VM_BUDDY_NONE;
}

static void break_last(struct buddy *buddy)
{
    buddy->list[1].last = 0;
}

static void break_prev(struct buddy *buddy)
{
    buddy->page[8].prev = 0;
}

static void break_loop(struct buddy *buddy)
{
    buddy->page[8].next = 8;
}

static void check_broken(void *argument)
{
    void (*const *const harm)(struct buddy *) = argument;
    unit_report_to_stderr();
    make_system();
    (*harm)(&model.buddy);
    vm_buddy_check(&model.buddy);
}

static void checker(void **state)
{
    (void)state;
    void (*harm)(struct buddy *) = break_nothing;
    unit_assert_returns(check_broken, &harm);
    void (*const harms[])(struct buddy *) = {
        break_alignment,  break_length, break_inner, break_state, break_merging, break_free_count,
        break_list_count, break_first,  break_last,  break_prev,  break_loop,
    };
    for (size_t i = 0; i < sizeof harms / sizeof *harms; i++) {
        harm = harms[i];
        unit_assert_aborts(check_broken, &harm, "buddy.c");
    }
}

static int end(void **state)
{
    (void)state;
    free(model.records);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_system),
        cmocka_unit_test(system_of_many_blocks),
        cmocka_unit_test(ends_of_lists),
        cmocka_unit_test(checker),
    };
    return cmocka_run_group_tests_name("buddy", tests, NULL, end);
}
