/* SPDX-License-Identifier: MIT */
/* settings.c - see settings.h. */
#include "vmsim/settings.h"

#define SETTING(name)                                                                                        \
    {                                                                                                        \
#name, offsetof(struct trace_settings, name)                                                         \
    }

const struct trace_settings_name trace_settings_names[N_TRACE_SETTINGS] = {
    SETTING(page_bytes), SETTING(top_pad),    SETTING(trim_threshold), SETTING(mmap_threshold),
    SETTING(mmap_max),   SETTING(is_dynamic), SETTING(arena_max),      SETTING(break_offset),
};

uint64_t *trace_setting(struct trace_settings *settings, size_t index)
{
    return (uint64_t *)(void *)((char *)settings + trace_settings_names[index].offset);
}
