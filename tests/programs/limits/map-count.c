/* SPDX-License-Identifier: MIT */
/*
 * map-count.c - the process has as many mappings as the kernel allows (vm.max_map_count), so that munmap in
 * the middle of a mapping fails, and madvise and mprotect may. free keeps errno, the process lives,
 * allocations are met or NULL with ENOMEM, and when mappings are free again all is as before.
 */
#include "api.h"
#include "tools.h"

enum { N_LARGE = 60, N_MIDDLE = 60, N_SMALL = 20000, N_MAPPINGS_MAX = 1000000 };

static unsigned char *larges[N_LARGE], *middles[N_MIDDLE], *smalls[N_SMALL];
static size_t page;
static unsigned char *region;
static size_t n_pages;

/* Every second page of a region gets another protection, until the kernel says no. */
static void exhaust(void)
{
    n_pages = 200000;
    region = mmap(NULL, n_pages * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(region != MAP_FAILED);
    size_t at = 1;
    while (at < n_pages && mprotect(region + at * page, page, PROT_READ) == 0)
        at += 2;
    if (at >= n_pages)
        SKIP("vm.max_map_count is too large to be used up");
    /* That took two at a time; the odd one may be left. */
    for (int i = 0; i < 10; i++)
        if (mmap(NULL, page, i % 2 == 0 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
            MAP_FAILED)
            break;
}

int main(void)
{
    watchdog_start(120);
    api_assert_served();
    page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < N_LARGE; i++) {
        REQUIRE((larges[i] = api_malloc(MIB + i * 5000)) != NULL);
        stamp_fill(larges[i], 10000, i);
    }
    for (size_t i = 0; i < N_MIDDLE; i++) {
        REQUIRE((middles[i] = api_malloc(50000)) != NULL);
        stamp_fill(middles[i], 50000, i);
    }
    for (size_t i = 0; i < N_SMALL; i++) {
        REQUIRE((smalls[i] = api_malloc(i % 500)) != NULL);
        stamp_fill(smalls[i], i % 500, i);
    }
    exhaust();
    void *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect_figure("map-count: one more mapping is %s\n", probe == MAP_FAILED ? "refused" : "still possible");

    for (size_t i = 0; i < N_LARGE; i += 2) {
        EXPECT_STAMP(larges[i], 10000, i);
        errno = 1234;
        api_free(larges[i]);
        EXPECT_EQ(errno, 1234);
    }
    for (size_t i = 0; i < N_MIDDLE; i += 2) {
        EXPECT_STAMP(middles[i], 50000, i);
        errno = 1234;
        api_free(middles[i]);
        EXPECT_EQ(errno, 1234);
    }
    for (size_t i = 0; i < N_SMALL; i += 2) {
        EXPECT_STAMP(smalls[i], i % 500, i);
        errno = 1234;
        api_free(smalls[i]);
        EXPECT_EQ(errno, 1234);
    }
    struct rng rng = {.state = 23};
    size_t n_refused = 0;
    for (size_t i = 0; i < 3000; i++) {
        size_t size = rng_between(&rng, 0, 9) == 0 ? rng_between(&rng, 1, MIB) : rng_size(&rng);
        errno = 1234;
        unsigned char *block = api_malloc(size);
        EXPECT_NOTE(block != NULL ? errno == 1234 : errno == ENOMEM, "size %zu: %p, errno %d", size,
                    (void *)block, errno);
        if (block == NULL) {
            n_refused++;
            continue;
        }
        stamp_fill(block, size, i);
        if (i % 2 == 0) {
            unsigned char *moved = api_realloc(block, size * 2);
            if (moved != NULL)
                block = moved;
            EXPECT_STAMP(block, size, i);
        }
        errno = 1234;
        api_free(block);
        EXPECT_EQ(errno, 1234);
    }
    expect_figure("map-count: %zu of 3000 requests refused meanwhile\n", n_refused);
    int result = api_malloc_trim(0);
    EXPECT(result == 0 || result == 1);
    for (size_t i = 1; i < N_LARGE; i += 2) {
        EXPECT_STAMP(larges[i], 10000, i);
        api_free(larges[i]);
    }
    REQUIRE(munmap(region, n_pages * page) == 0);
    for (size_t i = 1; i < N_SMALL; i += 2) {
        EXPECT_STAMP(smalls[i], i % 500, i);
        api_free(smalls[i]);
    }
    for (size_t i = 1; i < N_MIDDLE; i += 2) {
        EXPECT_STAMP(middles[i], 50000, i);
        api_free(middles[i]);
    }
    for (size_t i = 0; i < N_LARGE; i++) {
        REQUIRE((larges[i] = api_malloc(MIB)) != NULL);
        memset(larges[i], 1, MIB);
    }
    for (size_t i = 0; i < N_LARGE; i++)
        api_free(larges[i]);
    return expect_result();
}
