/* SPDX-License-Identifier: MIT */
/* crew.h - what the threads suite shares: starting and joining threads, and a bounded queue of stamped
   blocks. */
#ifndef VMALLOC_TESTS_PROGRAMS_THREADS_CREW_H
#define VMALLOC_TESTS_PROGRAMS_THREADS_CREW_H

#include <pthread.h>

#include "api.h"
#include "tools.h"

struct item {
    void *block;
    size_t n_bytes;
    uint64_t id;
};

/* A stamped block of random size. */
static inline struct item item_new(struct rng *rng, uint64_t id)
{
    struct item item = {.n_bytes = rng_size(rng), .id = id};
    item.block = api_malloc(item.n_bytes);
    REQUIRE(item.block != NULL);
    stamp_fill(item.block, item.n_bytes, id);
    return item;
}

/* Checks the content and frees. */
static inline void item_end(struct item item)
{
    EXPECT_STAMP(item.block, item.n_bytes, item.id);
    api_free(item.block);
}

enum { QUEUE_LENGTH = 256 };

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct item items[QUEUE_LENGTH];
    size_t n_items, first;
};

#define QUEUE_INITIAL                                                                                        \
    {                                                                                                        \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                               \
    }

static inline void queue_init(struct queue *queue)
{
    *queue = (struct queue)QUEUE_INITIAL;
}

static inline void queue_put(struct queue *queue, struct item item)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->n_items == QUEUE_LENGTH)
        pthread_cond_wait(&queue->changed, &queue->lock);
    queue->items[(queue->first + queue->n_items++) % QUEUE_LENGTH] = item;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static inline struct item queue_take(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->n_items == 0)
        pthread_cond_wait(&queue->changed, &queue->lock);
    struct item item = queue->items[queue->first];
    queue->first = (queue->first + 1) % QUEUE_LENGTH;
    queue->n_items--;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return item;
}

static inline pthread_t crew_start(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    int result = pthread_create(&thread, NULL, run, argument);
    if (result != 0) {
        expect_say("pthread_create: %s\n", strerror(result));
        _exit(1);
    }
    return thread;
}

static inline void *crew_join(pthread_t thread)
{
    void *result = NULL;
    REQUIRE(pthread_join(thread, &result) == 0);
    return result;
}

/* Nothing of the test is left in the heap: what is in use is at most `most` more than before. */
static inline void expect_returned(size_t before, size_t most)
{
    size_t now = api_mallinfo2().uordblks;
    EXPECT_NOTE(now <= before + most, "in use at the start %zu, now %zu", before, now);
}

#endif
