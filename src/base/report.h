/* SPDX-License-Identifier: MIT */
/*
 * report.h - messages without stdio and without allocation. A message is built in a buffer on the stack and
 * handed over whole, so that lines of two threads never mix.
 */
#ifndef VM_BASE_REPORT_H
#define VM_BASE_REPORT_H

#include "base/compiler.h"

struct message {
    size_t length;
    char text[496];
};

/* How messages leave the process and how it ends; the kernel wall fills it in before the first message. */
struct report_sink {
    void (*write)(const char *text, size_t length);
    void (*abort)(void);
};
extern struct report_sink vm_report_sink;

/* Append to a message; what does not fit is cut. */
void vm_message_text(struct message *message, const char *text);
void vm_message_unsigned(struct message *message, uint64_t value);
void vm_message_signed(struct message *message, int64_t value);
void vm_message_hexadecimal(struct message *message, uint64_t value);            /* as 0x... */
void vm_message_padded(struct message *message, uint64_t value, unsigned width); /* right-aligned */

VM_INLINE void vm_message_address(struct message *message, const void *address)
{
    vm_message_hexadecimal(message, (uintptr_t)address);
}

/* Writes the message out. */
void vm_report_send(const struct message *message);

/* Keeps the message in vm_abort_message, writes it out and ends the process with SIGABRT. Lock: the caller
   holds none. */
VM_NORETURN void vm_report_fatal(const struct message *message);

/* An assert of ours failed: "vmalloc: internal check failed: ..." and SIGABRT. */
VM_NORETURN VM_COLD void vm_report_broken(const char *where);

#endif
