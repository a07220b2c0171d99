/* SPDX-License-Identifier: MIT */
/*
 * check.c - the state as a whole: verified, and as a number.
 *
 * Invariants of an address space, which the checker cites, beside K1..K5 of its areas and F1..F4 of its
 * frames:
 *   M1  the accounts are what the areas add up to, and no high-water mark is below what it is of
 *   M2  the break is between its start and the end of the address space
 *   M3  styles hold nothing but what there is
 */
#include "base/check.h"
#include "sim/flat.h"

void vk_mm_check(struct vk_mm *mm)
{
    vk_areas_check(&mm->areas, mm->kernel->page_bytes);
    size_t total = 0, data = 0, exec = 0, stack = 0, locked = 0;
    for (const struct area *area = vk_areas_first(&mm->areas); area; area = vk_area_next(area)) {
        if (vk_area_is_hole(area))
            continue;
        const size_t n_pages = vk_pages(mm, area->end - area->start);
        const bool is_stack = area->style.flags & AREA_STACK;
        const bool is_data = area->style.prot & VK_PROT_WRITE && !is_stack;
        total += n_pages;
        data += is_data ? n_pages : 0;
        stack += is_stack ? n_pages : 0;
        exec += !is_data && !is_stack && area->style.prot & VK_PROT_EXEC ? n_pages : 0;
        locked += area->style.flags & AREA_LOCKED ? n_pages : 0;
        VM_CHECK((area->style.prot | PROT_ALL) == PROT_ALL);              /* M3 */
        VM_CHECK((area->style.flags | AREA_ALL_FLAGS) == AREA_ALL_FLAGS); /* M3 */
    }
    VM_CHECK(total == mm->total_pages && data == mm->data_pages);                  /* M1 */
    VM_CHECK(exec == mm->exec_pages && locked == mm->locked_pages);                /* M1 */
    VM_CHECK(stack == mm->stack_pages);                                            /* M1 */
    VM_CHECK(mm->total_pages_most >= total);                                       /* M1 */
    VM_CHECK(mm->resident_pages_most >= mm->resident_pages);                       /* M1 */
    VM_CHECK(mm->break_start <= mm->break_end && mm->break_end <= mm->areas.high); /* M2 */
}

void vk_check(struct vk_kernel *kernel)
{
    vk_enter(kernel);
    vk_mm_check(&kernel->mm);
    vk_area_pool_check(&kernel->pool, kernel->mm.areas.n_areas + kernel->mm.areas.n_holes);
    vk_flat_check(kernel);
    vk_leave(kernel);
}

/* --- digest --------------------------------------------------------------------------------------------- */

/* The constants are splitmix64's. Not inlined: it is called everywhere here, and never in a hurry. */
VM_NOINLINE uint64_t vk_stir(uint64_t *digest, uint64_t value)
{
    uint64_t z = (*digest += value + 0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return *digest = z ^ z >> 31;
}

void vk_stir_mm(uint64_t *digest, const struct vk_mm *mm, vk_va origin)
{
    const uint64_t values[] = {
        mm->areas.low - origin, mm->areas.high - origin, mm->break_start - origin, mm->break_end - origin,
        mm->areas.n_areas,      mm->areas.n_holes,       mm->total_pages,          mm->data_pages,
        mm->exec_pages,         mm->locked_pages,        mm->resident_pages,
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        vk_stir(digest, values[i]);
    for (unsigned limit = 0; limit < VK_N_LIMITS; limit++)
        vk_stir(digest, mm->limit[limit]);
    for (const struct area *area = vk_areas_first(&mm->areas); area; area = vk_area_next(area)) {
        vk_stir(digest, area->start - origin);
        vk_stir(digest, area->end - area->start);
        vk_stir(digest, (uint64_t)area->style.prot << 32 | area->style.flags);
        vk_stir(digest, area->gap);
    }
}

uint64_t vk_digest(struct vk_kernel *kernel)
{
    vk_enter(kernel);
    const vk_va origin = vk_flat_first(kernel)->start;
    uint64_t digest = kernel->page_bytes;
    vk_stir(&digest, kernel->layout);
    for (const struct flat_region *region = vk_flat_first(kernel); region; region = vk_flat_next(region)) {
        vk_stir(&digest, region->start - origin);
        vk_stir(&digest, region->buddy.n_pages);
        vk_stir(&digest, region->n_pages_max);
        for (uint32_t i = 0; i < region->buddy.n_pages; i++)
            if (region->frames[i].state == BUDDY_FREE)
                vk_stir(&digest, (uint64_t)i << 8 | region->frames[i].order);
    }
    vk_stir_mm(&digest, &kernel->mm, origin);
    vk_leave(kernel);
    return digest;
}
