/* SPDX-License-Identifier: MIT */
/*
 * trim.c - see trim.h: malloc_trim's part in the heaps.
 *
 * What is free is told by bits outside the blocks, so that a page all of whose blocks are free holds nothing that
 * anybody needs: it may be purged at any time while nobody hands out its blocks. Blocks are handed out of
 * CURRENT slabs alone, by their owner, who asks nobody. Therefore:
 *
 *   slab of                      LISTED                          CURRENT
 *   the calling thread           purged                          made LISTED first
 *   an abandoned or shared heap  purged                          made LISTED first
 *   another, live thread         purged                          if it is free: what others freed (heap/asleep.h)
 *
 * A slab is LOOSE while its pages are purged, and no lock is held: its blocks can be freed meanwhile, which only
 * sets bits. Its list goes round once. What another thread keeps is bounded: empty slabs by
 * VM_RETIRED_BYTES_MAX, others to one a class.
 */
#include "heap/trim.h"
#include "heap/asleep.h"
#include "heap/heap_fast.h"
#include "heap/moves.h"
#include "heap/remote.h"
#include "heap/thread.h"
#include "kernel/kernel.h"

size_t vm_trim_between(const char *start, const char *end)
{
    const uintptr_t from = vm_round_up((uintptr_t)start, vm_kernel.page_bytes);
    const uintptr_t to = vm_round_down((uintptr_t)end, vm_kernel.page_bytes);
    if (from >= to)
        return 0;
    vm_kernel_purge((void *)from, to - from);
    return (to - from) >> vm_kernel.page_shift;
}

static bool is_free(const struct slab *slab, size_t index)
{
    const size_t group_index = index >> VM_WORD_SHIFT;
    const vm_word joined = vm_load_relaxed(&vm_slab_joined(slab)[group_index]);
    /* Acquire: the block's last use is over. Pairs with the stores of those who free. */
    const vm_word free = vm_load_acquire(&slab->group[group_index].x_mask) |
                         vm_load_acquire(&vm_slab_remote(slab)[group_index]);
    return (vm_slab_with_parts(free, joined) & vm_slab_bit(index)) != 0;
}

/* Purges the pages of a LOOSE slab that hold no live block, if there are more than last time. Returns how many. */
static size_t purge_free_pages(struct slab *slab)
{
    const unsigned n_free =
        vm_slab_count_free(slab); /* before: a block freed meanwhile is for the next time */
    if (n_free == slab->n_purged)
        return 0;
    slab->n_purged = n_free & 0x7FFF;
    size_t n_pages = 0;
    const char *start = slab->span.start; /* of what is free: the waste in front is */
    for (size_t i = 0; i < slab->n_blocks; i++) {
        if (is_free(slab, i))
            continue;
        n_pages += vm_trim_between(start, vm_slab_block(slab, i));
        start = vm_slab_block(slab, i + 1);
    }
    return n_pages + vm_trim_between(start, slab->span.start + slab->span.bytes);
}

static struct slab *first_listed(const struct heap *heap, unsigned class_index)
{
    struct list_node *const node = heap->slabs[class_index].first;
    return node ? vm_slab_of_node(node) : NULL;
}

static size_t count_listed(const struct heap *heap, unsigned class_index)
{
    size_t n = 0;
    for (const struct list_node *node = heap->slabs[class_index].first; node; node = node->next)
        n++;
    return n;
}

/* Purges the first LISTED slab of the class, and lists it last. False: there is none. Lock: none held. */
static bool trim_first(struct heap *heap, unsigned class_index, size_t *n_pages)
{
    struct slab *slab = NULL;
    vm_moves_leave(); /* a picture of all slabs is not to miss this one */
    if (vm_heap_enter(heap)) {
        slab = first_listed(heap, class_index);
        if (slab)
            vm_heap_unlist_locked(heap, slab);
        vm_lock_release(&heap->lock);
    }
    if (slab) {
        *n_pages += purge_free_pages(slab);
        if (vm_heap_enter(heap)) {
            vm_heap_list_locked(heap, slab); /* at the end */
            vm_lock_release(&heap->lock);
        }
    }
    vm_moves_arrive();
    return slab != NULL;
}

/* Purges each LISTED slab of the class. Returns the pages. Lock: none held; the list may change meanwhile. */
static size_t trim_class(struct heap *heap, unsigned class_index)
{
    if (!vm_heap_enter(heap))
        return 0;
    size_t n_left = count_listed(heap, class_index);
    vm_lock_release(&heap->lock);
    size_t n_pages = 0;
    while (n_left && trim_first(heap, class_index, &n_pages))
        n_left--;
    return n_pages;
}

void vm_heap_give_empties(struct heap *heap)
{
    if (heap == vm_heap_self) {
        vm_thread_settle();
        return;
    }
    vm_remote_visit(heap);
    struct list emptied = {0};
    if (!vm_heap_enter(heap))
        return;
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        struct list_node *next;
        for (struct list_node *node = heap->slabs[i].first; node; node = next) {
            struct slab *const slab = vm_slab_of_node(node);
            next = node->next;
            if (vm_heap_is_slab_done(slab))
                vm_heap_expel_locked(heap, slab, &emptied);
        }
    }
    vm_lock_release(&heap->lock);
    vm_heap_destroy_slabs(&emptied);
}

size_t vm_heap_trim(struct heap *heap)
{
    size_t n_pages = 0;
    vm_heap_give_empties(heap);
    for (unsigned i = 0; i < VM_N_CLASSES && vm_kernel.purge_zeroes; i++)
        n_pages += trim_class(heap, i);
    if (heap != vm_heap_self)
        n_pages += vm_asleep_purge(heap);
    vm_heap_give_empties(heap); /* those that ran empty while they were LOOSE, which nobody noticed */
    return n_pages;
}
