/* SPDX-License-Identifier: MIT */
/*
 * rbtree.c - see rbtree.h. After R. Bayer (1972) and L. Guibas and R. Sedgewick, "A Dichromatic Framework for
 * Balanced Trees" (1978). Both sides are one piece of code: what is done on `side` mirrors into !side.
 *
 * Invariants, which the checker cites:
 *   R1  links agree: a child's parent is the node, the root has none
 *   R2  the root is black, and a red node has no red child
 *   R3  every way from the root to a missing child passes the same number of black nodes
 *   R4  nodes are in order and each summary is exact, as the caller defines them
 */
#include "base/rbtree.h"
#include "base/check.h"

static bool is_red(const struct rb_node *node)
{
    return node && node->is_red;
}

static unsigned side_of(const struct rb_node *node)
{
    return node == node->parent->child[RB_RIGHT] ? RB_RIGHT : RB_LEFT;
}

static void augment(const struct rb_tree *tree, struct rb_node *node)
{
    if (tree->augment)
        tree->augment(node);
}

void vm_rb_update(struct rb_tree *tree, struct rb_node *node)
{
    if (tree->augment)
        for (; node; node = node->parent)
            tree->augment(node);
}

static void set_child(struct rb_node *parent, unsigned side, struct rb_node *child)
{
    parent->child[side] = child;
    if (child)
        child->parent = parent;
}

/* Puts `node`, which may be NULL, in the place below its parent that `old` has. */
static void replace(struct rb_tree *tree, struct rb_node *old, struct rb_node *node)
{
    if (old->parent) {
        set_child(old->parent, side_of(old), node);
    } else {
        tree->root = node;
        if (node)
            node->parent = NULL;
    }
}

/* The node goes down on `side`, its child on the other side comes up in its place. */
static void rotate(struct rb_tree *tree, struct rb_node *node, unsigned side)
{
    struct rb_node *const up = node->child[!side];
    replace(tree, node, up);
    set_child(node, !side, up->child[side]);
    set_child(up, side, node);
    augment(tree, node);
    augment(tree, up);
}

void vm_rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, unsigned side)
{
    *node = (struct rb_node){.parent = parent, .is_red = true};
    if (parent) {
        VM_ASSERT(!parent->child[side]);
        parent->child[side] = node;
    } else {
        VM_ASSERT(!tree->root);
        tree->root = node;
    }
    vm_rb_update(tree, node);

    while (is_red(node->parent)) { /* then there is a grandparent, which is black */
        struct rb_node *const grand = node->parent->parent;
        const unsigned from = side_of(node->parent);
        struct rb_node *const uncle = grand->child[!from];
        if (is_red(uncle)) {
            node->parent->is_red = uncle->is_red = false;
            grand->is_red = true;
            node = grand;
            continue;
        }
        if (side_of(node) != from) { /* bring both reds into one line */
            node = node->parent;
            rotate(tree, node, from);
        }
        node->parent->is_red = false;
        grand->is_red = true;
        rotate(tree, grand, !from);
    }
    tree->root->is_red = false;
}

/* Lets a node with two children and its successor, which has no left one, change places and colours. */
static void swap_with_successor(struct rb_tree *tree, struct rb_node *node)
{
    struct rb_node *heir = node->child[RB_RIGHT];
    while (heir->child[RB_LEFT])
        heir = heir->child[RB_LEFT];
    const struct rb_node place = *heir;
    replace(tree, node, heir);
    set_child(heir, RB_LEFT, node->child[RB_LEFT]);
    if (place.parent == node) {
        set_child(heir, RB_RIGHT, node);
    } else {
        set_child(heir, RB_RIGHT, node->child[RB_RIGHT]);
        set_child(place.parent, RB_LEFT, node);
    }
    node->child[RB_LEFT] = NULL;
    set_child(node, RB_RIGHT, place.child[RB_RIGHT]);
    heir->is_red = node->is_red;
    node->is_red = place.is_red;
}

/* Ways through parent's child on `side` pass one black node too few: finds one for them. */
static void rebalance(struct rb_tree *tree, struct rb_node *parent, unsigned side)
{
    while (parent) {
        struct rb_node *sibling = parent->child[!side];
        if (sibling->is_red) {
            sibling->is_red = false;
            parent->is_red = true;
            rotate(tree, parent, side);
            sibling = parent->child[!side];
        }
        if (!is_red(sibling->child[RB_LEFT]) && !is_red(sibling->child[RB_RIGHT])) {
            sibling->is_red = true; /* now the parent as a whole lacks one */
            if (parent->is_red) {
                parent->is_red = false;
                return;
            }
            side = parent->parent ? side_of(parent) : RB_LEFT;
            parent = parent->parent;
            continue;
        }
        if (!is_red(sibling->child[!side])) {
            sibling->is_red = true;
            sibling->child[side]->is_red = false;
            rotate(tree, sibling, !side);
            sibling = parent->child[!side];
        }
        sibling->is_red = parent->is_red;
        parent->is_red = sibling->child[!side]->is_red = false;
        rotate(tree, parent, side);
        return;
    }
}

void vm_rb_remove(struct rb_tree *tree, struct rb_node *node)
{
    if (node->child[RB_LEFT] && node->child[RB_RIGHT])
        swap_with_successor(tree, node);
    struct rb_node *const child = node->child[node->child[RB_LEFT] ? RB_LEFT : RB_RIGHT];
    struct rb_node *const parent = node->parent;
    const unsigned side = parent ? side_of(node) : RB_LEFT;
    replace(tree, node, child);
    vm_rb_update(tree, parent);
    if (child)
        child->is_red = false; /* an only child is red, its parent black */
    else if (!node->is_red)
        rebalance(tree, parent, side);
    *node = (struct rb_node){0};
}

struct rb_node *vm_rb_end(const struct rb_tree *tree, unsigned side)
{
    struct rb_node *node = tree->root;
    while (node && node->child[side])
        node = node->child[side];
    return node;
}

struct rb_node *vm_rb_next(const struct rb_node *node, unsigned side)
{
    if (node->child[side]) {
        struct rb_node *next = node->child[side];
        while (next->child[!side])
            next = next->child[!side];
        return next;
    }
    while (node->parent && side_of(node) == side)
        node = node->parent;
    return node->parent;
}

/* Black nodes from this one up to the root. */
static unsigned n_black_above(const struct rb_node *node)
{
    unsigned n_black = 0;
    for (; node; node = node->parent)
        n_black += !node->is_red;
    return n_black;
}

size_t vm_rb_check(const struct rb_tree *tree,
                   bool (*is_before)(const struct rb_node *left, const struct rb_node *right),
                   bool (*is_exact)(const struct rb_node *node))
{
    VM_CHECK(!tree->root || !tree->root->parent); /* R1 */
    VM_CHECK(!is_red(tree->root));                /* R2 */
    const struct rb_node *node = vm_rb_end(tree, RB_LEFT), *before = NULL;
    const unsigned n_black = n_black_above(node);
    size_t n_nodes = 0;
    for (; node; before = node, node = vm_rb_next(node, RB_RIGHT)) {
        for (unsigned side = RB_LEFT; side <= RB_RIGHT; side++) {
            const struct rb_node *const child = node->child[side];
            VM_CHECK(!child || child->parent == node);         /* R1 */
            VM_CHECK(!node->is_red || !is_red(child));         /* R2 */
            VM_CHECK(child || n_black_above(node) == n_black); /* R3 */
        }
        VM_CHECK(!before || !is_before || is_before(before, node)); /* R4 */
        VM_CHECK(!is_exact || is_exact(node));                      /* R4 */
        n_nodes++;
    }
    return n_nodes;
}
