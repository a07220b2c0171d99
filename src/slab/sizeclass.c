/* SPDX-License-Identifier: MIT */
/* sizeclass.c - see sizeclass.h. Owns nothing. */
#include "slab/sizeclass.h"
#include "kernel/kernel.h"
#include "pool/pool.h"

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
    const size_t block_bytes = vm_class_bytes(class_index);
    const size_t most = slab_bytes_for(class_index, block_bytes <= VM_SMALL_MAX ? 64
                                                    : block_bytes <= 8 * VM_KIB ? 16
                                                                                : 8);
    return vm_max_size(vm_min_size(most, vm_kernel_share(most, 4)), vm_class_slab_bytes_least(class_index));
}
