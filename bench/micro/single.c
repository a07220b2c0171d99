/* SPDX-License-Identifier: MIT */
/*
 * single.c - one thread: pairs over all sizes, and of many in turn, batches freed in three orders, calloc, realloc, heaps that are filled and
 * emptied, and whose blocks are replaced, aligned blocks.
 */
#include "../random.h"
#include "micro.h"
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1000, KIB = 1024, MIB = 1024 * KIB, FULL = 8 * MIB, LEAST = 128, PAGE = 4 * KIB };

static const char wrong[] = "a live block was overwritten";
static void *blocks[BATCH];
static uint32_t order[BATCH];

/* malloc and free at once: the block that was just freed comes back. */
static void pair(struct bench_run *run)
{
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        void *block = got(malloc(run->argument));
        mark(block, run->argument, i);
        free(block);
    }
}

/* The same with 32 sizes in turn, up to the argument, while nothing is live: each block is the only one of its class. */
static void turns(struct bench_run *run)
{
    enum { SIZES = 32 };
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        const size_t size = run->argument / SIZES * (1 + i % SIZES);
        void *block = got(malloc(size));
        mark(block, size, i);
        free(block);
    }
}

/* Up to 1000 blocks, freed as `order` says. */
static void batches(struct bench_run *run)
{
    for (uint64_t n_left = run->n_iterations; n_left > 0;) {
        uint32_t n_blocks = n_left < BATCH ? (uint32_t)n_left : BATCH;
        for (uint32_t i = 0; i < n_blocks; i++) {
            blocks[i] = got(malloc(run->argument));
            mark(blocks[i], run->argument, i);
        }
        for (uint32_t i = 0; i < BATCH; i++) {
            uint32_t which = order[i];
            if (which < n_blocks) {
                if (!is_marked(blocks[which], run->argument, which)) {
                    bench_fail(run, wrong);
                }
                free(blocks[which]);
            }
        }
        n_left -= n_blocks;
    }
}

static void first_in_first_out(struct bench_run *run)
{
    (void)run;
    for (uint32_t i = 0; i < BATCH; i++) {
        order[i] = i;
    }
}

static void last_in_first_out(struct bench_run *run)
{
    (void)run;
    for (uint32_t i = 0; i < BATCH; i++) {
        order[i] = BATCH - 1 - i;
    }
}

static void any_order(struct bench_run *run)
{
    struct rng rng = {1};
    first_in_first_out(run);
    for (uint32_t i = BATCH - 1; i > 0; i--) {
        uint32_t other = below(&rng, i + 1), place = order[i];
        order[i] = order[other];
        order[other] = place;
    }
}

/* The block is zero where it is looked at, and written, so that the next one has to be cleared again. */
static void zeroed(struct bench_run *run)
{
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        void *block = got(calloc(1, run->argument));
        if (!is_marked(block, run->argument, 0)) {
            bench_fail(run, "calloc returned memory that is not zero");
        }
        mark(block, run->argument, ~(uint64_t)0);
        free(block);
    }
}

/* A vector from 16 bytes to the argument, by a half each time; an iteration is a whole vector. */
static void growth(struct bench_run *run)
{
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        size_t size = 16;
        char *vector = got(malloc(size));
        mark(vector, size, i);
        while (size < run->argument) {
            size_t grown = size + size / 2;
            vector = got(realloc(vector, grown));
            if (!is_marked(vector, size, i)) {
                bench_fail(run, "realloc lost what was in the block");
            }
            mark(vector, grown, i);
            size = grown;
        }
        free(vector);
    }
}

/* A heap that is filled with 8 MiB, every page written, and emptied; an iteration is a whole round. */
static void refill(struct bench_run *run)
{
    static char *filled[FULL / LEAST];
    const size_t n_blocks = FULL / run->argument;
    for (uint64_t round = 0; round < run->n_iterations; round++) {
        for (size_t i = 0; i < n_blocks; i++) {
            filled[i] = got(malloc(run->argument));
            for (size_t at = 0; at < run->argument; at += PAGE) {
                *(volatile char *)(filled[i] + at) = (char)i;
            }
            mark(filled[i], run->argument, i);
        }
        for (size_t i = 0; i < n_blocks; i++) {
            if (!is_marked(filled[i], run->argument, i)) {
                bench_fail(run, wrong);
            }
            free(filled[i]);
        }
    }
}

/* Of about 8 MiB of live blocks of a quarter of the argument to all of it, a random one is replaced, every page written. */
static void replace(struct bench_run *run)
{
    enum { MOST = 256 };
    static char *live[MOST];
    struct rng rng = {run->argument};
    const uint32_t n_blocks = (uint32_t)(FULL / (run->argument / 8 * 5));
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        char **block = &live[below(&rng, n_blocks < MOST ? n_blocks : MOST)];
        const size_t size = run->argument / 4 + below(&rng, (uint32_t)(run->argument / 4 * 3));
        free(*block);
        *block = got(malloc(size));
        for (size_t at = 0; at < size; at += PAGE) {
            *(volatile char *)(*block + at) = (char)i;
        }
    }
    for (uint32_t i = 0; i < MOST; i++) {
        free(live[i]);
        live[i] = NULL;
    }
}

/* 100 bytes, aligned to the argument. */
static void aligned(struct bench_run *run)
{
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        void *block;
        if (posix_memalign(&block, run->argument, 100) != 0 || (uintptr_t)block % run->argument != 0) {
            bench_fail(run, "no aligned block");
            return;
        }
        mark(block, 100, i);
        free(block);
    }
}

void add_single_cases(void)
{
    bench_add(&(struct bench_case){.name = "pair", .body = pair, .first = 8, .last = 64 * MIB, .factor = 2});
    bench_add(
        &(struct bench_case){.name = "turns", .body = turns, .first = 512, .last = 32 * KIB, .factor = 4});
    bench_add(&(struct bench_case){.name = "batch-lifo",
                                   .body = batches,
                                   .prepare = last_in_first_out,
                                   .first = 16,
                                   .last = 16 * KIB,
                                   .factor = 8});
    bench_add(&(struct bench_case){.name = "batch-fifo",
                                   .body = batches,
                                   .prepare = first_in_first_out,
                                   .first = 16,
                                   .last = 16 * KIB,
                                   .factor = 8});
    bench_add(&(struct bench_case){.name = "batch-random",
                                   .body = batches,
                                   .prepare = any_order,
                                   .first = 16,
                                   .last = 16 * KIB,
                                   .factor = 8});
    bench_add(
        &(struct bench_case){.name = "calloc", .body = zeroed, .first = 16, .last = 4 * MIB, .factor = 8});
    bench_add(&(struct bench_case){
        .name = "realloc-growth", .body = growth, .first = 256, .last = 16 * MIB, .factor = 16});
    bench_add(
        &(struct bench_case){.name = "refill", .body = refill, .first = LEAST, .last = FULL, .factor = 16});
    bench_add(&(struct bench_case){
        .name = "replace", .body = replace, .first = 64 * KIB, .last = 4 * MIB, .factor = 8});
    bench_add(
        &(struct bench_case){.name = "aligned", .body = aligned, .first = 32, .last = 32 * KIB, .factor = 4});
}
