/* SPDX-License-Identifier: MIT */
/* pager.c - see pager.h. */
#include "pager.h"
#include <stdlib.h>

static struct pager *pager_of(struct vk_space *space)
{
    return VM_CONTAINER(space, struct pager, space);
}

static struct entry *present(struct vk_space *space, uint64_t vpn)
{
    struct entry *const entry = &pager_of(space)->entry[vpn];
    UNIT_REQUIRE(vpn < pager_of(space)->n_pages && entry->state == ENTRY_PRESENT);
    return entry;
}

static bool set(struct vk_space *space, uint64_t vpn, uint32_t pfn)
{
    struct entry *const entry = &pager_of(space)->entry[vpn];
    UNIT_REQUIRE(entry->state == ENTRY_NONE);
    entry->state = ENTRY_PRESENT;
    entry->value = pfn;
    return true;
}

static void clear(struct vk_space *space, uint64_t vpn)
{
    present(space, vpn)->state = ENTRY_NONE;
}

static uint32_t frame_of(struct vk_space *space, uint64_t vpn)
{
    const struct entry *const entry = &pager_of(space)->entry[vpn];
    return entry->state == ENTRY_PRESENT ? entry->value : VK_NO_FRAME;
}

static bool test_clear_accessed(struct vk_space *space, uint64_t vpn)
{
    struct entry *const entry = present(space, vpn);
    const bool was_accessed = entry->is_accessed;
    entry->is_accessed = false;
    return was_accessed;
}

/* Nothing here says that it does without what a page holds. */
static bool is_dirty(struct vk_space *space, uint64_t vpn)
{
    present(space, vpn);
    return true;
}

static void replace(struct vk_space *space, uint64_t vpn, uint32_t pfn)
{
    present(space, vpn)->value = pfn;
}

static void swap_out(struct vk_space *space, uint64_t vpn, uint32_t slot)
{
    struct entry *const entry = present(space, vpn);
    entry->state = ENTRY_SWAPPED;
    entry->value = slot;
}

static bool is_locked(struct vk_space *space, uint64_t vpn)
{
    return present(space, vpn)->is_locked;
}

static void give_all(struct vk_space *space)
{
    for (size_t page = 0; page < pager_of(space)->n_pages; page++)
        pager_unmap(pager_of(space), page);
}

static const struct vk_space_ops ops = {
    .set = set,
    .clear = clear,
    .frame_of = frame_of,
    .test_clear_accessed = test_clear_accessed,
    .is_dirty = is_dirty,
    .replace = replace,
    .swap_out = swap_out,
    .is_locked = is_locked,
    .kill = give_all,
};

void pager_start(struct pager *pager, struct vk_reclaim *reclaim, struct vk_group *group, size_t n_pages)
{
    *pager = (struct pager){
        .space = {.ops = &ops, .id = (uint32_t)n_pages},
        .reclaim = reclaim,
        .n_pages = n_pages,
        .entry = calloc(n_pages, sizeof *pager->entry),
    };
    assert_non_null(pager->entry);
    vk_space_add(reclaim, &pager->space, group);
}

void pager_end(struct pager *pager)
{
    give_all(&pager->space);
    vk_space_remove(pager->reclaim, &pager->space);
    free(pager->entry);
}

void pager_unmap(struct pager *pager, size_t page)
{
    struct entry *const entry = &pager->entry[page];
    const uint32_t value = entry->value;
    const enum entry_state state = entry->state;
    *entry = (struct entry){.is_locked = entry->is_locked};
    if (state == ENTRY_PRESENT)
        vk_user_give(pager->reclaim, value);
    else if (state == ENTRY_SWAPPED)
        vk_swap_free(pager->reclaim, value);
}

void pager_lock(struct pager *pager, size_t page, size_t n)
{
    for (size_t i = page; i < page + n; i++)
        pager->entry[i].is_locked = true;
}

uint32_t pager_frame(const struct pager *pager, size_t page)
{
    assert_int_equal(pager->entry[page].state, ENTRY_PRESENT);
    return pager->entry[page].value;
}

/* Has a frame for the page, by a fault if it needs one. */
static enum touch touch(struct pager *pager, size_t page)
{
    struct entry *const entry = &pager->entry[page];
    const bool is_swapped = entry->state == ENTRY_SWAPPED;
    if (entry->state != ENTRY_PRESENT) {
        pager->reclaim->serving = &pager->space;
        const uint32_t pfn = is_swapped ? vk_swap_in(pager->reclaim, entry->value)
                                        : vk_user_take(pager->reclaim, &pager->space, page);
        pager->reclaim->serving = NULL;
        if (pfn == VK_NO_FRAME) {
            if (!pager->space.is_killed)
                return TOUCH_NO_MEMORY;
            give_all(&pager->space);
            return TOUCH_KILLED;
        }
        *(is_swapped ? &pager->n_major : &pager->n_minor) += 1;
        entry->state = ENTRY_PRESENT;
        entry->value = pfn;
        entry->is_accessed = true;
        return is_swapped ? TOUCH_MAJOR : TOUCH_MINOR;
    }
    entry->is_accessed = true;
    return TOUCH_HIT;
}

enum touch pager_write(struct pager *pager, size_t page, uint64_t value)
{
    const enum touch done = touch(pager, page);
    if (done == TOUCH_NO_MEMORY || done == TOUCH_KILLED)
        return done;
    struct vk_phys *const phys = pager->reclaim->phys;
    const uint32_t pfn = pager_frame(pager, page);
    if (phys->config.keeps_stamps) {
        phys->frame[pfn].stamp = value;
        return done;
    }
    uint64_t *const words = vk_frame_bytes(phys, pfn);
    for (size_t i = 0; i < vk_phys_page_bytes(phys) / sizeof *words; i++)
        words[i] = value;
    return done;
}

static bool holds(const struct pager *pager, uint32_t pfn, uint64_t value)
{
    struct vk_phys *const phys = pager->reclaim->phys;
    if (phys->config.keeps_stamps)
        return phys->frame[pfn].stamp == value;
    const uint64_t *const words = vk_frame_bytes(phys, pfn);
    size_t n = 0;
    while (n < vk_phys_page_bytes(phys) / sizeof *words && words[n] == value)
        n++;
    return n == vk_phys_page_bytes(phys) / sizeof *words;
}

void pager_fill(struct pager *pager, size_t page, size_t n, uint64_t seed)
{
    for (size_t i = page; i < page + n; i++)
        assert_in_range(pager_write(pager, i, seed + i), TOUCH_HIT, TOUCH_MAJOR);
}

void pager_compare(struct pager *pager, size_t page, size_t n, uint64_t seed)
{
    for (size_t i = page; i < page + n; i++) {
        assert_in_range(touch(pager, i), TOUCH_HIT, TOUCH_MAJOR);
        assert_true(holds(pager, pager_frame(pager, i), seed + i));
    }
}
