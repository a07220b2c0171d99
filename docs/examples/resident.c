/* SPDX-License-Identifier: MIT */
/*
 * resident.c - how much physical memory malloc really takes: none for a block that nobody touches, and then a
 * page for each page that is written to.
 *
 *   gcc -o resident docs/examples/resident.c
 */
#include <stdio.h>

#include "maps.h"

enum { KIB = 1024 };

/* Pages of this process in physical memory. The kernel counts them one by one for this file; in others it
   guesses. */
static long resident_pages(void)
{
    static char text[4096];
    read_proc("/proc/self/smaps_rollup", text, sizeof text);
    const char *const at = strstr(text, "Rss:");
    return at ? strtol(at + 4, NULL, 10) * KIB / sysconf(_SC_PAGESIZE) : -1;
}

char *block; /* global, so that the compiler must assume that somebody reads what is written there */

static void show(size_t n_kib, size_t n_kib_written)
{
    const long before = resident_pages();
    block = malloc(n_kib * KIB);
    if (!block)
        abort();
    const long allocated = resident_pages();
    memset(block, 1, n_kib_written * KIB);
    const long written = resident_pages();
    printf("%5zu KiB  %6zu KiB  %+6ld  %+6ld  %+4ld\n", n_kib, n_kib_written, allocated - before,
           written - allocated, written - before);
}

int main(void)
{
    /* Whatever is needed once, by malloc, by memset, by the stream and by the lines below, is there before we count. */
    static volatile size_t none = 0;
    block = malloc(32 * KIB);
    if (!block)
        abort();
    memset(block, 1, none);
    free(block);
    printf("             of that    pages more, after\n");
    printf("   malloc  written to  malloc  memset  both\n");
    resident_pages();
    show(32, 0);
    show(64, 1);
    show(127, 5);
    show(64, 7);
    return 0;
}
