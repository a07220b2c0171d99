/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - what is said of a pointer that is not a live block. Two lines in one write: glibc's wording,
 * which tools look for, then what the pointer is and the likely cause. docs/misuse.md has the table. Needs no
 * memory and holds no lock, as an abort handler may allocate.
 */
#include "base/atomic.h"
#include "front/front.h"
#include "heap/heap.h"
#include "kernel/address.h"
#include "kernel/kernel.h"
#include "pool/pagemap.h"
#include "pool/pool.h"

/* What the pointer is, as far as it is ours. */
enum whereabouts {
    PLACE_FREE_BLOCK, /* the start of one */
    PLACE_FREE_SPAN,  /* the start of a middle block in the quick list */
    PLACE_LIVE_BLOCK, /* the start of one, by now: another thread was quicker */
    PLACE_IN_FREE_BLOCK,
    PLACE_IN_LIVE_BLOCK,
    PLACE_BETWEEN_BLOCKS,
    PLACE_FREE_PAGES,
    PLACE_FOREIGN
};

struct finding {
    enum whereabouts place;
    const void *block; /* the block's start and size, where there is one */
    size_t block_bytes;
};

/* Pages of an arena that are free. Those that the arena merely spans, as a foreign sbrk got them, are not. */
static bool is_in_free_pages(const char *pointer)
{
    struct arena *arena;
    for (size_t i = 0; (arena = vm_pool_arena(i)); i++) {
        if (pointer < arena->start || !vm_lock_try(&arena->lock))
            continue;
        const size_t page = (size_t)(pointer - arena->base) >> vm_kernel.page_shift;
        const bool is_free = pointer < arena->break_end && page < arena->place.n_pages &&
                             vm_place_is_free(&arena->place, (uint32_t)page, 1);
        vm_lock_release(&arena->lock);
        if (is_free)
            return true;
    }
    return false;
}

static struct finding look_into_slab(struct slab *slab, const char *pointer)
{
    const char *const base = vm_slab_block(slab, 0);
    size_t index = pointer < base ? slab->n_blocks : (size_t)(pointer - base) / slab->span.block_bytes;
    if (index >= slab->n_blocks)
        return (struct finding){.place = PLACE_BETWEEN_BLOCKS};
    while (vm_slab_is_continued(slab, index))
        index--;
    const vm_word bits = vm_load_acquire(&vm_slab_group(slab, index)->x_mask) |
                         vm_load_acquire(&vm_slab_remote(slab)[index >> VM_WORD_SHIFT]);
    const bool is_free = (bits & vm_slab_bit(index)) != 0;
    const char *const block = vm_slab_block(slab, index);
    const enum whereabouts inside = is_free ? PLACE_IN_FREE_BLOCK : PLACE_IN_LIVE_BLOCK;
    const enum whereabouts start = is_free ? PLACE_FREE_BLOCK : PLACE_LIVE_BLOCK;
    return (struct finding){pointer == block ? start : inside, block, vm_slab_bytes_at(slab, index)};
}

static struct finding find(const void *pointer)
{
    struct span *const span = vm_pagemap_search(pointer);
    if (span && span->kind == SPAN_SLAB)
        return look_into_slab((struct slab *)span, pointer);
    if (span && vm_span_is_quick(span))
        return (struct finding){span->start == pointer ? PLACE_FREE_SPAN : PLACE_IN_FREE_BLOCK, span->start,
                                span->bytes};
    if (span)
        return (struct finding){span->start == pointer ? PLACE_LIVE_BLOCK : PLACE_IN_LIVE_BLOCK, span->start,
                                span->bytes};
    return (struct finding){.place = is_in_free_pages(pointer) ? PLACE_FREE_PAGES : PLACE_FOREIGN};
}

/* What follows the function's name in the first line. */
static const char *glibc_wording(const char *function, enum whereabouts place)
{
    const bool is_free = function[0] == 'f';
    if (is_free && place == PLACE_FREE_BLOCK)
        return "free(): double free detected in tcache 2";
    if (is_free && (place == PLACE_FREE_SPAN || place == PLACE_FREE_PAGES))
        return "double free or corruption (!prev)";
    return NULL;
}

static void say_in_block(struct message *message, const char *state, const struct finding *finding,
                         const void *pointer)
{
    vm_message_text(message, "points ");
    vm_message_unsigned(message, (uintptr_t)pointer - (uintptr_t)finding->block);
    vm_message_text(message, " bytes into a ");
    vm_message_text(message, state);
    vm_message_text(message, " block of ");
    vm_message_unsigned(message, finding->block_bytes);
    vm_message_text(message, " bytes at ");
    vm_message_address(message, finding->block);
}

static void say_whole_block(struct message *message, const char *state, const struct finding *finding)
{
    vm_message_text(message, "this block of ");
    vm_message_unsigned(message, finding->block_bytes);
    vm_message_text(message, " bytes is ");
    vm_message_text(message, state);
}

static void say_foreign(struct message *message, const void *pointer)
{
    static const char *const says[] = {
        [VM_ADDRESS_NOTHING] =
            "no memory is there; likely cause: a large block freed before, or a wild pointer",
        [VM_ADDRESS_STACK] = "it lies in the calling thread's stack; likely cause: a local variable",
        [VM_ADDRESS_MAIN_STACK] = "it lies in the main thread's stack; likely cause: a local variable",
        [VM_ADDRESS_ARGUMENTS] =
            "it lies among the program's arguments and environment; likely cause: a string "
            "of argv or getenv",
        [VM_ADDRESS_PROGRAM] = "it lies in the program's own image; likely cause: a static variable or a "
                               "constant",
        [VM_ADDRESS_LIBC] = "it looks like one of the C library's own malloc; likely cause: a plug-in opened "
                            "with RTLD_DEEPBIND, or malloc looked up by dlsym on the C library's handle",
        [VM_ADDRESS_BREAK] =
            "it lies in memory that somebody else got by sbrk; likely cause: another allocator's "
            "block",
        [VM_ADDRESS_OTHER] =
            "it lies in memory of somebody else; likely cause: another allocator's block, memory "
            "of mmap, or a library's static variable",
    };
    vm_message_text(message, "not a block of this allocator: ");
    vm_message_text(message, says[vm_address_kind(pointer)]);
}

static void say(struct message *message, const struct finding *finding, const char *function,
                const void *pointer)
{
    switch (finding->place) {
    case PLACE_FREE_BLOCK:
    case PLACE_FREE_SPAN:
        say_whole_block(message, "already free; likely cause: ", finding);
        vm_message_text(message, function[0] == 'f' ? "freed twice" : "used after it was freed");
        break;
    case PLACE_LIVE_BLOCK:
        say_whole_block(message, "live by now; likely cause: freed by two threads at once", finding);
        break;
    case PLACE_IN_FREE_BLOCK:
        say_in_block(message, "free", finding, pointer);
        vm_message_text(message, "; likely cause: an offset into a block that was freed");
        break;
    case PLACE_IN_LIVE_BLOCK:
        say_in_block(message, "live", finding, pointer);
        vm_message_text(message, "; likely cause: the pointer was moved from the block's start");
        break;
    case PLACE_BETWEEN_BLOCKS:
        vm_message_text(message, "points between blocks: never allocated; likely cause: a wild pointer");
        break;
    case PLACE_FREE_PAGES:
        vm_message_text(message,
                        "not a block of this allocator any more: freed long ago, or never allocated; "
                        "likely cause: ");
        vm_message_text(message, function[0] == 'f' ? "freed twice" : "used after it was freed");
        break;
    case PLACE_FOREIGN:
        say_foreign(message, pointer);
        break;
    }
}

void vm_misuse_abort(const char *function, const void *pointer)
{
    vm_heap_first_call();
    const struct finding finding = find(pointer);
    const char *const wording = glibc_wording(function, finding.place);
    struct message message = {0};
    vm_message_text(&message, wording ? wording : function);
    vm_message_text(&message, wording ? "\nvmalloc: " : "(): invalid pointer\nvmalloc: ");
    vm_message_text(&message, function);
    vm_message_text(&message, "(");
    vm_message_address(&message, pointer);
    vm_message_text(&message, "): ");
    say(&message, &finding, function, pointer);
    vm_message_text(&message, "\n");
    vm_report_fatal(&message);
}
