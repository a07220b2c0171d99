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

/* The error that a call is meant to fail with, or 0. */
static int admit(struct vk_mm *mm, enum fault_site site, size_t bytes)
{
    const struct vk_backing *const backing = mm->kernel->backing;
    return backing->admit ? backing->admit(mm, site, bytes) : 0;
}

int vk_map(struct vk_mm *mm, const struct vk_map *wanted, vk_va *start)
{
    enter(mm);
    const int refused = admit(mm, FAULT_MAP, wanted->bytes);
    return leave(mm, refused ? refused : vk_mm_map(mm, wanted, start));
}

int vk_unmap(struct vk_mm *mm, vk_va start, size_t bytes)
{
    enter(mm);
    const int refused = admit(mm, FAULT_UNMAP, bytes);
    return leave(mm, refused ? refused : vk_mm_unmap(mm, start, bytes));
}

int vk_protect(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot)
{
    enter(mm);
    const int refused = admit(mm, FAULT_PROTECT, bytes);
    return leave(mm, refused ? refused : vk_mm_protect(mm, start, bytes, prot));
}

int vk_remap(struct vk_mm *mm, const struct vk_remap *wanted, vk_va *start)
{
    enter(mm);
    const int refused = admit(mm, FAULT_REMAP, wanted->new_bytes);
    return leave(mm, refused ? refused : vk_mm_remap(mm, wanted, start));
}

int vk_advise(struct vk_mm *mm, vk_va start, size_t bytes, enum vk_advice advice)
{
    enter(mm);
    const int refused = admit(mm, FAULT_ADVISE, bytes);
    return leave(mm, refused ? refused : vk_mm_advise(mm, start, bytes, advice));
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

/* To ask where it is is no call that could fail. */
vk_va vk_brk(struct vk_mm *mm, vk_va wanted)
{
    enter(mm);
    const vk_va old = mm->break_end;
    const bool is_refused = wanted && admit(mm, FAULT_BRK, wanted > old ? wanted - old : old - wanted);
    const vk_va now = is_refused ? old : vk_mm_brk(mm, wanted);
    leave(mm, 0);
    return now;
}

bool vk_is_mapped(struct vk_mm *mm, vk_va at)
{
    enter(mm);
    const struct area *const area = vk_areas_find_at(&mm->areas, at);
    const bool is_mapped = area && !vk_area_is_hole(area);
    leave(mm, 0);
    return is_mapped;
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
