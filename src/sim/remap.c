/* SPDX-License-Identifier: MIT */
/*
 * remap.c - memory made longer, shorter or moved, by the rules of Linux 6.17 and later:
 *   - Without VK_REMAP_FIXED, shorter is an unmap of the rest, whatever areas that is in; the same length is
 *     nothing at all. Longer is possible in place if the old range ends where its area ends and what follows
 *     is free.
 *   - With it, what is at the target is unmapped first. The same length may span several areas and what is
 *     free between them: each is moved by the same distance. Any other length is for one area alone.
 */
#include "sim/kernel.h"

static bool is_too_near_limit(const struct vk_mm *mm, size_t n_more)
{
    return mm->areas.n_areas + n_more + 3 >= mm->limit[VK_LIMIT_MAPS];
}

static int check_wanted(const struct vk_mm *mm, const struct vk_remap *wanted)
{
    const size_t span = mm->areas.high - mm->areas.low;
    const unsigned all_flags = VK_REMAP_MAYMOVE | VK_REMAP_FIXED;
    if (wanted->flags & ~all_flags || vk_page_offset(mm, wanted->start) || !wanted->new_bytes ||
        wanted->new_bytes > span)
        return VK_EINVAL;
    if (!(wanted->flags & VK_REMAP_FIXED))
        return 0;
    if (wanted->new_start > mm->areas.high - wanted->new_bytes || wanted->new_start < mm->areas.low ||
        vk_page_offset(mm, wanted->new_start) || !(wanted->flags & VK_REMAP_MAYMOVE))
        return VK_EINVAL;
    if (wanted->start + wanted->old_bytes > wanted->new_start &&
        wanted->new_start + wanted->new_bytes > wanted->start)
        return VK_EINVAL;
    return is_too_near_limit(mm, 2) ? VK_ENOMEM : 0;
}

/* Whether one area may serve the request; what is cut off may lie in others. */
static int check_area(const struct vk_mm *mm, const struct area *area, const struct vk_remap *wanted)
{
    const size_t old_bytes = wanted->old_bytes, new_bytes = wanted->new_bytes;
    if (new_bytes <= old_bytes && !(wanted->flags & VK_REMAP_FIXED))
        return 0;
    if (!old_bytes)
        return VK_EINVAL;
    if (vm_min_size(old_bytes, new_bytes) > area->end - wanted->start)
        return VK_EFAULT;
    if (new_bytes <= old_bytes)
        return 0;
    const size_t more = new_bytes - old_bytes;
    if (area->style.flags & AREA_LOCKED &&
        mm->locked_pages + vk_pages(mm, more) > vk_pages(mm, mm->limit[VK_LIMIT_MEMLOCK]))
        return VK_EAGAIN;
    return vk_mm_may_expand(mm, area->style, more) ? 0 : VK_ENOMEM;
}

/* Moves [start, start + bytes) of one area to where nothing is mapped; there it has new_bytes, which is
   more. */
static int move_part(struct vk_mm *mm, vk_va start, size_t bytes, vk_va target, size_t new_bytes)
{
    const struct vk_backing *const backing = mm->kernel->backing;
    const struct area_style style = vk_areas_find_at(&mm->areas, start)->style;
    const size_t more = new_bytes - bytes;
    if (is_too_near_limit(mm, 0) || !vk_area_pool_reserve(&mm->kernel->pool, 2))
        return VK_ENOMEM;
    int done = more ? backing->populate(mm, target + bytes, more, style.prot) : 0;
    if (done)
        return done;
    done = backing->move(mm, start, target, bytes, style.prot);
    if (done) {
        if (more)
            backing->release(mm, target + bytes, more);
        return done;
    }
    vk_mm_forget(mm, start, bytes);
    vk_mm_add(mm, target, new_bytes, style);
    return 0;
}

/* Several areas, or one, to a place of the same length. */
static int move_all(struct vk_mm *mm, const struct vk_remap *wanted)
{
    const vk_va end = wanted->start + wanted->old_bytes;
    if (!vk_areas_find_at(&mm->areas, wanted->start))
        return VK_EFAULT;
    const struct area *area = vk_areas_find_in(&mm->areas, wanted->start, end);
    while (area) {
        const vk_va from = vm_max_size(area->start, wanted->start), to = vm_min_size(area->end, end);
        if (!vk_area_is_hole(area)) {
            const vk_va target = wanted->new_start + (from - wanted->start);
            int done = vk_mm_unmap(mm, target, to - from);
            if (!done)
                done = move_part(mm, from, to - from, target, to - from);
            if (done)
                return done;
        }
        area = vk_areas_find_in(&mm->areas, to, end);
    }
    return 0;
}

/* One area, or a part, to a place of another length. */
static int move_one(struct vk_mm *mm, const struct vk_remap *wanted)
{
    size_t bytes = wanted->old_bytes;
    int done = vk_mm_unmap(mm, wanted->new_start, wanted->new_bytes);
    if (!done && wanted->new_bytes < bytes) {
        done = vk_mm_unmap(mm, wanted->start + wanted->new_bytes, bytes - wanted->new_bytes);
        bytes = wanted->new_bytes;
    }
    return done ? done : move_part(mm, wanted->start, bytes, wanted->new_start, wanted->new_bytes);
}

/* Where it is, or, if that is allowed, elsewhere: *start is set to where. */
static int lengthen(struct vk_mm *mm, const struct area *area, const struct vk_remap *wanted, vk_va *start)
{
    const vk_va end = area->end;
    const size_t more = wanted->new_bytes - wanted->old_bytes;
    if (end - wanted->start == wanted->old_bytes && vk_areas_exist(&mm->areas, end, more) &&
        !vk_areas_find_in(&mm->areas, end, end + more)) {
        const struct area_style style = area->style;
        const int populated = mm->kernel->backing->populate(mm, end, more, style.prot);
        if (!populated)
            vk_mm_add(mm, end, more, style);
        return populated;
    }
    if (!(wanted->flags & VK_REMAP_MAYMOVE) || !vk_mm_find_place(mm, wanted->new_bytes, 0, start))
        return VK_ENOMEM;
    return move_part(mm, wanted->start, wanted->old_bytes, *start, wanted->new_bytes);
}

static int remap(struct vk_mm *mm, const struct vk_remap *wanted, vk_va *start)
{
    const int wrong = check_wanted(mm, wanted);
    if (wrong)
        return wrong;
    if (wanted->flags & VK_REMAP_FIXED && wanted->old_bytes == wanted->new_bytes)
        return move_all(mm, wanted);
    const struct area *const area = vk_areas_find_at(&mm->areas, wanted->start);
    const int refused = area ? check_area(mm, area, wanted) : VK_EFAULT;
    if (refused)
        return refused;
    if (wanted->flags & VK_REMAP_FIXED)
        return move_one(mm, wanted);
    if (wanted->new_bytes > wanted->old_bytes)
        return lengthen(mm, area, wanted, start);
    if (wanted->new_bytes == wanted->old_bytes)
        return 0;
    return vk_mm_unmap(mm, wanted->start + wanted->new_bytes, wanted->old_bytes - wanted->new_bytes);
}

int vk_mm_remap(struct vk_mm *mm, const struct vk_remap *asked, vk_va *start)
{
    struct vk_remap wanted = *asked;
    wanted.old_bytes = vk_page_up(mm, asked->old_bytes);
    wanted.new_bytes = vk_page_up(mm, asked->new_bytes);
    vk_va at = wanted.flags & VK_REMAP_FIXED ? wanted.new_start : wanted.start;
    const int result = remap(mm, &wanted, &at);
    if (!result)
        *start = at;
    return result;
}
