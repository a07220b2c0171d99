/* SPDX-License-Identifier: MIT */
/*
 * dirty.c - see dirty.h. Owns nothing; keeps arena->x_n_dirty.
 */
#include "pool/dirty.h"
#include "base/check.h"
#include "pool/pool.h"
#include "pool/quick.h"

static vm_word *word_of(struct place_group *group, uint32_t index)
{
    return &group->dirty[vm_place_word(index)];
}

/* Pages until the end of the group, or of the range of n_pages. */
static uint32_t part_in_group(uint32_t index, uint32_t n_pages)
{
    const uint32_t n_left = VM_PLACE_GROUP_PAGES - index % VM_PLACE_GROUP_PAGES;
    return n_pages < n_left ? n_pages : n_left;
}

static uint32_t count_in_group(struct place_group *group, uint32_t index, uint32_t n_pages)
{
    uint32_t n_dirty = 0;
    for (unsigned n; n_pages; index += n, n_pages -= n) {
        const vm_word bits = vm_bits_from(index, n_pages, &n);
        n_dirty += vm_bits_count(*word_of(group, index) & bits);
    }
    return n_dirty;
}

uint32_t vm_dirty_count(const struct arena *arena, uint32_t index, uint32_t n_pages)
{
    uint32_t n_dirty = 0;
    for (uint32_t n_part; n_pages; index += n_part, n_pages -= n_part) {
        struct place_group *const group = vm_place_group(&arena->place, index);
        n_part = part_in_group(index, n_pages);
        if (n_part == VM_PLACE_GROUP_PAGES)
            n_dirty += (uint32_t)group->n_dirty;
        else if (group->n_dirty)
            n_dirty += count_in_group(group, index, n_part);
    }
    return n_dirty;
}

void vm_dirty_mark(struct arena *arena, uint32_t index, uint32_t n_pages)
{
    vm_counter_add(&arena->x_n_dirty, n_pages);
    for (unsigned n; n_pages; index += n, n_pages -= n) {
        struct place_group *const group = vm_place_group(&arena->place, index);
        const vm_word bits = vm_bits_from(index, n_pages, &n);
        VM_ASSERT((*word_of(group, index) & bits) == 0);
        *word_of(group, index) |= bits;
        group->n_dirty += n;
    }
}

static uint32_t clear_in_group(struct place_group *group, uint32_t index, uint32_t n_pages)
{
    uint32_t n_dirty = 0;
    for (unsigned n; n_pages; index += n, n_pages -= n) {
        const vm_word bits = vm_bits_from(index, n_pages, &n);
        n_dirty += vm_bits_count(*word_of(group, index) & bits);
        *word_of(group, index) &= ~bits;
    }
    group->n_dirty -= n_dirty;
    return n_dirty;
}

uint32_t vm_dirty_clear(struct arena *arena, uint32_t index, uint32_t n_pages)
{
    uint32_t n_dirty = 0;
    for (uint32_t n_part; n_pages; index += n_part, n_pages -= n_part) {
        struct place_group *const group = vm_place_group(&arena->place, index);
        n_part = part_in_group(index, n_pages);
        if (group->n_dirty)
            n_dirty += clear_in_group(group, index, n_part);
    }
    vm_counter_add(&arena->x_n_dirty, 0U - n_dirty);
    return n_dirty;
}

uint32_t vm_dirty_next(const struct arena *arena, uint32_t index, uint32_t end)
{
    while (index < end) {
        struct place_group *const group = vm_place_group(&arena->place, index);
        const vm_word rest = *word_of(group, index) >> (index % VM_WORD_BITS);
        if (rest) {
            index += (uint32_t)vm_bits_lowest(rest);
            break;
        }
        index += group->n_dirty ? VM_WORD_BITS - index % VM_WORD_BITS : part_in_group(index, UINT32_MAX);
    }
    return index < end ? index : end;
}

/* Pages in the quick list, which are not live, though they are taken. */
static size_t quick_pages(const struct arena *arena)
{
    return vm_load_relaxed(&arena->x_n_quick);
}

void vm_dirty_look_at_quick(struct arena *arena)
{
    vm_store_relaxed(&arena->x_n_quick, vm_quick_bytes(arena->index) >> vm_kernel.page_shift);
}

size_t vm_dirty_used(const struct arena *arena)
{
    return vm_load_relaxed(&arena->x_n_dirty) + quick_pages(arena);
}

static size_t minus(size_t a, size_t b)
{
    return a - vm_min_size(a, b);
}

/* Pages of those that are taken which are live, or in the empty slabs that heaps keep. */
static size_t used_pages(const struct arena *arena, size_t n_quick)
{
    return minus(vm_load_relaxed(&arena->x_n_pages) - vm_load_relaxed(&arena->x_n_free), n_quick);
}

/* The same without the empty slabs, and those whose owners sleep. */
static size_t live_pages(const struct arena *arena, size_t n_quick)
{
    return minus(used_pages(arena, n_quick),
                 vm_load_relaxed(&arena->x_n_empty) + vm_load_relaxed(&arena->x_n_asleep));
}

size_t vm_dirty_live(const struct arena *arena)
{
    return live_pages(arena, quick_pages(arena));
}

/* Slabs whose owners sleep are not what a tide takes: their pages are gone already. */
void vm_dirty_note_tide(struct arena *arena, size_t n_taken)
{
    const size_t n_recent = arena->x_n_live_recent;
    n_taken = minus(n_taken, vm_load_relaxed(&arena->x_n_empty));
    if (arena->is_ebb) {
        arena->is_ebb = n_taken < n_recent / 4;
        arena->turn.n_tides += !arena->is_ebb;
    } else if (n_taken < n_recent / 4) {
        arena->is_ebb = vm_dirty_live(arena) + vm_load_relaxed(&arena->x_n_asleep) < n_recent / 8;
    }
}

/* Were more of the pages missed than a part of what the blocks took meanwhile, several times all that is live, then more would
   have been worth keeping. */
void vm_dirty_note_missed(struct arena *arena, const struct span *span, size_t n_pages, size_t n_missed)
{
    enum { ROUNDS = 8, PART = 32 };
    const bool is_slab = span->kind != SPAN_MIDDLE;
    struct arena_missed *const missed = is_slab ? &arena->slabs_missed : &arena->middle_missed;
    missed->n_taken += n_pages;
    missed->n_missed += n_missed;
    if (missed->n_taken < (size_t)ROUNDS * arena->x_n_live_recent)
        return;
    *(is_slab ? &arena->turn.are_slabs_missing : &arena->turn.is_missing) |=
        missed->n_missed > missed->n_taken / PART;
    *missed = (struct arena_missed){0};
}

/* How many more than those in use may be resident, for what was in use of late: an eighth more than that, or half in a small
   heap whose blocks missed pages. */
static size_t pages_below_recent(const struct arena *arena, size_t n_used)
{
    const size_t n_recent = vm_max_size(vm_load_relaxed(&arena->x_n_live_recent), n_used);
    const size_t n_missed_max = vm_kernel_share(VM_DIRTY_MISSED_BYTES_MAX, 5) >> vm_kernel.page_shift;
    const size_t n_missed =
        vm_load_relaxed(&arena->x_is_missing_recent) ? vm_min_size(n_recent / 2, n_missed_max) : 0;
    return n_recent + vm_max_size(n_recent >> VM_DIRTY_SHARE_SHIFT, n_missed) - n_used;
}

bool vm_dirty_is_tidal(const struct arena *arena)
{
    return vm_load_relaxed(&arena->x_n_tides_recent) >= VM_DIRTY_TIDES_MIN;
}

/* What was live of late in all arenas: of many, the last is emptied and filled as the others overflow. */
static size_t recent_of_all(void)
{
    size_t n_recent = 0;
    const struct arena *arena;
    for (size_t index = 0; (arena = vm_pool_arena(index)); index++)
        n_recent += vm_load_relaxed(&arena->x_n_live_recent);
    return n_recent;
}

/* How many dirty pages a tidal arena may keep whatever is live. */
static size_t tide_pages(const struct arena *arena)
{
    const size_t n_most = vm_kernel_share(VM_DIRTY_TIDE_BYTES_MAX, 4) >> vm_kernel.page_shift;
    return vm_dirty_is_tidal(arena) && recent_of_all() <= n_most ? n_most : 0;
}

/*
 * Dirty free pages will likely be used again, and until then are RSS that nobody uses. They may stay while all of the arena
 * that is resident is not more than 9/8 of what was live of late (more where that is missed): a program that frees and
 * allocates around one size of its heap then goes without the kernel. But never more than what is live, so that RSS falls with
 * the heap; where slabs miss pages, VM_DIRTY_SLABS_MAX times that; where large spans come and go, VM_DIRTY_SPANS_MAX times what
 * is live of these, if they took as many dirty pages again of late; and in a heap of VM_DIRTY_TIDE_BYTES_MAX or less that is
 * emptied and filled again and again, all of it.
 */
size_t vm_dirty_worth(const struct arena *arena)
{
    const size_t n_quick = quick_pages(arena), n_live = live_pages(arena, n_quick);
    const size_t n_slabs =
        vm_load_relaxed(&arena->x_are_slabs_missing_recent) ? VM_DIRTY_SLABS_MAX * n_live : n_live;
    const size_t n_reused = vm_load_relaxed(&arena->x_n_reused_recent);
    const size_t n_middle = vm_load_relaxed(&arena->x_middle_bytes) >> vm_kernel.page_shift;
    return vm_min_size(pages_below_recent(arena, used_pages(arena, n_quick)),
                       vm_max_size(vm_max_size(n_slabs, tide_pages(arena)),
                                   vm_min_size(n_reused, VM_DIRTY_SPANS_MAX * minus(n_middle, n_quick))));
}

size_t vm_dirty_small(void)
{
    return vm_kernel_share(VM_DIRTY_BYTES_MIN, 5) >> vm_kernel.page_shift;
}

/* So many an arena may keep however much was live of late: a little more than is live, up to what is little in any heap; or more,
   up to twice of that, where blocks miss pages, which are there also while nothing is live, or slabs do. */
static size_t least_pages(const struct arena *arena, size_t n_live)
{
    const size_t n_empty = vm_kernel_share(VM_DIRTY_EMPTY_BYTES_MIN, 5) >> vm_kernel.page_shift,
                 n_small = vm_dirty_small();
    if (vm_load_relaxed(&arena->x_is_missing_recent))
        return n_small + vm_min_size(n_live, n_small);
    if (vm_load_relaxed(&arena->x_are_slabs_missing_recent))
        return vm_min_size(n_empty + 2 * n_live, 2 * n_small);
    return vm_min_size(n_empty + n_live, n_small);
}

size_t vm_dirty_max(const struct arena *arena)
{
    return vm_max_size(least_pages(arena, vm_dirty_live(arena)), vm_dirty_worth(arena));
}

/*
 * Whoever puts a block into the quick list asks nobody: what is live becomes less by it, and the bounds that follow from that
 * are to hold all the same. The bound of what was live of late is an eighth higher: else there is no room between two purges.
 */
size_t vm_dirty_room(const struct arena *arena)
{
    const size_t n_quick = quick_pages(arena), n_live = live_pages(arena, n_quick);
    const size_t n_waiting = n_quick + vm_load_relaxed(&arena->x_n_dirty);
    const size_t n_below = pages_below_recent(arena, used_pages(arena, n_quick));
    const size_t n_room = vm_min_size(minus(n_below + (n_below >> VM_DIRTY_SHARE_SHIFT), n_waiting),
                                      minus(n_live, n_waiting) / 2);
    return vm_max_size(minus(least_pages(arena, n_live), n_waiting), n_room);
}
