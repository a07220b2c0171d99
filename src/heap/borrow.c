/* SPDX-License-Identifier: MIT */
/* borrow.c - see borrow.h. Owns nothing; counts in the heap's n_borrowed. */
#include "heap/borrow.h"
#include "heap/heap_fast.h"
#include "slab/sizeclass.h"

enum {
    BLOCKS_MAX = 8,
    BYTES_MAX = VM_KIB, /* of the requests' classes; so what larger blocks waste is less, too */
    TIMES_MAX = 2       /* how much larger they are */
};

static bool may_borrow(const struct heap *heap, unsigned class_index)
{
    const size_t n_then = heap->n_borrowed[class_index] + 1U;
    return n_then <= BLOCKS_MAX && n_then * vm_class_bytes(class_index) <= BYTES_MAX &&
           !heap->slabs[class_index].first;
}

void *vm_borrow_take(struct heap *heap, unsigned class_index)
{
    if (class_index >= VM_CLASS_OF_SMALL_MAX || !may_borrow(heap, class_index))
        return NULL;
    const size_t bytes = vm_class_bytes(class_index);
    for (unsigned i = class_index + 1; i <= VM_CLASS_OF_SMALL_MAX; i++) {
        const struct bin *const bin = &heap->bin[vm_last_bin[i]];
        const vm_word mask = vm_load_relaxed(&bin->group->x_mask);
        if (bin->block_bytes > TIMES_MAX * bytes)
            break;
        if (!mask)
            continue;
        heap->n_borrowed[class_index]++;
        char *const block = vm_heap_take(bin, mask);
        /* calloc clears no more than the class's bytes. */
        __builtin_memset(block + bytes, 0, bin->block_bytes - bytes);
        return block;
    }
    return NULL;
}
