/* SPDX-License-Identifier: MIT */
/* piece.c - see piece.h. Owns nothing. */
#include "base/piece.h"

/* --- pieces --------------------------------------------------------------------------------------------- */

struct piece vm_piece_of(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return (struct piece){text, length};
}

bool vm_piece_is(struct piece piece, const char *text)
{
    for (size_t i = 0; i < piece.length; i++)
        if (!text[i] || text[i] != piece.start[i])
            return false;
    return !text[piece.length];
}

char vm_capital(char character)
{
    return character >= 'a' && character <= 'z' ? (char)(character - 'a' + 'A') : character;
}

bool vm_piece_is_capital(struct piece piece, const char *text)
{
    for (size_t i = 0; i < piece.length; i++)
        if (!text[i] || vm_capital(text[i]) != piece.start[i])
            return false;
    return !text[piece.length];
}

void vm_piece_skip(struct piece *piece, size_t n)
{
    piece->start += n;
    piece->length -= n;
}

char vm_piece_at(struct piece piece, size_t i)
{
    return i < piece.length ? piece.start[i] : '\0';
}

static bool is_one_of(char character, const char *set)
{
    while (*set && *set != character)
        set++;
    return *set;
}

struct piece vm_piece_until(struct piece *rest, const char *ends)
{
    const char *const start = rest->start;
    while (rest->length && !is_one_of(rest->start[0], ends))
        vm_piece_skip(rest, 1);
    return (struct piece){start, (size_t)(rest->start - start)};
}

/* --- numbers -------------------------------------------------------------------------------------------- */

static unsigned digit_of(char character)
{
    if (character >= '0' && character <= '9')
        return (unsigned)(character - '0');
    const char lower = (char)(character | 32);
    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a' + 10) : 16;
}

static bool is_decimal_digit(char character)
{
    return digit_of(character) < 10;
}

/* Takes digits off the front, if there are any. False: too many, and what did not fit is left. */
static bool read_digits(struct piece *text, unsigned base, uint64_t *value)
{
    for (*value = 0; digit_of(vm_piece_at(*text, 0)) < base; vm_piece_skip(text, 1)) {
        uint64_t more;
        if (__builtin_mul_overflow(*value, (uint64_t)base, &more) ||
            __builtin_add_overflow(more, (uint64_t)digit_of(vm_piece_at(*text, 0)), &more))
            return false;
        *value = more;
    }
    return true;
}

/* Takes a number without a sign off the front. Needs: it begins with a digit. False: too large. */
static bool read_unsigned(struct piece *text, uint64_t *value)
{
    if (vm_piece_at(*text, 0) != '0')
        return read_digits(text, 10, value);
    const bool is_hexadecimal = (vm_piece_at(*text, 1) | 32) == 'x' && digit_of(vm_piece_at(*text, 2)) < 16;
    vm_piece_skip(text, is_hexadecimal ? 2 : 1);
    return read_digits(text, is_hexadecimal ? 16 : 8, value);
}

bool vm_parse_number(struct piece *text, uint64_t *value)
{
    struct piece rest = *text;
    while (vm_piece_at(rest, 0) == ' ' || vm_piece_at(rest, 0) == '\t')
        vm_piece_skip(&rest, 1);
    const bool is_negative = vm_piece_at(rest, 0) == '-';
    if (is_negative || vm_piece_at(rest, 0) == '+')
        vm_piece_skip(&rest, 1);
    if (!is_decimal_digit(vm_piece_at(rest, 0)))
        return false;
    if (!read_unsigned(&rest, value))
        *value = UINT64_MAX;
    else if (is_negative)
        *value = (size_t)(0 - *value);
    *text = rest;
    return true;
}

bool vm_parse_whole_number(struct piece text, uint64_t *value)
{
    return vm_parse_number(&text, value) && text.length == 0;
}

bool vm_parse_count(struct piece text, uint64_t *value)
{
    return is_decimal_digit(vm_piece_at(text, 0)) && vm_parse_whole_number(text, value);
}

static unsigned shift_of(char suffix)
{
    switch (suffix) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    default:
        return 0;
    }
}

bool vm_parse_bytes(struct piece text, uint64_t *value)
{
    const unsigned shift = text.length ? shift_of(text.start[text.length - 1]) : 0;
    text.length -= shift != 0;
    if (!vm_parse_count(text, value) || *value > UINT64_MAX >> shift)
        return false;
    *value <<= shift;
    return true;
}

bool vm_parse_size(struct piece text, uint64_t *value)
{
    if (!vm_piece_is(text, "-1"))
        return vm_parse_bytes(text, value);
    *value = SIZE_MAX;
    return true;
}
