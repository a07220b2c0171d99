/* SPDX-License-Identifier: MIT */
/*
 * mm.c - an address space: mappings, the break, limits and accounts, by Linux's rules as of version 6.18.
 * The order of the tests in each call is Linux's too: it decides which error a call gives that is wrong
 * twice.
 *
 * The rules that surprise:
 *   - There may be one area more than VK_LIMIT_MAPS: a map is refused above the limit, a split at it.
 *   - The break keeps a page's distance from what is above it; it counts in VK_LIMIT_DATA twice, as the
 *     distance from its start and as pages of data.
 *   - A break whose pages have been unmapped cannot be lowered over them.
 *   - A hint is rounded down to a page, and honoured only if all of the range is free.
 */
#include "base/check.h"
#include "sim/kernel.h"

static const struct area_style break_style = {.prot = VK_PROT_READ | VK_PROT_WRITE};
static const size_t maps_default = 65530;

void vk_mm_init(struct vk_mm *mm, struct vk_kernel *kernel, vk_va low, vk_va high)
{
    *mm = (struct vk_mm){.kernel = kernel, .break_start = low, .break_end = low};
    vk_areas_init(&mm->areas, &kernel->pool, low, high);
    for (unsigned limit = 0; limit < VK_N_LIMITS; limit++)
        mm->limit[limit] = limit == VK_LIMIT_MAPS ? maps_default : SIZE_MAX;
}

/* --- accounts ------------------------------------------------------------------------------------------- */

static void account(struct vk_mm *mm, struct area_style style, size_t n_pages)
{
    mm->total_pages += n_pages;
    if (style.flags & AREA_STACK)
        mm->stack_pages += n_pages;
    else if (style.prot & VK_PROT_WRITE)
        mm->data_pages += n_pages;
    else if (style.prot & VK_PROT_EXEC)
        mm->exec_pages += n_pages;
    if (style.flags & AREA_LOCKED)
        mm->locked_pages += n_pages;
}

void vk_mm_account_more(struct vk_mm *mm, struct area_style style, size_t bytes)
{
    account(mm, style, vk_pages(mm, bytes));
    mm->total_pages_most = vm_max_size(mm->total_pages_most, mm->total_pages);
}

void vk_mm_account_less(struct vk_mm *mm, struct area_style style, size_t bytes)
{
    account(mm, style, -vk_pages(mm, bytes)); /* modulo SIZE_MAX + 1 */
}

bool vk_mm_may_expand(const struct vk_mm *mm, struct area_style style, size_t bytes)
{
    const size_t n_pages = vk_pages(mm, bytes);
    if (mm->total_pages + n_pages > vk_pages(mm, mm->limit[VK_LIMIT_AS]))
        return false;
    return !(style.prot & VK_PROT_WRITE) || style.flags & AREA_STACK ||
           mm->data_pages + n_pages <= vk_pages(mm, mm->limit[VK_LIMIT_DATA]);
}

/* Mapped bytes in the range. */
static size_t mapped_bytes(struct vk_mm *mm, vk_va start, vk_va end)
{
    size_t bytes = 0;
    const struct area *area = vk_areas_find_in(&mm->areas, start, end);
    for (; area && area->start < end; area = vk_area_next(area))
        bytes += vk_area_overlap(area, start, end);
    return bytes;
}

/* --- adding and removing -------------------------------------------------------------------------------- */

void vk_mm_add(struct vk_mm *mm, vk_va start, size_t bytes, struct area_style style)
{
    vk_areas_merge(&mm->areas, vk_areas_add(&mm->areas, start, start + bytes, style));
    vk_mm_account_more(mm, style, bytes);
}

void vk_mm_forget(struct vk_mm *mm, vk_va start, size_t bytes)
{
    vk_areas_isolate(&mm->areas, start, start + bytes);
    struct area *area = vk_areas_find_in(&mm->areas, start, start + bytes), *next;
    for (; area && area->start < start + bytes; area = next) {
        next = vk_area_next(area);
        vk_mm_account_less(mm, area->style, area->end - area->start);
        vk_areas_remove(&mm->areas, area);
    }
}

static void release(struct vk_mm *mm, vk_va start, vk_va end)
{
    const struct area *area = vk_areas_find_in(&mm->areas, start, end);
    for (; area && area->start < end; area = vk_area_next(area)) {
        mm->kernel->backing->release(mm, vm_max_size(area->start, start), vk_area_overlap(area, start, end));
    }
}

/* Whether to unmap the range leaves two areas where one was. */
static bool is_in_the_middle(struct vk_mm *mm, vk_va start, vk_va end)
{
    const struct area *const area = vk_areas_find_in(&mm->areas, start, end);
    return area && area->start < start && area->end > end;
}

static bool may_split(struct vk_mm *mm)
{
    return mm->areas.n_areas < mm->limit[VK_LIMIT_MAPS] && vk_area_pool_reserve(&mm->kernel->pool, 1);
}

static int unmap_range(struct vk_mm *mm, vk_va start, vk_va end)
{
    if (is_in_the_middle(mm, start, end) && !may_split(mm))
        return VK_ENOMEM;
    release(mm, start, end);
    vk_mm_forget(mm, start, end - start);
    return 0;
}

int vk_mm_unmap(struct vk_mm *mm, vk_va start, size_t bytes)
{
    if (vk_page_offset(mm, start) || !vk_areas_exist(&mm->areas, start, bytes))
        return VK_EINVAL;
    bytes = vk_page_up(mm, bytes);
    return bytes ? unmap_range(mm, start, start + bytes) : VK_EINVAL;
}

/* --- map ------------------------------------------------------------------------------------------------ */

bool vk_mm_find_place(struct vk_mm *mm, size_t bytes, size_t alignment, vk_va *place)
{
    const struct vk_backing *const backing = mm->kernel->backing;
    struct gap_wanted wanted = {
        .bytes = bytes,
        .alignment = vm_max_size(alignment, mm->kernel->page_bytes),
        .from = mm->kernel->layout == VK_TOP_DOWN ? RB_RIGHT : RB_LEFT,
    };
    if (backing->find_gap(mm, &wanted, place))
        return true;
    const size_t slack = wanted.alignment - mm->kernel->page_bytes;
    return bytes <= SIZE_MAX - slack && backing->grow(mm->kernel, bytes + slack) &&
           backing->find_gap(mm, &wanted, place);
}

static int place_fixed(struct vk_mm *mm, const struct vk_map *wanted, size_t bytes)
{
    struct areas *const areas = &mm->areas;
    const bool is_outside = wanted->hint < areas->low || wanted->hint > areas->high - bytes;
    if (is_outside)
        return VK_ENOMEM;
    if (vk_page_offset(mm, wanted->hint))
        return VK_EINVAL;
    if (!vk_areas_exist(areas, wanted->hint, bytes))
        return VK_ENOMEM;
    if (wanted->flags & VK_MAP_FIXED_NOREPLACE && vk_areas_find_in(areas, wanted->hint, wanted->hint + bytes))
        return VK_EEXIST;
    return 0;
}

/* Where the mapping goes. */
static int place(struct vk_mm *mm, const struct vk_map *wanted, size_t bytes, vk_va *start)
{
    if (bytes > mm->areas.high - mm->areas.low && wanted->flags & (VK_MAP_FIXED | VK_MAP_FIXED_NOREPLACE))
        return VK_ENOMEM;
    *start = wanted->hint;
    if (wanted->flags & (VK_MAP_FIXED | VK_MAP_FIXED_NOREPLACE))
        return place_fixed(mm, wanted, bytes);
    *start -= vk_page_offset(mm, *start);
    const bool is_aligned = !wanted->alignment || (*start & (wanted->alignment - 1)) == 0;
    if (*start && is_aligned && vk_areas_exist(&mm->areas, *start, bytes) &&
        !vk_areas_find_in(&mm->areas, *start, *start + bytes))
        return 0;
    return vk_mm_find_place(mm, bytes, wanted->alignment, start) ? 0 : VK_ENOMEM;
}

int vk_mm_map(struct vk_mm *mm, const struct vk_map *wanted, vk_va *start)
{
    const unsigned all_flags = VK_MAP_FIXED | VK_MAP_FIXED_NOREPLACE | VK_MAP_NORESERVE;
    if (!wanted->bytes || wanted->prot & ~(unsigned)PROT_ALL || wanted->flags & ~all_flags ||
        (wanted->alignment & (wanted->alignment - 1)) != 0)
        return VK_EINVAL;
    const size_t bytes = vk_page_up(mm, wanted->bytes);
    if (!bytes || mm->areas.n_areas > mm->limit[VK_LIMIT_MAPS])
        return VK_ENOMEM;
    vk_va at;
    const int placed = place(mm, wanted, bytes, &at);
    if (placed)
        return placed;

    const struct area_style style = {
        .prot = wanted->prot, .flags = wanted->flags & VK_MAP_NORESERVE ? (unsigned)AREA_NORESERVE : 0};
    const bool splits = is_in_the_middle(mm, at, at + bytes);
    if ((splits && !may_split(mm)) || !vk_area_pool_reserve(&mm->kernel->pool, splits ? 2 : 1) ||
        !vk_mm_may_expand(mm, style, bytes - mapped_bytes(mm, at, at + bytes)))
        return VK_ENOMEM;
    unmap_range(mm, at, at + bytes); /* cannot be refused any more */
    const int populated = mm->kernel->backing->populate(mm, at, bytes, style.prot);
    if (populated)
        return populated;
    vk_mm_add(mm, at, bytes, style);
    *start = at;
    return 0;
}

/* --- the break ------------------------------------------------------------------------------------------ */

static bool break_shrinks(struct vk_mm *mm, vk_va end, vk_va old_end)
{
    return vk_areas_find_in(&mm->areas, end, old_end) && !unmap_range(mm, end, old_end);
}

static bool break_grows(struct vk_mm *mm, vk_va old_end, vk_va end)
{
    const size_t bytes = end - old_end;
    if (end < old_end)
        return false;
    const struct area *const next = vk_areas_find_in(&mm->areas, old_end, end + mm->kernel->page_bytes);
    if (next && (next->start < end || !vk_area_is_hole(next)))
        return false;
    if (!vk_mm_may_expand(mm, break_style, bytes) || mm->areas.n_areas > mm->limit[VK_LIMIT_MAPS] ||
        !vk_area_pool_reserve(&mm->kernel->pool, 1))
        return false;
    if (end > mm->areas.high && !mm->kernel->backing->grow(mm->kernel, end - mm->areas.high))
        return false;
    if (!vk_areas_exist(&mm->areas, old_end, bytes)) /* what was added may lie elsewhere */
        return false;
    if (mm->kernel->backing->populate(mm, old_end, bytes, break_style.prot))
        return false;
    vk_mm_add(mm, old_end, bytes, break_style);
    return true;
}

vk_va vk_mm_brk(struct vk_mm *mm, vk_va wanted)
{
    if (wanted < mm->break_start || wanted - mm->break_start > mm->limit[VK_LIMIT_DATA])
        return mm->break_end;
    const vk_va old_end = vk_page_up(mm, mm->break_end), end = vk_page_up(mm, wanted);
    const bool moves = end == old_end           ? true
                       : wanted < mm->break_end ? break_shrinks(mm, end, old_end)
                                                : break_grows(mm, old_end, end);
    if (moves)
        mm->break_end = wanted;
    return mm->break_end;
}

const char *vk_heap_name(const struct vk_mm *mm, const struct area *area)
{
    return area->start < mm->break_end && area->end > mm->break_start ? "[heap]" : NULL;
}
