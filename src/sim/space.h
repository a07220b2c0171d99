/* SPDX-License-Identifier: MIT */
/*
 * space.h - what reclaim, migration and vmalloc ask of an address space that has page tables. The pager implements the
 * operations and keeps a struct vk_space in each of its address spaces; frames name it, with the number of their
 * virtual page, as their owner: the reverse mapping. Each user frame has one owner, as there is neither fork nor
 * shared memory.
 *
 * Blanket contract: operations work on one page, whose entry exists and points at the frame that the caller came from;
 * whatever changes an entry also makes every TLB forget it. None of them calls back into frames or reclaim, but `set`,
 * which may take frames for tables, and `kill`.
 */
#ifndef VM_SIM_SPACE_H
#define VM_SIM_SPACE_H

#include "base/compiler.h"
#include "base/list.h"

#define VK_NO_FRAME UINT32_MAX
#define VK_NO_SLOT UINT32_MAX

struct vk_space;
struct vk_group;

struct vk_space_ops {
    /* Points the page, which has no entry, at a frame that may be read and written. False: no frame for a table. */
    bool (*set)(struct vk_space *space, uint64_t vpn, uint32_t pfn);

    /* Takes the entry away; the frame is the caller's business. */
    void (*clear)(struct vk_space *space, uint64_t vpn);

    /* The frame that the page has, VK_NO_FRAME if none. */
    uint32_t (*frame_of)(struct vk_space *space, uint64_t vpn);

    /* Whether the page was accessed since this was asked last. */
    bool (*test_clear_accessed)(struct vk_space *space, uint64_t vpn);

    /* Whether the page was written to since it was said that its contents are not wanted. */
    bool (*is_dirty)(struct vk_space *space, uint64_t vpn);

    /* Points the entry at another frame; all else of it stays. */
    void (*replace)(struct vk_space *space, uint64_t vpn, uint32_t pfn);

    /* The page has no frame any more: its contents are in that slot, and a touch is a major fault. */
    void (*swap_out)(struct vk_space *space, uint64_t vpn, uint32_t slot);

    /* Whether the page is in an area that is locked. */
    bool (*is_locked)(struct vk_space *space, uint64_t vpn);

    /* Out of memory: gives every frame and slot of the address space back. */
    void (*kill)(struct vk_space *space);
};

struct vk_space {
    struct list_node link; /* among all of the machine */
    const struct vk_space_ops *ops;
    struct vk_group *group;
    uint32_t n_resident, n_swapped; /* user frames and swap slots it has; kept by reclaim.c */
    uint32_t n_tables;              /* frames of its page tables; kept by the pager */
    uint32_t id;                    /* names it in reports */
    int kill_adjust; /* thousandths of the memory, added to what it takes when a victim is chosen; -1000: never */
    bool is_killed;
};

#endif
