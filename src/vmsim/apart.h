/* SPDX-License-Identifier: MIT */
/* apart.h - work in processes of their own: the allocator is one for a process, and what goes wrong stays there. */
#ifndef VM_VMSIM_APART_H
#define VM_VMSIM_APART_H

#include "vmsim/replay.h"

enum apart_end { APART_DONE, APART_REFUSED, APART_BROKEN };

/* Has `work` done in a child, and what it then has in `result` here, too. Refused: it returned false, having complained;
   broken: it ended by a signal, which is said. */
enum apart_end run_apart(bool (*work)(void *context), void *context, void *result, size_t bytes);

/* As replay, apart. False: it was refused, or broke. */
bool replay_apart(struct trace *trace, const char *name, const struct replay_plan *plan,
                  struct replay_result *result);

#endif
