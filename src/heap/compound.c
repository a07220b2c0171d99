/* SPDX-License-Identifier: MIT */
/*
 * compound.c - see compound.h. Owns nothing.
 *
 * Where to look. Nothing counts a slab's free blocks when they are freed, so the heap takes samples: after some searches
 * in vain, of each class the next few slabs of its list. Classes in which one of these was sparse are searched for
 * hosts, two slabs at a time, until the next sample. What is looked at in vain goes to the end of its list; so in
 * time all slabs have their turn, and no malloc looks at more than a few.
 */
#include "heap/compound.h"
#include "slab/sizeclass.h"

enum {
    LENGTH_MAX = 32,  /* parts of a block */
    WASTE_SHIFT = 3,  /* at most 1/8 of the block, as little as size classes waste */
    SPARSE_SHIFT = 2, /* slabs of which 1/4 is free */
    SAMPLE_EVERY = 8, /* searches in vain */
    N_SAMPLED = 4,    /* slabs of each class, at most */
    N_LOOKS = 2       /* slabs of each class in which a sparse one was seen */
};

/* --- blocks and their parts ------------------------------------------------------------------------------- */

static unsigned length_of(size_t bytes, size_t part_bytes)
{
    return (unsigned)((bytes + part_bytes - 1) / part_bytes);
}

/* Of free blocks, those with which a run of `length` begins. */
static vm_word runs_of(vm_word free, unsigned length)
{
    for (unsigned n = 1, step; n < length; n += step) {
        step = length - n < n ? length - n : n;
        free &= free >> step;
    }
    return free;
}

/* The first run of `length` free blocks in one group of the slab. False: there is none. All groups are looked at, from the last
   one on: no branch depends on what is free, which no processor foresees. */
static bool find_run(const struct slab *slab, unsigned length, size_t *index)
{
    vm_word first = 0;
    size_t at = 0;
    for (size_t i = slab->n_groups; i-- > 0;) {
        const vm_word runs = runs_of(vm_load_relaxed(&slab->group[i].x_mask), length);
        at = runs ? i : at;
        first = runs ? runs : first;
    }
    *index = at * VM_WORD_BITS + vm_bits_lowest(first | (vm_word)1 << (VM_WORD_BITS - 1));
    return first != 0;
}

static void set_joined(struct slab *slab, size_t group_index, vm_word joined)
{
    vm_store_relaxed(&vm_slab_joined(slab)[group_index], joined);
    if (vm_load_relaxed(&slab->group[group_index].x_notify))
        vm_store_relaxed(&slab->group[group_index].x_notify, vm_slab_group_notify(slab, group_index));
}

/* Makes one block of those of a group that `bits` says, neighbours all. */
static void join(struct slab *slab, size_t group_index, vm_word bits)
{
    vm_store_relaxed(&slab->x_fast_heap, NULL);
    vm_store_relaxed(&slab->x_is_joined, true);
    set_joined(slab, group_index, vm_load_relaxed(&vm_slab_joined(slab)[group_index]) | (bits & bits >> 1));
}

vm_word vm_compound_split(struct slab *slab, size_t group_index, vm_word free)
{
    const vm_word joined = vm_load_relaxed(&vm_slab_joined(slab)[group_index]);
    if (VM_LIKELY((free & joined) == 0))
        return free;
    const vm_word whole = vm_slab_with_parts(free, joined);
    set_joined(slab, group_index, joined & ~whole);
    return whole;
}

void vm_compound_review(struct slab *slab)
{
    if (VM_LIKELY(!vm_load_relaxed(&slab->x_is_joined)))
        return;
    vm_word joined = 0;
    for (size_t i = 0; i < slab->n_groups; i++) {
        const vm_word mask = vm_load_relaxed(&slab->group[i].x_mask);
        const vm_word whole = vm_compound_split(slab, i, mask);
        if (VM_UNLIKELY(whole != mask))
            vm_store_release(&slab->group[i].x_mask, whole);
        joined |= vm_load_relaxed(&vm_slab_joined(slab)[i]);
    }
    vm_store_relaxed(&slab->x_is_joined, joined != 0);
}

/* --- hosts ---------------------------------------------------------------------------------------------- */

static bool is_sparse(const struct slab *slab)
{
    return !slab->retired_at && vm_slab_count_free(slab) >= slab->n_blocks >> SPARSE_SHIFT;
}

/* Whether blocks of one class may be made of those of another. */
static bool is_suitable(unsigned class_index, unsigned part_class)
{
    const size_t bytes = vm_class_bytes(class_index), part_bytes = vm_class_bytes(part_class);
    const unsigned length = length_of(bytes, part_bytes);
    return class_index != part_class && length <= LENGTH_MAX &&
           length * part_bytes - bytes <= bytes >> WASTE_SHIFT;
}

/* A sparse slab with a run of `length` blocks, one of the next n_looks of the list: then it is the first. NULL: none is. */
static struct slab *find_sparse(struct list *list, unsigned n_looks, unsigned length)
{
    struct list_node *node = list->first;
    struct slab *found = NULL;
    for (unsigned n = 0; n < n_looks && node && !found; n++) {
        struct slab *const slab = vm_slab_of_node(node);
        size_t index;
        vm_slab_prefetch(node->next);
        if (find_run(slab, length, &index) && is_sparse(slab))
            found = slab;
        else
            node = node->next;
    }
    if (node)
        vm_list_turn_to(list, node);
    return found;
}

static void sample_if_due(struct heap *heap)
{
    if (heap->sparse.n_vain < SAMPLE_EVERY)
        return;
    heap->sparse.n_vain = 0;
    for (unsigned i = 1; i < VM_N_CLASSES; i++) {
        vm_word *const word = &heap->sparse.bits[i >> VM_WORD_SHIFT];
        if (i + 1 < VM_N_CLASSES)
            vm_slab_prefetch(heap->slabs[i + 1].first);
        *word = (*word & ~vm_slab_bit(i)) | (find_sparse(&heap->slabs[i], N_SAMPLED, 1) ? vm_slab_bit(i) : 0);
    }
}

/* The first class of those in a word of sparse.bits. */
static unsigned class_of_bits(unsigned word_index, vm_word bits)
{
    return word_index * VM_WORD_BITS + (unsigned)vm_bits_lowest(bits);
}

/* A sparse slab with room for a block of the class. NULL: none was found. */
static struct slab *find_host(struct heap *heap, unsigned class_index)
{
    enum { N_WORDS = sizeof heap->sparse.bits / sizeof *heap->sparse.bits };
    const size_t bytes = vm_class_bytes(class_index);
    struct slab *host = NULL;
    for (unsigned i = 0; i < N_WORDS && !host; i++)
        for (vm_word bits = heap->sparse.bits[i]; bits && !host; bits &= bits - 1) {
            const unsigned part_class = class_of_bits(i, bits);
            if (bits & (bits - 1))
                vm_slab_prefetch(heap->slabs[class_of_bits(i, bits & (bits - 1))].first);
            if (is_suitable(class_index, part_class))
                host = find_sparse(&heap->slabs[part_class], N_LOOKS,
                                   length_of(bytes, vm_class_bytes(part_class)));
        }
    return host;
}

/* --- taking --------------------------------------------------------------------------------------------- */

void *vm_compound_take(struct heap *heap, unsigned class_index)
{
    struct slab *const host = heap->current[class_index];
    size_t index;
    if (!host || host->class_index == class_index)
        return NULL;
    const size_t bytes = vm_class_bytes(class_index);
    const unsigned length = length_of(bytes, host->span.block_bytes);
    if (!find_run(host, length, &index))
        return NULL;
    vm_word *const mask = &vm_slab_group(host, index)->x_mask;
    const vm_word bits = vm_bits_low_mask(length) << (index & (VM_WORD_BITS - 1));
    if (length > 1)
        join(host, index >> VM_WORD_SHIFT, bits);
    vm_store_relaxed(mask, vm_load_relaxed(mask) & ~bits);
    return vm_slab_block(host, index);
}

void *vm_compound_take_from_next(struct heap *heap, unsigned class_index)
{
    sample_if_due(heap);
    struct slab *const host = find_host(heap, class_index);
    if (!host) {
        heap->sparse.n_vain++;
        return NULL;
    }
    vm_heap_unlist_locked(heap, host);
    vm_heap_make_current(heap, class_index, host);
    return vm_compound_take(heap, class_index);
}
