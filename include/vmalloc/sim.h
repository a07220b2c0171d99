/* SPDX-License-Identifier: MIT */
/*
 * sim.h - the simulated kernel: an address space with Linux's rules over memory that the caller hands over,
 * for targets without brk and mmap and for tests. Link with libvmkernel.a, which is freestanding: of a C
 * library it needs memcpy, memmove, memset and memcmp.
 *
 * The kernel here is the flat one, as a machine without paging has it: an address is a pointer into one of
 * the regions, and each page that is mapped has its frame from the first moment on, cleared unless known to
 * be zero. Nothing is over-committed; protections are kept, and put into effect if a hook can.
 *
 * Blanket contract: calls return 0 or a negative enum vk_error, whose numbers and rules are Linux's. A call
 * that fails changes nothing, unless Linux's does too: vk_protect, vk_lock and vk_advise do the part before a
 * hole, vk_remap that of several areas; and a fixed vk_map for which the hook has no memory leaves nothing
 * there. Lengths are rounded up to pages. The kernel is as safe for threads as the hooks lock and unlock make
 * it; no hook may call the kernel. Equal calls give equal results wherever the regions are, if they begin
 * equally far from a page.
 */
#ifndef VMALLOC_SIM_H
#define VMALLOC_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An address of the simulated machine; in the flat kernel also a pointer. */
typedef uintptr_t vk_va;

enum vk_error {
    VK_EPERM = -1,
    VK_EAGAIN = -11, /* the limit of locked memory */
    VK_ENOMEM = -12,
    VK_EFAULT = -14,
    VK_EBUSY = -16, /* memory that is reserved cannot be emptied */
    VK_EEXIST = -17,
    VK_EINVAL = -22
};

enum vk_prot { VK_PROT_NONE = 0, VK_PROT_READ = 1, VK_PROT_WRITE = 2, VK_PROT_EXEC = 4 };

struct vk_kernel; /* one simulated machine */
struct vk_mm;     /* one address space */

/* --- the machine ---------------------------------------------------------------------------------------- */

enum vk_contents { VK_CONTENTS_UNKNOWN, VK_CONTENTS_ZERO };

/* Memory that is handed over. The kernel keeps its records at its start. */
struct vk_region {
    void *start;
    size_t bytes;
    size_t bytes_max; /* how far it may be continued by vk_region_add or the grow hook; 0: as it is */
    enum vk_contents contents;
};

/* What the machine around can do; each may be NULL. Ranges are whole pages of one region. */
struct vk_hooks {
    void *context; /* handed to each */
    void (*lock)(void *context);
    void (*unlock)(void *context);

    /* A number for the calling thread or processor, the same as long as it lives. */
    uintptr_t (*thread)(void *context);

    /* The kernel's own structures are damaged: the message. If it returns, the program is trapped. One for
       the whole program: the one of the kernel that was created last. */
    void (*panic)(const char *text, size_t length);

    /* Makes pages readable and writable, before they are used; contents of those that are in use stay.
       Called for a region's records first, from its start to its first frame. False: not to be had. */
    bool (*commit)(void *context, void *start, size_t bytes);

    /* Pages are no longer used. True: they will read as zero when they are committed again. */
    bool (*decommit)(void *context, void *start, size_t bytes);

    /* Gives the contents of pages back, which stay in use. True: they now read as zero. */
    bool (*discard)(void *context, void *start, size_t bytes);

    /* Puts a protection, a sum of enum vk_prot, into effect; false: the range cannot have it. */
    bool (*protect)(void *context, void *start, size_t bytes, unsigned prot);

    /* Memory is short: a further region of at least so many bytes, or the continuation of one. */
    bool (*grow)(void *context, size_t bytes, struct vk_region *added);

    /* Memory for records of areas, beyond those in the regions; NULL: none. */
    void *(*more)(void *context, size_t bytes);
};

enum vk_layout { VK_TOP_DOWN, VK_BOTTOM_UP }; /* where mappings without a hint go; the break is below */

struct vk_config {
    size_t page_bytes; /* a power of two from 1 KiB to 64 KiB; 0: 4 KiB */
    enum vk_layout layout;
    uint32_t n_areas; /* room for the records of areas, in each region; 0: one for eight pages */
    struct vk_hooks hooks;
};

/*
 * Makes a machine in the region and one address space in it. VK_EINVAL: the configuration is none;
 * VK_ENOMEM: the region is too small for the records and one page. It is gone when its memory is.
 */
int vk_create(const struct vk_config *config, const struct vk_region *region, struct vk_kernel **kernel);

/* Further memory, beside the regions there are; if it begins where one ends, it continues that one as far as
   its bytes_max said. VK_EINVAL: it overlaps one; VK_ENOMEM: it is too small. */
int vk_region_add(struct vk_kernel *kernel, const struct vk_region *region);

/* The address space of the flat kernel. */
struct vk_mm *vk_flat_mm(struct vk_kernel *kernel);

size_t vk_page_bytes(const struct vk_kernel *kernel);

/* Whom the hook says this thread to be, 0 without one. */
uintptr_t vk_thread(const struct vk_kernel *kernel);

/* --- the calls ------------------------------------------------------------------------------------------ */

enum vk_map_flags {
    VK_MAP_FIXED = 1,           /* exactly at the hint, in place of what is there */
    VK_MAP_FIXED_NOREPLACE = 2, /* exactly at the hint, or VK_EEXIST */
    VK_MAP_NORESERVE = 4        /* kept with the area, which then has neighbours of the same kind alone */
};

struct vk_map {
    vk_va hint; /* 0: anywhere */
    size_t bytes;
    size_t alignment; /* a power of two; 0: a page */
    unsigned prot, flags;
};

/* New memory, which reads as zero. */
int vk_map(struct vk_mm *mm, const struct vk_map *wanted, vk_va *start);

int vk_unmap(struct vk_mm *mm, vk_va start, size_t bytes);

int vk_protect(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot);

enum vk_remap_flags { VK_REMAP_MAYMOVE = 1, VK_REMAP_FIXED = 2 };

struct vk_remap {
    vk_va start;
    size_t old_bytes, new_bytes;
    unsigned flags;
    vk_va new_start; /* with VK_REMAP_FIXED */
};

/* Makes memory longer or shorter, with its contents, elsewhere if it has to and may. */
int vk_remap(struct vk_mm *mm, const struct vk_remap *wanted, vk_va *start);

enum vk_advice {
    VK_ADVICE_WILLNEED,
    VK_ADVICE_DONTNEED, /* reads as zero from now on */
    VK_ADVICE_FREE,     /* may read as zero, at any time */
    VK_ADVICE_HUGE,
    VK_ADVICE_NOHUGE
};

int vk_advise(struct vk_mm *mm, vk_va start, size_t bytes, enum vk_advice advice);

/* Locked pages are counted, and keep their contents whatever is advised. */
int vk_lock(struct vk_mm *mm, vk_va start, size_t bytes);
int vk_unlock(struct vk_mm *mm, vk_va start, size_t bytes);

/* Moves the break. Returns where it is then: where it was, if it cannot be moved or `wanted` is 0. */
vk_va vk_brk(struct vk_mm *mm, vk_va wanted);

enum vk_limit {
    VK_LIMIT_AS,      /* bytes of all areas */
    VK_LIMIT_DATA,    /* bytes of private writable areas, and of the break */
    VK_LIMIT_MEMLOCK, /* bytes of locked areas */
    VK_LIMIT_MAPS,    /* number of areas */
    VK_LIMIT_STACK,   /* bytes of the stack, on a machine that has one */
    VK_N_LIMITS
};

/* From now on; what is there stays. All but VK_LIMIT_MAPS (65530) and a stack's (8 MiB) are without limit at first: SIZE_MAX. */
int vk_limit(struct vk_mm *mm, enum vk_limit limit, size_t most);

/* --- as a backend of vmalloc ------------------------------------------------------------------------------ */

struct vm_kernel_backend;

#ifdef __ELF__
#define VM_SIM_API __attribute__((visibility("default")))
#else
#define VM_SIM_API
#endif

/*
 * Fills in the backend by which vmalloc takes its memory from this kernel; give it to vm_kernel_install
 * (<vmalloc/kernel.h>). Not in libvmkernel.a: in libvmalloc. If threads use vmalloc, the kernel needs the
 * hooks lock and unlock. VK_EINVAL: its pages are none that vmalloc can serve (1 to 64 KiB).
 */
VM_SIM_API int vm_sim_backend(struct vm_kernel_backend *backend, struct vk_kernel *kernel);

/* --- what it says of itself ----------------------------------------------------------------------------- */

struct vk_usage {
    vk_va low, high; /* the addresses there are */
    vk_va break_start, break_end;
    size_t all_pages; /* those there are, mapped or not */
    size_t total_pages, data_pages, exec_pages, locked_pages;
    size_t resident_pages; /* pages that have been accessible: what would be in memory */
    size_t total_pages_most, resident_pages_most;
    size_t n_areas;
    bool can_grow;                 /* there is a hook that adds regions */
    uint64_t n_finds, n_find_hits; /* searches of an area by address; answered by the last one found */
};
struct vk_usage vk_usage(struct vk_mm *mm);

bool vk_is_mapped(struct vk_mm *mm, vk_va at);

/* Where texts go, piece by piece. */
struct vk_writer {
    void (*write)(void *context, const char *text, size_t length);
    void *context;
};

/* In the shape of /proc/PID/maps and status, of what pmap prints below its first line, and of /proc/buddyinfo; there, a
   region is a node. */
void vk_report_maps(struct vk_mm *mm, const struct vk_writer *writer);
void vk_report_pmap(struct vk_mm *mm, const struct vk_writer *writer);
void vk_report_status(struct vk_mm *mm, const struct vk_writer *writer);
void vk_report_buddyinfo(struct vk_kernel *kernel, const struct vk_writer *writer);

/* Verifies every structure; a broken one is a panic. Cost: some passes over all areas and frames. */
void vk_check(struct vk_kernel *kernel);

/*
 * A number for the whole state, the same for equal states at other addresses: areas, limits, accounts, free
 * frames. Not in it: what only tells of the past (high-water marks, counts of searches, the area found last,
 * the shape of the tree), and the contents of pages.
 */
uint64_t vk_digest(struct vk_kernel *kernel);

#ifdef __cplusplus
}
#endif

#endif
