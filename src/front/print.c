/* SPDX-License-Identifier: MIT */
/* print.c - see print.h. Owns nothing. */
#include "front/print.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { LINE_MAX_BYTES = 240 };

static void send(struct printer *printer)
{
    if (printer->stream)
        fwrite(printer->pending.text, 1, printer->pending.length, printer->stream);
    else
        vm_report_send(&printer->pending);
    printer->pending.length = 0;
}

void vm_print_begin(struct printer *printer, FILE *stream)
{
    printer->stream = stream;
    printer->saved_errno = errno;
    printer->pending.length = 0;
    if (stream) {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &printer->saved_cancellation);
        flockfile(stream);
    }
}

void vm_print_end(struct printer *printer)
{
    send(printer);
    if (printer->stream) {
        int ignored;
        funlockfile(printer->stream);
        pthread_setcancelstate(printer->saved_cancellation, &ignored);
    }
    errno = printer->saved_errno;
}

void vm_print_text(struct printer *printer, const char *text)
{
    vm_message_text(&printer->pending, text);
    const size_t length = printer->pending.length;
    if (length > sizeof printer->pending.text - LINE_MAX_BYTES && printer->pending.text[length - 1] == '\n')
        send(printer);
}

void vm_print_number(struct printer *printer, uint64_t value, unsigned width)
{
    vm_message_padded(&printer->pending, value, width);
}

void vm_message_region(struct message *message, const struct vm_kernel_region *region)
{
    if (!region->bytes)
        return;
    vm_message_text(message, "region of ");
    vm_message_unsigned(message, region->bytes);
    vm_message_text(message, " bytes at ");
    vm_message_address(message, region->start);
    vm_message_text(message, ", used ");
    vm_message_unsigned(message, region->used_bytes);
    vm_message_text(message, ", free ");
    vm_message_unsigned(message, region->free_bytes);
    vm_message_text(message, ", most ever used ");
    vm_message_unsigned(message, region->used_bytes_max);
}

void vm_print_region(struct printer *printer, const char *before, const struct vm_kernel_region *region)
{
    if (!region->bytes)
        return;
    vm_print_text(printer, before);
    vm_message_region(&printer->pending, region);
    vm_print_text(printer, "\n");
}
