/* SPDX-License-Identifier: MIT */
/*
 * tune.h - the table of tunables: one row a setting, which mallopt, the environment (tune_read.c), the lines
 * of VMALLOC_VERBOSE=1, docs/tuning.md and the tests all read.
 */
#ifndef VM_FRONT_TUNE_H
#define VM_FRONT_TUNE_H

#include "base/scan.h"
#include "front/tune_parse.h"

/* How a value is written under our own names. */
enum tune_unit {
    TUNE_BYTES,
    TUNE_COUNT,
    TUNE_FLAG,
    TUNE_CHOICE,
    TUNE_TEXT /* whatever stands in our variable: in no list, as it may have commas in it */
};

/* What mallopt does with a value outside of the range. */
enum tune_mallopt {
    MALLOPT_BENDS,  /* there is none: the setting makes of it what glibc does; result 1 */
    MALLOPT_SKIPS,  /* leaves the setting as it was; result 1 */
    MALLOPT_REFUSES /* the same; result 0 */
};

/* Who set a value last. Each goes before those above it. */
enum tune_source {
    SOURCE_DEFAULT,
    SOURCE_GLIBC_VARIABLE, /* MALLOC_TOP_PAD_ */
    SOURCE_GLIBC_TUNABLES, /* GLIBC_TUNABLES */
    SOURCE_VARIABLE,       /* VMALLOC_TOP_PAD */
    SOURCE_CONF,           /* VMALLOC_CONF */
    SOURCE_MALLOPT
};

struct tune_word {
    const char *word; /* NULL ends an array */
    uint32_t value;
};

struct tunable {
    const char *key; /* in VMALLOC_CONF; in capitals, behind VMALLOC_; NULL: glibc's alone, no effect here */
    const char *variable; /* glibc's, or NULL */
    const char *tunable;  /* in GLIBC_TUNABLES, or NULL */
    const char *constant; /* name of `parameter`, or NULL */
    const char *help;
    int parameter; /* for mallopt */
    enum tune_mallopt mallopt;
    enum tune_unit unit;
    const struct tune_word *words; /* of a TUNE_FLAG or TUNE_CHOICE */
    uint64_t least, most;          /* of a number */
    size_t initial;
    const char *text; /* of a TUNE_TEXT: how its values are written, and what holds without one */
    const char *initial_text;
    bool is_dynamic; /* grows with what the program frees until the user sets one of the four sizes */
    /* Where it lives: one of the two, or none if it has no effect. */
    size_t *x_bytes;
    uint32_t *x_word;
    void (*set)(size_t value); /* how to set it; NULL: by a store */
};

enum { TUNE_N_MAX = 32 };
extern const struct tunable vm_tunables[];
extern const size_t vm_n_tunables;
extern uint8_t vm_tune_source[TUNE_N_MAX]; /* enum tune_source of each row */

/* The value in effect; 0 of a TUNE_TEXT. Needs: a row with effect. */
size_t vm_tune_value(const struct tunable *tunable);

/* Sets a row. False: the value is outside of the range; nothing changed. What mallopt set stays. */
bool vm_tune_set(const struct tunable *tunable, uint64_t value, enum tune_source source);

/*
 * The rows of unit TUNE_TEXT, by key. vm_tune_text: what our variable says, or NULL. take: it holds. refuse:
 * a complaint of it.
 */
#define TUNE_KEY_BACKEND "backend"
#define TUNE_KEY_FAULT "fault"
#define TUNE_KEY_OPLOG "oplog"
#define TUNE_KEY_TRACE "trace"
#define TUNE_KEY_TRACE_PROGRAM "trace_program"
const char *vm_tune_text(const char *key);
void vm_tune_take_text(const char *key);
void vm_tune_refuse_text(const char *key, const struct scan_complaint *complaint);

/* Reads a value as our own names have it. False: malformed or outside of the range. */
bool vm_tune_read_value(const struct tunable *tunable, struct piece text, uint64_t *value);

#endif
