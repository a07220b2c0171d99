/* SPDX-License-Identifier: MIT */
/*
 * records.h - the tables that an arena has about its pages: the buddy system's records, and the groups of place.h.
 * They grow with the arena, may move, and give back what says nothing. Needs, all: the arena's lock, or that nobody else
 * knows it yet.
 */
#ifndef VM_POOL_RECORDS_H
#define VM_POOL_RECORDS_H

#include "pool/arena.h"

/* Makes room for n_pages. False: no memory, nothing changed. */
bool vm_records_reserve(struct arena *arena, size_t n_pages);

/* The records inside a free block of the largest order say nothing: if that is what page `index` is in, their whole pages
   go back to the kernel. */
void vm_records_purge_block(struct arena *arena, uint32_t index);

/* Nor do those of pages that are not there any more. */
void vm_records_purge_above(struct arena *arena, uint32_t n_pages_before);

/* Bytes that are mapped for them. */
size_t vm_records_bytes(const struct arena *arena);

#endif
