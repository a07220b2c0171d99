/* SPDX-License-Identifier: MIT */
/* trim.c - malloc_trim gives back what no block lives in. */
#include <pthread.h>

#define CASES_NEED_DEFAULTS
#include "case.h"

enum { COUNT = 100000, EACH = 600 };

/* Blocks in a table that the allocator knows nothing of. */
static void **fill(void)
{
    void **blocks = table_map(COUNT * sizeof(void *));
    for (size_t i = 0; i < COUNT; i++) {
        REQUIRE((blocks[i] = malloc(EACH)) != NULL);
        memset(blocks[i], 1, EACH);
    }
    return blocks;
}

CASE(trim_result, "1.17.b 1.29", "malloc_trim returns 1 or 0, leaves errno alone, for every pad")
{
    static const size_t pads[] = {0, 1, 4096, 100000, 1 << 20, SIZE_MAX / 2, SIZE_MAX};
    errno = ERRNO_MARK;
    for (size_t i = 0; i < sizeof pads / sizeof pads[0]; i++) {
        int result = malloc_trim(pads[i]);
        EXPECT_NOTE(result == 0 || result == 1, "malloc_trim(%zu) gave %d", pads[i], result);
        void *block = malloc(1000);
        REQUIRE(block != NULL);
        memset(block, 1, 1000);
        free(block);
    }
    EXPECT_EQ(errno, ERRNO_MARK);
}

/* A live block at the end: more than the break must be looked at. */
CASE(trim_whole_pages, "1.17.a",
     "after all blocks but the last were freed, malloc_trim brings RSS back at once")
{
    EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, 1 << 30), 1);
    void **blocks = table_map(COUNT * sizeof(void *));
    size_t start = rss_bytes();
    munmap(blocks, COUNT * sizeof(void *));
    blocks = fill();
    EXPECT(rss_bytes() > start + 55 * MIB);
    void *last = malloc(EACH);
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    size_t freed = rss_bytes();
    int result = malloc_trim(0);
    size_t trimmed = rss_bytes();
    EXPECT_NOTE(result == 1 || freed <= start + 2 * MIB, "result %d, RSS %zu", result, freed);
    EXPECT_NOTE(trimmed <= start + 2 * MIB,
                "RSS %.1f MiB at the start, %.1f after the frees, %.1f after malloc_trim", mib(start),
                mib(freed), mib(trimmed));
    free(last);
}

/* Pages that hold a part of each 200th block; the blocks come in no special order. */
static size_t live_pages(void **blocks)
{
    size_t n_pages = 0;
    uintptr_t last = 0;
    for (size_t i = 0; i < COUNT; i += 200) {
        for (uintptr_t page = (uintptr_t)blocks[i] / 4096; page <= ((uintptr_t)blocks[i] + EACH - 1) / 4096;
             page++) {
            n_pages += page != last;
            last = page;
        }
    }
    return n_pages;
}

CASE(trim_holes, "1.17.a", "pages between live blocks go back too: what stays is little more than theirs")
{
    void **blocks = table_map(COUNT * sizeof(void *));
    size_t start = rss_bytes();
    munmap(blocks, COUNT * sizeof(void *));
    blocks = fill();
    for (size_t i = 0; i < COUNT; i++)
        if (i % 200 != 0)
            free(blocks[i]);
    malloc_trim(0);
    size_t trimmed = rss_bytes(), live = live_pages(blocks) * 4096;
    EXPECT_NOTE(trimmed <= start + live + live / 10 + 2 * MIB, "RSS %.1f MiB, then %.1f; live pages are %.1f",
                mib(start), mib(trimmed), mib(live));
    for (size_t i = 0; i < COUNT; i += 200)
        free(blocks[i]);
}

CASE(trim_at_break, "1.17.d", "the heap's end goes back down to the pad")
{
    EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, -1), 1);
    void *blocks[100];
    for (size_t i = 0; i < 100; i++)
        REQUIRE((blocks[i] = malloc(100000)) != NULL);
    for (size_t i = 0; i < 100; i++)
        free(blocks[i]);
    size_t before = mallinfo2().arena;
    EXPECT_EQ(malloc_trim(4 * MIB), 1);
    size_t padded = mallinfo2().arena;
    EXPECT_NOTE(padded < before && padded >= 4 * MIB, "arena %zu, then %zu", before, padded);
    EXPECT_EQ(malloc_trim(0), 1);
    EXPECT_NOTE(mallinfo2().arena < MIB, "arena %zu", mallinfo2().arena);
}

CASE(trim_twice, "1.17.b", "nothing to give back: 0")
{
    void **blocks = fill();
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    malloc_trim(0);
    malloc_trim(0);
    EXPECT_EQ(malloc_trim(0), 0);
}

static pthread_barrier_t meeting;

static void *caching_thread(void *argument)
{
    void **blocks = fill();
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    munmap(blocks, COUNT * sizeof(void *));
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting); /* idle while the main thread trims */
    return argument;
}

CASE(trim_other_threads, "1.17.c", "what other, idle threads freed goes back too")
{
    pthread_t threads[4];
    size_t start = rss_bytes();
    pthread_barrier_init(&meeting, NULL, 5);
    for (size_t i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, caching_thread, NULL) == 0);
    pthread_barrier_wait(&meeting);
    malloc_trim(0);
    size_t trimmed = rss_bytes();
    EXPECT_NOTE(trimmed < start + 6 * MIB, "RSS %.1f MiB, then %.1f", mib(start), mib(trimmed));
    pthread_barrier_wait(&meeting);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void *churning_thread(void *argument)
{
    struct rng rng = {.state = (uintptr_t)argument};
    unsigned char *blocks[100] = {0};
    size_t lengths[100] = {0};
    for (size_t step = 0; step < 30000; step++) {
        size_t i = rng_between(&rng, 0, 99);
        if (blocks[i] != NULL)
            EXPECT_STAMP(blocks[i], lengths[i], i);
        free(blocks[i]);
        lengths[i] = rng_size(&rng);
        REQUIRE((blocks[i] = malloc(lengths[i])) != NULL);
        stamp_fill(blocks[i], lengths[i], i);
    }
    for (size_t i = 0; i < 100; i++)
        free(blocks[i]);
    return NULL;
}

CASE(trim_while_busy, "1.17.c", "malloc_trim beside allocating threads harms no block")
{
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, churning_thread, (void *)(uintptr_t)(i + 1)) == 0);
    for (size_t round = 0; round < 200; round++)
        malloc_trim(0);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
