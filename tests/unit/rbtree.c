/* SPDX-License-Identifier: MIT */
/*
 * rbtree.c - red-black trees against an array that says which keys are in, the checker after each of many
 * random steps; the checker itself on trees that were broken by hand.
 */
#include "base/rbtree.h"
#include <string.h>
#include "base/list.h"
#include "unit.h"

enum { N_KEYS = 600 };

struct item {
    struct rb_node node;
    unsigned key, weight;
    unsigned most; /* the largest weight of the subtree */
};

static struct item items[N_KEYS];
static bool is_in[N_KEYS];
static struct rb_tree tree;

static struct item *item_of(const struct rb_node *node)
{
    return VM_CONTAINER(node, struct item, node);
}

static unsigned most_of(const struct rb_node *node)
{
    unsigned most = item_of(node)->weight;
    for (unsigned side = RB_LEFT; side <= RB_RIGHT; side++)
        if (node->child[side] && item_of(node->child[side])->most > most)
            most = item_of(node->child[side])->most;
    return most;
}

static void set_most(struct rb_node *node)
{
    item_of(node)->most = most_of(node);
}

static bool is_before(const struct rb_node *left, const struct rb_node *right)
{
    return item_of(left)->key < item_of(right)->key;
}

static bool is_exact(const struct rb_node *node)
{
    return item_of(node)->most == most_of(node);
}

static size_t check(void)
{
    return vm_rb_check(&tree, is_before, is_exact);
}

static void start(void (*augment)(struct rb_node *node))
{
    tree = (struct rb_tree){.augment = augment};
    memset(items, 0, sizeof items);
    memset(is_in, 0, sizeof is_in);
    for (unsigned key = 0; key < N_KEYS; key++)
        items[key].key = key;
}

static void insert(unsigned key, unsigned weight)
{
    struct rb_node *parent = NULL, *next = tree.root;
    unsigned side = RB_LEFT;
    while (next) {
        parent = next;
        side = key > item_of(parent)->key ? RB_RIGHT : RB_LEFT;
        next = parent->child[side];
    }
    items[key].weight = weight;
    vm_rb_insert(&tree, &items[key].node, parent, side);
    is_in[key] = true;
}

static void take_out(unsigned key)
{
    vm_rb_remove(&tree, &items[key].node);
    is_in[key] = false;
}

/* The walk in both directions meets exactly the keys that are in. */
static void compare(void)
{
    size_t n_in = 0;
    const struct rb_node *node = vm_rb_end(&tree, RB_LEFT);
    for (unsigned key = 0; key < N_KEYS; key++)
        if (is_in[key]) {
            n_in++;
            assert_ptr_equal(node, &items[key].node);
            node = vm_rb_next(node, RB_RIGHT);
        }
    assert_null(node);
    node = vm_rb_end(&tree, RB_RIGHT);
    for (unsigned key = N_KEYS; key--;)
        if (is_in[key]) {
            assert_ptr_equal(node, &items[key].node);
            node = vm_rb_next(node, RB_LEFT);
        }
    assert_null(node);
    assert_int_equal(vm_rb_check(&tree, is_before, NULL), n_in);
}

static unsigned depth(const struct rb_node *node)
{
    if (!node)
        return 0;
    const unsigned left = depth(node->child[RB_LEFT]), right = depth(node->child[RB_RIGHT]);
    return 1 + (left > right ? left : right);
}

static void random_steps(unsigned n_keys, unsigned n_steps, uint64_t seed)
{
    start(set_most);
    for (unsigned i = 0; i < n_steps; i++) {
        const unsigned key = (unsigned)unit_below(&seed, n_keys);
        const unsigned weight = (unsigned)unit_below(&seed, 1000);
        if (!is_in[key]) {
            insert(key, weight);
        } else if (unit_below(&seed, 4)) {
            take_out(key);
        } else {
            items[key].weight = weight;
            vm_rb_update(&tree, &items[key].node);
        }
        check();
        if (i % 16 == 0)
            compare();
    }
    for (unsigned key = 0; key < n_keys; key++)
        if (is_in[key]) {
            take_out(key);
            check();
        }
    assert_null(tree.root);
    assert_int_equal(check(), 0);
}

static void random_trees(void **state)
{
    (void)state;
    random_steps(1, 20, 1);
    random_steps(7, 2000, 2);
    random_steps(40, 20000, 3);
    random_steps(N_KEYS, unit_is_slow() ? 1000 : 10000, 4);
}

static void ascending_and_descending(void **state)
{
    (void)state;
    for (unsigned side = RB_LEFT; side <= RB_RIGHT; side++) {
        start(NULL); /* without summaries */
        for (unsigned i = 0; i < 511; i++)
            insert(side == RB_RIGHT ? i : 510 - i, 0);
        compare();
        assert_true(depth(tree.root) <= 18); /* 2 * log2(512) */
        for (unsigned i = 0; i < 511; i++) {
            take_out(side == RB_RIGHT ? i : 510 - i);
            compare();
        }
    }
}

/* --- the checker ---------------------------------------------------------------------------------------- */

static void break_parent(void)
{
    vm_rb_end(&tree, RB_RIGHT)->parent = &items[N_KEYS - 1].node;
}

static void break_root_parent(void)
{
    tree.root->parent = tree.root->child[RB_LEFT];
}

static void break_root_colour(void)
{
    tree.root->is_red = true;
}

static void break_two_reds(void)
{
    struct rb_node *node = vm_rb_end(&tree, RB_RIGHT);
    node->is_red = node->parent->is_red = true;
}

static void break_black_height(void)
{
    struct rb_node *const node = vm_rb_end(&tree, RB_LEFT);
    node->is_red = !node->is_red;
}

static void break_order(void)
{
    items[4].key = 11;
}

static void break_summary(void)
{
    item_of(tree.root)->most++;
}

static void check_after(void *damage)
{
    unit_report_to_stderr();
    start(set_most);
    for (unsigned key = 0; key < 20; key++)
        insert(key, key * 7 % 20);
    unit_damage(damage);
    check();
}

static void checker_finds(void **state)
{
    (void)state;
    static const struct unit_damage damages[] = {
        {break_parent, "child->parent == node"},   {break_root_parent, "tree->root->parent"},
        {break_root_colour, "is_red(tree->root)"}, {break_two_reds, "is_red(child)"},
        {break_black_height, "n_black"},           {break_order, "is_before(before, node)"},
        {break_summary, "is_exact(node)"},
    };
    unit_assert_damages_found(check_after, damages, sizeof damages / sizeof *damages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_trees),
        cmocka_unit_test(ascending_and_descending),
        cmocka_unit_test(checker_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
