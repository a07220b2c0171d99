/* SPDX-License-Identifier: MIT */
/*
 * hosted.c - VMALLOC_BACKEND=sim:SIZE: a simulated kernel over a mapping of the host.
 *
 * Owns that kernel and its lock, rank KERNEL, taken and released by the hooks. What is no longer used is
 * purged in the host, so that it takes no memory there either.
 */
#include "base/bits.h"
#include "base/lock.h"
#include "kernel/kernel.h"
#include "kernel/sim.h"
#include "vmalloc/sim.h"

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
    vm_linux_backend.start(&vm_linux_backend);
    const size_t unit = vm_max_size(page_bytes, vm_linux_backend.page_size);
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
