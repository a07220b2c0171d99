/* SPDX-License-Identifier: MIT */
/* large.c - blocks with pages of their own: who gets a mapping, the dynamic threshold, resizing, refusals. */
#include "large/large.h"
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include "base/atomic.h"
#include "base/bits.h"
#include "kernel/kernel.h"
#include "pool/pagemap.h"
#include "pool/pool.h"
#include "unit.h"

static struct vm_kernel_backend backend;
static bool is_map_refused, is_unmap_refused, is_resize_refused;
static void *must_map_at; /* the next mapping comes to lie here */
static void (*x_after_move)(void *start);

static void *map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    if (is_map_refused)
        return NULL;
    if (must_map_at) {
        void *const start =
            mmap(must_map_at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        must_map_at = NULL;
        return start == MAP_FAILED ? NULL : start;
    }
    return unit_backend()->map(context, bytes, alignment, access);
}

static bool unmap(void *context, void *start, size_t bytes)
{
    return !is_unmap_refused && unit_backend()->unmap(context, start, bytes);
}

static bool resize(void *context, void *start, size_t old_bytes, size_t new_bytes)
{
    return !is_resize_refused && unit_backend()->resize(context, start, old_bytes, new_bytes);
}

static bool move(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    const bool done = unit_backend()->move(context, start, old_bytes, target, new_bytes);
    if (done && x_after_move)
        x_after_move(start);
    return done;
}

static void begin(void)
{
    backend = *unit_backend();
    backend.map = map;
    backend.unmap = unmap;
    backend.resize = resize;
    backend.move = move;
    unit_start(&backend);
}

static struct span *span_of(void *block)
{
    struct span *const span = vm_pagemap_find(block);
    UNIT_REQUIRE(span && span->start == block);
    return span;
}

static bool is_mapped(void *block)
{
    return span_of(block)->kind == SPAN_LARGE;
}

static void free_block(void *block)
{
    vm_large_free(span_of(block));
    const struct span *const span = vm_pagemap_find(block);
    UNIT_REQUIRE(!span || vm_span_is_quick(span));
}

/* glibc: a request is padded by a header of one word, to a multiple of 16, before it is compared. */
static bool glibc_maps(size_t size, size_t threshold)
{
    return ((size + sizeof(size_t) + 15) & ~(size_t)15) >= threshold;
}

static void follow_threshold(void *argument)
{
    (void)argument;
    begin();
    vm_large_policy.x_is_dynamic = false;
    const size_t thresholds[] = {VM_DEFAULT_MMAP_THRESHOLD, 65536, 100000, 40000, 1 << 20, 4096, 0, SIZE_MAX};
    for (size_t i = 0; i < 8; i++) {
        const size_t threshold = thresholds[i];
        vm_large_set_threshold(threshold);
        UNIT_REQUIRE(vm_large_policy.x_threshold == threshold);
        /* What slabs serve never was at or above the threshold, unless it is small. */
        UNIT_REQUIRE(vm_large_policy.x_slab_max >= VM_SMALL_MAX &&
                     vm_large_policy.x_slab_max <= VM_SLAB_BLOCK_MAX);
        UNIT_REQUIRE(vm_large_policy.x_slab_max == VM_SMALL_MAX ||
                     !glibc_maps(vm_large_policy.x_slab_max, threshold));
        UNIT_REQUIRE(vm_large_policy.x_slab_max == VM_SLAB_BLOCK_MAX ||
                     glibc_maps(vm_large_policy.x_slab_max + 1, threshold));
        for (size_t off = 0; off < 100; off++) {
            const size_t size = threshold > (1 << 21) ? 1000000 + off : vm_max_size(threshold, 60) + off - 50;
            unsigned char *const block = vm_large_alloc(size, 1);
            UNIT_REQUIRE(block);
            UNIT_REQUIRE(is_mapped(block) == glibc_maps(size, threshold));
            UNIT_REQUIRE(span_of(block)->bytes == vm_round_up(size, vm_kernel.page_bytes));
            memset(block, 0x21, size);
            vm_large_check();
            free_block(block);
        }
    }
    UNIT_REQUIRE(vm_large_totals().n_large == 0 && vm_large_totals().n_middle == 0);
    vm_pool_check();
}

static void threshold(void **state)
{
    (void)state;
    unit_assert_returns(follow_threshold, NULL);
}

/* Freeing a mapped block moves the threshold up, so that its size comes from the pool, and the trim threshold to twice
   that; also if the block filled its pages. */
static void follow_frees(void *argument)
{
    (void)argument;
    begin();
    const size_t size = 1000000, page = vm_kernel.page_bytes, bytes = vm_round_up(size, page);
    const size_t padding =
        VM_BLOCK_ALIGN + VM_BLOCK_ALIGN; /* a header's, and one more as the threshold itself is mapped */
    void *block = vm_large_alloc(size, 1);
    UNIT_REQUIRE(is_mapped(block));
    UNIT_REQUIRE(vm_large_policy.x_threshold == VM_DEFAULT_MMAP_THRESHOLD);
    free_block(block);
    UNIT_REQUIRE(vm_large_policy.x_threshold == bytes + padding);
    UNIT_REQUIRE(vm_arena_policy.x_trim_threshold == 2 * (bytes + padding));
    block = vm_large_alloc(size, 1);
    UNIT_REQUIRE(!is_mapped(block));
    free_block(block);
    UNIT_REQUIRE(vm_large_policy.x_threshold == bytes + padding);
    block = vm_large_alloc(bytes, 1);
    UNIT_REQUIRE(!is_mapped(block));
    free_block(block);
    block = vm_large_alloc(bytes + page, 1);
    UNIT_REQUIRE(is_mapped(block));
    free_block(block);
    UNIT_REQUIRE(vm_large_policy.x_threshold == bytes + page + padding);
    /* Up to a maximum. */
    const size_t most = VM_DYNAMIC_MMAP_THRESHOLD_MAX;
    block = vm_large_alloc(most + 1, 1);
    free_block(block);
    UNIT_REQUIRE(vm_large_policy.x_threshold == bytes + page + padding);
    block = vm_large_alloc(most, 1);
    free_block(block);
    UNIT_REQUIRE(vm_large_policy.x_threshold == most + padding);
    block = vm_large_alloc(most, 1);
    UNIT_REQUIRE(!is_mapped(block));
    free_block(block);
    /* Not once the user has set it. */
    vm_large_policy.x_is_dynamic = false;
    vm_large_set_threshold(200000);
    block = vm_large_alloc(400000, 1);
    free_block(block);
    UNIT_REQUIRE(vm_large_policy.x_threshold == 200000);
}

static void dynamic_threshold(void **state)
{
    (void)state;
    unit_assert_returns(follow_frees, NULL);
}

static void count_mappings(void *argument)
{
    (void)argument;
    begin();
    vm_large_policy.x_n_max = 3;
    vm_large_policy.x_is_dynamic = false;
    void *blocks[5];
    for (unsigned i = 0; i < 5; i++) {
        blocks[i] = vm_large_alloc(300000, 1);
        UNIT_REQUIRE(is_mapped(blocks[i]) == (i < 3));
    }
    free_block(blocks[1]);
    blocks[1] = vm_large_alloc(300000, 1);
    UNIT_REQUIRE(is_mapped(blocks[1]));
    const struct large_totals totals = vm_large_totals();
    const size_t bytes = vm_round_up(300000, vm_kernel.page_bytes);
    UNIT_REQUIRE(totals.n_large == 3 && totals.large_bytes == 3 * bytes && totals.n_middle == 2);
    UNIT_REQUIRE(totals.middle_bytes == 2 * bytes && totals.n_large_max == 3 &&
                 totals.large_bytes_max == 3 * bytes);
    vm_large_policy.x_n_max = 0;
    void *const block = vm_large_alloc(300000, 1);
    UNIT_REQUIRE(!is_mapped(block));
    free_block(block);
    for (unsigned i = 0; i < 5; i++)
        free_block(blocks[i]);
    UNIT_REQUIRE(vm_large_totals().n_large == 0 && vm_large_totals().n_large_max == 3);
    vm_large_check();
}

static void number_of_mappings(void **state)
{
    (void)state;
    unit_assert_returns(count_mappings, NULL);
}

static void align(void *argument)
{
    (void)argument;
    begin();
    const size_t sizes[] = {1, 5000, 33000, 131000, 140000, 3 << 20};
    for (size_t i = 0; i < 6; i++)
        for (size_t alignment = 1; alignment <= (size_t)64 << 20; alignment *= 2) {
            unsigned char *const block = vm_large_alloc(sizes[i], alignment);
            UNIT_REQUIRE(block && ((uintptr_t)block & (alignment - 1)) == 0);
            UNIT_REQUIRE(span_of(block)->bytes >= sizes[i]);
            block[0] = block[sizes[i] - 1] = 1;
            vm_large_check();
            free_block(block);
        }
    vm_pool_check();
}

static void alignment(void **state)
{
    (void)state;
    unit_assert_returns(align, NULL);
}

static void zero(void *argument)
{
    (void)argument;
    begin();
    for (unsigned round = 0; round < 60; round++) {
        const size_t size = 33000 + round * 3000;
        unsigned char *const block = vm_large_alloc_zeroed(size);
        UNIT_REQUIRE(block && unit_is_filled(block, span_of(block)->bytes, 0));
        memset(block, 0xff, span_of(block)->bytes); /* dirty pages for the next one */
        free_block(block);
    }
}

static void zeroed(void **state)
{
    (void)state;
    unit_assert_returns(zero, NULL);
}

/* Those that are free: whole blocks that wait for the next of their length, too. */
static size_t dirty_bytes(void)
{
    return vm_pool_totals().dirty_bytes + vm_large_totals().quick_bytes;
}

/* Blocks that come and go keep their dirty pages only once they were seen to take them again, and not beyond the last. With one
   of eight alive these would be tides, too (unit/pool), which are forgotten here. */
static void come_and_go(void *argument)
{
    (void)argument;
    enum { N = 8, BYTES = VM_MIB };
    void *block[N];
    begin();
    vm_large_set_threshold(2 * BYTES);
    const size_t slack = BYTES / 8;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = round ? 1 : 0; i < N; i++)
            UNIT_REQUIRE(block[i] = vm_large_alloc(BYTES, VM_BLOCK_ALIGN));
        for (unsigned i = N - 1; i > 0; i--)
            free_block(block[i]);
        if (round == 0)
            UNIT_REQUIRE(dirty_bytes() <= BYTES + slack);
    }
    UNIT_REQUIRE(dirty_bytes() >= (N - 2) * BYTES);
    vm_pool_arena(0)->turn.n_tides = vm_pool_arena(0)->last_turn.n_tides = 0;
    free_block(block[0]);
    UNIT_REQUIRE(dirty_bytes() <= VM_DIRTY_BYTES_MIN);
}

static void coming_and_going(void **state)
{
    (void)state;
    unit_assert_returns(come_and_go, NULL);
}

static void fill(unsigned char *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        block[i] = (unsigned char)(i * 31 >> 3);
}

static bool is_kept(const unsigned char *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (block[i] != (unsigned char)(i * 31 >> 3))
            return false;
    return true;
}

static void resize_blocks(void *argument)
{
    const bool is_refused = argument != NULL;
    begin();
    vm_large_policy.x_is_dynamic = false;
    vm_large_set_threshold(100000);
    uint64_t seed = 71;
    for (unsigned round = 0; round < 100; round++) {
        is_resize_refused = is_refused && round % 2;
        size_t size = 40000 + unit_below(&seed, 400000);
        unsigned char *block = vm_large_alloc(size, 1);
        UNIT_REQUIRE(block);
        fill(block, size);
        for (unsigned i = 0; i < 5; i++) {
            const size_t new_size = 40000 + unit_below(&seed, 400000), kept = vm_min_size(size, new_size);
            const bool was_mapped = is_mapped(block);
            const size_t old_bytes = span_of(block)->bytes;
            unsigned char *const resized = vm_large_resize(span_of(block), new_size);
            if (!resized) {
                /* Nothing changed: what is of the pool, or would be by its new size, cannot grow. */
                UNIT_REQUIRE(!was_mapped || !glibc_maps(new_size, 100000) || !vm_kernel.has_remap);
                UNIT_REQUIRE(new_size > old_bytes);
                UNIT_REQUIRE(span_of(block)->bytes == old_bytes && is_kept(block, size));
                continue;
            }
            UNIT_REQUIRE(is_kept(resized, kept));
            UNIT_REQUIRE(is_mapped(resized) == was_mapped);
            UNIT_REQUIRE(span_of(resized)->bytes >= new_size);
            if (!is_resize_refused && vm_kernel.has_remap)
                UNIT_REQUIRE(span_of(resized)->bytes == vm_round_up(new_size, vm_kernel.page_bytes));
            if (resized != block)
                UNIT_REQUIRE(!vm_pagemap_find(block));
            block = resized;
            size = new_size;
            fill(block, size);
            vm_large_check();
        }
        UNIT_REQUIRE(!vm_large_resize(span_of(block), 20000)); /* better off in a slab */
        UNIT_REQUIRE(is_kept(block, size));
        free_block(block);
    }
    UNIT_REQUIRE(vm_large_totals().n_large == 0 && vm_large_totals().large_bytes == 0);
    UNIT_REQUIRE(vm_large_totals().n_middle == 0 && vm_large_totals().middle_bytes == 0);
    vm_pool_check();
}

static void resizing(void **state)
{
    (void)state;
    int refused;
    unit_assert_returns(resize_blocks, NULL);
    unit_assert_returns(resize_blocks, &refused);
}

/* A block of the pool grows where it is, into free pages behind it, and no further. */
static void grow_in_place(void *argument)
{
    (void)argument;
    begin();
    vm_large_policy.x_is_dynamic = false;
    vm_large_set_threshold((size_t)1 << 30);
    unsigned char *const block = vm_large_alloc(480000, 1);
    fill(block, 480000);
    UNIT_REQUIRE(vm_large_resize(span_of(block), 400000) == block);
    UNIT_REQUIRE(vm_large_resize(span_of(block), 480000) == block); /* what was its tail is free */
    UNIT_REQUIRE(is_kept(block, 400000));
    const size_t bytes = vm_round_up(480000, vm_kernel.page_bytes);
    UNIT_REQUIRE(span_of(block)->bytes == bytes && vm_large_totals().middle_bytes == bytes);
    fill(block, 480000);
    unsigned char *const other = vm_large_alloc(40000, 1);
    fill(other, 40000);
    UNIT_REQUIRE(!vm_large_resize(span_of(block), 100000000));
    UNIT_REQUIRE(span_of(block)->bytes == bytes &&
                 vm_large_totals().middle_bytes == bytes + span_of(other)->bytes);
    size_t size = 480000;
    while (vm_large_resize(span_of(block), size + 4096) == block)
        size += 4096; /* until it meets the other one, or the break */
    UNIT_REQUIRE(is_kept(block, 480000) && is_kept(other, 40000));
    vm_large_check();
    free_block(block);
    free_block(other);
    vm_pool_check();
}

static void growing_in_place(void **state)
{
    (void)state;
    unit_assert_returns(grow_in_place, NULL);
}

static void fail_to_resize(void *argument)
{
    (void)argument;
    begin();
    unsigned char *const block = vm_large_alloc(500000, 1);
    fill(block, 500000);
    is_resize_refused = is_map_refused = true;
    /* A new mapping is refused, too: the pool would do, but then there is nothing to move. */
    UNIT_REQUIRE(!vm_large_resize(span_of(block), 2000000));
    UNIT_REQUIRE(is_kept(block, 500000) && is_mapped(block));
    UNIT_REQUIRE(vm_large_totals().n_large == 1 && vm_large_totals().n_middle == 0);
    UNIT_REQUIRE(vm_large_resize(span_of(block), 300000) == block); /* a shrink always succeeds */
    UNIT_REQUIRE(is_kept(block, 300000));
    vm_large_check();
    is_resize_refused = is_map_refused = false;
    vm_kernel.has_remap = false;
    UNIT_REQUIRE(!vm_large_resize(span_of(block), 2000000));
    UNIT_REQUIRE(is_kept(block, 300000));
    vm_large_check();
    free_block(block);
    vm_pool_check();
}

static void resizing_fails(void **state)
{
    (void)state;
    unit_assert_returns(fail_to_resize, NULL);
}

static void find_other_ways(void *argument)
{
    (void)argument;
    begin();
    void *const middle = vm_large_alloc(50000, 1); /* the pool has an arena */
    is_map_refused = true;
    void *const block = vm_large_alloc(1 << 20, 1);
    UNIT_REQUIRE(!vm_kernel.has_break || (block && !is_mapped(block))); /* mappings refused: from the break */
    UNIT_REQUIRE(!vm_large_alloc((size_t)1 << (VM_ADDRESS_BITS - 4), 1)); /* that not */
    is_map_refused = false;
    UNIT_REQUIRE(!vm_large_alloc(SIZE_MAX / 2, 1) && !vm_large_alloc(1, SIZE_MAX / 2 + 1));
    UNIT_REQUIRE(!vm_large_alloc(SIZE_MAX / 2 - 4096, 1 << 20) && !vm_large_alloc_zeroed(SIZE_MAX));
    vm_large_check();
    /* The kernel does not take a mapping back: the memory goes, the block is gone all the same. */
    char *const mapped = vm_large_alloc(1 << 20, 1);
    UNIT_REQUIRE(is_mapped(mapped));
    memset(mapped, 1, 1 << 20);
    is_unmap_refused = true;
    free_block(mapped);
    UNIT_REQUIRE(unit_resident_pages(mapped, 1 << 20) == 0);
    is_unmap_refused = false;
    if (block)
        free_block(block);
    free_block(middle);
    vm_large_check();
    vm_pool_check();
}

static void refusals(void **state)
{
    (void)state;
    unit_assert_returns(find_other_ways, NULL);
}

/* --- a mapping moves, and another thread's mapping comes to lie where it was ---------------------------- */

static void *successor;

static void settle_there(void *start)
{
    x_after_move = NULL;
    must_map_at = start;
    successor = vm_large_alloc(150000, 1);
}

static void move_away(void *argument)
{
    (void)argument;
    begin();
    vm_large_policy.x_is_dynamic = false;
    void *const block = vm_large_alloc(200000, 1);
    is_resize_refused = true;
    vm_kernel.has_remap = true;
    x_after_move = settle_there;
    void *const moved = vm_large_resize(span_of(block), 900000);
    UNIT_REQUIRE(moved && moved != block);
    UNIT_REQUIRE(successor == block && is_mapped(successor));
    UNIT_REQUIRE(span_of(successor)->bytes == vm_round_up(150000, vm_kernel.page_bytes));
    vm_large_check();
    free_block(successor);
    free_block(moved);
    vm_large_check();
}

static void successor_of_moved(void **state)
{
    (void)state;
    unit_assert_returns(move_away, NULL);
}

static unsigned x_wrong;

static void *resize_in_thread(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    const unsigned n_rounds = unit_is_slow() ? 300 : 3000;
    for (unsigned round = 0; round < n_rounds; round++) {
        unsigned char *block = vm_large_alloc(200000, 1);
        for (unsigned i = 0; i < 4 && block; i++) {
            const struct span *const before = vm_pagemap_find(block);
            block[0] = (unsigned char)(uintptr_t)argument;
            unsigned char *const resized =
                vm_large_resize((struct span *)(uintptr_t)before, 150000 + unit_below(&seed, 800000));
            block = resized ? resized : block;
            const struct span *const span = vm_pagemap_find(block);
            if (!span || (unsigned char *)span->start != block ||
                block[0] != (unsigned char)(uintptr_t)argument) {
                vm_fetch_add_relaxed(&x_wrong, 1);
                return NULL;
            }
        }
        if (block)
            vm_large_free(vm_pagemap_find(block));
    }
    return NULL;
}

static void resize_in_threads(void *argument)
{
    (void)argument;
    begin();
    vm_large_policy.x_is_dynamic = false;
    pthread_t thread[3];
    for (uintptr_t i = 0; i < 3; i++)
        UNIT_REQUIRE(pthread_create(&thread[i], NULL, resize_in_thread, (void *)(i + 5)) == 0);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    UNIT_REQUIRE(x_wrong == 0);
    UNIT_REQUIRE(vm_large_totals().n_large == 0);
    vm_large_check();
}

static void resizing_in_threads(void **state)
{
    (void)state;
    unit_assert_returns(resize_in_threads, NULL);
}

static void check_harmed(void *argument)
{
    begin();
    struct span *const span = span_of(vm_large_alloc(200000, 1));
    struct span *const middle = span_of(vm_large_alloc(50000, 1));
    switch (*(int *)argument) {
    case 1:
        span->bytes += vm_kernel.page_bytes; /* L2 */
        break;
    case 2:
        span->kind = SPAN_MIDDLE; /* L1 */
        break;
    case 3:
        vm_pagemap_remove(span); /* L2 */
        break;
    case 4:
        middle->arena_index = SPAN_NO_ARENA; /* L1 */
        break;
    case 5:
        middle->bytes++; /* L1 */
        break;
    default:
        break;
    }
    vm_large_check();
}

static void checker(void **state)
{
    (void)state;
    unit_assert_harms_found(check_harmed, 5, "large.c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threshold),
        cmocka_unit_test(dynamic_threshold),
        cmocka_unit_test(number_of_mappings),
        cmocka_unit_test(alignment),
        cmocka_unit_test(zeroed),
        cmocka_unit_test(coming_and_going),
        cmocka_unit_test(resizing),
        cmocka_unit_test(growing_in_place),
        cmocka_unit_test(resizing_fails),
        cmocka_unit_test(refusals),
        cmocka_unit_test(successor_of_moved),
        cmocka_unit_test(resizing_in_threads),
        cmocka_unit_test(checker),
    };
    return cmocka_run_group_tests_name("large", tests, NULL, NULL);
}
