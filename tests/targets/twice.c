/* SPDX-License-Identifier: MIT */
/* twice.c - frees a block twice: says what is wrong of the pointer, on standard error, and comes to no end. */
#include <stdio.h>
#include "mixed.h"

int main(void)
{
    char *const block = malloc(100);
    free(block);
    puts("before");
    fflush(stdout);
    free(block);
    puts("after");
    return 0;
}
