/* SPDX-License-Identifier: MIT */
/* plain.c - a program that allocates and prints, for what vmalloc adds to one: see the run script. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char *block = malloc(100);
    block = realloc(block, 1000);
    printf("%d\n", block != NULL);
    free(block);
    return 0;
}
