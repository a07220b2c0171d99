/* SPDX-License-Identifier: MIT */
/* trim.c - malloc_trim: free pages back to the kernel, whoever's they are. Owns nothing; no lock of its own. */
#include "front/front.h"
#include "heap/heap_fast.h"
#include "heap/thread.h"
#include "heap/trim.h"
#include "pool/meta.h"
#include "pool/pool.h"
#include "vmalloc/vmalloc.h"

void vm_front_relieve(void)
{
    for (struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        vm_heap_give_empties(heap);
    vm_pool_trim(0);
}

int vm_malloc_trim(size_t pad)
{
    vm_heap_first_call();
    if (VM_UNLIKELY(vm_heap_self->taker != NULL))
        return vm_heap_self->taker->trim(pad);
    size_t n_pages = 0;
    for (struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        n_pages += vm_heap_trim(heap);
    const bool moved = vm_pool_trim(pad);
    return vm_meta_trim() || moved || n_pages > 0;
}

VM_LIBC_NAME(malloc_trim, vm_malloc_trim);
