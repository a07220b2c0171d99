/* SPDX-License-Identifier: MIT */
/* bits.c - words of bits, rounding, and lists, each against the plainest way to say the same. */
#include "base/bits.h"
#include <string.h>
#include "base/list.h"
#include "unit.h"

static void lowest_and_count(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 20000; round++) {
        const vm_word word = (vm_word)(unit_random(&seed) & (unit_random(&seed) >> unit_below(&seed, 64)));
        unsigned lowest = VM_WORD_BITS, highest = 0, count = 0;
        for (unsigned bit = VM_WORD_BITS; bit-- > 0;)
            if (word >> bit & 1) {
                highest = count ? highest : bit;
                lowest = bit;
                count++;
            }
        assert_int_equal(vm_bits_count(word), count);
        if (!word)
            continue;
        assert_int_equal(vm_bits_lowest(word), lowest);
        assert_int_equal(vm_floor_log2(word), highest);
        assert_int_equal(vm_is_power_of_two(word), count == 1);
        assert_int_equal(vm_ceil_log2(word), count == 1 ? highest : highest + 1);
    }
    assert_false(vm_is_power_of_two(0));
}

static void low_mask(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= VM_WORD_BITS; n++) {
        const vm_word mask = vm_bits_low_mask(n);
        for (unsigned bit = 0; bit < VM_WORD_BITS; bit++)
            assert_int_equal(mask >> bit & 1, bit < n);
    }
}

static void test_set(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (unsigned round = 0; round < 20000; round++) {
        const vm_word before = (vm_word)unit_random(&seed);
        /* Only the index's low bits count: callers pass the number of a block in its slab. */
        const size_t index = unit_below(&seed, 4096), bit = index % VM_WORD_BITS;
        vm_word word = before;
        const bool was_set = vm_bits_test_set(&word, index);
        assert_int_equal(was_set, before >> bit & 1);
        assert_true(word == (before | (vm_word)1 << bit));
    }
}

static void rounding(void **state)
{
    (void)state;
    for (size_t unit = 1; unit <= 4096; unit *= 2)
        for (size_t value = 0; value < 10000; value += 7) {
            assert_int_equal(vm_round_up(value, unit), (value + unit - 1) / unit * unit);
            assert_int_equal(vm_round_down(value, unit), value / unit * unit);
        }
    assert_true(vm_round_up(SIZE_MAX - 4095, 4096) == SIZE_MAX - 4095);
    assert_true(vm_round_down(SIZE_MAX, 16) == SIZE_MAX - 15);
    assert_int_equal(vm_min_size(3, 4), 3);
    assert_int_equal(vm_min_size(4, 3), 3);
    assert_int_equal(vm_max_size(3, 4), 4);
    assert_true(vm_max_size(SIZE_MAX, 4) == SIZE_MAX);
}

enum { N_NODES = 24 };

struct item {
    int before;
    struct list_node node;
    int after;
};

/* The list holds exactly the items named in `order`, both ways round. */
static void assert_list(const struct list *list, struct item *items, const unsigned *order, unsigned count)
{
    unsigned i = 0;
    struct list_node *previous = NULL;
    for (struct list_node *node = list->first; node; previous = node, node = node->next, i++) {
        assert_true(i < count);
        assert_ptr_equal(VM_CONTAINER(node, struct item, node), &items[order[i]]);
        assert_ptr_equal(vm_list_prev(node), previous);
    }
    assert_int_equal(i, count);
    assert_ptr_equal(vm_list_last(list), previous);
}

/* The first ones go to the end, one by one, until `first` is the first. */
static void turn(unsigned *order, unsigned count, unsigned first)
{
    while (order[0] != first) {
        const unsigned moved = order[0];
        memmove(order, order + 1, (count - 1) * sizeof *order);
        order[count - 1] = moved;
    }
}

static void lists(void **state)
{
    (void)state;
    struct item items[N_NODES] = {0};
    struct list list = {0};
    unsigned order[N_NODES], count = 0, i;
    bool in_list[N_NODES] = {false};
    uint64_t seed = 3;
    assert_null(vm_list_pop_front(&list));
    for (unsigned round = 0; round < 20000; round++) {
        const unsigned which = (unsigned)unit_below(&seed, N_NODES), action = (unsigned)unit_below(&seed, 3);
        if (in_list[which] && action == 0) {
            vm_list_turn_to(&list, &items[which].node);
            turn(order, count, which);
        } else if (in_list[which]) {
            vm_list_remove(&list, &items[which].node);
            assert_null(items[which].node.next);
            assert_null(items[which].node.prev);
            for (i = 0; order[i] != which; i++)
                continue;
            for (count--; i < count; i++)
                order[i] = order[i + 1];
            in_list[which] = false;
        } else if (action == 0) {
            vm_list_push_back(&list, &items[which].node);
            order[count++] = which;
            in_list[which] = true;
        } else if (action == 1) {
            vm_list_push_front(&list, &items[which].node);
            for (i = count++; i > 0; i--)
                order[i] = order[i - 1];
            order[0] = which;
            in_list[which] = true;
        } else if (count) {
            assert_ptr_equal(vm_list_pop_front(&list), &items[order[0]].node);
            in_list[order[0]] = false;
            for (i = 0, count--; i < count; i++)
                order[i] = order[i + 1];
        }
        assert_list(&list, items, order, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_and_count), cmocka_unit_test(low_mask), cmocka_unit_test(test_set),
        cmocka_unit_test(rounding),         cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
