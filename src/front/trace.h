/* SPDX-License-Identifier: MIT */
/* trace.h - the recorder: what the program asks of malloc, into a file. */
#ifndef VM_FRONT_TRACE_H
#define VM_FRONT_TRACE_H

#include "base/compiler.h"

/* Begins to record, if this process is meant, into the file that VMALLOC_TRACE names. Called once, while the allocator is set
   up, when all settings are read. */
void vm_trace_start(const char *name);

/* The process comes to its end. What follows is recorded, too. */
void vm_trace_stop(void);

/* For a fork child, around the repair of all rooms: gives the thread its own heap back; goes on in another file. */
struct recorder;
struct recorder *vm_trace_suspend_in_child(void);
void vm_trace_resume_in_child(struct recorder *recorder);

#endif
