/* SPDX-License-Identifier: MIT */
/* matrix.h - the same replay on one machine after the other: a table, or an array of what each came to. */
#ifndef VM_VMSIM_MATRIX_H
#define VM_VMSIM_MATRIX_H

#include "vmsim/replay.h"

/* What `--matrix` alone is. */
#define MATRIX_DEFAULT "x86-64,x86-32-pae,x86-32,arm64-4k-39,arm64-16k-47,arm64-64k-42"

/* `machines` are layouts, with a size of pages behind a colon or not: "x86-64,x86-64:64K". Returns an exit status. */
int replay_matrix(struct trace *trace, const char *name, const struct replay_plan *plan, const char *machines,
                  bool is_json);

#endif
