/* SPDX-License-Identifier: MIT */
/*
 * rbtree.h - red-black trees of nodes that live inside other structs, with an optional summary a node.
 *
 * The tree knows no keys: the caller walks down, and says below which node and on which side a new one
 * belongs. With `augment`, each node may hold a summary of its whole subtree (a maximum, a sum), which
 * augment(node) computes from the node's own value and the summaries of its two children; the tree keeps all
 * of them true. All zero is an empty tree without summaries.
 *
 * Cost: insert, remove and update O(log n), next O(1) on average; the path from the root is at most twice the
 * shortest.
 */
#ifndef VM_BASE_RBTREE_H
#define VM_BASE_RBTREE_H

#include "base/compiler.h"

/* The other side of `side` is !side. */
enum { RB_LEFT, RB_RIGHT };

struct rb_node {
    struct rb_node *parent, *child[2];
    bool is_red;
};

struct rb_tree {
    struct rb_node *root;
    void (*augment)(struct rb_node *node); /* NULL: no summaries */
};

/* Makes `node` the child of `parent` on `side`, where none is. parent NULL: the root of an empty tree. */
void vm_rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, unsigned side);

void vm_rb_remove(struct rb_tree *tree, struct rb_node *node);

/* The node's own value has changed: brings its summary and those above it up to date. */
void vm_rb_update(struct rb_tree *tree, struct rb_node *node);

/* The outermost node on that side, NULL in an empty tree. */
struct rb_node *vm_rb_end(const struct rb_tree *tree, unsigned side);

/* The node's neighbour on that side in order, NULL at the end. */
struct rb_node *vm_rb_next(const struct rb_node *node, unsigned side);

/*
 * Verifies invariants R1..R4 (see rbtree.c) and returns the number of nodes; a broken one ends the process.
 * is_before says whether two neighbours are in order, is_exact whether a node's summary is right; NULL: not
 * asked.
 */
size_t vm_rb_check(const struct rb_tree *tree,
                   bool (*is_before)(const struct rb_node *left, const struct rb_node *right),
                   bool (*is_exact)(const struct rb_node *node));

#endif
