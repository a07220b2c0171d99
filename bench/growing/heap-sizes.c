/* SPDX-License-Identifier: MIT */
/*
 * heap-sizes.c - what replacing a block costs while 1 KiB is alive, 32 KiB, and so on up to 1 GiB.
 *
 * The heap grows from one size to the next with blocks of 16 to 1024 bytes. At each size random blocks are
 * looked at and written, and then as many are freed and allocated again. Large heaps are slower for the
 * program, too, as neither caches nor the translation of addresses hold them: how much so, the first loop
 * tells.
 *
 * Prints beside the figures of all workloads, for each size: look_BYTES_ns and replace_BYTES_ns, processor
 * time of a step of either loop.
 */
#include "../workloads/common.h"
#include <stdio.h>
#include <time.h>

enum { LEAST_LIVE = 1024, FACTOR = 32, N_SIZES = 5, MOST_SLOTS = 1 << 23, N_STEPS = 1000000 };

static const uint64_t most_live = (uint64_t)1024 * MIB;
static struct slot slots[MOST_SLOTS]; /* .bss: what is not used is not resident */
static uint32_t n_slots;
static struct {
    uint64_t live;
    double look_ns, replace_ns;
} found[N_SIZES];
static int n_found;

static size_t size_of(uint64_t key)
{
    return skewed(key, 16, 6);
}

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct slot *any_slot(struct worker *worker)
{
    return &slots[below(&worker->rng, n_slots)];
}

/* The stamp is written although it is there already. */
static void look(struct worker *worker)
{
    struct slot *slot = any_slot(worker);
    check_stamp(worker, slot->block, size_of(slot->key), slot->key);
    __asm__ volatile("" : : : "memory");
    stamp(slot->block, size_of(slot->key), slot->key);
}

static void replace(struct worker *worker)
{
    struct slot *slot = any_slot(worker);
    empty_slot(worker, slot, size_of(slot->key));
    uint64_t key = next_random(&worker->rng);
    fill_slot(worker, slot, key, size_of(key));
}

static double step_ns(struct worker *worker, void (*body)(struct worker *worker))
{
    uint64_t n_steps = steps_of(N_STEPS);
    double start = cpu_ns();
    for (uint64_t i = 0; i < n_steps; i++) {
        body(worker);
    }
    return (cpu_ns() - start) / (double)n_steps;
}

static void grow(struct worker *worker, uint64_t live)
{
    while (worker->live < (int64_t)live) {
        if (n_slots == MOST_SLOTS) {
            fail("too few slots for the blocks");
        }
        uint64_t key = next_random(&worker->rng);
        fill_slot(worker, &slots[n_slots++], key, size_of(key));
        step(worker);
    }
    watch();
}

static void run(void)
{
    struct worker *worker = &workers[0];
    for (uint64_t live = LEAST_LIVE; live <= steps_of(most_live); live *= FACTOR) {
        grow(worker, live);
        found[n_found].live = live;
        found[n_found].look_ns = step_ns(worker, look);
        found[n_found].replace_ns = step_ns(worker, replace);
        n_found++;
    }
    while (n_slots > 0) {
        struct slot *slot = &slots[--n_slots];
        empty_slot(worker, slot, size_of(slot->key));
    }
}

static void report(void)
{
    for (int i = 0; i < n_found; i++) {
        unsigned long long live = found[i].live;
        printf("look_%llu_ns=%.2f\nreplace_%llu_ns=%.2f\n", live, found[i].look_ns, live,
               found[i].replace_ns);
    }
}

const struct workload workload = {
    .name = "heap-sizes",
    .imitates = "A heap that grows from 1 KiB to 1 GiB of blocks of 16 to 1024 bytes; at each size random "
                "blocks are replaced",
    .why = "Does a call cost more where more is alive?",
    .after = "",
    .run = run,
    .report = report,
};
