/* SPDX-License-Identifier: MIT */
/* scan.c - see scan.h. Owns nothing. */
#include "base/scan.h"

/* What ends a word or a number. */
static const char word_ends[] = " \t\n()<>=/:;,";

struct scan vm_scan_begin(struct piece text)
{
    return (struct scan){.text = text, .rest = text};
}

static char next(struct scan *scan)
{
    while (vm_piece_at(scan->rest, 0) == ' ' || vm_piece_at(scan->rest, 0) == '\t' ||
           vm_piece_at(scan->rest, 0) == '\n')
        vm_piece_skip(&scan->rest, 1);
    return vm_piece_at(scan->rest, 0);
}

bool vm_scan_fail(struct scan *scan, const char *expected)
{
    next(scan);
    scan->complaint = (struct scan_complaint){.line = 1, .column = 1, .expected = expected};
    for (const char *at = scan->text.start; at < scan->rest.start; at++) {
        scan->complaint.line += *at == '\n';
        scan->complaint.column = *at == '\n' ? 1 : scan->complaint.column + 1;
    }
    return false;
}

bool vm_scan_is_at_end(struct scan *scan)
{
    next(scan);
    return scan->rest.length == 0;
}

bool vm_scan_skip_sign(struct scan *scan, char sign)
{
    if (next(scan) != sign || !scan->rest.length)
        return false;
    vm_piece_skip(&scan->rest, 1);
    return true;
}

bool vm_scan_sign(struct scan *scan, char sign, const char *expected)
{
    return vm_scan_skip_sign(scan, sign) || vm_scan_fail(scan, expected);
}

bool vm_scan_word(struct scan *scan, const char *const *words, const char *expected, unsigned *index)
{
    next(scan);
    struct piece rest = scan->rest;
    const struct piece word = vm_piece_until(&rest, word_ends);
    for (*index = 0; words[*index]; (*index)++)
        if (vm_piece_is(word, words[*index])) {
            scan->rest = rest;
            return true;
        }
    return vm_scan_fail(scan, expected);
}

bool vm_scan_number(struct scan *scan, uint64_t least, uint64_t most, const char *expected, uint64_t *value)
{
    next(scan);
    struct piece rest = scan->rest;
    if (!vm_parse_bytes(vm_piece_until(&rest, word_ends), value) || *value < least || *value > most)
        return vm_scan_fail(scan, expected);
    scan->rest = rest;
    return true;
}

void vm_scan_explain(struct message *message, const struct scan_complaint *complaint)
{
    vm_message_unsigned(message, complaint->line);
    vm_message_text(message, ":");
    vm_message_unsigned(message, complaint->column);
    vm_message_text(message, ": expected ");
    vm_message_text(message, complaint->expected);
}
