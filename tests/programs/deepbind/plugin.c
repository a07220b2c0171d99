/* SPDX-License-Identifier: MIT */
/*
 * plugin.c - a plug-in that frees blocks of the program, makes blocks for it, and defines a name that the program
 * defines, too: which of the two it sees itself depends on how it was opened.
 */
#include <stdlib.h>

const char *whose(void);
const char *plugin_whose(void);
void plugin_free(void *block);
void *plugin_make(void);

const char *whose(void)
{
    return "plug-in";
}

const char *plugin_whose(void)
{
    return whose();
}

void plugin_free(void *block)
{
    free(block);
}

void *plugin_make(void)
{
    return malloc(30);
}
