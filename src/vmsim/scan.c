/* SPDX-License-Identifier: MIT */
/* scan.c - see scan.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "vmsim/scan.h"

void scan_begin(struct scan *scan, const char *name, const char *text, size_t bytes)
{
    *scan =
        (struct scan){.name = name, .end = text + bytes, .here = {.at = text, .line_start = text, .line = 1}};
}

unsigned scan_column(struct scan_place place)
{
    return (unsigned)(place.at - place.line_start) + 1;
}

/* --- places --------------------------------------------------------------------------------------------- */

static char peek(const struct scan *scan)
{
    return scan->here.at < scan->end ? *scan->here.at : '\n';
}

static void skip_blanks(struct scan *scan)
{
    while (peek(scan) == ' ' || peek(scan) == '\t' || peek(scan) == '\r')
        scan->here.at++;
    if (peek(scan) == '#')
        while (peek(scan) != '\n')
            scan->here.at++;
}

struct scan_place scan_place(struct scan *scan)
{
    skip_blanks(scan);
    return scan->here;
}

static void fail(struct scan *scan, struct scan_place place, const char *format, va_list arguments)
{
    if (scan->is_wrong)
        return;
    vsnprintf(scan->complaint, sizeof scan->complaint, format, arguments);
    scan->is_wrong = true;
    scan->wrong = place;
}

bool scan_fail(struct scan *scan, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(scan, scan_place(scan), format, arguments);
    va_end(arguments);
    return false;
}

bool scan_fail_last(struct scan *scan, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(scan, scan->last, format, arguments);
    va_end(arguments);
    return false;
}

bool scan_statement(struct scan *scan)
{
    for (;;) {
        skip_blanks(scan);
        if (scan->here.at >= scan->end)
            return false;
        if (*scan->here.at != '\n')
            return true;
        scan->here.line_start = ++scan->here.at;
        scan->here.line++;
    }
}

bool scan_is_line_end(struct scan *scan)
{
    skip_blanks(scan);
    return peek(scan) == '\n';
}

bool scan_end_statement(struct scan *scan)
{
    return scan_is_line_end(scan) || scan_fail(scan, "expected the end of the line");
}

void scan_skip_line(struct scan *scan)
{
    while (!scan_is_line_end(scan))
        scan->here.at++;
}

/* --- words and numbers ---------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool scan_skip(struct scan *scan, const char *sign)
{
    skip_blanks(scan);
    const size_t length = strlen(sign);
    if ((size_t)(scan->end - scan->here.at) < length || memcmp(scan->here.at, sign, length) != 0)
        return false;
    scan->here.at += length;
    return true;
}

static size_t word_length(struct scan *scan)
{
    skip_blanks(scan);
    size_t length = 0;
    while (scan->here.at + length < scan->end &&
           (is_letter(scan->here.at[length]) || (length > 0 && is_digit(scan->here.at[length]))))
        length++;
    return length;
}

bool scan_skip_word(struct scan *scan, const char *word)
{
    const size_t length = word_length(scan);
    if (length != strlen(word) || memcmp(scan->here.at, word, length) != 0)
        return false;
    scan->here.at += length;
    return true;
}

static bool take(struct scan *scan, size_t length, const char *expected, struct scan_word *word)
{
    scan->last = scan->here;
    if (!length)
        return scan_fail(scan, "expected %s", expected);
    if (length > SCAN_WORD_MOST)
        return scan_fail(scan, "expected %s of at most %d letters", expected, SCAN_WORD_MOST);
    memcpy(word->text, scan->here.at, length);
    word->text[length] = '\0';
    scan->here.at += length;
    return true;
}

bool scan_word(struct scan *scan, const char *expected, struct scan_word *word)
{
    return take(scan, word_length(scan), expected, word);
}

bool scan_name(struct scan *scan, const char *expected, struct scan_word *name)
{
    skip_blanks(scan);
    size_t length = 0;
    while (scan->here.at + length < scan->end && !strchr(" \t\r\n#", scan->here.at[length]))
        length++;
    return take(scan, length, expected, name);
}

bool scan_text(struct scan *scan, const char **start, size_t *length)
{
    if (!scan_skip(scan, "\""))
        return scan_fail(scan, "expected a text in quotes");
    *start = scan->here.at;
    while (peek(scan) != '\n' && peek(scan) != '"')
        scan->here.at++;
    *length = (size_t)(scan->here.at - *start);
    return scan_skip(scan, "\"") || scan_fail(scan, "expected the closing quote");
}

bool scan_is_digit(struct scan *scan)
{
    skip_blanks(scan);
    return is_digit(peek(scan));
}

static int digit_of(char c, unsigned base)
{
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : 99;
    return digit < (int)base ? digit : -1;
}

/* What K, M, G or T behind a number stands for, as a shift; it is taken. */
static unsigned unit_shift(struct scan *scan)
{
    static const char units[] = "KMGT";
    const char *const unit = peek(scan) ? strchr(units, peek(scan)) : NULL;
    if (!unit)
        return 0;
    scan->here.at++;
    return 10 * ((unsigned)(unit - units) + 1);
}

bool scan_number(struct scan *scan, uint64_t *value)
{
    if (!scan_is_digit(scan))
        return scan_fail(scan, "expected a number");
    scan->last = scan->here;
    const unsigned base = scan_skip(scan, "0x") ? 16 : 10;
    if (digit_of(peek(scan), base) < 0)
        return scan_fail(scan, "expected a digit");
    *value = 0;
    for (int digit; (digit = digit_of(peek(scan), base)) >= 0; scan->here.at++) {
        if (*value > (UINT64_MAX - (unsigned)digit) / base)
            return scan_fail_last(scan, "the number is too large");
        *value = *value * base + (unsigned)digit;
    }
    const unsigned shift = unit_shift(scan);
    if (*value > UINT64_MAX >> shift)
        return scan_fail_last(scan, "the number is too large");
    *value <<= shift;
    return !is_letter(peek(scan)) || scan_fail(scan, "expected an end of the number");
}
