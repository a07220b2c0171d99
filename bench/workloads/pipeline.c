/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - producers allocate all messages, consumers free all of them.
 *
 * The pattern of which E. Berger, K. McKinley, R. Blumofe and P. Wilson show in "Hoard: A Scalable Memory
 * Allocator for Multithreaded Applications", ASPLOS 2000, that it makes memory grow without a bound in some
 * allocators. Half of the threads produce. A consumer has a queue of batches with room for a few; it keeps
 * messages for a while, as a program does that sorts or waits, and frees them in another order than they
 * came.
 */
#include "common.h"

enum { BATCH = 64, QUEUE_BATCHES = 16, KEPT = 8192, LEAST_BYTES = 16, N_DOUBLINGS = 6 };

/* An empty one is a producer's last. */
struct batch {
    struct slot messages[BATCH];
    uint32_t n_messages;
};

static struct queue {
    pthread_mutex_t lock;
    pthread_cond_t may_put, may_get;
    struct batch batches[QUEUE_BATCHES];
    uint32_t n_put, n_got;
    struct slot kept[KEPT];
} queues[MOST_THREADS / 2];
static int n_pairs;
static uint64_t batches_of_a_producer;

static size_t size_of(uint64_t key)
{
    return skewed(key, LEAST_BYTES, N_DOUBLINGS);
}

static void put(struct queue *queue, const struct batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->n_put - queue->n_got == QUEUE_BATCHES) {
        pthread_cond_wait(&queue->may_put, &queue->lock);
    }
    queue->batches[queue->n_put++ % QUEUE_BATCHES] = *batch;
    pthread_cond_signal(&queue->may_get);
    pthread_mutex_unlock(&queue->lock);
}

static void get(struct queue *queue, struct batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->n_put == queue->n_got) {
        pthread_cond_wait(&queue->may_get, &queue->lock);
    }
    *batch = queue->batches[queue->n_got++ % QUEUE_BATCHES];
    pthread_cond_signal(&queue->may_put);
    pthread_mutex_unlock(&queue->lock);
}

static void produce(struct worker *worker)
{
    struct batch batch = {.n_messages = BATCH};
    for (uint64_t n = 0; n < batches_of_a_producer; n++) {
        for (int i = 0; i < BATCH; i++) {
            uint64_t key = next_random(&worker->rng);
            fill_slot(worker, &batch.messages[i], key, size_of(key));
            step(worker);
        }
        put(&queues[(n + (uint64_t)worker->index) % (uint64_t)n_pairs], &batch);
    }
    batch.n_messages = 0;
    for (int i = 0; i < n_pairs; i++) {
        put(&queues[i], &batch);
    }
}

static void free_message(struct worker *worker, struct slot *slot)
{
    empty_slot(worker, slot, size_of(slot->key));
}

static void consume(struct worker *worker)
{
    struct queue *queue = &queues[worker->index - n_pairs];
    struct batch batch;
    for (int n_producers = n_pairs; n_producers > 0;) {
        get(queue, &batch);
        for (uint32_t i = 0; i < batch.n_messages; i++) {
            struct slot *kept = &queue->kept[below(&worker->rng, KEPT)];
            free_message(worker, kept);
            *kept = batch.messages[i];
        }
        n_producers -= batch.n_messages == 0;
    }
    for (int i = 0; i < KEPT; i++) {
        free_message(worker, &queue->kept[i]);
    }
}

static void work(struct worker *worker)
{
    if (worker->index < n_pairs) {
        produce(worker);
    } else {
        consume(worker);
    }
}

static void run(void)
{
    n_pairs = (n_threads + 1) / 2;
    batches_of_a_producer = steps_of(250000) / (uint64_t)n_pairs;
    for (int i = 0; i < n_pairs; i++) {
        pthread_mutex_init(&queues[i].lock, NULL);
        pthread_cond_init(&queues[i].may_put, NULL);
        pthread_cond_init(&queues[i].may_get, NULL);
    }
    run_workers(2 * n_pairs, work);
}

const struct workload workload = {
    .name = "pipeline",
    .imitates = "Producers that allocate messages of 16 to 1024 bytes and consumers that keep them for a "
                "while and free them; an odd "
                "number of threads is one more",
    .why = "All frees are remote: they must reach the owner in batches, and no thread may pile up what it "
           "will never allocate",
    .after = "Berger, McKinley, Blumofe and Wilson, Hoard: A Scalable Memory Allocator for Multithreaded "
             "Applications, ASPLOS 2000",
    .n_threads = 4,
    .run = run,
};
