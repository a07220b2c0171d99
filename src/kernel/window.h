/* SPDX-License-Identifier: MIT */
/*
 * window.h - a file that is written by stores into memory that shows parts of it: what was stored is in the file, however
 * the process ends. No file is kept open, as programs close files that they do not know, and open others under their
 * numbers. Nothing here allocates; errno is kept.
 */
#ifndef VM_KERNEL_WINDOW_H
#define VM_KERNEL_WINDOW_H

#include "base/compiler.h"

/* The kernel's bound, or where static data are few a smaller one. */
#ifdef VM_SMALL_TABLES
enum { VM_PATH_BYTES = 1024 };
#else
enum { VM_PATH_BYTES = 4096 };
#endif

/* The path of a name as it is now, whatever folder the process goes to later. False: it is too long. */
bool vm_window_path(char path[VM_PATH_BYTES], const char *name);

/* Opens the file, made if it is not there, and reads what it begins with. Returns the bytes read, or -1: not to be had,
   or not a file that can be cut. */
long vm_window_read(const char *path, void *head, size_t bytes);

/* Makes the file empty. */
bool vm_window_clear(const char *path);

/* Shows a part of the file, with room on the disk for all of it, in place of the window `old`, or anywhere if that is NULL.
   What was never written is zero. NULL: not to be had, and `old` is as it was. Needs: offset and bytes are multiples of
   64 KiB. */
void *vm_window_map(const char *path, uint64_t offset, size_t bytes, void *old);

/* Whether there is a process of that number. */
bool vm_window_is_process(long process);

#endif
