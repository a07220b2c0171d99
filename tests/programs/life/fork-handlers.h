/* SPDX-License-Identifier: MIT */
/* fork-handlers.h - what the program and its preloaded companion share: sets of fork handlers that allocate. */
#ifndef VMALLOC_TESTS_PROGRAMS_LIFE_FORK_HANDLERS_H
#define VMALLOC_TESTS_PROGRAMS_LIFE_FORK_HANDLERS_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What one library's handlers hold from the prepare handler on. */
struct held {
    void *small, *middle, *large;
    unsigned n_prepared, n_in_parent, n_in_child;
};

static inline void *held_block(size_t n_bytes)
{
    void *block = malloc(n_bytes);
    if (block == NULL)
        abort();
    memset(block, 0x6b, n_bytes);
    return block;
}

static inline void held_take(struct held *held)
{
    held->small = held_block(100 + held->n_prepared % 900);
    held->middle = held_block(50000);
    held->large = held_block(400000);
    held->n_prepared++;
}

static inline void held_give(struct held *held)
{
    held->small = realloc(held->small, 3000);
    if (held->small == NULL)
        abort();
    free(held->small);
    free(held->middle);
    free(held->large);
    free(held_block(2000));
}

#endif
