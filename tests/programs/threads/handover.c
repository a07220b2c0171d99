/* SPDX-License-Identifier: MIT */
/*
 * handover.c - blocks are freed by other threads than those that allocated them: from producers to consumers,
 * all frees remote; around a ring; through a table of random slots; frees and reallocs mixed.
 */
#include "crew.h"

enum { N_PAIRS = 2, N_RING = 4, N_MIXERS = 4, N_SLOTS = 1024 };

static size_t scale;

/* ---- producer to consumer ---- */

static struct queue lanes[N_PAIRS];

static void *produce(void *argument)
{
    size_t lane = (size_t)(uintptr_t)argument;
    struct rng rng = {.state = 100 + lane};
    for (size_t i = 0; i < 20000 * scale; i++)
        queue_put(&lanes[lane], item_new(&rng, i));
    queue_put(&lanes[lane], (struct item){.block = NULL});
    return NULL;
}

static void *consume(void *argument)
{
    size_t lane = (size_t)(uintptr_t)argument;
    for (;;) {
        struct item item = queue_take(&lanes[lane]);
        if (item.block == NULL)
            return NULL;
        item_end(item);
    }
}

static void run_producers(void)
{
    pthread_t threads[2 * N_PAIRS];
    for (size_t i = 0; i < N_PAIRS; i++) {
        queue_init(&lanes[i]);
        threads[2 * i] = crew_start(produce, (void *)(uintptr_t)i);
        threads[2 * i + 1] = crew_start(consume, (void *)(uintptr_t)i);
    }
    for (size_t i = 0; i < 2 * N_PAIRS; i++)
        crew_join(threads[i]);
}

/* ---- ring: each thread frees what its left neighbour made, and hands on what it makes itself ---- */

static struct queue ring[N_RING];

static void *ring_member(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument;
    struct rng rng = {.state = 200 + self};
    enum { AHEAD = 100 };
    for (size_t i = 0; i < AHEAD; i++)
        queue_put(&ring[(self + 1) % N_RING], item_new(&rng, i));
    for (size_t i = 0; i < 10000 * scale; i++) {
        struct item item = queue_take(&ring[self]);
        EXPECT_STAMP(item.block, item.n_bytes, item.id);
        if (i % 3 == 0) { /* grow or shrink what came, and hand that on */
            size_t n_bytes = rng_size(&rng);
            void *moved = api_realloc(item.block, n_bytes);
            REQUIRE(moved != NULL);
            EXPECT_STAMP(moved, n_bytes < item.n_bytes ? n_bytes : item.n_bytes, item.id);
            stamp_fill(moved, n_bytes, i);
            item = (struct item){.block = moved, .n_bytes = n_bytes, .id = i};
        } else {
            api_free(item.block);
            item = item_new(&rng, i);
        }
        queue_put(&ring[(self + 1) % N_RING], item);
    }
    for (size_t i = 0; i < AHEAD; i++)
        item_end(queue_take(&ring[self]));
    return NULL;
}

static void run_ring(void)
{
    pthread_t threads[N_RING];
    for (size_t i = 0; i < N_RING; i++)
        queue_init(&ring[i]);
    for (size_t i = 0; i < N_RING; i++)
        threads[i] = crew_start(ring_member, (void *)(uintptr_t)i);
    for (size_t i = 0; i < N_RING; i++)
        crew_join(threads[i]);
}

/* ---- random slots ---- */

static struct item slots[N_SLOTS];
static pthread_mutex_t slot_locks[N_SLOTS];

static void *mix(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument;
    struct rng rng = {.state = 300 + self};
    for (size_t i = 0; i < 40000 * scale; i++) {
        size_t slot = rng_between(&rng, 0, N_SLOTS - 1);
        struct item mine = item_new(&rng, i * N_MIXERS + self);
        pthread_mutex_lock(&slot_locks[slot]);
        struct item found = slots[slot];
        slots[slot] = mine;
        pthread_mutex_unlock(&slot_locks[slot]);
        if (found.block != NULL)
            item_end(found);
    }
    return NULL;
}

static void run_mixers(void)
{
    for (size_t i = 0; i < N_SLOTS; i++)
        pthread_mutex_init(&slot_locks[i], NULL);
    pthread_t threads[N_MIXERS];
    for (size_t i = 0; i < N_MIXERS; i++)
        threads[i] = crew_start(mix, (void *)(uintptr_t)i);
    for (size_t i = 0; i < N_MIXERS; i++)
        crew_join(threads[i]);
    for (size_t i = 0; i < N_SLOTS; i++)
        if (slots[i].block != NULL)
            item_end(slots[i]);
}

int main(int argc, char **argv)
{
    watchdog_start(240);
    api_assert_served();
    scale = scale_argument(argc, argv, 1);
    size_t before = api_mallinfo2().uordblks;
    run_producers();
    run_ring();
    run_mixers();
    if (!api_on_glibc())
        expect_returned(before, 256 * KIB);
    return expect_result();
}
