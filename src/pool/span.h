/* SPDX-License-Identifier: MIT */
/* span.h - contiguous pages with one descriptor, one owner and one purpose. Data only. */
#ifndef VM_POOL_SPAN_H
#define VM_POOL_SPAN_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/list.h"

enum span_kind {
    SPAN_NONE,   /* all zero: a descriptor that is not in use */
    SPAN_SLAB,   /* blocks of one size class: a struct slab */
    SPAN_MIDDLE, /* one block, pages from the pool */
    SPAN_LARGE   /* one block, a mapping of its own */
};

enum { SPAN_NO_ARENA = 0xFFFF };

struct span {
    char *start;           /* first page */
    size_t bytes;          /* whole pages */
    struct list_node node; /* in its owner's list */
    uint16_t arena_index;  /* SPAN_NO_ARENA: not from the pool */
    uint8_t kind;          /* enum span_kind */
    union {
        uint8_t is_zeroed;   /* of one block, fresh from the pool: every byte is zero */
        uint8_t x_is_asleep; /* of a slab: what others freed was purged, and nobody has collected it since */
    };
    union {
        uint32_t block_bytes; /* of a slab: bytes of each of its blocks */
        uint32_t x_is_quick;  /* of a middle block: it is free, see quick.h */
    };
};

/* Whether the span is one block, and a free one. */
VM_INLINE bool vm_span_is_quick(const struct span *span)
{
    return span->kind == SPAN_MIDDLE && vm_load_relaxed(&span->x_is_quick);
}

/* Whether the span is a live block that starts here. */
VM_INLINE bool vm_span_is_block(const struct span *span, const void *block)
{
    return span->kind >= SPAN_MIDDLE && span->start == block && !vm_span_is_quick(span);
}

#endif
