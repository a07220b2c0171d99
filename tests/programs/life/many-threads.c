/* SPDX-License-Identifier: MIT */
/*
 * many-threads.c - contract 8, 10.7: 100,000 threads one after another, of each four at a time, each of which
 * allocates, frees a block of an earlier thread and leaves one for a later thread. From the first tenth on neither
 * RSS nor what mallinfo2 counts grows. Every tenth thread is detached, every hundredth only frees.
 */
#include <semaphore.h>

#include "threads/crew.h"

enum { N_TOGETHER = 4, N_THREADS = 100000, N_LEFT = 64 };

static struct item *left[N_LEFT];
static sem_t n_detached_done;

static struct item *take_or_leave(size_t at, struct item *item)
{
    return __atomic_exchange_n(&left[at % N_LEFT], item, __ATOMIC_ACQ_REL);
}

static void free_left(struct item *item)
{
    if (item == NULL)
        return;
    item_end(*item);
    api_free(item);
}

static void *work(void *argument)
{
    size_t number = (uintptr_t)argument;
    if (number % 100 == 0) {
        free_left(take_or_leave(number / 100, NULL));
        return NULL;
    }
    struct rng rng = {.state = number};
    struct item items[8];
    for (size_t i = 0; i < 8; i++)
        items[i] = item_new(&rng, number + i);
    struct item *for_later = api_malloc(sizeof *for_later);
    REQUIRE(for_later != NULL);
    *for_later = items[0];
    for (size_t i = 1; i < 8; i++)
        item_end(items[i]);
    free_left(take_or_leave(number, for_later));
    return NULL;
}

static void *work_detached(void *argument)
{
    work(argument);
    sem_post(&n_detached_done);
    return NULL;
}

int main(int argc, char **argv)
{
    watchdog_start(200);
    api_assert_served();
    size_t n_threads = N_THREADS / scale_argument(argc, argv, 1), n_detached = 0;
    REQUIRE(sem_init(&n_detached_done, 0, 0) == 0);
    size_t rss = 0, in_use = 0;
    for (size_t number = 0; number < n_threads;) {
        if (number == n_threads / 10 / N_TOGETHER * N_TOGETHER) {
            rss = rss_bytes();
            in_use = api_mallinfo2().uordblks;
        }
        pthread_t threads[N_TOGETHER];
        size_t n_joinable = 0;
        for (size_t i = 0; i < N_TOGETHER; i++, number++) {
            bool is_detached = number % 10 == 5;
            pthread_t thread = crew_start(is_detached ? work_detached : work, (void *)(uintptr_t)number);
            if (is_detached && pthread_detach(thread) == 0)
                n_detached++;
            else
                threads[n_joinable++] = thread;
        }
        for (size_t i = 0; i < n_joinable; i++)
            crew_join(threads[i]);
        for (; n_detached > 0; n_detached--)
            REQUIRE(sem_wait(&n_detached_done) == 0);
    }
    size_t rss_now = rss_bytes();
    expect_figure("many-threads: RSS %.1f MiB after a tenth, %.1f MiB at the end\n", mib(rss), mib(rss_now));
    if (!api_on_glibc())
        EXPECT_NOTE(rss_now <= rss + 2 * MIB, "RSS %zu, then %zu", rss, rss_now);
    for (size_t at = 0; at < N_LEFT; at++)
        free_left(take_or_leave(at, NULL));
    if (!api_on_glibc())
        expect_returned(in_use, 256 * KIB);
    return expect_result();
}
