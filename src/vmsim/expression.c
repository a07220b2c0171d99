/* SPDX-License-Identifier: MIT */
/* expression.c - see expression.h. A table of operators by rank, and one function that climbs it. */
#include <string.h>
#include "vmsim/expression.h"

enum operation {
    OR,
    AND,
    EQUAL,
    UNEQUAL,
    LESS_EQUAL,
    MORE_EQUAL,
    LESS,
    MORE,
    PLUS,
    MINUS,
    TIMES,
    OVER,
    MODULO
};

/* In the order in which they are tried: <= before <. */
static const struct {
    const char *sign;
    enum operation operation;
    unsigned rank;
} operators[] = {
    {"||", OR, 1},         {"&&", AND, 2}, {"==", EQUAL, 3}, {"!=", UNEQUAL, 3}, {"<=", LESS_EQUAL, 4},
    {">=", MORE_EQUAL, 4}, {"<", LESS, 4}, {">", MORE, 4},   {"+", PLUS, 5},     {"-", MINUS, 5},
    {"*", TIMES, 6},       {"/", OVER, 6}, {"%", MODULO, 6},
};
enum { N_OPERATORS = sizeof operators / sizeof *operators, RANK_LEAST = 1, DEPTH_MOST = 64 };

struct reader {
    struct scan *scan;
    const struct expression_names *names;
    struct expression_sides *sides;
    unsigned depth;
};

static bool read_operators(struct reader *reader, unsigned rank, uint64_t *value);

static bool read_nested(struct reader *reader, uint64_t *value)
{
    if (++reader->depth > DEPTH_MOST)
        return scan_fail(reader->scan, "too many parentheses");
    const bool is_read = read_operators(reader, RANK_LEAST, value);
    reader->depth--;
    return is_read && (scan_skip(reader->scan, ")") || scan_fail(reader->scan, "expected )"));
}

static bool read_name(struct reader *reader, uint64_t *value)
{
    struct scan_word name;
    const struct expression_names *const names = reader->names;
    if (!scan_word(reader->scan, "a value", &name))
        return false;
    if (!scan_skip(reader->scan, "("))
        return names->value(names->context, reader->scan, name.text, value);
    uint64_t argument;
    return read_nested(reader, &argument) &&
           names->call(names->context, reader->scan, name.text, argument, value);
}

static bool read_operand(struct reader *reader, uint64_t *value)
{
    struct scan *const scan = reader->scan;
    bool is_negative = false, is_inverted = false, is_truth = false;
    for (;;) {
        if (scan_skip(scan, "-")) {
            is_negative = !is_negative;
        } else if (scan_skip(scan, "!")) {
            is_inverted = !is_inverted;
            is_truth = true;
        } else {
            break;
        }
    }
    const bool is_read = scan_skip(scan, "(")  ? read_nested(reader, value)
                         : scan_is_digit(scan) ? scan_number(scan, value)
                                               : read_name(reader, value);
    if (!is_read)
        return false;
    *value = is_negative ? -*value : *value;
    if (is_truth)
        *value = is_inverted ? !*value : !!*value;
    return true;
}

static bool apply(struct reader *reader, enum operation operation, uint64_t left, uint64_t right,
                  uint64_t *value)
{
    if ((operation == OVER || operation == MODULO) && right == 0)
        return scan_fail_last(reader->scan, "division by 0");
    if (operation >= EQUAL && operation <= MORE)
        *reader->sides = (struct expression_sides){true, left, right};
    switch (operation) {
    case OR:
        *value = left || right;
        break;
    case AND:
        *value = left && right;
        break;
    case EQUAL:
        *value = left == right;
        break;
    case UNEQUAL:
        *value = left != right;
        break;
    case LESS_EQUAL:
        *value = left <= right;
        break;
    case MORE_EQUAL:
        *value = left >= right;
        break;
    case LESS:
        *value = left < right;
        break;
    case MORE:
        *value = left > right;
        break;
    case PLUS:
        *value = left + right;
        break;
    case MINUS:
        *value = left - right;
        break;
    case TIMES:
        *value = left * right;
        break;
    case OVER:
        *value = left / right;
        break;
    case MODULO:
        *value = left % right;
        break;
    }
    return true;
}

/* The operator that is next, if it binds at least so well: its index, N_OPERATORS if there is none. */
static unsigned next_operator(struct scan *scan, unsigned rank)
{
    for (unsigned i = 0; i < N_OPERATORS; i++)
        if (operators[i].rank >= rank && scan_skip(scan, operators[i].sign))
            return i;
    return N_OPERATORS;
}

static bool read_operators(struct reader *reader, unsigned rank, uint64_t *value)
{
    if (!read_operand(reader, value))
        return false;
    for (unsigned i; (i = next_operator(reader->scan, rank)) < N_OPERATORS;) {
        uint64_t right;
        if (!read_operators(reader, operators[i].rank + 1, &right) ||
            !apply(reader, operators[i].operation, *value, right, value))
            return false;
    }
    return true;
}

bool expression_read_compared(struct scan *scan, const struct expression_names *names, uint64_t *value,
                              struct expression_sides *sides)
{
    struct reader reader = {.scan = scan, .names = names, .sides = sides};
    *sides = (struct expression_sides){0};
    return read_operators(&reader, RANK_LEAST, value);
}

bool expression_read(struct scan *scan, const struct expression_names *names, uint64_t *value)
{
    struct expression_sides sides;
    return expression_read_compared(scan, names, value, &sides);
}
