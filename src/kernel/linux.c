/* SPDX-License-Identifier: MIT */
/*
 * linux.c - the kernel wall on Linux. System calls: brk (moved through the C library's sbrk), mmap, munmap, mremap,
 * mprotect, madvise.
 *
 * The break moves through sbrk because the C library caches it: moved behind its back, a later sbrk of the
 * program would hand out our memory. All else goes through syscall(2), which nobody interposes: a wrapper
 * library's own mmap may call dlsym, which allocates, which would bring it back here.
 */
#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/bits.h"
#include "base/check.h"
#include "kernel/kernel.h"

static bool failed(long result)
{
    return result == -1;
}

static void *system_map(size_t bytes, enum vm_access access)
{
    const long protection = access == VM_ACCESS_NONE ? 0 /* PROT_NONE */ : PROT_READ | PROT_WRITE;
    const long flags = MAP_PRIVATE | MAP_ANONYMOUS | (access == VM_ACCESS_NONE ? MAP_NORESERVE : 0);
#ifdef SYS_mmap2
    const long result = syscall(SYS_mmap2, 0L, bytes, protection, flags, -1L, 0L);
#else
    const long result = syscall(SYS_mmap, 0L, bytes, protection, flags, -1L, 0L);
#endif
    return failed(result) ? NULL : (void *)result;
}

void *vm_linux_first_break;

size_t vm_linux_page_bytes(void)
{
    const size_t page_size = getauxval(AT_PAGESZ);
    return page_size ? page_size : 4096;
}

static void linux_start(struct vm_kernel_backend *self)
{
    self->page_size = vm_linux_page_bytes();
    vm_linux_first_break = sbrk(0);
    self->has_break = vm_linux_first_break != (void *)-1;
}

/*
 * Memory from the break is zero, but valgrind's memcheck takes it for undefined, unlike that from mmap: says
 * so to it, by the instructions that it looks out for. They turn a register round once and do nothing
 * elsewhere.
 */
static void tell_memcheck_defined(void *start, size_t bytes)
{
#if defined(__x86_64__) && defined(__LP64__)
    enum { MAKE_MEM_DEFINED = 'M' << 24 | 'C' << 16 | 2 };
    const uint64_t request[6] = {MAKE_MEM_DEFINED, (uintptr_t)start, bytes};
    uint64_t result = 0;
    __asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi; xchgq %%rbx, %%rbx"
                     : "+d"(result)
                     : "a"(request)
                     : "cc", "memory");
#else
    (void)start;
    (void)bytes;
#endif
}

/*
 * Whether the kernel's break is where the C library believes it to be. Fork copies that number first and the address
 * space a moment later; a break that another thread moved in between is another one in the child. Moved on from there, it
 * would leave addresses out that have no memory.
 */
static bool is_break_known(void)
{
    return (void *)syscall(SYS_brk, 0L) == sbrk(0);
}

static void *linux_break_grow(void *context, size_t bytes)
{
    (void)context;
    void *const start = bytes <= PTRDIFF_MAX && is_break_known() ? sbrk((intptr_t)bytes) : (void *)-1;
    if (start == (void *)-1)
        return NULL;
    tell_memcheck_defined(start, bytes);
    return start;
}

static bool linux_break_trim(void *context, void *end, size_t bytes)
{
    (void)context;
    if (sbrk(0) != end)
        return false;
    return sbrk(-(intptr_t)bytes) != (void *)-1;
}

static void *linux_break_now(void *context)
{
    (void)context;
    void *const now = sbrk(0);
    return now == (void *)-1 ? NULL : now;
}

static bool linux_unmap(void *context, void *start, size_t bytes)
{
    (void)context;
    if (!failed(syscall(SYS_munmap, start, bytes)))
        return true;
    VM_CHECK(errno == ENOMEM); /* too many mappings; anything else would be our bug */
    return false;
}

static void *linux_map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    (void)context;
    return vm_kernel_cut_aligned(system_map, linux_unmap, bytes, alignment, access);
}

static bool linux_resize(void *context, void *start, size_t old_bytes, size_t new_bytes)
{
    (void)context;
    return !failed(syscall(SYS_mremap, start, old_bytes, new_bytes, 0L));
}

static bool linux_move(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    (void)context;
    const long flags = 1 /* MREMAP_MAYMOVE */ | 2 /* MREMAP_FIXED */;
    return !failed(syscall(SYS_mremap, start, old_bytes, new_bytes, flags, target));
}

static bool linux_protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    (void)context;
    if (access == VM_ACCESS_READ_WRITE)
        return !failed(syscall(SYS_mprotect, start, bytes, (long)(PROT_READ | PROT_WRITE)));
    /* A fresh inaccessible mapping in place of the old one drops contents and accounting in one call. */
    const long flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
#ifdef SYS_mmap2
    return !failed(syscall(SYS_mmap2, start, bytes, 0L, flags, -1L, 0L));
#else
    return !failed(syscall(SYS_mmap, start, bytes, 0L, flags, -1L, 0L));
#endif
}

static void linux_purge(void *context, void *start, size_t bytes)
{
    (void)context;
    /* MADV_DONTNEED, not MADV_FREE: users and autoscalers watch RSS, and it falls at once. Locked pages
       refuse, and so may a filter of system calls. */
    if (failed(syscall(SYS_madvise, start, bytes, (long)MADV_DONTNEED)))
        __builtin_memset(start, 0, bytes);
}

static void linux_no_huge_pages(void *context, void *start, size_t bytes)
{
    (void)context;
    syscall(SYS_madvise, start, bytes, (long)MADV_NOHUGEPAGE);
}

struct vm_kernel_backend vm_linux_backend = {
    .name = "linux",
    .has_remap = true,
    .fresh_is_zero = true,
    .purge_zeroes = true,
    .start = linux_start,
    .break_grow = linux_break_grow,
    .break_trim = linux_break_trim,
    .break_now = linux_break_now,
    .map = linux_map,
    .unmap = linux_unmap,
    .resize = linux_resize,
    .move = linux_move,
    .protect = linux_protect,
    .purge = linux_purge,
    .no_huge_pages = linux_no_huge_pages,
};
