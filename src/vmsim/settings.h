/* SPDX-License-Identifier: MIT */
/* settings.h - the settings of a trace by name: for the text form and for reports. */
#ifndef VM_VMSIM_SETTINGS_H
#define VM_VMSIM_SETTINGS_H

#include "vmsim/trace.h"

enum { N_TRACE_SETTINGS = sizeof(struct trace_settings) / sizeof(uint64_t) };

struct trace_settings_name {
    const char *name;
    size_t offset;
};
extern const struct trace_settings_name trace_settings_names[N_TRACE_SETTINGS];

uint64_t *trace_setting(struct trace_settings *settings, size_t index);

#endif
