/* SPDX-License-Identifier: MIT */
/*
 * common.h - what all workloads share: command line, random numbers, workers, accounts, samples, stamps,
 * output.
 *
 * A workload is one program: a `workload` and a run function; main() is in common.c. It calls the C library's
 * malloc by name, so that the allocator comes from a preload. What the harness itself needs is static.
 * Randomness has fixed seeds, and sums do not depend on the order of threads: operations and checksum are the
 * same for every allocator and in each run.
 *
 * Each worker counts its own live bytes and operations; a block may be counted by one and counted off by
 * another, only the sum over all workers means something. Worker 0 looks at that sum now and then, and writes
 * the time series.
 */
#ifndef BENCH_WORKLOADS_COMMON_H
#define BENCH_WORKLOADS_COMMON_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../random.h"
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 64, CACHE_LINE_PAIR = 128, MIB = 1 << 20 };

/* What a program is; each defines one. The texts are its row in docs/benchmarks.md, plain sentences of one
   line. */
struct workload {
    const char *name;
    const char *imitates; /* which programs do this, and what exactly is done */
    const char *why;      /* what an allocator is asked by it */
    const char *after;    /* where it is described */
    int n_threads;        /* if --threads does not tell; 0: the number is part of the workload */
    void (*run)(void);    /* the measured phase: ends with everything freed */
    void (*report)(void); /* prints lines of its own; may be NULL */
};
extern const struct workload workload;

/* One line of execution, also across several threads that follow each other. Fields are the running thread's
   own, but `live`. */
struct worker {
    _Alignas(CACHE_LINE_PAIR) struct rng rng;
    int64_t live; /* requested bytes; worker 0 reads all of them */
    uint64_t n_ops;
    uint64_t n_steps;
    uint64_t checksum;
    int index;
    pthread_t thread;
};
extern struct worker workers[MOST_THREADS];
extern int n_threads;

/* How many of `full` steps to make: all, or a part of them with --quick. */
uint64_t steps_of(uint64_t full);

/* Calls work for each of the first n workers, worker 0 on this thread; with n = 1 the process stays
   single-threaded. */
void run_workers(int n, void (*work)(struct worker *worker));
void start_thread(pthread_t *thread, void *(*body)(void *), void *argument);
void join_thread(pthread_t thread);

uint64_t now_ns(void);

/* A line of /proc/self/status ("VmRSS:", in KiB; "Threads:"). One thread at a time. */
long status_number(const char *name);

/* Looks at live bytes, and writes a sample if one is due. Only where worker 0 runs. */
void watch(void);

/* Ends the program: "status=failed: WHY", status 1. Any thread, any time. */
_Noreturn void fail(const char *why);

/* ---- blocks ---- */

static inline void count(struct worker *worker, int64_t bytes)
{
    __atomic_store_n(&worker->live, worker->live + bytes, __ATOMIC_RELAXED);
    worker->n_ops++;
}

static inline void *taken(struct worker *worker, void *block, size_t size)
{
    if (block == NULL) {
        fail("no memory");
    }
    count(worker, (int64_t)size);
    return block;
}

static inline void *take(struct worker *worker, size_t size)
{
    return taken(worker, malloc(size), size);
}

static inline void give(struct worker *worker, void *block, size_t size)
{
    count(worker, -(int64_t)size);
    free(block);
}

/* realloc of a block of `old` bytes; one operation. */
static inline void *resize(struct worker *worker, void *block, size_t old, size_t size)
{
    return taken(worker, realloc(block, size), size - old);
}

/* Once a step of a worker. */
static inline void step(struct worker *worker)
{
    if (++worker->n_steps % 256 == 0 && worker->index == 0) {
        watch();
    }
}

/* ---- stamps: the key of a block, known besides, in its first 8 bytes, and its complement in the last 8 --- */

static inline void stamp(void *block, size_t size, uint64_t key)
{
    uint64_t end = ~key;
    memcpy(block, &key, sizeof key);
    if (size >= 2 * sizeof key) {
        memcpy((char *)block + size - sizeof end, &end, sizeof end);
    }
}

/* Fails if the stamp is not there; adds what was read to the worker's checksum. */
static inline void check_stamp(struct worker *worker, const void *block, size_t size, uint64_t key)
{
    uint64_t start, end;
    memcpy(&start, block, sizeof start);
    end = ~start;
    if (size >= 2 * sizeof key) {
        memcpy(&end, (const char *)block + size - sizeof end, sizeof end);
    }
    if (start != key || end != ~key) {
        fail("a live block was overwritten");
    }
    worker->checksum += start;
}

/* A block and what must be in it; its size is a function of the key, which each workload has its own of. */
struct slot {
    void *block;
    uint64_t key;
};

static inline void fill_slot(struct worker *worker, struct slot *slot, uint64_t key, size_t size)
{
    slot->key = key;
    slot->block = take(worker, size);
    stamp(slot->block, size, key);
}

static inline void empty_slot(struct worker *worker, struct slot *slot, size_t size)
{
    if (slot->block != NULL) {
        check_stamp(worker, slot->block, size, slot->key);
        give(worker, slot->block, size);
        slot->block = NULL;
    }
}

#endif
