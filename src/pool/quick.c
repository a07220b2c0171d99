/* SPDX-License-Identifier: MIT */
/*
 * quick.c - see quick.h. Owns the list.
 *
 *   x_span of a slot   who may act                   next
 *   NULL               any thread that frees         TAKEN, while it writes x_what
 *   TAKEN              the same thread               the span, or NULL
 *   a span             any thread                    TAKEN, while it clears x_what, and the span is the thread's own
 *
 * x_what tells of the span what a search asks for, so that no descriptor is looked at; it is 0 while there is none. What the
 * list says of room, and of debts, is a hint: when two threads change it at once, one of the changes is lost until the next
 * vm_quick_set_room. A debt too few leaves one block more in the list, one too many takes one more out.
 */
#include "pool/quick.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "kernel/kernel.h"
#include "pool/meta.h"
#include "pool/pagemap.h"
#include "pool/pool.h"

struct slot {
    struct span *x_span;
    size_t x_what; /* bytes, whole pages, and the number of the arena */
};

static VM_ALIGNED(VM_CACHE_LINE) struct {
    int32_t x_room, x_debt_room, x_top_room; /* KiB that may be put: see vm_quick_set_room */
    uint32_t x_n_debts;                      /* blocks that were put without room, and not paid for yet */
    const char *x_top;
    uint32_t x_turn; /* the slot that is emptied next if there is no room */
    struct slot slot[VM_QUICK_SLOTS];
} list;

/* In a slot that a thread is filling. */
#define TAKEN ((struct span *)(void *)&list)

enum { ARENA_MASK = (1 << VM_PAGE_SHIFT_MIN) - 1 };
_Static_assert(VM_N_ARENAS_MAX - 1 <= ARENA_MASK, "an arena's number is below a page's bytes");

/* Of lengths that there is never room for, all the same. */
static int32_t kib(size_t bytes)
{
    return (int32_t)(vm_min_size(bytes, (size_t)2 * VM_QUICK_BYTES_MAX) / VM_KIB);
}

void vm_quick_set_room(struct quick_room room)
{
    vm_store_relaxed(&list.x_room, kib(room.bytes));
    vm_store_relaxed(&list.x_debt_room, kib(room.debt_bytes));
    vm_store_relaxed(&list.x_top_room, kib(room.top_bytes));
    vm_store_relaxed(&list.x_top, room.top);
}

static void change_room(int32_t n_kib)
{
    vm_store_relaxed(&list.x_room, vm_load_relaxed(&list.x_room) + n_kib);
    vm_store_relaxed(&list.x_top_room, vm_load_relaxed(&list.x_top_room) + n_kib);
}

/* Puts the span into an empty slot. False: another thread was quicker. */
static bool put_into(struct slot *slot, struct span *span)
{
    struct span *expected = NULL;
    if (!vm_compare_exchange(&slot->x_span, &expected, TAKEN))
        return false;
    vm_store_relaxed(&slot->x_what, span->bytes | span->arena_index);
    /* The block's last use is over, and x_what is written: pairs with the acquire in look. */
    vm_store_release(&slot->x_span, span);
    return true;
}

static bool is_at_top(const struct span *span)
{
    return span->start + span->bytes == vm_load_relaxed(&list.x_top);
}

/* Whether what is at the top may be no more than x_top_room with the span. */
static bool counts_at_top(const struct span *span)
{
    return !vm_load_relaxed(&list.x_top) || is_at_top(span);
}

/* Whether so much may be put without room. Not spans that are placed tightly: they would stand in each other's
   way (large's peak 6 % higher). */
static bool may_owe(int32_t n_kib)
{
    const uint32_t n_debts = vm_load_relaxed(&list.x_n_debts);
    const int32_t room = vm_load_relaxed(&list.x_debt_room);
    return n_debts < VM_QUICK_DEBTS_MAX && n_kib <= room && n_kib < VM_TIGHT_BYTES_MIN / VM_KIB;
}

static void note_debt(int32_t n_kib)
{
    vm_store_relaxed(&list.x_n_debts, vm_load_relaxed(&list.x_n_debts) + 1);
    vm_store_relaxed(&list.x_debt_room, vm_load_relaxed(&list.x_debt_room) - n_kib);
}

/* False: there is no room. */
static bool put(struct span *span)
{
    const bool is_top = counts_at_top(span);
    const int32_t n_kib = kib(span->bytes);
    if (is_top && n_kib > vm_load_relaxed(&list.x_top_room))
        return false;
    const bool is_debt = n_kib > vm_load_relaxed(&list.x_room);
    if (is_debt && !may_owe(n_kib))
        return false;
    for (struct slot *slot = list.slot; slot < list.slot + VM_QUICK_SLOTS; slot++) {
        if (vm_load_relaxed(&slot->x_span) || !put_into(slot, span))
            continue;
        change_room(-n_kib);
        if (is_debt)
            note_debt(n_kib);
        if (is_top)
            vm_store_relaxed(&list.x_top, NULL);
        return true;
    }
    return false;
}

static struct span *take_from(struct slot *slot)
{
    struct span *span = vm_load_acquire(&slot->x_span);
    if (!span || span == TAKEN || !vm_compare_exchange(&slot->x_span, &span, TAKEN))
        return NULL;
    vm_store_relaxed(&slot->x_what, 0);
    vm_store_release(&slot->x_span, NULL);
    change_room(kib(span->bytes));
    return span;
}

static void release(struct span *span)
{
    const struct span pages = *span;
    vm_pagemap_remove(span);
    vm_pool_count_middle(span, (size_t)0 - 1, (size_t)0 - span->bytes);
    vm_meta_free(span, sizeof *span);
    vm_pool_give(&pages, pages.bytes);
}

static struct span *revive(struct span *span)
{
    span->is_zeroed = false;
    vm_store_relaxed(&span->x_is_quick, 0);
    return span;
}

/* The slot with the shortest block that fits. NULL: there is none. */
static struct slot *find_fit(size_t bytes)
{
    struct slot *best = NULL;
    size_t least = SIZE_MAX;
    for (struct slot *slot = list.slot; slot < list.slot + VM_QUICK_SLOTS && least != bytes; slot++) {
        const size_t slot_bytes = vm_load_relaxed(&slot->x_what) & ~(size_t)ARENA_MASK;
        if (slot_bytes < least && vm_quick_fits(slot_bytes, bytes)) {
            least = slot_bytes;
            best = slot;
        }
    }
    return best;
}

struct span *vm_quick_take(size_t bytes)
{
    struct slot *const slot = find_fit(bytes);
    struct span *const span = slot ? take_from(slot) : NULL;
    if (span && !vm_quick_fits(span->bytes, bytes)) {
        release(span); /* another thread put it there in the meantime */
        return NULL;
    }
    return span ? revive(span) : NULL;
}

/* The usual answer, and a quick one: all slots are looked at without a branch. */
static bool is_empty(void)
{
    uintptr_t any = 0;
    for (size_t i = 0; i < VM_QUICK_SLOTS; i++)
        any |= vm_load_relaxed(&list.slot[i].x_what);
    return any == 0;
}

bool vm_quick_flush(void)
{
    bool done = false;
    if (VM_LIKELY(is_empty()))
        return false;
    for (struct slot *slot = list.slot; slot < list.slot + VM_QUICK_SLOTS; slot++) {
        struct span *const span = take_from(slot);
        if (span)
            release(span);
        done |= span != NULL;
    }
    vm_store_relaxed(&list.x_n_debts, 0);
    return done;
}

/* Frees for good one of the blocks that wait, each in its turn. */
static void release_next(void)
{
    for (size_t i = 0; i < VM_QUICK_SLOTS; i++) {
        const uint32_t turn = vm_load_relaxed(&list.x_turn);
        vm_store_relaxed(&list.x_turn, turn + 1);
        struct span *const span = take_from(&list.slot[turn % VM_QUICK_SLOTS]);
        if (span) {
            release(span);
            return;
        }
    }
}

void vm_quick_pay_debts(void)
{
    for (uint32_t n = vm_load_relaxed(&list.x_n_debts); n > 0; n--)
        release_next();
    vm_store_relaxed(&list.x_n_debts, 0);
}

bool vm_quick_free(struct span *span)
{
    if (vm_exchange(&span->x_is_quick, 1))
        return false;
    if (put(span))
        return true;
    if (counts_at_top(span) && kib(span->bytes) > vm_load_relaxed(&list.x_top_room))
        vm_quick_flush(); /* what waits may be all that keeps a trim from being due */
    else
        release_next();
    if (is_at_top(span) || !put(span))
        release(span);
    return true;
}

size_t vm_quick_bytes(size_t arena_index)
{
    size_t sum = 0, any = 0, bytes = 0;
    for (size_t i = 0; i < VM_QUICK_SLOTS; i++) {
        const size_t what = vm_load_relaxed(&list.slot[i].x_what);
        sum += what;
        any |= what;
    }
    if (VM_LIKELY((any & ARENA_MASK) == 0)) /* whatever there is, is arena 0's */
        return arena_index == 0 ? sum : 0;
    for (size_t i = 0; i < VM_QUICK_SLOTS; i++) {
        const size_t what = vm_load_relaxed(&list.slot[i].x_what);
        bytes += (what & ARENA_MASK) == arena_index ? what & ~(size_t)ARENA_MASK : 0;
    }
    return bytes;
}

struct quick_totals vm_quick_totals(size_t arena_index)
{
    struct quick_totals totals = {0};
    if (VM_LIKELY(is_empty()))
        return totals;
    for (const struct slot *slot = list.slot; slot < list.slot + VM_QUICK_SLOTS; slot++) {
        const size_t what = vm_load_relaxed(&slot->x_what), bytes = what & ~(size_t)ARENA_MASK;
        if (bytes == 0 || (arena_index != SPAN_NO_ARENA && arena_index != (what & ARENA_MASK)))
            continue;
        totals.n++;
        totals.bytes += bytes;
        totals.bytes_max = vm_max_size(totals.bytes_max, bytes);
    }
    return totals;
}

void vm_quick_reset_in_child(void)
{
    for (struct slot *slot = list.slot; slot < list.slot + VM_QUICK_SLOTS; slot++) {
        if (vm_load_relaxed(&slot->x_span) != TAKEN)
            continue;
        /* A thread that is not here was filling or emptying it: its block is lost. */
        vm_store_relaxed(&slot->x_what, 0);
        vm_store_relaxed(&slot->x_span, NULL);
    }
}
