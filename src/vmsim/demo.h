/* SPDX-License-Identifier: MIT */
/* demo.h - the four demo programs, each on a simulated machine of its own with the allocator on it. */
#ifndef VM_VMSIM_DEMO_H
#define VM_VMSIM_DEMO_H

#include <stdbool.h>

/* A program, or the part of one. It runs in a process in which a machine has been made and nothing was allocated yet. False: what
   it shows is not as it has to be. */
struct demo {
    const char *name, *title;
    bool (*run)(bool is_json);
};

/* All of them, the parts of one beside each other; the last one has no name. */
extern const struct demo demos[];

/* What the programs are on disk. */
extern const struct machine_program demo_program;

#endif
