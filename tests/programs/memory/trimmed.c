/* SPDX-License-Identifier: MIT */
/*
 * trimmed.c - four threads allocate 400,000 blocks of 16 to 1039 bytes each and free 98 % of them at random; then
 * the main thread calls malloc_trim(0), while the threads sleep, and again once they are dead. Each time RSS
 * is at most 1.1 times the pages that hold a live block, the live blocks have their contents, and the threads can
 * go on. Blocks of 2 KiB to 300 KiB follow, a larger heap with fewer of them: there the process itself and the
 * records of 300,000 pages weigh, up to 5 MiB. Without live blocks RSS is back at what it was, but for little.
 */
#include <pthread.h>

#include "api.h"
#include "tools.h"

enum { N_THREADS = 4, N_SMALL = 400000, N_BIG = 2000, KEPT_OF = 50 };

struct block {
    unsigned char *start;
    size_t n_bytes;
};

struct job {
    size_t self, n_blocks, low, high;
    struct block *live; /* in front what is live, after work() */
    size_t n_live;
};

static pthread_barrier_t barrier;

static void allocate(const struct job *job, struct rng *rng)
{
    for (size_t i = 0; i < job->n_blocks; i++) {
        const size_t n_bytes = rng_between(rng, job->low, job->high);
        REQUIRE((job->live[i].start = api_malloc(n_bytes)) != NULL);
        job->live[i].n_bytes = n_bytes;
        stamp_fill(job->live[i].start, n_bytes, i + job->self);
    }
}

/* Frees all but one of KEPT_OF, in random order, and moves the live ones to the front. */
static void thin_out(struct job *job, struct rng *rng)
{
    for (size_t n_left = job->n_blocks; n_left > job->n_blocks / KEPT_OF; n_left--) {
        const size_t i = rng_between(rng, 0, n_left - 1);
        api_free(job->live[i].start);
        job->live[i] = job->live[n_left - 1];
        job->n_live = n_left - 1;
    }
    for (size_t i = 0; i < job->n_live; i++)
        stamp_fill(job->live[i].start, job->live[i].n_bytes, i + job->self);
}

static void expect_live(const struct job *job)
{
    for (size_t i = 0; i < job->n_live; i++)
        EXPECT_STAMP(job->live[i].start, job->live[i].n_bytes, i + job->self);
}

static void *work(void *argument)
{
    struct job *const job = argument;
    struct rng rng = {.state = job->self + 1};
    allocate(job, &rng);
    thin_out(job, &rng);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);     /* the main thread trims */
    for (size_t i = 0; i < 1000; i++) { /* and on it goes, in the same slabs */
        unsigned char *const block = api_malloc(rng_between(&rng, job->low, job->high));
        REQUIRE(block != NULL);
        memset(block, 0xEE, job->low);
        api_free(block);
    }
    return NULL;
}

static int compare(const void *left, const void *right)
{
    const uintptr_t a = *(const uintptr_t *)left, b = *(const uintptr_t *)right;
    return (a > b) - (a < b);
}

/* Bytes of the pages that the live blocks of all jobs lie in, counted once. */
static size_t live_page_bytes(const struct job *jobs)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t n_most = 0, n = 0, n_pages = 0;
    for (size_t k = 0; k < N_THREADS; k++)
        for (size_t i = 0; i < jobs[k].n_live; i++)
            n_most += jobs[k].live[i].n_bytes / page + 2;
    uintptr_t *const pages = table_map((n_most + 1) * sizeof *pages);
    for (size_t k = 0; k < N_THREADS; k++)
        for (size_t i = 0; i < jobs[k].n_live; i++) {
            const uintptr_t start = (uintptr_t)jobs[k].live[i].start;
            for (uintptr_t at = start / page; at <= (start + jobs[k].live[i].n_bytes - 1) / page; at++)
                pages[n++] = at;
        }
    qsort(pages, n, sizeof *pages, compare);
    for (size_t i = 0; i < n; i++)
        n_pages += i == 0 || pages[i] != pages[i - 1];
    munmap(pages, (n_most + 1) * sizeof *pages);
    return n_pages * page;
}

static size_t rss_at_start; /* of the program and the libraries, before there was a block to speak of */

/* RSS but for these and the test's own tables. */
static size_t own_rss(const struct job *jobs)
{
    size_t tables = rss_at_start;
    for (size_t k = 0; k < N_THREADS; k++)
        tables += jobs[k].live ? jobs[k].n_blocks * sizeof(struct block) : 0;
    const size_t rss = rss_bytes();
    return rss > tables ? rss - tables : 0;
}

static void expect_trimmed(const char *when, const struct job *jobs, size_t slack)
{
    const size_t before = own_rss(jobs);
    malloc_trim(0);
    const size_t after = own_rss(jobs), pages = live_page_bytes(jobs);
    slack += region_bytes() / 170; /* records of a simulated kernel */
    if (getenv("MALLOC_MMAP_THRESHOLD_"))
        slack += 2 * MIB; /* for some 20,000 mappings, as the larger of the blocks may be then */
    expect_figure(
        "trimmed: blocks of %zu to %zu bytes, threads %s: RSS %.1f MiB, %.1f after malloc_trim; pages with a "
        "live block %.1f MiB; ratio %.3f\n",
        jobs[0].low, jobs[0].high, when, mib(before), mib(after), mib(pages), (double)after / (double)pages);
    if (!api_on_glibc())
        EXPECT_NOTE(after * 10 <= pages * 11 + slack * 10, "RSS %zu, live pages %zu", after, pages);
}

static void run(size_t n_blocks, size_t low, size_t high, size_t slack)
{
    static struct job jobs[N_THREADS];
    pthread_t threads[N_THREADS];
    const size_t base = rss_bytes();
    pthread_barrier_init(&barrier, NULL, N_THREADS + 1);
    for (size_t i = 0; i < N_THREADS; i++) {
        jobs[i] = (struct job){.self = i, .n_blocks = n_blocks, .low = low, .high = high};
        jobs[i].live = table_map(n_blocks * sizeof *jobs[i].live);
        REQUIRE(pthread_create(&threads[i], NULL, work, &jobs[i]) == 0);
    }
    pthread_barrier_wait(&barrier);
    expect_trimmed("asleep", jobs, slack);
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    expect_trimmed("dead", jobs, slack);
    for (size_t i = 0; i < N_THREADS; i++) {
        expect_live(&jobs[i]);
        for (size_t k = 0; k < jobs[i].n_live; k++)
            api_free(jobs[i].live[k].start);
        munmap(jobs[i].live, n_blocks * sizeof *jobs[i].live);
    }
    malloc_trim(0);
    const size_t end = rss_bytes();
    expect_figure("trimmed: RSS %.2f MiB in the end, %.2f at the start\n", mib(end), mib(base));
    if (!api_on_glibc())
        EXPECT_NOTE(end <= base + 3 * MIB, "RSS %zu in the end, %zu at the start", end, base);
}

int main(void)
{
    watchdog_start(240);
    api_assert_served();
    rss_at_start = rss_bytes();
    run(N_SMALL, 16, 1039, 0);
    run(N_BIG, 2 * KIB, 300 * KIB, 5 * MIB);
    return expect_result();
}
