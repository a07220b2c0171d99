/* SPDX-License-Identifier: MIT */
/* window.h - memory of the host that a replayed allocator runs on. */
#ifndef VM_VMSIM_WINDOW_H
#define VM_VMSIM_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

/* A power of two: windows are a multiple of it away from simulated addresses, so that masks of addresses are the same. */
size_t window_alignment(void);

/* Addresses, aligned so, which get memory when they are written to. NULL: none. */
char *window_reserve(size_t bytes);

/* Gives what is there back to the host; it reads as zero. `context` is none: it serves as a hook, too. */
bool window_discard(void *context, void *start, size_t bytes);

/* A byte for each page of the host's from `start` on: whether it has it, which it does if it was written to, or read. */
void window_residence(void *start, size_t bytes, unsigned char *residence);

#endif
