/* SPDX-License-Identifier: MIT */
/*
 * mixed.h - what the programs of all targets check of malloc, and how they say it: a line "ok - ..." or "not ok - ..."
 * on standard output for each check, and "end" as the last one.
 */
#ifndef TARGETS_MIXED_H
#define TARGETS_MIXED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "vmalloc/sim.h"
#include "vmalloc/vmalloc.h"

/* Where malloc is the C library's, and vmalloc is used by its own names. */
#ifdef TARGETS_OWN_NAMES
#define malloc vm_malloc
#define calloc vm_calloc
#define realloc vm_realloc
#define free vm_free
#define posix_memalign vm_posix_memalign
#endif

/* In the target's port.c: the simulated kernel that everything comes from. */
extern struct vk_kernel *port_kernel;

/* One line; `detail` is a number to look at if it failed. */
void say(bool is_true, const char *what, unsigned long detail);

/* All checks that need nothing but malloc and a machine with an end of its memory. */
void check_malloc(void);

/* How many blocks of `bytes` there are until NULL, all of which are free again afterwards. */
unsigned long count_until_null(size_t bytes);

/* Says "end". The program's exit status. */
int finish(void);

#endif
