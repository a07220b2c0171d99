/* SPDX-License-Identifier: MIT */
/*
 * oplog.h - the operation log: a line for each operation that is asked of the kernel.
 *
 *   # process 4711, backend linux, pages of 4096 bytes, break at 0x555555560000
 *   1 map 4096 read-write = map+0
 *   2 brk +135168 = break+0
 *   3 remap 196608>393216 map+331776 = refused (rule 1)
 *   4 advise 65536 break+16384 contents = done
 *
 * Second and third word: operation, by the site of fault plans, and size; they do not depend on where things
 * lie. Addresses are offsets from the first place of the break and from the first mapping. Lines that a fork
 * child writes begin with its process number and a colon. A line is written whole, by one system call,
 * without a lock: lines of several threads may be out of order by a few.
 */
#ifndef VM_KERNEL_OPLOG_H
#define VM_KERNEL_OPLOG_H

#include "kernel/kernel.h"

struct oplog_operation {
    const char *name;
    const char *sign;           /* of a move of the break: " +" or " -"; else NULL */
    size_t bytes, new_bytes;    /* new_bytes 0: there is one size */
    const void *start, *target; /* what it is about, or NULL */
    const char *detail;         /* or NULL */
    const void *result;         /* where memory was got, or NULL: then `done` tells */
    bool done;
    unsigned rule; /* number of the rule of the fault plan that struck, 0: none */
};

/* Opens the log: appends to the file, in whose name %p becomes the process number, or, if the name is a
   number, to that open file. False: it cannot be written. */
bool vm_oplog_open(const char *name);
bool vm_oplog_is_open(void);

/* Writes the line of the process, and takes the place of the break for what offsets count from. Called
   once, when the backend has been started. */
void vm_oplog_begin(const struct vm_kernel_backend *backend);

/* Writes the line of an operation that is over. Does nothing if no log is open. */
void vm_oplog_write(const struct oplog_operation *operation);

#endif
