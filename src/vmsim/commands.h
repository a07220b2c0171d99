/* SPDX-License-Identifier: MIT */
/* commands.h - the list of sub-commands: a line in the declarations and one in the list, each ending with a comma.
   A sub-command is a file of its own. */
#ifndef VM_VMSIM_COMMANDS_H
#define VM_VMSIM_COMMANDS_H

#include "vmsim/command.h"

extern const struct command vmsim_advise, vmsim_convert, vmsim_demo, vmsim_layout, vmsim_replay, vmsim_run,
    vmsim_sweep;

#define VMSIM_COMMANDS                                                                                       \
    &vmsim_advise, &vmsim_convert, &vmsim_demo, &vmsim_layout, &vmsim_replay, &vmsim_run, &vmsim_sweep,

#endif
