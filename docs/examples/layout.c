/* SPDX-License-Identifier: MIT */
/*
 * layout.c - where a process has its things, and how the end of the heap moves when a block comes and goes.
 *
 *   gcc -o layout docs/examples/layout.c
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>

#include "maps.h"

enum { KIB = 1024 };

int zero_global;                                  /* bss: takes no room in the file */
unsigned char initialised_global[64 * KIB] = {1}; /* data: is in the file, all of it */

static void show(const char *what, uintptr_t address)
{
    printf("%-32s %#14jx\n", what, (uintmax_t)address);
}

static void show_heap(const char *what)
{
    const struct mallinfo2 info = mallinfo2();
    printf("%-20s end %p, free there %zu\n", what, sbrk(0), info.keepcost);
}

int main(void)
{
    int local = 0;
    void *const small = malloc(1000), *const large = malloc(1000 * KIB);
    const uintptr_t areas[] = {
        (uintptr_t)main,         (uintptr_t)initialised_global,
        (uintptr_t)&zero_global, (uintptr_t)small,
        (uintptr_t)large,        (uintptr_t)&local,
    };
    static const char *const names[] = {
        "main, code",         "a 64 KiB array, data",     "a zero global, bss",
        "malloc(1000), heap", "malloc(1000 KiB), mapped", "a local variable, stack",
    };
    bool ascending = true;
    for (size_t i = 0; i < sizeof areas / sizeof *areas; i++) {
        show(names[i], areas[i]);
        ascending = ascending && (i == 0 || areas[i - 1] < areas[i]);
    }
    printf("each above the one before: %s\n", ascending ? "yes" : "no");
    show("the heap begins at", range_of("[heap]").start);

    show_heap("before");
    void *const block = malloc(127 * KIB);
    show("malloc(127 KiB)", (uintptr_t)block);
    show_heap("after malloc(127 K)");
    free(block);
    show_heap("after free");
    free(large);
    free(small);
    return 0;
}
