/* SPDX-License-Identifier: MIT */
/*
 * own-backend.c - a program that brings its own memory: an array of 8 MiB, given to vmalloc as a backend, so
 * that malloc needs no operating system. What a port begins with; see docs/porting.md.
 *
 *   gcc -o own-backend -Iinclude docs/examples/own-backend.c build/libvmalloc.a -pthread
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmalloc/kernel.h"

enum { PAGE_BYTES = 4096, N_PAGES = 2048 };

static _Alignas(65536) char region[N_PAGES][PAGE_BYTES];
static bool is_taken[N_PAGES];
static atomic_flag is_locked = ATOMIC_FLAG_INIT; /* operations may be called by several threads */

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&is_locked, memory_order_acquire))
        ;
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&is_locked, memory_order_release);
}

static bool is_free(size_t first, size_t n_pages)
{
    for (size_t i = first; i < first + n_pages; i++)
        if (is_taken[i])
            return false;
    return true;
}

/* The first gap that is long enough. */
static void *map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    const size_t n_pages = bytes / PAGE_BYTES, step = alignment / PAGE_BYTES;
    char *start = NULL;
    (void)context;
    (void)access; /* all is accessible here */
    if (alignment > 65536)
        return NULL;
    lock();
    for (size_t first = 0; !start && n_pages <= N_PAGES && first <= N_PAGES - n_pages; first += step)
        if (is_free(first, n_pages)) {
            memset(&is_taken[first], true, n_pages);
            start = region[first];
        }
    unlock();
    return start;
}

static bool unmap(void *context, void *start, size_t bytes)
{
    (void)context;
    lock();
    memset(&is_taken[(size_t)((char *)start - region[0]) / PAGE_BYTES], false, bytes / PAGE_BYTES);
    unlock();
    return true;
}

static bool protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    (void)context;
    (void)start;
    (void)bytes;
    (void)access;
    return true;
}

/* There is nobody to give contents back to. */
static void ignore(void *context, void *start, size_t bytes)
{
    (void)context;
    (void)start;
    (void)bytes;
}

/* No break, no remap; memory that was used before is not zero. All of it is in one place, which keeps tables small. */
static struct vm_kernel_backend backend = {
    .name = "array",
    .page_size = PAGE_BYTES,
    .memory = region,
    .memory_bytes = sizeof region,
    .map = map,
    .unmap = unmap,
    .protect = protect,
    .purge = ignore,
    .no_huge_pages = ignore,
};

static enum vm_kernel_result result;

/* Called before the first allocation, which may well be one of the C library's. */
void vm_kernel_before_start(void)
{
    result = vm_kernel_install(&backend);
}

static const char *place_of(const void *block)
{
    const char *const at = block;
    return at >= region[0] && at < region[N_PAGES] ? "in the array" : "elsewhere";
}

int main(void)
{
    printf("vm_kernel_install gives %d\n", (int)result);
    for (size_t bytes = 100; bytes <= 100000000; bytes *= 100) {
        errno = 0;
        void *const block = malloc(bytes);
        printf("a block of %zu bytes: %s\n", bytes, block ? place_of(block) : strerror(errno));
        free(block);
    }
    printf("again, vm_kernel_install gives %d\n", (int)vm_kernel_install(&backend));
    return 0;
}
