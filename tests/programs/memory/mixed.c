/* SPDX-License-Identifier: MIT */
/*
 * mixed.c - phases of work: the live set grows and shrinks by turns, with other sizes in each phase, in two
 * threads. What one phase freed serves the next, of whatever size: RSS at each low point is in proportion to
 * what lives, and from phase to phase nothing adds up.
 */
#include <pthread.h>

#include "api.h"
#include "tools.h"

enum { N_PHASES = 8, PHASE_BYTES = 48 * 1024 * 1024, N_MAX = 2 * 1024 * 1024 };

static const struct {
    size_t low, high;
} phase_sizes[N_PHASES] = {{16, 64},   {500, 1024},   {1025, 8000}, {33000, 120000},
                           {16, 1024}, {8000, 33000}, {24, 24},     {100, 200000}};

static void **table;

static void *phase(void *argument)
{
    size_t index = (size_t)(uintptr_t)argument, n_blocks = 0, n_bytes = 0;
    struct rng rng = {.state = 40 + index};
    while (n_bytes < PHASE_BYTES) {
        size_t size = rng_between(&rng, phase_sizes[index].low, phase_sizes[index].high);
        void *block = api_malloc(size);
        REQUIRE(block != NULL && n_blocks < N_MAX);
        memset(block, (int)index, size);
        table[n_blocks++] = block;
        n_bytes += size;
    }
    for (size_t i = 0; i < n_blocks; i++) { /* in random order */
        size_t other = rng_between(&rng, i, n_blocks - 1);
        void *block = table[other];
        table[other] = table[i];
        EXPECT_EQ(*(unsigned char *)block, index);
        api_free(block);
    }
    return NULL;
}

int main(void)
{
    watchdog_start(240);
    api_assert_served();
    table = table_map(N_MAX * sizeof *table * 2);
    size_t start = rss_bytes();
    for (size_t i = 0; i < N_PHASES; i++) {
        size_t before = rss_bytes();
        if (i % 2 == 0) {
            phase((void *)(uintptr_t)i);
        } else {
            pthread_t thread;
            REQUIRE(pthread_create(&thread, NULL, phase, (void *)(uintptr_t)i) == 0);
            pthread_join(thread, NULL);
        }
        size_t after = rss_bytes();
        expect_figure("mixed: sizes %zu..%zu: RSS %.1f MiB, then %.1f\n", phase_sizes[i].low,
                      phase_sizes[i].high, mib(before), mib(after));
        EXPECT_NOTE(after <= start + 6 * MIB, "phase %zu: RSS %zu at the start, %zu now", i, start, after);
    }
    size_t peak = rss_peak_bytes();
    EXPECT_NOTE(peak <= start + PHASE_BYTES + PHASE_BYTES / 2, "peak RSS %zu, start %zu", peak, start);
    return expect_result();
}
