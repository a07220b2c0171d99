/* SPDX-License-Identifier: MIT */
/*
 * faults.c - the kernel refuses the n-th call, for n = 1, 2, 3 ... until the workload needs no more of
 * them: each run ends with every request either served or refused with ENOMEM, with all contents as they
 * were, with all rooms in order, and, once nothing is refused any more, with everything to be had again.
 * Each n in a child of its own, from the process's first block on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bits.h"
#include "crew.h"
#include "front/front.h"
#include "kernel/kernel.h"

enum { STATUS_OK = 0, STATUS_NO_FAULT = 2 };

enum kind { MAP = 1, BREAK = 2, PROTECT = 4, REMAP = 8, UNMAP = 16, TRIM = 32 };

static struct plan {
    unsigned kinds; /* which calls are counted */
    unsigned n;     /* the first one that fails; 0: none */
    bool for_ever;  /* and all after it */
    bool has_break;
} plan;
static unsigned n_calls, n_failed;

static bool fails(enum kind kind)
{
    if (!(plan.kinds & kind) || !plan.n)
        return false;
    n_calls++;
    const bool is_failing = plan.for_ever ? n_calls >= plan.n : n_calls == plan.n;
    n_failed += is_failing;
    errno = is_failing ? EPERM : errno; /* as a kernel would: the wall keeps it from the program */
    return is_failing;
}

static struct vm_kernel_backend real;

static void *map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    return fails(MAP) ? NULL : real.map(context, bytes, alignment, access);
}

static void *break_grow(void *context, size_t bytes)
{
    return fails(BREAK) ? NULL : real.break_grow(context, bytes);
}

static bool break_trim(void *context, void *end, size_t bytes)
{
    return !fails(TRIM) && real.break_trim(context, end, bytes);
}

static bool protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    return !fails(PROTECT) && real.protect(context, start, bytes, access);
}

static bool resize(void *context, void *start, size_t old_bytes, size_t new_bytes)
{
    return !fails(REMAP) && real.resize(context, start, old_bytes, new_bytes);
}

static bool move(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    return !fails(REMAP) && real.move(context, start, old_bytes, target, new_bytes);
}

static bool unmap(void *context, void *start, size_t bytes)
{
    return !fails(UNMAP) && real.unmap(context, start, bytes);
}

/* --- the workload --------------------------------------------------------------------------------------- */

enum { N_BLOCKS = 60 };

static struct {
    unsigned char *start;
    size_t size;
} blocks[N_BLOCKS];
static unsigned n_refused;

/* Either a block, or NULL and ENOMEM. */
static void *require_told(void *block)
{
    UNIT_REQUIRE(errno == (block ? 77 : ENOMEM));
    n_refused += block == NULL;
    return block;
}

static size_t random_size(uint64_t *seed)
{
    switch (unit_below(seed, 5)) {
    case 0:
    case 1:
        return 1 + unit_below(seed, 1500);
    case 2:
        return 1 + unit_below(seed, 32768);
    case 3:
        return 1 + unit_below(seed, 131072);
    default:
        return 1 + unit_below(seed, 1 << 20);
    }
}

static unsigned char stamp_of(size_t i)
{
    return (unsigned char)(i * 37 + 1);
}

static void make(size_t i, uint64_t *seed)
{
    const size_t size = random_size(seed);
    void *block = NULL;
    errno = 77;
    switch (unit_below(seed, 4)) {
    case 0:
        block = require_told(VM_OPAQUE(vm_malloc(size)));
        break;
    case 1:
        block = require_told(VM_OPAQUE(vm_calloc(1, size)));
        UNIT_REQUIRE(!block || unit_is_filled(block, size, 0));
        break;
    case 2:
        block = require_told(VM_OPAQUE(vm_memalign((size_t)32 << unit_below(seed, 13), size)));
        break;
    default:
        UNIT_REQUIRE(vm_posix_memalign(&block, 64, size) == (block ? 0 : ENOMEM) && errno == 77);
        break;
    }
    if (!block)
        return;
    memset(block, stamp_of(i), size);
    blocks[i].start = block;
    blocks[i].size = size;
}

static void change(size_t i, uint64_t *seed)
{
    const size_t size = random_size(seed);
    errno = 77;
    unsigned char *const moved = require_told(VM_OPAQUE(vm_realloc(blocks[i].start, size)));
    if (!moved) {
        UNIT_REQUIRE(unit_is_filled(blocks[i].start, blocks[i].size, stamp_of(i))); /* it stays as it was */
        return;
    }
    UNIT_REQUIRE(unit_is_filled(moved, vm_min_size(size, blocks[i].size), stamp_of(i)));
    memset(moved, stamp_of(i), size);
    blocks[i].start = moved;
    blocks[i].size = size;
}

static void unmake(size_t i)
{
    UNIT_REQUIRE(unit_is_filled(blocks[i].start, blocks[i].size, stamp_of(i)));
    errno = 77;
    vm_free(blocks[i].start);
    UNIT_REQUIRE(errno == 77);
    blocks[i].start = NULL;
}

static void work(uint64_t seed, unsigned n_steps)
{
    for (unsigned step = 0; step < n_steps; step++) {
        const size_t i = unit_below(&seed, N_BLOCKS);
        if (!blocks[i].start)
            make(i, &seed);
        else if (unit_below(&seed, 3) == 0)
            change(i, &seed);
        else
            unmake(i);
        if (step % 100 == 50)
            vm_malloc_trim(0);
        if (step % 50 == 0)
            vm_check_all();
    }
    vm_check_all();
}

static void free_all(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        if (blocks[i].start)
            unmake(i);
    vm_malloc_trim(0);
    vm_check_all();
    UNIT_REQUIRE(crew_pool_bytes() == 0);
}

static void live_with_faults(void *argument)
{
    (void)argument;
    real = vm_linux_backend;
    vm_linux_backend.map = map;
    vm_linux_backend.break_grow = break_grow;
    vm_linux_backend.break_trim = break_trim;
    vm_linux_backend.protect = protect;
    vm_linux_backend.resize = resize;
    vm_linux_backend.move = move;
    vm_linux_backend.unmap = unmap;
    if (!plan.has_break)
        vm_kernel.has_break = false;
    /* Small steps, so that there are many calls. */
    vm_mallopt(VM_M_TOP_PAD, 0);
    vm_mallopt(VM_M_TRIM_THRESHOLD, 65536);
    vm_mallopt(VM_M_MMAP_THRESHOLD, 65536);
    work(111, 300);
    const bool was_hit = n_failed > 0;
    UNIT_REQUIRE(was_hit || n_refused == 0);
    plan.n = 0;
    n_refused = 0;
    work(112, 100); /* everything is to be had again */
    UNIT_REQUIRE(n_refused == 0);
    free_all();
    work(113, 50);
    UNIT_REQUIRE(n_refused == 0);
    free_all();
    if (!was_hit)
        _Exit(STATUS_NO_FAULT);
}

/* Runs the workload for n = 1, 2 ... until none fails. */
static void fail_each(unsigned kinds, bool for_ever, bool has_break)
{
    const unsigned step = unit_is_slow() ? 9 : 1;
    unsigned n;
    for (n = 1;; n += step) {
        plan = (struct plan){.kinds = kinds, .n = n, .for_ever = for_ever, .has_break = has_break};
        const struct unit_outcome outcome = unit_fork(live_with_faults, NULL);
        if (outcome.exited && outcome.code == STATUS_NO_FAULT)
            break;
        if (!outcome.exited || outcome.code != STATUS_OK)
            fail_msg("call %u (kinds %u, %s, %s a break): the child %s %d: %s", n, kinds,
                     for_ever ? "and all after it" : "alone", has_break ? "with" : "without",
                     outcome.exited ? "exited with" : "died of signal", outcome.code, outcome.text);
    }
    assert_true(n > 3); /* there was something to refuse */
}

static void one_call(void **state)
{
    (void)state;
    fail_each(MAP | BREAK | PROTECT, false, true);
}

static void one_call_without_break(void **state)
{
    (void)state;
    fail_each(MAP | PROTECT, false, false);
}

static void all_from_one_on(void **state)
{
    (void)state;
    fail_each(MAP | BREAK | PROTECT, true, true);
}

static void all_from_one_on_without_break(void **state)
{
    (void)state;
    fail_each(MAP | PROTECT, true, false);
}

/* One way to get memory is closed, the others are open. */
static void breaks_only(void **state)
{
    (void)state;
    fail_each(BREAK, true, true);
}

static void maps_only(void **state)
{
    (void)state;
    fail_each(MAP, true, true);
}

static void protections_only(void **state)
{
    (void)state;
    fail_each(PROTECT, true, false);
}

static void remaps(void **state)
{
    (void)state;
    if (!vm_kernel.has_remap)
        skip();
    fail_each(REMAP, false, true);
    fail_each(REMAP, true, true);
}

static void giving_back(void **state)
{
    (void)state;
    fail_each(UNMAP | TRIM, false, true);
    fail_each(UNMAP | TRIM, true, true);
}

int main(void)
{
    vm_kernel.has_remap = !unit_is_under_valgrind();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call),         cmocka_unit_test(one_call_without_break),
        cmocka_unit_test(all_from_one_on),  cmocka_unit_test(all_from_one_on_without_break),
        cmocka_unit_test(breaks_only),      cmocka_unit_test(maps_only),
        cmocka_unit_test(protections_only), cmocka_unit_test(remaps),
        cmocka_unit_test(giving_back),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
