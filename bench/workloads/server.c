/* SPDX-License-Identifier: MIT */
/*
 * server.c - threads of a server that die and hand their objects to a successor.
 *
 * After the benchmark that P. Larson and M. Krishnan describe in "Memory Allocation for Long-Running Server
 * Applications", ISMM 1998: each of several lines of threads has an array of blocks of random sizes; a thread
 * replaces random ones of them for a while, then starts a thread that goes on with the array, and ends.
 */
#include "common.h"
#include <semaphore.h>

enum { N_BLOCKS = 5000, LEAST_BYTES = 8, MOST_BYTES = 1000, STEPS_OF_A_LIFE = 40000 };

/* Of each worker. A life joins the one before it at its end, so that they overlap as a server's do. */
static struct line {
    struct slot slots[N_BLOCKS];
    pthread_t predecessor;
    uint64_t n_lives;
} lines[MOST_THREADS];
static sem_t finished;
static uint64_t lives_of_a_line;

static size_t size_of(uint64_t key)
{
    return LEAST_BYTES + scale((uint32_t)key, MOST_BYTES - LEAST_BYTES + 1);
}

static void replace(struct worker *worker, struct slot *slot)
{
    uint64_t key = next_random(&worker->rng);
    empty_slot(worker, slot, size_of(slot->key));
    fill_slot(worker, slot, key, size_of(key));
    step(worker);
}

static void *live(void *argument)
{
    struct worker *worker = argument;
    struct line *line = &lines[worker->index];
    pthread_t predecessor = line->predecessor;
    bool is_first = line->n_lives++ == 0;
    for (int i = 0; is_first && i < N_BLOCKS; i++) {
        replace(worker, &line->slots[i]);
    }
    for (int i = 0; i < STEPS_OF_A_LIFE; i++) {
        replace(worker, &line->slots[below(&worker->rng, N_BLOCKS)]);
    }
    if (!is_first) {
        join_thread(predecessor);
    }
    line->predecessor = pthread_self();
    if (line->n_lives < lives_of_a_line) {
        pthread_t successor;
        start_thread(&successor, live, worker);
        return NULL; /* the line belongs to the successor */
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        empty_slot(worker, &line->slots[i], size_of(line->slots[i].key));
    }
    sem_post(&finished);
    return NULL;
}

static void run(void)
{
    lives_of_a_line = steps_of(1000) / (uint64_t)n_threads + 1;
    sem_init(&finished, 0, 0);
    for (int i = 0; i < n_threads; i++) {
        start_thread(&workers[i].thread, live, &workers[i]);
    }
    for (int i = 0; i < n_threads; i++) {
        while (sem_wait(&finished) != 0) {
        }
    }
    for (int i = 0; i < n_threads; i++) {
        join_thread(lines[i].predecessor);
    }
}

const struct workload workload = {
    .name = "server",
    .imitates = "A server whose threads replace random objects of 8 to 1000 bytes, then hand all of them to "
                "a new thread and end",
    .why = "Blocks outlive the thread that allocated them: the memory of dead threads must go on being used, "
           "and frees of other "
           "threads' blocks must be cheap",
    .after = "Larson and Krishnan, Memory Allocation for Long-Running Server Applications, ISMM 1998",
    .n_threads = 4,
    .run = run,
};
