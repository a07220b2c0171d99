/* SPDX-License-Identifier: MIT */
/* report.c - see report.h. Owns the sink and the copy of the last fatal message. Needs no lock: a message
   lives on its thread's stack. */
#include "base/report.h"
#include "base/atomic.h"
#include "vmalloc/vmalloc.h"

struct report_sink vm_report_sink;

VM_WEAK char vm_abort_message[VM_ABORT_MESSAGE_BYTES]; /* libvmkernel.a has one, too: one of both stays */
static uint32_t x_is_keeping;

_Static_assert(sizeof((struct message *)NULL)->text < VM_ABORT_MESSAGE_BYTES, "a message fits with its end");

static void append(struct message *message, char character)
{
    if (message->length < sizeof message->text)
        message->text[message->length++] = character;
}

void vm_message_text(struct message *message, const char *text)
{
    while (*text)
        append(message, *text++);
}

static unsigned digits_of(uint64_t value, unsigned base, char digits[20])
{
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    return n;
}

void vm_message_padded(struct message *message, uint64_t value, unsigned width)
{
    char digits[20];
    unsigned n = digits_of(value, 10, digits);
    for (unsigned i = n; i < width; i++)
        append(message, ' ');
    while (n)
        append(message, digits[--n]);
}

void vm_message_unsigned(struct message *message, uint64_t value)
{
    vm_message_padded(message, value, 0);
}

void vm_message_signed(struct message *message, int64_t value)
{
    if (value < 0)
        append(message, '-');
    vm_message_unsigned(message, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void vm_message_hexadecimal(struct message *message, uint64_t value)
{
    char digits[20];
    unsigned n = digits_of(value, 16, digits);
    vm_message_text(message, "0x");
    while (n)
        append(message, digits[--n]);
}

void vm_report_send(const struct message *message)
{
    if (vm_report_sink.write)
        vm_report_sink.write(message->text, message->length);
}

/* For who looks at the core. If two threads die at once, one message is kept whole. */
static void keep(const struct message *message)
{
    if (vm_exchange(&x_is_keeping, 1))
        return;
    __builtin_memcpy(vm_abort_message, message->text, message->length);
    vm_abort_message[message->length] = 0;
    vm_store_release(&x_is_keeping, 0); /* a handler of SIGABRT may let the process live and die again */
}

void vm_report_fatal(const struct message *message)
{
    keep(message);
    vm_report_send(message);
    if (vm_report_sink.abort)
        vm_report_sink.abort();
    __builtin_trap();
}

void vm_report_broken(const char *where)
{
    struct message message = {0};
    vm_message_text(&message, "vmalloc: internal check failed: ");
    vm_message_text(&message, where);
    vm_message_text(&message, "\n");
    vm_report_fatal(&message);
}
