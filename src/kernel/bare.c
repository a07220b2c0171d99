/* SPDX-License-Identifier: MIT */
/*
 * bare.c - what surrounds the allocator where nothing that it knows does: what process.c and address.c are on Linux.
 * There is no fork, nobody says when a thread ends but the program itself, and of a foreign pointer nothing is known.
 */
#include "base/config.h"
#include "kernel/address.h"
#include "kernel/kernel.h"

bool vm_process_is_single_threaded(void)
{
    return !VM_THREADS;
}

bool vm_process_at_thread_exit(void *argument)
{
    (void)argument;
    return false; /* vm_kernel_thread_ended */
}

size_t vm_process_page_bytes(void)
{
    return vm_kernel.page_bytes;
}

size_t vm_process_mark_bytes(void)
{
    return 0;
}

enum vm_address vm_address_kind(const void *pointer)
{
    (void)pointer;
    return VM_ADDRESS_OTHER;
}
