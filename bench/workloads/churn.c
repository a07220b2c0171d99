/* SPDX-License-Identifier: MIT */
/*
 * churn.c - threads that live for a moment.
 *
 * A thread for each connection or task. What the allocator has for each thread is made and given up all the
 * time, and a tenth of what a thread allocates is freed by a later one. As in the test that its authors call
 * mstress, in the collection mimalloc-bench: threads end and new ones begin while some objects survive.
 */
#include "common.h"

enum { N_BLOCKS = 1500, LEFT_BEHIND = 10, LEAST_BYTES = 16, N_DOUBLINGS = 9 };

/* Of each worker: the blocks of one life; the next life of it begins by freeing what is left of them. */
static struct slot slots[MOST_THREADS][N_BLOCKS];

static size_t size_of(uint64_t key)
{
    return skewed(key, LEAST_BYTES, N_DOUBLINGS);
}

static void free_all(struct worker *worker)
{
    for (int i = 0; i < N_BLOCKS; i++) {
        struct slot *slot = &slots[worker->index][i];
        empty_slot(worker, slot, size_of(slot->key));
    }
}

static void *live(void *argument)
{
    struct worker *worker = argument;
    struct slot *mine = slots[worker->index];
    free_all(worker);
    for (int i = 0; i < N_BLOCKS; i++) {
        uint64_t key = next_random(&worker->rng);
        fill_slot(worker, &mine[i], key, size_of(key));
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        if (i % LEFT_BEHIND != 0) {
            empty_slot(worker, &mine[i], size_of(mine[i].key));
        }
    }
    return NULL;
}

static void run(void)
{
    uint64_t n_lives = steps_of(7000);
    for (uint64_t i = 0; i < n_lives; i++) {
        struct worker *worker = &workers[i % (uint64_t)n_threads];
        if (i >= (uint64_t)n_threads) {
            join_thread(worker->thread);
            watch();
        }
        start_thread(&worker->thread, live, worker);
    }
    for (int i = 0; i < n_threads; i++) {
        join_thread(workers[i].thread);
        free_all(&workers[i]);
    }
}

const struct workload workload = {
    .name = "churn",
    .imitates = "A thread for each task: it frees what one before it left, allocates 1500 blocks of 16 bytes "
                "to 8 KiB, leaves a tenth, and ends",
    .why = "What a thread has of its own must be made quickly, and be used by others when it is gone",
    .after = "mimalloc-bench, mstress",
    .n_threads = 4,
    .run = run,
};
