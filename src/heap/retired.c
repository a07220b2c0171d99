/* SPDX-License-Identifier: MIT */
/* retired.c - see retired.h. Owns nothing; keeps the heap's retired[] (H3 in heap.c) and its regret[]. */
#include "heap/retired.h"
#include "heap/compound.h"
#include "heap/perturb.h"
#include "pool/pool.h"
#include "slab/sizeclass.h"

_Static_assert(VM_RETIRED_SLABS_MAX + 1 < 1 << 7, "slab->retired_at has 7 bits");

static void ignore_groups(struct slab *slab)
{
    for (size_t i = 0; i < slab->n_groups; i++)
        vm_store_relaxed(&slab->group[i].x_notify, 0);
    slab->is_quiet = true;
}

static void enter(struct heap *heap, struct slab *slab, uint32_t position)
{
    heap->retired[position] = slab;
    slab->retired_at = (position + 1) & 0x7F;
}

/* Counts the slab among the retired; or out, with is_in false. */
static void count(struct heap *heap, const struct slab *slab, bool is_in)
{
    const size_t bytes = is_in ? slab->span.bytes : 0 - slab->span.bytes;
    heap->retired_bytes += bytes;
    if (slab->is_worn) {
        heap->worn_bytes += bytes;
        heap->n_worn += is_in ? 1 : 0U - 1;
    }
    vm_pool_count_empty(&slab->span, is_in);
}

void vm_retired_forget(struct heap *heap, struct slab *slab)
{
    if (!slab->retired_at)
        return;
    struct slab *const last = heap->retired[--heap->n_retired];
    enter(heap, last, slab->retired_at - 1U);
    slab->retired_at = 0;
    count(heap, slab, false);
    vm_heap_watch_groups(slab);
}

void vm_retired_forget_all(struct heap *heap)
{
    while (heap->n_retired)
        vm_retired_forget(heap, heap->retired[heap->n_retired - 1]);
    vm_retired_forget_regrets(heap);
}

/* How many bytes of worn slabs the heap of this one may keep. */
static size_t worn_bytes_max(const struct slab *slab)
{
    const size_t share = vm_pool_live_bytes(&slab->span) >> VM_WORN_SHARE_SHIFT;
    return vm_min_size(vm_max_size(vm_heap_policy.worn_bytes_min, share),
                       vm_heap_policy.retired_bytes_max >> VM_WORN_PART_SHIFT);
}

/* One may be alone among them, if it is not large. */
static bool are_too_many_worn(const struct heap *heap, size_t bytes_max)
{
    return heap->worn_bytes > bytes_max &&
           (heap->n_worn > 1 || heap->worn_bytes > 2 * vm_heap_policy.worn_bytes_min);
}

static bool are_too_many(const struct heap *heap, size_t worn_max)
{
    return heap->n_retired > VM_RETIRED_SLABS_MAX || are_too_many_worn(heap, worn_max) ||
           (heap->n_retired > 1 && heap->retired_bytes > vm_heap_policy.retired_bytes_max);
}

static bool is_regretted(const struct heap *heap, const struct slab *slab)
{
    return heap->regret[slab->class_index] == HEAP_REGRETTED;
}

static bool goes_before(const struct heap *heap, const struct slab *slab, const struct slab *other)
{
    const bool is_last = is_regretted(heap, slab);
    return is_last == is_regretted(heap, other) ? slab->span.start > other->span.start : !is_last;
}

/* The retired slab at the highest address, of those that are worn if these are too many: what is kept should not keep the break
   from moving down. Those of regretted classes go last; once all are, none is. */
static struct slab *next_to_go(struct heap *heap, size_t worn_max)
{
    const bool is_worn = are_too_many_worn(heap, worn_max);
    struct slab *next = NULL;
    for (uint32_t i = 0; i < heap->n_retired; i++) {
        struct slab *const slab = heap->retired[i];
        if ((slab->is_worn || !is_worn) && (!next || goes_before(heap, slab, next)))
            next = slab;
    }
    if (is_regretted(heap, next))
        vm_retired_forget_regrets(heap);
    return next;
}

void vm_retired_note_regret(struct heap *heap, unsigned class_index)
{
    if (heap->regret[class_index] == HEAP_GONE)
        heap->regret[class_index] = HEAP_REGRETTED;
}

void vm_retired_forget_regrets(struct heap *heap)
{
    __builtin_memset(heap->regret, HEAP_NO_REGRET, sizeof heap->regret);
}

void vm_retired_add(struct heap *heap, struct slab *slab, struct list *emptied)
{
    if (slab->retired_at || (slab->x_state == SLAB_CURRENT && vm_compound_is_host(heap, slab)))
        return;
    enter(heap, slab, heap->n_retired++);
    count(heap, slab, true);
    ignore_groups(slab);
    const size_t worn_max = worn_bytes_max(slab);
    while (are_too_many(heap, worn_max)) {
        struct slab *const given_back = next_to_go(heap, worn_max);
        vm_retired_forget(heap, given_back);
        heap->regret[given_back->class_index] = HEAP_GONE;
        if (vm_heap_is_slab_done(given_back))
            vm_heap_expel_locked(heap, given_back, emptied);
    }
}

struct slab *vm_retired_reuse(struct heap *heap, unsigned class_index)
{
    const struct slab_range range = vm_class_slab_range(class_index);
    for (uint32_t i = 0; i < heap->n_retired; i++) {
        struct slab *const slab = heap->retired[i];
        if (slab->x_state == SLAB_CURRENT || !vm_slab_can_recast(slab, class_index, range) ||
            !vm_heap_is_slab_done(slab))
            continue;
        vm_heap_unlist_locked(heap, slab);
        vm_heap_collect_remote(slab);
        vm_slab_recast(slab, class_index);
        return slab;
    }
    return NULL;
}
