/* SPDX-License-Identifier: MIT */
/*
 * instructions.c - the loops whose instructions bench/instructions counts: `instructions LOOP ITERATIONS`;
 * pair-16 is the loop "pair" with blocks of 16 bytes.
 *
 * The shape of the loops is part of the figures: counter, pseudo-random number, where a block is stored,
 * the one byte written into it in three of them, two calls through the PLT. With gcc 12 -O2 -fno-builtin on
 * x86-64 they cost, with the allocator of noop.c, 18, 21, 26, 22 and 25 instructions an iteration, and with
 * glibc 2.36 on Debian 12 139, 193, 178, 259 and 555. Whoever changes a loop calibrates it against these.
 * -fno-builtin keeps the compiler from removing the pairs; that it finds the size of a pair in a register or in
 * the instruction makes no difference to their number. No output, no allocation but the loop's own.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1000, SMALL_BLOCKS = 4096, MIDDLE_BLOCKS = 256 };

static char *slots[SMALL_BLOCKS];
static size_t pair_bytes = 64;

/* One step of a linear congruential generator (Knuth's MMIX constants); the high bits are the good ones. */
static inline uint64_t step(uint64_t state)
{
    return state * 6364136223846793005u + 1442695040888963407u;
}

static inline char *stamped(char *block)
{
    *(volatile char *)block = 1;
    return block;
}

/* malloc and free of 64 bytes, unless told otherwise, at once. */
static void loop_pair(long n_iterations)
{
    size_t size = pair_bytes;
    for (long i = 0; i < n_iterations; i++) {
        free(stamped(malloc(size)));
    }
}

/* 1000 mallocs of 64 bytes, then 1000 frees in the same order; an iteration is one pair. */
static void loop_batch(long n_iterations)
{
    for (long i = 0; i < n_iterations; i += BATCH) {
        for (int j = 0; j < BATCH; j++) {
            slots[j] = malloc(64);
        }
        for (int j = 0; j < BATCH; j++) {
            free(slots[j]);
        }
    }
}

/* A random one of 4096 blocks is freed and replaced by one of a random size of 16..1024 bytes. */
static void loop_small(long n_iterations)
{
    uint64_t state = 1;
    for (long i = 0; i < n_iterations; i++) {
        state = step(state);
        char **slot = &slots[state >> 52];
        free(*slot);
        *slot = stamped(malloc(16 + (size_t)(((uint32_t)state * (uint64_t)1009) >> 32)));
    }
}

/* calloc of 64 bytes and free, at once. */
static void loop_calloc(long n_iterations)
{
    for (long i = 0; i < n_iterations; i++) {
        free(stamped(calloc(4, 16)));
    }
}

/* A cache line of its own, and free, at once. */
static void loop_aligned(long n_iterations)
{
    for (long i = 0; i < n_iterations; i++) {
        void *line;
        if (posix_memalign(&line, 64, 64) != 0) {
            abort();
        }
        free(stamped(line));
    }
}

/* As loop_small, with 256 blocks of 2..32 KiB. */
static void loop_middle(long n_iterations)
{
    uint64_t state = 1;
    for (long i = 0; i < n_iterations; i++) {
        state = step(state);
        char **slot = &slots[state >> 56];
        free(*slot);
        *slot = malloc(2048 + (size_t)(((uint32_t)state * (uint64_t)30721) >> 32));
    }
}

/* A pool of blocks of 16..1024 bytes for the next two. */
static void fill_slots(void)
{
    for (size_t i = 0; i < SMALL_BLOCKS; i++) {
        slots[i] = malloc(16 + i % 1009);
    }
}

/* How large is a random one of them? Programs that keep count of their memory ask at each malloc and free. */
static void loop_usable(long n_iterations)
{
    uint64_t state = 1;
    fill_slots();
    for (long i = 0; i < n_iterations; i++) {
        state = step(state);
        if (malloc_usable_size(slots[state >> 52]) < 16) {
            abort();
        }
    }
}

/* A random one of them is resized to what it is. */
static void loop_resize(long n_iterations)
{
    uint64_t state = 1;
    fill_slots();
    for (long i = 0; i < n_iterations; i++) {
        state = step(state);
        const size_t at = state >> 52;
        slots[at] = stamped(realloc(slots[at], 16 + at % 1009));
    }
}

static const struct {
    const char *name;
    void (*run)(long n_iterations);
} loops[] = {
    {"pair", loop_pair},       {"batch", loop_batch},   {"small", loop_small},   {"calloc", loop_calloc},
    {"aligned", loop_aligned}, {"middle", loop_middle}, {"usable", loop_usable}, {"resize", loop_resize},
};

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    char *loop = argv[1], *bytes = strchr(loop, '-');
    if (bytes != NULL) {
        *bytes = '\0';
        pair_bytes = (size_t)atol(bytes + 1);
    }
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        if (strcmp(loop, loops[i].name) == 0) {
            loops[i].run(atol(argv[2]));
            return 0;
        }
    }
    return 2;
}
