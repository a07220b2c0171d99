/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - one simulated machine, as the files of src/sim/ see it, and the interface between the address
 * space (mm.c, remap.c), which knows ranges and rules, and what stands behind it (the backing: flat.c), which
 * knows where the bytes are.
 *
 * Lock: each public call enters and leaves the kernel; everything else runs under it.
 */
#ifndef VM_SIM_KERNEL_H
#define VM_SIM_KERNEL_H

#include "base/faultplan.h"
#include "sim/area.h"

/*
 * What an address space asks of the memory behind it. Ranges are whole pages that exist. What may fail
 * returns 0 or a negative enum vk_error, and then has changed nothing.
 */
struct vk_backing {
    /* Pages that are about to be mapped and read as zero. */
    int (*populate)(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot);

    /* Pages that are no longer mapped: their contents are lost. */
    void (*release)(struct vk_mm *mm, vk_va start, size_t bytes);

    /* Another protection; contents stay. */
    int (*protect)(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot);

    /* Lets the contents appear elsewhere, where nothing is mapped; the old pages are released. */
    int (*move)(struct vk_mm *mm, vk_va from, vk_va to, size_t bytes, unsigned prot);

    /* Advice on contents: VK_ADVICE_DONTNEED, _FREE or _WILLNEED. `prot` is what the pages have. */
    void (*advise)(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot, enum vk_advice advice);

    /* Pages have been locked: they are to be in memory. */
    void (*lock)(struct vk_mm *mm, vk_va start, size_t bytes);

    /* There is no room for so many bytes: true if there may be now. */
    bool (*grow)(struct vk_kernel *kernel, size_t bytes);

    /* A place for a mapping without a hint. `wanted` lacks the ends between which it is to be. */
    bool (*find_gap)(struct vk_mm *mm, struct gap_wanted *wanted, vk_va *place);

    /* What the area is called in maps, NULL: it has no name. */
    const char *(*name)(const struct vk_mm *mm, const struct area *area);

    /* Asked before each call: 0, or the error that it is to fail with. NULL: none is. */
    int (*admit)(struct vk_mm *mm, enum fault_site site, size_t bytes);
};

struct vk_mm {
    struct vk_kernel *kernel;
    struct areas areas;
    vk_va break_start, break_end;
    size_t limit[VK_N_LIMITS];
    size_t total_pages, data_pages, exec_pages, stack_pages, locked_pages; /* kept by account() in mm.c */
    size_t resident_pages;                                                 /* kept by the backing */
    size_t file_pages, swapped_pages, pinned_pages, table_pages;           /* the same; of the flat one: 0 */
    size_t text_pages; /* of the program, among exec_pages; of the flat one: 0 */
    size_t total_pages_most, resident_pages_most;
};

struct vk_kernel {
    size_t page_bytes;
    unsigned page_shift;
    enum vk_layout layout;
    uint32_t n_areas; /* as configured */
    size_t n_frames;  /* of all regions */
    struct vk_hooks hooks;
    const struct vk_backing *backing;
    struct area_pool pool;
    struct list regions; /* of the flat backing, by address */
    struct vk_mm mm;     /* the only one of the flat kernel; unused where there are processes */
};

/* Around each public call: the one lock. */
VM_INLINE void vk_enter(const struct vk_kernel *kernel)
{
    if (kernel->hooks.lock)
        kernel->hooks.lock(kernel->hooks.context);
}

VM_INLINE void vk_leave(const struct vk_kernel *kernel)
{
    if (kernel->hooks.unlock)
        kernel->hooks.unlock(kernel->hooks.context);
}

VM_INLINE size_t vk_pages(const struct vk_mm *mm, size_t bytes)
{
    return bytes >> mm->kernel->page_shift;
}

VM_INLINE size_t vk_page_offset(const struct vk_mm *mm, vk_va at)
{
    return at & (mm->kernel->page_bytes - 1);
}

/* Rounded up to pages; 0 if that has no number. */
VM_INLINE size_t vk_page_up(const struct vk_mm *mm, size_t bytes)
{
    return vm_round_up(bytes, mm->kernel->page_bytes);
}

/* mm.c: the calls, without the lock; and what they have in common. */
void vk_mm_init(struct vk_mm *mm, struct vk_kernel *kernel, vk_va low, vk_va high);
int vk_mm_map(struct vk_mm *mm, const struct vk_map *wanted, vk_va *start);
int vk_mm_unmap(struct vk_mm *mm, vk_va start, size_t bytes);
int vk_mm_remap(struct vk_mm *mm, const struct vk_remap *wanted, vk_va *start); /* remap.c */
vk_va vk_mm_brk(struct vk_mm *mm, vk_va wanted);

/* The name of an area that the break is in, NULL for any other. */
const char *vk_heap_name(const struct vk_mm *mm, const struct area *area);

/* style.c */
int vk_mm_protect(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot);
int vk_mm_advise(struct vk_mm *mm, vk_va start, size_t bytes, enum vk_advice advice);
int vk_mm_lock(struct vk_mm *mm, vk_va start, size_t bytes);
int vk_mm_unlock(struct vk_mm *mm, vk_va start, size_t bytes);

/* Adds pages of a style to the accounts, or takes them out. */
void vk_mm_account_more(struct vk_mm *mm, struct area_style style, size_t bytes);
void vk_mm_account_less(struct vk_mm *mm, struct area_style style, size_t bytes);

/* Whether the limits of the address space and of data allow so many more pages of that style. */
bool vk_mm_may_expand(const struct vk_mm *mm, struct area_style style, size_t bytes);

/* An area, merged with its neighbours, and its account. Needs: a record; nothing mapped there. */
void vk_mm_add(struct vk_mm *mm, vk_va start, size_t bytes, struct area_style style);

/* The same back; the backing is the caller's business. Needs: the spare records, and one for a split in the
   middle. */
void vk_mm_forget(struct vk_mm *mm, vk_va start, size_t bytes);

/* A place for a mapping without a hint; asks the backing to grow if there is none. */
bool vk_mm_find_place(struct vk_mm *mm, size_t bytes, size_t alignment, vk_va *place);

/* check.c: stirs a number into a digest, and returns what that is then; the same with an address space. */
uint64_t vk_stir(uint64_t *digest, uint64_t value);
void vk_stir_mm(uint64_t *digest, const struct vk_mm *mm, vk_va origin);

/* Verifies invariants M1..M3 (see check.c) and those of the areas. */
void vk_mm_check(struct vk_mm *mm);

#endif
