/* SPDX-License-Identifier: MIT */
/*
 * handed-down.c - four threads allocate 400,000 blocks of 16 to 1039 bytes each and die; the main thread frees
 * all of them, in the order in which they were made or in the reverse one. After the last free RSS is below
 * 12 MiB, without any call. Fails under glibc, which keeps nearly all.
 */
#include <pthread.h>

#include "api.h"
#include "tools.h"

enum { N_THREADS = 4, N_BLOCKS = 400000, RSS_END_MAX = 12 * 1024 * 1024 };

static char **table[N_THREADS];

static void *fill(void *argument)
{
    const size_t self = (uintptr_t)argument;
    struct rng rng = {.state = self + 1};
    for (size_t i = 0; i < N_BLOCKS; i++) {
        const size_t n_bytes = rng_between(&rng, 16, 1039);
        REQUIRE((table[self][i] = api_malloc(n_bytes)) != NULL);
        memset(table[self][i], (int)self + 1, n_bytes);
    }
    return NULL;
}

static void free_all(int is_backwards)
{
    for (size_t k = 0; k < N_BLOCKS; k++)
        for (size_t self = 0; self < N_THREADS; self++) {
            const size_t i = is_backwards ? N_BLOCKS - 1 - k : k;
            EXPECT_EQ(table[self][i][15], self + 1);
            api_free(table[self][i]);
        }
}

int main(void)
{
    watchdog_start(240);
    api_assert_served();
    for (int round = 0; round < 2; round++) {
        pthread_t threads[N_THREADS];
        for (size_t i = 0; i < N_THREADS; i++) {
            table[i] = table_map(N_BLOCKS * sizeof *table[i]);
            REQUIRE(pthread_create(&threads[i], NULL, fill, (void *)i) == 0);
        }
        for (size_t i = 0; i < N_THREADS; i++)
            pthread_join(threads[i], NULL);
        const size_t full = rss_bytes();
        free_all(round);
        for (size_t i = 0; i < N_THREADS; i++)
            munmap(table[i], N_BLOCKS * sizeof *table[i]);
        const size_t end = rss_bytes();
        expect_figure("handed-down: %d threads of %d blocks; RSS %.1f MiB full, %.2f after the last free\n",
                      N_THREADS, N_BLOCKS, mib(full), mib(end));
        EXPECT_NOTE(end < RSS_END_MAX, "RSS %zu after the last free", end);
    }
    return expect_result();
}
