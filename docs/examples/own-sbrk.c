/* SPDX-License-Identifier: MIT */
/*
 * own-sbrk.c - a program that moves the break itself, under a malloc that does so too. The rule for both: lower
 * it only if it still is where one left it.
 *
 *   gcc -o own-sbrk docs/examples/own-sbrk.c
 */
#include <stdio.h>

#include "maps.h"

enum { MIB = 1024 * 1024, N_BLOCKS = 2000, BLOCK_BYTES = 1000 };

static char *blocks[N_BLOCKS];

static void allocate(int from, int to)
{
    for (int i = from; i < to; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        if (!blocks[i])
            abort();
        memset(blocks[i], i % 256, BLOCK_BYTES);
    }
}

/* Whether each byte of each block is still what was written there. */
static const char *state_of_blocks(int n_blocks)
{
    for (int i = 0; i < n_blocks; i++)
        for (int at = 0; at < BLOCK_BYTES; at++)
            if ((unsigned char)blocks[i][at] != i % 256)
                return "DAMAGED";
    return "whole";
}

/* Gives the program's MiB back, if nobody moved the break since. */
static void lower(const char *my_end)
{
    if (sbrk(0) != my_end)
        printf("malloc grew above it: it stays  %p\n", sbrk(0));
    else if (sbrk(-MIB) == my_end)
        printf("lowered by 1 MiB: break         %p\n", sbrk(0));
}

int main(void)
{
    char *const old = sbrk(0);
    printf("break at the start              %p\n", (void *)old); /* the stream's buffer: first malloc */
    char *mine = sbrk(MIB);
    char *end = sbrk(0);
    printf("raised by 1 MiB, which begins   %p\n", (void *)mine);
    printf("break now                       %p\n", (void *)end);
    printf("new - old                       %#tx\n", end - old);
    printf("of which malloc's own           %#tx\n", end - old - MIB);
    memset(mine, 0x55, MIB);
    allocate(0, 10);
    lower(end);
    printf("10 blocks: %s\n", state_of_blocks(10));

    mine = sbrk(MIB);
    end = mine + MIB;
    memset(mine, 0x55, MIB);
    printf("raised by 1 MiB, which begins   %p\n", (void *)mine);
    allocate(10, N_BLOCKS); /* more than malloc has: it must grow, and finds our MiB in the way */
    size_t n_own = 0;       /* looked at before it may be gone */
    while (n_own < MIB && mine[n_own] == 0x55)
        n_own++;
    lower(end);
    printf("%d blocks: %s; our MiB: %s\n", N_BLOCKS, state_of_blocks(N_BLOCKS),
           n_own == MIB ? "whole" : "DAMAGED");
    return 0;
}
