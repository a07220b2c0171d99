/* SPDX-License-Identifier: MIT */
/*
 * origin.c - prints "NAME FILE" for each function of the malloc family: the file that it comes from in this process.
 * What tells bench/run that a preloaded library is in effect, before anything is measured on it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>

int main(void)
{
    static const char *const names[] = {
        "malloc",        "calloc",         "realloc",  "free",
        "aligned_alloc", "posix_memalign", "memalign", "malloc_usable_size",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Dl_info origin;
        void *address = dlsym(RTLD_DEFAULT, names[i]);
        if (address == NULL || dladdr(address, &origin) == 0) {
            fprintf(stderr, "origin: no %s\n", names[i]);
            return 1;
        }
        printf("%s %s\n", names[i], origin.dli_fname);
    }
    return 0;
}
