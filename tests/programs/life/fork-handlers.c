/* SPDX-License-Identifier: MIT */
/*
 * fork-handlers.c - contract 7.a, 7.d, 10.6: fork handlers of other libraries that allocate, resize and free:
 * one registered before the allocator's constructor (early-fork.c, when it is preloaded), one by this program's
 * own constructor, which also forks before main, and 60 by main, more than the C library has room for without
 * malloc. Other threads allocate meanwhile. Prepare handlers run last registered first, so those of early-fork
 * run after the allocator could have locked anything; child handlers run first registered first, so its child
 * handler allocates before the allocator's own has run.
 */
#include <sys/wait.h>

#include "fork-handlers.h"
#include "threads/crew.h"

extern struct held early_held __attribute__((weak));
extern int early_child_status __attribute__((weak));

enum { N_HANDLERS = 60, N_FORKS = 15, N_THREADS = 3 };

static struct held main_held[N_HANDLERS], constructor_held;
static size_t n_taken;
static int constructor_child_status = -1, stop;

/* All 60 are registered as the same functions: each call takes or gives one. */
static void prepare(void)
{
    held_take(&main_held[n_taken++]);
}

static void in_parent(void)
{
    held_give(&main_held[--n_taken]);
    main_held[n_taken].n_in_parent++;
}

static void in_child(void)
{
    held_give(&main_held[--n_taken]);
    main_held[n_taken].n_in_child++;
}

static void constructor_prepare(void)
{
    held_take(&constructor_held);
}

static void constructor_after(void)
{
    held_give(&constructor_held);
}

__attribute__((constructor)) static void start(void)
{
    void *before = held_block(100);
    if (pthread_atfork(constructor_prepare, constructor_after, constructor_after) != 0)
        abort();
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        free(before);
        free(held_block(100000));
        _exit(0);
    }
    free(before);
    REQUIRE(waitpid(child, &constructor_child_status, 0) == child);
}

static void *allocate(void *seed)
{
    struct rng rng = {.state = (uintptr_t)seed};
    for (uint64_t id = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); id++)
        item_end(item_new(&rng, id));
    return NULL;
}

static void check_child(void)
{
    signal(SIGALRM, SIG_DFL);
    alarm(30);
    EXPECT_EQ(n_taken, 0);
    for (size_t i = 0; i < N_HANDLERS; i++)
        EXPECT_EQ(main_held[i].n_in_child, 1);
    if (&early_held != NULL)
        EXPECT_EQ(early_held.n_in_child, 1);
    struct rng rng = {.state = 5};
    for (uint64_t id = 0; id < 200; id++)
        item_end(item_new(&rng, id));
    _exit(expect_result());
}

int main(int argc, char **argv)
{
    watchdog_start(100);
    api_assert_served();
    bool has_early = &early_held != NULL;
    EXPECT_EQ(has_early, argc > 1 && strcmp(argv[1], "early") == 0);
    if (has_early)
        EXPECT_EQ(early_child_status, 0);
    EXPECT_EQ(constructor_child_status, 0);
    for (size_t i = 0; i < N_HANDLERS; i++)
        REQUIRE(pthread_atfork(prepare, in_parent, in_child) == 0);
    pthread_t threads[N_THREADS];
    for (uintptr_t i = 0; i < N_THREADS; i++)
        threads[i] = crew_start(allocate, (void *)i);
    for (unsigned round = 1; round <= N_FORKS; round++) {
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0)
            check_child();
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        EXPECT_NOTE(status == 0, "round %u: wait status 0x%x", round, (unsigned)status);
        EXPECT_EQ(n_taken, 0);
        EXPECT_EQ(main_held[N_HANDLERS - 1].n_in_parent, round);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < N_THREADS; i++)
        crew_join(threads[i]);
    return expect_result();
}
