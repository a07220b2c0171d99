/* SPDX-License-Identifier: MIT */
/*
 * hosted.c - a simulated kernel over memory of the host, as a backend: for VMALLOC_BACKEND=sim:SIZE over one mapping, which
 * is all that the host is asked for, and for posix.c. Owns that kernel and its lock, rank KERNEL, taken and released by
 * the hooks.
 *
 * Fork. A child that was born while another thread was in here has a kernel that is half changed. It never looks at that
 * again, but begins with a new kernel in fresh memory of the host. Blocks in the old memory stay what they are: to the new
 * kernel those addresses do not exist, so it refuses to unmap, resize or protect them, which the rooms above know from any
 * kernel, and what they purge is cleared by hand.
 */
#include "base/bits.h"
#include "base/config.h"
#include "base/lock.h"
#include "kernel/kernel.h"
#include "kernel/sim.h"

static struct lock hosted_lock = VM_LOCK_INIT(VM_RANK_KERNEL);
static struct vm_kernel_backend hosted;
static const struct sim_host *hosted_by;

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

static bool open_kernel(struct vk_kernel **kernel)
{
    struct vk_config config = hosted_by->config;
    struct vk_region region = {0};
    config.hooks.lock = enter;
    config.hooks.unlock = leave;
    return hosted_by->reserve(&region) && vk_create(&config, &region, kernel) == 0;
}

struct vm_kernel_backend *vm_sim_host(const struct sim_host *host)
{
    struct vk_kernel *kernel;
    hosted_by = host;
    if (!open_kernel(&kernel) || vm_sim_backend(&hosted, kernel) != 0)
        return NULL;
    hosted.name = host->name;
    return &hosted;
}

void vm_sim_reset_in_child(void)
{
    struct vk_kernel *kernel;
    if (vm_lock_reset_in_child(&hosted_lock))
        hosted.context = open_kernel(&kernel) ? vk_flat_mm(kernel) : NULL;
}

/* --- over one mapping of the host ----------------------------------------------------------------------- */

static size_t region_bytes, unit, host_page; /* unit: a page of the host, or a larger one of ours */

static bool map_region(struct vk_region *region)
{
    struct vm_kernel_backend *const linux_backend = &vm_linux_backend;
    *region = (struct vk_region){
        .start = linux_backend->map(linux_backend->context, region_bytes, unit, VM_ACCESS_READ_WRITE),
        .bytes = region_bytes,
        .contents = VK_CONTENTS_ZERO,
    };
    return region->start != NULL;
}

/* The host's pages go, and read as zero when they are touched again; what is not a whole one is cleared. */
static bool purge_in_host(void *context, void *start, size_t bytes)
{
    (void)context;
    char *const end = (char *)start + bytes;
    char *const from = (char *)vm_round_up((uintptr_t)start, host_page);
    char *const to = (char *)vm_round_down((uintptr_t)end, host_page);
    if (from >= to) {
        __builtin_memset(start, 0, bytes);
        return true;
    }
    __builtin_memset(start, 0, (size_t)(from - (char *)start));
    vm_linux_backend.purge(vm_linux_backend.context, from, (size_t)(to - from));
    __builtin_memset(to, 0, (size_t)(end - to));
    return true;
}

struct vm_kernel_backend *vm_sim_open(size_t bytes, size_t page_bytes)
{
    static struct sim_host host = {
        .name = "sim",
        .config.hooks = {.decommit = purge_in_host, .discard = purge_in_host},
        .reserve = map_region,
    };
    host_page = vm_linux_page_bytes();
    unit = vm_max_size(page_bytes, host_page);
    region_bytes = vm_round_up(bytes, unit);
    host.config.page_bytes = page_bytes ? page_bytes : unit;
    return vm_is_power_of_two(unit) ? vm_sim_host(&host) : NULL;
}
