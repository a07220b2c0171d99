/* SPDX-License-Identifier: MIT */
/*
 * scratch.h - what both provokers of false sharing do with an object: write it many times.
 *
 * If an allocator puts objects of two threads into one cache line, each write takes the line away from the
 * other thread's processor.
 */
#ifndef BENCH_WORKLOADS_SCRATCH_H
#define BENCH_WORKLOADS_SCRATCH_H
#include "common.h"

enum { SCRATCH_BYTES = 8, WRITES = 200 };

static inline void scratch(struct worker *worker, uint64_t *object, uint64_t key)
{
    volatile uint64_t *counter = object;
    *counter = key;
    for (int i = 0; i < WRITES; i++) {
        *counter = *counter + 1;
    }
    check_stamp(worker, object, SCRATCH_BYTES, key + WRITES);
}

static inline void scratch_new(struct worker *worker)
{
    uint64_t *object = take(worker, SCRATCH_BYTES);
    scratch(worker, object, next_random(&worker->rng));
    give(worker, object, SCRATCH_BYTES);
    step(worker);
}

#endif
