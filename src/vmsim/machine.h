/* SPDX-License-Identifier: MIT */
/*
 * machine.h - what a replay stands on: a simulated kernel in a window of the host's memory, behind the kernel wall of the
 * allocator, and an account of what goes through it. The one place where the kind of machine is chosen.
 *
 * The window ends at a multiple of 4 GiB, and places are offsets from there: where the host puts it decides nothing.
 */
#ifndef VM_VMSIM_MACHINE_H
#define VM_VMSIM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine_config {
    size_t page_bytes;   /* 0: the host's, which is also the least */
    size_t ram_bytes;    /* memory there is; 0: as much as the window holds */
    size_t limit_bytes;  /* of addresses, as by ulimit -v; 0: none */
    size_t break_offset; /* where the break begins, modulo 4 MiB */
};

/* Calls of the kernel, as the statistics of the library count them. */
struct machine_counts {
    uint64_t break_grow, break_refused, break_trim, map, map_refused, unmap, resize, move, protect, purge;
};
enum { N_MACHINE_COUNTS = sizeof(struct machine_counts) / sizeof(uint64_t) };
extern const char *const machine_count_names[N_MACHINE_COUNTS];

/* Resident bytes: at least those that the allocator itself wrote to or that the trace says, at most with what the touch
   policy says. */
struct machine_resident {
    uint64_t least, most;
};

/* Makes the machine and has the allocator stand on it. To be called once, before anything is allocated there. False: a
   complaint was printed. */
bool machine_begin(const struct machine_config *config);

size_t machine_page_bytes(void);

/* Offset of an address in the window. */
uint64_t machine_place(const void *address);

/* The program touches memory: `is_certain` if the trace says so, else by the policy. */
void machine_touch(const void *start, size_t bytes, bool is_certain);

/* Bytes that the policy's touches and the certain ones made resident: less than `most` by what the allocator wrote
   elsewhere. Cheap. */
uint64_t machine_touched(void);

/* Cost: a look at each page that is mapped. */
struct machine_resident machine_resident(void);

/* --- for pictures --------------------------------------------------------------------------------------- */

/* The two parts of the addresses: where the break moves, and where mappings are. */
enum machine_segment { MACHINE_BREAK, MACHINE_MAPPINGS, N_MACHINE_SEGMENTS };

/* From the lowest place to the highest that were ever mapped there: whole pages, as machine_place tells places. */
struct machine_range {
    uint64_t start, bytes;
};
struct machine_range machine_range(enum machine_segment segment);

/* What a page is. */
enum machine_page {
    MACHINE_UNMAPPED,
    MACHINE_MAPPED,   /* nothing has touched it */
    MACHINE_AT_MOST,  /* resident if the touch policy is right */
    MACHINE_AT_LEAST, /* resident for certain */
    MACHINE_SWAPPED,
    N_MACHINE_PAGES
};

/* That of n pages from a place of the segment's range on, an enum machine_page each. What the allocator wrote to is what it
   was when machine_resident was asked last. */
void machine_pages(enum machine_segment segment, uint64_t start, size_t n, unsigned char *pages);

/* What the machine counted so far; all 0 on one that does not page. */
struct machine_figures {
    uint64_t minor_faults, major_faults, zero_faults; /* the last are among the first */
    uint64_t tlb_hits, tlb_misses, walk_reads;
    uint64_t table_pages, table_pages_most;
    uint64_t swapped_bytes, swap_outs, swap_ins;
};
struct machine_figures machine_figures(void);

const struct machine_counts *machine_counts(void);

/* Bytes of addresses in use, now and at most. */
uint64_t machine_virtual(void);
uint64_t machine_virtual_most(void);

/* Of all of the kernel's state. */
uint64_t machine_digest(void);

#endif
