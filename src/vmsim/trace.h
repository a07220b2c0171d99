/* SPDX-License-Identifier: MIT */
/*
 * trace.h - a trace as a sequence of operations, whichever form it is read from: the binary one, its text, glibc's mtrace
 * text or Android's memory_replay text; and the way back to the first two.
 *
 * Whatever a file holds, reading it ends with its last operation or with an error, and the operations that were read make
 * sense: a block that is freed or resized is there, and one that is allocated was not.
 */
#ifndef VM_VMSIM_TRACE_H
#define VM_VMSIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum op_kind {
    OP_ALLOC,
    OP_ZEROED,
    OP_ALIGNED,
    OP_RESIZE,
    OP_FREE,
    OP_THREAD_END,
    OP_TRIM,    /* size: the pad */
    OP_MALLOPT, /* parameter, value */
    OP_READ,    /* the program reads bytes of a block, from an offset on */
    OP_WRITE,
};

struct op {
    enum op_kind kind;
    uint32_t thread;
    uint32_t slot; /* of the block, from 1 up; that of a freed one is used again */
    uint64_t id;   /* of the block, from 1 up; never used again */
    uint64_t size;
    uint64_t alignment; /* of OP_ALIGNED: a power of two */
    uint64_t offset;    /* of OP_READ and OP_WRITE */
    int parameter, value;
};

/* What was in effect where the trace was recorded; all zero: not known. */
struct trace_settings {
    uint64_t page_bytes, top_pad, trim_threshold, mmap_threshold, mmap_max, is_dynamic, arena_max,
        break_offset;
};

struct trace_about {
    const char *form;
    struct trace_settings settings;
    uint64_t n_ops;
    uint64_t n_unknown; /* frees of blocks that were there before, or allocated unseen */
    uint64_t n_unseen;  /* blocks that must have been freed unseen, as their place was given out again */
    uint64_t n_lost;    /* calls that the recorder lost */
    bool is_cut;        /* the file ends in the middle */
};

struct trace;

/* Needs: the bytes stay as long as the trace does. */
struct trace *trace_of_bytes(const void *bytes, size_t size);

/* Reads a whole file, or standard input for "-". NULL: errno says why. */
struct trace *trace_open(const char *path);

void trace_close(struct trace *trace);

/* Has the trace of a process end where its fork child `child` began, and that begin with the blocks that there are then.
   Needs: nothing was read of either; the first is read to its end before the second. False: trace_error(child) tells. */
bool trace_before(struct trace *trace, struct trace *child);

/* The next operation: 1; 0 at the end; -1: the file is malformed, trace_error tells. */
int trace_next(struct trace *trace, struct op *op);
const char *trace_error(const struct trace *trace);
const struct trace_about *trace_about(const struct trace *trace);

/* What was in effect where it was recorded, as far as it stands before the first operation. */
const struct trace_settings *trace_settings_of(struct trace *trace);

/* Says on standard error what was odd. */
void vmsim_say_odd(const struct trace_about *about);

/* How far the reader is, from 0 to 1. */
double trace_progress(const struct trace *trace);

/* Writers. False: the file cannot be written. Of the text, comments apart, reading gives the same operations again. */
struct trace_writer;
struct trace_writer *trace_write_text(FILE *file, const struct trace_settings *settings);
struct trace_writer *trace_write_binary(FILE *file, const struct trace_settings *settings);
bool trace_write(struct trace_writer *writer, const struct op *op);
bool trace_write_end(struct trace_writer *writer);

#endif
