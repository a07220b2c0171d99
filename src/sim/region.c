/* SPDX-License-Identifier: MIT */
/*
 * region.c - memory that is handed over becomes a machine, or a further region of one: records at its start,
 * frames behind them, all free. What lies between two regions is a hole in the address space.
 */
#include "base/check.h"
#include "sim/flat.h"

enum { RECORD_ALIGN = 16, PAGE_SHIFT_LEAST = 10, PAGE_SHIFT_MOST = 16, N_AREAS_LEAST = 16 };

static vk_va align_record(vk_va at)
{
    return vm_round_up(at, RECORD_ALIGN);
}

/* What a region with so much memory keeps at its start, from `at` on. */
struct plan {
    vk_va memory, region, areas, start, end; /* all of it; records of frames, of areas; the frames */
    size_t n_pages_max, n_areas;
};

static bool plan_region(const struct vk_kernel *kernel, const struct vk_region *region, vk_va at,
                        struct plan *plan)
{
    const size_t bytes_max = vm_max_size(region->bytes, region->bytes_max);
    const vk_va low = (vk_va)region->start;
    if (!low || bytes_max > UINTPTR_MAX - low)
        return false;
    plan->n_pages_max = bytes_max >> kernel->page_shift;
    plan->n_areas = kernel->n_areas ? kernel->n_areas : plan->n_pages_max / 8;
    plan->n_areas = vm_max_size(plan->n_areas, N_AREAS_LEAST);
    if (plan->n_pages_max > UINT32_MAX / 2 || plan->n_areas > bytes_max / sizeof(struct area))
        return false;
    plan->memory = low;
    plan->region = align_record(at);
    plan->areas = align_record(plan->region + sizeof(struct flat_region) +
                               plan->n_pages_max * sizeof(struct buddy_page));
    plan->start = vm_round_up(plan->areas + vk_area_pool_bytes(plan->n_areas), kernel->page_bytes);
    plan->end = vm_round_down(low + region->bytes, kernel->page_bytes);
    if (plan->start <= low || plan->start >= plan->end)
        return false;
    plan->n_pages_max = (low + bytes_max - plan->start) >> kernel->page_shift;
    return true;
}

/* Makes the memory of the records usable. */
static bool commit_records(const struct vk_hooks *hooks, const struct plan *plan)
{
    return !hooks->commit || hooks->commit(hooks->context, (void *)plan->memory, plan->start - plan->memory);
}

/* New frames at the end of a region, free. */
static void add_frames(struct vk_kernel *kernel, struct flat_region *region, vk_va end,
                       enum vk_contents contents)
{
    const uint32_t first = region->buddy.n_pages;
    const uint32_t n = (uint32_t)((end - region->end) >> kernel->page_shift);
    if (contents != VK_CONTENTS_ZERO)
        for (uint32_t i = 0; i < n; i++)
            region->frames[first + i].tag = FRAME_STALE;
    vm_buddy_resize(&region->buddy, first + n);
    vm_buddy_give(&region->buddy, first, n, BUDDY_BACK);
    region->end = end;
    kernel->n_frames += n;
}

/* Lays a region out in its memory. */
static struct flat_region *make_region(struct vk_kernel *kernel, const struct plan *plan,
                                       enum vk_contents contents)
{
    struct flat_region *const region = (struct flat_region *)plan->region;
    if (contents != VK_CONTENTS_ZERO)
        __builtin_memset(region, 0, plan->areas - plan->region);
    *region = (struct flat_region){
        .memory = plan->memory,
        .start = plan->start,
        .end = plan->start,
        .n_pages_max = (uint32_t)plan->n_pages_max,
    };
    vm_buddy_init(&region->buddy, region->frames);
    add_frames(kernel, region, plan->end, contents);
    vk_area_pool_add(&kernel->pool, (void *)plan->areas, vk_area_pool_bytes(plan->n_areas));
    return region;
}

/* --- the address space around regions ------------------------------------------------------------------- */

static void add_hole(struct areas *areas, vk_va start, vk_va end)
{
    if (start < end)
        vk_areas_add(areas, start, end, (struct area_style){.flags = AREA_HOLE});
}

/* Lets [start, end), which lies in one hole or beyond the ends, exist. Needs: a record. */
static void open_addresses(struct areas *areas, vk_va start, vk_va end)
{
    const vk_va low = areas->low, high = areas->high;
    if (start >= high) {
        vk_areas_set_ends(areas, low, end);
        add_hole(areas, high, start);
    } else if (end <= low) {
        vk_areas_set_ends(areas, start, high);
        add_hole(areas, end, low);
    } else {
        struct area *const hole = vk_areas_find(areas, start);
        const vk_va hole_start = hole->start, hole_end = hole->end;
        VM_CHECK(vk_area_is_hole(hole) && hole_start <= start && hole_end >= end);
        vk_areas_remove(areas, hole);
        add_hole(areas, hole_start, start);
        add_hole(areas, end, hole_end);
    }
}

/* The region that ends at `start`, NULL if none does. */
static struct flat_region *region_before(const struct vk_kernel *kernel, vk_va start)
{
    for (struct flat_region *region = vk_flat_first(kernel); region; region = vk_flat_next(region))
        if (region->end == start)
            return region;
    return NULL;
}

/* Whether the memory meets that of a region. */
static bool overlaps(const struct vk_kernel *kernel, vk_va start, vk_va end)
{
    for (const struct flat_region *region = vk_flat_first(kernel); region; region = vk_flat_next(region))
        if (start < region->end && end > region->memory)
            return true;
    return false;
}

static void enlist(struct vk_kernel *kernel, struct flat_region *region)
{
    struct list_node *prev = NULL;
    for (struct flat_region *at = vk_flat_first(kernel); at && at->start < region->start;
         at = vk_flat_next(at))
        prev = &at->link;
    vm_list_insert(&kernel->regions, &region->link, prev);
}

int vk_flat_add(struct vk_kernel *kernel, const struct vk_region *added)
{
    const vk_va start = (vk_va)added->start;
    if (!start || added->bytes > UINTPTR_MAX - start || overlaps(kernel, start, start + added->bytes))
        return VK_EINVAL;
    if (!vk_area_pool_reserve(&kernel->pool, 1))
        return VK_ENOMEM;
    struct flat_region *region = region_before(kernel, start);
    const size_t n_room = region ? region->n_pages_max - region->buddy.n_pages : 0;
    const size_t n_more = vm_min_size(added->bytes >> kernel->page_shift, n_room);
    if (n_more) {
        const vk_va end = start + (n_more << kernel->page_shift);
        open_addresses(&kernel->mm.areas, start, end);
        add_frames(kernel, region, end, added->contents);
        return 0;
    }
    struct plan plan;
    if (!plan_region(kernel, added, start, &plan) || !commit_records(&kernel->hooks, &plan))
        return VK_ENOMEM;
    region = make_region(kernel, &plan, added->contents);
    enlist(kernel, region);
    open_addresses(&kernel->mm.areas, region->start, region->end);
    return 0;
}

int vk_region_add(struct vk_kernel *kernel, const struct vk_region *region)
{
    vk_enter(kernel);
    const int result = vk_flat_add(kernel, region);
    vk_leave(kernel);
    return result;
}

/* --- the machine ---------------------------------------------------------------------------------------- */

int vk_create(const struct vk_config *config, const struct vk_region *region, struct vk_kernel **kernel)
{
    const size_t page_bytes = config->page_bytes ? config->page_bytes : 4096;
    if (!vm_is_power_of_two(page_bytes) || page_bytes < (size_t)1 << PAGE_SHIFT_LEAST ||
        page_bytes > (size_t)1 << PAGE_SHIFT_MOST || (unsigned)config->layout > VK_BOTTOM_UP ||
        !region->start)
        return VK_EINVAL;
    struct vk_kernel new_kernel = {
        .page_bytes = page_bytes,
        .page_shift = vm_floor_log2(page_bytes),
        .layout = config->layout,
        .n_areas = config->n_areas,
        .hooks = config->hooks,
        .backing = &vk_flat_backing,
        .pool = {.more = config->hooks.more, .context = config->hooks.context},
    };
    struct plan plan;
    const vk_va at = align_record((vk_va)region->start);
    if (!plan_region(&new_kernel, region, at + sizeof new_kernel, &plan) ||
        !commit_records(&config->hooks, &plan))
        return VK_ENOMEM;
    if (config->hooks.panic)
        vm_report_sink.write = config->hooks.panic;
    *kernel = (struct vk_kernel *)at;
    **kernel = new_kernel;
    struct flat_region *const first = make_region(*kernel, &plan, region->contents);
    enlist(*kernel, first);
    vk_mm_init(&(*kernel)->mm, *kernel, first->start, first->end);
    return 0;
}

struct vk_mm *vk_flat_mm(struct vk_kernel *kernel)
{
    return &kernel->mm;
}

size_t vk_page_bytes(const struct vk_kernel *kernel)
{
    return kernel->page_bytes;
}

uintptr_t vk_thread(const struct vk_kernel *kernel)
{
    return kernel->hooks.thread ? kernel->hooks.thread(kernel->hooks.context) : 0;
}
