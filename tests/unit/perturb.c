/* SPDX-License-Identifier: MIT */
/* perturb.c - M_PERTURB: what is filled with what, by every function, from the call of mallopt on. */
#include "heap/perturb.h"
#include <string.h>
#include "crew.h"
#include "front/front.h"

enum { BYTE = 0xA5, FRESH = BYTE ^ 0xFF };

static const size_t sizes[] = {1, 16, 17, 100, 1000, 1024, 1025, 5000, 32768, 40000, 100000, 300000};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static int fill_on(void **state)
{
    (void)state;
    return vm_mallopt(VM_M_PERTURB, BYTE) == 1 ? 0 : 1;
}

static int fill_off(void **state)
{
    (void)state;
    return vm_mallopt(VM_M_PERTURB, 0) == 1 ? 0 : 1;
}

static void assert_fresh(void *block, size_t size)
{
    assert_non_null(block);
    assert_true(unit_is_filled(block, size, FRESH));
    memset(block, 7, size);
}

static void fresh_blocks(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < N_SIZES; i++) {
            void *blocks[70]; /* more than a group */
            for (unsigned k = 0; k < 70; k++)
                assert_fresh(blocks[k] = crew_alloc(sizes[i]), sizes[i]);
            for (unsigned k = 0; k < 70; k++)
                crew_free(blocks[k]);
            void *aligned = NULL;
            assert_int_equal(vm_posix_memalign(&aligned, 256, sizes[i]), 0);
            assert_fresh(aligned, sizes[i]);
            crew_free(aligned);
            assert_fresh(aligned = VM_OPAQUE(vm_memalign(1 << 16, sizes[i])), sizes[i]);
            crew_free(aligned);
        }
    vm_check_all();
}

static void freed_blocks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_SIZES && sizes[i] < 100000; i++) { /* larger ones are gone */
        char *const keeps = crew_alloc(sizes[i]), *const block = crew_alloc(sizes[i]); /* the slab stays */
        const size_t usable = vm_malloc_usable_size(block);
        memset(block, 7, usable);
        crew_free(block);
        if (sizes[i] <= VM_SLAB_BLOCK_MAX)
            assert_true(unit_is_filled(block, usable, BYTE));
        crew_free(keeps);
    }
}

static void calloc_and_realloc(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_SIZES; i++) {
        crew_free(crew_alloc(sizes[i]));
        char *block = VM_OPAQUE(vm_calloc(1, sizes[i]));
        assert_true(unit_is_filled(block, vm_malloc_usable_size(block), 0));
        memset(block, 3, sizes[i]);
        block = VM_OPAQUE(vm_realloc(block, 2 * sizes[i] + 100));
        assert_true(unit_is_filled(block, sizes[i], 3)); /* what is carried over is not filled */
        crew_free(block);
    }
}

/* Blocks that were there before, in slabs with a fast path, and after it is switched off again. */
static void switching(void **state)
{
    (void)state;
    void *before[40], *after[40];
    for (unsigned i = 0; i < 40; i++)
        before[i] = crew_alloc(200);
    struct slab *const slab = (struct slab *)vm_pagemap_find(before[0]);
    assert_ptr_equal(slab->x_fast_heap, vm_heap_self);
    vm_mallopt(VM_M_PERTURB, BYTE);
    assert_null(slab->x_fast_heap);
    for (unsigned i = 0; i < 40; i++)
        assert_fresh(after[i] = crew_alloc(200), 200);
    memset(before[3], 7, 200);
    crew_free(before[3]);
    assert_true(unit_is_filled(before[3], 200, BYTE));
    vm_check_all();
    vm_mallopt(VM_M_PERTURB, 0);
    for (unsigned i = 0; i < 40; i++) {
        memset(after[i], 7, 200);
        crew_free(after[i]);
        if (i != 3)
            crew_free(before[i]);
    }
    assert_false(unit_is_filled(after[20], 200, BYTE));
    void *const block = crew_alloc(200);
    assert_ptr_equal(((struct slab *)vm_pagemap_find(block))->x_fast_heap, vm_heap_self); /* fast again */
    crew_free(block);
    vm_check_all();
}

static void *handed_over[40];

static void free_others(void *argument)
{
    for (unsigned i = 0; i < 40; i++)
        crew_free(handed_over[i]);
    assert_fresh(*(void **)argument = crew_alloc(200), 200);
}

static void other_threads(void **state)
{
    (void)state;
    static struct worker worker;
    void *theirs = NULL;
    crew_hire(&worker);
    for (unsigned i = 0; i < 40; i++)
        assert_fresh(handed_over[i] = crew_alloc(200), 200);
    crew_do(&worker, free_others, &theirs);
    assert_true(unit_is_filled(handed_over[7], 200, BYTE));
    crew_dismiss(&worker);
    memset(theirs, 7, 200);
    crew_free(theirs);
    vm_check_all();
}

static void free_it_twice(void *argument)
{
    (void)argument;
    void *const block = crew_alloc(64), *const keeps = crew_alloc(64);
    crew_free(block);
    crew_free(block);
    crew_free(keeps);
}

static void double_free(void **state)
{
    (void)state;
    unit_assert_aborts(free_it_twice, NULL, "already free");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fresh_blocks, fill_on, fill_off),
        cmocka_unit_test_setup_teardown(freed_blocks, fill_on, fill_off),
        cmocka_unit_test_setup_teardown(calloc_and_realloc, fill_on, fill_off),
        cmocka_unit_test(switching),
        cmocka_unit_test_setup_teardown(other_threads, fill_on, fill_off),
        cmocka_unit_test_setup_teardown(double_free, fill_on, fill_off),
    };
    return cmocka_run_group_tests_name("perturb", tests, NULL, NULL);
}
