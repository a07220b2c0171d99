/* SPDX-License-Identifier: MIT */
/* check.c - vm_heap_check: what heap.c says of heaps, asked of one. Apart from heap.c, as no process runs it by itself. */
#include "base/check.h"
#include "heap/heap.h"
#include "heap/thread.h"

static void check_slab(struct heap *heap, struct slab *slab, unsigned class_index, enum slab_state state)
{
    vm_slab_check(slab);
    VM_CHECK(slab->x_state == state && slab->class_index == class_index); /* H1 */
    VM_CHECK(vm_load_relaxed(&slab->x_heap) == heap);                     /* H1 */
    VM_CHECK(slab->x_fast_heap == NULL || slab->x_fast_heap == heap);     /* S3 */
    const unsigned at = slab->retired_at;
    VM_CHECK(at == 0 || (at <= heap->n_retired && heap->retired[at - 1] == slab)); /* H3 */
}

void vm_heap_check(struct heap *heap)
{
    if (!vm_heap_enter(heap))
        return;
    size_t retired_bytes = 0, worn_bytes = 0, n_worn = 0;
    for (uint32_t i = 0; i < heap->n_retired; i++) {
        VM_CHECK(heap->retired[i]->retired_at == i + 1); /* H3 */
        retired_bytes += heap->retired[i]->span.bytes;
        n_worn += heap->retired[i]->is_worn;
        worn_bytes += heap->retired[i]->is_worn ? heap->retired[i]->span.bytes : 0;
    }
    VM_CHECK(retired_bytes == heap->retired_bytes && worn_bytes == heap->worn_bytes &&
             n_worn == heap->n_worn); /* H3 */
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        struct slab *const slab = heap->current[i];
        const bool is_own = slab && slab->class_index == i;
        if (slab)
            check_slab(heap, slab, slab->class_index, SLAB_CURRENT);
        for (unsigned last = vm_last_bin[i], k = last; i > 0 && k > last - vm_n_bins(i); k--)
            VM_CHECK(heap->bin[k].group == heap->bin[vm_last_bin[i]].group &&
                     heap->bin[k].block_bytes == vm_class_bytes(i) &&
                     (heap->bin[k].group == &vm_heap_no_blocks ||
                      (is_own && heap->bin[k].group >= slab->group &&
                       heap->bin[k].group < slab->group + slab->n_groups))); /* H2 */
        uint32_t n_slabs = 0;
        for (struct list_node *node = heap->slabs[i].first; node; node = node->next, n_slabs++)
            check_slab(heap, vm_slab_of_node(node), i, SLAB_LISTED);
        VM_CHECK(n_slabs == heap->x_n_slabs[i]); /* H1 */
    }
    vm_lock_release(&heap->lock);
}
