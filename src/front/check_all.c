/* SPDX-License-Identifier: MIT */
/* check_all.c - every room's checker, one after another. */
#include "front/front.h"
#include "heap/thread.h"
#include "large/large.h"
#include "pool/meta.h"
#include "pool/pool.h"

void vm_check_all(void)
{
    vm_meta_check();
    vm_pool_check();
    vm_large_check();
    for (struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        vm_heap_check(heap);
}
