/* SPDX-License-Identifier: MIT */
/* apart.h - replays in processes of their own, as the allocator is one for a process: one may follow the other. */
#ifndef VM_VMSIM_APART_H
#define VM_VMSIM_APART_H

#include "vmsim/replay.h"

/* As replay. False: it was complained of, or it ended by a signal, which is said. */
bool replay_apart(struct trace *trace, const char *name, const struct replay_plan *plan,
                  struct replay_result *result);

#endif
