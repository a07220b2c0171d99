/* SPDX-License-Identifier: MIT */
/*
 * churn-large.c - middle blocks (33 to 127 KiB) and large ones (128 KiB to 8 MiB) come and go. While it lasts
 * peak RSS stays in proportion to what is live; after it RSS is back within 4 MiB of the start. realloc of a
 * large block does not need both copies at once. Fails under glibc: the middle blocks' heap is not given back
 * below a live block, and its threshold grows.
 */
#include "api.h"
#include "tools.h"

enum { N_SLOTS = 64, GROWTH_MAX = 4 * 1024 * 1024 };

static void churn(const char *name, size_t low, size_t high, size_t n_steps, uint64_t seed)
{
    static struct {
        unsigned char *block;
        size_t n_bytes;
    } slots[N_SLOTS];
    struct rng rng = {.state = seed};
    size_t start = rss_bytes(), live = 0, live_peak = 0, rss_worst = 0;
    for (size_t step = 0; step < n_steps; step++) {
        size_t at = rng_between(&rng, 0, N_SLOTS - 1), n_bytes = rng_between(&rng, low, high);
        if (slots[at].block != NULL && step % 3 == 0) {
            size_t kept = n_bytes < slots[at].n_bytes ? n_bytes : slots[at].n_bytes;
            slots[at].block = api_realloc(slots[at].block, n_bytes);
            REQUIRE(slots[at].block != NULL);
            EXPECT_STAMP(slots[at].block, kept < 4096 ? kept : 4096, at);
            live += n_bytes - slots[at].n_bytes;
        } else {
            if (slots[at].block != NULL) {
                EXPECT_STAMP(slots[at].block, 4096, at);
                api_free(slots[at].block);
                live -= slots[at].n_bytes;
            }
            slots[at].block = api_malloc(n_bytes);
            REQUIRE(slots[at].block != NULL);
            live += n_bytes;
        }
        slots[at].n_bytes = n_bytes;
        memset(slots[at].block, 0x77, n_bytes);
        stamp_fill(slots[at].block, 4096, at);
        if (live > live_peak)
            live_peak = live;
        if (step % 64 == 0) {
            size_t now = rss_bytes();
            if (now > rss_worst)
                rss_worst = now;
        }
    }
    for (size_t i = 0; i < N_SLOTS; i++) {
        api_free(slots[i].block);
        slots[i].block = NULL;
    }
    size_t end = rss_bytes();
    expect_figure("churn-large: %s, seed %llu: %.1f MiB live at the peak; RSS %.2f MiB at the start, %.1f at "
                  "its worst, "
                  "%.2f at the end\n",
                  name, (unsigned long long)seed, mib(live_peak), mib(start), mib(rss_worst), mib(end));
    EXPECT_NOTE(rss_worst <= start + live_peak + live_peak / 2 + 4 * MIB, "%s: RSS %zu at worst, live %zu",
                name, rss_worst, live_peak);
    EXPECT_NOTE(end <= start + GROWTH_MAX, "%s: RSS %zu at the start, %zu at the end", name, start, end);
}

static void grow_by_remap(void)
{
    size_t start = rss_bytes(), n_bytes = 8 * MIB;
    unsigned char *block = api_malloc(n_bytes);
    REQUIRE(block != NULL);
    memset(block, 1, n_bytes);
    size_t peak_before = rss_peak_bytes();
    while (n_bytes < 256 * MIB) {
        n_bytes *= 2;
        block = api_realloc(block, n_bytes);
        REQUIRE(block != NULL);
        EXPECT_EQ(zero_bytes(block, 1), 0);
        memset(block + n_bytes / 2, 1, n_bytes / 2);
    }
    for (size_t at = 0; at < n_bytes; at += 4096)
        EXPECT_EQ(block[at], 1);
    size_t peak = rss_peak_bytes(), allowed = start + n_bytes + 8 * MIB;
    expect_figure("churn-large: a block grown to %.0f MiB by realloc: peak RSS %.1f MiB\n", mib(n_bytes),
                  mib(peak));
    EXPECT_NOTE(peak <= (allowed > peak_before ? allowed : peak_before), "peak RSS %zu, block %zu", peak,
                n_bytes);
    while (n_bytes > 200 * KIB) {
        n_bytes /= 2;
        block = api_realloc(block, n_bytes);
        REQUIRE(block != NULL);
        EXPECT_EQ(block[n_bytes - 1], 1);
        size_t now = rss_bytes();
        EXPECT_NOTE(now <= start + n_bytes + 4 * MIB, "shrunk to %zu: RSS %zu", n_bytes, now);
    }
    api_free(block);
    size_t end = rss_bytes();
    EXPECT_NOTE(end <= start + GROWTH_MAX, "RSS %zu at the start, %zu at the end", start, end);
}

int main(void)
{
    watchdog_start(240);
    api_assert_served();
    size_t address_space = proc_status_bytes("VmSize:");
    churn("middle", 33 * KIB, 127 * KIB, 20000, 11);
    churn("large", 128 * KIB, 8 * MIB, 600, 12);
    churn("middle and large", 33 * KIB, 400 * KIB, 8000, 13);
    churn("middle again", 33 * KIB, 127 * KIB, 20000, 14);
    grow_by_remap();
    size_t address_space_end = proc_status_bytes("VmSize:");
    EXPECT_NOTE(address_space_end <= address_space + 512 * MIB,
                "VmSize %.0f MiB at the start, %.0f at the end", mib(address_space), mib(address_space_end));
    return expect_result();
}
