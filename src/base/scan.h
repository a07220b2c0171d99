/* SPDX-License-Identifier: MIT */
/*
 * scan.h - reads the words, signs and numbers of a small language from left to right, passing over blanks
 * and ends of lines. The first thing that is not as expected makes a complaint with its place.
 */
#ifndef VM_BASE_SCAN_H
#define VM_BASE_SCAN_H

#include "base/piece.h"
#include "base/report.h"

/* What was expected, and where; line and column count from 1. */
struct scan_complaint {
    unsigned line, column;
    const char *expected;
};

struct scan {
    struct piece text, rest;
    struct scan_complaint complaint; /* line 0: none */
};

struct scan vm_scan_begin(struct piece text);

/* Notes that something else was expected here. Returns false. */
bool vm_scan_fail(struct scan *scan, const char *expected);

bool vm_scan_is_at_end(struct scan *scan);

/* Takes the sign if it is next. */
bool vm_scan_skip_sign(struct scan *scan, char sign);

/* Take what has to come next; else fail. A word is one of `words`, up to NULL: its index. */
bool vm_scan_sign(struct scan *scan, char sign, const char *expected);
bool vm_scan_word(struct scan *scan, const char *const *words, const char *expected, unsigned *index);

/* A number, with K, M or G behind it or not, from `least` to `most`. */
bool vm_scan_number(struct scan *scan, uint64_t least, uint64_t most, const char *expected, uint64_t *value);

/* Adds "line:column: expected ..." to a message. */
void vm_scan_explain(struct message *message, const struct scan_complaint *complaint);

#endif
