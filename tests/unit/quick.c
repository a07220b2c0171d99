/* SPDX-License-Identifier: MIT */
/* quick.c - the quick list: what comes back out of it, what it may hold, who empties it, and threads that share it. */
#include "pool/quick.h"
#include <pthread.h>
#include <string.h>
#include "base/bits.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "pool/dirty.h"
#include "pool/pagemap.h"
#include "pool/pool.h"
#include "unit.h"

enum { BYTES = 160 * VM_KIB, SMALL_BYTES = 40 * VM_KIB };

/* Blocks of up to 1 GiB come from the pool; half a MiB is free below the break before it moves. */
static void begin(void)
{
    unit_start(unit_backend());
    vm_large_policy.x_is_dynamic = false;
    vm_large_set_threshold((size_t)1 << 30);
    vm_store_relaxed(&vm_arena_policy.x_trim_threshold, 512 * VM_KIB);
    vm_large_free(vm_pagemap_find(vm_large_alloc(BYTES, 1))); /* the first one tells how much room there is */
    vm_quick_flush();
}

static void *got(size_t bytes)
{
    void *const block = vm_large_alloc(bytes, 1);
    UNIT_REQUIRE(block);
    return block;
}

static void give(void *block)
{
    UNIT_REQUIRE(vm_large_free(vm_pagemap_find(block)));
}

static struct quick_totals totals(void)
{
    return vm_quick_totals(SPAN_NO_ARENA);
}

static void check_all(void)
{
    vm_large_check();
    vm_pool_check();
}

static void come_and_go(void *argument)
{
    (void)argument;
    begin();
    char *const block = got(BYTES), *const other = got(SMALL_BYTES);
    const uint64_t n_before = vm_pool_arena(0)->counts.n_locked;
    for (unsigned i = 0; i < 100; i++) {
        memset(block, 1, BYTES);
        give(block);
        UNIT_REQUIRE(totals().n == 1 && totals().bytes == BYTES && totals().bytes_max == BYTES);
        UNIT_REQUIRE(vm_large_totals().n_middle == 1 && vm_large_totals().middle_bytes == SMALL_BYTES);
        UNIT_REQUIRE(got(BYTES - i) == block);
        UNIT_REQUIRE(totals().n == 0 && vm_large_totals().n_middle == 2);
    }
    UNIT_REQUIRE(vm_pool_arena(0)->counts.n_locked == n_before); /* none of it asked the arena */
    give(block);
    check_all();
    unsigned char *const zeroed = vm_large_alloc_zeroed(BYTES);
    UNIT_REQUIRE((char *)zeroed == block && unit_is_filled(zeroed, BYTES, 0));
    give(zeroed);
    UNIT_REQUIRE((uintptr_t)vm_large_alloc(BYTES, VM_MIB) % VM_MIB ==
                 0); /* as nobody in the list has to be */
    give(other);
    check_all();
}

static void comes_and_goes(void **state)
{
    (void)state;
    unit_assert_returns(come_and_go, NULL);
}

/* A block waits for a request of its length or an eighth less, and keeps its length; the shortest that fits is taken. */
static void fit(void *argument)
{
    (void)argument;
    begin();
    const size_t unit = vm_max_size(vm_kernel.page_bytes, 8 * VM_KIB);
    got(8 * VM_MIB); /* so that an eighth of it may wait */
    char *const room = got(15 * unit), *const block = got(17 * unit), *const longer = got(18 * unit);
    char *const last = got(SMALL_BYTES);
    give(room);
    vm_quick_flush();
    give(longer);
    give(block);
    UNIT_REQUIRE(totals().n == 2);
    UNIT_REQUIRE(got(16 * unit) == block && got(18 * unit) == longer);
    give(block); /* in the other order */
    give(longer);
    UNIT_REQUIRE(got(16 * unit) == block && vm_pagemap_find(block)->bytes == 17 * unit);
    struct span *const span = vm_pagemap_find(block);
    UNIT_REQUIRE(vm_large_resize(span, 17 * unit) == block); /* it has the room already */
    UNIT_REQUIRE(vm_large_resize(span, 16 * unit) == block && span->bytes == 17 * unit && totals().n == 1);
    UNIT_REQUIRE(vm_large_resize(span, 15 * unit) == block && span->bytes == 15 * unit);
    UNIT_REQUIRE(vm_large_resize(span, 17 * unit) == block && span->bytes == 17 * unit);
    give(block);
    unsigned char *const zeroed = vm_large_alloc_zeroed(16 * unit);
    UNIT_REQUIRE((char *)zeroed == block && unit_is_filled(zeroed, 17 * unit, 0));
    give(zeroed);
    UNIT_REQUIRE(totals().n == 2);
    char *const shorter = got(15 * unit);
    UNIT_REQUIRE(shorter == room && totals().n == 2);
    give(shorter);
    give(last);
    check_all();
}

static void fits(void **state)
{
    (void)state;
    unit_assert_returns(fit, NULL);
}

/* Takes all that is free, in a block that the list has nothing for. */
static void *take_the_rest(void)
{
    const struct arena_totals arena = vm_arena_totals(vm_pool_arena(0));
    UNIT_REQUIRE(arena.top_free_bytes == arena.free_bytes);
    return got(arena.free_bytes);
}

/* A request of another length, or a slab, leaves what waits alone while there are pages beside it; before the heap grows the
   list is emptied, its pages are free then, and coalesced. */
static void make_way(void *argument)
{
    (void)argument;
    begin();
    vm_pool_trim(0);
    got(VM_MIB); /* so that as much may wait */
    give(got(8 * SMALL_BYTES));
    vm_quick_flush();
    char *const low = got(SMALL_BYTES), *const high = got(SMALL_BYTES), *const last = got(SMALL_BYTES);
    give(low);
    give(high);
    char *const beside = got(2 * SMALL_BYTES);
    UNIT_REQUIRE(beside > last && totals().n == 2);
    char *const rest = take_the_rest();
    UNIT_REQUIRE(totals().n == 2);
    const uint64_t n_grown = vm_pool_arena(0)->counts.n_grown;
    UNIT_REQUIRE(got(2 * SMALL_BYTES) == low && totals().n == 0 &&
                 vm_pool_arena(0)->counts.n_grown == n_grown);
    give(rest);
    give(beside);
    vm_quick_flush();
    give(low);
    UNIT_REQUIRE(totals().bytes == 2 * SMALL_BYTES);
    struct span span = {.kind = SPAN_SLAB};
    UNIT_REQUIRE(vm_pool_take(&span, vm_pool_granule(), vm_pool_granule()) && span.start > last);
    UNIT_REQUIRE(totals().bytes == 2 * SMALL_BYTES);
    vm_pool_give(&span, 0);
    vm_quick_flush();
    /* A block grows over one that waits behind it. */
    char *const first = got(SMALL_BYTES), *const second = got(SMALL_BYTES);
    UNIT_REQUIRE(first == low && second == high);
    give(second);
    UNIT_REQUIRE(vm_large_resize(vm_pagemap_find(first), 2 * SMALL_BYTES) == first && totals().n == 0);
    give(first);
    UNIT_REQUIRE(totals().n == 1 && vm_quick_flush() && totals().n == 0 && !vm_quick_flush());
    /* What gets a mapping does not come from the list. */
    give(got(BYTES));
    vm_large_set_threshold(BYTES / 2);
    void *const mapped = got(BYTES);
    UNIT_REQUIRE(vm_large_totals().n_large == 1 && totals().n == 1);
    give(mapped);
    give(last);
    UNIT_REQUIRE(vm_pool_trim(0) && totals().n == 0);
    check_all();
}

static void makes_way(void **state)
{
    (void)state;
    unit_assert_returns(make_way, NULL);
}

enum { ENOUGH_BYTES = 512 * VM_KIB }; /* make a trim due: see begin */

/* What is free at the break, or would be if it was not in the list, and lay there. */
static size_t bytes_at_break(void)
{
    return vm_arena_totals(vm_pool_arena(0)).top_free_bytes + totals().bytes;
}

static bool is_within_dirty_bound(void)
{
    const size_t n_max = vm_dirty_max(vm_pool_arena(0));
    return totals().bytes >> vm_kernel.page_shift <= n_max + n_max / 8;
}

/* As many blocks as there are slots, as many bytes as may be dirty, and at the break as many as leave it where it is. */
static void stay_small(void *argument)
{
    (void)argument;
    begin();
    vm_store_relaxed(&vm_arena_policy.x_is_trim_lazy, false);
    char *blocks[40];
    for (unsigned i = 0; i < 40; i++)
        blocks[i] = got(SMALL_BYTES);
    for (unsigned i = 0; i < 40; i++) {
        give(blocks[i]);
        UNIT_REQUIRE(totals().n <= VM_QUICK_SLOTS);
        UNIT_REQUIRE(is_within_dirty_bound());
        check_all();
    }
    UNIT_REQUIRE(bytes_at_break() < ENOUGH_BYTES);
    for (unsigned i = 0; i < 7; i++)
        blocks[i] = got(BYTES);
    for (unsigned i = 0; i < 7; i++) {
        give(blocks[i]);
        UNIT_REQUIRE(is_within_dirty_bound());
    }
    UNIT_REQUIRE(bytes_at_break() < ENOUGH_BYTES);
    for (unsigned i = 0; i < 7; i++)
        blocks[i] = got(BYTES);
    for (unsigned i = 7; i-- > 0;) {
        give(blocks[i]);
        UNIT_REQUIRE(vm_arena_totals(vm_pool_arena(0)).top_free_bytes < ENOUGH_BYTES);
    }
    UNIT_REQUIRE(bytes_at_break() < ENOUGH_BYTES);
    vm_quick_flush();
    vm_store_relaxed(&vm_arena_policy.x_trim_threshold, 0);
    vm_store_relaxed(&vm_arena_policy.x_top_pad, 0);
    give(got(BYTES)); /* from here on there is no room */
    for (unsigned i = 0; i < 10; i++) {
        give(got(BYTES));
        UNIT_REQUIRE(totals().n == 0);
    }
    check_all();
}

/* The block at the break comes last, when as many wait below it as may: it does not wait to keep them there. */
static void make_trim_due(void *argument)
{
    (void)argument;
    begin();
    vm_store_relaxed(&vm_arena_policy.x_is_trim_lazy, false);
    got(8 * VM_MIB); /* so that an eighth of it may wait */
    char *blocks[7];
    for (unsigned i = 0; i < 7; i++)
        blocks[i] = got(BYTES);
    for (unsigned i = 0; i < 7; i++)
        give(blocks[i]);
    UNIT_REQUIRE(vm_arena_totals(vm_pool_arena(0)).free_bytes + totals().bytes < ENOUGH_BYTES);
    check_all();
}

static void trims_when_due(void **state)
{
    (void)state;
    unit_assert_returns(make_trim_due, NULL);
}

static void stays_small(void **state)
{
    (void)state;
    unit_assert_returns(stay_small, NULL);
}

/* With as much free at the break as there may be without a trim: a block that lies elsewhere waits. One right below the break
   does not, and what waits goes with it. */
static void wait_elsewhere(void *argument)
{
    (void)argument;
    begin();
    const struct arena *const arena = vm_pool_arena(0);
    vm_store_relaxed(&vm_arena_policy.x_is_trim_lazy, false);
    vm_store_relaxed(&vm_arena_policy.x_trim_threshold, vm_load_relaxed(&vm_arena_policy.x_top_pad));
    char *const low = got(BYTES), *last;
    const uint64_t n_grown = arena->counts.n_grown;
    do
        last = got(BYTES);
    while (arena->counts.n_grown == n_grown);
    const uint64_t n_locked = arena->counts.n_locked, n_trimmed = arena->counts.n_trimmed;
    for (unsigned i = 0; i < 10; i++) {
        give(low);
        UNIT_REQUIRE(totals().n == 1 && got(BYTES) == low);
    }
    UNIT_REQUIRE(arena->counts.n_locked == n_locked);
    give(low);
    give(last);
    UNIT_REQUIRE(totals().n == 0 && arena->counts.n_trimmed == n_trimmed + 1);
    check_all();
}

static void waits_elsewhere(void **state)
{
    (void)state;
    unit_assert_returns(wait_elsewhere, NULL);
}

enum { LONG_BYTES = 400 * VM_KIB, N_LONG = 30 };

static char *long_blocks[N_LONG];

/* Of a pool in which `live_bytes` and more are live, and as much is dirty as may be: blocks wait without room, and without a
   lock, until one waits for it. Returns how many of them the next request pays for, whatever it is; *n_freed are not live. */
static size_t owe(size_t live_bytes, unsigned *n_freed)
{
    begin();
    const struct arena *const arena = vm_pool_arena(0);
    got(live_bytes);
    for (unsigned i = 0; i < N_LONG; i++)
        long_blocks[i] = got(LONG_BYTES);
    const uint64_t n_locked = arena->counts.n_locked;
    for (*n_freed = 0; *n_freed < N_LONG && arena->counts.n_locked == n_locked; ++*n_freed)
        give(long_blocks[*n_freed]);
    const size_t n_most = totals().n;
    UNIT_REQUIRE(*n_freed < N_LONG && n_most < VM_QUICK_SLOTS);
    got(SMALL_BYTES);
    check_all();
    return n_most - totals().n;
}

static void owe_many(void *argument)
{
    (void)argument;
    unsigned n_freed;
    UNIT_REQUIRE(owe(48 * VM_MIB, &n_freed) == VM_QUICK_DEBTS_MAX);
    const struct arena *const arena = vm_pool_arena(0);
    char *const large = got(VM_TIGHT_BYTES_MIN);
    const uint64_t n_locked = arena->counts.n_locked;
    for (unsigned i = 0; i < VM_QUICK_DEBTS_MAX / 2; i++)
        give(long_blocks[n_freed++]);
    UNIT_REQUIRE(arena->counts.n_locked == n_locked);
    give(large); /* which never waits without room */
    UNIT_REQUIRE(arena->counts.n_locked > n_locked);
    vm_quick_flush();
    give(long_blocks[n_freed++]);
    vm_quick_pay_debts(); /* there are none */
    UNIT_REQUIRE(totals().n == 1);
    check_all();
}

static void owe_a_share(void *argument)
{
    (void)argument;
    unsigned n_freed;
    const size_t n_paid = owe(2 * VM_MIB, &n_freed);
    const size_t live_before = vm_pages_to_bytes(vm_dirty_live(vm_pool_arena(0))) + n_freed * LONG_BYTES;
    UNIT_REQUIRE(n_paid > 0 && n_paid * LONG_BYTES <= live_before >> VM_QUICK_DEBTS_SHIFT);
}

static void owes(void **state)
{
    (void)state;
    unit_assert_returns(owe_many, NULL);
    unit_assert_returns(owe_a_share, NULL);
}

/* --- threads ----------------------------------------------------------------------------------------------- */

static char *x_waiting[8];
static uint32_t x_wrong;

static bool is_whole(const char *block, size_t bytes)
{
    return block[0] == block[bytes - 1];
}

/* Allocates blocks of three lengths, marks both ends, and leaves them to whoever comes by; frees what it finds. */
static void *exchange(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    const unsigned n_rounds = unit_is_slow() ? 2000 : 50000;
    for (unsigned i = 0; i < n_rounds; i++) {
        const size_t bytes = SMALL_BYTES * (1 + unit_below(&seed, 3));
        char *const block = vm_large_alloc(bytes, 1);
        if (!block)
            continue;
        block[0] = block[bytes - 1] = (char)unit_below(&seed, 100);
        char *const found = vm_exchange(&x_waiting[unit_below(&seed, 8)], block);
        struct span *const span = found ? vm_pagemap_find(found) : NULL;
        if (found && !(span && is_whole(found, span->bytes) && vm_large_free(span)))
            vm_fetch_add_relaxed(&x_wrong, 1);
        if (unit_below(&seed, 1000) == 0)
            vm_quick_flush();
    }
    return NULL;
}

static void share(void *argument)
{
    (void)argument;
    begin();
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        UNIT_REQUIRE(pthread_create(&threads[i], NULL, exchange, (void *)(i + 1)) == 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    UNIT_REQUIRE(x_wrong == 0);
    check_all();
    for (unsigned i = 0; i < 8; i++)
        if (x_waiting[i])
            give(x_waiting[i]);
    vm_quick_flush();
    UNIT_REQUIRE(vm_large_totals().n_middle == 0 && vm_large_totals().middle_bytes == 0 && totals().n == 0);
    check_all();
}

static void is_shared(void **state)
{
    (void)state;
    unit_assert_returns(share, NULL);
}

/* Two threads free one block at the same moment: one of them succeeds. */
static pthread_barrier_t both;
static struct span *x_contended;
static uint32_t x_n_freed;

static void *free_it(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < (unit_is_slow() ? 100 : 2000); i++) {
        pthread_barrier_wait(&both);
        struct span *const span = vm_load_relaxed(&x_contended);
        pthread_barrier_wait(&both);
        vm_fetch_add_relaxed(&x_n_freed, vm_large_free(span));
        pthread_barrier_wait(&both);
    }
    return NULL;
}

static void free_twice(void *argument)
{
    (void)argument;
    begin();
    pthread_t threads[2];
    pthread_barrier_init(&both, NULL, 3);
    for (unsigned i = 0; i < 2; i++)
        UNIT_REQUIRE(pthread_create(&threads[i], NULL, free_it, NULL) == 0);
    for (unsigned i = 0; i < (unit_is_slow() ? 100 : 2000); i++) {
        vm_store_relaxed(&x_contended, vm_pagemap_find(got(BYTES)));
        pthread_barrier_wait(&both);
        pthread_barrier_wait(&both);
        pthread_barrier_wait(&both);
        UNIT_REQUIRE(vm_load_relaxed(&x_n_freed) == i + 1 && totals().n == 1);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    check_all();
}

static void is_freed_once(void **state)
{
    (void)state;
    unit_assert_returns(free_twice, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_and_goes), cmocka_unit_test(fits),           cmocka_unit_test(makes_way),
        cmocka_unit_test(stays_small),    cmocka_unit_test(trims_when_due), cmocka_unit_test(waits_elsewhere),
        cmocka_unit_test(owes),           cmocka_unit_test(is_shared),      cmocka_unit_test(is_freed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
