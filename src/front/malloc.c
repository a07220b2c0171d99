/* SPDX-License-Identifier: MIT */
/*
 * malloc.c - the C family: malloc, calloc, realloc, free and their kin, under vm_ names and, in the libraries
 * that take malloc's place, under the C library's. Decides who serves a request: slabs, the pool or a
 * mapping. Owns nothing.
 */
#include <errno.h>
#include "base/check.h"
#include "front/front.h"
#include "heap/heap_fast.h"
#include "heap/perturb.h"
#include "heap/remote.h"
#include "heap/thread.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "pool/pool.h"
#include "vmalloc/vmalloc.h"

static void *out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* Not this heap but its taker serves; or the pool has nothing for the class: once more with what others keep, then
   whatever free block there is, if need be of a larger class. */
VM_COLD static void *alloc_otherwise(size_t size, unsigned class_index)
{
    if (vm_heap_self->taker)
        return vm_heap_self->taker->malloc(size);
    vm_front_relieve();
    void *const block = vm_heap_alloc(class_index);
    return block ? block : vm_heap_alloc_spare(class_index);
}

/* A block from a slab, the bin being empty. Needs: a size that slabs serve. */
static void *slab_alloc(size_t size)
{
    const unsigned class_index = vm_class_of(size);
    void *block = vm_heap_alloc(class_index);
    if (VM_UNLIKELY(!block))
        block = alloc_otherwise(size, class_index);
    if (VM_UNLIKELY(vm_load_relaxed(&vm_heap_policy.x_perturb)))
        vm_front_fill_fresh(block, vm_class_bytes(class_index));
    return block;
}

VM_NOINLINE static void *large_alloc(size_t size)
{
    vm_heap_first_call();
    if (VM_UNLIKELY(vm_heap_self->taker != NULL))
        return vm_heap_self->taker->malloc(size);
    void *block = vm_large_alloc(size, 1);
    if (VM_UNLIKELY(!block) && size <= PTRDIFF_MAX) {
        vm_front_relieve();
        block = vm_large_alloc(size, 1);
    }
    return vm_front_fill_fresh(block, size);
}

/* A small block for which the bin has nothing, or any that is not middle-sized. */
VM_NOINLINE static void *alloc_slow(size_t size)
{
    if (VM_UNLIKELY(size == 0)) /* its bin is never filled */
        return vm_malloc(1);
    void *const block =
        size <= vm_load_relaxed(&vm_large_policy.x_slab_max) ? slab_alloc(size) : large_alloc(size);
    return VM_LIKELY(block != NULL) ? block : out_of_memory();
}

/* Middle-sized blocks have their fast path here, as small ones in heap_fast.h. */
VM_NOINLINE void *vm_malloc_slow(size_t size)
{
    if (size <= VM_SMALL_MAX || size > vm_load_relaxed(&vm_large_policy.x_slab_max))
        return alloc_slow(size);
    const struct bin *const bin = &vm_heap_self->bin[vm_bin_of_middle(vm_class_of(size))];
    const vm_word mask = vm_load_relaxed(&bin->group->x_mask);
    if (VM_UNLIKELY(mask == 0))
        return alloc_slow(size);
    return vm_heap_take(bin, mask);
}

void *vm_front_fill_fresh(void *block, size_t bytes)
{
    const uint32_t byte = vm_load_relaxed(&vm_heap_policy.x_perturb);
    if (VM_UNLIKELY(byte) && block)
        __builtin_memset(block, (int)(byte ^ 0xFF), bytes);
    return block;
}

/* Fills a block that is about to be freed, if it is a live one. */
VM_COLD static void fill_freed(struct span *span, void *block)
{
    const int byte = (int)vm_load_relaxed(&vm_heap_policy.x_perturb);
    struct slab *const slab = (struct slab *)span;
    size_t index;
    if (span->kind == SPAN_MIDDLE && span->start == block)
        __builtin_memset(block, byte, span->bytes);
    if (span->kind == SPAN_SLAB && vm_slab_index(slab, block, &index) &&
        !(vm_load_relaxed(&vm_slab_group(slab, index)->x_mask) & vm_slab_bit(index)))
        __builtin_memset(block, byte, vm_slab_bytes_at(slab, index));
}

bool vm_front_x_null_was_freed;

/* What was not freed otherwise: NULL, what a taker gets, a block of a slab that changes hands, a large one, or none. */
VM_NOINLINE static void free_any(void *block)
{
    if (!block) {
        vm_store_relaxed(&vm_front_x_null_was_freed, true);
        return;
    }
    if (VM_UNLIKELY(vm_heap_self->taker != NULL)) {
        vm_heap_self->taker->free(block);
        return;
    }
    struct span *const span = vm_pagemap_find(block);
    size_t index;
    if (VM_UNLIKELY(!span))
        vm_misuse_abort("free", block);
    if (VM_UNLIKELY(vm_load_relaxed(&vm_heap_policy.x_perturb)))
        fill_freed(span, block);
    if (span->kind == SPAN_SLAB && vm_slab_index((struct slab *)span, block, &index))
        vm_heap_free((struct slab *)span, index);
    else if (!vm_span_is_block(span, block) || !vm_large_free(span))
        vm_misuse_abort("free", block);
}

/* Frees a block of one of the calling thread's slabs that have compound blocks, or that others freed into. False: it is none. */
static bool free_own(struct slab *slab, const void *block)
{
    size_t index;
    if (vm_load_relaxed(&slab->x_heap) != vm_heap_self || !vm_slab_index(slab, block, &index))
        return false;
    vm_heap_free(slab, index);
    return true;
}

/* Another thread's block has its path here, as have compound blocks, without the page map. */
VM_NOINLINE void vm_free_slow(void *block)
{
    struct slab *const slab = (struct slab *)vm_pagemap_near(block);
    const bool is_plain = !vm_heap_self->taker && !vm_load_relaxed(&vm_heap_policy.x_perturb);
    if (VM_UNLIKELY(!is_plain) || (!free_own(slab, block) && !vm_remote_free_live(slab, block)))
        free_any(block);
}

void vm_heap_bad_free(const void *block)
{
    vm_misuse_abort("free", block);
}

void *vm_malloc(size_t size)
{
    return vm_heap_malloc_fast(size);
}

void vm_free(void *block)
{
    vm_heap_free_fast(block);
}

/* Clears a block of `bytes`, a multiple of 16, the most common sizes without a call. Returns the block. */
VM_INLINE void *cleared(void *block, size_t bytes)
{
    typedef unsigned long long pair __attribute__((vector_size(16), may_alias));
    if (bytes > 4 * sizeof(pair))
        return __builtin_memset(block, 0, VM_OPAQUE(bytes)); /* not knowing how much, GCC makes it a call */
    pair *const first = block, *const last = (pair *)(void *)((char *)block + bytes) - 1;
    *first = *last = (pair){0};
    if (bytes > 2 * sizeof(pair))
        first[1] = last[-1] = (pair){0};
    return block;
}

/* Up to how many bytes calloc is fast: 0 until its first call. The C library's first pthread_create makes one, before there is
   a second thread, and its pthread_atfork, which holds the lock that expecting threads takes, makes none. */
static size_t x_calloc_fast_max;

VM_NOINLINE static void *calloc_slow(size_t bytes)
{
    if (VM_UNLIKELY(vm_load_relaxed(&x_calloc_fast_max) == 0)) {
        vm_heap_first_call();
        vm_heap_expect_threads();
        vm_store_relaxed(&x_calloc_fast_max, VM_SMALL_MAX);
    }
    if (VM_UNLIKELY(vm_heap_self->taker != NULL))
        return vm_heap_self->taker->calloc(bytes);
    if (bytes <= vm_load_relaxed(&vm_large_policy.x_slab_max)) {
        void *const block = vm_malloc_slow(bytes);
        return block ? cleared(block, vm_malloc_usable_size(block))
                     : NULL; /* it may be larger than its class's */
    }
    vm_heap_first_call();
    if (VM_UNLIKELY(vm_heap_self->taker != NULL))
        return vm_heap_self->taker->calloc(bytes);
    void *block = vm_large_alloc_zeroed(bytes);
    if (VM_UNLIKELY(!block) && bytes <= PTRDIFF_MAX) {
        vm_front_relieve();
        block = vm_large_alloc_zeroed(bytes);
    }
    return block ? block : out_of_memory();
}

void *vm_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (VM_UNLIKELY(__builtin_mul_overflow(count, size, &bytes)))
        return out_of_memory();
    if (VM_UNLIKELY(bytes > vm_load_relaxed(&x_calloc_fast_max)))
        return calloc_slow(bytes);
    const struct bin *const bin = vm_heap_small_bin(bytes);
    const vm_word mask = vm_load_relaxed(&bin->group->x_mask);
    if (VM_UNLIKELY(mask == 0))
        return calloc_slow(bytes);
    return cleared(vm_heap_take(bin, mask), bin->block_bytes);
}

/* The bytes of a live block, and its span; ends the process if it is none. */
static size_t block_bytes(const char *function, const void *block, struct span **span)
{
    *span = vm_pagemap_find(block);
    if (!*span) {
        vm_heap_first_call();
        vm_misuse_abort(function, block);
    }
    if ((*span)->kind != SPAN_SLAB) {
        if (!vm_span_is_block(*span, block))
            vm_misuse_abort(function, block);
        return (*span)->bytes;
    }
    struct slab *const slab = (struct slab *)*span;
    size_t index;
    if (!vm_slab_index(slab, block, &index) || vm_slab_is_continued(slab, index) ||
        vm_load_relaxed(&vm_slab_group(slab, index)->x_mask) & vm_slab_bit(index))
        vm_misuse_abort(function, block);
    return vm_slab_bytes_at(slab, index);
}

/* Whether a block of `bytes` serves a smaller size without wasting what is worth a copy. */
static bool is_good_fit(size_t bytes, size_t size)
{
    return size <= bytes && (size >= bytes / 2 || bytes <= 128);
}

VM_NOINLINE static void *move_block(void *block, size_t old_bytes, size_t size)
{
    void *const moved = vm_malloc(size);
    if (!moved)
        return NULL;
    __builtin_memcpy(moved, block, vm_min_size(old_bytes, size));
    vm_free(block);
    return moved;
}

void *vm_realloc(void *block, size_t size)
{
    const struct slab *const slab = vm_heap_find_fast(block);
    if (slab && size && is_good_fit(slab->span.block_bytes, size))
        return block;
    if (!block)
        return vm_malloc(size);
    if (VM_UNLIKELY(vm_heap_self->taker != NULL))
        return vm_heap_self->taker->realloc(block, size);
    struct span *span;
    const size_t bytes = block_bytes("realloc", block, &span);
    if (VM_UNLIKELY(size == 0)) {
        vm_free(block);
        return NULL;
    }
    if (VM_UNLIKELY(size > PTRDIFF_MAX))
        return out_of_memory();
    if (span->kind == SPAN_SLAB && is_good_fit(bytes, size))
        return block;
    void *const resized = span->kind == SPAN_SLAB ? NULL : vm_large_resize(span, size);
    if (resized)
        return resized;
    const int saved_errno = errno;
    void *const moved = move_block(block, bytes, size);
    if (moved || size > bytes)
        return moved;
    errno = saved_errno; /* no memory for a smaller block: the old one serves */
    return block;
}

void *vm_reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (VM_UNLIKELY(__builtin_mul_overflow(count, size, &bytes)))
        return out_of_memory();
    return vm_realloc(block, bytes);
}

void vm_free_sized(void *block, size_t size)
{
    (void)size;
    vm_heap_free_fast(block);
}

void vm_free_aligned_sized(void *block, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    vm_heap_free_fast(block);
}

void vm_cfree(void *block)
{
    vm_heap_free_fast(block);
}

size_t vm_malloc_usable_size(void *block)
{
    const struct slab *const slab = vm_heap_find_fast(block);
    struct span *span;
    if (VM_LIKELY(slab != NULL))
        return slab->span.block_bytes;
    return block ? block_bytes("malloc_usable_size", block, &span) : 0;
}

VM_LIBC_NAME(malloc, vm_malloc);
VM_LIBC_NAME(free, vm_free);
VM_LIBC_NAME(calloc, vm_calloc);
VM_LIBC_NAME(realloc, vm_realloc);
VM_LIBC_NAME(reallocarray, vm_reallocarray);
VM_LIBC_NAME(free_sized, vm_free_sized);
VM_LIBC_NAME(free_aligned_sized, vm_free_aligned_sized);
VM_LIBC_NAME(cfree, vm_cfree);
VM_LIBC_NAME(malloc_usable_size, vm_malloc_usable_size);
VM_LIBC_NAME(__libc_malloc, vm_malloc);
VM_LIBC_NAME(__libc_free, vm_free);
VM_LIBC_NAME(__libc_cfree, vm_cfree);
VM_LIBC_NAME(__libc_calloc, vm_calloc);
VM_LIBC_NAME(__libc_realloc, vm_realloc);
