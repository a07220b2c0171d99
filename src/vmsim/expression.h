/* SPDX-License-Identifier: MIT */
/*
 * expression.h - values in scripts: numbers of 64 bits without sign, names, and C's operators in C's order:
 *     ! -   * / %   + -   < <= > >=   == !=   &&   ||   and parentheses; NAME(VALUE) asks a function.
 */
#ifndef VM_VMSIM_EXPRESSION_H
#define VM_VMSIM_EXPRESSION_H

#include "vmsim/scan.h"

/* What names mean. Each fails by scan_fail, and then returns false. */
struct expression_names {
    void *context;
    bool (*value)(void *context, struct scan *scan, const char *name, uint64_t *value);
    bool (*call)(void *context, struct scan *scan, const char *name, uint64_t argument, uint64_t *value);
};

bool expression_read(struct scan *scan, const struct expression_names *names, uint64_t *value);

/* The two sides of the comparison that was evaluated last, for a message about it. */
struct expression_sides {
    bool is_known;
    uint64_t left, right;
};
bool expression_read_compared(struct scan *scan, const struct expression_names *names, uint64_t *value,
                              struct expression_sides *sides);

#endif
