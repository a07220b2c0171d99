/* SPDX-License-Identifier: MIT */
/* sim.h - the simulated kernel behind the wall, over a region that the host's kernel gives. */
#ifndef VM_KERNEL_SIM_H
#define VM_KERNEL_SIM_H

#include "vmalloc/kernel.h"

/*
 * The backend "sim": one mapping of `bytes`, and in it a simulated kernel with pages of page_bytes; 0: the host's.
 * NULL: the mapping is not to be had, or the sizes make no kernel that vmalloc can serve from. Called once.
 */
struct vm_kernel_backend *vm_sim_open(size_t bytes, size_t page_bytes);

/* For a fork child: if another thread was in the simulated kernel, it refuses everything from now on. */
void vm_sim_reset_in_child(void);

#endif
