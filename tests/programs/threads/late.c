/* SPDX-License-Identifier: MIT */
/*
 * late.c - mallocs and frees when a thread is nearly gone: in destructors of thread-specific data through all
 * four rounds, of keys made before and after the allocator's own, in destructors of C++ thread_local objects,
 * and in atexit handlers. Nothing is used after it was torn down, and no second heap stays behind: 3000
 * threads leave no growth.
 */
#include <limits.h>

#include "crew.h"

extern int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *dso_symbol);
extern void *__dso_handle;

/* The thread sanitizer forgets the thread in the last rounds. */
enum { N_KEYS = 20, N_ROUNDS = API_UNDER_SANITIZER ? 2 : PTHREAD_DESTRUCTOR_ITERATIONS };

static pthread_key_t keys[N_KEYS];
static unsigned n_destructor_calls, n_object_calls;

struct late {
    size_t key_index, round;
    struct item item;
};

static struct late *late_new(size_t key_index, size_t round)
{
    struct rng rng = {.state = key_index * 10 + round};
    struct late *late = api_malloc(sizeof *late);
    REQUIRE(late != NULL);
    *late = (struct late){.key_index = key_index, .round = round, .item = item_new(&rng, key_index)};
    return late;
}

static void key_destructor(void *value)
{
    struct late *late = value;
    __atomic_add_fetch(&n_destructor_calls, 1, __ATOMIC_RELAXED);
    item_end(late->item);
    struct rng rng = {.state = late->round};
    struct item items[20];
    for (size_t i = 0; i < 20; i++)
        items[i] = item_new(&rng, i);
    for (size_t i = 0; i < 20; i++)
        item_end(items[i]);
    /* Another round, as long as libc grants some; in the last one the value is freed and not set again. */
    if (late->round + 1 < N_ROUNDS) {
        struct late *next = late_new(late->key_index, late->round + 1);
        REQUIRE(pthread_setspecific(keys[late->key_index], next) == 0);
    }
    api_free(late);
}

static void object_destructor(void *object)
{
    __atomic_add_fetch(&n_object_calls, 1, __ATOMIC_RELAXED);
    struct late *late = object;
    item_end(late->item);
    struct rng rng = {.state = 5};
    item_end(item_new(&rng, 6));
    api_free(late);
}

static void *thread_with_late_work(void *argument)
{
    size_t seed = (size_t)(uintptr_t)argument;
    if (seed % 3 != 0) { /* a third of the threads first touches the allocator in its destructors */
        struct rng rng = {.state = seed};
        item_end(item_new(&rng, 1));
    }
    for (size_t i = 0; i < N_KEYS; i += 1 + seed % 4)
        REQUIRE(pthread_setspecific(keys[i], late_new(i, 0)) == 0);
    if (seed % 2 == 0)
        REQUIRE(__cxa_thread_atexit_impl(object_destructor, late_new(0, 0), &__dso_handle) == 0);
    return NULL;
}

/* Frees only, and only at the end: of blocks that the main thread made. */
static pthread_key_t free_only_key;

static void free_only_destructor(void *value)
{
    api_free(value);
}

static void *thread_that_only_frees(void *argument)
{
    REQUIRE(pthread_setspecific(free_only_key, argument) == 0);
    return NULL;
}

static struct late *for_atexit[50];

static void at_exit(void)
{
    for (size_t i = 0; i < 50; i++) {
        item_end(for_atexit[i]->item);
        api_free(for_atexit[i]);
    }
    crew_join(crew_start(thread_with_late_work, (void *)(uintptr_t)4));
    if (expect_result() != 0)
        _exit(1);
}

int main(int argc, char **argv)
{
    watchdog_start(240);
    /* Half of the keys are made before the first malloc of this program. */
    for (size_t i = 0; i < N_KEYS / 2; i++)
        REQUIRE(pthread_key_create(&keys[i], key_destructor) == 0);
    api_assert_served();
    size_t scale = scale_argument(argc, argv, 1);
    for (size_t i = N_KEYS / 2; i < N_KEYS; i++)
        REQUIRE(pthread_key_create(&keys[i], key_destructor) == 0);
    REQUIRE(pthread_key_create(&free_only_key, free_only_destructor) == 0);
    for (size_t i = 0; i < 50; i++)
        for_atexit[i] = late_new(i, 0);
    atexit(at_exit);
    size_t rss_warm = 0, in_use_warm = 0;
    size_t n_rounds = (API_UNDER_SANITIZER ? 100 : 400) * scale;
    for (size_t round = 0; round < n_rounds; round++) {
        if (round == n_rounds / 4) {
            rss_warm = rss_bytes();
            in_use_warm = api_mallinfo2().uordblks;
        }
        pthread_t threads[4];
        for (size_t i = 0; i < 3; i++)
            threads[i] = crew_start(thread_with_late_work, (void *)(uintptr_t)(round * 3 + i));
        threads[3] = crew_start(thread_that_only_frees, api_malloc(round));
        for (size_t i = 0; i < 4; i++)
            crew_join(threads[i]);
    }
    EXPECT(n_destructor_calls >= n_rounds * 3 * N_ROUNDS);
    EXPECT(n_object_calls >= n_rounds);
    size_t rss = rss_bytes();
    expect_figure("late: %u destructor calls, RSS %.1f MiB after a quarter, %.1f MiB at the end\n",
                  n_destructor_calls, mib(rss_warm), mib(rss));
    if (!API_UNDER_SANITIZER)
        EXPECT_NOTE(rss <= rss_warm + 2 * MIB, "RSS %zu, then %zu", rss_warm, rss);
    if (!api_on_glibc())
        expect_returned(in_use_warm, 256 * KIB);
    return expect_result();
}
