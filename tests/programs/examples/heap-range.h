/* SPDX-License-Identifier: MIT */
/* heap-range.h - whether a block lies in the heap that the process's break bounds. Allocates one block at first. */
#ifndef VMALLOC_TESTS_PROGRAMS_EXAMPLES_HEAP_RANGE_H
#define VMALLOC_TESTS_PROGRAMS_EXAMPLES_HEAP_RANGE_H

#include "api.h"
#include "docs/examples/maps.h"

static const char *heap_start;

/* Finds the start of [heap]; to be called once. Its end is the break, wherever that is by now. */
static inline void heap_range_read(void)
{
    api_free(api_malloc(1));
    heap_start = (const char *)range_of("[heap]").start;
    REQUIRE(heap_start != NULL && (const void *)heap_start < sbrk(0));
}

static inline bool is_in_heap(const void *block)
{
    return (const char *)block >= heap_start && block < sbrk(0);
}

#endif
