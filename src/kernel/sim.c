/* SPDX-License-Identifier: MIT */
/*
 * sim.c - the kernel wall on the simulated kernel: each operation is one call of <vmalloc/sim.h>. Owns nothing. Who makes
 * the simulated kernel: a program, of its own memory, or hosted.c, of the host's.
 */
#include "base/config.h"
#include "kernel/kernel.h"
#include "vmalloc/sim.h"

/* NULL in a fork child that has no kernel (hosted.c): all is refused then, a state that the allocator knows. */
static struct vk_mm *mm_of(void *context)
{
    return context;
}

static unsigned prot_of(enum vm_access access)
{
    return access == VM_ACCESS_NONE ? VK_PROT_NONE : VK_PROT_READ | VK_PROT_WRITE;
}

static void *sim_break_now(void *context)
{
    return context ? (void *)vk_brk(mm_of(context), 0) : NULL;
}

static void *sim_break_grow(void *context, size_t bytes)
{
    const vk_va now = (vk_va)sim_break_now(context), wanted = now + bytes;
    return now && wanted > now && vk_brk(mm_of(context), wanted) == wanted ? (void *)now : NULL;
}

static bool sim_break_trim(void *context, void *end, size_t bytes)
{
    const vk_va now = (vk_va)sim_break_now(context);
    return now && now == (vk_va)end && vk_brk(mm_of(context), now - bytes) == now - bytes;
}

static void *map_at(void *context, void *hint, size_t bytes, size_t alignment, enum vm_access access)
{
    const struct vk_map wanted = {
        .hint = (vk_va)hint,
        .bytes = bytes,
        .alignment = alignment,
        .prot = prot_of(access),
        .flags = hint ? VK_MAP_FIXED : 0,
    };
    vk_va start;
    return context && vk_map(mm_of(context), &wanted, &start) == 0 ? (void *)start : NULL;
}

static void *sim_map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    return map_at(context, NULL, bytes, alignment, access);
}

static bool sim_unmap(void *context, void *start, size_t bytes)
{
    return context && vk_unmap(mm_of(context), (vk_va)start, bytes) == 0;
}

static bool sim_resize(void *context, void *start, size_t old_bytes, size_t new_bytes)
{
    const struct vk_remap wanted = {.start = (vk_va)start, .old_bytes = old_bytes, .new_bytes = new_bytes};
    vk_va now;
    return context && vk_remap(mm_of(context), &wanted, &now) == 0;
}

static bool sim_move(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    const struct vk_remap wanted = {
        .start = (vk_va)start,
        .old_bytes = old_bytes,
        .new_bytes = new_bytes,
        .flags = VK_REMAP_MAYMOVE | VK_REMAP_FIXED,
        .new_start = (vk_va)target,
    };
    vk_va now;
    return context && vk_remap(mm_of(context), &wanted, &now) == 0;
}

static bool sim_protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    if (access == VM_ACCESS_NONE) /* in place of what there was, whose contents go */
        return map_at(context, start, bytes, 0, access) != NULL;
    return context && vk_protect(mm_of(context), (vk_va)start, bytes, prot_of(access)) == 0;
}

static void sim_purge(void *context, void *start, size_t bytes)
{
    if (!context || vk_advise(mm_of(context), (vk_va)start, bytes, VK_ADVICE_DONTNEED) != 0)
        __builtin_memset(start, 0, bytes);
}

static void sim_no_huge_pages(void *context, void *start, size_t bytes)
{
    (void)context;
    (void)start;
    (void)bytes;
}

/* Advice that changes nothing, and says whether the page is mapped. */
static bool sim_is_unused(void *context, const void *address)
{
    if (!context)
        return false;
    const struct vk_usage usage = vk_usage(mm_of(context));
    const vk_va at = vm_round_down((vk_va)address, vm_kernel.page_bytes);
    return at >= usage.low && at < usage.high &&
           vk_advise(mm_of(context), at, vm_kernel.page_bytes, VK_ADVICE_WILLNEED) == VK_ENOMEM;
}

static void sim_describe(void *context, struct vm_kernel_region *region)
{
    if (!context)
        return;
    const struct vk_usage usage = vk_usage(mm_of(context));
    *region = (struct vm_kernel_region){
        .start = (void *)usage.low,
        .bytes = vm_pages_to_bytes(usage.all_pages),
        .used_bytes = vm_pages_to_bytes(usage.total_pages),
        .free_bytes = vm_pages_to_bytes(usage.all_pages - usage.total_pages),
        .used_bytes_max = vm_pages_to_bytes(usage.total_pages_most),
    };
}

int vm_sim_backend(struct vm_kernel_backend *backend, struct vk_kernel *kernel)
{
    const size_t page_bytes = vk_page_bytes(kernel);
    if (page_bytes < (size_t)1 << VM_PAGE_SHIFT_MIN || page_bytes > (size_t)1 << VM_PAGE_SHIFT_MAX)
        return VK_EINVAL;
    const struct vk_usage usage = vk_usage(vk_flat_mm(kernel));
    *backend = (struct vm_kernel_backend){
        .name = "sim",
        .context = vk_flat_mm(kernel),
        .memory = (void *)usage.low,
        .memory_bytes = usage.can_grow ? 0 : usage.high - usage.low,
        .grows_on_demand = usage.can_grow,
        .page_size = page_bytes,
        .has_break = true,
        .has_remap = true,
        .fresh_is_zero = true,
        .purge_zeroes = true,
        .break_grow = sim_break_grow,
        .break_trim = sim_break_trim,
        .break_now = sim_break_now,
        .map = sim_map,
        .unmap = sim_unmap,
        .resize = sim_resize,
        .move = sim_move,
        .protect = sim_protect,
        .purge = sim_purge,
        .no_huge_pages = sim_no_huge_pages,
        .is_unused = sim_is_unused,
        .describe = sim_describe,
    };
    return 0;
}
