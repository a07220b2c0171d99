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

/* The host's pages go, and read as zero when they are touched again; what is not a whole one is cleared. */
static bool purge_in_host(void *context, void *start, size_t bytes)
{
    (void)context;
    char *const end = (char *)start + bytes;
    char *const from = (char *)vm_round_up((uintptr_t)start, vm_linux_backend.page_size);
    char *const to = (char *)vm_round_down((uintptr_t)end, vm_linux_backend.page_size);
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
    vm_linux_backend.start(&vm_linux_backend);
    const size_t unit = vm_max_size(page_bytes, vm_linux_backend.page_size);
    const struct vk_config config = {
        .page_bytes = page_bytes ? page_bytes : unit,
        .hooks = {.lock = enter, .unlock = leave, .decommit = purge_in_host, .discard = purge_in_host},
    };
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
