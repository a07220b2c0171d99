/* SPDX-License-Identifier: MIT */
/* report.h - what a replay came to, as text or JSON: the same bytes for the same replay. */
#ifndef VM_VMSIM_REPORT_H
#define VM_VMSIM_REPORT_H

#include "vmsim/replay.h"

void report_text(const char *machine, const struct replay_result *result);
void report_json(const char *machine, const struct replay_result *result);

#endif
