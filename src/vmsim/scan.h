/* SPDX-License-Identifier: MIT */
/*
 * scan.h - reads a script from left to right, line by line. A statement ends with its line; # begins a comment. The
 * first thing that is not as it should be makes a complaint, with its place; nothing is read after it.
 */
#ifndef VM_VMSIM_SCAN_H
#define VM_VMSIM_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCAN_WORD_MOST = 63 };

/* Where something is. */
struct scan_place {
    const char *at, *line_start;
    unsigned line; /* counts from 1 */
};

struct scan {
    const char *name, *end;       /* of the script */
    struct scan_place here, last; /* what is read next; the word or number that was read last */
    bool is_wrong;
    struct scan_place wrong;
    char complaint[160]; /* without the place */
};

struct scan_word {
    char text[SCAN_WORD_MOST + 1];
};

void scan_begin(struct scan *scan, const char *name, const char *text, size_t bytes);

/* What is read next, blanks left out. */
struct scan_place scan_place(struct scan *scan);
unsigned scan_column(struct scan_place place);

/* Note what is wrong: here, or with what was read last. Return false. */
__attribute__((format(printf, 2, 3))) bool scan_fail(struct scan *scan, const char *format, ...);
__attribute__((format(printf, 2, 3))) bool scan_fail_last(struct scan *scan, const char *format, ...);

/* Passes over blanks, comments and empty lines. False: there is no further statement. */
bool scan_statement(struct scan *scan);

/* Whether nothing is left of the line. */
bool scan_is_line_end(struct scan *scan);

/* Needs that to be so. */
bool scan_end_statement(struct scan *scan);

/* Passes over what is left of the line. */
void scan_skip_line(struct scan *scan);

/* Takes the sign, or the word, if it is next. */
bool scan_skip(struct scan *scan, const char *sign);
bool scan_skip_word(struct scan *scan, const char *word);

/* Take what has to be next. A word is letters, digits, and _ within; a name is anything up to a blank. */
bool scan_word(struct scan *scan, const char *expected, struct scan_word *word);
bool scan_name(struct scan *scan, const char *expected, struct scan_word *name);
bool scan_text(struct scan *scan, const char **start, size_t *length); /* "TEXT" on one line */

/* Whether a number is next, which it takes: decimal or 0x, with K, M, G or T behind it or not. */
bool scan_is_digit(struct scan *scan);
bool scan_number(struct scan *scan, uint64_t *value);

#endif
