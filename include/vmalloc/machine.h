/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the simulated machine that pages: address layouts, page tables in frames of its own, a TLB for each
 * processor, faults on demand. Nobody dereferences its addresses: vk_access is its MMU. What <vmalloc/sim.h> says of
 * address spaces (map, unmap, break, limits, maps, status) holds for those made here, too.
 *
 * Part of libvmkernel.a, and as freestanding. Blanket contract as in <vmalloc/sim.h>. Deterministic: a machine knows
 * calls, its configuration and the seed in it, nothing else.
 */
#ifndef VMALLOC_MACHINE_H
#define VMALLOC_MACHINE_H

#include <vmalloc/sim.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- layouts ---------------------------------------------------------------------------------------------- */

enum { VK_LEVELS_MOST = 4, VK_RANGES_MOST = 12 };

/* Addresses [start, last] that a kernel sets aside for one purpose. */
struct vk_range {
    const char *name;
    uint64_t start, last;
};

/* What an architecture and its configuration fix. Addresses and bytes are 64 bits wide on every host. */
struct vk_preset {
    const char *name, *about;
    unsigned page_shift, va_bits;
    unsigned entry_bytes, n_levels;       /* of page tables; 0: the machine does not page */
    unsigned level_bits, root_bits;       /* of an address: for each table, and for the root */
    uint64_t user_end;                    /* where programs' addresses end: TASK_SIZE */
    uint64_t text_start, pie_start;       /* where programs begin that have a fixed place, and others */
    uint64_t direct_start, direct_bytes;  /* the direct map: frames beyond it are high memory */
    uint64_t dma_bytes, dma32_bytes;      /* frames that every device reaches; that most do: at most as far */
    uint64_t vmalloc_start, vmalloc_last; /* 0, 0: none */
    uint64_t shadow_offset;               /* shadow address = address / 8 + offset; 0: none */
    bool has_no_exec;                     /* entries can forbid execution */
    unsigned n_ranges;
    struct vk_range range[VK_RANGES_MOST]; /* ascending, apart from each other */
};

/* Number `index` of the presets, or the one of that name. False: there is none. */
bool vk_preset_at(unsigned index, struct vk_preset *preset);
bool vk_preset_find(const char *name, struct vk_preset *preset);

/* The same architecture with other pages, of 2^page_shift bytes: also one that was never built. Needs: 12 to 16. */
void vk_preset_resize(struct vk_preset *preset, unsigned page_shift);

/* Where mappings begin, downwards: below the stack, which may grow to stack_bytes, and an offset. */
uint64_t vk_preset_mmap_base(const struct vk_preset *preset, uint64_t stack_bytes, uint64_t offset);

/* Where they begin, upwards, in the old layout. */
uint64_t vk_preset_legacy_base(const struct vk_preset *preset);

/* --- the machine -------------------------------------------------------------------------------------------- */

struct vk_machine;

/* Counts and sizes that are 0 take the default that is named. */
struct vk_machine_config {
    const struct vk_preset *preset; /* of a machine that pages, with addresses that fit this host's */
    uint64_t ram_bytes;
    uint64_t boot_bytes;            /* at physical address 0, never free */
    uint64_t cma_bytes;             /* reserved, and lent to programs until then: blocks of 1024 frames */
    unsigned n_cpus;                /* 1 */
    unsigned tlb_entries, tlb_ways; /* 64, for each processor; powers of two. Ways: as many as entries */
    unsigned cpu_batch, cpu_high;   /* frames kept for each processor: Linux's rule */
    unsigned min_free_kib;          /* what only the kernel may use: Linux's rule */
    uint64_t swap_bytes;            /* where pages go when memory is short */
    enum {
        VK_KEEP_BYTES,
        VK_KEEP_STAMPS
    } keep; /* of a program's page: what it holds, or one number for that */
    enum vk_layout layout;
    uint64_t seed; /* of the offsets of break, mappings and stack; 0: there are none */

    /* `lock`, `unlock`, `panic`, and `more`, which has to be there. */
    struct vk_hooks hooks;
};

/* Frames of a machine are not kept for processors. */
enum { VK_NO_CPU_LISTS = 0xffff };

/* VK_EINVAL: the configuration is none; VK_ENOMEM: `more` had not enough for the records. */
int vk_machine_create(const struct vk_machine_config *config, struct vk_machine **machine);

/* Which processor acts from now on. VK_EINVAL: there is no such. */
int vk_machine_run_on(struct vk_machine *machine, unsigned cpu);

/* The zone that the kernel's request may be served from, or one below it. */
enum vk_from { VK_FROM_DMA, VK_FROM_DMA32, VK_FROM_NORMAL, VK_FROM_HIGHMEM };

/* 2^order frames in a row for the kernel, by the number of the first. VK_ENOMEM: there are none. */
int vk_frames_take(struct vk_machine *machine, unsigned order, enum vk_from from, uint64_t *frame);

/* All of them back, by the first. VK_EINVAL: nothing was taken there. */
int vk_frames_give(struct vk_machine *machine, uint64_t frame);

/* Gives what is kept for processors back to the zones. */
void vk_frames_drain(struct vk_machine *machine);

/* --- address spaces ----------------------------------------------------------------------------------------- */

/* An empty one, with one user. VK_ENOMEM: no frame for its tables, or no record. */
int vk_mm_create(struct vk_machine *machine, struct vk_mm **mm);

/* A thread more, or less; with the last one all of it is gone, the mm too. Return how many there are then. */
unsigned vk_mm_attach(struct vk_mm *mm);
unsigned vk_mm_detach(struct vk_mm *mm);

/* What a program or library has in memory: [start, start + bytes), of which the first file_bytes are in its file. */
struct vk_segment {
    uint64_t start, file_bytes, bytes;
    unsigned prot;
};

struct vk_image {
    const char *name; /* in maps; up to VK_NAME_MOST bytes of it are kept */
    const struct vk_segment *segments;
    unsigned n_segments;
    bool is_movable; /* starts are distances from where it is put */
};

enum { VK_NAME_MOST = 63, VK_LIBRARIES_MOST = 15 };

struct vk_exec {
    struct vk_image program;
    const struct vk_image *libraries; /* put where mappings go, each below the last */
    unsigned n_libraries;
    size_t argument_bytes; /* arguments and environment, at the top of the stack */
};

/*
 * Another program in place of what is there: its segments, the break behind them, the stack below the end, libraries.
 * VK_EINVAL: segments that are none, or not in the address space; VK_ENOMEM: no memory, or a limit. Then the address
 * space is empty.
 */
int vk_exec(struct vk_mm *mm, const struct vk_exec *wanted);

/* --- access ------------------------------------------------------------------------------------------------- */

/* What came of an access, the worst of its pages. */
enum vk_outcome {
    VK_TLB_HIT,
    VK_TLB_WALK,    /* the page tables had it */
    VK_FAULT_ZERO,  /* minor: the page of zeroes is mapped, which costs no frame */
    VK_FAULT_MINOR, /* a frame was mapped, or a right given that the area has */
    VK_FAULT_MAJOR, /* the page came from swap */
    VK_FAULT_STACK, /* minor or major, and the stack has grown */
    VK_FAULT_SEGV,  /* nothing there, or not allowed */
    VK_FAULT_OOM,   /* no frame to be had */
    VK_KILLED       /* the address space was given up for another request of memory */
};

struct vk_access {
    vk_va at;
    size_t bytes;
    enum vk_prot kind; /* one of READ, WRITE, EXEC */

    /* Read into, or written from; NULL: all that counts is that it happens. Where stamps are kept, each page holds one
       number of 8 bytes, which is read and written whatever the place in the page is. */
    void *buffer;
};

/* Stops at the first page that cannot be accessed. */
enum vk_outcome vk_access(struct vk_mm *mm, const struct vk_access *access);

/* --- failing on purpose -------------------------------------------------------------------------------------- */

/* What was expected instead, and where in the text; both count from 1. */
struct vk_complaint {
    unsigned line, column;
    const char *expected;
};

/*
 * What fails from now on: a plan in the language of VMALLOC_FAULT (docs/simulation.md), in place of the last one; of
 * calls of address spaces (brk, map, unmap, remap, advise, protect), of frames (page), of objects of caches (slab), of pages
 * that go to swap or come from there (swapout, swapin). What is struck changes nothing. VK_EINVAL: it is none, or wants
 * anything else than to fail.
 */
int vk_machine_plan(struct vk_machine *machine, const char *plan, struct vk_complaint *complaint);

/* Calls that were struck; a line a rule with its calls and hits. */
uint64_t vk_machine_plan_hits(const struct vk_machine *machine);
void vk_machine_report_plan(struct vk_machine *machine, const struct vk_writer *writer);

/* --- what it says of itself --------------------------------------------------------------------------------- */

struct vk_paging {
    uint64_t n_minor, n_major; /* faults that were served */
    uint64_t n_zero, n_stack;  /* of those: of the page of zeroes, with a stack that grows */
    uint64_t n_segv, n_oom;    /* those that were not */
    size_t anon_pages, file_pages, swapped_pages, pinned_pages; /* resident of either kind; in swap; pinned */
    size_t stack_pages, table_pages; /* of the stack's area; of tables, without the root */
    size_t table_pages_most;
    size_t n_tables[VK_LEVELS_MOST]; /* at each level; 0 is that of pages' entries */
    unsigned n_users;
    bool is_killed;
    vk_va mmap_base, text_start, text_end, data_start, data_end, argument_start, stack_top;
    vk_va last_fault; /* the address of the last fault: CR2 */
    uint64_t root;    /* the physical address of the root table: CR3 */
};
struct vk_paging vk_paging(struct vk_mm *mm);

struct vk_tlb_counts {
    uint64_t n_hits, n_misses;
    uint64_t n_walk_reads;             /* reads of entries in tables: as many as levels, each miss */
    uint64_t n_forgotten, n_shot_down; /* entries made invalid: on the acting processor, on others */
};
struct vk_tlb_counts vk_tlb_counts(const struct vk_machine *machine);

/* Entries of each processor's TLB. */
unsigned vk_tlb_entries(const struct vk_machine *machine);

/* Frames: all of them, and those that can be had, which processors may keep. */
struct vk_frames {
    uint64_t all, free, cached;
};
struct vk_frames vk_frames(const struct vk_machine *machine);

/* The number of the frame that a page has. False: none. */
bool vk_frame_of(struct vk_mm *mm, vk_va at, uint64_t *frame);

void vk_machine_report_buddyinfo(struct vk_machine *machine, const struct vk_writer *writer);
void vk_machine_report_zoneinfo(struct vk_machine *machine, const struct vk_writer *writer);

/* As vk_check and vk_digest, for all of the machine. */
void vk_machine_check(struct vk_machine *machine);
uint64_t vk_machine_digest(struct vk_machine *machine);

#ifdef __cplusplus
}
#endif

#endif
