/* SPDX-License-Identifier: MIT */
/*
 * kva.h - the kernel's own addresses beyond the direct mapping. vmalloc: pages from anywhere at addresses in a row, each
 * area with a guard page behind it. kmap: a frame of HIGHMEM at an address, for as long as it is needed; a few such
 * places for each processor, for moments. All are entries of the kernel's page table.
 *
 * Lock: the machine's. Blanket contract: VK_NO_ADDRESS is failure, which has changed nothing; what gives back returns
 * VK_EINVAL for what is not there.
 */
#ifndef VM_SIM_KVA_H
#define VM_SIM_KVA_H

#include "sim/area.h"
#include "sim/kmem.h"

struct vk_kva {
    struct vk_phys *phys;
    struct vk_space *space; /* the kernel's page table */
    struct areas areas;     /* by turns: pages that may be accessed, and the guard page behind them */
    struct area_pool pool;
    uint32_t n_pages;
};

/* Where addresses for vmalloc begin behind the end of the direct mapping: a hole of 8 MiB catches what runs over. */
enum { VK_VMALLOC_HOLE = 8 << 20 };
VM_INLINE uint64_t vk_vmalloc_start(uint64_t direct_end)
{
    return (direct_end + VK_VMALLOC_HOLE) & ~(uint64_t)(VK_VMALLOC_HOLE - 1);
}

/* From low up to high, whole pages; the caller keeps a hole below. VK_ENOMEM: the host has no memory for records. */
int vk_kva_init(struct vk_kva *kva, struct vk_phys *phys, struct vk_space *space, vk_va low, vk_va high);

uint64_t vk_vmalloc(struct vk_kva *kva, size_t bytes);
int vk_vfree(struct vk_kva *kva, uint64_t address);

/* Copies by way of the page table. VK_EFAULT: a page is not mapped, and nothing was copied. */
int vk_mapped_read(struct vk_phys *phys, struct vk_space *space, uint64_t from, void *to, size_t n);
int vk_mapped_write(struct vk_phys *phys, struct vk_space *space, uint64_t to, const void *from, size_t n);

/* In the shape of /proc/vmallocinfo. */
void vk_kva_report(const struct vk_kva *kva, const struct vk_writer *writer);

/* Verifies that each page of an area has a frame of its own, that no guard page has one, and the areas' K1..K5. */
void vk_kva_check(struct vk_kva *kva);

/* --- kmap: kmap.c ---------------------------------------------------------------------------------------- */

enum { VK_KMAP_SLOTS_MAX = 1024, VK_ATOMIC_SLOTS = 20 };

struct vk_kmap {
    struct vk_kmem *kmem; /* for the direct mapping */
    struct vk_space *space;
    uint64_t base, atomic_top; /* the window of slots; behind the highest place of the processors */
    uint32_t n_slots, last, n_flushes;
    uint32_t frame[VK_KMAP_SLOTS_MAX];
    uint16_t n_uses[VK_KMAP_SLOTS_MAX]; /* 0: free; 1: mapped, unused until a flush; else users + 1 */
    uint32_t n_atomic[VK_N_CPUS_MAX];   /* places in use, of each processor */
};

/* Needs: n_slots <= VK_KMAP_SLOTS_MAX (0: no frame needs one); the window is [base, base + n_slots pages). */
void vk_kmap_init(struct vk_kmap *kmap, struct vk_kmem *kmem, struct vk_space *space, uint64_t base,
                  uint32_t n_slots, uint64_t atomic_top);

/* An address for the frame: that of the direct mapping if it has one, else a slot. VK_NO_ADDRESS: all are in use. */
uint64_t vk_kmap(struct vk_kmap *kmap, uint32_t pfn);
int vk_kunmap(struct vk_kmap *kmap, uint64_t address);

/* The next place of this processor. They are given back in reverse order. */
uint64_t vk_kmap_atomic(struct vk_kmap *kmap, uint32_t pfn);
int vk_kunmap_atomic(struct vk_kmap *kmap, uint64_t address);

#endif
