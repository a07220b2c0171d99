/* SPDX-License-Identifier: MIT */
/* asleep.c - see asleep.h. Owns nothing; the bits are remote.c's. */
#include "heap/asleep.h"
#include "heap/remote.h"
#include "heap/trim.h"
#include "kernel/kernel.h"

size_t vm_asleep_bytes(const struct slab *slab)
{
    if (slab->x_state != SLAB_CURRENT || slab->n_groups != 1 || vm_load_relaxed(&slab->span.x_is_asleep))
        return 0;
    const vm_word remote = vm_load_relaxed(&vm_slab_remote(slab)[0]);
    const vm_word free = vm_load_relaxed(&slab->group[0].x_mask) | remote;
    return free == vm_slab_group_full(slab, 0) ? vm_bits_count(remote) * slab->span.block_bytes : 0;
}

size_t vm_asleep_bytes_min(const struct slab *slab)
{
    return vm_max_size(VM_ASLEEP_BYTES_MIN, vm_pool_live_bytes(&slab->span) >> VM_DIRTY_SHARE_SHIFT);
}

/* Takes the remote bits of the class's CURRENT slab back, if they are worth it. NULL: they are not. */
static struct slab *take_bits(struct heap *heap, unsigned class_index, vm_word *blocks)
{
    struct slab *found = NULL;
    vm_lock_acquire(&heap->lock);
    struct slab *const slab = heap->current[class_index];
    if (slab && vm_load_relaxed(&heap->x_state) == HEAP_LIVE && vm_asleep_bytes(slab)) {
        *blocks = vm_exchange(&vm_slab_remote(slab)[0], 0); /* pairs with vm_remote_mark */
        found = *blocks ? slab : NULL;
    }
    vm_lock_release(&heap->lock);
    return found;
}

/* Purges the pages of the slab that lie within these blocks, neighbours together. Returns how many. */
static size_t purge_blocks(const struct slab *slab, vm_word blocks)
{
    size_t n_pages = 0;
    while (blocks) {
        const size_t first = vm_bits_lowest(blocks);
        const vm_word behind = ~(blocks >> first);
        const size_t n = behind ? vm_bits_lowest(behind) : VM_WORD_BITS;
        n_pages += vm_trim_between(vm_slab_block(slab, first), vm_slab_block(slab, first + n));
        blocks &= blocks + ((vm_word)1 << first); /* the carry runs through the blocks of this run */
    }
    return n_pages;
}

/* The blocks are the caller's, as if they had not been freed; so the slab stays. Lock: none held. */
static size_t purge_slab(struct slab *slab, vm_word blocks)
{
    /* Of joined blocks only the first parts have bits. Whoever joined them said so before others could free them. */
    const size_t n_pages = vm_load_relaxed(&slab->x_is_joined) ? 0 : purge_blocks(slab, blocks);
    if (!vm_exchange(&slab->span.x_is_asleep, 1))
        vm_pool_count_asleep(&slab->span, true);
    const vm_word again = vm_remote_mark(slab, 0, blocks);
    if (VM_UNLIKELY(again))
        vm_heap_bad_free(vm_slab_block(slab, vm_bits_lowest(again)));
    return n_pages;
}

void vm_asleep_end(struct slab *slab)
{
    if (vm_exchange(&slab->span.x_is_asleep, 0))
        vm_pool_count_asleep(&slab->span, false);
}

size_t vm_asleep_purge(struct heap *heap)
{
    size_t n_pages = 0;
    size_t arena_index = 0;
    vm_word blocks;
    for (unsigned i = 0; i < VM_N_CLASSES && vm_kernel.purge_zeroes; i++) {
        struct slab *const slab = take_bits(heap, i, &blocks);
        if (!slab)
            continue;
        arena_index = slab->span.arena_index; /* now: once its blocks are free, the slab may go */
        n_pages += purge_slab(slab, blocks);
    }
    if (n_pages)
        vm_pool_review(arena_index);
    return n_pages;
}
