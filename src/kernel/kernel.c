/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - see kernel.h. Owns the backend in force. No lock: what needs one says so in the contract. An
 * operation that fails changes nothing here but its count.
 */
#include "kernel/kernel.h"
#include <errno.h>
#include "base/atomic.h"
#include "base/bits.h"
#include "base/check.h"

struct kernel_facts vm_kernel;
struct kernel_counts vm_kernel_counts;

static struct vm_kernel_backend *backend;

#define COUNT(operation) vm_fetch_add_relaxed(&vm_kernel_counts.x_##operation, 1)

void vm_kernel_start(struct vm_kernel_backend *new_backend)
{
    const int saved_errno = errno;
    backend = new_backend;
    backend->start(backend);
    VM_CHECK(vm_is_power_of_two(backend->page_size));
    VM_CHECK(backend->page_size >= (size_t)1 << VM_PAGE_SHIFT_MIN);
    VM_CHECK(backend->page_size <= (size_t)1 << VM_PAGE_SHIFT_MAX);
    vm_kernel = (struct kernel_facts){
        .page_bytes = backend->page_size,
        .page_shift = vm_floor_log2(backend->page_size),
        .has_break = backend->has_break,
        .has_remap = backend->has_remap,
        .fresh_is_zero = backend->fresh_is_zero,
        .purge_zeroes = backend->purge_zeroes,
        .name = backend->name,
    };
    errno = saved_errno;
}

static bool is_range(const void *start, size_t bytes)
{
    return start && bytes && (((uintptr_t)start | bytes) & (vm_kernel.page_bytes - 1)) == 0;
}

void *vm_kernel_break_grow(size_t bytes)
{
    VM_ASSERT(bytes > 0);
    const int saved_errno = errno;
    void *const start = vm_kernel.has_break ? backend->break_grow(backend->context, bytes) : NULL;
    errno = saved_errno;
    COUNT(break_grow);
    if (!start)
        COUNT(break_refused);
    return start;
}

bool vm_kernel_break_trim(void *end, size_t bytes)
{
    const int saved_errno = errno;
    const bool done = vm_kernel.has_break && backend->break_trim(backend->context, end, bytes);
    errno = saved_errno;
    COUNT(break_trim);
    return done;
}

void *vm_kernel_break_now(void)
{
    const int saved_errno = errno;
    void *const now = vm_kernel.has_break ? backend->break_now(backend->context) : NULL;
    errno = saved_errno;
    return now;
}

void *vm_kernel_map(size_t bytes, size_t alignment, enum vm_access access)
{
    VM_ASSERT(bytes && bytes % vm_kernel.page_bytes == 0);
    VM_ASSERT(vm_is_power_of_two(alignment) && alignment >= vm_kernel.page_bytes);
    const int saved_errno = errno;
    void *const start = backend->map(backend->context, bytes, alignment, access);
    errno = saved_errno;
    COUNT(map);
    if (!start)
        COUNT(map_refused);
    VM_ASSERT(((uintptr_t)start & (alignment - 1)) == 0);
    return start;
}

bool vm_kernel_unmap(void *start, size_t bytes)
{
    VM_ASSERT(is_range(start, bytes));
    const int saved_errno = errno;
    const bool done = backend->unmap(backend->context, start, bytes);
    errno = saved_errno;
    COUNT(unmap);
    if (!done)
        COUNT(unmap_refused);
    return done;
}

bool vm_kernel_resize(void *start, size_t old_bytes, size_t new_bytes)
{
    VM_ASSERT(is_range(start, old_bytes) && is_range(start, new_bytes));
    const int saved_errno = errno;
    const bool done = vm_kernel.has_remap && backend->resize(backend->context, start, old_bytes, new_bytes);
    errno = saved_errno;
    COUNT(resize);
    return done;
}

bool vm_kernel_move(void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    VM_ASSERT(is_range(start, old_bytes) && is_range(target, new_bytes));
    const int saved_errno = errno;
    const bool done =
        vm_kernel.has_remap && backend->move(backend->context, start, old_bytes, target, new_bytes);
    errno = saved_errno;
    COUNT(move);
    return done;
}

bool vm_kernel_protect(void *start, size_t bytes, enum vm_access access)
{
    VM_ASSERT(is_range(start, bytes));
    const int saved_errno = errno;
    const bool done = backend->protect(backend->context, start, bytes, access);
    errno = saved_errno;
    COUNT(protect);
    return done;
}

void vm_kernel_purge(void *start, size_t bytes)
{
    VM_ASSERT(is_range(start, bytes));
    const int saved_errno = errno;
    backend->purge(backend->context, start, bytes);
    errno = saved_errno;
    COUNT(purge);
}

void vm_kernel_no_huge_pages(void *start, size_t bytes)
{
    const int saved_errno = errno;
    backend->no_huge_pages(backend->context, start, bytes);
    errno = saved_errno;
}
