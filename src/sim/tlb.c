/* SPDX-License-Identifier: MIT */
/* tlb.c - see tlb.h. */
#include "sim/tlb.h"

static struct tlb_entry *set_of(const struct tlb *tlb, unsigned cpu, uint64_t vpn)
{
    const size_t set = (size_t)cpu * tlb->n_sets + (size_t)(vpn & (tlb->n_sets - 1));
    return &tlb->entry[set * tlb->n_ways];
}

static struct tlb_entry *find(const struct tlb *tlb, unsigned cpu, uint32_t space, uint64_t vpn)
{
    struct tlb_entry *const set = set_of(tlb, cpu, vpn);
    for (unsigned way = 0; way < tlb->n_ways; way++)
        if (set[way].vpn == vpn && set[way].space == space)
            return &set[way];
    return NULL;
}

struct tlb_entry *vk_tlb_find(struct tlb *tlb, uint32_t space, uint64_t vpn)
{
    struct tlb_entry *const found = find(tlb, tlb->cpu, space, vpn);
    if (found)
        found->used = ++tlb->clock;
    return found;
}

void vk_tlb_fill(struct tlb *tlb, uint32_t space, uint64_t vpn, uint64_t entry)
{
    struct tlb_entry *const set = set_of(tlb, tlb->cpu, vpn), *oldest = set;
    for (unsigned way = 1; way < tlb->n_ways; way++)
        if (set[way].used < oldest->used)
            oldest = &set[way];
    *oldest = (struct tlb_entry){.space = space, .vpn = vpn, .entry = entry, .used = ++tlb->clock};
}

void vk_tlb_forget(struct tlb *tlb, uint32_t space, uint64_t vpn)
{
    for (unsigned cpu = 0; cpu < tlb->n_cpus; cpu++) {
        struct tlb_entry *const found = find(tlb, cpu, space, vpn);
        if (!found)
            continue;
        *found = (struct tlb_entry){0};
        *(cpu == tlb->cpu ? &tlb->counts.n_forgotten : &tlb->counts.n_shot_down) += 1;
    }
}
