/* SPDX-License-Identifier: MIT */
/*
 * piece.h - pieces of text, and the numbers in them. Pure: a piece in, a result out; nothing is changed in
 * place, nothing is kept, no byte outside the piece is read.
 */
#ifndef VM_BASE_PIECE_H
#define VM_BASE_PIECE_H

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

/* The character at a place of the piece; 0 past its end. */
char vm_piece_at(struct piece piece, size_t i);

/* Takes characters off the front. Needs n <= length. */
void vm_piece_skip(struct piece *piece, size_t n);

/* Takes what is before the next character of `ends` off the front, and leaves that character. */
struct piece vm_piece_until(struct piece *rest, const char *ends);

/*
 * Takes a number off the front as glibc's loader reads it: blanks, a sign (with a minus, it wraps as size_t
 * does), 0x for hexadecimal, 0 for octal. Too large: UINT64_MAX, and the digits from there on are left.
 * False: no digit.
 */
bool vm_parse_number(struct piece *text, uint64_t *value);

/* The number that is all of the text. */
bool vm_parse_whole_number(struct piece text, uint64_t *value);

/* A number that is all of the text, without blanks and sign, as our own variables have it. */
bool vm_parse_count(struct piece text, uint64_t *value);

/* The same with K, M or G behind it. */
bool vm_parse_bytes(struct piece text, uint64_t *value);

/* The same, or -1, for SIZE_MAX. */
bool vm_parse_size(struct piece text, uint64_t *value);

#endif
