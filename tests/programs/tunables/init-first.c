/* SPDX-License-Identifier: MIT */
/* init-first.c - a library whose constructor runs before the C library's own, and allocates: there is no
   environment yet. */
#include <stdlib.h>

extern char **environ;

__attribute__((constructor)) static void start(void)
{
    void *volatile block = malloc(100);
    if (!block || environ)
        abort(); /* then it tests nothing */
    free(block);
}
