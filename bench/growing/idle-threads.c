/* SPDX-License-Identifier: MIT */
/*
 * idle-threads.c - what the allocator keeps for each of 10,000 threads that allocate one block.
 *
 * Twice, as many threads as the machine lets there be, but 10,000 at most, are started and wait for each other:
 * the first time without a call, the second time after one malloc(64). What the resident memory is more the
 * second time is the allocator's: while the threads wait, when they have ended and their blocks live, and
 * when these are freed, too. Stacks are written as deep both times, so that they are not in it.
 *
 * Prints beside the figures of all workloads: idle_threads, and bytes a thread: waiting_bytes, ended_bytes,
 * freed_bytes.
 */
#include "../workloads/common.h"
#include <stdio.h>

enum {
    MOST_STARTED = 10000,
    LEAST_STARTED = 100,
    BLOCK_BYTES = 64,
    STACK_BYTES = 128 * 1024,
    WRITTEN_BYTES = 32 * 1024
};

static struct slot slots[MOST_STARTED];
static pthread_t threads[MOST_STARTED];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_wait = PTHREAD_COND_INITIALIZER, end = PTHREAD_COND_INITIALIZER;
static int n_started, n_waiting;
static bool may_end;
static long waiting_bytes, ended_bytes, freed_bytes;

__attribute__((noinline)) static void write_stack(void)
{
    char bytes[WRITTEN_BYTES];
    memset(bytes, 1, sizeof bytes);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

static void wait_for_end(void)
{
    pthread_mutex_lock(&mutex);
    n_waiting++;
    pthread_cond_signal(&all_wait);
    while (!may_end) {
        pthread_cond_wait(&end, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

static void *be_idle(void *unused)
{
    write_stack();
    wait_for_end();
    return unused;
}

static void *allocate_once(void *argument)
{
    struct slot *slot = argument;
    write_stack();
    slot->block = malloc(BLOCK_BYTES);
    if (slot->block == NULL) {
        fail("no memory");
    }
    stamp(slot->block, BLOCK_BYTES, slot->key);
    wait_for_end();
    return NULL;
}

/* Starts threads until there are n or no more can be started. */
static void start_all(void *(*body)(void *), int n)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    n_started = n_waiting = 0;
    may_end = false;
    while (n_started < n && pthread_create(&threads[n_started], &attributes, body, &slots[n_started]) == 0) {
        n_started++;
    }
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&mutex);
    while (n_waiting < n_started) {
        pthread_cond_wait(&all_wait, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

static void end_all(void)
{
    pthread_mutex_lock(&mutex);
    may_end = true;
    pthread_cond_broadcast(&end);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < n_started; i++) {
        join_thread(threads[i]);
    }
}

static long rss_bytes(void)
{
    return status_number("VmRSS:") * 1024;
}

static void free_all(struct worker *worker)
{
    for (int i = 0; i < n_started; i++) {
        count(worker, BLOCK_BYTES);
        empty_slot(worker, &slots[i], BLOCK_BYTES);
    }
}

static void run(void)
{
    for (int i = 0; i < MOST_STARTED; i++) {
        slots[i].key = next_random(&workers[0].rng);
    }
    start_all(be_idle, MOST_STARTED);
    int n = n_started;
    long waiting = rss_bytes();
    end_all();
    long ended = rss_bytes();
    start_all(allocate_once, n);
    if (n_started < n || n < LEAST_STARTED) {
        fail("too few threads can be started");
    }
    waiting_bytes = (rss_bytes() - waiting) / n;
    end_all();
    ended_bytes = (rss_bytes() - ended) / n;
    free_all(&workers[0]);
    freed_bytes = (rss_bytes() - ended) / n;
}

static void report(void)
{
    printf("idle_threads=%d\nwaiting_bytes=%ld\nended_bytes=%ld\nfreed_bytes=%ld\n", n_started, waiting_bytes,
           ended_bytes, freed_bytes);
}

const struct workload workload = {
    .name = "idle-threads",
    .imitates = "10,000 threads that allocate one block each, wait, and end",
    .why = "What does the allocator keep for a thread, and what is left of it?",
    .after = "",
    .run = run,
    .report = report,
};
