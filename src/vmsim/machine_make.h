/* SPDX-License-Identifier: MIT */
/* machine_make.h - the two kinds of machine that a replay can stand on, as machine.c takes them. */
#ifndef VM_VMSIM_MACHINE_MAKE_H
#define VM_VMSIM_MACHINE_MAKE_H

#include "vmalloc/machine.h"
#include "vmsim/machine.h"

/* A part of the host's window: simulated addresses from `at` on, which are as far from each other. */
struct machine_window {
    char *start;
    size_t bytes;
    vk_va at;
    uint64_t place; /* what machine_place says of `start` */
};

struct machine_made {
    size_t page_bytes;
    struct vk_mm *mm;
    struct vk_machine *machine; /* one of the two */
    struct vk_kernel *flat;
    struct machine_window window[N_MACHINE_SEGMENTS]; /* of a flat machine twice the same */
    char *all; /* where the lowest window begins; windows are apart from each other */
    size_t all_bytes;
    size_t pages_before; /* of areas that are none of the allocator's */
};

/* From where the break begins at config->break_offset is a multiple of this. */
enum { MACHINE_BREAK_STRETCH = 4 << 20 };

/* False: a complaint was printed. `preset` has the pages that are wanted. */
bool machine_make_flat(const struct machine_config *config, const struct vk_preset *preset,
                       struct machine_made *made);
bool machine_make_paged(const struct machine_config *config, const struct vk_preset *preset,
                        struct machine_made *made);

#endif
