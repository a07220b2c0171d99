/* SPDX-License-Identifier: MIT */
/* memory.h - what a machine has beside processes: its kernel's own memory. The calls are in memorycalls.c. */
#ifndef VM_SIM_MEMORY_H
#define VM_SIM_MEMORY_H

#include "sim/kva.h"
#include "sim/reclaim.h"
#include "sim/shadow.h"
#include "vmalloc/memory.h"

struct vk_process;

/* A cache that a caller of the public interface made. */
struct made_cache {
    struct vk_cache cache;
    char name[VK_NAME_MOST + 1];
    uint64_t mark;
};

struct vk_memory {
    struct vk_kmem kmem;
    struct vk_shrinker shrinker;
    struct vk_process *kernel; /* whose page tables vmalloc and kmap use; made with the first use */
    struct vk_kva kva;
    struct vk_kmap kmap;
    struct vk_shadow shadow;
    struct vk_shadow_finding finding; /* the last one */
    const struct vk_mm *victim;
};

/* Needs: physical memory and reclaim are there. */
void vk_memory_init(struct vk_machine *machine);

/* Makes the kernel's page tables, and what stands on them, unless they are there. VK_ENOMEM, or VK_EINVAL: the layout
   has no such addresses. */
int vk_memory_map(struct vk_machine *machine);

void vk_memory_check(struct vk_machine *machine);

/* Stirs what is not in any address space into a digest: free blocks, lists, slots, groups, slabs, vmalloc's areas. */
void vk_memory_stir(struct vk_machine *machine, uint64_t *digest);

#endif
