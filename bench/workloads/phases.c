/* SPDX-License-Identifier: MIT */
/*
 * phases.c - grow, shrink to a tenth, grow with other sizes.
 *
 * The ramps and plateaus of which P. Wilson, M. Johnstone, M. Neely and D. Boles write in "Dynamic Storage
 * Allocation: A Survey and Critical Review", IWMM 1995: what survives a phase lies scattered over the memory,
 * and the next phase asks for sizes that do not fit between. What an allocator needs above the live bytes is
 * the cost of external fragmentation.
 */
#include "common.h"

enum { MOST_BLOCKS = 1 << 20, LIVE_BYTES = 64 * MIB, SURVIVORS = 10 };

/* The sizes of the phases: each range is unlike the one before. Least and most requested bytes. */
static const struct range {
    uint32_t least, most;
} ranges[] = {{48, 112},    {130, 400}, {500, 3000},    {40, 160},
              {1100, 9000}, {180, 260}, {10000, 40000}, {64, 512}};
enum { N_RANGES = sizeof ranges / sizeof ranges[0] };

/* A block's key is its place and its phase: eight bytes and one a block, so that the arrays are little beside
   the blocks. */
static void *blocks[MOST_BLOCKS];
static uint8_t phases[MOST_BLOCKS];

static uint64_t key_of(uint32_t place)
{
    return mix((uint64_t)phases[place] << 32 | place);
}

static size_t size_of(uint32_t place)
{
    const struct range *range = &ranges[phases[place] % N_RANGES];
    return range->least + scale((uint32_t)key_of(place), range->most - range->least + 1);
}

static void fill(struct worker *worker, uint32_t place, uint8_t phase)
{
    phases[place] = phase;
    size_t size = size_of(place);
    blocks[place] = take(worker, size);
    memset(blocks[place], phase, size);
    stamp(blocks[place], size, key_of(place));
    step(worker);
}

static void empty(struct worker *worker, uint32_t place)
{
    size_t size = size_of(place);
    check_stamp(worker, blocks[place], size, key_of(place));
    give(worker, blocks[place], size);
    blocks[place] = NULL;
    step(worker);
}

/* The places in an order that is not that of their allocation: an odd factor runs through all of them. */
static uint32_t scattered(uint32_t index)
{
    return index * 2654435761u % MOST_BLOCKS;
}

static void shrink(struct worker *worker, uint32_t keep_one_of)
{
    for (uint32_t i = 0; i < MOST_BLOCKS; i++) {
        uint32_t place = scattered(i);
        if (blocks[place] != NULL && (keep_one_of == 0 || below(&worker->rng, keep_one_of) != 0)) {
            empty(worker, place);
        }
    }
    watch();
}

static void grow(struct worker *worker, uint8_t phase)
{
    for (uint32_t place = 0; place < MOST_BLOCKS && worker->live < LIVE_BYTES; place++) {
        if (blocks[place] == NULL) {
            fill(worker, place, phase);
        }
    }
    if (worker->live < LIVE_BYTES) {
        fail("too few places for the blocks of a phase");
    }
    watch();
}

static void run(void)
{
    uint64_t n_phases = steps_of(3 * N_RANGES);
    for (uint64_t phase = 0; phase < n_phases; phase++) {
        grow(&workers[0], (uint8_t)phase);
        shrink(&workers[0], SURVIVORS);
    }
    shrink(&workers[0], 0);
}

const struct workload workload = {
    .name = "phases",
    .imitates = "A program with phases: it grows to 64 MiB, frees nine blocks of ten in a scattered order, "
                "and grows again with other sizes",
    .why = "External fragmentation: what the survivors of a phase cost that lie between free blocks of the "
           "wrong sizes",
    .after = "Wilson, Johnstone, Neely and Boles, Dynamic Storage Allocation: A Survey and Critical Review, "
             "IWMM 1995",
    .run = run,
};
