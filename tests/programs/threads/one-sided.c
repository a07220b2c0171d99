/* SPDX-License-Identifier: MIT */
/*
 * one-sided.c - a thread that only frees and one that never does; and an owner asleep whose blocks are all
 * freed by another thread: the memory goes back although the owner never calls the allocator again. glibc
 * keeps the sleeping owner's memory in its arena (only its top is trimmed), and passes or fails by the
 * layout.
 */
#include "crew.h"

enum { N_ROUNDS = 40, N_BLOCKS = 50000 };

static struct item *items;
static pthread_barrier_t barrier;
static size_t scale;

/* Never frees. */
static void *make_only(void *argument)
{
    struct rng rng = {.state = 61};
    for (size_t round = 0; round < N_ROUNDS * scale; round++) {
        for (size_t i = 0; i < N_BLOCKS / 10; i++)
            items[i] = item_new(&rng, i + round);
        pthread_barrier_wait(&barrier); /* full */
        pthread_barrier_wait(&barrier); /* empty */
    }
    return argument;
}

/* Only frees. */
static void *free_only(void *argument)
{
    size_t rss_first = 0;
    for (size_t round = 0; round < N_ROUNDS * scale; round++) {
        pthread_barrier_wait(&barrier);
        if (round == 3)
            rss_first = rss_bytes();
        for (size_t i = 0; i < N_BLOCKS / 10; i++)
            item_end(items[i]);
        pthread_barrier_wait(&barrier);
    }
    size_t rss = rss_bytes();
    if (!API_UNDER_SANITIZER)
        EXPECT_NOTE(rss <= rss_first + 8 * MIB, "RSS %zu after the third round, %zu after the last",
                    rss_first, rss);
    return argument;
}

static void *make_and_sleep(void *argument)
{
    struct rng rng = {.state = 62};
    for (size_t i = 0; i < N_BLOCKS; i++)
        items[i] = item_new(&rng, i);
    pthread_barrier_wait(&barrier); /* full */
    pthread_barrier_wait(&barrier); /* measured: it sleeps in between */
    return argument;
}

int main(int argc, char **argv)
{
    watchdog_start(240);
    api_assert_served();
    scale = scale_argument(argc, argv, 1);
    items = table_map(N_BLOCKS * sizeof *items);
    REQUIRE(pthread_barrier_init(&barrier, NULL, 2) == 0);

    pthread_t maker = crew_start(make_only, NULL), freer = crew_start(free_only, NULL);
    crew_join(maker);
    crew_join(freer);

    size_t rss_before = rss_bytes(), in_use_before = api_mallinfo2().uordblks;
    pthread_t sleeper = crew_start(make_and_sleep, NULL);
    pthread_barrier_wait(&barrier);
    size_t rss_full = rss_bytes(), n_bytes = 0;
    for (size_t i = 0; i < N_BLOCKS; i++) {
        n_bytes += items[i].n_bytes;
        item_end(items[i]);
    }
    size_t rss_asleep = rss_bytes(), in_use_asleep = api_mallinfo2().uordblks;
    pthread_barrier_wait(&barrier);
    crew_join(sleeper);
    size_t rss_end = rss_bytes();
    expect_figure(
        "one-sided: %.1f MiB live; RSS %.1f MiB before, %.1f full, %.1f freed with the owner asleep, %.1f at "
        "the end\n",
        mib(n_bytes), mib(rss_before), mib(rss_full), mib(rss_asleep), mib(rss_end));
    if (!API_UNDER_SANITIZER) {
        EXPECT(rss_full > rss_before + n_bytes / 2);
        EXPECT_NOTE(rss_asleep <= rss_before + rss_full / 10, "RSS %zu before, %zu after the frees",
                    rss_before, rss_asleep);
        EXPECT_NOTE(rss_end <= rss_before + 8 * MIB, "RSS %zu before, %zu at the end", rss_before, rss_end);
    }
    if (!api_on_glibc())
        EXPECT_NOTE(in_use_asleep <= in_use_before + 128 * KIB, "in use %zu before, %zu after the frees",
                    in_use_before, in_use_asleep);
    return expect_result();
}
