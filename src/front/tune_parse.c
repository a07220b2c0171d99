/* SPDX-License-Identifier: MIT */
/* tune_parse.c - see tune_parse.h. Owns nothing. */
#include "front/tune_parse.h"

/* Takes name and value off the front, up to the separator, which is left; the value may have a = in it. */
static void take_setting(struct piece *rest, const char *separator, const char *name_ends,
                         struct setting *setting)
{
    setting->name = vm_piece_until(rest, name_ends);
    setting->has_value = vm_piece_at(*rest, 0) == '=';
    if (setting->has_value)
        vm_piece_skip(rest, 1);
    setting->value = vm_piece_until(rest, separator);
}

struct setting vm_parse_entry(const char *entry)
{
    struct piece rest = vm_piece_of(entry);
    struct setting setting;
    take_setting(&rest, "", "=", &setting);
    return setting;
}

static bool is_between(char character)
{
    return character == ',' || character == ' ' || character == '\t';
}

bool vm_parse_setting(struct piece *rest, struct setting *setting)
{
    while (rest->length && is_between(rest->start[0]))
        vm_piece_skip(rest, 1);
    if (!rest->length)
        return false;
    take_setting(rest, ",", "=,", setting);
    return true;
}

bool vm_parse_tunable(struct piece *rest, struct setting *setting)
{
    while (rest->length) {
        take_setting(rest, ":", "=:", setting);
        if (rest->length)
            vm_piece_skip(rest, 1);
        if (setting->has_value)
            return true;
    }
    return false;
}

bool vm_parse_tunables_are_sound(struct piece text)
{
    struct setting last = {.has_value = true};
    if (text.length && text.start[text.length - 1] == ':')
        return false;
    while (text.length) {
        take_setting(&text, ":", "=:", &last);
        struct piece value = last.value;
        vm_piece_until(&value, "=");
        if (value.length)
            return false;
        if (text.length)
            vm_piece_skip(&text, 1);
    }
    return last.has_value;
}
