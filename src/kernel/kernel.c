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

static struct vm_kernel_backend *backend, *installed;

#define COUNT(operation) vm_fetch_add_relaxed(&vm_kernel_counts.x_##operation, 1)

/*
 * Addresses that one thread gives back and another gets are ordered by the kernel. The thread sanitizer does not see that, and
 * would take what the first did there and what the second does for a race: the first must say that it leaves them.
 */
#ifdef VM_THREAD_SANITIZER
static uint32_t x_left;
#define LEAVE_ADDRESSES() vm_fetch_or(&x_left, 1)
#define GET_ADDRESSES() vm_load_acquire(&x_left) /* pairs with LEAVE_ADDRESSES */
#else
#define LEAVE_ADDRESSES() ((void)0)
#define GET_ADDRESSES() ((void)0)
#endif

static bool is_page_size(size_t bytes)
{
    return vm_is_power_of_two(bytes) && bytes >= (size_t)1 << VM_PAGE_SHIFT_MIN &&
           bytes <= (size_t)1 << VM_PAGE_SHIFT_MAX;
}

static bool is_complete(const struct vm_kernel_backend *of)
{
    const bool has_basics = of->name && of->map && of->unmap && of->protect && of->purge && of->no_huge_pages;
    const bool has_break = of->break_grow && of->break_trim && of->break_now;
    return has_basics && (has_break || !of->has_break) && ((of->resize && of->move) || !of->has_remap);
}

enum vm_kernel_result vm_kernel_install(struct vm_kernel_backend *new_backend)
{
    if (backend)
        return VM_KERNEL_TOO_LATE;
    if (!is_complete(new_backend))
        return VM_KERNEL_INCOMPLETE;
    if (!is_page_size(new_backend->page_size) && (new_backend->page_size || !new_backend->start))
        return VM_KERNEL_PAGE_SIZE;
    installed = new_backend;
    return VM_KERNEL_OK;
}

struct vm_kernel_backend *vm_kernel_installed(void)
{
    return installed;
}

void vm_kernel_start(struct vm_kernel_backend *new_backend)
{
    const int saved_errno = errno;
    backend = new_backend;
    if (backend->start)
        backend->start(backend);
    VM_CHECK(is_page_size(backend->page_size));
    vm_kernel = (struct kernel_facts){
        .page_bytes = backend->page_size,
        .page_shift = vm_floor_log2(backend->page_size),
        .has_break = backend->has_break,
        .has_remap = backend->has_remap,
        .fresh_is_zero = backend->fresh_is_zero,
        .purge_zeroes = backend->purge_zeroes,
        .grows_on_demand = backend->grows_on_demand,
        .name = backend->name,
    };
    if (backend->memory_bytes) {
        const uintptr_t start = (uintptr_t)backend->memory;
        const uintptr_t end = vm_round_up(start + backend->memory_bytes, vm_kernel.page_bytes);
        vm_kernel.memory = (char *)vm_round_down(start, vm_kernel.page_bytes);
        vm_kernel.memory_bytes = end - (uintptr_t)vm_kernel.memory;
    }
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
    GET_ADDRESSES();
    errno = saved_errno;
    COUNT(break_grow);
    if (!start)
        COUNT(break_refused);
    return start;
}

bool vm_kernel_break_trim(void *end, size_t bytes)
{
    const int saved_errno = errno;
    LEAVE_ADDRESSES();
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
    GET_ADDRESSES();
    errno = saved_errno;
    COUNT(map);
    if (!start)
        COUNT(map_refused);
    VM_ASSERT(((uintptr_t)start & (alignment - 1)) == 0);
    return start;
}

void *vm_kernel_map_table(size_t bytes)
{
    void *const start = vm_kernel_map(bytes, vm_kernel.page_bytes, VM_ACCESS_READ_WRITE);
    if (!start)
        return NULL;
    vm_kernel_no_huge_pages(start, bytes);
    if (!vm_kernel.fresh_is_zero)
        __builtin_memset(start, 0, bytes);
    return start;
}

bool vm_kernel_unmap(void *start, size_t bytes)
{
    VM_ASSERT(is_range(start, bytes));
    const int saved_errno = errno;
    LEAVE_ADDRESSES();
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
    LEAVE_ADDRESSES();
    const bool done = vm_kernel.has_remap && backend->resize(backend->context, start, old_bytes, new_bytes);
    GET_ADDRESSES();
    errno = saved_errno;
    COUNT(resize);
    return done;
}

bool vm_kernel_move(void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    VM_ASSERT(is_range(start, old_bytes) && is_range(target, new_bytes));
    const int saved_errno = errno;
    LEAVE_ADDRESSES();
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

bool vm_kernel_is_unused(const void *address)
{
    const int saved_errno = errno;
    const bool is_unused = backend->is_unused && backend->is_unused(backend->context, address);
    errno = saved_errno;
    return is_unused;
}

struct vm_kernel_region vm_kernel_describe(void)
{
    struct vm_kernel_region region = {0};
    const int saved_errno = errno;
    if (backend->describe)
        backend->describe(backend->context, &region);
    errno = saved_errno;
    return region;
}
