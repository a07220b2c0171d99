/* SPDX-License-Identifier: MIT */
/* mark.c - a page of the library's own data for the mark that a fork leaves empty: see make_copied_mark. It stands apart, as a
   whole page among the small variables would spread them over more pages. */
#include "kernel/kernel.h"

VM_ALIGNED(4 * VM_KIB) char vm_process_own_mark[VM_OWN_MARK_BYTES];
