/* SPDX-License-Identifier: MIT */
/*
 * tides.c - a program that fills its heap and empties it, again and again: 16 MiB in blocks of one size, 100 bytes to 16 MiB. Once
 * it has done so a few times the pages wait for it, and a round takes hardly a page fault; glibc's takes one for each page in most
 * of these. What waits is no more than the heap was; malloc_trim(0) gives it back, and so does a program that goes on in another
 * way. A heap that was filled and emptied once keeps 2 MiB at most, and so does one of more than 32 MiB however often.
 */
#include <sys/resource.h>

#include "api.h"
#include "tools.h"

enum { N_ROUNDS = 30, N_WARM = 8, FULL = 16 * MIB, SLACK = 2 * MIB };

static unsigned char *blocks[FULL / 100];

static size_t faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_minflt;
}

static void flow_and_ebb(size_t n_bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        REQUIRE((blocks[i] = api_malloc(n_bytes)) != NULL);
        memset(blocks[i], (int)i, n_bytes);
    }
    for (size_t i = 0; i < n; i++) {
        EXPECT_EQ(blocks[i][n_bytes - 1], (unsigned char)i);
        api_free(blocks[i]);
    }
}

/* Settings of the threshold or of the trim make other rules; so does another kernel. */
static int is_default(void)
{
    for (char **entry = environ; *entry != NULL; entry++)
        if (is_setting(*entry))
            return 0;
    return getenv("VMALLOC_BACKEND") == NULL;
}

static void once(size_t start)
{
    flow_and_ebb(1000, FULL / 1000);
    EXPECT_NOTE(rss_bytes() <= start + SLACK, "RSS %zu, at first %zu", rss_bytes(), start);
}

static void again_and_again(size_t start, size_t n_bytes)
{
    const size_t n_pages = FULL / (size_t)sysconf(_SC_PAGESIZE);
    size_t n_faults = 0;
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        if (round == N_WARM)
            n_faults = faults();
        flow_and_ebb(n_bytes, FULL / n_bytes);
    }
    const size_t n_a_round = (faults() - n_faults) / (N_ROUNDS - N_WARM), rss = rss_bytes();
    expect_figure(
        "tides: blocks of %zu bytes: %zu page faults a round of %zu pages, RSS %.1f MiB more than at first\n",
        n_bytes, n_a_round, n_pages, mib(rss) - mib(start));
    EXPECT_NOTE(n_a_round < n_pages / 4, "blocks of %zu bytes: %zu page faults a round", n_bytes, n_a_round);
    EXPECT_NOTE(rss <= start + FULL + FULL / 8 + SLACK, "RSS %zu, at first %zu", rss, start);
    api_malloc_trim(0);
    EXPECT_NOTE(rss_bytes() <= start + SLACK, "RSS %zu after a trim, at first %zu", rss_bytes(), start);
}

static void large_tides(size_t start)
{
    for (unsigned round = 0; round < N_WARM; round++)
        flow_and_ebb(64 * KIB, 4 * FULL / (64 * KIB));
    EXPECT_NOTE(rss_bytes() <= start + SLACK, "RSS %zu, at first %zu", rss_bytes(), start);
}

/* A few buffers from now on. */
static void calm(size_t start)
{
    enum { N_BUFFERS = 16, BUFFER = 100 * KIB };
    for (unsigned i = 0; i < 20000; i++) {
        unsigned char **const buffer = &blocks[i % N_BUFFERS];
        if (i >= N_BUFFERS)
            api_free(*buffer);
        REQUIRE((*buffer = api_malloc(BUFFER - i % 7 * 8 * KIB)) != NULL);
        **buffer = 1;
    }
    EXPECT_NOTE(rss_bytes() <= start + 2 * N_BUFFERS * BUFFER + SLACK, "RSS %zu, at first %zu", rss_bytes(),
                start);
    for (unsigned i = 0; i < N_BUFFERS; i++)
        api_free(blocks[i]);
}

int main(void)
{
    static const size_t sizes[] = {100, 1000, 5000, 20000, 100 * KIB, 300 * KIB, 2 * MIB, FULL};
    if (!is_default())
        SKIP("the bounds are those of the defaults on Linux");
    memset(blocks, 0, sizeof blocks);
    flow_and_ebb(1000, 10);
    const size_t start = rss_bytes();
    once(start);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        again_and_again(start, sizes[i]);
    large_tides(start);
    calm(start);
    return expect_result();
}
