/* SPDX-License-Identifier: MIT */
/*
 * false-active.c - does the allocator give parts of one cache line to several threads?
 *
 * After the program that Berger and others call cache-thrash in the paper on Hoard, ASPLOS 2000: each thread
 * allocates an object of eight bytes, writes it many times, frees it, again and again.
 */
#include "scratch.h"

static uint64_t objects_of_a_worker;

static void work(struct worker *worker)
{
    for (uint64_t i = 0; i < objects_of_a_worker; i++) {
        scratch_new(worker);
    }
}

static void run(void)
{
    objects_of_a_worker = steps_of(20000000) / (uint64_t)n_threads;
    run_workers(n_threads, work);
}

const struct workload workload = {
    .name = "false-active",
    .imitates = "Threads that allocate an object of 8 bytes, write it 200 times and free it, again and again",
    .why = "Objects of two threads in one cache line take it away from each other at each write",
    .after = "Berger and others, Hoard, ASPLOS 2000: cache-thrash",
    .n_threads = 2,
    .run = run,
};
