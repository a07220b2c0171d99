/* SPDX-License-Identifier: MIT */
/*
 * compound.c - blocks made of free neighbours in sparse slabs of another class: that they serve before memory grows, that
 * they come back whole whoever frees them, and that the middle of one is no block.
 */
#include "heap/compound.h"
#include <stdlib.h>
#include <string.h>
#include "crew.h"
#include "front/front.h"

enum {
    SMALL = 80,
    LARGER = 240,                   /* three of them */
    N_SMALL = 1300000 / SMALL * 16, /* more slabs than VM_COMPOUND_HEAP_SLABS */
    N_LARGER = 20000
};

static char *small[N_SMALL], *larger[N_LARGER];

static bool is_compound(void *block)
{
    return vm_slab_bytes_at(crew_slab_of(block),
                            (size_t)((char *)block - crew_slab_of(block)->group[0].base) / SMALL) > SMALL &&
           crew_slab_of(block)->span.block_bytes == SMALL;
}

/* Many small blocks, of which one in eight stays: all slabs are sparse, and runs of seven are free. */
static void make_sparse(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < N_SMALL; i++) {
        UNIT_REQUIRE((small[i] = crew_alloc(SMALL)));
        memset(small[i], 7, SMALL);
    }
    for (size_t i = 0; i < N_SMALL; i++)
        if (i % 8) {
            crew_free(small[i]);
            small[i] = NULL;
        }
}

static void alloc_larger(void *size)
{
    for (size_t i = 0; i < N_LARGER; i++) {
        UNIT_REQUIRE((larger[i] = crew_alloc(*(size_t *)size)));
        memset(larger[i], (int)(i % 251), *(size_t *)size);
    }
}

static void free_larger(void *size)
{
    for (size_t i = 0; i < N_LARGER; i++) {
        UNIT_REQUIRE(unit_is_filled(larger[i], *(size_t *)size, (unsigned char)(i % 251)));
        crew_free(larger[i]);
    }
}

static void free_small(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < N_SMALL; i++)
        if (small[i]) {
            UNIT_REQUIRE(unit_is_filled(small[i], SMALL, 7));
            crew_free(small[i]);
            small[i] = NULL;
        }
}

static size_t count_compounds(void)
{
    size_t n = 0;
    for (size_t i = 0; i < N_LARGER; i++)
        n += is_compound(larger[i]);
    return n;
}

static void expect_all_free(void)
{
    vm_malloc_trim(0);
    vm_check_all();
    assert_int_equal(vm_pool_totals().arena_bytes, vm_pool_totals().free_bytes);
}

static size_t larger_size = LARGER;

/* Holes serve before the heap grows, and all comes back. */
static void holes_first(void **state)
{
    (void)state;
    make_sparse(NULL);
    vm_check_all();
    const size_t bytes = vm_pool_totals().arena_bytes;
    alloc_larger(&larger_size);
    vm_check_all();
    assert_true(count_compounds() > N_LARGER * 9 / 10);
    /* A sample is due after some searches in vain, each of which has the arena grow a little. */
    assert_true(vm_pool_totals().arena_bytes <= bytes + 4 * VM_MIB);
    for (size_t i = 0; i < N_LARGER; i++) {
        assert_true(vm_malloc_usable_size(larger[i]) >= LARGER);
        assert_true(((uintptr_t)larger[i] & (VM_BLOCK_ALIGN - 1)) == 0);
    }
    free_larger(&larger_size);
    vm_check_all();
    for (size_t i = 0; i < N_SMALL; i++) /* parts serve their own class again */
        if (!small[i]) {
            small[i] = crew_alloc(SMALL);
            memset(small[i], 7, SMALL);
        }
    assert_true(vm_pool_totals().arena_bytes <= bytes + 4 * VM_MIB);
    free_small(NULL);
    expect_all_free();
}

/* Sizes and operations by chance, with a look at all structures in between. */
static void random_sizes(void **state)
{
    (void)state;
    static size_t sizes[N_LARGER];
    const unsigned n_steps = unit_is_slow() ? 4000 : 60000;
    uint64_t seed = 5;
    size_t n_compounds = 0;
    make_sparse(NULL);
    memset(larger, 0, sizeof larger);
    for (unsigned step = 0; step < n_steps; step++) {
        const size_t i = unit_below(&seed, N_LARGER);
        if (larger[i]) {
            assert_true(unit_is_filled(larger[i], sizes[i], (unsigned char)i));
            if (unit_below(&seed, 4) == 0) {
                const size_t kept = sizes[i];
                sizes[i] = 100 + unit_below(&seed, 1200);
                larger[i] = VM_OPAQUE(vm_realloc(larger[i], sizes[i]));
                assert_true(unit_is_filled(larger[i], kept < sizes[i] ? kept : sizes[i], (unsigned char)i));
                memset(larger[i], (int)(unsigned char)i, sizes[i]);
            } else {
                crew_free(larger[i]);
                larger[i] = NULL;
            }
            continue;
        }
        sizes[i] = 100 + unit_below(&seed, 1200);
        if (unit_below(&seed, 2)) {
            larger[i] = VM_OPAQUE(vm_calloc(1, sizes[i]));
            assert_true(unit_is_filled(larger[i], vm_malloc_usable_size(larger[i]), 0));
        } else {
            larger[i] = crew_alloc(sizes[i]);
        }
        memset(larger[i], (int)(unsigned char)i, sizes[i]);
        n_compounds += is_compound(larger[i]);
        if (step % 512 == 0)
            vm_check_all();
    }
    assert_true(n_compounds > n_steps / 16);
    for (size_t i = 0; i < N_LARGER; i++)
        if (larger[i]) {
            assert_true(unit_is_filled(larger[i], sizes[i], (unsigned char)i));
            crew_free(larger[i]);
        }
    free_small(NULL);
    expect_all_free();
}

/* An alignment is kept, though the class that is asked has a host. */
static void aligned(void **state)
{
    (void)state;
    make_sparse(NULL);
    alloc_larger(&larger_size);
    for (size_t alignment = 32; alignment <= 1024; alignment *= 2)
        for (size_t size = 16; size < 2000; size += 40) {
            void *const block = VM_OPAQUE(vm_memalign(alignment, size));
            assert_true(block && ((uintptr_t)block & (alignment - 1)) == 0);
            memset(block, 1, size);
            crew_free(block);
        }
    free_larger(&larger_size);
    free_small(NULL);
    expect_all_free();
}

/* Another thread frees what this one made, all or half, asleep or not; or its owner is dead. */
static void freed_elsewhere(void **state)
{
    (void)state;
    static struct worker owner, other;
    for (unsigned round = 0; round < 3; round++) {
        crew_hire(&owner);
        crew_hire(&other);
        crew_do(&owner, make_sparse, NULL);
        crew_do(&owner, alloc_larger, &larger_size);
        assert_true(count_compounds() > N_LARGER * 9 / 10);
        const size_t bytes = vm_pool_totals().arena_bytes - vm_pool_totals().free_bytes;
        if (round == 1)
            crew_do(&owner, free_larger, &larger_size);
        if (round == 2)
            crew_dismiss(&owner);
        if (round != 1)
            crew_do(&other, free_larger, &larger_size);
        if (round == 0) { /* the owner finds what the other freed, and uses it */
            crew_do(&owner, alloc_larger, &larger_size);
            vm_check_all();
            crew_do(&other, free_larger, &larger_size);
        }
        crew_do(&other, free_small, NULL);
        vm_check_all();
        /* The owner sleeps, and keeps no more than its current slabs and its hosts. */
        assert_true(vm_pool_totals().arena_bytes - vm_pool_totals().free_bytes < bytes / 8);
        if (round != 2)
            crew_dismiss(&owner);
        crew_dismiss(&other);
        expect_all_free();
    }
}

static void misuse(void *argument)
{
    make_sparse(NULL);
    alloc_larger(&larger_size);
    char *const block = larger[N_LARGER / 2];
    UNIT_REQUIRE(is_compound(block));
    switch (*(int *)argument) {
    case 0:
        crew_free(block + SMALL); /* where a part begins */
        break;
    case 1:
        crew_free(block);
        crew_free(block);
        break;
    case 2:
        (void)vm_malloc_usable_size(VM_OPAQUE(block + 2 * SMALL));
        break;
    default:
        crew_free(vm_realloc(VM_OPAQUE(block + SMALL), 10));
        break;
    }
}

static void free_elsewhere(void *block)
{
    crew_free(block);
}

static void misuse_elsewhere(void *argument)
{
    static struct worker worker;
    make_sparse(NULL);
    alloc_larger(&larger_size);
    crew_hire(&worker);
    char *block = larger[N_LARGER / 2];
    UNIT_REQUIRE(is_compound(block));
    if (*(int *)argument)
        crew_do(&worker, free_elsewhere, block);
    block += *(int *)argument ? 0 : SMALL;
    crew_do(&worker, free_elsewhere, block);
}

static void misuses(void **state)
{
    (void)state;
    int what = 0;
    unit_assert_aborts(misuse, &what, "free(): invalid pointer\nvmalloc: free(0x");
    unit_assert_aborts(misuse, &what, "points 80 bytes into a live block of 240 bytes at 0x");
    unit_assert_aborts(misuse_elsewhere, &what, "points 80 bytes into a live block of 240 bytes at 0x");
    what = 1;
    unit_assert_aborts(misuse, &what, "free(): double free detected in tcache 2\nvmalloc: free(0x");
    unit_assert_aborts(misuse_elsewhere, &what, "free(): double free detected in tcache 2\nvmalloc: free(0x");
    what = 2;
    unit_assert_aborts(misuse, &what, "points 160 bytes into a live block of 240 bytes at 0x");
    what = 3;
    unit_assert_aborts(misuse, &what, "points 80 bytes into a live block of 240 bytes at 0x");
}

/* A picture of the heaps counts what is in hosts, too. */
static void counted(void **state)
{
    (void)state;
    const size_t before = vm_mallinfo2().uordblks;
    make_sparse(NULL);
    const size_t with_small = vm_mallinfo2().uordblks;
    assert_int_equal(with_small - before, N_SMALL / 8 * SMALL);
    alloc_larger(&larger_size);
    assert_int_equal(vm_mallinfo2().uordblks - with_small, N_LARGER * LARGER);
    free_larger(&larger_size);
    assert_int_equal(vm_mallinfo2().uordblks, with_small);
    free_small(NULL);
    expect_all_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_first), cmocka_unit_test(random_sizes),    cmocka_unit_test(aligned),
        cmocka_unit_test(counted),     cmocka_unit_test(freed_elsewhere), cmocka_unit_test(misuses),
    };
    crew_free(crew_alloc(1));
    return cmocka_run_group_tests_name("compound", tests, NULL, NULL);
}
