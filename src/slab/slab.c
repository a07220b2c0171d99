/* SPDX-License-Identifier: MIT */
/* slab.c - see slab.h: making and unmaking slabs. Owns nothing; no lock of its own. */
#include "slab/slab.h"
#include "base/check.h"
#include "kernel/kernel.h"
#include "pool/meta.h"
#include "pool/pagemap.h"
#include "pool/pool.h"
#include "slab/sizeclass.h"

_Static_assert(offsetof(struct slab, span) == 0, "the page map knows slabs as spans");
_Static_assert(VM_GRANULE / VM_BLOCK_ALIGN < 1 << 15, "slab->n_purged has 15 bits");
_Static_assert(sizeof(struct slab) <= sizeof vm_near_map.no_slab, "the empty slab must be readable");

static unsigned n_groups_of(size_t slab_bytes, size_t block_bytes)
{
    return (unsigned)((slab_bytes / block_bytes + VM_WORD_BITS - 1) / VM_WORD_BITS);
}

static size_t descriptor_bytes(unsigned n_groups)
{
    return offsetof(struct slab, group) + n_groups * (sizeof(struct slab_group) + 2 * sizeof(vm_word));
}

size_t vm_slab_descriptor_bytes(const struct slab *slab)
{
    return descriptor_bytes(slab->n_groups);
}

/* Cuts the slab's span into blocks of the class, all free. */
static void carve(struct slab *slab, unsigned class_index)
{
    const size_t block_bytes = vm_class_bytes(class_index);
    const size_t n_blocks = slab->span.bytes / block_bytes;
    slab->class_index = (uint8_t)class_index;
    slab->span.block_bytes = (uint32_t)block_bytes;
    slab->n_blocks = n_blocks;
    slab->reciprocal = UINT64_MAX / block_bytes + 1;
    char *const base = slab->span.start + (slab->span.bytes - n_blocks * block_bytes);
    slab->n_groups = (uint8_t)n_groups_of(slab->span.bytes, block_bytes);
    slab->is_quiet = false;
    vm_store_relaxed(&slab->x_is_joined, false);
    vm_store_relaxed(&slab->span.x_is_asleep, false);
    slab->n_purged = 0;
    for (size_t i = 0; i < slab->n_groups; i++) {
        const vm_word full = vm_slab_group_full(slab, i);
        vm_store_relaxed(&slab->group[i].x_mask, full);
        vm_store_relaxed(&slab->group[i].x_notify, full);
        slab->group[i].base = base + i * VM_WORD_BITS * block_bytes;
        vm_store_relaxed(&vm_slab_remote(slab)[i], 0);
        vm_store_relaxed(&vm_slab_joined(slab)[i], 0);
    }
}

/* Each slab of a class is twice as large as the last, where memory is little only from the fifth on. */
static size_t next_slab_bytes(unsigned class_index, unsigned n_owned)
{
    const size_t most = vm_class_slab_bytes(class_index), least = vm_class_slab_bytes_least(class_index);
    const size_t n_doublings = vm_min_size(n_owned, VM_SLAB_DOUBLINGS_MAX);
    return vm_min_size(
        least << (vm_kernel_is_memory_little() ? n_doublings / VM_SLAB_DOUBLINGS_MAX : n_doublings), most);
}

struct slab *vm_slab_create(unsigned class_index, unsigned n_owned)
{
    const size_t bytes = next_slab_bytes(class_index, n_owned);
    const size_t meta_bytes = descriptor_bytes(n_groups_of(bytes, vm_class_bytes(class_index)));
    struct slab *const slab = vm_meta_alloc(meta_bytes);
    if (!slab)
        return NULL;
    if (!vm_pool_take(&slab->span, bytes, bytes)) {
        vm_meta_free(slab, meta_bytes);
        return NULL;
    }
    slab->span.kind = SPAN_SLAB;
    carve(slab, class_index);
    slab->is_worn = n_owned > 0;
    if (!vm_pagemap_add(&slab->span)) {
        vm_pool_give(&slab->span, 0);
        vm_meta_free(slab, meta_bytes);
        return NULL;
    }
    return slab;
}

void vm_slab_destroy(struct slab *slab)
{
    VM_ASSERT(vm_slab_count_free(slab) == slab->n_blocks && !slab->span.x_is_asleep);
    const struct span span = slab->span;
    const size_t meta_bytes = vm_slab_descriptor_bytes(slab);
    vm_pagemap_remove(&slab->span);
    /* A late reader of the descriptor, through a pointer to a block that is no more, finds nobody's slab. */
    vm_store_relaxed(&slab->x_fast_heap, NULL);
    vm_store_relaxed(&slab->x_heap, NULL);
    vm_meta_free(slab, meta_bytes);
    vm_pool_give(&span, span.bytes);
}

bool vm_slab_can_recast(const struct slab *slab, unsigned class_index, struct slab_range range)
{
    const size_t bytes = slab->span.bytes;
    return bytes >= range.least && bytes <= range.most &&
           vm_round_up(descriptor_bytes(n_groups_of(bytes, vm_class_bytes(class_index))), VM_META_UNIT) ==
               vm_round_up(vm_slab_descriptor_bytes(slab), VM_META_UNIT);
}

void vm_slab_recast(struct slab *slab, unsigned class_index)
{
    VM_ASSERT(vm_slab_can_recast(slab, class_index, vm_class_slab_range(class_index)));
    carve(slab, class_index);
}

unsigned vm_slab_count_free(const struct slab *slab)
{
    unsigned n_free = 0;
    for (size_t i = 0; i < slab->n_groups; i++)
        n_free += vm_bits_count(vm_slab_with_parts(vm_load_relaxed(&slab->group[i].x_mask) |
                                                       vm_load_relaxed(&vm_slab_remote(slab)[i]),
                                                   vm_load_relaxed(&vm_slab_joined(slab)[i])));
    return n_free;
}

void vm_slab_check(const struct slab *slab)
{
    VM_CHECK(slab->span.kind == SPAN_SLAB);
    VM_CHECK(vm_pagemap_find(slab->span.start) == &slab->span);
    VM_CHECK(vm_pagemap_find(slab->span.start + slab->span.bytes - 1) == &slab->span);
    VM_CHECK(slab->span.block_bytes == vm_class_bytes(slab->class_index));
    VM_CHECK(vm_slab_block(slab, slab->n_blocks) == slab->span.start + slab->span.bytes);
    for (size_t i = 0; i < slab->n_groups; i++) {
        VM_CHECK(slab->group[i].base == vm_slab_block(slab, i * VM_WORD_BITS));
        const vm_word mask = vm_load_acquire(&slab->group[i].x_mask);
        const vm_word remote = vm_load_acquire(&vm_slab_remote(slab)[i]);
        VM_CHECK((mask & remote) == 0);                                  /* S1 */
        VM_CHECK(((mask | remote) & ~vm_slab_group_full(slab, i)) == 0); /* S2 */
        const vm_word joined = vm_load_acquire(&vm_slab_joined(slab)[i]);
        VM_CHECK((mask & (joined | joined << 1)) == 0 && (remote & joined << 1) == 0); /* S5 */
        VM_CHECK((joined & ~(vm_slab_group_full(slab, i) >> 1)) == 0); /* none follows the last one */
        VM_CHECK(joined == 0 || slab->x_is_joined);
    }
}
