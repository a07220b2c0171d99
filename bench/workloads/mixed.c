/* SPDX-License-Identifier: MIT */
/*
 * mixed.c - all functions over sizes of 16 bytes to 1 MiB, and how long each single call takes.
 *
 * Most blocks are small and few are large, as Z. Zhou and others report of the programs of a data centre in
 * "Characterizing a Memory Allocator at Warehouse Scale", ASPLOS 2024. Each thread replaces random blocks of
 * its own. Each call is measured by the clock; what the clock itself takes is in the figures, and printed
 * beside them. One block in eight comes from malloc(64): these calls are also counted by themselves, as one
 * call that is always the same tells more of its slow moments than a mixture does.
 */
#include "common.h"
#include "latency.h"
#include <stdio.h>

enum {
    N_BLOCKS = 20000,
    LEAST_BYTES = 16,
    SMALL_DOUBLINGS = 6,
    MIDDLE_DOUBLINGS = 5,
    LARGE_DOUBLINGS = 5,
    ALIGNMENT = 64,
    SAME_BYTES = 64
};

enum kind { MALLOC, CALLOC, ALIGNED };

static struct slot slots[MOST_THREADS][N_BLOCKS];
static struct latencies allocations[MOST_THREADS], same[MOST_THREADS], frees[MOST_THREADS];
static uint64_t steps_of_a_worker;

static bool is_same(uint64_t key)
{
    return key % 8 == 1;
}

/* One in 32 is of 1 to 32 KiB, one in 1024 of 32 KiB to 1 MiB, one in 8 of SAME_BYTES. */
static size_t size_of(uint64_t key)
{
    if (is_same(key)) {
        return SAME_BYTES;
    }
    uint32_t kind = (uint32_t)key % 1024;
    uint64_t random = mix(key);
    if (kind == 0) {
        return skewed(random, LEAST_BYTES << (SMALL_DOUBLINGS + MIDDLE_DOUBLINGS), LARGE_DOUBLINGS);
    }
    return kind % 32 == 0 ? skewed(random, LEAST_BYTES << SMALL_DOUBLINGS, MIDDLE_DOUBLINGS)
                          : skewed(random, LEAST_BYTES, SMALL_DOUBLINGS);
}

static enum kind kind_of(uint64_t key)
{
    uint32_t percent = scale((uint32_t)(key >> 32), 100);
    return percent < 90 || is_same(key) ? MALLOC : percent < 97 ? CALLOC : ALIGNED;
}

static void *allocate(uint64_t key, size_t size)
{
    void *block;
    switch (kind_of(key)) {
    case MALLOC:
        return malloc(size);
    case CALLOC:
        return calloc(1, size);
    default:
        return posix_memalign(&block, ALIGNMENT, size) == 0 ? block : NULL;
    }
}

/* What the functions promise besides. */
static void check_fresh(const struct slot *slot, size_t size)
{
    enum kind kind = kind_of(slot->key);
    if (kind == ALIGNED && (uintptr_t)slot->block % ALIGNMENT != 0) {
        fail("an aligned block is not aligned");
    }
    const char *bytes = slot->block;
    if (kind == CALLOC && (bytes[0] != 0 || memcmp(bytes, bytes + 1, size - 1) != 0)) {
        fail("calloc returned memory that is not zero");
    }
}

static void release(struct worker *worker, struct slot *slot)
{
    if (slot->block != NULL) {
        size_t size = size_of(slot->key);
        check_stamp(worker, slot->block, size, slot->key);
        uint64_t start = now_ns();
        give(worker, slot->block, size);
        note_latency(&frees[worker->index], now_ns() - start);
        slot->block = NULL;
    }
}

static void replace(struct worker *worker, struct slot *slot)
{
    release(worker, slot);
    slot->key = next_random(&worker->rng);
    size_t size = size_of(slot->key);
    uint64_t start = now_ns();
    void *block = allocate(slot->key, size);
    uint64_t spent = now_ns() - start;
    note_latency(&allocations[worker->index], spent);
    if (is_same(slot->key)) {
        note_latency(&same[worker->index], spent);
    }
    slot->block = taken(worker, block, size);
    check_fresh(slot, size);
    stamp(block, size, slot->key);
    step(worker);
}

static void work(struct worker *worker)
{
    struct slot *mine = slots[worker->index];
    for (uint64_t i = 0; i < steps_of_a_worker; i++) {
        replace(worker, &mine[below(&worker->rng, N_BLOCKS)]);
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        release(worker, &mine[i]);
    }
}

static void run(void)
{
    steps_of_a_worker = steps_of(6000000) / (uint64_t)n_threads;
    run_workers(n_threads, work);
}

static void report(void)
{
    for (int i = 1; i < n_threads; i++) {
        add_latencies(&allocations[0], &allocations[i]);
        add_latencies(&same[0], &same[i]);
        add_latencies(&frees[0], &frees[i]);
    }
    print_latencies("malloc", &allocations[0]);
    print_latencies("malloc64", &same[0]);
    print_latencies("free", &frees[0]);
    printf("clock_ns=%llu\n", (unsigned long long)clock_price_ns());
}

const struct workload workload = {
    .name = "mixed",
    .imitates = "Random replacement of blocks of 16 bytes to 1 MiB, most of them small, by malloc, calloc "
                "and posix_memalign, one in eight by malloc(64), two threads; each call timed",
    .why = "The slowest calls: what users wait for is the percentile, not the mean",
    .after = "Zhou and others, Characterizing a Memory Allocator at Warehouse Scale, ASPLOS 2024",
    .n_threads = 2,
    .run = run,
    .report = report,
};
