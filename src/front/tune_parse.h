/* SPDX-License-Identifier: MIT */
/*
 * tune_parse.h - the lists in which settings are written: name=value, once or more. Pure, as the pieces of
 * text that it is made of.
 */
#ifndef VM_FRONT_TUNE_PARSE_H
#define VM_FRONT_TUNE_PARSE_H

#include "base/piece.h"

/* name=value, or a name alone. */
struct setting {
    struct piece name, value;
    bool has_value;
};

/* An entry of the environment. */
struct setting vm_parse_entry(const char *entry);

/* Takes the next of "name=value,name,..." off the front, passing over blanks before it and empty ones. False:
   there is none. */
bool vm_parse_setting(struct piece *rest, struct setting *setting);

/* The same for "name=value:name=value", as GLIBC_TUNABLES has it, passing over names without a value. */
bool vm_parse_tunable(struct piece *rest, struct setting *setting);

/* Whether glibc from 2.39 on would read that text at all: no value has a = in it, and it does not end with a
   name alone or an empty one. */
bool vm_parse_tunables_are_sound(struct piece text);

#endif
