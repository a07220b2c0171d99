/* SPDX-License-Identifier: MIT */
/* shared.c - threads above the limit of M_ARENA_MAX, or beyond the first few, share heaps; what they free, hand over and
   leave behind. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "crew.h"
#include "front/front.h"
#include "heap/perturb.h"

enum { N_THREADS = 6, N_BLOCKS = 300 };

struct share {
    size_t self, n_rounds;
    char *block[N_BLOCKS];
    size_t size[N_BLOCKS];
};

static struct share shares[N_THREADS];
static struct worker workers[N_THREADS];

static void exchange_blocks(void *argument)
{
    struct share *const share = argument;
    uint64_t seed = share->self + 1;
    for (size_t round = 0; round < share->n_rounds; round++) {
        const size_t i = unit_below(&seed, N_BLOCKS);
        if (share->block[i]) {
            UNIT_REQUIRE(unit_is_filled(share->block[i], share->size[i], (unsigned char)share->self));
            crew_free(share->block[i]);
            share->block[i] = NULL;
        } else {
            share->size[i] = 1 + unit_below(&seed, 2000);
            UNIT_REQUIRE(share->block[i] = crew_alloc(share->size[i]));
            memset(share->block[i], (int)share->self, share->size[i]);
        }
    }
}

static void drop_blocks(void *argument)
{
    struct share *const share = argument;
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        crew_free(share->block[i]);
        share->block[i] = NULL;
    }
}

static void hire_all(void)
{
    for (unsigned i = 0; i < N_THREADS; i++) {
        shares[i] = (struct share){.self = i, .n_rounds = unit_is_slow() ? 1000 : 20000};
        crew_hire(&workers[i]);
    }
}

/* All at once. */
static void all_do(void (*work)(void *argument))
{
    for (unsigned i = 0; i < N_THREADS; i++) {
        workers[i].work = work;
        workers[i].argument = &shares[i];
        pthread_barrier_wait(&workers[i].begin);
    }
    for (unsigned i = 0; i < N_THREADS; i++)
        pthread_barrier_wait(&workers[i].end);
}

static unsigned count_state(enum heap_state state)
{
    unsigned n = 0;
    for (const struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        n += heap->x_state == state;
    return n;
}

static size_t count_all_slabs(void)
{
    size_t n = 0;
    for (const struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        n += crew_count_slabs(heap);
    return n;
}

/* The main thread has a heap; the others share. */
static void limit_of_one(void *argument)
{
    (void)argument;
    UNIT_REQUIRE(vm_mallopt(VM_M_ARENA_MAX, 1) == 1);
    crew_free(crew_alloc(1));
    hire_all();
    all_do(exchange_blocks);
    UNIT_REQUIRE(count_state(HEAP_LIVE) == 1 && count_state(HEAP_SHARED) == 1);
    vm_check_all();
    const size_t n_slabs = count_all_slabs();
    for (unsigned i = 0; i < N_THREADS; i++) /* by the owner of a heap, into the shared one */
        drop_blocks(&shares[i]);
    UNIT_REQUIRE(count_all_slabs() < n_slabs);
    vm_check_all();
    all_do(exchange_blocks);
    all_do(drop_blocks);
    vm_check_all();
    vm_malloc_trim(0);
    UNIT_REQUIRE(count_all_slabs() == 0);
    for (unsigned i = 0; i < N_THREADS; i++)
        crew_dismiss(&workers[i]);
}

/* Ten blocks over and over: the shared heap keeps the slab, it does not take and give one each time. */
static void one_block(void *argument)
{
    (void)argument;
    crew_free(crew_alloc(100));
    const size_t n_takes = crew_pool_bytes();
    for (unsigned i = 0; i < 10; i++) {
        crew_free(crew_alloc(100));
        UNIT_REQUIRE(crew_pool_bytes() == n_takes);
    }
    UNIT_REQUIRE(vm_heap_self == &vm_heap_none);
}

static void keeps_its_slab(void *argument)
{
    (void)argument;
    static struct worker worker;
    UNIT_REQUIRE(vm_mallopt(VM_M_ARENA_MAX, 1) == 1);
    crew_free(crew_alloc(1));
    crew_hire(&worker);
    crew_do(&worker, one_block, NULL);
    UNIT_REQUIRE(count_all_slabs() == 2);
    crew_dismiss(&worker);
}

static void take_one(void *argument)
{
    *(void **)argument = crew_alloc(100);
}

/* When a thread with a heap ends, another gets one. */
static void seat_is_taken(void *argument)
{
    (void)argument;
    static struct worker first, second;
    static void *one, *two, *three;
    UNIT_REQUIRE(vm_mallopt(VM_M_ARENA_MAX, 2) == 1);
    crew_free(crew_alloc(1));
    crew_hire(&first);
    crew_hire(&second);
    crew_do(&first, take_one, &one);
    crew_do(&second, take_one, &two);
    UNIT_REQUIRE(count_state(HEAP_LIVE) == 2 && count_state(HEAP_SHARED) == 1);
    crew_dismiss(&first);
    crew_do(&second, take_one, &three);
    UNIT_REQUIRE(count_state(HEAP_LIVE) == 2 && count_state(HEAP_ABANDONED) == 0);
    crew_free(one);
    crew_free(two);
    crew_free(three);
    crew_dismiss(&second);
    vm_check_all();
}

enum { N_MANY = 200, N_AT_ONCE = 32, N_SHARED = 8, CALLS_PER_HEAP = 16 };

/* Without a limit, threads that allocate once share a few heaps; those that go on get their own. */
static void many_begin_shared(void *argument)
{
    (void)argument;
    static struct worker many[N_MANY];
    static void *block[N_MANY];
    crew_free(crew_alloc(1));
    for (unsigned i = 0; i < N_MANY; i++) {
        crew_hire(&many[i]);
        crew_do(&many[i], take_one, &block[i]);
    }
    const unsigned n_earned = (N_MANY - (N_AT_ONCE - 1)) / CALLS_PER_HEAP;
    UNIT_REQUIRE(count_state(HEAP_LIVE) == N_AT_ONCE + n_earned);
    UNIT_REQUIRE(count_state(HEAP_SHARED) <= N_SHARED);
    vm_check_all();
    for (unsigned i = 0; i < N_MANY; i++)
        crew_free(block[i]);
    for (unsigned call = 0; call < CALLS_PER_HEAP; call++) {
        crew_do(&many[N_MANY - 1], take_one, &block[0]);
        crew_free(block[0]);
    }
    UNIT_REQUIRE(count_state(HEAP_LIVE) == N_AT_ONCE + n_earned + 1);
    for (unsigned i = 0; i < N_MANY; i++)
        crew_dismiss(&many[i]);
    vm_check_all();
    vm_malloc_trim(0);
    UNIT_REQUIRE(count_all_slabs() == 0);
}

/* A child goes on with the shared heap, whatever the others did meanwhile. */
static void forks(void *argument)
{
    (void)argument;
    UNIT_REQUIRE(vm_mallopt(VM_M_ARENA_MAX, 1) == 1);
    crew_free(crew_alloc(1));
    hire_all();
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < N_THREADS; i++) {
            workers[i].work = exchange_blocks;
            workers[i].argument = &shares[i];
            pthread_barrier_wait(&workers[i].begin);
        }
        const pid_t child = fork();
        if (child == 0) {
            vm_fork_in_child();
            static struct worker of_child;
            static struct share share = {.self = 9, .n_rounds = 1000};
            crew_hire(&of_child);
            crew_do(&of_child, exchange_blocks, &share);
            crew_do(&of_child, drop_blocks, &share);
            exchange_blocks(&share);
            _exit(0);
        }
        int status = 1;
        UNIT_REQUIRE(waitpid(child, &status, 0) == child && status == 0);
        for (unsigned i = 0; i < N_THREADS; i++)
            pthread_barrier_wait(&workers[i].end);
    }
    all_do(drop_blocks);
    for (unsigned i = 0; i < N_THREADS; i++)
        crew_dismiss(&workers[i]);
    vm_check_all();
}

static void in_child(void **state)
{
    unit_assert_returns((void (*)(void *))(uintptr_t)*state, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"limit_of_one", in_child, NULL, NULL, (void *)(uintptr_t)limit_of_one},
        {"keeps_its_slab", in_child, NULL, NULL, (void *)(uintptr_t)keeps_its_slab},
        {"seat_is_taken", in_child, NULL, NULL, (void *)(uintptr_t)seat_is_taken},
        {"many_begin_shared", in_child, NULL, NULL, (void *)(uintptr_t)many_begin_shared},
        {"forks", in_child, NULL, NULL, (void *)(uintptr_t)forks},
    };
    return cmocka_run_group_tests_name("shared", tests, NULL, NULL);
}
