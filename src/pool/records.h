/* SPDX-License-Identifier: MIT */
/*
 * records.h - the table of the groups of place.h: in the arena itself for the first pages, else a mapping that grows with
 * the arena, and may move. Needs, all: the arena's lock, or that nobody else knows it yet.
 */
#ifndef VM_POOL_RECORDS_H
#define VM_POOL_RECORDS_H

#include "pool/arena.h"

/* Makes room for n_pages. False: no memory, nothing changed. */
bool vm_records_reserve(struct arena *arena, size_t n_pages);

/* Bytes that are mapped for them: 0 while they are in the arena itself. */
size_t vm_records_bytes(const struct arena *arena);

#endif
