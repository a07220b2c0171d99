/* SPDX-License-Identifier: MIT */
/*
 * pagemap.c - see pagemap.h. Owns root, leaves, split granules and the near map; none is ever given back, a
 * split granule that ran empty is used again as another one. Writers hold one lock of rank PAGEMAP; each
 * store of an entry is a release, which pairs with the acquire loads of vm_pagemap_find.
 */
#include "pool/pagemap.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/lock.h"
#include "kernel/kernel.h"
#include "pool/meta.h"

/* A granule in which more than one span starts, one slot a page. */
struct split {
    struct split *next_free;
    uint32_t n_used;
    struct span *x_span[];
};

/* What a leaf's entry says in the low bits of its pointer: nothing, if it is to the span of the whole granule. */
enum {
    SPLIT_TAG = 1,  /* to a split */
    SINGLE_TAG = 2, /* to the only span that starts here; the other bits are the page that it starts in */
    PAGE_SHIFT = 2,
    TAG_MASK = VM_META_UNIT - 1,
};
_Static_assert((VM_GRANULE >> VM_PAGE_SHIFT_MIN) <= (TAG_MASK >> PAGE_SHIFT) + 1,
               "room for each page's number");

struct leaf {
    uintptr_t x_entry[VM_LEAF_ENTRIES];
};

/* So many leaves keep their pages when they run empty; those of a program that only tried how much it can get
   are given back. */
enum { LEAVES_KEPT = 8 };

static struct lock map_lock = VM_LOCK_INIT(VM_RANK_PAGEMAP);
static struct split *free_splits;
static size_t n_leaves;
static struct span *
    *x_window; /* of the backend's memory, if that lies together: one slot a page; NULL: none yet */

/* Whether the window is what knows the address. */
static bool is_in_window(uintptr_t address)
{
    return address - (uintptr_t)vm_kernel.memory < vm_kernel.memory_bytes;
}

static size_t window_bytes(void)
{
    return vm_round_up((vm_kernel.memory_bytes >> vm_kernel.page_shift) * sizeof *x_window,
                       vm_kernel.page_bytes);
}

static struct span **slot_of(struct span **window, uintptr_t address)
{
    return &window[(address - (uintptr_t)vm_kernel.memory) >> vm_kernel.page_shift];
}

static size_t page_in_granule(uintptr_t address)
{
    return (address & (VM_GRANULE - 1)) >> vm_kernel.page_shift;
}

static uintptr_t *entry_of(uintptr_t address)
{
    const uint64_t root_index = (uint64_t)address >> VM_LEAF_ADDRESS_BITS;
    if (root_index >= VM_ROOT_ENTRIES)
        return NULL;
    struct leaf *const leaf = vm_load_acquire(&vm_pagemap_x_root[root_index]);
    return leaf ? &leaf->x_entry[address >> VM_GRANULE_SHIFT & (VM_LEAF_ENTRIES - 1)] : NULL;
}

static uintptr_t single_entry(const struct span *span)
{
    return (uintptr_t)span | SINGLE_TAG | page_in_granule((uintptr_t)span->start) << PAGE_SHIFT;
}

/* The span of this page of the granule, or that starts in it. */
static struct span *span_in_page(uintptr_t entry, size_t page)
{
    const uintptr_t tags = entry & TAG_MASK;
    if (tags & SPLIT_TAG)
        return vm_load_acquire(&((struct split *)(entry - SPLIT_TAG))->x_span[page]);
    return tags && tags >> PAGE_SHIFT != page ? NULL : (struct span *)(entry - tags);
}

struct span *vm_pagemap_find(const void *address)
{
    struct span **const window = vm_load_acquire(&x_window);
    if (VM_UNLIKELY(window) && is_in_window((uintptr_t)address))
        return vm_load_acquire(slot_of(window, (uintptr_t)address));
    const uintptr_t *const entry = entry_of((uintptr_t)address);
    return entry ? span_in_page(vm_load_acquire(entry), page_in_granule((uintptr_t)address)) : NULL;
}

/* Writes an entry that exists. */
static void write_entry_locked(uintptr_t address, uintptr_t value)
{
    const size_t root_index = address >> VM_LEAF_ADDRESS_BITS;
    struct leaf *const leaf = vm_pagemap_x_root[root_index];
    uintptr_t *const entry = entry_of(address);
    vm_pagemap_n_used[root_index] += (uint32_t)(value != 0) - (uint32_t)(vm_load_relaxed(entry) != 0);
    vm_store_release(entry, value);
    if (vm_pagemap_n_used[root_index] == 0 && n_leaves > LEAVES_KEPT && vm_kernel.purge_zeroes)
        vm_kernel_purge(leaf, vm_round_up(sizeof *leaf, vm_kernel.page_bytes));
}

static uintptr_t *entry_made_locked(uintptr_t address)
{
    uintptr_t *const entry = entry_of(address);
    const uint64_t root_index = (uint64_t)address >> VM_LEAF_ADDRESS_BITS;
    if (entry || root_index >= VM_ROOT_ENTRIES)
        return entry;
    const size_t bytes = vm_round_up(sizeof(struct leaf), vm_kernel.page_bytes);
    struct leaf *const leaf = vm_kernel_map_table(bytes);
    if (!leaf)
        return NULL;
    vm_store_release(&vm_pagemap_x_root[root_index], leaf);
    n_leaves++;
    return entry_of(address);
}

static void enter_split_locked(struct split *split, struct span *span)
{
    split->n_used++;
    vm_store_release(&split->x_span[page_in_granule((uintptr_t)span->start)], span);
}

/* The split of an entry that has one, or that is single until now. NULL: no memory. */
static struct split *split_made_locked(const uintptr_t *entry)
{
    const uintptr_t value = vm_load_relaxed(entry);
    if (value & SPLIT_TAG)
        return (struct split *)(value - SPLIT_TAG);
    struct split *split = free_splits;
    if (split)
        free_splits = split->next_free;
    else if (!(split = vm_meta_alloc(sizeof *split +
                                     (VM_GRANULE >> vm_kernel.page_shift) * sizeof *split->x_span)))
        return NULL;
    struct span *const first = (struct span *)(value - (value & TAG_MASK));
    enter_split_locked(split, first);
    write_entry_locked((uintptr_t)first->start, (uintptr_t)split + SPLIT_TAG);
    return split;
}

static bool add_start_locked(struct span *span)
{
    const uintptr_t *const entry = entry_made_locked((uintptr_t)span->start);
    if (!entry)
        return false;
    if (!vm_load_relaxed(entry)) {
        write_entry_locked((uintptr_t)span->start, single_entry(span));
        return true;
    }
    struct split *const split = split_made_locked(entry);
    if (split)
        enter_split_locked(split, span);
    return split != NULL;
}

static void remove_start_locked(const struct span *span)
{
    const uintptr_t start = (uintptr_t)span->start, value = vm_load_relaxed(entry_of(start));
    if (!(value & SPLIT_TAG)) {
        VM_ASSERT(value == single_entry(span));
        write_entry_locked(start, 0);
        return;
    }
    struct split *const split = (struct split *)(value - SPLIT_TAG);
    struct span **const slot = &split->x_span[page_in_granule(start)];
    if (vm_load_relaxed(slot) == span)
        vm_store_release(slot, NULL);
    if (--split->n_used == 0) {
        write_entry_locked(start, 0);
        split->next_free = free_splits;
        free_splits = split;
    }
}

/* Bytes of the span that lead to it: all of a slab, the start of another. */
static size_t mapped_bytes(const struct span *span)
{
    return span->kind == SPAN_SLAB ? span->bytes : 1;
}

static bool add_whole_locked(struct span *span)
{
    const uintptr_t start = (uintptr_t)span->start;
    for (uintptr_t at = start; at - start < mapped_bytes(span); at += VM_GRANULE)
        if (!entry_made_locked(at))
            return false;
    for (uintptr_t at = start; at - start < mapped_bytes(span); at += VM_GRANULE)
        write_entry_locked(at, (uintptr_t)span);
    return true;
}

static void remove_whole_locked(struct span *span)
{
    const uintptr_t start = (uintptr_t)span->start;
    for (uintptr_t at = start; at - start < mapped_bytes(span); at += VM_GRANULE)
        if (vm_load_relaxed(entry_of(at)) == (uintptr_t)span)
            write_entry_locked(at, 0);
}

/* Slots of the span's pages that lead to it. */
static size_t n_slots(const struct span *span)
{
    return vm_bytes_to_pages(mapped_bytes(span));
}

static bool add_in_window_locked(struct span *span)
{
    if (!x_window) {
        struct span **const window = vm_kernel_map_table(window_bytes());
        if (!window)
            return false;
        vm_store_release(&x_window, window); /* pairs with vm_pagemap_find */
    }
    struct span **const slot = slot_of(x_window, (uintptr_t)span->start);
    for (size_t i = 0; i < n_slots(span); i++)
        vm_store_release(&slot[i], span);
    return true;
}

static void remove_in_window_locked(struct span *span)
{
    struct span **const slot = slot_of(x_window, (uintptr_t)span->start);
    for (size_t i = 0; i < n_slots(span); i++)
        if (vm_load_relaxed(&slot[i]) == span)
            vm_store_release(&slot[i], NULL);
}

static void enter_near(const struct span *slab)
{
    const uintptr_t distance = (uintptr_t)slab - (uintptr_t)vm_near_map.no_slab;
    for (size_t offset = 0; offset < slab->bytes; offset += VM_GRANULE) {
        const uintptr_t slot = ((uintptr_t)slab->start + offset) >> VM_GRANULE_SHIFT & (VM_NEAR_ENTRIES - 1);
        vm_store_release(&vm_near_map.x_slab_distance[slot], distance);
    }
}

static void leave_near(const struct span *slab)
{
    const uintptr_t distance = (uintptr_t)slab - (uintptr_t)vm_near_map.no_slab;
    for (size_t offset = 0; offset < slab->bytes; offset += VM_GRANULE) {
        const uintptr_t slot = ((uintptr_t)slab->start + offset) >> VM_GRANULE_SHIFT & (VM_NEAR_ENTRIES - 1);
        if (vm_load_relaxed(&vm_near_map.x_slab_distance[slot]) == distance)
            vm_store_release(&vm_near_map.x_slab_distance[slot], 0);
    }
}

static bool is_start_alone(const struct span *span)
{
    return span->kind != SPAN_SLAB && vm_kernel.page_bytes < VM_GRANULE;
}

bool vm_pagemap_add(struct span *span)
{
    vm_lock_acquire(&map_lock);
    const bool done = is_in_window((uintptr_t)span->start) ? add_in_window_locked(span)
                      : is_start_alone(span)               ? add_start_locked(span)
                                                           : add_whole_locked(span);
    if (done && span->kind == SPAN_SLAB)
        enter_near(span);
    vm_lock_release(&map_lock);
    return done;
}

void vm_pagemap_remove(struct span *span)
{
    vm_lock_acquire(&map_lock);
    if (is_in_window((uintptr_t)span->start))
        remove_in_window_locked(span);
    else if (is_start_alone(span))
        remove_start_locked(span);
    else
        remove_whole_locked(span);
    if (span->kind == SPAN_SLAB)
        leave_near(span);
    vm_lock_release(&map_lock);
}

/* Purges the page of a table that `entry` lies in, if all of it is zero. The table may begin within a page. */
static void purge_entries_locked(const uintptr_t *table, const uintptr_t *entry)
{
    const uintptr_t start = vm_round_down((uintptr_t)entry, vm_kernel.page_bytes);
    const uintptr_t *const entries = (const uintptr_t *)start;
    if (entries < table)
        return;
    for (size_t i = 0; i < vm_kernel.page_bytes / sizeof *entries; i++)
        if (vm_load_relaxed(&entries[i]))
            return;
    vm_kernel_purge((void *)start, vm_kernel.page_bytes);
}

/* The same where addresses have slots. */
static void forget_in_window(const char *start, const char *end)
{
    vm_lock_acquire(&map_lock);
    if (x_window) {
        const uintptr_t from = (uintptr_t)slot_of(x_window, (uintptr_t)start);
        const uintptr_t to = (uintptr_t)slot_of(x_window, (uintptr_t)end);
        for (uintptr_t page = vm_round_up(from, vm_kernel.page_bytes); page < to;
             page += vm_kernel.page_bytes)
            purge_entries_locked((const uintptr_t *)x_window, (const uintptr_t *)page);
    }
    vm_lock_release(&map_lock);
}

void vm_pagemap_forget(const char *start, const char *end)
{
    const size_t step =
        vm_kernel.page_bytes / sizeof(uintptr_t) * VM_GRANULE; /* addresses of one page of entries */
    const uintptr_t first = vm_round_up((uintptr_t)start, step);
    if (!vm_kernel.purge_zeroes || start >= end)
        return;
    if (is_in_window((uintptr_t)start)) {
        forget_in_window(start, end);
        return;
    }
    if (first < (uintptr_t)start || first >= (uintptr_t)end)
        return;
    vm_lock_acquire(&map_lock);
    for (size_t offset = 0; offset < (uintptr_t)end - first;
         offset += step) { /* no wrap at the top of memory */
        const uintptr_t at = first + offset;
        const uintptr_t *const entry = entry_of(at);
        if (entry)
            purge_entries_locked(vm_pagemap_x_root[at >> VM_LEAF_ADDRESS_BITS]->x_entry, entry);
        purge_entries_locked(vm_near_map.x_slab_distance,
                             &vm_near_map.x_slab_distance[at >> VM_GRANULE_SHIFT & (VM_NEAR_ENTRIES - 1)]);
    }
    vm_lock_release(&map_lock);
}

/* The highest span that starts in the granule of `entry`, below or at `address`. */
static struct span *span_in_granule(uintptr_t entry, uintptr_t address)
{
    for (size_t page = VM_GRANULE >> vm_kernel.page_shift; page-- > 0;) {
        struct span *const span = span_in_page(entry, page);
        if (span && (uintptr_t)span->start <= address)
            return span;
    }
    return NULL;
}

/* The same for an address that the window knows. */
static struct span *search_in_window(uintptr_t wanted)
{
    size_t page = (wanted - (uintptr_t)vm_kernel.memory) >> vm_kernel.page_shift;
    do {
        struct span *const span = x_window ? vm_load_acquire(&x_window[page]) : NULL;
        if (span)
            return wanted - (uintptr_t)span->start < span->bytes ? span : NULL;
    } while (page-- > 0);
    return NULL;
}

struct span *vm_pagemap_search(const void *address)
{
    const uintptr_t wanted = (uintptr_t)address;
    if (is_in_window(wanted))
        return search_in_window(wanted);
    for (uintptr_t at = vm_round_down(wanted, VM_GRANULE);; at -= VM_GRANULE) {
        const uintptr_t *const entry = entry_of(at);
        if (!entry)
            at = at >> (VM_LEAF_ADDRESS_BITS - 1) >> 1 << (VM_LEAF_ADDRESS_BITS - 1)
                                                       << 1; /* start of the leaf */
        struct span *const span = entry ? span_in_granule(vm_load_acquire(entry), wanted) : NULL;
        if (span)
            return wanted - (uintptr_t)span->start < span->bytes ? span : NULL;
        if (at < VM_GRANULE || (uint64_t)at >> VM_LEAF_ADDRESS_BITS >= VM_ROOT_ENTRIES)
            return NULL;
    }
}

void vm_pagemap_walk(void (*visit)(struct span *span, void *context), void *context)
{
    const struct span *last = NULL;
    for (size_t page = 0; x_window && page < vm_kernel.memory_bytes >> vm_kernel.page_shift; page++) {
        struct span *const span = vm_load_acquire(&x_window[page]);
        if (span && span != last)
            visit(span, context);
        last = span ? span : last;
    }
    for (size_t root_index = 0; root_index < VM_ROOT_ENTRIES; root_index++) {
        struct leaf *const leaf = vm_load_acquire(&vm_pagemap_x_root[root_index]);
        for (size_t i = 0; leaf && i < VM_LEAF_ENTRIES; i++) {
            const uintptr_t entry = vm_load_acquire(&leaf->x_entry[i]);
            const size_t n_pages = (size_t)VM_GRANULE >> vm_kernel.page_shift,
                         n_slots = entry & TAG_MASK ? n_pages : (size_t)(entry != 0);
            for (size_t slot = 0; slot < n_slots; slot++) {
                struct span *const span = span_in_page(entry, slot);
                if (span && span != last)
                    visit(span, context);
                last = span ? span : last;
            }
        }
    }
}

struct pagemap_totals vm_pagemap_totals(void)
{
    vm_lock_acquire(&map_lock);
    const struct pagemap_totals totals = {
        .mapped_bytes = n_leaves * vm_round_up(sizeof(struct leaf), vm_kernel.page_bytes) +
                        (x_window ? window_bytes() : 0),
        .static_bytes = sizeof vm_near_map + sizeof vm_pagemap_x_root + sizeof vm_pagemap_n_used,
    };
    vm_lock_release(&map_lock);
    return totals;
}

void vm_pagemap_reset_in_child(void)
{
    if (vm_lock_reset_in_child(&map_lock))
        free_splits = NULL; /* the list may be half changed; entries are single words and are not */
}
