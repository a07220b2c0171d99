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

struct scan {
    const char *name, *text, *end; /* of the script */
    const char *at, *line_start;
    unsigned line; /* counts from 1 */
    bool is_wrong;
    char complaint[160]; /* without the place */
};

struct scan_word {
    char text[SCAN_WORD_MOST + 1];
};

void scan_begin(struct scan *scan, const char *name, const char *text, size_t bytes);

/* Where something was, to go back to or to complain about. */
struct scan_place {
    const char *at, *line_start;
    unsigned line;
};
struct scan_place scan_place(const struct scan *scan);
void scan_go(struct scan *scan, struct scan_place place);
unsigned scan_column(struct scan_place place);

/* Notes what is wrong here. Returns false. */
__attribute__((format(printf, 2, 3))) bool scan_fail(struct scan *scan, const char *format, ...);

/* Passes over blanks, comments and empty lines. False: there is no further statement. */
bool scan_statement(struct scan *scan);

/* Whether nothing is left of the line. */
bool scan_is_line_end(struct scan *scan);

/* Needs that to be so. */
bool scan_end_statement(struct scan *scan);

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
