/* SPDX-License-Identifier: MIT */
/*
 * pool.c - see pool.h. Owns the table of arenas, which only grows. One lock of rank POOL, for making an
 * arena; the table is read without it: x_n_arenas is stored with release after the entry, which
 * vm_pool_arena's acquire meets.
 */
#include "pool/pool.h"
#include "base/bits.h"
#include "base/check.h"
#include "kernel/kernel.h"
#include "pool/dirty.h"
#include "pool/meta.h"
#include "pool/quick.h"

static struct lock pool_lock = VM_LOCK_INIT(VM_RANK_POOL);
static struct arena first_arena;
static struct arena *table[VM_N_ARENAS_MAX];
static size_t x_n_arenas;

struct arena *vm_pool_arena(size_t index)
{
    return index < vm_load_acquire(&x_n_arenas) ? table[index] : NULL;
}

size_t vm_pool_block_bytes_max(void)
{
    return vm_arena_alignment();
}

static struct arena *enter_arena_locked(enum arena_kind kind, size_t n_pages)
{
    const size_t index = x_n_arenas;
    if (index == VM_N_ARENAS_MAX)
        return NULL;
    struct arena *const arena = index ? vm_meta_alloc(sizeof *arena) : &first_arena;
    if (!arena)
        return NULL;
    if (!vm_arena_init(arena, (uint32_t)index, kind, n_pages)) {
        if (index)
            vm_meta_free(arena, sizeof *arena);
        return NULL;
    }
    table[index] = arena;
    vm_store_release(&x_n_arenas, index + 1);
    return arena;
}

/* Whether there may be arenas beside the first. Where memory is little and has a break, their reservations would take
   from what the break can still get. */
static bool may_have_private_arenas(void)
{
    return !vm_kernel.has_break || !vm_kernel_is_memory_little();
}

/* Whether the newest arena is empty and could hold n_pages: then the kernel refuses memory, not addresses. One that was frozen
   while it grew for the first time holds nothing, in this child of a fork. */
static bool has_unused_room(size_t n_pages)
{
    const struct arena *const newest = vm_pool_arena(x_n_arenas - 1);
    return newest && newest->kind == ARENA_PRIVATE_BREAK && vm_load_relaxed(&newest->x_n_pages) == 0 &&
           !vm_load_relaxed(&newest->x_is_frozen) &&
           (size_t)(newest->limit - newest->start) >> vm_kernel.page_shift >= n_pages;
}

/*
 * One more arena with room for n_pages; the first is on the process's break if there is one. `n_seen` is how
 * many the caller found full: if there are more by now, another thread was quicker, and its arena is tried
 * first.
 */
static bool add_arena(size_t n_seen, size_t n_pages)
{
    vm_lock_acquire(&pool_lock);
    bool done = x_n_arenas > n_seen;
    if (!done && x_n_arenas == 0 && vm_kernel.has_break)
        done = enter_arena_locked(ARENA_PROCESS_BREAK, n_pages) != NULL;
    if (!done && may_have_private_arenas() && !has_unused_room(n_pages))
        done = enter_arena_locked(ARENA_PRIVATE_BREAK, n_pages) != NULL;
    vm_lock_release(&pool_lock);
    return done;
}

/* Pages with contents go as spans take clean ones beside them: what they lie in is too short for these, and memory would peak
   with both. (With spans of VM_TIGHT_BYTES_MIN or more nothing would be left of what the next buffer of a program could use.) */
static void purge_for_clean(struct arena *arena)
{
    const size_t n_more = vm_load_relaxed(&arena->x_n_clean_taken),
                 n_dirty = vm_load_relaxed(&arena->x_n_dirty);
    if (n_more < vm_dirty_small())
        return;
    vm_fetch_add_relaxed(&arena->x_n_clean_taken, 0U - (uint32_t)n_more);
    if (n_dirty > 4 * vm_dirty_small())
        vm_arena_purge(arena, n_dirty - vm_min_size(n_more, n_dirty));
}

void vm_pool_count_empty(const struct span *span, bool is_kept)
{
    const uint32_t n_pages = (uint32_t)(span->bytes >> vm_kernel.page_shift);
    vm_fetch_add_relaxed(&vm_pool_arena(span->arena_index)->x_n_empty, is_kept ? n_pages : 0U - n_pages);
}

size_t vm_pool_live_bytes(const struct span *span)
{
    return vm_pages_to_bytes(vm_dirty_live(vm_pool_arena(span->arena_index)));
}

void vm_pool_count_middle(const struct span *span, size_t n, size_t bytes)
{
    struct arena *const arena = vm_pool_arena(span->arena_index);
    vm_fetch_add_relaxed(&arena->x_n_middle, n);
    vm_fetch_add_relaxed(&arena->x_middle_bytes, bytes);
}

static unsigned align_order_of(size_t alignment)
{
    return vm_ceil_log2(vm_max_size(alignment >> vm_kernel.page_shift, 1));
}

/* Of pages that are free in the first arena that has any pages: those of others are for when it can grow no more. */
static bool take_free(struct span *span, size_t bytes, size_t alignment)
{
    struct arena *arena;
    for (size_t index = 0; (arena = vm_pool_arena(index)); index++) {
        if (vm_load_relaxed(&arena->x_n_pages) == 0)
            continue;
        vm_dirty_look_at_quick(arena);
        return vm_arena_take_free(arena, bytes >> vm_kernel.page_shift, align_order_of(alignment), span);
    }
    return false;
}

/* Of pages that are free in any arena, or that one grows by. */
static bool take(struct span *span, size_t bytes, size_t alignment)
{
    const size_t n_pages = bytes >> vm_kernel.page_shift;
    const unsigned align_order = align_order_of(alignment);
    VM_ASSERT(n_pages > 0 && align_order <= VM_ORDER_MAX);
    struct arena *arena;
    size_t index = 0;
    do {
        for (; (arena = vm_pool_arena(index)); index++) {
            vm_dirty_look_at_quick(arena);
            if (vm_arena_take(arena, n_pages, align_order, span))
                return true;
        }
        /* With some slack, as a new arena's first pages may be needed for alignment. */
    } while (add_arena(index, n_pages + ((size_t)1 << align_order)));
    return false;
}

/* In the quick list there may be as much as may be dirty. What is free at the break, and what waits right below it, and so may
   come to it, is less than makes a trim due. The list is one for all arenas; the one that was changed last counts. */
static void set_quick_room(const struct arena *arena)
{
    const size_t used = vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_quick)),
                 until_trim = vm_arena_until_trim(arena);
    const size_t most = until_trim ? vm_kernel_share(VM_QUICK_BYTES_MAX, 5) : 0;
    const size_t live = vm_pages_to_bytes(vm_dirty_live(arena));
    vm_quick_set_room((struct quick_room){
        .bytes = vm_min_size(most - vm_min_size(used, most), vm_pages_to_bytes(vm_dirty_room(arena))),
        .debt_bytes = vm_min_size(most, live >> VM_QUICK_DEBTS_SHIFT),
        .top_bytes = until_trim - vm_min_size(used + 1, until_trim),
        .top = used ? NULL : vm_load_relaxed(&arena->x_top),
    });
}

static void purge_if_due(struct arena *arena, size_t n_max, size_t n_quick)
{
    /* Some more go, so that not each free is a call to the kernel. */
    const size_t n_slack = VM_DIRTY_SLACK_BYTES >> vm_kernel.page_shift,
                 n_keep = n_max - vm_min_size(n_max / 8, n_slack);
    if (vm_load_relaxed(&arena->x_n_dirty) + n_quick > n_max)
        vm_arena_purge(arena, n_keep - vm_min_size(n_quick, n_keep));
}

/* After pages were given back. Those of the quick list, which no purge reaches, are taken for dirty ones. By now they may be
   more than the arena may keep, or keep a trim from being due: then they go, which comes back here, with less each time. */
static void settle(struct arena *arena)
{
    const size_t n_quick = vm_load_relaxed(&arena->x_n_quick), bytes = vm_pages_to_bytes(n_quick);
    const size_t n_max = vm_load_relaxed(&arena->x_n_dirty_max);
    if (VM_UNLIKELY(bytes && (n_quick > n_max || bytes >= vm_arena_until_trim(arena))))
        vm_quick_flush();
    else
        purge_if_due(arena, n_max, n_quick);
    set_quick_room(arena);
}

bool vm_pool_take(struct span *span, size_t bytes, size_t alignment)
{
    /* What waits is left alone, for the next middle block, as long as there are pages beside it. */
    if (!take_free(span, bytes, alignment)) {
        vm_quick_flush();
        if (!take(span, bytes, alignment))
            return false;
    }
    purge_for_clean(vm_pool_arena(span->arena_index));
    if (span->kind == SPAN_MIDDLE) /* it took dirty pages, or some at the break: more may wait */
        set_quick_room(vm_pool_arena(span->arena_index));
    return true;
}

void vm_pool_give(const struct span *span, size_t dirty_bytes)
{
    struct arena *const arena = vm_pool_arena(span->arena_index);
    vm_dirty_look_at_quick(arena);
    vm_arena_give(arena, span, dirty_bytes);
    settle(arena);
}

void vm_pool_review(size_t arena_index)
{
    struct arena *const arena = vm_pool_arena(arena_index);
    vm_dirty_look_at_quick(arena);
    vm_arena_review(arena);
    settle(arena);
}

bool vm_pool_extend(struct span *span, size_t bytes)
{
    struct arena *const arena = vm_pool_arena(span->arena_index);
    const size_t n_pages = bytes >> vm_kernel.page_shift;
    vm_dirty_look_at_quick(arena);
    return vm_arena_extend(arena, span, n_pages) ||
           (vm_quick_flush() && vm_arena_extend(arena, span, n_pages));
}

void vm_pool_give_tail(struct span *span, size_t bytes)
{
    struct arena *const arena = vm_pool_arena(span->arena_index);
    vm_dirty_look_at_quick(arena);
    vm_arena_give_tail(arena, span, bytes);
    settle(arena);
}

void vm_pool_reset_in_child(void)
{
    vm_lock_reset_in_child(&pool_lock);
    vm_quick_reset_in_child();
    struct arena *arena;
    for (size_t index = 0; (arena = vm_pool_arena(index)); index++)
        vm_arena_reset_in_child(arena);
}
