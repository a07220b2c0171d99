/* SPDX-License-Identifier: MIT */
/*
 * million.c - 1,000,000 blocks of random sizes 1 to 1024, every second one freed, then all: after the last
 * free RSS is within 2 MiB of the start. The start is measured before the first block; the table of pointers
 * is mapped and touched by then. Orders of the last frees: up, down, shuffled. Fails under glibc for the
 * shuffled order and wherever a block of libc's stays at the end of the heap. A simulated kernel's record of each
 * page that was ever used is in this process too, but not the allocator's: so much more is allowed there.
 */
#include "api.h"
#include "tools.h"

enum { N_BLOCKS = 1000000, GROWTH_MAX = 2 * 1024 * 1024, SIM_RECORD_BYTES = 12 /* struct buddy_page */ };

static unsigned char **table;

/* What the kernel keeps in this process of so many bytes that were in use. */
static size_t kernel_bytes(size_t n_bytes)
{
    const char *backend = getenv("VMALLOC_BACKEND");
    bool is_simulated = backend != NULL && strncmp(backend, "sim:", 4) == 0;
    return is_simulated ? n_bytes / (size_t)sysconf(_SC_PAGESIZE) * SIM_RECORD_BYTES : 0;
}

static void run(const char *order, uint64_t seed)
{
    struct rng rng = {.state = seed};
    size_t start = rss_bytes(), n_bytes = 0;
    for (size_t i = 0; i < N_BLOCKS; i++) {
        size_t size = rng_between(&rng, 1, 1024);
        table[i] = api_malloc(size);
        REQUIRE(table[i] != NULL);
        memset(table[i], (int)i, size);
        n_bytes += size;
    }
    size_t full = rss_bytes();
    for (size_t i = 0; i < N_BLOCKS; i += 2) {
        EXPECT_EQ(*table[i], (unsigned char)i);
        api_free(table[i]);
        table[i] = NULL;
    }
    size_t half = rss_bytes();
    size_t n_left = N_BLOCKS / 2;
    for (size_t i = 0; i < n_left; i++) {
        size_t at = order[0] == 'd' ? N_BLOCKS - 1 - 2 * i : 2 * i + 1;
        if (order[0] == 's') { /* the next of the rest, picked at random */
            size_t other = 2 * rng_between(&rng, i, n_left - 1) + 1;
            unsigned char *swapped = table[at];
            table[at] = table[other];
            table[other] = swapped;
        } else {
            EXPECT_EQ(*table[at], (unsigned char)at);
        }
        api_free(table[at]);
    }
    size_t end = rss_bytes();
    expect_figure(
        "million: %s, seed %llu: %.1f MiB; RSS %.2f MiB at the start, %.1f full, %.1f with every second one "
        "freed, %.2f after the last free (%+.2f)\n",
        order, (unsigned long long)seed, mib(n_bytes), mib(start), mib(full), mib(half), mib(end),
        mib(end) - mib(start));
    EXPECT_NOTE(end <= start + GROWTH_MAX + kernel_bytes(full - start),
                "%s: RSS %zu at the start, %zu at the end", order, start, end);
}

int main(void)
{
    watchdog_start(240);
    api_assert_served();
    table = table_map(N_BLOCKS * sizeof *table);
    run("up", 1);
    run("down", 2);
    run("shuffled", 3);
    return expect_result();
}
