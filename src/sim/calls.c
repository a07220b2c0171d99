/* SPDX-License-Identifier: MIT */
/* calls.c - the public calls on an address space: each under the kernel's one lock. */
#include "sim/kernel.h"

static void enter(const struct vk_mm *mm)
{
    vk_enter(mm->kernel);
}

static int leave(const struct vk_mm *mm, int result)
{
    vk_leave(mm->kernel);
    return result;
}

int vk_map(struct vk_mm *mm, const struct vk_map *wanted, vk_va *start)
{
    enter(mm);
    return leave(mm, vk_mm_map(mm, wanted, start));
}

int vk_unmap(struct vk_mm *mm, vk_va start, size_t bytes)
{
    enter(mm);
    return leave(mm, vk_mm_unmap(mm, start, bytes));
}

int vk_protect(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot)
{
    enter(mm);
    return leave(mm, vk_mm_protect(mm, start, bytes, prot));
}

int vk_remap(struct vk_mm *mm, const struct vk_remap *wanted, vk_va *start)
{
    enter(mm);
    return leave(mm, vk_mm_remap(mm, wanted, start));
}

int vk_advise(struct vk_mm *mm, vk_va start, size_t bytes, enum vk_advice advice)
{
    enter(mm);
    return leave(mm, vk_mm_advise(mm, start, bytes, advice));
}

int vk_lock(struct vk_mm *mm, vk_va start, size_t bytes)
{
    enter(mm);
    return leave(mm, vk_mm_lock(mm, start, bytes));
}

int vk_unlock(struct vk_mm *mm, vk_va start, size_t bytes)
{
    enter(mm);
    return leave(mm, vk_mm_unlock(mm, start, bytes));
}

vk_va vk_brk(struct vk_mm *mm, vk_va wanted)
{
    enter(mm);
    const vk_va now = vk_mm_brk(mm, wanted);
    leave(mm, 0);
    return now;
}

int vk_limit(struct vk_mm *mm, enum vk_limit limit, size_t most)
{
    if ((unsigned)limit >= VK_N_LIMITS)
        return VK_EINVAL;
    enter(mm);
    mm->limit[limit] = most;
    return leave(mm, 0);
}

struct vk_usage vk_usage(struct vk_mm *mm)
{
    enter(mm);
    const struct vk_usage usage = {
        .low = mm->areas.low,
        .high = mm->areas.high,
        .break_start = mm->break_start,
        .break_end = mm->break_end,
        .all_pages = mm->kernel->n_frames,
        .total_pages = mm->total_pages,
        .data_pages = mm->data_pages,
        .exec_pages = mm->exec_pages,
        .locked_pages = mm->locked_pages,
        .resident_pages = mm->resident_pages,
        .total_pages_most = mm->total_pages_most,
        .resident_pages_most = mm->resident_pages_most,
        .n_areas = mm->areas.n_areas,
        .can_grow = mm->kernel->hooks.grow != NULL,
        .n_finds = mm->areas.n_finds,
        .n_find_hits = mm->areas.n_find_hits,
    };
    leave(mm, 0);
    return usage;
}
