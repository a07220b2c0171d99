/* SPDX-License-Identifier: MIT */
/*
 * trace.h - the binary form of a trace, as docs/trace-format.md describes it: what recorder and readers share. Numbers
 * are little-endian in the file; the recorder is for machines that are so.
 */
#ifndef VMALLOC_TRACE_H
#define VMALLOC_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VM_TRACE_MAGIC "vmtrace\n"
enum {
    VM_TRACE_VERSION = 1,
    VM_TRACE_CHUNK_BYTES = 64 * 1024,
    VM_TRACE_CHUNK_MAGIC = 0x63746d76, /* "vmtc" */
    VM_TRACE_UNIT_SHIFT = 4,           /* places count in 16 bytes */
    VM_TRACE_RECORD_MAX = 1 + 4 * 10,  /* bytes */
};

/* The first chunk of a file; what is not named is zero. */
struct vm_trace_head {
    char magic[8];
    uint32_t version, chunk_bytes;
    uint32_t page_bytes, word_bytes;
    uint64_t process,
        parent; /* parent 0: begun at the start of a program; else by a fork child of that process */
    uint64_t n_chunks_max; /* of a flight recorder: chunks are used again in turn; 0: there is no bound */
    uint64_t top_pad, trim_threshold, mmap_threshold, mmap_max, is_dynamic,
        arena_max; /* in effect at the start */
    uint64_t
        break_offset;  /* how far the break was from a multiple of 4 MiB: where spans of many pages start */
    uint64_t checksum; /* of all above */
    uint64_t x_n_chunks, x_n_lost; /* begun so far; calls that could not be recorded */
    uint64_t x_is_over;            /* the process came to its end */
};

/* Each other chunk: this, then records up to a byte 0 or the chunk's end. */
struct vm_trace_chunk {
    uint32_t magic;
    uint32_t thread;         /* that the first records are of; 0: of threads whose end had begun */
    uint64_t first_sequence; /* that the first record's step counts from */
    uint64_t number;         /* of the chunk, in the order of beginning */
    uint64_t checksum;       /* of the bytes, rounded up to 8 */
    uint32_t bytes;          /* of records; 0: the chunk was still being written */
    uint32_t zero;
};

/* The low three bits of a record's first byte. */
enum vm_trace_op {
    VM_TRACE_ALLOC = 1,    /* place, size */
    VM_TRACE_ZEROED,       /* place, size: calloc */
    VM_TRACE_ALIGNED,      /* place, size, log2 of the alignment */
    VM_TRACE_FREE,         /* place */
    VM_TRACE_RESIZE_BEGIN, /* place: realloc is called */
    VM_TRACE_RESIZE_END,   /* place, size: it returns */
    VM_TRACE_OTHER         /* enum vm_trace_other, two numbers */
};
enum vm_trace_other {
    VM_TRACE_THREAD_END = 1,
    VM_TRACE_TRIM,       /* pad */
    VM_TRACE_MALLOPT,    /* parameter, value */
    VM_TRACE_RESIZE_NOT, /* realloc returned NULL: the block is still there */
    VM_TRACE_THREAD      /* number: what follows in this chunk is of that thread */
};
enum {
    VM_TRACE_OP_MASK = 7,
    VM_TRACE_IS_NEXT = 8 /* sequence number one higher than the last: no number for the step */
};

static inline uint64_t vm_trace_checksum(const void *start, size_t bytes)
{
    const unsigned char *const from = (const unsigned char *)start;
    uint64_t sum = 0x6a09e667f3bcc908;
    for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, from + i, sizeof word);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15;
        sum ^= sum >> 29;
    }
    return sum;
}

#endif
