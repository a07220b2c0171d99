/* SPDX-License-Identifier: MIT */
/*
 * remote.c - frees from other threads, and heaps whose thread sleeps or is dead.
 *
 * A thread that frees a block of another's slab sets the block's remote bit and sees to it that the
 * owner will look: the slab is in the owner's queue, or x_missed is set. The owner moves the bits to its
 * masks whenever it is in a slow path. If the owner sleeps and the free was the slab's last, the freeing
 * thread itself gives the slab back under the heap's lock. If the heap is abandoned or shared, it acts as
 * the owner under the lock.
 *
 *   x_is_queued   who may act          what happens                                              then
 *   0             a freeing thread     exchange to 1: it has pinned the slab; sets its bit       pinned
 *   1 pinned      that thread          pushes the slab onto the heap's queue                     1 queued
 *   1 queued      holder of the lock   takes the whole queue, exchange to 0, collects the bits   0
 *   1             a freeing thread     sets its bit; if x_is_queued is 0 by now, sets x_missed   unchanged
 *
 * Invariants:
 *   R1  A freeing thread writes to the slab only while its own block is not yet free, or while it has the
 *       slab pinned; after that it only reads, and descriptors stay readable. So no write meets a
 *       descriptor's next life.
 *   R2  No free is overlooked: the collector clears x_is_queued before it takes the bits, the freeing thread
 *       sets its bit before it looks at x_is_queued, both with locked instructions. Either the bit is
 *       collected, or the 0 is seen and x_missed set.
 *   R3  A slab is destroyed only if all blocks are free and then x_is_queued is 0, seen in this order under
 *       the lock: a thread that pinned it did so before it set its bit, so that its pin is seen if its bit
 *       is.
 *   R4  Masks of a live heap's slab are written by its owner alone, except when the slab is not CURRENT and
 *       all its blocks are free: then the owner has nothing to free into it and takes blocks only after
 *       taking the lock.
 *   R5  A block that its owner frees once more after a remote free is not handed out before that is noticed:
 *       the remote bits are collected when a slab becomes CURRENT, and a remote free into a CURRENT slab sets
 *       x_fast_heap to NULL, so that the owner's next free into it takes the slow path, which collects first.
 */
#include "heap/remote.h"
#include "base/check.h"
#include "heap/asleep.h"
#include "heap/heap_fast.h"
#include "heap/perturb.h"
#include "heap/thread.h"

void vm_remote_queue(struct slab *slab)
{
    struct heap *const heap = vm_load_acquire(&slab->x_heap);
    struct slab *head = vm_load_relaxed(&heap->x_queue);
    do
        slab->x_next_queued = head;
    while (!vm_compare_exchange(&heap->x_queue, &head,
                                slab)); /* pairs with the exchange in vm_heap_drain_locked */
}

/* Whether whoever holds its lock may act as the heap's owner. */
static bool is_anybodys(const struct heap *heap)
{
    const uint32_t state = vm_load_acquire(&heap->x_state);
    return state == HEAP_ABANDONED || state == HEAP_SHARED;
}

/* Slabs of a live heap that are wholly free and not CURRENT, from the queue; the others go back into it. Returns what could be
   purged of those, if the owner sleeps. */
static size_t visit_live_locked(struct heap *heap, struct list *emptied)
{
    size_t asleep_bytes = 0;
    struct slab *next;
    for (struct slab *slab = vm_exchange(&heap->x_queue, NULL); slab; slab = next) {
        next = slab->x_next_queued;
        if (vm_load_acquire(&slab->x_heap) != heap) {
            vm_remote_queue(slab);
            continue;
        }
        vm_exchange(&slab->x_is_queued, 0);
        if (slab->x_state == SLAB_LISTED && vm_heap_is_slab_done(slab)) {
            vm_heap_expel_locked(heap, slab, emptied);
            continue;
        }
        asleep_bytes += vm_asleep_bytes(slab);
        if (vm_exchange(&slab->x_is_queued, 1) == 0)
            vm_remote_queue(slab);
    }
    return asleep_bytes;
}

void vm_remote_look(struct heap *heap)
{
    struct list emptied = {0};
    struct list_node *node;
    size_t asleep_bytes = 0;
    vm_lock_acquire(&heap->lock);
    if (vm_load_relaxed(&heap->x_state) == HEAP_LIVE)
        asleep_bytes = visit_live_locked(heap, &emptied);
    else if (is_anybodys(heap))
        vm_heap_settle_locked(heap, &emptied);
    vm_asleep_note(heap, asleep_bytes);
    vm_lock_release(&heap->lock);
    while ((node = vm_list_pop_front(&emptied))) /* vm_heap_destroy_slabs may come here */
        vm_slab_destroy(vm_slab_of_node(node));
}

void vm_remote_visit(struct heap *heap)
{
    vm_remote_look(heap);
    vm_asleep_look();
}

/* The heap is nobody's or everybody's: acts as its owner. False: it is not, or the slab is not its any more. */
static bool free_as_owner(struct heap *heap, struct slab *slab, size_t index)
{
    struct list emptied = {0};
    bool done = false, was_live = true;
    vm_lock_acquire(&heap->lock);
    if (vm_load_relaxed(&slab->x_heap) == heap && is_anybodys(heap)) {
        if (vm_load_relaxed(&heap->x_queue))
            vm_heap_drain_locked(heap, &emptied);
        was_live = vm_heap_free_locked(heap, slab, index, &emptied);
        done = true;
    }
    vm_lock_release(&heap->lock);
    if (!was_live)
        vm_heap_bad_free(vm_slab_block(slab, index));
    vm_heap_destroy_slabs(&emptied);
    return done;
}

/* A remote free may have gone past its heap's queue, and the slab must not be looked at any more: tells
   everybody. */
VM_COLD static void report_missed(void)
{
    for (struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        vm_store_release(&heap->x_missed, 1);
}

/* Where to look in a slab after the caller's block in it was freed. The slab may be gone by then and its
   descriptor another's, so all that leads to a word is read before: see R1. */
struct last_look {
    const struct slab_group *group;
    const vm_word *remote, *joined;
    size_t n_groups, n_blocks;
};

VM_UNSANITIZED static bool is_queued_still(const uint8_t *is_queued)
{
    return vm_load_late(is_queued) != 0;
}

VM_UNSANITIZED static vm_word free_blocks(const struct slab_group *group, const vm_word *remote,
                                          const vm_word *joined)
{
    return vm_slab_with_parts(vm_load_late(&group->x_mask) | vm_load_late(remote), vm_load_late(joined));
}

VM_NOINLINE static bool are_all_free(const struct last_look *look)
{
    for (size_t i = 0; i < look->n_groups; i++) {
        const size_t n_left = look->n_blocks - i * VM_WORD_BITS;
        const vm_word full = vm_bits_low_mask(n_left < VM_WORD_BITS ? (unsigned)n_left : VM_WORD_BITS);
        if (free_blocks(&look->group[i], &look->remote[i], &look->joined[i]) != full)
            return false;
    }
    return true;
}

vm_word vm_remote_mark(struct slab *slab, size_t i, vm_word blocks)
{
    if (vm_load_relaxed(&slab->x_state) == SLAB_CURRENT && vm_load_relaxed(&slab->x_fast_heap))
        vm_store_relaxed(&slab->x_fast_heap, NULL); /* R5 */
    const bool is_pinned =
        vm_load_relaxed(&slab->x_is_queued) == 0 && vm_exchange(&slab->x_is_queued, 1) == 0;
    const vm_word before = vm_fetch_or(&vm_slab_remote(slab)[i], blocks);
    if (is_pinned)
        vm_remote_queue(slab);
    else if (VM_UNLIKELY(!is_queued_still(&slab->x_is_queued)))
        report_missed();
    return before & blocks;
}

bool vm_remote_free_live(struct slab *slab, const void *block)
{
    struct heap *const heap = vm_load_acquire(&slab->x_heap); /* whoever stored it had made the slab */
    size_t index;
    if (VM_UNLIKELY(!heap) || heap == vm_heap_self || VM_UNLIKELY(is_anybodys(heap)) ||
        VM_UNLIKELY(!vm_slab_index(slab, block, &index)))
        return false;
    const struct last_look look = {slab->group, vm_slab_remote(slab), vm_slab_joined(slab), slab->n_groups,
                                   slab->n_blocks};
    const size_t i = index >> VM_WORD_SHIFT;
    const vm_word bit = vm_slab_bit(index), full = vm_slab_group_full(slab, i);
    if (VM_UNLIKELY(vm_load_acquire(&look.group[i].x_mask) & bit) || vm_slab_is_continued(slab, index))
        vm_heap_bad_free(block);
    if (VM_UNLIKELY(vm_remote_mark(slab, i, bit)))
        vm_heap_bad_free(block);
    /* The owner may sleep for ever: if our free was the last, it is for us to give the slab back. */
    if (VM_UNLIKELY(free_blocks(&look.group[i], &look.remote[i], &look.joined[i]) == full) &&
        are_all_free(&look))
        vm_remote_visit(heap);
    return true;
}

void vm_remote_free(struct slab *slab, size_t index)
{
    void *const block = vm_slab_block(slab, index);
    while (!vm_remote_free_live(slab, block)) {
        struct heap *const heap = vm_load_acquire(&slab->x_heap);
        if (!heap)
            vm_heap_bad_free(block);
        if (is_anybodys(heap) && free_as_owner(heap, slab, index))
            return;
    }
}

void vm_heap_free(struct slab *slab, size_t index)
{
    struct heap *const heap = vm_heap_self;
    if (vm_load_acquire(&slab->x_heap) != heap) {
        vm_remote_free(slab, index);
        return;
    }
    if (vm_load_relaxed(&slab->x_state) == SLAB_CURRENT || vm_load_relaxed(&slab->x_is_joined)) {
        if (!vm_heap_free_own(slab, index))
            vm_heap_bad_free(vm_slab_block(slab, index));
        return;
    }
    struct list emptied = {0};
    if (!vm_heap_enter(heap)) { /* it is not the thread's any more */
        vm_remote_free(slab, index);
        return;
    }
    if (vm_load_relaxed(&heap->x_queue) || vm_load_relaxed(&heap->x_missed))
        vm_heap_drain_locked(heap, &emptied);
    vm_heap_allow_fast(slab); /* what had made x_fast_heap NULL is collected */
    const bool was_live = vm_heap_free_locked(heap, slab, index, &emptied);
    vm_lock_release(&heap->lock);
    if (!was_live)
        vm_heap_bad_free(vm_slab_block(slab, index));
    vm_heap_destroy_slabs(&emptied);
}
