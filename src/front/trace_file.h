/* SPDX-License-Identifier: MIT */
/* trace_file.h - which file a process's trace goes to, and whether it may. */
#ifndef VM_FRONT_TRACE_FILE_H
#define VM_FRONT_TRACE_FILE_H

#include "base/scan.h"

/* Whether VMALLOC_TRACE_PROGRAM names this program, or none. */
bool vm_trace_is_meant(void);

/* From what VMALLOC_TRACE says, with %p, %e and %% in it, chooses and claims a file for this program. The folder is that
   which the process is in now, also for its fork children later. Returns the path; NULL: `complaint` says why. */
const char *vm_trace_claim(const char *name, struct scan_complaint *complaint);

/* The same for a fork child of a process whose trace was claimed. NULL: it has none. */
const char *vm_trace_claim_in_child(void);

#endif
