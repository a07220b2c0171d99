/* SPDX-License-Identifier: MIT */
/*
 * large.c - blocks of 1 to 32 MiB that come and go.
 *
 * Buffers of images, matrices and columns: what the test of large objects in the collection mimalloc-bench
 * measures with blocks of 5 to 25 MiB. A few are alive at a time; each is written all over, one word a page;
 * one in four becomes longer or shorter before it goes.
 */
#include "common.h"

enum { N_BLOCKS = 8, N_DOUBLINGS = 5, PAGE = 4096 };

static struct slot slots[N_BLOCKS];

static size_t size_of(uint64_t key)
{
    return skewed(key, MIB, N_DOUBLINGS);
}

/* Writes the pages from `from` on, each with a word of its own. */
static void write_pages(char *block, size_t from, size_t size, uint64_t key)
{
    for (size_t at = from; at < size; at += PAGE) {
        uint64_t word = key + at;
        memcpy(block + at, &word, sizeof word);
    }
}

static void check_pages(struct worker *worker, const char *block, size_t size, uint64_t key)
{
    for (size_t at = 0; at < size; at += PAGE) {
        uint64_t word;
        memcpy(&word, block + at, sizeof word);
        if (word != key + at) {
            fail("a large block was overwritten");
        }
        worker->checksum += word;
    }
}

static size_t pages_of(size_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

/* What was written stays through realloc; the rest is written. Sizes end where a page does. */
static size_t change_size(struct worker *worker, struct slot *slot, size_t size)
{
    size_t changed = pages_of(size_of(next_random(&worker->rng)));
    slot->block = resize(worker, slot->block, size, changed);
    write_pages(slot->block, size, changed, slot->key);
    return changed;
}

static void release(struct worker *worker, struct slot *slot, size_t size)
{
    check_pages(worker, slot->block, size, slot->key);
    give(worker, slot->block, size);
    slot->block = NULL;
}

static void run(void)
{
    static size_t sizes[N_BLOCKS];
    struct worker *worker = &workers[0];
    for (uint64_t n = steps_of(1800); n > 0; n--) {
        uint32_t index = below(&worker->rng, N_BLOCKS);
        struct slot *slot = &slots[index];
        if (slot->block != NULL && below(&worker->rng, 4) == 0) {
            sizes[index] = change_size(worker, slot, sizes[index]);
        } else {
            if (slot->block != NULL) {
                release(worker, slot, sizes[index]);
            }
            slot->key = next_random(&worker->rng);
            sizes[index] = pages_of(size_of(slot->key));
            slot->block = take(worker, sizes[index]);
            write_pages(slot->block, 0, sizes[index], slot->key);
        }
        watch();
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        if (slots[i].block != NULL) {
            release(worker, &slots[i], sizes[i]);
        }
    }
}

const struct workload workload = {
    .name = "large",
    .imitates = "Buffers of 1 to 32 MiB, eight at a time, written page by page; one step in four makes one "
                "longer or shorter",
    .why = "To map and unmap each time costs page faults, to keep what was freed costs memory; realloc "
           "should move pages, not bytes",
    .after = "mimalloc-bench, its test of large objects",
    .run = run,
};
