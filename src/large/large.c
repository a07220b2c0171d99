/* SPDX-License-Identifier: MIT */
/*
 * large.c - see large.h. Owns the counts of large blocks; the blocks themselves are known to the
 * page map alone. No lock: a span belongs to whoever holds its block.
 *
 * Invariants: L1 every span here is found through the page map by its start, and is of the pool iff it is
 * MIDDLE; L2 the counts are those of the spans in the page map.
 */
#include "large/large.h"
#include "base/bits.h"
#include "base/check.h"
#include "kernel/kernel.h"
#include "pool/meta.h"
#include "pool/pagemap.h"
#include "pool/pool.h"
#include "pool/quick.h"

struct large_policy vm_large_policy = {
    .x_threshold = VM_DEFAULT_MMAP_THRESHOLD,
    .x_slab_max = VM_SLAB_BLOCK_MAX,
    .x_n_max = VM_DEFAULT_MMAP_MAX,
    .x_is_dynamic = true,
};

/* A number of blocks and their bytes. */
struct tally {
    size_t x_n, x_bytes;
};
static struct tally large_tally, large_tally_max;

/* glibc compares what a request takes in its heap: a header of one word more, in units of the alignment. */
static size_t padded(size_t size)
{
    return vm_round_up(size + sizeof(size_t), VM_BLOCK_ALIGN);
}

/* The largest class of which slabs are not too large for the memory there is. */
static size_t slab_most(void)
{
    return vm_max_size(vm_kernel_share(VM_SLAB_BLOCK_MAX, 6), VM_SMALL_MAX);
}

void vm_large_set_threshold(size_t bytes)
{
    /* The largest request whose padded size is below the threshold. */
    const size_t below =
        bytes < 2 * VM_SMALL_MAX ? VM_SMALL_MAX : vm_round_up(bytes, 16) - 16 - sizeof(size_t);
    vm_store_relaxed(&vm_large_policy.x_threshold, bytes);
    vm_store_relaxed(&vm_large_policy.x_slab_max, vm_min_size(slab_most(), vm_max_size(below, VM_SMALL_MAX)));
}

static void raise_to(size_t *x_max, size_t value)
{
    size_t max = vm_load_relaxed(x_max);
    while (max < value && !vm_compare_exchange(x_max, &max, value))
        continue;
}

/* Adds to the counts of the span's kind, or subtracts, modulo 2^N: no reader ever sees a live block left out. */
static void count(const struct span *span, size_t n, size_t bytes)
{
    if (span->kind == SPAN_MIDDLE) {
        vm_pool_count_middle(span, n, bytes);
    } else {
        raise_to(&large_tally_max.x_n, vm_fetch_add_relaxed(&large_tally.x_n, n) + n);
        raise_to(&large_tally_max.x_bytes, vm_fetch_add_relaxed(&large_tally.x_bytes, bytes) + bytes);
    }
}

static void count_in(const struct span *span)
{
    count(span, 1, span->bytes);
}

static void count_out(const struct span *span)
{
    count(span, (size_t)0 - 1, (size_t)0 - span->bytes);
}

/* --- pages for a span ----------------------------------------------------------------------------------- */

static bool map_pages(struct span *span, size_t bytes, size_t alignment)
{
    span->start = vm_kernel_map(bytes, alignment, VM_ACCESS_READ_WRITE);
    span->bytes = bytes;
    span->arena_index = SPAN_NO_ARENA;
    span->kind = SPAN_LARGE;
    span->is_zeroed = vm_kernel.fresh_is_zero;
    return span->start != NULL;
}

static bool pool_pages(struct span *span, size_t bytes, size_t alignment)
{
    span->kind = SPAN_MIDDLE;
    return alignment <= vm_pool_block_bytes_max() && vm_pool_take(span, bytes, alignment);
}

static void unmap_pages(const struct span *span)
{
    if (!vm_kernel_unmap(span->start, span->bytes))
        vm_kernel_purge(span->start, span->bytes); /* too many mappings: addresses stay, memory goes */
}

static void give_pages(const struct span *span)
{
    if (span->kind == SPAN_MIDDLE)
        vm_pool_give(span, span->bytes);
    else
        unmap_pages(span);
}

static void forget(struct span *span)
{
    vm_pagemap_remove(span);
    count_out(span);
    vm_meta_free(span, sizeof *span);
}

static bool wants_mapping(size_t size)
{
    return padded(size) >= vm_load_relaxed(&vm_large_policy.x_threshold) &&
           vm_load_relaxed(&large_tally.x_n) < vm_load_relaxed(&vm_large_policy.x_n_max);
}

/* By the rule first, then the other way: a limit on one of break and mappings is no reason to refuse. But
   what is beyond every threshold is not tried in the pool: there is hardly room. */
static bool find_pages(struct span *span, size_t size, size_t alignment)
{
    const size_t bytes = vm_round_up(size, vm_kernel.page_bytes);
    if (wants_mapping(size))
        return map_pages(span, bytes, alignment) ||
               (bytes <= VM_DYNAMIC_MMAP_THRESHOLD_MAX && pool_pages(span, bytes, alignment));
    return pool_pages(span, bytes, alignment) || map_pages(span, bytes, alignment);
}

/* A block that the quick list has: the page map knows it, and it is counted. */
static struct span *reuse(size_t size, size_t alignment)
{
    const size_t bytes = vm_round_up(size, vm_kernel.page_bytes);
    if (alignment > vm_kernel.page_bytes || wants_mapping(size))
        return NULL;
    return vm_quick_take(bytes);
}

static struct span *make(size_t size, size_t alignment)
{
    struct span *const span = vm_meta_alloc(sizeof *span);
    if (!span)
        return NULL;
    if (!find_pages(span, size, vm_max_size(alignment, vm_kernel.page_bytes))) {
        vm_meta_free(span, sizeof *span);
        return NULL;
    }
    if (!vm_pagemap_add(span)) {
        give_pages(span);
        vm_meta_free(span, sizeof *span);
        return NULL;
    }
    count_in(span);
    return span;
}

static struct span *create(size_t size, size_t alignment)
{
    /* Sizes for which rounding overflows, or which no kernel has addresses for, are not worth a call. */
    if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX - size ||
        (uint64_t)size + alignment >= (uint64_t)1 << VM_ADDRESS_BITS)
        return NULL;
    struct span *const span = reuse(size, alignment);
    vm_quick_pay_debts();
    return span ? span : make(size, alignment);
}

/* --- blocks --------------------------------------------------------------------------------------------- */

void *vm_large_alloc(size_t size, size_t alignment)
{
    const struct span *const span = create(size, alignment);
    return span ? span->start : NULL;
}

void *vm_large_alloc_zeroed(size_t size)
{
    const struct span *const span = create(size, 1);
    if (!span)
        return NULL;
    if (!span->is_zeroed)
        __builtin_memset(span->start, 0, span->bytes);
    return span->start;
}

/* glibc's dynamic threshold: sizes that come and go are better served without the kernel. A block that fills its pages
   becomes one that the pool serves, as with glibc, where its header would take it to one page more. */
static void adapt_threshold(size_t bytes)
{
    const size_t threshold = padded(bytes) + VM_BLOCK_ALIGN;
    if (!vm_load_relaxed(&vm_large_policy.x_is_dynamic) || bytes > VM_DYNAMIC_MMAP_THRESHOLD_MAX ||
        threshold <= vm_load_relaxed(&vm_large_policy.x_threshold))
        return;
    vm_large_set_threshold(threshold);
    vm_store_relaxed(&vm_arena_policy.x_trim_threshold, 2 * threshold);
}

bool vm_large_free(struct span *span)
{
    if (span->kind == SPAN_MIDDLE)
        return vm_quick_free(span);
    const struct span pages = *span;
    forget(span);
    adapt_threshold(pages.bytes);
    unmap_pages(&pages);
    return true;
}

/* Changes the length of a span that keeps its place. */
static void *set_bytes(struct span *span, size_t bytes)
{
    count(span, 0, bytes - span->bytes);
    span->bytes = bytes;
    return span->start;
}

/* To a new mapping, by moving the pages. */
static void *move(struct span *span, size_t bytes)
{
    struct span *const target = create(bytes, 1);
    if (!target)
        return NULL;
    if (target->kind != SPAN_LARGE || !vm_kernel_move(span->start, span->bytes, target->start, bytes)) {
        vm_large_free(target);
        return NULL;
    }
    forget(span);
    return target->start;
}

/* Gives the pages behind the first `bytes` back, where there is no remap. */
static bool cut_off(const struct span *span, size_t bytes)
{
    return bytes < span->bytes && vm_kernel_unmap(span->start + bytes, span->bytes - bytes);
}

void *vm_large_resize(struct span *span, size_t size)
{
    const size_t bytes = vm_round_up(size, vm_kernel.page_bytes);
    if (bytes == span->bytes)
        return span->start;
    if (size <= slab_most())
        return NULL; /* better off in a slab */
    if (span->kind == SPAN_MIDDLE && vm_quick_fits(span->bytes, bytes))
        return span->start; /* as it would have been taken for this size */
    if (span->kind == SPAN_LARGE) {
        if (vm_kernel_resize(span->start, span->bytes, bytes) || cut_off(span, bytes))
            return set_bytes(span, bytes);
        return bytes > span->bytes ? move(span, bytes) : span->start;
    }
    const size_t old_bytes = span->bytes;
    if (bytes < old_bytes)
        vm_pool_give_tail(span, bytes);
    else if (!vm_pool_extend(span, bytes))
        return NULL;
    count(span, 0, bytes - old_bytes);
    return span->start;
}

/* Of middle blocks, with those of the quick list. */
static struct tally middle_tally(void)
{
    struct tally tally = {0};
    const struct arena *arena;
    for (size_t index = 0; (arena = vm_pool_arena(index)); index++) {
        tally.x_n += vm_load_relaxed(&arena->x_n_middle);
        tally.x_bytes += vm_load_relaxed(&arena->x_middle_bytes);
    }
    return tally;
}

struct large_totals vm_large_totals(void)
{
    /* In this order: what is put there in between was freed in between. */
    const struct quick_totals quick = vm_quick_totals(SPAN_NO_ARENA);
    const struct tally middle = middle_tally();
    return (struct large_totals){
        .n_large = vm_load_relaxed(&large_tally.x_n),
        .large_bytes = vm_load_relaxed(&large_tally.x_bytes),
        .n_large_max = vm_load_relaxed(&large_tally_max.x_n),
        .large_bytes_max = vm_load_relaxed(&large_tally_max.x_bytes),
        .n_middle = middle.x_n - vm_min_size(quick.n, middle.x_n),
        .middle_bytes = middle.x_bytes - vm_min_size(quick.bytes, middle.x_bytes),
        .n_quick = quick.n,
        .quick_bytes = quick.bytes,
    };
}

/* Of the spans that the page map has: large, middle, and free ones. */
static void check_span(struct span *span, void *context)
{
    struct tally *const tally =
        (struct tally *)context + (span->kind == SPAN_MIDDLE) + vm_span_is_quick(span);
    if (span->kind == SPAN_SLAB)
        return;
    VM_CHECK(span->kind == SPAN_LARGE || span->kind == SPAN_MIDDLE);               /* L1 */
    VM_CHECK(vm_pagemap_find(span->start) == span);                                /* L1 */
    VM_CHECK((span->kind == SPAN_MIDDLE) == (span->arena_index != SPAN_NO_ARENA)); /* L1 */
    VM_CHECK(span->bytes > 0 && span->bytes % vm_kernel.page_bytes == 0);          /* L1 */
    tally->x_n++;
    tally->x_bytes += span->bytes;
}

static bool is_tally(const struct tally *tally, size_t n, size_t bytes)
{
    return tally->x_n == n && tally->x_bytes == bytes;
}

void vm_large_check(void)
{
    struct tally tally[3] = {0};
    const struct large_totals totals = vm_large_totals();
    vm_pagemap_walk(check_span, tally);
    VM_CHECK(is_tally(&tally[0], totals.n_large, totals.large_bytes));   /* L2 */
    VM_CHECK(is_tally(&tally[1], totals.n_middle, totals.middle_bytes)); /* L2 */
    VM_CHECK(is_tally(&tally[2], totals.n_quick, totals.quick_bytes));   /* L2 */
}
