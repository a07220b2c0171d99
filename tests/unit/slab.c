/* SPDX-License-Identifier: MIT */
/*
 * slab.c - slabs of every class: which addresses are blocks, groups and bits, making, recasting and
 * unmaking.
 */
#include "slab/slab.h"
#include <string.h>
#include "kernel/kernel.h"
#include "pool/meta.h"
#include "pool/pagemap.h"
#include "pool/pool.h"
#include "slab/sizeclass.h"
#include "unit.h"

static bool is_refusing;
static struct vm_kernel_backend backend;

static void *map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    return is_refusing ? NULL : unit_backend()->map(context, bytes, alignment, access);
}

static void *break_grow(void *context, size_t bytes)
{
    return is_refusing ? NULL : unit_backend()->break_grow(context, bytes);
}

static bool protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    return !is_refusing && unit_backend()->protect(context, start, bytes, access);
}

static int begin(void **state)
{
    (void)state;
    backend = *unit_backend();
    backend.map = map;
    backend.break_grow = break_grow;
    backend.protect = protect;
    unit_start(&backend);
    return 0;
}

static struct slab *make(unsigned class_index)
{
    struct slab *const slab = vm_slab_create(class_index, VM_SLAB_DOUBLINGS_MAX);
    assert_non_null(slab);
    slab->x_state = SLAB_LISTED;
    vm_slab_check(slab);
    return slab;
}

static void carving(void **state)
{
    (void)state;
    for (unsigned class_index = 1; class_index < VM_N_CLASSES; class_index++) {
        struct slab *const slab = make(class_index);
        const size_t block_bytes = vm_class_bytes(class_index), bytes = vm_class_slab_bytes(class_index);
        assert_int_equal(slab->span.bytes, bytes);
        assert_int_equal((uintptr_t)slab->span.start & (bytes - 1), 0); /* aligned to itself */
        assert_int_equal(slab->n_blocks, bytes / block_bytes);
        assert_int_equal(slab->span.block_bytes, block_bytes);
        assert_int_equal(slab->class_index, class_index);
        /* Waste in front, blocks to the last byte. */
        assert_true(slab->group[0].base >= slab->span.start &&
                    (size_t)(slab->group[0].base - slab->span.start) < block_bytes);
        assert_ptr_equal(slab->group[0].base + slab->n_blocks * block_bytes, slab->span.start + bytes);
        assert_int_equal((uintptr_t)slab->group[0].base % VM_BLOCK_ALIGN, 0);
        if (vm_is_power_of_two(block_bytes))
            assert_int_equal((uintptr_t)slab->group[0].base & (block_bytes - 1), 0);
        unsigned n_free = 0;
        for (size_t i = 0; i < slab->n_groups; i++) {
            assert_true(slab->group[i].x_mask == vm_slab_group_full(slab, i));
            n_free += vm_bits_count(slab->group[i].x_mask);
            assert_int_equal(vm_slab_remote(slab)[i], 0);
        }
        assert_int_equal(n_free, slab->n_blocks);
        assert_int_equal(vm_slab_count_free(slab), slab->n_blocks);
        assert_true((char *)&vm_slab_remote(slab)[slab->n_groups] <=
                    (char *)slab + vm_slab_descriptor_bytes(slab));
        assert_ptr_equal(vm_pagemap_near(slab->group[0].base), slab);
        vm_slab_destroy(slab);
    }
    assert_int_equal(vm_meta_totals().used_bytes % 64, 0);
    vm_pool_check();
    vm_meta_check();
}

static void assert_index(const struct slab *slab, uintptr_t address)
{
    size_t index = SIZE_MAX;
    const bool is_block = vm_slab_index(slab, (void *)address, &index);
    const uintptr_t base = (uintptr_t)slab->group[0].base;
    const bool expected = address >= base && address - base < slab->n_blocks * slab->span.block_bytes &&
                          (address - base) % slab->span.block_bytes == 0;
    if (is_block != expected || (expected && index != (address - base) / slab->span.block_bytes))
        fail_msg("class %u: offset %td: %s %zu", slab->class_index, (ptrdiff_t)(address - base),
                 is_block ? "block" : "no block", index);
}

static void every_address(void **state)
{
    (void)state;
    uint64_t seed = 61;
    for (unsigned class_index = 1; class_index < VM_N_CLASSES; class_index++) {
        struct slab *const slab = make(class_index);
        const uintptr_t start = (uintptr_t)slab->span.start, end = start + slab->span.bytes;
        for (uintptr_t address = start - 5000; address < end + 5000; address++)
            assert_index(slab, address);
        /* What the near map may send here: addresses a multiple of 8 GiB off; and any others. */
        for (uintptr_t far = 1; far <= 64; far++) {
            const uintptr_t distance = far * ((uintptr_t)VM_NEAR_ENTRIES << VM_GRANULE_SHIFT);
            for (size_t block = 0; block < slab->n_blocks; block += 1 + slab->n_blocks / 40) {
                const uintptr_t address = (uintptr_t)vm_slab_block(slab, block);
                assert_index(slab, address + distance);
                assert_index(slab, address - distance);
                assert_index(slab, address + distance + 1);
            }
        }
        for (unsigned i = 0; i < 20000; i++)
            assert_index(slab, (uintptr_t)(unit_random(&seed) >> unit_below(&seed, 64)));
        for (unsigned i = 0; i < 20000; i++) /* multiples of the block size, near and far */
            assert_index(slab, (uintptr_t)slab->group[0].base +
                                   slab->span.block_bytes *
                                       (uintptr_t)(unit_random(&seed) >> unit_below(&seed, 64)));
        assert_index(slab, 0);
        assert_index(slab, UINTPTR_MAX);
        vm_slab_destroy(slab);
    }
}

/* The all-zero descriptor before the near map has no blocks, whatever the address. */
static void empty_slab(void **state)
{
    (void)state;
    const struct slab *const slab = (const struct slab *)(void *)vm_near_map.no_slab;
    uint64_t seed = 62;
    size_t index;
    assert_false(vm_slab_index(slab, NULL, &index));
    for (unsigned i = 0; i < 1000; i++)
        assert_false(vm_slab_index(slab, (void *)(uintptr_t)unit_random(&seed), &index));
}

static void groups_and_bits(void **state)
{
    (void)state;
    struct slab *const slab = make(1);
    bool seen[16 * 64] = {false};
    for (size_t index = 0; index < slab->n_blocks; index++) {
        assert_ptr_equal(vm_slab_group(slab, index), &slab->group[index / VM_WORD_BITS]);
        assert_true(vm_slab_bit(index) == (vm_word)1 << index % VM_WORD_BITS);
        assert_ptr_equal(vm_slab_block(slab, index), slab->group[0].base + 16 * index);
        assert_true(index < sizeof seen && !seen[index]);
        seen[index] = true;
    }
    /* A class whose last group is not full. */
    struct slab *const odd = make(3);
    assert_true(odd->n_blocks % VM_WORD_BITS != 0);
    const vm_word last = vm_slab_group_full(odd, odd->n_groups - 1U);
    assert_int_equal(vm_bits_count(last), odd->n_blocks % VM_WORD_BITS);
    assert_true((last & (last + 1)) == 0);
    assert_true(~vm_slab_group_full(odd, 0) == 0);
    vm_slab_destroy(slab);
    vm_slab_destroy(odd);
}

static void recasting(void **state)
{
    (void)state;
    unsigned n_done = 0;
    for (unsigned from = 1; from < VM_N_CLASSES; from += 3)
        for (unsigned to = 1; to < VM_N_CLASSES; to += 2) {
            const struct slab_range range = vm_class_slab_range(to);
            if (vm_class_slab_bytes(from) < range.least || vm_class_slab_bytes(from) > range.most)
                continue;
            struct slab *const slab = make(from);
            const size_t bytes = vm_slab_descriptor_bytes(slab);
            char *const start = slab->span.start;
            if (vm_slab_can_recast(slab, to, range)) {
                slab->group[0].x_mask = 0;
                vm_slab_remote(slab)[0] = vm_slab_group_full(slab, 0);
                vm_slab_recast(slab, to);
                vm_slab_check(slab);
                assert_int_equal(slab->class_index, to);
                assert_int_equal(vm_slab_count_free(slab), slab->n_blocks);
                for (uintptr_t address = (uintptr_t)start; address < (uintptr_t)start + slab->span.bytes;
                     address += 8)
                    assert_index(slab, address);
                n_done++;
            } else {
                assert_int_equal(slab->class_index, from); /* only where the descriptor differs in size */
                const size_t n_groups =
                    (slab->span.bytes / vm_class_bytes(to) + VM_WORD_BITS - 1) / VM_WORD_BITS;
                const size_t needed =
                    bytes + (n_groups - slab->n_groups) * (sizeof *slab->group + 2 * sizeof(vm_word));
                assert_true(vm_round_up(needed, VM_META_UNIT) != vm_round_up(bytes, VM_META_UNIT));
            }
            vm_slab_destroy(slab);
            vm_meta_check(); /* was given back with the size that it was taken with */
        }
    assert_true(n_done > 100);
    vm_pool_check();
}

static void make_and_destroy(void)
{
    enum { N = 200 };
    struct slab *slabs[N];
    for (unsigned i = 0; i < N; i++)
        slabs[i] = make(1 + i % (VM_N_CLASSES - 1));
    for (unsigned i = 0; i < N; i++) {
        char *const start = slabs[i]->span.start;
        memset(start, 1, slabs[i]->span.bytes);
        vm_slab_destroy(slabs[i]);
        assert_null(vm_pagemap_find(start));
        assert_ptr_equal(vm_pagemap_near(start), vm_near_map.no_slab);
    }
}

static void gives_all_back(void **state)
{
    (void)state;
    make_and_destroy(); /* the arenas that it takes stay */
    const size_t used_bytes = vm_meta_totals().used_bytes;
    const size_t taken_bytes = vm_pool_totals().arena_bytes - vm_pool_totals().free_bytes;
    make_and_destroy();
    assert_int_equal(vm_meta_totals().used_bytes, used_bytes);
    assert_int_equal(vm_pool_totals().arena_bytes - vm_pool_totals().free_bytes, taken_bytes);
    vm_pool_check();
}

static void refusal(void **state)
{
    (void)state;
    enum { MOST = 100000 };
    static struct slab *slabs[MOST];
    unsigned n = 0;
    is_refusing = true;
    while (n < MOST && (slabs[n] = vm_slab_create(VM_N_CLASSES - 1, VM_SLAB_DOUBLINGS_MAX)))
        n++;
    assert_true(n < MOST);
    vm_pool_check();
    vm_meta_check();
    const size_t used_bytes = vm_meta_totals().used_bytes;
    assert_null(vm_slab_create(VM_N_CLASSES - 1, VM_SLAB_DOUBLINGS_MAX));
    assert_int_equal(vm_meta_totals().used_bytes, used_bytes); /* the descriptor was given back */
    is_refusing = false;
    vm_pool_trim(0);
    assert_non_null(slabs[n] = vm_slab_create(VM_N_CLASSES - 1, VM_SLAB_DOUBLINGS_MAX));
    n++;
    while (n)
        vm_slab_destroy(slabs[--n]);
}

/* --- the checker ---------------------------------------------------------------------------------------- */

static void check_harmed(void *argument)
{
    struct slab *const slab = vm_slab_create(3, VM_SLAB_DOUBLINGS_MAX);
    const size_t last = slab->n_groups - 1U;
    slab->x_state = SLAB_LISTED;
    switch (*(int *)argument) {
    case 1:
        vm_slab_remote(slab)[0] = 4; /* S1: free twice over */
        break;
    case 2:
        slab->group[last].x_mask |= (vm_word)1 << (VM_WORD_BITS - 1); /* S2: a block that is not there */
        break;
    case 3:
        slab->group[last].x_mask = 0;
        vm_slab_remote(slab)[last] = (vm_word)1 << (VM_WORD_BITS - 1); /* S2 */
        break;
    case 4:
        slab->class_index = 4;
        break;
    case 5:
        slab->group[0].base -= 48;
        break;
    case 6:
        vm_pagemap_remove(&slab->span);
        break;
    default:
        break;
    }
    vm_slab_check(slab);
}

static void checker(void **state)
{
    (void)state;
    unit_assert_harms_found(check_harmed, 6, "slab.c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carving),         cmocka_unit_test(every_address), cmocka_unit_test(empty_slab),
        cmocka_unit_test(groups_and_bits), cmocka_unit_test(recasting),     cmocka_unit_test(gives_all_back),
        cmocka_unit_test(refusal),         cmocka_unit_test(checker),
    };
    return cmocka_run_group_tests_name("slab", tests, begin, NULL);
}
