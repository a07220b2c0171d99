/* SPDX-License-Identifier: MIT */
/*
 * print.h - where statistics go: to a stream, or to standard error without stdio. Text is gathered and handed over
 * in whole lines. While it lasts the stream is locked and the thread cannot be cancelled, though stdio writes;
 * errno stays as it was.
 */
#ifndef VM_FRONT_PRINT_H
#define VM_FRONT_PRINT_H

#include <stdio.h>
#include "base/report.h"
#include "vmalloc/kernel.h"

struct printer {
    FILE *stream; /* NULL: standard error, without stdio */
    int saved_errno, saved_cancellation;
    struct message pending;
};

void vm_print_begin(struct printer *printer, FILE *stream);
void vm_print_end(struct printer *printer);

/* Needs lines of at most 240 characters. */
void vm_print_text(struct printer *printer, const char *text);
void vm_print_number(struct printer *printer, uint64_t value, unsigned width);

/* What is said of a backend's region, the latter a line with `before` in front: nothing if there is none. */
void vm_message_region(struct message *message, const struct vm_kernel_region *region);
void vm_print_region(struct printer *printer, const char *before, const struct vm_kernel_region *region);

#endif
