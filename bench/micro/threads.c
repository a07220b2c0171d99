/* SPDX-License-Identifier: MIT */
/*
 * threads.c - 1 to 16 threads: pairs, random replacement in slots of their own and in shared ones, and blocks
 * handed from one thread to another.
 */
#include "../random.h"
#include "micro.h"
#include <sched.h>
#include <stdlib.h>

enum { MOST_THREADS = 16, N_SLOTS = 4096, LEAST_BYTES = 16, N_DOUBLINGS = 6, PAIR_BYTES = 64, RING = 1024 };

/* Its own bytes in front: whoever frees it knows what must be in it. */
struct block {
    uint64_t size;
    uint64_t check;
};

static struct block *slots[MOST_THREADS][N_SLOTS];

static struct block *new_block(uint64_t random)
{
    size_t size = skewed(random, LEAST_BYTES, N_DOUBLINGS);
    struct block *block = got(malloc(size));
    *block = (struct block){.size = size, .check = mix(size ^ (uintptr_t)block)};
    return block;
}

static void free_block(struct bench_run *run, struct block *block)
{
    if (block != NULL) {
        if (block->check != mix(block->size ^ (uintptr_t)block)) {
            bench_fail(run, "a live block was overwritten");
        }
        free(block);
    }
}

static void pairs(struct bench_run *run)
{
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        void *block = got(malloc(PAIR_BYTES));
        mark(block, PAIR_BYTES, i);
        free(block);
    }
}

/* A random slot's block is exchanged for a new one, and freed. */
static void replace(struct bench_run *run, struct block **set)
{
    struct rng rng = {(uint64_t)run->thread + 1};
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        struct block *block = new_block(next_random(&rng));
        free_block(run, __atomic_exchange_n(&set[below(&rng, N_SLOTS)], block, __ATOMIC_ACQ_REL));
    }
}

static void empty(struct bench_run *run)
{
    for (int i = 0; i < N_SLOTS; i++) {
        free_block(run, __atomic_exchange_n(&slots[run->thread][i], NULL, __ATOMIC_ACQ_REL));
    }
}

static void replace_own(struct bench_run *run)
{
    replace(run, slots[run->thread]);
}

static void replace_shared(struct bench_run *run)
{
    replace(run, slots[0]);
}

/* ---- one thread allocates, the other frees: through a ring, each with a position of its own ---- */

static struct {
    struct block *blocks[RING];
    _Alignas(128) uint64_t n_put;
    _Alignas(128) uint64_t n_got;
} ring;

static void put(uint64_t number, struct block *block)
{
    while (number - __atomic_load_n(&ring.n_got, __ATOMIC_ACQUIRE) == RING) {
        sched_yield();
    }
    ring.blocks[number % RING] = block;
    __atomic_store_n(&ring.n_put, number + 1, __ATOMIC_RELEASE);
}

static struct block *get(uint64_t number)
{
    while (__atomic_load_n(&ring.n_put, __ATOMIC_ACQUIRE) == number) {
        sched_yield();
    }
    struct block *block = ring.blocks[number % RING];
    __atomic_store_n(&ring.n_got, number + 1, __ATOMIC_RELEASE);
    return block;
}

/* Both threads make the same number of iterations, and the ring is empty after them; numbers go on. */
static void hand_over(struct bench_run *run)
{
    struct rng rng = {1};
    uint64_t start = run->thread == 0 ? ring.n_put : ring.n_got;
    for (uint64_t number = start; number < start + run->n_iterations; number++) {
        if (run->thread == 0) {
            put(number, new_block(next_random(&rng)));
        } else {
            free_block(run, get(number));
        }
    }
}

void add_thread_cases(void)
{
    bench_add(&(struct bench_case){.name = "threads-pair",
                                   .body = pairs,
                                   .least_threads = 1,
                                   .most_threads = MOST_THREADS,
                                   .clock = BENCH_REAL});
    bench_add(&(struct bench_case){.name = "threads-own",
                                   .body = replace_own,
                                   .finish = empty,
                                   .least_threads = 1,
                                   .most_threads = MOST_THREADS,
                                   .clock = BENCH_REAL});
    bench_add(&(struct bench_case){.name = "threads-shared",
                                   .body = replace_shared,
                                   .finish = empty,
                                   .least_threads = 1,
                                   .most_threads = MOST_THREADS,
                                   .clock = BENCH_REAL});
    bench_add(&(struct bench_case){
        .name = "hand-over", .body = hand_over, .least_threads = 2, .most_threads = 2, .clock = BENCH_REAL});
}
