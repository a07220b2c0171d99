/* SPDX-License-Identifier: MIT */
/* tune_parse.c - see tune_parse.h. Owns nothing. */
#include "front/tune_parse.h"

/* --- pieces --------------------------------------------------------------------------------------------- */

struct piece vm_piece_of(const char *text)
{
    return (struct piece){text, __builtin_strlen(text)};
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

static void skip(struct piece *text, size_t n)
{
    text->start += n;
    text->length -= n;
}

/* The character at a place of the text; 0 past its end. */
static char at(struct piece text, size_t i)
{
    return i < text.length ? text.start[i] : '\0';
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
        skip(rest, 1);
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
    for (*value = 0; digit_of(at(*text, 0)) < base; skip(text, 1)) {
        uint64_t more;
        if (__builtin_mul_overflow(*value, (uint64_t)base, &more) ||
            __builtin_add_overflow(more, (uint64_t)digit_of(at(*text, 0)), &more))
            return false;
        *value = more;
    }
    return true;
}

/* Takes a number without a sign off the front. Needs: it begins with a digit. False: too large. */
static bool read_unsigned(struct piece *text, uint64_t *value)
{
    if (at(*text, 0) != '0')
        return read_digits(text, 10, value);
    const bool is_hexadecimal = (at(*text, 1) | 32) == 'x' && digit_of(at(*text, 2)) < 16;
    skip(text, is_hexadecimal ? 2 : 1);
    return read_digits(text, is_hexadecimal ? 16 : 8, value);
}

bool vm_parse_number(struct piece *text, uint64_t *value)
{
    struct piece rest = *text;
    while (at(rest, 0) == ' ' || at(rest, 0) == '\t')
        skip(&rest, 1);
    const bool is_negative = at(rest, 0) == '-';
    if (is_negative || at(rest, 0) == '+')
        skip(&rest, 1);
    if (!is_decimal_digit(at(rest, 0)))
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
    return is_decimal_digit(at(text, 0)) && vm_parse_whole_number(text, value);
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

bool vm_parse_size(struct piece text, uint64_t *value)
{
    if (vm_piece_is(text, "-1")) {
        *value = SIZE_MAX;
        return true;
    }
    if (text.length == 0)
        return false;
    const unsigned shift = shift_of(text.start[text.length - 1]);
    text.length -= shift != 0;
    if (!vm_parse_count(text, value) || *value > UINT64_MAX >> shift)
        return false;
    *value <<= shift;
    return true;
}

/* --- lists ---------------------------------------------------------------------------------------------- */

/* Takes name and value off the front, up to the separator, which is left; the value may have a = in it. */
static void take_setting(struct piece *rest, const char *separator, const char *name_ends,
                         struct setting *setting)
{
    setting->name = vm_piece_until(rest, name_ends);
    setting->has_value = at(*rest, 0) == '=';
    if (setting->has_value)
        skip(rest, 1);
    setting->value = vm_piece_until(rest, separator);
}

struct setting vm_parse_entry(const char *entry)
{
    struct piece rest = vm_piece_of(entry);
    struct setting setting;
    take_setting(&rest, "", "=", &setting);
    return setting;
}

bool vm_parse_setting(struct piece *rest, struct setting *setting)
{
    while (rest->length && is_one_of(rest->start[0], ", \t"))
        skip(rest, 1);
    if (!rest->length)
        return false;
    take_setting(rest, ",", "=,", setting);
    return true;
}

bool vm_parse_tunable(struct piece *rest, struct setting *setting)
{
    while (rest->length) {
        take_setting(rest, ":", "=:", setting);
        if (rest->length)
            skip(rest, 1);
        if (setting->has_value)
            return true;
    }
    return false;
}

bool vm_parse_tunables_are_sound(struct piece text)
{
    struct setting last = {.has_value = true};
    if (text.length && text.start[text.length - 1] == ':')
        return false;
    while (text.length) {
        take_setting(&text, ":", "=:", &last);
        struct piece value = last.value;
        vm_piece_until(&value, "=");
        if (value.length)
            return false;
        if (text.length)
            skip(&text, 1);
    }
    return last.has_value;
}
