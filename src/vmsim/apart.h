/* SPDX-License-Identifier: MIT */
/* apart.h - work in processes of their own: the allocator is one for a process, and what goes wrong stays there. */
#ifndef VM_VMSIM_APART_H
#define VM_VMSIM_APART_H

#include "vmsim/replay.h"

/* Has `work` done in a child, and what it then has in `result` here, too. False: it said so, or ended by a signal, which is
   said. */
bool run_apart(bool (*work)(void *context), void *context, void *result, size_t bytes);

/* As replay, apart. */
bool replay_apart(struct trace *trace, const char *name, const struct replay_plan *plan,
                  struct replay_result *result);

#endif
