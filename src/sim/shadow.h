/* SPDX-License-Identifier: MIT */
/*
 * shadow.h - the shadow of the kernel's small memory: one byte for eight, which says how many of these may be accessed,
 * or why none may. Objects of caches and of kmalloc have one; accesses by vk_kernel_read and _write are looked up, and
 * what is wrong is reported with the object that it is in or beside. Lock: the machine's.
 */
#ifndef VM_SIM_SHADOW_H
#define VM_SIM_SHADOW_H

#include "sim/kmem.h"

/* Linux's values: 0 all eight bytes, 1 to 7 the first so many. */
enum vk_shadow_state { VK_SHADOW_OPEN = 0, VK_SHADOW_REDZONE = 0xfc, VK_SHADOW_FREED = 0xfb };
enum vk_shadow_access { VK_SHADOW_READ, VK_SHADOW_WRITE };

struct vk_shadow_finding {
    enum vk_shadow_access access;
    uint64_t address;        /* the first byte that may not be accessed */
    size_t n;                /* of the access */
    struct vk_object object; /* the nearest at or below it; bytes are those asked for */
    uint64_t offset;         /* from its start */
    bool is_freed;           /* else out of bounds */
};

struct vk_shadow {
    uint8_t *bytes;   /* for each eighth physical address below HIGHMEM */
    uint64_t n_bytes; /* an eighth of that memory */
    uint64_t n_findings;
    void (*found)(void *context, const struct vk_shadow_finding *finding); /* may be NULL */
    void *context;
};

/* From now on. Needs: no object in use. VK_ENOMEM: the host has no memory for it. */
int vk_shadow_start(struct vk_kmem *kmem, struct vk_shadow *shadow);

/* The first bytes of an object may be accessed, the rest of what it has may not. Without a shadow: nothing. */
void vk_shadow_use(struct vk_kmem *kmem, uint64_t object, size_t bytes, size_t step_bytes);

/* An object is freed; a slab is made, in which nothing may be accessed. */
void vk_shadow_free(struct vk_kmem *kmem, uint64_t object, size_t step_bytes);
void vk_shadow_slab(struct vk_kmem *kmem, uint64_t slab, size_t bytes);

/* Reports the first byte that may not be accessed, if there is one: false. */
bool vk_shadow_check(struct vk_kmem *kmem, uint64_t address, size_t n, enum vk_shadow_access access);

/* In the shape of what Linux writes: what was done, where, and to which object. */
void vk_shadow_report(const struct vk_shadow_finding *finding, const struct vk_writer *writer);

#endif
