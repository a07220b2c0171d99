/* SPDX-License-Identifier: MIT */
/* json.h - pieces of JSON on standard output. */
#ifndef VM_VMSIM_JSON_H
#define VM_VMSIM_JSON_H

#include <stddef.h>

/* The inside of a string: what has to be escaped is. */
void json_print(const char *text, size_t length);

/* A whole string, in quotes. */
void json_print_string(const char *text);

#endif
