/* SPDX-License-Identifier: MIT */
/*
 * pager.h - the smallest thing that can be an address space for reclaim and migration: one array of entries, no tables.
 * Each page that was written holds a number in all of its bytes, or as its stamp; reading it back shows that no page
 * was lost or mixed up.
 */
#ifndef TESTS_KERNEL_PAGER_H
#define TESTS_KERNEL_PAGER_H

#include "physical.h"
#include "sim/reclaim.h"

enum entry_state { ENTRY_NONE, ENTRY_PRESENT, ENTRY_SWAPPED };

struct entry {
    uint8_t state;
    bool is_accessed, is_locked;
    uint32_t value; /* the frame, or the slot */
};

struct pager {
    struct vk_space space;
    struct vk_reclaim *reclaim;
    size_t n_pages;
    struct entry *entry;
    uint64_t n_minor, n_major;
};

enum touch { TOUCH_HIT, TOUCH_MINOR, TOUCH_MAJOR, TOUCH_NO_MEMORY, TOUCH_KILLED };

void pager_start(struct pager *pager, struct vk_reclaim *reclaim, struct vk_group *group, size_t n_pages);

/* Gives all back; the address space is no longer among those of the machine. */
void pager_end(struct pager *pager);

enum touch pager_write(struct pager *pager, size_t page, uint64_t value);

/* Writes `seed` plus its number into each page of the range; asserts that this works. Later: asserts it is still there. */
void pager_fill(struct pager *pager, size_t page, size_t n, uint64_t seed);
void pager_compare(struct pager *pager, size_t page, size_t n, uint64_t seed);

void pager_unmap(struct pager *pager, size_t page);
void pager_lock(struct pager *pager, size_t page, size_t n); /* mlock */

/* The frame that the page has; asserts that it has one. */
uint32_t pager_frame(const struct pager *pager, size_t page);

#endif
