/* SPDX-License-Identifier: MIT */
/*
 * bare.c - the allocator where there is no process around it: the program brings the kernel. There is no environment,
 * nothing is done before the program or after it, and messages go where the simulated kernel's go, to its hook `panic`.
 */
#include "base/check.h"
#include "front/front.h"
#include "kernel/kernel.h"

void vm_front_set_up(void)
{
    if (vm_kernel_before_start)
        vm_kernel_before_start();
    VM_GUARD(vm_kernel_installed() != NULL);
    vm_kernel_start(vm_kernel_installed());
    vm_front_fit_to_memory();
}
