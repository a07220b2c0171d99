/* SPDX-License-Identifier: MIT */
/*
 * cache.c - a cache that evicts, and whose values change their sizes over time.
 *
 * Entry, key and value of an item are blocks of their own, as in redis; the least recently used item goes
 * when the requested bytes are more than the cache may have. The sizes of values drift, as in the workloads
 * by which S. Rumble, A. Kejriwal and J. Ousterhout show in "Log-structured Memory for DRAM-based Storage",
 * FAST 2014, that allocators which cannot move blocks waste memory when sizes change.
 */
#include "common.h"

enum {
    BUDGET = 64 * MIB,
    N_BUCKETS = 1 << 16,
    KEY_BITS = 20,
    N_EPOCHS = 12,
    LEAST_VALUE = 24,
    MOST_VALUE = 4096
};

struct item {
    struct item *next;          /* in its bucket */
    struct item *newer, *older; /* by the last use; a ring with `lru` */
    char *name;                 /* the key as a text */
    void *value;
    uint32_t number, version;
    uint32_t value_size, name_size;
};

static struct item *buckets[N_BUCKETS];
static struct item lru = {.newer = &lru, .older = &lru};

/* Middle of the sizes in each epoch: up, down, up again. */
static const uint32_t sizes_of_epoch[N_EPOCHS] = {60, 90, 140, 220, 400, 800, 1600, 700, 300, 100, 50, 500};

static uint64_t key_of(const struct item *item)
{
    return mix((uint64_t)item->version << 32 | item->number);
}

static struct item **bucket_of(uint32_t number)
{
    return &buckets[mix(number) % N_BUCKETS];
}

/* ---- values and names ---- */

static void new_value(struct worker *worker, struct item *item, uint32_t middle)
{
    uint32_t size = middle / 2 + below(&worker->rng, middle);
    item->value_size = size < LEAST_VALUE ? LEAST_VALUE : size > MOST_VALUE ? MOST_VALUE : size;
    item->version++;
    item->value = take(worker, item->value_size);
    memset(item->value, (int)(item->number % 256), item->value_size);
    stamp(item->value, item->value_size, key_of(item));
}

static void drop_value(struct worker *worker, struct item *item)
{
    check_stamp(worker, item->value, item->value_size, key_of(item));
    give(worker, item->value, item->value_size);
}

static void new_name(struct worker *worker, struct item *item)
{
    item->name_size = 12 + item->number % 40;
    item->name = take(worker, item->name_size);
    memset(item->name, 'a' + (int)(item->number % 26), item->name_size);
    stamp(item->name, item->name_size, item->number);
}

/* ---- the ring of last uses, and the table ---- */

static void unlink_use(struct item *item)
{
    item->newer->older = item->older;
    item->older->newer = item->newer;
}

static void link_use(struct item *item)
{
    item->older = lru.older;
    item->newer = &lru;
    lru.older->newer = item;
    lru.older = item;
}

static void evict(struct worker *worker)
{
    struct item *item = lru.newer;
    struct item **link = bucket_of(item->number);
    while (*link != item) {
        if (*link == NULL) {
            fail("an item is not in its bucket");
        }
        link = &(*link)->next;
    }
    *link = item->next;
    unlink_use(item);
    drop_value(worker, item);
    check_stamp(worker, item->name, item->name_size, item->number);
    give(worker, item->name, item->name_size);
    give(worker, item, sizeof *item);
}

static void insert(struct worker *worker, uint32_t number, uint32_t middle)
{
    struct item **bucket = bucket_of(number);
    struct item *item = take(worker, sizeof *item);
    *item = (struct item){.next = *bucket, .number = number};
    new_name(worker, item);
    new_value(worker, item, middle);
    *bucket = item;
    link_use(item);
    while (worker->live > BUDGET) {
        evict(worker);
    }
}

/* A hit in four writes a new value. */
static void use(struct worker *worker, struct item *item, uint32_t middle)
{
    unlink_use(item);
    link_use(item);
    check_stamp(worker, item->value, item->value_size, key_of(item));
    if (below(&worker->rng, 4) == 0) {
        drop_value(worker, item);
        new_value(worker, item, middle);
    }
}

static struct item *find(uint32_t number)
{
    struct item *item = *bucket_of(number);
    while (item != NULL && item->number != number) {
        item = item->next;
    }
    return item;
}

/* Which key: the n-th with a probability of about 1/n, and the popular ones change slowly. */
static uint32_t draw_key(struct worker *worker, uint64_t at)
{
    uint64_t random = next_random(&worker->rng);
    uint32_t most = 1u << scale((uint32_t)random, KEY_BITS + 1);
    return (scale((uint32_t)(random >> 32), most) + (uint32_t)(at / 64)) % (1u << KEY_BITS);
}

static void run(void)
{
    struct worker *worker = &workers[0];
    uint64_t n_steps = steps_of(8000000);
    for (uint64_t at = 0; at < n_steps; at++) {
        uint32_t middle = sizes_of_epoch[at * N_EPOCHS / n_steps];
        uint32_t number = draw_key(worker, at);
        struct item *item = find(number);
        if (item != NULL) {
            use(worker, item, middle);
        } else {
            insert(worker, number, middle);
        }
        step(worker);
    }
    while (lru.newer != &lru) {
        evict(worker);
    }
}

const struct workload workload = {
    .name = "cache",
    .imitates = "A cache of 64 MiB with eviction by last use, for keys of uneven popularity; the sizes of "
                "its values drift from 60 to 1600 bytes and back",
    .why = "Fragmentation over a long life: memory that was cut for the sizes of one time must serve those "
           "of another",
    .after = "Rumble, Kejriwal and Ousterhout, Log-structured Memory for DRAM-based Storage, FAST 2014",
    .run = run,
};
