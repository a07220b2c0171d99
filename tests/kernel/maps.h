/* SPDX-License-Identifier: MIT */
/*
 * maps.h - a simulated machine over an array, and what it and the real kernel say of themselves, read by the
 * same code. Nothing here that looks at the real process allocates.
 */
#ifndef TESTS_KERNEL_MAPS_H
#define TESTS_KERNEL_MAPS_H

#include "../unit/unit.h"
#include "vmalloc/sim.h"

/* One machine over memory of its own. */
struct machine {
    struct vk_kernel *kernel;
    struct vk_mm *mm;
    size_t page;
    char *memory; /* from aligned_alloc, filled with 0xa5 */
    size_t bytes;
};

/* A machine with `bytes` of memory, some of which its records take. */
struct machine machine_make(size_t bytes, const struct vk_config *config);
void machine_free(struct machine *machine);

/* Unmaps all there is, and lowers the break to its start. */
void machine_unmap_all(const struct machine *machine);

/* Text that a report makes, and the real kernel's. */
struct text {
    size_t length;
    char bytes[64 * 1024]; /* terminated */
};
struct vk_writer text_writer(struct text *text); /* from its beginning */
void text_of_maps(struct vk_mm *mm, struct text *text);
void text_of_status(struct vk_mm *mm, struct text *text);
void text_of_buddyinfo(struct vk_kernel *kernel, struct text *text);
void text_of_file(const char *path, struct text *text);

/* The next line of maps from *at on, which is moved behind it; false: there is none. */
struct map_line {
    uintptr_t start, end;
    unsigned prot;
    bool is_heap;
};
bool next_map_line(const char **at, struct map_line *line);

/* The figure behind `field` ("VmData:"), in bytes. */
size_t status_bytes(const struct text *status, const char *field);

/* Calls with few arguments: anywhere; exactly there. Errors are results. */
int map_anywhere(struct vk_mm *mm, size_t bytes, vk_va *start);
int map_at(struct vk_mm *mm, vk_va at, size_t bytes, unsigned prot);

#endif
