/* SPDX-License-Identifier: MIT */
/*
 * init.c - setting up, once.
 *
 * The first call of any function that needs more than the fast path sets the allocator up, whichever thread
 * it comes from and however early: in the loader, before constructors, before the C library has an
 * environment. Nothing here allocates, opens a file (but for an operation log) or looks up a symbol. What is to be done
 * depends on what the allocator lives in: start.c for a process, bare.c for a machine without an operating system. States
 * of x_state: NOT_SET_UP -> IS_BEING_SET_UP by the thread that wins the exchange, -> IS_SET_UP by the same thread (release,
 * pairs with the acquire in vm_heap_first_call); others wait for that.
 */
#include "base/atomic.h"
#include "front/front.h"
#include "heap/heap_fast.h"
#include "heap/perturb.h"
#include "heap/thread.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "pool/arena.h"

enum { NOT_SET_UP = 1, IS_BEING_SET_UP, IS_SET_UP };

/* Not 0 at first, as that would put it on a page that is read before it is written: a page fault more at each start. */
static uint32_t x_state = NOT_SET_UP;
static uintptr_t x_starter;

void vm_front_fit_to_memory(void)
{
    if (!vm_kernel.memory_bytes)
        return; /* the policies are right as they begin */
    vm_arena_policy.x_top_pad = vm_kernel_share(VM_DEFAULT_TOP_PAD, 6);
    vm_arena_policy.x_trim_threshold = vm_kernel_share(VM_DEFAULT_TRIM_THRESHOLD, 4);
    vm_heap_policy.retired_bytes_max = vm_kernel_share(VM_RETIRED_BYTES_MAX, 5);
    vm_heap_policy.worn_bytes_min = vm_kernel_share(VM_WORN_BYTES_MIN, 6);
    vm_large_set_threshold(VM_DEFAULT_MMAP_THRESHOLD);
}

VM_COLD static void set_up(void)
{
    uint32_t expected = NOT_SET_UP;
    if (!vm_compare_exchange(&x_state, &expected, IS_BEING_SET_UP)) {
        while (vm_load_acquire(&x_state) == IS_BEING_SET_UP && vm_load_relaxed(&x_starter) != vm_thread_id())
            vm_cpu_relax();
        return;
    }
    vm_store_relaxed(&x_starter, vm_thread_id());
    vm_front_set_up();
    vm_store_release(&x_state, IS_SET_UP);
}

void vm_heap_first_call(void)
{
    if (VM_UNLIKELY(vm_load_acquire(&x_state) != IS_SET_UP))
        set_up();
}

/* Which heap the thread has, its own word says. */
void vm_kernel_thread_ended(void)
{
    if (vm_heap_self->taker)
        vm_heap_self->taker->thread_ended();
    if (vm_load_relaxed(&vm_heap_self->x_state) == HEAP_LIVE)
        vm_thread_end(vm_heap_self);
}
