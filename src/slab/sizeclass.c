/* SPDX-License-Identifier: MIT */
/* sizeclass.c - see sizeclass.h. Owns nothing. */
#include "slab/sizeclass.h"
#include "kernel/kernel.h"
#include "pool/pool.h"

#define EIGHT(first, step)                                                                                   \
    (first), (first) + (step), (first) + 2 * (step), (first) + 3 * (step), (first) + 4 * (step),             \
        (first) + 5 * (step), (first) + 6 * (step), (first) + 7 * (step)

const uint8_t vm_last_bin[VM_N_CLASSES] = {0,
                                           EIGHT(1, 1),
                                           EIGHT(9, 1), /* up to 256 bytes */
                                           EIGHT(18, 2),
                                           EIGHT(36, 4), /* up to 1 KiB */
                                           EIGHT(65, 1),
                                           EIGHT(73, 1),
                                           EIGHT(81, 1),
                                           EIGHT(89, 1),
                                           EIGHT(97, 1)};

/* Bytes of the smallest slab that has room for n_blocks. */
static size_t slab_bytes_for(unsigned class_index, size_t n_blocks)
{
    const size_t bytes = (size_t)1 << vm_ceil_log2(n_blocks * vm_class_bytes(class_index));
    return vm_max_size(bytes, vm_pool_granule());
}

size_t vm_class_slab_bytes_least(unsigned class_index)
{
    return slab_bytes_for(class_index, 2);
}

size_t vm_class_slab_bytes(unsigned class_index)
{
    const size_t least = vm_class_slab_bytes_least(class_index);
    const size_t most =
        vm_min_size(slab_bytes_for(class_index, VM_SLAB_BLOCKS), least << VM_SLAB_DOUBLINGS_MAX);
    return vm_max_size(vm_min_size(most, vm_kernel_share(most, 4)), least);
}
