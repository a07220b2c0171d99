/* SPDX-License-Identifier: MIT */
/*
 * tlb.h - what each processor remembers of page tables: sets of a few entries, the one used least recently goes first.
 * Entries are tagged with their address space. Whoever changes an entry of a page table that was present makes every
 * processor forget it, so that a hit is always what a walk would find.
 */
#ifndef VM_SIM_TLB_H
#define VM_SIM_TLB_H

#include "base/compiler.h"
#include "vmalloc/machine.h"

struct tlb_entry {
    uint32_t space; /* number of the address space; 0: empty */
    uint64_t vpn, entry, used;
};

/* Of all processors: `entry` holds n_sets * n_ways for each. */
struct tlb {
    struct tlb_entry *entry;
    unsigned n_sets, n_ways, n_cpus, cpu;
    uint64_t clock;
    struct vk_tlb_counts counts;
};

/* On the processor at hand; NULL: not there. */
struct tlb_entry *vk_tlb_find(struct tlb *tlb, uint32_t space, uint64_t vpn);

void vk_tlb_fill(struct tlb *tlb, uint32_t space, uint64_t vpn, uint64_t entry);

/* On all processors. */
void vk_tlb_forget(struct tlb *tlb, uint32_t space, uint64_t vpn);

#endif
