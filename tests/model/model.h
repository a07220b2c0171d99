/* SPDX-License-Identifier: MIT */
/*
 * model.h - a naive model of an allocator: a list of the blocks that are live, sorted by address, and for
 * each one what its bytes are. Every result of the allocator is compared with it: blocks do not overlap,
 * are aligned, hold what was written to all their usable bytes, and are zero from calloc. One model belongs
 * to one thread at a time.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_BLOCKS_MAX = 3000 };

struct model_block {
    unsigned char *start;
    size_t size, usable; /* bytes asked for, and what vm_malloc_usable_size said at first */
    uint64_t stamp;      /* what its bytes are made of */
};

struct model {
    struct model_block block[MODEL_BLOCKS_MAX]; /* sorted by address */
    size_t n_blocks, n_target;                  /* live now; as many as the steps aim at */
    size_t live_bytes, live_bytes_max;
    uint64_t random, n_stamps;
    unsigned n_steps; /* so far */
    const char *doing;
    /* Gives a block away, or takes one; NULL: nothing is handed over. They return whether they did. */
    bool (*hand_over)(struct model *model, const struct model_block *block);
    bool (*take_over)(struct model *model, struct model_block *block);
    void *context;  /* of these two */
    bool is_tuning; /* steps may set tunables */
    /* Requests may be refused, which is counted, and must leave everything as it was. */
    bool may_refuse;
    unsigned n_refused;
};

/* An empty model. */
void model_init(struct model *model, uint64_t seed);

/* One random operation, on the allocator and on the model. */
void model_step(struct model *model);

/* Compares the contents of all blocks. */
void model_compare(struct model *model);

/* Frees all blocks. */
void model_free_all(struct model *model);

/* A random number below `bound`, which is not 0. */
size_t model_below(struct model *model, size_t bound);

/* Enters a block that came from elsewhere. */
void model_enter(struct model *model, const struct model_block *block);

/* Ends the process with status 1 and a line that says which model, which step, and what was wrong. */
__attribute__((noreturn, format(printf, 2, 3))) void model_fail(const struct model *model, const char *format,
                                                                ...);

/* Runs act(seed, n_steps) in a child and prints one line of TAP about it. Returns whether all went well. */
bool model_run_case(unsigned number, const char *name, void (*act)(uint64_t seed, unsigned n_steps),
                    uint64_t seed, unsigned n_steps);

#endif
