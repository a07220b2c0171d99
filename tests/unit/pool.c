/* SPDX-License-Identifier: MIT */
/*
 * pool.c - the set of arenas on backends of the test's own: with and without a break, and with refusals
 * that come and go. Each case runs in a child, where the pool is new.
 */
#include "pool/pool.h"
#include <string.h>
#include <unistd.h>
#include "base/bits.h"
#include "kernel/kernel.h"
#include "pool/dirty.h"
#include "unit.h"

static struct vm_kernel_backend backend;
static size_t break_bytes_left = SIZE_MAX, map_bytes_left = SIZE_MAX, protect_bytes_left = SIZE_MAX;

static bool spend(size_t *bytes_left, size_t bytes)
{
    if (*bytes_left == SIZE_MAX)
        return true;
    if (bytes > *bytes_left)
        return false;
    *bytes_left -= bytes;
    return true;
}

static void *break_grow(void *context, size_t bytes)
{
    return spend(&break_bytes_left, bytes) ? unit_backend()->break_grow(context, bytes) : NULL;
}

static void *map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    return spend(&map_bytes_left, bytes) ? unit_backend()->map(context, bytes, alignment, access) : NULL;
}

static bool protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    return (access == VM_ACCESS_NONE || spend(&protect_bytes_left, bytes)) &&
           unit_backend()->protect(context, start, bytes, access);
}

static void start_without_break(struct vm_kernel_backend *self)
{
    if (unit_backend()->start)
        unit_backend()->start(self);
    self->has_break = false;
}

enum break_kind { WITH_BREAK, WITHOUT_BREAK };

static void begin(enum break_kind kind)
{
    backend = *unit_backend();
    backend.break_grow = break_grow;
    backend.map = map;
    backend.protect = protect;
    if (kind == WITHOUT_BREAK)
        backend.start = start_without_break;
    unit_start(&backend);
}

static size_t n_arenas(void)
{
    return vm_pool_totals().n_arenas;
}

/* --- random spans --------------------------------------------------------------------------------------- */

enum { N_SPANS = 200 };

struct holding {
    struct span span;
    unsigned char stamp;
};

static struct holding holdings[N_SPANS];
static size_t n_held_bytes;

static void take(struct holding *holding, uint64_t *seed)
{
    const size_t page = vm_kernel.page_bytes, most = unit_below(seed, 20) ? 100 : 2000;
    const size_t bytes = page * (1 + unit_below(seed, most));
    const size_t alignment = (size_t)1 << unit_below(seed, unit_below(seed, 10) ? 16 : 23);
    holding->span = (struct span){.kind = SPAN_MIDDLE};
    UNIT_REQUIRE(vm_pool_take(&holding->span, bytes, alignment));
    const struct span *const span = &holding->span;
    UNIT_REQUIRE(span->bytes == bytes && span->arena_index != SPAN_NO_ARENA);
    UNIT_REQUIRE(((uintptr_t)span->start & (alignment - 1)) == 0);
    UNIT_REQUIRE(vm_pool_arena(span->arena_index)->index == span->arena_index);
    for (size_t at = 0; at < bytes; at += page) /* the first word of each page: enough to tell owners apart */
        UNIT_REQUIRE(!span->is_zeroed || span->start[at] == 0);
    holding->stamp = (unsigned char)(1 + unit_below(seed, 255));
    for (size_t at = 0; at < bytes; at += page)
        span->start[at] = (char)holding->stamp;
    n_held_bytes += bytes;
}

static void give(struct holding *holding, uint64_t *seed)
{
    struct span *const span = &holding->span;
    for (size_t at = 0; at < span->bytes; at += vm_kernel.page_bytes)
        UNIT_REQUIRE((unsigned char)span->start[at] == holding->stamp);
    if (span->bytes > vm_kernel.page_bytes && unit_below(seed, 4) == 0) {
        const size_t bytes =
            vm_kernel.page_bytes * (1 + unit_below(seed, span->bytes / vm_kernel.page_bytes - 1));
        n_held_bytes -= span->bytes - bytes;
        vm_pool_give_tail(span, bytes);
        UNIT_REQUIRE(span->bytes == bytes);
        return;
    }
    n_held_bytes -= span->bytes;
    vm_pool_give(span, span->bytes);
    span->start = NULL;
}

static void require_totals(void)
{
    const struct pool_totals totals = vm_pool_totals();
    UNIT_REQUIRE(totals.arena_bytes - totals.free_bytes == n_held_bytes);
    UNIT_REQUIRE(totals.dirty_bytes <= totals.free_bytes && totals.arena_bytes <= totals.arena_bytes_max);
    UNIT_REQUIRE((totals.n_free_spans > 0) == (totals.free_bytes > 0));
    struct arena *arena;
    for (size_t i = 0; (arena = vm_pool_arena(i)); i++) { /* pool.h states the bound */
        const size_t recent = (size_t)arena->x_n_live_recent * vm_kernel.page_bytes;
        const size_t missed =
            arena->x_is_missing_recent ? vm_min_size(recent / 2, VM_DIRTY_MISSED_BYTES_MAX) : 0;
        const size_t resident = recent + vm_max_size(recent / 8, missed);
        const bool is_tidal = arena->x_n_tides_recent >= VM_DIRTY_TIDES_MIN;
        const size_t tide = is_tidal ? vm_min_size(resident, VM_DIRTY_TIDE_BYTES_MAX) : 0;
        const size_t most = vm_max_size(tide, resident / 2); /* where as much is live */
        const bool is_missing = arena->x_is_missing_recent || arena->x_are_slabs_missing_recent;
        const size_t least = is_missing ? 2 * VM_DIRTY_BYTES_MIN : 0;
        UNIT_REQUIRE(arena->x_n_dirty * vm_kernel.page_bytes <=
                     vm_max_size(vm_max_size(VM_DIRTY_BYTES_MIN, least), most));
        UNIT_REQUIRE(arena->index == i);
    }
}

static void use_pool(void *argument)
{
    begin(*(enum break_kind *)argument);
    uint64_t seed = 51;
    const unsigned n_steps = unit_is_slow() ? 900 : 4000;
    for (unsigned step = 0; step < n_steps; step++) {
        struct holding *const holding = &holdings[unit_below(&seed, N_SPANS)];
        if (unit_below(&seed, 400) == 0)
            vm_pool_trim(unit_below(&seed, 1 << 20));
        else if (holding->span.start)
            give(holding, &seed);
        else if (step / 300 % 3 != 2)
            take(holding, &seed);
        vm_pool_check();
        require_totals();
    }
    UNIT_REQUIRE(n_arenas() >= (vm_kernel.has_break ? 1 : 2)); /* a private one has 64 MiB */
    for (unsigned i = 0; i < N_SPANS; i++)
        while (holdings[i].span.start)
            give(&holdings[i], &seed);
    vm_pool_trim(0);
    require_totals();
    UNIT_REQUIRE(vm_pool_totals().dirty_bytes == 0);
    UNIT_REQUIRE(!vm_pool_trim(0)); /* nothing is left to give back */
    vm_pool_check();
}

static void with_break(void **state)
{
    (void)state;
    enum break_kind kind = WITH_BREAK;
    unit_assert_returns(use_pool, &kind);
}

static void without_break(void **state)
{
    (void)state;
    enum break_kind kind = WITHOUT_BREAK;
    unit_assert_returns(use_pool, &kind);
}

/* --- tides ---------------------------------------------------------------------------------------------- */

/* Takes and gives spans of 1 MiB, n of them, all pages written to. Returns how many of these were not resident. */
static size_t flow_and_ebb(size_t n)
{
    struct span spans[48] = {0};
    size_t n_clean = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t n_dirty_before = vm_pool_totals().dirty_bytes;
        spans[i].kind = SPAN_MIDDLE;
        UNIT_REQUIRE(vm_pool_take(&spans[i], VM_MIB, vm_kernel.page_bytes));
        vm_pool_count_middle(&spans[i], 1, spans[i].bytes);
        n_clean += VM_MIB - vm_min_size(n_dirty_before - vm_pool_totals().dirty_bytes, VM_MIB);
    }
    for (size_t i = 0; i < n; i++) {
        vm_pool_count_middle(&spans[i], (size_t)-1, -spans[i].bytes);
        vm_pool_give(&spans[i], spans[i].bytes);
    }
    vm_pool_check();
    return n_clean;
}

static void ride_tides(void *argument)
{
    begin(*(enum break_kind *)argument);
    const size_t size = 8 * VM_MIB;
    /* A few times prove nothing: what is empty keeps little. */
    for (unsigned i = 0; i < VM_DIRTY_TIDES_MIN; i++) {
        flow_and_ebb(8);
        UNIT_REQUIRE(vm_pool_totals().dirty_bytes <= VM_DIRTY_EMPTY_BYTES_MIN);
    }
    flow_and_ebb(8);
    for (unsigned i = 0; i < 20; i++) {
        UNIT_REQUIRE(flow_and_ebb(8) <= size / 8);
        const size_t dirty_bytes = vm_pool_totals().dirty_bytes;
        UNIT_REQUIRE(dirty_bytes >= size - size / 8 && dirty_bytes <= size + size / 8);
    }
    struct span elsewhere = {.kind = SPAN_SLAB}; /* what is live in other arenas counts, too */
    if (*(enum break_kind *)argument == WITHOUT_BREAK) {
        UNIT_REQUIRE(vm_pool_take(&elsewhere, 65 * VM_MIB, vm_kernel.page_bytes) && n_arenas() == 2);
        flow_and_ebb(8);
        UNIT_REQUIRE(vm_pool_totals().dirty_bytes <= VM_DIRTY_BYTES_MIN);
        vm_pool_give(&elsewhere, 0);
    }
    for (unsigned i = 0; i < 10; i++) { /* but nothing for those that are larger */
        flow_and_ebb(48);
        UNIT_REQUIRE(vm_pool_totals().dirty_bytes <= VM_DIRTY_BYTES_MIN);
    }
    /* A program that goes on in another way: what nothing came back for is given back in the end. */
    struct span spans[100] = {0};
    for (unsigned i = 0; i < 10000; i++) {
        struct span *const span = &spans[i % 100];
        if (span->start)
            vm_pool_give(span, span->bytes);
        UNIT_REQUIRE(vm_pool_take(span, 16 * VM_KIB, vm_kernel.page_bytes));
    }
    UNIT_REQUIRE(vm_pool_totals().dirty_bytes <= VM_DIRTY_BYTES_MIN + 100 * 16 * VM_KIB);
    vm_pool_check();
}

enum { SLAB_BYTES = 32 * VM_KIB, N_SLABS = 16, N_FREE = 4 * N_SLABS };

static void take_slabs(struct span *spans, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        spans[i].kind = SPAN_SLAB;
        UNIT_REQUIRE(vm_pool_take(&spans[i], SLAB_BYTES, vm_kernel.page_bytes));
    }
}

/* Gives N_FREE slabs back, below one that stays, so that no trim is due. Returns how many bytes were dirty at most. */
static size_t give_slabs(void)
{
    struct span spans[N_FREE + 1] = {0};
    size_t most = 0;
    take_slabs(spans, N_FREE + 1);
    for (size_t i = 0; i < N_FREE; i++) {
        vm_pool_give(&spans[i], SLAB_BYTES);
        most = vm_max_size(most, vm_pool_totals().dirty_bytes);
    }
    return most;
}

struct beside {
    enum break_kind kind;
    bool are_empty;
};

/* What is dirty may be as much as is live, and a little more; but what is in empty slabs that are kept is not live. */
static void keep_beside(void *argument)
{
    const struct beside beside = *(struct beside *)argument;
    begin(beside.kind);
    struct span slabs[N_SLABS] = {0};
    take_slabs(slabs, N_SLABS);
    for (size_t i = 0; beside.are_empty && i < N_SLABS; i++)
        vm_pool_count_empty(&slabs[i], true);
    const size_t n_live =
        (beside.are_empty ? 0 : N_SLABS) + N_FREE + 1; /* of which half are dirty in the end */
    const size_t most = (VM_DIRTY_EMPTY_BYTES_MIN + n_live * SLAB_BYTES) / 2;
    const size_t dirty_bytes = give_slabs();
    UNIT_REQUIRE(dirty_bytes <= most && dirty_bytes >= most - most / 8);
}

static void beside_live(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct beside beside = {i & 1 ? WITHOUT_BREAK : WITH_BREAK, i & 2};
        unit_assert_returns(keep_beside, &beside);
    }
}

/* Random ones of 100 blocks are replaced, of 8 to 32 pages: the holes do not fit. */
static size_t replace_some(struct span *spans, unsigned n, uint64_t *seed)
{
    size_t n_clean = 0;
    for (unsigned i = 0; i < n; i++) {
        struct span *const span = &spans[unit_below(seed, 100)];
        const size_t n_pages = 8 + unit_below(seed, 25), bytes = n_pages * vm_kernel.page_bytes;
        if (span->start) {
            vm_pool_count_middle(span, (size_t)-1, -span->bytes);
            vm_pool_give(span, span->bytes);
        }
        *span = (struct span){.kind = SPAN_MIDDLE};
        const size_t dirty_before = vm_pool_totals().dirty_bytes;
        UNIT_REQUIRE(vm_pool_take(span, bytes, vm_kernel.page_bytes));
        vm_pool_count_middle(span, 1, bytes);
        n_clean += bytes - vm_min_size(dirty_before - vm_pool_totals().dirty_bytes, bytes);
    }
    vm_pool_check();
    return n_clean / vm_kernel.page_bytes;
}

static void miss_some(void *argument)
{
    begin(*(enum break_kind *)argument);
    struct span spans[100] = {0};
    uint64_t seed = 7;
    replace_some(spans, 400, &seed);
    struct arena *const arena = vm_pool_arena(spans[0].arena_index);
    UNIT_REQUIRE(!arena->x_is_missing_recent);
    const size_t n_before = replace_some(spans, 2000, &seed);
    UNIT_REQUIRE(arena->x_is_missing_recent);
    replace_some(spans, 2000, &seed);
    const size_t n_after = replace_some(spans, 2000, &seed), n_recent = arena->x_n_live_recent;
    UNIT_REQUIRE(n_after < n_before / 4);
    UNIT_REQUIRE(arena->x_n_pages - arena->x_n_free + arena->x_n_dirty <= n_recent + n_recent / 2);
    struct span other = {.kind = SPAN_MIDDLE};
    for (unsigned i = 0; i < 10000; i++) { /* of one length from now on: they miss nothing any more */
        UNIT_REQUIRE(vm_pool_take(&other, 8 * vm_kernel.page_bytes, vm_kernel.page_bytes));
        vm_pool_give(&other, other.bytes);
    }
    UNIT_REQUIRE(!arena->x_is_missing_recent);
}

enum { N_MISSED = 256, N_AROUND = 384 };

/* Of the slabs two thirds go and come back, again and again: the pages of those that were given back are missed, until they
   may be twice what is live. */
static void miss_slabs(void *argument)
{
    begin(*(enum break_kind *)argument);
    struct span spans[N_AROUND] = {0};
    uint64_t seed = 11;
    take_slabs(spans, N_AROUND);
    struct arena *const arena = vm_pool_arena(spans[0].arena_index);
    UNIT_REQUIRE(!arena->x_are_slabs_missing_recent);
    size_t dirty_before = 0, dirty_after = 0;
    for (unsigned round = 0; round < 60; round++) {
        const unsigned first = (unsigned)unit_below(&seed, N_AROUND - N_MISSED - 1);
        for (unsigned i = first; i < first + N_MISSED; i++)
            vm_pool_give(&spans[i], SLAB_BYTES);
        *(round < 4 ? &dirty_before : &dirty_after) = vm_pool_totals().dirty_bytes;
        take_slabs(&spans[first], N_MISSED);
        vm_pool_check();
    }
    UNIT_REQUIRE(arena->x_are_slabs_missing_recent && !arena->x_is_missing_recent);
    UNIT_REQUIRE(dirty_before <= (N_AROUND - N_MISSED) * SLAB_BYTES);
    UNIT_REQUIRE(dirty_after == N_MISSED * SLAB_BYTES);
}

static void missed_pages(void **state)
{
    (void)state;
    for (enum break_kind kind = WITH_BREAK; kind <= WITHOUT_BREAK; kind++) {
        unit_assert_returns(miss_some, &kind);
        unit_assert_returns(miss_slabs, &kind);
    }
}

enum { N_PIECES = 1024, PIECE_BYTES = 16 * VM_KIB };

/* Every second of many short spans goes: half of the heap is dirty, in pieces, and as much is live. */
static void make_pieces(struct span *spans)
{
    for (size_t i = 0; i < N_PIECES; i++)
        UNIT_REQUIRE(vm_pool_take(&spans[i], PIECE_BYTES, vm_kernel.page_bytes));
    for (size_t i = 0; i < N_PIECES; i += 2)
        vm_pool_give(&spans[i], PIECE_BYTES);
    UNIT_REQUIRE(vm_pool_totals().dirty_bytes == N_PIECES / 2 * PIECE_BYTES);
}

struct clean_taker {
    enum break_kind break_kind;
    enum span_kind kind;
    size_t bytes;
};

/* What is taken beside such pieces is not resident in addition to them, down to what may stay anyway. */
static void take_clean(void *argument)
{
    const struct clean_taker taker = *(struct clean_taker *)argument;
    begin(taker.break_kind);
    static struct span pieces[N_PIECES];
    make_pieces(pieces);
    size_t clean_bytes = 0, left = N_PIECES / 2 * PIECE_BYTES;
    while (clean_bytes < 2 * left) {
        struct span span = {.kind = taker.kind};
        UNIT_REQUIRE(vm_pool_take(&span, taker.bytes, vm_kernel.page_bytes));
        clean_bytes += taker.bytes;
        const size_t dirty_bytes = vm_pool_totals().dirty_bytes, least = 4 * VM_DIRTY_BYTES_MIN;
        UNIT_REQUIRE(dirty_bytes <= vm_max_size(left - vm_min_size(clean_bytes, left) + VM_DIRTY_BYTES_MIN,
                                                least + PIECE_BYTES));
        UNIT_REQUIRE(dirty_bytes > least - 2 * VM_DIRTY_BYTES_MIN);
    }
    vm_pool_check();
}

/* The next large span may be one that these are not too short for. */
static void take_clean_large(void *argument)
{
    begin(*(enum break_kind *)argument);
    static struct span pieces[N_PIECES];
    make_pieces(pieces);
    for (unsigned i = 0; i < 32; i++) {
        struct span span = {.kind = SPAN_MIDDLE};
        UNIT_REQUIRE(vm_pool_take(&span, VM_TIGHT_BYTES_MIN, vm_kernel.page_bytes));
    }
    UNIT_REQUIRE(vm_pool_totals().dirty_bytes == N_PIECES / 2 * PIECE_BYTES);
}

static void clean_for_dirty(void **state)
{
    (void)state;
    for (enum break_kind kind = WITH_BREAK; kind <= WITHOUT_BREAK; kind++) {
        unit_assert_returns(take_clean, &(struct clean_taker){kind, SPAN_SLAB, SLAB_BYTES});
        unit_assert_returns(take_clean, &(struct clean_taker){kind, SPAN_MIDDLE, 512 * VM_KIB});
        unit_assert_returns(take_clean_large, &kind);
    }
}

/* A purge leaves little less than what may stay, however much that is. */
static void purge_little(void *argument)
{
    enum { N_LARGE = 256, BYTES = 256 * VM_KIB };
    begin(*(enum break_kind *)argument);
    struct span spans[N_LARGE] = {0};
    for (size_t i = 0; i < N_LARGE; i++)
        UNIT_REQUIRE(vm_pool_take(&spans[i], BYTES, vm_kernel.page_bytes));
    const struct arena *const arena = vm_pool_arena(spans[0].arena_index);
    for (size_t i = 0; i < N_LARGE; i += 2)
        vm_pool_give(&spans[i], BYTES);
    UNIT_REQUIRE(vm_pool_totals().dirty_bytes == N_LARGE / 2 * BYTES);
    vm_pool_give(&spans[1], BYTES); /* more is dirty than live */
    const size_t n_max = vm_dirty_max(arena), dirty_bytes = vm_pool_totals().dirty_bytes;
    UNIT_REQUIRE(n_max * vm_kernel.page_bytes == (N_LARGE / 2 - 1) * BYTES);
    UNIT_REQUIRE(dirty_bytes <= n_max * vm_kernel.page_bytes - VM_DIRTY_SLACK_BYTES);
    UNIT_REQUIRE(dirty_bytes > n_max * vm_kernel.page_bytes - VM_DIRTY_SLACK_BYTES - BYTES);
}

static void purges(void **state)
{
    (void)state;
    for (enum break_kind kind = WITH_BREAK; kind <= WITHOUT_BREAK; kind++)
        unit_assert_returns(purge_little, &kind);
}

static void tides(void **state)
{
    (void)state;
    for (enum break_kind kind = WITH_BREAK; kind <= WITHOUT_BREAK; kind++)
        unit_assert_returns(ride_tides, &kind);
}

/* --- refusals ------------------------------------------------------------------------------------------- */

static void lose_break(void *argument)
{
    (void)argument;
    begin(WITH_BREAK);
    struct span span = {0}, other = {0};
    UNIT_REQUIRE(vm_pool_take(&span, 1 << 20, 4096));
    UNIT_REQUIRE(!vm_kernel.has_break || vm_pool_arena(span.arena_index)->kind == ARENA_PROCESS_BREAK);
    memset(span.start, 7, span.bytes);
    break_bytes_left = 0;
    UNIT_REQUIRE(vm_pool_take(&other, 8 << 20, 4096));
    UNIT_REQUIRE(vm_pool_arena(other.arena_index)->kind == ARENA_PRIVATE_BREAK && n_arenas() == 2);
    memset(other.start, 8, other.bytes);
    UNIT_REQUIRE(unit_is_filled(span.start, span.bytes, 7));
    vm_pool_give(&span, span.bytes);
    vm_pool_give(&other, other.bytes);
    vm_pool_check();
    break_bytes_left = SIZE_MAX;
    vm_pool_trim(0);
    UNIT_REQUIRE(vm_pool_take(&span, 2 << 20, 4096)); /* back on the break */
    UNIT_REQUIRE(!vm_kernel.has_break || vm_pool_arena(span.arena_index)->kind == ARENA_PROCESS_BREAK);
    UNIT_REQUIRE(n_arenas() == 2);
}

static void never_had_break(void *argument)
{
    (void)argument;
    begin(WITH_BREAK);
    break_bytes_left = 0;
    struct span span = {0};
    UNIT_REQUIRE(vm_pool_take(&span, 1 << 20, 1 << 20));
    UNIT_REQUIRE(vm_pool_arena(span.arena_index)->kind == ARENA_PRIVATE_BREAK);
    memset(span.start, 7, span.bytes);
    UNIT_REQUIRE(n_arenas() <= 2);
    vm_pool_check();
}

static void break_is_refused(void **state)
{
    (void)state;
    unit_assert_returns(lose_break, NULL);
    unit_assert_returns(never_had_break, NULL);
}

/* More than an arena's usual 64 MiB, and more arenas than one. */
static void take_much(void *argument)
{
    (void)argument;
    begin(WITHOUT_BREAK);
    struct span spans[12] = {0};
    const size_t page = vm_kernel.page_bytes;
    for (unsigned i = 0; i < 10; i++) {
        UNIT_REQUIRE(vm_pool_take(&spans[i], (size_t)40 << 20, page));
        *spans[i].start = (char)i;
        UNIT_REQUIRE(spans[i].is_zeroed);
    }
    UNIT_REQUIRE(n_arenas() == 10);
    UNIT_REQUIRE(vm_pool_take(&spans[10], (size_t)200 << 20, page));
    UNIT_REQUIRE(n_arenas() == 11);
    UNIT_REQUIRE(vm_pool_take(&spans[11], (size_t)9 << 20, vm_pool_block_bytes_max()));
    for (unsigned i = 0; i < 12; i++) {
        UNIT_REQUIRE(i >= 10 || *spans[i].start == (char)i);
        vm_pool_give(&spans[i], page);
    }
    vm_pool_check();
    for (unsigned i = 0; i < 10; i++)
        UNIT_REQUIRE(vm_pool_take(&spans[i], (size_t)30 << 20, page));
    UNIT_REQUIRE(n_arenas() <= 12); /* the old arenas served again */
    vm_pool_check();
}

static void more_arenas(void **state)
{
    (void)state;
    unit_assert_returns(take_much, NULL);
}

/* Addresses can be had, memory cannot, for a time. */
static void run_out(void *argument)
{
    begin(WITHOUT_BREAK);
    const size_t page = vm_kernel.page_bytes, bytes = *(size_t *)argument;
    vm_arena_policy.x_top_pad = 0; /* nothing in hand */
    struct span span = {0}, kept = {0};
    UNIT_REQUIRE(vm_pool_take(&kept, 16 * page, page));
    memset(kept.start, 5, kept.bytes);
    protect_bytes_left = 0;
    const uint64_t n_maps = vm_kernel_counts.x_map;
    for (unsigned i = 0; i < 10; i++)
        UNIT_REQUIRE(!vm_pool_take(&span, bytes, page) && !span.start);
    UNIT_REQUIRE(n_arenas() <= 2 + bytes / VM_PRIVATE_ARENA_BYTES); /* asking does not make it better */
    UNIT_REQUIRE(vm_kernel_counts.x_map - n_maps <= 10);
    UNIT_REQUIRE(unit_is_filled(kept.start, kept.bytes, 5));
    vm_pool_check();
    protect_bytes_left = SIZE_MAX;
    vm_pool_trim(0); /* what the front does before it gives up */
    UNIT_REQUIRE(vm_pool_take(&span, bytes, page));
    UNIT_REQUIRE(unit_is_filled(span.start, page, 0));
    vm_pool_check();
}

static void memory_is_refused(void **state)
{
    (void)state;
    size_t sizes[] = {64 << 10, 1 << 20, 30 << 20, 100 << 20};
    for (size_t i = 0; i < 4; i++)
        unit_assert_returns(run_out, &sizes[i]);
}

/* Nothing at all can be had, from the first call on; then everything. */
static void start_with_nothing(void *argument)
{
    (void)argument;
    begin(WITH_BREAK);
    break_bytes_left = map_bytes_left = protect_bytes_left = 0;
    struct span span = {0};
    UNIT_REQUIRE(!vm_pool_take(&span, 1 << 20, 4096));
    UNIT_REQUIRE(!vm_pool_take(&span, 1 << 14, 4096));
    vm_pool_check();
    map_bytes_left = protect_bytes_left = SIZE_MAX;
    UNIT_REQUIRE(vm_pool_take(&span, 1 << 20, 4096));
    memset(span.start, 1, span.bytes);
    vm_pool_check();
}

static void nothing_at_first(void **state)
{
    (void)state;
    unit_assert_returns(start_with_nothing, NULL);
}

/* The newest arena is empty, and a little too short for what is asked. */
static void grow_bit_by_bit(void *argument)
{
    (void)argument;
    begin(WITHOUT_BREAK);
    struct span span = {0};
    for (size_t bytes = 1 << 20; bytes < (size_t)72 << 20; bytes += bytes < 60 << 20 ? 59 << 20 : 512 << 10) {
        UNIT_REQUIRE(vm_pool_take(&span, bytes, 4096));
        UNIT_REQUIRE(span.is_zeroed && span.bytes == bytes);
        span.start[0] = span.start[bytes - 1] = 1;
        vm_pool_give(&span, bytes);
        vm_pool_trim(0);
        UNIT_REQUIRE(vm_pool_totals().arena_bytes == 0);
    }
    vm_pool_check();
}

static void room_of_newest(void **state)
{
    (void)state;
    unit_assert_returns(grow_bit_by_bit, NULL);
}

/* Few addresses: the reservation of an arena shrinks to what there is. */
static void use_few_addresses(void *argument)
{
    (void)argument;
    begin(WITHOUT_BREAK);
    map_bytes_left = 20 << 20; /* a reservation of 64 MiB is refused, and its half */
    struct span span = {0};
    UNIT_REQUIRE(vm_pool_take(&span, 1 << 20, 4096));
    const size_t reserved =
        (size_t)(vm_pool_arena(span.arena_index)->limit - vm_pool_arena(span.arena_index)->base);
    UNIT_REQUIRE(reserved <= (20 << 20) && reserved >= (8 << 20));
    memset(span.start, 1, span.bytes);
    vm_pool_check();
}

static void few_addresses(void **state)
{
    (void)state;
    unit_assert_returns(use_few_addresses, NULL);
}

/* Where addresses take memory, reservations follow what is used. */
static void reserve_little(void *argument)
{
    enum { BYTES = 64 << 10 };
    (void)argument;
    begin(WITHOUT_BREAK);
    vm_kernel.grows_on_demand = true;
    struct span span = {0};
    for (size_t bytes = BYTES; bytes < (size_t)24 << 20; bytes += BYTES) {
        UNIT_REQUIRE(vm_pool_take(&span, BYTES, 4096));
        size_t reserved = 0;
        const struct arena *arena;
        for (size_t i = 0; (arena = vm_pool_arena(i)); i++)
            reserved += (size_t)(arena->limit - arena->start);
        UNIT_REQUIRE(reserved <= bytes + bytes / 4 + VM_PRIVATE_ARENA_BYTES_MIN);
    }
    vm_pool_check();
    UNIT_REQUIRE(n_arenas() < 16); /* which come to be a quarter of all */
}

static void grows_on_demand(void **state)
{
    (void)state;
    unit_assert_returns(reserve_little, NULL);
}

/* The child of a fork, at which another thread made the newest arena grow for the first time. */
static void lose_newest(void *argument)
{
    (void)argument;
    begin(WITHOUT_BREAK);
    struct span span = {0};
    UNIT_REQUIRE(vm_pool_take(&span, 1 << 16, 4096));
    vm_pool_give(&span, span.bytes);
    vm_pool_trim(0);
    struct arena *const newest = vm_pool_arena(n_arenas() - 1);
    UNIT_REQUIRE(newest->x_n_pages == 0);
    newest->lock.x_word = 1;
    newest->lock.x_holder = vm_thread_id() + 1;
    vm_pool_reset_in_child();
    UNIT_REQUIRE(newest->x_is_frozen);
    UNIT_REQUIRE(vm_pool_take(&span, 1 << 16, 4096));
    UNIT_REQUIRE(vm_pool_arena(span.arena_index) != newest);
    memset(span.start, 1, span.bytes);
    vm_pool_check();
}

static void newest_is_frozen(void **state)
{
    (void)state;
    unit_assert_returns(lose_newest, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_break),
        cmocka_unit_test(without_break),
        cmocka_unit_test(tides),
        cmocka_unit_test(beside_live),
        cmocka_unit_test(clean_for_dirty),
        cmocka_unit_test(purges),
        cmocka_unit_test(missed_pages),
        cmocka_unit_test(break_is_refused),
        cmocka_unit_test(more_arenas),
        cmocka_unit_test(memory_is_refused),
        cmocka_unit_test(nothing_at_first),
        cmocka_unit_test(few_addresses),
        cmocka_unit_test(room_of_newest),
        cmocka_unit_test(grows_on_demand),
        cmocka_unit_test(newest_is_frozen),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
