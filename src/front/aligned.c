/* SPDX-License-Identifier: MIT */
/*
 * aligned.c - the memalign family. Blocks of a class whose size is a multiple of the alignment are aligned to
 * it, as slabs are aligned to their own size and their waste is in front; larger alignments get pages. Owns
 * nothing.
 */
#include <errno.h>
#include "base/bits.h"
#include "front/front.h"
#include "heap/heap_fast.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "slab/sizeclass.h"
#include "vmalloc/vmalloc.h"

/* A small block from the calling thread's bins, whose groups have blocks of their own classes alone. NULL: none at hand. */
VM_INLINE void *aligned_fast(size_t alignment, size_t size)
{
    if (VM_UNLIKELY(size - 1 >= VM_SMALL_MAX) || VM_UNLIKELY(alignment > VM_SMALL_MAX))
        return NULL;
    const struct bin *const bin = vm_heap_small_bin(vm_round_up(size, alignment));
    const vm_word mask = vm_load_relaxed(&bin->group->x_mask);
    return VM_LIKELY(mask != 0) ? vm_heap_take(bin, mask) : NULL;
}

/* A block aligned to `alignment`, a power of two. NULL without errno: out of memory. */
VM_NOINLINE static void *aligned_slow(size_t alignment, size_t size)
{
    if (size > PTRDIFF_MAX)
        return NULL;
    if (alignment <= VM_BLOCK_ALIGN)
        return vm_malloc(size);
    vm_heap_first_call();
    if (VM_UNLIKELY(vm_heap_self->taker != NULL))
        return vm_heap_self->taker->aligned(alignment, size);
    if (alignment <= VM_GRANULE && size <= VM_SLAB_BLOCK_MAX - alignment) {
        /* Its class is a multiple of the alignment: above 256 bytes, classes are multiples of a power of two,
           their step, and all multiples of larger powers are classes. */
        const size_t bytes = vm_round_up(size ? size : 1, alignment);
        if (bytes <= vm_load_relaxed(&vm_large_policy.x_slab_max)) {
            void *const block = vm_malloc(bytes);
            if (VM_LIKELY(((uintptr_t)block & (alignment - 1)) == 0))
                return block;
            /* A compound block, or a larger class helped out: these are not aligned like this. */
            vm_free(block);
            void *const plain = vm_heap_alloc_plain(vm_class_of(bytes));
            if (VM_LIKELY(plain != NULL))
                return vm_front_fill_fresh(plain, bytes);
        }
    }
    void *block = vm_large_alloc(size ? size : 1, alignment);
    if (VM_UNLIKELY(!block) && alignment <= PTRDIFF_MAX - size) {
        vm_front_relieve();
        block = vm_large_alloc(size ? size : 1, alignment);
    }
    return vm_front_fill_fresh(block, size);
}

VM_INLINE void *aligned_block(size_t alignment, size_t size)
{
    void *const block = aligned_fast(alignment, size);
    return VM_LIKELY(block != NULL) ? block : aligned_slow(alignment, size);
}

/* Least power of two at or above; 0 if there is none. */
static size_t next_power_of_two(size_t value)
{
    if (value > SIZE_MAX / 2 + 1)
        return 0;
    return value <= 1 ? 1 : (size_t)1 << vm_ceil_log2(value);
}

static void *fail(int error)
{
    errno = error;
    return NULL;
}

void *vm_memalign(size_t alignment, size_t size)
{
    const size_t power = next_power_of_two(alignment);
    if (!power)
        return fail(EINVAL);
    void *const block = aligned_block(power, size);
    return block ? block : fail(ENOMEM);
}

void *vm_aligned_alloc(size_t alignment, size_t size)
{
    return vm_is_power_of_two(alignment) ? vm_memalign(alignment, size) : fail(EINVAL);
}

int vm_posix_memalign(void **result, size_t alignment, size_t size)
{
    if (!vm_is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    void *block = aligned_fast(alignment, size);
    if (VM_UNLIKELY(!block)) {
        const int saved_errno = errno;
        block = aligned_slow(alignment, size);
        errno = saved_errno;
        if (!block)
            return ENOMEM;
    }
    *result = block;
    return 0;
}

/* Of the pages that the program knows, not of a simulated kernel's smaller ones. */
static size_t program_page_bytes(void)
{
    vm_heap_first_call();
    return vm_max_size(vm_kernel.page_bytes, vm_process_page_bytes());
}

void *vm_valloc(size_t size)
{
    return vm_memalign(program_page_bytes(), size);
}

void *vm_pvalloc(size_t size)
{
    const size_t page_bytes = program_page_bytes();
    return size > PTRDIFF_MAX ? fail(ENOMEM) : vm_memalign(page_bytes, vm_round_up(size, page_bytes));
}

VM_LIBC_NAME(memalign, vm_memalign);
VM_LIBC_NAME(aligned_alloc, vm_aligned_alloc);
VM_LIBC_NAME(posix_memalign, vm_posix_memalign);
VM_LIBC_NAME(valloc, vm_valloc);
VM_LIBC_NAME(pvalloc, vm_pvalloc);
VM_LIBC_NAME(__libc_memalign, vm_memalign);
VM_LIBC_NAME(__posix_memalign, vm_posix_memalign);
VM_LIBC_NAME(__libc_valloc, vm_valloc);
VM_LIBC_NAME(__libc_pvalloc, vm_pvalloc);
