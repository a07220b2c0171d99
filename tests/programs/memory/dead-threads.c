/* SPDX-License-Identifier: MIT */
/*
 * dead-threads.c - 500 threads, one after another, each leave 1 MiB of live blocks of 16 to 1024 bytes; the
 * main thread frees them later. Peak RSS stays under 1.3 times the live bytes at their peak, which is the sum
 * of the sizes asked for; after the last free RSS is under 8 MiB in all. The blocks are linked through their
 * first word, so the test has no table of its own. Fails under glibc: its arenas keep the memory (RSS in the
 * end as at the peak).
 */
#include <pthread.h>

#include "api.h"
#include "tools.h"

enum { N_THREADS = 500, LEFT_BYTES = 1024 * 1024, RSS_END_MAX = 8 * 1024 * 1024 };

struct link {
    struct link *next;
    uint32_t n_bytes, id;
};

static struct link *left;
static size_t live_bytes, n_blocks;

static void *leave(void *argument)
{
    struct rng rng = {.state = (uintptr_t)argument};
    size_t mine = 0;
    while (mine < LEFT_BYTES) {
        size_t n_bytes = rng_between(&rng, 16, 1024);
        struct link *link = api_malloc(n_bytes);
        REQUIRE(link != NULL);
        *link = (struct link){.next = left, .n_bytes = (uint32_t)n_bytes, .id = (uint32_t)n_blocks++};
        stamp_fill(link + 1, n_bytes - sizeof *link, link->id);
        left = link;
        mine += n_bytes;
    }
    live_bytes += mine;
    return NULL;
}

int main(void)
{
    _Static_assert(sizeof(struct link) <= 16, "fits the smallest block");
    watchdog_start(240);
    api_assert_served();
    size_t start = rss_bytes();
    for (uintptr_t i = 0; i < N_THREADS; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, leave, (void *)(i + 1)) == 0);
        pthread_join(thread, NULL);
    }
    size_t full = rss_bytes();
    while (left != NULL) {
        struct link *link = left;
        left = link->next;
        EXPECT_STAMP(link + 1, link->n_bytes - sizeof *link, link->id);
        api_free(link);
    }
    size_t end = rss_bytes(), peak = rss_peak_bytes();
    expect_figure(
        "dead-threads: %d threads, seeds 1..%d, %zu blocks, %.1f MiB live at the peak; RSS %.1f MiB at the "
        "start, %.1f full, peak %.1f (%.3f of the live bytes), %.2f after the last free\n",
        N_THREADS, N_THREADS, n_blocks, mib(live_bytes), mib(start), mib(full), mib(peak),
        (double)peak / (double)live_bytes, mib(end));
    EXPECT_NOTE(peak * 10 < live_bytes * 13, "peak RSS %zu, live %zu", peak, live_bytes);
    EXPECT_NOTE(end < RSS_END_MAX, "RSS %zu after the last free", end);
    return expect_result();
}
