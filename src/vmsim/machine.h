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

const struct machine_counts *machine_counts(void);

/* Bytes of addresses in use, now and at most. */
uint64_t machine_virtual(void);
uint64_t machine_virtual_most(void);

/* Of all of the kernel's state. */
uint64_t machine_digest(void);

#endif
