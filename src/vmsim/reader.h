/* SPDX-License-Identifier: MIT */
/* reader.h - what the forms of a trace share: one function each that reads the next operation; blocks; errors. */
#ifndef VM_VMSIM_READER_H
#define VM_VMSIM_READER_H

#include "vmsim/map.h"
#include "vmsim/trace.h"

/* Blocks by what a form calls them, an address or a number. */
struct blocks {
    struct map slot_of; /* key -> slot */
    uint64_t *id;       /* of each slot */
    uint32_t *free;     /* slots that were used */
    uint32_t n_slots, n_free, n_room;
    uint64_t n_ids;
};

/* A new block, in op. Needs: the key is not in use. */
void blocks_add(struct blocks *blocks, uint64_t key, struct op *op);

/* The block of a key, in op. False: there is none. */
bool blocks_find(const struct blocks *blocks, uint64_t key, struct op *op);

/* The same, and the key is free; the slot is until blocks_forget or blocks_rename. */
bool blocks_take(struct blocks *blocks, uint64_t key, struct op *op);
void blocks_forget(struct blocks *blocks, const struct op *op);
void blocks_rename(struct blocks *blocks, const struct op *op, uint64_t new_key);

enum { QUEUE_MAX = 4 };

struct trace {
    const unsigned char *bytes, *at, *end;
    unsigned char *owned; /* to be freed with the trace */
    int (*next)(struct trace *trace,
                struct op *op); /* as trace_next, but may leave operations in the queue: 2: go on */
    void (*close)(struct trace *trace);
    void *form; /* what the form keeps */
    struct trace_about about;
    struct blocks blocks;
    struct trace *child; /* which gets the blocks at the end */
    struct op queue[QUEUE_MAX];
    unsigned n_queued, n_taken;
    size_t line; /* of a text */
    char error[160];
};

/* The forms. Each begins at the start of the bytes, and sets next. False: error is set. */
bool binary_begin(struct trace *trace);
bool text_begin(struct trace *trace);
bool mtrace_begin(struct trace *trace);
bool memory_replay_begin(struct trace *trace);

/* Sets the error; returns -1. */
__attribute__((format(printf, 2, 3))) int reader_fail(struct trace *trace, const char *format, ...);

/* Puts an operation behind those that wait. */
void reader_queue(struct trace *trace, const struct op *op);

/* Allocations and frees as a recorder saw them, by address or place: a block that is still there when its place is given out
   again was freed unseen, and ends now; a free of what is not known is passed over. Both are counted. */
void reader_alloc(struct trace *trace, uint64_t key, struct op *op);
void reader_free(struct trace *trace, uint64_t key, struct op *op);
void reader_make_free(struct trace *trace, uint64_t key, uint32_t thread);

/* Of a text: the next line, without its end; false: there is none. */
struct line {
    const char *start, *at, *end;
};
bool reader_line(struct trace *trace, struct line *line);

/* The next word; false: there is none. It ends before a blank. */
bool line_word(struct line *line, const char **word, size_t *length);

/* A number, decimal or with 0x; false, and the error is set, if there is none or it is too large. */
bool line_number(struct trace *trace, struct line *line, uint64_t *number, const char *what);

/* The same, of a power of two. */
bool line_alignment(struct trace *trace, struct line *line, uint64_t *alignment);

/* What is at line->at is not `expected`. Returns -1. */
int line_fail(struct trace *trace, const struct line *line, const char *expected);

#endif
