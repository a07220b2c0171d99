/* SPDX-License-Identifier: MIT */
/*
 * rooms.c - what the report says of the page pool and of slabs. KERNEL A10: 11 orders, and after everything is freed
 * the free pages are merged as far as the arena's length allows. A11: empty + partial + full = all slabs; 17 blocks
 * of a class with 16 a slab are one full and one partial slab; the first blocks of slabs lie as docs/statistics.md
 * says. A12: a million pairs of malloc and free of a page take the pool's lock next to never.
 */
#include "report.h"

static struct report json;

static const char *arena_0(void)
{
    report_take_ours(&json, VM_STATS_JSON);
    return report_after(json.text, "\"arenas\": [");
}

/* The numbers of free spans, by orders; returns how many there are. */
static size_t read_orders(size_t counts[static 20])
{
    size_t n_orders = 0;
    for (const char *at = report_after(arena_0(), "\"free_spans_of_order\": ["); *at != ']';
         at += *at == ',') {
        REQUIRE(n_orders < 20);
        char *end;
        counts[n_orders++] = strtoull(at, &end, 10);
        REQUIRE(end != at);
        at = end;
    }
    return n_orders;
}

static void merged_orders(void)
{
    enum { N_BLOCKS = 500, N_STEPS = 100000 };
    static void *blocks[N_BLOCKS];
    struct rng rng = {5};
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* all from the pool */
    mallopt(M_TRIM_THRESHOLD, 1 << 30); /* which stays as long as it was */
    for (size_t i = 0; i < N_STEPS; i++) {
        void **block = &blocks[rng_between(&rng, 0, N_BLOCKS - 1)];
        api_free(*block);
        *block = rng_between(&rng, 0, 1) ? api_malloc(rng_between(&rng, 1, 200000)) : NULL;
    }
    for (size_t i = 0; i < N_BLOCKS; i++)
        api_free(blocks[i]);
    api_malloc_trim(SIZE_MAX / 2); /* all slabs back to the pool, and the break stays */
    const char *arena = arena_0();
    size_t counts[20], free_bytes = 0, n_spans = 0;
    size_t system_bytes = report_number(arena, "\"system_bytes\":");
    size_t slabs = report_number(arena, "\"slabs\":");
    EXPECT_EQ(read_orders(counts), 11);
    for (size_t order = 0; order < 11; order++) {
        free_bytes += counts[order] * ((size_t)sysconf(_SC_PAGESIZE) << order);
        n_spans += counts[order];
    }
    EXPECT(system_bytes > 20 * MIB);
    EXPECT_EQ(free_bytes, report_number(arena, "\"free_page_bytes\":"));
    /* The buffers of the report itself may be middle blocks, in use or not. */
    const size_t middle_bytes =
        report_number(arena, "\"middle_bytes\":") + report_number(arena, "\"middle_free_bytes\":");
    EXPECT_EQ(free_bytes + middle_bytes + slabs * 16 * KIB, system_bytes);
    /* Of the least order that n pages are cut into, at both ends of the arena and of each slab that is still there,
       no two spans are the same: at most one of each order below the largest, on each side. */
    EXPECT_NOTE(n_spans - counts[10] <= 2 * 10 * (slabs + 1), "%zu spans below the largest order, %zu slabs",
                n_spans, slabs);
    EXPECT_NOTE(counts[10] * 4 * MIB + (slabs + 2) * 8 * MIB >= system_bytes, "%zu blocks of 4 MiB",
                counts[10]);
}

static const char *class_of(size_t block_bytes)
{
    char marker[60];
    snprintf(marker, sizeof marker, "\"block_bytes\": %zu,", block_bytes);
    report_take_ours(&json, VM_STATS_JSON);
    return report_after(report_after(json.text, "\"classes\": ["), marker);
}

static void expect_class(size_t empty, size_t partial, size_t full, size_t live)
{
    const char *class = class_of(1024);
    EXPECT_EQ(report_number(class, "\"slabs\":"), empty + partial + full);
    EXPECT_EQ(report_number(class, "\"empty\":"), empty);
    EXPECT_EQ(report_number(class, "\"partial\":"), partial);
    EXPECT_EQ(report_number(class, "\"full\":"), full);
    EXPECT_EQ(report_number(class, "\"live_blocks\":"), live);
}

/* The first slab of 1024-byte blocks has 16 of them. */
static void slabs_of_a_class(void)
{
    static char *blocks[17];
    for (size_t i = 0; i < 17; i++) {
        REQUIRE((blocks[i] = api_malloc(1024)) != NULL);
        if (i == 15)
            expect_class(0, 0, 1, 16);
    }
    expect_class(0, 1, 1, 17);
    api_free(blocks[16]);
    expect_class(1, 0, 1, 16);
    api_free(blocks[0]);
    expect_class(1, 1, 0, 15);
    for (size_t i = 1; i < 16; i++)
        api_free(blocks[i]);
    expect_class(2, 0, 0, 0);
}

/* One colour: a slab's blocks end where it ends, and no descriptor stands before them. Blocks of a size that is no
   power of two begin at different lines by themselves. */
static void colours(void)
{
    static char *blocks[4000];
    for (size_t i = 0; i < 4000; i++) {
        REQUIRE((blocks[i] = api_malloc(48)) != NULL);
        uintptr_t offset = (uintptr_t)blocks[i] & (16 * KIB - 1);
        EXPECT_EQ((16 * KIB - offset) % 48, 0);
    }
    for (size_t i = 0; i < 4000; i++)
        api_free(blocks[i]);
}

static void lock_of_the_pool(void)
{
    enum { N_PAIRS = 1000000 };
    size_t before = report_number(arena_0(), "\"lock_taken\":");
    for (size_t i = 0; i < N_PAIRS; i++) {
        char *volatile page = api_malloc(4096);
        REQUIRE(page != NULL);
        api_free(page);
    }
    size_t after = report_number(arena_0(), "\"lock_taken\":");
    EXPECT_NOTE(after - before <= N_PAIRS / 64, "the lock was taken %zu times", after - before);
    expect_figure("a million pages: the pool's lock taken %zu times\n", after - before);

    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    api_free(api_malloc(100000)); /* of middle blocks, what keeps the break from moving down does not wait */
    size_t taken = report_number(arena_0(), "\"spans_taken\":");
    after = report_number(arena_0(), "\"lock_taken\":");
    void *middle = api_malloc(120000);
    size_t locked =
        report_number(arena_0(), "\"lock_taken\":"); /* the counter counts: a middle block takes it */
    EXPECT(locked > after);
    EXPECT_EQ(report_number(arena_0(), "\"spans_taken\":"), taken + 1);
    for (size_t i = 0; i < 100; i++) { /* the pool does not see it come and go */
        api_free(middle);
        middle = api_malloc(120000);
    }
    EXPECT_EQ(report_number(arena_0(), "\"lock_taken\":"), locked);
    api_free(middle);
    EXPECT(api_malloc(50000) != NULL); /* of another length: the first one goes back now */
    EXPECT(report_number(arena_0(), "\"lock_taken\":") > locked);
}

int main(void)
{
    watchdog_start(100);
    api_assert_served();
    api_mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* whatever the environment says */
    report_open(&json);
    slabs_of_a_class();
    colours();
    lock_of_the_pool();
    merged_orders();
    return expect_result();
}
