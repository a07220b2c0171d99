/* SPDX-License-Identifier: MIT */
/*
 * lock.c - the ranked lock, compiled here with all its checks whatever the build's check level: exclusion
 * between threads, sleeping and waking, the child of a fork, and the order of ranks.
 */
#include "base/lock.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include "kernel/kernel.h"
#include "unit.h"

static struct lock shared_lock = VM_LOCK_INIT(VM_RANK_POOL);
static uint64_t guarded_count; /* plain on purpose: the lock is all that protects it */
static unsigned x_inside;      /* threads between acquire and release */
static unsigned x_overlaps;

enum { N_THREADS = 4 };

static void use_locked(unsigned round)
{
    if (vm_fetch_add_relaxed(&x_inside, 1) != 0)
        vm_fetch_add_relaxed(&x_overlaps, 1);
    guarded_count++;
    if (round % 512 == 0)
        sched_yield(); /* makes the others sleep */
    vm_fetch_sub_relaxed(&x_inside, 1);
}

static void *count_up(void *argument)
{
    const unsigned n_rounds = *(const unsigned *)argument;
    for (unsigned round = 0; round < n_rounds; round++) {
        if (round % 3 == 0)
            while (!vm_lock_try(&shared_lock))
                sched_yield();
        else
            vm_lock_acquire(&shared_lock);
        use_locked(round);
        vm_lock_release(&shared_lock);
    }
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[N_THREADS];
    unsigned n_rounds = unit_is_slow() ? 3000 : 50000;
    guarded_count = 0;
    x_overlaps = 0;
    for (unsigned i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &n_rounds), 0);
    for (unsigned i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(guarded_count, (uint64_t)N_THREADS * n_rounds);
    assert_int_equal(x_overlaps, 0);
    assert_int_equal(shared_lock.x_word, 0);
    assert_int_equal(shared_lock.x_waiters, 0);
    assert_true(shared_lock.x_holder == 0);
}

static void exclusion_by_looping(void **state)
{
    (void)state;
    const struct lock_waiter saved = vm_lock_waiter;
    vm_lock_waiter = (struct lock_waiter){0};
    run_threads();
    vm_lock_waiter = saved;
}

static void exclusion_by_sleeping(void **state)
{
    (void)state;
    run_threads();
}

static void words(void **state)
{
    (void)state;
    struct lock lock = VM_LOCK_INIT(VM_RANK_HEAP);
    assert_false(vm_lock_is_mine(&lock));
    vm_lock_acquire(&lock);
    assert_int_equal(lock.x_word, 1);
    assert_true(vm_lock_is_mine(&lock));
    assert_false(vm_lock_try(&lock)); /* not even by its holder */
    vm_lock_release(&lock);
    assert_int_equal(lock.x_word, 0);
    assert_false(vm_lock_is_mine(&lock));
    assert_true(vm_lock_try(&lock));
    vm_lock_release(&lock);
}

/* --- with a second thread ------------------------------------------------------------------------------- */

static unsigned x_asleep; /* calls of wait so far */
static void (*real_wait)(uint32_t *word, uint32_t expected);

static void counting_wait(uint32_t *word, uint32_t expected)
{
    vm_fetch_add_relaxed(&x_asleep, 1);
    real_wait(word, expected);
}

static void *try_it(void *argument)
{
    (void)argument;
    const bool done = vm_lock_try(&shared_lock);
    const bool mine = vm_lock_is_mine(&shared_lock);
    if (done)
        vm_lock_release(&shared_lock);
    return done || mine ? &shared_lock : NULL;
}

static void *wait_for_it(void *argument)
{
    (void)argument;
    vm_lock_acquire(&shared_lock);
    guarded_count = 77;
    vm_lock_release(&shared_lock);
    return NULL;
}

static void sleeper_is_woken(void **state)
{
    (void)state;
    pthread_t thread;
    void *result;
    vm_lock_acquire(&shared_lock);
    guarded_count = 0;
    assert_int_equal(pthread_create(&thread, NULL, try_it, NULL), 0);
    pthread_join(thread, &result);
    assert_null(result);
    real_wait = vm_lock_waiter.wait;
    vm_lock_waiter.wait = counting_wait;
    x_asleep = 0;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_it, NULL), 0);
    while (vm_load_relaxed(&x_asleep) == 0)
        sched_yield();
    assert_int_not_equal(vm_load_relaxed(&shared_lock.x_waiters), 0);
    assert_int_equal(guarded_count, 0);
    vm_lock_release(&shared_lock);
    pthread_join(thread, NULL);
    assert_int_equal(guarded_count, 77);
    assert_int_equal(shared_lock.x_word, 0);
    vm_lock_waiter.wait = real_wait;
}

static pthread_barrier_t held, done_with;

static void *hold_it(void *argument)
{
    (void)argument;
    vm_lock_acquire(&shared_lock);
    pthread_barrier_wait(&held);
    pthread_barrier_wait(&done_with);
    vm_lock_release(&shared_lock);
    return NULL;
}

static void use_in_child(void *argument)
{
    struct lock own = VM_LOCK_INIT(VM_RANK_REGISTRY), idle = VM_LOCK_INIT(VM_RANK_HEAP);
    vm_lock_acquire(&own);
    UNIT_REQUIRE(!vm_lock_reset_in_child(&own)); /* the forking thread's: stays held */
    UNIT_REQUIRE(vm_lock_is_mine(&own));
    UNIT_REQUIRE(!vm_lock_reset_in_child(&idle));
    UNIT_REQUIRE(!vm_lock_try(argument));
    UNIT_REQUIRE(vm_lock_reset_in_child(argument)); /* another's, who is not here */
    vm_lock_acquire(argument);
    vm_lock_release(argument);
}

static bool reset_it(void)
{
    return vm_lock_reset_in_child(&shared_lock);
}

/* Nobody ran the fork handlers: the first wait finds it out. */
static void wait_in_child(void *argument)
{
    vm_lock_waiter.forked = reset_it;
    vm_lock_acquire(argument);
    UNIT_REQUIRE(vm_lock_is_mine(argument));
    vm_lock_release(argument);
}

static void child_of_fork(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_barrier_init(&held, NULL, 2);
    pthread_barrier_init(&done_with, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, hold_it, NULL), 0);
    pthread_barrier_wait(&held);
    unit_assert_returns(use_in_child, &shared_lock);
    unit_assert_returns(wait_in_child, &shared_lock);
    pthread_barrier_wait(&done_with);
    pthread_join(thread, NULL);
}

/* --- ranks ---------------------------------------------------------------------------------------------- */

static void acquire_all(void *argument)
{
    const unsigned *const rank = argument;
    struct lock lock[4];
    for (unsigned i = 0; i < 4 && rank[i]; i++) {
        lock[i] = (struct lock)VM_LOCK_INIT(rank[i]);
        vm_lock_acquire(&lock[i]);
    }
    for (unsigned i = 0; i < 4 && rank[i]; i++)
        vm_lock_release(&lock[i]);
    struct lock again = VM_LOCK_INIT(rank[0]); /* what is released does not count any more */
    vm_lock_acquire(&again);
    vm_lock_release(&again);
}

static void release_twice(void *argument)
{
    struct lock lock = VM_LOCK_INIT(VM_RANK_HEAP);
    (void)argument;
    vm_lock_acquire(&lock);
    vm_lock_release(&lock);
    vm_lock_release(&lock);
}

static void rank_order(void **state)
{
    (void)state;
    unsigned rising[4] = {VM_RANK_REGISTRY, VM_RANK_HEAP, VM_RANK_META, VM_RANK_KERNEL};
    unsigned falling[4] = {VM_RANK_ARENA, VM_RANK_HEAP}, same[4] = {VM_RANK_HEAP, VM_RANK_HEAP};
    unsigned below_first[4] = {VM_RANK_POOL, VM_RANK_META, VM_RANK_ARENA}, unknown[4] = {VM_N_RANKS};
    unit_assert_returns(acquire_all, rising);
    unit_assert_aborts(acquire_all, falling, "held_ranks");
    unit_assert_aborts(acquire_all, same, "held_ranks");
    unit_assert_aborts(acquire_all, below_first, "held_ranks");
    unit_assert_aborts(acquire_all, unknown, "rank");
    unit_assert_aborts(release_twice, NULL, "held_ranks");
}

static int begin(void **state)
{
    (void)state;
    unit_start(&vm_linux_backend);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(exclusion_by_looping),
        cmocka_unit_test(exclusion_by_sleeping),
        cmocka_unit_test(sleeper_is_woken),
        cmocka_unit_test(child_of_fork),
        cmocka_unit_test(rank_order),
    };
    return cmocka_run_group_tests_name("lock", tests, begin, NULL);
}
