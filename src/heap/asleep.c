/* SPDX-License-Identifier: MIT */
/* asleep.c - see asleep.h. Owns the sum of what was noted; the bits are remote.c's. */
#include "heap/asleep.h"
#include "heap/remote.h"
#include "heap/thread.h"
#include "heap/trim.h"
#include "kernel/kernel.h"

/* A slab's blocks, a bit each. Only where memory is little have slabs more groups, and slabs are small there. */
enum { GROUPS_MAX = 16 };
struct blocks {
    vm_word group[GROUPS_MAX];
};

size_t vm_asleep_bytes(const struct slab *slab)
{
    size_t n_blocks = 0;
    if (slab->x_state != SLAB_CURRENT || !vm_kernel.purge_zeroes || slab->n_groups > GROUPS_MAX ||
        vm_load_relaxed(&slab->span.x_is_asleep))
        return 0;
    for (size_t i = 0; i < slab->n_groups; i++) {
        const vm_word remote = vm_load_relaxed(&vm_slab_remote(slab)[i]);
        if ((vm_load_relaxed(&slab->group[i].x_mask) | remote) != vm_slab_group_full(slab, i))
            return 0;
        n_blocks += vm_bits_count(remote);
    }
    return n_blocks * slab->span.block_bytes;
}

size_t vm_asleep_x_put_off;

void vm_asleep_note_change(struct heap *heap, size_t bytes)
{
    vm_fetch_add_relaxed(&vm_asleep_x_put_off, bytes - vm_load_relaxed(&heap->x_put_off));
    vm_store_relaxed(&heap->x_put_off, bytes);
}

/* A share of what else is live may be left, as of other dirty pages. */
static bool is_worth_it(size_t bytes)
{
    const size_t live = vm_pool_live_bytes_of_all();
    return bytes >= (live - vm_min_size(live, bytes)) >> VM_DIRTY_SHARE_SHIFT;
}

/* The sum, which a fork in the middle of a change may have left wrong. */
static size_t put_off_of_all(void)
{
    size_t bytes = 0;
    for (const struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        bytes += vm_load_relaxed(&heap->x_put_off);
    vm_store_relaxed(&vm_asleep_x_put_off, bytes);
    return bytes;
}

void vm_asleep_review(void)
{
    if (!is_worth_it(vm_load_relaxed(&vm_asleep_x_put_off)) || !is_worth_it(put_off_of_all()))
        return;
    for (struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        if (vm_load_relaxed(&heap->x_put_off)) {
            vm_asleep_purge(heap);
            vm_remote_look(heap); /* notes what is left, and gives slabs back that the owner left meanwhile */
        }
}

/* Takes the remote bits of the class's CURRENT slab back, if they are worth it. NULL: they are not. */
static struct slab *take_bits(struct heap *heap, unsigned class_index, struct blocks *blocks)
{
    vm_word any = 0;
    vm_lock_acquire(&heap->lock);
    struct slab *const slab = heap->current[class_index];
    if (slab && vm_load_relaxed(&heap->x_state) == HEAP_LIVE && vm_asleep_bytes(slab))
        for (size_t i = 0; i < slab->n_groups; i++) {
            blocks->group[i] = vm_exchange(&vm_slab_remote(slab)[i], 0); /* pairs with vm_remote_mark */
            any |= blocks->group[i];
        }
    vm_lock_release(&heap->lock);
    return any ? slab : NULL;
}

/* Purges the pages of the slab that lie within these blocks, neighbours together. Returns how many. */
static size_t purge_blocks(const struct slab *slab, const struct blocks *blocks)
{
    size_t n_pages = 0, first = 0; /* of neighbours */
    for (size_t i = 0; i < slab->n_blocks; i++) {
        if (blocks->group[i >> VM_WORD_SHIFT] & vm_slab_bit(i))
            continue;
        n_pages += vm_trim_between(vm_slab_block(slab, first), vm_slab_block(slab, i));
        first = i + 1;
    }
    return n_pages + vm_trim_between(vm_slab_block(slab, first), vm_slab_block(slab, slab->n_blocks));
}

/* Frees the blocks once more. After the last group the slab may be gone. */
static void give_bits(struct slab *slab, const struct blocks *blocks)
{
    for (size_t i = 0, n = slab->n_groups; i < n; i++) {
        const vm_word again = blocks->group[i] ? vm_remote_mark(slab, i, blocks->group[i]) : 0;
        if (VM_UNLIKELY(again))
            vm_heap_bad_free(vm_slab_block(slab, i * VM_WORD_BITS + vm_bits_lowest(again)));
    }
}

/* The blocks are the caller's, as if they had not been freed; so the slab stays. Lock: none held. */
static size_t purge_slab(struct slab *slab, const struct blocks *blocks)
{
    /* Of joined blocks only the first parts have bits. Whoever joined them said so before others could free them. */
    const size_t n_pages = vm_load_relaxed(&slab->x_is_joined) ? 0 : purge_blocks(slab, blocks);
    if (!vm_exchange(&slab->span.x_is_asleep, 1))
        vm_pool_count_asleep(&slab->span, true);
    give_bits(slab, blocks);
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
    struct blocks blocks;
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        struct slab *const slab = take_bits(heap, i, &blocks);
        if (!slab)
            continue;
        arena_index = slab->span.arena_index; /* now: once its blocks are free, the slab may go */
        n_pages += purge_slab(slab, &blocks);
    }
    if (n_pages)
        vm_pool_review(arena_index);
    return n_pages;
}
