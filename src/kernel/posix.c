/* SPDX-License-Identifier: MIT */
/*
 * posix.c - the kernel wall on any system with mmap and no break that could be used: addresses are reserved, and a
 * simulated kernel in them has the break, the mappings and the remap that the host does not have. Calls of POSIX alone:
 * mmap, mprotect, munmap, sysconf, getrlimit.
 *
 * A reservation costs addresses, no memory: what is used is made accessible, what is not any more is replaced by fresh
 * inaccessible addresses. The first is FIRST_BYTES, each further one as much as there is by then, so that they are few;
 * under a limit of addresses an eighth of that at a time, and in any case less where so much is refused. One is given
 * back only if the simulated kernel did not take it, for want of memory for its records; and there is none for more than
 * the machine has memory, as the records of what nobody could fill would take some of it.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/bits.h"
#include "base/config.h"
#include "kernel/sim.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

enum { LIMIT_SHARE_SHIFT = 3 };
static const size_t first_bytes = sizeof(void *) == 8 ? 256 * VM_MIB : 32 * VM_MIB, least_bytes = 1 * VM_MIB;

static size_t page_bytes, reserved_bytes;
static struct vk_region pending; /* reserved last, and not taken by the kernel yet */

static void *map_at(void *start, size_t bytes, int protection, int flags)
{
    void *const mapped = mmap(start, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

/* What is good to reserve at a time. */
static size_t good_bytes(void)
{
    struct rlimit limit;
    const size_t good = vm_max_size(first_bytes, reserved_bytes);
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return good;
    const rlim_t share = limit.rlim_cur >> LIMIT_SHARE_SHIFT;
    return share < good ? vm_round_down((size_t)share, page_bytes) : good;
}

/* A reservation of what is good, at least of `least`. */
static bool reserve_at_least(size_t least, struct vk_region *region)
{
    size_t bytes = vm_max_size(good_bytes(), least);
    void *start;
    while (!(start = map_at(NULL, bytes, PROT_NONE, MAP_NORESERVE)) && bytes > least)
        bytes = vm_max_size(vm_round_down(bytes / 2, page_bytes), least);
    *region = (struct vk_region){.start = start, .bytes = bytes, .contents = VK_CONTENTS_ZERO};
    if (!start)
        return false;
    reserved_bytes += bytes;
    pending = *region;
    return true;
}

static size_t memory_of_machine(void)
{
#ifdef _SC_PHYS_PAGES
    const long n_pages = sysconf(_SC_PHYS_PAGES);
    if (n_pages > 0 && (size_t)n_pages <= PTRDIFF_MAX / page_bytes)
        return (size_t)n_pages * page_bytes;
#endif
    return PTRDIFF_MAX / 2;
}

static void give_pending_back(void)
{
    if (!pending.start || munmap(pending.start, pending.bytes) != 0)
        return;
    reserved_bytes -= pending.bytes;
    pending = (struct vk_region){0};
}

static bool reserve_first(struct vk_region *region)
{
    return reserve_at_least(least_bytes, region);
}

static bool reserve_more(void *context, size_t bytes, struct vk_region *added)
{
    (void)context;
    give_pending_back();
    return bytes <= memory_of_machine() && reserve_at_least(vm_round_up(bytes, page_bytes), added);
}

static bool commit(void *context, void *start, size_t bytes)
{
    (void)context;
    if (mprotect(start, bytes, PROT_READ | PROT_WRITE) != 0)
        return false;
    if (start == pending.start) /* the records, at its start, come first */
        pending = (struct vk_region){0};
    return true;
}

/* Fresh addresses in place of the old memory, which goes. */
static bool decommit(void *context, void *start, size_t bytes)
{
    (void)context;
    return map_at(start, bytes, PROT_NONE, MAP_FIXED | MAP_NORESERVE) != NULL;
}

static bool discard(void *context, void *start, size_t bytes)
{
    (void)context;
    return map_at(start, bytes, PROT_READ | PROT_WRITE, MAP_FIXED) != NULL;
}

struct vm_kernel_backend *vm_posix_open(void)
{
    static struct sim_host host = {
        .name = "posix",
        .config.hooks = {.commit = commit, .decommit = decommit, .discard = discard, .grow = reserve_more},
        .reserve = reserve_first,
    };
    const long page_size = sysconf(_SC_PAGESIZE);
    page_bytes = page_size > 0 ? (size_t)page_size : 4096;
    host.config.page_bytes = page_bytes;
    return vm_sim_host(&host);
}
