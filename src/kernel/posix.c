/* SPDX-License-Identifier: MIT */
/*
 * posix.c - the kernel wall on any system with mmap: the C library's mmap, munmap and mprotect, and nothing
 * else. There is no break that could be used and no remap, so arenas have breaks of their own and large
 * blocks are copied when they grow.
 */
#include <sys/mman.h>
#include <unistd.h>
#include "kernel/kernel.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

static void *map_at(void *start, size_t bytes, enum vm_access access, int flags)
{
    const int protection = access == VM_ACCESS_NONE ? PROT_NONE : PROT_READ | PROT_WRITE;
    void *const mapped = mmap(start, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

static void *map_anywhere(size_t bytes, enum vm_access access)
{
    return map_at(NULL, bytes, access, 0);
}

static void posix_start(struct vm_kernel_backend *self)
{
    const long page_size = sysconf(_SC_PAGESIZE);
    self->page_size = page_size > 0 ? (size_t)page_size : 4096;
}

static bool posix_unmap(void *context, void *start, size_t bytes)
{
    (void)context;
    return munmap(start, bytes) == 0;
}

static void *posix_map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    (void)context;
    return vm_kernel_cut_aligned(map_anywhere, posix_unmap, bytes, alignment, access);
}

/* A fresh mapping in place of the old one: what there was is gone. */
static bool replace(void *start, size_t bytes, enum vm_access access)
{
    return map_at(start, bytes, access, MAP_FIXED) != NULL;
}

static bool posix_protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    (void)context;
    return access == VM_ACCESS_NONE ? replace(start, bytes, access)
                                    : mprotect(start, bytes, PROT_READ | PROT_WRITE) == 0;
}

static void posix_purge(void *context, void *start, size_t bytes)
{
    (void)context;
    if (!replace(start, bytes, VM_ACCESS_READ_WRITE))
        __builtin_memset(start, 0, bytes);
}

static void posix_no_huge_pages(void *context, void *start, size_t bytes)
{
    (void)context;
    (void)start;
    (void)bytes;
}

struct vm_kernel_backend vm_posix_backend = {
    .name = "posix",
    .fresh_is_zero = true,
    .purge_zeroes = true,
    .start = posix_start,
    .map = posix_map,
    .unmap = posix_unmap,
    .protect = posix_protect,
    .purge = posix_purge,
    .no_huge_pages = posix_no_huge_pages,
};
