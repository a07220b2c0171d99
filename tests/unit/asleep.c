/* SPDX-License-Identifier: MIT */
/*
 * asleep.c - the slabs that a sleeping thread takes blocks from: what others freed in them goes back to the kernel, once, and
 * nothing else does; and their owner finds them as it left them.
 */
#include "heap/asleep.h"
#include <string.h>
#include "base/atomic.h"
#include "crew.h"
#include "front/front.h"
#include "heap/remote.h"
#include "pool/dirty.h"

enum { MOST = 1024 };

/* All blocks of a slab of its class's largest size, which its owner takes blocks from. */
struct lot {
    unsigned char *blocks[MOST];
    size_t n, size;
    struct slab *slab;
    size_t n_own; /* so many the owner frees itself */
};

static struct lot lot;
static struct worker worker;

static unsigned char pattern(size_t i)
{
    return (unsigned char)(1 + i % 251);
}

/* Blocks until one is in a slab of the largest size: that one and all others there are kept, the rest is freed again. */
static void take_largest(void *argument)
{
    struct lot *const of = argument;
    static void *others[1000];
    const unsigned class_index = vm_class_of(of->size);
    size_t n_others = 0;
    of->n = 0;
    unsigned char *block = crew_alloc(of->size);
    for (; crew_slab_of(block)->span.bytes < vm_class_slab_bytes(class_index); block = crew_alloc(of->size))
        others[n_others++] = block;
    of->slab = crew_slab_of(block);
    for (; crew_slab_of(block) == of->slab; block = crew_alloc(of->size)) {
        of->blocks[of->n] = block;
        memset(block, pattern(of->n++), of->size);
        if (of->n == of->slab->n_blocks)
            break;
    }
    UNIT_REQUIRE(of->n == of->slab->n_blocks && vm_heap_self->current[class_index] == of->slab);
    while (n_others)
        crew_free(others[--n_others]);
}

/* The owner frees every third block, as far as it is to. */
static void free_own(void *argument)
{
    struct lot *const of = argument;
    for (size_t i = 0, n = 0; i < of->n && n < of->n_own; i += 3, n++)
        crew_free(of->blocks[i]);
}

static bool is_own(const struct lot *of, size_t i)
{
    return i % 3 == 0 && i / 3 < of->n_own;
}

static void free_others(const struct lot *of)
{
    for (size_t i = 0; i < of->n; i++)
        if (!is_own(of, i))
            crew_free(of->blocks[i]);
}

static size_t asleep_bytes(void)
{
    size_t n_pages = 0;
    struct arena *arena;
    for (size_t i = 0; (arena = vm_pool_arena(i)); i++)
        n_pages += vm_load_relaxed(&arena->x_n_asleep);
    return n_pages * vm_kernel.page_bytes;
}

/* Pages that lie in blocks that others freed, neighbours taken together, are zero; all other bytes are as they were. */
static void assert_purged(const struct lot *of)
{
    const size_t page_bytes = vm_kernel.page_bytes, bytes = of->slab->span.block_bytes;
    const uintptr_t base = (uintptr_t)vm_slab_block(of->slab, 0);
    size_t n_zero = 0;
    for (size_t i = 0; i < of->n; i++)
        for (size_t at = 0; at < of->size; at += 64) {
            const uintptr_t page = vm_round_down((uintptr_t)of->blocks[i] + at, page_bytes);
            bool is_free = page >= base && page + page_bytes <= base + of->n * bytes;
            for (uintptr_t a = page; is_free && a < page + page_bytes; a += VM_BLOCK_ALIGN) {
                size_t k = 0; /* the blocks may have been handed out in any order */
                while (k < of->n && a - (uintptr_t)of->blocks[k] >= bytes)
                    k++;
                is_free = k < of->n && !is_own(of, k);
            }
            UNIT_REQUIRE(of->blocks[i][at] == (is_free ? 0 : pattern(i)));
            n_zero += is_free;
        }
    UNIT_REQUIRE(n_zero > 0);
}

/* How much is free of late must not hide it: little else is live. */
static void begin(size_t size, size_t n_own)
{
    vm_malloc_trim(0);
    lot = (struct lot){.size = size, .n_own = n_own};
    crew_hire(&worker);
    crew_do(&worker, take_largest, &lot);
    crew_do(&worker, free_own, &lot);
    UNIT_REQUIRE(asleep_bytes() == 0);
}

static void end(void)
{
    vm_check_all();
    crew_dismiss(&worker);
    vm_malloc_trim(0);
    UNIT_REQUIRE(asleep_bytes() == 0);
    vm_check_all();
}

static void is_purged(void **state)
{
    (void)state;
    const size_t sizes[] = {4096, 5000, 9000, 32768};
    for (unsigned k = 0; k < 4; k++)
        for (size_t n_own = 0; n_own <= 5; n_own += 5) {
            begin(sizes[k], n_own);
            free_others(&lot);
            assert_int_equal(asleep_bytes(), lot.slab->span.bytes);
            assert_int_equal(lot.slab->x_state, SLAB_CURRENT);
            assert_int_equal(vm_slab_count_free(lot.slab), lot.n);
            assert_purged(&lot);
            end();
        }
}

/* Not before the last block is free. */
static void is_left(void **state)
{
    (void)state;
    begin(9000, 0);
    for (size_t i = 1; i < lot.n; i++)
        crew_free(lot.blocks[i]);
    vm_remote_visit(lot.slab->x_heap);
    assert_int_equal(vm_asleep_purge(lot.slab->x_heap), 0);
    assert_int_equal(asleep_bytes(), 0);
    for (size_t i = 0; i < lot.n; i++)
        assert_true(unit_is_filled(lot.blocks[i], lot.size, pattern(i)));
    crew_free(lot.blocks[0]);
    assert_int_equal(asleep_bytes(), lot.slab->span.bytes);
    end();
}

/* A slab or two of small blocks, in one group or several, are not worth a call of the kernel, but malloc_trim makes it. */
static void little(void **state)
{
    (void)state;
    const size_t sizes[] = {16, 40, 100, 300, 600, 900, 1000};
    const size_t n_groups[] = {16, 6, 3, 2, 2, 2, 1};
    for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        begin(sizes[k], 4);
        assert_int_equal(lot.slab->n_groups, n_groups[k]);
        free_others(&lot);
        assert_int_equal(asleep_bytes(), 0);
        assert_int_equal(vm_load_relaxed(&vm_asleep_x_put_off), (lot.n - 4) * lot.slab->span.block_bytes);
        for (size_t i = 0; i < lot.n; i++)
            assert_true(unit_is_filled(lot.blocks[i], lot.size, pattern(i)));
        vm_malloc_trim(0);
        assert_int_equal(asleep_bytes(), lot.slab->span.bytes);
        assert_int_equal(vm_slab_count_free(lot.slab), lot.n);
        assert_purged(&lot);
        end();
    }
}

/* What little each of two threads leaves, 64 KiB, is worth it. */
static void little_of_two(void **state)
{
    (void)state;
    static struct lot other;
    struct worker other_worker;
    begin(1000, 0);
    other = (struct lot){.size = 1000};
    crew_hire(&other_worker);
    crew_do(&other_worker, take_largest, &other);
    const size_t before = crew_pool_bytes();
    free_others(&other);
    assert_int_equal(asleep_bytes(), 0);
    assert_int_equal(crew_pool_bytes(), before);
    free_others(&lot);
    assert_int_equal(asleep_bytes(), lot.slab->span.bytes + other.slab->span.bytes);
    assert_int_equal(vm_load_relaxed(&vm_asleep_x_put_off), 0);
    assert_purged(&lot);
    assert_purged(&other);
    crew_dismiss(&other_worker);
    end();
}

static void collect_next(void *argument)
{
    struct lot *const of = argument;
    for (size_t i = 0; i < of->n; i++)
        crew_free(crew_alloc(of->size));
    vm_malloc_trim(0);
}

/* What its owner collected is none of it any more. */
static void collected(void **state)
{
    (void)state;
    begin(1000, 0);
    free_others(&lot);
    assert_int_equal(vm_load_relaxed(&vm_asleep_x_put_off), lot.n * lot.slab->span.block_bytes);
    assert_int_equal(lot.slab->x_heap->x_put_off, lot.n * lot.slab->span.block_bytes);
    struct heap *const heap = lot.slab->x_heap;
    crew_do(&worker, collect_next, &lot);
    assert_int_equal(heap->x_put_off, 0);
    assert_int_equal(vm_load_relaxed(&vm_asleep_x_put_off), 0);
    end();
}

/* A share of what is live may stay, as of other dirty pages. */
static void little_beside_much(void **state)
{
    (void)state;
    static void *others[3 * 64];
    begin(9000, 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        others[i] = crew_alloc(64 * VM_KIB);
    free_others(&lot);
    assert_int_equal(asleep_bytes(), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        crew_free(others[i]);
    vm_remote_visit(lot.slab->x_heap);
    assert_int_equal(asleep_bytes(), lot.slab->span.bytes);
    end();
}

static void *others[8 * 64];
enum { N_OTHERS = sizeof others / sizeof *others };

static void take_others(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < N_OTHERS; i++)
        others[i] = crew_alloc(20000);
}

static void free_all(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < N_OTHERS; i++)
        crew_free(others[i]);
}

/* The share falls with what is live, as slabs of other heaps are given back: by those whose they are, and by others. */
static void much_is_freed(void **state)
{
    (void)state;
    struct worker other_worker;
    for (unsigned k = 0; k < 2; k++) {
        begin(9000, 0);
        crew_hire(&other_worker);
        crew_do(&other_worker, take_others, NULL);
        free_others(&lot);
        assert_int_equal(asleep_bytes(), 0);
        if (k == 0)
            crew_do(&other_worker, free_all, NULL);
        else
            free_all(NULL);
        assert_true(lot.slab->span.x_is_asleep);
        assert_purged(&lot);
        crew_dismiss(&other_worker);
        end();
    }
}

/* Seven of the largest slabs or so, the last of which has more than a few blocks. */
enum { N_FLOOD = 200, FLOOD_SIZE = 32768 };

static void *flood[N_FLOOD];

static void take_flood(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < N_FLOOD; i++)
        flood[i] = memset(crew_alloc(FLOOD_SIZE), 1, FLOOD_SIZE);
}

static void free_flood(void)
{
    for (size_t i = 0; i < N_FLOOD; i++)
        crew_free(flood[i]);
}

static size_t count_tides(void)
{
    size_t n_tides = 0;
    struct arena *arena;
    for (size_t i = 0; (arena = vm_pool_arena(i)); i++)
        n_tides += vm_load_relaxed(&arena->x_n_tides_recent);
    return n_tides;
}

/* A heap that others empty again and again has no more tides (pool/dirty.c) than if the last slab were live. */
static void no_tide(void **state)
{
    (void)state;
    vm_malloc_trim(0);
    crew_hire(&worker);
    crew_do(&worker, take_flood, NULL);
    const size_t n_tides = count_tides();
    free_flood();
    for (unsigned round = 0; round < 4 * VM_DIRTY_TIDES_MIN; round++) {
        crew_do(&worker, take_flood, NULL);
        const size_t pool_bytes = crew_pool_bytes();
        free_flood();
        assert_in_range(asleep_bytes(), pool_bytes / 8, pool_bytes / 4);
        assert_in_range(crew_pool_bytes(), pool_bytes / 8, pool_bytes / 4);
    }
    assert_int_equal(count_tides(), n_tides);
    struct arena *arena; /* what was purged is no reason any more to keep as many other dirty pages */
    for (size_t i = 0; (arena = vm_pool_arena(i)); i++)
        assert_in_range(vm_load_relaxed(&arena->x_n_dirty), 0, vm_dirty_max(arena));
    end();
}

static void take_again(void *argument)
{
    struct lot *const of = argument;
    for (size_t i = 0; i < of->n; i++) {
        of->blocks[i] = crew_alloc(of->size);
        UNIT_REQUIRE(crew_slab_of(of->blocks[i]) == of->slab);
        memset(of->blocks[i], pattern(i), of->size);
    }
}

/* It counts as live as soon as its owner collects, and is purged once more when that is freed. */
static void wakes(void **state)
{
    (void)state;
    begin(16384, 0);
    struct heap *const heap = lot.slab->x_heap;
    for (unsigned round = 0; round < 20; round++) {
        free_others(&lot);
        assert_int_equal(asleep_bytes(), lot.slab->span.bytes);
        assert_purged(&lot);
        const uint64_t n_purges = vm_load_relaxed(&vm_kernel_counts.x_purge);
        vm_remote_visit(heap);
        assert_int_equal(vm_asleep_purge(heap), 0);
        assert_int_equal(vm_load_relaxed(&vm_kernel_counts.x_purge), n_purges);
        vm_check_all();
        crew_do(&worker, take_again, &lot);
        assert_int_equal(asleep_bytes(), 0);
        vm_check_all();
    }
    free_others(&lot);
    end();
}

/* --- while all run -------------------------------------------------------------------------------------- */

enum { BURST = 48, N_BURSTS = 400 };

static size_t burst_size;
static struct {
    struct heap *x_heap;            /* the owner's; NULL: not yet, or no more */
    unsigned char *x_blocks[BURST]; /* from the owner to those who free; NULL: taken */
} hand;

static void store(size_t i, unsigned char *block)
{
    __atomic_store_n(&hand.x_blocks[i], block, __ATOMIC_RELEASE);
}

static unsigned char *take(size_t i)
{
    unsigned char *block;
    while (!(block = __atomic_exchange_n(&hand.x_blocks[i], NULL, __ATOMIC_ACQUIRE)))
        sched_yield();
    return block;
}

static void *free_bursts(void *argument)
{
    const size_t first = (size_t)(uintptr_t)argument;
    for (size_t round = 0; round < N_BURSTS; round++)
        for (size_t i = first; i < BURST; i += 2) {
            unsigned char *const block = take(i);
            UNIT_REQUIRE(unit_is_filled(block, burst_size, pattern(i + round)));
            crew_free(block);
        }
    return NULL;
}

/* The next burst begins while the last is freed and purged. Some blocks the owner frees itself. */
static void *make_bursts(void *argument)
{
    for (size_t round = 0; round < N_BURSTS; round++)
        for (size_t i = 0; i < BURST; i++) {
            unsigned char *const own = crew_alloc(burst_size), *const block = crew_alloc(burst_size);
            __atomic_store_n(&hand.x_heap, vm_heap_self, __ATOMIC_RELEASE);
            memset(own, 0xEE, burst_size);
            memset(block, pattern(i + round), burst_size);
            while (__atomic_load_n(&hand.x_blocks[i], __ATOMIC_ACQUIRE))
                sched_yield();
            store(i, block);
            UNIT_REQUIRE(unit_is_filled(own, burst_size, 0xEE));
            crew_free(own);
        }
    __atomic_store_n(&hand.x_heap, NULL, __ATOMIC_RELEASE);
    return argument;
}

static void run_bursts(size_t size)
{
    pthread_t threads[3];
    burst_size = size;
    UNIT_REQUIRE(pthread_create(&threads[0], NULL, make_bursts, NULL) == 0);
    for (size_t i = 0; i < 2; i++)
        UNIT_REQUIRE(pthread_create(&threads[1 + i], NULL, free_bursts, (void *)(uintptr_t)i) == 0);
    struct heap *heap;
    while (!(heap = __atomic_load_n(&hand.x_heap, __ATOMIC_ACQUIRE)))
        sched_yield();
    for (; __atomic_load_n(&hand.x_heap, __ATOMIC_ACQUIRE); sched_yield())
        vm_asleep_purge(heap); /* however little it is, as malloc_trim does */
    for (size_t i = 0; i < 3; i++)
        UNIT_REQUIRE(pthread_join(threads[i], NULL) == 0);
    vm_check_all();
    assert_int_equal(crew_count_overlooked(), 0);
    vm_malloc_trim(0);
    assert_int_equal(asleep_bytes(), 0);
    vm_check_all();
}

static void bursts(void **state)
{
    (void)state;
    run_bursts(16384);
    run_bursts(600); /* two groups */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_tide), /* first: it tells from what was live of late */
        cmocka_unit_test(is_purged),     cmocka_unit_test(is_left),   cmocka_unit_test(little),
        cmocka_unit_test(little_of_two), cmocka_unit_test(collected), cmocka_unit_test(little_beside_much),
        cmocka_unit_test(much_is_freed), cmocka_unit_test(wakes),     cmocka_unit_test(bursts),
    };
    return cmocka_run_group_tests_name("asleep", tests, NULL, NULL);
}
