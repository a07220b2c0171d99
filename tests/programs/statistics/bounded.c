/* SPDX-License-Identifier: MIT */
/*
 * bounded.c - what the statistics say while four threads allocate and free: each holds at least so much and at most so
 * much, and every report must lie between the sums, plus what calls in flight can move: see LIMIT. No field wraps.
 */
#include <pthread.h>

#include "report.h"

enum {
    N_THREADS = 4,
    N_KEPT = 300,    /* blocks of each size that each thread holds all the time */
    N_MORE = 20,     /* most beyond that */
    N_HOLES = 2000,  /* blocks of 992 bytes that each thread freed between others: free all the time */
    N_SAMPLES = 400, /* at least; */
    N_ROUNDS = 200,  /* and more, until every thread was so often through its blocks */
};

/* Few classes, so that the bound is tight; the last is a middle block. Each size is its block's. */
static const size_t sizes[] = {112, 1024, 5120, 40960};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static size_t round_bytes(void)
{
    size_t sum = 0;
    for (size_t i = 0; i < N_SIZES; i++)
        sum += sizes[i];
    return sum;
}

/* What a thread can take without its heap's lock: the rest of one group a class; of middle blocks nothing. */
static const size_t unlocked_bytes = 64 * 112 + 64 * 1024 + 16 * 5120 + 64 * 992;

static bool stopping;
static size_t n_ready;
static size_t n_done; /* threads that were N_ROUNDS times through their blocks */

static void *churn(void *argument)
{
    struct rng rng = {(size_t)argument};
    void *kept[N_KEPT * N_SIZES], *more[N_MORE * N_SIZES];
    for (size_t i = 0; i < N_KEPT * N_SIZES; i++)
        REQUIRE((kept[i] = api_malloc(sizes[i % N_SIZES])) != NULL);
    static void *others[N_THREADS][2 * N_HOLES];
    void **mine = others[(size_t)argument - 1];
    for (size_t i = 0; i < 2 * N_HOLES; i++)
        REQUIRE((mine[i] = api_malloc(992)) != NULL);
    for (size_t i = 0; i < 2 * N_HOLES; i += 2)
        api_free(mine[i]);
    __atomic_add_fetch(&n_ready, 1, __ATOMIC_RELEASE);
    for (size_t round = 1; !__atomic_load_n(&stopping, __ATOMIC_ACQUIRE); round++) {
        size_t n_more = rng_between(&rng, 1, N_MORE) * N_SIZES;
        for (size_t i = 0; i < n_more; i++)
            REQUIRE((more[i] = api_malloc(sizes[i % N_SIZES])) != NULL);
        for (size_t i = 0; i < n_more; i++)
            api_free(more[i]);
        if (round == N_ROUNDS)
            __atomic_add_fetch(&n_done, 1, __ATOMIC_RELEASE);
    }
    for (size_t i = 0; i < N_KEPT * N_SIZES; i++)
        api_free(kept[i]);
    for (size_t i = 1; i < 2 * N_HOLES; i += 2)
        api_free(mine[i]);
    return NULL;
}

static struct report stats, info, json;
static size_t least, most;

#define EXPECT_BETWEEN(value)                                                                                \
    EXPECT_NOTE((value) >= least && (value) <= most, "%zu, not from %zu to %zu", (size_t)(value), least, most)
#define EXPECT_SANE(value) EXPECT_NOTE((value) < (size_t)1 << 31, "%zu has wrapped", (size_t)(value))

static void sample_mallinfo(void)
{
    const api_mallinfo2_struct sample = api_mallinfo2();
    EXPECT_EQ(sample.arena, sample.uordblks + sample.fordblks);
    EXPECT_BETWEEN(sample.uordblks);
    EXPECT_SANE(sample.arena);
    EXPECT_SANE(sample.fordblks);
    EXPECT_SANE(sample.ordblks);
    EXPECT_SANE(sample.keepcost);
    EXPECT(sample.keepcost <= sample.arena);
    EXPECT_EQ(sample.hblks, 1);
    EXPECT_EQ(sample.hblkhd, 2 * MIB);
}

static void sample_stats(void)
{
    report_take_stats(&stats);
    const char *arena = report_after(stats.text, "Arena 0:\n"),
               *total = report_after(arena, "Total (incl. mmap):\n");
    EXPECT_BETWEEN(report_number(arena, "in use bytes     ="));
    EXPECT_EQ(report_number(total, "in use bytes     ="),
              report_number(arena, "in use bytes     =") + 2 * MIB);
    EXPECT_EQ(report_number(total, "system bytes     ="),
              report_number(arena, "system bytes     =") + 2 * MIB);
    EXPECT(report_number(arena, "system bytes     =") >= report_number(arena, "in use bytes     ="));
}

static void sample_info(void)
{
    report_take_info(&info);
    size_t system_bytes = report_number(info.text, "<system type=\"current\" size=\"");
    size_t rest_bytes = report_number(report_after(info.text, "<total type=\"rest\""), " size=\"");
    EXPECT_SANE(rest_bytes);
    EXPECT(system_bytes >= rest_bytes);
    EXPECT_BETWEEN(system_bytes - rest_bytes);
    for (const char *at = report_after(info.text, "<sizes>\n"); *at == ' '; at = report_after(at, "\n")) {
        EXPECT_SANE(report_number(at, " total=\""));
        EXPECT_SANE(report_number(at, " count=\""));
    }
}

static void sample_json(void)
{
    report_take_ours(&json, VM_STATS_JSON);
    const char *total = report_after(json.text, "\"total\": {");
    EXPECT_BETWEEN(report_number(total, "\"in_use_bytes\":"));
    EXPECT_EQ(report_number(total, "\"arena_bytes\":"),
              report_number(total, "\"in_use_bytes\":") + report_number(total, "\"free_bytes\":"));
    /* An arena's figures are of one moment. */
    const char *arena = report_after(json.text, "\"arenas\": [");
    size_t free_bytes = 0, span_bytes = (size_t)sysconf(_SC_PAGESIZE);
    for (char *at = (char *)(uintptr_t)report_after(arena, "\"free_spans_of_order\": ["); *at != ']';
         span_bytes *= 2) {
        free_bytes += strtoull(at, &at, 10) * span_bytes;
        at += *at == ',';
    }
    EXPECT_EQ(free_bytes, report_number(arena, "\"free_page_bytes\":"));
    /* Every number but an address is small: nothing is the difference of two moments the wrong way round. */
    for (const char *at = json.text; (at = strstr(at, "\": ")) != NULL; at += 3)
        EXPECT_NOTE(strtoull(at + 3, NULL, 10) < (unsigned long long)1 << 40 ||
                        strncmp(at - 7, " \"start", 7) == 0,
                    "%.60s", at - 20);
}

int main(void)
{
    watchdog_start(100);
    api_assert_served();
    api_mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* whatever the environment says */
    report_open(&stats);
    report_open(&info);
    report_open(&json);
    void *large = api_malloc(2 * MIB);
    REQUIRE(large != NULL);
    const size_t before = api_mallinfo2().uordblks;
    pthread_t threads[N_THREADS];
    for (size_t i = 0; i < N_THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    while (__atomic_load_n(&n_ready, __ATOMIC_ACQUIRE) < N_THREADS)
        usleep(1000);
    /* LIMIT: what a thread holds at least; and at most, twice, for a report may see blocks that are freed meanwhile and
       then some that were allocated meanwhile, but of these only what is taken without the lock under which the heap
       is looked at. The threads themselves, in blocks of the C library: 64 KiB. */
    least = before + N_THREADS * (N_KEPT * round_bytes() + N_HOLES * 992);
    most = least + N_THREADS * (N_MORE * round_bytes() + unlocked_bytes) + 64 * KIB;
    REQUIRE(most < least + N_THREADS * N_HOLES * 992); /* or it would not tell free blocks from live ones */
    for (size_t i = 0; i < N_SAMPLES || __atomic_load_n(&n_done, __ATOMIC_ACQUIRE) < N_THREADS; i++) {
        sample_mallinfo();
        sample_stats();
        sample_info();
        sample_json();
    }
    __atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    api_free(large);
    return expect_result();
}
