/* SPDX-License-Identifier: MIT */
/*
 * false-passive.c - does the allocator give a line again that other threads have parts of?
 *
 * After the program that Berger and others call cache-scratch in the paper on Hoard, ASPLOS 2000: one thread
 * allocates neighbouring objects and hands one to each of the others. They write and free theirs, and go on
 * with objects of their own, for which an allocator that reuses what was just freed takes the pieces of the
 * shared line. Here that is repeated with new threads each time.
 */
#include "scratch.h"

static uint64_t *handed_over[MOST_THREADS];
static uint64_t objects_of_a_life;

static void work(struct worker *worker)
{
    uint64_t *object = handed_over[worker->index];
    scratch(worker, object, (uint64_t)worker->index);
    give(worker, object, SCRATCH_BYTES);
    for (uint64_t i = 0; i < objects_of_a_life; i++) {
        scratch_new(worker);
    }
}

static void run(void)
{
    const uint64_t n_rounds = 50;
    objects_of_a_life = steps_of(20000000) / n_rounds / (uint64_t)n_threads;
    for (uint64_t round = 0; round < n_rounds; round++) {
        for (int i = 0; i < n_threads; i++) {
            handed_over[i] = take(&workers[0], SCRATCH_BYTES);
        }
        run_workers(n_threads, work);
    }
}

const struct workload workload = {
    .name = "false-passive",
    .imitates = "The same with objects that one thread allocated side by side and handed to each of the "
                "others to free",
    .why = "An allocator that gives a thread the piece of a line again that it freed keeps the line shared "
           "for ever",
    .after = "Berger and others, Hoard, ASPLOS 2000: cache-scratch",
    .n_threads = 2,
    .run = run,
};
