/* SPDX-License-Identifier: MIT */
/*
 * micro.h - what the files of the micro benchmarks share: each adds its cases; blocks are stamped and looked
 * at.
 */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H
#include "../shim/shim.h"
#include <stddef.h>
#include <stdint.h>

void add_single_cases(void);  /* one thread, one kind of call */
void add_thread_cases(void);  /* several threads */
void add_process_cases(void); /* new threads, new processes */

/* Ends the program if there is no memory: a figure would mean nothing. */
void *got(void *block);

/* The first bytes of a block, 8 at least, and its last byte are written, as any program would do. */
static inline void mark(void *block, size_t size, uint64_t number)
{
    *(volatile uint64_t *)block = number;
    ((volatile char *)block)[size - 1] = (char)number;
}

static inline int is_marked(const void *block, size_t size, uint64_t number)
{
    const volatile char *end = (const volatile char *)block + size - 1;
    return size > sizeof number ? *(const volatile uint64_t *)block == number && *end == (char)number
                                : *end == (char)number;
}

#endif
