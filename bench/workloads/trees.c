/* SPDX-License-Identifier: MIT */
/*
 * trees.c - trees and graphs of nodes that are allocated one by one.
 *
 * The trees after the description of GCBench (J. Ellis and P. Kovac, later H. Boehm): one tree stays, while
 * complete binary trees of many sizes are built from the root downwards and from the leaves upwards, and
 * dropped. The graph after the kind of program that M. Carlisle and A. Rogers collected as Olden (PPoPP
 * 1995): vertices with lists of edges, walked breadth first, half of the edges exchanged between walks.
 */
#include "common.h"

enum { STAYING_DEPTH = 17, LEAST_DEPTH = 4, MOST_DEPTH = 16, NODES_OF_A_ROUND = 1 << 18 };
enum { N_VERTICES = 100000, EDGES_OF_A_VERTEX = 4, N_WALKS = 5, UNSEEN = -1 };

struct node {
    struct node *left, *right;
    uint64_t key;
};

struct edge {
    struct edge *next;
    struct vertex *from, *to;
    uint32_t length;
};

struct vertex {
    struct edge *edges;
    int32_t distance;
    uint32_t index;
    char label[24];
};

static struct vertex *vertices[N_VERTICES];

/* ---- trees: a node's key follows from its parent's ---- */

static uint64_t left_of(uint64_t key)
{
    return key * 2 + 1;
}

static struct node *new_node(struct worker *worker, uint64_t key)
{
    struct node *node = take(worker, sizeof *node);
    *node = (struct node){.key = key};
    step(worker);
    return node;
}

static void grow_down(struct worker *worker, struct node *node, int depth)
{
    if (depth > 0) {
        uint64_t key = left_of(node->key);
        struct node *left = node->left = new_node(worker, key);
        struct node *right = node->right = new_node(worker, key + 1);
        grow_down(worker, left, depth - 1);
        grow_down(worker, right, depth - 1);
    }
}

static struct node *build_up(struct worker *worker, uint64_t key, int depth)
{
    struct node *left = depth > 0 ? build_up(worker, left_of(key), depth - 1) : NULL;
    struct node *right = depth > 0 ? build_up(worker, left_of(key) + 1, depth - 1) : NULL;
    struct node *node = new_node(worker, key);
    node->left = left;
    node->right = right;
    return node;
}

static void drop(struct worker *worker, struct node *node, uint64_t key, int depth)
{
    if (node->key != key || (node->left == NULL) != (depth == 0)) {
        fail("a node of a tree was overwritten");
    }
    worker->checksum += node->key;
    if (depth > 0) {
        drop(worker, node->left, left_of(key), depth - 1);
        drop(worker, node->right, left_of(key) + 1, depth - 1);
    }
    give(worker, node, sizeof *node);
}

static void drop_many(struct worker *worker, int depth)
{
    for (uint64_t i = 0; i < (uint64_t)NODES_OF_A_ROUND >> depth; i++) {
        struct node *root = new_node(worker, i);
        grow_down(worker, root, depth);
        drop(worker, root, i, depth);
        root = build_up(worker, i, depth);
        drop(worker, root, i, depth);
    }
}

static void run_trees(struct worker *worker)
{
    struct node *staying = build_up(worker, 1, STAYING_DEPTH);
    for (uint64_t round = steps_of(8); round > 0; round--) {
        for (int depth = LEAST_DEPTH; depth <= MOST_DEPTH; depth += 2) {
            drop_many(worker, depth);
        }
    }
    drop(worker, staying, 1, STAYING_DEPTH);
}

/* ---- the graph ---- */

static void add_edge(struct worker *worker, struct vertex *from)
{
    struct edge *edge = take(worker, sizeof *edge);
    uint64_t random = next_random(&worker->rng);
    *edge =
        (struct edge){.next = from->edges, .from = from, .to = vertices[scale((uint32_t)random, N_VERTICES)]};
    edge->length = (uint32_t)(random >> 32);
    from->edges = edge;
    step(worker);
}

static void remove_edge(struct worker *worker, struct vertex *from)
{
    struct edge *edge = from->edges;
    if (edge->from != from) {
        fail("an edge was overwritten");
    }
    from->edges = edge->next;
    worker->checksum += edge->length;
    give(worker, edge, sizeof *edge);
}

static struct vertex *checked_vertex(uint32_t index)
{
    struct vertex *vertex = vertices[index];
    char label[sizeof vertex->label];
    memset(label, (int)(index % 256), sizeof label);
    if (vertex->index != index || memcmp(label, vertex->label, sizeof label) != 0) {
        fail("a vertex was overwritten");
    }
    return vertex;
}

/* Breadth first from one vertex: the sum of all distances, which is that of the graph and not of its
   addresses. */
static void walk(struct worker *worker, struct vertex *start)
{
    static struct vertex *queue[N_VERTICES];
    uint32_t n_queued = 0;
    for (uint32_t i = 0; i < N_VERTICES; i++) {
        checked_vertex(i)->distance = UNSEEN;
    }
    start->distance = 0;
    queue[n_queued++] = start;
    for (uint32_t i = 0; i < n_queued; i++) {
        for (const struct edge *edge = queue[i]->edges; edge != NULL; edge = edge->next) {
            if (edge->to->distance == UNSEEN) {
                edge->to->distance = queue[i]->distance + 1;
                queue[n_queued++] = edge->to;
            }
        }
        worker->checksum += mix((uint64_t)queue[i]->distance << 32 | queue[i]->index);
    }
}

static void exchange_edges(struct worker *worker)
{
    for (uint32_t i = 0; i < N_VERTICES; i++) {
        struct vertex *vertex = checked_vertex(below(&worker->rng, N_VERTICES));
        for (int n = 0; n < EDGES_OF_A_VERTEX && vertex->edges != NULL; n++) {
            remove_edge(worker, vertex);
        }
        for (int n = 0; n < EDGES_OF_A_VERTEX; n++) {
            add_edge(worker, vertex);
        }
    }
}

static void run_graph(struct worker *worker)
{
    for (uint32_t i = 0; i < N_VERTICES; i++) {
        vertices[i] = take(worker, sizeof *vertices[i]);
        *vertices[i] = (struct vertex){.index = i};
        memset(vertices[i]->label, (int)(i % 256), sizeof vertices[i]->label);
    }
    for (uint64_t n = steps_of(N_WALKS * 6); n > 0; n--) {
        exchange_edges(worker);
        walk(worker, vertices[0]);
    }
    for (uint32_t i = 0; i < N_VERTICES; i++) {
        struct vertex *vertex = checked_vertex(i);
        while (vertex->edges != NULL) {
            remove_edge(worker, vertex);
        }
    }
    for (uint32_t i = 0; i < N_VERTICES; i++) {
        give(worker, vertices[i], sizeof *vertices[i]);
    }
}

static void run(void)
{
    run_trees(&workers[0]);
    run_graph(&workers[0]);
}

const struct workload workload = {
    .name = "trees",
    .imitates = "Binary trees of 31 to 131,071 nodes, built and dropped beside one that stays; then a graph "
                "whose edges are exchanged between walks",
    .why = "Many nodes of a few sizes: the price of a node in time and in bytes, and whether neighbours in "
           "the program are neighbours in memory",
    .after = "GCBench by Ellis, Kovac and Boehm; Carlisle and Rogers, Software Caching and Computation "
             "Migration in Olden, PPoPP 1995",
    .run = run,
};
