/* SPDX-License-Identifier: MIT */
/*
 * probe.c - a program takes gigabytes at a time until there is no more and touches one word of each, as some
 * do to see how much there is. It ends with NULL and ENOMEM, and the allocator's own tables do not grow with
 * the sizes.
 */
#include "api.h"
#include "tools.h"

enum { N_MAX = 20000, GIB = 1 << 30 };

static void **blocks;

int main(void)
{
    watchdog_start(200);
    api_assert_served();
    if (sizeof(void *) == 4)
        SKIP("an address space of 32 bits has no terabytes");
    if (getenv("MALLOC_PERTURB_") != NULL && strtol(getenv("MALLOC_PERTURB_"), NULL, 0) != 0)
        SKIP("MALLOC_PERTURB_ has all those terabytes filled, as with glibc");
    blocks = table_map(N_MAX * sizeof *blocks);
    size_t start = rss_bytes();
    /* Single sizes, doubled until they are refused: 2^63 and up to there at the latest. */
    size_t largest = 0;
    for (unsigned shift = 20; shift < 64; shift++) {
        REQUIRE(rss_bytes() < start + GIB);
        errno = 0;
        unsigned char *block = api_malloc((size_t)1 << shift);
        if (block == NULL) {
            EXPECT_EQ(errno, ENOMEM);
            continue;
        }
        EXPECT_NOTE(largest == 0 || largest == (size_t)1 << (shift - 1),
                    "2^%u is met, half of it was refused", shift);
        block[0] = 1;
        block[((size_t)1 << shift) - 1] = 1;
        largest = (size_t)1 << shift;
        api_free(block);
    }
    REQUIRE(largest >= MIB);
    /* As many as there are of a large size. */
    size_t size = largest < 16 * 1024 * MIB ? largest : 16 * 1024 * MIB;
    size_t n_blocks = 0;
    while (n_blocks < N_MAX) {
        errno = 0;
        unsigned char *block = api_malloc(size);
        if (block == NULL) {
            EXPECT_EQ(errno, ENOMEM);
            break;
        }
        block[size / 2] = 1;
        blocks[n_blocks++] = block;
        if (n_blocks % 16 == 0)
            REQUIRE(rss_bytes() < start + GIB); /* before the machine suffers */
    }
    size_t full = rss_bytes();
    expect_figure("probe: largest single block %.0f MiB; %zu blocks of %.0f MiB; RSS %.1f MiB, was %.1f\n",
                  mib(largest), n_blocks, mib(size), mib(full), mib(start));
    /* One page of content each, and another one for the tables. */
    EXPECT_NOTE(full <= start + 2 * n_blocks * 4096 + 16 * MIB, "RSS %zu, then %zu, blocks %zu", start, full,
                n_blocks);
    /* The address space may be used up: small blocks come or ENOMEM comes. */
    for (size_t i = 1; i < 1000; i++) {
        errno = 0;
        void *block = api_malloc(i);
        EXPECT(block != NULL || errno == ENOMEM);
        if (block != NULL)
            memset(block, 1, i);
        api_free(block);
    }
    while (n_blocks > 0)
        api_free(blocks[--n_blocks]);
    size_t end = rss_bytes();
    EXPECT_NOTE(end <= start + 16 * MIB, "RSS %zu, in the end %zu", start, end);
    void *block = api_malloc(largest);
    EXPECT(block != NULL);
    api_free(block);
    return expect_result();
}
