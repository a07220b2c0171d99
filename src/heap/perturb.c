/* SPDX-License-Identifier: MIT */
/* perturb.c - see perturb.h. Owns the heaps' policy. */
#include "heap/perturb.h"
#include "heap/heap_fast.h"
#include "heap/thread.h"

struct heap_policy vm_heap_policy = {.retired_bytes_max = VM_RETIRED_BYTES_MAX,
                                     .worn_bytes_min = VM_WORN_BYTES_MIN};

static void forbid_fast(const struct list *slabs)
{
    for (struct list_node *node = slabs->first; node; node = node->next)
        vm_store_relaxed(&vm_slab_of_node(node)->x_fast_heap, NULL);
}

static void forbid_fast_locked(struct heap *heap)
{
    for (unsigned i = 1; i < VM_N_CLASSES; i++) { /* class 0 has no slabs, nor bins of its own */
        forbid_fast(&heap->slabs[i]);
        if (heap->current[i])
            vm_store_relaxed(&heap->current[i]->x_fast_heap, NULL);
        if (heap == vm_heap_self)
            vm_heap_detach(heap, i);
    }
}

void vm_heap_set_perturb(unsigned char byte)
{
    vm_store_relaxed(&vm_heap_policy.x_perturb, byte);
    for (struct heap *heap = vm_thread_heaps(); heap && byte; heap = heap->x_next) {
        if (!vm_heap_enter(heap))
            continue;
        forbid_fast_locked(heap);
        vm_lock_release(&heap->lock);
    }
}
