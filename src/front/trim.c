/* SPDX-License-Identifier: MIT */
/* trim.c - malloc_trim: free pages back to the kernel, whoever's they are. Owns nothing; no lock of its own. */
#include "front/front.h"
#include "heap/heap_fast.h"
#include "heap/remote.h"
#include "heap/thread.h"
#include "pool/pool.h"
#include "vmalloc/vmalloc.h"

int vm_malloc_trim(size_t pad)
{
    vm_heap_first_call();
    vm_thread_settle();
    for (struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        if (heap != vm_heap_self)
            vm_remote_visit(heap);
    return vm_pool_trim(pad);
}

VM_LIBC_NAME(malloc_trim, vm_malloc_trim);
