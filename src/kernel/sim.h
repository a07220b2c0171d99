/* SPDX-License-Identifier: MIT */
/* sim.h - backends that are a simulated kernel over memory of the host. One of them in a process. */
#ifndef VM_KERNEL_SIM_H
#define VM_KERNEL_SIM_H

#include "vmalloc/kernel.h"
#include "vmalloc/sim.h"

/*
 * The backend "sim": one mapping of `bytes`, and in it a simulated kernel with pages of page_bytes; 0: the host's.
 * NULL: the mapping is not to be had, or the sizes make no kernel that vmalloc can serve from. Called once.
 */
struct vm_kernel_backend *vm_sim_open(size_t bytes, size_t page_bytes);

/* The backend "posix": addresses that are reserved by mmap, further ones as they are needed, and a simulated kernel in
   them. NULL: there are none to be had. Called once. */
struct vm_kernel_backend *vm_posix_open(void);

/* Where the memory of a hosted kernel comes from, and how it is made, but for the lock, which is ours. */
struct sim_host {
    const char *name;
    struct vk_config config;
    bool (*reserve)(struct vk_region *region); /* the first region; called once more in some fork children */
};

/* A backend on a simulated kernel in what the host reserves. `host` must last. NULL: it is not to be had. */
struct vm_kernel_backend *vm_sim_host(const struct sim_host *host);

/* For a fork child: if another thread was in the simulated kernel, leaves that as it is and goes on with a new one. */
void vm_sim_reset_in_child(void);

#endif
