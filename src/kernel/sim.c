/* SPDX-License-Identifier: MIT */
/*
 * sim.c - the kernel wall on the simulated kernel: each operation is one call of <vmalloc/sim.h>. Two ways in:
 * vm_sim_backend, for programs that made a simulated kernel of their own memory, and vm_sim_open, for
 * VMALLOC_BACKEND=sim:SIZE, which lays one over a mapping of the host.
 *
 * Owns the hosted kernel and its lock, rank KERNEL, taken and released by the hooks. What is no longer used is
 * purged in the host, so that it takes no memory there either.
 */
#include "kernel/sim.h"
#include "base/bits.h"
#include "base/config.h"
#include "base/lock.h"
#include "kernel/kernel.h"
#include "vmalloc/sim.h"

/* NULL in a fork child whose kernel is half changed: all is refused then, a state that the allocator knows. */
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

int vm_sim_backend(struct vm_kernel_backend *backend, struct vk_kernel *kernel)
{
    const size_t page_bytes = vk_page_bytes(kernel);
    if (page_bytes < (size_t)1 << VM_PAGE_SHIFT_MIN || page_bytes > (size_t)1 << VM_PAGE_SHIFT_MAX)
        return VK_EINVAL;
    *backend = (struct vm_kernel_backend){
        .name = "sim",
        .context = vk_flat_mm(kernel),
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
    };
    return 0;
}

/* --- over a mapping of the host ------------------------------------------------------------------------- */

static struct lock hosted_lock = VM_LOCK_INIT(VM_RANK_KERNEL);
static struct vm_kernel_backend hosted;

static void enter(void *context)
{
    (void)context;
    vm_lock_acquire(&hosted_lock);
}

static void leave(void *context)
{
    (void)context;
    vm_lock_release(&hosted_lock);
}

/* The host's pages go, and read as zero when they are touched again. */
static bool purge_in_host(void *context, void *start, size_t bytes)
{
    (void)context;
    vm_linux_backend.purge(vm_linux_backend.context, start, bytes);
    return true;
}

struct vm_kernel_backend *vm_sim_open(size_t bytes, size_t page_bytes)
{
    const size_t unit = vm_max_size(page_bytes, vm_linux_page_bytes());
    const struct vk_config config = {
        .page_bytes = unit,
        .hooks = {.lock = enter, .unlock = leave, .decommit = purge_in_host, .discard = purge_in_host},
    };
    if (page_bytes && (page_bytes < unit || !vm_is_power_of_two(page_bytes)))
        return NULL; /* what the host cannot purge by the page */
    struct vk_region region = {.bytes = vm_round_up(bytes, unit), .contents = VK_CONTENTS_ZERO};
    struct vk_kernel *kernel;
    region.start = vm_linux_backend.map(vm_linux_backend.context, region.bytes, unit, VM_ACCESS_READ_WRITE);
    if (!region.start || vk_create(&config, &region, &kernel) != 0 || vm_sim_backend(&hosted, kernel) != 0)
        return NULL;
    return &hosted;
}

void vm_sim_reset_in_child(void)
{
    if (vm_lock_reset_in_child(&hosted_lock))
        hosted.context = NULL;
}
