/* SPDX-License-Identifier: MIT */
/*
 * arena.c - an arena on a private break and one on the process's: random spans with stamps in them, foreign
 * sbrk calls in between, refusals, what is said of zeroed pages, purging, trimming. Each case runs in a
 * child of its own, as it moves the break.
 */
#include "pool/arena.h"
#include "pool/records.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/bits.h"
#include "kernel/kernel.h"
#include "unit.h"

static struct arena arena;
static struct vm_kernel_backend backend;
static size_t n_refused_bytes = SIZE_MAX; /* growth by so many bytes or more is refused */
static bool is_garbage;                   /* new memory is not zero */

static void *break_grow(void *context, size_t bytes)
{
    return bytes >= n_refused_bytes ? NULL : unit_backend()->break_grow(context, bytes);
}

static bool protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    if ((access == VM_ACCESS_READ_WRITE && bytes >= n_refused_bytes) ||
        !unit_backend()->protect(context, start, bytes, access))
        return false;
    if (access == VM_ACCESS_READ_WRITE && is_garbage)
        memset(start, 0xdb, bytes);
    return true;
}

static void begin(enum arena_kind kind, size_t n_pages)
{
    backend = *unit_backend();
    backend.break_grow = break_grow;
    backend.protect = protect;
    unit_start(&backend);
    UNIT_REQUIRE(vm_arena_init(&arena, 3, kind, n_pages));
    vm_arena_check(&arena);
}

static size_t to_bytes(size_t n_pages)
{
    return n_pages * vm_kernel.page_bytes;
}

/* --- random spans --------------------------------------------------------------------------------------- */

enum { N_SPANS = 120 };

struct holding {
    struct span span;
    size_t dirty_bytes; /* so many bytes, from the start, are `stamp`, the rest still is zero */
    unsigned char stamp;
};

static struct holding holdings[N_SPANS];
static size_t n_held_pages;

/* Bytes that the program moved the break up by, each filled with a stamp of its own. */
enum { N_FOREIGN = 40 };
static struct {
    char *start;
    size_t bytes;
} foreign[N_FOREIGN];
static size_t n_foreign;

static bool overlaps(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

static void require_apart(const struct holding *mine)
{
    for (unsigned i = 0; i < N_SPANS; i++)
        if (&holdings[i] != mine && holdings[i].span.start)
            UNIT_REQUIRE(!overlaps(mine->span.start, mine->span.bytes, holdings[i].span.start,
                                   holdings[i].span.bytes));
    for (size_t i = 0; i < n_foreign; i++)
        UNIT_REQUIRE(!overlaps(mine->span.start, mine->span.bytes, foreign[i].start, foreign[i].bytes));
}

static void take(struct holding *holding, uint64_t *seed, size_t n_most)
{
    const size_t n_pages = 1 + unit_below(seed, 1 + unit_below(seed, n_most));
    const unsigned align_order = (unsigned)unit_below(seed, 1 + unit_below(seed, 7));
    holding->span = (struct span){.kind = SPAN_MIDDLE};
    if (!vm_arena_take(&arena, n_pages, align_order, &holding->span)) {
        UNIT_REQUIRE(!holding->span.start);
        return;
    }
    const struct span *const span = &holding->span;
    UNIT_REQUIRE(span->bytes == to_bytes(n_pages) && span->arena_index == arena.index);
    UNIT_REQUIRE(((uintptr_t)span->start & (to_bytes((size_t)1 << align_order) - 1)) == 0);
    UNIT_REQUIRE(span->start >= arena.base && span->start + span->bytes <= arena.break_end);
    UNIT_REQUIRE(!span->is_zeroed || unit_is_filled(span->start, span->bytes, 0));
    require_apart(holding);
    n_held_pages += n_pages;
    /* Of a zeroed span only the first bytes are written, so that the rest is to be found zero again. */
    holding->dirty_bytes = span->is_zeroed ? unit_below(seed, span->bytes + 1) : span->bytes;
    holding->stamp = (unsigned char)(1 + unit_below(seed, 255));
    memset(span->start, holding->stamp, holding->dirty_bytes);
}

static void require_stamps(const struct holding *holding)
{
    const struct span *const span = &holding->span;
    UNIT_REQUIRE(unit_is_filled(span->start, holding->dirty_bytes, holding->stamp));
    UNIT_REQUIRE(unit_is_filled(span->start + holding->dirty_bytes, span->bytes - holding->dirty_bytes, 0));
}

static void give(struct holding *holding)
{
    require_stamps(holding);
    n_held_pages -= holding->span.bytes / vm_kernel.page_bytes;
    vm_arena_give(&arena, &holding->span, holding->dirty_bytes);
    holding->span.start = NULL;
}

static void give_tail(struct holding *holding, uint64_t *seed)
{
    const size_t n_pages = holding->span.bytes / vm_kernel.page_bytes;
    if (n_pages < 2)
        return;
    const size_t n_left = 1 + unit_below(seed, n_pages - 1);
    vm_arena_give_tail(&arena, &holding->span, to_bytes(n_left));
    UNIT_REQUIRE(holding->span.bytes == to_bytes(n_left));
    n_held_pages -= n_pages - n_left;
    holding->dirty_bytes = vm_min_size(holding->dirty_bytes, holding->span.bytes);
}

static void move_foreign_break(uint64_t *seed)
{
    if (n_foreign == N_FOREIGN)
        return;
    const size_t choices[] = {1, 16, 100, 4096, 3 * 4096, 5000, 64 * 1024 + 8};
    const size_t bytes = choices[unit_below(seed, sizeof choices / sizeof *choices)];
    char *const start = unit_sbrk((ptrdiff_t)bytes);
    if (!start)
        return;
    foreign[n_foreign].start = start;
    foreign[n_foreign++].bytes = bytes;
    memset(start, (int)(0x80 + n_foreign), bytes);
}

static void require_foreign_untouched(void)
{
    for (size_t i = 0; i < n_foreign; i++)
        UNIT_REQUIRE(unit_is_filled(foreign[i].start, foreign[i].bytes, (unsigned char)(0x81 + i)));
}

static void random_spans(enum arena_kind kind, uint64_t seed)
{
    const unsigned n_steps = unit_is_slow() ? 1000 : 8000;
    for (unsigned step = 0; step < n_steps; step++) {
        struct holding *const holding = &holdings[unit_below(&seed, N_SPANS)];
        const bool ebbing = step / 500 % 3 == 2;
        const size_t dice = unit_below(&seed, 100);
        if (dice < 4) {
            const size_t n_keep = unit_below(&seed, 200);
            const uint32_t n_dirty = arena.x_n_dirty;
            const size_t n_purged = vm_arena_purge(&arena, n_keep);
            UNIT_REQUIRE(arena.x_n_dirty <= n_keep && n_purged == n_dirty - arena.x_n_dirty);
        } else if (dice < 6) {
            vm_arena_trim(&arena, unit_below(&seed, 100000));
        } else if (dice < 8) {
            if (kind == ARENA_PROCESS_BREAK)
                move_foreign_break(&seed);
        } else if (dice < 12 && holding->span.start) {
            give_tail(holding, &seed);
        } else if (holding->span.start) {
            give(holding);
        } else if (!ebbing) {
            take(holding, &seed, 60);
        }
        vm_arena_check(&arena);
        UNIT_REQUIRE(arena.x_n_pages - arena.x_n_free == n_held_pages); /* A1 */
        UNIT_REQUIRE(arena.x_n_pages_max >= arena.x_n_pages);
    }
    for (unsigned i = 0; i < N_SPANS; i++)
        if (holdings[i].span.start)
            give(&holdings[i]);
    vm_arena_purge(&arena, 0);
    vm_arena_check(&arena);
    UNIT_REQUIRE(arena.x_n_free == arena.x_n_pages && arena.x_n_dirty == 0);
    require_foreign_untouched();
}

static void on_private_break(void *argument)
{
    (void)argument;
    begin(ARENA_PRIVATE_BREAK, 1);
    random_spans(ARENA_PRIVATE_BREAK, 41);
    char *const start = (char *)vm_round_up((uintptr_t)arena.base, VM_GRANULE);
    UNIT_REQUIRE(arena.limit > start);
    vm_arena_trim(&arena, 0);
    UNIT_REQUIRE(arena.x_n_pages == 0);
    vm_arena_check(&arena);
}

static void on_process_break(void *argument)
{
    (void)argument;
    begin(ARENA_PROCESS_BREAK, 1);
    random_spans(ARENA_PROCESS_BREAK, 42);
    UNIT_REQUIRE(unit_is_slow() || n_foreign > 0);
}

static void on_memory_not_zero(void *argument)
{
    (void)argument;
    is_garbage = true;
    begin(ARENA_PRIVATE_BREAK, 1);
    vm_kernel.fresh_is_zero = false;
    struct span span = {0};
    UNIT_REQUIRE(vm_arena_take(&arena, 5, 0, &span));
    UNIT_REQUIRE(!span.is_zeroed && unit_is_filled(span.start, span.bytes, 0xdb));
    vm_arena_give(&arena, &span, 0);
    random_spans(ARENA_PRIVATE_BREAK, 43);
}

static void without_purge(void *argument)
{
    (void)argument;
    begin(ARENA_PRIVATE_BREAK, 1);
    vm_kernel.purge_zeroes = false;
    vm_arena_policy.x_top_pad = 0; /* five pages and no more, so that they are found again */
    vm_arena_policy.x_trim_threshold = SIZE_MAX;
    struct span span = {0};
    UNIT_REQUIRE(vm_arena_take(&arena, 5, 0, &span));
    memset(span.start, 1, span.bytes);
    vm_arena_give(&arena, &span, span.bytes);
    UNIT_REQUIRE(vm_arena_purge(&arena, 0) == 0);
    UNIT_REQUIRE(vm_arena_take(&arena, 5, 0, &span) && !span.is_zeroed);
    vm_arena_check(&arena);
}

static void private_break(void **state)
{
    (void)state;
    unit_assert_returns(on_private_break, NULL);
}

static void process_break(void **state)
{
    (void)state;
    if (!unit_sbrk(0))
        skip();
    unit_assert_returns(on_process_break, NULL);
}

static void memory_not_zero(void **state)
{
    (void)state;
    unit_assert_returns(on_memory_not_zero, NULL);
    unit_assert_returns(without_purge, NULL);
}

/* --- single rules --------------------------------------------------------------------------------------- */

/* The flag says the truth, page by page: what was given back dirty is not zeroed until it was purged. */
static void follow_flag(void *argument)
{
    begin(*(enum arena_kind *)argument, 1);
    vm_arena_policy.x_trim_threshold = SIZE_MAX;
    struct span span = {0}, again = {0}, stopper = {0};
    UNIT_REQUIRE(vm_arena_take(&arena, 8, 3, &span) && span.is_zeroed);
    UNIT_REQUIRE(vm_arena_take(&arena, 8, 3, &stopper));
    memset(span.start, 0x11, to_bytes(2));
    vm_arena_give(&arena, &span, to_bytes(2) - 1); /* a page that is dirty in part is dirty */
    UNIT_REQUIRE(arena.x_n_dirty == 2);
    UNIT_REQUIRE(vm_arena_take(&arena, 8, 3, &again));
    UNIT_REQUIRE(again.start == span.start); /* the smallest block that serves: this one */
    UNIT_REQUIRE(!again.is_zeroed && arena.x_n_dirty == 0);
    vm_arena_give(&arena, &again, to_bytes(2));
    UNIT_REQUIRE(vm_arena_purge(&arena, 2) == 0);
    UNIT_REQUIRE(vm_arena_purge(&arena, 1) == 2 && arena.x_n_dirty == 0);
    UNIT_REQUIRE(unit_resident_pages(span.start, span.bytes) == 0);
    UNIT_REQUIRE(vm_arena_take(&arena, 8, 3, &again));
    UNIT_REQUIRE(again.is_zeroed && unit_is_filled(again.start, again.bytes, 0));
    vm_arena_give(&arena, &again, 0); /* nothing written: zeroed as before */
    UNIT_REQUIRE(arena.x_n_dirty == 0);
    UNIT_REQUIRE(vm_arena_take(&arena, 8, 3, &again) && again.is_zeroed);
    vm_arena_check(&arena);
}

static void zeroed_flag(void **state)
{
    (void)state;
    enum arena_kind kind = ARENA_PRIVATE_BREAK;
    unit_assert_returns(follow_flag, &kind);
    kind = ARENA_PROCESS_BREAK;
    if (unit_sbrk(0))
        unit_assert_returns(follow_flag, &kind);
}

/* Given pages at the end of at least the threshold: the break goes down, and top_pad of them stay. */
static void follow_trim_rule(void *argument)
{
    const enum arena_kind kind = *(enum arena_kind *)argument;
    begin(kind, 1);
    vm_arena_policy.x_is_trim_lazy = false;
    vm_arena_policy.x_top_pad = 0;
    vm_arena_policy.x_trim_threshold = to_bytes(64);
    struct span low = {0}, high = {0};
    UNIT_REQUIRE(vm_arena_take(&arena, 16, 4, &low));
    UNIT_REQUIRE(vm_arena_take(&arena, 63, 0, &high));
    UNIT_REQUIRE(vm_arena_totals(&arena).top_free_bytes == 0);
    const char *const end = arena.break_end;
    memset(high.start, 1, high.bytes);
    vm_arena_give(&arena, &high, high.bytes);
    UNIT_REQUIRE(arena.break_end == end); /* 63 pages: not due */
    UNIT_REQUIRE(vm_arena_totals(&arena).top_free_bytes == to_bytes(63));
    UNIT_REQUIRE(vm_arena_take(&arena, 64, 0, &high));
    vm_arena_policy.x_top_pad = to_bytes(10);
    vm_arena_give(&arena, &high, high.bytes);
    UNIT_REQUIRE(vm_arena_totals(&arena).top_free_bytes == to_bytes(10));
    UNIT_REQUIRE(arena.break_end <= low.start + low.bytes + to_bytes(10));
    if (kind == ARENA_PROCESS_BREAK)
        UNIT_REQUIRE(unit_sbrk(0) == arena.break_end);
    vm_arena_check(&arena);
    vm_arena_policy.x_trim_threshold = SIZE_MAX;
    UNIT_REQUIRE(vm_arena_take(&arena, 100, 0, &high));
    memset(high.start, 1, high.bytes);
    vm_arena_give(&arena, &high, high.bytes);
    UNIT_REQUIRE(vm_arena_totals(&arena).top_free_bytes >= to_bytes(100)); /* never */
    UNIT_REQUIRE(vm_arena_trim(&arena, to_bytes(5)));
    UNIT_REQUIRE(vm_arena_totals(&arena).top_free_bytes == to_bytes(5));
    UNIT_REQUIRE(!vm_arena_trim(&arena, to_bytes(5)));
    UNIT_REQUIRE(vm_arena_trim(&arena, 0));
    UNIT_REQUIRE(vm_arena_totals(&arena).top_free_bytes == 0);
    UNIT_REQUIRE(arena.break_end == low.start + low.bytes);
    vm_arena_policy.x_top_pad = 0;
    /* What grows again is zero. */
    UNIT_REQUIRE(vm_arena_take(&arena, 100, 0, &high) && high.is_zeroed);
    UNIT_REQUIRE(unit_is_filled(high.start, high.bytes, 0));
    vm_arena_check(&arena);
}

static void trim_rule(void **state)
{
    (void)state;
    enum arena_kind kind = ARENA_PRIVATE_BREAK;
    unit_assert_returns(follow_trim_rule, &kind);
    kind = ARENA_PROCESS_BREAK;
    if (unit_sbrk(0))
        unit_assert_returns(follow_trim_rule, &kind);
}

static void be_refused(void *argument)
{
    begin(*(enum arena_kind *)argument, 100);
    vm_arena_policy.x_top_pad = to_bytes(32);
    vm_arena_policy.x_trim_threshold = SIZE_MAX;
    struct span span = {0}, other = {0};
    n_refused_bytes = 0;
    UNIT_REQUIRE(!vm_arena_take(&arena, 1, 0, &span) && !span.start);
    vm_arena_check(&arena);
    n_refused_bytes = to_bytes(30); /* too little for the pad: without it */
    vm_arena_trim(&arena, 0);
    UNIT_REQUIRE(vm_arena_take(&arena, 4, 0, &span));
    UNIT_REQUIRE(!vm_arena_take(&arena, 40, 0, &other));
    UNIT_REQUIRE(vm_arena_take(&arena, 5, 0, &other)); /* less than what was refused is tried */
    memset(span.start, 1, span.bytes);
    memset(other.start, 2, other.bytes);
    vm_arena_check(&arena);
    n_refused_bytes = SIZE_MAX;
    vm_arena_trim(&arena, 0); /* a trim makes the arena ask again */
    struct span large = {0};
    UNIT_REQUIRE(vm_arena_take(&arena, 40, 0, &large) && large.is_zeroed);
    UNIT_REQUIRE(unit_is_filled(span.start, span.bytes, 1) && unit_is_filled(other.start, other.bytes, 2));
    vm_arena_give(&arena, &span, span.bytes);
    vm_arena_give(&arena, &other, other.bytes);
    vm_arena_give(&arena, &large, 0);
    vm_arena_check(&arena);
}

static void refusal(void **state)
{
    (void)state;
    enum arena_kind kind = ARENA_PRIVATE_BREAK;
    unit_assert_returns(be_refused, &kind);
    kind = ARENA_PROCESS_BREAK;
    if (unit_sbrk(0))
        unit_assert_returns(be_refused, &kind);
}

static void fill_reservation(void *argument)
{
    (void)argument;
    begin(ARENA_PRIVATE_BREAK, 1);
    vm_arena_policy.x_trim_threshold = SIZE_MAX;
    struct span span = {0};
    size_t n_pages = 0;
    const size_t n_room = (size_t)(arena.limit - arena.break_end) / vm_kernel.page_bytes;
    while (vm_arena_take(&arena, 100, 0, &span))
        n_pages += 100;
    while (vm_arena_take(&arena, 1, 0, &span))
        n_pages++;
    UNIT_REQUIRE(n_pages == n_room); /* to the last page */
    UNIT_REQUIRE(arena.break_end == arena.limit && span.start + span.bytes <= arena.limit);
    *(volatile char *)(arena.limit - 1) = 1;
    vm_arena_check(&arena);
}

static void end_of_reservation(void **state)
{
    (void)state;
    unit_assert_returns(fill_reservation, NULL);
}

/* More pages than the arena has groups for: they move to a table of their own. */
static void outgrow_table(void *argument)
{
    begin(ARENA_PRIVATE_BREAK, 80000);
    vm_kernel.has_remap = argument != NULL;
    vm_arena_policy.x_trim_threshold = SIZE_MAX;
    struct span spans[20] = {0};
    for (unsigned i = 0; i < 20; i++) {
        UNIT_REQUIRE(vm_arena_take(&arena, 3500, i % 5, &spans[i]));
        *spans[i].start = (char)i;
        *(spans[i].start + spans[i].bytes - 1) = (char)i;
        vm_arena_check(&arena);
    }
    UNIT_REQUIRE(arena.group_bytes > 0 && arena.capacity > 20 * 3500);
    for (unsigned i = 0; i < 20; i++) {
        UNIT_REQUIRE(*spans[i].start == (char)i && *(spans[i].start + spans[i].bytes - 1) == (char)i);
        vm_arena_give(&arena, &spans[i], spans[i].bytes);
        vm_arena_check(&arena);
    }
    UNIT_REQUIRE(arena.x_n_dirty == 20 * 3500);
    UNIT_REQUIRE(vm_arena_purge(&arena, 0) == 20 * 3500);
    UNIT_REQUIRE(vm_arena_totals(&arena).n_free_of_order[VM_ORDER_MAX] >= 20 * 3500 / 1024 - 1);
    vm_arena_check(&arena);
    UNIT_REQUIRE(vm_arena_take(&arena, 5000, 0, &spans[0])); /* a run of blocks of the largest order */
    UNIT_REQUIRE(spans[0].is_zeroed && *spans[0].start == 0);
    vm_arena_check(&arena);
}

/* More groups than the table was made for: it grows, where it is, by moving or by copying. */
static void outgrow_mapping(void *argument)
{
    begin(ARENA_PROCESS_BREAK, 1);
    if (vm_kernel.memory_bytes) /* there cannot be so many pages */
        return;
    vm_kernel.has_remap = argument != NULL;
    UNIT_REQUIRE(vm_records_reserve(&arena, VM_ARENA_GROUPS * VM_PLACE_GROUP_PAGES + 1));
    const size_t n_groups = vm_place_groups(arena.capacity), bytes = arena.group_bytes;
    for (size_t i = 0; i < n_groups; i++)
        arena.place.group[i].longest = i;
    for (uint32_t n_pages = arena.capacity; n_pages < 2000000; n_pages += 300000)
        UNIT_REQUIRE(vm_records_reserve(&arena, n_pages) && arena.capacity >= n_pages);
    UNIT_REQUIRE(arena.group_bytes > 3 * bytes && vm_arena_totals(&arena).record_bytes == arena.group_bytes);
    for (size_t i = 0; i < vm_place_groups(arena.capacity); i++)
        UNIT_REQUIRE(arena.place.group[i].longest == (i < n_groups ? i : 0));
}

static void growing_table(void **state)
{
    (void)state;
    int with_remap;
    unit_assert_returns(outgrow_table, &with_remap);
    unit_assert_returns(outgrow_table, NULL);
    if (!unit_sbrk(0))
        skip();
    unit_assert_returns(outgrow_mapping, &with_remap);
    unit_assert_returns(outgrow_mapping, NULL);
}

static void lower_break(void *argument)
{
    (void)argument;
    begin(ARENA_PROCESS_BREAK, 1);
    struct span span = {0};
    UNIT_REQUIRE(vm_arena_take(&arena, 4, 0, &span));
    UNIT_REQUIRE(unit_sbrk(span.start - arena.break_end));
    vm_arena_take(&arena, 400, 0, &span);
}

static void lowered_break(void **state)
{
    (void)state;
    if (!unit_sbrk(0))
        skip();
    unit_assert_aborts(lower_break, NULL,
                       "break adjusted to free malloc space\nvmalloc: sbrk: the break is at 0x");
}

/* A foreign break on top: nothing is trimmed away from under it, and the arena goes on above it. */
static void live_with_foreign_break(void *argument)
{
    (void)argument;
    begin(ARENA_PROCESS_BREAK, 1);
    vm_arena_policy.x_top_pad = 0;
    struct span low = {0}, high = {0};
    UNIT_REQUIRE(vm_arena_take(&arena, 200, 0, &low));
    char *const theirs = unit_sbrk(100);
    UNIT_REQUIRE(theirs == arena.break_end);
    memset(theirs, 0x99, 100);
    vm_arena_give(&arena, &low, low.bytes);
    UNIT_REQUIRE(unit_sbrk(0) == theirs + 100);
    vm_arena_policy.x_trim_threshold = SIZE_MAX;
    UNIT_REQUIRE(vm_arena_take(&arena, 300, 0, &high));
    UNIT_REQUIRE(high.start >= theirs + 100);
    memset(high.start, 0x44, high.bytes);
    vm_arena_check(&arena);
    vm_arena_give(&arena, &high, high.bytes);
    UNIT_REQUIRE(vm_arena_trim(&arena, 0)); /* down to theirs, not below */
    UNIT_REQUIRE((char *)unit_sbrk(0) >= theirs + 100 && unit_is_filled(theirs, 100, 0x99));
    UNIT_REQUIRE(!vm_arena_trim(&arena, 0));
    UNIT_REQUIRE(vm_arena_take(&arena, 64, 0, &low)); /* the pages below are not lost */
    UNIT_REQUIRE(low.start < theirs);
    vm_arena_check(&arena);
}

static void foreign_break(void **state)
{
    (void)state;
    if (!unit_sbrk(0))
        skip();
    unit_assert_returns(live_with_foreign_break, NULL);
}

/* --- the checker ---------------------------------------------------------------------------------------- */

static void check_harmed(void *argument)
{
    begin(ARENA_PRIVATE_BREAK, 1);
    struct span span = {0};
    UNIT_REQUIRE(vm_arena_take(&arena, 4, 0, &span));
    vm_arena_give(&arena, &span, span.bytes);
    UNIT_REQUIRE(vm_arena_take(&arena, 1, 0, &span));
    switch (*(int *)argument) {
    case 1:
        arena.x_n_dirty++;
        break;
    case 2:
        arena.n_alien += 100;
        break;
    case 3:
        arena.x_n_pages--;
        break;
    case 4:
        arena.break_end += to_bytes(1);
        break;
    case 5:
        arena.place.n_free--;
        break;
    default:
        break;
    }
    vm_arena_check(&arena);
}

static void checker(void **state)
{
    (void)state;
    unit_assert_harms_found(check_harmed, 5, "internal check failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_break),   cmocka_unit_test(process_break),
        cmocka_unit_test(memory_not_zero), cmocka_unit_test(zeroed_flag),
        cmocka_unit_test(trim_rule),       cmocka_unit_test(refusal),
        cmocka_unit_test(growing_table),   cmocka_unit_test(end_of_reservation),
        cmocka_unit_test(lowered_break),   cmocka_unit_test(foreign_break),
        cmocka_unit_test(checker),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
