/* SPDX-License-Identifier: MIT */
/*
 * tune_parse.h - the texts in which settings are written: numbers, sizes, and lists of name=value. Pure: a
 * piece of text in, a result out; nothing is changed in place, nothing is kept, no byte outside the piece is
 * read.
 */
#ifndef VM_FRONT_TUNE_PARSE_H
#define VM_FRONT_TUNE_PARSE_H

#include "base/compiler.h"

/* A part of a text, not terminated. */
struct piece {
    const char *start;
    size_t length;
};

struct piece vm_piece_of(const char *text);
bool vm_piece_is(struct piece piece, const char *text);

/* Whether the piece is `text`, which is in lower case, written in capitals. */
bool vm_piece_is_capital(struct piece piece, const char *text);
char vm_capital(char character);

/* Takes what is before the next character of `ends` off the front, and leaves that character. */
struct piece vm_piece_until(struct piece *rest, const char *ends);

/*
 * Takes a number off the front as glibc's loader reads it: blanks, a sign (with a minus, it wraps as size_t
 * does), 0x for hexadecimal, 0 for octal. Too large: UINT64_MAX, and the digits from there on are left. False: no digit.
 */
bool vm_parse_number(struct piece *text, uint64_t *value);

/* The number that is all of the text. */
bool vm_parse_whole_number(struct piece text, uint64_t *value);

/* A number that is all of the text, without blanks and sign, as our own variables have it. */
bool vm_parse_count(struct piece text, uint64_t *value);

/* The same with K, M or G behind it; or -1, for SIZE_MAX. */
bool vm_parse_size(struct piece text, uint64_t *value);

/* name=value, or a name alone. */
struct setting {
    struct piece name, value;
    bool has_value;
};

/* An entry of the environment. */
struct setting vm_parse_entry(const char *entry);

/* Takes the next of "name=value,name,..." off the front, passing over blanks before it and empty ones. False:
   there is none. */
bool vm_parse_setting(struct piece *rest, struct setting *setting);

/* The same for "name=value:name=value", as GLIBC_TUNABLES has it, passing over names without a value. */
bool vm_parse_tunable(struct piece *rest, struct setting *setting);

/* Whether glibc from 2.39 on would read that text at all: no value has a = in it, and it does not end with a
   name alone or an empty one. */
bool vm_parse_tunables_are_sound(struct piece text);

#endif
