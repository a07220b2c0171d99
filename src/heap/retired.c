/* SPDX-License-Identifier: MIT */
/* retired.c - see retired.h. Owns nothing; keeps the heap's retired[] (H3 in heap.c) and its regrets. */
#include "heap/retired.h"
#include "heap/compound.h"
#include "heap/perturb.h"
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

void vm_retired_forget(struct heap *heap, struct slab *slab)
{
    if (!slab->retired_at)
        return;
    struct slab *const last = heap->retired[--heap->n_retired];
    enter(heap, last, slab->retired_at - 1U);
    slab->retired_at = 0;
    heap->retired_bytes -= slab->span.bytes;
    vm_heap_watch_groups(slab);
}

void vm_retired_forget_all(struct heap *heap)
{
    while (heap->n_retired)
        vm_retired_forget(heap, heap->retired[heap->n_retired - 1]);
    vm_retired_forget_regrets(heap);
}

static bool are_too_many_retired(const struct heap *heap)
{
    return heap->n_retired > VM_RETIRED_SLABS_MAX ||
           (heap->n_retired > 1 && heap->retired_bytes > vm_heap_policy.retired_bytes_max);
}

/* Whether the class is among the last that needed a new slab right after their retired one had gone. */
static bool is_regretted(const struct heap *heap, unsigned class_index)
{
    for (unsigned i = 0; i < VM_REGRETTED_CLASSES; i++)
        if (heap->regretted[i] == class_index)
            return true;
    return false;
}

/* The retired slab at the highest address: what is kept should not keep the break from moving down. Those of regretted
   classes go last. */
static uint32_t next_to_go(const struct heap *heap)
{
    uint32_t next = 0;
    for (uint32_t i = 1; i < heap->n_retired; i++) {
        const struct slab *const slab = heap->retired[i], *const other = heap->retired[next];
        const bool regretted = is_regretted(heap, slab->class_index);
        if (regretted == is_regretted(heap, other->class_index) ? slab->span.start > other->span.start
                                                                : !regretted)
            next = i;
    }
    return next;
}

void vm_retired_note_regret(struct heap *heap, unsigned class_index)
{
    if (class_index != heap->gone_class || is_regretted(heap, class_index))
        return;
    heap->regretted[heap->next_regretted] = (uint8_t)class_index;
    heap->next_regretted = (uint8_t)((heap->next_regretted + 1) % VM_REGRETTED_CLASSES);
}

void vm_retired_forget_regrets(struct heap *heap)
{
    heap->gone_class = VM_N_CLASSES;
    __builtin_memset(heap->regretted, VM_N_CLASSES, sizeof heap->regretted);
}

void vm_retired_add(struct heap *heap, struct slab *slab, struct list *emptied)
{
    if (slab->retired_at || (slab->x_state == SLAB_CURRENT && vm_compound_is_host(heap, slab)))
        return;
    enter(heap, slab, heap->n_retired++);
    heap->retired_bytes += slab->span.bytes;
    ignore_groups(slab);
    while (are_too_many_retired(heap)) {
        const uint32_t next = next_to_go(heap);
        struct slab *const given_back = heap->retired[next];
        vm_retired_forget(heap, given_back);
        heap->gone_class = given_back->class_index;
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
