/* SPDX-License-Identifier: MIT */
/*
 * dirty.h - which free pages of an arena may have contents: RSS that nobody uses, and pages that calloc has to clear.
 *
 * One bit a page, in the groups of place.h, which also count theirs: clean groups are passed over at once. Cost: a step a
 * word of bits. Needs, all but where no lock is needed: the arena's lock, and pages that exist.
 */
#ifndef VM_POOL_DIRTY_H
#define VM_POOL_DIRTY_H

#include "pool/arena.h"

uint32_t vm_dirty_count(const struct arena *arena, uint32_t index, uint32_t n_pages);

/* Needs: none of them is dirty. */
void vm_dirty_mark(struct arena *arena, uint32_t index, uint32_t n_pages);

/* Returns how many were dirty. */
uint32_t vm_dirty_clear(struct arena *arena, uint32_t index, uint32_t n_pages);

/* The first dirty page from `index` on, and before `end`; `end` if there is none. */
uint32_t vm_dirty_next(const struct arena *arena, uint32_t index, uint32_t end);

/* So many pages are taken now. A tide: what is live ebbs away, to an eighth of what was of late, and comes back to a quarter of
   it. */
void vm_dirty_note_tide(struct arena *arena, size_t n_taken);

/* The span took n_pages; n_missed of them were clean though as much was live of late: they were given back in between. */
void vm_dirty_note_missed(struct arena *arena, const struct span *span, size_t n_pages, size_t n_missed);

/* Counts the pages that the quick list has of the arena, for all below to go by. Lock: none needed. */
void vm_dirty_look_at_quick(struct arena *arena);

/* So many dirty free pages an arena may keep, however much was live of late, if about as much is live now. */
size_t vm_dirty_small(void);

/* How many this one may keep, and how many of them for what is live in it: see dirty.c. Lock: none needed. */
size_t vm_dirty_max(const struct arena *arena);
size_t vm_dirty_worth(const struct arena *arena);

/* Whether it was emptied and filled several times of late: VM_DIRTY_TIDES_MIN. Lock: none needed. */
bool vm_dirty_is_tidal(const struct arena *arena);

/* How many it has, and how many pages are live: the blocks of the quick list are dirty, and not live. Lock: none needed. */
size_t vm_dirty_used(const struct arena *arena);
size_t vm_dirty_live(const struct arena *arena);

/* How many more it may keep, the blocks of the quick list counted among them. Lock: none needed. */
size_t vm_dirty_room(const struct arena *arena);

#endif
