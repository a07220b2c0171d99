/* SPDX-License-Identifier: MIT */
/*
 * group.h - which of a slab's groups has free blocks: what the owner, or who acts as it, sees in its masks. Owns nothing.
 */
#ifndef VM_HEAP_GROUP_H
#define VM_HEAP_GROUP_H

#include "slab/slab.h"

/* The first group from `group` on, and before `end`, that has a free block; `end` if none has. */
VM_INLINE struct slab_group *vm_group_find(struct slab_group *group, const struct slab_group *end)
{
    while (group < end && !vm_load_relaxed(&group->x_mask))
        group++;
    return group;
}

/*
 * Where blocks come from when group `last`, the slab's or any other, has none: the next one that has some, so that each has a
 * whole turn of time to collect them; behind the slab's last group its first one, if `wraps`. NULL: none has.
 */
VM_INLINE struct slab_group *vm_group_next(struct slab *slab, struct slab_group *last, bool wraps)
{
    struct slab_group *const first = slab->group, *const end = first + slab->n_groups;
    const bool is_turn =
        slab->n_groups > 1 && (uintptr_t)last - (uintptr_t)first < (uintptr_t)end - (uintptr_t)first;
    struct slab_group *const next = is_turn ? last + 1 : first;
    struct slab_group *group = vm_group_find(next, end);
    if (VM_LIKELY(group < end))
        return group;
    if (!wraps || !is_turn)
        return NULL;
    group = vm_group_find(first, next);
    return group < next ? group : NULL;
}

/* Whether a mask of the slab has a free block. */
VM_INLINE bool vm_group_has_any(struct slab *slab)
{
    const struct slab_group *const end = slab->group + slab->n_groups;
    return vm_group_find(slab->group, end) < end;
}

/* Number of free blocks in the slab's masks. */
VM_INLINE unsigned vm_group_count(const struct slab *slab)
{
    unsigned n = 0;
    for (unsigned i = 0; i < slab->n_groups; i++)
        n += vm_bits_count(vm_load_relaxed(&slab->group[i].x_mask));
    return n;
}

#endif
