/* SPDX-License-Identifier: MIT */
/*
 * threshold.c - where blocks land: in the heap, which grows by moving the break, or in a mapping of their own.
 *
 *   gcc -o threshold docs/examples/threshold.c
 */
#include <malloc.h>
#include <stdio.h>

#include "maps.h"

enum { KIB = 1024 };

/* Allocates a block, which stays, and says where it is and where the heap ends now. */
static void show(size_t n_kib)
{
    void *const block = malloc(n_kib * KIB);
    printf("%4zu KiB  %p  %-7s  top %p\n", n_kib, block, place_of(block), sbrk(0));
}

int main(void)
{
    /* The stream's buffer is a block of malloc's: it comes first, so that it moves nothing later. */
    printf("   block  address         where    end of the heap\n");
    printf("                          start    top %p\n", sbrk(0));
    show(32);
    show(64);
    show(127);
    show(128);
    show(128);
    printf("mallopt(M_MMAP_THRESHOLD, 64 KiB) = %d\n", mallopt(M_MMAP_THRESHOLD, 64 * KIB));
    show(64);
    show(127);
    return 0;
}
