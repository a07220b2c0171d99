/* SPDX-License-Identifier: MIT */
/* address.h - what an address that is none of ours probably is: for messages about bad pointers. */
#ifndef VM_KERNEL_ADDRESS_H
#define VM_KERNEL_ADDRESS_H

#include "base/compiler.h"

enum vm_address {
    VM_ADDRESS_NOTHING,    /* no memory, or none that may be read */
    VM_ADDRESS_STACK,      /* the calling thread's stack, above the caller's frame */
    VM_ADDRESS_MAIN_STACK, /* the main thread's, seen from another thread */
    VM_ADDRESS_ARGUMENTS,  /* strings of argv and of the first environment */
    VM_ADDRESS_PROGRAM,    /* the executable's code and data */
    VM_ADDRESS_LIBC,       /* looks like a live block of the C library's own malloc */
    VM_ADDRESS_BREAK,      /* below the process's break, which somebody else moved */
    VM_ADDRESS_OTHER
};

/* Takes no lock, opens no file and reads only what the kernel says can be read. Kernel: futex. */
VM_COLD enum vm_address vm_address_kind(const void *address);

#endif
