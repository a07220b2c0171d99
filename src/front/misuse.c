/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - what is said of a pointer that is not a live block. Two lines in one write: glibc's wording,
 * which tools look for, then what the pointer is. Needs no memory and holds no lock, as an abort handler may
 * allocate.
 */
#include "base/atomic.h"
#include "base/bits.h"
#include "front/front.h"
#include "heap/heap.h"
#include "pool/pagemap.h"
#include "pool/pool.h"

enum { STACK_NEAR_BYTES = 1 * VM_MIB };

/* The frame of our caller's caller is below all variables of the program in this thread's stack. */
static bool is_in_stack(const void *pointer)
{
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0), last_page = UINTPTR_MAX - 4095;
    return (uintptr_t)pointer >= frame && (uintptr_t)pointer - frame < STACK_NEAR_BYTES &&
           (uintptr_t)pointer < last_page; /* where errors that became pointers are */
}

static bool is_in_arena(const void *pointer)
{
    struct arena *arena;
    for (size_t i = 0; (arena = vm_pool_arena(i)); i++)
        if ((const char *)pointer >= arena->start && (const char *)pointer < arena->break_end)
            return true;
    return false;
}

/* "into a live block of 64 bytes at 0x...", of a slab. */
static void describe_block(struct message *message, struct slab *slab, size_t index, size_t offset)
{
    const vm_word bits = vm_load_acquire(&vm_slab_group(slab, index)->x_mask) |
                         vm_load_acquire(&vm_slab_remote(slab)[index >> VM_WORD_SHIFT]);
    const bool is_free = (bits & vm_slab_bit(index)) != 0;
    if (offset == 0) {
        vm_message_text(message, "this block of ");
        vm_message_unsigned(message, slab->span.block_bytes);
        vm_message_text(message, is_free ? " bytes is already free\n" : " bytes is live\n");
        return;
    }
    vm_message_text(message, "points ");
    vm_message_unsigned(message, offset);
    vm_message_text(message, is_free ? " bytes into a free block of " : " bytes into a live block of ");
    vm_message_unsigned(message, slab->span.block_bytes);
    vm_message_text(message, " bytes at ");
    vm_message_address(message, vm_slab_block(slab, index));
    vm_message_text(message, "\n");
}

static void describe(struct message *message, const void *pointer, struct span *span)
{
    if (span && span->kind == SPAN_SLAB) {
        struct slab *const slab = (struct slab *)span;
        const uintptr_t offset = (uintptr_t)pointer - (uintptr_t)slab->base;
        if ((uintptr_t)pointer >= (uintptr_t)slab->base)
            describe_block(message, slab, offset / slab->span.block_bytes, offset % slab->span.block_bytes);
        else
            vm_message_text(message, "points between blocks: never allocated\n");
    } else if (span) {
        vm_message_text(message, "points ");
        vm_message_unsigned(message, (uintptr_t)pointer - (uintptr_t)span->start);
        vm_message_text(message, " bytes into a live block of ");
        vm_message_unsigned(message, span->bytes);
        vm_message_text(message, " bytes at ");
        vm_message_address(message, span->start);
        vm_message_text(message, "\n");
    } else if (is_in_arena(pointer)) {
        vm_message_text(message,
                        "not a block of this allocator any more: freed long ago, or never allocated\n");
    } else if (is_in_stack(pointer)) {
        vm_message_text(message, "not a block of this allocator: it lies in the calling thread's stack\n");
    } else {
        vm_message_text(message,
                        "not a block of this allocator: a static variable, another allocator's block, "
                        "or a wild pointer\n");
    }
}

/* Whether it is the start of a block that is free now. */
static bool is_double_free(const void *pointer, struct span *span)
{
    size_t index;
    struct slab *const slab = (struct slab *)span;
    return span && span->kind == SPAN_SLAB && vm_slab_index(slab, pointer, &index) &&
           ((vm_load_acquire(&vm_slab_group(slab, index)->x_mask) |
             vm_load_acquire(&vm_slab_remote(slab)[index >> VM_WORD_SHIFT])) &
            vm_slab_bit(index));
}

void vm_misuse_abort(const char *function, const void *pointer)
{
    vm_heap_first_call();
    struct span *const span = vm_pagemap_search(pointer);
    struct message message = {0};
    vm_message_text(&message, function);
    vm_message_text(&message, is_double_free(pointer, span) && function[0] == 'f' ? "(): double free detected"
                                                                                  : "(): invalid pointer");
    vm_message_text(&message, "\nvmalloc: ");
    vm_message_text(&message, function);
    vm_message_text(&message, "(");
    vm_message_address(&message, pointer);
    vm_message_text(&message, "): ");
    describe(&message, pointer, span);
    vm_report_fatal(&message);
}
