/* SPDX-License-Identifier: MIT */
/*
 * adopted.c - blocks of dead threads are counted while their slabs pass from heap to heap. Threads die and leave slabs
 * with a hole in each; others come, fill holes, which makes the slabs theirs, free what they filled, and die, too. The
 * blocks that nobody frees are in every report, and once; also while another thread purges their slabs for malloc_trim.
 */
#include <pthread.h>

#include "report.h"

enum { N_DEAD = 12, N_EACH = 640, N_VISITORS = 3, N_VISITS = 12000, N_TRIMS = 1000, SIZE = 1008 };

static void *kept[N_DEAD][N_EACH];
static pthread_barrier_t all_have_heaps;
static size_t n_visits;
static bool are_trimmed;

static void *die_early(void *argument)
{
    void **blocks = argument;
    for (size_t i = 0; i < N_EACH; i++)
        REQUIRE((blocks[i] = api_malloc(SIZE)) != NULL);
    for (size_t i = 0; i < N_EACH; i += 8) {
        api_free(blocks[i]);
        blocks[i] = NULL;
    }
    pthread_barrier_wait(&all_have_heaps); /* so that each has its own */
    return NULL;
}

static void *visit(void *argument)
{
    (void)argument;
    void *blocks[N_EACH / 2];
    for (size_t i = 0; i < N_EACH / 2; i++)
        REQUIRE((blocks[i] = api_malloc(SIZE)) != NULL);
    for (size_t i = 0; i < N_EACH / 2; i++)
        api_free(blocks[i]);
    return NULL;
}

static void *send_visitors(void *argument)
{
    while (__atomic_add_fetch(&n_visits, 1, __ATOMIC_ACQ_REL) < N_VISITS) {
        pthread_t visitor;
        REQUIRE(pthread_create(&visitor, NULL, visit, NULL) == 0);
        pthread_join(visitor, NULL);
    }
    return argument;
}

static pthread_barrier_t trims;

static void *trim_often(void *argument)
{
    pthread_barrier_wait(&trims);
    for (size_t i = 0; i < N_TRIMS; i++)
        api_malloc_trim(0);
    __atomic_store_n(&are_trimmed, true, __ATOMIC_RELEASE);
    return argument;
}

/* Nobody allocates or frees: the figure stays as it is. */
static void expect_same_while_trimmed(void)
{
    pthread_t trimmer;
    pthread_barrier_init(&trims, NULL, 2);
    REQUIRE(pthread_create(&trimmer, NULL, trim_often, NULL) == 0);
    const size_t used = api_mallinfo2().uordblks;
    pthread_barrier_wait(&trims);
    while (!__atomic_load_n(&are_trimmed, __ATOMIC_ACQUIRE))
        EXPECT_EQ(api_mallinfo2().uordblks, used);
    pthread_join(trimmer, NULL);
}

static size_t kept_bytes(void)
{
    size_t sum = 0;
    for (size_t i = 0; i < N_DEAD; i++)
        for (size_t k = 0; k < N_EACH; k++)
            sum += kept[i][k] != NULL ? SIZE : 0;
    return sum;
}

static void join_all(pthread_t *threads, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    watchdog_start(100);
    api_assert_served();
    pthread_t threads[N_DEAD];
    const size_t before = api_mallinfo2().uordblks;
    pthread_barrier_init(&all_have_heaps, NULL, N_DEAD);
    for (size_t i = 0; i < N_DEAD; i++)
        REQUIRE(pthread_create(&threads[i], NULL, die_early, kept[i]) == 0);
    join_all(threads, N_DEAD);
    const size_t least = before + kept_bytes();
    EXPECT(api_mallinfo2().uordblks >= least);
    expect_same_while_trimmed();
    for (size_t i = 0; i < N_VISITORS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, send_visitors, NULL) == 0);
    /* Their blocks, those of the C library for threads, and a second time what is freed while it is counted. */
    const size_t most = least + (2 * N_VISITORS * N_EACH / 2 + 64) * SIZE + 256 * KIB;
    while (__atomic_load_n(&n_visits, __ATOMIC_ACQUIRE) < N_VISITS) {
        size_t used = api_mallinfo2().uordblks;
        EXPECT_NOTE(used >= least && used <= most, "%zu bytes in use, not from %zu to %zu", used, least,
                    most);
    }
    join_all(threads, N_VISITORS);
    EXPECT(api_mallinfo2().uordblks >= least);
    for (size_t i = 0; i < N_DEAD; i++)
        for (size_t k = 0; k < N_EACH; k++)
            api_free(kept[i][k]);
    return expect_result();
}
