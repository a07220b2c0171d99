/* SPDX-License-Identifier: MIT */
/*
 * bare.c - the allocator where there is no process around it: the program brings the kernel. There is no environment,
 * nothing is done before the program or after it, and messages go where the simulated kernel's go, to its hook `panic`.
 */
#include "base/atomic.h"
#include "base/check.h"
#include "front/front.h"
#include "heap/heap_fast.h"
#include "heap/thread.h"
#include "kernel/kernel.h"
#include "large/large.h"

void vm_front_set_up(void)
{
    if (vm_kernel_before_start)
        vm_kernel_before_start();
    VM_GUARD(vm_kernel_installed() != NULL);
    vm_kernel_start(vm_kernel_installed());
    vm_front_fit_to_memory();
    /* What is unmapped is mapped again where memory only grows: an arena for it beside that would be more memory. */
    vm_store_relaxed(&vm_large_policy.x_is_dynamic, !vm_kernel.grows_on_demand);
}

void vm_heap_expect_threads(void)
{
    /* There is no fork. */
}

void *vm_kernel_thread_switch(void *to)
{
    struct heap *const from = vm_heap_self;
    vm_heap_self = to ? to : &vm_heap_none;
    return from;
}
