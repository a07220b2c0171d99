/* SPDX-License-Identifier: MIT */
/* thread.c - which heap a thread has: first calls, ends, late destructors, reuse, the child of a fork. */
#include "heap/thread.h"
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/atomic.h"
#include "crew.h"
#include "front/front.h"

/* --- in a child, where the main thread alone has a heap ------------------------------------------------------------ */

enum { N_FIRST = 8 };
static pthread_barrier_t together;
static struct heap *first_heaps[N_FIRST];
static unsigned x_next;

static void *call_first(void *argument)
{
    UNIT_REQUIRE(vm_heap_self == &vm_heap_none);
    pthread_barrier_wait(&together);
    char *const block = crew_alloc(100);
    UNIT_REQUIRE(block);
    memset(block, 1, 100);
    const unsigned mine = vm_fetch_add_relaxed(&x_next, 1);
    first_heaps[mine] = vm_heap_self;
    pthread_barrier_wait(&together);
    crew_free(block);
    return argument;
}

static void start_together(void *argument)
{
    (void)argument;
    pthread_t thread[N_FIRST];
    UNIT_REQUIRE(crew_count_heaps() == 0);
    pthread_barrier_init(&together, NULL, N_FIRST);
    for (unsigned i = 0; i < N_FIRST; i++)
        UNIT_REQUIRE(pthread_create(&thread[i], NULL, call_first, NULL) == 0);
    for (unsigned i = 0; i < N_FIRST; i++)
        pthread_join(thread[i], NULL);
    UNIT_REQUIRE(crew_count_heaps() == N_FIRST);
    for (unsigned i = 0; i < N_FIRST; i++) {
        UNIT_REQUIRE(first_heaps[i] != &vm_heap_none && first_heaps[i] != &vm_heap_ended);
        UNIT_REQUIRE(vm_load_acquire(&first_heaps[i]->x_state) == HEAP_ABANDONED);
        for (unsigned k = 0; k < i; k++)
            UNIT_REQUIRE(first_heaps[k] != first_heaps[i]);
    }
    vm_check_all();
}

static void first_calls(void **state)
{
    (void)state;
    for (unsigned i = 0; i < (unit_is_slow() ? 3 : 30); i++)
        unit_assert_returns(start_together, NULL);
}

static void *free_first(void *argument)
{
    vm_free(NULL);
    UNIT_REQUIRE(vm_heap_self == &vm_heap_none && crew_count_heaps() == 0);
    UNIT_REQUIRE(vm_malloc_usable_size(NULL) == 0);
    void *const large = crew_alloc(1 << 20); /* needs no heap */
    UNIT_REQUIRE(large && crew_count_heaps() == 0);
    crew_free(large);
    void *const small = crew_alloc(0);
    UNIT_REQUIRE(small && crew_count_heaps() == 1 && vm_heap_self == vm_thread_heaps());
    crew_free(small);
    vm_check_all();
    return argument;
}

static void thread_without_heap(void *argument)
{
    pthread_t thread;
    UNIT_REQUIRE(pthread_create(&thread, NULL, free_first, argument) == 0);
    pthread_join(thread, NULL);
}

static void without_heap(void **state)
{
    (void)state;
    unit_assert_returns(thread_without_heap, NULL);
}

/* --- one after another ---------------------------------------------------------------------------------- */

static void *live(void *argument)
{
    char *blocks[50];
    for (unsigned i = 0; i < 50; i++) {
        blocks[i] = crew_alloc(10 + i * 40);
        UNIT_REQUIRE(blocks[i]);
        blocks[i][0] = (char)i;
    }
    for (unsigned i = 0; i < 50; i++)
        crew_free(blocks[i]);
    return argument;
}

static void one_heap_for_all(void **state)
{
    (void)state;
    vm_malloc_trim(0);
    const unsigned n_heaps = crew_count_heaps();
    const size_t pool_bytes = crew_pool_bytes();
    for (unsigned i = 0; i < (unit_is_slow() ? 100 : 1000); i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, live, NULL), 0);
        pthread_join(thread, NULL);
    }
    assert_true(crew_count_heaps() <= n_heaps + 1);
    assert_int_equal(crew_pool_bytes(), pool_bytes); /* a dead thread keeps nothing */
    vm_check_all();
}

static void *leave_block(void *argument)
{
    void **const block = argument;
    *block = crew_alloc(3000);
    memset(*block, 0x3c, 3000);
    return argument;
}

static void blocks_left_behind(void **state)
{
    (void)state;
    enum { N = 300 };
    static void *blocks[N];
    vm_malloc_trim(0);
    const unsigned n_heaps = crew_count_heaps();
    const size_t pool_bytes = crew_pool_bytes();
    for (unsigned i = 0; i < N; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, leave_block, &blocks[i]), 0);
        pthread_join(thread, NULL);
    }
    assert_true(crew_count_heaps() <= n_heaps + 1);
    /* They lie close together: each thread went on in the slabs of the one before. */
    assert_true(crew_pool_bytes() - pool_bytes <= N * 3072 + 4 * 65536);
    vm_check_all();
    for (unsigned i = 0; i < N; i++) {
        assert_true(unit_is_filled(blocks[i], 3000, 0x3c));
        crew_free(blocks[i]);
    }
    assert_int_equal(crew_pool_bytes(), pool_bytes);
    vm_check_all();
}

/* --- destructors that run after the heap is gone -------------------------------------------------------- */

static pthread_key_t late_key;
static unsigned x_late_calls, x_late_wrong;

static void be_late(void *argument)
{
    const uintptr_t n_left = (uintptr_t)argument;
    vm_fetch_add_relaxed(&x_late_calls, 1);
    if (vm_heap_self != &vm_heap_ended && n_left < 3)
        vm_fetch_add_relaxed(&x_late_wrong, 1);
    unsigned char *blocks[40];
    for (unsigned i = 0; i < 40; i++) {
        blocks[i] = crew_alloc(24 + 100 * i);
        if (!blocks[i])
            vm_fetch_add_relaxed(&x_late_wrong, 1);
        else
            memset(blocks[i], (int)i, 24 + 100 * i);
    }
    blocks[3] = vm_realloc(blocks[3], 5000);
    unsigned char *const zeroed = vm_calloc(10, 30);
    if (!zeroed || !unit_is_filled(zeroed, 300, 0))
        vm_fetch_add_relaxed(&x_late_wrong, 1);
    crew_free(zeroed);
    for (unsigned i = 0; i < 40; i++) {
        if (!unit_is_filled(blocks[i], 24 + 100 * i, (unsigned char)i))
            vm_fetch_add_relaxed(&x_late_wrong, 1);
        crew_free(blocks[i]);
    }
    if (n_left > 1)
        pthread_setspecific(late_key, (void *)(n_left - 1));
}

static void *die_noisily(void *argument)
{
    pthread_setspecific(late_key, (void *)(uintptr_t)3);
    return live(argument);
}

static void late_destructors(void **state)
{
    (void)state;
    vm_malloc_trim(0);
    assert_int_equal(pthread_key_create(&late_key, be_late), 0);
    const unsigned n_heaps = crew_count_heaps();
    const size_t pool_bytes = crew_pool_bytes();
    for (unsigned round = 0; round < 10; round++) {
        pthread_t thread[4];
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, die_noisily, NULL), 0);
        for (unsigned i = 0; i < 4; i++)
            pthread_join(thread[i], NULL);
        vm_check_all();
    }
    assert_int_equal(x_late_calls, 10 * 4 * 3);
    assert_int_equal(x_late_wrong, 0);
    assert_true(crew_count_heaps() <= n_heaps + 4);
    vm_malloc_trim(0);
    assert_int_equal(crew_pool_bytes(), pool_bytes);
    for (const struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        assert_int_equal(heap->x_state, heap == vm_heap_self ? HEAP_LIVE : HEAP_ABANDONED);
    pthread_key_delete(late_key);
}

/* A handler forks while a call of an ending thread has borrowed a heap, or is about to adopt one: for the child that heap is one
   of a thread that is not there, and the call goes on with it all the same. */
static void borrow_in_child(void *argument)
{
    pthread_t thread;
    struct heap *heap[3], *borrowed;
    (void)argument;
    crew_free(crew_alloc(1));
    UNIT_REQUIRE(pthread_create(&thread, NULL, live, NULL) == 0);
    pthread_join(thread, NULL);
    vm_thread_make_stand_ins();
    vm_heap_self = &vm_heap_ended;
    borrowed = vm_thread_enter();
    UNIT_REQUIRE(vm_load_relaxed(&borrowed->x_state) == HEAP_LIVE);
    vm_thread_reset_in_child(); /* what the child does first */
    UNIT_REQUIRE(vm_load_relaxed(&borrowed->x_state) == HEAP_ABANDONED);
    vm_thread_leave(borrowed);
    for (unsigned i = 0; i < 3; i++) {
        heap[i] = vm_thread_enter();
        UNIT_REQUIRE(heap[i] && vm_load_relaxed(&heap[i]->x_state) == HEAP_LIVE);
        for (unsigned k = 0; k < i; k++)
            UNIT_REQUIRE(heap[k] != heap[i]);
    }
    vm_thread_reset_in_child(); /* all are in the stack again, and one of them is taken by the call */
    vm_store_relaxed(&heap[1]->x_state, HEAP_LIVE);
    for (unsigned i = 0; i < 4; i++)
        UNIT_REQUIRE((borrowed = vm_thread_enter()) && borrowed != heap[1]);
    vm_thread_leave(heap[1]);
    UNIT_REQUIRE(vm_thread_enter() == heap[1]);
}

static void borrowed_over_fork(void **state)
{
    (void)state;
    unit_assert_returns(borrow_in_child, NULL);
}

static void constant_heaps_stay_constant(void **state)
{
    (void)state;
    const struct heap *const constants[] = {&vm_heap_none, &vm_heap_ended};
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < VM_N_BINS; i++)
            assert_ptr_equal(constants[k]->bin[i].group, &vm_heap_no_blocks);
        for (unsigned i = 0; i < VM_N_CLASSES; i++) {
            assert_null(constants[k]->current[i]);
            assert_null(constants[k]->slabs[i].first);
        }
        assert_null(constants[k]->x_queue);
        assert_int_equal(constants[k]->n_retired, 0);
    }
    assert_int_equal(vm_heap_no_blocks.x_mask, 0);
}

/* --- fork ----------------------------------------------------------------------------------------------- */

static void alloc_there(void *argument)
{
    *(void **)argument = crew_alloc(400);
    memset(*(void **)argument, 0x6a, 400);
}

static void go_on_in_child(void *argument)
{
    struct heap *const other = ((struct slab *)vm_pagemap_find(argument))->x_heap;
    vm_fork_in_child(); /* what fork's handler does */
    UNIT_REQUIRE(other != vm_heap_self && vm_load_relaxed(&other->x_state) == HEAP_ABANDONED);
    UNIT_REQUIRE(unit_is_filled(argument, 400, 0x6a));
    vm_check_all();
    crew_free(argument);
    UNIT_REQUIRE(live(argument) == argument);
    pthread_t thread;
    UNIT_REQUIRE(pthread_create(&thread, NULL, live, NULL) == 0);
    pthread_join(thread, NULL);
    vm_malloc_trim(0);
    vm_check_all();
}

static void child_of_fork(void **state)
{
    (void)state;
    static struct worker worker;
    void *block;
    crew_hire(&worker);
    crew_do(&worker, alloc_there, &block);
    for (unsigned i = 0; i < 3; i++)
        unit_assert_returns(go_on_in_child, block);
    assert_true(unit_is_filled(block, 400, 0x6a));
    crew_free(block);
    crew_dismiss(&worker);
    vm_check_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_calls), /* these two before this process has a heap */
        cmocka_unit_test(without_heap),
        cmocka_unit_test(one_heap_for_all),
        cmocka_unit_test(blocks_left_behind),
        cmocka_unit_test(late_destructors),
        cmocka_unit_test(child_of_fork),
        cmocka_unit_test(borrowed_over_fork),
        cmocka_unit_test(constant_heaps_stay_constant),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
