/* SPDX-License-Identifier: MIT */
/*
 * arena.c - see arena.h.
 *
 *   base                                                 break_end
 *   | alien |  ours  | foreign sbrk |  ours  ......  |   |
 *   0       page numbers ...                      n_pages
 *
 * The break belongs to the process: anybody may move it. Growing therefore takes the answer of break_grow as
 * it is. If the range does not touch the last one, the gap is somebody else's, and its pages stay taken for
 * ever. If it starts below break_end, somebody moved the break down through our memory: that is fatal. If it
 * does not start at a page, the broken page is left to the other. Trimming moves the break only if it still
 * is where we left it, and leaves a page of ours above a gap: else the other, whose memory would end at the
 * break again, could take it down below what we know as its place.
 *
 * Nothing orders two who move the break at the same moment: both may be told the same place. If threads run, and a
 * gap tells that somebody else moves it - a plug-in opened with RTLD_DEEPBIND, whose malloc is the C library's -,
 * the break is left to the other from then on, and further memory comes from arenas with a private break.
 *
 * In a fork child the break may seem to have been moved down by nobody: Linux copies the number first and the
 * mappings later, and a thread of the parent may have grown the heap in between. Growing then fails, and the
 * C library takes over the kernel's older number. Such an arena just grows no more.
 *
 * Invariants: A1 a page that is ours and taken belongs to exactly one span; A2 x_n_dirty is the number of dirty
 * pages, and these are free; A3 pages that are alien are never free; A4 x_n_pages + n_alien = n_pages.
 *
 * Locking: arena.lock. Growing and trimming call the kernel under it, as the break is what it guards; purging
 * does not: the pages are taken out, purged without the lock, and freed again.
 */
#include "pool/arena.h"
#include "base/bits.h"
#include "base/check.h"
#include "kernel/kernel.h"
#include "pool/dirty.h"
#include "pool/pagemap.h"
#include "pool/records.h"

enum {
    MAX_BLOCK_PAGES = 1 << VM_ORDER_MAX,
    PURGE_BATCH = 16,
    TURN_GIVEN = 4096, /* spans given back: what happened two turns ago is forgotten */
};

struct arena_policy vm_arena_policy = {
    .x_top_pad = VM_DEFAULT_TOP_PAD,
    .x_trim_threshold = VM_DEFAULT_TRIM_THRESHOLD,
    .x_is_trim_lazy = true,
};

static size_t page_index(const struct arena *arena, const char *address)
{
    return (size_t)(address - arena->base) >> vm_kernel.page_shift;
}

static char *page_address(const struct arena *arena, uint32_t index)
{
    return arena->base + vm_pages_to_bytes(index);
}

/* Pages in use, those of the quick list among them. */
static uint32_t count_taken(const struct arena *arena)
{
    return arena->place.n_pages - arena->n_alien - arena->place.n_free;
}

static void publish_counts(struct arena *arena)
{
    const uint32_t n_taken = count_taken(arena), n_pages = n_taken + arena->place.n_free;
    vm_store_relaxed(&arena->x_n_pages, n_pages);
    vm_store_relaxed(&arena->x_n_free, arena->place.n_free);
    if (n_pages > arena->x_n_pages_max)
        vm_store_relaxed(&arena->x_n_pages_max, n_pages);
    struct arena_turn *const turn = &arena->turn, *const last = &arena->last_turn;
    vm_dirty_note_tide(arena, n_taken);
    turn->n_live = (uint32_t)vm_max_size(turn->n_live, n_taken);
    vm_store_relaxed(&arena->x_n_live_recent, (uint32_t)vm_max_size(turn->n_live, last->n_live));
    vm_store_relaxed(&arena->x_n_reused_recent, (uint32_t)vm_max_size(turn->n_reused, last->n_reused));
    vm_store_relaxed(&arena->x_n_tides_recent, turn->n_tides + last->n_tides);
    vm_store_relaxed(&arena->x_n_returns_recent, turn->n_returns + last->n_returns);
    vm_store_relaxed(&arena->x_is_missing_recent, turn->is_missing || last->is_missing);
    vm_store_relaxed(&arena->x_are_slabs_missing_recent, turn->are_slabs_missing || last->are_slabs_missing);
}

/* The pages are the span's from now on, which has its kind and its bytes. Returns how many were dirty. */
static uint32_t reuse_locked(struct arena *arena, uint32_t index, uint32_t n_pages, const struct span *span)
{
    const uint32_t n_dirty = vm_dirty_clear(arena, index, n_pages);
    if (span->bytes > VM_DIRTY_REUSED_BYTES_MIN)
        arena->turn.n_reused = (uint32_t)vm_min_size((size_t)arena->turn.n_reused + n_dirty, UINT32_MAX);
    if (span->bytes < VM_TIGHT_BYTES_MIN)
        vm_fetch_add_relaxed(&arena->x_n_clean_taken, n_pages - n_dirty);
    vm_dirty_note_missed(arena, span, n_pages,
                         count_taken(arena) <= arena->x_n_live_recent ? n_pages - n_dirty : 0);
    return n_dirty;
}

/* Every acquisition of an arena's lock: counted, as many mean that the layers above keep too little. False, and no lock: the
   arena is frozen; in a fork child it may have been frozen while the caller waited. */
static bool enter(struct arena *arena)
{
    vm_lock_acquire(&arena->lock);
    if (VM_UNLIKELY(vm_load_relaxed(&arena->x_is_frozen))) {
        vm_lock_release(&arena->lock);
        return false;
    }
    arena->counts.n_locked++;
    return true;
}

/* --- pages ---------------------------------------------------------------------------------------------- */

/* Takes them at the lowest place, or at the tightest if they are many. */
static uint32_t take_pages_locked(struct arena *arena, uint32_t n_pages, unsigned align_order)
{
    if (n_pages > arena->place.n_free)
        return VM_PLACE_NONE;
    const bool is_tight = vm_pages_to_bytes(n_pages) >= VM_TIGHT_BYTES_MIN;
    const uint32_t index =
        (is_tight ? vm_place_find_tight : vm_place_find)(&arena->place, n_pages, align_order);
    if (index != VM_PLACE_NONE)
        vm_place_take(&arena->place, index, n_pages);
    return index;
}

/* --- the break ------------------------------------------------------------------------------------------ */

/* Adds the pages up to break_end to the system, as taken ones, and frees those from `first`. */
static void add_pages_locked(struct arena *arena, uint32_t first)
{
    const uint32_t n_pages = (uint32_t)page_index(arena, arena->break_end);
    arena->n_alien += first - arena->place.n_pages;
    vm_place_resize(&arena->place, n_pages);
    arena->counts.n_grown++;
    arena->turn.n_returns += arena->is_trimmed;
    arena->is_trimmed = false;
    if (!vm_kernel.fresh_is_zero)
        vm_dirty_mark(arena, first, n_pages - first);
    vm_place_give(&arena->place, first, n_pages - first);
    publish_counts(arena);
}

/* Gives the lock back first: a handler of the signal may allocate, or jump out. */
static void report_lowered_break_locked(struct arena *arena, const char *now)
{
    const char *const end = arena->break_end;
    vm_lock_release(&arena->lock);
    struct message message = {0};
    vm_message_text(&message, "break adjusted to free malloc space\nvmalloc: sbrk: the break is at ");
    vm_message_address(&message, now);
    vm_message_text(&message, ", below the end of malloc's memory at ");
    vm_message_address(&message, end);
    vm_message_text(&message, ": the program moved it down by more than it had moved it up\n");
    vm_report_fatal(&message);
}

/* Moves the process's break up by `bytes`, takes what came, and frees it. */
static bool grow_process_break_locked(struct arena *arena, size_t bytes)
{
    const char *const now = vm_kernel_break_now();
    if (!now)
        return false;
    if (now < arena->break_end) {
        if (!arena->is_inherited && vm_lock_waiter.forked)
            vm_lock_waiter.forked(); /* a child for which no handler ran learns here that it is one */
        if (!arena->is_inherited && arena->x_n_pages) /* else it went down below the first of ours */
            report_lowered_break_locked(arena, now);
        return false;
    }
    if (now != arena->break_end && arena->x_n_pages && !vm_process_is_single_threaded())
        arena->is_contested = true;
    if (arena->is_contested)
        return false;
    /* Where the range starts if nobody interferes from here on; a page more if it does not start at one. */
    const size_t misaligned = (uintptr_t)now & (vm_kernel.page_bytes - 1);
    if (now != arena->break_end && misaligned)
        bytes += vm_kernel.page_bytes - misaligned;
    if (now - arena->break_end > VM_FOREIGN_GAP_BYTES_MAX || bytes > SIZE_MAX / 2 ||
        !vm_records_reserve(arena, page_index(arena, now) + (bytes >> vm_kernel.page_shift) + 1))
        return false;
    char *const start = vm_kernel_break_grow(bytes);
    if (!start)
        return false;
    if (start < arena->break_end && arena->is_inherited) { /* this child has another kernel by now */
        vm_kernel_break_trim(start + bytes, bytes);
        return false;
    }
    const size_t first = page_index(arena, start + vm_kernel.page_bytes - 1);
    if (start < arena->break_end)
        report_lowered_break_locked(arena, start);
    if (start != now && !vm_records_reserve(arena, page_index(arena, start + bytes))) {
        vm_kernel_break_trim(start + bytes, bytes); /* a foreign thread moved it far in between */
        return false;
    }
    const bool touches = start == arena->break_end;
    if (!touches)
        arena->n_kept = (uint32_t)first + 1;
    arena->break_end = start + bytes;
    add_pages_locked(arena, touches ? arena->place.n_pages : (uint32_t)first);
    return true;
}

static bool grow_private_break_locked(struct arena *arena, size_t bytes)
{
    if (bytes > (size_t)(arena->limit - arena->break_end) ||
        !vm_records_reserve(arena, page_index(arena, arena->break_end + bytes)) ||
        !vm_kernel_protect(arena->break_end, bytes, VM_ACCESS_READ_WRITE))
        return false;
    arena->break_end += bytes;
    add_pages_locked(arena, arena->place.n_pages);
    return true;
}

static bool grow_by_locked(struct arena *arena, size_t bytes)
{
    return arena->kind == ARENA_PROCESS_BREAK ? grow_process_break_locked(arena, bytes)
                                              : grow_private_break_locked(arena, bytes);
}

/* Where aligned pages start that are free at the end, or would be if the arena were longer. */
static size_t top_start(const struct arena *arena, unsigned align_order)
{
    return vm_round_up(arena->place.n_pages - arena->place.n_top, (size_t)1 << align_order);
}

/* Grows the arena so that n_pages aligned ones are free at its end, if nobody else moved the break. */
static bool grow_locked(struct arena *arena, size_t n_pages, unsigned align_order)
{
    const size_t end = top_start(arena, align_order) + n_pages;
    const size_t bytes = vm_pages_to_bytes(vm_max_size(end, arena->place.n_pages + 1) - arena->place.n_pages);
    const size_t pad = vm_round_up(vm_load_relaxed(&vm_arena_policy.x_top_pad), vm_kernel.page_bytes);
    if (pad < SIZE_MAX / 2 - bytes && grow_by_locked(arena, bytes + pad))
        return true;
    return grow_by_locked(arena, bytes);
}

/* Makes the arena grow so that it has the pages, and takes them. */
static uint32_t take_new_locked(struct arena *arena, size_t n_pages, unsigned align_order)
{
    /* Twice: a new range that does not touch the last one can be too short once aligned. */
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        if (arena->n_refused && n_pages >= arena->n_refused)
            break;
        if (!grow_locked(arena, n_pages, align_order)) {
            arena->n_refused = (uint32_t)n_pages;
            break;
        }
        const uint32_t index = take_pages_locked(arena, (uint32_t)n_pages, align_order);
        if (index != VM_PLACE_NONE)
            return index;
    }
    return VM_PLACE_NONE;
}

static bool move_break_down_locked(struct arena *arena, size_t bytes)
{
    if (arena->kind == ARENA_PROCESS_BREAK)
        return !arena->is_contested && vm_kernel_break_trim(arena->break_end, bytes);
    return vm_kernel_protect(arena->break_end - bytes, bytes, VM_ACCESS_NONE);
}

/* Moves the break down by the whole pages free below it, but for `pad` bytes. */
static bool trim_locked(struct arena *arena, size_t pad)
{
    struct place *const place = &arena->place;
    const size_t n_pad = vm_min_size(vm_bytes_to_pages(vm_min_size(pad, SIZE_MAX / 2)), place->n_top);
    const uint32_t n_gone = (uint32_t)vm_min_size(place->n_top - n_pad, place->n_pages - arena->n_kept);
    const uint32_t first = place->n_pages - n_gone;
    if (n_gone == 0)
        return false;
    /* A break that does not end at a page: the broken page goes too. */
    const size_t bytes = (size_t)(arena->break_end - page_address(arena, first));
    if (!move_break_down_locked(arena, bytes))
        return false;
    vm_place_take(place, first, n_gone);
    vm_dirty_clear(arena, first, n_gone);
    vm_place_resize(place, first);
    arena->break_end -= bytes;
    arena->n_refused = 0;
    arena->counts.n_trimmed++;
    arena->is_trimmed = true;
    publish_counts(arena);
    return true;
}

/* --- making --------------------------------------------------------------------------------------------- */

bool vm_arena_init(struct arena *arena, uint32_t index, enum arena_kind kind, size_t n_pages)
{
    char *start = vm_kernel_break_now(), *limit = NULL;
    if (kind == ARENA_PRIVATE_BREAK) {
        size_t bytes;
        start = vm_arena_reserve(n_pages, &bytes);
        if (!start)
            return false;
        limit = start + bytes;
    }
    if (!start)
        return false;
    *arena = (struct arena){
        .lock = VM_LOCK_INIT(VM_RANK_ARENA),
        .kind = kind,
        .index = index,
        .base = (char *)vm_round_down((uintptr_t)start, vm_arena_alignment()),
        .start = start,
        .break_end = start,
        .limit = limit,
    };
    const size_t first = page_index(arena, start + vm_kernel.page_bytes - 1);
    if (!vm_records_reserve(arena, first + 1)) {
        if (limit)
            vm_kernel_unmap(start, (size_t)(limit - start));
        return false;
    }
    arena->n_alien = (uint32_t)first;
    vm_place_resize(&arena->place, (uint32_t)first);
    return true;
}

/* --- spans ---------------------------------------------------------------------------------------------- */

/* Makes the pages taken at `index` the span's. False: there are none. */
static bool fill_span_locked(struct arena *arena, uint32_t index, size_t n_pages, struct span *span)
{
    if (index == VM_PLACE_NONE)
        return false;
    span->start = page_address(arena, index);
    span->bytes = vm_pages_to_bytes(n_pages);
    span->arena_index = (uint16_t)arena->index;
    span->is_zeroed = reuse_locked(arena, index, (uint32_t)n_pages, span) == 0;
    arena->counts.n_taken++;
    publish_counts(arena);
    return true;
}

/* Bytes that a trim leaves below the break. Dirty pages wait there for the heap to grow again, in a small one only if
   that was seen to happen; of too many some wait if they are there for large spans. */
static size_t trim_pad(const struct arena *arena)
{
    const size_t pad = vm_load_relaxed(&vm_arena_policy.x_top_pad);
    if (!vm_load_relaxed(&vm_arena_policy.x_is_trim_lazy))
        return pad;
    size_t n_waiting = vm_load_relaxed(&arena->x_n_dirty_max);
    if (n_waiting < vm_dirty_small() && !vm_dirty_is_tidal(arena) &&
        vm_load_relaxed(&arena->x_n_returns_recent) < VM_DIRTY_TIDES_MIN)
        return pad;
    if (vm_dirty_used(arena) > n_waiting)
        n_waiting = n_waiting > vm_dirty_live(arena) ? n_waiting - n_waiting / 8 : 0;
    return vm_max_size(pad, vm_pages_to_bytes(n_waiting));
}

/* So many bytes free at the break make a trim due; no arena has as many as it may be at most. */
static size_t trim_due(const struct arena *arena)
{
    const size_t due = vm_max_size(vm_load_relaxed(&vm_arena_policy.x_trim_threshold), trim_pad(arena) + 1);
    return vm_min_size(due, SIZE_MAX / 2);
}

/* Says what may be dirty, and what is free at the break. Returns whether that makes a trim due. */
static bool look_at_top_locked(struct arena *arena)
{
    const struct place *const place = &arena->place;
    vm_store_relaxed(&arena->x_n_dirty_max, vm_dirty_max(arena));
    const size_t due = trim_due(arena), top_bytes = vm_pages_to_bytes(place->n_top);
    vm_store_relaxed(&arena->x_until_trim, due - vm_min_size(top_bytes, due));
    vm_store_relaxed(&arena->x_top, page_address(arena, place->n_pages - place->n_top));
    return top_bytes >= due;
}

static bool take(struct arena *arena, size_t n_pages, unsigned align_order, bool may_grow, struct span *span)
{
    if (n_pages >= VM_PLACE_NONE || !enter(arena))
        return false;
    uint32_t index = take_pages_locked(arena, (uint32_t)n_pages, align_order);
    if (index == VM_PLACE_NONE && may_grow)
        index = take_new_locked(arena, n_pages, align_order);
    const bool done = fill_span_locked(arena, index, n_pages, span);
    if (done && span->kind == SPAN_MIDDLE) /* more of them may wait now; for slabs it is not worth looking */
        look_at_top_locked(arena);
    vm_lock_release(&arena->lock);
    return done;
}

bool vm_arena_take_free(struct arena *arena, size_t n_pages, unsigned align_order, struct span *span)
{
    return take(arena, n_pages, align_order, false, span);
}

bool vm_arena_take(struct arena *arena, size_t n_pages, unsigned align_order, struct span *span)
{
    return take(arena, n_pages, align_order, true, span);
}

bool vm_arena_extend(struct arena *arena, struct span *span, size_t n_pages)
{
    if (!enter(arena))
        return false;
    const uint32_t end = (uint32_t)page_index(arena, span->start + span->bytes);
    const size_t n_more = n_pages - (span->bytes >> vm_kernel.page_shift);
    const bool done =
        n_more <= arena->place.n_pages - end && vm_place_is_free(&arena->place, end, (uint32_t)n_more);
    if (done) {
        vm_place_take(&arena->place, end, (uint32_t)n_more);
        span->bytes = vm_pages_to_bytes(n_pages);
        reuse_locked(arena, end, (uint32_t)n_more, span);
        publish_counts(arena);
    }
    vm_lock_release(&arena->lock);
    return done;
}

static void give_pages_locked(struct arena *arena, uint32_t index, uint32_t n_pages, uint32_t n_dirty)
{
    vm_dirty_mark(arena, index, n_dirty);
    vm_place_give(&arena->place, index, n_pages);
    arena->counts.n_given++;
    publish_counts(arena);
    if (arena->counts.n_given % TURN_GIVEN == 0) {
        arena->last_turn = arena->turn;
        arena->turn = (struct arena_turn){0};
    }
}

/* Says what may be dirty, trims the break if that is due, and gives the lock back. */
VM_NOINLINE static void review_and_release(struct arena *arena)
{
    const char *const end_before = arena->break_end;
    if (look_at_top_locked(arena) && trim_locked(arena, trim_pad(arena)))
        look_at_top_locked(arena);
    const char *const end = arena->break_end;
    vm_lock_release(&arena->lock);
    vm_pagemap_forget(end, end_before);
}

void vm_arena_give(struct arena *arena, const struct span *span, size_t dirty_bytes)
{
    if (!enter(arena)) {
        vm_kernel_purge(span->start, span->bytes); /* this child loses the addresses, not the memory */
        vm_fetch_add_relaxed(&arena->x_n_free, (uint32_t)(span->bytes >> vm_kernel.page_shift));
        return;
    }
    const uint32_t index = (uint32_t)page_index(arena, span->start);
    give_pages_locked(arena, index, (uint32_t)(span->bytes >> vm_kernel.page_shift),
                      (uint32_t)vm_bytes_to_pages(vm_min_size(dirty_bytes, span->bytes)));
    review_and_release(arena);
}

void vm_arena_review(struct arena *arena)
{
    if (enter(arena))
        review_and_release(arena);
}

void vm_arena_give_tail(struct arena *arena, struct span *span, size_t bytes)
{
    struct span tail = *span;
    tail.start += bytes;
    tail.bytes -= bytes;
    span->bytes = bytes;
    vm_arena_give(arena, &tail, tail.bytes);
}

/* --- purge and trim ------------------------------------------------------------------------------------- */

struct purge_batch {
    uint32_t n_runs, n_dirty;
    struct {
        uint32_t index, n_pages;
    } run[PURGE_BATCH];
};

/* Takes the free block at `index` out, which is dirty, and into the batch. */
static void collect_block_locked(struct arena *arena, uint32_t index, uint32_t n_pages,
                                 struct purge_batch *batch)
{
    vm_place_take(&arena->place, index, n_pages);
    const uint32_t n_runs = batch->n_runs;
    if (n_runs && batch->run[n_runs - 1].index + batch->run[n_runs - 1].n_pages == index) {
        batch->run[n_runs - 1].n_pages += n_pages;
        return;
    }
    batch->run[n_runs].index = index;
    batch->run[n_runs].n_pages = n_pages;
    batch->n_runs++;
}

/* Takes dirty free blocks out until at most n_keep dirty pages are left or the batch is full: those at high addresses
   first, as they will be used again last. */
static void collect_dirty_locked(struct arena *arena, size_t n_keep, struct purge_batch *batch)
{
    *batch = (struct purge_batch){0};
    for (uint32_t end = arena->place.n_pages, start; end > 0; end = start) {
        start = (end - 1) & ~(uint32_t)(MAX_BLOCK_PAGES - 1);
        unsigned order;
        for (uint32_t index = start; (index = vm_dirty_next(arena, index, end)) < end; index += 1U << order) {
            if (vm_load_relaxed(&arena->x_n_dirty) <= n_keep || batch->n_runs == PURGE_BATCH)
                return;
            index = vm_place_block(&arena->place, index, &order);
            batch->n_dirty += vm_dirty_clear(arena, index, 1U << order);
            collect_block_locked(arena, index, 1U << order, batch);
        }
    }
}

size_t vm_arena_purge(struct arena *arena, size_t n_keep)
{
    size_t n_purged = 0;
    struct purge_batch batch;
    if (!vm_kernel.purge_zeroes)
        return 0;
    do {
        if (!enter(arena))
            break;
        collect_dirty_locked(arena, n_keep, &batch);
        vm_lock_release(&arena->lock);
        for (uint32_t i = 0; i < batch.n_runs; i++)
            vm_kernel_purge(page_address(arena, batch.run[i].index), vm_pages_to_bytes(batch.run[i].n_pages));
        if (!enter(arena))
            break; /* this child loses them */
        for (uint32_t i = 0; i < batch.n_runs; i++)
            vm_place_give(&arena->place, batch.run[i].index, batch.run[i].n_pages);
        publish_counts(arena);
        arena->counts.n_purged += batch.n_runs;
        arena->counts.n_purged_pages += batch.n_dirty;
        vm_lock_release(&arena->lock);
        n_purged += batch.n_dirty;
    } while (batch.n_runs == PURGE_BATCH);
    return n_purged;
}

bool vm_arena_trim(struct arena *arena, size_t pad)
{
    if (!enter(arena))
        return false;
    arena->n_refused = 0; /* other memory may be free again: worth asking */
    const char *const end_before = arena->break_end;
    const bool moved = trim_locked(arena, pad);
    const char *const end = arena->break_end;
    vm_lock_release(&arena->lock);
    vm_pagemap_forget(end, end_before);
    return moved;
}

void vm_arena_reset_in_child(struct arena *arena)
{
    if (vm_lock_reset_in_child(&arena->lock))
        vm_store_relaxed(&arena->x_is_frozen, true);
    arena->is_inherited = true;
}

VM_COLD void vm_arena_check(struct arena *arena)
{
    if (!enter(arena))
        return;
    vm_place_check(&arena->place);
    uint32_t n_dirty = 0;
    for (uint32_t index = 0;
         (index = vm_dirty_next(arena, index, arena->place.n_pages)) < arena->place.n_pages; index++) {
        VM_CHECK(vm_place_is_free(&arena->place, index, 1)); /* A2 */
        n_dirty++;
    }
    VM_CHECK(n_dirty == arena->x_n_dirty);                                                      /* A2 */
    VM_CHECK(arena->place.n_free + arena->n_alien <= arena->place.n_pages);                     /* A3 */
    VM_CHECK(arena->x_n_pages + arena->n_alien == arena->place.n_pages);                        /* A4 */
    VM_CHECK(page_index(arena, arena->break_end) == arena->place.n_pages || !arena->x_n_pages); /* A4 */
    vm_lock_release(&arena->lock);
}
