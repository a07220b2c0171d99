/* SPDX-License-Identifier: MIT */
/*
 * micro.c - the micro benchmarks: what single calls of malloc and its family cost. `micro --help` shows the
 * options.
 *
 * The allocator is preloaded. Figures are times of an iteration, which is a pair of an allocation and its
 * release unless a case says otherwise.
 */
#include "micro.h"
#include <stdio.h>
#include <stdlib.h>

void *got(void *block)
{
    if (block == NULL) {
        fputs("micro: no memory\n", stderr);
        exit(1);
    }
    return block;
}

int main(int argc, char **argv)
{
    add_single_cases();
    add_thread_cases();
    add_process_cases();
    return bench_main(argc, argv);
}
