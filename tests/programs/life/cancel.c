/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - contract 7 (deferred cancellation must not fire inside) and 0.13: no function of the family is a
 * cancellation point, in fast paths and slow ones. A thread with a cancellation pending calls all of them with all
 * kinds of sizes, past growth, trimming and mappings, and is still there after each; the next cancellation point
 * ends it, and its clean-up handlers and its joiner free its blocks. The same for threads that are cancelled while they
 * wait, and while they run in a loop of malloc with a cancellation point in it: 600 of them leave no growth.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "threads/crew.h"

enum { N_BLOCKS = 40, N_CANCELLED = 600 };

struct work {
    pthread_mutex_t gate;
    struct item left; /* allocated by the cancelled thread, freed by its joiner */
    int n_survived, has_begun, n_cleaned;
};

static void free_block(void *block)
{
    api_free(block);
}

static void free_and_allocate(void *argument)
{
    struct work *work = argument;
    struct rng rng = {.state = 8};
    item_end(item_new(&rng, 8));
    __atomic_add_fetch(&work->n_cleaned, 1, __ATOMIC_RELAXED);
}

/* Each function, whatever it has to ask of the kernel. */
static void call_everything(struct work *work)
{
    size_t sizes[INTERESTING_SIZES_MAX], n_sizes = interesting_sizes(sizes);
    void *blocks[INTERESTING_SIZES_MAX];
    for (size_t i = 0; i < n_sizes; i++) {
        blocks[i] = api_malloc(sizes[i]);
        REQUIRE(blocks[i] != NULL && api_malloc_usable_size(blocks[i]) >= sizes[i]);
        work->n_survived++;
    }
    for (size_t i = 0; i < n_sizes; i++) {
        blocks[i] = api_realloc(blocks[i], sizes[n_sizes - 1 - i] + 1);
        REQUIRE(blocks[i] != NULL);
    }
    for (size_t i = 0; i < n_sizes; i++)
        api_free(blocks[i]);
    for (size_t i = 0; i < n_sizes; i++) {
        void *aligned = api_memalign(4096, sizes[i]), *zeroed = api_calloc(1, sizes[i]), *stored = NULL;
        REQUIRE(api_posix_memalign(&stored, 64, sizes[i]) == 0);
        api_free(aligned);
        api_free(zeroed);
        api_free(stored);
    }
    api_mallinfo2();
    api_malloc_trim(0);
    api_malloc_stats();
    EXPECT_EQ(api_mallopt(M_MXFAST, 64), 1);
    work->n_survived++;
}

static void *pending(void *argument)
{
    struct work *work = argument;
    pthread_mutex_lock(&work->gate); /* no cancellation point; open once the cancellation is pending */
    pthread_mutex_unlock(&work->gate);
    void *block = api_malloc(5000);
    pthread_cleanup_push(free_block, block);
    pthread_cleanup_push(free_and_allocate, work);
    call_everything(work);
    work->has_begun = 1;
    pthread_testcancel();
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancel_pending(void)
{
    size_t sizes[INTERESTING_SIZES_MAX], n_sizes = interesting_sizes(sizes);
    struct work work = {.gate = PTHREAD_MUTEX_INITIALIZER};
    pthread_mutex_lock(&work.gate);
    pthread_t thread = crew_start(pending, &work);
    REQUIRE(pthread_cancel(thread) == 0);
    pthread_mutex_unlock(&work.gate);
    EXPECT_SAME(crew_join(thread), PTHREAD_CANCELED);
    EXPECT_EQ(work.has_begun, 1);
    EXPECT_EQ(work.n_cleaned, 1);
    EXPECT_EQ(work.n_survived, n_sizes + 1);
}

static void *looping(void *argument)
{
    struct work *work = argument;
    struct rng rng = {.state = 1};
    struct item items[N_BLOCKS];
    for (size_t i = 0; i < N_BLOCKS; i++)
        items[i] = item_new(&rng, i);
    work->left = items[0];
    for (size_t i = 1; i < N_BLOCKS; i++)
        item_end(items[i]);
    __atomic_store_n(&work->has_begun, 1, __ATOMIC_RELEASE);
    pthread_cleanup_push(free_and_allocate, work);
    for (;;) {
        item_end(item_new(&rng, 1));
        pthread_testcancel();
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static void *waiting(void *argument)
{
    struct work *work = argument;
    struct rng rng = {.state = 2};
    work->left = item_new(&rng, 3);
    void *block = api_malloc(700);
    pthread_cleanup_push(free_block, block);
    pthread_cleanup_push(free_and_allocate, work);
    __atomic_store_n(&work->has_begun, 1, __ATOMIC_RELEASE);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancel_many(void)
{
    size_t in_use = 0, rss = 0;
    for (size_t round = 0; round < N_CANCELLED; round++) {
        if (round == N_CANCELLED / 3) {
            in_use = api_mallinfo2().uordblks;
            rss = rss_bytes();
        }
        struct work work = {.n_cleaned = 0};
        pthread_t thread = crew_start(round % 2 ? looping : waiting, &work);
        while (!__atomic_load_n(&work.has_begun, __ATOMIC_ACQUIRE))
            sched_yield();
        REQUIRE(pthread_cancel(thread) == 0);
        EXPECT_SAME(crew_join(thread), PTHREAD_CANCELED);
        EXPECT_EQ(work.n_cleaned, 1);
        item_end(work.left);
    }
    EXPECT_NOTE(rss_bytes() <= rss + 2 * MIB, "RSS %zu, then %zu", rss, rss_bytes());
    expect_returned(in_use, 256 * KIB);
}

/* A report is none either: with a cancellation pending the process ends by SIGABRT, not the thread. */
static void misuse_while_pending(void)
{
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        int nowhere = open("/dev/null", O_WRONLY);
        REQUIRE(nowhere >= 0 && dup2(nowhere, 2) == 2);
        static char nobody[32] __attribute__((aligned(16)));
        void (*volatile do_free)(void *) = api_free;
        REQUIRE(pthread_cancel(pthread_self()) == 0);
        do_free(nobody);
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT_NOTE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "wait status 0x%x", (unsigned)status);
}

int main(void)
{
    watchdog_start(100);
    api_assert_served();
    FILE *nowhere = fopen("/dev/null", "w"), *kept = stderr;
    REQUIRE(nowhere != NULL);
    setvbuf(nowhere, NULL, _IONBF, 0);
    stderr = nowhere; /* for malloc_stats, which writes at once */
    for (size_t round = 0; round < 5; round++)
        cancel_pending();
    stderr = kept;
    fclose(nowhere);
    misuse_while_pending();
    cancel_many();
    return expect_result();
}
