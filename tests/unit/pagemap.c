/* SPDX-License-Identifier: MIT */
/*
 * pagemap.c - the page map on spans whose addresses are made up: nothing here ever touches what a span
 * describes. Only the last test allocates descriptors that are looked up while another thread takes them
 * away.
 */
#include "pool/pagemap.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "base/bits.h"
#include "kernel/kernel.h"
#include "pool/meta.h"
#include "unit.h"

static bool is_refusing;
static struct vm_kernel_backend backend;

static void *map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    return is_refusing ? NULL : unit_backend()->map(context, bytes, alignment, access);
}

static int begin(void **state)
{
    (void)state;
    unit_report_to_stderr();
    backend = *unit_backend();
    backend.map = map;
    vm_kernel_start(&backend);
    return 0;
}

static char *at(uint64_t address)
{
    return (char *)(uintptr_t)address;
}

/* Room for what a slab's descriptor has behind its span: vm_pagemap_near promises that it can be read. */
union descriptor {
    VM_ALIGNED(VM_META_UNIT) struct span span;
    char room[256];
};

static struct span *make(union descriptor *descriptor, uint32_t kind, uint64_t start, size_t bytes)
{
    *descriptor = (union descriptor){.span = {.start = at(start), .bytes = bytes, .kind = (uint8_t)kind}};
    return &descriptor->span;
}

static const uint64_t region = sizeof(void *) == 8 ? (uint64_t)0x7200 << 32 : (uint64_t)0x40 << 24;
static const uint64_t top_address = VM_ADDRESS_BITS == 64 ? UINT64_MAX : ((uint64_t)1 << VM_ADDRESS_BITS) - 1;

static void slabs(void **state)
{
    (void)state;
    union descriptor descriptor[5];
    for (unsigned i = 0; i < 5; i++) { /* 16 KiB .. 256 KiB */
        const size_t bytes = (size_t)VM_GRANULE << i;
        assert_true(vm_pagemap_add(make(&descriptor[i], SPAN_SLAB, region + i * 0x100000, bytes)));
    }
    for (unsigned i = 0; i < 5; i++) {
        struct span *const span = &descriptor[i].span;
        for (size_t offset = 0; offset < span->bytes; offset += 509) {
            assert_ptr_equal(vm_pagemap_find(span->start + offset), span);
            assert_ptr_equal(vm_pagemap_near(span->start + offset), span);
            assert_ptr_equal(vm_pagemap_search(span->start + offset), span);
        }
        assert_ptr_equal(vm_pagemap_find(span->start + span->bytes - 1), span);
        assert_null(vm_pagemap_find(span->start - 1));
        assert_null(vm_pagemap_find(span->start + span->bytes));
        assert_null(vm_pagemap_search(span->start + span->bytes));
        assert_ptr_equal(vm_pagemap_near(span->start - 1), vm_near_map.no_slab);
        assert_ptr_equal(vm_pagemap_near(span->start + span->bytes), vm_near_map.no_slab);
    }
    for (unsigned i = 0; i < 5; i++) {
        struct span *const span = &descriptor[i].span;
        vm_pagemap_remove(span);
        for (size_t offset = 0; offset < span->bytes; offset += VM_GRANULE) {
            assert_null(vm_pagemap_find(span->start + offset));
            assert_ptr_equal(vm_pagemap_near(span->start + offset), vm_near_map.no_slab);
        }
        if (i < 4)
            assert_ptr_equal(vm_pagemap_find(descriptor[i + 1].span.start), &descriptor[i + 1].span);
    }
}

static void empty_slab_is_nobodys(void **state)
{
    (void)state;
    const struct span *const none = vm_pagemap_near(at(region));
    assert_ptr_equal(none, vm_near_map.no_slab);
    assert_true(unit_is_filled(vm_near_map.no_slab, sizeof vm_near_map.no_slab, 0));
}

static void other_spans(void **state)
{
    (void)state;
    const size_t page = vm_kernel.page_bytes;
    const size_t lengths[] = {page, 3 * page, (size_t)1 << 20,
                              sizeof(void *) == 8 ? (size_t)1 << 36 : (size_t)1 << 28};
    for (size_t i = 0; i < 4; i++) {
        union descriptor descriptor;
        struct span *const span =
            make(&descriptor, i % 2 ? SPAN_LARGE : SPAN_MIDDLE, region + page, lengths[i]);
        assert_true(vm_pagemap_add(span));
        assert_ptr_equal(vm_pagemap_find(span->start), span);
        assert_ptr_equal(vm_pagemap_find(span->start + page - 1), span);
        assert_null(vm_pagemap_find(span->start - 1));
        assert_null(vm_pagemap_find(span->start + page)); /* by its first page only */
        assert_null(vm_pagemap_find(span->start + lengths[i] / 2 + page));
        assert_ptr_equal(vm_pagemap_near(span->start), vm_near_map.no_slab);
        assert_ptr_equal(vm_pagemap_search(span->start), span);
        assert_ptr_equal(vm_pagemap_search(span->start + lengths[i] / 2), span);
        assert_ptr_equal(vm_pagemap_search(span->start + lengths[i] - 1), span);
        assert_null(vm_pagemap_search(span->start + lengths[i]));
        assert_null(vm_pagemap_search(span->start - 1));
        vm_pagemap_remove(span);
        assert_null(vm_pagemap_find(span->start));
        assert_null(vm_pagemap_search(span->start));
    }
}

/* Several spans that start in one granule, and one that ends there. */
static void shared_granule(void **state)
{
    (void)state;
    const size_t page = vm_kernel.page_bytes;
    if (VM_GRANULE / page < 4)
        skip();
    union descriptor before, descriptor[4];
    vm_pagemap_add(make(&before, SPAN_MIDDLE, region - 8 * VM_GRANULE, 8 * VM_GRANULE + page));
    for (unsigned i = 1; i < 4; i++)
        assert_true(vm_pagemap_add(make(&descriptor[i], SPAN_MIDDLE, region + i * page, page)));
    assert_null(vm_pagemap_find(at(region)));
    assert_ptr_equal(vm_pagemap_search(at(region)), &before.span);
    for (unsigned i = 1; i < 4; i++) {
        assert_ptr_equal(vm_pagemap_find(at(region + i * page + 16)), &descriptor[i].span);
        assert_ptr_equal(vm_pagemap_search(at(region + i * page + 16)), &descriptor[i].span);
    }
    vm_pagemap_remove(&descriptor[2].span);
    assert_null(vm_pagemap_find(at(region + 2 * page)));
    assert_null(vm_pagemap_search(at(region + 2 * page)));
    assert_ptr_equal(vm_pagemap_find(at(region + 3 * page)), &descriptor[3].span);
    vm_pagemap_remove(&descriptor[1].span);
    vm_pagemap_remove(&descriptor[3].span);
    /* The granule is free for a slab now. */
    vm_pagemap_remove(&before.span);
    assert_true(vm_pagemap_add(make(&descriptor[0], SPAN_SLAB, region, VM_GRANULE)));
    assert_ptr_equal(vm_pagemap_find(at(region + 3 * page)), &descriptor[0].span);
    vm_pagemap_remove(&descriptor[0].span);
    assert_null(vm_pagemap_search(at(region + VM_GRANULE)));
}

static void near_collisions(void **state)
{
    (void)state;
    const uint64_t distance = (uint64_t)VM_NEAR_ENTRIES << VM_GRANULE_SHIFT; /* 8 GiB; 32 bit: 1 GiB */
    union descriptor one, two;
    struct span *const first = make(&one, SPAN_SLAB, region, 2 * VM_GRANULE);
    struct span *const second = make(&two, SPAN_SLAB, region + distance + VM_GRANULE, 2 * VM_GRANULE);
    assert_true(vm_pagemap_add(first));
    assert_true(vm_pagemap_add(second));
    assert_ptr_equal(vm_pagemap_near(at(region)), first);
    assert_ptr_equal(vm_pagemap_near(at(region + VM_GRANULE)), second); /* wrong, and the caller verifies */
    assert_ptr_equal(vm_pagemap_near(at(region + distance + VM_GRANULE)), second);
    assert_ptr_equal(vm_pagemap_near(at(region + distance)), first);
    assert_ptr_equal(vm_pagemap_find(at(region + VM_GRANULE)), first); /* the root knows better */
    assert_ptr_equal(vm_pagemap_find(at(region + distance + VM_GRANULE)), second);
    assert_null(vm_pagemap_find(at(region + distance)));
    vm_pagemap_remove(first); /* takes only what is its own out of the near map */
    assert_ptr_equal(vm_pagemap_near(at(region)), vm_near_map.no_slab);
    assert_ptr_equal(vm_pagemap_near(at(region + distance + VM_GRANULE)), second);
    assert_null(vm_pagemap_find(at(region + VM_GRANULE)));
    vm_pagemap_remove(second);
    for (unsigned i = 0; i < 3; i++)
        assert_ptr_equal(vm_pagemap_near(at(region + i * VM_GRANULE)), vm_near_map.no_slab);
}

static void wild_addresses(void **state)
{
    (void)state;
    union descriptor slab, low, high;
    assert_true(vm_pagemap_add(make(&slab, SPAN_SLAB, region, VM_GRANULE)));
    assert_true(vm_pagemap_add(make(&low, SPAN_MIDDLE, VM_GRANULE, VM_GRANULE)));
    const uint64_t last = top_address - 2 * VM_GRANULE + 1;
    assert_true(vm_pagemap_add(make(&high, SPAN_SLAB, last, 2 * VM_GRANULE)));
    assert_ptr_equal(vm_pagemap_find(at(top_address)), &high.span);
    assert_ptr_equal(vm_pagemap_search(at(top_address)), &high.span);
    assert_ptr_equal(vm_pagemap_find(at(VM_GRANULE)), &low.span);
    const uint64_t addresses[] = {
        0,
        1,
        16,
        4095,
        4096,
        VM_GRANULE - 1,
        2 * VM_GRANULE,
        UINT32_MAX,
        (uint64_t)UINT32_MAX + 1,
        last - 1,
        region - 1,
        region + VM_GRANULE,
#if UINTPTR_MAX > UINT32_MAX
        top_address + 1,
        top_address + 1 + region,
        (uint64_t)1 << 52,
        (uint64_t)1 << 63,
        ((uint64_t)1 << 63) + region,
        0xffff800000000000,
        0xdeadbeefdeadbeef,
        UINT64_MAX - VM_GRANULE,
#endif
    };
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        if ((uintptr_t)addresses[i] == 0 && i > 0)
            continue;
        assert_null(vm_pagemap_find(at(addresses[i])));
        assert_null(vm_pagemap_search(at(addresses[i])));
        const char *const near = (char *)vm_pagemap_near(at(addresses[i]));
        assert_true(near == vm_near_map.no_slab || near == (char *)&slab || near == (char *)&high);
    }
    if (sizeof(void *) == 8) {
        assert_null(vm_pagemap_find(at(UINT64_MAX)));
        assert_null(vm_pagemap_search(at(UINT64_MAX)));
    }
    uint64_t seed = 31;
    for (unsigned i = 0; i < 100000; i++) {
        const uintptr_t address = (uintptr_t)(unit_random(&seed) >> unit_below(&seed, 64));
        const bool in_slab = address - region < VM_GRANULE,
                   in_low = address - VM_GRANULE < vm_kernel.page_bytes;
        const bool in_high = address >= last && address <= top_address;
        const struct span *const span = in_slab   ? &slab.span
                                        : in_low  ? &low.span
                                        : in_high ? &high.span
                                                  : NULL;
        assert_ptr_equal(vm_pagemap_find(at(address)), span);
    }
    vm_pagemap_remove(&slab.span);
    vm_pagemap_remove(&low.span);
    vm_pagemap_remove(&high.span);
}

/* --- random spans against a list of them ---------------------------------------------------------------- */

enum { N_SPANS = 400, N_GRANULES = 3000 };

static union descriptor spans[N_SPANS];
static bool in_map[N_SPANS];
static unsigned n_visited;
static const struct span *last_visited;

static void visit(struct span *span, void *context)
{
    assert_ptr_equal(context, spans);
    const size_t i = (size_t)((union descriptor *)(void *)span - spans);
    assert_true(i < N_SPANS && in_map[i]);
    if (last_visited)
        assert_true(last_visited->start < span->start);
    last_visited = span;
    n_visited++;
}

/* The span that holds the address, by looking at all. */
static struct span *model_search(const char *address)
{
    for (unsigned i = 0; i < N_SPANS; i++)
        if (in_map[i] && address >= spans[i].span.start &&
            (size_t)(address - spans[i].span.start) < spans[i].span.bytes)
            return &spans[i].span;
    return NULL;
}

static bool is_range_free(uint64_t start, size_t bytes)
{
    for (size_t offset = 0; offset < bytes; offset += vm_kernel.page_bytes)
        if (model_search(at(start + offset)))
            return false;
    return true;
}

static void random_spans(void **state)
{
    (void)state;
    uint64_t seed = 32;
    const size_t page = vm_kernel.page_bytes;
    /* Over the end of a leaf's 4 GiB. */
    const uint64_t base = sizeof(void *) == 8 ? region - (uint64_t)N_GRANULES / 2 * VM_GRANULE : region;
    for (unsigned step = 0; step < (unit_is_slow() ? 2000 : 20000); step++) {
        const size_t i = unit_below(&seed, N_SPANS);
        const bool is_slab = unit_below(&seed, 2);
        const size_t bytes =
            is_slab ? (size_t)VM_GRANULE << unit_below(&seed, 5) : page * (1 + unit_below(&seed, 40));
        const size_t unit = is_slab ? bytes : page;
        const uint64_t start =
            vm_round_down((size_t)(base + unit_below(&seed, N_GRANULES * VM_GRANULE)), unit);
        if (in_map[i]) {
            vm_pagemap_remove(&spans[i].span);
            in_map[i] = false;
        } else if (is_range_free(start, bytes)) {
            make(&spans[i], is_slab ? SPAN_SLAB : SPAN_MIDDLE, start, bytes);
            assert_true(vm_pagemap_add(&spans[i].span));
            in_map[i] = true;
        }
        const char *const address = at(base + unit_below(&seed, (N_GRANULES + 16) * VM_GRANULE));
        struct span *const expected = model_search(address);
        assert_ptr_equal(vm_pagemap_search(address), expected);
        const bool is_found =
            expected && (expected->kind == SPAN_SLAB || (size_t)(address - expected->start) < page);
        assert_ptr_equal(vm_pagemap_find(address), is_found ? expected : NULL);
        if (step % 2000 == 0) {
            unsigned n_in_map = 0;
            for (unsigned k = 0; k < N_SPANS; k++)
                n_in_map += in_map[k];
            n_visited = 0;
            last_visited = NULL;
            vm_pagemap_walk(visit, spans);
            assert_int_equal(n_visited, n_in_map);
        }
    }
    for (unsigned i = 0; i < N_SPANS; i++)
        if (in_map[i])
            vm_pagemap_remove(&spans[i].span);
    memset(in_map, 0, sizeof in_map);
    n_visited = 0;
    vm_pagemap_walk(visit, spans);
    assert_int_equal(n_visited, 0);
}

static void refusal(void **state)
{
    (void)state;
    if (sizeof(void *) != 8)
        skip();
    union descriptor slab, middle;
    const uint64_t far = (uint64_t)0x3131 << 32; /* no leaf there yet */
    is_refusing = true;
    assert_false(vm_pagemap_add(make(&slab, SPAN_SLAB, far, VM_GRANULE)));
    assert_false(vm_pagemap_add(make(&middle, SPAN_MIDDLE, far + VM_GRANULE, VM_GRANULE)));
    assert_null(vm_pagemap_find(at(far)));
    assert_null(vm_pagemap_find(at(far + VM_GRANULE)));
    assert_ptr_equal(vm_pagemap_near(at(far)), vm_near_map.no_slab);
    is_refusing = false;
    assert_true(vm_pagemap_add(&slab.span));
    assert_true(vm_pagemap_add(&middle.span));
    assert_ptr_equal(vm_pagemap_find(at(far)), &slab.span);
    vm_pagemap_remove(&slab.span);
    vm_pagemap_remove(&middle.span);
}

/*
 * What a mapping that moves away does: its addresses are another's, who enters its own span for them,
 * before the old span is taken out. The new one must stay.
 */
static void succession(void **state)
{
    (void)state;
    union descriptor old, new;
    assert_true(vm_pagemap_add(make(&old, SPAN_LARGE, region, 1 << 20)));
    assert_true(vm_pagemap_add(make(&new, SPAN_LARGE, region, 1 << 21)));
    assert_ptr_equal(vm_pagemap_find(at(region)), &new.span);
    vm_pagemap_remove(&old.span);
    assert_ptr_equal(vm_pagemap_find(at(region)), &new.span);
    vm_pagemap_remove(&new.span);
    assert_null(vm_pagemap_find(at(region)));
}

/* --- readers and a writer ------------------------------------------------------------------------------- */

static bool x_is_over;
static unsigned x_wrong, x_seen;
static union descriptor moving[3];

static void *read_along(void *argument)
{
    (void)argument;
    uint64_t seed = 33;
    while (!vm_load_acquire(&x_is_over)) {
        const size_t i = unit_below(&seed, 3);
        const char *const address = at(region + i * VM_GRANULE + unit_below(&seed, VM_GRANULE));
        const struct span *const span = vm_pagemap_find(address);
        if (span)
            vm_fetch_add_relaxed(span == &moving[i].span ? &x_seen : &x_wrong, 1);
        const struct span *const near = vm_pagemap_near(address);
        if (near != &moving[i].span && (const char *)near != vm_near_map.no_slab)
            vm_fetch_add_relaxed(&x_wrong, 1);
    }
    return NULL;
}

static void readers(void **state)
{
    (void)state;
    pthread_t thread;
    for (unsigned i = 0; i < 3; i++)
        make(&moving[i], SPAN_SLAB, region + i * VM_GRANULE, VM_GRANULE);
    assert_int_equal(pthread_create(&thread, NULL, read_along, NULL), 0);
    for (unsigned round = 0; round < 20000 || vm_load_relaxed(&x_seen) < 100; round++) {
        assert_true(vm_pagemap_add(&moving[round % 3].span));
        if (round % 64 == 0)
            sched_yield();
        vm_pagemap_remove(&moving[round % 3].span);
    }
    vm_store_release(&x_is_over, true);
    pthread_join(thread, NULL);
    assert_int_equal(x_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_slab_is_nobodys),
        cmocka_unit_test(slabs),
        cmocka_unit_test(other_spans),
        cmocka_unit_test(shared_granule),
        cmocka_unit_test(near_collisions),
        cmocka_unit_test(wild_addresses),
        cmocka_unit_test(random_spans),
        cmocka_unit_test(refusal),
        cmocka_unit_test(succession),
        cmocka_unit_test(readers),
    };
    return cmocka_run_group_tests_name("pagemap", tests, begin, NULL);
}
