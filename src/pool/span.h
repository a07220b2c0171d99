/* SPDX-License-Identifier: MIT */
/* span.h - contiguous pages with one descriptor, one owner and one purpose. Data only. */
#ifndef VM_POOL_SPAN_H
#define VM_POOL_SPAN_H

#include "base/compiler.h"
#include "base/list.h"

struct arena;

enum span_kind {
    SPAN_NONE,   /* all zero: a descriptor that is not in use */
    SPAN_SLAB,   /* blocks of one size class: a struct slab */
    SPAN_MIDDLE, /* one block, pages from the pool */
    SPAN_LARGE   /* one block, a mapping of its own */
};

struct span {
    char *start;           /* first page */
    size_t bytes;          /* whole pages */
    struct arena *arena;   /* NULL: not from the pool */
    uint32_t kind;         /* enum span_kind */
    uint32_t is_zeroed;    /* fresh from the pool: every byte is zero */
    struct list_node node; /* in its owner's list */
};

#endif
