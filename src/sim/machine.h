/* SPDX-License-Identifier: MIT */
/*
 * machine.h - a machine that pages, as the files of src/sim/ see it: the kernel that address spaces ask, physical
 * memory, processors' TLBs, and processes, which are address spaces with page tables.
 *
 *     vk_mm_map, vk_mm_brk ...  (mm.c: rules)       vk_access  (fault.c: the MMU)
 *                 |                                     |
 *             paged.c: what calls do to page tables     +--- tlb.c
 *                 |                                     |
 *              table.c: page tables, in frames  --------+
 *                 |
 *              phys.c: frames
 *
 * Lock: as in kernel.h.
 */
#ifndef VM_SIM_MACHINE_H
#define VM_SIM_MACHINE_H

#include "sim/kernel.h"
#include "sim/memory.h"
#include "sim/phys.h"
#include "sim/reclaim.h"
#include "sim/tlb.h"
#include "vmalloc/machine.h"

/* Where a file is mapped. */
struct mapped_file {
    vk_va start, end;
    char name[VK_NAME_MOST + 1];
};

struct vk_process {
    struct vk_mm mm;
    struct vk_space space;
    struct list_node link; /* among the machine's processes, or its free records */
    struct vk_machine *machine;
    uint32_t root; /* frame of the root table */
    unsigned n_users;
    size_t n_tables[VK_LEVELS_MOST];
    struct vk_paging told; /* counts of faults and bounds of areas; the rest of it is filled in when asked */
    unsigned n_files;
    struct mapped_file file[1 + VK_LIBRARIES_MOST];
};

struct vk_machine {
    struct vk_kernel kernel;
    struct vk_preset preset;
    struct vk_phys phys;
    struct vk_reclaim reclaim;
    struct vk_memory memory;
    struct tlb tlb;
    struct list processes, free_processes;
    uint32_t n_ids;
    uint64_t seed;
    struct fault_plan plan;
};

extern const struct vk_backing vk_paged_backing;

VM_INLINE struct vk_machine *vk_machine_of(const struct vk_kernel *kernel)
{
    return VM_CONTAINER(kernel, struct vk_machine, kernel);
}

VM_INLINE struct vk_process *vk_process_of(const struct vk_mm *mm)
{
    return VM_CONTAINER(mm, struct vk_process, mm);
}

VM_INLINE struct vk_process *vk_process_of_space(struct vk_space *space)
{
    return VM_CONTAINER(space, struct vk_process, space);
}

VM_INLINE uint64_t vk_page_number(const struct vk_process *process, vk_va at)
{
    return at >> process->machine->preset.page_shift;
}

/* layout.c */
bool vk_same_text(const char *a, const char *b);

/* machine.c: memory of the host that reads as zero; NULL: none. */
void *vk_machine_more(struct vk_machine *machine, size_t bytes);

/* machine.c: a new address space's places are chosen by `seed`: the next number below `most`, 0 without a seed. */
uint64_t vk_machine_draw(struct vk_machine *machine, uint64_t most);

/* fault.c: what vk_access does for each page. */
enum vk_outcome vk_touch(struct vk_process *process, vk_va at, unsigned kind);

/* paged.c */
extern const struct vk_space_ops vk_paged_space_ops;

/* Gives all that entries name back, and the tables; areas stay. */
void vk_paged_empty(struct vk_process *process);

/* Changes a page's entry; what counts pages follows, and TLBs forget it. Needs: a path down to level 0. */
struct table_path;
void vk_paged_set_entry(struct vk_process *process, const struct table_path *path, uint64_t entry);

/* An entry's rights as an area's protection has them; what it names and knows stays. */
uint64_t vk_paged_rights(uint64_t entry, unsigned prot);

/* Verifies invariants G1..G4 (see paged.c); stirs all entries, and what their frames hold, into a digest. */
void vk_paged_check(struct vk_process *process);
void vk_paged_stir(struct vk_process *process, uint64_t *digest);

#endif
