/* SPDX-License-Identifier: MIT */
/*
 * style.c - calls that change what areas are like and leave them where they are: protect, lock and unlock,
 * advise. Areas are split at the ends of the range and merged with neighbours that they have become like.
 */
#include "sim/kernel.h"

/* What is to become of a style: prot, if it is a protection, else flags taken and given. */
struct change {
    bool is_prot;
    unsigned prot, take_flags, give_flags;
};

static struct area_style changed(struct area_style style, const struct change *change)
{
    if (change->is_prot)
        style.prot = change->prot;
    style.flags = (style.flags & ~change->take_flags) | change->give_flags;
    return style;
}

static bool becomes_one(const struct area *left, const struct area *right, const struct area *beside,
                        struct area_style style)
{
    return left && right && left->end == right->start && !vk_area_is_hole(beside) &&
           vk_same_style(beside->style, style);
}

/* How many areas there are more once [start, end) of this area has that style. At most 2; may be negative. */
static int n_areas_more(const struct area *area, vk_va start, vk_va end, struct area_style style)
{
    const struct area *const prev = vk_area_prev(area), *const next = vk_area_next(area);
    const int at_start = start > area->start ? 1 : -becomes_one(prev, area, prev, style);
    const int at_end = end < area->end ? 1 : -becomes_one(area, next, next, style);
    return at_start + at_end;
}

/* Gives the part [start, end) of one area another style. */
static int change_part(struct vk_mm *mm, struct area *area, vk_va start, vk_va end, struct area_style style)
{
    const struct area_style old = area->style;
    if (vk_same_style(old, style))
        return 0;
    const size_t bytes = end - start;
    const bool becomes_writable = style.prot & VK_PROT_WRITE && old.prot != style.prot;
    if (becomes_writable && !vk_mm_may_expand(mm, style, bytes) && vk_mm_may_expand(mm, old, bytes))
        return VK_ENOMEM;
    const int n_more = n_areas_more(area, start, end, style);
    if (n_more > 0 && (mm->areas.n_areas + (size_t)n_more > mm->limit[VK_LIMIT_MAPS] ||
                       !vk_area_pool_reserve(&mm->kernel->pool, (size_t)n_more)))
        return VK_ENOMEM;
    if (old.prot != style.prot) {
        const int done = mm->kernel->backing->protect(mm, start, bytes, style.prot);
        if (done)
            return done;
    }
    vk_areas_isolate(&mm->areas, start, end);
    struct area *const part = vk_areas_find(&mm->areas, start);
    vk_mm_account_less(mm, old, bytes);
    part->style = style;
    vk_mm_account_more(mm, style, bytes);
    vk_areas_merge(&mm->areas, part);
    return 0;
}

/* Changes all of the range, up to the first address that is not mapped: VK_ENOMEM. */
static int change_range(struct vk_mm *mm, vk_va start, vk_va end, const struct change *change)
{
    while (start < end) {
        struct area *const area = vk_areas_find_at(&mm->areas, start);
        if (!area)
            return VK_ENOMEM;
        const vk_va until = vm_min_size(area->end, end);
        const int done = change_part(mm, area, start, until, changed(area->style, change));
        if (done)
            return done;
        start = until;
    }
    return 0;
}

int vk_mm_protect(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot)
{
    if (vk_page_offset(mm, start))
        return VK_EINVAL;
    if (!bytes)
        return 0;
    const vk_va end = start + vk_page_up(mm, bytes);
    if (end <= start)
        return VK_ENOMEM;
    if (prot & ~(unsigned)PROT_ALL)
        return VK_EINVAL;
    return change_range(mm, start, end, &(struct change){.is_prot = true, .prot = prot});
}

/* Bytes of the range that are locked. */
static size_t locked_bytes(struct vk_mm *mm, vk_va start, vk_va end)
{
    size_t bytes = 0;
    const struct area *area = vk_areas_find_in(&mm->areas, start, end);
    for (; area && area->start < end; area = vk_area_next(area))
        if (area->style.flags & AREA_LOCKED)
            bytes += vk_area_overlap(area, start, end);
    return bytes;
}

/* The whole pages that hold the range. False: they have no end. */
static bool pages_around(const struct vk_mm *mm, vk_va *start, size_t bytes, vk_va *end)
{
    bytes = vk_page_up(mm, bytes + vk_page_offset(mm, *start));
    *start -= vk_page_offset(mm, *start);
    *end = *start + bytes;
    return *end >= *start;
}

int vk_mm_lock(struct vk_mm *mm, vk_va start, size_t bytes)
{
    vk_va end;
    const bool has_end = pages_around(mm, &start, bytes, &end);
    const size_t most = vk_pages(mm, mm->limit[VK_LIMIT_MEMLOCK]);
    const size_t n_new = vk_pages(mm, end - start - (has_end ? locked_bytes(mm, start, end) : 0));
    if (most == 0)
        return VK_EPERM;
    if (mm->locked_pages + n_new > most)
        return VK_ENOMEM;
    if (!has_end)
        return VK_EINVAL;
    const int done = change_range(mm, start, end, &(struct change){.give_flags = AREA_LOCKED});
    if (!done)
        mm->kernel->backing->lock(mm, start, end - start);
    return done;
}

int vk_mm_unlock(struct vk_mm *mm, vk_va start, size_t bytes)
{
    vk_va end;
    if (!pages_around(mm, &start, bytes, &end))
        return VK_EINVAL;
    return change_range(mm, start, end, &(struct change){.take_flags = AREA_LOCKED});
}

static int advise_part(struct vk_mm *mm, struct area *area, vk_va start, vk_va end, enum vk_advice advice)
{
    struct change change = {.take_flags = AREA_HUGE | AREA_NOHUGE};
    switch (advice) {
    case VK_ADVICE_HUGE:
    case VK_ADVICE_NOHUGE:
        change.give_flags = advice == VK_ADVICE_HUGE ? AREA_HUGE : AREA_NOHUGE;
        return change_part(mm, area, start, end, changed(area->style, &change));
    case VK_ADVICE_DONTNEED:
    case VK_ADVICE_FREE:
        if (area->style.flags & AREA_LOCKED)
            return VK_EINVAL;
        break;
    case VK_ADVICE_WILLNEED:
        break;
    }
    mm->kernel->backing->advise(mm, start, end - start, area->style.prot, advice);
    return 0;
}

int vk_mm_advise(struct vk_mm *mm, vk_va start, size_t bytes, enum vk_advice advice)
{
    const vk_va end = start + vk_page_up(mm, bytes);
    if ((unsigned)advice > VK_ADVICE_NOHUGE || vk_page_offset(mm, start) ||
        (bytes && !vk_page_up(mm, bytes)) || end < start)
        return VK_EINVAL;
    int result = 0;
    while (start < end) {
        struct area *const area = vk_areas_find_at(&mm->areas, start);
        const struct area *const next = area ? area : vk_areas_find_in(&mm->areas, start, end);
        if (!area) { /* goes on behind what is not mapped, and says so in the end */
            result = VK_ENOMEM;
            start = !next ? end : vk_area_is_hole(next) && next->start <= start ? next->end : next->start;
            continue;
        }
        const vk_va until = vm_min_size(area->end, end);
        const int done = advise_part(mm, area, start, until, advice);
        if (done)
            return done;
        start = until;
    }
    return result;
}
