/* SPDX-License-Identifier: MIT */
/*
 * group.h - which of a slab's groups has free blocks: what the owner, or who acts as it, sees in its masks. Owns nothing.
 */
#ifndef VM_HEAP_GROUP_H
#define VM_HEAP_GROUP_H

#include "slab/slab.h"

enum { VM_ENOUGH_BLOCKS = 4 }; /* free ones in a group that is worth a change to it */

/* The first group from `group` on, and before `end`, that has n_blocks free ones; `end` if none has. */
VM_INLINE struct slab_group *vm_group_find(struct slab_group *group, const struct slab_group *end,
                                           unsigned n_blocks)
{
    for (; group < end; group++) {
        vm_word mask = vm_load_relaxed(&group->x_mask);
#pragma GCC unroll 4
        for (unsigned n = 1; n < n_blocks; n++)
            mask &= mask - 1; /* of no bits none go */
        if (mask)
            break;
    }
    return group;
}

VM_INLINE bool vm_group_has(struct slab *slab, unsigned n_blocks)
{
    const struct slab_group *const end = slab->group + slab->n_groups;
    return vm_group_find(slab->group, end, n_blocks) < end;
}

/* The first group from behind `last` on, and at last there, that has n_blocks free ones. NULL: none has. */
VM_INLINE struct slab_group *vm_group_after(struct slab *slab, struct slab_group *last, unsigned n_blocks)
{
    struct slab_group *const first = slab->group, *const end = first + slab->n_groups;
    const bool is_ours = (uintptr_t)last >= (uintptr_t)first && (uintptr_t)last < (uintptr_t)end;
    struct slab_group *const next = is_ours ? last + 1 : first;
    struct slab_group *group = vm_group_find(next, end, n_blocks);
    if (group < end)
        return group;
    group = vm_group_find(first, next, n_blocks);
    return group < next ? group : NULL;
}

/*
 * Where blocks come from when group `last`, the slab's or any other, has none: each group in turn, so that all have time to
 * collect some, and one that has enough of them before others, as each change is a slow call that no processor foresees. NULL:
 * the slab has none.
 */
VM_INLINE struct slab_group *vm_group_next(struct slab *slab, struct slab_group *last)
{
    struct slab_group *const end = slab->group + slab->n_groups;
    if (slab->n_groups <= 2) {
        struct slab_group *const first = vm_group_find(slab->group, end, 1);
        return first < end ? first : NULL;
    }
    struct slab_group *const group = vm_group_after(slab, last, VM_ENOUGH_BLOCKS);
    return group ? group : vm_group_after(slab, last, 1);
}

#endif
