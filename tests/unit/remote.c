/* SPDX-License-Identifier: MIT */
/*
 * remote.c - frees from other threads: what comes back to the owner, what goes back to the pool while the
 * owner sleeps or after it is dead, adoption, and that no free is overlooked.
 */
#include "heap/remote.h"
#include <stdlib.h>
#include <string.h>
#include "base/atomic.h"
#include "crew.h"
#include "front/front.h"

enum { MOST = 20000 };

struct lot {
    void *blocks[MOST];
    size_t n, size;
    struct heap *heap; /* of the thread that allocated last */
};

static void alloc_lot(void *argument)
{
    struct lot *const lot = argument;
    for (size_t i = 0; i < lot->n; i++) {
        lot->blocks[i] = crew_alloc(lot->size);
        UNIT_REQUIRE(lot->blocks[i]);
        memset(lot->blocks[i], (int)(i % 251), lot->size);
    }
    lot->heap = vm_heap_self;
}

static void free_lot(void *argument)
{
    struct lot *const lot = argument;
    for (size_t i = 0; i < lot->n; i++) {
        UNIT_REQUIRE(unit_is_filled(lot->blocks[i], lot->size, (unsigned char)(i % 251)));
        crew_free(lot->blocks[i]);
    }
}

static struct lot lot;
static const size_t sizes[] = {16, 64, 200, 1024, 5000, 32768};
enum { N_SIZES = 6 };

static void fill_slabs(struct lot *of, size_t size, size_t n_slabs)
{
    of->size = size;
    of->n = n_slabs * (vm_class_slab_bytes(vm_class_of(size)) / vm_class_bytes(vm_class_of(size)));
    UNIT_REQUIRE(of->n <= MOST);
}

/* What another frees serves the owner's next blocks. */
static void owner_gets_them_back(void **state)
{
    (void)state;
    static struct worker worker;
    crew_hire(&worker);
    for (unsigned k = 0; k < N_SIZES; k++) {
        fill_slabs(&lot, sizes[k], 10);
        alloc_lot(&lot);
        const size_t pool_bytes = crew_pool_bytes();
        for (unsigned round = 0; round < 5; round++) {
            crew_do(&worker, free_lot, &lot);
            vm_check_all();
            alloc_lot(&lot);
            vm_check_all();
            /* Slabs that went back to the pool come again small at first: some more in the last one. */
            assert_true(crew_pool_bytes() <= pool_bytes + vm_class_slab_bytes(vm_class_of(sizes[k])));
        }
        free_lot(&lot);
        vm_check_all();
    }
    crew_dismiss(&worker);
    vm_malloc_trim(0);
}

/*
 * The owner does nothing: whoever frees a slab's last block gives the slab back. Only the current one stays.
 */
static void owner_sleeps(void **state)
{
    (void)state;
    static struct worker worker;
    crew_hire(&worker);
    for (unsigned k = 0; k < N_SIZES; k++) {
        const size_t pool_bytes = crew_pool_bytes();
        fill_slabs(&lot, sizes[k], 12);
        crew_do(&worker, alloc_lot, &lot);
        assert_ptr_not_equal(lot.heap, vm_heap_self);
        assert_true(crew_pool_bytes() >= pool_bytes + 12 * vm_class_slab_bytes(vm_class_of(sizes[k])));
        const unsigned n_slabs = crew_count_slabs(lot.heap);
        free_lot(&lot);
        assert_true(crew_count_slabs(lot.heap) <= n_slabs - 11);
        assert_true(crew_pool_bytes() <= pool_bytes + vm_class_slab_bytes(vm_class_of(sizes[k])));
        vm_check_all();
    }
    crew_dismiss(&worker);
    vm_malloc_trim(0);
    assert_int_equal(crew_count_slabs(lot.heap), 0);
    vm_check_all();
}

/*
 * A part of a slab's blocks freed from outside, the rest by the owner: the slab runs empty in the owner's
 * hand.
 */
static void both_free(void **state)
{
    (void)state;
    static struct lot odd, even;
    static struct worker worker;
    crew_hire(&worker);
    for (unsigned k = 0; k < N_SIZES; k++) {
        vm_malloc_trim(0);
        const size_t pool_bytes = crew_pool_bytes();
        fill_slabs(&lot, sizes[k], 10);
        alloc_lot(&lot);
        odd.n = even.n = 0;
        odd.size = even.size = lot.size;
        for (size_t i = 0; i < lot.n; i++) {
            memset(lot.blocks[i], (int)(i / 2 % 251), lot.size);
            if (i % 2)
                odd.blocks[odd.n++] = lot.blocks[i];
            else
                even.blocks[even.n++] = lot.blocks[i];
        }
        crew_do(&worker, free_lot, &odd);
        vm_check_all();
        free_lot(&even);
        vm_check_all();
        crew_free(crew_alloc(sizes[k])); /* a slow path, at the latest after a few */
        vm_malloc_trim(0);
        assert_int_equal(crew_pool_bytes(), pool_bytes);
        assert_int_equal(crew_count_slabs(vm_heap_self), 0);
        vm_check_all();
    }
    crew_dismiss(&worker);
}

/* --- dead owners ---------------------------------------------------------------------------------------- */

static void owner_is_dead(void **state)
{
    (void)state;
    vm_malloc_trim(0);
    const size_t pool_bytes = crew_pool_bytes();
    for (unsigned k = 0; k < N_SIZES; k++) {
        static struct worker worker;
        crew_hire(&worker);
        fill_slabs(&lot, sizes[k], 10);
        crew_do(&worker, alloc_lot, &lot);
        crew_dismiss(&worker);
        assert_int_equal(lot.heap->x_state, HEAP_ABANDONED);
        vm_check_all();
        free_lot(&lot);
        vm_check_all();
        assert_int_equal(crew_count_slabs(lot.heap), 0); /* at once: nobody keeps empty slabs there */
        assert_int_equal(crew_pool_bytes(), pool_bytes);
    }
}

/* The thread that comes next gets the heap with all that is in it. */
static void heap_is_adopted(void **state)
{
    (void)state;
    static struct lot rest;
    static struct worker worker;
    crew_hire(&worker);
    fill_slabs(&lot, 200, 10);
    crew_do(&worker, alloc_lot, &lot);
    crew_dismiss(&worker);
    struct heap *const heap = lot.heap;
    rest.size = lot.size;
    rest.n = 0;
    for (size_t i = 1; i < lot.n; i += 2)
        crew_free(lot.blocks[i]);
    for (size_t i = 0; i < lot.n; i += 2) {
        memset(lot.blocks[i], (int)(rest.n % 251), lot.size);
        rest.blocks[rest.n++] = lot.blocks[i];
    }
    const unsigned n_slabs = crew_count_slabs(heap);
    const size_t pool_bytes = crew_pool_bytes();
    vm_check_all();
    crew_hire(&worker);
    lot.n -= rest.n;
    crew_do(&worker, alloc_lot, &lot);
    assert_ptr_equal(lot.heap, heap);
    assert_int_equal(heap->x_state, HEAP_LIVE);
    assert_int_equal(crew_count_slabs(heap), n_slabs); /* the holes were filled */
    assert_int_equal(crew_pool_bytes(), pool_bytes);
    vm_check_all();
    crew_do(&worker, free_lot, &lot);
    crew_do(&worker, free_lot, &rest); /* the dead thread's blocks are its own now */
    crew_dismiss(&worker);
    assert_int_equal(crew_count_slabs(heap), 0);
    vm_check_all();
}

/* A thread that has a heap takes single slabs out of an abandoned one. */
static void slab_is_adopted(void **state)
{
    (void)state;
    static struct worker worker;
    crew_hire(&worker);
    fill_slabs(&lot, 5000, 2);
    crew_do(&worker, alloc_lot, &lot);
    crew_dismiss(&worker);
    vm_malloc_trim(0); /* nothing of this class is ours */
    crew_free(lot.blocks[3]);
    assert_ptr_equal(crew_slab_of(lot.blocks[2])->x_heap, lot.heap);
    const size_t pool_bytes = crew_pool_bytes();
    void *const block = crew_alloc(5000);
    assert_ptr_equal(block, lot.blocks[3]);
    assert_ptr_equal(crew_slab_of(block)->x_heap, vm_heap_self);
    assert_ptr_equal(crew_slab_of(block)->x_fast_heap, vm_heap_self);
    assert_int_equal(crew_pool_bytes(), pool_bytes);
    vm_check_all();
    memset(block, 3, 5000);
    free_lot(&lot);
    vm_malloc_trim(0);
    assert_int_equal(crew_count_slabs(lot.heap), 0);
    vm_check_all();
}

/* What makes the adoption of a slab safe while others free into it and while its heap is adopted, too. */
static void adoption_by_steps(void **state)
{
    (void)state;
    static struct worker worker;
    struct heap *const heap = vm_heap_self;
    const unsigned class_index = vm_class_of(3000);
    vm_malloc_trim(0);
    crew_hire(&worker);
    fill_slabs(&lot, 3000, 1);
    lot.n = vm_class_slab_bytes_least(class_index) / vm_class_bytes(class_index);
    crew_do(&worker, alloc_lot, &lot);
    crew_dismiss(&worker);
    struct slab *const slab = crew_slab_of(lot.blocks[0]);
    crew_free(lot.blocks[0]);
    assert_ptr_equal(slab->x_heap, lot.heap);
    slab->x_is_queued = 1; /* a thread that frees has it pinned: it stays */
    assert_null(vm_thread_adopt_slab(heap, class_index));
    assert_ptr_equal(slab->x_heap, lot.heap);
    vm_check_all();
    slab->x_is_queued = 0;
    assert_ptr_equal(vm_thread_adopt_slab(heap, class_index), slab);
    assert_ptr_equal(slab->x_heap, heap);
    assert_null(slab->x_fast_heap); /* whoever adopts its old heap now must not take the fast path */
    assert_int_equal(crew_count_slabs(lot.heap), 0);
    vm_lock_acquire(&heap->lock);
    vm_heap_list_locked(heap, slab);
    vm_lock_release(&heap->lock);
    vm_check_all();
    for (size_t i = 1; i < lot.n; i++)
        crew_free(lot.blocks[i]);
    vm_malloc_trim(0);
    assert_int_equal(crew_count_slabs(heap), 0);
    vm_check_all();
}

/* --- single steps of the protocol ----------------------------------------------------------------------- */

/* A bit that no queue tells of is found through x_missed. */
static void missed_free(void **state)
{
    (void)state;
    vm_malloc_trim(0);
    struct heap *const heap = vm_heap_self;
    fill_slabs(&lot, 1024, 4);
    alloc_lot(&lot);
    struct slab *const slab = crew_slab_of(lot.blocks[0]);
    size_t index;
    assert_true(vm_slab_index(slab, lot.blocks[0], &index));
    assert_int_equal(slab->x_state, SLAB_LISTED);
    vm_fetch_or(&vm_slab_remote(slab)[index / VM_WORD_BITS], vm_slab_bit(index));
    vm_store_release(&heap->x_missed, 1);
    vm_check_all();
    crew_free(crew_alloc(16)); /* a slow path, of whatever class */
    void *taken[64], *block = NULL;
    unsigned n_taken = 0;
    while (n_taken < 64 && block != lot.blocks[0])
        block = taken[n_taken++] = crew_alloc(1024);
    assert_int_equal(heap->x_missed, 0);
    assert_int_equal(vm_slab_remote(slab)[index / VM_WORD_BITS], 0);
    assert_ptr_equal(block, lot.blocks[0]);
    vm_check_all();
    while (n_taken)
        crew_free(taken[--n_taken]);
    for (size_t i = 1; i < lot.n; i++)
        crew_free(lot.blocks[i]);
    vm_malloc_trim(0);
    assert_int_equal(crew_count_slabs(heap), 0);
}

/*
 * A slab that runs empty moved to another heap while a remote free put it into its old heap's queue:
 * whoever finds it there passes it on, and leaves it alone but for that.
 */
static void pass_on(struct heap *other)
{
    struct heap *const heap = vm_heap_self;
    static struct lot mine;
    vm_malloc_trim(0);
    fill_slabs(&mine, 700, 2);
    alloc_lot(&mine);
    struct slab *const slab = crew_slab_of(mine.blocks[0]);
    assert_ptr_equal(slab->x_heap, heap);
    assert_int_equal(slab->x_state, SLAB_LISTED);
    slab->x_is_queued = 1; /* as if a thread that frees all had pinned it, */
    for (size_t i = 0; i < slab->n_groups; i++)
        vm_slab_remote(slab)[i] = vm_slab_group_full(slab, i);
    slab->x_next_queued = NULL;
    other->x_queue = slab; /* before it moved to us */
    const unsigned n_slabs = crew_count_slabs(heap);
    vm_remote_visit(other);
    assert_null(other->x_queue);
    assert_ptr_equal(heap->x_queue, slab);
    assert_int_equal(crew_count_slabs(heap), n_slabs);
    assert_int_equal(slab->x_is_queued, 1);
    vm_check_all();
    for (size_t i = 0; i < mine.n; i++)
        if (crew_slab_of(mine.blocks[i]) != slab)
            crew_free(mine.blocks[i]);
    vm_malloc_trim(0);
    assert_int_equal(crew_count_slabs(heap), 0);
    vm_check_all();
}

static void misdirected_queue(void **state)
{
    (void)state;
    static struct worker worker;
    crew_hire(&worker);
    fill_slabs(&lot, 64, 1);
    crew_do(&worker, alloc_lot, &lot);
    pass_on(lot.heap);
    crew_do(&worker, free_lot, &lot);
    crew_dismiss(&worker);
    assert_int_equal(lot.heap->x_state, HEAP_ABANDONED);
    pass_on(lot.heap);
}

/*
 * The owner's last free into a slab, seen by a visitor that took the empty slab out of the heap before the
 * owner came to retire it: the slab is the visitor's.
 */
static void emptied_and_taken(void **state)
{
    (void)state;
    vm_malloc_trim(0);
    struct heap *const heap = vm_heap_self;
    fill_slabs(&lot, 256, 2);
    alloc_lot(&lot);
    struct slab *const slab = crew_slab_of(lot.blocks[0]);
    assert_int_equal(slab->x_state, SLAB_LISTED);
    struct list emptied = {0};
    vm_lock_acquire(&heap->lock);
    for (size_t i = 0; i < slab->n_groups; i++)
        vm_store_release(&slab->group[i].x_mask, vm_slab_group_full(slab, i));
    vm_heap_unlist_locked(heap, slab);
    vm_list_push_back(&emptied, &slab->span.node);
    vm_lock_release(&heap->lock);
    const uint32_t n_retired = heap->n_retired;
    vm_heap_group_emptied(&slab->group[0], slab);
    assert_int_equal(heap->n_retired, n_retired);
    assert_false(slab->retired_at);
    const size_t pool_bytes = crew_pool_bytes(), bytes = slab->span.bytes;
    vm_heap_destroy_slabs(&emptied);
    assert_int_equal(crew_pool_bytes(), pool_bytes - bytes);
    vm_check_all();
    for (size_t i = lot.n / 2; i < lot.n; i++)
        crew_free(lot.blocks[i]);
    vm_malloc_trim(0);
    assert_int_equal(crew_count_slabs(heap), 0);
    vm_check_all();
}

/* --- misuse --------------------------------------------------------------------------------------------- */

static void free_one(void *argument)
{
    crew_free(argument);
}

enum { OTHER_TWICE, OWNER_THEN_OTHER, OTHER_THEN_OWNER, DEAD_TWICE };

static void misuse(void *argument)
{
    static struct worker worker;
    crew_hire(&worker);
    void *keep[3];
    for (unsigned i = 0; i < 3; i++)
        keep[i] = crew_alloc(48);
    const int what = *(int *)argument;
    if (what == OWNER_THEN_OTHER)
        crew_free(keep[1]);
    if (what == DEAD_TWICE) {
        fill_slabs(&lot, 48, 2);
        crew_do(&worker, alloc_lot, &lot);
        crew_dismiss(&worker);
        crew_free(lot.blocks[5]);
        crew_free(lot.blocks[5]);
    }
    crew_do(&worker, free_one, keep[1]);
    if (what == OTHER_TWICE)
        crew_do(&worker, free_one, keep[1]);
    if (what == OTHER_THEN_OWNER)
        crew_free(keep[1]);
}

static void misuses(void **state)
{
    (void)state;
    for (int what = OTHER_TWICE; what <= DEAD_TWICE; what++)
        unit_assert_aborts(misuse, &what, "free(): double free detected in tcache 2\nvmalloc: free(0x");
}

/* --- many threads --------------------------------------------------------------------------------------- */

enum { N_THREADS = 4, N_SLOTS = 512 };

static unsigned char *x_slots[N_SLOTS];
static unsigned x_spoiled;

/* A block says in its first words how long it is and what is in it. */
static void stamp(unsigned char *block, uint32_t size, unsigned char value)
{
    memcpy(block, &size, sizeof size);
    memset(block + 4, value, size - 4);
}

static bool is_whole(const unsigned char *block)
{
    uint32_t size;
    memcpy(&size, block, sizeof size);
    return size >= 16 && unit_is_filled(block + 4, size - 4, block[4]);
}

static void *exchange(void *argument)
{
    uint64_t seed = *(uint64_t *)argument;
    const unsigned n_steps = unit_is_slow() ? 4000 : 60000;
    for (unsigned step = 0; step < n_steps; step++) {
        unsigned char *block = NULL;
        if (unit_below(&seed, 3)) {
            const uint32_t size =
                16 + (uint32_t)unit_below(&seed, 1 + unit_below(&seed, step % 64 ? 600 : 30000));
            block = crew_alloc(size);
            if (!block)
                vm_fetch_add_relaxed(&x_spoiled, 1);
            else
                stamp(block, size, (unsigned char)step);
        }
        block = vm_exchange(&x_slots[unit_below(&seed, N_SLOTS)], block);
        if (block && !is_whole(block))
            vm_fetch_add_relaxed(&x_spoiled, 1);
        crew_free(block);
    }
    return NULL;
}

static void handing_over(void **state)
{
    (void)state;
    vm_malloc_trim(0);
    const size_t pool_bytes = crew_pool_bytes();
    for (unsigned round = 0; round < 5; round++) {
        pthread_t thread[N_THREADS];
        uint64_t seeds[N_THREADS];
        for (unsigned i = 0; i < N_THREADS; i++) {
            seeds[i] = 900 + round * N_THREADS + i;
            assert_int_equal(pthread_create(&thread[i], NULL, exchange, &seeds[i]), 0);
        }
        for (unsigned i = 0; i < N_THREADS; i++)
            pthread_join(thread[i], NULL);
        assert_int_equal(x_spoiled, 0);
        assert_int_equal(crew_count_overlooked(), 0);
        vm_check_all();
    }
    for (unsigned i = 0; i < N_SLOTS; i++) {
        crew_free(x_slots[i]);
        x_slots[i] = NULL;
    }
    vm_check_all();
    vm_malloc_trim(0);
    assert_int_equal(crew_pool_bytes(), pool_bytes); /* nothing was overlooked */
}

/* Everything goes from one thread to three others, which free the same slabs at once; R2 and R3. */
static unsigned char *x_ring[1024];
static bool x_is_over;

static void *free_what_comes(void *argument)
{
    uint64_t seed = *(uint64_t *)argument;
    while (!vm_load_acquire(&x_is_over)) {
        unsigned char *const block = vm_exchange(&x_ring[unit_below(&seed, 1024)], NULL);
        if (block && !is_whole(block))
            vm_fetch_add_relaxed(&x_spoiled, 1);
        crew_free(block);
    }
    return NULL;
}

static void one_way(void **state)
{
    (void)state;
    vm_malloc_trim(0);
    const size_t pool_bytes = crew_pool_bytes();
    uint64_t seed = 3;
    for (unsigned round = 0; round < 40; round++) {
        pthread_t thread[3];
        uint64_t seeds[] = {seed + 1, seed + 2, seed + 3};
        vm_store_release(&x_is_over, false);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, free_what_comes, &seeds[i]), 0);
        for (unsigned step = 0; step < (unit_is_slow() ? 500 : 10000); step++) {
            unsigned char *const block = crew_alloc(512);
            stamp(block, 512, (unsigned char)step);
            crew_free(vm_exchange(&x_ring[unit_below(&seed, 1024)], block));
        }
        vm_store_release(&x_is_over, true);
        for (unsigned i = 0; i < 3; i++)
            pthread_join(thread[i], NULL);
        assert_int_equal(x_spoiled, 0);
        assert_int_equal(crew_count_overlooked(), 0);
        vm_check_all();
        if (round % 4 == 3)
            vm_malloc_trim(0); /* x_missed begins anew */
    }
    for (unsigned i = 0; i < 1024; i++)
        crew_free(x_ring[i]);
    vm_malloc_trim(0);
    assert_int_equal(crew_pool_bytes(), pool_bytes);
}

/* Threads that live shortly, leave blocks behind and free those of others, dead or alive. */
static void *live_shortly(void *argument)
{
    uint64_t seed = *(uint64_t *)argument;
    for (unsigned step = 0; step < 400; step++) {
        const uint32_t size = 16 + (uint32_t)unit_below(&seed, 1500);
        unsigned char *block = crew_alloc(size);
        if (block)
            stamp(block, size, (unsigned char)step);
        block = vm_exchange(&x_slots[unit_below(&seed, N_SLOTS)], block);
        if (block && !is_whole(block))
            vm_fetch_add_relaxed(&x_spoiled, 1);
        crew_free(block);
    }
    return NULL;
}

static void coming_and_going(void **state)
{
    (void)state;
    vm_malloc_trim(0);
    const size_t pool_bytes = crew_pool_bytes();
    pthread_t thread[N_THREADS];
    static uint64_t seeds[2000];
    const unsigned n_rounds = unit_is_slow() ? 30 : 400;
    for (unsigned round = 0; round < n_rounds; round++) {
        for (unsigned i = 0; i < N_THREADS; i++) { /* one dies, another comes */
            if (round > 0)
                pthread_join(thread[i], NULL);
            seeds[round * N_THREADS + i] = 5000 + round * N_THREADS + i;
            assert_int_equal(pthread_create(&thread[i], NULL, live_shortly, &seeds[round * N_THREADS + i]),
                             0);
        }
    }
    for (unsigned i = 0; i < N_THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(x_spoiled, 0);
    assert_true(crew_count_heaps() <= 2 + 2 * N_THREADS);
    vm_check_all();
    for (unsigned i = 0; i < N_SLOTS; i++) {
        crew_free(x_slots[i]);
        x_slots[i] = NULL;
    }
    vm_malloc_trim(0);
    assert_int_equal(crew_pool_bytes(), pool_bytes);
    vm_check_all();
}

static int begin(void **state)
{
    (void)state;
    crew_free(crew_alloc(1));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owner_gets_them_back),
        cmocka_unit_test(owner_sleeps),
        cmocka_unit_test(both_free),
        cmocka_unit_test(owner_is_dead),
        cmocka_unit_test(heap_is_adopted),
        cmocka_unit_test(slab_is_adopted),
        cmocka_unit_test(adoption_by_steps),
        cmocka_unit_test(missed_free),
        cmocka_unit_test(misdirected_queue),
        cmocka_unit_test(emptied_and_taken),
        cmocka_unit_test(misuses),
        cmocka_unit_test(handing_over),
        cmocka_unit_test(one_way),
        cmocka_unit_test(coming_and_going),
    };
    return cmocka_run_group_tests_name("remote", tests, begin, NULL);
}
