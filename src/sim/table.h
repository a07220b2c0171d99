/* SPDX-License-Identifier: MIT */
/*
 * table.h - page tables: a radix tree over page numbers, whose nodes are frames of the machine. Each table counts its
 * entries in use (in the vpn of its frame's record); one without any is freed with the unmap that leaves it so. The
 * root stays as long as the address space.
 *
 * Entries have the width of the preset, 4 or 8 bytes, and one shape at all levels: flags below, a number above, which
 * is that of a frame, or of a swap slot.
 */
#ifndef VM_SIM_TABLE_H
#define VM_SIM_TABLE_H

#include "sim/machine.h"

enum entry_flags {
    ENTRY_PRESENT = 1, /* may be read, by the MMU's lights */
    ENTRY_WRITE = 2,
    ENTRY_EXEC = 4,
    ENTRY_ACCESSED = 8,
    ENTRY_DIRTY = 16,
    ENTRY_ZERO = 32,      /* the page of zeroes that all share: has no frame number */
    ENTRY_SWAP = 64,      /* not present: the number is that of a slot */
    ENTRY_FILE = 128,     /* a page of a file, not written to yet */
    ENTRY_NO_ACCESS = 256 /* not present, but has its frame: the area forbids all access */
};
enum { ENTRY_SHIFT = 12 };

/* The tables above one page, from the root's level down to the last that exists; level 0 holds entries of pages. */
struct table_path {
    uint64_t vpn;
    unsigned lowest; /* level of the last one that exists */
    uint32_t table[VK_LEVELS_MOST];
};

VM_INLINE uint64_t vk_entry_of(uint32_t number, unsigned flags)
{
    return (uint64_t)number << ENTRY_SHIFT | flags;
}

VM_INLINE uint32_t vk_entry_number(uint64_t entry)
{
    return (uint32_t)(entry >> ENTRY_SHIFT);
}

VM_INLINE bool vk_entry_has_frame(uint64_t entry)
{
    return entry & (ENTRY_PRESENT | ENTRY_NO_ACCESS) && !(entry & ENTRY_ZERO);
}

/* The root of a new address space. False: no frame. */
bool vk_table_init(struct vk_process *process);

/* Gives the root back. Needs: no other table is left. */
void vk_table_destroy(struct vk_process *process);

/* Follows the tables as far as they exist: true if down to level 0. */
bool vk_table_walk(const struct vk_process *process, uint64_t vpn, struct table_path *path);

/* The same, and makes those that are missing. False: no frames; then nothing has changed. */
bool vk_table_make(struct vk_process *process, uint64_t vpn, struct table_path *path);

/* The page's entry. Needs: a path down to level 0. */
uint64_t vk_table_get(const struct vk_process *process, const struct table_path *path);
void vk_table_set(struct vk_process *process, const struct table_path *path, uint64_t entry);

/* Frees tables on the path that have no entry, from the lowest up. */
void vk_table_prune(struct vk_process *process, const struct table_path *path);

/* The first page at or above vpn whose table may exist: behind all that a missing table would hold. */
uint64_t vk_table_skip(const struct vk_process *process, const struct table_path *path);

/* Verifies invariants T1..T3 (see table.c). Returns how many entries have a frame. */
size_t vk_table_check(const struct vk_process *process);

#endif
