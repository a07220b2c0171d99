/* SPDX-License-Identifier: MIT */
/*
 * machine.h - what a replay stands on: a simulated machine, behind the kernel wall of the allocator, and an account of what
 * goes through it. Two kinds: one that pages, with an address layout, and the flat one.
 *
 * The allocator's own code runs, so what it gets lies in the host: in a window for each of the two segments, at a fixed
 * distance from the simulated addresses, which is a multiple of 4 GiB. What the machine knows of accesses it is told:
 * those of the program by machine_touch, those of the allocator by looks at which of the window's pages the host has.
 */
#ifndef VM_VMSIM_MACHINE_H
#define VM_VMSIM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A program that is executed: code, data that its file has, and data that it has not. */
struct machine_program {
    size_t text_bytes, data_bytes, bss_bytes;
};

struct machine_config {
    const char *layout;  /* the name of one (`vmsim layout all`); NULL: MACHINE_DEFAULT, below */
    size_t page_bytes;   /* 0: the layout's; the host's is the least */
    size_t ram_bytes;    /* memory there is; 0: 4 GiB, or on a machine that does not page 16 GiB */
    size_t limit_bytes;  /* of addresses, as by ulimit -v; 0: none */
    size_t break_offset; /* where the break begins, modulo 4 MiB */
    size_t group_bytes;  /* of memory, as by a memory group; 0: none. This and what follows: if it pages */
    size_t swap_bytes;   /* where pages go when memory is short */
    unsigned tlb_entries, tlb_ways;        /* 0: 64, and as many ways as entries */
    const char *plan;                      /* of faults, NULL: none */
    const struct machine_program *program; /* NULL: code alone, which ends where the break is to begin */
};

/* Of those whose addresses fit the host's. */
#define MACHINE_DEFAULT (sizeof(void *) == 8 ? "x86-64" : "x86-32")

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

/* The address space, for who asks more of it than is asked here. */
struct vk_mm *machine_mm(void);

/* Where an address of the window is: simulated, or on a flat machine from the window's start. */
uint64_t machine_place(const void *address);

/* The program reads memory, or writes to it: `is_certain` if the trace says so, else by the policy. */
void machine_read(const void *start, size_t bytes);
void machine_touch(const void *start, size_t bytes, bool is_certain);

/* Whether the machine ended the process, as it had no memory for it. */
bool machine_is_killed(void);

/* Bytes that were touched, whether they are in memory or in swap. Cheap. */
uint64_t machine_touched(void);

/* Looks for what the allocator wrote to. Cost: a look at each page that is mapped. */
void machine_look(void);

/* As of the last look; now and at most. Cheap. */
struct machine_resident machine_resident(void);
struct machine_resident machine_resident_most(void);

const struct machine_counts *machine_counts(void);

/* What the machine counted so far; all 0 on one that does not page. */
struct machine_figures {
    uint64_t minor_faults, major_faults, zero_faults; /* the last are among the first */
    uint64_t tlb_hits, tlb_misses, walk_reads, tlb_reach_bytes;
    uint64_t table_pages, table_pages_most;
    uint64_t swapped_bytes, swap_outs, swap_ins;
    uint64_t struck; /* failed by the plan */
};
struct machine_figures machine_figures(void);

/* Bytes of addresses in use, now and at most. */
uint64_t machine_virtual(void);
uint64_t machine_virtual_most(void);

/* Of all of the machine's state, after the checker has been over it. */
uint64_t machine_digest(void);

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

/* That of n pages from a place of the segment's range on, an enum machine_page each. What the allocator wrote to is as of the
   last look. */
void machine_pages(enum machine_segment segment, uint64_t start, size_t n, unsigned char *pages);

#endif
