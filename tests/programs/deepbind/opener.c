/* SPDX-License-Identifier: MIT */
/*
 * opener.c - a library that opens plug-ins which lie where only its own RUNPATH leads: the loader finds them if it
 * sees that the call comes from here. It opens one in its constructor, and others when asked.
 */
#include <dlfcn.h>

void *opener_open(const char *file, int mode);
void *opener_early(void);

static void *early;

void *opener_open(const char *file, int mode)
{
    void *volatile handle =
        dlopen(file, mode); /* volatile: not by a jump, which would make the caller the opener */
    return handle;
}

void *opener_early(void)
{
    return early;
}

__attribute__((constructor)) static void open_early(void)
{
    early = opener_open("beside.so", RTLD_NOW | RTLD_DEEPBIND);
}
