/* SPDX-License-Identifier: MIT */
/*
 * borrow.c - a class's first blocks, which slabs of larger ones serve: how many, how much larger, and that to those who have
 * them they are blocks like all others. Each case has a heap of its own, as what a class has borrowed is never forgotten.
 */
#include "heap/borrow.h"
#include <stdlib.h>
#include <string.h>
#include "crew.h"
#include "front/front.h"

enum { N_CASES = 7, SMALL = 48, LARGER = 96, N_BORROWED = 8 };

static struct worker workers[N_CASES];

static size_t block_bytes(void *block)
{
    return vm_malloc_usable_size(VM_OPAQUE(block));
}

static unsigned n_borrowed(size_t size)
{
    return vm_heap_self->n_borrowed[vm_class_of(size)];
}

/* Eight blocks come from the larger class's slab, then the class has its own, also when the others are free again. */
static void a_few(void *unused)
{
    (void)unused;
    void *const larger = crew_alloc(LARGER);
    void *blocks[N_BORROWED + 2];
    for (int i = 0; i < N_BORROWED + 2; i++) {
        blocks[i] = crew_alloc(SMALL);
        UNIT_REQUIRE(block_bytes(blocks[i]) == (i < N_BORROWED ? LARGER : SMALL));
        memset(blocks[i], i, block_bytes(blocks[i]));
    }
    UNIT_REQUIRE(n_borrowed(SMALL) == N_BORROWED);
    for (int i = 0; i < N_BORROWED + 2; i++) {
        UNIT_REQUIRE(unit_is_filled(blocks[i], block_bytes(blocks[i]), (unsigned char)i));
        crew_free(blocks[i]);
    }
    void *const after = crew_alloc(SMALL);
    UNIT_REQUIRE(block_bytes(after) == SMALL);
    crew_free(after);
    crew_free(larger);
}

/* Fewer of larger blocks: no more than 1 KiB of what was asked for. */
static void few_bytes(void *unused)
{
    (void)unused;
    void *const larger = crew_alloc(640);
    void *const first = crew_alloc(400), *const second = crew_alloc(400), *const third = crew_alloc(400);
    UNIT_REQUIRE(block_bytes(first) == 640 && block_bytes(second) == 640 && block_bytes(third) == 416);
    crew_free(first);
    crew_free(second);
    crew_free(third);
    crew_free(larger);
}

/* Blocks of more than twice the bytes do not serve, nor do those of middle size, nor smaller ones. */
static void not_from_any(void *unused)
{
    (void)unused;
    void *const larger = crew_alloc(256), *const middle = crew_alloc(1200);
    void *const small = crew_alloc(112), *const hardly_small = crew_alloc(1024),
                *const twice = crew_alloc(128);
    UNIT_REQUIRE(block_bytes(small) == 112 && block_bytes(hardly_small) == 1024 && block_bytes(twice) == 256);
    crew_free(small);
    crew_free(hardly_small);
    crew_free(twice);
    crew_free(larger);
    crew_free(middle);
}

/* The smallest of the larger blocks, and one of the next if that has none left. */
static void from_the_nearest(void *unused)
{
    (void)unused;
    void *const far = crew_alloc(LARGER), *const near = crew_alloc(80);
    UNIT_REQUIRE(block_bytes(near) == LARGER); /* borrowed itself: so far there is one slab */
    for (int i = 1; i < N_BORROWED; i++)
        UNIT_REQUIRE(block_bytes(crew_alloc(80)) == LARGER);
    UNIT_REQUIRE(block_bytes(crew_alloc(80)) == 80);
    void *const block = crew_alloc(SMALL);
    UNIT_REQUIRE(block_bytes(block) == 80);
    crew_free(block);
    crew_free(near);
    crew_free(far);
}

/* All of a block from calloc is zero, whatever was in it. */
static void is_zeroed(void *unused)
{
    (void)unused;
    void *const larger = crew_alloc(LARGER), *const dirty = crew_alloc(LARGER);
    memset(dirty, 0xAA, LARGER);
    crew_free(dirty);
    void *const block = VM_OPAQUE(vm_calloc(1, SMALL - 8));
    UNIT_REQUIRE(block == dirty && block_bytes(block) == LARGER && unit_is_filled(block, LARGER, 0));
    crew_free(block);
    crew_free(larger);
}

/* What is to be aligned comes from where all blocks are. */
static void is_aligned(void *unused)
{
    (void)unused;
    void *const larger = crew_alloc(LARGER);
    for (int i = 0; i < 40; i++)
        UNIT_REQUIRE((uintptr_t)VM_OPAQUE(vm_aligned_alloc(64, 64)) % 64 == 0);
    crew_free(larger);
}

static void free_it(void *block)
{
    crew_free(block);
}

static void *borrowed;

static void borrow_one(void *unused)
{
    (void)unused;
    UNIT_REQUIRE(crew_alloc(LARGER));
    borrowed = crew_alloc(SMALL);
    UNIT_REQUIRE(block_bytes(borrowed) == LARGER);
}

static void in_a_heap_of_its_own(void (*work)(void *unused), int number)
{
    crew_do(&workers[number], work, NULL);
    vm_check_all();
}

static void first_blocks(void **state)
{
    (void)state;
    in_a_heap_of_its_own(a_few, 0);
    in_a_heap_of_its_own(few_bytes, 1);
}

static void which_larger_ones(void **state)
{
    (void)state;
    in_a_heap_of_its_own(not_from_any, 2);
    in_a_heap_of_its_own(from_the_nearest, 3);
}

static void contents_and_alignment(void **state)
{
    (void)state;
    in_a_heap_of_its_own(is_zeroed, 4);
    in_a_heap_of_its_own(is_aligned, 5);
}

/* Freed by another thread, and then by nobody twice. */
static void freed_elsewhere(void **state)
{
    (void)state;
    in_a_heap_of_its_own(borrow_one, 6);
    crew_do(&workers[0], free_it, borrowed);
    vm_check_all();
    unit_assert_aborts(free_it, borrowed, "free");
}

static int hire_all(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++)
        crew_hire(&workers[i]);
    return 0;
}

static int dismiss_all(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++)
        crew_dismiss(&workers[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_blocks),
        cmocka_unit_test(which_larger_ones),
        cmocka_unit_test(contents_and_alignment),
        cmocka_unit_test(freed_elsewhere),
    };
    return cmocka_run_group_tests_name("borrow", tests, hire_all, dismiss_all);
}
