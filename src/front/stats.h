/* SPDX-License-Identifier: MIT */
/* stats.h - the forms that figures are printed in. None takes a lock but the stream's. */
#ifndef VM_FRONT_STATS_H
#define VM_FRONT_STATS_H

#include "front/figures.h"
#include "front/print.h"

/* --- stats.c --- */

/* malloc_stats, and the text that it prints. */
void vm_stats_glibc(void);
void vm_stats_print(struct printer *printer, const struct figures *figures);

/* --- statement.c, statement_json.c --- */

/* Our own report, in words and as JSON. */
void vm_statement_print(struct printer *printer, const struct figures *figures);
void vm_statement_print_json(struct printer *printer, const struct figures *figures);

/* The names of struct kernel_counts' members, in their order. */
enum { VM_N_KERNEL_COUNTS = sizeof(struct kernel_counts) / sizeof(uint64_t) };
extern const char *const vm_statement_kernel_names[VM_N_KERNEL_COUNTS];

#endif
