/* SPDX-License-Identifier: MIT */
/*
 * foreign-sbrk.c - the program itself moves the break up and down while it allocates. The allocator neither
 * hands out the program's areas, nor moves the break below them, nor writes into them; its own blocks stay
 * whole.
 */
#include <pthread.h>

#include "api.h"
#include "tools.h"

enum { N_AREAS_MAX = 400, N_SLOTS = 2000 };

static struct {
    unsigned char *start;
    size_t n_bytes;
} areas[N_AREAS_MAX];
static size_t n_areas;

static struct {
    unsigned char *block;
    size_t n_bytes;
} slots[N_SLOTS];

static void expect_areas_whole(void)
{
    for (size_t i = 0; i < n_areas; i++)
        EXPECT_STAMP(areas[i].start, areas[i].n_bytes, i);
}

static void expect_outside_areas(const unsigned char *block, size_t n_bytes)
{
    for (size_t i = 0; i < n_areas; i++)
        EXPECT_NOTE(block + n_bytes <= areas[i].start || block >= areas[i].start + areas[i].n_bytes,
                    "block %p of %zu bytes lies in the program's area %p of %zu", (const void *)block,
                    n_bytes, (void *)areas[i].start, areas[i].n_bytes);
}

static void move_break(struct rng *rng)
{
    unsigned char *end = sbrk(0);
    REQUIRE(end != (void *)-1);
    if (n_areas > 0)
        EXPECT_NOTE(end >= areas[n_areas - 1].start + areas[n_areas - 1].n_bytes, "break %p, area to %p",
                    (void *)end, (void *)(areas[n_areas - 1].start + areas[n_areas - 1].n_bytes));
    bool top_is_ours = n_areas > 0 && areas[n_areas - 1].start + areas[n_areas - 1].n_bytes == end;
    if (top_is_ours && rng_between(rng, 0, 2) > 0) { /* down again, part of the last area or all of it */
        size_t n_bytes = areas[n_areas - 1].n_bytes;
        EXPECT_STAMP(areas[n_areas - 1].start, n_bytes, n_areas - 1);
        size_t down = rng_between(rng, 0, 1) == 0 ? n_bytes : rng_between(rng, 1, n_bytes);
        EXPECT_SAME(sbrk(-(intptr_t)down), end);
        areas[n_areas - 1].n_bytes -= down;
        if (areas[n_areas - 1].n_bytes == 0)
            n_areas--;
        return;
    }
    if (n_areas == N_AREAS_MAX)
        return;
    /* Up, by sizes that are no multiple of anything most of the time. */
    size_t up = rng_between(rng, 0, 3) == 0 ? rng_between(rng, 1, 16) * 4096 : rng_between(rng, 1, 40000);
    unsigned char *start = sbrk((intptr_t)up);
    if (start == (void *)-1)
        return;
    EXPECT_SAME(start, end);
    areas[n_areas].start = start;
    areas[n_areas].n_bytes = up;
    stamp_fill(start, up, n_areas);
    n_areas++;
}

/*
 * The program's area ends at a page, the heap grows above it and is trimmed to nothing. If the break is at the
 * area's end again, the program may take it down: its memory, not ours.
 */
static void area_below_the_heap(void)
{
    enum { N = 64, BLOCK = 100000 };
    static char *blocks[N];
    unsigned char *const start = sbrk(0);
    const size_t n_bytes = 16 * KIB + (4096 - (uintptr_t)start % 4096);
    EXPECT_SAME(sbrk((intptr_t)n_bytes), start);
    stamp_fill(start, n_bytes, 1);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++) {
            REQUIRE((blocks[i] = api_malloc(BLOCK)) != NULL);
            stamp_fill(blocks[i], BLOCK, i);
        }
        for (size_t i = 0; i < N; i++) {
            EXPECT_STAMP(blocks[i], BLOCK, i);
            api_free(blocks[i]);
        }
        api_malloc_trim(0);
        unsigned char *const end = sbrk(0);
        EXPECT(end >= start + n_bytes || round > 0);
        if (end == start + n_bytes)
            EXPECT_SAME(sbrk(-(intptr_t)n_bytes), end);
    }
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_end(void *argument)
{
    pthread_mutex_lock(&held);
    pthread_mutex_unlock(&held);
    return argument;
}

/* While threads run, nothing orders two who move the break: once another was seen to, we leave it to that one. */
static void beside_threads(void)
{
    enum { N = 1000, BLOCK = 100000 };
    static char *blocks[N];
    pthread_t thread;
    pthread_mutex_lock(&held);
    REQUIRE(pthread_create(&thread, NULL, wait_for_end, NULL) == 0);
    REQUIRE(sbrk(5000) != (void *)-1);
    const void *const end = sbrk(0);
    for (size_t i = 0; i < N; i++)
        REQUIRE((blocks[i] = api_malloc(BLOCK)) != NULL);
    for (size_t i = 0; i < N; i++)
        api_free(blocks[i]);
    api_malloc_trim(0);
    if (!api_on_glibc())
        EXPECT_SAME(sbrk(0), end);
    pthread_mutex_unlock(&held);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    watchdog_start(120);
    api_assert_served();
    area_below_the_heap();
    size_t n_steps = 100000 * scale_argument(argc, argv, 1);
    struct rng rng = {.state = 4711};
    size_t n_moves = 0;
    for (size_t step = 0; step < n_steps; step++) {
        size_t at = rng_between(&rng, 0, N_SLOTS - 1);
        if (slots[at].block != NULL) {
            EXPECT_STAMP(slots[at].block, slots[at].n_bytes, at);
            api_free(slots[at].block);
            slots[at].block = NULL;
        } else {
            slots[at].n_bytes = rng_size(&rng);
            slots[at].block = api_malloc(slots[at].n_bytes);
            REQUIRE(slots[at].block != NULL);
            stamp_fill(slots[at].block, slots[at].n_bytes, at);
            if (step % 16 == 0)
                expect_outside_areas(slots[at].block, slots[at].n_bytes);
        }
        if (step % 100 == 0) {
            move_break(&rng);
            n_moves++;
        }
        if (step % 10000 == 9999) { /* all goes, so that the break may be trimmed */
            for (size_t i = 0; i < N_SLOTS; i++) {
                if (slots[i].block != NULL) {
                    EXPECT_STAMP(slots[i].block, slots[i].n_bytes, i);
                    api_free(slots[i].block);
                }
                slots[i].block = NULL;
            }
            api_malloc_trim(0);
            expect_areas_whole();
            unsigned char *end = sbrk(0);
            if (n_areas > 0)
                EXPECT(end >= areas[n_areas - 1].start + areas[n_areas - 1].n_bytes);
        }
    }
    beside_threads();
    expect_areas_whole();
    expect_figure("foreign-sbrk: %zu moves of the break, %zu areas in the end\n", n_moves, n_areas);
    EXPECT(n_areas > 10);
    return expect_result();
}
