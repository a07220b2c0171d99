/* SPDX-License-Identifier: MIT */
/* json.c - see json.h. */
#include <stdio.h>
#include <string.h>
#include "vmsim/json.h"

void json_print(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
}

void json_print_string(const char *text)
{
    putchar('"');
    json_print(text, strlen(text));
    putchar('"');
}
