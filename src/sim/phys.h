/* SPDX-License-Identifier: MIT */
/*
 * phys.h - the physical memory of a machine with paging: a record for each frame, zones, and the allocator of pages,
 * which is the buddy system of base/buddy.h, one a zone and kind of mobility, behind lists of single pages for each
 * processor. What a frame holds is kept, too: bytes, or one number that stands for them (a stamp).
 *
 * Frames are named by their number, pfn; addresses of the machine are 64 bits wide whatever the host's are. Owns the
 * records, which come from the hook `more` once; it has no way to give them back. Lock: the machine's. Blanket
 * contract: pfn < n_frames; a frame that is given back was taken, anything else is damage and a panic.
 */
#ifndef VM_SIM_PHYS_H
#define VM_SIM_PHYS_H

#include "base/buddy.h"
#include "base/faultplan.h"
#include "sim/space.h"
#include "vmalloc/sim.h"

/* From low addresses to high ones; a machine may have none of some. Only HIGHMEM has no direct mapping. */
enum vk_zone_kind { VK_ZONE_DMA, VK_ZONE_DMA32, VK_ZONE_NORMAL, VK_ZONE_HIGHMEM, VK_N_ZONES };

/* What may be done with a pageblock's frames: the kinds of Linux that matter here. */
enum vk_mobility {
    VK_UNMOVABLE,
    VK_MOVABLE,
    VK_CMA,      /* lent to movable pages alone, until whoever reserved it wants it */
    VK_ISOLATED, /* being emptied: nothing is taken from it */
    VK_N_MOBILITIES
};

/* Pages are grouped in blocks of the largest order; no free block is larger, so each is of one mobility. */
enum { VK_PAGEBLOCK_ORDER = VM_ORDER_MAX, VK_PAGEBLOCK_FRAMES = 1 << VK_PAGEBLOCK_ORDER, VK_N_CPUS_MAX = 8 };

/* For more frames in a row memory is looked for once, and nobody is killed. */
enum { VK_COSTLY_ORDER = 3 };

enum vk_frame_kind {
    VK_FRAME_RESERVED, /* not there, or taken at boot for good */
    VK_FRAME_FREE,
    VK_FRAME_CACHED, /* in the list of a processor */
    VK_FRAME_KERNEL, /* page tables, vmalloc: does not move */
    VK_FRAME_SLAB,   /* of a cache of objects: kmem.c */
    VK_FRAME_LARGE,  /* what kmalloc serves without a cache */
    VK_FRAME_USER    /* has an owner and can move */
};

enum vk_frame_flags {
    VK_FRAME_HAS_BYTES = 1,
    VK_FRAME_TAIL = 2, /* of a block of several: the first one says its order */
    VK_FRAME_ACTIVE = 4,
    VK_FRAME_ON_LRU = 8,
    VK_FRAME_UNWANTED = 16 /* the program said that it does without what is there, until it writes again */
};

struct vk_frame {
    union {
        void *bytes;    /* with VK_FRAME_HAS_BYTES: a page of the host */
        uint64_t stamp; /* else: what stands for them; 0: a page of zeroes */
    };
    void *owner;         /* user: the struct vk_space; slab: its cache */
    uint64_t vpn;        /* user: the page that it is there; slab: see kmem.c; large: bytes asked for */
    uint32_t next, prev; /* in a processor's list, an LRU list, or a cache's list of slabs */
    uint8_t kind, order, flags, zone;
    uint16_t n_pins;
};

_Static_assert(sizeof(struct vk_frame) <= 40, "and 12 bytes for the buddy system: 1.3 % of 4 KiB pages");

struct vk_frame_list {
    uint32_t first, last, n;
};

struct vk_cpu_lists {
    struct vk_frame_list list[VK_ISOLATED]; /* by mobility */
    uint32_t n;
};

struct vk_zone {
    uint32_t start, end; /* frames, there are none if they are equal */
    uint32_t base;       /* index 0 of the buddy systems: start, rounded down to a pageblock */
    uint32_t n_managed;  /* those that were ever free */
    uint32_t mark_min, mark_low, mark_high;
    uint32_t reserve[VK_N_ZONES]; /* frames kept from requests that could have had the zone of that number */
    uint8_t *mobility;            /* of each pageblock */
    struct buddy_page *records;   /* of all its buddy systems */
    struct buddy buddy[VK_N_MOBILITIES];
    struct vk_cpu_lists cpu[VK_N_CPUS_MAX];
};

/* What the allocator asks when memory is short: reclaim.c. Each may be NULL. */
struct vk_relief {
    void (*balance)(void *context, unsigned gfp); /* all zones of a request are below their low mark */
    bool (*reclaim)(void *context, unsigned order, unsigned gfp); /* ... their min mark; true: try again */
    void *context;
};

enum { VK_CPU_LISTS_OFF = UINT16_MAX };

struct vk_phys_config {
    unsigned page_shift;
    uint64_t ram_bytes;            /* from physical address 0 on */
    uint64_t zone_end[VK_N_ZONES]; /* the first address above it; not above the zone before: there is none */
    uint64_t boot_bytes;           /* at address 0, never free: the first MiB, the kernel's image */
    uint64_t cma_bytes;            /* whole pageblocks at the top of the memory that is mapped directly */
    unsigned n_cpus;               /* 0: 1 */
    uint32_t cpu_batch, cpu_high;  /* 0: Linux's rule; cpu_batch VK_CPU_LISTS_OFF: no lists */
    uint32_t min_free_kib;         /* 0: Linux's rule */
    bool keeps_stamps;             /* user frames hold a stamp, not bytes */
    void *(*more)(void *context, size_t bytes); /* memory of the host */
    void *context;
};

struct vk_phys_counts {
    uint64_t n_taken, n_given;             /* frames */
    uint64_t n_cpu_hits, n_cpu_refills;    /* single pages from a processor's list; times it took a batch */
    uint64_t n_stolen_blocks, n_fallbacks; /* pageblocks that changed mobility; pages from those of another */
    uint64_t n_failed;
};

struct vk_phys {
    struct vk_phys_config config;
    uint32_t n_frames, cpu; /* cpu: the processor that calls */
    uint32_t cma_start, cma_end;
    struct vk_frame *frame;
    struct vk_zone zone[VK_N_ZONES];
    struct vk_relief relief;
    struct fault_plan *plan; /* of what fails on purpose; NULL: nothing does */
    struct list spare_pages; /* of the host: bytes that no frame has */
    struct vk_phys_counts counts;
};

/* What for and from where, as a sum: 0 is the kernel's own request, from NORMAL memory or below. */
enum vk_gfp {
    VK_GFP_KERNEL = 0,
    VK_GFP_DMA = 1,
    VK_GFP_DMA32 = 2,
    VK_GFP_HIGHMEM = 4,
    VK_GFP_MOVABLE = 8,
    VK_GFP_ATOMIC = 16,  /* may use what the marks keep, and waits for nothing */
    VK_GFP_NORETRY = 32, /* waits for nothing */
    VK_GFP_MAYFAIL = 64, /* waits, but nobody is killed for it */
    VK_GFP_USER = VK_GFP_HIGHMEM | VK_GFP_MOVABLE
};

/* VK_EINVAL: no such machine; VK_ENOMEM: the host has no memory for the records. Needs: phys lives as long. */
int vk_phys_init(struct vk_phys *phys, const struct vk_phys_config *config);

/* 2^order frames in a row, aligned to that, which read as zero; VK_NO_FRAME: none. They are VK_FRAME_KERNEL. */
uint32_t vk_alloc_pages(struct vk_phys *phys, unsigned order, unsigned gfp);

/* What a taken block is from now on: VK_FRAME_KERNEL, _SLAB or _LARGE. */
void vk_frames_become(struct vk_phys *phys, uint32_t pfn, enum vk_frame_kind kind);

/* All of a block back, by its first frame. Its contents are lost. */
void vk_free_pages(struct vk_phys *phys, uint32_t pfn);

/* Gives back what processors' lists hold. */
void vk_phys_drain(struct vk_phys *phys);

/* Frames that the zone's requests can be served from, without those of processors' lists. */
uint32_t vk_zone_free(const struct vk_zone *zone);

/* Whether a block of that order can be taken so that the free frames stay at or above the mark. */
bool vk_zone_is_above(const struct vk_zone *zone, uint32_t mark, unsigned order, unsigned gfp);

/* The highest zone that the request may be served from. */
enum vk_zone_kind vk_gfp_zone(unsigned gfp);

/* Whether the frame has an address in the kernel's direct mapping. */
VM_INLINE bool vk_frame_is_direct(const struct vk_phys *phys, uint32_t pfn)
{
    return phys->frame[pfn].zone != VK_ZONE_HIGHMEM;
}

VM_INLINE struct vk_zone *vk_frame_zone(struct vk_phys *phys, uint32_t pfn)
{
    return &phys->zone[phys->frame[pfn].zone];
}

VM_INLINE size_t vk_phys_page_bytes(const struct vk_phys *phys)
{
    return (size_t)1 << phys->config.page_shift;
}

/* What a frame held, while it is in none. */
struct vk_content {
    union {
        void *bytes;
        uint64_t stamp;
    };
    bool has_bytes;
};

/* --- contents: content.c -------------------------------------------------------------------------------- */

/* The bytes of a frame, for as long as it is taken. A user frame that holds a stamp has none: damage. */
void *vk_frame_bytes(struct vk_phys *phys, uint32_t pfn);

/* Copies to and from physical addresses, across frames. Needs: they are there, and their frames have bytes. */
void vk_phys_read(struct vk_phys *phys, uint64_t from, void *to, size_t n);
void vk_phys_write(struct vk_phys *phys, uint64_t to, const void *from, size_t n);

/* Content out of a frame, which then reads as zero; into one in place of what it has; nowhere. */
struct vk_content vk_content_out(struct vk_phys *phys, uint32_t pfn);
void vk_content_in(struct vk_phys *phys, uint32_t pfn, struct vk_content content);
void vk_content_drop(struct vk_phys *phys, struct vk_content content);

/* The frame reads as zero from now on. */
void vk_frame_clear(struct vk_phys *phys, uint32_t pfn);

/* --- lists of frames ------------------------------------------------------------------------------------- */

void vk_frames_init(struct vk_frame_list *list);
void vk_frames_push_front(struct vk_phys *phys, struct vk_frame_list *list, uint32_t pfn);
void vk_frames_push_back(struct vk_phys *phys, struct vk_frame_list *list, uint32_t pfn);
void vk_frames_remove(struct vk_phys *phys, struct vk_frame_list *list, uint32_t pfn);

/* The second frame takes the place of the first. */
void vk_frames_replace(struct vk_phys *phys, struct vk_frame_list *list, uint32_t pfn, uint32_t by);

/* --- for those who empty pageblocks: migrate.c ------------------------------------------------------------ */

enum vk_mobility vk_pageblock_mobility(const struct vk_zone *zone, uint32_t pfn);

/* Gives the pageblock that the frame is in another mobility; its free frames go with it. */
void vk_pageblock_change(struct vk_phys *phys, uint32_t pfn, enum vk_mobility mobility);

/* Takes these frames, which are in one pageblock, if all are free; as one block each. */
bool vk_claim_frames(struct vk_phys *phys, uint32_t pfn, uint32_t n);

/* --- what it says of itself: physreport.c ----------------------------------------------------------------- */

void vk_phys_report_buddyinfo(const struct vk_phys *phys, const struct vk_writer *writer);
void vk_phys_report_zoneinfo(const struct vk_phys *phys, const struct vk_writer *writer);

/* Verifies invariants P1..P4 (see phys.c) and those of the buddy systems; a broken one ends the process. */
void vk_phys_check(struct vk_phys *phys);

#endif
